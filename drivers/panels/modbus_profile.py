"""What a site says of its Modbus gateway: tables of addresses, and what the codes in them mean (docs/panels.md).

From the profile comes a plan: which requests are asked in turn, and whose state lies where in each answer. The plan's
requests are the driver's whole allow-list.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from drivers.panels import modbus, profiles
from drivers.panels.contacts import NAMES
from drivers.panels.profiles import ClassName, ProfileError, Table

MOST_REQUESTS = 512  # of one round; at two a second a state would be minutes old
_CODE = re.compile(r"(\d{1,5}|0x[0-9a-fA-F]{1,4})(?:-(\d{1,5}|0x[0-9a-fA-F]{1,4}))?")

_NAMES = {**NAMES, "disarm": "Disarmed", "reset": "Module reset"}

Part = Literal["word", "high", "low", "both", "flags", "bit"]


def _code(written: str) -> str:
    found = _CODE.fullmatch(written)
    if not found or (numbers := codes_of(written)).start > numbers.stop - 1 or numbers.stop > 0x10000:
        raise ValueError("a code is a number such as 37 or 0x25, or a range such as 100-110, up to 65535")
    return written


def codes_of(written: str) -> range:
    """The codes that a key of a code table stands for."""
    first, _, last = written.partition("-")
    return range(int(first, 0), int(last or first, 0) + 1)


def _meaning(written: Any) -> Any:
    """`37 = "fire.alarm"` and `0 = "normal"` for short."""
    if not isinstance(written, str):
        return written
    return {} if written == "normal" else {"class": written}


class Meaning(Table):
    """What a code says. Without a class: the normal state."""

    kind: ClassName | None = Field(None, alias="class")
    text: Annotated[str, Field(max_length=200)] = ""

    @property
    def name(self) -> str:
        return self.text or _NAMES.get(self.kind or "", "Panel message")


class LineTable(Table):
    """The serial line, where it is not 9600 8N1; the panel's own settings go before it."""

    baud: Annotated[int, Field(ge=50, le=4_000_000)] = 9600
    bits: Literal[7, 8] = 8
    parity: Literal["N", "E", "O"] = "N"
    stop: Literal[1, 2] = 1


class Rows(Table):
    """Points of one sort, one after the other: zones, partitions, or the panel itself."""

    function: Literal[1, 2, 3, 4]
    address: Annotated[int, Field(ge=0, le=0xFFFF)]
    codes: str
    count: Annotated[int, Field(ge=1, le=4096)] = 1
    step: Annotated[int, Field(ge=1, le=1024)] = 1
    part: Part | None = None
    zone: Annotated[int, Field(ge=0, le=99_999)] | None = None
    partition: Annotated[int, Field(ge=0, le=99_999)] | None = None
    of_partition: str | None = None
    unit: Annotated[int, Field(ge=1, le=247)] | None = None
    block: Annotated[int, Field(ge=1, le=2000)] | None = None

    @property
    def is_bits(self) -> bool:
        return self.function in (modbus.COILS, modbus.DISCRETE)

    @property
    def packed(self) -> bool:
        """Whether the points are the bits of registers."""
        return self.part == "bit" and not self.is_bits

    @property
    def most(self) -> int:
        """How many bits or registers are asked at once."""
        return min(self.block or 2000, modbus.LONGEST_BITS if self.is_bits else 120)

    def offset(self, point: int) -> int:
        """Where a point lies, counted from the table's address."""
        return point * self.step // 16 if self.packed else point * self.step

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.is_bits and self.part not in (None, "bit"):
            raise ValueError(f"part {self.part!r} is for registers; functions 1 and 2 read bits")
        if self.zone is not None and self.partition is not None:
            raise ValueError("zone and partition are both given; the points are one or the other (see of_partition)")
        if self.zone is None and self.partition is None and self.count > 1:
            raise ValueError("count is above 1 but neither zone nor partition says the number of the first point")
        if self.of_partition is not None and self.zone is None:
            raise ValueError("of_partition says in which partition zones are; there is no zone here")
        if self.address + self.offset(self.count - 1) > 0xFFFF:
            raise ValueError("address, count and step lead beyond 65535")
        return self


CodeTable = dict[Annotated[str, AfterValidator(_code)], Annotated[Meaning, BeforeValidator(_meaning)]]


def _some(tables: tuple[Rows, ...]) -> tuple[Rows, ...]:
    if not tables:
        raise ValueError("there is no table; at least one says where states are")
    return tables


