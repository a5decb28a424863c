"""A panel that is asked, on a pseudo-terminal behind a stable name, as the adapters in /dev/serial/by-id are."""

from __future__ import annotations

import contextlib
import os
import select
import threading
import tty
from pathlib import Path
from typing import Protocol

LOOK_S = 0.02


class Answers(Protocol):
    """The scripted panels of tests/fakes/peers."""

    def answer(self, data: bytes) -> bytes: ...


class PeerLine:
    """Runs a scripted panel on a thread between `start` and `stop`. `received` is every byte it was ever sent."""

    def __init__(self, link: Path, peer: Answers) -> None:
        self.link, self.peer = link, peer
        self.received = bytearray()
        self._lock = threading.RLock()
        self._ends: tuple[int, int] | None = None
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="peer-line", daemon=True)

    def start(self) -> PeerLine:
        self.replug()
        self._thread.start()
        return self

    def stop(self) -> None:
        self._ending.set()
        self._thread.join(5)
        self.unplug()

    def say(self, data: bytes) -> None:
        """Send something unasked."""
        with self._lock:
            if self._ends is not None:
                os.write(self._ends[0], data)

    def unplug(self) -> None:
        """Pull the adapter: the name and the device are gone."""
        with self._lock:
            self.link.unlink(missing_ok=True)
            for end in self._ends or ():
                os.close(end)
            self._ends = None

    def replug(self) -> None:
        """Put it back: the same name leads to another device."""
        with self._lock:
            self.unplug()
            self._ends = os.openpty()
            tty.setraw(self._ends[1])
            os.set_blocking(self._ends[0], False)
            self.link.symlink_to(os.ttyname(self._ends[1]))

    def device(self) -> str:
        """What the name leads to now."""
        return str(self.link.readlink())

    def _run(self) -> None:
        while not self._ending.is_set():
            with self._lock:
                ends = self._ends
                if ends is not None:
                    self._hear(ends[0])
            if ends is None:
                self._ending.wait(LOOK_S)
                continue
            with contextlib.suppress(OSError):  # just unplugged
                select.select([ends[0]], [], [], LOOK_S)

    def _hear(self, master: int) -> None:
        try:
            data = os.read(master, 4096)
        except BlockingIOError:
            return
        self.received += data
        said = self.peer.answer(data)
        if said:
            os.write(master, said)
