"""The coverage report: what had to be recorded of an exam, what was, and why the rest was not. docs/coverage-report.md

Everything is worked out anew from recordings and evidence each time it is asked for, so that a report signed yesterday
can be held against what the archive says today. Lengths are whole microseconds, the archive's own tick; recorded plus
missing is required by construction. A room is covered while one of its cameras is.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import rfc8785

from appliance import archive, coverage, exams
from appliance.archive import Segment
from appliance.clock import iso
from appliance.config import Config, Room
from appliance.coverage import Gap, Judged
from appliance.exams import Exam
from appliance.gap_causes import cause
from appliance.profile import Words as Names
from appliance.store import Database

FORMAT = "examsite-coverage/1"
TICK = timedelta(microseconds=1)

Span = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class Clocks:
    """What is known of the times of one camera's recordings: how many were derived how, and the clocks beside them.

    `offset_ms`: least and most the camera's own clock was off the box's; None where it was never known.
    """

    recordings: int
    derived: Mapping[str, int]
    box_clock: Mapping[str, int]
    steps: int
    offset_ms: tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class CameraHole:
    """A gap of one camera. `covered_by`: other cameras of its room that recorded some of it; `uncovered_us` of it
    no camera of the room recorded."""

    gap: Gap
    covered_by: tuple[str, ...]
    uncovered_us: int

    @property
    def length_us(self) -> int:
        return ticks(self.gap.ends_at - self.gap.starts_at)


@dataclass(frozen=True, slots=True)
class CameraReport:
    """One camera: required and recorded up to `until`."""

    camera: str
    room: str
    starts_at: datetime
    ends_at: datetime
    until: datetime
    required_us: int
    missing_us: int
    holes: tuple[CameraHole, ...]
    clocks: Clocks

    @property
    def recorded_us(self) -> int:
        return self.required_us - self.missing_us


@dataclass(frozen=True, slots=True)
class RoomHole:
    """Time in which no camera of a room recorded, with the gaps of its cameras that lie over it."""

    room: str
    starts_at: datetime
    ends_at: datetime
    gaps: tuple[Gap, ...]

    @property
    def length_us(self) -> int:
        return ticks(self.ends_at - self.starts_at)

    @property
    def causes(self) -> tuple[str, ...]:
        """Each cause once, the longest first."""
        longest: Counter[str] = Counter()
        for gap in self.gaps:
            longest[gap.cause] += ticks(min(gap.ends_at, self.ends_at) - max(gap.starts_at, self.starts_at))
        return tuple(code for code, _ in longest.most_common())


@dataclass(frozen=True, slots=True)
class RoomReport:
    """One room: covered while one of its cameras recorded, judged up to `until`."""

    room: str
    starts_at: datetime
    ends_at: datetime
    until: datetime
    required_us: int
    missing_us: int
    holes: tuple[RoomHole, ...]
    cameras: tuple[str, ...]

    @property
    def covered_us(self) -> int:
        return self.required_us - self.missing_us


@dataclass(frozen=True, slots=True)
class CoverageReport:
    """One exam's coverage up to `until`; `final` once its last window is over."""

    exam: Exam
    until: datetime
    final: bool
    rooms: tuple[RoomReport, ...]
    cameras: tuple[CameraReport, ...]
    without_camera: tuple[str, ...]  # rooms whose kind has a window, and that have no camera

    @property
    def holes(self) -> tuple[RoomHole, ...]:
        """Of all rooms, in order of time."""
        return tuple(sorted((h for room in self.rooms for h in room.holes), key=lambda h: (h.starts_at, h.room)))

    @property
    def remarks(self) -> tuple[CameraHole, ...]:
        """Gaps of cameras whose room was covered by another camera all the while."""
        return tuple(hole for camera in self.cameras for hole in camera.holes if hole.uncovered_us == 0)

    @property
    def entries(self) -> tuple[int, ...]:
        """The journal entries of all gaps."""
        found = {hole.gap.entry for camera in self.cameras for hole in camera.holes}
        return tuple(sorted(entry for entry in found if entry is not None))


def ticks(length: timedelta) -> int:
    """Whole microseconds."""
    return length // TICK


