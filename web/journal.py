"""The journal's pages: reading it, one entry, the technician's explanation, the head's review."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Blueprint, redirect, request, url_for
from flask.typing import ResponseReturnValue

from appliance import exams, journal, kinds
from appliance.config import Config
from appliance.journal import Entry
from appliance.model import N_, ApplianceError, Message, Role, message
from appliance.store import Database
from web import context, rights
from web.failures import NotAllowed
from web.rights import needs

views = Blueprint("journal", __name__)

PAGE = 50  # entries on one page
VERDICTS = ("accepted", "asked", "refused")

# What the filter offers: the subject of an entry is the first word of its kind.
SUBJECTS = {
    "access": N_("Actions at the equipment"),
    "door": N_("Doors"),
    "alarm": N_("Alarms"),
    "test": N_("Tests of the alarm system"),
    "duty": N_("Duty"),
    "recording": N_("Recording"),
    "camera": N_("Cameras"),
    "checks": N_("Checks"),
    "journal": N_("Explanations and reviews"),
    "export": N_("Hand-over"),
    "exam": N_("Exams"),
    "panel": N_("Panels"),
    "signin": N_("Sign-ins"),
    "service": N_("Services"),
}
STATES = {
    "unexplained": N_("Unexplained"),
    "asked": N_("Asked back"),
    "explained": N_("Explained, waits for the head"),
    "accepted": N_("Confirmed"),
    "refused": N_("Refused"),
    "plain": "",
}


@dataclass(frozen=True, slots=True)
class Line:
    """An entry as a page shows it. `state` is a key of STATES."""

    entry: Entry
    state: str
    answers: tuple[Entry, ...]


def line(db: Database, entry: Entry) -> Line:
    """The entry with what was answered to it."""
    found = tuple(journal.answers(db, entry.seq))
    if "waits" not in entry.data:
        return Line(entry, "plain", found)
    reviews = [answer for answer in found if answer.kind == "journal.reviewed"]
    closing = [review for review in reviews if review.data["verdict"] in ("accepted", "refused")]
    if closing:
        return Line(entry, str(closing[0].data["verdict"]), found)
    last = found[-1] if found else None
    if last is None:
        return Line(entry, "unexplained", found)
    return Line(entry, "explained" if last.kind == "journal.explained" else "asked", found)


def waiting_for(db: Database, right: str) -> list[Line]:
    """What waits for the technician (unexplained, asked back) or for the head (everything open, explained first)."""
    lines = [line(db, entry) for entry in journal.waiting(db)]
    if right == "journal.explain":
        return [found for found in lines if found.state in ("unexplained", "asked")]
    order = {"explained": 0, "unexplained": 1, "asked": 2}
    return sorted(lines, key=lambda found: (order[found.state], found.entry.seq))


VERDICT_WORDS = {"accepted": N_("confirmed"), "asked": N_("asked back"), "refused": N_("refused")}


def sentence(entry: Entry) -> Message:
    """The entry as people read it: roles and verdicts by their titles instead of their keys."""
    said = kinds.sentence(entry)
    args = dict(said.args)
    if args.get("role") in set(Role):
        args["role"] = context.role_title(str(args["role"]))
    if args.get("verdict") in VERDICT_WORDS:
        args["verdict"] = message(VERDICT_WORDS[str(args["verdict"])])
    return Message(said.text, args)


@views.get("/journal")
@needs("journal.read")
def entries() -> ResponseReturnValue:
    db = context.database()
    subject, exam = request.args.get("subject", ""), request.args.get("exam", "")
    before = request.args.get("before", type=int)
    everything = context.may("journal.all")
    wanted = [kind for kind in kinds.KINDS if kind.partition(".")[0] == subject] if subject in SUBJECTS else []
    found = _own(db, before) if not everything else journal.entries(
        db, before=before, exam=exam or None, kinds=wanted, newest_first=True, limit=PAGE)  # fmt: skip
    seen = request.args.get("seen", type=int)  # the head when the page was opened: a live page never pushes its rows
    if seen is not None and before is None:
        fresh = sum(1 for entry in found if entry.seq > seen)
        found = [entry for entry in found if entry.seq <= seen]
    else:
        fresh, seen = 0, journal.head(db)[0]
    return context.page(
        "journal.html", lines=[line(db, entry) for entry in found], say=sentence, states=STATES,
        subjects=SUBJECTS, subject=subject, exam=exam, exams=exams.exams(db), everything=everything,
        head=journal.head(db), seen=seen, fresh=fresh, more=len(found) + fresh >= PAGE, before=before,
    )  # fmt: skip


def _own(db: Database, before: int | None) -> list[Entry]:
    """What this person did themselves; looked for among the newest entries only, which is what the duty needs."""
    recent = journal.entries(db, before=before, newest_first=True, limit=2000)
    return [entry for entry in recent if entry.actor.id == context.person().login][:PAGE]


@views.get("/journal/waiting")
@needs("journal.all")
def waiting() -> ResponseReturnValue:
    """What the head is asked about, first of all; the technician sees what still needs their word."""
    db = context.database()
    right = "journal.review" if context.may("journal.review") else "journal.explain"
    reviewed = journal.entries(db, kinds=["journal.reviewed"], newest_first=True, limit=1)
    return context.page(
        "waiting.html", lines=waiting_for(db, right), say=sentence, states=STATES,
        head=journal.head(db), last_review=reviewed[0] if reviewed else None,
    )  # fmt: skip


@views.get("/journal/<int:seq>")
@needs("journal.read")
def entry(seq: int) -> ResponseReturnValue:
    return _entry_page(seq)


def _entry_page(seq: int, refusal: object = None, word: str = "", status: int = 200) -> ResponseReturnValue:
    db = context.database()
    found = journal.get(db, seq)
    if not context.may("journal.all") and found.actor.id != context.person().login:
        raise NotAllowed("journal.all")
    shown = line(db, found)
    return context.page(
        "entry.html", line=shown, say=sentence, states=STATES, refusal=refusal, word=word,
        facts=_facts(context.config(), found), about=[journal.get(db, ref) for ref in found.refs],
        head=journal.head(db)[0],
    ), status  # fmt: skip


def _facts(config: Config, found: Entry) -> list[tuple[str, str]]:
    """What the entry's data says, one figure a line, for whoever wants to see behind the sentence."""
    return [(name, str(value)) for name, value in sorted(found.data.items()) if not isinstance(value, dict | list)]


