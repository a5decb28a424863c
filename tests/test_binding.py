"""Video and journal bind each other: every recording is in one minute's root, none twice, none forgotten."""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance import anchors, bag, binding, export, identity, journal, merkle, packages, store, verify
from appliance.binding import Minutes
from appliance.clock import FakeClock, iso
from appliance.store import Database
from tests import handover
from tests.handover import START, Site


def adopt(db: Database, camera: str, number: int) -> None:
    """A row as archive.adopt writes it."""
    at = START.replace(second=number % 60, microsecond=number)
    with store.transaction(db):
        db.write(
            "insert into segment (camera, run, path, starts_at, ends_at, frames, size_bytes, sha256, video)"
            " values (?, 'run', ?, ?, ?, 1, ?, ?, 'h264')",
            (camera, f"archive/{camera}/{number}.mp4", iso(at), iso(at.replace(hour=9)), 100 + number,
             hashlib.sha256(f"{camera}{number}".encode()).hexdigest()),
        )  # fmt: skip


def minutes(db: Database) -> list[journal.Entry]:
    return journal.entries(db, kinds=[binding.KIND], limit=1000)


def opened(folder: Path) -> Database:
    return store.open(folder / "examsite.db", create=True)


def test_a_minute_is_the_root_over_its_recordings_by_camera_and_path(tmp_path: Path) -> None:
    db, clock = opened(tmp_path), FakeClock(START)
    for camera, number in (("yard", 2), ("gate", 7), ("gate", 3)):
        adopt(db, camera, number)
    [entry] = binding.bind(db, clock)
    rows = [rfc8785.dumps([c, f"archive/{c}/{n}.mp4", 100 + n,
                           hashlib.sha256(f"{c}{n}".encode()).hexdigest()])
            for c, n in (("gate", 3), ("gate", 7), ("yard", 2))]  # fmt: skip
    a, b, c = (hashlib.sha256(b"\0" + row).digest() for row in rows)
    root = hashlib.sha256(b"\1" + hashlib.sha256(b"\1" + a + b).digest() + c).hexdigest()
    assert journal.get(db, entry).data == {"root": root, "segments": 3}
    assert list(binding.faults(db)) == []


def test_pages_leave_the_minutes_out(tmp_path: Path) -> None:
    db, clock = opened(tmp_path), FakeClock(START)
    adopt(db, "yard", 1)
    binding.bind(db, clock)
    assert journal.entries(db) == []
    assert len(minutes(db)) == 1
    plan = db.rows("explain query plan select seq from journal where seq > 0 and " + journal.TOLD + " order by seq")
    assert "journal_told" in plan[0]["detail"]


def test_the_keeper_binds_once_a_minute_and_at_its_start(tmp_path: Path) -> None:
    db, clock = opened(tmp_path), FakeClock(START)
    adopt(db, "yard", 1)
    keeper = Minutes(clock)
    keeper.tick(db)
    adopt(db, "yard", 2)
    for _ in range(5):
        clock.advance(10)
        keeper.tick(db)
    assert [e.data["segments"] for e in minutes(db)] == [1]
    clock.advance(10)
    keeper.tick(db)
    clock.advance(60)
    keeper.tick(db)  # nothing came: nothing is entered
    assert [e.data["segments"] for e in minutes(db)] == [1, 1]
    adopt(db, "gate", 3)
    Minutes(clock).tick(db)  # started again
    assert [e.data["segments"] for e in minutes(db)] == [1, 1, 1]


def test_many_that_wait_are_entered_piece_by_piece(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binding, "AT_ONCE", 4)
    db, clock = opened(tmp_path), FakeClock(START)
    for n in range(10):
        adopt(db, "yard", n)
    binding.bind(db, clock)
    assert [e.data["segments"] for e in minutes(db)] == [4, 4, 2]
    assert list(binding.faults(db)) == []


class Killed(Exception):
    """The keeper is gone between two statements."""


