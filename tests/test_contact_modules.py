"""Input modules on a line, DCON and Modbus: asked in turn, read whole, never commanded, never called normal unread."""

from __future__ import annotations

import os
import random
import select
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.panels import open_panel
from drivers.panels.settings import SettingError
from drivers.port import ForbiddenWrite, Port
from drivers.types import Codec, Frame, PanelEvent
from tests.fakes.peers import contacts_modbus as modbus_peer
from tests.fakes.peers import dcon as dcon_peer
from tests.fakes.peers import modbus_table as table_peer
from tests.vectors import contacts_modbus as modbus_vectors
from tests.vectors import dcon as dcon_vectors
from tests.vectors.dcon import Vector

LONG = os.environ.get("EXAMSITE_LONG") == "1"
KINDS = ["dcon", "contacts-modbus"]
VECTORS = [
    pytest.param(data.KIND, vector, id=f"{data.KIND} {vector.name}")
    for data in (dcon_vectors, modbus_vectors)
    for vector in data.VECTORS
]


class Device(Protocol):
    """What both peers have."""

    inputs: int
    dead: bool
    received: list[bytes]

    def answer(self, data: bytes) -> bytes: ...


def device(kind: str) -> Device:
    return dcon_peer.Peer() if kind == "dcon" else modbus_peer.Peer()


class Line:
    """A codec that asks and devices that answer, with a clock of its own."""

    def __init__(self, codec: Codec, *devices: Callable[[bytes], bytes]) -> None:
        self.codec, self.devices = codec, devices
        self.mono_s = 0.0
        self.sent: set[bytes] = set()
        self.frames: list[Frame] = []

    def run(self, for_s: float, step_s: float = 0.05) -> list[PanelEvent]:
        """The events of this while."""
        before = len(self.frames)
        ends_s = self.mono_s + for_s
        while self.mono_s < ends_s:
            asked = self.codec.tick(self.mono_s)
            if asked:
                assert self.codec.may_send(asked)
                self.sent.add(asked)
                for each in self.devices:
                    said = each(asked)
                    self.frames += self.codec.feed(said) if said else []
            self.mono_s = round(self.mono_s + step_s, 3)
        return [event for frame in self.frames[before:] for event in frame.events]


def short(events: list[PanelEvent]) -> list[tuple[str, str, str | None]]:
    return [(event.kind, event.state, event.zone) for event in events if event.kind != "info"]


@pytest.mark.parametrize(("kind", "vector"), VECTORS)
def test_the_given_vectors_decode_as_their_notes_say(kind: str, vector: Vector) -> None:
    line = Line(open_panel(kind, vector.settings), lambda asked: vector.answers.get(asked, b""))
    events = [{"kind": e.kind, "state": e.state, "zone": e.zone, "partition": e.partition, "code": e.code,
               "flags": list(e.flags)} for e in line.run(6.0)]  # fmt: skip
    wanted = sorted(vector.events, key=str)
    found = [{key: one[key] for key in wanted[0]} for one in events if one["kind"] != "comm.loss"]
    assert sorted(found, key=str) == wanted


@pytest.mark.parametrize("kind", KINDS)
def test_it_reports_a_contact_once_and_its_end_once(kind: str) -> None:
    panel = device(kind)
    first = 0 if kind == "dcon" else 1
    line = Line(open_panel(kind, {"inputs": f"{first} fire.alarm; {first + 1} fault nc"}), panel.answer)
    panel.inputs = 0b10
    assert sorted(short(line.run(5))) == [
        ("comm.loss", "restored", None), ("fault", "restored", str(first + 1)), ("fire.alarm", "restored", str(first)),
    ]  # fmt: skip
    panel.inputs = 0b11
    assert short(line.run(5)) == [("fire.alarm", "active", str(first))]
    panel.inputs = 0b00
    assert short(line.run(5)) == [("fault", "active", str(first + 1)), ("fire.alarm", "restored", str(first))]


@pytest.mark.parametrize("kind", KINDS)
def test_the_end_of_an_alarm_in_a_silence_is_told_only_after_it_was_read(kind: str) -> None:
    panel = device(kind)
    line = Line(open_panel(kind, {}), panel.answer)
    panel.inputs = 1
    line.run(5)
    panel.dead, panel.inputs = True, 0
    assert short(line.run(10)) == []
    assert line.frames[-1].alive  # the last that was heard; nothing since
    panel.dead = False
    back = short(line.run(5))
    assert back[0] == ("comm.loss", "restored", None)
    assert sorted(back[1:]) == [("tech.alarm", "restored", zone) for zone in sorted(z for _, _, z in back[1:] if z)]
    assert len(back) == 9


