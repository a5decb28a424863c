"""Access journal: who touched what, when, why, and who answered for it.

Entries are only ever added. A review is a new entry that refers to an older one.
Invariant I3 (docs/architecture.md): entry.prev is the hash of the entry before it. Format: docs/journal.md.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import islice
from typing import Any

import rfc8785

from appliance import identity, merkle, personal, store
from appliance.clock import Clock, iso
from appliance.model import N_, Actor, ApplianceError, Gone, Person, Personal
from appliance.personal import Opening
from appliance.store import Database

__all__ = ["Personal"]  # what a caller marks its data with; the rest is found by its name

VERSION = 2
GENESIS = "0" * 64  # prev of the first entry
ALIVE, MINUTE = "box.alive", "video.minute"  # one a minute: so many that pages leave them out
QUIET = (ALIVE, MINUTE)
TOLD = f"kind is not '{ALIVE}' and kind is not '{MINUTE}'"  # the very words of index journal_told
ERASED_AT_ONCE = 500  # values one personal.erased entry speaks of
NO_GROUND = N_("Name the ground on which personal data is erased: the request or the law.")
NOTHING_PERSONAL = N_("The journal holds no personal data of this kind. Nothing was erased.")


@dataclass(frozen=True, slots=True)
class Entry:
    """One journal entry as read. `row` is the exact text that was hashed; everything else is read out of it."""

    seq: int
    hash: str
    row: str
    at: str
    kind: str
    actor: Actor
    exam: str | None
    room: str | None
    camera: str | None
    refs: tuple[int, ...]
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What `verify` found. `fault` is None when the chain holds; else `bad_seq` is the first entry that does not."""

    entries: int
    head: str
    bad_seq: int | None = None
    fault: str | None = None

    @property
    def ok(self) -> bool:
        return self.fault is None


def append(
    db: Database,
    clock: Clock,
    kind: str,
    actor: Actor,
    *,
    exam: str | None = None,
    room: str | None = None,
    camera: str | None = None,
    refs: Iterable[int] = (),
    **data: Any,
) -> int:
    """Add an entry inside the caller's transaction; returns its number.

    `data` holds strings, booleans, None, whole numbers below 2**53, lists and dicts of these: RFC 8785 has one spelling
    for each, a float does not travel well, so lengths go as milliseconds (`_ms`) or bytes. Texts that may name somebody
    are marked `Personal("...")`; who acts is personal by itself. Written in the same transaction: the openings and the
    tree's nodes. Raises RuntimeError outside a transaction, TypeError for a float.
    """
    last = db.row("select seq, hash from journal order by seq desc limit 1") or {"seq": 0, "hash": GENESIS}
    seq, now, box = int(last["seq"]) + 1, clock.now(), identity.of(db)
    whole = {
        "v": VERSION,
        "seq": seq,
        "prev": last["hash"],
        "box": box.box,
        "epoch": box.epoch,
        "at": iso(now),
        "tz": box.offset(now),
        "clock": box.clock(clock),
        "boot": clock.boot(),
        "mono_us": int(clock.mono_s() * 1_000_000),
        "kind": kind,
        "actor": _acting(actor),
        "exam": exam,
        "room": room,
        "camera": camera,
        "refs": list(refs),
        "data": data,
    }
    row, openings = personal.hide(whole, seq)
    text = rfc8785.dumps(row)
    db.write(
        "insert into journal (seq, hash, row) values (?, ?, ?)", (seq, hashlib.sha256(text).hexdigest(), text.decode())
    )
    personal.keep(db, openings)
    merkle.add(db, seq, text)
    return seq


def _acting(actor: Actor) -> dict[str, Any]:
    who = {"kind": actor.kind, "id": actor.id, "name": actor.name, "role": actor.role}
    return who if actor.kind == "service" else who | {"id": Personal(actor.id), "name": Personal(actor.name)}


