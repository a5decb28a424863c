"""Required window minus recorded spans = gaps, each with its cause.

A gap's cause comes from evidence: outages the recorder wrote down as they happened, the journal, the plan. Recorded is
what is required and no gap, so recorded plus gaps equals required by construction.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from appliance import exams, journal, store
from appliance.clock import Clock, iso, parse
from appliance.config import Config
from appliance.exams import Exam, Window
from appliance.model import N_, Actor, Message, message
from appliance.store import Database

IGNORED_S = 0.02  # below one frame of any camera: the rounding of two clocks
LONGEST_SEGMENT = timedelta(hours=1)  # how far before a window a recording may begin that reaches into it

# Code -> what it says to a person. docs/recording.md tells how each is found out and what to do.
CAUSES = {
    "camera silent": N_("The camera sent no picture."),
    "camera unreachable": N_("The camera could not be reached over the network."),
    "connection closed": N_("The camera closed the connection."),
    "password refused": N_("The camera refused the password."),
    "no stream": N_("The camera has no stream at this address."),
    "stream unreadable": N_("The camera's stream could not be read."),
    "recording starting": N_("The connection to the camera was being made."),
    "recorder restarted": N_("The recorder was restarted."),
    "recorder stopped": N_("The recorder was stopped."),
    "recorder not running": N_("The recorder was not running."),
    "box restarted": N_("The box was off or restarting."),
    "disk full": N_("The recording disk was full."),
    "disk error": N_("The recording disk did not take the recording."),
    "clock set forward": N_("The box clock was set forward over this time."),
    "exam planned late": N_("The exam was put on the plan after its recording should have begun."),
    "program fault": N_("The recording program had a fault."),
}
UNKNOWN = "recorder not running"  # nobody wrote anything down: nobody was there to


@dataclass(frozen=True, slots=True)
class Gap:
    """Required time of one camera that is not recorded. `entry`: its journal entry, once the gap is over."""

    exam: str
    camera: str
    starts_at: datetime
    ends_at: datetime
    cause: str
    entry: int | None


@dataclass(frozen=True, slots=True)
class CameraCoverage:
    """One camera's part of an exam so far, seconds."""

    camera: str
    room: str
    required_s: float
    recorded_s: float
    gaps: tuple[Gap, ...]


Span = tuple[str, str]  # instants as stored: text that sorts


def cause(code: str) -> Message:
    """A cause as a sentence."""
    return message(CAUSES[code]) if code in CAUSES else message("{code}", code=code)


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


def _gap(row: dict[str, object]) -> Gap:
    return Gap(str(row["exam"]), str(row["camera"]), parse(str(row["starts_at"])), parse(str(row["ends_at"])),
               str(row["cause"]), row["entry"] if isinstance(row["entry"], int) else None)  # fmt: skip


def summary(db: Database, config: Config, exam: Exam, now: datetime) -> list[CameraCoverage]:
    """Each camera's required and recorded time up to `now`, and its gaps. Of a camera that records just now, the last
    second or two that are not on disk yet count as neither required nor missing."""
    planned_at = _planned_at(db, exam)
    entries = {(g.camera, g.starts_at): g.entry for g in gaps(db, exam.id)}
    found = []
    for window in exams.windows(config, exam):
        until = _judged_until(db, window, now)
        missing = [
            replace(g, entry=entries.get((g.camera, g.starts_at))) for g in _missing(db, window, until, planned_at)
        ]
        required_s = max(0.0, (until - window.starts_at).total_seconds())
        recorded_s = required_s - sum((g.ends_at - g.starts_at).total_seconds() for g in missing)
        found.append(CameraCoverage(window.camera, window.room, required_s, recorded_s, tuple(missing)))
    return found


def update(db: Database, config: Config, clock: Clock, exam: Exam, until: datetime) -> None:
    """Bring the gap rows up to `until`; a gap that is over gets its journal entry. Opens a transaction if need be.

    Cheap when nothing did: one query a camera (the recorder calls this every few seconds while an exam runs).
    """
    planned_at = _planned_at(db, exam)
    stored = {(g.camera, g.starts_at): g for g in gaps(db, exam.id)}
    fresh: dict[tuple[str, datetime], Gap] = {}
    over: set[tuple[str, datetime]] = set()
    windows = exams.windows(config, exam)
    for window in windows:
        judged = _judged_until(db, window, until)
        settled = _settled_until(db, window, judged)
        for gap in _missing(db, window, judged, planned_at):
            key = gap.camera, gap.starts_at
            fresh[key] = gap
            if gap.ends_at <= settled:
                over.add(key)
    changed = [
        g for key, g in fresh.items() if _differs(stored.get(key), g) or (key in over and stored[key].entry is None)
    ]
    gone = [g for key, g in stored.items() if key not in fresh]
    if not changed and not gone:
        return
    rooms = {window.camera: window.room for window in windows}
    with store.transaction(db):
        for gap in gone:
            _withdraw(db, clock, gap, rooms.get(gap.camera))
        for gap in changed:
            old = stored.get((gap.camera, gap.starts_at))
            _write(db, clock, gap, old, rooms[gap.camera], (gap.camera, gap.starts_at) in over)


def _differs(old: Gap | None, new: Gap) -> bool:
    return old is None or (old.ends_at, old.cause) != (new.ends_at, new.cause)


