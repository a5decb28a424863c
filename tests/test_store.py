"""The one database: whole transactions, one writer at a time, checkpoints under the lock, a whole schema."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from appliance import journal, merkle, store
from appliance.clock import SystemClock
from appliance.model import Actor, ApplianceError

ACTOR = Actor.service("test")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    store.open(tmp_path / "site" / "examsite.db", create=True).close()
    return tmp_path / "site" / "examsite.db"


def append_many(path: Path, count: int) -> None:
    db, clock = store.open(path), SystemClock()
    for _ in range(count):
        with store.transaction(db):
            journal.append(db, clock, "service.started", ACTOR, service="test")


def test_five_processes_append_at_once_and_none_is_lost(path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=append_many, args=(path, 60)) for _ in range(5)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    db = store.open(path)
    verdict = journal.verify(journal.stored_rows(db))
    assert (verdict.ok, verdict.entries) == (True, 300)
    leaves = [merkle.leaf(row.encode()) for _, _, row in journal.stored_rows(db)]
    assert merkle.root(db, 300) == merkle.range_hash(lambda level, at: full(leaves, level, at), 0, 300)


def full(leaves: list[bytes], level: int, at: int) -> bytes:
    """A full subtree over the rows as they are, not as the stored tree has them."""
    if level == 0:
        return leaves[at]
    return merkle.node(full(leaves, level - 1, 2 * at), full(leaves, level - 1, 2 * at + 1))


def test_a_failed_transaction_keeps_nothing(path: Path) -> None:
    db = store.open(path)
    with pytest.raises(ZeroDivisionError), store.transaction(db):
        journal.append(db, SystemClock(), "service.started", ACTOR)
        raise ZeroDivisionError
    assert journal.head(db) == (0, journal.GENESIS)
    append_many(path, 1)  # the lock was let go
    assert journal.head(db)[0] == 1


def test_a_write_outside_a_transaction_is_refused(path: Path) -> None:
    with pytest.raises(RuntimeError, match="outside"):
        store.open(path).write("insert into journal (seq, hash, row) values (1, '', '{}')")


def test_transactions_do_not_nest(path: Path) -> None:
    db = store.open(path)
    with store.transaction(db), pytest.raises(RuntimeError, match="nest"), store.transaction(db):
        pytest.fail("the inner block must not run")


def test_every_connection_syncs_fully_and_never_checkpoints_by_itself(path: Path) -> None:
    db = store.open(path)
    assert db.value("pragma journal_mode") == "wal"
    assert db.value("pragma synchronous") == 2  # FULL
    assert db.value("pragma wal_autocheckpoint") == 0
    assert db.value("pragma recursive_triggers") == 1


def test_a_large_wal_is_checkpointed_by_the_writer(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "CHECKPOINT_AT_BYTES", 50_000)
    keeper = store.open(path)  # a second connection, as in the house: closing the writer's must not checkpoint for it
    append_many(path, 40)
    assert path.with_name("examsite.db-wal").stat().st_size < 100_000
    assert journal.head(keeper)[0] == 40


def test_the_schema_arrives_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "schema.sql").write_text("create table a (x); create table b (y); this is no SQL;")
    with monkeypatch.context() as patched:
        patched.setattr(store, "files", lambda _package: broken)
        with pytest.raises(sqlite3.OperationalError):
            store.open(tmp_path / "x.db", create=True)
    db = store.open(tmp_path / "x.db", create=True)  # the next start finds nothing half done
    assert {"a", "b"}.isdisjoint(db.table_names())
    assert "journal" in db.table_names()


def test_a_newer_database_is_refused_and_left_alone(path: Path) -> None:
    with sqlite3.connect(path) as conn:
        conn.execute("pragma user_version = 99")
    with pytest.raises(ApplianceError, match="99"):
        store.open(path, create=True)


def test_a_missing_database_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ApplianceError, match="examsite init"):
        store.open(tmp_path / "none.db")


KILLED_WRITER = """
import sys
from pathlib import Path
from appliance import journal, store
from appliance.clock import SystemClock
from appliance.model import Actor
db, clock = store.open(Path(sys.argv[1])), SystemClock()
while True:
    with store.transaction(db):
        seq = journal.append(db, clock, "service.started", Actor.service("test"))
    print(seq, flush=True)
"""


@pytest.mark.parametrize("after", [1, 17, 60])
def test_a_killed_writer_loses_nothing_it_acknowledged(path: Path, after: int) -> None:
    writer = subprocess.Popen([sys.executable, "-c", KILLED_WRITER, str(path)], stdout=subprocess.PIPE)
    assert writer.stdout is not None
    said = 0
    while said < after:
        said = int(writer.stdout.readline())
    os.kill(writer.pid, signal.SIGKILL)
    rest = writer.stdout.read().split()
    writer.wait()
    acknowledged = int(rest[-1]) if rest else said
    verdict = journal.verify(journal.stored_rows(store.open(path)))
    assert verdict.ok
    assert verdict.entries >= acknowledged
