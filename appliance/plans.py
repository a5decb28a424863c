"""The building's floors as pictures, and where its zones and cameras are on them. Owns tables plan and place.

A place is kept as a share of the picture's width and height, so a better picture of the same floor keeps them all.
Which alarm belongs to which place, and which camera stands nearest, is worked out here; pages only draw it.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from appliance import drawings, journal, store
from appliance.clock import Clock, iso
from appliance.config import Camera, Config, Zone
from appliance.drawings import Drawing
from appliance.model import N_, Actor, ApplianceError, Person
from appliance.store import Database

Sort = Literal["zone", "camera"]
MOST_FLOORS = 40

NO_FLOOR = N_("There is no such floor. Its plan was removed, or never was here.")
NO_SUBJECT = N_("The site has no such zone or camera. Its configuration has changed; open the page anew.")
OUTSIDE = N_("The place lies outside the plan. Both numbers go from 0 to 100.")
UNTITLED = N_("Write what the floor is called, in 40 letters or fewer.")
TWICE = N_("There is already a floor called {title}. Replace its picture, or call this one otherwise.")
TOO_MANY = N_("There are {most} plans already. Remove one that is not used.")
LEVEL = N_("Write the floor's number between −20 and 200: plans are shown in this order.")


@dataclass(frozen=True, slots=True)
class Floor:
    """One floor. `level` is its order from below; `width` and `height` only say the picture's shape."""

    id: int
    title: str
    level: int
    media: str
    width: float
    height: float
    sha256: str
    changed_at: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where a zone or a camera is: shares of the picture's width and height from its upper left corner."""

    floor: int
    sort: Sort
    subject: str
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Subject:
    """What can be placed: a zone or a camera of the configuration, by a name that no other has."""

    sort: Sort
    name: str
    title: dict[str, str]
    room: str | None
    panel: str | None = None

    @property
    def key(self) -> tuple[str, str]:
        return self.sort, self.name


def zone_name(zone: Zone) -> str:
    """What names a zone of the configuration in table place."""
    return "|".join((zone.panel, zone.account or "", zone.partition or "", zone.number))


def subjects(config: Config) -> list[Subject]:
    """Every zone and camera of the site, in the order of its configuration."""
    zones = [Subject("zone", zone_name(zone), _both(zone.name), zone.room, zone.panel) for zone in config.zones]
    cameras = [Subject("camera", camera.id, _both(camera.name), camera.room) for camera in config.cameras]
    return [*zones, *cameras]


def _both(name: Any) -> dict[str, str]:
    return {"ru": name.ru, "en": name.en}


def floors(db: Database) -> list[Floor]:
    """Every floor, the lowest first."""
    return [Floor(**row) for row in db.rows(
        "select id, title, level, media, width, height, sha256, changed_at from plan order by level, title"
    )]  # fmt: skip


def floor(db: Database, floor_id: int) -> Floor:
    """One floor; ApplianceError when there is none of this number."""
    for found in floors(db):
        if found.id == floor_id:
            return found
    raise ApplianceError(NO_FLOOR)


def picture(db: Database, floor_id: int) -> tuple[str, bytes]:
    """The media type and the bytes of a floor's picture."""
    row = db.row("select media, picture from plan where id = ?", (floor_id,))
    if row is None:
        raise ApplianceError(NO_FLOOR)
    return row["media"], row["picture"]


def places(db: Database, floor_id: int | None = None) -> list[Place]:
    """What is placed, on one floor or on all."""
    return [Place(**row) for row in db.rows(
        "select floor, sort, subject, x, y from place where floor = coalesce(?, floor) order by sort desc, subject",
        (floor_id,),
    )]  # fmt: skip


def add(db: Database, clock: Clock, who: Person, title: str, level: int, data: bytes) -> Floor:
    """A new floor from an uploaded picture. Opens its own transaction."""
    made = drawings.take_in(data)
    title, digest = title.strip(), hashlib.sha256(made.data).hexdigest()
    with store.transaction(db):
        _sound(db, None, title, level)
        if db.value("select count(*) from plan") >= MOST_FLOORS:
            raise ApplianceError(TOO_MANY, most=MOST_FLOORS)
        number = db.write(
            "insert into plan (title, level, media, width, height, picture, sha256, changed_at)"
            " values (?, ?, ?, ?, ?, ?, ?, ?)",
            (title, level, made.media, made.width, made.height, made.data, digest, iso(clock.now())),
        ).lastrowid
        _note(db, clock, who, "plan.added", title, made, digest)
    return floor(db, int(number or 0))


def change(
    db: Database, clock: Clock, who: Person, floor_id: int, title: str, level: int, data: bytes | None = None
) -> Floor:
    """Another title, order or picture of a floor; what is placed on it stays. Opens its own transaction."""
    made = drawings.take_in(data) if data else None
    title = title.strip()
    with store.transaction(db):
        before = floor(db, floor_id)
        _sound(db, floor_id, title, level)
        if (title, level) != (before.title, before.level):
            db.write("update plan set title = ?, level = ?, changed_at = ? where id = ?",
                     (title, level, iso(clock.now()), floor_id))  # fmt: skip
            journal.append(db, clock, "plan.renamed", Actor.person(who), before=before.title, title=title,
                           before_level=before.level, level=level)  # fmt: skip
        if made is not None:
            digest = hashlib.sha256(made.data).hexdigest()
            db.write(
                "update plan set media = ?, width = ?, height = ?, picture = ?, sha256 = ?, changed_at = ?"
                " where id = ?",
                (made.media, made.width, made.height, made.data, digest, iso(clock.now()), floor_id),
            )
            _note(db, clock, who, "plan.replaced", title, made, digest, before=before.sha256)
    return floor(db, floor_id)


