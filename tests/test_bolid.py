"""Bolid С2000-ПП: the given vectors, the queue and its acknowledgements, states as truth, old firmware, shadow."""

from __future__ import annotations

import os
import random
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.commands.panel import event_as_json
from appliance.words import Words
from drivers.panels import SettingError, open_panel
from drivers.panels.bolid import Bolid
from drivers.panels.bolid_codes import CODES, meaning
from drivers.panels.bolid_record import parse
from drivers.types import Frame, PanelEvent
from tests.fakes.peers.bolid import Peer, record
from tests.fakes.peers.contacts_modbus import crc
from tests.vectors.bolid import ACK, B1, B4, B7, VECTORS
from tests.vectors.dcon import Vector

LONG = os.environ.get("EXAMSITE_LONG") == "1"
RANDOM_BYTES = 10_000_000 if LONG else 400_000
WRITABLE = {46163, 46176, 46179, 46181}


class Talk:
    """A codec and a panel on one line, in time that does not pass by itself."""

    def __init__(self, peer: Peer, **settings: str) -> None:
        self.codec, self.peer, self.mono_s = Bolid(settings), peer, 0.0
        self.frames: list[Frame] = []
        self.durable = True  # whether events can be kept; the reply goes out only then

    def run(self, seconds: float) -> list[PanelEvent]:
        """What comes in this time."""
        said: list[PanelEvent] = []
        ends = self.mono_s + seconds
        while self.mono_s < ends:
            asked = self.codec.tick(self.mono_s)
            while asked:
                assert self.codec.may_send(asked)
                heard, asked = self.peer.answer(asked), b""
                for frame in self.codec.feed(heard) if heard else []:
                    self.frames.append(frame)
                    said += frame.events
                    asked = frame.reply if self.durable else b""
                asked = asked or self.codec.tick(self.mono_s)
            self.mono_s += 0.05
        return said

    def news(self, seconds: float) -> list[tuple[str, str, str | None, str]]:
        """What comes in this time, in short, without the inventory of the beginning."""
        return [(e.kind, e.state, e.zone, e.code) for e in self.run(seconds)]


def started(peer: Peer, **settings: str) -> Talk:
    talk = Talk(peer, **settings)
    talk.run(4.0)
    assert talk.frames[-1].alive
    return talk


def requests(peer: Peer, function: int) -> list[tuple[int, int]]:
    """Address and count or value of what the panel was asked."""
    return [
        (int.from_bytes(asked[2:4], "big"), int.from_bytes(asked[4:6], "big"))
        for asked in peer.received
        if asked[1] == function
    ]


@pytest.mark.parametrize("vector", VECTORS, ids=[vector.name for vector in VECTORS])
def test_it_reads_the_given_vectors(vector: Vector) -> None:
    peer = Peer(unit=int(vector.settings["unit"]))
    peer.exact, peer.exact_only = dict(vector.answers), True
    told = Talk(peer, **vector.settings).run(16.0)
    said = [dict(event_as_json("p", "2026-11-22T00:00:00.000000Z", event)) for event in told]
    for expected in vector.events:
        assert [one for one in said if expected.items() <= one.items()], (expected, said)
    quiet = {"info", "arm", "disarm"}
    alarms = [e for e in said if e["state"] == "active" and e["kind"] not in quiet]
    assert len(alarms) == len([e for e in vector.events if e.get("state") == "active"])


def test_pending_repeats_the_reading_and_never_the_selector() -> None:
    """B4, then the value."""
    peer = Peer(unit=2, table={3: (1, 3, 1, 6)})
    peer.values[3] = b"\xeb\x80"  # -20.5
    peer.pending = 4
    said = Talk(peer, unit="2").run(8.0)
    assert bytes.fromhex("02830FF134") == B4
    assert [(e.zone, e.value) for e in said if e.text == "Measured value"] == [("3", -20.5)]
    reads = [place for place in requests(peer, 3) if place == (46328, 1)]
    assert requests(peer, 6)[0] == (46179, 3)
    assert len(reads) == 4 + len(requests(peer, 6))


