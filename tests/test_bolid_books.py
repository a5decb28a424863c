"""Bolid's events in our books: on disk before acknowledged, each once over kills, and nothing restored unread."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from appliance import alarms, store
from appliance.clock import FakeClock
from appliance.config import Config
from appliance.store import Database
from drivers.panels.bolid import Bolid
from tests.fakes.panel_site import database, fake_clock, guard, site
from tests.fakes.peers.bolid import Peer, record

EVENTS = 100_000 if os.environ.get("EXAMSITE_LONG") == "1" else 600
PANEL = "security"


class Killed(Exception):
    """The power goes."""


class Books:
    """The watch's order of things, with a power cut wherever `luck` says: frame on disk, then its reply."""

    def __init__(self, folder: Path) -> None:
        self.config: Config = site(folder)
        self.db: Database = database(self.config)
        self.clock: FakeClock = fake_clock()
        self.peer = Peer()
        self.mono_s = 0.0
        self.start()

    def start(self) -> None:
        self.codec = Bolid({})
        self.codec.resume(alarms.newest_of_log(self.db, PANEL), alarms.active_points(self.db, PANEL))

    def run(self, seconds: float, luck: random.Random | None = None) -> None:
        ends = self.mono_s + seconds
        while self.mono_s < ends:
            asked = self.codec.tick(self.mono_s)
            while asked:
                heard, asked = self.peer.answer(asked), b""
                for frame in self.codec.feed(heard) if heard else []:
                    if luck and luck.random() < 0.05:
                        raise Killed
                    with store.transaction(self.db):
                        alarms.record(self.db, self.config, PANEL, frame, self.clock)
                    if luck and frame.reply and luck.random() < 0.1:
                        raise Killed
                    asked = frame.reply
                asked = asked or self.codec.tick(self.mono_s)
            self.mono_s += 0.05
            self.clock.advance(0.05)

    def standing(self) -> list[tuple[str, str, str | None]]:
        rows = self.db.rows("select kind, zone, acknowledged_by from alarm where restored_at is null order by id")
        return [(row["kind"], row["zone"], row["acknowledged_by"]) for row in rows]

    def count(self, table: str) -> int:
        return int(self.db.value(f"select count(*) from {table}"))


@pytest.fixture
def books(tmp_path: Path) -> Books:
    return Books(tmp_path)


def test_no_event_is_lost_or_doubled_over_kills_between_disk_and_acknowledgement(books: Books) -> None:
    luck = random.Random(4)
    numbers = [number % 0x10000 for number in range(65_000, 65_000 + EVENTS)]
    waiting = [record(n, luck.choice((128, 34, 28)), relay=2, time=bytes((n % 24, 5, 9, 22, 11, 26))) for n in numbers]
    kills = 0
    while waiting or books.peer.queue:
        room = 256 - len(books.peer.queue)  # what the panel's own queue holds
        books.peer.queue, waiting = books.peer.queue + waiting[:room], waiting[room:]
        try:
            books.run(10.0, luck)
        except Killed:
            kills += 1
            books.start()
    rows = books.db.rows("select raw from event where flags like '%log%' order by id")
    kept = [bytes.fromhex(row["raw"]) for row in rows]
    assert [int.from_bytes(raw[3:5], "big") for raw in kept] == numbers
    assert books.peer.acknowledged[-1] == numbers[-1]
    assert kills > 10
    assert books.db.value("select count(*) from journal where kind = 'events.lost'") == 0


def test_a_restart_of_ours_changes_nothing_that_stands(books: Books) -> None:
    person = guard(books.db, books.config, "guard", "Guard")
    books.peer.states[3] = [37, 45, 24]
    books.run(6.0)
    assert books.standing() == [("fire.alarm", "3", None), ("fault", "3", None)]
    alarms.acknowledge(books.db, books.config, books.clock, 1, person, "looking")
    before = (books.count("alarm"), books.count("journal"))
    books.start()
    books.run(12.0)
    assert books.standing() == [("fire.alarm", "3", "guard"), ("fault", "3", None)]
    assert books.count("alarm") == before[0]
    entries = [row["kind"] for row in books.db.rows("select kind from journal where seq > ?", (before[1],))]
    assert set(entries) <= {"panel.event"}  # what panel it is, once at each beginning
    assert len(entries) == 2


def test_what_ended_while_we_were_away_is_over_after_the_whole_state_was_read(books: Books) -> None:
    books.peer.queue = [record(1, 37, zone=3, partition=1), record(2, 46, zone=4, partition=1)]
    books.peer.states[3], books.peer.states[4] = [37, 24], [46, 24]
    books.run(6.0)
    assert [kind for kind, _, _ in books.standing()] == ["fire.alarm", "fault"]
    books.start()
    books.peer.states[3] = [24, 188]
    books.peer.busy = 10_000
    books.run(6.0)
    assert len(books.standing()) == 2  # nothing is called over before it is read
    books.peer.busy = 0
    books.run(9.0)
    assert books.standing() == [("fault", "4", None)]


def test_an_event_and_the_states_make_one_alarm(books: Books) -> None:
    books.run(6.0)
    books.peer.states[5] = [37, 24]  # read before the event is
    books.run(6.0)
    books.peer.queue = [record(1, 37, zone=5, partition=2)]
    books.run(6.0)
    assert books.standing() == [("fire.alarm", "5", None)]
    books.peer.states[5] = [109, 188]
    books.run(6.0)
    assert books.standing() == []


def test_arming_of_partitions_is_journalled_when_it_changes(books: Books) -> None:
    books.peer.partitions = {1: 241}
    books.run(12.0)
    said = "select count(*) from event where kind in ('arm', 'disarm') and zone is null"
    assert books.db.value(said) == 1
    books.start()
    books.run(12.0)
    assert books.db.value(said) == 1
    books.peer.partitions = {1: 242}
    books.run(6.0)
    assert books.db.value(said) == 2
