"""What people ask of a worker: placed on a page, agreed to where two are needed, claimed by the worker, finished.

Nothing leaves the box unless a person with the right role asked for it and another agreed: an order that needs
agreement waits until somebody else gives it, and the worker only ever sees `placed` ones.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from appliance import journal, store
from appliance.clock import Clock, iso
from appliance.model import N_, Actor, ApplianceError, Person, Personal
from appliance.store import Database

OrderState = Literal["waits", "placed", "claimed", "done", "failed", "refused", "cancelled"]
OPEN: tuple[OrderState, ...] = ("waits", "placed", "claimed")


@dataclass(frozen=True, slots=True)
class Order:
    """One order. Instants are UTC ISO-8601 text; `asked_by` and `agreed_by` are logins."""

    id: int
    kind: str
    args: dict[str, Any]
    state: OrderState
    asked_by: str
    asked_at: str
    agreed_by: str | None
    agreed_at: str | None
    claimed_at: str | None
    finished_at: str | None
    progress: dict[str, Any]
    result: dict[str, Any] | None


COLUMNS = "id, kind, args, state, asked_by, asked_at, agreed_by, agreed_at, claimed_at, finished_at, progress, result"


def _order(row: dict[str, Any]) -> Order:
    return Order(
        **{
            **row,
            "args": json.loads(row["args"]),
            "progress": json.loads(row["progress"]),
            "result": json.loads(row["result"]) if row["result"] else None,
        }
    )


def place(
    db: Database,
    clock: Clock,
    kind: str,
    args: dict[str, Any],
    who: Person,
    *,
    key: str | None = None,
    agreement: bool = False,
) -> int:
    """Ask for something; returns the order's number. The same `key` again is the same order, not a second one."""
    with store.transaction(db):
        known = key and db.value("select id from orders where key = ?", (key,))
        if known:
            return int(known)
        number = db.write(
            "insert into orders (kind, args, state, key, asked_by, asked_at) values (?, ?, ?, ?, ?, ?) returning id",
            (
                kind,
                json.dumps(args, ensure_ascii=False),
                "waits" if agreement else "placed",
                key,
                who.login,
                iso(clock.now()),
            ),
        ).fetchone()[0]
        journal.append(
            db, clock, f"{kind}.asked", Actor.person(who), exam=args.get("exam"), order=number, **_told(args)
        )
        return int(number)


SECRET = ("secret",)  # a sealed password: not for ever, not even sealed
PERSONAL = ("grounds", "recipient", "ground", "login")  # what people write in their own words, and whom it is about


def _told(args: dict[str, Any]) -> dict[str, Any]:
    told = {key: value for key, value in args.items() if key not in ("exam", *SECRET)}
    return {key: Personal(value) if key in PERSONAL and value else value for key, value in told.items()}


def agree(db: Database, clock: Clock, order_id: int, who: Person) -> None:
    """A second person agrees; the order may now be claimed. ApplianceError for the asker, or when it waits no more."""
    _answer(db, clock, order_id, who, "placed", "agreed", "")


def agree_at_once(db: Database, clock: Clock, order_id: int, who: Person) -> None:
    """A second person agrees to what is done in the same transaction, the caller's: the order is claimed."""
    _answered(db, clock, order_id, who, "claimed", "agreed", "")


def refuse(db: Database, clock: Clock, order_id: int, who: Person, word: str) -> None:
    """A second person refuses, with a word."""
    if not word.strip():
        raise ApplianceError(N_("Write why you refuse."))
    _answer(db, clock, order_id, who, "refused", "refused", word.strip())


def _answer(db: Database, clock: Clock, order_id: int, who: Person, state: OrderState, verb: str, word: str) -> None:
    with store.transaction(db):
        _answered(db, clock, order_id, who, state, verb, word)


