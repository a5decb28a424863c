"""Alarms: what the panels say becomes events, zones, alarms and journal entries, which stand or fall together.

Owns event, zone and alarm; the lines are in `links`, the board people watch in `alarm_board`.
The order of events is the order of their numbers, never the panel's clock.
An alarm leaves the board when the panel said it is over *and* somebody acknowledged it, in either order.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from appliance import arming, exams, journal, maintenance, shelving, store
from appliance.alarm_board import Board, BoardAlarm, BoardLink, board
from appliance.alarm_classes import INTRUSION, active_group
from appliance.alarm_names import LINK_KEY, panel_name, said_of, zone_of
from appliance.alarm_said import WATCH, Said, ends, key_for, vague
from appliance.clock import Clock, iso, parse
from appliance.config import Config
from appliance.model import N_, Actor, ApplianceError, Person, Personal, message
from appliance.store import Database
from drivers.panels import dates
from drivers.types import Frame, PanelEvent, Point

__all__ = [
    "Board", "BoardAlarm", "BoardLink", "Recorded", "acknowledge", "ask_again", "board", "end_no_link", "raise_no_link",
    "record",
]  # fmt: skip

REPEAT_S = 10.0  # a panel that got no acknowledgement says the same again within this
UNPARSED_EVERY_S = 60.0  # lines we do not know are all kept as events, but journalled at most this often
DOORS = ("rack-door", "room-door", "box-cover")
# What a door contact reports; its tamper stays an alarm.
DOOR_KINDS = ("zone.open", "intrusion.alarm", "access", "tech.alarm")


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of one event: its row, the alarm it raised or ended, its journal entry. None: nothing of the kind."""

    event: int
    alarm: int | None = None
    entry: int | None = None


def record(db: Database, config: Config, panel: str, frame: Frame, clock: Clock) -> list[Recorded]:
    """Keep the events of a frame, inside the caller's transaction. Acknowledge to the panel only after it committed.

    A frame that says the same bytes as the one before within 10 s is a repeat of a panel that heard no
    acknowledgement: it is kept once, and the empty list says so.
    """
    if not frame.events:
        return []
    repeated = None if frame.news else _repeated(db, panel, frame, clock)
    if repeated is not None:
        db.write("update event set repeats = repeats + 1, repeated_at = ? where id = ?", (iso(clock.now()), repeated))
        return []
    exam, windows = _exam_now(db, config, clock), maintenance.current(db, config, clock.now())
    news = [event for event in frame.events if "status" not in event.flags or _changes(db, panel, event)]
    return [_record_one(db, config, panel, event, clock, exam, windows) for event in news]


def _changes(db: Database, panel: str, event: PanelEvent) -> bool:
    """Whether a state that was read, not reported, says anything our books do not hold already."""
    if event.state == "info":
        if event.kind not in ("arm", "disarm"):  # an axis of its own; all else that is only said once is news
            return True
        last = db.value(
            "select kind from event where panel = ? and account is ? and partition is ? and zone is ?"
            " and kind in ('arm', 'disarm') order by id desc limit 1",
            (panel, event.account, event.partition, event.zone),
        )  # fmt: skip
        return bool(last != event.kind)
    key = key_for(event, event.kind)
    booked = db.value("select active from zone where panel = ? and key = ?", (panel, key))
    if event.state == "active":
        return not booked
    return bool(booked) or any(ends(event, alarm["key"]) for alarm in _standing(db, panel))


def _repeated(db: Database, panel: str, frame: Frame, clock: Clock) -> int | None:
    """The event this frame says again. Measured from its last repeat: a receiver repeats every 4 s, for longer than 10.

    Against the last frame of the same sort: a garbled repeat in between does not make the next one new.
    """
    sort = "=" if frame.events[0].kind == "info.unparsed" else "<>"
    last = db.row(f"select id, coalesce(repeated_at, at) as at, raw from event where panel = ? and kind {sort}"  # noqa: S608
                  " 'info.unparsed' order by id desc limit 1", (panel,))  # fmt: skip
    if last is None or not last["raw"] or last["raw"] != frame.events[0].raw.hex():
        return None
    since_s = abs((clock.now() - parse(last["at"])).total_seconds())  # abs: the clock may have been set back
    return int(last["id"]) if since_s <= REPEAT_S else None


