"""The access journal as one folder that anybody can check anywhere: rows, openings, tree, checkpoints, the verifier.

The order matters (the box may be killed between any two steps): 1. entry `journal.exported` and the checkpoint that
covers it, in one transaction   2. every file into NAME.part, synced   3. the folders synced   4. NAME.part becomes
NAME. So the last entry of a folder says what the folder holds, and its checkpoint covers that. docs/journal-export.md
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from importlib.resources import files
from pathlib import Path

import rfc8785

from appliance import anchors, checkpoints, durable, exams, identity, journal, merkle, personal, store
from appliance import verify_journal as verifier
from appliance.checkpoints import Checkpoint
from appliance.clock import Clock, iso
from appliance.config import Config
from appliance.model import N_, Actor, ApplianceError
from appliance.store import Database

AT_ONCE = 500  # entries read at a time: a million need no more memory than these
EACH_PROVED = 10_000  # in a whole journal above this the rows prove each other; a proof each would be gigabytes
PART = ".part"
ERASED = N_("Personal data is being erased again and again while the journal is exported. Export it again later.")


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written. `checkpoint` is worth keeping elsewhere: a later export is checked against it."""

    path: Path
    rows: int
    checkpoint: Checkpoint


@dataclass(frozen=True, slots=True)
class _Choice:
    """Which entries go out, and the SHA-256 over their leaf hashes. `seqs` None: all of them."""

    seqs: Sequence[int] | None
    rows: int
    leaves: str


def export(db: Database, config: Config, clock: Clock, by: Actor, folder: Path, exam: str | None = None) -> Exported:
    """Write the journal, or what belongs to one exam, into a new folder, which is whole or not there.

    Raises ApplianceError when it cannot be written, or when the journal must not be signed.
    """
    folder = folder.absolute()
    if folder.is_symlink() or (folder.exists() and (not folder.is_dir() or any(folder.iterdir()))):
        raise ApplianceError(N_("{path} is not empty. Name a new folder for the export."), path=str(folder))
    part = folder.with_name(folder.name + PART)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        for _ in range(5):
            head, rows = _announce(db, config, clock, by, exam)
            if part.exists():
                shutil.rmtree(part)  # an interrupted export of this name left it
            (part / verifier.NOTES).mkdir(parents=True)
            _write_all(db, part, head, rows)
            if not _erased_since(db, head.size):
                break
        else:
            raise ApplianceError(ERASED)
        durable.sync(part / verifier.NOTES)
        durable.sync(part)
        part.rename(folder)
        durable.sync(folder.parent)
    except OSError as cause:
        shutil.rmtree(part, ignore_errors=True)  # the medium is at fault already; what stays is named .part
        raise ApplianceError(
            N_("The journal could not be written to {path}: {cause}. Free room or take another medium."),
            path=str(folder),
            cause=str(cause.strerror),
        ) from cause
    if anchors.outside(config, folder):
        with store.transaction(db):
            anchors.note(db, clock, head.size, "export", str(folder), by.id)
    return Exported(folder, len(rows) if rows is not None else head.size, head)


def _announce(
    db: Database, config: Config, clock: Clock, by: Actor, exam: str | None
) -> tuple[Checkpoint, Sequence[int] | None]:
    """Enter that the journal leaves, and what of it, and sign all of it: the entry is the last that is covered."""
    planned = exams.get(db, exam) if exam is not None else None
    known, digest = _leaves_digest(db, 0, hashlib.sha256()) if planned is None else (0, hashlib.sha256())
    with store.transaction(db):
        if planned is None:  # what was entered since
            known, digest = _leaves_digest(db, known, digest)
            choice = _Choice(None, known, digest.hexdigest())
        else:
            seqs = _of_exam(db, config, planned)
            found = hashlib.sha256(b"".join(merkle.leaf_of(db, seq) for seq in seqs))
            choice = _Choice(seqs, len(seqs), found.hexdigest())
        seq = journal.append(
            db, clock, "journal.exported", by, exam=exam, rows=choice.rows, leaves=choice.leaves,
            program=hashlib.sha256(_program()).hexdigest(), readme=hashlib.sha256(_readme()).hexdigest(),
        )  # fmt: skip
        head = checkpoints.sign_within(db, config, clock, "asked")
    if head is None or head.size != seq:
        raise RuntimeError(f"the checkpoint does not cover entry {seq}")
    return head, None if choice.seqs is None else [*choice.seqs, seq]


def _leaves_digest(db: Database, known: int, digest: hashlib._Hash) -> tuple[int, hashlib._Hash]:
    """Go on with the hash over all leaf hashes after entry `known`; outside the lock for all but the newest entries."""
    for some in _leaves(db, known, None):
        known += len(some) // 32
        digest.update(some)
    return known, digest


