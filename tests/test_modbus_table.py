"""A gateway described by a table: what its codes say, what it does not say, and what a wrong table is told."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.panels import open_panel
from drivers.panels.profiles import ProfileError
from drivers.panels.settings import SettingError
from drivers.types import PanelEvent
from tests.fakes.panel_site import ROOT
from tests.fakes.peers.contacts_modbus import crc
from tests.fakes.peers.modbus_table import SETTINGS, Peer
from tests.test_contact_modules import Line
from tests.vectors import modbus_table as vectors

EXAMPLES = sorted((ROOT / "examples" / "panels").glob("*.toml"))
TABLES = [path for path in EXAMPLES if "[[table]]" in path.read_text(encoding="utf-8")]
WARNED, FIRE, FIRE_2 = 1, 2, 3  # codes of the example's zones

Written = Callable[[str], dict[str, str]]


@pytest.fixture
def written(tmp_path: Path) -> Written:
    """A profile's text as settings."""

    def write(text: str) -> dict[str, str]:
        file = tmp_path / "gate.toml"
        file.write_text(text, encoding="utf-8")
        return {"profile": str(file)}

    return write


@pytest.fixture
def gateway() -> tuple[Line, Peer]:
    """The example's gateway, read for a while, everything in order."""
    peer = Peer()
    line = Line(open_panel("modbus-table", SETTINGS), peer.answer)
    line.run(5)
    return line, peer


def told(events: list[PanelEvent]) -> list[tuple[str, str, str | None, str | None, str]]:
    """What is said of the points, and of the gateway itself but that it is there."""
    said = [(e.kind, e.state, e.partition, e.zone, e.code) for e in events]
    return [one for one in said if one != ("comm.loss", "restored", None, "U1", "silent")]


def test_at_the_start_every_point_is_told_as_it_is() -> None:
    peer = Peer()
    peer.words[4, 0x1004] = FIRE
    said = Line(open_panel("modbus-table", SETTINGS), peer.answer).run(5)
    assert all("status" in event.flags for event in said)
    active = [one for one in told(said) if one[1] == "active"]
    assert active == [("fire.alarm", "active", None, "5", "2")]
    assert len(said) == 64 + 4 + 1 + 1
    assert {event.zone for event in said if event.partition is None} == {None, "U1", *map(str, range(1, 65))}


def test_nothing_is_called_over_before_a_whole_round_was_read() -> None:
    peer = Peer()
    line = Line(open_panel("modbus-table", SETTINGS), peer.answer)
    peer.words[4, 0x1000] = WARNED
    assert told(line.run(0.35)) == [("fire.prealarm", "active", None, "1", "1")]  # two of three requests
    assert {event.state for event in line.run(1)} == {"restored"}


def test_a_fire_begins_and_ends_once_and_its_second_stage_does_not_end_it(gateway: tuple[Line, Peer]) -> None:
    line, peer = gateway
    peer.words[4, 0x1010] = FIRE
    assert told(line.run(2)) == [("fire.alarm", "active", None, "17", "2")]
    peer.words[4, 0x1010] = FIRE_2
    assert told(line.run(2)) == [("fire.alarm", "active", None, "17", "3")]
    peer.words[4, 0x1010] = 0
    assert told(line.run(2)) == [("fire.alarm", "restored", None, "17", "3")]


def test_bits_are_points_and_flags_are_faults_of_one_point(gateway: tuple[Line, Peer]) -> None:
    line, peer = gateway
    peer.words[3, 200], peer.words[3, 210] = 0b0100, 0b1011
    assert told(line.run(2)) == [
        ("intrusion.alarm", "active", "3", None, "1"), ("mains.loss", "active", None, None, "0"),
        ("battery.low", "active", None, None, "1"), ("comm.loss", "active", None, None, "3"),
    ]  # fmt: skip
    peer.words[3, 210] = 0b0010
    assert [one[:2] for one in told(line.run(2))] == [("mains.loss", "restored"), ("comm.loss", "restored")]


