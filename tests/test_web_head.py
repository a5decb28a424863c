"""The head's page: what stands first, many signatures by one press, what is new; and what stands beside an entry."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from appliance import access, checkpoints, journal, matching
from appliance.model import Role
from tests.fakes.seeded_site import PASSWORD, RACK, SMOKE, Site
from tests.fakes.visitor import Visitor
from tests.test_web_board import DURESS

pytest_plugins = ["tests.web_fixtures"]
Visit = Callable[[Role], Visitor]
PAGE = "/journal/waiting"


def over(site: Site, action: str = "angle", rooms: tuple[str, ...] = ("0002",), key: str = "a") -> int:
    """An action of Orlov's that is over."""
    orlov = site.people[Role.TECHNICIAN]
    seq = access.begin(site.db, site.config, site.clock, orlov, action, rooms, key=key)
    site.clock.advance(120)
    access.end(site.db, site.config, site.clock, seq, orlov, key=key)
    return seq


def contradicted(site: Site) -> int:
    """A replacement that was announced while no camera changed and no door opened."""
    seq = over(site, "replace", ("0001",), "replaced")
    site.clock.advance(3 * 3600)
    matching.tend(site.db, site.config, site.clock)
    assert "access.contradicted" in [entry.kind for entry in journal.waiting(site.db)]
    return seq


def headings(visitor: Visitor, path: str) -> list[str]:
    found = re.findall(r"<h2[^>]*>(.*?)</h2>", visitor.get(path).text, re.DOTALL)
    return [" ".join(re.sub(r"<[^>]+>", " ", text).split()) for text in found]


def test_the_unexplained_stands_first_then_the_contradicted_then_the_rest(site: Site, visit: Visit) -> None:
    contradicted(site)
    over(site)
    assert headings(visit(Role.HEAD), PAGE)[:5] == [
        "Unexplained 1", "Contradicted by the sensors 1", "Explained, waits for the head 1",
        "Your signature, though the sensors contradict 1", "Your signature 1",
    ]  # fmt: skip
    assert headings(visit(Role.TECHNICIAN), PAGE)[:2] == ["Unexplained 1", "Contradicted by the sensors 1"]


def test_each_group_has_its_oldest_first(site: Site, visit: Visit) -> None:
    first, second = over(site, key="1"), over(site, key="2")
    shown = [int(seq) for seq in re.findall(r'id="act-(\d+)"', visit(Role.HEAD).get(PAGE).text)]
    assert shown == [first, second]


def test_many_are_confirmed_by_one_press_and_one_password(site: Site, visit: Visit) -> None:
    seqs, head = [over(site, key=str(n)) for n in range(3)], visit(Role.HEAD)
    two = [str(seq) for seq in seqs[:2]]
    said = head.press(f"{PAGE}/confirm", page=PAGE, act=two, login="ivanova", password=PASSWORD)
    assert "Confirmed and recorded, actions: 2" in said
    assert [access.act(site.db, seq).state for seq in seqs] == ["confirmed", "confirmed", "waits"]
    assert "Your signature is good until" in said  # for the third no password is asked
    assert "actions: 1" in head.press(f"{PAGE}/confirm", page=PAGE, act=str(seqs[2]))
    assert access.act(site.db, seqs[2]).answer.how == "session"  # type: ignore[union-attr]


def test_a_press_repeated_writes_nothing_twice(site: Site, visit: Visit) -> None:
    seq, head = over(site), visit(Role.HEAD)
    for _ in range(2):
        head.post(f"{PAGE}/confirm", page=PAGE, act=str(seq), login="ivanova", password=PASSWORD)
    assert len(journal.entries(site.db, kinds=["access.confirmed"])) == 1


@pytest.mark.parametrize(("fields", "said"), [
    ({"password": PASSWORD}, "Tick what you confirm."), ({"act": "SEQ"}, "Sign with a password"),
    ({"act": "SEQ", "password": "wrong"}, "did not match"), ({"act": "9999", "password": PASSWORD}, "no action"),
])  # fmt: skip
def test_what_cannot_be_confirmed_is_said(site: Site, visit: Visit, fields: dict[str, str], said: str) -> None:
    seq, head = over(site), visit(Role.HEAD)
    sent: dict[str, Any] = {name: value.replace("SEQ", str(seq)) for name, value in fields.items()}
    answer = head.post(f"{PAGE}/confirm", page=PAGE, login="ivanova", **sent)
    assert answer.status_code == 409
    assert said in answer.text
    assert access.act(site.db, seq).state == "waits"


def test_what_the_sensors_contradict_is_answered_by_itself_alone(site: Site, visit: Visit) -> None:
    seq, head = contradicted(site), visit(Role.HEAD)
    assert f'value="{seq}"' not in head.get(PAGE).text
    answer = head.post(f"{PAGE}/confirm", page=PAGE, act=str(seq), login="ivanova", password=PASSWORD)
    assert f"The sensors contradict no. {seq}" in answer.text
    assert access.act(site.db, seq).state == "waits"


def test_what_is_new_is_counted_until_she_says_that_she_read_it(site: Site, visit: Visit) -> None:
    head = visit(Role.HEAD)
    newest = journal.entries(site.db, newest_first=True, limit=2)[-1].seq  # the last is her own sign-in
    assert f"I have read up to no. {newest}" in head.page(PAGE)
    assert "Nothing new. You have read up to" in head.press(f"{PAGE}/seen", page=PAGE, seq=newest)
    over(site)
    assert "Since you last looked 2" in head.page(PAGE)
    assert "Since you last looked 2" not in visit(Role.TECHNICIAN).page(PAGE)  # each their own


