"""A real camera live in Chromium: it plays, says how far it is behind, has sound after a press, and tells when it dies.

How far it is behind is measured as well, from the frame counter in the picture, and printed; what is asserted is that
it plays and says so.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from appliance import accounts, store
from appliance import config as configuration
from appliance.clock import SystemClock
from appliance.config import Config
from appliance.model import Actor, Role
from demo.barcode import read_counter
from demo.cameras_process import CamerasProcess
from tests.browser.test_every_page_in_a_browser import serious
from tests.fakes import recorded_site
from tests.fakes.cameras import StartCameras, camera
from tests.fakes.recorded_site import RecorderProcess, lost_or_twice, wait_until
from tests.fakes.seeded_site import PASSWORD
from tests.test_web_main import ROOT, answered, free_port

pytest_plugins = ["tests.fakes.cameras"]
CLOCK = SystemClock()
SOON_MS = 20_000
BEHIND = re.compile(r"^Live, (\d+\.\d) s behind$")


@dataclass(frozen=True, slots=True)
class Live:
    """A site with two real cameras, its recorder and its pages."""

    config: Config
    cameras: CamerasProcess
    address: str


@pytest.fixture
def live(tmp_path: Path, virtual_cameras: StartCameras) -> Iterator[Live]:
    cameras, port = virtual_cameras([camera("one", sound="aac"), camera("two", codec="h265")]), free_port()
    source = recorded_site.site(tmp_path, cameras.addresses, sound=["one"]).source
    source.write_text(source.read_text(encoding="utf-8") + f"\n[web]\nport = {port}\n", encoding="utf-8")
    config = configuration.load(source)
    with closing(store.open(config.database)) as db:
        accounts.add(db, config, CLOCK, Actor.service("init"), "orlov", "Orlov", Role.TECHNICIAN, "en", PASSWORD)
    pages = subprocess.Popen([sys.executable, "-m", "web", "--config", str(source)], cwd=ROOT)
    try:
        with RecorderProcess(config):
            answered(port)
            yield Live(config, cameras, f"http://127.0.0.1:{port}")
    finally:
        pages.terminate()
        pages.wait(20)


@pytest.fixture
def page(browser: Browser, live: Live) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 900}, locale="en")
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(f"{live.address}/signin")
    page.fill("#login", "orlov")
    page.fill("#password", PASSWORD)
    page.click("button.primary")
    page.wait_for_url(lambda url: "signin" not in url)
    yield page
    context.close()
    assert complaints == []


def shown_s(page: Page) -> float:
    return float(page.evaluate("document.querySelector('#live-view video').currentTime"))


def measured_lag_s(page: Page, live: Live) -> float | None:
    """How old the frame is that is shown, by the counter in it."""
    picture = cv2.imdecode(np.frombuffer(page.locator("#live-view video").screenshot(), np.uint8), cv2.IMREAD_COLOR)
    at = time.time()
    assert picture is not None
    counter, camera = read_counter(picture), live.cameras.stats()["one"]
    return None if counter is None else at - camera["frame0_at"] - counter / camera["fps"]


def test_a_camera_is_watched_and_then_recorded_and_dies(live: Live, page: Page) -> None:
    with closing(store.open(live.config.database)) as db:
        page.goto(f"{live.address}/cameras/wall")
        page.locator("#plate-one a").click()
        stamp = page.locator("#live-view .stamp")
        expect(stamp).to_have_text(BEHIND, timeout=SOON_MS)  # nobody records it: it runs because we watch
        recorded_site.plan_exam(db, CLOCK, lasts_s=600)
        wait_until(lambda: recorded_site.adopted(db, "one"), "it is recorded")
        before = shown_s(page)
        expect(stamp).to_have_text(BEHIND, timeout=SOON_MS)
        page.wait_for_timeout(3000)
        assert shown_s(page) > before + 2
        said = []
        for _ in range(4):
            page.wait_for_timeout(300)
            said.append(float(page.locator("#live-view").get_attribute("data-behind") or "nan"))
        lags = [lag for _ in range(5) if (lag := measured_lag_s(page, live)) is not None]
        print(f"says {min(said):.2f} to {max(said):.2f} s behind,"
              f" by the counter in the picture it is {min(lags):.2f} to {max(lags):.2f} s")  # fmt: skip
        assert serious(page) == []

        page.get_by_role("button", name="Turn sound on").click()
        expect(page.get_by_role("button", name="Turn sound off")).to_be_visible()
        expect(stamp).to_have_text(BEHIND, timeout=SOON_MS)
        heard = "document.querySelector('#live-view video').webkitAudioDecodedByteCount"
        wait_until(lambda: page.evaluate(heard) > 0, "sound is played")
        assert page.evaluate("document.querySelector('#live-view video').muted") is False

        live.cameras.control("drop one 600")
        expect(page.locator("#live-why")).to_contain_text("The camera", timeout=SOON_MS)
        expect(stamp).not_to_have_text(BEHIND)
        assert lost_or_twice(live.config, recorded_site.adopted(db, "one")[:-1]) == []


def test_what_the_browser_cannot_play_is_said(live: Live, page: Page) -> None:
    page.goto(f"{live.address}/cameras/two/live")
    playable = page.evaluate("""MediaSource.isTypeSupported('video/mp4; codecs="hvc1.1.6.L93.B0"')""")
    if playable:
        expect(page.locator("#live-view .stamp")).to_have_text(BEHIND, timeout=SOON_MS)
    else:
        expect(page.locator("#live-why")).to_contain_text("This browser cannot play H.265.", timeout=SOON_MS)
