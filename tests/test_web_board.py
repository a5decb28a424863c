"""The board's acts on pages: shelving, test mode, the alarm log, the hand-over, and who may do what."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from appliance import accounts, alarms, duty, journal, maintenance
from appliance.model import Actor, Role
from drivers.types import PanelEvent
from tests.fakes.seeded_site import PASSWORD, SMOKE, WINDOW, Site
from tests.fakes.visitor import Visitor, text_of

pytest_plugins = ["tests.web_fixtures"]
Visit = Callable[[Role], Visitor]
DURESS = PanelEvent("duress", "active", zone="009", text="Duress", account="1234", code="121", raw=b"duress")


def alarm_id(site: Site, kind: str) -> int:
    board = alarms.board(site.db, site.config, site.clock.now())
    return next(a.id for a in (*board.alarms, *board.quiet) if a.kind == kind)


def second_guard(site: Site) -> str:
    accounts.add(site.db, site.config, site.clock, Actor.service("init"), "smirnov", "Смирнов Олег Юрьевич",
                 Role.SECURITY, "en", PASSWORD)  # fmt: skip
    return "smirnov"


def calls(page: str) -> tuple[str, str]:
    """The rhythm the board asks for, and what calls."""
    found = re.search(r'data-sound="(\w*)" data-calls="([^"]*)"', page)
    assert found is not None
    return found[1], found[2].strip()


def test_a_guard_shelves_an_alarm_and_puts_it_back(site: Site, visit: Visit) -> None:
    site.say(WINDOW)
    guard, alarm = visit(Role.SECURITY), alarm_id(site, "intrusion.alarm")
    said = guard.press(f"/alarms/{alarm}/shelve", page=f"/alarms/{alarm}", minutes=60, why="Under repair",
                       reason="glass")  # fmt: skip
    assert "Shelved, recorded under no." in said
    assert "Shelved until 12:41 Intrusion alarm, Window, room 0002 Under repair. glass · Петров Н. И." in said
    assert "put aside 1" in said
    aside = alarms.board(site.db, site.config, site.clock.now()).asides[0].id
    assert "Back in service, recorded under no." in guard.press(f"/alarms/aside/{aside}/back", page="/alarms")
    assert "Put back" not in guard.page("/alarms")


def test_a_fire_offers_no_shelf_and_takes_none(site: Site, visit: Visit) -> None:
    site.say(SMOKE)
    guard, alarm = visit(Role.SECURITY), alarm_id(site, "fire.alarm")
    assert "shelve for a while" not in guard.page(f"/alarms/{alarm}")
    said = guard.press(f"/alarms/{alarm}/shelve", page=f"/alarms/{alarm}", minutes=60, reason="no")
    assert "Fire, panic and duress cannot be put aside." in said


def test_only_technician_and_head_take_out_of_service_and_put_back_in(site: Site, visit: Visit) -> None:
    alarm = alarm_id(site, "battery.low")
    technician, guard = visit(Role.TECHNICIAN), visit(Role.SECURITY)
    assert guard.post(f"/alarms/{alarm}/out", page="/more", reason="x").status_code == 403
    page = f"/alarms/{alarm}"
    assert "Out of service, recorded" in technician.press(f"{page}/out", page=page, reason="New one")
    aside = alarms.board(site.db, site.config, site.clock.now()).asides[0].id
    assert guard.post(f"/alarms/aside/{aside}/back", page="/more").status_code == 403
    assert "Put back" not in guard.page("/alarms")
    assert "Back in service" in technician.press(f"/alarms/aside/{aside}/back", page="/alarms")


def test_test_mode_begins_for_a_zone_and_ends_at_a_press(site: Site, visit: Visit) -> None:
    technician = visit(Role.TECHNICIAN)
    said = technician.press("/alarms/test", page="/alarms/test", place="0", minutes=15, why="Detectors are tested")
    assert "Test until 11:56 Smoke detector, corridor 1 Detectors are tested · Орлов П. С." in said
    site.say(SMOKE)
    page = visit(Role.SECURITY).get("/alarms").text
    assert calls(page)[0] == "fault"  # the battery; the detector under test calls nobody
    assert "Said in test mode, still active" in page
    window = alarms.board(site.db, site.config, site.clock.now()).windows[0].id
    assert "Test mode is over" in technician.press(f"/alarms/test/{window}/end", page="/alarms")
    assert calls(visit(Role.SECURITY).get("/alarms").text)[0] == "fire"


def test_test_mode_needs_a_reason_and_keeps_what_was_chosen(site: Site, visit: Visit) -> None:
    answer = visit(Role.TECHNICIAN).post("/alarms/test", page="/alarms/test", place="panel:security", minutes=60)
    assert answer.status_code == 409
    assert "Say what is tested and by whom" in text_of(answer)
    assert 'value="panel:security" selected' in answer.text


@pytest.mark.parametrize("place", ["7", "panel:none", "", "٣"])
def test_test_mode_of_a_place_that_does_not_exist_is_refused(site: Site, visit: Visit, place: str) -> None:
    answer = visit(Role.TECHNICIAN).post("/alarms/test", page="/alarms/test", place=place, minutes=60, reason="x")
    assert answer.status_code == 409
    assert alarms.board(site.db, site.config, site.clock.now()).windows == ()


def test_the_board_sounds_for_the_worst_that_nobody_has_taken(site: Site, visit: Visit) -> None:
    guard = visit(Role.SECURITY)
    site.say(WINDOW)
    assert calls(guard.get("/alarms").text)[0] == "intrusion"
    site.say(SMOKE)
    rhythm, calling = calls(guard.get("/alarms").text)
    assert (rhythm, len(calling.split())) == ("fire", 3)
    for kind in ("fire.alarm", "intrusion.alarm", "battery.low"):
        alarms.acknowledge(site.db, site.config, site.clock, alarm_id(site, kind), site.people[Role.SECURITY], "going")
    assert calls(guard.get("/alarms").text) == ("", "")


def test_a_silent_call_makes_no_sound_anywhere(site: Site, visit: Visit) -> None:
    before = calls(visit(Role.SECURITY).get("/alarms").text)
    site.say(DURESS)
    for path in ("/alarms", "/wall/alarms"):
        assert calls(visit(Role.SECURITY).get(path).text) == before


def test_a_flood_names_what_came_first(site: Site, visit: Visit) -> None:
    site.say(SMOKE)
    for number in range(20, 31):
        site.say(PanelEvent("tamper", "active", zone=f"0{number}", text="Tamper", account="1234", code="137",
                            raw=str(number).encode()))  # fmt: skip
    said = visit(Role.SECURITY).page("/alarms")
    assert "Many at once: 12 in 10 min. First: Smoke detector, corridor 1" in said
    assert "Smoke detector, corridor 1 first" in said


def test_a_flood_that_a_silent_call_began_does_not_name_it_to_others(site: Site, visit: Visit) -> None:
    site.say(DURESS)
    for number in range(20, 31):
        site.say(PanelEvent("tamper", "active", zone=f"0{number}", text="Tamper", account="1234", code="137",
                            raw=str(number).encode()))  # fmt: skip
    assert "First: zone 009" in visit(Role.SECURITY).page("/alarms")
    said = visit(Role.TECHNICIAN).page("/alarms")
    assert "Many at once: 12 in" in said
    assert "First:" not in said


def test_armed_and_disarmed_stand_beside_the_alarms(site: Site, visit: Visit) -> None:
    site.say(PanelEvent("arm", "info", partition="03", user="007", text="Armed", account="1234", raw=b"arm"))
    site.say(PanelEvent("disarm", "info", partition="04", text="Disarmed", account="1234", raw=b"disarm"))
    said = visit(Role.HEAD).page("/alarms")
    assert "Armed 1, disarmed 1" in said
    assert "Fire and security panel, partition 03 armed since 22 Nov 2026 11:41:07 UTC+5 · user 007" in said


def test_the_log_of_a_day_takes_conclusions_and_prints(site: Site, visit: Visit) -> None:
    guard, alarm = visit(Role.SECURITY), alarm_id(site, "battery.low")
    assert "2 alarms, without a conclusion 2" in guard.page("/alarms/log")
    said = guard.press(f"/alarms/{alarm}/conclusion", page=f"/alarms/{alarm}/conclusion", word="Old battery")
    assert "Written down, recorded under no." in said
    assert "Old battery" in said
    pdf = guard.get("/alarms/log.pdf?day=2026-11-22")
    assert (pdf.mimetype, pdf.data[:5], pdf.headers["Content-Disposition"]) == (
        "application/pdf", b"%PDF-", 'attachment; filename="alarm-log-2026-11-22.pdf"')  # fmt: skip
    assert "Old battery" in guard.get("/alarms/log.csv").data.decode("utf-8-sig")
    assert visit(Role.HEAD).get(f"/alarms/{alarm}/conclusion").status_code == 403


def test_the_log_of_a_day_without_alarms_says_so_and_a_day_that_is_none_is_today(site: Site, visit: Visit) -> None:
    head = visit(Role.HEAD)
    assert "There were no alarms and no tests in this time." in head.page("/alarms/log?day=2026-11-20")
    assert "22 Nov 2026" in head.page("/alarms/log?day=yesterday")


def test_a_silent_call_that_stands_is_in_nobody_elses_log(site: Site, visit: Visit) -> None:
    site.say(DURESS)
    for path, word in (("/alarms/log", "Duress"), ("/alarms/log.csv", "Принуждение")):  # paper speaks the site's
        assert word in visit(Role.SECURITY).get(path).data.decode()
        assert word not in visit(Role.TECHNICIAN).get(path).data.decode()


def test_duty_is_handed_over_with_two_passwords_on_one_screen(site: Site, visit: Visit) -> None:
    taking, guard = second_guard(site), visit(Role.SECURITY)
    refused = guard.post("/duty", page="/duty", number=0, password=PASSWORD, taking=taking, taking_password="wrong",
                         remarks="Keys: 7")  # fmt: skip
    assert refused.status_code == 409
    assert "Keys: 7" in refused.text
    assert PASSWORD not in refused.text
    site.say(DURESS)
    site.clock.advance(5)
    said = guard.press("/duty", page="/duty", number=0, password=PASSWORD, taking=taking, taking_password=PASSWORD,
                       remarks="Keys: 7")  # fmt: skip
    assert "Duty is handed over, recorded under no." in said
    assert "Keys: 7" in said
    entry = duty.handed(site.db)
    assert entry is not None
    assert (entry.actor.id, entry.data["taking_login"]) == ("petrov", "smirnov")
    assert guard.get(f"/duty/{entry.seq}.pdf").data.startswith(b"%PDF-")
    assert "Keys: 7" in guard.get(f"/duty/{entry.seq}.csv").data.decode("utf-8-sig")
    assert "Duress" in guard.page(f"/duty/{entry.seq}")
    head = visit(Role.HEAD)
    assert "Duress" not in head.page(f"/duty/{entry.seq}")
    assert head.get("/duty").status_code == 403
    again = guard.post("/duty", page="/duty", number=0, password=PASSWORD, taking=taking, taking_password=PASSWORD)
    assert f"Duty was handed over meanwhile, recorded under no. {entry.seq}." in text_of(again)


def test_an_entry_that_is_no_hand_over_has_no_report(site: Site, visit: Visit) -> None:
    assert journal.get(site.db, 1).kind != "duty.handed"
    for path in ("/duty/1", "/duty/1.pdf", "/duty/1.csv"):
        assert visit(Role.HEAD).get(path).status_code == 404


def test_the_strip_does_not_call_a_site_under_test_simply_quiet(site: Site, visit: Visit) -> None:
    guard = site.people[Role.SECURITY]
    for alarm in alarms.board(site.db, site.config, site.clock.now()).alarms:
        alarms.acknowledge(site.db, site.config, site.clock, alarm.id, guard, "done")
    site.say(PanelEvent("battery.low", "restored", zone="000", partition="00", account="1234", code="302", raw=b"over"))
    assert "No alarms panels heard 1 of 1" in visit(Role.HEAD).page("/more")
    maintenance.begin(site.db, site.config, site.clock, guard, "security", 60, "walk test")
    assert "No alarms. 1 test runs, what is tested calls nobody" in visit(Role.HEAD).page("/more")
