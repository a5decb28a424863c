"""Cameras that are not where they were: one with another address is recognised, two at one address are found out.

Runs in the keeper. The network is searched only while a camera of the site has been unreachable for a minute.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from appliance import box_events, camera_search, cameras, found, store, taken
from appliance.clock import Clock
from appliance.config import Camera, Config
from appliance.model import N_
from appliance.store import Database
from appliance.taken import Identity
from drivers import discovery, onvif
from drivers.neighbours import hardware_addresses
from drivers.onvif_reply import CameraError

log = logging.getLogger(__name__)

LOOK_S = 10.0
LOST_S = 60.0
SEARCH_EVERY_S = 60.0
KNOCK_S = 2.0
TIMEOUT_S = 5.0
TWINS_S = 600.0  # an address that goes to another device and back within this has two
TOLD_S = 3600.0
NICENESS = 10

Discover = Callable[[], Sequence[discovery.Found]]


def start(config: Config, clock: Clock, stop: threading.Event) -> threading.Thread:
    thread = threading.Thread(target=_run, args=(config, clock, stop), name="camera-lost", daemon=True)
    thread.start()
    return thread


def _run(config: Config, clock: Clock, stop: threading.Event) -> None:
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
    with closing(store.open(config.database)) as db:
        watch = Watch(db, clock, lambda: discovery.discover(camera_search.LISTEN_S, config.search_from or None))
        while not stop.wait(LOOK_S):
            try:
                watch.look(taken.with_taken(db, config), hardware_addresses())
            except Exception:  # the loop's one place to decide: it is said, and tried again
                log.exception("lost cameras could not be looked for")
                stop.wait(LOST_S)


@dataclass(slots=True)
class Watch:
    """What was tried and seen lately; what was found out is in the database."""

    db: Database
    clock: Clock
    discover: Discover
    next_s: float = float("-inf")
    since_s: dict[str, float] = field(default_factory=dict)  # camera: nothing was heard of it since then
    tried: set[tuple[str, str]] = field(default_factory=set)  # camera and stranger: a password is shown once
    seen: dict[str, list[tuple[float, str]]] = field(default_factory=dict)  # address: when which device answered there
    told_s: dict[str, float] = field(default_factory=dict)

    def look(self, config: Config, devices: Mapping[str, str]) -> None:
        self._two_at_one(config, devices)
        now_s = self.clock.mono_s()
        if now_s < self.next_s:
            return
        lost = self._lost(config)
        if lost:
            self.next_s = now_s + SEARCH_EVERY_S
            self._recognise(config, lost, [one for one in self.discover() if one.xaddrs])

    def _lost(self, config: Config) -> list[Camera]:
        """Those that sent nothing and took no connection for a minute, whether they must record now or not."""
        states, now_s, found_now = cameras.states(self.db), self.clock.mono_s(), []
        for camera in config.cameras:
            state = states.get(camera.id)
            heard = (state is not None and state.state == "recording") or self._pictured(config, camera)
            if camera.onvif is None or heard or _takes(camera.onvif):
                self.since_s.pop(camera.id, None)
            elif now_s - self.since_s.setdefault(camera.id, now_s) >= LOST_S:
                found_now.append(camera)
        return found_now

    def _pictured(self, config: Config, camera: Camera) -> bool:
        """Whether it gave a picture within the last minute."""
        path = cameras.snapshot_path(config.data, camera.id)
        return path.exists() and self.clock.now().timestamp() - path.stat().st_mtime < LOST_S

    def _recognise(self, config: Config, lost: list[Camera], answered: Sequence[discovery.Found]) -> None:
        rows = taken.rows(self.db)
        there = [camera for camera in config.cameras if camera not in lost and camera.onvif]
        strangers = [one for one in answered
                     if not any(found.same_place(one.xaddrs[0], camera.onvif or "") for camera in there)]  # fmt: skip
        for camera in lost:
            row = rows.get(camera.id)
            identity = row.identity if row is not None else Identity()
            for one in strangers:
                by = self._same(camera, identity, one)
                if by:
                    log.info("camera %s is at %s now, known by its %s", camera.id, one.xaddrs[0], by)
                    taken.readdress(self.db, self.clock, camera, one.xaddrs[0], by)
                    break

    def _same(self, camera: Camera, identity: Identity, one: discovery.Found) -> str:
        """By what this one is our lost camera; "" when it is not, or does not tell."""
        if identity.endpoint:
            return N_("name in the network") if identity.endpoint == one.endpoint else ""
        serial = identity.serial or camera.serial or _seen_serial(self.db, camera.id)
        if not serial or (camera.id, one.endpoint) in self.tried:
            return ""
        self.tried.add((camera.id, one.endpoint))  # a stranger is shown our password once, digested
        try:
            with closing(onvif.Camera(one.xaddrs[0], camera.user, camera.password(), timeout_s=TIMEOUT_S)) as device:
                return N_("serial number") if device.facts().serial == serial else ""
        except CameraError:
            return ""

    def _two_at_one(self, config: Config, devices: Mapping[str, str]) -> None:
        """An address whose hardware address goes away and comes back: two devices answer there."""
        now_s = self.clock.mono_s()
        for camera in config.cameras:
            host = urlsplit(camera.onvif or "").hostname or ""
            mac = devices.get(host)
            if mac is None:
                continue
            lately = [(at, which) for at, which in self.seen.get(host, []) if now_s - at < TWINS_S]
            if not lately or lately[-1][1] != mac:
                lately.append((now_s, mac))
            self.seen[host] = lately or [(now_s, mac)]
            macs = [which for _, which in lately]
            if len(macs) > len(set(macs)) and now_s - self.told_s.get(host, float("-inf")) > TOLD_S:
                self.told_s[host] = now_s
                with store.transaction(self.db):
                    box_events.enter_camera(self.db, config, self.clock, camera.id, "camera.twins", address=host,
                                            macs=sorted(set(macs)))  # fmt: skip


def _takes(url: str) -> bool:
    said = urlsplit(url)
    try:
        with socket.create_connection((said.hostname or "", said.port or 80), timeout=KNOCK_S):
            return True
    except OSError:
        return False


def _seen_serial(db: Database, camera: str) -> str:
    """As the keeper's looks have read it, for a camera of the file."""
    fact = box_events.known(db, f"camera/{camera}")
    return str(fact.value.get("identity", {}).get("serial") or "") if fact is not None else ""
