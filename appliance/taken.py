"""Cameras that people took in, beside those of the file; also what has changed of the file's: address, password.

Services call `with_taken` in their loops and read `config.cameras` as ever, so a camera is recorded from the moment it
is taken in, and no other hears of it. Passwords are sealed (sealed.py): a new one is kept beside the old until the
camera has proven which of the two it takes, so that no kill leaves a camera nobody can sign in to.
"""

from __future__ import annotations

import re
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from appliance import exams, journal, sealed, store, words
from appliance.clock import Clock, iso, parse
from appliance.config import Camera, Config
from appliance.model import N_, Actor, ApplianceError, message
from appliance.profile import Words
from appliance.store import Database

WAY_BACK_DAYS = 30  # a camera that was set aside can be brought back for so long; then its password is forgotten
KEEPER = Actor.service("keeper")
STREAMS = {  # (both, sound) -> what is recorded, in the journal's two languages
    (False, False): words.both("один поток без звука", "one stream without sound"),
    (False, True): words.both("один поток со звуком", "one stream with sound"),
    (True, False): words.both("оба потока без звука", "both streams without sound"),
    (True, True): words.both("оба потока со звуком", "both streams with sound"),
}


class Changing(ApplianceError):
    """Which password counts is decided in a moment; nothing is wrong."""


class TakenCamera(Camera):
    """A camera of the table. Its password is read when it is needed: whoever holds this value has the one of now."""

    data: Path
    database: Path
    of_file: bool = False
    since_at: datetime | None = None
    until_at: datetime | None = None
    left: tuple[tuple[datetime, str], ...] = ()  # rooms it stood in before, and until when

    def password(self) -> str:
        """Open the sealed password; of a camera of the file without one, its file.

        While a new one is being set nobody else signs in: a try with the wrong one would count against us.
        """
        secret, following = self._sealed()
        if following is not None:
            raise Changing(N_("Camera {camera} is just being given another password."), camera=self.id)
        return super().password() if secret is None else sealed.unseal(self.data, whose(self.id), secret)

    def password_state(self) -> object:
        secret, following = self._sealed()
        return (secret, following) if secret or following else super().password_state()

    def there(self, starts_at: datetime, ends_at: datetime) -> tuple[datetime, datetime] | None:
        """From when it was taken in until it was set aside: no exam of before is asked for its recordings."""
        starts_at = max(starts_at, self.since_at or starts_at)
        ends_at = min(ends_at, self.until_at or ends_at)
        return (starts_at, ends_at) if starts_at < ends_at else None

    def room_at(self, at: datetime) -> str:
        """Exams of before keep the room the camera stood in, whatever it is moved to later."""
        return next((room for until_at, room in self.left if at < until_at), self.room)

    def _sealed(self) -> tuple[bytes | None, bytes | None]:
        """The one that counts, and the one being set."""
        with closing(store.open(self.database)) as db:
            row = db.row("select secret, secret_next from taken_camera where id = ?", (self.id,)) or {}
        return row.get("secret"), row.get("secret_next")


@dataclass(frozen=True, slots=True)
class Identity:
    """What a camera is known by, whatever its address: as it calls itself in discovery, its serial number, its MAC."""

    endpoint: str = ""
    serial: str = ""
    mac: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One row as pages and acts need it; no password in it. `onvif` and `user` are '' where the file decides."""

    id: str
    of_file: bool
    onvif: str
    user: str
    identity: Identity
    undecided: bool  # a new password is being set, and which one counts is not proven
    taken_at: str | None
    taken_by: str | None
    aside_at: str | None


def whose(camera: str) -> str:
    """What a camera's own password is sealed for."""
    return f"camera/{camera}"


