"""The power goes while cameras are recorded: what was called safe or archived is there, and all of it plays.

The recordings lie on an ext4 of their own, in a file behind a loop device. At random moments the file is copied: what
the kernel had not written yet is missing there, as after a power cut. The copy is mounted, which replays the file
system's log, and the next recording in it takes in what was left. Root and loop devices are needed.
EXAMSITE_LONG=1 cuts forty times. `python -m bench.power_cut` does the same to a whole machine with a kernel of its own.
"""

from __future__ import annotations

import filecmp
import hashlib
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import pytest

from appliance import archive, cameras, store
from tests.fakes.loop_disk import LoopDisk
from tests.fakes.recorded_site import ROOT, wait_until
from tests.fakes.rtsp_camera import Manner, RtspCamera
from tests.fakes.rtsp_film import numbers_in

LONG = os.environ.get("EXAMSITE_LONG") == "1"
CUTS = 40 if LONG else 3
CAMERAS, FPS, GOP_S = 2, 10, 1.0
LOSS_S = 2.0
SEGMENT_S = 12.0  # an open file is cut when it is far older than that
DISK_MB = 180  # `examsite record` leaves 100 free
DATABASE = ".examsite/examsite.db"
pytestmark = pytest.mark.timeout(3600 if LONG else 120)


@dataclass(frozen=True, slots=True)
class Cut:
    """A copy of the disk; what had been sent by then, and promised: rows, and until when each camera is safe."""

    image: Path
    at_s: float
    sent: dict[str, int]
    safe_s: dict[str, float]
    rows: dict[str, str]


@dataclass(frozen=True, slots=True)
class Left:
    """What is there after the next start."""

    cut: Cut
    numbers: dict[str, list[list[int]]]  # camera: of each recording, in their order
    hashes: dict[str, str]
    unplayable: list[str]  # of all that is called .mp4, before that start and after it


def record(folder: Path, urls: list[str], seconds: float) -> subprocess.Popen[bytes]:
    words = [word for url in urls for word in ("--url", url)]
    return subprocess.Popen(
        [sys.executable, "-m", "appliance", "record", *words, "--to", str(folder), "--seconds", str(seconds),
         "--segment-s", str(SEGMENT_S), "--json"], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


def still_copy(image: Path, to: Path) -> None:
    """The kernel writes on its own too: copied until it stood still meanwhile."""
    while True:
        subprocess.run(["cp", "--sparse=always", str(image), str(to)], check=True)
        if filecmp.cmp(image, to, shallow=False):
            return


def cut(disk: LoopDisk, to: Path, filmed: dict[str, RtspCamera]) -> Cut:
    with closing(store.open(disk.folder / "to" / DATABASE)) as db:
        rows = {s.path: s.sha256 for s in archive.segments(db)}
        safe = {s.camera: s.safe_until_at for s in cameras.states(db).values()}
    at_s, sent = time.time(), {name: each.newest for name, each in filmed.items()}
    still_copy(disk.image, to)
    safe_s = {c: datetime.fromisoformat(at).timestamp() for c, at in safe.items() if at}
    return Cut(to, at_s, sent, safe_s, rows)


def left_of(each: Cut, folder: Path) -> Left:
    """Mount what the cut left, and begin another recording there, at a camera that does not answer."""
    with LoopDisk(each.image, folder, make=False) as disk:
        place = disk.folder / "to"
        unplayable = [path.name for path in place.rglob("*.mp4") if not plays(path)]
        assert record(place, ["rtsp://127.0.0.1:9/x"], 1).wait(60) == 1
        with closing(store.open(place / DATABASE)) as db:
            found = sorted(archive.segments(db), key=lambda s: s.starts_at)
        unplayable += [segment.path for segment in found if not plays(place / segment.path)]
        numbers: dict[str, list[list[int]]] = {name: [] for name in each.sent}
        for segment in found:
            numbers[segment.camera].append(numbers_in(place / segment.path))
        hashes = {s.path: hashlib.sha256((place / s.path).read_bytes()).hexdigest() for s in found}
        return Left(each, numbers, hashes, unplayable)


def plays(path: Path) -> bool:
    argv = ["ffmpeg", "-nostdin", "-v", "error", "-i", str(path), "-f", "null", "-"]
    done = subprocess.run(argv, capture_output=True, check=False)
    return (done.returncode, done.stderr) == (0, b"")


@pytest.fixture(scope="module")
def lefts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Left]]:
    root, chance = tmp_path_factory.mktemp("cut"), random.Random()
    try:
        disk = LoopDisk(root / "disk", root / "mnt", DISK_MB)
    except OSError as cannot:
        pytest.skip(f"no loop disks without the right to mount: {cannot}")
    manner = Manner(numbered=True, fps=FPS, gop=round(FPS * GOP_S))
    with disk, ExitStack() as running:
        films = [running.enter_context(RtspCamera(manner)) for _ in range(CAMERAS)]
        filmed = {f"127-0-0-1-{film.port}-live": film for film in films}
        recorder = record(disk.folder / "to", [film.url for film in films], 600)
        running.callback(recorder.wait)
        running.callback(recorder.kill)
        wait_until(lambda: recorded(disk.folder / "to") >= CAMERAS, "some segments are archived", 40)
        cuts = []
        for number in range(CUTS):
            time.sleep(chance.uniform(3.0, 4.0))
            cuts.append(cut(disk, root / f"cut-{number}", filmed))
    with ThreadPoolExecutor(4) as several:
        yield list(several.map(left_of, cuts, [root / f"after-{number}" for number in range(CUTS)]))


def recorded(place: Path) -> int:
    if not (place / DATABASE).exists():
        return 0
    with closing(store.open(place / DATABASE)) as db:
        return int(db.value("select count(*) from sqlite_master where name = 'segment'")) and len(archive.segments(db))


def test_at_most_two_seconds_and_a_key_frame_distance_are_lost(lefts: list[Left]) -> None:
    for left in lefts:
        for name, sent in left.cut.sent.items():
            last = left.numbers[name][-1][-1]
            assert (sent - last) / FPS <= LOSS_S + GOP_S, (name, sent, last)


def test_what_was_called_safe_is_there(lefts: list[Left]) -> None:
    for left in lefts:
        assert len(left.cut.safe_s) == CAMERAS
        for name, safe_s in left.cut.safe_s.items():
            lost_s = (left.cut.sent[name] - left.numbers[name][-1][-1]) / FPS
            assert lost_s <= left.cut.at_s - safe_s + 2 / FPS, name


def test_no_archived_recording_is_lost_and_each_frame_is_there_once(lefts: list[Left]) -> None:
    for left in lefts:
        assert len(left.cut.rows) >= CAMERAS
        assert left.cut.rows.items() <= left.hashes.items()
        for recordings in left.numbers.values():
            numbers = [number for each in recordings for number in each]
            assert all(b == a + 1 for a, b in pairwise(numbers))


def test_every_file_plays_before_the_next_start_and_after_it(lefts: list[Left]) -> None:
    assert [left.unplayable for left in lefts] == [[] for _ in lefts]
