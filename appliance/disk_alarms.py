"""What is wrong with the recording disks, in sentences and as alarms: full, failing, gone, too little for the exam.

The keeper raises them: the recorder tells the state of the disks in table `medium`, the forecast is worked out here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from appliance import alarms, disk, media, store
from appliance.alarm_names import DISK_PANEL
from appliance.clock import Clock, iso
from appliance.config import Config
from appliance.media import Medium
from appliance.model import N_, Message, message
from appliance.store import Database
from drivers.types import EventState, Frame, PanelEvent

LOOK_S = 30.0
AHEAD = timedelta(days=2)  # an exam that is nearer than this and does not fit is an alarm, not only a failed check

REPORTS, FULL = N_("The recording disk reports errors"), N_("The recording disk is full")
GONE = N_("The recording disk is not there")
SHORT, WELL = N_("Too little space for the exam"), N_("The recording disk is in order again")
REPLACE = N_("Replace the disk before the exam. Then: examsite archive disk main --new")
RESERVE = N_("The reserve disk cannot be used")
AGAIN = N_("Replace it before the exam. When it works: examsite archive disk {disk}")
TAKE_IN = N_("Check its cable and that it is mounted. For another disk: examsite archive disk {disk} --new")


@dataclass(frozen=True, slots=True)
class Trouble:
    """One thing that is wrong. `code` pairs an alarm with its end, `title` is its short name."""

    code: str
    title: str
    found: Message
    remedy: Message


def of_disks(db: Database, config: Config, now: datetime) -> dict[str, Trouble]:
    """Disk -> what is wrong with it, of those that are not well."""
    seen = media.known(db)
    main, reserve = seen.get("main"), seen.get("reserve")
    found: dict[str, Trouble] = {}
    if main is not None and main.state != "well":
        goes_on = config.other_video is not None and reserve is not None and reserve.state == "well"
        found["main"] = _on_reserve(db, config, now, main) if goes_on else _nowhere(config, main)
    if config.other_video is not None and reserve is not None and reserve.state != "well":
        text = N_("The reserve disk cannot be used: {cause}. When the recording disk fails, nothing will be recorded.")
        found["reserve"] = Trouble(f"reserve.{reserve.state}", RESERVE, message(text, cause=reserve.cause or ""),
                                   message(TAKE_IN, disk="reserve"))  # fmt: skip
    return found


def _on_reserve(db: Database, config: Config, now: datetime, main: Medium) -> Trouble:
    if main.state == "failing":
        return Trouble("main.failing", REPORTS,
                       message(N_("The recording disk reports errors. We record to the reserve.")),
                       message(REPLACE))  # fmt: skip
    if main.state == "missing":
        return Trouble("main.missing", GONE,
                       message(N_("The recording disk is not there. We record to the reserve.")),
                       message(TAKE_IN, disk="main"))  # fmt: skip
    until = disk.forecast(db, media.on(config, "reserve"), now).full_at
    found = message(N_("The disk is full, we record to the reserve medium."))
    if until is None:
        return Trouble("main.full", FULL, found, message(disk.ROOM))
    free = message(N_("Free space by {by_day} {by_at}."), by_day=iso(until), by_at=iso(until))
    return Trouble("main.full", FULL, found, free)


def _nowhere(config: Config, main: Medium) -> Trouble:
    if main.state == "full":
        text = N_("The recording disk is full up to its reserve of {reserve_bytes}. Nothing is recorded.")
        return Trouble("main.full", FULL, message(text, reserve_bytes=config.reserve_bytes), message(disk.ROOM))
    if main.state == "missing":
        return Trouble("main.missing", GONE, message(N_("The recording disk is not there. Nothing is recorded.")),
                       message(TAKE_IN, disk="main"))  # fmt: skip
    text = N_("The recording disk reports errors ({cause}) and there is no other. We go on trying.")
    return Trouble("main.failing", REPORTS, message(text, cause=main.cause or ""), message(AGAIN, disk="main"))


def all_of(db: Database, config: Config, now: datetime) -> list[Trouble]:
    """Everything an alarm is raised for."""
    found = list(of_disks(db, config, now).values())
    if not any(trouble.code.startswith("main.") for trouble in found):
        ahead = disk.forecast(db, config, now)
        if ahead.planned and ahead.full_at is not None and ahead.full_at <= now + AHEAD:
            found.append(Trouble("main.short", SHORT, disk.said(ahead), message(disk.ROOM)))
    return found


@dataclass(slots=True)
class DiskAlarms:
    """The keeper's eye on the disks. What is standing is what the alarms' own table says."""

    config: Config
    clock: Clock
    _looked_s: float = field(default=float("-inf"))
    _states: object = field(default=None)

    def look(self, db: Database) -> None:
        """Raise and end what is due; at most every half minute, at once when a disk changed its state."""
        states = {name: (seen.state, seen.since_at) for name, seen in media.known(db).items()}
        if states == self._states and self.clock.mono_s() - self._looked_s < LOOK_S:
            return
        self._states, self._looked_s = states, self.clock.mono_s()
        wrong = {trouble.code: trouble for trouble in all_of(db, self.config, self.clock.now())}
        standing = {row["key"].split("|")[1].partition(":")[2] for row in
                    db.rows("select key from zone where panel = ? and active", (DISK_PANEL,))}  # fmt: skip
        for code in standing - wrong.keys():
            self._say(db, code, "restored", WELL)
        for code in wrong.keys() - standing:
            self._say(db, code, "active", wrong[code].title)

    def _say(self, db: Database, code: str, state: EventState, text: str) -> None:
        """Through the door every panel's events take."""
        event = PanelEvent("fault", state, zone=code.partition(".")[0], text=text, code=code)
        with store.transaction(db):
            alarms.record(db, self.config, DISK_PANEL, Frame(b"", (event,), news=True), self.clock)