def _leaves(db: Database, known: int, size: int | None) -> Iterator[bytes]:
    while found := db.rows(
        "select hash from journal_node where level = 0 and idx >= ? and idx < ? order by idx limit 10000",
        (known, size if size is not None else 1 << 53),
    ):
        known += len(found)
        yield b"".join(row["hash"] for row in found)


def _of_exam(db: Database, config: Config, exam: exams.Exam) -> list[int]:
    """Every entry of the exam and of its day, what answers them however late, and every lawful erasure."""
    day = exam.starts_at.astimezone(config.site.zone).date()
    midnight = datetime.combine(day, time(), config.site.zone)
    next_midnight = datetime.combine(day + timedelta(days=1), time(), config.site.zone)
    found = db.rows(
        "with recursive chosen (seq) as ("
        " select seq from journal where exam = ? or (at >= ? and at < ?)"
        " union select j.seq from journal j join chosen c on j.ref = c.seq)"
        " select seq from chosen union select seq from journal where kind = 'personal.erased' order by seq",
        (exam.id, iso(midnight), iso(next_midnight)),
    )
    return [row["seq"] for row in found]


def _erased_since(db: Database, size: int) -> bool:
    """Openings gone while they were read are told of by an entry this export does not hold: do it again."""
    return db.value("select 1 from journal where seq > ? and kind = 'personal.erased' limit 1", (size,)) is not None


def _write_all(db: Database, part: Path, head: Checkpoint, seqs: Sequence[int] | None) -> None:
    numbers = range(1, head.size + 1) if seqs is None else seqs
    stored = [*_stored(db, head.size), head]
    notes = {f"{verifier.NOTES}/{each.size:012}.note": each.note.encode() for each in stored}
    vkey = identity.of(db).vkey
    small = {verifier.HEAD: head.note.encode(), verifier.KEY: f"{vkey}\n".encode(),
             verifier.PROGRAM: _program(), verifier.README: _readme(), **notes}  # fmt: skip
    _write(part / verifier.ROWS, _rows(db, numbers))
    _write(part / verifier.OPENINGS, _openings(db, numbers))
    _write(part / verifier.LEAVES, _leaves(db, 0, head.size))
    proved = numbers if seqs is not None or head.size <= EACH_PROVED else ()
    _write(part / verifier.PROOFS, _proofs(db, proved, [each.size for each in stored[:-1]], head.size))
    for name, text in small.items():
        _write(part / name, [text])


def _stored(db: Database, size: int) -> list[Checkpoint]:
    """The checkpoints that go along: of earlier exports, and the last of each day. One a minute would fill a stick."""
    rows = db.rows(
        "select max(size) as size from checkpoint where size < ? group by substr(at, 1, 10)"
        " union select size from checkpoint where size < ? and why = 'asked' order by 1", (size, size)
    )  # fmt: skip
    return [found for row in rows if (found := checkpoints.at_size(db, row["size"])) is not None]


def _some(numbers: Sequence[int]) -> Iterator[Sequence[int]]:
    yield from (numbers[start : start + AT_ONCE] for start in range(0, len(numbers), AT_ONCE))


def _rows(db: Database, numbers: Sequence[int]) -> Iterator[bytes]:
    for some in _some(numbers):
        marks = ",".join("?" * len(some))
        for found in db.rows(f"select row from journal where seq in ({marks}) order by seq", list(some)):  # noqa: S608
            yield str(found["row"]).encode() + b"\n"


def _openings(db: Database, numbers: Sequence[int]) -> Iterator[bytes]:
    for some in _some(numbers):
        found = personal.of(db, some)
        for seq in sorted(found):
            yield from (rfc8785.dumps(found[seq][path].as_json()) + b"\n" for path in sorted(found[seq]))


def _proofs(db: Database, proved: Iterable[int], stored: Iterable[int], size: int) -> Iterator[bytes]:
    """One RFC 8785 object, piece by piece: keys sorted as text, which puts "10" before "2"."""
    for head, numbers, proof in (
        ('{"consistency":{', stored, merkle.consistency),
        ('},"inclusion":{', proved, merkle.inclusion),
    ):
        yield head.encode()
        for place, number in enumerate(sorted(map(str, numbers))):
            hashes = ",".join(f'"{each.hex()}"' for each in proof(db, int(number), size))
            yield f'{"," if place else ""}"{number}":[{hashes}]'.encode()
    yield f'}},"size":{size},"v":1}}\n'.encode()


def _program() -> bytes:
    return Path(verifier.__file__).read_bytes()


def _readme() -> bytes:
    return files("appliance").joinpath("viewer/journal-readme.txt").read_bytes()


def _write(path: Path, pieces: Iterable[bytes]) -> None:
    with path.open("xb") as file:
        for piece in pieces:
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())
