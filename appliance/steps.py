"""Steps of the box's clock: noticed by comparing it with the monotonic clock, and kept in the journal.

What happened by a clock that was wrong can then be told from what happened in time (`exams`), and a reader of the
journal sees where its times jump.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from appliance import journal, store
from appliance.clock import Clock, iso, parse
from appliance.model import Actor
from appliance.store import Database

STEP_S = 0.5  # NTP slews smaller differences; both clocks follow a slew, so only a step parts them
STEADY_S = 0.05  # two looks at the monotonic clock around one at the wall clock must be this near each other


@dataclass(frozen=True, slots=True)
class Reading:
    """Both clocks at one instant."""

    wall: datetime
    mono_s: float
    boot: str

    def as_note(self) -> dict[str, Any]:
        return {"wall": iso(self.wall), "mono_ms": round(self.mono_s * 1000), "boot": self.boot}


def read(clock: Clock) -> Reading:
    """Look at both clocks; again when the process was held up in between, which would look like a step."""
    for _ in range(20):
        before_s = clock.mono_s()
        wall = clock.now()
        after_s = clock.mono_s()
        if after_s - before_s <= STEADY_S:
            break
    return Reading(wall, after_s, clock.boot())


def last_known(db: Database, note: dict[str, Any]) -> Reading | None:
    """The newest reading of a keeper that is gone: in its last heartbeat's note, or in the step it last wrote down."""
    known: list[Reading] = []
    if "wall" in note:
        known.append(Reading(parse(note["wall"]), note["mono_ms"] / 1000, note["boot"]))
    for entry in journal.entries(db, kinds=["clock.stepped"], newest_first=True, limit=1):
        row = json.loads(entry.row)
        known.append(Reading(parse(entry.at), row["mono_us"] / 1_000_000, row["boot"]))
    if len(known) == 2 and known[0].boot != known[1].boot:
        return known[0]  # a heartbeat every 5 s: of two boots its is the later
    return max(known, key=lambda reading: reading.mono_s, default=None)


def look(db: Database, clock: Clock, last: Reading | None) -> Reading:
    """Compare with the last reading; journal a step. Opens its own transaction when there is one.

    Over a reboot the monotonic clock starts again, so only a wall clock that went back is known to have stepped.
    """
    now = read(clock)
    if last is None:
        return now
    if now.boot == last.boot:
        expected = last.wall + timedelta(seconds=now.mono_s - last.mono_s)
        stepped = abs((now.wall - expected).total_seconds()) > STEP_S
    else:
        expected, stepped = last.wall, now.wall < last.wall
    if stepped:
        with store.transaction(db):
            journal.append(
                db, clock, "clock.stepped", Actor.service("keeper"), before_ms=_epoch_ms(expected),
                after_ms=_epoch_ms(now.wall), step_ms=_epoch_ms(now.wall) - _epoch_ms(expected),
            )  # fmt: skip
    return now


def _epoch_ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)
