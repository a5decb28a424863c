"""Announcing, ending and correcting what is done at the equipment, and the second person's signature on it.

Three presses for the usual: announce, the action, the room, which begins it. The responsible person signs at the same
desk without signing the other one out, or later from their own session (docs/pages.md).
"""

from __future__ import annotations

import secrets
from datetime import date, datetime, time, timedelta
from urllib.parse import urlsplit

from flask import Blueprint, abort, jsonify, redirect, request, session, url_for
from flask.typing import ResponseReturnValue

from appliance import access, accounts, badges, journal, journal_form, passkeys
from appliance.access import Act
from appliance.clock import iso, parse
from appliance.model import N_, ApplianceError, Message, Person, message
from appliance.profile import Action
from web import context
from web.failures import NotAllowed
from web.rights import needs

views = Blueprint("access", __name__)

STATES = {  # state -> (look, icon, word)
    "open": ("ask", "play", N_("In progress")),
    "waits": ("outline", "clock", N_("Waits for the second signature")),
    "confirmed": ("plain", "check", N_("Confirmed")),
    "declined": ("outline", "x", N_("Declined")),
    "corrected": ("plain", "pen-line", N_("Corrected")),
}
HOW = journal_form.HOW
SIGN = N_("Sign with a password, a card or a security key.")


def going() -> list[Act]:
    """What goes on now and this person may see: for Today and the journal."""
    acts = access.open_acts(context.database())
    return acts if context.may("journal.all") else [one for one in acts if _mine(one)]


def waiting() -> list[Act]:
    """What waits for this person's signature: for Today and the head's page."""
    return access.waits_for(context.database(), context.config(), context.person())


def _mine(act: Act) -> bool:
    return context.person().login in (act.executor.login, act.entered_by)


def _seen(seq: int) -> Act:
    """An act this person may see."""
    found = access.act(context.database(), seq)
    if not context.may("journal.all") and not _mine(found):
        raise NotAllowed("journal.all")
    return found


def _actions() -> tuple[Action, ...]:
    return context.config().profile.journal.action


@views.get("/journal/announce")
@needs("access.announce")
def announce() -> ResponseReturnValue:
    """The second press: what is done. With ?room= (from a camera, or a room's code) it is the last."""
    room = request.args.get("room", "")
    known = next((one for one in context.config().rooms if one.code == room), None)
    return context.page("announce.html", actions=_actions(), room=known, key=secrets.token_urlsafe(12))


@views.get("/journal/announce/<action>")
@needs("access.announce")
def where(action: str) -> ResponseReturnValue:
    return _where_page(action)


def _where_page(action: str, refusal: Message | None = None, status: int = 200) -> ResponseReturnValue:
    what = next((one for one in _actions() if one.id == action), None)
    if what is None:
        abort(404)
    mine = access.acts(context.database(), person=context.person().login, limit=1)
    return context.page(
        "where.html", action=what, rooms=context.config().rooms, refusal=refusal, key=secrets.token_urlsafe(12),
        last=mine[0].rooms[0] if mine and mine[0].rooms else None,
        typed={name: request.form.get(name, "") for name in ("reason", "from", "to")},
    ), status  # fmt: skip


@views.post("/journal/announce/<action>")
@needs("access.announce")
def begin(action: str) -> ResponseReturnValue:
    house, form = context.house(), request.form
    rooms = [form["room"]] if form.get("room") else [form.get("from", ""), form.get("to", "")]
    try:
        seq = access.begin(
            context.database(), house.config, house.clock, context.person(), action, rooms, form.get("reason", ""),
            key=" ".join((form.get("key", ""), action, *rooms)),  # another room after going back is another act
        )  # fmt: skip
    except ApplianceError as refused:
        return _where_page(action, refused.message, 409)
    return _written(seq, seq)


@views.get("/journal/state")
@needs("access.announce")
def state_form() -> ResponseReturnValue:
    today = context.words().local(context.now()).date().isoformat()
    typed = {"action": request.args.get("action", ""), "day": today, "key": secrets.token_urlsafe(12)}
    return _columns_page(typed)


FIELDS = ("action", "from", "to", "day", "begins", "ends", "reason", "key")


def _columns_page(
    typed: dict[str, str], old: Act | None = None, refusal: Message | None = None, status: int = 200
) -> ResponseReturnValue:
    return context.page(
        "act_columns.html", typed=dict.fromkeys(FIELDS, "") | typed, old=old, refusal=refusal, actions=_actions(),
        rooms=context.config().rooms,
    ), status  # fmt: skip


def _typed() -> dict[str, str]:
    return {name: request.form.get(name, "")[:600] for name in FIELDS}


def _instant(day: str, at: str, old: str | None = None) -> datetime:
    """A day and hour of the site's clock. A minute left as it was keeps the seconds it had."""
    try:
        typed = datetime.combine(date.fromisoformat(day), time.fromisoformat(at), context.config().site.zone)
    except ValueError:
        raise ApplianceError(N_("Say the day and the hour, like 09:05.")) from None
    before = parse(old) if old is not None else typed
    return before if timedelta(0) <= before - typed < timedelta(minutes=1) else typed


@views.post("/journal/state")
@needs("access.announce")
def state() -> ResponseReturnValue:
    house, typed = context.house(), _typed()
    try:
        seq = access.state(
            context.database(), house.config, house.clock, context.person(), typed["action"],
            [typed["from"], typed["to"]], _instant(typed["day"], typed["begins"]),
            _instant(typed["day"], typed["ends"]), typed["reason"], key=typed["key"],
        )  # fmt: skip
    except ApplianceError as refused:
        return _columns_page(typed, None, refused.message, 409)
    return _written(seq, seq)


@views.get("/journal/access/<int:seq>/correct")
@needs("access.announce")
def correct_form(seq: int) -> ResponseReturnValue:
    old, words = _seen(seq), context.words()
    return _columns_page({
        "action": old.action, "from": old.rooms[0] if old.rooms else "", "to": old.rooms[-1] if old.rooms[1:] else "",
        "day": words.local(old.started_at).date().isoformat(), "begins": words.minute(old.started_at),
        "ends": words.minute(old.ended_at) if old.ended_at else "", "reason": old.reason,
        "key": secrets.token_urlsafe(12),
    }, old)  # fmt: skip


@views.post("/journal/access/<int:seq>/correct")
@needs("access.announce")
def correct(seq: int) -> ResponseReturnValue:
    house, typed, old = context.house(), _typed(), _seen(seq)
    try:
        ends = _instant(typed["day"], typed["ends"], old.ended_at) if typed["ends"] else None
        newer = access.correct(
            context.database(), house.config, house.clock, seq, context.person(), typed["action"],
            [typed["from"], typed["to"]], _instant(typed["day"], typed["begins"], old.started_at), ends,
            typed["reason"], key=typed["key"],
        )  # fmt: skip
    except ApplianceError as refused:
        return _columns_page(typed, old, refused.message, 409)
    return _written(newer, newer)


@views.get("/journal/access/<int:seq>")
@views.get("/journal/access/<int:seq>/<any(end, sign, answer):press>")  # what a refused press leaves in the address
@needs("journal.read")
def act(seq: int, press: str = "") -> ResponseReturnValue:
    return _act_page(seq)


def _act_page(seq: int, refusal: Message | None = None, status: int = 200) -> ResponseReturnValue:
    db, config, shown = context.database(), context.config(), _seen(seq)
    responsible = [who for who in accounts.people(db) if access.may_answer(config, who) and not who.disabled
                   and who.login not in (shown.executor.login, shown.entered_by)]  # fmt: skip
    me = context.person()
    to_sign = shown.state == "waits" and shown.corrected_by is None
    return context.page(
        "act.html", act=shown, states=STATES, how=HOW, refusal=refusal, responsible=responsible,
        newer=access.act(db, shown.corrected_by) if shown.corrected_by else None,
        older=access.act(db, shown.corrects) if shown.corrects else None,
        own=to_sign and context.may("access.confirm") and any(who.login == me.login for who in responsible),
        desk=to_sign and context.may("access.announce"), signed_until=signed_until(),
        talk=[each for each in journal.answers(db, seq) if each.kind in ("journal.reviewed", "journal.explained")],
        typed={name: request.form.get(name, "") for name in ("login", "word")},
    ), status  # fmt: skip


@views.post("/journal/access/<int:seq>/end")
@needs("access.announce")
def end(seq: int) -> ResponseReturnValue:
    house = context.house()
    _seen(seq)
    try:
        number = access.end(context.database(), house.config, house.clock, seq, context.person(), key="end")
    except ApplianceError as refused:
        return _act_page(seq, refused.message, 409)
    return _written(seq, number)


