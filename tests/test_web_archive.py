"""The archive's pages: the day with its gaps, and recordings played by ranges and by their number alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from appliance import archive, cameras, store
from appliance.cameras import CameraState
from appliance.clock import iso
from appliance.model import Role
from tests.fakes.seeded_site import Site
from tests.fakes.visitor import Visitor
from web import create_app

pytest_plugins = ["tests.web_fixtures"]
Visit = Callable[[Role], Visitor]


def test_the_day_counts_its_gaps_and_names_their_cause(visit: Visit) -> None:
    said = visit(Role.HEAD).page("/archive?day=2026-11-22")
    assert "1 gap on 22 Nov 2026" in said
    assert "Gap 7 min 08 s 08:55:04–09:02:12 Corridor 2 · The camera sent no picture." in said


def test_without_a_day_the_newest_recordings_are_shown(visit: Visit) -> None:
    assert "1 gap on 22 Nov 2026" in visit(Role.HEAD).page("/archive")


def test_a_day_without_recordings_leads_to_the_newest(visit: Visit) -> None:
    said = visit(Role.HEAD).page("/archive?day=2026-11-20")
    assert "Nothing was recorded on 20 Nov 2026" in said
    assert "The newest recordings are of 22 Nov 2026" in said


@pytest.mark.parametrize("day", ["yesterday", "2026-13-01", "2026-11-22'--"])
def test_what_is_no_day_is_not_found(visit: Visit, day: str) -> None:
    assert visit(Role.HEAD).client.get("/archive", query_string={"day": day}).status_code == 404


def test_a_recording_is_served_bit_for_bit_and_by_ranges(site: Site, visit: Visit) -> None:
    segment = archive.segments(site.db, camera="entrance")[0]
    stored = archive.path(site.config, segment).read_bytes()
    head = visit(Role.HEAD)
    whole = head.get(f"/archive/segment/{segment.id}.mp4")
    assert (whole.status_code, whole.mimetype, whole.data) == (200, "video/mp4", stored)
    assert whole.headers["Accept-Ranges"] == "bytes"
    part = head.get(f"/archive/segment/{segment.id}.mp4", Range="bytes=100-199")
    assert (part.status_code, part.data) == (206, stored[100:200])
    assert part.headers["Content-Range"] == f"bytes 100-199/{len(stored)}"


def test_a_camera_page_plays_the_chosen_recording_and_knows_its_neighbours(site: Site, visit: Visit) -> None:
    first, second = archive.segments(site.db, camera="entrance")[:2]
    page = visit(Role.HEAD).get(f"/archive/entrance?day=2026-11-22&segment={second.id}").text
    assert f'src="/archive/segment/{second.id}.mp4"' in page
    assert f"segment={first.id}" in page


def test_a_recording_of_another_camera_is_not_played_under_this_name(site: Site, visit: Visit) -> None:
    other = archive.segments(site.db, camera="hq")[0]
    assert visit(Role.HEAD).get(f"/archive/entrance?day=2026-11-22&segment={other.id}").status_code == 404


def test_a_recording_whose_file_is_gone_is_told_in_words(site: Site, visit: Visit) -> None:
    segment = archive.segments(site.db, camera="entrance")[0]
    archive.path(site.config, segment).unlink()
    answer = visit(Role.HEAD).get(f"/archive/segment/{segment.id}.mp4")
    assert answer.status_code == 404
    assert "is not on the disk" in answer.text


def test_a_second_stream_is_told_on_its_cameras_page_and_played_only_when_asked_for(site: Site) -> None:
    both = {"both_streams": True, "second_stream": "rtsp://10.0.0.5/sub"}
    had = site.config
    config = replace(had, cameras=tuple(c.model_copy(update=both) if c.id == "entrance" else c for c in had.cameras))
    moved = archive.segments(site.db, camera="entrance")[3]
    lost = CameraState("entrance", "reconnecting", iso(site.clock.now()), "camera silent")
    with store.transaction(site.db):
        site.db.write("update segment set stream = 'second' where id = ?", (moved.id,))
        cameras.save_second(site.db, [lost])
    head = Visitor(create_app(config, site.clock)).sign_in(site, Role.HEAD)
    assert "Second stream No connection 0 s. The camera sent no picture." in head.page("/cameras/entrance")
    day = "/archive/entrance?day=2026-11-22"
    main, second = head.get(day).text, head.get(f"{day}&stream=second").text
    assert f"segment={moved.id}" not in main
    assert f"segment={moved.id}" in second
    assert f'src="/archive/segment/{moved.id}.mp4"' in second
    assert "Main stream" in main
    assert head.get(f"/archive/segment/{moved.id}.mp4").status_code == 200
    assert "Second stream" not in head.page("/archive/hq?day=2026-11-22")
