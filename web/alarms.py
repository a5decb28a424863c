"""The alarm board, live; acknowledging; the strip that stands on every page; the board for the wall screen."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Blueprint, redirect, request, url_for
from flask.typing import ResponseReturnValue

from appliance import alarms, plans
from appliance.alarm_board import Board, BoardAlarm
from appliance.model import N_, ApplianceError, Message, Role, message
from web import alarm_acts, context
from web.health import late_services
from web.rights import needs

views = Blueprint("alarms", __name__)

WALL_ROWS = 7  # what does not fit is counted, a wall never scrolls

DRAWINGS = {
    "fire": "flame",
    "attention": "flame",
    "panic": "hand",
    "intrusion": "siren",
    "recording": "video-off",
    "tamper": "lock-open",
    "nolink": "unplug",
    "fault": "triangle-alert",
    "disabled": "circle-slash",
    "test": "flask-conical",
    "info": "info",
}

# Group -> rhythm: those of the Bolid S2000M, which guards here already know. What is disabled or in test makes none.
RHYTHMS = {
    "fire": "fire", "panic": "intrusion", "intrusion": "intrusion", "attention": "attention", "tamper": "fault",
    "recording": "attention",
    "nolink": "fault", "fault": "fault",
}  # fmt: skip

# What a guard says most; the press carries the sentence itself, so the journal keeps what was read.
DOINGS = (N_("Going there"), N_("Called 101"), N_("I see smoke"), N_("False alarm"))


@dataclass(frozen=True, slots=True)
class Strip:
    """The line under the top line of every page. `urgent` is what a screen reader is told at once, else empty."""

    tone: str
    drawing: str
    sentence: str
    links: str
    urgent: str = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """The board as this person may see it. `deaf`: the watch service is silent, so nothing here is surely true."""

    alarms: tuple[BoardAlarm, ...]
    board: Board
    deaf: bool
    quiet: tuple[BoardAlarm, ...] = ()  # shelved, out of service or in test

    @property
    def heard(self) -> int:
        return 0 if self.deaf else self.board.heard

    @property
    def unacknowledged(self) -> list[BoardAlarm]:
        """What still stands before what is over: a fire that has passed hides no intrusion that goes on."""
        left = [alarm for alarm in self.alarms if alarm.state != "acknowledged"]
        return sorted(left, key=lambda alarm: alarm.state == "cleared")

    @property
    def first_up(self) -> BoardAlarm | None:
        """What began the burst, while it is on the board and this person may see it."""
        return next((alarm for alarm in self.alarms if alarm.first), None)

    @property
    def heard_panels(self) -> set[str]:
        return set() if self.deaf else {link.panel for link in self.board.links if link.state in ("heard", "passive")}

    @property
    def standing(self) -> int:
        return sum(alarm.standing for alarm in self.alarms)

    @property
    def chattering(self) -> int:
        return sum(alarm.chattering > 0 for alarm in self.alarms)

    @property
    def calls(self) -> list[BoardAlarm]:
        """What sounds: active, in nobody's hand, and no silent call for help."""
        return [alarm for alarm in self.alarms if alarm.state == "unacknowledged" and not alarm.silent]

    @property
    def sound(self) -> str:
        """The rhythm of the worst class; sound.js has one for each. Empty: silence."""
        rhythms = [RHYTHMS[alarm.group.name] for alarm in self.calls if alarm.group.name in RHYTHMS]
        return rhythms[0] if rhythms else ""

    @property
    def calm(self) -> bool:
        """Nothing stands and every panel that can be heard is: the one case in which the page may say so."""
        return not self.alarms and not self.deaf and self.board.heard + self.board.passive == len(self.board.links)


def seen(*, wall: bool = False) -> Seen:
    """A silent call for help must not give the person away: only security sees it, and never on the wall."""
    db, config = context.database(), context.config()
    board = alarms.board(db, config, context.now())
    trusted = context.person().role is Role.SECURITY and not wall
    shown = tuple(alarm for alarm in board.alarms if trusted or not alarm.silent)
    quiet = tuple(alarm for alarm in board.quiet if trusted or not alarm.silent)
    return Seen(shown, board, bool(config.panels) and "watch" in late_services(db), quiet)


