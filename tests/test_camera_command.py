"""`examsite camera`: what a technician at a strange camera sees, and what programs read."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from appliance.commands.camera import camera
from demo.camera_encoder import CameraConfig
from demo.discovery_answer import start_discovery
from demo.onvif_face import ANSWERS, Face
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
    if not start_discovery([face]):
        pytest.skip("this machine has no multicast on loopback")
    result = CliRunner().invoke(camera, ["discover", "--from", "127.0.0.1", "--timeout", "0.7", "--json"])
    mine = [one for one in json.loads(result.output) if one["endpoint"] == face.endpoint]
    assert result.exit_code == 0
    assert [one["xaddrs"] for one in mine] == [[face.device_url]]


@pytest.mark.parametrize("command", [[], ["probe"], ["discover"]])
def test_help_has_an_example(command: list[str]) -> None:
    result = CliRunner().invoke(camera, [*command, "--help"])
    assert result.exit_code == 0
    assert "examsite camera" in result.output
    assert "Example:" in result.output
