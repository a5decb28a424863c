"""The picture watch: a frozen, dark, covered or turned picture is found within a minute while it must be recorded.

It looks at the newest key frames of the file that is being written, decoded small, one camera at a time, and asks the
camera nothing. It is a thread of the archivist, which runs below everything that records or watches: a box that is
short of time may look later, it must not record less. Two looks in a row decide, and two end it. Alarms go the way of
every panel's (classes picture.*); the view a person approved is kept here.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from appliance import alarms, exams, journal, live_view, store, taken
from appliance.alarm_names import PICTURE_PANEL
from appliance.clock import Clock, iso, parse
from appliance.config import Camera, Config
from appliance.model import N_, Actor, ApplianceError, Person
from appliance.profile import Picture
from appliance.store import Database
from drivers import look
from drivers.fmp4_live import Tail
from drivers.look import Facts, Grey
from drivers.types import DriverError, EventState, Frame, PanelEvent

log = logging.getLogger(__name__)

Verdict = Literal["good", "dark", "covered", "turned", "frozen"]
TEXTS: dict[Verdict, str] = {
    "dark": N_("The picture is dark. Switch the light on."),
    "covered": N_("Covered, or faces a wall. Clear it and compare with the approved view."),
    "turned": N_("Turned: not the approved view. Turn it back or approve a new view."),
    "frozen": N_("The picture does not change though the stream runs. Restart the camera."),
}
AGAIN = N_("The picture is good again")
OVER = N_("The picture need not be watched any more")
KEYS = 5  # newest key frames of a look: a frozen picture is coded in a few ways that take turns
REMEMBERED = 30  # of these pictures
IN_A_ROW = 2
LEAST_S = 0.05  # between two looks: a list of cameras is not one long burst
PLAN_S = 2.0  # how often it is looked whether a camera must be watched now


@dataclass(frozen=True, slots=True)
class Approved:
    """The view a person approved: what a turned camera is told by."""

    jpeg: bytes
    approved_at: datetime
    approved_by: str


def approve(db: Database, clock: Clock, camera: str, who: Person, jpeg: bytes) -> None:
    """A person says that this picture is the camera's right view. Raises ApplianceError when it is no picture."""
    try:
        look.decode(jpeg)
    except DriverError as fault:
        raise ApplianceError(N_("The camera's picture cannot be decoded.")) from fault
    with store.transaction(db):
        db.write("insert into approved_view (camera, jpeg, approved_at, approved_by) values (?, ?, ?, ?) on conflict"
                 " (camera) do update set jpeg = excluded.jpeg, approved_at = excluded.approved_at,"
                 " approved_by = excluded.approved_by", (camera, jpeg, iso(clock.now()), who.login))  # fmt: skip
        journal.append(db, clock, "camera.view_approved", Actor.person(who), camera=camera)


def approved(db: Database, camera: str) -> Approved | None:
    """The approved view of a camera, if there is one."""
    row = db.row("select jpeg, approved_at, approved_by from approved_view where camera = ?", (camera,))
    return Approved(row["jpeg"], parse(row["approved_at"]), row["approved_by"]) if row else None


def start(config: Config, clock: Clock, stop: threading.Event) -> threading.Thread:
    """Watch in a thread of its own, which ends with the process: a look that hangs must not hold the service's end."""
    watch = PictureWatch(config, clock)
    thread = threading.Thread(target=watch.run, args=(stop,), name="pictures", daemon=True)
    thread.start()
    return thread


Mark = tuple[str, int]  # a recording's name without its ending, and a place in it


@dataclass(slots=True)
class _Seen:
    """What is remembered of one camera between two looks."""

    verdict: Verdict = "good"  # of the last look
    times: int = 0  # in a row
    still: list[tuple[float, Grey]] = field(default_factory=list)  # when, and what was seen: nothing moved in these
    due_s: float = 0.0
    until: Mark = ("", -1)  # up to where its key frames have been looked at


@dataclass(slots=True)
class _Right:
    """The approved view as it is compared."""

    at: str = ""
    picture: Grey | None = None
    facts: Facts | None = None


