"""The archive: finished recordings, each with its size and SHA-256. Adopts, finds, seals, verifies.

I1: every segment row has its file, of that size and SHA-256. I2: a file under archive/ has a row; one in incoming/ is
younger than two segments or being adopted. What a crash left behind is picked up by `leftovers`.
"""

from __future__ import annotations

import hashlib
import json
import logging
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import rfc8785

from appliance import coverage, durable, exams, journal, media, segment_clock, store, streams
from appliance.clock import Clock, SystemClock, iso, parse
from appliance.config import Config
from appliance.exams import Exam
from appliance.model import N_, Actor, ApplianceError, Message, message
from appliance.segment_clock import SegmentClock
from appliance.store import Database
from appliance.streams import Stream
from drivers.ffmpeg import NEW, PLAYABLE
from drivers.fmp4 import Facts

log = logging.getLogger(__name__)

LABEL = (
    "%Y%m%dT%H%M%S.%fZ"  # first in an archived file's name: its start, so that a row can be made again from the file
)
BLOCK_BYTES = 1 << 18
NO_EVIDENCE = SegmentClock()


@dataclass(frozen=True, slots=True)
class Segment:
    """One finished recording of one camera. `path` is below the video folder of its `medium`; `holes` are spans without
    a frame. `retired`: its file was deleted by rule, as that journal entry says; what is known of it stays.

    Its first frame is at `starts_at`, its last begins at `last_frame_at`. Within a run the
    order is that of the number in its name (`number_of`), which no clock can touch.
    """

    id: int
    camera: str
    run: str
    path: str
    starts_at: datetime
    ends_at: datetime
    frames: int
    size_bytes: int
    sha256: str
    video: str
    audio: str | None
    repaired: bool
    held: bool
    holes: tuple[tuple[datetime, datetime], ...]
    last_frame_at: datetime | None
    clock: SegmentClock
    medium: str
    retired: int | None
    stream: Stream


@dataclass(frozen=True, slots=True)
class Seal:
    """What was sealed. `root` is the SHA-256 over `sealed_list`."""

    segments: int
    size_bytes: int
    root: str


@dataclass(frozen=True, slots=True)
class Fault:
    """Something `verify` found: the file it is about, and the sentence for a person."""

    where: str
    message: Message


@dataclass(frozen=True, slots=True)
class Verified:
    """What `verify` read and found."""

    segments: int
    faults: tuple[Fault, ...]


def adopt(
    db: Database, config: Config, finished: Path, of: str, facts: Facts, starts_at: datetime, ends_at: datetime,
    *, repaired: bool = False, evidence: SegmentClock = NO_EVIDENCE,
) -> Segment:  # fmt: skip
    """Take a finished recording of a stream (`of`: streams.folder_of) into the archive. Opens its own transaction.

    Order matters (a power cut may fall between any two steps):
    1. hash it   2. fsync it   3. rename into place   4. fsync the folder   5. insert the row
    A cut after 3 leaves a file without a row; its name says when it began, and `leftovers` makes the row.
    """
    sha256, size = digest(finished)
    durable.sync(finished)
    folder = config.archive / starts_at.astimezone(UTC).strftime("%Y-%m-%d") / of
    _make_folder(folder, config.video)
    place = folder / f"{starts_at.astimezone(UTC).strftime(LABEL)}-{finished.name}"
    if place.exists():  # run ids make this impossible; were it to happen, rename would destroy a recording
        raise ApplianceError(N_("There is a recording {path} already. Nothing was overwritten."), path=str(place))
    finished.rename(place)
    durable.sync(folder)
    try:
        with store.transaction(db):
            return _insert(db, config, place, of, facts, starts_at, ends_at, size, sha256, repaired, evidence)
    except sqlite3.Error:  # the database takes nothing now: back to where it will be tried again
        place.rename(finished)
        raise


def readopt(db: Database, config: Config, place: Path, of: str, facts: Facts) -> Segment:
    """Make the row of a file that came into archive/ just before a crash. Opens its own transaction."""
    starts_at = datetime.strptime(place.name.split("-", 1)[0], LABEL).replace(tzinfo=UTC)
    sha256, size = digest(place)
    with store.transaction(db):
        return _insert(db, config, place, of, facts, starts_at, starts_at + timedelta(seconds=facts.duration_s),
                       size, sha256, repaired=False,
                       evidence=segment_clock.witnessed(facts, starts_at, "arrival", "unknown"))  # fmt: skip


