"""The alarm board: what is wrong, where, since when, and whether anyone has it in hand. Reads only.

"Normal" may be shown for a line that is being heard and for no other: what a silent panel last said is stale.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from appliance.alarm_classes import SILENT, Group, active_group
from appliance.clock import parse
from appliance.config import Config, Zone
from appliance.model import N_, Message, message
from appliance.profile import Words
from appliance.store import Database

LINK_KEY = "link"  # the key of a panel's own "no link" alarm, which no zone can have
NO_LINK = N_("No link to the panel")

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
    """All that is not over and acknowledged, worst first, and every panel of the site."""

    alarms: tuple[BoardAlarm, ...]
    links: tuple[BoardLink, ...]

    @property
    def unacknowledged(self) -> int:
        return sum(alarm.state != "acknowledged" for alarm in self.alarms)

    @property
    def heard(self) -> int:
        return sum(link.state == "heard" for link in self.links)

    @property
    def passive(self) -> int:
        return sum(link.state == "passive" for link in self.links)


def board(db: Database, config: Config, now: datetime) -> Board:
    """Alarms by what they are, inside that unacknowledged first, newest first; and the links."""
    links = _links(db, config, now)
    heard = {link.panel for link in links if link.state in ("heard", "passive")}
    found = db.rows(
        "select a.*, e.text, e.zone as number, e.partition, e.user, e.account, p.name as by_name from alarm a"
        " left join event e on e.id = a.event left join person p on p.login = a.acknowledged_by"
        " where a.restored_at is null or a.acknowledged_at is null order by a.raised_at desc, a.id desc"
    )
    alarms = [_alarm(row, config, row["panel"] in heard) for row in found]
    return Board(tuple(sorted(alarms, key=lambda a: (a.group.rank, a.state == "acknowledged"))), links)


def _alarm(row: dict[str, Any], config: Config, heard: bool) -> BoardAlarm:
    group, of_link = active_group(row["kind"]), row["key"] == LINK_KEY
    zone = config.zone(row["panel"], row["number"], row["account"], row["partition"])
    state: AlarmState = "unacknowledged"
    if row["acknowledged_at"]:
        state = "acknowledged"
    elif row["restored_at"]:
        state = "cleared"
    return BoardAlarm(
        id=row["id"], version=row["version"], group=group, kind=row["kind"],
        what=what(NO_LINK if of_link else row["text"] or ""),
        place=panel_name(config, row["panel"]) if of_link else
        place(zone, row["number"], row["partition"], row["user"]),
        room=zone.room if zone else None, panel=row["panel"], state=state, raised_at=row["raised_at"],
        restored_at=row["restored_at"], acknowledged_at=row["acknowledged_at"],
        acknowledged_by=row["by_name"] or row["acknowledged_by"], comment=row["comment"], count=row["count"],
        latched=group.latched and row["restored_at"] is None,
        stale=not heard and not of_link and row["restored_at"] is None, silent=row["kind"] in SILENT,
        entry=row["entry"],
    )  # fmt: skip


def _links(db: Database, config: Config, now: datetime) -> tuple[BoardLink, ...]:
    rows = {row["panel"]: row for row in db.rows("select * from panel_link")}
    return tuple(_link(config, panel.id, rows.get(panel.id), now) for panel in config.panels)


def _link(config: Config, panel: str, row: dict[str, Any] | None, now: datetime) -> BoardLink:
    if row is None:
        return BoardLink(panel, panel_name(config, panel), "starting", None, None, None, None)
    quiet_s = None
    if row["heard_at"]:
        quiet_s = max(0.0, (now - parse(row["heard_at"])).total_seconds())
    detail = Message.from_json(json.loads(row["detail"])) if row["detail"] else None
    return BoardLink(panel, panel_name(config, panel), row["state"], row["since_at"], row["heard_at"], quiet_s, detail)


def what(text: str) -> Message:
    """What happened, as a message: an English name of the drivers' tables, or a panel's own words as they came."""
    return message("{line}", line=text) if "{" in text or "}" in text else Message(text)


def place(zone: Zone | None, number: str | None, partition: str | None, user: str | None) -> Message:
    """Where: the site's own name when it gave one, else the panel's numbers."""
    if zone is not None:
        return named(zone.name)
    if number is not None and partition is not None:
        return message(N_("zone {number}, partition {partition}"), number=number, partition=partition)
    if number is not None:
        return message(N_("zone {number}"), number=number)
    if user is not None:
        return message(N_("user {user}"), user=user)
    return message(N_("the whole panel"))


def panel_name(config: Config, panel: str) -> Message:
    """The site's name of a panel; a panel that is no longer configured keeps its id."""
    for known in config.panels:
        if known.id == panel:
            return named(known.name)
    return message("{name}", name=panel)


def named(name: Words) -> Message:
    """A name that is written in both languages."""
    return message("{name}", name={"ru": name.ru, "en": name.en})
