"""Which cameras are to be recorded, and until when, whatever is done to the clock."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from appliance import store
from appliance.clock import FakeClock
from appliance.store import Database
from appliance.wanted import Plan
from demo.cameras_process import Address
from tests.fakes.recorded_site import EXAM, end_exam, plan_exam, site

AT = datetime(2026, 11, 22, 7, 0, tzinfo=UTC)


@pytest.fixture
def planned(tmp_path: Path) -> Iterator[tuple[Database, FakeClock, Plan]]:
    address = Address("yard", "rtsp://127.0.0.1:9/", "http://127.0.0.1:9/", "u", "p")
    config = site(tmp_path, {"yard": address})
    db, clock = store.open(config.database), FakeClock(AT)
    plan_exam(db, clock, starts_in_s=60, lasts_s=600)
    yield db, clock, Plan(config, clock)
    db.close()


Planned = tuple[Database, FakeClock, Plan]


def seconds_wanted(planned: Planned, limit: int = 10_000) -> int:
    db, clock, plan = planned
    for second in range(limit):
        if not plan.look(db):
            return second
        clock.advance(1)
    return limit


def test_recording_begins_and_ends_with_the_window(planned: Planned) -> None:
    db, clock, plan = planned
    assert plan.look(db) == {}
    clock.advance(60)
    assert plan.look(db)["yard"].window.exam == EXAM
    assert seconds_wanted(planned) == 601  # tail_s is half a second


@pytest.mark.parametrize("step_s", [3600, 30 * 86400, -30, -3600])
def test_setting_the_clock_never_cuts_a_recording_short(planned: Planned, step_s: int) -> None:
    db, clock, plan = planned
    clock.advance(90)
    assert plan.look(db)
    clock.step(step_s)
    # Forward: by the clock it is over, by the time that passed it is not. Back a little: both clocks are obeyed.
    assert seconds_wanted(planned) == (601 if step_s == -30 else 571)


def test_a_cancelled_exam_stops_being_recorded(planned: Planned) -> None:
    db, clock, plan = planned
    clock.advance(100)
    assert plan.look(db)
    with store.transaction(db):
        db.write("update exam set state = 'cancelled', revision = revision + 1")
    assert plan.look(db) == {}


def test_a_longer_exam_is_recorded_longer(planned: Planned) -> None:
    db, clock, plan = planned
    clock.advance(100)
    plan.look(db)
    end_exam(db, clock, in_s=1000)
    assert seconds_wanted(planned) == 1001
