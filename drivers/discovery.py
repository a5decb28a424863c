"""Finds ONVIF cameras on the networks the box is on: WS-Discovery, three kinds of probe on every interface.

Some cameras ignore a probe for NetworkVideoTransmitter, others an untyped one (onvif.md, section 2); so all three are
sent, each twice. The same camera on two interfaces is one: it is known by its endpoint, not by its address.
"""

from __future__ import annotations

import fcntl
import re
import select
import socket
import struct
import time
import uuid
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, ip_address
from pathlib import Path
from urllib.parse import urlsplit

from lxml import etree

from drivers.onvif_reply import every, first, text

GROUP, PORT = "239.255.255.250", 3702
INTERFACES = Path("/proc/net/dev")  # proc(5): two lines of heading, then a line an interface
SIOCGIFADDR = 0x8915  # netdevice(7): struct ifreq in, with the address in its sockaddr out
REPEAT_S = 0.3  # SOAP-over-UDP, appendix I: each message is sent twice, a little apart
KINDS = ("dn:NetworkVideoTransmitter", "tds:Device", "")
PROBE = """<?xml version="1.0" encoding="UTF-8"?>
<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"
 xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing" xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery"
 xmlns:dn="http://www.onvif.org/ver10/network/wsdl" xmlns:tds="http://www.onvif.org/ver10/device/wsdl">
<s:Header><a:Action s:mustUnderstand="1">http://schemas.xmlsoap.org/ws/2005/04/discovery/Probe</a:Action>
<a:MessageID>urn:uuid:{identity}</a:MessageID>
<a:To s:mustUnderstand="1">urn:schemas-xmlsoap-org:ws:2005:04:discovery</a:To></s:Header>
<s:Body><d:Probe>{types}</d:Probe></s:Body></s:Envelope>"""


@dataclass(frozen=True, slots=True)
class Found:
    """One camera that answered. `address` is where the answer came from, `xaddrs` what it calls itself, best first."""

    address: str
    xaddrs: tuple[str, ...]
    scopes: tuple[str, ...]
    endpoint: str


def discover(timeout_s: float = 3.0, own: Sequence[str] | None = None) -> list[Found]:
    """Everybody who answers within `timeout_s`, by address. No network, or nobody there, is an empty list.

    `own` are the box's own addresses to ask from; without it, every interface that is up.
    """
    found: dict[str, Found] = {}
    with ExitStack() as stack:
        # An interface may be down, or without multicast: the others are still asked.
        sockets = []
        for address in own_addresses() if own is None else own:
            with suppress(OSError):
                sockets.append(stack.enter_context(_socket_on(address)))
        ours = {str(uuid.uuid4()) for _ in KINDS}
        probes = [_probe(identity, kind) for identity, kind in zip(sorted(ours), KINDS, strict=True)]
        began_s = time.monotonic()
        sendings = [began_s, began_s + REPEAT_S]
        while sockets and (left_s := began_s + timeout_s - time.monotonic()) > 0:
            if sendings and time.monotonic() >= sendings[0]:
                sendings.pop(0)
                for each in sockets:
                    _send(each, probes)
            wait_s = min(left_s, max(0.0, sendings[0] - time.monotonic())) if sendings else left_s
            for ready in select.select(sockets, [], [], wait_s)[0]:
                with suppress(OSError):  # an ICMP "port unreachable" of an earlier probe is told here
                    data, sender = ready.recvfrom(65535)
                    for one in read_answer(data, sender[0], ours):
                        found.setdefault(one.endpoint, one)
    return sorted(found.values(), key=lambda one: ip_address(one.address))


def own_addresses() -> list[str]:
    """The IPv4 address of every interface that has one, loopback included.

    socket.if_nameindex asks by netlink, which the services' units forbid (RestrictAddressFamilies).
    """
    found = []
    names = [line.partition(":")[0].strip() for line in INTERFACES.read_text(encoding="utf-8").splitlines()[2:]]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        for name in names:
            with suppress(OSError):  # EADDRNOTAVAIL: an interface without an IPv4 address
                answer = fcntl.ioctl(asking, SIOCGIFADDR, struct.pack("256s", name.encode()[:15]))
                found.append(socket.inet_ntoa(answer[20:24]))
    return found


def _socket_on(address: str) -> socket.socket:
    each = socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_UDP)
    try:
        each.bind((address, 0))
        each.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(address))
        each.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, struct.pack("b", 1))  # our own network only
        each.setblocking(False)
    except OSError:
        each.close()
        raise
    return each


def _send(each: socket.socket, probes: list[bytes]) -> None:
    for probe in probes:
        with suppress(OSError):  # an interface without multicast has no cameras to lose
            each.sendto(probe, (GROUP, PORT))


def _probe(identity: str, kind: str) -> bytes:
    return PROBE.format(identity=identity, types=f"<d:Types>{kind}</d:Types>" if kind else "").encode()


def read_answer(data: bytes, sender: str, ours: set[str]) -> list[Found]:
    """The cameras in one datagram; none when it is not an answer to one of our probes, or not XML."""
    parser = etree.XMLParser(recover=True, resolve_entities=False, no_network=True)
    try:
        root = etree.fromstring(data.strip(b"\x00 \t\r\n"), parser)
    except etree.XMLSyntaxError:
        return []
    if root is None or text(first(root, "RelatesTo")).rpartition(":")[2] not in ours:
        return []
    found = []
    for match in every(root, "ProbeMatch"):
        xaddrs = [address for address in text(first(match, "XAddrs")).split() if re.match(r"https?://", address)]
        # Of several addresses the one that answered, then IPv4, then plain http (onvif.md, row 29).
        xaddrs.sort(
            key=lambda address: (urlsplit(address).hostname != sender, not _is_ipv4(address), "https:" in address)
        )
        endpoint = text(first(match, "Address")) or sender
        found.append(Found(sender, tuple(xaddrs), tuple(text(first(match, "Scopes")).split()), endpoint))
    return found


def _is_ipv4(address: str) -> bool:
    try:
        return isinstance(ip_address(urlsplit(address).hostname or ""), IPv4Address)
    except ValueError:
        return False
