"""How names and codes are written on the pages: short names in lists, hashes in groups to be read aloud."""

from __future__ import annotations

from typing import Any

from flask import Flask

from appliance import coverage
from appliance.clock import parse
from appliance.model import ApplianceError, Gone, Message
from appliance.words import NBSP
from web import context


def register(app: Flask) -> None:
    app.jinja_env.filters.update(
        initials=initials, short_name=short_name, lower_first=lower_first, fours=fours, camera_name=camera_name,
        room_name=room_name, person_name=person_name, instant=parse, cause_words=cause_words, as_message=as_message,
    )  # fmt: skip


def initials(name: str) -> str:
    """Орлов Пётр Сергеевич -> ОП"""
    return "".join(word[0] for word in name.split()[:2])


def short_name(name: str) -> str:
    """Орлов Пётр Сергеевич -> Орлов П. С., unbreakable: the way lists name people."""
    if isinstance(name, Gone):
        return name  # said in the reader's language where it is shown
    surname, *rest = name.split() or [name]
    return NBSP.join([surname, *(f"{word[0]}." for word in rest)])


def lower_first(text: str) -> str:
    """A role's title inside a sentence; an abbreviation keeps its capitals."""
    return text if text[1:2].isupper() else text[:1].lower() + text[1:]


def fours(digest: str) -> str:
    """The first twelve digits of a hash in groups of four, as they are read aloud: 3F7A-91C2-D40E."""
    head = digest[:12].upper()
    return "-".join(head[at : at + 4] for at in range(0, len(head), 4))


def camera_name(camera_id: str) -> str:
    """The camera's name in this language; its id when the configuration no longer has it."""
    try:
        return context.config().camera(camera_id).name.in_(context.words().language)
    except ApplianceError:
        return camera_id


def room_name(code: str) -> str:
    for room in context.config().rooms:
        if room.code == code:
            return room.name.in_(context.words().language)
    return code


def person_name(login: str | None) -> str:
    """Who a login is, short; the login itself for an account nobody has."""
    if not login:
        return "—"
    found = context.database().value("select name from person where login = ?", (login,))
    return short_name(found) if found else login


def cause_words(cause: str) -> str:
    """Why a camera was not recorded, in this language."""
    return context.words().say(coverage.cause(cause))


def as_message(said: dict[str, Any]) -> Message:
    return Message.from_json(said)