def newest_of_log(db: Database, panel: str) -> bytes | None:
    """What the newest kept event out of this panel's own log looked like; None when there is none."""
    raw = db.value(
        "select raw from event where panel = ? and exists (select 1 from json_each(flags) where value = 'log')"
        " order by id desc limit 1", (panel,),
    )  # fmt: skip
    return None if raw is None else bytes.fromhex(raw)


def active_points(db: Database, panel: str) -> set[Point]:
    """What is active in our books, as (class, partition, zone)."""
    found = db.rows("select key, kind from zone where panel = ? and active", (panel,))
    points = ((row["kind"], *row["key"].split("|")[2:4]) for row in found)
    return {(kind, partition or None, number or None) for kind, partition, number in points}


def _exam_now(db: Database, config: Config, clock: Clock) -> str | None:
    now = clock.now()
    for exam in exams.exams(db, since=now - timedelta(days=1)):
        begins_at, ends_at = exams.span(config, exam)
        if exam.state != "cancelled" and begins_at <= now <= ends_at:
            return exam.id
    return None


def _record_one(
    db: Database, config: Config, panel: str, event: PanelEvent, clock: Clock, exam: str | None,
    windows: Sequence[maintenance.Window],
) -> Recorded:  # fmt: skip
    worked_on = maintenance.covering(windows, panel, event.zone, event.account, event.partition) is not None
    test = "site" if worked_on else "panel" if "test" in event.flags else None
    flags = (*event.flags, "test") if test and "test" not in event.flags else event.flags
    cursor = db.write(
        "insert into event (at, panel, kind, state, zone, partition, user, account, code, text, panel_time, raw, flags)"
        " values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (iso(clock.now()), panel, event.kind, event.state, event.zone, event.partition, event.user, event.account,
         event.code, event.text, dates.panel_time(event, clock.now()), event.raw.hex(),
         json.dumps(flags)),
    )  # fmt: skip
    zone = zone_of(config, panel, event.zone, event.account, event.partition)
    said = Said(panel, event, int(cursor.lastrowid or 0), key_for(event, event.kind), zone, exam, test)
    if "events-lost" in event.flags:
        return _lost(db, config, said, clock)
    if event.kind == "value":
        return Recorded(said.row)
    if event.state == "info" or "history" in event.flags or event.kind in arming.KINDS:
        return _note(db, said, clock)
    if event.kind == "zone.open" and (zone is None or zone.role not in DOORS):
        _save_zone(db, said, clock, active=event.state == "active")  # people walk about all day: no news to anybody
        return Recorded(said.row)
    if zone is not None and zone.role in DOORS and event.kind in DOOR_KINDS:
        return _door(db, said, clock)
    return _raise(db, said, clock) if event.state == "active" else _restore(db, said, clock)


def _note(db: Database, said: Said, clock: Clock) -> Recorded:
    """What is only said once: arming, tests, lines we do not know. `reset-all` ends everything of that source; a
    panel that merely started anew (Contact ID 305) does not say so and ends nothing."""
    if said.event.kind == "info.unparsed":
        return _note_unparsed(db, said, clock)
    old = "history" in said.event.flags
    if said.event.kind in arming.KINDS and not old:
        arming.note(db, said.panel, said.event, said.row, clock)
    if "reset-all" in said.event.flags and not old:
        whole = f"{said.event.account or ''}|"
        _end(db, said, clock, [a for a in _standing(db, said.panel) if a["key"].startswith(whole)])
    entry = journal.append(db, clock, "panel.event", WATCH, exam=said.exam, room=said.room, **said.facts)
    return Recorded(said.row, entry=entry)


def _note_unparsed(db: Database, said: Said, clock: Clock) -> Recorded:
    last = db.value("select at from journal where kind = 'panel.unparsed' and json_extract(row, '$.data.panel') = ?"
                    " order by seq desc limit 1", (said.panel,))  # fmt: skip
    if last and abs((clock.now() - parse(last)).total_seconds()) < UNPARSED_EVERY_S:
        return Recorded(said.row)
    entry = journal.append(db, clock, "panel.unparsed", WATCH, exam=said.exam, panel=said.panel, event=said.row,
                           line=said.event.text[:200])  # fmt: skip
    return Recorded(said.row, entry=entry)


