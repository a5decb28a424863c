"""The words of the house as values: people, roles, messages, the one error shown to people. Imports nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

Language = Literal["ru", "en"]
LANGUAGES: tuple[Language, ...] = ("ru", "en")


def N_(text: str) -> str:
    """Mark an English sentence for translation; it is said later, in the reader's language, by `words.Words`."""
    return text


@dataclass(frozen=True, slots=True)
class Message:
    """A sentence for people, kept untranslated: `text` is the English msgid with {fields}, `args` fills them.

    Field names carry the unit that decides how a value is said: `_at` UTC ISO-8601 instant, `_s` seconds, `_bytes`.
    """

    text: str
    args: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return {"text": self.text, "args": dict(self.args)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Message:
        return cls(str(value["text"]), dict(value.get("args") or {}))

    def __str__(self) -> str:
        return self.text.format_map(self.args)


def message(text: str, /, **args: Any) -> Message:
    """`message("Camera {camera} does not answer.", camera="0001")`."""
    return Message(text, args)


class ApplianceError(Exception):
    """The house refuses or cannot. `message` is the sentence for a person: what is wrong and what to do."""

    def __init__(self, text: str | Message, /, **args: Any) -> None:
        self.message = text if isinstance(text, Message) else Message(text, args)
        super().__init__(str(self.message))


class Role(StrEnum):
    """Who may do what; the table is `web/rights.py`, the words are the profile's."""

    TECHNICIAN = "technician"
    HEAD = "head"
    SECURITY = "security"
    EXPORTER = "exporter"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with an account. `login` never changes; `name` is the full name as forms print it."""

    login: str
    name: str
    role: Role
    language: Language
    disabled: bool = False


@dataclass(frozen=True, slots=True)
class Actor:
    """Who did something, as the journal keeps it: a person, or a service of the box."""

    kind: Literal["person", "service"]
    id: str
    name: str = ""
    role: str = ""

    @classmethod
    def person(cls, who: Person) -> Actor:
        return cls("person", who.login, who.name, who.role.value)

    @classmethod
    def service(cls, name: str) -> Actor:
        return cls("service", name)


class Personal(str):
    """A text that may name a person: the journal commits to it and keeps it where the law can have it erased."""

    __slots__ = ()


class Gone(str):
    """Stands where a personal value of a journal entry is no longer there. False, and empty as a text."""

    __slots__ = ("lawful",)
    lawful: bool

    def __new__(cls, *, lawful: bool) -> Gone:
        made = super().__new__(cls, "")
        made.lawful = lawful
        return made

    @property
    def said(self) -> Message:
        return Message(GONE if self.lawful else LOST)


GONE, LOST = N_("erased"), N_("missing, nobody erased it by the rules")


class RoomKind(StrEnum):
    """What a room is for; the region profile gives each kind its recording hours."""

    CLASSROOM = "classroom"
    HQ = "hq"
    ENTRANCE = "entrance"
    CORRIDOR = "corridor"
    OTHER = "other"


Verdict = Literal["passed", "remark", "failed", "silent", "broke"]
# Worst first: failed (wrong), silent (no answer), broke (the check itself failed), remark, passed. docs/checks.md
