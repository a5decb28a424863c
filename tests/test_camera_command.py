"""`examsite camera`: what a technician at a strange camera sees, and what programs read."""

from __future__ import annotations

import hashlib
import json
import socket
import stat
import uuid
from collections.abc import Iterator
from datetime import UTC
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from appliance import config as configuration
from appliance import journal, kinds, store
from appliance.commands.camera import camera
from appliance.journal import Entry
from appliance.model import ApplianceError
from appliance.words import Words
from demo.camera_encoder import CameraConfig
from demo.cameras_process import Address
from demo.discovery_answer import start_discovery
from demo.onvif_face import ANSWERS, Face
from demo.onvif_quirks import Quirk, misbehave
from demo.onvif_set_face import furnish
from tests.fakes.exam_site import database, site
from tests.test_onvif import Subject

PASSWORD = "very-secret-word"


@pytest.fixture
def face() -> Iterator[Face]:
    made = Face(
        Subject(CameraConfig("hall", "Зал", "h264", "pcma", "examsite", PASSWORD, "SN-7")), "rtsp://127.0.0.1:5554/x"
    )
    made.start()
    yield made
    made.stop()


@pytest.fixture
def site_folder(face: Face, tmp_path: Path) -> Path:
    """A site whose only camera is the face."""
    config = site(tmp_path, {"hq": Address("hq", face.stream_uri, face.device_url, "examsite", PASSWORD)})
    assert [one.id for one in config.cameras] == ["hq"]
    database(config)
    return tmp_path


def run(*argv: str, language: str = "C", typed: str | None = None) -> Result:
    return CliRunner(env={"LC_ALL": language}).invoke(camera, [str(one) for one in argv], input=typed)


def of_site(folder: Path, *argv: str) -> Result:
    return run(*argv, "--camera", "hq", "--config", str(folder / "site.toml"))


def entries(folder: Path) -> list[Entry]:
    config = configuration.load(folder / "site.toml")
    return [one for one in journal.entries(store.open(config.database)) if one.kind.startswith("camera.")]


def probe(face: Face, folder: Path, *more: str, password: str = PASSWORD, language: str = "C") -> Result:
    file = folder / "password.txt"
    file.write_text(f"{password}\n", encoding="utf-8")
    argv = ["probe", "--url", face.device_url, "--user", "examsite", "--password-file", str(file), *more]
    return CliRunner(env={"LC_ALL": language}).invoke(camera, argv)


def test_probe_prints_everything_a_program_needs(face: Face, tmp_path: Path) -> None:
    face.subject.clock_offset_s = 90.0
    result = probe(face, tmp_path, "--json")
    said = json.loads(result.output)
    profile = said["profiles"][0]
    assert result.exit_code == 0
    assert (said["ok"], said["auth"], said["faults"]) == (True, "digest", [])
    assert said["device"] == {
        "manufacturer": "Examsite",
        "model": "Virtual camera",
        "firmware": "1.0",
        "serial": "SN-7",
    }
    assert said["time"]["offset_s"] == pytest.approx(90, abs=1)
    assert (profile["token"], profile["codec"], profile["width"], profile["height"]) == ("main", "H264", 640, 360)
    assert (profile["fps"], profile["stream_uri"]) == (12.0, "rtsp://127.0.0.1:5554/x")
    assert profile["snapshot_uri"] == f"{face.base}/snapshot.jpg"
    assert said["ptz"] == {"presets": []}
    assert (said["relays"], said["recordings"]) == ([], [])
    assert "VideoSource/MotionAlarm" in said["events"]
    assert len(said["services"]) == 3


def test_probe_is_readable_in_russian(face: Face, tmp_path: Path) -> None:
    result = probe(face, tmp_path, language="ru_RU.UTF-8")
    assert result.exit_code == 0
    assert "Прошивка 1.0, заводской номер SN-7" in result.output
    assert "main: H264 640x360 12 fps" in result.output


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_a_refused_password_is_exit_status_1_a_clear_sentence_and_not_told(
    face: Face, tmp_path: Path, form: tuple[str, ...]
) -> None:
    result = probe(face, tmp_path, *form, password="another-secret")
    assert result.exit_code == 1
    assert "refuses this name and password" in result.output
    assert "another-secret" not in result.output
    assert face.gate.refused == 1
    if form:
        said = json.loads(result.output)
        assert (said["ok"], said["reason"], said["profiles"]) == (False, "refused", [])


def test_a_camera_that_wants_a_password_says_so(face: Face) -> None:
    result = CliRunner().invoke(camera, ["probe", "--url", face.device_url])
    assert result.exit_code == 1
    assert "asks for a name and a password" in result.output


