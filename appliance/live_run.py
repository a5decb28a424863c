"""Runs a camera that nobody has to record while somebody watches it: into the live folder, deleted behind itself.

Nothing of it is archived, counted or written down. It runs in the camera's own thread, so a camera is never asked for
two streams, and it is killed, not asked, the moment the camera has to be recorded: recording comes first.
"""

from __future__ import annotations

import logging
import secrets
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from appliance import live_view
from appliance.clock import Clock
from appliance.config import Camera, Config
from appliance.pulse import Pulse
from appliance.source import CAUSE_OF, NoSource, SourceFinder
from appliance.store import Database
from drivers import ffmpeg

log = logging.getLogger(__name__)

FIRST_FRAME_S = 12.0
SEGMENT_S = 10.0  # so long at most does a deleted file's successor grow
LOOK_S = 0.25
PAUSE_S = 3.0  # between tries at a camera that does not send
KEPT = 2  # files beside the open one: a page may still be reading them


class LiveRun:
    """One camera's. Belongs to that camera's thread; `goes_on` says whether it is still only to be watched."""

    def __init__(self, config: Config, clock: Clock, camera: Camera, source: SourceFinder) -> None:
        self._config, self._clock, self._camera, self._source = config, clock, camera, source
        self._folder = config.live / camera.id

    def run(self, db: Database, goes_on: Callable[[], bool], wait: Callable[[float], None]) -> None:
        """Until nobody watches, or the camera is to be recorded."""
        self._clear()
        try:
            while goes_on():
                cause = self._one(db, goes_on)
                live_view.tell(db, self._camera.id, cause)
                if cause == "password refused":  # tried once for each time somebody asks to see it
                    while goes_on() and not self._source.password_changed():
                        wait(LOOK_S * 2)
                elif cause is not None and goes_on():
                    wait(PAUSE_S)
        finally:
            self._clear()

    def _one(self, db: Database, goes_on: Callable[[], bool]) -> str | None:
        """One ffmpeg; says why it ended, None when it was not wanted any more."""
        if shutil.disk_usage(self._config.video).free < self._config.reserve_bytes:
            return "disk full"
        try:
            lead = self._source.find()
        except NoSource as fault:
            log.info("%s cannot be watched: %s", self._camera.id, fault)
            return fault.cause
        with lead.opened() as source:
            if not goes_on():
                return None
            self._folder.mkdir(parents=True, exist_ok=True)
            run = ffmpeg.Run(source, lead.stream, self._folder, f"live{secrets.token_hex(5)}", SEGMENT_S)
            try:
                return self._watch(db, run, goes_on)
            finally:
                run.close()

    def _watch(self, db: Database, run: ffmpeg.Run, goes_on: Callable[[], bool]) -> str | None:
        pulse, began = Pulse(self._clock, FIRST_FRAME_S, self._config.profile.recording.stall_s), False
        while goes_on():
            news = run.read(LOOK_S)
            if news.progress is not None:
                pulse.feel(news.progress.frames)
            if pulse.began and not began:
                began = True
                self._source.works()
                live_view.tell(db, self._camera.id, None)
            for finished in news.finished:
                run.open_file(finished.index - KEPT).unlink(missing_ok=True)
            if news.ended:
                fault = run.cause()
                self._source.failed(fault.trouble)
                return CAUSE_OF[fault.trouble]
            if pulse.left_s(self._clock.mono_s()) < 0:
                return "camera silent"
        return None

    def _clear(self) -> None:
        """Nothing of it stays: pages that still read a file hold it open."""
        clear(self._folder)


def clear(folder: Path) -> None:
    """Delete what was only looked at."""
    try:
        with suppress(FileNotFoundError):
            shutil.rmtree(folder)
    except OSError as fault:  # a dead disk must not keep the recorder from recording to the other
        log.error("%s could not be deleted: %s", folder, fault)
