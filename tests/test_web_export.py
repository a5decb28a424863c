"""The hand-over on the pages: two people, one order a form, progress, and a result that is never a bare tick."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from appliance import accounts, orders, store
from appliance.model import Actor, Role, message
from tests.fakes.seeded_site import Site
from tests.fakes.visitor import Visitor, text_of
from web import create_app

pytest_plugins = ["tests.web_fixtures"]
Ask = dict[str, object]
People = Callable[[Role], Visitor]
ASK: Ask = {"exam": "russian", "target": "usb", "room_kinds": ["entrance", "corridor"], "grounds": "Request 12",
            "recipient": "RCOI", "key": "one-form"}  # fmt: skip


@pytest.fixture
def people(after: Site) -> People:
    app = create_app(after.config, after.clock)
    return lambda role: Visitor(app).sign_in(after, role)


def test_asking_offers_what_the_profile_hands_over(people: People) -> None:
    page = people(Role.EXPORTER).get("/export/ask").text
    chosen = re.findall(r'type="checkbox" name="room_kinds" value="(\w+)" checked', page)
    assert sorted(chosen) == ["corridor", "entrance"]
    assert "1 gap" in page
    assert "free</option>" in page


def test_an_exam_that_is_still_recorded_is_not_offered(site: Site) -> None:
    said = Visitor(create_app(site.config, site.clock)).sign_in(site, Role.EXPORTER).page("/export/ask")
    assert "Русский язык is recorded until 14:55. It can be handed over after that." in said
    assert "No exam can be handed over yet." in said


def test_a_medium_that_is_not_there_is_said_so(after: Site, people: People) -> None:
    after.config.export_targets[0].path.rmdir()
    assert "not there, put it into the box" in people(Role.EXPORTER).get("/export/ask").text


def test_asking_places_one_order_that_waits_for_security(after: Site, people: People) -> None:
    exporter = people(Role.EXPORTER)
    for _ in range(2):  # a double press
        said = exporter.press("/export/ask", page="/export/ask", **ASK)
    assert "Security has been asked." in said
    assert "Waits for security to agree" in said
    assert [order.state for order in orders.recent(after.db, "export", 10)] == ["waits", "waits"]  # one is the seed's
    assert orders.claim(after.db, after.clock, "export") is None


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        ({"grounds": " "}, "on what grounds"),
        ({"recipient": ""}, "to whom"),
        ({"room_kinds": []}, "Choose which rooms leave."),
        ({"room_kinds": ["cellar"]}, "Choose which rooms leave."),
        ({"target": "/etc"}, "Choose the medium"),
        ({"exam": "no-such"}, "There is no exam no-such."),
    ],
)
def test_an_incomplete_form_is_told_and_keeps_the_rest(
    after: Site, people: People, missing: Ask, said: str
) -> None:
    answer = people(Role.EXPORTER).post("/export/ask", page="/export/ask", **{**ASK, "key": "x", **missing})
    assert answer.status_code == 409
    assert said in text_of(answer)
    assert len(orders.recent(after.db, "export", 10)) == 1
    if "grounds" not in missing:
        assert 'value="Request 12"' in answer.text


def test_security_agrees_and_the_archivist_may_begin(after: Site, people: People) -> None:
    guard = people(Role.SECURITY)
    assert "Recordings are to leave the site: your agreement is asked" in guard.page("/")
    said = guard.press("/export/1/agree", page="/export/1")
    assert "You agreed. Copying begins by itself." in said
    assert "Agreed by Петров Н. И. at 15:20:30" in said
    order = orders.claim(after.db, after.clock, "export")
    assert order is not None
    assert (order.asked_by, order.agreed_by) == ("sidorov", "petrov")


def test_refusing_needs_a_word(after: Site, people: People) -> None:
    guard = people(Role.SECURITY)
    answer = guard.post("/export/1/refuse", page="/export/1", word="")
    assert (answer.status_code, "Write why you refuse." in answer.text) == (409, True)
    assert "Security refused" in guard.press("/export/1/refuse", page="/export/1", word="No letter")
    assert orders.get(after.db, 1).state == "refused"


def test_a_second_answer_changes_nothing(after: Site, people: People) -> None:
    guard = people(Role.SECURITY)
    guard.post("/export/1/agree", page="/export/1")
    answer = guard.post("/export/1/refuse", page="/more", word="changed my mind")
    assert "no longer waits for an answer" in text_of(answer)
    assert orders.get(after.db, 1).state == "placed"


def test_nobody_agrees_to_their_own_request(after: Site, people: People) -> None:
    """Even if the table ever gave one role both rights, the person is asked for."""
    own = orders.place(after.db, after.clock, "export", {**ASK}, after.people[Role.SECURITY], key="own", agreement=True)
    guard = people(Role.SECURITY)
    assert "I agree that they leave the site" not in guard.page(f"/export/{own}")
    answer = guard.post(f"/export/{own}/agree", page="/more")
    assert "Another person must agree." in text_of(answer)


def test_the_progress_of_the_archivist_shows_in_words(after: Site, people: People) -> None:
    orders.agree(after.db, after.clock, 1, after.people[Role.SECURITY])
    orders.claim(after.db, after.clock, "export")
    exporter = people(Role.EXPORTER)
    for step, said in (("copying", "14 GB of 27 GB copied"), ("reading", "14 GB of 27 GB read back"),
                       ("closing", "Closing the package")):  # fmt: skip
        orders.progress(after.db, 1, {"step": step, "files_done": 924, "files": 1781,
                                      "bytes_done": 14 * 10**9, "bytes": 27 * 10**9})  # fmt: skip
        page = exporter.page("/export/1")
        assert said in page
        assert "924 of 1,781 files" in page
        assert "You may close this page." in page


def finish(site: Site, ok: bool, result: dict[str, object]) -> None:
    orders.agree(site.db, site.clock, 1, site.people[Role.SECURITY])
    orders.claim(site.db, site.clock, "export")
    with store.transaction(site.db):
        orders.finish(site.db, site.clock, 1, ok, result)


def test_a_finished_hand_over_says_that_it_was_verified(after: Site, people: People) -> None:
    finish(after, True, {"path": "/stick/p", "name": "p", "files": 12, "size_bytes": 5_000_000,
                         "number": "91C2-D40E-77B1", "package": "91c2", "verified": True})  # fmt: skip
    said = people(Role.EXPORTER).page("/export/1")
    assert "Copied and verified 12 files, 5 MB, read back from the medium and equal to the archive." in said
    assert "Package number 91C2-D40E-77B1" in said
    assert "Keep until 1 Mar 2027" in said


def test_a_failed_hand_over_says_what_to_do_and_can_be_asked_again(after: Site, people: People) -> None:
    finish(after, False, {"message": message("The medium is full.").as_json()})
    said = people(Role.EXPORTER).page("/export/1")
    assert "Did not work The medium is full." in said
    assert "Ask again" in said


def test_an_order_of_another_kind_is_no_hand_over(after: Site, people: People) -> None:
    number = orders.place(after.db, after.clock, "checks", {}, after.people[Role.TECHNICIAN])
    assert people(Role.EXPORTER).get(f"/export/{number}").status_code == 404


def test_who_asked_is_still_named_when_they_are_gone(after: Site, people: People) -> None:
    accounts.disable(after.db, after.clock, Actor.service("test"), "sidorov")
    assert "Сидоров Василий Андреевич" in people(Role.SECURITY).page("/export/1")
