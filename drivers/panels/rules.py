"""Ordered rules that turn a panel's printed text into events: for printer ports and for pager calls (ESPA).

Patterns are RE2 (docs/decisions: no input can make one run away: its work grows with the text and the pattern, never
with their powers). Bounded all round: a line is cut to LONGEST_LINE before it gets here, and what a profile's patterns
compile to is limited. RE2 reads like Python's `re` without look-around and back-references. A profile may name pieces
in [define] and use them as {{name}}.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

import re2
from pydantic import AfterValidator, Field, model_validator

from drivers.panels.dates import NO_YEAR
from drivers.panels.profiles import ClassName, Table
from drivers.types import EventState, PanelEvent

LONGEST_LINE = 400  # characters of a line any rule is shown (panels.md 5)
LONGEST_RECORD = 1200  # characters of several lines together
LONGEST_TEXT = 200  # characters of an event's text
MOST_RULES = 300
LARGEST_RULE = 4000  # RE2 instructions of one pattern; the longest known, AFP-2800, has 1200
LARGEST_PROFILE = 30_000  # of all together
LEAP_YEAR = 1904  # stands for a year the panel did not print; 29 February must fit

_GROUP = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
_DEFINED = re.compile(r"\{\{([A-Za-z_][A-Za-z0-9_]*)\}\}")
_SPACES = re.compile(r"\s+")
_CLASS_OR_ESCAPE = re.compile(r"\\.|\[:\^?[a-z]+:\]|\[\^?\]?|\]", re.DOTALL)
_TIME_GROUPS = ("yyyy", "yy", "mm", "mon", "dd", "hh", "mi", "ss")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_FIELDS = ("partition", "user", "value", "account", "code")

Action = Literal["active", "restore", "ack", "reset", "info"]


def compiled(pattern: str) -> Any:
    """The pattern as RE2 takes it. Raises ValueError with what is wrong with it."""
    options = re2.Options()
    options.log_errors = False
    options.max_mem = 1 << 20
    try:
        made = re2.compile(_unicode_words(pattern), options)
    except re2.error as bad:
        said = bad.args[0].decode("utf-8", "replace") if bad.args and isinstance(bad.args[0], bytes) else str(bad)
        raise ValueError(f"not a pattern RE2 can read: {said} (look-around and back-references do not exist)") from bad
    if made.programsize > LARGEST_RULE:
        raise ValueError(f"compiles to {made.programsize} steps, more than {LARGEST_RULE}; use + in place of {{n,m}}")
    return made


def _unicode_words(pattern: str) -> str:
    r"""`\w` as people expect it: letters of every alphabet. In RE2 it is ASCII, and `ПОЖАР \w+` never matched."""
    inside = False
    out, at = [], 0
    for found in _CLASS_OR_ESCAPE.finditer(pattern):
        piece = found[0]
        out.append(pattern[at : found.start()])
        at = found.end()
        if piece in (r"\b", r"\B") or (piece == r"\W" and inside):
            raise ValueError(rf"{piece} knows Latin letters only; write (?:^|\s) or [^\p{{L}}\d] instead")
        if piece.startswith("[") and not piece.startswith("[:"):
            inside = True
        elif piece == "]":
            inside = False
        word = r"\p{L}\p{N}_" if inside else r"[\p{L}\p{N}_]"
        out.append({r"\w": word, r"\W": r"[^\p{L}\p{N}_]"}.get(piece, piece))
    return "".join(out) + pattern[at:]


def _pattern(text: str) -> str:
    if missing := _DEFINED.search(text):
        raise ValueError(f"uses {missing[0]}, and [define] has no {missing[1]}")
    if compiled(text).search("") is not None:
        raise ValueError("matches an empty line, so it would take every line; say what must be there")
    return text


class Rule(Table):
    """One rule. The first that matches decides what a line means.

    `key` says where it is: it becomes the event's zone, and what pairs an alarm with its end; {name} stands for what
    the group of that name found. `fields` fill partition, user, value, account and code; a group of one of these names
    does so by itself. Groups yyyy or yy, mm or mon, dd, hh, mi, ss make the panel's time. `mask`: groups that could
    hold a code; they are starred out before anything is kept.
    """

    regex: Annotated[str, Field(min_length=1, max_length=2000), AfterValidator(_pattern)]
    action: Action
    kind: ClassName = Field(default="info", alias="class")
    key: str | None = None
    text: str | None = None
    fields: dict[Literal["partition", "user", "value", "account", "code"], str] = Field(default_factory=dict)
    mask: tuple[str, ...] = ()

    @model_validator(mode="after")
    def names_that_exist(self) -> Rule:
        groups = compiled(self.regex).groupindex
        asked = [(key, name) for key, template in self._templates() for name in _GROUP.findall(template)]
        for key, name in [*asked, *(("mask", name) for name in self.mask)]:
            if name not in groups:
                raise ValueError(f"{key} uses {{{name}}}, and the regex has no group (?P<{name}>...)")
        if self.action in ("active", "restore", "ack") and "kind" not in self.model_fields_set:
            raise ValueError(f"action {self.action!r} needs a class")
        return self

    def _templates(self) -> Iterable[tuple[str, str]]:
        yield from (("key", self.key or ""), ("text", self.text or ""))
        yield from ((f"fields.{name}", template) for name, template in self.fields.items())


class RuleBook(Table):
    """What every profile with rules holds: pieces of patterns by name, and the rules in their order."""

    define: dict[str, str] = Field(default_factory=dict)
    rule: tuple[Rule, ...] = Field(default=(), max_length=MOST_RULES)

    @model_validator(mode="before")
    @classmethod
    def defined_pieces(cls, table: Any) -> Any:
        """Put the pieces of [define] in their places, before any pattern is looked at."""
        pieces, rules = table.get("define"), table.get("rule")
        if not isinstance(pieces, dict) or not isinstance(rules, list):
            return table
        known = {name: piece for name, piece in pieces.items() if isinstance(piece, str)}
        return {**table, "rule": [expanded(rule, known) for rule in rules]}

    @model_validator(mode="after")
    def not_too_much(self) -> RuleBook:
        size = sum(compiled(rule.regex).programsize for rule in self.rule)
        if size > LARGEST_PROFILE:
            raise ValueError(f"the rules compile to {size} steps, more than {LARGEST_PROFILE}; make them simpler")
        return self


def expanded(rule: Any, pieces: Mapping[str, str]) -> Any:
    """The rule with its {{name}}s replaced. A name that is not defined stays, and is refused with the rule."""
    if not isinstance(rule, dict) or not isinstance(rule.get("regex"), str):
        return rule
    return {**rule, "regex": _DEFINED.sub(lambda found: pieces.get(found[1], found[0]), rule["regex"])}


@dataclass(frozen=True, slots=True)
class Matched:
    """What a rule made of a text. `masked`: the whole text with codes starred out, where the rule masks any."""

    rule: int  # counted from 1
    event: PanelEvent
    masked: str | None = None


class Rules:
    """The rules of one profile, ready for use."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._rules = [(number, rule, compiled(rule.regex)) for number, rule in enumerate(rules, 1)]

    def match(self, text: str) -> Matched | None:
        """The event of the first rule that knows this text. `raw` is for the caller to add."""
        for number, rule, pattern in self._rules:
            found = pattern.search(text)
            if found is not None:
                return _matched(number, rule, found, text)
        return None


