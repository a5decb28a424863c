"""The cameras' pages: silence never looks like health, an old picture never looks live."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask

from appliance import cameras, health, store
from appliance.cameras import CameraState, State
from appliance.clock import iso
from appliance.exams import Window
from appliance.model import Role
from tests.fakes import seeded_site
from tests.fakes.seeded_site import START, Site
from tests.fakes.visitor import Visitor
from web import create_app
from web.cameras import face

pytest_plugins = ["tests.web_fixtures"]
Visit = Callable[[Role], Visitor]
NOW = START + timedelta(hours=1)
REQUIRED = Window("russian", "hq", "7777", START, START + timedelta(hours=4))


def state(word: State, frame_s: float | None = 1.0) -> CameraState:
    frame = None if frame_s is None else iso(NOW - timedelta(seconds=frame_s))
    return CameraState("hq", word, iso(NOW - timedelta(seconds=90)), None, frame, frame)


@pytest.mark.parametrize(
    ("what", "window", "late", "said", "asks"),
    [
        (state("recording"), REQUIRED, False, "Recording", False),
        (state("recording", 12), REQUIRED, False, "No connection {since_s}", True),
        (state("recording"), REQUIRED, True, "The recorder is not heard, recording in doubt", True),
        (state("reconnecting", 8), REQUIRED, False, "No connection {since_s}", True),
        (state("connecting", None), REQUIRED, False, "Connecting, {since_s}", False),
        (state("refused"), REQUIRED, False, "Refused the password", True),
        (state("idle"), REQUIRED, False, "Not recording though required", True),
        (None, REQUIRED, False, "Not recording though required", True),
        (state("idle"), None, False, "Not required now", False),
        (state("idle"), None, True, "Not required now", False),
        (state("stopped"), REQUIRED, False, "Stopped", False),
    ],
)
def test_the_verdict_on_a_camera(
    what: CameraState | None, window: Window | None, late: bool, said: str, asks: bool
) -> None:
    found = face(what, window, None, NOW, stall_s=5.0, recorder_late=late)
    assert (found.said.text, found.needs_person) == (said, asks)
    assert found.recording is (said == "Recording")


def test_plates_stand_in_the_order_of_the_rooms_whatever_their_trouble(visit: Visit) -> None:
    said = visit(Role.TECHNICIAN).page("/cameras")
    assert "5 of 6 cameras record" in said
    names = ["Room 0001", "Room 0002", "HQ 7777", "Entrance", "Corridor 1", "Corridor 2"]
    assert sorted(names, key=said.index) == names
    assert "Corridor 2 No connection 3 min 10 s" in said


def test_before_their_hours_cameras_wait_with_the_hour(before: Site) -> None:
    said = Visitor(create_app(before.config, before.clock)).sign_in(before, Role.HEAD).page("/cameras")
    assert "Room 0001 Waits for 09:00" in said


def test_an_old_picture_shows_its_time_and_loses_its_live_look(visit: Visit) -> None:
    page = visit(Role.TECHNICIAN).get("/cameras").text
    plate = page[page.index('id="plate-corridor-2"') :]
    assert "3\xa0min\xa010\xa0s ago" in plate
    assert "picture of 11:37:57, 3 min 10 s ago" in visit(Role.TECHNICIAN).page("/cameras/corridor-2")
    assert 'class="plate old trouble" id="plate-corridor-2"' in page
    assert 'class="plate" id="plate-room-0001"' in page


def test_a_picture_changes_its_address_when_it_is_new(site: Site, visit: Visit) -> None:
    technician = visit(Role.TECHNICIAN)
    before = technician.get("/cameras?fragment=1").text
    site.clock.advance(2)
    seeded_site.picture(site.config, "hq", "HQ", site.clock.now())
    after = technician.get("/cameras?fragment=1").text
    sources = [text.split('src="/cameras/hq/')[1].split('"')[0] for text in (before, after)]
    assert sources[0] != sources[1]


def test_the_picture_itself_is_served_fresh(visit: Visit) -> None:
    answer = visit(Role.TECHNICIAN).get("/cameras/hq/snapshot.jpg")
    assert (answer.status_code, answer.mimetype) == (200, "image/jpeg")
    assert answer.data.startswith(b"\xff\xd8")
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("name", ["no-such", "..%2f..%2fexamsite", "hq%00"])
def test_a_picture_of_no_camera_of_the_site_is_not_served(visit: Visit, name: str) -> None:
    assert visit(Role.TECHNICIAN).get(f"/cameras/{name}/snapshot.jpg").status_code == 404


def test_one_camera_tells_its_day_its_gap_and_its_clock(visit: Visit) -> None:
    technician = visit(Role.TECHNICIAN)
    said = technician.page("/cameras/corridor-2")
    assert "Gap 7 min 08 s 08:55:04–09:02:12" in said
    assert "The camera sent no picture." in said
    assert "Safe on disk up to 22 Nov 2026 11:37:57 UTC+5" in said
    assert "Clock +6.2 s" in technician.page("/cameras/hq")
    assert 'class="gap"' in technician.get("/cameras/corridor-2").text


def test_when_the_recorder_is_silent_no_camera_records(site: Site, visit: Visit) -> None:
    site.clock.advance(health.BEAT_S * 4)
    with store.transaction(site.db):  # somebody still writes states; the recorder itself is not heard
        cameras.save(site.db, [CameraState("hq", "recording", iso(NOW), None, iso(site.clock.now()), None)])
    said = visit(Role.TECHNICIAN).page("/cameras")
    assert "0 of 6 cameras record" in said
    assert "recording in doubt" in said


def test_the_wall_offers_nothing_to_press(app: Flask, site: Site, visit: Visit) -> None:
    page = visit(Role.SECURITY).get("/wall/cameras").text
    assert "<nav" not in page
    assert "<button" not in page
    assert 'data-theme="dark"' in page


def test_what_a_wall_has_no_room_for_is_counted_and_never_a_camera_in_trouble(
    visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("web.cameras.WALL_LARGE", 3)
    guard = visit(Role.SECURITY)
    said = guard.page("/wall/cameras?size=large")
    assert re.findall(r"Room 0001|Room 0002|HQ 7777|Entrance|Corridor [12]", said) == [
        "Room 0001", "Room 0002", "Corridor 2"]  # fmt: skip
    assert "3 more" in said
    assert " more" not in guard.page("/wall/cameras")
