"""The hand-over: the exporter asks, security agrees, the archivist copies and reads back; the page follows."""

from __future__ import annotations

import secrets
import shutil
from dataclasses import dataclass
from datetime import datetime, timedelta

from flask import Blueprint, redirect, request, url_for
from flask.typing import ResponseReturnValue

from appliance import accounts, archive, coverage, exams, orders
from appliance.config import Config, ExportTarget
from appliance.exams import Exam
from appliance.model import N_, ApplianceError, Message, Person, RoomKind, message
from appliance.orders import Order
from appliance.store import Database
from web import context
from web.rights import needs

views = Blueprint("export", __name__)

STATES = {  # order state -> (look, icon, word)
    "waits": ("ask", "hourglass", N_("Waits for security")),
    "placed": ("outline", "clock", N_("Agreed, begins at once")),
    "claimed": ("outline", "play", N_("Copying")),
    "done": ("plain", "check", N_("Copied and verified")),
    "failed": ("fault", "circle-x", N_("Did not work")),
    "refused": ("outline", "x", N_("Refused")),
    "cancelled": ("grey", "clock", N_("Nobody agreed in time")),
}
ROOM_KINDS = {
    RoomKind.ENTRANCE: N_("Entrance"),
    RoomKind.CORRIDOR: N_("Corridors"),
    RoomKind.CLASSROOM: N_("Exam rooms"),
    RoomKind.HQ: N_("Headquarters"),
    RoomKind.OTHER: N_("Other rooms"),
}
STEPS = (  # the archivist's steps in order, as bag.py names them
    ("copying", N_("Copying")),
    ("reading", N_("Reading back from the medium")),
    ("closing", N_("Writing the lists and closing the package")),
)
FIELDS = ("exam", "target", "grounds", "recipient", "key")


@dataclass(frozen=True, slots=True)
class Choice:
    """An exam that can be handed over, with what would leave."""

    exam: Exam
    size_bytes: int
    files: int
    gaps: int


@views.get("/export", endpoint="orders")
@needs("export.read")
def orders_() -> ResponseReturnValue:
    db = context.database()
    return context.page(
        "exports.html",
        orders=orders.recent(db, "export", 30),
        states=STATES,
        titles={exam.id: exam for exam in exams.exams(db)},
    )


@views.get("/export/ask")
@needs("export.ask")
def ask() -> ResponseReturnValue:
    kinds = [kind.value for kind in context.config().profile.export.room_kinds]
    blank = dict.fromkeys(FIELDS, "")
    return _ask_page(blank | {"exam": request.args.get("exam", ""), "key": secrets.token_urlsafe(12)}, kinds)


def _ask_page(
    typed: dict[str, str], kinds: list[str], refusal: Message | None = None, status: int = 200
) -> ResponseReturnValue:
    db, config = context.database(), context.config()
    here = {room.kind for room in config.rooms}
    return context.page(
        "export_ask.html",
        typed=typed,
        chosen=kinds,
        refusal=refusal,
        choices=_choices(db, config),
        pending=_still_recorded(db, config),
        kinds={kind: word for kind, word in ROOM_KINDS.items() if kind in here},
        targets=[(target, _free_bytes(target)) for target in config.export_targets],
    ), status


def _choices(db: Database, config: Config) -> list[Choice]:
    """Exams whose recording is over, the newest first, with what the profile would hand over of them."""
    found = []
    wanted = set(config.profile.export.room_kinds)
    for exam in reversed(exams.exams(db)):
        begins_at, ends_at = exams.span(config, exam)
        if ends_at > context.now() or exam.state == "cancelled":
            continue
        cameras = {camera.id for camera in config.cameras_in(exam.rooms) if config.room(camera.room).kind in wanted}
        leaving = [
            segment for segment in archive.segments(db, since=begins_at, until=ends_at) if segment.camera in cameras
        ]
        gaps = sum(1 for gap in coverage.gaps(db, exam.id) if gap.camera in cameras)
        found.append(Choice(exam, sum(segment.size_bytes for segment in leaving), len(leaving), gaps))
    return found[:20]


