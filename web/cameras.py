"""The cameras' pages: a plate for each in a fixed order, one camera with its day, its newest picture, the wall."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from flask import Blueprint, abort, redirect, request, send_file, url_for
from flask.typing import ResponseReturnValue

from appliance import archive, cameras, coverage, exams
from appliance.cameras import CameraState
from appliance.clock import iso, parse
from appliance.config import Camera, Config
from appliance.coverage import Gap
from appliance.exams import Exam, Window
from appliance.model import N_, Message, message
from appliance.store import Database
from web import charts, context
from web.health import disks, late_services
from web.rights import needs

views = Blueprint("cameras", __name__)

PICTURE_OLD_S = 15.0  # an older one gets its hatched edge: it must not look live. Without snapshots they are 10 apart
SILENT_S = 5.0
NAMED_AGE_S = 3600.0  # older ones are told by their date
WALL_PLATES, WALL_LARGE = 15, 8  # of more the pictures would say nothing; the second with larger letters
WALL_COLUMNS = ((6, 3), (12, 4), (15, 5))  # so many plates, so many beside each other


@dataclass(frozen=True, slots=True)
class Face:
    """What a camera's plate says. `tone` is the chip's look, `drawing` its icon; `needs_person` makes the page ask."""

    tone: str
    drawing: str
    said: Message
    needs_person: bool = False
    recording: bool = False


@dataclass(frozen=True, slots=True)
class Plate:
    """One camera on the page."""

    camera: Camera
    state: CameraState | None
    window: Window | None
    next_at: datetime | None
    face: Face
    clock: Face | None
    picture_at: datetime | None
    picture_old: bool
    stamp: Message | None  # how old it is, in words that fit a small plate
    told: Message | None  # the same with its time


def face(state: CameraState | None, window: Window | None, next_at: datetime | None, now: datetime,
         stall_s: float, recorder_late: bool) -> Face:  # fmt: skip
    """The one verdict on a camera. Silence is not health: without a fresh word of the recorder nothing is recording."""
    if recorder_late and window is not None:
        return Face("unknown", "unplug", message(N_("The recorder is not heard, recording in doubt")), True)
    if state is None or state.state == "idle":
        if window is not None:
            return Face("fault", "x", message(N_("Not recording though required")), True)
        if next_at is not None:
            return Face("plain", "circle", message(N_("Waits for {when}"), when=next_at.isoformat()))
        return Face("plain", "circle", message(N_("Not required now")))
    silent_s = cameras.silent_for_s(state, now)
    since_s = max(0.0, (now - parse(state.last_frame_at or state.since_at)).total_seconds())
    if state.state == "recording" and (silent_s is None or silent_s <= max(stall_s, SILENT_S)):
        return Face("plain", "circle-dot", message(N_("Recording")), recording=True)
    if state.state == "connecting":
        return Face("outline", "refresh-cw", message(N_("Connecting, {since_s}"), since_s=round(since_s)))
    if state.state == "refused":
        return Face("outline", "key-round", message(N_("Refused the password")), True)
    if state.state == "stopped":
        return Face("outline", "square", message(N_("Stopped")))
    return Face("unknown", "unplug", message(N_("No connection {since_s}"), since_s=round(since_s)), True)


def clock_face(state: CameraState | None, config: Config) -> Face | None:
    """The camera's clock, when it is off by more than the profile lets pass."""
    limits = config.profile.limits
    if state is None or state.clock_offset_s is None or abs(state.clock_offset_s) <= limits.camera_clock_remark_s:
        return None
    offset = context.words().signed_s(state.clock_offset_s)
    bad = abs(state.clock_offset_s) > limits.camera_clock_fail_s
    return Face("fault" if bad else "remark", "triangle-alert", message(N_("Clock {offset}"), offset=offset), bad)


def plates_of(db: Database, config: Config) -> list[Plate]:
    """Every camera in the order of the configuration, which is the order of the rooms: plates never move."""
    now, states = context.now(), cameras.states(db)
    required, coming = exams.required_now(db, config, now), _coming(db, config, now)
    recorder_late = "recorder" in late_services(db)
    found = []
    for camera in config.cameras:
        state, window, next_at = states.get(camera.id), required.get(camera.id), coming.get(camera.id)
        at = picture_at(config, camera.id)
        found.append(Plate(
            camera, state, window, next_at,
            face(state, window, next_at, now, config.profile.recording.stall_s, recorder_late),
            clock_face(state, config), at, *picture_age(at, now),
        ))  # fmt: skip
    return found


def picture_age(at: datetime | None, now: datetime) -> tuple[bool, Message | None, Message | None]:
    """Whether a picture is old, and how old, short and whole; one of the future (the clock was set back) is old too."""
    if at is None:
        return True, None, None
    age_s, moment = (now - at).total_seconds(), {"picture_at": iso(at), "picture_day": iso(at)}
    short = message(N_("{age_s} ago"), age_s=max(0, round(age_s)))
    if abs(age_s) <= PICTURE_OLD_S:
        return False, short, short
    if 0 < age_s <= NAMED_AGE_S:
        return True, short, message(N_("picture of {picture_at}, {age_s} ago"), age_s=round(age_s), **moment)
    whole = message(N_("picture of {picture_day}, {picture_at}"), **moment)
    return True, message(N_("picture of {picture_day}"), **moment), whole


