"""Exams: what is planned, which hours are required, and what is due by which clock."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner, Result

from appliance import exams, journal, steps, store
from appliance.clock import FakeClock
from appliance.commands.exam import exam as exam_command
from appliance.commands.exam import site_time
from appliance.config import Config
from appliance.exams import Exam, Moment
from appliance.model import ApplianceError
from appliance.store import Database
from tests.fakes.exam_site import END, START, TECHNICIAN, clock_at, database, planned, site

HOUR = timedelta(hours=1)


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return site(tmp_path)


@pytest.fixture
def db(config: Config) -> Database:
    return database(config)


def checks_due(db: Database, config: Config, clock: FakeClock) -> list[Moment]:
    return [m for m in exams.due(db, config, clock.now()) if m.kind == "checks"]


def do_checks(db: Database, config: Config, clock: FakeClock) -> None:
    (moment,) = checks_due(db, config, clock)
    assert exams.claim(db, clock, moment)
    with store.transaction(db):
        exams.finish(db, clock, moment, {"run": 1})


class Day:
    """A keeper's memory of the clock, for a test that steps it: `look` journals what it notices."""

    def __init__(self, db: Database, clock: FakeClock) -> None:
        self.db, self.clock, self.last = db, clock, steps.read(clock)

    def step(self, by: timedelta) -> None:
        self.clock.step(by.total_seconds())
        self.last = steps.look(self.db, self.clock, self.last)


def test_an_exam_is_planned_once_with_its_journal_entry(db: Database, config: Config) -> None:
    clock = clock_at("02:00")
    exam = planned(db, config, clock)
    assert (exam.starts_at, exam.ends_at, exam.state, exam.revision) == (START, END, "planned", 1)
    assert [e.kind for e in journal.entries(db, exam=exam.id)] == ["exam.planned"]
    with pytest.raises(ApplianceError, match="already"):
        planned(db, config, clock)


