"""Marks of the journal outside the box: how old the newest is, the head's stick, and how the witnesses answer."""

from __future__ import annotations

import secrets

from flask import Blueprint, redirect, request, url_for
from flask.typing import ResponseReturnValue

from appliance import anchors, orders, stick, witness
from appliance.model import N_, ApplianceError, Message, message
from web import context
from web.rights import needs

views = Blueprint("marks", __name__)

KINDS = {
    "print": N_("On paper"),
    "export": N_("In a hand-over"),
    "stick": N_("On the head's stick"),
    "witness": N_("Signed by a witness"),
    "copied": N_("Copied by hand"),
}
WITNESS = {
    "agrees": N_("Signs"),
    "silent": N_("Not heard"),
    "refuses": N_("Does not know this journal"),
    "contradicts": N_("Contradicts the journal"),
}


def standing() -> anchors.Standing:
    """How the journal stands outside the box now."""
    return anchors.standing(context.database(), context.config(), context.now())


@views.get("/journal/marks")
@needs("marks.read")
def marks() -> ResponseReturnValue:
    return _page()


def _page(refusal: Message | None = None, status: int = 200) -> ResponseReturnValue:
    db, config = context.database(), context.config()
    return context.page(
        "marks.html",
        standing=standing(),
        marks=anchors.recent(db),
        kinds=KINDS,
        witnesses=[(each.name, witness.known(db).get(each.name)) for each in config.witnesses],
        words_of=WITNESS,
        order=next(iter(orders.recent(db, stick.KIND, 1)), None),
        targets=config.export_targets,
        found=stick.FOUND,
        file=stick.file_name(config),
        key=secrets.token_urlsafe(12),
        refusal=refusal,
    ), status


@views.post("/journal/marks")
@needs("marks.make")
def make() -> ResponseReturnValue:
    db, config = context.database(), context.config()
    target = request.form.get("target", "")[:40]
    try:
        if target not in {stick.FOUND, *(each.id for each in config.export_targets)}:
            raise ApplianceError(N_("Choose where the stick is."))
        who = context.person()
        orders.place(db, context.house().clock, stick.KIND, {"target": target}, who,
                     key=f"{who.login}:{request.form.get('key', '')[:40]}")  # fmt: skip
    except ApplianceError as refused:
        return _page(refused.message, 409)
    context.tell(message(N_("The box marks your stick now. Leave it in until this page says so.")))
    return redirect(url_for("marks.marks"))
