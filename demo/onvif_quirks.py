"""The ways a virtual camera can misbehave: the thirty rows of what real ones do, and those without a number.

A quirk's value begins with the row's number, then says the rest in words; docs/virtual-cameras.md lists them with who
does it. Any may be combined: `misbehave(face, Quirk.NO_RENEW, Quirk.ODD_TOPICS)`.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from enum import StrEnum
from types import SimpleNamespace
from typing import Any

from demo import onvif_quirks_heard as heard
from demo.onvif_face import Face
from demo.onvif_soap import NAMESPACES, Asked, Fault, told

PTZ = f"{{{NAMESPACES['tptz']}}}"


class Quirk(StrEnum):
    """One way to misbehave."""

    DIGEST_ONLY = "1-takes-digest-only"
    NONCE_A_PATH = "2-nonce-for-one-address"
    CREATED_IN_Z = "3-created-must-end-in-z"
    DEAD_CLOCK = "4-clock-at-the-year-2000"
    REPLAY_PROTECTION = "5-clock-set-and-old-tokens-refused"
    LOCAL_TIME_AS_UTC = "6-local-time-called-utc"
    ABSURD_TIME = "7-absurd-time"
    TIME_BEHIND_SIGN_IN = "8-time-behind-sign-in"
    WANTS_DAYLIGHT = "9-set-time-wants-daylight-savings"
    OTHER_HOST = "10-addresses-at-another-host"
    CLOSED_PORT = "11-subscription-at-a-closed-port"
    WRONG_PATHS = "12-wrong-paths"
    DOUBLED_PORT = "13-port-twice-in-addresses"
    UNKNOWN_FAULT = "14-unknown-fault-at-this-port"
    HANGS_UP = "15-hangs-up-while-pulled"
    REBOOTS = "16-loses-subscriptions"
    NO_RENEW = "17-does-not-renew"
    ENDS_AT_ONCE = "18-termination-time-is-now"
    BY_REFERENCE = "19-wants-reference-and-addressing"
    UNDECLARED_PREFIXES = "20-undeclared-prefixes"
    NO_SYNCHRONISATION = "21-refuses-synchronisation"
    ONLY_SYNCHRONISED = "21-tells-what-stands-only-when-asked"
    ONE_SUBSCRIPTION = "22-stops-at-a-second-subscription"
    DENIES_PULL_POINT = "23-says-it-has-no-pull-point"
    H265_IN_MEDIA2 = "24-h265-only-in-media2"
    SNAPSHOT_SIGNED = "25-sign-in-inside-the-snapshot-address"
    SNAPSHOT_RTSP = "26-snapshot-address-is-rtsp"
    MOVES_ON = "27-moves-on-and-refuses-timeout"
    ALWAYS_MOVING = "28-move-status-never-changes"
    MANY_XADDRS = "29-many-addresses-in-discovery"
    ODD_TOPICS = "30-odd-topics"
    SETS_NOTHING = "answers-ok-and-does-nothing"
    GARBLED_NAMES = "garbled-preset-names"
    INVALID_UTF8 = "invalid-utf-8"
    RELAYS_UNLISTED = "relays-left-out-of-capabilities"
    LOCKS_OUT = "locks-out-after-two-refusals"
    SLOW_WITH_EVENTS = "slow-once-events-are-asked"
    PULLS_AT_ONCE = "answers-pull-at-once"


def misbehave(face: Face, *quirks: Quirk) -> Face:
    """Make a camera misbehave from now on."""
    for quirk in quirks:
        _DO[quirk](face)
    return face


def _digest_only(face: Face) -> None:
    face.gate.takes_token = False


def _token_only(face: Face) -> None:
    face.gate.takes_digest = False


def _nonce_a_path(face: Face) -> None:
    face.gate.nonce_a_path, face.gate.takes_token = True, False


def _dead_clock(face: Face) -> None:
    _token_only(face)
    face.subject.clock_offset_s = 946_684_800 - time.time()


def _replay_protection(face: Face) -> None:
    """Strict about age; and its clock is set by an hour once it has been read whole."""
    _token_only(face)
    face.gate.token_age_s = 5.0

    def step(face: Face, asked: Asked) -> None:
        if asked.operation == "GetSnapshotUri" and not face.subject.clock_offset_s:
            face.subject.clock_offset_s = 3600.0

    face.doors.append(step)


def _local_time_as_utc(face: Face) -> None:
    _token_only(face)
    tell: Callable[[Any, Any], str] = face.answers["GetSystemDateAndTime"]
    local = SimpleNamespace(now_s=lambda: face.now_s() + 5 * 3600)
    face.answers["GetSystemDateAndTime"] = lambda _face, request: tell(local, request)


def _absurd_time(face: Face) -> None:
    _token_only(face)
    heard.reword(face, "GetSystemDateAndTime", r"<tt:Minute>\d+", "<tt:Minute>61")
    heard.reword(face, "GetSystemDateAndTime", r"<tt:Month>\d+", "<tt:Month>13")


def _time_behind_sign_in(face: Face) -> None:
    """Its own words, not ONVIF's, with HTTP 400."""
    _token_only(face)
    face.open_operations.clear()
    heard.alter(face, lambda asked, said: said.replace(b"Sender not authorized", b"Unauthorized").replace(
        b"ter:NotAuthorized", b"ter:Unknown") if asked.operation == "GetSystemDateAndTime" else said)  # fmt: skip