def with_taken(db: Database, config: Config) -> Config:
    """The configuration with the cameras as they are now. Cheap, and safe to call with what it gave before."""
    found = db.rows("select * from taken_camera order by taken_at, id")
    file = tuple(c for c in config.cameras if not isinstance(c, TakenCamera) or c.of_file)
    if not found:
        return config if file == config.cameras and not config.aside else replace(config, cameras=file, aside=())
    over = {row["id"]: row for row in found if row["of_file"]}
    rooms = {room.code: place for place, room in enumerate(config.rooms)}
    known = {camera.id for camera in file}
    ours = [row for row in found if not row["of_file"] and row["id"] not in known]
    here = [row for row in ours if row["aside_at"] is None and row["room"] in rooms]
    here.sort(key=lambda row: rooms[row["room"]])  # plates stand in the order of the rooms
    left = _left(db)
    of_file = (_over(config, camera, over[camera.id]) if camera.id in over else camera for camera in file)
    return replace(
        config,
        cameras=(*of_file, *(_camera(config, row, left) for row in here)),
        aside=tuple(_camera(config, row, left) for row in ours if row not in here),
    )


def _over(config: Config, camera: Camera, row: dict[str, Any]) -> TakenCamera:
    said = {name: getattr(camera, name) for name in Camera.model_fields}
    changed = {name: row[name] for name in ("onvif", "user") if row[name] is not None}
    return TakenCamera(**{**said, **changed}, data=config.data, database=config.database, of_file=True)


def _left(db: Database) -> dict[str, tuple[tuple[datetime, str], ...]]:
    """Camera -> the rooms it was moved out of, and when, by the journal."""
    found: dict[str, tuple[tuple[datetime, str], ...]] = {}
    for row in db.rows("select at, json_extract(row, '$.camera') as camera, json_extract(row, '$.data.room_before') as"
                       " room from journal where kind = 'camera.renamed' and json_extract(row, '$.data.room_before')"
                       " != json_extract(row, '$.data.room_after') order by seq"):  # fmt: skip
        found[row["camera"]] = (*found.get(row["camera"], ()), (parse(row["at"]), row["room"]))
    return found


def _camera(config: Config, row: dict[str, Any], left: dict[str, tuple[tuple[datetime, str], ...]]) -> TakenCamera:
    return TakenCamera(
        id=row["id"], name=Words(ru=row["name_ru"], en=row["name_en"]), room=row["room"], onvif=row["onvif"],
        user=row["user"] or "", sound=bool(row["sound"]), both_streams=bool(row["both_streams"]),
        serial=row["serial"] or None, data=config.data, database=config.database, since_at=parse(row["taken_at"]),
        until_at=parse(row["aside_at"]) if row["aside_at"] else None, left=left.get(row["id"], ()),
    )  # fmt: skip


def as_now(config: Config, camera: Camera) -> Camera:
    """This camera with the address it has now; itself once the site has it no more. For threads without a database."""
    with closing(store.open(config.database)) as db:
        now = with_taken(db, config)
    return next((one for one in now.cameras if one.id == camera.id), camera)


def rows(db: Database) -> dict[str, Row]:
    """Every camera of the table."""
    return {
        row["id"]: Row(
            row["id"], bool(row["of_file"]), row["onvif"] or "", row["user"] or "",
            Identity(row["endpoint"] or "", row["serial"] or "", row["mac"] or ""), row["secret_next"] is not None,
            row["taken_at"], row["taken_by"], row["aside_at"],
        )
        for row in db.rows("select * from taken_camera order by taken_at, id")
    }  # fmt: skip


def take(
    db: Database, config: Config, clock: Clock, who: Actor, name: Words, room: str, url: str, user: str,
    password: str, identity: Identity, *, sound: bool = False, **told: Any,
) -> str:  # fmt: skip
    """Take a camera into the site; returns its id. From now on it is recorded. Opens its own transaction."""
    if all(each.code != room for each in config.rooms):
        raise ApplianceError(N_("The site has no room {room}."), room=room)
    with store.transaction(db):
        camera = next_id(db, config, room)
        secret = sealed.seal(config.data, whose(camera), password) if password else None
        db.write(
            "insert into taken_camera (id, of_file, name_ru, name_en, room, onvif, user, secret, sound, endpoint,"
            " serial, mac, taken_at, taken_by) values (?, 0, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (camera, name.ru, name.en, room, url, user, secret, int(sound), identity.endpoint, identity.serial,
             identity.mac, iso(clock.now()), who.id),
        )  # fmt: skip
        journal.append(db, clock, "camera.taken", who, camera=camera, room=room, camera_name=name.model_dump(),
                       address=url, serial=identity.serial, mac=identity.mac, **told)  # fmt: skip
    return camera


