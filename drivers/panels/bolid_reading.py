"""One reading of all zones of a С2000-ПП: their registers, then the expanded states of those that may hide a code.

A register holds the two gravest codes of a zone. Where the graver one is something that stands, others may stand behind
the two, and the zone's expanded states are read as well: 16 registers in one go, on old firmware after a selector.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from drivers.panels.bolid_map import EXPANDED, EXPANDED_OLD, PARTITION_STATES, SELECT_EXPANDED, ZONE_STATES, chunks
from drivers.panels.bolid_states import may_hide
from drivers.panels.modbus import HOLDING, INPUT, NO_ADDRESS, NO_FUNCTION, NO_VALUE, WRITE, Answer, Master, Request

TOGETHER = 7  # zones whose expanded states are read in one go: 112 registers
EMPTY_READINGS = 3  # a panel that has just started shows no state; a zone that still shows none then has none


@dataclass(frozen=True, slots=True)
class Zone:
    """The codes of a zone, the gravest first. `whole`: no other code is hidden behind them."""

    number: int
    codes: tuple[int, ...]
    raw: bytes
    whole: bool


class Reading:
    """Asks through the master; each answer to what it asked comes back through `take`."""

    def __init__(self, master: Master, unit: int, zones: int, *, may_select: bool) -> None:
        self._master, self._unit, self._may_select = master, unit, may_select
        self._zones = zones  # fewer once the panel said that it has fewer
        self.failed = False
        self._read: dict[int, tuple[tuple[int, ...], bytes]] = {}
        self._asked: set[int] = set()  # zones whose expanded states were asked for
        self._whole: set[int] = set()  # and came
        self._awaited = 0
        self._way = "direct"  # to the expanded states; or selector (old firmware), or none
        self._selected = 0
        self._empty: dict[int, int] = {}  # zone that showed a state once -> readings in a row that showed none

    @property
    def zones(self) -> int:
        """The highest zone that is read."""
        return self._zones

    def begin(self) -> None:
        """Ask for all registers."""
        self._read.clear()
        self._asked.clear()
        self._whole.clear()
        self.failed, self._awaited = False, 0
        for first, count in chunks(self._zones, 120):
            self._ask(Request(self._unit, HOLDING, ZONE_STATES + first - 1, count))

    @staticmethod
    def is_mine(request: Request) -> bool:
        """Whether the answer to this request belongs to `take`."""
        if request.function == HOLDING:
            return request.address < PARTITION_STATES or request.address == EXPANDED_OLD
        return request.address >= EXPANDED if request.function == INPUT else request.address == SELECT_EXPANDED

    def take(self, answer: Answer) -> bool:
        """Returns whether this was the last answer: then it has `failed`, or `result` has it all."""
        self._awaited -= 1
        if answer.request.function == WRITE:
            self._take_selected(answer)
        elif answer.request.function == HOLDING and answer.request.address < PARTITION_STATES:
            self._take_registers(answer)
        else:
            self._take_expanded(answer)
        if not self._awaited and not self.failed:
            self._ask_expanded()
        return not self._awaited

    def result(self) -> Iterator[Zone]:
        """What was read, once: zones that show nothing are left out until it is sure that nothing stands there."""
        read, self._read = self._read, {}
        for number, (codes, raw) in read.items():
            if codes:
                self._empty[number] = 0
            elif number in self._empty:
                self._empty[number] += 1
            if codes or self._empty.get(number) == EMPTY_READINGS:
                yield Zone(number, codes, raw, whole=not may_hide(codes) or number in self._whole)

    @property
    def is_complete(self) -> bool:
        """Whether there is a result that was not taken yet."""
        return bool(self._read) and not self._awaited and not self.failed

    def _ask(self, request: Request) -> None:
        self._awaited += 1
        self._master.ask(request)

    def _take_registers(self, answer: Answer) -> None:
        first, count = answer.request.address - ZONE_STATES + 1, answer.request.count
        if answer.ok:
            for number, both in enumerate(answer.registers, first):
                self._read[number] = (tuple(code for code in (both >> 8, both & 0xFF) if code), answer.raw)
            return
        self._awaited -= self._master.drop(_asks_registers)
        if answer.exception == NO_ADDRESS and (count > 1 or first > 1):
            self._shrink(first, count)
        else:
            self.failed = True

    def _shrink(self, first: int, count: int) -> None:
        """Old firmware refuses a range that goes beyond its zones: halve it until the last zone is found."""
        self._zones = first + count - 2
        if count > 1:
            self._ask(Request(self._unit, HOLDING, ZONE_STATES + first - 1, count // 2))
            self._ask(Request(self._unit, HOLDING, ZONE_STATES + first - 1 + count // 2, count - count // 2))

    def _ask_expanded(self) -> None:
        hidden = [zone for zone, (codes, _) in self._read.items() if may_hide(codes) and zone not in self._asked]
        if self._way == "none" or (self._way == "selector" and not self._may_select):
            return
        together = TOGETHER if self._way == "direct" else 1
        while hidden:
            first = hidden[0]
            count = max(zone for zone in hidden if zone < first + together) - first + 1
            hidden = [zone for zone in hidden if zone >= first + count]
            self._asked.update(range(first, first + count))  # once in a reading, whatever comes of it
            if self._way == "direct":
                self._ask(Request(self._unit, INPUT, EXPANDED + 16 * (first - 1), 16 * count))
            else:
                self._ask(Request(self._unit, WRITE, SELECT_EXPANDED, value=first))

    def _take_selected(self, answer: Answer) -> None:
        if answer.ok:
            self._selected = answer.request.value
            self._awaited += 1
            self._master.first(Request(self._unit, HOLDING, EXPANDED_OLD, 8))

    def _take_expanded(self, answer: Answer) -> None:
        old = answer.request.address == EXPANDED_OLD
        if not answer.ok:
            if answer.exception in (NO_FUNCTION, NO_ADDRESS, NO_VALUE):
                self._way = "none" if old else "selector"
                self._asked.clear()
            return
        data = answer.raw[3:-2]
        # On old firmware a byte is a code; else a register is, whose high byte is 0.
        first, size = (self._selected, len(data)) if old else ((answer.request.address - EXPANDED) // 16 + 1, 32)
        for number, at in enumerate(range(0, len(data), size), first):
            codes = tuple(code for code in data[at : at + size] if code)
            if number in self._read and codes:
                self._read[number] = (codes, answer.raw)
                self._whole.add(number)


def _asks_registers(request: Request) -> bool:
    return request.function == HOLDING and request.address < PARTITION_STATES
