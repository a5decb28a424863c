"""The access journal's pages: three presses, ending, the second signature at the desk or later, correcting, cards."""

from __future__ import annotations

import re
from collections.abc import Callable

from flask import Flask

from appliance import access, badges, journal, passkeys
from appliance.model import Role
from tests.fakes.passkey import SoftKey
from tests.fakes.seeded_site import PASSWORD, Site
from tests.fakes.visitor import TOKEN, Visitor, text_of

pytest_plugins = ["tests.web_fixtures"]
Visit = Callable[[Role], Visitor]
CARD = "04A1F2C3D4"
HEAD = "Иванова Анна Викторовна"


def begun(site: Site, action: str = "angle", who: Role = Role.TECHNICIAN) -> int:
    return access.begin(site.db, site.config, site.clock, site.people[who], action, ["0001"], key="k")


def over(site: Site, who: Role = Role.TECHNICIAN) -> int:
    seq = begun(site, who=who)
    site.clock.advance(340)
    access.end(site.db, site.config, site.clock, seq, site.people[who], key="k")
    return seq


def sign(visitor: Visitor, seq: int, route: str = "sign", **fields: object) -> str:
    page = f"/journal/access/{seq}"
    return visitor.press(f"{page}/{route}", page=page, **{"verdict": "confirmed", "login": "ivanova"} | fields)


def give_card(site: Site, login: str = "ivanova", typed: str = CARD) -> int:
    return badges.give(site.db, site.config, site.clock, site.people[Role.ADMIN], login, PASSWORD, typed, "Белая")


def give_key(site: Site) -> SoftKey:
    key = SoftKey("http://localhost")
    answer = key.create(passkeys.invite(site.db, site.config, site.clock, "localhost", site.people[Role.HEAD]))
    passkeys.register(site.db, site.config, site.clock, site.people[Role.ADMIN], "ivanova", PASSWORD, "localhost",
                      answer, "Синий")  # fmt: skip
    return key


def question(visitor: Visitor, path: str, page: str) -> dict[str, object]:
    token = TOKEN.search(visitor.get(page).text)
    assert token is not None
    found: dict[str, object] = visitor.client.post(path, headers={"X-CSRFToken": token[1]}).get_json()
    return found


def test_announce_action_room_begins_it(site: Site, visit: Visit) -> None:
    technician = visit(Role.TECHNICIAN)
    assert 'href="/journal/announce"' in technician.get("/").text
    assert 'href="/journal/announce/angle"' in technician.get("/journal/announce").text
    assert 'name="room" value="0002"' in technician.get("/journal/announce/angle").text
    said = technician.press("/journal/announce/angle", page="/journal/announce/angle", room="0002", key="f")
    assert f"Recorded, no. {journal.head(site.db)[0]}" in said
    assert "Camera angle adjustment, Room 0002" in said
    assert "In progress" in said
    [going] = access.open_acts(site.db)
    assert (going.action, going.rooms, going.exam) == ("angle", ("0002",), site.exam.id)


def test_from_a_camera_the_room_is_known_and_the_action_begins_it(site: Site, visit: Visit) -> None:
    technician = visit(Role.TECHNICIAN)
    assert 'href="/journal/announce?room=0001"' in technician.get("/cameras/room-0001").text
    page = technician.get("/journal/announce?room=0001").text
    assert "What are you doing in Room 0001?" in page
    assert 'action="/journal/announce/check"' in page
    technician.press("/journal/announce/check", page="/journal/announce?room=0001", room="0001", key="f")
    assert access.open_acts(site.db)[0].rooms == ("0001",)


def test_the_printed_actions_stand_first_in_the_words_of_the_form(site: Site, visit: Visit) -> None:
    technician = visit(Role.TECHNICIAN)
    technician.post("/language", page="/more", language="ru", back="/")
    said = technician.page("/journal/announce")
    printed = ["Проверка работоспособности", "Начало записи", "Корректировка ракурса",
               "Извлечение/установка карты памяти", "Отключение средства видеозаписи", "Ещё действия"]  # fmt: skip
    assert sorted(printed, key=said.index) == printed


def test_a_press_that_arrives_twice_is_one_act(site: Site, visit: Visit) -> None:
    technician = visit(Role.TECHNICIAN)
    for _ in range(2):
        technician.post("/journal/announce/angle", page="/journal/announce/angle", room="0002", key="f")
    assert len(access.acts(site.db)) == 1


