"""The box's own pins: samples become events, and what a chip cannot give is said in a sentence.

Real pins need a kernel with gpio-sim; where there is none, the test that needs them says so and the rest is tried with
the library's part played by a stand-in (libgpiod is not ours).
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from gpiod.line import Bias, Direction, Value
from hypothesis import given
from hypothesis import strategies as st

from drivers.gpio import GpioPort, Pins
from drivers.panels import open_panel, port_of
from drivers.panels.settings import SettingError
from drivers.port import ForbiddenWrite, Port, PortError
from drivers.types import PanelEvent

SIM = Path("/sys/kernel/config/gpio-sim")
WHY_NO_SIM = f"no {SIM}: this kernel has no gpio-sim (CONFIG_GPIO_SIM), or configfs may not be written here"


def codec(inputs: str = "17 fire.alarm; 27 fault nc", **more: str) -> Any:
    return open_panel("gpio", {"inputs": inputs, **more})


def samples(levels: str, begin_s: float, for_s: float) -> bytes:
    """What the port gives ten times a second while the pins stay as they are."""
    return b"".join(f"{begin_s + n / 10:.6f} {levels}\n".encode() for n in range(round(for_s * 10)))


def said(panel: Any, data: bytes) -> list[tuple[str, str, str | None]]:
    return [(e.kind, e.state, e.zone) for frame in panel.feed(data) for e in frame.events]


def test_a_closed_contact_to_ground_is_an_alarm_and_a_fault_relay_that_falls_is_a_fault() -> None:
    panel = codec()
    assert said(panel, samples("17=1 27=0", 100, 5)) == [
        ("comm.loss", "restored", None), ("fault", "restored", "27"), ("fire.alarm", "restored", "17"),
    ]  # fmt: skip
    assert said(panel, samples("17=0 27=0", 105, 2)) == [("fire.alarm", "active", "17")]
    assert said(panel, samples("17=0 27=1", 107, 2)) == [("fault", "active", "27")]


def test_an_edge_between_two_reads_counts_from_its_own_time() -> None:
    panel = codec("4 panic on=0.3")
    said(panel, samples("4=1", 0, 5))
    assert said(panel, b"5.000000 4=1\n5.010000 4=0\n5.100000 4=0\n") == []
    assert said(panel, b"5.320000 4=0\n") == [("panic", "active", "4")]


def test_every_sample_proves_that_the_pins_are_read() -> None:
    assert [frame.alive for frame in codec().feed(samples("17=1 27=0", 0, 0.2))] == [True, True]


def test_a_sample_of_other_pins_says_nothing() -> None:
    frames = codec().feed(b"1.000000 17=0\n1.100000 17=0 27=0 5=1\n")
    assert [(frame.events, frame.alive, bool(frame.fault)) for frame in frames] == [((), False, True)] * 2


def test_after_the_pins_were_given_back_everything_is_told_anew() -> None:
    panel = codec("4 panic")
    said(panel, samples("4=0", 0, 5))
    panel.reset()
    assert said(panel, samples("4=1", 50, 0.9)) == [("comm.loss", "restored", None)]
    assert said(panel, samples("4=1", 50.9, 2)) == [("panic", "restored", "4")]


@given(st.binary(max_size=3000))
def test_random_bytes_raise_nothing_and_alarm_nobody(data: bytes) -> None:
    assert said(codec(), data) == []


@pytest.mark.parametrize(
    ("given_", "why"),
    [({}, "which pins it may read"), ({"inputs": "1 panic levels=1/2/3"}, "on or off"),
     ({"inputs": "2000 panic"}, "0 to 1023"),
     ({"inputs": "0-64 panic"}, "at most 64"), ({"inputs": "1 panic", "bias": "up"}, "pull-up"),
     ({"inputs": "1 panic", "baud": "9600"}, "no setting 'baud'")],
)  # fmt: skip
def test_wrong_settings_are_refused_with_a_sentence(given_: dict[str, str], why: str) -> None:
    with pytest.raises(SettingError, match=why):
        open_panel("gpio", given_)


def test_the_pins_are_where_its_bytes_come_from_and_a_line_for_the_others() -> None:
    source = port_of(codec("5 panic line=6; 4 fault", bias="pull-down"), Path("/dev/gpiochip0"))
    assert isinstance(source, GpioPort)
    assert isinstance(port_of(open_panel("dcon", {}), Path("/dev/ttyS0")), Port)


@pytest.mark.parametrize(("path", "reason"), [("/dev/gpiochip77", "missing"), ("/dev/null", "not-serial")])
def test_what_is_no_chip_is_said_with_what_to_do(path: str, reason: str) -> None:
    port = port_of(codec(), Path(path))
    with pytest.raises(PortError, match="Correct the panel's port") as refused:
        port.open()
    assert refused.value.reason == reason
    assert not port.is_open
    assert port.back_off_s() > 0


@dataclass(slots=True)
class Chip:
    """libgpiod's part: what the kernel would say. `gone`: the expander was pulled out."""

    values: dict[int, int]
    edges: list[tuple[int, int, int]] = field(default_factory=list)  # pin, level, ns
    gone: bool = False
    released: bool = False
    asked: Any = None

    def take(self, path: Path, pins: Pins) -> Chip:
        self.asked = pins.settings()
        return self

    def get_values(self) -> list[Value]:
        if self.gone:
            raise OSError(19, "No such device")
        return [Value.ACTIVE if level else Value.INACTIVE for _, level in sorted(self.values.items())]

    def wait_edge_events(self, timeout: float) -> bool:
        return bool(self.edges)

    def read_edge_events(self, max_events: int) -> list[Any]:
        kinds = SimpleNamespace(RISING_EDGE=1, FALLING_EDGE=2)
        taken, self.edges = self.edges, []
        return [SimpleNamespace(line_offset=pin, timestamp_ns=ns, event_type=1 if level else 2, Type=kinds)
                for pin, level, ns in taken]  # fmt: skip

    def release(self) -> None:
        self.released = True


