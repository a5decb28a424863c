"""One camera's loop: silence, refusals, disks and clocks that are set."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from appliance import archive, coverage, exams, journal, store
from appliance.cameras import CameraState
from appliance.clock import SystemClock
from appliance.config import Config
from appliance.media import Media
from appliance.pulse import Pulse
from appliance.recording import CameraLoop
from appliance.store import Database
from appliance.syncing import Syncer
from appliance.wanted import Want
from demo.cameras_process import Address, CamerasProcess
from drivers import fmp4
from tests.fakes.cameras import camera
from tests.fakes.recorded_site import (
    CLOCK,
    EXAM,
    adopted,
    counters,
    end_exam,
    film,
    lost_or_twice,
    plan_exam,
    site,
    wait_until,
)
from tests.fakes.rtsp_camera import Manner, RtspCamera

FPS = 12  # of the virtual cameras
AT = datetime(2026, 11, 22, 7, 0, tzinfo=UTC)


class SetClock(SystemClock):
    """The box's clock, which somebody sets: only the wall clock moves. With `ahead_s` time itself has passed."""

    def __init__(self) -> None:
        self.off = timedelta()
        self.ahead_s = 0.0

    def mono_s(self) -> float:
        return super().mono_s() + self.ahead_s

    def now(self) -> datetime:
        return super().now() + self.off


@pytest.fixture(scope="module")
def filmed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CamerasProcess]:
    with CamerasProcess([camera("yard"), camera("gate")], tmp_path_factory.mktemp("cameras")) as process:
        yield process


@pytest.fixture
def config(tmp_path: Path, filmed: CamerasProcess) -> Config:
    return site(tmp_path, filmed.addresses)


@pytest.fixture
def db(config: Config) -> Iterator[Database]:
    opened = store.open(config.database)
    yield opened
    opened.close()


@contextmanager
def recording(config: Config, *names: str, clock: SystemClock = CLOCK) -> Iterator[dict[str, CameraLoop]]:
    """The loops of these cameras in threads, wanted until told otherwise."""
    stop, syncer = threading.Event(), Syncer()
    with ExitStack() as ending:
        thread = threading.Thread(target=syncer.run, args=(stop,))
        thread.start()
        ending.callback(thread.join)
        loops = {name: CameraLoop(config, clock, config.camera(name), syncer, Media(config, clock)) for name in names}
        window = exams.Window(EXAM, "", "yard", AT, AT)
        for loop in loops.values():
            loop.want = Want(window, 1, float("inf"))
            thread = threading.Thread(target=loop.run, args=(stop,))
            thread.start()
            ending.callback(thread.join)
            ending.callback(loop.poke.set)
        ending.callback(stop.set)
        yield loops


def rest(loops: dict[str, CameraLoop]) -> None:
    """Not wanted any more; wait until everything is archived."""
    for loop in loops.values():
        loop.want = None
        loop.poke.set()
    wait_until(lambda: all(loop.state.state == "idle" for loop in loops.values()), "the loops rest")


def kinds(db: Database) -> list[str]:
    return [entry.kind for entry in journal.entries(db, limit=1000)]


@dataclass(slots=True)
class Morning:
    """What was found out while several cameras had their troubles, each its own, and what is in the archive of it."""

    db: Database
    config: Config
    silent_cause: str | None = None
    at_reserve: int = 0  # recordings of the camera without disk space, when it stopped
    safe: CameraState | None = None
    safe_begins: datetime | None = None
    open_file: bytes = b""  # as a kill would leave it

    def look_at_the_open_file(self, gate: CameraLoop) -> bool:
        """What a kill would leave now; False while one file gives way to the next and they do not belong together."""
        state, files, last = gate.state, archive.incoming(self.config, "gate"), adopted(self.db, "gate")[-1]
        if len(files) != 1 or archive.number_of(files[0]) != archive.number_of(Path(last.path)) + 1:
            return False
        self.safe, self.safe_begins, self.open_file = state, last.ends_at, files[0].read_bytes()
        return archive.incoming(self.config, "gate") == files

    def gaps(self, camera: str) -> tuple[coverage.Gap, ...]:
        return self.covered(camera).gaps

    def covered(self, camera: str) -> coverage.CameraCoverage:
        exam = exams.get(self.db, EXAM)
        return next(c for c in coverage.summary(self.db, self.config, exam, exam.ends_at) if c.camera == camera)

    def kinds(self, camera: str) -> list[str]:
        return [entry.kind for entry in journal.entries(self.db, limit=1000) if entry.camera == camera]


