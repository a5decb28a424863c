"""The access journal's official form: what would be printed, the print itself, and the same for spreadsheets."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta
from itertools import groupby

from flask import Blueprint, Response, request
from flask.typing import ResponseReturnValue

from appliance import exams, journal_form, journal_paper
from appliance.exams import Exam
from appliance.journal_form import Asked, Form
from appliance.model import LANGUAGES, N_, Actor, ApplianceError, Language
from appliance.words import Words
from web import context
from web.cameras import todays_exam
from web.journal import choices
from web.rights import needs

views = Blueprint("journal_form", __name__)

SHOWN = 200  # rows of a page; the print has them all
HEADS = [(over, [name for _, name in names]) for over, names in groupby(journal_form.COLUMNS, lambda each: each[0])]
FIELDS = ("exam", "from", "to", "room", "person", "action", "language")


def _given() -> dict[str, str]:
    """What the address asks; of nothing asked, today's exam or today."""
    given = {name: request.values.get(name, "").strip()[:100] for name in FIELDS}
    if not any(given.values()) and "exam" not in request.values:
        exam = todays_exam(context.database(), context.config())
        today = context.words().local(context.now()).date().isoformat()
        given |= {"exam": exam.id} if exam is not None else {"from": today, "to": today}
    return given


def _asked(given: dict[str, str]) -> Asked:
    since, until = _midnight(given["from"]), _midnight(given["to"], after=True)
    return Asked(given["exam"] or None, since, until, given["room"] or None, given["person"] or None,
                 given["action"] or None)  # fmt: skip


def _midnight(text: str, *, after: bool = False) -> datetime | None:
    """The beginning of a day of the site's clock, or of the day after it."""
    if not text:
        return None
    try:
        day = date.fromisoformat(text) + timedelta(days=after)
    except (ValueError, OverflowError):
        raise ApplianceError(N_("This is no day: {text}. Write it like 2026-11-22."), text=text) from None
    return datetime.combine(day, datetime.min.time(), context.config().site.zone)


def _language(given: dict[str, str]) -> Language:
    """The form is the site's unless somebody asks for the other edition."""
    asked = given["language"]
    return ("ru" if asked == "ru" else "en") if asked in LANGUAGES else context.config().site.language


def _exam(found: Form) -> Exam | None:
    return exams.get(context.database(), found.asked.exam) if found.asked.exam else None


@views.get("/journal/form")
@needs("journal.all")
def form() -> ResponseReturnValue:
    db, config, given = context.database(), context.config(), _given()
    refusal, found = None, Form(Asked(), (), 0, None)
    try:
        found = journal_form.form(db, _asked(given))
    except ApplianceError as refused:
        refusal = refused.message
    language = _language(given)
    words = Words(language, config.site.zone)
    rows = [(act, journal_form.cells(config, words, act)) for act in found.acts[-SHOWN:]]
    return context.page(
        "journal_form.html", given=given, refusal=refusal, rows=rows,
        count=len(found.acts), shown=SHOWN, columns=journal_form.COLUMNS, heads=HEADS, language=language,
        head=found.checkpoint, form_words=words, **choices(db),
    ), 200 if refusal is None else 409  # fmt: skip


@views.post("/journal/form.pdf")
@needs("journal.all")
def pdf() -> ResponseReturnValue:
    """The print. A press and no link: that it was printed is entered, and the paper is a mark of the journal."""
    db, house, given = context.database(), context.house(), _given()
    found = journal_form.form(db, _asked(given))
    paper = journal_paper.pdf(house.config, found, _exam(found), _language(given), context.now())
    journal_form.note_print(db, house.clock, Actor.person(context.person()), found)
    return _file(paper, "application/pdf", "pdf")


@views.get("/journal/form.csv")
@needs("journal.all")
def csv() -> ResponseReturnValue:
    given = _given()
    found = journal_form.form(context.database(), _asked(given))
    return _file(journal_form.as_csv(context.config(), found, _language(given)), "text/csv", "csv")


@views.get("/journal/form.json")
@needs("journal.all")
def as_json() -> ResponseReturnValue:
    db = context.database()
    said = journal_form.as_json(db, context.config(), journal_form.form(db, _asked(_given())))
    return _file(json.dumps(said, ensure_ascii=False, indent=2).encode(), "application/json", "json")


def _file(data: bytes, kind: str, ending: str) -> Response:
    name = f"access-journal-{context.words().local(context.now()).date().isoformat()}.{ending}"
    return Response(data, mimetype=kind, headers={"Content-Disposition": f'attachment; filename="{name}"'})
