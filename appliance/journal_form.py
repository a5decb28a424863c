"""The access journal's official form: its rows in its columns for an exam or a time, as text, CSV and JSON.

Columns as in the form filled at exam sites (docs/journal.md): number, date, room, start, end, action, who did it, who
answers for it. The number is the entry's own in the journal, so that a correction can cite it. A correction is a row of
its own, and the corrected one stays. Paper is appliance/journal_paper.py.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from appliance import acts, anchors, checkpoints, exams, identity, journal, store
from appliance.acts import Act, Signer
from appliance.checkpoints import Checkpoint
from appliance.clock import Clock, iso
from appliance.config import Config
from appliance.model import N_, Actor, ApplianceError, Gone, Language
from appliance.paper import FORMULAS
from appliance.store import Database
from appliance.words import Words

MOST_ROWS = 1000  # of one form, 4 s of a processor; a longer time is asked for in parts
TOO_LONG = N_("These are more than {most} rows. Ask for a shorter time, or one exam.")

NUMBER, DATE = "N", N_("Date")  # the form has the Latin letter, in Russian too
ROOM = N_("Number of the room of the exam site or processing centre where the video equipment is")
TIME, START, END = N_("Time (hours, minutes)"), N_("Start of the action"), N_("End of the action")
ACTION = N_("Actions performed")
WHO = N_("Person who performs the actions")
RESPONSIBLE = N_("Responsible for video surveillance at the exam site or processing centre")
NAME, POST, SIGNATURE = N_("Full name"), N_("Post"), N_("Signature")
# The form's head: (over it or None, column). Two rows of cells on paper, "over: column" in a spreadsheet.
COLUMNS: tuple[tuple[str | None, str], ...] = (
    (None, NUMBER), (None, DATE), (None, ROOM), (TIME, START), (TIME, END), (None, ACTION), (WHO, NAME), (WHO, POST),
    (WHO, SIGNATURE), (RESPONSIBLE, NAME), (RESPONSIBLE, POST), (RESPONSIBLE, SIGNATURE),
)  # fmt: skip
SIGNATURES = (8, 11)
HOW = {"password": N_("by password"), "card": N_("by card"), "passkey": N_("by security key"),
       "session": N_("in their own session")}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Asked:
    """What a form is asked of: an exam, or a time, and what else the acts are chosen by. Empty: not asked."""

    exam: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    room: str | None = None
    person: str | None = None
    action: str | None = None


@dataclass(frozen=True, slots=True)
class Form:
    """One form. `checkpoint`: the newest that is signed; the paper is a mark of it. `entries`: the journal's size."""

    asked: Asked
    acts: tuple[Act, ...]
    entries: int
    checkpoint: Checkpoint | None


def form(db: Database, asked: Asked) -> Form:
    """The acts asked for, oldest first, with what they are signed by. ApplianceError for no such exam, or too many."""
    if asked.exam is not None:
        exams.get(db, asked.exam)
    found = acts.acts(
        db, exam=asked.exam, since=asked.since, until=asked.until, room=asked.room, person=asked.person,
        action=asked.action, oldest_first=True, limit=MOST_ROWS + 1,
    )  # fmt: skip
    if len(found) > MOST_ROWS:
        raise ApplianceError(TOO_LONG, most=MOST_ROWS)
    return Form(asked, tuple(found), journal.head(db)[0], checkpoints.latest(db))


def day(config: Config, on: datetime) -> tuple[datetime, datetime]:
    """The day of an instant on the site's clock, from midnight to midnight."""
    midnight = on.astimezone(config.site.zone).replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight, midnight + timedelta(days=1)


def note_print(db: Database, clock: Clock, by: Actor, printed: Form) -> int:
    """Enter that the form was printed: paper that leaves the box is a mark of the journal outside it.

    Opens its own transaction; returns the entry's number.
    """
    size = printed.checkpoint.size if printed.checkpoint else None
    with store.transaction(db):
        seq = journal.append(db, clock, "journal.printed", by, exam=printed.asked.exam, rows=len(printed.acts),
                             size=size)  # fmt: skip
        if size is not None:
            anchors.note(db, clock, size, "print", f"form {seq}", by.id)
    return seq