def read(db: Database, rows: Sequence[Mapping[str, Any]]) -> list[Entry]:
    """Entries out of database rows with seq, hash and row, their personal values in their places."""
    seqs = [int(row["seq"]) for row in rows]
    openings, erased = personal.of(db, seqs), cache(lambda: personal.erased(db, seqs))  # mostly nobody asks
    return [_entry(row, openings.get(row["seq"], {}), erased) for row in rows]


def _entry(found: Mapping[str, Any], openings: Mapping[str, Opening], erased: Callable[[], personal.Erased]) -> Entry:
    seq = int(found["seq"])
    gone = lambda path: Gone(lawful=(seq, path) in erased())  # noqa: E731
    said = personal.opened(json.loads(found["row"]), openings, gone)
    who = said["actor"]
    return Entry(
        seq=seq,
        hash=found["hash"],
        row=found["row"],
        at=said["at"],
        kind=said["kind"],
        actor=Actor(who["kind"], who["id"], who["name"], who["role"]),
        exam=said["exam"],
        room=said["room"],
        camera=said["camera"],
        refs=tuple(said["refs"]),
        data=said["data"],
    )


def openings(db: Database, rows: Iterable[tuple[int, str, str]]) -> Iterator[dict[str, Any]]:
    """What leaves the box beside rows (seq, hash, row): {path, salt, seq, value} of each personal value that is there,
    {erased, path, seq} of each that an entry says was erased. One that is neither is left out, and a checker finds it.
    """
    left = iter(rows)
    while some := list(islice(left, personal.AT_ONCE)):
        seqs = [seq for seq, _, _ in some]
        known, erased = personal.of(db, seqs), cache(lambda seqs=seqs: personal.erased(db, seqs))
        for seq, _, text in some:
            for path, _ in personal.commitments(json.loads(text)):
                if (opening := known.get(seq, {}).get(path)) is not None:
                    yield opening.as_json()
                elif (entry := erased().get((seq, path))) is not None:
                    yield {"seq": seq, "path": path, "erased": entry}


def get(db: Database, seq: int) -> Entry:
    """One entry; ApplianceError when there is none of that number."""
    found = db.row("select seq, hash, row from journal where seq = ?", (seq,))
    if found is None:
        raise ApplianceError(N_("The journal has no entry {seq}."), seq=seq)
    return read(db, [found])[0]


def entries(
    db: Database,
    *,
    after: int = 0,
    before: int | None = None,
    exam: str | None = None,
    kinds: Iterable[str] = (),
    who: str | None = None,
    newest_first: bool = False,
    limit: int = 100,
    alive: bool = False,
) -> list[Entry]:
    """Entries with `after < seq < before`, filtered by exam, kinds and login. Any page costs the same.

    What the box enters each minute (QUIET) is left out unless `alive`, or asked for among the kinds.
    """
    where, params = ["seq > ?"], [after]  # type: tuple[list[str], list[Any]]
    if before is not None:
        where, params = [*where, "seq < ?"], [*params, before]
    if exam is not None:
        where, params = [*where, "exam = ?"], [*params, exam]
    wanted = list(kinds)
    if wanted:
        where, params = [*where, f"kind in ({','.join('?' * len(wanted))})"], [*params, *wanted]
    elif not alive:
        where = [*where, TOLD]
    if who is not None:
        where, params = [*where, f"seq in ({_BY})"], [*params, who]
    order = "desc" if newest_first else "asc"
    sql = f"select seq, hash, row from journal where {' and '.join(where)} order by seq {order} limit ?"  # noqa: S608
    return read(db, db.rows(sql, [*params, limit]))


_BY = "select seq from journal_personal where value = ? and path = '/actor/id'"


def answers(db: Database, seq: int) -> list[Entry]:
    """Entries that refer to `seq` first: explanations and reviews, oldest first."""
    return read(db, db.rows("select seq, hash, row from journal where ref = ? order by seq", (seq,)))


