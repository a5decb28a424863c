"""Whatever is changed in an exported journal is found by its verifier, and the first bad entry is named."""

from __future__ import annotations

import ast
import base64
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance import verify_journal
from appliance.verify_journal import Report, check
from tests.fakes import journal_folder as fake
from tests.fakes.journal_folder import Sealed, Story, chain, day, exported, files

ENTRIES = 12  # of `fake.make`, the export's own among them
LONG = os.environ.get("EXAMSITE_LONG") == "1"
EXAMPLES = 40 if os.environ.get("EXAMSITE_MUTANT") == "1" else 400  # tests/mutants.py runs this file hundreds of times
WITHOUT_PROGRAM = ("journal.jsonl", "personal.jsonl", "leaves.bin", "checkpoint.note", "proofs.json", "journal.pub",
                   "README.txt", "checkpoints/000000000004.note", "checkpoints/000000000012.note")  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all tests; who changes it puts it back."""
    return fake.make(tmp_path_factory.mktemp("journal") / "folder")


@pytest.fixture(scope="module")
def good() -> Sealed:
    return chain(exported(day()))


@pytest.fixture
def own(tmp_path: Path) -> Path:
    return fake.make(tmp_path / "own")


@pytest.fixture
def scratch(tmp_path: Path) -> Callable[[dict[str, bytes]], Path]:
    """Writes the files of a folder, a new one each time."""

    def write(contents: dict[str, bytes]) -> Path:
        shutil.rmtree(tmp_path / "scratch", ignore_errors=True)
        return fake.write(tmp_path / "scratch", contents)

    return write


def outside(folder: Path, cwd: Path, *more: str, language: str = "C.UTF-8") -> subprocess.CompletedProcess[str]:
    """The copy of the program in a folder, run alone: nothing of ours can be imported."""
    program = cwd / "kept_elsewhere.py"
    program.write_bytes(fake.PROGRAM)
    return subprocess.run(
        [sys.executable, "-I", str(program), str(folder), *more], cwd=cwd, env={"LC_ALL": language, "PATH": ""},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def told(report: Report) -> list[str]:
    return [finding.what for finding in (*report.faults, *report.refusals)]


def first_bad(report: Report) -> Any:
    return report.as_json()["first_bad"]


# --- what is whole holds ---


def test_a_whole_folder_holds_and_says_against_what(own: Path, tmp_path: Path) -> None:
    notes = [str(own / "checkpoints" / f"{n:012}.note") for n in (8, 4, 12)]
    said = outside(own, tmp_path, "--checkpoint", *notes)
    assert (said.returncode, said.stderr) == (0, "")
    assert said.stdout.splitlines() == [
        "Everything holds: 12 of 12 entries, against 3 checkpoints from outside, the oldest of 4 entries.",
        "Personal values lawfully erased: 1.",
    ]


def test_without_a_checkpoint_it_holds_and_says_what_could_not_be_seen(folder: Path) -> None:
    report = check(folder)
    assert (report.ok, report.exit_status, report.size, report.rows) == (True, 0, ENTRIES, ENTRIES)
    assert [r.what for r in report.remarks] == ["erased", "no-checkpoint"]
    assert next(iter(verify_journal.tell(report, False))).startswith("Everything holds: 12 of 12 entries, against 0")


def test_json_says_everything_a_program_needs(own: Path, tmp_path: Path, good: Sealed) -> None:
    notes = ("--checkpoint", good.note(8), "--checkpoint", good.note(4))
    said = json.loads(outside(own, tmp_path, "--json", *notes).stdout)
    assert said["ok"] is True
    assert said["checked"] is True
    assert (said["exit"], said["size"], said["rows"], said["first_bad"]) == (0, 12, 12, None)
    assert (said["origin"], said["root"]) == (good.origin, fake.mth(good.leaves).hex())
    assert said["held"] == [{"checkpoint": "--checkpoint", "size": 4}, {"checkpoint": "--checkpoint", "size": 8}]
    assert (said["faults"], said["refusals"]) == ([], [])
    assert said["remarks"] == [{"what": "erased", "n": 1, "message": "Personal values lawfully erased: 1."}]


def test_russian_stands_beside_english_when_the_terminal_is_russian(own: Path, tmp_path: Path) -> None:
    good = outside(own, tmp_path, language="ru_RU.UTF-8")
    assert "Everything holds" in good.stdout
    assert "Всё сходится: записей 12 из 12" in good.stdout
    (own / "leaves.bin").unlink()
    bad = outside(own, tmp_path, language="ru_RU.UTF-8")
    assert bad.returncode == 2
    assert bad.stdout.splitlines()[:2] == ["NOT CHECKED, and that is no success.", "leaves.bin is missing."]
    assert "НЕ ПРОВЕРЕНО, и это не успех.\nНет файла leaves.bin." in bad.stdout
    assert "Нет" not in outside(own, tmp_path).stdout


def test_no_english_cause_stands_in_a_russian_sentence(own: Path, tmp_path: Path, good: Sealed) -> None:
    (tmp_path / "latin").write_bytes(b"\xff")
    given = [str(own / "none"), str(own), str(tmp_path / "latin"), "a\nb", good.note(8).replace("=\n\n", "A=\n\n"),
             good.note(8)[:-2] + "A=\n"]  # fmt: skip
    refused = check(own, given).refusals
    assert len(refused) == len(given)
    lines = (own / "journal.jsonl").read_bytes()
    (own / "journal.jsonl").write_bytes(lines.replace(b'"at":', b'"at": ', 1))
    (changed,) = check(own).faults
    (own / "journal.jsonl").write_bytes(lines)
    (own / "personal.jsonl").write_bytes(b"{}\n")
    (form,) = check(own).faults
    for found in (*refused, changed, form, verify_journal.Finding("canonical", {"entry": 3, "cause": "no JSON"})):
        said = found.say(russian=True).replace(str(tmp_path), "").replace("(seq, path, salt, value)", "")
        for name in ("leaves.bin", "personal.jsonl", "--checkpoint", "own/none", "own", "latin", "base64"):
            said = said.replace(name, "")
        assert not re.search("[a-z]{2}", said), said


def test_a_wrong_journal_is_said_first_and_the_entry_named(own: Path, tmp_path: Path) -> None:
    lines = (own / "journal.jsonl").read_bytes().splitlines(keepends=True)
    (own / "journal.jsonl").write_bytes(b"".join(lines[:6] + lines[7:]))
    said = outside(own, tmp_path, language="ru_RU.UTF-8")
    assert said.returncode == 1
    assert said.stdout.splitlines()[:2] == ["WRONG.", "Entry 7 is missing: 8 follows."]
    assert "НЕВЕРНО.\nЗаписи 7 нет: дальше идёт 8." in said.stdout
    assert json.loads(outside(own, tmp_path, "--json").stdout)["first_bad"] == 7


def test_every_size_from_one_up_holds(scratch: Callable[[dict[str, bytes]], Path]) -> None:
    for count in range(1, 20):
        story = Story()
        for _ in range(count - 1):
            story.tell("door.opened")
        sealed = chain(exported(story))
        report = check(scratch(files(sealed, stored=range(1, count))), [sealed.note(n) for n in range(1, count + 1)])
        assert (report.ok, report.rows, len(report.held)) == (True, count, count), [f.say() for f in report.faults]


def test_a_whole_journal_needs_no_proof_of_each_row(scratch: Callable[[dict[str, bytes]], Path], good: Sealed) -> None:
    assert check(scratch(files(good, proofs=False))).ok


def test_the_program_reads_on_python_3_9_and_imports_nothing_of_ours() -> None:
    tree = ast.parse(fake.PROGRAM, feature_version=(3, 9))
    imported = {n.module.split(".")[0] for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.module}
    imported |= {a.name.split(".")[0] for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    assert imported - set(sys.stdlib_module_names) == {"cryptography"}


# --- every bit ---


def flip(folder: Path, name: str, bit: int) -> Report:
    path = folder / name
    raw = path.read_bytes()
    changed = bytearray(raw)
    changed[bit // 8] ^= 1 << bit % 8
    path.write_bytes(changed)
    try:
        return check(folder)
    finally:
        path.write_bytes(raw)


def row_of(folder: Path, name: str, bit: int) -> int | None:
    """The entry a bit of journal.jsonl or leaves.bin belongs to; a line's end belongs to its line."""
    if name == "leaves.bin":
        return bit // 256 + 1
    return (folder / name).read_bytes()[: bit // 8].count(b"\n") + 1 if name == "journal.jsonl" else None


@settings(max_examples=EXAMPLES, deadline=None)
@given(data=st.data())
def test_any_single_changed_bit_is_found_and_its_entry_named(folder: Path, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from([*WITHOUT_PROGRAM, "journal.jsonl", "proofs.json", "verify_journal.py"]))
    bit = data.draw(st.integers(0, (folder / name).stat().st_size * 8 - 1))
    report = flip(folder, name, bit)
    assert not report.ok, f"{name}: bit {bit} went unseen"
    assert report.exit_status != 0
    wanted = row_of(folder, name, bit)
    if wanted is not None:
        assert first_bad(report) == wanted, told(report)


@pytest.mark.skipif(not LONG, reason="every bit of every file, minutes: EXAMSITE_LONG=1")
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", WITHOUT_PROGRAM)
def test_each_single_bit_of_each_file_is_found(own: Path, name: str) -> None:
    unseen, misnamed = [], []
    for bit in range((own / name).stat().st_size * 8):
        report = flip(own, name, bit)
        unseen += [bit] if report.ok else []
        misnamed += [bit] if row_of(own, name, bit) not in (None, first_bad(report)) else []
    assert (unseen, misnamed) == ([], [])


# --- rows deleted, swapped, doubled, cut off, slipped in ---


def changed_rows(folder: Path, change: Callable[[list[bytes]], list[bytes]]) -> Report:
    path = folder / "journal.jsonl"
    raw = path.read_bytes()
    path.write_bytes(b"".join(change(raw.splitlines(keepends=True))))
    try:
        return check(folder)
    finally:
        path.write_bytes(raw)


@pytest.mark.parametrize("n", range(1, ENTRIES + 1))
def test_a_row_deleted_doubled_or_the_journal_cut_off_is_found_at_each_row(folder: Path, n: int) -> None:
    deleted = changed_rows(folder, lambda rows: rows[: n - 1] + rows[n:])
    assert (deleted.exit_status, first_bad(deleted)) == (1, n)
    assert told(deleted) == (["missing"] if n < ENTRIES else ["ends"])
    doubled = changed_rows(folder, lambda rows: rows[:n] + rows[n - 1 :])
    assert doubled.exit_status == 1
    assert first_bad(doubled) == (n + 1 if n < ENTRIES else None)
    cut = changed_rows(folder, lambda rows: rows[: n - 1])
    assert (cut.exit_status, first_bad(cut)) == ((1, n) if n > 1 else (2, None))
    in_its_middle = changed_rows(folder, lambda rows: [*rows[: n - 1], rows[n - 1][:40]])
    assert (told(in_its_middle), first_bad(in_its_middle)) == (["cut"], n)


@settings(max_examples=60, deadline=None)
@given(n=st.integers(0, ENTRIES - 1), m=st.integers(0, ENTRIES - 1))
def test_two_rows_that_changed_places_are_found(folder: Path, n: int, m: int) -> None:
    def swap(rows: list[bytes]) -> list[bytes]:
        rows[n], rows[m] = rows[m], rows[n]
        return rows

    report = changed_rows(folder, swap)
    assert report.ok is (n == m)
    assert first_bad(report) == (None if n == m else min(n, m) + 1)


@settings(max_examples=60, deadline=None)
@given(n=st.integers(0, ENTRIES - 1), line=st.one_of(st.binary(max_size=60), st.integers(1, 20)))
def test_a_row_slipped_in_is_found(folder: Path, n: int, line: bytes | int) -> None:
    forged = line if isinstance(line, bytes) else json.dumps({"seq": line, "v": 2}, separators=(",", ":")).encode()
    report = changed_rows(folder, lambda rows: [*rows[:n], forged + b"\n", *rows[n:]])
    assert (report.exit_status, first_bad(report)) == (1, n + 1)


def test_something_after_the_last_row_is_found(folder: Path) -> None:
    for garbage in (b"\n", b" ", b"{}\n", b"\0"):
        assert told(changed_rows(folder, lambda rows, garbage=garbage: [*rows, garbage])) == ["after-last"]  # type: ignore[misc]


# --- what somebody with the key can do: every seal inside is right, only what left before tells ---


def rewritten(at: int, count: int = 11) -> Sealed:
    story = day(count)
    story.rows[at - 1]["data"] = {"note": "nothing happened"}
    story.openings = [o for o in story.openings if o["seq"] != at]
    story.rows[at - 1]["actor"] = {"id": "watch", "kind": "service", "name": "", "role": ""}
    return chain(exported(story))


@pytest.mark.parametrize("at", [5, 6, 8, 9, 10])
def test_a_history_rewritten_with_the_key_is_found_by_a_checkpoint_from_before(
    scratch: Callable[[dict[str, bytes]], Path], good: Sealed, at: int
) -> None:
    folder = scratch(files(rewritten(at)))
    assert check(folder).ok  # nothing inside can tell; that is why checkpoints leave the box
    report = check(folder, [good.note(n) for n in (2, 4, 7, 9, 11)])
    assert (report.ok, report.exit_status) == (False, 1)
    assert {c.size for c in report.held} == {n for n in (2, 4, 7, 9, 11) if n < at}
    broken = [f.args for f in report.faults]
    assert [f["size"] for f in broken] == [n for n in (2, 4, 7, 9, 11) if n >= at]
    assert broken[0]["since"] == max(n for n in (0, 2, 4, 7, 9) if n < at) + 1


@pytest.mark.parametrize("left", range(1, ENTRIES))
def test_a_journal_cut_off_and_sealed_anew_is_found_by_a_later_checkpoint(
    scratch: Callable[[dict[str, bytes]], Path], good: Sealed, left: int
) -> None:
    story = day()
    story.rows, story.openings = story.rows[: left - 1], [o for o in story.openings if o["seq"] < left]
    if left > 2:  # the entry that tells of the erasure went, and so must the gap
        story.openings = day_with_nothing_erased(left)
    folder = scratch(files(chain(exported(story))))
    assert check(folder).ok
    report = check(folder, [good.note()])
    assert (told(report), first_bad(report), report.exit_status) == (["beyond"], left + 1, 1)


def day_with_nothing_erased(left: int) -> list[dict[str, Any]]:
    story = Story()
    story.tell("box.started")
    story.tell("signin.accepted", "Орлов Пётр Сергеевич")
    whole = [*story.openings, *(o for o in day().openings if o["seq"] > 2)]
    return [o for o in whole if o["seq"] < left]


def test_an_older_export_shown_again_is_found_by_a_newer_checkpoint(
    scratch: Callable[[dict[str, bytes]], Path], good: Sealed
) -> None:
    """Replay: the older export itself is whole and holds against everything older."""
    newer = exported(day())
    newer.tell("door.opened")
    report = check(scratch(files(good)), [good.note(5), chain(newer).note()])
    assert (told(report), first_bad(report)) == (["beyond"], ENTRIES + 1)
    assert [c.size for c in report.held] == [5]


def test_two_branches_fail_against_each_others_checkpoints(
    scratch: Callable[[dict[str, bytes]], Path], good: Sealed
) -> None:
    other = rewritten(8)
    for mine, theirs in ((good, other), (other, good)):
        report = check(scratch(files(mine)), [theirs.note(6), theirs.note()])
        assert told(report) == ["root"]
        assert [c.size for c in report.held] == [6]
        assert report.faults[0].args["since"] == 7


def test_a_checkpoint_of_another_epoch_box_or_key_is_refused(
    scratch: Callable[[dict[str, bytes]], Path], good: Sealed
) -> None:
    folder = scratch(files(good))
    for other, what in (
        (chain(day(), epoch=2), "origin"),
        (chain(day(), box="ffffffffffffffff"), "origin"),
        (chain(day(), seed=b"\7" * 32), "signer"),
    ):
        report = check(folder, [other.note(4), good.note(5)])
        assert (report.ok, report.checked, report.exit_status, told(report)) == (False, False, 2, [what])
        assert [c.size for c in report.held] == [5]  # the others are compared all the same


def test_a_new_epoch_in_the_place_of_the_old_is_found_by_the_old_ones_checkpoint(
    scratch: Callable[[dict[str, bytes]], Path], good: Sealed
) -> None:
    fresh = chain(exported(day(), epoch=2), epoch=2)
    assert check(scratch(files(fresh))).ok
    assert check(scratch(files(fresh)), [good.note(5)]).exit_status == 2
    key = good.vkey
    assert told(check(scratch(files(fresh)), key_given=key)) == ["other-key"]


def test_a_trusted_key_must_be_the_folders(folder: Path, good: Sealed, tmp_path: Path) -> None:
    (tmp_path / "trusted.pub").write_text(good.vkey + "\n")
    assert check(folder, key_given=good.vkey).ok
    assert check(folder, key_given=str(tmp_path / "trusted.pub")).ok
    assert told(check(folder, key_given=chain(day(), seed=b"\7" * 32).vkey)) == ["other-key"]
    assert told(check(folder, key_given="nonsense+1+AA==")) == ["key"]
    assert told(check(folder, key_given="/nowhere/at/all")) == ["unreadable"]


# --- what cannot be checked is refused; nothing in between looks like success ---


def spoil(name: str, change: Callable[[bytes], bytes]) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes(change((folder / name).read_bytes()))


def link(name: str) -> Callable[[Path], object]:
    def make(folder: Path) -> None:
        (folder / name).rename(folder.parent / "elsewhere")
        (folder / name).symlink_to(folder.parent / "elsewhere")

    return make


def note(change: Callable[[str], str]) -> Callable[[Path], object]:
    return spoil("checkpoint.note", lambda raw: change(raw.decode()).encode())


KEY = (fake.chain(Story()).vkey + "\n").encode()
REFUSED: dict[str, tuple[Callable[[Path], object], str]] = {
    **{f"no {name}": (lambda f, n=name: (f / n).unlink(), "no-file") for name in  # type: ignore[misc]
       ("journal.jsonl", "personal.jsonl", "leaves.bin", "checkpoint.note", "proofs.json", "journal.pub",
        "verify_journal.py", "README.txt")},
    "no checkpoints": (lambda f: shutil.rmtree(f / "checkpoints"), "no-file"),
    "an empty folder": (lambda f: [shutil.rmtree(f), f.mkdir()], "no-file"),
    "no folder": (shutil.rmtree, "no-folder"),
    "an empty journal": (spoil("journal.jsonl", lambda _: b""), "empty"),
    "a further file": (lambda f: (f / "more.txt").write_text("x"), "extra"),
    "a further folder": (lambda f: (f / "more").mkdir(), "extra"),
    "a further checkpoint file": (lambda f: (f / "checkpoints" / "note.txt").write_text("x"), "extra"),
    "a checkpoint under a short name": (
        lambda f: (f / "checkpoints" / "000000000004.note").rename(f / "checkpoints" / "4.note"), "extra"),
    "a folder among the checkpoints": (lambda f: (f / "checkpoints" / "000000000007.note").mkdir(), "not-a-file"),
    "a linked row file": (link("journal.jsonl"), "not-a-file"),
    "a linked checkpoint": (link("checkpoints/000000000004.note"), "not-a-file"),
    "a linked folder": (link("checkpoints"), "not-a-file"),
    "a pipe": (lambda f: [(f / "leaves.bin").unlink(), os.mkfifo(f / "leaves.bin")], "not-a-file"),
    "a folder for a file": (lambda f: [(f / "leaves.bin").unlink(), (f / "leaves.bin").mkdir()], "not-a-file"),
    "a file for the folder": (lambda f: [shutil.rmtree(f / "checkpoints"), (f / "checkpoints").touch()], "not-a-file"),
    "an empty key": (spoil("journal.pub", lambda _: b""), "key"),
    "a key in Latin-1": (spoil("journal.pub", lambda raw: b"\xe9" + raw), "key"),
    "a key of two parts": (spoil("journal.pub", lambda raw: raw.rpartition(b"+")[0] + b"\n"), "key"),
    "a key without its line end": (spoil("journal.pub", lambda raw: raw[:-1]), "key"),
    "a key with a blank": (spoil("journal.pub", lambda raw: b" " + raw), "key"),
    "a key with two line ends": (spoil("journal.pub", lambda raw: raw + b"\n"), "key"),
    "an empty note": (note(lambda _: ""), "note"),
    "a note in Latin-1": (spoil("checkpoint.note", lambda raw: raw[:-1] + b"\xe9\n"), "note"),
    "a note with a BOM": (note(lambda t: "\ufeff" + t), "note"),
    "a note with CRLF": (note(lambda t: t.replace("\n", "\r\n")), "note"),
    "a note without its end": (note(lambda t: t[:-1]), "note"),
    "a note with something after it": (note(lambda t: t + "x"), "note"),
    "a note with a fourth line": (note(lambda t: t.replace("\n\n", "\nmore\n\n")), "note"),
    "a note without signature": (note(lambda t: t.partition("\u2014")[0]), "note"),
    "a note of size nought": (note(lambda t: t.replace("\n12\n", "\n0\n")), "note"),
    "a note of size +12": (note(lambda t: t.replace("\n12\n", "\n+12\n")), "note"),
    "a note of size 012": (note(lambda t: t.replace("\n12\n", "\n012\n")), "note"),
    "a note with a short root": (note(lambda t: t.replace(t.split("\n")[2], "AAAA")), "note"),
    "a note with a sloppy root": (note(lambda t: t.replace(t.split("\n")[2], "A" * 42 + "B=")), "note"),
    "a note with a sloppy signature": (note(lambda t: t[:-2] + "==\n"), "note"),
    "a note signed twice": (note(lambda t: t + t.split("\n\n")[1]), "signer"),
    "a note with another's signature": (note(lambda t: t + "\u2014 witness AAAAAAAA\n"), "signer"),
    "a note of another key id": (note(lambda t: t.replace(t.split("\n")[4].split(" ")[2][:4], "AAAA")), "signer"),
    "a note by another name": (note(lambda t: t.replace("\u2014 examsite", "\u2014 exomsite")), "signer"),
    "a note of another journal": (note(lambda t: t.replace("examsite/ru", "examsite/xx", 1)), "origin"),
    "empty proofs": (spoil("proofs.json", lambda _: b""), "proofs"),
    "proofs that are a list": (spoil("proofs.json", lambda _: b"[]\n"), "proofs"),
    "proofs without line end": (spoil("proofs.json", lambda raw: raw[:-1]), "proofs"),
    "proofs with a blank": (spoil("proofs.json", lambda raw: raw.replace(b":", b": ", 1)), "proofs"),
    "proofs of another version": (spoil("proofs.json", lambda raw: raw.replace(b'"v":1', b'"v":2')), "proofs"),
    "proofs of version true": (spoil("proofs.json", lambda raw: raw.replace(b'"v":1', b'"v":true')), "proofs"),
    "proofs of another size": (spoil("proofs.json", lambda raw: raw.replace(b'"size":12', b'"size":13')), "proofs"),
    "proofs with more in them": (spoil("proofs.json", lambda raw: raw.replace(b'"v":1', b'"v":1,"w":1')), "proofs"),
    "proofs in capitals": (
        spoil("proofs.json", lambda raw: raw[:40] + raw[40:60].upper().replace(b"0", b"A") + raw[60:]), "proofs"),
    "proofs of entry 0": (spoil("proofs.json", lambda raw: raw.replace(b'"1":', b'"0":')), "proofs"),
    "proofs of a word": (spoil("proofs.json", lambda raw: raw.replace(b'"9":', b'"x":')), "proofs"),
    "proofs that are numbers": (spoil("proofs.json", lambda raw: raw.replace(b'"4":[', b'"4":[1,')), "proofs"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_checked_is_refused(own: Path, name: str) -> None:
    change, what = REFUSED[name]
    change(own)
    report = check(own)
    assert (report.ok, report.checked, report.exit_status, told(report)) == (False, False, 2, [what])
    assert report.rows == 0
    assert report.as_json()["ok"] is False
    assert all(f.say(True) != f.say() for f in report.refusals)


def test_a_refusal_is_exit_status_2_in_a_plain_sentence(own: Path, tmp_path: Path) -> None:
    assert outside(tmp_path / "nothing", tmp_path).returncode == 2
    (own / "checkpoint.note").unlink()
    said = outside(own, tmp_path)
    assert (said.returncode, said.stderr) == (2, "")
    assert said.stdout.splitlines()[:2] == ["NOT CHECKED, and that is no success.", "checkpoint.note is missing."]
    assert outside(own, tmp_path, "--no-such-option").returncode == 2
    assert outside(own, tmp_path, "--json").stdout.startswith('{"ok": false, "checked": false, "exit": 2,')


def test_without_cryptography_nothing_is_checked_and_it_says_so(own: Path, tmp_path: Path) -> None:
    program = tmp_path / "verify.py"
    program.write_bytes(fake.PROGRAM)
    said = subprocess.run([sys.executable, "-S", "-I", str(program), str(own)], cwd=tmp_path, capture_output=True,
                          text=True, timeout=60, check=False, env={"PYTHONUTF8": "1"})  # fmt: skip
    assert said.returncode == 2
    assert "pip install cryptography" in said.stderr


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("/nowhere/checkpoint.note", "unreadable"),
        ("/proc", "unreadable"),
        ("x\0y", "unreadable"),
        ("nothing\n", "note"),
        ("a\n1\nb\n\n\u2014 c d\n", "note"),
        ("examsite/ru-ege/0123/00112233445566ff/1\n4\n", "note"),
    ],
)
def test_a_given_checkpoint_that_is_none_is_refused(folder: Path, text: str, what: str) -> None:
    report = check(folder, [text])
    assert (told(report), report.exit_status, report.held) == ([what], 2, [])


def test_a_checkpoint_is_given_as_a_file_or_as_its_text(folder: Path, good: Sealed, tmp_path: Path) -> None:
    (tmp_path / "a+b.note").write_text(good.note(5))
    for each in (str(tmp_path / "a+b.note"), good.note(5), good.note(5).rstrip("\n")):  # "$(cat f)" drops the last \n
        assert [c.size for c in check(folder, [each]).held] == [5]


def test_a_file_of_several_checkpoints_is_several_checkpoints(folder: Path, good: Sealed, tmp_path: Path) -> None:
    """As on the head's stick: an empty line between them. Each is judged, each that is none is named by its number."""
    marks, sizes = tmp_path / "marks.txt", (2, 5, 11)
    marks.write_text("\n".join(good.note(n) for n in sizes), encoding="utf-8")
    report = check(folder, [str(marks)])
    named = [(f"{marks}, {number}", size) for number, size in enumerate(sizes, 1)]
    assert (report.ok, [(c.file, c.size) for c in report.held]) == (True, named)
    lines = [good.note(2), good.note(5).replace("\n5\n", "\n6\n"), good.note(11) + good.note(11), good.note(7)]
    report = check(folder, ["\n".join(lines)])
    assert (report.exit_status, [c.size for c in report.held]) == (2, [2, 7])
    assert [(f.what, f.args["file"]) for f in report.refusals] == [("signature", "--checkpoint, 2"),
                                                                   ("note", "--checkpoint, 3")]  # fmt: skip
    assert told(check(folder, [good.note(2) + "\n"])) == ["note"]


def test_the_newest_checkpoints_copy_among_the_stored_is_missed_too(own: Path) -> None:
    (own / "checkpoints/000000000012.note").unlink()
    report = check(own)
    assert (told(report), report.exit_status) == (["no-file"], 2)
    assert report.refusals[0].args["file"] == "checkpoints/000000000012.note"


def test_an_altered_given_checkpoint_is_refused_and_not_the_journals_fault(folder: Path, good: Sealed) -> None:
    altered = good.note(5).replace("\n5\n", "\n6\n")
    report = check(folder, [altered, good.note(4)])
    assert (told(report), report.exit_status, report.faults) == (["signature"], 2, [])
    assert [c.size for c in report.held] == [4]


def test_signatures_of_witnesses_on_a_given_checkpoint_are_told_of_and_not_trusted(folder: Path, good: Sealed) -> None:
    line = "\u2014 witness.example/1 " + base64.b64encode(b"x" * 76).decode() + "\n"
    report = check(folder, [good.note(5) + line + line])
    assert (report.ok, [c.size for c in report.held]) == (True, [5])
    assert ("others", 2) in [(r.what, r.args.get("n")) for r in report.remarks]
    assert told(check(folder, [good.note(5).partition("\u2014")[0] + line])) == ["signer"]


def test_a_signature_that_is_not_the_keys_is_a_fault_of_the_folder(own: Path, good: Sealed) -> None:
    other = chain(day(), seed=b"\7" * 32)
    number = base64.b64decode(good.vkey.split("+", 2)[2])
    text, _, line = good.note().partition("\n\n")
    blob = base64.b64decode(line.split(" ")[2])
    forged = blob[:4] + base64.b64decode(other.note().split(" ")[-1])[4:]
    (own / "checkpoint.note").write_text(f"{text}\n\n\u2014 {good.origin} {base64.b64encode(forged).decode()}\n")
    report = check(own)
    assert (told(report), report.exit_status, len(number)) == (["signature"], 1, 33)


def test_a_stored_checkpoint_stands_under_its_own_size(own: Path) -> None:
    notes = own / "checkpoints"
    (notes / "000000000004.note").rename(notes / "000000000005.note")
    assert told(check(own)) == ["name"]


def test_leaves_of_another_number_are_found(own: Path) -> None:
    raw = (own / "leaves.bin").read_bytes()
    for bad in (raw + b"\0" * 32, raw + b"\0", raw[:-32], raw[:-1], b""):
        (own / "leaves.bin").write_bytes(bad)
        report = check(own)
        assert told(report)[0] == "leaves"
        assert report.exit_status == 1


def test_a_checkpoint_missing_among_the_stored_is_missed_by_the_proofs(own: Path) -> None:
    (own / "checkpoints" / "000000000004.note").unlink()
    report = check(own)
    assert (told(report), report.faults[0].args["size"]) == (["consistency"], 4)


# --- rows that somebody with the key sealed though they break the format ---

Rows = list[bytes]


def resealed(change: Callable[[list[dict[str, Any]]], object], raw: Callable[[Rows], object] | None = None) -> Sealed:
    """The day with rows changed, chained anew unless `raw` says so; everything is signed."""
    story = day()
    change(story.rows)
    sealed = chain(exported(story))
    if raw is not None:
        raw(sealed.rows)
        prev = "0" * 64
        for n, row in enumerate(sealed.rows):
            if n != 6:  # that one stays as the test made it
                sealed.rows[n] = row.replace(json.loads(row)["prev"].encode(), prev.encode())
            prev = hashlib.sha256(sealed.rows[n]).hexdigest()
        last = json.loads(sealed.rows[-1])
        last["data"]["leaves"] = hashlib.sha256(b"".join(sealed.leaves[:-1])).hexdigest()
        sealed.rows[-1] = fake.canonical(last)
    return sealed


def put(**fields: Any) -> Callable[[Rows], None]:
    """Entry 7 with fields of its own; `...` takes a field away."""

    def change(rows: Rows) -> None:
        said = {**json.loads(rows[6]), **fields}
        rows[6] = fake.canonical({key: value for key, value in said.items() if value is not ...})

    return change


def text(old: bytes, new: bytes) -> Callable[[Rows], None]:
    def change(rows: Rows) -> None:
        assert old in rows[6]
        rows[6] = rows[6].replace(old, new, 1)

    return change


BROKEN: dict[str, tuple[Callable[[Rows], None], str]] = {
    "a blank": (text(b'"kind":', b'"kind": '), "canonical"),
    "keys out of order": (
        text(b'"exam":"math","kind":"door.opened"', b'"kind":"door.opened","exam":"math"'), "canonical"),
    "a key twice": (text(b'"exam":"math"', b'"exam":"math","exam":"math"'), "canonical"),
    "an escape too many": (text("Дверь".encode(), b"\\u0414\\u0432\\u0435\\u0440\\u044c"), "canonical"),
    "a capital escape": (text("Дверь".encode(), b"\\u001F"), "canonical"),
    "a lone surrogate": (text("Дверь".encode(), b"\\ud800"), "canonical"),
    "a fraction": (text(b'"n":6', b'"n":6.5'), "canonical"),
    "a fraction that is whole": (text(b'"n":6', b'"n":6.0'), "canonical"),
    "an exponent": (text(b'"n":6', b'"n":6e0'), "canonical"),
    "minus nought": (text(b'"n":6', b'"n":-0'), "canonical"),
    "a number beyond 2**53": (text(b'"n":6', b'"n":9007199254740992'), "canonical"),
    "a number below -2**53": (text(b'"n":6', b'"n":-9007199254740992'), "canonical"),
    "no number": (text(b'"n":6', b'"n":NaN'), "canonical"),
    "infinity": (text(b'"n":6', b'"n":Infinity'), "canonical"),
    "no JSON": (text(b'{"actor"', b'["actor"'), "canonical"),
    "a BOM": (text(b'{"actor"', b'\xef\xbb\xbf{"actor"'), "canonical"),
    "no UTF-8": (text("Дверь".encode(), b"\xff"), "canonical"),
    "a carriage return": (text(b'"v":2}', b'"v":2}\r'), "canonical"),
    "a thousand brackets": (text(b'"n":6', b'"n":' + b"[" * 100_000 + b"]" * 100_000), "canonical"),
    "code points for code units": (
        text('стойки"'.encode(), 'стойки","\ufb01":1,"\U0001f50b":2'.encode()), "canonical"),
    "version 1": (put(v=1), "version"),
    "version 3": (put(v=3), "version"),
    "no version": (put(v=...), "version"),
    "a field too many": (put(more=1), "shape"),
    "a field missing": (put(tz=...), "shape"),
    "another number inside": (put(seq=8), "number"),
    "true for a number": (put(seq=True), "number"),
    "another box": (put(box="ffffffffffffffff"), "other-box"),
    "another epoch": (put(epoch=2), "other-box"),
    "an epoch as text": (put(epoch="1"), "other-box"),
    "another prev": (put(prev="f" * 64), "prev"),
    "a time without zone": (put(at="2026-11-22T05:00:07.000000"), "shape"),
    "a time that never was": (put(at="2026-11-31T05:00:07.000000Z"), "shape"),
    "a time as number": (put(at=7), "shape"),
    "a boot as number": (put(boot=7), "shape"),
    "a kind as list": (put(kind=[]), "shape"),
    "monotonic text": (put(mono_us="7"), "shape"),
    "monotonic truth": (put(mono_us=True), "shape"),
    "monotonic below nought": (put(mono_us=-1), "shape"),
    "monotonic back": (put(mono_us=5_999_999), "monotonic"),
    "a reference to itself": (put(refs=[7]), "shape"),
    "a reference to nought": (put(refs=[0]), "shape"),
    "a reference as text": (put(refs=["1"]), "shape"),
    "references as text": (put(refs="1"), "shape"),
    "data as list": (put(data=[]), "shape"),
    "an actor as text": (put(actor="watch"), "shape"),
    "an actor with more": (put(actor={"id": "", "kind": "", "name": "", "role": "", "x": ""}), "shape"),
    "a clock as null": (put(clock=None), "shape"),
    "a clock with less": (put(clock={"age_s": 1, "state": "free"}), "shape"),
    "a commitment nobody opens": (put(data={"word": {"commit": "0" * 64}}), "erased-silently"),
    "an erasure without a list": (put(kind="personal.erased", data={}), "shape"),
    "an erasure of text": (put(kind="personal.erased", data={"erased": ["x"]}), "shape"),
    "an erasure without paths": (put(kind="personal.erased", data={"erased": [{"seq": 3}]}), "shape"),
    "an erasure of what stands": (
        put(kind="personal.erased", data={"erased": [{"paths": ["/actor/name"], "seq": 3}]}), "not-erased"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_a_row_that_breaks_the_format_is_found_though_it_is_sealed(
    scratch: Callable[[dict[str, bytes]], Path], name: str
) -> None:
    change, what = BROKEN[name]
    report = check(scratch(files(resealed(lambda rows: None, change))))
    assert (told(report), first_bad(report)) == ([what], 7), [f.say() for f in (*report.faults, *report.refusals)]
    assert report.exit_status == (2 if what == "version" else 1)


GOOD_ROWS: dict[str, Callable[[Rows], None]] = {
    "the largest number": text(b'"n":6', b'"n":9007199254740991'),
    "the smallest number": text(b'"n":6', b'"n":-9007199254740991'),
    "keys in code units": text('стойки"'.encode(), 'стойки","\U0001f50b":2,"\ufb01":1'.encode()),
    "control characters": text("Дверь".encode(), b"\\b\\t\\n\\f\\r\\u0000\\u001f\\\"\\\\/\x7f"),
    "sixteen digits in a text": text("Дверь".encode(), b"1234567890123456789"),
    "references back": put(refs=[1, 6]),
    "the monotonic clock stands": put(mono_us=6_000_000),
    "something that is no commitment": put(data={"word": {"commit": "x", "more": 1}}),
}


@pytest.mark.parametrize("name", GOOD_ROWS)
def test_a_row_within_the_format_holds(scratch: Callable[[dict[str, bytes]], Path], name: str) -> None:
    report = check(scratch(files(resealed(lambda rows: None, GOOD_ROWS[name]))))
    assert report.ok, [f.say() for f in report.faults]


@pytest.mark.parametrize("row", [b"7", b"[]", b"null", b'"x"', b"{}"])
def test_a_row_that_is_no_object_is_found(scratch: Callable[[dict[str, bytes]], Path], row: bytes) -> None:
    def change(rows: Rows) -> None:
        rows[6] = row

    report = check(scratch(files(resealed(lambda rows: None, change))))
    assert (told(report), first_bad(report)) == (["version" if row == b"{}" else "shape"], 7)


# --- openings ---


def openings(folder: Path, change: Callable[[list[dict[str, Any]]], object]) -> Report:
    path = folder / "personal.jsonl"
    raw = path.read_bytes()
    said = [json.loads(line) for line in raw.splitlines()]
    changed = change(said)
    said = changed if isinstance(changed, list) else said
    path.write_bytes(b"".join(each if isinstance(each, bytes) else fake.canonical(each) + b"\n" for each in said))
    try:
        return check(folder)
    finally:
        path.write_bytes(raw)


def test_each_opening_taken_away_is_missed(folder: Path) -> None:
    count = len((folder / "personal.jsonl").read_bytes().splitlines())
    for n in range(count):
        seq = json.loads((folder / "personal.jsonl").read_bytes().splitlines()[n])["seq"]
        report = openings(folder, lambda said, n=n: said.pop(n))  # type: ignore[misc]
        assert (told(report), first_bad(report)) == (["erased-silently"], seq)


def test_an_opening_that_says_something_else_is_found(folder: Path) -> None:
    for field, value in (("value", "Иванов"), ("salt", "00" * 32)):
        report = openings(folder, lambda said, f=field, v=value: said[1].__setitem__(f, v))  # type: ignore[misc]
        assert (told(report), first_bad(report)) == (["opening-wrong"], 3)


@pytest.mark.parametrize(
    ("seq", "path"),
    [(1, "/actor/name"), (2, "/data/none"), (2, "/actor/name2"), (12, "/zz"), (13, "/actor/name"), (0, "")],
)
def test_an_opening_where_nothing_personal_stands_is_found(folder: Path, seq: int, path: str) -> None:
    def change(said: list[dict[str, Any]]) -> list[dict[str, Any]]:
        more = {"path": path, "salt": "00" * 32, "seq": seq, "value": "x"}
        return sorted([*said, more], key=lambda o: (o["seq"], o["path"]))

    report = openings(folder, change)
    assert (told(report), first_bad(report)) == (["opening-alone"], seq) if seq else (["opening-order"], None)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda said: said.insert(1, said[1]), "opening-order"),
        (lambda said: said.reverse(), "opening-order"),
        (lambda said: said[1].pop("salt"), "opening-form"),
        (lambda said: said[1].update(more="x"), "opening-form"),
        (lambda said: said[1].update(seq="3"), "opening-form"),
        (lambda said: said[1].update(seq=True), "opening-form"),
        (lambda said: said[1].update(path=3), "opening-form"),
        (lambda said: said[1].update(value=None), "opening-form"),
        (lambda said: said[1].update(salt=said[1]["salt"][:-2]), "opening-form"),
        (lambda said: said[1].update(salt=said[1]["salt"].upper()), "opening-form"),
        (lambda said: said[1].update(salt=7), "opening-form"),
        (lambda said: [said[0], b"[]\n"], "opening-form"),
        (lambda said: [said[0], b"\n"], "opening-form"),
        (lambda said: [*said, b"{}"], "opening-form"),
        (lambda said: [*said[:-1], fake.canonical(said[-1])], "opening-form"),
        (lambda said: [fake.canonical(said[0]) + b"\r\n", *said[1:]], "opening-form"),
        (lambda said: [json.dumps(said[0]).encode() + b"\n", *said[1:]], "opening-form"),
    ],
)
def test_a_file_of_openings_that_is_not_written_right_is_found(
    folder: Path, change: Callable[[list[dict[str, Any]]], object], what: str
) -> None:
    report = openings(folder, change)
    assert (told(report), report.exit_status) == ([what], 1)
    assert report.faults[0].args["line"] >= 1


