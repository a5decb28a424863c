"""Printer ports: what is printed becomes events by the site's rules; nothing is dropped and no rule runs away."""

from __future__ import annotations

import itertools
import json
import os
import random
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.commands.panel import event_as_json
from appliance.commands.site import check_config
from drivers.panels import dates, open_panel
from drivers.panels.paper import MOST_LINES
from drivers.panels.printer import Printer
from drivers.panels.profiles import ProfileError
from drivers.panels.settings import SettingError
from drivers.types import PanelEvent
from tests.fakes import panel_site
from tests.fakes.peers.printer import Peer
from tests.fakes.wire import WIRES, Clean, Pulled
from tests.vectors.espa import Talk
from tests.vectors.printer import AFP, FX64, L7, L8, PROFILES, VECTORS

LONG = os.environ.get("EXAMSITE_LONG") == "1"
RANDOM_BYTES = 10**7 if LONG else 10**6
AT = "2026-11-22T14:05:09.000000Z"
FIRE = ":ALARM Z001 1.1.Z1 HALL 12/08 01:23;"
SHIPPED = ("afp2800", "d6600", "fx64", "mxl", "nfs2-3030")
RUSSIAN = """\
encoding = "cp866"
[define]
time = '(?P<hh>\\d\\d):(?P<mi>\\d\\d) (?P<dd>\\d\\d)\\.(?P<mm>\\d\\d)\\.(?P<yy>\\d\\d)'
[[rule]]
regex = '^{{time}} ПОЖАР ШС (?P<zone>\\d+) (?P<name>\\w+)'
class = "fire.alarm"
action = "active"
text = "Пожар: {name}"
fields = { partition = "{zone}" }
[[rule]]
regex = 'НОРМА ШС (?P<zone>\\d+)'
class = "fire.alarm"
action = "restore"
[[rule]]
regex = 'СБРОС'
action = "reset"
[[rule]]
regex = 'КОД (?P<user>\\d+) СНЯТ'
class = "disarm"
action = "info"
mask = ["user"]
"""


def profile(tmp_path: Path, text: str) -> dict[str, str]:
    file = tmp_path / "panel.toml"
    file.write_text(text, encoding="utf-8")
    return {"profile": str(file)}


def events(codec: Printer, data: bytes) -> list[PanelEvent]:
    return [said for frame in codec.feed(data) for said in frame.events]


def after(codec: Printer, silence_s: float) -> list[PanelEvent]:
    """What a silence completes."""
    codec.tick(100.0)
    codec.tick(100.0 + silence_s)
    return events(codec, b"")


def faults(tmp_path: Path, text: str) -> list[str]:
    with pytest.raises(ProfileError) as refused:
        Printer(profile(tmp_path, text))
    assert refused.value.permanent
    return refused.value.faults


@pytest.mark.parametrize("vector", VECTORS, ids=[vector.name for vector in VECTORS])
@pytest.mark.parametrize("whole", [True, False], ids=["whole", "bytewise"])
def test_a_given_vector_says_what_its_note_says(vector: Talk, whole: bool) -> None:
    codec = Printer(vector.settings)
    told: list[dict[str, Any]] = []
    for said, _ in vector.says:
        for piece in [said] if whole else [bytes([byte]) for byte in said]:
            for frame in codec.feed(piece):
                assert frame.reply == b""
                told += [dict(event_as_json("p", AT, event)) for event in frame.events]
    assert len(told) == len(vector.events)
    for event, wanted in zip(told, vector.events, strict=True):
        assert {key: event[key] for key in wanted} == wanted


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_profile_is_read(name: str) -> None:
    open_panel("printer", {"profile": str(PROFILES / f"{name}.toml")})


