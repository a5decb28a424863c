"""`examsite record`: strange cameras into a folder, without a site."""

from __future__ import annotations

import hashlib
import json
import os
import random
import re
import signal
import statistics
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from threading import Event
from time import sleep
from typing import Any

import pytest

from appliance import recording, trial
from appliance.cameras import CameraState
from appliance.clock import SystemClock
from appliance.config import Camera
from appliance.model import ApplianceError
from tests.fakes.recorded_site import ROOT, wait_until
from tests.fakes.rtsp_camera import Manner, RtspCamera
from tests.fakes.rtsp_film import slices_in
from tests.fakes.rtsp_jpeg import pictures_in
from tests.fakes.tls import server_context

Stream = dict[str, Any]


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "appliance", "record", *words]


def record(folder: Path, seconds: float, *words: str, password: str = "") -> tuple[int, dict[str, Any], str]:
    """Exit status, report, and what it told people."""
    secret = folder.parent / "password"
    secret.write_text(f"{password}\n", encoding="utf-8")
    done = subprocess.run(
        [*command(*words, "--to", str(folder), "--seconds", str(seconds), "--json"),
         *(["--user", "u", "--password-file", str(secret)] if password else [])],
        cwd=ROOT, capture_output=True, text=True, timeout=90, check=False, env={**os.environ, "LC_ALL": "C.UTF-8"},
    )  # fmt: skip
    return done.returncode, json.loads(done.stdout or "{}"), done.stderr


# What each camera does, and what must be found of it.
STRANGE = {
    "plain": Manner(),
    "sha-256": Manner(auth=("sha-256",)),
    "udp": Manner(transports=("udp",)),
    "h265 with B-frames": Manner(codec="h265", b_frames=2),
    "sound in G.711": Manner(sound="pcmu"),
    "stamps an hour on": Manner(jumps=((35, 3600.0),)),
    "stamps wrap": Manner(first_stamp=(1 << 32) - 300_000),
    "size changes": Manner(sizes=("320x180", "640x360"), seconds=6),
    "varying rate": Manner(rare=(5, 2)),
    "begins mid-GOP": Manner(gop=20, mid_gop=True),
    "hangs up": Manner(hang_up_at=30),
    "MJPEG": Manner(codec="mjpeg"),
    "sound in AAC": Manner(sound="aac"),
    "rtsps": Manner(),
    "begins late": Manner(mute_play_s=3.0),
}
HEVC, UDP, RELAY = "h265 with B-frames", "udp", "sha-256"


def held(path: Path, codec: str) -> list[str]:
    """What a recording holds, frame by frame."""
    return pictures_in(path) if codec == "mjpeg" else slices_in(path, codec)


@dataclass(frozen=True, slots=True)
class Told:
    """Of one strange camera: its part of the report, the slices recorded, those it sent meanwhile, and when it had
    seen each of them, in Unix time."""

    stream: Stream
    recorded: list[str]
    sent: list[str]
    seen_s: list[float]


def enough(folder: Path) -> bool:
    files = Counter(path.parent.name for path in folder.glob("archive/*/*/*.mp4"))
    return len(files) == len(STRANGE) and min(files.values()) >= 2


