"""A real watch, a real keeper, a virtual panel: Orlov announces, opens the rack, closes it, and Ivanova signs.

An opening nobody announced stands first on her page. Petrov (guard) and Sidorov (exporter) see what is theirs.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from appliance import access, checkpoints, journal, journal_search, store
from appliance import config as configuration
from appliance.clock import SystemClock, iso
from appliance.model import Role
from appliance.services import watch
from appliance.services.keeper import Keeper
from demo.panel import VirtualPanel
from tests.browser.conftest import Beating, Enter, Served, _serve
from tests.browser.test_every_page_in_a_browser import serious
from tests.fakes import seeded_site
from tests.fakes.seeded_site import MOMENTS, PASSWORD, Site
from tests.test_web_main import answered, free_port

RACK_ZONE = "005"
PATIENCE_S = 4.0  # instead of the profile's minutes: so long before and after an action an opening is explained by it
WITHIN_S = 20.0
NARROW = "document.documentElement.scrollWidth - innerWidth"


def impatient(site: Site) -> Site:
    """The same site with a profile whose minutes are seconds."""
    text = site.config.source.read_text(encoding="utf-8")
    profile = Path(re.search(r'profile = "(.+)"', text)[1])  # type: ignore[index]
    said = profile.read_text(encoding="utf-8")
    for key in ("before_min", "after_min", "announce_min"):
        said = re.sub(rf"^{key} = \d+", f"{key} = {PATIENCE_S / 60}", said, flags=re.MULTILINE)
    mine = site.config.source.with_name("profile.toml")
    mine.write_text(said, encoding="utf-8")
    site.config.source.write_text(text.replace(str(profile), str(mine)), encoding="utf-8")
    return Site(configuration.load(site.config.source), site.db, site.clock, site.people, site.exam)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    port = free_port()
    site = impatient(seeded_site.seed(tmp_path, "during", language="ru", segment_s=3600, port=port,
                                      shift=datetime.now(UTC) - MOMENTS["during"]))  # fmt: skip
    with store.transaction(site.db):  # what happens in the minutes to come is recorded too, however slow the machine
        site.db.write("update segment set ends_at = ? where ends_at = (select max(ends_at) from segment)",
                      (iso(datetime.now(UTC) + timedelta(minutes=30)),))  # fmt: skip
    beating = Beating(site)
    served = Served(site, _serve(site), f"http://127.0.0.1:{port}", port)
    try:
        answered(port)
        yield served
    finally:
        served.process.kill()
        served.process.wait()
        beating.stop()


@pytest.fixture
def panel(served: Served) -> Iterator[VirtualPanel]:
    """The virtual panel with the watch that hears it and the keeper that judges what it heard."""
    config, stop = served.site.config, threading.Event()
    panel = VirtualPanel(config.panels[0].port, heartbeat_s=0.5, repeat_s=0.5).start()

    def keep() -> None:
        with closing(store.open(config.database)) as db:
            keeper = Keeper.begin(db, config, SystemClock())
            while not stop.wait(0.2):
                keeper.tick()
            keeper.work.wait(20)

    services = [threading.Thread(target=watch.main, args=(config, SystemClock(), stop)), threading.Thread(target=keep)]
    for service in services:
        service.start()
    try:
        yield panel
    finally:
        stop.set()
        for service in services:
            service.join(30)
        panel.stop()


def told(site: Site, kind: str, after: int) -> int:
    """The number of the first entry of a kind after `after`, once the services have written it."""
    ends = time.monotonic() + WITHIN_S
    while time.monotonic() < ends:
        found = journal.entries(site.db, after=after, kinds=[kind], limit=1)
        if found:
            return found[0].seq
        time.sleep(0.1)
    raise AssertionError(f"no {kind} came")


def opens_and_closes(served: Served, panel: VirtualPanel) -> int:
    """The rack's door, opened and closed; returns the number of the entry about the opening."""
    head = journal.head(served.site.db)[0]
    panel.send("intrusion", RACK_ZONE)
    opened = told(served.site, "door.opened", head)
    panel.send("intrusion-restored", RACK_ZONE)
    told(served.site, "door.closed", opened)
    return opened


def sound(page: Page) -> None:
    assert serious(page) == []
    assert page.evaluate(NARROW) <= 0, page.url