def _lost(db: Database, config: Config, said: Said, clock: Clock) -> Recorded:
    """The panel's numbering skipped: something happened that nobody will ever tell us."""
    lost = message(N_("how many nobody knows")).as_json() if said.event.value is None else round(said.event.value)
    entry = journal.append(db, clock, "events.lost", WATCH, exam=said.exam, panel=said.panel, event=said.row,
                           panel_name=panel_name(config, said.panel).as_json(), lost=lost)  # fmt: skip
    return Recorded(said.row, entry=entry)


def _save_zone(db: Database, said: Said, clock: Clock, *, active: bool) -> None:
    db.write(
        "insert into zone (panel, key, kind, active, since_at, event)"
        " values (:panel, :key, :kind, :active, :at, :event)"
        " on conflict (panel, key) do update set event = :event, kind = :kind, active = :active,"
        " since_at = case when zone.active = :active then zone.since_at else :at end",
        {"panel": said.panel, "key": said.key, "kind": said.event.kind, "active": int(active), "at": iso(clock.now()),
         "event": said.row},
    )  # fmt: skip


def _door(db: Database, said: Said, clock: Clock) -> Recorded:
    """A watched door or the box's own cover: an entry instead of an alarm. What it must fit is `matching`'s."""
    opened = said.event.state == "active"
    before = db.row("select active, since_at from zone where panel = ? and key = ?", (said.panel, said.key))
    _save_zone(db, said, clock, active=opened)
    role = said.zone.role if said.zone else "rack-door"
    facts, thing = {**said.facts, "role": role}, "box" if role == "box-cover" else "door"
    if opened:
        entry = journal.append(db, clock, f"{thing}.opened", WATCH, exam=said.exam, room=said.room, **facts)
        return Recorded(said.row, entry=entry)
    open_ms: int | None = None
    if before is not None and before["active"]:
        open_ms = max(0, round((clock.now() - parse(before["since_at"])).total_seconds() * 1000))
    opening = _opening(db, said, f"{thing}.opened")
    entry = journal.append(db, clock, f"{thing}.closed", WATCH, exam=said.exam, room=said.room,
                           refs=[opening] if opening else [], open_ms=open_ms, **facts)  # fmt: skip
    return Recorded(said.row, entry=entry)


def _opening(db: Database, said: Said, kind: str) -> int | None:
    """The entry of the opening that this closing ends."""
    found = db.value(
        "select seq from journal where kind = ? and json_extract(row, '$.data.panel') = ?"
        " and json_extract(row, '$.data.number') is ? and json_extract(row, '$.data.account') is ?"
        " and json_extract(row, '$.data.partition') is ? order by seq desc limit 1",
        (kind, said.panel, said.event.zone, said.event.account, said.event.partition),
    )
    return None if found is None else int(found)


def _raise(db: Database, said: Said, clock: Clock) -> Recorded:
    _save_zone(db, said, clock, active=True)
    kind, at = said.event.kind, iso(clock.now())
    standing = db.row("select id, acknowledged_at, test from alarm where panel = ? and key = ? and restored_at is null"
                      " order by id desc limit 1", (said.panel, said.key))  # fmt: skip
    if standing is not None:
        real = standing["test"] and not said.test  # said in a test, and now in earnest
        if not real and not (standing["acknowledged_at"] and active_group(kind).again):
            db.write("update alarm set count = count + 1, event = ? where id = ?", (said.row, standing["id"]))
            return Recorded(said.row, alarm=int(standing["id"]))
        db.write("update alarm set restored_at = ? where id = ?", (at, standing["id"]))  # a new call for help follows
    entry = journal.append(db, clock, "alarm.tested" if said.test else "alarm.raised", said.service, exam=said.exam,
                           room=said.room, **said.facts)  # fmt: skip
    cursor = db.write(
        "insert into alarm (panel, key, kind, zone, raised_at, event, entry, test) values (?, ?, ?, ?, ?, ?, ?, ?)",
        (said.panel, said.key, kind, said.event.zone, at, said.row, entry, said.test),
    )
    return Recorded(said.row, alarm=int(cursor.lastrowid or 0), entry=entry)