def _insert(
    db: Database, config: Config, place: Path, of: str, facts: Facts, starts_at: datetime, ends_at: datetime,
    size: int, sha256: str, repaired: bool, evidence: SegmentClock,
) -> Segment:  # fmt: skip
    holes = [[iso(starts_at + timedelta(seconds=a)), iso(min(starts_at + timedelta(seconds=b), ends_at))]
             for a, b in facts.holes]  # fmt: skip
    path, (camera, stream) = str(place.relative_to(config.video)), streams.of_folder(of)
    # On the boundary the next file begins at, not on the media's own end: the two differ by the rounding of clocks.
    last = max(starts_at, ends_at - timedelta(seconds=facts.duration_s - facts.last_s))
    db.write(
        "insert into segment (camera, run, path, starts_at, ends_at, frames, size_bytes, sha256, video, audio,"
        " repaired, holes, last_frame_at, derived, camera_offset_ms, box_clock, step_ms, medium, stream)"
        " values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (camera, run_of(place), path, iso(starts_at), iso(ends_at), facts.frames, size, sha256, facts.video,
         facts.audio, int(repaired), json.dumps(holes), iso(last), evidence.derived, evidence.camera_offset_ms,
         evidence.box_clock, evidence.step_ms, config.medium, stream),
    )  # fmt: skip
    return _segment(db.rows("select * from segment where path = ?", (path,))[0])


def run_of(path: Path) -> str:
    """The run a file belongs to: `RUN-NUMBER.mp4` while incoming, `START-RUN-NUMBER.mp4` in the archive."""
    return path.stem.split("-")[-2]


def number_of(path: Path) -> int:
    """The file's number within its run."""
    return int(path.stem.split("-")[-1])


def segments(
    db: Database, *, camera: str | None = None, since: datetime | None = None, until: datetime | None = None,
    stream: Stream | None = "main",
) -> list[Segment]:  # fmt: skip
    """Recordings that overlap [since, until], by camera and start. Of the main stream; of both: `stream` None."""
    return [_segment(row) for row in db.rows(
        "select * from segment where camera = coalesce(:camera, camera) and ends_at > :since and starts_at < :until"
        " and stream = coalesce(:stream, stream) order by camera, starts_at, id",
        {"stream": stream, "camera": camera,
         "since": iso(since) if since else "", "until": iso(until) if until else "9999"},
    )]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Totals:
    """Recordings that overlap a span, all streams: those whose files are there, those held, those deleted by rule."""

    files: int
    size_bytes: int
    held: int
    retired: int


def totals(db: Database, since: datetime, until: datetime) -> Totals:
    """Counted in the database: an exam day is thousands of recordings."""
    row = db.row("select count(*) filter (where retired is null) as files, coalesce(sum(size_bytes) filter"
                 " (where retired is null), 0) as size_bytes, count(*) filter (where held = 1 and retired is null)"
                 " as held, count(retired) as retired from segment where ends_at > ? and starts_at < ?",
                 (iso(since), iso(until)))  # fmt: skip
    return Totals(**(row or {"files": 0, "size_bytes": 0, "held": 0, "retired": 0}))


def days(db: Database, medium: str) -> list[str]:
    """The days of one disk that still have files, oldest first: UTC, as the archive's folders are called."""
    return [row["day"] for row in db.rows(
        "select distinct substr(starts_at, 1, 10) as day from segment where medium = ? and retired is null"
        " order by day", (medium,))]  # fmt: skip


def of_day(
    db: Database, medium: str, day: str, *, retired: bool = False, outside: Iterable[tuple[datetime, datetime]] = ()
) -> list[Segment]:
    """One day's recordings on one disk, of every stream; those whose file was deleted, or all others.

    With `outside` only those that touch none of these spans.
    """
    spans = [(iso(begins), iso(ends)) for begins, ends in outside]
    given = (f"archive/{day}/", f"archive/{day}0", medium, *(at for span in spans for at in span))
    return [_segment(row) for row in db.rows(
        f"select * from segment where path >= ? and path < ? and medium = ? and retired is {'not ' * retired}null"  # noqa: S608
        + " and not (ends_at > ? and starts_at < ?)" * len(spans) + " order by path", given)]  # fmt: skip