def test_a_value_is_told_again_only_when_it_moved_and_power_has_no_sign() -> None:
    peer = Peer(table={2: (1, 2, 1, 6), 3: (1, 3, 1, 8)})
    peer.values = {2: b"\x15\x00", 3: b"\xff\x00"}
    talk = started(peer, state_s="1", value_step="0.5")
    talk.run(4.0)
    values = [(e.zone, e.value) for frame in talk.frames for e in frame.events if e.text == "Measured value"]
    assert sorted(values, key=str) == [("2", 21.0), ("3", 255.0)]
    peer.values[2] = b"\x15\x40"
    assert talk.news(4.0) == []
    peer.values[2] = b"\xff\x80"
    assert [(e.zone, e.value) for e in talk.run(4.0)] == [("2", -0.5)]


def test_a_counter_is_never_asked_for() -> None:
    peer = Peer(table={1: (1, 1, 1, 7), 2: (1, 2, 1, 6)})
    peer.values = {1: b"\x01\x00", 2: b"\x01\x00"}
    started(peer, state_s="0.5").run(10.0)
    assert {value for _, value in requests(peer, 6)} == {2}
    assert 46180 not in {address for address, _ in requests(peer, 6)}


def test_an_event_is_acknowledged_only_by_the_reply_of_its_frame() -> None:
    peer = Peer()
    talk = started(peer)
    talk.durable = False
    peer.queue = [record(7, 37, zone=3, partition=1)]
    talk.run(5.0)
    assert peer.acknowledged == []
    talk.durable = True
    assert [e for e in talk.run(5.0) if e.kind == "fire.alarm"] == []  # the same event, said again, is not another
    assert peer.acknowledged == [7]


def test_events_come_in_order_and_each_once_while_acknowledgements_are_lost() -> None:
    peer = Peer()
    talk = started(peer)
    numbered = range(65500, 65600)
    peer.queue = [record(n % 65536, 37 if n % 2 else 24, zone=n % 8 + 1) for n in numbered]
    expected = [int.from_bytes(event[:2], "big") for event in peer.queue]
    luck, whole = random.Random(3), peer._write

    def lossy(address: int, value: int) -> bytes:
        return whole(address, value) if luck.random() < 0.7 else peer._said(b"\x86\x06")

    peer._write = lossy  # type: ignore[method-assign]
    said = [e for e in talk.run(200.0) if "log" in e.flags]
    numbers = [int.from_bytes(e.raw[3:5], "big") for e in said]
    assert numbers == expected
    assert peer.acknowledged == expected
    assert peer.queue == []


def test_numbers_that_skip_are_told_and_everything_is_read_anew() -> None:
    peer = Peer()
    talk = started(peer)
    peer.queue = [record(65534, 24, zone=1)]
    talk.run(2.0)
    before = len(requests(peer, 3))
    peer.queue = [record(2, 37, zone=3)]
    said = talk.run(2.0)
    assert [(e.value, e.flags) for e in said if "events-lost" in e.flags] == [(3.0, ("events-lost",))]
    assert [e.kind for e in said[:2]] == ["info", "fire.alarm"]
    assert (40000, 8) in requests(peer, 3)[before:]
    peer.queue = [record(1, 24, zone=3)]  # the numbering began anew: how many are missing nobody knows
    assert [e.value for e in talk.run(2.0) if "events-lost" in e.flags] == [None]


def test_after_a_restart_of_ours_the_event_on_disk_is_only_acknowledged() -> None:
    peer = Peer(unit=2)
    peer.exact[bytes.fromhex("0203B4B8000E63E8")] = B7
    talk = Talk(peer, unit="2")
    talk.codec.resume(B7, set())
    assert [e for e in talk.run(6.0) if e.kind == "fire.alarm"] == []
    assert ACK in peer.received


def test_the_backlog_can_be_taken_as_history() -> None:
    peer = Peer()
    peer.queue = [record(5, 37, zone=1), record(6, 24, zone=1)]
    talk = Talk(peer, backlog="history")
    said = [e.flags for e in talk.run(6.0) if "log" in e.flags]
    assert said == [("log", "history"), ("log", "history")]
    peer.queue = [record(7, 37, zone=1)]
    assert [e.flags for e in talk.run(2.0) if "log" in e.flags] == [("log",)]


def test_states_tell_what_no_event_told() -> None:
    peer = Peer()
    talk = started(peer)
    peer.states[4] = [37, 45, 24, 188]
    assert talk.news(6.0) == [("fire.alarm", "active", "4", "37"), ("fault", "active", "4", "45")]
    peer.states[4] = [37, 40, 45, 24]  # the register shows 37 and 40 alone; the expanded states show all
    assert talk.news(6.0) == [("fire.alarm", "active", "4", "40")]
    peer.states[4] = [45, 24]  # both fires are over: one end of one class
    assert talk.news(6.0) == [("fire.alarm", "restored", "4", "37"), ("fire.alarm", "restored", "4", "40")]
    peer.states[4] = [24, 188]
    assert talk.news(6.0) == [("fault", "restored", "4", "45")]


