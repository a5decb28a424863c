"""What an ESPA 4.4.4 block says: records out of its data, an event out of the records (panels.md 6).

A call is an event of the address and text it names. Its class: the site's rules on "address text", else the priority it
carries, else words in its text, else the setting; its state: call type 1 ends, everything else begins. The text is part
of the place, because one pager address usually stands for a whole house, and the second fire must not be taken for a
repeat of the first.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from drivers.panels.rules import Rules, squeezed
from drivers.types import EventState, PanelEvent

RS, US = b"\x1e", b"\x1f"
CALL, STATUS = "1", "2"  # headers; 3 status request, 4 call to a telephone, 5 and more: vendors'
ADDRESS, TEXT, CALL_TYPE, PRIORITY, CALL_STATUS, SYSTEM_STATUS = "1", "2", "4", "6", "7", "8"
RESET_CALL = "1"
BY_PRIORITY = {"1": "fire.alarm", "2": "fault", "3": "info"}
SAID_ONCE = ("info", "test", "reset", "arm", "disarm", "arm.fail")  # never over, so never active
# Only for calls with no priority and no rule: a cancelled call carries its text and often nothing else.
_WORDS = (
    (re.compile(r"test|тест|проверка", re.IGNORECASE), "test"),
    (re.compile(r"fault|trouble|неиспр|störung", re.IGNORECASE), "fault"),
    (re.compile(r"pre-?alarm|внимание|voralarm", re.IGNORECASE), "fire.prealarm"),
    (re.compile(r"fire|smoke|пожар|дым|feuer|brand", re.IGNORECASE), "fire.alarm"),
)
# Names people read; Russian stands in appliance/translations/ru/espa.po.
ALL_CANCELLED = "All calls cancelled"
CALL_STATES = {
    "1": "Call status: busy", "2": "Call status: in queue", "3": "Call status: paged", "4": "Call status: absent",
    "5": "Call status: ended", "6": "Call status: acknowledged by the called party",
    "7": "Call status: speech channel open", "8": "Call status: fault",
}  # fmt: skip
TRANSMITTER_FAILURE = "System status: transmitter failure"


@dataclass(frozen=True, slots=True)
class Block:
    """One block whose check was right. `malformed`: some of its records could not be read."""

    raw: bytes
    header: str
    records: Mapping[str, str]
    malformed: bool


def block(raw: bytes, encoding: str) -> Block | None:
    """The block between SOH and BCC; None when nothing in it can be read. A trailing RS, unknown identifiers, any
    order and missing records are accepted: implementers get it wrong."""
    records: dict[str, str] = {}
    malformed = False
    for record in raw[3:-2].split(RS):
        name, separator, data = record.partition(US)
        if record and (not separator or len(name) != 1 or not name.isalnum()):
            malformed = True
        elif record:
            text = data.decode(encoding, "replace")
            records.setdefault(name.decode("ascii"), "".join(c if c.isprintable() else " " for c in text).strip())
    return Block(raw, raw[1:2].decode("ascii", "replace"), records, malformed) if records else None


def event(said: Block, rules: Rules, unclassified: str) -> PanelEvent:
    """The event of a block. Only a call carries alarms; the rest is journalled."""
    flags = ("malformed",) if said.malformed else ()
    made = _call(said.records, rules, unclassified) if said.header == CALL else _note(said)
    return replace(made, raw=made.raw or said.raw, flags=(*made.flags, *flags))


def _call(records: Mapping[str, str], rules: Rules, unclassified: str) -> PanelEvent:
    address, text, reset = records.get(ADDRESS, ""), records.get(TEXT, ""), records.get(CALL_TYPE) == RESET_CALL
    if reset and not text:
        return PanelEvent("reset", "info", zone=address or None, text=ALL_CANCELLED, flags=("reset-all",))
    matched = rules.match(f"{address} {text}")
    if matched is not None:
        made = matched.event
        if matched.masked is not None:  # a code was starred out: nothing that holds it is kept
            text, made = matched.masked[len(address) + 1 :], replace(made, raw=matched.masked.encode())
        return _by_rule(made, address, text, reset)
    kind = BY_PRIORITY.get(records.get(PRIORITY, "")) or _by_words(text) or unclassified
    state: EventState = "info" if kind in SAID_ONCE and not reset else "restored" if reset else "active"
    # A cancelled call does not say of what class it was: it ends whatever this address and text began.
    flags = ("any-class",) if reset else ()
    said = squeezed(text)
    return PanelEvent(kind, state, zone=address or None, partition=said or None, text=said or address, flags=flags)


def _by_rule(made: PanelEvent, address: str, text: str, reset: bool) -> PanelEvent:
    """The rule says what it is; that the panel cancels the call, only the call type says."""
    if made.zone is None:
        made = replace(made, zone=address or None, partition=made.partition or squeezed(text) or None)
    if reset and made.state == "active":
        return replace(made, state="restored", flags=("any-fault", *made.flags) if made.kind == "fault" else made.flags)
    return made


def _by_words(text: str) -> str | None:
    return next((kind for word, kind in _WORDS if word.search(text)), None)


def _note(said: Block) -> PanelEvent:
    """Status information and vendors' own headers: kept, said once, never an alarm."""
    records = said.records
    state, system = records.get(CALL_STATUS, ""), records.get(SYSTEM_STATUS, "")
    kind, text, code = "info", records.get(TEXT, ""), f"header {said.header}"
    if said.header == STATUS and state:
        kind, code = "fault" if state[:1] == "8" else "info", f"call status {state}"
        text = CALL_STATES.get(state[:1], code)
    elif said.header == STATUS and system:
        kind, code = "fault", f"system status {system}"
        text = TRANSMITTER_FAILURE if system == "1" else code
    return PanelEvent(kind, "info", zone=records.get(ADDRESS) or None, text=squeezed(text) or code, code=code)
