"""The journal's Merkle tree (RFC 6962, RFC 9162): one hash speaks for all rows, and a few hashes prove one of them.

Leaf = SHA-256(0x00 || row), node = SHA-256(0x01 || left || right). The hash of every full subtree is stored in the
transaction that adds the row, so that roots and proofs of any size read O(log n) of them. docs/journal-checkpoints.md
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence

from appliance.store import Database

EMPTY = hashlib.sha256(b"").digest()  # the root of no rows at all
AT_ONCE = 2000  # rows read at a time
Subtree = Callable[[int, int], bytes]  # (level, index) -> hash of the full subtree of 2**level leaves


def leaf(row: bytes) -> bytes:
    return hashlib.sha256(b"\0" + row).digest()


def node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\1" + left + right).digest()


def add(db: Database, seq: int, row: bytes) -> None:
    """Take entry `seq` into the tree, inside the transaction that adds it: its leaf and every subtree it completes.

    A tree that somebody damaged stops no entry, for alarms stand in the same transaction: what is there stays, what is
    missing stays missing, and whoever signs or verifies finds it.
    """
    level, index, found = 0, seq - 1, leaf(row)
    _store(db, level, index, found)
    while index % 2:
        left = _known(db, level, index - 1)
        if left is None:
            return
        level, index, found = level + 1, index // 2, node(left, found)
        _store(db, level, index, found)


def _store(db: Database, level: int, index: int, found: bytes) -> None:
    db.write("insert into journal_node (level, idx, hash) values (?, ?, ?) on conflict do nothing",
             (level, index, found))  # fmt: skip


def _known(db: Database, level: int, index: int) -> bytes | None:
    found = db.value("select hash from journal_node where level = ? and idx = ?", (level, index))
    return None if found is None else bytes(found)


def _stored(db: Database, level: int, index: int) -> bytes:
    found = _known(db, level, index)
    if found is None:
        raise LookupError(f"the journal's tree has no node {level}/{index}")
    return found


def size(db: Database) -> int:
    """How many rows the tree covers."""
    found = db.value("select max(idx) from journal_node where level = 0")
    return 0 if found is None else int(found) + 1


def leaf_of(db: Database, seq: int) -> bytes:
    """The leaf hash of one entry, as the tree keeps it."""
    return _stored(db, 0, seq - 1)


def since(db: Database, seq: int) -> Iterator[tuple[int, bytes, bytes | None]]:
    """(seq, row, leaf as the tree keeps it) of the entries after `seq`, however many, in little memory."""
    while found := db.rows(
        "select j.seq, j.row, n.hash from journal j left join journal_node n on n.level = 0 and n.idx = j.seq - 1"
        " where j.seq > ? order by j.seq limit ?", (seq, AT_ONCE)
    ):  # fmt: skip
        yield from ((each["seq"], each["row"].encode(), each["hash"]) for each in found)
        seq = int(found[-1]["seq"])


def root(db: Database, size: int) -> bytes:
    """The root over the first `size` rows. Raises LookupError when there are fewer."""
    return range_hash(lambda level, index: _stored(db, level, index), 0, size)


def inclusion(db: Database, seq: int, size: int) -> list[bytes]:
    """RFC 6962 2.1.1: proves that entry `seq` (1, 2, ...) is among the first `size`, in its place."""
    if not 1 <= seq <= size:
        raise ValueError(f"entry {seq} is not among the first {size}")
    return _path(lambda level, index: _stored(db, level, index), seq - 1, 0, size)


def consistency(db: Database, old: int, new: int) -> list[bytes]:
    """RFC 6962 2.1.2: proves that the first `old` of `new` rows are what they were. Empty for 0 and for equal sizes."""
    if not 0 <= old <= new:
        raise ValueError(f"{new} rows cannot be a continuation of {old}")
    if old in (0, new):
        return []
    return _subproof(lambda level, index: _stored(db, level, index), old, 0, new, whole=True)


def range_hash(subtree: Subtree, start: int, end: int) -> bytes:
    """MTH of leaves start..end-1. A range is either one full, aligned subtree or ends where the tree ends."""
    count = end - start
    if count == 0:
        return EMPTY
    level = count.bit_length() - 1
    if count == 1 << level and start % count == 0:
        return subtree(level, start >> level)
    middle = start + _split(count)
    return node(range_hash(subtree, start, middle), range_hash(subtree, middle, end))


def root_of(leaves: Sequence[bytes]) -> bytes:
    """The root over leaf hashes that stand in no table."""
    return range_hash(_over(leaves), 0, len(leaves))


def inclusion_of(leaves: Sequence[bytes], place: int) -> list[bytes]:
    """Proves that the leaf at `place` (from 0) is among them. `included` checks it, with its number from 1."""
    return _path(_over(leaves), place, 0, len(leaves))


def _over(leaves: Sequence[bytes]) -> Subtree:
    def subtree(level: int, index: int) -> bytes:
        if level == 0:
            return leaves[index]
        return node(subtree(level - 1, 2 * index), subtree(level - 1, 2 * index + 1))

    return subtree


def _split(count: int) -> int:
    """The largest power of two below `count`."""
    return 1 << ((count - 1).bit_length() - 1)


def _path(subtree: Subtree, index: int, start: int, end: int) -> list[bytes]:
    if end - start == 1:
        return []
    middle = start + _split(end - start)
    if index < middle:
        return [*_path(subtree, index, start, middle), range_hash(subtree, middle, end)]
    return [*_path(subtree, index, middle, end), range_hash(subtree, start, middle)]


def _subproof(subtree: Subtree, old: int, start: int, end: int, *, whole: bool) -> list[bytes]:
    """`whole`: the old tree is this very range, and its reader knows the hash."""
    if old == end:
        return [] if whole else [range_hash(subtree, start, end)]
    middle = start + _split(end - start)
    if old <= middle:
        return [*_subproof(subtree, old, start, middle, whole=whole), range_hash(subtree, middle, end)]
    return [*_subproof(subtree, old, middle, end, whole=False), range_hash(subtree, start, middle)]


def included(found: bytes, seq: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether the proof leads from the leaf of entry `seq` to the root (RFC 9162 2.1.3.2)."""
    if not 1 <= seq <= size:
        return False
    place, last = seq - 1, size - 1
    for each in proof:
        if last == 0:
            return False
        if place % 2 or place == last:
            found = node(each, found)
            while place and not place % 2:
                place, last = place // 2, last // 2
        else:
            found = node(found, each)
        place, last = place // 2, last // 2
    return last == 0 and found == root


def consistent(old: int, old_root: bytes, new: int, new_root: bytes, proof: Sequence[bytes]) -> bool:
    """Whether the proof leads from the older root to the newer one (RFC 9162 2.1.4.2)."""
    if old == new:
        return not proof and old_root == new_root
    if old == 0:
        return not proof and old_root == EMPTY
    if not 0 < old < new:
        return False
    steps = [old_root, *proof] if old & (old - 1) == 0 else list(proof)
    if not steps:
        return False
    place, last = old - 1, new - 1
    while place % 2:
        place, last = place // 2, last // 2
    first = second = steps[0]
    for each in steps[1:]:
        if last == 0:
            return False
        if place % 2 or place == last:
            first, second = node(each, first), node(each, second)
            while place and not place % 2:
                place, last = place // 2, last // 2
        else:
            second = node(second, each)
        place, last = place // 2, last // 2
    return last == 0 and (first, second) == (old_root, new_root)
