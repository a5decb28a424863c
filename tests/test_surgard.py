"""The Sur-Gard codec: every vector of the receiver manuals and test suites, bad frames, half frames, random bytes."""

from __future__ import annotations

import itertools
import os
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.panels import SettingError, UnknownKind, kinds, open_panel
from drivers.panels.surgard import ACK, NAK, SurGard
from drivers.types import Frame, Line, PanelEvent

DC4 = b"\x14"
LONG = os.environ.get("EXAMSITE_LONG") == "1"
RANDOM_BYTES = 1_000_000_000 if LONG else 10_000_000


def only(text: str, **settings: str) -> Frame:
    frames = SurGard(settings).feed(text.encode() + DC4)
    assert len(frames) == 1
    return frames[0]


def event(text: str, **settings: str) -> PanelEvent:
    frame = only(text, **settings)
    assert frame.reply == ACK
    assert frame.alive
    assert len(frame.events) == 1
    assert frame.events[0].raw == text.encode()
    return frame.events[0]


VECTORS = [  # panels.md section 7; the letter of the vector is the test's name
    ("S1", "5011 181234E12101001", "duress", "active", None, "01", "001", "1234"),
    ("S3", "1011      0012 C1128", "arm", "info", None, "1", "128", "0012"),
    ("S4", "5000 180123E11000001", "fire.alarm", "active", "001", "00", None, "0123"),
    ("S5", "5000 180123R11000001", "fire.alarm", "restored", "001", "00", None, "0123"),
    ("S6", "5000 180123E13000001", "intrusion.alarm", "active", "001", "00", None, "0123"),
    ("S7", "5000 180123E30100001", "mains.loss", "active", "001", "00", None, "0123"),
    ("S8", "5000 180123R30100001", "mains.loss", "restored", "001", "00", None, "0123"),
    ("S9", "5000 180123E30200001", "battery.low", "active", "001", "00", None, "0123"),
    ("S10", "3011      1234FA0129", "fire.alarm", "active", "0129", None, None, "1234"),
    ("S11 open", "5011 181234E40101005", "disarm", "info", None, "01", "005", "1234"),
    ("S11 close", "5011 181234R40101005", "arm", "info", None, "01", "005", "1234"),
    ("S12", "5011 181234" + "1" + "131" + "01" + "015", "intrusion.alarm", "active", "015", "01", None, "1234"),
]


@pytest.mark.parametrize(
    ("text", "kind", "state", "zone", "partition", "user", "account"),
    [v[1:] for v in VECTORS],
    ids=[v[0] for v in VECTORS],
)
def test_it_reads_the_given_vectors(
    text: str, kind: str, state: str, zone: str | None, partition: str | None, user: str | None, account: str
) -> None:
    said = event(text)
    assert (said.kind, said.state, said.zone, said.partition, said.user, said.account) == (
        kind, state, zone, partition, user, account,
    )  # fmt: skip


@pytest.mark.parametrize("text", ["1011           @    ", "101000           @    ", "1000           @"])
def test_a_heartbeat_is_acknowledged_and_makes_no_event(text: str) -> None:
    assert only(text) == Frame(raw=text.encode(), reply=ACK, alive=True)  # S2, System III, trailing spaces lost


def test_an_account_full_of_qualifier_letters_is_parsed_from_the_right() -> None:
    said = event("5011 18E1E3E11000001")
    assert (said.account, said.kind, said.zone) == ("E1E3", "fire.alarm", "001")
    assert event("5011 18E110EE11001007").account == "E110E"


@pytest.mark.parametrize("text", ["5011 981234E11001001", "501001 181234E11001001", "5011 180012345678E11001001"])
def test_it_reads_event_type_98_three_digit_lines_and_long_accounts(text: str) -> None:
    assert event(text).kind == "fire.alarm"


@pytest.mark.parametrize(
    ("digit", "state", "flags"), [(1, "active", ()), (3, "restored", ()), (6, "active", ("status",))])
def test_the_digits_of_the_dialler_mean_what_the_letters_mean(digit: int, state: str, flags: tuple[str, ...]) -> None:
    said = event(f"5011 181234{digit}11001001")
    assert (said.state, said.flags) == (state, flags)


