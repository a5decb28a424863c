"""Dry contacts: what the samples of an input mean. No line and no clock: each sample comes with its time.

A contact is at rest or at work; with end-of-line resistors its wire may also be short or cut. A change counts once it
has lasted (panels.md 4), which is over two samples at least, so that one garbled reading is nothing. An input that
flaps is a fault of its own and stands on the alarm side. What is not read is unknown, never normal: after `lose`
everything is told anew.
Deliberately absent: latching. The board latches what must stay (fire, panic); a relay shows what the panel shows.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from drivers.types import EventState, Frame, PanelEvent

Level = Literal["open", "closed", "short", "cut"]  # what the wire is
State = Literal["rest", "work", "short", "cut"]  # what that means at this input

CHATTER_CHANGES = 5  # more changes than this
CHATTER_S = 60.0  # within this are chattering; as long a quiet ends it
DEVICE_MISSES = 3  # requests in a row without an answer, and a module's inputs are unknown

NAMES = {
    "fire.alarm": "Fire alarm", "extinguishing": "Extinguishing started", "fire.prealarm": "Fire pre-alarm",
    "fire.supervisory": "Fire supervisory", "gas.alarm": "Gas alarm", "panic": "Panic alarm",
    "panic.silent": "Silent panic alarm", "duress": "Duress", "medical": "Medical alarm",
    "intrusion.alarm": "Intrusion alarm", "tamper": "Tamper", "comm.loss": "Module not heard", "fault": "Fault",
    "mains.loss": "Mains lost", "battery.low": "Battery low", "flood.alarm": "Water leak",
    "tech.alarm": "Technical alarm", "access": "Access point", "zone.open": "Zone open", "bypass": "Zone disabled",
    "test": "Zone test", "arm": "Armed",
}  # fmt: skip
_SLOW = ("fault", "mains.loss", "battery.low", "comm.loss", "bypass", "test")


@dataclass(frozen=True, slots=True)
class Input:
    """One input: its number, what it means at work, and how long a change lasts before it counts."""

    number: int
    kind: str = "tech.alarm"
    normally: Literal["open", "closed"] = "open"
    on_s: float = 0.1
    off_s: float = 1.0
    hold_s: float = 0.0  # an alarm stands at least this long
    fault_input: int | None = None  # the module's own "line fault" bit for this input
    levels: tuple[float, float, float] | None = None  # bounds between short, closed, open and cut, in register counts

    def of_bit(self, on: bool, fault: bool = False) -> Level:
        """A digital input: on is a closed contact."""
        if fault:
            return "cut"
        return "closed" if on else "open"

    def of_number(self, measured: float) -> Level:
        """An analog end-of-line input, by its bounds; they fall where a module measures current, not resistance."""
        bounds = self.levels or (0.0, 0.0, 0.0)
        rising = bounds[0] <= bounds[2]
        passed = sum(measured >= bound if rising else measured <= bound for bound in bounds)
        names: tuple[Level, ...] = ("short", "closed", "open", "cut")
        return names[passed]

    def state(self, level: Level) -> State:
        if level in ("short", "cut"):
            return "short" if level == "short" else "cut"
        return "rest" if level == self.normally else "work"

    @property
    def wire_kind(self) -> str:
        """What a broken wire is: sabotage where somebody may want it silent, else a fault."""
        return "tamper" if self.kind in ("intrusion.alarm", "panic", "panic.silent", "duress", "tamper") else "fault"


def debounce(kind: str) -> tuple[float, float]:
    """On and off in seconds for a class: a fire is looked at longer, an intrusion over 0.4 s must be seen."""
    if kind.startswith("fire.") or kind in ("extinguishing", "gas.alarm"):
        return 0.4, 2.0
    return (1.0, 1.0) if kind in _SLOW else (0.1, 1.0)


@dataclass(slots=True)
class _Watched:
    """One input as it goes on."""

    input: Input
    seen: State | None = None  # the last sample; None: unknown
    since_s: float = 0.0
    settled: State | None = None  # the last state that counted; None: nothing told since it was unknown
    changes: deque[tuple[float, State]] = field(default_factory=lambda: deque(maxlen=CHATTER_CHANGES + 1))
    chattering: bool = False
    alarm: bool = False
    alarm_since_s: float = 0.0


class Contacts:
    """The inputs of one module."""

    def __init__(self, inputs: Sequence[Input], partition: str | None = None) -> None:
        self._watched = [_Watched(each) for each in inputs]
        self._partition = partition

    @property
    def inputs(self) -> tuple[Input, ...]:
        return tuple(each.input for each in self._watched)

    def lose(self) -> None:
        """The module is not read: its inputs are unknown until a whole reading comes."""
        for each in self._watched:
            each.seen = each.settled = None

    def take(self, mono_s: float, levels: Mapping[int, Level]) -> list[PanelEvent]:
        """One whole reading, input number to level; what counts now. An input it does not have stays unknown."""
        events: list[PanelEvent] = []
        for each in self._watched:
            level = levels.get(each.input.number)
            if level is None:
                each.seen = each.settled = None
            else:
                events += self._step(each, mono_s, each.input.state(level))
        return events

    def _step(self, each: _Watched, mono_s: float, state: State) -> list[PanelEvent]:
        if state != each.seen:
            if each.seen is not None:
                each.changes.append((mono_s, state))
            each.seen, each.since_s = state, mono_s
        events = self._chatter(each, mono_s)
        lasted_s = mono_s - each.since_s
        wait_s = each.input.off_s if state == "rest" else each.input.on_s
        held = state == "rest" and each.alarm and mono_s - each.alarm_since_s < each.input.hold_s
        unsettled = state != each.settled or (state == "rest" and each.alarm)  # the latter: chattering held the alarm
        if unsettled and lasted_s >= wait_s and not held and not each.chattering:
            events += self._settle(each, mono_s, state)
        return events

    def _chatter(self, each: _Watched, mono_s: float) -> list[PanelEvent]:
        """More than five changes in a minute: a fault, and the alarm stands until the input was quiet for a minute."""
        if each.chattering:
            if mono_s - each.since_s < CHATTER_S:
                return []
            each.chattering = False
            each.changes.clear()
            return [self._event(each, "fault", "restored", "Input chattering", "chattering")]
        recent = [state for at_s, state in each.changes if mono_s - at_s <= CHATTER_S]
        if len(recent) <= CHATTER_CHANGES:
            return []
        each.chattering = True
        events = [self._event(each, "fault", "active", "Input chattering", "chattering")]
        if "work" in recent and not each.alarm:
            events += self._alarm(each, mono_s, ("chattering",))
        return events

    def _settle(self, each: _Watched, mono_s: float, state: State) -> list[PanelEvent]:
        before, each.settled = each.settled, state
        anew = before is None  # told whatever it was before: we did not see what happened meanwhile
        flags = ("status",) if anew else ()
        if state == "work":
            events = self._alarm(each, mono_s, flags) if anew or not each.alarm else []
        elif state == "rest":
            events = self._rest(each, flags) if anew or each.alarm else []
        else:
            events = [self._event(each, each.input.wire_kind, "active", _wire(state), state, flags)]
        if before in ("short", "cut") and before != state:
            events.append(self._event(each, each.input.wire_kind, "restored", _wire(before), before))
        return events

    def _alarm(self, each: _Watched, mono_s: float, flags: tuple[str, ...]) -> list[PanelEvent]:
        each.alarm, each.alarm_since_s = True, mono_s
        if each.input.kind == "arm":
            return [self._event(each, "arm", "info", "Armed", flags=flags)]
        return [self._event(each, each.input.kind, "active", NAMES[each.input.kind], flags=flags)]

    def _rest(self, each: _Watched, flags: tuple[str, ...]) -> list[PanelEvent]:
        each.alarm = False
        if each.input.kind == "arm":
            return [self._event(each, "disarm", "info", "Disarmed", flags=flags)]
        # Read anew and at rest: whatever stood at this input, also from before we were started, is over.
        flags = (*flags, "any-class") if flags else ()
        return [self._event(each, each.input.kind, "restored", NAMES[each.input.kind], flags=flags)]

    def _event(
        self, each: _Watched, kind: str, state: EventState, text: str, code: str = "", flags: tuple[str, ...] = ()
    ) -> PanelEvent:
        return PanelEvent(kind, state, zone=str(each.input.number), partition=self._partition, text=text, code=code,
                          flags=flags)  # fmt: skip


def _wire(state: State) -> str:
    return "Input line short" if state == "short" else "Input line cut"


class Module:
    """A module on the line and its contacts: answering, refusing or silent.

    It is lost after three requests in a row without an answer, and not before `lost_after_s` without one: on a line
    that loses one answer in five, three in a row are nothing rare. `partition` is its address where there are several;
    the silence of the only one is that of the line, which tells it itself.
    """

    def __init__(self, contacts: Contacts, partition: str | None = None, lost_after_s: float = 0.0) -> None:
        self.contacts = contacts
        self._partition, self._lost_after_s = partition, lost_after_s
        self._misses = 0
        self._missed_s = 0.0  # when the first of them was
        self._heard = False  # since the start or the last loss
        self._lost = False
        self._refused = ""  # its own word why

    def answered(self, mono_s: float, levels: Mapping[int, Level]) -> list[PanelEvent]:
        """A whole reading of its inputs."""
        events = []
        if not self._heard:  # ends whatever stood at the module itself, also from before we were started
            events.append(self._event("comm.loss", "restored", "Module not heard", "silent", "status", "any-class"))
        elif self._refused:
            events.append(self._event("fault", "restored", "Module refuses to be read", self._refused))
        self._misses, self._heard, self._lost, self._refused = 0, True, False, ""
        return events + self.contacts.take(mono_s, levels)

    def refused(self, code: str) -> list[PanelEvent]:
        """It answered that it cannot: a fault at once, and what its inputs are is unknown."""
        events = []
        if self._lost and self._partition is not None:
            events.append(self._event("comm.loss", "restored", "Module not heard", "silent"))
        self._misses, self._lost = 0, False
        self.contacts.lose()
        if code != self._refused:
            if self._refused:
                events.append(self._event("fault", "restored", "Module refuses to be read", self._refused))
            events.append(self._event("fault", "active", "Module refuses to be read", code, "unknown"))
        self._refused = code
        return events

    def missed(self, mono_s: float) -> list[PanelEvent]:
        """A request without an answer."""
        if self._misses == 0:
            self._missed_s = mono_s
        self._misses += 1
        if self._misses < DEVICE_MISSES or mono_s - self._missed_s < self._lost_after_s:
            return []
        self.contacts.lose()
        told, self._lost, self._heard = self._lost, True, False
        if told or self._partition is None:
            return []
        return [self._event("comm.loss", "active", "Module not heard", "silent", "unknown")]

    @property
    def lost(self) -> bool:
        """Whether it is known to be silent, so that it need not be asked as often as the others."""
        return self._lost

    def lose(self) -> None:
        """The line was closed and opened again."""
        self._misses, self._heard, self._lost, self._refused = 0, False, False, ""
        self.contacts.lose()

    def _event(self, kind: str, state: EventState, text: str, code: str, *flags: str) -> PanelEvent:
        return PanelEvent(kind, state, partition=self._partition, text=text, code=code, flags=flags)


def frame_of(raw: bytes, events: Sequence[PanelEvent], *, alive: bool = False) -> Frame:
    """A frame whose every event carries the reply it was read from. What it says is news, however alike the bytes."""
    return Frame(raw=raw, events=tuple(replace(event, raw=raw) for event in events), alive=alive, news=True)
