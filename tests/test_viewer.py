"""The page on the stick, in a real browser, from file://: it says its gaps, plays, and asks nobody for anything."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Request, expect, sync_playwright

from appliance import store, viewer
from appliance.model import Language
from tests import handover

CHROMIUM = next(
    (path for path in (Path("/usr/bin/chromium"), Path("/usr/bin/chromium-browser")) if path.exists()), None
)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium (apt install chromium)")
GAP = {"ru": "Вход: пропуск 10:00:04–10:00:06", "en": "Entrance: gap 10:00:04–10:00:06"}
HEADING = {"ru": "Записи: Математика", "en": "Recordings: Математика"}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("viewer")
    return handover.site(folder / "site", handover.film(tmp_path_factory.mktemp("filmed"))).package(folder).path


@pytest.fixture
def page(browser: Browser, package: Path) -> Iterator[Page]:
    """The page, opened; afterwards: no error, and no request but for the package's own files."""
    complaints: list[str] = []
    asked: list[Request] = []
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: asked.append(request))
    page.goto((package / "index.html").as_uri())
    yield page
    page.close()
    assert complaints == []
    allowed = (package.as_uri() + "/", "data:")
    assert [request.url for request in asked if not request.url.startswith(allowed)] == []


def seek(page: Page, at: str) -> None:
    page.locator("#goto").fill(at)
    page.locator("#goto").press("Tab")


def wall_clock_reaches(page: Page, at: str) -> None:
    page.wait_for_function("at => document.querySelector('.wall').textContent >= at", arg=at, timeout=15_000)


@pytest.mark.parametrize("language", ["ru", "en"])
def test_it_says_what_is_here_and_what_is_missing(page: Page, language: Language) -> None:
    page.locator(f"[data-language={language}]").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(HEADING[language], use_inner_text=True)
    expect(page.locator(".gaps li")).to_contain_text(GAP[language], use_inner_text=True)
    other = "en" if language == "ru" else "ru"
    assert page.locator(f"main [lang={other}]:visible").count() == 0
    assert page.locator(".bar .gap").count() == 1
    assert page.locator("button.camera").count() == 2


def test_it_plays_across_files(page: Page) -> None:
    page.locator("#play").click()
    wall_clock_reaches(page, "10:00:03")
    assert page.evaluate("document.querySelector('video').readyState") >= 2
    expect(page.locator(".file")).to_have_text(handover.file_name(2))
    assert page.evaluate("document.querySelector('video').src").endswith(handover.file_name(2))


def test_it_says_a_gap_and_plays_on_behind_it(page: Page) -> None:
    seek(page, "10:00:03")
    wall_clock_reaches(page, "10:00:03")
    page.locator("#play").click()
    wall_clock_reaches(page, "10:00:06")
    expect(page.locator(".status")).to_contain_text(GAP["ru"], use_inner_text=True)
    assert page.evaluate("document.querySelector('video').src").endswith(handover.file_name(6))


def test_a_time_is_found_to_the_second(page: Page) -> None:
    page.locator("button.camera", has_text="Коридор 1").click()
    seek(page, "10:00:05")
    page.wait_for_function("Math.abs(document.querySelector('video').currentTime - 1) < 0.2", timeout=15_000)
    expect(page.locator(".wall")).to_have_text("10:00:05")
    assert page.evaluate("document.querySelector('video').src").endswith(f"corridor-1/{handover.file_name(4)}")


def test_a_press_on_a_bar_goes_there(page: Page) -> None:
    bar = page.locator(".bar").nth(1)
    box = bar.bounding_box()
    assert box is not None
    bar.click(position={"x": box["width"] * 7 / 8, "y": box["height"] / 2})
    wall_clock_reaches(page, "10:00:06")
    assert page.evaluate("document.querySelector('video').src").endswith(f"corridor-1/{handover.file_name(6)}")


def test_a_press_on_a_gap_shows_what_came_before_it(page: Page) -> None:
    page.locator(".gaps button").click()
    page.wait_for_function("document.querySelector('video').readyState >= 1", timeout=15_000)
    assert page.locator("button.camera[aria-pressed=true]").inner_text().startswith("Вход")


def test_a_broken_file_is_said_and_the_next_one_plays(browser: Browser, package: Path, tmp_path: Path) -> None:
    copy = tmp_path / "package"
    shutil.copytree(package, copy)
    (copy / "data/video/entrance" / handover.file_name(0)).write_bytes(b"no film")
    page = browser.new_page()
    page.goto((copy / "index.html").as_uri())
    expect(page.locator(".status")).to_contain_text("VLC", use_inner_text=True)
    page.close()


def test_what_people_typed_is_text_and_never_markup(browser: Browser, tmp_path: Path, package: Path) -> None:
    typed = '</script><img src=x onerror=alert(1)>{{ 7 * 7 }}"&'
    said = handover.manifest(package)
    said["order"]["grounds"] = said["exam"]["title"] = said["cameras"][0]["name"]["ru"] = typed
    (tmp_path / "index.html").write_bytes(viewer.page(said, "ru"))
    page = browser.new_page()
    page.goto((tmp_path / "index.html").as_uri())
    assert page.locator("img").count() == 0
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Записи: {typed}", use_inner_text=True)
    expect(page.locator("dd", has_text="onerror").first).to_contain_text(typed, use_inner_text=True)
    page.close()


def test_h265_plays_or_is_said_to_need_another_program(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "film").mkdir()
    film = handover.film(tmp_path / "film")
    old = film / "corridor-1" / handover.file_name(0)
    made = [
        "ffmpeg",
        "-v",
        "error",
        "-i",
        str(old),
        "-c:v",
        "libx265",
        "-x265-params",
        "log-level=none",
        "-tag:v",
        "hvc1",
    ]
    subprocess.run([*made, str(tmp_path / "new.mp4")], check=True, timeout=60)
    (tmp_path / "new.mp4").rename(old)
    site = handover.site(tmp_path / "site", film, sealed=False)
    with store.transaction(site.db):
        site.db.write("update segment set video = 'hevc' where path like ?", (f"%/corridor-1/{old.name}",))
    page = browser.new_page()
    page.goto((site.package(site.stick).path / "index.html").as_uri())
    page.locator("button.camera", has_text="Коридор 1").click()
    page.wait_for_function(
        "document.querySelector('video').readyState >= 2"
        " || document.querySelector('.status').innerText.includes('H.265')",
        timeout=15_000,
    )
    page.close()


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_nothing_is_wider_than_the_screen(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    page.locator("summary").first.click()
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_without_script_the_page_still_lists_everything(browser: Browser, package: Path) -> None:
    page = browser.new_page(java_script_enabled=False)
    page.goto((package / "index.html").as_uri())
    assert page.locator("a[href$='.mp4']").count() == 7
    expect(page.locator(".gaps li")).to_contain_text(GAP["ru"], use_inner_text=True)
    page.close()
