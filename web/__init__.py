"""The pages: they show what the store says and ask the workers through it. They touch no device, start no process."""

from __future__ import annotations

import json
import secrets
import threading
from pathlib import Path
from typing import Any, cast

from flask import Flask, Response, abort, current_app, get_flashed_messages, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import LoginManager, current_user
from flask_wtf import CSRFProtect
from jinja2 import StrictUndefined

from appliance import accounts as people
from appliance import durable
from appliance.clock import Clock
from appliance.config import Config
from appliance.model import Gone, Message
from web import (
    access,
    accounts,
    alarm_acts,
    alarm_log,
    alarms,
    archive,
    badges,
    before,
    camera_acts,
    cameras,
    checks,
    context,
    coverage,
    duty,
    exams,
    export,
    failures,
    filters,
    health,
    icons,
    journal,
    journal_erasure,
    journal_form,
    journal_head,
    live,
    live_view,
    marks,
    plans,
    rights,
    space,
    taking_in,
)
from web.feed import Feed

THREADS = 40  # of waitress; its default of 4 lets four open pages lock everybody else out
STREAMS = THREADS - 8  # so that eight threads always answer ordinary requests

CSP = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; object-src 'none'; "
    "base-uri 'none'; frame-ancestors 'none'; form-action 'self'"
)
CSP_LIVE = CSP + "; media-src 'self' blob:"  # one page plays what a script appends
HEADERS = {
    "Content-Security-Policy": CSP,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}


def create_app(config: Config, clock: Clock, stop: threading.Event | None = None) -> Flask:
    """The whole of the pages for one site. `stop` ends the event streams when the server is told to go."""
    app = Flask(__name__)
    app.config.update(
        SECRET_KEY=secret_key(config.data),
        SESSION_COOKIE_NAME="examsite",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Strict",
        MAX_CONTENT_LENGTH=64_000,  # forms of a few words; nothing is uploaded
        WTF_CSRF_TIME_LIMIT=None,  # as long as the session: a page left open on the wall must still work
        WTF_CSRF_SSL_STRICT=False,  # the reverse proxy ends TLS; Sec-Fetch-Site is checked below
    )
    stop = stop or threading.Event()
    app.extensions["examsite"] = context.House(
        config, clock, Feed(config, clock, stop, STREAMS), stop, threading.BoundedSemaphore(config.profile.live.viewers)
    )
    _sign_in_with(app)
    CSRFProtect(app)
    _register(app)
    app.before_request(_refuse_other_sites)
    app.before_request(_enforce_rights)
    app.after_request(_harden)
    app.teardown_appcontext(context.close_database)
    failures.register(app)
    _words_for_templates(app)
    _every_view_names_its_right(app)
    return app


def secret_key(data: Path) -> bytes:
    """The key that signs cookies: random, made at the first start, readable by the pages alone."""
    return durable.made_once(data / "web-secret", lambda: secrets.token_bytes(32))


def _sign_in_with(app: Flask) -> None:
    manager = LoginManager(app)
    manager.session_protection = None  # a phone that changes its network stays signed in; the token is the secret

    @manager.user_loader  # type: ignore[untyped-decorator]
    def load(token: str) -> context.SignedIn | None:
        house = context.house()
        who = people.person_of(context.database(), house.config, house.clock, token)
        return None if who is None else context.SignedIn(who, token)

    @manager.unauthorized_handler  # type: ignore[untyped-decorator]
    def ask() -> ResponseReturnValue:
        if request.method != "GET" or context.is_fragment() or request.endpoint == "live.live":
            return Response("", 401)
        return redirect(url_for("accounts.signin", next=request.full_path.rstrip("?")))


def _register(app: Flask) -> None:
    for subject in (
        access, accounts, alarm_acts, alarm_log, alarms, archive, badges, before, camera_acts, cameras, checks,
        coverage, duty, exams, export, health, journal, journal_erasure, journal_form, journal_head, live, live_view,
        marks, plans, space, taking_in,
    ):  # fmt: skip
        app.register_blueprint(subject.views)
    rights.needs(rights.OPEN)(app.view_functions["static"])


def _every_view_names_its_right(app: Flask) -> None:
    nameless = sorted(name for name, view in app.view_functions.items() if rights.needed(view) is None)
    if nameless:
        raise RuntimeError(f"views that name no right: {', '.join(nameless)}")


def _enforce_rights() -> ResponseReturnValue | None:
    if request.endpoint is None:
        return None  # no such page: 404
    right = rights.needed(current_app.view_functions[request.endpoint])
    if right == rights.OPEN:
        return None
    if not current_user.is_authenticated:
        answer: ResponseReturnValue = current_app.login_manager.unauthorized()  # type: ignore[attr-defined]
        return answer
    if right is None or not rights.allows(context.person().role, right):
        raise failures.NotAllowed(right or "self.use")
    return None


def _refuse_other_sites() -> None:
    """A browser says where a press came from; a write from another site is refused before anything looks at it."""
    if request.method not in ("GET", "HEAD") and request.headers.get("Sec-Fetch-Site", "same-origin") not in (
        "same-origin",
        "none",
    ):
        abort(403)


def _harden(response: Response) -> Response:
    if request.endpoint == "live_view.watch":
        response.headers["Content-Security-Policy"] = CSP_LIVE
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    if request.endpoint != "static":
        response.headers["Cache-Control"] = "no-store"
    return response


def _words_for_templates(app: Flask) -> None:
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.undefined = StrictUndefined
    app.jinja_env.finalize = _shown
    app.jinja_env.globals["icon"] = icons.reader()
    filters.register(app)

    @app.context_processor
    def _common() -> dict[str, Any]:
        said, house = context.words(), context.house()
        return {
            "_": said.say,
            "plural": said.plural,
            "words": said,
            "site": house.config.site,
            "site_title": house.config.profile.titles.site.in_(said.language),
            "journal_title": house.config.profile.titles.journal.in_(said.language),
            "now": house.clock.now(),
            "wall": False,
            "theme": "auto",
            "me": current_user.person if current_user.is_authenticated else None,
            "may": context.may,
            "role_title": context.role_title,
            "told": _told,
            "alarm_strip": alarms.strip,
            "going_acts": access.going,
        }


def _shown(value: Any) -> Any:
    """What an erased personal value shows as, wherever a template writes one."""
    return context.words().say(value.said) if isinstance(value, Gone) else value


def _told() -> list[tuple[str, str]]:
    """What the last press came to: (tone, sentence), in the language of now."""
    return [
        (tone, context.words().say(Message.from_json(json.loads(said))))
        for tone, said in cast(list[tuple[str, str]], get_flashed_messages(with_categories=True))
    ]
