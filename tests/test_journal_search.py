"""Finding entries: the same answer indexed or not, any filter with any other, and nothing of what the law took."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from appliance import access, journal, journal_reading, journal_search, store
from appliance.journal_search import Wanted
from appliance.model import Actor, Personal, Role
from appliance.store import Database
from tests.fakes.seeded_site import RACK, Site

pytest_plugins = ["tests.web_fixtures"]
KEEPER = Actor.service("keeper")
QUESTIONS = (
    Wanted(text="стойку"), Wanted(text="открыли стойки"), Wanted(text="rack opened"), Wanted(text="Орлову"),
    Wanted(text="перетк"), Wanted(text="22.11 стойка"), Wanted(room="7777"), Wanted(person="orlov"),
    Wanted(own="orlov"), Wanted(subject="door", day="2026-11-22"), Wanted(exam="russian", text="экзам"),
    Wanted(action="angle"), Wanted(action="angle", person="ivanova"), Wanted(text="ракурсы 0002"), Wanted(text="—"),
    Wanted(text="штаба", subject="alarm"), Wanted(day="2026-11-23"), Wanted(text="AND"), Wanted(text='"'),
    Wanted(text="—", room="7777"),
)  # fmt: skip


@pytest.fixture
def day(site: Site) -> Site:
    """An angle was set right in rooms 0001 to 7777 and confirmed; signs of life in between."""
    orlov, ivanova = site.people[Role.TECHNICIAN], site.people[Role.HEAD]
    seq = access.begin(site.db, site.config, site.clock, orlov, "angle", ["0001", "7777"], key="a")
    site.clock.advance(300)
    for _ in range(3):
        with store.transaction(site.db):
            journal.append(site.db, site.clock, journal.ALIVE, KEEPER)
    access.end(site.db, site.config, site.clock, seq, orlov, key="a")
    access.confirm(site.db, site.config, site.clock, seq, ivanova, "password", key="a")
    return site


def found(site: Site, wanted: Wanted) -> list[int]:
    return [entry.seq for entry in journal_search.find(site.db, site.config, wanted).entries]


def index(site: Site) -> int:
    return journal_search.catch_up(site.db, site.config, site.clock)


def kinds_of(site: Site, wanted: Wanted) -> list[str]:
    return [journal.get(site.db, seq).kind for seq in found(site, wanted)]


def test_the_index_finds_what_looking_through_every_entry_finds(day: Site) -> None:
    looked = [found(day, wanted) for wanted in QUESTIONS]
    assert index(day) == journal.head(day.db)[0] - 3  # signs of life are left out
    assert [found(day, wanted) for wanted in QUESTIONS] == looked
    assert sum(map(bool, looked)) == 15
    day.say(RACK)
    assert found(day, Wanted(text="стойка"))[0] == journal.head(day.db)[0]  # not indexed yet, and found


def test_an_act_is_found_by_each_of_its_columns(day: Site) -> None:
    index(day)
    whole = ["access.confirmed", "access.ended", "access.begun"]
    assert kinds_of(day, Wanted(action="angle")) == whole
    assert kinds_of(day, Wanted(room="0002", action="angle")) == whole  # a room within the range
    for wanted in (Wanted(room="0002", subject="access"), Wanted(text="ракурса аудитории"), Wanted(text="camera angle"),
                   Wanted(room="0002", action="angle", day="2026-11-22")):  # fmt: skip
        assert set(kinds_of(day, wanted)) <= set(whole)
        assert found(day, wanted), wanted
    assert kinds_of(day, Wanted(person="ivanova", subject="access")) == ["access.confirmed"]
    assert kinds_of(day, Wanted(text="Ивановой", subject="access")) == ["access.confirmed"]


def test_pages_follow_each_other_without_a_hole_or_a_repetition(day: Site) -> None:
    for _ in range(9):
        day.say(RACK)
        day.clock.advance(20)
    whole = found(day, Wanted(text="стойка"))
    for taken in (0, 7, 100):
        if taken:
            journal_search.catch_up(day.db, day.config, day.clock)
        pages: list[int] = []
        while True:
            page = journal_search.find(day.db, day.config, Wanted(text="стойка"), before=pages[-1] if pages else None,
                                       limit=4)  # fmt: skip
            pages += [entry.seq for entry in page.entries]
            if not page.more:
                break
        assert pages == whole
        assert not journal_search.find(day.db, day.config, Wanted(text="стойка"), limit=len(whole)).more


def test_a_page_says_what_the_search_has_not_looked_at(day: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    index(day)
    monkeypatch.setattr(journal_search, "TAIL", 4)
    known = journal.head(day.db)[0]
    for _ in range(6):
        day.say(RACK)
        day.clock.advance(20)
    page = journal_search.find(day.db, day.config, Wanted(text="стойка"))
    assert (page.known, page.unknown) == (known, journal.head(day.db)[0] - known - 4)
    assert page.unknown > 0


def test_a_long_silence_full_of_signs_of_life_is_passed_over(site: Site) -> None:
    with store.transaction(site.db):
        for _ in range(journal_search.AT_ONCE * 2):
            journal.append(site.db, site.clock, journal.ALIVE, KEEPER)
    index(site)
    assert journal_search.indexed_to(site.db) == journal.head(site.db)[0]
    assert index(site) == 0


def test_an_interrupted_catching_up_goes_on_where_it_was(day: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_search, "AT_ONCE", 5)
    enter: Callable[..., None] = journal_search._enter
    left = 8

    def dies(db: Database, seq: int, terms: frozenset[str]) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise KeyboardInterrupt
        enter(db, seq, terms)

    monkeypatch.setattr(journal_search, "_enter", dies)
    with pytest.raises(KeyboardInterrupt):
        index(day)
    assert journal_search.indexed_to(day.db) == 5
    index(day)
    rows = [row["rowid"] for row in day.db.rows("select rowid from journal_text order by rowid")]
    assert rows == [e.seq for e in journal.entries(day.db, limit=1000)]


@pytest.mark.parametrize("indexed", [True, False])
def test_nobody_finds_an_erased_name_not_even_before_the_keeper_comes(day: Site, indexed: bool) -> None:
    if indexed:
        index(day)
    asked = (Wanted(text="переткнул"), Wanted(text="Орлов кабель"))
    assert all(found(day, wanted) for wanted in asked)
    journal.erase(day.db, day.clock, day.people[Role.HEAD], "Обращение № 4", person="orlov")
    journal.erase(day.db, day.clock, day.people[Role.HEAD], "Обращение № 4",
                  seqs=[e.seq for e in journal.entries(day.db, kinds=["journal.explained"])])  # fmt: skip
    assert not any(found(day, wanted) for wanted in asked)
    assert found(day, Wanted(person="orlov")) == []
    index(day)
    assert not any(found(day, wanted) for wanted in asked)
    assert kinds_of(day, Wanted(action="angle"))[-1] == "access.begun"  # what is left of the entry is found


def test_an_erased_word_leaves_the_file(day: Site, tmp_path: Path) -> None:
    with store.transaction(day.db):
        for number in range(400):
            who = Actor("person", f"p{number}", f"Ъэюя{number} Щщжфъ", "technician")
            word = Personal("ёъцйщ" if number == 9 else "слово")
            journal.append(day.db, day.clock, "journal.explained", who, refs=[8], word=word)
    index(day)
    index(day)
    stem = "еъцйщ".encode()
    assert stem in file_of(day)
    [secret] = found(day, Wanted(text="ёъцйщ"))
    journal.erase(day.db, day.clock, day.people[Role.HEAD], "Обращение № 4", seqs=[secret])
    for _ in range(50):
        index(day)
    assert day.db.value("select pressing from journal_text_to") == 0
    assert stem not in file_of(day)
    assert found(day, Wanted(text="слово"))


def file_of(site: Site) -> bytes:
    store.checkpoint(site.db)
    return site.config.database.read_bytes()


def test_a_reader_s_mark_moves_by_their_press_alone_and_never_back(day: Site) -> None:
    head, (newest, _) = day.people[Role.HEAD], journal.head(day.db)
    assert journal_reading.seen_to(day.db, head) == (0, None)
    journal_reading.mark(day.db, day.clock, head, newest - 4)
    assert [e.kind for e in journal_reading.since(day.db, head, 10)] == ["access.ended"]  # not her own, no sign of life
    assert journal_reading.unread(day.db, head) == 1
    journal_reading.mark(day.db, day.clock, head, 3)
    assert journal_reading.seen_to(day.db, head)[0] == newest - 4
    journal_reading.mark(day.db, day.clock, head, newest + 1000)
    assert journal_reading.seen_to(day.db, head)[0] == newest
    assert journal_reading.unread(day.db, head) == 0
    assert journal_reading.unread(day.db, day.people[Role.TECHNICIAN]) > 5


def test_a_word_erased_while_it_is_indexed_is_not_found_either(day: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    read = journal_search._terms
    [secret] = found(day, Wanted(text="переткнул"))
    erased = 0

    def read_and_erased(*args: Any) -> dict[int, frozenset[str]]:
        nonlocal erased
        terms = read(*args)
        if not erased and not day.db.conn.in_transaction:
            erased = journal.erase(day.db, day.clock, day.people[Role.HEAD], "Обращение № 4", seqs=[secret])
        return terms

    monkeypatch.setattr(journal_search, "_terms", read_and_erased)
    index(day)
    assert erased
    for _ in range(2):
        assert found(day, Wanted(text="переткнул")) == []
        assert secret in found(day, Wanted(subject="journal"))
        index(day)


def test_two_keepers_at_once_enter_nothing_twice(day: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    read, nested = journal_search._terms, False

    def read_and_overtaken(*args: Any) -> dict[int, frozenset[str]]:
        nonlocal nested
        terms = read(*args)
        if not nested:
            nested = True
            index(day)
        return terms

    monkeypatch.setattr(journal_search, "_terms", read_and_overtaken)
    assert index(day) == 0
    assert day.db.value("select count(*) from journal_text") == len(journal.entries(day.db, limit=1000))


@pytest.mark.parametrize(("tz", "local"), [("+05:00", "11:41"), ("-03:30", "03:11"), ("+00:00", "06:41")])
def test_an_entry_is_found_by_the_hour_its_wall_showed(site: Site, tz: str, local: str) -> None:
    site.say(RACK)
    site.clock.advance(60)
    last = journal.entries(site.db, newest_first=True, limit=1)[0]
    then = dataclasses.replace(last, at="2026-11-22T06:41:07.000000Z", row=last.row.replace('"+05:00"', f'"{tz}"'))
    assert f"{journal_search._local(then):%H:%M}" == local
