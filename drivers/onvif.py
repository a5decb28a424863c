"""One camera, spoken to in ONVIF: its clock, identity, services, profiles, addresses, presets and a snapshot.

Requests are built by zeep from the WSDL files that onvif-zeep carries; its ONVIFCamera is never made and its `onvif`
module never imported: it subscribes in the constructor, has no time limit and sets up logging (decisions/005-onvif.md).
Replies are read by onvif_reply, the line with its sign-in is onvif_line.
"""

from __future__ import annotations

import functools
import importlib.metadata
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit, urlunsplit

from lxml import etree
from zeep import Client, Settings
from zeep.transports import Transport
from zeep.wsdl import Document
from zeep.wsse.username import UsernameToken

from drivers import onvif_reply as reply
from drivers.onvif_line import Line
from drivers.onvif_reply import DEVICE, EVENTS, MEDIA1, MEDIA2, PTZ, RECORDING, CameraError
from drivers.types import CameraFacts, StreamProfile

T = TypeVar("T")

WSDLS = {
    DEVICE: ("devicemgmt.wsdl", "DeviceBinding"),
    MEDIA1: ("media.wsdl", "MediaBinding"),
    PTZ: ("ptz.wsdl", "PTZBinding"),
    EVENTS: ("events.wsdl", "EventBinding"),
    RECORDING: ("recording.wsdl", "RecordingBinding"),
}
# Where services are when a camera lists none, or lists wrong ones (onvif.md, row 12).
USUAL_PATHS = {MEDIA1: "/onvif/media_service"}
ENVELOPE = "http://www.w3.org/2003/05/soap-envelope"
STREAM_SETUP = {"Stream": "RTP-Unicast", "Transport": {"Protocol": "RTSP"}}
ROUNDING_S = 0.5  # ONVIF tells whole seconds, cut off: on average the camera is half a second further


CLOCK_STEP_S = 2.0  # clocks compared twice differ by less, unless one was set


def _realtime_s() -> float:
    return time.clock_gettime(time.CLOCK_REALTIME)


@functools.cache
def _binding(namespace: str) -> tuple[Client, Any]:
    """A parsed WSDL is read only and costs many megabytes: one for all cameras of a process (onvif.md, decision 3)."""
    wsdl, name = WSDLS[namespace]
    settings = Settings(strict=False, xml_huge_tree=True)
    files = Transport()  # type: ignore[no-untyped-call]
    document = Document(str(_wsdl_folder() / wsdl), files, settings=settings)  # type: ignore[arg-type]
    client = Client(document, settings=settings)  # type: ignore[no-untyped-call]
    # The address is ours to choose for every request; the one here is never used.
    return client, client.create_service(f"{{{namespace}}}{name}", "http://localhost/")  # type: ignore[no-untyped-call]


def _wsdl_folder() -> Path:
    """Where onvif-zeep put its WSDL files, by the package's own record: its code guesses, and misses in a venv."""
    for file in importlib.metadata.files("onvif-zeep") or ():
        if file.name == "devicemgmt.wsdl":
            return Path(str(file.locate())).parent
    raise RuntimeError("onvif-zeep is installed without its WSDL files")


