"""Chromium at the real pages: the service as a process of its own, the other services beating, the day as of now."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from appliance import accounts, health, store
from appliance.clock import SystemClock
from appliance.model import Language, Role
from tests.fakes import seeded_site
from tests.fakes.seeded_site import MOMENTS, PASSWORD, Site
from tests.test_web_main import ROOT, answered, free_port

CHROMIUM = next(
    (path for path in (Path("/usr/bin/chromium"), Path("/usr/bin/chromium-browser")) if path.exists()), None
)
# What a browser says when the box is away, the session over, the stream full, a page not one's own: done on purpose.
EXPECTED = ("ERR_CONNECTION", "ERR_EMPTY", "ERR_INCOMPLETE", "status of 401", "status of 403", "status of 503")
LANGUAGES: tuple[Language, ...] = ("ru", "en")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if CHROMIUM is None:
        for item in items:
            if Path(__file__).parent in item.path.parents:
                item.add_marker(pytest.mark.skip(reason="needs chromium (apt install chromium)"))


class Beating:
    """The other services' heartbeats, so that the pages have somebody to believe."""

    def __init__(self, site: Site) -> None:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(site,), daemon=True)
        self._thread.start()

    def _run(self, site: Site) -> None:
        db = store.open(site.config.database)
        with closing(db.conn):
            while not self._stop.wait(2.0):
                for service in set(health.SERVICES) - {"web"}:
                    health.beat(db, SystemClock(), service)

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(10)


@dataclass(slots=True)
class Served:
    """The pages of a seeded site, served by a process of their own."""

    site: Site
    process: subprocess.Popen[bytes]
    address: str
    port: int

    def start(self) -> None:
        self.process = _serve(self.site)
        answered(self.port)


def _serve(site: Site) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "web", "--config", str(site.config.source)], cwd=ROOT,
                            stderr=subprocess.DEVNULL)  # fmt: skip


@pytest.fixture(scope="module")  # a playwright that stays open keeps its event loop running for all others
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def served(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Served]:
    """It is 11:41 of an exam day that is today; `indirect` may ask for another moment of the day."""
    port, moment = free_port(), getattr(request, "param", "during")
    site = seeded_site.seed(tmp_path, moment, language="en", segment_s=3600, port=port,
                            shift=datetime.now(UTC) - MOMENTS[moment])  # fmt: skip
    beating = Beating(site)
    served = Served(site, _serve(site), f"http://127.0.0.1:{port}", port)
    try:
        answered(port)
        yield served
    finally:
        served.process.kill()
        served.process.wait()
        beating.stop()


Enter = Callable[..., Page]


@pytest.fixture
def enter(browser: Browser, served: Served) -> Iterator[Enter]:
    """Sign somebody in with a browser of their own; what the console said is asserted at the end."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def signed_in(
        role: Role, language: Language = "en", width: int = 1280, height: int = 800, scheme: str = "light"
    ) -> Page:
        accounts.set_language(served.site.db, served.site.login(role), language)
        context = browser.new_context(viewport={"width": width, "height": height}, locale=language,
                                      color_scheme="dark" if scheme == "dark" else "light")  # fmt: skip
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        outside = f"{served.address}/"
        page.on("request", lambda asked: complaints.append(asked.url) if not asked.url.startswith(outside) else None)
        page.goto(f"{served.address}/signin")
        page.fill("#login", served.site.login(role))
        page.fill("#password", PASSWORD)
        page.click("button.primary")
        page.wait_for_url(lambda url: "signin" not in url)
        return page

    yield signed_in
    for context in contexts:
        context.close()
    assert [said for said in complaints if not any(word in said for word in EXPECTED)] == []