def next_id(db: Database, config: Config, room: str) -> str:
    """A name for programs that no camera of this site ever had: recordings are filed under it."""
    base = re.sub(r"[^a-z0-9]+", "-", room.lower()).strip("-")[:30] or "camera"
    used = {camera.id for camera in config.cameras} | {row["id"] for row in db.rows("select id from taken_camera")}
    used |= {row["camera"] for row in db.rows("select distinct camera from segment")}
    return next(name for n in range(1, 1000) if (name := f"{base}-c{n}") not in used)


def seal_next(db: Database, config: Config, camera: Camera, password: str) -> None:
    """Keep a password that is about to be set, beside the one that counts. Opens its own transaction."""
    with store.transaction(db):
        _begin_row(db, camera)
        known = db.value("select secret from taken_camera where id = ?", (camera.id,))
        if known is None:  # the file's password: kept here too, so that both can be tried whatever happens to the file
            db.write("update taken_camera set secret = ? where id = ?",
                     (sealed.seal(config.data, whose(camera.id), camera.password()), camera.id))  # fmt: skip
        db.write("update taken_camera set secret_next = ? where id = ?",
                 (sealed.seal(config.data, whose(camera.id), password), camera.id))  # fmt: skip


def candidates(db: Database, config: Config, camera: str) -> tuple[str, str] | None:
    """The new password and the old one, while it is not proven which counts."""
    row = db.row("select secret, secret_next from taken_camera where id = ?", (camera,))
    if row is None or row["secret_next"] is None or row["secret"] is None:
        return None
    return (sealed.unseal(config.data, whose(camera), bytes(row["secret_next"])),
            sealed.unseal(config.data, whose(camera), bytes(row["secret"])))  # fmt: skip


def settle(db: Database, camera: str, *, new_counts: bool) -> None:
    """It is proven which password counts; the other is forgotten. Inside the caller's transaction."""
    if new_counts:
        db.write("update taken_camera set secret = secret_next where id = ? and secret_next is not null", (camera,))
    db.write("update taken_camera set secret_next = null where id = ?", (camera,))


def keep_password(db: Database, config: Config, camera: Camera, password: str, user: str) -> None:
    """A password that was just proven at the camera, typed by a person. Inside the caller's transaction."""
    _begin_row(db, camera)
    db.write("update taken_camera set secret = ?, secret_next = null, user = ? where id = ?",
             (sealed.seal(config.data, whose(camera.id), password), user, camera.id))  # fmt: skip


def identify(db: Database, camera: Camera, identity: Identity) -> None:
    """Remember by what it is known; what is empty stays. Inside the caller's transaction."""
    _begin_row(db, camera)
    for column in ("endpoint", "serial", "mac"):
        value = getattr(identity, column)
        if value:
            db.write(f"update taken_camera set {column} = ? where id = ?", (value, camera.id))  # noqa: S608 - three names


def readdress(db: Database, clock: Clock, camera: Camera, url: str, by: str) -> None:
    """It answers at another address; `by` says what it was recognised by. Opens its own transaction."""
    with store.transaction(db):
        _begin_row(db, camera)
        db.write("update taken_camera set onvif = ? where id = ?", (url, camera.id))
        journal.append(db, clock, "camera.readdressed", KEEPER, camera=camera.id, room=camera.room,
                       before=camera.onvif or "", after=url, by=message(by).as_json())  # fmt: skip


