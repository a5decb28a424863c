"""The power goes while five processes append to the journal: whatever was acknowledged is there afterwards, and holds.

The site lies on an ext4 of its own, in a file behind a loop device. At a random moment every writer is stopped and the
file copied: what the kernel had not written yet is missing there, as after a power cut. The copy is mounted, which
replays the file system's log, and opened, which replays SQLite's. Root and loop devices are needed.
EXAMSITE_LONG=1 cuts the power a thousand times.
"""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from appliance import checkpoints, journal, journal_check, merkle, store
from appliance import config as configuration
from appliance.clock import SystemClock
from appliance.config import Config
from tests.fakes import exam_site

LONG = os.environ.get("EXAMSITE_LONG") == "1"
DISKS, CUTS = (50, 20) if LONG else (1, 8)  # a disk is filled by about twenty cuts' rows
WRITERS = 5
MEBI = 1 << 20
CAUSES = ("disk I/O error", "database or disk is full", "readonly", "unable to open")

WRITER = """
import os, sqlite3, sys
from pathlib import Path
from appliance import checkpoints, config, journal, store
from appliance.clock import SystemClock
from appliance.model import Actor, Personal
settings, clock = config.load(Path(sys.argv[1])), SystemClock()
db = store.open(settings.database)
who = Actor("person", "orlov", "Орлов П. С.", "technician")
try:
    while True:
        with store.transaction(db):
            for _ in range(3):
                seq = journal.append(db, clock, "box.started", who, word=Personal("Переткнул кабель"))
        os.write(1, f"row {seq} {journal.get(db, seq).hash}\\n".encode())
        if sys.argv[2] == "0":
            made = checkpoints.sign(db, settings, clock, "person")
            os.write(1, f"signed {made.size} {made.root.hex()}\\n".encode())
except (sqlite3.Error, OSError) as told:
    os.write(1, f"told {told}\\n".encode())
"""


@dataclass(slots=True)
class Writer:
    """A process that appends, and what it has acknowledged so far."""

    process: subprocess.Popen[bytes]
    said: bytes = b""

    @classmethod
    def start(cls, config: Config, number: int) -> Writer:
        argv = [sys.executable, "-c", WRITER, str(config.source), str(number)]
        process = subprocess.Popen(argv, stdout=subprocess.PIPE)
        assert process.stdout is not None
        os.set_blocking(process.stdout.fileno(), False)
        return cls(process)

    def stop(self) -> None:
        """Stop it where it is: in the kernel it finishes its call, no other begins."""
        self.process.send_signal(signal.SIGSTOP)
        state = Path(f"/proc/{self.process.pid}/stat")
        while state.read_text().rpartition(")")[2].split()[0] not in "TZ":
            time.sleep(0.001)

    def acknowledged(self) -> list[list[str]]:
        assert self.process.stdout is not None
        self.said += self.process.stdout.read() or b""
        whole = self.said[: self.said.rfind(b"\n") + 1]
        return [line.decode().split(maxsplit=2) for line in whole.splitlines()]

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


@dataclass(slots=True)
class Disk:
    """A disk in a file, mounted while in use."""

    image: Path

    def format(self) -> None:
        with self.image.open("wb") as file:
            file.truncate(96 * MEBI)
        run("mkfs.ext4", "-q", "-F", "-b", "4096", "-J", "size=4", str(self.image))

    @contextmanager
    def mount(self, place: Path) -> Iterator[Path]:
        place.mkdir(exist_ok=True)
        device = run("losetup", "-f", "--show", str(self.image))
        # One page a request: of a longer one the loop driver reports a write that ended half way as done.
        Path(f"/sys/block/{Path(device).name}/queue/max_sectors_kb").write_text("4")
        try:
            run("mount", device, str(place))
            try:
                yield place
            finally:
                run("umount", str(place))
        finally:
            run("losetup", "-d", device)

    def cut(self, into: Path) -> Disk:
        """What a power cut now would leave. The kernel writes on its own too: copied until it stood still."""
        while True:
            shutil.copyfile(self.image, into)
            if digest(into) == digest(self.image):
                return Disk(into)


def digest(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "blake2b").digest()


