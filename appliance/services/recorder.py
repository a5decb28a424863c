"""The recorder: one thread and one ffmpeg for each camera, one thread that syncs, and this loop over them.

It may be killed at any moment. At start it takes in what was left open, and writes down since when nobody recorded.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Container
from contextlib import closing
from datetime import datetime

from appliance import cameras, coverage, exams, health, journal, leftovers, store
from appliance.cameras import CameraState
from appliance.clock import Clock
from appliance.config import Config
from appliance.recording import RECORDER, CameraLoop, noting
from appliance.store import Database
from appliance.syncing import Syncer
from appliance.wanted import Plan, Want

log = logging.getLogger(__name__)

NAME = "recorder"
TICK_S = 1.0
PLAN_S = 2.0  # how often the plan is looked at: every look costs as much as a camera
STATES_S = 2.0
COVERAGE_S = 5.0
AGAIN_S = 2.0  # before a camera's thread that failed is started again
END_WAIT_S = 7.0  # for the cameras' threads to close their files


def main(config: Config, clock: Clock, stop: threading.Event) -> None:
    """Run until `stop`."""
    config.incoming.mkdir(parents=True, exist_ok=True)
    with closing(store.open(config.database)) as db:
        left = leftovers.recover(db, config, clock)
        if left:
            log.info("took in %s recordings that were left open", len(left))
        _note_absence(db, config, clock, wanted=Plan(config, clock).look(db).keys())
        syncer = Syncer()
        loops = [CameraLoop(config, clock, camera, syncer) for camera in config.cameras]
        record(db, config, clock, stop, loops, syncer)


def record(
    db: Database, config: Config, clock: Clock, stop: threading.Event, loops: list[CameraLoop], syncer: Syncer
) -> None:
    """Run the cameras' threads until `stop`, and record what the plan wants."""
    plan, ending = Plan(config, clock), threading.Event()
    with store.transaction(db):
        cameras.save(db, [loop.state for loop in loops])
    threads = [threading.Thread(target=_keep, args=(loop, stop), name=loop.camera.id, daemon=True) for loop in loops]
    sync = threading.Thread(target=syncer.run, args=(ending,), name="sync")
    for thread in (sync, *threads):
        thread.start()
    try:
        health.started(db, clock, NAME)
        _watch(db, config, clock, stop, loops, plan)
    finally:
        stop.set()
        _end(loops, threads)
        ending.set()
        sync.join()
    _save(db, loops, {})


def _watch(
    db: Database, config: Config, clock: Clock, stop: threading.Event, loops: list[CameraLoop], plan: Plan
) -> None:
    """Tell the cameras what is wanted, and the others how they are."""
    saved: dict[str, CameraState] = {}
    known: object = None
    due = {"plan": 0.0, "states": 0.0, "beat": 0.0, "coverage": 0.0}
    while True:
        now_s = clock.mono_s()
        try:
            if now_s >= due["plan"]:
                due["plan"] = now_s + PLAN_S
                _tell(loops, plan.look(db))
            if now_s >= due["states"]:
                due["states"] = now_s + STATES_S
                _save(db, loops, saved)
            if now_s >= due["coverage"]:
                due["coverage"] = now_s + COVERAGE_S
                known = _cover(db, config, clock, known)
            if now_s >= due["beat"]:
                due["beat"] = now_s + health.BEAT_S
                health.beat(db, clock, NAME, {"recording": sum(loop.state.state == "recording" for loop in loops)})
        except sqlite3.Error as fault:  # a full disk: the cameras' threads go on, and so must we
            log.error("the database: %s", fault)
        if stop.wait(TICK_S):
            return


def _tell(loops: list[CameraLoop], wants: dict[str, Want]) -> None:
    for loop in loops:
        want = wants.get(loop.camera.id)
        if want != loop.want:
            loop.want = want
            loop.poke.set()


def _save(db: Database, loops: list[CameraLoop], saved: dict[str, CameraState]) -> None:
    """Write the cameras' states that changed, all in one transaction."""
    changed = [state for loop in loops if (state := loop.state) != saved.get(loop.camera.id)]
    if changed:
        with store.transaction(db):
            cameras.save(db, changed)
        saved.update({state.camera: state for state in changed})


def _cover(db: Database, config: Config, clock: Clock, known: object) -> object:
    """Work out the gaps of the exams that have begun, unless nothing has changed since `known`; returns what is known.

    While every camera records, that is once for each finished segment; it costs 1.7 ms a camera late in a day.
    """
    evidence = coverage.evidence(db)
    if evidence is not None and evidence == known:
        return known
    now = clock.now()
    for exam in exams.exams(db):
        first, last = exams.span(config, exam)
        if exam.state == "planned" and first <= now:
            coverage.update(db, config, clock, exam, min(now, last))
    return evidence


def _note_absence(db: Database, config: Config, clock: Clock, wanted: Container[str]) -> None:
    """Write down since when nobody recorded: from the dead recorder's last heartbeat, ended by the first frame."""
    before = db.row("select boot, beat_at from heartbeat where service = ?", (NAME,))
    if before is None:
        return
    cause = "recorder restarted" if before["boot"] == clock.boot() else "box restarted"
    beat_at, now = before["beat_at"], clock.now()
    recorded = {row["camera"]: row["until"] for row in
                db.rows("select camera, max(ends_at) as until from segment group by camera")}  # fmt: skip
    with store.transaction(db):
        for camera in config.cameras:
            # It lived at least as long as it beat, and as long as it recorded.
            began_at = min(datetime.fromisoformat(max(beat_at, recorded.get(camera.id, ""))), now)
            if coverage.open_outage(db, camera.id) != "recorder stopped":
                coverage.end_outages(db, camera.id, began_at)
                coverage.begin_outage(db, camera.id, began_at, cause)
            if camera.id not in wanted:
                coverage.end_outages(db, camera.id, now)


def _keep(loop: CameraLoop, stop: threading.Event) -> None:
    """One camera's thread. A fault of ours in it is logged, journalled, and the camera started again, alone."""
    while not stop.is_set():
        try:
            loop.run(stop)
        except Exception as fault:  # whatever it is, the other cameras must not hear of it
            log.exception("camera %s failed and is started again", loop.camera.id)
            with closing(store.open(loop.config.database)) as db, noting(db):
                coverage.end_outages(db, loop.camera.id, loop.clock.now())
                coverage.begin_outage(db, loop.camera.id, loop.clock.now(), "program fault")
                journal.append(db, loop.clock, "recording.failed", RECORDER, camera=loop.camera.id,
                               room=loop.camera.room, fault=f"{type(fault).__name__}: {fault}")  # fmt: skip
            stop.wait(AGAIN_S)


def _end(loops: list[CameraLoop], threads: list[threading.Thread]) -> None:
    for loop in loops:
        loop.poke.set()
    for thread in threads:
        thread.join(END_WAIT_S)
        if thread.is_alive():
            log.error("camera %s did not end in time; its open file is taken in at the next start", thread.name)
