"""One camera's own page: everything it told, what it does its own way, and what may be done to it, by right.

A press places an order; the keeper does it and reads it back. Dangerous acts have a page of their own.
"""

from __future__ import annotations

import secrets
from typing import Any

from flask import Blueprint, abort, redirect, request, url_for
from flask.typing import ResponseReturnValue

from appliance import camera_told, exams, journal, orders, taken
from appliance.camera_words import ACTS, KIND
from appliance.clock import parse
from appliance.config import Camera
from appliance.model import N_, Actor, ApplianceError, Message, message
from appliance.orders import Order
from appliance.profile import Words
from web import context
from web.rights import needs
from web.taking_in import in_words, place, sealed_word, what_words

views = Blueprint("camera_acts", __name__)

SIMPLE = ("read", "clock", "profile", "goto", "preset", "approve", "imaging", "card")  # one press on the camera's page
RISKY = ("password", "reboot", "no_user")
# ONVIF's UserLevel (the tds schema), the least first.
LEVELS = {"User": N_("sees the picture"), "Operator": N_("sees, turns, sets the picture"),
          "Administrator": N_("may do everything")}  # fmt: skip
PLAIN_IMAGING = {"Brightness": N_("Brightness"), "Contrast": N_("Contrast"), "ColorSaturation": N_("Colour"),
                 "Sharpness": N_("Sharpness")}  # fmt: skip
SHOWN_ORDERS = 3
DOUBT_H = 1  # two cameras at one address are told of for so long after they were noticed


@views.get("/cameras/<camera_id>/device")
@needs("cameras.read")
def device(camera_id: str) -> ResponseReturnValue:
    return _page(camera_id)


def _page(camera_id: str, refusal: Message | None = None) -> str:
    db, config = context.database(), context.config()
    camera = config.camera(camera_id)
    read = camera_told.last(db, camera_id)
    imaging = dict(read[0]["imaging"][0]["settings"]) if read and read[0]["imaging"] else {}
    return context.page(
        "camera_device.html", camera=camera, reading=read and read[0], read_at=read and read[1], refusal=refusal,
        row=taken.rows(db).get(camera_id), orders=orders_of(camera_id)[:SHOWN_ORDERS], what_words=what_words,
        in_words=in_words, acts=ACTS,
        imaging_words=PLAIN_IMAGING,
        plain_imaging={name: imaging[name] for name in PLAIN_IMAGING if name in imaging}, doubts=doubts(camera),
        key=secrets.token_hex(8), is_aside=camera in config.aside, levels=LEVELS,
    )  # fmt: skip


def orders_of(camera_id: str) -> list[Order]:
    """What was asked of this camera lately, newest first."""
    return [order for order in orders.recent(context.database(), KIND, 200)
            if camera_id in (order.args.get("camera"), (order.result or {}).get("camera"))]  # fmt: skip


def doubts(camera: Camera) -> list[Message]:
    """Whether it is this camera that stands there, alone at its address."""
    db, said = context.database(), []
    name, row, read = camera.name.model_dump(), taken.rows(db).get(camera.id), camera_told.last(db, camera.id)
    known = (row.identity.serial if row is not None else "") or camera.serial or ""
    if read is not None and known and read[0]["facts"]["serial"] not in ("", known):
        said.append(message(N_("Another camera stands in for {camera}: the serial number differs. Announce a"
                               " replacement or put the old one back."), camera=name))  # fmt: skip
    twins = [entry for entry in journal.entries(db, kinds=["camera.twins"], newest_first=True, limit=20)
             if entry.camera == camera.id]  # fmt: skip
    if twins and (context.now() - parse(twins[0].at)).total_seconds() < DOUBT_H * 3600:
        said.append(message(N_("Two cameras answer at {address}. Give one of them another address."),
                            address=twins[0].data["address"]))  # fmt: skip
    if row is not None and row.undecided:
        said.append(message(N_("A new password was being set when the box was interrupted. It finds out by itself which"
                               " one the camera takes.")))  # fmt: skip
    return said


@views.post("/cameras/<camera_id>/do")
@needs("cameras.set")
def do(camera_id: str) -> ResponseReturnValue:
    """A press on the page: ordered, done by the keeper."""
    camera, act = context.config().camera(camera_id), request.form.get("act", "")
    if act not in SIMPLE:
        abort(404)
    try:
        args = _arguments(act)
    except ApplianceError as wrong:
        return _page(camera_id, wrong.message), 422
    place(act, camera.name.model_dump(), camera=camera_id, **args)
    return redirect(url_for("camera_acts.device", camera_id=camera_id))


def _arguments(act: str) -> dict[str, Any]:
    form = request.form
    if act in ("goto", "preset"):
        preset = form.get("preset", "").strip()[:64]
        if not preset:
            raise ApplianceError(N_("Give the view a name."))
        return {"preset": preset}
    if act == "card":
        return {"job": form.get("job", "")[:64], "on": form.get("on") == "1"}
    if act == "imaging":
        settings = {name: form[name].strip() for name in PLAIN_IMAGING if form.get(name, "").strip()}
        if not settings or not all(value.replace(".", "", 1).isdigit() for value in settings.values()):
            raise ApplianceError(N_("Type figures."))
        return {"settings": settings}
    return {}