@pytest.mark.parametrize(
    ("name", "printed", "said"),
    [
        ("mxl", "TROUBLE IN 1-1 11:59:59 DEC 31, 2025\r\n#1\r\nPUMP ROOM XMT-1, 1-1\r\n",
         [("fault", "active", "1-1", "PUMP ROOM XMT-1, 1-1")]),
        ("mxl", "ACK SECURITY 1-5 12:01:28 DEC 3,2025\r\nALL SECURITY CONDITIONS ACKNOWLEDGED\r\n",
         [("intrusion.alarm", "info", "1-5", "ACK SECURITY 1-5 12:01:28 DEC 3,2025"),
          ("info", "info", None, "ALL SECURITY CONDITIONS ACKNOWLEDGED")]),
        ("d6600", "11/22 14:05 L01 ACC 1234 FIRE ALARM\r\n+++ACC 1234 AREA=01 POINT=0017\r\n",
         [("fire.alarm", "active", "0017", "11/22 14:05 L01 ACC 1234 FIRE ALARM +++ACC 1234 AREA=01 POINT=0017")]),
        ("nfs2-3030", "FIRE ALARM: SMOKE L01D001 10:22:01A\r\nCLEARED FIRE ALARM: SMOKE L01D001 10:25:01A\r\n",
         [("fire.alarm", "active", "L01D001", "FIRE ALARM: SMOKE L01D001 10:22:01A"),
          ("fire.alarm", "restored", "L01D001", "CLEARED FIRE ALARM: SMOKE L01D001 10:25:01A")]),
        ("nfs2-3030", "SYSTEM NORMAL\r\nSYSTEM RESET\r\n",
         [("reset", "info", None, "SYSTEM NORMAL"), ("reset", "info", None, "SYSTEM RESET")]),
    ],
)  # fmt: skip
def test_the_other_documented_forms_are_read(name: str, printed: str, said: list[tuple[Any, ...]]) -> None:
    told = events(Printer({"profile": str(PROFILES / f"{name}.toml")}), printed.encode("ascii"))
    assert [(e.kind, e.state, e.zone, e.text) for e in told] == said


def test_system_normal_ends_everything_and_system_reset_does_not() -> None:
    told = events(Printer({"profile": str(PROFILES / "nfs2-3030.toml")}), b"SYSTEM NORMAL\nSYSTEM RESET\n")
    assert [event.flags for event in told] == [("reset-all",), ()]


def test_a_russian_panel_is_read_with_its_letters(tmp_path: Path) -> None:
    printed = "14:05 22.11.26 ПОЖАР ШС 12 ВЕСТИБЮЛЬ\r\nНОРМА ШС 12\r\nСБРОС\r\n".encode("cp866")
    told = events(Printer(profile(tmp_path, RUSSIAN)), printed)
    assert [(e.kind, e.state, e.zone, e.partition, e.text) for e in told] == [
        ("fire.alarm", "active", "12", "12", "Пожар: ВЕСТИБЮЛЬ"),
        ("fire.alarm", "restored", "12", None, "НОРМА ШС 12"),
        ("reset", "info", None, None, "СБРОС"),
    ]
    assert told[0].panel_time == datetime(2026, 11, 22, 14, 5)
    assert told[2].flags == ("reset-all",)


@pytest.mark.parametrize("encoding", ["cp866", "cp1251", "koi8-r", "utf-8"])
def test_every_encoding_is_a_setting(tmp_path: Path, encoding: str) -> None:
    given = {**profile(tmp_path, RUSSIAN), "encoding": encoding}
    (said,) = events(Printer(given), "НОРМА ШС 7\n".encode(encoding))
    assert (said.state, said.zone) == ("restored", "7")


def test_latin_letters_with_accents_are_read() -> None:
    (said,) = events(Printer({"encoding": "latin-1"}), "FUEGO: BAÑO\r\n".encode("latin-1"))
    assert said.text == "FUEGO: BAÑO"


def test_a_code_that_a_rule_masks_is_nowhere_in_the_frame(tmp_path: Path) -> None:
    (frame,) = Printer(profile(tmp_path, RUSSIAN)).feed("КОД 4711 СНЯТ\n".encode("cp866"))
    assert "4711" not in repr(frame)
    assert (frame.events[0].user, frame.events[0].text) == ("****", "КОД **** СНЯТ")


@pytest.mark.parametrize("end", [b"\r\n", b"\r", b"\n", b"\f"])
def test_any_end_of_line_ends_a_line_once(end: bytes) -> None:
    codec = Printer({})
    told = [said.text for byte in (b"ONE" + end + b"TWO" + end) for said in events(codec, bytes([byte]))]
    assert told == ["ONE", "TWO"]


def test_the_ends_of_lines_are_the_profile_s(tmp_path: Path) -> None:
    codec = Printer(profile(tmp_path, 'eol = ["\\u0014"]\n'))
    assert [said.text for said in events(codec, b"A\r\nB\x14C\x14")] == ["AB", "C"]


