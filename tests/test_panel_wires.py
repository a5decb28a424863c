"""Each panel driver over each faulty wire: every event once, in order, and nothing that was not sent."""

from __future__ import annotations

import pytest

from demo.panel import HEARTBEAT, event_frame
from drivers.panels import open_panel
from tests.fakes.wire import WIRES, Clean, converse

DC4 = b"\x14"
DAY = ["fire", "fire-restored", "mains-lost", "mains-back", "duress", "disarm", "door-opened", "door-closed", "arm"]


def frames(names: list[str]) -> list[bytes]:
    return [event_frame(name, zone="007") + DC4 for name in names]


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("wire", WIRES)
def test_it_reports_a_fire_once(wire: type[Clean], seed: int) -> None:
    codec = open_panel("surgard", {"account_digits": "4"})
    said = converse(codec, wire(seed), frames(["fire"]))
    alarms = [(e.kind, e.state, e.zone, e.account) for e in said if e.state != "info"]
    assert alarms == [("fire.alarm", "active", "007", "1234")]


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("wire", WIRES)
def test_a_whole_day_arrives_in_order_and_nothing_else_does(wire: type[Clean], seed: int) -> None:
    codec = open_panel("surgard", {"account_digits": "4"})
    heartbeat = HEARTBEAT + DC4
    sent = [piece for frame in frames(DAY) for piece in (heartbeat, frame)]
    said = [(e.code, e.state) for e in converse(codec, wire(seed), sent) if e.kind != "info.unparsed"]
    perfect = open_panel("surgard", {})
    expected = [(e.code, e.state) for frame in sent for made in perfect.feed(frame) for e in made.events]
    assert said == expected
