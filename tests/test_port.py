"""The serial line on real pseudo-terminals: exclusive, bounded, closed at once on unplug, back by itself."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.panel import VirtualPanel
from drivers.port import ForbiddenWrite, Port, PortError
from drivers.types import Line

HOLDER = "import serial, sys; s = serial.Serial(sys.argv[1], exclusive=True); print('held', flush=True); input()"


def acknowledge(data: bytes) -> bool:
    return data in (b"\x06", b"\x15")


def port(path: Path) -> Port:
    return Port(path, Line(19200, 7, "E", 1), acknowledge)


@pytest.fixture
def panel(tmp_path: Path) -> Iterator[VirtualPanel]:
    panel = VirtualPanel(tmp_path / "panel", heartbeat_s=0.1, repeat_s=0.3).start()
    yield panel
    panel.stop()
    assert set(panel.counts.received) <= {0x06, 0x15}


def heard(line: Port) -> bytes:
    for _ in range(50):
        if data := line.read(0.1):
            return data
    raise AssertionError("nothing was heard for 5 s")


def test_it_reads_what_the_panel_says_and_answers(panel: VirtualPanel) -> None:
    line = port(panel.link)
    line.open()
    assert b"@" in heard(line)
    line.write(b"\x06")
    line.close()
    assert not line.is_open


def test_a_read_ends_when_nothing_comes(tmp_path: Path) -> None:
    master, slave = os.openpty()
    line = port(Path(os.ttyname(slave)))
    line.open()
    assert line.read(0.05) == b""
    line.close()
    os.close(master)
    os.close(slave)


def test_what_the_panel_said_before_it_was_opened_is_not_thrown_away(tmp_path: Path) -> None:
    master, slave = os.openpty()
    os.write(master, b"5011 181234E11001001\x14\n")
    line = port(Path(os.ttyname(slave)))
    line.open()
    assert b"E110" in heard(line)
    line.close()
    os.close(master)
    os.close(slave)


def test_bytes_outside_the_allow_list_are_refused_and_never_leave(panel: VirtualPanel) -> None:
    line = port(panel.link)
    line.open()
    for data in (b"\x06\x06", b"A", b"", b"\x00"):
        with pytest.raises(ForbiddenWrite) as refused:
            line.write(data)
        assert refused.value.permanent
    line.close()
    assert panel.counts.strange == 0


def test_an_unplugged_line_is_closed_at_once_and_heals_when_its_name_is_back(panel: VirtualPanel) -> None:
    line = port(panel.link)
    line.open()
    heard(line)
    panel.unplug()
    with pytest.raises(PortError, match="unplugged") as gone:
        for _ in range(50):
            line.read(0.1)
    assert gone.value.reason == "gone"
    assert not line.is_open
    with pytest.raises(PortError, match="Plug the adapter in") as missing:
        line.open()
    assert missing.value.reason == "missing"
    panel.replug()
    line.open()
    assert b"@" in heard(line)
    line.close()


def test_a_name_that_leads_to_another_device_is_noticed(tmp_path: Path) -> None:
    ends = [os.openpty() for _ in range(2)]
    name = tmp_path / "by-id"
    name.symlink_to(os.ttyname(ends[0][1]))
    line = port(name)
    line.open()
    name.unlink()
    name.symlink_to(os.ttyname(ends[1][1]))
    with pytest.raises(PortError, match="unplugged"):
        line.read(0.05)
    for end in [end for pair in ends for end in pair]:
        os.close(end)


def test_a_line_held_by_another_program_is_told(panel: VirtualPanel) -> None:
    other = subprocess.Popen([sys.executable, "-c", HOLDER, panel.link], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert other.stdin is not None
    assert other.stdout is not None
    assert other.stdout.readline() == b"held\n"
    with pytest.raises(PortError, match="held by another program") as busy:
        port(panel.link).open()
    assert busy.value.reason == "busy"
    other.stdin.write(b"\n")
    other.stdin.close()
    assert other.wait(10) == 0
    other.stdout.close()
    line = port(panel.link)
    line.open()
    line.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can try it as another user")
def test_a_line_without_permission_names_the_group(tmp_path: Path) -> None:
    master, slave = os.openpty()
    name = os.ttyname(slave)
    Path(name).chmod(0o600)
    child = os.fork()
    if child == 0:
        status = 44
        try:
            os.setgid(65534)
            os.setuid(65534)
            port(Path(name)).open()
        except PortError as refused:
            status = 42 if refused.reason == "forbidden" and "group dialout" in str(refused) else 43
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 42
    os.close(master)
    os.close(slave)


def test_a_file_is_no_serial_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(PortError, match="not a serial line"):
        port(tmp_path / "file").open()


def test_a_line_that_takes_no_bytes_is_closed_and_told(tmp_path: Path) -> None:
    master, slave = os.openpty()
    line = Port(Path(os.ttyname(slave)), Line(), lambda data: True)
    line.open()
    with pytest.raises(PortError, match="takes no bytes") as stuck:
        line.write(b"\x06" * 200_000)
    assert stuck.value.reason == "stuck"
    assert not line.is_open
    os.close(master)
    os.close(slave)


def test_the_wait_between_tries_grows_but_never_past_what_healing_within_ten_seconds_allows(tmp_path: Path) -> None:
    line = port(tmp_path / "nothing")
    waits = []
    for _ in range(8):
        with pytest.raises(PortError):
            line.open()
        waits.append(line.back_off_s())
    assert waits == sorted(waits)
    assert waits[0] < 1
    assert waits[-1] <= 5


def test_closing_under_a_reader_ends_its_read(panel: VirtualPanel) -> None:
    master, slave = os.openpty()
    line = port(Path(os.ttyname(slave)))
    line.open()
    told: list[Exception] = []

    def read() -> None:
        try:
            while True:
                line.read(0.2)
        except PortError as gone:
            told.append(gone)

    reader = threading.Thread(target=read)
    reader.start()
    time.sleep(0.05)
    line.close()
    reader.join(5)
    assert len(told) == 1
    os.close(master)
    os.close(slave)
