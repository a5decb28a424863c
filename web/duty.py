"""The shift: what there is to hand over, two signatures on one screen, and the report."""

from __future__ import annotations

from flask import Blueprint, Response, redirect, request, url_for
from flask.typing import ResponseReturnValue

from appliance import accounts, duty, paper_mark, prints
from appliance.journal import Entry
from appliance.model import N_, ApplianceError, Message, Role, message
from web import context
from web.rights import needs

views = Blueprint("duty", __name__)


@views.get("/duty")
@needs("duty.hand")
def shift() -> ResponseReturnValue:
    return _shift_page()


def _shift_page(refusal: Message | None = None, status: int = 200) -> ResponseReturnValue:
    db, config = context.database(), context.config()
    guards = [who for who in accounts.people(db) if who.role is Role.SECURITY and not who.disabled]
    others = [who for who in guards if who.login != context.person().login]
    return context.page(
        "duty.html", shift=duty.shift(db, config, context.now()), others=others, refusal=refusal,
        typed={name: request.form.get(name, "") for name in ("taking", "remarks")},
    ), status  # fmt: skip


@views.post("/duty")
@needs("duty.hand")
def hand_over() -> ResponseReturnValue:
    """Who is signed in hands over; the other one signs beside them with their own password."""
    house, form = context.house(), request.form
    try:
        number = duty.hand_over(
            context.database(), house.config, house.clock, (context.person().login, form.get("password", "")),
            (form.get("taking", ""), form.get("taking_password", "")), form.get("remarks", ""),
            number=form.get("number", default=-1, type=int), address=request.remote_addr or "unknown",
        )  # fmt: skip
    except ApplianceError as refused:
        return _shift_page(refused.message, 409)
    context.tell(message(N_("Duty is handed over, recorded under no. {number}."), number=number))
    return redirect(url_for("duty.report", seq=number))


def trusted() -> bool:
    """Silent calls for help are for security alone."""
    return context.person().role is Role.SECURITY


def _entry(seq: int) -> Entry:
    entry = duty.handed(context.database(), seq)
    if entry is None:
        raise ApplianceError(N_("Entry no. {number} is no hand-over of duty."), number=seq)
    return entry


@views.get("/duty/<int:seq>")
@needs("alarms.read")
def report(seq: int) -> ResponseReturnValue:
    entry = _entry(seq)
    title = context.config().profile.titles.duty.in_(context.words().language)
    return context.page("duty_report.html", entry=entry, title=title,
                        sections=prints.duty_sections(context.words(), entry, silent=trusted()))  # fmt: skip


@views.get("/duty/<int:seq>.pdf")
@needs("alarms.read")
def pdf(seq: int) -> ResponseReturnValue:
    mark = paper_mark.newest(context.database())
    data = prints.duty_pdf(context.config(), _entry(seq), context.now(), mark, silent=trusted())
    return _file(data, "application/pdf", f"duty-{seq}.pdf")


@views.get("/duty/<int:seq>.csv")
@needs("alarms.read")
def csv(seq: int) -> ResponseReturnValue:
    data = prints.duty_csv(context.config(), _entry(seq), silent=trusted())
    return _file(data, "text/csv", f"duty-{seq}.csv")


def _file(data: bytes, kind: str, name: str) -> Response:
    return Response(data, mimetype=kind, headers={"Content-Disposition": f'attachment; filename="{name}"'})
