"""The checklist: what is not passed first, with what to do; and running it again as one order."""

from __future__ import annotations

from collections.abc import Callable

from appliance import accounts, orders, store
from appliance.checks import results
from appliance.checks.results import Verdict
from appliance.model import Actor, Role, message
from tests.fakes.seeded_site import Site
from tests.fakes.visitor import Visitor
from web import create_app

pytest_plugins = ["tests.web_fixtures"]
Visit = Callable[[Role], Visitor]


def test_the_answer_stands_first_and_the_failing_items_before_the_passed(before: Site) -> None:
    said = Visitor(create_app(before.config, before.clock)).sign_in(before, Role.TECHNICIAN).page("/checklist")
    assert "24 of 28 items passed 4 items are not passed." in said
    order = ["The clock of camera HQ 7777 is 6.2 s fast", "Camera Corridor 2 does not answer.", "No time server",
             "Passed"]  # fmt: skip
    assert sorted(order, key=said.index) == order
    assert "Set its clock from the camera's own page." in said
    assert "As of 08:00:12, 4 min 00 s ago · by the plan of the day" in said


def test_an_item_says_what_is_wrong_what_to_do_and_how_it_was_before(before: Site) -> None:
    with store.transaction(before.db):
        results.save(before.db, before.clock, before.exam.id, "orlov", before.clock.now(), {
            "camera.clock/hq": Verdict("passed", message("The clock of camera {camera} is right.", camera="HQ")),
        })  # fmt: skip
    head = Visitor(create_app(before.config, before.clock)).sign_in(before, Role.HEAD)
    said = head.page("/checklist/camera.clock/hq")
    assert "Clock of the camera · HQ 7777 Passed As of 08:04:12" in said
    assert "Before 22 Nov 2026 08:00:12 UTC+5 Not passed" in said


def test_running_again_is_one_order_however_often_it_is_pressed(site: Site, visit: Visit) -> None:
    technician = visit(Role.TECHNICIAN)
    for _ in range(3):
        said = technician.press("/checklist/run", page="/more")
    assert "The checks are running since 11:41:07" in said
    placed = orders.recent(site.db, "checks", 10)
    assert [(order.state, order.args, order.asked_by) for order in placed] == [("placed", {"exam": "russian"}, "orlov")]
    assert "Run all checks again" not in technician.page("/checklist")


def test_when_the_order_is_done_it_can_be_given_anew(site: Site, visit: Visit) -> None:
    technician = visit(Role.TECHNICIAN)
    technician.press("/checklist/run", page="/checklist")
    order = orders.claim(site.db, site.clock, "checks")
    assert order is not None
    with store.transaction(site.db):
        run = results.save(site.db, site.clock, "russian", "orlov", site.clock.now(), {
            "box.clock": Verdict("passed", message("The box clock is kept by a time server.")),
        })  # fmt: skip
        orders.finish(site.db, site.clock, order.id, True, {"run": run})
    said = technician.page("/checklist")
    assert "1 of 1 items passed Everything is passed." in said
    assert "asked by Орлов П. С." in said
    technician.press("/checklist/run", page="/checklist")
    assert len(orders.recent(site.db, "checks", 10)) == 2


def test_an_item_that_was_not_checked_is_said_so(visit: Visit) -> None:
    answer = visit(Role.TECHNICIAN).get("/checklist/camera.clock/attic")
    assert answer.status_code == 404
    assert "The last checks had no item camera.clock/attic." in answer.text


def test_before_the_first_checks_the_page_says_when_they_begin(before: Site) -> None:
    with store.transaction(before.db):
        before.db.write("delete from check_result")
        before.db.write("delete from check_run")
    before.clock.step(-3600)
    accounts.add(before.db, before.config, before.clock, Actor.service("t"), "early", "Ранний", Role.TECHNICIAN, "en",
                 "dva-slova-nochyu")  # fmt: skip
    visitor = Visitor(create_app(before.config, before.clock))
    visitor.post("/signin", page="/signin", login="early", password="dva-slova-nochyu")
    said = visitor.page("/checklist")
    assert "Not checked yet The checks begin by themselves at 08:00." in said
