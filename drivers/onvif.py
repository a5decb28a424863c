"""One camera, spoken to in ONVIF: its clock, identity, services, profiles, addresses and a snapshot.

Requests are written by onvif_request, the line with its sign-in is onvif_line, replies are read by onvif_reply. The
profiles are read by onvif_profiles, everything else by onvif_whole and onvif_parts; onvif_set changes settings.
"""

from __future__ import annotations

import functools
import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, TypeVar
from urllib.parse import urljoin, urlsplit

from drivers import onvif_reply as reply
from drivers import onvif_request as request
from drivers import onvif_whole as whole
from drivers.onvif_line import Line
from drivers.onvif_ports import USUAL_PORTS, elsewhere
from drivers.onvif_profiles import read_profiles
from drivers.onvif_reply import DEVICE, EVENTS, IMAGING, MEDIA1, MEDIA2, PTZ, CameraError
from drivers.onvif_way import device_url
from drivers.types import CameraFacts, StreamProfile, WholeCamera

T = TypeVar("T")

# Where services are when a camera lists none, or lists wrong ones (onvif.md, row 12).
USUAL_PATHS = {
    MEDIA1: "/onvif/media_service",
    PTZ: "/onvif/ptz_service",
    EVENTS: "/onvif/event_service",
    IMAGING: "/onvif/imaging_service",
}
CLOCK_FAR_S = 300.0  # further off, a camera that checks signatures refuses ours unless they are in its own time
QUARTER_S = 900  # time zones differ by whole quarters of an hour, fourteen hours at most
ROUNDING_S = 0.5  # ONVIF tells whole seconds, cut off: on average the camera is half a second further
CLOCK_STEP_S = 2.0  # clocks compared twice differ by less, unless one was set
MOST_LIMITS = 10  # a whole reading ends after so many time limits
MOST_UNANSWERED = 2  # after so many in a row the camera is gone, and is not waited for question by question
NAMED = ("Manufacturer", "Model", "FirmwareVersion", "SerialNumber")
NOT_THERE = ("ActionNotSupported", "OptionalActionNotImplemented", "NotSupported", "NoSuchService")


def _realtime_s() -> float:
    return time.clock_gettime(time.CLOCK_REALTIME)


