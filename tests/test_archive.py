"""The archive: what is adopted is what was recorded, what a crash left is taken in, and nothing is changed unseen."""

from __future__ import annotations

import hashlib
import json
import os
import random
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from appliance import archive, cameras, exams, journal, leftovers, store
from appliance.archive import Segment
from appliance.cameras import CameraState
from appliance.clock import FakeClock, iso
from appliance.config import Config
from appliance.model import ApplianceError
from appliance.store import Database
from demo.cameras_process import Address
from drivers import fmp4
from tests.fakes.recorded_site import EXAM, film, plan_exam, site

AT = datetime(2026, 11, 22, 7, 0, 0, 123456, tzinfo=UTC)
YARD = Address("yard", "rtsp://127.0.0.1:9/yard", "http://127.0.0.1:9/", "u", "p")


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return site(tmp_path, {"yard": YARD})


@pytest.fixture
def db(config: Config) -> Iterator[Database]:
    opened = store.open(config.database)
    yield opened
    opened.close()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(AT + timedelta(hours=1))


def incoming(config: Config, name: str = "run1-000000.mp4", seconds: float = 4.0) -> Path:
    return film(config.incoming / "yard" / name, seconds)


def adopt(db: Database, config: Config, path: Path, at: datetime = AT) -> Segment:
    facts = fmp4.read(path)
    return archive.adopt(db, config, path, "yard", facts, at, at + timedelta(seconds=facts.duration_s))


def touched(path: Path, at: datetime) -> Path:
    """As if it had last been written to then."""
    os.utime(path, (at.timestamp(), at.timestamp()))
    return path


def errors_in(path: Path) -> str:
    return subprocess.run(["ffmpeg", "-v", "error", "-i", str(path), "-f", "null", "-"],
                          capture_output=True, text=True, timeout=60, check=True).stderr  # fmt: skip


