"""What is written down while a stream is recorded: outages, which are coverage's evidence, and the journal.

The main stream has both. The second has entries of its own kinds and nothing else: no gap and no alarm is about it.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Protocol

from appliance import coverage, journal, store
from appliance.clock import Clock, iso
from appliance.config import Camera
from appliance.model import Actor
from appliance.store import Database
from appliance.streams import Stream
from appliance.wanted import Want

log = logging.getLogger(__name__)

RECORDER = Actor.service("recorder")


@contextmanager
def noting(db: Database) -> Generator[None, None, None]:
    """A transaction whose failure is logged and no more: a full database disk must not end a recording."""
    try:
        with store.transaction(db):
            yield
    except (sqlite3.Error, OSError) as fault:
        log.error("could not be written down: %s", fault)


class Told(Protocol):
    """What the recording of one stream tells, in the order in which it happens. One thread's."""

    def wished(self, db: Database) -> None:
        """It is to be recorded from now on."""

    def first_frame(self, db: Database, want: Want, at: datetime, *, over_udp: bool) -> None:
        """Frames arrive: whatever was wrong is over."""

    def interrupted(self, db: Database, want: Want, cause: str, last_at: datetime | None) -> None:
        """It is not recorded any more, after a frame at `last_at`, or still not (None). Once a cause in a row."""

    def was_silent(self, db: Database, want: Want, began_at: datetime, ended_at: datetime) -> None:
        """A silence that is over was found in the files: entered as if it had been seen."""

    def packets_lost(self, db: Database, want: Want, packets: int) -> None:
        """So many packets of the file just finished never came: its picture is damaged, though it has no hole."""

    def over(self, db: Database, want: Want, *, stopped: bool) -> None:
        """It is not wanted any more; with `stopped`, the recorder ends."""

    def failed(self, db: Database, fault: Exception) -> None:
        """Our own program failed."""


def of(stream: Stream, clock: Clock, camera: Camera) -> Told:
    return ToldOfMain(clock, camera) if stream == "main" else ToldOfSecond(clock, camera)


class ToldOfMain:
    """Of the stream that must be recorded."""

    def __init__(self, clock: Clock, camera: Camera) -> None:
        self._clock, self._camera = clock, camera
        self._forget()

    def _forget(self) -> None:
        self._silent_since: datetime | None = None  # of the outage that is in the journal
        self._began = self._told_udp = False  # recording.started is in the journal; camera.udp is
        self._starting_since: datetime | None = None  # the outage "recording starting" is open since then

    def wished(self, db: Database) -> None:
        self._forget()
        if coverage.open_outage(db, self._camera.id) is None:  # else the one a dead recorder left goes on
            with noting(db):
                self._starting_since = self._clock.now()
                coverage.begin_outage(db, self._camera.id, self._starting_since, "recording starting")

    def first_frame(self, db: Database, want: Want, at: datetime, *, over_udp: bool) -> None:
        with noting(db):
            coverage.end_outages(db, self._camera.id, at)
            if not self._began:
                self._note(db, want, "recording.started")
            if over_udp and not self._told_udp:
                self._note(db, want, "camera.udp")
                self._told_udp = True
            if self._silent_since is not None:
                self._note(db, want, "camera.returned", silent_ms=ms(self._silent_since, at))
        self._began, self._silent_since, self._starting_since = True, None, None

    def interrupted(self, db: Database, want: Want, cause: str, last_at: datetime | None) -> None:
        since = last_at or self._starting_since or self._clock.now()
        self._starting_since = None  # a start that failed is the fault's time from its first moment
        if coverage.open_outage(db, self._camera.id) == cause:
            return
        with noting(db):
            coverage.end_outages(db, self._camera.id, since)
            coverage.begin_outage(db, self._camera.id, since, cause)
            if cause == "password refused":
                self._note(db, want, "camera.refused")
            if self._silent_since is None:
                self._note(db, want, "camera.silent", code=cause, cause=coverage.cause(cause).as_json())
                self._silent_since = since

    def was_silent(self, db: Database, want: Want, began_at: datetime, ended_at: datetime) -> None:
        with noting(db):
            self._note(db, want, "camera.silent", code="camera silent", cause=coverage.cause("camera silent").as_json(),
                       since=iso(began_at))  # fmt: skip
            self._note(db, want, "camera.returned", silent_ms=ms(began_at, ended_at))

    def packets_lost(self, db: Database, want: Want, packets: int) -> None:
        with noting(db):
            self._note(db, want, "camera.packets_lost", packets=packets)

    def over(self, db: Database, want: Want, *, stopped: bool) -> None:
        with noting(db):
            if stopped:
                if coverage.open_outage(db, self._camera.id) is None:
                    coverage.begin_outage(db, self._camera.id, self._clock.now(), "recorder stopped")
            else:
                coverage.end_outages(db, self._camera.id, self._clock.now())
                if self._began:
                    self._note(db, want, "recording.stopped")

    def failed(self, db: Database, fault: Exception) -> None:
        with noting(db):
            coverage.end_outages(db, self._camera.id, self._clock.now())
            coverage.begin_outage(db, self._camera.id, self._clock.now(), "program fault")
            journal.append(db, self._clock, "recording.failed", RECORDER, camera=self._camera.id,
                           room=self._camera.room, fault=f"{type(fault).__name__}: {fault}")  # fmt: skip

    def _note(self, db: Database, want: Want, kind: str, **data: Any) -> None:
        journal.append(db, self._clock, kind, RECORDER, exam=want.window.exam, room=want.window.room,
                       camera=self._camera.id, **data)  # fmt: skip