def run(*argv: str) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, f"{' '.join(argv)}: {done.stderr}"
    return done.stdout.strip()


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """A folder for disks; in memory where that can be had, for the copies."""
    if os.geteuid() != 0:
        pytest.skip("mounting a disk in a file needs root")
    tried = subprocess.run(["losetup", "-f"], capture_output=True, text=True, check=False)
    if tried.returncode != 0:
        pytest.skip(f"mounting a disk in a file needs a loop device: {tried.stderr.strip()}")
    if not os.access(f"/sys/block/{Path(tried.stdout.strip()).name}/queue/max_sectors_kb", os.W_OK):
        pytest.skip("mounting a disk in a file needs /sys to be writable")
    folder = tmp_path / "disks"
    folder.mkdir()
    tried = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=600m", "tmpfs", folder], capture_output=True, text=True,
                           check=False)  # fmt: skip
    if tried.returncode != 0:
        pytest.skip(f"nothing may be mounted here: {tried.stderr.strip()}")
    try:
        yield folder
    finally:
        run("umount", str(folder))


def site(folder: Path) -> Config:
    """A site on the disk, and a first entry; all of it synced."""
    config = exam_site.site(folder)
    exam_site.database(config).conn.close()
    os.sync()
    return config


def check(disk: Disk, place: Path, acknowledged: list[list[str]]) -> int:
    """Mount and open what was left: every acknowledged row and signature is there, and everything holds. -> rows"""
    with disk.mount(place) as folder:
        config = configuration.load(folder / "site.toml")
        db = store.open(config.database)
        try:
            assert store.check(db) is None
            size = journal.head(db)[0]
            for what, number, value in acknowledged:
                if what == "row":
                    assert int(number) <= size, f"entry {number} was acknowledged, {size} are left"
                    assert journal.get(db, int(number)).hash == value
                elif what == "signed":
                    kept = checkpoints.at_size(db, int(number))
                    assert kept is not None, f"the checkpoint of {number} entries was acknowledged"
                    assert kept.root.hex() == value
            assert merkle.size(db) == size
            found = journal_check.check(db)
            assert (found.faults, found.refusals, found.damaged, found.entries) == ((), (), None, size)
            checkpoints.sign(db, config, SystemClock(), "start")  # the next start goes on from there
            last = checkpoints.latest(db)
            assert last is not None
            assert last.size == size
            return size
        finally:
            db.conn.close()


@pytest.mark.timeout(7200 if LONG else 120)
def test_whatever_was_acknowledged_before_a_power_cut_is_there_after_it_and_holds(place: Path) -> None:
    chance, cuts, unsaved = random.Random(), 0, 0
    for number in range(DISKS):
        disk = Disk(place / f"disk-{number}")
        disk.format()
        with disk.mount(place / "mnt") as folder:
            config = site(folder)
            writers = [Writer.start(config, each) for each in range(WRITERS)]
            try:
                while not all(writer.acknowledged() for writer in writers):
                    time.sleep(0.01)
                for _ in range(CUTS):
                    time.sleep(chance.uniform(0.005, 0.06))
                    for writer in writers:
                        writer.stop()
                    said = [line for writer in writers for line in writer.acknowledged()]
                    left = disk.cut(place / "cut")
                    rows = check(left, place / "after", said)
                    unsaved += rows > max(int(line[1]) for line in said if line[0] == "row")
                    cuts += 1
                    for writer in writers:
                        assert writer.process.poll() is None
                        writer.process.send_signal(signal.SIGCONT)
            finally:
                for writer in writers:
                    writer.end()
        disk.image.unlink()
    print(f"{cuts} power cuts, {unsaved} of them with rows on the disk that nobody had been told of yet")
    assert cuts == DISKS * CUTS


@pytest.mark.timeout(120)
def test_a_disk_that_fails_in_the_midst_of_a_sync_is_told_and_loses_nothing_acknowledged(place: Path) -> None:
    """The disk's file lies where there is no room for it: the kernel cannot write what it took, and says so."""
    small = place / "small"
    small.mkdir()
    run("mount", "-t", "tmpfs", "-o", f"size={16 * MEBI}", "tmpfs", str(small))
    try:
        disk = Disk(small / "disk")
        disk.format()
        with disk.mount(place / "mnt") as folder:
            config = site(folder)
            writers = [Writer.start(config, each) for each in range(2)]
            try:
                until = time.monotonic() + 60
                while any(writer.process.poll() is None for writer in writers) and time.monotonic() < until:
                    time.sleep(0.02)
                    for writer in writers:
                        writer.acknowledged()  # else the pipe is full and they wait
                said = [line for writer in writers for line in writer.acknowledged()]
            finally:
                for writer in writers:
                    writer.end()
            told = [" ".join(line[1:]) for line in said if line[0] == "told"]
            assert len(told) == 2
            assert all(any(cause in each for cause in CAUSES) for each in told), told
            assert len(said) > 10
            left = disk.cut(place / "cut")
        check(left, place / "after", [line for line in said if line[0] != "told"])
    finally:
        run("umount", str(small))