def test_a_recording_is_adopted_bit_for_bit(db: Database, config: Config) -> None:
    path = incoming(config)
    content = path.read_bytes()
    segment = adopt(db, config, path)
    place = archive.path(config, segment)
    assert place.read_bytes() == content
    assert place.parent == config.archive / "2026-11-22" / "yard"
    assert (segment.size_bytes, segment.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    assert (segment.starts_at, segment.ends_at) == (AT, AT + timedelta(seconds=4))
    assert (segment.frames, segment.video, segment.audio, segment.repaired) == (40, "h264", None, False)
    assert not path.exists()


def test_sound_and_hevc_are_seen_in_the_file(tmp_path: Path) -> None:
    facts = fmp4.read(film(tmp_path / "a.mp4", 2.0, sound=True, codec="libx265"))
    assert (facts.video, facts.audio, facts.frames, facts.duration_s) == ("hevc", "aac", 20, 2.0)


def test_nothing_is_ever_overwritten(db: Database, config: Config) -> None:
    first = adopt(db, config, incoming(config))
    again = incoming(config, seconds=2.0)
    with pytest.raises(ApplianceError):
        adopt(db, config, again)
    assert again.exists()
    assert archive.path(config, first).stat().st_size == first.size_bytes


def test_recordings_are_found_by_camera_and_time(db: Database, config: Config) -> None:
    found = [adopt(db, config, incoming(config, f"run1-00000{n}.mp4"), AT + timedelta(seconds=4 * n)) for n in range(3)]
    edge = AT + timedelta(seconds=4)
    assert archive.segments(db, camera="yard") == found
    assert archive.segments(db, since=edge, until=edge + timedelta(seconds=4)) == [found[1]]
    assert archive.segments(db, camera="elsewhere") == []


@pytest.mark.parametrize("seed", range(5))
def test_a_file_cut_anywhere_is_kept_to_its_last_whole_fragment(
    db: Database, config: Config, clock: FakeClock, seed: int
) -> None:
    path = incoming(config)
    whole = path.read_bytes()
    cut = random.Random(seed).randrange(len(whole) // 4, len(whole) - 1)
    path.write_bytes(whole[:cut])
    touched(path, AT)
    segment, *more = leftovers.recover(db, config, clock)
    kept = archive.path(config, segment).read_bytes()
    assert more == []
    assert whole.startswith(kept)
    assert errors_in(archive.path(config, segment)) == ""
    assert segment.frames % 10 == 0
    assert segment.sha256 == hashlib.sha256(kept).hexdigest()
    assert abs(segment.ends_at - AT) < timedelta(milliseconds=1)
    assert (segment.ends_at - segment.starts_at).total_seconds() == pytest.approx(segment.frames / 10)
    if len(kept) < cut:
        entry = journal.entries(db, kinds=["segment.repaired"])[0].data
        assert segment.repaired
        assert (entry["was_bytes"], entry["kept_bytes"]) == (cut, len(kept))
        assert (config.video / entry["rest"]).read_bytes() == whole[len(kept) : cut]
    assert archive.verify(db, config, clock).faults == ()


def test_a_torn_fragment_full_of_zeros_is_not_believed(db: Database, config: Config, clock: FakeClock) -> None:
    path = incoming(config)
    whole = bytearray(path.read_bytes())
    second_moof = whole.index(b"moof", whole.index(b"moof") + 4) - 4
    whole[second_moof + 8 :] = bytes(len(whole) - second_moof - 8)  # what a power cut leaves of unwritten blocks
    path.write_bytes(whole)
    (segment,) = leftovers.recover(db, config, clock)
    assert segment.frames == 10
    assert errors_in(archive.path(config, segment)) == ""


def test_a_left_over_file_joins_the_one_before_it_exactly(db: Database, config: Config, clock: FakeClock) -> None:
    first = adopt(db, config, incoming(config, "run1-000000.mp4"))
    touched(incoming(config, "run1-000001.mp4"), AT + timedelta(seconds=8.2))
    touched(incoming(config, "run2-000000.mp4"), AT + timedelta(seconds=30))
    second, other = leftovers.recover(db, config, clock)
    assert second.starts_at == first.ends_at
    assert other.ends_at == AT + timedelta(seconds=30)


def test_what_holds_no_picture_is_kept_aside_and_named(db: Database, config: Config, clock: FakeClock) -> None:
    path = incoming(config)
    path.write_bytes(path.read_bytes()[:300])
    assert leftovers.recover(db, config, clock) == []
    entry = journal.entries(db, kinds=["segment.unreadable"])[0]
    assert (config.video / str(entry.data["path"])).stat().st_size == 300
    assert not path.exists()


def test_a_file_somebody_still_writes_is_left_to_them(db: Database, config: Config, clock: FakeClock) -> None:
    path = incoming(config)
    with path.open("ab"):
        assert leftovers.recover(db, config, clock) == []
    assert len(leftovers.recover(db, config, clock)) == 1


def test_a_cut_between_rename_and_row_loses_nothing(db: Database, config: Config, clock: FakeClock) -> None:
    segment = adopt(db, config, incoming(config))
    with store.transaction(db):
        db.write("delete from segment")
    assert [fault.where for fault in archive.verify(db, config, clock).faults] == [segment.path]
    (again,) = leftovers.recover(db, config, clock)
    assert (again.path, again.starts_at, again.ends_at, again.sha256) == (
        segment.path, segment.starts_at, segment.ends_at, segment.sha256)  # fmt: skip
    assert archive.verify(db, config, clock).faults == ()


def test_a_database_that_takes_nothing_leaves_the_file_to_be_tried_again(
    db: Database, config: Config, clock: FakeClock
) -> None:
    path = touched(incoming(config), AT)
    with store.transaction(db):
        db.write("create trigger full before insert on segment begin select raise(abort, 'full'); end")
    assert leftovers.recover(db, config, clock) == []
    assert path.exists()
    with store.transaction(db):
        db.write("drop trigger full")
    assert len(leftovers.recover(db, config, clock)) == 1


def test_one_flipped_bit_is_found_and_named(db: Database, config: Config, clock: FakeClock) -> None:
    segments = [
        adopt(db, config, incoming(config, f"run1-00000{n}.mp4"), AT + timedelta(seconds=4 * n)) for n in range(2)
    ]
    place = archive.path(config, segments[1])
    content = bytearray(place.read_bytes())
    content[len(content) // 2] ^= 1
    place.write_bytes(content)
    verified = archive.verify(db, config, clock)
    assert [fault.where for fault in verified.faults] == [segments[1].path]
    assert verified.segments == 2


def test_missing_short_strange_and_forgotten_files_are_found(db: Database, config: Config, clock: FakeClock) -> None:
    gone, short = (
        adopt(db, config, incoming(config, f"run1-00000{n}.mp4"), AT + timedelta(seconds=4 * n)) for n in range(2)
    )
    archive.path(config, gone).unlink()
    os.truncate(archive.path(config, short), 100)
    (config.archive / "notes.txt").write_text("?")
    forgotten = touched(incoming(config, "run9-000000.mp4"), AT)
    found = {fault.where: str(fault.message) for fault in archive.verify(db, config, clock).faults}
    assert set(found) == {gone.path, short.path, "archive/notes.txt", str(forgotten.relative_to(config.video))}
    assert all(where in text for where, text in found.items())


def test_an_exam_is_sealed_over_every_recording_in_its_hours(db: Database, config: Config, clock: FakeClock) -> None:
    plan_exam(db, FakeClock(AT), lasts_s=8.0)
    inside = [
        adopt(db, config, incoming(config, f"run1-00000{n}.mp4"), AT + timedelta(seconds=4 * n)) for n in range(2)
    ]
    adopt(db, config, incoming(config, "run1-000007.mp4"), AT + timedelta(minutes=5))
    seal = archive.seal(db, config, clock, exams.get(db, EXAM))
    listed = archive.sealed_list(db, config, exams.get(db, EXAM))
    assert json.loads(listed) == [["yard", s.path, s.size_bytes, s.sha256] for s in inside]
    assert seal.root == hashlib.sha256(listed).hexdigest() == archive.sealed_root(db, config, EXAM)
    assert (seal.segments, exams.get(db, EXAM).state) == (2, "closed")
    assert all(archive.path(config, s).stat().st_mode & 0o777 == 0o444 for s in inside)
    assert journal.entries(db, kinds=["archive.sealed"])[0].data["root"] == seal.root


def test_an_exam_that_is_still_recorded_is_not_sealed(db: Database, config: Config, clock: FakeClock) -> None:
    plan_exam(db, FakeClock(AT), lasts_s=60.0)
    adopt(db, config, incoming(config))
    with store.transaction(db):
        cameras.save(db, [CameraState("yard", "recording", iso(AT))])
    with pytest.raises(ApplianceError):
        archive.seal(db, config, clock, exams.get(db, EXAM))
    assert exams.get(db, EXAM).state == "planned"


def test_a_fragment_that_names_more_than_it_holds_is_not_believed(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4")
    whole = bytearray(path.read_bytes())
    last = whole.rindex(b"moof") - 4
    mdat = last + int.from_bytes(whole[last : last + 4], "big")
    length = int.from_bytes(whole[mdat : mdat + 4], "big")
    whole[mdat : mdat + 4] = (length - 100).to_bytes(4, "big")
    path.write_bytes(whole[: mdat + length - 100])
    facts = fmp4.read(path)
    assert (facts.frames, facts.whole_bytes) == (30, last)
