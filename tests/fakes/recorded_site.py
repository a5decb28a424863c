"""A site whose cameras are recorded: short segments, an exam that is going on, the recorder as a process."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from functools import cache
from pathlib import Path

import tomli_w

from appliance import archive, identity, store
from appliance import config as configuration
from appliance.archive import Segment
from appliance.clock import Clock, SystemClock, iso
from appliance.config import Config
from appliance.store import Database
from demo.barcode import counters_in, faults_in
from demo.cameras_process import Address

ROOT = Path(__file__).resolve().parent.parent.parent
EXAM = "maths"


def site(
    folder: Path, addresses: Mapping[str, Address], *, sound: Iterable[str] = (), segment_s: float = 2.0,
    stall_s: float = 3.0, video: Path | None = None, reserve_bytes: int = 1_000_000, onvif: Iterable[str] = (),
    reserve_video: Path | None = None,
) -> Config:  # fmt: skip
    """Every camera in a corridor of its own; required exactly while the exam lasts. Makes the database."""
    profile = tomllib.loads((ROOT / "examples/ru-ege.toml").read_text(encoding="utf-8"))
    profile["recording"] = {
        "segment_s": segment_s, "lead_s": 0.0, "tail_s": 0.5, "stall_s": stall_s,
        "windows": [{"room_kind": "corridor", "before_start_min": 0.0, "after_end_min": 0.0}],
    }  # fmt: skip
    (folder / "profile.toml").write_bytes(tomli_w.dumps(profile).encode())
    names = {"ru": "Место", "en": "Place"}
    for name, address in addresses.items():
        (folder / f"{name}.password").write_text(address.password + "\n", encoding="utf-8")
    said = {
        "profile": "profile.toml",
        "site": {"code": "0123", "name": names, "timezone": "Asia/Yekaterinburg"},
        "storage": {"data": "data", "video": str(video or "video"), "reserve_bytes": reserve_bytes,
                    **({"reserve_video": str(reserve_video)} if reserve_video else {})},
        "room": [{"code": name, "kind": "corridor", "name": names} for name in addresses],
        "camera": [
            {"id": name, "name": names, "room": name, "user": address.user, "password_file": f"{name}.password",
             "sound": name in sound,
             **({"onvif": address.onvif_url} if name in onvif else {"stream": address.rtsp_url})}
            for name, address in addresses.items()
        ],
    }  # fmt: skip
    (folder / "site.toml").write_bytes(tomli_w.dumps(said).encode())
    config = configuration.load(folder / "site.toml")
    db = store.open(config.database, create=True)
    identity.begin(db, config)
    db.close()
    config.incoming.mkdir(parents=True, exist_ok=True)
    return config


def plan_exam(
    db: Database, clock: Clock, *, starts_in_s: float = 0.0, lasts_s: float = 3600.0, exam: str = EXAM
) -> None:
    """An exam row as `examsite exam plan` would leave it."""
    starts_at = clock.now() + timedelta(seconds=starts_in_s)
    with store.transaction(db):
        db.write("insert into exam (id, title, starts_at, ends_at) values (?, 'Maths', ?, ?)",
                 (exam, iso(starts_at), iso(starts_at + timedelta(seconds=lasts_s))))  # fmt: skip


def end_exam(db: Database, clock: Clock, *, in_s: float = 0.0, exam: str = EXAM) -> None:
    """Move the exam's end, with a new revision, as `exams.move` does."""
    with store.transaction(db):
        db.write("update exam set ends_at = ?, revision = revision + 1 where id = ?",
                 (iso(clock.now() + timedelta(seconds=in_s)), exam))  # fmt: skip


class RecorderProcess:
    """`examsite run recorder` as a process of its own, to be killed."""

    def __init__(self, config: Config) -> None:
        self._log = (config.data.parent / "recorder.log").open("ab")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "appliance", "run", "recorder", "--config", str(config.source)],
            cwd=ROOT, stderr=self._log, stdout=self._log, env={**os.environ, "EXAMSITE_CONFIG": str(config.source)},
        )  # fmt: skip

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self._log.close()

    def stop(self) -> int:
        """SIGTERM, as systemd does."""
        if self.process.poll() is None:
            self.process.terminate()
        status = self.process.wait(20)
        self._log.close()
        return status

    def __enter__(self) -> RecorderProcess:
        return self

    def __exit__(self, *_details: object) -> None:
        if self.process.poll() is None:
            self.stop()


def wait_until(true: Callable[[], object], what: str, seconds: float = 25.0) -> None:
    until_s = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until_s, f"did not happen within {seconds} s: {what}"
        time.sleep(0.1)


def adopted(db: Database, camera: str) -> list[Segment]:
    return archive.segments(db, camera=camera)


def counters(config: Config, segments: Iterable[Segment]) -> list[int | None]:
    """The frame counters of all these recordings, one after the other."""
    return [counter for segment in segments for counter in counters_in(archive.path(config, segment))]


def lost_or_twice(config: Config, segments: Iterable[Segment]) -> list[str]:
    """What is wrong with the frames of recordings that should join: empty when each frame follows the one before."""
    return faults_in(counters(config, segments))


CLOCK = SystemClock()


@cache
def _film(seconds: float, sound: bool, codec: str, b_frames: bool) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        to = Path(folder) / "film.mp4"
        source = ["-f", "lavfi", "-i", f"testsrc2=size=320x180:rate=10:duration={seconds}"]
        heard = ["-f", "lavfi", "-i", f"sine=frequency=440:sample_rate=16000:duration={seconds}"] if sound else []
        encode = ["-c:v", codec, "-g", "10", "-pix_fmt", "yuv420p", "-video_track_timescale", "90000"]
        encode += [] if b_frames else ["-bf", "0"]
        container = ["-movflags", "+frag_keyframe+empty_moov+default_base_moof", "-frag_duration", "1000000"]
        subprocess.run(["ffmpeg", "-nostdin", "-v", "error", *source, *heard, *encode, *container, str(to)],
                       check=True, timeout=60)  # fmt: skip
        return to.read_bytes()


def film(to: Path, seconds: float = 4.0, *, sound: bool = False, codec: str = "libx264", b_frames: bool = True
         ) -> Path:  # fmt: skip
    """A recording as the recorder's ffmpeg writes it, made without a camera: 10 frames and one fragment a second."""
    to.parent.mkdir(parents=True, exist_ok=True)
    to.write_bytes(_film(seconds, sound, codec, b_frames))
    return to
