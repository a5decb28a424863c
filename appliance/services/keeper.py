"""The keeper: what must happen when. Checks before each exam and on demand, sealing, lapsed requests, snapshots.

APScheduler drives (`schedule.Ticker`), the exam table decides (`exams.due`). It may be killed at any moment: what it
had claimed is due again when it is back, and a result is written in one transaction with the mark that it is done.
"""

from __future__ import annotations

import fcntl
import logging
import threading
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path

from appliance import (
    alive,
    anchors,
    archive,
    binding,
    box_events,
    camera_acts,
    camera_looks,
    camera_lost,
    cameras,
    checkpoints,
    exams,
    health,
    journal_search,
    matching,
    orders,
    snapshots,
    steps,
    store,
    taken,
    witness,
)
from appliance.alive import Alive
from appliance.checks import runner
from appliance.clock import Clock
from appliance.config import Config
from appliance.disk_alarms import DiskAlarms
from appliance.exams import Moment
from appliance.gap_alarms import GapAlarms
from appliance.model import N_, ApplianceError
from appliance.orders import Order
from appliance.schedule import Ticker
from appliance.silent_alarms import SilentAlarms
from appliance.store import Database

log = logging.getLogger(__name__)

NAME = "keeper"
AGAIN_AFTER_S = 10.0  # work that failed (a full disk, a fault of ours) is tried again, but not every second
QUIET_TICKS = 3  # an exam's cameras must have been idle this many ticks in a row before it is sealed
SENDING = ("connecting", "recording", "reconnecting")

Work = Callable[[Database], None]


def main(config: Config, clock: Clock, stop: threading.Event) -> None:
    """Run until `stop`."""
    with alone(config.data), closing(store.open(config.database)) as db:
        keeper = Keeper.begin(db, config, clock)
        health.started(db, clock, NAME)
        keeper.beat()
        snapshots.start(config, clock, stop)
        box_events.start(config, clock, stop)
        camera_looks.start(config, clock, stop)
        camera_acts.start(config, clock, stop)
        camera_lost.start(config, clock, stop)
        witness.start(config, clock, stop)
        with Ticker() as ticker:
            while not stop.is_set():
                keeper.tick()
                ticker.wait()