def test_an_erasure_must_come_after_what_it_erases(scratch: Callable[[dict[str, bytes]], Path]) -> None:
    """The pretext: values that were never erased by an entry, and one that claims it before they were written."""
    story = Story()
    story.tell("personal.erased", erased=[{"paths": ["/actor/id"], "seq": 2}])
    story.tell("signin.accepted", "Орлов")
    story.openings = [o for o in story.openings if o["path"] != "/actor/id"]
    report = check(scratch(files(chain(exported(story)))))
    assert (told(report), first_bad(report)) == (["erased-silently"], 2)


def test_a_lawful_erasure_holds_also_against_checkpoints_from_before_it(
    scratch: Callable[[dict[str, bytes]], Path], good: Sealed
) -> None:
    story = Story()
    story.tell("box.started")
    story.tell("signin.accepted", "Орлов", deep=[{"a/b~c": fake.commitment(b"\0" * 32, "тихо")}])
    story.openings.append({"path": "/data/deep/0/a~1b~0c", "salt": "00" * 32, "seq": 2, "value": "тихо"})
    before = chain(story)
    assert check(scratch(files(chain(exported(Story(list(story.rows), list(story.openings))))))).ok
    story.tell("personal.erased", erased=[{"paths": ["/actor/id", "/actor/name", "/data/deep/0/a~1b~0c"], "seq": 2}])
    story.openings = [o for o in story.openings if o["seq"] != 2]
    report = check(scratch(files(chain(exported(story)))), [before.note()])
    assert (report.ok, [c.size for c in report.held]) == (True, [2])
    assert ("erased", 3) in [(r.what, r.args.get("n")) for r in report.remarks]


