"""Up to which entry somebody has read the journal: their own mark, moved only by their own press."""

from __future__ import annotations

from appliance import journal, store
from appliance.clock import Clock, iso
from appliance.journal import TOLD, Entry
from appliance.model import Person
from appliance.store import Database

COUNTED = 1000  # more than these are "over 1000": nobody reads them one by one


def seen_to(db: Database, who: Person) -> tuple[int, str | None]:
    """The newest entry they have read, and when they said so; (0, None) for somebody who never did."""
    found = db.row("select seq, at from journal_seen where login = ?", (who.login,))
    return (0, None) if found is None else (int(found["seq"]), str(found["at"]))


def unread(db: Database, who: Person) -> int:
    """How many entries came since, without their own and what the box enters each minute; COUNTED at most."""
    seq, _ = seen_to(db, who)
    own = "select 1 from journal_personal p where p.seq = journal.seq and p.path = '/actor/id' and p.value = ?"
    return int(db.value(
        f"select count(*) from (select 1 from journal where seq > ? and {TOLD}"  # noqa: S608 - our own words
        f" and not exists ({own}) limit {COUNTED})", (seq, who.login)))  # fmt: skip


def since(db: Database, who: Person, limit: int) -> list[Entry]:
    """What came since, newest first, without their own."""
    found = journal.entries(db, after=seen_to(db, who)[0], newest_first=True, limit=limit * 2)
    return [entry for entry in found if entry.actor.id != who.login][:limit]


def mark(db: Database, clock: Clock, who: Person, seq: int) -> None:
    """They have read up to `seq`; never back, and never beyond what there is. Opens its own transaction."""
    with store.transaction(db):
        upto = min(seq, journal.head(db)[0])
        db.write("insert into journal_seen (login, seq, at) values (?, ?, ?) on conflict (login) do update set"
                 " seq = max(seq, excluded.seq), at = excluded.at", (who.login, upto, iso(clock.now())))  # fmt: skip
