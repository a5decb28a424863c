"""The head's own stick: marks of the journal that nobody at the box can take back, and a look at those made before.

Order matters (the stick may be pulled, the worker killed between any two steps): 1. read the marks on the stick and
hold each against the journal: one that contradicts it stops everything, and nothing is written   2. sign a checkpoint
3. old marks and the new one into FILE.part, synced, in the place of FILE, read back   4. the verifier and the key
5. the entry. docs/journal-witness.md
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from appliance import anchors, identity, journal, store
from appliance import verify_journal as verifier
from appliance.clock import Clock
from appliance.config import Config
from appliance.model import N_, Actor, ApplianceError, Message, message
from appliance.orders import Order
from appliance.store import Database
from drivers import medium
from drivers.medium import MediumError

KIND = "stick"
FOUND = "found"  # the target "whatever stick is in the box"
MOST_BYTES = 8_000_000  # some 30,000 marks
PROGRAM, KEY = "verify_journal.py", "journal.pub"


@dataclass(frozen=True, slots=True)
class Marked:
    """What was written. `marks`: how many the stick holds now; `size`: how many entries the newest is over."""

    path: Path
    place: str
    size: int
    marks: int


class StickError(ApplianceError):
    """The stick was not marked; what is on it is as it was."""


def file_name(config: Config) -> str:
    """examsite-witness-0123.txt, in letters every file system takes."""
    plain = unicodedata.normalize("NFKD", config.site.code).encode("ascii", "ignore").decode()
    return f"examsite-witness-{re.sub(r'[^A-Za-z0-9]+', '-', plain).strip('-') or 'site'}.txt"


def folder_of(config: Config, order: Order) -> Path:
    """Where the order's stick is. Raises StickError when there is none, or nobody knows which."""
    asked = str(order.args.get("target"))
    if asked != FOUND:
        for target in config.export_targets:
            if target.id == asked:
                return target.path
        raise StickError(N_("The site has no export target {target}."), target=asked)
    found = medium.sticks()
    if len(found) != 1:
        said = N_("There are {n} sticks in the box. Put in the head's alone, then press again.")
        raise StickError(said, n=len(found))
    return found[0]


def fulfil(db: Database, config: Config, clock: Clock, order: Order, who: Actor) -> Marked:
    """Mark the stick an order names. Raises StickError with what to do; a contradiction is entered and calls."""
    return mark(db, config, clock, folder_of(config, order), order.asked_by, who)


def mark(db: Database, config: Config, clock: Clock, folder: Path, by: str, who: Actor) -> Marked:
    """Hold the stick's marks against the journal, then add one. Opens transactions."""
    file = folder / file_name(config)
    try:
        facts = medium.facts(folder)
        place = facts.id or str(folder)
        before = medium.read_small(file, MOST_BYTES) or b""
        _look(db, config, clock, who, place, file.name, before, medium.read_small(folder / KEY, MOST_BYTES))
        newest = anchors.leaves_now(db, config, clock)
        if newest is None:
            raise StickError(N_("The journal has no entries yet. There is nothing to mark."))
        notes = verifier.notes_in(before) if before else []
        if not notes or notes[-1] != newest.note.encode():
            notes.append(newest.note.encode())
        _write(folder, file, b"\n".join(notes), identity.of(db).vkey)
    except MediumError as bad:
        raise StickError(
            N_("The stick was not marked: {cause}. Put it in again, or take another one."), cause=str(bad)
        ) from bad
    with store.transaction(db):
        anchors.note(db, clock, newest.size, "stick", place, by)
        journal.append(db, clock, "anchor.marked", who, size=newest.size, place=place, marks=len(notes))
    return Marked(file, place, newest.size, len(notes))


def _look(
    db: Database, config: Config, clock: Clock, who: Actor, place: str, name: str, marks: bytes, key: bytes | None
) -> None:  # fmt: skip
    """Raise StickError when the stick contradicts the journal, which is entered and calls, or cannot be read."""
    own = verifier.read_key(identity.of(db).vkey.encode(), KEY)
    against, unread = _contradiction(db, own, verifier.notes_in(marks) if marks else [])
    if against is None and key is not None and key.strip() != identity.of(db).vkey.encode():
        against = message(anchors.OTHER, origin=key.decode("ascii", "replace").split("+")[0][:200], own=own.name)
    if against is not None:
        anchors.contradict(db, config, clock, who, place, against)
        raise StickError(
            N_(
                "The stick contradicts this journal: {cause}. Nothing was written. Keep the stick as it is, leave the"
                " box on and call the administrator."
            ),
            cause=against.as_json(),
        )
    if unread:
        raise StickError(
            N_("{file} on the stick holds what this box cannot read. It was left as it is: keep it, take another one."),
            file=name,
        )


def _contradiction(db: Database, own: verifier.Key, notes: Sequence[bytes]) -> tuple[Message | None, bool]:
    """The first mark that is not of this journal's past, and whether something is no mark at all."""
    unread = False
    for number, note in enumerate(notes, 1):
        try:
            found = verifier.read_checkpoint(note, own, str(number))
        except verifier.Wrong as bad:
            if bad.finding.what == "origin":
                return message(anchors.OTHER, origin=bad.finding.args["other"], own=own.name), unread
            unread = True
            continue
        against = anchors.against(db, found.size, found.root)
        if against is not None:
            return against, unread
    return None, unread


def _write(folder: Path, file: Path, marks: bytes, vkey: str) -> None:
    medium.replace_synced(file, marks)
    _read_back(file, marks)
    program = Path(verifier.__file__).read_bytes()
    # A program that is there already came from outside or from an older day of this box: it is the one to trust.
    for name, data in ((PROGRAM, program), (KEY, vkey.encode() + b"\n")):
        there = medium.read_small(folder / name, MOST_BYTES)
        if name == PROGRAM and there not in (None, data):
            name = f"verify_journal-{hashlib.sha256(data).hexdigest()[:12]}.py"
            there = medium.read_small(folder / name, MOST_BYTES)
        if there is None:
            medium.replace_synced(folder / name, data)
            _read_back(folder / name, data)


def _read_back(file: Path, data: bytes) -> None:
    if medium.read_back(file, lambda _: None) != hashlib.sha256(data).hexdigest():
        raise StickError(N_("File {file} on the medium differs from what was written. Take another medium."),
                         file=file.name)  # fmt: skip
