"""The ONVIF face of one virtual camera: SOAP over HTTP on a port of its own, and a real snapshot behind Digest.

Written to be broken on purpose (demo/onvif_quirks.py): what is said is a table (`answers`, one function an operation,
which a test may replace), which services are listed is `services`, what stands before and behind every answer are
`doors` and `twists`, who may hear it is `Gate`. Nothing here is a model of good ONVIF service code.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol
from xml.etree import ElementTree

from demo.camera_encoder import FPS, GOP, SIZE, SOUND_RATE, CameraConfig
from demo.onvif_gate import Gate
from demo.onvif_pull import PullService
from demo.onvif_soap import NAMESPACES, SOAP_XML, Asked, Fault, HangUp, envelope, fault_body

__all__ = ["ANSWERS", "NAMESPACES", "Asked", "Face", "Fault", "HangUp", "Subject", "envelope"]

OPEN_OPERATIONS = ("GetSystemDateAndTime",)  # ONVIF Core, 5.9.1: access class PRE_AUTH
MANUFACTURER, MODEL, FIRMWARE = "Examsite", "Virtual camera", "1.0"
MAX_BODY_BYTES = 1 << 20
UNMISSED_S = 10.0


class Subject(Protocol):
    """What a face needs to know of its camera."""

    config: CameraConfig
    clock_offset_s: float

    @property
    def gone(self) -> bool: ...

    def still(self) -> bytes: ...


class Face:
    """Serves one camera's Device, Media and Events services, and what others add to `answers` and `services`."""

    def __init__(self, subject: Subject, stream_uri: str, port: int = 0) -> None:
        self.subject = subject
        self.stream_uri = stream_uri
        self.gate = Gate(subject.config.user, subject.config.password, self.now_s)
        self.answers: dict[str, Callable[[Face, Any], str]] = dict(ANSWERS)
        self.services = {NAMESPACES["tds"]: "/onvif/device_service", NAMESPACES["trt"]: "/onvif/media_service"}
        self.open_operations = set(OPEN_OPERATIONS)
        self.doors: list[Callable[[Face, Asked], None]] = []  # each may raise Fault or HangUp, or wait
        self.twists: list[Callable[[Asked, bytes], bytes]] = []  # each changes the bytes of an answer
        self._asked = threading.local()
        self._http = _Http(("127.0.0.1", port), _Handler)
        self._http.face = self
        self.base = f"http://127.0.0.1:{self._http.server_address[1]}"
        self.device_url = f"{self.base}/onvif/device_service"
        self.endpoint = f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, 'examsite:' + subject.config.serial)}"
        self.xaddrs = self.device_url  # as said in discovery
        self.pull = PullService(self)
        self.moving = False
        self._away_s = (0.0, 0.0)  # from when until when it is switched off, monotonic
        self._missed = True  # whether somebody found it away; until then it stays so, however slow the asker is

    def start(self) -> None:
        name = f"onvif-{self.subject.config.id}"
        threading.Thread(target=self._http.serve_forever, args=(0.1,), name=name, daemon=True).start()

    def stop(self) -> None:
        self._http.shutdown()
        self.close()

    def close(self) -> None:
        """Let the port go; for a face that was not started."""
        self._http.server_close()

    def now_s(self) -> float:
        """The camera's own clock, epoch seconds."""
        return time.time() + self.subject.clock_offset_s

    @property
    def gone(self) -> bool:
        """Whether nothing answers: the camera was taken away, or starts again."""
        since_s, until_s = self._away_s
        away = since_s <= time.monotonic() < (until_s if self._missed else until_s + UNMISSED_S)
        self._missed = self._missed or away
        return self.subject.gone or away

    def leave(self, seconds: float) -> None:
        """Be away for so long, as soon as the answer being given is sent."""
        self._missed, self._away_s = False, (time.monotonic() + 0.1, time.monotonic() + 0.1 + seconds)

    def address(self) -> dict[str, str]:
        """Where to find the camera: for the line that says all cameras run."""
        return {"id": self.subject.config.id, "rtsp_url": self.stream_uri, "onvif_url": self.device_url}

    def scopes(self) -> list[str]:
        """The ONVIF scopes, also said in discovery."""
        root = "onvif://www.onvif.org"
        identity = self.subject.config.id
        return [f"{root}/type/video_encoder", f"{root}/Profile/Streaming", f"{root}/name/{identity}",
                f"{root}/hardware/{MODEL.replace(' ', '%20')}"]  # fmt: skip

    @property
    def asked(self) -> Asked:
        """The request this thread is answering; an empty one before it was understood."""
        found: Asked = getattr(self._asked, "now", Asked("", "", None))
        return found

    def respond(self, body: bytes, http_authorization: str | None, path: str) -> tuple[int, bytes]:
        """HTTP status and bytes of the answer; raises HangUp."""
        self._asked.now = Asked("", path, None)
        try:
            status, said = 200, envelope(self.answer(body, http_authorization, path))
        except Fault as fault:
            status, said = fault.status, envelope(fault_body(fault))
        for twist in self.twists:
            said = twist(self.asked, said)
        return status, said

    def answer(self, body: bytes, http_authorization: str | None, path: str) -> str:
        """The SOAP body that answers a request; raises Fault."""
        try:
            envelope = ElementTree.fromstring(body)  # noqa: S314  (a test device on loopback)
        except ElementTree.ParseError as error:
            raise Fault(400, "ter:WellFormed", "the request is not well-formed XML") from error
        soap_body = envelope.find("s:Body", NAMESPACES)
        if soap_body is None or len(soap_body) == 0:
            raise Fault(400, "ter:InvalidArgVal", "there is no operation in the body")
        operation = soap_body[0].tag.rpartition("}")[2]
        self._asked.now = Asked(operation, path, envelope)
        if operation not in self.open_operations and not self.gate.lets_in(envelope, http_authorization, "POST", path):
            raise Fault(401, "ter:NotAuthorized", "Sender not authorized")
        for door in self.doors:
            door(self, self.asked)
        if operation not in self.answers:
            raise Fault(500, "ter:ActionNotSupported", f"{operation} is not supported")
        return self.answers[operation](self, soap_body[0])


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    face: Face


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 10
    wbufsize = -1  # head and body in one packet: else each answer waits 40 ms for a delayed acknowledgement
    server: _Http

    def do_POST(self) -> None:
        face = self.server.face
        length = int(self.headers.get("Content-Length") or 0)
        if face.gone or length > MAX_BODY_BYTES:
            self.close_connection = True
            return
        body = self.rfile.read(length)
        try:
            status, answer = face.respond(body, self.headers.get("Authorization"), self.path)
        except HangUp:
            self.close_connection = True
        else:
            self._send(status, SOAP_XML, answer)

    def do_GET(self) -> None:
        face = self.server.face
        if face.gone:
            self.close_connection = True
            return
        if not self.path.startswith("/snapshot.jpg"):
            self._send(404, "text/plain", b"not here")
        elif "?" in self.path or not face.gate.http_digest_fits(self.headers.get("Authorization"), "GET", self.path):
            self._send(401, "text/plain", b"sign in")
        else:
            self._send(200, "image/jpeg", face.subject.still())

    def _send(self, status: int, content_type: str, body: bytes) -> None:
        self.send_response(status)
        if status == 401:
            self.send_header("WWW-Authenticate", self.server.face.gate.challenge(self.path))
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: a request's line is not news, and standard error is for faults."""