def remove(db: Database, clock: Clock, who: Person, floor_id: int) -> None:
    """Take a floor away with all that is placed on it. Opens its own transaction."""
    with store.transaction(db):
        gone, count = floor(db, floor_id), len(places(db, floor_id))
        db.write("delete from place where floor = ?", (floor_id,))
        db.write("delete from plan where id = ?", (floor_id,))
        journal.append(db, clock, "plan.removed", Actor.person(who), title=gone.title, sha256=gone.sha256, places=count)


def put(
    db: Database, config: Config, clock: Clock, who: Person, floor_id: int, sort: str, name: str, x: float, y: float
) -> Place:
    """Place a zone or a camera; one that is placed already moves here. Opens its own transaction."""
    subject = _known(config, sort, name)
    if not (0 <= x <= 1 and 0 <= y <= 1):  # also refuses what is no number
        raise ApplianceError(OUTSIDE)
    with store.transaction(db):
        on = floor(db, floor_id)
        db.write(
            "insert into place (floor, sort, subject, x, y) values (?, ?, ?, ?, ?)"
            " on conflict (sort, subject) do update set floor = excluded.floor, x = excluded.x, y = excluded.y",
            (floor_id, subject.sort, subject.name, x, y),
        )
        journal.append(db, clock, "place.set", Actor.person(who), subject=subject.name, sort=subject.sort,
                       what=subject.title, title=on.title, x_permille=round(x * 1000), y_permille=round(y * 1000),
                       camera=subject.name if subject.sort == "camera" else None, room=subject.room)  # fmt: skip
    return Place(floor_id, subject.sort, subject.name, x, y)


def take(db: Database, clock: Clock, who: Person, floor_id: int, sort: str, name: str) -> None:
    """Take a zone or a camera off a floor, also one the configuration no longer has. Opens its own transaction."""
    with store.transaction(db):
        on = floor(db, floor_id)
        gone = db.write("delete from place where floor = ? and sort = ? and subject = ?", (floor_id, sort, name))
        if gone.rowcount:
            journal.append(db, clock, "place.taken", Actor.person(who), subject=name, sort=sort, title=on.title)


def zones_of(db: Database, config: Config, alarm_ids: Sequence[int]) -> dict[int, Zone]:
    """Alarm -> the zone of the configuration it came from. Alarms of a whole panel or an unnamed zone have none."""
    marks = ",".join("?" * len(alarm_ids))
    rows = db.rows(
        f"select a.id, a.panel, e.zone, e.account, e.partition from alarm a join event e on e.id = a.event"  # noqa: S608 - question marks only
        f" where a.id in ({marks})", tuple(alarm_ids),
    )  # fmt: skip
    found = {row["id"]: config.zone(row["panel"], row["zone"], row["account"], row["partition"]) for row in rows}
    return {number: zone for number, zone in found.items() if zone is not None}


def near(db: Database, config: Config, zone: Zone | None) -> list[Camera]:
    """Cameras that may see this zone, the nearest first: those of its room, then those on its floor by distance.

    Walls are thicker than distances: a camera in the room sees more of it than a nearer one next door.
    """
    if zone is None:
        return []
    kept = places(db)
    here = next((place for place in kept if (place.sort, place.subject) == ("zone", zone_name(zone))), None)
    shapes = {found.id: found for found in floors(db)}
    away: dict[str, float] = {}
    if here is not None:
        shape = shapes[here.floor]
        away = {place.subject: math.hypot((place.x - here.x) * shape.width, (place.y - here.y) * shape.height)
                for place in kept if place.sort == "camera" and place.floor == here.floor}  # fmt: skip
    seen = [camera for camera in config.cameras if camera.id in away or (zone.room and camera.room == zone.room)]
    return sorted(seen, key=lambda camera: (camera.room != zone.room, away.get(camera.id, math.inf)))


def _known(config: Config, sort: str, name: str) -> Subject:
    for subject in subjects(config):
        if subject.key == (sort, name):
            return subject
    raise ApplianceError(NO_SUBJECT)


def _sound(db: Database, floor_id: int | None, title: str, level: int) -> None:
    if not 0 < len(title) <= 40:
        raise ApplianceError(UNTITLED)
    if not -20 <= level <= 200:
        raise ApplianceError(LEVEL)
    if db.value("select 1 from plan where title = ? and id is not ?", (title, floor_id)):
        raise ApplianceError(TWICE, title=title)


def _note(
    db: Database, clock: Clock, who: Person, kind: str, title: str, made: Drawing, sha256: str, **more: Any
) -> None:
    journal.append(db, clock, kind, Actor.person(who), title=title, media=made.media, sha256=sha256,
                   size_bytes=len(made.data), **more)  # fmt: skip