@pytest.mark.parametrize(
    ("name", "title", "hours", "rooms", "said"),
    [
        ("No good", "Math", (START, END), (), "cannot name"),
        ("math", " ", (START, END), (), "no title"),
        ("math", "Math", (END, START), (), "before it starts"),
        ("math", "Math", (START, END), ("0099",), "no room 0099"),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused_in_words(
    db: Database,
    config: Config,
    name: str,
    title: str,
    hours: tuple[datetime, datetime],
    rooms: tuple[str, ...],
    said: str,
) -> None:
    with pytest.raises(ApplianceError, match=said):
        exams.plan(db, config, clock_at("02:00"), TECHNICIAN, name, title, *hours, rooms)
    assert exams.exams(db) == []


def test_each_kind_of_room_has_its_hours(db: Database, config: Config) -> None:
    hours = {w.camera: (w.starts_at, w.ends_at) for w in exams.windows(config, planned(db, config, clock_at("02:00")))}
    assert hours == {
        "hq": (START - 2 * HOUR, END + HOUR),
        "corridor": (START - 2 * HOUR, END + HOUR),
        "room-0001": (START - HOUR, END),
    }


def test_the_day_has_its_phases_in_order(db: Database, config: Config) -> None:
    phases = exams.phases(config, planned(db, config, clock_at("02:00")))
    assert [kind for kind, _ in phases] == ["checks", "record", "start", "end", "stop", "seal"]
    assert phases[-1][1] == END + HOUR + timedelta(minutes=5)


def test_recording_is_required_from_its_lead_to_its_tail(db: Database, config: Config) -> None:
    planned(db, config, clock_at("02:00"))
    first = START - 2 * HOUR
    assert exams.required_now(db, config, first - timedelta(seconds=31)) == {}
    assert exams.required_now(db, config, first - timedelta(seconds=30)).keys() == {"hq", "corridor"}
    assert "room-0001" in exams.required_now(db, config, START)
    assert "room-0001" not in exams.required_now(db, config, END + timedelta(seconds=15))


def test_two_exams_on_one_day_are_one_recording_named_after_the_first(db: Database, config: Config) -> None:
    clock = clock_at("02:00")
    first = planned(db, config, clock)
    later = exams.plan(db, config, clock, TECHNICIAN, "math", "Математика", END + HOUR, END + 3 * HOUR)
    window = exams.required_now(db, config, END)["hq"]
    assert (window.exam, window.starts_at, window.ends_at) == (first.id, START - 2 * HOUR, later.ends_at + HOUR)
    assert exams.required_now(db, config, END, without=first.id)["hq"].exam == "math"


def test_a_cancelled_exam_requires_nothing_and_nothing_is_due(db: Database, config: Config) -> None:
    clock = clock_at("03:30")
    exam = planned(db, config, clock)
    assert checks_due(db, config, clock)
    exams.cancel(db, clock, TECHNICIAN, exam.id)
    assert exams.due(db, config, clock.now()) == []
    assert exams.required_now(db, config, START) == {}
    with pytest.raises(ApplianceError, match="cancelled"):
        exams.move(db, config, clock, TECHNICIAN, exam.id, START, END)


def test_the_checks_are_due_two_hours_before_and_only_once(db: Database, config: Config) -> None:
    clock = clock_at("02:59:59")
    planned(db, config, clock)
    assert checks_due(db, config, clock) == []
    clock.advance(1)
    (moment,) = checks_due(db, config, clock)
    assert exams.claim(db, clock, moment)
    assert not exams.claim(db, clock, moment)
    assert checks_due(db, config, clock) == []


def test_checks_whose_keeper_was_killed_are_due_again(db: Database, config: Config) -> None:
    clock = clock_at("03:00")
    planned(db, config, clock)
    (moment,) = checks_due(db, config, clock)
    exams.claim(db, clock, moment)
    assert exams.release_claims(db) == 1
    do_checks(db, config, clock)
    assert exams.release_claims(db) == 0
    assert checks_due(db, config, clock) == []


def test_a_moved_exam_is_checked_again_before_its_new_start_and_not_when_moved_back(
    db: Database, config: Config
) -> None:
    clock = clock_at("03:00")
    exam = planned(db, config, clock)
    do_checks(db, config, clock)
    exams.move(db, config, clock, TECHNICIAN, exam.id, START + HOUR, END + HOUR)
    assert checks_due(db, config, clock) == []
    clock.advance(3600)
    assert checks_due(db, config, clock)
    exams.move(db, config, clock, TECHNICIAN, exam.id, START, END)
    assert checks_due(db, config, clock) == []


def test_an_exam_that_only_ends_later_keeps_its_checks(db: Database, config: Config) -> None:
    clock = clock_at("03:00")
    exam = planned(db, config, clock)
    do_checks(db, config, clock)
    exams.move(db, config, clock, TECHNICIAN, exam.id, START, END + HOUR)
    assert checks_due(db, config, clock) == []


def test_a_clock_a_month_ahead_uses_nothing_up(db: Database, config: Config) -> None:
    clock = clock_at("02:00")
    planned(db, config, clock)
    clock.step(31 * 86400)
    assert checks_due(db, config, clock) == []
    clock.step(-31 * 86400)
    clock.advance(3600)
    assert checks_due(db, config, clock)


@pytest.mark.parametrize("back", [timedelta(minutes=30), HOUR, timedelta(hours=1, minutes=59)])
def test_a_clock_set_back_after_the_checks_does_not_repeat_them(db: Database, config: Config, back: timedelta) -> None:
    clock = clock_at("03:00")
    planned(db, config, clock)
    day = Day(db, clock)
    do_checks(db, config, clock)
    day.step(-back)
    for _ in range(40):
        clock.advance(300)
        assert checks_due(db, config, clock) == []


def test_checks_that_ran_by_a_clock_a_month_ahead_are_run_in_time_all_the_same(db: Database, config: Config) -> None:
    clock = clock_at("2026-10-23 03:00")
    planned(db, config, clock)
    day = Day(db, clock)
    day.step(timedelta(days=31))  # "23 November, 03:00": right into the hours of an exam that is a month away
    do_checks(db, config, clock)
    day.step(-timedelta(days=31))
    assert checks_due(db, config, clock) == []
    clock.advance(31 * 86400)
    do_checks(db, config, clock)
    assert checks_due(db, config, clock) == []


def test_a_boot_in_1970_that_is_soon_set_right_repeats_nothing(db: Database, config: Config) -> None:
    clock = clock_at("03:00")
    planned(db, config, clock)
    day = Day(db, clock)
    do_checks(db, config, clock)
    day.step(-timedelta(days=56 * 365))
    clock.advance(40)
    day.step(timedelta(days=56 * 365))
    assert checks_due(db, config, clock) == []


def lived(db: Database, config: Config, clock: FakeClock, span: timedelta) -> None:
    """Let time pass as the keeper counts it."""
    for _ in range(round(span / timedelta(minutes=1))):
        clock.advance(60)
        exams.count_time(db, config, clock)


def seal_of(config: Config, exam: Exam) -> Moment:
    return exams.moments(config, exam)[1]


def test_an_exam_lived_through_may_be_sealed(db: Database, config: Config) -> None:
    clock = clock_at("02:00")
    exam = planned(db, config, clock)
    seal = seal_of(config, exam)
    lived(db, config, clock, seal.due_at - clock.now() - timedelta(minutes=1))
    assert seal not in exams.due(db, config, clock.now())
    lived(db, config, clock, timedelta(minutes=2))
    assert seal in exams.due(db, config, clock.now())
    assert exams.long_enough(db, config, seal)


def test_a_clock_that_jumps_ahead_while_recording_seals_nothing(db: Database, config: Config) -> None:
    clock = clock_at("02:59")
    exam = planned(db, config, clock)
    seal = seal_of(config, exam)
    lived(db, config, clock, 3 * HOUR)
    clock.step(31 * 86400)
    exams.count_time(db, config, clock)
    assert seal in exams.due(db, config, clock.now())
    assert not exams.long_enough(db, config, seal)
    lived(db, config, clock, 5 * HOUR)
    assert exams.long_enough(db, config, seal), "the box has lived through the exam, whatever its wall clock says"


def test_a_boot_a_month_ahead_seals_nothing(db: Database, config: Config) -> None:
    clock = clock_at("2026-12-24 03:00")
    exam = exams.plan(db, config, clock_at("2026-11-20 10:00"), TECHNICIAN, "russian", "Русский язык", START, END)
    lived(db, config, clock, HOUR)
    seal = seal_of(config, exam)
    assert seal in exams.due(db, config, clock.now())
    assert not exams.long_enough(db, config, seal)
    clock.step(-31 * 86400)  # the time server is reached: 23 November, 04:00
    exams.count_time(db, config, clock)
    assert not exams.long_enough(db, config, seal)


def test_a_clock_from_before_the_exam_sets_its_count_back(db: Database, config: Config) -> None:
    clock = clock_at("2026-12-24 03:00")
    exam = exams.plan(db, config, clock_at("2026-11-20 10:00"), TECHNICIAN, "russian", "Русский язык", START, END)
    lived(db, config, clock, 8 * HOUR)
    clock.step(-32 * 86400)
    lived(db, config, clock, timedelta(minutes=2))
    clock.step(32 * 86400)
    exams.count_time(db, config, clock)
    assert not exams.long_enough(db, config, seal_of(config, exam))


class Rebooted(FakeClock):
    """The same box after a reboot: another boot, a monotonic clock that began again."""

    def __init__(self, now: datetime, up_s: float) -> None:
        super().__init__(now)
        self._mono_s = up_s

    def boot(self) -> str:
        return "next-boot"


def test_a_reboot_loses_only_the_time_the_box_was_off(db: Database, config: Config) -> None:
    clock = clock_at("02:59")
    exam = planned(db, config, clock)
    lived(db, config, clock, 4 * HOUR)
    after = Rebooted(clock.now() + timedelta(minutes=10), up_s=60.0)
    exams.count_time(db, config, after)
    seal = seal_of(config, exam)
    lived(db, config, after, seal.due_at - after.now() + timedelta(minutes=1))
    assert not exams.long_enough(db, config, seal)
    lived(db, config, after, timedelta(minutes=9))
    assert exams.long_enough(db, config, seal)


def test_an_exam_planned_after_its_first_window_is_sealed_on_time(db: Database, config: Config) -> None:
    clock = clock_at("08:00")
    exam = planned(db, config, clock)
    exams.count_time(db, config, clock)
    seal = seal_of(config, exam)
    lived(db, config, clock, seal.due_at - clock.now())
    assert exams.long_enough(db, config, seal)


def test_a_sealed_exam_is_over_for_good(db: Database, config: Config) -> None:
    clock = clock_at("10:05")
    exam = planned(db, config, clock)
    with store.transaction(db):
        exams.close(db, exam.id, clock.now())
    assert exams.get(db, exam.id).state == "closed"
    assert exams.due(db, config, clock.now()) == []
    with pytest.raises(ApplianceError, match="sealed"):
        exams.cancel(db, clock, TECHNICIAN, exam.id)


def test_a_step_is_journalled_with_both_times(db: Database, config: Config) -> None:
    clock = clock_at("03:00")
    day = Day(db, clock)
    clock.advance(5)
    day.step(timedelta(milliseconds=300))
    day.step(-HOUR)
    (entry,) = journal.entries(db, kinds=["clock.stepped"])
    assert entry.data["step_ms"] == -3_600_000
    assert entry.data["before_ms"] - entry.data["after_ms"] == 3_600_000


def test_a_step_while_the_keeper_was_away_is_noticed_once(db: Database, config: Config) -> None:
    clock = clock_at("03:00")
    note = steps.read(clock).as_note()
    clock.advance(7)
    clock.step(-3600)
    steps.look(db, clock, steps.last_known(db, note))
    clock.advance(3)
    steps.look(
        db, clock, steps.last_known(db, note)
    )  # killed again before it could beat: the note is still the old one
    assert len(journal.entries(db, kinds=["clock.stepped"])) == 1


def test_a_clock_behind_the_last_boot_is_a_step(db: Database, config: Config) -> None:
    clock = clock_at("03:00")
    last = steps.read(clock)
    steps.look(db, Rebooted(datetime(1970, 1, 1, tzinfo=UTC), 12.0), last)
    steps.look(db, Rebooted(clock.now() + HOUR, 12.0), last)
    assert len(journal.entries(db, kinds=["clock.stepped"])) == 1


def test_exams_are_planned_listed_moved_and_cancelled_at_the_terminal(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    database(config)

    def examsite(*words: str) -> Result:
        return CliRunner().invoke(exam_command, [*words, "--config", str(config.source)], catch_exceptions=True)

    hours = ["--start", "2090-11-23 10:00", "--end", "2090-11-23 13:30"]
    assert "UTC+5" in examsite("plan", "russian", "--title", "Русский язык", *hours, "--room", "0001").output
    (found,) = json.loads(examsite("list", "--json").output)
    assert (found["starts_at"], found["rooms"]) == ("2090-11-23T05:00:00.000000Z", ["0001"])
    assert found["phases"][0] == {"kind": "checks", "at": "2090-11-23T03:00:00.000000Z"}
    assert examsite("move", "russian", "--start", "2090-11-23 11:00", "--end", "2090-11-23 14:30").exit_code == 0
    assert "11:00:00" in examsite("list").output
    assert "cancelled" in examsite("cancel", "russian").output
    again = examsite("cancel", "russian")
    assert "cancelled" in str(again.exception)
    over = examsite("plan", "old", "--title", "Old", "--start", "2020-11-23 10:00", "--end", "2020-11-23 13:30")
    assert "would be over" in str(over.exception)


@pytest.mark.parametrize("text", ["2026-03-29 02:30", "2026-10-25 02:30"])
def test_an_hour_that_summer_time_skips_or_repeats_is_asked_again(text: str) -> None:
    with pytest.raises(ApplianceError, match="twice or not at all"):
        site_time(text, ZoneInfo("Europe/Berlin"))
    assert site_time(f"{text}+02:00", ZoneInfo("Europe/Berlin")).utcoffset() == timedelta(hours=2)


def test_what_is_no_time_is_said() -> None:
    with pytest.raises(ApplianceError, match="is not a time"):
        site_time("tomorrow", ZoneInfo("Europe/Berlin"))