def test_control_characters_and_printer_commands_are_no_text() -> None:
    codec = Printer({})
    told = events(codec, b"\x00\x00\x1b@\x1b[1;31mFI\x07RE\x1b!\x08 \x1bE\x1bW1ZONE\x1bW0\x0f 3\x11\r\n")
    assert [(said.kind, said.text) for said in told] == [("info.unparsed", "FIRE ZONE 3")]


def test_a_line_printed_over_itself_for_bold_is_one_line() -> None:
    assert [said.text for said in events(Printer({}), b"FIRE\rFIRE\r\nNEXT\r\nNEXT\r\n")] == ["FIRE", "NEXT", "NEXT"]


def test_a_line_that_is_too_long_is_kept_in_pieces_and_its_tail_is_no_fire(tmp_path: Path) -> None:
    codec = Printer(profile(tmp_path, "max_line = 40\n[[rule]]\nregex='ALARM'\nclass='fire.alarm'\naction='active'\n"))
    told = events(codec, b"x" * 100 + b"ALARM" + b"y" * 30 + b"\r\nALARM\r\n")
    assert [(said.kind, len(said.raw), said.flags) for said in told] == [
        ("info.unparsed", 40, ("cut",)), ("info.unparsed", 40, ("rest",)), ("info.unparsed", 40, ("rest",)),
        ("info.unparsed", 15, ("rest",)), ("fire.alarm", 5, ()),
    ]  # fmt: skip


def test_a_half_line_is_told_after_a_silence_as_it_is() -> None:
    codec = Printer(AFP)
    assert codec.feed(FIRE.encode()[:20]) == []
    assert after(codec, 1.5) == []
    (said,) = after(codec, 2.5)
    assert (said.kind, said.text, said.flags) == ("info.unparsed", ":ALARM Z001 1.1.Z1 H", ("half",))


def test_a_line_whose_end_never_comes_is_a_fire_all_the_same() -> None:
    codec = Printer(AFP)
    codec.feed(FIRE.encode())
    (said,) = after(codec, 2.5)
    assert (said.kind, said.state, said.flags) == ("fire.alarm", "active", ("no-year", "half"))


def test_what_was_begun_when_the_line_was_opened_again_is_told() -> None:
    codec = Printer({})
    codec.feed(b"FIRE IN THE")
    codec.reset()
    told = events(codec, b"NEXT\r\n")
    assert [(said.text, said.flags) for said in told] == [("FIRE IN THE", ("half",)), ("NEXT", ())]


def test_a_record_ends_at_its_lines_at_the_next_beginning_and_at_a_pause() -> None:
    codec = Printer(FX64)
    first = b"TRBL ACT | 18:00:07 01/01/2007 A:008\r\n"
    second = b"DSBL ACT | 18:00:08 01/01/2007 E:001\r\n"
    assert events(codec, first) == []
    assert [said.zone for said in events(codec, second)] == ["A:008"]  # its label was lost
    assert [(said.zone, said.text) for said in after(codec, 0.6)] == [("E:001", second.decode().strip())]
    assert [said.text for said in events(codec, b"stray\r\n" + first + b"Hall\r\n")] == ["stray", "Hall"]


@pytest.mark.parametrize(
    ("table", "printed", "records"),
    [("lines = 2", "A\nB\nC\nD\n", ["A B", "C D"]), ("until_blank = true", "A\nB\n\nC\n\n", ["A B", "C"]),
     ("ends = '^END'", "A\nEND\nB\nC\nEND\n", ["A END", "B C END"]),
     ("starts = '^-'", "-A\nB\n-C\n-D\n", ["-A B", "-C"])],
)  # fmt: skip
def test_lines_are_joined_as_the_profile_says(tmp_path: Path, table: str, printed: str, records: list[str]) -> None:
    codec = Printer(profile(tmp_path, f"[record]\n{table}\n"))
    assert [said.text for said in events(codec, printed.encode())] == records


def test_an_end_of_line_that_comes_in_two_pieces_is_no_empty_line(tmp_path: Path) -> None:
    codec = Printer(profile(tmp_path, "[record]\nuntil_blank = true\n"))
    told = [said.text for byte in b"A\r\nB\r\n\r\n" for said in events(codec, bytes([byte]))]
    assert told == ["A B"]


