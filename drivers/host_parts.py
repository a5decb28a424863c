"""Parts of the box as the kernel shows them: what is plugged in where, which cables carry, whether mains is there.

Facts only, out of /sys and /proc below a `root` folder, so that tests lay out a real tree of files. Names that a device
tells of itself are its own claim: they are cut and cleaned, and nobody should believe them.
"""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

ROOT = Path("/")
# Documentation/ABI/testing/sysfs-bus-usb: bus-port.port.port; "usb1" is a root hub, "1-1:1.0" a part of a device.
PORT = re.compile(r"^\d+-\d+(\.\d+)*$")
ETHERNET = 1  # ARPHRD_ETHER, include/uapi/linux/if_arp.h
LONGEST = 80

# USB-IF class codes (usb.org/defined-class-codes), by what a person sees in their hand.
CLASSES = {
    0x01: "sound", 0x02: "serial", 0x03: "input", 0x06: "camera", 0x07: "printer", 0x08: "storage", 0x09: "hub",
    0x0A: "serial", 0x0B: "smartcard", 0x0E: "camera", 0x11: "dock", 0xE0: "wireless",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class UsbDevice:
    """One device. `port` is the way to its socket; `number` is new each time it is plugged in, until the next boot.

    `classes`: what it can do, of CLASSES; "other" for what has none of these.
    """

    port: str
    vendor: str
    product: str
    serial: str
    name: str
    classes: tuple[str, ...]
    number: int


@dataclass(frozen=True, slots=True)
class NetPort:
    """One socket for a network cable. `downs` counts how often its carrier went since boot; 0 on old kernels."""

    name: str
    address: str
    carrier: bool
    downs: int = 0


@dataclass(frozen=True, slots=True)
class Supplies:
    """Mains as the kernel's power supplies tell it. None: none of them says."""

    mains: bool | None


def usb(root: Path = ROOT) -> dict[str, UsbDevice]:
    """Every device on every bus, by its port; hubs too, root hubs not. Empty without USB."""
    folder = root / "sys/bus/usb/devices"
    found = (_device(place) for place in _listed(folder) if PORT.match(place.name))
    return {device.port: device for device in found if device is not None}


def _device(place: Path) -> UsbDevice | None:
    """None when it was pulled while we were looking."""
    vendor, product = _text(place / "idVendor"), _text(place / "idProduct")
    if not vendor:
        return None
    faces = [face for face in _listed(place) if face.name.startswith(f"{place.name}:")]
    codes = {_hex(_text(place / "bDeviceClass"))} | {_hex(_text(face / "bInterfaceClass")) for face in faces}
    kinds = tuple(sorted({CLASSES[code] for code in codes if code in CLASSES})) or ("other",)
    name = " ".join(part for part in (_text(place / "manufacturer"), _text(place / "product")) if part)
    return UsbDevice(
        place.name, vendor, product, _text(place / "serial"), name[:LONGEST], kinds, _number(place / "devnum")
    )


def network(root: Path = ROOT) -> dict[str, NetPort]:
    """Sockets for cables, by name: Ethernet with hardware behind it, so no bridges, tunnels and containers."""
    places = _listed(root / "sys/class/net")
    return {
        place.name: NetPort(
            place.name, _text(place / "address"), _text(place / "carrier") == "1", _number(place / "carrier_down_count")
        )
        for place in places
        if (place / "device").exists() and not (place / "wireless").exists() and _number(place / "type") == ETHERNET
    }


def supplies(root: Path = ROOT) -> Supplies:
    """Whether any mains adapter is fed (Documentation/ABI/testing/sysfs-class-power: `type` Mains, `online` 0 or 1)."""
    told = [
        _text(place / "online")
        for place in _listed(root / "sys/class/power_supply")
        if _text(place / "type") in ("Mains", "UPS") and _text(place / "scope") != "Device"  # a keyboard's battery
    ]
    said = [online for online in told if online in ("0", "1", "2")]  # 2: online, programmable
    return Supplies(any(online != "0" for online in said) if said else None)


def version() -> str:
    """The installed examsite; "" when it runs from a folder that was never installed."""
    with suppress(importlib.metadata.PackageNotFoundError):  # a checkout: it has no version to compare
        return importlib.metadata.version("examsite")
    return ""


def _listed(folder: Path) -> Iterator[Path]:
    if folder.is_dir():
        yield from sorted(folder.iterdir())


def _text(file: Path) -> str:
    """What a file of sysfs says; "" when it is not there, or the kernel will not say (EINVAL: a port that is down)."""
    try:
        said = file.read_bytes()
    except OSError:
        return ""
    shown = "".join(c if c.isprintable() else " " for c in said.decode("utf-8", "replace"))
    return " ".join(shown.split())[:LONGEST]


def _number(file: Path) -> int:
    said = _text(file)
    return int(said) if said.isascii() and said.isdigit() else 0


def _hex(said: str) -> int:
    return int(said, 16) if re.fullmatch(r"[0-9a-fA-F]{1,4}", said) else -1
