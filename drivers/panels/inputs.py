"""The settings that drivers of dry contacts share: which input means what, as an installer writes it in one line.

`inputs = "1-4 fire.alarm; 5 fault nc; 6 intrusion.alarm nc off=2 levels=200/500/800; 7 panic hold=10 line=15"`
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from drivers.panels.contacts import NAMES, Input, debounce
from drivers.panels.settings import SettingError
from drivers.types import Setting

_ENTRY = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?(?:\s|=|\Z)\s*(.*)", re.DOTALL)
_TIMES = ("on", "off", "hold")
LONGEST_S = 3600.0


def inputs_setting(numbered: str, empty: str = "every input is a tech.alarm, normally open") -> Setting:
    """The setting, for the driver's list: how inputs are numbered there, and what it is when it is not said."""
    return Setting(
        "inputs", "",
        f"What the inputs mean, numbered {numbered}: 'NUMBER CLASS [no|nc] [on=S] [off=S] [hold=S] [line=NUMBER] "
        "[levels=A/B/C]', more after ';', a range as 1-4. no, nc: normally open (default) or closed. on, off: seconds "
        "a change lasts before it counts. line: the input with the module's line fault. levels: bounds of an analog "
        f"end-of-line input. Empty: {empty}.",
    )  # fmt: skip


def inputs_from(settings: Mapping[str, str], numbers: range, *, analog: bool = False) -> tuple[Input, ...]:
    """The inputs these settings ask for; every fault of an entry is named with the entry."""
    written = settings.get("inputs", "").strip()
    if not written:
        if analog:
            raise SettingError("Analog inputs need the setting inputs, with levels=A/B/C for each.")
        return tuple(Input(number) for number in numbers)
    found: dict[int, Input] = {}
    for entry in filter(None, (piece.strip() for piece in re.split(r"[;\n]", written))):
        for each in _entry(entry, numbers, analog):
            if each.number in found:
                raise SettingError(f"Setting inputs, {entry!r}: input {each.number} is described twice.")
            found[each.number] = each
    return tuple(found.values())


def _entry(entry: str, numbers: range, analog: bool) -> list[Input]:
    matched = _ENTRY.fullmatch(entry)
    if matched is None:
        raise SettingError(f"Setting inputs, {entry!r}: it begins with a number or a range, such as '1 fire.alarm'.")
    first, last = int(matched[1]), int(matched[2] or matched[1])
    if not (first <= last and first in numbers and last in numbers):
        raise SettingError(f"Setting inputs, {entry!r}: the inputs are {numbers.start} to {numbers.stop - 1}.")
    kind, *words = matched[3].split() or [""]
    if kind not in NAMES:
        raise SettingError(f"Setting inputs, {entry!r}: there is no class {kind!r}. There is: {', '.join(NAMES)}.")
    on_s, off_s = debounce(kind)
    made = Input(first, kind, on_s=on_s, off_s=off_s)
    for word in words:
        made = _word(made, word, entry, numbers)
    if analog and made.levels is None:
        raise SettingError(f"Setting inputs, {entry!r}: an analog input needs levels=A/B/C.")
    if made.fault_input is not None and first != last:
        raise SettingError(f"Setting inputs, {entry!r}: line= belongs to one input; write each on its own.")
    return [replace(made, number=number) for number in range(first, last + 1)]


def _word(made: Input, word: str, entry: str, numbers: range) -> Input:
    name, _, value = word.partition("=")
    if word in ("no", "nc"):
        return replace(made, normally="open" if word == "no" else "closed")
    if name in _TIMES:
        seconds = _number(value)
        if seconds is None or seconds > LONGEST_S:
            raise SettingError(f"Setting inputs, {entry!r}: {word!r} should be seconds from 0 to {LONGEST_S:g}.")
        times = {"on": made.on_s, "off": made.off_s, "hold": made.hold_s, name: seconds}
        return replace(made, on_s=times["on"], off_s=times["off"], hold_s=times["hold"])
    if name == "line":
        number = int(value) if re.fullmatch(r"\d{1,5}", value) else -1
        if number not in numbers:
            raise SettingError(f"Setting inputs, {entry!r}: {word!r} should name one of the inputs.")
        return replace(made, fault_input=number)
    if name == "levels":
        bounds = [_number(part) for part in value.split("/")]
        if len(bounds) == 3 and (bounds in (sorted(bounds, key=_order), sorted(bounds, key=_order, reverse=True))):
            low, middle, high = (_order(bound) for bound in bounds)
            if low != high and min(low, middle, high) >= 0:
                return replace(made, levels=(low, middle, high))
        raise SettingError(f"Setting inputs, {entry!r}: {word!r} should be three rising or falling numbers, A/B/C.")
    raise SettingError(f"Setting inputs, {entry!r}: {word!r} is none of no, nc, on=, off=, hold=, line=, levels=.")


def _order(bound: float | None) -> float:
    return -1.0 if bound is None else bound


def _number(text: str) -> float | None:
    return float(text) if re.fullmatch(r"\d{1,9}(\.\d{1,6})?", text) else None
