"""Personal values: only committed to in the row, read back in their places, erased by law with the proof left whole."""

from __future__ import annotations

import json
import sqlite3
import unicodedata
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance import journal, merkle, personal, store
from appliance.clock import FakeClock
from appliance.kinds import sentence
from appliance.model import Actor, ApplianceError, Gone, Person, Personal, Role
from appliance.store import Database
from appliance.words import Words

HEAD = Person("ivanova", "Иванова А. В.", Role.HEAD, "ru")
TECHNICIAN = Person("orlov", "Орлов П. С.", Role.TECHNICIAN, "ru")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(datetime(2026, 11, 22, 2, 50, tzinfo=UTC))


@pytest.fixture
def db(tmp_path: Path) -> Database:
    return store.open(tmp_path / "examsite.db", create=True)


def add(db: Database, clock: FakeClock, who: Person = TECHNICIAN, **data: Any) -> int:
    with store.transaction(db):
        return journal.append(db, clock, "camera.silent", Actor.person(who), **data)


def test_no_name_stands_in_a_row_and_every_reader_sees_it(db: Database, clock: FakeClock) -> None:
    seq = add(db, clock, second={"login": Personal("petrov"), "name": Personal("Петров В. Г.")}, all=[Personal("Ким")])
    entry = journal.get(db, seq)
    for name in ("orlov", "Орлов", "petrov", "Петров", "Ким"):
        assert name not in entry.row
    assert (entry.actor.id, entry.actor.name, entry.actor.role) == ("orlov", "Орлов П. С.", "technician")
    assert entry.data == {"second": {"login": "petrov", "name": "Петров В. Г."}, "all": ["Ким"]}


def test_a_name_is_committed_to_in_one_spelling(db: Database, clock: FakeClock) -> None:
    add(db, clock, by=Personal(unicodedata.normalize("NFD", "Йён")))
    assert journal.get(db, 1).data == {"by": "Йён"}
    assert db.value("select value from journal_personal where path = '/data/by'") == "Йён"


def test_a_service_is_no_person(db: Database, clock: FakeClock) -> None:
    with store.transaction(db):
        journal.append(db, clock, "service.started", Actor.service("watch"), service="watch")
    assert not db.rows("select * from journal_personal")


def test_the_same_name_twice_makes_two_commitments(db: Database, clock: FakeClock) -> None:
    stated = {json.loads(journal.get(db, add(db, clock)).row)["actor"]["name"]["commit"] for _ in range(5)}
    assert len(stated) == 5


def test_entries_are_found_by_who_made_them(db: Database, clock: FakeClock) -> None:
    own = [add(db, clock), add(db, clock)]
    add(db, clock, HEAD, about=Personal("orlov"))
    assert [entry.seq for entry in journal.entries(db, who="orlov")] == own


TEXTS = st.text(max_size=40)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | TEXTS | TEXTS.map(Personal),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3), max_leaves=8,
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(data=st.dictionaries(st.text(max_size=8), VALUES, max_size=4))
def test_whatever_is_hidden_opens_to_what_it_was(data: dict[str, object]) -> None:
    try:
        row, openings = personal.hide({"data": data}, 7)
    except ValueError as refused:
        assert "commitment" in str(refused)
        return
    known = {each.path: each for each in openings}
    assert {path for path, _ in personal.commitments(row)} == known.keys()
    assert personal.opened(row, known, _never) == {"data": _nfc(data)}
    wrong, erased = personal.check({7: row}, [json.dumps(each.as_json()).encode() for each in openings])
    assert (wrong, erased) == ({}, 0)


def _never(path: str) -> Gone:
    raise AssertionError(path)


def _nfc(value: object) -> object:
    if isinstance(value, str):
        return unicodedata.normalize("NFC", value)
    if isinstance(value, dict):
        return {key: _nfc(item) for key, item in value.items()}
    return [_nfc(item) for item in value] if isinstance(value, list) else value


