"""The virtual cameras are real enough to test a recorder with: no frame lost, none twice, and they fail as told."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest

from demo.barcode import WRAP, counters_in, faults_in, read_counter
from demo.cameras_process import Address, CamerasError, CamerasProcess
from drivers.onvif import Camera
from tests.fakes.cameras import StartCameras, camera, virtual_cameras

__all__ = ["virtual_cameras"]

KINDS = {
    "hall": ({"codec": "h264", "sound": "pcma"}, {"video": "h264", "audio": "pcm_alaw"}),
    "room": ({"codec": "h265", "sound": "aac"}, {"video": "hevc", "audio": "aac"}),
    "door": ({"codec": "h264", "sound": "none"}, {"video": "h264"}),
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CamerasProcess]:
    """Three cameras that no test here disturbs."""
    config = [camera(name, **kind) for name, (kind, _) in KINDS.items()]
    with CamerasProcess(config, tmp_path_factory.mktemp("site")) as cameras:
        yield cameras


def recorder(address: Address, to: Path, seconds: float, url: str | None = None) -> subprocess.Popen[str]:
    argv = ["ffmpeg", "-nostdin", "-v", "error", "-y", "-rtsp_transport", "tcp", "-timeout", "5000000"]
    argv += ["-i", url or address.rtsp_url_signed, "-map", "0", "-c", "copy", "-t", str(seconds), str(to)]
    return subprocess.Popen(argv, stderr=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen[str]) -> tuple[int, str]:
    said = process.communicate(timeout=30)[1]
    return process.returncode, said


def streams(video: Path) -> dict[str, str]:
    argv = ["ffprobe", "-v", "error", "-show_entries", "stream=codec_type,codec_name", "-of", "json", str(video)]
    said = json.loads(subprocess.run(argv, capture_output=True, timeout=30, check=True).stdout)
    return {stream["codec_type"]: stream["codec_name"] for stream in said["streams"]}


def wait_until(true: Callable[[], bool], what: str, seconds: float = 15) -> None:
    until_s = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until_s, what
        time.sleep(0.05)


def decoded(jpeg: bytes) -> np.ndarray:
    picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    return np.asarray(picture)


def test_recordings_have_every_frame_once_also_of_one_who_joins_late(site: CamerasProcess, tmp_path: Path) -> None:
    videos = {name: tmp_path / f"{name}.mkv" for name in (*KINDS, "late")}
    running = {name: recorder(site.addresses[name], videos[name], 3) for name in KINDS}
    time.sleep(1.4)
    running["late"] = recorder(site.addresses["hall"], videos["late"], 2)
    ended = {name: finish(process)[0] for name, process in running.items()}
    counters = {name: list(counters_in(video)) for name, video in videos.items()}
    assert ended == dict.fromkeys(videos, 0)
    assert {name: streams(videos[name]) for name in KINDS} == {name: expected for name, (_, expected) in KINDS.items()}
    assert {name: faults_in(run) for name, run in counters.items()} == {name: [] for name in videos}
    assert all(len(run) >= 20 for run in counters.values()), counters
    assert all((run[0] or 1) % 12 == 0 for run in counters.values()), "a client begins with a key frame"


def test_the_counter_in_the_picture_follows_the_wall_clock(site: CamerasProcess) -> None:
    address = site.addresses["door"]
    picture = Camera(address.onvif_url, address.user, address.password).snapshot()
    shown = read_counter(decoded(picture))
    stats = site.stats()["door"]
    expected = (time.time() - stats["frame0_at"]) * 12
    assert shown is not None
    assert expected - 48 < shown <= expected + 2, "the snapshot is made once a second"


def test_a_wrong_password_is_refused_even_when_it_is_another_cameras(site: CamerasProcess, tmp_path: Path) -> None:
    hall, room = site.addresses["hall"], site.addresses["room"]
    wrong = hall.rtsp_url.replace("://", f"://{room.user}:{room.password}@")
    status, said = finish(recorder(hall, tmp_path / "video.mkv", 1, url=wrong))
    assert status != 0
    assert "401" in said


def test_a_command_that_is_wrong_is_told(site: CamerasProcess) -> None:
    name = next(iter(site.addresses))
    wrong = ("silence nobody 3", "silence hall soon", "dance", f"picture {name} sings", f"quirk {name} sings",
             "quirk nobody 7-absurd-time")  # fmt: skip
    for command in wrong:
        with pytest.raises(CamerasError, match="error"):
            site.control(command)


def test_a_camera_that_runs_can_be_told_to_misbehave(site: CamerasProcess) -> None:
    name, address = next(iter(site.addresses.items()))
    assert site.control(f"quirk {name} invalid-utf-8") == "ok"
    facts = Camera(address.onvif_url, address.user, address.password).facts()
    assert any("bytes that are no text" in fault for fault in facts.faults)


def test_the_frames_of_a_silence_are_missing_and_the_counter_went_on(
    virtual_cameras: StartCameras, tmp_path: Path
) -> None:
    cameras = virtual_cameras([camera("one", sound="pcma")])
    video = tmp_path / "video.mkv"
    running = recorder(cameras.addresses["one"], video, 5)
    wait_until(lambda: cameras.stats()["one"]["clients"] == 1, "the recorder did not come")
    time.sleep(1.5)
    cameras.control("silence one 1.5")
    silent = cameras.stats()["one"]["silent"]
    status, _ = finish(running)
    counters = list(counters_in(video))
    holes = [(after or 0) - (before or 0) for before, after in pairwise(counters) if (after or 0) != (before or 0) + 1]
    assert (silent, status) == (True, 0)
    assert None not in counters
    assert len(holes) == 1, counters
    # 18 frames, and up to 12 more until the next key frame; where two cores are busy, half a second less or one more.
    assert 12 <= holes[0] <= 42, counters


def test_a_dropped_camera_hangs_up_refuses_and_comes_back_while_others_go_on(
    virtual_cameras: StartCameras, tmp_path: Path
) -> None:
    cameras = virtual_cameras([camera("one"), camera("two")])
    one, two = cameras.addresses["one"], cameras.addresses["two"]
    watcher = recorder(one, tmp_path / "cut.mkv", 20)
    wait_until(lambda: cameras.stats()["one"]["clients"] == 1, "the watcher did not come")
    cameras.control("drop one 2")
    finish(watcher)
    other = recorder(two, tmp_path / "two.mkv", 1)
    refused, _ = finish(recorder(one, tmp_path / "refused.mkv", 1))
    wait_until(lambda: not cameras.stats()["one"]["gone"], "the camera did not come back")
    back, _ = finish(recorder(one, tmp_path / "back.mkv", 1))
    assert (refused != 0, finish(other)[0], back) == (True, 0, 0)


def test_an_encoder_that_dies_is_started_again_and_the_counter_goes_on(virtual_cameras: StartCameras) -> None:
    cameras = virtual_cameras([camera("one")])
    before = cameras.stats()["one"]
    os.kill(before["pid"], signal.SIGKILL)
    wait_until(lambda: cameras.stats()["one"]["made"] > before["made"] + 1, "the encoder did not come back")
    after = cameras.stats()["one"]
    assert after["pid"] != before["pid"]
    assert abs(after["frame0_at"] - before["frame0_at"]) < 1.5, "frame numbers belong to the same seconds as before"


def test_killed_cameras_leave_no_ffmpeg_behind(virtual_cameras: StartCameras) -> None:
    cameras = virtual_cameras([camera("one"), camera("two", codec="h265", sound="aac")])
    encoders = [stats["pid"] for stats in cameras.stats().values()]
    os.kill(cameras.pid, signal.SIGKILL)
    wait_until(lambda: not any(_runs(pid) for pid in encoders), "an ffmpeg lives on", seconds=5)


def _runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_a_configuration_that_is_wrong_is_told(tmp_path: Path) -> None:
    cameras = CamerasProcess([camera("one", codec="mpeg2")], tmp_path)
    with pytest.raises(CamerasError, match="codec is h264 or h265"):
        cameras.start()


def bar_code(number: int, size: tuple[int, int] = (640, 360)) -> np.ndarray:
    """The documented layout, drawn independently of the camera's filters."""
    picture = np.full((360, 640), 90, np.uint8)
    picture[:40] = 0
    bits = [number >> bit & 1 for bit in range(20)]
    for box, white in enumerate([1, 0, *bits, sum(bits) % 2, 0, 1]):
        picture[8:32, 20 + 24 * box : 44 + 24 * box] = 255 * white
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA))


