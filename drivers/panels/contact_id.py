"""Contact ID (SIA DC-05): what each three-digit code means, in our classes and in English.

Shared by every driver whose panel thinks in Contact ID (Sur-Gard receivers now, Satel later). A code that is in no
list falls back to its family (11x is always fire), so that a rare code is never less than what it belongs to.
The qualifier decides the state: E/1 new event or opening, R/3 restore or closing, P/6 still present (panels.md 7).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from drivers.types import EventState

Subject = Literal["zone", "user"]


@dataclass(frozen=True, slots=True)
class Meaning:
    """Our class, the English name, whose number CCC is, and whether the condition lasts until a restore."""

    kind: str
    name: str
    subject: Subject = "zone"
    lasting: bool = True


# Rows: codes, class, name. The order is the standard's. A code may be followed by others with the same meaning.
_LASTING: tuple[tuple[str, str, str], ...] = (
    ("100", "medical", "Medical alarm"),
    ("101", "medical", "Personal emergency"),
    ("102", "medical", "Failed to report in"),
    ("110", "fire.alarm", "Fire alarm"),
    ("111", "fire.alarm", "Fire alarm: smoke"),
    ("112", "fire.alarm", "Fire alarm: combustion"),
    ("113", "fire.alarm", "Fire alarm: water flow"),
    ("114", "fire.alarm", "Fire alarm: heat"),
    ("115", "fire.alarm", "Fire alarm: manual call point"),
    ("116", "fire.alarm", "Fire alarm: duct"),
    ("117", "fire.alarm", "Fire alarm: flame"),
    ("118", "fire.prealarm", "Fire pre-alarm"),
    ("120", "panic", "Panic alarm"),
    ("122", "panic.silent", "Silent panic alarm"),
    ("123", "panic", "Audible panic alarm"),
    ("130", "intrusion.alarm", "Intrusion alarm"),
    ("131", "intrusion.alarm", "Intrusion alarm: perimeter"),
    ("132", "intrusion.alarm", "Intrusion alarm: interior"),
    ("133", "intrusion.alarm", "Intrusion alarm: 24-hour zone"),
    ("134", "intrusion.alarm", "Intrusion alarm: entry or exit"),
    ("135", "intrusion.alarm", "Intrusion alarm: day or night zone"),
    ("136", "intrusion.alarm", "Intrusion alarm: outdoor"),
    ("137", "tamper", "Tamper"),
    ("138", "intrusion.alarm", "Intrusion alarm: near"),
    ("139", "intrusion.alarm", "Intrusion alarm: verified"),
    ("140", "intrusion.alarm", "General alarm"),
    ("141 142", "fault", "Polling loop fault"),
    ("143", "fault", "Expansion module failure"),
    ("144", "tamper", "Detector tamper"),
    ("145", "tamper", "Expansion module tamper"),
    ("146", "intrusion.alarm", "Silent intrusion alarm"),
    ("147", "comm.loss", "Detector not heard by the panel"),
    ("150", "tech.alarm", "24-hour technical alarm"),
    ("151", "gas.alarm", "Gas alarm"),
    ("152", "tech.alarm", "Refrigeration alarm"),
    ("153", "tech.alarm", "Loss of heat"),
    ("154", "flood.alarm", "Water leak"),
    ("155", "tech.alarm", "Foil break"),
    ("156", "tech.alarm", "Day trouble"),
    ("157", "gas.alarm", "Low bottled gas"),
    ("158", "tech.alarm", "High temperature"),
    ("159", "tech.alarm", "Low temperature"),
    ("161", "tech.alarm", "Loss of air flow"),
    ("162", "gas.alarm", "Carbon monoxide"),
    ("163", "tech.alarm", "Tank level"),
    ("200", "fire.supervisory", "Fire supervisory"),
    ("201", "fire.supervisory", "Fire supervisory: low water pressure"),
    ("202", "fire.supervisory", "Fire supervisory: low CO2"),
    ("203", "fire.supervisory", "Fire supervisory: gate valve"),
    ("204", "fire.supervisory", "Fire supervisory: low water level"),
    ("205", "fire.supervisory", "Fire supervisory: pump running"),
    ("206", "fire.supervisory", "Fire supervisory: pump failure"),
    ("300", "fault", "System fault"),
    ("301", "mains.loss", "Mains lost"),
    ("302", "battery.low", "Battery low"),
    ("303 304", "fault", "Panel memory fault"),
    ("307", "fault", "Panel self-test failed"),
    ("308", "fault", "Panel shut down"),
    ("309", "battery.low", "Battery test failed"),
    ("310", "fault", "Ground fault"),
    ("311", "battery.low", "Battery missing"),
    ("312", "fault", "Power supply overload"),
    ("320 323 324 325 326 327", "fault", "Sounder or relay fault"),
    ("321 322", "fault", "Sounder fault"),
    ("330 331 332 333", "fault", "Module fault"),
    ("334 335 336 343", "fault", "Peripheral fault"),
    ("337", "mains.loss", "Module power lost"),
    ("338", "battery.low", "Module battery low"),
    ("341", "tamper", "Module tamper"),
    ("342", "mains.loss", "Module mains lost"),
    ("344", "fault", "Radio interference"),
    ("350 351 352 353 354 355 356 357", "comm.loss", "Panel cannot report to its monitoring station"),
    ("370 371 372", "fault", "Loop fault"),
    ("373", "fault", "Fire loop fault"),
    ("374 375 376 377 378 379", "fault", "Zone fault"),
    ("380", "fault", "Detector fault"),
    ("381", "comm.loss", "Radio detector not heard by the panel"),
    ("382", "comm.loss", "Bus detector not heard by the panel"),
    ("383", "tamper", "Detector tamper"),
    ("384", "battery.low", "Radio detector battery low"),
    ("385 386 387 388 389", "fault", "Detector fault"),
    ("423", "intrusion.alarm", "Forced entry"),
    ("426 427 428 429 430", "access", "Access point fault"),
    ("501 520 521 522 523 524 525 526 527 530 531 532 551 552 553", "bypass", "Part of the panel disabled"),
    ("570", "bypass", "Zone disabled"),
    ("571", "bypass", "Fire zone disabled"),
    ("572", "bypass", "24-hour zone disabled"),
    ("573", "bypass", "Intrusion zone disabled"),
    ("574", "bypass", "Group disabled"),
    ("575 576 577", "bypass", "Zone disabled"),
    ("604 607", "test", "Test mode"),
)

# What is only said once: nothing stays active after it.
_MOMENTARY: tuple[tuple[str, str, str], ...] = (
    ("305 313", "reset", "Panel reset"),
    ("339", "reset", "Module reset"),
    ("306", "info", "Panel programming changed"),
    ("411 412 413 414 415 416", "info", "Remote access to the panel"),
    ("431 432 433 434", "access", "Access point"),
    ("601", "test", "Manual test"),
    ("602 603 608", "test", "Periodic test"),
    ("605 606 609", "info", "Report of the panel"),
    ("611 612 613 614 615 616", "test", "Zone test"),
    ("621 622 623 624 629", "info", "Event log of the panel"),
    ("625 626", "info", "Clock of the panel"),
    ("627 628", "info", "Panel programming"),
    ("630 631 632", "info", "Schedule of the panel changed"),
)

# CCC is a user number here. 4xx closings and openings are in `decode`, as the qualifier changes their class.
_OF_A_USER: tuple[tuple[str, str, str, bool], ...] = (
    ("121 124 125", "duress", "Duress code used", True),
    ("406", "info", "Alarm cancelled by a user", False),
    ("421 425", "access", "Access denied", False),
    ("422 424", "access", "Access", False),
    ("450 451 452 453 456 458 459", "info", "Armed or disarmed outside the schedule", False),
    ("454 455 457", "arm.fail", "Arming failed", False),
    ("461", "tamper", "Wrong code entered", False),
    ("462 463 464 465 466", "info", "Keypad event", False),
)

_OPENINGS = {
    "400": "", "401": "by a user", "402": "group", "403": "automatic", "404": "late", "405": "deferred",
    "407": "remote", "408": "quick", "409": "by key", "441": "partial", "442": "partial, by key",
}  # fmt: skip

# Families, for codes that no list names: first digits, meaning.
_FAMILIES: tuple[tuple[str, Meaning], ...] = (
    ("10", Meaning("medical", "Medical alarm")),
    ("11", Meaning("fire.alarm", "Fire alarm")),
    ("12", Meaning("panic", "Panic alarm")),
    ("13", Meaning("intrusion.alarm", "Intrusion alarm")),
    ("14", Meaning("intrusion.alarm", "General alarm")),
    ("1", Meaning("tech.alarm", "24-hour technical alarm")),
    ("2", Meaning("fire.supervisory", "Fire supervisory")),
    ("35", Meaning("comm.loss", "Panel cannot report to its monitoring station")),
    ("3", Meaning("fault", "System fault")),
    ("4", Meaning("info", "Report of the panel", "user", lasting=False)),
    ("5", Meaning("bypass", "Part of the panel disabled")),
)


def _table() -> dict[str, Meaning]:
    table: dict[str, Meaning] = {}
    for codes, kind, name in _LASTING:
        table |= {code: Meaning(kind, name) for code in codes.split()}
    for codes, kind, name in _MOMENTARY:
        table |= {code: Meaning(kind, name, lasting=False) for code in codes.split()}
    for codes, kind, name, lasting in _OF_A_USER:
        table |= {code: Meaning(kind, name, "user", lasting) for code in codes.split()}
    return table


_MEANINGS = _table()


def meaning(code: str) -> Meaning:
    """What a three-digit code stands for; an unlisted one means what its family means."""
    if code in _MEANINGS:
        return _MEANINGS[code]
    for digits, family in _FAMILIES:
        if code.startswith(digits):
            return family
    return Meaning("info", "Code that is in no list", lasting=False)


def decode(qualifier: str, code: str) -> tuple[Meaning, EventState, tuple[str, ...]]:
    """Class, state and flags of one Contact ID event. `qualifier` is E, R, P or the raw digit 1, 3, 6."""
    said = {"1": "E", "3": "R", "6": "P"}.get(qualifier, qualifier)
    flags = ("status",) if said == "P" else ()
    if code in _OPENINGS:
        kind, verb = ("arm", "Armed") if said == "R" else ("disarm", "Disarmed")
        # P441 and the like tell the state as it is, which is "armed": DC-05 reports only what is closed as status
        kind, verb = ("arm", "Armed") if said == "P" else (kind, verb)
        how = _OPENINGS[code]
        return Meaning(kind, f"{verb}: {how}" if how else verb, "user", lasting=False), "info", flags
    found = meaning(code)
    if not found.lasting:
        return found, "info", flags
    return found, "restored" if said == "R" else "active", flags