STEPS = st.lists(st.one_of(st.integers(1, 3), st.none(), st.integers(10, 19)), min_size=1, max_size=25)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_whenever_the_keeper_is_killed_nothing_is_entered_twice_or_forgotten(
    steps: list[int | None], template: Path
) -> None:
    """1-3: recordings come (a late one with an old name among them); None: a minute ends; 10-19: killed in the n-th
    write of a minute."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(template, Path(folder) / "examsite.db")
        db, clock, count = store.open(Path(folder) / "examsite.db"), FakeClock(START), 0
        for step in steps:
            if step is not None and step < 10:
                for _ in range(step):
                    count += 1
                    adopt(db, ("yard", "gate")[count % 2], (count * 7919) % 1000)
            elif step is None:
                binding.bind(db, clock)
            else:
                kill_at(db, step - 10, partial(binding.bind, db, clock))
                db.close()
                db = store.open(Path(folder) / "examsite.db")
            clock.advance(60)
        binding.bind(db, clock)
        entered = db.rows("select path from bound")
        assert sorted(r["path"] for r in entered) == sorted(r["path"] for r in db.rows("select path from segment"))
        assert sum(e.data["segments"] for e in minutes(db)) == count == len(entered)
        assert list(binding.faults(db)) == []
        db.close()


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database, made once."""
    folder = tmp_path_factory.mktemp("template")
    db = opened(folder)
    db.conn.execute("vacuum into ?", (str(folder / "empty.db"),))
    db.close()
    return folder / "empty.db"


def kill_at(db: Database, write: int, work: Callable[[], Any]) -> None:
    """Run it until its n-th INSERT, or to its end."""
    seen = 0

    def look(statement: str) -> None:
        nonlocal seen
        if statement.lstrip().lower().startswith("insert"):
            seen += 1
            if seen > write:
                db.conn.interrupt()  # the transaction is rolled back, as a killed one is

    db.conn.set_trace_callback(look)
    try:
        work()
    except sqlite3.OperationalError as gone:
        assert "interrupted" in str(gone)
    finally:
        db.conn.set_trace_callback(None)


@pytest.fixture
def site(tmp_path: Path, filmed: Path) -> Site:
    return handover.site(tmp_path / "site", filmed)


@pytest.fixture(scope="module")
def filmed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return handover.film(tmp_path_factory.mktemp("filmed"))


CHANGES = {
    "update segment set sha256 = printf('%064d', 7) where id = 2": "is not the recording that journal entry",
    "update segment set camera = 'corridor-1' where id = 2": "is not the recording that journal entry",
    "update bound set sha256 = printf('%064d', 7) where segment = 2": "are not those it was written over",
    "delete from bound where segment = 2": "are not those it was written over",
    "delete from bound where segment = 3 ": "no journal entry speaks of it",
    "update bound set entry = 2": "are not those it was written over",
}


@pytest.mark.parametrize("change", CHANGES)
def test_rows_that_differ_from_what_was_entered_are_found_in_the_archive(site: Site, change: str) -> None:
    binding.bind(site.db, site.clock)
    assert verify.whole_archive(site.db, site.config).ok
    with store.transaction(site.db):
        site.db.conn.execute(change)
    said = [str(fault.message) for fault in verify.whole_archive(site.db, site.config).faults]
    assert any(CHANGES[change] in each for each in said), said


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, filmed: Path) -> Path:
    """One package, made once; each test changes a copy."""
    folder = tmp_path_factory.mktemp("made")
    return handover.site(folder / "site", filmed).package(folder).path


@pytest.fixture
def package(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / made.name))


def test_a_package_carries_the_journal_and_a_proof_for_each_recording(site: Site) -> None:
    package = site.package(site.stick).path
    assert packages.check(package).ok
    said = json.loads((package / bag.MINUTES).read_bytes())
    named = {s["file"] for camera in handover.manifest(package)["cameras"] for s in camera["segments"]}
    assert said["recordings"].keys() == named
    origin = (package / bag.PROOF / "checkpoint.note").read_text().split("\n")
    assert origin[0] == identity.of(site.db).origin
    for number, minute in said["minutes"].items():
        row = minute["row"].encode()
        proof = [bytes.fromhex(each) for each in minute["proof"]]
        size, root = int(origin[1]), merkle.root(site.db, int(origin[1]))
        assert merkle.included(merkle.leaf(row), int(number), size, proof, root)


def test_the_verifier_in_a_package_checks_its_journal_by_itself(package: Path) -> None:
    folder = package / bag.PROOF
    done = subprocess.run([sys.executable, "-I", str(folder / "verify_journal.py"), str(folder)], capture_output=True,
                          text=True, timeout=60, check=False)  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