@pytest.fixture(scope="module")
def strange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Told]]:
    """All of them recorded at one time, until there are two files of each: a busy machine takes longer to begin."""
    folder = tmp_path_factory.mktemp("strange") / "to"
    with ExitStack() as running:
        tls = {"rtsps": server_context(folder.parent)}
        manners = {name: replace(manner, tls=tls.get(name)) for name, manner in STRANGE.items()}
        cameras = {name: running.enter_context(RtspCamera(manner)) for name, manner in manners.items()}
        urls = [word for camera in cameras.values() for word in ("--url", camera.url)]
        secret = folder.parent / "password"
        secret.write_text(Manner().password + "\n", encoding="utf-8")
        words = ("--user", "u", "--password-file", str(secret), "--to", str(folder), "--seconds", "60", "--json")
        process = subprocess.Popen(
            command(*urls, *words, "--segment-s", "3"), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            text=True, env={**os.environ, "LC_ALL": "C.UTF-8"},
        )  # fmt: skip
        running.callback(process.wait)
        running.callback(process.kill)
        wait_until(lambda: enough(folder), "two files of each are recorded", 60)
        process.send_signal(signal.SIGINT)
        report = json.loads(process.communicate(timeout=30)[0])
    assert process.returncode == 1  # one hangs up
    found = {}
    for (name, camera), stream in zip(cameras.items(), report["streams"], strict=True):
        with ThreadPoolExecutor(2) as several:
            parts = several.map(lambda s: held(folder / s["path"], STRANGE[name].codec), stream["segments"])  # noqa: B023
            recorded = [each for part in parts for each in part]
        first = camera.sent.index(recorded[0])
        last = first + len(recorded)
        found[name] = Told(stream, recorded, camera.sent[first:last], camera.due_s[first:last])
        for segment in stream["segments"]:
            content = (folder / segment["path"]).read_bytes()
            assert (len(content), hashlib.sha256(content).hexdigest()) == (segment["bytes"], segment["sha256"])
    yield found


@pytest.mark.parametrize("name", STRANGE)
def test_every_frame_a_strange_camera_sent_is_recorded_once(strange: dict[str, Told], name: str) -> None:
    stream, recorded = strange[name].stream, strange[name].recorded
    assert recorded == strange[name].sent
    assert len(recorded) == sum(segment["frames"] for segment in stream["segments"])
    assert len(stream["segments"]) >= 2
    assert {segment["codec"] for segment in stream["segments"]} == {
        {HEVC: "hevc", "MJPEG": "mjpeg"}.get(name, "h264")}  # fmt: skip
    assert stream["transport"] == {UDP: "udp", RELAY: "relay"}.get(name, "tcp")
    *whole, last = stream["segments"]
    # The end may fall on a picture or two after a boundary, and 128 ms of sound are written at a time.
    told = whole if last["frames"] <= 2 else [*whole, last]
    assert {segment["sound"] for segment in told} == {"aac" if "sound" in name else None}


@pytest.mark.parametrize("name", STRANGE)
def test_its_times_follow_each_other_and_its_gaps_have_their_cause(strange: dict[str, Told], name: str) -> None:
    stream = strange[name].stream
    times = [t for s in stream["segments"] for t in (s["first_frame_at"], s["last_frame_at"], s["ends_at"])]
    assert times == sorted(times)
    causes = [gap["code"] for gap in stream["gaps"] if gap["code"] != "recording starting"]
    assert set(causes) == ({"connection closed"} if name == "hangs up" else set())
    assert stream["ok"] is (name != "hangs up")
    gaps_s = sum(gap["seconds"] for gap in stream["gaps"])
    assert stream["recorded_s"] + gaps_s == pytest.approx(stream["required_s"], abs=0.01)


@pytest.mark.parametrize("name", ["plain", "h265 with B-frames", "begins mid-GOP", "varying rate"])
def test_the_cameras_clock_is_read_to_less_than_a_frame(strange: dict[str, Told], name: str) -> None:
    """Each recording's first frame, on the box's clock and by the camera's offset: when the camera saw it. So it holds
    on a busy machine too, where frames come late and are placed late."""
    told, frame_s, at, off_s = strange[name], 1 / STRANGE[name].fps, 0, list[float]()
    for segment in told.stream["segments"]:
        first_s = datetime.fromisoformat(segment["first_frame_at"]).timestamp()
        assert first_s > told.seen_s[at] - frame_s  # no time is claimed before there was a frame
        if segment["camera_offset_ms"] is not None:
            off_s.append(first_s + segment["camera_offset_ms"] / 1000 - told.seen_s[at])
        at += segment["frames"]
    assert statistics.median(off_s) == pytest.approx(0, abs=0.8 * frame_s)


