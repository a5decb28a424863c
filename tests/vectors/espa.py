"""The given vectors E1 to E8 (panels.md 6). A talking panel: what it says, what it must hear, what follows."""

from __future__ import annotations

from typing import Any, NamedTuple


class Talk(NamedTuple):
    """`says`: bytes of the panel and the bytes it expects back, in order. `events`: what `panel listen --json` prints
    must hold, each as a subset."""

    name: str
    settings: dict[str, str]
    says: list[tuple[bytes, bytes]]
    events: list[dict[str, Any]]


KIND = "espa"
SELECT, ACK, EOT = bytes.fromhex("04 31 05 32 05"), b"\x06", b"\x04"
E1 = bytes.fromhex(
    "01 31 02 31 1F 35 35 30 1E 32 1F 43 41 4C 4C 20 4D 45 20 31 30 31 1E 33 1F 33 1E 34 1F 33 1E 35 1F 33 1E 36 1F 33"
    "03 23"
)
E2 = bytes.fromhex(
    "01 31 02 31 1F 38 34 31 35 1E 32 1F 46 49 52 45 20 5A 4F 4E 45 20 33 20 52 4F 4F 4D 20 32 31 34 1E 34 1F 33 1E 36"
    "1F 31 03 38"
)
E3 = bytes.fromhex(
    "01 31 02 31 1F 38 34 31 35 1E 32 1F 46 49 52 45 20 5A 4F 4E 45 20 33 20 52 4F 4F 4D 20 32 31 34 1E 34 1F 31 03 3C"
)
E4 = bytes.fromhex("01 32 02 31 1F 35 35 30 1E 37 1F 33 03 28")
E5 = bytes.fromhex("01 32 02 31 1F 35 35 30 1E 38 1F 31 03 25")
E6 = bytes.fromhex("01 31 02 31 1F 37 1E 32 1F 54 45 53 54 1E 03 12")
E7 = bytes.fromhex("01 31 02 31 1F 31 30 31 1E 32 1F 46 49 52 45 1E 36 1F 31 03 03")
BAD_E2 = E2[:-1] + b"\x39"
FIRE = {"kind": "fire.alarm", "state": "active", "zone": "8415", "text": "FIRE ZONE 3 ROOM 214", "raw": E2.hex()}


def _called(name: str, block: bytes, **event: Any) -> Talk:
    return Talk(name, {}, [(SELECT, ACK), (block, ACK), (EOT, b"")], [event])


VECTORS = [
    _called("E1", E1, kind="info", state="info", zone="550", text="CALL ME 101"),
    _called("E2", E2, **FIRE),
    Talk("E3", {}, [(SELECT, ACK), (E2, ACK), (E3, ACK), (EOT, b"")],
         [FIRE, {**FIRE, "state": "restored", "raw": E3.hex()}]),
    _called("E4", E4, kind="info", state="info", zone="550", text="Call status: paged"),
    _called("E5", E5, kind="fault", state="info", text="System status: transmitter failure"),
    _called("E6", E6, kind="test", state="info", zone="7", text="TEST"),
    _called("E7", E7, kind="fire.alarm", state="active", zone="101", text="FIRE"),
    _called("E8", E2, **FIRE),
    Talk("E8 wrong BCC", {}, [(SELECT, ACK), (BAD_E2, b"1\x15"), (E2, ACK), (EOT, b"")], [FIRE]),
    Talk("E2 addressless", {"mode": "addressless"}, [(b"\x05", ACK), (E2, ACK), (EOT, b"")], [FIRE]),
    Talk("E2 for another station", {}, [(bytes.fromhex("04 31 05 33 05"), b""), (E2, b""), (EOT, b"")], []),
]  # fmt: skip
