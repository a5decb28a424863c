"""One record of the INTEGRA event log (answer 8C): when, where, and a Contact ID code with its restore bit.

The index is an opaque cursor: it names a record and is compared for equality only (panels.md section 8).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from drivers.panels import contact_id
from drivers.types import PanelEvent

NEWEST = b"\xff\xff\xff"  # asked with this, the panel tells its newest record
RECORD_BYTES, INDEX_BYTES = 8, 3
WRITTEN_IN = 2026  # records hold the year modulo 4; without the panel's own clock the years around this one are meant
PANEL_CODES = 1000  # codes from here on are no Contact ID but Satel's own


@dataclass(frozen=True, slots=True)
class Record:
    """`index` names this record, `asked` is the index it was asked with (the one after it, or NEWEST)."""

    raw: bytes
    index: bytes
    asked: bytes
    empty: bool
    event: PanelEvent | None


def read(raw: bytes, data: bytes, year: int | None) -> Record | None:
    """A record out of an answer's data; None when it is no record. `year` is the panel's own, when it is known."""
    if len(data) != RECORD_BYTES + 2 * INDEX_BYTES:
        return None
    index, asked = data[8:11], data[11:14]
    if not data[0] & 0x20 or not data[0] & 0x10:  # the place is empty
        return Record(raw, index, asked, empty=True, event=None)
    return Record(raw, index, asked, empty=False, event=_event(raw, data, year))


def _event(raw: bytes, data: bytes, year: int | None) -> PanelEvent:
    number = (data[4] & 0x03) << 8 | data[5]
    partition, restore, source = data[4] >> 3, bool(data[4] & 0x04), data[6]
    if number >= PANEL_CODES:
        meaning, state, flags = contact_id.Meaning("info", "Event of the panel's own list", lasting=False), "info", ()
    else:
        meaning, state, flags = contact_id.decode("R" if restore else "E", f"{number:03d}")  # type: ignore[assignment]
    by_user = meaning.subject == "user"
    where = str(source) if source else None
    return PanelEvent(
        kind=meaning.kind, state=state, zone=None if by_user else where,  # type: ignore[arg-type]
        partition=str(partition + 1), user=where if by_user else None, text=meaning.name,
        panel_time=_time(data, year), raw=raw, code=f"{number:03d}",
        flags=("log", f"partition-raw-{partition}", *flags),  # sources disagree whether the panel counts from 0 or 1
    )  # fmt: skip


def _time(data: bytes, year: int | None) -> datetime | None:
    """The panel's clock as it said it; None when it is no time that exists."""
    latest = year if year is not None else WRITTEN_IN + 2
    rest = data[0] >> 6
    in_year = latest - (latest - rest) % 4
    minutes = (data[2] & 0x0F) << 8 | data[3]
    try:
        return datetime(in_year, data[2] >> 4, data[1] & 0x1F, minutes // 60, minutes % 60)
    except ValueError:
        return None


def of_log(event: PanelEvent) -> bool:
    """Whether the log told it, or told that it has lost some."""
    return "log" in event.flags or "events-lost" in event.flags
