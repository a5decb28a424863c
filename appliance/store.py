"""The one database: opened here, written through one door, checkpointed under the same lock.

Why a file lock beside SQLite's own (docs/decisions/001-database.md): SQLite below 3.51.3 can corrupt a WAL database
when one connection writes while another checkpoints, and Debian 12 and 13 ship 3.40 and 3.46. Nothing checkpoints but
`transaction`, which holds the lock from BEGIN IMMEDIATE to COMMIT. The lock also ends SQLite's polling waits between
processes.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

from appliance.model import N_, ApplianceError

# sqlite-utils takes numpy along when it is there, to store its values. We store none, and it is 6 MB in each process.
_numpy = sys.modules.get("numpy")
sys.modules["numpy"] = None  # type: ignore[assignment]  # not to be found (importlib)
import sqlite_utils  # noqa: E402

del sys.modules["numpy"]
if _numpy is not None:
    sys.modules["numpy"] = _numpy

SCHEMA_VERSION = 1
CHECKPOINT_AT_BYTES = 4_000_000  # size of the WAL file after which a commit also checkpoints

DAMAGED = N_("The database {path} is damaged: {cause}. Do not delete it; call the administrator.")

Params = Sequence[Any] | dict[str, Any]


class Database(sqlite_utils.Database):
    """One connection of one thread. Reads are free; writes only inside `transaction(db)`."""

    path: Path

    def rows(self, sql: str, params: Params = ()) -> list[dict[str, Any]]:
        """All rows of a SELECT as dicts. Nothing is held open afterwards, so no reader stops a checkpoint."""
        cursor = self.conn.execute(sql, params)
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def row(self, sql: str, params: Params = ()) -> dict[str, Any] | None:
        """The first row of a SELECT, or None."""
        found = self.rows(sql, params)
        return found[0] if found else None

    def value(self, sql: str, params: Params = ()) -> Any:
        """The first column of the first row, or None."""
        found = self.conn.execute(sql, params).fetchone()
        return None if found is None else found[0]

    def write(self, sql: str, params: Params = ()) -> sqlite3.Cursor:
        """One INSERT, UPDATE or DELETE, inside `transaction(db)` only (invariant I5)."""
        if not self.conn.in_transaction:
            raise RuntimeError("a write outside store.transaction()")
        return self.conn.execute(sql, params)


def open(path: Path, *, create: bool = False, cache_kb: int = 2000) -> Database:
    """Open the database for the calling thread. With `create`, make the folder and bring the schema up to date.

    `cache_kb`: of its pages; less where many threads have a connection each. Raises ApplianceError when there is no
    database yet and `create` is off.
    """
    if not create and not path.exists():
        raise ApplianceError(N_("There is no database at {path}. Run examsite init first."), path=str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    conn = sqlite3.connect(path, isolation_level=None, timeout=30.0)
    try:
        _prepare(conn, path, create)
    except sqlite3.DatabaseError as damaged:
        conn.close()
        if isinstance(damaged, sqlite3.OperationalError):
            raise  # busy, or the disk: the caller's loop decides
        raise ApplianceError(DAMAGED, path=str(path), cause=str(damaged)) from damaged
    # Database() switches recursive_triggers on, else INSERT OR REPLACE would pass the journal's delete trigger.
    db = Database(conn)
    db.path = path
    conn.execute(f"pragma cache_size = -{cache_kb:d}")
    if create:
        migrate(db)
    return db


def _prepare(conn: sqlite3.Connection, path: Path, create: bool) -> None:
    conn.execute("pragma busy_timeout = 30000")
    if create:
        with _writer_lock(path):
            conn.execute("pragma journal_mode = wal")
    conn.execute("pragma synchronous = full")  # NORMAL lost acknowledged rows in 21 of 25 simulated power cuts
    conn.execute("pragma wal_autocheckpoint = 0")
    conn.execute("pragma foreign_keys = on")
    conn.execute("pragma mmap_size = 0")
    conn.execute("select count(*) from sqlite_master").fetchone()  # the first read of the file: is it a database?


@contextmanager
def _writer_lock(path: Path) -> Generator[None, None, None]:
    # A file description of its own for each holder, so that threads exclude each other as processes do.
    handle = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o660)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


@contextmanager
def transaction(db: Database) -> Generator[None, None, None]:
    """The only way to write: lock, BEGIN IMMEDIATE ... COMMIT, synced when it returns; on error nothing is kept."""
    if db.conn.in_transaction:
        raise RuntimeError("transactions do not nest: pass the db on instead")
    with _writer_lock(db.path):
        db.conn.execute("begin immediate")
        try:
            yield
        except BaseException:
            db.conn.rollback()
            raise
        db.conn.execute("commit")
        wal = db.path.with_name(db.path.name + "-wal")
        if wal.exists() and wal.stat().st_size > CHECKPOINT_AT_BYTES:
            db.conn.execute("pragma wal_checkpoint(truncate)").fetchall()


def checkpoint(db: Database) -> None:
    """Bring the write-ahead log into the file and empty it, now. Between transactions."""
    with _writer_lock(db.path):
        db.conn.execute("pragma wal_checkpoint(truncate)").fetchall()


def migrate(db: Database) -> None:
    """Bring the schema up to SCHEMA_VERSION, whole or not at all. A newer database is refused, never touched."""
    version = int(db.value("pragma user_version"))
    if version > SCHEMA_VERSION:
        raise ApplianceError(
            N_("The database {path} is of version {version}, this program knows {known}. Install the newer program."),
            path=str(db.path),
            version=version,
            known=SCHEMA_VERSION,
        )
    if version == SCHEMA_VERSION:
        return
    schema = files("appliance").joinpath("schema.sql").read_text(encoding="utf-8")
    with _writer_lock(db.path):
        if int(db.value("pragma user_version")) != 0:
            return  # another process was first
        # sqlite3's own executescript, with the transaction in the script: sqlite_utils looks for the ends of the
        # statements character by character, which took a third of the making of a database.
        try:
            db.conn.executescript(f"begin immediate;\n{schema}\npragma user_version = {SCHEMA_VERSION};\ncommit;")
        except BaseException:
            if db.conn.in_transaction:
                db.conn.rollback()
            raise


def check(db: Database) -> str | None:
    """None when SQLite finds the file sound, else its first complaint. Reads every page."""
    try:
        answer = str(db.value("pragma quick_check(1)"))
    except sqlite3.DatabaseError as damaged:  # a damaged page can stop the check itself
        return str(damaged)
    return None if answer == "ok" else answer


def data_version(db: Database) -> int:
    """A number that changes whenever another connection commits: what the event stream watches."""
    return int(db.value("pragma data_version"))
