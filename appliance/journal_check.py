"""The journal in the database, checked by the very program that goes out with each export (verify_journal.py)."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import rfc8785

from appliance import checkpoints, identity, merkle, personal
from appliance import verify_journal as verifier
from appliance.store import Database
from appliance.verify_journal import Finding, Wrong

AT_ONCE = 2000  # rows read at a time
ERASURES = 5  # times the check begins anew because personal data was erased meanwhile


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found. `head`: the hash of the last good entry; `damaged`: what SQLite said when it stopped."""

    entries: int
    head: str
    faults: tuple[Finding, ...]
    refusals: tuple[Finding, ...]
    held: int  # checkpoints given that hold
    damaged: str | None


@dataclass(frozen=True, slots=True)
class _Known:
    """What there was when the check began: services go on adding, and no reader may hold up the database's writers."""

    rows: int
    leaves: int
    checkpoint: int

    @classmethod
    def now(cls, db: Database) -> _Known:
        found = db.rows(  # one statement: one moment
            "select coalesce((select max(seq) from journal), 0) as rows,"
            " coalesce((select max(idx) + 1 from journal_node where level = 0), 0) as leaves,"
            " coalesce((select max(size) from checkpoint), 0) as checkpoint"
        )
        return cls(**found[0])


def check(db: Database, given: Sequence[str] = ()) -> Checked:
    """Every row, opening, node and stored checkpoint of the database, and the checkpoints given."""
    for _ in range(ERASURES):
        known = _Known.now(db)
        found = _check(db, given, known)
        if db.value("select 1 from journal where seq > ? and kind = 'personal.erased' limit 1", (known.rows,)) is None:
            break  # else openings went while they were read, and the entry that says so was not
    return found


def _check(db: Database, given: Sequence[str], known: _Known) -> Checked:
    report, own = verifier.Report(), identity.of(db)
    rows, damaged = None, None
    try:
        rows = verifier.Rows(f"{own.origin}/{own.box}/{own.epoch}", _openings(db, known.rows), report)
        leaves = _nodes(db, 0, known.leaves)
        _take(db, rows, leaves, known)
        _tree(db, leaves)
        _checkpoints(db, own.vkey, leaves, given, report, known)
    except Wrong as trouble:
        report.add(trouble)
    except sqlite3.DatabaseError as unreadable:
        damaged = str(unreadable)
    entries, head = (0, "0" * 64) if rows is None else (rows.count, rows.newest[1])
    return Checked(entries, head, tuple(report.faults), tuple(report.refusals), len(report.held), damaged)


def _take(db: Database, rows: verifier.Rows, leaves: bytes, known: _Known) -> None:
    """All rows in order, against the tree's leaves where it has them."""
    for expected, (seq, stated, text) in enumerate(_stored(db, known.rows), 1):
        if seq != expected:
            raise Wrong("missing", entry=expected, found=seq)
        leaf = leaves[32 * seq - 32 : 32 * seq]
        rows.take(seq, text.encode("utf-8", "surrogateescape"), leaf or None)
        if rows.newest[1] != stated:
            raise Wrong("changed", entry=seq)
        if not leaf:
            raise Wrong("tree")
    if len(leaves) != 32 * rows.count:
        raise Wrong("ends", entry=rows.count + 1, file="journal")
    rows.close(whole=True)
    alone = db.row("select seq, path from journal_personal where seq > (select max(seq) from journal)")
    if alone is not None:
        raise Wrong("opening-alone", entry=alone["seq"], path=alone["path"])


def _stored(db: Database, size: int) -> Iterator[tuple[int, str, str]]:
    after = 0
    while found := db.rows(
        "select seq, hash, row from journal where seq > ? and seq <= ? order by seq limit ?", (after, size, AT_ONCE)
    ):
        yield from ((f["seq"], f["hash"], f["row"]) for f in found)
        after = int(found[-1]["seq"])


def _openings(db: Database, size: int) -> Iterator[bytes]:
    seq, path = 0, ""
    while found := db.rows(
        "select seq, path, salt, value from journal_personal where (seq, path) > (?, ?) and seq <= ?"
        " order by seq, path limit ?",
        (seq, path, size, AT_ONCE),
    ):
        for row in found:
            yield rfc8785.dumps(personal.Opening(**row).as_json()) + b"\n"
        seq, path = found[-1]["seq"], found[-1]["path"]


def _nodes(db: Database, level: int, count: int) -> bytes:
    """The first `count` nodes of a level, one after another, up to the first that is not there."""
    nodes = bytearray()
    while found := db.rows(
        "select hash from journal_node where level = ? and idx >= ? and idx < ? order by idx",
        (level, len(nodes) // 32, min(len(nodes) // 32 + AT_ONCE, count)),
    ):
        if any(len(row["hash"]) != 32 for row in found):  # of no length at all they would never come to an end
            raise Wrong("tree")
        nodes += b"".join(row["hash"] for row in found)
    return bytes(nodes)


def _tree(db: Database, leaves: bytes) -> None:
    """Every full subtree is stored, and is the hash of the two below it; none is stored that the leaves do not fill."""
    below, level = leaves, 0
    while len(below) >= 64:
        pairs = range(0, len(below) - 63, 64)
        below, level = b"".join(merkle.node(below[n : n + 32], below[n + 32 : n + 64]) for n in pairs), level + 1
        if _nodes(db, level, len(below) // 32) != below:
            raise Wrong("tree")
    beyond = db.value(
        "select 1 from journal_node where level not between 0 and 52 or idx < 0 or (idx + 1) << level >"
        " (select coalesce(max(idx), -1) + 1 from journal_node where level = 0) limit 1"
    )
    if beyond is not None:
        raise Wrong("tree")


def _checkpoints(
    db: Database, vkey: str, leaves: bytes, given: Sequence[str], report: verifier.Report, known: _Known
) -> None:
    stored = [each for each in checkpoints.all(db) if each.size <= known.checkpoint]
    if not vkey and not given and not stored:
        return  # before `examsite init` nothing was ever signed
    key = verifier.read_key(vkey.encode(), verifier.KEY)
    own = [verifier.read_checkpoint(each.note.encode(), key, f"checkpoint {each.size}", ours_alone=True)
           for each in stored]  # fmt: skip
    for each, signed in zip(stored, own, strict=True):
        if each.size != signed.size:  # under another size it would be found, and sent out, as another one's
            raise Wrong("name", file=signed.file, size=signed.size)
    verifier.hold_against(own, leaves, report)
    if not report.faults:
        report.held = verifier.hold_against(list(verifier.read_given(given, key, report)), leaves, report)
