"""Any Modbus RTU gateway, described by its site in a table: address, function, code and class. No code is written.

Everything of the profile is read in turn, round after round. What stands at a point is the sum of its codes in all
tables that name it; nothing is called restored before a whole round was read. A code that the profile does not know is
a fault at its point, never normal. Only reads exist here: functions 1 to 4, and of these only the profile's requests.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from drivers.panels import modbus, modbus_profile
from drivers.panels.contacts import frame_of
from drivers.panels.modbus_profile import Meaning, Place
from drivers.panels.rota import SELDOM_S
from drivers.panels.settings import SettingError, line_from, line_settings, refuse_unknown, seconds, whole_number
from drivers.types import EventState, Frame, Line, PanelEvent, Setting

LINE = Line(9600, 8, "N", 1)
SILENT_AFTER_S = 10.0
MISSES = 3  # requests in a row without an answer, and what the unit said is unknown

SETTINGS: tuple[Setting, ...] = (
    *line_settings(LINE, SILENT_AFTER_S),
    Setting("profile", "", "File of the gateway's profile (TOML): its tables and what their codes mean. Needed."),
    Setting("unit", "", "The gateway's Modbus address, where it is not the profile's."),
)

# Classes of which several may stand at one point, told apart by their code (docs/panels.md, Alarms).
BY_CODE = frozenset({"fault", "mains.loss", "battery.low", "flood.alarm", "tech.alarm", "access", "bypass", "test"})
UNKNOWN = ("fault", "State code that the profile does not know")
ONCE = frozenset({"arm", "disarm", "arm.fail", "reset", "info"})  # said, not lasting

Told = tuple[str, str]  # class and code
Standing = dict[Told, str]  # and the name


@dataclass(slots=True)
class Point:
    """A zone, a partition or the gateway itself: what each table says of it."""

    partition: str | None
    zone: str | None
    main: tuple[str, str]  # class and name of what its tables are about
    tables: dict[int, Standing | None] = field(default_factory=dict)  # None: not read since it was unknown
    told: Standing = field(default_factory=dict)
    known: bool = False  # a whole round was read, and everything was told
    cleared: bool = False  # was told to be wholly normal since it was unknown

    def lose(self) -> None:
        self.tables = dict.fromkeys(self.tables)
        self.told, self.known, self.cleared = {}, False, False

    def read(self, table: int, standing: Standing) -> list[PanelEvent]:
        """One table's word. What begins is told at once; what ends, once everything has been read."""
        self.tables[table] = standing
        now, before = self._now(), self.told
        over = self._ended(now) if self.known else []
        news = [self._begun(told, name) for told, name in now.items() if told not in before]
        self.told = now if self.known else {**before, **now}
        if self.known and over and not self.cleared and not self._lasting(now):
            self.cleared = True  # ends also what was raised before we began
            over[0] = replace(over[0], flags=("any-class",))
        return [*over, *(event for event in news if event is not None)]

    def conclude(self) -> list[PanelEvent]:
        """A whole round was read. What stands was told; whatever else stood before it was unknown is over."""
        if self.known or any(standing is None for standing in self.tables.values()):
            return []
        now = self._now()
        self.cleared = not self._lasting(now)
        ended = self._ended(now)
        self.known, self.told = True, now
        if not self.cleared:
            return ended
        kind, name = self.main
        flags = ("status", "any-class")  # whatever it was that stood here
        return [PanelEvent(kind, "restored", self.zone, self.partition, text=name, flags=flags)]

    def _ended(self, now: Standing) -> list[PanelEvent]:
        """What was told and is no more. Of fire and the like there is one at a point: it ends with its last code."""
        left = {kind for kind, _ in now}
        return [
            self._event(kind, "restored", name, code)
            for (kind, code), name in self.told.items()
            if (kind, code) not in now and kind not in ONCE and (kind in BY_CODE or kind not in left)
        ]

    def _lasting(self, now: Standing) -> bool:
        return any(kind not in ONCE for kind, _ in now)

    def _now(self) -> Standing:
        return {told: name for standing in self.tables.values() if standing for told, name in standing.items()}

    def _begun(self, told: Told, name: str) -> PanelEvent | None:
        kind, code = told
        if kind in ONCE:
            if not self.known and kind not in ("arm", "disarm"):
                return None  # said once, long ago
            return self._event(kind, "info", name, code)
        return self._event(kind, "active", name, code)

    def _event(self, kind: str, state: EventState, text: str, code: str) -> PanelEvent:
        flags = () if self.known else ("status",)
        return PanelEvent(kind, state, self.zone, self.partition, text=text, code=code, flags=flags)


