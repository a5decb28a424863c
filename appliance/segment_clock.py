"""What a recording knows of its times: how they were derived, the camera's clock beside them, the box's own clock.

The times themselves are always the box's clock (timeline.py). The camera's sender reports (RTCP, RFC 3550) are a second
witness: where they run along with the arrivals, the camera's offset is known; where they do not, it is not, and no
figure is better than a wrong one. docs/recording.md, Times.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median
from typing import Literal

from drivers import host
from drivers.fmp4 import Facts, Stamp

Derived = Literal["arrival", "rtcp", "file"]
BoxClock = Literal["synchronised", "free", "unknown"]

JUMP_S = 0.2  # stamps further apart than this, against the media, are of two clocks (measured: the first sender report)
EXACT_S = 0.003  # sender reports follow the media to ffmpeg's rounding; the times of writes never do for long
EXACT_STAMPS = 8
AFTER_S = 0.5  # a fragment is written this soon after its last frame, if its stamp is the box's own clock


@dataclass(frozen=True, slots=True)
class SegmentClock:
    """Evidence of one recording's times.

    `derived`: "arrival" of the frames; "rtcp" when the camera's sender reports bear them out; "file" when only the last
    write to a file says it (after a crash). `camera_offset_ms`: the camera's clock minus the box's, None when not
    known. `box_clock`: whether anybody kept the box's clock right then. `step_ms`: how far it was set during the
    recording, which lies wholly on the clock before that.
    """

    derived: Derived = "arrival"
    camera_offset_ms: int | None = None
    box_clock: BoxClock = "unknown"
    step_ms: int = 0


def witnessed(facts: Facts, starts_at: datetime, derived: Derived, box_clock: BoxClock, step_ms: int = 0
              ) -> SegmentClock:  # fmt: skip
    """The evidence of a recording placed at `starts_at`. A file placed by its last write proves no offset."""
    offset_s = camera_offset_s(facts.stamps, starts_at.timestamp()) if derived != "file" else None
    if offset_s is None:
        return SegmentClock(derived, None, box_clock, step_ms)
    return SegmentClock("rtcp", round(offset_s * 1000), box_clock, step_ms)


def box_clock() -> BoxClock:
    """Whether the kernel's clock is being kept now: adjtimex(2), which chrony, systemd-timesyncd and ntpd all set, and
    which `timedatectl` shows. It asks no program, so that it may be asked for every recording."""
    kept = host.kernel_synchronised()
    return "unknown" if kept is None else "synchronised" if kept else "free"


def camera_offset_s(stamps: Sequence[Stamp], starts_s: float) -> float | None:
    """The camera's clock minus the box's over one recording that begins at `starts_s`; None when it is not known.

    Before its first sender report a run's stamps are the box's own clock (`fmp4.Stamp`). They end with a jump against
    the media, so the stamps after the last jump count; a jump back and forth is no sane clock.
    """
    offsets = [stamp.clock_s - (starts_s + stamp.at_s + stamp.ahead_s) for stamp in stamps]
    jumps = [n for n in range(1, len(offsets)) if abs(offsets[n] - offsets[n - 1]) > JUMP_S]
    if not offsets or len(jumps) > 1:
        return None
    first = jumps[0] if jumps else 0
    if jumps and not _written(stamps[:first], offsets[:first]):
        return None  # the camera's clock was set meanwhile: no one figure holds for this recording
    if _written(stamps[first:], offsets[first:]):
        return None
    return median(offsets[first:])


def _written(stamps: Sequence[Stamp], offsets: Sequence[float]) -> bool:
    """Whether these stamps may be the box's own clock at the writing of each fragment: shortly after its end."""
    if not all(-JUMP_S <= offset + stamp.ahead_s - stamp.length_s <= AFTER_S
               for stamp, offset in zip(stamps, offsets, strict=True)):  # fmt: skip
        return False
    exact = max(offsets) - min(offsets) <= EXACT_S
    return not (exact and len(stamps) >= EXACT_STAMPS)  # a camera that happens to be ahead by a fragment's length
