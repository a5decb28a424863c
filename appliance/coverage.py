"""Required window minus recorded spans = gaps, each with its cause.

A gap's cause comes from evidence: outages the recorder wrote down as they happened, the journal, the plan. Recorded is
what is required and no gap, so recorded plus gaps equals required by construction.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from appliance import exams, gap_causes, journal, plan_changes, store
from appliance.clock import Clock, iso, parse
from appliance.config import Config
from appliance.exams import Exam, Window
from appliance.gap_causes import CAUSES, LONGEST_SEGMENT, cause
from appliance.model import Actor
from appliance.plan_changes import Late
from appliance.store import Database

__all__ = [
    "CAUSES", "CameraCoverage", "Gap", "Judged", "begin_outage", "cause", "end_outages", "evidence", "gaps",
    "gaps_within", "judged", "open_outage", "summary", "update",
]  # fmt: skip

IGNORED_S = 0.02  # below one frame of any camera: the rounding of two clocks
STALE = timedelta(seconds=15)  # a camera that is called recording and of which nothing reached the disk for so long

@dataclass(frozen=True, slots=True)
class Gap:
    """Required time of one camera that is not recorded. `entry`: its journal entry, once the gap is over.

    `evidence`: other entries that tell of the cause; known while the gap is worked out, kept in its entry.
    """

    exam: str
    camera: str
    starts_at: datetime
    ends_at: datetime
    cause: str
    entry: int | None
    evidence: tuple[int, ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class CameraCoverage:
    """One camera's part of an exam so far, seconds."""

    camera: str
    room: str
    required_s: float
    recorded_s: float
    gaps: tuple[Gap, ...]


@dataclass(frozen=True, slots=True)
class Judged:
    """One camera's window, judged from its start up to `until`: all of that is recorded but `gaps`."""

    window: Window
    until: datetime
    gaps: tuple[Gap, ...]


Span = tuple[str, str]  # instants as stored: text that sorts


def begin_outage(db: Database, camera: str, began_at: datetime, code: str) -> int:
    """Write down that a camera is not being recorded, inside the caller's transaction."""
    return int(db.write("insert into outage (camera, began_at, cause) values (?, ?, ?)",
                        (camera, iso(began_at), code)).lastrowid or 0)  # fmt: skip


def end_outages(db: Database, camera: str, ended_at: datetime) -> None:
    """Every outage of the camera is over, inside the caller's transaction."""
    db.write(
        "update outage set ended_at = max(began_at, ?) where camera = ? and ended_at is null", (iso(ended_at), camera)
    )


def open_outage(db: Database, camera: str) -> str | None:
    """The cause of the outage that goes on, if any."""
    return db.value("select cause from outage where camera = ? and ended_at is null order by id desc", (camera,))  # type: ignore[no-any-return]


def evidence(db: Database) -> tuple[int, ...] | None:
    """Changes when gaps may have; None while a gap is growing."""
    if db.value("select 1 from outage where ended_at is null") is not None:
        return None
    return (db.value("select coalesce(max(id), 0) from segment"), db.value("select coalesce(max(id), 0) from outage"),
            db.value("select coalesce(sum(revision), 0) from exam"),
            db.value("select count(*) from exam where state = 'planned'"),
            db.value("select count(*) from camera_state where state = 'recording'"))  # fmt: skip


def gaps(db: Database, exam_id: str) -> list[Gap]:
    """The exam's gaps as last worked out, by camera and time."""
    return [_gap(row) for row in db.rows("select * from gap where exam = ? order by camera, starts_at", (exam_id,))]


def gaps_within(db: Database, camera: str, since: datetime, until: datetime) -> list[Gap]:
    """One camera's gaps of whatever exam that lie in a span, as last worked out."""
    return [_gap(row) for row in db.rows(
        "select * from gap where camera = ? and starts_at < ? and ends_at > ? order by starts_at",
        (camera, iso(until), iso(since)))]  # fmt: skip


def _gap(row: dict[str, object]) -> Gap:
    return Gap(str(row["exam"]), str(row["camera"]), parse(str(row["starts_at"])), parse(str(row["ends_at"])),
               str(row["cause"]), row["entry"] if isinstance(row["entry"], int) else None)  # fmt: skip


