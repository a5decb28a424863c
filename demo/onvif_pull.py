"""A virtual camera's events by pull point: subscriptions, what stands, what is said, and the ways real ones differ.

`PullService.emit` says something has happened; whoever is subscribed pulls it. What lasts is said again as Initialized
to every new subscription. The knobs are for demo/onvif_quirks.py.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from demo.onvif_soap import NAMESPACES, Asked, Fault, HangUp

AXIS = "http://www.axis.com/2009/event"
WSA = f"{{{NAMESPACES['wsa']}}}"
TOPICS = {
    "VideoSource": ("MotionAlarm", "GlobalSceneChange", "ImageTooDark", "SignalLoss"),
    "Device": ("Trigger/DigitalInput", "Trigger/Relay", "HardwareFailure/StorageFailure"),
}


class Speaker(Protocol):
    """What the service needs of its face."""

    base: str
    services: dict[str, str]
    answers: dict[str, Any]

    @property
    def asked(self) -> Asked: ...

    def now_s(self) -> float: ...


@dataclass(frozen=True, slots=True)
class Notice:
    """Something the camera says: topic as it writes it, what it is about, what it is now."""

    topic: str
    source: tuple[tuple[str, str], ...]
    data: tuple[tuple[str, str], ...]
    operation: str


@dataclass(slots=True)
class Subscription:
    """One pull point and what waits in it."""

    id: str
    ends_s: float
    waiting: list[Notice] = field(default_factory=list)


class PullService:
    """Answers the operations of the event service for one face."""

    def __init__(self, face: Speaker) -> None:
        self.subscriptions: dict[str, Subscription] = {}
        self.counts: dict[str, int] = {}
        self.most = 0  # subscriptions at one time; 0: as many as asked for
        self.by_reference = False  # one address for all, told apart by a reference parameter (Axis)
        self.needs_wsa = False
        self.dies_at_once = False  # says TerminationTime = CurrentTime
        self.at_once = False  # answers PullMessages without waiting
        self.hangs_up_after_s = 0.0
        self.initial_on_asking = False  # what stands is only said after SetSynchronizationPoint
        self.address = face.base  # where subscriptions are said to be
        self._face = face
        self._standing: dict[tuple[str, tuple[tuple[str, str], ...]], Notice] = {}
        self._news = threading.Condition()
        self._made = 0
        face.services[NAMESPACES["tev"]] = "/onvif/event_service"
        face.answers.update(
            GetEventProperties=self._properties, CreatePullPointSubscription=self._create, PullMessages=self._pull,
            Renew=self._renew, Unsubscribe=self._unsubscribe, SetSynchronizationPoint=self._synchronise,
        )  # fmt: skip

    def emit(self, topic: str, source: Mapping[str, str], data: Mapping[str, str], *, lasting: bool = True) -> None:
        """Say to every subscription that something changed; `lasting` is what is said again to the next one."""
        notice = Notice(topic, tuple(source.items()), tuple(data.items()), "Changed" if lasting else "")
        with self._news:
            if lasting:
                first = Notice(topic, notice.source, notice.data, "Initialized")
                self._standing[topic, notice.source] = first
            for each in self.subscriptions.values():
                each.waiting.append(notice)
            self._news.notify_all()

    def reboot(self) -> None:
        """Forget every subscription, as a camera that restarts."""
        with self._news:
            self.subscriptions.clear()
            self._news.notify_all()

    def _count(self) -> None:
        operation = self._face.asked.operation
        self.counts[operation] = self.counts.get(operation, 0) + 1

    def _create(self, _face: Any, request: Any) -> str:
        with self._news:
            self._count()
            self._forget_ended()
            if self.most and len(self.subscriptions) >= self.most:
                raise Fault(500, "ter:MaxPullPoints", "the subscription table is full")
            self._made += 1
            made = Subscription(str(self._made), time.monotonic() + _seconds(request, "InitialTerminationTime"))
            if not self.initial_on_asking:
                made.waiting.extend(self._standing.values())
            self.subscriptions[made.id] = made
        address = f"{self.address}/onvif/pull/{'' if self.by_reference else made.id}"
        reference = f'<d:SubscriptionId xmlns:d="{AXIS}">{made.id}</d:SubscriptionId>' if self.by_reference else ""
        return (
            "<tev:CreatePullPointSubscriptionResponse><tev:SubscriptionReference>"
            f"<wsa:Address>{address}</wsa:Address><wsa:ReferenceParameters>{reference}</wsa:ReferenceParameters>"
            f"</tev:SubscriptionReference>{self._times(made, 'wsnt')}</tev:CreatePullPointSubscriptionResponse>"
        )

    def _pull(self, _face: Any, request: Any) -> str:
        until_s = time.monotonic() + _seconds(request, "Timeout")
        hangs_up_s = time.monotonic() + self.hangs_up_after_s if self.hangs_up_after_s else float("inf")
        with self._news:
            self._count()
            while not self._mine().waiting and not self.at_once and (left_s := until_s - time.monotonic()) > 0:
                if time.monotonic() >= hangs_up_s:
                    raise HangUp
                self._news.wait(min(left_s, max(0.0, hangs_up_s - time.monotonic())))
            mine = self._mine()
            said, mine.waiting = mine.waiting, []
        notes = "".join(map(self._notification, said))
        return f"<tev:PullMessagesResponse>{self._times(mine, 'tev')}{notes}</tev:PullMessagesResponse>"

    def _renew(self, _face: Any, request: Any) -> str:
        with self._news:
            self._count()
            mine = self._mine()
            mine.ends_s = time.monotonic() + _seconds(request, "TerminationTime")
        return f"<wsnt:RenewResponse>{self._times(mine, 'wsnt')}</wsnt:RenewResponse>"

    def _unsubscribe(self, _face: Any, _request: Any) -> str:
        with self._news:
            self._count()
            mine = self._mine()
            del self.subscriptions[mine.id]
            self._news.notify_all()
        return "<wsnt:UnsubscribeResponse/>"

    def _synchronise(self, _face: Any, _request: Any) -> str:
        with self._news:
            self._count()
            self._mine().waiting.extend(self._standing.values())
            self._news.notify_all()
        return "<tev:SetSynchronizationPointResponse/>"

    def _properties(self, _face: Any, _request: Any) -> str:
        told = "".join(f"<tns1:{root}>{''.join(map(_leaf, leaves))}</tns1:{root}>" for root, leaves in TOPICS.items())
        return (
            "<tev:GetEventPropertiesResponse><wsnt:FixedTopicSet>true</wsnt:FixedTopicSet>"
            f'<wstop:TopicSet xmlns:wstop="http://docs.oasis-open.org/wsn/t-1">{told}</wstop:TopicSet>'
            "</tev:GetEventPropertiesResponse>"
        )

    def _mine(self) -> Subscription:
        """The subscription a request is about: by its path, or by the header it must echo."""
        asked = self._face.asked
        if self.needs_wsa and any(asked.envelope.find(f".//{WSA}{name}") is None for name in ("Action", "MessageID")):
            raise Fault(400, "wsa:MessageAddressingHeaderRequired", "a message addressing header is missing")
        name = asked.path.rpartition("/")[2]
        if self.by_reference:
            name = asked.envelope.findtext(f".//{{{AXIS}}}SubscriptionId") or ""
        self._forget_ended()
        if name not in self.subscriptions:
            raise Fault(400, "wsrf-r:ResourceUnknownFault", "there is no such subscription")
        return self.subscriptions[name]

    def _forget_ended(self) -> None:
        now_s = time.monotonic()
        self.subscriptions = {name: each for name, each in self.subscriptions.items() if each.ends_s > now_s}

    def _times(self, mine: Subscription, prefix: str) -> str:
        now_s = self._face.now_s()
        ends_s = now_s if self.dies_at_once else now_s + mine.ends_s - time.monotonic()
        return (
            f"<{prefix}:CurrentTime>{_instant(now_s)}</{prefix}:CurrentTime>"
            f"<{prefix}:TerminationTime>{_instant(ends_s)}</{prefix}:TerminationTime>"
        )

    def _notification(self, said: Notice) -> str:
        operation = f' PropertyOperation="{said.operation}"' if said.operation else ""
        return (
            '<wsnt:NotificationMessage><wsnt:Topic Dialect="http://www.onvif.org/ver10/tev/topicExpression/ConcreteSet">'
            f'{said.topic}</wsnt:Topic><wsnt:Message><tt:Message UtcTime="{_instant(self._face.now_s())}"{operation}>'
            f"<tt:Source>{_items(said.source)}</tt:Source><tt:Data>{_items(said.data)}</tt:Data></tt:Message>"
            "</wsnt:Message></wsnt:NotificationMessage>"
        )


def _seconds(request: Any, name: str) -> float:
    """A duration as xs:duration writes it, hours to seconds; anything else is refused, as strict cameras do."""
    text = next((node.text or "" for node in request.iter() if node.tag.rpartition("}")[2] == name), "")
    found = re.fullmatch(r"PT(?:(\d+)H)?(?:(\d+)M)?(?:([\d.]+)S)?", text)
    if found is None:
        raise Fault(400, "ter:InvalidArgVal", f"{name} {text!r} is no duration")
    hours, minutes, seconds = (float(part or 0) for part in found.groups())
    return hours * 3600 + minutes * 60 + seconds


def _leaf(path: str) -> str:
    head, _, rest = path.partition("/")
    return f"<{head}>{_leaf(rest)}</{head}>" if rest else f'<{head} wstop:topic="true"/>'


def _items(items: tuple[tuple[str, str], ...]) -> str:
    return "".join(f'<tt:SimpleItem Name="{name}" Value="{value}"/>' for name, value in items)


def _instant(at_s: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at_s)) + f".{int(at_s * 1000) % 1000:03d}Z"
