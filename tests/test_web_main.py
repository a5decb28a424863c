"""The pages as a service: a real process on a real port, its heartbeat, its end, and what it refuses."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from appliance import store
from tests.fakes import seeded_site

ROOT = Path(__file__).resolve().parent.parent


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(folder: Path, port: int, **environment: str) -> Iterator[subprocess.Popen[str]]:
    site = seeded_site.configure(folder, port)
    store.open(site.database, create=True).conn.close()
    process = subprocess.Popen([sys.executable, "-m", "web", "--config", str(site.source)], cwd=ROOT, text=True,
                               stderr=subprocess.PIPE, env={**os.environ, **environment})  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def answered(port: int) -> str:
    for _ in range(200):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/signin", timeout=5) as answer:
                return str(answer.read().decode())
        except urllib.error.URLError:
            time.sleep(0.1)
    raise AssertionError("no answer in 20 s")


def test_it_serves_beats_and_ends_on_sigterm(tmp_path: Path) -> None:
    port = free_port()
    with running(tmp_path, port) as process:
        assert "0123" in answered(port)
        db = store.open(tmp_path / "data/examsite.db")
        assert db.value("select pid from heartbeat where service = 'web'") == process.pid
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0


def test_a_taken_port_is_one_clear_sentence(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = int(other.getsockname()[1])
        with running(tmp_path, port) as process:
            _, said = process.communicate(timeout=30)
    assert process.returncode == 1
    assert f"порт {port}" in said
    assert "Traceback" not in said


def test_debug_mode_is_refused(tmp_path: Path) -> None:
    with running(tmp_path, free_port(), FLASK_DEBUG="1") as process:
        _, said = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "FLASK_DEBUG" in said


def test_a_broken_configuration_is_told_with_its_faults(tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_text("profile = 1\n", encoding="utf-8")
    done = subprocess.run([sys.executable, "-m", "web", "--config", str(tmp_path / "site.toml")], cwd=ROOT, text=True,
                          capture_output=True, timeout=30, check=False)  # fmt: skip
    assert done.returncode == 1
    assert "profile" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("kept", ["web-secret"])
def test_the_secret_outlives_a_restart(tmp_path: Path, kept: str) -> None:
    port = free_port()
    with running(tmp_path, port):
        answered(port)
        first = (tmp_path / "data" / kept).read_bytes()
    store.open(tmp_path / "data/examsite.db").conn.close()
    with running(tmp_path, port):
        answered(port)
    assert (tmp_path / "data" / kept).read_bytes() == first
