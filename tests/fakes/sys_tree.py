"""A /sys as the kernel lays it out, in a folder of the test: devices come and go, cables, mains."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path


@dataclass(slots=True)
class SysTree:
    root: Path
    numbers: int = 1

    def begin(self) -> SysTree:
        """A small box: a root hub, a card, two containers' interfaces; no power supply that tells."""
        for folder in ("sys/bus/usb/devices/usb1", "sys/bus/usb/devices/usb1:1.0", "sys/class/power_supply"):
            (self.root / folder).mkdir(parents=True)
        self._say("sys/bus/usb/devices/usb1", idVendor="1d6b", idProduct="0002", devnum="1", bDeviceClass="09")
        for name, kind in (("lo", "772"), ("veth1", "1")):
            self._say(f"sys/class/net/{name}", type=kind, carrier="1", address="00:00:00:00:00:00")
        self.cable("eth0", True)
        return self

    def plug(
        self, port: str, vendor: str = "0951", product: str = "1666", *, serial: str = "60A44C",
        maker: str = "Kingston", name: str = "DataTraveler 3.0", classes: tuple[str, ...] = ("08",),
    ) -> None:  # fmt: skip
        self.numbers += 1
        devices = self.root / "sys/bus/usb/devices"
        place = f"sys/bus/usb/.{port}"  # laid out aside: the kernel shows a device whole
        self._say(place, idVendor=vendor, idProduct=product, serial=serial, manufacturer=maker, product=name,
                  devnum=str(self.numbers), bDeviceClass="00")  # fmt: skip
        for number, code in enumerate(classes):
            self._say(f"sys/bus/usb/devices/{port}:1.{number}", bInterfaceClass=code)
            self._say(f"{place}/{port}:1.{number}", bInterfaceClass=code)
        (self.root / place).rename(devices / port)

    def pull(self, port: str) -> None:
        for place in (self.root / "sys/bus/usb/devices").glob(f"{port}*"):
            shutil.rmtree(place)

    def cable(self, name: str, carrier: bool, downs: int = 0) -> None:
        place = f"sys/class/net/{name}"
        (self.root / place / "device").mkdir(parents=True, exist_ok=True)
        facts = {"carrier": str(int(carrier)), "carrier_down_count": str(downs)}
        self._say(place, type="1", address="dc:a6:32:00:00:01", **facts)

    def mains(self, online: bool) -> None:
        self._say("sys/class/power_supply/AC", type="Mains", online=str(int(online)))

    def _say(self, place: str, **files: str) -> None:
        folder = self.root / place
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / name).write_text(text + "\n", encoding="utf-8")
