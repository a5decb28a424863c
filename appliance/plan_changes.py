"""Hours that were required too late for anybody to record them, because people changed the plan. Reads only.

An exam that is planned or moved to hours that are past by then; one whose recording a person ended, and who then wanted
it after all; a camera that was set aside and brought back. Each with the journal entries of who did so.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from appliance import exams, journal
from appliance.clock import iso, parse
from appliance.config import Config
from appliance.exams import Exam
from appliance.journal import Entry
from appliance.store import Database

Span = tuple[str, str]  # instants as stored: text that sorts

LATE, STOPPED = "exam planned late", "stopped by a person"  # two of gap_causes.CAUSES
CHANGES = 1000  # of one exam's hours: more than anybody makes


@dataclass(frozen=True, slots=True)
class Late:
    """A span of one camera's required hours that nobody could record, why, and the entries that tell of it."""

    starts: str
    ends: str
    cause: str
    entries: tuple[int, ...]


def late(db: Database, config: Config, exam: Exam) -> dict[str, list[Late]]:
    """Camera -> what was required of it too late for this exam, by the journal."""
    found: dict[str, list[Late]] = {}
    asked: dict[str, list[tuple[Span, Entry]]] = {}  # what each entry so far asked of a camera
    for entry in journal.entries(db, exam=exam.id, kinds=["exam.planned", "exam.moved"], limit=CHANGES):
        for camera, now in _spans(config, exam, entry).items():
            before = asked.setdefault(camera, [])
            fresh = _outside((now[0], min(now[1], entry.at)), [before[-1][0]] if before else [])
            for starts, ends in fresh:
                found.setdefault(camera, []).extend(_why(starts, ends, before, entry))
            before.append((now, entry))
    for camera, aside in _set_aside(db).items():
        found.setdefault(camera, []).extend(aside)
    return found


def _spans(config: Config, exam: Exam, entry: Entry) -> dict[str, Span]:
    """What was required of each camera by this entry."""
    said = entry.data
    hours = replace(exam, starts_at=parse(said.get("starts_at", iso(exam.starts_at))),
                    ends_at=parse(said.get("ends_at", iso(exam.ends_at))))  # fmt: skip
    return {w.camera: (iso(w.starts_at), iso(w.ends_at)) for w in exams.windows(config, hours)}


def _why(starts: str, ends: str, before: list[tuple[Span, Entry]], entry: Entry) -> Iterable[Late]:
    """Hours this entry asks for though they are over: a person had taken them off the plan, or nobody asked before."""
    new: list[Span] = [(starts, ends)]
    for number in range(len(before) - 2, -1, -1):
        span, taken_off = before[number][0], before[number + 1][1]
        if taken_off.actor.kind == "person":
            shared = [(max(a, span[0]), min(b, span[1])) for a, b in new]
            yield from (Late(a, b, STOPPED, (taken_off.seq, entry.seq)) for a, b in shared if a < b)
            new = [part for each in new for part in _outside(each, [span])]
    yield from (Late(a, b, LATE, (entry.seq,)) for a, b in new)


def _outside(span: Span, taken: Iterable[Span]) -> list[Span]:
    left = [span] if span[0] < span[1] else []
    for starts, ends in taken:
        left = [part for a, b in left for part in ((a, min(b, starts)), (max(a, ends), b)) if part[0] < part[1]]
    return left


def _set_aside(db: Database) -> dict[str, list[Late]]:
    """From when a person set a camera aside until it was brought back."""
    found: dict[str, list[Late]] = {}
    since: dict[str, Entry] = {}
    for entry in journal.entries(db, kinds=["camera.aside", "camera.back"], limit=CHANGES):
        camera = entry.camera or ""
        if entry.kind == "camera.aside":
            since[camera] = entry
        elif camera in since:
            aside = since.pop(camera)
            found.setdefault(camera, []).append(Late(aside.at, entry.at, STOPPED, (aside.seq, entry.seq)))
    return found
