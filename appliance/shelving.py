"""Alarms put aside by a person: shelved until a time, or out of service until somebody puts them back. Owns aside.

After ISA-18.2: a place is put aside, not one alarm, so what it says meanwhile stays aside too; with a reason and a
name. Fire, panic and duress cannot be put aside. A shelf ends by itself: whoever reads compares the time, the
journal's entry follows from the watch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from appliance import journal, store
from appliance.alarm_classes import active_group
from appliance.alarm_names import said_of
from appliance.clock import Clock, iso
from appliance.config import Config
from appliance.model import N_, Actor, ApplianceError, Message, Person, Personal
from appliance.store import Database

WATCH = Actor.service("watch")
NEVER_ASIDE = N_("Fire, panic and duress cannot be put aside. For a test of the detectors, begin test mode.")

NOWHERE = Message("")

How = Literal["shelved", "out", "test"]


@dataclass(frozen=True, slots=True)
class Aside:
    """Why an alarm does not call: shelved, out of service, or in test. `until_at` None: until somebody ends it."""

    id: int | None
    how: How
    since_at: str
    until_at: str | None
    reason: str
    by: str  # the person's name
    panel: str = ""
    key: str = ""
    what: Message = NOWHERE
    place: Message = NOWHERE


def current(db: Database, config: Config, now: datetime) -> dict[tuple[str, str], Aside]:
    """What is aside now, by panel and key."""
    rows = db.rows(
        "select s.*, p.name from aside s left join person p on p.login = s.by_login"
        " where s.ended_at is null and (s.until_at is null or s.until_at > ?) order by s.id", (iso(now),)
    )  # fmt: skip
    return {(row["panel"], row["key"]): _aside(db, config, row) for row in rows}


def _aside(db: Database, config: Config, row: Mapping[str, Any]) -> Aside:
    said, where, _ = said_of(db, config, row["alarm"])
    return Aside(row["id"], row["how"], row["since_at"], row["until_at"], row["reason"], row["name"] or row["by_login"],
                 row["panel"], row["key"], said, where)  # fmt: skip


def shelve(
    db: Database, config: Config, clock: Clock, alarm_id: int, person: Person, for_min: float, reason: str
) -> int:
    """Put an alarm's place aside for some minutes. Opens its own transaction; returns the journal entry's number."""
    longest_min = config.profile.alarms.shelve_longest_min
    if not 0 < for_min <= longest_min:
        raise ApplianceError(N_("An alarm is shelved for {longest_s} at most."), longest_s=longest_min * 60)
    until_at = iso(clock.now() + timedelta(minutes=for_min))
    return _put(db, config, clock, alarm_id, person, "shelved", until_at, reason)


def put_out(db: Database, config: Config, clock: Clock, alarm_id: int, person: Person, reason: str) -> int:
    """Take an alarm's place out of service until somebody puts it back. Opens its own transaction."""
    return _put(db, config, clock, alarm_id, person, "out", None, reason)


def _put(
    db: Database, config: Config, clock: Clock, alarm_id: int, person: Person, how: How, until_at: str | None,
    reason: str,
) -> int:  # fmt: skip
    with store.transaction(db):
        alarm = db.row("select id, panel, key, kind, entry from alarm where id = ?", (alarm_id,))
        if alarm is None:
            raise ApplianceError(N_("There is no alarm {alarm}."), alarm=alarm_id)
        if active_group(alarm["kind"]).needs_comment:
            raise ApplianceError(NEVER_ASIDE)
        if not reason.strip():
            raise ApplianceError(N_("Say why the alarm is put aside: the next shift reads it."))
        _end(db, clock, "panel = ? and key = ? and ended_at is null", (alarm["panel"], alarm["key"]), person.login)
        said, where, room = said_of(db, config, alarm_id)
        entry = journal.append(
            db, clock, "alarm.shelved" if how == "shelved" else "alarm.out", Actor.person(person), room=room,
            refs=[alarm["entry"]] if alarm["entry"] else [], alarm=alarm_id, panel=alarm["panel"],
            what=said.as_json(), zone=where.as_json(), until_at=until_at, reason=Personal(reason.strip()),
        )  # fmt: skip
        db.write(
            "insert into aside (panel, key, how, alarm, since_at, until_at, reason, by_login, entry)"
            " values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (alarm["panel"], alarm["key"], how, alarm_id, iso(clock.now()), until_at, reason.strip(), person.login,
             entry),
        )  # fmt: skip
        return entry


def put_back(db: Database, config: Config, clock: Clock, aside_id: int, person: Person) -> int:
    """End a shelf, or put back what was out of service. Opens its own transaction; pressing twice changes nothing."""
    with store.transaction(db):
        row = db.row("select * from aside where id = ?", (aside_id,))
        if row is None or row["ended_at"] or (row["until_at"] and row["until_at"] <= iso(clock.now())):
            raise ApplianceError(N_("This alarm is back already. Your press changed nothing."))
        _end(db, clock, "id = ?", (aside_id,), person.login)
        return _back(db, config, clock, row, Actor.person(person))


def end_due(db: Database, config: Config, clock: Clock) -> int:
    """Close the shelves whose time is over, with a journal entry each. Opens its own transaction when there are any."""
    due = "ended_at is null and until_at <= ?"
    if not db.value(f"select 1 from aside where {due}", (iso(clock.now()),)):  # noqa: S608
        return 0
    with store.transaction(db):
        rows = db.rows(f"select * from aside where {due}", (iso(clock.now()),))  # noqa: S608
        for row in rows:
            _end(db, clock, "id = ?", (row["id"],), None)
            _back(db, config, clock, row, WATCH)
    return len(rows)


def _end(db: Database, clock: Clock, which: str, args: tuple[Any, ...], login: str | None) -> None:
    db.write(f"update aside set ended_at = ?, ended_by = ? where {which}", (iso(clock.now()), login, *args))  # noqa: S608


def _back(db: Database, config: Config, clock: Clock, row: Mapping[str, Any], actor: Actor) -> int:
    said, where, room = said_of(db, config, row["alarm"])
    return journal.append(
        db, clock, "alarm.unshelved" if row["how"] == "shelved" else "alarm.in", actor, room=room,
        refs=[row["entry"]] if row["entry"] else [], panel=row["panel"], what=said.as_json(), zone=where.as_json(),
    )  # fmt: skip
