"""The twelve attacks of the threat model on a real site's data, each looked for with what left the box before.

The attacker is root and holds the card: opens the database with plain sqlite3, drops triggers, has the signing key,
runs the house's own programs. What left before: the verifier's file, the public key, the checkpoint of an export. Every
verdict is of that kept copy, run alone. A9 and A12 nobody can prove; their tests say what can be shown instead.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from appliance import (
    access,
    alarms,
    anchors,
    checkpoints,
    identity,
    journal,
    journal_check,
    journal_export,
    merkle,
    stick,
    store,
    verify_journal,
)
from appliance import witness as witnesses
from appliance.alive import KEEPER, tell_absence
from appliance.checks import box
from appliance.clock import FakeClock
from appliance.config import Config
from appliance.model import Actor, ApplianceError, Person, Role
from appliance.store import Database
from appliance.witness_at import WitnessAt
from tests.fakes import seeded_site
from tests.fakes.witness import Witness, running

TECHNICIAN = Person("orlov", "Орлов Пётр Сергеевич", Role.TECHNICIAN, "ru")
HEAD = Person("ivanova", "Иванова Анна Викторовна", Role.HEAD, "ru")
WATCH, CONSOLE = Actor.service("watch"), Actor.service("console")
MORNING = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
KEPT = Path(verify_journal.__file__).read_bytes()


@dataclass
class Kept:
    """What the verifier with the kept copy says."""

    status: int
    said: dict[str, Any]

    @property
    def what(self) -> list[str]:
        return [found["what"] for found in (*self.said["faults"], *self.said["refusals"])]

    @property
    def first_bad(self) -> int | None:
        bad: int | None = self.said["first_bad"]
        return bad

    def remarks(self, what: str) -> list[dict[str, Any]]:
        return [found for found in self.said["remarks"] if found["what"] == what]


@dataclass
class Site:
    """One box with its data; `outside` is the drawer in the region where copies are kept."""

    folder: Path
    config: Config
    db: Database
    clock: FakeClock
    outside: Path
    exports: int = field(default=0)

    def say(self, kind: str = "door.opened", actor: Actor = WATCH, **data: Any) -> int:
        self.clock.advance(20)
        with store.transaction(self.db):
            return journal.append(self.db, self.clock, kind, actor, room="7777", **data)

    def export(self) -> Path:
        """The journal leaves the box, by the box's own command."""
        self.exports += 1
        self.clock.advance(1)
        target = self.outside / f"export-{self.exports}"
        return journal_export.export(self.db, self.config, self.clock, CONSOLE, target).path

    def reopened(self) -> Site:
        self.db.close()
        return Site(self.folder, self.config, store.open(self.config.database, create=True), self.clock, self.outside,
                    self.exports)  # fmt: skip

    def verify(self, export: Path, *checkpoints: Path, key: str | None = None) -> Kept:
        """By the program, the checkpoints and the key that left before, in a process that knows nothing of ours."""
        program = self.outside / "verify_journal.py"
        program.write_bytes(KEPT)
        command = [sys.executable, "-I", str(program), str(export), "--json"]
        command += [part for each in checkpoints for part in ("--checkpoint", str(each / "checkpoint.note"))]
        done = subprocess.run([*command, *(["--key", key] if key else [])], cwd=self.outside, capture_output=True,
                              text=True, timeout=60, check=False)  # fmt: skip
        assert done.stderr == ""
        return Kept(done.returncode, json.loads(done.stdout))


@contextlib.contextmanager
def root(site: Site) -> Iterator[sqlite3.Connection]:
    """The database as root opens it: no store, no triggers."""
    site.db.close()
    conn = sqlite3.connect(site.config.database)
    for name, kind in conn.execute("select name, type from sqlite_master where type = 'trigger'").fetchall():
        conn.execute(f"drop {kind} {name}")
    yield conn
    conn.commit()
    conn.close()


