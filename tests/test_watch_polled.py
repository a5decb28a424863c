"""The watch service with panels that are asked, panels with a log, and lines that cannot tell whether anybody lives."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance import alarm_board, alarms, journal, links, store
from appliance.clock import SystemClock
from drivers.panels.pace import Pace
from drivers.panels.satel import Satel
from drivers.types import Frame, PanelEvent
from tests.fakes.panel_kinds import TRIALS, codec_of
from tests.fakes.panel_site import database, fake_clock, panel_table, site
from tests.fakes.peer_line import PeerLine
from tests.fakes.peers.satel import Peer, record
from tests.test_watch import Site, until


@pytest.fixture
def line(tmp_path: Path) -> Iterator[PeerLine]:
    line = PeerLine(tmp_path / "panel", Peer()).start()
    yield line
    line.stop()
    codec = Satel({})
    assert all(codec.may_send(piece + b"\xfe\x0d") for piece in bytes(line.received).split(b"\xfe\x0d")[:-1])


@pytest.fixture
def place(tmp_path: Path, line: PeerLine) -> Iterator[Site]:
    place = Site(site(tmp_path, panel_table(line.link, kind="satel", silent_after_s=3.0)))
    yield place
    place.close()


def board(place: Site) -> alarm_board.Board:
    return alarms.board(place.db, place.config, SystemClock().now())


def peer_of(line: PeerLine) -> Peer:
    assert isinstance(line.peer, Peer)
    return line.peer


def test_a_polled_panel_is_heard_and_a_state_becomes_an_alarm_and_ends(line: PeerLine, place: Site) -> None:
    place.watch()
    until(lambda: place.link() == "heard")
    peer_of(line).put(0x14, 3)
    until(lambda: board(place).alarms)
    assert [alarm.group.name for alarm in board(place).alarms] == ["fire"]
    peer_of(line).put(0x14)
    until(lambda: board(place).alarms[0].state == "cleared")
    assert [entry.kind for entry in journal.entries(place.db) if entry.kind.startswith("alarm.")] == [
        "alarm.raised", "alarm.restored",
    ]  # fmt: skip


def test_what_stands_at_a_new_start_is_not_raised_again_and_what_ended_meanwhile_is_over(
    line: PeerLine, place: Site
) -> None:
    place.watch()
    peer_of(line).put(0x14, 3)
    peer_of(line).put(0x01, 5, 6)
    until(lambda: len(board(place).alarms) == 3)
    place.stop()
    peer_of(line).put(0x01, 5)
    place.watch()
    until(lambda: place.link() == "heard")
    until(lambda: sum(alarm.state == "cleared" for alarm in board(place).alarms) == 1)
    assert [(a.kind, a.state, a.count) for a in board(place).alarms if a.state != "cleared"] == [
        ("fire.alarm", "unacknowledged", 1), ("tamper", "unacknowledged", 1),
    ]  # fmt: skip


def test_records_of_the_log_written_while_we_were_away_are_kept_once_in_order(line: PeerLine, place: Site) -> None:
    peer_of(line).happen(record(602, zone=0))
    place.watch()
    until(lambda: place.events())
    peer_of(line).happen(record(301, zone=0))
    until(lambda: len(place.events()) == 2)
    place.stop()
    peer_of(line).happen(record(301, zone=0, restore=True))
    peer_of(line).happen(record(302, zone=0))
    place.watch()
    until(lambda: len(place.events()) == 4)
    assert [(code, state) for code, state, _ in place.events()] == [
        ("602", "info"), ("301", "active"), ("301", "restored"), ("302", "active"),
    ]  # fmt: skip


def test_a_dead_panel_goes_stale_and_its_outage_is_journalled_with_its_length(line: PeerLine, place: Site) -> None:
    place.watch()
    peer_of(line).put(0x14, 3)
    until(lambda: board(place).alarms and place.link() == "heard")
    peer_of(line).dead = True
    until(lambda: place.link() == "silent")
    assert {alarm.kind: alarm.stale for alarm in board(place).alarms} == {"fire.alarm": True, "comm.loss": False}
    peer_of(line).put(0x14)
    peer_of(line).dead = False
    until(lambda: place.link() == "heard")
    (back,) = journal.entries(place.db, kinds=["panel.heard"])
    assert back.data["silent_ms"] >= 3000
    until(lambda: all(alarm.state == "cleared" for alarm in board(place).alarms))
    assert place.kinds().count("alarm.raised") == 1


def test_a_panel_that_is_back_is_heard_only_when_its_whole_state_was_read_anew(line: PeerLine, place: Site) -> None:
    place.watch()
    until(lambda: place.link() == "heard")
    peer_of(line).dead = True
    until(lambda: place.link() == "silent")
    peer_of(line).only, peer_of(line).dead = {0x7F, 0x8C}, False
    asked = len(peer_of(line).received)
    until(lambda: [request[2] for request in peer_of(line).received[asked:]].count(0x7F) >= 2)
    assert place.link() == "silent"
    peer_of(line).only = None
    until(lambda: place.link() == "heard")


def test_an_adapter_put_back_as_another_device_is_heard_again(line: PeerLine, place: Site) -> None:
    place.watch()
    until(lambda: place.link() == "heard")
    first = line.device()
    line.unplug()
    until(lambda: place.link() == "unplugged")
    other = os.openpty()  # another adapter is put in first
    line.replug()
    assert line.device() != first
    until(lambda: place.link() == "heard")
    for end in other:
        os.close(end)


def test_an_overwritten_log_is_journalled_as_lost_events(line: PeerLine, place: Site) -> None:
    peer_of(line).happen(record(602, zone=0))
    place.watch()
    until(lambda: place.events())
    place.stop()
    peer_of(line).log.clear()
    peer_of(line).happen(record(301, zone=0))
    place.watch()
    until(lambda: "events.lost" in place.kinds())
    (lost,) = journal.entries(place.db, kinds=["events.lost"])
    assert lost.data["lost"]["text"] == "how many nobody knows"


# -- the books, without a line


def test_history_is_kept_and_raises_nothing(tmp_path: Path) -> None:
    config = site(tmp_path)
    db = database(config)
    old = PanelEvent("fire.alarm", "active", zone="001", raw=b"old", flags=("history", "log"))
    with store.transaction(db):
        alarms.record(db, config, "security", Frame(b"old", (old,), news=True), fake_clock())
    assert alarms.board(db, config, fake_clock().now()).alarms == ()
    assert alarms.newest_of_log(db, "security") == b"old"


def test_a_known_number_of_lost_events_is_said(tmp_path: Path) -> None:
    config = site(tmp_path)
    db = database(config)
    with store.transaction(db):
        gone = PanelEvent("info", "info", value=12.0, text="Events lost", flags=("events-lost",))
        alarms.record(db, config, "security", Frame(b"", (gone,), news=True), fake_clock())
    (lost,) = journal.entries(db, kinds=["events.lost"])
    assert lost.data["lost"] == 12


def test_a_passive_line_is_open_and_never_called_heard(tmp_path: Path) -> None:
    config = site(tmp_path)
    db, clock = database(config), fake_clock()
    with store.transaction(db):
        links.passive(db, config, "security", clock)
    clock.advance(3600)
    with store.transaction(db):
        links.heard(db, config, "security", clock, passive=True)
    found = alarms.board(db, config, clock.now())
    assert (found.heard, found.passive, found.links[0].state) == (0, 1, "passive")
    assert found.links[0].quiet_s == 0


def test_a_passive_line_that_was_pulled_out_is_an_alarm_and_its_outage_is_counted_from_the_pulling(
    tmp_path: Path,
) -> None:
    config = site(tmp_path)
    db, clock = database(config), fake_clock()
    with store.transaction(db):
        links.heard(db, config, "security", clock, passive=True)
    clock.advance(7200)
    with store.transaction(db):
        links.lost(db, config, "security", "unplugged", links.trouble("gone"), clock)
    clock.advance(60)
    with store.transaction(db):
        assert links.passive(db, config, "security", clock)
    (back,) = journal.entries(db, kinds=["panel.heard"])
    assert back.data["silent_ms"] == 60_000
    assert [link.state for link in alarms.board(db, config, clock.now()).links] == ["passive"]


def test_two_changes_without_bytes_of_their_own_are_two_changes(tmp_path: Path) -> None:
    config = site(tmp_path)
    db, clock = database(config), fake_clock()
    with store.transaction(db):
        for zone in ("7", "8"):
            alarms.record(db, config, "security", Frame(b"", (PanelEvent("tamper", "active", zone=zone),)), clock)
    assert len(alarms.board(db, config, clock.now()).alarms) == 2


def test_a_violated_zone_is_no_alarm_but_a_watched_door_is_an_entry(tmp_path: Path) -> None:
    config = site(tmp_path)
    db, clock = database(config), fake_clock()
    with store.transaction(db):
        for zone in ("009", "005"):
            said = PanelEvent("zone.open", "active", zone=zone, raw=zone.encode(), flags=("status",))
            alarms.record(db, config, "security", Frame(b"", (said,), news=True), clock)
    assert alarms.board(db, config, clock.now()).alarms == ()
    assert [entry.kind for entry in journal.entries(db)] == ["door.opened"]


class _Chatty(Satel):
    """Wants to say something whenever it is asked."""

    def tick(self, mono_s: float) -> bytes:
        return b"x"


def test_no_codec_can_flood_a_line() -> None:
    pace, codec = Pace(gap_s=0.25), _Chatty({})
    sent = sum(bool(pace.poll(codec, at / 8)) for at in range(80))
    assert sent == 40
    assert pace.wait_s(9.875, 0.5) == 0.125
    assert pace.wait_s(50.0, 0.5) == 0.5


@pytest.mark.parametrize("kind", TRIALS)
def test_a_panel_that_is_asked_counts_as_lost_after_30_s_at_most(kind: str) -> None:
    silent_after_s = codec_of(kind).silent_after_s
    assert silent_after_s is not None
    assert silent_after_s <= 30
