"""Two recording disks: one fills up, is pulled, fails; recording goes to the other, and nothing recorded is lost."""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path
from threading import Event

import pytest
from click.testing import CliRunner

from appliance import archive, cameras, coverage, disk_alarms, exams, journal, media, store
from appliance import config as configuration
from appliance.__main__ import examsite
from appliance.archive import Segment
from appliance.clock import FakeClock
from appliance.config import Config
from appliance.media import Media
from appliance.model import Actor, ApplianceError
from appliance.store import Database
from demo.cameras_process import Address, CamerasProcess
from tests.fakes.cameras import camera
from tests.fakes.loop_disk import LoopDisk
from tests.fakes.recorded_site import (
    CLOCK,
    EXAM,
    RecorderProcess,
    adopted,
    end_exam,
    film,
    lost_or_twice,
    plan_exam,
    site,
    wait_until,
)

RESERVE_BYTES = 1_000_000
TINY = 0.0001  # Mbit/s: so that the margin a disk must have again is the least there is
YARD = Address("yard", "rtsp://127.0.0.1:9/yard", "http://127.0.0.1:9/", "u", "p")
WHO = Actor.service("console")


@pytest.fixture
def disks(tmp_path: Path) -> Iterator[tuple[LoopDisk, LoopDisk]]:
    try:
        made = LoopDisk(tmp_path / "a.img", tmp_path / "main"), LoopDisk(tmp_path / "b.img", tmp_path / "reserve")
    except OSError as cannot:
        pytest.skip(f"no loop disks without the right to mount: {cannot}")
    yield made
    for disk in made:
        while disk.folder.is_mount():
            subprocess.run(["umount", "-l", str(disk.folder)], check=True)


def two_disks(tmp_path: Path, addresses: dict[str, Address]) -> Config:
    config = site(tmp_path, addresses, video=tmp_path / "main", reserve_video=tmp_path / "reserve",
                  reserve_bytes=RESERVE_BYTES)  # fmt: skip
    profile = config.source.with_name("profile.toml")
    profile.write_text(re.sub(r"planned_mbit_s = .*", f"planned_mbit_s = {TINY}", profile.read_text()))
    return configuration.load(config.source)


def runs(segments: list[Segment]) -> list[list[Segment]]:
    found: dict[str, list[Segment]] = {}
    for segment in segments:
        found.setdefault(segment.run, []).append(segment)
    return list(found.values())


