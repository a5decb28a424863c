"""What a recording knows of its times: the camera's own clock told from the box's, and what is not known left so."""

from __future__ import annotations

import struct
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance import archive, leftovers, segment_clock, store
from appliance.clock import FakeClock
from appliance.segment_clock import SegmentClock, camera_offset_s, witnessed
from appliance.timeline import Timeline
from demo.cameras_process import Address
from drivers import fmp4
from drivers.fmp4 import NTP_TO_UNIX_S, Stamp
from tests.fakes.recorded_site import film, site

START = datetime(2026, 11, 22, 7, 0, tzinfo=UTC)
START_S = START.timestamp()
FRAME_S = 0.1  # of the films
NOISE_S = (0.004, 0.031, 0.0, 0.012, 0.05, 0.008, 0.02, 0.0, 0.04, 0.016)  # how late a fragment is written


def told(offset_s: float, count: int = 10, length_s: float = 1.0) -> list[Stamp]:
    """The stamps of a camera whose clock is off by so much, rounded to milliseconds as ffmpeg does."""
    return [Stamp(n * length_s, length_s, round(START_S + n * length_s + offset_s, 3)) for n in range(count)]


def written(count: int = 10, length_s: float = 1.0) -> list[Stamp]:
    """The stamps before any sender report: when the box wrote each fragment."""
    return [Stamp(n * length_s, length_s, START_S + (n + 1) * length_s + NOISE_S[n]) for n in range(count)]


@settings(max_examples=60, deadline=None)
@given(offset_ms=st.integers(-40_000_000, 40_000_000))
def test_the_cameras_clock_is_known_to_the_millisecond(offset_ms: int) -> None:
    assert camera_offset_s(told(offset_ms / 1000), START_S) == pytest.approx(offset_ms / 1000, abs=0.001)


def test_the_boxs_own_clock_is_not_taken_for_the_cameras() -> None:
    assert camera_offset_s(written(), START_S) is None
    assert camera_offset_s(written(3), START_S) is None
    assert camera_offset_s([], START_S) is None


def test_a_camera_that_is_ahead_by_a_fragment_is_not_guessed_at_until_it_is_sure() -> None:
    assert camera_offset_s(told(1.0, count=4), START_S) is None
    assert camera_offset_s(told(1.0), START_S) == pytest.approx(1.0)


def test_from_the_first_sender_report_on_the_camera_is_believed() -> None:
    stamps = [*written(3), *told(-7.25)[3:]]
    assert camera_offset_s(stamps, START_S) == pytest.approx(-7.25)


def test_a_camera_whose_clock_was_set_or_jumps_about_has_no_one_offset() -> None:
    assert camera_offset_s([*told(5.0)[:5], *told(9.0)[5:]], START_S) is None
    assert camera_offset_s([*told(5.0)[:3], *told(9.0)[3:6], *told(5.0)[6:]], START_S) is None


def with_clock(path: Path, offset_s: float) -> fmp4.Facts:
    """A film whose fragments carry a reference time, as ffmpeg writes the box: before each moof, of its first frame,
    with the camera's clock of the frame after that."""
    whole, made, number = path.read_bytes(), b"", 0
    at = 0
    while at < len(whole):
        length, kind = struct.unpack_from(">I4s", whole, at)
        if kind == b"moof":
            clock_s = START_S + number + FRAME_S + offset_s + NTP_TO_UNIX_S
            media = number * 90_000
            made += struct.pack(">I4sB3sIIIQ", 32, b"prft", 1, b"\0\0\x18", 1, int(clock_s),
                                int((clock_s % 1) * 2**32), media)  # fmt: skip
            number += 1
        made += whole[at : at + length]
        at += length
    path.write_bytes(made)
    return fmp4.read(path)


def test_the_reference_times_of_a_file_are_read_with_its_last_frame(tmp_path: Path) -> None:
    plain = fmp4.read(film(tmp_path / "a.mp4", b_frames=False))
    facts = with_clock(film(tmp_path / "b.mp4", b_frames=False), 3.5)
    assert plain.stamps == ()
    assert [round(s.clock_s - START_S - s.at_s - s.ahead_s, 3) for s in facts.stamps] == [3.5] * 4
    assert facts.last_s == pytest.approx(facts.duration_s - facts.frame_s)
    assert (facts.frames, facts.duration_s, facts.whole_bytes) == (plain.frames, plain.duration_s, facts.size_bytes)
    assert witnessed(facts, START, "arrival", "free") == SegmentClock("rtcp", 3500, "free")
    assert witnessed(facts, START, "file", "unknown") == SegmentClock("file", None, "unknown")