def test_a_record_that_is_open_when_the_line_is_opened_again_is_told() -> None:
    codec = Printer(FX64)
    codec.feed(b"TRBL ACT | 18:00:07 01/01/2007 A:008\r\n")
    codec.reset()
    assert [(said.kind, said.zone) for said in events(codec, b"")] == [("fault", "A:008")]


def test_a_rule_is_shown_no_more_than_400_characters_of_a_line(tmp_path: Path) -> None:
    codec = Printer(profile(tmp_path, "max_line = 4000\n" + RULE.format("FIRE")))
    told = events(codec, b"x" * 390 + b"FIRE\n" + b"x" * 397 + b"FIRE\n")
    assert [(said.kind, len(said.raw)) for said in told] == [("fire.alarm", 394), ("info.unparsed", 401)]


def test_a_record_that_never_ends_is_told_in_parts(tmp_path: Path) -> None:
    codec = Printer(profile(tmp_path, "[record]\nuntil_blank = true\n"))
    told = events(codec, b"A\n" * (2 * MOST_LINES + 1))
    assert [len(said.raw.split(b"\n")) for said in told] == [MOST_LINES, MOST_LINES]


def test_the_first_rule_that_matches_decides(tmp_path: Path) -> None:
    rules = "".join(f"[[rule]]\nregex='FIRE{more}'\nclass='{kind}'\naction='active'\n"
                    for more, kind in ((" DOOR", "access"), ("", "fire.alarm")))  # fmt: skip
    codec = Printer(profile(tmp_path, rules))
    assert [said.kind for said in events(codec, b"FIRE DOOR 3 OPEN\nFIRE ZONE 3\n")] == ["access", "fire.alarm"]


def test_a_line_no_rule_knows_is_kept_counted_and_proves_the_panel_alive() -> None:
    codec = Printer(AFP)
    frames = codec.feed(b"PRINTER TEST\r\n" * 3)
    assert [(frame.events[0].kind, frame.alive, frame.fault) for frame in frames] == [
        ("info.unparsed", True, "a line no rule of the profile knows")
    ] * 3
    assert codec.unparsed == 3


def test_bytes_at_a_wrong_speed_do_not_prove_the_panel_alive() -> None:
    frames = Printer(AFP).feed(bytes([0x80, 0x01, 0xF8, 0x02, 0xFE, 0x1D, 0x0A]) * 5)
    assert frames
    assert not any(frame.alive for frame in frames)


def test_the_link_is_passive_unless_a_line_is_expected(tmp_path: Path) -> None:
    assert Printer(AFP).silent_after_s is None
    assert Printer({**AFP, "expect_line_every_s": "60"}).silent_after_s == 60.0
    assert Printer({**AFP, "silent_after_s": "45"}).silent_after_s == 45.0
    assert Printer(profile(tmp_path, "expect_line_every_s = 300\n")).silent_after_s == 300.0
    with pytest.raises(SettingError, match="number of seconds above 0"):
        Printer({"expect_line_every_s": "soon"})


def test_the_line_of_the_profile_gives_way_to_the_site_s(tmp_path: Path) -> None:
    given = profile(tmp_path, '[line]\nbaud = 1200\nbits = 7\nparity = "E"\n')
    assert (Printer(given).line.baud, Printer(given).line.bits, Printer(given).line.parity) == (1200, 7, "E")
    assert Printer({**given, "baud": "2400"}).line.baud == 2400


@pytest.mark.parametrize(
    ("heard_at", "said"),
    [("2026-11-22", "2026-11-22T10:00:00"), ("2027-01-01", "2026-11-22T10:00:00"),
     ("2026-01-01", "2025-11-22T10:00:00")],
)  # fmt: skip
def test_a_date_without_a_year_has_the_nearest(heard_at: str, said: str) -> None:
    event = PanelEvent("info", "info", panel_time=datetime(1904, 11, 22, 10), flags=("no-year",))
    assert dates.panel_time(event, datetime.fromisoformat(heard_at).replace(tzinfo=UTC)) == said


def test_a_29_february_without_a_year_is_of_a_leap_year() -> None:
    event = PanelEvent("info", "info", panel_time=datetime(1904, 2, 29, 10), flags=("no-year",))
    assert dates.panel_time(event, datetime(2028, 3, 1, tzinfo=UTC)) == "2028-02-29T10:00:00"
    assert dates.panel_time(event, datetime(2026, 3, 1, tzinfo=UTC)) is None


