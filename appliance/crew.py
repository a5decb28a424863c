"""The recorder's threads, one a camera. One that is taken in or set aside comes and goes unnoticed by the others."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import closing

from appliance import store, streams
from appliance.config import Camera, Config
from appliance.recording import CameraLoop
from appliance.streams import Stream

log = logging.getLogger(__name__)

AGAIN_S = 2.0  # before a camera's thread that failed is started again
END_WAIT_S = 7.0  # for the cameras' threads to close their files


def recorded(config: Config) -> list[tuple[Camera, Stream]]:
    """Every stream that is recorded, each by a thread and an ffmpeg of its own."""
    return [(c, stream) for c in config.cameras for stream in streams.ALL if stream == "main" or c.both_streams]


class Crew:
    """`loops` is everybody who is there now: others may look at it, only the crew changes it. One thread's."""

    def __init__(self, loops: list[CameraLoop], make: Callable[[Config, Camera, Stream], CameraLoop]) -> None:
        self.loops, self._make = loops, make
        self._threads: dict[str, tuple[threading.Thread, threading.Event]] = {}

    def start(self) -> None:
        for loop in self.loops:
            self._begin(loop)

    def adjust(self, config: Config) -> None:
        """Follow what people took in, set aside, renamed. Who has to record still is let go when that is over."""
        now = {streams.folder_of(camera.id, stream): (camera, stream) for camera, stream in recorded(config)}
        for loop in list(self.loops):
            there = now.pop(loop.folder, None)
            if there is not None:
                loop.camera = there[0]
            elif loop.want is None and loop.state.state == "idle":
                self.loops.remove(loop)
                self._threads.pop(loop.folder)[1].set()
                loop.poke.set()
        for name, (camera, stream) in now.items():
            log.info("camera %s is new", name)
            self.loops.append(self._make(config, camera, stream))
            self._begin(self.loops[-1])

    def end(self) -> None:
        """Let every thread close its file."""
        for _, ended in self._threads.values():
            ended.set()
        for loop in self.loops:
            loop.poke.set()
        for thread, _ in self._threads.values():
            thread.join(END_WAIT_S)
            if thread.is_alive():
                log.error("camera %s did not end in time; its open file is taken in at the next start", thread.name)

    def _begin(self, loop: CameraLoop) -> None:
        ended = threading.Event()
        thread = threading.Thread(target=_keep, args=(loop, ended), name=loop.folder, daemon=True)
        self._threads[loop.folder] = thread, ended
        thread.start()


def _keep(loop: CameraLoop, stop: threading.Event) -> None:
    """One camera's thread. A fault of ours in it is logged, journalled, and the camera started again, alone."""
    while not stop.is_set():
        try:
            loop.run(stop)
        except Exception as fault:  # whatever it is, the other cameras must not hear of it
            log.exception("camera %s failed and is started again", loop.folder)
            with closing(store.open(loop.config.database)) as db:
                loop.told.failed(db, fault)
            stop.wait(AGAIN_S)
