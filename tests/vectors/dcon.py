"""The given vectors D5, D6 and D7 (panels.md 4): settings, what is asked, what is answered, the events that follow.

An exchange is asked and answered until the events are complete; a change counts after two readings.
"""

from __future__ import annotations

from typing import Any, NamedTuple


class Vector(NamedTuple):
    """`answers`: request to reply, in bytes of the wire. `events`: what `panel listen --json` must hold."""

    name: str
    settings: dict[str, str]
    answers: dict[bytes, bytes]
    events: list[dict[str, Any]]


def _quiet(*zones: str) -> list[dict[str, Any]]:
    return [{"kind": "tech.alarm", "state": "restored", "zone": zone} for zone in zones]


def _active(*zones: str) -> list[dict[str, Any]]:
    return [{"kind": "tech.alarm", "state": "active", "zone": zone} for zone in zones]


KIND = "dcon"
VECTORS = [
    Vector("D5", {}, {b"$012\r": b"!01400600\r"},
           [{"kind": "info", "state": "info", "partition": "01", "code": "type 40 speed 06 checksum off"}]),
    Vector("D5 checksum", {"checksum": "on"}, {b"$012B7\r": b"!01400640B0\r"},
           [{"kind": "info", "state": "info", "partition": "01", "code": "type 40 speed 06 checksum on"}]),
    Vector("D6 checksum", {"checksum": "on", "command": "@"}, {b"@01A1\r": b">0F0014\r"},
           _quiet("0", "1", "2", "3", "4", "5", "6", "7")),
    Vector("D6", {"command": "@"}, {b"@01\r": b">0F00\r"}, _quiet("0", "1", "2", "3", "4", "5", "6", "7")),
    Vector("D6 widths", {"command": "@", "do_digits": "0", "di_digits": "4"}, {b"@01\r": b">0F00\r"},
           _active("8", "9", "10", "11") + _quiet("0", "1", "2", "3", "4", "5", "6", "7", "12", "13", "14", "15")),
    Vector("D7", {"address": "33"}, {b"$336\r": b"!112200\r"},
           _active("1", "5") + _quiet("0", "2", "3", "4", "6", "7")),
]  # fmt: skip
