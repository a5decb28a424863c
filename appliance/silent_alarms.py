"""Alarms about single cameras that should be recorded and of which nothing comes: at limits.silent_alarm_s.

The keeper looks every second at what the recorder wrote down (table outage), so that one is called within 10 s of its
last frame. Whether the room is covered by another camera is nothing to this: `gap_alarms` speaks of rooms.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from appliance import alarms, exams, store
from appliance.alarm_names import CAMERA_PANEL
from appliance.clock import Clock, parse
from appliance.config import Config
from appliance.gap_alarms import AGAIN
from appliance.gap_causes import OF_CAMERA
from appliance.model import N_
from appliance.store import Database
from drivers.types import EventState, Frame, PanelEvent

KIND = "camera.silent"
LOST = N_("Nothing comes from the camera. Check its power and cable.")
TEXTS = {
    "camera silent": LOST, "camera unreachable": LOST, "connection closed": LOST,
    "password refused": N_("The camera refuses the password. Type the right one on its page."),
}  # fmt: skip
OTHER = N_("What the camera sends cannot be recorded. Press Set by profile on its page.")
OVER = N_("The picture need not be watched any more")
JOINED = timedelta(seconds=0.5)  # a cause that took another's place so soon: the camera was not back in between
BEFORE = 50  # causes that may have taken each other's place since the camera was lost


@dataclass(slots=True)
class SilentAlarms:
    """The keeper's eye on the cameras. What is standing is what the alarms' own table says."""

    config: Config
    clock: Clock

    def look(self, db: Database) -> None:
        """Raise and end what is due. Two short reads while all is well; a transaction for each thing it says."""
        open_now = {row["camera"]: row["cause"] for row in
                    db.rows("select camera, cause from outage where ended_at is null")}  # fmt: skip
        standing = {row["zone"] for row in
                    db.rows("select e.zone from zone z join event e on e.id = z.event where z.panel = ? and z.active",
                            (CAMERA_PANEL,))}  # fmt: skip
        if not open_now and not standing:
            return
        now = self.clock.now()
        required = exams.required_now(db, self.config, now)
        for camera in standing:
            if camera not in required:
                self._say(db, camera, "restored", OVER)
            elif camera not in open_now:
                self._say(db, camera, "restored", AGAIN)
        limit_s = self.config.profile.limits.silent_alarm_s
        for camera, cause in open_now.items():
            if (camera in required and camera not in standing and cause in OF_CAMERA
                    and self._lost_s(db, camera) >= limit_s):  # fmt: skip
                self._say(db, camera, "active", TEXTS.get(cause, OTHER))

    def _lost_s(self, db: Database, camera: str) -> float:
        """How long it is lost, whatever causes took each other's place meanwhile."""
        since = self.clock.now()
        for row in db.rows("select began_at, ended_at from outage where camera = ? order by began_at desc, id desc"
                           " limit ?", (camera, BEFORE)):  # fmt: skip
            if row["ended_at"] is not None and parse(row["ended_at"]) < since - JOINED:
                break
            since = min(since, parse(row["began_at"]))
        return (self.clock.now() - since).total_seconds()

    def _say(self, db: Database, camera: str, state: EventState, text: str) -> None:
        """Through the door every panel's events take."""
        event = PanelEvent(KIND, state, zone=camera, text=text)
        with store.transaction(db):
            alarms.record(db, self.config, CAMERA_PANEL, Frame(b"", (event,), news=True), self.clock)
