"""The given vectors D1 to D4 (panels.md 4), in the shape of tests/vectors/dcon.py. D3 is what must never be sent."""

from __future__ import annotations

from tests.vectors.dcon import Vector, _active, _quiet

KIND = "contacts-modbus"
RELAY_ON = bytes.fromhex("01 05 00 00 FF 00 8C 3A")  # D3
VECTORS = [
    Vector("D1", {}, {bytes.fromhex("01 02 00 00 00 08 79 CC"): bytes.fromhex("01 02 01 00 A1 88")},
           _quiet(*(str(n) for n in range(1, 9)))),
    Vector("D2", {"count": "16"}, {bytes.fromhex("01 02 00 00 00 10 79 C6"): bytes.fromhex("01 02 02 01 80 B9 88")},
           _active("1", "16") + _quiet(*(str(n) for n in range(2, 16)))),
    Vector("D4", {}, {bytes.fromhex("01 02 00 00 00 08 79 CC"): bytes.fromhex("01 82 04 41 63")},
           [{"kind": "fault", "state": "active", "zone": None, "code": "exception-4", "flags": ["unknown"]}]),
]  # fmt: skip
