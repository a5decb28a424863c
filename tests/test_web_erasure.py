"""Erasure of personal data on the pages: the administrator asks, the head agrees; nothing goes before both."""

from __future__ import annotations

import re

from appliance import accounts, erasure, journal
from appliance.model import Actor, Role
from tests.fakes.seeded_site import PASSWORD, Site
from tests.fakes.visitor import Visitor, text_of
from web import create_app

pytest_plugins = ["tests.web_fixtures"]
ASK = {"login": "petrov", "ground": "Request 4 of 20.11.2026", "key": "one-form"}


def test_one_asks_another_agrees_and_then_it_is_gone(after: Site) -> None:
    app = create_app(after.config, after.clock)
    admin, head = (Visitor(app).sign_in(after, role) for role in (Role.ADMIN, Role.HEAD))
    in_use = admin.get("/journal/erasures/ask?login=petrov")
    assert in_use.status_code == 409
    assert "The account petrov is in use." in text_of(in_use)
    accounts.disable(after.db, after.clock, Actor.service("console"), "petrov")
    shown = admin.page("/journal/erasures/ask?login=petrov")
    assert "The account petrov loses its name and gets another login." in shown
    with_words = admin.page("/journal/erasures/ask?login=petrov&words=1")
    assert "What people wrote where the surname stands goes as a whole." in with_words
    refused = admin.post("/journal/erasures/ask", page="/journal/erasures/ask", **ASK | {"ground": "Request of Петров"})
    assert "not the person" in text_of(refused)
    for _ in range(2):  # a double press
        asked = admin.press("/journal/erasures/ask", page="/journal/erasures/ask?login=petrov", **ASK)
    assert "Waits for the head of site to agree" in asked
    assert "for good" not in asked
    (order,) = erasure.waiting(after.db)
    page = f"/journal/erasures/{order.id}"
    assert admin.post(f"{page}/agree", page="/journal/erasures/ask").status_code == 403

    assert "Personal data is to be erased: your agreement is asked" in head.page("/")
    assert "Your agreement to an erasure" in head.page("/journal/waiting")
    mark = re.search(r'name="mark" value="(\w+)"', head.get(page).text)
    assert mark is not None
    proof = {"mark": mark[1], "login": after.login(Role.HEAD)}
    for wrong in ({"mark": mark[1]}, proof | {"password": "another"}, proof | {"mark": "0", "password": PASSWORD}):
        assert head.post(f"{page}/agree", page=page, **wrong).status_code == 409
    assert accounts.get(after.db, "petrov").name == "Петров Николай Иванович"
    done = head.press(f"{page}/agree", page=page, **proof)  # their signature is still good
    assert re.search(r"Erased: \d+ values in \d+ entries\.", done)
    assert "petrov" not in done
    assert "Петров" not in head.get("/journal/erasures").text + head.get("/people").text
    told = journal.entries(after.db, kinds=["personal.erased"])[0]
    said = head.page(f"/journal/{told.seq}")
    assert "Кузнецова Мария Олеговна asked, Иванова Анна Викторовна agreed. Ground: Request 4 of 20.11.2026" in said


def test_a_refusal_needs_a_word_and_erases_nothing(after: Site) -> None:
    accounts.disable(after.db, after.clock, Actor.service("console"), "petrov")
    number = erasure.ask(after.db, after.clock, after.people[Role.ADMIN], "petrov", "Request 4")
    page = f"/journal/erasures/{number}"
    head = Visitor(create_app(after.config, after.clock)).sign_in(after, Role.HEAD)
    assert "Write why you refuse." in text_of(head.post(f"{page}/refuse", page=page, word=" "))
    assert "The head refused" in head.press(f"{page}/refuse", page=page, word="No such request")
    assert accounts.get(after.db, "petrov").name == "Петров Николай Иванович"
    assert not journal.entries(after.db, kinds=["personal.erased"])
