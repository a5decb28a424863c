"""The box's sign of life: entered by the keeper, hidden on pages, and every silence told with its cause."""

from __future__ import annotations

import json
from concurrent.futures import Future
from datetime import UTC, datetime
from pathlib import Path

import pytest

from appliance import alive, checkpoints, identity, journal, store
from appliance.alive import Alive
from appliance.clock import FakeClock
from appliance.config import Config
from appliance.model import Actor
from appliance.services.keeper import Keeper
from appliance.store import Database
from drivers.host import ClockFacts
from tests.fakes import exam_site


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return exam_site.site(tmp_path)


@pytest.fixture
def db(config: Config) -> Database:
    return exam_site.database(config)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(datetime(2026, 11, 22, 2, 50, tzinfo=UTC))


class OtherBoot(FakeClock):
    def boot(self) -> str:
        return "another boot"


def beats(db: Database) -> int:
    return len(journal.entries(db, kinds=[journal.ALIVE], limit=1000))


def test_a_keeper_enters_signs_of_life_and_signs_them(db: Database, config: Config, clock: FakeClock) -> None:
    keeper = Keeper.begin(db, config, clock)
    for _ in range(180):
        keeper.tick()
        clock.advance(1)
    assert beats(db) == 3
    assert [made.why for made in checkpoints.all(db)] == ["time"] * 3
    last = checkpoints.latest(db)
    assert last is not None
    assert last.size == journal.head(db)[0]


def test_a_keeper_signs_what_somebody_did_at_its_next_tick(db: Database, config: Config, clock: FakeClock) -> None:
    keeper = Keeper.begin(db, config, clock)
    keeper.tick()
    clock.advance(1)
    with store.transaction(db):
        seq = journal.append(db, clock, "signin.accepted", Actor("person", "orlov", "Орлов", "technician"))
    keeper.tick()
    made = checkpoints.latest(db)
    assert made is not None
    assert (made.size, made.why) == (seq, "person")


def test_a_start_signs_what_the_keeper_before_had_not(db: Database, config: Config, clock: FakeClock) -> None:
    Keeper.begin(db, config, clock).tick()
    clock.advance(20)
    with store.transaction(db):
        journal.append(db, clock, "box.started", Actor.service("init"))
    Keeper.begin(db, config, clock)
    made = checkpoints.latest(db)
    assert made is not None
    assert (made.size, made.why) == (journal.head(db)[0], "start")


def test_a_journal_that_must_not_be_signed_does_not_stop_the_keeper(
    db: Database, config: Config, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    identity.key_path(config).unlink()
    keeper = Keeper.begin(db, config, clock)
    for _ in range(61):
        keeper.tick()
        clock.advance(1)
    assert beats(db) == 2
    assert 0 < caplog.text.count("signing key") < 10  # said, but not every second
    assert len(journal.entries(db, kinds=["checkpoint.refused"])) == 1


def test_heartbeats_are_left_out_unless_they_are_asked_for(db: Database, clock: FakeClock) -> None:
    of = Alive(10.0, look=lambda: ClockFacts(True))
    for _ in range(5):
        of.tick(db, clock)
        clock.advance(10)
    with store.transaction(db):
        told = journal.append(db, clock, "box.started", Actor.service("init"))
    assert [entry.seq for entry in journal.entries(db)] == [told]
    assert [entry.seq for entry in journal.entries(db, newest_first=True)] == [told]
    assert len(journal.entries(db, alive=True)) == 6
    plan = db.rows(f"explain query plan select seq, hash, row from journal where seq > 0 and {journal.TOLD}"
                   " order by seq desc limit 50")  # fmt: skip
    assert any("journal_told" in str(step) for step in plan)


def test_a_silence_of_the_program_is_told_by_the_clock_that_no_step_touches(db: Database, clock: FakeClock) -> None:
    assert alive.tell_absence(db, clock) is None  # it never gave a sign of life
    Alive(60.0, look=lambda: ClockFacts(None)).tick(db, clock)
    clock.advance(600)
    clock.step(-3600)
    seq = alive.tell_absence(db, clock)
    assert seq is not None
    told = journal.get(db, seq)
    assert told.data["absent_ms"] == 600_000
    assert told.data["cause"]["text"] == alive.STOPPED
    assert told.refs == (1,)


def test_a_box_that_was_off_says_so(db: Database, clock: FakeClock) -> None:
    Alive(60.0, look=lambda: ClockFacts(None)).tick(db, clock)
    later = OtherBoot(datetime(2026, 11, 22, 5, 50, tzinfo=UTC))
    seq = alive.tell_absence(db, later)
    assert seq is not None
    told = journal.get(db, seq)
    assert (told.data["cause"]["text"], told.data["absent_ms"], told.data["boot_was"]) == (
        alive.OFF, 3 * 3_600_000, "fake-boot")  # fmt: skip


def test_a_clock_service_that_does_not_answer_holds_nothing_up(db: Database, clock: FakeClock) -> None:
    answer: Future[ClockFacts] = Future()
    of = Alive(10.0, look=answer.result)
    for _ in range(3):
        of.tick(db, clock)
        clock.advance(10)
    assert beats(db) == 3
    answer.set_result(ClockFacts(True, 0.004))
    assert of._looking is not None
    of._looking.result(10)
    of.tick(db, clock)
    clock.advance(10)
    of.tick(db, clock)
    row = json.loads(journal.entries(db, kinds=[journal.ALIVE])[-1].row)
    assert row["clock"] == {"state": "synchronised", "offset_ms": 4, "age_s": 10}
