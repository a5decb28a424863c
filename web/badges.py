"""Cards and security keys of a person, kept by the administrator: each is given with that person's own password."""

from __future__ import annotations

from flask import Blueprint, jsonify, redirect, request, url_for
from flask.typing import ResponseReturnValue

from appliance import accounts, badges, passkeys
from appliance.model import N_, ApplianceError, Message, message
from web import context
from web.access import relying_party
from web.rights import needs

views = Blueprint("badges", __name__)


@views.get("/people/<login>/cards")
@needs("people.change")
def cards(login: str) -> ResponseReturnValue:
    return _page(login)


def _page(login: str, refusal: Message | None = None, status: int = 200) -> ResponseReturnValue:
    db = context.database()
    return context.page(
        "cards.html", who=accounts.get(db, login), cards=badges.of(db, login), keys=passkeys.of(db, login),
        here=relying_party(), refusal=refusal, label=request.form.get("label", ""),
    ), status  # fmt: skip


@views.post("/people/<login>/cards")
@needs("people.change")
def give(login: str) -> ResponseReturnValue:
    """A card that the reader typed, or a key that answered the browser."""
    db, house, form = context.database(), context.house(), request.form
    address, password, label = request.remote_addr or "unknown", form.get("password", "")[:1000], form.get("label", "")
    me = context.person()
    try:
        if form.get("answer"):
            passkeys.register(db, house.config, house.clock, me, login, password, relying_party(), form["answer"],
                              label, address)  # fmt: skip
        else:
            badges.give(db, house.config, house.clock, me, login, password, form.get("card", "")[:300], label, address)
    except ApplianceError as refused:
        return _page(login, refused.message, 409)
    context.tell(message(N_("{label} is now {name}'s."), label=label.strip()[:60], name=accounts.get(db, login).name))
    return redirect(url_for("badges.cards", login=login))


@views.post("/people/<login>/cards/question")
@needs("people.change")
def invite(login: str) -> ResponseReturnValue:
    """What the browser gives a new security key to register itself with."""
    db, house = context.database(), context.house()
    who = accounts.get(db, login)
    return jsonify(passkeys.invite(db, house.config, house.clock, relying_party(), who))


@views.post("/people/<login>/cards/<sort>/<int:number>/revoke")
@needs("people.change")
def revoke(login: str, sort: str, number: int) -> ResponseReturnValue:
    """The safe direction is one press: what is revoked by mistake is given anew."""
    db, house, me = context.database(), context.house(), context.person()
    held = [one.id for one in (badges.of(db, login) if sort == "card" else passkeys.of(db, login))]
    if sort not in ("card", "key") or number not in held:
        raise ApplianceError(N_("This person holds no such card or key."))
    revoked = badges.revoke if sort == "card" else passkeys.revoke
    revoked(db, house.clock, me, number)
    context.tell(message(N_("Revoked. It opens nothing from now on.")))
    return redirect(url_for("badges.cards", login=login))
