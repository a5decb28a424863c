"""The access journal: only added to, chained, and every change of it found and named."""

from __future__ import annotations

import hashlib
import json
import re
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance import journal, store
from appliance.clock import FakeClock
from appliance.kinds import KINDS, sentence
from appliance.model import Actor, ApplianceError, Person, Role
from appliance.store import Database
from appliance.words import Words

HEAD = Person("ivanova", "Иванова А. В.", Role.HEAD, "ru")
TECHNICIAN = Person("orlov", "Орлов П. С.", Role.TECHNICIAN, "ru")
Rows = list[tuple[int, str, str]]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(datetime(2026, 11, 22, 2, 50, tzinfo=UTC))


@pytest.fixture
def db(tmp_path: Path) -> Database:
    return store.open(tmp_path / "examsite.db", create=True)


def fill(db: Database, clock: FakeClock, count: int = 8) -> Rows:
    for number in range(count):
        with store.transaction(db):
            journal.append(db, clock, "door.opened", Actor.service("watch"), room="7777", zone="Дверь стойки",
                           number=number, waits="explanation")  # fmt: skip
        clock.advance(1)
    return list(journal.stored_rows(db))


def test_an_entry_reads_back_as_it_was_written(db: Database, clock: FakeClock) -> None:
    with store.transaction(db):
        seq = journal.append(db, clock, "recording.started", Actor.person(TECHNICIAN), exam="math", room="0001",
                             camera="cam-1", refs=[], note="ёж")  # fmt: skip
    entry = journal.get(db, seq)
    assert (entry.kind, entry.actor.name, entry.room, entry.camera, entry.exam) == (
        "recording.started", "Орлов П. С.", "0001", "cam-1", "math")  # fmt: skip
    assert entry.at == "2026-11-22T02:50:00.000000Z"
    assert entry.row.encode() == rfc8785.dumps(json.loads(entry.row))


def test_a_row_is_exactly_what_its_format_says(db: Database, clock: FakeClock) -> None:
    with store.transaction(db):
        journal.append(db, clock, "door.opened", Actor.person(TECHNICIAN), exam="math", room="0001", camera="cam-1",
                       refs=[], waits="explanation")  # fmt: skip
    row = json.loads(journal.get(db, 1).row)
    box = row.pop("box")
    assert re.fullmatch("[0-9a-f]{16}", box)
    actor = row.pop("actor")
    assert {key: actor[key] for key in ("kind", "role")} == {"kind": "person", "role": "technician"}
    assert [set(actor[key]) for key in ("id", "name")] == [{"commit"}, {"commit"}]
    assert row == {
        "v": 2, "seq": 1, "prev": "0" * 64, "epoch": 1, "at": "2026-11-22T02:50:00.000000Z", "tz": "+00:00",
        "clock": {"state": "unknown", "offset_ms": None, "age_s": None}, "boot": "fake-boot",
        "mono_us": 1_000_000_000, "kind": "door.opened", "exam": "math", "room": "0001", "camera": "cam-1", "refs": [],
        "data": {"waits": "explanation"},
    }  # fmt: skip


def test_nothing_can_be_edited_deleted_replaced_or_slipped_in(db: Database, clock: FakeClock) -> None:
    rows = fill(db, clock)
    row = "'" + "0" * 64 + "', '{}'"
    doubled = rows[-1][2].replace("'", "''")
    next_one = doubled.replace('"seq":8', '"seq":9')
    for attack in (f"insert into journal (seq, hash, row) values (9, '{rows[-1][1]}', '{doubled}')",
                   f"insert into journal (seq, hash, row) values (9, '{rows[-1][1]}', '{next_one}')",
                   f"insert into journal (seq, hash, row) values (9, {row})",
                   f"replace into journal (seq, hash, row) values (8, '{rows[-1][1]}', '{doubled}')",
                   "update journal set row = '{}' where seq = 3", "delete from journal where seq = 8",
                   f"insert or replace into journal (seq, hash, row) values (3, {row})",
                   f"insert into journal (seq, hash, row) values (99, {row})"):  # fmt: skip
        with pytest.raises(sqlite3.IntegrityError):
            db.conn.execute(attack)
    assert journal.verify(journal.stored_rows(db)).entries == 8


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_any_single_changed_bit_is_found_and_its_entry_named(data: st.DataObject) -> None:
    rows = chain(6)
    at = data.draw(st.integers(0, 5))
    seq, stated, text = rows[at]
    if data.draw(st.booleans()):
        raw = bytearray(text.encode())
        raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
        changed = (seq, stated, raw.decode("utf-8", "surrogateescape"))
    else:
        place = data.draw(st.integers(0, 63))
        changed = (seq, stated[:place] + ("0" if stated[place] != "0" else "1") + stated[place + 1 :], text)
    verdict = verify_text([*rows[:at], changed, *rows[at + 1 :]])
    assert verdict.bad_seq == seq


