"""B1, a captured answer of a С2000-ПП (panels.md 3), read as a plain table: both codes of each register count.

The profile asks for 7 zones as the capture did, at unit 2.
"""

from __future__ import annotations

from pathlib import Path

from tests.fakes.panel_site import ROOT
from tests.vectors.dcon import Vector

KIND = "modbus-table"
STATES = ROOT / "examples" / "panels" / "c2000-pp-states.toml"


def profile(folder: Path) -> Path:
    """The shipped profile as the captured stand needs it."""
    text = STATES.read_text(encoding="utf-8").replace("unit = 1\n", "unit = 2\n").replace("count = 64 ", "count = 7 ")
    file = folder / "c2000-pp.toml"
    file.write_text(text, encoding="utf-8")
    return file


B1 = Vector(
    "B1", {}, {bytes.fromhex("02 03 9C 40 00 07 2B BF"):
               bytes.fromhex("02 03 0E 18 BC 18 BC C7 2F FA BB FB 00 6D BC 6D BC EC B7")},
    [{"kind": "arm", "state": "info", "zone": "1"}, {"kind": "arm", "state": "info", "zone": "2"},
     {"kind": "comm.loss", "state": "active", "zone": "4", "code": "250"},
     {"kind": "comm.loss", "state": "active", "zone": "4", "code": "187"},
     {"kind": "disarm", "state": "info", "zone": "6"}, {"kind": "disarm", "state": "info", "zone": "7"}],
)  # fmt: skip
