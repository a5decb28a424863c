"""Every sentence of the templates exists in Russian, no Russian page shows English, every named icon is there."""

from __future__ import annotations

import ast
import io
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from babel.messages.pofile import read_po
from jinja2 import nodes

from appliance import accounts
from appliance.model import Role
from tests.fakes.seeded_site import Site
from tests.fakes.visitor import Visitor
from web import create_app, icons
from web.filters import fours, initials, lower_first, short_name

pytest_plugins = ["tests.web_fixtures"]
ROOT = Path(__file__).resolve().parent.parent
PAGES = {
    Role.TECHNICIAN: ["/", "/checklist", "/checklist/camera.clock/hq", "/cameras", "/cameras/corridor-2", "/journal",
                      "/journal/8", "/journal/waiting", "/archive", "/archive/corridor-2", "/more", "/help", "/system"],
    Role.HEAD: ["/", "/journal/waiting", "/journal/8", "/people", "/journal/form?exam=russian", "/journal?q=стойка"],
    Role.SECURITY: ["/", "/alarms", "/wall/alarms", "/export", "/journal", "/alarms/log", "/alarms/test",
                    "/alarms/2", "/alarms/2/conclusion", "/duty"],
    Role.EXPORTER: ["/", "/export", "/export/ask", "/archive"],
    Role.ADMIN: ["/", "/people/add", "/people/orlov/disable", "/system", "/wall/cameras"],
}  # fmt: skip
# Names, codes and what a figure or a form has to show as it is.
LATIN = re.compile(
    r"UTC|PDF|CSV|JSON|\bN\b|Chrome|VLC|H264|HEVC|USB|SQLite|Linux|examsite|English|Hikvision DS-2CD2043|h264"
)


def templates() -> list[Path]:
    return sorted((ROOT / "web/templates").glob("*.html"))


def sentences(template: Path, site: Site) -> Iterator[tuple[str, ...]]:
    """Literals given to _() and plural(), by Jinja's own parser."""
    env = create_app(site.config, site.clock).jinja_env
    for call in env.parse(template.read_text(encoding="utf-8")).find_all(nodes.Call):
        name = getattr(call.node, "name", getattr(call.node, "attr", ""))
        literals = [arg.value for arg in call.args if isinstance(arg, nodes.Const)]
        if name == "_" and literals:
            yield (literals[0],)
        elif name == "plural":
            yield literals[0], literals[1]


def russian() -> set[tuple[str, ...]]:
    return {
        (found.id,) if isinstance(found.id, str) else tuple(found.id)
        for file in (ROOT / "appliance/translations/ru").glob("*.po")
        for found in read_po(io.BytesIO(file.read_bytes()), locale="ru")
        if found.id and all([found.string] if isinstance(found.string, str) else found.string)
    }


def test_every_sentence_and_plural_of_the_templates_has_its_russian(site: Site) -> None:
    known = russian()
    said = {sentence for template in templates() for sentence in sentences(template, site)}
    assert len(said) > 150
    assert said - known == set()


def test_plurals_of_the_views_have_their_russian() -> None:
    known, found = russian(), 0
    for file in (ROOT / "web").glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "plural":
                pair = tuple(ast.literal_eval(arg) for arg in node.args[:2])
                assert pair in known, pair
                found += 1
    assert found > 3


@pytest.mark.parametrize("role", list(PAGES), ids=lambda role: role.value)
def test_a_russian_page_shows_russian(site: Site, role: Role) -> None:
    accounts.set_language(site.db, site.login(role), "ru")
    visitor = Visitor(create_app(site.config, site.clock)).sign_in(site, role)
    for path in PAGES[role]:
        page = visitor.get(path).text
        assert '<html lang="ru"' in page
        said = LATIN.sub("", re.sub(r'(?s)<\w+[^>]*class="code"[^>]*>.*?</\w+>|<pattern.*?</pattern>', " ", page))
        words = re.sub(r"<[^>]+>", " ", re.sub(r"(?s)<(script|style|option)\b.*?</\1>", " ", said))
        # two English words in a row are a sentence; a login or a code is one
        assert re.findall(r"[A-Za-z]{3,} [a-z]{2,}", words) == [], path


def test_russian_figures_and_names_do_not_break_from_their_words(site: Site) -> None:
    accounts.set_language(site.db, "ivanova", "ru")
    page = Visitor(create_app(site.config, site.clock)).sign_in(site, Role.HEAD).get("/journal").text
    assert "№\u00a08" in page
    assert "Орлов\u00a0П.\u00a0С." in page
    assert re.search(r"№ \d", page) is None


def test_every_icon_that_is_named_is_there() -> None:
    icon = icons.reader()
    named = set()
    for template in templates():
        text = template.read_text(encoding="utf-8")
        named |= set(re.findall(r"icon\([\"']([a-z-]+)[\"']", text))
    drawn = {path.stem for path in icons.FOLDER.glob("*.svg")}
    assert named
    assert named <= drawn
    for module in ("alarms", "cameras", "checks", "exams", "export"):
        for literal in ast.walk(ast.parse((ROOT / f"web/{module}.py").read_text(encoding="utf-8"))):
            if isinstance(literal, ast.Constant) and literal.value in drawn:
                named.add(str(literal.value))
    assert 'aria-hidden="true"' in icon("flame")


def test_a_module_names_no_icon_that_is_missing(site: Site) -> None:
    from web import alarms, checks, export

    drawings = [*alarms.DRAWINGS.values(), *(look[1] for look in checks.VERDICTS.values()),
                *(look[1] for look in export.STATES.values())]  # fmt: skip
    assert [name for name in drawings if not (icons.FOLDER / f"{name}.svg").exists()] == []


def test_names_as_lists_write_them() -> None:
    assert short_name("Орлов Пётр Сергеевич") == "Орлов\u00a0П.\u00a0С."
    assert (short_name("Орлов"), short_name("")) == ("Орлов", "")
    assert initials("Орлов Пётр Сергеевич") == "ОП"
    assert (lower_first("Охрана"), lower_first("ППЭ"), lower_first("")) == ("охрана", "ППЭ", "")
    assert fours("3f7a91c2d40e77b1") == "3F7A-91C2-D40E"
