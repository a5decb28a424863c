"""ESPA 4.4.4: calls become events, blocks are checked, and nobody but the selected station is heard from us."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.commands.panel import event_as_json
from appliance.words import Words
from drivers.panels import SettingError, open_panel
from drivers.panels.espa import DEAD_S, Espa
from drivers.panels.espa_call import ALL_CANCELLED, CALL_STATES, TRANSMITTER_FAILURE
from drivers.types import PanelEvent
from tests.fakes.peers.espa import Peer
from tests.fakes.wire import TRIES, WIRES, Clean, Pulled, Unplugged
from tests.vectors.espa import ACK, BAD_E2, E2, E3, E7, EOT, SELECT, VECTORS, Talk

LONG = os.environ.get("EXAMSITE_LONG") == "1"
RANDOM_BYTES = 10**7 if LONG else 10**6
AT = "2026-11-22T14:05:09.000000Z"
PIECES = [SELECT, E2, E2[:9], E2[9:], EOT, b"\x05", b"\x01"]
RULES = """\
[[rule]]
regex = '^8415 FIRE ZONE (?P<zone>\\d+) ROOM (?P<partition>\\d+)'
class = "fire.alarm"
action = "active"
[[rule]]
regex = 'PUMP RUNNING'
class = "fire.supervisory"
action = "active"
key = "pump"
[[rule]]
regex = 'PUMP STOPPED'
class = "fire.supervisory"
action = "restore"
key = "pump"
[[rule]]
regex = 'CODE (?P<user>\\d+) ENTERED'
class = "disarm"
action = "info"
mask = ["user"]
"""


def sealed(data: bytes) -> bytes:
    """A block of this header and data, with its check."""
    check = 0
    for byte in data + b"\x03":
        check ^= byte
    return b"\x01" + data + b"\x03" + bytes([check])


def call(address: str, text: str, *, call_type: str = "3", priority: str = "1") -> bytes:
    records = [("1", address), ("2", text), ("4", call_type), ("6", priority)]
    return sealed(b"1\x02" + b"\x1e".join(f"{name}\x1f{said}".encode("latin-1") for name, said in records if said))


def events(codec: Espa, data: bytes) -> list[PanelEvent]:
    return [said for frame in codec.feed(data) for said in frame.events]


def selected(**given: str) -> Espa:
    codec = Espa(given)
    codec.feed(SELECT)
    return codec


@pytest.mark.parametrize("vector", VECTORS, ids=[vector.name for vector in VECTORS])
@pytest.mark.parametrize("whole", [True, False], ids=["whole", "bytewise"])
def test_a_given_vector_says_what_its_note_says(vector: Talk, whole: bool) -> None:
    codec = Espa(vector.settings)
    told: list[dict[str, Any]] = []
    for said, answer in vector.says:
        pieces = [said] if whole else [bytes([byte]) for byte in said]
        frames = [frame for piece in pieces for frame in codec.feed(piece)]
        assert b"".join(frame.reply for frame in frames) == answer
        told += [dict(event_as_json("p", AT, event)) for frame in frames for event in frame.events]
    assert len(told) == len(vector.events)
    for event, wanted in zip(told, vector.events, strict=True):
        assert {key: event[key] for key in wanted} == wanted


def test_a_block_without_selection_is_read_and_not_answered() -> None:
    (frame,) = Espa({}).feed(E2)
    assert (frame.events[0].kind, frame.reply) == ("fire.alarm", b"")


def test_it_is_silent_while_another_station_is_selected_until_that_ends() -> None:
    codec = Espa({})
    for said in (bytes.fromhex("04 31 05 33 05"), E7, BAD_E2, b"\x062\x05", b"\x05"):
        assert [frame.reply for frame in codec.feed(said) if frame.reply] == []
    assert codec.feed(EOT) == []
    assert codec.feed(SELECT)[-1].reply == ACK


def test_it_says_that_it_has_nothing_when_it_is_polled_itself() -> None:
    assert [frame.reply for frame in Espa({}).feed(bytes.fromhex("04 32 05"))] == [EOT]


def test_a_station_that_came_in_the_middle_waits_for_a_selection_it_understands() -> None:
    codec = Espa({})
    assert codec.feed(b"2\x05") == []
    assert codec.feed(b"2\x05")[-1].reply == ACK  # the master tries again


def test_a_selection_by_the_address_alone_is_a_setting() -> None:
    assert Espa({"mode": "direct"}).feed(bytes.fromhex("04 32 05"))[-1].reply == ACK


def test_other_addresses_are_a_setting() -> None:
    codec = Espa({"address": "7", "panel_address": "0"})
    assert codec.feed(b"\x040\x057\x05")[-1].reply == ACK
    with pytest.raises(SettingError, match="one digit or Latin letter"):
        Espa({"address": "12"})


def test_a_repeated_selection_and_a_repeated_block_are_answered_again() -> None:
    codec = selected()
    assert codec.feed(b"2\x05")[-1].reply == ACK
    first, again = codec.feed(E2)[-1], codec.feed(E2)[-1]
    assert first == again  # the same bytes within 10 s are one event for appliance.alarms


def test_of_answers_that_come_too_late_only_the_last_is_given() -> None:
    codec = Espa({})
    replies = [frame.reply for frame in codec.feed(SELECT + E2)]
    assert replies == [b"", b"", ACK]
    assert [frame.reply for frame in Espa({}).feed(SELECT + E2 + EOT)] == [b"", b"", b""]


@pytest.mark.parametrize("block", [E2, E3, E7], ids=["E2", "E3", "E7"])
def test_any_flipped_bit_is_refused(block: bytes) -> None:
    for place in range(len(block)):
        for bit in range(8):
            flipped = bytearray(block)
            flipped[place] ^= 1 << bit
            codec = selected()
            made = codec.feed(bytes(flipped))
            assert [frame.events for frame in made if frame.events] == [], (place, bit)
            assert ACK not in [frame.reply for frame in made]


@pytest.mark.parametrize("check", [0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x11, 0x13, 0x15, 0x1E, 0x1F, 0x20, 0x7F])
def test_a_check_is_taken_as_it_is_whatever_it_looks_like(check: int) -> None:
    texts = (f"FIRE {chr(first)}{chr(second)}" for first in range(0x30, 0x7B) for second in range(0x20, 0x5B))
    block = next(made for made in (call("7", text) for text in texts) if made[-1] == check)
    codec = selected()
    assert [event.zone for event in events(codec, block)] == ["7"]
    assert codec.feed(EOT + SELECT)[-1].reply == ACK


@pytest.mark.parametrize(
    ("priority", "kind", "state"),
    [("1", "fire.alarm", "active"), ("2", "fault", "active"), ("3", "info", "info"), ("", "fire.prealarm", "active")],
)
def test_without_rules_the_priority_is_the_class(priority: str, kind: str, state: str) -> None:
    (said,) = events(selected(), call("12", "RAUM 7", priority=priority))
    assert (said.kind, said.state, said.zone, said.partition) == (kind, state, "12", "RAUM 7")


@pytest.mark.parametrize(
    ("text", "kind"),
    [("ПОЖАР ЗОНА 3", "fire.alarm"), ("Неисправность ШС 4", "fault"), ("ВНИМАНИЕ", "fire.prealarm"), ("ТЕСТ", "test")],
)
def test_without_priority_known_words_are_the_class(text: str, kind: str) -> None:
    block = sealed(b"1\x021\x1f5\x1e2\x1f" + text.encode("cp1251"))
    (said,) = events(selected(encoding="cp1251"), block)
    assert (said.kind, said.text) == (kind, text)


def test_a_cancelled_call_without_text_ends_everything() -> None:
    (said,) = events(selected(), call("12", "", call_type="1"))
    assert (said.kind, said.state, said.flags) == ("reset", "info", ("reset-all",))


def test_two_fires_at_one_pager_address_are_two_places() -> None:
    codec = selected()
    places = {(e.zone, e.partition) for e in events(codec, call("1", "FIRE ROOM 1") + call("1", "FIRE ROOM 2"))}
    assert len(places) == 2


def test_rules_of_the_site_go_before_the_priority(tmp_path: Path) -> None:
    (tmp_path / "espa.toml").write_text(RULES, encoding="utf-8")
    codec = selected(profile=str(tmp_path / "espa.toml"))
    said = events(codec, E2 + E3 + call("9", "PUMP RUNNING", priority="3") + call("9", "PUMP STOPPED", priority="3"))
    assert [(e.kind, e.state, e.zone, e.partition) for e in said] == [
        ("fire.alarm", "active", "3", "214"), ("fire.alarm", "restored", "3", "214"),
        ("fire.supervisory", "active", "pump", None), ("fire.supervisory", "restored", "pump", None),
    ]  # fmt: skip


def test_a_code_that_a_rule_masks_is_nowhere_in_the_event(tmp_path: Path) -> None:
    (tmp_path / "espa.toml").write_text(RULES, encoding="utf-8")
    (said,) = events(selected(profile=str(tmp_path / "espa.toml")), call("9", "CODE 4711 ENTERED"))
    assert "4711" not in repr(said)
    assert (said.user, said.text) == ("****", "9 CODE **** ENTERED")


def test_records_in_any_order_unknown_and_broken_ones_are_accepted() -> None:
    (said,) = events(selected(), sealed(b"1\x026\x1f1\x1e?\x1fx\x1eZ\x1fnew\x1e2\x1fFIRE\x1e1\x1f44"))
    assert (said.kind, said.zone, said.text, said.flags) == ("fire.alarm", "44", "FIRE", ("malformed",))


def test_half_a_block_is_forgotten_after_a_second_and_the_selection_after_fifteen() -> None:
    codec = selected()
    codec.feed(E2[:20])
    assert [codec.tick(mono_s) for mono_s in (0.0, 0.5, 1.5)] == [b"", b"", b""]
    assert [frame.fault for frame in codec.feed(b"")] == ["half a block, then silence"]
    assert codec.feed(E2)[-1].reply == ACK
    codec.tick(2.0)
    codec.tick(18.0)
    assert codec.feed(E2)[-1].reply == b""


def test_a_block_that_begins_anew_in_the_middle_is_read() -> None:
    frames = selected().feed(E2[:20] + E2)
    assert [frame.fault for frame in frames] == ["a block that begins anew", None]
    assert frames[1].events[0].kind == "fire.alarm"


def test_as_control_station_it_polls_and_takes_the_call() -> None:
    codec = Espa({"control_station": "us"})
    assert codec.tick(0.0) == b"\x041\x05"
    assert codec.tick(1.5) == b""  # the poll is not answered yet
    codec.feed(EOT)  # nothing to say
    codec.tick(1.6)
    assert codec.tick(1.7) == b"\x041\x05"
    assert [frame.alive for frame in codec.feed(b"")] == [True]
    assert codec.feed(b"2\x05")[-1].reply == ACK
    codec.tick(1.8)
    assert codec.tick(5.0) == b""  # selected: no poll into a call
    (frame,) = codec.feed(E2)
    assert (frame.events[0].kind, frame.reply) == ("fire.alarm", ACK)
    codec.feed(EOT)
    codec.tick(5.2)
    assert codec.tick(5.3) == b"\x041\x05"


def test_a_panel_that_does_not_answer_is_polled_again_and_never_called_alive() -> None:
    codec = Espa({"control_station": "us"})
    asked = [codec.tick(second / 4) for second in range(41)]
    assert [second / 4 for second, poll in enumerate(asked) if poll] == [0, 2.5, 5, 7.5, 10]
    assert codec.feed(b"") == []


def test_the_echo_of_its_own_poll_is_no_panel() -> None:
    codec = Espa({"control_station": "us"})
    for second in range(30):
        heard = codec.feed(codec.tick(float(second)))
        assert not any(frame.alive for frame in heard)


def test_a_panel_behind_an_echo_is_heard_all_the_same() -> None:
    codec = Espa({"control_station": "us"})
    codec.feed(codec.tick(0.0))
    codec.feed(EOT)
    codec.tick(0.1)
    codec.tick(0.2)
    assert [frame.alive for frame in codec.feed(b"")] == [True]


@pytest.mark.parametrize("data", [b"\x01\x03\x03", b"\x011\x03\x32", sealed(b"1A1\x1f7\x1e2\x1fFIRE")])
def test_what_has_a_right_check_but_not_the_form_of_a_block_is_not_acknowledged(data: bytes) -> None:
    frames = selected().feed(data)
    assert [frame for frame in frames if frame.events or frame.reply] == []


def test_the_allow_list_is_ack_nak_eot_and_where_asked_for_the_poll() -> None:
    allowed = {ACK, b"1\x15", EOT}
    pairs = [bytes([first, second]) for first in range(256) for second in range(256)]
    singles = [bytes([byte]) for byte in range(256)]
    assert {data for data in (b"", *singles, *pairs) if Espa({}).may_send(data)} == allowed
    assert not Espa({}).may_send(b"\x041\x05")
    assert Espa({"control_station": "us"}).may_send(b"\x041\x05")
    assert not Espa({"control_station": "us"}).may_send(b"\x042\x05")


def converse(codec: Espa, wire: Clean, peer: Peer) -> list[PanelEvent]:
    """Every event of a panel's calls over a wire; the same block again is one event, as in appliance.alarms."""
    told: list[PanelEvent] = []
    said, mono_s = peer.select, 0.0
    for _ in range(TRIES * 20):
        answered = b""
        try:
            for piece in wire.to_us(said):
                for frame in codec.feed(piece):
                    assert not frame.reply or codec.may_send(frame.reply)
                    told += [event for event in frame.events if not told or event.raw != told[-1].raw]
                    answered += wire.to_panel(frame.reply) if frame.reply else b""
        except Pulled:
            codec.reset()
        said = peer.answer(answered)
        if peer.done:
            return told
        if not said:
            for _ in range(20):
                mono_s += 0.25
                codec.tick(mono_s)
            said = peer.silence()
    raise AssertionError(f"never delivered over {type(wire).__name__}")