def test_full_pulled_and_broken_disks_cost_seconds_and_nothing_that_was_recorded(
    tmp_path: Path, disks: tuple[LoopDisk, LoopDisk]
) -> None:
    main, reserve = disks
    names = ("yard", "lane")
    with CamerasProcess([camera(name) for name in names], tmp_path / "cameras") as filmed:
        config = two_disks(tmp_path, filmed.addresses)
        with store.open(config.database) as db, RecorderProcess(config) as recorder:
            plan_exam(db, CLOCK)

            def goes_on(name: str, why: str) -> None:
                """Wait until every camera has a recording more, on that disk, and records."""
                since = int(db.value("select coalesce(max(id), 0) from segment"))

                def there(each: str) -> bool:
                    newest = adopted(db, each)[-1]
                    recording = cameras.states(db)[each].state == "recording"
                    return recording and newest.id > since and newest.medium == name

                wait_until(lambda: all(adopted(db, each) and there(each) for each in names), why)

            def state_of(name: str) -> str:
                return media.known(db)[name].state

            goes_on("main", "recorded on the main disk")
            main.pull()
            goes_on("reserve", "goes on on the reserve")
            assert list(main.folder.iterdir()) == []  # nothing is written where a disk should be
            assert [t.code for t in disk_alarms.all_of(db, config, CLOCK.now())] == ["main.missing"]
            main.mount()
            wait_until(lambda: state_of("main") == "well", "the main disk is known again")
            goes_on("reserve", "a recording that runs stays where it is")
            reserve.fill(leave_bytes=RESERVE_BYTES // 2)
            goes_on("main", "full: back to the main disk")
            reserve.empty()
            wait_until(lambda: state_of("reserve") == "well", "the reserve has room again")
            main.break_()
            goes_on("reserve", "write errors: to the reserve")
            assert state_of("main") == "failing"
            assert [t.code for t in disk_alarms.all_of(db, config, CLOCK.now())] == ["main.failing"]
            main.pull()
            main.mount()
            media.trust(db, config, CLOCK, WHO, "main")
            wait_until(lambda: state_of("main") == "well", "a person said that it works")
            end_exam(db, CLOCK)
            wait_until(lambda: all(s.state == "idle" for s in cameras.states(db).values()), "the cameras rest")
            assert recorder.stop() == 0
        with store.open(config.database) as db, RecorderProcess(config):  # takes in what the pulled disk still held
            wait_until(lambda: not [p for here in media.every(config) for p in archive.incoming(here)], "all taken in")
            everything_is_there(db, config, names)


def test_a_box_that_starts_with_a_dead_disk_records_to_the_other(
    tmp_path: Path, disks: tuple[LoopDisk, LoopDisk]
) -> None:
    with CamerasProcess([camera("yard")], tmp_path / "cameras") as filmed:
        config = two_disks(tmp_path, filmed.addresses)
        film(config.incoming / "yard" / "aaaa-000000.mp4")  # left open when the disk died
        film(config.live / "yard" / "bbbb-000000.mp4")  # and looked at
        disks[0].break_()
        done = CliRunner().invoke(examsite, ["init", "--config", str(config.source)], catch_exceptions=False)
        assert done.exit_code == 0
        with store.open(config.database) as db, RecorderProcess(config) as recorder:
            plan_exam(db, CLOCK)
            wait_until(lambda: [s.medium for s in adopted(db, "yard")][:1] == ["reserve"], "recorded to the reserve")
            assert media.known(db)["main"].state == "failing"
            assert recorder.stop() == 0


def everything_is_there(db: Database, config: Config, names: tuple[str, ...]) -> None:
    exam = exams.get(db, EXAM)
    coverage.update(db, config, CLOCK, exam, exam.ends_at)
    covered = {c.camera: c for c in coverage.summary(db, config, exam, exam.ends_at)}
    for name in names:
        found = [g.cause for g in covered[name].gaps]
        assert {"disk missing", "disk full", "disk error"} <= set(found), found
        assert all(lost_or_twice(config, run) == [] for run in runs(adopted(db, name)))
        assert {s.medium for s in adopted(db, name)} == {"main", "reserve"}
    kinds = [e.kind for e in journal.entries(db, limit=1000) if e.kind.startswith("disk.")]
    assert kinds == ["disk.missing", "disk.well", "disk.full", "disk.well", "disk.failing", "disk.trusted"]
    assert archive.verify(db, config).faults == ()


@pytest.fixture
def config(tmp_path: Path) -> Config:
    for name in ("main", "reserve"):
        (tmp_path / name).mkdir()
    return two_disks(tmp_path, {"yard": YARD})


@pytest.fixture
def db(config: Config) -> Iterator[Database]:
    with store.open(config.database) as opened:
        yield opened


def test_a_disk_is_known_by_its_mark_also_after_a_restart(db: Database, config: Config) -> None:
    clock = FakeClock(CLOCK.now())
    Media(config, clock).begin(db)
    mark = config.video / media.MARK
    kept = mark.read_text()
    mark.unlink()  # what an empty mount point looks like
    after = Media(config, clock)
    after.begin(db)
    found = after.take()
    assert found is not None
    assert found.medium == "reserve"
    assert not mark.exists()
    with pytest.raises(ApplianceError):
        media.trust(db, config, clock, WHO, "main")
    mark.write_text(kept)
    clock.advance(media.LOOK_S)
    assert after.take() == config


def test_another_disk_is_taken_in_by_a_person_only(db: Database, config: Config) -> None:
    clock = FakeClock(CLOCK.now())
    disks = Media(config, clock)
    disks.begin(db)
    (config.video / media.MARK).write_text("another box's\n")
    after = Media(config, clock)
    after.begin(db)
    assert media.known(db)["main"].state == "missing"
    media.trust(db, config, clock, WHO, "main", new=True)
    after.save(db)
    assert after.take() == config
    assert journal.entries(db, kinds=["disk.trusted"])[0].data["new"] is True


def test_a_disk_that_failed_is_trusted_again_by_a_person_only_but_is_better_than_none(
    db: Database, config: Config
) -> None:
    clock = FakeClock(CLOCK.now())
    disks = Media(config, clock)
    disks.begin(db)
    assert disks.failed(config, "Input/output error", sure=True) == "disk error"
    assert disks.fault(config) == "disk error"
    again = Media(config, clock)
    disks.save(db)
    again.begin(db)
    taken = again.take()
    assert taken is not None
    assert taken.medium == "reserve"
    assert again.failed(taken, "Input/output error", sure=True) == "disk error"
    assert again.take() == config
    assert again.fault(config) is None  # there is no other: it goes on trying
    assert disks.failed(config, "that one file was odd") is None


def test_a_disk_full_to_its_reserve_still_takes_entries_and_one_without_a_byte_says_so(
    tmp_path: Path, disks: tuple[LoopDisk, LoopDisk]
) -> None:
    disk, _ = disks
    clock = FakeClock(CLOCK.now())
    config = site(disk.folder, {"yard": YARD}, reserve_bytes=RESERVE_BYTES)  # database and recordings on one disk
    with store.open(config.database) as db:
        media_of_it = Media(config, clock)
        media_of_it.begin(db)
        disk.fill(leave_bytes=RESERVE_BYTES // 2)
        clock.advance(media.LOOK_S)
        assert media_of_it.take() is None
        assert media_of_it.why_none() == "disk full"
        media_of_it.save(db)
        assert journal.entries(db, kinds=["disk.full"])
        with (disk.folder / "rest").open("wb", buffering=0) as rest, pytest.raises(OSError, match="No space"):
            while True:
                rest.write(b"\0" * 4096)
        with pytest.raises(sqlite3.OperationalError, match=r"full|I/O"):
            for _ in range(10_000):
                with store.transaction(db):
                    journal.append(db, clock, "box.started", WHO)
        kept = journal.head(db)
        disk.empty()
        with store.transaction(db):
            assert journal.append(db, clock, "box.started", WHO) == kept[0] + 1
        assert store.check(db) is None
        assert journal.verify(journal.stored_rows(db)).ok
        clock.advance(media.LOOK_S)
        assert media_of_it.take() == config


def test_a_disk_that_hangs_holds_up_no_camera_and_is_trusted_again_by_a_person_only(
    db: Database, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, answers, real = FakeClock(CLOCK.now()), Event(), os.statvfs

    def hanging(path: Path) -> os.statvfs_result:
        if path == config.video:
            answers.wait()
        return real(path)

    disks = Media(config, clock)
    disks.begin(db)
    monkeypatch.setattr(media, "WAIT_S", 0.05)
    monkeypatch.setattr(os, "statvfs", hanging)
    clock.advance(media.LOOK_S)
    assert disks.fault(config) is None  # by what was known
    assert [here.medium for here in disks.present] == ["reserve"]
    clock.advance(media.HANG_S)
    assert disks.fault(config) == "disk error"
    taken = disks.take()
    assert taken is not None
    assert taken.medium == "reserve"
    answers.set()
    wait_until(lambda: len(disks.present) == 2, "it answers again")
    clock.advance(media.LOOK_S)
    monkeypatch.setattr(media, "WAIT_S", 10.0)
    assert disks.fault(config) == "disk error"
