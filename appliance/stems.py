"""Words as people type them, brought to one form: стойку, стойкой and Стойка are one word, ё is е, 22 ноября a day.

Snowball's Russian and English stemmers (snowballstemmer), used until nothing changes any more, so that a surname's
cases and genders meet as well: Орлов, Орлову, Орлова. It finds too much rather than too little.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, datetime
from functools import cache, lru_cache
from typing import Any

SHORTEST = 3  # a stem is never made shorter
REFLEXIVE = re.compile("л[аои]сь$")
FLEETING = re.compile("([^аеиоуыэюя])[ео]к$")  # проверок, флешек: the vowel of the genitive plural
AFTER_VOWEL = re.compile("([аеиоуыэюя])ек$")  # стоек of стойка
PAST = re.compile("(?<=..[аеиоуыэюя])(?:л|т|вш)$")  # сгорел, сгореть, сгоревший: all that is left to the stemmer
HARD_PAST = re.compile("(?<=..[бгзкс])л$")  # принесла, помогла: beside принёс, помог
WENT = re.compile("(?<=[а-я])ш(?:ел|л[аои])$")  # ушёл, ушла, ушли: a root of its own that no ending explains
LONGEST_ASKED = 12  # terms of one question

MONTHS = tuple(re.compile(name) for name in (
    "янв(?:ар[ьяе])?|jan(?:uary)?", "фев(?:рал[ьяе])?|feb(?:ruary)?", "мар(?:та?|те)?|mar(?:ch)?",
    "апр(?:ел[ьяе])?|apr(?:il)?", "ма[йяе]|may", "июн[ьяе]?|june?", "июл[ьяе]?|july?", "авг(?:уста?|усте)?|aug(?:ust)?",
    "сен(?:тябр[ьяе])?|sep(?:tember)?", "окт(?:ябр[ьяе])?|oct(?:ober)?", "ноя(?:бр[ьяе])?|nov(?:ember)?",
    "дек(?:абр[ьяе])?|dec(?:ember)?",
))  # fmt: skip
NAMED = "|".join(month.pattern for month in MONTHS)
TERM = re.compile(
    r"(?P<iso>\d{4}-\d{2}-\d{2})"
    r"|(?P<dotted>\d{1,2}\.\d{1,2}(?:\.(?:\d{4}|\d{2})(?!\d))?(?!\.?\d))"
    rf"|(?P<named>\b\d{{1,2}} (?:{NAMED})\b\.?(?: \d{{4}}\b)?)"
    r"|(?P<time>\b\d{1,2}:\d{2}(?::\d{2})?)"
    r"|(?P<word>[^\W_]+)"
)


def of(text: str) -> Iterator[str]:
    """The terms of a text, in their order."""
    for found in TERM.finditer(_folded(text)):
        yield from _term(found)


def asked(text: str) -> list[tuple[str, str]]:
    """What is typed into a search: (term, how it begins). Only the last word may be one that is still being typed."""
    found = list(TERM.finditer(_folded(text)))[:LONGEST_ASKED]
    said = [(term, "") for each in found for term in _term(each)]
    if found and found[-1]["word"] and text == text.rstrip() and len(found[-1]["word"]) > 1:
        said[-1] = (said[-1][0], found[-1]["word"])
    return said


def instant(at: datetime) -> tuple[str, ...]:
    """What an instant on the wall's clock is found by: its day, with and without the year, and its minute."""
    return (*_day(at.date()), f"zqt{at:%H%M}")


def _folded(text: str) -> str:
    return " ".join(text.casefold().replace("ё", "е").split())


def _term(found: re.Match[str]) -> tuple[str, ...]:
    kind, said = found.lastgroup, found[0]
    if kind == "time":
        hours, minutes = said.split(":")[:2]
        return (f"zqt{int(hours):02d}{minutes}",)
    if kind == "word":
        return (_stem(said),)
    return _date(kind, said) or tuple(_stem(word) for word in re.findall(r"[^\W_]+", said))


def _date(kind: str | None, said: str) -> tuple[str, ...] | None:
    """The day's terms; without a year, of any. None for what only looks like one, such as 40.11."""
    if kind == "iso":
        year, month, day = (int(part) for part in said.split("-"))
    elif kind == "dotted":
        day, month, *rest = (int(part) for part in said.split("."))
        year = rest[0] + (2000 if rest[0] < 100 else 0) if rest else 0
    else:
        number, name, *years = (part.rstrip(".") for part in said.split())
        month = next(n for n, pattern in enumerate(MONTHS, 1) if pattern.fullmatch(name))
        day, year = int(number), int(years[0]) if years else 0
    try:
        on = date(year or 2000, month, day)
    except ValueError:
        return None
    return _day(on) if year else _day(on)[1:]


def _day(on: date) -> tuple[str, str]:
    return f"zqd{on:%Y%m%d}", f"zqm{on:%m%d}"


@cache
def _stemmers() -> tuple[Any, Any]:
    import snowballstemmer  # all its languages, a tenth of a service's start: only who searches waits for them

    return snowballstemmer.stemmer("russian"), snowballstemmer.stemmer("english")


@lru_cache(20_000)
def _known(word: str) -> str:
    russian, english = _stemmers()
    if word.isascii():
        return str(english.stemWord(word))
    if word.endswith("ь") and not REFLEXIVE.search(word):
        word = word[:-1]  # запись and записи: else the first is taken for a verb
    word = WENT.sub("шла", word)
    while len(word) > SHORTEST and (shorter := russian.stemWord(word)) != word:
        word = shorter if len(shorter) >= SHORTEST else word[:SHORTEST]  # Анна and Анны, which would be "ан"
    return AFTER_VOWEL.sub(r"\1йк", FLEETING.sub(r"\1к", HARD_PAST.sub("", PAST.sub("", word))))


def _stem(word: str) -> str:
    return word if any(letter.isdigit() for letter in word) else _known(word)
