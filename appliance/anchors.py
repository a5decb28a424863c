"""Marks of the journal outside the box: every checkpoint that left it, and what contradicts it when it comes back.

What is newer than the newest mark outside can be rewritten by whoever holds the box; so the age of that mark is the
journal's true quality, shown on pages and judged by the readiness checks. docs/journal-witness.md
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from appliance import alarms, checkpoints, journal, merkle, store
from appliance.alarm_names import JOURNAL_PANEL
from appliance.clock import Clock, iso, parse
from appliance.config import Config
from appliance.model import N_, Actor, Message, message
from appliance.store import Database
from drivers import medium
from drivers.types import EventState, Frame, PanelEvent

Kind = Literal["print", "export", "stick", "witness", "copied"]
State = Literal["fresh", "remark", "failed", "contradicted"]
CONTRADICTED = "anchor.contradicted"

UNMARKED = N_("The journal has no mark outside the box since {since_day} {since_at}.")
NEVER = N_("The journal never had a mark outside the box; it begins on {since_day} at {since_at}.")
YOUNG = N_("The journal was not marked outside the box yet.")
PUT_IN = N_("Put in the head's stick.")
CALLED = N_("A mark outside the box contradicts the journal")
CONTRADICTS = N_("A mark outside the box contradicts the journal.")
AGREES = N_("The journal and its marks outside the box were looked into")

# What a mark that comes back may show. `known`: how many entries it was made over, `size`: how many there are.
OLDER = N_(
    "the journal is older than the mark remembers: there are {size} entries, it was made over {known}. The box was put"
    " back to an earlier state, or entries were cut off"
)
FORK = N_(
    "the first {known} entries are not those the mark was made over: the journal was rewritten, or two boxes go on from"
    " one card"
)
OTHER = N_("the mark is of another journal, {origin}; this one is {own}")


@dataclass(frozen=True, slots=True)
class Anchor:
    """One checkpoint that left. `note`: what a witness gave back, the checkpoint with its cosignature."""

    id: int
    size: int
    kind: Kind
    at: str
    place: str
    by_login: str
    note: str | None


@dataclass(frozen=True, slots=True)
class Standing:
    """How well the journal is marked outside. `since_at`: when the newest mark left, or when the journal began."""

    state: State
    since_at: str | None
    said: Message
    contradiction: Message | None = None


def note(
    db: Database, clock: Clock, size: int, kind: Kind, place: str, by: str = "", text: str | None = None
) -> None:  # fmt: skip
    """Remember that the checkpoint over `size` entries left the box, inside the caller's transaction."""
    db.write("insert into anchor (size, kind, at, place, by_login, note) values (?, ?, ?, ?, ?, ?)",
             (size, kind, iso(clock.now()), place, by, text))  # fmt: skip


def _anchor(row: Mapping[str, Any]) -> Anchor:
    return Anchor(**row)


def newest(db: Database, kind: Kind | None = None, place: str | None = None) -> Anchor | None:
    """The mark over the most entries, of one kind and place if they are given."""
    row = db.row("select * from anchor where kind = coalesce(?, kind) and place = coalesce(?, place)"
                 " order by size desc, at desc limit 1", (kind, place))  # fmt: skip
    return None if row is None else _anchor(row)


def recent(db: Database, limit: int = 20) -> list[Anchor]:
    """The newest marks; of each witness the newest one alone, else nothing but its minutes would be seen."""
    return [_anchor(row) for row in db.rows(
        "select * from anchor where kind <> 'witness' or id in (select max(id) from anchor where kind = 'witness'"
        " group by place) order by id desc limit ?", (limit,)
    )]  # fmt: skip


def bracket(db: Database) -> dict[str, Any]:
    """For a sign of life: the newest cosignature of any witness. An entry that holds it was not written before it."""
    row = db.row("select size, note from anchor where kind = 'witness' order by size desc limit 1")
    return {} if row is None else {"witnessed": {"size": row["size"], "line": str(row["note"]).splitlines()[-1]}}


