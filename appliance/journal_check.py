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


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found. `head`: the hash of the last good entry; `damaged`: what SQLite said when it stopped."""

    entries: int
    head: str
    faults: tuple[Finding, ...]
    refusals: tuple[Finding, ...]
    held: int  # checkpoints given that hold
    damaged: str | None


def check(db: Database, given: Sequence[str] = ()) -> Checked:
    """Every row, opening, node and stored checkpoint of the database, and the checkpoints given."""
    report, own = verifier.Report(), identity.of(db)
    rows = verifier.Rows(f"{own.origin}/{own.box}/{own.epoch}", _openings(db), report)
    damaged = None
    try:
        leaves = _leaves(db)
        _take(db, rows, leaves)
        _tree(db, leaves)
        _checkpoints(db, own.vkey, leaves, given, report)
    except Wrong as trouble:
        report.add(trouble)
    except sqlite3.DatabaseError as unreadable:
        damaged = str(unreadable)
    return Checked(
        rows.count, rows.newest[1], tuple(report.faults), tuple(report.refusals), len(report.held), damaged
    )


def _take(db: Database, rows: verifier.Rows, leaves: bytes) -> None:
    """All rows in order, against the tree's leaves where it has them."""
    for expected, (seq, stated, text) in enumerate(_stored(db), 1):
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


def _stored(db: Database) -> Iterator[tuple[int, str, str]]:
    after = 0
    while found := db.rows("select seq, hash, row from journal where seq > ? order by seq limit ?", (after, AT_ONCE)):
        yield from ((f["seq"], f["hash"], f["row"]) for f in found)
        after = int(found[-1]["seq"])


def _openings(db: Database) -> Iterator[bytes]:
    seq, path = 0, ""
    while found := db.rows(
        "select seq, path, salt, value from journal_personal where (seq, path) > (?, ?) order by seq, path limit ?",
        (seq, path, AT_ONCE),
    ):
        for row in found:
            yield rfc8785.dumps(personal.Opening(**row).as_json()) + b"\n"
        seq, path = found[-1]["seq"], found[-1]["path"]


def _leaves(db: Database, level: int = 0) -> bytes:
    """The stored nodes of a level, one after another, up to the first that is not there."""
    nodes = bytearray()
    while found := db.rows(
        "select hash from journal_node where level = ? and idx >= ? and idx < ? order by idx",
        (level, len(nodes) // 32, len(nodes) // 32 + AT_ONCE),
    ):
        nodes += b"".join(row["hash"] for row in found)
    return bytes(nodes)


def _tree(db: Database, leaves: bytes) -> None:
    """Every full subtree is stored, and is the hash of the two below it."""
    below, level = leaves, 0
    while len(below) >= 64:
        pairs = range(0, len(below) - 63, 64)
        below, level = b"".join(merkle.node(below[n : n + 32], below[n + 32 : n + 64]) for n in pairs), level + 1
        if _leaves(db, level) != below:
            raise Wrong("tree")
    if db.value("select 1 from journal_node where level > ? limit 1", (level,)) is not None:
        raise Wrong("tree")


def _checkpoints(db: Database, vkey: str, leaves: bytes, given: Sequence[str], report: verifier.Report) -> None:
    stored = checkpoints.all(db)
    if not vkey and not given and not stored:
        return  # before `examsite init` nothing was ever signed
    key = verifier.read_key(vkey.encode(), verifier.KEY)
    own = [verifier.read_checkpoint(each.note.encode(), key, f"checkpoint {each.size}", ours_alone=True)
           for each in stored]  # fmt: skip
    verifier.hold_against(own, leaves, report)
    if not report.faults:
        report.held = verifier.hold_against(list(verifier.read_given(given, key, report)), leaves, report)