def waiting(db: Database) -> list[Entry]:
    """Entries that still owe somebody's word (`data.waits`), oldest first: no review has closed them yet."""
    return read(
        db,
        db.rows(
            "select j.seq, j.hash, j.row from journal j where j.waits is not null and not exists ("
            " select 1 from journal r where r.ref = j.seq and r.kind = 'journal.reviewed'"
            " and json_extract(r.row, '$.data.verdict') in ('accepted', 'refused')) order by j.seq"
        ),
    )


def explain(db: Database, clock: Clock, seq: int, who: Person, word: str) -> int:
    """Somebody says what an unexplained entry was. Adds `journal.explained`; the head's review still follows."""
    about = get(db, seq)
    _need_word(word)
    with store.transaction(db):
        twice = _said_already(db, seq, "journal.explained", who, {"word": word.strip()})
        return twice or append(
            db,
            clock,
            "journal.explained",
            Actor.person(who),
            exam=about.exam,
            room=about.room,
            refs=[seq],
            word=Personal(word.strip()),
        )


def review(db: Database, clock: Clock, seq: int, who: Person, verdict: str, word: str = "") -> int:
    """The head's answer to an entry: 'accepted', 'asked' (needs a word) or 'refused' (needs a word). Adds an entry.

    Raises ApplianceError when another review already closed it, and the first one stands; also when an unexplained
    event is accepted though nobody explained it and the head does not either.
    """
    if verdict not in ("accepted", "asked", "refused"):
        raise ValueError(verdict)
    about = get(db, seq)
    if verdict != "accepted":
        _need_word(word)
    with store.transaction(db):
        twice = _said_already(db, seq, "journal.reviewed", who, {"verdict": verdict, "word": word.strip()})
        if twice:
            return twice
        for old in answers(db, seq):
            if old.kind == "journal.reviewed" and old.data["verdict"] in ("accepted", "refused"):
                raise ApplianceError(
                    N_("{name} already reviewed entry {seq} at {when_at}. Your press changed nothing."),
                    name=old.actor.name,
                    seq=seq,
                    when_at=old.at,
                )
        if verdict == "accepted" and about.kind == "event.unexplained" and not word.strip() and not _explained(db, seq):
            raise ApplianceError(N_("Nobody explained this yet. Write what it was, or ask back."))
        return append(
            db,
            clock,
            "journal.reviewed",
            Actor.person(who),
            exam=about.exam,
            room=about.room,
            refs=[seq],
            verdict=verdict,
            word=Personal(word.strip()),
        )


def _explained(db: Database, seq: int) -> bool:
    return any(answer.kind == "journal.explained" for answer in answers(db, seq))


def _said_already(db: Database, seq: int, kind: str, who: Person, data: Mapping[str, Any]) -> int | None:
    """The number of the newest answer when it is this very one: a form pressed twice is written once."""
    last = next(reversed(answers(db, seq)), None)
    same = last is not None and (last.kind, last.actor.id, dict(last.data)) == (kind, who.login, dict(data))
    return last.seq if last is not None and same else None


def _need_word(word: str) -> None:
    if not word.strip():
        raise ApplianceError(N_("Write a word: what happened, or what you want to know."))


def erase(
    db: Database, clock: Clock, who: Person, ground: str, *, person: str | None = None, seqs: Iterable[int] = ()
) -> int:
    """Erase personal values because the law asks for it: those of one login, or of some entries. Returns how many.

    Opens its own transaction. Raises ApplianceError without a ground, or when there is nothing to erase. What a person
    asks for goes through `erasure.ask` and `agree`, which look at exams, words and accounts as well.
    """
    with erasing(db, ground):
        wanted = personal.about(db, person) if person is not None else []
        wanted += [each for found in personal.of(db, seqs).values() for each in found.values()]
        return forget(db, clock, Actor.person(who), ground, wanted)