@pytest.mark.parametrize("kind", KINDS)
def test_a_silent_module_does_not_hide_the_other_on_its_line(kind: str) -> None:
    two: tuple[Device, Device]
    if kind == "dcon":
        two, names, key = (dcon_peer.Peer("01"), dcon_peer.Peer("0A")), ("01", "0A"), "address"
    else:
        two, names, key = (modbus_peer.Peer(1), modbus_peer.Peer(20)), ("1", "20"), "unit"
    line = Line(open_panel(kind, {key: ",".join(names)}), *(each.answer for each in two))
    line.run(10)
    two[0].dead = True
    two[1].inputs = 0b100
    said = line.run(10)
    assert {(e.kind, e.state, e.partition) for e in said} == {
        ("comm.loss", "active", names[0]), ("tech.alarm", "active", names[1]),
    }  # fmt: skip
    two[0].dead = False
    assert {(e.kind, e.state, e.partition) for e in line.run(20)} == {
        ("comm.loss", "restored", names[0]), ("tech.alarm", "restored", names[0]),
    }  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_an_intrusion_of_half_a_second_is_seen_beside_a_dead_module(kind: str) -> None:
    live: Device
    if kind == "dcon":
        live, given = dcon_peer.Peer("0A"), {"address": "01,0A,0B", "inputs": "0 intrusion.alarm"}
    else:
        live, given = modbus_peer.Peer(20), {"unit": "1,20,21", "inputs": "1 intrusion.alarm"}
    line = Line(open_panel(kind, given), live.answer)  # the two others are not there
    line.run(30)
    seen = 0
    for _ in range(20):
        live.inputs = 1
        said = line.run(0.5, step_s=0.02)
        live.inputs = 0
        said += line.run(40.3, step_s=0.02)  # six changes in a minute would be chattering
        seen += any(event.kind == "intrusion.alarm" and event.state == "active" for event in said)
    assert seen >= 16  # all but those that fall into the silence in which a dead module is asked once more


@pytest.mark.parametrize("kind", KINDS)
def test_a_line_that_was_opened_again_is_read_whole_before_anything_ends(kind: str) -> None:
    panel = device(kind)
    panel.inputs = 0b1
    line = Line(open_panel(kind, {}), panel.answer)
    line.run(5)
    line.codec.reset()
    panel.inputs = 0
    assert [one for one in short(line.run(0.5)) if one[0] == "tech.alarm"] == []
    assert len([one for one in short(line.run(5)) if one[0] == "tech.alarm"]) == 8


def test_an_exception_of_a_module_is_a_fault_and_makes_its_inputs_unknown() -> None:
    panel = modbus_peer.Peer()
    line = Line(open_panel("contacts-modbus", {}), panel.answer)
    line.run(5)
    panel.exception = 4
    said = line.run(5)
    assert [(e.kind, e.state, e.code, e.flags) for e in said] == [("fault", "active", "exception-4", ("unknown",))]
    assert not line.frames[-1].alive  # so the link counts as lost when this goes on
    assert line.frames[-1].fault is None  # and not for the reason that nothing could be read
    panel.exception = 0
    assert [(e.kind, e.state) for e in line.run(5)] == [("fault", "restored")] + [("tech.alarm", "restored")] * 8


def test_a_module_that_refuses_its_command_is_a_fault() -> None:
    panel = dcon_peer.Peer()
    line = Line(open_panel("dcon", {}), panel.answer)
    line.run(5)
    panel.refuses = True
    assert [(e.kind, e.state, e.code) for e in line.run(5)] == [("fault", "active", "invalid-command")]


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        ("contacts-modbus", {"function": "4"}),
        ("contacts-modbus", {"function": "3"}),
        ("contacts-modbus", {"function": "1"}),
        ("contacts-modbus", {"function": "2", "invert": "yes"}),
        ("dcon", {"invert": "yes", "first": "1"}),
    ],
)
def test_boards_differ_in_function_and_sense(kind: str, given: dict[str, str]) -> None:
    panel = device(kind)
    panel.inputs = 0b0000_0101 ^ (0xFF if "invert" in given else 0)
    said = short(Line(open_panel(kind, given), panel.answer).run(5))
    assert [zone for name, state, zone in said if state == "active"] == ["1", "3"]


def test_the_refusal_of_another_module_is_not_taken_for_its_own() -> None:
    codec = open_panel("dcon", {"address": "01,02"})
    assert codec.tick(0.0) == b"$012\r"
    (frame,) = codec.feed(b"?02\r")
    assert (frame.events, frame.fault) == ((), "a refusal of another module")
    assert codec.tick(0.3) == b""  # its own answer is still awaited


def test_measured_loops_tell_a_cut_wire_from_an_alarm() -> None:
    panel = modbus_peer.Peer()
    panel.measured = [600, 300, 950, 10]
    given = {"function": "4", "registers": "each", "count": "4", "inputs": "1-4 fire.alarm levels=200/500/900"}
    said = Line(open_panel("contacts-modbus", given), panel.answer).run(5)
    assert sorted((e.zone or "", e.kind, e.state, e.code) for e in said if e.zone) == [
        ("1", "fire.alarm", "restored", ""), ("2", "fire.alarm", "active", ""), ("3", "fault", "active", "cut"),
        ("4", "fault", "active", "short"),
    ]  # fmt: skip