def cells(config: Config, words: Words, act: Act) -> list[str]:
    """One row of the form, a text a column."""
    started = words.local(act.started_at)
    answer = act.answer
    signer = answer.signer if answer is not None and act.state == "confirmed" else None
    refused = ""
    if answer is not None and signer is None:
        refused = words.say(N_("{name} declined: {word}"), name=answer.signer.name, word=answer.word)
    return [
        str(act.seq), words.day(started), rooms_named(config, words, act.rooms), words.minute(act.started_at),
        _ended(words, act), _action(words, act), *_person(words, act.executor), "",
        *(_person(words, signer) if signer else (refused, "")), _signed(config, words, act) if signer else "",
    ]  # fmt: skip


def _ended(words: Words, act: Act) -> str:
    if act.ended_at is None:
        return words.say(N_("in progress"))
    begun, ended = words.local(act.started_at).date(), words.local(act.ended_at).date()
    return words.minute(act.ended_at) if begun == ended else f"{words.day(ended)} {words.minute(act.ended_at)}"


def rooms_named(config: Config, words: Words, codes: Iterable[str]) -> str:
    """0001, 0001–0017; a room without a number goes by its name."""
    names = {room.code: room.code if room.code.isdigit() else room.name.in_(words.language) for room in config.rooms}
    return "–".join(names.get(code, code) for code in codes)


def _action(words: Words, act: Act) -> str:
    told = f": {words.say('{reason}', reason=act.reason)}" if act.reason or isinstance(act.reason, Gone) else ""
    said = [act.title[words.language] + told]
    if act.corrects is not None:
        said.append(words.say(N_("Corrects no. {number}"), number=str(act.corrects)))
    if act.corrected_by is not None:
        said.append(words.say(N_("Corrected by no. {number}"), number=str(act.corrected_by)))
    return ". ".join(part.rstrip(".") for part in said)


def _person(words: Words, who: Signer) -> tuple[str, str]:
    return words.say("{name}", name=who.name), who.post[words.language]


def _signed(config: Config, words: Words, act: Act) -> str:
    """How the responsible person signed in the box; nothing where the profile has paper signed."""
    if act.answer is None or config.profile.journal.signed_on_paper:
        return ""
    return words.say(N_("{how}, {moment}"), how=words.say(HOW[act.answer.how]), moment=words.moment(act.answer.at))


def as_csv(config: Config, found: Form, language: Language) -> bytes:
    """The form as a table for spreadsheets: UTF-8 with its mark, the delimiter this language's programs expect."""
    words = Words(language, config.site.zone)
    heads = [f"{words.say(over)}: {words.say(name)}" if over else words.say(name) for over, name in COLUMNS]
    into = io.StringIO()
    writer = csv.writer(into, delimiter=";" if language == "ru" else ",", lineterminator="\r\n")
    rows = [heads, *(cells(config, words, act) for act in found.acts)]
    writer.writerows([[f"'{cell}" if cell.startswith(FORMULAS) else cell for cell in row] for row in rows])
    return into.getvalue().encode("utf-8-sig")


def as_json(db: Database, config: Config, found: Form) -> dict[str, Any]:
    """The same facts for programs, with the checkpoint they are under. Instants are UTC; an erased name is null."""
    site, head = config.site, found.checkpoint
    return {
        "title": config.profile.titles.journal.model_dump(),
        "site": {"code": site.code, "name": site.name.model_dump(), "address": site.address, "region": site.region},
        "exam": found.asked.exam,
        "from": None if found.asked.since is None else iso(found.asked.since),
        "to": None if found.asked.until is None else iso(found.asked.until),
        "journal": {
            "entries": found.entries, "origin": identity.of(db).origin,
            "checkpoint": None if head is None else {
                "size": head.size, "root": head.root.hex(), "spoken": checkpoints.spoken(head.root), "note": head.note},
        },
        "rows": [_row(act) for act in found.acts],
    }  # fmt: skip


def _row(act: Act) -> dict[str, Any]:
    answer = act.answer
    return {
        "number": act.seq, "recorded_at": act.at, "rooms": list(act.rooms), "started_at": act.started_at,
        "ended_at": act.ended_at, "action": act.action, "title": dict(act.title), "reason": _said(act.reason),
        "executor": _who(act.executor), "state": act.state,
        "answer": None if answer is None else {
            "number": answer.seq, "at": answer.at, "state": answer.state, "how": answer.how, "word": _said(answer.word),
            **_who(answer.signer)},
        "corrects": act.corrects, "corrected_by": act.corrected_by,
    }  # fmt: skip


def _who(signer: Signer) -> dict[str, Any]:
    return {"name": _said(signer.name), "post": dict(signer.post)}


def _said(text: str) -> str | None:
    return None if isinstance(text, Gone) else text