def _wants_daylight(face: Face) -> None:
    def look(_face: Face, asked: Asked) -> None:
        if asked.operation == "SetSystemDateAndTime":
            said = {node.tag.rpartition("}")[2]: node.text or "" for node in asked.envelope.iter()}
            if "DaylightSavings" not in said or said.get("TZ", "UTC0") not in ("UTC0", "YEKT-5"):
                raise Fault(400, "ter:InvalidTimeZone", "bad request")

    face.doors.append(look)


def _other_host(face: Face) -> None:
    heard.everywhere(face, face.base, "http://192.168.1.88")
    face.pull.address = "http://192.168.1.88"


def _wrong_paths(face: Face) -> None:
    """What is listed is a web page that says 404; the services are where most cameras have them."""
    wrong = {}
    for space in (NAMESPACES["trt"], NAMESPACES["tev"]):
        wrong[f"/wrong{face.services[space]}"] = face.services[space]
        face.services[space] = f"/wrong{face.services[space]}"

    def look(_face: Face, asked: Asked) -> None:
        if asked.path in wrong:
            raise Fault(404, "", "not here")

    face.doors.append(look)
    heard.alter(face, lambda asked, said: b"<html>404 Not Found</html>" if asked.path in wrong else said)


def _doubled_port(face: Face) -> None:
    port = face.base.rpartition(":")[2]
    heard.everywhere(face, f"{face.base}/", f"{face.base}:{port}/")


def _unknown_fault(face: Face) -> None:
    def refuse(_face: Face, _asked: Asked) -> None:
        raise Fault(500, "ter:Action", "Unknown fault")

    face.doors.append(refuse)


def _undeclared_prefixes(face: Face) -> None:
    heard.alter(face, lambda _asked, said: re.sub(rb' xmlns:(?:wsa|wsnt|ter|tt)="[^"]*"', b"", said))


def _denies_pull_point(face: Face) -> None:
    heard.refuse(face, "GetServices")
    heard.reword(face, "GetCapabilities", "<tt:WSPullPointSupport>true", "<tt:WSPullPointSupport>false")


def _h265_in_media2(face: Face) -> None:
    media2 = NAMESPACES["tr2"]
    face.services[media2] = "/onvif/media2_service"
    profiles, uri = face.answers["GetProfiles"], face.answers["GetStreamUri"]

    def told(face: Face, request: Any) -> str:
        if media2 not in request.tag:
            return re.sub("<tt:VideoEncoderConf.*</tt:VideoEncoderConfiguration>", "", profiles(face, request))
        return (
            '<tr2:GetProfilesResponse><tr2:Profiles token="main"><tr2:Name>main</tr2:Name><tr2:Configurations>'
            '<tr2:VideoEncoder token="encoder"><tt:Encoding>H265</tt:Encoding><tt:Resolution><tt:Width>2592</tt:Width>'
            "<tt:Height>1944</tt:Height></tt:Resolution></tr2:VideoEncoder></tr2:Configurations></tr2:Profiles>"
            "</tr2:GetProfilesResponse>"
        )

    def where(face: Face, request: Any) -> str:
        if media2 not in request.tag:
            return uri(face, request)
        return f"<tr2:GetStreamUriResponse><tr2:Uri>{face.stream_uri}</tr2:Uri></tr2:GetStreamUriResponse>"

    face.answers.update(GetProfiles=told, GetStreamUri=where)


def _snapshot_signed(face: Face) -> None:
    """Names an address with user and password in it, and only gives the picture without."""
    heard.reword(face, "GetSnapshotUri", r"/snapshot\.jpg", "/snapshot.jpg?user=admin&amp;pwd=12345")


def _snapshot_rtsp(face: Face) -> None:
    heard.reword(face, "GetSnapshotUri", "http://", "rtsp://")


def _moves_on(face: Face) -> None:
    """A move never ends by itself, one with a time limit is refused, and so is the first Stop."""
    face.services.setdefault(NAMESPACES["tptz"], "/onvif/ptz_service")
    stops: list[bool] = []

    def move(face: Face, request: Any) -> str:
        if request.find(f"{PTZ}Timeout") is not None:
            raise Fault(400, "ter:InvalidArgVal", "Timeout")
        face.moving = True
        return told("ContinuousMove", request)

    def stop(face: Face, request: Any) -> str:
        stops.append(True)
        if len(stops) == 1:
            raise Fault(500, "ter:Action", "busy")
        face.moving = False
        return told("Stop", request)

    face.answers.update(ContinuousMove=move, Stop=stop)


def _always_moving(face: Face) -> None:
    face.answers["GetStatus"] = lambda _face, _request: (
        "<tptz:GetStatusResponse><tptz:PTZStatus><tt:MoveStatus><tt:PanTilt>MOVING</tt:PanTilt><tt:Zoom>MOVING</tt:Zoom>"
        "</tt:MoveStatus></tptz:PTZStatus></tptz:GetStatusResponse>"
    )


