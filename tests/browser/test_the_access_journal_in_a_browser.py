"""The access journal as people press it in Chromium: Orlov at his phone, Smirnova with card and key at his desk."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from appliance import access, accounts, badges
from appliance.clock import FakeClock, SystemClock
from appliance.model import Actor, Language, Person, Role
from tests.browser.conftest import LANGUAGES, Enter, Served
from tests.browser.test_every_page_in_a_browser import serious
from tests.fakes.seeded_site import PASSWORD

CARD = "04A1F2C3D4E580"
COUNT = """addEventListener('click', () => sessionStorage.presses = Number(sessionStorage.presses || 0) + 1, true)"""
SOON_MS = 8000


def now() -> FakeClock:
    return FakeClock(SystemClock().now())


@pytest.fixture
def smirnova(served: Served) -> Person:
    site = served.site
    return accounts.add(site.db, site.config, now(), Actor.service("init"), "smirnova", "Смирнова Ольга Юрьевна",
                        Role.HEAD, "ru", PASSWORD)  # fmt: skip


@pytest.fixture
def over(served: Served) -> int:
    """An angle that Orlov has set right: it waits for the head."""
    site, orlov = served.site, served.site.people[Role.TECHNICIAN]
    seq = access.begin(site.db, site.config, now(), orlov, "angle", ["0001"], key="seed")
    access.end(site.db, site.config, now(), seq, orlov, key="seed")
    return seq


@pytest.fixture
def at_localhost(served: Served) -> Iterator[None]:
    """Browsers give security keys to a page with a name, not to an address of digits."""
    by_digits, served.address = served.address, f"http://localhost:{served.port}"
    yield
    served.address = by_digits


def with_a_key(page: Page) -> None:
    """A security key plugged into this browser, which its holder touches at once."""
    devtools = page.context.new_cdp_session(page)
    devtools.send("WebAuthn.enable")
    options = {"protocol": "ctap2", "transport": "usb", "hasResidentKey": False, "hasUserVerification": True,
               "isUserVerified": True, "automaticPresenceSimulation": True}  # fmt: skip
    devtools.send("WebAuthn.addVirtualAuthenticator", {"options": options})


def answer_of(served: Served, seq: int) -> tuple[str, str, str]:
    act = access.act(served.site.db, seq)
    assert act.answer is not None
    return act.state, act.answer.signer.login, act.answer.how


WORDS: dict[Language, tuple[str, ...]] = {
    "ru": ("Объявить действие", "Корректировка ракурса", "Аудитория 0002", "Закончить", "Ждёт второй подписи"),
    "en": ("Announce an action", "Camera angle adjustment", "Room 0002", "End", "Waits for the second signature"),
}
NARROW = "document.documentElement.scrollWidth - innerWidth"
SMALL = """() => [...document.querySelectorAll('main button, main a.row, main a.button')]
    .map(e => [e.textContent.trim(), e.getBoundingClientRect()])
    .filter(([, r]) => r.width > 1 && r.height < 44).map(([t, r]) => t + ' ' + r.height)"""


def test_orlov_announces_in_three_presses_at_his_phone_and_ends_with_one(served: Served, enter: Enter) -> None:
    for language in LANGUAGES:
        announce, action, room, end, waits = WORDS[language]
        page = enter(Role.TECHNICIAN, language, 360, 740)
        page.add_init_script(COUNT)
        page.goto(f"{served.address}/")
        page.get_by_role("link", name=announce).click()
        assert serious(page) == []
        page.get_by_role("link", name=action).click()
        assert serious(page) == []
        page.get_by_role("button", name=room).click()
        expect(page.locator(".told.done")).to_be_visible()
        assert page.evaluate("sessionStorage.presses") == "3"
        [going] = access.open_acts(served.site.db)
        assert (going.action, going.rooms) == ("angle", ("0002",))
        assert serious(page) == []
        page.goto(f"{served.address}/")
        expect(page.locator(".going")).to_contain_text(action)
        page.get_by_role("button", name=end).first.click()
        expect(page.locator(".chip").first).to_contain_text(waits)
        page.close()


def test_smirnova_confirms_at_his_desk_with_her_card_wherever_the_cursor_stands(
    served: Served, enter: Enter, smirnova: Person, over: int
) -> None:
    site = served.site
    badges.give(site.db, site.config, now(), site.people[Role.ADMIN], "smirnova", PASSWORD, CARD, "Белая, № 17")
    page = enter(Role.TECHNICIAN, "ru", 360, 740)
    for path in ("/journal", "/journal/announce", "/journal/announce/angle", "/journal/state",
                 f"/journal/access/{over}"):  # fmt: skip
        page.goto(served.address + path)
        assert page.evaluate(NARROW) <= 0, path
        assert page.evaluate(SMALL) == [], path
    assert serious(page) == []
    # The page is opened by digits: no browser gives it a security key.
    expect(page.locator("#key-note")).to_contain_text("только если страница открыта по имени через https")
    expect(page.get_by_role("button", name="ключом")).to_be_hidden()
    page.locator("#word").fill("typed before")
    page.locator("#word").focus()
    reader(page)
    expect(page.locator(".told.done")).to_be_visible(timeout=SOON_MS)
    expect(page.locator("#live")).to_contain_text("Смирнова Ольга Юрьевна, руководитель ППЭ")
    assert answer_of(served, over) == ("confirmed", "smirnova", "card")
    page.goto(f"{served.address}/more")
    expect(page.locator("h1")).to_contain_text("Орлов Пётр Сергеевич")


def reader(page: Page) -> None:
    """A reader's keys, as fast as it sends them: typed into the field that has the cursor, as a browser would."""
    page.evaluate("""number => {
        const field = document.activeElement;
        for (const key of [...number, 'Enter']) {
            const pressed = new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true });
            field.dispatchEvent(pressed);
            if (key.length === 1) field.value += key;
        }
    }""", CARD)


