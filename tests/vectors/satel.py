"""The given vectors T3 to T10 (panels.md 8), in the shape of tests/vectors/dcon.py. T0 must never be sent; T1 and T2
are questions and T7 is a result: tests/test_satel.py has them."""

from __future__ import annotations

from typing import Any

from tests.vectors.dcon import Vector

KIND = "satel"
T0 = bytes.fromhex("FE FE E0 12 34 FF FF 8A 9B FE 0D")
T1 = bytes.fromhex("FE FE 09 D7 EB FE 0D")
T2 = bytes.fromhex("FE FE 1C D7 FE F0 FE 0D")
T3 = bytes.fromhex("FE FE 00 04 20 00 00 00 00 00 00 00 00 00 00 00 00 00 80 70 C5 FE 0D")
T4 = bytes.fromhex("FE FE 14 01 00 00 00 7E 5E FE 0D")
T5 = bytes.fromhex("FE FE 13 00 00 00 00 7E 56 FE 0D")
T6 = bytes.fromhex("FE FE 8C FF FF FF 40 43 FE 0D")
T7 = bytes.fromhex("FE FE EF 00 4E AA FE 0D")
T8 = bytes.fromhex("FE FE 8C BF 16 B3 4D 10 6E 11 00 00 01 23 FF FF FF 6C 55 FE 0D")
T9 = bytes.fromhex("FE FE 8C BF 16 B3 51 14 6E 11 00 00 01 22 FF FF FF 74 AE FE 0D")
T10 = bytes.fromhex("FE FE 0A 03 00 00 10 7D BC FE 0D")
ASK = {0x00: "FE FE 00 D7 E2 FE 0D", 0x13: "FE FE 13 D7 F5 FE 0D", 0x14: "FE FE 14 D7 F6 FE 0D",
       0x0A: "FE FE 0A D7 EC FE 0D"}  # fmt: skip


def _logged(state: str, minute: int) -> dict[str, Any]:
    return {"kind": "fire.alarm", "state": state, "zone": "17", "partition": "3", "code": "110",
            "panel_time": f"2026-11-22T14:{minute:02d}:00", "flags": ["history", "log", "partition-raw-2"]}  # fmt: skip


QUICK = {"reply_s": "0.2"}  # the rest of what is asked has no answer here
VECTORS = [
    Vector("T3", QUICK, {bytes.fromhex(ASK[0x00]): T3},
           [{"kind": "zone.open", "state": "active", "zone": zone} for zone in ("3", "14", "128")]),
    Vector("T4", QUICK, {bytes.fromhex(ASK[0x14]): T4},
           [{"kind": "fire.alarm", "state": "active", "partition": "1", "zone": None}]),
    Vector("T5", QUICK, {bytes.fromhex(ASK[0x13]): T5}, []),
    Vector("T6 T8", QUICK, {T6: T8}, [_logged("active", 5)]),
    Vector("T6 T9", QUICK, {T6: T9}, [_logged("restored", 9)]),
    Vector("T10", QUICK, {bytes.fromhex(ASK[0x0A]): T10},
           [{"kind": "arm", "state": "info", "partition": number} for number in ("1", "2", "29")]),
]  # fmt: skip