def _many_xaddrs(face: Face) -> None:
    face.xaddrs = (
        f"http://169.254.7.7/onvif/device_service http://[fe80::1]/onvif/device_service https://127.0.0.1/onvif"
        f" {face.device_url}"
    )


def _sets_nothing(face: Face) -> None:
    """Whatever is set, created or deleted is answered well and forgotten."""
    for name in list(face.answers):
        if name.startswith(("Set", "Create", "Delete")) and name not in _EVENT_OPERATIONS:
            face.answers[name] = lambda face, request: (
                f'<r:{face.asked.operation}Response xmlns:r="{request.tag[1:].partition("}")[0]}"/>'
            )


_EVENT_OPERATIONS = ("SetSynchronizationPoint", "CreatePullPointSubscription")


def _garbled_names(face: Face) -> None:
    """Cyrillic preset names whose UTF-8 was taken for Latin-1 and written as UTF-8 again."""
    face.services.setdefault(NAMESPACES["tptz"], "/onvif/ptz_service")
    garbled = "Вход".encode().decode("latin-1")
    face.answers["GetPresets"] = lambda _face, _request: (
        f'<tptz:GetPresetsResponse><tptz:Preset token="1"><tt:Name>{garbled}</tt:Name></tptz:Preset>'
        "</tptz:GetPresetsResponse>"
    )


def _invalid_utf8(face: Face) -> None:
    heard.alter(face, lambda asked, said: said.replace(b"Examsite", b"Exam\xff\xfesite")
           if asked.operation == "GetDeviceInformation" else said)  # fmt: skip


def _relays_unlisted(face: Face) -> None:
    face.answers["GetServiceCapabilities"] = lambda _face, _request: (
        "<tds:GetServiceCapabilitiesResponse><tds:Capabilities/></tds:GetServiceCapabilitiesResponse>"
    )
    face.answers["GetRelayOutputs"] = lambda _face, _request: (
        '<tds:GetRelayOutputsResponse><tds:RelayOutputs token="relay-1"><tt:Properties><tt:Mode>Bistable</tt:Mode>'
        "<tt:DelayTime>PT0S</tt:DelayTime><tt:IdleState>open</tt:IdleState></tt:Properties></tds:RelayOutputs>"
        "</tds:GetRelayOutputsResponse>"
    )


def _locks_out(face: Face) -> None:
    face.gate.locks_after = 2


_DO: dict[Quirk, Callable[[Face], None]] = {
    Quirk.DIGEST_ONLY: _digest_only, Quirk.NONCE_A_PATH: _nonce_a_path, Quirk.CREATED_IN_Z: _token_only,
    Quirk.DEAD_CLOCK: _dead_clock, Quirk.REPLAY_PROTECTION: _replay_protection,
    Quirk.LOCAL_TIME_AS_UTC: _local_time_as_utc, Quirk.ABSURD_TIME: _absurd_time,
    Quirk.TIME_BEHIND_SIGN_IN: _time_behind_sign_in, Quirk.WANTS_DAYLIGHT: _wants_daylight,
    Quirk.OTHER_HOST: _other_host, Quirk.CLOSED_PORT: heard.closed_port, Quirk.WRONG_PATHS: _wrong_paths,
    Quirk.DOUBLED_PORT: _doubled_port, Quirk.UNKNOWN_FAULT: _unknown_fault, Quirk.HANGS_UP: heard.hangs_up,
    Quirk.REBOOTS: heard.reboots, Quirk.NO_RENEW: heard.no_renew, Quirk.ENDS_AT_ONCE: heard.ends_at_once,
    Quirk.BY_REFERENCE: heard.by_reference, Quirk.UNDECLARED_PREFIXES: _undeclared_prefixes,
    Quirk.NO_SYNCHRONISATION: heard.no_synchronisation, Quirk.ONLY_SYNCHRONISED: heard.only_synchronised,
    Quirk.ONE_SUBSCRIPTION: heard.one_subscription, Quirk.DENIES_PULL_POINT: _denies_pull_point,
    Quirk.H265_IN_MEDIA2: _h265_in_media2, Quirk.SNAPSHOT_SIGNED: _snapshot_signed,
    Quirk.SNAPSHOT_RTSP: _snapshot_rtsp, Quirk.MOVES_ON: _moves_on, Quirk.ALWAYS_MOVING: _always_moving,
    Quirk.MANY_XADDRS: _many_xaddrs, Quirk.ODD_TOPICS: heard.odd_topics, Quirk.SETS_NOTHING: _sets_nothing,
    Quirk.GARBLED_NAMES: _garbled_names, Quirk.INVALID_UTF8: _invalid_utf8, Quirk.RELAYS_UNLISTED: _relays_unlisted,
    Quirk.LOCKS_OUT: _locks_out, Quirk.SLOW_WITH_EVENTS: heard.slow_with_events,
    Quirk.PULLS_AT_ONCE: heard.pulls_at_once,
}  # fmt: skip