def test_a_field_that_looks_like_a_commitment_is_refused(db: Database, clock: FakeClock) -> None:
    with pytest.raises(ValueError, match="commitment"):
        add(db, clock, thing={"commit": "0" * 64})
    assert journal.head(db)[0] == 0


def test_the_law_takes_a_name_and_leaves_the_proof(db: Database, clock: FakeClock, tmp_path: Path) -> None:
    for _ in range(3):
        add(db, clock)
        add(db, clock, HEAD, by=Personal(TECHNICIAN.name), zone="Дверь стойки")
    before = journal.head(db)
    root = merkle.root(db, 6)
    assert journal.erase(db, clock, HEAD, "Обращение № 4", person="orlov") == 9
    assert journal.verify(list(journal.stored_rows(db))[:6]).head == before[1]
    assert merkle.root(db, 6) == root
    assert journal.verify(journal.stored_rows(db)).ok
    gone = journal.get(db, 1).actor.name
    assert isinstance(gone, Gone)
    assert (gone, gone.lawful) == ("", True)
    assert journal.get(db, 2).actor.name == "Иванова А. В."
    assert not journal.entries(db, who="orlov")
    told = journal.get(db, 7)
    assert (told.kind, told.refs, told.data["values"]) == ("personal.erased", (1, 2, 3, 4, 5, 6), 9)
    assert told.data["erased"][1] == {"seq": 2, "paths": ["/data/by"]}
    for file in tmp_path.glob("examsite.db*"):  # also the log that is written ahead, while we have it open
        assert "Орлов".encode() not in file.read_bytes(), file.name


def test_an_erased_name_is_said_to_be_erased(db: Database, clock: FakeClock) -> None:
    with store.transaction(db):
        journal.append(db, clock, "duty.handed", Actor.person(TECHNICIAN), taking=Personal("Ким"), standing=0, open=0)
    journal.erase(db, clock, HEAD, "Обращение № 4", seqs=[1])
    said = {language: Words(language, UTC).say(sentence(journal.get(db, 1))) for language in ("ru", "en")}
    assert said["en"].startswith("erased handed duty over to erased")
    assert said["ru"].count("стёрто") == 2


def test_a_value_that_nobody_erased_by_the_rules_is_said_to_be_missing(db: Database, clock: FakeClock) -> None:
    add(db, clock)
    with store.transaction(db):
        db.write("delete from journal_personal where path = '/actor/name'")
        db.write("update journal_personal set value = 'petrov'")  # a name put in another's place
    who = journal.get(db, 1).actor
    for value in (who.id, who.name):
        assert isinstance(value, Gone)
        assert not value.lawful
        assert value.said.text.startswith("missing")
    assert [line["path"] for line in journal.openings(db, journal.stored_rows(db))] == ["/actor/id"]


def test_erasing_needs_a_ground_and_something_to_erase(db: Database, clock: FakeClock) -> None:
    add(db, clock)
    with pytest.raises(ApplianceError, match="ground"):
        journal.erase(db, clock, HEAD, "  ", person="orlov")
    with pytest.raises(ApplianceError, match="no personal data"):
        journal.erase(db, clock, HEAD, "Обращение № 4", person="nobody")
    assert journal.head(db)[0] == 1


def test_a_great_erasure_is_told_in_several_entries(
    db: Database, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "ERASED_AT_ONCE", 4)
    for _ in range(5):
        add(db, clock)
    assert journal.erase(db, clock, HEAD, "Закон", person="orlov") == 10
    told = journal.entries(db, kinds=["personal.erased"])
    assert [entry.data["values"] for entry in told] == [4, 4, 2]
    assert all(isinstance(journal.get(db, seq).actor.id, Gone) for seq in range(1, 6))


def test_an_opening_belongs_to_an_entry(db: Database) -> None:
    with pytest.raises(sqlite3.IntegrityError), store.transaction(db):
        personal.keep(db, [personal.Opening(9, "/actor/id", bytes(32), "orlov")])
