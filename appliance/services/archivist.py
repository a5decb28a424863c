"""The hand-over worker: takes agreed export orders, one after another, and never in anybody's way.

One process at a time does this work: whoever holds the lock, the service or, while it is down, `examsite export`.
A worker that is killed leaves its order claimed and NAME.part on the medium; the next puts the order back and goes on.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager

from appliance import export, health, journal, orders, picture_watch, retention, stick, store, taken
from appliance.bag import Package, Progress
from appliance.clock import Clock
from appliance.config import Config
from appliance.model import N_, Actor, ApplianceError, Message, message
from appliance.orders import Order
from appliance.stick import Marked
from appliance.store import Database
from drivers import medium

log = logging.getLogger(__name__)

KIND = "export"
ACTOR = Actor.service("archivist")
LOOK_S = 0.5  # how often the table is asked for a new order
RETENTION_S = 600.0  # how often it is looked whether space is short
RETENTION_FIRST_S = 60.0  # not while everything starts
TELL_S = 1.0  # how often progress is written at most
NICE = 15  # below everything that records or watches; the kernel derives the disk priority from it

PROGRAM_FAULT = N_("The program had a fault ({cause}). Place the order again; if it repeats, call the administrator.")


class Stopping(Exception):
    """The service was asked to stop in the middle of an order; the order stays claimed for the next start."""


def main(config: Config, clock: Clock, stop: threading.Event) -> None:
    """Run until `stop` is set."""
    os.nice(NICE)
    db = store.open(config.database)
    health.started(db, clock, "archivist")
    picture_watch.start(config, clock, stop)
    beat = Beat(db, clock)
    while not stop.is_set():
        with only_worker(config) as alone:
            if alone:
                put_back(db)
                _take_orders(db, config, clock, stop, beat, RoomMaker(db, config, clock))
        beat()
        stop.wait(LOOK_S)


def only_worker(config: Config) -> AbstractContextManager[bool]:
    """Whether this process does the orders now."""
    return medium.one_at_a_time(config.data / "archivist.lock")


def put_back(db: Database) -> None:
    """Orders a killed worker had claimed can be claimed again. Only the lock's holder may call this."""
    if orders.release(db, KIND) + orders.release(db, stick.KIND):
        log.info("an interrupted hand-over goes on")


def _take_orders(
    db: Database, config: Config, clock: Clock, stop: threading.Event, beat: Beat, room: RoomMaker
) -> None:
    while not stop.is_set():
        marking = orders.claim(db, clock, stick.KIND)  # a second's work: the head stands there and waits
        if marking is not None:
            mark_stick(db, config, clock, marking)
        order = orders.claim(db, clock, KIND)
        if order is None:
            beat()
            room.look(lambda: _beat_or_stop(beat, stop))
            stop.wait(LOOK_S)
            continue
        try:
            carry_out(db, taken.with_taken(db, config), clock, order, lambda: _beat_or_stop(beat, stop))
        except Stopping:
            log.info("stopping in the middle of order %d; it goes on after the next start", order.id)


def _beat_or_stop(beat: Beat, stop: threading.Event) -> None:
    beat()
    if stop.is_set():
        raise Stopping


class RoomMaker:
    """Deletes by rule when space is short (retention.py), between the orders and never beside one."""

    def __init__(self, db: Database, config: Config, clock: Clock) -> None:
        self._db, self._config, self._clock = db, config, clock
        self._due_s, self._swept = clock.mono_s() + RETENTION_FIRST_S, False

    def look(self, alive: Callable[[], None]) -> None:
        if self._clock.mono_s() < self._due_s:
            return
        self._due_s = self._clock.mono_s() + RETENTION_S
        try:
            if not self._swept:
                retention.sweep(self._db, self._config)
                self._swept = True
            retention.make_room(self._db, taken.with_taken(self._db, self._config), self._clock, alive)
        except Stopping:
            log.info("stopping while deleting by rule; it goes on after the next start")
        except (OSError, sqlite3.Error) as fault:  # a full or failing disk must not end hand-overs
            log.error("could not make room: %s", fault)


