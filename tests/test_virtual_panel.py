"""The virtual panel behaves as a receiver does: one frame at a time, repeated until acknowledged, then held back."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.panel import HEARTBEAT, VirtualPanel, event_frame
from drivers.port import Port, PortError
from drivers.types import Line
from tests.fakes.panel_site import ROOT

DC4 = b"\x14"


@pytest.fixture
def panel(tmp_path: Path) -> Iterator[VirtualPanel]:
    panel = VirtualPanel(tmp_path / "dev" / "panel", heartbeat_s=0.3, repeat_s=0.1).start()
    yield panel
    panel.stop()
    assert not panel.link.exists()


@pytest.fixture
def line(panel: VirtualPanel) -> Iterator[Port]:
    line = Port(panel.link, Line(), lambda data: True)
    line.open()
    yield line
    line.close()


def frames(line: Port, seconds: float) -> list[bytes]:
    """What is said within a time."""
    heard, ends_mono_s = b"", time.monotonic() + seconds
    while time.monotonic() < ends_mono_s:
        heard += line.read(0.02)
    return heard.split(DC4)[:-1]


def test_an_event_is_repeated_three_times_and_then_waits_for_an_acknowledged_heartbeat(
    panel: VirtualPanel, line: Port
) -> None:
    fire = event_frame("fire", "7")
    acknowledged = panel.send("fire", "7")
    heard = [frame for frame in frames(line, 1.5) if frame != HEARTBEAT]
    assert heard == [fire] * 4
    assert HEARTBEAT in frames(line, 0.5)
    line.write(b"\x06")
    assert fire in frames(line, 0.4)
    assert not acknowledged.is_set()
    line.write(b"\x06")
    assert acknowledged.wait(2)
    assert fire not in frames(line, 0.4)


def test_a_refused_event_is_sent_again_at_once(tmp_path: Path) -> None:
    panel = VirtualPanel(tmp_path / "panel", heartbeat_s=60, repeat_s=60).start()
    line = Port(panel.link, Line(), lambda data: True)
    line.open()
    assert frames(line, 0.3) == [HEARTBEAT]
    panel.send("fire")
    line.write(b"\x06")
    assert frames(line, 0.3) == [event_frame("fire")]
    line.write(b"\x15")
    assert frames(line, 0.3) == [event_frame("fire")]
    assert (panel.counts.naks, panel.counts.repeats) == (1, 1)
    line.close()
    panel.stop()


def test_the_second_event_waits_for_the_first(panel: VirtualPanel, line: Port) -> None:
    panel.send("fire")
    panel.send("fire-restored")
    assert event_frame("fire-restored") not in frames(line, 0.25)
    line.write(b"\x06")
    assert event_frame("fire-restored") in frames(line, 0.25)


def test_a_dead_line_says_nothing_and_events_wait(panel: VirtualPanel, line: Port) -> None:
    panel.go_silent(0.8)
    frames(line, 0.1)
    panel.send("fire")
    assert frames(line, 0.4) == []
    assert event_frame("fire") in frames(line, 1.0)


def test_an_unplugged_panel_takes_its_name_with_it(panel: VirtualPanel, line: Port) -> None:
    panel.unplug()
    assert not os.path.lexists(panel.link)
    with pytest.raises(PortError):
        for _ in range(50):
            line.read(0.1)
    panel.replug()
    assert panel.link.exists()


def test_it_is_a_process_that_obeys_lines_and_ends_with_its_parents_input(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "demo.panel", "--link", str(tmp_path / "panel"), "--heartbeat", "0.1"]
    process = subprocess.Popen(command, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None

    def ask(text: str) -> dict[str, object]:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(text + "\n")
        process.stdin.flush()
        answer = json.loads(process.stdout.readline())
        assert isinstance(answer, dict)
        return answer

    assert json.loads(process.stdout.readline()) == {"ok": True, "link": str(tmp_path / "panel")}
    assert ask("send smoke 003")["ok"] is True
    assert ask("silent 0.1")["ok"] is True
    assert ask("unplug")["ok"] is True
    assert not (tmp_path / "panel").exists()
    assert ask("replug")["ok"] is True
    assert (tmp_path / "panel").exists()
    assert ask("dance")["ok"] is False
    assert "sent" in ask("stats")
    process.stdin.close()
    assert process.wait(10) == 0
    assert not os.path.lexists(tmp_path / "panel")
    process.stdout.close()
