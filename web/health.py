"""The system page: one sentence, then the lines behind it, what needs attention on top."""

from __future__ import annotations

import os
import shutil
import sqlite3
from dataclasses import dataclass
from importlib import metadata

from flask import Blueprint
from flask.typing import ResponseReturnValue

from appliance import health, journal
from appliance.clock import parse
from appliance.config import Config
from appliance.model import N_, Message, message
from appliance.store import Database
from web import context
from web.rights import needs

views = Blueprint("health", __name__)

LATE_BEATS = 3  # a service is late after three missed heartbeats

SERVICE_WORDS = {
    "recorder": N_("Recorder: writes the cameras"),
    "watch": N_("Watch: listens to the panels"),
    "keeper": N_("Keeper: checks and moments of the day"),
    "archivist": N_("Archivist: hands recordings over"),
    "web": N_("Pages"),
}


@dataclass(frozen=True, slots=True)
class Part:
    """One line of the page. `fine` False asks for attention."""

    name: str
    fine: bool
    found: Message
    remedy: Message | None = None


def late_services(db: Database) -> list[str]:
    """Services that have not been heard for three beats, or never."""
    heard = {beat.service: beat for beat in health.heartbeats(db)}
    return [
        name
        for name in health.SERVICES
        if name not in heard or _age_s(heard[name].beat_at) > LATE_BEATS * health.BEAT_S
    ]


def _age_s(at: str) -> float:
    return (context.now() - parse(at)).total_seconds()


@views.get("/system")
@needs("system.read")
def system() -> ResponseReturnValue:
    db, config = context.database(), context.config()
    parts = [*_services(db), _disk(config), _journal(db)]
    parts.sort(key=lambda part: part.fine)
    return context.page(
        "system.html",
        parts=parts,
        attention=sum(1 for part in parts if not part.fine),
        version=_version(),
        sqlite=sqlite3.sqlite_version,
        system=os.uname(),
        head=journal.head(db),
    )


def _version() -> str:
    try:
        return metadata.version("examsite")
    except metadata.PackageNotFoundError:  # run from a checkout that was never installed
        return "?"


def _services(db: Database) -> list[Part]:
    late, parts = late_services(db), []
    heard = {beat.service: beat for beat in health.heartbeats(db)}
    for name in health.SERVICES:
        if name not in heard:
            parts.append(
                Part(
                    SERVICE_WORDS[name],
                    False,
                    message(N_("Not started yet.")),
                    message(N_("Wait a minute; then look into the box's log: journalctl -u examsite-*")),
                )
            )
        elif name in late:
            parts.append(
                Part(
                    SERVICE_WORDS[name],
                    False,
                    message(N_("Not heard since {beat_at}."), beat_at=heard[name].beat_at),
                    message(
                        N_("It is started again by itself. If it is not back in a minute, call the administrator.")
                    ),
                )
            )
        else:
            parts.append(
                Part(
                    SERVICE_WORDS[name],
                    True,
                    message(
                        N_("Works since {started_at}, heard at {beat_at}."),
                        started_at=heard[name].started_at,
                        beat_at=heard[name].beat_at,
                    ),
                )
            )
    return parts


def _disk(config: Config) -> Part:
    """Free space as what it means: days of recording at the profile's planned rate."""
    name = N_("Disk for recordings")
    folder = config.video if config.video.exists() else config.data
    free_bytes = max(0, shutil.disk_usage(folder).free - config.reserve_bytes)
    limits = config.profile.limits
    day_bytes = planned_day_bytes(config)
    if not day_bytes:
        return Part(name, True, message(N_("{free_bytes} free."), free_bytes=free_bytes))
    days, needed = round(free_bytes / day_bytes, 1), limits.disk_needed_days
    found = message(N_("{free_bytes} free, {days} days of recording."), free_bytes=free_bytes, days=days)
    if days < needed:
        return Part(
            name,
            False,
            found,
            message(N_("{needed} days are needed. Attach a second disk or hand over the last exam."), needed=needed),
        )
    return Part(name, True, found)


def planned_day_bytes(config: Config) -> float:
    """What an exam day takes, by the profile: each camera's window around a four-hour exam at the planned rate."""
    exam_min, windows = 240.0, {w.room_kind: w for w in config.profile.recording.windows}
    minutes = sum(
        windows[kind].before_start_min + exam_min + windows[kind].after_end_min
        for camera in config.cameras
        if (kind := config.room(camera.room).kind) in windows
    )
    return minutes * 60 * config.profile.limits.planned_mbit_s * 1_000_000 / 8


def _journal(db: Database) -> Part:
    number, _ = journal.head(db)
    latest = journal.entries(db, newest_first=True, limit=1)
    if not latest:
        return Part(N_("Journal"), True, message(N_("No entries yet.")))
    return Part(
        N_("Journal"),
        True,
        message(N_("{number} entries, the newest at {newest_at}."), number=number, newest_at=latest[0].at),
    )
