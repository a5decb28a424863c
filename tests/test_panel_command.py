"""`examsite panel`, as an installer and other programs use it: a process, a pseudo-terminal, one object a line."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
import tty
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from appliance.commands.panel import panel as panel_group
from demo.panel import VirtualPanel
from tests.fakes.panel_site import ROOT, panel_table, site
from tests.fakes.peer_line import PeerLine
from tests.fakes.peers.satel import Peer
from tests.test_surgard import VECTORS

EXAMSITE = [sys.executable, "-m", "appliance"]
KEYS = ["at", "panel", "kind", "state", "zone", "partition", "user", "value", "text", "panel_time", "raw", "flags"]


Listen = Callable[..., subprocess.Popen[str]]


class Line:
    """The panel's end of a pseudo-terminal, spoken by hand."""

    def __init__(self) -> None:
        self.master, self._slave = os.openpty()
        tty.setraw(self._slave)
        self.port = os.ttyname(self._slave)
        self.received = b""

    def say(self, frame: str) -> bytes:
        """Send a frame and return what is answered within 5 s."""
        os.write(self.master, frame.encode() + b"\x14")
        answer = b""
        while not answer and select.select([self.master], [], [], 5)[0]:
            answer = os.read(self.master, 16)
        self.received += answer
        return answer

    def close(self) -> None:
        os.close(self.master)
        os.close(self._slave)


@pytest.fixture
def line() -> Iterator[Line]:
    line = Line()
    yield line
    line.close()
    assert set(line.received) <= {0x06, 0x15}


@pytest.fixture
def listen() -> Iterator[Listen]:
    """Start the command and return it once it listens."""
    started: list[subprocess.Popen[str]] = []

    def start(*args: str) -> subprocess.Popen[str]:
        process = subprocess.Popen([*EXAMSITE, "panel", "listen", "--json", *args], cwd=ROOT, text=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)  # fmt: skip
        started.append(process)
        assert process.stderr is not None
        said = process.stderr.readline()
        assert said.startswith("Listening on "), said
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def objects(process: subprocess.Popen[str]) -> list[dict[str, Any]]:
    out, _ = process.communicate(timeout=20)
    return [json.loads(text) for text in out.splitlines()]


def test_every_given_vector_comes_out_as_one_object_a_line_and_is_acknowledged(line: Line, listen: Listen) -> None:
    process = listen("--kind", "surgard", "--port", line.port, "--set", "bits=7", "--set", "parity=E")
    assert line.say("1011           @    ") == b"\x06"
    for vector in VECTORS:
        assert line.say(vector[1]) == b"\x06"
    process.send_signal(signal.SIGINT)
    said = objects(process)
    assert process.returncode == 0
    assert [(s["kind"], s["state"], s["zone"], s["partition"], s["user"]) for s in said] == [v[2:7] for v in VECTORS]
    assert [bytes.fromhex(s["raw"]).decode() for s in said] == [v[1] for v in VECTORS]
    assert all(list(s)[: len(KEYS)] == KEYS for s in said)
    assert all(s["panel"] == line.port and s["at"].endswith("Z") and s["flags"] == [] for s in said)


def test_an_event_is_printed_before_it_is_acknowledged_and_a_repeat_is_not_printed_again(
    line: Line, listen: Listen
) -> None:
    process = listen("--kind", "surgard", "--port", line.port)
    assert line.say("5011 181234E11001001") == b"\x06"
    assert process.stdout is not None
    assert select.select([process.stdout], [], [], 0)[0]
    assert line.say("5011 181234E11001001") == b"\x06"
    assert line.say("5011 181234E1100100") == b"\x15"
    process.send_signal(signal.SIGINT)
    assert [s["kind"] for s in objects(process)] == ["fire.alarm", "info.unparsed"]


def test_it_ends_on_sigterm_as_well_with_status_0(line: Line, listen: Listen) -> None:
    process = listen("--kind", "surgard", "--port", line.port)
    process.terminate()
    assert objects(process) == []
    assert process.returncode == 0


def test_it_ends_after_the_given_seconds_with_status_0(line: Line, listen: Listen) -> None:
    process = listen("--kind", "surgard", "--port", line.port, "--seconds", "0.3")
    assert objects(process) == []
    assert process.returncode == 0


def test_it_goes_on_when_the_adapter_was_pulled_and_put_back(tmp_path: Path, listen: Listen) -> None:
    panel = VirtualPanel(tmp_path / "panel", heartbeat_s=0.2, repeat_s=0.3).start()
    process = listen("--kind", "surgard", "--port", str(panel.link))
    try:
        assert panel.send("fire", "001").wait(10)
        panel.unplug()
        time.sleep(0.5)
        panel.replug()
        assert panel.send("fire-restored", "001").wait(10)
        process.send_signal(signal.SIGINT)
        assert [s["state"] for s in objects(process)] == ["active", "restored"]
    finally:
        panel.stop()
    assert set(panel.counts.received) <= {0x06, 0x15}


