"""A site whose cameras play numbered films, and the real recorder as a process: what several benchmarks share."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from urllib.parse import urlsplit

from appliance import archive, coverage, exams, store
from appliance.clock import SystemClock
from appliance.config import Config
from appliance.coverage import CameraCoverage
from bench.films import ROOT, Films
from demo.cameras_process import Address
from tests.fakes.recorded_site import EXAM, end_exam, plan_exam, site
from tests.fakes.rtsp_film import numbers_in

START_LIMIT_S = 120.0
CLOCK = SystemClock()


@dataclass(frozen=True, slots=True)
class Kept:
    """What is on disk of one camera, against what it sent. `lost`: of the frames between the first and the last kept.

    """

    camera: str
    frames: int
    boundaries: int
    lost: int
    twice: int
    first_s: float  # from the recorder's launch to the first frame
    gaps: CameraCoverage


class FilmedSite:
    """The recorder of a site whose exam has just begun, for as long as the `with` lasts. `cores`: as for taskset."""

    def __init__(self, folder: Path, films: Films, *, segment_s: float, cores: str = "") -> None:
        self.films = films
        names = {f"camera-{urlsplit(url).port}": url for url in films.urls}
        addresses = {name: Address(name, url, "", "u", "word") for name, url in names.items()}
        folder.mkdir(parents=True)
        self.config: Config = site(folder, addresses, segment_s=segment_s, stall_s=4.0)
        self.launched_at = CLOCK.now()
        with closing(store.open(self.config.database)) as db:
            plan_exam(db, CLOCK, lasts_s=86400.0)
        argv = [sys.executable, "-m", "appliance", "run", "recorder", "--config", str(self.config.source)]
        self._log = (folder / "recorder.log").open("ab")
        self.process = subprocess.Popen(
            [*(["taskset", "-c", cores] if cores else []), *argv],
            cwd=ROOT, stdout=self._log, stderr=self._log, env={**os.environ, "LC_ALL": "C.UTF-8"},
        )  # fmt: skip

    @property
    def pid(self) -> int:
        return self.process.pid

    def wait_recording(self) -> float:
        """Until there is a frame of every camera; seconds since the launch. Raises SystemExit."""
        wanted, until_s = len(self.films.urls), time.monotonic() + START_LIMIT_S
        with closing(store.open(self.config.database)) as db:
            while db.value("select count(*) from camera_state where state = 'recording'") < wanted:
                if time.monotonic() > until_s or self.process.poll() is not None:
                    log = (self.config.source.parent / "recorder.log").read_text(encoding="utf-8", errors="replace")
                    raise SystemExit(f"not all cameras record after {START_LIMIT_S:.0f} s\n{log[-3000:]}")
                time.sleep(0.1)
        return (CLOCK.now() - self.launched_at).total_seconds()

    def finish(self) -> None:
        """The exam is over: the recorder closes its files and ends."""
        with closing(store.open(self.config.database)) as db:
            end_exam(db, CLOCK)
            until_s = time.monotonic() + 30
            while db.value("select count(*) from camera_state where state <> 'idle'") and time.monotonic() < until_s:
                time.sleep(0.2)
        self.stop()

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(60)
        self._log.close()

    def kept(self) -> list[Kept]:
        """What became of each camera."""
        with closing(store.open(self.config.database)) as db:
            exam = exams.get(db, EXAM)
            coverage.update(db, self.config, CLOCK, exam, exam.ends_at)
            covered = coverage.summary(db, self.config, exam, exam.ends_at)
            return [self._kept(db, each) for each in covered]

    def _kept(self, db: store.Database, covered: CameraCoverage) -> Kept:
        found = sorted(archive.segments(db, camera=covered.camera), key=lambda s: s.starts_at)
        numbers = [n for segment in found for n in numbers_in(self.config.video / segment.path)]
        if not numbers:
            return Kept(covered.camera, 0, 0, 0, 0, 0.0, covered)
        steps = [b - a for a, b in pairwise(numbers)]
        return Kept(
            covered.camera, len(numbers), len(found) - 1, sum(step - 1 for step in steps if step > 1),
            len(numbers) - len(set(numbers)) + sum(step < 0 for step in steps),
            (found[0].starts_at - self.launched_at).total_seconds(), covered,
        )  # fmt: skip

    def __enter__(self) -> FilmedSite:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