def report(
    db: Database, config: Config, exam_id: str, now: datetime, *, rooms: Iterable[str] | None = None
) -> CoverageReport:
    """The exam's coverage as it is known at `now`, of all its rooms or of some. Reads only."""
    exam = exams.get(db, exam_id)
    chosen = None if rooms is None else set(rooms)
    found = [j for j in coverage.judged(db, config, exam, now) if chosen is None or j.window.room in chosen]
    by_room = _by_room(found)
    last = max((j.window.ends_at for j in found), default=exams.span(config, exam)[1])
    with_camera = {camera.room_at(exam.starts_at) for camera in config.cameras}
    return CoverageReport(
        exam, min(now, last), now >= last and all(j.until >= j.window.ends_at for j in found),
        tuple(_room(config.room(code), cameras) for code, cameras in by_room.items()),
        tuple(_camera(db, each, by_room[each.window.room]) for each in found),
        tuple(r.code for r in config.rooms if r.code not in with_camera and _has_window(config, exam, r)
              and (not exam.rooms or r.code in exam.rooms) and (chosen is None or r.code in chosen)),
    )  # fmt: skip


def rooms(db: Database, config: Config, exam: Exam, now: datetime) -> list[RoomReport]:
    """The rooms alone, for who looks every few seconds: a fifth of the whole report's work."""
    return [_room(config.room(code), cameras)
            for code, cameras in _by_room(coverage.judged(db, config, exam, now)).items()]  # fmt: skip


def _by_room(found: Iterable[Judged]) -> dict[str, list[Judged]]:
    by_room: dict[str, list[Judged]] = {}
    for each in found:
        by_room.setdefault(each.window.room, []).append(each)
    return by_room


def _has_window(config: Config, exam: Exam, room: Room) -> bool:
    return config.profile.window(room.kind, exam.starts_at, exam.ends_at) is not None


def _room(room: Room, cameras: Sequence[Judged]) -> RoomReport:
    """Up to where every camera of the room is judged: beyond, what one has not told yet another may have recorded."""
    first, last = cameras[0].window.starts_at, cameras[0].window.ends_at
    until = min(camera.until for camera in cameras)
    spans = common([[(g.starts_at, min(g.ends_at, until)) for g in camera.gaps] for camera in cameras])
    holes = tuple(
        RoomHole(room.code, a, b, tuple(g for c in cameras for g in c.gaps if g.starts_at < b and g.ends_at > a))
        for a, b in spans
    )
    return RoomReport(room.code, first, last, until, ticks(until - first), sum(h.length_us for h in holes), holes,
                      tuple(camera.window.camera for camera in cameras))  # fmt: skip


def _camera(db: Database, own: Judged, room: Sequence[Judged]) -> CameraReport:
    window = own.window
    holes = tuple(_hole(gap, [each for each in room if each is not own]) for gap in own.gaps)
    segments = archive.segments(db, camera=window.camera, since=window.starts_at, until=window.ends_at)
    return CameraReport(
        window.camera, window.room, window.starts_at, window.ends_at, own.until, ticks(own.until - window.starts_at),
        sum(hole.length_us for hole in holes), holes, _clocks(segments),
    )  # fmt: skip


def _hole(gap: Gap, others: Sequence[Judged]) -> CameraHole:
    """Up to where the others are judged: what they record in this very moment is not on disk yet."""
    told = min((other.until for other in others), default=gap.ends_at)
    own = [(gap.starts_at, min(gap.ends_at, told) if told > gap.starts_at else gap.ends_at)]
    left, covered_by = own, []
    for other in others:
        missing = [(g.starts_at, g.ends_at) for g in other.gaps] + [(other.until, max(other.until, own[0][1]))]
        if common([own, missing]) != own:
            covered_by.append(other.window.camera)
        left = common([left, missing])
    return CameraHole(gap, tuple(covered_by), sum(ticks(b - a) for a, b in left))


def common(lists: Sequence[Iterable[Span]]) -> list[Span]:
    """What lies in all of these lists of spans, each list joined first; nothing for no list."""
    joined = [_joined(spans) for spans in lists]
    found = joined[0] if joined else []
    for other in joined[1:]:
        found = [(max(a, c), min(b, d)) for a, b in found for c, d in other if max(a, c) < min(b, d)]
    return found


def _joined(spans: Iterable[Span]) -> list[Span]:
    whole: list[Span] = []
    for a, b in sorted(span for span in spans if span[0] < span[1]):
        if whole and a <= whole[-1][1]:
            whole[-1] = (whole[-1][0], max(b, whole[-1][1]))
        else:
            whole.append((a, b))
    return whole


