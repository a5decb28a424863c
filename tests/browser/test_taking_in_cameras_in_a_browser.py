"""A newcomer finds four cameras at his phone, takes them in and names them, sees them live; then one dies.

The cameras answer real WS-Discovery, ONVIF and RTSP; keeper, recorder and pages are processes of their own.
"""

from __future__ import annotations

import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from appliance import accounts, exams, journal, store, taken
from appliance import config as configuration
from appliance.clock import FakeClock, SystemClock
from appliance.commands.site import initialise
from appliance.model import Actor, Role
from demo.cameras_process import Address, CamerasProcess
from tests.browser.conftest import Enter, Served
from tests.browser.test_every_page_in_a_browser import serious
from tests.fakes.cameras import camera
from tests.fakes.recorded_site import wait_until
from tests.fakes.seeded_site import PASSWORD, PEOPLE, Site
from tests.test_web_main import ROOT, answered, free_port

OWN = f"127.{secrets.randbelow(200) + 1}.{secrets.randbelow(250) + 1}.9"  # other tests' cameras do not answer to it
USER, FACTORY = "admin", "factory-word-1"
# room, its names, what the newcomer calls the camera ("": as the room)
ROOMS = (
    ("0001", "Аудитория 0001", "Room 0001", ""), ("0002", "Аудитория 0002", "Room 0002", "Доска и стол"),
    ("hall", "Коридор", "Corridor", ""), ("door", "Вход", "Entrance", ""),
)  # fmt: skip
SITE = """
profile = "{profile}"
search_from = ["{own}"]
[site]
code = "0123"
name = {{ ru = "Школа № 7", en = "School No. 7" }}
timezone = "Asia/Yekaterinburg"
[storage]
data = "data"
video = "video"
reserve_bytes = 1000000
[web]
port = {port}
"""
ROOM = '[[room]]\ncode = "{code}"\nkind = "corridor"\nname = {{ ru = "{ru}", en = "{en}" }}\n'
SEARCH_MS, TAKE_MS, PICTURE_MS = 25_000, 45_000, 30_000
SHOWN_S = "(document.querySelector('#live-view video') || { currentTime: 0 }).currentTime"
NARROW = "document.documentElement.scrollWidth - innerWidth"


@pytest.fixture
def filmed(tmp_path: Path) -> Iterator[CamerasProcess]:
    config = [camera(f"new-{number}", user=USER, password=FACTORY) for number in range(4)]
    with CamerasProcess(config, tmp_path / "cameras", discovery=OWN) as process:
        yield process


@pytest.fixture
def served(tmp_path: Path, filmed: CamerasProcess) -> Iterator[Served]:
    """A site that has rooms and people and not one camera; an exam that must be recorded from now on."""
    port, clock = free_port(), SystemClock()
    text = SITE.format(profile=ROOT / "examples" / "ru-ege.toml", port=port, own=OWN)
    text += "".join(ROOM.format(code=code, ru=ru, en=en) for code, ru, en, _ in ROOMS)
    (tmp_path / "site.toml").write_text(text, encoding="utf-8")
    config = configuration.load(tmp_path / "site.toml")
    initialise(config)
    db = store.open(config.database)
    people = {role: accounts.add(db, config, clock, Actor.service("init"), login, name, role, "ru", PASSWORD)
              for login, name, role in PEOPLE}  # fmt: skip
    starts_at = clock.now() + timedelta(minutes=30)
    exam = exams.plan(db, config, clock, Actor.person(people[Role.HEAD]), "russian", "Русский язык", starts_at,
                      starts_at + timedelta(hours=2))  # fmt: skip
    site = Site(config, db, FakeClock(clock.now()), people, exam)
    with ExitStack() as running:
        for service in ("keeper", "recorder"):
            running.enter_context(service_of(config.source, service))
        pages = running.enter_context(Process([sys.executable, "-m", "web", "--config", str(config.source)]))
        answered(port)
        yield Served(site, pages, f"http://127.0.0.1:{port}", port)
    db.close()


def service_of(source: Path, name: str) -> Any:
    return Process([sys.executable, "-m", "appliance", "run", name, "--config", str(source)])


class Process:
    """A process of this test, ended with it."""

    def __init__(self, argv: list[str]) -> None:
        self._argv = argv

    def __enter__(self) -> subprocess.Popen[bytes]:
        self._process = subprocess.Popen(self._argv, cwd=ROOT, stderr=subprocess.DEVNULL)
        return self._process

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(20)


def place_of(address: Address) -> str:
    return address.onvif_url.split("/")[2]


def card(page: Page, address: Address) -> Any:
    return page.locator("li.sheet", has=page.locator(".code", has_text=place_of(address)).first)


