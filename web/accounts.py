"""Sign-in and sign-out, the language of the pages, help; and the accounts, for the administrator."""

from __future__ import annotations

import secrets

from flask import Blueprint, redirect, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user, login_user, logout_user

from appliance import access, accounts, badges, erasure, journal
from appliance.model import LANGUAGES, N_, Actor, ApplianceError, Language, Person, Role, message
from web import context
from web.rights import OPEN, needs

views = Blueprint("accounts", __name__)

FIRST_PAGE = {
    Role.TECHNICIAN: "exams.today",
    Role.SECURITY: "alarms.board",
    Role.EXPORTER: "export.orders",
    Role.ADMIN: "health.system",
}
BLANK = dict.fromkeys(("name", "login", "role", "language", "password"), "")  # the form for a new person
LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # nothing that is misread from paper: no i, l, o, 0, 1


@views.get("/signin")
@needs(OPEN)
def signin() -> ResponseReturnValue:
    if current_user.is_authenticated:
        return redirect(_first_page(context.person()))
    return context.page("signin.html", refusal=None, login="", onward=_local(request.args.get("next", "")))


@views.post("/signin")
@needs(OPEN)
def sign_in() -> ResponseReturnValue:
    house, onward = context.house(), _local(request.form.get("next", ""))
    login = request.form.get("login", "")[:100]
    try:
        token, who = accounts.sign_in(
            context.database(),
            house.config,
            house.clock,
            login,
            request.form.get("password", "")[:1000],
            request.remote_addr or "unknown",
        )
    except ApplianceError as refused:
        return context.page("signin.html", refusal=refused.message, login=login, onward=onward), 401
    return _enter(who, token, onward)


def _enter(who: Person, token: str, onward: str) -> ResponseReturnValue:
    session.clear()  # a session somebody laid out before is not carried over
    login_user(context.SignedIn(who, token))
    return redirect(onward or _first_page(who))


@views.post("/signin/card")
@needs(OPEN)
def card_sign_in() -> ResponseReturnValue:
    """The reader typed a card's number and Enter."""
    db, house, onward = context.database(), context.house(), _local(request.form.get("next", ""))
    address = request.remote_addr or "unknown"
    try:
        who = badges.whose(db, house.config, house.clock, request.form.get("card", "")[:300], address)
    except ApplianceError as refused:
        return context.page("signin.html", refusal=refused.message, login="", onward=onward), 401
    return _enter(who, accounts.open_session(db, house.clock, who, address, "card"), onward)


@views.post("/signout")
@needs("self.use")
def signout() -> ResponseReturnValue:
    accounts.sign_out(context.database(), context.house().clock, current_user.token)
    logout_user()
    session.clear()
    return redirect(url_for("accounts.signin"))


@views.post("/language")
@needs(OPEN)
def language() -> ResponseReturnValue:
    """Change the language: of the person who is signed in, else of this browser until somebody is."""
    asked = request.form.get("language")
    if asked in LANGUAGES:
        chosen: Language = "ru" if asked == "ru" else "en"
        session["language"] = chosen
        if current_user.is_authenticated:
            accounts.set_language(context.database(), context.person().login, chosen)
    return redirect(_local(request.form.get("back", "")) or url_for("accounts.signin"))


@views.get("/more")
@needs("self.use")
def more() -> ResponseReturnValue:
    """Everything the phone's bar has no room for."""
    return context.page("more.html")


@views.get("/help")
@needs("self.use")
def help_() -> ResponseReturnValue:
    return context.page("help.html")


@views.get("/people")
@needs("people.read")
def people() -> ResponseReturnValue:
    return context.page("people.html", people=accounts.people(context.database()))


@views.get("/people/add")
@needs("people.change")
def person_add() -> ResponseReturnValue:
    return context.page("person_add.html", typed=BLANK | {"password": first_password()}, refusal=None)


@views.post("/people/add")
@needs("people.change")
def add_person() -> ResponseReturnValue:
    house, typed = context.house(), {name: request.form.get(name, "").strip()[:200] for name in BLANK}
    try:
        if typed["role"] not in set(Role) or typed["language"] not in LANGUAGES or not typed["name"]:
            raise ApplianceError(N_("Choose the role and the language, and write the whole name."))
        made = accounts.add(
            context.database(),
            house.config,
            house.clock,
            Actor.person(context.person()),
            typed["login"],
            typed["name"],
            Role(typed["role"]),
            "ru" if typed["language"] == "ru" else "en",
            typed["password"],
        )
    except ApplianceError as refused:
        return context.page("person_add.html", typed=typed, refusal=refused.message), 409
    context.tell(
        message(
            N_("Added: {name}, user name {login}. Hand the password over on paper; it is shown nowhere again."),
            name=made.name,
            login=made.login,
        )
    )
    return redirect(url_for("accounts.people"))


@views.get("/people/<login>/disable")
@needs("people.change")
def person_disable(login: str) -> ResponseReturnValue:
    """The dangerous act has a page of its own: what happens, and the way back first."""
    return context.page("person_disable.html", who=accounts.get(context.database(), login), refusal=None)


@views.post("/people/<login>/disable")
@needs("people.change")
def disable_person(login: str) -> ResponseReturnValue:
    db, who = context.database(), accounts.get(context.database(), login)
    try:
        accounts.disable(db, context.house().clock, Actor.person(context.person()), login)
    except ApplianceError as refused:
        return context.page("person_disable.html", who=who, refusal=refused.message), 409
    context.tell(message(N_("{name} can no longer sign in. Open sessions have ended."), name=who.name))
    return redirect(url_for("accounts.people"))


def first_password() -> str:
    """A first password to hand over on paper: 79 bits, in groups that can be read aloud."""
    return "-".join("".join(secrets.choice(LETTERS) for _ in range(4)) for _ in range(4))


def _first_page(who: Person) -> str:
    if who.role is Role.HEAD:  # what waits comes first; the day when nothing does
        db = context.database()
        waits = journal.waiting(db) or access.waits_for(db, context.config(), who) or erasure.waiting(db)
        return url_for("journal_head.waiting" if waits else "exams.today")
    return url_for(FIRST_PAGE[who.role])


def _local(path: str) -> str:
    """A path on this site, or nothing: no redirect leads elsewhere."""
    plain = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable() and "\\" not in path
    return path if plain else ""