def test_a_reply_of_another_width_is_a_fault_and_never_guessed() -> None:
    line = Line(open_panel("dcon", {"do_digits": "0"}), dcon_peer.Peer(inputs=0xFF).answer)
    assert short(line.run(3)) == []
    assert not any(frame.alive for frame in line.frames[1:])  # all but the answer to what it is
    assert "6 digits; the settings (do_digits, di_digits) expect 4" in (line.frames[-1].fault or "")


@pytest.mark.parametrize(
    ("kind", "reply"), [("contacts-modbus", bytes.fromhex("01 02 01 05 61 8B")), ("dcon", b"!00410046\r")]
)
def test_every_flipped_bit_of_a_checked_reply_is_refused(kind: str, reply: bytes) -> None:
    given = {"checksum": "on"} if kind == "dcon" else {}
    inputs = "0 panic on=0 off=0" if kind == "dcon" else "1 panic on=0 off=0"
    for bit in range(-1, 8 * len(reply)):
        codec = open_panel(kind, {**given, "inputs": inputs})
        flipped = bytearray(reply)
        if bit >= 0:
            flipped[bit // 8] ^= 1 << bit % 8
        asked = codec.tick(0.0)
        if kind == "dcon":
            assert asked == b"$012B7\r"
            codec.tick(0.6)
            assert codec.tick(0.8) == b"$016BB\r"
        frames = codec.feed(bytes(flipped))
        heard = any(frame.alive or frame.events for frame in frames)
        assert heard == (bit < 0), f"bit {bit}"


@pytest.mark.parametrize(
    ("kind", "given_"),
    [("dcon", {"checksum": "on"}), ("contacts-modbus", {}), ("modbus-table", dict(table_peer.SETTINGS))],
)
def test_random_bytes_raise_nothing_and_alarm_nobody(kind: str, given_: dict[str, str]) -> None:
    numbers = random.Random(4)
    codec = open_panel(kind, given_)
    for n in range(10_000_000 // 50 if LONG else 4000):
        asked = codec.tick(n / 20)
        assert not asked or codec.may_send(asked)
        for frame in codec.feed(numbers.randbytes(50)):
            assert all(event.kind == "comm.loss" for event in frame.events)
            assert not frame.reply
            assert not frame.alive


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(KINDS), st.lists(st.one_of(st.binary(max_size=40), st.sampled_from(
    [b"!112200\r", b">0F00\r", b"?01\r", b"!01400600\r", bytes.fromhex("010201 00A188"), bytes.fromhex("0182044163")])),
    max_size=40))  # fmt: skip
def test_whatever_comes_and_however_it_is_cut_only_reads_are_sent(kind: str, pieces: list[bytes]) -> None:
    codec = open_panel(kind, {})
    allowed = {b"$012\r", b"$016\r"} if kind == "dcon" else {bytes.fromhex("01 02 00 00 00 08 79 CC")}
    for n, piece in enumerate(pieces):
        assert codec.tick(n * 0.2) in {b"", *allowed}
        for frame in codec.feed(piece):
            assert frame.reply == b""


@pytest.mark.parametrize("kind", KINDS)
def test_no_command_can_be_sent(kind: str) -> None:
    codec = open_panel(kind, {})
    master, slave = os.openpty()
    port = Port(Path(os.ttyname(slave)), codec.line, codec.may_send)
    port.open()
    commands = [
        modbus_vectors.RELAY_ON,
        b"#0100FF\r",
        b"@01FF\r",
        b"~**\r",
        b"$015V\r",
        b"$016",
        b"$026\r",
        b"%0101400600\r",
        bytes.fromhex("01 02 00 00 00 08 79 CD"),
        bytes.fromhex("02 02 00 00 00 08 79 FF"),
    ]
    for command in commands:
        with pytest.raises(ForbiddenWrite):
            port.write(command)
    port.close()
    assert not select.select([master], [], [], 0)[0]
    os.close(master)
    os.close(slave)


@pytest.mark.parametrize(
    ("kind", "given", "why"),
    [("dcon", {"address": "1"}, "two hex digits"), ("dcon", {"address": "01,01"}, "two hex digits"),
     ("dcon", {"unit": "1"}, "no setting 'unit'"), ("dcon", {"inputs": "9 panic"}, "0 to 7"),
     ("contacts-modbus", {"unit": "0"}, "1 to 247"), ("contacts-modbus", {"unit": "1,1"}, "1 to 247"),
     ("contacts-modbus", {"function": "5"}, "from 1 to 4"), ("contacts-modbus", {"address": "65530"}, "do not fit"),
     ("contacts-modbus", {"inputs": "1 panic levels=1/2/3"}, "registers = each")],
)  # fmt: skip
def test_wrong_settings_are_refused_with_a_sentence(kind: str, given: dict[str, str], why: str) -> None:
    with pytest.raises(SettingError, match=why):
        open_panel(kind, given)