def test_a_date_that_does_not_exist_is_no_time() -> None:
    (said,) = events(Printer(AFP), b":ALARM Z001 1.1.Z1 HALL 31/02 25:61;\r\n")
    assert (said.kind, said.panel_time, said.flags) == ("fire.alarm", None, ("no-time",))


RULE = "[[rule]]\nregex = '{}'\nclass = \"fire.alarm\"\naction = \"active\"\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (RULE.format("FIRE (ZONE"), "panel.toml:2: rule[1].regex: not a pattern RE2 can read: missing ): FIRE (ZONE"),
        (RULE.format("(?=FIRE)"), "panel.toml:2: rule[1].regex: not a pattern RE2 can read: invalid perl operator: ("),
        (RULE.format(".*"), "panel.toml:2: rule[1].regex: matches an empty line, so it would take every line"),
        (RULE.format(r"\\bFIRE\\b").replace("\\\\", "\\"), r"panel.toml:2: rule[1].regex: \b knows Latin"),
        (RULE.format("((a{50}){20}b)+" * 9), "panel.toml:2: rule[1].regex: compiles to "),
        (RULE.format("FIRE") + 'key = "{zone}"\n', "panel.toml:1: rule[1]: key uses {zone}, and the regex has no"),
        (RULE.format("FIRE") + 'mask = ["pin"]\n', "panel.toml:1: rule[1]: mask uses {pin}, and the regex has no"),
        (RULE.format("FIRE").replace("fire.alarm", "fire"), "panel.toml:3: rule[1].class: there is no class 'fire'"),
        ("[[rule]]\nregex='A'\naction='active'\n", "panel.toml:1: rule[1]: action 'active' needs a class"),
        ("[[rule]]\nregex='A'\naction='fire'\n", "panel.toml:3: rule[1].action: 'fire' "),
        ('encoding = "utf-16"\n', "panel.toml:1: encoding: 'utf-16' "),
        ("[record]\nends = '('\n", "panel.toml:2: record.ends: not a pattern RE2 can read"),
        ("eol = []\n", "panel.toml:1: eol: "),
        (RULE.format("{{gap}}FIRE"), "panel.toml:2: rule[1].regex: uses {{gap}}, and [define] has no gap"),
    ],
)  # fmt: skip
def test_a_bad_profile_is_refused_with_the_line_at_fault(tmp_path: Path, text: str, said: str) -> None:
    (fault,) = faults(tmp_path, text)
    assert fault.startswith(said)


def test_rules_that_are_too_much_together_are_refused(tmp_path: Path) -> None:
    (fault,) = faults(tmp_path, "".join(RULE.format(f"(a{{900}}b{{900}}|c{number})d") for number in range(20)))
    assert fault.startswith("panel.toml: file: the rules compile to ")


def test_all_rules_at_fault_are_told_at_once(tmp_path: Path) -> None:
    told = faults(tmp_path, RULE.format("(") + RULE.format("FIRE") + RULE.format(")"))
    assert [fault.split(":")[1] for fault in told] == ["2", "10"]


PIECES = [FIRE.encode(), b"\r\n", b"\r", b"\x1b", L7.encode(), L8.encode()]
HOSTILE = [
    "(a+)+$", "(a|aa)+$", r"(\s+)+x", "(.*)*=(.*)*=(.*)*;$", "(a?){60}a{60};", r"^:\s+\s+\s+\s+\s+\s+Z(\d{3})",
    "(x+x+)+y",
]  # fmt: skip


@pytest.mark.parametrize("pattern", HOSTILE)
def test_no_input_makes_a_rule_run_away(tmp_path: Path, pattern: str) -> None:
    """With Python's `re` most of these never end: the suite's own time limit would."""
    codec = Printer(profile(tmp_path, RULE.format(pattern)))
    printed = [(char * 200 + "!").encode() + b"\r\n" for char in ("a", " ", "x", "=", ": ", "1")]
    assert [said.kind for line in printed for said in events(codec, line)] == ["info.unparsed"] * 6


