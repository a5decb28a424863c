"""Listens to the cameras' own events: one thread a camera, pulled, kept and told as a panel's are.

A camera that is away is tried again, more and more seldom; one that refuses its password waits for a person to change
it; one that has no events says so. What a camera tells of itself (started again, somebody signed in) goes to the
journal through its one door, box_events.
"""

from __future__ import annotations

import contextlib
import logging
import random
import threading
from collections.abc import Callable
from contextlib import closing
from typing import Any

from appliance import alarms, box_events, exams, links, store
from appliance.camera_alarms import CameraBook
from appliance.clock import Clock
from appliance.config import CAMERA, Camera, Config
from appliance.model import ApplianceError, Message
from appliance.store import Database
from appliance.taken import Changing
from drivers import discovery, onvif
from drivers.onvif_events import Events, Pulled
from drivers.onvif_reply import CameraError
from drivers.onvif_topics import CameraEvent, instant
from drivers.types import DriverError, Frame

log = logging.getLogger(__name__)

LOOK_S = 10.0  # how often it is asked which cameras there are, and which rooms must be recorded
HEARD_EVERY_S = 60.0  # "heard" is written at most so often while nothing happens
LOST_S = 30.0  # without an answer for so long, events do not come
PAUSES_S = (2.0, 5.0, 15.0, 30.0, 60.0)
DEAF_PAUSE_S = 600.0  # a camera without events may get them with new firmware
REFUSED_LOOK_S = 5.0
SAME_START_S = 120.0
SPREAD_S = 5.0  # not all cameras are asked in the same moment


class Cameras:
    """Every camera of the site that speaks ONVIF. `site` gives the configuration as it is now."""

    def __init__(self, site: Callable[[Database], Config], clock: Clock, stop: threading.Event) -> None:
        self._site, self._clock, self._stop = site, clock, stop
        self._watchers: dict[str, CameraWatcher] = {}
        self._looked_mono_s: float | None = None
        self._required: frozenset[str] = frozenset()

    def tend(self, db: Database) -> None:
        """One round of the service's loop: cameras come and go, threads that died are started again."""
        now_s = self._clock.mono_s()
        if self._looked_mono_s is None or now_s - self._looked_mono_s >= LOOK_S:
            self._looked_mono_s = now_s
            config = self._site(db)
            self._required = frozenset(exams.required_now(db, config, self._clock.now()))
            self._sort(config)
        for watcher in self._watchers.values():
            watcher.keep_running()

    def note(self) -> dict[str, int]:
        """For the heartbeat: how many cameras, how many are heard, what came."""
        all_ = self._watchers.values()
        return {"cameras": len(all_), "heard": sum(w.heard for w in all_), "events": sum(w.events for w in all_)}

    def join(self) -> None:
        for watcher in self._watchers.values():
            watcher.end()
        for watcher in self._watchers.values():
            watcher.join()

    def _sort(self, config: Config) -> None:
        wanted = {camera.id: camera for camera in config.cameras if camera.onvif}
        for name, watcher in list(self._watchers.items()):
            if wanted.get(name) != watcher.camera:
                watcher.end()
                del self._watchers[name]
        for name, camera in wanted.items():
            if name not in self._watchers:
                self._watchers[name] = CameraWatcher(
                    config, camera, self._clock, self._stop, lambda name=name: name in self._required  # type: ignore[misc]
                )


