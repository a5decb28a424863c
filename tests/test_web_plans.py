"""The plan's pages: an alarm lights its place, a press shows camera and minute; only the administrator changes it."""

from __future__ import annotations

import io
import os
import re
import shutil
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from werkzeug.test import TestResponse

from appliance import archive, drawings, journal, links, plans, store
from appliance.links import trouble
from appliance.model import Role
from drivers.types import PanelEvent
from tests.fakes.seeded_site import SMOKE, WINDOW, Site
from tests.fakes.visitor import TOKEN, Visitor, text_of
from tests.test_plans import PLAN, SMOKE_ZONE, WINDOW_ZONE, put, raster

pytest_plugins = ["tests.web_fixtures"]
Visit = Callable[[Role], Visitor]
DURESS = PanelEvent("duress", "active", zone="001", partition="01", text="Duress", account="1234", code="121", raw=b"d")


@pytest.fixture
def floor(site: Site) -> plans.Floor:
    made = plans.add(site.db, site.clock, site.people[Role.ADMIN], "Floor 1", 1, PLAN)
    put(site, made, "zone", SMOKE_ZONE, 0.25, 0.5)
    put(site, made, "zone", WINDOW_ZONE, 0.8, 0.2)
    put(site, made, "camera", "corridor-1", 0.3, 0.5)
    return made


def upload(who: Visitor, path: str, data: bytes, page: str = "", **fields: Any) -> TestResponse:
    token = TOKEN.search(who.get(page or path).text)
    assert token is not None
    form = {"csrf_token": token[1], "picture": (io.BytesIO(data), "plan.svg"), **fields}
    return who.client.post(path, data=form, follow_redirects=True)


def marks(page: str) -> dict[str, str]:
    """Zone -> the classes of its mark."""
    return dict(re.findall(r'<a id="zone-([^"]+)" class="mark ([^"]+)"', page))


def last_alarm(site: Site) -> int:
    return int(site.db.value("select max(id) from alarm"))


def test_without_a_plan_everybody_is_told_what_to_do(visit: Visit) -> None:
    assert "Add a floor" in visit(Role.ADMIN).page("/plan")
    said = visit(Role.SECURITY).page("/plan")
    assert "No plan of this building yet" in said
    assert "Add a floor" not in said


def test_the_administrator_uploads_places_and_the_guard_sees_it(site: Site, visit: Visit) -> None:
    admin = visit(Role.ADMIN)
    said = text_of(upload(admin, "/plan/add", PLAN, title="Floor 1", level="1"))
    assert "The plan of Floor 1 is here." in said
    edit = "/plan/1/edit"
    assert "Placed: Smoke detector, corridor 1." in admin.press(
        "/plan/1/place", page=edit, subject=f"zone:{SMOKE_ZONE}", x="25,5", y="50")
    assert [(p.x, p.y) for p in plans.places(site.db)] == [(0.255, 0.5)]
    assert "Floor 1: no alarms" in visit(Role.SECURITY).page("/plan/1")
    assert "Taken off the plan" in admin.press("/plan/1/take", page=edit, subject=f"zone:{SMOKE_ZONE}")
    assert plans.places(site.db) == []


def test_an_alarm_lights_its_place_by_shape_word_and_colour(site: Site, floor: plans.Floor, visit: Visit) -> None:
    guard = visit(Role.SECURITY)
    quiet = guard.get("/plan/1").text
    assert marks(quiet) == {SMOKE_ZONE: "quiet", WINDOW_ZONE: "quiet"}
    site.say(SMOKE)
    lit = guard.get("/plan/1").text
    assert marks(lit) == {SMOKE_ZONE: "alarm-mark g-fire s-unacknowledged", WINDOW_ZONE: "quiet"}
    assert '<svg x="25.00%" y="50.00%"' in lit
    assert re.search(r'<text class="word long"[^>]*>Fire alarm</text>', lit)
    assert "Floor 1: 1 alarm " in text_of(guard.get("/plan/1"))


def test_a_press_shows_the_nearest_camera_and_the_minute_before(site: Site, floor: plans.Floor, visit: Visit) -> None:
    site.say(SMOKE)
    guard = visit(Role.SECURITY)
    link = re.search(r'href="([^"]+zone=[^"]+)#chosen"[^>]*aria-label="Fire alarm', guard.get("/plan/1").text)
    assert link is not None
    page = guard.get(link[1].replace("&amp;", "&")).text
    assert 'src="/cameras/corridor-1/snapshot.jpg' in page
    assert f'href="/alarms/{last_alarm(site)}/before"' in page


