"""The watch service on a real line: on disk before acknowledged, one event each, whatever dies or is pulled out."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from appliance import alarms, health, journal, links, maintenance
from appliance.clock import FakeClock, SystemClock
from appliance.config import Config
from appliance.services import watch
from appliance.store import Database
from demo.panel import DC4, HEARTBEAT, VirtualPanel
from demo.pseudo_terminal import PseudoTerminal
from tests.fakes.panel_site import ROOT, database, guard, panel_table, site

ALLOWED = {0x06, 0x15}
REPEAT_S = 0.3


def until(true: Callable[[], Any], timeout_s: float = 15.0) -> None:
    """Wait for something to become true; AssertionError when it does not."""
    ends_mono_s = time.monotonic() + timeout_s
    while not true():
        if time.monotonic() > ends_mono_s:
            raise AssertionError(f"not true within {timeout_s} s")
        time.sleep(0.02)


def virtual_panel(link: Path) -> VirtualPanel:
    return VirtualPanel(link, heartbeat_s=0.2, repeat_s=REPEAT_S).start()


class Site:
    """A site whose watch service runs on a thread here or as a process of its own."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.db: Database = database(config)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._processes: list[subprocess.Popen[bytes]] = []

    def watch(self) -> None:
        self._thread = threading.Thread(target=watch.main, args=(self.config, SystemClock(), self._stop))
        self._thread.start()

    def stop(self) -> None:
        """End the service here; what it knew is only in the database now. `watch` begins it anew."""
        assert self._thread is not None
        self._stop.set()
        self._thread.join(15)
        assert not self._thread.is_alive()
        self._thread, self._stop = None, threading.Event()

    def process(self, *words: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "tests.fakes.watch_process", str(self.config.source), *words]
        self._processes.append(subprocess.Popen(command, cwd=ROOT))
        return self._processes[-1]

    def close(self) -> None:
        self._stop.set()
        for process in self._processes:
            if process.poll() is None:
                process.kill()
                process.wait(10)
        if self._thread is not None:
            self._thread.join(15)
            assert not self._thread.is_alive()
        assert journal.verify(journal.stored_rows(self.db)).ok
        self.db.conn.close()

    def events(self) -> list[tuple[str, str, str]]:
        return [(r["code"], r["state"], r["zone"]) for r in self.db.rows("select * from event order by id")]

    def link(self, panel: str = "security") -> str | None:
        return self.db.value("select state from panel_link where panel = ?", (panel,))  # type: ignore[no-any-return]

    def kinds(self) -> list[str]:
        return [entry.kind for entry in journal.entries(self.db)]


@pytest.fixture
def panel(tmp_path: Path) -> Iterator[VirtualPanel]:
    panel = virtual_panel(tmp_path / "panel")
    yield panel
    panel.stop()
    assert set(panel.counts.received) <= ALLOWED


@pytest.fixture
def place(tmp_path: Path, panel: VirtualPanel) -> Iterator[Site]:
    place = Site(site(tmp_path, panel_table(panel.link, silent_after_s=1.0)))
    yield place
    place.close()


def test_an_event_is_on_disk_and_then_acknowledged(place: Site, panel: VirtualPanel) -> None:
    place.watch()
    assert panel.send("smoke", "001").wait(10)
    assert place.events() == [("111", "active", "001")]
    (alarm,) = alarms.board(place.db, place.config, SystemClock().now()).alarms
    assert (alarm.group.name, alarm.stale) == ("fire", False)
    assert place.link() == "heard"