def test_nobody_there_is_exit_status_1_and_says_what_to_check() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    result = CliRunner().invoke(camera, ["probe", "--url", f"http://user:pass-in-url@127.0.0.1:{port}/"])
    assert result.exit_code == 1
    assert "Check the camera's power" in result.output
    assert "pass-in-url" not in result.output


def test_a_password_that_the_camera_writes_into_its_address_is_not_shown(face: Face, tmp_path: Path) -> None:
    face.stream_uri = f"rtsp://127.0.0.1/user=examsite_password={PASSWORD}_channel=1"
    for form in ((), ("--json",)):
        result = probe(face, tmp_path, *form)
        assert result.exit_code == 0
        assert PASSWORD not in result.output
        assert "password=***_channel=1" in result.output


def test_what_the_camera_did_wrong_is_said(face: Face, tmp_path: Path) -> None:
    face.answers["GetSnapshotUri"] = lambda f, r: ANSWERS["GetSnapshotUri"](f, r).replace("http://", "rtsp://")
    result = probe(face, tmp_path)
    assert result.exit_code == 0
    assert "! The snapshot address of profile main is no web address" in result.output


def test_discover_lists_who_answers(face: Face) -> None:
    face.endpoint = f"urn:uuid:{uuid.uuid4()}"  # other tests' cameras answer on loopback as well
    if not start_discovery([face]):
        pytest.skip("this machine has no multicast on loopback")
    result = CliRunner().invoke(camera, ["discover", "--from", "127.0.0.1", "--timeout", "0.7", "--json"])
    mine = [one for one in json.loads(result.output) if one["endpoint"] == face.endpoint]
    assert result.exit_code == 0
    assert [one["xaddrs"] for one in mine] == [[face.device_url]]


def test_a_camera_of_the_site_is_read_with_its_own_name_and_password(face: Face, site_folder: Path) -> None:
    result = of_site(site_folder, "probe", "--json")
    assert (result.exit_code, json.loads(result.output)["device"]["serial"]) == (0, "SN-7")
    with pytest.raises(ApplianceError, match="no camera"):
        of_site_named = run("probe", "--camera", "nobody", "--config", str(site_folder / "site.toml"))
        raise of_site_named.exception or AssertionError("it was found")


def test_probe_whole_prints_everything_without_the_password(face: Face, site_folder: Path) -> None:
    furnish(face)
    face.stream_uri = f"rtsp://127.0.0.1/user=examsite_password={PASSWORD}_channel=1"
    result = of_site(site_folder, "probe", "--whole")
    said = json.loads(result.output)
    assert (said["ok"], said["users"][0]["name"], said["network"]["hostname"]) == (True, "examsite", "hall")
    assert PASSWORD not in result.output


def test_either_an_address_or_a_camera_of_the_site(face: Face) -> None:
    assert run("probe").exit_code == 2
    assert run("probe", "--url", "10.0.0.5", "--camera", "hq").exit_code == 2


def test_a_snapshot_is_put_where_it_is_wanted(face: Face, site_folder: Path) -> None:
    face.subject.picture = b"\xff\xd8 a picture \xff\xd9"  # type: ignore[attr-defined]
    file = site_folder / "room.jpg"
    result = of_site(site_folder, "snapshot", "--to", str(file), "--json")
    said = json.loads(result.output)
    assert (said["ok"], said["sha256"]) == (True, hashlib.sha256(file.read_bytes()).hexdigest())
    face.subject.picture = b"<html>"  # type: ignore[attr-defined]
    refused = of_site(site_folder, "snapshot", "--to", str(file))
    assert (refused.exit_code, "not a JPEG" in refused.output) == (1, True)


def test_set_time_is_done_read_back_and_entered_in_the_journal(face: Face, site_folder: Path) -> None:
    furnish(face)
    face.subject.clock_offset_s = -300.0
    result = of_site(site_folder, "set-time", "--json")
    said = json.loads(result.output)
    assert (result.exit_code, said["ok"], abs(face.subject.clock_offset_s) < 1) == (0, True, True)
    (entry,) = entries(site_folder)
    assert (entry.kind, entry.camera) == ("camera.set", "hq")
    assert float(entry.data["before"].removesuffix(" s")) == pytest.approx(-300, abs=1)
    said = Words("ru", UTC).say(kinds.sentence(entry))
    assert said.startswith("Камера настроена, расхождение часов")


