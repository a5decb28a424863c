"""Whether a camera still sends: two frames since the last sign of life are a new one, a single frame is none.

ffmpeg holds the newest frame back until the next one begins. When its own time limit ends a read, it lets that frame
out; 7.1 then reads on (5.1 ends). That frame is as old as the silence, but counted as new it would hide the silence.
"""

from __future__ import annotations

from appliance.clock import Clock

STANDING_S, STANDING_LOOKS = 2.0, 3  # so long, and at so many looks in a row, media time stands though frames come...
STANDING_FRAME_S = 0.001  # ...each of which takes less than this: the time stamps were set back
LEAP_S = (1 << 31) / 90_000  # a file's frame cannot take longer (movenc.c, check_pkt), and no stamp goes on so far
HELD_BACK = 1  # frames ffmpeg's parser may let out though nothing came


class Pulse:
    """One run's. Nothing may be heard for `first_s` at its start and for `stall_s` later."""

    def __init__(self, clock: Clock, first_s: float, stall_s: float) -> None:
        self._clock, self._first_s, self._stall_s = clock, first_s, stall_s
        self._felt_s = clock.mono_s()
        self._felt_frames = 0

    def feel(self, frames: int, age_s: float = 0.0) -> bool:
        """So many video frames were counted `age_s` ago; says whether that is a sign of life."""
        alive = frames > self._felt_frames + (HELD_BACK if self._felt_frames else 0)
        if alive:
            self._felt_frames, self._felt_s = frames, self._clock.mono_s() - age_s
        return alive

    @property
    def began(self) -> bool:
        """Whether there was a frame at all."""
        return self._felt_frames > 0

    def quiet_s(self, now_s: float) -> float:
        """How long there has been no sign of life, at this moment of the monotonic clock."""
        return now_s - self._felt_s

    def left_s(self, now_s: float) -> float:
        """How much longer that may go on; below zero, the camera is silent."""
        return (self._stall_s if self.began else self._first_s) - self.quiet_s(now_s)


class Backwards:
    """Whether a camera has set its time stamps back: frames come, and media time stands still or leaps by hours.

    ffmpeg then stamps each frame a tick after the one before, until the old time is reached again: an hour of frames in
    no time. Stamps of before the run's own beginning it takes for such that have run over, 13 h later; then the file
    has the ticks, until the next file. A new run begins with the new stamps. Small steps are over by themselves.
    Frames that come slowly, because the camera is overloaded, have their time: that is no reason to lose some more.
    """

    def __init__(self) -> None:
        self._since: tuple[float, float, int] | None = None  # when media time last moved on; it, and the frames, then
        self._looks = 0
        self.seen = False

    def look(self, now_s: float, media_s: float, frames: int) -> None:
        """So many frames are there, up to this media time. One look in vain may follow a silence."""
        if self._since is None or media_s > self._since[1] + STANDING_FRAME_S * (frames - self._since[2]):
            leapt = self._since is not None and media_s - now_s > self._since[1] - self._since[0] + LEAP_S
            self.seen = self.seen or leapt
            self._since, self._looks = (now_s, media_s, frames), 0
            return
        self._looks += 1
        self.seen = self.seen or (self._looks >= STANDING_LOOKS and now_s - self._since[0] > STANDING_S)
