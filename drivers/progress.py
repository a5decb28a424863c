"""ffmpeg's -progress, each report with the moment at which it was written.

The kernel stamps them as they come (SO_TIMESTAMPNS, socket(7)), so that nobody need be awake for it. Waking every
camera's thread for every report was dear, and reading a report late would date its frames late (docs/recording.md).
"""

from __future__ import annotations

import socket
import struct
import time
from dataclasses import dataclass

SO_TIMESTAMPNS = 35  # asm-generic/socket.h; Python has no name for it before 3.14
STAMP = struct.Struct("@ll")  # struct timespec
REPORT_BYTES = 4096  # one is some 230
# The stamps are of the wall clock. Its distance to the monotonic one changes only when it is set; so much is the noise
# of reading both. After a step the stamps since the last look are of no use.
STEP_S = 0.005


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is: video frames written, and the media time that is the end of the newest packet.

    `age_s`: how long ago ffmpeg said so, when it was read. Never more than it is, but less where the clock was set.
    """

    frames: int
    media_s: float
    age_s: float = 0.0


class Reports:
    """One run's. ffmpeg gets `theirs` as its standard output; then `close_theirs`, so that its end is seen."""

    def __init__(self) -> None:
        # Each report is one write, and so one packet; a packet has one stamp.
        self._ours, self.theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._ours.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self._ours.setblocking(False)
        self._offset_s = _offset_s()
        self.ended = False

    def fileno(self) -> int:
        return self._ours.fileno()

    def close_theirs(self) -> None:
        self.theirs.close()

    def close(self) -> None:
        self._ours.close()

    def take(self) -> tuple[Progress, ...]:
        """All that were written since the last time, oldest first."""
        found: list[tuple[bytes, float]] = []
        while not self.ended:
            try:
                report, told, _, _ = self._ours.recvmsg(REPORT_BYTES, socket.CMSG_SPACE(STAMP.size))
            except BlockingIOError:
                break
            if report:
                found.append((report, _stamp_s(told)))
            self.ended = not report
        if not found:
            return ()
        offset_s, before_s = _offset_s(), self._offset_s
        self._offset_s = offset_s
        now_s = time.monotonic() + offset_s if abs(offset_s - before_s) < STEP_S else 0.0
        read = [_progress(report, max(0.0, now_s - at_s)) for report, at_s in found]
        return tuple(each for each in read if each is not None)


def _stamp_s(told: list[tuple[int, int, bytes]]) -> float:
    """When a packet was written, Unix time; "never" without a stamp makes it new."""
    for level, kind, data in told:
        if (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPNS):
            seconds, nanoseconds = STAMP.unpack(data)
            return float(seconds + nanoseconds / 1e9)
    return float("inf")


def _offset_s() -> float:
    """The wall clock minus the monotonic one."""
    for _ in range(5):  # again when this thread was held up between the two
        before_s = time.monotonic()
        wall_s = time.clock_gettime(time.CLOCK_REALTIME)  # the clock of the stamps, whatever the house is given
        after_s = time.monotonic()
        if after_s - before_s < STEP_S / 5:
            break
    return wall_s - (before_s + after_s) / 2


def _progress(report: bytes, age_s: float) -> Progress | None:
    """What a report says; None before the first frame."""
    frame, out = report.rfind(b"frame="), report.rfind(b"out_time_us=")
    if frame < 0 or out < 0:
        return None
    try:
        frames, out_us = (int(report[at:].split(b"\n", 1)[0]) for at in (frame + 6, out + 12))
    except ValueError:  # out_time_us=N/A until the first packet is out
        return None
    return Progress(frames, out_us / 1e6, age_s)
