"""A panel profile is read whole or refused with every fault, each at its file, line and key."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import Field

from appliance.alarm_classes import LISTED, OWN
from drivers.panels import profiles
from drivers.panels.profiles import ClassName, ProfileError, Table


class _Rule(Table):
    address: int
    kind: ClassName = Field(default="info", alias="class")
    fields: dict[str, str] = Field(default_factory=dict)


class _Profile(Table):
    title: str
    rule: tuple[_Rule, ...] = ()


GOOD = """\
title = "A gateway"
[[rule]]
address = 40000
class = "fire.alarm"

[[rule]]
address = 40001
[rule.fields]
zone = "1"
"""


PIECES = ["[[rule]]", "[rule.fields]", "[", "a = ", '"""', "'''", "1", "\n", "x"]


def faults(text: str) -> list[str]:
    with pytest.raises(ProfileError) as refused:
        profiles.parse(text, _Profile, "site.toml")
    assert refused.value.permanent
    return refused.value.faults


def test_a_good_profile_is_read() -> None:
    said = profiles.parse(GOOD, _Profile)
    assert [(rule.address, rule.kind, rule.fields) for rule in said.rule] == [
        (40000, "fire.alarm", {}), (40001, "info", {"zone": "1"}),
    ]  # fmt: skip


def test_every_fault_is_told_at_once_with_file_line_and_key() -> None:
    text = GOOD.replace("40000", '"far"').replace("fire.alarm", "fire").replace('zone = "1"', "zone = 1")
    first, second, third = faults(text + "[[rule]]\nadress = 1\naddress = 2\n")[:3]
    assert first.startswith("site.toml:3: rule[1].address: 'far' ")
    assert second.startswith("site.toml:4: rule[1].class: there is no class 'fire'; there is: access, arm")
    assert third.startswith("site.toml:9: rule[2].fields.zone: 1 ")


def test_an_unknown_key_and_a_missing_one_have_their_lines() -> None:
    said = faults("[[rule]]\n# one\n[[rule]]\nadress = 1\n")
    assert "site.toml: title: missing; this key is needed (docs/panels.md)" in said
    assert "site.toml:3: rule[2].address: missing; this key is needed (docs/panels.md)" in said
    assert [fault for fault in said if fault.startswith("site.toml:4: rule[2].adress: unknown key; remove it or")]


def test_what_is_no_toml_is_told_with_its_line() -> None:
    assert faults('title = "x"\nrule = [1,,2]\n')[0].startswith("site.toml:2: not valid TOML: ")


def test_a_file_that_cannot_be_read_is_told_with_its_path(tmp_path: Path) -> None:
    for name, data, said in (
        ("latin.toml", b'title = "a"\n# \xef\xf0\n', r"latin\.toml:2: not UTF-8; save the file as UTF-8"),
        ("large.toml", b"#" * (profiles.LARGEST_BYTES + 1), r"larger than \d+ bytes"),
        ("missing.toml", None, r"missing\.toml: cannot be read: No such file"),
    ):
        if data is not None:
            (tmp_path / name).write_bytes(data)
        with pytest.raises(ProfileError, match=said):
            profiles.load(tmp_path / name, _Profile)


def test_keys_inside_strings_of_several_lines_are_no_keys() -> None:
    found = profiles.lines_of('a = """\nb = 1\n[c]\n"""\nd = 2\n')
    assert found == {("a",): 1, ("d",): 5}


def test_every_class_of_the_board_but_the_boxs_own_may_stand_in_a_profile() -> None:
    assert LISTED - profiles.CLASSES == OWN
    listed = (Path(__file__).parent.parent / "docs" / "panels.md").read_text(encoding="utf-8")
    assert [name for name in profiles.CLASSES if f"`{name}`" not in listed] == []


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(PIECES) | st.text(max_size=5), max_size=20).map("".join))
def test_no_text_breaks_the_reader(text: str) -> None:
    profiles.lines_of(text)
    with pytest.raises(ProfileError):
        profiles.parse(text, _Profile)
