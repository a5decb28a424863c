"""The newest picture of each camera, for the pages: asked over ONVIF about every two seconds, replaced whole.

Pages never touch a camera; recording never waits for a picture. The threads here run at a low priority, a camera that
does not answer is asked ever less often, and one that refuses the password is left alone until its password file
changes: most makes lock the account after a few wrong tries.
"""

from __future__ import annotations

import logging
import os
import threading
from contextlib import closing
from pathlib import Path

from appliance import cameras, store, taken
from appliance.config import Camera, Config
from appliance.model import ApplianceError
from drivers import onvif
from drivers.types import DriverError

log = logging.getLogger(__name__)

EVERY_S = 2.0
TIMEOUT_S = 4.0
LONGEST_PAUSE_S = 60.0
NICENESS = 15


def start(config: Config, stop: threading.Event) -> threading.Thread:
    """One thread for each camera that can give snapshots, and one over them. Daemons: none holds the service's end."""
    folder = cameras.snapshot_path(config.data, "x").parent
    folder.mkdir(parents=True, exist_ok=True)
    for left in folder.glob("*.part"):
        left.unlink()  # of a keeper that was killed while writing
    thread = threading.Thread(target=_follow, args=(config, stop), name="snapshots", daemon=True)
    thread.start()
    return thread


def _follow(config: Config, stop: threading.Event) -> None:
    """Cameras come and go, and get other addresses: begin and end the threads that ask them."""
    asked: dict[str, tuple[Camera, threading.Event, threading.Thread]] = {}
    with closing(store.open(config.database)) as db:
        while not stop.is_set():
            now = {camera.id: camera for camera in taken.with_taken(db, config).cameras if camera.onvif}
            for name in [name for name, (camera, *_) in asked.items() if now.get(name) != camera]:
                asked.pop(name)[1].set()
            for name in now.keys() - asked.keys():
                ended = threading.Event()
                thread = threading.Thread(target=_keep_fresh, args=(config, now[name], ended), name=f"snapshot-{name}",
                                          daemon=True)  # fmt: skip
                asked[name] = now[name], ended, thread
                thread.start()
            stop.wait(EVERY_S)
    for _, ended, _ in asked.values():
        ended.set()
    for *_, thread in asked.values():
        thread.join(TIMEOUT_S)


def _keep_fresh(config: Config, camera: Camera, stop: threading.Event) -> None:
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)  # Linux keeps niceness for each thread
    while not stop.is_set():
        try:
            key, password = camera.password_state(), camera.password()
        except taken.Changing:
            stop.wait(EVERY_S)
            continue
        except ApplianceError as fault:
            log.warning("%s", fault)
            stop.wait(LONGEST_PAUSE_S)
            continue
        _until_refused(config, camera, password, stop)
        while not stop.wait(EVERY_S) and camera.password_state() == key:
            pass


def _until_refused(config: Config, camera: Camera, password: str, stop: threading.Event) -> None:
    assert camera.onvif is not None  # noqa: S101 - start() picks only these
    with closing(onvif.Camera(camera.onvif, camera.user, password, timeout_s=TIMEOUT_S)) as device:
        _ask_on(config, camera, device, stop)


def _ask_on(config: Config, camera: Camera, device: onvif.Camera, stop: threading.Event) -> None:
    pause_s = EVERY_S
    while not stop.is_set():
        try:
            replace(cameras.snapshot_path(config.data, camera.id), device.snapshot())
            pause_s = EVERY_S
        except DriverError as fault:
            if fault.permanent:
                log.error("no snapshots of %s until its password file changes: %s", camera.id, fault)
                return
            if pause_s == EVERY_S:
                log.warning("no snapshot of %s: %s", camera.id, fault)
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
        stop.wait(pause_s)


def replace(path: Path, jpeg: bytes) -> None:
    """Put the new picture in place of the old; a reader sees the one or the other. Not synced: it is no evidence."""
    part = path.with_suffix(".part")
    part.write_bytes(jpeg)
    part.replace(path)