def test_a_run_that_begins_late_in_its_media_time_has_its_reference_times_from_its_first_frame(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4", b_frames=False)
    with_clock(path, 1.5)
    whole, late = bytearray(path.read_bytes()), 11_520  # what 7.1 began with, with sound
    for box, field in ((b"tfdt", 8), (b"prft", 20)):
        at = whole.find(box)
        while at >= 0:
            width = ">Q" if whole[at + 4] == 1 else ">I"
            struct.pack_into(width, whole, at + field, struct.unpack_from(width, whole, at + field)[0] + late)
            at = whole.find(box, at + 4)
    path.write_bytes(bytes(whole))
    assert [s.at_s for s in fmp4.read(path).stamps] == [0.0, 1.0, 2.0, 3.0]


def test_a_torn_file_does_not_count_a_reference_time_without_its_fragment(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4", b_frames=False)
    with_clock(path, 0.5)
    whole = path.read_bytes()
    last = whole.rindex(b"prft") + 28  # up to the end of the last box of its kind: its moof is gone
    path.write_bytes(whole[:last])
    facts = fmp4.read(path)
    assert len(facts.stamps) == 3
    assert facts.whole_bytes < facts.size_bytes


def test_a_first_files_false_start_moves_its_reference_times_too(tmp_path: Path) -> None:
    facts = with_clock(film(tmp_path / "a.mp4", b_frames=False), 2.0)
    shifted = replace(facts, false_start_s=0.5).without_false_start()
    assert [s.at_s for s in shifted.stamps] == pytest.approx([0.0, 0.5, 1.5, 2.5])
    assert shifted.last_s == pytest.approx(facts.last_s - 0.5)


def test_a_recordings_evidence_is_kept_with_it(tmp_path: Path) -> None:
    config = site(tmp_path, {"yard": Address("yard", "rtsp://127.0.0.1:9/yard", "http://127.0.0.1:9/", "u", "p")})
    facts = with_clock(film(config.incoming / "yard" / "aaaa1111-000000.mp4", b_frames=False), -0.25)
    db = store.open(config.database)
    evidence = witnessed(facts, START, "arrival", "synchronised", 7)
    ends_at = START + timedelta(seconds=facts.duration_s)
    archive.adopt(db, config, config.incoming / "yard" / "aaaa1111-000000.mp4", "yard", facts, START, ends_at,
                  evidence=evidence)  # fmt: skip
    (kept,) = archive.segments(db)
    assert kept.clock == SegmentClock("rtcp", -250, "synchronised", 7)
    assert (kept.starts_at, kept.last_frame_at) == (START, ends_at - timedelta(seconds=facts.frame_s))
    db.close()


def test_what_a_crash_left_is_placed_by_its_file_and_says_so(tmp_path: Path) -> None:
    config = site(tmp_path, {"yard": Address("yard", "rtsp://127.0.0.1:9/yard", "http://127.0.0.1:9/", "u", "p")})
    with_clock(film(config.incoming / "yard" / "aaaa1111-000003.mp4", b_frames=False), 0.0)
    db = store.open(config.database)
    leftovers.recover(db, config, FakeClock(START))
    (kept,) = archive.segments(db)
    assert kept.clock == SegmentClock("file", None, "unknown", 0)
    db.close()


@settings(max_examples=25, deadline=None)
@given(steps=st.lists(st.integers(-7200, 7200), min_size=1, max_size=6))
def test_a_clock_that_is_set_during_a_file_is_told_with_it_and_none_is_lost(steps: list[int]) -> None:
    clock = FakeClock(START)
    line, placed = Timeline(clock), []
    for number, step in enumerate(steps):
        clock.advance(10.0)
        line.heard(10.0 * (number + 1))
        clock.step(step)
        placed.append(line.place(10.0 * number, 10.0, 0.04))
    assert [p.step_ms for p in placed] == [1000 * step for step in steps]
    assert all((p.ends_at - p.starts_at).total_seconds() == pytest.approx(10.0) for p in placed)


def test_the_boxs_clock_is_kept_free_or_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    said = []
    for kept in (True, False, None):
        monkeypatch.setattr("drivers.host.kernel_synchronised", lambda kept=kept: kept)
        said.append(segment_clock.box_clock())
    assert said == ["synchronised", "free", "unknown"]
