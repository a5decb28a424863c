"""Orders: asked by one, agreed to by another, taken by one worker, finished once."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from appliance import journal, orders, store
from appliance.clock import FakeClock
from appliance.model import ApplianceError, Person, Role
from appliance.store import Database

EXPORTER = Person("sidorov", "Сидоров В. А.", Role.EXPORTER, "ru")
GUARD = Person("petrov", "Петров Н. И.", Role.SECURITY, "ru")
ARGS = {"exam": "math", "target": "usb", "room_kinds": ["entrance"], "grounds": "№ 12", "recipient": "РЦОИ"}


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(datetime(2026, 11, 22, 9, 30, tzinfo=UTC))


@pytest.fixture
def db(tmp_path: Path) -> Database:
    return store.open(tmp_path / "examsite.db", create=True)


def ask(db: Database, clock: FakeClock, key: str | None = None) -> int:
    return orders.place(db, clock, "export", ARGS, EXPORTER, key=key, agreement=True)


def test_nothing_is_claimed_before_another_person_agreed(db: Database, clock: FakeClock) -> None:
    number = ask(db, clock)
    assert orders.claim(db, clock, "export") is None
    with pytest.raises(ApplianceError, match="Another person"):
        orders.agree(db, clock, number, EXPORTER)
    assert orders.claim(db, clock, "export") is None
    orders.agree(db, clock, number, GUARD)
    claimed = orders.claim(db, clock, "export")
    assert claimed is not None
    assert (claimed.id, claimed.agreed_by, claimed.args) == (number, "petrov", ARGS)
    assert [e.kind for e in journal.entries(db)] == ["export.asked", "export.agreed"]


def test_the_same_form_pressed_twice_is_one_order(db: Database, clock: FakeClock) -> None:
    assert ask(db, clock, key="form-1") == ask(db, clock, key="form-1")
    assert len(orders.recent(db, "export")) == 1
    assert journal.head(db)[0] == 1


def test_a_refusal_needs_a_word_and_ends_the_order(db: Database, clock: FakeClock) -> None:
    number = ask(db, clock)
    with pytest.raises(ApplianceError, match="why"):
        orders.refuse(db, clock, number, GUARD, " ")
    orders.refuse(db, clock, number, GUARD, "Нет письма")
    assert orders.get(db, number).state == "refused"
    with pytest.raises(ApplianceError, match="no longer waits"):
        orders.agree(db, clock, number, GUARD)


def test_an_order_nobody_agreed_to_lapses(db: Database, clock: FakeClock) -> None:
    number = ask(db, clock)
    clock.advance(599)
    assert orders.lapse(db, clock, "export", timedelta(minutes=10)) == []
    clock.advance(2)
    assert orders.lapse(db, clock, "export", timedelta(minutes=10)) == [number]
    with pytest.raises(ApplianceError, match="no longer waits"):
        orders.agree(db, clock, number, GUARD)


def test_two_workers_never_take_the_same_order(db: Database, clock: FakeClock) -> None:
    for _ in range(20):
        orders.place(db, clock, "checks", {}, EXPORTER)
    taken: list[int] = []

    def work() -> None:
        mine = store.open(db.path)
        while (order := orders.claim(mine, clock, "checks")) is not None:
            taken.append(order.id)

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sorted(taken) == list(range(1, 21))


def test_what_a_lost_worker_held_is_put_back(db: Database, clock: FakeClock) -> None:
    number = orders.place(db, clock, "checks", {}, EXPORTER)
    assert orders.claim(db, clock, "checks") is not None
    assert orders.claim(db, clock, "checks") is None
    assert orders.release(db, "checks") == 1
    again = orders.claim(db, clock, "checks")
    assert again is not None
    assert again.id == number


def test_a_finished_order_is_finished_once(db: Database, clock: FakeClock) -> None:
    number = orders.place(db, clock, "checks", {}, EXPORTER)
    orders.claim(db, clock, "checks")
    orders.progress(db, number, {"step": "copying"})
    for ok in (True, False):
        with store.transaction(db):
            orders.finish(db, clock, number, ok, {"run": 1})
    order = orders.get(db, number)
    assert (order.state, order.progress, order.result) == ("done", {"step": "copying"}, {"run": 1})
