"""Journal: appends a second with full durability against a bare INSERT, rows verified a second, bytes a row.

The yardstick is what SQLite itself needs on this disk: BEGIN IMMEDIATE; INSERT of the same bytes; COMMIT.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sqlite3
import tempfile
import time
from pathlib import Path

import rfc8785

from appliance import journal, store
from appliance.clock import SystemClock
from appliance.model import Actor
from bench.machine import machine

ACTOR = Actor("person", "orlov", "Орлов Пётр Сергеевич", "technician")


def append_rate(folder: Path, count: int) -> tuple[float, store.Database]:
    db, clock = store.open(folder / "examsite.db", create=True), SystemClock()
    began = time.perf_counter()
    for number in range(count):
        with store.transaction(db):
            journal.append(db, clock, "camera.silent", ACTOR, exam="math", room="0001", camera="room-0001", n=number)
    return count / (time.perf_counter() - began), db


def bare_rate(folder: Path, rows: list[str]) -> float:
    conn = sqlite3.connect(folder / "bare.db", isolation_level=None)
    conn.executescript(
        "pragma journal_mode = wal; pragma synchronous = full; create table t (id integer primary key, row text)"
    )
    began = time.perf_counter()
    for row in rows:
        conn.execute("begin immediate")
        conn.execute("insert into t (row) values (?)", (row,))
        conn.execute("commit")
    return len(rows) / (time.perf_counter() - began)


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
        ours, db = append_rate(folder, chosen.rows)
        rows = list(journal.stored_rows(db))
        bare = bare_rate(folder, [text for _, _, text in rows])
        verified, parts = verify_rates(rows)
        size = sum(len(text) for _, _, text in rows) / len(rows)
    print(f"append, durable     {ours:8.0f} rows/s   bare INSERT {bare:8.0f} rows/s   ratio {ours / bare:.2f}")
    print(
        f"verify              {verified:8.0f} rows/s   its parts   {parts:8.0f} rows/s   ratio {verified / parts:.2f}"
    )
    print(f"one row             {size:8.0f} bytes")


if __name__ == "__main__":
    main()