@pytest.mark.parametrize(
    ("text", "kind", "state", "zone", "partition", "user"),
    [
        ("1011      0012 A1007", "intrusion.alarm", "active", "007", "1", None),
        ("1011      0012 R1007", "intrusion.alarm", "restored", "007", "1", None),
        ("1011      0012 T1007", "fault", "active", "007", "1", None),
        ("1011      0012 BF007", "bypass", "active", "007", "F", None),
        ("1011      0012 HF007", "bypass", "restored", "007", "F", None),
        ("1011      0012 O1128", "disarm", "info", None, "1", "128"),
        ("1011      0012 F1128", "info", "info", None, "1", "128"),
        ("1011      0012 F0129", "fire.alarm", "active", "0129", None, None),
        ("1011      0012 H0129", "fire.alarm", "restored", "0129", None, None),
        ("1011      0012 M0129", "fault", "active", "0129", None, None),
        ("1011      0012 \\0129", "info", "info", "0129", None, None),
    ],
)
def test_it_reads_radionics_letters(
    text: str, kind: str, state: str, zone: str | None, partition: str | None, user: str | None
) -> None:
    said = event(text)
    assert (said.kind, said.state, said.zone, said.partition, said.user) == (kind, state, zone, partition, user)


def test_a_bosch_receiver_reports_fire_at_any_point_number_when_told_so() -> None:
    assert event("1011      0012 F1129", letters="bosch").kind == "fire.alarm"
    assert event("1011      0012 F0129", letters="surgard").kind == "info"


def test_a_sia_block_gives_each_of_its_events() -> None:
    frame = only("S011[#1234|Nri01/FA0129/BA12]")
    assert [(e.kind, e.zone, e.partition, e.account) for e in frame.events] == [
        ("fire.alarm", "0129", "01", "1234"), ("intrusion.alarm", "12", "01", "1234"),
    ]  # fmt: skip
    assert frame.reply == ACK


@pytest.mark.parametrize(
    "text",
    [
        "5011 181234E1210100",  # a digit lost
        "5011 181234X12101001",  # no such qualifier
        "5011 171234E12101001",  # neither 18 nor 98
        "5011181234E12101001",  # the space lost
        "5011 18123E12101001",  # three-digit account
        "3011      1234fa0129",
        "hello",
        "S011[#1234|N",
    ],
)
def test_a_malformed_frame_is_refused_and_kept_as_it_came(text: str) -> None:
    frame = only(text)
    assert frame.reply == NAK
    assert not frame.alive
    assert frame.fault
    assert [(e.kind, e.state, e.raw) for e in frame.events] == [("info.unparsed", "info", text.encode())]


def test_a_frame_that_stays_unknown_does_not_hold_back_what_is_behind_it() -> None:
    codec = SurGard({})
    replies = [codec.feed(b"ZZZZZZ" + DC4)[0].reply for _ in range(4)]
    assert replies == [NAK, NAK, NAK, ACK]
    assert codec.feed(b"5011 181234E11001001" + DC4)[0].events[0].kind == "fire.alarm"


def test_the_torn_tail_of_a_frame_is_not_taken_for_another_format() -> None:
    whole = "5011 181234E11001007"
    for start in range(1, len(whole)):
        assert only(whole[start:]).reply == NAK


def test_the_exact_account_length_refuses_a_frame_that_noise_made_longer() -> None:
    assert only("5011 1812345E11001001", account_digits="4").reply == NAK
    assert event("5011 181234E11001001", account_digits="4").account == "1234"


def test_of_repeats_that_come_together_only_the_last_is_answered() -> None:
    fire, heartbeat = b"5011 181234E11001001" + DC4, b"1011           @    " + DC4
    frames = SurGard({}).feed(heartbeat + fire + fire)
    assert [(f.reply, len(f.events)) for f in frames] == [(b"", 0), (b"", 1), (ACK, 1)]


def test_noise_ahead_of_a_frame_does_not_cost_the_frame() -> None:
    frames = SurGard({}).feed(b"\x00\xff\x80" + b"5011 181234E11001001" + DC4)
    assert [bool(f.fault) for f in frames] == [True, False]
    assert frames[1].events[0].kind == "fire.alarm"


def test_seven_bit_frames_read_with_eight_bits_are_named_as_such() -> None:
    parity = bytes(b | 0x80 if b.bit_count() % 2 else b for b in b"5011 181234E11001001")
    frames = SurGard({}).feed(parity + DC4)
    assert all(not f.alive for f in frames)
    assert "7E1" in (frames[0].fault or "")


