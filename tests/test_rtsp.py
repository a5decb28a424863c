"""A stream is asked what it carries; every way it can fail has its reason, none takes long, none tells a password."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest

from demo.cameras_process import CamerasProcess
from drivers.rtsp import StreamError, probe
from tests.fakes.cameras import camera

HARD_PASSWORD = "p w@:/%?#я"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CamerasProcess]:
    config = [camera("hall", sound="pcma", password=HARD_PASSWORD), camera("room", codec="h265", sound="aac")]
    with CamerasProcess(config, tmp_path_factory.mktemp("site")) as cameras:
        yield cameras


def test_a_stream_says_what_it_carries(site: CamerasProcess) -> None:
    hall, room = site.addresses["hall"], site.addresses["room"]
    first = probe(hall.rtsp_url, hall.user, HARD_PASSWORD)
    second = probe(room.rtsp_url, room.user, room.password)
    assert (first.codec, first.width, first.height, first.fps) == ("h264", 640, 360, 12.0)
    assert (first.sound, first.sound_rate) == ("pcm_alaw", 8000)
    assert (second.codec, second.sound, second.sound_rate) == ("hevc", "aac", 16000)


def test_a_refused_password_waits_for_a_person_and_is_not_told(site: CamerasProcess) -> None:
    with pytest.raises(StreamError) as caught:
        probe(site.addresses["hall"].rtsp_url, "examsite", "very-secret")
    assert (caught.value.reason, caught.value.permanent) == ("refused", True)
    assert "very-secret" not in str(caught.value)


def test_a_stream_that_is_not_there_is_told_from_a_camera_that_is_not_there(site: CamerasProcess) -> None:
    hall = site.addresses["hall"]
    with pytest.raises(StreamError) as no_stream:
        probe(hall.rtsp_url.replace("/main", "/other"), hall.user, hall.password)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(StreamError) as nobody:
        probe(f"rtsp://127.0.0.1:{port}/main", "a", "b")
    assert (no_stream.value.reason, nobody.value.reason) == ("missing", "unreachable")
    assert not no_stream.value.permanent
    assert not nobody.value.permanent


def test_a_camera_that_takes_the_connection_and_says_nothing_costs_no_more_than_the_limit() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        began_s = time.monotonic()
        with pytest.raises(StreamError) as caught:
            probe(f"rtsp://127.0.0.1:{mute.getsockname()[1]}/main", "examsite", "very-secret", timeout_s=1)
        took_s = time.monotonic() - began_s
    assert caught.value.reason == "silent"
    assert took_s < 5, "a limit that holds at all, not a speed"
    assert caught.value.__suppress_context__, "the cause holds ffprobe's arguments, and they the password"
    assert "very-secret" not in str(caught.value)


def test_something_that_is_no_camera_is_said_to_be_unreadable(site: CamerasProcess) -> None:
    with pytest.raises(StreamError) as caught:
        probe(site.addresses["hall"].onvif_url.replace("http:", "rtsp:"), "a", "b")
    assert caught.value.reason == "broken"
