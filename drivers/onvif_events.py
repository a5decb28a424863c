"""A camera's events by pull point: subscribed, pulled, renewed, and subscribed anew on any fault.

One subscription a camera (some have room for one, and stop when it is full: onvif.md, row 22), ended before the next is
made and when we stop. Requests are plain elements with WS-Addressing headers; every reference parameter of the
subscription is sent back as a header (row 19); durations are text (strict cameras refuse others).
No thread of its own and no clock of the wall: the caller pulls, one pull waits for some seconds.
"""

from __future__ import annotations

import contextlib
import copy
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from lxml import etree

from drivers import onvif_reply as reply
from drivers.onvif_reply import EVENTS, CameraError, first, text
from drivers.onvif_topics import CameraEvent, events_of, instant

WSA = "http://www.w3.org/2005/08/addressing"
WSNT = "http://docs.oasis-open.org/wsn/b-2"
SOAP = "http://www.w3.org/2003/05/soap-envelope"
ACTIONS = {
    "CreatePullPointSubscription": f"{EVENTS}/EventPortType/CreatePullPointSubscriptionRequest",
    "PullMessages": f"{EVENTS}/PullPointSubscription/PullMessagesRequest",
    "SetSynchronizationPoint": f"{EVENTS}/PullPointSubscription/SetSynchronizationPointRequest",
    "Renew": "http://docs.oasis-open.org/wsn/bw-2/SubscriptionManager/RenewRequest",
    "Unsubscribe": "http://docs.oasis-open.org/wsn/bw-2/SubscriptionManager/UnsubscribeRequest",
}
LIFETIME_S = 600.0  # row 22: ten minutes, renewed at eight
RENEW_AT = 0.8
SHORTEST_S = 10.0  # a shorter lifetime is no lifetime (row 18: TerminationTime = CurrentTime)
PULL_S = 6.0  # row 15: some hang up after ten seconds
FIRST_S = 1.0  # the first pull: whether events come at all should not take six seconds to know
GRACE_S = 5.0  # how much longer than asked a pull may take
CYCLE_S = 1.0  # some answer at once, always: no more than one empty answer in this time
HANG_UPS = 3  # in a row: then it is not the habit of row 15
MESSAGES = 100


