"""Which recordings may be deleted, and deleting them: by the profile's rule only, oldest first, entered before they go.

Unlocked is what no exam required, after `retention.extra_days`, and what an exam required once it is sealed, handed
over and past its date. Everything recorded within an exam's hours counts as the exam's, whatever camera it is of. What
a person holds is never unlocked. The rows stay (archive.retire), so coverage reports and seals stay what they were.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import rfc8785

from appliance import archive, disk, exams, journal, media, store
from appliance.archive import Segment, Totals
from appliance.clock import Clock
from appliance.config import Config
from appliance.exams import Exam
from appliance.gap_causes import LONGEST_SEGMENT
from appliance.model import N_, Actor, ApplianceError, Message, Personal, message
from appliance.store import Database
from drivers import host

log = logging.getLogger(__name__)

ARCHIVIST = Actor.service("archivist")
STEP_LIMIT_MS = 3_600_000  # a clock that was set further than this within a day is not trusted with dates
EXTRA = N_("No exam required them.")
EXPIRED = N_("They were kept until {until_day}.")


@dataclass(frozen=True, slots=True)
class Batch:
    """What is deleted together: one day (UTC, as in the archive's folders) of one disk, for one reason."""

    disk: str
    day: str
    why: Message
    exams: tuple[str, ...]
    segments: tuple[Segment, ...]

    @property
    def size_bytes(self) -> int:
        return sum(segment.size_bytes for segment in self.segments)


@dataclass(frozen=True, slots=True)
class Kept:
    """An exam's recordings as the rule sees them. `until`: kept to this day; `over`: why they may go, None: not yet."""

    exam: Exam
    totals: Totals
    until: date
    over: Message | None


@dataclass(frozen=True, slots=True)
class _Claim:
    """One exam's claim on all that was recorded in its hours. `over`: why it has none any more."""

    exam: Exam
    starts_at: datetime
    ends_at: datetime
    over: Message | None


def unlocked(db: Database, config: Config, now: datetime, on_disk: str) -> Iterator[Batch]:
    """What the rule lets go of one disk: first what no exam required, then exam days, each oldest first. Reads only."""
    claims = _claims(db, config, now)
    extra_before = now - timedelta(days=config.profile.retention.extra_days)
    days = archive.days(db, on_disk)
    for day in days:
        near = _near(claims, day)
        if datetime.fromisoformat(day).replace(tzinfo=UTC) < extra_before:
            found = archive.of_day(db, on_disk, day, outside=[(c.starts_at, c.ends_at) for c in near])
            chosen = tuple(s for s in found if not s.held and s.ends_at < extra_before)
            if chosen:
                yield Batch(on_disk, day, message(EXTRA), (), chosen)
    for day in days:
        near = _near(claims, day)
        if any(claim.over is not None for claim in near):
            chosen = tuple(s for s in archive.of_day(db, on_disk, day) if not s.held and _expired(s, near))
            if chosen:
                of = [c for c in near if any(_claims_it(c, s) for s in chosen)]
                why = max((c.over for c in of if c.over is not None), key=lambda m: str(m.args))
                yield Batch(on_disk, day, why, tuple(sorted(c.exam.id for c in of)), chosen)


def _near(claims: Iterable[_Claim], day: str) -> list[_Claim]:
    """The exams that may claim something of a UTC day, recordings that began at its end included."""
    begins = datetime.fromisoformat(day).replace(tzinfo=UTC)
    return [c for c in claims if c.ends_at > begins and c.starts_at < begins + timedelta(days=1) + LONGEST_SEGMENT]


def _expired(segment: Segment, near: Iterable[_Claim]) -> bool:
    own = [claim for claim in near if _claims_it(claim, segment)]
    return bool(own) and all(claim.over is not None for claim in own)


def _claims(db: Database, config: Config, now: datetime) -> list[_Claim]:
    recording = config.profile.recording
    around = timedelta(seconds=max(recording.lead_s, recording.tail_s) + recording.segment_s)
    found = []
    for exam in exams.exams(db):
        if exam.state != "cancelled":
            first, last = exams.span(config, exam)
            found.append(_Claim(exam, first - around, last + around, _over(db, config, exam, now)))
    return found


def kept(db: Database, config: Config, now: datetime, limit: int = 50) -> list[Kept]:
    """The newest exams of which something was recorded, newest first."""
    found: list[Kept] = []
    for exam in reversed(exams.exams(db)):
        first, last = exams.span(config, exam)
        if exam.state != "cancelled" and first <= now and len(found) < limit:
            until = config.profile.retention.until(exam.ends_at.astimezone(config.site.zone).date())
            found.append(Kept(exam, archive.totals(db, first, last), until, _over(db, config, exam, now)))
    return found


def _over(db: Database, config: Config, exam: Exam, now: datetime) -> Message | None:
    """Since when an exam's recordings need not be kept any more; None: they must be."""
    rule, zone = config.profile.retention, config.site.zone
    until = rule.until(exam.ends_at.astimezone(zone).date())
    if exam.state != "closed" or exam.sealed_at is None or now.astimezone(zone).date() < until:
        return None
    if rule.handed_over and not journal.entries(db, exam=exam.id, kinds=["export.finished"], limit=1):
        return None
    at = datetime(until.year, until.month, until.day, tzinfo=zone)
    return message(EXPIRED, until_day=at.isoformat())


def _claims_it(claim: _Claim, segment: Segment) -> bool:
    return segment.ends_at > claim.starts_at and segment.starts_at < claim.ends_at


def root(segments: Iterable[Segment]) -> str:
    """SHA-256 over [camera, path, size, sha256] of each by path, as RFC 8785 JSON: as a seal's."""
    rows: list[Any] = [[s.camera, s.path, s.size_bytes, s.sha256] for s in sorted(segments, key=lambda s: s.path)]
    return hashlib.sha256(rfc8785.dumps(rows)).hexdigest()


def retire(
    db: Database, config: Config, clock: Clock, batch: Batch, who: Actor = ARCHIVIST,
    alive: Callable[[], None] = lambda: None,
) -> int:  # fmt: skip
    """Enter the batch in the journal, mark its rows, delete its files; returns the bytes. Opens a transaction.

    Order matters: a power cut after the entry leaves files that `sweep` deletes; before it, nothing happened.
    """
    with store.transaction(db):
        # Read again inside: a person may have held some of them since.
        still = {s.id for s in archive.of_day(db, batch.disk, batch.day) if not s.held}
        going = [s for s in batch.segments if s.id in still]
        if not going:
            return 0
        entry = journal.append(
            db, clock, "archive.retired", who, day=batch.day, disk=batch.disk, why=batch.why.as_json(),
            cameras=sorted({s.camera for s in going}), exams=list(batch.exams), files=len(going),
            size_bytes=sum(s.size_bytes for s in going), root=root(going),
        )  # fmt: skip
        archive.retire(db, [s.id for s in going], entry)
    log.info("deleted by rule: %s of %s, %d files, entry %d", batch.day, batch.disk, len(going), entry)
    for segment in going:
        _delete(media.on(config, batch.disk).video / segment.path)
        alive()
    return sum(s.size_bytes for s in going)


def _delete(file: Path) -> None:
    try:
        file.unlink(missing_ok=True)
        for folder in (file.parent, file.parent.parent):
            if not any(folder.iterdir()):
                folder.rmdir()
    except OSError as fault:  # a failing disk: `sweep` tries again
        log.error("%s could not be deleted: %s", file, fault)


def sweep(db: Database, config: Config) -> int:
    """Delete the files of recordings that were retired when somebody was killed; how many there were."""
    count = 0
    for here in media.every(config):
        if not here.archive.is_dir():
            continue
        for day in sorted(folder.name for folder in here.archive.iterdir() if folder.is_dir()):
            for segment in archive.of_day(db, here.medium, day, retired=True):
                if (here.video / segment.path).exists():
                    _delete(here.video / segment.path)
                    count += 1
    return count


def make_room(
    db: Database, config: Config, clock: Clock, alive: Callable[[], None], *, sure: bool | None = None
) -> int:
    """Delete by rule on each disk that has less room than the profile asks for, until it has; returns the bytes.

    Nothing by a clock nobody keeps, or that was set far: its dates are no dates.
    """
    freed_bytes = 0
    for here in media.every(config):
        if not here.archive.is_dir() or not disk.forecast(db, here, clock.now()).short:
            continue
        if not (clock_is_sure(db, clock) if sure is None else sure):
            log.warning("space is short; nothing is deleted by a clock nobody keeps: see examsite archive retire")
            return freed_bytes
        for batch in unlocked(db, config, clock.now(), here.medium):
            freed_bytes += retire(db, config, clock, batch, alive=alive)
            if not disk.forecast(db, here, clock.now()).short:
                break
    return freed_bytes


def clock_is_sure(db: Database, clock: Clock) -> bool:
    """Whether the box's clock is kept by a time service and was not set far within a day."""
    since = clock.now() - timedelta(days=1)
    steps = journal.entries(db, kinds=["clock.stepped"], newest_first=True, limit=20)
    far = any(abs(int(e.data["step_ms"])) > STEP_LIMIT_MS and datetime.fromisoformat(e.at) > since for e in steps)
    return not far and host.kernel_synchronised() is True


def faults(db: Database) -> list[tuple[int, str]]:
    """Entries `archive.retired` whose rows are not those it speaks of, and rows whose entry speaks of no deletion."""
    by_entry = archive.retired(db)
    known = {e.seq: str(e.data["root"]) for e in journal.entries(db, kinds=["archive.retired"], limit=1_000_000)}
    wrong = N_("The recordings deleted by rule in journal entry {seq} are not those it names.")
    return [(seq, wrong) for seq in sorted(known.keys() | by_entry.keys())
            if seq not in known or root(by_entry.get(seq, [])) != known[seq]]  # fmt: skip


def hold(
    db: Database, config: Config, clock: Clock, who: Actor, exam_id: str, reason: str, *, held: bool
) -> int:
    """Keep an exam's recordings whatever the rule says, or no longer; how many. Opens its own transaction.

    Raises ApplianceError without a reason.
    """
    exam = exams.get(db, exam_id)
    if not reason.strip():
        raise ApplianceError(N_("Write why: an appeal, an inquiry, and its number."))
    first, last = exams.span(config, exam)
    with store.transaction(db):
        found = [s for s in archive.segments(db, since=first, until=last, stream=None) if s.retired is None]
        archive.hold(db, [s.id for s in found], held=held)
        journal.append(db, clock, "archive.held" if held else "archive.released", who, exam=exam_id,
                       files=len(found), reason=Personal(reason.strip()), root=root(found))  # fmt: skip
    return len(found)
