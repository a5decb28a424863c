"""What many alarms together say: a flood and what came first in it, what chatters, what has stood too long. Reads only.

Figures after ISA-18.2 and EEMUA 191, all in the region profile's [alarms].
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from appliance.alarm_names import key_of, said_of
from appliance.clock import iso, parse
from appliance.config import Config
from appliance.model import Message
from appliance.store import Database

LOOKED_THROUGH = 2000  # newest events and alarms that are looked at, so that a storm does not slow the board


@dataclass(frozen=True, slots=True)
class Signs:
    """`raised` alarms within the flood's window; `first` began the burst the newest alarm belongs to."""

    raised: int = 0
    flood: bool = False
    first: int | None = None
    first_place: Message | None = None
    chattering: Mapping[tuple[str, str], int] = field(default_factory=dict)  # (panel, key) -> times it was said


def signs(db: Database, config: Config, now: datetime) -> Signs:
    """The signs of this moment. What was raised in a test counts for nothing."""
    limits = config.profile.alarms
    since = iso(now - timedelta(minutes=limits.flood_within_min))
    raised = int(db.value("select count(*) from alarm where raised_at >= ? and test is null", (since,)))
    first = _first_up(db, limits.first_up_gap_s)
    place = said_of(db, config, first)[1] if first is not None else None
    return Signs(raised, raised > limits.flood_count, first, place, _chattering(db, config, now))


def _first_up(db: Database, gap_s: float) -> int | None:
    """The alarm that began the newest burst: each of it came within `gap_s` of the one before. None for one alone."""
    rows = db.rows("select id, raised_at from alarm where test is null order by id desc limit ?", (LOOKED_THROUGH,))
    burst: list[int] = []
    later_at: datetime | None = None
    for row in rows:
        at = parse(row["raised_at"])
        if later_at is not None and (later_at - at).total_seconds() > gap_s:
            break
        burst.append(int(row["id"]))
        later_at = at
    return burst[-1] if len(burst) > 1 else None


def _chattering(db: Database, config: Config, now: datetime) -> dict[tuple[str, str], int]:
    """Places that said the same alarm at least `chatter_count` times within `chatter_within_s`."""
    limits = config.profile.alarms
    since = iso(now - timedelta(seconds=limits.chatter_within_s))
    said = db.rows(
        "select panel, kind, code, account, partition, coalesce(zone, user) as point from event"
        " where id > (select coalesce(max(id), 0) from event) - ? and at >= ? and state = 'active' and not exists"
        " (select 1 from json_each(event.flags) where value in ('history', 'test'))", (LOOKED_THROUGH, since)
    )  # fmt: skip
    counted = Counter(
        (row["panel"], key_of(row["kind"], row["code"], row["account"], row["partition"], row["point"])) for row in said
    )
    return {place: times for place, times in counted.items() if times >= limits.chatter_count}
