"""Whatever is changed in a package, the journal or the archive is found, and the file or entry is named."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from click.testing import CliRunner

from appliance import bag, journal, packages, verify
from appliance.commands.verify import verify as command
from appliance.packages import Report
from tests import handover
from tests.handover import Site

FLIPS_A_FILE = 10


@pytest.fixture(scope="module")
def filmed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return handover.film(tmp_path_factory.mktemp("filmed"))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, filmed: Path) -> Path:
    """One package for the whole file; tests that change it take a copy."""
    folder = tmp_path_factory.mktemp("made")
    return handover.site(folder / "site", filmed).package(folder).path


@pytest.fixture
def package(made: Path, tmp_path: Path) -> Path:
    return shutil.copytree(made, tmp_path / "package")


@pytest.fixture
def site(tmp_path: Path, filmed: Path) -> Site:
    return handover.site(tmp_path / "site", filmed)


def named(report: Report) -> str:
    """Everything a report says, to look for a name in."""
    return json.dumps([[fault.where, str(fault.message)] for fault in report.faults], ensure_ascii=False)


def test_an_untouched_package_holds(package: Path) -> None:
    report = packages.check(package)
    assert report.faults == ()
    assert report.counts["recordings"] == 7
    assert report.counts["bytes"] == sum(p.stat().st_size for p in package.rglob("*") if p.is_file())


KINDS = [
    "data/video/entrance",
    "data/video/corridor-1",
    bag.MANIFEST,
    bag.JOURNAL,
    bag.PERSONAL,
    bag.SEAL,
    bag.PAGE,
    bag.HOW_TO_CHECK,
    bag.PAYLOAD_LIST,
    bag.TAG_LIST,
    "bagit.txt",
    "bag-info.txt",
]


@pytest.mark.parametrize("kind", KINDS)
def test_one_changed_byte_anywhere_is_found_and_named(package: Path, kind: str) -> None:
    target = package / kind
    target = sorted(target.iterdir())[0] if target.is_dir() else target
    inside = target.relative_to(package).as_posix()
    good, dice = target.read_bytes(), random.Random(kind)
    places = {0, len(good) - 1, *(dice.randrange(len(good)) for _ in range(FLIPS_A_FILE))}
    for place in sorted(places):
        data = bytearray(good)
        data[place] ^= 1 << dice.randrange(8)
        target.write_bytes(data)
        report = packages.check(package)
        assert not report.ok, f"{inside}: byte {place} went unseen"
        assert inside in named(report), f"{inside}: byte {place} was blamed on {named(report)}"
    target.write_bytes(good)
    assert packages.check(package).ok


def test_upper_case_or_a_blank_in_a_list_is_a_change(package: Path) -> None:
    """bagit itself takes both: the same hash in capitals, and a line that ends in a blank."""
    for listed in (bag.PAYLOAD_LIST, bag.TAG_LIST):
        good = (package / listed).read_bytes()
        for bad in (good[:8] + good[8:64].upper() + good[64:], good[:-1] + b" \n", good + b"\n"):
            (package / listed).write_bytes(bad)
            assert listed in named(packages.check(package))
        (package / listed).write_bytes(good)


@pytest.mark.parametrize("kind", KINDS)
def test_a_missing_file_is_named(package: Path, kind: str) -> None:
    target = package / kind
    target = sorted(target.iterdir())[-1] if target.is_dir() else target
    target.unlink()
    assert target.relative_to(package).as_posix() in named(packages.check(package))


@pytest.mark.parametrize(
    "place", ["readme.txt", "data/extra.txt", "data/video/entrance/extra.mp4", "data/video/extra/a.mp4"]
)
@pytest.mark.parametrize("relisted", [False, True])
def test_an_added_file_is_named(package: Path, place: str, relisted: bool) -> None:
    (package / place).parent.mkdir(exist_ok=True)
    (package / place).write_bytes(b"extra")
    if relisted:
        handover.rebag(package)
    assert place in named(packages.check(package))


def test_a_link_is_no_recording(package: Path, tmp_path: Path) -> None:
    target = next((package / bag.VIDEO).rglob("*.mp4"))
    target.rename(tmp_path / "elsewhere.mp4")
    target.symlink_to(tmp_path / "elsewhere.mp4")
    (package / "data/more").symlink_to(tmp_path, target_is_directory=True)
    links = [f.where for f in packages.check(package).faults if "link" in f.message.text]
    assert sorted(links) == ["data/more", target.relative_to(package).as_posix()]


# A forger who knows BagIt writes the lists anew. What is left are the bonds of the content itself.


def edit_manifest(package: Path, change: Callable[[Any], object]) -> None:
    said = handover.manifest(package)
    change(said)
    (package / bag.MANIFEST).write_bytes(rfc8785.dumps(said))


def edit_journal(package: Path, change: Callable[[list[str]], list[str]]) -> None:
    rows = change((package / bag.JOURNAL).read_text().splitlines())
    (package / bag.JOURNAL).write_text("".join(f"{row}\n" for row in rows))


def test_every_single_entry_changed_is_named(package: Path) -> None:
    rows = (package / bag.JOURNAL).read_text().splitlines()
    for n in range(len(rows)):
        edit_journal(package, lambda _, n=n: [*rows[:n], rows[n].replace('"v":2', '"v":3'), *rows[n + 1 :]])  # type: ignore[misc]
        handover.rebag(package)
        assert f"entry {n + 1}" in [fault.where for fault in packages.check(package).faults]


@pytest.mark.parametrize(
    ("change", "entry"),
    [
        (lambda rows: rows[:3] + rows[4:], "entry 4"),
        (lambda rows: [rows[1], rows[0], *rows[2:]], "entry 1"),
        (lambda rows: [*rows[:3], rows[2], *rows[3:]], "entry 4"),
        (lambda rows: rows[:-1], bag.JOURNAL),
        (lambda rows: [], bag.JOURNAL),
    ],
)
def test_entries_taken_out_swapped_or_doubled_are_named(
    package: Path, change: Callable[[list[str]], list[str]], entry: str
) -> None:
    edit_journal(package, change)
    handover.rebag(package)
    assert entry in [fault.where for fault in packages.check(package).faults]


def test_a_chain_forged_with_its_hashes_still_breaks_the_next_link(package: Path) -> None:
    edit_journal(package, lambda rows: [*rows[:2], rows[2].replace("Математика", "Физика"), *rows[3:]])
    rows = (package / bag.JOURNAL).read_text().splitlines()
    assert "Физика" in rows[2]
    edit_manifest(
        package,
        lambda said: said["journal"]["hashes"].__setitem__(2, hashlib.sha256(rows[2].encode()).hexdigest()),
    )
    handover.rebag(package)
    assert "entry 4" in [fault.where for fault in packages.check(package).faults]


def test_a_recording_put_in_place_of_another_breaks_the_seal(package: Path) -> None:
    first, second = sorted((package / "data/video/entrance").iterdir())[:2]
    first.write_bytes(second.read_bytes())

    def restate(said: Any) -> None:
        segments = next(camera for camera in said["cameras"] if camera["id"] == "entrance")["segments"]
        segments[0] |= {"sha256": segments[1]["sha256"], "size_bytes": segments[1]["size_bytes"]}

    edit_manifest(package, restate)
    handover.rebag(package)
    faults = packages.check(package).faults
    assert {fault.where for fault in faults} == {first.relative_to(package).as_posix()}
    assert len(faults) == 2  # the seal does not know it, and no minute of the journal does


def test_without_a_seal_the_manifest_still_binds_each_file(tmp_path: Path, filmed: Path) -> None:
    package = handover.site(tmp_path / "site", filmed, sealed=False).package(tmp_path).path
    changed = next((package / bag.VIDEO).rglob("*.mp4"))
    changed.write_bytes(changed.read_bytes() + b"x")
    handover.rebag(package)
    assert [fault.where for fault in packages.check(package).faults] == [changed.relative_to(package).as_posix()]


def test_a_seal_written_anew_is_not_the_journals(package: Path) -> None:
    (package / bag.SEAL).write_bytes(b"[]")
    handover.rebag(package)
    assert bag.SEAL in [fault.where for fault in packages.check(package).faults]


def test_a_seal_left_out_is_known_to_the_journal(package: Path) -> None:
    (package / bag.SEAL).unlink()
    edit_manifest(package, lambda said: said["exam"].__setitem__("sealed_at", None))
    handover.rebag(package)
    assert [fault.where for fault in packages.check(package).faults] == [bag.SEAL]


def test_a_recording_taken_out_everywhere_but_in_the_list_is_missed(package: Path) -> None:
    gone = next((package / bag.VIDEO).rglob("*.mp4"))
    gone.unlink()
    handover.rebag(package)
    assert gone.relative_to(package).as_posix() in named(packages.check(package))


def test_a_gap_that_the_journal_does_not_know_is_named(package: Path) -> None:
    edit_manifest(
        package,
        lambda said: said["cameras"][0]["gaps"].append(
            {**next(c for c in said["cameras"] if c["gaps"])["gaps"][0], "entry": 1}
        ),
    )
    handover.rebag(package)
    assert "entry 1" in [fault.where for fault in packages.check(package).faults]


def test_a_gap_left_out_is_known_to_the_journal(package: Path) -> None:
    entry = next(camera for camera in handover.manifest(package)["cameras"] if camera["gaps"])["gaps"][0]["entry"]
    edit_manifest(package, lambda said: [camera["gaps"].clear() for camera in said["cameras"]])
    handover.rebag(package)
    assert f"entry {entry}" in [fault.where for fault in packages.check(package).faults]


def test_a_manifest_that_says_the_same_in_another_spelling_is_named(package: Path) -> None:
    said = handover.manifest(package)
    (package / bag.MANIFEST).write_text(json.dumps(said, ensure_ascii=False, indent=1))
    handover.rebag(package)
    assert [fault.where for fault in packages.check(package).faults] == [bag.MANIFEST]


def test_one_person_is_not_two(package: Path) -> None:
    edit_manifest(package, lambda said: said["order"].__setitem__("agreed", said["order"]["asked"]))
    handover.rebag(package)
    assert [fault.where for fault in packages.check(package).faults] == [bag.MANIFEST]


@pytest.mark.parametrize(
    "text", [b"", b"{}", b"[", b"[]", b"null", b'{"format":"examsite-export/9"}', b"\xff\xfe", b"[" * 100_000]
)
def test_a_manifest_of_any_shape_is_judged_and_never_breaks_the_judge(package: Path, text: bytes) -> None:
    (package / bag.MANIFEST).write_bytes(text)
    handover.rebag(package)
    assert bag.MANIFEST in named(packages.check(package))


@pytest.mark.parametrize("text", [b"", b"[]", b"{}", b"[1]", b'[["a"]]', b"\xff"])
@pytest.mark.parametrize("where", [bag.SEAL, bag.JOURNAL])
def test_odd_files_are_judged_and_never_break_the_judge(package: Path, where: str, text: bytes) -> None:
    (package / where).write_bytes(text)
    handover.rebag(package)
    assert not packages.check(package).ok


def test_an_unfinished_package_is_refused(package: Path) -> None:
    part = package.rename(package.with_name(f"package{bag.PART}"))
    report = packages.check(part)
    assert not report.ok
    assert "not finished" in named(report)


# The command, as a program and a person meet it.


def run(*args: str) -> Any:
    return CliRunner().invoke(command, args)


def test_the_command_needs_nothing_of_ours_for_a_package(made: Path, tmp_path: Path) -> None:
    alone = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "PYTHONPATH": os.pathsep.join([str(handover.ROOT), *sys.path[1:]]),
    }
    done = subprocess.run(
        [sys.executable, "-m", "appliance", "verify", str(made)],
        cwd=tmp_path,
        env=alone,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert bag.spoken(packages.check(made).number) in done.stdout


def test_the_exit_status_tells_bad_from_unknown(package: Path, tmp_path: Path) -> None:
    assert run(str(package)).exit_code == 0
    (package / bag.PAGE).write_bytes(b"x")
    bad = run(str(package), "--json")
    assert bad.exit_code == 1
    assert [fault["where"] for fault in json.loads(bad.stdout)["reports"][0]["faults"]] == [bag.PAGE]
    assert run(str(tmp_path / "nowhere")).exit_code == 2
    (tmp_path / "empty").mkdir()
    assert run(str(tmp_path / "empty")).exit_code == 2
    assert run("journal", "--config", str(tmp_path / "none.toml")).exit_code == 2


def test_a_whole_site_holds(site: Site) -> None:
    for what in ("journal", "archive", "all"):
        done = run(what, "--config", str(site.config.source))
        assert done.exit_code == 0, done.output


def test_a_journal_entry_changed_in_the_database_is_named(site: Site) -> None:
    for trigger in ("journal_never_updated", "journal_never_deleted"):
        site.db.conn.execute(f"drop trigger {trigger}")
    site.db.conn.execute("update journal set row = replace(row, 'Математика', 'Физика') where kind = 'exam.planned'")
    seq = site.db.value("select seq from journal where kind = 'exam.planned'")
    report = verify.journal_chain(site.db)
    assert [fault.where for fault in report.faults] == [f"entry {seq}"]
    assert run("journal", "--config", str(site.config.source)).exit_code == 1


def test_a_recording_changed_in_the_archive_is_named(site: Site) -> None:
    bad = site.config.archive / "2026-11-22/entrance" / handover.file_name(2)
    data = bytearray(bad.read_bytes())
    data[len(data) // 2] ^= 1
    bad.chmod(0o644)
    bad.write_bytes(data)
    assert bad.name in named(verify.whole_archive(site.db, site.config))


def test_a_row_changed_after_the_seal_is_found(site: Site) -> None:
    """File and row agree again, and only the seal in the journal knows better."""
    bad = site.config.archive / "2026-11-22/entrance" / handover.file_name(2)
    other = site.config.archive / "2026-11-22/entrance" / handover.file_name(0)
    bad.chmod(0o644)  # sealed files are read-only
    bad.write_bytes(other.read_bytes())
    site.db.conn.execute(
        "update segment set (size_bytes, sha256) = (select size_bytes, sha256 from segment"
        " where path like '%/entrance/' || ?) where path"
        " like '%/entrance/' || ?",
        (other.name, bad.name),
    )
    sealed = site.db.value("select seq from journal where kind = 'archive.sealed'")
    assert f"entry {sealed}" in [fault.where for fault in verify.whole_archive(site.db, site.config).faults]


def test_an_extract_is_verified_from_its_own_first_entry(site: Site) -> None:
    rows = list(journal.stored_rows(site.db))
    assert journal.verify(rows[3:], first=4, prev=rows[2][1]).ok
    assert journal.verify(rows[3:], first=4, prev=rows[1][1]).bad_seq == 4


# Names and words beside the extract: each is bound to its entry, and the law may take it away.


def edit_personal(package: Path, change: Callable[[list[dict[str, Any]]], object]) -> None:
    said = [json.loads(line) for line in (package / bag.PERSONAL).read_text().splitlines()]
    change(said)
    (package / bag.PERSONAL).write_bytes(b"".join(rfc8785.dumps(line) + b"\n" for line in said))
    handover.rebag(package)


@pytest.mark.parametrize(
    ("change", "where"),
    [
        (lambda lines: lines[0].update(value="Чужой"), "entry {seq}"),
        (lambda lines: lines[0].update(salt="00" * 32), "entry {seq}"),
        (lambda lines: lines[0].update(salt="00"), "entry {seq}"),
        # the same bytes, the border between salt and value moved: the same hash, another name
        (lambda lines: lines[0].update(salt=lines[0]["salt"] + lines[0]["value"][0].encode().hex(),
                                       value=lines[0]["value"][1:]), "entry {seq}"),
        (lambda lines: lines.pop(0), "entry {seq}"),
        (lambda lines: lines.append(lines[0]), bag.PERSONAL),
        (lambda lines: lines.append({"seq": 1, "path": "/nowhere", "salt": "00" * 32, "value": "x"}), bag.PERSONAL),
    ],
)
def test_a_name_that_is_not_the_entrys_own_is_found(package: Path, change: Any, where: str) -> None:
    first = json.loads((package / bag.PERSONAL).read_text().splitlines()[0])
    edit_personal(package, change)
    assert where.format(seq=first["seq"]) in [fault.where for fault in packages.check(package).faults]


def test_a_package_holds_without_the_names_that_the_law_took(site: Site) -> None:
    gone = journal.erase(site.db, site.clock, site.guard, "Обращение № 4", person=site.exporter.login)
    made = site.package(site.stick).path
    report = packages.check(made)
    assert report.faults == ()
    assert [gone] == [remark.args["values"] for remark in report.remarks if "values" in remark.args]
    lines = [json.loads(line) for line in (made / bag.PERSONAL).read_text().splitlines()]
    assert sum("erased" in line and "value" not in line for line in lines) == gone
