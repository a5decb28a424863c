"""A UPS, asked through a NUT server in its plain-text protocol (networkupstools.org, RFC 9271).

Only LIST VAR is ever sent: nothing here can switch a UPS off. `nut2` from PyPI cannot be built on Python 3.13 and the
protocol is a line and an answer, so there is no library.
"""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass

from drivers.types import DriverError

PORT = 3493  # RFC 9271, section 3
LONGEST_BYTES = 65_536
NAME = re.compile(r"^[A-Za-z0-9._-]{1,64}$")
LINE = re.compile(r'^VAR \S+ (\S+) "((?:[^"\\]|\\.)*)"$')


@dataclass(frozen=True, slots=True)
class UpsFacts:
    """What the UPS says. None: it does not say. `low`: it is about to give up."""

    mains: bool | None
    low: bool
    charge_percent: int | None
    runtime_s: int | None


def ask(name: str, host: str = "127.0.0.1", port: int = PORT, timeout_s: float = 2.0) -> UpsFacts:
    """The UPS of that name. Raises DriverError with what is wrong: nobody there, an unknown name, stale data."""
    if not NAME.match(name):
        raise DriverError(f"{name!r} cannot name a UPS")
    try:
        with socket.create_connection((host, port), timeout_s) as line:
            line.settimeout(timeout_s)
            line.sendall(f"LIST VAR {name}\n".encode())
            return read(_answer(line, f"END LIST VAR {name}"))
    except OSError as cause:
        raise DriverError(f"the UPS server at {host}:{port} does not answer: {cause.strerror or cause}") from cause


def _answer(line: socket.socket, end: str) -> str:
    said = b""
    while len(said) < LONGEST_BYTES:
        piece = line.recv(4096)
        said += piece
        last = said.rpartition(b"\n")[0].rpartition(b"\n")[2].decode("utf-8", "replace").strip()
        if not piece or last == end or last.startswith("ERR "):
            return said.decode("utf-8", "replace")
    raise DriverError("the UPS server says more than a UPS has to say")


def read(answer: str) -> UpsFacts:
    """The facts out of the answer to LIST VAR. Raises DriverError for `ERR ...` and for an answer without a status."""
    found: dict[str, str] = {}
    for line in answer.splitlines():
        if line.startswith("ERR "):
            raise DriverError(f"the UPS server refuses: {line[4:].strip()}")  # DATA-STALE, UNKNOWN-UPS, ...
        if said := LINE.match(line):
            found[said[1]] = said[2]
    status = found.get("ups.status", "").split()
    if not status:
        raise DriverError("the UPS server does not say how the UPS is")
    mains = True if "OL" in status else False if "OB" in status else None
    return UpsFacts(mains, "LB" in status, _whole(found.get("battery.charge")), _whole(found.get("battery.runtime")))


def _whole(said: str | None) -> int | None:
    number = re.match(r"^(\d{1,9})(\.\d+)?$", said or "")
    return int(number[1]) if number else None