def test_another_room_after_going_back_is_another_act(site: Site, visit: Visit) -> None:
    technician = visit(Role.TECHNICIAN)
    for room in ("0001", "0002"):
        technician.post("/journal/announce/angle", page="/journal/announce/angle", room=room, key="f")
    assert len(access.open_acts(site.db)) == 2


def test_several_rooms_and_a_reason(site: Site, visit: Visit) -> None:
    fields = {"from": "0001", "to": "7777", "reason": "по плану", "key": "f"}
    said = visit(Role.TECHNICIAN).press("/journal/announce/check", page="/journal/announce/check", **fields)
    assert "Room 0001 – HQ 7777" in said
    assert "по плану" in said


def test_what_is_missing_is_said_and_what_was_typed_stays(site: Site, visit: Visit) -> None:
    answer = visit(Role.TECHNICIAN).post("/journal/announce/check", page="/journal/announce/check", reason="по плану",
                                         key="f")  # fmt: skip
    assert answer.status_code == 409
    assert "Say in which room" in answer.text
    assert 'value="по плану"' in answer.text


def test_what_goes_on_stands_on_today_and_in_the_journal_with_its_age(site: Site, visit: Visit) -> None:
    begun(site)
    site.clock.advance(480)
    technician = visit(Role.TECHNICIAN)
    for path in ("/", "/journal"):
        said = technician.page(path)
        assert "Camera angle adjustment, Room 0001" in said
        assert "8 min 00 s" in said
        assert "Орлов П. С." in said
    assert "Camera angle adjustment" not in visit(Role.EXPORTER).page("/")  # not theirs
    head = visit(Role.HEAD).get("/").text
    assert "Camera angle adjustment" in head
    assert "/end" not in head  # seen, not ended


def test_it_is_ended_with_one_press(site: Site, visit: Visit) -> None:
    seq = begun(site)
    technician = visit(Role.TECHNICIAN)
    for _ in range(2):
        said = technician.press(f"/journal/access/{seq}/end", page="/", confirm="")
        assert "Waits for the second signature" in said
    assert [entry.kind for entry in journal.answers(site.db, seq)] == ["access.ended"]


def test_the_head_signs_at_the_technicians_desk_by_password_and_nobody_is_signed_out(site: Site, visit: Visit) -> None:
    seq, technician = over(site), visit(Role.TECHNICIAN)
    said = sign(technician, seq, password=PASSWORD)
    assert f"{HEAD}, head of site" in said
    assert "by password" in said
    assert "Орлов Пётр Сергеевич, technician" in technician.page("/more")


def test_the_head_signs_at_the_desk_by_card(site: Site, visit: Visit) -> None:
    seq = over(site)
    give_card(site)
    assert "by card" in sign(visit(Role.TECHNICIAN), seq, card=CARD)
    answer = access.act(site.db, seq).answer
    assert answer is not None
    assert (answer.how, answer.signer.login) == ("card", "ivanova")


def test_the_head_signs_at_the_desk_by_security_key(site: Site, visit: Visit) -> None:
    seq, key, technician = over(site), give_key(site), visit(Role.TECHNICIAN)
    page = f"/journal/access/{seq}"
    answer = key.get(question(technician, f"{page}/question", page))
    for _ in range(2):  # pressed again when the answer was slow: said as it was written, and written once
        said = sign(technician, seq, answer=answer)
        assert "by security key" in said
        assert f"Recorded, no. {journal.head(site.db)[0]}" in said
    assert len(journal.answers(site.db, seq)) == 2  # ended, confirmed


def test_a_key_asked_for_one_act_signs_no_other(site: Site, visit: Visit) -> None:
    seq, key, technician = over(site), give_key(site), visit(Role.TECHNICIAN)
    other = access.state(site.db, site.config, site.clock, site.people[Role.TECHNICIAN], "check", ["0001"],
                         site.clock.now(), site.clock.now(), key="s")  # fmt: skip
    page = f"/journal/access/{seq}"
    answer = key.get(question(technician, f"{page}/question", page))
    assert "The security key was not accepted." in sign(technician, other, answer=answer)


def test_without_a_registered_key_the_page_says_so(site: Site, visit: Visit) -> None:
    page = f"/journal/access/{over(site)}"
    assert "No security key" in str(question(visit(Role.TECHNICIAN), f"{page}/question", page)["refusal"])


