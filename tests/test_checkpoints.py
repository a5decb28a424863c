"""Signed checkpoints: when one is due, that it says what the rows say, and that a changed past is never signed."""

from __future__ import annotations

import base64
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from appliance import checkpoints, identity, journal, merkle, notes, store
from appliance.clock import FakeClock
from appliance.config import Config
from appliance.model import Actor, ApplianceError, Person, Role
from appliance.store import Database
from tests.fakes import exam_site

KEEPER = Actor.service("keeper")
TECHNICIAN = Actor.person(Person("orlov", "Орлов П. С.", Role.TECHNICIAN, "ru"))


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return exam_site.site(tmp_path)


@pytest.fixture
def db(config: Config) -> Database:
    return exam_site.database(config)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(datetime(2026, 11, 22, 2, 50, tzinfo=UTC))


def add(db: Database, clock: FakeClock, actor: Actor = KEEPER) -> int:
    with store.transaction(db):
        return journal.append(db, clock, "box.started", actor)


def test_a_checkpoint_is_a_note_over_size_and_root(db: Database, config: Config, clock: FakeClock) -> None:
    for _ in range(5):
        add(db, clock)
    made = checkpoints.sign(db, config, clock, "asked")
    assert made is not None
    own = identity.of(db)
    note = notes.verify(made.note, [notes.verifier(own.vkey)])
    origin, size, root = note.text.splitlines()
    rows = [merkle.leaf(text.encode()) for _, _, text in journal.stored_rows(db)]
    tree = merkle.range_hash(lambda level, index: _naive(rows[index << level : (index + 1) << level]), 0, 5)
    assert (origin, size, base64.b64decode(root)) == (own.origin, "5", tree)
    assert [signature.name for signature in note.signatures] == [own.origin]
    assert checkpoints.latest(db) == checkpoints.at_size(db, 5) == made
    assert checkpoints.sign(db, config, clock, "asked") is None  # all of it is covered


def _naive(leaves: list[bytes]) -> bytes:
    half = len(leaves) // 2
    return leaves[0] if len(leaves) == 1 else merkle.node(_naive(leaves[:half]), _naive(leaves[half:]))


def test_what_a_person_did_is_signed_at_once_and_the_rest_within_its_time(
    db: Database, config: Config, clock: FakeClock
) -> None:
    def due() -> str | None:
        made = checkpoints.sign_due(db, config, clock)
        return made.why if made else None

    assert due() is None  # an empty journal
    add(db, clock)
    assert due() == "time"
    add(db, clock)
    assert due() is None
    clock.advance(config.profile.journal.checkpoint_s - 1)
    assert due() is None
    add(db, clock, TECHNICIAN)
    add(db, clock)
    assert due() == "person"
    add(db, clock)
    clock.advance(config.profile.journal.checkpoint_s)
    assert due() == "time"
    clock.advance(100)
    assert due() is None  # it did not grow
    add(db, clock)
    clock.step(-86_400)
    assert due() == "time"  # a clock set back puts nothing off
    assert [made.size for made in checkpoints.all(db)] == [1, 4, 5, 6]


def attack(db: Database, *statements: str) -> None:
    """As somebody who can write the file: the triggers are dropped first."""
    for name in db.rows("select name from sqlite_master where type = 'trigger' and name not like 'plan%'"):
        db.conn.execute(f"drop trigger {name['name']}")
    db.conn.execute("pragma foreign_keys = off")
    for statement in statements:
        db.conn.execute(statement)


