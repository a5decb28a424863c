"""The alarm log in the columns that guards keep by law, and the conclusions people write into it. Reads the books.

Columns: Rosgvardia order 420 of 21.09.2018, Annex 8, "journal of checks of the alarm system and of its activations".
Its rows are alarms and tests. A conclusion is a journal entry; a later one stands before an earlier one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from appliance import journal, store
from appliance.alarm_classes import SILENT
from appliance.alarm_names import panel_name, place, said_of
from appliance.clock import Clock, iso
from appliance.config import Config
from appliance.model import N_, Actor, ApplianceError, Message, Person, Personal, message
from appliance.store import Database
from appliance.words import Words

SHOWN_IN_TEST = 8  # places named in a test's row; the others are counted
MOST_LINES = 2000  # in one answer; a longer span is asked for in parts

COLUMNS = (
    N_("Date and time of the entry"), N_("Name of those who checked or mended"),
    N_("Results of the check and notes on the activation"), N_("Guarded object (room) the alarm signal came from"),
    N_("Conclusion on the causes"), N_("Date and time of the remedy"), N_("Name, signature"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the log: an alarm, or a test (`alarm` None). Instants are UTC text, people are full names."""

    alarm: int | None
    at: str
    people: tuple[str, ...]
    result: tuple[Message, ...]
    place: Message
    conclusion: str | None
    concluded_by: str | None
    over_at: str | None
    entry: int | None
    silent: bool = False  # a silent call for help


def lines(db: Database, config: Config, since: datetime, until: datetime, *, silent: bool = True) -> tuple[Line, ...]:
    """What began in [since, until), oldest first. Without `silent`, a silent call that still stands is left out."""
    span = (iso(since), iso(until), MOST_LINES)
    alarms = db.rows("select a.*, e.text, p.name as by_name from alarm a left join event e on e.id = a.event"
                     " left join person p on p.login = a.acknowledged_by"
                     " where a.raised_at >= ? and a.raised_at < ? and a.test is null order by a.id limit ?",
                     span)  # fmt: skip
    tests = db.rows("select m.*, p.name from maintenance m left join person p on p.login = m.by_login"
                    " where m.since_at >= ? and m.since_at < ? order by m.id limit ?", span)  # fmt: skip
    loud = not config.profile.alarms.silent_loud
    shown = [row for row in alarms if silent or not (loud and row["kind"] in SILENT and _open(row))]
    found = [_alarm_line(db, config, row) for row in shown] + [_test_line(db, config, row) for row in tests]
    return tuple(sorted(found, key=lambda line: line.at))


def one(db: Database, config: Config, alarm_id: int) -> Line:
    """One alarm's line; ApplianceError when there is no such alarm."""
    row = db.row("select a.*, e.text, p.name as by_name from alarm a left join event e on e.id = a.event"
                 " left join person p on p.login = a.acknowledged_by where a.id = ?", (alarm_id,))  # fmt: skip
    if row is None:
        raise ApplianceError(N_("There is no alarm {alarm}."), alarm=alarm_id)
    return _alarm_line(db, config, row)


def _open(row: dict[str, Any]) -> bool:
    return row["restored_at"] is None or row["acknowledged_at"] is None


def _alarm_line(db: Database, config: Config, row: dict[str, Any]) -> Line:
    said, where, _ = said_of(db, config, row["id"])
    result, people, conclusion, concluded_by = [said], [], None, None
    for entry in _answers(db, row["entry"]):
        if entry.kind == "alarm.acknowledged":
            people.append(entry.actor.name)
            word = str(entry.data.get("comment") or "")
            result.append(message(N_("acknowledged {taken_at} {word}"), taken_at=entry.at, word=word))
        elif entry.kind == "alarm.concluded":
            conclusion, concluded_by = str(entry.data["word"]), entry.actor.name
            people.append(entry.actor.name)
    if row["acknowledged_at"] and not people:  # one press took several: its entry stands with the newest of them
        people.append(row["by_name"] or row["acknowledged_by"])
    if row["count"] > 1:
        result.insert(1, message(N_("times said: {times}"), times=row["count"]))
    return Line(row["id"], row["raised_at"], tuple(dict.fromkeys(people)), tuple(result), where, conclusion,
                concluded_by, row["restored_at"], row["entry"], row["kind"] in SILENT)  # fmt: skip


def _answers(db: Database, entry: int | None) -> Iterable[journal.Entry]:
    if entry is None:
        return []
    rows = db.rows("select seq, hash, row from journal where ref = ? and kind in"
                   " ('alarm.acknowledged', 'alarm.concluded') order by seq", (entry,))  # fmt: skip
    return journal.read(db, rows)


def _test_line(db: Database, config: Config, row: dict[str, Any]) -> Line:
    until = row["ended_at"] or row["until_at"]
    tried = db.rows(
        "select distinct e.zone, e.partition, e.account, e.user from event e where e.panel = ? and e.at >= ?"
        " and e.at < ? and e.state = 'active' and exists (select 1 from json_each(e.flags) where value = 'test')"
        " order by e.id", (row["panel"], row["since_at"], until),
    )  # fmt: skip
    result = [message(N_("Test mode: {reason}"), reason=row["reason"])]
    for event in tried[:SHOWN_IN_TEST]:
        zone = config.zone(row["panel"], event["zone"], event["account"], event["partition"])
        where = place(zone, event["zone"], event["partition"], event["user"])
        result.append(message(N_("activated: {place}"), place=where.as_json()))
    if len(tried) > SHOWN_IN_TEST:
        result.append(message(N_("and {more} more"), more=len(tried) - SHOWN_IN_TEST))
    where = panel_name(config, row["panel"])
    if row["zone"] is not None:
        known = config.zone(row["panel"], row["zone"], row["account"], row["partition"])
        where = place(known, row["zone"], row["partition"], None)
    return Line(None, row["since_at"], (row["name"] or row["by_login"],), tuple(result), where, None, None,
                row["ended_at"], row["entry"])  # fmt: skip


def conclude(db: Database, config: Config, clock: Clock, alarm_id: int, person: Person, word: str) -> int:
    """Write down why an alarm came. Opens its own transaction; returns the journal entry's number."""
    if not word.strip():
        raise ApplianceError(N_("Write what caused the alarm, as far as it is known."))
    with store.transaction(db):
        alarm = db.row("select id, panel, kind, entry from alarm where id = ?", (alarm_id,))
        if alarm is None or alarm["entry"] is None:
            raise ApplianceError(N_("There is no alarm {alarm}."), alarm=alarm_id)
        said, where, room = said_of(db, config, alarm_id)
        return journal.append(
            db, clock, "alarm.concluded", Actor.person(person), room=room, refs=[alarm["entry"]], alarm=alarm_id,
            panel=alarm["panel"], what=said.as_json(), zone=where.as_json(), word=Personal(word.strip()[:500]),
        )  # fmt: skip


def open_count(found: Iterable[Line]) -> int:
    """How many alarms have no conclusion yet."""
    return sum(line.alarm is not None and line.conclusion is None for line in found)


def cells(words: Words, found: Sequence[Line]) -> list[list[str]]:
    """The log's rows as text, in the language and the zone of `words`, one cell a column."""
    return [
        [
            f"{words.day(words.local(line.at))} {words.time(line.at)}", ", ".join(line.people),
            "; ".join(words.say(part).strip() for part in line.result), words.say(line.place), line.conclusion or "",
            f"{words.day(words.local(line.over_at))} {words.time(line.over_at)}" if line.over_at else "",
            line.concluded_by or (line.people[-1] if line.people else ""),
        ]
        for line in found
    ]  # fmt: skip
