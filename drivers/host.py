"""Facts about the box itself: the kernel's idea of its clock, and the space on its disks."""

from __future__ import annotations

import ctypes
import ctypes.util
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from drivers.types import DriverError

STA_UNSYNC = 0x0040  # linux/timex.h: the clock is not disciplined by anybody
TIME_ERROR = 5  # adjtimex(2): "clock not synchronized"
CHRONYC_TIMEOUT_S = 2.0


@dataclass(frozen=True, slots=True)
class ClockFacts:
    """The box's clock. None: it could not be learnt. offset_s: the box minus its time source, where that is known."""

    synchronised: bool | None
    offset_s: float | None = None
    source: str = ""


@dataclass(frozen=True, slots=True)
class DiskFacts:
    """One file system. `fault` says why nothing can be written, None when a trial file was written and synced."""

    total_bytes: int
    free_bytes: int
    fault: str | None = None


class _Timex(ctypes.Structure):
    """struct timex of adjtimex(2), as 64-bit Linux has it; modes = 0 only reads, and needs no right."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_long * 40),  # longer than any kernel writes
    )


def clock() -> ClockFacts:
    """Whether the kernel's clock is being kept by a time service, and how far off it is when chrony can say."""
    synchronised = kernel_synchronised()
    offset_s = chrony_offset_s()
    return ClockFacts(synchronised, offset_s, "chrony" if offset_s is not None else "kernel")


def kernel_synchronised() -> bool | None:
    """adjtimex(2) without changing anything; None where the kernel does not let us ask (some containers)."""
    libc = ctypes.CDLL(ctypes.util.find_library("c") or "libc.so.6", use_errno=True)
    found = _Timex()
    state = libc.adjtimex(ctypes.byref(found))
    if state < 0:
        return None
    return not (state == TIME_ERROR or found.status & STA_UNSYNC)


def chrony_offset_s() -> float | None:
    """How far the system clock is from chrony's estimate of true time; None without chrony or without a source."""
    program = shutil.which("chronyc")
    if program is None:
        return None
    try:
        asked = subprocess.run(
            [program, "-c", "-n", "tracking"], capture_output=True, text=True, timeout=CHRONYC_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None  # chrony is installed and does not answer: that is "not known", and the caller says so
    return read_tracking(asked.stdout) if asked.returncode == 0 else None


def read_tracking(line: str) -> float | None:
    """The offset out of `chronyc -c tracking`: the fifth field, positive when the system clock is slow of true time."""
    fields = line.strip().split(",")
    if len(fields) < 14 or fields[13] == "Not synchronised" or fields[0] in ("", "00000000"):
        return None
    try:
        return -float(fields[4])
    except ValueError:
        return None


def disk(folder: Path) -> DiskFacts:
    """Space where `folder` is, and whether a small file can really be written and synced there.

    Raises DriverError when the folder does not exist.
    """
    return replace(space(folder), fault=write_fault(folder))


def space(folder: Path) -> DiskFacts:
    """The same without trying to write; `fault` stays None. Raises DriverError when the folder does not exist."""
    try:
        usage = shutil.disk_usage(folder)
    except OSError as cause:
        raise DriverError(f"{folder} cannot be looked at: {cause.strerror}") from cause
    return DiskFacts(usage.total, usage.free)


def write_fault(folder: Path) -> str | None:
    """Why a small file cannot be written and synced there; None when it can."""
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".examsite-check-") as trial:
            trial.write(b"\0" * 4096)
            trial.flush()
            os.fsync(trial.fileno())
    except OSError as cause:
        return cause.strerror or str(cause)
    return None