def rewrite(conn: sqlite3.Connection, change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]) -> None:
    """Every row as it now shall be: chained anew, the tree made anew, old checkpoints forgotten. All of it is sound."""
    rows = change([json.loads(row) for (row,) in conn.execute("select row from journal order by seq").fetchall()])
    moved = {row["seq"]: n for n, row in enumerate(rows, 1)}
    openings = conn.execute("select seq, path, salt, value from journal_personal").fetchall()
    for table in ("journal", "journal_node", "journal_personal", "checkpoint"):
        conn.execute(f"delete from {table}")
    prev, leaves = "0" * 64, []
    for n, row in enumerate(rows, 1):
        refs = [moved[r] for r in row["refs"] if r in moved]
        text = json.dumps({**row, "seq": n, "prev": prev, "refs": refs}, ensure_ascii=False, sort_keys=True,
                          separators=(",", ":"))  # fmt: skip
        prev = hashlib.sha256(text.encode()).hexdigest()
        conn.execute("insert into journal (seq, hash, row) values (?, ?, ?)", (n, prev, text))
        leaves.append(merkle.leaf(text.encode()))
    kept = [(moved[seq], *rest) for seq, *rest in openings if seq in moved]
    kept = [each for each in kept if commit(rows[each[0] - 1], each[1]) is not None]
    conn.executemany("insert into journal_personal (seq, path, salt, value) values (?, ?, ?, ?)", kept)
    level = 0
    while leaves:
        conn.executemany("insert into journal_node (level, idx, hash) values (?, ?, ?)",
                         [(level, n, each) for n, each in enumerate(leaves)])  # fmt: skip
        leaves = [merkle.node(a, b) for a, b in zip(leaves[::2], leaves[1::2], strict=False)]
        level += 1


