"""The event stream: what changed is told at once and by topic, beats keep coming, places are counted and given back."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from appliance import health, orders, store
from appliance.model import Role
from tests.fakes.seeded_site import RACK, WINDOW, Site
from tests.fakes.visitor import Visitor
from web import STREAMS, THREADS, live
from web.context import House
from web.feed import TOPICS

pytest_plugins = ["tests.web_fixtures"]
Visit = Callable[[Role], Visitor]


@pytest.fixture
def house(app: Flask) -> Iterator[House]:
    found: House = app.extensions["examsite"]
    yield found
    found.stop.set()


def events(answer: TestResponse) -> Iterator[tuple[str, str, dict[str, object]]]:
    """(id, name, data) of each event, as a browser reads them."""
    for chunk in answer.iter_encoded():
        fields = dict(line.split(": ", 1) for line in chunk.decode().strip().splitlines())
        yield fields["id"], fields["event"], json.loads(fields["data"])


def listen(visitor: Visitor, **headers: str) -> TestResponse:
    answer = visitor.client.get("/live", headers=headers, buffered=False)
    assert answer.status_code == 200
    assert answer.mimetype == "text/event-stream"
    return answer


def wait_for(stream: Iterator[tuple[str, str, dict[str, object]]], topic: str) -> tuple[str, dict[str, object]]:
    for number, name, data in stream:
        if name == "change" and topic in data["topics"]:  # type: ignore[operator]
            return number, data
    raise AssertionError("the stream ended")


def test_a_stream_greets_with_the_clock_of_the_site(house: House, visit: Visit) -> None:
    with closing(listen(visit(Role.SECURITY))) as answer:
        _, name, data = next(events(answer))
    assert (name, data) == ("beat", {"clock": "11:41:07"})


def test_an_alarm_is_told_with_its_topics(house: House, site: Site, visit: Visit) -> None:
    with closing(listen(visit(Role.SECURITY))) as answer:
        stream = events(answer)
        next(stream)
        site.say(WINDOW)
        _, data = wait_for(stream, "alarms")
    assert set(data["topics"]) == {"alarms", "journal"}  # type: ignore[call-overload]


def test_heartbeats_of_services_are_no_news(
    house: House, site: Site, visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "BEAT_S", 0.5)
    with closing(listen(visit(Role.SECURITY))) as answer:
        stream = events(answer)
        next(stream)
        health.beat(site.db, site.clock, "recorder")
        assert next(stream)[1] == "beat"


def test_every_topic_has_a_working_fingerprint(site: Site) -> None:
    assert {topic: site.db.value(sql) for topic, sql in TOPICS.items()}.keys() == TOPICS.keys()
    before = site.db.value(TOPICS["orders"])
    orders.place(site.db, site.clock, "checks", {}, site.people[Role.TECHNICIAN])
    assert site.db.value(TOPICS["orders"]) != before


def test_a_stream_that_comes_back_is_told_what_it_missed(house: House, site: Site, visit: Visit) -> None:
    guard = visit(Role.SECURITY)
    with closing(listen(guard)) as answer:
        stream = events(answer)
        next(stream)
        site.say(WINDOW)
        last, _ = wait_for(stream, "alarms")
    site.say(RACK)
    with closing(listen(guard, **{"Last-Event-ID": last})) as answer:
        _, data = wait_for(events(answer), "journal")
    assert "journal" in data["topics"]  # type: ignore[operator]


@pytest.mark.parametrize("last", ["", "other-7", "broken", "-", "x-99999999999999999999"])
def test_an_unknown_number_begins_afresh(house: House, visit: Visit, last: str) -> None:
    with closing(listen(visit(Role.SECURITY), **{"Last-Event-ID": last})) as answer:
        assert next(events(answer))[1] == "beat"


def test_ordinary_requests_always_have_threads_left(house: House, visit: Visit) -> None:
    assert THREADS - STREAMS >= 8
    guard = visit(Role.SECURITY)
    open_streams = [listen(guard) for _ in range(STREAMS)]
    refused = guard.get("/live")
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "30")
    open_streams.pop().close()
    with closing(listen(guard)) as answer:
        assert next(events(answer))[1] == "beat"
    for stream in open_streams:
        stream.close()


def test_a_stream_ends_after_its_time(house: House, site: Site, visit: Visit) -> None:
    with closing(listen(visit(Role.SECURITY))) as answer:
        stream = events(answer)
        next(stream)
        site.clock.advance(live.STREAM_LIFE_S + 1)
        assert list(stream) == []


def test_streams_end_when_the_service_is_told_to_go(house: House, visit: Visit) -> None:
    with closing(listen(visit(Role.SECURITY))) as answer:
        stream = events(answer)
        next(stream)
        threading.Timer(0.2, house.stop.set).start()
        assert [name for _, name, _ in stream if name != "beat"] == []


def test_a_feed_that_lost_more_than_it_remembers_names_every_topic(house: House, site: Site) -> None:
    assert house.feed.enter()
    with store.transaction(site.db):
        site.db.write("update exam set title = 'first'")
    house.feed.wait(0, 5.0)
    with house.feed._news:
        house.feed._changes.clear()
        house.feed._changes.append((house.feed._number + 3, frozenset({"exams"})))
        house.feed._number += 3
    assert house.feed.wait(1, 0.1)[1] == frozenset(TOPICS)
    house.feed.leave()


def test_a_fragment_is_the_live_part_alone(visit: Visit) -> None:
    guard = visit(Role.SECURITY)
    fragment = guard.get("/alarms?fragment=1").text
    assert "<nav" not in fragment
    assert "<html" not in fragment
    assert [f'id="{part}"' in fragment for part in ("strip", "worst", "live", "links")] == [True] * 4
    assert "<title>" in fragment


def test_a_fragment_for_nobody_is_no_page(app: Flask) -> None:
    assert app.test_client().get("/alarms?fragment=1").status_code == 401
