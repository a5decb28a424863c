"""The bar of a day as figures for an SVG: what was recorded, what is missing, what was required."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from appliance.words import Words

WIDTH = 1000  # of the drawing; the SVG stretches it to its place


@dataclass(frozen=True, slots=True)
class Piece:
    """One stretch of a bar in the drawing's units. `kind` is the stylesheet's word: required, recorded, gap, now."""

    kind: str
    x: float
    width: float
    title: str = ""


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar from `begins_at` to `ends_at`; `hours` are the marks under it."""

    pieces: tuple[Piece, ...]
    begins_at: datetime
    ends_at: datetime
    hours: tuple[tuple[float, str], ...]


Span = tuple[datetime, datetime]


def bar(
    begins_at: datetime, ends_at: datetime, layers: Iterable[tuple[str, Iterable[Span]]], now: datetime, words: Words
) -> Bar:
    """Layers are drawn in order, the later over the earlier; everything is cut to the bar."""
    length_s = max((ends_at - begins_at).total_seconds(), 1.0)

    def x(at: datetime) -> float:
        return round(min(max((at - begins_at).total_seconds() / length_s, 0.0), 1.0) * WIDTH, 1)

    pieces = [
        Piece(kind, x(start), max(round(x(end) - x(start), 1), 2.0), f"{words.time(start)}–{words.time(end)}")
        for kind, spans in layers
        for start, end in spans
        if end > begins_at and start < ends_at
    ]
    if begins_at <= now <= ends_at:
        pieces.append(Piece("now", x(now), 2.0))
    step_s = _step_s(begins_at, ends_at)
    say = words.minute if step_s >= 60 else words.time
    marks = tuple((x(at), say(at)) for at in _marks(begins_at, ends_at, step_s, words))
    return Bar(tuple(pieces), begins_at, ends_at, marks)


STEPS_S = (10, 30, 60, 300, 900, 1800, 3600, 7200, 14400)


def _step_s(begins_at: datetime, ends_at: datetime) -> int:
    return next((step for step in STEPS_S if (ends_at - begins_at).total_seconds() / step <= 6), STEPS_S[-1])


def _marks(begins_at: datetime, ends_at: datetime, step_s: int, words: Words) -> list[datetime]:
    """Four to eight round times of the site's clock."""
    length_s = (ends_at - begins_at).total_seconds()
    local = words.local(begins_at)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    since_s = (local - midnight).total_seconds()
    first = midnight + timedelta(seconds=-(-since_s // step_s) * step_s)
    found = [first + timedelta(seconds=step_s * n) for n in range(12)]
    return [
        at
        for at in found
        if begins_at + timedelta(seconds=length_s * 0.02) <= at <= ends_at - timedelta(seconds=length_s * 0.04)
    ]


def joined(spans: Iterable[Span], slack_s: float = 0.1) -> list[Span]:
    """Spans that touch become one: a minute's segment ends where the next begins."""
    merged: list[Span] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1] + timedelta(seconds=slack_s):
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged
