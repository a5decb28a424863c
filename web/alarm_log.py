"""The alarm log of a day, conclusions, and its prints."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from flask import Blueprint, Response, redirect, request, url_for
from flask.typing import ResponseReturnValue

from appliance import alarm_log, paper_mark, prints
from appliance.model import N_, ApplianceError, Message, Role, message
from web import context
from web.rights import needs

views = Blueprint("alarm_log", __name__)


def asked_day() -> date:
    """The day in the address, today when there is none."""
    try:
        return date.fromisoformat(request.args.get("day", ""))
    except ValueError:
        return context.words().local(context.now()).date()


def span(day: date) -> tuple[datetime, datetime]:
    """From midnight to midnight on the site's clock."""
    midnight = datetime.combine(day, datetime.min.time(), context.config().site.zone)
    after = datetime.combine(day + timedelta(days=1), datetime.min.time(), context.config().site.zone)
    return midnight, after


def lines_of(day: date) -> tuple[alarm_log.Line, ...]:
    trusted = context.person().role is Role.SECURITY
    return alarm_log.lines(context.database(), context.config(), *span(day), silent=trusted)


@views.get("/alarms/log")
@needs("alarms.read")
def log() -> ResponseReturnValue:
    day = asked_day()
    found = lines_of(day)
    rows = list(zip(found, alarm_log.cells(context.words(), found), strict=True))
    return context.page(
        "alarm_log.html", day=day, today=context.words().local(context.now()).date(), rows=rows,
        columns=alarm_log.COLUMNS, open=alarm_log.open_count(found), before=day - timedelta(days=1),
        after=day + timedelta(days=1), title=context.config().profile.titles.alarm_log.in_(context.words().language),
    )  # fmt: skip


@views.get("/alarms/log.pdf")
@needs("alarms.read")
def pdf() -> ResponseReturnValue:
    day = asked_day()
    mark = paper_mark.newest(context.database())
    data = prints.alarm_log_pdf(context.config(), lines_of(day), span(day), context.now(), mark)
    return _file(data, "application/pdf", f"alarm-log-{day.isoformat()}.pdf")


@views.get("/alarms/log.csv")
@needs("alarms.read")
def csv() -> ResponseReturnValue:
    day = asked_day()
    return _file(prints.alarm_log_csv(context.config(), lines_of(day)), "text/csv", f"alarm-log-{day.isoformat()}.csv")


def _file(data: bytes, kind: str, name: str) -> Response:
    return Response(data, mimetype=kind, headers={"Content-Disposition": f'attachment; filename="{name}"'})


@views.get("/alarms/<int:alarm_id>/conclusion")
@needs("alarms.conclude")
def conclusion(alarm_id: int) -> ResponseReturnValue:
    return _conclusion_page(alarm_id)


def _conclusion_page(alarm_id: int, refusal: Message | None = None, status: int = 200) -> ResponseReturnValue:
    line = alarm_log.one(context.database(), context.config(), alarm_id)
    (cells,) = alarm_log.cells(context.words(), [line])
    return context.page("alarm_conclusion.html", line=line, cells=cells, refusal=refusal, columns=alarm_log.COLUMNS,
                        word=request.form.get("word", line.conclusion or "")), status  # fmt: skip


@views.post("/alarms/<int:alarm_id>/conclusion")
@needs("alarms.conclude")
def conclude(alarm_id: int) -> ResponseReturnValue:
    house = context.house()
    try:
        number = alarm_log.conclude(
            context.database(), house.config, house.clock, alarm_id, context.person(), request.form.get("word", "")
        )
    except ApplianceError as refused:
        return _conclusion_page(alarm_id, refused.message, 409)
    context.tell(message(N_("Written down, recorded under no. {number}."), number=number))
    line = alarm_log.one(context.database(), house.config, alarm_id)
    return redirect(url_for("alarm_log.log", day=context.words().local(line.at).date().isoformat()))