def verify_text(rows: Rows) -> journal.Verdict:
    """What SQLite would hand out: text that is no UTF-8 cannot be stored, so it is shown as a replacement character."""
    shown = [(seq, stated, text.encode("utf-8", "surrogateescape").decode("utf-8", "replace"))
             for seq, stated, text in rows]  # fmt: skip
    return journal.verify(shown)


def chain(count: int) -> Rows:
    """A journal of its own, made by the rule of docs/journal.md and not by the code under test."""
    rows: Rows = []
    prev = "0" * 64
    for seq in range(1, count + 1):
        text = json.dumps({"data": {"n": seq}, "prev": prev, "seq": seq, "v": 2}, separators=(",", ":"))
        prev = hashlib.sha256(text.encode()).hexdigest()
        rows.append((seq, prev, text))
    return rows


@pytest.mark.parametrize(
    ("name", "attack", "bad"),
    [
        ("deleted inside", lambda rows: rows[:3] + rows[4:], 4),
        ("first one deleted", lambda rows: rows[1:], 1),
        ("swapped", lambda rows: [*rows[:3], rows[4], rows[3], *rows[5:]], 4),
        ("doubled", lambda rows: [*rows[:4], rows[3], *rows[4:]], 5),
        ("rewritten from the middle", lambda rows: rows[:3] + chain(8)[3:], 4),
    ],
)
def test_moved_rows_are_found(db: Database, clock: FakeClock, name: str, attack: object, bad: int) -> None:
    assert callable(attack)
    verdict = journal.verify(attack(fill(db, clock)))
    assert (verdict.ok, verdict.bad_seq) == (False, bad), name


def test_a_row_that_is_not_canonical_is_refused_even_with_a_right_hash() -> None:
    rows = chain(2)
    text = json.dumps({"v": 2, "seq": 3, "prev": rows[-1][1], "data": {}})  # spaces, and keys in another order
    verdict = journal.verify([*rows, (3, hashlib.sha256(text.encode()).hexdigest(), text)])
    assert verdict.bad_seq == 3
    assert verdict.fault is not None
    assert "canonical" in verdict.fault


def test_a_float_never_reaches_the_journal(db: Database, clock: FakeClock) -> None:
    with pytest.raises(TypeError, match="float"), store.transaction(db):
        journal.append(db, clock, "recording.gap", Actor.service("recorder"), seconds=1.5)
    assert journal.head(db)[0] == 0


def test_the_head_reviews_by_adding_an_entry(db: Database, clock: FakeClock) -> None:
    fill(db, clock, 2)
    journal.explain(db, clock, 1, TECHNICIAN, "Переткнул кабель")
    journal.review(db, clock, 1, HEAD, "asked", "Какой кабель?")
    assert [e.seq for e in journal.waiting(db)] == [1, 2]  # asked back is not closed
    journal.review(db, clock, 1, HEAD, "accepted")
    assert [e.seq for e in journal.waiting(db)] == [2]
    assert [e.kind for e in journal.answers(db, 1)] == ["journal.explained", "journal.reviewed", "journal.reviewed"]


def test_the_second_of_two_reviews_changes_nothing(db: Database, clock: FakeClock) -> None:
    fill(db, clock, 1)
    journal.review(db, clock, 1, HEAD, "accepted")
    with pytest.raises(ApplianceError, match="already"):
        journal.review(db, clock, 1, HEAD, "refused", "нет")
    assert journal.head(db)[0] == 2


def test_asking_and_refusing_need_a_word(db: Database, clock: FakeClock) -> None:
    fill(db, clock, 1)
    for verdict in ("asked", "refused"):
        with pytest.raises(ApplianceError, match="word"):
            journal.review(db, clock, 1, HEAD, verdict, "  ")


def test_every_kind_says_a_sentence_in_both_languages(db: Database, clock: FakeClock) -> None:
    for kind in [*KINDS, "something.newer"]:
        with store.transaction(db):
            seq = journal.append(db, clock, kind, Actor.service("test"), refs=[1])
        for language in ("ru", "en"):
            said = Words(language, UTC).say(sentence(journal.get(db, seq)))  # type: ignore[arg-type]
            assert said
            assert "{" not in said
