"""What the recording disks hold, how long they last, what goes next by rule; the head holds an exam's recordings."""

from __future__ import annotations

from itertools import islice

from flask import Blueprint, redirect, request, url_for
from flask.typing import ResponseReturnValue

from appliance import disk, media, retention
from appliance.model import N_, Actor, ApplianceError, Message, message
from web import context
from web.health import disks
from web.rights import needs

views = Blueprint("space", __name__)

NEXT = 12  # days shown of what may go


@views.get("/disk")
@views.get("/disk/<exam_id>/<any(hold, release):way>")  # what a refused press leaves in the address
@needs("archive.read")
def space(exam_id: str = "", way: str = "") -> ResponseReturnValue:
    return _page()


def _page(refusal: Message | None = None, status: int = 200) -> ResponseReturnValue:
    db, config, now = context.database(), context.config(), context.now()
    forecasts = [(media.NAMES[here.medium], disk.forecast(db, here, now)) for here in media.every(config)]
    going = [batch for here in media.every(config) for batch in islice(retention.unlocked(db, config, now, here.medium),
                                                                       NEXT)]  # fmt: skip
    return context.page(
        "space.html", forecasts=forecasts, parts=disks(db, config), going=going[:NEXT], names=media.NAMES,
        kept=retention.kept(db, config, now), rule=config.profile.retention, refusal=refusal,
        short=any(found.short for _, found in forecasts),
    ), status  # fmt: skip


@views.post("/disk/<exam_id>/<any(hold, release):way>")
@needs("archive.hold")
def hold(exam_id: str, way: str) -> ResponseReturnValue:
    """Kept whatever the rule says, or no longer: the head's word, with the reason in the journal."""
    held = way == "hold"
    try:
        files = retention.hold(
            context.database(), context.config(), context.house().clock, Actor.person(context.person()), exam_id,
            request.form.get("reason", "")[:300], held=held,
        )  # fmt: skip
    except ApplianceError as refused:
        return _page(refused.message, 409)
    said = N_("Held, recordings: {files}. The rule deletes none of them.") if held else N_(
        "No longer held, recordings: {files}. The rule decides about them again.")  # fmt: skip
    context.tell(message(said, files=files))
    return redirect(url_for("space.space"))