NO_SIGNATURES = (
    ({}, "Sign with a password, a card or a security key."),
    ({"password": "wrong words"}, "did not match"),
    ({"card": "0000000000"}, "not known here"),
    ({"answer": "{}"}, "not accepted"),
    ({"password": PASSWORD, "login": "petrov"}, "does not answer for actions"),
    ({"password": PASSWORD, "login": "orlov"}, "does not answer for actions"),
    ({"password": PASSWORD, "verdict": "burnt"}, "Choose an answer"),
    ({"password": PASSWORD, "verdict": "declined"}, "Write why you decline"),
)


def test_what_is_no_signature_writes_nothing(site: Site, visit: Visit) -> None:
    seq, technician = over(site), visit(Role.TECHNICIAN)
    for fields, said in NO_SIGNATURES:
        assert said in sign(technician, seq, **fields), fields
    assert access.act(site.db, seq).state == "waits"


def test_wrong_passwords_at_the_desk_count_towards_the_same_pause_as_sign_in(
    site: Site, app: Flask, visit: Visit
) -> None:
    seq, technician = over(site), visit(Role.TECHNICIAN)
    for _ in range(site.config.profile.signin.tries):
        sign(technician, seq, password="wrong words")
    answer = Visitor(app).post("/signin", page="/signin", login="ivanova", password=PASSWORD)
    assert "Too many tries" in answer.text


def test_the_head_declines_in_their_own_session_with_a_word(site: Site, visit: Visit) -> None:
    seq = over(site)
    head = visit(Role.HEAD)
    assert "1 action waits for your signature" in head.page("/")
    said = sign(head, seq, "answer", password=PASSWORD, verdict="declined", word="Аудитория не та")
    assert "Declined" in said
    assert "Аудитория не та" in said
    assert "waits for your signature" not in head.page("/")


def test_the_head_asks_back_before_signing_and_the_technician_answers(site: Site, visit: Visit) -> None:
    seq, head, technician = over(site), visit(Role.HEAD), visit(Role.TECHNICIAN)
    page = f"/journal/access/{seq}"
    before = technician.page("/journal/waiting").count("Asked back")
    assert "Write a word" in sign(head, seq, "answer", verdict="asked", word="")
    said = sign(head, seq, "answer", verdict="asked", word="Which key did you use?")
    assert "Waits for the second signature" in said  # and no password was asked
    assert "Which key did you use?" in said
    assert technician.page("/journal/waiting").count("Asked back") > before
    assert "Write the explanation" in technician.page(page)
    technician.post(f"/journal/{seq}/explain", page=f"/journal/{seq}", word="The spare one")
    assert "The spare one" in head.page(page)
    assert "Write the explanation" not in technician.page(page)
    assert access.asked_back(site.db) == []
    assert "Confirmed" in sign(head, seq, "answer", password=PASSWORD)
    assert "already answered" in sign(head, seq, "answer", verdict="asked", word="And when?")


def test_a_password_given_a_moment_ago_is_good_for_the_next_signature_and_then_no_more(
    site: Site, visit: Visit
) -> None:
    head, first = visit(Role.HEAD), over(site)
    others = [access.state(site.db, site.config, site.clock, site.people[Role.TECHNICIAN], "check", [room],
                           site.clock.now(), site.clock.now(), key=room) for room in ("0001", "0002")]  # fmt: skip
    assert "Sign with a password" in sign(head, first, "answer")
    sign(head, first, "answer", password=PASSWORD)
    said = sign(head, others[0], "answer")
    assert "in their own session" in said
    site.clock.advance(site.config.profile.journal.signature_min * 60 + 1)
    assert "Sign with a password" in sign(head, others[1], "answer")


def test_somebody_elses_card_does_not_sign_in_my_session(site: Site, visit: Visit) -> None:
    seq = over(site)
    give_card(site, "petrov")
    said = sign(visit(Role.HEAD), seq, "answer", card=CARD)
    assert "That was the card or key of Петров Николай Иванович." in said
    assert access.act(site.db, seq).state == "waits"


def test_an_administrator_confirms_only_where_the_profile_says_so(site: Site, visit: Visit) -> None:
    seq = over(site)
    answer = visit(Role.ADMIN).post(f"/journal/access/{seq}/answer", page="/more", verdict="confirmed",
                                    login="admin", password=PASSWORD)  # fmt: skip
    assert answer.status_code == 409
    assert "does not answer for actions" in answer.text


