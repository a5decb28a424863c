"""Panels are read only: whatever a driver hears, its answers lie in its own allow-list, and the port holds it there.

The other proof is in every test with a line: their panels record each byte they receive and compare it at the end.
"""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from drivers.panels import Kind, kinds
from drivers.port import ForbiddenWrite, Port

# What each driver may ever send, written down a second time on purpose: widening it must take two hands.
ALLOWED = {"surgard": {b"\x06", b"\x15"}}
DEFAULTS = [pytest.param(kind, id=kind.name) for kind in kinds()]


def test_every_driver_has_its_allow_list_written_here() -> None:
    assert set(ALLOWED) == {kind.name for kind in kinds()}


@pytest.mark.parametrize("kind", DEFAULTS)
def test_no_driver_answers_anything_outside_its_allow_list(kind: Kind) -> None:
    numbers = random.Random(6)
    codec = kind.make({})
    sent: set[bytes] = set()
    words = [b"5011 18", b"1234E11001001", b"1011           @    ", b"3011      1234FA0129", b"\x14", b"ZZZZ\x14"]
    for second in range(20_000):
        piece = numbers.choice([*words, numbers.randbytes(numbers.randint(1, 30))])
        sent |= {frame.reply for frame in codec.feed(piece)} | {codec.tick(float(second))}
    assert sent - {b""} == ALLOWED[kind.name]  # and both were really sent


@pytest.mark.parametrize("kind", DEFAULTS)
def test_the_port_refuses_every_other_byte(kind: Kind) -> None:
    codec = kind.make({})
    master, slave = os.openpty()
    port = Port(Path(os.ttyname(slave)), codec.line, codec.may_send)
    port.open()
    passed = set()
    for first in range(256):
        for data in (bytes([first]), bytes([first, 0x06]), bytes([0x06, first])):
            try:
                port.write(data)
                passed.add(data)
            except ForbiddenWrite:
                continue
    assert passed == ALLOWED[kind.name]
    received = b""
    while len(received) < len(passed):
        received += os.read(master, 4096)
    assert received == b"".join(sorted(passed))
    port.close()
    os.close(master)
    os.close(slave)
