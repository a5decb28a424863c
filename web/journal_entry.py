"""What belongs to one entry of the journal: its neighbours, its pictures, its alarms, its act, what signs it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from flask import url_for

from appliance import access, before, checkpoints, journal, matching, plans
from appliance.access import Act
from appliance.acts import KINDS, STATEMENTS
from appliance.alarm_classes import SILENT
from appliance.alarm_names import said_of
from appliance.checkpoints import Checkpoint
from appliance.clock import iso, parse
from appliance.config import Camera, Config
from appliance.journal import Entry
from appliance.model import Message, Role
from appliance.store import Database
from web import context

NEIGHBOURS = 3
CAMERAS = 2  # pictures of more would take a phone's whole page
HALF_MINUTE = timedelta(seconds=30)
ALARMS_WITHIN = timedelta(minutes=2)
ALARMS = 5


@dataclass(frozen=True, slots=True)
class Picture:
    """A recording around an entry's moment. `src` plays that half minute before and after it; `href` the whole day."""

    camera: Camera
    starts_at: datetime
    ends_at: datetime
    src: str
    href: str
    video: str


@dataclass(frozen=True, slots=True)
class NearAlarm:
    """An alarm at about the same time."""

    id: int
    raised_at: str
    what: Message
    where: Message


@dataclass(frozen=True, slots=True)
class Around:
    """Everything beside an entry. Lists are empty where this person may not see it, or there is none.

    `unseen`: cameras that look there and have nothing of that minute.
    """

    earlier: tuple[Entry, ...]
    later: tuple[Entry, ...]
    pictures: tuple[Picture, ...]
    unseen: tuple[Camera, ...]
    alarms: tuple[NearAlarm, ...]
    acts: tuple[Act, ...]
    checkpoint: Checkpoint | None


def around(db: Database, entry: Entry) -> Around:
    event = _event(db, entry)
    earlier, later = _neighbours(db, entry)
    pictures, unseen = _pictures(db, context.config(), event)
    return Around(earlier, later, pictures, unseen, _alarms(db, event), _acts(db, entry),
                  checkpoints.covering(db, entry.seq))  # fmt: skip


def _event(db: Database, entry: Entry) -> Entry:
    """What the entry is about in the end: an explanation leads to the verdict, that to the door."""
    for _ in range(4):
        if not entry.refs or entry.kind.partition(".")[0] not in ("event", "journal", "access"):
            break
        entry = journal.get(db, entry.refs[0])
    return entry


def _neighbours(db: Database, entry: Entry) -> tuple[tuple[Entry, ...], tuple[Entry, ...]]:
    if not context.may("journal.all"):
        return (), ()
    earlier = journal.entries(db, before=entry.seq, newest_first=True, limit=NEIGHBOURS)
    return tuple(reversed(earlier)), tuple(journal.entries(db, after=entry.seq, limit=NEIGHBOURS))


def _pictures(db: Database, config: Config, event: Entry) -> tuple[tuple[Picture, ...], tuple[Camera, ...]]:
    """The half minutes before and after, as the cameras that see the place recorded them, cut by the player."""
    if not (context.may("archive.read") and context.may("journal.all")):
        return (), ()
    at, pictures, unseen = parse(event.at), [], []
    for camera in _cameras(db, config, event)[:CAMERAS]:
        parts = [part for part in before.minute(db, config, camera.id, at + HALF_MINUTE) if part.segment is not None]
        pictures += [_picture(camera, part) for part in parts]
        if not parts:
            unseen.append(camera)
    return tuple(pictures), tuple(unseen)


def _cameras(db: Database, config: Config, event: Entry) -> list[Camera]:
    """Which cameras see the place: the camera itself, those near the contact, those of the room."""
    if event.camera is not None:
        return [camera for camera in config.cameras if camera.id == event.camera]
    named = event.data.get("zone")
    zone = next((one for one in config.zones if named == one.name.model_dump() and one.room == event.room), None)
    near = plans.near(db, config, zone)
    return near + [camera for camera in config.cameras if camera.room == event.room and camera not in near]


def _picture(camera: Camera, part: before.Part) -> Picture:
    day = context.words().local(part.starts_at).date().isoformat()
    src = url_for("archive.video", segment_id=part.segment) + f"#t={part.from_s:.1f},{part.to_s:.1f}"
    href = url_for("archive.camera", camera_id=camera.id, day=day, segment=part.segment)
    return Picture(camera, part.starts_at, part.ends_at, src, href, part.video)


def _alarms(db: Database, event: Entry) -> tuple[NearAlarm, ...]:
    """What called within two minutes. A silent call for help is security's alone until the profile says otherwise."""
    if not context.may("alarms.read"):
        return ()
    at, config = parse(event.at), context.config()
    rows = db.rows("select id, kind, raised_at from alarm where raised_at >= ? and raised_at <= ? order by id limit ?",
                   (iso(at - ALARMS_WITHIN), iso(at + ALARMS_WITHIN), ALARMS * 2))  # fmt: skip
    quiet = context.person().role is not Role.SECURITY and not config.profile.alarms.silent_loud
    shown = [row for row in rows if not (quiet and row["kind"] in SILENT)][:ALARMS]
    return tuple(NearAlarm(row["id"], row["raised_at"], *said_of(db, config, row["id"])[:2]) for row in shown)


def _acts(db: Database, entry: Entry) -> tuple[Act, ...]:
    """The act this is about or that explains it, with what it corrects and what corrects it, oldest first."""
    number = _act_of(db, entry)
    if number is None:
        return ()
    found = access.act(db, number)
    versions = [found.corrects, number, found.corrected_by]
    return tuple(access.act(db, version) for version in versions if version is not None)


def _act_of(db: Database, entry: Entry) -> int | None:
    if entry.kind in STATEMENTS:
        return entry.seq
    if entry.kind in KINDS or entry.kind == "access.contradicted":
        return entry.refs[0]
    if entry.kind == "event.explained":
        return entry.refs[1]
    verdict = matching.verdict_of(db, entry.seq)
    return None if verdict is None or verdict["act"] is None else int(verdict["act"])