def _restore(db: Database, said: Said, clock: Clock) -> Recorded:
    """End what this is the end of: the same class and point; failing that, the point's other classes of the family."""
    fits = [alarm for alarm in _standing(db, said.panel) if ends(said.event, alarm["key"])]
    exact = [] if vague(said.event) else [alarm for alarm in fits if alarm["key"] == said.key]
    ended = exact or fits
    _end(db, said, clock, ended)
    _save_zone(db, said, clock, active=False)
    entry = journal.append(db, clock, "alarm.restored", said.service, exam=said.exam, room=said.room,
                           refs=[a["entry"] for a in ended if a["entry"]], **said.facts)  # fmt: skip
    return Recorded(said.row, alarm=int(ended[0]["id"]) if ended else None, entry=entry)


def _standing(db: Database, panel: str) -> list[dict[str, Any]]:
    return db.rows("select id, key, entry from alarm where panel = ? and key <> ? and restored_at is null order by id",
                   (panel, LINK_KEY))  # fmt: skip


def _end(db: Database, said: Said, clock: Clock, ended: list[dict[str, Any]]) -> None:
    for alarm in ended:
        # Raised in a test that is over by now: it is taken in hand like any other.
        db.write("update alarm set restored_at = ?, test = case when ? then test end where id = ?",
                 (iso(clock.now()), said.test is not None, alarm["id"]))  # fmt: skip
        db.write("update zone set active = 0, since_at = ?, event = ? where panel = ? and key = ?",
                 (iso(clock.now()), said.row, said.panel, alarm["key"]))  # fmt: skip


def acknowledge(
    db: Database, config: Config, clock: Clock, alarm_id: int, person: Person, comment: str = "",
    version: int | None = None,
) -> int:  # fmt: skip
    """Somebody takes an alarm in hand. Opens its own transaction; returns the journal entry's number.

    The first one stands: a second person is told who was first; the same person pressing twice changes nothing.
    Fire, panic and duress need a comment. `version` is what the page showed.
    """
    with store.transaction(db):
        alarm = db.row("select * from alarm where id = ?", (alarm_id,))
        if alarm is None:
            raise ApplianceError(N_("There is no alarm {alarm}."), alarm=alarm_id)
        if alarm["acknowledged_at"]:
            return _already(db, alarm, person)
        if version is not None and version != alarm["version"]:
            raise ApplianceError(N_("This alarm changed since you saw it. Look at it again, then acknowledge."))
        if active_group(alarm["kind"]).needs_comment and not comment.strip():
            raise ApplianceError(N_("Say what you are doing: fire, panic and duress are acknowledged with a word."))
        now = iso(clock.now())
        # No panel ever says that a duress code is over: taking it in hand ends it.
        restored_at = alarm["restored_at"] or (now if alarm["kind"] == "duress" else None)
        db.write("update alarm set acknowledged_at = ?, acknowledged_by = ?, comment = ?, restored_at = ?,"
                 " version = version + 1 where id = ?",
                 (now, person.login, comment.strip(), restored_at, alarm_id))  # fmt: skip
        # It was over and came back while nobody looked: the board shows one row, and one press takes them all.
        db.write("update alarm set acknowledged_at = ?, acknowledged_by = ?, comment = ?, version = version + 1"
                 " where panel = ? and key = ? and id < ? and restored_at is not null and acknowledged_at is null",
                 (now, person.login, comment.strip(), alarm["panel"], alarm["key"], alarm_id))  # fmt: skip
        return _acknowledged_entry(db, config, clock, alarm, person, comment.strip())