def outside(config: Config, folder: Path) -> bool:
    """Whether a folder leaves with somebody: below a configured target, or on a USB stick.

    Anything else may be the box's own: better one mark too few is counted than one too many.
    """
    folder = folder.absolute()
    leaving = (*(target.path.absolute() for target in config.export_targets), *medium.sticks())
    return any(folder.is_relative_to(place) for place in leaving)


def standing(db: Database, config: Config, now: datetime) -> Standing:
    """How long the journal has had no mark outside, against the profile's hours; or what contradicts it."""
    found = contradiction(db)
    if found is not None:
        return Standing("contradicted", None, message(CONTRADICTS), found)
    head, last = journal.head(db)[0], newest(db)
    since_at = last.at if last is not None else db.value("select at from journal where seq = 1")
    if since_at is None or (last is not None and last.size >= head):
        return Standing("fresh", since_at, message(N_("All of the journal is marked outside the box.")))
    limits, age = config.profile.journal, now - parse(since_at)
    state: State = "fresh"
    if age >= timedelta(hours=limits.anchor_fail_h):
        state = "failed"
    elif age >= timedelta(hours=limits.anchor_remark_h) or age < timedelta(0):  # the clock was set back: who knows
        state = "remark"
    if state == "fresh":
        text = N_("The journal was marked outside the box at {since_at}, {size} entries.") if last else YOUNG
    else:
        text = UNMARKED if last else NEVER
    said = message(text, since_day=since_at, since_at=since_at, size=last.size if last else 0)
    return Standing(state, since_at, said)


def contradiction(db: Database) -> Message | None:
    """What a mark that came back said against the journal, until the head has accepted an explanation."""
    for entry in journal.waiting(db):
        if entry.kind == CONTRADICTED:
            return message(N_("{place}: {cause}."), place=entry.data["place"], cause=entry.data["cause"])
    return None


def contradict(db: Database, config: Config, clock: Clock, who: Actor, place: str, cause: Message) -> bool:
    """Enter it and call, once for each thing a mark says; True when that was now. Opens its own transaction."""
    said = cause.as_json()
    if any(old.data["place"] == place and _same(old.data["cause"], said)
           for old in journal.entries(db, kinds=[CONTRADICTED], newest_first=True, limit=1000)):  # fmt: skip
        return False
    with store.transaction(db):
        journal.append(db, clock, CONTRADICTED, who, place=place, cause=said, waits="explanation")
        _call(db, config, clock, "active", CALLED)
    return True


def _same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two causes are one: how many entries there are by now is no difference."""
    return (one["text"], {**one["args"], "size": 0}) == (other["text"], {**other["args"], "size": 0})


def settle(db: Database, config: Config, clock: Clock) -> None:
    """End the alarm once every contradiction was explained and accepted. Opens its own transaction when it does."""
    standing = db.value("select 1 from zone where panel = ? and active", (JOURNAL_PANEL,))
    if standing is not None and contradiction(db) is None:
        with store.transaction(db):
            _call(db, config, clock, "restored", AGREES)


def _call(db: Database, config: Config, clock: Clock, state: EventState, text: str) -> None:
    event = PanelEvent("tamper", state, text=text, code="journal")
    alarms.record(db, config, JOURNAL_PANEL, Frame(b"", (event,), news=True), clock)


def against(db: Database, size: int, root: bytes) -> Message | None:
    """What a mark over `size` entries with this root says against the journal; None when it continues it."""
    here = merkle.size(db)
    if size > here:
        return message(OLDER, size=here, known=size)
    if merkle.root(db, size) != root:
        return message(FORK, known=size)
    return None


def leaves_now(db: Database, config: Config, clock: Clock) -> checkpoints.Checkpoint | None:
    """A checkpoint over everything there is, to leave with now. Opens its own transaction."""
    return checkpoints.sign(db, config, clock, "asked") or checkpoints.latest(db)
