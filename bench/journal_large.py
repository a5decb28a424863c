"""A large journal: rows verified a second in the database and in an export, export time, memory, bytes a row.

    python -m bench.journal_large [--rows 1000000] [--folder DIR]

The rows are made without syncing, a thousand a transaction; one in ten is a person's, with two commitments. The
yardstick is what Python's own json and SHA-256 need for the same bytes: parse, write again, hash. Each measurement runs
in a process of its own, so that its memory is its own.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import resource
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from appliance import checkpoints, identity, journal, journal_check, journal_export, store, verify_journal
from appliance import config as configuration
from appliance.clock import SystemClock
from appliance.config import Config
from bench.journal import KEEPER, PERSON, table_bytes
from bench.machine import machine
from bench.site import write_site

AT_ONCE = 1000


def fill(config: Config, count: int) -> None:
    db, clock = store.open(config.database, create=True), SystemClock()
    identity.begin(db, config)
    db.conn.execute("pragma synchronous = off")
    for start in range(0, count, AT_ONCE):
        with store.transaction(db):
            for number in range(start, min(start + AT_ONCE, count)):
                who = PERSON if number % 10 == 0 else KEEPER
                journal.append(db, clock, "camera.silent", who, exam="math", room="0001", camera="room-0001", n=number)
    checkpoints.sign(db, config, clock, "asked")


def alone(work: Callable[[], None]) -> tuple[float, float]:
    """(CPU seconds, peak MB above the start) of a piece of work in a process of its own."""
    context = multiprocessing.get_context("fork")
    theirs, ours = context.Pipe()

    def child() -> None:
        before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
        work()
        ours.send((time.process_time() - began, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024))

    process = context.Process(target=child)
    process.start()
    ours.close()  # so that a child that died is noticed
    took_s, more_mb = theirs.recv()
    process.join()
    return took_s, more_mb


def opened(config: Config) -> store.Database:
    return store.open(config.database)


def bare(rows: Path) -> None:
    with rows.open("rb") as lines:
        for line in lines:
            json.dumps(json.loads(line), ensure_ascii=False, separators=(",", ":"), sort_keys=True)
            hashlib.sha256(line).digest()


def must(held: bool) -> None:
    if not held:
        raise SystemExit("the journal that was just written does not verify")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, help="on the disk to be measured; default: the temporary folder")
    chosen = parser.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory(dir=chosen.folder) as name:
        folder, count = Path(name), chosen.rows
        config = configuration.load(write_site(folder, {}, segment_s=60))
        config.data.mkdir(parents=True)
        made_s, _ = alone(lambda: fill(config, count))
        out, clock = folder / "out", SystemClock()
        works: dict[str, Callable[[], None]] = {
            "export": lambda: must(journal_export.export(opened(config), config, clock, KEEPER, out).rows > count),
            "yardstick": lambda: bare(out / verify_journal.ROWS),
            "verify export": lambda: must(verify_journal.check(out).ok),
            "verify database": lambda: must(not journal_check.check(opened(config)).faults),
        }
        print(f"made {count} rows in {made_s:.0f} s of CPU")
        for told, work in works.items():
            took_s, more_mb = alone(work)
            print(f"{told:<16}{took_s:8.1f} s CPU   {count / took_s:8.0f} rows/s   {more_mb:6.0f} MB")
        sizes = table_bytes(opened(config), config.data)
        sizes["export"] = sum(file.stat().st_size for file in out.rglob("*") if file.is_file()) / count
        print("bytes a row: " + "   ".join(f"{table} {each:.0f}" for table, each in sizes.items()))
        shutil.rmtree(out)


if __name__ == "__main__":
    main()
