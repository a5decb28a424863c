"""What people did at the equipment, in the columns of the official form: asked fast from a table, told by the journal.

Table `act` is a projection: each row follows from `access.*` entries by `_fold`, is written in their transaction, and
`rebuild` makes all of it anew. It holds no name. People are read from the entries, where a name can be lawfully erased.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from appliance import journal
from appliance.clock import iso
from appliance.journal import Entry
from appliance.model import N_, ApplianceError
from appliance.store import Database

State = Literal["open", "waits", "confirmed", "declined"]
STATEMENTS = ("access.begun", "access.stated", "access.corrected")
KINDS = (*STATEMENTS, "access.ended", "access.confirmed", "access.declined")
BATCH = 200


@dataclass(frozen=True, slots=True)
class Signer:
    """A person of an act as the form prints them. `post` is the role's title at that moment, {"ru": ..., "en": ...}."""

    login: str
    name: str
    post: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Answer:
    """The responsible person's word. `how` they signed: password, card, passkey, session."""

    seq: int
    at: str
    state: State
    signer: Signer
    how: str
    word: str


@dataclass(frozen=True, slots=True)
class Act:
    """One line of the access journal. `seq` is the entry that states it, `at` when that was written.

    `rooms` is none, one, or first and last of a range; `covers` names every room of it. `ended_at` None: it goes on.
    `corrects` and `corrected_by` are acts: both show together, the newest counts.
    """

    seq: int
    at: str
    kind: str
    state: State
    action: str
    title: Mapping[str, str]
    rooms: tuple[str, ...]
    covers: tuple[str, ...]
    exam: str | None
    started_at: str
    ended_at: str | None
    reason: str
    executor: Signer
    entered_by: str  # login
    answer: Answer | None
    corrects: int | None
    corrected_by: int | None

    @property
    def responsible(self) -> Signer | None:
        return self.answer.signer if self.answer is not None and self.state == "confirmed" else None


Row = dict[str, Any]
COLUMNS = ("seq", "action", "exam", "covers", "started_at", "ended_at", "ended", "state", "answered", "corrects",
           "corrected_by")  # fmt: skip


def _fold(rows: dict[int, Row], entry: Entry) -> None:
    """What an entry makes of the rows. One about an act that nobody stated makes nothing of them."""
    about = rows.get(entry.refs[0]) if entry.refs else None
    data = entry.data
    if entry.kind in STATEMENTS:
        rows[entry.seq] = {
            "seq": entry.seq, "action": data["action"], "exam": entry.exam,
            "covers": json.dumps(list(data["covers"]), ensure_ascii=False), "started_at": data["started_at"],
            "ended_at": data["ended_at"], "ended": None, "state": "waits" if data["ended_at"] else "open",
            "answered": None, "corrects": about["seq"] if about else None, "corrected_by": None,
        }  # fmt: skip
        if about is not None:
            about["corrected_by"] = entry.seq
    elif about is not None and entry.kind == "access.ended":
        about |= {"ended_at": data["ended_at"], "ended": entry.seq, "state": "waits"}
    elif about is not None:
        about |= {"state": entry.kind.removeprefix("access."), "answered": entry.seq}


def project(db: Database, entry: Entry) -> None:
    """Take an `access.*` entry into the table, inside the transaction that wrote it."""
    rows: dict[int, Row] = {}
    if entry.refs and (found := _row(db, entry.refs[0])):
        rows[entry.refs[0]] = found
    _fold(rows, entry)
    for row in rows.values():
        _put(db, row)


def _put(db: Database, row: Row) -> None:
    db.write(
        "insert into act (seq, action, exam, covers, started_at, ended_at, ended, state, answered, corrects,"
        " corrected_by) values (:seq, :action, :exam, :covers, :started_at, :ended_at, :ended, :state, :answered,"
        " :corrects, :corrected_by) on conflict (seq) do update set ended_at = excluded.ended_at,"
        " ended = excluded.ended, state = excluded.state, answered = excluded.answered,"
        " corrected_by = excluded.corrected_by",
        row,
    )


def _row(db: Database, seq: int) -> Row | None:
    return db.row(f"select {', '.join(COLUMNS)} from act where seq = ?", (seq,))  # noqa: S608


def _told(db: Database) -> dict[int, Row]:
    """The rows as the journal tells them."""
    rows: dict[int, Row] = {}
    after = 0
    while found := journal.entries(db, after=after, kinds=KINDS, limit=BATCH):
        for entry in found:
            _fold(rows, entry)
        after = found[-1].seq
    return rows


def rebuild(db: Database) -> int:
    """Make the table anew from the journal, inside the caller's transaction; returns how many acts there are."""
    told = _told(db)
    db.write("delete from act")
    for row in told.values():
        _put(db, row)
    return len(told)


