"""One ffmpeg: what it is told, what of it can be seen from outside, how it ends and what it says."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance import pulse
from demo.cameras_process import CamerasProcess
from drivers import ffmpeg, fmp4
from drivers.ffmpeg import Finished, Run, Source, Stream, StreamError
from drivers.rtsp_ask import ask
from tests.fakes.cameras import camera
from tests.fakes.recorded_site import film, wait_until
from tests.fakes.rtsp_camera import Manner, RtspCamera
from tests.fakes.rtsp_film import slices_in

ROOT = Path(__file__).resolve().parent.parent
PASSWORD = "pässwörd '/:@"


@pytest.fixture(scope="module")
def filmed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CamerasProcess]:
    config = [camera("hall", sound="pcma") | {"password": PASSWORD}, camera("stairs", codec="h265", sound="aac")]
    with CamerasProcess(config, tmp_path_factory.mktemp("cameras")) as process:
        yield process


def source_of(filmed: CamerasProcess, name: str, **other: object) -> Source:
    address = filmed.addresses[name]
    return Source(**{"url": address.rtsp_url, "user": address.user, "password": address.password, **other})  # type: ignore[arg-type]


def read_until(run: Run, frames: int, seconds: float = 15.0) -> list[Finished]:
    finished: list[Finished] = []
    until_s = time.monotonic() + seconds
    while time.monotonic() < until_s:
        news = run.read(1.0)
        finished += news.finished
        if news.progress and news.progress.frames >= frames:
            return finished
        assert not news.ended, run.cause()
    raise AssertionError(f"no {frames} frames within {seconds} s")


def test_the_command_names_no_address_and_keeps_sound_in_aac(tmp_path: Path) -> None:
    def options(stream: Stream) -> str:
        return " ".join(ffmpeg.argv(stream, tmp_path, "run", 60, 3))

    assert "rtsp://" not in options(Stream("h264", "pcm_alaw"))
    assert "-c:v copy" in options(Stream("h264", None))
    assert "-c:a" not in options(Stream("h264", None))
    assert "-c:a aac" in options(Stream("h264", "pcm_alaw"))
    assert "-c:a copy" in options(Stream("h264", "aac"))
    assert "-copyinkf:a" in options(Stream("h264", "aac"))
    assert "-tag:v hvc1" in options(Stream("hevc", None))
    assert "-tag:v" not in options(Stream("h264", None))


def test_a_camera_is_asked_what_it_sends(filmed: CamerasProcess) -> None:
    assert ask(source_of(filmed, "hall")).stream == Stream("h264", "pcm_alaw")
    assert ask(source_of(filmed, "hall", sound=False)).stream == Stream("h264", None)
    assert ask(source_of(filmed, "stairs")).stream == Stream("hevc", "aac")


def test_a_password_is_seen_neither_in_the_processes_nor_in_what_ffmpeg_says(
    filmed: CamerasProcess, tmp_path: Path
) -> None:
    right = source_of(filmed, "hall")
    run = Run(right, Stream("h264", "pcm_alaw"), tmp_path, "run", 2)
    read_until(run, 1)
    pid = run.process.pid
    seen = [(Path("/proc") / str(pid) / name).read_bytes().decode() for name in ("cmdline", "environ")]
    run.stop()
    wrong = source_of(filmed, "hall", password="gehe1m-und-falsch")
    run = Run(wrong, Stream("h264", None), tmp_path, "other", 2)
    wait_until(lambda: run.read(0.2).ended, "it gives up")
    cause = run.cause()
    run.close()
    said = f"{cause} {cause!r} {seen} {wrong.scrub('rtsp://examsite:gehe1m-und-falsch@127.0.0.1:9/a b@c')}"
    assert cause.trouble == "password"
    assert cause.permanent
    assert not any(word in said for word in ("gehe1m", "rtsp://examsite", PASSWORD, "p%C3%A4ss"))


def test_files_join_without_losing_a_frame(filmed: CamerasProcess, tmp_path: Path) -> None:
    run = Run(source_of(filmed, "stairs"), Stream("hevc", "aac"), tmp_path, "run", 2)
    finished = read_until(run, 42)
    finished += run.stop().finished
    facts = [fmp4.read(f.path) for f in finished]
    assert [f.index for f in finished] == list(range(len(finished)))
    assert all(a.starts_s + fact.duration_s == pytest.approx(b.starts_s, abs=0.02)
               for a, b, fact in zip(finished, finished[1:], facts, strict=False))  # fmt: skip
    assert all(fact.whole_bytes == fact.size_bytes and fact.holes == () for fact in facts)
    assert {(fact.video, fact.audio) for fact in facts} == {("hevc", "aac")}
    assert sum(fact.frames for fact in facts) >= 42


@pytest.mark.parametrize(
    ("url", "trouble"),
    [("{base}/nowhere", "no stream"), ("rtsp://127.0.0.1:{closed}/x", "unreachable"), ("{base}/hall/main", "password")],
)
def test_the_cause_of_an_end_is_told_by_what_ffmpeg_says(filmed: CamerasProcess, url: str, trouble: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: refused
        base = filmed.addresses["hall"].rtsp_url.rsplit("/", 2)[0]
        at = url.format(base=base, closed=taken.getsockname()[1])
        with pytest.raises(StreamError) as caught:
            ask(Source(at, "examsite", "wrong"))
    assert caught.value.trouble == trouble


@pytest.mark.parametrize(
    ("line", "trouble"),
    [
        ("[mp4 @ 0x1] [error] av_interleaved_write_frame(): No space left on device", "disk full"),
        ("[segment @ 0x1] [error] Failed to open segment '/srv/x-000001.mp4'", "disk error"),
        ("[error] pipe:0: Connection timed out", "silent"),
        ("[tcp @ 0x1] [error] Connection to tcp://10.0.0.9:554 failed: No route to host", "unreachable"),
        ("[rtsp @ 0x1] [error] method SETUP failed: 461 Unsupported transport", "transport"),
        ("[error] pipe:0: Invalid data found when processing input", "unreadable"),
        ("[segment @ 0x1] [warning] Non-monotonous DTS in output stream 0:0", "closed"),
    ],
)
def test_ffmpegs_words_become_a_kind_of_trouble(line: str, trouble: str) -> None:
    assert ffmpeg.trouble(Source("rtsp://10.0.0.9/"), [line], "it ended").trouble == trouble


def test_in_a_silence_at_most_the_frame_held_back_is_counted_and_the_last_fragment_is_kept(
    filmed: CamerasProcess, tmp_path: Path
) -> None:
    run = Run(source_of(filmed, "stairs", timeout_s=1.5), Stream("hevc", "aac"), tmp_path, "run", 3600)
    read_until(run, 18)
    filmed.control("silence stairs 60")
    before = counted(run, 1.2)[-1:]  # none from 5.1: it writes no lines while it waits for its camera
    late = counted(run, 4.0)  # meanwhile its read times out: 5.1 ends, 7.1 lets the frame out and reads on
    news = run.stop()
    filmed.control("silence stairs 0")
    assert all(frames <= before[0] + pulse.HELD_BACK for frames in late if before)
    assert news.ended
    (file,) = tmp_path.glob("*.mp4")
    assert fmp4.read(file).frames >= max([18, *before])


def counted(run: Run, seconds: float) -> list[int]:
    """The frame counts of so many seconds, or until it ends."""
    found, until_s = [], time.monotonic() + seconds
    while (left_s := until_s - time.monotonic()) > 0:
        news = run.read(left_s)
        found += [news.progress.frames] if news.progress else []
        if news.ended:
            break
    return found


SLEEPER = """
import os, sys, threading, time
from pathlib import Path
from drivers.ffmpeg import Run, Source, Stream
def start():
    global run
    run = Run(Source(sys.argv[1]), Stream("h264", None), Path(sys.argv[2]), "run", 2)
    print(run.process.pid, flush=True)
    time.sleep(float(sys.argv[3]))
