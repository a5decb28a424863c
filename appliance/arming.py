"""Armed and disarmed: an axis of its own, one row a partition, never mixed with alarms. Owns arming.

Disarming ends no alarm, and an alarm says nothing about arming. What was never said is unknown.
"""

from __future__ import annotations

from dataclasses import dataclass

from appliance.alarm_names import panel_name, place
from appliance.clock import Clock, iso
from appliance.config import Config
from appliance.model import N_, Message, message
from appliance.store import Database
from drivers.types import PanelEvent

STATES = {"arm": "armed", "disarm": "disarmed"}
KINDS = frozenset(STATES) | {"arm.fail"}


@dataclass(frozen=True, slots=True)
class Arming:
    """One partition (or a zone, where the panel arms zones): armed or disarmed since when, by which of its users."""

    panel: str
    place: Message
    armed: bool
    since_at: str
    user: str | None
    failed_at: str | None  # it could not be armed, and has not been since


def note(db: Database, panel: str, event: PanelEvent, row: int, clock: Clock) -> None:
    """Keep what an arming event says, inside the caller's transaction."""
    where = (panel, event.account or "", event.partition or "", event.zone or "")
    if event.kind == "arm.fail":
        db.write("update arming set failed_at = ? where panel = ? and account = ? and partition = ? and zone = ?",
                 (iso(clock.now()), *where))  # fmt: skip
        return
    db.write(
        "insert into arming (panel, account, partition, zone, state, since_at, user, event)"
        " values (?, ?, ?, ?, ?, ?, ?, ?) on conflict (panel, account, partition, zone) do update set"
        " since_at = case when state = excluded.state then since_at else excluded.since_at end,"
        " state = excluded.state, user = excluded.user, event = excluded.event, failed_at = null",
        (*where, STATES[event.kind], iso(clock.now()), event.user, row),
    )


def axis(db: Database, config: Config) -> tuple[Arming, ...]:
    """Every partition that ever said it, in the order of the panels."""
    rows = db.rows("select * from arming order by panel, account, partition, zone")
    return tuple(
        Arming(row["panel"], _where(config, row), row["state"] == "armed", row["since_at"], row["user"],
               row["failed_at"])
        for row in rows
    )  # fmt: skip


def _where(config: Config, row: dict[str, str]) -> Message:
    if row["zone"]:
        number, partition = row["zone"], row["partition"] or None
        return place(config.zone(row["panel"], number, row["account"] or None, partition), number, partition, None)
    if row["partition"].strip("0"):
        return message(N_("{panel}, partition {partition}"), panel=panel_name(config, row["panel"]).as_json(),
                       partition=row["partition"])  # fmt: skip
    return panel_name(config, row["panel"])
