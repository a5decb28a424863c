"""Cameras that people take in: recorded at once, known by what they are, their passwords never lost and never read."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from appliance import cameras, exams, journal, sealed, store, taken
from appliance.clock import FakeClock, SystemClock
from appliance.config import Config
from appliance.model import ApplianceError
from appliance.profile import Words
from appliance.source import SourceFinder
from appliance.store import Database
from appliance.taken import Identity
from demo.cameras_process import CamerasProcess
from tests.fakes.cameras import camera
from tests.fakes.exam_site import END, START, TECHNICIAN, clock_at, database, planned, site
from tests.fakes.recorded_site import CLOCK, RecorderProcess, adopted, lost_or_twice, plan_exam, wait_until
from tests.fakes.recorded_site import site as recorded_site
from tests.fakes.rtsp_camera import Manner, RtspCamera

NAME = Words(ru="Доска", en="Blackboard")
URL = "http://127.0.0.1:9/onvif/device_service"


@pytest.fixture
def config(tmp_path: Path) -> Config:
    found = site(tmp_path)
    sealed.begin(found.data)
    return found


@pytest.fixture
def db(config: Config) -> Iterator[Database]:
    opened = database(config)
    yield opened
    opened.close()


def take(db: Database, config: Config, clock: FakeClock, room: str = "0001", **more: str) -> str:
    identity = Identity(more.get("endpoint", "urn:uuid:1"), more.get("serial", "SN-1"), more.get("mac", ""))
    return taken.take(db, config, clock, TECHNICIAN, NAME, room, URL, "admin", "factory-word", identity)


def test_a_camera_taken_in_is_one_of_the_site_with_its_sealed_password(db: Database, config: Config) -> None:
    name = take(db, config, clock_at("06:00"))
    now = taken.with_taken(db, config)
    assert [one.id for one in now.cameras] == [*(one.id for one in config.cameras), name]
    found = now.camera(name)
    assert (found.name, found.room, found.user, found.password()) == (NAME, "0001", "admin", "factory-word")
    assert taken.with_taken(db, now) == now
    stored = config.database.read_bytes() + config.database.with_name("examsite.db-wal").read_bytes()
    assert b"factory-word" not in stored
    [entry] = journal.entries(db, kinds=["camera.taken"])
    assert (entry.camera, entry.room, entry.actor.name) == (name, "0001", TECHNICIAN.name)
    assert "factory-word" not in entry.row


def test_cameras_of_the_file_stay_as_they_are(db: Database, config: Config) -> None:
    assert taken.with_taken(db, config) is config
    take(db, config, clock_at("06:00"))
    assert taken.with_taken(db, config).cameras[: len(config.cameras)] == config.cameras


def test_without_the_private_key_nobody_reads_a_password(db: Database, config: Config) -> None:
    """The pages' process: it has the public key alone."""
    key = sealed.private_path(config.data)
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    name = take(db, config, clock_at("06:00"))
    key.rename(key.with_suffix(".away"))
    another = sealed.seal(config.data, "found/urn:uuid:2", "typed on a page")
    with pytest.raises(ApplianceError, match="Type the cameras' passwords anew"):
        taken.with_taken(db, config).camera(name).password()
    key.with_suffix(".away").rename(key)
    assert sealed.unseal(config.data, "found/urn:uuid:2", another) == "typed on a page"
    with pytest.raises(ApplianceError):
        sealed.unseal(config.data, taken.whose(name), another)  # what was sealed for one place opens at no other


def test_a_lost_public_key_is_made_again_and_fits(config: Config) -> None:
    held = sealed.seal(config.data, "x", "word")
    sealed.public_path(config.data).unlink()
    sealed.begin(config.data)
    assert sealed.unseal(config.data, "x", held) == "word"


@pytest.mark.parametrize("new_counts", [True, False])
def test_while_a_password_is_set_both_are_kept_until_one_is_proven(
    db: Database, config: Config, new_counts: bool
) -> None:
    name = take(db, config, clock_at("06:00"))
    found = taken.with_taken(db, config).camera(name)
    before = found.password_state()
    taken.seal_next(db, config, found, "new-word")
    assert taken.candidates(db, config, name) == ("new-word", "factory-word")
    with pytest.raises(ApplianceError, match="just being given another password"):
        found.password()  # a try with the wrong one would count against us
    with store.transaction(db):
        taken.settle(db, name, new_counts=new_counts)
    assert taken.candidates(db, config, name) is None
    assert found.password() == ("new-word" if new_counts else "factory-word")
    assert (found.password_state() != before) is new_counts  # else a refused one is not tried again


def test_a_camera_of_the_file_gets_a_sealed_password_over_its_file(db: Database, config: Config) -> None:
    [hq] = [one for one in config.cameras if one.id == "hq"]
    taken.seal_next(db, config, hq, "new-word")
    assert taken.candidates(db, config, "hq") == ("new-word", hq.password())
    with store.transaction(db):
        taken.settle(db, "hq", new_counts=True)
    assert taken.with_taken(db, config).camera("hq").password() == "new-word"


def test_every_password_made_is_another_and_has_what_makers_insist_on() -> None:
    made = {sealed.new_password() for _ in range(200)}
    assert len(made) == 200
    assert all(len(one) == 20 and one.isalnum() and one.isascii() for one in made)
    assert all(one.lower() != one != one.upper() and any(c.isdigit() for c in one) for one in made)


def test_no_exam_of_before_is_asked_for_its_recordings(db: Database, config: Config) -> None:
    clock = clock_at("02:00")
    exam = planned(db, config, clock)
    clock.advance((START - clock.now()).total_seconds() + 3600)
    name = take(db, config, clock)
    hours = {w.camera: w for w in exams.windows(taken.with_taken(db, config), exam)}
    assert hours[name].starts_at == START + timedelta(hours=1)
    assert hours["room-0001"].starts_at < START
    clock.advance((END - clock.now()).total_seconds() + 86400)
    late = take(db, config, clock, serial="SN-2", endpoint="urn:uuid:2")
    assert late not in {w.camera for w in exams.windows(taken.with_taken(db, config), exam)}