def test_a_correction_is_prefilled_and_shows_with_what_it_corrects(site: Site, visit: Visit) -> None:
    seq, technician = over(site), visit(Role.TECHNICIAN)
    old, page = access.act(site.db, seq), f"/journal/access/{seq}/correct"
    fields = dict(re.findall(r'<input id="(\w+)" [^>]*value="([^"]*)"', technician.get(page).text))
    assert fields["begins"] == "11:41"
    said = technician.press(page, page=page, key="m", action="angle", **fields | {"from": "0002"})
    newer = access.act(site.db, journal.head(site.db)[0])
    assert (newer.started_at, newer.ended_at, newer.rooms) == (old.started_at, old.ended_at, ("0002",))
    assert f"Corrects no. {seq}" in said
    assert "Room 0001" in said
    both = technician.page(f"/journal/access/{seq}")
    assert f"Corrected by no. {newer.seq}" in both
    assert "Room 0002" in both
    assert "Correct by an entry" not in both


def test_an_action_that_is_over_is_told_with_its_times(site: Site, visit: Visit) -> None:
    fields = {"action": "start", "from": "7777", "day": "2026-11-22", "begins": "07:15", "ends": "07:17", "key": "s"}
    said = visit(Role.TECHNICIAN).press("/journal/state", page="/journal/state?action=start", **fields)
    assert "07:15:00" in said
    assert "07:17:00" in said
    answer = visit(Role.TECHNICIAN).post("/journal/state", page="/journal/state", **fields | {"ends": "7 часов"})
    assert answer.status_code == 409
    assert "Say the day and the hour" in answer.text


def test_an_exporter_sees_their_own_act_and_no_other(site: Site, visit: Visit) -> None:
    theirs, own = over(site), begun(site, "download", Role.EXPORTER)
    exporter = visit(Role.EXPORTER)
    assert "Video download" in exporter.page(f"/journal/access/{own}")
    assert exporter.get(f"/journal/access/{theirs}").status_code == 403
    assert exporter.client.post(f"/journal/access/{theirs}/end").status_code in (400, 403)


def test_the_journals_entries_lead_to_the_act(site: Site, visit: Visit) -> None:
    seq, head = over(site), visit(Role.HEAD)
    assert "ended: Camera angle adjustment, 0001" in head.page("/journal?subject=access")
    for entry in (seq, seq + 1):
        assert f'href="/journal/access/{seq}"' in head.get(f"/journal/{entry}").text


def test_an_entry_that_is_no_action_is_said_so(visit: Visit) -> None:
    answer = visit(Role.HEAD).get("/journal/access/1")
    assert answer.status_code == 404
    assert "Entry no. 1 is no action" in answer.text


def test_somebody_signs_in_with_a_card(site: Site, app: Flask) -> None:
    give_card(site)
    visitor = Visitor(app)
    answer = visitor.post("/signin/card", page="/signin", card=CARD, next="/cameras")
    assert (answer.status_code, answer.location) == (302, "/cameras")
    assert HEAD in visitor.page("/more")
    refused = Visitor(app).post("/signin/card", page="/signin", card="0000000000")
    assert refused.status_code == 401
    assert "This card is not known here" in refused.text


def test_the_administrator_gives_and_revokes_cards_and_keys(site: Site, visit: Visit) -> None:
    admin, page = visit(Role.ADMIN), "/people/ivanova/cards"
    assert f'href="{page}"' in admin.get("/people").text
    fields = {"label": "Белая, № 17", "password": PASSWORD}
    assert "Белая, № 17 is now Иванова Анна Викторовна's." in admin.press(page, page=page, card=CARD, **fields)
    key = SoftKey("http://localhost")
    answer = key.create(question(admin, f"{page}/question", page))
    assert "Security key for localhost" in admin.press(page, page=page, answer=answer, **fields | {"label": "Синий"})
    wrong = admin.post(page, page=page, card="9999999999", label="Вторая", password="wrong words")
    assert wrong.status_code == 409
    assert 'value="Вторая"' in wrong.text
    [card], [blue] = badges.of(site.db, "ivanova"), passkeys.of(site.db, "ivanova")
    for held in (f"card/{card.id}", f"key/{blue.id}"):
        assert "It opens nothing" in admin.press(f"{page}/{held}/revoke", page=page)
    assert "Revoked on 22 Nov 2026" in admin.page(page)
    assert "no such card" in text_of(admin.post(f"{page}/card/99/revoke", page=page))
