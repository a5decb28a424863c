"""Exam days: what is planned, which hours must be recorded, and what must happen once (the moments).

The table decides, never a timer: whoever asks `due` gets what has to be done by the clock it brings. A moment
belongs to one exam *and one start*: a moved exam has its checks again, one moved back has not (docs/checks.md).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from appliance import journal, store
from appliance.clock import Clock, iso, parse
from appliance.config import Config
from appliance.model import N_, Actor, ApplianceError
from appliance.store import Database

Kind = Literal["checks", "seal"]

# Checks that ran by a clock that was later set back count while they were less than this early: an hour's step is still
# this exam's morning and they are not run twice; a box that thought it was next month, or kept local time in its UTC
# clock, has not checked anything that counts.
EARLY_COUNTS = timedelta(hours=2)

COUNT_SLACK = timedelta(seconds=6)  # time is counted with the heartbeat, every 5 s: the first count may come that late

# What the day's phases are called on pages; `phases` says when they are.
PHASES = {
    "checks": N_("Checks"),
    "record": N_("Recording begins"),
    "start": N_("Exam begins"),
    "end": N_("Exam ends"),
    "stop": N_("Recording ends"),
    "seal": N_("Archive is sealed"),
}


@dataclass(frozen=True, slots=True)
class Exam:
    """One exam. `rooms`: room codes, empty for every room. `state`: planned, cancelled or closed (sealed)."""

    id: str
    title: str
    starts_at: datetime
    ends_at: datetime
    rooms: tuple[str, ...]
    revision: int
    state: str
    sealed_at: datetime | None


@dataclass(frozen=True, slots=True)
class Window:
    """The required hours of one camera."""

    exam: str
    camera: str
    room: str
    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that must happen once for an exam with this start."""

    exam: str
    kind: Kind
    starts_at: datetime
    due_at: datetime


def plan(
    db: Database, config: Config, clock: Clock, actor: Actor, exam_id: str, title: str,
    starts_at: datetime, ends_at: datetime, rooms: tuple[str, ...] = (),
) -> Exam:  # fmt: skip
    """Put an exam on the plan, with its journal entry. Opens its own transaction."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,39}", exam_id):
        raise ApplianceError(N_("{exam} cannot name an exam. Use small letters, digits and hyphens, at most 40."),
                             exam=exam_id)  # fmt: skip
    if not title.strip():
        raise ApplianceError(N_("The exam has no title. Give it one."))
    _right_way_round(starts_at, ends_at)
    known = {room.code for room in config.rooms}
    for code in rooms:
        if code not in known:
            raise ApplianceError(N_("The site has no room {room}. Its rooms are {rooms}."),
                                 room=code, rooms=", ".join(sorted(known)))  # fmt: skip
    with store.transaction(db):
        if db.row("select id from exam where id = ?", (exam_id,)):
            raise ApplianceError(N_("There is an exam {exam} already. Move it, or give the new one another name."),
                                 exam=exam_id)  # fmt: skip
        db.write("insert into exam (id, title, starts_at, ends_at, rooms) values (?, ?, ?, ?, ?)",
                 (exam_id, title.strip(), iso(starts_at), iso(ends_at), json.dumps(list(rooms))))  # fmt: skip
        journal.append(db, clock, "exam.planned", actor, exam=exam_id, title=title.strip(), rooms=list(rooms),
                       **_told(starts_at, ends_at))  # fmt: skip
    return get(db, exam_id)


def move(
    db: Database, config: Config, clock: Clock, actor: Actor, exam_id: str, starts_at: datetime, ends_at: datetime
) -> Exam:
    """Give a planned exam other hours, with its journal entry. Opens its own transaction."""
    _right_way_round(starts_at, ends_at)
    with store.transaction(db):
        old = _still_planned(db, exam_id)
        db.write("update exam set starts_at = ?, ends_at = ?, revision = revision + 1 where id = ?",
                 (iso(starts_at), iso(ends_at), exam_id))  # fmt: skip
        journal.append(db, clock, "exam.moved", actor, exam=exam_id, title=old.title, was_starts_at=iso(old.starts_at),
                       was_ends_at=iso(old.ends_at), **_told(starts_at, ends_at))  # fmt: skip
    return get(db, exam_id)


def cancel(db: Database, clock: Clock, actor: Actor, exam_id: str) -> None:
    """Take an exam off the plan; its row and recordings stay. Opens its own transaction."""
    with store.transaction(db):
        old = _still_planned(db, exam_id)
        db.write("update exam set state = 'cancelled', revision = revision + 1 where id = ?", (exam_id,))
        journal.append(db, clock, "exam.cancelled", actor, exam=exam_id, title=old.title, starts_at=iso(old.starts_at))


def close(db: Database, exam_id: str, sealed_at: datetime) -> None:
    """Mark a planned exam as sealed, inside the caller's transaction; archive.seal writes the journal entry beside."""
    _still_planned(db, exam_id)
    db.write("update exam set state = 'closed', sealed_at = ? where id = ?", (iso(sealed_at), exam_id))