def test_pins_are_only_ever_asked_for_as_inputs() -> None:
    chip = Chip({17: 1, 27: 0})
    port = GpioPort(Path("/dev/gpiochip0"), codec(bias="off").pins, chip.take)
    port.open()
    assert (chip.asked.direction, chip.asked.bias) == (Direction.INPUT, Bias.DISABLED)
    for data in (b"", b"17=1\n", b"\x01"):
        with pytest.raises(ForbiddenWrite):
            port.write(data)
        assert not codec().may_send(data)


def test_edges_and_levels_come_as_samples_with_their_times() -> None:
    chip = Chip({17: 1, 27: 0})
    port = GpioPort(Path("/dev/gpiochip0"), codec().pins, chip.take)
    port.open()
    before = time.monotonic()
    first = port.read(0.1)
    assert first.endswith(b" 17=1 27=0\n")
    assert before - 0.001 <= float(first.split()[0]) <= time.monotonic()
    chip.edges = [(17, 0, 5_000_001_000), (17, 1, 5_010_000_000)]
    assert port.read(0.1).splitlines()[:2] == [b"5.000001 17=0 27=0", b"5.010000 17=1 27=0"]
    assert [frame.fault for frame in codec().feed(first)] == [None]


def test_a_chip_that_goes_away_is_given_back_at_once() -> None:
    chip = Chip({17: 1, 27: 0})
    port = GpioPort(Path("/dev/gpiochip0"), codec().pins, chip.take)
    port.open()
    chip.gone = True
    with pytest.raises(PortError) as gone:
        port.read(0.0)
    assert gone.value.reason == "gone"
    assert chip.released
    assert not port.is_open


@pytest.fixture
def sim() -> Iterator[tuple[Path, Path]]:
    """A simulated chip with 8 pins: its device, and the folder in which its pins are pulled."""
    if not (SIM.is_dir() and os.access(SIM, os.W_OK)):
        pytest.skip(WHY_NO_SIM)
    chip = SIM / f"examsite-{os.getpid()}"
    bank = chip / "bank0"
    bank.mkdir(parents=True)
    (bank / "num_lines").write_text("8")
    (chip / "live").write_text("1")
    name = (bank / "chip_name").read_text().strip()
    yield Path("/dev") / name, Path("/sys/devices/platform") / (chip / "dev_name").read_text().strip() / name
    (chip / "live").write_text("0")
    bank.rmdir()
    chip.rmdir()


def test_a_simulated_pin_that_is_pulled_to_ground_is_an_alarm(sim: tuple[Path, Path]) -> None:
    device, pulls = sim
    panel = codec("3 panic", bias="as-is")
    port = port_of(panel, device)
    (pulls / "sim_gpio3" / "pull").write_text("pull-up")
    port.open()
    events: list[PanelEvent] = []
    for level in ("pull-up", "pull-down"):
        (pulls / "sim_gpio3" / "pull").write_text(level)
        for _ in range(20):
            events += [event for frame in panel.feed(port.read(0.1)) for event in frame.events]
            time.sleep(0.1)
    port.close()
    assert [(e.kind, e.state) for e in events][-2:] == [("panic", "restored"), ("panic", "active")]
