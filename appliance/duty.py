"""Handing duty over between shifts: what stands, what is put aside, what has no conclusion, signed by both guards.

Both sign on one screen with their own passwords. The hand-over is a journal entry that holds all it said at that
moment, so that its print says the same for ever.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from appliance import accounts, alarm_log, journal, store
from appliance.alarm_board import Board, BoardAlarm, board
from appliance.clock import Clock, iso, parse
from appliance.config import Config
from appliance.journal import Entry
from appliance.model import N_, Actor, ApplianceError, Person, Personal, Role, message
from appliance.store import Database

FIRST_SHIFT_H = 24  # nobody ever handed over: what is looked back on
KEPT_ROWS = 100  # of each list, in one journal entry


@dataclass(frozen=True, slots=True)
class Shift:
    """The shift that runs. `number` is the journal entry of the last hand-over, 0 when there was none."""

    number: int
    since: datetime
    by: str | None
    lines: tuple[alarm_log.Line, ...]
    board: Board

    @property
    def open(self) -> int:
        return alarm_log.open_count(self.lines)

    @property
    def signals(self) -> int:
        return sum(line.alarm is not None for line in self.lines)

    @property
    def unheard(self) -> list[Any]:
        return [link for link in self.board.links if link.state not in ("heard", "passive")]


def handed(db: Database, number: int | None = None) -> Entry | None:
    """The last hand-over, or the one of that number; None when there is none."""
    row = db.row("select seq, hash, row from journal where kind = 'duty.handed' and (?1 is null or seq = ?1)"
                 " order by seq desc limit 1", (number,))  # fmt: skip
    return None if row is None else journal.read(db, [row])[0]


def shift(db: Database, config: Config, now: datetime) -> Shift:
    """What the guard on duty has to hand over now."""
    last = handed(db)
    since = parse(last.at) if last else now - timedelta(hours=FIRST_SHIFT_H)
    found = alarm_log.lines(db, config, since, now)
    return Shift(last.seq if last else 0, since, str(last.data["taking"]) if last else None, found,
                 board(db, config, now))  # fmt: skip


def hand_over(
    db: Database, config: Config, clock: Clock, giving: tuple[str, str], taking: tuple[str, str], remarks: str = "", *,
    number: int, address: str = "console",
) -> int:  # fmt: skip
    """Both sign, each a (login, password); `number` is the last hand-over the page showed. Returns the journal entry.

    Opens its own transactions. Raises ApplianceError when a password is refused, the two are one person, one of them is
    not security, or somebody handed over meanwhile.
    """
    if giving[0].strip().lower() == taking[0].strip().lower():
        raise ApplianceError(N_("Two people sign: who hands over and who takes over."))
    gives, takes = (accounts.check_password(db, config, clock, *signs, address) for signs in (giving, taking))
    if gives.role is not Role.SECURITY or takes.role is not Role.SECURITY:
        raise ApplianceError(N_("Duty is handed over between two guards."))
    with store.transaction(db):
        now = shift(db, config, clock.now())
        if now.number != number:
            raise ApplianceError(N_("Duty was handed over meanwhile, recorded under no. {number}."), number=now.number)
        return journal.append(db, clock, "duty.handed", Actor.person(gives),
                              refs=[now.number] if now.number else [],
                              **_said(now, takes, remarks.strip()[:1000], clock.now()))  # fmt: skip


def _said(now: Shift, takes: Person, remarks: str, at: datetime) -> dict[str, Any]:
    desk = now.board
    standing = [*desk.alarms, *desk.quiet]
    return {
        "taking": Personal(takes.name), "taking_login": Personal(takes.login),
        "from_at": iso(now.since), "to_at": iso(at),
        "signals": now.signals, "open": now.open, "standing": len(standing), "remarks": Personal(remarks),
        "alarms": [_row(alarm) for alarm in standing[:KEPT_ROWS]],
        "asides": [{"how": a.how, "what": a.what.as_json(), "zone": a.place.as_json(), "until_at": a.until_at,
                    "reason": Personal(a.reason), "by": Personal(a.by)} for a in desk.asides[:KEPT_ROWS]],
        "tests": [{"zone": w.place.as_json(), "until_at": w.until_at, "reason": Personal(w.reason),
                   "by": Personal(w.by)}
                  for w in desk.windows[:KEPT_ROWS]],
        "unheard": [link.name.as_json() for link in now.unheard], "panels": len(desk.links),
        "armed": sum(a.armed for a in desk.arming), "disarmed": sum(not a.armed for a in desk.arming),
        "unexplained": [{"what": line.result[0].as_json(), "zone": line.place.as_json(), "at": line.at,
                         "silent": line.silent}
                        for line in now.lines if line.alarm is not None and line.conclusion is None][:KEPT_ROWS],
    }  # fmt: skip


def _row(alarm: BoardAlarm) -> Mapping[str, Any]:
    return {
        "what": alarm.what.as_json(), "zone": alarm.place.as_json(), "state": alarm.state, "raised_at": alarm.raised_at,
        "by": Personal(alarm.acknowledged_by) if alarm.acknowledged_by else None, "silent": alarm.silent,
        "aside": alarm.aside.how if alarm.aside else None,
    }  # fmt: skip


STATES = {
    "unacknowledged": N_("not acknowledged"), "acknowledged": N_("acknowledged, still there"),
    "cleared": N_("over, not acknowledged"), "shelved": N_("shelved"), "out": N_("out of service"),
    "test": N_("in test mode"),
}  # fmt: skip
NOTHING = message(N_("None"))
