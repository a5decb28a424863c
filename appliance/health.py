"""Who is alive: heartbeats of the services in the database, and sd_notify to whoever started us."""

from __future__ import annotations

import json
import os
import socket
from dataclasses import dataclass
from typing import Any

from appliance import store
from appliance.clock import Clock, iso
from appliance.store import Database

SERVICES = ("recorder", "watch", "keeper", "archivist", "web")
BEAT_S = 5.0  # how often a service beats; the pages call one late after three


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """A service as last heard. Instants are UTC ISO-8601 text."""

    service: str
    pid: int
    started_at: str
    beat_at: str
    note: dict[str, Any]


def started(db: Database, clock: Clock, service: str) -> None:
    """Say that a service has just started: first heartbeat and READY=1."""
    now = iso(clock.now())
    with store.transaction(db):
        db.write(
            "insert into heartbeat (service, pid, boot, started_at, beat_at) values (:s, :p, :b, :n, :n)"
            " on conflict (service) do update set pid = :p, boot = :b, started_at = :n, beat_at = :n",
            {"s": service, "p": os.getpid(), "b": clock.boot(), "n": now},
        )
    notify("READY=1")


def beat(db: Database, clock: Clock, service: str, note: dict[str, Any] | None = None) -> None:
    """Write a heartbeat and feed the watchdog. A service whose loop hangs stops calling this; that is the point."""
    with store.transaction(db):
        write(db, clock, service, note)
    notify("WATCHDOG=1")


def write(db: Database, clock: Clock, service: str, note: dict[str, Any] | None = None) -> None:
    """The heartbeat alone, inside the caller's transaction; `notify` is left to the caller too."""
    db.write(
        "update heartbeat set beat_at = ?, note = ? where service = ?",
        (iso(clock.now()), json.dumps(note or {}), service),
    )


def heartbeats(db: Database) -> list[Heartbeat]:
    """All services ever started here, by name."""
    return [
        Heartbeat(r["service"], r["pid"], r["started_at"], r["beat_at"], json.loads(r["note"]))
        for r in db.rows("select service, pid, started_at, beat_at, note from heartbeat order by service")
    ]


def notify(state: str) -> None:
    """sd_notify(3): tell the process manager; silent when there is none."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as wire:
        wire.connect("\0" + address[1:] if address.startswith("@") else address)
        wire.sendall(state.encode())
