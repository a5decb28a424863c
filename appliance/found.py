"""Cameras somebody searched for: in the order they were found, how each answered. Owns table found_camera.

The keeper writes (camera_search.py), the pages read. Forgotten after a day.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from appliance import store
from appliance.clock import Clock, iso
from appliance.config import Camera
from appliance.store import Database
from appliance.taken import Row

State = Literal["found", "asking", "answers", "strange", "asks", "refused", "silent", "foreign"]
KEPT_H = 24.0


@dataclass(frozen=True, slots=True)
class Found:
    """One camera that answered. `told`: maker, model, serial, profiles, faults as far as it let itself be asked."""

    number: int
    endpoint: str
    url: str
    address: str
    name: str
    state: State
    told: Mapping[str, Any]
    user: str
    secret: bytes | None
    picture: bool
    seen_at: str


def all_of(db: Database) -> list[Found]:
    """In the order they were found, which stays."""
    return [_found(row) for row in db.rows("select * from found_camera order by number")]


def get(db: Database, number: int) -> Found | None:
    row = db.row("select * from found_camera where number = ?", (number,))
    return None if row is None else _found(row)


def _found(row: Mapping[str, Any]) -> Found:
    return Found(**{**row, "told": json.loads(row["told"]), "user": row["user"] or "", "picture": bool(row["picture"])})


def seen(db: Database, clock: Clock, endpoint: str, url: str, name: str = "") -> Found:
    """It answered a search, or is to be asked by its address. Opens its own transaction."""
    address = urlsplit(url).netloc.rpartition("@")[2]
    with store.transaction(db):
        # One that was asked by its address before it was found is the same one.
        db.write("delete from found_camera where url = ? and endpoint is not ?", (url, endpoint))
        db.write(
            "insert into found_camera (endpoint, url, address, name, state, seen_at) values (?, ?, ?, ?, 'found', ?)"
            " on conflict (endpoint) do update set url = excluded.url, address = excluded.address,"
            " name = case when excluded.name = '' then name else excluded.name end, seen_at = excluded.seen_at",
            (endpoint, url, address, name, iso(clock.now())),
        )
    row = db.row("select * from found_camera where endpoint = ?", (endpoint,))
    assert row is not None  # noqa: S101 - it was just written
    return _found(row)


def say(
    db: Database, clock: Clock, number: int, state: State, told: Mapping[str, Any] | None = None, *, user: str = "",
    secret: bytes | None = None, picture: bool = False,
) -> None:  # fmt: skip
    """How it answered. What is not said now stays as it was. Opens its own transaction."""
    with store.transaction(db):
        db.write(
            "update found_camera set state = ?, told = coalesce(?, told), user = coalesce(nullif(?, ''), user),"
            " secret = coalesce(?, secret), picture = max(picture, ?), seen_at = ? where number = ?",
            (state, None if told is None else json.dumps(told, ensure_ascii=False), user, secret, int(picture),
             iso(clock.now()), number),
        )  # fmt: skip


def forget_old(db: Database, data: Path, clock: Clock) -> None:
    """A search before yesterday says nothing of today, and keeps no password."""
    before = iso(clock.now() - timedelta(hours=KEPT_H))
    late = db.rows("select endpoint from found_camera where seen_at < ?", (before,))
    for row in late:
        picture_path(data, row["endpoint"]).unlink(missing_ok=True)
    if not late:
        return
    with store.transaction(db):
        db.write("delete from found_camera where seen_at < ?", (before,))


def picture_path(data: Path, endpoint: str) -> Path:
    """Where its picture is; the name says nothing a camera could choose."""
    return data / "found" / f"{hashlib.sha256(endpoint.encode()).hexdigest()[:32]}.jpg"


def whose(found: Found) -> str:
    """What a password that let us into it is sealed for, until it is taken in."""
    return f"found/{found.endpoint}"


def ours(found: Found, cameras: tuple[Camera, ...], rows: Mapping[str, Row]) -> Camera | None:
    """The camera of the site that this one is: by what it calls itself, by its serial number, else by its address."""
    serial = str(found.told.get("serial") or "")
    for camera in cameras:
        row = rows.get(camera.id)
        if row is not None and row.identity.endpoint and row.identity.endpoint == found.endpoint:
            return camera
        if serial and serial in (camera.serial, row.identity.serial if row else None):
            return camera
    at = next((camera for camera in cameras if camera.onvif and same_place(camera.onvif, found.url)), None)
    row = rows.get(at.id) if at is not None else None
    known = row.identity.serial if row is not None else ""
    return None if known and serial and known != serial else at


def same_place(one: str, other: str) -> bool:
    """Whether two addresses name the same host and port."""
    first, second = urlsplit(one), urlsplit(other)
    return (first.hostname, first.port or 80) == (second.hostname, second.port or 80)