# --- an exam's entries alone ---


def chosen(numbers: list[int], **changed: Any) -> Sealed:
    return chain(exported(day(), numbers, **changed))


def test_a_part_of_the_journal_holds_with_its_proofs(scratch: Callable[[dict[str, bytes]], Path], good: Sealed) -> None:
    numbers = [2, 3, 5, 6, 9, 11]
    report = check(scratch(files(chosen(numbers), chosen=numbers)), [good.note(5)])
    assert (report.ok, report.rows, report.size) == (True, 7, 12), [f.say() for f in report.faults]
    assert ("left-out", 5) in [(r.what, r.args.get("n")) for r in report.remarks]


@pytest.mark.parametrize("left_out", [2, 3, 6, 9])
def test_an_entry_left_out_of_a_part_with_its_proof_is_missed(
    scratch: Callable[[dict[str, bytes]], Path], left_out: int
) -> None:
    numbers = [2, 3, 5, 6, 9, 11]
    fewer = [n for n in numbers if n != left_out]
    assert told(check(scratch(files(chosen(numbers), chosen=fewer)))) == ["selection"]
    with_proof = files(chosen(numbers), chosen=numbers)
    with_proof["journal.jsonl"] = files(chosen(numbers), chosen=fewer)["journal.jsonl"]
    report = check(scratch(with_proof))
    assert (told(report), first_bad(report)) == (["missing"], left_out)


