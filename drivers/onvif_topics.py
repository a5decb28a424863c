"""What a camera's notifications mean: topic and values become one CameraEvent, however the maker writes them.

Topics differ by maker, firmware and typing mistake (onvif.md, row 30), so they are known by any of their last parts,
without namespaces; the value is whatever SimpleItem can be read as yes or no. Pure functions over an element.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from lxml import etree

from drivers.onvif_reply import every, first, local, text

EventClass = Literal[
    "motion", "tamper", "fault", "input", "relay", "reboot", "config", "signin", "recording", "other"
]  # fmt: skip
State = Literal["active", "restored", "info"]
CLASSES: tuple[EventClass, ...] = (
    "motion", "tamper", "fault", "input", "relay", "reboot", "config", "signin", "recording", "other",
)  # fmt: skip

# A topic's part, small letters -> its class and the English name people are told. ONVIF Core spec 8.8, Imaging 8,
# Recording Control 5.25, and names of makers seen in the threads of onvif.md.
_MOTION = "Motion"
_KNOWN: dict[str, tuple[EventClass, str]] = {
    "motionalarm": ("motion", _MOTION), "motion": ("motion", _MOTION), "cellmotiondetector": ("motion", _MOTION),
    "motionregiondetector": ("motion", _MOTION), "vmd": ("motion", _MOTION), "vmd3": ("motion", _MOTION),
    "peopledetect": ("motion", "Person seen"), "peopledetector": ("motion", "Person seen"),
    "linedetector": ("motion", "Line crossed"), "crossed": ("motion", "Line crossed"),
    "fielddetector": ("motion", "Somebody in a watched field"),
    "objectsinside": ("motion", "Somebody in a watched field"),
    "imagetoodark": ("tamper", "Picture too dark"), "imagetoobright": ("tamper", "Picture too bright"),
    "imagetooblurry": ("tamper", "Picture out of focus"), "globalscenechange": ("tamper", "Camera turned or covered"),
    "signalloss": ("tamper", "No picture from the lens"), "tamper": ("tamper", "Camera covered"),
    "tamperdetector": ("tamper", "Camera covered"), "tampering": ("tamper", "Camera covered"),
    "storagefailure": ("fault", "Camera card failed"), "fanfailure": ("fault", "Camera fan failed"),
    "powersupplyfailure": ("fault", "Camera power supply failed"),
    "temperaturecritical": ("fault", "Camera too hot or too cold"), "hardwarefailure": ("fault", "Camera failed"),
    "digitalinput": ("input", "Camera input"), "port": ("input", "Camera input"), "alarmin": ("input", "Camera input"),
    "relay": ("relay", "Camera relay"),
    "lastreboot": ("reboot", "Camera restarted"), "shutdowninitiated": ("reboot", "Camera is shutting down"),
    "lastreset": ("config", "Camera reset to factory settings"),
    "configurationchanged": ("config", "Camera settings changed"),
    "profilechanged": ("config", "Camera settings changed"), "uploadinitiated": ("config", "Camera firmware upload"),
    "recordingconfiguration": ("config", "Camera settings changed"),
    "configuration": ("config", "Camera settings changed"),
    "illegalaccess": ("signin", "Camera refused a sign-in"), "illegallogin": ("signin", "Camera refused a sign-in"),
    "loginfailure": ("signin", "Camera refused a sign-in"), "login": ("signin", "Somebody signed in at the camera"),
    "userlogin": ("signin", "Somebody signed in at the camera"),
    "jobstate": ("recording", "Recording on the camera's card"),
}  # fmt: skip
NAMES = tuple(sorted({name for _, name in _KNOWN.values()}))

# Words for yes and no; anything else is no state. Idle and Error are recording jobs' (Recording Control 5.9).
_YES = frozenset({"true", "1", "active", "on", "yes", "error"})
_NO = frozenset({"false", "0", "inactive", "off", "no", "idle"})
# Which value counts where there are several: the name says it.
_TELLING = ("state", "ismotion", "logicalstate", "failed", "critical", "istamper", "ispeople", "loss", "value")


@dataclass(frozen=True, slots=True)
class CameraEvent:
    """One thing a camera said of itself.

    `name` is the English word of our tables, `topic` the camera's path without namespaces, `source` the token it is
    about ("" the camera itself). `operation` is Initialized (as it stands), Changed, Deleted or "" (said once). `at` is
    the camera's clock, `value` what it said where that is no yes or no. `raw` is the notification as XML.
    """

    kind: EventClass
    state: State
    topic: str
    name: str
    source: str
    at: datetime | None
    operation: str
    value: str
    raw: bytes

    @property
    def code(self) -> str:
        """The part of the topic that says what it is: tells apart what stands at one source."""
        return next((part for part in reversed(self.topic.split("/")) if part.lower() in _KNOWN), self.topic)


def events_of(answer: Any) -> tuple[CameraEvent, ...]:
    """Every notification of an answer to PullMessages, in order. Whatever stands in it, nothing raises."""
    return tuple(_event(note) for note in every(answer, "NotificationMessage"))


def path_of(topic: str) -> str:
    """`tns1:RuleEngine/CellMotionDetector/tns1:Motion//.` -> `RuleEngine/CellMotionDetector/Motion`."""
    parts = (part.rpartition(":")[2].strip() for part in re.split(r"[/|]", topic))
    return "/".join(part for part in parts if part not in ("", ".", "*"))


def classified(path: str) -> tuple[EventClass, str]:
    """Class and English name of a topic, by its last part that is known."""
    for part in reversed(path.lower().split("/")):
        if part in _KNOWN:
            return _KNOWN[part]
    return "other", "Camera event"


def _event(note: Any) -> CameraEvent:
    path = path_of(text(first(note, "Topic")))
    kind, name = classified(path)
    message = next((each for each in every(note, "Message") if each.get("UtcTime") or _has_items(each)), note)
    operation = message.get("PropertyOperation", "")
    value, state = _value(message)
    if operation == "Deleted" and state == "active":
        state = "restored"
    if kind in ("reboot", "config", "signin") or (kind == "recording" and state == "restored"):
        state = "info"
    raw: bytes = etree.tostring(note, with_tail=False)
    return CameraEvent(kind, state, path, name, _source(message), instant(message.get("UtcTime", "")), operation,
                       value, raw)  # fmt: skip


def _has_items(message: Any) -> bool:
    return any(local(child) in ("Data", "Source") for child in message)


def _items(message: Any, group: str) -> Iterator[tuple[str, str]]:
    for found in every(message, group):
        for item in every(found, "SimpleItem"):
            yield item.get("Name", ""), item.get("Value", "").strip()


def _source(message: Any) -> str:
    """The token it is about. A rule's name and the analytics configuration say how it was seen, not where."""
    said = [(name.lower(), value) for name, value in (*_items(message, "Source"), *_items(message, "Key")) if value]
    where = [value for name, value in said if "rule" not in name and "analytics" not in name]
    return (where or [value for _, value in said] or [""])[0]


def _value(message: Any) -> tuple[str, State]:
    """The value that tells, and what it says: active, restored, or neither."""
    said = [(name.lower(), value) for name, value in _items(message, "Data")]
    said.sort(key=lambda item: _TELLING.index(item[0]) if item[0] in _TELLING else len(_TELLING))
    for _, value in said:
        if value.lower() in _YES:
            return value, "active"
        if value.lower() in _NO:
            return value, "restored"
    return (said[0][1] if said else ""), "info"


def instant(said: str) -> datetime | None:
    """An xs:dateTime as written; None when it makes no sense. One without a zone stays without."""
    try:
        return datetime.fromisoformat(said.strip())
    except ValueError:
        return None
