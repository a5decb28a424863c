"""How long the disk lasts: measured, for the planned hours, one figure on every page; and the alarms about it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from appliance import disk, disk_alarms, exams, media, store
from appliance.clock import FakeClock, iso
from appliance.config import Config
from appliance.disk_alarms import DiskAlarms
from appliance.exams import Exam
from appliance.media import Media
from appliance.model import Actor
from appliance.store import Database
from appliance.words import Words
from demo.cameras_process import Address
from tests.fakes.recorded_site import site

START = datetime(2026, 11, 22, 7, 0, tzinfo=UTC)
ADDRESSES = {name: Address(name, f"rtsp://127.0.0.1:9/{name}", "http://127.0.0.1:9/", "u", "p") for name in
             ("yard", "gate")}  # fmt: skip
WHO = Actor.service("console")
HOUR = timedelta(hours=1)


@pytest.fixture
def config(tmp_path: Path) -> Config:
    for name in ("main", "reserve"):
        (tmp_path / name).mkdir()
    return site(tmp_path, ADDRESSES, video=tmp_path / "main", reserve_video=tmp_path / "reserve", reserve_bytes=0)


@pytest.fixture
def db(config: Config) -> Iterator[Database]:
    with store.open(config.database) as opened:
        yield opened


def recorded(
    db: Database, camera: str, begins: datetime, seconds: float, size_bytes: int, stream: str = "main"
) -> None:
    with store.transaction(db):
        db.write(
            "insert into segment (camera, run, path, starts_at, ends_at, frames, size_bytes, sha256, video, stream)"
            " values (?, 'run', ?, ?, ?, 1, ?, ?, 'h264', ?)",
            (camera, f"{camera}{begins}{stream}", iso(begins), iso(begins + timedelta(seconds=seconds)), size_bytes,
             "0" * 64, stream),
        )  # fmt: skip


def exam(starts_at: datetime, hours: float, name: str = "maths") -> Exam:
    return Exam(name, "Maths", starts_at, starts_at + hours * HOUR, (), 0, "planned", None)


def test_a_camera_counts_with_what_it_wrote_and_others_with_the_profiles_rate(db: Database, config: Config) -> None:
    recorded(db, "yard", START - HOUR, 60, 6_000_000)
    recorded(db, "yard", START - HOUR, 60, 600_000, stream="second")
    recorded(db, "gate", START - HOUR, 30, 1)  # too little to say anything
    recorded(db, "gate", START - timedelta(days=30), 3600, 1)  # too long ago
    rates = disk.measured_rates(db, config, START)
    assert rates == {"yard": pytest.approx(110_000)}
    planned = exam(START, 1)
    lasts_s = 3600 + config.profile.recording.lead_s + config.profile.recording.tail_s
    assert disk.fullest_day_bytes(config, [planned], rates) == pytest.approx(
        lasts_s * (110_000 + disk.planned_rate(config)), rel=1e-6)  # fmt: skip


def test_it_is_full_in_the_hour_in_which_the_planned_recordings_fill_it(config: Config) -> None:
    rates = {"yard": 100.0, "gate": 300.0}
    first, second = exam(START + HOUR, 1), exam(START + 3 * HOUR, 1, "physics")
    tail_s = config.profile.recording.tail_s
    day = 400 * (3600 + tail_s)
    half = disk.full_at(config, [first, second], rates, day * 1.5, START)
    assert half == START + 3 * HOUR + timedelta(seconds=(3600 + tail_s) / 2)
    assert disk.full_at(config, [first, second], rates, day * 2, START) is None
    begun = START + HOUR + HOUR / 2
    assert disk.full_at(config, [first], rates, 400, begun) == begun + timedelta(seconds=1)
    assert disk.full_at(config, [], rates, 0, START) is None


def test_the_sentence_is_the_one_of_the_words(config: Config) -> None:
    found = disk.Forecast(100, 8, 0, 10, True, 1.5, START + HOUR)
    english, russian = Words("en", config.site.zone), Words("ru", config.site.zone)
    assert english.say(disk.said(found)).startswith("Space for 0.8 days of recording, 1.5 are needed.")
    assert russian.say(disk.said(found)).startswith("Места на 0,8 дня записи, нужно 1,5.")
    assert "13:00" in english.say(disk.said(found))  # of the site's clock
    assert found.short
    assert disk.remedy(found) is not None
    assert not replace(found, free_bytes=15).short


def test_too_little_space_before_an_exam_is_an_alarm_that_ends_with_room(
    db: Database, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = FakeClock(START)
    eye = DiskAlarms(config, clock)
    exams.plan(db, config, clock, WHO, "maths", "Maths", START + HOUR, START + 3 * HOUR, ())
    eye.look(db)
    assert standing(db) == []
    full = replace(config, reserve_bytes=1 << 60)
    eye.config = full
    clock.advance(disk_alarms.LOOK_S)
    eye.look(db)
    assert standing(db) == ["Too little space for the exam"]
    clock.advance(disk_alarms.LOOK_S)
    eye.look(db)
    assert len(db.rows("select 1 from alarm")) == 1
    eye.config = config
    clock.advance(disk_alarms.LOOK_S)
    eye.look(db)
    assert standing(db) == []


def test_a_disk_that_fails_is_an_alarm_at_once_and_until_a_person_says_it_works(db: Database, config: Config) -> None:
    clock = FakeClock(START)
    eye, disks = DiskAlarms(config, clock), Media(config, clock)
    disks.begin(db)
    eye.look(db)
    disks.failed(config, "Input/output error", sure=True)
    disks.save(db)
    eye.look(db)
    assert standing(db) == ["The recording disk reports errors"]
    (trouble,) = disk_alarms.all_of(db, config, START)
    assert str(trouble.found) == "The recording disk reports errors. We record to the reserve."
    disks.failed(media.on(config, "reserve"), "Input/output error", sure=True)
    disks.save(db)
    eye.look(db)
    assert standing(db) == ["The recording disk reports errors", "The reserve disk cannot be used"]
    for name in ("main", "reserve"):
        media.trust(db, config, clock, WHO, name)
    eye.look(db)
    assert standing(db) == []


def standing(db: Database) -> list[str]:
    return sorted(row["text"] for row in db.rows(
        "select e.text from alarm a join event e on e.id = a.event where a.restored_at is null"))  # fmt: skip