def test_the_last_entry_must_say_what_the_folder_holds(scratch: Callable[[dict[str, bytes]], Path]) -> None:
    numbers = [2, 3, 5, 6, 9, 11]
    assert told(check(scratch(files(chain(day()))))) == ["unsaid"]
    assert told(check(scratch(files(chosen(numbers, rows=7), chosen=numbers)))) == ["selection"]
    assert told(check(scratch(files(chosen(numbers, leaves="0" * 64), chosen=numbers)))) == ["selection"]
    assert told(check(scratch(files(chosen(numbers, program="0" * 64), chosen=numbers)))) == ["file-changed"]
    assert told(check(scratch(files(chosen(numbers, readme="0" * 64), chosen=numbers)))) == ["file-changed"]
    story = exported(day(), numbers)
    story.tell("door.opened")
    contents = files(chain(story), chosen=numbers)  # its last row is 13, no journal.exported
    assert told(check(scratch(contents))) == ["unsaid"]
    contents = files(chain(story), chosen=numbers[:-1])
    proofs = json.loads(files(chain(story), chosen=numbers[:-1])["proofs.json"])
    sealed = chain(story)
    rows = [*numbers, 12]
    proofs["inclusion"] = {str(n): [h.hex() for h in fake.inclusion(n - 1, sealed.leaves)] for n in rows}
    contents["proofs.json"] = fake.canonical(proofs) + b"\n"
    contents["journal.jsonl"] = b"".join(sealed.rows[n - 1] + b"\n" for n in rows)
    contents["personal.jsonl"] = b"".join(fake.canonical(o) + b"\n" for o in sealed.openings if o["seq"] in rows)
    assert told(check(scratch(contents))) == ["unsaid"]  # an older export's entry does not stand for a newer journal


