"""The journal's pages: finding and reading entries, one entry, the technician's explanation, the head's review."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Blueprint, g, redirect, request, url_for
from flask.typing import ResponseReturnValue

from appliance import access as acts
from appliance import accounts, exams, journal, journal_form, journal_search, kinds
from appliance.acts import STATEMENTS
from appliance.alarm_classes import SILENT
from appliance.config import Config
from appliance.journal import Entry
from appliance.journal_search import Found, Wanted
from appliance.model import N_, ApplianceError, Message, Role, message
from appliance.store import Database
from web import access, context, journal_entry, rights
from web.failures import NotAllowed
from web.rights import needs

views = Blueprint("journal", __name__)

PAGE = 50  # entries on one page
VERDICTS = ("accepted", "asked", "refused")
ANSWERED = {"access.confirmed", "access.declined", "access.corrected"}  # after which an act's question is over

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
FILTERS = ("day", "exam", "room", "person", "action", "subject")


@dataclass(frozen=True, slots=True)
class Line:
    """An entry as a page shows it. `state`: plain, unexplained, asked, explained, accepted, refused."""

    entry: Entry
    state: str
    answers: tuple[Entry, ...]


def line(db: Database, entry: Entry) -> Line:
    """The entry with what was answered to it."""
    found = tuple(journal.answers(db, entry.seq))
    if "waits" not in entry.data:
        return Line(entry, "asked" if entry.kind in STATEMENTS and _asked_back(found) else "plain", found)
    reviews = [answer for answer in found if answer.kind == "journal.reviewed"]
    closing = [review for review in reviews if review.data["verdict"] in ("accepted", "refused")]
    if closing:
        return Line(entry, str(closing[0].data["verdict"]), found)
    last = found[-1] if found else None
    if last is None:
        return Line(entry, "unexplained", found)
    return Line(entry, "explained" if last.kind == "journal.explained" else "asked", found)


def _asked_back(found: tuple[Entry, ...]) -> bool:
    """Whether an act still waits for its answer after a question that nobody has written about since."""
    talk = [answer for answer in found if answer.kind in ("journal.reviewed", "journal.explained")]
    return bool(talk) and talk[-1].kind == "journal.reviewed" and not {a.kind for a in found} & ANSWERED


def waiting_for(db: Database, right: str) -> list[Line]:
    """What waits for the technician (unexplained, asked back) or for the head (everything open), oldest first."""
    lines = [line(db, entry) for entry in journal.waiting(db)]
    if right == "journal.explain":
        lines += [line(db, journal.get(db, seq)) for seq in acts.asked_back(db)]
        return [found for found in lines if found.state in ("unexplained", "asked")]
    return lines


VERDICT_WORDS = {"accepted": N_("confirmed"), "asked": N_("asked back"), "refused": N_("refused")}


def sentence(entry: Entry) -> Message:
    """The entry as people read it: rooms, roles and verdicts by their names instead of their keys."""
    if _hushed(entry):
        return message(N_("A message of the panel; security has it"))
    said = kinds.sentence(entry)
    args = dict(said.args)
    if isinstance(rooms := entry.data.get("rooms"), list):
        args["rooms"] = journal_form.rooms_named(context.config(), context.words(), rooms) or None
    if args.get("role") in set(Role):
        args["role"] = context.role_title(str(args["role"]))
    if args.get("verdict") in VERDICT_WORDS:
        args["verdict"] = message(VERDICT_WORDS[str(args["verdict"])])
    return Message(said.text, args)


def _hushed(entry: Entry) -> bool:
    """Whether it tells of a silent call for help that still stands: who called must not be given away by a screen that
    others see. The row stays what it is; when the call is over its words are back."""
    if context.person().role is Role.SECURITY or context.config().profile.alarms.silent_loud:
        return False
    if "silent_calls" not in g:
        marks = ",".join("?" * len(SILENT))
        g.silent_calls = {row["entry"] for row in context.database().rows(
            f"select entry from alarm where (restored_at is null or acknowledged_at is null) and kind in ({marks})",  # noqa: S608
            sorted(SILENT))}  # fmt: skip
    return not g.silent_calls.isdisjoint((entry.seq, *entry.refs))


@views.get("/journal")
@needs("journal.read")
def entries() -> ResponseReturnValue:
    db = context.database()
    asked, before = wanted(), request.args.get("before", type=int)
    found = _find(db, asked, before)
    shown, fresh = list(found.entries), 0
    seen = request.args.get("seen", type=int)  # the head when the page was opened: a live page never pushes its rows
    if seen is not None and before is None:
        fresh = sum(1 for entry in shown if entry.seq > seen)
        shown = [entry for entry in shown if entry.seq <= seen]
    else:
        seen = journal.head(db)[0]
    everything = context.may("journal.all")
    return context.page(
        "journal.html", lines=[line(db, entry) for entry in shown], say=sentence, subjects=SUBJECTS, asked=asked,
        given=given(asked), everything=everything, head=journal.head(db), seen=seen, fresh=fresh, more=found.more,
        before=before, unknown=found.unknown, known=found.known, **(choices(db) if everything else {}),
    )  # fmt: skip


def wanted() -> Wanted:
    """What the address asks for. Whoever may not read it all finds their own entries and nothing else."""
    asked = {name: request.args.get(name, "").strip()[:200] for name in FILTERS}
    text = request.args.get("q", "")[:200]
    if not context.may("journal.all"):
        return Wanted(text=text, own=context.person().login, **asked | {"person": ""})
    return Wanted(text=text, **asked)


def given(asked: Wanted) -> dict[str, str]:
    """The same as arguments of an address, without what asks nothing."""
    said = {"q": asked.text, **{name: getattr(asked, name) for name in FILTERS}}
    return {name: value for name, value in said.items() if value}


def choices(db: Database) -> dict[str, object]:
    """What the filters offer."""
    return {"exams": exams.exams(db), "rooms": context.config().rooms, "people": accounts.people(db),
            "actions": context.config().profile.journal.action}  # fmt: skip


def _find(db: Database, asked: Wanted, before: int | None) -> Found:
    if not asked.nothing:
        return journal_search.find(db, context.config(), asked, before=before, limit=PAGE)
    rows = journal.entries(db, before=before, newest_first=True, limit=PAGE + 1)
    return Found(tuple(rows[:PAGE]), len(rows) > PAGE, journal.head(db)[0], 0)


@views.get("/journal/<int:seq>")
@needs("journal.read")
def entry(seq: int) -> ResponseReturnValue:
    return _entry_page(seq)


def _entry_page(seq: int, refusal: object = None, word: str = "", status: int = 200) -> ResponseReturnValue:
    db = context.database()
    found = journal.get(db, seq)
    if not context.may("journal.all") and found.actor.id != context.person().login:
        raise NotAllowed("journal.all")
    return context.page(
        "entry.html", line=line(db, found), say=sentence, states=access.STATES, how=access.HOW, refusal=refusal,
        word=word, facts=_facts(context.config(), found), about=[journal.get(db, ref) for ref in found.refs],
        head=journal.head(db)[0], around=journal_entry.around(db, found),
    ), status  # fmt: skip


def _facts(config: Config, found: Entry) -> list[tuple[str, str]]:
    """What the entry's data says, one figure a line, for whoever wants to see behind the sentence."""
    if _hushed(found):
        return []
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
    return redirect(url_for("journal_head.waiting") if waits else url_for("journal.entry", seq=seq))
