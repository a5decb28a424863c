"""Child processes of the house: started to die with us, told apart from a crash, heard over their notify socket."""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

log = logging.getLogger(__name__)

PIDFD_GETFD = 438  # the same number on every architecture since Linux 5.6
STOP_GRACE_S = 8.0  # the recorder closes its segments in this time; then SIGKILL


class Child:
    """One long-running process of ours, and what it says on its own NOTIFY_SOCKET (sd_notify(3) words)."""

    def __init__(self, name: str, argv: Sequence[str], run_folder: Path) -> None:
        self.name = name
        self.argv = list(argv)
        self.address = run_folder / f"{name}.notify"
        self.process: subprocess.Popen[bytes] | None = None
        self.started_mono_s = 0.0
        self.heard_mono_s = 0.0
        self.ready = False
        self._wire: socket.socket | None = None

    def start(self) -> None:
        """Start it afresh. The kernel ends it when the calling thread is gone: call it from the main thread."""
        self.close()
        self.address.unlink(missing_ok=True)
        self._wire = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
        self._wire.bind(str(self.address))
        # Two malloc arenas instead of eight a core: a quarter less memory for the pages with their many threads.
        environment = {"MALLOC_ARENA_MAX": "2", **os.environ, "NOTIFY_SOCKET": str(self.address)}
        # setpriv (util-linux) instead of preexec_fn, which is unsafe in a process with threads
        self.process = subprocess.Popen(["setpriv", "--pdeathsig", "TERM", *self.argv], env=environment)
        self.started_mono_s = self.heard_mono_s = time.monotonic()
        self.ready = False

    def listen(self) -> bool:
        """Take what it said since the last look; True when it has just become ready."""
        became_ready = False
        while self._wire is not None:
            try:
                said = self._wire.recv(4096).decode(errors="replace")
            except BlockingIOError:
                return became_ready
            self.heard_mono_s = time.monotonic()
            if "READY=1" in said.splitlines() and not self.ready:
                self.ready = became_ready = True
        return became_ready

    def ended(self) -> int | None:
        """Exit status (negative: the signal) once it is gone, None while it runs."""
        return None if self.process is None else self.process.poll()

    def kill(self) -> None:
        """SIGKILL now: for one that hangs."""
        if self.process is not None:
            self.process.kill()

    def ask_to_stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)

    def wait_stopped(self, until_mono_s: float) -> None:
        """Wait for the end; SIGKILL at the deadline."""
        if self.process is None:
            return
        try:
            self.process.wait(max(0.1, until_mono_s - time.monotonic()))
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.close()

    def close(self) -> None:
        if self._wire is not None:
            self._wire.close()
            self._wire = None


def hang_up(pid: int) -> int:
    """Shut down the connections of a child of ours, so that it reads their end; returns how many.

    Takes them by pidfd_getfd(2) (Linux 5.6), which a parent may. Where the kernel forbids it, none.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    hung = 0
    try:
        child = os.pidfd_open(pid)
    except OSError:  # it has just ended
        return 0
    try:
        for opened in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):  # closed meanwhile, no socket, or not connected
                if str(opened.readlink()).startswith("socket:"):
                    handle = libc.syscall(PIDFD_GETFD, child, int(opened.name), 0)
                    if handle >= 0:
                        with socket.socket(fileno=handle) as wire:
                            wire.shutdown(socket.SHUT_RDWR)
                            hung += 1
    except OSError as fault:
        log.info("the connections of process %s stay: %s", pid, fault)
    finally:
        os.close(child)
    return hung


def describe_end(status: int) -> str:
    """`SIGKILL` or `exit status 1`."""
    return signal.Signals(-status).name if status < 0 else f"exit status {status}"