# --- proofs ---


def test_every_proof_of_rfc_6962_up_to_size_20_is_taken_and_no_other() -> None:
    leaves = [hashlib.sha256(bytes([n])).digest() for n in range(70)]
    for size in [*range(1, 21), 33, 70]:
        root = fake.mth(leaves[:size])
        for index in range(size):
            proof = fake.inclusion(index, leaves[:size])
            assert verify_journal.included_root(leaves[index], index, size, proof) == root
            for wrong in wrong_proofs(proof):
                assert verify_journal.included_root(leaves[index], index, size, wrong) != root
            for other in {0, index - 1, index + 1, size} - {index}:
                assert verify_journal.included_root(leaves[index], other, size, proof) != root
        for old in range(1, size + 1):
            proof, was = fake.consistency(old, leaves[:size]), fake.mth(leaves[:old])
            assert verify_journal.grew(old, size, was, root, proof)
            for wrong in wrong_proofs(proof):
                assert not verify_journal.grew(old, size, was, root, wrong)
            assert not verify_journal.grew(old, size, leaves[0] if old > 1 else root[::-1], root, proof)
            assert not verify_journal.grew(old, size, was, root[::-1], proof)
        assert not verify_journal.grew(size + 1, size, root, root, [root])
        assert not verify_journal.grew(0, size, root, root, [root])


