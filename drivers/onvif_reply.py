"""Reads what ONVIF cameras answer, however they spell it: elements by local name, order and prefixes ignored.

zeep's own reading loses elements that are out of schema order, silently (onvif.md, decision 2); real cameras send
such. Everything here is a pure function over bytes or an element; nothing raises for a strange value, only for a
reply that is no reply.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urljoin, urlsplit, urlunsplit

from lxml import etree

from drivers.onvif_text import BEGINS, ENDS
from drivers.types import DriverError, StreamProfile

MEDIA1 = "http://www.onvif.org/ver10/media/wsdl"
MEDIA2 = "http://www.onvif.org/ver20/media/wsdl"
PTZ = "http://www.onvif.org/ver20/ptz/wsdl"
EVENTS = "http://www.onvif.org/ver10/events/wsdl"
RECORDING = "http://www.onvif.org/ver10/recording/wsdl"
IMAGING = "http://www.onvif.org/ver20/imaging/wsdl"
DEVICEIO = "http://www.onvif.org/ver10/deviceIO/wsdl"
SEARCH = "http://www.onvif.org/ver10/search/wsdl"
REPLAY = "http://www.onvif.org/ver10/replay/wsdl"
RECEIVER = "http://www.onvif.org/ver10/receiver/wsdl"
ANALYTICS = "http://www.onvif.org/ver20/analytics/wsdl"
DEVICE = "http://www.onvif.org/ver10/device/wsdl"
# GetCapabilities names services by category, GetServices by namespace; inside we only use namespaces.
CATEGORIES = {
    "Device": DEVICE,
    "Media": MEDIA1,
    "PTZ": PTZ,
    "Events": EVENTS,
    "Recording": RECORDING,
    "Imaging": IMAGING,
    "DeviceIO": DEVICEIO,
    "Search": SEARCH,
    "Replay": REPLAY,
    "Receiver": RECEIVER,
    "Analytics": ANALYTICS,
}
# A namespace is written with a slash too many, or in other letters: it is still that service.
SPACES = {space.lower(): space for space in (MEDIA2, *CATEGORIES.values())}
STREAMS = ("rtsp", "rtsps", "rtspt", "rtspu", "http", "https")
DOCUMENT_TYPE = re.compile(rb"<!DOCTYPE[^\[>]*(?:\[.*?\]\s*)?>", re.DOTALL)
TYPE_BYTES = 1 << 16
NOT_LET_IN = ("NotAuthorized", "FailedAuthentication", "FailedCheck", "InvalidSecurity", "InvalidSecurityToken")


class CameraError(DriverError):
    """A camera did not do what was asked. `reason` is for programs, the text for people.

    Reasons: unreachable, silent (no answer in time), refused (name or password), foreign (answers, but not ONVIF),
    fault (an ONVIF fault, `subcode` says which), broken (an answer that makes no sense).
    """

    def __init__(
        self, reason: str, text: str, *, permanent: bool = False, subcode: str = "", hung_up: bool = False
    ) -> None:
        super().__init__(text)
        self.reason, self.permanent, self.subcode = reason, permanent, subcode
        self.hung_up = hung_up  # the connection was closed instead of an answer: a kept one, or a camera that restarts


def parse(
    body: bytes, status: int, wanted: str = "", note: Callable[[str], None] = lambda _sentence: None
) -> Any:
    """The first element inside the SOAP body; CameraError for a fault or for something that is not SOAP.

    Undeclared prefixes and stray bytes are survived (onvif.md, rows 20 and section 3's last paragraph); entities are
    never resolved and nothing is fetched. Of several documents sent in one answer the `wanted` one is taken. What was
    wrong is told to `note`.
    """
    documents = _documents(body)
    if len(documents) > 1:
        note("The camera sends several documents in one answer; the one asked for was taken.")
    bodies = [inside for document in documents if (inside := _body_of(document, note)) is not None]
    bodies.sort(key=lambda inside: not wanted or not any(local(child) == wanted for child in inside))
    inside = bodies[0] if bodies else None
    if inside is None:
        raise CameraError("foreign", f"The device answers, but not in ONVIF (HTTP {status}).")
    for child in inside:
        if not isinstance(child.tag, str):
            continue
        if local(child) == "Fault":
            raise _fault(child)
        return child
    raise CameraError("broken", f"The camera's answer is empty (HTTP {status}).")


def _documents(body: bytes) -> list[bytes]:
    pieces = body.split(b"<?xml")
    return [b"<?xml" + piece for piece in pieces[1:]] if len(pieces) > 1 else pieces


def _body_of(document: bytes, note: Callable[[str], None]) -> Any:
    parser = etree.XMLParser(recover=True, resolve_entities=False, no_network=True, huge_tree=False)
    document, cut = _without_type(document)
    if cut:
        note("The camera's answer brings a document type of its own, which SOAP forbids; it was cut out.")
    if BEGINS.search(document) and not ENDS.search(document):
        note("The camera's answer ends too early; what had come was read.")
        document = document[: document.rfind(b">") + 1]  # a text that was cut off is no value
    try:
        root = etree.fromstring(_as_utf8(document.strip(b"\x00 \t\r\n\xef\xbb\xbf"), note), parser)
    except etree.XMLSyntaxError:  # nothing that even recovery could read
        return None
    if root is None or local(root) != "Envelope":
        return None
    if len(parser.error_log):
        note("The camera's XML is not well-formed; it was read all the same.")
    return first(root, "Body")


def _without_type(document: bytes) -> tuple[bytes, bool]:
    """Without a <!DOCTYPE ...> and its entities (SOAP 1.2, 5: there must be none); whether there was one."""
    found = DOCUMENT_TYPE.search(document[:TYPE_BYTES])
    return (document[: found.start()] + document[found.end() :], True) if found else (document, False)


def _as_utf8(document: bytes, note: Callable[[str], None]) -> bytes:
    """Bytes that are no UTF-8 in a document that says it is: replaced, or a parser would drop what follows them."""
    declared = re.match(rb"<\?xml[^>]*encoding=[\"']([\w-]+)", document)
    if declared and declared.group(1).lower() not in (b"utf-8", b"utf8"):
        return document
    try:
        document.decode()
    except UnicodeDecodeError:
        note("The camera's answer holds bytes that are no text; they were replaced.")
        return document.decode("utf-8", "replace").encode()
    return document


def _fault(fault: Any) -> CameraError:
    said = filter(None, map(text, (*every(fault, "Value"), first(fault, "faultcode"))))
    codes = [code.rpartition(":")[2] for code in said] or [""]
    reason = text(first(fault, "Text")) or text(first(fault, "faultstring")) or codes[-1]
    refused = next((code for code in codes if code in NOT_LET_IN), None)
    # Some say it only in words (onvif.md, row 8: the text differs by maker).
    if refused or "not authorized" in reason.lower() or "unauthorized" in reason.lower():
        return CameraError("refused", "The camera wants another name or password.", subcode=refused or "NotAuthorized")
    return CameraError("fault", f"The camera says: {' '.join(reason.split())[:200]}", subcode=codes[-1])


def local(element: Any) -> str:
    """An element's name without namespace; a prefix that was never declared is cut as well."""
    tag = element.tag
    return tag.rpartition("}")[2].rpartition(":")[2] if isinstance(tag, str) else ""


def every(element: Any, name: str) -> Iterator[Any]:
    """All descendants of this local name, in document order."""
    return (node for node in element.iter() if node is not element and local(node) == name)


def first(element: Any, *names: str) -> Any:
    """The first descendant with one of these local names (the first name that is there at all), or None."""
    if element is None:
        return None
    return next((node for name in names for node in every(element, name)), None)


def text(element: Any) -> str:
    """An element's text in one line, "" for None. Only XML's own white space counts: in garbled Cyrillic others are
    halves of letters."""
    return re.sub(r"[ \t\r\n]+", " ", (element.text or "").strip(" \t\r\n")) if element is not None else ""


def number(element: Any) -> float:
    """An element's text as a number, 0 when it is none (nor is "inf", which some write for "no limit")."""
    try:
        said = float(text(element))
    except ValueError:
        return 0.0
    return said if math.isfinite(said) else 0.0


def _whole_number(said: str) -> int:
    return int(said) if said.strip().isascii() and said.strip().isdigit() else 0


def _attribute(element: Any, name: str) -> str:
    return element.get(name) or "" if element is not None else ""


def clock_of(reply: Any) -> datetime | None:
    """GetSystemDateAndTime's UTC time; None when it is missing or absurd (minute 61, year 2485-13: rows 7, 9).

    A camera that tells its local time alone is believed where it names a zone that makes sense.
    """
    utc, beside = first(reply, "UTCDateTime"), timedelta()
    if utc is None:
        utc, east = first(reply, "LocalDateTime"), zone_east(text(first(reply, "TZ")))
        if east is None:
            return None
        summer = text(first(reply, "DaylightSavings")).lower() in ("true", "1")
        beside = east + timedelta(hours=1 if summer else 0)
    if utc is None:
        return None
    parts = [first(utc, name) for name in ("Year", "Month", "Day", "Hour", "Minute", "Second")]
    try:
        return datetime(*(int(float(text(part))) for part in parts), tzinfo=UTC) - beside  # type: ignore[misc,arg-type]
    except (ValueError, OverflowError):
        return None


def zone_east(said: str) -> timedelta | None:
    """How far east of Greenwich a POSIX zone is in winter: MSK-3, <+05>-5:00. None when it is none."""
    found = re.match(r"(?:<[^>]+>|[A-Za-z]{3,})([+-]?)(\d{1,2})(?::(\d{2}))?", said)
    if found is None or int(found[2]) > 14:
        return None
    west = timedelta(hours=int(found[2]), minutes=int(found[3] or 0))
    return west if found[1] == "-" else -west


def services_of(reply: Any) -> dict[str, str]:
    """Service namespace to address, out of GetServices or GetCapabilities."""
    found: dict[str, str] = {}
    for service in every(reply, "Service"):
        space, address = text(first(service, "Namespace")), text(first(service, "XAddr"))
        if space and address:
            found.setdefault(SPACES.get(space.rstrip("/").lower(), space), address)
    if found:
        return found
    for name, space in CATEGORIES.items():
        for category in every(reply, name):
            address = text(first(category, "XAddr"))
            if address:
                found.setdefault(space, address)
    return found


def profiles_of(reply: Any) -> list[StreamProfile]:
    """Profiles of Media1 or Media2, without addresses. A profile without a picture is left out.

    One with a video source but no encoder is kept without a codec: some hide H.265 so (onvif.md, row 24).
    """
    found = []
    for profile in every(reply, "Profiles"):
        source = first(profile, "VideoSourceConfiguration", "VideoSource")
        video = first(profile, "VideoEncoderConfiguration", "VideoEncoder")
        token = profile.get("token") or profile.get("Token") or ""
        if (video is None and source is None) or not token:
            continue
        sound = first(profile, "AudioEncoderConfiguration", "AudioEncoder")
        rate = first(video, "FrameRateLimit")
        found.append(
            StreamProfile(
                token=token,
                codec=codec_name(text(first(video, "Encoding"))),
                width=int(number(first(video, "Width"))),
                height=int(number(first(video, "Height"))),
                fps=number(rate),
                stream_uri="",
                snapshot_uri="",
                sound=sound_name(text(first(sound, "Encoding"))) or None,
                name=text(next((node for node in profile if local(node) == "Name"), None)),
                gop=int(number(first(video, "GovLength"))) or _whole_number(_attribute(video, "GovLength")),
                bit_rate_kbps=int(number(first(video, "BitrateLimit"))),
                codec_profile=text(first(video, "H264Profile", "Mpeg4Profile")) or _attribute(video, "Profile"),
                encoder=_attribute(video, "token"),
                source=text(first(source, "SourceToken")),
                view=_attribute(source, "token"),
                multicast=multicast_of(video),
                analytics=_attribute(first(profile, "VideoAnalyticsConfiguration", "Analytics"), "token"),
                metadata=_attribute(first(profile, "MetadataConfiguration", "Metadata"), "token"),
            )
        )
    return found


def multicast_of(element: Any) -> str:
    """Where a configuration sends its stream by multicast, address:port; "" when nowhere."""
    there = first(element, "Multicast")
    address, port = text(first(there, "IPv4Address", "IPv6Address")), text(first(there, "Port"))
    nowhere = address in ("", "0.0.0.0", "::") or port in ("", "0")  # noqa: S104 - it is what cameras write for none
    return "" if nowhere else f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def codec_name(said: str) -> str:
    """H264, H265, JPEG or MPEG4, however the camera writes it."""
    plain = said.upper().replace(".", "").replace("-", "")
    plain = plain.rpartition("/")[2]
    return {"HEVC": "H265", "AVC": "H264", "MJPEG": "JPEG", "MPV4ES": "MPEG4"}.get(plain, plain)


def sound_name(said: str) -> str:
    """AAC by whichever name Media1 and Media2 have for it; others in capitals as they are said: G711, PCMU, G726."""
    plain = said.upper().rpartition("/")[2]
    return "AAC" if plain in ("MP4A-LATM", "MPEG4-GENERIC", "AAC-LC") else plain


def topics_of(reply: Any) -> tuple[str, ...]:
    """GetEventProperties' topics as paths, such as VideoSource/MotionAlarm; a leaf is where topic="true" stands."""
    topic_set = first(reply, "TopicSet")
    found: list[str] = []

    def walk(element: Any, path: list[str]) -> None:
        for child in element:
            name = local(child)
            if not name or name == "MessageDescription":
                continue
            here = [*path, name]
            if any(key.rpartition("}")[2] == "topic" and value in ("true", "1") for key, value in child.attrib.items()):
                found.append("/".join(here))
            walk(child, here)

    if topic_set is not None:
        walk(topic_set, [])
    return tuple(dict.fromkeys(found))


def reachable(address: str, device_url: str) -> str:
    """An address a camera gave, as we can reach it.

    Cameras name the address they believe to have (behind NAT, before a move: row 10), relative ones, or a port twice
    (row 13). Host and port become those we were given for the device; for rtsp only the host does. A user and
    password in it are cut out.
    """
    known = urlsplit(device_url)
    said = urlsplit(urljoin(device_url, "".join(address.split())))
    host = f"[{known.hostname}]" if known.hostname and ":" in known.hostname else known.hostname or ""
    if said.scheme in ("http", "https"):
        return urlunsplit((known.scheme, _without_user(known.netloc), said.path, said.query, ""))
    ports = [part for part in _without_user(said.netloc).rpartition("]")[2].split(":")[1:] if part.isdigit()]
    return urlunsplit((said.scheme, f"{host}:{ports[0]}" if ports else host, said.path, said.query, ""))


def stream_begun(address: str) -> str:
    """A stream's address with the beginning a camera left out; "" when it is of a kind that is no stream.

    The host put in for a missing one counts for nothing: `reachable` writes ours.
    """
    said = "".join(address.split())
    if re.match(r"//|[\w.-]+:\d+(/|$)|\d+\.\d+\.\d+\.\d+(/|$)", said):
        return f"rtsp://{said.lstrip('/')}"
    scheme, colon, rest = said.partition(":")
    if not colon or "/" in scheme or "?" in scheme:
        return f"rtsp://camera/{said.lstrip('/')}"
    if scheme.lower() not in STREAMS:
        return ""
    return said if rest.startswith("//") else f"{scheme}://camera/{rest.lstrip('/')}"


def oddity(address: str, device_url: str) -> str:
    """What is wrong with an address the camera gave for a service, in words; "" when nothing is."""
    said, known = urlsplit(urljoin(device_url, "".join(address.split()))), urlsplit(device_url)
    if _without_user(said.netloc).rpartition("]")[2].count(":") > 1:
        return "The camera names a port twice in its addresses; ours was used."
    if said.hostname != known.hostname:
        return f"The camera names addresses at another host ({said.hostname}); they were asked at {known.hostname}."
    return ""


def as_advertised(address: str, device_url: str) -> str:
    """The same on the port the camera named, when that differs: the second try (Tapo serves events elsewhere)."""
    said, known = urlsplit(urljoin(device_url, "".join(address.split()))), urlsplit(reachable(address, device_url))
    ports = [part for part in _without_user(said.netloc).rpartition("]")[2].split(":")[1:] if part.isdigit()]
    host = _without_user(known.netloc).rpartition(":")[0] or known.netloc
    return urlunsplit(known._replace(netloc=f"{host}:{ports[0]}")) if ports else urlunsplit(known)


def _without_user(netloc: str) -> str:
    return netloc.rpartition("@")[2]
