"""Panels are read only: whatever a driver hears, what it sends lies in its own allow-list and in the one written down a
second time in tests/fakes/panel_kinds.py, and the port holds it there.

The other proof is in tests/conftest.py: what any test of the suite sends through a port is held against the second.
"""

from __future__ import annotations

import os
import random
import select
import tty
from pathlib import Path

import pytest

from drivers.panels import kinds
from drivers.port import ForbiddenWrite, Port
from drivers.types import Codec
from tests.fakes.panel_kinds import TRIALS, codec_of, may_ever_send
from tests.fakes.wire import ASKED, Clean, Conversation
from tests.vectors import espa, satel

LONG = os.environ.get("EXAMSITE_LONG") == "1"
SERIAL = [kind.name for kind in kinds() if kind.name != "gpio"]  # pins have no bytes; tests/test_gpio.py
WORDS = [
    b"5011 18", b"1234E11001001", b"1011           @    ", b"3011      1234FA0129", b"\x14", b"ZZZZ\x14",
    *(says for talk in espa.VECTORS for says, _ in talk.says),
    satel.T3, satel.T4, satel.T7, satel.T8, satel.T9, satel.T10, b"\x10Busy!\r\n",
    b"!01400600\r", b">0F00\r", b"!112200\r", b"?01\r", b":ALARM Z001 1.1.Z1 AZF 1 12/08 01:23;\r\n",
    bytes.fromhex("01 02 01 00 A1 88"), bytes.fromhex("01 82 04 41 63"), bytes.fromhex("02 83 0F F1 34"),
    bytes.fromhex("02 03 1C 12 34 11 25 02 02 00 03 03 02 00 11 0B 06 0E 05 09 16 0B 1A 00 00 00 00 00 00 00 00 DA 38"),
]  # fmt: skip
# What each panel of these would take for a command, or a question we do not ask: it must not pass a port, ever.
COMMANDS = [
    satel.T0,  # Satel: a user's function, with a code in it
    bytes.fromhex("01 05 00 00 FF 00 8C 3A"),  # Modbus: a relay on
    bytes.fromhex("01 0F 00 00 00 08 01 FF BE D5"), bytes.fromhex("01 10 00 00 00 01 02 00 01 67 90"),
    bytes.fromhex("02 06 9C 40 00 18 A7 87"),  # Bolid: arm a zone
    b"#010001\r", b"@0101\r", b"$015\r", b"%0101400600\r", b"~01P\r",  # DCON: outputs, counters, configuration
    b"\x15", b"\x06\x06", b"\x01", b"AT\r", b"", b"\x00", b"\xff" * 8,
]  # fmt: skip


def sent_by(codec: Codec, pieces: int) -> set[bytes]:
    """All that a codec wants to say while it hears all sorts of things."""
    numbers = random.Random(6)
    sent: set[bytes] = set()
    for moment in range(pieces):
        piece = numbers.choice([*WORDS, numbers.randbytes(numbers.randint(1, 30))])
        sent |= {frame.reply for frame in codec.feed(piece)} | {codec.tick(moment * 0.4)}
        if numbers.random() < 0.001:
            codec.reset()
    return sent - {b""}


@pytest.mark.parametrize("kind", SERIAL)
def test_no_driver_says_anything_outside_its_allow_list_whatever_it_hears(kind: str) -> None:
    codec = codec_of(kind)
    sent = sent_by(codec, 200_000 if LONG else 6_000)
    assert bool(sent) == (kind != "printer")  # and it did say something, where it ever may
    assert [data for data in sent if not codec.may_send(data)] == []
    assert [data for data in sent if not may_ever_send(kind, data)] == []


@pytest.mark.parametrize("wire", ASKED)
@pytest.mark.parametrize("kind", TRIALS)
def test_no_driver_asks_its_panel_anything_outside_its_allow_list(kind: str, wire: type[Clean]) -> None:
    trial = TRIALS[kind]
    talk = Conversation(codec_of(kind), trial.peer(), wire(3))
    for act, _ in trial.acts:
        act(talk.peer)
        talk.run(20)
    assert talk.sent
    assert [data for data in talk.sent if not may_ever_send(kind, data)] == []


@pytest.mark.parametrize("kind", SERIAL)
def test_the_port_refuses_every_command_and_every_other_byte(kind: str) -> None:
    """None of it reaches the line: what arrives at the panel's end is what passed, and that may pass."""
    master, slave = os.openpty()
    tty.setraw(slave)
    codec = codec_of(kind)
    port = Port(Path(os.ttyname(slave)), codec.line, codec.may_send)
    port.open()
    pairs = [bytes([first, second]) for first in range(256) for second in (0x05, 0x06, 0x15)]
    passed = []
    for data in [*COMMANDS, *(bytes([byte]) for byte in range(256)), *pairs]:
        try:
            port.write(data)
            passed.append(data)
        except ForbiddenWrite:
            continue
    assert [data for data in passed if not may_ever_send(kind, data)] == []
    received = b""
    while select.select([master], [], [], 0.1)[0]:
        received += os.read(master, 4096)
    assert received == b"".join(passed)
    port.close()
    os.close(master)
    os.close(slave)


@pytest.mark.parametrize("kind", TRIALS)
def test_a_question_with_one_bit_changed_is_another_question_and_not_sent(kind: str) -> None:
    """What a checksum covers may not be bent: the list holds questions, not shapes."""
    codec = codec_of(kind)
    asked = next(data for data in (codec.tick(second / 10) for second in range(1, 100)) if data)
    for at in range(len(asked) * 8):
        bent = bytearray(asked)
        bent[at // 8] ^= 1 << at % 8
        assert not codec.may_send(bytes(bent)) or may_ever_send(kind, bytes(bent))
