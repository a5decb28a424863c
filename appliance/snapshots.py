"""The newest picture of each camera, for the pages: asked over ONVIF about every two seconds, replaced whole.

Pages never touch a camera; recording never waits for a picture. The threads here run at a low priority, a camera that
does not answer is asked ever less often, and one that refuses the password is left alone until its password file
changes: most makes lock the account after a few wrong tries. Where no snapshot can be had, stills.py finds a picture.
A picture's file carries the time it was seen, so that its age is true.
"""

from __future__ import annotations

import logging
import os
import threading
from contextlib import closing
from pathlib import Path

from appliance import cameras, stills, store, taken
from appliance.clock import Clock
from appliance.config import Camera, Config
from appliance.model import ApplianceError
from appliance.stills import Stills
from drivers import onvif
from drivers.types import DriverError

log = logging.getLogger(__name__)

EVERY_S = 2.0
TIMEOUT_S = 4.0
LONGEST_PAUSE_S = 60.0
NICENESS = 15


def start(config: Config, clock: Clock, stop: threading.Event) -> threading.Thread:
    """One thread for each camera, and one over them. Daemons: none holds the service's end."""
    folder = cameras.snapshot_path(config.data, "x").parent
    folder.mkdir(parents=True, exist_ok=True)
    for left in folder.glob("*.part"):
        left.unlink()  # of a keeper that was killed while writing
    thread = threading.Thread(target=_follow, args=(config, clock, stop), name="snapshots", daemon=True)
    thread.start()
    return thread


def _follow(config: Config, clock: Clock, stop: threading.Event) -> None:
    """Cameras come and go, and get other addresses: begin and end the threads that ask them."""
    bridge = Stills(config, clock, stop)
    asked: dict[str, tuple[Camera, threading.Event, threading.Thread]] = {}
    with closing(store.open(config.database)) as db:
        while not stop.is_set():
            site = taken.with_taken(db, config)
            bridge.plan(db, site)
            now = {camera.id: camera for camera in site.cameras}
            for name in [name for name, (camera, *_) in asked.items() if now.get(name) != camera]:
                asked.pop(name)[1].set()
            for name in now.keys() - asked.keys():
                ended = threading.Event()
                thread = threading.Thread(target=_keep_fresh, args=(config, now[name], bridge, ended),
                                          name=f"snapshot-{name}", daemon=True)  # fmt: skip
                asked[name] = now[name], ended, thread
                thread.start()
            stop.wait(EVERY_S)
    for _, ended, _ in asked.values():
        ended.set()
    for *_, thread in asked.values():
        thread.join(TIMEOUT_S)


def _keep_fresh(config: Config, camera: Camera, bridge: Stills, stop: threading.Event) -> None:
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)  # Linux keeps niceness for each thread
    while not stop.is_set():
        if camera.onvif is None:
            _bridge(config, camera, bridge, stop, LONGEST_PAUSE_S)
            continue
        try:
            key, password = camera.password_state(), camera.password()
        except taken.Changing:
            stop.wait(EVERY_S)
            continue
        except ApplianceError as fault:
            log.warning("%s", fault)
            stop.wait(LONGEST_PAUSE_S)
            continue
        with closing(onvif.Camera(camera.onvif, camera.user, password, timeout_s=TIMEOUT_S)) as device:
            _ask_on(config, camera, device, bridge, stop)
        while not stop.wait(EVERY_S) and camera.password_state() == key:
            pass


def _ask_on(config: Config, camera: Camera, device: onvif.Camera, bridge: Stills, stop: threading.Event) -> None:
    """Until it refuses the password, or `stop`."""
    pause_s = EVERY_S
    while not stop.is_set():
        try:
            replace(cameras.snapshot_path(config.data, camera.id), device.snapshot())
            pause_s = EVERY_S
            stop.wait(pause_s)
        except DriverError as fault:
            if fault.permanent:
                log.error("no snapshots of %s until its password file changes: %s", camera.id, fault)
                return
            if pause_s == EVERY_S:
                log.warning("no snapshot of %s: %s", camera.id, fault)
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
            _bridge(config, camera, bridge, stop, pause_s)


def _bridge(config: Config, camera: Camera, bridge: Stills, stop: threading.Event, for_s: float) -> None:
    """While there are no snapshots, the picture is renewed from what is recorded, ever and again."""
    until_s = bridge.clock.mono_s() + for_s
    while not stop.is_set() and (left_s := until_s - bridge.clock.mono_s()) > 0:
        still = bridge.take(camera)
        if still is not None:
            replace(cameras.snapshot_path(config.data, camera.id), still.jpeg, still.at_s)
        stop.wait(min(left_s, stills.EVERY_S))


def replace(path: Path, jpeg: bytes, at_s: float | None = None) -> None:
    """Put the new picture in place of the old; a reader sees the one or the other. Not synced: it is no evidence."""
    part = path.with_suffix(".part")
    part.write_bytes(jpeg)
    if at_s is not None:
        os.utime(part, (at_s, at_s))
    part.replace(path)
