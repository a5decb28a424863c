"""One event in its place while it is recorded: what its journal entry says, and which alarms it is the end of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from appliance.alarm_classes import FAULT, NO_LINK, active_group
from appliance.alarm_names import OWN_PANELS, PICTURE_PANEL, key_of, place, what
from appliance.config import Zone
from appliance.model import Actor
from drivers.types import PanelEvent

WATCH = Actor.service("watch")


@dataclass(frozen=True, slots=True)
class Said:
    """One event in its place, while it is being recorded."""

    panel: str
    event: PanelEvent
    row: int
    key: str
    zone: Zone | None
    exam: str | None
    test: str | None = None  # 'site' or 'panel': said in test mode

    @property
    def facts(self) -> dict[str, Any]:
        """The data every journal entry about it carries."""
        e = self.event
        return {
            "panel": self.panel, "event": self.row, "class": e.kind, "code": e.code, "what": what(e.text).as_json(),
            "zone": place(self.zone, e.zone, e.partition, e.user).as_json(), "number": e.zone,
            "partition": e.partition, "user": e.user, "account": e.account, **({"test": True} if self.test else {}),
        }  # fmt: skip

    @property
    def service(self) -> Actor:
        """Who heard it: the watch of the lines, the keeper of rooms, disks and journal, who looks at the pictures."""
        if self.panel == PICTURE_PANEL:
            return Actor.service("archivist")
        return Actor.service("keeper") if self.panel in OWN_PANELS else WATCH

    @property
    def room(self) -> str | None:
        return self.zone.room if self.zone else None


def key_for(event: PanelEvent, kind: str) -> str:
    return key_of(kind, event.code, event.account, event.partition, event.zone or event.user)


def point_of(event: PanelEvent) -> str:
    return f"{event.partition or ''}|{event.zone or event.user or ''}"


def vague(event: PanelEvent) -> bool:
    """A restore that does not say of what: it ends all it may, not only its own class."""
    return "any-class" in event.flags or "any-fault" in event.flags


def ends(event: PanelEvent, key: str) -> bool:
    account, told, *point = key.split("|")
    same_point = account == (event.account or "") and "|".join(point) == point_of(event)
    if "any-class" in event.flags:  # a restore that does not say of what (Radionics R), only what still stands
        return same_point and f"still:{told}" not in event.flags
    kind = told.split(":")[0]
    if "any-fault" in event.flags:  # "fault over", which ends no fire at the same point
        return same_point and active_group(kind) in (FAULT, NO_LINK)
    same_family = kind.split(".")[0] == event.kind.split(".")[0]
    # The end of a pre-alarm must not end the fire it became; the end of a fire ends what led to it.
    no_worse = active_group(kind).rank >= active_group(event.kind).rank
    return same_point and (key == key_for(event, event.kind) or (same_family and no_worse and ":" not in told))