def wrong_proofs(proof: list[bytes]) -> Iterator[list[bytes]]:
    yield [*proof, b"\0" * 32]
    for n, each in enumerate(proof):
        yield [*proof[:n], *proof[n + 1 :]]
        yield [*proof[:n], bytes([each[0] ^ 1]) + each[1:], *proof[n + 1 :]]
        yield [*proof[:n], each, *proof[n:]]


def test_the_roots_are_those_of_certificate_transparency() -> None:
    """The reference tree of RFC 6962's own implementation (certificate-transparency, merkletree/*_test)."""
    inputs = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
    roots = [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ]
    leaves = b"".join(verify_journal.leaf_hash(bytes.fromhex(each)) for each in inputs)
    found = verify_journal.roots(leaves, range(1, 9))
    assert [found[n].hex() for n in range(1, 9)] == roots
    assert verify_journal.roots(leaves, []) == {}
    assert verify_journal.roots(leaves, [3]).keys() == {3}


def test_the_key_of_sumdb_note_is_read_and_no_mangled_one() -> None:
    """The published key of golang.org/x/mod/sumdb/note's own test."""
    vkey = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    found = verify_journal.read_key(vkey.encode(), "vkey")
    assert (found.name, found.number.hex(), len(found.public)) == ("PeterNeumann", "c74f20a3", 32)
    mangled = [vkey[:n] + chr(ord(vkey[n]) + 1) + vkey[n + 1 :] for n in range(len(vkey))]
    mangled += [vkey[a:b] for a in range(0, len(vkey), 3) for b in range(a + 1, len(vkey)) if (a, b) != (0, len(vkey))]
    mangled += ["PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==",
                "PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"]  # fmt: skip
    for bad in mangled:
        with pytest.raises(verify_journal.Refused):
            verify_journal.read_key(bad.encode(), "vkey")


