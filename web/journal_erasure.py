"""Lawful erasure on the pages: the administrator asks, the head of site agrees or refuses, nothing goes before both."""

from __future__ import annotations

import secrets
from datetime import date, datetime, time

from flask import Blueprint, redirect, request, url_for
from flask.typing import ResponseReturnValue

from appliance import accounts, erasure, orders
from appliance.model import N_, ApplianceError, Message, Person, message
from web import access, context
from web.rights import needs

views = Blueprint("journal_erasure", __name__)

STATES = {  # order state -> (look, icon, word); it is done in the very moment the head agrees
    "waits": ("ask", "hourglass", N_("Waits for the head")),
    "done": ("plain", "check", N_("Erased")),
    "refused": ("outline", "x", N_("Refused")),
}
FIELDS = ("login", "before", "ground", "key")
SHOWN = 40  # entry numbers named on the page; of more it says how many


@views.get("/journal/erasures")
@needs("erasure.read")
def requests_() -> ResponseReturnValue:
    return context.page("erasures.html", orders=orders.recent(context.database(), erasure.KIND, 50), states=STATES)


@views.get("/journal/erasures/ask")
@needs("erasure.ask")
def ask() -> ResponseReturnValue:
    """First whose data and how much of it, then what that would take, then the ground."""
    typed = dict.fromkeys(FIELDS, "") | {name: request.args.get(name, "").strip()[:100] for name in ("login", "before")}
    return _ask_page(typed | {"key": secrets.token_urlsafe(12)}, "words" in request.args)


def _ask_page(
    typed: dict[str, str], words: bool, refusal: Message | None = None, status: int = 200
) -> ResponseReturnValue:
    db, plan = context.database(), None
    if typed["login"]:
        try:
            plan = erasure.plan(db, typed["login"], before=_before(typed["before"]), words=words)
        except ApplianceError as refused:
            refusal, status = refused.message, 409
    people = [who for who in accounts.people(db) if not (who.disabled and who.name == who.login)]  # erased ones
    return context.page("erasure_ask.html", typed=typed, words_too=words, plan=plan, people=people, refusal=refusal,
                        shown=SHOWN), status  # fmt: skip


def _before(day: str) -> datetime | None:
    if not day:
        return None
    try:
        return datetime.combine(date.fromisoformat(day), time(), context.config().site.zone)
    except ValueError:
        raise ApplianceError(N_("Say the day, like 2026-11-22.")) from None


@views.post("/journal/erasures/ask")
@needs("erasure.ask")
def place() -> ResponseReturnValue:
    typed = {name: request.form.get(name, "").strip()[:300] for name in FIELDS}
    words, me = "words" in request.form, context.person()
    try:
        number = erasure.ask(
            context.database(), context.house().clock, me, typed["login"], typed["ground"],
            before=_before(typed["before"]), words=words, key=f"{me.login}:{typed['key']}",
        )  # fmt: skip
    except ApplianceError as refused:
        return _ask_page(typed, words, refused.message, 409)
    context.tell(message(N_("The head of site has been asked. Nothing is erased before they agree.")))
    return redirect(url_for("journal_erasure.order", order_id=number))


@views.get("/journal/erasures/<int:order_id>")
@views.get("/journal/erasures/<int:order_id>/<any(agree, refuse):said>")  # what a refused press leaves in the address
@needs("erasure.read")
def order(order_id: int, said: str = "") -> ResponseReturnValue:
    return _order_page(order_id)


def _order_page(order_id: int, refusal: Message | None = None, status: int = 200) -> ResponseReturnValue:
    db = context.database()
    found = erasure.get(db, order_id)
    plan = None
    if found.state == "waits":
        try:
            plan = erasure.plan_of(db, found)
        except ApplianceError as impossible:  # the account was not disabled then and is in use, say
            refusal = refusal or impossible.message
    return context.page(
        "erasure.html", order=found, states=STATES, plan=plan, refusal=refusal, word=request.form.get("word", ""),
        asker=accounts.get(db, found.asked_by), answerer=found.agreed_by and accounts.get(db, found.agreed_by),
        whose=_whose(found.args["login"]), signed_until=access.signed_until(), shown=SHOWN,
    ), status  # fmt: skip


def _whose(login: str) -> Person | None:
    """The person whose data it is about, while there still is such an account."""
    return next((who for who in accounts.people(context.database()) if who.login == login), None)


@views.post("/journal/erasures/<int:order_id>/agree")
@needs("erasure.agree")
def agree(order_id: int) -> ResponseReturnValue:
    db, house = context.database(), context.house()
    try:
        access.myself(0)  # it cannot be taken back: the head proves that it is them
        done = erasure.agree(db, house.config, house.clock, order_id, context.person(),
                             shown=request.form.get("mark", ""))  # fmt: skip
    except ApplianceError as refused:
        return _order_page(order_id, refused.message, 409)
    context.tell(message(N_("Erased: {values} values in {entries} entries."), values=len(done.openings),
                         entries=done.entries))  # fmt: skip
    return redirect(url_for("journal_erasure.order", order_id=order_id))


@views.post("/journal/erasures/<int:order_id>/refuse")
@needs("erasure.agree")
def refuse(order_id: int) -> ResponseReturnValue:
    db, word = context.database(), request.form.get("word", "").strip()[:500]
    try:
        erasure.get(db, order_id)
        orders.refuse(db, context.house().clock, order_id, context.person(), word)
    except ApplianceError as refused:
        return _order_page(order_id, refused.message, 409)
    context.tell(message(N_("You refused. Nothing was erased.")))
    return redirect(url_for("journal_erasure.order", order_id=order_id))