def test_a_code_that_the_profile_does_not_know_is_a_fault_and_never_normal(gateway: tuple[Line, Peer]) -> None:
    line, peer = gateway
    peer.words[4, 0x1000] = 99
    assert told(line.run(2)) == [("fault", "active", None, "1", "unknown-99")]
    peer.words[4, 0x1000] = 0
    assert told(line.run(2)) == [("fault", "restored", None, "1", "unknown-99")]


def test_nought_is_a_code_like_others_where_a_whole_word_is_one(written: Written) -> None:
    given = written('codes.a = { 1 = "fire.alarm" }\n[[table]]\nfunction = 3\naddress = 0\nzone = 7\ncodes = "a"\n')
    peer = Peer()
    peer.words = {(3, 0): 0}
    assert told(Line(open_panel("modbus-table", given), peer.answer).run(3)) == [
        ("fault", "active", None, "7", "unknown-0")]  # fmt: skip


def test_a_line_that_was_opened_again_is_read_whole_before_anything_ends(gateway: tuple[Line, Peer]) -> None:
    line, peer = gateway
    peer.words[4, 0x1000] = FIRE
    line.run(2)
    line.codec.reset()
    peer.words[4, 0x1000] = 0
    assert told(line.run(0.35)) == []  # two of three requests
    assert ("fire.prealarm", "restored", None, "1", "") in told(line.run(2))


def test_three_answers_lost_on_a_bad_line_are_no_loss_of_the_unit(written: Written) -> None:
    given = written(
        'answer_s = 0.2\ncodes.a = { 0 = "normal" }\n'
        '[[table]]\nfunction = 3\naddress = 0\nzone = 1\ncodes = "a"\n'
        '[[table]]\nfunction = 3\naddress = 0\nzone = 2\ncodes = "a"\nunit = 9\n'
    )
    one, nine = Peer(1), Peer(9)
    one.words, nine.words = {(3, 0): 0}, {(3, 0): 0}
    line = Line(open_panel("modbus-table", given), one.answer, nine.answer)
    line.run(5)
    nine.dead = True
    asked = len(nine.received)
    line.run(6)
    assert len(nine.received) > asked + 6
    nine.dead = False
    assert line.run(5) == []


def test_a_range_of_codes_is_one_meaning_each(gateway: tuple[Line, Peer]) -> None:
    line, peer = gateway
    peer.words[4, 0x1000] = 0x2A
    assert told(line.run(2)) == [("bypass", "active", None, "1", "42")]


def test_a_part_that_is_refused_is_a_fault_and_leaves_the_others_readable(gateway: tuple[Line, Peer]) -> None:
    line, peer = gateway
    peer.refuses = {0x1000}
    peer.words[3, 200] = 1
    assert sorted(told(line.run(4))) == [("fault", "active", None, "U1", "exception-4-at-4096"),
                                         ("intrusion.alarm", "active", "1", None, "1")]  # fmt: skip
    peer.refuses = set()
    back = told(line.run(4))
    assert back[0] == ("fault", "restored", None, "U1", "exception-4-at-4096")
    assert len(back) == 1 + 64  # every zone told anew


def test_after_a_silence_everything_is_read_before_anything_ends(gateway: tuple[Line, Peer]) -> None:
    line, peer = gateway
    peer.words[4, 0x1000] = FIRE
    line.run(2)
    peer.dead, peer.words[4, 0x1000] = True, 0
    line.run(15)
    peer.dead = False
    back = told(line.run(3))
    assert {state for _, state, _, _, _ in back} == {"restored"}
    assert ("fire.prealarm", "restored", None, "1", "") in back  # any-class: whatever stood there


