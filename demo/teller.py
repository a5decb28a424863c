"""What the demo says on the terminal: a progress view where there is a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import datetime

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from appliance.clock import SystemClock
from appliance.journal import Entry
from appliance.words import Words
from demo.steps import Step


class Teller:
    """Says where the day is. Plain lines go to standard output one by one, so that a log of them reads as a story."""

    def __init__(self, words: Words, steps: Sequence[Step] = ()) -> None:
        self.words, self.steps = words, steps
        self._console = Console()
        self._live: Live | None = None
        self._heading: tuple[str, datetime | None] = ("", None)

    def say(self, text: str, **args: object) -> None:
        """One line."""
        self._line(self.words.say(text, **args))

    def _line(self, line: str) -> None:
        if self._live is not None:
            self._live.console.print(line)
        else:
            print(line, flush=True)

    def watch(self, steps: Sequence[Step]) -> None:
        """Begin to show the steps; on a terminal they are drawn in place."""
        self.steps = steps
        if sys.stdout.isatty():
            self._live = Live(console=self._console, refresh_per_second=4, get_renderable=self._picture)
            self._live.start()

    def end(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def held(self, step: Step, entry: Entry) -> None:
        """A step is done."""
        if self._live is None:
            self._line(f"{self.words.time(entry.at)}  {self.words.say(step.text)}")

    def tick(self, heading: tuple[str, datetime | None]) -> None:
        """What comes next, and when."""
        self._heading = heading

    def _picture(self) -> Group:
        table = Table.grid(padding=(0, 2))
        for step in self.steps:
            done = step.held_at is not None
            table.add_row(
                Text("✓" if done else "·", style="bold" if done else "dim"),
                Text(self.words.time(step.held_at) if step.held_at else "", style="dim"),
                Text(self.words.say(step.text), style="" if done else "dim"),
            )
        text, at = self._heading
        next_ = Text(self.words.say(text) if text else "", style="bold")
        if at is not None:
            left_s = max(0.0, (at - SystemClock().now()).total_seconds())
            next_.append(f" — {self.words.time(at)}, {self.words.span(round(left_s))}", style="bold")
        return Group(Text(""), table, Text(""), next_)
