"""Which cameras are to be recorded now, and until when: the plan by the wall clock, its end by the monotonic one.

A recording that runs is not ended by a clock that is set: its end was worked out when it began and is kept on the
monotonic clock. It is worked out anew only when the plan itself changed. While either clock asks for it, it goes on.
"""

from __future__ import annotations

from dataclasses import dataclass

from appliance import exams
from appliance.clock import Clock
from appliance.config import Config
from appliance.exams import Window
from appliance.store import Database


@dataclass(frozen=True, slots=True)
class Want:
    """A camera is to be recorded for this window, until the monotonic clock shows `until_mono_s`."""

    window: Window
    revision: int
    until_mono_s: float


class Plan:
    """Remembers what is being recorded. One thread's."""

    def __init__(self, config: Config, clock: Clock) -> None:
        self.config, self._clock = config, clock  # the configuration as it is now: cameras come and go
        self._wants: dict[str, Want] = {}

    def look(self, db: Database) -> dict[str, Want]:
        """Camera -> what it is wanted for."""
        planned = exams.planned(db)
        required = exams.required_among(planned, self.config, self._clock.now())
        revisions = {exam.id: exam.revision for exam in planned}
        wants = {}
        for camera in {*required, *self._wants}:
            want = self._want(required.get(camera), self._wants.get(camera), revisions)
            if want is not None:
                wants[camera] = want
        self._wants = wants
        return dict(wants)

    def _want(self, window: Window | None, old: Want | None, revisions: dict[str, int]) -> Want | None:
        mono_s = self._clock.mono_s()
        goes_on = old is not None and revisions.get(old.window.exam) == old.revision and mono_s < old.until_mono_s
        if old is not None and goes_on and window in (None, old.window):
            return old
        if window is None:
            return None
        left_s = (window.ends_at - self._clock.now()).total_seconds() + self.config.profile.recording.tail_s
        return Want(window, revisions.get(window.exam, 0), mono_s + max(0.0, left_s))
