"""A room that must be recorded and is not calls: at the profile's limits, once a gap, whoever is dead or restarted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from appliance import alarms, cameras, coverage, exams, health, journal, store
from appliance.alarm_board import BoardAlarm
from appliance.cameras import CameraState
from appliance.clock import FakeClock, iso
from appliance.config import Config
from appliance.gap_alarms import GapAlarms
from appliance.model import Person, Role
from appliance.silent_alarms import SilentAlarms
from appliance.store import Database
from appliance.words import Words
from demo.cameras_process import Address
from tests.fakes.recorded_site import EXAM, plan_exam, site

START = datetime(2026, 11, 22, 7, 0, tzinfo=UTC)
ADDRESSES = {name: Address(name, f"rtsp://127.0.0.1:9/{name}", "http://127.0.0.1:9/", "u", "p") for name in
             ("yard", "gate")}  # fmt: skip
GUARD = Person("petrov", "Петров Н. И.", Role.SECURITY, "ru")
ALARM_S, CRITICAL_S = 300, 1200  # examples/ru-ege.toml


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


class Desk:
    """An exam of an hour; gate is recorded all the time, yard as the test says."""

    def __init__(self, db: Database, config: Config) -> None:
        self.db, self.config, self.clock = db, config, FakeClock(START)
        plan_exam(db, self.clock, lasts_s=3600)
        health.started(db, self.clock, "recorder")
        self.keeper = GapAlarms(config, self.clock)
        self.recorded("gate", 0, 3700)

    def recorded(self, camera: str, begins: float, ends: float) -> None:
        with store.transaction(self.db):
            self.db.write(
                "insert into segment (camera, run, path, starts_at, ends_at, frames, size_bytes, sha256, video)"
                " values (?, 'run', ?, ?, ?, 1, 1, ?, 'h264')",
                (camera, f"{camera}{begins}", iso(at(begins)), iso(at(ends)), "0" * 64),
            )

    def lost(self, began: float) -> None:
        """Yard falls silent, and the recorder says so."""
        with store.transaction(self.db):
            coverage.begin_outage(self.db, "yard", at(began), "camera silent")
            cameras.save(self.db, [CameraState("yard", "reconnecting", iso(at(began)), "camera silent")])

    def back(self, when: float) -> None:
        with store.transaction(self.db):
            coverage.end_outages(self.db, "yard", at(when))
            cameras.save(self.db, [CameraState("yard", "recording", iso(at(when)), None, iso(at(when)),
                                               iso(at(when + 3)))])  # fmt: skip

    def look(self, seconds: float, *, restarted: bool = False, recorder: bool = True) -> list[BoardAlarm]:
        """The keeper looks at that second of the exam; what stands on the board then."""
        self.clock.advance((at(seconds) - self.clock.now()).total_seconds())
        if recorder:
            health.beat(self.db, self.clock, "recorder")
            exam = exams.get(self.db, EXAM)
            if exam.state == "planned":  # what the recorder does every few seconds
                coverage.update(self.db, self.config, self.clock, exam, self.clock.now())
        if restarted:
            self.keeper = GapAlarms(self.config, self.clock)
        self.keeper.look(self.db)
        return list(alarms.board(self.db, self.config, self.clock.now()).alarms)

    def kinds(self) -> list[str]:
        return [e.kind for e in journal.entries(self.db, kinds=[
            "alarm.raised", "alarm.restored", "recording.critical"])]  # fmt: skip


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    config = site(tmp_path, ADDRESSES)
    db = store.open(config.database)
    yield Desk(db, config)
    db.close()


def test_a_gap_calls_at_the_profiles_limit_and_is_over_when_it_is_recorded_again(desk: Desk) -> None:
    desk.recorded("yard", 0, 60)
    desk.lost(60)
    assert desk.look(60 + ALARM_S - 1) == []
    (alarm,) = desk.look(60 + ALARM_S)
    assert (alarm.kind, alarm.group.name, alarm.room, alarm.state) == (
        "recording.gap", "recording", "yard", "unacknowledged")  # fmt: skip
    assert not alarm.stale
    said = [Words(language, UTC).say(alarm.what) for language in ("ru", "en")]
    assert said == ["Запись прервана", "Recording interrupted"]
    assert Words("en", UTC).say(alarm.place) == "Place"
    desk.back(500)
    (alarm,) = desk.look(505)
    assert alarm.state == "cleared"
    assert desk.kinds() == ["alarm.raised", "alarm.restored"]
    raised = journal.entries(desk.db, kinds=["alarm.raised"])[0]
    assert (raised.exam, raised.room, raised.actor.id) == (EXAM, "yard", "keeper")


def test_it_calls_anew_when_it_becomes_critical_though_somebody_had_taken_it(desk: Desk) -> None:
    desk.lost(0)
    (alarm,) = desk.look(ALARM_S)
    alarms.acknowledge(desk.db, desk.config, desk.clock, alarm.id, GUARD)
    (alarm,) = desk.look(CRITICAL_S - 1)
    assert alarm.state == "acknowledged"
    (alarm,) = desk.look(CRITICAL_S)
    assert (alarm.state, Words("en", UTC).say(alarm.what)) == ("unacknowledged", "Recording interrupted, critical")
    assert desk.kinds() == ["alarm.raised", "alarm.raised", "recording.critical"]


def test_each_gap_calls_once_whatever_is_restarted(desk: Desk) -> None:
    desk.lost(0)
    for second in (ALARM_S, ALARM_S + 5, CRITICAL_S, CRITICAL_S + 5):
        desk.look(second, restarted=True)
    desk.back(1300)
    for second in (1305, 1310):
        desk.look(second, restarted=True)
    assert desk.kinds() == ["alarm.raised", "recording.critical", "alarm.restored"]


def test_a_second_gap_of_the_room_is_another_call(desk: Desk) -> None:
    desk.recorded("yard", 400, 1000)
    desk.look(1000 + ALARM_S)
    rows = desk.db.rows("select starts_at, ends_at from gap_alarm order by starts_at")
    assert rows == [{"starts_at": iso(START), "ends_at": iso(at(400))}, {"starts_at": iso(at(1000)), "ends_at": None}]


def test_a_room_that_another_camera_records_does_not_call(desk: Desk) -> None:
    shared = tuple(camera.model_copy(update={"room": "yard"}) for camera in desk.config.cameras)
    desk.config = replace(desk.config, cameras=shared)
    desk.lost(0)
    assert desk.look(CRITICAL_S, restarted=True) == []
    assert desk.kinds() == []


def test_a_dead_recorder_calls_too(desk: Desk) -> None:
    with store.transaction(desk.db):
        cameras.save(desk.db, [CameraState("yard", "recording", iso(START), None, iso(at(10)), iso(at(10)))])
    assert desk.look(10) == []
    assert desk.look(200, recorder=False) == []
    assert [a.room for a in desk.look(10 + ALARM_S, recorder=False)] == ["yard"]


def test_what_happened_while_the_box_was_off_calls_afterwards_and_is_over_at_once(desk: Desk) -> None:
    desk.recorded("yard", 0, 600)
    desk.recorded("yard", 1000, 3600)
    (alarm,) = desk.look(3601)
    assert alarm.state == "cleared"
    assert desk.kinds() == ["alarm.raised", "alarm.restored"]


def test_a_gap_that_lasts_is_over_with_the_required_hours(desk: Desk) -> None:
    desk.lost(0)
    desk.look(3599)
    assert [a.state for a in desk.look(3601)] == ["cleared"]
    assert desk.kinds()[-1] == "alarm.restored"


def test_a_gap_whose_recording_is_found_or_whose_exam_is_cancelled_is_withdrawn(desk: Desk) -> None:
    desk.lost(0)
    desk.look(ALARM_S)
    desk.recorded("yard", 0, ALARM_S + 10)
    assert [a.state for a in desk.look(ALARM_S + 5)] == ["cleared"]
    desk.look(2000)
    with store.transaction(desk.db):
        desk.db.write("update exam set state = 'cancelled', revision = revision + 1")
    assert exams.get(desk.db, EXAM).state == "cancelled"
    desk.look(2005)
    assert desk.db.value("select count(*) from gap_alarm where restored_at is null") == 0


def test_when_nothing_changed_nothing_is_worked_out_anew(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.recorded("yard", 0, 3700)
    desk.look(10)
    monkeypatch.setattr("appliance.coverage_report.rooms", lambda *_, **__: pytest.fail("worked out again"))
    desk.look(15)


def silent(desk: Desk, seconds: float) -> list[BoardAlarm]:
    """What stands of single cameras after a look at that second."""
    desk.clock.advance((at(seconds) - desk.clock.now()).total_seconds())
    SilentAlarms(desk.config, desk.clock).look(desk.db)
    return [alarm for alarm in alarms.board(desk.db, desk.config, desk.clock.now()).alarms
            if alarm.kind == "camera.silent" and alarm.restored_at is None]  # fmt: skip


def test_a_silent_camera_calls_within_ten_seconds_though_its_room_is_recorded_by_another(desk: Desk) -> None:
    both = tuple(camera.model_copy(update={"room": "yard"}) for camera in desk.config.cameras)
    desk.config = replace(desk.config, cameras=both)
    desk.lost(60)
    assert silent(desk, 66) == []
    (alarm,) = silent(desk, 67)
    assert (alarm.kind, alarm.group.name, alarm.room, alarm.stale) == ("camera.silent", "nolink", "yard", False)
    said = [Words(language, UTC).say(alarm.what) for language in ("ru", "en")]
    assert said == ["С камеры ничего не приходит. Проверьте её питание и кабель.",
                    "Nothing comes from the camera. Check its power and cable."]  # fmt: skip
    assert [each.id for each in silent(desk, 90)] == [alarm.id]
    desk.back(95)
    assert silent(desk, 96) == []
    assert desk.kinds() == ["alarm.raised", "alarm.restored"]


def test_causes_that_take_each_others_place_are_one_silence(desk: Desk) -> None:
    """A camera that restarts hangs up, is not there, and then answers without sending."""
    for began, cause in ((60, "connection closed"), (62, "camera unreachable"), (66, "camera silent")):
        with store.transaction(desk.db):
            coverage.end_outages(desk.db, "yard", at(began))
            coverage.begin_outage(desk.db, "yard", at(began), cause)
    assert len(silent(desk, 67)) == 1


def test_what_is_not_the_cameras_fault_or_soon_over_calls_nobody(desk: Desk) -> None:
    with store.transaction(desk.db):
        coverage.begin_outage(desk.db, "yard", at(60), "disk full")
    assert silent(desk, 100) == []
    desk.back(100)
    for second in range(200, 260, 20):  # it dies again and again
        desk.lost(second)
        assert silent(desk, second + 3) == []
        desk.back(second + 4)


def test_a_silent_camera_is_over_with_the_required_hours(desk: Desk) -> None:
    desk.lost(3590)
    assert len(silent(desk, 3600)) == 1
    assert silent(desk, 3700) == []
    desk.lost(3800)
    assert silent(desk, 3900) == []
