"""Whose turn it is among the modules of one line: each as often as the others, one that is lost only now and then.

A module that waits out its time limit in every round would make the others' readings too rare: an intrusion may be as
short as 0.4 s (panels.md 10).
"""

from __future__ import annotations

from collections.abc import Sequence

SELDOM_S = 15.0  # how often a module that is lost is asked, where there are others


class Rota:
    """Turns of `count` modules, each every `poll_s`. No clock: the caller says what time it is."""

    def __init__(self, count: int, poll_s: float) -> None:
        self._count, self._poll_s = count, poll_s
        self._last = count - 1
        self._asked_s = [float("-inf")] * count

    def turn(self, mono_s: float, lost: Sequence[bool]) -> int | None:
        """The module to ask now; None while everyone was asked lately."""
        for step in range(1, self._count + 1):
            each = (self._last + step) % self._count
            wait_s = SELDOM_S if lost[each] and self._count > 1 else self._poll_s
            if mono_s - self._asked_s[each] >= wait_s:
                self._last, self._asked_s[each] = each, mono_s
                return each
        return None

    def reset(self) -> None:
        """Everyone anew, from the first."""
        self._last = self._count - 1
        self._asked_s = [float("-inf")] * self._count
