"""The head's page: what waits for them, the unexplained before all, oldest first; what came since they last looked."""

from __future__ import annotations

from flask import Blueprint, redirect, request, url_for
from flask.typing import ResponseReturnValue

from appliance import access, checkpoints, erasure, journal, journal_reading
from appliance.access import Act
from appliance.model import N_, ApplianceError, Message, message
from appliance.store import Database
from web import access as acts
from web import context
from web.journal import Line, line, sentence, waiting_for
from web.rights import needs

views = Blueprint("journal_head", __name__)

SINCE = 20  # entries shown of what came since; the others are in the journal
MOST_AT_ONCE = 100  # acts of one press


@views.get("/journal/waiting")
@views.get("/journal/waiting/<any(confirm, seen):left>")  # what a refused press leaves in the address
@needs("journal.all")
def waiting(left: str = "") -> ResponseReturnValue:
    """What the head is asked about, first of all; the technician sees what still needs their word."""
    return _page()


def _page(refusal: Message | None = None, status: int = 200) -> ResponseReturnValue:
    db, me = context.database(), context.person()
    right = "journal.review" if context.may("journal.review") else "journal.explain"
    lines, to_sign = waiting_for(db, right), acts.waiting()
    erasures = erasure.waiting(db) if context.may("erasure.agree") else []
    doubted = _doubted(db)
    reviewed = journal.entries(db, kinds=["journal.reviewed"], newest_first=True, limit=1)
    seen, seen_at = journal_reading.seen_to(db, me)
    return context.page(
        "waiting.html", groups=_groups(lines), count=len(lines) + len(to_sign) + len(erasures), say=sentence,
        states=acts.STATES, how=acts.HOW, erasures=erasures, agreed=[act for act in to_sign if act.seq not in doubted],
        doubted=[act for act in to_sign if act.seq in doubted], head=journal.head(db), refusal=refusal,
        last_review=reviewed[0] if reviewed else None, checkpoint=checkpoints.latest(db), seen=seen, seen_at=seen_at,
        unread=journal_reading.unread(db, me), most=journal_reading.COUNTED, signed_until=acts.signed_until(),
        since=[line(db, entry) for entry in journal_reading.since(db, me, SINCE)],
        spoken=checkpoints.spoken,
    ), status  # fmt: skip


def _groups(lines: list[Line]) -> list[tuple[str, list[Line]]]:
    """Unexplained first, then what sensors contradict, then what was explained; each oldest first."""
    contradicted = [one for one in lines if one.entry.kind == "access.contradicted"]
    others = [one for one in lines if one.entry.kind != "access.contradicted"]
    states = ((N_("Unexplained"), "unexplained"), (N_("Explained, waits for the head"), "explained"),
              (N_("Asked back"), "asked"))  # fmt: skip
    groups = [(heading, [one for one in others if one.state == state]) for heading, state in states]
    groups.insert(1, (N_("Contradicted by the sensors"), contradicted))
    return [group for group in groups if group[1]]


def _doubted(db: Database) -> set[int]:
    """Acts that the sensors contradict or contradicted: these are confirmed one by one."""
    return {entry.refs[0] for entry in journal.waiting(db) if entry.kind == "access.contradicted"}


@views.post("/journal/waiting/confirm")
@needs("access.confirm")
def confirm() -> ResponseReturnValue:
    """Several acts that nothing speaks against, by one press and one signature; each is an entry of its own."""
    db, house = context.database(), context.house()
    ticked = sorted({int(seq) for seq in request.form.getlist("act") if seq.isdecimal()})[:MOST_AT_ONCE]
    done: list[Act] = []
    try:
        if not ticked:
            raise ApplianceError(N_("Tick what you confirm."))
        who, how = acts.myself(0)
        for seq in ticked:
            if seq in _doubted(db):
                raise ApplianceError(N_("The sensors contradict no. {number}. Open it and answer it by itself."),
                                     number=seq)  # fmt: skip
            access.confirm(db, house.config, house.clock, seq, who, how, key="confirmed")
            done.append(access.act(db, seq))
    except ApplianceError as refused:
        if done:
            context.tell(_confirmed(len(done)))
        return _page(refused.message, 409)
    context.tell(_confirmed(len(done)))
    return redirect(url_for("journal_head.waiting"))


def _confirmed(count: int) -> Message:
    return message(N_("Confirmed and recorded, actions: {count}"), count=count)


@views.post("/journal/waiting/seen")
@needs("journal.all")
def seen() -> ResponseReturnValue:
    """They have read up to this entry, the newest of the page they looked at."""
    seq = request.form.get("seq", type=int) or 0
    journal_reading.mark(context.database(), context.house().clock, context.person(), seq)
    return redirect(url_for("journal_head.waiting"))