def _clocks(segments: Sequence[Segment]) -> Clocks:
    offsets = [s.clock.camera_offset_ms for s in segments if s.clock.camera_offset_ms is not None]
    return Clocks(
        len(segments), Counter(s.clock.derived for s in segments), Counter(s.clock.box_clock for s in segments),
        sum(s.clock.step_ms != 0 for s in segments), (min(offsets), max(offsets)) if offsets else None,
    )  # fmt: skip


def canonical(config: Config, found: CoverageReport) -> bytes:
    """The report as RFC 8785 JSON: one spelling, so that its SHA-256 stands for it. docs/coverage-report.md"""
    return rfc8785.dumps(as_json(config, found))


def sha256(config: Config, found: CoverageReport) -> str:
    return hashlib.sha256(canonical(config, found)).hexdigest()


def as_json(config: Config, found: CoverageReport) -> dict[str, Any]:
    """What is signed. Nothing in it depends on when it was asked for, once the report is final."""
    exam, site = found.exam, config.site
    return {
        "format": FORMAT,
        "site": {"code": site.code, "name": _both(site.name), "region": site.region, "timezone": site.timezone},
        "exam": {"id": exam.id, "title": exam.title, "starts_at": iso(exam.starts_at), "ends_at": iso(exam.ends_at),
                 "revision": exam.revision},
        "until": iso(found.until),
        "final": found.final,
        "totals": totals(found),
        "rooms": [_room_json(config, room) for room in found.rooms],
        "cameras": [_camera_json(config, camera) for camera in found.cameras],
        "rooms_without_camera": list(found.without_camera),
    }  # fmt: skip


def totals(found: CoverageReport) -> dict[str, int]:
    """The sums, as the signature names them."""
    return {
        "rooms": len(found.rooms),
        "rooms_covered": sum(room.missing_us == 0 for room in found.rooms),
        "room_required_us": sum(room.required_us for room in found.rooms),
        "room_missing_us": sum(room.missing_us for room in found.rooms),
        "room_holes": len(found.holes),
        "cameras": len(found.cameras),
        "camera_required_us": sum(camera.required_us for camera in found.cameras),
        "camera_missing_us": sum(camera.missing_us for camera in found.cameras),
        "camera_gaps": sum(len(camera.holes) for camera in found.cameras),
    }


def _room_json(config: Config, room: RoomReport) -> dict[str, Any]:
    known = config.room(room.room)
    return {
        "code": room.room, "name": _both(known.name), "kind": known.kind.value, "cameras": list(room.cameras),
        "window": _span(room.starts_at, room.ends_at), "until": iso(room.until), "required_us": room.required_us,
        "covered_us": room.covered_us, "missing_us": room.missing_us,
        "holes": [{**_span(h.starts_at, h.ends_at), "length_us": h.length_us, "causes": list(h.causes),
                   "gaps": [{"camera": g.camera, "cause": g.cause, "entry": g.entry} for g in h.gaps]}
                  for h in room.holes],
    }  # fmt: skip


def _camera_json(config: Config, camera: CameraReport) -> dict[str, Any]:
    clocks = camera.clocks
    return {
        "id": camera.camera, "name": _both(config.camera(camera.camera).name), "room": camera.room,
        "window": _span(camera.starts_at, camera.ends_at), "until": iso(camera.until),
        "required_us": camera.required_us, "recorded_us": camera.recorded_us, "missing_us": camera.missing_us,
        "gaps": [{**_span(h.gap.starts_at, h.gap.ends_at), "length_us": h.length_us, "cause": h.gap.cause,
                  "cause_said": cause(h.gap.cause).as_json(), "entry": h.gap.entry, "evidence": list(h.gap.evidence),
                  "covered_by": list(h.covered_by), "uncovered_us": h.uncovered_us} for h in camera.holes],
        "clock": {"recordings": clocks.recordings, "derived": dict(clocks.derived), "box_clock": dict(clocks.box_clock),
                  "steps": clocks.steps, "offset_ms": list(clocks.offset_ms) if clocks.offset_ms else None},
    }  # fmt: skip


def _span(starts_at: datetime, ends_at: datetime) -> dict[str, str]:
    return {"starts_at": iso(starts_at), "ends_at": iso(ends_at)}


def _both(name: Names) -> dict[str, str]:
    return {"ru": name.ru, "en": name.en}