def _write(db: Database, clock: Clock, gap: Gap, old: Gap | None, room: str, over: bool) -> None:
    entry = old.entry if old else None
    if over and (entry is None or (old and _differs(old, gap))):
        entry = journal.append(
            db, clock, "recording.gap", Actor.service("recorder"), exam=gap.exam, room=room, camera=gap.camera,
            refs=[old.entry] if old and old.entry else [], from_at=iso(gap.starts_at), to_at=iso(gap.ends_at),
            gap_ms=round((gap.ends_at - gap.starts_at).total_seconds() * 1000), code=gap.cause,
            cause=cause(gap.cause).as_json(),
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
    judged = min(until, window.ends_at)
    if row and row["state"] == "recording" and row["safe_until_at"]:
        judged = min(judged, parse(row["safe_until_at"]))
    return max(judged, window.starts_at)


def _settled_until(db: Database, window: Window, judged: datetime) -> datetime:
    """Gaps up to here will not change: a later recording is in the archive, or the window is over."""
    if judged >= window.ends_at:
        return judged
    newest = db.value("select max(ends_at) from segment where camera = ?", (window.camera,))
    return parse(newest) if newest else window.starts_at


def _missing(db: Database, window: Window, until: datetime, planned_at: str | None) -> list[Gap]:
    """The window up to `until` minus what is recorded, with causes."""
    missing: list[Span] = [(iso(window.starts_at), iso(until))] if until > window.starts_at else []
    missing = _minus(missing, _recorded(db, window, until))
    missing = sorted([*missing, *_holes(db, window, until)])
    found = []
    for starts, ends in missing:
        if (parse(ends) - parse(starts)).total_seconds() >= IGNORED_S:
            code = _cause_of(db, window, starts, ends, planned_at)
            found.append(Gap(window.exam, window.camera, parse(starts), parse(ends), code, None))
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
        "   from segment where camera = ? and starts_at > ? and starts_at < ?),"
        " joined as (select *, sum(before_at is null or starts_at > before_at) over (order by starts_at, ends_at)"
        "   as island from near)"
        " select min(starts_at) as a, max(ends_at) as b from joined group by island",
        (window.camera, iso(window.starts_at - LONGEST_SEGMENT), iso(until)),
    )
    spans = [(row["a"], row["b"]) for row in rows]
    live = db.row(
        "select max(since_at, coalesce((select max(ends_at) from segment where camera = state.camera"
        "   and ends_at < safe_until_at), '')) as since_at, safe_until_at"
        " from camera_state as state where camera = ? and state = 'recording' and safe_until_at > since_at",
        (window.camera,),
    )
    if live:  # the open file: from the end of the last finished one up to what is on disk
        spans.append((live["since_at"], live["safe_until_at"]))
    return spans


def _holes(db: Database, window: Window, until: datetime) -> list[Span]:
    """Spans inside recordings in which no frame came, that no other recording fills."""
    rows = db.rows("select id, holes from segment where camera = ? and holes != '[]' and ends_at > ? and starts_at < ?",
                   (window.camera, iso(window.starts_at), iso(until)))  # fmt: skip
    first, last = iso(window.starts_at), iso(until)
    found: list[Span] = []
    for row in rows:
        others = db.rows("select starts_at, ends_at from segment"
                         " where camera = ? and id != ? and starts_at < ? and ends_at > ?",
                         (window.camera, row["id"], last, first))  # fmt: skip
        inside = [(max(a, first), min(b, last)) for a, b in json.loads(row["holes"]) if b > first and a < last]
        found += _minus(inside, [(o["starts_at"], o["ends_at"]) for o in others])
    return found


def _cause_of(db: Database, window: Window, starts: str, ends: str, planned_at: str | None) -> str:
    """The cause whose evidence covers most of the gap."""
    evidence = [(row["began_at"], row["ended_at"] or ends, str(row["cause"])) for row in db.rows(
        "select began_at, ended_at, cause from outage where camera = ? and began_at < ? and coalesce(ended_at, ?) > ?",
        (window.camera, ends, ends, starts))]  # fmt: skip
    if planned_at is not None:
        evidence.append((starts, planned_at, "exam planned late"))
    stepped = [step for step in _clock_steps(db) if step[0] < ends and step[1] > starts]
    if not stepped and _within_a_run(db, window, starts, ends):
        evidence.append((starts, ends, "camera silent"))
    evidence += stepped
    covered: dict[str, float] = {}
    for began, ended, code in evidence:
        shared_s = (parse(min(ended, ends)) - parse(max(began, starts))).total_seconds()
        if shared_s > 0:
            covered[code] = covered.get(code, 0.0) + shared_s
    return max(covered, key=lambda code: covered[code], default=UNKNOWN)


def _within_a_run(db: Database, window: Window, starts: str, ends: str) -> bool:
    """Whether one ffmpeg recorded before and after: it was connected all the time, and nothing came."""
    return db.value(
        "select 1 from segment where camera = ? and starts_at > ? and starts_at < ? group by run"
        " having min(starts_at) < ? and max(ends_at) > ?",
        (window.camera, iso(window.starts_at - LONGEST_SEGMENT), iso(window.ends_at), starts, ends),
    ) is not None  # fmt: skip


def _clock_steps(db: Database) -> list[tuple[str, str, str]]:
    """Time the box's clock jumped over, as the keeper journalled it."""
    steps = [e.data for e in journal.entries(db, kinds=["clock.stepped"], newest_first=True, limit=20)]
    return [(_instant(s["before_ms"]), _instant(s["after_ms"]), "clock set forward") for s in steps if s["step_ms"] > 0]


def _instant(epoch_ms: int) -> str:
    return iso(datetime.fromtimestamp(epoch_ms / 1000, UTC))


def _planned_at(db: Database, exam: Exam) -> str | None:
    """When the exam got the hours it has, if the journal still says."""
    found = journal.entries(db, exam=exam.id, kinds=["exam.planned", "exam.moved"], newest_first=True, limit=1)
    return found[0].at if found else None
