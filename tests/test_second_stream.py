"""Both streams of a camera: each recorded by itself, and only the main one counts."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from appliance import archive, cameras, coverage, exams, journal, store
from appliance.cameras import CameraState
from appliance.config import Config
from appliance.services import recorder
from appliance.source import main_and_second
from appliance.store import Database
from demo.cameras_process import Address
from drivers import fmp4
from drivers.types import StreamProfile
from tests.fakes.recorded_site import CLOCK, EXAM, end_exam, film, plan_exam, site, wait_until
from tests.fakes.rtsp_camera import Manner, RtspCamera
from tests.fakes.rtsp_film import slices_in


@dataclass(frozen=True, slots=True)
class Day:
    """What was recorded while the second stream was lost for good."""

    db: Database
    config: Config
    main_sent: list[str]
    second_sent: list[str]
    second: CameraState


def of_camera(camera: RtspCamera) -> Address:
    return Address("yard", camera.url, "http://127.0.0.1:9/", "u", camera.manner.password)


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Day]:
    stop = threading.Event()
    with RtspCamera(Manner()) as main:
        with RtspCamera(Manner(sizes=("160x96",))) as second:
            config = site(tmp_path_factory.mktemp("both"), {"yard": of_camera(main)})
            asked = {"both_streams": True, "second_stream": second.url}
            config = replace(config, cameras=tuple(c.model_copy(update=asked) for c in config.cameras))
            db = store.open(config.database)
            plan_exam(db, CLOCK)
            thread = threading.Thread(target=recorder.main, args=(config, CLOCK, stop))
            thread.start()
            wait_until(lambda: len(archive.segments(db, stream=None)) >= 4, "both are recorded")
            wait_until(lambda: archive.segments(db, stream="second"), "the second is, too")
        try:
            told = ["camera.second_silent"]
            wait_until(lambda: journal.entries(db, kinds=told), "its end is told")
            files = len(archive.segments(db))
            wait_until(lambda: len(archive.segments(db)) > files + 1, "the main stream goes on")
            lost = cameras.second(db, "yard")
            end_exam(db, CLOCK)
            wait_until(lambda: cameras.states(db)["yard"].state == "idle", "it is over")
        finally:
            stop.set()
            thread.join()
        exam = exams.get(db, EXAM)
        coverage.update(db, config, CLOCK, exam, exam.ends_at)
        assert lost is not None
        yield Day(db, config, main.sent, second.sent, lost)
        db.close()


@pytest.mark.parametrize("stream", ["main", "second"])
def test_each_stream_has_every_frame_once(day: Day, stream: str) -> None:
    found = archive.segments(day.db, stream="main" if stream == "main" else "second")
    recorded = [each for segment in found for each in slices_in(archive.path(day.config, segment))]
    sent = day.main_sent if stream == "main" else day.second_sent
    first = sent.index(recorded[0])
    assert len(recorded) > 20
    assert recorded == sent[first : first + len(recorded)]


def test_the_loss_of_the_second_stream_is_told_and_makes_no_gap(day: Day) -> None:
    assert [gap.cause for gap in coverage.gaps(day.db, EXAM)] == ["recording starting"]
    assert {row["cause"] for row in day.db.rows("select cause from outage")} == {"recording starting"}
    told = [entry for entry in journal.entries(day.db) if entry.kind.startswith("camera.")]
    assert {entry.kind for entry in told} == {"camera.second_silent"}
    assert told[0].data["code"] in ("connection closed", "camera unreachable")
    assert (day.second.state, day.second.cause) == ("reconnecting", "camera unreachable")


def test_seals_speak_of_the_main_stream_and_verify_reads_both(day: Day) -> None:
    exam, both = exams.get(day.db, EXAM), archive.segments(day.db, stream=None)
    sealed = archive.sealed_list(day.db, day.config, exam).decode()
    assert "yard.second" not in sealed
    assert sealed.count("/yard/") == len(archive.segments(day.db, since=exam.starts_at, until=exam.ends_at))
    assert archive.verify(day.db, day.config) == archive.Verified(len(both), ())
    assert all(Path(s.path).parent.name == ("yard" if s.stream == "main" else "yard.second") for s in both)


def profile(token: str, width: int, height: int, uri: str = "rtsp://x/") -> StreamProfile:
    return StreamProfile(token, "H264", width, height, 25.0, uri, "")


@pytest.mark.parametrize(
    ("sizes", "chosen"),
    [
        ([("a", 1920, 1080), ("b", 640, 360), ("c", 320, 180)], ("a", "c")),
        ([("small", 640, 360), ("large", 1920, 1080)], ("large", "small")),
        ([("a", 1920, 1080), ("b", 1920, 1080)], ("a", None)),
        ([("unknown", 0, 0)], ("unknown", None)),
        ([], (None, None)),
    ],
)
def test_the_largest_picture_is_the_main_one_and_the_smallest_other_the_second(
    sizes: list[tuple[str, int, int]], chosen: tuple[str | None, str | None]
) -> None:
    found = main_and_second([profile("mute", 4000, 3000, uri=""), *(profile(*size) for size in sizes)])
    assert tuple(each and each.token for each in found) == chosen


def test_what_only_the_second_stream_has_is_a_gap(tmp_path: Path) -> None:
    config = site(tmp_path, {"yard": Address("yard", "rtsp://127.0.0.1:9/", "http://127.0.0.1:9/", "u", "p")})
    db = store.open(config.database)
    plan_exam(db, CLOCK, starts_in_s=-4, lasts_s=4)
    exam = exams.get(db, EXAM)
    for of, recorded_s in (("yard.second", 0.0), ("yard", 4.0)):
        file = film(config.incoming / of / f"run{len(of)}-000000.mp4")
        segment = archive.adopt(db, config, file, of, fmp4.read(file), exam.starts_at, exam.ends_at)
        (covered,) = coverage.summary(db, config, exam, exam.ends_at)
        assert segment.camera == "yard"
        assert covered.recorded_s == pytest.approx(recorded_s, abs=0.05)
    db.close()
