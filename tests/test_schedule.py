"""The tick goes on whatever the wall clock does: the real APScheduler under a clock that steps."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta

import time_machine
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler

from appliance.schedule import NextFromNow, Ticker

MORNING = datetime(2026, 11, 23, 2, 55, tzinfo=UTC)


def ticks(ticker: Ticker, n: int) -> list[bool]:
    return [ticker.wait() for _ in range(n)]


def test_the_scheduler_drives_the_tick() -> None:
    with Ticker(every_s=0.05, silent_after_s=20) as ticker:
        assert ticks(ticker, 5) == [True] * 5


def test_it_ticks_on_after_the_clock_goes_back_an_hour() -> None:
    with time_machine.travel(MORNING, tick=True) as clock, Ticker(every_s=0.05, silent_after_s=1.0) as ticker:
        assert ticker.wait()
        clock.shift(timedelta(hours=-1))
        driven = ticks(ticker, 6)
        assert False in driven, "the scheduler was expected to sleep: has APScheduler learnt to watch the clock?"
        assert driven[-1], "built anew, the scheduler drives again"


def test_it_ticks_on_after_the_clock_is_set_right_again() -> None:
    with time_machine.travel(MORNING, tick=True) as clock, Ticker(every_s=0.05, silent_after_s=1.0) as ticker:
        clock.shift(timedelta(hours=-1))
        ticks(ticker, 3)
        clock.shift(timedelta(hours=1))
        assert ticks(ticker, 4)[-1]


def test_a_clock_a_month_ahead_makes_one_tick_and_no_storm() -> None:
    with time_machine.travel(MORNING, tick=True) as clock, Ticker(every_s=0.2, silent_after_s=20) as ticker:
        assert ticker.wait()
        clock.shift(timedelta(days=31))
        assert ticks(ticker, 3) == [True] * 3
    later = MORNING + timedelta(days=31)
    assert NextFromNow(timedelta(seconds=1)).get_next_fire_time(MORNING, later) > later, "it would list the month"


def test_summer_time_is_no_event() -> None:
    before = datetime(2026, 3, 29, 0, 59, 59, 500_000, tzinfo=UTC)  # Europe's hour is skipped at 01:00 UTC
    with time_machine.travel(before, tick=True), Ticker(every_s=0.2, silent_after_s=20) as ticker:
        assert ticks(ticker, 5) == [True] * 5


def test_the_bare_scheduler_would_fall_silent() -> None:
    """Why Ticker exists. Should this fail one day, the watch on the monotonic clock may go."""
    ran: list[float] = []
    once = threading.Event()

    def run() -> None:
        ran.append(time.monotonic())
        once.set()

    with time_machine.travel(MORNING, tick=True) as clock:
        scheduler = BackgroundScheduler(timezone=UTC, executors={"default": ThreadPoolExecutor(1)})
        scheduler.add_job(run, "interval", seconds=0.1, misfire_grace_time=None)
        scheduler.start()
        try:
            assert once.wait(20)
            clock.shift(timedelta(hours=-1))
            time.sleep(0.5)
            before = len(ran)
            time.sleep(1)
            assert len(ran) == before
        finally:
            scheduler.shutdown(wait=False)
