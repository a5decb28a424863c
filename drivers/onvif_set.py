"""Sets an ONVIF camera's clock, time servers, users, relays, and starts it again; each is read back.

The picture (stream, text, imaging) is set by onvif_set_picture, where it looks by onvif_set_move, its card by
onvif_set_card. Every function gives a SetResult; CameraError only when the camera cannot be reached or refuses us.
"""

from __future__ import annotations

import ipaddress
import math
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

from drivers import onvif_parts, onvif_whole
from drivers.onvif import Camera
from drivers.onvif_read_back import Strict, Wait, changed, gone
from drivers.onvif_reply import DEVICE, DEVICEIO, CameraError, first, text
from drivers.types import CameraUser, SetResult

RIGHT_S = 2.0  # a clock this near is right: ONVIF tells whole seconds, and cameras take their time to set it
AWAY_S = 30.0  # a camera that starts again is away by then; most within five seconds
RETURN_S = 180.0
LOOK_S = 0.5


def set_time(
    camera: Camera, *, zone: str = "", now_s: Callable[[], float] | None = None, wait: Wait = time.sleep
) -> SetResult:
    """Give the camera our time. `zone` is POSIX TZ text (MSK-3); without it the camera keeps its own.

    A camera may refuse for the zone's sake alone: then its own is sent, then none (onvif.md, row 9).
    """
    clock = now_s or (lambda: time.clock_gettime(time.CLOCK_REALTIME))
    before_s = camera.offset_s()
    now = onvif_whole.clock(camera, camera.clock_answer, before_s)
    zones = dict.fromkeys((zone, now.zone, "")) if zone else dict.fromkeys((now.zone, ""))

    def change() -> None:
        refusal: CameraError | None = None
        for each in zones:
            try:
                camera.ask(DEVICE, "SetSystemDateAndTime", **_time_of(_next_second(clock, wait), each))
            except CameraError as error:
                if gone(error):
                    raise
                refusal = error
            else:
                return
        raise refusal or CameraError("fault", "The camera takes no time.")

    def near(offset_s: float | None) -> bool:
        return offset_s is not None and abs(offset_s) <= RIGHT_S

    def unmoved(offset_s: float | None) -> bool:
        return offset_s is None or before_s is None or abs(offset_s - before_s) <= RIGHT_S

    return changed("0.0 s", change, camera.offset_s, near, say=_offset, before=_offset(before_s), as_before=unmoved,
                   wait=wait)  # fmt: skip


def set_ntp(camera: Camera, servers: Sequence[str], *, wait: Wait = time.sleep) -> SetResult:
    """Let the camera take its time from these servers, names or addresses."""
    wanted = " ".join(servers)
    clock = onvif_whole.clock(camera, camera.ask(DEVICE, "GetSystemDateAndTime"), None)

    def change() -> None:
        camera.ask(DEVICE, "SetNTP", FromDHCP=False, NTPManual=[_server(server) for server in servers])
        answer = camera.ask(DEVICE, "GetSystemDateAndTime")
        zone = text(first(answer, "TZ"))
        how: dict[str, Any] = {"DateTimeType": "NTP", "DaylightSavings": clock.daylight}
        camera.ask(DEVICE, "SetSystemDateAndTime", **how, **({"TimeZone": {"TZ": zone}} if zone else {}))

    def read() -> str:
        answer = camera.ask(DEVICE, "GetSystemDateAndTime")
        found = onvif_whole.clock(camera, answer, None)
        return _by(found.by_ntp, found.ntp)

    by = _by(clock.by_ntp, clock.ntp)
    return changed(wanted, change, read, lambda said: said == wanted, before=by, wait=wait)


def set_password(camera: Camera, password: str, *, user: str = "", wait: Wait = time.sleep) -> SetResult:
    """Give a user of the camera, its own one by default, another password; it is proven by signing in with it.

    When it is proven and was our own, `camera` signs in with it from then on. Until then nobody forgets the old one.
    """
    name = user or camera.user
    level = next((one.level for one in _users(camera) if one.name == name), "Administrator")
    wanted = f"another password for {name}"
    try:
        camera.ask(DEVICE, "SetUser", User=[{"Username": name, "Password": password, "UserLevel": level}])
    except CameraError as error:
        if gone(error):
            raise
        return SetResult(wanted, "the old password", False, str(error), "the old password")
    result = _proven(camera, name, password, wanted, wait)
    if result.ok and name == camera.user:
        camera.sign_in_as(name, password)
    return result


def create_user(
    camera: Camera, name: str, password: str, level: str = "Administrator", *, wait: Wait = time.sleep
) -> SetResult:
    """Make an account in the camera (Administrator, Operator, User); it is proven by signing in with it."""
    names = [one.name for one in _users(camera)]
    before, wanted = " ".join(names), f"user {name} ({level})"
    if name in names:  # some would take it for a new password of that user
        return SetResult(wanted, before, False, f"The camera already has a user {name}.", before)
    try:
        camera.ask(DEVICE, "CreateUsers", User=[{"Username": name, "Password": password, "UserLevel": level}])
    except CameraError as error:
        if gone(error):
            raise
        return SetResult(wanted, before, False, str(error), before)
    found = {one.name: one.level for one in _users(camera)}
    if name not in found:
        return SetResult(wanted, " ".join(found), False, "The camera said yes and made no user.", before)
    proven = _proven(camera, name, password, wanted, wait)
    return SetResult(wanted, f"user {name} ({found[name]})", proven.ok, proven.note, before)