class PulledNowAndThen(Clean):
    """Pulled out in the middle of every fifth message or so: a selection does not outlive it."""

    def to_us(self, data: bytes) -> Iterator[bytes]:
        if self.random.random() < 0.2:
            yield data[: len(data) // 2]
            raise Pulled
        yield data


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("wire", [PulledNowAndThen if wire is Unplugged else wire for wire in WIRES])
def test_every_call_arrives_once_and_in_order_over_any_wire(wire: type[Clean], seed: int) -> None:
    blocks = [call(str(n), f"FIRE ZONE {n}", call_type="1" if n % 3 == 2 else "3") for n in range(10)]
    told = converse(Espa({}), wire(seed), Peer(blocks))
    assert [(e.zone, e.state) for e in told if e.kind == "fire.alarm"] == [
        (str(n), "restored" if n % 3 == 2 else "active") for n in range(10)
    ]


def test_random_bytes_never_raise_and_never_make_a_false_alarm() -> None:
    numbers = random.Random(20261122)
    codecs = [Espa({}), Espa({"mode": "addressless"}), Espa({"control_station": "us"})]
    fed, mono_s = 0, 0.0
    while fed < RANDOM_BYTES:
        piece = numbers.randbytes(numbers.randint(1, 4096))
        fed += len(piece)
        mono_s += 0.5
        for codec in codecs:
            for frame in codec.feed(piece):
                assert not frame.reply or codec.may_send(frame.reply)
                assert [event for event in frame.events if event.state != "info"] == []
            assert codec.tick(mono_s) in (b"", b"\x041\x05")


@settings(max_examples=5000 if LONG else 300, deadline=None)
@given(st.lists(st.binary(max_size=40) | st.sampled_from(PIECES), max_size=12))
def test_no_pieces_make_it_raise_or_send_what_it_may_not(pieces: list[bytes]) -> None:
    codec = Espa({})
    for number, piece in enumerate(pieces):
        for frame in codec.feed(piece):
            assert frame.reply in (b"", ACK, EOT, b"1\x15")
        assert codec.tick(number * 0.7) == b""


def test_bytes_without_end_do_not_fill_the_memory() -> None:
    codec = selected()
    frames = codec.feed(b"\x011\x02" + b"x" * 100_000)
    assert [frame.fault for frame in frames] == ["no block of ESPA 4.4.4"]


def test_the_driver_is_listed_with_its_line() -> None:
    codec = open_panel("espa", {"baud": "1200", "bits": "7", "parity": "E"})
    assert (codec.line.baud, codec.line.bits, codec.line.parity, codec.silent_after_s) == (1200, 7, "E", DEAD_S)


def test_the_names_it_gives_are_said_in_russian() -> None:
    russian = Words("ru", ZoneInfo("Asia/Yekaterinburg"))
    for name in (*CALL_STATES.values(), ALL_CANCELLED, TRANSMITTER_FAILURE):
        assert russian.say(name) != name
