"""Test mode: a panel or a zone is worked on until a time. What it says is kept, marked as test, and calls nobody.

Owns maintenance. A window ends by itself: whoever reads compares the time, the journal's entry follows from the watch.
An alarm that still stands when its window is over becomes an ordinary one (alarm_board, alarms).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from appliance import journal, store
from appliance.alarm_names import panel_name, place
from appliance.clock import Clock, iso
from appliance.config import CAMERA, Config
from appliance.model import N_, Actor, ApplianceError, Message, Person, Personal
from appliance.store import Database

WATCH = Actor.service("watch")


@dataclass(frozen=True, slots=True)
class Window:
    """One panel (`zone` None) or one zone of it under test. `account` and `partition` None: any."""

    id: int
    panel: str
    zone: str | None
    account: str | None
    partition: str | None
    since_at: str
    until_at: str
    reason: str
    by: str
    place: Message

    def covers(self, panel: str, zone: str | None, account: str | None, partition: str | None) -> bool:
        if panel != self.panel:
            return False
        fits = zone == self.zone and self.account in (None, account) and self.partition in (None, partition)
        return self.zone is None or fits


def current(db: Database, config: Config, now: datetime) -> tuple[Window, ...]:
    """The windows that are open now, the first to end first."""
    rows = db.rows(
        "select m.*, p.name from maintenance m left join person p on p.login = m.by_login"
        " where m.ended_at is null and m.until_at > ? order by m.until_at, m.id", (iso(now),)
    )  # fmt: skip
    return tuple(
        Window(row["id"], row["panel"], row["zone"], row["account"], row["partition"], row["since_at"],
               row["until_at"], row["reason"], row["name"] or row["by_login"],
               _place(config, row["panel"], row["zone"], row["account"], row["partition"]))
        for row in rows
    )  # fmt: skip


def _place(config: Config, panel: str, zone: str | None, account: str | None, partition: str | None) -> Message:
    if zone is None:
        return panel_name(config, panel)
    return place(config.zone(panel, zone, account, partition), zone, partition, None)


def covering(
    windows: Sequence[Window], panel: str, zone: str | None, account: str | None, partition: str | None
) -> Window | None:
    """The window a place is in, the one that ends last; None when it is not under test."""
    found = [window for window in windows if window.covers(panel, zone, account, partition)]
    return found[-1] if found else None


def begin(
    db: Database, config: Config, clock: Clock, person: Person, panel: str, for_min: float, reason: str, *,
    zone: str | None = None, account: str | None = None, partition: str | None = None,
) -> int:  # fmt: skip
    """Put a panel or a zone under test for some minutes. Opens its own transaction; returns the journal entry."""
    longest_min = config.profile.alarms.test_longest_min
    if panel not in {*(known.id for known in config.panels), *(CAMERA + camera.id for camera in config.cameras)}:
        raise ApplianceError(N_("The site has no panel {panel}."), panel=panel)
    if not 0 < for_min <= longest_min:
        raise ApplianceError(N_("Test mode lasts {longest_s} at most."), longest_s=longest_min * 60)
    if not reason.strip():
        raise ApplianceError(N_("Say what is tested and by whom: the guard and the next shift read it."))
    until_at = iso(clock.now() + timedelta(minutes=for_min))
    with store.transaction(db):
        where = _place(config, panel, zone, account, partition)
        entry = journal.append(
            db, clock, "test.begun", Actor.person(person), panel=panel, number=zone, account=account,
            partition=partition, zone=where.as_json(), until_at=until_at, reason=Personal(reason.strip()),
        )  # fmt: skip
        db.write(
            "insert into maintenance (panel, zone, account, partition, since_at, until_at, reason, by_login, entry)"
            " values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (panel, zone, account, partition, iso(clock.now()), until_at, reason.strip(), person.login, entry),
        )
        return entry


def end(db: Database, config: Config, clock: Clock, window_id: int, person: Person) -> int:
    """End a test before its time. Opens its own transaction; the safe direction is one press."""
    with store.transaction(db):
        row = db.row("select * from maintenance where id = ?", (window_id,))
        if row is None or row["ended_at"] or row["until_at"] <= iso(clock.now()):
            raise ApplianceError(N_("This test is over already. Your press changed nothing."))
        return _close(db, config, clock, row["id"], Actor.person(person))


def end_due(db: Database, config: Config, clock: Clock) -> int:
    """Close the windows whose time is over, with a journal entry each. Opens its own transaction when there are any."""
    due = "select id from maintenance where ended_at is null and until_at <= ?"
    if not db.value(due, (iso(clock.now()),)):
        return 0
    with store.transaction(db):
        rows = db.rows(due, (iso(clock.now()),))
        for row in rows:
            _close(db, config, clock, row["id"], WATCH)
    return len(rows)


def _close(db: Database, config: Config, clock: Clock, window_id: int, actor: Actor) -> int:
    row = db.row("select * from maintenance where id = ?", (window_id,)) or {}
    login = actor.id if actor.kind == "person" else None
    db.write("update maintenance set ended_at = ?, ended_by = ? where id = ?", (iso(clock.now()), login, window_id))
    events = db.value(
        "select count(*) from event where panel = ? and at >= ? and exists"
        " (select 1 from json_each(event.flags) where value = 'test')", (row["panel"], row["since_at"])
    )  # fmt: skip
    where = _place(config, row["panel"], row["zone"], row["account"], row["partition"])
    return journal.append(db, clock, "test.ended", actor, refs=[row["entry"]], panel=row["panel"],
                          zone=where.as_json(), events=int(events))  # fmt: skip
