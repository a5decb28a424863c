"""Printer ports: any fire panel that prints. A profile of the site says what its lines mean (docs/panels.md).

Passive: nothing is ever sent, and a printer that has nothing to print cannot be told from one that was unplugged,
unless the profile says how often a line must come. Without a profile every line is kept as `info.unparsed`: that is how
a strange panel is listened to before its profile is written. A line that no rule knows is kept and counted, never
dropped.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from drivers.panels import profiles
from drivers.panels.paper import REST, Lines, Printed, Records
from drivers.panels.profiles import Table
from drivers.panels.rules import RuleBook, Rules, compiled, squeezed
from drivers.panels.settings import line_from, line_settings, one_of, refuse_unknown, seconds
from drivers.types import Frame, Line, PanelEvent, Setting

LINE = Line(9600, 8, "N", 1)
ENCODINGS = ("cp866", "cp1251", "koi8-r", "latin-1", "utf-8")
UNKNOWN_LINE = "a line no rule of the profile knows"
HALF_LINE_S = 2.0  # a line that waits this long for its end gets none; XOFF pauses and slow panels are shorter
UNPARSED = "info.unparsed"
GARBLED = "not the text of a printer: wrong speed or parity?"

SETTINGS: tuple[Setting, ...] = (
    *line_settings(LINE, None),
    Setting("profile", "", "File of the panel's profile (TOML). Without it every line is info.unparsed."),
    Setting("encoding", "", f"Letters of the panel: {', '.join(ENCODINGS)}. Without it, the profile's; cp866."),
    Setting("expect_line_every_s", "0", "Seconds in which a line must come, or the link is lost. 0: the profile's; "
            "with none there the link is passive: nobody can tell silence from a cut cable."),
    Setting("silent_after_s", "0", "The same, by the name it has for other panels."),
)  # fmt: skip


def _a_pattern(text: str) -> str:
    compiled(text)
    return text


Pattern = Annotated[str, Field(min_length=1, max_length=2000), AfterValidator(_a_pattern)]


class LineTable(Table):
    """The panel's serial line, where it is not the driver's default. Settings of the site go before it."""

    baud: Annotated[int, Field(ge=50, le=4_000_000)] = LINE.baud
    bits: Literal[7, 8] = LINE.bits
    parity: Literal["N", "E", "O"] = LINE.parity
    stop: Literal[1, 2] = LINE.stop


class RecordTable(Table):
    """How lines belong together. Without it each line is a record."""

    lines: Annotated[int, Field(ge=0, le=12)] = 0
    until_blank: bool = False
    starts: Pattern | None = None
    ends: Pattern | None = None
    idle_s: Annotated[float, Field(ge=0.3, le=30)] = 0.5


class PrinterProfile(RuleBook):
    """What one make of panel prints."""

    title: str = ""
    encoding: Literal["cp866", "cp1251", "koi8-r", "latin-1", "utf-8"] = "cp866"
    eol: Annotated[tuple[Annotated[str, Field(min_length=1, max_length=4)], ...], Field(min_length=1)] = (
        "\r\n", "\r", "\n", "\f",
    )  # fmt: skip
    max_line: Annotated[int, Field(ge=20, le=4096)] = 512
    expect_line_every_s: Annotated[float, Field(ge=0, le=10**6)] = 0
    line: LineTable = LineTable()
    record: RecordTable = RecordTable()


class Printer:
    """Codec of one printing panel."""

    kind = "printer"

    def __init__(self, settings: Mapping[str, str]) -> None:
        refuse_unknown(settings, SETTINGS)
        path = settings.get("profile", "").strip()
        profile = profiles.load(path, PrinterProfile) if path else PrinterProfile()
        self.line = line_from(settings, Line(**profile.line.model_dump()))
        self.silent_after_s = _expected_s(settings, profile)
        self.unparsed = 0  # lines no rule knew
        self._rules, self._has_rules = Rules(profile.rule), bool(profile.rule)
        encoding = one_of(settings, "encoding", "", ("", *ENCODINGS)) or profile.encoding
        ends = [codecs.encode(end, "latin-1") for end in profile.eol]
        self._lines = Lines(ends, encoding, profile.max_line)
        self._encoding = encoding
        record = profile.record
        self._records = Records(record.lines, record.until_blank, _search(record.starts), _search(record.ends))
        self._idle_s = record.idle_s
        self._fed = False
        self._fed_mono_s = 0.0
        self._told: list[Frame] = []  # what a silence completed, told at the next feed

    def feed(self, data: bytes) -> list[Frame]:
        """Take bytes off the line; return what they, or a silence before them, complete. Never raises."""
        self._fed = self._fed or bool(data)
        frames, self._told = self._told, []
        for line in self._lines.feed(data) if data else ():
            frames += self._take(line)
        return frames

    def tick(self, mono_s: float) -> bytes:
        """Nothing is ever sent. A silence ends a record and, when it lasts, a half line."""
        if self._fed:
            self._fed, self._fed_mono_s = False, mono_s
            return b""
        quiet_s = mono_s - self._fed_mono_s
        if self._lines.pending and quiet_s > HALF_LINE_S:
            for line in self._lines.flush():
                self._told += self._take(line)
        if self._records.pending and not self._lines.pending and quiet_s > self._idle_s:
            self._told += [self._frame(record) for record in self._records.flush()]
        return b""

    def reset(self) -> None:
        """The line was opened again: what was begun is told as it is, for it never gets its end."""
        for line in self._lines.flush():
            self._told += self._take(line)
        self._told += [self._frame(record) for record in self._records.flush()]
        self._fed = False

    def may_send(self, data: bytes) -> bool:
        """The allow-list is empty: a printer only listens."""
        return False

    def _take(self, line: Printed) -> list[Frame]:
        if line.garbled and not line.text.strip():
            return [Frame(line.raw, fault=GARBLED)]
        return [self._frame(record) for record in self._records.take(line)]

    def _frame(self, record: Printed) -> Frame:
        """An event by the first rule that knows the record. `news`: a printer hears nothing, so the same line again was
        printed again. The rest of a line that was cut is none, or
        a tail of it could be taken for a fire."""
        matched = None if REST in record.flags else self._rules.match(record.text)
        if matched is None:
            self.unparsed += 1
            event = PanelEvent(UNPARSED, "info", text=squeezed(record.text), raw=record.raw, flags=record.flags)
            fault = GARBLED if record.garbled else UNKNOWN_LINE if self._has_rules else None
            return Frame(record.raw, (event,), alive=not record.garbled, fault=fault, news=True)
        raw = record.raw if matched.masked is None else matched.masked.encode(self._encoding, "replace")
        event = replace(matched.event, raw=raw, flags=(*matched.event.flags, *record.flags))
        return Frame(raw, (event,), alive=True, news=True)


def _search(pattern: str | None) -> Callable[[str], object] | None:
    return None if pattern is None else compiled(pattern).search


def _expected_s(settings: Mapping[str, str], profile: PrinterProfile) -> float | None:
    """Seconds until the link is lost with no line; None: passive. 0 in a setting leaves it to the profile."""
    names = [name for name in ("expect_line_every_s", "silent_after_s") if settings.get(name, "0").strip() != "0"]
    return seconds(settings, names[0], 0) if names else profile.expect_line_every_s or None
