"""The day as people press it in Chromium: an alarm that arrives by itself, a review, a hand-over, a lost connection."""

from __future__ import annotations

import threading

import pytest
from playwright.sync_api import Page, expect

from appliance import accounts, archive, journal, orders
from appliance.clock import FakeClock, SystemClock
from appliance.model import Actor, Role
from appliance.services import archivist
from tests.browser.conftest import Enter, Served
from tests.fakes.seeded_site import SMOKE, WINDOW

SOON_MS = 8000  # the way from the database to the page is measured in bench/; here it only has to arrive


def now() -> FakeClock:
    return FakeClock(SystemClock().now())


def test_an_alarm_arrives_without_a_reload(served: Served, enter: Enter) -> None:
    page = enter(Role.SECURITY)
    expect(page.locator("#worst")).to_contain_text("Battery low")
    page.evaluate("window.sameDocument = true")
    served.site.say(SMOKE, now())
    expect(page.locator("#worst")).to_contain_text("Fire alarm", timeout=SOON_MS)
    expect(page.locator("#strip")).to_have_class("strip fire")
    expect(page).to_have_title("(2) Fire alarm, Alarms · Exam site 0123")
    expect(page.locator("#alarm-said")).to_contain_text("Fire alarm, Smoke detector, corridor 1")
    assert page.evaluate("window.sameDocument") is True


def test_the_other_guard_sees_who_took_it(served: Served, enter: Enter) -> None:
    first, technician = enter(Role.SECURITY), enter(Role.TECHNICIAN)
    technician.goto(f"{served.address}/alarms")
    served.site.say(WINDOW, now())
    row = first.locator("#worst", has_text="Window, room 0002")
    row.get_by_role("button", name="Acknowledge").click(timeout=SOON_MS)
    expect(first.locator("main")).to_contain_text("Acknowledged, recorded under no.")
    expect(technician.locator("#live")).to_contain_text("Петров\u00a0Н.\u00a0И. acknowledged at", timeout=SOON_MS)


def test_a_list_does_not_move_under_a_finger(served: Served, enter: Enter) -> None:
    page = enter(Role.SECURITY)
    served.site.say(SMOKE, now())
    expect(page.locator("#live .row")).to_have_count(1, timeout=SOON_MS)
    box = page.locator("#live .row").bounding_box()
    assert box is not None
    for press in range(4):  # a finger that stays down and moves
        page.mouse.move(box["x"] + 5 + press, box["y"] + 5)
        page.mouse.down()
        if press == 0:
            served.site.say(WINDOW, now())
        page.wait_for_timeout(300)
    expect(page.locator("#live .row")).to_have_count(1)
    page.mouse.up()
    expect(page.locator("#live .row")).to_have_count(2, timeout=SOON_MS)


def test_the_head_reviews_a_door_entry(served: Served, enter: Enter) -> None:
    page = enter(Role.HEAD)
    expect(page).to_have_url(f"{served.address}/journal/waiting")
    page.get_by_role("link", name="Rack door was open").first.click()
    page.fill("#word", "Saw the recording, agreed")
    page.get_by_role("button", name="Accept the explanation").click()
    expect(page.get_by_role("status").filter(has_text="Recorded, no.")).to_be_visible()
    expect(page.locator("h1")).to_have_text("1 entry waits for you")
    answer = journal.entries(served.site.db, kinds=["journal.reviewed"])[-1]
    assert (answer.actor.id, answer.data["verdict"]) == ("ivanova", "accepted")


def test_new_entries_wait_behind_a_line_and_push_nothing(served: Served, enter: Enter) -> None:
    page = enter(Role.TECHNICIAN)
    page.goto(f"{served.address}/journal")
    first = page.locator(".entry").first.inner_text()
    served.site.say(WINDOW, now())
    expect(page.locator(".news")).to_contain_text("1 new entry, show", timeout=SOON_MS)
    assert page.locator(".entry").first.inner_text() == first
    page.locator(".news a").click()
    expect(page.locator(".entry").first).to_contain_text("Window, room 0002")