def test_filters_survive_paging_and_a_reload(site: Site, visit: Visit) -> None:
    for _ in range(51):
        site.say(RACK)
        site.clock.advance(20)
    head = visit(Role.HEAD)
    page = head.get("/journal?q=стойка&room=7777&subject=door").text
    older = re.search(r'href="(/journal\?[^"]*before=\d+[^"]*)"', page)
    assert older is not None
    asked = older[1].replace("&amp;", "&")
    for part in ("q=", "room=7777", "subject=door"):
        assert part in asked
    again = head.get(asked).text
    assert 'value="стойка"' in again
    assert again.count('id="entry-') > 0
    assert "Shown: «стойка» · HQ 7777 · Doors" in head.page(asked)


def test_nothing_found_is_said_and_the_filters_can_be_left(visit: Visit) -> None:
    said = visit(Role.HEAD).page("/journal?q=сверчок")
    assert "Nothing found." in said
    assert "Show everything" in said


@pytest.mark.parametrize("role", [Role.SECURITY, Role.EXPORTER])
def test_a_filter_opens_nobody_else_s_entries(site: Site, visit: Visit, role: Role) -> None:
    visitor = visit(role)
    for query in ("person=orlov", "room=7777", "q=стойка", "subject=door", "day=2026-11-22"):
        text = visitor.get(f"/journal?{query}").text
        mine = {e.seq for e in journal.entries(site.db, who=site.login(role), limit=500)}
        assert {int(seq) for seq in re.findall(r'id="entry-(\d+)"', text)} <= mine


def test_an_entry_shows_its_minute_its_neighbours_and_what_signs_it(site: Site, visit: Visit) -> None:
    door = journal.entries(site.db, kinds=["door.opened"])[-1].seq
    head = visit(Role.HEAD)
    page = head.get(f"/journal/{door}").text
    assert "Not under a signed checkpoint yet." in page
    cut = re.search(r'<video [^>]*src="/archive/segment/\d+\.mp4#t=(\d+\.\d),(\d+\.\d)"', page)
    assert cut is not None
    assert float(cut[2]) - float(cut[1]) == pytest.approx(60, abs=0.2)
    assert "Before and after" in page
    assert f'href="/journal/{door - 1}"' in page
    assert "Battery low" in page  # the alarm of that minute
    size = checkpoints.sign(site.db, site.config, site.clock, "asked")
    assert size is not None
    assert f"Under the signed checkpoint of {size.size} entries" in head.page(f"/journal/{door}")


def test_an_explanation_leads_to_the_pictures_of_the_door(site: Site, visit: Visit) -> None:
    said = journal.entries(site.db, kinds=["journal.explained"])[0].seq
    door = journal.entries(site.db, kinds=["door.opened"])[0].seq
    head = visit(Role.HEAD)
    pictures = re.compile(r"/archive/segment/\d+\.mp4#t=[\d.,]+")
    shown = [pictures.findall(head.get(f"/journal/{seq}").text) for seq in (said, door)]
    assert shown[0] == shown[1] != []


def test_a_camera_that_recorded_nothing_then_is_named(site: Site, visit: Visit) -> None:
    site.clock.advance(24 * 3600)
    site.say(RACK)
    said = visit(Role.HEAD).page(f"/journal/{journal.head(site.db)[0] - 1}")
    assert "HQ 7777: nothing of this minute is recorded." in said


def test_an_act_shows_both_people_and_its_correction_beside_it(site: Site, visit: Visit) -> None:
    seq, orlov, head = over(site), site.people[Role.TECHNICIAN], site.people[Role.HEAD]
    access.confirm(site.db, site.config, site.clock, seq, head, "card", key="a")
    now = site.clock.now()
    newer = access.correct(site.db, site.config, site.clock, seq, orlov, "angle", ["0001"], now, now, key="b")
    for entry in (seq, newer, journal.head(site.db)[0]):
        said = visit(Role.HEAD).page(f"/journal/{entry}")
        assert f"Corrected by no. {newer}" in said
        assert f"Corrects no. {seq}" in said
        assert "Орлов Пётр Сергеевич, technician" in said
        assert "Иванова Анна Викторовна, head of site" in said


def test_an_explained_opening_shows_the_act_that_explains_it(site: Site, visit: Visit) -> None:
    seq = access.begin(site.db, site.config, site.clock, site.people[Role.TECHNICIAN], "check", ["7777"], key="a")
    site.clock.advance(60)
    site.say(RACK)
    matching.tend(site.db, site.config, site.clock)
    for entry in journal.entries(site.db, kinds=["event.explained"]):
        if seq in entry.refs:
            assert "Action at the equipment, no." in visit(Role.HEAD).page(f"/journal/{entry.seq}")
            return
    raise AssertionError("the opening was not explained")


def test_a_silent_call_is_not_given_away_beside_an_entry(site: Site, visit: Visit) -> None:
    site.say(SMOKE)
    site.say(DURESS)
    seq = journal.entries(site.db, kinds=["alarm.raised"], newest_first=True, limit=2)[-1].seq
    near = visit(Role.HEAD).get(f"/journal/{seq}").text.partition("Alarms about then")[2].partition("</ul>")[0]
    assert "Fire alarm" in near
    assert "Duress" not in near


@pytest.mark.parametrize("role", [Role.HEAD, Role.TECHNICIAN, Role.ADMIN])
def test_a_silent_call_that_stands_is_not_named_by_the_journal(site: Site, visit: Visit, role: Role) -> None:
    site.say(DURESS)
    seq, visitor = journal.head(site.db)[0], visit(role)
    for page in ("/journal", PAGE, f"/journal/{seq}", f"/journal/{seq - 1}", "/journal?subject=alarm"):
        text = visitor.get(page).text
        assert "A message of the panel; security has it" in text
        assert "uress" not in text