def rename(db: Database, config: Config, clock: Clock, who: Actor, camera_id: str, name: Words, room: str) -> None:
    """Another name, another room. Cameras of the file are named there."""
    row, camera = _own(db, camera_id), config.camera(camera_id)
    if all(each.code != room for each in config.rooms):
        raise ApplianceError(N_("The site has no room {room}."), room=room)
    if (camera.name, camera.room) == (name, room):
        return
    if camera.room != room:
        _not_required(db, config, clock, camera)
    with store.transaction(db):
        db.write("update taken_camera set name_ru = ?, name_en = ?, room = ? where id = ?",
                 (name.ru, name.en, room, row.id))  # fmt: skip
        journal.append(db, clock, "camera.renamed", who, camera=camera_id, room=room, before=camera.name.model_dump(),
                       after=name.model_dump(), room_before=camera.room, room_after=room)  # fmt: skip


def set_streams(
    db: Database, config: Config, clock: Clock, who: Actor, camera_id: str, *, both: bool, sound: bool
) -> None:
    """Which of its streams are recorded, and whether with sound. Nothing that runs is cut for it.

    A second stream begins at once, and ends when what must be recorded is over; sound counts from the next recording.
    """
    row, camera = _own(db, camera_id), config.camera(camera_id)
    if (camera.both_streams, camera.sound) == (both, sound):
        return
    with store.transaction(db):
        db.write("update taken_camera set both_streams = ?, sound = ? where id = ?", (int(both), int(sound), row.id))
        journal.append(db, clock, "camera.streams", who, camera=camera_id, room=camera.room,
                       before=STREAMS[camera.both_streams, camera.sound], after=STREAMS[both, sound])  # fmt: skip


def set_aside(db: Database, config: Config, clock: Clock, who: Actor, camera_id: str) -> None:
    """The site does without it: it is recorded no more. Thirty days it can be brought back; recordings stay."""
    row, camera = _own(db, camera_id), config.camera(camera_id)
    if row.aside_at is not None:
        return
    _not_required(db, config, clock, camera)
    with store.transaction(db):
        db.write("update taken_camera set aside_at = ? where id = ? and aside_at is null", (iso(clock.now()), row.id))
        journal.append(db, clock, "camera.aside", who, camera=camera_id, room=camera.room,
                       camera_name=camera.name.model_dump())  # fmt: skip


def bring_back(db: Database, config: Config, clock: Clock, who: Actor, camera_id: str) -> None:
    row, camera = _own(db, camera_id), config.camera(camera_id)
    if row.aside_at is None:
        return
    if clock.now() - parse(row.aside_at) > timedelta(days=WAY_BACK_DAYS):
        raise ApplianceError(N_("This camera was set aside more than {days} days ago. Take it in anew."),
                             days=WAY_BACK_DAYS)  # fmt: skip
    with store.transaction(db):
        db.write("update taken_camera set aside_at = null where id = ?", (row.id,))
        journal.append(db, clock, "camera.back", who, camera=camera_id, room=camera.room,
                       camera_name=camera.name.model_dump())  # fmt: skip


def forget_old(db: Database, clock: Clock) -> int:
    """Passwords of cameras that can no longer be brought back are gone; returns of how many."""
    before = iso(clock.now() - timedelta(days=WAY_BACK_DAYS))
    late = "aside_at < ? and (secret is not null or secret_next is not null)"
    if db.value(f"select 1 from taken_camera where {late}", (before,)) is None:  # noqa: S608 - our own words
        return 0
    with store.transaction(db):
        return db.write(f"update taken_camera set secret = null, secret_next = null where {late}", (before,)).rowcount  # noqa: S608


def _own(db: Database, camera_id: str) -> Row:
    row = rows(db).get(camera_id)
    if row is None or row.of_file:
        raise ApplianceError(N_("Camera {camera} is named in the box's configuration file. Change it there."),
                             camera=camera_id)  # fmt: skip
    return row


def _not_required(db: Database, config: Config, clock: Clock, camera: Camera) -> None:
    window = exams.required_now(db, config, clock.now()).get(camera.id)
    if window is not None:
        raise ApplianceError(N_("This camera must record until {until_at}. Do it after that."),
                             until_at=iso(window.ends_at))  # fmt: skip


def _begin_row(db: Database, camera: Camera) -> None:
    """A camera of the file gets its row when something is first kept of it."""
    db.write("insert into taken_camera (id, of_file) values (?, 1) on conflict (id) do nothing", (camera.id,))
