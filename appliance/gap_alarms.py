"""Alarms about rooms that are not recorded though they must be: at limits.gap_alarm_s, again at limits.gap_critical_s.

The keeper calls this, not the recorder: a recorder that is dead is the gravest gap of all and could not say so. A room
that another of its cameras records is no alarm; its gap is a remark on the pages and in the coverage report. Each gap
calls once, whatever is restarted meanwhile: what was said is kept in table gap_alarm beside the alarm itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from appliance import alarms, coverage, coverage_report, exams, journal, store
from appliance.alarm_names import RECORDING_PANEL
from appliance.clock import Clock, iso, parse
from appliance.config import Config
from appliance.coverage_report import RoomHole, RoomReport
from appliance.exams import Exam
from appliance.model import N_, Actor
from appliance.store import Database
from drivers.types import EventState, Frame, PanelEvent

INTERRUPTED, CRITICAL, AGAIN = N_("Recording interrupted"), N_("Recording interrupted, critical"), N_("Recorded again")
AFTERWARDS = timedelta(days=1)  # a box that was off over an exam's end still tells of its gaps
KEEPER = Actor.service("keeper")
QUIET_S = 15.0  # a recorder unheard for so long writes no evidence any more: look without being told


@dataclass(slots=True)
class GapAlarms:
    """The keeper's eye on the rooms. `look` belongs to one thread; what must survive it is in the database."""

    config: Config
    clock: Clock
    _known: object = field(default=None)

    def look(self, db: Database) -> None:
        """Raise and end what is due. Cheap when nothing changed. Opens a transaction for each thing it says."""
        evidence, heard = coverage.evidence(db), self._recorder_heard(db)
        if evidence is not None and evidence == self._known and heard:
            return
        now = self.clock.now()
        open_rows = db.rows("select * from gap_alarm where restored_at is null")
        if heard and not open_rows and not self._long_gap(db):
            return  # a recorder that lives keeps the gaps up to date itself
        for exam in exams.exams(db, since=now - AFTERWARDS):
            standing = [row for row in open_rows if row["exam"] == exam.id]
            if exam.state == "cancelled" or now < exams.span(self.config, exam)[0]:
                self._withdraw(db, standing)
            else:
                self._judge(db, exam, now, standing)
        self._known = evidence  # only once all is said: a look that failed is made again

    def _recorder_heard(self, db: Database) -> bool:
        beat_at = db.value("select beat_at from heartbeat where service = 'recorder'")
        return beat_at is not None and abs((self.clock.now() - parse(beat_at)).total_seconds()) < QUIET_S

    def _long_gap(self, db: Database) -> bool:
        limit_s = self.config.profile.limits.gap_alarm_s - QUIET_S
        return db.value("select 1 from gap where (julianday(ends_at) - julianday(starts_at)) * 86400 >= ? limit 1",
                        (limit_s,)) is not None  # fmt: skip

    def _judge(self, db: Database, exam: Exam, now: datetime, standing: list[dict[str, Any]]) -> None:
        limit_us = self.config.profile.limits.gap_alarm_s * 1_000_000
        left = list(standing)
        for room in coverage_report.rooms(db, self.config, exam, now):
            for hole in room.holes:
                if hole.length_us >= limit_us:
                    row = self._called(db, exam, hole)
                    left = [each for each in left if each["id"] != row["id"]]
                    self._escalate(db, row, hole)
                    if _over(room, hole):
                        self._restore(db, row, hole.ends_at)
        self._withdraw(db, left)

    def _called(self, db: Database, exam: Exam, hole: RoomHole) -> dict[str, Any]:
        """The row of this gap, with its alarm raised; made once, and found again though its edges moved a little."""
        row = _row(db, exam.id, hole)
        if row is not None:
            return row
        with store.transaction(db):
            self._say(db, hole.room, "active", INTERRUPTED)
            db.write("insert into gap_alarm (exam, room, starts_at, alarmed_at) values (?, ?, ?, ?)",
                     (exam.id, hole.room, iso(hole.starts_at), iso(self.clock.now())))  # fmt: skip
        made = _row(db, exam.id, hole)
        if made is None:
            raise RuntimeError("the gap's row was not kept")
        return made

    def _escalate(self, db: Database, row: dict[str, Any], hole: RoomHole) -> None:
        if row["critical_at"] is None and hole.length_us >= self.config.profile.limits.gap_critical_s * 1_000_000:
            with store.transaction(db):
                self._say(db, row["room"], "active", CRITICAL)
                journal.append(db, self.clock, "recording.critical", KEEPER, exam=row["exam"], room=row["room"],
                               from_at=iso(hole.starts_at), gap_ms=hole.length_us // 1000)  # fmt: skip
                db.write("update gap_alarm set critical_at = ? where id = ?", (iso(self.clock.now()), row["id"]))

    def _restore(self, db: Database, row: dict[str, Any], ends_at: datetime) -> None:
        if row["restored_at"] is None:
            with store.transaction(db):
                self._say(db, row["room"], "restored", AGAIN)
                db.write("update gap_alarm set ends_at = ?, restored_at = ? where id = ?",
                         (iso(ends_at), iso(self.clock.now()), row["id"]))  # fmt: skip

    def _withdraw(self, db: Database, rows: list[dict[str, Any]]) -> None:
        """Their gap is none any more: the recording was found, or need not have been made."""
        for row in rows:
            self._restore(db, row, parse(row["starts_at"]))

    def _say(self, db: Database, room: str, state: EventState, text: str) -> None:
        """Through the door every panel's events take, inside the caller's transaction."""
        event = PanelEvent("recording.gap", state, zone=room, text=text)
        alarms.record(db, self.config, RECORDING_PANEL, Frame(b"", (event,), news=True), self.clock)


def _row(db: Database, exam_id: str, hole: RoomHole) -> dict[str, Any] | None:
    return db.row("select * from gap_alarm where exam = ? and room = ? and starts_at < ?"
                  " and coalesce(ends_at, '9999') >= ? order by starts_at desc limit 1",
                  (exam_id, hole.room, iso(hole.ends_at), iso(hole.starts_at)))  # fmt: skip


def _over(room: RoomReport, hole: RoomHole) -> bool:
    """Recorded again, or not required any more."""
    return hole.ends_at < room.until or room.until >= room.ends_at