def _answered(db: Database, clock: Clock, order_id: int, who: Person, state: OrderState, verb: str, word: str) -> None:
    order = get(db, order_id)
    if order.asked_by == who.login:
        raise ApplianceError(N_("You asked for this yourself. Another person must agree."))
    now = iso(clock.now())
    changed = db.write(
        "update orders set state = ?, agreed_by = ?, agreed_at = ?, finished_at = ? where id = ? and state = 'waits'",
        (state, who.login, now, now if state == "refused" else None, order_id),
    ).rowcount
    if not changed:
        raise ApplianceError(
            N_("Order {order} no longer waits for an answer. Your press changed nothing."), order=order_id
        )
    journal.append(
        db, clock, f"{order.kind}.{verb}", Actor.person(who), exam=order.args.get("exam"), order=order_id,
        word=Personal(word),
    )


def lapse(db: Database, clock: Clock, kind: str, after: timedelta) -> list[int]:
    """Close the orders nobody agreed to in time; returns their numbers."""
    before = iso(clock.now() - after)
    with store.transaction(db):
        late = db.rows(
            "select id, args from orders where kind = ? and state = 'waits' and asked_at < ?", (kind, before)
        )
        for row in late:
            db.write(
                "update orders set state = 'cancelled', finished_at = ? where id = ?", (iso(clock.now()), row["id"])
            )
            journal.append(
                db,
                clock,
                f"{kind}.lapsed",
                Actor.service("keeper"),
                exam=json.loads(row["args"]).get("exam"),
                order=row["id"],
            )
    return [int(row["id"]) for row in late]


def claim(db: Database, clock: Clock, kind: str) -> Order | None:
    """Take the oldest placed order of a kind, or None. One UPDATE decides, so two workers never take the same."""
    if db.value("select 1 from orders where kind = ? and state = 'placed'", (kind,)) is None:
        return None  # the usual answer costs no write
    with store.transaction(db):
        row = db.write(
            f"update orders set state = 'claimed', claimed_at = ? where id = (select id from orders"  # noqa: S608
            f" where kind = ? and state = 'placed' order by id limit 1) returning {COLUMNS}",
            (iso(clock.now()), kind),
        ).fetchone()
    return None if row is None else _order(dict(zip(COLUMNS.split(", "), row, strict=True)))


def release(db: Database, kind: str) -> int:
    """Put back what a worker that is gone had claimed; called by the one worker of that kind when it starts."""
    with store.transaction(db):
        return db.write(
            "update orders set state = 'placed', claimed_at = null where kind = ? and state = 'claimed'", (kind,)
        ).rowcount


def progress(db: Database, order_id: int, done: dict[str, Any]) -> None:
    """Say how far it is; for the page only, so a worker calls it at most once a second."""
    with store.transaction(db):
        db.write("update orders set progress = ? where id = ? and state = 'claimed'", (json.dumps(done), order_id))


def finish(db: Database, clock: Clock, order_id: int, ok: bool, result: dict[str, Any]) -> None:
    """Close a claimed order, inside the caller's transaction, so that its journal entry stands or falls with it."""
    db.write(
        "update orders set state = ?, finished_at = ?, result = ? where id = ? and state = 'claimed'",
        ("done" if ok else "failed", iso(clock.now()), json.dumps(result, ensure_ascii=False), order_id),
    )


def reword(db: Database, kind: str, name: str, old: str, new: str) -> None:
    """Put another text for one that is erased, in the arguments of all orders of a kind, inside the transaction."""
    db.write(
        "update orders set args = json_set(args, ?1, ?2) where kind = ?3 and json_extract(args, ?1) = ?4",
        (f"$.{name}", new, kind, old),
    )


def get(db: Database, order_id: int) -> Order:
    """One order; ApplianceError when there is none of that number."""
    row = db.row(f"select {COLUMNS} from orders where id = ?", (order_id,))  # noqa: S608
    if row is None:
        raise ApplianceError(N_("There is no order {order}."), order=order_id)
    return _order(row)


def recent(db: Database, kind: str, limit: int = 20) -> list[Order]:
    """The newest orders of a kind, newest first."""
    return [
        _order(r)
        for r in db.rows(
            f"select {COLUMNS} from orders where kind = ? order by id desc limit ?",  # noqa: S608
            (kind, limit),
        )
    ]


def waiting_since(order: Order, now: datetime) -> float:
    """Seconds this order has been waiting for agreement."""
    return (now - datetime.fromisoformat(order.asked_at)).total_seconds()