def test_a_silent_unit_does_not_hide_the_other_on_its_line(written: Written) -> None:
    given = written(
        'unit = 1\ncodes.a = { 0 = "normal", 1 = "fire.alarm" }\n'
        '[[table]]\nfunction = 3\naddress = 0\nzone = 1\ncodes = "a"\n'
        '[[table]]\nfunction = 3\naddress = 0\nzone = 2\ncodes = "a"\nunit = 9\n'
    )
    one, nine = Peer(1), Peer(9)
    one.words, nine.words, nine.dead = {(3, 0): 0}, {(3, 0): 1}, True
    line = Line(open_panel("modbus-table", given), one.answer, nine.answer)
    assert sorted(told(line.run(30))) == [
        ("comm.loss", "active", None, "U9", "silent"), ("fire.alarm", "restored", None, "1", ""),
    ]  # fmt: skip
    nine.dead = False
    assert told(line.run(20)) == [("comm.loss", "restored", None, "U9", "silent"),
                                 ("fire.alarm", "active", None, "2", "1")]  # fmt: skip


def test_two_tables_say_what_one_point_is(written: Written) -> None:
    given = written(
        'codes.a = { 0 = "normal", 1 = "fire.alarm" }\ncodes.b = { 1 = "fault" }\n'
        '[[table]]\nfunction = 3\naddress = 0\nzone = 7\ncodes = "a"\n'
        '[[table]]\nfunction = 2\naddress = 9\nzone = 7\ncodes = "b"\n'
    )
    peer = Peer()
    peer.words = {(3, 0): 1, (2, 9): 1}
    line = Line(open_panel("modbus-table", given), peer.answer)
    assert told(line.run(3)) == [("fire.alarm", "active", None, "7", "1"), ("fault", "active", None, "7", "1")]
    peer.words[3, 0] = 0
    assert told(line.run(3)) == [("fire.alarm", "restored", None, "7", "1")]
    peer.words[2, 9] = 0
    assert [(e.kind, e.state, e.flags) for e in line.run(3)] == [("fault", "restored", ("any-class",))]


def test_a_captured_answer_reads_as_both_codes_of_each_register() -> None:
    (vector,) = vectors.VECTORS
    line = Line(open_panel("modbus-table", vector.settings), lambda asked: vector.answers.get(asked, b""))
    said = [{"kind": e.kind, "state": e.state, "zone": e.zone, "code": e.code} for e in line.run(3)]
    for wanted in vector.events:
        assert wanted in said
    assert {event["zone"] for event in said if event["state"] == "active"} == {"4"}


@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.stem)
def test_the_profiles_we_ship_are_read(path: Path) -> None:
    codec = open_panel("modbus-table", {"profile": str(path)})
    assert codec.tick(0.0)


TABLE = '[[table]]\nfunction = 3\naddress = 0\ncodes = "a"\n'
CODES = '[codes.a]\n0 = "normal"\n'


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("[[table]\n", ["gate.toml:1: not valid TOML"]),
        (CODES, ["gate.toml: table: missing"]),
        (CODES + TABLE + "cuont = 5\n", ["gate.toml:7: table[1].cuont: unknown key"]),
        (CODES + TABLE.replace("3", "6"), ["gate.toml:4: table[1].function: 6 should be 1, 2, 3 or 4"]),
        (CODES + TABLE.replace("0", "70000"), ["gate.toml:5: table[1].address: 70000"]),
        (CODES + TABLE.replace('"a"', '"b"'), ["gate.toml:6: table[1].codes: there is no [codes.b]; there is: a",
                                               "gate.toml:1: codes.a: no table uses it"]),
        (CODES + '1 = "fire.alrm"\n' + TABLE, ["gate.toml:3: codes.a.1.class: there is no class 'fire.alrm'"]),
        (CODES + '1 = { text = 5 }\n' + TABLE, ["gate.toml:3: codes.a.1.text: 5 should be a valid string"]),
        (CODES + 'fire = "fire.alarm"\n' + TABLE, ["gate.toml:3: ", "a code is a number such as 37"]),
        (CODES + '9-2 = "fault"\n' + TABLE, ["gate.toml:3: ", "a code is a number such as 37"]),
        (CODES + '0x0-0x5 = "fault"\n' + TABLE, ["gate.toml:3: codes.a.0x0-0x5: a code that stands"]),
        (CODES + '16 = "fault"\n' + TABLE + 'part = "flags"\n', ["gate.toml:3: codes.a.16: table[1] has codes"]),
        (CODES + TABLE + "count = 2\n", ["gate.toml:3: table[1]: count is above 1 but neither zone nor partition"]),
        (CODES + TABLE + "zone = 1\npartition = 1\n", ["gate.toml:3: table[1]: zone and partition are both given"]),
        (CODES + TABLE.replace("3", "2") + 'part = "high"\n', ["gate.toml:3: table[1]: part 'high' is for registers"]),
        (CODES + TABLE + "zone = 1\ncount = 4096\nstep = 1024\n", ["gate.toml:3: table[1]: address, count"]),
        (CODES + TABLE + "zone = 1\ncount = 600\nblock = 1\n", ["600 requests in a round; at most 512"]),
        ("unit = 300\n" + CODES + TABLE, ["gate.toml:1: unit: 300"]),
    ],
)  # fmt: skip
def test_a_wrong_profile_is_refused_with_line_and_key(written: Written, text: str, faults: list[str]) -> None:
    with pytest.raises(ProfileError) as refused:
        open_panel("modbus-table", written(text))
    assert refused.value.permanent
    for fault in faults:
        assert fault in str(refused.value)


