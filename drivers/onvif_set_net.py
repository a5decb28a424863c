"""Sets an ONVIF camera's name in the network, its name servers, gateway and protocols; each is read back.

The address it has can be made its own, so that no DHCP server moves it. It is never given another: a camera that goes
where nobody meant it to is lost on an exam day.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from urllib.parse import urlsplit

from drivers import onvif_whole
from drivers.onvif import Camera
from drivers.onvif_read_back import Strict, Wait, changed
from drivers.onvif_reply import DEVICE, first, text
from drivers.types import CameraNetwork, SetResult

OUR_WAY = "The camera is spoken to by {name}; it was left on."


def set_hostname(camera: Camera, name: str, *, wait: Wait = time.sleep) -> SetResult:
    """Give the camera a name; letters, digits and hyphens, as RFC 1123 has it."""
    before = _network(camera).hostname
    return changed(name, lambda: camera.ask(DEVICE, "SetHostname", Name=name), lambda: _network(camera).hostname,
                   lambda found: found.lower() == name.lower(), before=before, wait=wait)  # fmt: skip


def set_dns(camera: Camera, servers: Sequence[str], *, wait: Wait = time.sleep) -> SetResult:
    """Let the camera ask these name servers (addresses), and no longer what DHCP says."""
    wanted = " ".join(servers)

    def change() -> None:
        said = [{"Type": "IPv6", "IPv6Address": one} if ":" in one else {"Type": "IPv4", "IPv4Address": one}
                for one in servers]  # fmt: skip
        camera.ask(DEVICE, "SetDNS", FromDHCP=False, DNSManual=said)

    return changed(wanted, change, lambda: _network(camera).dns, lambda found: tuple(servers) == found,
                   say=" ".join, before=" ".join(_network(camera).dns), wait=wait)  # fmt: skip


def keep_address(camera: Camera, *, wait: Wait = time.sleep) -> SetResult:
    """Let the camera keep the IPv4 address it has as its own, and no longer ask DHCP for one."""
    ours = urlsplit(camera.url).hostname or ""
    listed = _network(camera).interfaces
    addresses = [(one, address) for one in listed for address in one.addresses if "." in address]
    found = next(((one, a) for one, a in addresses if a.partition("/")[0] == ours), next(iter(addresses), None))
    if found is None:
        return SetResult(ours, "", False, "The camera names no IPv4 address of its own.")
    one, address = found
    host, _, prefix = address.partition("/")
    notes: list[str] = []

    def change() -> None:
        manual = {"Enabled": True, "Manual": [{"Address": host, "PrefixLength": int(prefix or 24)}], "DHCP": False}
        answer = camera.ask(DEVICE, "SetNetworkInterfaces", InterfaceToken=one.token, NetworkInterface={"IPv4": manual})
        if text(first(answer, "RebootNeeded")).lower() in ("true", "1"):
            notes.append("It counts once the camera was started again.")

    def read() -> str:
        now = next((each for each in _network(camera).interfaces if each.token == one.token), None)
        return "" if now is None else f"{' '.join(now.addresses)}{' by DHCP' if now.dhcp else ''}"

    result = changed(address, change, read, lambda said: address in said.split() and "DHCP" not in said, before=read(),
                     wait=wait)  # fmt: skip
    return replace(result, note=" ".join([result.note, *notes]).strip())


def set_gateway(camera: Camera, address: str, *, wait: Wait = time.sleep) -> SetResult:
    """Give the camera this default gateway."""
    version = "IPv6Address" if ":" in address else "IPv4Address"
    return changed(address, lambda: camera.ask(DEVICE, "SetNetworkDefaultGateway", **{version: [address]}),
                   lambda: _network(camera).gateways, lambda found: address in found, say=" ".join,
                   before=" ".join(_network(camera).gateways), wait=wait)  # fmt: skip


def set_protocol(
    camera: Camera, name: str, *, on: bool, port: int, wait: Wait = time.sleep
) -> SetResult:
    """Switch HTTP, HTTPS or RTSP on or off, at this port. Never off what we speak to it by."""
    name = name.upper()
    wanted = f"{name} {port}" if on else f"{name} {port} off"

    def read() -> str:
        return next((one for one in _network(camera).protocols if one.split()[0].upper() == name), "")

    before = read()
    if name == urlsplit(camera.url).scheme.upper() and wanted != before:
        return SetResult(wanted, before, False, OUR_WAY.format(name=name), before)

    def change() -> None:
        said = {"Name": name, "Enabled": on, "Port": [port]}
        camera.ask(DEVICE, "SetNetworkProtocols", NetworkProtocols=[said])

    return changed(wanted, change, read, lambda found: found.upper() == wanted.upper(), before=before, wait=wait)


def _network(camera: Camera) -> CameraNetwork:
    return onvif_whole.network(Strict(camera))
