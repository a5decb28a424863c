"""Wires between a panel and a codec, faulty on purpose, and the conversation of a receiver over one of them.

A wire says what arrives of what was sent; it knows no protocol. Its own random numbers come from a seed, so that a
failing conversation can be had again. No test needs a port here; tests/test_watch.py has the same talk over a real one.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from drivers.types import Codec, PanelEvent

ACK = b"\x06"
TRIES = 60  # a real receiver goes on for ever


class Pulled(Exception):
    """The line was unplugged at this point."""


class Clean:
    """Everything arrives as sent."""

    def __init__(self, seed: int = 1) -> None:
        self.random = random.Random(seed)

    def to_us(self, data: bytes) -> Iterator[bytes]:
        """Pieces in which `data` arrives. Raises Pulled where the line is unplugged."""
        yield data

    def to_panel(self, data: bytes) -> bytes:
        return data


class OneByteAtATime(Clean):
    """As a slow line really delivers."""

    def to_us(self, data: bytes) -> Iterator[bytes]:
        for byte in data:
            yield bytes([byte])


class Glued(Clean):
    """What was sent comes together with a copy of what came before it, as after a busy moment of ours."""

    before = b""

    def to_us(self, data: bytes) -> Iterator[bytes]:
        yield self.before + data
        self.before = data


class Noisy(Clean):
    """Noise before, between and sometimes inside a frame."""

    def noise(self) -> bytes:
        return self.random.randbytes(self.random.randint(1, 12))

    def to_us(self, data: bytes) -> Iterator[bytes]:
        yield self.noise()
        if self.random.random() < 0.4:
            inside = self.random.randrange(1, len(data))
            data = data[:inside] + self.noise() + data[inside:]
        yield data
        yield self.noise()


class Lossy(Clean):
    """Of every five frames one is lost whole and one loses a byte; one answer of five never reaches the panel."""

    def to_us(self, data: bytes) -> Iterator[bytes]:
        luck = self.random.random()
        if luck < 0.2:
            return
        if luck < 0.4:
            gone = self.random.randrange(len(data))
            data = data[:gone] + data[gone + 1 :]
        yield data

    def to_panel(self, data: bytes) -> bytes:
        return b"" if self.random.random() < 0.2 else data


class HalfThenSilence(Clean):
    """The first time only half of it comes; then the line is silent until the panel repeats it."""

    halved = False

    def to_us(self, data: bytes) -> Iterator[bytes]:
        if not self.halved:
            data = data[: len(data) // 2]
        self.halved = not self.halved
        yield data


class Unplugged(HalfThenSilence):
    """The line is pulled out in the middle of it and put back."""

    def to_us(self, data: bytes) -> Iterator[bytes]:
        whole = self.halved
        yield from super().to_us(data)
        if not whole:
            raise Pulled


class WrongBaud(Clean):
    """Every byte sampled at the wrong moments, until somebody sets the speed right."""

    tries = 0

    def to_us(self, data: bytes) -> Iterator[bytes]:
        self.tries += 1
        if self.tries % 3:
            data = bytes(self.random.choice((0x00, 0x80, 0xC0, 0xE0, 0xF0, 0xF8, 0xFE, byte ^ 0xAA)) for byte in data)
        yield data


WIRES = (Clean, OneByteAtATime, Glued, Noisy, Lossy, HalfThenSilence, Unplugged, WrongBaud)


def converse(codec: Codec, wire: Clean, frames: Sequence[bytes]) -> list[PanelEvent]:
    """What a codec makes of a receiver that repeats each frame until it is acknowledged.

    A frame that is the same as the one decoded before it counts once, as `appliance.alarms` does with a repeat; a
    garbled repeat in between does not make the next one new.
    Raises AssertionError when a frame is never acknowledged or the codec sends what it may not.
    """
    events: list[PanelEvent] = []
    last = b""
    mono_s = 0.0
    for frame in frames:
        for _ in range(TRIES):
            mono_s += 4.0
            heard, answered = _once(codec, wire, frame, mono_s)
            for raw, said in heard:
                events += [] if raw == last else said
                last = last if said[0].kind == "info.unparsed" else raw
            if ACK in answered:
                break
        else:
            raise AssertionError(f"{frame!r} was never acknowledged over {type(wire).__name__}")
    return events


def _once(
    codec: Codec, wire: Clean, frame: bytes, mono_s: float
) -> tuple[list[tuple[bytes, tuple[PanelEvent, ...]]], bytes]:
    heard: list[tuple[bytes, tuple[PanelEvent, ...]]] = []
    answered = b""
    try:
        for piece in wire.to_us(frame):
            for made in codec.feed(piece):
                if made.events:
                    heard.append((made.raw, made.events))
                if made.reply:
                    assert codec.may_send(made.reply), f"{made.reply!r} is not in the allow-list of {codec.kind}"
                    answered += wire.to_panel(made.reply)
    except Pulled:
        codec.reset()
    assert codec.tick(mono_s) == b""  # notes that something was said
    assert codec.tick(mono_s + 3.0) == b""  # three silent seconds until the panel repeats
    return heard, answered
