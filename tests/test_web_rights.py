"""Who may do what, and how a refusal reads. Every route against every role is tests/test_role_matrix.py."""

from __future__ import annotations

import pytest
from flask import Blueprint, Flask

from appliance.model import Role
from tests.fakes.seeded_site import PASSWORD, Site
from tests.fakes.visitor import Visitor
from web import create_app, rights

pytest_plugins = ["tests.web_fixtures"]

ARGUMENTS = {"camera_id": "hq", "seq": 8, "alarm_id": 1, "item": "camera.clock/hq", "order_id": 1, "login": "sidorov",
             "segment_id": 1, "floor_id": 1, "number": 0,
             "exam_id": "russian", "action": "angle", "sort": "card", "act": "reboot", "press": "sign", "left": "seen",
             "said": "agree", "way": "hold", "aside_id": 1, "window_id": 1, "filename": "site.css"}  # fmt: skip


def routes(app: Flask, entry: int = 8) -> list[tuple[str, str, str]]:
    """(method, path, right) of every route. `entry`: a journal entry that is everybody's to read."""
    found = []
    with app.test_request_context():
        for rule in app.url_map.iter_rules():
            view = app.view_functions[rule.endpoint]
            right = rights.needed(view)
            assert right is not None
            values = {name: (ARGUMENTS | {"seq": entry})[name] for name in rule.arguments}
            path = app.url_map.bind("").build(rule.endpoint, values)
            found += [(method, path, right) for method in sorted((rule.methods or set()) & {"GET", "POST"})]
    return found


def test_a_view_that_names_no_right_keeps_the_pages_from_starting(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    nameless = Blueprint("nameless", __name__)
    nameless.add_url_rule("/nameless", "view", lambda: "open to all")

    class WithAHole:
        views = nameless

    monkeypatch.setattr("web.live", WithAHole)
    with pytest.raises(RuntimeError, match=r"nameless\.view"):
        create_app(site.config, site.clock)


def test_a_right_that_does_not_exist_cannot_be_named() -> None:
    with pytest.raises(ValueError, match=r"journal\.burn"):
        rights.needs("journal.burn")


def test_every_right_that_can_be_refused_says_whose_it_is() -> None:
    refusable = {right for right, roles in rights.RIGHTS.items() if roles != frozenset(Role)}
    assert refusable <= rights.REFUSALS.keys()


def test_a_refused_page_says_whose_it_is_and_who_is_signed_in(site: Site, app: Flask) -> None:
    guard = Visitor(app).sign_in(site, Role.SECURITY)
    answer = guard.get("/archive")
    assert answer.status_code == 403
    assert "The archive is for the technician, the head and the exporter." in answer.text
    assert "You are signed in as Петров Николай Иванович, security." in answer.text


def test_a_press_that_is_not_mine_is_absent(site: Site, app: Flask) -> None:
    assert "Run all checks again" in Visitor(app).sign_in(site, Role.TECHNICIAN).page("/checklist")
    assert "Run all checks again" not in Visitor(app).sign_in(site, Role.HEAD).page("/checklist")


def test_security_sees_only_its_own_entries(site: Site, app: Flask) -> None:
    guard = Visitor(app).sign_in(site, Role.SECURITY)
    assert guard.get("/journal/8").status_code == 403  # the rack door, said by the box
    said = guard.page("/journal")
    assert "Петров Николай Иванович signed in" in said
    assert "Rack door" not in said


def test_a_form_without_its_token_writes_nothing(site: Site, app: Flask) -> None:
    technician = Visitor(app).sign_in(site, Role.TECHNICIAN)
    answer = technician.client.post("/journal/15/explain", data={"word": "no token"})
    assert answer.status_code == 400
    assert "nothing was written" in answer.text
    assert not site.db.rows("select 1 from journal where kind = 'journal.explained' and ref = 15")


def test_a_press_from_another_site_is_refused(site: Site, app: Flask) -> None:
    app.config["WTF_CSRF_ENABLED"] = False
    visitor = Visitor(app)
    visitor.client.post("/signin", data={"login": "orlov", "password": PASSWORD})
    answer = visitor.client.post("/checklist/run", headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 403
    assert not site.db.rows("select 1 from orders where kind = 'checks'")