def test_smirnova_confirms_with_her_security_key(
    served: Served, at_localhost: None, enter: Enter, smirnova: Person, over: int
) -> None:
    page = enter(Role.ADMIN)
    with_a_key(page)
    page.goto(f"{served.address}/people/smirnova/cards")
    page.fill("#label", "Blue key")
    page.fill("#password", PASSWORD)
    page.get_by_role("button", name="Register a security key").click()
    expect(page.locator("main")).to_contain_text("Security key for localhost", timeout=SOON_MS)
    assert serious(page) == []
    page.goto("about:blank")  # or the page itself, signed out, is on its way to the sign-in page
    page.context.clear_cookies()  # the same browser, with the key in it, is Orlov's desk now
    page.goto(f"{served.address}/signin")
    page.fill("#login", "orlov")
    page.fill("#password", PASSWORD)
    page.click("button.primary")
    page.wait_for_url(lambda url: "signin" not in url)
    page.goto(f"{served.address}/journal/access/{over}")
    page.get_by_role("button", name="Confirm with a security key").click()
    expect(page.locator(".told.done")).to_be_visible(timeout=SOON_MS)
    assert answer_of(served, over) == ("confirmed", "smirnova", "passkey")


def test_the_head_declines_with_a_word_and_orlov_corrects(served: Served, enter: Enter, over: int) -> None:
    head = enter(Role.HEAD, "ru")
    path = f"{served.address}/journal/access/{over}"
    head.goto(path)
    assert serious(head) == []
    head.fill("#password", PASSWORD)
    head.fill("#word", "Аудитория не та")
    head.get_by_role("button", name="Отказать").click()
    expect(head.locator("#live")).to_contain_text("Аудитория не та")
    assert answer_of(served, over) == ("declined", "ivanova", "password")
    page = enter(Role.TECHNICIAN, "en", 360, 740)
    page.goto(path)
    page.get_by_role("link", name="Wrong? Correct by an entry").click()
    assert serious(page) == []
    page.select_option("#from", "0002")
    page.get_by_role("button", name="Write the correction").click()
    expect(page.locator("main")).to_contain_text(f"Corrects no. {over}")
    assert serious(page) == []
    assert [one.rooms for one in access.unconfirmed(served.site.db)] == [("0002",)]
