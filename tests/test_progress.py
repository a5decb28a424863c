"""ffmpeg's reports of progress, read late and dated by when they were written."""

from __future__ import annotations

import os
import time
from contextlib import closing

import pytest

from drivers import progress
from drivers.progress import Progress, Reports

REPORT = "frame={}\nfps=25.0\nout_time_us={}\nout_time_ms={}\nspeed=1x\nprogress=continue\n"


def written(reports: Reports, frames: int, out_us: int | str) -> None:
    os.write(reports.theirs.fileno(), REPORT.format(frames, out_us, out_us).encode())


def test_a_report_that_is_read_late_says_how_old_it_is() -> None:
    with closing(Reports()) as reports:
        began_s = time.monotonic()
        written(reports, 0, "N/A")  # before the first packet
        written(reports, 12, 500_000)
        first_s = time.monotonic()
        time.sleep(0.3)
        written(reports, 25, 1_000_000)
        second_s = time.monotonic()
        time.sleep(0.2)
        early_s = time.monotonic()
        old, new = reports.take()
        late_s = time.monotonic()
        assert [(each.frames, each.media_s) for each in (old, new)] == [(12, 0.5), (25, 1.0)]
        noise_s = progress.STEP_S
        assert early_s - first_s - noise_s <= old.age_s <= late_s - began_s + noise_s
        assert early_s - second_s - noise_s <= new.age_s <= late_s - first_s + noise_s
        assert reports.take() == ()


def test_reports_from_before_the_clock_was_set_count_as_new(monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(Reports()) as reports:
        written(reports, 12, 500_000)
        time.sleep(0.05)
        now_s = time.clock_gettime(time.CLOCK_REALTIME)
        monkeypatch.setattr(time, "clock_gettime", lambda _: now_s + 3600)  # set on by an hour
        assert reports.take() == (Progress(12, 0.5, 0.0),)
        monkeypatch.undo()


def test_the_end_of_ffmpeg_is_seen_after_its_last_report() -> None:
    with closing(Reports()) as reports:
        written(reports, 12, 500_000)
        assert not reports.ended
        reports.close_theirs()
        assert [each.frames for each in reports.take()] == [12]
        assert reports.ended
        assert reports.take() == ()
