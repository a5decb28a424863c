"""The alarm board: what is wrong, where, since when, and whether anyone has it in hand. Reads only.

"Normal" may be shown for a line that is being heard and for no other: what a silent panel last said is stale.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from appliance import arming, maintenance, shelving
from appliance.alarm_classes import SILENT, Group, active_group
from appliance.alarm_names import (
    LINK_KEY,
    OWN_PANELS,
    counted_on,
    no_link,
    panel_name,
    place,
    what,
    zone_of,
)
from appliance.alarm_signs import Signs, signs
from appliance.arming import Arming
from appliance.clock import iso, parse
from appliance.config import CAMERA, Config
from appliance.maintenance import Window
from appliance.model import Message
from appliance.shelving import Aside
from appliance.store import Database

AlarmState = Literal["unacknowledged", "acknowledged", "cleared"]  # cleared: over, but nobody has acknowledged it
# passive: the line is open, and the protocol has no word that could tell whether the panel at its end lives
LinkState = Literal["starting", "heard", "silent", "unplugged", "passive"]


@dataclass(frozen=True, slots=True)
class BoardAlarm:
    """One row of the board. `what` and `place` are said in the reader's language; instants are UTC ISO-8601 text."""

    id: int
    version: int
    group: Group
    kind: str
    what: Message
    place: Message
    room: str | None
    panel: str
    state: AlarmState
    raised_at: str
    restored_at: str | None
    acknowledged_at: str | None
    acknowledged_by: str | None  # the person's name
    comment: str | None
    count: int
    latched: bool  # acknowledged or not, it stays until the panel is reset
    stale: bool  # its panel is not heard: whether it is still so, nobody knows
    silent: bool  # must not show on the wall what it is
    entry: int | None
    key: str
    aside: Aside | None = None  # shelved, out of service or in test: it calls nobody
    earlier: int = 0  # how often it was over and came back, unacknowledged all the while: one row, one press
    first: bool = False  # it began the burst
    chattering: int = 0  # times said within the profile's minute; 0: it does not chatter
    standing: bool = False  # active for longer than the profile's day
    asked_at: str | None = None  # acknowledged once and still there: since when it asks again


@dataclass(frozen=True, slots=True)
class BoardLink:
    """The line of one panel. `detail` says what is wrong with it and what to do."""

    panel: str
    name: Message
    state: LinkState
    since_at: str | None
    heard_at: str | None
    quiet_s: float | None  # since it was last heard
    detail: Message | None


@dataclass(frozen=True, slots=True)
class Board:
    """All that is not over and acknowledged, worst first; what is put aside; and every panel of the site."""

    alarms: tuple[BoardAlarm, ...]
    links: tuple[BoardLink, ...]
    quiet: tuple[BoardAlarm, ...] = ()  # shelved, out of service or in test; newest first
    asides: tuple[Aside, ...] = ()  # places that are shelved or out of service, alarm or not
    windows: tuple[Window, ...] = ()  # what is under test
    arming: tuple[Arming, ...] = ()
    signs: Signs = field(default_factory=Signs)
    deaf_cameras: tuple[BoardLink, ...] = ()  # nothing hangs at them, and their events do not come

    @property
    def unacknowledged(self) -> int:
        return sum(alarm.state != "acknowledged" for alarm in self.alarms)

    @property
    def heard(self) -> int:
        return sum(link.state == "heard" for link in self.links)

    @property
    def passive(self) -> int:
        return sum(link.state == "passive" for link in self.links)


@dataclass(frozen=True, slots=True)
class _Desk:
    """What every row of the board is held against."""

    config: Config
    now: datetime
    heard: frozenset[str]
    asides: Mapping[tuple[str, str], Aside]
    windows: tuple[Window, ...]
    signs: Signs

    def aside(self, row: Mapping[str, Any]) -> Aside | None:
        """Why this alarm does not call; a test only quiets what was raised in it, and only while it lasts."""
        put = self.asides.get((row["panel"], row["key"]))
        if put is not None or row["test"] is None or row["restored_at"] is not None:
            return put
        window = maintenance.covering(self.windows, row["panel"], row["number"], row["account"], row["partition"])
        if window is not None:
            return Aside(None, "test", window.since_at, window.until_at, window.reason, window.by)
        stood = self.now - parse(row["raised_at"])
        if row["test"] == "panel" and stood < timedelta(minutes=self.config.profile.alarms.ask_again_min):
            return Aside(None, "test", row["raised_at"], None, "", "")
        return None


