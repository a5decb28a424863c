"""Marks outside the box: how old the newest is and who is told; the head's stick, which finds what was rewritten."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from appliance import alarms, anchors, checkpoints, identity, journal, journal_export, merkle, orders, stick, store
from appliance.checks import box
from appliance.clock import FakeClock
from appliance.config import Config
from appliance.model import Actor, Message, Person, Role
from appliance.services import archivist
from appliance.stick import Marked, StickError
from appliance.store import Database
from drivers import medium
from tests.fakes import seeded_site
from tests.fakes.visitor import Visitor

pytest_plugins = ["tests.web_fixtures"]

KEEPER, ARCHIVIST = Actor.service("keeper"), Actor.service("archivist")
HEAD = Person("ivanova", "Иванова Анна Викторовна", Role.HEAD, "ru")
START = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)


@dataclass
class Box:
    config: Config
    db: Database
    clock: FakeClock
    stick: Path

    def grow(self, count: int = 1, **data: Any) -> None:
        for n in range(count):
            self.clock.advance(20)
            with store.transaction(self.db):
                journal.append(self.db, self.clock, "door.opened", KEEPER, **{"n": n, **data})

    def mark(self) -> Marked:
        return stick.mark(self.db, self.config, self.clock, self.stick, HEAD.login, ARCHIVIST)

    @property
    def marks(self) -> Path:
        return self.stick / "examsite-witness-0123.txt"

    def standing(self) -> anchors.Standing:
        return anchors.standing(self.db, self.config, self.clock.now())


@pytest.fixture
def site_of_its_own(tmp_path: Path) -> Box:
    config, clock = seeded_site.configure(tmp_path), FakeClock(START)
    db = store.open(config.database, create=True)
    identity.begin(db, config)
    folder = config.export_targets[0].path
    folder.mkdir(parents=True, exist_ok=True)
    found = Box(config, db, clock, folder)
    found.grow(3)
    return found


@pytest.fixture
def here(site_of_its_own: Box) -> Box:
    return site_of_its_own


# --- how old the newest mark is ---


def test_the_longer_nothing_leaves_the_worse_it_stands(here: Box) -> None:
    found = []
    for hours in (1, 11.9, 12.1, 23.9, 24.1):
        now = START + timedelta(hours=hours)
        standing = anchors.standing(here.db, here.config, now)
        found.append((standing.state, box.anchored(standing).verdict))
    assert found == [("fresh", "passed")] * 2 + [("remark", "remark")] * 2 + [("failed", "failed")]
    verdict = box.anchored(anchors.standing(here.db, here.config, START + timedelta(days=2)))
    assert str(verdict.found).startswith("The journal never had a mark outside the box")
    assert str(verdict.remedy) == "Put in the head's stick."


def test_a_mark_makes_it_fresh_again_and_entries_after_it_grow_old(here: Box) -> None:
    here.clock.advance(30 * 3600)
    assert here.standing().state == "failed"
    here.mark()
    assert here.standing().state == "fresh"
    here.clock.advance(13 * 3600)
    assert here.standing().state == "remark"
    assert str(here.standing().said).startswith("The journal has no mark outside the box since")


def test_an_old_journal_wholly_marked_is_fresh_and_a_clock_set_back_is_a_remark(here: Box) -> None:
    with store.transaction(here.db):
        anchors.note(here.db, here.clock, journal.head(here.db)[0], "copied", "by hand", HEAD.login)
    here.clock.advance(90 * 3600)
    assert here.standing().state == "fresh"  # nothing is newer than the mark
    here.grow()
    here.clock.step(-200 * 3600)
    assert here.standing().state == "remark"


@pytest.mark.parametrize(("target", "left"), [("stick/journal", True), ("data/journal", False)])
def test_only_what_leaves_the_box_is_a_mark(here: Box, target: str, left: bool) -> None:
    assert anchors.outside(here.config, here.config.source.parent / target) is left


def test_a_folder_on_a_stick_leaves_and_one_in_memory_does_not(here: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(medium, "sticks", lambda: [Path("/media/head")])
    assert anchors.outside(here.config, Path("/media/head/journal"))
    assert not anchors.outside(here.config, Path("/run/journal"))


def test_a_journal_export_on_a_stick_is_a_mark(here: Box, tmp_path: Path) -> None:
    journal_export.export(here.db, here.config, here.clock, KEEPER, tmp_path / "kept-here")
    assert anchors.recent(here.db) == []
    done = journal_export.export(here.db, here.config, here.clock, KEEPER, here.stick / "journal")
    assert [(a.kind, a.size) for a in anchors.recent(here.db)] == [("export", done.checkpoint.size)]


# --- the stick ---


def test_the_stick_holds_every_mark_the_program_and_the_key(here: Box) -> None:
    for n in (1, 2, 3):
        here.grow(2)
        done = here.mark()
        assert (done.marks, done.size) == (n, journal.head(here.db)[0] - 1)
    notes = here.marks.read_text().split("\n\n\u2014 ")
    assert len(notes) == 4  # three notes have three empty lines before their signatures
    assert (here.stick / "journal.pub").read_text().strip() == identity.of(here.db).vkey
    assert sorted(p.name for p in here.stick.iterdir()) == ["examsite-witness-0123.txt", "journal.pub",
                                                            "verify_journal.py"]  # fmt: skip
    assert [a.kind for a in anchors.recent(here.db)] == ["stick"] * 3
    said = journal.entries(here.db, kinds=["anchor.marked"], newest_first=True)[0].data
    assert (said["size"], said["marks"]) == (done.size, 3)


def test_the_sticks_own_program_holds_an_export_against_all_its_marks(here: Box, tmp_path: Path) -> None:
    for _ in range(3):
        here.grow(2)
        here.mark()
    export = journal_export.export(here.db, here.config, here.clock, KEEPER, tmp_path / "out").path
    command = [sys.executable, "-I", str(here.stick / "verify_journal.py"), str(export), "--checkpoint",
               str(here.marks), "--key", str(here.stick / "journal.pub")]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, "against 3 checkpoints from outside" in done.stdout) == (0, True), done.stdout
    lines = here.marks.read_bytes()
    here.marks.write_bytes(lines.replace(b"\n5\n", b"\n4\n", 1))
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    here.marks.write_bytes(lines + b"\n")
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2  # a mark cut off to nothing is no mark


def test_the_same_again_adds_no_second_mark_of_the_same_size(here: Box) -> None:
    first = here.mark()
    again = here.mark()  # the entry about the first mark is new
    assert (again.size, again.marks) == (first.size + 1, 2)


def test_an_older_program_on_the_stick_is_the_one_to_trust(here: Box) -> None:
    (here.stick / "verify_journal.py").write_text("# as it was last year\n")
    here.mark()
    here.mark()
    names = sorted(p.name for p in here.stick.glob("verify_journal*"))
    assert (here.stick / "verify_journal.py").read_text() == "# as it was last year\n"
    assert len(names) == 2


REWRITTEN: dict[str, tuple[str, str]] = {
    "cut off": (
        "delete from journal where seq > 4; delete from journal_node; delete from checkpoint; delete from anchor;"
        " delete from journal_personal where seq > 4", anchors.OLDER),
    "rewritten": (
        "update journal_node set hash = zeroblob(32) where level = 0 and idx = 1; update journal_node set hash ="
        " zeroblob(32) where level > 0; delete from checkpoint", anchors.FORK),
}  # fmt: skip


@pytest.mark.parametrize("how", REWRITTEN)
def test_a_stick_that_contradicts_the_journal_is_loud_and_left_as_it_is(here: Box, how: str) -> None:
    here.grow(4)
    here.mark()
    before = {p.name: p.read_bytes() for p in here.stick.iterdir()}
    attack(here, REWRITTEN[how][0])
    with pytest.raises(StickError, match="contradicts this journal"):
        here.mark()
    with pytest.raises(StickError, match="contradicts this journal"):
        here.mark()
    assert {p.name: p.read_bytes() for p in here.stick.iterdir()} == before
    [entry] = journal.entries(here.db, kinds=["anchor.contradicted"])
    assert entry.data["cause"]["text"] == REWRITTEN[how][1]
    [alarm] = alarms.board(here.db, here.config, here.clock.now()).alarms
    assert (alarm.kind, alarm.restored_at) == ("tamper", None)
    assert box.anchored(here.standing()).verdict == "failed"


def attack(here: Box, sql: str) -> None:
    """As root does it: no triggers; the tree made anew where all of it was deleted."""
    here.db.close()
    with sqlite3.connect(here.config.database) as conn:
        for (name,) in conn.execute("select name from sqlite_master where type = 'trigger'").fetchall():
            conn.execute(f"drop trigger {name}")
        conn.executescript(sql)
    here.db = store.open(here.config.database)
    if here.db.value("select count(*) from journal_node") == 0:
        with store.transaction(here.db):
            for row in here.db.rows("select seq, row from journal order by seq"):
                merkle.add(here.db, row["seq"], row["row"].encode())


def test_a_journal_begun_anew_is_not_the_one_on_the_stick(here: Box) -> None:
    here.mark()
    here.db.close()
    for file in here.config.data.glob("examsite.db*"):
        file.unlink()
    here.db = store.open(here.config.database, create=True)
    identity.begin(here.db, here.config)
    here.grow(9)
    with pytest.raises(StickError, match="another journal"):
        here.mark()
    here.marks.unlink()  # only the key is left
    with pytest.raises(StickError, match="another journal"):
        here.mark()
    assert len(journal.entries(here.db, kinds=["anchor.contradicted"])) == 1


@pytest.mark.parametrize("spoil", [
    lambda raw: raw[:-20], lambda raw: b"milk, bread\n", lambda raw: raw + b"x", lambda raw: raw.replace(b"=\n", b"\n"),
    lambda raw: raw + b"\n", lambda raw: b"\xff\xfe" + raw,
])  # fmt: skip
def test_a_file_that_holds_no_marks_is_left_alone(here: Box, spoil: Callable[[bytes], bytes]) -> None:
    here.mark()
    here.marks.write_bytes(spoiled := spoil(here.marks.read_bytes()))
    with pytest.raises(StickError, match="keep it, take another one"):
        here.mark()
    assert here.marks.read_bytes() == spoiled
    assert journal.entries(here.db, kinds=["anchor.contradicted"]) == []


def test_a_link_in_the_marks_place_is_not_followed(here: Box, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("")
    here.marks.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StickError, match="was not marked"):
        here.mark()
    assert (tmp_path / "elsewhere").read_text() == ""


@pytest.mark.parametrize("step", ["write_synced", "read_back", "sync_folder"])
def test_a_stick_pulled_at_any_step_keeps_its_marks(here: Box, step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    here.mark()
    before = here.marks.read_bytes()
    here.grow()

    def pulled(path: Path, *_: object) -> str:
        raise medium.MediumError(OSError(5, "Input/output error"), path)

    with monkeypatch.context() as broken:
        broken.setattr(medium, step, pulled)
        with pytest.raises(StickError, match="was not marked"):
            here.mark()
    assert here.marks.read_bytes().startswith(before)
    assert len(anchors.recent(here.db)) == 1
    assert here.mark().marks >= 2


def test_a_stick_that_keeps_something_else_than_was_written_is_refused(
    here: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(medium, "read_back", lambda *_: "0" * 64)
    with pytest.raises(StickError, match="differs from what was written"):
        here.mark()
    assert anchors.recent(here.db) == []


def test_the_only_stick_in_the_box_is_found_by_its_bus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, bus in (("sda1", "ata1"), ("sdb1", "usb2/2-1")):
        (tmp_path / "devices" / bus / name).mkdir(parents=True)
        (tmp_path / "block").mkdir(exist_ok=True)
        (tmp_path / "block" / name).symlink_to(tmp_path / "devices" / bus / name)
    mounts = tmp_path / "mounts"
    mounts.write_text("/dev/sda1 / ext4 rw 0 0\n/dev/sdb1 /media/the\\040head vfat rw 0 0\ntmpfs /tmp tmpfs rw 0 0\n")
    monkeypatch.setattr(medium, "BLOCKS", tmp_path / "block")
    monkeypatch.setattr(medium, "MOUNTS", mounts)
    assert medium.sticks() == [Path("/media/the head")]


# --- the order, and the pages ---


def order(here: Box, target: str) -> orders.Order:
    number = orders.place(here.db, here.clock, stick.KIND, {"target": target}, HEAD)
    claimed = orders.claim(here.db, here.clock, stick.KIND)
    assert claimed is not None
    assert claimed.id == number
    return claimed


def test_the_archivist_marks_what_was_ordered_and_says_how_it_went(here: Box) -> None:
    done = archivist.mark_stick(here.db, here.config, here.clock, claimed := order(here, "usb"))
    assert isinstance(done, Marked)
    closed = orders.get(here.db, claimed.id)
    assert (closed.state, (closed.result or {})["size"]) == ("done", done.size)
    [mark] = anchors.recent(here.db)
    assert mark.by_login == "ivanova"
    refused = archivist.mark_stick(here.db, here.config, here.clock, order(here, "nowhere"))
    assert isinstance(refused, Message)
    assert [e.kind for e in journal.entries(here.db, kinds=["anchor.failed"])] == ["anchor.failed"]
    assert "There are" in str(archivist.mark_stick(here.db, here.config, here.clock, order(here, stick.FOUND)))


def test_a_stick_waits_for_no_export(here: Box) -> None:
    assert checkpoints.latest(here.db) is None
    number = orders.place(here.db, here.clock, stick.KIND, {"target": "usb"}, HEAD)
    orders.claim(here.db, here.clock, stick.KIND)  # by a worker that was killed
    archivist.put_back(here.db)
    assert orders.get(here.db, number).state == "placed"


def test_the_head_presses_and_reads_what_became_of_it(site: seeded_site.Site, visit: Callable[[Role], Visitor]) -> None:
    head = visit(Role.HEAD)
    said = head.press("/journal/marks", page="/journal/marks", target="usb", key="k1")
    assert "The box marks your stick now" in said
    head.press("/journal/marks", page="/journal/marks", target="usb", key="k1")  # pressed twice
    assert len(orders.recent(site.db, stick.KIND)) == 1
    claimed = orders.claim(site.db, site.clock, stick.KIND)
    assert claimed is not None
    (site.config.export_targets[0].path).mkdir(exist_ok=True)
    archivist.mark_stick(site.db, site.config, site.clock, claimed)
    page = head.page("/journal/marks")
    assert "Stick marked at" in page
    assert "On the head's stick" in page
    assert "Mark on my stick" not in visit(Role.TECHNICIAN).page("/journal/marks")
    assert head.post("/journal/marks", page="/journal/marks", target="/etc", key="k2").status_code == 409


@pytest.mark.parametrize("role", [Role.HEAD, Role.TECHNICIAN])
def test_today_says_that_the_journal_has_no_mark(
    site: seeded_site.Site, visit: Callable[[Role], Visitor], role: Role
) -> None:
    site.clock.advance(3600)
    with store.transaction(site.db):
        anchors.note(site.db, site.clock, 5, "stick", "usb-1", "ivanova")
    visitor = visit(role)
    assert "no mark outside the box" not in visitor.page("/")
    site.db.conn.execute("update anchor set at = '2026-11-20T03:00:00.000000Z'")
    site.db.conn.commit()
    assert "The journal has no mark outside the box since 20 Nov 2026" in visitor.page("/")
    if role is Role.TECHNICIAN:
        assert "Put in the head's stick." in visitor.page("/system")
