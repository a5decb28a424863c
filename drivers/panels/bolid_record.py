"""One event of a С2000-ПП's queue: 28 bytes of number, length, code and what it is about (panels.md 3).

A record that does not add up is kept all the same, marked, with what could be read: it is acknowledged like any other,
or the panel would stop behind it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

REGISTERS = 14
BYTES = 2 * REGISTERS
MOST_BYTES = 25  # code and fields; the length byte of a sound record is not above this
_USER, _PARTITION, _ZONE, _RELAY, _RELAY_STATE, _TIME, _PARTITION_ID = 1, 2, 3, 5, 7, 11, 24


@dataclass(frozen=True, slots=True)
class Record:
    """One event. What it does not say is None. `malformed`: the fields do not fit the length it gives."""

    number: int
    code: int
    user: int | None = None
    partition: int | None = None
    zone: int | None = None
    relay: int | None = None
    relay_state: int | None = None
    at: datetime | None = None
    malformed: bool = False


def parse(data: bytes) -> Record | None:
    """The record in 28 bytes; None when the queue is empty (all zero)."""
    if len(data) != BYTES or not any(data):
        return None
    length = data[2]
    fields, sound = _fields(data[4 : 3 + min(length, MOST_BYTES)])
    return Record(
        number=int.from_bytes(data[:2], "big"),
        code=data[3],
        user=_number(fields, _USER),
        partition=_number(fields, _PARTITION) or _number(fields, _PARTITION_ID),
        zone=_number(fields, _ZONE) or None,  # 0 is no zone
        relay=_number(fields, _RELAY) or None,
        relay_state=_number(fields, _RELAY_STATE),
        at=_time(fields.get(_TIME, b"")),
        malformed=not sound or not 1 <= length <= MOST_BYTES,
    )


def of_reply(raw: bytes) -> Record | None:
    """The record in a whole Modbus answer, as it was kept."""
    return parse(raw[3:-2])


def _fields(data: bytes) -> tuple[dict[int, bytes], bool]:
    """Type, length, value until the end; whether they filled it exactly. Types we do not know stay in the raw bytes."""
    fields: dict[int, bytes] = {}
    at = 0
    while at < len(data):
        if at + 2 > len(data) or at + 2 + data[at + 1] > len(data):
            return fields, False
        kind, size = data[at], data[at + 1]
        fields.setdefault(kind, data[at + 2 : at + 2 + size])
        at += 2 + size
    return fields, True


def _number(fields: dict[int, bytes], kind: int) -> int | None:
    value = fields.get(kind)
    return int.from_bytes(value, "big") if value is not None and len(value) == 2 else None


def _time(value: bytes) -> datetime | None:
    """hh mm ss DD MM YY; None when the panel's clock says no such time."""
    if len(value) != 6:
        return None
    hour, minute, second, day, month, year = value
    try:
        return datetime(2000 + year, month, day, hour, minute, second)
    except ValueError:
        return None