def test_a_camera_that_only_says_yes_is_status_1_and_a_journal_entry_too(face: Face, site_folder: Path) -> None:
    furnish(face)
    face.subject.clock_offset_s = -300.0
    misbehave(face, Quirk.SETS_NOTHING)
    result = of_site(site_folder, "set-time")
    assert (result.exit_code, "changed nothing" in result.output) == (1, True)
    assert [one.kind for one in entries(site_folder)] == ["camera.unset"]


def test_a_camera_of_no_site_is_set_and_nothing_is_kept(face: Face, tmp_path: Path) -> None:
    furnish(face)
    file = tmp_path / "password.txt"
    file.write_text(PASSWORD, encoding="utf-8")
    argv = ["preset", "--url", face.device_url, "--user", "examsite", "--password-file", str(file)]
    listed = run(*argv, language="ru_RU.UTF-8")
    assert (listed.exit_code, "2  Доска" in listed.output) == (0, True)
    assert run(*argv, "--go", "Доска").exit_code == 0
    wrong = run(*argv, "--go", "Потолок", "--json")
    assert (wrong.exit_code, json.loads(wrong.output)["ok"]) == (1, False)
    assert run(*argv, "--go", "1", "--home").exit_code == 2
    assert list(tmp_path.iterdir()) == [file]


def test_a_made_password_takes_the_place_of_the_old_one_once_it_is_proven(face: Face, site_folder: Path) -> None:
    furnish(face)
    file = site_folder / "hq.password"
    result = of_site(site_folder, "set-password", "--make-password")
    new = file.read_text(encoding="utf-8").strip()
    assert (result.exit_code, new == face.gate.password, new != PASSWORD) == (0, True, True)
    assert new not in result.output
    assert stat.S_IMODE(file.stat().st_mode) & 0o007 == 0 or stat.S_IMODE(file.stat().st_mode) == 0o644
    assert not (site_folder / "hq.password.new").exists()
    (entry,) = entries(site_folder)
    assert (entry.kind, entry.data) == ("camera.password", {"user": "examsite"})
    assert of_site(site_folder, "probe").exit_code == 0


def test_the_old_password_stays_when_the_camera_does_not_take_the_new_one(face: Face, site_folder: Path) -> None:
    furnish(face)
    misbehave(face, Quirk.SETS_NOTHING)
    result = of_site(site_folder, "set-password", "--make-password")
    assert result.exit_code == 1
    assert (site_folder / "hq.password").read_text(encoding="utf-8").strip() == PASSWORD
    assert not (site_folder / "hq.password.new").exists()
    assert [one.kind for one in entries(site_folder)] == ["camera.unpassword"]


def test_a_password_out_of_a_file_and_one_made_for_a_camera_of_no_site(face: Face, tmp_path: Path) -> None:
    furnish(face)
    old, new = tmp_path / "old.txt", tmp_path / "new.txt"
    old.write_text(PASSWORD, encoding="utf-8")
    new.write_text("the word after it\n", encoding="utf-8")
    argv = ["set-password", "--url", face.device_url, "--user", "examsite", "--password-file"]
    given = run(*argv, str(old), "--new-password-file", str(new))
    assert (given.exit_code, face.gate.password) == (0, "the word after it")
    assert "the word after it" not in given.output
    made = run(*argv, str(new), "--make-password")
    assert made.output.splitlines()[0] == face.gate.password
    assert run(*argv, str(new)).exit_code == 2  # no terminal to ask at
    assert face.gate.refused == 0


def test_nothing_is_done_that_could_not_be_entered(face: Face, site_folder: Path) -> None:
    furnish(face)
    face.subject.clock_offset_s = -300.0
    configuration.load(site_folder / "site.toml").database.unlink()
    for argv in (("set-time",), ("set-password", "--make-password")):
        assert isinstance(of_site(site_folder, *argv).exception, ApplianceError)
    assert face.subject.clock_offset_s == -300.0
    assert (site_folder / "hq.password").read_text(encoding="utf-8").strip() == face.gate.password == PASSWORD


def test_a_restart_is_waited_for_and_entered(face: Face, site_folder: Path) -> None:
    furnish(face).restart_s = 1.2
    result = of_site(site_folder, "reboot", "--json")
    assert (result.exit_code, json.loads(result.output)["ok"]) == (0, True)
    assert [one.kind for one in entries(site_folder)] == ["camera.rebooted"]


@pytest.mark.parametrize(
    "command",
    [[], ["probe"], ["discover"], ["snapshot"], ["set-time"], ["set-password"], ["reboot"], ["preset"]],
)
def test_help_has_an_example(command: list[str]) -> None:
    result = CliRunner().invoke(camera, [*command, "--help"])
    assert result.exit_code == 0
    assert "examsite camera" in result.output
    assert "Example:" in result.output
