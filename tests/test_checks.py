"""Checks: pure judgements over facts, a runner that nothing can hold, and a real run against virtual cameras."""

from __future__ import annotations

import json
import os
import select
import socket
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from appliance import cameras as camera_states
from appliance import disk as forecast
from appliance import exams, health, journal, store
from appliance.alarm_board import BoardLink
from appliance.checks import box, cameras, catalog, disk, panels, results, runner
from appliance.checks.cameras import Seen
from appliance.checks.results import Group, Verdict
from appliance.clock import SystemClock, iso
from appliance.commands.check import check
from appliance.config import Config
from appliance.disk import Forecast
from appliance.model import message
from appliance.profile import Limits
from appliance.words import Words
from drivers.host import ClockFacts
from drivers.picture import PictureFacts
from drivers.rtsp import StreamFacts
from tests.fakes.cameras import StartCameras, camera
from tests.fakes.cameras import virtual_cameras as virtual_cameras
from tests.fakes.exam_site import END, START, TECHNICIAN, clock_at, database, planned, site
from tests.fakes.refusing_camera import RefusingCamera
from tests.fakes.refusing_camera import refusing_camera as refusing_camera

NAME = {"ru": "Коридор 2", "en": "Corridor 2"}
STREAM = StreamFacts(codec="h264", width=1920, height=1080, fps=25.0, sound="aac")
PICTURE = PictureFacts(width=1920, height=1080, brightness=110.0, contrast=50.0, dark_share=0.1, sharpness=300.0)
WELL = Seen(answered=True, device="Virtual V1", offset_s=0.3, stream=STREAM, picture=PICTURE)


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return site(tmp_path)


@pytest.fixture
def limits(config: Config) -> Limits:
    return config.profile.limits


def all_four(seen: Seen, limits: Limits, *, sound: bool = True) -> list[str]:
    return [
        cameras.answers(seen, NAME).verdict,
        cameras.streams(seen, NAME, sound_needed=sound).verdict,
        cameras.right_time(seen, NAME, limits).verdict,
        cameras.visible(seen, NAME).verdict,
    ]


def test_a_camera_that_is_well_passes_everything(limits: Limits) -> None:
    assert all_four(WELL, limits) == ["passed"] * 4


def test_a_silent_camera_is_silent_in_everything_and_says_where_to_look(limits: Limits) -> None:
    gone = Seen(answered=False, cause="no answer")
    assert all_four(gone, limits) == ["silent"] * 4
    said = Words("ru", None)
    verdict = cameras.answers(gone, NAME)
    assert said.say(verdict.found) == "Камера «Коридор 2» не отвечает."
    assert verdict.remedy is not None
    assert "питание" in said.say(verdict.remedy)


def test_a_refused_password_is_named_as_such(limits: Limits) -> None:
    refused = Seen(answered=False, refused=True)
    assert all_four(refused, limits) == ["failed"] * 4
    assert "refused the password" in str(cameras.streams(refused, NAME, sound_needed=False).found)


def test_a_camera_without_video_answers_but_does_not_stream(limits: Limits) -> None:
    assert all_four(replace(WELL, stream=None), limits) == ["passed", "failed", "passed", "passed"]


def test_sound_is_asked_for_only_where_it_is_needed() -> None:
    mute = replace(WELL, stream=replace(STREAM, sound=None))
    assert cameras.streams(mute, NAME, sound_needed=True).verdict == "failed"
    assert cameras.streams(mute, NAME, sound_needed=False).verdict == "passed"


@pytest.mark.parametrize(
    ("offset_s", "verdict", "way"),
    [(0.9, "passed", "right"), (-1.0, "passed", "right"), (4.2, "remark", "fast"), (-4.2, "remark", "slow"),
     (5.1, "failed", "fast"), (-3600.0, "failed", "slow")],
)  # fmt: skip
def test_a_camera_clock_is_judged_by_the_profile(limits: Limits, offset_s: float, verdict: str, way: str) -> None:
    found = cameras.right_time(replace(WELL, offset_s=offset_s), NAME, limits)
    assert found.verdict == verdict
    assert way in str(found.found)
    assert (found.remedy is None) == (verdict == "passed")