@pytest.mark.parametrize(
    ("name", "statements"),
    [
        ("cut off", ("delete from journal where seq > 3", "delete from journal_node where idx > 2 or level > 1")),
        ("rows cut off, tree left", ("delete from journal where seq > 3",)),
        ("an unsigned row cut off, tree left", ("delete from journal where seq > 8",)),
        ("cut off before the last checkpoint", ("delete from journal where seq > 7", "delete from journal_node")),
        ("an old part of the tree rewritten", ("update journal_node set hash = zeroblob(32) where level = 3",)),
        ("a new row rewritten", ("update journal set row = replace(row, 'box.started', 'box.stopped') where seq = 9",)),
        ("another root", ("update checkpoint set root = zeroblob(32)",)),
        ("another note", ("update checkpoint set note = replace(note, 'ru-ege', 'ru-oge')",)),
        ("another name", ("update box set origin = origin || '0'",)),
    ],
)
def test_nothing_is_signed_over_a_journal_that_is_not_the_one_signed_before(
    db: Database, config: Config, clock: FakeClock, name: str, statements: tuple[str, ...]
) -> None:
    for _ in range(8):
        add(db, clock)
    signed = checkpoints.sign(db, config, clock, "asked")
    assert signed is not None
    add(db, clock)
    assert checkpoints.fault(db) is None
    attack(db, *statements)
    for _ in range(2):
        with pytest.raises(ApplianceError, match="continue"):
            checkpoints.sign(db, config, clock, "asked")
    assert checkpoints.fault(db) is not None, name
    assert [made.size for made in checkpoints.all(db)] == [8]
    add(db, clock, TECHNICIAN)  # the journal goes on, and alarms with it


