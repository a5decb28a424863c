"""Bolid С2000-ПП: zones, partitions and the event queue of an Orion system, read over Modbus RTU (panels.md 3).

A round: states of all zones, then the queue until it is empty, then what the states say beyond the events. An event is
acknowledged (46163) by the reply of its frame, so only after it is on disk; a repeat of it makes no second event.
With `shadow` another master owns the queue: nothing is written at all, and the states alone are told.
Deliberately absent: outputs (coils) and counters. Asking for a counter made unrelated zones fall silent in the field.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping

from drivers.panels import bolid_codes, bolid_record
from drivers.panels.bolid_map import (
    ACKNOWLEDGE,
    EXPANDED,
    NUMERIC,
    PARTITION_IDS,
    PARTITION_STATES,
    QUEUE,
    QUEUE_COUNTS,
    SELECTORS,
    TABLE,
    VALUE,
    VERSION,
    ZONES,
    allowed,
    chunks,
)
from drivers.panels.bolid_reading import Reading
from drivers.panels.bolid_record import Record
from drivers.panels.bolid_states import STATUS, States
from drivers.panels.modbus import BUSY, HOLDING, INPUT, NO_ADDRESS, WRITE, Again, Answer, Master, Request
from drivers.panels.settings import line_from, line_settings, one_of, refuse_unknown, seconds, whole_number
from drivers.types import Frame, Line, PanelEvent, Point, Setting

LINE = Line(9600, 8, "N", 1)
LOST_S = 30.0
PENDING = 15  # exception: the answer is being prepared; ask the same again, never the selector (worst seen 1.85 s)
AGAIN = {BUSY: Again(0.5, 6), PENDING: Again(0.25, 12)}
DRAIN = 32  # events read in a row before the states have their turn
FAILED_ROUNDS = 3  # readings of the states that failed, and everything is read from the beginning

SETTINGS: tuple[Setting, ...] = (
    *line_settings(LINE, LOST_S),
    Setting("unit", "1", "Modbus address of the panel."),
    Setting("zones", str(ZONES), "The highest zone number to read; the panel's own table may end before."),
    Setting("shadow", "no", "yes where another master reads the event queue: then nothing is ever written, not even "
            "acknowledgements, and events are told from the states."),
    Setting("backlog", "live", "Events waiting when the line opens: live (raise and end alarms) or history (kept and "
            "journalled only)."),
    Setting("poll_s", "0.5", "Seconds between two looks at the event queue."),
    Setting("state_s", "5", "Seconds between two readings of all states."),
    Setting("timeout_s", "1", "Seconds until a request without an answer is repeated."),
    Setting("values", "yes", "no: temperatures, voltages and currents are not read."),
    Setting("value_step", "1", "A value is told when it moved by this much."),
)  # fmt: skip


class Bolid:
    """Codec and poller of one С2000-ПП."""

    kind = "bolid"

    def __init__(self, settings: Mapping[str, str]) -> None:
        refuse_unknown(settings, SETTINGS)
        self.line = line_from(settings, LINE)
        self.silent_after_s: float | None = seconds(settings, "silent_after_s", LOST_S)
        self._unit = whole_number(settings, "unit", 1, 1, 247)
        self._most_zones = whole_number(settings, "zones", ZONES, 1, ZONES)
        self._shadow = one_of(settings, "shadow", "no", ("no", "yes")) == "yes"
        self._history = one_of(settings, "backlog", "live", ("live", "history")) == "history"
        self._poll_s, self._state_s = seconds(settings, "poll_s", 0.5), seconds(settings, "state_s", 5.0)
        self._values = one_of(settings, "values", "yes", ("no", "yes")) == "yes" and not self._shadow
        self._step = seconds(settings, "value_step", 1.0)
        self._master = Master(
            lambda request: allowed(request, self._unit, shadow=self._shadow),
            timeout_s=seconds(settings, "timeout_s", 1.0), again=AGAIN,
        )  # fmt: skip
        self._states = States()
        self._last: bytes = b""  # the newest event that was handed on, as it came
        self._told: dict[int, float] = {}  # zone -> value
        self._waiting: list[Frame] = []  # made in tick, told at the next feed
        self._begin()

    def _begin(self) -> None:
        self._reading = Reading(self._master, self._unit, self._most_zones, may_select=not self._shadow)
        self._partition: dict[int, str] = {}
        self._numeric: dict[int, int] = {}  # zone -> type
        self._partitions = 0
        self._states.forget()
        self._synced = False
        self._steps = deque(("about", "table", "states", "partitions", "queue", "value"))
        self._failures = 0
        self._touched: set[int] = set()  # zones with an event since the reading began
        self._touched_partitions: set[int] = set()
        self._partition_codes: list[tuple[int, int, bytes]] = []
        self._drained = 0
        self._history_until: int | None = None
        self._next_states_mono_s = self._next_queue_mono_s = 0.0
        self._armed: dict[int, str] = {}  # partition -> arm or disarm, as last told
        self._selected = 0
        self._turn = 0
        self._table_tries = 0

    def feed(self, data: bytes) -> list[Frame]:
        """Take bytes off the line; return what they complete. Never raises, whatever the bytes."""
        frames, self._waiting = self._waiting, []
        answer = self._master.feed(data)
        if answer is not None:
            events, reply = self._take(answer)
            frames.append(Frame(answer.raw, tuple(events), reply, alive=self._synced, news=True))
        return frames

    def tick(self, mono_s: float) -> bytes:
        """The next request."""
        gone = self._master.expire(mono_s)
        if gone is not None:
            events, _ = self._take(gone)
            if events or gone.raw:
                fault = f"{len(gone.raw)} bytes that are no answer" if gone.raw else None
                self._waiting.append(Frame(gone.raw, tuple(events), fault=fault, news=True))
        if self._master.idle:
            self._plan(mono_s)
        return self._master.tick(mono_s)

    def reset(self) -> None:
        """The line was opened, or nothing is heard: everything is read from the beginning."""
        self._master.reset()
        self._begin()

    def may_send(self, data: bytes) -> bool:
        """Reads, and FC 6 to the acknowledgement and the selectors of zone and value; in shadow reads alone."""
        return self._master.may_send(data)

    def resume(self, raw: bytes | None, standing: Collection[Point]) -> None:
        """The newest event that is on disk: said again it is only acknowledged, and what comes next has its number."""
        self._states.stands(standing)
        self._last = raw or b""

    def _plan(self, mono_s: float) -> None:
        """Ask for the next step of the round, or begin the next round when it is time."""
        if not self._steps:
            if mono_s >= self._next_states_mono_s:
                self._steps.extend(("states", "partitions", "queue", "value"))
            elif mono_s >= self._next_queue_mono_s:
                self._steps.append("queue")
        asks = {"about": self._ask_about, "table": self._ask_table, "states": self._ask_states,
                "partitions": self._ask_partitions, "queue": self._ask_queue, "value": self._ask_value}  # fmt: skip
        while self._steps and self._master.idle:
            step = self._steps.popleft()
            if step == "states":
                self._next_states_mono_s = mono_s + self._state_s
            if step == "queue":
                self._next_queue_mono_s = mono_s + self._poll_s
            asks[step]()

    def _ask(self, function: int, address: int, count: int = 1, value: int = 0, *, retries: int | None = None) -> None:
        self._master.ask(Request(self._unit, function, address, count, value), retries=retries)

    def _ask_about(self) -> None:
        self._ask(HOLDING, VERSION, 2, retries=0)
        if not self._shadow:
            self._ask(HOLDING, QUEUE_COUNTS, 3, retries=0)

    def _ask_table(self) -> None:
        for first, count in chunks(self._reading.zones, 30):  # 4 registers each
            self._ask(INPUT, TABLE + 4 * (first - 1), 4 * count, retries=0)
        self._ask(INPUT, PARTITION_IDS, 64, retries=0)

    def _ask_states(self) -> None:
        self._touched.clear()
        self._touched_partitions.clear()
        self._partition_codes = []
        self._reading.begin()

    def _ask_partitions(self) -> None:
        if self._partitions:
            self._ask(HOLDING, PARTITION_STATES, self._partitions)

    def _ask_queue(self) -> None:
        if not self._shadow:
            self._ask(HOLDING, QUEUE, bolid_record.REGISTERS, retries=0)

    def _ask_value(self) -> None:
        """At most one numeric selector in a round: what was stable in the field."""
        numeric = sorted(self._numeric)
        if numeric and self._values:
            self._turn = (self._turn + 1) % len(numeric)
            self._selected = numeric[self._turn]
            self._ask(WRITE, NUMERIC[self._numeric[self._selected]], value=self._selected)

    def _take(self, answer: Answer) -> tuple[list[PanelEvent], bytes]:
        """What an answer, an exception or silence means, by what was asked."""
        function, address = answer.request.function, answer.request.address
        if self._reading.is_mine(answer.request):
            return self._take_reading(answer), b""
        if function == WRITE:
            return self._take_write(answer), b""
        if function == INPUT:
            self._take_table(answer)
            return [], b""
        if address == QUEUE:
            return self._take_queue(answer)
        if address == VALUE:
            return self._take_value(answer), b""
        if address >= VERSION:
            return self._take_about(answer), b""
        self._take_partitions(answer)
        return [], b""

    def _take_about(self, answer: Answer) -> list[PanelEvent]:
        if not answer.ok:
            if answer.silent:  # nobody there, or nothing this firmware says: the states will tell
                self._master.drop(lambda asked: asked.address == QUEUE_COUNTS)
            return []
        numbers = answer.registers
        if answer.request.address == VERSION:
            code, text, value = f"type {numbers[0]} version {numbers[1] / 100:.2f}", "Panel type and version", None
        else:
            code = f"newest {numbers[0]} oldest {numbers[1]} unread {numbers[2]}"
            text, value = "Event queue of the panel", float(numbers[2])
            self._history_until = numbers[0] if self._history and numbers[2] else None
        return [PanelEvent("info", "info", value=value, text=text, raw=answer.raw, flags=STATUS, code=code)]

    def _take_table(self, answer: Answer) -> None:
        first = answer.request.address
        if not answer.ok:
            self._master.drop(_asks_table)  # no table, or its end: the states will show how many zones there are
            if answer.silent and self._table_tries < FAILED_ROUNDS:
                self._table_tries += 1
                self._steps.append("table")
            return
        if first == PARTITION_IDS:
            known = [number for number, said in enumerate(answer.registers, 1) if said]
            self._partitions = max([self._partitions, *known])
            return
        for row in range(0, len(answer.registers), 4):
            _, _, partition, sort = answer.registers[row : row + 4]
            zone = (first + row) // 4 + 1
            if 1 <= partition <= 64:
                self._partition[zone] = str(partition)
                self._partitions = max(self._partitions, partition)
            if sort in NUMERIC:
                self._numeric[zone] = sort

    def _take_reading(self, answer: Answer) -> list[PanelEvent]:
        """One more answer of the reading of the states."""
        if not self._reading.take(answer):
            return []
        if not self._reading.failed:
            self._failures = 0
            return self._settle() if self._shadow else []
        self._failures += 1
        if self._failures >= FAILED_ROUNDS or not self._synced:
            self._begin()
        return []

    def _settle(self) -> list[PanelEvent]:
        """What the states say beyond the events, once the queue was empty after the reading."""
        if not self._reading.is_complete:
            return []
        events: list[PanelEvent] = []
        for zone in self._reading.result():
            if zone.number not in self._touched:  # an event that came after the reading is newer than it
                events += self._states.by_reading(
                    zone.number, zone.codes, self._partition.get(zone.number), zone.raw, whole=zone.whole
                )
        self._synced = True
        return events + self._arming()

    def _take_queue(self, answer: Answer) -> tuple[list[PanelEvent], bytes]:
        record = bolid_record.of_reply(answer.raw) if answer.ok else None
        if record is None or self._drained >= DRAIN:
            self._drained = 0
            if record is None:
                self._history_until = None
            settled = self._settle()
            return settled, b""
        self._drained += 1
        events = [] if answer.raw == self._last else self._events(record, answer.raw)
        self._last = answer.raw
        return events, self._master.now(Request(self._unit, WRITE, ACKNOWLEDGE, value=record.number))

    def _events(self, record: Record, raw: bytes) -> list[PanelEvent]:
        """An event that is new, and the word that some before it were lost."""
        lost = self._lost(record, raw)
        flags = ("log", *(("malformed",) if record.malformed else ()))
        if self._history_until is not None:
            flags = (*flags, "history")
            if record.number == self._history_until:
                self._history_until = None
        partition = str(record.partition) if record.partition else None
        if record.zone:
            self._touched.add(record.zone)
            partition = partition or self._partition.get(record.zone)
            if partition:
                self._partition[record.zone] = partition
        if record.partition and not record.zone and (armed := _arms(record.code)):
            self._armed[record.partition] = armed
            self._touched_partitions.add(record.partition)
        if record.code == bolid_codes.PULT_STARTED:
            self._states.forget()
            self._steps.extend(("table", "states", "queue"))
        elif lost:
            self._states.forget()
            self._steps.extend(("states", "queue"))
        return lost + self._states.by_event(record, partition, raw, flags)

    def _lost(self, record: Record, raw: bytes) -> list[PanelEvent]:
        """Numbers that skip: another master took events, or the queue ran over. More than half of them: begun anew."""
        last = bolid_record.of_reply(self._last)
        if last is None or (record.number - last.number) % 0x10000 == 1:
            return []
        missing = (record.number - last.number - 1) % 0x10000
        value = float(missing) if missing < 0x8000 else None
        return [PanelEvent("info", "info", value=value, text="Events of the panel were lost", raw=raw,
                           flags=("events-lost",))]  # fmt: skip

    def _take_write(self, answer: Answer) -> list[PanelEvent]:
        """An echo: what was selected is read, the next event is asked for. Anything else waits for its next turn."""
        address = answer.request.address
        if address == ACKNOWLEDGE:
            self._steps.appendleft("queue")
        elif address in SELECTORS and answer.ok:
            self._master.first(Request(self._unit, HOLDING, VALUE, 1))
        return []

    def _take_value(self, answer: Answer) -> list[PanelEvent]:
        """Q8.8; signed where it can be below zero (temperature), unsigned for volts, amperes and per cent."""
        if not answer.ok:
            return []  # unavailable now: the last one stays
        zone = self._selected
        raw_value = answer.registers[0]
        value = (raw_value - 0x10000 if self._numeric.get(zone) == 6 and raw_value >= 0x8000 else raw_value) / 256
        if abs(value - self._told.get(zone, float("inf"))) < self._step:
            return []
        self._told[zone] = value
        return [PanelEvent("value", "info", zone=str(zone), partition=self._partition.get(zone), value=value,
                           text="Measured value", raw=answer.raw, flags=STATUS)]  # fmt: skip

    def _take_partitions(self, answer: Answer) -> None:
        """Armed or disarmed, the one thing a partition says that its zones do not. Told with the states."""
        if answer.exception == NO_ADDRESS:
            self._partitions //= 2
        self._partition_codes = [(number, code, answer.raw)
                                 for number, both in enumerate(answer.registers, 1)
                                 for code in (both >> 8, both & 0xFF)]  # fmt: skip

    def _arming(self) -> list[PanelEvent]:
        events: list[PanelEvent] = []
        for number, code, raw in self._partition_codes:
            kind = _arms(code)
            if kind and self._armed.get(number) != kind and number not in self._touched_partitions:
                self._armed[number] = kind
                name = bolid_codes.meaning(code).name
                events.append(PanelEvent(kind, "info", partition=str(number), text=name, raw=raw, flags=STATUS,
                                         code=str(code)))  # fmt: skip
        return events


def _arms(code: int) -> str:
    kind = bolid_codes.meaning(code).kind
    return kind if kind in ("arm", "disarm") else ""


def _asks_table(request: Request) -> bool:
    return request.function == INPUT and request.address < EXPANDED
