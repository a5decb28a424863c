"""A serial line: opened exclusively by its path, read with a time limit, closed at once when it is unplugged.

The only door to pyserial. A descriptor that is held after an unplug makes the kernel give the adapter another name
(ttyUSB1) on replug, so every failure here closes first and tells second. Open by /dev/serial/by-id/...: the path is
looked up anew at every `open`. Works on pseudo-terminals, where speed and parity mean nothing.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import select
import stat
import termios
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import serial

from drivers.types import DriverError, Line

READ_BYTES = 4096  # at most taken off the line in one go
WRITE_TIMEOUT_S = 2.0
PTY_MAJORS = range(136, 144)  # Linux devices.txt: Unix98 pseudo-terminals
BACK_OFF_S = (0.2, 0.5, 1.0, 2.0, 4.0)  # the last one repeats: a replugged adapter is heard again within 10 s


class PortError(DriverError):
    """The line cannot be used now. `reason`: missing, busy, forbidden, not-serial, gone (unplugged) or stuck."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


class ForbiddenWrite(DriverError):
    """Bytes that are not in the driver's allow-list. Panels are only read; this is a fault of the program."""

    permanent = True


class Source(Protocol):
    """Where a codec's bytes come from: a serial line (Port), or pins of the box (drivers.gpio). The same promises."""

    path: Path

    @property
    def is_open(self) -> bool: ...
    def open(self) -> None: ...
    def close(self) -> None: ...
    def read(self, timeout_s: float) -> bytes: ...
    def write(self, data: bytes) -> None: ...
    def back_off_s(self) -> float: ...


class _Serial(serial.Serial):  # type: ignore[misc]
    """pyserial without its flush at opening: what the panel has already said is read, not thrown away."""

    def _reset_input_buffer(self) -> None:
        return


class Port:
    """One serial line. Closed until `open`; after any PortError it is closed again and `open` may be tried anew."""

    def __init__(self, path: Path, line: Line, may_send: Callable[[bytes], bool]) -> None:
        self.path = path
        self._line = line
        self._may_send = may_send
        self._serial: _Serial | None = None
        self._failures = 0

    @property
    def is_open(self) -> bool:
        return self._serial is not None

    def open(self) -> None:
        """Open the path as it is now. Raises PortError with a sentence that says what to do."""
        self.close()
        try:
            pseudo = os.major(self.path.stat().st_rdev) in PTY_MAJORS
            # A pseudo-terminal has 8N1 only, and glibc calls it an error to ask twice for anything else.
            line = replace(self._line, bits=8, parity="N") if pseudo else self._line
            self._serial = _Serial(
                port=os.fspath(self.path), baudrate=line.baud, bytesize=line.bits, parity=line.parity,
                stopbits=line.stop, timeout=0, write_timeout=WRITE_TIMEOUT_S, exclusive=True,
            )  # fmt: skip
            if not pseudo:  # there the mark would outlive our close for as long as the other end is open
                # Beside pyserial's flock, which only programs that ask for it respect.
                fcntl.ioctl(self._serial.fileno(), termios.TIOCEXCL)
        except (OSError, ValueError, termios.error) as cause:  # SerialException is an OSError
            self.close()
            self._failures += 1
            raise _why_not(self.path, cause) from cause

    def close(self) -> None:
        """Give the descriptor back at once. Never raises: it is called when the device is already gone."""
        held, self._serial = self._serial, None
        if held is not None:
            with contextlib.suppress(OSError, termios.error):  # closing what was pulled out may fail, and is closed
                held.close()

    def read(self, timeout_s: float) -> bytes:
        """Bytes as they come, b"" when none came in time. Raises PortError (gone) after closing."""
        line = self._opened()
        try:
            # pyserial sets the whole line up anew when its time limit is changed, so the waiting is done here
            if select.select([line.fileno()], [], [], timeout_s)[0]:
                data = bytes(line.read(READ_BYTES))
                self._failures = 0
                return data
            if not self._still_there(line.fileno()):
                raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))
        except (OSError, TypeError, ValueError) as cause:  # the last two: closed under a reader
            raise self._gone() from cause
        return b""

    def write(self, data: bytes) -> None:
        """Send bytes of the driver's allow-list. ForbiddenWrite for others, PortError when they do not go out."""
        line = self._opened()
        if not self._may_send(data):
            raise ForbiddenWrite(f"Refused to send {data.hex(' ') or 'nothing'}: panels are only read.")
        try:
            line.write(data)
        except serial.SerialTimeoutException as cause:
            self.close()
            raise PortError("stuck", f"{self.path} takes no bytes. Check the cable to the panel.") from cause
        except (OSError, termios.error) as cause:
            raise self._gone() from cause

    def back_off_s(self) -> float:
        """How long to wait before the next `open`: longer with each failure in a row, never above 4 s."""
        return BACK_OFF_S[min(max(self._failures - 1, 0), len(BACK_OFF_S) - 1)]

    def _opened(self) -> _Serial:
        if self._serial is None:
            raise PortError("gone", f"{self.path} is not open.")
        return self._serial

    def _gone(self) -> PortError:
        self.close()
        self._failures += 1
        return PortError("gone", f"{self.path} was unplugged. Put it back, the link returns by itself.")

    def _still_there(self, descriptor: int) -> bool:
        """Whether the path still leads to what is open: a by-id name that went or moved means another device."""
        try:
            return self.path.stat().st_rdev == os.fstat(descriptor).st_rdev
        except FileNotFoundError:
            return False


def _why_not(path: Path, cause: Exception) -> PortError:
    """The sentence for a line that does not open."""
    number = cause.errno if isinstance(cause, OSError) else None
    if number in (errno.ENOENT, errno.ENODEV, errno.ENXIO, errno.ENOTDIR, errno.EIO):
        return PortError("missing", f"There is no {path}. Plug the adapter in, or correct the panel's port.")
    if number in (errno.EACCES, errno.EPERM):
        return PortError("forbidden", f"No permission to open {path}. Add this user to group dialout, sign in again.")
    if number in (errno.EBUSY, errno.EAGAIN, errno.EWOULDBLOCK):
        return PortError("busy", f"{path} is held by another program. End that program, the link then returns.")
    if path.exists() and not stat.S_ISCHR(path.stat().st_mode):
        return PortError("not-serial", f"{path} is not a serial line. Correct the panel's port.")
    return PortError("not-serial", f"{path} does not take these line settings: {cause}. Check port and speed.")
