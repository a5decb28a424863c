"""Wires between a panel and a codec, faulty on purpose, and the conversation of a receiver over one of them.

A wire says what arrives of what was sent; it knows no protocol. Its own random numbers come from a seed, so that a
failing conversation can be had again. No test needs a port here; tests/test_watch.py has the same talk over a real one.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from drivers.types import Codec, Frame, PanelEvent

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

    def bad(self) -> bool:
        return self.tries % 3 != 0

    def to_us(self, data: bytes) -> Iterator[bytes]:
        self.tries += 1
        if self.bad():
            data = bytes(self.random.choice((0x00, 0x80, 0xC0, 0xE0, 0xF0, 0xF8, 0xFE, byte ^ 0xAA)) for byte in data)
        yield data


class OftenWrongBaud(WrongBaud):
    """As often, and not in step with a round of questions."""

    def bad(self) -> bool:
        return self.random.random() < 2 / 3


class OftenHalf(Clean):
    """Of every other answer only a part comes, and then nothing until something is asked again."""

    def to_us(self, data: bytes) -> Iterator[bytes]:
        yield data[: self.random.randrange(1, len(data))] if self.random.random() < 0.5 else data


class Late(Clean):
    """Of an answer to a question: it comes too late, glued to the one after it."""

    held = b""

    def to_us(self, data: bytes) -> Iterator[bytes]:
        if not self.held and self.random.random() < 0.3:
            self.held = data
            return
        yield self.held + data
        self.held = b""


class PulledOften(Clean):
    """The line is pulled out in the middle of an answer and put back, five times with time between them."""

    answers = 0

    def to_us(self, data: bytes) -> Iterator[bytes]:
        self.answers += 1
        if self.answers in (3, 40, 41, 90, 300):
            yield data[: self.random.randrange(1, len(data))]
            raise Pulled
        yield data


WIRES = (Clean, OneByteAtATime, Glued, Noisy, Lossy, HalfThenSilence, Unplugged, WrongBaud)
ASKED = (Clean, OneByteAtATime, Late, Noisy, Lossy, OftenHalf, PulledOften, OftenWrongBaud)  # that are asked
ALARMS = ("fire", "extinguishing", "gas", "panic", "duress", "medical", "intrusion", "tamper", "flood", "tech")


class Conversation:
    """A codec that asks, a panel that answers, a wire between them, and a clock of their own.

    `told` is what the books would make of it: a thing that is active is not told again, nor one that is over.
    """

    def __init__(self, codec: Codec, peer: Any, wire: Clean) -> None:
        self.codec, self.peer, self.wire = codec, peer, wire
        self.told: list[tuple[str, str, str | None]] = []
        self.alive = False
        self.sent: set[bytes] = set()
        self._mono_s = 1000.0
        self._active: set[tuple[str, tuple[str, str | None]]] = set()

    def run(self, seconds: float) -> None:
        self.run_until(lambda: False, longest_s=seconds)

    def run_until(self, done: Callable[[], bool], longest_s: float) -> None:
        ends_mono_s = self._mono_s + longest_s
        while self._mono_s < ends_mono_s and not done():
            self._mono_s += 0.02
            self._send(self.codec.tick(self._mono_s))

    def _send(self, data: bytes) -> None:
        if not data:
            return
        assert self.codec.may_send(data), f"{data!r} is not in the allow-list of {self.codec.kind}"
        self.sent.add(data)
        answer = self.peer.answer(self.wire.to_panel(data))
        try:
            for piece in self.wire.to_us(answer) if answer else ():
                self._mono_s += 0.001
                for made in self.codec.feed(piece):
                    self._keep(made)
        except Pulled:
            self.codec.reset()

    def _keep(self, made: Frame) -> None:
        self.alive = self.alive or made.alive
        for event in made.events:
            place = ("zone", event.zone) if event.zone else ("partition", event.partition)
            kinds = {event.kind}
            if "any-class" in event.flags:  # all is quiet there but what still is not
                kinds = {kind for kind, at in self._active if at == place and f"still:{kind}" not in event.flags}
            for kind in sorted(kinds):
                if kind.split(".")[0] in ALARMS and (event.state == "active") != ((kind, place) in self._active):
                    self._active.symmetric_difference_update({(kind, place)})
                    self.told.append((kind, event.state, place[1]))
        self._send(made.reply)


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
