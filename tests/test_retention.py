"""Deleting by rule: never what is locked, oldest first, entered before it goes; what was signed stays what it was."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from appliance import archive, coverage_report, exams, journal, leftovers, retention, store, verify
from appliance.__main__ import examsite
from appliance.archive import Segment
from appliance.clock import FakeClock
from appliance.config import Config
from appliance.model import Actor
from appliance.services import archivist
from appliance.store import Database
from demo.cameras_process import Address
from drivers import fmp4
from tests.fakes.recorded_site import film, site

START = datetime(2026, 6, 1, 5, 0, tzinfo=UTC)  # ten in the morning at the site
DUE = datetime(2027, 3, 1, 5, 0, tzinfo=UTC)
YARD = Address("yard", "rtsp://127.0.0.1:9/yard", "http://127.0.0.1:9/", "u", "p")
WHO = Actor.service("console")
MINUTE = timedelta(minutes=1)


@dataclass
class Shelf:
    """A site with recordings of an exam, of the evening after it, and of a later day."""

    db: Database
    config: Config
    clock: FakeClock

    def record(self, at: datetime, number: int, config: Config | None = None) -> Segment:
        on_disk = config or self.config
        path = film(on_disk.incoming / "yard" / f"{at:%m%d%H%M}aa-{number:06}.mp4", 2.0)
        facts = fmp4.read(path)
        return archive.adopt(self.db, on_disk, path, "yard", facts, at, at + timedelta(seconds=facts.duration_s))

    def exam(self, name: str, at: datetime) -> None:
        self.clock.step((at - timedelta(days=1) - self.clock.now()).total_seconds())
        exams.plan(self.db, self.config, self.clock, WHO, name, name, at, at + 2 * MINUTE, ())

    def over(self, name: str, *, sealed: bool = True, handed_over: bool = True) -> None:
        exam = exams.get(self.db, name)
        self.clock.step((exam.ends_at + 60 * MINUTE - self.clock.now()).total_seconds())
        if sealed:
            archive.seal(self.db, self.config, self.clock, exam)
        if handed_over:
            with store.transaction(self.db):
                journal.append(self.db, self.clock, "export.finished", WHO, exam=name, files=1, size_bytes=1)

    def unlocked(self, now: datetime) -> list[str]:
        return [s.path for batch in retention.unlocked(self.db, self.config, now, "main") for s in batch.segments]

    def files(self) -> set[str]:
        return set(archive.archived(self.config))


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    config = site(tmp_path, {"yard": YARD})
    with store.open(config.database) as db:
        yield Shelf(db, config, FakeClock(START - timedelta(days=2)))


def test_an_exam_is_kept_until_its_date_and_until_it_was_sealed_and_handed_over(shelf: Shelf) -> None:
    ways = {"whole": (True, True), "unsealed": (False, True), "kept": (True, False)}
    recorded = {}
    for number, (name, (sealed, handed_over)) in enumerate(ways.items()):
        shelf.exam(name, START + timedelta(days=number))
        recorded[name] = shelf.record(START + timedelta(days=number), 0)
        shelf.over(name, sealed=sealed, handed_over=handed_over)
    assert shelf.unlocked(DUE - timedelta(days=1)) == []
    assert shelf.unlocked(DUE) == [recorded["whole"].path]
    rule = shelf.config.profile.retention.model_copy(update={"handed_over": False})
    lax = replace(shelf.config, profile=shelf.config.profile.model_copy(update={"retention": rule}))
    assert len([*retention.unlocked(shelf.db, lax, DUE, "main")]) == 2


def test_what_no_exam_required_goes_first_and_exam_days_oldest_first(shelf: Shelf) -> None:
    days = [START + timedelta(days=n) for n in range(2)]
    of_exams = []
    for number, at in enumerate(days):
        shelf.exam(f"exam-{number}", at)
        of_exams.append(shelf.record(at, 0))
        shelf.over(f"exam-{number}")
    trials = [shelf.record(at + timedelta(hours=9), 1) for at in days]
    assert shelf.unlocked(days[0] + timedelta(days=15)) == [trials[0].path]
    assert shelf.unlocked(DUE) == [s.path for s in (*trials, *of_exams)]


def test_an_exam_claims_all_cameras_also_those_that_are_gone(shelf: Shelf) -> None:
    shelf.exam("maths", START)
    shelf.record(START + MINUTE, 0)
    with store.transaction(shelf.db):
        shelf.db.write("update segment set camera = 'gone-since'")
    assert shelf.unlocked(DUE) == []


def test_held_recordings_stay_until_they_are_released(shelf: Shelf) -> None:
    shelf.exam("maths", START)
    shelf.record(START, 0)
    shelf.over("maths")
    (batch,) = retention.unlocked(shelf.db, shelf.config, DUE, "main")
    assert retention.hold(shelf.db, shelf.config, shelf.clock, WHO, "maths", "Appeal 12", held=True) == 1
    assert shelf.unlocked(DUE) == []
    assert retention.retire(shelf.db, shelf.config, shelf.clock, batch) == 0  # chosen before it was held
    assert len(shelf.files()) == 1
    retention.hold(shelf.db, shelf.config, shelf.clock, WHO, "maths", "closed", held=False)
    assert len(shelf.unlocked(DUE)) == 1
    assert [e.data["reason"] for e in journal.entries(shelf.db, kinds=["archive.held", "archive.released"])] == [
        "Appeal 12", "closed"]  # fmt: skip


def test_what_is_deleted_is_in_the_journal_and_what_was_signed_and_sealed_stays(shelf: Shelf) -> None:
    shelf.exam("maths", START)
    first, second = shelf.record(START, 0), shelf.record(START + timedelta(seconds=2), 1)
    shelf.over("maths")
    ends_at = exams.get(shelf.db, "maths").ends_at
    signed = coverage_report.sha256(shelf.config, coverage_report.report(shelf.db, shelf.config, "maths", ends_at))
    (batch,) = retention.unlocked(shelf.db, shelf.config, DUE, "main")
    assert retention.retire(shelf.db, shelf.config, shelf.clock, batch) == first.size_bytes + second.size_bytes
    (entry,) = journal.entries(shelf.db, kinds=["archive.retired"])
    assert (entry.data["day"], entry.data["cameras"], entry.data["exams"]) == ("2026-06-01", ["yard"], ["maths"])
    assert (entry.data["files"], entry.data["root"]) == (2, retention.root([first, second]))
    assert shelf.files() == set()
    assert {s.retired for s in archive.segments(shelf.db)} == {entry.seq}
    now = coverage_report.sha256(shelf.config, coverage_report.report(shelf.db, shelf.config, "maths", ends_at))
    assert now == signed
    assert verify.whole_archive(shelf.db, shelf.config).ok
    assert shelf.unlocked(DUE) == []
    with store.transaction(shelf.db):
        shelf.db.write("update segment set sha256 = ? where id = ?", ("0" * 64, first.id))
    assert [seq for seq, _ in retention.faults(shelf.db)] == [entry.seq]


def test_a_deletion_that_no_entry_speaks_of_is_found(shelf: Shelf) -> None:
    shelf.record(START, 0)
    archive.path(shelf.config, archive.segments(shelf.db)[0]).unlink()
    with store.transaction(shelf.db):
        entry = journal.append(shelf.db, shelf.clock, "box.started", WHO)
        archive.retire(shelf.db, [1], entry)
    assert [fault.where for fault in verify.whole_archive(shelf.db, shelf.config).faults] == [f"entry {entry}"]


def test_a_kill_between_entry_and_files_is_made_good(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf.record(START, 0)
    stays = shelf.record(DUE, 0)
    (batch,) = retention.unlocked(shelf.db, shelf.config, DUE, "main")
    monkeypatch.setattr(retention, "_delete", lambda _file: None)
    retention.retire(shelf.db, shelf.config, shelf.clock, batch)
    monkeypatch.undo()
    assert len(shelf.files()) == 2
    assert leftovers.recover(shelf.db, shelf.config, shelf.clock) == []  # the recorder does not take it in again
    assert retention.sweep(shelf.db, shelf.config) == 1
    assert shelf.files() == {stays.path}
    assert retention.sweep(shelf.db, shelf.config) == 0


def test_room_is_made_only_when_it_is_short_and_by_a_clock_somebody_keeps(shelf: Shelf) -> None:
    trials = [shelf.record(START + timedelta(days=n), 0) for n in range(3)]
    shelf.clock.step((DUE - shelf.clock.now()).total_seconds())

    def make_room(config: Config, *, sure: bool) -> int:
        return retention.make_room(shelf.db, config, shelf.clock, lambda: None, sure=sure)

    short = replace(shelf.config, reserve_bytes=1 << 60)
    roomy = replace(shelf.config, reserve_bytes=0, cameras=())
    assert make_room(roomy, sure=True) == 0
    assert make_room(short, sure=False) == 0
    assert len(shelf.files()) == 3
    assert make_room(short, sure=True) == sum(s.size_bytes for s in trials)
    assert [e.data["day"] for e in journal.entries(shelf.db, kinds=["archive.retired"])] == [
        "2026-06-01", "2026-06-02", "2026-06-03"]  # fmt: skip


def test_the_archivist_looks_between_its_orders_and_not_while_all_starts(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.record(START, 0)
    shelf.clock.step((DUE - shelf.clock.now()).total_seconds())
    monkeypatch.setattr(retention, "clock_is_sure", lambda _db, _clock: True)
    room = archivist.RoomMaker(shelf.db, replace(shelf.config, reserve_bytes=1 << 60), shelf.clock)
    room.look(lambda: None)
    assert len(shelf.files()) == 1
    shelf.clock.advance(archivist.RETENTION_FIRST_S)
    room.look(lambda: None)
    assert shelf.files() == set()


def test_a_clock_that_was_set_far_is_not_trusted_with_dates(shelf: Shelf) -> None:
    with store.transaction(shelf.db):
        journal.append(shelf.db, shelf.clock, "clock.stepped", WHO, step_ms=400 * 86_400_000)
    assert not retention.clock_is_sure(shelf.db, shelf.clock)


def test_the_command_says_first_and_deletes_when_told(shelf: Shelf) -> None:
    shelf.record(datetime.now(UTC) - timedelta(days=20), 0)

    def run(*options: str) -> dict[str, object]:
        done = CliRunner().invoke(examsite, ["archive", "retire", *options, "--json", "--config",
                                             str(shelf.config.source)], catch_exceptions=False)  # fmt: skip
        assert done.exit_code == 0, done.output
        return dict(json.loads(done.output))

    said = run("--dry-run")
    assert (said["done"], len(said["batches"])) == (False, 1)  # type: ignore[arg-type]
    assert len(shelf.files()) == 1
    assert run("--now", "--yes")["batches"] == said["batches"]
    assert shelf.files() == set()
    assert run("--dry-run")["batches"] == []