def _coming(db: Database, config: Config, now: datetime) -> dict[str, datetime]:
    """Camera -> when its next required hours begin, within a day."""
    found: dict[str, datetime] = {}
    for exam in exams.exams(db, since=now):
        if exam.state == "planned":
            for window in exams.windows(config, exam):
                if now < window.starts_at < now + timedelta(days=1):
                    found.setdefault(window.camera, window.starts_at)
    return found


def picture_at(config: Config, camera: str) -> datetime | None:
    path = cameras.snapshot_path(config.data, camera)
    try:
        return datetime.fromtimestamp(path.stat().st_mtime, UTC)
    except FileNotFoundError:
        return None


@views.get("/cameras")
@needs("cameras.read")
def plates() -> ResponseReturnValue:
    return context.page("cameras.html", **_plates_page())


@views.get("/wall/cameras")
@needs("cameras.read")
def wall() -> ResponseReturnValue:
    page, large = _plates_page(), request.args.get("size") == "large"
    found: list[Plate] = page.pop("plates")
    shown = on_wall(found, WALL_LARGE if large else WALL_PLATES)
    columns = next((wide for many, wide in WALL_COLUMNS if len(shown) <= many), WALL_COLUMNS[-1][1])
    return context.page("cameras.html", wall=True, theme="dark", plates=shown, columns=columns,
                        more=len(found) - len(shown), **page)  # fmt: skip


def on_wall(plates: list[Plate], most: int) -> list[Plate]:
    """The plates a wall has room for, in their order: first of all those that need a person, never hidden by others."""
    chosen = sorted(plates, key=lambda plate: not plate.face.needs_person)[:most]
    return [plate for plate in plates if plate in chosen]


def _plates_page() -> dict[str, Any]:
    found = plates_of(context.database(), context.config())
    required = [plate for plate in found if plate.window is not None]
    return {
        "plates": found,
        "required": len(required),
        "recording": sum(1 for plate in required if plate.face.recording),
        "waiting": [plate for plate in found if plate.window is None and plate.next_at is not None],
        "disks": disks(context.database(), context.config()),
    }


@views.get("/cameras/<camera_id>")
@needs("cameras.read")
def camera(camera_id: str) -> ResponseReturnValue:
    db, config = context.database(), context.config()
    if config.camera(camera_id) in config.aside:
        return redirect(url_for("camera_acts.device", camera_id=camera_id))
    plate = next(plate for plate in plates_of(db, config) if plate.camera.id == camera_id)
    exam = todays_exam(db, config)
    gaps = [gap for gap in coverage.gaps(db, exam.id) if gap.camera == camera_id] if exam else []
    return context.page(
        "camera.html", plate=plate, exam=exam, gaps=gaps, room=config.room(plate.camera.room),
        second=_second(db, plate) if plate.camera.both_streams else None,
        day=day_bar(db, config, exam, camera_id, gaps) if exam else None,
    )  # fmt: skip


def _second(db: Database, plate: Plate) -> tuple[Face, CameraState | None]:
    """How the second stream is: told here and in the journal, and nothing is required of it."""
    state, stall_s = cameras.second(db, plate.camera.id), context.config().profile.recording.stall_s
    late = "recorder" in late_services(db)
    return face(state, plate.window, plate.next_at, context.now(), stall_s, late), state


def todays_exam(db: Database, config: Config) -> Exam | None:
    """The exam the day is about: the one going on, else the next within a day, else the last one of today."""
    now, today = context.now(), context.words().local(context.now()).date()
    found = [exam for exam in exams.exams(db, since=now - timedelta(days=1)) if exam.state != "cancelled"]
    going = [
        exam
        for exam in found
        if exam.state == "planned" and exams.span(config, exam)[0] <= now <= exams.span(config, exam)[1]
    ]
    coming = [exam for exam in found if exam.state == "planned" and now < exam.starts_at < now + timedelta(days=1)]
    past = [exam for exam in found if context.words().local(exam.starts_at).date() == today]
    return next(iter([*going, *coming, *reversed(past)]), None)


def day_bar(db: Database, config: Config, exam: Exam, camera_id: str, gaps: list[Gap]) -> charts.Bar:
    """One camera's day: required hours, what is recorded of them, what is missing."""
    begins_at, ends_at = exams.span(config, exam)
    edge = timedelta(seconds=max((ends_at - begins_at).total_seconds() * 0.02, 1))
    windows = [(w.starts_at, w.ends_at) for w in exams.windows(config, exam) if w.camera == camera_id]
    segments = archive.segments(db, camera=camera_id, since=begins_at - edge, until=ends_at + edge)
    recorded = charts.joined((segment.starts_at, segment.ends_at) for segment in segments)
    missing = [(gap.starts_at, gap.ends_at) for gap in gaps]
    layers = (("required", windows), ("recorded", recorded), ("gap", missing))
    return charts.bar(begins_at - edge, ends_at + edge, layers, context.now(), context.words())


@views.get("/cameras/<camera_id>/snapshot.jpg")
@needs("cameras.read")
def snapshot(camera_id: str) -> ResponseReturnValue:
    config = context.config()
    path = cameras.snapshot_path(config.data, config.camera(camera_id).id)  # a camera of the site, never a path
    if not path.exists():
        abort(404)
    return send_file(path, mimetype="image/jpeg", conditional=False, max_age=None)
