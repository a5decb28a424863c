"""Where a run's media time lies on the box's clock, by when its frames came."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from appliance.clock import FakeClock
from appliance.timeline import Timeline

AT = datetime(2026, 11, 22, 7, 0, tzinfo=UTC)


def arrive(line: Timeline, clock: FakeClock, media_s: float, delay_s: float = 0.0, frames: int | None = None) -> None:
    """Media up to `media_s` of a run that began at AT arrives `delay_s` late."""
    clock.advance(max(0.0, media_s + delay_s - (clock.now() - AT).total_seconds()))
    line.heard(media_s, frames)


def test_the_least_delayed_arrival_says_when_a_run_began() -> None:
    clock = FakeClock(AT)
    line = Timeline(clock)
    for media_s, delay_s in ((1.0, 0.9), (2.0, 0.3), (3.0, 0.05), (4.0, 0.4)):
        arrive(line, clock, media_s, delay_s)
    placed = line.place(0.0, 4.0, 0.04)
    assert placed.starts_at == AT + timedelta(seconds=0.05)
    assert placed.ends_at == AT + timedelta(seconds=4.05)


def test_sound_that_is_written_late_does_not_make_the_picture_late() -> None:
    clock = FakeClock(AT)
    line = Timeline(clock)
    for second in range(1, 9):
        arrive(line, clock, second - 0.25, 0.25, frames=10 * second)  # what is written lags behind what was counted
    first = line.place(0.0, 4.0, 0.1, 40, steady=True)
    second_file = line.place(4.0, 4.0, 0.1, 40, steady=True)
    assert (first.starts_at, first.ends_at, second_file.ends_at) == (AT, *(AT + timedelta(seconds=s) for s in (4, 8)))


def test_segments_of_a_run_share_their_boundaries_though_the_network_wavers() -> None:
    clock = FakeClock(AT)
    line = Timeline(clock)
    found = []
    for n in range(50):
        arrive(line, clock, 60.0 * (n + 1), delay_s=0.2 + 0.15 * (n % 3))
        found.append(line.place(60.0 * n + (0.01 if n % 2 else 0.0), 60.0, 0.04))
    assert all(a.ends_at == b.starts_at for a, b in pairwise(found))
    assert abs((found[-1].ends_at - AT).total_seconds() - 3000.2) < 0.2


def test_a_camera_whose_clock_is_slow_is_followed() -> None:
    clock = FakeClock(AT)
    line = Timeline(clock)
    for n in range(60):  # 200 ppm slow: each of its minutes takes 60.012 s
        clock.advance(60.012)
        line.heard(60.0 * (n + 1))
        placed = line.place(60.0 * n, 60.0, 0.04)
    assert abs((placed.ends_at - clock.now()).total_seconds()) < 0.05


def test_a_hole_between_two_files_of_a_run_stays_a_hole() -> None:
    clock = FakeClock(AT)
    line = Timeline(clock)
    arrive(line, clock, 10.0)
    first = line.place(0.0, 10.0, 0.04)
    arrive(line, clock, 16.0)
    second = line.place(12.5, 3.5, 0.04)
    assert second.starts_at - first.ends_at == timedelta(seconds=2.5)


def test_a_hole_is_no_shorter_because_the_beginning_is_known_better_by_now() -> None:
    clock = FakeClock(AT)
    line = Timeline(clock)
    arrive(line, clock, 10.0, delay_s=0.6)
    first = line.place(0.0, 10.0, 0.04)
    arrive(line, clock, 16.0)
    second = line.place(12.5, 3.5, 0.04)
    assert second.starts_at - first.ends_at == timedelta(seconds=2.5)
    assert second.ends_at == AT + timedelta(seconds=16)


def test_at_a_varying_rate_a_frame_has_come_when_the_next_begins() -> None:
    clock = FakeClock(AT)
    line = Timeline(clock)
    times = [second + part for second in range(4) for part in (0.0, 0.1, 0.5, 0.6)]
    for second in range(1, 4):  # ffmpeg writes a frame for a tenth of a second, and counts it when the next one comes
        arrive(line, clock, second - 0.3, 0.3, frames=4 * second)
    clock.advance(1.0)
    placed = line.place(0.0, 4.0, 0.1, 16, times_s=times)
    assert placed.starts_at == AT


def test_how_much_later_the_first_frame_came_than_the_recording_before_ended_is_told() -> None:
    clock = FakeClock(AT)
    line = Timeline(clock)
    arrive(line, clock, 10.0)
    first = line.place(0.0, 9.7, 0.1)
    arrive(line, clock, 16.0)
    second = line.place(10.0, 6.0, 0.1)
    assert second.starts_at == first.ends_at
    assert second.joined_s == pytest.approx(0.3)


def jumped(line: Timeline, clock: FakeClock, by_s: float, *, silent_s: float = 0.0) -> tuple[float, int | None]:
    """Ten seconds of frames, a hole of `by_s` in their stamps, `silent_s` of it in truth, and two seconds more."""
    for n in range(1, 11):
        arrive(line, clock, float(n), frames=10 * n)
    line.place(0.0, 10.0, 0.1, 100, steady=True)
    clock.advance(silent_s)
    for n in (1, 2):
        clock.advance(1.0)
        line.heard(10.0 + by_s + n, 100 + 10 * n)
    return line.jump_s(10.0, ((0.0, by_s),), 0.1)


def test_stamps_that_jump_are_told_from_a_silence() -> None:
    clock = FakeClock(AT)
    by_s, hole = jumped(Timeline(clock), clock, 3600.0)
    assert (round(by_s, 3), hole) == (3600.0, 0)
    clock = FakeClock(AT)
    assert jumped(Timeline(clock), clock, 60.0, silent_s=60.0) == (0.0, None)


def test_a_silence_right_after_the_start_is_one_though_the_frames_before_it_are_told_of_after_it() -> None:
    """ffmpeg 5.1 says how many there are when the next one comes."""
    clock = FakeClock(AT)
    line = Timeline(clock)
    clock.advance(8.0)
    line.heard(0.3, 3)
    for n in (1, 2):
        clock.advance(1.0)
        line.heard(8.0 + n, 3 + 10 * n)
    assert line.jump_s(0.0, ((0.3, 8.0),), 0.1) == (0.0, None)


def test_stamps_that_jump_right_after_the_start_are_told_from_a_silence() -> None:
    clock = FakeClock(AT)
    line = Timeline(clock)
    clock.advance(1.0)
    line.heard(0.3, 3)
    for n in (1, 2):
        clock.advance(1.0)
        line.heard(60.0 + n, 3 + 10 * n)
    by_s, hole = line.jump_s(0.0, ((0.3, 60.0),), 0.1)
    assert (round(by_s, 3), hole) == (59.7, 0)