def test_a_place_whose_panel_is_not_heard_is_never_quiet(site: Site, floor: plans.Floor, visit: Visit) -> None:
    with store.transaction(site.db):
        links.lost(site.db, site.config, "security", "silent", trouble("silent"), site.clock)
    guard = visit(Role.SECURITY)
    assert set(marks(guard.get("/plan/1").text).values()) == {"unheard"}
    assert "Floor 1: 2 places are not heard" in guard.page("/plan/1")
    assert "quiet" not in text_of(guard.get("/plan/1?list=1"))


def test_a_silent_watch_makes_every_place_unknown(site: Site, floor: plans.Floor, visit: Visit) -> None:
    site.clock.advance(60)
    assert set(marks(visit(Role.SECURITY).get("/plan/1").text).values()) == {"unheard"}


def test_a_silent_call_for_help_lights_for_security_alone(site: Site, floor: plans.Floor, visit: Visit) -> None:
    site.say(DURESS)
    alarm = last_alarm(site)
    assert "g-panic" in marks(visit(Role.SECURITY).get("/plan/1").text)[SMOKE_ZONE]
    for role in (Role.TECHNICIAN, Role.HEAD, Role.ADMIN):
        for path in ("/plan/1", "/plan/1?list=1", f"/plan/1?zone={SMOKE_ZONE}"):
            assert "Duress" not in visit(role).get(path).text
    assert visit(Role.SECURITY).get(f"/alarms/{alarm}/before").status_code == 200
    assert visit(Role.HEAD).get(f"/alarms/{alarm}/before").status_code == 404


def test_the_list_holds_all_that_is_on_the_plan(site: Site, floor: plans.Floor, visit: Visit) -> None:
    site.say(WINDOW)
    said = visit(Role.SECURITY).page("/plan/1?list=1")
    assert "Window, room 0002 Intrusion alarm" in said
    assert "Smoke detector, corridor 1 quiet" in said
    assert "Corridor 1 camera" in said


def test_the_plan_opens_where_the_worst_alarm_is_and_tells_of_other_floors(site: Site, visit: Visit) -> None:
    admin = site.people[Role.ADMIN]
    first, second = (plans.add(site.db, site.clock, admin, f"Floor {n}", n, PLAN) for n in (1, 2))
    put(site, second, "zone", SMOKE_ZONE)
    guard = visit(Role.SECURITY)
    assert guard.get("/plan").location == f"/plan/{first.id}"
    site.say(SMOKE)
    assert guard.get("/plan").location == f"/plan/{second.id}"
    assert "Floor 2 1 Fire alarm" in guard.page(f"/plan/{first.id}")


def test_an_alarm_that_is_on_no_plan_is_told_beside_it(site: Site, floor: plans.Floor, visit: Visit) -> None:
    site.say(PanelEvent("tamper", "active", zone="044", text="Tamper", account="1234", code="137", raw=b"t"))
    assert "On no plan" in visit(Role.SECURITY).page("/plan/1")
    assert "zone 044" in visit(Role.SECURITY).page("/plan/1")


def test_a_picture_is_served_as_a_picture_that_can_do_nothing(site: Site, floor: plans.Floor, visit: Visit) -> None:
    answer = visit(Role.SECURITY).get("/plan/1/picture")
    assert (answer.mimetype, answer.headers["X-Content-Type-Options"]) == ("image/svg+xml", "nosniff")
    assert answer.headers["Content-Security-Policy"] == "default-src 'none'; style-src 'unsafe-inline'; sandbox"
    assert answer.data == plans.picture(site.db, 1)[1]
    assert visit(Role.SECURITY).get("/plan/77/picture").status_code == 404


def test_large_pictures_come_in_and_too_large_ones_are_told_in_words(site: Site, visit: Visit) -> None:
    admin = visit(Role.ADMIN)
    big = raster(1000, 800) + bytes(2_000_000)  # over the limit of every other form
    assert "The plan of Big is here." in text_of(upload(admin, "/plan/add", big, title="Big", level="1"))
    answer = upload(admin, "/plan/add", raster() + bytes(drawings.LARGEST_BYTES), title="Huge", level="2")
    assert answer.status_code == 409
    assert "at most 10 MB are taken" in text_of(answer)
    assert upload(admin, "/plan/add", b"", title="None", level="2").status_code == 409