def test_the_day_of_the_access_journal(served: Served, panel: VirtualPanel, enter: Enter) -> None:
    site = served.site
    panel.send("intrusion-restored", RACK_ZONE)  # it stood open since the morning
    told(site, "door.closed", journal.entries(site.db, kinds=["door.opened"], newest_first=True, limit=1)[0].seq)

    orlov = enter(Role.TECHNICIAN, "ru", 360, 740)
    orlov.goto(f"{served.address}/")
    orlov.get_by_role("link", name="Объявить действие").click()
    orlov.get_by_role("link", name="Проверка работоспособности").click()
    orlov.get_by_role("button", name="Штаб 7777").click()
    expect(orlov.locator(".told.done")).to_be_visible()
    announced = opens_and_closes(served, panel)
    explained = told(site, "event.explained", announced)
    orlov.get_by_role("button", name="Закончить").first.click()
    expect(orlov.locator(".chip").first).to_contain_text("Ждёт второй подписи")
    [act] = access.unconfirmed(site.db)

    ivanova = enter(Role.HEAD, "en")
    expect(ivanova).to_have_url(f"{served.address}/journal/waiting")
    expect(ivanova.locator(".together")).to_contain_text("Operability check, HQ 7777")
    sound(ivanova)
    ivanova.locator(".together input[type=password]").fill(PASSWORD)
    ivanova.get_by_role("button", name="Confirm what is ticked").click()
    expect(ivanova.locator(".told.done")).to_contain_text("Confirmed and recorded, actions: 1")
    assert access.act(site.db, act.seq).responsible.login == "ivanova"  # type: ignore[union-attr]
    ivanova.goto(f"{served.address}/journal/{explained}")
    expect(ivanova.locator(".abreast").first).to_contain_text("Иванова Анна Викторовна, head of site")
    expect(ivanova.locator("video").first).to_have_attribute("src", re.compile(r"/archive/segment/\d+\.mp4#t="))
    sound(ivanova)

    ended = access.act(site.db, act.seq).ended_at
    assert ended is not None
    time.sleep(PATIENCE_S + 1)  # long after the action is over
    ivanova.goto(f"{served.address}/journal/waiting")
    secret = opens_and_closes(served, panel)
    caught = told(site, "event.unexplained", secret)
    row = ivanova.locator(f"#live #entry-{caught}")
    expect(row).to_contain_text("no action announced", timeout=10_000)  # without a reload
    expect(ivanova.locator("h2").first).to_have_text(re.compile("^Unexplained"))
    order = ivanova.evaluate("[...document.querySelectorAll('main h2')].map(h => h.textContent.trim().split(' ')[0])")
    assert order[0] == "Unexplained"
    row.locator("a").click()
    expect(ivanova.locator("#h-near + ul")).to_contain_text("Rack door opened")
    ivanova.fill("#word", "Who was it?")
    ivanova.get_by_role("button", name="Ask back").click()
    expect(ivanova.locator(f"#live #entry-{caught}")).to_contain_text("Asked back")
    orlov.goto(f"{served.address}/journal/{caught}")
    expect(orlov.locator(".answers")).to_contain_text("Who was it?")
    sound(orlov)
    assert journal_search.indexed_to(site.db) >= caught  # the keeper keeps up
    assert checkpoints.covering(site.db, caught) is not None


def test_ivanova_finds_prints_and_says_what_she_has_read(served: Served, enter: Enter) -> None:
    site = served.site
    orlov, ivanova = site.people[Role.TECHNICIAN], site.people[Role.HEAD]
    seq = access.begin(site.db, site.config, SystemClock(), orlov, "angle", ["0001", "7777"], "по графику", key="a")
    access.end(site.db, site.config, SystemClock(), seq, orlov, key="a")
    for language, width in (("ru", 360), ("en", 1280)):
        page = enter(Role.HEAD, language, width)
        page.goto(f"{served.address}/journal")
        page.get_by_label("Поиск" if language == "ru" else "Search").fill("КАБЕЛЮ перетк")
        page.keyboard.press("Enter")
        expect(page.locator(".entry")).to_have_count(1)
        page.reload()
        expect(page.locator(".entry")).to_have_count(1)
        expect(page.locator(".entry")).to_contain_text("Переткнул кабель порта 6")
        sound(page)
        page.goto(f"{served.address}/journal?room=0002&action=angle&person=orlov")
        expect(page.locator(".entry")).to_have_count(2)
        page.get_by_role("link", name="Официальная форма" if language == "ru" else "Official form").click()
        page.goto(f"{served.address}/journal/form?exam=&action=angle")  # its exam began yesterday, when it is night
        expect(page.locator("table")).to_contain_text("0001–7777")
        sound(page)
        with page.expect_download() as download:
            page.get_by_role("button", name="Печать в PDF" if language == "ru" else "Print as PDF").click()
        assert Path(download.value.path()).read_bytes().startswith(b"%PDF-")
        page.goto(f"{served.address}/journal/waiting")
        sound(page)
        if language == "ru":
            page.get_by_role("button", name="Прочитано до").click()
        expect(page.locator("#since")).to_contain_text("Нового нет" if language == "ru" else "Nothing new")
        page.close()
    assert [e.actor.id for e in journal.entries(site.db, kinds=["journal.printed"])] == [ivanova.login] * 2


def test_petrov_and_sidorov_see_what_is_theirs(served: Served, enter: Enter) -> None:
    site = served.site
    exporter = site.people[Role.EXPORTER]
    own = access.begin(site.db, site.config, SystemClock(), exporter, "download", ["0001"], key="a")
    theirs = access.begin(site.db, site.config, SystemClock(), site.people[Role.TECHNICIAN], "angle", ["0002"], key="b")
    rack = journal.entries(site.db, kinds=["door.opened"])[0].seq
    for role, language, width in ((Role.SECURITY, "ru", 360), (Role.EXPORTER, "en", 1280)):
        page = enter(role, language, width)
        page.goto(f"{served.address}/journal")
        names = page.locator(".entry").all_inner_texts()
        mine = site.people[role].name
        assert names
        assert all(mine in text for text in names)
        sound(page)
        for path in (f"/journal/{rack}", f"/journal/access/{theirs}", "/journal/waiting", "/journal/form"):
            answer = page.goto(served.address + path)
            assert answer is not None
            assert answer.status == 403, path
            assert page.locator("main").inner_text() != ""
        page.goto(f"{served.address}/journal?person=orlov&q=стойку")
        expect(page.locator(".entry")).to_have_count(0)
        if role is Role.EXPORTER:
            page.goto(f"{served.address}/journal/access/{own}")
            expect(page.locator("h1")).to_contain_text("Video download")
        page.close()
