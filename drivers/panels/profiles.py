"""Panel profiles: a site's own TOML that tells a driver what its panel means. Shared by printer and modbus-table.

The only door to TOML in drivers/. A profile is read once, at load, and refused with every fault at once, each with its
file, line and key: `afp2800.toml:14: rule[3].class: ...`. A driver says what a profile holds as a `Table` (pydantic);
its validators may refuse, and the place of the fault is found here.
"""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from drivers.panels.settings import SettingError

LARGEST_BYTES = 256 * 1024  # a profile of 1000 rules has 100 kB; more is some other file

# What a panel's event may be: the list in docs/panels.md, without what only the box itself says
# (appliance.alarm_classes.OWN).
CLASSES = frozenset((
    "fire.alarm", "fire.prealarm", "fire.supervisory", "extinguishing", "gas.alarm", "panic", "panic.silent", "duress",
    "medical", "intrusion.alarm", "tamper", "comm.loss", "fault", "mains.loss", "battery.low", "flood.alarm",
    "tech.alarm", "access", "zone.open", "bypass", "test", "arm", "disarm", "arm.fail", "reset", "info",
))  # fmt: skip

# A key or table header at the beginning of a line; what stands deeper (inline tables, arrays) has its key's line.
_HEADER = re.compile(r"\s{0,20}(\[\[?)\s{0,20}([A-Za-z0-9_.-]{1,200})\s{0,20}\]")
_KEY = re.compile(r"\s{0,20}([A-Za-z0-9_.-]{1,200})\s{0,20}=")

Place = tuple[str | int, ...]


class ProfileError(SettingError):
    """A profile is not usable; `faults` are sentences, each with file, line and key."""

    def __init__(self, faults: list[str]) -> None:
        self.faults = faults
        super().__init__("The panel profile has faults:\n" + "\n".join(faults))


class Table(BaseModel):
    """A table of a profile. An unknown key is a fault: a typo must not silently leave a default."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _known(name: str) -> str:
    if name not in CLASSES:
        raise ValueError(f"there is no class {name!r}; there is: {', '.join(sorted(CLASSES))}")
    return name


ClassName = Annotated[str, AfterValidator(_known)]
M = TypeVar("M", bound=Table)


def load(path: str | Path, model: type[M]) -> M:
    """The profile in this file. Raises ProfileError (permanent) with every fault."""
    path = Path(path)
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST_BYTES + 1)
    except OSError as cause:
        raise ProfileError([f"{path}: cannot be read: {cause.strerror}"]) from cause
    if len(data) > LARGEST_BYTES:
        raise ProfileError([f"{path}: larger than {LARGEST_BYTES} bytes; this is no panel profile"])
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as cause:
        line = data[: cause.start].count(b"\n") + 1
        raise ProfileError([f"{path.name}:{line}: not UTF-8; save the file as UTF-8"]) from cause
    return parse(text, model, path.name)


def parse(text: str, model: type[M], name: str = "profile") -> M:
    """The profile in this text; `name` is what its faults call it."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as cause:
        found = re.search(r"\(at line (\d+), column \d+\)", str(cause))
        line = f":{found[1]}" if found else ""
        raise ProfileError([f"{name}{line}: not valid TOML: {cause}"]) from cause
    except RecursionError as cause:
        raise ProfileError([f"{name}: nested too deep to be a panel profile"]) from cause
    try:
        return model.model_validate(table)
    except ValidationError as bad:
        lines = lines_of(text)
        errors = bad.errors(include_url=False)
        raise ProfileError([f"{name}{line_at(lines, error['loc'])}: {_sentence(error)}" for error in errors]) from bad


def lines_of(text: str) -> dict[Place, int]:
    """The line of each table and key that begins a line, counted from 1. `rule` the third is ("rule", 2)."""
    found: dict[Place, int] = {}
    seen: Counter[str] = Counter()
    here: Place = ()
    quote = ""  # inside a string of several lines
    for number, line in enumerate(text.splitlines(), 1):
        if not quote:
            if header := _HEADER.match(line):
                first, *rest = header[2].split(".")
                if header[1] == "[[" and not rest:
                    seen[first] += 1
                # [rule.fields] belongs to the last [[rule]]
                here = (first, seen[first] - 1, *rest) if seen[first] else (first, *rest)
                found.setdefault(here, number)
            elif key := _KEY.match(line):
                found.setdefault((*here, *key[1].split(".")), number)
        quote = _quote_after(line, quote)
    return found


def _quote_after(line: str, quote: str) -> str:
    """The quotes of several lines that are open after this line."""
    for mark in re.findall(r"'''|\"\"\"", line):
        if not quote:
            quote = mark
        elif mark == quote:
            quote = ""
    return quote


def line_at(lines: dict[Place, int], place: Place) -> str:
    while place:
        if place in lines:
            return f":{lines[place]}"
        place = place[:-1]
    return ""


def _sentence(error: Any) -> str:
    """`rule[3].class: ...` out of one pydantic error. Counted from 1, as people count."""
    key = "".join(f"[{part + 1}]" if isinstance(part, int) else f".{part}" for part in error["loc"]).lstrip(".")
    kind, given = error["type"], error.get("input")
    if kind == "extra_forbidden":
        return f"{key}: unknown key; remove it or correct its spelling (docs/panels.md lists the keys)"
    if kind == "missing":
        return f"{key}: missing; this key is needed (docs/panels.md)"
    said = str(error["msg"]).removeprefix("Value error, ").removeprefix("Input ")
    shown = "" if kind == "value_error" or isinstance(given, dict | list) else f"{given!r} "
    return f"{key or 'file'}: {shown}{said}"
