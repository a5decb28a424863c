"""Signing in and out, sessions, languages, headers; and the administrator's people."""

from __future__ import annotations

import re
import stat
from collections.abc import Callable

import pytest
from flask import Flask

from appliance import accounts
from appliance.model import Actor, Role
from tests.fakes.seeded_site import PASSWORD, Site
from tests.fakes.visitor import Visitor, text_of
from web import CSP, create_app, secret_key

pytest_plugins = ["tests.web_fixtures"]
Visit = Callable[[Role], Visitor]


@pytest.mark.parametrize(
    ("role", "first"),
    [(Role.TECHNICIAN, "/"), (Role.HEAD, "/journal/waiting"), (Role.SECURITY, "/alarms"), (Role.EXPORTER, "/export"),
     (Role.ADMIN, "/system")],
)  # fmt: skip
def test_each_role_comes_to_its_own_first_page(site: Site, app: Flask, role: Role, first: str) -> None:
    answer = Visitor(app).post("/signin", page="/signin", login=site.login(role), password=PASSWORD)
    assert answer.location == first


def test_a_wrong_password_is_told_beside_the_form_and_keeps_the_name(site: Site, app: Flask) -> None:
    answer = Visitor(app).post("/signin", page="/signin", login="orlov", password="not this one")
    assert answer.status_code == 401
    assert "Name or password did not match." in answer.text
    assert 'value="orlov"' in answer.text
    assert "not this one" not in answer.text


def test_too_many_tries_make_a_pause_that_ends(site: Site, app: Flask) -> None:
    for _ in range(site.config.profile.signin.tries):
        Visitor(app).post("/signin", page="/signin", login="orlov", password="not this one")
    answer = Visitor(app).post("/signin", page="/signin", login="orlov", password=PASSWORD)
    assert "Too many tries. Wait 30 s." in text_of(answer)
    site.clock.advance(31)
    assert Visitor(app).post("/signin", page="/signin", login="orlov", password=PASSWORD).status_code == 302


@pytest.mark.parametrize("elsewhere", ["https://example.org/", "//example.org", "/\\example.org", "/%0d\nx", "signin"])
def test_signing_in_leads_nowhere_else(site: Site, app: Flask, elsewhere: str) -> None:
    answer = Visitor(app).post("/signin", page="/signin", login="orlov", password=PASSWORD, next=elsewhere)
    assert answer.location == "/"


def test_signing_in_leads_back_to_the_page_that_was_asked_for(site: Site, app: Flask) -> None:
    visitor = Visitor(app)
    asked = visitor.get("/archive?day=2026-11-22")
    assert asked.location == "/signin?next=/archive?day%3D2026-11-22"
    answer = visitor.post(
        "/signin", page=asked.location, login="orlov", password=PASSWORD, next="/archive?day=2026-11-22"
    )
    assert answer.location == "/archive?day=2026-11-22"


def test_signing_out_ends_the_session_also_for_a_kept_cookie(site: Site, app: Flask, visit: Visit) -> None:
    technician, thief = visit(Role.TECHNICIAN), Visitor(app)
    stolen = technician.client.get_cookie("examsite")
    assert stolen is not None
    thief.client.set_cookie("examsite", stolen.value)
    assert thief.get("/").status_code == 200
    technician.post("/signout", page="/more")
    assert thief.get("/").status_code == 302


def test_an_idle_session_ends(site: Site, visit: Visit) -> None:
    technician = visit(Role.TECHNICIAN)
    site.clock.advance(site.config.profile.signin.idle_min * 60 + 61)
    assert technician.get("/").status_code == 302


def test_a_disabled_person_is_out_at_once(site: Site, visit: Visit) -> None:
    technician = visit(Role.TECHNICIAN)
    accounts.disable(site.db, site.clock, Actor.service("test"), "orlov")
    assert technician.get("/").status_code == 302


def test_the_cookie_is_for_this_site_and_no_script(site: Site, app: Flask) -> None:
    answer = Visitor(app).post("/signin", page="/signin", login="orlov", password=PASSWORD)
    cookies = answer.headers.getlist("Set-Cookie")
    assert cookies
    assert all("HttpOnly" in cookie and "SameSite=Strict" in cookie for cookie in cookies)


