"""Dry contacts on the box's own pins. The samples come from drivers/gpio.py in text, each with its time.

A contact between pin and ground, with the pull-up on: closed reads 0, which is why `invert` is yes unless it is said
otherwise. The kernel debounces bouncing metal; how long a change must last is the contact model's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

from drivers.gpio import Pins
from drivers.panels.contacts import Contacts, Level, Module, frame_of
from drivers.panels.inputs import inputs_from, inputs_setting
from drivers.panels.settings import SettingError, one_of, refuse_unknown, seconds, whole_number
from drivers.types import Frame, Line, Setting

LINE = Line()  # there is none: kept so that every codec has one
SILENT_AFTER_S = 5.0
MOST_PINS = 64  # what one request of libgpiod holds
MOST_OFFSET = 1023
LONGEST_SAMPLE = 1024

SETTINGS: tuple[Setting, ...] = (
    Setting("silent_after_s", f"{SILENT_AFTER_S:g}", "Seconds without a reading until the link is lost."),
    inputs_setting("as the chip's lines", "not possible, no pin is taken unasked"),
    Setting("bias", "pull-up", "What the pin is tied to inside: pull-up (contact to ground), pull-down (contact to "
            "3.3 V), off, or as-is."),
    Setting("invert", "yes", "yes: a closed contact reads 0, as to ground; no: it reads 1."),
    Setting("debounce_ms", "10", "How long the kernel waits for a bouncing contact."),
)  # fmt: skip

_SAMPLE = re.compile(rb"(\d{1,12}\.\d{6})((?: \d{1,4}=[01]){1,64})")


class Gpio:
    """Codec of the box's pins. It asks nothing: reading the pins is the port's."""

    kind = "gpio"

    def __init__(self, settings: Mapping[str, str]) -> None:
        refuse_unknown(settings, SETTINGS)
        self.line = LINE
        self.silent_after_s: float | None = seconds(settings, "silent_after_s", SILENT_AFTER_S)
        if not settings.get("inputs", "").strip():
            raise SettingError("The driver gpio needs the setting inputs: which pins it may read, such as '17 panic'.")
        inputs = inputs_from(settings, range(MOST_OFFSET + 1))
        if any(each.levels for each in inputs):
            raise SettingError("Setting inputs: levels= needs measured inputs; a pin is on or off.")
        self._inverted = one_of(settings, "invert", "yes", ("yes", "no")) == "yes"
        biases: dict[str, Literal["pull-up", "pull-down", "off", "as-is"]] = {
            "pull-up": "pull-up", "pull-down": "pull-down", "off": "off", "as-is": "as-is",
        }  # fmt: skip
        bias = biases[one_of(settings, "bias", "pull-up", tuple(biases))]
        asked = {each.number for each in inputs} | {each.fault_input for each in inputs if each.fault_input is not None}
        if len(asked) > MOST_PINS:
            raise SettingError(f"Setting inputs names {len(asked)} pins; at most {MOST_PINS} can be read at once.")
        debounce_s = whole_number(settings, "debounce_ms", 10, 0, 10_000) / 1000
        self.pins = Pins(tuple(sorted(asked)), bias, debounce_s)
        self._module = Module(Contacts(inputs))
        self._buffer = b""

    def feed(self, data: bytes) -> list[Frame]:
        """Take samples; return what counts now. Never raises, whatever the bytes."""
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        if len(self._buffer) > LONGEST_SAMPLE:
            self._buffer = b""
        return [self._sample(line) for line in lines]

    def tick(self, mono_s: float) -> bytes:
        """Nothing is ever sent to a pin."""
        return b""

    def reset(self) -> None:
        """What the pins are is unknown until they are read: they were given back and taken again."""
        self._buffer = b""
        self._module.lose()

    def may_send(self, data: bytes) -> bool:
        """The allow-list is empty."""
        return False

    def _sample(self, line: bytes) -> Frame:
        found = _SAMPLE.fullmatch(line)
        if found is None:
            return Frame(raw=line[:LONGEST_SAMPLE], fault="no sample of the pins")
        on = {
            int(pin): (level == b"1") != self._inverted
            for pin, _, level in (pair.partition(b"=") for pair in found[2].split())
        }
        if set(on) != set(self.pins.offsets):
            return Frame(raw=line, fault="a sample of other pins")
        levels: dict[int, Level] = {
            each.number: each.of_bit(on[each.number], each.fault_input is not None and on[each.fault_input])
            for each in self._module.contacts.inputs
        }
        return frame_of(line, self._module.answered(float(found[1]), levels), alive=True)
