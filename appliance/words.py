"""How the house speaks: one catalogue for pages, terminal and prints, in Russian and English; figures, times, plurals.

English sentences are the msgids. Russian stands in translations/ru/*.po, one file a subject, read by Babel at start:
no compiled catalogue can grow stale. A field's suffix says what it is (`_at`, `_day`, `_s`, `_ms`, `_bytes`).
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from datetime import date, datetime
from functools import cache
from importlib.resources import files
from typing import Any

from babel import Locale, dates, numbers
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import Translations

from appliance.clock import parse
from appliance.model import N_, Gone, Language, Message

NBSP = "\u00a0"


@cache
def _translations(language: Language) -> Translations:
    """All .po files of a language in one catalogue, built in memory. Reading is pure, so it is done once a process."""
    whole = Catalog(locale=language)
    if language == "ru":
        for part in sorted(files("appliance").joinpath("translations/ru").iterdir(), key=lambda p: p.name):
            if part.name.endswith(".po"):
                for found in read_po(io.BytesIO(part.read_bytes()), locale="ru"):
                    if found.id:
                        whole.add(found.id, found.string, context=found.context)
    binary = io.BytesIO()
    write_mo(binary, whole)
    binary.seek(0)
    return Translations(binary)


class Words:
    """Says things in one language and one time zone. Cheap to make; holds no state but these two."""

    def __init__(self, language: Language, zone: Any) -> None:
        self.language: Language = language
        self.zone = zone
        self.locale = Locale.parse("ru" if language == "ru" else "en_GB")
        self._catalogue = _translations(language)

    def say(self, said: str | Message, /, **args: Any) -> str:
        """A whole sentence in this language; fields are formatted by their suffix."""
        text, given = (said.text, {**said.args, **args}) if isinstance(said, Message) else (said, args)
        translated = self._catalogue.ugettext(text) if text else ""
        return translated.format_map(self._fields(given)) if given else translated

    def plural(self, one: str, many: str, n: float, /, **args: Any) -> str:
        """A whole sentence that depends on a number, field {n}: `plural("{n} camera", "{n} cameras", 5)`."""
        if isinstance(n, float) and not n.is_integer():
            n_form = 2  # 1,5 камеры takes the form of 2
        else:
            n_form = int(n)
        return self._catalogue.ungettext(one, many, n_form).format_map(self._fields({**args, "n": n}))

    def _fields(self, args: Mapping[str, Any]) -> dict[str, str]:
        return {name: self._field(name, value) for name, value in args.items()}

    def _field(self, name: str, value: Any) -> str:
        if value is None:
            return "—"
        if isinstance(value, Gone):
            return self.say(value.said)
        if isinstance(value, Mapping) and "text" in value:
            return self.say(Message.from_json(value))
        if isinstance(value, Message):
            return self.say(value)
        if isinstance(value, Mapping) and {"ru", "en"} <= value.keys():
            return str(value[self.language])
        if name.endswith("_at") and isinstance(value, str | datetime):
            return self.time(value)
        if name.endswith("_day") and isinstance(value, str | datetime | date):
            return self.day(value)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return str(value)
        if name.endswith("_s"):
            return self.span(value)
        if name.endswith("_ms"):
            return self.span(value / 1000)
        if name.endswith("_bytes"):
            return self.size(value)
        return self.number(value)

    def local(self, at: datetime | str) -> datetime:
        """The instant on the site's clock."""
        return (parse(at) if isinstance(at, str) else at).astimezone(self.zone)

    def time(self, at: datetime | str) -> str:
        """07:52:41, the site's zone."""
        return self.local(at).strftime("%H:%M:%S")

    def minute(self, at: datetime | str) -> str:
        """07:52"""
        return self.local(at).strftime("%H:%M")

    def day(self, at: datetime | date | str) -> str:
        """22.11.2026, in English 22 Nov 2026."""
        if isinstance(at, str):
            at = parse(at) if "T" in at else date.fromisoformat(at)
        on = at.astimezone(self.zone).date() if isinstance(at, datetime) else at
        return dates.format_date(on, "dd.MM.yyyy" if self.language == "ru" else "d MMM yyyy", locale=self.locale)

    def weekday(self, at: datetime | str) -> str:
        """вс, 22 ноября; Sun, 22 November."""
        return dates.format_date(self.local(at).date(), "EEE, d MMMM", locale=self.locale)

    def moment(self, at: datetime | str) -> str:
        """22.11.2026 07:52:41 UTC+5: date, time and offset, for evidence."""
        return f"{self.day(self.local(at))} {self.time(at)} {self.offset(at)}"

    def offset(self, at: datetime | str) -> str:
        """UTC+5, UTC+5:30"""
        minutes = int((self.local(at).utcoffset() or self.local(at) - self.local(at)).total_seconds() // 60)
        hours, rest = divmod(abs(minutes), 60)
        return f"UTC{'-' if minutes < 0 else '+'}{hours}" + (f":{rest:02d}" if rest else "")

    def number(self, value: float, places: int = 1) -> str:
        """1 284 and 4,2 in Russian; 1,284 and 4.2 in English."""
        pattern = "#,##0" if isinstance(value, int) or float(value).is_integer() else "#,##0." + "#" * places
        return numbers.format_decimal(value, pattern, locale=self.locale)

    def span(self, seconds: float) -> str:
        """4,2 с · 19 мин 08 с · 2 ч 10 мин; 4.2 s · 19 min 08 s · 2 h 10 min."""
        h, m, s = ("ч", "мин", "с") if self.language == "ru" else ("h", "min", "s")
        sign, seconds = ("−" if seconds < 0 else ""), abs(seconds)
        if round(seconds) < 60:
            return f"{sign}{self.number(round(seconds, 1))}{NBSP}{s}"
        whole = round(seconds)
        if whole < 3600:
            return f"{sign}{whole // 60}{NBSP}{m}{NBSP}{whole % 60:02d}{NBSP}{s}"
        return f"{sign}{self.number(whole // 3600)}{NBSP}{h}{NBSP}{whole % 3600 // 60:02d}{NBSP}{m}"

    def signed_s(self, seconds: float) -> str:
        """+4,2 с: a clock's offset."""
        return ("+" if seconds >= 0 else "−") + self.span(abs(seconds))

    def size(self, size_bytes: float) -> str:
        """27,5 ГБ; a GB is 10⁹ bytes."""
        names = ("Б", "КБ", "МБ", "ГБ", "ТБ") if self.language == "ru" else ("B", "KB", "MB", "GB", "TB")
        step, value = 0, float(size_bytes)
        while value >= 999.5 and step < len(names) - 1:
            step, value = step + 1, value / 1000
        return f"{self.number(round(value, 1) if step > 1 else round(value))}{NBSP}{names[step]}"


def both(ru: str, en: str) -> dict[str, str]:
    """A name kept in both languages as a message argument."""
    return {"ru": ru, "en": en}


UNKNOWN = N_("unknown")
