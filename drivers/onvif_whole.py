"""Reads an ONVIF camera whole: identity, clock, users, network, and all that onvif_profiles and onvif_parts read.

What a camera cannot say is empty, and a sentence in the faults when it should have been able to.
"""

from __future__ import annotations

import ipaddress
from dataclasses import replace
from typing import Any, Protocol

from drivers import onvif_analytics, onvif_media
from drivers import onvif_parts as parts
from drivers import onvif_reply as reply
from drivers.onvif_parts import Asked, ask, everyone, is_yes, own
from drivers.onvif_profiles import read_profiles
from drivers.onvif_reply import DEVICE, EVENTS, every, first, text
from drivers.types import (
    CameraClock,
    CameraFacts,
    CameraInterface,
    CameraNetwork,
    CameraService,
    CameraUser,
    WholeCamera,
)


class Lists(Asked, Protocol):
    """The camera with its list of services."""

    def services(self) -> dict[str, str]: ...


def facts(camera: Lists, begun: CameraFacts) -> CameraFacts:
    """What is needed to use a camera; `begun` has maker, model, firmware, serial number and clock."""
    profiles = read_profiles(camera)
    found = WholeCamera(
        facts=replace(begun, profiles=profiles),
        presets=parts.presets(camera, profiles),
        relays=parts.relays(camera),
        recordings=parts.recordings(camera),
    )
    return _completed(camera, found)


def whole(camera: Lists, begun: CameraFacts, clock_answer: Any, versions: dict[str, str]) -> WholeCamera:
    """Everything. Auth and faults of the facts are put in by the caller, who knows them at the end."""
    profiles = read_profiles(camera)
    sources = list(dict.fromkeys(one.source for one in profiles if one.source))
    listed = camera.services().items()
    found = WholeCamera(
        facts=replace(begun, profiles=profiles),
        clock=clock(camera, clock_answer, begun.offset_s),
        services=tuple(CameraService(space, where, versions.get(space, "")) for space, where in listed),
        nodes=parts.nodes(camera),
        presets=parts.presets(camera, profiles),
        imaging=parts.imaging(camera, sources),
        relays=parts.relays(camera),
        inputs=parts.inputs(camera),
        recordings=parts.recordings(camera),
        jobs=parts.jobs(camera),
        users=users(camera),
        network=network(camera),
        osds=parts.osds(camera),
        scopes=scopes(camera),
        sounds=onvif_media.sounds(camera),
        metadata=onvif_media.metadata(camera),
        modes=onvif_media.modes(camera, sources),
        receivers=parts.receivers(camera),
        modules=onvif_analytics.modules(camera, profiles),
        rules=onvif_analytics.rules(camera, profiles),
        described=onvif_analytics.described(camera),
    )
    return replace(found, facts=_completed(camera, found))


def _completed(camera: Lists, found: WholeCamera) -> CameraFacts:
    return replace(
        found.facts,
        services=tuple(camera.services()),
        presets=tuple(preset.name for preset in found.presets),
        events=topics(camera),
        relays=tuple(relay.token for relay in found.relays),
        recordings=tuple(recording.token for recording in found.recordings),
    )


def topics(camera: Asked) -> tuple[str, ...]:
    """Event topics as paths, such as VideoSource/MotionAlarm."""
    nothing: tuple[str, ...] = ()
    if not camera.has(EVENTS):
        return nothing

    def read() -> tuple[str, ...]:
        return camera.once("topics", lambda: reply.topics_of(camera.ask(EVENTS, "GetEventProperties")))

    return camera.attempt("Event topics", read, nothing)


def clock(camera: Asked, answer: Any, offset_s: float | None) -> CameraClock:
    """The clock with its zone and time servers; `answer` is what GetSystemDateAndTime said, None when nothing."""
    ntp = ask(camera, "The time servers", DEVICE, "GetNTP")
    hosts = tuple(filter(None, (_host(h) for name in ("NTPManual", "NTPFromDHCP") for h in everyone(ntp, name))))
    return CameraClock(
        utc_at=reply.clock_of(answer) if answer is not None else None,
        offset_s=offset_s,
        zone=text(first(answer, "TZ")),
        daylight=is_yes(first(answer, "DaylightSavings")),
        by_ntp=text(first(answer, "DateTimeType")).upper() == "NTP",
        ntp=tuple(dict.fromkeys(hosts)),
        ntp_from_dhcp=is_yes(first(ntp, "FromDHCP")),
    )


def users(camera: Asked) -> tuple[CameraUser, ...]:
    answer = ask(camera, "Users", DEVICE, "GetUsers")
    found = (CameraUser(text(first(u, "Username")), text(first(u, "UserLevel"))) for u in everyone(answer, "User"))
    return tuple(one for one in found if one.name)


def network(camera: Asked) -> CameraNetwork:
    def asked(operation: str) -> Any:
        return ask(camera, "The network", DEVICE, operation)

    interfaces = tuple(_interface(each) for each in everyone(asked("GetNetworkInterfaces"), "NetworkInterfaces"))
    return CameraNetwork(
        interfaces,
        _addresses(asked("GetNetworkDefaultGateway")),
        _addresses(asked("GetDNS")),
        text(first(asked("GetHostname"), "Name")),
        tuple(_protocol(each) for each in everyone(asked("GetNetworkProtocols"), "NetworkProtocols")),
    )


def scopes(camera: Asked) -> tuple[str, ...]:
    answer = ask(camera, "Scopes", DEVICE, "GetScopes")
    return tuple(filter(None, (text(item) for item in everyone(answer, "ScopeItem"))))


def _interface(each: Any) -> CameraInterface:
    found = []
    for node in each.iter():
        address, prefix = own(node, "Address"), own(node, "PrefixLength")
        if address:
            found.append(f"{address}/{prefix}" if prefix else address)
    info = first(each, "Info")
    mac = text(first(info, "HwAddress")).replace("-", ":").lower()
    return CameraInterface(
        each.get("token", ""),
        text(first(info, "Name")),
        mac,
        tuple(dict.fromkeys(found)),
        any(text(d).lower() not in ("", "false", "0", "off") for d in every(each, "DHCP")),
    )


def _protocol(each: Any) -> str:
    ports = " ".join(text(port) for port in every(each, "Port"))
    off = "" if is_yes(first(each, "Enabled")) else "off"
    return " ".join(filter(None, (text(first(each, "Name")), ports, off)))


def _addresses(answer: Any) -> tuple[str, ...]:
    """Every IP address in an answer, empty and 0.0.0.0 left out."""
    found = []
    for node in answer.iter() if answer is not None else ():
        if reply.local(node) in ("IPv4Address", "IPv6Address"):
            try:
                address = ipaddress.ip_address(text(node))
            except ValueError:
                continue  # also an element that only holds others
            if not address.is_unspecified:
                found.append(str(address))
    return tuple(dict.fromkeys(found))


def _host(element: Any) -> str:
    return next(filter(None, (text(first(element, name)) for name in ("DNSname", "IPv4Address", "IPv6Address"))), "")
