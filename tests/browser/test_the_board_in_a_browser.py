"""The alarm board in Chromium: two guards, the sound and its rhythms, the flashing, the acts, at three widths."""

from __future__ import annotations

from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect

from appliance import accounts, alarms, maintenance, shelving
from appliance.clock import FakeClock, SystemClock
from appliance.model import Actor, Language, Role
from drivers.types import PanelEvent
from tests.browser.conftest import Enter, Served
from tests.browser.test_every_page_in_a_browser import serious
from tests.fakes.seeded_site import PASSWORD, SMOKE, WINDOW

SOON_MS = 8000
DURESS = PanelEvent("duress", "active", zone="009", text="Duress", account="1234", code="121", raw=b"duress")
TAMPER = PanelEvent("tamper", "active", zone="003", partition="01", text="Tamper", account="1234", code="137", raw=b"t")
# Writes down every tone the page really gives to the browser: how long it is to be heard, and how loud.
LISTEN = """
window.tones = [];
const gain = AudioContext.prototype.createGain;
AudioContext.prototype.createGain = function () {
  const made = gain.call(this), ramp = made.gain.linearRampToValueAtTime.bind(made.gain);
  made.gain.linearRampToValueAtTime = (value, at) => {
    if (value === 1) made.from = at;
    else window.tones.push(Math.round((at - made.from + 0.01) * 100) / 100);
    return ramp(value, at);
  };
  return made;
};
"""


def now() -> FakeClock:
    return FakeClock(SystemClock().now())


def quiet(served: Served) -> None:
    """Take in hand what the day has left, so that only what the test says calls."""
    site = served.site
    for alarm in alarms.board(site.db, site.config, now().now()).alarms:
        alarms.acknowledge(site.db, site.config, now(), alarm.id, site.people[Role.SECURITY], "known")


def listening(served: Served, enter: Enter, role: Role = Role.SECURITY) -> Page:
    """The board with its sound on, every tone written down."""
    page = enter(role)
    page.add_init_script(LISTEN)
    page.goto(f"{served.address}/alarms")
    expect(page.locator("#sound-says")).to_have_text("Sound is off")
    page.get_by_role("button", name="Turn sound on").click()
    expect(page.locator("#sound-says")).to_have_text("Sound is on")
    return page


def playing(page: Page, rhythm: str) -> None:
    expect(page.locator("#sound")).to_have_attribute("data-playing", rhythm, timeout=SOON_MS)


def tones(page: Page, at_least: int) -> list[float]:
    page.wait_for_function("n => window.tones.length >= n", arg=at_least, timeout=20_000)
    heard: list[float] = page.evaluate("window.tones")
    return heard


def test_a_guard_takes_an_alarm_and_the_other_guard_sees_it_and_can_no_longer_press(
    served: Served, enter: Enter
) -> None:
    site = served.site
    accounts.add(site.db, site.config, SystemClock(), Actor.service("init"), "smirnov", "Смирнов Олег Юрьевич",
                 Role.SECURITY, "en", PASSWORD)  # fmt: skip
    first = enter(Role.SECURITY)
    site.people[Role.SECURITY] = accounts.get(site.db, "smirnov")
    second = enter(Role.SECURITY)
    site.say(WINDOW, now())
    for page in (first, second):
        expect(page.locator("#worst")).to_contain_text("Window, room 0002", timeout=SOON_MS)
    first.locator("#worst").get_by_role("button", name="Acknowledge").click()
    expect(second.locator("#live")).to_contain_text("Петров\u00a0Н.\u00a0И. acknowledged at", timeout=SOON_MS)
    row = second.locator(".row.alarm", has_text="Window, room 0002")
    expect(row.get_by_role("button")).to_have_count(0)


@pytest.mark.parametrize(("event", "rhythm", "tone_s"), [
    (SMOKE, "fire", [1.5, 1.5]), (WINDOW, "intrusion", [0.5, 0.5]), (TAMPER, "fault", [0.15, 0.15]),
    (PanelEvent("gas.alarm", "active", zone="008", text="Gas", raw=b"gas"), "attention", [0.2, 0.8]),
], ids=["fire", "intrusion", "fault", "attention"])  # fmt: skip
def test_each_class_has_its_rhythm_until_it_is_taken(
    served: Served, enter: Enter, event: PanelEvent, rhythm: str, tone_s: list[float]
) -> None:
    quiet(served)
    page = listening(served, enter)
    playing(page, "")
    page.evaluate("window.tones.length = 0")
    served.site.say(event, now())
    playing(page, rhythm)
    assert tones(page, 2)[:2] == pytest.approx(tone_s, abs=0.02)
    quiet(served)
    playing(page, "")
    before = page.evaluate("window.tones.length")
    page.wait_for_timeout(700)
    assert page.evaluate("window.tones.length") == before