def test_a_camera_that_tells_no_time_is_a_remark(limits: Limits) -> None:
    assert cameras.right_time(replace(WELL, offset_s=None), NAME, limits).verdict == "remark"


def test_darkness_a_covered_lens_and_a_missing_picture_are_told_apart() -> None:
    dark = cameras.visible(replace(WELL, picture=replace(PICTURE, dark_share=0.99)), NAME)
    covered = cameras.visible(replace(WELL, picture=replace(PICTURE, contrast=1.0)), NAME)
    unseen = cameras.visible(replace(WELL, picture=None), NAME)
    assert [v.verdict for v in (dark, covered, unseen)] == ["failed", "failed", "remark"]
    assert len({str(v.found) for v in (dark, covered, unseen)}) == 3


def test_a_camera_known_by_its_stream_alone_may_pass(limits: Limits) -> None:
    assert all_four(Seen(stream=STREAM), limits) == ["passed", "passed", "remark", "remark"]
    assert all_four(Seen(stream_cause="no answer"), limits)[:2] == ["silent", "silent"]


def test_the_planned_day_counts_every_cameras_hours_and_no_hour_twice(config: Config) -> None:
    db, clock = database(config), clock_at("02:00")
    exam = planned(db, config, clock)
    rate = config.profile.limits.planned_mbit_s * 1_000_000 / 8
    hours = timedelta(hours=2 + 3 + 1, minutes=55) * 2 + timedelta(hours=1 + 3, minutes=55)
    around = timedelta(seconds=3 * (config.profile.recording.lead_s + config.profile.recording.tail_s))
    day = forecast.fullest_day_bytes(config, [exam], {})
    assert day == pytest.approx((hours + around).total_seconds() * rate)
    twin = replace(exam, id="math")
    assert forecast.fullest_day_bytes(config, [exam, twin], {}) == day
    assert forecast.fullest_day_bytes(config, [], {}) == 0


@pytest.mark.parametrize(
    ("free", "fault", "planned_bytes", "verdict"),
    [(15, None, 10, "passed"), (14, None, 10, "failed"), (1, None, 0, "passed"), (0, None, 0, "failed"),
     (98, "Read-only file system", 10, "failed")],
)  # fmt: skip
def test_disk_space_is_what_is_left_above_the_reserve(
    free: int, fault: str | None, planned_bytes: int, verdict: str
) -> None:
    found = Forecast(100, free, 1, planned_bytes, planned_bytes > 0, needed_days=1.5, fault=fault)
    assert disk.enough(found).verdict == verdict


def test_a_recording_disk_that_is_not_there_fails(config: Config) -> None:
    (config.video / "incoming").rmdir()
    (config.video / "archive").rmdir()
    config.video.rmdir()
    database(config)
    found = runner.examine(disk.group(config, clock_at("02:00")))["disk.space"]
    assert found.verdict == "failed"
    assert "video" in str(found.found)


def test_a_password_file_that_cannot_be_read_is_named(config: Config) -> None:
    (config.source.parent / "hq.password").unlink()
    group = cameras.group(config.camera("hq"), config.profile.limits, threading.Semaphore(1))
    found = runner.examine(group)["camera.answers/hq"]
    assert found.verdict == "broke"
    assert "hq.password" in str(found.found)


@pytest.mark.parametrize(
    ("facts", "verdict"),
    [(ClockFacts(True), "passed"), (ClockFacts(True, 0.05), "passed"), (ClockFacts(True, -0.5), "remark"),
     (ClockFacts(True, 2.0), "failed"), (ClockFacts(False), "remark"), (ClockFacts(None), "remark")],
)  # fmt: skip
def test_a_box_clock_nobody_keeps_is_a_remark_and_a_wrong_one_fails(
    limits: Limits, facts: ClockFacts, verdict: str
) -> None:
    assert box.right_time(facts, limits).verdict == verdict


