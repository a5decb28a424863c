"""Checks what the box keeps: the journal's chain, the archive against its rows, and the rows against their seals."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import rfc8785

from appliance import access, archive, binding, exams, journal, journal_check, retention, store
from appliance.config import Config
from appliance.model import N_, Message, message
from appliance.packages import CannotCheck, Fault, Report
from appliance.store import Database
from appliance.verify_journal import TEXTS, Finding, shown

AGAINST = N_("Checkpoints given that hold: {checkpoints}.")


def journal_chain(db: Database, given: Sequence[str] = ()) -> Report:
    """The database's own soundness, invariant I3, and what checkpoints say: the stored ones and those given.

    Raises CannotCheck when something given is no checkpoint of this journal, and nothing else is wrong.
    """
    complaint = store.check(db)
    found = journal_check.check(db, given)  # also when the file is damaged: the chain may still name the row
    complaint = complaint or found.damaged
    faults = [_fault(each) for each in found.faults]
    if not faults and complaint is None:  # a journal that does not hold says nothing of its table
        text = N_("The table of actions differs from the journal: entry {entry}. examsite init makes it anew.")
        faults += [Fault(f"entry {seq}", message(text, entry=str(seq))) for seq in access.differences(db)[:10]]
    if complaint is not None:
        text = N_("The database is damaged: {cause}. Leave the box on and call the administrator.")
        faults.append(Fault("database", message(text, cause=complaint)))
    if found.refusals and not faults:
        raise CannotCheck(_fault(found.refusals[0]).message)
    faults += [_fault(each) for each in found.refusals]
    remarks = (message(AGAINST, checkpoints=found.held),) if given else ()
    return Report("journal", tuple(faults), {"entries": found.entries}, found.head, remarks)


def _fault(found: Finding) -> Fault:
    """A finding of the verifier as a sentence of the house; its Russian is in translations/ru/journal_verifier.po."""
    said = {key: shown(value) for key, value in found.args.items()}
    where = f"entry {said['entry']}" if "entry" in said else str(said.get("file", "journal"))
    return Fault(where, Message(TEXTS[found.what][0], said))


def whole_archive(db: Database, config: Config) -> Report:
    """Invariants I1 and I2, and every seal and minute in the journal against the rows they are over."""
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
    faults += [Fault(*each) for each in binding.faults(db)]
    faults += [Fault(f"entry {seq}", message(wrong, seq=str(seq))) for seq, wrong in retention.faults(db)]
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