def commit(row: dict[str, Any], path: str) -> Any:
    found: Any = row
    for part in path.split("/")[1:]:
        found = found[int(part)] if isinstance(found, list) else found.get(part, {})
    return found.get("commit") if isinstance(found, dict) else None


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A morning: somebody signs in, a door is opened, an act has two people; then the journal leaves the box once."""
    config, clock = seeded_site.configure(tmp_path), FakeClock(MORNING)
    db = store.open(config.database, create=True)
    identity.begin(db, config)
    (tmp_path / "outside").mkdir()
    site = Site(tmp_path, config, db, clock, tmp_path / "outside")
    site.say("box.started", CONSOLE)
    site.say("signin.accepted", Actor.person(TECHNICIAN))
    for n in range(5):
        site.say(zone="Дверь стойки", n=n)
    return site


@pytest.fixture
def before(site: Site) -> Path:
    """The export that left before the attack."""
    export = site.export()
    assert site.verify(export).status == 0
    return export


def test_an_honest_site_holds_against_everything_that_left_before(site: Site, before: Path) -> None:
    site.say()
    again = site.export()
    site.say()
    last = site.verify(site.export(), before, again)
    assert (last.status, [h["size"] for h in last.said["held"]]) == (0, [8, 10])


A1 = {
    "edit": ("update journal set row = replace(row, '\"n\":2', '\"n\":7') where seq = 5", ["changed"]),
    "delete": ("delete from journal where seq = 5", ["missing"]),
    "swap": ("update journal set row = (select j.row from (select seq, row from journal) j"
             " where j.seq = 11 - journal.seq) where seq in (5, 6)", ["missing"]),
    "double": ("update journal set row = (select row from journal where seq = 4) where seq = 5", ["missing"]),
}  # fmt: skip


@pytest.mark.parametrize("how", A1)
def test_a1_an_old_row_edited_deleted_swapped_or_doubled_is_named(
    site: Site, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with root(site) as conn:
        conn.execute(A1[how][0])
    site = site.reopened()
    assert first(journal_check.check(site.db).faults) == 5  # `examsite verify journal` names it on the box itself
    monkeypatch.setattr(checkpoints, "continues", lambda *_: None)  # root's program does not look
    found = site.verify(site.export())
    assert (found.status, found.what, found.first_bad) == (1, A1[how][1], 5)


def first(faults: tuple[verify_journal.Finding, ...]) -> int:
    return min(int(f.args["entry"]) for f in faults if "entry" in f.args)


def test_a1_a_row_slipped_in_and_everything_after_it_made_anew_is_found(site: Site, before: Path) -> None:
    with root(site) as conn:
        rewrite(conn, lambda rows: [*rows[:4], {**rows[3], "kind": "door.closed", "data": {}}, *rows[4:]])
    found = site.reopened().verify(site.reopened().export(), before)
    assert (found.status, found.what, found.said["held"]) == (1, ["root"], [])


def test_a2_the_newest_rows_cut_off_are_missed_by_the_checkpoint_outside(site: Site, before: Path) -> None:
    with root(site) as conn:
        rewrite(conn, lambda rows: rows[:4])
    site = site.reopened()
    export = site.export()  # all of it is sound in itself
    assert site.verify(export).status == 0
    found = site.verify(export, before)
    assert (found.status, found.what, found.first_bad) == (1, ["beyond"], 6)


def test_a3_a_whole_history_written_anew_with_the_stolen_key_is_found_by_any_older_checkpoint(
    site: Site, before: Path
) -> None:
    later = [site.say(n=9), site.export()][1]

    def nobody_was_here(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [{**row, "data": {**row["data"], "n": 0}} if row["seq"] in (5, 6) else row for row in rows]

    with root(site) as conn:
        rewrite(conn, nobody_was_here)
    site = site.reopened()
    site.say()
    export = site.export()
    assert site.verify(export).status == 0  # which is why checkpoints leave the box
    found = site.verify(export, before, later)
    assert (found.status, found.what, found.said["held"]) == (1, ["root", "root"], [])


@pytest.mark.parametrize("rows_since", [0, 8])
def test_a4_yesterdays_image_put_back_is_found_however_far_it_went_on(
    site: Site, tmp_path: Path, rows_since: int
) -> None:
    site.db.conn.execute("vacuum into ?", (str(tmp_path / "image.db"),))
    for n in range(3):
        site.say(n=100 + n)
    before = site.export()
    site.db.close()
    for leftover in ("-wal", "-shm"):
        site.config.database.with_name(site.config.database.name + leftover).unlink(missing_ok=True)
    shutil.copy(tmp_path / "image.db", site.config.database)
    site = site.reopened()
    for n in range(rows_since):
        site.say(n=n)
    found = site.verify(site.export(), before)
    assert (found.status, found.what) == (1, ["root"] if rows_since else ["beyond"])


def test_a5_two_boxes_from_one_card_contradict_each_other(site: Site, before: Path, tmp_path: Path) -> None:
    site.db.conn.execute("vacuum into ?", (str(tmp_path / "clone.db"),))
    (tmp_path / "clone").mkdir()
    config = seeded_site.configure(tmp_path / "clone")
    shutil.copy(tmp_path / "clone.db", config.database)
    shutil.copytree(site.config.data / "keys", config.data / "keys")
    clone = Site(tmp_path / "clone", config, store.open(config.database), FakeClock(site.clock.now()), site.outside, 50)
    clone.clock._mono_s = site.clock.mono_s()
    site.say(n=1)
    clone.say(n=2)
    mine, theirs = site.export(), clone.export()
    for one, other in ((mine, theirs), (theirs, mine)):
        assert site.verify(one, before).status == 0  # each alone continues what was
        found = site.verify(one, before, other)
        assert (found.status, found.what, [h["size"] for h in found.said["held"]]) == (1, ["root"], [8])


def test_a6_a_program_stopped_for_an_hour_leaves_a_hole_that_is_told(site: Site, before: Path) -> None:
    for _ in range(4):
        site.say("box.alive", KEEPER)
        site.clock.advance(40)
    site.clock.advance(3600)  # stopped, something is done, started again
    tell_absence(site.db, site.clock)
    found = site.verify(site.export(), before)
    assert found.status == 0  # nothing was rewritten; that nothing was noted is said
    [hole] = found.remarks("hole")
    assert hole["s"] == 3640
    absent = journal.entries(site.db, kinds=["box.absent"])[0]
    assert (absent.seq, absent.data["absent_ms"]) == (hole["entry"], 3_640_000)
    with root(site) as conn:  # the entry that tells of it taken out: the hole stays, and the checkpoints fail
        rewrite(conn, lambda rows: [row for row in rows if row["kind"] != "box.absent"])
    gone = site.reopened()
    assert gone.verify(gone.export(), before).remarks("hole")[0]["s"] >= 3640


def test_a7_rows_written_under_a_clock_set_back_stand_after_what_left_before(site: Site, before: Path) -> None:
    site.clock.step(-7200)
    seq = site.say(n=99)  # "an hour before the exam"
    found = site.verify(site.export(), before)
    assert found.status == 0
    assert [(r["entry"], r["s"] > 7000) for r in found.remarks("set-back")] == [(seq, True)]
    assert seq > found.said["held"][0]["size"]  # it is newer than a checkpoint signed later by its clock: the bracket
    with root(site) as conn:  # made to look old by its place: the monotonic clock of the boot speaks against it
        rewrite(conn, lambda rows: [*rows[:3], {**rows[seq - 1], "seq": 90}, *(r for r in rows[3:] if r["seq"] != seq)])
    forged = site.reopened()
    moved = forged.verify(forged.export(), before)
    assert (moved.status, moved.what, moved.first_bad) == (1, ["root", "monotonic"], 5)


@pytest.mark.parametrize("keys", ["kept", "removed"])
def test_a8_a_fresh_journal_cannot_pass_for_the_old_one(site: Site, before: Path, keys: str) -> None:
    old_key = (before / "journal.pub").read_text().strip()
    site.db.close()
    for file in site.config.data.glob("examsite.db*"):
        file.unlink()
    if keys == "removed":
        shutil.rmtree(site.config.data / "keys")
    site = Site(site.folder, site.config, store.open(site.config.database, create=True), site.clock, site.outside, 60)
    identity.begin(site.db, site.config)
    for n in range(20):
        site.say(n=n)
    export = site.export()
    found = site.verify(export, before)
    assert (found.status, found.what, found.said["ok"]) == (2, ["origin"], False)
    assert site.verify(export, key=old_key).what == ["other-key"]
    assert site.verify(export).said["origin"].split("/")[-1] == ("2" if keys == "kept" else "1")


def test_a9_forged_rows_after_the_break_in_are_not_proved_false_and_lack_the_second_person(
    site: Site, before: Path
) -> None:
    """Nothing cryptographic can find what the key's thief writes from then on. What shows: it is newer than all that
    left before, nobody answered for it, and what the sensors entered beside it says otherwise."""
    forged = access.begin(site.db, site.config, site.clock, TECHNICIAN, "angle", ["0001"], "плановая", key="forged")
    site.clock.advance(60)
    access.end(site.db, site.config, site.clock, forged, TECHNICIAN, key="forged")
    found = site.verify(site.export(), before)
    assert (found.status, [h["size"] for h in found.said["held"]]) == (0, [8])
    assert forged > found.said["held"][0]["size"]  # beyond every checkpoint that left: its age is not proved
    [waits] = access.unconfirmed(site.db)
    assert (waits.seq, waits.answer) == (forged, None)  # the page: the responsible person's signature is missing
    with pytest.raises(ApplianceError):  # and nobody signs for themselves by the house's own ways
        access.confirm(site.db, site.config, site.clock, forged, TECHNICIAN, "password", key="own")
    kinds = [json.loads(line)["kind"] for line in (site.outside / "export-2/journal.jsonl").read_bytes().splitlines()]
    assert "door.opened" in kinds  # the box's own contacts, entered beside: nobody announced them
    assert "access.confirmed" not in kinds  # the commission sees it in the export too


def test_a10_a_patched_verifier_on_the_box_deceives_nobody_who_brings_their_own(
    site: Site, before: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    patched = b"print('Everything holds.')\n"
    monkeypatch.setattr(journal_export, "_program", lambda: patched)
    with root(site) as conn:
        rewrite(conn, lambda rows: rows[:4])
    site = site.reopened()
    export = site.export()
    theirs = subprocess.run([sys.executable, str(export / "verify_journal.py")], capture_output=True, text=True,
                            timeout=60, check=False)  # fmt: skip
    assert (theirs.returncode, theirs.stdout) == (0, "Everything holds.\n")
    assert site.verify(export, before).what == ["beyond"]
    assert (export / "verify_journal.py").read_bytes() != (before / "verify_journal.py").read_bytes()


def test_a10_a_verifier_exchanged_in_the_folder_afterwards_is_named(site: Site, before: Path) -> None:
    (before / "verify_journal.py").write_text("print('Everything holds.')\n")
    found = site.verify(before)
    assert (found.status, found.what, found.said["faults"][0]["file"]) == (1, ["file-changed"], "verify_journal.py")


def test_a11_an_erasure_without_its_entry_is_found_and_a_lawful_one_breaks_nothing(site: Site, before: Path) -> None:
    count = journal.erase(site.db, site.clock, HEAD, "Обращение № 17, 152-ФЗ", person="orlov")
    lawful = site.verify(site.export(), before)
    assert (lawful.status, [h["size"] for h in lawful.said["held"]]) == (0, [8])
    assert lawful.remarks("erased")[0]["n"] == count
    with root(site) as conn:
        conn.execute("delete from journal_personal where path = '/actor/name'")
    site = site.reopened()
    silent = site.verify(site.export(), before)
    erasing = journal.entries(site.db, kinds=["personal.erased"])[0].seq
    assert (silent.status, silent.what, silent.first_bad) == (1, ["erased-silently"], erasing)  # the head's own name


def test_a11_other_words_put_in_the_place_of_the_erased_are_found(site: Site, before: Path) -> None:
    with root(site) as conn:
        conn.execute("update journal_personal set value = 'Сидоров' where path = '/actor/name'")
    found = site.reopened().verify(site.reopened().export(), before)
    assert (found.status, found.what, found.first_bad) == (1, ["opening-wrong"], 2)


def test_a12_a_journal_that_never_left_is_told_to_prove_nothing_of_its_past(site: Site) -> None:
    with root(site) as conn:
        rewrite(conn, lambda rows: rows[:3])
    site = site.reopened()
    found = site.verify(site.export())
    assert (found.status, found.said["held"]) == (0, [])
    assert len(found.remarks("no-checkpoint")) == 1  # the page and the readiness check say "not anchored since"


# --- what a witness and the head's stick add: the box itself finds out, while it happens ---


@dataclass
class Outside:
    """A witness over HTTP, and the stick the head carries."""

    site: Site
    witness: Witness
    stick: Path

    def ask(self, site: Site | None = None) -> tuple[str, list[str]]:
        """The keeper's turn with the witness: how it answered, and what was entered against the journal so far."""
        here = site or self.site
        here.clock.advance(600)
        checkpoints.sign_due(here.db, here.config, here.clock)
        at = WitnessAt(url=self.witness.url, key=self.witness.vkey)
        asking = witnesses.Asking(here.config, here.clock, at)
        asking.turn(here.db)
        state = witnesses.known(here.db)[self.witness.name].state
        return state, self.against(here)

    def against(self, here: Site) -> list[str]:
        return [e.data["cause"]["text"] for e in journal.entries(here.db, kinds=["anchor.contradicted"], limit=100)]

    def mark(self, site: Site | None = None) -> str:
        """The head presses [Mark on my stick]: "marked", or the sentence why not."""
        here = site or self.site
        try:
            stick.mark(here.db, here.config, here.clock, self.stick, HEAD.login, Actor.service("archivist"))
        except ApplianceError as refused:
            return str(refused)
        return "marked"

    def alarm(self, here: Site) -> str:
        [found] = alarms.board(here.db, here.config, here.clock.now()).alarms
        return found.kind


