"""Very many events, and a service that is killed again and again: none lost, none twice, all in order.

EXAMSITE_LONG=1 sends 100 000 of them; the suite sends 2 000.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from demo.panel import VirtualPanel
from tests.fakes.panel_site import panel_table, site
from tests.fakes.peer_line import PeerLine
from tests.fakes.peers.satel import Peer, record
from tests.test_watch import Site, until

LONG = os.environ.get("EXAMSITE_LONG") == "1"
EVENTS = 100_000 if LONG else 2_000
ONE_IN = 1_000 if LONG else 250  # events to a kill
LONGEST_S = 7200.0 if LONG else 240.0


@pytest.mark.timeout(LONGEST_S + 60)
def test_a_receiver_and_a_service_that_is_killed_lose_nothing_and_keep_nothing_twice(tmp_path: Path) -> None:
    panel = VirtualPanel(tmp_path / "panel", heartbeat_s=0.2, repeat_s=0.1).start()
    place = Site(site(tmp_path, panel_table(panel.link)))
    # An alarm and its end, at each of very many points: 1000 zones of 100 groups.
    sent = [("130", "active" if n % 2 == 0 else "restored", f"{n // 2 % 1000:03d}") for n in range(EVENTS)]
    codes = {"active": "E130", "restored": "R130"}
    waits = [
        panel.send(codes[state], zone, group=f"{n // 2000:02d}") for n, (_, state, zone) in enumerate(sent)
    ]
    kills = 0
    try:
        while not waits[-1].is_set():
            service = place.process("die-at-random", str(ONE_IN))
            until(lambda: waits[-1].is_set() or service.poll() is not None, LONGEST_S)  # noqa: B023
            kills += service.poll() == -signal.SIGKILL
            if service.poll() is None:
                service.terminate()
                service.wait(20)
    finally:
        panel.stop()
    try:
        assert place.events() == sent
        assert kills >= 2
        assert place.db.value("select sum(repeats) from event") >= 1  # some were on disk and said again
        doors = EVENTS // 2000  # zone 005 of each group is the site's rack door
        assert place.db.value("select count(*) from journal where kind = 'alarm.raised'") == EVENTS // 2 - doors
        assert place.db.value("select count(*) from journal where kind = 'door.opened'") == doors
        assert place.db.value("select count(*) from alarm where kind <> 'comm.loss'") == EVENTS // 2 - doors
        assert place.db.value("select count(*) from alarm where restored_at is null") == 0
        assert set(panel.counts.received) <= {0x06, 0x15}
    finally:
        place.close()


@pytest.mark.timeout(LONGEST_S + 60)
def test_a_panel_with_a_log_and_a_service_that_is_killed_lose_nothing_and_keep_nothing_twice(tmp_path: Path) -> None:
    peer = Peer()
    line = PeerLine(tmp_path / "panel", peer).start()
    place = Site(site(tmp_path, panel_table(line.link, kind="satel")))
    events = EVENTS // 10
    peer.happen(record(602, zone=0))  # what stands in the log before us is history
    kills, told = 0, 0
    try:
        while len(place.events()) <= events:
            service = place.process("die-at-random", str(ONE_IN // 5))
            while service.poll() is None and len(place.events()) <= events:
                if place.events() and told < events and len(place.events()) > told - 150:
                    for n in range(told, min(told + 50, events)):
                        peer.happen(record(301, zone=n % 120 + 1, partition=n // 120 % 8, restore=n // 960 % 2 == 1))
                    told = min(told + 50, events)
                until(lambda: service.poll() is not None or len(place.events()) > told - 100, 30)  # noqa: B023
            kills += service.poll() == -signal.SIGKILL
            if service.poll() is None:
                service.terminate()
                service.wait(20)
    finally:
        line.stop()
    try:
        kept = [(state, zone) for _, state, zone in place.events()[1:]]
        assert kept == [("restored" if n // 960 % 2 == 1 else "active", str(n % 120 + 1)) for n in range(events)]
        assert kills >= 1
        assert "events.lost" not in place.kinds()
    finally:
        place.close()