@pytest.fixture(scope="module")
def morning(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Morning]:
    """Yard falls silent, lane for a moment, door hangs up, shed has no space, and gate has no trouble: at one time."""
    folder = tmp_path_factory.mktemp("morning")
    names = ("yard", "lane", "door", "shed", "gate")
    with CamerasProcess([camera(name) for name in names], folder / "cameras") as cameras:
        config = site(folder, cameras.addresses, stall_s=5.0)  # lane's silence is shorter, however busy the machine
        db = store.open(config.database)
        found = Morning(db, config)
        plan_exam(db, CLOCK)
        with recording(config, *names) as loops:
            wait_until(lambda: all(adopted(db, name) for name in names), "all are recorded")
            for command in ("silence yard 60", "silence lane 1.5", "drop door 0.2"):
                cameras.control(command)
            lane = len(adopted(db, "lane"))
            loops["shed"].media = Media(replace(config, reserve_bytes=1 << 60), CLOCK)
            time.sleep(1.6)
            wait_until(lambda: found.look_at_the_open_file(loops["gate"]), "one file is open behind the finished ones")
            wait_until(lambda: loops["yard"].state.state == "reconnecting", "the silence is seen")
            found.silent_cause = loops["yard"].state.cause
            cameras.control("silence yard 0")
            wait_until(lambda: loops["shed"].state.cause == "disk full", "the reserve is reached")
            found.at_reserve = len(adopted(db, "shed"))
            loops["shed"].media = Media(config, CLOCK)
            wait_until(lambda: all(loop.state.state == "recording" for loop in loops.values()), "all record again")
            yard = len(adopted(db, "yard"))
            wait_until(lambda: len(adopted(db, "yard")) > yard and len(adopted(db, "lane")) > lane + 1, "more segments")
            end_exam(db, CLOCK)
            rest(loops)
        exam = exams.get(db, EXAM)
        coverage.update(db, config, CLOCK, exam, exam.ends_at)
        yield found
        db.close()


def test_a_silent_camera_leaves_one_gap_with_its_cause_and_is_recorded_again(morning: Morning) -> None:
    yard, config = morning.covered("yard"), morning.config
    starting, silence = yard.gaps
    assert morning.silent_cause == "camera silent"
    assert starting.cause == "recording starting"
    assert silence.cause == "camera silent"
    assert (silence.ends_at - silence.starts_at).total_seconds() >= config.profile.recording.stall_s
    assert yard.recorded_s + sum((g.ends_at - g.starts_at).total_seconds() for g in yard.gaps) == pytest.approx(
        yard.required_s
    )
    before = [s for s in adopted(morning.db, "yard") if s.ends_at <= silence.starts_at]
    after = [s for s in adopted(morning.db, "yard") if s.starts_at >= silence.ends_at]
    assert lost_or_twice(config, before) == lost_or_twice(config, after) == []
    assert len(before) + len(after) == len(adopted(morning.db, "yard"))
    assert morning.kinds("yard").count("camera.silent") == morning.kinds("yard").count("camera.returned") == 1


def test_the_troubles_of_other_cameras_cost_a_camera_no_frame(morning: Morning) -> None:
    assert [gap.cause for gap in morning.gaps("gate")] == ["recording starting"]
    assert lost_or_twice(morning.config, adopted(morning.db, "gate")) == []
    assert morning.kinds("gate") == ["recording.started", "recording.stopped", "recording.gap"]


def test_a_short_silence_inside_a_run_is_a_gap_too(morning: Morning) -> None:
    assert len({s.run for s in adopted(morning.db, "lane")}) == 1
    (silence,) = [g for g in morning.gaps("lane") if g.cause == "camera silent"]
    numbers = [number for number in counters(morning.config, adopted(morning.db, "lane")) if number is not None]
    (lost,) = [b - a - 1 for a, b in pairwise(numbers) if b != a + 1]  # how many depends on where its key frames lie
    assert lost > FPS / 2
    assert (silence.ends_at - silence.starts_at).total_seconds() == pytest.approx(lost / FPS, abs=1.5 / FPS)


def test_a_camera_that_closes_the_connection_is_recorded_again_at_once(morning: Morning) -> None:
    causes = [row["cause"] for row in morning.db.rows("select cause from outage where camera = 'door'")]
    assert "connection closed" in causes
    assert "camera.returned" in morning.kinds("door")
    assert morning.db.value("select count(*) from outage where ended_at is null") == 0


def test_a_disk_at_its_reserve_stops_recording_until_there_is_space(morning: Morning) -> None:
    assert morning.at_reserve >= 2
    assert len(adopted(morning.db, "shed")) > morning.at_reserve
    assert "disk full" in [gap.cause for gap in morning.gaps("shed")]
    assert archive.verify(morning.db, morning.config).faults == ()


