"""The journal leaves the box whole or not at all, says itself what it holds, and holds against every earlier export."""

from __future__ import annotations

import json
import os
import tracemalloc
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from appliance import checkpoints, exams, identity, journal, journal_check, journal_export, store, verify_journal
from appliance.clock import FakeClock
from appliance.commands.journal import journal as command
from appliance.commands.verify import verify as verify_command
from appliance.config import Config
from appliance.model import Actor, ApplianceError, Person, Personal, Role
from appliance.store import Database
from appliance.verify_journal import check
from tests.fakes import seeded_site

MORNING = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
TECHNICIAN = Person("orlov", "Орлов Пётр Сергеевич", Role.TECHNICIAN, "ru")
CONSOLE, WATCH = Actor.service("console"), Actor.service("watch")


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return seeded_site.configure(tmp_path)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(MORNING)


@pytest.fixture
def db(config: Config, clock: FakeClock) -> Database:
    """Three entries the day before, an exam with six, two the day after, one of them about the exam's."""
    db = store.open(config.database, create=True)
    identity.begin(db, config)
    clock.step(-24 * 3600)
    say(db, clock, 3)
    clock.step(24 * 3600)
    exams.plan(db, config, clock, Actor.person(TECHNICIAN), "math", "Математика", MORNING + timedelta(hours=2),
               MORNING + timedelta(hours=5))  # fmt: skip
    say(db, clock, 5, exam="math")
    clock.step(24 * 3600)
    say(db, clock, 2)
    with store.transaction(db):
        journal.append(db, clock, "journal.explained", Actor.person(TECHNICIAN), refs=[6], word=Personal("кабель"))
    return db


def say(db: Database, clock: FakeClock, count: int, exam: str | None = None) -> None:
    for n in range(count):
        clock.advance(30)
        with store.transaction(db):
            journal.append(db, clock, "door.opened", WATCH, exam=exam, zone="Дверь стойки", n=n)


def export(db: Database, config: Config, clock: FakeClock, folder: Path, exam: str | None = None) -> Path:
    return journal_export.export(db, config, clock, CONSOLE, folder, exam).path


def seqs(folder: Path) -> list[int]:
    return [json.loads(line)["seq"] for line in (folder / "journal.jsonl").read_bytes().splitlines()]


def test_the_whole_journal_leaves_and_holds(db: Database, config: Config, clock: FakeClock, tmp_path: Path) -> None:
    folder = export(db, config, clock, tmp_path / "out")
    report = check(folder)
    assert (report.ok, report.rows, report.size) == (True, 13, 13), [f.say() for f in report.faults]
    last = json.loads((folder / "journal.jsonl").read_bytes().splitlines()[-1])
    assert (last["kind"], last["data"]["rows"]) == ("journal.exported", 12)
    stored = [row["row"] + "\n" for row in db.rows("select row from journal order by seq")]
    assert (folder / "journal.jsonl").read_text() == "".join(stored)


def test_every_export_holds_against_all_before_it_and_carries_their_checkpoints(
    db: Database, config: Config, clock: FakeClock, tmp_path: Path
) -> None:
    made = []
    for n in range(4):
        say(db, clock, n)
        made.append(export(db, config, clock, tmp_path / f"out-{n}", "math" if n % 2 else None))
    report = check(made[-1], [str(folder / "checkpoint.note") for folder in made])
    assert (report.ok, len(report.held)) == (True, 4)
    assert [int(p.stem) for p in sorted((made[-1] / "checkpoints").iterdir())] == [13, 15, 18, 22]


def test_an_exams_export_holds_its_day_and_what_answers_it_and_nothing_else(
    db: Database, config: Config, clock: FakeClock, tmp_path: Path
) -> None:
    folder = export(db, config, clock, tmp_path / "out", "math")
    assert seqs(folder) == [4, 5, 6, 7, 8, 9, 12, 13]
    report = check(folder)
    assert (report.ok, report.rows, report.size) == (True, 8, 13), [f.say() for f in report.faults]
    assert "кабель" in (folder / "personal.jsonl").read_text()
    assert json.loads((folder / "journal.jsonl").read_bytes().splitlines()[-1])["exam"] == "math"


def test_an_exam_nobody_planned_is_refused(db: Database, config: Config, clock: FakeClock, tmp_path: Path) -> None:
    with pytest.raises(ApplianceError):
        export(db, config, clock, tmp_path / "out", "physics")
    assert not (tmp_path / "out").exists()


def test_what_the_law_took_leaves_no_gap_also_in_an_exams_part(
    db: Database, config: Config, clock: FakeClock, tmp_path: Path
) -> None:
    before = export(db, config, clock, tmp_path / "before", "math")
    journal.erase(db, clock, TECHNICIAN, "152-ФЗ", person="orlov")
    for n, exam in enumerate((None, "math")):
        folder = export(db, config, clock, tmp_path / f"after-{n}", exam)
        report = check(folder, [str(before / "checkpoint.note")])
        assert report.ok, [f.say() for f in report.faults]
        assert "erased" in [r.what for r in report.remarks]


