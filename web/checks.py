"""The checklist: what is not passed first, with what to do; what is passed folded. Running it again is an order."""

from __future__ import annotations

from collections.abc import Iterable

from flask import Blueprint, redirect, url_for
from flask.typing import ResponseReturnValue

from appliance import accounts, exams, orders
from appliance.checks import results
from appliance.checks.results import Result, Run
from appliance.model import N_, ApplianceError, Person, message
from appliance.orders import Order
from appliance.store import Database
from web import context
from web.cameras import todays_exam
from web.rights import needs

views = Blueprint("checks", __name__)

# verdict -> (look of the chip, icon, word)
VERDICTS = {
    "failed": ("fault", "triangle-alert", N_("Not passed")),
    "silent": ("unknown", "unplug", N_("No answer")),
    "broke": ("fault", "circle-x", N_("The check broke down")),
    "remark": ("remark", "triangle-alert", N_("With a remark")),
    "passed": ("plain", "check", N_("Passed")),
}


def latest(db: Database) -> Run | None:
    """The run the day is about: the newest of today's exam, else the newest of all."""
    exam = todays_exam(db, context.config())
    return (results.latest(db, exam=exam.id) if exam else None) or results.latest(db)


def not_passed(run: Run | None) -> list[Result]:
    """Failing first, then what does not answer, then remarks; the order within is the catalog's and holds."""
    found = [result for result in run.results if result.verdict != "passed"] if run else []
    return sorted(found, key=lambda result: results.WORST_FIRST.index(result.verdict))


def running(db: Database) -> Order | None:
    """The order to run the checks that is not finished yet."""
    newest = orders.recent(db, "checks", 1)
    return newest[0] if newest and newest[0].state in orders.OPEN else None


@views.get("/checklist")
@needs("checks.read")
def checklist() -> ResponseReturnValue:
    db, config = context.database(), context.config()
    run, exam = latest(db), todays_exam(db, config)
    due_at = dict(exams.phases(config, exam)).get("checks") if exam and exam.state == "planned" else None
    return context.page(
        "checklist.html", run=run, left=not_passed(run), verdicts=VERDICTS, running=running(db), exam=exam,
        due_at=due_at if due_at and due_at > context.now() else None, asker=_asker(db, run),
        groups=_groups(result for result in run.results if result.verdict == "passed") if run else {},
    )  # fmt: skip


def _groups(passed: Iterable[Result]) -> dict[str, list[Result]]:
    """Passed items by kind, one folded line each."""
    grouped: dict[str, list[Result]] = {}
    for result in passed:
        grouped.setdefault(result.title, []).append(result)
    return grouped


def _asker(db: Database, run: Run | None) -> Person | None:
    if run is None or not db.value("select 1 from person where login = ?", (run.asked_by,)):
        return None
    return accounts.get(db, run.asked_by)


@views.get("/checklist/<path:item>")
@needs("checks.read")
def item(item: str) -> ResponseReturnValue:
    db = context.database()
    run = latest(db)
    found = next((result for result in run.results if result.item == item), None) if run else None
    if run is None or found is None:
        raise ApplianceError(N_("The last checks had no item {item}. Open the checklist anew."), item=item)
    before = [(past.finished_at, result) for past in results.runs(db, 10) if past.id < run.id
              for result in past.results if result.item == item]  # fmt: skip
    return context.page("item.html", result=found, run=run, before=before[:5], verdicts=VERDICTS, running=running(db))


@views.post("/checklist/run")
@needs("checks.run")
def run() -> ResponseReturnValue:
    """Ask the keeper to run the checks now. Two presses on the same page are one order: its key is the run it saw."""
    db, config = context.database(), context.config()
    seen, exam = results.latest(db), todays_exam(db, config)
    if running(db) is None:
        orders.place(
            db, context.house().clock, "checks", {"exam": exam.id} if exam else {}, context.person(),
            key=f"checks after run {seen.id if seen else 0}",
        )  # fmt: skip
    context.tell(message(N_("The checks are running. This page shows what they find.")))
    return redirect(url_for("checks.checklist"))
