"""The given vectors L1 to L11 (panels.md 5), in the shape of tests/vectors/espa.py: a printer is never answered."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.vectors.espa import Talk

KIND = "printer"
PROFILES = Path(__file__).resolve().parent.parent.parent / "examples" / "panels"
AFP = {"profile": str(PROFILES / "afp2800.toml")}
FX64 = {"profile": str(PROFILES / "fx64.toml")}
POINT = "Z001/1.1.Z1"


def _line(name: str, line: str, **event: Any) -> Talk:
    return Talk(name, AFP, [(line.encode("ascii") + b"\r\n", b"")], [{**event, "raw": line.encode("ascii").hex()}])


L7 = ":BATTERY LOW Z000 0.2.I6 BATTERY LOW 11/12 15:08;"
L8 = ":RESET FAULT Z000 0.2.I6 BATTERY LOW 11/12 15:09;"
VECTORS = [
    _line("L1", ":ALARM Z001 1.1.Z1 AZF 1 ON MODULE 1 (28 CHAR) 12/08 01:23;", kind="fire.alarm", state="active",
          zone=POINT),
    _line("L2", ":FAULT Z001 1.1.Z1 AZF 1 ON MODULE 1 (28 CHAR) 12/08 01:23;", kind="fault", state="active",
          zone=POINT),
    _line("L3", ":ISOL Z001 1.1.Z1 AZF 1 ON MODULE 1 (28 CHAR) 12/08 01:24;", kind="bypass", state="active",
          zone=POINT),
    _line("L4", ":ACKD ALARM Z001 1.1.Z1 AZF 1 ON MODULE 1 (28 CHAR) 12/08 01:23;", kind="fire.alarm", state="info",
          zone=POINT, flags=["panel-ack", "no-year"]),
    _line("L5", ":RESET ALARM Z001 1.1.Z1 AZF 1 ON MODULE 1 (28 CHAR) 12/08 01:23;", kind="fire.alarm",
          state="restored", zone=POINT),
    _line("L6", ":MAINS FAIL Z000 0.2.I5 MAINS FAIL 11/12 15:08;", kind="mains.loss", state="active",
          zone="Z000/0.2.I5"),
    _line("L7", L7, kind="battery.low", state="active", zone="Z000/0.2.I6"),
    _line("L8", L8, kind="fault", state="restored", zone="Z000/0.2.I6", flags=["any-fault", "no-year"]),
    _line("L9", ":COMMS FAIL Z000 1.0.-- UNNAMED POINT 11/12 15:09;", kind="comm.loss", state="active",
          zone="Z000/1.0.--"),
    _line("L10", ":FAULT (F01) Z001 L2D159 SOUTH WEST ENTERANCE DET 11/12 14:11;", kind="fault", state="active",
          zone="Z001/L2D159", code="F01"),
    Talk("L11", FX64, [(b"TRBL ACT | 18:00:07 01/01/2007 A:008\r\n", b""), (b"Annunciator 08\r\n", b"")],
         [{"kind": "fault", "state": "active", "zone": "A:008", "text": "Annunciator 08",
           "panel_time": "2007-01-01T18:00:07"}]),
    Talk("a line no rule knows", AFP, [(b"*** SELF TEST OK ***\r\n", b"")],
         [{"kind": "info.unparsed", "state": "info", "text": "*** SELF TEST OK ***"}]),
    Talk("no profile", {}, [("ПОЖАР ШС 12\r\n".encode("cp866"), b"")],
         [{"kind": "info.unparsed", "state": "info", "text": "ПОЖАР ШС 12"}]),
]  # fmt: skip