class ModbusTable:
    """Codec of a gateway that a profile describes."""

    kind = "modbus-table"

    def __init__(self, settings: Mapping[str, str]) -> None:
        refuse_unknown(settings, SETTINGS)
        path = settings.get("profile", "")
        if not path:
            raise SettingError("The driver modbus-table needs the setting profile: the file of the gateway's tables.")
        unit = whole_number(settings, "unit", 1, 1, 247) if settings.get("unit", "").strip() else None
        self._plan = plan = modbus_profile.load(path, unit)
        said = plan.profile.line
        self.line = line_from(settings, Line(said.baud, said.bits, said.parity, said.stop))
        self._lost_after_s = seconds(settings, "silent_after_s", SILENT_AFTER_S)
        self.silent_after_s: float | None = self._lost_after_s
        requests = frozenset(plan.requests)
        self._master = modbus.Master(requests.__contains__, timeout_s=plan.profile.answer_s, retries=0)
        self._points: dict[tuple[str | None, str | None], Point] = {}
        for place in (place for places in plan.places for place in places):
            self._point(place).tables[place.table] = None
        self._units = len({request.unit for request in plan.requests})
        self._turn = 0
        self._asked_s = float("-inf")
        self._unread = set(range(len(plan.requests)))  # of the first round
        self._misses: dict[int, list[float]] = {}  # unit -> when its last requests in a row got no answer
        self._lost: set[int] = set()
        self._heard: set[int] = set()  # since the start or the last loss
        self._refused: dict[int, str] = {}  # request -> its exception
        self._told: list[Frame] = []  # what the time limit showed, told at the next feed

    def feed(self, data: bytes) -> list[Frame]:
        """Take bytes off the line; return what they complete. Never raises, whatever the bytes."""
        frames, self._told = self._told, []
        answer = self._master.feed(data)
        if answer is None or answer.silent:
            return frames
        turn = self._turn
        self._next()
        events = self._is_there(answer.request.unit)
        if answer.exception is not None:
            events += self._refusal(turn, f"exception-{answer.exception}")
            return [*frames, frame_of(answer.raw, events)]
        return [*frames, frame_of(answer.raw, [*events, *self._reading(turn, answer)], alive=True)]

    def tick(self, mono_s: float) -> bytes:
        """The next request, when the one before was answered or its time is over."""
        gone = self._master.expire(mono_s)
        if gone is not None:
            self._missed(gone.request.unit, mono_s)
            self._next()
        if self._master.idle and mono_s - self._asked_s >= self._plan.profile.poll_s:
            self._skip_lost(mono_s)
            self._master.ask(self._plan.requests[self._turn])
        sent = self._master.tick(mono_s)
        if sent:
            self._asked_s = mono_s
        return sent

    def reset(self) -> None:
        """Forget half an answer and every state: the line was closed and opened again."""
        self._master.reset()
        self._turn, self._asked_s, self._told = 0, float("-inf"), []
        self._misses, self._refused = {}, {}
        self._lost, self._heard = set(), set()
        self._unread = set(range(len(self._plan.requests)))
        for point in self._points.values():
            point.lose()

    def may_send(self, data: bytes) -> bool:
        """The whole allow-list: the read requests of the profile."""
        return self._master.may_send(data)

    def _skip_lost(self, mono_s: float) -> None:
        """A unit that is lost is asked only now and then, or the others would be read too rarely."""
        for _ in self._plan.requests:
            unit = self._plan.requests[self._turn].unit
            if self._units == 1 or unit not in self._lost or mono_s - self._misses[unit][-1] >= SELDOM_S:
                return
            self._next()

    def _next(self) -> None:
        self._turn = (self._turn + 1) % len(self._plan.requests)

    def _point(self, place: Place) -> Point:
        key = (place.partition, place.zone)
        if key not in self._points:
            meanings = self._plan.meanings[place.table].values()
            main = next(((m.kind, m.name) for m in meanings if m.kind and m.kind not in ONCE), UNKNOWN)
            self._points[key] = Point(place.partition, place.zone, main)
        return self._points[key]

    def _reading(self, turn: int, answer: modbus.Answer) -> list[PanelEvent]:
        values = answer.registers or answer.bits
        events: list[PanelEvent] = []
        if turn in self._refused:
            events.append(self._refusal_event(turn, "restored", self._refused.pop(turn)))
        for place in self._plan.places[turn]:
            standing = _standing(place, int(values[place.offset]), self._plan.meanings[place.table])
            events += self._point(place).read(place.table, standing)
        return events + self._round(turn)

    def _round(self, turn: int) -> list[PanelEvent]:
        """This part was read, or will not be: once that is so of every part, what is over can be told."""
        self._unread.discard(turn)
        if self._unread:
            return []
        return [event for point in self._points.values() for event in point.conclude()]

    def _refusal(self, turn: int, code: str) -> list[PanelEvent]:
        """The device does not say this part: a fault, and its points are unknown."""
        events: list[PanelEvent] = []
        if self._refused.get(turn) != code:
            for place in self._plan.places[turn]:
                self._point(place).lose()
            if turn in self._refused:
                events.append(self._refusal_event(turn, "restored", self._refused[turn]))
            events.append(self._refusal_event(turn, "active", code))
        self._refused[turn] = code
        return events + self._round(turn)

    def _refusal_event(self, turn: int, state: EventState, code: str) -> PanelEvent:
        request = self._plan.requests[turn]
        flags = ("unknown",) if state == "active" else ()
        where = f"{code}-at-{request.address}"
        return self._device(request.unit, "fault", state, "Module refuses to be read", where, *flags)

    def _is_there(self, unit: int) -> list[PanelEvent]:
        """A unit spoke. Its first word since it was unknown ends whatever stood at the unit itself."""
        self._misses.pop(unit, None)
        if unit in self._heard:
            return []
        if unit in self._lost:
            self._unread |= self._turns(unit)
        self._lost.discard(unit)
        self._heard.add(unit)
        return [self._device(unit, "comm.loss", "restored", "Module not heard", "silent", "status", "any-class")]

    def _missed(self, unit: int, mono_s: float) -> None:
        """Three requests in a row, and `silent_after_s`: on a lossy line three alone are nothing rare."""
        missed = self._misses.setdefault(unit, [])
        missed.append(mono_s)
        del missed[1:-MISSES]  # the first says since when
        if unit in self._lost or len(missed) < MISSES or mono_s - missed[0] < self._lost_after_s:
            return
        self._lost.add(unit)
        self._heard.discard(unit)
        self._lose(unit)
        if self._units > 1:  # the silence of the only one is that of the line
            event = self._device(unit, "comm.loss", "active", "Module not heard", "silent", "unknown")
            self._told.append(frame_of(b"", [event]))

    def _lose(self, unit: int) -> None:
        for turn in self._turns(unit):
            self._unread.discard(turn)  # the other units do not wait for this one
            for place in self._plan.places[turn]:
                self._point(place).lose()

    def _turns(self, unit: int) -> set[int]:
        return {turn for turn, request in enumerate(self._plan.requests) if request.unit == unit}

    def _device(self, unit: int, kind: str, state: EventState, text: str, code: str, *flags: str) -> PanelEvent:
        """What is said of a unit itself. A point of its own, U1: its numbers are none of the zones or partitions."""
        return PanelEvent(kind, state, zone=f"U{unit}", text=text, code=code, flags=flags)


def _standing(place: Place, value: int, meanings: Mapping[int, Meaning]) -> Standing:
    """What a word or bit says, by the profile's codes."""
    standing: Standing = {}
    for code in _codes(place, value):
        meaning = meanings.get(code)
        if meaning is None:
            if place.part in ("bit", "both") and code == 0:
                continue  # an off bit, and the empty half of a register, say nothing
            standing[UNKNOWN[0], f"unknown-{code}"] = UNKNOWN[1]
        elif meaning.kind is not None:
            standing[meaning.kind, str(code)] = meaning.name
    return standing


def _codes(place: Place, value: int) -> Iterator[int]:
    if place.part == "bit":
        yield value & 1 if place.bit is None else value >> place.bit & 1
    elif place.part == "flags":
        yield from (bit for bit in range(16) if value >> bit & 1)
    elif place.part == "both":
        yield from {value >> 8, value & 0xFF}
    else:
        yield {"high": value >> 8, "low": value & 0xFF}.get(place.part, value)
