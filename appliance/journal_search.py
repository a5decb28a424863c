"""Finding entries of the journal: by word as people type it, by day, exam, room, person, action, all at once.

Table `journal_text` (FTS5) holds one line of stems for each entry: its sentence in both languages, names, rooms, words,
dates, and what the filters ask (`facets`). It is made from the entries by the keeper (`catch_up`); what it does not
know yet is looked through entry by entry, so that a page never lags. Heartbeats are left out. A name that is erased by
law leaves it in the very statement that erases it (trigger), and the file a little later. docs/journal.md
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime, timedelta
from typing import Any

from appliance import exams, journal, kinds, personal, stems, store
from appliance.clock import Clock, parse
from appliance.config import Config
from appliance.journal import QUIET, Entry
from appliance.store import Database
from appliance.words import Words

AT_ONCE = 100  # entries of one transaction: others wait for it no longer than for any other
BUDGET_S = 0.25  # of each second of the keeper, while it catches up
TAIL = 500  # entries not indexed yet that a search looks through itself
MERGE_PAGES = 100
PEOPLE = ("/actor/id", "/data/executor/login", "/data/responsible/login", "/data/login")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is looked for; an empty field asks nothing. `own`: the login of who made the entry."""

    text: str = ""
    day: str = ""  # 2026-11-22, by the clocks on the wall
    exam: str = ""
    room: str = ""
    person: str = ""
    action: str = ""
    subject: str = ""
    own: str = ""

    @property
    def nothing(self) -> bool:
        return not any(getattr(self, field.name) for field in fields(self))

    def facets(self) -> list[str]:
        asked = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "text"}
        return [facet(name, value) for name, value in asked.items() if value]


@dataclass(frozen=True, slots=True)
class Found:
    """Entries, newest first. `more`: there may be older ones. `unknown`: so many entries were not looked at, because
    the index is behind; they are older than the newest TAIL and newer than entry `known`."""

    entries: tuple[Entry, ...]
    more: bool
    known: int
    unknown: int


def facet(name: str, value: str) -> str:
    """A filter's value as one word that nobody types."""
    return f"zq{name}{value.encode().hex()}"


def find(db: Database, config: Config, wanted: Wanted, *, before: int | None = None, limit: int = 50) -> Found:
    """The newest entries below `before` that are everything wanted. Any page costs the same."""
    head, known = journal.head(db)[0], indexed_to(db)
    newest = journal.entries(db, after=known, before=before, newest_first=True, limit=TAIL)
    asked = stems.asked(wanted.text)
    seqs = [seq for seq, terms in _terms(db, config, _again(db) + newest).items() if _is(wanted, asked, terms)]
    seqs += _indexed(db, wanted, before, limit + 1)
    wanted_seqs = sorted({seq for seq in seqs if before is None or seq < before}, reverse=True)
    rows = _rows(db, wanted_seqs[:limit])
    unseen = max(0, min(head, (before or head + 1) - 1) - known - len(newest)) if len(newest) == TAIL else 0
    return Found(tuple(journal.read(db, rows)), len(wanted_seqs) > limit, known, unseen)


def _again(db: Database) -> list[Entry]:
    return journal.read(db, db.rows("select j.seq, j.hash, j.row from journal_text_again a join journal j using (seq)"))


def _rows(db: Database, seqs: Sequence[int]) -> list[dict[str, Any]]:
    marks = ",".join("?" * len(seqs))
    return db.rows(f"select seq, hash, row from journal where seq in ({marks}) order by seq desc", list(seqs))  # noqa: S608


def _indexed(db: Database, wanted: Wanted, before: int | None, limit: int) -> list[int]:
    asked = _match(wanted)
    if asked is None:
        return []
    rows = db.rows("select rowid from journal_text where journal_text match ? and rowid < ?"
                   " order by rowid desc limit ?", (asked, before or 1 << 62, limit))  # fmt: skip
    return [row["rowid"] for row in rows]


def _match(wanted: Wanted) -> str | None:
    """The question in FTS5's own words: every term, the last one typed also as the beginning of one."""
    asked = stems.asked(wanted.text)
    if wanted.text.strip() and not asked:
        return None  # something was typed that no entry can hold, such as a dash
    said = [f'"{name}"' for name in wanted.facets()]
    said += ["(" + " OR ".join([f'"{stem}"', *([f'"{begun}" *'] if begun else [])]) + ")" for stem, begun in asked]
    return " AND ".join(said) or None


def _is(wanted: Wanted, asked: Sequence[tuple[str, str]], terms: frozenset[str]) -> bool:
    """The same question to one entry's terms."""
    if wanted.text.strip() and not asked:
        return False
    return terms.issuperset(wanted.facets()) and all(
        stem in terms or (begun and any(term.startswith(begun) for term in terms)) for stem, begun in asked
    )


def indexed_to(db: Database) -> int:
    """The newest entry the index knows, and all before it."""
    return int(db.value("select seq from journal_text_to") or 0)


