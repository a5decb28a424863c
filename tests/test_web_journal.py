"""The journal's pages: reading, explaining, the head's review, and that nothing is written twice."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from appliance import accounts, journal
from appliance.model import Role
from tests.fakes.seeded_site import RACK, Site
from tests.fakes.visitor import Visitor, text_of
from web.journal import PAGE

pytest_plugins = ["tests.web_fixtures"]
Visit = Callable[[Role], Visitor]


def explained(site: Site) -> int:
    """The rack door that the technician has explained already."""
    return journal.waiting(site.db)[0].seq


def unexplained(site: Site) -> int:
    return journal.waiting(site.db)[-1].seq


def test_the_newest_entry_stands_first_with_who_and_when(site: Site, visit: Visit) -> None:
    said = visit(Role.TECHNICIAN).page("/journal")
    assert said.index("Орлов Пётр Сергеевич signed in") < said.index("Exam planned")
    assert "entries in the journal" in said


def test_older_entries_are_paged_by_number(site: Site, visit: Visit) -> None:
    for _ in range(PAGE):
        site.say(RACK)
        site.clock.advance(20)
    head = visit(Role.HEAD)
    first = head.page("/journal")
    oldest = journal.head(site.db)[0] - PAGE + 1
    assert f"No. {oldest} " in first
    assert "No. 1 " not in first
    second = head.page(f"/journal?before={oldest}")
    assert f"No. {oldest} " not in second
    assert f"No. {oldest - 1} " in second


def test_a_subject_shows_its_entries_only(visit: Visit) -> None:
    said = visit(Role.HEAD).page("/journal?subject=door")
    assert "opened" in said
    assert "Exam planned" not in said


def test_an_open_page_says_that_there_is_news_and_does_not_push_its_rows(site: Site, visit: Visit) -> None:
    head = visit(Role.HEAD)
    seen = journal.head(site.db)[0]
    site.say(RACK)
    fragment = head.get(f"/journal?seen={seen}&fragment=1").text
    assert "1 new entry, show" in fragment
    assert f'id="entry-{seen + 1}"' not in fragment
    assert f'id="entry-{seen}"' in fragment


def test_the_technician_explains_and_the_head_is_asked(site: Site, visit: Visit) -> None:
    seq = unexplained(site)
    technician = visit(Role.TECHNICIAN)
    said = technician.press(f"/journal/{seq}/explain", page=f"/journal/{seq}", word="Changed the cable of port 6")
    assert f"Recorded, no. {journal.head(site.db)[0]}" in said
    assert "Changed the cable of port 6" in said
    assert "Waits for the head of site." in said
    assert "2 entries wait for you" in visit(Role.HEAD).page("/journal/waiting")


def test_an_explanation_needs_a_word(site: Site, visit: Visit) -> None:
    seq = unexplained(site)
    answer = visit(Role.TECHNICIAN).post(f"/journal/{seq}/explain", page=f"/journal/{seq}", word="  ")
    assert answer.status_code == 409
    assert "Write a word" in answer.text
    assert not journal.answers(site.db, seq)


def test_an_explanation_pressed_twice_is_one_entry(site: Site, visit: Visit) -> None:
    technician, seq = visit(Role.TECHNICIAN), unexplained(site)
    for _ in range(2):
        technician.post(f"/journal/{seq}/explain", page=f"/journal/{seq}", word="Changed the cable")
    assert len(journal.answers(site.db, seq)) == 1


def test_what_nobody_explained_comes_first_to_the_head(site: Site, visit: Visit) -> None:
    said = visit(Role.HEAD).page("/journal/waiting")
    assert said.index("Unexplained") < said.index("Explained, waits for the head")


@pytest.mark.parametrize(
    ("verdict", "word", "shown"),
    [("accepted", "", "Confirmed"), ("asked", "Which cable?", "Asked back"), ("refused", "Nobody there", "Refused")],
)
def test_the_head_answers(site: Site, visit: Visit, verdict: str, word: str, shown: str) -> None:
    seq, head = explained(site), visit(Role.HEAD)
    head.post(f"/journal/{seq}/review", page=f"/journal/{seq}", verdict=verdict, word=word)
    said = head.page(f"/journal/{seq}")
    assert shown in said
    assert word in said
    assert journal.answers(site.db, seq)[-1].data["verdict"] == verdict


@pytest.mark.parametrize("verdict", ["asked", "refused"])
def test_asking_and_refusing_need_a_word(site: Site, visit: Visit, verdict: str) -> None:
    seq = explained(site)
    answer = visit(Role.HEAD).post(f"/journal/{seq}/review", page=f"/journal/{seq}", verdict=verdict, word="")
    assert answer.status_code == 409
    assert "Write a word" in answer.text


def test_what_nobody_explained_is_accepted_only_with_the_heads_own_word(site: Site, visit: Visit) -> None:
    seq, head = unexplained(site), visit(Role.HEAD)
    page = f"/journal/{seq}"
    assert "needed: nobody explained it" in head.page(page)
    answer = head.post(f"{page}/review", page=page, verdict="accepted", word=" ")
    assert (answer.status_code, journal.answers(site.db, seq)) == (409, [])
    assert "Nobody explained this yet" in text_of(answer)
    assert head.post(f"{page}/review", page=page, verdict="accepted", word="I was there").status_code == 302


def test_a_verdict_that_does_not_exist_is_refused(site: Site, visit: Visit) -> None:
    seq = explained(site)
    answer = visit(Role.HEAD).post(f"/journal/{seq}/review", page=f"/journal/{seq}", verdict="burnt", word="x")
    assert "Choose an answer" in text_of(answer)
    assert journal.answers(site.db, seq)[-1].kind == "journal.explained"


def test_an_acceptance_pressed_twice_is_one_entry(site: Site, visit: Visit) -> None:
    seq, head, other = explained(site), visit(Role.HEAD), unexplained(site)
    page = f"/journal/{other}"  # a form stays open there, as on the page that was pressed
    for _ in range(2):
        assert head.post(f"/journal/{seq}/review", page=page, verdict="accepted", word="").status_code == 302
    assert [a.kind for a in journal.answers(site.db, seq)].count("journal.reviewed") == 1


def test_the_second_reviewer_is_told_who_was_first(site: Site, visit: Visit) -> None:
    seq, head = explained(site), visit(Role.HEAD)
    page = f"/journal/{unexplained(site)}"
    head.post(f"/journal/{seq}/review", page=page, verdict="accepted", word="")
    answer = head.post(f"/journal/{seq}/review", page=page, verdict="refused", word="no")
    assert f"Иванова Анна Викторовна already reviewed entry {seq}" in text_of(answer)


def test_an_entry_that_does_not_exist_is_said_so(visit: Visit) -> None:
    answer = visit(Role.HEAD).get("/journal/999")
    assert answer.status_code == 404
    assert "The journal has no entry 999." in answer.text


def test_roles_and_verdicts_are_said_by_their_titles(site: Site, visit: Visit) -> None:
    said = visit(Role.HEAD).page("/journal")
    assert "Account added: orlov, Technician" in said


@pytest.mark.parametrize(("language", "word"), [("en", "erased"), ("ru", "стёрто")])
def test_a_name_that_the_law_took_is_said_to_be_erased_on_every_page(
    site: Site, visit: Visit, language: str, word: str
) -> None:
    seq = unexplained(site)
    journal.explain(site.db, site.clock, seq, site.people[Role.TECHNICIAN], "Переткнул кабель порта 6")
    journal.erase(site.db, site.clock, site.people[Role.HEAD], "Обращение № 4", seqs=[journal.head(site.db)[0]])
    accounts.set_language(site.db, site.people[Role.HEAD].login, language)  # type: ignore[arg-type]
    head = visit(Role.HEAD)
    for page in ("/journal", f"/journal/{seq}"):
        said = head.page(page)
        assert word in said
        assert "Gone" not in said
