"""The verifier names what it found: the entry, the field, the line, the file; and what it prints is for any terminal.

tests/mutants.py runs this file beside test_verify_journal.py.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from appliance import verify_journal
from appliance.verify_journal import Refused, Report, Wrong, check
from tests.fakes import journal_folder as fake
from tests.fakes.journal_folder import Sealed, Story, chain, commitment, day, exported, files

Change = Callable[[Story], None]


@pytest.fixture
def own(tmp_path: Path) -> Path:
    return fake.make(tmp_path / "own")


@pytest.fixture
def good() -> Sealed:
    return chain(exported(day()))


def told(tmp_path: Path, change: Change) -> Report:
    """The report on a folder whose story was changed before it was sealed."""
    story = day()
    change(story)
    return check(fake.write(tmp_path / "changed", files(chain(exported(story)))))


def put(**fields: Any) -> Change:
    return lambda story: story.rows[6].update(fields)


def args(report: Report) -> dict[str, Any]:
    (found,) = (*report.faults, *report.refusals)
    return dict(found.args)


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("at", put(at="2026-11-31T05:00:07.000000Z")), ("at", put(at=7)), ("boot", put(boot=7)), ("kind", put(kind=[])),
        ("mono_us", put(mono_us="7")), ("refs", put(refs=[7])), ("data", put(data=[])), ("actor", put(actor="watch")),
        ("clock", put(clock=None)), ("more", put(more=1)), ("tz", lambda story: story.rows[6].pop("tz")),
        ("data", put(kind="personal.erased", data={"erased": 7})),
    ],
)  # fmt: skip
def test_the_field_that_is_wrong_is_named(tmp_path: Path, field: str, change: Change) -> None:
    assert args(told(tmp_path, change)) == {"entry": 7, "field": field}


def test_of_a_row_that_is_no_object_no_field_is_named(tmp_path: Path, good: Sealed) -> None:
    rows = [*good.rows[:6], b"[]", *good.rows[7:]]
    report = check(fake.write(tmp_path / "changed", files(Sealed(rows, good.openings))))
    assert args(report) == {"entry": 7, "field": "*"}


@pytest.mark.parametrize("version", [1, 3, None])
def test_the_version_that_is_not_known_is_named(tmp_path: Path, version: int | None) -> None:
    assert args(told(tmp_path, put(v=version))) == {"entry": 7, "found": version, "known": 2}


def test_why_json_is_not_canonical_is_said(own: Path, tmp_path: Path) -> None:
    assert args(told(tmp_path, put(data={"n": 1.5})))["cause"] == "1.5 is no whole number"
    assert args(told(tmp_path, put(data={"n": 2**53})))["cause"] == f"{2**53} is too large"


def test_the_line_of_an_opening_that_is_none_is_named(own: Path) -> None:
    lines = (own / "personal.jsonl").read_bytes().splitlines(keepends=True)
    (own / "personal.jsonl").write_bytes(lines[0] + b"{}\n" + b"".join(lines[2:]))
    assert args(check(own))["line"] == 2
    (own / "personal.jsonl").write_bytes(b"".join(lines) + lines[-1])
    assert args(check(own))["line"] == len(lines) + 1


def test_an_opening_after_the_last_entry_is_named_with_its_place(own: Path) -> None:
    late = b'{"path":"/data/x","salt":"%s","seq":99,"value":""}\n' % (b"0" * 64)
    (own / "personal.jsonl").write_bytes((own / "personal.jsonl").read_bytes() + late)
    assert args(check(own)) == {"entry": 99, "path": "/data/x"}


def test_an_entry_cannot_erase_what_it_carries_itself(tmp_path: Path) -> None:
    """An erasure is told by a later entry; else every row could erase its own author."""
    secret = commitment(b"\0" * 32, "Орлов")
    erasing = {"erased": [{"paths": ["/data/x"], "seq": 7}], "x": secret}
    report = told(tmp_path, put(kind="personal.erased", data=erasing))
    assert [f.what for f in report.faults] == ["erased-silently"]
    assert args(report) == {"entry": 7, "path": "/data/x"}


def test_a_box_that_has_just_started_begins_at_nought(tmp_path: Path) -> None:
    report = told(tmp_path, lambda story: story.rows[0].update(mono_us=0))
    assert report.ok, [f.say() for f in report.faults]
    assert not [r for r in report.remarks if r.what == "hole"]


def test_a_clock_that_went_back_by_one_microsecond_is_remarked(tmp_path: Path) -> None:
    def back(story: Story) -> None:
        story.rows[5]["at"] = "2026-11-22T05:00:07.000002Z"
        story.rows[6]["at"] = "2026-11-22T05:00:07.000001Z"

    report = told(tmp_path, back)
    assert [dict(r.args) for r in report.remarks if r.what == "set-back"] == [{"entry": 7, "s": 0}]


def test_two_checkpoints_of_one_size_are_judged_each_by_itself(own: Path, good: Sealed) -> None:
    report = check(own, [good.note(4), good.note(8), good.note(8, b"\1" * 32), good.note(4)])
    assert [(f.what, f.args["since"], f.args["size"]) for f in report.faults] == [("root", 5, 8)]
    assert sorted(c.size for c in report.held) == [4, 4, 8]


def test_a_link_is_never_read_through(tmp_path: Path) -> None:
    """Also when it is put there after the look at the folder."""
    (tmp_path / "elsewhere").write_bytes(b"x")
    (tmp_path / "link").symlink_to("elsewhere")
    with pytest.raises(Refused):
        verify_journal._open(tmp_path, "link")


def test_a_fault_as_an_exception_says_its_sentence() -> None:
    assert str(Wrong("cut", entry=3)) == "Entry 3 is cut off in its middle."


def test_what_was_given_is_named_by_where_it_came_from(own: Path, good: Sealed) -> None:
    assert args(check(own, key_given="a+b\n")) == {"file": "--key"}
    report = check(own, ["no\udcff checkpoint\n", good.note(4)])
    assert [(f.what, f.args["file"]) for f in report.refusals] == [("note", "--checkpoint")]
    assert len(report.held) == 1


def test_a_file_may_hold_several_checkpoints(own: Path, tmp_path: Path, good: Sealed) -> None:
    stick = tmp_path / "stick.txt"
    stick.write_text("\n".join([good.note(4), good.note(8), good.note(12)]))
    assert [(c.size, c.file) for c in check(own, [str(stick)]).held] == [
        (4, f"{stick}, 1"), (8, f"{stick}, 2"), (12, f"{stick}, 3")]  # fmt: skip
    stick.write_text("\n".join([good.note(4), good.note(8).replace("8", "9", 1), good.note(12)]))
    report = check(own, [str(stick)])
    assert not report.ok
    assert [c.size for c in report.held] == [4, 12]
    assert [f.args["file"] for f in (*report.faults, *report.refusals)] == [f"{stick}, 2"]
    stick.write_text("\n".join([good.note(4), good.note(8)]) + "\n")  # half a note after it
    assert not check(own, [str(stick)]).ok


def test_the_newest_checkpoint_must_be_stored_with_the_others(own: Path) -> None:
    (own / "checkpoints" / "000000000012.note").unlink()
    report = check(own)
    assert args(report) == {"file": "checkpoints/000000000012.note"}
    assert report.exit_status == 2


# --- what is printed ---


def printed(own: Path, *more: str, **env: str) -> subprocess.CompletedProcess[bytes]:
    argv = [sys.executable, "-I", "-X", "utf8", str(Path(verify_journal.__file__)), str(own), *more]
    return subprocess.run(argv, env={"PATH": "", **env}, capture_output=True, timeout=60, check=False)


def test_it_speaks_russian_by_any_of_the_terminals_variables(own: Path) -> None:
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        assert "Всё сходится".encode() in printed(own, **{name: "ru_RU.UTF-8"}).stdout
    over = printed(own, LC_ALL="C.UTF-8", LC_MESSAGES="ru_RU.UTF-8", LANG="ru_RU.UTF-8")
    holds = "Everything holds: 12 of 12 entries, against 0 checkpoints from outside."
    assert over.stdout.decode().splitlines()[0] == holds
    assert "сходится" not in over.stdout.decode()


def test_a_terminal_without_cyrillic_loses_letters_and_not_the_verdict(own: Path) -> None:
    argv = [sys.executable, str(Path(verify_journal.__file__)), str(own)]
    env = {**os.environ, "LC_ALL": "ru_RU.ISO-8859-1", "PYTHONUTF8": "0", "PYTHONIOENCODING": "latin-1"}
    said = subprocess.run(argv, env=env, capture_output=True, timeout=60, check=False)
    assert (said.returncode, said.stderr) == (0, b"")
    assert said.stdout.startswith(b"Everything holds")
    assert b"???" in said.stdout


def test_json_is_plain_ascii_for_every_program(own: Path) -> None:
    said = printed(own, "--json", "--checkpoint", "нет", LC_ALL="C.UTF-8").stdout
    assert said.isascii()
    assert json.loads(said)["refusals"][0]["file"] == "нет"


def test_a_shortened_option_is_not_guessed(own: Path) -> None:
    assert printed(own, "--js", LC_ALL="C.UTF-8").returncode == 2


HOSTILE = ("\x1b[2J\x1b[HEverything holds", "x\nEverything holds: 12 of 12.", "\r", "\x9b2J", "\u202edlo", "\u2028")


@pytest.mark.parametrize("word", HOSTILE)
def test_no_word_of_the_folder_writes_on_the_screen_by_itself(own: Path, tmp_path: Path, word: str) -> None:
    """A control character could clear the verdict away, a line end or another direction could write another one."""
    (own / f"more {word}").touch()
    for report in (check(own), told(tmp_path, put(v=word))):
        for russian in (False, True):
            lines = [found.say(russian) for found in (*report.refusals, *report.remarks)]
            assert len(lines) == 2
            assert all(line.isprintable() for line in lines)
    assert r"more \x1b[2J" in Refused("extra", file="more \x1b[2J").finding.say()


def test_a_word_as_long_as_a_book_is_cut_short() -> None:
    assert Refused("extra", file="x" * 300).finding.say() == "x" * 300 + " does not belong here."
    assert Refused("extra", file="y" * 301).finding.say() == "y" * 300 + "\u2026 does not belong here."


def test_what_does_not_fit_into_memory_is_refused_and_says_so(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(verify_journal, "_read", full)
    report = check(own)
    assert (report.exit_status, report.checked) == (2, False)
    assert [found.say() for found in report.refusals] == [
        f"{own} cannot be read: too large for this machine's memory."
    ]


def test_a_row_may_be_nested_deeper_than_python_calls() -> None:
    """From Python 3.12 on its JSON reader goes deeper than its functions may: a commitment down there is found."""
    deep: Any = {"commit": "c"}
    for _ in range(3000):
        deep = [{"a/~": deep}]
    ((path, commit),) = verify_journal.personal_places({"data": deep, "room": None})
    assert (path, commit) == ("/data" + "/0/a~1~0" * 3000, "c")