def retired(db: Database) -> dict[int, list[Segment]]:
    """Journal entry -> the recordings it deleted."""
    found: dict[int, list[Segment]] = {}
    for row in db.rows("select * from segment where retired is not null"):
        found.setdefault(int(row["retired"]), []).append(_segment(row))
    return found


def last_of_run(db: Database, run: str) -> Segment | None:
    """The newest recording of a run: the next one of it begins where this ends."""
    found = db.rows("select * from segment where run = ? order by id desc limit 1", (run,))
    return _segment(found[0]) if found else None


def path(config: Config, segment: Segment) -> Path:
    """Where a recording's file is."""
    return media.on(config, segment.medium).video / segment.path


def hold(db: Database, numbers: Iterable[int], *, held: bool) -> None:
    """Keep recordings from being deleted by rule, or no longer; inside the caller's transaction."""
    for number in numbers:
        db.write("update segment set held = ? where id = ?", (int(held), number))


def retire(db: Database, numbers: Iterable[int], entry: int) -> None:
    """Mark recordings as deleted by rule, inside the transaction of that journal entry and before their files go.

    The rows stay: what was recorded is what coverage reports, seals and hand-overs speak of for ever.
    """
    for number in numbers:
        db.write("update segment set retired = ? where id = ? and held = 0 and retired is null", (entry, number))


def seal(db: Database, config: Config, clock: Clock, exam: Exam) -> Seal:
    """Close an exam's archive: coverage to the end, root over all its recordings, files read-only. Opens transactions.

    Raises ApplianceError while a camera of the exam is still being recorded for it.
    """
    for window in exams.windows(config, exam):
        if still_open(db, config, window):
            raise ApplianceError(N_("Camera {camera} is still being recorded for this exam. It is sealed after that."),
                                 camera=window.camera)  # fmt: skip
    coverage.update(db, config, clock, exam, exams.span(config, exam)[1])
    listed = sealed_list(db, config, exam)
    rows = json.loads(listed)
    _write_protect(db, config, exam)
    found = Seal(len(rows), sum(row[2] for row in rows), hashlib.sha256(listed).hexdigest())
    with store.transaction(db):
        entry = journal.append(db, clock, "archive.sealed", Actor.service("keeper"), exam=exam.id,
                               segments=found.segments, size_bytes=found.size_bytes, root=found.root)  # fmt: skip
        exams.close(db, exam.id, parse(journal.get(db, entry).at))
    return found


def _write_protect(db: Database, config: Config, exam: Exam) -> None:
    """A disk that fails or is not there must not keep an exam from being sealed: the seal is over the hashes."""
    for window in exams.windows(config, exam):
        for segment in segments(db, camera=window.camera, since=window.starts_at, until=window.ends_at):
            try:
                if segment.retired is None:
                    path(config, segment).chmod(0o444)
            except (OSError, ApplianceError) as fault:
                log.error("%s could not be made read-only: %s", segment.path, fault)


def still_open(db: Database, config: Config, window: exams.Window) -> bool:
    """Whether a file is still being written that began inside the window."""
    recording = db.row("select 1 from camera_state where camera = ? and state = 'recording'", (window.camera,))
    newest = db.value("select max(ends_at) from segment where camera = ? and stream = 'main'", (window.camera,))
    return recording is not None and (newest is None or newest < iso(window.ends_at))


def sealed_list(db: Database, config: Config, exam: Exam) -> bytes:
    """RFC 8785 JSON: [camera, path, size, sha256] of every recording that overlaps the exam's windows, by path."""
    found = {s.path: [s.camera, s.path, s.size_bytes, s.sha256] for window in exams.windows(config, exam)
             for s in segments(db, camera=window.camera, since=window.starts_at, until=window.ends_at)}  # fmt: skip
    listed: list[Any] = [found[name] for name in sorted(found)]
    return rfc8785.dumps(listed)