@pytest.mark.parametrize("path", ["/signin", "/", "/journal/8", "/no-such-page", "/static/site.css"])
def test_every_answer_carries_the_strict_headers(visit: Visit, path: str) -> None:
    headers = visit(Role.HEAD).get(path).headers
    assert headers["Content-Security-Policy"] == CSP
    assert "unsafe" not in CSP
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"


def test_no_page_is_kept_by_the_browser(visit: Visit) -> None:
    assert visit(Role.HEAD).get("/journal").headers["Cache-Control"] == "no-store"


def test_the_language_of_the_browser_is_spoken_until_somebody_is_known(app: Flask) -> None:
    visitor = Visitor(app)
    assert "Имя для входа" in visitor.get("/signin", **{"Accept-Language": "ru,en;q=0.5"}).text
    assert "User name" in visitor.get("/signin", **{"Accept-Language": "en"}).text
    assert "Имя для входа" in visitor.get("/signin", **{"Accept-Language": "de"}).text  # the site's own


def test_a_pressed_language_goes_before_the_browsers(app: Flask) -> None:
    visitor = Visitor(app)
    visitor.post("/language", page="/signin", language="ru", back="/signin")
    assert "Имя для входа" in visitor.get("/signin", **{"Accept-Language": "en"}).text


def test_a_person_keeps_their_language_in_the_account(site: Site, visit: Visit) -> None:
    visit(Role.HEAD).post("/language", page="/more", language="ru", back="/more")
    assert accounts.get(site.db, "ivanova").language == "ru"
    assert "Ещё" in visit(Role.HEAD).page("/more")


def test_the_secret_is_made_once_and_is_for_its_owner_alone(site: Site) -> None:
    first = secret_key(site.config.data)
    assert secret_key(site.config.data) == first
    assert len(first) == 32
    assert stat.S_IMODE((site.config.data / "web-secret").stat().st_mode) == 0o600


def test_the_administrator_adds_a_person_who_can_sign_in(site: Site, app: Flask, visit: Visit) -> None:
    admin = visit(Role.ADMIN)
    form = admin.get("/people/add").text
    password = re.search(r'id="new-password"[^>]*value="([^"]+)"', form)
    assert password is not None
    said = admin.press("/people/add", page="/people/add", name="Носов Илья Петрович", login="nosov", role="security",
                       language="ru", password=password[1])  # fmt: skip
    assert "Added: Носов Илья Петрович, user name nosov." in said
    assert password[1] not in said
    assert Visitor(app).post("/signin", page="/signin", login="nosov", password=password[1]).location == "/alarms"


def test_a_form_with_a_fault_keeps_what_was_typed(visit: Visit) -> None:
    admin = visit(Role.ADMIN)
    answer = admin.post("/people/add", page="/people/add", name="Носов Илья", login="orlov", role="security",
                        language="ru", password="dva-slova-nochyu")  # fmt: skip
    assert answer.status_code == 409
    assert "The login orlov is taken." in answer.text
    assert 'value="Носов Илья"' in answer.text
    assert 'value="dva-slova-nochyu"' in answer.text


def test_switching_off_says_what_happens_and_the_last_administrator_stays(site: Site, visit: Visit) -> None:
    admin = visit(Role.ADMIN)
    assert "will be signed out at once" in admin.page("/people/sidorov/disable")
    said = admin.press("/people/sidorov/disable", page="/people/sidorov/disable")
    assert "Сидоров Василий Андреевич can no longer sign in." in said
    assert accounts.get(site.db, "sidorov").disabled
    refused = admin.post("/people/admin/disable", page="/people/admin/disable")
    assert "This is the last administrator." in refused.text


def test_words_of_people_are_shown_as_words(site: Site, visit: Visit) -> None:
    accounts.add(site.db, site.config, site.clock, Actor.service("test"), "evil", "<script>alert(1)</script>",
                 Role.HEAD, "en", "dva-slova-nochyu")  # fmt: skip
    page = visit(Role.ADMIN).get("/people").text
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_two_applications_of_one_site_know_the_same_sessions(site: Site, app: Flask) -> None:
    visitor = Visitor(app).sign_in(site, Role.HEAD)
    again, cookie = Visitor(create_app(site.config, site.clock)), visitor.client.get_cookie("examsite")
    assert cookie is not None
    again.client.set_cookie("examsite", cookie.value)
    assert again.get("/journal").status_code == 200  # the pages were restarted: nobody signs in again
