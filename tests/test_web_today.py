"""Today and the system page: the answer first, by the hour and by who asks."""

from __future__ import annotations

from datetime import timedelta

import pytest

from appliance import health, store
from appliance.model import Role
from tests.fakes.seeded_site import Site
from tests.fakes.visitor import Visitor
from web import create_app

pytest_plugins = ["tests.web_fixtures"]


def see(site: Site, role: Role, path: str = "/") -> str:
    return Visitor(create_app(site.config, site.clock)).sign_in(site, role).page(path)


def test_before_the_first_required_minute_the_checks_are_the_answer(before: Site) -> None:
    before.clock.step(-600)  # 07:54, two hours before are not reached
    said = see(before, Role.TECHNICIAN)
    assert "Русский язык at 10:00, in 2 h 05 min" in said
    assert "items passed" in said
    assert "Open what is not passed (4)" in said


def test_during_the_day_the_recording_is_the_answer(site: Site) -> None:
    said = see(site, Role.TECHNICIAN)
    assert "5 of 6 required cameras record" in said
    assert "1 gap, its cause is named." in said
    assert "Corridor 2 No connection 3 min 10 s" in said


def test_after_the_day_recorded_is_counted_against_required(after: Site) -> None:
    said = see(after, Role.HEAD)
    assert "Recorded 37 h 22 min of 37 h 30 min" in said
    assert "1 gap, its cause is named. Archive sealed at 15:00:00." in said


def test_a_day_without_an_exam_names_the_next(after: Site) -> None:
    after.clock.advance(24 * 3600)
    assert "No exam today None is planned." in see(after, Role.HEAD)


def test_what_comes_next_stands_with_its_hour(site: Site) -> None:
    assert "Next 13:55 Exam ends in 2 h 13 min 14:55 Recording ends 15:00 Archive is sealed" in see(site, Role.HEAD)


@pytest.mark.parametrize(
    ("role", "waits"),
    [
        (Role.TECHNICIAN, "Waits for you The clock of camera HQ 7777 is 6.2 s fast, 5 s is allowed."),
        (Role.HEAD, "Waits for you 2 entries wait for your review"),
        (Role.SECURITY, "Waits for you 1 alarm is not acknowledged"),
        (Role.EXPORTER, "Waits for you Nothing waits for you."),
    ],
)
def test_each_person_sees_what_waits_for_them(site: Site, role: Role, waits: str) -> None:
    assert waits in see(site, role)


def test_a_sealed_exam_waits_for_the_exporter_until_it_is_asked_for(after: Site) -> None:
    with store.transaction(after.db):
        after.db.write("delete from orders")
    assert "Sealed, not handed over yet: Русский язык" in see(after, Role.EXPORTER)


def test_the_system_page_puts_a_silent_service_on_top(site: Site) -> None:
    assert "The box works" in see(site, Role.ADMIN, "/system")
    site.clock.advance(health.BEAT_S * 4)
    for service in set(health.SERVICES) - {"archivist"}:
        health.beat(site.db, site.clock, service)
    said = see(site, Role.ADMIN, "/system")
    assert "1 thing needs attention Attention Archivist: hands recordings over Not heard since 11:41:07." in said
    assert "A service of the box is silent: Archivist: hands recordings over" in see(site, Role.TECHNICIAN)


def test_a_service_that_never_began_is_told(site: Site) -> None:
    with store.transaction(site.db):
        site.db.write("delete from heartbeat where service = 'keeper'")
    assert "Keeper: checks and moments of the day Not started yet." in see(site, Role.ADMIN, "/system")


def test_a_page_that_breaks_down_gives_a_code_and_no_trace(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    app = create_app(site.config, site.clock)
    visitor = Visitor(app).sign_in(site, Role.HEAD)
    with store.transaction(site.db):
        site.db.write("update exam set rooms = '[1]', starts_at = 'broken Z', ends_at = 'z broken Z'")
    answer = visitor.get("/")
    assert answer.status_code == 500
    assert "This page has broken down. Recording does not depend on it." in answer.text
    code = answer.text.split("this code: ")[1][:4]
    assert f"code {code}" in caplog.text
    assert "Traceback" not in answer.text


def test_the_clock_of_the_page_is_the_sites(site: Site) -> None:
    site.clock.step(timedelta(hours=1).total_seconds())
    page = Visitor(create_app(site.config, site.clock)).get("/signin").text
    assert "12:41" in page
    assert "UTC+5" in page