def test_half_a_frame_is_forgotten_after_two_silent_seconds_and_told() -> None:
    codec = SurGard({})
    assert codec.feed(b"5011 1812") == []
    assert [codec.tick(s) for s in (10.0, 11.0, 12.5)] == [b"", b"", b""]
    frames = codec.feed(b"5011 181234E11001001" + DC4)
    assert [f.fault for f in frames] == ["half a frame, then silence", None]
    assert frames[1].events[0].account == "1234"


def test_bytes_without_end_do_not_fill_the_memory() -> None:
    codec = SurGard({})
    frames = [frame for _ in range(100) for frame in codec.feed(b"5" * 400)]
    assert frames
    assert all(f.fault and not f.events and not f.reply for f in frames)


def test_random_bytes_never_raise_and_never_make_a_false_alarm() -> None:
    numbers = random.Random(20261122)
    codec = SurGard({})
    fed = 0
    while fed < RANDOM_BYTES:
        piece = numbers.randbytes(numbers.randint(1, 4096))
        fed += len(piece)
        for frame in codec.feed(piece):
            assert codec.may_send(frame.reply) or not frame.reply
            assert [e for e in frame.events if e.state != "info"] == []


@settings(max_examples=5000 if LONG else 300, deadline=None)
@given(st.lists(st.binary(max_size=40) | st.sampled_from([DC4, b"5011 18", b"1234E110", b"01001", b"@"]), max_size=12))
def test_no_pieces_make_it_raise_or_send_what_it_may_not(pieces: list[bytes]) -> None:
    codec = SurGard({})
    for piece in pieces:
        for frame in codec.feed(piece):
            assert frame.reply in (b"", ACK, NAK)


@settings(max_examples=2000 if LONG else 200, deadline=None)
@given(
    account=st.text("0123456789ABCDEF", min_size=4, max_size=10), code=st.integers(100, 139), zone=st.integers(0, 999),
    cuts=st.lists(st.integers(0, 24), max_size=4),
)  # fmt: skip
def test_a_frame_says_the_same_however_it_is_cut(account: str, code: int, zone: int, cuts: list[int]) -> None:
    whole = f"5011 18{account}E{code}01{zone:03d}".encode() + DC4
    edges = sorted({0, len(whole), *(c for c in cuts if c < len(whole))})
    codec = SurGard({})
    frames = [f for a, b in itertools.pairwise(edges) for f in codec.feed(whole[a:b])]
    assert frames == SurGard({}).feed(whole)
    said = frames[0].events[0]
    assert (said.account, said.code, said.zone or said.user) == (account, str(code), f"{zone:03d}")


def test_only_ack_and_nak_may_be_sent() -> None:
    codec = SurGard({})
    allowed = [n for n in range(256) if codec.may_send(bytes([n]))]
    assert allowed == [0x06, 0x15]
    assert not codec.may_send(b"")
    assert not codec.may_send(b"\x06\x06")


def test_the_list_of_kinds_names_line_and_settings() -> None:
    (known,) = [kind for kind in kinds() if kind.name == "surgard"]
    assert (known.line, known.silent_after_s) == (Line(9600, 8, "N", 1), 90.0)
    codec = open_panel("surgard", {"baud": "19200", "bits": "7", "parity": "E", "silent_after_s": "12"})
    assert (codec.line, codec.silent_after_s) == (Line(19200, 7, "E", 1), 12.0)
    assert known.make({s.name: s.default for s in known.settings}).line == known.line


@pytest.mark.parametrize(
    ("wrong", "said"),
    [({"bauds": "9600"}, "no setting 'bauds'"), ({"baud": "fast"}, "whole number"), ({"parity": "X"}, "one of: N, E"),
     ({"silent_after_s": "0"}, "above 0"), ({"letters": "sia"}, "auto, surgard, bosch")],
)  # fmt: skip
def test_a_wrong_setting_is_refused_with_what_would_be_right(wrong: dict[str, str], said: str) -> None:
    with pytest.raises(SettingError, match=said) as refused:
        open_panel("surgard", wrong)
    assert refused.value.permanent


def test_an_unknown_kind_is_refused_with_the_kinds_there_are() -> None:
    with pytest.raises(UnknownKind, match="surgard"):
        open_panel("surguard", {})
