"""What people announced at the equipment, as the journal says it, and whether that covers an event in time and place.

Read from the entries alone (`access.*`, docs/journal.md), so that a verdict can be checked by whoever has the journal.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from appliance import journal
from appliance.clock import Clock, parse
from appliance.journal import Entry
from appliance.profile import Expect, Match
from appliance.store import Database

ACTS = 2000  # announced actions looked back on
BEGINS = ("access.begun", "access.stated", "access.corrected")
ACCESS = (*BEGINS, "access.ended", "access.declined")


@dataclass(frozen=True, slots=True)
class Announced:
    """One announced action as its entry says it. `ended_at` None: it goes on. `rooms` empty: it is about no room."""

    seq: int
    action: str
    title: Any
    rooms: tuple[str, ...]
    said: Entry
    started_at: datetime
    ended_at: datetime | None
    ended_by: int | None
    superseded_by: int | None
    declined: bool


def announcements(db: Database) -> list[Announced]:
    """The newest announced actions, oldest first, each with what later entries say of it."""
    found = journal.entries(db, kinds=ACCESS, newest_first=True, limit=ACTS)
    ends = {entry.refs[0]: entry for entry in found if entry.kind == "access.ended" and entry.refs}
    newer = {entry.refs[0]: entry.seq for entry in found if entry.kind == "access.corrected" and entry.refs}
    declined = {entry.refs[0] for entry in found if entry.kind == "access.declined" and entry.refs}
    return [
        _announced(entry, ends.get(entry.seq), newer.get(entry.seq), entry.seq in declined)
        for entry in reversed(found)
        if entry.kind in BEGINS
    ]


def _announced(entry: Entry, end: Entry | None, newer: int | None, declined: bool) -> Announced:
    data = entry.data
    rooms = data.get("covers") or data.get("rooms") or ([entry.room] if entry.room else [])
    ended = end.data.get("ended_at") if end else data.get("ended_at")
    return Announced(
        entry.seq, str(data.get("action")), data.get("title"), tuple(rooms), entry, parse(data["started_at"]),
        parse(ended) if ended else None, end.seq if end else entry.seq if ended else None, newer, declined,
    )  # fmt: skip


def covers(rule: Match, act: Announced, event: Entry) -> bool:
    """Whether the action explains the event. A version that was corrected before the event does not count any more; one
    corrected later does, as it would have if we had been asked in time."""
    if (rule.actions and act.action not in rule.actions) or act.declined:
        return False
    if act.superseded_by is not None and act.superseded_by < event.seq:
        return False
    if act.seq > event.seq and between_s(event, act.said) > rule.announce_min * 60:
        return False
    if not in_rooms(rule, act, event):
        return False
    longest_at = act.started_at + timedelta(minutes=rule.lasts_min)
    ended_at = min(act.ended_at or longest_at, longest_at)
    at = parse(event.at)
    return act.started_at - timedelta(minutes=rule.before_min) <= at <= ended_at + timedelta(minutes=rule.after_min)


def in_rooms(rule: Match | Expect, act: Announced, event: Entry) -> bool:
    """Whether action and event are in one room, where the rule asks that and both have one."""
    return not (rule.same_room and event.room and act.rooms and event.room not in act.rooms)


def between_s(earlier: Entry, later: Entry) -> float:
    """Seconds between two entries: by the clock no step touches where it can be asked, else by the wall's."""
    one, two = json.loads(earlier.row), json.loads(later.row)
    if one["boot"] == two["boot"]:
        return float(two["mono_us"] - one["mono_us"]) / 1_000_000
    return (parse(later.at) - parse(earlier.at)).total_seconds()


def age_s(clock: Clock, entry: Entry) -> float:
    """How long ago an entry was made. Over a reboot at least as long as this boot lasts, whatever the clock says."""
    row = json.loads(entry.row)
    if row["boot"] == clock.boot():
        return clock.mono_s() - float(row["mono_us"]) / 1_000_000
    return max((clock.now() - parse(entry.at)).total_seconds(), clock.mono_s())
