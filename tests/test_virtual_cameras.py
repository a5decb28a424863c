"""The virtual cameras are real enough to test a recorder with: no frame lost, none twice, and they fail as told."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from itertools import pairwise
from pathlib import Path

import pytest

from demo.barcode import counters_in, faults_in
from demo.cameras_process import Address, CamerasError, CamerasProcess
from tests.fakes.cameras import StartCameras, camera, virtual_cameras

__all__ = ["virtual_cameras"]


def record(address: Address, to: Path, seconds: float, url: str | None = None) -> subprocess.CompletedProcess[str]:
    argv = ["ffmpeg", "-nostdin", "-v", "error", "-y", "-rtsp_transport", "tcp", "-timeout", "5000000"]
    argv += ["-i", url or address.rtsp_url_signed, "-map", "0", "-c", "copy", "-t", str(seconds), str(to)]
    return subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)


def streams(video: Path) -> dict[str, str]:
    argv = ["ffprobe", "-v", "error", "-show_entries", "stream=codec_type,codec_name", "-of", "json", str(video)]
    said = json.loads(subprocess.run(argv, capture_output=True, timeout=30, check=True).stdout)
    return {stream["codec_type"]: stream["codec_name"] for stream in said["streams"]}


@pytest.mark.parametrize(
    ("codec", "sound", "expected"),
    [
        ("h264", "pcma", {"video": "h264", "audio": "pcm_alaw"}),
        ("h265", "aac", {"video": "hevc", "audio": "aac"}),
        ("h264", "none", {"video": "h264"}),
    ],
)
def test_a_recording_has_every_frame_once(
    virtual_cameras: StartCameras, tmp_path: Path, codec: str, sound: str, expected: dict[str, str]
) -> None:
    cameras = virtual_cameras([camera("one", codec=codec, sound=sound)])
    video = tmp_path / "video.mkv"
    result = record(cameras.addresses["one"], video, 3)
    counters = list(counters_in(video))
    assert result.returncode == 0
    assert streams(video) == expected
    assert len(counters) >= 24
    assert faults_in(counters) == []
    assert counters[0] is not None and counters[0] % 12 == 0, "a client begins with a key frame"


def test_two_clients_who_join_at_different_times_both_get_whole_streams(
    virtual_cameras: StartCameras, tmp_path: Path
) -> None:
    cameras = virtual_cameras([camera("one")])
    argv = [
        "ffmpeg",
        "-nostdin",
        "-v",
        "error",
        "-rtsp_transport",
        "tcp",
        "-i",
        cameras.addresses["one"].rtsp_url_signed,
    ]
    with subprocess.Popen([*argv, "-c", "copy", "-t", "4", str(tmp_path / "early.mkv")]) as early:
        time.sleep(1.4)
        record(cameras.addresses["one"], tmp_path / "late.mkv", 2)
        early.wait(20)
    for name in ("early", "late"):
        counters = list(counters_in(tmp_path / f"{name}.mkv"))
        assert len(counters) >= 20
        assert faults_in(counters) == []


def test_a_wrong_password_is_refused(virtual_cameras: StartCameras, tmp_path: Path) -> None:
    cameras = virtual_cameras([camera("one"), camera("two")])
    one, two = cameras.addresses["one"], cameras.addresses["two"]
    wrong = one.rtsp_url.replace("://", f"://{two.user}:{two.password}@")
    result = record(one, tmp_path / "video.mkv", 1, url=wrong)
    assert result.returncode != 0
    assert "401" in result.stderr


def test_the_frames_of_a_silence_are_missing_and_the_counter_went_on(
    virtual_cameras: StartCameras, tmp_path: Path
) -> None:
    cameras = virtual_cameras([camera("one", sound="pcma")])
    video = tmp_path / "video.mkv"
    argv = [
        "ffmpeg",
        "-nostdin",
        "-v",
        "error",
        "-rtsp_transport",
        "tcp",
        "-i",
        cameras.addresses["one"].rtsp_url_signed,
    ]
    with subprocess.Popen([*argv, "-c", "copy", "-t", "7", str(video)]) as recorder:
        until_s = time.monotonic() + 10
        while not cameras.stats()["one"]["clients"] and time.monotonic() < until_s:
            time.sleep(0.05)
        time.sleep(1.5)
        cameras.control("silence one 2")
        assert cameras.stats()["one"]["silent"]
        assert recorder.wait(20) == 0
    counters = list(counters_in(video))
    steps = [(after or 0) - (before or 0) for before, after in pairwise(counters)]
    holes = [step for step in steps if step != 1]
    assert None not in counters
    assert len(holes) == 1
    assert 24 <= holes[0] <= 37, "two seconds, and up to one more until the next key frame"


def test_a_dropped_camera_closes_its_connections_and_comes_back(virtual_cameras: StartCameras, tmp_path: Path) -> None:
    cameras = virtual_cameras([camera("one"), camera("two")])
    argv = ["ffmpeg", "-nostdin", "-v", "error", "-rtsp_transport", "tcp", "-timeout", "5000000"]
    argv += ["-i", cameras.addresses["one"].rtsp_url_signed, "-c", "copy", "-t", "20", str(tmp_path / "cut.mkv")]
    with subprocess.Popen(argv, stderr=subprocess.DEVNULL) as watcher:
        until_s = time.monotonic() + 10
        while not cameras.stats()["one"]["clients"] and time.monotonic() < until_s:
            time.sleep(0.05)
        time.sleep(1.5)
        cameras.control("drop one 3")
        watcher.wait(10)
    refused = record(cameras.addresses["one"], tmp_path / "refused.mkv", 1)
    other = record(cameras.addresses["two"], tmp_path / "two.mkv", 1)
    while cameras.stats()["one"]["gone"]:
        time.sleep(0.1)
    back = record(cameras.addresses["one"], tmp_path / "back.mkv", 1)
    assert (refused.returncode != 0, other.returncode, back.returncode) == (True, 0, 0)


def test_an_encoder_that_dies_is_started_again_and_the_counter_goes_on(virtual_cameras: StartCameras) -> None:
    cameras = virtual_cameras([camera("one")])
    before = cameras.stats()["one"]
    os.kill(before["pid"], signal.SIGKILL)
    until_s = time.monotonic() + 15
    while (after := cameras.stats()["one"])["pid"] == before["pid"] or after["made"] <= before["made"]:
        assert time.monotonic() < until_s, "the encoder did not come back"
        time.sleep(0.1)
    assert after["made"] > before["made"]


def test_killed_cameras_leave_no_ffmpeg_behind(virtual_cameras: StartCameras) -> None:
    cameras = virtual_cameras([camera("one"), camera("two", codec="h265", sound="aac")])
    encoders = [stats["pid"] for stats in cameras.stats().values()]
    os.kill(cameras.pid, signal.SIGKILL)
    until_s = time.monotonic() + 5
    while (left := [pid for pid in encoders if _runs(pid)]) and time.monotonic() < until_s:
        time.sleep(0.05)
    assert left == []


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


def test_a_command_that_is_wrong_is_told(virtual_cameras: StartCameras) -> None:
    cameras = virtual_cameras([camera("one")])
    with pytest.raises(CamerasError, match="silence"):
        cameras.control("silence nobody 3")