def squeezed(text: str) -> str:
    """A text for people: one line, single spaces, not endless."""
    return _SPACES.sub(" ", text).strip()[:LONGEST_TEXT]


def _matched(number: int, rule: Rule, found: Any, text: str) -> Matched:
    groups = {name: _SPACES.sub(" ", value or "").strip() for name, value in found.groupdict().items()}
    groups |= {name: "*" * len(groups[name]) for name in rule.mask}
    masked = _starred(text, found, rule.mask) if rule.mask else None
    said = {name: groups[name] for name in _FIELDS if name in groups}
    said |= {name: _filled(template, groups) for name, template in rule.fields.items()}
    zone = _filled("{zone}" if rule.key is None and "zone" in groups else rule.key or "", groups)
    time, time_flags = _panel_time(groups)
    state, flags = _state(rule)
    event = PanelEvent(
        kind="reset" if rule.action == "reset" else rule.kind, state=state, zone=zone or None,
        partition=said.get("partition") or None, user=said.get("user") or None, value=_number(said.get("value", "")),
        text=squeezed(_filled(rule.text or "", groups)) or squeezed(masked or text), panel_time=time,
        flags=(*flags, *time_flags), account=said.get("account") or None, code=said.get("code", ""),
    )  # fmt: skip
    return Matched(number, event, masked)


def _filled(template: str, groups: Mapping[str, str]) -> str:
    return _GROUP.sub(lambda name: groups[name[1]], template).strip()


def _starred(text: str, found: Any, names: Iterable[str]) -> str:
    for name in names:
        start, end = found.span(found.re.groupindex[name])  # RE2's span takes no names
        if start >= 0:
            text = text[:start] + "*" * (end - start) + text[end:]
    return text


def _state(rule: Rule) -> tuple[EventState, tuple[str, ...]]:
    if rule.action == "active":
        return "active", ()
    if rule.action == "restore":
        # "Fault over" names the point, not which of its faults: mains, battery and link are faults too
        return "restored", ("any-fault",) if rule.kind == "fault" else ()
    return "info", {"ack": ("panel-ack",), "reset": ("reset-all",)}.get(rule.action, ())


def _number(text: str) -> float | None:
    try:
        value = float(text.replace(",", ".")) if len(text) <= 20 else None
    except ValueError:
        return None
    return value if value is not None and abs(value) < 1e12 else None


def _panel_time(groups: Mapping[str, str]) -> tuple[datetime | None, tuple[str, ...]]:
    """The panel's clock as printed; None when it is no time of day and date."""
    said = {name: groups[name] for name in _TIME_GROUPS if groups.get(name)}
    if "mon" in said and said["mon"][:3].lower() in _MONTHS:
        said["mm"] = str(_MONTHS.index(said["mon"][:3].lower()) + 1)
    if not {"mm", "dd", "hh", "mi"} <= said.keys():
        return None, ()
    year = said.get("yyyy") or (f"20{said['yy']}" if "yy" in said else "")
    try:
        mm, dd, hh, mi = (int(said[name]) for name in ("mm", "dd", "hh", "mi"))
        return datetime(int(year or LEAP_YEAR), mm, dd, hh, mi, int(said.get("ss", "0"))), () if year else (NO_YEAR,)
    except (ValueError, OverflowError):
        return None, ("no-time",)
