"""The system page: one sentence, then the lines behind it, what needs attention on top."""

from __future__ import annotations

import os
import sqlite3
from dataclasses import dataclass
from importlib import metadata

from flask import Blueprint
from flask.typing import ResponseReturnValue

from appliance import anchors, disk, disk_alarms, health, journal, media
from appliance.clock import parse
from appliance.config import Config
from appliance.model import N_, Message, message
from appliance.store import Database
from web import context, marks
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
    parts = [*_services(db), *disks(db, config), _journal(db), _marks()]
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


def disks(db: Database, config: Config) -> list[Part]:
    """Each recording disk: what its space means in days of recording, and how the recorder found it."""
    parts, wrong = [], disk_alarms.of_disks(db, config, context.now())
    for here in media.every(config):
        name = N_("Disk for recordings") if here.medium == "main" else N_("Reserve disk for recordings")
        trouble, found = wrong.get(here.medium), disk.forecast(db, here, context.now())
        if trouble is not None:
            parts.append(Part(name, False, trouble.found, trouble.remedy))
        elif here.medium == "main":
            parts.append(Part(name, not found.short, disk.said(found), disk.remedy(found)))
        else:
            free = message(N_("{free_bytes} free."), free_bytes=found.free_bytes)
            parts.append(Part(name, found.fault is None, free if found.fault is None else disk.said(found)))
    return parts


def _marks() -> Part:
    """Whether the journal is marked outside the box."""
    standing = marks.standing()
    fine = standing.state in ("fresh", "remark")
    return Part(N_("Journal outside the box"), fine, standing.said, None if fine else message(anchors.PUT_IN))


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