def test_a_service_that_does_not_beat_is_named(config: Config) -> None:
    db, clock = database(config), clock_at("03:00")
    for service in health.SERVICES:
        health.started(db, clock, service)
    clock.advance(10)
    assert box.beating(box.read_beats(db, clock.now())).verdict == "passed"
    clock.advance(6)
    health.beat(db, clock, "recorder")
    late = box.beating(box.read_beats(db, clock.now()))
    assert late.verdict == "failed"
    assert late.found.args["services"] == "watch, keeper, archivist, web"


def test_a_service_just_restarted_is_given_the_time_of_a_beat(config: Config) -> None:
    db, clock = database(config), clock_at("03:00")
    for service in health.SERVICES[1:]:
        health.started(db, clock, service)
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 2:
            health.started(db, clock, health.SERVICES[0])

    assert box.beating(box.wait_for_beats(config, clock, pause)).verdict == "passed"
    assert len(pauses) == 2


def link(state: str, **more: object) -> BoardLink:
    values: dict[str, object] = {"since_at": iso(START), "heard_at": iso(START), "quiet_s": 1.0, "detail": None, **more}
    return BoardLink(panel="security", name=message("Panel"), state=state, **values)  # type: ignore[arg-type]


def test_a_panel_is_judged_by_its_line_and_says_what_its_line_says() -> None:
    assert panels.heard(link("heard"), NAME).verdict == "passed"
    assert panels.heard(link("starting"), NAME).verdict == "silent"
    assert panels.heard(link("passive"), NAME).verdict == "remark"
    detail = message("The panel adapter was pulled out of the box. Put it back, the link returns by itself.")
    lost = panels.heard(link("unplugged", detail=detail), NAME)
    assert (lost.verdict, lost.remedy) == ("failed", detail)


def test_a_damaged_database_and_a_broken_chain_fail() -> None:
    assert box.sound(None).verdict == "passed"
    assert box.sound("row 7 missing from index").verdict == "failed"
    assert box.unbroken((journal.verify([]), None)).verdict == "passed"
    assert box.unbroken((journal.verify([(2, "0" * 64, "{}")]), None)).verdict == "failed"
    assert box.unbroken((journal.verify([]), message("The journal was not signed"))).verdict == "failed"


