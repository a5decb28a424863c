"""Coverage: recorded plus gaps is what was required, to the microsecond, and every gap has a cause with evidence."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance import cameras, coverage, exams, journal, store
from appliance.cameras import CameraState
from appliance.clock import FakeClock, iso
from appliance.config import Config
from appliance.coverage import CAUSES, CameraCoverage
from appliance.exams import Exam
from appliance.model import Actor
from appliance.store import Database
from demo.cameras_process import Address
from tests.fakes.recorded_site import EXAM, plan_exam, site

START = datetime(2026, 11, 22, 7, 0, tzinfo=UTC)
LENGTH_S = 100.0
YARD = Address("yard", "rtsp://127.0.0.1:9/yard", "http://127.0.0.1:9/", "u", "p")
KEEPER = Actor.service("keeper")


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


class Day:
    """An exam of 100 s, seen from after it."""

    def __init__(self, db: Database, config: Config) -> None:
        self.db, self.config, self.clock = db, config, FakeClock(at(1000))
        plan_exam(db, FakeClock(START), lasts_s=LENGTH_S)

    @property
    def exam(self) -> Exam:
        return exams.get(self.db, EXAM)

    def recorded(
        self, *spans: tuple[float, float], holes: tuple[tuple[float, float], ...] = (), run: str | None = None
    ) -> None:
        known = int(self.db.value("select count(*) from segment"))
        listed = "[" + ",".join(f'["{iso(at(a))}","{iso(at(b))}"]' for a, b in holes) + "]"
        with store.transaction(self.db):
            for number, (a, b) in enumerate(spans, known):
                self.db.write(
                    "insert into segment (camera, run, path, starts_at, ends_at, frames, size_bytes, sha256, video,"
                    " holes) values ('yard', ?, ?, ?, ?, 1, 1, ?, 'h264', ?)",
                    (run or f"run{number}", f"{number}", iso(at(a)), iso(at(b)), "0" * 64, listed),
                )

    def outage(self, began: float, ended: float | None, cause: str) -> None:
        with store.transaction(self.db):
            coverage.begin_outage(self.db, "yard", at(began), cause)
            if ended is not None:
                coverage.end_outages(self.db, "yard", at(ended))

    def state(self, state: cameras.State, since: float = 0.0, safe: float = 0.0) -> None:
        with store.transaction(self.db):
            cameras.save(self.db, [CameraState("yard", state, iso(at(since)), None, iso(at(safe)), iso(at(safe)))])

    def summary(self, now: float = 1000.0) -> CameraCoverage:
        (found,) = coverage.summary(self.db, self.config, self.exam, at(now))
        return found

    def update(self, until: float = LENGTH_S) -> list[tuple[float, float, str]]:
        coverage.update(self.db, self.config, self.clock, self.exam, at(until))
        return self.gaps(coverage.gaps(self.db, EXAM))

    @staticmethod
    def gaps(found: list[coverage.Gap] | tuple[coverage.Gap, ...]) -> list[tuple[float, float, str]]:
        return [((g.starts_at - START).total_seconds(), (g.ends_at - START).total_seconds(), g.cause) for g in found]

    def entries(self, kind: str = "recording.gap") -> list[journal.Entry]:
        return journal.entries(self.db, kinds=[kind])


@pytest.fixture
def day(tmp_path: Path) -> Iterator[Day]:
    config = site(tmp_path, {"yard": YARD})
    db = store.open(config.database)
    yield Day(db, config)
    db.close()


def test_a_day_without_a_hole_has_no_gap(day: Day) -> None:
    day.recorded((-5, 20), (20, 60), (60, 103))
    assert day.update() == []
    found = day.summary()
    assert (found.required_s, found.recorded_s, found.gaps) == (100.0, 100.0, ())


def test_a_hole_has_the_cause_the_recorder_wrote_down(day: Day) -> None:
    day.recorded((0, 40), (48.5, 100))
    day.outage(41, 48, "camera silent")
    assert day.update() == [(40.0, 48.5, "camera silent")]
    entry = day.entries()[0]
    assert (entry.camera, entry.room, entry.exam, entry.data["gap_ms"]) == ("yard", "yard", EXAM, 8500)
    assert coverage.gaps(day.db, EXAM)[0].entry == entry.seq
    assert day.summary().gaps == tuple(coverage.gaps(day.db, EXAM))


def test_the_cause_that_explains_most_of_a_hole_is_its_cause(day: Day) -> None:
    day.recorded((0, 10), (60, 100))
    day.outage(9, 12, "connection closed")
    day.outage(12, 50, "camera unreachable")
    day.outage(50, 61, "camera silent")
    assert day.update() == [(10.0, 60.0, "camera unreachable")]


def test_a_hole_nobody_saw_says_that_nobody_was_there(day: Day) -> None:
    day.recorded((0, 10), (60, 100))
    assert day.update() == [(10.0, 60.0, "recorder not running")]


def test_an_exam_planned_after_its_hours_began_says_so(day: Day) -> None:
    with store.transaction(day.db):
        journal.append(day.db, FakeClock(at(30)), "exam.planned", KEEPER, exam=EXAM, title="Maths")
    day.recorded((32, 100))
    day.outage(30, 32, "recording starting")
    assert day.update() == [(0.0, 32.0, "exam planned late")]


def planned(day: Day, made: float, starts: float, ends: float, kind: str = "exam.moved") -> int:
    """A person gives the exam these hours, at that moment."""
    person = Actor("person", "orlova", "Orlova", "head")
    with store.transaction(day.db):
        return journal.append(day.db, FakeClock(at(made)), kind, person, exam=EXAM, title="Maths",
                              starts_at=iso(at(starts)), ends_at=iso(at(ends)))  # fmt: skip


def test_other_hours_for_the_end_say_nothing_about_gaps_before(day: Day) -> None:
    planned(day, -50, 0, 80, "exam.planned")
    planned(day, 70, 0, 100)
    day.recorded((0, 20), (30, 100))
    day.outage(20, 30, "camera silent")
    assert day.update() == [(20.0, 30.0, "camera silent")]


def test_hours_added_when_they_were_over_are_planned_late(day: Day) -> None:
    planned(day, -50, 0, 80, "exam.planned")
    late = planned(day, 95, 0, 100)
    day.recorded((0, 82), (95, 100))
    assert day.update() == [(82.0, 95.0, "exam planned late")]
    assert day.entries()[0].data["evidence"] == [late]


def test_a_recording_that_a_person_ended_and_wanted_after_all_says_who_stopped_it(day: Day) -> None:
    planned(day, -50, 0, 100, "exam.planned")
    ended, again = planned(day, 40, 0, 40), planned(day, 60, 0, 100)
    day.recorded((0, 42), (61, 100))
    day.outage(60, 61, "recording starting")
    assert day.update() == [(42.0, 61.0, "stopped by a person")]
    assert day.entries()[0].data["evidence"] == [ended, again]
    assert journal.get(day.db, ended).actor.name == "Orlova"


def test_a_camera_that_was_set_aside_meanwhile_was_stopped_by_a_person(day: Day) -> None:
    planned(day, -50, 0, 100, "exam.planned")
    with store.transaction(day.db):
        acts = [journal.append(day.db, FakeClock(at(when)), kind, KEEPER, camera="yard", room="yard",
                               camera_name={"ru": "Двор", "en": "Yard"})
                for when, kind in ((-20, "camera.aside"), (30, "camera.back"))]  # fmt: skip
    day.recorded((31, 100))
    assert day.update() == [(0.0, 31.0, "stopped by a person")]
    assert day.entries()[0].data["evidence"] == acts


def test_time_the_clock_jumped_over_is_told_apart(day: Day) -> None:
    with store.transaction(day.db):
        before, after = (round(at(s).timestamp() * 1000) for s in (20, 50))
        journal.append(
            day.db, day.clock, "clock.stepped", KEEPER, before_ms=before, after_ms=after, step_ms=after - before
        )
    day.recorded((0, 20), (50, 100), run="one")
    assert day.update() == [(20.0, 50.0, "clock set forward")]


def test_a_silence_inside_a_recording_is_a_gap(day: Day) -> None:
    day.recorded((0, 100), holes=((30, 33),))
    assert day.update() == [(30.0, 33.0, "camera silent")]
    assert day.summary().recorded_s == pytest.approx(97.0)


def test_a_silence_between_two_files_of_a_run_is_the_cameras(day: Day) -> None:
    day.recorded((0, 30), (32, 100), run="one")
    assert day.update() == [(30.0, 32.0, "camera silent")]


def test_a_silence_between_two_files_is_seen_while_recording_goes_on(day: Day) -> None:
    day.recorded((0, 30), (32, 60), run="one")
    day.state("recording", since=0, safe=70)
    assert day.update(until=72) == [(30.0, 32.0, "camera silent")]
    assert day.summary(now=72).recorded_s == pytest.approx(68.0)


def test_another_recording_of_the_same_time_fills_a_silence(day: Day) -> None:
    day.recorded((0, 100), holes=((30, 33),))
    day.recorded((29, 32))
    assert day.update() == [(32.0, 33.0, "camera silent")]


def test_recordings_that_overlap_count_once(day: Day) -> None:
    day.recorded((0, 50), (10, 20), (40, 90))
    assert day.update() == [(90.0, 100.0, "recorder not running")]
    assert day.summary().recorded_s == pytest.approx(90.0)


def test_what_is_being_recorded_just_now_is_no_gap(day: Day) -> None:
    day.recorded((0, 30))
    day.state("recording", since=0, safe=41)
    assert day.update(until=43) == []
    found = day.summary(now=43)
    assert (found.required_s, found.recorded_s) == (41.0, 41.0)


def test_a_gap_grows_and_is_journalled_once_when_it_is_over(day: Day) -> None:
    day.recorded((0, 30))
    day.state("reconnecting", since=36, safe=30)
    day.outage(31, None, "camera silent")
    assert day.update(until=38) == [(30.0, 38.0, "camera silent")]
    assert day.update(until=45) == [(30.0, 45.0, "camera silent")]
    assert day.entries() == []
    day.recorded((47, 100))
    day.state("idle")
    for _ in range(3):
        assert day.update() == [(30.0, 47.0, "camera silent")]
    assert len(day.entries()) == 1


def test_a_gap_before_the_first_adopted_recording_is_not_journalled_too_early(day: Day) -> None:
    day.state("recording", since=3, safe=8)
    assert [gap[:2] for gap in day.update(until=10)] == [(0.0, 3.0)]
    assert day.entries() == []
    day.recorded((2.6, 60))
    assert [gap[:2] for gap in day.update(until=60)] == [(0.0, 2.6)]
    assert len(day.entries()) == 1


def test_a_recording_found_later_answers_the_gap_in_the_journal(day: Day) -> None:
    day.recorded((0, 30), (60, 100))
    day.update()
    day.recorded((30, 60))
    assert day.update() == []
    found = day.entries("recording.found")[0]
    assert found.refs == (day.entries()[0].seq,)


def test_every_cause_is_a_sentence_in_the_documentation() -> None:
    text = (Path(__file__).parent.parent / "docs/recording.md").read_text(encoding="utf-8")
    for code, sentence in CAUSES.items():
        assert f"| {code} |" in text, code
        assert coverage.cause(code).text == sentence


SPANS = st.lists(st.tuples(st.integers(-20, 120), st.integers(1, 60)), max_size=8)


@given(spans=SPANS, until=st.integers(0, 120))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_recorded_plus_gaps_is_always_what_was_required(day: Day, spans: list[tuple[int, int]], until: int) -> None:
    with store.transaction(day.db):
        day.db.write("delete from segment")
    day.recorded(*((a, a + length) for a, length in spans))
    found = day.summary(now=until)
    seconds = {s for a, length in spans for s in range(a, a + length)}
    required = set(range(min(until, 100)))
    assert found.required_s == len(required)
    assert found.recorded_s == pytest.approx(len(required & seconds), abs=1e-5)
    inside = {s for a, b, _ in day.gaps(found.gaps) for s in range(round(a), round(b))}
    assert inside == required - seconds