def catch_up(db: Database, config: Config, clock: Clock, budget_s: float = BUDGET_S) -> int:
    """Take new entries into the index, in small transactions, for at most about `budget_s`. Returns how many."""
    began, done = clock.mono_s(), _mend(db, config)
    while clock.mono_s() - began < budget_s:
        known, head = indexed_to(db), journal.head(db)[0]
        found = journal.entries(db, after=known, before=head + 1, limit=AT_ONCE)
        last = found[-1].seq if len(found) == AT_ONCE else head
        if last == known or (not found and last - known < AT_ONCE):  # signs of life alone are passed over in strides
            break
        terms = _terms(db, config, found)
        with store.transaction(db):
            if indexed_to(db) != known:
                break  # another keeper was here
            erased = {row["seq"] for row in db.rows("select seq from journal_text_again")}  # since it was read
            for seq in terms.keys() - erased:
                _enter(db, seq, terms[seq])
            db.write("insert into journal_text_to (one, seq) values (1, ?)"
                     " on conflict (one) do update set seq = excluded.seq", (last,))  # fmt: skip
        done += len(found)
    return done


def _mend(db: Database, config: Config) -> int:
    """Enter anew what an erasure took out, and then press the erased words out of the file, a few pages at a time."""
    if db.value("select 1 from journal_text_again") is None:
        if db.value("select pressing from journal_text_to") in (1, 2):
            _press(db)
        return 0
    with store.transaction(db):  # read within it, else a name could come back that is erased meanwhile
        again, known = _again(db)[:AT_ONCE], indexed_to(db)
        for seq, said in _terms(db, config, again).items():
            db.write("delete from journal_text where rowid = ?", (seq,))
            if seq <= known:
                _enter(db, seq, said)
        for entry in again:
            db.write("delete from journal_text_again where seq = ?", (entry.seq,))
        db.write("update journal_text_to set pressing = 1")
    return len(again)


def _enter(db: Database, seq: int, terms: frozenset[str]) -> None:
    db.write("insert into journal_text (rowid, text) values (?, ?)", (seq, " ".join(sorted(terms))))


def _press(db: Database) -> None:
    """One step of merging all of the index into one piece, which drops what was deleted (FTS5: 'merge')."""
    db.conn.execute("pragma secure_delete = on")
    with store.transaction(db):
        begun = db.value("select pressing from journal_text_to") == 2
        before = db.conn.total_changes
        db.write("insert into journal_text (journal_text, rank) values ('merge', ?)",
                 (MERGE_PAGES if begun else -MERGE_PAGES,))  # fmt: skip
        over = begun and db.conn.total_changes - before < 2
        db.write("update journal_text_to set pressing = ?", (0 if over else 2,))
    if over:
        store.checkpoint(db)  # what the write-ahead log still holds of it goes as well


def _terms(db: Database, config: Config, found: Sequence[Entry]) -> dict[int, frozenset[str]]:
    """Entry -> everything it can be found by."""
    openings = personal.of(db, [entry.seq for entry in found])
    titles = {exam.id: exam.title for exam in exams.exams(db)}
    spoken = [Words(language, config.site.zone) for language in ("ru", "en")]
    told: dict[int, frozenset[str]] = {}
    for entry in found:
        if entry.kind in QUIET:
            continue
        texts = [said.say(kinds.sentence(entry)) for said in spoken]
        texts += [opening.value for opening in openings.get(entry.seq, {}).values()]
        action, rooms = _about(db, entry)
        texts += _names(config, entry, rooms, titles)
        local = _local(entry)
        terms = {term for text in texts for term in stems.of(text)} | {*stems.instant(local)}
        logins = {opening.value for path, opening in openings.get(entry.seq, {}).items() if path in PEOPLE}
        told[entry.seq] = frozenset(terms | _facets(entry, local.date(), action, rooms, logins))
    return told


def _local(entry: Entry) -> datetime:
    """When it was by the clocks on the wall of that day: the row says how they stood against UTC."""
    tz = json.loads(entry.row)["tz"]
    east = timedelta(hours=int(tz[1:3]), minutes=int(tz[4:6]))
    return (parse(entry.at) + (-east if tz[0] == "-" else east)).replace(tzinfo=None)


def _about(db: Database, entry: Entry) -> tuple[str | None, set[str]]:
    """The action an entry is about, and every room: of an act that is its end, its answer and its verdict too."""
    action, said = entry.data.get("action"), entry.data.get("covers")
    if not isinstance(action, str) and entry.kind.startswith(("access.", "event.")):
        marks = ",".join("?" * len(entry.refs))
        act = db.row(f"select action, covers from act where seq in ({marks})", entry.refs)  # noqa: S608
        action, said = (act["action"], json.loads(act["covers"])) if act else (None, None)
    rooms = {room for room in said if isinstance(room, str)} if isinstance(said, list) else set()
    return (action if isinstance(action, str) else None), rooms | ({entry.room} if entry.room else set())


def _names(config: Config, entry: Entry, rooms: set[str], titles: Mapping[str, str]) -> Iterable[str]:
    if entry.exam:
        yield f"{entry.exam} {titles.get(entry.exam, '')}"
    yield " ".join(rooms)
    yield from (f"{room.name.ru} {room.name.en}" for room in config.rooms if room.code in rooms)
    yield from (f"{one.name.ru} {one.name.en} {one.id}" for one in config.cameras if one.id == entry.camera)


def _facets(entry: Entry, day: date, action: str | None, rooms: set[str], logins: Iterable[str]) -> set[str]:
    said = {facet("day", day.isoformat()), facet("subject", entry.kind.partition(".")[0])}
    said |= {facet("room", room) for room in rooms} | {facet("person", login) for login in logins}
    if entry.actor.kind == "person" and entry.actor.id:
        said.add(facet("own", entry.actor.id))
    if entry.exam:
        said.add(facet("exam", entry.exam))
    if action is not None:
        said.add(facet("action", action))
    return said