def test_what_is_set_aside_is_recorded_no_more_but_keeps_its_name_and_a_way_back(db: Database, config: Config) -> None:
    clock = clock_at("2026-11-01 10:00")
    name = take(db, config, clock)
    taken.set_aside(db, config_now(db, config), clock, TECHNICIAN, name)
    now = config_now(db, config)
    assert name not in {one.id for one in now.cameras}
    assert now.camera(name).name == NAME
    clock.advance(29 * 86400)
    taken.forget_old(db, clock)
    taken.bring_back(db, now, clock, TECHNICIAN, name)
    assert config_now(db, config).camera(name).password() == "factory-word"
    taken.set_aside(db, config_now(db, config), clock, TECHNICIAN, name)
    clock.advance(31 * 86400)
    assert taken.forget_old(db, clock) == 1
    with pytest.raises(ApplianceError, match="Take it in anew"):
        taken.bring_back(db, config_now(db, config), clock, TECHNICIAN, name)
    kinds = [entry.kind for entry in journal.entries(db) if entry.camera == name]
    assert kinds == ["camera.taken", "camera.aside", "camera.back", "camera.aside"]


def config_now(db: Database, config: Config) -> Config:
    return taken.with_taken(db, config)


def test_a_camera_that_is_moved_leaves_its_past_in_the_room_it_stood_in(db: Database, config: Config) -> None:
    clock = clock_at("02:00")
    name = take(db, config, clock)
    exam = planned(db, config, clock)
    was = [w for w in exams.windows(config_now(db, config), exam) if w.camera == name]
    clock.advance(timedelta(days=1).total_seconds())
    other = next(room.code for room in config.rooms if room.code != "0001")
    taken.rename(db, config_now(db, config), clock, TECHNICIAN, name, NAME, other)
    now = config_now(db, config)
    assert now.camera(name).room == other
    assert [w.room for w in was] == ["0001"]
    assert [w for w in exams.windows(now, exam) if w.camera == name] == was


def test_what_must_record_now_cannot_be_set_aside(db: Database, config: Config) -> None:
    clock = clock_at("02:00")
    planned(db, config, clock)
    name = take(db, config, clock)
    clock.advance((START - clock.now()).total_seconds() + 60)
    with pytest.raises(ApplianceError, match="must record until"):
        taken.set_aside(db, config_now(db, config), clock, TECHNICIAN, name)


def test_a_camera_of_the_file_is_renamed_in_the_file(db: Database, config: Config) -> None:
    with pytest.raises(ApplianceError, match="configuration file"):
        taken.rename(db, config, clock_at("06:00"), TECHNICIAN, "hq", NAME, "0001")


def test_what_is_recorded_of_a_camera_changes_also_while_it_must_record_and_its_next_run_asks_for_it(
    db: Database, config: Config
) -> None:
    clock = clock_at("02:00")
    planned(db, config, clock)
    name = take(db, config, clock)
    clock.advance((START - clock.now()).total_seconds() + 60)
    taken.set_streams(db, config_now(db, config), clock, TECHNICIAN, name, both=False, sound=True)
    assert config_now(db, config).camera(name).sound
    with pytest.raises(ApplianceError, match="configuration file"):
        taken.set_streams(db, config, clock, TECHNICIAN, "hq", both=True, sound=False)
    with RtspCamera(Manner(sound="pcma", seconds=2)) as talking:
        mute = config.cameras[0].model_copy(update={"onvif": None, "stream": talking.url, "sound": False})
        finder = SourceFinder(mute, 3.0)
        assert finder.find().stream.audio is None
        finder.follow(mute.model_copy(update={"sound": True}))
        assert finder.find().stream.audio is not None


def test_another_address_counts_at_once_also_for_a_camera_of_the_file(db: Database, config: Config) -> None:
    [hq] = [one for one in config.cameras if one.id == "hq"]
    taken.readdress(db, clock_at("06:00"), hq, "http://127.0.0.1:8/onvif/device_service", "serial number")
    assert taken.as_now(config, hq).onvif == "http://127.0.0.1:8/onvif/device_service"
    assert taken.as_now(config, hq).password() == hq.password()
    [entry] = journal.entries(db, kinds=["camera.readdressed"])
    assert (entry.camera, entry.data["before"], entry.data["by"]["text"]) == ("hq", hq.onvif, "serial number")


def test_while_one_is_taken_in_the_other_records_without_a_gap_and_no_service_is_started_again(tmp_path: Path) -> None:
    with CamerasProcess([camera("hall"), camera("yard")], tmp_path / "cameras") as filmed:
        config = recorded_site(tmp_path, {"hall": filmed.addresses["hall"]})
        sealed.begin(config.data)
        yard = filmed.addresses["yard"]
        db = store.open(config.database)
        plan_exam(db, CLOCK)
        with RecorderProcess(config):
            wait_until(lambda: len(adopted(db, "hall")) >= 2, "the first camera is recorded")
            name = taken.take(db, config, SystemClock(), TECHNICIAN, NAME, "hall", yard.onvif_url, yard.user,
                              yard.password, Identity(serial="SN-yard"))  # fmt: skip
            wait_until(lambda: len(adopted(db, name)) >= 2, "the new camera is recorded")
            assert cameras.states(db)[name].state == "recording"
        hall = adopted(db, "hall")
        assert len({segment.run for segment in hall}) == 1
        assert lost_or_twice(config, hall) == []
        db.close()
