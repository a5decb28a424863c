"""The keeper: once, never twice, at most a minute late, whatever the clock does and whoever is killed."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import cv2
import numpy as np
import pytest
import time_machine

from appliance import cameras, exams, health, journal, orders, snapshots, stills, store
from appliance.checks import results
from appliance.clock import Clock, FakeClock, SystemClock
from appliance.config import Config
from appliance.model import ApplianceError, Person, Role
from appliance.services import keeper
from appliance.services.keeper import Keeper
from appliance.stills import Stills
from appliance.store import Database
from demo.cameras_process import Address
from drivers import look
from tests.fakes import recorded_site
from tests.fakes.cameras import StartCameras, camera
from tests.fakes.cameras import virtual_cameras as virtual_cameras
from tests.fakes.exam_site import END, ROOT, START, TECHNICIAN, clock_at, database, planned, site
from tests.fakes.refusing_camera import RefusingCamera
from tests.fakes.refusing_camera import refusing_camera as refusing_camera

DUE = START - timedelta(hours=2)
ORLOV = Person("orlov", "Орлов П. С.", Role.TECHNICIAN, "ru")


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return site(tmp_path, {})  # no camera: the box's own checks are enough here


@pytest.fixture
def db(config: Config) -> Database:
    return database(config)


def everybody_beats(db: Database, clock: Clock) -> None:
    """So that no check waits for a service that is not there."""
    for service in health.SERVICES:
        health.started(db, clock, service)


def ticks(of: Keeper, clock: FakeClock, n: int = 5) -> None:
    """Let seconds pass; each tick's work is over before the next."""
    for _ in range(n):
        everybody_beats(of.db, clock)
        of.tick()
        of.work.wait(30)
        clock.advance(1)


def runs(db: Database) -> int:
    return len(results.runs(db, 100))


