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

from appliance import cameras, coverage, exams, health, leftovers, live_run, live_view, store, taken
from appliance.cameras import CameraState
from appliance.clock import Clock
from appliance.config import Config
from appliance.crew import Crew, recorded
from appliance.live_view import Wish
from appliance.media import Media
from appliance.recording import CameraLoop
from appliance.store import Database
from appliance.syncing import Syncer
from appliance.wanted import Plan, Want

log = logging.getLogger(__name__)

NAME = "recorder"
TICK_S = 1.0  # while somebody may wish to see a camera that is not recorded
ROUND_S = 2.0  # else. How often the plan is looked at and the states are written
COVERAGE_S = 4.0
SLACK_S = 0.5  # rounds are not of the same length to the millisecond


def main(config: Config, clock: Clock, stop: threading.Event) -> None:
    """Run until `stop`."""
    live_run.clear(config.live)  # of a recorder that was killed
    with closing(store.open(config.database)) as db:
        left = leftovers.recover(db, config, clock)
        if left:
            log.info("took in %s recordings that were left open", len(left))
        config = taken.with_taken(db, config)
        _note_absence(db, config, clock, wanted=Plan(config, clock).look(db).keys())
        syncer, media = Syncer(), Media(config, clock)
        loops = [CameraLoop(config, clock, camera, syncer, media, stream) for camera, stream in recorded(config)]
        record(db, config, clock, stop, loops, syncer, media)


def record(
    db: Database, config: Config, clock: Clock, stop: threading.Event, loops: list[CameraLoop], syncer: Syncer,
    media: Media,
) -> None:  # fmt: skip
    """Run the cameras' threads until `stop`, and record what the plan wants. `loops` follows who comes and goes."""
    plan, ending = Plan(config, clock), threading.Event()
    crew = Crew(loops, lambda now, camera, stream: CameraLoop(now, clock, camera, syncer, media, stream))
    media.begin(db)
    _save(db, loops, {})
    sync = threading.Thread(target=syncer.run, args=(ending,), name="sync")
    sync.start()
    crew.start()
    try:
        health.started(db, clock, NAME)
        _watch(db, config, clock, stop, crew, plan, media)
    finally:
        stop.set()
        crew.end()
        ending.set()
        sync.join()
    _save(db, loops, {})


def _watch(
    db: Database, config: Config, clock: Clock, stop: threading.Event, crew: Crew, plan: Plan, media: Media
) -> None:
    """Tell the cameras what is wanted, and the others how they are."""
    loops = crew.loops
    saved: dict[str, CameraState] = {}
    known: object = None
    read: object = None  # what others had written when their cameras were read
    due = {"round": 0.0, "beat": 0.0, "coverage": 0.0}
    while True:
        now_s = clock.mono_s()
        try:
            if now_s >= due["round"]:
                due["round"] = now_s + ROUND_S - SLACK_S
                if read != (written := store.data_version(db)):
                    config = plan.config = taken.with_taken(db, config)
                    read = written
                crew.adjust(config)
                _tell(loops, plan.look(db))
                beats = now_s >= due["beat"]
                _save(db, loops, saved, clock if beats else None)
                if beats:
                    due["beat"] = now_s + health.BEAT_S - SLACK_S
                    health.notify("WATCHDOG=1")
                media.save(db)
            free = any(loop.want is None for loop in loops)
            _show(loops, live_view.wishes(db, clock.now()) if free else [], config.profile.live.cameras)
            if now_s >= due["coverage"]:
                due["coverage"] = now_s + COVERAGE_S - SLACK_S
                known = _cover(db, config, clock, known)
        except sqlite3.Error as fault:  # a full disk: the cameras' threads go on, and so must we
            log.error("the database: %s", fault)
            free = True
        if stop.wait(TICK_S if free else ROUND_S - clock.mono_s() % ROUND_S):  # with the cameras' rounds
            return


def _tell(loops: list[CameraLoop], wants: dict[str, Want]) -> None:
    for loop in loops:
        want = wants.get(loop.camera.id)
        if want != loop.want:
            loop.want = want
            loop.poke.set()


def _show(loops: list[CameraLoop], wishes: list[Wish], places: int) -> None:
    """Let cameras run that are only watched: no more than there are places, who was asked for first first."""
    free = {loop.camera.id for loop in loops if loop.want is None and loop.stream == "main"}
    chosen = [wish.camera for wish in wishes if wish.camera in free][:places]
    for loop in loops:
        if loop.stream == "main" and loop.watched != (loop.camera.id in chosen):
            loop.watched = not loop.watched
            loop.poke.set()


def _save(db: Database, loops: list[CameraLoop], saved: dict[str, CameraState], beat: Clock | None = None) -> None:
    """Write the cameras' states that changed, all in one transaction; with `beat`, the heartbeat too."""
    changed = {loop.folder: (loop.stream, state) for loop in loops if (state := loop.state) != saved.get(loop.folder)}
    if changed or beat:
        with store.transaction(db):
            cameras.save(db, [state for stream, state in changed.values() if stream == "main"])
            cameras.save_second(db, [state for stream, state in changed.values() if stream == "second"])
            if beat:
                health.write(db, beat, NAME, {"recording": sum(
                    loop.state.state == "recording" for loop in loops if loop.stream == "main")})  # fmt: skip
        saved.update({folder: state for folder, (_, state) in changed.items()})


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
