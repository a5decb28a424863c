"""The event stream: tells open pages what kind of thing changed, so that they fetch their live part again.

One thread (web/feed.py) watches the store for all streams; a stream carries no content, only topic names and the box's
clock. Beats come every 2 s, so a page knows within 5 s that the box is gone.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from flask import Blueprint, Response, request

from appliance.words import Words
from web import context
from web.feed import BEAT_S
from web.rights import needs

STREAM_LIFE_S = 300.0  # then the browser reconnects with Last-Event-ID; no stream outlives its session for long

views = Blueprint("live", __name__)


@views.get("/live")
@needs("self.use")
def live() -> Response:
    """The stream of one page; 503 when all places are taken, then the page asks every few seconds instead."""
    house, say = context.house(), context.words()
    if not house.feed.enter():
        return Response("", 503, {"Retry-After": "30"})
    life, _, number = request.headers.get("Last-Event-ID", "").partition("-")
    resumed = life == house.feed.life and number.isdecimal()
    stream = _Stream(house, say, int(number) if resumed else house.feed.number, greet=not resumed)
    response = Response(stream, mimetype="text/event-stream")
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Accel-Buffering"] = "no"
    return response


class _Stream:
    """The bytes of one stream. A class, not a generator: `close` gives the place back even if nothing was ever read."""

    def __init__(self, house: context.House, say: Words, after: int, *, greet: bool) -> None:
        self._house, self._say, self._after = house, say, after
        self._ends_s = house.clock.mono_s() + STREAM_LIFE_S
        self._greeting = greet
        self._open = True

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if self._house.stop.is_set() or self._house.clock.mono_s() > self._ends_s:
            self.close()
            raise StopIteration
        if self._greeting:
            self._greeting = False
            return "retry: 1000\n" + self._event("beat", {})
        self._after, topics = self._house.feed.wait(self._after, BEAT_S)
        return self._event("change", {"topics": sorted(topics)}) if topics else self._event("beat", {})

    def _event(self, name: str, data: dict[str, object]) -> str:
        clock = self._say.time(self._house.clock.now())
        number = f"{self._house.feed.life}-{self._after}"
        return f"id: {number}\nevent: {name}\ndata: {json.dumps({**data, 'clock': clock})}\n\n"

    def close(self) -> None:
        if self._open:
            self._open = False
            self._house.feed.leave()