def test_every_fault_of_a_profile_is_told_at_once(written: Written) -> None:
    text = CODES + '1 = "fire.alrm"\n' + TABLE.replace("3", "9") + "cuont = 1\n"
    with pytest.raises(ProfileError) as refused:
        open_panel("modbus-table", written(text))
    assert len(refused.value.faults) == 3


def test_without_a_profile_the_driver_says_what_it_needs() -> None:
    with pytest.raises(SettingError, match="needs the setting profile"):
        open_panel("modbus-table", {})


def test_large_tables_are_asked_in_pieces_that_fit_an_answer(written: Written) -> None:
    given = written(CODES + TABLE + "zone = 1\ncount = 300\nstep = 2\n")
    peer = Peer()
    peer.words = {(3, n): 0 for n in range(600)}
    line = Line(open_panel("modbus-table", given), peer.answer)
    assert {event.zone for event in line.run(5)} == {"U1", *(str(n) for n in range(1, 301))}
    assert len(line.sent) == 5
    peer.words[3, 598] = 7
    assert told(line.run(3)) == [("fault", "active", None, "300", "unknown-7")]


def test_only_the_profiles_requests_can_be_sent() -> None:
    codec = open_panel("modbus-table", SETTINGS)
    allowed = {
        bytes.fromhex("01 04 10 00 00 40"),
        bytes.fromhex("01 03 00 C8 00 01"),
        bytes.fromhex("01 03 00 D2 00 01"),
    }
    assert all(codec.may_send(request + crc(request)) for request in allowed)
    for request in allowed:
        for bit in range(48):
            flipped = bytearray(request)
            flipped[bit // 8] ^= 1 << bit % 8
            assert not codec.may_send(bytes(flipped) + crc(flipped))
    assert not codec.may_send(b"")


@settings(max_examples=100, deadline=None)
@given(st.lists(st.binary(max_size=200), max_size=30), st.integers(0, 2**32))
def test_whatever_comes_nothing_is_raised_and_nobody_is_alarmed(pieces: list[bytes], seed: int) -> None:
    codec = open_panel("modbus-table", SETTINGS)
    numbers = random.Random(seed)
    for n, piece in enumerate(pieces):
        asked = codec.tick(n / 2)
        assert not asked or codec.may_send(asked)
        for frame in codec.feed(piece + numbers.randbytes(20)):
            assert all(event.kind == "comm.loss" and event.zone is None for event in frame.events)
            assert frame.reply == b""


def test_every_flipped_bit_of_an_answer_is_refused() -> None:
    peer = Peer()
    peer.words[4, 0x1000] = FIRE
    codec = open_panel("modbus-table", SETTINGS)
    reply = peer.answer(codec.tick(0.0))
    for bit in range(8 * len(reply)):
        flipped = bytearray(reply)
        flipped[bit // 8] ^= 1 << bit % 8
        codec = open_panel("modbus-table", SETTINGS)
        codec.tick(0.0)
        assert not any(frame.events or frame.alive for frame in codec.feed(bytes(flipped)))