def test_what_an_event_told_the_states_do_not_tell_again() -> None:
    peer = Peer()
    talk = started(peer)
    peer.queue = [record(1, 187, zone=5), record(2, 187, zone=6)]
    peer.states[5] = peer.states[6] = [187, 24]
    assert talk.news(1.0) == [("comm.loss", "active", "5", "187"), ("comm.loss", "active", "6", "187")]
    assert talk.news(12.0) == []
    peer.queue = [record(3, 188, zone=5)]
    peer.states[5] = [24, 188]
    assert talk.news(12.0) == [("comm.loss", "restored", "5", "187")]


def test_one_loss_of_two_at_a_zone_ends_nothing() -> None:
    peer = Peer()
    talk = started(peer)
    peer.states[2] = [250, 187]
    assert talk.news(6.0) == [("comm.loss", "active", "2", "250"), ("comm.loss", "active", "2", "187")]
    peer.queue = [record(1, 251, zone=2)]
    peer.states[2] = [187]
    assert talk.news(6.0) == [("comm.loss", "info", "2", "250")]
    peer.states[2] = [188]
    assert talk.news(6.0) == [("comm.loss", "restored", "2", "187")]


def test_a_state_that_vanishes_for_a_moment_is_not_normal() -> None:
    peer = Peer()
    talk = started(peer)
    peer.states[1] = [37, 24]
    talk.run(6.0)
    peer.states[1] = []  # the panel has just started and knows nothing
    assert talk.news(8.0) == []
    assert [(e.kind, e.state) for e in talk.run(15.0)] == [("fire.alarm", "restored")]


def test_the_first_reading_tells_the_whole_state_of_each_zone() -> None:
    peer = Peer(zones=2)
    peer.states = {1: [37, 45, 24], 2: [24, 188]}
    said = {e.zone: e.flags for e in Talk(peer).run(4.0) if e.text == "Whole state read"}
    assert said == {"1": ("status", "any-class", "still:fault:45", "still:fire.alarm"), "2": ("status", "any-class")}


def test_what_stands_in_our_books_and_is_over_is_said_after_a_restart_of_ours() -> None:
    peer = Peer(zones=3)
    peer.states[2] = [119, 188]
    talk = Talk(peer)
    talk.codec.resume(None, {("zone.open", "1", "1"), ("zone.open", "1", "2"), ("mains.loss", None, None)})
    doors = [(e.kind, e.state, e.zone) for e in talk.run(4.0) if e.kind == "zone.open"]
    assert doors == [("zone.open", "restored", "1"), ("zone.open", "active", "2")]


@pytest.mark.parametrize("zones", [1, 8, 64, 119, 121, 300])
def test_old_firmware_that_refuses_a_longer_range_is_asked_for_less(zones: int) -> None:
    peer = Peer(zones=zones, table={})
    peer.old = True
    talk = Talk(peer)
    talk.run(6.0)
    assert talk.frames[-1].alive
    assert talk.codec._reading.zones == zones
    peer.states[zones] = [37, 24]
    assert ("fire.alarm", "active", str(zones), "37") in talk.news(6.0)
    assert len(peer.received) < 120  # not one request for each zone


def test_old_firmware_shows_expanded_states_after_a_selector() -> None:
    peer = Peer()
    peer.old = True
    talk = started(peer)
    peer.states[3] = [37, 45, 215]
    assert sorted(talk.news(6.0)) == [
        ("fault", "active", "3", "215"), ("fault", "active", "3", "45"), ("fire.alarm", "active", "3", "37"),
    ]  # fmt: skip
    assert (46176, 3) in requests(peer, 6)


def test_without_expanded_states_a_full_register_ends_nothing() -> None:
    peer = Peer()
    peer.old = True
    talk = started(peer, shadow="yes")
    peer.states[3] = [45, 24]
    talk.run(6.0)
    peer.states[3] = [37, 40, 45]
    assert talk.news(6.0) == [("fire.alarm", "active", "3", "37"), ("fire.alarm", "active", "3", "40")]
    peer.states[3] = [24]
    assert [state for _, state, _, _ in talk.news(6.0)] == ["restored"] * 3


