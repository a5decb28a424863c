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

from appliance import cameras
from appliance.config import Camera, Config
from appliance.model import ApplianceError
from drivers import onvif
from drivers.types import DriverError

log = logging.getLogger(__name__)

EVERY_S = 2.0
TIMEOUT_S = 4.0
LONGEST_PAUSE_S = 60.0
NICENESS = 15


def start(config: Config, stop: threading.Event) -> list[threading.Thread]:
    """One thread for each camera that can give snapshots. Daemons: a slow camera must not hold the service's end."""
    folder = cameras.snapshot_path(config.data, "x").parent
    folder.mkdir(parents=True, exist_ok=True)
    for left in folder.glob("*.part"):
        left.unlink()  # of a keeper that was killed while writing
    threads = [
        threading.Thread(target=_keep_fresh, args=(config, camera, stop), name=f"snapshot-{camera.id}", daemon=True)
        for camera in config.cameras
        if camera.onvif
    ]
    for thread in threads:
        thread.start()
    return threads


def _keep_fresh(config: Config, camera: Camera, stop: threading.Event) -> None:
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)  # Linux keeps niceness for each thread
    while not stop.is_set():
        try:
            password, key = camera.password(), _file_state(camera.password_file)
        except ApplianceError as fault:
            log.warning("%s", fault)
            stop.wait(LONGEST_PAUSE_S)
            continue
        _until_refused(config, camera, password, stop)
        while not stop.wait(EVERY_S) and _file_state(camera.password_file) == key:
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


def _file_state(path: Path | None) -> tuple[int, int] | None:
    if path is None or not path.exists():
        return None
    found = path.stat()
    return found.st_mtime_ns, found.st_size