def test_a_repeat_that_came_while_the_first_was_written_is_not_answered_on_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The panel would take the second answer for what it says next, and forget an event that nobody has heard."""
    line, heard = PseudoTerminal(tmp_path / "panel"), links.heard
    place = Site(site(tmp_path, panel_table(line.link, silent_after_s=30.0)))

    def slowly(*args: Any, **more: Any) -> bool:
        monkeypatch.undo()
        line.say(HEARTBEAT + DC4)
        return heard(*args, **more)

    monkeypatch.setattr(links, "heard", slowly)
    line.plug()
    try:
        line.say(HEARTBEAT + DC4)
        place.watch()
        until(lambda: place.link() == "heard")
        answers, until_s = b"", time.monotonic() + 0.7
        while time.monotonic() < until_s:
            answers += line.hear()
            time.sleep(0.02)
        assert answers == b"\x06"
    finally:
        place.close()
        line.unplug()


def test_the_service_beats_and_says_what_it_heard(
    place: Site, panel: VirtualPanel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "BEAT_S", 0.2)
    place.watch()
    assert panel.send("smoke").wait(10)

    def told() -> bool:
        return any(beat.note.get("security", {}).get("events") == 1 for beat in health.heartbeats(place.db))

    until(told)


def test_killed_between_disk_and_acknowledgement_nothing_is_lost_and_nothing_comes_twice(
    place: Site, panel: VirtualPanel
) -> None:
    first = place.process("die-before-answer")
    acknowledged = panel.send("fire", "001")
    assert first.wait(20) == -signal.SIGKILL
    assert place.events() == [("110", "active", "001")]  # on disk
    assert not acknowledged.wait(REPEAT_S)  # and not acknowledged
    second = place.process()
    assert acknowledged.wait(10)
    second.terminate()
    assert second.wait(10) == 0
    assert place.events() == [("110", "active", "001")]
    assert place.db.value("select repeats from event") >= 1
    assert place.kinds().count("alarm.raised") == 1


def test_killed_at_random_every_event_is_there_once_and_in_order(place: Site, panel: VirtualPanel) -> None:
    numbers = random.Random(22)
    waits = [panel.send("E130", f"{zone:03d}") for zone in range(60)]
    for _ in range(5):
        service = place.process()
        started = sum(wait.is_set() for wait in waits)
        until(lambda started=started: sum(w.is_set() for w in waits) >= min(60, started + 3))  # type: ignore[misc]
        time.sleep(numbers.random() * 0.1)
        service.send_signal(signal.SIGKILL)
        service.wait(10)
        on_disk = [zone for _, _, zone in place.events()]
        assert {f"{n:03d}" for n, wait in enumerate(waits) if wait.is_set()} <= set(on_disk)
    place.watch()
    until(lambda: all(wait.is_set() for wait in waits), 30)
    assert place.events() == [("130", "active", f"{zone:03d}") for zone in range(60)]


def test_an_unplugged_adapter_is_told_and_heals_by_itself_when_it_is_back(place: Site, panel: VirtualPanel) -> None:
    place.watch()
    until(lambda: place.link() == "heard")
    panel.unplug()
    until(lambda: place.link() == "unplugged", 5)
    acknowledged = panel.send("fire", "001")
    time.sleep(0.5)
    panel.replug()
    assert acknowledged.wait(10)
    until(lambda: place.link() == "heard")
    assert place.events() == [("110", "active", "001")]
    told = [kind for kind in place.kinds() if kind.startswith(("panel.", "alarm."))]
    assert told == ["panel.lost", "panel.heard", "alarm.raised"]  # the link is back before what it brought


def test_silence_is_a_lost_link_and_its_outage_is_journalled_when_the_panel_returns(
    place: Site, panel: VirtualPanel
) -> None:
    place.watch()
    until(lambda: place.link() == "heard")
    panel.go_silent(2.5)
    acknowledged = panel.send("mains-lost", "000")
    until(lambda: place.link() == "silent")
    (alarm,) = alarms.board(place.db, place.config, SystemClock().now()).alarms
    assert alarm.group.name == "nolink"
    until(lambda: place.link() == "heard")
    assert acknowledged.wait(10)
    (back,) = journal.entries(place.db, kinds=["panel.heard"])
    assert back.data["silent_ms"] >= 1000
    assert back.refs == tuple(entry.seq for entry in journal.entries(place.db, kinds=["panel.lost"]))


def test_a_rack_door_opened_twice_in_a_second_is_two_openings(place: Site, panel: VirtualPanel) -> None:
    place.watch()
    sent = [panel.send(name, "005") for name in ("door-opened", "door-closed") * 2]
    assert all(acknowledged.wait(10) for acknowledged in sent)
    assert [kind for kind in place.kinds() if kind.startswith("door.")] == ["door.opened", "door.closed"] * 2
    assert alarms.board(place.db, place.config, SystemClock().now()).alarms == ()


def test_garbage_on_the_line_is_no_silence_and_no_alarm_but_a_lost_link_that_says_why(tmp_path: Path) -> None:
    master, slave = os.openpty()
    place = Site(site(tmp_path, panel_table(Path(os.ttyname(slave)), silent_after_s=1.0)))
    place.watch()
    numbers = random.Random(9)
    try:
        for _ in range(30):
            with contextlib.suppress(BlockingIOError):
                os.write(master, bytes(numbers.randrange(0x80, 0x100) for _ in range(30)) + b"\x14")
            time.sleep(0.05)
        until(lambda: place.link() == "silent")
        (link,) = alarms.board(place.db, place.config, SystemClock().now()).links
        assert link.detail is not None
        assert "speed and parity" in str(link.detail)
        assert [event for event in place.events() if event[1] != "info"] == []
    finally:
        place.close()
        os.close(master)
        os.close(slave)


def test_a_panel_whose_settings_are_wrong_stops_no_other(tmp_path: Path, panel: VirtualPanel) -> None:
    wrong = panel_table(tmp_path / "other", panel_id="other", kind="no-such-panel")
    absent = panel_table(tmp_path / "absent", panel_id="absent")
    place = Site(site(tmp_path, wrong, absent, panel_table(panel.link)))
    place.watch()
    try:
        assert panel.send("fire").wait(10)
        until(lambda: (place.link("other"), place.link("absent")) == ("silent", "unplugged"))
        links = alarms.board(place.db, place.config, SystemClock().now()).links
        details = {link.panel: str(link.detail) for link in links}
        assert "no panel driver 'no-such-panel'" in details["other"]
        assert "Put it back" in details["absent"]
    finally:
        place.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_panel_thread_that_dies_is_started_again_and_loses_nothing(
    place: Site, panel: VirtualPanel, monkeypatch: pytest.MonkeyPatch
) -> None:
    died: list[str] = []
    record = alarms.record

    def breaks_once(*args: Any) -> list[alarms.Recorded]:
        if not died and args[3].events:
            died.append(threading.current_thread().name)
            raise RuntimeError("the disk said no")
        return record(*args)

    monkeypatch.setattr(alarms, "record", breaks_once)
    place.watch()
    assert panel.send("fire", "001").wait(10)
    assert died == ["panel-security"]
    assert place.events() == [("110", "active", "001")]


def test_the_running_service_writes_that_a_test_ended_by_itself(place: Site) -> None:
    petrov = guard(place.db, place.config, "petrov", "Петров Николай Иванович")
    hour_ago = FakeClock(SystemClock().now() - timedelta(hours=1))
    maintenance.begin(place.db, place.config, hour_ago, petrov, "security", 10, "Проверка шлейфа")
    place.watch()
    until(lambda: "test.ended" in place.kinds())