def test_in_shadow_nothing_is_written_and_the_queue_is_not_touched() -> None:
    peer = Peer(table={1: (1, 1, 1, 1), 2: (1, 2, 1, 6), 3: (1, 3, 1, 8)})
    peer.values = {2: b"\1\0", 3: b"\1\0"}
    peer.queue = [record(1, 37, zone=1)]
    talk = started(peer, shadow="yes", state_s="1")
    peer.states[1] = [37, 24]
    assert ("fire.alarm", "active", "1", "37") in talk.news(3.0)
    peer.states[1] = [109, 188]
    assert talk.news(3.0) == [("fire.alarm", "restored", "1", "37"), ("disarm", "info", "1", "109")]
    assert {asked[1] for asked in peer.received} == {3, 4}
    assert not {address for address, _ in requests(peer, 3)} & {46264, 46328, 46192}
    for address in WRITABLE:
        body = b"\x01\x06" + address.to_bytes(2, "big") + b"\0\1"
        assert Bolid({}).may_send(body + crc(body))
        assert not talk.codec.may_send(body + crc(body))


def test_partitions_are_armed_and_disarmed() -> None:
    peer = Peer()
    peer.partitions = {1: 242, 3: 241}
    talk = Talk(peer)
    said = [(e.kind, e.partition, e.zone) for e in talk.run(5.0) if e.zone is None and e.kind in ("arm", "disarm")]
    assert said == [("disarm", "1", None), ("arm", "3", None)]
    peer.queue = [record(1, 241, partition=1, user=9)]
    peer.partitions[1] = 241
    assert [(e.kind, e.partition, e.user) for e in talk.run(12.0)] == [("arm", "1", "9")]


def test_an_event_between_the_reading_and_the_queue_is_newer_than_the_reading() -> None:
    peer = Peer()
    peer.partitions = {1: 242}
    peer.states[4] = [187, 24]
    talk = started(peer)
    whole = peer._holding

    def just_then(address: int, count: int) -> bytes | int:
        if address == 46264 and not peer.acknowledged:
            peer.queue = [record(1, 188, zone=4), record(2, 241, partition=1)]
            peer.states[4], peer.partitions[1] = [24, 188], 241
        return whole(address, count)

    talk.run(6.0 - talk.mono_s % 5.0)  # into the middle of a round
    peer._holding = just_then  # type: ignore[method-assign]
    talk.codec._next_queue_mono_s = float("inf")  # the next look at the queue is the one after a reading
    assert talk.news(14.0) == [("comm.loss", "restored", "4", "187"), ("arm", "info", None, "241")]


def test_a_restart_of_the_panel_has_everything_read_anew() -> None:
    peer = Peer()
    talk = started(peer)
    tables = len(requests(peer, 4))
    peer.queue = [record(1, 253)]
    assert [e.kind for e in talk.run(3.0) if "log" in e.flags] == ["reset"]
    assert len(requests(peer, 4)) > tables


def test_busy_is_waited_out() -> None:
    peer = Peer()
    talk = started(peer)
    peer.busy = 3
    peer.states[1] = [44, 24]
    assert talk.news(8.0) == [("fire.prealarm", "active", "1", "44")]


def test_after_silence_the_whole_state_is_read_before_it_counts_as_heard() -> None:
    peer = Peer()
    talk = started(peer)
    peer.dead = True
    assert talk.news(40.0) == []
    talk.codec.reset()  # as the watch does when the link is lost
    peer.dead, peer.states[2] = False, [37, 24]
    talk.frames.clear()
    said = talk.run(8.0)
    alive = [frame.alive for frame in talk.frames]
    told = next(n for n, frame in enumerate(talk.frames) if any(e.kind == "fire.alarm" for e in frame.events))
    assert alive.index(True) == told
    assert [e.zone for e in said if e.text == "Whole state read"] == [str(n) for n in range(1, 9)]


def test_a_broken_record_is_kept_marked_and_acknowledged() -> None:
    peer = Peer()
    talk = started(peer)
    peer.queue = [bytes.fromhex("0001 11 25 03 FF 0011").ljust(28, b"\1"), record(2, 37, zone=9, time=bytes(6))]
    said = talk.run(3.0)
    assert [(e.kind, e.zone, e.flags, e.panel_time) for e in said] == [
        ("fire.alarm", None, ("log", "malformed"), None), ("fire.alarm", "9", ("log",), None),
    ]  # fmt: skip
    assert peer.acknowledged == [1, 2]


