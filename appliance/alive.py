"""The box's sign of life in the journal: an entry every `journal.heartbeat_s`, and one that tells a silence.

Whoever stops the program to do something unseen leaves a hole in these entries, and the boot id in the next one tells
whether the box itself was off (docs/journal.md). The keeper beats, because it runs as long as the site does.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from appliance import anchors, identity, journal, store
from appliance.clock import Clock, iso, parse
from appliance.model import N_, Actor, message
from appliance.store import Database
from drivers import host
from drivers.host import ClockFacts

log = logging.getLogger(__name__)

KEEPER = Actor.service("keeper")
STOPPED = N_("the program was stopped")
OFF = N_("the box was off or was started anew")


def tell_absence(db: Database, clock: Clock) -> int | None:
    """At a start: enter since when there was no sign of life, and why; None on a box that never gave one.

    Opens its own transaction. In one boot the monotonic clock measures it, which no step of the wall clock touches.
    """
    for last in journal.entries(db, kinds=[journal.ALIVE, "box.absent"], newest_first=True, limit=1):
        row = json.loads(last.row)
        same_boot = row["boot"] == clock.boot()
        now = clock.now()
        absent_s = clock.mono_s() - row["mono_us"] / 1e6 if same_boot else (now - parse(last.at)).total_seconds()
        with store.transaction(db):
            return journal.append(
                db, clock, "box.absent", KEEPER, refs=[last.seq], from_at=last.at, to_at=iso(now),
                absent_ms=round(absent_s * 1000), cause=message(STOPPED if same_boot else OFF).as_json(),
                boot_was=row["boot"],
            )  # fmt: skip
    return None


@dataclass(slots=True)
class Alive:
    """One keeper's memory of its last sign of life. `look` asks how good the box's clock is, which may take seconds."""

    every_s: float
    look: Callable[[], ClockFacts] = host.clock
    _beaten_mono_s: float = float("-inf")
    _pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, thread_name_prefix="clock-look"))
    _looking: Future[ClockFacts] | None = None

    def tick(self, db: Database, clock: Clock) -> None:
        """Beat when it is time to. Never waits: how good the clock is, is asked beside and entered when it is known."""
        if self._looking is not None and self._looking.done():
            facts, self._looking = self._looking.result(), None
            identity.note_clock(db, clock, facts.synchronised, facts.offset_s)
        if clock.mono_s() - self._beaten_mono_s < self.every_s:
            return
        self._beaten_mono_s = clock.mono_s()
        with store.transaction(db):
            journal.append(db, clock, journal.ALIVE, KEEPER, **anchors.bracket(db))
        if self._looking is None:
            self._looking = self._pool.submit(self.look)