def until(true: Callable[[], bool], what: str, timeout_s: float = 30.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < deadline, f"in {timeout_s} s not: {what}"
        time.sleep(0.05)


def test_the_checks_run_at_their_hour_and_once(db: Database, config: Config) -> None:
    clock = clock_at("02:59:58")
    exam = planned(db, config, clock)
    of = Keeper.begin(db, config, clock)
    ticks(of, clock, 2)
    assert runs(db) == 0
    ticks(of, clock, 8)
    assert runs(db) == 1
    run = results.latest(db)
    assert run is not None
    assert (run.exam, run.asked_by) == (exam.id, "schedule")
    ticks(Keeper.begin(db, config, clock), clock)
    (entry,) = journal.entries(db, kinds=["checks.finished"])
    assert "late_ms" not in entry.data


def test_a_box_that_was_off_at_the_hour_checks_at_once_and_says_late(db: Database, config: Config) -> None:
    planned(db, config, clock_at("02:00"))
    clock = clock_at("03:20")
    ticks(Keeper.begin(db, config, clock), clock)
    (entry,) = journal.entries(db, kinds=["checks.finished"])
    assert entry.data["late_ms"] == 20 * 60 * 1000


def test_work_a_dead_keeper_had_claimed_is_done(db: Database, config: Config) -> None:
    clock = clock_at("03:00")
    planned(db, config, clock)
    number = orders.place(db, clock, "checks", {}, ORLOV)
    (moment,) = exams.due(db, config, clock.now())
    assert exams.claim(db, clock, moment)
    assert orders.claim(db, clock, "checks")
    ticks(Keeper.begin(db, config, clock), clock)
    assert runs(db) == 2
    assert orders.get(db, number).state == "done"


@pytest.mark.parametrize(
    "jumps",
    [
        pytest.param([(5, -3600), (5, 3600)], id="an hour back and right again"),
        pytest.param([(5, 31 * 86400), (5, -31 * 86400)], id="a month ahead and right again"),
        pytest.param([(5, -56 * 365 * 86400), (5, 56 * 365 * 86400)], id="1970 and right again"),
    ],
)
@pytest.mark.parametrize("begin", ["02:59:50", "03:00:05"])
def test_a_clock_that_jumps_makes_it_neither_none_nor_two(
    db: Database, config: Config, jumps: list[tuple[int, int]], begin: str
) -> None:
    clock = clock_at(begin)
    planned(db, config, clock)
    of = Keeper.begin(db, config, clock)
    for seconds, step in jumps:
        ticks(of, clock, seconds)
        clock.step(step)
    ticks(of, clock, 30)
    assert runs(db) == 1
    assert len(journal.entries(db, kinds=["clock.stepped"])) == 2


def test_a_moved_exam_is_checked_at_its_new_hour_and_a_cancelled_one_never(db: Database, config: Config) -> None:
    clock = clock_at("02:59:58")
    exam = planned(db, config, clock)
    of = Keeper.begin(db, config, clock)
    exams.move(db, config, clock, TECHNICIAN, exam.id, START + timedelta(minutes=1), END)
    ticks(of, clock, 10)
    assert runs(db) == 0
    clock.advance(52)
    ticks(of, clock, 3)
    assert runs(db) == 1
    exams.move(db, config, clock, TECHNICIAN, exam.id, START + timedelta(minutes=2), END)
    exams.cancel(db, clock, TECHNICIAN, exam.id)
    clock.advance(60)
    ticks(of, clock, 3)
    assert runs(db) == 1


def test_the_checks_are_run_when_somebody_asks(db: Database, config: Config) -> None:
    clock = clock_at("02:00")
    of = Keeper.begin(db, config, clock)
    number = orders.place(db, clock, "checks", {}, ORLOV)
    ticks(of, clock)
    run = results.latest(db)
    assert run is not None
    assert run.asked_by == "orlov"
    assert orders.get(db, number).result == {"run": run.id}


def test_an_order_that_cannot_be_done_is_closed_as_failed(db: Database, config: Config) -> None:
    clock = clock_at("02:00")
    number = orders.place(db, clock, "checks", {"exam": "none-such"}, ORLOV)
    ticks(Keeper.begin(db, config, clock), clock)
    assert orders.get(db, number).state == "failed"


def test_a_request_nobody_agreed_to_lapses(db: Database, config: Config) -> None:
    clock = clock_at("12:00")
    number = orders.place(db, clock, "export", {"exam": "math"}, ORLOV, agreement=True)
    of = Keeper.begin(db, config, clock)
    clock.advance(config.profile.export.agree_within_min * 60 - 10)
    ticks(of, clock, 2)
    assert orders.get(db, number).state == "waits"
    clock.advance(10)
    ticks(of, clock, 6)
    assert orders.get(db, number).state == "cancelled"


def live_through(of: Keeper, clock: FakeClock, to: datetime) -> None:
    """Pass the time to `to` with a heartbeat a minute."""
    while clock.now() < to:
        of.beat()
        clock.advance(min(60.0, (to - clock.now()).total_seconds()))
    of.beat()


def set_cameras(db: Database, state: cameras.State) -> None:
    with store.transaction(db):
        cameras.save(
            db, [cameras.CameraState(camera, state, "2026-11-23T03:00:00.000000Z") for camera in ("hq", "corridor")]
        )


def test_an_exam_is_sealed_when_it_is_over_and_its_cameras_rest(tmp_path: Path) -> None:
    config = site(tmp_path)
    db, clock = database(config), clock_at("03:00")
    exam = planned(db, config, clock)
    of = Keeper.begin(db, config, clock)
    moment = exams.moments(config, exam)[0]
    assert exams.claim(db, clock, moment)  # the checks are another test's
    set_cameras(db, "reconnecting")
    live_through(of, clock, exams.moments(config, exam)[1].due_at)
    ticks(of, clock, 6)
    assert exams.get(db, exam.id).state == "planned", "a camera is still wanted"
    set_cameras(db, "idle")
    ticks(of, clock, 6)
    assert exams.get(db, exam.id).state == "closed"
    assert len(journal.entries(db, kinds=["archive.sealed"])) == 1


def test_a_clock_that_jumps_over_the_end_seals_nothing(tmp_path: Path) -> None:
    config = site(tmp_path)
    db, clock = database(config), clock_at("03:00")
    exam = planned(db, config, clock)
    of = Keeper.begin(db, config, clock)
    assert exams.claim(db, clock, exams.moments(config, exam)[0])
    live_through(of, clock, START)
    clock.step(31 * 86400)
    set_cameras(db, "idle")  # even a recorder that lost heart does not make it over
    ticks(of, clock, 10)
    assert exams.get(db, exam.id).state == "planned"
    assert exams.required_now(db, config, START + timedelta(hours=1)), "set right, it would be recorded on"


def test_a_second_keeper_is_refused(config: Config) -> None:
    with keeper.alone(config.data), pytest.raises(ApplianceError, match="Another keeper"), keeper.alone(config.data):
        pytest.fail("two keepers at once")


@contextmanager
def running(config: Config) -> Iterator[threading.Event]:
    """The real service with the real scheduler, in a thread."""
    stop = threading.Event()
    thread = threading.Thread(target=keeper.main, args=(config, SystemClock(), stop))
    thread.start()
    try:
        yield stop
    finally:
        stop.set()
        thread.join(30)


def stepped(db: Database, n: int) -> None:
    until(lambda: len(journal.entries(db, kinds=["clock.stepped"])) == n, f"{n} steps noticed")


def test_the_real_scheduler_under_a_clock_that_steps(db: Database, config: Config) -> None:
    with time_machine.travel(DUE - timedelta(hours=1), tick=True) as wall:
        planned(db, config, SystemClock())
        with running(config):
            until(lambda: any(b.service == "keeper" for b in health.heartbeats(db)), "the keeper works")
            wall.shift(timedelta(hours=-1))  # APScheduler would now sleep for an hour
            stepped(db, 1)
            wall.shift(timedelta(days=31))
            stepped(db, 2)
            assert runs(db) == 0
            everybody_beats(db, FakeClock(DUE))
            wall.move_to(DUE + timedelta(seconds=1))
            until(lambda: runs(db) == 1, "the checks ran")
            wall.shift(timedelta(hours=-1))
            stepped(db, 4)
            wall.move_to(DUE + timedelta(seconds=30))
            stepped(db, 5)
            until(lambda: heard_again(db), "a beat by the clock that is right")
    assert runs(db) == 1
    (entry,) = journal.entries(db, kinds=["checks.finished"])
    assert datetime.fromisoformat(entry.data["began_at"]) - DUE < timedelta(seconds=60)


def heard_again(db: Database) -> bool:
    (beat,) = [b for b in health.heartbeats(db) if b.service == "keeper"]
    return datetime.fromisoformat(beat.beat_at) > DUE + timedelta(seconds=30)


@pytest.fixture
def tarpit() -> Iterator[str]:
    """A camera that takes the connection and then says nothing."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/onvif/device_service"


def start_keeper(config: Config) -> subprocess.Popen[bytes]:
    argv = [sys.executable, "-m", "appliance", "run", "keeper", "--config", str(config.source)]
    return subprocess.Popen(argv, cwd=ROOT, stderr=subprocess.DEVNULL)


def test_a_keeper_killed_in_the_middle_of_the_checks_runs_them_again_and_once(tmp_path: Path, tarpit: str) -> None:
    config = site(tmp_path, {"hq": Address("hq", "", tarpit, "examsite", "a word")})
    db, clock = database(config), SystemClock()
    exam = exams.plan(db, config, clock, TECHNICIAN, "now", "Сейчас", clock.now() + timedelta(hours=1),
                      clock.now() + timedelta(hours=2))  # fmt: skip
    begun = "select count(*) from moment where claimed_at is not null and done_at is null"
    first = start_keeper(config)
    until(lambda: db.value(begun) == 1, "the checks have begun")
    first.send_signal(signal.SIGKILL)
    first.wait()
    assert runs(db) == 0
    everybody_beats(db, clock)
    second = start_keeper(config)
    try:
        until(lambda: runs(db) == 1, "the checks ran")
    finally:
        second.terminate()
    assert second.wait(20) == 0
    third = start_keeper(config)
    started = health.heartbeats(db)
    until(lambda: health.heartbeats(db) != started, "the third keeper works")
    time.sleep(2)  # two ticks in which it could do it again
    third.terminate()
    assert third.wait(20) == 0
    assert runs(db) == 1
    assert len(journal.entries(db, exam=exam.id, kinds=["checks.finished"])) == 1


def test_snapshots_are_kept_fresh_and_whole_and_where_there_are_none_a_second_of_the_stream_is_asked_for(
    virtual_cameras: StartCameras, tmp_path: Path
) -> None:
    found = virtual_cameras([camera("hq")]).addresses
    config = site(tmp_path, found)
    path = cameras.snapshot_path(config.data, "hq")
    database(config).close()
    stop = threading.Event()
    thread = snapshots.start(config, SystemClock(), stop)
    try:
        until(path.exists, "a first picture")
        first = path.stat().st_mtime_ns
        until(lambda: path.stat().st_mtime_ns != first, "a newer picture")
    finally:
        stop.set()
        thread.join(20)
    assert cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR) is not None
    assert [p.name for p in path.parent.iterdir()] == ["hq.jpg"]

    without = config.cameras[0].model_copy(update={"onvif": None, "stream": found["hq"].rtsp_url})
    of = Stills(config, SystemClock(), threading.Event(), busy=frozenset({"hq"}))
    assert of.take(without) is None  # it records, or is about to
    of.busy = frozenset()
    still = of.take(without)
    assert still is not None
    assert cv2.imdecode(np.frombuffer(still.jpeg, np.uint8), cv2.IMREAD_COLOR) is not None
    assert of.take(without) is None  # it was asked just now


def test_a_camera_that_is_recorded_is_not_asked_its_newest_key_frame_is_on_the_disk(tmp_path: Path) -> None:
    config = site(tmp_path, {"hq": Address("hq", "", "http://127.0.0.1:9/onvif", "examsite", "-")})
    folder, clock = config.incoming / "hq", SystemClock()
    for name, seconds in (("a-000000.mp4", 2.0), ("b-000000.mp4", 3.0)):
        made = recorded_site.film(folder / name, seconds)
    of = Stills(config, clock, threading.Event())
    still = of.take(config.cameras[0])
    assert still is not None
    assert still.at_s == made.stat().st_mtime  # when it was written, however late we look
    picture = cv2.imdecode(np.frombuffer(still.jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    assert picture.shape[1] <= look.JPEG_WIDTH
    for old in folder.iterdir():
        os.utime(old, (0, 0))
    assert stills.newest_recorded(config, clock, config.cameras[0]) is None  # nobody writes it any more


def test_a_refused_password_is_not_tried_again_until_it_is_another(
    refusing_camera: RefusingCamera, tmp_path: Path
) -> None:
    config = site(tmp_path, {"hq": Address("hq", "", refusing_camera.url, "examsite", "wrong")})
    database(config).close()
    stop = threading.Event()
    thread = snapshots.start(config, SystemClock(), stop)
    try:
        until(lambda: refusing_camera.tries > 0, "the password was tried")
        time.sleep(1)
        tried = refusing_camera.tries
        time.sleep(snapshots.EVERY_S + 0.5)
        assert refusing_camera.tries == tried
        (tmp_path / "hq.password").write_text("another wrong one\n")
        until(lambda: refusing_camera.tries > tried, "the new password was tried")
    finally:
        stop.set()
        thread.join(20)


def test_the_heartbeat_carries_both_clocks_for_the_next_keeper(db: Database, config: Config) -> None:
    clock = clock_at("02:00")
    of = Keeper.begin(db, config, clock)
    health.started(db, clock, "keeper")
    of.beat()
    (beat,) = health.heartbeats(db)
    assert beat.note == {"wall": "2026-11-23T02:00:00.000000Z", "mono_ms": 1_000_000, "boot": "fake-boot"}
    clock.advance(60)
    clock.step(-3600)
    Keeper.begin(db, config, clock)
    (entry,) = journal.entries(db, kinds=["clock.stepped"])
    assert entry.data["step_ms"] == -3_600_000
