"""A panel that is asked, on a pseudo-terminal behind a stable name, as the adapters in /dev/serial/by-id are."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Protocol

from demo.pseudo_terminal import PseudoTerminal, await_bytes

LOOK_S = 0.02


class Answers(Protocol):
    """The scripted panels of tests/fakes/peers."""

    def answer(self, data: bytes) -> bytes: ...


class PeerLine:
    """Runs a scripted panel on a thread between `start` and `stop`. `received` is every byte it was ever sent."""

    def __init__(self, link: Path, peer: Answers) -> None:
        self.link, self.peer = link, peer
        self.received = bytearray()
        self._line = PseudoTerminal(link)
        self._lock = threading.RLock()
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
            self._line.say(data)

    def unplug(self) -> None:
        """Pull the adapter: the name and the device are gone."""
        with self._lock:
            self._line.unplug()

    def replug(self) -> None:
        """Put it back: the same name leads to another device."""
        with self._lock:
            self._line.plug()

    def device(self) -> str:
        """What the name leads to now."""
        return str(self.link.readlink())

    def _run(self) -> None:
        while not self._ending.is_set():
            with self._lock:
                end = self._line.end
                while data := self._line.hear():
                    self.received += data
                    self._line.say(self.peer.answer(data))
            if end is None:
                self._ending.wait(LOOK_S)
            else:
                await_bytes(end, LOOK_S)
