"""Signed checkpoints of the journal (C2SP tlog-checkpoint): size and root of its tree, under its name and key.

One is signed after every human action at once, while the journal grows at least every `journal.checkpoint_s`, and at a
start for what is not covered yet; and only when the journal continues the last one. docs/journal-checkpoints.md
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from appliance import identity, journal, merkle, notes, store
from appliance.clock import Clock, iso, parse
from appliance.config import Config
from appliance.model import N_, Actor, ApplianceError, Message, message
from appliance.notes import NoteError
from appliance.store import Database

Why = Literal["person", "time", "start", "asked"]
KEEPER = Actor.service("keeper")
NOT_ITS_OWN = N_(
    "The journal does not continue its last checkpoint of {size} entries: {cause}. Nothing is signed any more. Leave"
    " the box on and call the administrator."
)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One signed checkpoint. `note` is the signed note as it leaves the box."""

    size: int
    root: bytes
    note: str
    at: str
    why: Why


def body(origin: str, size: int, root: bytes) -> str:
    """The three lines that are signed: origin, size, root."""
    return f"{origin}\n{size}\n{base64.b64encode(root).decode()}\n"


def latest(db: Database) -> Checkpoint | None:
    """The newest checkpoint; None before the first."""
    return _read(db.row("select * from checkpoint order by size desc limit 1"))


def at_size(db: Database, size: int) -> Checkpoint | None:
    return _read(db.row("select * from checkpoint where size = ?", (size,)))


def covering(db: Database, seq: int) -> Checkpoint | None:
    """The first checkpoint that covers an entry; None while none does."""
    return _read(db.row("select * from checkpoint where size >= ? order by size limit 1", (seq,)))


def spoken(root: bytes) -> str:
    """The first 20 base32 characters of a root in groups of four, to be read aloud. RFC 4648's alphabet has neither 0
    nor 1, which look like O and I."""
    head = base64.b32encode(root).decode()[:20]
    return "-".join(head[at : at + 4] for at in range(0, 20, 4))


def all(db: Database) -> list[Checkpoint]:
    """Every checkpoint, the oldest first."""
    return [Checkpoint(**row) for row in db.rows("select * from checkpoint order by size")]


def _read(row: Mapping[str, Any] | None) -> Checkpoint | None:
    return None if row is None else Checkpoint(**row)


def sign_due(db: Database, config: Config, clock: Clock) -> Checkpoint | None:
    """Sign what is due now, if anything is; called by the keeper's every tick. Opens its own transaction."""
    last, size = latest(db), merkle.size(db)
    covered = last.size if last else 0
    if size == covered:
        return None
    if _by_a_person(db, covered):
        return sign(db, config, clock, "person")
    age_s = (clock.now() - parse(last.at)).total_seconds() if last else None
    # A clock that was set back must not put off the signature.
    if age_s is None or not 0 <= age_s < config.profile.journal.checkpoint_s:
        return sign(db, config, clock, "time")
    return None


def _by_a_person(db: Database, covered: int) -> bool:
    return db.value(
        "select 1 from journal where seq > ? and json_extract(row, '$.actor.kind') = 'person' limit 1", (covered,)
    ) is not None  # fmt: skip


def sign(db: Database, config: Config, clock: Clock, why: Why) -> Checkpoint | None:
    """Sign the whole journal now; None when all of it is covered already.

    Opens its own transaction: no entry can slip in between what is looked at and what is signed. Raises ApplianceError
    when it must not or cannot be signed, which is then in the journal too, once for each cause.
    """
    try:
        with store.transaction(db):
            return sign_within(db, config, clock, why)
    except ApplianceError as refused:
        _tell(db, clock, refused.message)
        raise


def sign_within(db: Database, config: Config, clock: Clock, why: Why) -> Checkpoint | None:
    """As `sign`, inside the caller's transaction. Raises ApplianceError when it must not be signed."""
    last, size = latest(db), merkle.size(db)
    continues(db, last)  # also when nothing seems to be new: something could have been cut off and filled up
    if size == (last.size if last else 0):
        return None
    signer = identity.signer(db, config)
    root = merkle.root(db, size)
    note = notes.sign(body(signer.name, size, root), signer)
    db.write("insert into checkpoint (size, root, note, at, why) values (?, ?, ?, ?, ?)",
             (size, root, note, iso(clock.now()), why))  # fmt: skip
    return latest(db)


def continues(db: Database, last: Checkpoint | None) -> None:
    """Raise ApplianceError unless rows, tree and the last checkpoint say the same.

    Looks at the last signature, at the root of its size as the tree has it now, and at every row since; the rows before
    are the whole verifier's (`examsite verify journal`).
    """
    covered = last.size if last else 0
    cause = _own_note(db, last) if last else None
    if cause is None:
        cause = _tree_fault(db, last, covered)
    if cause is not None:
        raise ApplianceError(NOT_ITS_OWN, size=covered, cause=cause.as_json())


def _own_note(db: Database, last: Checkpoint) -> Message | None:
    own = identity.of(db)
    try:
        note = notes.verify(last.note, [notes.verifier(own.vkey)])
    except NoteError:
        return message(N_("its signature is not this journal's"))
    if note.text != body(own.origin, last.size, last.root):
        return message(N_("its signed text is another one"))
    return None


def _tree_fault(db: Database, last: Checkpoint | None, covered: int) -> Message | None:
    head = journal.head(db)[0]
    if merkle.size(db) != head or head < covered:
        return message(N_("entries are missing, there are {entries}"), entries=head)
    try:
        if last is not None and merkle.root(db, last.size) != last.root:
            return message(N_("entries before it were changed"))
        for entry, (seq, row, leaf) in enumerate(merkle.since(db, covered), covered + 1):
            if seq != entry:
                return message(N_("entry {entry} is missing, {found} follows"), entry=entry, found=seq)
            if leaf != merkle.leaf(row):
                return message(N_("entry {seq} was changed after it was written"), seq=seq)
    except LookupError as hole:
        return message(N_("the tree has a hole: {cause}"), cause=str(hole))
    return None


def fault(db: Database) -> Message | None:
    """Why the journal is not signed any more, for the checks and the pages; None while all is well."""
    last = latest(db)
    try:
        continues(db, last)
    except ApplianceError as refused:
        return refused.message
    for told in journal.entries(db, kinds=["checkpoint.refused"], after=last.size if last else 0, limit=1):
        return Message.from_json(told.data["cause"])
    return None


def _tell(db: Database, clock: Clock, why: Message) -> None:
    said, last = why.as_json(), latest(db)
    told = journal.entries(db, kinds=["checkpoint.refused"], after=last.size if last else 0)
    if any(old.data["cause"] == said for old in told):
        return
    with store.transaction(db):
        journal.append(db, clock, "checkpoint.refused", KEEPER, cause=said)