@views.post("/journal/access/<int:seq>/sign")
@needs("access.announce")
def sign(seq: int) -> ResponseReturnValue:
    """At the desk: the second person signs on the screen of the first, who stays signed in."""
    return _answer(seq, desk=True)


@views.post("/journal/access/<int:seq>/answer")
@needs("access.confirm")
def answer(seq: int) -> ResponseReturnValue:
    """The responsible person in their own session; what they proved there a moment ago stays good for a while."""
    return _answer(seq, desk=False)


def _answer(seq: int, *, desk: bool) -> ResponseReturnValue:
    db, house, verdict = context.database(), context.house(), request.form.get("verdict", "")
    about = _seen(seq)
    if about.answer is not None and request.form.get("answer"):  # pressed again: a key's answer is good only once
        return _written(seq, about.answer.seq)
    try:
        if verdict == "asked" and not desk:  # a question is no signature
            return _written(seq, access.ask(db, house.config, house.clock, seq, context.person(), request.form["word"]))
        if verdict not in ("confirmed", "declined"):
            raise ApplianceError(N_("Choose an answer: confirm or decline."))
        if verdict == "declined" and not request.form.get("word", "").strip():
            raise ApplianceError(N_("Write why you decline."))  # before a password is asked for nothing
        who, how = _second(seq) if desk else myself(seq)
        if verdict == "confirmed":
            number = access.confirm(db, house.config, house.clock, seq, who, how, key=verdict)
        else:
            number = access.decline(db, house.config, house.clock, seq, who, how, request.form["word"], key=verdict)
    except ApplianceError as refused:
        return _act_page(seq, refused.message, 409)
    return _written(seq, number)


def _second(seq: int) -> tuple[Person, str]:
    """Who proves on this form who they are, and how."""
    db, house, form = context.database(), context.house(), request.form
    address = request.remote_addr or "unknown"
    if form.get("answer"):
        return passkeys.whose(db, house.config, house.clock, relying_party(), f"sign {seq}", form["answer"],
                              address), "passkey"  # fmt: skip
    if form.get("card"):
        return badges.whose(db, house.config, house.clock, form["card"][:300], address), "card"
    if form.get("password"):
        return accounts.check_password(db, house.config, house.clock, form.get("login", "")[:100],
                                       form["password"][:1000], address), "password"  # fmt: skip
    raise ApplianceError(SIGN)


def myself(seq: int) -> tuple[Person, str]:
    """The person signed in, once they have proved it again; for a while after that without asking."""
    me = context.person()
    if any(request.form.get(name) for name in ("answer", "card", "password")):
        who, how = _second(seq)
        if who.login != me.login:
            raise ApplianceError(N_("That was the card or key of {name}. Sign with your own."), name=who.name)
        good = timedelta(minutes=context.config().profile.journal.signature_min)
        session["signed_until"] = iso(context.now() + good)
        return me, how
    if signed_until() is None:
        raise ApplianceError(SIGN)
    return me, "session"


def signed_until() -> datetime | None:
    """Until when this session's signature is good; the session is emptied whenever somebody signs in or out."""
    until = session.get("signed_until")
    return parse(until) if until and parse(until) > context.now() else None


@views.post("/journal/access/<int:seq>/question")
@needs("journal.read")
def question(seq: int) -> ResponseReturnValue:
    """What the browser asks a security key of the responsible people; its answer signs this act and nothing else."""
    db, house = context.database(), context.house()
    _seen(seq)
    logins = [who.login for who in accounts.people(db) if access.may_answer(house.config, who) and not who.disabled]
    asked = passkeys.ask(db, house.config, house.clock, relying_party(), f"sign {seq}", logins)
    if asked is None:
        said = N_("No security key of a responsible person is registered here. Sign by password or card.")
        return jsonify(refusal=context.words().say(said)), 409
    return jsonify(asked)


def relying_party() -> str:
    """The name a security key knows this box by: the host as the browser has it, without its port."""
    return urlsplit(f"//{request.host}").hostname or "localhost"


def _written(seq: int, number: int) -> ResponseReturnValue:
    at = journal.get(context.database(), number).at
    context.tell(message(N_("Recorded, no. {number}, {when_at}"), number=number, when_at=at))
    return redirect(url_for("access.act", seq=seq))
