"""Every page, both languages: nothing serious for axe, nothing wider than the phone, no word of the console."""

from __future__ import annotations

from importlib.resources import files

import pytest
from playwright.sync_api import Page

from appliance import alarms, camera_told, erasure, journal
from appliance.clock import SystemClock
from appliance.model import Language, Role
from tests.browser.conftest import LANGUAGES, Enter, Served
from tests.fakes.seeded_site import SMOKE, WINDOW, ask_export
from tests.test_web_taking_in import WHOLE

AXE = files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
PAGES = {
    Role.TECHNICIAN: ["/", "/checklist", "/checklist/camera.clock/hq", "/cameras", "/cameras/corridor-2",
                      "/cameras/corridor-2/device",
                      "/cameras/wall", "/cameras/corridor-2/live", "/journal", "/journal/UNEXPLAINED", "/more", "/help",
                      "/people"],
    Role.HEAD: ["/", "/journal/waiting", "/journal/WAITING", "/journal/form?exam=russian", "/archive", "/people",
                "/archive/corridor-2", "/exams/russian/coverage", "/journal/marks", "/disk", "/journal/erasures/ERASE"],
    Role.SECURITY: ["/alarms", "/alarms/FIRE", "/export", "/export/1", "/journal", "/archive"],
    Role.EXPORTER: ["/", "/export", "/export/ask", "/export/1"],
    Role.ADMIN: ["/system", "/people", "/people/add", "/people/orlov/disable",
                 "/journal/erasures", "/journal/erasures/ask?login=petrov&before=2100-01-01"],
}  # fmt: skip


def serious(page: Page) -> list[str]:
    """What axe finds that keeps somebody out, with where."""
    page.evaluate(AXE)
    found = page.evaluate("axe.run({resultTypes: ['violations']})")["violations"]
    return [f"{each['id']}: {node['target']}" for each in found if each["impact"] in ("serious", "critical")
            for node in each["nodes"]]  # fmt: skip


def prepared(served: Served) -> dict[str, str]:
    """The day with a fire and an intrusion standing and a hand-over that waits; the numbers that paths name."""
    site, clock = served.site, SystemClock()
    for event in (SMOKE, WINDOW):
        site.say(event, clock)  # type: ignore[arg-type]
    ask_export(site, site.people[Role.EXPORTER])
    erase = erasure.ask(site.db, clock, site.people[Role.ADMIN], "petrov", "Request 4", before=clock.now())
    camera_told.keep(site.db, clock, "corridor-2", WHOLE)
    board = alarms.board(site.db, site.config, clock.now())
    waiting = journal.waiting(site.db)
    return {"FIRE": str(next(a.id for a in board.alarms if a.kind == "fire.alarm" and a.state == "unacknowledged")),
            "WAITING": str(waiting[0].seq), "UNEXPLAINED": str(waiting[-1].seq),
            "ERASE": str(erase)}  # fmt: skip


@pytest.mark.parametrize(("language", "width", "scheme"), [("ru", 360, "light"), ("en", 1280, "dark")])
def test_no_page_keeps_anybody_out(served: Served, enter: Enter, language: Language, width: int, scheme: str) -> None:
    numbers, faults = prepared(served), []
    for role, paths in PAGES.items():
        page = enter(role, language, width, 800, scheme)
        for path in paths:
            *_, last = path.split("/")
            page.goto(served.address + path.replace(last, numbers.get(last, last)))
            page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true })")
            faults += [f"{path}: {fault}" for fault in serious(page)]
            wider = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            if wider > 0:
                faults.append(f"{path}: {wider} px wider than the screen")
        page.close()
    assert faults == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_sign_in_page_keeps_nobody_out(served: Served, enter: Enter, language: Language) -> None:
    page = enter(Role.SECURITY, language, 360, 640)
    page.goto("about:blank")  # the board, which notices that nobody is signed in, goes to the sign-in page by itself
    page.context.clear_cookies()
    page.goto(f"{served.address}/signin")
    assert serious(page) == []
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0
    page.fill("#login", "orlov")
    page.fill("#password", "wrong")
    page.click("button.primary")
    assert serious(page) == []
    assert page.evaluate("document.activeElement.textContent").strip() in (
        "Name or password did not match.", "Имя или пароль не подошли.")  # fmt: skip


def test_axe_itself_is_alive(served: Served, enter: Enter) -> None:
    page = enter(Role.HEAD)
    picture = '<img src="/static/images/icon.svg">'
    page.evaluate("html => document.querySelector('main').insertAdjacentHTML('afterbegin', html)", picture)
    assert [fault.split(":")[0] for fault in serious(page)] == ["image-alt"]


def test_on_a_narrow_screen_and_at_double_size_everything_is_still_there(served: Served, enter: Enter) -> None:
    page = enter(Role.TECHNICIAN, "ru", 320, 640)
    for width, size in ((320, "100%"), (640, "200%")):
        page.set_viewport_size({"width": width, "height": 640})
        for path in ("/", "/checklist", "/journal", "/cameras"):
            page.goto(served.address + path)
            page.evaluate("size => { document.documentElement.style.fontSize = size; }", size)
            assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, (path, size)


def test_targets_are_big_enough_for_a_thumb(served: Served, enter: Enter) -> None:
    page = enter(Role.TECHNICIAN, "ru", 360, 800)
    for path in ("/", "/checklist", "/journal", "/more"):
        page.goto(served.address + path)
        small = page.evaluate("""() => [...document.querySelectorAll('main button, main a.row, nav a, main a.button')]
            .map(e => [e.textContent.trim(), e.getBoundingClientRect()])
            .filter(([, r]) => r.width && r.height < 44).map(([t, r]) => t + ' ' + r.height)""")
        assert small == [], path


def test_the_wall_fits_without_scrolling(served: Served, enter: Enter) -> None:
    prepared(served)
    page = enter(Role.SECURITY, "ru", 1920, 1080)
    for path in ("/wall/alarms", "/wall/cameras"):
        page.goto(served.address + path)
        hidden = page.locator("main").evaluate("main => main.scrollHeight - main.clientHeight")
        assert hidden <= 0, path
        assert serious(page) == [], path
        assert page.evaluate("parseFloat(getComputedStyle(document.body).fontSize)") >= 28  # two metres, 43 inches
