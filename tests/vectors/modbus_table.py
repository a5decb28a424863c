"""B1, a captured answer of a С2000-ПП (panels.md 3), read as a plain table: both codes of each register count."""

from __future__ import annotations

from pathlib import Path

from tests.vectors.dcon import Vector

KIND = "modbus-table"
PROFILE = Path(__file__).resolve().parent / "b1.toml"
ASKED = bytes.fromhex("02 03 9C 40 00 07 2B BF")
B1 = bytes.fromhex("02 03 0E 18 BC 18 BC C7 2F FA BB FB 00 6D BC 6D BC EC B7")
VECTORS = [
    Vector("B1", {"profile": str(PROFILE), "unit": "2"}, {ASKED: B1},
    [{"kind": "arm", "state": "info", "zone": "1", "code": "24"},
     {"kind": "arm", "state": "info", "zone": "2", "code": "24"},
     {"kind": "comm.loss", "state": "restored", "zone": "3", "code": ""},
     {"kind": "comm.loss", "state": "active", "zone": "4", "code": "250"},
     {"kind": "comm.loss", "state": "active", "zone": "4", "code": "187"},
     {"kind": "comm.loss", "state": "restored", "zone": "5", "code": ""},
     {"kind": "disarm", "state": "info", "zone": "6", "code": "109"},
     {"kind": "disarm", "state": "info", "zone": "7", "code": "109"}]),
]  # fmt: skip