def judged(db: Database, config: Config, exam: Exam, now: datetime) -> list[Judged]:
    """Every window of the exam as it can be judged at `now`, in the order of the cameras. Reads only."""
    changes = plan_changes.late(db, config, exam)
    entries = {(g.camera, g.starts_at): g.entry for g in gaps(db, exam.id)}
    found = []
    for window in exams.windows(config, exam):
        until = _judged_until(db, window, now)
        missing = _missing(db, window, until, changes.get(window.camera, []))
        found.append(Judged(window, until, tuple(
            replace(g, entry=entries.get((g.camera, g.starts_at))) for g in missing)))  # fmt: skip
    return found


def summary(db: Database, config: Config, exam: Exam, now: datetime) -> list[CameraCoverage]:
    """Each camera's required and recorded time up to `now`, and its gaps. Of a camera that records just now, the last
    second or two that are not on disk yet count as neither required nor missing."""
    found = []
    for camera in judged(db, config, exam, now):
        required_s = (camera.until - camera.window.starts_at).total_seconds()
        recorded_s = required_s - sum((g.ends_at - g.starts_at).total_seconds() for g in camera.gaps)
        found.append(CameraCoverage(camera.window.camera, camera.window.room, required_s, recorded_s, camera.gaps))
    return found


def update(db: Database, config: Config, clock: Clock, exam: Exam, until: datetime) -> None:
    """Bring the gap rows up to `until`; a gap that is over gets its journal entry. Opens a transaction if need be.

    Cheap when nothing did: one query a camera (the recorder calls this every few seconds while an exam runs).
    """
    changes = plan_changes.late(db, config, exam)
    stored = {(g.camera, g.starts_at): g for g in gaps(db, exam.id)}
    fresh: dict[tuple[str, datetime], Gap] = {}
    over: set[tuple[str, datetime]] = set()
    windows = exams.windows(config, exam)
    for window in windows:
        last = _judged_until(db, window, until)
        settled = _settled_until(db, window, last)
        for gap in _missing(db, window, last, changes.get(window.camera, [])):
            key = gap.camera, gap.starts_at
            fresh[key] = gap
            if gap.ends_at <= settled:
                over.add(key)
    if not any(_changes(stored, fresh, over)):
        return
    rooms = {window.camera: window.room for window in windows}
    with store.transaction(db):
        # Again: recorder and keeper both do this, and each gap has one entry.
        stored = {(g.camera, g.starts_at): g for g in gaps(db, exam.id)}
        changed, gone = _changes(stored, fresh, over)
        for gap in gone:
            _withdraw(db, clock, gap, rooms.get(gap.camera))
        for gap in changed:
            old = stored.get((gap.camera, gap.starts_at))
            _write(db, clock, gap, old, rooms[gap.camera], (gap.camera, gap.starts_at) in over)


Key = tuple[str, datetime]


def _changes(stored: dict[Key, Gap], fresh: dict[Key, Gap], over: set[Key]) -> tuple[list[Gap], list[Gap]]:
    """Gaps to be written, and those that are none any more."""
    changed = [
        g for key, g in fresh.items() if _differs(stored.get(key), g) or (key in over and stored[key].entry is None)
    ]
    return changed, [g for key, g in stored.items() if key not in fresh]


def _differs(old: Gap | None, new: Gap) -> bool:
    return old is None or (old.ends_at, old.cause) != (new.ends_at, new.cause)


def _write(db: Database, clock: Clock, gap: Gap, old: Gap | None, room: str, over: bool) -> None:
    entry = old.entry if old else None
    if over and (entry is None or (old and _differs(old, gap))):
        entry = journal.append(
            db, clock, "recording.gap", Actor.service("recorder"), exam=gap.exam, room=room, camera=gap.camera,
            refs=[old.entry] if old and old.entry else [], from_at=iso(gap.starts_at), to_at=iso(gap.ends_at),
            gap_ms=round((gap.ends_at - gap.starts_at).total_seconds() * 1000), code=gap.cause,
            cause=cause(gap.cause).as_json(), evidence=list(gap.evidence),
        )  # fmt: skip
    db.write("insert into gap (exam, camera, starts_at, ends_at, cause, entry) values (?, ?, ?, ?, ?, ?)"
             " on conflict (exam, camera, starts_at) do update set ends_at = excluded.ends_at, cause = excluded.cause,"
             " entry = excluded.entry",
             (gap.exam, gap.camera, iso(gap.starts_at), iso(gap.ends_at), gap.cause, entry))  # fmt: skip