class Speaker(Protocol):
    """What is needed of the camera: drivers.onvif.Camera."""

    url: str

    def addresses(self, service: str) -> tuple[str, ...]: ...

    def ask_at(
        self, url: str, action: str, envelope: bytes, wanted: str, *, timeout_s: float | None = None, again: bool = True
    ) -> Any: ...

    def note(self, sentence: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Pulled:
    """What one pull brought. `fresh`: by a new subscription; what stood before is unknown until it is said again."""

    events: tuple[CameraEvent, ...] = ()
    fresh: bool = False


@dataclass(slots=True)
class _Subscription:
    """One pull point: where it may be, the one that answered first."""

    addresses: list[str]
    references: tuple[Any, ...]
    made_mono_s: float
    renew_mono_s: float
    worked: bool = False


class Events:
    """One camera's events. Not for two threads at once; the camera object should be its own."""

    def __init__(
        self, camera: Speaker, *, pull_s: float = PULL_S, lifetime_s: float = LIFETIME_S, cycle_s: float = CYCLE_S,
        wait: Callable[[float], object] = time.sleep,
    ) -> None:  # fmt: skip
        self._camera = camera
        self._pull_s, self._lifetime_s, self._cycle_s = pull_s, lifetime_s, cycle_s
        self._wait = wait
        self._held: _Subscription | None = None
        self._renews = True
        self._hang_ups = 0
        self._empty_at_once = 0

    def pull(self) -> Pulled:
        """Wait for news, for a few seconds at most. Raises CameraError; the next pull then subscribes anew."""
        fresh = self._held is None
        if self._held is None:
            self._held = self._subscribe()
        elif time.monotonic() >= self._held.renew_mono_s:
            fresh = self._prolong(self._held)
        held, began_s = self._held, time.monotonic()
        wait_s = min(FIRST_S, self._pull_s) if fresh else self._pull_s
        try:
            answer = self._ask(held, "PullMessages", _pull_body(wait_s), wait_s + GRACE_S)
        except CameraError as error:
            if not self._is_habit(error):
                return self._after_fault(held, error)
            answer = None
        events = events_of(answer) if answer is not None else ()
        self._rest(time.monotonic() - began_s, bool(events), answer is not None)
        return Pulled(events, fresh)

    def stop(self) -> None:
        """End the subscription, so that the camera has room for the next."""
        held, self._held = self._held, None
        if held is not None:
            self._unsubscribe(held)

    def _is_habit(self, error: CameraError) -> bool:
        """Whether this is only a camera that hangs up while nothing happens (row 15)."""
        self._hang_ups = self._hang_ups + 1 if error.hung_up else 0
        if not error.hung_up or self._hang_ups > HANG_UPS:
            return False
        self._camera.note("The camera hangs up while its events are waited for; it is asked again.")
        return True

    def _after_fault(self, held: _Subscription, error: CameraError) -> Pulled:
        """A subscription that is gone (row 16: a reboot drops all) is made anew at once, unless it never lived."""
        self._held = None
        if error.permanent:
            raise error
        lived = held.worked and time.monotonic() - held.made_mono_s >= self._cycle_s
        if error.reason in ("fault", "broken"):
            self._unsubscribe(held)
        if not lived or error.reason in ("unreachable", "silent"):
            raise error
        self._camera.note(f"The camera dropped its event subscription; a new one was made. {error}")
        self._held = self._subscribe()
        return Pulled((), fresh=True)

    def _rest(self, took_s: float, brought: bool, answered: bool) -> None:
        """Never ask in a tight loop."""
        if answered:
            self._hang_ups = 0
        if took_s >= min(self._cycle_s, self._pull_s / 2):
            self._empty_at_once = 0
            return
        if answered and not brought:
            self._empty_at_once += 1
            if self._empty_at_once >= 3:
                self._camera.note("The camera answers at once when it has no events; it is asked once a second.")
        self._wait((self._cycle_s / 4 if brought else self._cycle_s) - min(took_s, self._cycle_s / 4))

    def _subscribe(self) -> _Subscription:
        body = etree.Element(f"{{{EVENTS}}}CreatePullPointSubscription", nsmap={"tev": EVENTS})
        etree.SubElement(body, f"{{{EVENTS}}}InitialTerminationTime").text = _duration(self._lifetime_s)
        answer = self._first_answer(self._camera.addresses(EVENTS), "CreatePullPointSubscription", body)
        reference = first(answer, "SubscriptionReference")
        said = text(first(reference, "Address"))
        if not said:
            raise CameraError("broken", "The camera made a subscription for events and does not say where it is.")
        parameters = first(reference, "ReferenceParameters")
        life_s = self._life_s(answer)
        held = _Subscription(
            list(dict.fromkeys((reply.reachable(said, self._camera.url), reply.as_advertised(said, self._camera.url)))),
            tuple(child for child in parameters if isinstance(child.tag, str)) if parameters is not None else (),
            time.monotonic(), time.monotonic() + RENEW_AT * life_s,
        )  # fmt: skip
        try:  # some refuse it, others tell what stands only after it (row 21)
            self._ask(held, "SetSynchronizationPoint", etree.Element(f"{{{EVENTS}}}SetSynchronizationPoint"))
        except CameraError as error:
            if error.permanent:
                raise
            self._camera.note(f"The camera does not tell on request what stands now. {error}")
        return held

    def _first_answer(self, addresses: tuple[str, ...], operation: str, body: Any) -> Any:
        """The first address that answers at all; the last failure when none does."""
        failed = CameraError("fault", "The camera has no event service.", subcode="ActionNotSupported")
        for address in addresses:
            try:
                envelope = _envelope(ACTIONS[operation], address, (), body)
                return self._camera.ask_at(address, ACTIONS[operation], envelope, f"{operation}Response")
            except CameraError as error:
                if error.permanent or error.reason not in ("unreachable", "foreign"):
                    raise
                failed = error
        raise failed

    def _life_s(self, answer: Any) -> float:
        """How long the subscription lives by the camera's own clock; what was asked for when it makes no sense."""
        began, ends = (instant(text(first(answer, name))) for name in ("CurrentTime", "TerminationTime"))
        try:
            life_s = (ends - began).total_seconds() if began and ends else self._lifetime_s
        except TypeError:  # one with a zone and one without
            return self._lifetime_s
        if life_s < min(SHORTEST_S, self._lifetime_s / 2):
            self._camera.note("The camera says its event subscription ends at once; it is kept until it is refused.")
            return self._lifetime_s
        return life_s

    def _prolong(self, held: _Subscription) -> bool:
        """Renew; where that is not to be had, make a new one (row 17). Returns whether it is a new one."""
        if self._renews:
            body = etree.Element(f"{{{WSNT}}}Renew", nsmap={"wsnt": WSNT})
            etree.SubElement(body, f"{{{WSNT}}}TerminationTime").text = _duration(self._lifetime_s)
            try:
                life_s = self._life_s(self._ask(held, "Renew", body))
            except CameraError as error:
                if error.permanent:
                    raise
                self._renews = error.reason != "fault"
                self._camera.note(f"The camera does not renew a subscription; a new one is made. {error}")
            else:
                held.renew_mono_s = time.monotonic() + RENEW_AT * life_s
                return False
        self.stop()
        self._held = self._subscribe()
        return True

    def _unsubscribe(self, held: _Subscription) -> None:
        with contextlib.suppress(CameraError):  # it ends by itself, and there is nobody to tell
            self._ask(held, "Unsubscribe", etree.Element(f"{{{WSNT}}}Unsubscribe", nsmap={"wsnt": WSNT}))

    def _ask(self, held: _Subscription, operation: str, body: Any, timeout_s: float | None = None) -> Any:
        """One request to the subscription. Until one address has worked, each is tried (row 11)."""
        action = ACTIONS[operation]
        for index, address in enumerate(held.addresses):
            envelope = _envelope(action, address, held.references, body)
            try:
                answer = self._camera.ask_at(
                    address, action, envelope, f"{operation}Response", timeout_s=timeout_s, again=timeout_s is None
                )
            except CameraError as error:
                if error.permanent or held.worked or index == len(held.addresses) - 1:
                    raise
                self._camera.note("The camera's events are not at its own address; where it says they are was tried.")
            else:
                held.addresses, held.worked = [address], True
                return answer
        raise CameraError("broken", "The camera's subscription has no address.")


def _pull_body(pull_s: float) -> Any:
    body = etree.Element(f"{{{EVENTS}}}PullMessages", nsmap={"tev": EVENTS})
    etree.SubElement(body, f"{{{EVENTS}}}Timeout").text = _duration(pull_s)
    etree.SubElement(body, f"{{{EVENTS}}}MessageLimit").text = str(MESSAGES)
    return body


def _envelope(action: str, to: str, references: tuple[Any, ...], body: Any) -> bytes:
    """A SOAP envelope with WS-Addressing 1.0 headers, and the reference parameters as headers (its section 3.3)."""
    envelope = etree.Element(f"{{{SOAP}}}Envelope", nsmap={"s": SOAP, "wsa": WSA})
    header = etree.SubElement(envelope, f"{{{SOAP}}}Header")
    etree.SubElement(header, f"{{{WSA}}}Action").text = action
    etree.SubElement(header, f"{{{WSA}}}MessageID").text = f"urn:uuid:{uuid.uuid4()}"
    reply_to = etree.SubElement(header, f"{{{WSA}}}ReplyTo")
    etree.SubElement(reply_to, f"{{{WSA}}}Address").text = f"{WSA}/anonymous"
    etree.SubElement(header, f"{{{WSA}}}To").text = to
    for reference in references:
        echoed = copy.deepcopy(reference)
        echoed.set(f"{{{WSA}}}IsReferenceParameter", "true")
        header.append(echoed)
    etree.SubElement(envelope, f"{{{SOAP}}}Body").append(copy.deepcopy(body))
    written: bytes = etree.tostring(envelope, xml_declaration=True, encoding="UTF-8")
    return written


def _duration(seconds: float) -> str:
    return f"PT{seconds:g}S"
