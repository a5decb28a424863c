"""Today: how long until, is it ready, what waits for me, what goes on now, what comes next. Read at arm's length."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from flask import Blueprint, url_for
from flask.typing import ResponseReturnValue

from appliance import coverage, erasure, exams, journal, orders
from appliance.checks.results import Result
from appliance.config import Config
from appliance.coverage import CameraCoverage
from appliance.exams import PHASES, Exam
from appliance.model import N_
from appliance.store import Database
from web import access, alarms, checks, context, marks
from web.cameras import plates_of, todays_exam
from web.health import SERVICE_WORDS, disks, late_services
from web.journal import waiting_for
from web.rights import needs

views = Blueprint("exams", __name__)


@dataclass(frozen=True, slots=True)
class Task:
    """One line that waits for this person, with the page where it is done."""

    tone: str
    drawing: str
    said: str
    href: str


@dataclass(frozen=True, slots=True)
class Totals:
    """Recorded against required, of all cameras of an exam so far."""

    required_s: float
    recorded_s: float
    gaps: int


@views.get("/")
@needs("today.read")
def today() -> ResponseReturnValue:
    db, config, now = context.database(), context.config(), context.now()
    exam, run = todays_exam(db, config), checks.latest(db)
    plates = plates_of(db, config)
    required = [plate for plate in plates if plate.window is not None]
    covered = coverage.summary(db, config, exam, now) if exam and exam.state != "cancelled" else []
    return context.page(
        "today.html",
        exam=exam,
        stage=_stage(config, exam, now),
        run=run,
        left=checks.not_passed(run),
        tasks=tasks(db),
        seen=alarms.seen(),
        required=len(required),
        recording=sum(1 for plate in required if plate.face.recording),
        plates=plates,
        totals=_totals(covered),
        covered=covered,
        coming=_coming(config, exam, now),
        phases=PHASES,
        following=_following(db, now, exam),
        exports=_running_exports(db),
        disks=[disk for disk in disks(db, config) if not disk.fine],
    )


def _stage(config: Config, exam: Exam | None, now: datetime) -> str:
    """none, before, during or after: which answer the page leads with."""
    if exam is None:
        return "none"
    begins_at, ends_at = exams.span(config, exam)
    if now < begins_at:
        return "before"
    return "during" if now <= ends_at and exam.state == "planned" else "after"


def _totals(covered: list[CameraCoverage]) -> Totals:
    return Totals(
        sum(camera.required_s for camera in covered),
        sum(camera.recorded_s for camera in covered),
        sum(len(camera.gaps) for camera in covered),
    )


def _coming(config: Config, exam: Exam | None, now: datetime) -> list[tuple[str, datetime]]:
    if exam is None or exam.state != "planned":
        return []
    return [(kind, at) for kind, at in exams.phases(config, exam) if at > now]


def _following(db: Database, now: datetime, today: Exam | None) -> Exam | None:
    """The next planned exam after today's."""
    later = [exam for exam in exams.exams(db, since=now) if exam.state == "planned" and exam.starts_at > now]
    return next((exam for exam in later if today is None or exam.id != today.id), None)


def _running_exports(db: Database) -> list[orders.Order]:
    return [order for order in orders.recent(db, "export", 5) if order.state in ("placed", "claimed")]


def tasks(db: Database) -> list[Task]:
    """What waits for this person, by what their role may do; the most urgent first."""
    words, found = context.words(), []
    if context.may("alarms.acknowledge") and (count := len(alarms.seen().unacknowledged)):
        found.append(
            Task(
                "fault",
                "bell-ring",
                words.plural("{n} alarm is not acknowledged", "{n} alarms are not acknowledged", count),
                url_for("alarms.board"),
            )
        )
    if context.may("export.agree"):
        asked = [order for order in orders.recent(db, "export", 20) if order.state == "waits"]
        found += [
            Task(
                "ask",
                "usb",
                words.say(N_("Recordings are to leave the site: your agreement is asked")),
                url_for("export.order", order_id=order.id),
            )
            for order in asked
        ]
    if context.may("erasure.agree"):
        said = words.say(N_("Personal data is to be erased: your agreement is asked"))
        found += [Task("ask", "users", said, url_for("journal_erasure.order", order_id=order.id))
                  for order in erasure.waiting(db)]  # fmt: skip
    if context.may("checks.run"):
        found += _failing(db)
    if context.may("journal.explain") and (count := len(waiting_for(db, "journal.explain"))):
        found.append(
            Task(
                "ask",
                "door-open",
                words.plural("{n} entry needs your explanation", "{n} entries need your explanation", count),
                url_for("journal_head.waiting"),
            )
        )
    if context.may("journal.review") and (count := len(journal.waiting(db))):
        found.append(
            Task(
                "ask",
                "book-open-check",
                words.plural("{n} entry waits for your review", "{n} entries wait for your review", count),
                url_for("journal_head.waiting"),
            )
        )
    if context.may("marks.read") and (standing := marks.standing()).state != "fresh":
        tone = "outline" if standing.state == "remark" else "fault"
        found.append(Task(tone, "usb", words.say(standing.said), url_for("marks.marks")))
    if context.may("access.confirm") and (acts := access.waiting()):
        said = words.plural("{n} action waits for your signature", "{n} actions wait for your signature", len(acts))
        found.append(Task("ask", "pen-line", said, url_for("access.act", seq=acts[0].seq)))
    if context.may("export.ask"):
        found += _to_hand_over(db)
    if context.may("system.read"):
        found += [
            Task(
                "fault",
                "server",
                words.say(N_("A service of the box is silent: {service}"), service=words.say(SERVICE_WORDS[name])),
                url_for("health.system"),
            )
            for name in late_services(db)
        ]
    return found


def _failing(db: Database) -> list[Task]:
    """Items that failed; one camera's silence fails several with the same words and is one line."""
    first: dict[str, Task] = {}
    for result in checks.not_passed(checks.latest(db)):
        if result.verdict != "remark":
            task = _check_task(result)
            first.setdefault(task.said, task)
    return list(first.values())


def _check_task(result: Result) -> Task:
    tone, drawing, _ = checks.VERDICTS[result.verdict]
    return Task(tone, drawing, context.words().say(result.found), url_for("checks.item", item=result.item))


def _to_hand_over(db: Database) -> list[Task]:
    """Sealed exams of the last days whose recordings nobody has handed over yet."""
    asked = {
        order.args.get("exam") for order in orders.recent(db, "export", 100) if order.state in (*orders.OPEN, "done")
    }
    sealed = [
        exam
        for exam in exams.exams(db, since=context.now() - timedelta(days=14))
        if exam.state == "closed" and exam.id not in asked
    ]
    return [
        Task(
            "ask",
            "usb",
            context.words().say(N_("Sealed, not handed over yet: {title}"), title=exam.title),
            url_for("export.ask", exam=exam.id),
        )
        for exam in sealed
    ]