def board(db: Database, config: Config, now: datetime) -> Board:
    """Alarms by what they are, inside that unacknowledged first, newest first; and the links."""
    links = _links(db, config, now)
    cameras = _camera_links(db, config, now)
    links = (*links, *(link for link in cameras if counted_on(config, link.panel)))
    spoken = (link.panel for link in (*links, *cameras) if link.state in ("heard", "passive"))
    heard = frozenset((*OWN_PANELS, *spoken))
    deaf = tuple(link for link in cameras if link.state in ("silent", "unplugged") and link not in links)
    asides, windows = shelving.current(db, config, now), maintenance.current(db, config, now)
    desk = _Desk(config, now, heard, asides, windows, signs(db, config, now))
    found = db.rows(
        "select a.*, e.text, e.zone as number, e.partition, e.user, e.account, p.name as by_name from alarm a"
        " left join event e on e.id = a.event left join person p on p.login = a.acknowledged_by"
        " where a.restored_at is null or (a.acknowledged_at is null and a.test is null)"
        " order by a.raised_at desc, a.id desc"
    )
    newest = {(row["panel"], row["key"]): row["id"] for row in reversed(found)}
    folded = Counter((row["panel"], row["key"]) for row in found)
    alarms = [_alarm(row, desk, folded[row["panel"], row["key"]] - 1) for row in found
              if newest[row["panel"], row["key"]] == row["id"]]  # fmt: skip
    calling = sorted((a for a in alarms if a.aside is None), key=lambda a: (a.group.rank, a.state == "acknowledged"))
    return Board(tuple(calling), links, tuple(a for a in alarms if a.aside), tuple(asides.values()), windows,
                 arming.axis(db, config), desk.signs, deaf)  # fmt: skip


def _state(row: Mapping[str, Any]) -> AlarmState:
    if row["acknowledged_at"]:
        return "acknowledged"
    return "cleared" if row["restored_at"] else "unacknowledged"


def _alarm(row: Mapping[str, Any], desk: _Desk, earlier: int) -> BoardAlarm:
    config, group, of_link = desk.config, active_group(row["kind"]), row["key"] == LINK_KEY
    zone = zone_of(config, row["panel"], row["number"], row["account"], row["partition"])
    limits, active = config.profile.alarms, row["restored_at"] is None
    since_yesterday = iso(desk.now - timedelta(hours=limits.standing_h))
    return BoardAlarm(
        id=row["id"], version=row["version"], group=group, kind=row["kind"],
        what=what(no_link(row["panel"]) if of_link else row["text"] or ""),
        place=panel_name(config, row["panel"]) if of_link else
        place(zone, row["number"], row["partition"], row["user"]),
        room=zone.room if zone else None, panel=row["panel"], state=_state(row), raised_at=row["raised_at"],
        restored_at=row["restored_at"], acknowledged_at=row["acknowledged_at"],
        acknowledged_by=row["by_name"] or row["acknowledged_by"], comment=row["comment"], count=row["count"],
        latched=group.latched and active, stale=row["panel"] not in desk.heard and not of_link and active,
        silent=row["kind"] in SILENT and not limits.silent_loud, entry=row["entry"], key=row["key"],
        aside=desk.aside(row), earlier=earlier, first=row["id"] == desk.signs.first,
        chattering=desk.signs.chattering.get((row["panel"], row["key"]), 0),
        standing=active and row["raised_at"] < since_yesterday,
        asked_at=None if row["acknowledged_at"] else row["asked_at"],
    )  # fmt: skip


def _links(db: Database, config: Config, now: datetime) -> tuple[BoardLink, ...]:
    rows = {row["panel"]: row for row in db.rows("select * from panel_link")}
    return tuple(_link(config, panel.id, rows.get(panel.id), now) for panel in config.panels)


def _camera_links(db: Database, config: Config, now: datetime) -> tuple[BoardLink, ...]:
    """Every camera that was ever listened to, and every one that is counted on."""
    rows = {row["panel"]: row for row in db.rows("select * from panel_link where panel like ?", (f"{CAMERA}%",))}
    names = (CAMERA + camera.id for camera in config.cameras)
    return tuple(_link(config, name, rows.get(name), now) for name in names if name in rows or counted_on(config, name))


def _link(config: Config, panel: str, row: dict[str, Any] | None, now: datetime) -> BoardLink:
    if row is None:
        return BoardLink(panel, panel_name(config, panel), "starting", None, None, None, None)
    quiet_s = None
    if row["heard_at"]:
        quiet_s = max(0.0, (now - parse(row["heard_at"])).total_seconds())
    detail = Message.from_json(json.loads(row["detail"])) if row["detail"] else None
    return BoardLink(panel, panel_name(config, panel), row["state"], row["since_at"], row["heard_at"], quiet_s, detail)
