"""Checks what the box keeps: the journal's chain, the archive against its rows, and the rows against their seals."""

from __future__ import annotations

import hashlib
import sqlite3
from typing import Any

import rfc8785

from appliance import archive, exams, journal, store
from appliance.config import Config
from appliance.model import N_, message
from appliance.packages import Fault, Report, chain_fault
from appliance.store import Database


def journal_chain(db: Database) -> Report:
    """The database's own soundness and invariant I3."""
    complaint = store.check(db)
    try:  # also when the file is damaged: the chain may still name the row
        found = journal.verify(journal.stored_rows(db))
    except sqlite3.DatabaseError as unreadable:
        found, complaint = journal.Verdict(0, journal.GENESIS), complaint or str(unreadable)
    faults = list(chain_fault(found))
    if complaint is not None:
        text = N_("The database is damaged: {cause}. Leave the box on and call the administrator.")
        faults.append(Fault("database", message(text, cause=complaint)))
    return Report("journal", tuple(faults), {"entries": found.entries}, found.head)


def whole_archive(db: Database, config: Config) -> Report:
    """Invariants I1 and I2, and every seal in the journal against the rows it sealed."""
    found = archive.verify(db, config)
    faults = [Fault(fault.where, fault.message) for fault in found.faults]
    seals = journal.entries(db, kinds=["archive.sealed"], limit=100_000)
    for entry in seals:
        if sealed_list(db, config, entry) is None:
            said = message(
                N_("The recordings of exam {exam} are not those that were sealed (journal entry {seq})."),
                exam=entry.exam,
                seq=str(entry.seq),
            )
            faults.append(Fault(f"entry {entry.seq}", said))
    return Report("archive", tuple(faults), {"segments": found.segments, "seals": len(seals)})


def sealed_list(db: Database, config: Config, seal: journal.Entry) -> bytes | None:
    """The bytes a seal's root was computed over (archive.seal), made again from the rows; None: they are others now.

    A recording that a crash had left over is taken in later, also after the seal: its row has a higher number than all
    sealed ones, so the sealed ones are the first `segments` of them.
    """
    exam = exams.get(db, str(seal.exam))
    found = {
        s.id: [s.camera, s.path, s.size_bytes, s.sha256]
        for window in exams.windows(config, exam)
        for s in archive.segments(db, camera=window.camera, since=window.starts_at, until=window.ends_at)
    }
    first: list[Any] = [found[number] for number in sorted(found)][: int(seal.data["segments"])]
    first.sort(key=lambda row: str(row[1]))
    listed = rfc8785.dumps(first)
    return listed if hashlib.sha256(listed).hexdigest() == seal.data["root"] else None