def test_disarming_under_duress_is_both() -> None:
    peer = Peer()
    talk = started(peer)
    peer.queue = [record(1, 237, partition=2, user=4)]
    assert [(e.kind, e.state, e.partition, e.user) for e in talk.run(2.0)] == [
        ("duress", "active", "2", "4"), ("disarm", "info", "2", "4"),
    ]  # fmt: skip


def test_every_single_bit_flip_of_an_answer_is_refused() -> None:
    for answer in (B1, B7):
        for bit in range(len(answer) * 8):
            flipped = bytearray(answer)
            flipped[bit // 8] ^= 1 << bit % 8
            peer = Peer(unit=2)
            codec = Bolid({"unit": "2", "zones": "7"})
            asked = codec.tick(0.0)
            while asked and asked[2:4] != (b"\x9c\x40" if answer == B1 else b"\xb4\xb8"):
                codec.feed(peer.answer(asked))
                asked = codec.tick(0.0)
            assert asked
            assert codec.feed(bytes(flipped)) == []


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.binary(max_size=80), st.floats(0, 3)), max_size=30))
def test_random_bytes_raise_nothing_and_make_no_event(pieces: list[tuple[bytes, float]]) -> None:
    codec = Bolid({})
    mono_s = 0.0
    for piece, later_s in pieces:
        mono_s += later_s
        assert [event for frame in codec.feed(piece) for event in frame.events] == []
        codec.tick(mono_s)


def test_many_random_bytes_make_no_event_and_nothing_forbidden_is_sent() -> None:
    luck, codec, sent = random.Random(8), Bolid({"timeout_s": "0.1"}), set()
    for turn in range(RANDOM_BYTES // 100):
        assert [event for frame in codec.feed(luck.randbytes(100)) for event in frame.events] == []
        sent.add(codec.tick(turn * 0.05))
    assert {asked[1] for asked in sent if asked} <= {3, 4}


@given(st.binary(min_size=28, max_size=28))
def test_any_record_is_read_without_an_exception(data: bytes) -> None:
    found = parse(data)
    assert found is None or found.code == data[3]


def test_answers_of_the_right_shape_with_any_content_raise_nothing() -> None:
    luck = random.Random(11)

    class Mad(Peer):
        def _one(self, request: bytes) -> bytes:
            self.received.append(request)
            chance = luck.random()
            if chance < 0.1:
                return b""
            if chance < 0.25:
                return self._said(bytes([request[1] | 0x80, luck.randrange(1, 20)]))
            if request[1] == 6:
                return request
            count = 2 * int.from_bytes(request[4:6], "big")
            return self._said(bytes([request[1], count]) + luck.randbytes(count))

    peer = Mad()
    Talk(peer, zones="40", state_s="1").run(120.0)
    assert {address for address, _ in requests(peer, 6)} <= WRITABLE
    assert len(peer.received) > 500


@pytest.mark.parametrize("refused", [
    "01 05 27 10 FF 00", "01 0F 27 10 00 08", "01 10 9C 40 00 01", "01 06 9C 40 00 01", "01 06 B4 64 00 01",
    "01 06 27 10 00 01", "01 06 B4 61 00 01", "02 03 9C 40 00 07", "01 03 B4 B8 00 0F", "01 01 27 10 00 08",
])  # fmt: skip
def test_nothing_else_may_be_sent(refused: str) -> None:
    body = bytes.fromhex(refused)
    assert not Bolid({}).may_send(body + crc(body))


def test_every_code_has_a_class_and_what_ends_something_ends_what_lasts() -> None:
    for code in CODES:
        found = meaning(code)
        assert found.name
        assert all(meaning(ended).lasting for ended in found.ends)
    assert meaning(200).ends  # battery restored
    assert meaning(99).kind == "info"  # a code in no list is told, and raises nothing


def test_every_name_has_its_russian() -> None:
    names = {meaning(code).name for code in CODES} | {event.text for event in started(Peer()).frames[0].events}
    russian = Words("ru", ZoneInfo("UTC"))
    assert {name for name in names if russian.say(name) == name} == set()


@pytest.mark.parametrize("wrong", [{"unit": "0"}, {"zones": "513"}, {"shadow": "maybe"}, {"speed": "9600"}])
def test_a_wrong_setting_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(SettingError):
        open_panel("bolid", wrong)