@pytest.fixture
def outside(site: Site, tmp_path: Path) -> Iterator[Outside]:
    """The site of a morning whose journal was witnessed once and marked on the stick once."""
    (tmp_path / "stick").mkdir(exist_ok=True)
    with running(Witness(tmp_path / "witness.json")) as witness:
        witness.enrol(identity.of(site.db).vkey)
        found = Outside(site, witness, tmp_path / "stick")
        assert (found.ask(), found.mark()) == (("agrees", []), "marked")
        yield found


def test_a4_the_witness_and_the_stick_remember_more_than_a_card_that_was_put_back(
    outside: Outside, tmp_path: Path
) -> None:
    site = outside.site
    site.db.conn.execute("vacuum into ?", (str(tmp_path / "image.db"),))
    for n in range(6):
        site.say(n=n)
    assert (outside.ask(), outside.mark()) == (("agrees", []), "marked")
    site.db.close()
    for leftover in ("-wal", "-shm"):
        site.config.database.with_name(site.config.database.name + leftover).unlink(missing_ok=True)
    shutil.copy(tmp_path / "image.db", site.config.database)
    site = site.reopened()
    assert outside.ask(site) == ("contradicts", [anchors.OLDER])
    assert "the journal is older than the mark remembers" in outside.mark(site)
    assert outside.alarm(site) == "tamper"
    for n in range(30):  # grown on past what they remember: now the rows are others
        site.say(n=n)
    assert outside.ask(site) == ("contradicts", [anchors.OLDER, anchors.OLDER, anchors.FORK])
    assert "the first" in outside.mark(site)


