"""Whatever is changed in an exported journal is found by its verifier, and the first bad entry is named."""

from __future__ import annotations

import ast
import base64
import hashlib
import json
import os
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
    said = json.loads(outside(own, tmp_path, "--json", "--checkpoint", good.note(8), "--checkpoint", good.note(4)).stdout)
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


@settings(max_examples=400, deadline=None)
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