@pytest.mark.parametrize("served", ["after"], indirect=True)
def test_a_hand_over_from_asking_to_verified(served: Served, enter: Enter) -> None:
    exporter, guard = enter(Role.EXPORTER), enter(Role.SECURITY)
    exporter.get_by_role("link", name="Hand recordings over").click()
    exporter.fill("#recipient", "RCOI")
    exporter.fill("#grounds", "Request 12")
    exporter.get_by_role("button", name="Ask security to agree").click()
    expect(exporter.locator("h1")).to_have_text("Waits for security to agree")
    order = orders.recent(served.site.db, "export", 1)[0].id
    guard.goto(f"{served.address}/export/{order}")
    guard.get_by_role("button", name="I agree that they leave the site").click()
    expect(guard.locator("main")).to_contain_text("You agreed. Copying begins by itself.")
    stop = threading.Event()
    worker = threading.Thread(target=archivist.main, args=(served.site.config, SystemClock(), stop))
    worker.start()
    try:
        expect(exporter.locator("h1")).to_contain_text("Copied and verified", timeout=40_000)
    finally:
        stop.set()
        worker.join(20)
    expect(exporter.locator("#live")).to_contain_text("equal to the archive")
    assert orders.get(served.site.db, order).state == "done"


def test_a_recording_plays_and_jumps(served: Served, enter: Enter) -> None:
    page = enter(Role.HEAD)
    first = archive.segments(served.site.db, camera="entrance")[0].starts_at
    day = first.astimezone(served.site.config.site.zone).date()
    page.goto(f"{served.address}/archive/entrance?day={day.isoformat()}")
    video = page.locator("#video")
    expect(video).to_have_js_property("readyState", 4)
    video.evaluate("video => { video.currentTime = 1.5; }")
    expect(video).to_have_js_property("seeking", False)
    expect(video).to_have_js_property("currentTime", 1.5)
    expect(page.locator("#video-note")).to_be_hidden()


def test_the_language_changes_at_a_press_and_stays(served: Served, enter: Enter) -> None:
    page = enter(Role.TECHNICIAN)
    page.goto(f"{served.address}/more")
    page.get_by_role("button", name="Русский").click()
    expect(page.locator("html")).to_have_attribute("lang", "ru")
    page.goto(f"{served.address}/")
    expect(page.locator("#h-waits")).to_have_text("Ждёт вас")
    assert accounts.get(served.site.db, "orlov").language == "ru"


def lost(page: Page) -> None:
    expect(page.locator("#lost")).to_be_visible(timeout=12_000)


def test_a_lost_connection_counts_turns_values_stale_and_presses_off(served: Served, enter: Enter) -> None:
    page = enter(Role.TECHNICIAN)
    page.goto(f"{served.address}/checklist")
    expect(page.get_by_role("button", name="Run all checks again")).to_be_enabled()
    heading = page.locator("h1").bounding_box()
    served.process.kill()
    served.process.wait()
    lost(page)
    expect(page.locator("#lost")).to_contain_text("No connection to the box 0:0")
    expect(page.get_by_role("button", name="Run all checks again")).to_be_disabled()
    expect(page.locator("html")).to_have_class("stale")
    assert heading == page.locator("h1").bounding_box()  # the strip has a place of its own: nothing was pushed
    served.start()
    expect(page.locator("#lost")).to_contain_text("Connected again", timeout=20_000)
    expect(page.get_by_role("button", name="Run all checks again")).to_be_enabled()
    expect(page.locator("html")).not_to_have_class("stale")


def test_without_a_place_in_the_stream_the_page_asks_by_itself(served: Served, enter: Enter) -> None:
    page = enter(Role.SECURITY)
    page.route("**/live", lambda route: route.fulfill(status=503))
    page.reload()
    served.site.say(SMOKE, now())
    expect(page.locator("#worst")).to_contain_text("Fire alarm", timeout=SOON_MS)
    expect(page.locator("#lost")).to_be_hidden()


def test_an_ended_session_leads_to_the_sign_in_page(served: Served, enter: Enter) -> None:
    page = enter(Role.SECURITY)
    accounts.disable(served.site.db, now(), Actor.service("test"), "petrov")
    page.wait_for_url("**/signin**", timeout=SOON_MS + 4000)