@views.get("/cameras/<camera_id>/do/<act>")
@needs("cameras.set")
def risk(camera_id: str, act: str) -> ResponseReturnValue:
    """What will happen, in figures, before it does."""
    db, config = context.database(), context.config()
    if act not in RISKY:
        abort(404)
    camera, window = config.camera(camera_id), exams.required_now(db, config, context.now()).get(camera_id)
    return context.page("camera_act.html", camera=camera, act=act, title=ACTS[act].title, risk=ACTS[act].risk,
                        window=window if act != "no_user" else None, user=_user(camera, act, request.args.get("user")),
                        key=secrets.token_hex(8))  # fmt: skip


@views.post("/cameras/<camera_id>/do/<act>")
@needs("cameras.set")
def risked(camera_id: str, act: str) -> ResponseReturnValue:
    camera = context.config().camera(camera_id)
    if act not in RISKY:
        abort(404)
    user = _user(camera, act, request.form.get("user"))
    place(act, camera.name.model_dump(), camera=camera_id, **({"user": user} if user else {}))
    return redirect(url_for("camera_acts.device", camera_id=camera_id))


def _user(camera: Camera, act: str, name: str | None) -> str:
    """Which account is to be deleted: one the camera told of, and not the box's own; "" for the other acts."""
    if act != "no_user":
        return ""
    read = camera_told.last(context.database(), camera.id)
    told = [each["name"] for each in read[0]["users"]] if read else []
    if name is None or name not in told or name == camera.user:
        abort(404)
    return name


@views.post("/cameras/<camera_id>/user")
@needs("cameras.set")
def user(camera_id: str) -> ResponseReturnValue:
    """Another account in the camera, with a password the person types."""
    camera, form = context.config().camera(camera_id), request.form
    name, word, level = form.get("name", "").strip()[:64], form.get("password", "")[:128], form.get("level", "")
    if not name or not word or level not in LEVELS:
        return _page(camera_id, message(N_("Type a name and a password for the account."))), 422
    place("user", camera.name.model_dump(), camera=camera_id, user=name, level=level, secret=sealed_word(word))
    return redirect(url_for("camera_acts.device", camera_id=camera_id))


@views.post("/cameras/<camera_id>/password")
@needs("cameras.set")
def password(camera_id: str) -> ResponseReturnValue:
    """The right password of a camera that refused ours: tried once, kept when it lets us in."""
    camera, word = context.config().camera(camera_id), request.form.get("password", "")[:128]
    if not word:
        return _page(camera_id, message(N_("Type the camera's password."))), 422
    place("secret", camera.name.model_dump(), camera=camera_id,
          user=request.form.get("user", "").strip()[:64], secret=sealed_word(word))  # fmt: skip
    return redirect(url_for("camera_acts.device", camera_id=camera_id))


@views.get("/cameras/<camera_id>/edit")
@needs("cameras.take")
def edit(camera_id: str) -> ResponseReturnValue:
    return _edit(camera_id)


def _edit(camera_id: str, refusal: Message | None = None) -> str:
    db, config = context.database(), context.config()
    camera, row = config.camera(camera_id), taken.rows(db).get(camera_id)
    exam = next((e for e in exams.exams(db, since=context.now()) if e.state == "planned"
                 and any(w.camera == camera_id for w in exams.windows(config, e))), None)  # fmt: skip
    return context.page("camera_edit.html", camera=camera, rooms=config.rooms, refusal=refusal, exam=exam,
                        of_file=row is None or row.of_file, is_aside=camera in config.aside,
                        window=exams.required_now(db, config, context.now()).get(camera_id),
                        days=taken.WAY_BACK_DAYS)  # fmt: skip


@views.post("/cameras/<camera_id>/edit")
@needs("cameras.take")
def edited(camera_id: str) -> ResponseReturnValue:
    """`press`: save (name and room), streams (`both`, `sound`), aside, back."""
    db, config, clock = context.database(), context.config(), context.house().clock
    who, form = Actor.person(context.person()), request.form
    config.camera(camera_id)
    try:
        if form.get("press") == "aside":
            taken.set_aside(db, config, clock, who, camera_id)
        elif form.get("press") == "back":
            taken.bring_back(db, config, clock, who, camera_id)
        elif form.get("press") == "streams":
            taken.set_streams(db, config, clock, who, camera_id, both="both" in form, sound="sound" in form)
        else:
            names = [form.get(name, "").strip()[:100] for name in ("name_ru", "name_en")]
            if not all(names):
                raise ApplianceError(N_("Give the camera a name."))
            taken.rename(db, config, clock, who, camera_id, Words(ru=names[0], en=names[1]), form.get("room", ""))
    except ApplianceError as refused:
        return _edit(camera_id, refused.message), 422
    context.changed()
    context.tell(message(N_("Written down.")))
    return redirect(url_for("camera_acts.device", camera_id=camera_id))
