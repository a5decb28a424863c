"""The panels we can read: the list of kinds, and a codec for each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from drivers.gpio import GpioPort
from drivers.panels import bolid, contacts_modbus, dcon, espa, gpio, modbus_table, printer, satel, surgard
from drivers.panels.settings import SettingError
from drivers.port import Port, Source
from drivers.types import Codec, DriverError, Line, Setting

__all__ = ["Kind", "SettingError", "UnknownKind", "kinds", "open_panel", "port_of"]


class UnknownKind(DriverError):
    """The configuration names a kind of panel that there is no driver for."""

    permanent = True


@dataclass(frozen=True, slots=True)
class Kind:
    """One driver as `examsite panel kinds` and docs/panels.md show it."""

    name: str
    title: str
    line: Line | None  # None: it has no serial line
    silent_after_s: float | None
    settings: tuple[Setting, ...]
    make: Callable[[Mapping[str, str]], Codec]


def kinds() -> tuple[Kind, ...]:
    """Every driver there is."""
    return (
        Kind("bolid", "Bolid С2000-ПП (Orion) over Modbus RTU: zones, partitions, event queue, values", bolid.LINE,
             bolid.LOST_S, bolid.SETTINGS, bolid.Bolid),
        Kind("espa", "ESPA 4.4.4: a panel that calls pagers, with us as the paging system", espa.LINE, espa.DEAD_S,
             espa.SETTINGS, espa.Espa),
        Kind("printer", "Printer port of any fire panel: the site's own profile says what its lines mean", printer.LINE,
             None, printer.SETTINGS, printer.Printer),
        Kind("surgard", "Sur-Gard receiver output (MLR2, System III): Contact ID, SIA, Radionics 6500", surgard.LINE,
             surgard.HEARTBEAT_LOST_S, surgard.SETTINGS, surgard.SurGard),
        Kind("contacts-modbus", "Dry contacts on Modbus RTU input modules: discrete inputs, coils or registers",
             contacts_modbus.LINE, contacts_modbus.SILENT_AFTER_S, contacts_modbus.SETTINGS,
             contacts_modbus.ContactsModbus),
        Kind("dcon", "Dry contacts on DCON modules: ICP DAS I-7000 and M-7000, ADAM-4000, ND-6000", dcon.LINE,
             dcon.SILENT_AFTER_S, dcon.SETTINGS, dcon.Dcon),
        Kind("gpio", "Dry contacts on the box's own pins (libgpiod); port is the chip, such as /dev/gpiochip0", None,
             gpio.SILENT_AFTER_S, gpio.SETTINGS, gpio.Gpio),
        Kind("modbus-table", "Any Modbus RTU gateway (Rubezh, Strelets ...), described by the site's own table",
             modbus_table.LINE, modbus_table.SILENT_AFTER_S, modbus_table.SETTINGS, modbus_table.ModbusTable),
        Kind("satel", "Satel INTEGRA and INTEGRA Plus over INT-RS: states, event log, names", satel.LINE,
             satel.SILENT_AFTER_S, satel.SETTINGS, satel.Satel),
    )  # fmt: skip


def open_panel(kind: str, settings: Mapping[str, str]) -> Codec:
    """A fresh codec. Raises UnknownKind or SettingError (both permanent) when the configuration is wrong."""
    for known in kinds():
        if known.name == kind:
            return known.make(settings)
    names = ", ".join(known.name for known in kinds())
    raise UnknownKind(f"There is no panel driver {kind!r}. There is: {names}.")


def port_of(codec: Codec, path: Path) -> Source:
    """Where this codec's bytes come from: pins for contacts on the box itself, a serial line for all others."""
    if isinstance(codec, gpio.Gpio):
        return GpioPort(path, codec.pins)
    return Port(path, codec.line, codec.may_send)