class Camera:
    """One camera at `url` (an address alone will do). Safe for several threads; one request at a time.

    `now_s` is our own clock, epoch seconds.
    """

    def __init__(
        self, url: str, user: str, password: str, timeout_s: float = 6.0, *, now_s: Callable[[], float] = _realtime_s
    ) -> None:
        self.url = device_url(url)
        self.faults: list[str] = []
        self._now_s = now_s
        self._line = Line(user, password, timeout_s)
        self._password = password
        self._lock = threading.RLock()
        self._services: dict[str, str] | None = None
        self._clock_shift_s: float | None = None  # the camera's clock minus CLOCK_MONOTONIC: no step of ours moves it
        self._clock_read = False
        self._snapshot_uri = ""
        self._elsewhere: dict[str, str] = {}

    def close(self) -> None:
        self._line.close()

    def offset_s(self) -> float | None:
        """The camera's clock minus ours in seconds, good to about half a second; None when it does not say."""
        with self._lock:
            self._clock_read = True  # also when it fails: not to be asked again before every request
            before_s = time.monotonic()
            answer = self._ask(DEVICE, "GetSystemDateAndTime")
            middle_s = (before_s + time.monotonic()) / 2
            said = reply.clock_of(answer)
            if said is None:
                self._clock_shift_s = None
                self._note("The camera tells no time that makes sense; its requests are signed with ours.")
                return None
            self._clock_shift_s = said.timestamp() + ROUNDING_S - middle_s
            return round(said.timestamp() + ROUNDING_S - (self._now_s() - (time.monotonic() - middle_s)), 1)

    def facts(self) -> CameraFacts:
        """Read the camera whole. What it cannot do is left out and said in `faults`; CameraError if it says nothing."""
        with self._lock:
            self.faults = []
            offset_s = self._try("The clock", self.offset_s, None, vital=True)
            device = self._ask(DEVICE, "GetDeviceInformation")
            services = self.services()
            profiles = self.profiles()
            return CameraFacts(
                manufacturer=reply.text(reply.first(device, "Manufacturer")),
                model=reply.text(reply.first(device, "Model")),
                firmware=reply.text(reply.first(device, "FirmwareVersion")),
                serial=reply.text(reply.first(device, "SerialNumber")),
                auth=self._line.auth or "none",
                offset_s=offset_s,
                services=tuple(services),
                profiles=profiles,
                presets=self._presets(profiles) if PTZ in services else (),
                events=self._try("Event topics", self._events, ()) if EVENTS in services else (),
                relays=self._tokens(DEVICE, "GetRelayOutputs", "RelayOutputs"),
                recordings=self._recordings() if RECORDING in services else (),
                faults=tuple(self.faults),
            )

    def services(self) -> dict[str, str]:
        """Service namespace to the address as we can reach it; asked once, by GetServices or else GetCapabilities."""
        with self._lock:
            if self._services is None:
                nothing: dict[str, str] = {}
                found = self._try("GetServices", lambda: self._list("GetServices", IncludeCapability=False), nothing)
                found = found or self._try(
                    "GetCapabilities", lambda: self._list("GetCapabilities", Category="All"), nothing
                )
                if not any(space in found for space in (MEDIA1, MEDIA2)):
                    self._note("The camera lists no media service; it was looked for where most cameras have it.")
                    found = {**USUAL_PATHS, **found}
                self._services = found
            return {space: reply.reachable(address, self.url) for space, address in self._services.items()}

    def profiles(self) -> tuple[StreamProfile, ...]:
        """Media profiles with their addresses: Media2 first (H.265 is only there), else Media1."""
        nothing: tuple[StreamProfile, ...] = ()
        with self._lock:
            for service in (MEDIA2, MEDIA1):
                if service in self.services():
                    read = functools.partial(self._profiles, service)
                    found = self._try(f"Profiles ({_short(service)})", read, nothing)
                    if found:
                        return found
            self._note("The camera lists no profile with a picture.")
            return nothing

    def snapshot(self) -> bytes:
        """One JPEG as the camera shows it now. Its address is asked once, and again after it failed."""
        with self._lock:
            address, self._snapshot_uri = self._snapshot_uri, ""
            if not address:
                address = next((p.snapshot_uri for p in self.profiles() if p.snapshot_uri), "")
            if not address:
                raise CameraError("fault", "The camera has no address for snapshots.")
            picture = self._line.get(address)
            if not picture.startswith(b"\xff\xd8"):
                raise CameraError("broken", "What the camera gives as a snapshot is not a JPEG picture.")
            self._snapshot_uri = address
            return picture

    def _profiles(self, service: str) -> tuple[StreamProfile, ...]:
        found = reply.profiles_of(self._ask(service, "GetProfiles", **({"Type": "All"} if service == MEDIA2 else {})))
        return tuple(self._addressed(service, profile) for profile in found)

    def _addressed(self, service: str, profile: StreamProfile) -> StreamProfile:
        how = {"Protocol": "RTSP"} if service == MEDIA2 else {"StreamSetup": STREAM_SETUP}
        stream = self._uri(service, "GetStreamUri", ProfileToken=profile.token, **how)
        snapshot = self._uri(service, "GetSnapshotUri", ProfileToken=profile.token)
        if snapshot and urlsplit(snapshot).scheme not in ("http", "https"):  # onvif.md, row 26
            self._note(f"The snapshot address of profile {profile.token} is no web address and was left out.")
            snapshot = ""
        return replace(profile, stream_uri=stream, snapshot_uri=snapshot)

    def _uri(self, service: str, operation: str, **arguments: Any) -> str:
        asked = self._try(
            operation, lambda: reply.text(reply.first(self._ask(service, operation, **arguments), "Uri")), ""
        )
        return reply.reachable(asked, self.url) if asked else ""

    def _list(self, operation: str, **arguments: Any) -> dict[str, str]:
        return reply.services_of(self._ask(DEVICE, operation, **arguments))

    def _presets(self, profiles: tuple[StreamProfile, ...]) -> tuple[str, ...]:
        if not profiles:
            return ()

        def read() -> tuple[str, ...]:
            answer = self._ask(PTZ, "GetPresets", ProfileToken=profiles[0].token)
            return tuple(
                reply.text(reply.first(p, "Name")) or p.get("token", "") for p in reply.every(answer, "Preset")
            )

        return self._try("Presets", read, ())

    def _events(self) -> tuple[str, ...]:
        return reply.topics_of(self._ask(EVENTS, "GetEventProperties"))

    def _recordings(self) -> tuple[str, ...]:
        def read() -> tuple[str, ...]:
            answer = self._ask(RECORDING, "GetRecordings")
            return tuple(reply.text(item) for item in reply.every(answer, "RecordingToken"))

        return self._try("Recordings", read, ())

    def _tokens(self, service: str, operation: str, name: str) -> tuple[str, ...]:
        """Tokens of what a service lists; nothing, and no fault, when the camera has no such thing."""
        try:
            return tuple(item.get("token", "") for item in reply.every(self._ask(service, operation), name))
        except CameraError as error:
            if error.permanent:
                raise
            return ()

    def _try(self, what: str, read: Callable[[], T], otherwise: T, *, vital: bool = False) -> T:
        """Read something a camera may fail at: the fault is noted, the rest goes on.

        A refused password always ends it; with `vital` so does a camera that does not answer at all.
        """
        try:
            return read()
        except CameraError as error:
            if error.permanent or (vital and error.reason in ("unreachable", "silent")):
                raise
            self._note(f"{what} could not be read. {error}")
            return otherwise

    def _ask(self, service: str, operation: str, **arguments: Any) -> Any:
        """One operation of one service; on a port that is closed the advertised one is tried (onvif.md, row 11)."""
        if not self._clock_read and operation != "GetSystemDateAndTime":
            self._try("The clock", self.offset_s, None, vital=True)
        action, write = self._message(service, operation, arguments)
        wanted = f"{operation}Response"
        url = self.url if service == DEVICE else self._address(service)
        try:
            answer = self._line.ask(url, action, write, wanted)
        except CameraError as error:
            advertised = reply.as_advertised((self._services or {}).get(service, url), self.url)
            if self._signed_with_an_old_clock(error):
                answer = self._line.ask(url, action, write, wanted)
            elif error.reason in ("unreachable", "foreign") and service != DEVICE and advertised != url:
                answer = self._line.ask(advertised, action, write, wanted)
                self._elsewhere[service] = advertised
            else:
                raise
        if reply.local(answer) != wanted:
            self._note(f"Asked {operation}, the camera answered {reply.local(answer)}; what fits was read.")
        return answer

    def _address(self, service: str) -> str:
        known = self._elsewhere.get(service) or self.services().get(service)
        if known is None:
            raise CameraError("fault", "The camera has no such service.", subcode="ActionNotSupported")
        return known

    def _signed_with_an_old_clock(self, error: CameraError) -> bool:
        """Whether a refusal came because either clock was set since we compared them; then they are compared anew."""
        before_s = self._clock_shift_s
        if self._line.auth != "wsse" or error.subcode != "NotAuthorized" or error.permanent or before_s is None:
            return False
        self._try("The clock", self.offset_s, None)
        return self._clock_shift_s is not None and abs(self._clock_shift_s - before_s) > CLOCK_STEP_S

    def _message(self, service: str, operation: str, arguments: dict[str, Any]) -> tuple[str, Callable[[bool], bytes]]:
        """The SOAP action, and a function that writes the envelope."""
        if service == MEDIA2:  # onvif-zeep has no WSDL for it: the three bodies we send are plain text elements
            action = f"{MEDIA2}/{operation}"
        else:
            client, proxy = _binding(service)
            action = proxy._binding.get(operation).soapaction

        def write(signed: bool) -> bytes:
            if service == MEDIA2:
                envelope = _plain_envelope(service, operation, arguments)
            else:
                envelope = client.create_message(proxy, operation, **arguments)  # type: ignore[no-untyped-call]
            if signed:
                self._token().apply(envelope, {})  # type: ignore[no-untyped-call]
            written: bytes = etree.tostring(envelope, xml_declaration=True, encoding="UTF-8")
            return written

        return action, write

    def _token(self) -> UsernameToken:
        """A new one for each request, in the camera's time, ending in Z (onvif.md, rows 3 and 4)."""
        at_s = self._now_s() if self._clock_shift_s is None else time.monotonic() + self._clock_shift_s
        created = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=int(at_s))
        return UsernameToken(  # type: ignore[no-untyped-call]
            self._line.user, self._password, use_digest=True, zulu_timestamp=True, created=created
        )

    def _note(self, sentence: str) -> None:
        if sentence not in self.faults:
            self.faults.append(sentence)


def device_url(address: str) -> str:
    """The device service's address: "10.0.0.5" or "http://10.0.0.5:8000" will do."""
    said = urlsplit(address if "://" in address else f"http://{address}")
    if said.scheme not in ("http", "https") or not said.hostname:
        raise CameraError("foreign", "A camera's ONVIF address looks like http://10.0.0.5/.", permanent=True)
    path = said.path if said.path.strip("/") else "/onvif/device_service"
    return urlunsplit((said.scheme, said.netloc.rpartition("@")[2], path, said.query, ""))


def _plain_envelope(namespace: str, operation: str, arguments: dict[str, Any]) -> Any:
    envelope = etree.Element(f"{{{ENVELOPE}}}Envelope", nsmap={"s": ENVELOPE})
    body = etree.SubElement(envelope, f"{{{ENVELOPE}}}Body")
    asked = etree.SubElement(body, f"{{{namespace}}}{operation}", nsmap={None: namespace})
    for name, value in arguments.items():
        etree.SubElement(asked, f"{{{namespace}}}{name}").text = value
    return envelope


def _short(namespace: str) -> str:
    return {MEDIA1: "Media1", MEDIA2: "Media2"}.get(namespace, namespace)