def test_a_published_note_of_that_key_verifies_by_the_same_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """sumdb/note's published signature: the same bytes are signed, the same key id and spelling are taken."""
    key = verify_journal.read_key(b"PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", "vkey")
    text = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
    blob = base64.b64decode(
        "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="
    )
    assert blob[:4] == key.number
    verify_journal.Ed25519PublicKey.from_public_bytes(key.public).verify(blob[4:], text.encode())


@pytest.mark.parametrize("part", ["inclusion", "consistency"])
def test_each_proof_in_the_folder_is_checked(own: Path, part: str) -> None:
    good = json.loads((own / "proofs.json").read_bytes())
    for number in good[part]:
        if good[part][number]:
            said = json.loads(json.dumps(good))
            said[part][number][-1] = "0" * 64
            (own / "proofs.json").write_bytes(fake.canonical(said) + b"\n")
            report = check(own)
            assert told(report) == [part]
            assert report.faults[0].args["entry" if part == "inclusion" else "size"] == int(number)
    said = json.loads(json.dumps(good))
    del said[part]["8"]
    (own / "proofs.json").write_bytes(fake.canonical(said) + b"\n")
    assert told(check(own)) == (["missing"] if part == "inclusion" else ["consistency"])
    said = json.loads(json.dumps(good))
    said[part]["5" if part == "consistency" else "13"] = good[part]["8"]
    (own / "proofs.json").write_bytes(fake.canonical(said) + b"\n")
    assert told(check(own)) == (["ends"] if part == "inclusion" else ["consistency"])


