"""Files a run has finished: read, placed on the box's clock and archived, in their order.

The first of a run waits a little: its frames came in a burst while ffmpeg was still looking at the stream, and only
those of the next seconds tell when it really began. At a varying rate they tell it only once it is known when each of
them begins: a first file that may be nothing but the burst waits for the one behind it. What cannot be archived stays
where it is and is owed.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from appliance import archive, leftovers, segment_clock
from appliance.clock import Clock
from appliance.config import Config
from appliance.store import Database
from appliance.timeline import Timeline
from drivers import ffmpeg, fmp4
from drivers.fmp4 import Facts

log = logging.getLogger(__name__)

STEADY_SHARE = 0.02  # counted frames and stamped time may differ so much
SETTLE_S = 3.0  # from the run's first frame until it is known when that was


class Filing:
    """One run's. `owes`: something could not be archived and must be tried again."""

    def __init__(
        self, db: Database, config: Config, clock: Clock, camera: str, timeline: Timeline,
        began: Callable[[datetime], None], silence: Callable[[datetime, datetime], None],
    ) -> None:  # fmt: skip
        self._db, self._config, self._clock, self._camera = db, config, clock, camera
        self._timeline, self._began, self._silence = timeline, began, silence
        self._ends_at: datetime | None = None  # of the file before
        self._waiting: list[tuple[ffmpeg.Finished, float]] = []  # and when that was
        self._first_s: float | None = None
        self.owes = False

    def take(self, finished: tuple[ffmpeg.Finished, ...], *, began: bool, last: bool) -> None:
        """Archive what is finished, once its place is known; with `last`, everything. `began`: frames have come."""
        self._waiting += [(each, self._clock.mono_s()) for each in finished]
        if self._first_s is None and began:
            self._first_s = self._clock.mono_s()
        settled = self._first_s is not None and self._clock.mono_s() - self._first_s >= SETTLE_S
        while self._waiting and (last or (settled and not self._may_be_all_burst())):
            each, at_s = self._waiting.pop(0)
            self._archive(each, at_s, self._waiting[0][0] if self._waiting else None)

    def _may_be_all_burst(self) -> bool:
        """Whether all there is is a run's first file, come so fast that it may not tell when its frames were due."""
        (only, finished_s), first_s = self._waiting[0], self._first_s or 0.0
        if len(self._waiting) > 1 or only.index > 0 or finished_s - first_s >= SETTLE_S:
            return False
        return bool(_times_s(only))

    def _archive(self, finished: ffmpeg.Finished, finished_s: float, behind: ffmpeg.Finished | None) -> None:
        try:
            path = archive.name(finished.path)
            facts = fmp4.read(path)
            torn = facts.whole_bytes < facts.size_bytes
            if torn:  # the disk filled up under it: ffmpeg calls it finished all the same
                leftovers.cut(self._db, self._config, self._clock, path, self._camera, facts)
            starts_s = finished.starts_s
            if finished.index == 0:
                lacks_s = max(0.0, -facts.false_start_s)
                facts = facts.without_false_start()
                # Not where ffmpeg says it begins: that is 0 also when it waited seconds for the first key frame.
                starts_s = max(starts_s - lacks_s, finished.ends_s - facts.duration_s)
            times_s = facts.times_s
            if finished.index == 0 and times_s and behind is not None:
                times_s += tuple(behind.starts_s - starts_s + at_s for at_s in _times_s(behind))
            self._timeline.ended(facts.frames, finished_s)
            by_s, hole = self._timeline.jump_s(starts_s, facts.holes, facts.frame_s)
            if hole is not None:
                starts_s, facts, times_s = starts_s + by_s, _healed(facts, hole, by_s), ()
            placed = self._timeline.place(
                starts_s, facts.duration_s, facts.frame_s, facts.frames, steady=_steady(facts), times_s=times_s
            )
            first_at = placed.starts_at + timedelta(seconds=placed.joined_s)
            evidence = segment_clock.witnessed(facts, first_at, "arrival", segment_clock.box_clock(), placed.step_ms)
            segment = archive.adopt(self._db, self._config, path, self._camera, facts, placed.starts_at,
                                    placed.ends_at, repaired=torn, evidence=evidence)  # fmt: skip
        except (OSError, sqlite3.Error, fmp4.Unreadable) as fault:
            log.error("%s could not be archived yet: %s", finished.path.name, fault)
            self.owes = True
        else:
            if finished.index == 0:
                self._began(placed.starts_at)
            self._tell_silences(segment)

    def _tell_silences(self, segment: archive.Segment) -> None:
        """Silences nobody noticed while they lasted, because this thread was held up itself: the files know."""
        before, self._ends_at = self._ends_at or segment.starts_at, segment.ends_at
        for began_at, ended_at in ((before, segment.starts_at), *segment.holes):
            if (ended_at - began_at).total_seconds() >= self._config.profile.recording.stall_s:
                self._silence(began_at, ended_at)


def _times_s(finished: ffmpeg.Finished) -> tuple[float, ...]:
    """When each of its frames begins, at a varying rate; nothing for a file that cannot be read now."""
    try:
        return fmp4.read(archive.name(finished.path)).times_s
    except (OSError, fmp4.Unreadable) as fault:
        log.info("%s tells no times: %s", finished.path.name, fault)
        return ()


def _steady(facts: Facts) -> bool:
    """Whether its frames come at one rate, so that counting them tells the time."""
    counted_s = facts.frames * facts.frame_s
    if facts.holes or facts.times_s:
        return False
    return abs(counted_s - facts.duration_s) <= facts.frame_s + STEADY_SHARE * facts.duration_s


def _healed(facts: Facts, hole: int, by_s: float) -> Facts:
    """Without the time that passed in the camera's stamps only. The file itself keeps them."""
    begins_s, ends_s = facts.holes[hole]
    rest = [(begins_s, ends_s - by_s)] if ends_s - begins_s - by_s > fmp4.HOLE_S else []
    later = [(a - by_s, b - by_s) for a, b in facts.holes[hole + 1 :]]
    stamps = tuple(s if s.at_s <= begins_s else replace(s, at_s=s.at_s - by_s) for s in facts.stamps)
    last_s = facts.last_s - by_s if facts.last_s > begins_s else facts.last_s
    return replace(facts, times_s=(), holes=(*facts.holes[:hole], *rest, *later), stamps=stamps, last_s=last_s,
                   duration_s=facts.duration_s - by_s)  # fmt: skip