@views.post("/journal/<int:seq>/explain")
@needs("journal.explain")
def explain(seq: int) -> ResponseReturnValue:
    word = request.form.get("word", "")[:2000]
    try:
        number = journal.explain(context.database(), context.house().clock, seq, context.person(), word)
    except ApplianceError as refused:
        return _entry_page(seq, refused.message, word, 409)
    return _written(seq, number)


@views.post("/journal/<int:seq>/review")
@needs("journal.review")
def review(seq: int) -> ResponseReturnValue:
    word, verdict = request.form.get("word", "")[:2000], request.form.get("verdict", "")
    try:
        if verdict not in VERDICTS:
            raise ApplianceError(N_("Choose an answer: accept, ask back or refuse."))
        number = journal.review(context.database(), context.house().clock, seq, context.person(), verdict, word)
    except ApplianceError as refused:
        return _entry_page(seq, refused.message, word, 409)
    return _written(seq, number)


def _written(seq: int, number: int) -> ResponseReturnValue:
    at = journal.get(context.database(), number).at
    context.tell(message(N_("Recorded, no. {number}, {when_at}"), number=number, when_at=at))
    waits = rights.allows(context.person().role, "journal.review") and journal.waiting(context.database())
    return redirect(url_for("journal.waiting") if waits else url_for("journal.entry", seq=seq))
