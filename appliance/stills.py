"""A still picture of a camera without snapshots: the newest key frame of what it is recorded to, or one over RTSP.

For the pages, and below everything else: one camera at a time with a pause between any two, the key frame that is on
the disk already before the camera is asked for anything, and never a camera that records, is about to, or is watched
live: most have few places for streams. docs/recording.md
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from appliance import exams, live_view
from appliance.clock import Clock
from appliance.config import Camera, Config
from appliance.source import NoSource, SourceFinder
from appliance.store import Database
from appliance.streams import folder_of
from drivers import look
from drivers.ffmpeg_once import Copy
from drivers.fmp4_live import Tail
from drivers.types import DriverError

log = logging.getLogger(__name__)

EVERY_S = 10.0  # of one camera
BETWEEN_S = 1.0  # of any two: a decoding is a tenth of a second of one core
ASKED_EVERY_S = 60.0  # a camera that is not recorded is asked for a stream no oftener
FILM_S = 1.0
ANSWER_S = 8.0
SOON = timedelta(minutes=2)  # before recording begins the camera is left alone


@dataclass(frozen=True, slots=True)
class Still:
    """A picture, and when it was seen (seconds of the box's clock, as a file's time)."""

    jpeg: bytes
    at_s: float


@dataclass(slots=True)
class Stills:
    """Takes one camera's picture after another, for many threads. `busy`: cameras that are not to be asked."""

    config: Config
    clock: Clock
    stop: threading.Event
    busy: frozenset[str] = frozenset()
    _turn: threading.Lock = field(default_factory=threading.Lock)  # to decode
    _asking: threading.Lock = field(default_factory=threading.Lock)
    _finders: dict[Camera, SourceFinder] = field(default_factory=dict)
    _asked_s: dict[str, float] = field(default_factory=dict)
    _refused: set[Camera] = field(default_factory=set)

    def plan(self, db: Database, config: Config) -> None:
        """Which cameras must not be asked for a stream now."""
        now = self.clock.now()
        watched = {wish.camera for wish in live_view.wishes(db, now)}
        self.busy = frozenset(watched | exams.required_now(db, config, now).keys()
                              | exams.required_now(db, config, now + SOON).keys())  # fmt: skip

    def take(self, camera: Camera) -> Still | None:
        """The newest picture that can be had now; None when there is none. Waits for its turn."""
        try:
            with self._turn:
                found = None if self.stop.is_set() else newest_recorded(self.config, self.clock, camera)
                if found is not None:
                    self.stop.wait(BETWEEN_S)
                    return found
            if not self._asking.acquire(blocking=False):
                return None  # another is being asked: a dead camera must not hold up those that are recorded
            try:
                return None if self.stop.is_set() else self._asked(camera)
            finally:
                self._asking.release()
        except (DriverError, OSError) as fault:
            log.info("no still picture of %s: %s", camera.id, fault)
            return None

    def _asked(self, camera: Camera) -> Still | None:
        """A second of the camera's own stream, when it is free and was not asked lately."""
        now_s = self.clock.mono_s()
        finder = self._finders.setdefault(camera, SourceFinder(camera, ANSWER_S))
        if camera in self._refused and not finder.password_changed():
            return None  # a refused password is tried once
        if camera.id in self.busy or now_s - self._asked_s.get(camera.id, -ASKED_EVERY_S) < ASKED_EVERY_S:
            return None
        self._asked_s[camera.id] = now_s
        self._refused.discard(camera)
        try:
            lead = finder.find()
        except NoSource as fault:
            if fault.cause == "password refused":
                self._refused.add(camera)
            log.info("%s gives no still picture: %s", camera.id, fault)
            return None
        with TemporaryDirectory(prefix="still-") as folder, lead.opened() as source:
            film = Path(folder) / "film.mp4"
            with Copy(source, lead.stream, film, FILM_S) as copy:
                copy.ended(ANSWER_S)
            if not film.exists():
                finder.failed(copy.cause().trouble)
                return None
            finder.works()
            return Still(look.jpeg(film.read_bytes()), self.clock.now().timestamp())


def newest_recorded(config: Config, clock: Clock, camera: Camera) -> Still | None:
    """The last key frame of what is being written now, of the small stream if both are; None when nothing is."""
    for which in _cheapest(camera):
        path = live_view.newest(config, which)
        if path is None or clock.now().timestamp() - (at_s := path.stat().st_mtime) > live_view.FRESH_S:
            continue
        with Tail(path) as tail:
            pieces, _ = tail.look()
            key = next((piece for piece in reversed(pieces) if piece.key), None)
            if tail.header is not None and key is not None:
                return Still(look.jpeg(tail.header.silenced() + tail.read(key, 0.0, sound=False)), at_s)
    return None


def _cheapest(camera: Camera) -> Iterable[str]:
    if camera.both_streams:
        yield folder_of(camera.id, "second")
    yield folder_of(camera.id, "main")
