"""Puts the open recordings to disk every second: ffmpeg never does, and the kernel waits 20 to 30 s.

One thread for all cameras, apart from the threads that read them: a slow disk makes nobody's stream wait. Several
files of one disk are put to it with one call where that is as good (drivers/ext4.py).
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from appliance import archive, durable
from drivers import ext4, fmp4
from drivers.ffmpeg import FRAGMENT_S, NEW, PLAYABLE

log = logging.getLogger(__name__)

EVERY_S = 1.0
WHOLE_FROM = 2  # open files on one disk; a single one is synced for less alone
NAMING_S = 0.25  # how often a new file is looked at until something whole is in it


@dataclass(slots=True, eq=False)
class Open:
    """The file one camera's run is writing. The camera's thread sets `path` and `media_s`, the syncing thread the rest.

    `path` is the name ffmpeg gave it; it has another from when there is something to play in it (archive.name).

    `safe_s`: media time up to which the run is on disk. `fault`: what the disk said when it would not take it.
    `device`: the disk (st_dev) it was opened on.
    """

    path: Path
    media_s: float = 0.0
    safe_s: float = 0.0
    fault: str = ""
    device: int = -1
    _handle: int = -1
    _synced: Path | None = None
    _named: Path | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def nameless(self) -> bool:
        """Whether its name still says that nothing whole is in it."""
        return self.path != self._named and self.path.suffix == NEW

    def name(self) -> None:
        """Call it a recording once it is one: whoever finds the folder after a kill may take each for playable."""
        path = self.path
        with suppress(OSError):  # not begun yet, or archived meanwhile; a disk that fails is found by `sync`
            if fmp4.begun(path):
                durable.sync(path)  # else a power cut may leave the name and not what is in it
                archive.name(path)
                self._named = path

    def sync(self) -> None:
        """Put what is written by now to disk, this file alone."""
        written_s = self.ready()
        if written_s is not None:
            self.put(written_s)

    def ready(self) -> float | None:
        """Open the file, and sync its folder when it is new there. Up to where it is written; None: nothing to sync.

        To be asked before the sync. ffmpeg has written all but the fragment it is still collecting.
        """
        with self._lock:
            path, written_s = self.path, self.media_s - FRAGMENT_S
            try:
                if path != self._synced:
                    self._open(path)
            except OSError as fault:
                self.fault = fault.strerror or str(fault)
            return written_s if self._handle >= 0 else None

    def put(self, written_s: float) -> None:
        """fdatasync the file; then it is safe up to there."""
        with self._lock:
            try:
                if self._handle >= 0:
                    os.fdatasync(self._handle)
                    self.safe_s = max(self.safe_s, written_s)
            except OSError as fault:
                self.fault = fault.strerror or str(fault)

    def put_whole(self) -> bool:
        """Put all of its disk there, if that can be done as surely (drivers/ext4.py)."""
        with self._lock:
            return self._handle >= 0 and ext4.put_whole(self._handle)

    def _open(self, path: Path) -> None:
        self._close()
        try:
            self._handle = self._opened(path)
        except FileNotFoundError:
            return  # not begun yet, or just archived (which syncs it)
        durable.sync(path.parent)
        self._synced, self.device = path, os.fstat(self._handle).st_dev

    @staticmethod
    def _opened(path: Path) -> int:
        """For reading, which is enough for fdatasync; under whichever name it has."""
        try:
            return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return os.open(path.with_suffix(PLAYABLE), os.O_RDONLY | os.O_CLOEXEC)

    def close(self) -> None:
        """Let go of the file. Its last bytes are synced when it is archived."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        if self._handle >= 0:
            os.close(self._handle)
        self._handle, self._synced = -1, None


def sync(files: Iterable[Open]) -> None:
    """Put what is written by now to disk. Who will not be put there with the others is put there alone."""
    disks: dict[int, list[tuple[Open, float]]] = {}
    for file in files:
        written_s = file.ready()
        if written_s is not None:
            disks.setdefault(file.device, []).append((file, written_s))
    for each in disks.values():
        whole = len(each) >= WHOLE_FROM and each[0][0].put_whole()
        for file, written_s in each:
            if whole:
                file.safe_s = max(file.safe_s, written_s)
            else:
                file.put(written_s)


class Syncer:
    """The thread. Cameras come and go with `add` and `remove`."""

    def __init__(self) -> None:
        self._open: set[Open] = set()
        self._lock = threading.Lock()

    def add(self, file: Open) -> None:
        with self._lock:
            self._open.add(file)

    def remove(self, file: Open) -> None:
        with self._lock:
            self._open.discard(file)
        file.close()

    def run(self, stop: threading.Event) -> None:
        """Sync everything that is open, every second, until `stop`; name new files as soon as they can be played."""
        due_s, wait_s = 0.0, NAMING_S
        while not stop.wait(wait_s):
            with self._lock:
                files = list(self._open)
            for file in files:
                if file.nameless:
                    file.name()
            if time.monotonic() >= due_s:
                due_s = time.monotonic() // EVERY_S * EVERY_S + EVERY_S  # with the others that wake then
                sync(files)
            left_s = max(0.0, due_s - time.monotonic())
            wait_s = min(left_s, NAMING_S) if not files or any(file.nameless for file in files) else left_s
