"""How a virtual camera misbehaves with its events, and the tools of all misbehaving (demo/onvif_quirks.py)."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from typing import Any

from demo.onvif_face import Face
from demo.onvif_soap import Asked, Fault, HangUp

SLOW_S = 0.2
HANG_UP_S = 0.1
CLOSED_PORT = 9  # discard: nobody listens there on loopback
NEEDS_TIME = (
    "GetProfiles", "GetStreamUri", "GetSnapshotUri", "GetDeviceInformation", "GetServices", "PullMessages",
)  # fmt: skip


def alter(face: Face, twist: Callable[[Asked, bytes], bytes]) -> None:
    face.twists.append(twist)


def everywhere(face: Face, here: str, there: str) -> None:
    alter(face, lambda _asked, said: said.replace(here.encode(), there.encode()))


def reword(face: Face, operation: str, pattern: str, instead: str) -> None:
    """Change what an operation says, whoever answers it when it is asked."""
    alter(face, lambda asked, said: re.sub(pattern.encode(), instead.encode(), said)
           if asked.operation == operation else said)  # fmt: skip


def refuse(face: Face, operation: str) -> None:
    def refuse(_face: Any, _request: Any) -> str:
        raise Fault(500, "ter:ActionNotSupported", f"{operation} is not supported")

    face.answers[operation] = refuse


def closed_port(face: Face) -> None:
    face.pull.address = f"http://127.0.0.1:{CLOSED_PORT}"


def hangs_up(face: Face) -> None:
    face.pull.hangs_up_after_s = HANG_UP_S


def reboots(face: Face) -> None:
    """Once, at the third pull."""

    def look(face: Face, asked: Asked) -> None:
        if asked.operation == "PullMessages" and face.pull.counts.get("PullMessages") == 2:
            face.pull.reboot()
            face.pull.counts["reboots"] = face.pull.counts.get("reboots", 0) + 1
            face.pull.counts["PullMessages"] += 1

    face.doors.append(look)


def no_renew(face: Face) -> None:
    def refuse(_face: Any, _request: Any) -> str:
        face.pull.counts["Renew"] = face.pull.counts.get("Renew", 0) + 1
        raise Fault(400, "wsrf-r:ResourceUnknownFault", "Unable to renew")

    face.answers["Renew"] = refuse


def ends_at_once(face: Face) -> None:
    face.pull.dies_at_once = True


def by_reference(face: Face) -> None:
    face.pull.by_reference = face.pull.needs_wsa = True


def no_synchronisation(face: Face) -> None:
    refuse(face, "SetSynchronizationPoint")


def only_synchronised(face: Face) -> None:
    face.pull.initial_on_asking = True


def one_subscription(face: Face) -> None:
    """Full at one; who asks for a second finds nobody any more."""
    face.pull.most = 1
    create = face.answers["CreatePullPointSubscription"]

    def made(face: Face, request: Any) -> str:
        try:
            return create(face, request)
        except Fault:
            face.doors.append(gone)
            raise HangUp from None

    face.answers["CreatePullPointSubscription"] = made


def gone(_face: Face, _asked: Asked) -> None:
    raise HangUp


def odd_topics(face: Face) -> None:
    """As seen: the typo, the stray end, 1 for true, and no word on which subscription it belongs to."""
    alter(face, lambda _asked, said: said.replace(b"VideoSource/MotionAlarm", b"VideoSoure/tns1:MotionAlarm//.")
           .replace(b'Value="true"', b'Value="1"').replace(b'Value="false"', b'Value="0"'))  # fmt: skip


def slow_with_events(face: Face) -> None:
    def wait(face: Face, asked: Asked) -> None:
        if face.pull.subscriptions and asked.operation in NEEDS_TIME:
            threading.Event().wait(SLOW_S)

    face.doors.append(wait)


def pulls_at_once(face: Face) -> None:
    face.pull.at_once = True