def test_a_box_that_must_not_sign_hands_over_all_the_same_and_says_so(site: Site) -> None:
    identity.key_path(site.config).unlink()
    package = site.package(site.stick).path
    assert any("is not signed" in limit["text"] for limit in handover.manifest(package)["limits"])
    assert not (package / bag.PROOF).exists()
    report = packages.check(package)
    assert {fault.where for fault in report.faults} == {bag.MINUTES, bag.PROOF}
    assert anchors.recent(site.db) == []


def test_a_hand_over_is_a_mark_of_the_journal(site: Site) -> None:
    done = export.fulfil(site.db, site.config, site.clock, site.order(), handover.silent)
    [mark] = anchors.recent(site.db)
    assert (mark.kind, mark.by_login) == ("export", "sidorov")
    assert str(mark.size) == (done.path / bag.PROOF / "checkpoint.note").read_text().split("\n")[1]


def change_json(file: Path, change: Callable[[Any], object]) -> None:
    said = json.loads(file.read_bytes())
    change(said)
    file.write_bytes(rfc8785.dumps(said))


def first(said: Any, part: str) -> Any:
    return next(iter(said[part].values()))


FORGED: dict[str, Callable[[Any], object]] = {
    "a proof of another recording": lambda s: s["recordings"].update(
        dict(zip(s["recordings"], [*list(s["recordings"].values())[1:], first(s, "recordings")], strict=True))),
    "a recording without a proof": lambda s: s["recordings"].popitem(),
    "a minute without a proof": lambda s: first(s, "minutes").update(proof=[]),
    "a minute with another root": lambda s: first(s, "minutes").update(
        row=first(s, "minutes")["row"].replace('"root":"', '"root":"0')),
    "no minute": lambda s: s["minutes"].clear(),
    "a place that is none": lambda s: first(s, "recordings").update(place="0"),
    "another version": lambda s: s.update(v=2),
}  # fmt: skip


@pytest.mark.parametrize("how", FORGED)
def test_a_forged_proof_is_named_though_all_lists_are_written_anew(package: Path, how: str) -> None:
    change_json(package / bag.MINUTES, FORGED[how])
    handover.rebag(package)
    report = packages.check(package)
    assert not report.ok
    assert any("journal" in str(fault.message) or bag.MINUTES in fault.where for fault in report.faults)


def test_an_entry_that_is_no_minute_cannot_stand_for_one(package: Path) -> None:
    """archive.sealed is signed too and has a root, over something else."""
    rows = (package / bag.PROOF / "journal.jsonl").read_text().splitlines()
    row = next(row for row in rows if "archive.sealed" in row)
    seq = str(json.loads(row)["seq"])
    proof = json.loads((package / bag.PROOF / "proofs.json").read_bytes())["inclusion"][seq]
    change_json(package / bag.MINUTES, lambda said: said["minutes"].update({seq: {"row": row, "proof": proof}}))
    handover.rebag(package)
    faults = packages.check(package).faults
    assert [(f.where, "is not proved to be the minute" in str(f.message)) for f in faults] == [(f"entry {seq}", True)]


def test_an_extract_that_is_not_the_signed_journal_is_named(package: Path) -> None:
    """Everything in the package made anew, but for what the box's key signed."""
    rows = (package / bag.JOURNAL).read_text().splitlines()
    last = json.loads(rows[-1])
    last["data"] = {"forged": True}
    rows[-1] = rfc8785.dumps(last).decode()
    (package / bag.JOURNAL).write_text("\n".join(rows) + "\n")
    change_json(package / bag.MANIFEST, lambda said: said["journal"]["hashes"].__setitem__(
        -1, hashlib.sha256(rows[-1].encode()).hexdigest()))  # fmt: skip
    handover.rebag(package)
    said = [str(fault.message) for fault in packages.check(package).faults]
    assert any("not the one that was signed" in each for each in said), said


@pytest.mark.parametrize("name", ["leaves.bin", "checkpoint.note", "journal.pub", "journal.jsonl"])
def test_a_part_of_the_signed_journal_that_is_gone_or_changed_is_named(package: Path, name: str) -> None:
    file = package / bag.PROOF / name
    raw = bytearray(file.read_bytes())
    raw[len(raw) // 2] ^= 1
    file.write_bytes(bytes(raw))
    handover.rebag(package)
    assert not packages.check(package).ok
    file.unlink()
    handover.rebag(package)
    assert not packages.check(package).ok