def get(db: Database, exam_id: str) -> Exam:
    """One exam; ApplianceError when there is none of that name."""
    found = db.row("select * from exam where id = ?", (exam_id,))
    if found is None:
        raise ApplianceError(N_("There is no exam {exam}. See: examsite exam list"), exam=exam_id)
    return _exam(found)


def exams(db: Database, *, since: datetime | None = None) -> list[Exam]:
    """Every exam in order of start, cancelled ones too; with `since`, those that end later than that."""
    sql = "select * from exam where ends_at > ? order by starts_at, id"
    return [_exam(found) for found in db.rows(sql, (iso(since) if since else "",))]


def windows(config: Config, exam: Exam) -> list[Window]:
    """The required hours of every camera in the exam's rooms, by the profile's window for the room's kind.

    A camera that was taken in or set aside in the midst of them is asked only for the hours in which the site had it.
    """
    found, kinds = [], {room.code: room.kind for room in config.rooms}
    for camera in (*config.cameras, *config.aside):
        room = camera.room_at(exam.starts_at)
        if room not in kinds or (exam.rooms and room not in exam.rooms):
            continue
        hours = config.profile.window(kinds[room], exam.starts_at, exam.ends_at)
        there = camera.there(*hours) if hours is not None else None
        if there is not None:
            found.append(Window(exam.id, camera.id, room, *there))
    return found


def required_now(db: Database, config: Config, now: datetime, *, without: str | None = None) -> dict[str, Window]:
    """Camera -> the window whose [start - lead, end + tail] holds `now`, planned exams only.

    Windows of one camera that touch, lead and tail included, are one: recorded without a stop, named by the earliest.
    `without` leaves one exam out of account.
    """
    return required_among([exam for exam in planned(db) if exam.id != without], config, now)


def required_among(planned: Iterable[Exam], config: Config, now: datetime) -> dict[str, Window]:
    """The same for whoever has read the planned exams already."""
    lead, tail = (timedelta(seconds=s) for s in (config.profile.recording.lead_s, config.profile.recording.tail_s))
    by_camera: dict[str, list[Window]] = {}
    for exam in planned:
        for window in windows(config, exam):
            by_camera.setdefault(window.camera, []).append(window)
    required: dict[str, Window] = {}
    for camera, found in by_camera.items():
        for window in _merged(found, lead + tail):
            if window.starts_at - lead <= now < window.ends_at + tail:
                required[camera] = window
    return required


def _merged(found: list[Window], join: timedelta) -> list[Window]:
    merged: list[Window] = []
    for window in sorted(found, key=lambda w: (w.starts_at, w.ends_at)):
        last = merged[-1] if merged else None
        if last is not None and window.starts_at <= last.ends_at + join:
            merged[-1] = Window(last.exam, last.camera, last.room, last.starts_at, max(last.ends_at, window.ends_at))
        else:
            merged.append(window)
    return merged


def span(config: Config, exam: Exam) -> tuple[datetime, datetime]:
    """From the first required minute of any camera to the last; the exam's own hours when nothing must be recorded."""
    found = windows(config, exam)
    return (min((w.starts_at for w in found), default=exam.starts_at),
            max((w.ends_at for w in found), default=exam.ends_at))  # fmt: skip