def test_after_a_refused_password_the_stream_is_not_tried(
    refusing_camera: RefusingCamera, config: Config, limits: Limits
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as stream:
        url = f"rtsp://127.0.0.1:{stream.getsockname()[1]}/main"
        both = config.camera("hq").model_copy(update={"onvif": refusing_camera.url, "stream": url})
        seen = cameras.gather(both, threading.Semaphore(1))
        assert select.select([stream], [], [], 0)[0] == [], "nobody knocked at the stream"
    assert seen.refused
    assert all_four(seen, limits) == ["failed"] * 4


def passing(*items: str) -> Group:
    ok = Verdict("passed", message("Well."))
    return Group(lambda: None, {item: lambda _: ok for item in items}, replace(ok, verdict="silent"))


def failing(_: object) -> Verdict:
    raise ZeroDivisionError("what a judge must never do")


def test_a_check_that_raises_has_not_passed_and_takes_no_other_along() -> None:
    whole = passing("camera.answers/a", "camera.streams/a")
    half = replace(whole, judges={**whole.judges, "camera.streams/a": failing})
    none = replace(passing("box.clock"), gather=lambda: failing(None))
    found = runner.judge([half, none], limit_s=20)
    assert {item: v.verdict for item, v in found.items()} == {
        "camera.answers/a": "passed",
        "camera.streams/a": "broke",
        "box.clock": "broke",
    }
    assert "broke down" in str(Words("en", None).say(found["box.clock"].found))


def test_a_check_that_hangs_holds_nobody() -> None:
    never = threading.Event()
    hanging = replace(passing("camera.answers/a"), gather=never.wait)
    found = runner.judge([hanging, passing("box.clock")], limit_s=0.3)
    assert {item: v.verdict for item, v in found.items()} == {"camera.answers/a": "silent", "box.clock": "passed"}
    never.set()


def test_every_check_of_the_catalog_can_be_met(tmp_path: Path) -> None:
    panel = """
[[panel]]
id = "security"
name = { ru = "Панель", en = "Panel" }
kind = "surgard"
port = "none"
"""
    config = site(tmp_path, more=panel)
    database(config)
    met = {item.partition("/")[0] for g in catalog.groups(config, clock_at("03:00"), None) for item in g.judges}
    assert met == {known.name for known in catalog.CATALOG}


def test_an_exams_checks_leave_other_rooms_alone(config: Config) -> None:
    db, clock = database(config), clock_at("02:00")
    exams.plan(db, config, clock, TECHNICIAN, "math", "Математика", START, END, ("0001",))
    items = [item for g in catalog.groups(config, clock, "math") for item in g.judges]
    assert [item for item in items if item.startswith("camera.answers")] == ["camera.answers/room-0001"]


@pytest.fixture
def settled(virtual_cameras: StartCameras, tmp_path: Path) -> Callable[..., Config]:
    """A site on real virtual cameras, one of them not there, all services just heard."""

    def make(wrong_s: float = 0.0) -> Config:
        running = virtual_cameras([camera("room-0001", sound="pcma"), camera("corridor", clock_offset_s=wrong_s)])
        config = site(tmp_path, running.addresses, sound=("room-0001",))
        db = database(config)
        for service in health.SERVICES:
            health.started(db, SystemClock(), service)
        return config

    return make


def test_real_cameras_are_checked_and_kept_with_one_journal_entry(settled: Callable[..., Config]) -> None:
    config = settled(wrong_s=-30.0)
    db, clock = store.open(config.database), SystemClock()
    done: list[int] = []
    number = runner.run(
        db, config, clock, None, "schedule", due_at=clock.now() - timedelta(minutes=5), also=done.append
    )
    run = results.latest(db)
    assert run is not None
    assert run.id == number == done[0]
    verdicts = {r.item: r.verdict for r in run.results}
    assert {item: v for item, v in verdicts.items() if item.startswith("camera.")} == {
        "camera.answers/room-0001": "passed",
        "camera.streams/room-0001": "passed",
        "camera.clock/room-0001": "passed",
        "camera.picture/room-0001": "passed",
        "camera.answers/corridor": "passed",
        "camera.streams/corridor": "passed",
        "camera.clock/corridor": "failed",
        "camera.picture/corridor": "passed",
    }
    assert verdicts["services.beating"] == verdicts["database.sound"] == verdicts["journal.chain"] == "passed"
    (entry,) = journal.entries(db, kinds=["checks.finished"])
    assert entry.data["failed"] == 1
    assert entry.data["late_ms"] >= 300_000
    offset_s = camera_states.states(db)["corridor"].clock_offset_s
    assert offset_s is not None
    assert offset_s == pytest.approx(-30, abs=1.5)


def test_the_command_answers_as_a_nagios_plugin(
    settled: Callable[..., Config], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = settled()
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    text = CliRunner().invoke(check, ["--config", str(config.source)])
    assert text.exit_code in (0, 1)  # 1: no time server keeps the clock of the machine this runs on
    first = text.output.splitlines()[0]
    assert first.startswith(("EXAMSITE OK - ", "EXAMSITE WARNING - "))
    assert " | passed=" in first
    (config.source.parent / "corridor.password").write_text("another\n")
    said = CliRunner().invoke(check, ["--json", "--config", str(config.source)])
    assert said.exit_code == 2
    found = {item["item"]: item for item in json.loads(said.output)["items"]}
    assert found["camera.answers/corridor"]["verdict"] == "failed"
    assert "password file" in found["camera.answers/corridor"]["remedy"]
    assert "another" not in said.output


def test_the_command_without_a_site_is_unknown(tmp_path: Path) -> None:
    said = CliRunner().invoke(check, ["--config", os.fspath(tmp_path / "none.toml")])
    assert said.exit_code == 3
    assert said.output.startswith("EXAMSITE UNKNOWN - ")
