"""The archive's pages: a day of all cameras with their gaps; one camera's recordings, played in the browser."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from flask import Blueprint, abort, request, send_file
from flask.typing import ResponseReturnValue

from appliance import archive, coverage, exams
from appliance.archive import Segment
from appliance.config import Camera
from appliance.coverage import Gap
from appliance.model import N_, ApplianceError
from appliance.store import Database
from web import charts, context
from web.rights import needs

views = Blueprint("archive", __name__)


@dataclass(frozen=True, slots=True)
class CameraDay:
    """One camera's day: its bar, joined spans and gaps."""

    camera: Camera
    bar: charts.Bar | None
    spans: list[charts.Span]
    gaps: list[Gap]
    size_bytes: int
    files: int


@views.get("/archive")
@needs("archive.read")
def days() -> ResponseReturnValue:
    db, on = context.database(), _asked_day()
    begins_at, ends_at = _bounds(on)
    gaps = _gaps(db, begins_at, ends_at)
    segments = archive.segments(db, since=begins_at, until=ends_at)
    hours = _hours(segments, gaps)
    found = [_camera_day(camera, [s for s in segments if s.camera == camera.id], gaps, hours)
             for camera in context.config().cameras]  # fmt: skip
    return context.page(
        "archive.html", day=on, days=found, gaps=gaps, earlier=on - timedelta(days=1), later=on + timedelta(days=1),
        exams=[exam for exam in exams.exams(db) if begins_at <= exam.starts_at < ends_at and exam.state != "cancelled"],
        newest=_newest_day(db),
    )  # fmt: skip


def _asked_day() -> date:
    """The day in the address, else the newest one with recordings, else today."""
    asked = request.args.get("day")
    if asked:
        try:
            return date.fromisoformat(asked)
        except ValueError:
            abort(404)
    return _newest_day(context.database()) or context.words().local(context.now()).date()


def _newest_day(db: Database) -> date | None:
    newest = db.value("select max(starts_at) from segment")
    return None if newest is None else context.words().local(newest).date()


def _bounds(on: date) -> tuple[datetime, datetime]:
    """Midnight to midnight on the site's clock, in UTC."""
    zone = context.config().site.zone
    return tuple(datetime.combine(day, time(), zone).astimezone(UTC) for day in (on, on + timedelta(days=1)))  # type: ignore[return-value]


def _gaps(db: Database, begins_at: datetime, ends_at: datetime) -> list[Gap]:
    near = [
        exam
        for exam in exams.exams(db, since=begins_at - timedelta(days=1))
        if exam.starts_at < ends_at + timedelta(days=1)
    ]
    found = [gap for exam in near for gap in coverage.gaps(db, exam.id)]
    return sorted(
        (gap for gap in found if gap.ends_at > begins_at and gap.starts_at < ends_at), key=lambda gap: gap.starts_at
    )


def _camera_day(camera: Camera, segments: list[Segment], gaps: list[Gap], hours: charts.Span | None) -> CameraDay:
    spans = charts.joined((segment.starts_at, segment.ends_at) for segment in segments)
    own = [gap for gap in gaps if gap.camera == camera.id]
    layers = (("recorded", spans), ("gap", [(gap.starts_at, gap.ends_at) for gap in own]))
    bar = charts.bar(*hours, layers, context.now(), context.words()) if hours else None
    return CameraDay(camera, bar, spans, own, sum(segment.size_bytes for segment in segments), len(segments))


def _hours(segments: list[Segment], gaps: list[Gap]) -> charts.Span | None:
    """What the bars of a page span. All share it, so that one moment of every camera stands under the other."""
    edges = [*((s.starts_at, s.ends_at) for s in segments), *((g.starts_at, g.ends_at) for g in gaps)]
    if not edges:
        return None
    first, last = min(start for start, _ in edges), max(end for _, end in edges)
    room = timedelta(seconds=max((last - first).total_seconds() * 0.02, 1))
    return first - room, last + room


@views.get("/archive/<camera_id>")
@needs("archive.read")
def camera(camera_id: str) -> ResponseReturnValue:
    db, on = context.database(), _asked_day()
    begins_at, ends_at = _bounds(on)
    found = context.config().camera(camera_id)
    gaps = _gaps(db, begins_at, ends_at)
    second = request.args.get("stream") == "second"
    segments = archive.segments(db, camera=camera_id, since=begins_at, until=ends_at,
                                stream="second" if second else "main")  # fmt: skip
    gaps = [] if second else gaps  # nothing is required of a second stream
    playing = _playing(segments, request.args.get("segment", type=int))
    at = segments.index(playing) if playing else -1
    return context.page(
        "archive_camera.html", camera=found, day=on, stream="second" if second else None,
        both=second or found.both_streams, segments=segments, playing=playing,
        before=segments[at - 1] if at > 0 else None, after=segments[at + 1] if 0 <= at < len(segments) - 1 else None,
        shown=_camera_day(found, segments, gaps, _hours(segments, [gap for gap in gaps if gap.camera == camera_id])),
    )  # fmt: skip


def _playing(segments: list[Segment], asked: int | None) -> Segment | None:
    if asked is None:
        return segments[0] if segments else None
    return next((segment for segment in segments if segment.id == asked), None) or abort(404)


@views.get("/archive/segment/<int:segment_id>.mp4")
@needs("archive.read")
def video(segment_id: int) -> ResponseReturnValue:
    """The recording bit for bit, by ranges, so that the player can jump. No path comes from outside, only a number."""
    db, config = context.database(), context.config()
    row = db.row("select camera, starts_at, ends_at from segment where id = ?", (segment_id,))
    if row is None:
        abort(404)
    found = [s for s in archive.segments(db, camera=row["camera"], stream=None) if s.id == segment_id]
    if found[0].retired is not None:
        raise ApplianceError(N_("This recording was deleted by rule, journal entry {seq}."), seq=str(found[0].retired))
    path = archive.path(config, found[0])
    if not path.exists():
        raise ApplianceError(
            N_("The file of this recording is not on the disk. Tell the administrator; play the next one.")
        )
    return send_file(path, mimetype="video/mp4", conditional=True, etag=found[0].sha256, max_age=0)