def _still_recorded(db: Database, config: Config) -> list[tuple[Exam, datetime]]:
    """Exams that are being recorded now, and until when: they can be asked for after that."""
    now, found = context.now(), []
    for exam in exams.exams(db, since=now - timedelta(days=1)):
        begins_at, ends_at = exams.span(config, exam)
        if exam.state == "planned" and begins_at <= now < ends_at:
            found.append((exam, ends_at))
    return found


def _free_bytes(target: ExportTarget) -> int | None:
    """Free space of a medium that is there; None for one that is not."""
    try:
        return shutil.disk_usage(target.path).free
    except OSError:
        return None


@views.post("/export/ask")
@needs("export.ask")
def place() -> ResponseReturnValue:
    db, config = context.database(), context.config()
    typed = {name: request.form.get(name, "").strip()[:300] for name in FIELDS}
    kinds = [kind for kind in request.form.getlist("room_kinds") if kind in set(RoomKind)]
    try:
        exams.get(db, typed["exam"])
        if typed["target"] not in {target.id for target in config.export_targets}:
            raise ApplianceError(N_("Choose the medium the recordings leave on."))
        if not kinds:
            raise ApplianceError(N_("Choose which rooms leave."))
        if not typed["grounds"] or not typed["recipient"]:
            raise ApplianceError(N_("Write on what grounds the recordings leave, and to whom."))
        number = orders.place(
            db,
            context.house().clock,
            "export",
            {**{k: typed[k] for k in ("exam", "target", "grounds", "recipient")}, "room_kinds": kinds},
            context.person(),
            key=f"{context.person().login}:{typed['key']}",
            agreement=True,
        )
    except ApplianceError as refused:
        return _ask_page(typed, kinds, refused.message, 409)
    context.tell(message(N_("Security has been asked. Nothing is written before they agree.")))
    return redirect(url_for("export.order", order_id=number))


@views.get("/export/<int:order_id>")
@needs("export.read")
def order(order_id: int) -> ResponseReturnValue:
    return _order_page(order_id)


def _order_page(
    order_id: int, refusal: Message | None = None, word: str = "", status: int = 200
) -> ResponseReturnValue:
    db, config = context.database(), context.config()
    found = orders.get(db, order_id)
    if found.kind != "export":
        raise ApplianceError(N_("There is no order {order}."), order=order_id)
    exam = exams.get(db, str(found.args["exam"]))
    target = next((target for target in config.export_targets if target.id == found.args.get("target")), None)
    return context.page(
        "export_order.html",
        order=found,
        exam=exam,
        target=target,
        states=STATES,
        refusal=refusal,
        word=word,
        asker=_person(db, found.asked_by),
        agreer=_person(db, found.agreed_by),
        steps=_steps(found),
        kinds=[ROOM_KINDS[RoomKind(kind)] for kind in found.args.get("room_kinds", [])],
        hours=exams.span(config, exam),
        keep_until=config.profile.retention.until(context.words().local(exam.starts_at).date()),
    ), status


def _person(db: Database, login: str | None) -> Person | None:
    return accounts.get(db, login) if login else None


def _steps(found: Order) -> list[tuple[str, str]]:
    """Each step with done, now or later."""
    names = [name for name, _ in STEPS]
    at = names.index(found.progress["step"]) if found.progress.get("step") in names else -1
    if found.state == "done":
        at = len(names)
    return [(word, "done" if n < at else "now" if n == at else "later") for n, (_, word) in enumerate(STEPS)]


@views.post("/export/<int:order_id>/agree")
@needs("export.agree")
def agree(order_id: int) -> ResponseReturnValue:
    return _answer(order_id, N_("You agreed. Copying begins by itself."))


@views.post("/export/<int:order_id>/refuse")
@needs("export.agree")
def refuse(order_id: int) -> ResponseReturnValue:
    return _answer(order_id, N_("You refused. Nothing leaves the site."), request.form.get("word", "").strip()[:500])


def _answer(order_id: int, said: str, word: str | None = None) -> ResponseReturnValue:
    db, house = context.database(), context.house()
    try:
        if word is None:
            orders.agree(db, house.clock, order_id, context.person())
        else:
            orders.refuse(db, house.clock, order_id, context.person(), word)
    except ApplianceError as refused:
        return _order_page(order_id, refused.message, word or "", 409)
    context.tell(message(said))
    return redirect(url_for("export.order", order_id=order_id))
