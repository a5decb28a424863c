"""Bytes that mean nothing: no driver raises, and none of them ever makes an alarm of it.

10^7 bytes for each driver with EXAMSITE_LONG=1, fewer in the suite; the drivers' own files have more of their own sort.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.panels import kinds
from drivers.types import Codec
from tests.fakes.panel_kinds import TRIALS, codec_of, may_ever_send
from tests.fakes.wire import ALARMS
from tests.test_readonly import WORDS

LONG = os.environ.get("EXAMSITE_LONG") == "1"
BYTES = 10_000_000 if LONG else 300_000
PIECE_BYTES = 100
SERIAL = [kind.name for kind in kinds() if kind.name != "gpio"]  # pins have no bytes
WRONG_SPEED = bytes((0x00, 0x80, 0xC0, 0xE0, 0xF0, 0xF8, 0xFC, 0xFE, 0xFF))


def any_bytes(numbers: random.Random) -> bytes:
    return numbers.randbytes(PIECE_BYTES)


def wrong_speed(numbers: random.Random) -> bytes:
    return bytes(numbers.choices(WRONG_SPEED, k=PIECE_BYTES))


def text(numbers: random.Random) -> bytes:
    return bytes(numbers.choices(b"0123456789ABCDEF #$!>?@\r\n\x14", k=PIECE_BYTES))


def alarms_of(codec: Codec, data: bytes) -> list[object]:
    return [
        event
        for made in codec.feed(data)
        for event in made.events
        if event.state == "active" and event.kind.split(".")[0] in ALARMS
    ]


# A printable line without a checksum, as Sur-Gard's, cannot be told from noise that spells one.
NOISES = [
    (kind, noise) for kind in SERIAL for noise in (any_bytes, wrong_speed, text) if (kind, noise) != ("surgard", text)
]


@pytest.mark.parametrize(("kind", "noise"), NOISES)
def test_noise_is_never_an_alarm_and_never_raises(kind: str, noise: Callable[[random.Random], bytes]) -> None:
    numbers, codec = random.Random(10), codec_of(kind)
    for moment in range(BYTES // 3 // PIECE_BYTES):
        assert alarms_of(codec, noise(numbers)) == []
        asked = codec.tick(moment * 0.3)
        assert not asked or may_ever_send(kind, asked)


@pytest.mark.parametrize("kind", SERIAL)
@settings(max_examples=3000 if LONG else 60, deadline=None)
@given(pieces=st.lists(st.one_of(st.binary(max_size=40), st.sampled_from(WORDS), st.none()), max_size=30))
def test_hypothesis_finds_nothing_that_raises(kind: str, pieces: list[bytes | None]) -> None:
    codec = codec_of(kind)
    for moment, piece in enumerate(pieces):
        if piece is None:
            codec.reset()
        else:
            for made in codec.feed(piece):
                assert not made.reply or may_ever_send(kind, made.reply)
        asked = codec.tick(moment * 0.7)
        assert not asked or may_ever_send(kind, asked)


@pytest.mark.parametrize("kind", TRIALS)
def test_an_answer_with_one_bit_changed_is_never_an_alarm(kind: str) -> None:
    """Every single flipped bit of the answer that tells the alarm, and of all the others of a round."""
    trial = TRIALS[kind]
    seen = 0
    for bit in range(10**6):
        peer, codec = trial.peer(), codec_of(kind)
        told, longest, mono_s = [], 0, 100.0
        while mono_s < 106:
            asked = codec.tick(mono_s)
            mono_s += 0.05
            answer = bytearray(peer.answer(asked)) if asked else bytearray()
            longest = max(longest, len(answer) * 8)
            if bit < len(answer) * 8:
                answer[bit // 8] ^= 1 << bit % 8
            told += alarms_of(codec, bytes(answer)) if answer else []
        assert told == []
        seen += 1
        if bit >= longest:
            break
    assert seen > 8