def _date_and_time(face: Face, _request: Any) -> str:
    now = time.gmtime(face.now_s())
    return (
        "<tds:GetSystemDateAndTimeResponse><tds:SystemDateAndTime><tt:DateTimeType>Manual</tt:DateTimeType>"
        "<tt:DaylightSavings>false</tt:DaylightSavings><tt:TimeZone><tt:TZ>UTC0</tt:TZ></tt:TimeZone><tt:UTCDateTime>"
        f"<tt:Time><tt:Hour>{now.tm_hour}</tt:Hour><tt:Minute>{now.tm_min}</tt:Minute>"
        f"<tt:Second>{now.tm_sec}</tt:Second></tt:Time>"
        f"<tt:Date><tt:Year>{now.tm_year}</tt:Year><tt:Month>{now.tm_mon}</tt:Month><tt:Day>{now.tm_mday}</tt:Day>"
        "</tt:Date></tt:UTCDateTime></tds:SystemDateAndTime></tds:GetSystemDateAndTimeResponse>"
    )


def _device_information(face: Face, _request: Any) -> str:
    return (
        f"<tds:GetDeviceInformationResponse><tds:Manufacturer>{MANUFACTURER}</tds:Manufacturer>"
        f"<tds:Model>{MODEL}</tds:Model><tds:FirmwareVersion>{FIRMWARE}</tds:FirmwareVersion>"
        f"<tds:SerialNumber>{face.subject.config.serial}</tds:SerialNumber><tds:HardwareId>1</tds:HardwareId>"
        "</tds:GetDeviceInformationResponse>"
    )


