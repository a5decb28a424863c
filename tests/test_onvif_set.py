"""A setting counts when the camera itself says it: each is made over HTTP in a virtual camera and read back from it."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from demo.onvif_face import Face
from demo.onvif_quirks import Quirk, misbehave
from demo.onvif_set_face import State, furnish
from drivers import onvif_set, onvif_set_card, onvif_set_move, onvif_set_picture
from drivers.onvif import Camera
from drivers.onvif_options import Stream
from drivers.onvif_reply import CameraError
from drivers.types import SetResult
from tests.fakes.onvif_faces import PASSWORD, USER, MakeFace, camera_at, make_face

__all__ = ["make_face"]


def shortly(seconds: float) -> None:
    """Wait, but never as long as in earnest."""
    time.sleep(min(seconds, 0.02))


@pytest.fixture
def made(make_face: MakeFace) -> tuple[Camera, Face, State]:
    face = make_face()
    state = furnish(face)
    return camera_at(face), face, state


def yes_and_nothing(face: Face) -> None:
    """From now on the camera answers every setting well and forgets it."""
    misbehave(face, Quirk.SETS_NOTHING)


def test_the_clock_is_set_to_ours_and_keeps_its_zone(made: tuple[Camera, Face, State]) -> None:
    camera, face, state = made
    face.subject.clock_offset_s = -4000.0
    state.zone = "YEKT-5"
    result = onvif_set.set_time(camera)
    assert result.ok
    assert float(result.before.removesuffix(" s")) == pytest.approx(-4000, abs=1)
    assert abs(face.subject.clock_offset_s) < 1
    assert state.zone == "YEKT-5"


@pytest.mark.parametrize("way", ["digest", "wsse"])
def test_after_its_clock_was_set_the_camera_still_lets_us_in(made: tuple[Camera, Face, State], way: str) -> None:
    camera, face, _ = made
    face.gate.takes_digest = way == "digest"
    face.subject.clock_offset_s = 7200.0
    assert onvif_set.set_time(camera, zone="MSK-3", wait=shortly).ok
    assert camera.facts().auth == way
    assert face.gate.refused == 0


def test_a_camera_that_refuses_the_zone_is_given_its_own(make_face: MakeFace) -> None:
    face = make_face(Quirk.WANTS_DAYLIGHT)
    state = furnish(face)
    state.zone = "YEKT-5"
    face.subject.clock_offset_s = 500.0
    assert onvif_set.set_time(camera_at(face), zone="<+05>-5", wait=shortly).ok
    assert state.zone == "YEKT-5"


def test_time_servers_are_set_and_followed(made: tuple[Camera, Face, State]) -> None:
    camera, _, state = made
    result = onvif_set.set_ntp(camera, ["10.0.0.1", "ntp.example"], wait=shortly)
    assert (result.ok, result.found, result.before) == (True, "10.0.0.1 ntp.example", "set by hand")
    assert camera.whole().clock.ntp == ("10.0.0.1", "ntp.example")
    assert (state.by_ntp, camera.whole().clock.by_ntp) == (True, True)


def test_a_new_password_is_wanted_from_then_on_and_the_camera_object_goes_over_to_it(
    made: tuple[Camera, Face, State],
) -> None:
    camera, face, _ = made
    result = onvif_set.set_password(camera, "another secret", wait=shortly)
    assert (result.ok, result.found) == (True, "the new password")
    assert "another secret" not in f"{result}" and PASSWORD not in f"{result}"
    assert camera.facts().model == "Virtual camera"
    assert face.gate.refused == 0
    with pytest.raises(CameraError, match="refuses"):
        camera_at(face, PASSWORD).facts()


def test_a_password_the_camera_finds_too_weak_changes_nothing(made: tuple[Camera, Face, State]) -> None:
    camera, face, _ = made
    result = onvif_set.set_password(camera, "weak", wait=shortly)
    assert not result.ok
    assert "too weak" in result.note
    assert camera_at(face).facts().auth == "digest"


def test_a_camera_that_only_says_it_took_the_password_is_found_out_by_one_try(made: tuple[Camera, Face, State]) -> None:
    camera, face, _ = made
    camera.facts()
    yes_and_nothing(face)
    result = onvif_set.set_password(camera, "another secret", wait=shortly)
    assert not result.ok
    assert "the old one still counts" in result.note
    assert face.gate.refused == 1
    assert camera.facts().model == "Virtual camera"


def test_a_user_is_made_signs_in_and_is_taken_away(made: tuple[Camera, Face, State]) -> None:
    camera, face, state = made
    result = onvif_set.create_user(camera, "recorder", "a word of its own", "Operator", wait=shortly)
    assert (result.ok, result.found) == (True, "user recorder (Operator)")
    assert Camera(face.device_url, "recorder", "a word of its own").facts().serial == "SN-1"
    assert onvif_set.delete_user(camera, "recorder", wait=shortly).ok
    assert state.levels == {USER: "Administrator"}
    refused = onvif_set.delete_user(camera, USER, wait=shortly)
    assert (refused.ok, refused.found) == (False, USER)


def test_what_the_camera_does_not_allow_is_set_to_the_nearest_and_said(made: tuple[Camera, Face, State]) -> None:
    camera, _, state = made
    wish = Stream("H265", 1900, 1000, 24, 400, 20)
    result = onvif_set_picture.set_stream(camera, "main", wish, wait=shortly)
    assert result.ok
    assert result.found == "H265 1920x1080, 25 fps, GOP 100, 64 kbit/s"
    for said in ("1920x1080", "25 frames a second", "100 frames between", "64 kbit/s"):
        assert said in result.note
    assert (state.view.codec, state.view.size) == ("H265", (1920, 1080))
    profile = camera.profiles()[0]
    assert (profile.codec, profile.width, profile.gop, profile.bit_rate_kbps) == ("H265", 1920, 100, 64)


def test_a_stream_is_set_by_media1_where_there_is_no_media2(made: tuple[Camera, Face, State]) -> None:
    camera, face, state = made
    del face.services["http://www.onvif.org/ver20/media/wsdl"]
    result = onvif_set_picture.set_stream(camera, "main", Stream(width=1280, height=720, fps=20), wait=shortly)
    assert (result.ok, result.note) == (True, "")
    # A new rate keeps the seconds between key frames: 12 frames at 12 a second become 20 at 20.
    assert (state.view.size, state.view.fps, state.view.gop) == ((1280, 720), 20, 20)


def test_text_in_the_picture_is_put_at_its_corner_and_replaced_there(made: tuple[Camera, Face, State]) -> None:
    camera, _, state = made
    first = onvif_set_picture.set_text(camera, "66 / 0123 / ауд. 5", wait=shortly)
    again = onvif_set_picture.set_text(camera, "66 / 0123 / ауд. 7", wait=shortly)
    assert (first.ok, again.ok, first.before) == (True, True, "Camera 1")
    assert sorted(words for words, _ in state.view.texts.values()) == ["66 / 0123 / ауд. 7", "Camera 1"]
    full = onvif_set_picture.set_text(camera, "third <&>", place="UpperRight", wait=shortly)
    assert full.ok
    assert "no room" in full.note
    assert state.view.texts["name"] == ("third <&>", "LowerLeft")


def test_picture_settings_are_set_by_their_paths(made: tuple[Camera, Face, State]) -> None:
    camera, _, state = made
    wanted = {"Brightness": "60.0", "Exposure/Mode": "MANUAL"}
    before = dict(state.view.imaging)
    assert onvif_set_picture.set_imaging(camera, "lens", wanted, wait=shortly).ok
    assert state.view.imaging == before | wanted
    refused = onvif_set_picture.set_imaging(camera, "lens", {"Contrast": "300"}, wait=shortly)
    assert (refused.ok, state.view.imaging["Contrast"]) == (False, "50")


def test_the_camera_turns_to_a_preset_and_keeps_a_new_one(made: tuple[Camera, Face, State]) -> None:
    camera, _, state = made
    assert onvif_set_move.goto_preset(camera, "Доска", wait=shortly).ok
    assert state.view.looks == (-0.5, 0.0, 0.2)
    assert onvif_set_move.turn_to(camera, 0.25, -0.5, 0.0, wait=shortly).ok
    kept = onvif_set_move.set_preset(camera, "Окна", wait=shortly)
    assert (kept.ok, state.view.presets["3"]) == (True, ("Окна", (0.25, -0.5, 0.0)))
    assert onvif_set_move.set_home(camera).ok
    onvif_set_move.goto_preset(camera, "1", wait=shortly)
    assert onvif_set_move.goto_home(camera, wait=shortly).ok
    assert state.view.looks == (0.25, -0.5, 0.0)
    unknown = onvif_set_move.goto_preset(camera, "Потолок", wait=shortly)
    assert not unknown.ok
    assert "Доска" in unknown.note


def test_a_preset_that_is_not_reached_is_said(made: tuple[Camera, Face, State]) -> None:
    camera, _, state = made
    state.ignored.add("GotoPreset")
    result = onvif_set_move.goto_preset(camera, "Доска", arrive_s=0.1, wait=shortly)
    assert (result.ok, result.found) == (False, "0.000 0.000 0.000")
    assert "has not turned" in result.note


def test_jobs_on_the_card_are_started_made_and_taken_away_and_their_limits_are_words(
    made: tuple[Camera, Face, State],
) -> None:
    camera, _, state = made
    assert onvif_set_card.set_job(camera, "job", active=True, wait=shortly).ok
    assert state.jobs["job"].mode == "Active"
    assert (camera.whole().jobs[0].mode, camera.whole().jobs[0].state) == ("Active", "Active")
    assert onvif_set_card.create_job(camera, "card", "main", wait=shortly).found == "job2"
    onvif_set_card.create_job(camera, "card", "main", wait=shortly)
    full = onvif_set_card.create_job(camera, "card", "main", wait=shortly)
    stays = onvif_set_card.delete_job(camera, "job", wait=shortly)
    assert (full.ok, "no room" in full.note, stays.ok, "stays" in stays.note) == (False, True, False, True)
    assert onvif_set_card.delete_job(camera, "job2", wait=shortly).ok
    assert sorted(state.jobs) == ["job", "job3"]


def test_a_relay_is_switched_and_what_cannot_be_asked_is_said(made: tuple[Camera, Face, State]) -> None:
    camera, _, state = made
    result = onvif_set.set_relay(camera, "relay", active=True)
    assert (result.ok, state.relays) == (True, {"relay": "active"})
    assert "event" in result.note
    assert not onvif_set.set_relay(camera, "another", active=True).ok


def test_a_restart_is_waited_for_until_the_camera_is_back(made: tuple[Camera, Face, State]) -> None:
    camera, _, state = made
    state.restart_s = 0.4
    result = onvif_set.reboot(camera, away_s=3, return_s=5, wait=shortly)
    assert result.ok
    assert result.found.startswith("back after")
    assert state.restarts == 1
    assert camera.facts().serial == "SN-1"


def test_a_camera_that_only_says_it_starts_again_is_found_out(made: tuple[Camera, Face, State]) -> None:
    camera, _, state = made
    state.ignored.add("SystemReboot")
    result = onvif_set.reboot(camera, away_s=0.2, wait=shortly)
    assert (result.ok, result.found) == (False, "running")


@pytest.mark.parametrize("what", ["time", "ntp", "user", "stream", "text", "imaging", "preset", "job", "card"])
def test_a_yes_that_changed_nothing_is_a_fault_in_words(made: tuple[Camera, Face, State], what: str) -> None:
    camera, face, _ = made
    face.subject.clock_offset_s = 900.0
    camera.facts()
    yes_and_nothing(face)
    ways: dict[str, Callable[[], SetResult]] = {
        "time": lambda: onvif_set.set_time(camera, wait=shortly),
        "ntp": lambda: onvif_set.set_ntp(camera, ["10.0.0.1"], wait=shortly),
        "user": lambda: onvif_set.create_user(camera, "recorder", "a word of its own", wait=shortly),
        "stream": lambda: onvif_set_picture.set_stream(camera, "main", Stream(fps=5), wait=shortly),
        "text": lambda: onvif_set_picture.set_text(camera, "ауд. 5", wait=shortly),
        "imaging": lambda: onvif_set_picture.set_imaging(camera, "lens", {"Brightness": "60"}, wait=shortly),
        "preset": lambda: onvif_set_move.set_preset(camera, "Окна", wait=shortly),
        "job": lambda: onvif_set_card.set_job(camera, "job", active=True, wait=shortly),
        "card": lambda: onvif_set_card.delete_job(camera, "job", wait=shortly),
    }
    result = ways[what]()
    assert not result.ok
    assert "said yes" in result.note


def test_a_camera_that_is_gone_or_refuses_us_is_an_error_and_no_result(made: tuple[Camera, Face, State]) -> None:
    camera, face, _ = made
    with pytest.raises(CameraError, match="refuses"):
        onvif_set.set_time(camera_at(face, "wrong word"), wait=shortly)
    camera.facts()
    face.leave(60)
    time.sleep(0.15)
    with pytest.raises(CameraError) as caught:
        onvif_set_card.set_job(camera, "job", active=True, wait=shortly)
    assert caught.value.reason == "unreachable"