def test_the_worst_class_wins_and_a_hushed_board_sounds_again_for_a_new_alarm(served: Served, enter: Enter) -> None:
    quiet(served)
    page = listening(served, enter)
    served.site.say(WINDOW, now())
    playing(page, "intrusion")
    expect(page.get_by_role("button", name="Silence 3 min")).to_be_visible()
    page.keyboard.press("KeyM")
    playing(page, "")
    expect(page.locator("#sound-says")).to_contain_text("Silent until")
    served.site.say(SMOKE, now())
    playing(page, "fire")
    expect(page.locator("#worst")).to_contain_text("Fire alarm")


def test_a_silent_call_for_help_makes_no_sound(served: Served, enter: Enter) -> None:
    quiet(served)
    page = listening(served, enter)
    page.evaluate("window.tones.length = 0")
    served.site.say(DURESS, now())
    expect(page.locator("#worst")).to_contain_text("Duress", timeout=SOON_MS)
    playing(page, "")
    assert page.evaluate("window.tones") == []


def test_there_is_no_sound_before_somebody_turned_it_on(served: Served, enter: Enter) -> None:
    page = enter(Role.SECURITY)
    page.add_init_script(LISTEN)
    page.goto(f"{served.address}/alarms")
    served.site.say(SMOKE, now())
    expect(page.locator("#worst")).to_contain_text("Fire alarm", timeout=SOON_MS)
    expect(page.locator("#sound-says")).to_have_text("Sound is off")
    assert page.evaluate("window.tones") == []


def test_a_new_alarm_pulses_at_most_once_a_second_and_for_five_seconds(served: Served, enter: Enter) -> None:
    page = enter(Role.SECURITY)
    served.site.say(SMOKE, now())
    expect(page.locator("#worst")).to_contain_text("Fire alarm", timeout=SOON_MS)
    pulse = page.evaluate("""() => document.getElementById('worst').getAnimations().map(a => {
        const t = a.effect.getComputedTiming(); return [t.duration, t.iterations]; })""")
    assert pulse == [[1000, 5]]
    endless = page.evaluate("""() => document.getAnimations().filter(
        a => a.effect.getComputedTiming().iterations === Infinity).length""")
    assert endless == 0
    page.emulate_media(reduced_motion="reduce")
    assert page.evaluate("document.getElementById('worst').getAnimations().length") == 0


def test_taking_by_keys_then_shelving_and_putting_back_by_hand(served: Served, enter: Enter) -> None:
    quiet(served)
    served.site.say(TAMPER, now())
    page = enter(Role.SECURITY)
    expect(page.locator("#worst")).to_contain_text("Tamper", timeout=SOON_MS)
    page.goto(f"{served.address}/help#keys")
    page.get_by_label("Keys work in this browser").uncheck()
    page.goto(f"{served.address}/alarms")
    page.keyboard.press("KeyJ")
    assert page.evaluate("document.activeElement.tagName") == "BODY"
    page.evaluate("localStorage.setItem('keys', 'on')")
    page.keyboard.press("KeyA")  # nothing is chosen
    page.keyboard.press("KeyJ")
    expect(page.locator("#worst")).to_be_focused()
    page.keyboard.press("KeyA")
    row = page.locator(".row.alarm", has_text="Tamper")
    expect(row).to_contain_text("acknowledged at", timeout=SOON_MS)
    page.keyboard.press("KeyJ")
    for _ in range(20):
        if row.evaluate("row => row === document.activeElement"):
            break
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.get_by_text("Put aside: shelve for a while").click()
    page.get_by_label("1 h").check()
    page.get_by_label("Under repair").check()
    page.get_by_role("button", name="Shelve the alarm").click()
    aside = page.locator("#aside")
    expect(aside).to_contain_text("Shelved until")
    expect(aside).to_contain_text("Under repair")
    aside.get_by_role("button", name="Put back").click()
    expect(page.locator("main")).to_contain_text("Back in service, recorded under no.")
    expect(page.locator(".row.alarm, #worst", has_text="Tamper")).to_have_count(1)