class Profile(Table):
    """A whole profile."""

    title: str = ""
    unit: Annotated[int, Field(ge=1, le=247)] = 1
    poll_s: Annotated[float, Field(ge=0.02, le=60)] = 0.2
    answer_s: Annotated[float, Field(ge=0.05, le=10)] = 1.0
    line: LineTable = LineTable()
    codes: dict[str, CodeTable]
    table: Annotated[tuple[Rows, ...], AfterValidator(_some)]


@dataclass(frozen=True, slots=True)
class Place:
    """One point in an answer: where its word or bit is (`bit`: of the word), whose it is and what its codes mean."""

    table: int
    offset: int
    bit: int | None
    part: Part
    partition: str | None
    zone: str | None


@dataclass(frozen=True, slots=True)
class Plan:
    """What is asked in turn, what lies in each answer, and each table's codes."""

    profile: Profile
    requests: tuple[modbus.Request, ...]
    places: tuple[tuple[Place, ...], ...]  # of each request
    meanings: tuple[dict[int, Meaning], ...]  # of each table


def load(path: str | Path, unit: int | None = None) -> Plan:
    """The plan of this profile, for a gateway at `unit` where that is not the profile's address.

    Raises ProfileError (permanent) with every fault, each with its line and key.
    """
    profile = profiles.load(path, Profile)
    profile = profile if unit is None else profile.model_copy(update={"unit": unit})
    asked = [list(_requests(number, rows, profile)) for number, rows in enumerate(profile.table)]
    faults = list(_faults(profile))
    if sum(map(len, asked)) > MOST_REQUESTS:
        faults.append(((), f"{sum(map(len, asked))} requests in a round; at most {MOST_REQUESTS}. Use larger blocks"))
    if faults:
        lines = profiles.lines_of(Path(path).read_text(encoding="utf-8"))
        raise ProfileError([f"{Path(path).name}{profiles.line_at(lines, place)}: {said}" for place, said in faults])
    flat = [one for requests in asked for one in requests]
    meanings = tuple(
        {code: meaning for key, meaning in profile.codes[rows.codes].items() for code in codes_of(key)}
        for rows in profile.table
    )
    return Plan(profile, tuple(request for request, _ in flat), tuple(places for _, places in flat), meanings)


def _faults(profile: Profile) -> Iterator[tuple[profiles.Place, str]]:
    """What no table shows by itself."""
    for name, codes in profile.codes.items():
        seen: set[int] = set()
        for key in codes:
            if not seen.isdisjoint(codes_of(key)):
                yield ("codes", name, key), f"codes.{name}.{key}: a code that stands in this table twice"
            seen.update(codes_of(key))
    for number, rows in enumerate(profile.table):
        if rows.codes not in profile.codes:
            known = ", ".join(profile.codes) or "none"
            said = f"table[{number + 1}].codes: there is no [codes.{rows.codes}]; there is: {known}"
            yield ("table", number, "codes"), said
        most = 1 if rows.is_bits or rows.part == "bit" else 15 if rows.part == "flags" else 0xFFFF
        for key in profile.codes.get(rows.codes, {}):
            if codes_of(key).stop - 1 > most:
                said = f"codes.{rows.codes}.{key}: table[{number + 1}] has codes up to {most}"
                yield ("codes", rows.codes, key), said
    used = {rows.codes for rows in profile.table}
    for name in profile.codes:
        if name not in used:
            yield ("codes", name), f"codes.{name}: no table uses it"


def _requests(number: int, rows: Rows, profile: Profile) -> Iterator[tuple[modbus.Request, tuple[Place, ...]]]:
    """The requests of one table, each as large as it may be, and the places in its answer."""
    point = 0
    while point < rows.count:
        first = rows.offset(point)
        places = []
        while point < rows.count and rows.offset(point) - first < rows.most:
            bit = point * rows.step % 16 if rows.packed else None
            part: Part = "bit" if rows.is_bits else rows.part or "word"
            partition = _numbered(rows.partition, point) or rows.of_partition
            places.append(Place(number, rows.offset(point) - first, bit, part, partition, _numbered(rows.zone, point)))
            point += 1
        unit = profile.unit if rows.unit is None else rows.unit
        size = places[-1].offset + 1
        yield modbus.Request(unit, rows.function, rows.address + first, size), tuple(places)


def _numbered(first: int | None, point: int) -> str | None:
    return None if first is None else str(first + point)