def _withdraw(db: Database, clock: Clock, gap: Gap, room: str | None) -> None:
    """A gap is none any more: a recording was found after all, or the exam was moved. Its journal entry is answered."""
    db.write(
        "delete from gap where exam = ? and camera = ? and starts_at = ?", (gap.exam, gap.camera, iso(gap.starts_at))
    )
    if gap.entry is not None:
        journal.append(
            db, clock, "recording.found", Actor.service("recorder"), exam=gap.exam, room=room, camera=gap.camera,
            refs=[gap.entry], from_at=iso(gap.starts_at), to_at=iso(gap.ends_at),
        )  # fmt: skip


def _judged_until(db: Database, window: Window, until: datetime) -> datetime:
    """How far this camera can be judged: not beyond what is on disk while it records."""
    row = db.row("select state, safe_until_at from camera_state where camera = ?", (window.camera,))
    last = min(until, window.ends_at)
    if row and row["state"] == "recording" and row["safe_until_at"]:
        safe_until = parse(row["safe_until_at"])
        if last - safe_until <= STALE:  # else whoever called it recording is gone, and what is missing is missing
            last = min(last, safe_until)
    return max(last, window.starts_at)


def _settled_until(db: Database, window: Window, last: datetime) -> datetime:
    """Gaps up to here will not change: a later recording is in the archive, or the window is over."""
    if last >= window.ends_at:
        return last
    newest = db.value("select max(ends_at) from segment where camera = ? and stream = 'main'", (window.camera,))
    return parse(newest) if newest else window.starts_at


def _missing(db: Database, window: Window, until: datetime, changes: list[Late]) -> list[Gap]:
    """The window up to `until` minus what is recorded, with causes."""
    missing: list[Span] = [(iso(window.starts_at), iso(until))] if until > window.starts_at else []
    missing = _minus(missing, _recorded(db, window, until))
    missing = sorted([*missing, *_holes(db, window, until)])
    found = []
    for starts, ends in missing:
        if (parse(ends) - parse(starts)).total_seconds() >= IGNORED_S:
            why = gap_causes.cause_of(db, window, starts, ends, changes)
            found.append(
                Gap(window.exam, window.camera, parse(starts), parse(ends), why.cause, None, evidence=why.entries)
            )
    return found


def _minus(spans: Iterable[Span], taken: Iterable[Span]) -> list[Span]:
    left = list(spans)
    for starts, ends in taken:
        left = [part for a, b in left for part in ((a, min(b, starts)), (max(a, ends), b)) if part[0] < part[1]]
    return left


def _recorded(db: Database, window: Window, until: datetime) -> list[Span]:
    """Recorded spans, joined by SQLite: a whole exam day of one camera comes back as one row."""
    rows = db.rows(
        "with near as (select starts_at, ends_at, max(ends_at) over (order by starts_at, ends_at"
        "   rows between unbounded preceding and 1 preceding) as before_at"
        "   from segment where camera = ? and starts_at > ? and starts_at < ? and stream = 'main'),"
        " joined as (select *, sum(before_at is null or starts_at > before_at) over (order by starts_at, ends_at)"
        "   as island from near)"
        " select min(starts_at) as a, max(ends_at) as b from joined group by island",
        (window.camera, iso(window.starts_at - LONGEST_SEGMENT), iso(until)),
    )
    spans = [(row["a"], row["b"]) for row in rows]
    live = db.row(
        "select max(since_at, coalesce((select max(ends_at) from segment where camera = state.camera"
        "   and stream = 'main' and ends_at < safe_until_at), '')) as since_at, safe_until_at"
        " from camera_state as state where camera = ? and state = 'recording' and safe_until_at > since_at",
        (window.camera,),
    )
    if live:  # the open file: from the end of the last finished one up to what is on disk
        spans.append((live["since_at"], live["safe_until_at"]))
    return spans


def _holes(db: Database, window: Window, until: datetime) -> list[Span]:
    """Spans inside recordings in which no frame came, that no other recording fills."""
    rows = db.rows("select id, holes from segment where camera = ? and holes != '[]' and ends_at > ? and starts_at < ?"
                   " and stream = 'main'",
                   (window.camera, iso(window.starts_at), iso(until)))  # fmt: skip
    first, last = iso(window.starts_at), iso(until)
    found: list[Span] = []
    for row in rows:
        others = db.rows("select starts_at, ends_at from segment"
                         " where camera = ? and id != ? and starts_at < ? and ends_at > ? and stream = 'main'",
                         (window.camera, row["id"], last, first))  # fmt: skip
        inside = [(max(a, first), min(b, last)) for a, b in json.loads(row["holes"]) if b > first and a < last]
        found += _minus(inside, [(o["starts_at"], o["ends_at"]) for o in others])
    return found