@contextmanager
def erasing(db: Database, ground: str) -> Generator[None, None, None]:
    """A transaction after which nothing of what it deletes can be read in the files."""
    if not ground.strip():
        raise ApplianceError(NO_GROUND)
    db.conn.execute("pragma secure_delete = on")  # else the text stays readable in the file's free pages
    with store.transaction(db):
        yield
    store.checkpoint(db)  # what the write-ahead log still holds of them goes as well


def forget(
    db: Database, clock: Clock, actor: Actor, ground: str, openings: Iterable[Opening], account: str | None = None,
    **said: Any,
) -> int:  # fmt: skip
    """Delete openings inside `erasing`; entries `personal.erased` say which, on what ground and by whom.

    The rows stay, byte for byte. `account`: the login a person's account has from now on. `said`: what else they tell.
    """
    wanted = sorted({(each.seq, each.path): each for each in openings}.values(), key=lambda o: (o.seq, o.path))
    if not wanted:
        raise ApplianceError(NOTHING_PERSONAL)
    personal.forget(db, wanted)
    for start in range(0, len(wanted), ERASED_AT_ONCE):
        paths: dict[int, list[str]] = {}
        for each in wanted[start : start + ERASED_AT_ONCE]:
            paths.setdefault(each.seq, []).append(each.path)
        append(db, clock, "personal.erased", actor, refs=list(paths), ground=ground.strip(),
               values=sum(map(len, paths.values())), erased=[{"seq": seq, "paths": p} for seq, p in paths.items()],
               **({"account": account} if account else {}), **said)  # fmt: skip
    return len(wanted)


def head(db: Database) -> tuple[int, str]:
    """Number and hash of the newest entry; (0, GENESIS) for an empty journal."""
    last = db.row("select seq, hash from journal order by seq desc limit 1")
    return (0, GENESIS) if last is None else (int(last["seq"]), str(last["hash"]))


def verify(rows: Iterable[tuple[int, str, str]], *, first: int = 1, prev: str = GENESIS) -> Verdict:
    """Check (seq, hash, row) triples: numbers, canonical bytes, hashes and links (I3).

    The whole journal begins at entry 1; an extract at entry `first`, and `prev` is the hash of the entry before it.
    A chain alone cannot see its newest entries cut off; checkpoints kept elsewhere can (a later issue).
    """
    count = 0
    for seq, stated, text in rows:
        fault = _fault(seq, stated, text, first + count, prev)
        if fault:
            return Verdict(count, prev, bad_seq=first + count, fault=fault)
        prev, count = stated, count + 1
    return Verdict(count, prev)


def _fault(seq: int, stated: str, text: str, expected: int, prev: str) -> str | None:
    if seq != expected:
        return f"entry {expected} is missing, {seq} follows"
    if hashlib.sha256(text.encode()).hexdigest() != stated:
        return f"entry {seq} was changed: its text does not have the stated hash"
    try:
        said = json.loads(text)
        canonical = rfc8785.dumps(said).decode()
    except (ValueError, rfc8785.CanonicalizationError) as bad:
        return f"entry {seq} is not canonical JSON: {bad}"
    if canonical != text:
        return f"entry {seq} is not canonical JSON (RFC 8785)"
    if not isinstance(said, dict) or said.get("v") != VERSION:
        return f"entry {seq} is of a version this program does not know"
    if said.get("seq") != seq:
        return f"entry {seq} carries another number inside"
    if said.get("prev") != prev:
        return f"entry {seq} does not follow entry {seq - 1}: prev is not its hash"
    return None


def stored_rows(db: Database, batch: int = 2000) -> Iterator[tuple[int, str, str]]:
    """(seq, hash, row) of the whole journal, in batches, so that a million entries need little memory."""
    after = 0
    while found := db.rows("select seq, hash, row from journal where seq > ? order by seq limit ?", (after, batch)):
        yield from ((f["seq"], f["hash"], f["row"]) for f in found)
        after = int(found[-1]["seq"])