class CameraWatcher:
    """One camera's thread."""

    def __init__(
        self, config: Config, camera: Camera, clock: Clock, stop: threading.Event, required: Callable[[], bool]
    ) -> None:
        self.camera, self.events, self.heard = camera, 0, False
        self._source = CAMERA + camera.id
        self._config, self._clock, self._required = config, clock, required
        self._stop, self._ended = stop, threading.Event()
        self._thread: threading.Thread | None = None
        self._heard_mono_s = clock.mono_s()
        self._written_mono_s: float | None = None
        self._failures = 0
        self._told: Message | None = None
        self._faults: frozenset[str] = frozenset()

    def keep_running(self) -> None:
        if (self._thread is None or not self._thread.is_alive()) and not self._over:
            self._thread = threading.Thread(target=self._run, name=f"events-{self.camera.id}", daemon=True)
            self._thread.start()

    def end(self) -> None:
        self._ended.set()

    def join(self) -> None:
        if self._thread is not None:
            self._thread.join(10)

    @property
    def _over(self) -> bool:
        return self._stop.is_set() or self._ended.is_set()

    def _run(self) -> None:
        with closing(store.open(self._config.database)) as db:
            self._written_mono_s = None
            with store.transaction(db):
                links.starting(db, self._source, self._clock)
            book = CameraBook(self._config, self.camera.id, self._clock)
            self._wait(random.uniform(0, SPREAD_S))  # noqa: S311 - spreads load, guards nothing
            while not self._over:
                self._wait(self._listen(db, book) * random.uniform(0.8, 1.2))  # noqa: S311 - as above

    def _listen(self, db: Database, book: CameraBook) -> float:
        """Listen until something is wrong; returns how long to wait then."""
        try:
            password = self.camera.password()
        except Changing:
            return PAUSES_S[0]
        except ApplianceError as fault:
            self._lost(db, links.trouble("camera-setting", cause=fault.message.as_json()))
            return PAUSES_S[-1]
        device = onvif.Camera(self.camera.onvif or "", self.camera.user, password)
        events = Events(device, wait=self._wait)
        try:
            while not self._over:
                self._take(db, book, events.pull())
                self._say_faults(device.faults)
        except DriverError as fault:
            return self._failed(db, fault, password)
        finally:
            events.stop()
            device.close()
        return 0.0

    def _take(self, db: Database, book: CameraBook, pulled: Pulled) -> None:
        """Keep what came. The books first, then what the camera tells of itself: each a transaction of its own."""
        now_s = self._clock.mono_s()
        said = book.take(db, pulled.events, required=self._required())
        self._heard_mono_s, self._failures, self.heard = now_s, 0, True
        if said or self._written_mono_s is None or now_s - self._written_mono_s >= HEARD_EVERY_S:
            with store.transaction(db):
                links.heard(db, self._config, self._source, self._clock)
                frame = Frame(raw=b"", events=tuple(said), alive=True, news=True)
                alarms.record(db, self._config, self._source, frame, self._clock)
            self._written_mono_s, self._told = now_s, None
        self.events += len(pulled.events)
        for event in pulled.events:
            self._of_itself(db, event)

    def _of_itself(self, db: Database, event: CameraEvent) -> None:
        """Started again, signed in to: entered once each (box_events.camera_event).

        That its settings changed is found by reading them (camera_looks), which also says what and from what.
        """
        told = f"{event.topic} {event.value or (event.at.isoformat() if event.at else '')}"
        standing = event.operation == "Initialized"  # told again with each subscription
        if event.kind == "reboot" and (event.value or not standing):
            self._restarted(db, event, told)
        elif event.kind == "signin" and not standing and event.value not in discovery.own_addresses():
            self._enter(db, "camera.entered", f"{told} {event.at}", address=event.value or event.source or event.topic)

    def _restarted(self, db: Database, event: CameraEvent, told: str) -> None:
        """When it last started is told with every subscription; the first time ever that is no news.

        Some work it out anew from how long they run, so it differs by a little each time.
        """
        subject = f"camera-told/{self.camera.id}/camera.restarted"
        known = box_events.known(db, subject)
        if known is not None and _same_start(str(known.value), told):
            return
        if event.operation == "Initialized" and known is None:
            with store.transaction(db):
                box_events.remember(db, self._clock, subject, told)
        else:
            self._enter(db, "camera.restarted", told)

    def _enter(self, db: Database, kind: str, told: str, **data: Any) -> None:
        box_events.camera_event(db, self._config, self._clock, self.camera.id, kind, told=told, **data)

    def _failed(self, db: Database, fault: DriverError, password: str) -> float:
        self.heard = False
        if fault.permanent:
            log.warning("camera %s: %s", self.camera.id, fault)
            self._lost(db, links.trouble("camera-refused"))
            self._until_another(password)
            return 0.0
        if isinstance(fault, CameraError) and fault.subcode == "ActionNotSupported":
            self._lost(db, links.trouble("camera-deaf"))
            return DEAF_PAUSE_S
        self._failures += 1
        if self._clock.mono_s() - self._heard_mono_s >= LOST_S:
            self._lost(db, links.trouble("camera"))
        return PAUSES_S[min(self._failures, len(PAUSES_S)) - 1]

    def _until_another(self, password: str) -> None:
        """A refused password is not tried again; a person gives another one."""
        while not self._over:
            self._wait(REFUSED_LOOK_S)
            with contextlib.suppress(ApplianceError):  # the file is being written just now
                if self.camera.password() != password:
                    return

    def _lost(self, db: Database, detail: Message) -> None:
        if self._told == detail:
            return
        with store.transaction(db):
            links.lost(db, self._config, self._source, "silent", detail, self._clock)
        self._written_mono_s, self._told = None, detail
        log.warning("camera %s tells no events: %s", self.camera.id, detail)

    def _say_faults(self, faults: list[str]) -> None:
        """What the camera does wrong, once each for the log."""
        for fault in set(faults) - self._faults:
            log.info("camera %s: %s", self.camera.id, fault)
        self._faults |= set(faults)

    def _wait(self, seconds: float) -> None:
        until_s = self._clock.mono_s() + seconds
        while not self._over and (left_s := until_s - self._clock.mono_s()) > 0:
            self._stop.wait(min(left_s, 0.5))


def _same_start(before: str, now: str) -> bool:
    """Whether two words on when a camera last started mean the same start: topic, space, instant."""
    (topic, _, was), (other, _, is_) = before.partition(" "), now.partition(" ")
    one, two = instant(was), instant(is_)
    if one is None or two is None or (one.tzinfo is None) != (two.tzinfo is None):
        return before == now
    return topic == other and abs((two - one).total_seconds()) < SAME_START_S
