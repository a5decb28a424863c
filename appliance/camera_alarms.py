"""What a camera's events mean to the house: which become alarms, which doors, which are only kept, which are dropped.

A camera is a source like a panel, `camera:<id>` in the tables of events and alarms; `zone` is the token of its input or
lens, `code` the part of its topic that says what it is. Motion and what no profile calls an alarm is kept as
`zone.open`, which calls nobody; an input that the site named as a zone is what its role says.
"""

from __future__ import annotations

from collections.abc import Iterable

from appliance.alarm_classes import ONVIF
from appliance.alarm_names import key_of
from appliance.clock import Clock
from appliance.config import CAMERA, Config
from appliance.store import Database
from drivers.onvif_topics import CameraEvent
from drivers.types import PanelEvent

# Class of the camera's event -> class of an alarm, where the profile wants one.
ALARMS = {
    "motion": "intrusion.alarm", "tamper": "tamper", "fault": "fault", "input": "tech.alarm", "relay": "tech.alarm",
    "recording": "fault",
}  # fmt: skip
OPEN = "zone.open"
MOTION_EVERY_S = 60.0  # movement that calls nobody is kept at most so often
Point = tuple[str, str]  # code, source


class CameraBook:
    """What one camera says is so, and what of it stands in our books. One thread's."""

    def __init__(self, config: Config, camera: str, clock: Clock) -> None:
        self.source = CAMERA + camera
        self._config, self._clock = config, clock
        self._now: dict[Point, CameraEvent] = {}
        self._kept_mono_s: dict[Point, float] = {}

    def take(self, db: Database, events: Iterable[CameraEvent], *, required: bool) -> list[PanelEvent]:
        """The house's words for what was said; `required`: the camera's room must be recorded now.

        Also what was said before and has become an alarm since, because the room must be recorded from now on.
        """
        booked, found = self._booked(db), []
        for event in events:
            if event.kind not in ALARMS or event.state == "info":
                continue
            point = (event.code, event.source)
            if event.state == "active":
                self._now[point] = event
                kind = self._kind(event, required)
                if kind != OPEN or event.kind != "motion" or self._is_due(point):
                    found.append(self._said(event, kind, "active"))
                    booked.add(self._key(event, kind))
            else:
                self._now.pop(point, None)
                ended = [kind for kind in (OPEN, ALARMS[event.kind]) if self._key(event, kind) in booked]
                found += [self._said(event, kind, "restored") for kind in ended]
                booked -= {self._key(event, kind) for kind in ended}
        for event in self._now.values():
            kind = self._kind(event, required)
            if kind != OPEN and self._key(event, kind) not in booked:
                found.append(self._said(event, kind, "active", "status"))
        return found

    def _kind(self, event: CameraEvent, required: bool) -> str:
        rules = self._config.profile.camera_events
        if event.kind == "input":
            zone = next((z for z in self._config.zones if (z.panel, z.number) == (self.source, event.source)), None)
            if zone is not None:  # a detector somebody wired is an alarm; a door becomes an entry in alarms.record
                return ALARMS["input"] if zone.role == "detector" else OPEN
        wanted = event.kind in rules.alarm or (required and event.kind in rules.in_windows)
        return ALARMS[event.kind] if wanted else OPEN

    def _is_due(self, point: Point) -> bool:
        now_s = self._clock.mono_s()
        if now_s - self._kept_mono_s.get(point, -MOTION_EVERY_S) < MOTION_EVERY_S:
            return False
        self._kept_mono_s[point] = now_s
        return True

    def _said(self, event: CameraEvent, kind: str, state: str, *flags: str) -> PanelEvent:
        status = ("status",) if event.operation == "Initialized" else flags
        return PanelEvent(
            kind, "active" if state == "active" else "restored", zone=event.source or None, text=event.name,
            panel_time=event.at.replace(tzinfo=None) if event.at else None, raw=event.raw, flags=status,
            code=ONVIF + event.code,
        )  # fmt: skip

    def _key(self, event: CameraEvent, kind: str) -> str:
        return key_of(kind, ONVIF + event.code, None, None, event.source or None)

    def _booked(self, db: Database) -> set[str]:
        return {row["key"] for row in db.rows("select key from zone where panel = ? and active", (self.source,))}
