"""Every kind of panel that is asked, ready to be tried the same way: settings, a scripted panel, two things that happen
at it and what must be told of them. And, for all kinds, what each may ever send, written down a second time on purpose:
widening an allow-list must take two hands.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from drivers.panels import open_panel
from drivers.types import Codec
from tests.fakes.panel_site import ROOT
from tests.fakes.peers import bolid, contacts_modbus, dcon, modbus_table, satel

Told = tuple[str, str, str | None]  # class, state, zone or else partition
PROFILES = ROOT / "examples" / "panels"


@dataclass(frozen=True, slots=True)
class Trial:
    """`peer` answers what it is asked; `acts` are done to it one after the other, each with what it must be told as."""

    peer: Callable[[], Any]
    acts: tuple[tuple[Callable[[Any], object], Told], ...]
    settings: Mapping[str, str] = field(default_factory=dict)


def _put(name: str, key: Any, value: Any) -> Callable[[Any], object]:
    return lambda peer: getattr(peer, name).__setitem__(key, value)


def _set(name: str, value: Any) -> Callable[[Any], object]:
    return lambda peer: setattr(peer, name, value)


TRIALS: Mapping[str, Trial] = {
    "bolid": Trial(
        bolid.Peer,
        ((_put("states", 3, [37, 24]), ("fire.alarm", "active", "3")),
         (_put("states", 3, [24, 188]), ("fire.alarm", "restored", "3"))),
        {"zones": "8"},
    ),
    "contacts-modbus": Trial(
        contacts_modbus.Peer,
        ((_set("inputs", 0b10), ("tech.alarm", "active", "2")), (_set("inputs", 0), ("tech.alarm", "restored", "2"))),
    ),
    "dcon": Trial(
        lambda: dcon.Peer(checked=True),
        ((_set("inputs", 0b10), ("tech.alarm", "active", "1")), (_set("inputs", 0), ("tech.alarm", "restored", "1"))),
        {"checksum": "on"},
    ),
    "modbus-table": Trial(
        modbus_table.Peer,
        ((_put("words", (4, 0x1002), 2), ("fire.alarm", "active", "3")),
         (_put("words", (4, 0x1002), 0), ("fire.alarm", "restored", "3"))),
        modbus_table.SETTINGS,
    ),
    "satel": Trial(
        satel.Peer,
        ((lambda peer: peer.put(0x14, 3), ("fire.alarm", "active", "3")),
         (lambda peer: peer.put(0x14), ("fire.alarm", "restored", "3"))),
    ),
}  # fmt: skip

# What a kind needs to open at all.
NEEDED = {"printer": {"profile": str(PROFILES / "afp2800.toml")}, "modbus-table": modbus_table.SETTINGS}


def codec_of(kind: str) -> Codec:
    """A codec of this kind as a site would have it."""
    return open_panel(kind, TRIALS[kind].settings if kind in TRIALS else NEEDED.get(kind, {}))


def may_ever_send(kind: str, data: bytes) -> bool:
    """The second hand: whether a driver of this kind may ever send these bytes, whatever its own list says."""
    return bool(data) and _ALLOWED[kind](data)


def _modbus(*functions: int) -> Callable[[bytes], bool]:
    return lambda data: len(data) == 8 and data[1] in functions and contacts_modbus.crc(data[:6]) == data[6:]


def _bolid(data: bytes) -> bool:
    # Writes: the acknowledgement of an event, and the numbers of what is read next. Never a zone, relay or partition.
    address = int.from_bytes(data[2:4], "big")
    selectors = (46163, 46176, 46177, 46179, 46180, 46181)
    return _modbus(3, 4)(data) or (_modbus(6)(data) and address in selectors)


def _satel(data: bytes) -> bool:
    body = data[2:-2].replace(b"\xfe\xf0", b"\xfe")
    reads = body[:1] in (b"\x8c", b"\xee") or body[0] in (0x00, 0x01, 0x02, 0x06, 0x08, 0x0A, 0x13, 0x14, 0x1A, 0x7F)
    return reads and satel.frame(body[:-2]) == data


_ALLOWED: Mapping[str, Callable[[bytes], bool]] = {
    "bolid": _bolid,
    "contacts-modbus": _modbus(1, 2, 3, 4),
    "dcon": lambda data: re.fullmatch(rb"(\$[0-9A-F]{2}[26]|@[0-9A-F]{2})([0-9A-F]{2})?\r", data) is not None,
    "espa": lambda data: data in (b"\x06", b"1\x15", b"\x04") or re.fullmatch(rb"\x04.\x05", data) is not None,
    "modbus-table": _modbus(1, 2, 3, 4),
    "printer": lambda data: False,
    "satel": _satel,
    "surgard": lambda data: data in (b"\x06", b"\x15"),
}