def test_a_refused_password_is_told_at_once_and_tried_once(tmp_path: Path) -> None:
    with RtspCamera(Manner(auth=("md5",))) as camera:
        status, report, told = record(tmp_path / "to", 60, "--url", camera.url, password="wrong")
    (stream,) = report["streams"]
    assert (status, report["ok"], stream["segments"]) == (1, False, [])
    assert [gap["cause"] for gap in stream["gaps"]] == ["The camera refused the password."]
    assert told.count("refused") == 1
    assert camera.requests.count("DESCRIBE signed") == 1


def test_frames_without_a_key_frame_are_a_cause_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing can begin with them; what has begun goes on with them, and is no gap."""
    monkeypatch.setattr(recording, "FIRST_FRAME_S", 10.0)  # of which ffmpeg looks 5 s for what the stream holds
    manners = {
        "none": Manner(keyless_from=0, mid_gop=True),
        "nor what it is decoded by": Manner(keyless_from=0, mid_gop=True, parameter_sets_in_sdp=False),
        "none any more": Manner(keyless_from=15),
        "nothing at all": Manner(mute_play_s=60),
    }
    with ExitStack() as running:
        cameras = {name: running.enter_context(RtspCamera(manner)) for name, manner in manners.items()}
        named: list[Camera] = []
        for each in cameras.values():
            named.append(trial.camera(each.url, [c.id for c in named], "", "", sound=True))
        judged, over = dict[str, str](), Event()

        def tell(state: CameraState) -> None:
            judged.update({state.camera: state.cause} if state.cause else {})
            if len(judged) == 3:
                over.set()

        report = trial.record(trial.site(tmp_path, tuple(named), 60), SystemClock(), 60, over, tell)
    found = {name: {gap.code for gap in stream.gaps} for name, stream in zip(cameras, report.streams, strict=True)}
    assert found == {"none": {"no key frame"}, "nor what it is decoded by": {"no key frame"},
                     "none any more": {"recording starting"}, "nothing at all": {"camera silent"}}  # fmt: skip
    (goes_on,) = report.streams[2].segments
    assert goes_on.frames > 25


def test_a_camera_that_never_answers_is_one_gap_with_its_cause(tmp_path: Path) -> None:
    status, report, _ = record(tmp_path / "to", 1, "--url", "rtsp://name:word@127.0.0.1:9/x")
    (stream,) = report["streams"]
    assert status == 1
    assert [gap["code"] for gap in stream["gaps"]] == ["camera unreachable"]
    assert stream["gaps"][0]["seconds"] == pytest.approx(1.0, abs=0.01)
    kept = b"".join(path.read_bytes() for path in (tmp_path / "to").rglob("*") if path.is_file())
    assert b"name:word" not in kept
    assert "word" not in json.dumps(report)


def test_killed_it_leaves_playable_files_that_the_next_run_takes_in(tmp_path: Path) -> None:
    folder = tmp_path / "to"
    with RtspCamera(Manner()) as camera:
        words = ("--url", camera.url, "--segment-s", "3", "--to", str(folder), "--seconds", "60", "--json")
        first = subprocess.Popen(command(*words), cwd=ROOT, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        wait_until(lambda: len(camera.sent) > 45, "a few seconds are recorded")
        first.kill()
        first.wait()
        files = sorted(folder.rglob("*.mp4"))
        left = [each for path in files for each in slices_in(path)]
        kept = {path.name: path.read_bytes() for path in files}
        second = subprocess.Popen(
            command(*words), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        count = len(camera.sent)
        wait_until(lambda: len(camera.sent) > count + 25, "it records again")
        second.send_signal(signal.SIGINT)
        said, _ = second.communicate(timeout=30)
    report = json.loads(said)
    assert len(left) > 20
    assert second.returncode == 0
    assert len(report["taken_in"]) + sum("aside" in path.parts for path in folder.rglob("*.unreadable")) >= 1
    now = {path.name: path.read_bytes() for path in folder.rglob("*.mp4")}
    for name, content in kept.items():
        run_and_number = name.split("-", 1)[1] if name.startswith("20") else name
        archived = [data for each, data in now.items() if each.endswith(run_and_number)]
        assert archived in ([content], [])  # the same bytes; none when it was too new to hold a frame
    assert {s["path"] for s in report["streams"][0]["segments"]}.isdisjoint(report["taken_in"])


LONG = os.environ.get("EXAMSITE_LONG") == "1"


def frames_that_play(path: Path) -> int:
    """Frames of a file that a player shows; every file must be read without its end being missed."""
    argv = ["ffmpeg", "-nostdin", "-v", "error", "-i", str(path), "-f", "null", "-progress", "pipe:1", "-"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return int(re.findall(r"frame=(\d+)", done.stdout)[-1])


@pytest.mark.parametrize("kill", range(25 if LONG else 1))  # 25 kills: EXAMSITE_LONG=1
def test_every_recording_plays_whenever_it_is_killed(tmp_path: Path, kill: int) -> None:
    folder, count = tmp_path / "to", 2
    with ExitStack() as running:
        cameras = [running.enter_context(RtspCamera(Manner())) for _ in range(count)]
        words = [word for camera in cameras for word in ("--url", camera.url)]
        words += ["--segment-s", "2", "--to", str(folder), "--seconds", "60"]
        process = subprocess.Popen(command(*words), cwd=ROOT, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        running.callback(process.wait)
        running.callback(process.kill)
        wait_until(lambda: len(list(folder.glob("archive/*/*/*-000000.mp4"))) == count, "a file of each is finished")
        wait_until(lambda: list(folder.glob("incoming/*/*.new")) or LONG, "a new file is begun")
        sleep(random.uniform(0.0, 2.0 if LONG else 0.2))
        process.kill()
        process.wait()
        sent = [len(camera.sent) for camera in cameras]
    found = {path: frames_that_play(path) for path in folder.rglob("*.mp4")}
    assert all(found.values())
    for name, frames in zip(sorted({path.parent.name for path in found}), sent, strict=True):
        recorded = sum(count for path, count in found.items() if path.parent.name == name)
        assert recorded > frames / 2


@pytest.mark.parametrize(
    "url", ["ftp://10.0.0.5/x", "10.0.0.5", "rtsp://", "rtsp://u:secret@:x/", "file:///etc/passwd"]
)
def test_what_is_no_address_of_a_stream_is_refused_with_a_sentence(url: str) -> None:
    with pytest.raises(ApplianceError) as refused:
        trial.camera(url, [], "", "", sound=True)
    assert "secret" not in str(refused.value)


def test_a_folder_tells_its_camera_and_never_holds_two() -> None:
    urls = (
        "rtsp://10.0.0.5/main",
        "rtsp://a:b@10.0.0.5:554/main",
        "rtsp://10.0.0.5:8554/main",
        "http://10.0.0.6/onvif",
    )
    found: list[trial.TypedCamera] = []
    for url in urls:
        found.append(trial.camera(url, [c.id for c in found], "u", "p", sound=False))
    assert [c.id for c in found] == ["10-0-0-5-main", "10-0-0-5-main-2", "10-0-0-5-8554-main", "10-0-0-6-onvif"]
    assert [(c.user, c.password()) for c in found][:2] == [("u", "p"), ("a", "b")]
    assert found[1].stream == "rtsp://10.0.0.5:554/main"


@pytest.mark.parametrize("taken", ["archive", "incoming", ".examsite"])
def test_a_folder_that_cannot_be_recorded_to_is_said_so(tmp_path: Path, taken: str) -> None:
    (tmp_path / taken).write_text("somebody's file")
    with pytest.raises(ApplianceError) as refused:
        trial.site(tmp_path, (), 60)
    assert str(tmp_path) in str(refused.value)
    assert (tmp_path / taken).read_text() == "somebody's file"


def test_two_recordings_never_share_a_folder(tmp_path: Path) -> None:
    config = trial.site(tmp_path, (), 60)
    with trial.alone(config), pytest.raises(ApplianceError), trial.alone(config):
        raise AssertionError("both hold it")
