"""SIA DC-03 two-letter event codes: what each means, in our classes and in English.

Used for the SIA lines of Sur-Gard receivers. Letters: the first names the kind of device (F fire, B burglary, P panic,
H hold-up, ...), the second what happened (A alarm, H or R restore, T trouble, J trouble over, B bypass, U unbypass).
"""

from __future__ import annotations

from dataclasses import dataclass

from drivers.types import EventState


@dataclass(frozen=True, slots=True)
class SiaMeaning:
    """Our class, state and English name of one code; by_user: the number is a user's, not a zone's."""

    kind: str
    state: EventState
    name: str
    by_user: bool = False


# First letter: class and name of its alarm. Its restore is H or R.
_ALARMS = {
    "F": ("fire.alarm", "Fire alarm"),
    "K": ("fire.alarm", "Fire alarm: heat"),
    "S": ("fire.alarm", "Fire alarm: water flow"),
    "B": ("intrusion.alarm", "Intrusion alarm"),
    "P": ("panic", "Panic alarm"),
    "H": ("duress", "Duress code used"),
    "M": ("medical", "Medical alarm"),
    "Q": ("medical", "Personal emergency"),
    "G": ("gas.alarm", "Gas alarm"),
    "W": ("flood.alarm", "Water leak"),
    "Z": ("tech.alarm", "Low temperature"),
    "U": ("intrusion.alarm", "General alarm"),
}

_PAIRS: tuple[tuple[str, str, str, str], ...] = (
    ("TA", "TR", "tamper", "Tamper"),
    ("AT", "AR", "mains.loss", "Mains lost"),
    ("YT", "YR", "battery.low", "Battery low"),
    ("YM", "YR", "battery.low", "Battery missing"),
    ("XT", "XR", "battery.low", "Radio detector battery low"),
    ("YC", "YK", "comm.loss", "Panel cannot report to its monitoring station"),
    ("ET", "ER", "fault", "Module fault"),
    ("FS", "FV", "fire.supervisory", "Fire supervisory"),
    ("TS", "TE", "test", "Test mode"),
)

_BY_USER: tuple[tuple[str, str, str], ...] = (
    ("CL CA CG CK CP CQ CS", "arm", "Armed"),
    ("OP OA OG OK OQ OS", "disarm", "Disarmed"),
    ("CI", "arm.fail", "Arming failed"),
    ("BC FC OC", "info", "Alarm cancelled by a user"),
)

_SAID_ONCE: tuple[tuple[str, str, str], ...] = (
    ("RX", "test", "Manual test"),
    ("RP", "test", "Periodic test"),
    ("RR", "reset", "Panel reset"),
    ("LB LX LS", "info", "Panel programming"),
    ("JT JH", "info", "Clock of the panel"),
)


def _table() -> dict[str, SiaMeaning]:
    table: dict[str, SiaMeaning] = {}
    for letter, (kind, name) in _ALARMS.items():
        table[letter + "A"] = SiaMeaning(kind, "active", name)
        table[letter + "H"] = table[letter + "R"] = SiaMeaning(kind, "restored", name)
        table[letter + "T"] = SiaMeaning("fault", "active", "Detector fault")
        table[letter + "J"] = SiaMeaning("fault", "restored", "Detector fault")
        table[letter + "B"] = SiaMeaning("bypass", "active", "Zone disabled")
        table[letter + "U"] = SiaMeaning("bypass", "restored", "Zone disabled")
    table["BV"] = SiaMeaning("intrusion.alarm", "active", "Intrusion alarm: verified")
    for begins, ends, kind, name in _PAIRS:
        table[begins] = SiaMeaning(kind, "active", name)
        table[ends] = SiaMeaning(kind, "restored", name)
    for codes, kind, name in _BY_USER:
        table |= {code: SiaMeaning(kind, "info", name, by_user=True) for code in codes.split()}
    for codes, kind, name in _SAID_ONCE:
        table |= {code: SiaMeaning(kind, "info", name) for code in codes.split()}
    return table


_MEANINGS = _table()


def meaning(code: str) -> SiaMeaning:
    """What a two-letter code stands for. An unknown `xA` is at least an alarm of its letter's class, never less."""
    unlisted = SiaMeaning("info", "info", "Code that is in no list")
    return _MEANINGS.get(code, unlisted)
