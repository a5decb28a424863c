"""Journal: appends a second with full durability against a bare INSERT, by one process and by five; bytes a row.

An append is the row, its chain, its commitments with their openings, and the tree's nodes. The yardstick is what SQLite
itself needs on this disk: BEGIN IMMEDIATE; INSERT of the same bytes; COMMIT. The two take turns, so that whatever else
the machine does meets both. Signing and proofs are measured on the same journal; a million rows: journal_large.py.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import sqlite3
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.synchronize import Barrier
from pathlib import Path

import rfc8785

from appliance import checkpoints, identity, journal, merkle, store
from appliance import config as configuration
from appliance.clock import SystemClock
from appliance.config import Config
from appliance.model import Actor
from appliance.store import Database
from bench.machine import machine
from bench.site import write_site

PERSON = Actor("person", "orlov", "Орлов Пётр Сергеевич", "technician")
KEEPER = Actor.service("keeper")


TURN = 250  # appends of each sort before the other has its turn


@dataclass(slots=True)
class Bare:
    """SQLite alone, with the same bytes."""

    conn: sqlite3.Connection

    @classmethod
    def open(cls, path: Path) -> Bare:
        conn = sqlite3.connect(path, isolation_level=None)
        conn.executescript(
            "pragma journal_mode = wal; pragma synchronous = full; create table t (id integer primary key, row text)"
        )
        return cls(conn)

    def insert(self, rows: list[str]) -> float:
        began = time.perf_counter()
        for row in rows:
            self.conn.execute("begin immediate")
            self.conn.execute("insert into t (row) values (?)", (row,))
            self.conn.execute("commit")
        return time.perf_counter() - began


def append(db: Database, actor: Actor, count: int) -> float:
    clock, began = SystemClock(), time.perf_counter()
    for number in range(count):
        with store.transaction(db):
            journal.append(db, clock, "camera.silent", actor, exam="math", room="0001", camera="room-0001", n=number)
    return time.perf_counter() - began


def append_rates(folder: Path, db: Database, actor: Actor, count: int) -> tuple[float, float]:
    """Appends a second: ours, bare."""
    bare, ours_s, bare_s = Bare.open(folder / f"bare-{actor.kind}.db"), 0.0, 0.0
    for _ in range(0, count, TURN):
        ours_s += append(db, actor, TURN)
        newest = db.rows("select row from journal order by seq desc limit ?", (TURN,))
        bare_s += bare.insert([each["row"] for each in newest])
    return count / ours_s, count / bare_s


AT_ONCE = 5  # processes that append together
LOCK_S = 60.0  # of the bare insert: SQLite itself polls for its lock


def _append_some(config: Config, count: int, gate: Barrier) -> None:
    db = store.open(config.database)
    gate.wait()
    append(db, PERSON, count)
    gate.wait()


def _insert_some(path: Path, row: str, count: int, gate: Barrier) -> None:
    bare = Bare(sqlite3.connect(path, isolation_level=None, timeout=LOCK_S))
    bare.conn.execute("pragma synchronous = full")
    gate.wait()
    bare.insert([row] * count)
    gate.wait()


def rate_of(work: Callable[..., None], *args: object, count: int) -> float:
    """Rows a second of five processes that do this at once, each `count` times, from the moment all are ready."""
    context = multiprocessing.get_context("fork")
    gate = context.Barrier(AT_ONCE + 1)
    processes = [context.Process(target=work, args=(*args, count, gate)) for _ in range(AT_ONCE)]
    for process in processes:
        process.start()
    gate.wait()
    began = time.perf_counter()
    gate.wait()
    took_s = time.perf_counter() - began
    for process in processes:
        process.join()
    return AT_ONCE * count / took_s


def together(folder: Path, config: Config, db: Database, count: int) -> tuple[float, float]:
    """Appends a second of five processes: ours, bare; in turns."""
    bare_path = folder / "bare-together.db"
    Bare.open(bare_path).conn.close()
    row = str(db.value("select row from journal order by seq desc limit 1"))
    turns = [(rate_of(_append_some, config, count=count), rate_of(_insert_some, bare_path, row, count=count))
             for _ in range(3)]  # fmt: skip
    return sum(ours for ours, _ in turns) / 3, sum(bare for _, bare in turns) / 3


def table_bytes(db: Database, folder: Path) -> dict[str, float]:
    """Bytes a row in the file, by table with its indexes; {} when SQLite was built without dbstat."""
    store.checkpoint(db)
    size, count = (folder / "examsite.db").stat().st_size, journal.head(db)[0]
    try:
        found = db.rows("select m.tbl_name as name, sum(d.pgsize) as bytes from dbstat d join sqlite_master m"
                        " on m.name = d.name where m.tbl_name like 'journal%' group by 1")  # fmt: skip
    except sqlite3.OperationalError:
        found = []
    return {"file": size / count, **{e["name"]: e["bytes"] / count for e in found if e["bytes"] >= count}}


def proof_times(db: Database, config: Config) -> None:
    size = journal.head(db)[0]
    began = time.perf_counter()
    if checkpoints.sign(db, config, SystemClock(), "asked") is None:
        raise SystemExit("the journal that was just written was not signed")
    signed_s = time.perf_counter() - began
    began = time.perf_counter()
    for number in range(1000):
        merkle.inclusion(db, 1 + number * (size - 1) // 1000, size)
    path_s = (time.perf_counter() - began) / 1000
    began = time.perf_counter()
    for number in range(1000):
        merkle.consistency(db, 1 + number * (size - 1) // 1000, size)
    print(f"checkpoint of all   {signed_s * 1000:8.1f} ms       inclusion   {path_s * 1e6:8.0f} us       "
          f"consistency {(time.perf_counter() - began) * 1e3:.0f} us")  # fmt: skip


def verify_rates(rows: list[tuple[int, str, str]]) -> tuple[float, float]:
    """Rows a second of journal.verify, and of its parts alone: parse, canonical form, hash."""
    began = time.perf_counter()
    if not journal.verify(rows).ok:
        raise SystemExit("the journal that was just written does not verify")
    ours_s = time.perf_counter() - began
    began = time.perf_counter()
    for _, _, text in rows:
        rfc8785.dumps(json.loads(text))
        hashlib.sha256(text.encode()).hexdigest()
    return len(rows) / ours_s, len(rows) / (time.perf_counter() - began)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=3000)
    parser.add_argument("--folder", type=Path, help="on the disk to be measured; default: the temporary folder")
    chosen = parser.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory(dir=chosen.folder) as name:
        folder = Path(name)
        config = configuration.load(write_site(folder, {}, segment_s=60))
        config.data.mkdir(parents=True)
        db = store.open(config.database, create=True)
        identity.begin(db, config)
        for actor in (PERSON, KEEPER):
            ours, bare = append_rates(folder, db, actor, chosen.rows)
            print(f"append, {actor.kind:<12}{ours:8.0f} rows/s   bare INSERT {bare:8.0f} rows/s   "
                  f"ratio {ours / bare:.2f}")  # fmt: skip
        ours, bare = together(folder, config, db, chosen.rows // 15)
        print(f"append, {AT_ONCE} at once   {ours:8.0f} rows/s   bare INSERT {bare:8.0f} rows/s   "
              f"ratio {ours / bare:.2f}")  # fmt: skip
        rows = list(journal.stored_rows(db))
        verified, parts = verify_rates(rows)
        print(f"verify              {verified:8.0f} rows/s   its parts   {parts:8.0f} rows/s   "
              f"ratio {verified / parts:.2f}")  # fmt: skip
        proof_times(db, config)
        size = sum(len(text.encode()) for _, _, text in rows) / len(rows)
        told = "   ".join(f"{table} {each:.0f}" for table, each in table_bytes(db, config.data).items())
        print(f"one row             {size:8.0f} bytes; in the file, a row: {told}")


if __name__ == "__main__":
    main()