threading.Thread(target=start).start()
time.sleep(60)
"""


@pytest.mark.parametrize("way", ["the process is killed", "its thread ends"])
def test_ffmpeg_ends_with_the_thread_that_started_it(tmp_path: Path, way: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:  # takes the connection and never says a word
        url = f"rtsp://127.0.0.1:{mute.getsockname()[1]}/x"
        lasts = "1.0" if way == "its thread ends" else "60"
        owner = subprocess.Popen([sys.executable, "-c", SLEEPER, url, str(tmp_path), lasts],
                                 cwd=ROOT, stdout=subprocess.PIPE, text=True)  # fmt: skip
        assert owner.stdout is not None
        pid = int(owner.stdout.readline())
        wait_until(lambda: b"ffmpeg" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0], "ffmpeg runs")
        if way == "the process is killed":
            os.kill(owner.pid, signal.SIGKILL)
        wait_until(lambda: gone(pid), "ffmpeg ends", seconds=5)
        owner.kill()
        owner.communicate()


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] in "ZX"
    except FileNotFoundError:
        return True


def test_a_leash_whose_holder_is_gone_already_starts_nothing() -> None:
    done = subprocess.run([*ffmpeg.LEASH, str(os.getpid() + 1), "echo", "started"], capture_output=True, check=False)
    assert done.stdout == b""
    done = subprocess.run([*ffmpeg.LEASH, str(os.getpid()), "echo", "started"], capture_output=True, check=True)
    assert done.stdout == b"started\n"


def test_holes_are_seen_between_and_inside_fragments(tmp_path: Path) -> None:
    whole = tmp_path / "whole.mp4"
    film(whole, 4.0)
    holed = tmp_path / "holed.mp4"
    drop = "select='not(between(n,12,25))'"  # 1.4 s in the middle, time stamps kept
    subprocess.run(["ffmpeg", "-v", "error", "-i", str(whole), "-vf", drop, "-vsync", "passthrough",
                    "-g", "10", "-bf", "0", "-movflags", "+frag_keyframe+empty_moov+default_base_moof", str(holed)],
                   check=True, timeout=60)  # fmt: skip
    facts = fmp4.read(holed)
    assert facts.frames == 26
    assert len(facts.holes) == 1
    assert facts.holes[0] == pytest.approx((1.2, 2.6), abs=0.02)
    assert fmp4.read(whole).holes == ()


def test_runs_of_several_threads_stand_side_by_side(filmed: CamerasProcess, tmp_path: Path) -> None:
    done: list[int] = []

    def record(name: str) -> None:
        run = Run(source_of(filmed, "hall"), Stream("h264", None), tmp_path, name, 2)
        read_until(run, 12)
        done.append(len(run.stop().finished))

    threads = [threading.Thread(target=record, args=(f"r{n}",)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(done) == 3
    assert all(done)


def test_a_stalled_ffmpeg_keeps_every_frame_it_holds(tmp_path: Path) -> None:
    with RtspCamera(Manner(sound="pcma", mute=((25, 10_000),))) as strange:  # RTCP and sound go on
        found = ask(Source(strange.url))
        run = Run(found.source, found.stream, tmp_path, "run", 3600)
        read_until(run, 20)
        time.sleep(3)
        finished = run.stop(stalled=True).finished
    assert len(strange.sent) == 25
    assert [each for f in finished for each in slices_in(f.path)] == strange.sent