def converse(codec: Printer, wire: Clean, lines: list[bytes]) -> list[PanelEvent]:
    told: list[PanelEvent] = []
    mono_s = 0.0
    for line in lines:
        try:
            for piece in wire.to_us(line):
                told += events(codec, piece)
        except Pulled:
            codec.reset()
        for _ in range(14):
            codec.tick(mono_s)
            mono_s += 0.25
        told += events(codec, b"")
    return told


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("wire", WIRES)
def test_over_any_wire_nothing_is_told_that_was_not_printed(wire: type[Clean], seed: int) -> None:
    """No check and no answer: what the wire loses is lost, and noise inside a label stays; but no alarm is invented."""
    printed = [f":ALARM Z{n:03d} 1.{n}.Z1 HALL 12/08 01:23;" for n in range(30)]
    told = converse(Printer(AFP), wire(seed), Peer(printed, "latin-1").frames())
    places = [said.zone for said in told if said.kind == "fire.alarm"]
    expected = [f"Z{n:03d}/1.{n}.Z1" for n in range(30)]
    assert [said for said in told if said.state == "restored"] == []
    if wire.__name__ in ("Clean", "OneByteAtATime", "Glued"):
        assert list(dict.fromkeys(places)) == expected
    elif wire.__name__ != "WrongBaud":
        assert len(set(places) & set(expected)) >= 8  # what came whole was told


def test_random_bytes_never_raise_and_never_make_a_false_alarm() -> None:
    numbers = random.Random(20261122)
    codecs = [Printer({"profile": str(PROFILES / f"{name}.toml")}) for name in SHIPPED]
    fed, mono_s = 0, 0.0
    while fed < RANDOM_BYTES:
        piece = numbers.randbytes(numbers.randint(1, 4096))
        fed += len(piece)
        mono_s += 0.7
        for codec in codecs:
            assert [said for said in events(codec, piece) if said.state != "info"] == []
            assert codec.tick(mono_s) == b""


@settings(max_examples=3000 if LONG else 200, deadline=None)
@given(st.lists(st.binary(max_size=60) | st.sampled_from(PIECES), max_size=12), st.sampled_from([{}, AFP, FX64]))
def test_no_pieces_make_it_raise(pieces: list[bytes], given: dict[str, str]) -> None:
    codec = Printer(given)
    for number, piece in enumerate(pieces):
        for said in (*events(codec, piece), *after(codec, number * 0.4)):
            assert said.raw


@settings(max_examples=3000 if LONG else 200, deadline=None)
@given(st.lists(st.text("QZ", min_size=1, max_size=9), max_size=30), st.lists(st.integers(1, 60), max_size=8),
       st.sampled_from([{}, FX64]))  # fmt: skip
def test_no_line_is_dropped_however_it_is_cut(lines: list[str], cuts: list[int], given: dict[str, str]) -> None:
    codec = Printer(given)
    printed = "".join(f"{line}\r\n" for line in lines).encode()
    edges = sorted({0, len(printed), *(cut for cut in cuts if cut < len(printed))})
    told = [said for first, last in itertools.pairwise(edges) for said in events(codec, printed[first:last])]
    assert [said.text for said in told] == lines


def test_nothing_may_ever_be_sent() -> None:
    codec = Printer({})
    assert not any(codec.may_send(bytes([byte])) for byte in range(256))
    assert not codec.may_send(b"")


def test_the_profile_in_the_documentation_is_read(tmp_path: Path) -> None:
    text = (PROFILES.parent.parent / "docs" / "panels.md").read_text(encoding="utf-8")
    example = text[text.index("### printer") :].split("```toml\n")[1].split("```")[0]
    codec = Printer(profile(tmp_path, example))
    (said,) = events(codec, "22.11.26 14:05 ПОЖАР ШС 12\r\n".encode("cp866"))
    assert (said.kind, said.zone, said.partition, said.text) == ("fire.alarm", "12", "12", "Пожар, шлейф 12")


def test_check_config_names_the_line_of_a_panel_s_profile_that_is_at_fault(tmp_path: Path) -> None:
    profile(tmp_path, RULE.format("("))
    panel = '[[panel]]\nid = "security"\nname = { ru = "П", en = "P" }\nkind = "printer"\nport = "/dev/none"\n'
    site = panel_site.site(tmp_path, panel + '[panel.settings]\nprofile = "panel.toml"\n')
    done = CliRunner().invoke(check_config, [str(site.source), "--json"])
    assert done.exit_code == 1
    (fault,) = json.loads(done.output)["faults"]
    assert fault.startswith("panel security: The panel profile has faults:\npanel.toml:2: rule[1].regex: not a pattern")
