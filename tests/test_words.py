"""Every sentence exists in both languages; figures, spans and plurals are said the way people say them."""

from __future__ import annotations

import ast
import io
import re
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from babel.messages.pofile import read_po

from appliance.model import Message, message
from appliance.words import Words, _translations

ROOT = Path(__file__).resolve().parent.parent
ZONE = ZoneInfo("Asia/Yekaterinburg")
CALLS = {"N_", "_", "say", "message", "ApplianceError"}


def marked_sentences() -> dict[str, str]:
    """Every literal given to N_, say, message or ApplianceError, and where it stands."""
    found: dict[str, str] = {}
    for room in ("appliance", "drivers", "web", "demo"):
        for file in sorted((ROOT / room).rglob("*.py")):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if not isinstance(node, ast.Call) or not node.args:
                    continue
                name = getattr(node.func, "id", getattr(node.func, "attr", ""))
                literals = node.args[:2] if name == "plural" else node.args[:1] if name in CALLS else []
                for literal in literals:
                    if isinstance(literal, ast.Constant) and isinstance(literal.value, str):
                        found[literal.value] = f"{file.relative_to(ROOT)}:{node.lineno}"
    for file in sorted((ROOT / "web" / "templates").rglob("*.html")):
        for text in re.findall(r"""\b_\(\s*"((?:[^"\\]|\\.)*)\"""", file.read_text(encoding="utf-8")):
            found[text] = str(file.relative_to(ROOT))
    return {text: place for text, place in found.items() if re.search(r"[A-Za-z]{2}", re.sub(r"\{\w+\}", "", text))}


def russian() -> dict[str, list[str]]:
    """msgid (both forms of a plural) -> its Russian forms, from all catalogues."""
    known: dict[str, list[str]] = {}
    for file in sorted((ROOT / "appliance/translations/ru").glob("*.po")):
        for found in read_po(io.BytesIO(file.read_bytes()), locale="ru"):
            if found.id:
                forms = [found.string] if isinstance(found.string, str) else list(found.string)
                for msgid in [found.id] if isinstance(found.id, str) else list(found.id):
                    known[msgid] = forms
    return known


def test_every_sentence_has_its_russian() -> None:
    known = russian()
    missing = {text: place for text, place in marked_sentences().items() if not all(known.get(text, [""]))}
    assert not missing, "\n".join(f"{place}: {text}" for text, place in missing.items())


def test_a_translation_has_the_same_fields() -> None:
    for msgid, forms in russian().items():
        fields = set(re.findall(r"\{(\w+)\}", msgid))
        for form in forms:
            assert set(re.findall(r"\{(\w+)\}", form)) <= fields | {"n"}, msgid


def test_russian_plural_forms_have_all_three() -> None:
    for file in sorted((ROOT / "appliance/translations/ru").glob("*.po")):
        for found in read_po(io.BytesIO(file.read_bytes()), locale="ru"):
            if not isinstance(found.id, str):
                assert len(found.string) == 3, found.id
                assert all(found.string), found.id


@pytest.mark.parametrize(
    ("seconds", "ru", "en"),
    [
        (4.2, "4,2 с", "4.2 s"),
        (59.7, "1 мин 00 с", "1 min 00 s"),
        (1148, "19 мин 08 с", "19 min 08 s"),
        (7800, "2 ч 10 мин", "2 h 10 min"),
        (-4.2, "−4,2 с", "−4.2 s"),
        (0, "0 с", "0 s"),
    ],
)
def test_spans(seconds: float, ru: str, en: str) -> None:
    assert Words("ru", ZONE).span(seconds).replace("\u00a0", " ") == ru
    assert Words("en", ZONE).span(seconds).replace("\u00a0", " ") == en


def test_figures_and_instants() -> None:
    ru, en = Words("ru", ZONE), Words("en", ZONE)
    at = "2026-11-22T02:52:41.000000Z"
    assert (ru.size(27_500_000_000), en.size(27_500_000_000)) == ("27,5\u00a0ГБ", "27.5\u00a0GB")
    assert en.number(1284) == "1,284"
    assert ru.number(1284).replace("\u00a0", " ").replace("\u202f", " ") == "1 284"
    assert (ru.day(at), en.day(at)) == ("22.11.2026", "22 Nov 2026")
    assert ru.moment(at) == "22.11.2026 07:52:41 UTC+5"
    assert (ru.weekday(at), en.weekday(at)) == ("вс, 22 ноября", "Sun, 22 November")
    assert ru.offset("2026-11-22T02:52:41.000000Z") == "UTC+5"
    assert Words("en", ZoneInfo("Asia/Kolkata")).offset(at) == "UTC+5:30"


def test_fields_are_said_by_their_suffix() -> None:
    at, name = "2026-11-22T02:52:41.000000Z", {"ru": "Вход", "en": "Entrance"}
    told = message("{wait_s} {size_bytes} {at_at} {name}", wait_s=90, size_bytes=1500, at_at=at, name=name)
    said = Words("ru", ZONE).say(told)
    assert said.replace("\u00a0", " ") == "1 мин 30 с 2 КБ 07:52:41 Вход"


def test_an_unknown_sentence_is_said_in_english_rather_than_not_at_all() -> None:
    assert Words("ru", ZONE).say(Message("Nobody ever translated {this}", {"this": 1})) == "Nobody ever translated 1"
    assert _translations("en") is _translations("en")
