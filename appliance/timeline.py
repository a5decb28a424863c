"""Where a run's media time lies on the box's clock.

Frames arrive late, never early: over all samples the smallest (arrival - media time) is the least delayed one, so that
is where the run's media time begins (Moonfire NVR's rule). Arrivals are taken on the monotonic clock, which no step
moves. Consecutive segments of a run share their boundary exactly, to the stored microsecond.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from appliance.clock import Clock

DRIFT = 500e-6  # a camera's clock may be this much slower than ours; the anchor moves back no faster
STEP_S = 0.5  # the wall clock moved against the monotonic one by more: it was set
JUMP_S = 1.5  # frames cannot arrive so much earlier than those before: the camera moved its time stamps
JOIN_S = 0.5  # what is nearer to the segment before than this joins it (fmp4.HOLE_S is the same bound inside a file)


@dataclass(frozen=True, slots=True)
class Placed:
    """A segment's place on the box's clock, UTC. `step_ms`: how far that was set meanwhile, 0 when it was not.

    `joined_s`: its first frame came so much later; until then the last one of the file before was shown, whose length
    nobody knew when that was filed. At a varying rate that is more than a tick.
    """

    starts_at: datetime
    ends_at: datetime
    step_ms: int = 0
    joined_s: float = 0.0


class Timeline:
    """One run's. `heard` is fed by its progress, `place` by its finished files in order."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._began_s = clock.mono_s()  # no frame of the run came before
        self._low_s: float | None = None  # smallest arrival - media time since the last boundary
        self._counted: list[tuple[int, float]] = []  # (video frames so far, when) since then
        self._frames = 0  # video frames in the files placed so far
        self._anchor_s: float | None = None  # the one in use
        self._offset_s = self._wall_minus_mono_s()
        self._end_media_s = 0.0  # where the last placed file ended
        self._next_at: datetime | None = None  # the same on the clock, as the next file will begin
        self._jumped_s = 0.0  # how far the camera has moved its time stamps forward; taken off all that is heard

    def heard(self, media_s: float, frames: int | None = None, age_s: float = 0.0) -> None:
        """Media up to `media_s`, and so many video frames of the run, had arrived `age_s` ago."""
        now_s = self._clock.mono_s() - age_s
        delay_s = now_s - (media_s - self._jumped_s)
        self._low_s = delay_s if self._low_s is None else min(self._low_s, delay_s)
        if frames is not None:
            self._counted.append((frames, now_s))

    def ended(self, frames: int, at_s: float) -> None:
        """The file that is placed next, of so many frames, was finished then: the first frame behind it came."""
        self._counted.append((self._frames + frames, at_s))

    def at(self, media_s: float) -> datetime:
        """The box's clock at this media time, by what is known now."""
        anchor_s = self._anchor_s if self._anchor_s is not None else self._low_s
        if anchor_s is None:
            return self._clock.now()
        return min(self._clock.now(), self._wall(media_s - self._jumped_s + anchor_s, self._wall_minus_mono_s()))

    def jump_s(
        self, starts_s: float, holes: tuple[tuple[float, float], ...], frame_s: float
    ) -> tuple[float, int | None]:
        """How far the camera moved its stamps forward before or in the file that is placed next; 0 when it did not.

        And which hole of the file that made, None for the one before it. In a true hole nothing arrives: frames after
        it are as late as those before. After moved stamps they seem to come early, which no network does.
        """
        counted = self._jump_by_count_s(starts_s - self._jumped_s, holes, frame_s)
        if counted[0] or self._anchor_s is None or self._low_s is None or self._anchor_s - self._low_s < JUMP_S:
            return counted
        by_s = self._anchor_s - self._low_s
        apart_s = starts_s - self._jumped_s - self._end_media_s
        for number, (begins_s, ends_s) in [(None, (0.0, apart_s)), *enumerate(holes)]:
            if ends_s - begins_s > by_s - JUMP_S:
                by_s = min(by_s, ends_s - begins_s)
                self._low_s += by_s
                self._jumped_s += by_s
                return by_s, number
        return 0.0, None  # it lies behind this file: the next one shows it

    def _jump_by_count_s(
        self, starts_s: float, holes: tuple[tuple[float, float], ...], frame_s: float
    ) -> tuple[float, int | None]:
        """The same by when the frames came, counted; that is all there is to tell for the first files of a run.

        The last count before a hole may be told after it: 5.1 says nothing while it waits for a frame. By that alone a
        silence would look like moved stamps. So it counts with others only; alone, its frames came after the start.
        """
        for number, (begins_s, ends_s) in enumerate(holes):
            last = self._frames + round(begins_s / frame_s)  # frames before it
            before = [at_s - n * frame_s for n, at_s in self._counted if self._frames < n <= last]
            if self._anchor_s is not None:
                before.append(self._anchor_s + starts_s + begins_s - last * frame_s)
            elif before:
                before = before[:-1] or [self._began_s - last * frame_s]
            after = [at_s - n * frame_s for n, at_s in self._counted if n > last]
            by_s = ends_s - begins_s
            if by_s > JUMP_S and before and after and min(after) - min(before) < by_s / 2:
                self._low_s = None if self._low_s is None else self._low_s + by_s
                self._jumped_s += by_s
                return by_s, number
        return 0.0, None

    def place(
        self, starts_s: float, duration_s: float, frame_s: float, frames: int = 0, *, steady: bool = False,
        times_s: Sequence[float] = (),
    ) -> Placed:  # fmt: skip
        """Place the next finished file; `starts_s` in media time, `steady` when its frames come at one rate.

        `times_s`: when each of its frames begins, where the rate varies.

        A file during which the clock was set lies wholly on the old clock, the next one begins by the new.
        """
        starts_s -= self._jumped_s
        anchor_s = self._settle(starts_s + duration_s, duration_s, frames, frame_s if steady else 0.0,
                                [starts_s + at_s for at_s in times_s])  # fmt: skip
        before_s, self._offset_s = self._offset_s, self._wall_minus_mono_s()
        stepped = abs(self._offset_s - before_s) > STEP_S
        end_offset_s = before_s if stepped else self._offset_s
        apart_s, joins_s = starts_s - self._end_media_s, max(JOIN_S, 3 * frame_s)
        joined_s = 0.0
        if self._next_at is None or apart_s < -joins_s:
            starts_at = self._wall(starts_s + anchor_s, before_s)
        elif apart_s > joins_s:  # a hole is as long as the media says: a better anchor must not make it shorter
            starts_at = self._next_at + timedelta(seconds=apart_s)
        else:
            starts_at, joined_s = self._next_at, apart_s
        self._end_media_s = starts_s + duration_s
        end_mono_s = self._end_media_s + anchor_s
        ends_at = max(self._wall(end_mono_s, end_offset_s), starts_at + timedelta(seconds=frame_s))
        self._next_at = self._wall(end_mono_s, self._offset_s) if stepped else ends_at
        return Placed(starts_at, ends_at, round((self._offset_s - before_s) * 1000) if stepped else 0, joined_s)

    def _settle(self, end_s: float, duration_s: float, frames: int, rhythm_s: float, times_s: Sequence[float]) -> float:
        """The anchor for the file that ends at `end_s`; its frames come every `rhythm_s`, or at `times_s`."""
        low_s, heard_s = self._least_delay_s(end_s, frames, rhythm_s, times_s), self._low_s
        jumped = self._anchor_s is not None and heard_s is not None and self._anchor_s - heard_s >= JUMP_S
        self._low_s = heard_s if jumped else None  # a jump that the next file will show
        if jumped and low_s == heard_s:
            low_s = None
        if self._anchor_s is None:  # a file finished before any progress was heard ended just now
            self._anchor_s = self._clock.mono_s() - end_s if low_s is None else low_s
        elif low_s is not None:  # less delayed than any before is nearer the truth; later is drift, or a slow network
            self._anchor_s += min(DRIFT * duration_s, low_s - self._anchor_s)
        return self._anchor_s

    def _least_delay_s(
        self, end_s: float, frames: int, rhythm_s: float, times_s: Sequence[float]
    ) -> float | None:
        """By counted frames where that can be done: they are counted as they come in, while ffmpeg's media time is that
        of what is written out, which waits for the sound (0.2 s when G.711 is made into AAC)."""
        first, last = self._frames, self._frames + frames
        # For the first anchor later frames tell as well: those of the first second come in a burst, late.
        own = [(n, at_s) for n, at_s in self._counted if self._frames < n <= last or self._anchor_s is None]
        self._counted, self._frames = [c for c in self._counted if c[0] > last], last
        if not own:
            return self._low_s
        inside = [(n - first, at_s) for n, at_s in own if n - first < len(times_s)]
        if inside:  # a frame counts as come in when the next one begins
            return min(at_s - times_s[n] for n, at_s in inside)
        if not rhythm_s:  # by media time it would be another measure: the anchor stays, if there is one
            return self._low_s if self._anchor_s is None else None
        return min(at_s - (end_s - (last - n) * rhythm_s) for n, at_s in own)

    @staticmethod
    def _wall(mono_s: float, offset_s: float) -> datetime:
        return datetime.fromtimestamp(mono_s + offset_s, UTC)

    def _wall_minus_mono_s(self) -> float:
        for _ in range(5):  # again when this thread was held up between the two clocks
            before_s = self._clock.mono_s()
            wall_s = self._clock.now().timestamp()
            after_s = self._clock.mono_s()
            if after_s - before_s < 0.005:
                break
        return wall_s - (before_s + after_s) / 2
