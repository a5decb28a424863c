"""Reads the rest of an ONVIF camera: users, network, PTZ, imaging, texts, relays, the card.

Each function asks one subject and gives frozen values; what the camera does not have is empty, what it fails at is
noted as a sentence and is empty as well. Only `drivers.onvif.Camera` stands behind `Asked`.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol, TypeVar

from drivers import onvif_reply as reply
from drivers.onvif_reply import (
    DEVICE,
    DEVICEIO,
    IMAGING,
    MEDIA1,
    MEDIA2,
    PTZ,
    RECORDING,
    CameraError,
    every,
    first,
    text,
)
from drivers.types import (
    CameraClock,
    CameraInterface,
    CameraNetwork,
    CameraUser,
    CardRecording,
    DigitalInput,
    Imaging,
    Osd,
    Preset,
    PtzNode,
    RecordingJob,
    Relay,
    StreamProfile,
)

T = TypeVar("T")

PROFILES_TRIED = 4  # for presets: a node hangs at one of the profiles, seldom at a later one


class Asked(Protocol):
    """The camera, as far as this room needs it."""

    def ask(self, service: str, operation: str, /, **arguments: Any) -> Any: ...

    def attempt(
        self, what: str, read: Callable[[], T], otherwise: T, *, optional: bool = False, quiet: bool = False
    ) -> T: ...

    def once(self, what: str, read: Callable[[], T]) -> T: ...

    def has(self, service: str) -> bool: ...

    def note(self, sentence: str) -> None: ...

    def reach(self, address: str) -> str: ...


def ask(camera: Asked, what: str, service: str, operation: str, **arguments: Any) -> Any:
    """The answer, or None: for something a camera need not have. `what` is for the sentence when it fails at it."""
    if service != DEVICE and not camera.has(service):
        return None
    return camera.attempt(what, lambda: camera.ask(service, operation, **arguments), None, optional=True)


def clock(camera: Asked, answer: Any, offset_s: float | None) -> CameraClock:
    """The clock with its zone and time servers; `answer` is what GetSystemDateAndTime said, None when nothing."""
    ntp = ask(camera, "The time servers", DEVICE, "GetNTP")
    hosts = tuple(filter(None, (_host(h) for name in ("NTPManual", "NTPFromDHCP") for h in _all(ntp, name))))
    return CameraClock(
        utc_at=reply.clock_of(answer) if answer is not None else None,
        offset_s=offset_s,
        zone=text(first(answer, "TZ")),
        daylight=_yes(first(answer, "DaylightSavings")),
        by_ntp=text(first(answer, "DateTimeType")).upper() == "NTP",
        ntp=tuple(dict.fromkeys(hosts)),
        ntp_from_dhcp=_yes(first(ntp, "FromDHCP")),
    )


def nodes(camera: Asked) -> tuple[PtzNode, ...]:
    if not camera.has(PTZ):
        return ()

    def read() -> tuple[PtzNode, ...]:
        return tuple(
            PtzNode(
                token=node.get("token", ""),
                name=repaired(_own(node, "Name")),
                home=_yes(first(node, "HomeSupported")),
                max_presets=int(reply.number(first(node, "MaximumNumberOfPresets"))),
                spaces=tuple(dict.fromkeys(text(uri).rstrip("/").rpartition("/")[2] for uri in every(node, "URI"))),
            )
            for node in every(camera.ask(PTZ, "GetNodes"), "PTZNode")
        )

    return camera.attempt("PTZ nodes", lambda: camera.once("nodes", read), (), optional=True)


def presets(camera: Asked, profiles: Sequence[StreamProfile]) -> tuple[Preset, ...]:
    """Presets with their names; asked of the first profile that has any."""
    for profile in profiles[:PROFILES_TRIED]:
        answer = ask(camera, "Presets", PTZ, "GetPresets", ProfileToken=profile.token)
        found = [(p.get("token", ""), repaired(text(first(p, "Name")))) for p in _all(answer, "Preset")]
        if found:
            if any(name and name not in {text(each) for each in every(answer, "Name")} for _, name in found):
                camera.note("The camera's preset names came garbled; they were put right.")
            return tuple(Preset(token, name or token) for token, name in found)
    return ()


def imaging(camera: Asked, sources: Sequence[str]) -> tuple[Imaging, ...]:
    nothing: tuple[tuple[str, str], ...] = ()
    found = []
    for source in sources if camera.has(IMAGING) else ():
        answer = ask(camera, "Picture settings", IMAGING, "GetImagingSettings", VideoSourceToken=source)
        settings = _flat_in(answer, "ImagingSettings")

        def options(source: str = source) -> tuple[tuple[str, str], ...]:
            return _flat_in(camera.ask(IMAGING, "GetOptions", VideoSourceToken=source), "ImagingOptions")

        def kept(source: str = source, read: Callable[[], tuple[tuple[str, str], ...]] = options) -> Any:
            return camera.once(f"imaging {source}", read)

        allowed = camera.attempt("Picture options", kept, nothing, optional=True)
        if settings or allowed:
            found.append(Imaging(source, settings, allowed))
    return tuple(found)


def relays(camera: Asked) -> tuple[Relay, ...]:
    """Relay outputs, by the Device service and by DeviceIO: cameras have them in one, the other, or both."""
    found: dict[str, Relay] = {}
    for service, name in ((DEVICE, "device"), (DEVICEIO, "deviceio")):
        for each in _all(ask(camera, "Relays", service, "GetRelayOutputs"), "RelayOutputs"):
            token = each.get("token") or each.get("Token") or text(first(each, "Token"))
            mode, idle = text(first(each, "Mode")), text(first(each, "IdleState"))
            found.setdefault(token, Relay(token, name, mode, idle))
    found.pop("", None)
    return tuple(found.values())


def inputs(camera: Asked) -> tuple[DigitalInput, ...]:
    answer = ask(camera, "Contact inputs", DEVICEIO, "GetDigitalInputs")
    found = (DigitalInput(i.get("token", ""), i.get("IdleState", "")) for i in _all(answer, "DigitalInputs"))
    return tuple(one for one in found if one.token)


def recordings(camera: Asked) -> tuple[CardRecording, ...]:
    answer = ask(camera, "Recordings", RECORDING, "GetRecordings")
    found = []
    for item in _items(answer, "RecordingItem", "RecordingToken"):
        source = first(item, "Source")
        found.append(
            CardRecording(
                token=text(first(item, "RecordingToken")),
                source=text(first(source, "SourceId")) or repaired(text(first(source, "Name"))),
                content=repaired(text(first(item, "Content"))),
                tracks=sum(1 for _ in _all(item, "TrackToken")),
            )
        )
    return tuple(one for one in found if one.token)


def jobs(camera: Asked) -> tuple[RecordingJob, ...]:
    answer = ask(camera, "Recording jobs", RECORDING, "GetRecordingJobs")
    found = []
    for item in _items(answer, "JobItem", "JobToken"):
        token = text(first(item, "JobToken"))
        if token:
            recording, mode = text(first(item, "RecordingToken")), text(first(item, "Mode"))
            found.append(
                RecordingJob(
                    token, recording, mode, int(reply.number(first(item, "Priority"))), _job_state(camera, token)
                )
            )
    return tuple(found)


def users(camera: Asked) -> tuple[CameraUser, ...]:
    answer = ask(camera, "Users", DEVICE, "GetUsers")
    found = (CameraUser(text(first(u, "Username")), text(first(u, "UserLevel"))) for u in _all(answer, "User"))
    return tuple(one for one in found if one.name)


def network(camera: Asked) -> CameraNetwork:
    def asked(operation: str) -> Any:
        return ask(camera, "The network", DEVICE, operation)

    interfaces = tuple(_interface(each) for each in _all(asked("GetNetworkInterfaces"), "NetworkInterfaces"))
    return CameraNetwork(
        interfaces,
        _addresses(asked("GetNetworkDefaultGateway")),
        _addresses(asked("GetDNS")),
        text(first(asked("GetHostname"), "Name")),
        tuple(_protocol(each) for each in _all(asked("GetNetworkProtocols"), "NetworkProtocols")),
    )


def osds(camera: Asked) -> tuple[Osd, ...]:
    for service in (MEDIA2, MEDIA1):
        found = tuple(osd_of(each) for each in _all(ask(camera, "Texts in the picture", service, "GetOSDs"), "OSDs"))
        if found:
            return found
    return ()


def osd_of(each: Any) -> Osd:
    """One OSD of GetOSDs. Its type "Text" is told by what the text is; the place by its name or its coordinates."""
    kind, string, place = _own(each, "Type"), first(each, "TextString"), first(each, "Position")
    spot = first(place, "Pos")
    where = _own(place, "Type") if place is not None else ""
    if where == "Custom" and spot is not None:
        where = f"{spot.get('x', '')} {spot.get('y', '')}"
    kind = (_own(string, "Type") if string is not None else "") or kind
    plain = repaired(text(first(string, "PlainText")))
    return Osd(each.get("token", ""), text(first(each, "VideoSourceConfigurationToken")), kind, plain, where)


def scopes(camera: Asked) -> tuple[str, ...]:
    answer = ask(camera, "Scopes", DEVICE, "GetScopes")
    return tuple(filter(None, (text(item) for item in _all(answer, "ScopeItem"))))


def repaired(said: str) -> str:
    """A name whose UTF-8 was read as Latin-1 or Windows-1251 on its way through the camera, put right (Frigate
    repairs Reolink's the same way); anything else as it is. Real words of those alphabets are never valid UTF-8."""
    if said.isascii():
        return said
    for charset in ("latin-1", "cp1252", "cp1251"):
        try:
            return said.encode(charset).decode("utf-8")
        except UnicodeError:
            continue
    return said


def flat(element: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Every leaf with its path of names: ("Exposure/Mode", "AUTO"). Several of one name are one, in one line."""
    values: dict[str, list[str]] = {}
    for node, where in _leaves(element, path):
        values.setdefault(where, []).append(text(node))
    return ((where, " ".join(filter(None, said))) for where, said in values.items())


def _leaves(element: Any, path: str) -> Iterator[tuple[Any, str]]:
    for child in element:
        name = reply.local(child)
        if name:
            here = f"{path}/{name}" if path else name
            yield from _leaves(child, here) if len(child) else iter([(child, here)])


def _flat_in(answer: Any, name: str) -> tuple[tuple[str, str], ...]:
    inside = first(answer, name)
    return () if answer is None else tuple(flat(answer if inside is None else inside))


def _job_state(camera: Asked, token: str) -> str:
    try:
        return text(first(camera.ask(RECORDING, "GetRecordingJobState", JobToken=token), "State"))
    except CameraError as error:
        if error.permanent:
            raise
        return ""  # an extra of the job: its mode is known


def _interface(each: Any) -> CameraInterface:
    found = []
    for node in each.iter():
        address, prefix = _own(node, "Address"), _own(node, "PrefixLength")
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
    off = "" if _yes(first(each, "Enabled")) else "off"
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


def _items(answer: Any, item: str, token: str) -> list[Any]:
    """The entries of a list; for a camera that leaves the entries' wrapper out, each token's neighbourhood."""
    found = list(_all(answer, item))
    return found or [parent for node in _all(answer, token) if (parent := node.getparent()) is not None]


def _all(element: Any, name: str) -> Iterator[Any]:
    return every(element, name) if element is not None else iter(())


def _own(element: Any, name: str) -> str:
    """The text of a child of this name, not of a deeper one."""
    return text(next((node for node in element if reply.local(node) == name), None))


def _yes(element: Any) -> bool:
    return text(element).lower() in ("true", "1", "on", "yes")
