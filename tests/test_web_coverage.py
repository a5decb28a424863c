"""The coverage report's page: one sentence on what is missing, the head's signature, and whether it still holds."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from itertools import pairwise

import pytest
from flask import Flask

from appliance import coverage_report, coverage_sign, journal, paper_mark, prints, store
from appliance.model import Actor, Role
from tests.fakes.seeded_site import Site
from tests.fakes.visitor import Visitor
from web import create_app
from web.coverage import rooms_shown

pytest_plugins = ["tests.web_fixtures"]

PAGE = "/exams/russian/coverage"
SHA256 = re.compile(r'name="sha256" value="([0-9a-f]{64})"')


@pytest.fixture
def after_visit(after: Site) -> Callable[[Role], Visitor]:
    made = create_app(after.config, after.clock)
    return lambda role: Visitor(made).sign_in(after, role)


def sign(head: Visitor) -> str:
    found = SHA256.search(head.get(PAGE).text)
    assert found is not None, "nothing to sign"
    return head.press(PAGE, page=PAGE, sha256=found[1])


def test_while_recording_goes_on_the_page_says_what_is_missing_so_far(visit: Callable[[Role], Visitor]) -> None:
    page = visit(Role.HEAD).page(PAGE)
    assert "So far, up to 11:41:07: Corridor 2: 7 min 08 s missing. The camera sent no picture." in page
    assert "Recording is not over yet. The report is signed after that." in page
    assert "Sign the report" not in page
    assert "08:55:04–09:02:12" in page


def test_a_copy_from_the_cameras_card_is_named_beside_the_gap_and_fills_nothing(
    after: Site, after_visit: Callable[[Role], Visitor]
) -> None:
    visitor, sha256 = after_visit(Role.HEAD), "0123456789abcdef" * 4
    (before,) = json.loads(visitor.get(PAGE + ".json").data)["rooms"][5]["holes"]
    fetched = {"from_at": before["starts_at"], "to_at": before["ends_at"], "file": "copy.mp4", "size_bytes": 1}
    with store.transaction(after.db):
        for camera in ("corridor-2", "hq"):
            journal.append(after.db, after.clock, "camera.card_fetched", Actor.service("console"), camera=camera,
                           sha256=sha256, **fetched)  # fmt: skip
    page = visitor.page(PAGE)
    assert page.count("A copy from the camera's card was fetched: copy.mp4, SHA-256 0123-4567-89AB") == 1
    assert [before] == json.loads(visitor.get(PAGE + ".json").data)["rooms"][5]["holes"]


def test_the_head_signs_and_everybody_sees_who_and_when(after: Site, after_visit: Callable[[Role], Visitor]) -> None:
    head = after_visit(Role.HEAD)
    assert "Signed, recorded under no." in sign(head)
    page = after_visit(Role.TECHNICIAN).page(PAGE)
    assert "Signed by Иванова Анна Викторовна" in page
    assert "It still is what was signed." in page
    assert SHA256.search(head.get(PAGE).text) is None
    entry = journal.entries(after.db, kinds=["coverage.signed"])[-1]
    assert entry.data["sha256"] == hashlib.sha256(head.get(PAGE + ".json").data).hexdigest()


def test_a_recording_found_afterwards_shows_as_different_and_may_be_signed_anew(
    after: Site, after_visit: Callable[[Role], Visitor]
) -> None:
    head = after_visit(Role.HEAD)
    sign(head)
    (gap,) = json.loads(head.get(PAGE + ".json").data)["rooms"][5]["holes"]
    with store.transaction(after.db):
        after.db.write(
            "insert into segment (camera, run, path, starts_at, ends_at, frames, size_bytes, sha256, video)"
            " values ('corridor-2', 'found', 'found', ?, ?, 1, 1, ?, 'h264')",
            (gap["starts_at"], gap["ends_at"], "0" * 64),
        )
    page = head.page(PAGE)
    assert "The report has changed since: it is not what was signed." in page
    assert "All 6 rooms recorded without a gap" in page
    assert "Sign the report" in page


def test_only_the_head_may_sign_and_only_what_was_shown(after_visit: Callable[[Role], Visitor]) -> None:
    technician = after_visit(Role.TECHNICIAN)
    assert "Waits for the head of site." in technician.page(PAGE)
    assert technician.post(PAGE, page="/", sha256="0" * 64).status_code == 403
    head = after_visit(Role.HEAD)
    answer = head.post(PAGE, page=PAGE, sha256="0" * 64)
    assert answer.status_code == 409
    assert "The report changed since you saw it." in answer.text


@pytest.mark.parametrize(("role", "status"), [(Role.TECHNICIAN, 200), (Role.HEAD, 200), (Role.EXPORTER, 200),
                                              (Role.ADMIN, 200), (Role.SECURITY, 403)])  # fmt: skip
def test_who_may_read_it(visit: Callable[[Role], Visitor], role: Role, status: int) -> None:
    visitor = visit(role)
    assert [visitor.get(PAGE + ending).status_code for ending in ("", ".pdf", ".json")] == [status] * 3


def test_an_exam_nobody_knows_is_told_so(visit: Callable[[Role], Visitor]) -> None:
    assert "There is no exam nothing" in visit(Role.HEAD).get("/exams/nothing/coverage").text


def test_the_bars_show_what_is_recorded_and_what_is_not(site: Site, app: Flask) -> None:
    found = coverage_report.report(site.db, site.config, "russian", site.clock.now())
    with app.test_request_context(headers={"Accept-Language": "en"}):
        shown = rooms_shown(found)
    by_room = {room.report.room: [piece.kind for piece in room.bar.pieces] for room in shown}
    assert by_room["0001"] == ["required", "recorded", "now"]
    assert by_room["corridor-2"] == ["required", "recorded", "recorded", "gap", "now"]
    pieces = [p for p in shown[-1].bar.pieces if p.kind in ("recorded", "gap")]
    assert all(a.x <= b.x for a, b in pairwise(sorted(pieces, key=lambda p: p.x)))


def test_the_paper_is_the_same_for_the_same_facts_and_changes_with_them(after: Site) -> None:
    def paper(signed: coverage_sign.Signature | None = None) -> bytes:
        found = coverage_report.report(after.db, after.config, "russian", after.clock.now())
        mark = paper_mark.newest(after.db)
        return prints.coverage_pdf(after.config, found, signed, (7, "ab" * 32), after.clock.now(), mark)

    found = coverage_report.report(after.db, after.config, "russian", after.clock.now())
    sha256 = coverage_report.sha256(after.config, found)
    unsigned = paper()
    assert unsigned == paper()
    coverage_sign.sign(after.db, after.config, after.clock, "russian", after.people[Role.HEAD], sha256)
    assert paper(coverage_sign.signature(after.db, "russian", sha256)) != unsigned
