"""The box's own input pins, read as a panel's line is: opened by the chip's path, read with a time limit.

The only door to libgpiod. A pin is only ever asked for as an input: nothing here can drive one. What `read` gives are
samples in text, a line each: the monotonic time, then every pin with its level, `104.250000 17=1 27=0`. An edge that
the kernel saw between two reads is a sample of its own, with the kernel's time.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal, Protocol

import gpiod
from gpiod.line import Bias, Clock, Direction, Edge, Value

from drivers.port import BACK_OFF_S, ForbiddenWrite, PortError

MOST_EDGES = 256  # taken in one read; the kernel keeps 16 for each pin
CONSUMER = "examsite"  # who holds the pin, for gpioinfo
_BIAS = {"pull-up": Bias.PULL_UP, "pull-down": Bias.PULL_DOWN, "off": Bias.DISABLED, "as-is": Bias.AS_IS}


@dataclass(frozen=True, slots=True)
class Pins:
    """Which pins of a chip, and how they are wired."""

    offsets: tuple[int, ...]
    bias: Literal["pull-up", "pull-down", "off", "as-is"] = "pull-up"
    debounce_s: float = 0.01

    def settings(self) -> gpiod.LineSettings:
        return gpiod.LineSettings(
            direction=Direction.INPUT, edge_detection=Edge.BOTH, bias=_BIAS[self.bias],
            debounce_period=timedelta(seconds=self.debounce_s), event_clock=Clock.MONOTONIC,
        )  # fmt: skip


class Held(Protocol):
    """The pins as libgpiod holds them for us."""

    def get_values(self) -> list[Value]: ...
    def wait_edge_events(self, timeout: float) -> bool: ...
    def read_edge_events(self, max_events: int) -> Iterable[Any]: ...
    def release(self) -> None: ...


Request = Callable[[Path, Pins], Held]


def request(path: Path, pins: Pins) -> Held:
    """The pins from the kernel, as inputs."""
    return gpiod.request_lines(str(path), consumer=CONSUMER, config={pins.offsets: pins.settings()})


class GpioPort:
    """Pins of one chip, with the ways of `drivers.port.Port`."""

    def __init__(self, path: Path, pins: Pins, take: Request = request) -> None:
        self.path, self._pins, self._take = path, pins, take
        self._held: Held | None = None
        self._levels: dict[int, int] = {}
        self._failures = 0

    @property
    def is_open(self) -> bool:
        return self._held is not None

    def open(self) -> None:
        """Take the pins. Raises PortError with a sentence that says what to do."""
        self.close()
        self._levels = {}
        try:
            self._held = self._take(self.path, self._pins)
        except (OSError, ValueError) as cause:
            self._failures += 1
            raise _why_not(self.path, self._pins.offsets, cause) from cause

    def close(self) -> None:
        """Give the pins back at once. Never raises."""
        held, self._held = self._held, None
        if held is not None:
            held.release()

    def read(self, timeout_s: float) -> bytes:
        """Samples: one for each edge since the last read, and one of how the pins are now."""
        held = self._held
        if held is None:
            raise PortError("gone", f"{self.path} is not open.")
        samples = []
        try:
            if held.wait_edge_events(timeout_s):
                for edge in held.read_edge_events(MOST_EDGES):
                    self._levels[edge.line_offset] = int(edge.event_type is edge.Type.RISING_EDGE)
                    if len(self._levels) == len(self._pins.offsets):
                        samples.append(self._sample(edge.timestamp_ns))
            values = held.get_values()
        except OSError as cause:
            self.close()
            self._failures += 1
            raise PortError("gone", f"{self.path} went away. Put it back, the link returns by itself.") from cause
        self._levels = {
            offset: int(value is Value.ACTIVE) for offset, value in zip(self._pins.offsets, values, strict=True)
        }
        self._failures = 0
        return b"".join([*samples, self._sample(time.monotonic_ns())])

    def write(self, data: bytes) -> None:
        """There is nothing that may be sent to an input."""
        raise ForbiddenWrite(f"Refused to send {data.hex(' ') or 'nothing'}: pins are only read.")

    def back_off_s(self) -> float:
        """How long to wait before the next `open`: longer with each failure in a row, never above 4 s."""
        return BACK_OFF_S[min(max(self._failures - 1, 0), len(BACK_OFF_S) - 1)]

    def _sample(self, at_ns: int) -> bytes:
        levels = " ".join(f"{offset}={level}" for offset, level in sorted(self._levels.items()))
        return f"{at_ns // 10**9}.{at_ns % 10**9 // 1000:06d} {levels}\n".encode("ascii")


def _why_not(path: Path, offsets: tuple[int, ...], cause: OSError | ValueError) -> PortError:
    """The sentence for pins that cannot be had."""
    number = cause.errno if isinstance(cause, OSError) else None
    if number == errno.ENOENT:
        return PortError("missing", f"There is no {path}. Correct the panel's port, such as /dev/gpiochip0.")
    if number in (errno.EACCES, errno.EPERM):
        return PortError("forbidden", f"No permission to open {path}. Add the udev rule of docs/panels.md (gpio).")
    if number == errno.EBUSY:
        return PortError("busy", f"A pin of {path} is held by another program. `gpioinfo` names it; end that program.")
    if number in (errno.ENODEV, errno.ENOTTY):
        return PortError("not-serial", f"{path} is no GPIO chip. Correct the panel's port, such as /dev/gpiochip0.")
    pins = ", ".join(map(str, offsets))
    return PortError("not-serial", f"{path} does not give pins {pins} as inputs: {cause}. Correct the panel's inputs.")
