"""What a printer port says, put back together as on paper: lines out of bytes, records out of lines.

No clock: the caller says when the line has been silent. Nothing is dropped: a line that is too long comes in pieces, a
half line comes as it is. Only what a printer would not show is: control characters, printer commands, a line printed
over itself for bold.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from drivers.panels.rules import LONGEST_LINE, LONGEST_RECORD

CUT = "cut"  # flag: the first piece of a line longer than the profile's max_line
REST = "rest"  # flag: what follows it
HALF = "half"  # flag: a line that never got its end
MOST_LINES = 12  # of one record; what goes on is the next one
# ESC/P and ANSI commands; a one-byte parameter is a control character or a digit, so that no letter of a text is eaten
_COMMAND = re.compile(rb"\x1b(?:\[[0-?]{0,16}[ -/]{0,4}[@-~]|[!\-3ACJQRSUWaklprtwx][\x00-\x1f0-9]|[\x20-\x7e])")
# NUL, BEL, BS, FF, SI, SO, DC1-DC4 and ESC are a printer's daily bread; other control characters are a wrong speed
_STRANGE = re.compile(r"[\x01-\x06\x0b\x10\x15-\x1a\x1c-\x1e\x7f-\x9f\ufffd]")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True)
class Printed:
    """A line, or a record of several: its bytes as they came, its text, and what is to be known about it."""

    raw: bytes
    text: str
    flags: tuple[str, ...] = ()
    garbled: bool = False  # holds what no printer prints: not the text of a panel at the right speed


class Lines:
    """Lines out of bytes. `ends`: what ends a line; CR and CR LF may stand together, whatever comes first."""

    def __init__(self, ends: Iterable[bytes], encoding: str, max_line: int) -> None:
        self._ends = sorted(ends, key=len, reverse=True)
        self._end = re.compile(b"|".join(re.escape(end) for end in self._ends))
        self._encoding, self._max_line = encoding, max_line
        self._buffer = b""
        self._may_follow: tuple[bytes, ...] = ()  # the rest of a longer end, when its shorter form has ended a line
        self._cut = False  # the buffer goes on with a line whose beginning was given out
        self._over = b""  # the line before, when a bare CR ended it: the same again is bold print

    @property
    def pending(self) -> bool:
        return bool(self._buffer)

    def feed(self, data: bytes) -> list[Printed]:
        """The lines these bytes complete; an empty one has no text."""
        self._buffer += data
        lines: list[Printed] = []
        while True:
            self._skip_rest_of_end()
            found = self._end.search(self._buffer, 0, self._max_line + 2)
            if found is None and len(self._buffer) <= self._max_line:
                return lines
            if found is None:
                raw, self._buffer = self._buffer[: self._max_line], self._buffer[self._max_line :]
                lines.append(self._line(raw, (REST,) if self._cut else (CUT,)))
                self._cut, self._over = True, b""
                continue
            raw, end, self._buffer = self._buffer[: found.start()], found[0], self._buffer[found.end() :]
            self._may_follow = tuple(e[len(end) :] for e in self._ends if e != end and e.startswith(end))
            printed_over = bool(raw) and raw == self._over
            self._over = raw if end == b"\r" else b""
            if not printed_over:
                lines.append(self._line(raw, (REST,) if self._cut else ()))
            self._cut = False

    def flush(self) -> list[Printed]:
        """The half line that waits, after a silence."""
        raw, self._buffer, flags = self._buffer, b"", (REST,) if self._cut else (HALF,)
        self._cut, self._over, self._may_follow = False, b"", ()
        return [self._line(raw, flags)] if raw else []

    def _skip_rest_of_end(self) -> None:
        if self._buffer and self._may_follow:
            for rest in self._may_follow:
                if self._buffer.startswith(rest):
                    self._buffer = self._buffer[len(rest) :]
                    self._over = b""
                    break
            self._may_follow = ()

    def _line(self, raw: bytes, flags: tuple[str, ...]) -> Printed:
        decoded = _COMMAND.sub(b"", raw).decode(self._encoding, "replace")
        text = _CONTROL.sub("", decoded).replace("\N{NO-BREAK SPACE}", " ")
        return Printed(raw, text[:LONGEST_LINE].rstrip(), flags, _STRANGE.search(decoded) is not None)


class Records:
    """Records out of lines: `lines` of them, or until a blank one, or until one that `ends`; begun by one that
    `starts`. With none of these each line is a record. A pause ends a record in any case (the caller says so)."""

    def __init__(
        self, lines: int = 0, until_blank: bool = False, starts: Callable[[str], object] | None = None,
        ends: Callable[[str], object] | None = None,
    ) -> None:  # fmt: skip
        self._lines, self._until_blank, self._starts, self._ends = lines, until_blank, starts, ends
        self._open: list[Printed] = []

    @property
    def pending(self) -> bool:
        return bool(self._open)

    def take(self, line: Printed) -> list[Printed]:
        """The records this line completes."""
        if not line.text.strip():
            return self.flush() if self._until_blank else []
        begins = self._starts is None or bool(self._starts(line.text))
        done = self.flush() if self._starts is not None and begins else []
        if not begins and not self._open:
            return [*done, line]  # outside any record: a line of its own
        self._open.append(line)
        return [*done, *self.flush()] if self._complete(line) else done

    def flush(self) -> list[Printed]:
        """The record that is open, as it is."""
        lines, self._open = self._open, []
        return [joined(lines)] if lines else []

    def _complete(self, line: Printed) -> bool:
        if len(self._open) >= MOST_LINES or not (self._lines or self._until_blank or self._starts or self._ends):
            return True
        return len(self._open) == self._lines or bool(self._ends and self._ends(line.text))


def joined(lines: Sequence[Printed]) -> Printed:
    """Several lines as one record: their texts with a line feed between."""
    flags = dict.fromkeys(flag for line in lines for flag in line.flags)
    text = "\n".join(line.text for line in lines)[:LONGEST_RECORD]
    return Printed(b"\n".join(line.raw for line in lines), text, tuple(flags), any(line.garbled for line in lines))