def finds(page: Page, served: Served, addresses: list[Address]) -> None:
    page.goto(f"{served.address}/cameras")
    expect(page.locator("h1")).to_have_text("Камер пока нет")
    page.get_by_role("link", name="Найти в сети").click()
    assert serious(page) == []
    page.get_by_role("button", name="Найти в сети").click()
    for address in addresses:
        expect(card(page, address)).to_contain_text("Ждёт пароля", timeout=SEARCH_MS)
    assert serious(page) == []
    page.fill("#user", USER)
    page.fill("#password", FACTORY)
    page.get_by_role("button", name="Опросить их").click()
    for address in addresses:
        expect(card(page, address).locator(".chip").first).to_contain_text("Отвечает", timeout=SEARCH_MS)
        expect(card(page, address).locator("img")).to_be_visible(timeout=SEARCH_MS)


def takes_in(page: Page, addresses: list[Address]) -> None:
    for address, (code, _, _, name) in zip(addresses, ROOMS, strict=True):
        one = card(page, address)
        one.locator("select[name=room]").select_option(code)
        if name:
            one.locator("input[name=name]").fill(name)
        one.get_by_role("button", name="Взять").click()
    for address in addresses:
        expect(card(page, address)).to_contain_text("Уже в ППЭ", timeout=TAKE_MS)
        expect(card(page, address)).to_contain_text("собственный пароль: выставлено", timeout=TAKE_MS)
        expect(card(page, address)).to_contain_text("расхождение часов: выставлено", timeout=TAKE_MS)
    assert serious(page) == []
    assert page.evaluate(NARROW) <= 0


def sees_live(page: Page, served: Served, names: list[str]) -> None:
    page.goto(f"{served.address}/cameras")
    for name in names:
        plate = page.locator(".plate", has_text=name)
        expect(plate).to_contain_text("Запись идёт", timeout=PICTURE_MS)
        expect(plate.locator("img")).to_be_visible(timeout=PICTURE_MS)
    assert serious(page) == []
    page.locator(".plate", has_text="Доска и стол").get_by_role("link").first.click()
    expect(page.locator("h1")).to_have_text("Доска и стол")
    page.goto(page.url.rstrip("/") + "/live")
    wait_until(lambda: page.evaluate(SHOWN_S) > 0.5, "the live picture plays")
    assert page.evaluate(NARROW) <= 0


def test_a_newcomer_takes_four_cameras_in_sees_them_and_reads_what_happened_to_one(
    served: Served, filmed: CamerasProcess, enter: Enter
) -> None:
    site, addresses = served.site, list(filmed.addresses.values())
    page = enter(Role.TECHNICIAN, "ru", 360, 740)
    finds(page, served, addresses)
    takes_in(page, addresses)
    now = taken.with_taken(site.db, site.config)
    assert sorted(one.room for one in now.cameras) == sorted(code for code, *_ in ROOMS)
    assert len({one.password() for one in now.cameras} - {FACTORY}) == 4  # each has one of its own
    sees_live(page, served, [name or ru for _, ru, _, name in ROOMS])
    dead = next(one for one in now.cameras if one.name.ru == "Доска и стол")
    filmed.control(f"drop {next(key for key, a in filmed.addresses.items() if a.onvif_url == dead.onvif)} 600")
    page.goto(f"{served.address}/cameras/{dead.id}")
    expect(page.locator(".chip").first).to_contain_text("Нет связи", timeout=PICTURE_MS)
    expect(page.locator(".remedy")).to_contain_text("Проверьте питание и кабель камеры.")
    wait_until(lambda: any(e.kind == "camera.silent" and e.camera == dead.id for e in
                           journal.entries(site.db, newest_first=True)), "its silence is in the journal")  # fmt: skip
    assert serious(page) == []
    assert page.evaluate(NARROW) <= 0
    reads_in_english(enter(Role.TECHNICIAN, "en", 1280, 800), served, dead.id)


def reads_in_english(page: Page, served: Served, dead: str) -> None:
    page.goto(f"{served.address}/cameras/{dead}")
    expect(page.locator(".chip").first).to_contain_text("No connection")
    expect(page.locator(".remedy")).to_contain_text("Check the camera's power and cable.")
    words = {f"/cameras/{dead}/device": "Serial number", "/cameras/find": "The site's camera",
             f"/cameras/{dead}/edit": "Set aside", f"/cameras/{dead}/do/reboot": "Back, leave it"}  # fmt: skip
    for path, word in words.items():
        page.goto(served.address + path)
        expect(page.locator("main")).to_contain_text(word)
        assert serious(page) == [], path
    page.goto(f"{served.address}/cameras/{dead}/device")
    page.get_by_role("button", name="Set clock").click()
    expect(page.locator("main")).to_contain_text("Check its power, its cable and its port of the switch.",
                                                 timeout=SEARCH_MS)  # fmt: skip