def differences(db: Database) -> list[int]:
    """Acts of which the table says something else than the journal. None: it is the journal's."""
    wrong = _differing(db)
    return sorted(wrong & _differing(db)) if wrong else []  # people go on acting between one look and the other


def _differing(db: Database) -> set[int]:
    told = _told(db)
    kept = {int(r["seq"]): r for r in db.rows(f"select {', '.join(COLUMNS)} from act")}  # noqa: S608
    return {seq for seq in told.keys() | kept.keys() if told.get(seq) != kept.get(seq)}


def _signer(said: Mapping[str, Any]) -> Signer:
    return Signer(said["login"], said["name"], said["post"])


def _acts(db: Database, rows: list[Row]) -> list[Act]:
    """The rows as acts, with the people of their entries; at most BATCH rows at once."""
    wanted = [seq for row in rows for seq in (row["seq"], row["answered"]) if seq is not None]
    marks = ",".join("?" * len(wanted))
    found = db.rows(f"select seq, hash, row from journal where seq in ({marks})", wanted)  # noqa: S608
    said = {entry.seq: entry for entry in journal.read(db, found)}
    return [_act(row, said[row["seq"]], said.get(row["answered"])) for row in rows]


def _act(row: Row, entry: Entry, answer: Entry | None) -> Act:
    data = entry.data
    return Act(
        seq=entry.seq, at=entry.at, kind=entry.kind, state=row["state"], action=row["action"], title=data["title"],
        rooms=tuple(data["rooms"]), covers=tuple(json.loads(row["covers"])), exam=row["exam"],
        started_at=row["started_at"], ended_at=row["ended_at"], reason=data["reason"],
        executor=_signer(data["executor"]), entered_by=entry.actor.id,
        answer=None if answer is None else _answer(answer), corrects=row["corrects"], corrected_by=row["corrected_by"],
    )  # fmt: skip


def _answer(said: Entry) -> Answer:
    state: State = "confirmed" if said.kind == "access.confirmed" else "declined"
    return Answer(said.seq, said.at, state, _signer(said.data["responsible"]), said.data["how"], said.data["word"])


def act(db: Database, seq: int) -> Act:
    """One act; ApplianceError when that entry states none."""
    row = _row(db, seq)
    if row is None:
        raise ApplianceError(N_("Entry no. {number} is no action at the equipment."), number=seq)
    return _acts(db, [row])[0]


def open_acts(db: Database) -> list[Act]:
    """What goes on now, oldest first."""
    return _where(db, "state = 'open' and corrected_by is null order by seq")


def unconfirmed(db: Database) -> list[Act]:
    """What is over and waits for the responsible person, oldest first."""
    return _where(db, "state = 'waits' and corrected_by is null order by seq")


def _where(db: Database, clause: str, params: Sequence[Any] = ()) -> list[Act]:
    rows = db.rows(f"select {', '.join(COLUMNS)} from act where {clause}", params)  # noqa: S608 - our own clauses
    return [one for start in range(0, len(rows), BATCH) for one in _acts(db, rows[start : start + BATCH])]


def acts(
    db: Database,
    *,
    exam: str | None = None,
    room: str | None = None,
    person: str | None = None,
    action: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    corrected: bool = True,
    oldest_first: bool = False,
    limit: int = 100,
    before: int | None = None,
) -> list[Act]:
    """Acts by what is asked of them, newest first; `before` is the number of the last one already seen.

    `since <= started_at < until`. `room` finds ranges that cover it. `person` is a login, of who did it or answered for
    it. `corrected=False` leaves out what a newer act stands for. With `oldest_first`, `before` reads `after`.
    """
    where, params = ["1"], []  # type: tuple[list[str], list[Any]]
    for clause, value in (
        ("exam = ?", exam),
        ("action = ?", action),
        ("started_at >= ?", since and iso(since)),
        ("started_at < ?", until and iso(until)),
        ("seq > ?" if oldest_first else "seq < ?", before),
        ("exists (select 1 from json_each(act.covers) where value = ?)", room),
        (OF_A_PERSON, person),
    ):
        if value is not None:
            where, params = [*where, clause], [*params, value]
    if not corrected:
        where.append("corrected_by is null")
    order = "asc" if oldest_first else "desc"
    return _where(db, f"{' and '.join(where)} order by seq {order} limit ?", [*params, limit])


# The table knows nobody: whose login stands in the entries is asked where names are kept, and is forgotten with them.
OF_A_PERSON = (
    "exists (select 1 from journal_personal p where p.value = ? and"
    " ((p.seq = act.seq and p.path = '/data/executor/login')"
    " or (p.seq = act.answered and p.path = '/data/responsible/login')))"
)
