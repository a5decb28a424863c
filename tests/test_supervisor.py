"""`run all`: what dies is started again and the journal says how long it was away; what hangs is ended."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import threading
import time
from itertools import pairwise
from pathlib import Path

import pytest

from appliance import config, journal, store, supervisor
from appliance.clock import SystemClock
from appliance.commands.site import initialise
from appliance.config import Config

ROOT = Path(__file__).resolve().parent.parent

# A service that says it is ready, as health.started does, and then only waits.
READY = (
    "import os, socket, sys, time; s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM);"
    "s.connect(os.environ['NOTIFY_SOCKET']); s.send(b'READY=1');"
    "open(sys.argv[1], 'a').write(f'{os.getpid()}\\n'); time.sleep(60)"
)
DIES = "raise SystemExit(3)"


@pytest.fixture
def site(tmp_path: Path) -> Config:
    shutil.copy(ROOT / "examples" / "ru-ege.toml", tmp_path)
    text = (ROOT / "examples" / "site.toml").read_text(encoding="utf-8")
    text = text.replace("/var/lib/examsite", "data").replace("/srv/video", "video")
    (tmp_path / "site.toml").write_text(text, encoding="utf-8")
    loaded = config.load(tmp_path / "site.toml")
    initialise(loaded)
    return loaded


def wait_for(condition: object, limit_s: float = 15.0) -> None:
    assert callable(condition)
    until = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < until, "it did not come"
        time.sleep(0.05)


class Running:
    """The supervisor on the test's own main thread is not possible: PDEATHSIG goes by thread, so it keeps one alive."""

    def __init__(self, site: Config) -> None:
        self.stop = threading.Event()
        self.thread = threading.Thread(target=supervisor.run, args=(site, SystemClock(), self.stop))

    def __enter__(self) -> Running:
        self.thread.start()
        return self

    def __exit__(self, *_details: object) -> None:
        self.stop.set()
        self.thread.join(20)
        assert not self.thread.is_alive()


def pids(file: Path) -> list[int]:
    return [int(line) for line in file.read_text().split()] if file.exists() else []


def test_a_killed_service_comes_back_and_the_journal_says_so(site: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    marks = {name: site.data / f"{name}.pids" for name in ("watch", "keeper")}
    monkeypatch.setattr(supervisor, "SERVICES", tuple(marks))
    monkeypatch.setattr(supervisor, "command", lambda name, _: [sys.executable, "-c", READY, str(marks[name])])
    db = store.open(site.database)
    with Running(site):
        wait_for(lambda: all(len(pids(mark)) == 1 for mark in marks.values()))
        os.kill(pids(marks["watch"])[0], signal.SIGKILL)
        wait_for(lambda: journal.entries(db, kinds=["service.died"]))
        assert len(pids(marks["keeper"])) == 1  # the other one went on
        (entry,) = journal.entries(db, kinds=["service.died"])
        assert (entry.data["service"], entry.data["cause"]) == ("watch", "SIGKILL")
        last = [pids(mark)[-1] for mark in marks.values()]
    for pid in last:
        assert not Path(f"/proc/{pid}").exists()


def test_one_that_dies_at_once_is_not_started_in_a_tight_loop(site: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    starts: list[float] = []

    def command(_name: str, _config: Config) -> list[str]:
        return [sys.executable, "-c", DIES]

    original = supervisor.Child.start

    def counted(child: supervisor.Child) -> None:
        starts.append(time.monotonic())
        original(child)

    monkeypatch.setattr(supervisor, "SERVICES", ("watch",))
    monkeypatch.setattr(supervisor, "command", command)
    monkeypatch.setattr(supervisor.Child, "start", counted)
    with Running(site):
        wait_for(lambda: len(starts) >= 4)
    waits = [later - earlier for earlier, later in pairwise(starts)]
    assert waits[2] > waits[0]  # it waits longer each time


def test_one_that_says_nothing_is_ended_and_started_again(site: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    mark = site.data / "watch.pids"
    monkeypatch.setattr(supervisor, "SERVICES", ("watch",))
    monkeypatch.setattr(supervisor, "WATCHDOG_S", 1.0)
    monkeypatch.setattr(supervisor, "command", lambda *_: [sys.executable, "-c", READY, str(mark)])
    with Running(site):
        wait_for(lambda: len(pids(mark)) >= 2)