class Camera:
    """One camera at `url` (an address alone will do). Safe for several threads; one request at a time.

    `now_s` is our own clock, epoch seconds. What does not change while a camera runs (services, options, topics) is
    asked once, and again after it was away or `forget` was called.
    """

    def __init__(
        self, url: str, user: str, password: str, timeout_s: float = 6.0, *, now_s: Callable[[], float] = _realtime_s,
        ports: Sequence[int] = USUAL_PORTS,
    ) -> None:  # fmt: skip
        self.url = device_url(url)
        self.faults: list[str] = []
        self._now_s = now_s
        self._timeout_s = timeout_s
        self._line = Line(user, password, timeout_s, self.note)
        self._ports = tuple(ports)
        self._password = password
        self._lock = threading.RLock()
        self._services: dict[str, str] | None = None
        self._versions: dict[str, str] = {}
        self._clock_shift_s: float | None = None  # the camera's clock minus CLOCK_MONOTONIC: no step of ours moves it
        self._slip_s: float | None = None  # whole quarter hours the camera calls UTC and are not; None: not looked at
        self._clock_read = False
        self.clock_answer: Any = None
        self._unanswered = 0  # questions in a row
        self._until_s = math.inf  # then a reading ends with what it has
        self._snapshot_uri = ""
        self._elsewhere: dict[str, str] = {}
        self._once: dict[str, Any] = {}
        self._not_there: dict[tuple[str, str], CameraError] = {}

    def close(self) -> None:
        self._line.close()

    def sign_in_as(self, user: str, password: str) -> None:
        """From now on with this name and password: they were just changed in the camera, and proven."""
        with self._lock:
            self._line.close()
            self._line, self._password = Line(user, password, self._timeout_s, self.note), password

    def other(self, user: str, password: str) -> Camera:
        """The same camera for another name or password, signing by the same clock; to be closed by the caller."""
        camera = Camera(self.url, user, password, self._timeout_s, now_s=self._now_s, ports=())
        camera._clock_read, camera._clock_shift_s, camera._slip_s = self._clock_read, self._clock_shift_s, self._slip_s
        return camera

    @property
    def user(self) -> str:
        return self._line.user

    @property
    def auth(self) -> str:
        """How the camera let us in: digest or wsse; "" when it asked for nothing yet."""
        return self._line.auth

    def forget(self) -> None:
        """Ask everything anew from now on: something was set, or the camera started again."""
        with self._lock:
            self._services, self._snapshot_uri = None, ""
            self._once.clear()
            self._not_there.clear()
            self._elsewhere.clear()

    def offset_s(self) -> float | None:
        """The camera's clock minus ours in seconds, good to about half a second; None when it does not say."""
        with self._lock:
            self._clock_read = True  # also when it fails: not to be asked again before every request
            self.clock_answer = None
            signed = bool(self._line.auth)
            answer = self.clock_answer = self.ask(DEVICE, "GetSystemDateAndTime")
            middle_s = self._line.middle_s  # of this answer alone: a refused one before it took longer
            said = reply.clock_of(answer)
            if said is None:
                self._clock_shift_s = None
                self.note("The camera tells no time that makes sense; its requests are signed with ours.")
                return None
            if reply.first(answer, "UTCDateTime") is None:
                self.note("The camera tells its local time alone; it was counted back by its zone.")
            if self._line.auth and not signed:  # row 8
                self.note("The camera tells its time only to those who sign in.")
            said_s = said.timestamp() + ROUNDING_S - (self._slip_s or 0.0)
            self._clock_shift_s = said_s - middle_s
            offset_s = round(said_s - (self._now_s() - (time.monotonic() - middle_s)), 1)
            if abs(offset_s) > CLOCK_FAR_S:  # row 4
                self.note("The camera's clock is far off; requests were signed in its time.")
            return offset_s

    def facts(self) -> CameraFacts:
        """What is needed to use the camera. What it cannot do is said in `faults`; CameraError if it says nothing."""
        with self._lock:
            with self._in_good_time():
                facts = whole.facts(self, self._begin())
            return replace(facts, auth=self.auth or "none", faults=tuple(self.faults))

    def whole(self) -> WholeCamera:
        """Read the camera whole. What it cannot say is empty and said in `facts.faults`; CameraError as for `facts`."""
        with self._lock:
            with self._in_good_time():
                found = whole.whole(self, self._begin(), self.clock_answer, self._versions)
            return replace(found, facts=replace(found.facts, auth=self.auth or "none", faults=tuple(self.faults)))

    @contextmanager
    def _in_good_time(self) -> Iterator[None]:
        """Not more than some time limits in all: a camera may need nearly one for each of forty answers."""
        self._until_s = time.monotonic() + self._timeout_s * MOST_LIMITS
        try:
            yield
        finally:
            self._until_s = math.inf

    def _begin(self) -> CameraFacts:
        """Maker, model, firmware, serial number, and the clock: CameraError when nobody is there or lets us in."""
        self.faults.clear()
        self._find_port()
        offset_s, slip_s = self.attempt("The clock", self.offset_s, None, vital=True), self._slip_s or 0.0
        device = self._identity()
        if offset_s is not None:
            offset_s = round(offset_s - (self._slip_s or 0.0) + slip_s, 1)
        named = [reply.text(reply.first(device, name)) for name in NAMED]
        if self._once.setdefault("device", named) != named:  # another firmware, or another camera at this address
            self.forget()
            self._once["device"] = named
        return CameraFacts(named[0], named[1], named[2], named[3], offset_s=offset_s)

    def _identity(self) -> Any:
        """Who the camera is; None when it is a camera, for it told its time, but does not tell this."""
        try:
            return self.ask(DEVICE, "GetDeviceInformation")
        except CameraError as error:
            gone = error.reason in ("unreachable", "silent") and not error.hung_up
            if error.permanent or self.clock_answer is None or gone:
                raise
            if self._line.may_sign_unasked:
                with self._line.unasked():
                    return self._identity()
            if error.hung_up:
                raise
            self.note(f"Its identity could not be read. {error}")
            return None

    def services(self) -> dict[str, str]:
        """Service namespace to the address as we can reach it; asked once, by GetServices or else GetCapabilities."""
        with self._lock:
            known = self._services = self._services or self._find_services()
            return self.once("services", lambda: {space: self.reach(address) for space, address in known.items()})

    def _find_services(self) -> dict[str, str]:
        nothing: dict[str, str] = {}
        found = self.attempt("GetServices", lambda: self._list("GetServices", IncludeCapability=False), nothing)
        found = found or self.attempt("GetCapabilities", lambda: self._list("GetCapabilities", Category="All"), nothing)
        for space, address in list(found.items()):
            if not self.attempt("A service", functools.partial(self.reach, address), ""):
                del found[space]
        if not any(space in found for space in (MEDIA1, MEDIA2)):
            self.note("The camera lists no media service; it was looked for where most cameras have it.")
            found = {MEDIA1: USUAL_PATHS[MEDIA1], **found}
        for wrong in filter(None, (reply.oddity(address, self.url) for address in found.values())):
            self.note(wrong)
        return found

    def _find_port(self) -> None:
        """Once, and only where the address names no port: see drivers/onvif_ports.py."""
        ports, self._ports = self._ports, ()
        url = elsewhere(self.url, ports) if ports else self.url
        if url != self.url:
            self.url = url
            self.note(f"The camera does not speak ONVIF at port 80; it was found at port {urlsplit(url).port}.")

    def addresses(self, service: str) -> tuple[str, ...]:
        """Where a service may be, best first: as we reach it, at the port it names, where most cameras have it.

        onvif.md, rows 11 and 12. Also for a service that is not listed: some work all the same (row 23).
        """
        self.services()
        said, usual = (self._services or {}).get(service), USUAL_PATHS.get(service)
        ways = [self._elsewhere.get(service, "")]
        ways += [self.reach(said), reply.as_advertised(said, self.url)] if said else []
        ways += [urljoin(self.url, usual)] if usual else []
        return tuple(dict.fromkeys(filter(None, ways)))

    def has(self, service: str) -> bool:
        """Whether the camera lists this service. What it says of its abilities beyond that is not believed."""
        return service in self.services()

    def profiles(self) -> tuple[StreamProfile, ...]:
        """Media profiles with their addresses, by Media2 (H.265 is only there) and by Media1, each profile once."""
        with self._lock:
            return read_profiles(self)

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

    def _list(self, operation: str, **arguments: Any) -> dict[str, str]:
        answer = self.ask(DEVICE, operation, **arguments)
        for service in reply.every(answer, "Service"):
            parts = [reply.text(reply.first(service, name)) for name in ("Major", "Minor")]
            space = reply.text(reply.first(service, "Namespace"))
            self._versions[space] = ".".join(filter(None, parts))
        return reply.services_of(answer)

    def once(self, what: str, read: Callable[[], T]) -> T:
        """Something that does not change while a camera runs: read once, until `forget`."""
        if what not in self._once:
            self._once[what] = read()
        found: T = self._once[what]
        return found

    def attempt(
        self,
        what: str,
        read: Callable[[], T],
        otherwise: T,
        *,
        vital: bool = False,
        optional: bool = False,
        quiet: bool = False,
    ) -> T:
        """Read something a camera may fail at: the fault is noted, the rest goes on.

        A refused password always ends it, so does a camera that ceased to answer; with `vital` at the first time.
        With `optional` a camera that says it has no such thing has done nothing wrong; `quiet` is for a mere try.
        """
        if time.monotonic() > self._until_s:
            self.note("The camera answers so slowly that it was not asked everything.")
            return otherwise
        try:
            found = read()
        except CameraError as error:
            self._unanswered = self._unanswered + 1 if error.reason in ("unreachable", "silent") else 0
            if error.permanent or (self._unanswered and (vital or self._unanswered > MOST_UNANSWERED)):
                raise
            if not quiet and not (optional and error.subcode in NOT_THERE):
                self.note(f"{what} could not be read. {error}")
            return otherwise
        self._unanswered = 0
        return found

    def ask(self, service: str, operation: str, /, **arguments: Any) -> Any:
        """One operation of one service; on a port that is closed the advertised one is tried (onvif.md, row 11)."""
        with self._lock:
            if (known := self._not_there.get((service, operation))) is not None:
                raise known
            if not self._clock_read and operation != "GetSystemDateAndTime":
                self.attempt("The clock", self.offset_s, None, vital=True)
            try:
                answer = self._asked(service, operation, arguments)
            except CameraError as error:
                if error.subcode in NOT_THERE:
                    self._not_there[service, operation] = error
                raise
            if reply.local(answer) != f"{operation}Response":
                self.note(f"Asked {operation}, the camera answered {reply.local(answer)}; what fits was read.")
            return answer

    def _asked(self, service: str, operation: str, arguments: dict[str, Any]) -> Any:
        action, envelope = request.write(service, operation, arguments)
        if service != DEVICE and not self.has(service):
            raise CameraError("fault", "The camera has no such service.", subcode="ActionNotSupported")
        urls = (self.url,) if service == DEVICE else self.addresses(service)
        for index, url in enumerate(urls):
            try:
                answer = self.ask_at(url, action, envelope, f"{operation}Response")
            except CameraError as error:
                if error.reason not in ("unreachable", "foreign") or index == len(urls) - 1:
                    if error.reason == "unreachable":
                        self.forget()
                    raise
            else:
                if index:
                    self._elsewhere[service] = url
                    self.note(f"The camera lists a wrong address for a service; it was found at {urlsplit(url).path}.")
                return answer
        raise AssertionError("a listed service has an address")

    def ask_at(
        self, url: str, action: str, envelope: bytes, wanted: str, *, timeout_s: float | None = None, again: bool = True
    ) -> Any:
        """One request as it was written, signed like every other. For services whose addresses come and go: events."""
        with self._lock:
            if not self._clock_read:
                self.attempt("The clock", self.offset_s, None, vital=True)
            for signing_anew in (False, True):
                try:
                    return self._line.ask(url, action, self._signer(envelope), wanted, timeout_s=timeout_s, again=again)
                except CameraError as error:
                    if signing_anew or not (self._signed_with_an_old_clock(error) or self._calls_local_time_utc(error)):
                        raise
        raise AssertionError("the second try returns or raises")

    def _signer(self, envelope: bytes) -> Callable[[bool], bytes]:
        def write(signed: bool) -> bytes:
            if not signed:
                return envelope
            at_s = self._now_s() if self._clock_shift_s is None else time.monotonic() + self._clock_shift_s
            return request.signed(envelope, self._line.user, self._password, at_s)

        return write

    def reach(self, address: str) -> str:
        """An address the camera gave, as we can reach it."""
        try:
            return reply.reachable(address, self.url)
        except ValueError as error:  # urlsplit: brackets that do not close, letters nobody has in a host
            raise CameraError("broken", "The camera names an address that is none.") from error

    def _signed_with_an_old_clock(self, error: CameraError) -> bool:
        """Whether a refusal came because either clock was set since we compared them; then they are compared anew."""
        before_s = self._clock_shift_s
        if self._line.auth != "wsse" or error.subcode != "NotAuthorized" or error.permanent or before_s is None:
            return False
        self._clock_shift_s = None  # should the clock itself want a sign-in, this is not asked again for it
        self.attempt("The clock", self.offset_s, None)
        if self._clock_shift_s is None:
            self._clock_shift_s = before_s
        return abs(self._clock_shift_s - before_s) > CLOCK_STEP_S

    def _calls_local_time_utc(self, error: CameraError) -> bool:
        """Whether a first refusal may come from a camera that tells local time as UTC (onvif.md, row 6).

        Then its clock is taken without the whole quarter hours, and the password shown once more: once in all.
        """
        shift_s = self._clock_shift_s
        if self._slip_s is not None or self._line.auth != "wsse" or not error.permanent or shift_s is None:
            return False
        self._slip_s = float(QUARTER_S * round((shift_s + time.monotonic() - self._now_s()) / QUARTER_S))
        if not 0 < abs(self._slip_s) <= 14 * 3600:
            return False
        self._clock_shift_s = shift_s - self._slip_s
        self._line.forgive()
        self.note("The camera calls its local time UTC; it was signed in without the difference.")
        return True

    def note(self, sentence: str) -> None:
        """A fault of the camera, in words; each once."""
        if sentence not in self.faults:
            self.faults.append(sentence)