def busy(served: Served) -> None:
    """Everything a board can show at once."""
    site, at = served.site, SystemClock()
    site.say(SMOKE, now())
    for number in range(20, 32):
        site.say(PanelEvent("tamper", "active", zone=f"0{number}", partition="01", text="Tamper", account="1234",
                            code="137", raw=str(number).encode()), now())  # fmt: skip
    for partition, kind in (("01", "arm"), ("02", "disarm")):
        site.say(PanelEvent(kind, "info", partition=partition, text="Armed", account="1234",
                            raw=partition.encode()), now())  # fmt: skip
    board = alarms.board(site.db, site.config, at.now())
    battery = next(a for a in board.alarms if a.kind == "battery.low")
    guard = site.people[Role.SECURITY]
    shelving.shelve(site.db, site.config, at, battery.id, guard, 60, "Новый аккумулятор привезут к обеду")
    maintenance.begin(site.db, site.config, at, guard, "security", 30, "Проверка датчиков", zone="003")
    site.say(WINDOW, now())


@pytest.mark.parametrize(("language", "width", "height", "scheme"), [
    ("ru", 360, 800, "light"), ("en", 768, 1024, "dark"), ("ru", 1920, 1080, "light"),
])  # fmt: skip
def test_a_full_board_and_its_pages_keep_nobody_out(
    served: Served, enter: Enter, language: Language, width: int, height: int, scheme: str
) -> None:
    busy(served)
    page, faults = enter(Role.SECURITY, language, width, height, scheme), []
    board = alarms.board(served.site.db, served.site.config, now().now())
    tamper = next(a.id for a in board.alarms if a.kind == "tamper")
    own = [f"/alarms/{tamper}", f"/alarms/{tamper}/conclusion"]
    for path in ("/alarms", "/alarms/test", "/alarms/log", "/duty", *own):
        page.goto(served.address + path)
        for folded in page.locator("details").all():
            folded.evaluate("details => { details.open = true; }")
        faults += [f"{path}: {fault}" for fault in serious(page)]
        wider = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        if wider > 0:
            faults.append(f"{path}: {wider} px wider than the screen")
    assert faults == []


def test_the_full_wall_fits_without_scrolling(served: Served, enter: Enter) -> None:
    busy(served)
    page = enter(Role.SECURITY, "ru", 1920, 1080)
    page.goto(f"{served.address}/wall/alarms")
    assert page.locator("main").evaluate("main => main.scrollHeight - main.clientHeight") <= 0
    assert serious(page) == []
    least = float(served.site.config.profile.alarms.volume_least)
    assert page.locator("#sound-volume").evaluate("slider => Number(slider.min)") == least


def test_duty_changes_hands_on_one_screen(served: Served, enter: Enter) -> None:
    site = served.site
    accounts.add(site.db, site.config, SystemClock(), Actor.service("init"), "smirnov", "Смирнов Олег Юрьевич",
                 Role.SECURITY, "en", PASSWORD)  # fmt: skip
    page = enter(Role.SECURITY)
    page.goto(f"{served.address}/duty")
    page.fill("#remarks", "Keys handed over")
    page.fill("#password", PASSWORD)
    page.fill("#taking-password", PASSWORD)
    page.get_by_role("button", name="Sign the hand-over, both").click()
    expect(page.locator("h1")).to_have_text("Duty hand-over report")
    expect(page.locator("main")).to_contain_text("Keys handed over")
    with page.expect_download() as download:
        page.get_by_role("link", name="PDF").click()
    assert download.value.path().read_bytes().startswith(b"%PDF-")


def test_an_acknowledgement_that_nobody_followed_up_asks_again_on_the_open_board(served: Served, enter: Enter) -> None:
    site = served.site
    quiet(served)
    ago = FakeClock(SystemClock().now() - timedelta(minutes=11))
    site.say(SMOKE, ago)
    fire = next(a for a in alarms.board(site.db, site.config, ago.now()).alarms if a.kind == "fire.alarm")
    alarms.acknowledge(site.db, site.config, ago, fire.id, site.people[Role.SECURITY], "going there")
    page = listening(served, enter)
    playing(page, "")
    assert alarms.ask_again(site.db, site.config, SystemClock()) == 1
    playing(page, "fire")
    expect(page.locator("#worst")).to_contain_text("asks again since")