def test_nobody_else_may_send_more_than_a_form(visit: Visit) -> None:
    guard = visit(Role.SECURITY)
    assert upload(guard, "/plan/add", bytes(200_000), page="/more", title="x", level="1").status_code == 413
    assert upload(guard, "/plan/add", b"x", page="/more", title="x", level="1").status_code == 403


@pytest.mark.parametrize("fields", [
    {"subject": "zone:nowhere", "x": "5", "y": "5"}, {"subject": f"zone:{SMOKE_ZONE}", "x": "105", "y": "5"},
    {"subject": f"zone:{SMOKE_ZONE}", "x": "nan", "y": "5"}, {"subject": "", "x": "", "y": ""}, {},
])  # fmt: skip
def test_a_place_that_is_none_is_refused_in_words(site: Site, floor: plans.Floor, visit: Visit, fields: Any) -> None:
    before = (plans.places(site.db), journal.head(site.db)[0])
    answer = visit(Role.ADMIN).post("/plan/1/place", page="/plan/1/edit", **fields)
    assert answer.status_code == 409
    assert (plans.places(site.db), journal.head(site.db)[0] - 1) == before  # the sign-in alone


def test_removing_is_a_page_of_its_own_with_the_way_back_first(site: Site, floor: plans.Floor, visit: Visit) -> None:
    admin = visit(Role.ADMIN)
    page = admin.get("/plan/1/remove").text
    assert "The picture and 3 places on it are gone then." in text_of(admin.get("/plan/1/remove"))
    assert page.index("Back, keep it") < page.index('class="dangerous"')
    assert "Removed: the plan of Floor 1." in admin.press("/plan/1/remove", page="/plan/1/remove")
    assert plans.floors(site.db) == []


def test_what_left_the_configuration_is_not_drawn_and_can_be_taken_off(
    site: Site, floor: plans.Floor, visit: Visit
) -> None:
    with store.transaction(site.db):
        site.db.write("update place set subject = 'gone|||9' where subject = ?", (SMOKE_ZONE,))
    admin = visit(Role.ADMIN)
    assert marks(admin.get("/plan/1").text) == {WINDOW_ZONE: "quiet"}
    assert "gone|||9 no longer in the configuration" in admin.page("/plan/1/edit")
    admin.press("/plan/1/take", page="/plan/1/edit", subject="zone:gone|||9")
    assert len(plans.places(site.db)) == 2


def test_the_minute_before_plays_from_its_place_in_the_file(site: Site, floor: plans.Floor, visit: Visit) -> None:
    site.say(SMOKE)
    alarm, guard = last_alarm(site), visit(Role.SECURITY)
    page = guard.get(f"/alarms/{alarm}/before").text
    found = re.search(rf'src="(/alarms/{alarm}/before/corridor-1/0\.mp4)#t=([\d.]+),([\d.]+)"', page)
    assert found is not None
    assert float(found[3]) - float(found[2]) == pytest.approx(60, abs=1)
    segment = archive.segments(site.db, camera="corridor-1")[-1]
    answer = guard.get(found[1])
    assert (answer.status_code, answer.data) == (200, archive.path(site.config, segment).read_bytes())
    assert guard.get(found[1], Range="bytes=10-19").status_code == 206
    assert guard.get(f"{found[1]}?whole=500").data == answer.data[:500]  # it grew while it was played
    archive.path(site.config, segment).unlink()
    assert "is not on the disk" in guard.get(found[1]).text
    assert guard.get("/archive/corridor-1").status_code == 403  # the archive itself stays closed


@pytest.mark.parametrize("path", ["before?camera=hq", "before?camera=../x", "before?part=9", "before/hq/0.mp4",
                                  "before/corridor-1/5.mp4"])  # fmt: skip
def test_the_minute_before_is_no_way_into_the_archive(site: Site, floor: plans.Floor, visit: Visit, path: str) -> None:
    site.say(SMOKE)
    assert visit(Role.SECURITY).get(f"/alarms/{last_alarm(site)}/{path}").status_code == 404
    assert visit(Role.SECURITY).get(f"/alarms/9999/{path}").status_code == 404


