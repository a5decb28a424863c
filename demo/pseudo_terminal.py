"""One end of a serial line on a pseudo-terminal, behind a stable name, as the adapters in /dev/serial/by-id are."""

from __future__ import annotations

import contextlib
import os
import select
import tty
from pathlib import Path

MOST_BYTES = 4096


class PseudoTerminal:
    """The panel's end; the box opens `link`. Not safe for threads: once it is unplugged, its descriptor's number is
    somebody else's, so its owner guards every call but `await_bytes` with a lock."""

    def __init__(self, link: Path) -> None:
        self.link = link
        self._ends: tuple[int, int] | None = None

    @property
    def end(self) -> int | None:
        """The panel's end, for `await_bytes`; None: unplugged."""
        return None if self._ends is None else self._ends[0]

    def plug(self) -> None:
        """Put the adapter in, again: the same name leads to another device."""
        self.unplug()
        master, slave = os.openpty()
        tty.setraw(slave)
        os.set_blocking(master, False)
        self.link.parent.mkdir(parents=True, exist_ok=True)
        fresh = self.link.with_name(self.link.name + ".new")
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(os.ttyname(slave))
        fresh.replace(self.link)
        self._ends = master, slave  # the box's end is kept open: an answer of a reader that died is still heard

    def unplug(self) -> None:
        """Pull the adapter: the name and the device are gone."""
        self.link.unlink(missing_ok=True)
        for end in self._ends or ():
            os.close(end)
        self._ends = None

    def hear(self) -> bytes:
        """What has come; nothing while unplugged."""
        if self._ends is not None:
            with contextlib.suppress(BlockingIOError):  # nothing said
                return os.read(self._ends[0], MOST_BYTES)
        return b""

    def say(self, data: bytes) -> None:
        """Send; nobody hears it while unplugged."""
        if self._ends is not None:
            with contextlib.suppress(BlockingIOError):  # a full line nobody reads: lost, as on a wire
                os.write(self._ends[0], data)


def await_bytes(end: int, seconds: float) -> None:
    """Until something comes to this end, or `seconds` are over."""
    with contextlib.suppress(OSError):  # just unplugged
        select.select([end], [], [], seconds)