@contextmanager
def alone(data: Path) -> Generator[None, None, None]:
    """Only one keeper: a second would release what the first is doing. The kernel frees a killed one's lock."""
    with (data / "keeper.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as held:
            raise ApplianceError(N_("Another keeper of this site is running. This one ends.")) from held
        yield


@dataclass(slots=True)
class Keeper:
    """One keeper's memory; everything that must survive it is in the database. `tick` belongs to one thread."""

    db: Database
    config: Config
    clock: Clock
    last: steps.Reading | None
    work: Worker
    alive: Alive
    beaten_mono_s: float = field(default=float("-inf"))
    not_before: dict[str, float] = field(default_factory=dict)  # monotonic time of the next try
    quiet_ticks: dict[str, int] = field(default_factory=dict)
    gaps: GapAlarms = field(init=False)
    disks: DiskAlarms = field(init=False)
    silences: SilentAlarms = field(init=False)
    minutes: binding.Minutes = field(init=False)

    def __post_init__(self) -> None:
        self.config = taken.with_taken(self.db, self.config)
        self.gaps = GapAlarms(self.config, self.clock)
        self.disks = DiskAlarms(self.config, self.clock)
        self.silences = SilentAlarms(self.config, self.clock)
        self.minutes = binding.Minutes(self.clock)

    @classmethod
    def begin(cls, db: Database, config: Config, clock: Clock) -> Keeper:
        """Pick up what a keeper that is gone had left."""
        released = exams.release_claims(db) + orders.release(db, "checks")
        if released:
            log.warning("%s pieces of work were left unfinished and are due again", released)
        notes = {beat.service: beat.note for beat in health.heartbeats(db)}
        last = steps.last_known(db, notes.get(NAME, {}))
        last = steps.look(db, clock, last)
        alive.tell_absence(db, clock)
        keeper = cls(db, config, clock, last, Worker(config), Alive(config.profile.journal.heartbeat_s))
        keeper.sign(start=True)
        return keeper

    def tick(self) -> None:
        """Look at the clock, begin what is due, and beat. Never waits for a device."""
        self.last = steps.look(self.db, self.clock, self.last)
        if self.clock.mono_s() - self.beaten_mono_s >= health.BEAT_S:
            self.beat()
        self._checks()
        self._seals()
        self.silences.look(self.db)
        self._match()
        self.alive.tick(self.db, self.clock)
        self.minutes.tick(self.db)
        self.sign()
        self._index()

    def _index(self) -> None:
        """Let the search know what is new. Nothing depends on it: the pages look through what it does not know yet."""
        if not self._may_try("search"):
            return
        try:
            journal_search.catch_up(self.db, self.config, self.clock)
        except Exception:  # the loop's one place to decide: it is said, and tried again
            log.exception("new entries could not be made ready for the search and will be again")
            self.not_before["search"] = self.clock.mono_s() + AGAIN_AFTER_S

    def _match(self) -> None:
        """Judge what the box saw. The checks and the seal must not wait for an entry that cannot be judged."""
        if not self._may_try("matching"):
            return
        try:
            matching.tend(self.db, self.config, self.clock)
        except Exception:  # the loop's one place to decide: it is said, and tried again
            log.exception("events and announced actions could not be compared and will be again")
            self.not_before["matching"] = self.clock.mono_s() + AGAIN_AFTER_S

    def sign(self, *, start: bool = False) -> None:
        """Sign the journal when that is due. What is refused is in the journal and fails the checks."""
        if not self._may_try("checkpoint"):
            return
        try:
            if start:
                checkpoints.sign(self.db, self.config, self.clock, "start")
            else:
                checkpoints.sign_due(self.db, self.config, self.clock)
        except ApplianceError as refused:
            log.error("%s", refused)
            self.not_before["checkpoint"] = self.clock.mono_s() + AGAIN_AFTER_S

    def beat(self) -> None:
        """Heartbeat, the exams' own time, and what only time decides."""
        self.beaten_mono_s = self.clock.mono_s()
        self.config = taken.with_taken(self.db, self.config)
        self.gaps.config = self.disks.config = self.silences.config = self.config
        self.last = steps.look(self.db, self.clock, self.last)
        health.beat(self.db, self.clock, NAME, self.last.as_note())
        exams.count_time(self.db, self.config, self.clock)
        self.gaps.look(self.db)
        self.disks.look(self.db)
        anchors.settle(self.db, self.config, self.clock)
        agree_within_s = self.config.profile.export.agree_within_min * 60
        now = self.clock.now()
        if any(o.state == "waits" and orders.waiting_since(o, now) > agree_within_s
               for o in orders.recent(self.db, "export")):  # fmt: skip
            orders.lapse(self.db, self.clock, "export", timedelta(seconds=agree_within_s))

    def _checks(self) -> None:
        """Begin one run at a time: the plan's first, then what people asked for."""
        if self.work.busy:
            return
        for moment in exams.due(self.db, self.config, self.clock.now()):
            if moment.kind == "checks" and self._may_try(moment.exam) and exams.claim(self.db, self.clock, moment):
                log.info("the checks of exam %s begin", moment.exam)
                self.work.begin(partial(self._run_planned, moment), partial(self._gave_up, moment))
                return
        order = orders.claim(self.db, self.clock, "checks")
        if order is not None:
            log.info("the checks begin, as %s asked", order.asked_by)
            self.work.begin(partial(self._run_asked, order), partial(self._order_failed, order))

    def _seals(self) -> None:
        """Seal an exam that is over by both clocks and whose cameras have come to rest (docs/checks.md)."""
        for moment in exams.due(self.db, self.config, self.clock.now()):
            if moment.kind != "seal" or not exams.long_enough(self.db, self.config, moment):
                continue
            quiet = self.quiet_ticks.get(moment.exam, 0) + 1 if self._at_rest(moment.exam) else 0
            self.quiet_ticks[moment.exam] = quiet
            if quiet >= QUIET_TICKS and not self.work.busy and self._may_try(moment.exam):
                log.info("the archive of exam %s is being sealed", moment.exam)
                self.work.begin(partial(self._seal, moment), partial(self._gave_up, moment))

    def _at_rest(self, exam_id: str) -> bool:
        """Whether none of the exam's cameras is being recorded, but for another exam."""
        exam = exams.get(self.db, exam_id)
        elsewhere = exams.required_now(self.db, self.config, self.clock.now(), without=exam_id)
        sending = {s.camera for s in cameras.states(self.db).values() if s.state in SENDING}
        return not any(w.camera in sending - elsewhere.keys() for w in exams.windows(self.config, exam))

    def _run_planned(self, moment: Moment, db: Database) -> None:
        runner.run(
            db, self.config, self.clock, moment.exam, "schedule", due_at=moment.due_at,
            also=lambda run: exams.finish(db, self.clock, moment, {"run": run}),
        )  # fmt: skip

    def _run_asked(self, order: Order, db: Database) -> None:
        runner.run(
            db, self.config, self.clock, order.args.get("exam"), order.asked_by,
            also=lambda run: orders.finish(db, self.clock, order.id, True, {"run": run}),
        )  # fmt: skip

    def _seal(self, moment: Moment, db: Database) -> None:
        archive.seal(db, self.config, self.clock, exams.get(db, moment.exam))

    def _gave_up(self, moment: Moment, db: Database) -> None:
        self.not_before[moment.exam] = self.clock.mono_s() + AGAIN_AFTER_S
        exams.release_claims(db, moment)

    def _order_failed(self, order: Order, db: Database) -> None:
        with store.transaction(db):
            orders.finish(db, self.clock, order.id, False, {})

    def _may_try(self, what: str) -> bool:
        return self.clock.mono_s() >= self.not_before.get(what, float("-inf"))


class Worker:
    """Does one piece of work at a time in a thread of its own, with a database connection of its own."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._thread: threading.Thread | None = None

    @property
    def busy(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def begin(self, work: Work, failed: Work) -> None:
        """Start it; `failed` is called, in the same thread, when it raises. The caller has asked `busy`."""
        # A daemon: whatever it is at is done again after a restart, so it need not hold the service's end.
        self._thread = threading.Thread(target=self._do, args=(work, failed), name="keeper-work", daemon=True)
        self._thread.start()

    def wait(self, timeout_s: float) -> None:
        if self._thread is not None:
            self._thread.join(timeout_s)

    def _do(self, work: Work, failed: Work) -> None:
        with closing(store.open(self._config.database)) as db:
            try:
                work(db)
            except ApplianceError as refused:
                log.warning("%s", refused)
                failed(db)
            except Exception:  # the loop's one place to decide: it is said, and tried again
                log.exception("work of the keeper failed and will be tried again")
                failed(db)
