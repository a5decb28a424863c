"""The tick that drives the keeper; the only file that knows APScheduler.

APScheduler only says "now"; what is due is asked of the exam table each time. It computes its waits by the wall clock,
so a clock set back an hour silences it for that hour, even when the clock is right again (docs/checks.md).
`Ticker.wait` therefore also waits by the monotonic clock, and builds the scheduler anew when no tick came.
"""

from __future__ import annotations

import logging
import threading
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Self

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger

log = logging.getLogger(__name__)

TICK_S = 1.0
SILENT_AFTER_S = 3.0  # no tick for this long by the monotonic clock: the scheduler sleeps, it is built anew


class NextFromNow(BaseTrigger):  # type: ignore[misc]
    """Fires `every` after now, whatever came before.

    The library's interval trigger counts on from the last run: after a clock moved ahead by a month it lists all 2.6
    million seconds between before it runs once.
    """

    def __init__(self, every: timedelta) -> None:
        self._every = every

    def get_next_fire_time(self, previous: datetime | None, now: datetime) -> datetime:
        return now + self._every


class Ticker:
    """`with Ticker() as ticker: while ...: ticker.wait()` goes round once a second, whatever the wall clock does."""

    def __init__(self, every_s: float = TICK_S, silent_after_s: float = SILENT_AFTER_S) -> None:
        self._every, self._silent_after_s = timedelta(seconds=every_s), silent_after_s
        self._ticked = threading.Event()
        self._scheduler: BackgroundScheduler | None = None

    def __enter__(self) -> Self:
        self._build()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def wait(self) -> bool:
        """Wait for the next tick. False when the scheduler slept and was built anew: that is a tick as well."""
        driven = self._ticked.wait(self._silent_after_s)
        if not driven:
            log.warning("the scheduler slept, as it does when the clock is set back; building it anew")
            self._end()
            self._build()
        self._ticked.clear()
        return driven

    def _build(self) -> None:
        # One thread, never two ticks at once, late ones run and are one: 3.11 drops a job that is 1 s late unless told.
        scheduler = BackgroundScheduler(
            timezone=UTC, executors={"default": ThreadPoolExecutor(1)},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        )  # fmt: skip
        scheduler.add_job(self._ticked.set, NextFromNow(self._every))
        scheduler.start()
        self._scheduler = scheduler

    def _end(self) -> None:
        if self._scheduler is not None:
            self._scheduler.shutdown(wait=False)
            self._scheduler = None