class ToldOfSecond:
    """Of the stream that is kept beside it: when it is lost and when it is back."""

    def __init__(self, clock: Clock, camera: Camera) -> None:
        self._clock, self._camera = clock, camera
        self._lost: tuple[datetime, str] | None = None

    def wished(self, db: Database) -> None:
        self._lost = None

    def first_frame(self, db: Database, want: Want, at: datetime, *, over_udp: bool) -> None:
        if self._lost is not None:
            with noting(db):
                self._note(db, want, "camera.second_returned", silent_ms=ms(self._lost[0], at))
            self._lost = None

    def interrupted(self, db: Database, want: Want, cause: str, last_at: datetime | None) -> None:
        if self._lost is None or self._lost[1] != cause:
            since = self._lost[0] if self._lost else last_at or self._clock.now()
            with noting(db):
                self._note(db, want, "camera.second_silent", code=cause, cause=coverage.cause(cause).as_json())
            self._lost = since, cause

    def was_silent(self, db: Database, want: Want, began_at: datetime, ended_at: datetime) -> None:
        with noting(db):
            self._note(db, want, "camera.second_silent", code="camera silent",
                       cause=coverage.cause("camera silent").as_json(), since=iso(began_at))  # fmt: skip
            self._note(db, want, "camera.second_returned", silent_ms=ms(began_at, ended_at))

    def packets_lost(self, db: Database, want: Want, packets: int) -> None:
        with noting(db):
            self._note(db, want, "camera.packets_lost", packets=packets, stream="second")

    def over(self, db: Database, want: Want, *, stopped: bool) -> None:
        self._lost = None

    def failed(self, db: Database, fault: Exception) -> None:
        with noting(db):
            journal.append(db, self._clock, "recording.failed", RECORDER, camera=self._camera.id,
                           room=self._camera.room, stream="second",
                           fault=f"{type(fault).__name__}: {fault}")  # fmt: skip

    def _note(self, db: Database, want: Want, kind: str, **data: Any) -> None:
        journal.append(db, self._clock, kind, RECORDER, exam=want.window.exam, room=want.window.room,
                       camera=self._camera.id, **data)  # fmt: skip


def ms(since: datetime, until: datetime) -> int:
    return max(0, round((until - since).total_seconds() * 1000))