def test_it_takes_line_and_driver_from_the_configuration(tmp_path: Path, line: Line, listen: Listen) -> None:
    config = site(tmp_path, panel_table(Path(line.port)))
    process = listen("--config", str(config.source), "--panel", "security")
    line.say("5011 181234E11001001")
    process.send_signal(signal.SIGINT)
    assert [(s["panel"], s["kind"]) for s in objects(process)] == [("security", "fire.alarm")]


def test_a_panel_that_is_asked_is_asked_and_tells(tmp_path: Path, listen: Listen) -> None:
    peer = Peer()
    peer.put(0x14, 3)
    panel = PeerLine(tmp_path / "panel", peer).start()
    config = site(tmp_path, panel_table(panel.link, kind="satel"))
    process = listen("--config", str(config.source), "--panel", "security", "--set", "violations=no")
    try:
        assert process.stdout is not None
        assert select.select([process.stdout], [], [], 20)[0]
        process.send_signal(signal.SIGINT)
        (fire,) = objects(process)
        assert (fire["kind"], fire["state"], fire["partition"], fire["flags"]) == (
            "fire.alarm", "active", "3", ["status"],
        )  # fmt: skip
        assert all(request[2] != 0x00 for request in peer.received)
    finally:
        panel.stop()


def test_a_profile_is_taken_from_the_command_line_or_found_beside_the_configuration(
    tmp_path: Path, line: Line, listen: Listen
) -> None:
    profile = ROOT / "examples" / "panels" / "afp2800.toml"
    beside = panel_table(Path(line.port), kind="printer").replace("silent_after_s = 90.0", "")
    (tmp_path / "ours.toml").write_bytes(profile.read_bytes())
    config = site(tmp_path, beside + '[panel.settings]\nprofile = "ours.toml"\n')
    for args in (["--kind", "printer", "--port", line.port, "--profile", str(profile)],
                 ["--config", str(config.source), "--panel", "security"]):  # fmt: skip
        process = listen(*args)
        os.write(line.master, b":ALARM Z001 1.1.Z1 AZF 1 ON MODULE 1 12/08 01:23;\r\n")
        assert process.stdout is not None
        assert select.select([process.stdout], [], [], 20)[0]
        process.send_signal(signal.SIGINT)
        assert [said["kind"] for said in objects(process)] == ["fire.alarm"]


def test_without_json_an_event_is_a_readable_line(line: Line) -> None:
    command = [*EXAMSITE, "panel", "listen", "--kind", "surgard", "--port", line.port, "--seconds", "3"]
    process = subprocess.Popen(command, cwd=ROOT, text=True, stdout=subprocess.PIPE)
    assert line.say("5011 181234E11001001") == b"\x06"
    out, _ = process.communicate(timeout=20)
    assert "fire.alarm" in out
    assert "zone 001 partition 01" in out


def run(*args: str) -> tuple[int, str]:
    english = {**os.environ, "LC_ALL": "C.UTF-8"}
    done = subprocess.run(
        [*EXAMSITE, "panel", *args], cwd=ROOT, env=english, text=True, capture_output=True, timeout=30, check=False
    )
    return done.returncode, done.stderr


def test_a_line_that_does_not_exist_ends_with_status_1_and_a_sentence(tmp_path: Path) -> None:
    status, said = run("listen", "--kind", "surgard", "--port", str(tmp_path / "none"))
    assert status == 1
    assert said == f"The panel cannot be listened to. There is no {tmp_path / 'none'}. Plug the adapter in, or correct the panel's port.\n"  # noqa: E501


@pytest.mark.parametrize(
    ("args", "status", "said"),
    [
        (["--kind", "nosuch", "--port", "/dev/null"], 1, "There is: "),
        (["--kind", "surgard", "--port", "/dev/null", "--set", "speed=1"], 1, "no setting 'speed'"),
        (["--kind", "surgard", "--port", "/dev/null", "--set", "baud"], 2, "KEY=VALUE"),
        (["--kind", "surgard"], 2, "--port PATH"),
        ([], 2, "--panel ID"),
    ],
)
def test_what_cannot_work_is_refused_with_what_would(args: list[str], status: int, said: str) -> None:
    done, told = run("listen", *args)
    assert (done, said in told) == (status, True), told


def test_kinds_lists_line_and_settings_for_people_and_programs() -> None:
    shown = CliRunner().invoke(panel_group, ["kinds"])
    assert shown.exit_code == 0
    assert "baud = 9600" in shown.output
    told = json.loads(CliRunner().invoke(panel_group, ["kinds", "--json"]).output)
    lines = {kind["kind"]: kind["line"] for kind in told}
    assert lines["surgard"] == {"baud": 9600, "bits": 8, "parity": "N", "stop": 1}
    assert lines["gpio"] is None  # pins of the box, no line


def test_the_help_says_that_listening_acknowledges() -> None:
    shown = CliRunner().invoke(panel_group, ["listen", "--help"])
    assert "acknowledged to the panel" in " ".join(shown.output.split())
    assert "Example:" in shown.output