def test_what_is_called_safe_is_in_the_file(morning: Morning) -> None:
    assert morning.safe and morning.safe.safe_until_at and morning.safe_begins
    left = film(morning.config.data / "left.mp4")
    left.write_bytes(morning.open_file)
    safe_s = (datetime.fromisoformat(morning.safe.safe_until_at) - morning.safe_begins).total_seconds()
    try:
        written_s = fmp4.read(left).duration_s
    except fmp4.Unreadable as fault:  # it had just begun: then nothing beyond the finished files may be called safe
        assert fault.empty
        written_s = 0.0
    assert written_s >= safe_s - 0.1
    assert counters(morning.config, adopted(morning.db, "gate"))


def test_a_refused_password_is_tried_once_and_waits_for_a_person_however_long(tmp_path: Path) -> None:
    clock = SetClock()
    with RtspCamera(Manner(auth=("md5",))) as strange:
        config = site(tmp_path, {"yard": Address("yard", strange.url, "", "u", "wrong")})
        with recording(config, "yard", clock=clock) as loops:
            wait_until(lambda: loops["yard"].state.state == "refused", "it is refused")
            clock.ahead_s = 7 * 86400.0
            time.sleep(2.5)
            assert strange.requests.count("DESCRIBE signed") == 1
            db = store.open(config.database)
            assert kinds(db) == ["camera.refused", "camera.silent"]
            (tmp_path / "yard.password").write_text(strange.manner.password)
            wait_until(lambda: loops["yard"].state.state == "recording", "the new password is used")
            rest(loops)
        assert "camera.returned" in kinds(db)


def test_a_camera_that_is_not_there_is_recorded_when_it_comes(tmp_path: Path) -> None:
    folder = tmp_path / "cameras"
    with CamerasProcess([camera("late")], folder) as first:
        address, port = first.addresses["late"], int(first.addresses["late"].rtsp_url.split(":")[2].split("/")[0])
    config = site(tmp_path, {"late": address})
    with recording(config, "late") as loops:
        wait_until(lambda: loops["late"].state.cause == "camera unreachable", "nobody answers")
        with CamerasProcess([camera("late")], folder, port=port):
            wait_until(lambda: loops["late"].state.state == "recording", "it is recorded")
            rest(loops)


def test_a_clock_that_is_set_neither_stops_nor_overwrites_a_recording(db: Database, config: Config) -> None:
    clock = SetClock()
    with recording(config, "gate", clock=clock) as loops:
        for off_s, more in ((0.0, 1), (-3600.0, 2), (1800.0, 2)):
            clock.off = timedelta(seconds=off_s)
            enough = len(adopted(db, "gate")) + more
            wait_until(lambda enough=enough: len(adopted(db, "gate")) >= enough, "its segments")  # type: ignore[misc]
        rest(loops)
    segments = sorted(adopted(db, "gate"), key=lambda s: s.id)
    assert len({s.run for s in segments}) == 1
    assert lost_or_twice(config, segments) == []
    steps = [(b.starts_at - a.ends_at).total_seconds() for a, b in pairwise(segments)]
    assert [s for s in steps if s] == [pytest.approx(-3600, abs=0.5), pytest.approx(5400, abs=0.5)]
    assert all(0 < (s.ends_at - s.starts_at).total_seconds() < 3 for s in segments)
    assert [archive.number_of(Path(s.path)) for s in segments] == list(range(len(segments)))  # whatever the clock said
    assert [s.clock.step_ms for s in segments if s.clock.step_ms] == [
        pytest.approx(-3_600_000, abs=500), pytest.approx(5_400_000, abs=500)]  # fmt: skip
    known = {round(s.clock.camera_offset_ms / 1e5) for s in segments if s.clock.camera_offset_ms is not None}
    assert known >= {36, -18}  # the camera's clock stayed where it was: an hour ahead, then half an hour behind


def test_a_silence_that_its_thread_slept_through_is_in_the_journal_all_the_same(
    db: Database, config: Config, filmed: CamerasProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    with recording(config, "gate") as loops:
        wait_until(lambda: adopted(db, "gate"), "it is recorded")
        monkeypatch.setattr(Pulse, "left_s", lambda *_: 60.0)  # as when the thread is held up by the disk meanwhile
        filmed.control("silence gate 4")
        wait_until(lambda: "camera.returned" in kinds(db), "the files tell it")
        rest(loops)
    assert kinds(db).count("camera.silent") == 1