def test_values_erased_while_it_is_written_begin_the_export_anew(
    db: Database, config: Config, clock: FakeClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, erased = journal_export._openings, []

    def erase_meanwhile(*args: object) -> object:
        if not erased:
            erased.append(journal.erase(db, clock, TECHNICIAN, "152-ФЗ", seqs=[4]))
        return whole(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(journal_export, "_openings", erase_meanwhile)
    report = check(export(db, config, clock, tmp_path / "out"))
    assert (report.ok, erased) == (True, [2]), [f.say() for f in report.faults]
    assert len(journal.entries(db, kinds=["journal.exported"])) == 2


def test_a_cut_at_any_step_leaves_nothing_under_the_name_and_the_next_try_is_whole(
    db: Database, config: Config, clock: FakeClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls, cut_at = os.fsync, [0], [0]

    def fsync(handle: int) -> None:
        calls[0] += 1
        if calls[0] == cut_at[0]:
            raise KeyboardInterrupt
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    export(db, config, clock, tmp_path / "counted")
    steps, notes = calls[0], len(list((tmp_path / "counted/checkpoints").iterdir()))
    assert steps == 8 + notes + 3
    for step in range(1, steps):  # the last one, after the rename, finds it whole
        calls[0], cut_at[0] = 0, step
        with pytest.raises(KeyboardInterrupt):
            export(db, config, clock, tmp_path / "out")
        assert not (tmp_path / "out").exists()
    calls[0] = -(10**6)
    assert check(export(db, config, clock, tmp_path / "out")).ok
    assert not (tmp_path / "out.part").exists()


@pytest.mark.parametrize("what", ["a file in it", "a file", "a link"])
def test_nothing_is_ever_overwritten(
    db: Database, config: Config, clock: FakeClock, tmp_path: Path, what: str
) -> None:
    target = tmp_path / "out"
    if what == "a file in it":
        target.mkdir()
        (target / "photo.jpg").write_bytes(b"mine")
    elif what == "a file":
        target.write_bytes(b"mine")
    else:
        (tmp_path / "other").mkdir()
        target.symlink_to(tmp_path / "other")
    with pytest.raises(ApplianceError, match="not empty"):
        export(db, config, clock, target)
    assert journal.entries(db, kinds=["journal.exported"]) == []


def test_an_empty_folder_may_be_named(db: Database, config: Config, clock: FakeClock, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    assert check(export(db, config, clock, tmp_path / "out")).ok


def test_a_medium_that_takes_nothing_is_said_and_leaves_nothing(
    db: Database, config: Config, clock: FakeClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ApplianceError, match="No space left"):
        export(db, config, clock, tmp_path / "out")
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith("out")] == []


def test_thousands_of_entries_need_the_memory_of_hundreds(
    db: Database, config: Config, clock: FakeClock, tmp_path: Path
) -> None:
    with store.transaction(db):
        for n in range(2500):
            journal.append(db, clock, "box.alive", WATCH, padding="x" * 2000, n=n)
    checkpoints.sign(db, config, clock, "time")  # as the keeper does each minute
    tracemalloc.start()
    folder = export(db, config, clock, tmp_path / "out")
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak_bytes < (folder / "journal.jsonl").stat().st_size / 2
    assert check(folder).ok


# --- the command ---


def run(*args: str) -> tuple[int, str]:
    done = CliRunner().invoke(command, ["export", *args], env={"LC_ALL": "C"})
    return done.exit_code, done.output


def test_the_command_takes_a_configuration_a_sites_folder_or_its_data(
    db: Database, config: Config, tmp_path: Path
) -> None:
    ways = (["--config", str(config.source)], ["--data", str(tmp_path)], ["--data", str(config.data)])
    for n, where in enumerate(ways):
        status, said = run("--to", str(tmp_path / f"out-{n}"), *where)
        assert status == 0, said
        assert check(tmp_path / f"out-{n}").ok
    assert run("--to", str(tmp_path / "no"), "--data", str(tmp_path / "outside"))[0] == 1


def test_the_command_says_what_a_program_needs(db: Database, config: Config, tmp_path: Path) -> None:
    status, said = run("--to", str(tmp_path / "out"), "--data", str(tmp_path), "--exam", "math", "--json")
    found = json.loads(said)
    assert (status, found["ok"], found["rows"], found["size"], found["faults"]) == (0, True, 8, 13, [])
    assert found["checkpoint"] == (tmp_path / "out/checkpoint.note").read_text()


def test_a_journal_that_does_not_hold_leaves_all_the_same_and_is_said_to(
    db: Database, config: Config, clock: FakeClock, tmp_path: Path
) -> None:
    export(db, config, clock, tmp_path / "before")
    db.conn.execute("drop trigger journal_never_updated")
    db.conn.execute("update journal set row = replace(row, 'Дверь', 'Двора') where seq = 2")
    status, said = run("--to", str(tmp_path / "out"), "--data", str(tmp_path), "--json")
    assert (status, json.loads(said.splitlines()[0])["faults"][0]["entry"]) == (1, 2)


# --- examsite verify journal ---


def verified(config: Config, *args: str) -> tuple[int, dict[str, object]]:
    done = CliRunner().invoke(verify_command, ["journal", "--json", "--config", str(config.source), *args])
    return done.exit_code, json.loads(done.stdout)


def test_the_database_is_checked_against_checkpoints_that_left(
    db: Database, config: Config, clock: FakeClock, tmp_path: Path
) -> None:
    note = export(db, config, clock, tmp_path / "out") / "checkpoint.note"
    status, said = verified(config, "--checkpoint", str(note), "--checkpoint", note.read_text())
    assert (status, said["ok"], said["checked"]) == (0, True, True)
    assert verified(config, "--checkpoint", str(tmp_path / "out/journal.pub"))[0] == 2
    assert verified(config, "--checkpoint", note.read_text().replace("\n13\n", "\n12\n"))[0] == 2


@pytest.mark.parametrize(
    ("damage", "what", "seq"),
    [
        ("update journal set row = replace(row, 'Дверь', 'Двора') where seq = 2", "changed", 2),
        ("update journal set hash = replace(hash, 'a', 'b') where seq = 2", "changed", 2),
        ("delete from journal where seq = 2", "missing", 2),
        ("delete from journal where seq > 11", "ends", 12),
        ("update journal_node set hash = zeroblob(32) where level = 0 and idx = 1", "changed", 2),
        ("update journal_node set hash = zeroblob(32) where level = 3", "tree", None),
        ("delete from journal_node where level = 0 and idx > 10", "tree", None),
        ("insert into journal_node (level, idx, hash) values (9, 0, zeroblob(32))", "tree", None),
        ("delete from journal_node where level = 0 and idx = 1", "changed", 2),
        ("delete from journal_node where level = 1", "tree", None),
        ("delete from journal_personal where seq = 4", "erased-silently", 4),
        ("update journal_personal set value = 'x' where seq = 4", "opening-wrong", 4),
        ("update checkpoint set note = replace(note, char(10) || size, char(10) || '9' || size)", "signature", None),
    ],
)
def test_damage_in_the_database_is_named(
    db: Database, config: Config, clock: FakeClock, tmp_path: Path, damage: str, what: str, seq: int | None
) -> None:
    export(db, config, clock, tmp_path / "out")
    assert journal_check.check(db).faults == ()
    for row in db.rows("select name from sqlite_master where type = 'trigger'"):
        db.conn.execute(f"drop trigger {row['name']}")
    db.conn.execute("pragma foreign_keys = off")
    db.conn.execute(damage)
    found = journal_check.check(db)
    first = [*found.faults, *found.refusals][0]
    assert first.what in ((what, "note", "signer") if what == "signature" else (what,))  # it depends on what was hit
    assert seq in (None, first.args.get("entry"))
    assert verified(config)[0] != 0


def test_a_checkpoint_of_more_entries_than_the_database_has_names_the_first_missing(
    db: Database, config: Config, clock: FakeClock, tmp_path: Path
) -> None:
    import shutil

    shutil.copytree(config.data, tmp_path / "copy")
    note = export(db, config, clock, tmp_path / "out") / "checkpoint.note"
    db.close()
    shutil.rmtree(config.data)
    shutil.copytree(tmp_path / "copy", config.data)
    status, said = verified(config, "--checkpoint", str(note))
    assert (status, said["ok"]) == (1, False)
    [report] = said["reports"]  # type: ignore[misc]
    assert report["faults"][0]["where"] == "entry 13"  # type: ignore[index]


def test_an_exported_folder_is_checked_by_the_same_command(
    db: Database, config: Config, clock: FakeClock, tmp_path: Path
) -> None:
    folder = export(db, config, clock, tmp_path / "out")
    arguments = [str(folder), "--json", "--checkpoint", str(folder / "checkpoint.note")]
    done = CliRunner().invoke(verify_command, arguments)
    assert (done.exit_code, json.loads(done.output)["held"][0]["size"]) == (0, 13)
    (folder / "README.txt").write_text("x")
    assert CliRunner().invoke(verify_command, [str(folder)]).exit_code == 1


def test_the_houses_russian_is_the_verifiers_own() -> None:
    from zoneinfo import ZoneInfo

    from appliance.words import Words

    said = Words("ru", ZoneInfo("UTC"))
    for english, russian in verify_journal.TEXTS.values():
        assert said.say(english) == russian