@dataclass(slots=True)
class PictureWatch:
    """The watch's memory; what must survive it is in the tables of the alarms. `look` belongs to one thread."""

    config: Config
    clock: Clock
    _seen: dict[str, _Seen] = field(default_factory=dict)
    _right: dict[str, _Right] = field(default_factory=dict)

    def run(self, stop: threading.Event) -> None:
        """Until `stop`: whose turn it is is looked at, one after another."""
        with closing(store.open(self.config.database)) as db:
            pause_s = PLAN_S
            while not stop.wait(pause_s):
                pause_s = PLAN_S
                try:
                    self.config = taken.with_taken(db, self.config)
                    pause_s = self.look(db)
                except (sqlite3.Error, OSError) as fault:
                    log.error("the pictures were not looked at: %s", fault)
                except Exception:  # the loop's one place to decide: it is said, and tried again
                    log.exception("the pictures were not looked at")
                    stop.wait(self.config.profile.picture.look_s)

    def look(self, db: Database) -> float:
        """Look at the camera that has waited longest, if one is due; end what need not be watched any more.

        Says in how many seconds the next one is due.
        """
        required = exams.required_now(db, self.config, self.clock.now())
        standing = self._standing(db)
        for camera in standing.keys() - required.keys():
            self._say(db, camera, standing[camera], "restored", OVER)
        for camera in self._seen.keys() - required.keys():
            del self._seen[camera]
        now_s = self.clock.mono_s()
        waiting = sorted((camera for camera in self.config.cameras if camera.id in required),
                         key=lambda one: self._of(one.id).due_s)  # fmt: skip
        if not waiting or self._of(waiting[0].id).due_s > now_s:
            return PLAN_S
        chosen = waiting[0]
        self._of(chosen.id).due_s = now_s + self.config.profile.picture.look_s
        try:
            seen = self._of(chosen.id)
            pictures, seen.until = newest_pictures(self.config, self.clock, chosen, seen.until)
        except (DriverError, FileNotFoundError) as fault:
            log.warning("the picture of %s was not looked at: %s", chosen.id, fault)
            pictures = []
        if pictures:
            self._judge(db, chosen.id, pictures, standing.get(chosen.id))
        return LEAST_S if len(waiting) > 1 and self._of(waiting[1].id).due_s <= now_s else PLAN_S

    def _of(self, camera: str) -> _Seen:
        return self._seen.setdefault(camera, _Seen())

    def _judge(self, db: Database, camera: str, pictures: list[Grey], standing: Verdict | None) -> None:
        limits, seen = self.config.profile.picture, self._of(camera)
        inner = [look.without_clock(picture, limits.mask_top, limits.mask_bottom) for picture in pictures]
        frozen = self._is_frozen(seen, inner, limits, already=standing == "frozen")
        verdict = judged(inner[-1], look.facts(inner[-1]), limits, self._approved(db, camera, limits))
        if verdict == "good" and frozen:
            verdict = "frozen"
            seen.times = IN_A_ROW  # many looks have said so already
        seen.times = seen.times + 1 if verdict == seen.verdict or verdict == "frozen" else 1
        seen.verdict = verdict
        if seen.times < IN_A_ROW or verdict == (standing or "good"):
            return
        if standing is not None:
            self._say(db, camera, standing, "restored", AGAIN)
        if verdict != "good":
            self._say(db, camera, verdict, "active", TEXTS[verdict])

    def _is_frozen(self, seen: _Seen, found: list[Grey], limits: Picture, *, already: bool) -> bool:
        """Whether one of these pictures was there `frozen_s` ago, and nothing has moved since.

        Any of them may be the same as any before: an encoder codes the same picture now finer, now coarser, in a
        handful of ways that come again.
        """
        now_s = self.clock.mono_s()
        if any(look.moved(seen.still[-1][1], one) for one in found if seen.still):
            seen.still = []
        old = [one for at_s, one in seen.still if already or now_s - at_s >= limits.frozen_s]
        seen.still = [*seen.still, *((now_s, one) for one in found)][-REMEMBERED:]
        return any(look.same_share(one, other) >= limits.frozen_share for one in found for other in old)

    def _approved(self, db: Database, camera: str, limits: Picture) -> _Right:
        """The approved view, decoded once."""
        at = db.value("select approved_at from approved_view where camera = ?", (camera,)) or ""
        right = self._right.get(camera)
        if right is None or right.at != at:
            view = approved(db, camera)
            right = _Right(at)
            if view is not None:
                right.picture = look.without_clock(look.decode(view.jpeg)[0], limits.mask_top, limits.mask_bottom)
                right.facts = look.facts(right.picture)
            self._right[camera] = right
        return right

    def _standing(self, db: Database) -> dict[str, Verdict]:
        """What is alarmed now."""
        rows = db.rows("select z.kind, e.zone from zone z join event e on e.id = z.event"
                       " where z.panel = ? and z.active", (PICTURE_PANEL,))  # fmt: skip
        return {row["zone"]: row["kind"].removeprefix("picture.") for row in rows}

    def _say(self, db: Database, camera: str, verdict: Verdict, state: EventState, text: str) -> None:
        """Through the door every panel's events take."""
        event = PanelEvent(f"picture.{verdict}", state, zone=camera, text=text)
        with store.transaction(db):
            alarms.record(db, self.config, PICTURE_PANEL, Frame(b"", (event,), news=True), self.clock)


def judged(picture: Grey, facts: Facts, limits: Picture, right: _Right) -> Verdict:
    """What one picture is, but for frozen: the worst that is true of it."""
    if facts.dark_share >= limits.dark_share:
        return "dark"
    blurred = right.facts is not None and facts.sharpness < right.facts.sharpness * limits.blurred_share
    if facts.contrast < limits.covered_contrast or facts.sharpness < limits.covered_sharpness or blurred:
        return "covered"
    if right.picture is not None and look.likeness(picture, right.picture) < limits.turned_below:
        return "turned"
    return "good"


def newest_pictures(config: Config, clock: Clock, camera: Camera, after: Mark) -> tuple[list[Grey], Mark]:
    """The newest key frames of the file that is being recorded, oldest first, and where the last of them is.

    None that was looked at before: a picture is always the same as itself. None when nothing is being recorded.
    """
    path = live_view.newest(config, camera.id)
    if path is None or clock.now().timestamp() - path.stat().st_mtime > live_view.FRESH_S:
        return [], after  # a camera that does not send is another alarm
    with Tail(path) as tail:
        pieces, _ = tail.look()
        keys = [piece for piece in pieces if piece.key and not (path.stem == after[0] and piece.at <= after[1])][-KEYS:]
        if tail.header is None or not keys:
            return [], after
        data = b"".join(tail.read(piece, 0.0, sound=False) for piece in keys)
        return look.decode(tail.header.silenced() + data), (path.stem, keys[-1].at)
