"""The plan as people press it in Chromium: uploaded, placed by press and by keys, lit by an alarm, with its camera."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from appliance import plans, store
from appliance.clock import FakeClock, SystemClock
from appliance.model import Language, Role
from tests.browser.conftest import Enter, Served
from tests.browser.test_every_page_in_a_browser import serious
from tests.fakes.seeded_site import ROOT, SMOKE, WINDOW

SOON_MS = 8000
PLAN = ROOT / "tests/fakes/floor.svg"
PLACES = (("zone", "security|||001", 0.36, 0.5), ("zone", "security|||003", 0.44, 0.25),
          ("zone", "security|||005", 0.93, 0.3), ("camera", "corridor-1", 0.3, 0.57), ("camera", "room-0002", 0.5, 0.1),
          ("camera", "entrance", 0.75, 0.85))  # fmt: skip


def now() -> FakeClock:
    return FakeClock(SystemClock().now())


@pytest.fixture
def placed(served: Served) -> plans.Floor:
    site = served.site
    admin, data = site.people[Role.ADMIN], PLAN.read_bytes()
    made = plans.add(site.db, now(), admin, "1 этаж", 1, data)
    plans.add(site.db, now(), admin, "2 этаж", 2, data)
    for sort, name, x, y in PLACES:
        plans.put(site.db, site.config, now(), admin, made.id, sort, name, x, y)
    return made


def test_the_administrator_uploads_and_places_by_press_and_by_keys(served: Served, enter: Enter) -> None:
    page = enter(Role.ADMIN)
    page.goto(f"{served.address}/plan")
    page.get_by_role("link", name="Add a floor").click()
    page.fill("#title", "Floor 1")
    page.set_input_files("#picture", PLAN)
    page.get_by_role("button", name="Add the floor").click()
    expect(page.get_by_role("status").filter(has_text="The plan of Floor 1 is here.")).to_be_visible()
    page.select_option("#subject", label="Smoke detector, corridor 1")
    page.locator("#plan-edit").scroll_into_view_if_needed()
    box = page.locator("#plan-edit img").bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] * 0.25, box["y"] + box["height"] * 0.5)
    expect(page.locator("#x")).to_have_value(re.compile(r"^(24\.9|25\.[01])$"))
    page.get_by_role("button", name="Place it here").click()
    expect(page.get_by_role("status").filter(has_text="Placed: Smoke detector, corridor 1.")).to_be_visible()
    page.select_option("#subject", label="Corridor 1")
    page.locator("#plan-edit").focus()
    for _ in range(4):
        page.keyboard.press("ArrowLeft")
    page.keyboard.press("Shift+ArrowDown")
    expect(page.locator("#cross")).to_have_attribute("x", "48%")
    page.fill("#y", "52.5")
    expect(page.locator("#cross")).to_have_attribute("y", "52.5%")
    page.get_by_role("button", name="Place it here").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").filter(has_text="Placed: Corridor 1.")).to_be_visible()
    kept = {place.subject: (round(place.x, 2), place.y) for place in plans.places(served.site.db)}
    assert kept["corridor-1"] == (0.48, 0.525)
    assert kept["security|||001"][0] == 0.25


def test_an_alarm_lights_its_place_and_a_press_shows_camera_and_minute(
    served: Served, enter: Enter, placed: plans.Floor
) -> None:
    page = enter(Role.SECURITY)
    page.goto(f"{served.address}/plan")
    expect(page.locator("h1")).to_have_text("1 этаж: no alarms")
    page.evaluate("window.sameDocument = true")
    served.site.say(SMOKE, now())
    mark = page.get_by_role("link", name="Fire alarm, Smoke detector, corridor 1, show the camera")
    expect(mark).to_be_visible(timeout=SOON_MS)
    expect(page.locator("h1")).to_have_text("1 этаж: 1 alarm")
    assert page.evaluate("window.sameDocument") is True
    middle, picture = mark.locator(".target").bounding_box(), page.locator(".plan-picture").bounding_box()
    assert middle is not None
    assert picture is not None
    assert middle["x"] + middle["width"] / 2 == pytest.approx(picture["x"] + picture["width"] * 0.36, abs=2)
    assert middle["y"] + middle["height"] / 2 == pytest.approx(picture["y"] + picture["height"] * 0.5, abs=2)
    mark.locator(".shape").click()
    expect(page.locator("#chosen img")).to_have_attribute("alt", re.compile("^Picture of Corridor 1"))
    expect(page.locator("#chosen img")).to_have_js_property("complete", True)
    page.locator("#chosen").get_by_role("link", name="The minute before").click()
    video = page.locator("#video")
    expect(video).to_have_js_property("readyState", 4, timeout=SOON_MS)
    expect(page.locator("#video-note")).to_be_hidden()


def test_the_keyboard_reaches_the_place_and_the_list(served: Served, enter: Enter, placed: plans.Floor) -> None:
    served.site.say(SMOKE, now())
    page = enter(Role.SECURITY)
    page.goto(f"{served.address}/plan")
    page.locator("[id='zone-security|||001']").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#chosen h2")).to_have_text("Smoke detector, corridor 1")
    page.locator("#way").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#below .row").first).to_contain_text("Smoke detector, corridor 1")


def test_a_hostile_drawing_runs_nothing_even_when_it_is_opened_by_itself(
    served: Served, enter: Enter, placed: plans.Floor
) -> None:
    page = enter(Role.SECURITY)
    page.goto(f"{served.address}/plan/{placed.id}/picture")
    assert page.evaluate("document.documentElement.getAttribute('data-ran')") is None
    assert page.evaluate("document.querySelectorAll('path, text').length") > 8


def test_the_open_file_of_a_recording_plays_from_where_the_minute_begins(
    served: Served, enter: Enter, placed: plans.Floor
) -> None:
    """What a guard presses seconds after an alarm: its minute is still being written."""
    with store.transaction(served.site.db):
        served.site.db.write("delete from segment where camera = 'corridor-1'")
    film = served.site.config.incoming / "corridor-1" / "run1-00000.mp4"
    film.parent.mkdir(parents=True, exist_ok=True)
    fragmented(film, 90)
    served.site.say(SMOKE, now())
    page = enter(Role.SECURITY)
    page.goto(f"{served.address}/plan/{placed.id}?zone=security|||001")
    page.locator("#chosen").get_by_role("link", name="The minute before").click()
    video = page.locator("#video")
    expect(video).to_have_js_property("readyState", 4, timeout=SOON_MS)
    assert video.evaluate("video => video.currentTime") >= 25
    expect(page.locator("#video-note")).to_be_hidden()


def fragmented(path: Path, seconds: int) -> None:
    import subprocess

    subprocess.run(
        ["ffmpeg", "-loglevel", "error", "-f", "lavfi", "-i", "testsrc=size=320x180:rate=10", "-t", str(seconds),
         "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "10", "-movflags",
         "frag_keyframe+empty_moov+default_base_moof", str(path)], check=True,
    )  # fmt: skip


def wider(page: Page) -> int:
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


@pytest.mark.parametrize(("language", "width", "scheme"), [("ru", 360, "dark"), ("en", 768, "light"),
                                                          ("ru", 1280, "light")])  # fmt: skip
def test_the_plan_keeps_nobody_out(
    served: Served, enter: Enter, placed: plans.Floor, language: Language, width: int, scheme: str
) -> None:
    for event in (SMOKE, WINDOW):
        served.site.say(event, now())
    alarm = served.site.db.value("select max(id) from alarm where kind = 'fire.alarm'")
    one = f"/plan/{placed.id}"
    faults = []
    for role, paths in {
        Role.SECURITY: [one, f"{one}?zone=security|||001", f"{one}?list=1", f"{one}?list=1&zone=security|||005",
                        f"/alarms/{alarm}/before", f"/alarms/{alarm}"],
        Role.ADMIN: [one, "/plan/add", f"{one}/edit", f"{one}/remove"],
    }.items():  # fmt: skip
        page = enter(role, language, width, 800, scheme)
        for path in paths:
            page.goto(served.address + path)
            faults += [f"{path}: {fault}" for fault in serious(page)]
            if wider(page) > 0:
                faults.append(f"{path}: {wider(page)} px wider than the screen")
        page.close()
    assert faults == []
