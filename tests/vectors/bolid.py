"""The given vectors B1 to B10 (panels.md 3), in the shape of tests/vectors/dcon.py. What is not answered is silence.

B4 (pending) is an order of answers, not an answer: tests/test_bolid.py has it.
"""

from __future__ import annotations

from typing import Any

from tests.fakes.peers.contacts_modbus import crc
from tests.vectors.dcon import Vector

KIND = "bolid"
QUICK = {"timeout_s": "0.2"}


def wire(text: str) -> bytes:
    """Bytes as panels.md writes them, checksum included."""
    return bytes.fromhex(text)


def made(text: str) -> bytes:
    """Bytes whose checksum panels.md does not give."""
    return bytes.fromhex(text) + crc(bytes.fromhex(text))


B1 = wire("02 03 0E 18 BC 18 BC C7 2F FA BB FB 00 6D BC 6D BC EC B7")
B4 = wire("02 83 0F F1 34")
B7 = wire("02 03 1C 12 34 11 25 02 02 00 03 03 02 00 11 0B 06 0E 05 09 16 0B 1A 00 00 00 00 00 00 00 00 DA 38")
B8 = wire("02 03 1C" + "00" * 28 + "EC A4")
B10 = wire("02 03 1C 00 07 11 80 05 02 00 02 07 02 00 01 0B 06 0E 05 09 16 0B 1A 00 00 00 00 00 00 00 00 8E 69")
QUEUE = wire("02 03 B4 B8 00 0E 63 E8")
ACK = wire("02 06 B4 53 12 34 53 6F")
STATES = {zones: made(f"02 03 9C 40 00 {zones:02X}") for zones in (1, 3, 7, 8)}
# One zone table of eight rows whose last two are a power supply's voltage and current, and their states.
POWER_TABLE = {
    made("02 04 00 00 00 20"): made("02 04 40" + "0001 0001 0001 0001" * 6 + "0001 0007 0001 0008 0001 0008 0001 0008"),
    STATES[8]: made("02 03 10" + "18BC" * 8),
}


def _zone(number: str, kind: str, state: str, code: str) -> dict[str, Any]:
    return {"zone": number, "kind": kind, "state": state, "code": code, "flags": ["status"]}


def _settings(**settings: str) -> dict[str, str]:
    return {"unit": "2", **QUICK, **settings}


VECTORS = [
    Vector("B1", _settings(zones="7"), {wire("02 03 9C 40 00 07 2B BF"): B1, QUEUE: B8}, [
        _zone("1", "comm.loss", "restored", "187"), _zone("1", "arm", "info", "24"),
        _zone("2", "comm.loss", "restored", "187"), _zone("2", "arm", "info", "24"),
        _zone("3", "fault", "restored", "198"), _zone("3", "fault", "restored", "46"),
        _zone("4", "comm.loss", "active", "250"), _zone("4", "comm.loss", "active", "187"),
        _zone("5", "comm.loss", "restored", "250"),
        _zone("6", "comm.loss", "restored", "187"), _zone("6", "disarm", "info", "109"),
        _zone("7", "comm.loss", "restored", "187"), _zone("7", "disarm", "info", "109"),
    ]),
    Vector("B2", _settings(zones="8"), {
        **POWER_TABLE, wire("02 06 B4 65 00 07 FF D4"): wire("02 06 B4 65 00 07 FF D4"),
        made("02 03 B4 F8 00 01"): wire("02 03 02 1B 30 F6 A0"),
    }, [{"kind": "value", "zone": "7", "value": 27.1875, "text": "Measured value"}]),
    Vector("B3", _settings(zones="8"), {
        **POWER_TABLE, wire("02 06 B4 65 00 08 BF D0"): wire("02 06 B4 65 00 08 BF D0"),
        made("02 03 B4 F8 00 01"): wire("02 03 02 00 70 FD A0"),
    }, [{"kind": "value", "zone": "8", "value": 0.4375, "text": "Measured value"}]),
    Vector("B5", {**QUICK, "unit": "1"}, {wire("01 03 B4 48 00 02 63 ED"): wire("01 03 04 00 24 00 84 BA 5B")},
           [{"kind": "info", "code": "type 36 version 1.32"}]),
    Vector("B6", _settings(), {
        made("02 03 B4 48 00 02"): made("02 03 04 00 24 00 84"),
        wire("02 03 B4 50 00 03 22 19"): wire("02 03 06 12 34 00 FF 00 05 77 00"),
    }, [{"kind": "info", "code": "newest 4660 oldest 255 unread 5", "value": 5.0}]),
    Vector("B7", _settings(zones="1"), {STATES[1]: made("02 03 02 18 BC"), QUEUE: B7, ACK: ACK}, [
        {"kind": "fire.alarm", "state": "active", "zone": "17", "partition": "3", "code": "37",
         "panel_time": "2026-11-22T14:05:09", "raw": B7.hex(), "flags": ["log"]},
    ]),
    Vector("B8", _settings(zones="1"), {STATES[1]: made("02 03 02 18 BC"), QUEUE: B8},
           [_zone("1", "arm", "info", "24")]),
    Vector("B9", _settings(zones="3"), {STATES[3]: wire("02 03 06 25 00 2C 2F 28 D7 55 B7"), QUEUE: B8}, [
        _zone("1", "fire.alarm", "active", "37"),
        _zone("2", "fire.prealarm", "active", "44"), _zone("2", "fault", "restored", "46"),
        _zone("3", "fire.alarm", "active", "40"), _zone("3", "fault", "active", "215"),
    ]),
    Vector("B10", _settings(zones="1"), {
        STATES[1]: made("02 03 02 18 BC"), QUEUE: B10, made("02 06 B4 53 00 07"): made("02 06 B4 53 00 07"),
    }, [{"kind": "info", "zone": "R2", "value": 1.0, "code": "128", "panel_time": "2026-11-22T14:05:09"}]),
]  # fmt: skip
