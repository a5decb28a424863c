"""`examsite verify journal` while the services go on: what is added meanwhile is no fault, what is wrong still is."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from appliance import checkpoints, journal, journal_check, store
from appliance.clock import FakeClock
from appliance.config import Config
from appliance.model import Actor, ApplianceError, Person, Role
from appliance.store import Database
from tests.fakes import exam_site

ORLOV = Person("orlov", "Орлов П. С.", Role.TECHNICIAN, "ru")
HEAD = Person("ivanova", "Иванова А. В.", Role.HEAD, "ru")


@pytest.fixture
def config(tmp_path: object) -> Config:
    return exam_site.site(tmp_path)  # type: ignore[arg-type]


@pytest.fixture
def db(config: Config) -> Database:
    return exam_site.database(config)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(datetime(2026, 11, 22, 2, 50, tzinfo=UTC))


def add(db: Database, clock: FakeClock, count: int, who: Person = ORLOV) -> None:
    for _ in range(count):
        clock.advance(1)
        with store.transaction(db):
            journal.append(db, clock, "camera.silent", Actor.person(who))


def meanwhile(monkeypatch: pytest.MonkeyPatch, act: Callable[[], None]) -> None:
    """Let this happen each time right after the check has looked how much there is."""
    known = journal_check._Known.now

    def now(db: Database) -> journal_check._Known:
        found = known(db)
        act()
        return found

    monkeypatch.setattr(journal_check._Known, "now", now)


def test_what_is_entered_and_signed_meanwhile_is_no_fault(
    db: Database, config: Config, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(db, clock, 5)
    checkpoints.sign(db, config, clock, "asked")

    def go_on() -> None:
        add(db, clock, 12)
        checkpoints.sign(db, config, clock, "asked")

    meanwhile(monkeypatch, go_on)
    size = journal.head(db)[0]
    for _ in range(3):
        found = journal_check.check(db)
        assert (found.faults, found.refusals, found.damaged, found.entries) == ((), (), None, size)
        size = journal.head(db)[0]


def test_what_is_lawfully_erased_meanwhile_is_no_fault(
    db: Database, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(db, clock, 5)
    add(db, clock, 5, HEAD)
    left = ["orlov", "ivanova"]

    def erase() -> None:
        if left:
            journal.erase(db, clock, HEAD, "152-ФЗ", person=left.pop())
            add(db, clock, 2, Person("kim", "Ким", Role.ADMIN, "ru"))

    meanwhile(monkeypatch, erase)
    found = journal_check.check(db)
    assert not left
    assert (found.faults, found.refusals, found.entries) == ((), (), journal.head(db)[0])


def attack(db: Database, statement: str) -> None:
    for name in db.rows("select name from sqlite_master where type = 'trigger'"):
        db.conn.execute(f"drop trigger {name['name']}")
    db.conn.execute("pragma foreign_keys = off")
    db.conn.execute(statement)


def test_a_damaged_opening_is_told_as_damage(db: Database, clock: FakeClock) -> None:
    add(db, clock, 8)
    attack(db, "update journal_personal set value = cast(x'ff' as text)")
    found = journal_check.check(db)
    assert "UTF-8" in (found.damaged or "")
    assert (found.entries, found.held) == (0, 0)


def test_a_database_that_does_not_say_whose_it_is_is_not_checked(db: Database) -> None:
    attack(db, "delete from box")
    with pytest.raises(ApplianceError, match="which box this is"):
        journal_check.check(db)


@pytest.mark.parametrize(
    ("what", "statement"),
    [
        ("beyond", "delete from journal where seq > 6; delete from journal_node where idx >= 6 >> level;"
                   "delete from journal_personal where seq > 6"),
        ("opening-alone", "delete from journal where seq > 6; delete from journal_node where idx >= 6 >> level"),
        ("missing", "delete from journal where seq = 4"),
        ("ends", "delete from journal where seq > 8"),
        ("tree", "delete from journal_node where level = 0 and idx = 8"),
        ("tree", "delete from journal_node where level = 2 and idx = 1"),
        ("tree", "insert into journal_node values (1, 4, zeroblob(32))"),
        ("tree", "insert into journal_node values (9, 0, zeroblob(32))"),
        ("tree", "insert into journal_node values (60, 0, zeroblob(32))"),
        ("tree", "insert into journal_node values (0, -1, zeroblob(32))"),
        ("tree", "insert into journal_node values (-1, 0, zeroblob(32))"),
        ("tree", "pragma ignore_check_constraints = on; update journal_node set hash = x''"),
        ("name", "update checkpoint set size = 3"),
        ("changed", "update journal set hash = lower(hex(zeroblob(32))) where seq = 9"),
        ("opening-alone", "insert into journal_personal values (10, '/actor/name', zeroblob(32), 'x')"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_found(db: Database, config: Config, clock: FakeClock, what: str, statement: str) -> None:
    add(db, clock, 8)
    checkpoints.sign(db, config, clock, "asked")
    add(db, clock, 1)
    assert journal_check.check(db).faults == ()
    for each in statement.split(";"):
        attack(db, each)
    assert [found.what for found in journal_check.check(db).faults] == [what]
