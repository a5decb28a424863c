"""Each panel driver over each faulty wire: every event once, in order, and nothing that was not sent."""

from __future__ import annotations

import pytest

from demo.panel import HEARTBEAT, event_frame
from drivers.panels import kinds, open_panel
from tests.fakes.panel_kinds import TRIALS, Trial
from tests.fakes.wire import ASKED, WIRES, Clean, Conversation, converse

DC4 = b"\x14"
DAY = ["fire", "fire-restored", "mains-lost", "mains-back", "duress", "disarm", "door-opened", "door-closed", "arm"]
TALKERS = {"surgard", "espa", "printer", "gpio"}  # they speak first; surgard is below, the others in files of their own


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


def test_every_kind_is_tried_over_the_wires() -> None:
    assert {kind.name for kind in kinds()} <= TALKERS | set(TRIALS)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("wire", ASKED)
@pytest.mark.parametrize("kind", TRIALS)
def test_a_panel_that_is_asked_tells_what_happens_at_it_once_and_nothing_else(
    kind: str, wire: type[Clean], seed: int
) -> None:
    trial: Trial = TRIALS[kind]
    talk = Conversation(open_panel(kind, trial.settings), trial.peer(), wire(seed))
    talk.run(10)
    expected = []
    for act, told in trial.acts:
        act(talk.peer)
        expected.append(told)
        talk.run_until(lambda: len(talk.told) >= len(expected), longest_s=240)
        talk.run(10)
        assert talk.told == expected
    assert talk.alive