def delete_user(camera: Camera, name: str, *, wait: Wait = time.sleep) -> SetResult:
    """Take an account out of the camera."""

    def read() -> tuple[str, ...]:
        return tuple(one.name for one in _users(camera))

    before = " ".join(read())
    return changed(f"no user {name}", lambda: camera.ask(DEVICE, "DeleteUsers", Username=[name]), read,
                   lambda names: name not in names, say=" ".join, before=before, wait=wait)  # fmt: skip


def reboot(
    camera: Camera, *, away_s: float = AWAY_S, return_s: float = RETURN_S, wait: Wait = time.sleep
) -> SetResult:
    """Start the camera again, and wait until it was away and is back. One that never left did not do it."""
    wanted = "started again"
    try:
        camera.ask(DEVICE, "SystemReboot")
    except CameraError as error:
        if error.permanent or error.reason == "fault":
            if error.permanent:
                raise
            return SetResult(wanted, "running", False, str(error), "running")
        # Some go before they have answered: whether they went is seen below.
    began_s = time.monotonic()
    if not comes_to_be(camera, False, began_s + away_s, wait):
        return SetResult(wanted, "running", False, "The camera said yes and did not start again.", "running")
    went_s = time.monotonic()
    camera.forget()
    if not comes_to_be(camera, True, went_s + return_s, wait):
        said = f"It has not come back within {return_s:.0f} s. Look at its power and cable."
        return SetResult(wanted, "away", False, said, "running")
    return SetResult(wanted, f"back after {time.monotonic() - began_s:.0f} s", True, "", "running")


def set_relay(camera: Camera, token: str, *, active: bool) -> SetResult:
    """Switch a relay. ONVIF has no question for a relay's state: an event tells it, so only the yes is known here."""
    state = "active" if active else "inactive"
    known = {relay.token: relay for relay in onvif_parts.relays(Strict(camera))}
    if token not in known:
        return SetResult(state, "", False, f"The camera has no relay {token}.")
    service = DEVICE if known[token].service == "device" else DEVICEIO
    try:
        camera.ask(service, "SetRelayOutputState", RelayOutputToken=token, LogicalState=state)
    except CameraError as error:
        if gone(error):
            raise
        return SetResult(state, "", False, str(error))
    return SetResult(state, state, True, "The camera said yes; whether the relay switched, its event tells.")


def _time_of(at: datetime, zone: str) -> dict[str, Any]:
    """The arguments of SetSystemDateAndTime. DaylightSavings always: some refuse without it (onvif.md, row 9)."""
    utc = {
        "Time": {"Hour": at.hour, "Minute": at.minute, "Second": at.second},
        "Date": {"Year": at.year, "Month": at.month, "Day": at.day},
    }
    said: dict[str, Any] = {"DateTimeType": "Manual", "DaylightSavings": False, "UTCDateTime": utc}
    return {**said, "TimeZone": {"TZ": zone}} if zone else said


def _next_second(now_s: Callable[[], float], wait: Wait) -> datetime:
    """Our time, just as a second begins: only whole seconds can be sent."""
    at_s = now_s()
    wait(math.ceil(at_s) - at_s)
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=math.ceil(at_s))


def _offset(offset_s: float | None) -> str:
    return "" if offset_s is None else f"{offset_s:.1f} s"


def _by(by_ntp: bool, servers: Sequence[str]) -> str:
    return " ".join(servers) if by_ntp else "set by hand"


def _server(said: str) -> dict[str, str]:
    try:
        version = ipaddress.ip_address(said).version
    except ValueError:
        return {"Type": "DNS", "DNSname": said}
    return {"Type": f"IPv{version}", f"IPv{version}Address": said}


def _users(camera: Camera) -> tuple[CameraUser, ...]:
    return onvif_whole.users(Strict(camera))


def _proven(camera: Camera, name: str, password: str, wanted: str, wait: Wait) -> SetResult:
    """Sign in with the new password, once."""
    wait(LOOK_S)  # some need a moment until they know it; a wrong try counts against us
    old = "the old password"
    with closing(camera.other(name, password)) as new:
        try:
            new.ask(DEVICE, "GetUsers")
        except CameraError as error:
            if error.reason in ("unreachable", "silent"):
                raise
            if error.permanent:
                said = "The camera said yes but does not take the new password; the old one still counts."
                return SetResult(wanted, old, False, said, old)
            # Let in, but not to the list of users: that is about rights.
        if not new.auth:
            return SetResult(wanted, "no password needed", False, "The camera lets everybody in.", old)
    return SetResult(wanted, "the new password", True, "", old)


def comes_to_be(camera: Camera, there: bool, until_s: float, wait: Wait) -> bool:
    """Whether the camera answers (or ceases to) before `until_s`."""
    while True:
        try:
            camera.ask(DEVICE, "GetSystemDateAndTime")
            answers = True
        except CameraError as error:
            answers = error.reason not in ("unreachable", "silent")
        if answers == there:
            return True
        if time.monotonic() > until_s:
            return False
        wait(LOOK_S)
