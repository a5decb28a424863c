"""The configuration says every fault at once, with its file, its key and what would be right."""

from __future__ import annotations

import shutil
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from appliance import config
from appliance.config import ConfigError
from appliance.model import RoomKind

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def site(tmp_path: Path) -> Path:
    for name in ("site.toml", "ru-ege.toml"):
        shutil.copy(ROOT / "examples" / name, tmp_path / name)
    return tmp_path / "site.toml"


def faults(file: Path, *changes: tuple[str, str], profile: tuple[tuple[str, str], ...] = ()) -> list[str]:
    for target, pairs in ((file, changes), (file.with_name("ru-ege.toml"), profile)):
        text = target.read_text(encoding="utf-8")
        for old, new in pairs:
            assert old in text
            text = text.replace(old, new, 1)
        target.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        config.load(file)
    return caught.value.faults


def test_the_examples_have_no_fault(site: Path) -> None:
    loaded = config.load(site)
    assert [camera.id for camera in loaded.cameras][:2] == ["room-0001", "room-0002"]
    assert loaded.video == Path("/srv/video")
    assert loaded.profile.titles.journal.ru == "Журнал доступа к средствам видеонаблюдения"


def test_every_fault_of_both_files_is_said_at_once(site: Path) -> None:
    said = faults(
        site,
        ('timezone = "Asia/Yekaterinburg"', 'timezone = "Mars/Olympus"'), ("port = 8080", 'port = "many"'),
        ('room = "corridor-1"\nstream', 'roomy = "corridor-1"\nstream'),
        profile=(("segment_s = 60", "segment_s = 0"), ("stall_s", "stall_seconds")),
    )  # fmt: skip
    assert any(f.startswith("site.toml: site.timezone: ") and "Asia/Yekaterinburg" in f for f in said)
    assert any(f.startswith("site.toml: web.port: ") for f in said)
    assert any(f.startswith("site.toml: camera[5].roomy: unknown key") for f in said)
    assert any(f.startswith("site.toml: camera[5].room: missing") for f in said)
    assert any(f.startswith("ru-ege.toml: recording.segment_s: ") for f in said)
    assert any(f.startswith("ru-ege.toml: recording.stall_seconds: unknown key") for f in said)
    assert any(f.startswith("ru-ege.toml: recording.stall_s: missing") for f in said)


def test_names_that_point_nowhere_are_faults(site: Path) -> None:
    said = faults(site, ('room = "7777"\nonvif', 'room = "9999"\nonvif'), ('panel = "security"', 'panel = "nobody"'))
    assert said == [
        "site.toml: camera[3].room: no room '9999'; rooms are 0001, 0002, 7777, corridor-1, entrance",
        "site.toml: zone[1].panel: no panel 'nobody'; panels are security",
    ]


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ('id = "room-0002"', 'id = "room-0001"', "camera: 'room-0001' is given twice"),
        ('onvif = "http://192.168.7.21', 'onvif = "http://a:b@192.168.7.21', "camera[1]"),
        ('onvif = "http://192.168.7.21', 'onvif = "ftp://192.168.7.21', "camera[1]"),
        ('host = "127.0.0.1"', 'host = "0.0.0.0"', "web"),
        ('profile = "ru-ege.toml"', 'profile = "none.toml"', "none.toml: cannot be read"),
        ('code = "7777"', 'code = "7778"', "room '7778'"),
        ("[site]", "[site", "not valid TOML"),
    ],
)
def test_a_fault_names_its_place(site: Path, old: str, new: str, key: str) -> None:
    assert any(key in fault for fault in faults(site, (old, new)))


def test_a_password_in_an_address_is_refused_and_not_repeated(site: Path) -> None:
    said = faults(site, ('stream = "rtsp://192', 'stream = "rtsp://user:hunter2@192'))
    assert not any("hunter2" in fault for fault in said)


def test_relative_folders_are_below_the_file(site: Path) -> None:
    site.write_text(site.read_text(encoding="utf-8").replace('data = "/var/lib/examsite"', 'data = "data"'))
    assert config.load(site).database == site.parent / "data" / "examsite.db"


def test_a_camera_reads_its_own_password_and_says_when_it_cannot(site: Path) -> None:
    from appliance.model import ApplianceError

    camera = config.load(site).camera("hq")
    with pytest.raises(ApplianceError, match="/etc/examsite/cameras/hq"):
        camera.password()
    secret = site.parent / "secret"
    secret.write_text("a b\n")
    assert camera.model_copy(update={"password_file": secret}).password() == "a b"


def test_the_profile_gives_each_kind_of_room_its_hours(site: Path) -> None:
    profile = config.load(site).profile
    starts, ends = datetime(2026, 11, 22, 5, tzinfo=UTC), datetime(2026, 11, 22, 9, tzinfo=UTC)
    assert profile.window(RoomKind.CLASSROOM, starts, ends) == (datetime(2026, 11, 22, 4, tzinfo=UTC), ends)
    assert profile.window(RoomKind.OTHER, starts, ends) is None
    assert profile.retention.until(date(2026, 11, 22)) == date(2027, 3, 1)


def test_a_compressed_day_keeps_its_limits(site: Path) -> None:
    profile = config.load(site).profile
    short = profile.compressed(60, segment_s=10, lead_s=3, tail_s=2)
    assert short.hours.checks_before_start_min == 2
    assert short.recording.windows[0].after_end_min == 1
    assert short.limits == profile.limits


def test_a_more_precise_zone_goes_before_a_general_one(site: Path) -> None:
    with site.open("a", encoding="utf-8") as file:
        file.write('\n[[zone]]\npanel = "security"\nnumber = "005"\naccount = "1234"\nname = { ru = "А", en = "A" }\n')
    loaded = config.load(site)
    general, precise = (loaded.zone("security", "005", account, "01") for account in ("9999", "1234"))
    assert general is not None
    assert precise is not None
    assert (general.role, precise.name.en) == ("rack-door", "A")
    assert loaded.zone("security", "777", "1234", "01") is None