def sealed_root(db: Database, config: Config, exam_id: str) -> str:
    """The root as it would be now, to compare with the sealed one."""
    return hashlib.sha256(sealed_list(db, config, exams.get(db, exam_id))).hexdigest()


def verify(db: Database, config: Config, clock: Clock | None = None) -> Verified:
    """Read every recording and compare it with its row (I1), then look for files nobody knows (I2)."""
    faults: list[Fault] = []
    known = segments(db, stream=None)
    for segment in known:
        text = _file_fault(config, segment) if segment.retired is None else None
        if text:
            faults.append(Fault(segment.path, message(text, path=segment.path)))
    oldest = (clock or SystemClock()).now() - timedelta(seconds=2 * config.profile.recording.segment_s)
    for here in media.every(config):
        rows = {segment.path for segment in known if segment.medium == here.medium}
        for found in sorted(set(archived(here)) - rows):
            text = N_("{path} is in the archive without an entry. Restart the recorder: it takes it in.")
            faults.append(Fault(found, message(text, path=found)))
        for left in incoming(here):
            if datetime.fromtimestamp(left.stat().st_mtime, UTC) < oldest:
                name = str(left.relative_to(here.video))
                text = N_("{path} was never taken into the archive. Restart the recorder: it takes it in.")
                faults.append(Fault(name, message(text, path=name)))
    return Verified(sum(segment.retired is None for segment in known), tuple(faults))


def _file_fault(config: Config, segment: Segment) -> str | None:
    try:
        file = path(config, segment)
        if file.stat().st_size != segment.size_bytes:
            return N_("{path} has another size than when it was recorded.")
        if digest(file)[0] != segment.sha256:
            return N_("{path} was changed: its content is not what was recorded.")
    except FileNotFoundError:
        return N_("{path} is missing.")
    except (OSError, ApplianceError):  # or the reserve disk is not in the configuration any more
        return N_("{path} cannot be read from the disk.")
    return None


def archived(config: Config) -> Iterator[str]:
    """Every file under archive/, below the video folder."""
    return (str(p.relative_to(config.video)) for p in config.archive.rglob("*") if p.is_file())


def incoming(config: Config, camera: str | None = None) -> list[Path]:
    """Files that are not in the archive yet, oldest number first."""
    return sorted(found for ending in (PLAYABLE, NEW) for found in config.incoming.glob(f"{camera or '*'}/*{ending}"))


def name(path: Path) -> Path:
    """Give a file that was new its name as a recording, if it has not got it yet; returns that."""
    named = path.with_suffix(PLAYABLE)
    if path != named:
        with suppress(FileNotFoundError):  # it has
            path.rename(named)
    return named


def digest(file: Path) -> tuple[str, int]:
    """SHA-256 and size of a file. In large blocks: hashlib lets other threads run meanwhile; into one buffer, which is
    a sixth cheaper than a new one each time."""
    total, size, block = hashlib.sha256(), 0, memoryview(bytearray(BLOCK_BYTES))
    with file.open("rb", buffering=0) as opened:
        while count := opened.readinto(block):
            total.update(block[:count])
            size += count
    return total.hexdigest(), size


def _make_folder(folder: Path, above: Path) -> None:
    """Make a folder, and sync each one above that has a new name in it."""
    missing = [p for p in (folder, *folder.parents) if p.is_relative_to(above) and not p.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for made in missing:
        durable.sync(made.parent)


def _segment(row: dict[str, Any]) -> Segment:
    holes = tuple((parse(a), parse(b)) for a, b in json.loads(row["holes"]))
    row = dict(row)
    clock = SegmentClock(*(row.pop(name) for name in ("derived", "camera_offset_ms", "box_clock", "step_ms")))
    last = row["last_frame_at"]
    return Segment(**{**row, "clock": clock, "last_frame_at": parse(last) if last else None,
                      "starts_at": parse(row["starts_at"]), "ends_at": parse(row["ends_at"]),
                      "repaired": bool(row["repaired"]), "held": bool(row["held"]), "holes": holes})  # fmt: skip