def moments(config: Config, exam: Exam) -> list[Moment]:
    """What must happen once for this exam, and when."""
    hours = config.profile.hours
    checks_at = exam.starts_at - timedelta(minutes=hours.checks_before_start_min)
    seal_at = span(config, exam)[1] + timedelta(minutes=hours.seal_after_last_window_min)
    return [Moment(exam.id, "checks", exam.starts_at, checks_at), Moment(exam.id, "seal", exam.starts_at, seal_at)]


def phases(config: Config, exam: Exam) -> list[tuple[str, datetime]]:
    """The day as the Today page shows it: (kind, at) in order of time; PHASES has the words."""
    first, last = span(config, exam)
    checks, seal = moments(config, exam)
    known = [("checks", checks.due_at), ("record", first), ("start", exam.starts_at), ("end", exam.ends_at),
             ("stop", last), ("seal", seal.due_at)]  # fmt: skip
    return sorted(known, key=lambda phase: phase[1])


def due(db: Database, config: Config, now: datetime) -> list[Moment]:
    """Moments of planned exams whose hour has come by this clock and that nobody has done or is doing.

    Checks are due only until the exam's end: by a clock a month ahead it is over, and its checks must not be used up.
    For `seal` the wall clock alone is no proof; whoever seals also asks `long_enough`.
    """
    return [m for exam in planned(db) for m in moments(config, exam)
            if m.due_at <= now and (m.kind == "seal" or now < exam.ends_at) and _open(db, m)]  # fmt: skip


def _open(db: Database, moment: Moment) -> bool:
    row = _row(db, moment)
    if row is None:
        return True
    if row["done_at"] is None:
        return row["claimed_at"] is None
    done_at, result = parse(row["done_at"]), json.loads(row["result"] or "{}")
    return moment.kind == "checks" and _far_too_early(db, moment, done_at, result)


def _far_too_early(db: Database, moment: Moment, done_at: datetime, result: dict[str, Any]) -> bool:
    """Whether the clock that let this moment happen has since been found to be wrong, by more than EARLY_COUNTS.

    Every later step of the clock is in the journal: the same instant by today's clock is `done_at` plus their sum. (A
    box that boots in 1970 and is set right a minute later adds nothing: there and back.)
    """
    steps = db.rows("select row from journal where kind = 'clock.stepped' and seq > ?", (int(result.get("entry", 0)),))
    shift_ms = sum(int(json.loads(s["row"])["data"]["step_ms"]) for s in steps)
    return done_at + timedelta(milliseconds=shift_ms) < moment.due_at - EARLY_COUNTS


def claim(db: Database, clock: Clock, moment: Moment) -> bool:
    """Take a moment to do it; False when it is taken or done. Opens its own transaction."""
    with store.transaction(db):
        if not _open(db, moment):
            return False
        db.write(
            "insert into moment (exam, kind, starts_at, due_at, claimed_at) values (:exam, :kind, :starts, :due, :now)"
            " on conflict (exam, kind, starts_at) do update"
            " set due_at = :due, claimed_at = :now, done_at = null, result = null",
            {"exam": moment.exam, "kind": moment.kind, "starts": iso(moment.starts_at), "due": iso(moment.due_at),
             "now": iso(clock.now())},
        )  # fmt: skip
    return True


def finish(db: Database, clock: Clock, moment: Moment, result: dict[str, Any]) -> None:
    """The moment has happened, inside the caller's transaction: it and what it wrote stand or fall together."""
    kept = {**result, "entry": journal.head(db)[0]}
    db.write("update moment set done_at = ?, result = ? where exam = ? and kind = ? and starts_at = ?",
             (iso(clock.now()), json.dumps(kept), *_key(moment)))  # fmt: skip


def release_claims(db: Database, moment: Moment | None = None) -> int:
    """Make claimed moments due again: all when the keeper starts, as whoever held them is gone; or the one that failed.

    Opens its own transaction.
    """
    one = "" if moment is None else " and exam = ? and kind = ? and starts_at = ?"
    with store.transaction(db):
        return db.write(f"update moment set claimed_at = null where claimed_at is not null and done_at is null{one}",  # noqa: S608
                        () if moment is None else _key(moment)).rowcount  # fmt: skip


