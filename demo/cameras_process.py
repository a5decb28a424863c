"""Starts the virtual cameras as a process of their own, and speaks to them: for the demo and the tests.

They need /usr/bin/python3 with Debian's GStreamer bindings, whatever Python this runs under.
"""

from __future__ import annotations

import json
import os
import select
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SYSTEM_PYTHON = "/usr/bin/python3"
ROOT = Path(__file__).resolve().parent.parent
START_TIMEOUT_S = 30.0


class CamerasError(Exception):
    """The virtual cameras did not start, or did not understand a command. The text says why."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where one virtual camera is, and who may sign in. The URLs carry no credentials."""

    id: str
    rtsp_url: str
    onvif_url: str
    user: str
    password: str

    @property
    def rtsp_url_signed(self) -> str:
        """The RTSP address with user and password in it, for programs that take them no other way."""
        return self.rtsp_url.replace("://", f"://{self.user}:{self.password}@", 1)


class CamerasProcess:
    """The virtual cameras: start(), control("silence corridor-2 8"), stats(), stop(). Also a context manager."""

    def __init__(
        self,
        config: Sequence[Mapping[str, Any]],
        folder: Path,
        *,
        zone: str = "Europe/Moscow",
        port: int = 0,
        discovery: bool | str = False,
    ) -> None:
        self._config, self._folder = config, folder
        asker = discovery if isinstance(discovery, str) else "127.0.0.1"  # who is answered
        self._arguments = ["--zone", zone, "--port", str(port), *(["--discovery", asker] if discovery else [])]
        self._child: subprocess.Popen[bytes] | None = None
        self.control_port = 0
        self.addresses: dict[str, Address] = {}

    @property
    def pid(self) -> int:
        """The process that holds all cameras; each has an ffmpeg below it (see stats())."""
        if self._child is None:
            raise CamerasError("the virtual cameras were not started")
        return self._child.pid

    def start(self) -> dict[str, Address]:
        """Start, and wait until every camera makes pictures. Returns the addresses by camera id."""
        self._folder.mkdir(parents=True, exist_ok=True)
        config_file = self._folder / "cameras.json"
        config_file.write_text(json.dumps(list(self._config), ensure_ascii=False), encoding="utf-8")
        config_file.chmod(0o600)  # there are passwords in it
        argv = [SYSTEM_PYTHON, "-m", "demo.cameras", str(config_file.resolve())]
        argv += ["--folder", str((self._folder / "cameras").resolve()), "--end-with-stdin", *self._arguments]
        self._log = (self._folder / "cameras.log").open("ab")
        # PYTHONPATH of a virtual environment would give the other Python modules that are not made for it.
        environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
        self._child = subprocess.Popen(
            argv, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log
        )
        try:
            said = self._first_line()
        except CamerasError:
            self.stop()
            raise
        signing = {entry["id"]: (entry["user"], entry["password"]) for entry in self._config}
        self.control_port = said["control_port"]
        self.addresses = {
            entry["id"]: Address(entry["id"], entry["rtsp_url"], entry["onvif_url"], *signing[entry["id"]])
            for entry in said["cameras"]
        }
        return self.addresses

    def _first_line(self) -> dict[str, Any]:
        if self._child is None or self._child.stdout is None:
            raise CamerasError("the virtual cameras were not started")
        until_s, held = time.monotonic() + START_TIMEOUT_S, b""
        while not held.endswith(b"\n"):
            left_s = max(0.0, until_s - time.monotonic())
            ready, _, _ = select.select([self._child.stdout], [], [], left_s)
            data = os.read(self._child.stdout.fileno(), 65536) if ready else b""
            if not data:
                log = (self._folder / "cameras.log").read_text(encoding="utf-8", errors="replace")
                raise CamerasError(f"the virtual cameras did not start:\n{log[-2000:]}")
            held += data
        said: dict[str, Any] = json.loads(held)
        return said

    def control(self, command: str) -> str:
        """Send one command (demo/cameras.py lists them); returns the answer, raises when it is an error."""
        with socket.create_connection(("127.0.0.1", self.control_port), timeout=5) as line, line.makefile("rw") as talk:
            talk.write(command + "\n")
            talk.flush()
            answer = talk.readline().strip()
        if not answer or answer.startswith("error"):
            raise CamerasError(answer or "the virtual cameras do not answer")
        return answer

    def stats(self) -> dict[str, dict[str, Any]]:
        """For each camera: frame (last sent), made, frame0_at (epoch s), fps, pid, clients, silent, gone."""
        stats: dict[str, dict[str, Any]] = json.loads(self.control("stats"))
        return stats

    def stop(self) -> None:
        """End the cameras and their ffmpegs. May be called twice."""
        child, self._child = self._child, None
        if child is None:
            return
        if child.stdin is not None:
            child.stdin.close()  # the sign to end (--end-with-stdin)
        try:
            child.wait(5)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        if child.stdout is not None:
            child.stdout.close()
        self._log.close()

    def __enter__(self) -> CamerasProcess:
        self.start()
        return self

    def __exit__(self, *_details: object) -> None:
        self.stop()
