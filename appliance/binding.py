"""Video and journal bind each other: each minute one entry `video.minute`, the root of the recordings taken in since.

The keeper writes it; a recording that comes late goes into the minute it came. Its leaves stand in table bound in the
same transaction, so nothing is entered twice or forgotten, whenever the keeper is killed. docs/journal-witness.md
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import rfc8785

from appliance import journal, merkle, store
from appliance.clock import Clock
from appliance.model import N_, Actor, Message, message
from appliance.store import Database

KIND = journal.MINUTE
KEEPER = Actor.service("keeper")
EVERY_S = 60.0
AT_ONCE = 5000  # recordings one entry speaks of at most: others wait for the transaction


@dataclass(frozen=True, slots=True)
class Leaf:
    """A recording as a minute's root knows it."""

    segment: int
    camera: str
    path: str
    size_bytes: int
    sha256: str

    @property
    def row(self) -> bytes:
        """RFC 8785: [camera, path, size, sha256], as in the list that is sealed."""
        return rfc8785.dumps([self.camera, self.path, self.size_bytes, self.sha256])

    @property
    def hash(self) -> bytes:
        return merkle.leaf(self.row)


@dataclass(frozen=True, slots=True)
class Proof:
    """That a recording is at `place` among the `of` ones of entry `minute`."""

    minute: int
    place: int
    of: int
    hashes: tuple[bytes, ...]

    def as_json(self) -> dict[str, Any]:
        return {"minute": self.minute, "place": self.place, "of": self.of, "proof": [h.hex() for h in self.hashes]}


@dataclass(slots=True)
class Minutes:
    """The keeper's watch. `tick` is called by its every tick."""

    clock: Clock
    last_mono_s: float = field(default=float("-inf"))

    def tick(self, db: Database) -> None:
        if self.clock.mono_s() - self.last_mono_s >= EVERY_S:
            bind(db, self.clock)
            self.last_mono_s = self.clock.mono_s()  # only once it is written


def bind(db: Database, clock: Clock) -> list[int]:
    """Enter every recording that no entry speaks of yet; the entries' numbers. Opens its own transactions."""
    made = []
    while _left(db):
        with store.transaction(db):
            leaves = sorted(_unbound(db), key=lambda leaf: (leaf.camera, leaf.path))
            if leaves:
                made.append(_enter(db, clock, leaves))
    return made


def _left(db: Database) -> bool:
    newest, bound = db.value("select max(id) from segment"), db.value("select max(segment) from bound")
    return newest is not None and newest > (bound or 0)


def _unbound(db: Database) -> list[Leaf]:
    """By number: rows of recordings are only added, one writer after another."""
    return [Leaf(**row) for row in db.rows(
        "select id as segment, camera, path, size_bytes, sha256 from segment"
        " where id > (select coalesce(max(segment), 0) from bound) order by id limit ?", (AT_ONCE,)
    )]  # fmt: skip


def _enter(db: Database, clock: Clock, leaves: Sequence[Leaf]) -> int:
    root = merkle.root_of([leaf.hash for leaf in leaves])
    entry = journal.append(db, clock, KIND, KEEPER, root=root.hex(), segments=len(leaves))
    for place, leaf in enumerate(leaves):
        db.write(
            "insert into bound (entry, place, segment, camera, path, size_bytes, sha256) values (?, ?, ?, ?, ?, ?, ?)",
            (entry, place, leaf.segment, leaf.camera, leaf.path, leaf.size_bytes, leaf.sha256),
        )
    return entry


def leaves_of(db: Database, entry: int) -> list[Leaf]:
    """The recordings of a minute, in the order of its root."""
    return [Leaf(**row) for row in db.rows(
        "select segment, camera, path, size_bytes, sha256 from bound where entry = ? order by place", (entry,))]


def proofs(db: Database, segments: Iterable[int]) -> dict[int, Proof]:
    """Segment -> its proof; those that no entry speaks of are left out."""
    found: dict[int, Proof] = {}
    minutes: dict[int, list[bytes]] = {}
    for number in segments:
        row = db.row("select entry, place from bound where segment = ?", (number,))
        if row is None:
            continue
        entry, place = int(row["entry"]), int(row["place"])
        if entry not in minutes:
            minutes[entry] = [leaf.hash for leaf in leaves_of(db, entry)]
        hashes = minutes[entry]
        found[number] = Proof(entry, place, len(hashes), tuple(merkle.inclusion_of(hashes, place)))
    return found


def faults(db: Database) -> Iterator[tuple[str, Message]]:
    """(where, what) for each minute whose recordings are not those that were entered, and for each row that differs."""
    entered = {e.seq: e.data for e in _entries(db)}
    for entry, data in entered.items():
        leaves = leaves_of(db, entry)
        root = merkle.root_of([leaf.hash for leaf in leaves]).hex()
        if (root, len(leaves)) != (data.get("root"), data.get("segments")):
            said = N_("The recordings of journal entry {seq} are not those it was written over.")
            yield f"entry {entry}", message(said, seq=str(entry))
    for row in db.rows("select distinct entry from bound order by entry"):
        if row["entry"] not in entered:
            said = N_("The recordings of journal entry {seq} are not those it was written over.")
            yield f"entry {row['entry']}", message(said, seq=str(row["entry"]))
    for row in _differing(db):
        if row["entry"] is None:
            said = N_("{path} is in the archive and no journal entry speaks of it.")
        else:
            said = N_("{path} is not the recording that journal entry {seq} speaks of.")
        yield row["path"], message(said, path=row["path"], seq=str(row["entry"]))


def _differing(db: Database) -> list[dict[str, Any]]:
    return db.rows(
        "select b.entry, b.path from bound b left join segment s on s.id = b.segment"
        " where (s.camera, s.path, s.size_bytes, s.sha256) is not (b.camera, b.path, b.size_bytes, b.sha256)"
        " union select null, s.path from segment s where s.id <= (select coalesce(max(segment), 0) from bound)"
        " and not exists (select 1 from bound b where b.segment = s.id) order by 2"
    )


def _entries(db: Database) -> Iterator[journal.Entry]:
    after = 0
    while found := journal.entries(db, kinds=[KIND], after=after, limit=1000):
        yield from found
        after = found[-1].seq


def check_proof(said: Mapping[str, Any], row: bytes, root: bytes) -> bool:
    """Whether a proof out of a package leads from a recording's row to its minute's root."""
    try:
        hashes = [bytes.fromhex(each) for each in said["proof"]]
        place, of = said["place"], said["of"]
        return type(place) is int and type(of) is int and merkle.included(merkle.leaf(row), place + 1, of, hashes, root)
    except (KeyError, TypeError, ValueError):
        return False
