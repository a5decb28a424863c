"""The recorder as it runs: real cameras, real ffmpeg, real kills."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from appliance import archive, cameras, coverage, exams, journal, store
from appliance.archive import Segment
from appliance.config import Config
from appliance.coverage import CameraCoverage
from appliance.store import Database
from demo.cameras_process import CamerasProcess
from tests.fakes.cameras import camera
from tests.fakes.recorded_site import (
    CLOCK,
    EXAM,
    RecorderProcess,
    adopted,
    end_exam,
    lost_or_twice,
    plan_exam,
    site,
    wait_until,
)


@pytest.fixture(scope="module")
def filmed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CamerasProcess]:
    config = [camera("hall", sound="pcma"), camera("stairs", codec="h265", sound="aac"), camera("yard")]
    with CamerasProcess(config, tmp_path_factory.mktemp("cameras")) as process:
        yield process


@pytest.fixture
def config(tmp_path: Path, filmed: CamerasProcess) -> Config:
    return site(tmp_path, filmed.addresses, sound=("hall", "stairs"), onvif=("stairs",))


@pytest.fixture
def db(config: Config) -> Iterator[Database]:
    opened = store.open(config.database)
    yield opened
    opened.close()


def finish(db: Database, config: Config) -> dict[str, CameraCoverage]:
    """End the exam now, wait until everything is archived, and work out the gaps."""
    end_exam(db, CLOCK)
    wait_until(lambda: all(s.state == "idle" for s in cameras.states(db).values()), "the cameras rest")
    exam = exams.get(db, EXAM)
    coverage.update(db, config, CLOCK, exam, exam.ends_at)
    return {c.camera: c for c in coverage.summary(db, config, exam, exam.ends_at)}


def adds_up(found: CameraCoverage) -> bool:
    gaps_s = sum((g.ends_at - g.starts_at).total_seconds() for g in found.gaps)
    return abs(found.recorded_s + gaps_s - found.required_s) < 0.001 and all(g.cause for g in found.gaps)


def runs(segments: list[Segment]) -> list[list[Segment]]:
    """Split by run: within one, each recording begins where the one before ended."""
    found: dict[str, list[Segment]] = {}
    for segment in segments:
        found.setdefault(segment.run, []).append(segment)
    return list(found.values())


def decodes(config: Config, segment: Segment) -> bool:
    done = subprocess.run(["ffmpeg", "-v", "error", "-i", str(archive.path(config, segment)), "-f", "null", "-"],
                          capture_output=True, text=True, timeout=60, check=False)  # fmt: skip
    return done.returncode == 0 and done.stderr == ""


def test_it_records_every_frame_of_the_exam_and_stops_with_it(db: Database, config: Config) -> None:
    plan_exam(db, CLOCK)
    with RecorderProcess(config):
        wait_until(lambda: all(len(adopted(db, name)) >= 2 for name in ("hall", "stairs", "yard")), "two segments each")
        covered = finish(db, config)
    for name, video, audio in (("hall", "h264", "aac"), ("stairs", "hevc", "aac"), ("yard", "h264", None)):
        segments = adopted(db, name)
        assert {(s.video, s.audio) for s in segments} == {(video, audio)}
        assert lost_or_twice(config, segments) == []
        assert all(a.ends_at == b.starts_at for a, b in pairwise(segments))
        assert all(decodes(config, s) for s in segments)
        assert adds_up(covered[name])
        assert [g.cause for g in covered[name].gaps] == ["recording starting"]
    kinds = [e.kind for e in journal.entries(db, limit=1000)]
    assert kinds.count("recording.started") == kinds.count("recording.stopped") == kinds.count("recording.gap") == 3
    assert archive.verify(db, config).faults == ()


def test_a_killed_and_a_stopped_recorder_leave_gaps_with_their_causes_and_nothing_else(
    db: Database, config: Config
) -> None:
    plan_exam(db, CLOCK)
    names = ("hall", "stairs", "yard")

    def recorded_by_run(number: int) -> bool:
        return all(len(runs(adopted(db, name))) == number for name in names)

    with RecorderProcess(config) as recorder:
        wait_until(lambda: recorded_by_run(1), "a segment each")
        time.sleep(1.4)  # into the open segments
        recorder.kill()
    left = {path.parent.name: archive.number_of(path) for path in archive.incoming(config)}
    with RecorderProcess(config) as recorder:
        wait_until(lambda: recorded_by_run(2), "recorded again by a new run")
        assert recorder.stop() == 0
    assert archive.incoming(config) == []
    with RecorderProcess(config):
        wait_until(lambda: recorded_by_run(3), "recorded once more")
        covered = finish(db, config)
    for name in names:
        found = runs(adopted(db, name))
        # The open file is taken in, unless it was so new that not even its first fragment was written.
        assert archive.number_of(Path(found[0][-1].path)) in (left[name], left[name] - 1)
        for run in found:
            assert all(a.ends_at == b.starts_at for a, b in pairwise(run))
            assert lost_or_twice(config, run) == []
        assert all(decodes(config, s) for s in found[0])
        assert all(a[-1].ends_at <= b[0].starts_at for a, b in pairwise(found))
        assert adds_up(covered[name])
        assert [g.cause for g in covered[name].gaps] == ["recording starting", "recorder restarted", "recorder stopped"]
    assert archive.verify(db, config).faults == ()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 500 kB for the recordings."""
    folder = tmp_path / "video"
    folder.mkdir()
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=500k", "tmpfs", str(folder)],
                           capture_output=True, text=True, check=False)  # fmt: skip
    if mount.returncode != 0:
        pytest.skip(f"no small file system without the right to mount: {mount.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_disk_that_fills_up_loses_nothing_that_was_recorded(
    tmp_path: Path, filmed: CamerasProcess, small_disk: Path
) -> None:
    addresses = {name: filmed.addresses[name] for name in ("yard", "hall")}
    config = site(tmp_path, addresses, video=small_disk, reserve_bytes=0, sound=("hall",))
    with store.open(config.database) as db, RecorderProcess(config) as recorder:
        plan_exam(db, CLOCK)
        wait_until(
            lambda: {s.cause for s in cameras.states(db).values()} == {"disk full"}, "the disk is full", seconds=60
        )
        full = [s for name in addresses for s in adopted(db, name)]
        assert recorder.process.poll() is None
        for name in addresses:
            assert lost_or_twice(config, runs(adopted(db, name))[0]) == []
        subprocess.run(["mount", "-o", "remount,size=200m", str(small_disk)], check=True)
        wait_until(
            lambda: all(s.state == "recording" for s in cameras.states(db).values()), "recording again", seconds=20
        )
        covered = finish(db, config)
        assert len(full) >= 2
        assert all(decodes(config, s) for name in addresses for s in adopted(db, name))
        assert all(adds_up(c) and "disk full" in [g.cause for g in c.gaps] for c in covered.values())
        assert recorder.stop() == 0
        assert archive.verify(db, config).faults == ()