# --- time: told of, and no reason to fail ---


def remarks(change: Callable[[list[dict[str, Any]]], object], scratch: Callable[[dict[str, bytes]], Path]) -> list[Any]:
    report = check(scratch(files(resealed(change))), [])
    assert report.ok, [f.say() for f in report.faults]
    of_time = [r for r in report.remarks if r.what in ("hole", "boot", "set-back")]
    return [(r.what, r.args.get("entry"), r.args.get("s")) for r in of_time]


def test_a_hole_a_new_start_and_a_clock_set_back_are_told(scratch: Callable[[dict[str, bytes]], Path]) -> None:
    assert remarks(lambda rows: None, scratch) == []
    assert remarks(lambda rows: rows[6].update(at="2026-11-22T05:00:05.500000Z"), scratch) == [("set-back", 7, 0)]
    assert remarks(lambda rows: rows[6].update(at="2026-11-22T04:00:06.000000Z"), scratch) == [("set-back", 7, 3600)]
    assert remarks(lambda rows: rows[6].update(at=rows[5]["at"]), scratch) == []
    earlier = {"boot": "boot-0"}
    assert remarks(lambda rows: [r.update(earlier, mono_us=r["mono_us"] * 10**6) for r in rows[:6]], scratch)[-1:] == [
        ("boot", 7, None)
    ]


def test_a_hole_in_the_signs_of_life_is_told_from_three_minutes_on(scratch: Callable[[dict[str, bytes]], Path]) -> None:
    def story(gap_us: int) -> Sealed:
        made = day()
        for row in made.rows[6:]:
            row["mono_us"] += gap_us
        exported(made)
        made.rows[-1]["mono_us"] += gap_us
        return chain(made)

    for gap_us, wanted in ((179_000_000, []), (179_000_001, [7]), (3_600_000_000, [7])):
        report = check(scratch(files(story(gap_us))))
        assert [r.args["entry"] for r in report.remarks if r.what == "hole"] == wanted
        assert report.ok
    assert [r.args["s"] for r in report.remarks if r.what == "hole"] == [3601]


def test_time_between_entries_that_are_apart_is_not_judged(scratch: Callable[[dict[str, bytes]], Path]) -> None:
    numbers = [2, 3, 9, 11]
    story = day()
    for row in story.rows[5:]:
        row["mono_us"] += 3_600_000_000
    exported(story, numbers)
    story.rows[-1]["mono_us"] += 3_600_000_000
    report = check(scratch(files(chain(story), chosen=numbers)))
    assert (report.ok, [r.what for r in report.remarks if r.what == "hole"]) == (True, [])


def test_the_monotonic_clock_of_a_boot_may_not_go_back_even_with_another_boot_between(
    scratch: Callable[[dict[str, bytes]], Path],
) -> None:
    def change(rows: list[dict[str, Any]]) -> None:
        rows[6].update(boot="boot-2", mono_us=1)
        rows[7].update(boot="boot-2", mono_us=2)
        rows[8].update(mono_us=5_000_000)

    report = check(scratch(files(resealed(change))))
    assert (told(report), first_bad(report)) == (["monotonic"], 9)


def test_many_remarks_are_counted_and_not_all_printed(scratch: Callable[[dict[str, bytes]], Path]) -> None:
    story = Story()
    for n in range(1, 31):
        story.tell("box.started")
        story.rows[-1]["boot"] = f"boot-{n}"
    report = check(scratch(files(chain(exported(story)))))
    lines = list(verify_journal.tell(report, True))
    assert [line for line in lines if "more remarks" in line] == [f"{len(report.remarks) - 20} more remarks."]
    assert len(lines) == 2 * 22
    report.remarks = report.remarks[:20]
    assert len(list(verify_journal.tell(report, False))) == 21


# --- what only a broken medium or one seal alone can show ---


def test_the_newest_checkpoints_root_is_checked_where_no_proof_stands(
    scratch: Callable[[dict[str, bytes]], Path], good: Sealed
) -> None:
    """Rows and leaves agree with each other, and only the signed root says otherwise."""
    contents = files(rewritten(9), stored=[], proofs=False)
    contents["checkpoint.note"] = contents["checkpoints/000000000012.note"] = good.note().encode()
    report = check(scratch(contents))
    assert (report.exit_status, set(told(report))) == (1, {"root"})
    assert report.faults[0].args == {"file": "checkpoint.note", "size": 12, "since": 1}


@pytest.mark.parametrize("call", ["open", "scandir"])
def test_a_medium_that_cannot_be_read_is_a_refusal(folder: Path, call: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(verify_journal.os, call, broken)
        report = check(folder)
    assert (told(report), report.exit_status, report.checked) == (["unreadable"], 2, False)
    assert "Input/output error" in report.refusals[0].say()


def test_what_was_given_is_called_by_its_option_or_its_file(folder: Path, own: Path) -> None:
    assert check(folder, key_given="a+b+c").refusals[0].args["file"] == "--key"
    assert check(folder, ["nothing\n"]).refusals[0].args["file"] == "--checkpoint"
    assert check(folder, ["/nowhere"]).refusals[0].args["file"] == "/nowhere"
    (own / "leaves.bin").write_bytes((own / "leaves.bin").read_bytes()[:-32])
    assert check(own).faults[0].args == {"file": "leaves.bin", "found": 11, "size": 12}


def test_a_stored_checkpoint_bears_the_boxs_signature_alone(own: Path) -> None:
    with (own / "checkpoints/000000000004.note").open("a") as file:
        file.write("\u2014 witness.example " + base64.b64encode(b"x" * 76).decode() + "\n")
    assert told(check(own)) == ["signer"]


def test_a_word_changed_within_a_row_names_that_row_and_not_the_next(folder: Path) -> None:
    for n in (7, ENTRIES):
        report = changed_rows(folder, lambda rows, n=n: [r.replace(b"+05:00", b"+06:00") if i == n else r for i, r in enumerate(rows, 1)])  # type: ignore[misc]  # noqa: E501
        assert (told(report), first_bad(report)) == (["changed"], n)