def _already(db: Database, alarm: Mapping[str, Any], person: Person) -> int:
    if alarm["acknowledged_by"] != person.login:
        name = db.value("select name from person where login = ?", (alarm["acknowledged_by"],))
        raise ApplianceError(N_("{name} already acknowledged at {when_at}. Your press changed nothing."),
                             name=name or alarm["acknowledged_by"], when_at=alarm["acknowledged_at"])  # fmt: skip
    return int(db.value(
        "select max(seq) from journal where kind = 'alarm.acknowledged' and json_extract(row, '$.data.alarm') = ?",
        (alarm["id"],)))  # fmt: skip


def _acknowledged_entry(
    db: Database, config: Config, clock: Clock, alarm: Mapping[str, Any], person: Person, comment: str
) -> int:
    said, where, room = said_of(db, config, alarm["id"])
    return journal.append(
        db, clock, "alarm.acknowledged", Actor.person(person), exam=_exam_now(db, config, clock),
        room=room, refs=[alarm["entry"]] if alarm["entry"] else [], alarm=int(alarm["id"]),
        panel=alarm["panel"], what=said.as_json(), zone=where.as_json(), comment=Personal(comment),
        **{"class": alarm["kind"]},
    )  # fmt: skip


def ask_again(db: Database, config: Config, clock: Clock) -> int:
    """What was acknowledged and still stands asks again: its acknowledgement is withdrawn. Returns how many.

    Opens its own transaction when there are any. Who had taken it stays in the journal.
    """
    now, limits = clock.now(), config.profile.alarms
    taken = db.rows("select a.*, p.name from alarm a left join person p on p.login = a.acknowledged_by"
                    " where a.restored_at is null and a.acknowledged_at <= ?",
                    (iso(now - timedelta(minutes=min(limits.ask_again_min, limits.ask_again_fault_min))),))  # fmt: skip
    asides = shelving.current(db, config, now) if taken else {}
    due = [a for a in taken if (a["panel"], a["key"]) not in asides and _patience(config, a["kind"]) <= now - parse(
        a["acknowledged_at"])]  # fmt: skip
    if not due:
        return 0
    with store.transaction(db):
        for alarm in due:
            changed = db.write(
                "update alarm set acknowledged_at = null, acknowledged_by = null, asked_at = ?, version = version + 1"
                " where id = ? and version = ? and restored_at is null", (iso(now), alarm["id"], alarm["version"]),
            ).rowcount  # fmt: skip
            if not changed:
                continue  # it ended, or somebody took it, since we looked
            said, where, room = said_of(db, config, alarm["id"])
            journal.append(
                db, clock, "alarm.asked", WATCH, exam=_exam_now(db, config, clock), room=room,
                refs=[alarm["entry"]] if alarm["entry"] else [], alarm=alarm["id"], panel=alarm["panel"],
                what=said.as_json(), zone=where.as_json(), by=Personal(alarm["name"] or alarm["acknowledged_by"]),
                taken_at=alarm["acknowledged_at"],
            )  # fmt: skip
    return len(due)


def _patience(config: Config, kind: str) -> timedelta:
    limits = config.profile.alarms
    urgent = active_group(kind).rank <= INTRUSION.rank
    return timedelta(minutes=limits.ask_again_min if urgent else limits.ask_again_fault_min)


def raise_no_link(db: Database, panel: str, clock: Clock, entry: int) -> None:
    """A panel that is not heard is an alarm of its own, inside the caller's transaction. Once until it is heard."""
    if db.row("select id from alarm where panel = ? and key = ? and restored_at is null", (panel, LINK_KEY)) is None:
        db.write("insert into alarm (panel, key, kind, raised_at, entry) values (?, ?, 'comm.loss', ?, ?)",
                 (panel, LINK_KEY, iso(clock.now()), entry))  # fmt: skip


def end_no_link(db: Database, panel: str, clock: Clock) -> list[int]:
    """The panel is heard again, inside the caller's transaction. Returns the entries of the alarms this ended."""
    ended = db.rows("select id, entry from alarm where panel = ? and key = ? and restored_at is null",
                    (panel, LINK_KEY))  # fmt: skip
    for alarm in ended:
        db.write("update alarm set restored_at = ? where id = ?", (iso(clock.now()), alarm["id"]))
    return [int(alarm["entry"]) for alarm in ended if alarm["entry"]]