def test_h265_says_its_sentence(site: Site, floor: plans.Floor, visit: Visit) -> None:
    put(site, floor, "camera", "hq", 0.8, 0.25)
    site.say(SMOKE)
    said = visit(Role.SECURITY).get(f"/alarms/{last_alarm(site)}/before?camera=hq").text
    assert "This browser cannot play H.265. The recording is whole: open it in Chrome or VLC." in said


def test_a_file_that_is_still_being_written_is_played_up_to_its_last_whole_fragment(
    site: Site, floor: plans.Floor, visit: Visit, tmp_path: Any
) -> None:
    with store.transaction(site.db):
        site.db.write("delete from segment where camera = 'corridor-1'")
    folder = site.config.incoming / "corridor-1"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "run1-00000.mp4"
    fragmented(path)
    whole = path.stat().st_size
    with path.open("ab") as file:
        file.write(b"\x00\x00\x10\x00moof torn")
    now = site.clock.now().timestamp()
    os.utime(path, (now, now))
    site.say(SMOKE)
    alarm, guard = last_alarm(site), visit(Role.SECURITY)
    page = guard.get(f"/alarms/{alarm}/before").text
    found = re.search(r'src="([^"#]+)#t=0\.00,([\d.]+)"', page)
    assert found is not None
    assert float(found[2]) == pytest.approx(4, abs=0.2)
    everything = guard.get(found[1].replace("&amp;", "&"))
    assert everything.data == path.read_bytes()[:whole]
    part = guard.get(found[1], Range=f"bytes={whole - 10}-")
    assert (part.status_code, part.data) == (206, path.read_bytes()[whole - 10 : whole])
    assert part.headers["Content-Range"] == f"bytes {whole - 10}-{whole - 1}/{whole}"
    assert guard.get(found[1], Range=f"bytes={whole}-").status_code == 416
    shutil.rmtree(folder)
    assert "Nothing of this minute is recorded." in guard.page(f"/alarms/{alarm}/before")


def fragmented(path: Any) -> None:
    """Four seconds as the recorder writes them: fragments of one second."""
    import subprocess

    subprocess.run(
        ["ffmpeg", "-loglevel", "error", "-f", "lavfi", "-i", "testsrc=size=320x180:rate=25", "-t", "4", "-c:v",
         "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "25", "-movflags",
         "frag_keyframe+empty_moov+default_base_moof", str(path)], check=True,
    )  # fmt: skip


def test_the_minute_of_two_files_leads_from_one_to_the_next(site: Site, floor: plans.Floor, visit: Visit) -> None:
    starts = sorted({segment.starts_at for segment in archive.segments(site.db, camera="corridor-1")})
    site.say(SMOKE)
    alarm = last_alarm(site)
    with store.transaction(site.db):
        at = (starts[1] + timedelta(seconds=20)).isoformat(timespec="microseconds").replace("+00:00", "Z")
        site.db.write("update alarm set raised_at = ? where id = ?", (at, alarm))
    guard = visit(Role.SECURITY)
    page = guard.get(f"/alarms/{alarm}/before").text
    assert re.search(r'src="[^"]+/0\.mp4#t=[\d.]+"', page)  # to its end, then the next
    assert re.search(r'id="following" href="[^"]+part=1"', page)
    assert re.search(r'src="[^"]+/1\.mp4#t=0\.00,20\.00"', guard.get(f"/alarms/{alarm}/before?part=1").text)


def test_the_alarm_page_has_its_presses(site: Site, floor: plans.Floor, visit: Visit) -> None:
    site.say(SMOKE)
    alarm = last_alarm(site)
    said = visit(Role.SECURITY).page(f"/alarms/{alarm}")
    assert "The minute before" in said
    assert "Camera beside it: Corridor 1" in said
    assert "The minute before" not in visit(Role.ADMIN).page(f"/alarms/{alarm}")


def test_a_change_of_the_plan_reaches_open_pages(site: Site) -> None:
    from web.feed import fingerprints

    earlier = fingerprints(site.db)["plans"]
    made = plans.add(site.db, site.clock, site.people[Role.ADMIN], "Floor 1", 1, PLAN)
    added = fingerprints(site.db)["plans"]
    put(site, made, "zone", SMOKE_ZONE)
    assert len({earlier, added, fingerprints(site.db)["plans"]}) == 3
