"""The only now() of the house. Everything else is given a clock, so that tests can make it jump."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Clock(Protocol):
    """Wall time in UTC, monotonic seconds that no step touches, and which boot they belong to."""

    def now(self) -> datetime: ...

    def mono_s(self) -> float: ...

    def boot(self) -> str: ...


class SystemClock:
    """The box's own clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def mono_s(self) -> float:
        return time.monotonic()

    def boot(self) -> str:
        return BOOT_ID.read_text().strip() if BOOT_ID.exists() else "unknown"


class FakeClock:
    """A clock for tests: `advance` lets time pass, `step` moves the wall clock alone, as NTP or a person does."""

    def __init__(self, now: datetime) -> None:
        self._now = now.astimezone(UTC)
        self._mono_s = 1000.0

    def now(self) -> datetime:
        return self._now

    def mono_s(self) -> float:
        return self._mono_s

    def boot(self) -> str:
        return "fake-boot"

    def advance(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)
        self._mono_s += seconds

    def step(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)


def iso(at: datetime) -> str:
    """UTC ISO-8601 with microseconds and Z: the one way instants are stored. Sorts as text."""
    if at.tzinfo is None:
        raise ValueError(f"a naive time cannot be stored: {at!r}")
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse(text: str) -> datetime:
    """The reverse of `iso`; other ISO-8601 with an offset is read as well."""
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError(f"a time without offset: {text!r}")
    return at.astimezone(UTC)