def strip() -> Strip:
    """For every page: the worst alarm first, then what is not heard, else that all is quiet and heard."""
    words, found = context.words(), seen()
    total = len(found.board.links)
    links = words.say(N_("panels heard {heard} of {total}"), heard=found.heard, total=total) if total else ""
    if found.board.passive and not found.deaf:
        links += ", " + words.say(N_("{passive} cannot tell"), passive=found.board.passive)
    if found.unacknowledged:
        worst = found.unacknowledged[0]
        told = words.plural(
            "{what}, {place}. {n} not acknowledged",
            "{what}, {place}. {n} not acknowledged",
            len(found.unacknowledged),
            what=worst.what,
            place=worst.place,
        )
        if worst.state == "cleared":
            return Strip("standing", DRAWINGS[worst.group.name], told, links)
        urgent = told if worst.group.name in ("fire", "panic", "intrusion", "recording", "nolink") else ""
        return Strip(worst.group.name, DRAWINGS[worst.group.name], told, links, urgent)
    if found.alarms:
        standing = words.plural(
            "{n} alarm stands, acknowledged", "{n} alarms stand, all acknowledged", len(found.alarms)
        )
        return Strip("standing", "bell", standing, links)
    if not total:
        return Strip("quiet", "bell", words.say(N_("No panels are connected to this box")), "")
    if found.calm and found.board.windows:
        testing = words.plural(
            "No alarms. {n} test runs, what is tested calls nobody",
            "No alarms. {n} tests run, what is tested calls nobody",
            len(found.board.windows),
        )
        return Strip("standing", "flask-conical", testing, links)
    if found.calm:
        return Strip("quiet", "check", words.say(N_("No alarms")), links)
    return Strip("nolink", "unplug", words.say(N_("Not every panel is heard. Look at the panels themselves")), links)


@views.get("/alarms")
@needs("alarms.read")
def board() -> ResponseReturnValue:
    found = seen()
    first = found.unacknowledged[0] if found.unacknowledged else None
    rest = [alarm for alarm in found.alarms if alarm is not first]
    return context.page(
        "alarms.html", seen=found, first=first, rest=rest, more=0, drawings=DRAWINGS,
        limits=context.config().profile.alarms,
    )  # fmt: skip


@views.get("/wall/alarms")
@needs("alarms.read")
def wall() -> ResponseReturnValue:
    found = seen(wall=True)
    first = found.unacknowledged[0] if found.unacknowledged else None
    rest = [alarm for alarm in found.alarms if alarm is not first]
    more = max(0, len(rest) - WALL_ROWS)
    return context.page(
        "alarms.html",
        seen=found,
        first=first,
        rest=rest[:WALL_ROWS],
        more=more,
        drawings=DRAWINGS,
        limits=context.config().profile.alarms,
        wall=True,
        theme="dark",
    )


@views.get("/alarms/<int:alarm_id>")
@needs("alarms.read")
def alarm(alarm_id: int) -> ResponseReturnValue:
    return _alarm_page(alarm_id)


def _alarm_page(
    alarm_id: int, refusal: Message | None = None, comment: str = "", status: int = 200
) -> ResponseReturnValue:
    found = seen()
    shown = next((alarm for alarm in (*found.alarms, *found.quiet) if alarm.id == alarm_id), None)
    if shown is None:
        raise ApplianceError(N_("This alarm is over and acknowledged. It is in the journal."))
    db, config = context.database(), context.config()
    near = plans.near(db, config, plans.zones_of(db, config, [alarm_id]).get(alarm_id))
    return context.page(
        "alarm.html", alarm=shown, refusal=refusal, comment=comment, doings=DOINGS, drawings=DRAWINGS, near=near,
        reasons=alarm_acts.REASONS, limits=context.config().profile.alarms,
        shelves=alarm_acts.lengths(context.config().profile.alarms.shelve_longest_min),
    ), status  # fmt: skip


@views.post("/alarms/<int:alarm_id>/acknowledge")
@needs("alarms.acknowledge")
def acknowledge(alarm_id: int) -> ResponseReturnValue:
    """One press for most; fire, panic and duress say what is being done. The press names the version it saw."""
    chosen, typed = request.form.get("doing", ""), request.form.get("comment", "").strip()[:500]
    comment = ". ".join(part for part in (context.words().say(chosen) if chosen in DOINGS else "", typed) if part)
    house = context.house()
    try:
        number = alarms.acknowledge(
            context.database(),
            context.config(),
            house.clock,
            alarm_id,
            context.person(),
            comment,
            request.form.get("version", type=int),
        )
    except ApplianceError as refused:
        if any(shown.id == alarm_id for shown in seen().alarms):
            return _alarm_page(alarm_id, refused.message, typed, 409)
        context.tell(refused.message, "error")
        return redirect(url_for("alarms.board"))
    context.tell(
        message(N_("Acknowledged, recorded under no. {number}. The panel itself was not touched."), number=number)
    )
    return redirect(url_for("alarms.board"))