class Beat:
    """A heartbeat that may be called as often as one likes."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db, self._clock, self._last_s = db, clock, clock.mono_s()

    def __call__(self) -> None:
        if self._clock.mono_s() - self._last_s >= health.BEAT_S:
            self._last_s = self._clock.mono_s()
            health.beat(self._db, self._clock, "archivist")


def mark_stick(db: Database, config: Config, clock: Clock, order: Order) -> Marked | Message:
    """Fulfil a claimed order to mark a stick, and close it; what was written, or the sentence why nothing was."""
    try:
        marked = stick.fulfil(db, config, clock, order, ACTOR)
    except ApplianceError as refused:
        log.warning("order %d: %s", order.id, refused)
        return _unmarked(db, clock, order, refused.message)
    except Exception as fault:  # the loop's one place to decide: the order is closed, or it would trip the next start
        log.exception("order %d failed", order.id)
        return _unmarked(db, clock, order, message(PROGRAM_FAULT, cause=type(fault).__name__))
    with store.transaction(db):
        orders.finish(db, clock, order.id, True, {"place": marked.place, "size": marked.size, "marks": marked.marks})
    return marked


def _unmarked(db: Database, clock: Clock, order: Order, why: Message) -> Message:
    with store.transaction(db):
        journal.append(db, clock, "anchor.failed", ACTOR, order=order.id, cause=why.as_json())
        orders.finish(db, clock, order.id, False, {"message": why.as_json()})
    return why


def carry_out(db: Database, config: Config, clock: Clock, order: Order, alive: Callable[[], None]) -> Package | Message:
    """Fulfil a claimed order and close it with its journal entry; the package, or the sentence why there is none.

    `alive` is called several times a second; when it raises Stopping the work ends and the order stays claimed.
    """
    told_s = clock.mono_s() - TELL_S
    told_step = ""

    def tell(progress: Progress) -> None:
        nonlocal told_s, told_step
        alive()
        if clock.mono_s() - told_s >= TELL_S or progress.step != told_step:
            told_s, told_step = clock.mono_s(), progress.step
            orders.progress(db, order.id, as_json(progress))

    try:
        package = export.fulfil(db, config, clock, order, tell)
    except ApplianceError as refused:
        log.warning("order %d: %s", order.id, refused)
        _failed(db, clock, order, refused.message)
        return refused.message
    except (Stopping, KeyboardInterrupt):
        raise  # the order stays claimed and goes on
    except Exception as fault:
        # A fault of ours ends the order as well as the process: the next start must not fall over the same order again.
        _failed(db, clock, order, message(PROGRAM_FAULT, cause=f"{type(fault).__name__}: {fault}"))
        raise
    _finished(db, clock, order, package)
    return package


def as_json(progress: Progress) -> dict[str, object]:
    """What a page shows of a running order."""
    return {
        "step": progress.step,
        "files_done": progress.files_done,
        "files": progress.files,
        "bytes_done": progress.bytes_done,
        "bytes": progress.bytes,
    }


def _finished(db: Database, clock: Clock, order: Order, package: Package) -> None:
    with store.transaction(db):
        journal.append(
            db,
            clock,
            "export.finished",
            ACTOR,
            exam=order.args["exam"],
            order=order.id,
            name=package.path.name,
            files=package.files,
            size_bytes=package.size_bytes,
            package=package.number,
            filesystem=package.filesystem,
            medium=package.medium,
        )
        orders.finish(
            db,
            clock,
            order.id,
            True,
            {
                "path": str(package.path),
                "name": package.path.name,
                "files": package.files,
                "size_bytes": package.size_bytes,
                "package": package.number,
                "number": package.spoken,
                "verified": True,
            },
        )
    log.info("order %d: %s is whole, number %s", order.id, package.path, package.spoken)


def _failed(db: Database, clock: Clock, order: Order, why: Message) -> None:
    with store.transaction(db):
        journal.append(db, clock, "export.failed", ACTOR, exam=order.args["exam"], order=order.id, cause=why.as_json())
        orders.finish(db, clock, order.id, False, {"message": why.as_json()})