def _services(face: Face, _request: Any) -> str:
    entries = "".join(
        f"<tds:Service><tds:Namespace>{space}</tds:Namespace><tds:XAddr>{face.base}{path}</tds:XAddr>"
        "<tds:Version><tt:Major>2</tt:Major><tt:Minor>60</tt:Minor></tds:Version></tds:Service>"
        for space, path in face.services.items()
    )
    return f"<tds:GetServicesResponse>{entries}</tds:GetServicesResponse>"


def _capabilities(face: Face, _request: Any) -> str:
    media, events = face.services[NAMESPACES["trt"]], face.services.get(NAMESPACES["tev"], "")
    told = (
        f"<tt:Events><tt:XAddr>{face.base}{events}</tt:XAddr><tt:WSSubscriptionPolicySupport>false"
        "</tt:WSSubscriptionPolicySupport><tt:WSPullPointSupport>true</tt:WSPullPointSupport>"
        "<tt:WSPausableSubscriptionManagerInterfaceSupport>false</tt:WSPausableSubscriptionManagerInterfaceSupport>"
        "</tt:Events>"
    )
    return (
        f"<tds:GetCapabilitiesResponse><tds:Capabilities><tt:Device><tt:XAddr>{face.device_url}</tt:XAddr></tt:Device>"
        f"{told if events else ''}<tt:Media><tt:XAddr>{face.base}{media}</tt:XAddr><tt:StreamingCapabilities>"
        "<tt:RTP_RTSP_TCP>true</tt:RTP_RTSP_TCP></tt:StreamingCapabilities></tt:Media>"
        "</tds:Capabilities></tds:GetCapabilitiesResponse>"
    )


def _scopes(face: Face, _request: Any) -> str:
    entries = "".join(
        f"<tds:Scopes><tt:ScopeDef>Fixed</tt:ScopeDef><tt:ScopeItem>{scope}</tt:ScopeItem></tds:Scopes>"
        for scope in face.scopes()
    )
    return f"<tds:GetScopesResponse>{entries}</tds:GetScopesResponse>"


def _network_interfaces(_face: Face, _request: Any) -> str:
    return (
        '<tds:GetNetworkInterfacesResponse><tds:NetworkInterfaces token="lo"><tt:Enabled>true</tt:Enabled><tt:Info>'
        "<tt:Name>lo</tt:Name><tt:HwAddress>00:00:00:00:00:00</tt:HwAddress></tt:Info><tt:IPv4><tt:Enabled>true"
        "</tt:Enabled><tt:Config><tt:Manual><tt:Address>127.0.0.1</tt:Address><tt:PrefixLength>8</tt:PrefixLength>"
        "</tt:Manual><tt:DHCP>false</tt:DHCP></tt:Config></tt:IPv4></tds:NetworkInterfaces>"
        "</tds:GetNetworkInterfacesResponse>"
    )


