"""What every page needs: the house's collaborators, this request's database, the person who asks, and their words."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from flask import current_app, flash, g, render_template, request, session
from flask_login import UserMixin, current_user

from appliance import store, taken
from appliance.clock import Clock
from appliance.config import Config
from appliance.model import LANGUAGES, Language, Message, Person, Role
from appliance.store import Database
from appliance.words import Words
from web import rights
from web.feed import Feed


@dataclass(frozen=True, slots=True)
class House:
    """The collaborators given to `create_app`, kept with the application: there is no module state."""

    config: Config
    clock: Clock
    feed: Feed
    stop: threading.Event = field(default_factory=threading.Event)
    watching: threading.BoundedSemaphore = field(default_factory=threading.BoundedSemaphore)  # places of live pictures


class SignedIn(UserMixin):  # type: ignore[misc]
    """A person as flask-login carries them. The cookie holds the session's token, never the login."""

    def __init__(self, person: Person, token: str) -> None:
        self.person = person
        self.token = token

    def get_id(self) -> str:
        return self.token


def house() -> House:
    found: House = current_app.extensions["examsite"]
    return found


def config() -> Config:
    """The site as it is now, with the cameras that people took in."""
    if "config" not in g:
        g.config = taken.with_taken(database(), house().config)
    found: Config = g.config
    return found


def changed() -> None:
    """This request has changed which cameras there are: what it shows next is the site after that."""
    g.pop("config", None)


def now() -> datetime:
    return house().clock.now()


def database() -> Database:
    """This request's connection; closed when the request ends."""
    if "database" not in g:
        g.database = store.open(house().config.database)
    found: Database = g.database
    return found


def close_database(_: BaseException | None = None) -> None:
    opened = g.pop("database", None)
    if opened is not None:
        opened.conn.close()


def person() -> Person:
    """Who is signed in. Only views that need a right call this, so there always is somebody."""
    found: Person = current_user.person
    return found


def may(right: str) -> bool:
    return bool(current_user.is_authenticated) and rights.allows(person().role, right)


def language() -> Language:
    """The person's own language; before sign-in what they pressed, else what the browser asks for."""
    if current_user and current_user.is_authenticated:
        return person().language
    pressed = session.get("language")
    if pressed in LANGUAGES:
        return "ru" if pressed == "ru" else "en"
    return "en" if request.accept_languages.best_match(LANGUAGES, config().site.language) == "en" else "ru"


def words() -> Words:
    if "words" not in g:
        g.words = Words(language(), config().site.zone)
    said: Words = g.words
    return said


def role_title(role: Role | str) -> str:
    return config().profile.titles.roles[Role(role)].in_(words().language)


def tell(said: Message, tone: str = "done") -> None:
    """Keep a sentence for the next page: what the box has confirmed (`done`) or refused (`error`)."""
    flash(json.dumps(said.as_json()), tone)


def is_fragment() -> bool:
    """The live part of the page alone is asked for, by live.js."""
    return "fragment" in request.args


def page(template: str, **values: Any) -> str:
    """The whole page, or only its live regions when live.js asks with ?fragment=1."""
    return render_template(template, layout="bare.html" if is_fragment() else "base.html", **values)