@pytest.mark.parametrize("number", [0, 1, 12345, WRAP - 1])
@pytest.mark.parametrize("size", [(640, 360), (320, 180), (1920, 1080)])
def test_a_bar_code_is_read_at_any_size_through_hard_compression(number: int, size: tuple[int, int]) -> None:
    _, jpeg = cv2.imencode(".jpg", bar_code(number, size), [cv2.IMWRITE_JPEG_QUALITY, 25])
    assert read_counter(decoded(jpeg.tobytes())) == number


def test_a_bar_code_in_doubt_is_not_read() -> None:
    one_bit_flipped, half_grey = bar_code(7), bar_code(7)
    one_bit_flipped[8:32, 20 + 24 * 9 : 44 + 24 * 9] = 255
    half_grey[8:32, 20 + 24 * 9 : 44 + 24 * 9] = 128
    nothing = np.zeros((360, 640), np.uint8)
    assert [read_counter(each) for each in (one_bit_flipped, half_grey, nothing)] == [None, None, None]


def test_holes_repeats_and_unreadable_frames_are_told_apart() -> None:
    assert faults_in([WRAP - 2, WRAP - 1, 0, 1]) == []
    assert [fault.split(": ")[1] for fault in faults_in([5, 6, 6, None, 9])] == [
        "counter 6 again",
        "counter not readable",
        "counter 9 after 6",
    ]