def _resolution() -> str:
    return f"<tt:Width>{SIZE[0]}</tt:Width><tt:Height>{SIZE[1]}</tt:Height>"


def _profiles(face: Face, _request: Any) -> str:
    config = face.subject.config
    # Media1 has no word for H.265 (onvif.md, row 24); like many makers we say it all the same.
    codec = {"h264": "H264", "h265": "H265"}[config.codec]
    sound = ""
    if config.sound in SOUND_RATE:
        encoding = {"pcma": "G711", "aac": "AAC"}[config.sound]
        sound = (
            f'<tt:AudioEncoderConfiguration token="sound"><tt:Name>sound</tt:Name><tt:Encoding>{encoding}</tt:Encoding>'
            f"<tt:SampleRate>{SOUND_RATE[config.sound] // 1000}</tt:SampleRate></tt:AudioEncoderConfiguration>"
        )
    return (
        '<trt:GetProfilesResponse><trt:Profiles token="main" fixed="true"><tt:Name>main</tt:Name>'
        '<tt:VideoSourceConfiguration token="source"><tt:Name>source</tt:Name><tt:SourceToken>lens</tt:SourceToken>'
        f'<tt:Bounds x="0" y="0" width="{SIZE[0]}" height="{SIZE[1]}"/></tt:VideoSourceConfiguration>'
        f'<tt:VideoEncoderConfiguration token="encoder"><tt:Name>encoder</tt:Name><tt:Encoding>{codec}</tt:Encoding>'
        f"<tt:Resolution>{_resolution()}</tt:Resolution><tt:RateControl><tt:FrameRateLimit>{FPS}</tt:FrameRateLimit>"
        "<tt:EncodingInterval>1</tt:EncodingInterval><tt:BitrateLimit>350</tt:BitrateLimit></tt:RateControl>"
        f"<tt:{codec}><tt:GovLength>{GOP}</tt:GovLength></tt:{codec}></tt:VideoEncoderConfiguration>{sound}"
        "</trt:Profiles></trt:GetProfilesResponse>"
    )


def _uri(operation: str, uri: str) -> str:
    return (
        f"<trt:{operation}Response><trt:MediaUri><tt:Uri>{uri}</tt:Uri>"
        "<tt:InvalidAfterConnect>false</tt:InvalidAfterConnect><tt:InvalidAfterReboot>false</tt:InvalidAfterReboot>"
        f"<tt:Timeout>PT0S</tt:Timeout></trt:MediaUri></trt:{operation}Response>"
    )


def _stream_uri(face: Face, request: Any) -> str:
    _known_profile(request)
    return _uri("GetStreamUri", face.stream_uri)


def _snapshot_uri(face: Face, request: Any) -> str:
    _known_profile(request)
    return _uri("GetSnapshotUri", f"{face.base}/snapshot.jpg")


def _known_profile(request: Any) -> None:
    name = request.findtext("trt:ProfileToken", namespaces=NAMESPACES)
    if name != "main":
        raise Fault(400, "ter:NoProfile", f"there is no profile {name}")


def _video_sources(_face: Face, _request: Any) -> str:
    return (
        f'<trt:GetVideoSourcesResponse><trt:VideoSources token="lens"><tt:Framerate>{FPS}</tt:Framerate>'
        f"<tt:Resolution>{_resolution()}</tt:Resolution></trt:VideoSources></trt:GetVideoSourcesResponse>"
    )


ANSWERS: dict[str, Callable[[Face, Any], str]] = {
    "GetSystemDateAndTime": _date_and_time,
    "GetDeviceInformation": _device_information,
    "GetServices": _services,
    "GetCapabilities": _capabilities,
    "GetScopes": _scopes,
    "GetNetworkInterfaces": _network_interfaces,
    "GetProfiles": _profiles,
    "GetStreamUri": _stream_uri,
    "GetSnapshotUri": _snapshot_uri,
    "GetVideoSources": _video_sources,
}