def test_a5_the_witness_signs_for_one_of_two_boxes_only(outside: Outside, tmp_path: Path) -> None:
    site = outside.site
    site.db.conn.execute("vacuum into ?", (str(tmp_path / "clone.db"),))
    (tmp_path / "clone").mkdir()
    config = seeded_site.configure(tmp_path / "clone")
    shutil.copy(tmp_path / "clone.db", config.database)
    shutil.copytree(site.config.data / "keys", config.data / "keys")
    clone = Site(tmp_path / "clone", config, store.open(config.database), FakeClock(site.clock.now()), site.outside, 70)
    clone.clock.advance(site.clock.mono_s() - clone.clock.mono_s() + 1000)
    for n in range(5):
        site.say(n=n)
        clone.say(n=n + 50)
    assert outside.ask()[0] == "agrees"
    assert outside.ask(clone) == ("contradicts", [anchors.FORK])
    assert outside.alarm(clone) == "tamper"
    assert outside.mark() == "marked"  # the head's own box
    assert "contradicts this journal" in outside.mark(clone)


def test_a8_neither_the_witness_nor_the_stick_takes_a_fresh_journal_for_the_old_one(outside: Outside) -> None:
    site = outside.site
    site.db.close()
    for file in site.config.data.glob("examsite.db*"):
        file.unlink()
    site = Site(site.folder, site.config, store.open(site.config.database, create=True), site.clock, site.outside, 80)
    identity.begin(site.db, site.config)
    for n in range(20):
        site.say(n=n)
    assert outside.ask(site) == ("refuses", [])  # a new epoch needs the region's enrolment
    [entry] = journal.entries(site.db, kinds=["witness.lost"])
    assert entry.data["cause"]["args"]["origin"].endswith("/2")
    assert "another journal" in outside.mark(site)
    assert (outside.against(site), outside.alarm(site)) == ([anchors.OTHER], "tamper")


def test_a12_a_journal_without_a_mark_outside_fails_the_checks_and_a_mark_makes_the_rest_provable(
    outside: Outside, site: Site
) -> None:
    now = site.clock.now()
    later = [anchors.standing(site.db, site.config, now + timedelta(hours=hours)) for hours in (1, 13, 25)]
    assert [box.anchored(each).verdict for each in later] == ["passed", "remark", "failed"]
    with root(site) as conn:
        rewrite(conn, lambda rows: rows[:3])
    site = site.reopened()
    marks = outside.stick / stick.file_name(site.config)
    shutil.copy(marks, site.outside / "checkpoint.note")
    found = site.verify(site.export(), site.outside)
    assert (found.status, found.what) == (1, ["beyond"])  # what the first test of A12 could not see
