"""Whether a camera still sends, by the frames that are counted."""

from __future__ import annotations

from datetime import UTC, datetime

from appliance.clock import FakeClock
from appliance.pulse import Backwards, Pulse

FIRST_S, STALL_S = 12.0, 5.0


def count(clock: FakeClock, pulse: Pulse, *lines: int) -> list[bool]:
    """One line a second with so many frames by then, as ffmpeg's -progress has them."""
    found = []
    for frames in lines:
        clock.advance(1)
        found.append(pulse.feel(frames))
    return found


def begun() -> tuple[FakeClock, Pulse]:
    clock = FakeClock(datetime(2026, 11, 22, 7, 0, tzinfo=UTC))
    return clock, Pulse(clock, FIRST_S, STALL_S)


def test_a_camera_that_sends_is_alive_however_few_frames() -> None:
    clock, pulse = begun()
    assert count(clock, pulse, 12, 24, 36) == [True, True, True]
    slow_clock, slow = begun()
    assert any(count(slow_clock, slow, 1, 2, 3))
    for frames in range(4, 60):  # one frame a second
        count(slow_clock, slow, frames)
        assert slow.left_s(slow_clock.mono_s()) > 0


def test_lines_without_a_new_frame_are_no_sign_of_life() -> None:
    clock, pulse = begun()
    count(clock, pulse, 24)
    assert not any(count(clock, pulse, 24, 24, 24, 24, 24))
    assert pulse.left_s(clock.mono_s()) == 0
    clock.advance(0.1)
    assert pulse.left_s(clock.mono_s()) < 0


def test_the_frame_that_ffmpeg_held_back_is_no_sign_of_life() -> None:
    # 7.1, camera silent from 71 frames on: its read timed out, and the parser let the 72nd out
    clock, pulse = begun()
    count(clock, pulse, 60, 71)
    assert not any(count(clock, pulse, 71, 71, 72, 72, 72, 72))
    assert pulse.quiet_s(clock.mono_s()) == 6
    assert pulse.left_s(clock.mono_s()) < 0
    assert count(clock, pulse, 84) == [True]


def test_the_first_frame_may_take_longer_than_the_next_ones() -> None:
    clock, pulse = begun()
    clock.advance(STALL_S + 1)
    assert not pulse.began
    assert pulse.left_s(clock.mono_s()) > 0
    assert count(clock, pulse, 1) == [True]
    assert pulse.began
    clock.advance(STALL_S + 1)
    assert pulse.left_s(clock.mono_s()) < 0


def test_stamps_that_went_back_are_seen_and_neither_a_silence_nor_a_slow_camera_is_taken_for_it() -> None:
    back, quiet, slow = Backwards(), Backwards(), Backwards()
    for second in range(1, 10):
        back.look(float(second), min(second, 4) + 0.0001 * second, 12 * second)
        quiet.look(second + (4.0 if second > 4 else 0.0), float(second), 12 * second)
        slow.look(float(second), 2 * second / 12, 2 * second)  # its encoder makes two of twelve frames a second
    assert (back.seen, quiet.seen, slow.seen) == (True, False, False)


def test_stamps_of_before_the_run_began_are_seen_too_and_a_jump_of_hours_forward_is_none() -> None:
    """ffmpeg 5.1 and an hour back: 2^32 ticks of 90 kHz less an hour forward."""
    back, forward = Backwards(), Backwards()
    for second in range(1, 6):
        back.look(float(second), second + (44_121.9 if second > 3 else 0.0), 10 * second)
        forward.look(float(second), second + (3600.0 * 6 if second > 3 else 0.0), 10 * second)
    assert (back.seen, forward.seen) == (True, False)