def test_a_row_taken_out_before_anything_was_signed_is_never_signed_over(
    db: Database, config: Config, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(merkle, "AT_ONCE", 3)  # the hole lies between two readings
    for _ in range(8):
        add(db, clock)
    attack(db, "delete from journal where seq = 4")
    with pytest.raises(ApplianceError) as refused:
        checkpoints.sign(db, config, clock, "asked")
    assert refused.value.message.args["cause"]["text"] == "entry {entry} is missing, {found} follows"
    assert refused.value.message.args["cause"]["args"] == {"entry": 4, "found": 5}
    assert not checkpoints.all(db)
    assert checkpoints.fault(db) is not None


def test_a_refusal_is_entered_once_and_said_until_it_is_signed_again(
    db: Database, config: Config, clock: FakeClock
) -> None:
    key, away = identity.key_path(config), config.data / "away"
    for _ in range(2):  # each time anew
        add(db, clock)
        key.rename(away)
        for _ in range(3):
            with pytest.raises(ApplianceError, match="signing key"):
                checkpoints.sign(db, config, clock, "asked")
        fault = checkpoints.fault(db)
        assert fault is not None
        assert "signing key" in fault.text
        away.rename(key)
        assert checkpoints.sign(db, config, clock, "asked") is not None
        assert checkpoints.fault(db) is None
    assert len(journal.entries(db, kinds=["checkpoint.refused"])) == 2


def test_a_signed_checkpoint_is_not_changed_and_none_is_slipped_below_it(
    db: Database, config: Config, clock: FakeClock
) -> None:
    for _ in range(4):
        add(db, clock)
    checkpoints.sign(db, config, clock, "asked")
    for statement in ("update checkpoint set note = ''", "delete from checkpoint", "delete from journal_node",
                      "update journal_node set hash = zeroblob(32)",
                      "insert into checkpoint select 3, root, note, at, why from checkpoint",
                      "insert or replace into checkpoint select size, zeroblob(32), note, at, why from checkpoint",
                      "insert or replace into journal_node values (0, 0, zeroblob(32))"):  # fmt: skip
        with pytest.raises(Exception, match=r"signed checkpoint|less than|tree is only added"):
            db.conn.execute(statement)


KILLED = """
import sys
from pathlib import Path
from appliance import checkpoints, config, journal, store
from appliance.clock import SystemClock
from appliance.model import Actor
settings, clock = config.load(Path(sys.argv[1])), SystemClock()
db = store.open(settings.database)
while True:
    with store.transaction(db):
        for _ in range(3):
            seq = journal.append(db, clock, "box.started", Actor("person", "orlov", "Орлов П. С.", "technician"))
    print("row", seq, flush=True)
    made = checkpoints.sign(db, settings, clock, "person")
    print("signed", made.size, made.root.hex(), flush=True)
"""


@pytest.mark.parametrize("after", [1, 2, 24])
def test_a_kill_at_any_moment_loses_nothing_acknowledged_and_the_tree_continues(
    db: Database, config: Config, clock: FakeClock, after: int
) -> None:
    writer = subprocess.Popen([sys.executable, "-c", KILLED, str(config.source)], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    said = [writer.stdout.readline().split() for _ in range(after)]
    os.kill(writer.pid, signal.SIGKILL)
    said += [line.split() for line in writer.stdout.read().splitlines(keepends=True) if line.endswith("\n")]
    writer.wait()
    recovered = store.open(config.database)
    size = journal.head(recovered)[0]
    assert size >= max(int(line[1]) for line in said)
    assert size % 3 == 0  # a transaction is whole
    assert recovered.value("select count(*) from journal_personal") == 2 * size
    assert merkle.size(recovered) == size
    verdict = journal.verify(journal.stored_rows(recovered))
    assert (verdict.ok, verdict.entries) == (True, size)
    for line in said:
        if line[0] == "signed":
            old, root = int(line[1]), bytes.fromhex(line[2])
            kept = checkpoints.at_size(recovered, old)
            assert kept is not None
            assert kept.root == root
            proof = merkle.consistency(recovered, old, size)
            assert merkle.consistent(old, root, size, merkle.root(recovered, size), proof)
    checkpoints.sign(recovered, config, clock, "start")  # and the next start goes on from there
    last = checkpoints.latest(recovered)
    assert last is not None
    assert last.size == size


EVERY_STATEMENT = """
import os, signal, sys
from itertools import count
from pathlib import Path
from appliance import checkpoints, config, journal, merkle, store
from appliance.clock import SystemClock
from appliance.model import Actor, Personal
settings, clock = config.load(Path(sys.argv[1])), SystemClock()
who = Actor("person", "orlov", "Орлов П. С.", "technician")

def child(steps):
    db, done = store.open(settings.database), count(1)
    def step(statement):
        if next(done) == steps:
            os.kill(os.getpid(), signal.SIGKILL)
    db.conn.set_trace_callback(step)
    with store.transaction(db):
        for _ in range(2):
            seq = journal.append(db, clock, "box.started", who, taking=Personal("Ким"))
    os.write(1, b"row %d\\n" % seq)
    made = checkpoints.sign(db, settings, clock, "person")
    os.write(1, b"signed %d %s\\n" % (made.size, made.root.hex().encode()))
    os._exit(0)

for steps in count(1):
    pid = os.fork()
    if pid == 0:
        child(steps)
    ended = os.waitpid(pid, 0)[1]
    with store.open(settings.database) as db:
        size = journal.head(db)[0]
        fault = checkpoints.fault(db)
        last = checkpoints.latest(db)
        values = db.value("select count(*) from journal_personal")
        sound = journal.verify(journal.stored_rows(db)).ok and size == merkle.size(db) and values == 3 * size
    state = "sound" if sound and not fault else "BROKEN"
    os.write(1, f"after {steps} {size} {last.size if last else 0} {state}\\n".encode())
    if ended != signal.SIGKILL:
        sys.exit(ended)
"""


def test_a_kill_at_each_statement_of_append_and_sign_leaves_all_or_nothing(db: Database, config: Config) -> None:
    done = subprocess.run([sys.executable, "-c", EVERY_STATEMENT, str(config.source)], capture_output=True, text=True,
                          check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
    rows = signed = steps = 0
    for word, *said in (line.split() for line in done.stdout.splitlines()):
        if word == "row":
            rows = int(said[0])
        elif word == "signed":
            signed = int(said[0])
        else:
            steps = int(said[0])
            assert said[3] == "sound", f"killed at statement {steps}"
            assert int(said[1]) >= rows
            assert int(said[2]) >= signed
            assert int(said[1]) % 2 == 0
    assert steps > 30
    assert (rows, signed) == (journal.head(db)[0], journal.head(db)[0])
