"""The minute before an alarm, from the camera nearest to it: what a guard sees who may not walk through the archive."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from flask import Blueprint, Response, abort, request, send_file
from flask.typing import ResponseReturnValue
from werkzeug.wsgi import FileWrapper

from appliance import before, plans
from appliance.alarm_classes import SILENT
from appliance.alarm_names import said_of
from appliance.clock import parse
from appliance.config import Camera
from appliance.model import N_, ApplianceError, Role
from web import context
from web.rights import needs

views = Blueprint("before", __name__)

GONE = N_("The file of this recording is not on the disk. Tell the administrator; play the next one.")


def _raised(alarm_id: int) -> datetime:
    """When the alarm was raised. A silent call for help is security's alone, and so is the way to it."""
    row = context.database().row("select kind, raised_at from alarm where id = ?", (alarm_id,))
    silent = row is not None and row["kind"] in SILENT and not context.config().profile.alarms.silent_loud
    if row is None or (silent and context.person().role is not Role.SECURITY):
        abort(404)
    return parse(row["raised_at"])


def _near(alarm_id: int) -> list[Camera]:
    db, config = context.database(), context.config()
    return plans.near(db, config, plans.zones_of(db, config, [alarm_id]).get(alarm_id))


@views.get("/alarms/<int:alarm_id>/before")
@needs("alarms.before")
def minute(alarm_id: int) -> ResponseReturnValue:
    db, config, raised_at = context.database(), context.config(), _raised(alarm_id)
    near, asked = _near(alarm_id), request.args.get("camera")
    camera = next((one for one in near if one.id == asked), near[0] if near and not asked else None)
    if asked and camera is None:
        abort(404)
    parts = before.minute(db, config, camera.id, raised_at) if camera else []
    number = request.args.get("part", default=0, type=int)
    if parts and not 0 <= number < len(parts):
        abort(404)
    what, where, _ = said_of(db, config, alarm_id)
    reached = parts[-1].ends_at if parts else None
    return context.page(
        "before.html", alarm_id=alarm_id, what=what, where=where, raised_at=raised_at, near=near, camera=camera,
        parts=parts, number=number, since=raised_at - before.MINUTE,
        short=reached is None or (raised_at - reached).total_seconds() > 1.5,
    )  # fmt: skip


@views.get("/alarms/<int:alarm_id>/before/<camera_id>/<int:number>.mp4")
@needs("alarms.before")
def video(alarm_id: int, camera_id: str, number: int) -> ResponseReturnValue:
    """One file of the minute. No path comes from outside: an alarm, a camera near it, and a number."""
    raised_at = _raised(alarm_id)
    if camera_id not in [camera.id for camera in _near(alarm_id)]:
        abort(404)
    parts = before.minute(context.database(), context.config(), camera_id, raised_at)
    if not 0 <= number < len(parts):
        abort(404)
    part = parts[number]
    asked = request.args.get("whole", type=int)
    try:
        if part.segment is not None and asked is None:
            return send_file(part.path, mimetype="video/mp4", conditional=True, max_age=0)
        # A file that was finished while it is played stays as long as its address says.
        return _growing(part.path, min(max(asked or part.whole_bytes, 0), part.whole_bytes))
    except FileNotFoundError:
        raise ApplianceError(GONE) from None


def _growing(path: Path, whole_bytes: int) -> Response:
    """The first bytes of a file that still grows, by ranges. The address names how many: the player sees one length."""
    asked = request.range
    span = asked.range_for_length(whole_bytes) if asked is not None else (0, whole_bytes)
    if span is None:
        return Response("", 416, {"Content-Range": f"bytes */{whole_bytes}"})
    start, stop = span
    file = path.open("rb")
    file.seek(start)
    answer = Response(_Stretch(file, stop - start), 200 if asked is None else 206, mimetype="video/mp4")
    answer.headers["Accept-Ranges"] = "bytes"
    answer.headers["Content-Length"] = str(stop - start)
    if asked is not None:
        answer.headers["Content-Range"] = f"bytes {start}-{stop - 1}/{whole_bytes}"
    return answer


class _Stretch(FileWrapper):
    """So many bytes of an open file and no more; closed with the answer."""

    def __init__(self, file: object, left_bytes: int) -> None:
        super().__init__(file)  # type: ignore[arg-type]
        self._left_bytes = left_bytes

    def __next__(self) -> bytes:
        block = self.file.read(min(self.buffer_size, self._left_bytes))
        if not block:
            raise StopIteration
        self._left_bytes -= len(block)
        return block
