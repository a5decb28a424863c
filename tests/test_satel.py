"""Satel INTEGRA: the given vectors, states and log over a scripted panel, and what must never be sent."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.model import Message
from appliance.words import Words
from drivers.panels import SettingError, open_panel
from drivers.panels.satel import Satel
from drivers.panels.satel_frame import LONGEST, Decoder, crc, encode
from drivers.panels.satel_states import MASKS
from drivers.types import PanelEvent
from tests.fakes.peers.satel import Peer, frame, record
from tests.vectors import satel as given_vectors
from tests.vectors.dcon import Vector
from tests.vectors.satel import T0, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10

LONG = os.environ.get("EXAMSITE_LONG") == "1"
GOOD = (T0, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10)


class Talk:
    """A codec and a panel on a perfect line, with a clock of its own."""

    def __init__(self, peer: Peer, **set_: str) -> None:
        self.peer = peer
        self.codec = Satel(set_)
        self.mono_s = 100.0
        self.events: list[PanelEvent] = []
        self.alive = False
        self.faults: list[str] = []

    def run(self, seconds: float) -> list[PanelEvent]:
        """Let them talk; returns the events of this time."""
        before, ends_mono_s = len(self.events), self.mono_s + seconds
        while self.mono_s < ends_mono_s:
            asked = self.codec.tick(self.mono_s)
            self.mono_s += 0.05
            if asked:
                assert self.codec.may_send(asked)
                self.hear(self.peer.answer(asked))
        return self.events[before:]

    def hear(self, data: bytes) -> None:
        for made in self.codec.feed(data):
            self.events += made.events
            self.faults += [made.fault] if made.fault else []
            self.alive = made.alive or (self.alive and made.fault is not None)


def brief(events: list[PanelEvent]) -> list[tuple[str, str, str | None, str | None]]:
    return [(event.kind, event.state, event.partition, event.zone) for event in events]


@pytest.mark.parametrize("raw", GOOD)
def test_the_given_frames_are_whole_and_encode_to_themselves(raw: bytes) -> None:
    (piece,) = Decoder().feed(raw)
    assert (piece.fault, piece.raw) == (None, raw)
    assert encode(piece.command, piece.data) == raw


def test_the_checksum_is_the_one_of_the_manuals_example() -> None:
    assert crc(bytes.fromhex("E0 12 34 FF FF")) == 0x8A9B  # T0


@pytest.mark.parametrize("raw", GOOD)
def test_every_single_flipped_bit_is_refused(raw: bytes) -> None:
    for at in range(len(raw) * 8):
        bent = bytearray(raw)
        bent[at // 8] ^= 1 << at % 8
        assert [piece for piece in Decoder().feed(bytes(bent)) if piece.fault is None] == []


@given(st.binary(max_size=40))
def test_what_is_encoded_is_read_back_one_byte_at_a_time(data: bytes) -> None:
    decoder = Decoder()
    pieces = [piece for byte in encode(0x14, data) for piece in decoder.feed(bytes([byte]))]
    assert [(piece.command, piece.data) for piece in pieces] == [(0x14, data)]


@pytest.mark.parametrize("noise", [b"\xfe", b"\xfe\xfe\xfe", b"\x10Bus", b"\x00\x11", b"\xfe\x0d", b"\xfe\xfe\x14\x01"])
def test_a_frame_after_noise_is_still_read(noise: bytes) -> None:
    assert [piece.command for piece in Decoder().feed(noise + T4) if piece.fault is None] == [0x14]


def test_a_frame_without_an_end_is_given_up() -> None:
    decoder = Decoder()
    pieces = decoder.feed(b"\xfe\xfe" + b"\x01" * 1000)
    assert pieces and all(piece.fault for piece in pieces)
    assert len(decoder._held) <= LONGEST + 2
    assert [piece.command for piece in decoder.feed(T4) if piece.fault is None] == [0x14]


@pytest.mark.parametrize("vector", given_vectors.VECTORS, ids=lambda vector: vector.name)
def test_a_given_vector_means_what_its_note_says(vector: Vector) -> None:
    codec = Satel({})
    codec.tick(1.0)
    said = [event for reply in vector.answers.values() for made in codec.feed(reply) for event in made.events]
    assert len(said) == len(vector.events)
    for event, wanted in zip(said, vector.events, strict=True):
        told = {name: getattr(event, name) for name in wanted}
        told |= {"flags": list(event.flags)} if "flags" in wanted else {}
        told |= {"panel_time": event.panel_time.isoformat()} if event.panel_time else {}
        assert told == wanted


def test_it_is_alive_only_when_the_whole_state_was_read() -> None:
    talk = Talk(Peer())
    talk.run(0.25)
    assert not talk.alive
    talk.run(3)
    assert talk.alive
    assert talk.events == []


def test_a_change_is_read_when_it_is_named_and_told_once() -> None:
    talk = Talk(Peer())
    talk.run(3)
    talk.peer.put(0x14, 1)
    assert brief(talk.run(2)) == [("fire.alarm", "active", "1", None)]
    assert talk.run(70) == []  # two refreshes later it is still one fire
    talk.peer.put(0x14)
    assert brief(talk.run(2)) == [("fire.alarm", "restored", "1", None)]


def test_a_change_the_panel_did_not_name_is_found_by_the_refresh() -> None:
    talk = Talk(Peer())
    talk.run(3)
    talk.peer.masks[0x01] = {7}
    assert brief(talk.run(32)) == [("tamper", "active", None, "7")]


def test_after_a_lost_link_nothing_is_called_restored_before_all_was_read() -> None:
    talk = Talk(Peer())
    talk.peer.put(0x14, 2)
    assert brief(talk.run(3)) == [("fire.alarm", "active", "2", None)]
    talk.codec.reset()
    talk.alive = False
    talk.hear(T5)  # a mask comes, and with it nothing of the others
    talk.peer.put(0x14)
    masks = {0x14, 0x13, 0x02, 0x01, 0x06, 0x08, 0x00, 0x0A}
    read: set[int] = {0x13}
    while not read >= masks:
        assert talk.events[-1].state == "active"
        assert not talk.alive
        talk.run(0.05)
        read.add(talk.peer.received[-1][2])
    talk.run(1)
    assert brief(talk.events[-1:]) == [("fire.alarm", "restored", "2", None)]
    assert talk.alive


def test_the_log_tells_the_detector_and_the_mask_does_not_tell_the_same_fire_again() -> None:
    talk = Talk(Peer())
    talk.peer.happen(record(401, zone=5))
    talk.run(3)
    talk.peer.happen(record(110, zone=17, partition=2))
    talk.peer.put(0x14, 3)
    talk.peer.put(0x02, 17)
    (fire,) = talk.run(3)
    assert brief([fire]) == [("fire.alarm", "active", "3", "17")]
    assert fire.panel_time is not None
    assert fire.panel_time.isoformat() == "2026-11-22T14:05:00"
    talk.peer.happen(record(110, zone=17, partition=2, restore=True, minute=849))
    talk.peer.put(0x14)
    talk.peer.put(0x02)
    assert brief(talk.run(3)) == [("fire.alarm", "restored", "3", "17")]


def test_what_happened_before_the_first_look_is_history() -> None:
    talk = Talk(Peer())
    for zone in (1, 2, 3):
        talk.peer.happen(record(110, zone=zone))
    (old,) = talk.run(3)
    assert (old.zone, old.flags) == ("3", ("history", "log", "partition-raw-0"))


def test_many_records_are_told_once_oldest_first_whatever_their_indexes() -> None:
    talk = Talk(Peer())
    talk.peer.happen(record(602, zone=0))
    talk.run(3)
    for zone in range(1, 40):
        talk.peer.happen(record(130, zone=zone))
    assert [event.zone for event in talk.run(15)] == [str(zone) for zone in range(1, 40)]


def test_a_new_codec_reads_the_log_on_from_what_was_kept() -> None:
    peer = Peer()
    for zone in (1, 2, 3, 4):
        peer.happen(record(130, zone=zone))
    kept = frame(b"\x8c" + peer.log[1][1] + peer.log[1][0] + b"\xff\xff\xff")
    peer.put(0x02, 3, 4)
    talk = Talk(peer)
    talk.codec.resume(kept, set())
    assert [(event.zone, "history" in event.flags) for event in talk.run(4)] == [("3", False), ("4", False)]


def test_what_the_log_tells_late_is_over_when_the_state_says_so() -> None:
    peer = Peer()
    peer.happen(record(602, zone=0))
    kept = frame(b"\x8c" + peer.log[0][1] + peer.log[0][0] + b"\xff\xff\xff")
    peer.happen(record(110, zone=1))
    talk = Talk(peer)
    talk.codec.resume(kept, set())
    assert brief(talk.run(4)) == [("fire.alarm", "active", "1", "1"), ("fire.alarm", "restored", "1", "1")]


def test_a_log_that_was_overwritten_meanwhile_says_that_events_were_lost() -> None:
    peer = Peer()
    peer.happen(record(130, zone=9))
    kept = frame(b"\x8c" + peer.log[0][1] + peer.log[0][0] + b"\xff\xff\xff")
    peer.log.clear()
    peer.happen(record(130, zone=1))
    peer.put(0x02, 1)
    talk = Talk(peer)
    talk.codec.resume(kept, set())
    assert [event.flags[0] for event in talk.run(4)] == ["events-lost", "log"]


def test_what_our_books_hold_and_the_panel_does_not_is_over_after_the_full_reading() -> None:
    talk = Talk(Peer())
    talk.peer.put(0x01, 4)
    standing: set[tuple[str, str | None, str | None]] = {
        ("fire.alarm", "3", "17"), ("fire.alarm", "3", None), ("tamper", None, "4"), ("tamper", "1", "5"),
        ("mains.loss", "1", None),
    }  # fmt: skip
    talk.codec.resume(None, standing)
    over = talk.run(4)
    assert set(brief(over)) == {("fire.alarm", "restored", "3", "17"), ("fire.alarm", "restored", "3", None),
                                ("tamper", "restored", "1", "5")}  # fmt: skip
    assert all("status" in event.flags for event in over)


def test_arming_is_told_as_it_changes_and_what_is_armed_at_first() -> None:
    talk = Talk(Peer())
    talk.peer.put(0x0A, 1, 29)
    assert brief(talk.run(3)) == [("arm", "info", "1", None), ("arm", "info", "29", None)]
    talk.peer.put(0x0A, 29)
    assert brief(talk.run(2)) == [("disarm", "info", "1", None)]


def test_a_busy_panel_is_asked_again_later() -> None:
    talk = Talk(Peer())
    talk.peer.busy = 3
    talk.peer.put(0x14, 5)
    assert brief(talk.run(8)) == [("fire.alarm", "active", "5", None)]
    assert talk.faults == []


def test_a_panel_that_does_not_know_a_command_is_read_without_it() -> None:
    talk = Talk(Peer())
    del talk.peer.masks[0x08]
    talk.run(4)
    assert talk.alive


def test_one_command_that_is_never_answered_does_not_stop_the_others() -> None:
    peer = Peer()

    class Deaf(Talk):
        def run(self, seconds: float) -> list[PanelEvent]:
            before, ends_mono_s = len(self.events), self.mono_s + seconds
            while self.mono_s < ends_mono_s:
                asked = self.codec.tick(self.mono_s)
                self.mono_s += 0.05
                if asked and asked[2] not in (0x7F, 0x06):
                    self.hear(self.peer.answer(asked))
            return self.events[before:]

    talk = Deaf(peer)
    peer.put(0x14, 1)
    assert brief(talk.run(90)) == [("fire.alarm", "active", "1", None)]
    assert talk.alive


def test_a_dead_panel_is_asked_once_at_a_time_and_read_anew_when_it_is_back() -> None:
    talk = Talk(Peer())
    talk.run(3)
    talk.peer.dead = True
    asked = len(talk.peer.received)
    talk.run(20)
    assert len(talk.peer.received) - asked <= 21  # one question a second
    talk.codec.reset()  # the watch gave it up
    talk.peer.dead = False
    talk.peer.put(0x14, 4)
    assert ("fire.alarm", "active", "4", None) in brief(talk.run(6))


def test_names_are_read_when_asked_for() -> None:
    talk = Talk(Peer(), names="yes")
    talk.peer.names = {(1, 17): "Коридор 1".encode("cp1251"), (0, 3): b"HQ"}
    said = talk.run(20)
    assert [(event.zone, event.partition, event.text) for event in said] == [
        ("17", None, "Коридор 1"), (None, "3", "HQ"),
    ]  # fmt: skip


def test_an_integra_256_is_asked_for_all_its_zones() -> None:
    talk = Talk(Peer(), zones="256")
    talk.peer.put(0x01, 200)
    assert brief(talk.run(4)) == [("tamper", "active", None, "200")]


def test_violations_can_be_left_out() -> None:
    talk = Talk(Peer(), violations="no")
    talk.peer.put(0x00, 3)
    assert talk.run(4) == []
    assert all(asked[2] != 0x00 for asked in talk.peer.received)


@pytest.mark.parametrize("wrong", [{"zones": "64"}, {"names": "maybe"}, {"encoding": "utf-8"}, {"zone": "1"}])
def test_a_wrong_setting_is_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(SettingError):
        open_panel("satel", wrong)


@pytest.mark.parametrize("command", [c for c in range(256) if c not in (0x8C, 0xEE)])
def test_no_command_but_those_that_read_may_be_sent(command: int) -> None:
    reads = {0x00, 0x01, 0x02, 0x06, 0x08, 0x0A, 0x13, 0x14, 0x1A, 0x7F}
    codec = Satel({})
    assert codec.may_send(encode(command)) == (command in reads)
    assert not codec.may_send(encode(command, b"\x12\x34\xff\xff\xff\xff\xff\xff\x01\x00\x00\x00"))


@pytest.mark.parametrize("data", [T0, b"", T4, T6 + T6, T6[:-1], b"\x00" + T6, encode(0x8C), encode(0xEE, b"\x01"),
                                  encode(0xEE, b"\x01\x01\x01"), encode(0xEE, b"\x02\x01")])  # fmt: skip
def test_nothing_near_an_allowed_question_may_be_sent(data: bytes) -> None:
    assert not Satel({}).may_send(data)


def test_the_longest_walk_ends_and_says_what_it_left_out() -> None:
    talk = Talk(Peer())
    talk.peer.happen(record(602, zone=0))
    talk.run(3)
    for number in range(1100):
        talk.peer.happen(record(130, zone=number % 200 + 1))
    flags = [event.flags[0] for event in talk.run(120)]
    assert flags.count("events-lost") == 1
    assert flags.count("log") == 1000


def whole_frames(numbers: random.Random) -> bytes:
    command = numbers.choice((0x00, 0x14, 0x7F, 0x8C, 0xEF, 0xEE, 0x1A, numbers.randrange(256)))
    return frame(bytes([command]) + numbers.randbytes(numbers.choice((0, 1, 4, 5, 9, 14, 16, 19, 32, 60))))


@pytest.mark.parametrize("piece", [whole_frames, lambda numbers: numbers.randbytes(64)])
def test_no_bytes_ever_raise(piece: Callable[[random.Random], bytes]) -> None:
    numbers, codec = random.Random(8), Satel({"names": "yes"})
    for second in range(200_000 if LONG else 8_000):
        codec.feed(piece(numbers))
        asked = codec.tick(second * 0.7)
        assert not asked or codec.may_send(asked)


def test_random_bytes_are_never_an_event() -> None:
    numbers, codec = random.Random(9), Satel({})
    for _ in range(1000 if LONG else 100):
        for made in codec.feed(numbers.randbytes(10_000)):
            assert made.events == ()


@settings(max_examples=2000 if LONG else 100)
@given(st.lists(st.one_of(st.binary(max_size=30), st.sampled_from(GOOD)), max_size=20))
def test_hypothesis_finds_no_bytes_that_raise(pieces: list[bytes]) -> None:
    codec = Satel({})
    for second, piece in enumerate(pieces):
        codec.feed(piece)
        codec.tick(float(second))


def test_what_the_states_and_the_log_say_has_its_russian() -> None:
    russian = Words("ru", ZoneInfo("Asia/Yekaterinburg"))
    texts = {mask.name for mask in MASKS.values()} | {"Armed", "Disarmed", "Read as over", "Events lost"}
    assert [text for text in texts if russian.say(Message(text)) == text] == []
