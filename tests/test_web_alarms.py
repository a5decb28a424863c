"""The alarm board and the strip on every page: what stands first, who has it, and when nothing is surely known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from appliance import alarms, health, links, store
from appliance.links import trouble
from appliance.model import Role
from drivers.types import PanelEvent
from tests.fakes.seeded_site import SMOKE, WINDOW, Site
from tests.fakes.visitor import Visitor, text_of

pytest_plugins = ["tests.web_fixtures"]
Visit = Callable[[Role], Visitor]
DURESS = PanelEvent("duress", "active", zone="009", text="Duress", account="1234", code="121", raw=b"duress")


def clear(site: Site) -> None:
    """Acknowledge and restore what the day has left on the board."""
    for alarm in alarms.board(site.db, site.config, site.clock.now()).alarms:
        alarms.acknowledge(site.db, site.config, site.clock, alarm.id, site.people[Role.SECURITY], "done")
    with store.transaction(site.db):
        site.db.write("update alarm set restored_at = acknowledged_at where restored_at is null")


def beat(site: Site) -> None:
    for service in health.SERVICES:
        health.beat(site.db, site.clock, service)


def alarm_id(site: Site, kind: str) -> int:
    return next(a.id for a in alarms.board(site.db, site.config, site.clock.now()).alarms if a.kind == kind)


def test_fire_stands_first_and_in_the_strip_of_every_page(site: Site, visit: Visit) -> None:
    site.say(WINDOW)
    site.say(SMOKE)
    technician = visit(Role.TECHNICIAN)
    board = technician.page("/alarms")
    assert board.index("Fire alarm Smoke detector, corridor 1") < board.index("Intrusion alarm Window, room 0002")
    strip = 'class="strip fire"'
    assert all(strip in technician.get(path).text for path in ("/", "/journal", "/cameras", "/help"))


def test_no_alarms_is_said_only_when_every_panel_is_heard(site: Site, visit: Visit) -> None:
    clear(site)
    assert "No alarms The panel is heard." in visit(Role.SECURITY).page("/alarms")
    with store.transaction(site.db):
        links.lost(site.db, site.config, "security", "silent", trouble("silent"), site.clock)
        site.db.write("update alarm set acknowledged_at = raised_at, restored_at = raised_at where kind = 'comm.loss'")
    said = visit(Role.SECURITY).page("/alarms")
    assert "Not every panel is heard" in said
    assert "No alarms" not in said


def test_a_passive_line_is_called_passive_and_never_normal(site: Site, visit: Visit) -> None:
    clear(site)
    with store.transaction(site.db):
        links.passive(site.db, site.config, "security", site.clock)
    said = visit(Role.SECURITY).page("/alarms")
    assert "No alarms Passive lines cannot tell whether their panel lives: 1." in said
    assert "Passive line: it prints only what happens" in said
    assert "panels heard 0 of 1, 1 cannot tell" in said
    assert "Normal" not in said
    assert "panel is heard" not in said


def test_a_silent_watch_makes_the_whole_board_unsure(site: Site, visit: Visit) -> None:
    clear(site)
    site.clock.advance(health.BEAT_S * 4)
    said = visit(Role.SECURITY).page("/alarms")
    assert "The watch service is silent" in said
    assert "panels heard 0 of 1" in said
    assert "No alarms" not in said
    beat(site)
    assert "No alarms" in visit(Role.SECURITY).page("/alarms")


def test_one_press_acknowledges_and_names_who(site: Site, visit: Visit) -> None:
    site.say(WINDOW)
    guard, alarm = visit(Role.SECURITY), alarm_id(site, "intrusion.alarm")
    said = guard.press(f"/alarms/{alarm}/acknowledge", page="/alarms", version=1)
    assert "Acknowledged, recorded under no." in said
    assert "Петров Н. И. acknowledged at 11:41:07" in said


def test_fire_asks_what_is_being_done(site: Site, visit: Visit) -> None:
    site.say(SMOKE)
    guard, alarm = visit(Role.SECURITY), alarm_id(site, "fire.alarm")
    page = f"/alarms/{alarm}"
    answer = guard.post(f"{page}/acknowledge", page=page, version=1)
    assert answer.status_code == 409
    assert "Say what you are doing" in answer.text
    guard.post(f"{page}/acknowledge", page=page, version=1, doing="Called 101", comment="second floor")
    assert "Called 101. second floor" in guard.page("/alarms")


def test_the_second_guard_is_told_who_was_first(site: Site, visit: Visit) -> None:
    site.say(WINDOW)
    alarm = alarm_id(site, "intrusion.alarm")
    guard = visit(Role.SECURITY)
    guard.post(f"/alarms/{alarm}/acknowledge", page="/more", version=1)
    head = site.people[Role.HEAD]
    with pytest.raises(Exception, match="already acknowledged"):
        alarms.acknowledge(site.db, site.config, site.clock, alarm, head, "me too")
    site.clock.advance(5)
    entries = site.db.value("select count(*) from journal where kind = 'alarm.acknowledged'")
    guard.post(f"/alarms/{alarm}/acknowledge", page="/more", version=1)  # the same press once more
    assert site.db.value("select count(*) from journal where kind = 'alarm.acknowledged'") == entries


def test_a_press_on_an_alarm_that_has_changed_is_not_taken(site: Site, visit: Visit) -> None:
    site.say(WINDOW)
    alarm = alarm_id(site, "intrusion.alarm")
    answer = visit(Role.SECURITY).post(f"/alarms/{alarm}/acknowledge", page="/alarms", version=7)
    assert "This alarm changed since you saw it." in text_of(answer)


def test_a_silent_call_for_help_shows_to_security_alone_and_never_on_the_wall(site: Site, visit: Visit) -> None:
    clear(site)
    site.say(DURESS)
    assert "Duress" in visit(Role.SECURITY).page("/alarms")
    assert "Duress" not in visit(Role.SECURITY).page("/wall/alarms")
    for role, path in ((Role.TECHNICIAN, "/alarms"), (Role.HEAD, "/"), (Role.EXPORTER, "/")):
        assert "Duress" not in visit(role).get(path).text


def test_the_wall_counts_what_does_not_fit(site: Site, visit: Visit) -> None:
    for number in range(20, 31):
        site.say(PanelEvent("tamper", "active", zone=f"0{number}", text="Tamper", account="1234", code="137",
                            raw=str(number).encode()))  # fmt: skip
    said = visit(Role.SECURITY).page("/wall/alarms")
    assert "4 more" in said
    assert "Acknowledge" not in said


def test_an_alarm_that_is_over_and_taken_leads_to_the_journal(site: Site, visit: Visit) -> None:
    answer = visit(Role.SECURITY).get("/alarms/1")
    assert answer.status_code == 404
    assert "It is in the journal." in answer.text


def test_what_is_over_hides_nothing_that_goes_on_and_is_not_coloured_as_if_it_did(site: Site, visit: Visit) -> None:
    clear(site)
    site.say(SMOKE)
    site.clock.advance(20)
    site.say(replace(SMOKE, state="restored", raw=b"over"))
    guard = visit(Role.SECURITY)
    beat(site)
    page = guard.get("/alarms").text
    assert 'class="strip standing"' in page
    assert 'class="worst"' in page
    assert "not acknowledged" in guard.page("/alarms")
    site.say(WINDOW)
    page = guard.get("/alarms").text
    assert 'class="strip intrusion"' in page
    assert 'class="worst g-intrusion"' in page