def count_time(db: Database, config: Config, clock: Clock) -> None:
    """Count the time the box itself has lived through since each exam's first window opened. Opens its own transaction.

    By the monotonic clock, which no step touches; it goes on over restarts of the keeper, and over a reboot it loses
    only the time the box was off. A clock that says the exam has not begun sets the count back to nothing.
    """
    begun = [(moments(config, exam)[1], clock.now() >= span(config, exam)[0]) for exam in planned(db)]
    counted = [(moment, counts) for moment, counts in begun if counts or _row(db, moment) is not None]
    if not counted:
        return
    boot, mono_ms = clock.boot(), int(clock.mono_s() * 1000)
    with store.transaction(db):
        for moment, counts in counted:
            old = _row(db, moment)
            lived_ms = 0
            if counts and old is not None and old["boot"] is not None:
                lived_ms = old["lived_ms"] + mono_ms - (old["mono_ms"] if old["boot"] == boot else 0)
            db.write(
                "insert into moment (exam, kind, starts_at, due_at, lived_ms, boot, mono_ms)"
                " values (?, ?, ?, ?, ?, ?, ?) on conflict (exam, kind, starts_at) do update"
                " set lived_ms = excluded.lived_ms, boot = excluded.boot, mono_ms = excluded.mono_ms",
                (*_key(moment), iso(moment.due_at), lived_ms, boot if counts else None, mono_ms),
            )


def long_enough(db: Database, config: Config, moment: Moment) -> bool:
    """The second clock of the two-clock rule: has the box lived through the exam, as far as the plan was known to it?

    Sealing ends an exam for good, so a wall clock that jumps ahead, in the middle of recording or at a boot without a
    clock chip, must not reach it. The box must itself have counted the time between the first window (or the planning,
    when an exam was planned after that) and the hour of sealing. A box that was off meanwhile seals that much later,
    which harms nobody.
    """
    exam = get(db, moment.exam)
    since = span(config, exam)[0]
    planned_at = db.value("select at from journal where exam = ? and kind in ('exam.planned', 'exam.moved')"
                          " order by seq desc limit 1", (exam.id,))  # fmt: skip
    if planned_at and since < parse(planned_at) < exam.ends_at:  # planned "after its end": that clock was wrong
        since = parse(planned_at)
    row = _row(db, moment)
    lived = timedelta(milliseconds=row["lived_ms"] if row else 0)
    return lived + COUNT_SLACK >= moment.due_at - since


def _row(db: Database, moment: Moment) -> dict[str, Any] | None:
    return db.row("select * from moment where exam = ? and kind = ? and starts_at = ?", _key(moment))


def planned(db: Database) -> list[Exam]:
    """The exams that are neither over nor cancelled, in order of start."""
    return [_exam(found) for found in db.rows("select * from exam where state = 'planned' order by starts_at, id")]


def _still_planned(db: Database, exam_id: str) -> Exam:
    exam = get(db, exam_id)
    if exam.state == "closed":
        raise ApplianceError(N_("Exam {exam} is over and its archive is sealed. Nothing was changed."), exam=exam_id)
    if exam.state == "cancelled":
        raise ApplianceError(N_("Exam {exam} is cancelled. Plan it again under another name."), exam=exam_id)
    return exam


def _right_way_round(starts_at: datetime, ends_at: datetime) -> None:
    if ends_at <= starts_at:
        raise ApplianceError(N_("The exam would end before it starts. Give its hours again."))


def _told(starts_at: datetime, ends_at: datetime) -> dict[str, Any]:
    return {"starts_day": iso(starts_at), "starts_at": iso(starts_at), "ends_at": iso(ends_at)}


def _key(moment: Moment) -> tuple[str, str, str]:
    return moment.exam, moment.kind, iso(moment.starts_at)


def _exam(found: dict[str, Any]) -> Exam:
    return Exam(
        id=found["id"], title=found["title"], starts_at=parse(found["starts_at"]), ends_at=parse(found["ends_at"]),
        rooms=tuple(json.loads(found["rooms"])), revision=found["revision"], state=found["state"],
        sealed_at=parse(found["sealed_at"]) if found["sealed_at"] else None,
    )  # fmt: skip
