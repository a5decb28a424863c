"""Whole demo days, played as a newcomer would play them: `examsite demo --exit`. One calm, one with services killed.

They run one after the other on a thread of their own, so that a suite on two cores has time for its other tests.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from appliance import config as configuration
from appliance import health, store
from appliance.config import Config

FOLDER = "EXAMSITE_DAYS_FOLDER"  # where the days are played, told to the processes that run the tests
MINUTES = os.environ.get("EXAMSITE_DAY_MINUTES", "2.5")
KILLS = 20
LIMIT_S = 420.0


@dataclass(frozen=True, slots=True)
class DayResult:
    """A day that was played: its folder, what it printed, and what was killed when (service, seconds of the day)."""

    root: Path
    status: int
    output: str
    kills: list[tuple[str, float]]

    @property
    def summary(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.root / "summary.json").read_text(encoding="utf-8"))
        return found

    @property
    def config(self) -> Config:
        return configuration.load(self.root / "site.toml")


class Results:
    """What the days left in their folder; read by whichever process runs the tests."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def result(self, name: str) -> DayResult:
        """The day once it is over."""
        file, until = self._folder / f"{name}.json", time.monotonic() + 2 * LIMIT_S
        while not file.exists():
            assert time.monotonic() < until, f"the {name} day did not end"
            time.sleep(0.2)
        left = json.loads(file.read_text(encoding="utf-8"))
        output = (self._folder / f"{name}.txt").read_text(encoding="utf-8")
        return DayResult(self._folder / name, left["status"], output, left["kills"])


class Days:
    """Plays days by name: `calm` as it is, `killed` with 20 SIGKILLs to services at random moments."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="examsite-days-"))
        self.names: list[str] = []
        self._process: subprocess.Popen[str] | None = None
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to play the days in `names`, if there are any; a second call is none."""
        if self.names and self._thread is None:
            self._thread = threading.Thread(target=self._run, name="days", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """End a day that is still running, and remove the folder."""
        self._closing.set()
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
        if self._thread is not None:
            self._thread.join(30)
        for folder in self.folder.rglob("*"):
            if folder.is_dir() and not folder.is_symlink():
                folder.chmod(0o700)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _run(self) -> None:
        for name in self.names:
            if not self._closing.is_set():
                self._play(name)

    def _play(self, name: str) -> None:
        root = self.folder / name
        argv = [sys.executable, "-m", "appliance", "demo", "--exit", "--minutes", MINUTES]
        argv += ["--port", str(free_port()), "--data", str(root)]
        environment = {**os.environ, "LC_ALL": "C.UTF-8"}
        with (self.folder / f"{name}.txt").open("w", encoding="utf-8") as output:
            self._process = subprocess.Popen(argv, stdout=output, stderr=output, text=True, env=environment)
            kills = list(self._kill_now_and_then(root)) if name == "killed" else []
            status = self._process.wait(LIMIT_S)
        fresh = self.folder / f"{name}.new"
        fresh.write_text(json.dumps({"status": status, "kills": kills}), encoding="utf-8")
        fresh.rename(self.folder / f"{name}.json")  # whole or not there, for who waits in another process

    def _kill_now_and_then(self, root: Path) -> Iterator[tuple[str, float]]:
        """SIGKILL a random service at 20 random moments between the plan and the hand-over."""
        assert self._process is not None
        until = time.monotonic() + 60
        while "plan" not in _steps_begun(root) and time.monotonic() < until and self._process.poll() is None:
            time.sleep(0.2)
        began, length_s = time.monotonic(), float(MINUTES) * 60 - 45
        chance = random.Random(os.environ.get("EXAMSITE_SEED"))
        moments = sorted(chance.uniform(0, length_s) for _ in range(KILLS))
        for moment in moments:
            while time.monotonic() - began < moment:
                if self._process.poll() is not None or self._closing.is_set():
                    return
                time.sleep(0.05)
            service = chance.choice(health.SERVICES)
            if kill(root, service):
                yield service, round(time.monotonic() - began, 1)


def _steps_begun(root: Path) -> set[str]:
    """`plan` once the demo's exam stands in the database."""
    database = root / "data" / "examsite.db"
    if not database.exists():
        return set()
    db = store.open(database)
    try:
        tables = db.value("select count(*) from sqlite_master where name = 'exam'")
        return {"plan"} if tables and db.value("select count(*) from exam") else set()
    finally:
        db.close()


def kill(root: Path, service: str) -> bool:
    """SIGKILL the process that beats as this service of this site; False when it is just away."""
    db = store.open(root / "data" / "examsite.db")
    try:
        pid = next((beat.pid for beat in health.heartbeats(db) if beat.service == service), None)
    finally:
        db.close()
    if pid is None or str(root) not in _command_line(pid):
        return False
    os.kill(pid, signal.SIGKILL)
    return True


def _command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except FileNotFoundError:
        return ""


def free_port() -> int:
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return int(trial.getsockname()[1])
