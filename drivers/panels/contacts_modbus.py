"""Dry contacts behind Modbus RTU input modules: discrete inputs, or whatever function and address a board has instead.

One request asks for all inputs of a module, so a reading is whole or none (panels.md 4). A module that refuses is a
fault at once, one that is silent three times is lost; its inputs are then unknown. Only reads exist here: functions 1
to 4, and of these only the one request of the settings for each module.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from drivers.panels import modbus
from drivers.panels.contacts import Contacts, Input, Level, Module, frame_of
from drivers.panels.inputs import inputs_from, inputs_setting
from drivers.panels.rota import Rota
from drivers.panels.settings import (
    SettingError,
    line_from,
    line_settings,
    one_of,
    refuse_unknown,
    seconds,
    whole_number,
)
from drivers.types import Frame, Line, Setting

LINE = Line(9600, 8, "N", 1)
SILENT_AFTER_S = 5.0  # longer than three requests that nobody answered
MODULES = 32  # an RS-485 segment carries no more without a repeater

SETTINGS: tuple[Setting, ...] = (
    *line_settings(LINE, SILENT_AFTER_S),
    Setting("unit", "1", "Modbus addresses of the modules on the line, with commas: 1,2. With more than one, the "
            "module's address is told as partition."),
    Setting("function", "2", "How inputs are read: 2 discrete inputs, 1 coils, 3 holding or 4 input registers."),
    Setting("address", "0", "Address of the first input on the wire, counted from 0 (without 10001, 30001, 40001)."),
    Setting("count", "8", "How many inputs a module has."),
    Setting("registers", "packed", "With function 3 or 4: packed, 16 inputs in a register, lowest bit first; "
            "or each, one register for each input (0 is off; with levels, a measured value)."),
    Setting("first", "1", "Number of the first input: 1 as most boards are labelled (DI1), or 0."),
    Setting("invert", "no", "yes where the module says 0 for a closed contact."),
    inputs_setting("from first"),
    Setting("poll_s", "0.1", "Seconds from one request to a module to the next."),
    Setting("answer_s", "0.5", "Seconds a module has for its answer."),
)  # fmt: skip


class ContactsModbus:
    """Codec of the modules on one line; it asks one after the other."""

    kind = "contacts-modbus"

    def __init__(self, settings: Mapping[str, str]) -> None:
        refuse_unknown(settings, SETTINGS)
        self.line = line_from(settings, LINE)
        lost_after_s = seconds(settings, "silent_after_s", SILENT_AFTER_S)
        self.silent_after_s: float | None = lost_after_s
        function = whole_number(settings, "function", modbus.DISCRETE, modbus.COILS, modbus.INPUT)
        registers = function in (modbus.HOLDING, modbus.INPUT)
        self._each = registers and one_of(settings, "registers", "packed", ("packed", "each")) == "each"
        self._first = whole_number(settings, "first", 1, 0, 1)
        self._inverted = one_of(settings, "invert", "no", ("no", "yes")) == "yes"
        count = whole_number(settings, "count", 8, 1, modbus.LONGEST_BITS)
        inputs = inputs_from(settings, range(self._first, self._first + count))
        if not self._each and any(each.levels for each in inputs):
            raise SettingError("Setting inputs: levels= needs function 3 or 4 and registers = each.")
        address = whole_number(settings, "address", 0, 0, 0xFFFF)
        size = count if self._each or not registers else (count + 15) // 16
        self._requests = [modbus.Request(unit, function, address, size) for unit in _units(settings)]
        if not self._requests[0].is_sound():
            raise SettingError(f"Settings address {address} and count {count} do not fit into one Modbus request.")
        parts = [str(each.unit) if len(self._requests) > 1 else None for each in self._requests]
        self._modules = [Module(Contacts(inputs, part), part, lost_after_s) for part in parts]
        self._rota = Rota(len(self._modules), seconds(settings, "poll_s", 0.1))
        answer_s = seconds(settings, "answer_s", 0.5)
        self._master = modbus.Master(self._requests.__contains__, timeout_s=answer_s, retries=0, again={})
        self._turn = 0
        self._asked_s = float("-inf")
        self._told: list[Frame] = []  # what the time limit showed, told at the next feed

    def feed(self, data: bytes) -> list[Frame]:
        """Take bytes off the line; return what they complete. Never raises, whatever the bytes."""
        frames, self._told = self._told, []
        answer = self._master.feed(data)
        if answer is None:
            return frames
        module = self._modules[self._turn]
        if answer.exception is not None:
            # Not alive: a module that refuses for longer than the link's time is as good as not heard.
            return [*frames, frame_of(answer.raw, module.refused(f"exception-{answer.exception}"))]
        if answer.silent:
            return frames
        return [*frames, frame_of(answer.raw, module.answered(self._asked_s, self._levels(answer)), alive=True)]

    def tick(self, mono_s: float) -> bytes:
        """The next request, when the one before was answered or its time is over."""
        if self._master.expire(mono_s) is not None:
            events = self._modules[self._turn].missed(mono_s)
            if events:
                self._told.append(frame_of(b"", events))
        turn = self._rota.turn(mono_s, [each.lost for each in self._modules]) if self._master.idle else None
        if turn is not None:
            self._turn = turn
            self._master.ask(self._requests[turn])
        sent = self._master.tick(mono_s)
        if sent:
            self._asked_s = mono_s
        return sent

    def reset(self) -> None:
        """Forget half an answer and what the modules said: the line was closed and opened again."""
        self._master.reset()
        self._rota.reset()
        self._turn, self._asked_s, self._told = 0, float("-inf"), []
        for module in self._modules:
            module.lose()

    def may_send(self, data: bytes) -> bool:
        """The whole allow-list: the one read request of each module."""
        return self._master.may_send(data)

    def _levels(self, answer: modbus.Answer) -> dict[int, Level]:
        values = list(answer.registers or answer.bits)
        if answer.registers and not self._each:
            values = [register >> bit & 1 for register in answer.registers for bit in range(16)]
        return {each.number: self._level(each, values) for each in self._modules[0].contacts.inputs}

    def _level(self, each: Input, values: list[int] | list[bool]) -> Level:
        value = values[each.number - self._first]
        if each.levels is not None:
            return each.of_number(value)
        fault = each.fault_input is not None and bool(values[each.fault_input - self._first])
        return each.of_bit(bool(value) != self._inverted, fault)


def _units(settings: Mapping[str, str]) -> list[int]:
    written = settings.get("unit", "1").replace(" ", "")
    units = [int(part) for part in written.split(",")] if re.fullmatch(r"\d{1,3}(?:,\d{1,3})*", written) else []
    if not units or len(set(units)) != len(units) or len(units) > MODULES or not all(1 <= u <= 247 for u in units):
        raise SettingError(f"Setting unit is {written!r}. It should be a number from 1 to 247, more with commas: 1,2.")
    return units
