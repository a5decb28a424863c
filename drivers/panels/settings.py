"""Settings that panel drivers share, read from text as an installer writes it, with a sentence when one is wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from drivers.types import DriverError, Line, Setting


class SettingError(DriverError):
    """A panel setting is not usable; only a person can mend it."""

    permanent = True


def line_settings(default: Line, silent_after_s: float | None) -> tuple[Setting, ...]:
    """The settings every serial driver has."""
    own = (
        Setting("baud", str(default.baud), "Speed of the line in baud."),
        Setting("bits", str(default.bits), "Data bits: 7 or 8."),
        Setting("parity", default.parity, "Parity: N, E or O."),
        Setting("stop", str(default.stop), "Stop bits: 1 or 2."),
    )
    if silent_after_s is None:
        return own
    return (*own, Setting("silent_after_s", f"{silent_after_s:g}", "Seconds without a word until the link is lost."))


def refuse_unknown(settings: Mapping[str, str], known: Sequence[Setting]) -> None:
    """Every key must be a setting of the driver: a typo must not silently leave a default."""
    names = [setting.name for setting in known]
    for name in settings:
        if name not in names:
            raise SettingError(f"The panel driver has no setting {name!r}. It has: {', '.join(names)}.")


def line_from(settings: Mapping[str, str], default: Line) -> Line:
    """The serial line these settings ask for."""
    parities: dict[str, Literal["N", "E", "O"]] = {"N": "N", "E": "E", "O": "O"}
    return Line(
        baud=whole_number(settings, "baud", default.baud, 50, 4_000_000),
        bits=7 if one_of(settings, "bits", str(default.bits), ("7", "8")) == "7" else 8,
        parity=parities[one_of(settings, "parity", default.parity, tuple(parities))],
        stop=2 if one_of(settings, "stop", str(default.stop), ("1", "2")) == "2" else 1,
    )


def whole_number(settings: Mapping[str, str], name: str, default: int, least: int, most: int) -> int:
    """A whole number within limits."""
    written = settings.get(name, str(default)).strip()
    if not (written.isascii() and written.isdigit() and len(written) < 10 and least <= int(written) <= most):
        raise SettingError(f"Setting {name} is {written!r}. It should be a whole number from {least} to {most}.")
    return int(written)


def seconds(settings: Mapping[str, str], name: str, default: float) -> float:
    """A length of time above zero."""
    written = settings.get(name, f"{default:g}").strip()
    try:
        value = float(written)
    except ValueError:
        value = 0.0
    if not 0 < value < 1e6:
        raise SettingError(f"Setting {name} is {written!r}. It should be a number of seconds above 0.")
    return value


def one_of(settings: Mapping[str, str], name: str, default: str, choices: Sequence[str]) -> str:
    """One word out of a list."""
    written = settings.get(name, default).strip()
    if written not in choices:
        raise SettingError(f"Setting {name} is {written!r}. It should be one of: {', '.join(choices)}.")
    return written
