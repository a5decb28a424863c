"""Film cameras for benchmarks: many RTSP cameras in a process of their own, whose frames carry their numbers.

They play an encoded film (tests/fakes/rtsp_camera.py), so a camera costs a hundredth of one that encodes live, and what
a recorder kept is compared with what was sent frame by frame, for hours, without decoding.

`python -m bench.films --cameras 16` prints its addresses and when each film began as JSON, and then answers lines of
its standard input: `newest` with the number of the newest frame each camera sent, `drop N` by hanging up on camera N's
clients. It ends with its standard input.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, cast

from tests.fakes.rtsp_camera import Manner, RtspCamera

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Film:
    """What every camera plays. The profile plans 2 Mbit/s a camera; `SMALL` is for a slow machine."""

    fps: int = 25
    gop: int = 25
    size: str = "1280x720"
    bit_rate: str = "2M"

    def told(self) -> str:
        return f"{self.size}, {self.fps} frames, {self.bit_rate}bit/s, a key frame each {self.gop / self.fps:g} s"


PLANNED = Film()
SMALL = Film(fps=10, gop=10, size="320x180", bit_rate="300k")
FILMS = {"planned": PLANNED, "small": SMALL}


class Films:
    """The process, for as long as the `with` lasts."""

    def __init__(self, cameras: int, film: Film, cores: str = "") -> None:
        argv = [sys.executable, "-m", "bench.films", "--cameras", str(cameras), "--fps", str(film.fps)]
        argv += ["--gop", str(film.gop), "--size", film.size, "--bit-rate", film.bit_rate]
        pinned = ["taskset", "-c", cores] if cores else []
        self._child = subprocess.Popen(
            [*pinned, *argv], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        said = self._answer()
        self.urls: list[str] = said["urls"]
        self.began_s: list[float] = said["began_s"]  # Unix time of frame 0
        self.pid = self._child.pid

    def _answer(self) -> Any:
        assert self._child.stdout
        return json.loads(self._child.stdout.readline())

    def _ask(self, line: str) -> Any:
        assert self._child.stdin
        self._child.stdin.write(line + "\n")
        self._child.stdin.flush()
        return self._answer()

    def newest(self) -> list[int]:
        """The number of the newest frame each camera has sent."""
        return cast(list[int], self._ask("newest"))

    def drop(self, camera: int) -> None:
        """This camera hangs up on everybody."""
        self._ask(f"drop {camera}")

    def __enter__(self) -> Films:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._child.stdin and self._child.stdout
        self._child.stdin.close()
        self._child.wait(20)
        self._child.stdout.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cameras", type=int, required=True)
    parser.add_argument("--fps", type=int, default=PLANNED.fps)
    parser.add_argument("--gop", type=int, default=PLANNED.gop)
    parser.add_argument("--size", default=PLANNED.size)
    parser.add_argument("--bit-rate", default=PLANNED.bit_rate)
    chosen = parser.parse_args()
    manner = Manner(numbered=True, fps=chosen.fps, gop=chosen.gop, sizes=(chosen.size,), bit_rate=chosen.bit_rate)
    with ExitStack() as running:
        cameras = [running.enter_context(RtspCamera(manner)) for _ in range(chosen.cameras)]
        ago_s = time.time() - time.monotonic()
        began_s = [camera.frame_due_s(0) + ago_s for camera in cameras]
        print(json.dumps({"urls": [camera.url for camera in cameras], "began_s": began_s}), flush=True)
        for line in sys.stdin:
            word, _, which = line.strip().partition(" ")
            if word == "drop":
                cameras[int(which)].hang_up()
            print(json.dumps([camera.newest for camera in cameras]), flush=True)


if __name__ == "__main__":
    main()
