"""Two people answer for each act at the equipment; nothing is edited, nothing twice, the journal tells it all."""

from __future__ import annotations

import random
import shutil
import threading
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from appliance import access, acts, exams, journal, kinds, store, verify
from appliance.clock import FakeClock, iso
from appliance.commands.site import initialise
from appliance.config import Config
from appliance.model import Actor, ApplianceError, Gone, Person, Role
from appliance.store import Database
from appliance.words import Words
from tests.fakes import seeded_site

ORLOV = Person("orlov", "Орлов Пётр Сергеевич", Role.TECHNICIAN, "ru")
SIDOROV = Person("sidorov", "Сидоров Василий Андреевич", Role.EXPORTER, "ru")
SMIRNOVA = Person("smirnova", "Смирнова Анна Викторовна", Role.HEAD, "ru")
GUARD = Person("petrov", "Петров Николай Иванович", Role.SECURITY, "ru")
NOON = datetime(2026, 11, 22, 7, 0, tzinfo=UTC)


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return seeded_site.configure(tmp_path)


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new database, made once: copying it is ten times quicker than making it."""
    path = tmp_path_factory.mktemp("empty") / "examsite.db"
    store.open(path, create=True).conn.close()
    return path


@pytest.fixture
def db(config: Config, empty: Path) -> Database:
    shutil.copy(empty, config.database)
    return store.open(config.database)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NOON)


Begin = Callable[..., int]


@pytest.fixture
def begin(db: Database, config: Config, clock: FakeClock) -> Begin:
    def begun(action: str = "angle", *rooms: str, who: Person = ORLOV, key: str = "k", reason: str = "") -> int:
        return access.begin(db, config, clock, who, action, rooms or ("0001",), reason, key=key)

    return begun


@pytest.fixture
def over(db: Database, config: Config, clock: FakeClock, begin: Begin) -> int:
    """An act that Orlov began and ended: it waits for the head."""
    seq = begin()
    clock.advance(340)
    access.end(db, config, clock, seq, ORLOV, key="k")
    return seq


def test_an_action_is_open_until_it_is_ended(db: Database, config: Config, clock: FakeClock, begin: Begin) -> None:
    seq = begin()
    [going] = access.open_acts(db)
    assert (going.seq, going.ended_at, going.executor.name) == (seq, None, ORLOV.name)
    assert going.title == {"ru": "Корректировка ракурса", "en": "Camera angle adjustment"}
    clock.advance(340)
    access.end(db, config, clock, seq, ORLOV, key="k")
    assert access.open_acts(db) == []
    [waits] = access.unconfirmed(db)
    assert (waits.started_at, waits.ended_at) == (iso(NOON), iso(NOON + timedelta(seconds=340)))


def test_the_columns_are_those_of_the_moment(db: Database, config: Config, clock: FakeClock, over: int) -> None:
    access.confirm(db, config, clock, over, SMIRNOVA, "card", key="c")
    done = access.act(db, over)
    assert done.rooms == ("0001",)
    assert done.executor.post == {"ru": "Технический специалист", "en": "Technician"}
    assert done.responsible is not None
    assert (done.responsible.name, done.responsible.post["ru"]) == (SMIRNOVA.name, "Руководитель ППЭ")
    assert done.answer is not None
    assert done.answer.how == "card"


def test_a_range_of_rooms_covers_what_lies_between(db: Database, begin: Begin) -> None:
    seq = begin("check", "7777", "0001")  # the wrong way round
    act = access.act(db, seq)
    assert act.rooms == ("0001", "7777")
    assert act.covers == ("0001", "0002", "7777")
    assert [one.seq for one in access.acts(db, room="0002")] == [seq]
    assert access.acts(db, room="entrance") == []


@pytest.mark.parametrize(
    ("action", "rooms", "said"),
    [("angle", (), "Say in which room"), ("angle", ("9999",), "no room 9999"), ("dance", ("0001",), "no action dance"),
     ("other", (), "Write what is done")],
)  # fmt: skip
def test_what_the_form_needs_must_be_said(
    db: Database, config: Config, clock: FakeClock, action: str, rooms: tuple[str, ...], said: str
) -> None:
    with pytest.raises(ApplianceError, match=said):
        access.begin(db, config, clock, ORLOV, action, rooms, key="k")
    assert journal.head(db)[0] == 0


def test_a_failure_is_over_with_the_press(db: Database, begin: Begin) -> None:
    seq = begin("failure")
    assert access.act(db, seq).state == "waits"
    assert access.act(db, seq).ended_at == iso(NOON)


def test_a_form_pressed_twice_is_written_once(db: Database, config: Config, clock: FakeClock, begin: Begin) -> None:
    seq = begin(key="form")
    assert begin(key="form") == seq
    ended = [access.end(db, config, clock, seq, ORLOV, key="e") for _ in range(2)]
    signed = [access.confirm(db, config, clock, seq, SMIRNOVA, "password", key="c") for _ in range(2)]
    stated = [access.state(db, config, clock, ORLOV, "check", ["0002"], NOON, NOON, key="s") for _ in range(2)]
    mended = [access.correct(db, config, clock, stated[0], ORLOV, "check", ["0001"], NOON, NOON, key="m") for _ in "12"]
    assert all(len(set(pair)) == 1 for pair in (ended, signed, stated, mended))
    assert journal.head(db)[0] == 5


def test_two_presses_at_the_same_moment_are_one_entry(db: Database, config: Config, clock: FakeClock) -> None:
    found: list[int] = []

    def press() -> None:
        with closing(store.open(config.database)) as own:
            found.append(access.begin(own, config, clock, ORLOV, "start", ["0001"], key="same"))

    hands = [threading.Thread(target=press) for _ in range(4)]
    for hand in hands:
        hand.start()
    for hand in hands:
        hand.join()
    assert found == [1, 1, 1, 1]


def test_somebody_elses_key_hides_nothing(db: Database, begin: Begin) -> None:
    assert begin(key="k") != begin("angle", "0001", who=SIDOROV, key="k")


def test_the_same_action_is_not_begun_beside_itself(begin: Begin) -> None:
    begin(key="one")
    with pytest.raises(ApplianceError, match=r"in progress already, no\. 1"):
        begin(key="two")


def test_what_has_ended_is_not_ended_again(db: Database, config: Config, clock: FakeClock, over: int) -> None:
    with pytest.raises(ApplianceError, match="ended already"):
        access.end(db, config, clock, over, SIDOROV, key="later")


def test_a_clock_set_back_does_not_end_an_action_before_its_start(
    db: Database, config: Config, clock: FakeClock, begin: Begin
) -> None:
    seq = begin()
    clock.step(-3600)
    access.end(db, config, clock, seq, ORLOV, key="e")
    assert access.act(db, seq).ended_at == iso(NOON)


def test_nobody_answers_for_what_they_did_themselves(db: Database, config: Config, clock: FakeClock) -> None:
    own = access.state(db, config, clock, SMIRNOVA, "check", ["0001"], NOON, NOON, key="s")
    with pytest.raises(ApplianceError, match="Two people sign"):
        access.confirm(db, config, clock, own, SMIRNOVA, "password", key="c")
    assert access.waits_for(db, config, SMIRNOVA) == []


def test_who_wrote_a_correction_down_does_not_answer_for_it(
    db: Database, config: Config, clock: FakeClock, over: int
) -> None:
    newer = access.correct(db, config, clock, over, SMIRNOVA, "angle", ["0002"], NOON, clock.now(), key="m")
    assert access.act(db, newer).executor.login == "orlov"
    with pytest.raises(ApplianceError, match="Two people sign"):
        access.confirm(db, config, clock, newer, SMIRNOVA, "password", key="c")


@pytest.mark.parametrize("who", [ORLOV, SIDOROV, GUARD], ids=lambda who: who.role.value)
def test_only_whom_the_profile_names_answers(
    db: Database, config: Config, clock: FakeClock, over: int, who: Person
) -> None:
    with pytest.raises(ApplianceError, match="does not answer"):
        access.confirm(db, config, clock, over, who, "password", key="c")
    assert access.waits_for(db, config, who) == []
    assert [one.seq for one in access.waits_for(db, config, SMIRNOVA)] == [over]


def test_what_goes_on_cannot_be_confirmed_yet(db: Database, config: Config, clock: FakeClock, begin: Begin) -> None:
    with pytest.raises(ApplianceError, match="still in progress"):
        access.confirm(db, config, clock, begin(), SMIRNOVA, "password", key="c")


def test_the_first_answer_stands(db: Database, config: Config, clock: FakeClock, over: int) -> None:
    access.decline(db, config, clock, over, SMIRNOVA, "session", "Ракурс не тот", key="d")
    with pytest.raises(ApplianceError, match="Смирнова Анна Викторовна already answered"):
        access.confirm(db, config, clock, over, SMIRNOVA, "password", key="c")
    declined = access.act(db, over)
    assert (declined.state, declined.responsible) == ("declined", None)
    assert declined.answer is not None
    assert declined.answer.word == "Ракурс не тот"


def test_declining_needs_a_word(db: Database, config: Config, clock: FakeClock, over: int) -> None:
    with pytest.raises(ApplianceError, match="why you decline"):
        access.decline(db, config, clock, over, SMIRNOVA, "session", "  ", key="d")


def test_a_correction_is_a_new_act_and_needs_its_own_answer(
    db: Database, config: Config, clock: FakeClock, over: int
) -> None:
    access.confirm(db, config, clock, over, SMIRNOVA, "password", key="c")
    row = journal.get(db, over).row
    newer = access.correct(db, config, clock, over, ORLOV, "angle", ["0002"], NOON, clock.now(), "не та аудитория",
                           key="m")  # fmt: skip
    old, new = access.act(db, over), access.act(db, newer)
    assert (old.corrected_by, new.corrects, new.state) == (newer, over, "waits")
    assert journal.get(db, over).row == row
    assert journal.get(db, newer).refs == (over,)
    with pytest.raises(ApplianceError, match=f"corrected by no. {newer}"):
        access.correct(db, config, clock, over, ORLOV, "angle", ["0001"], NOON, NOON, key="again")
    access.confirm(db, config, clock, newer, SMIRNOVA, "password", key="c2")
    assert [one.seq for one in access.acts(db, corrected=False)] == [newer]
    assert [one.seq for one in access.acts(db)] == [newer, over]


def test_the_wrong_room_of_an_action_that_goes_on_is_corrected_while_it_goes_on(
    db: Database, config: Config, clock: FakeClock, begin: Begin
) -> None:
    seq = begin()
    newer = access.correct(db, config, clock, seq, ORLOV, "angle", ["0002"], NOON, None, key="m")
    assert [one.seq for one in access.open_acts(db)] == [newer]


@pytest.mark.parametrize(
    ("start_s", "end_s", "said"), [(0, -60, "end is before"), (0, 60, "lies ahead"), (60, 60, "lies ahead")]
)
def test_times_told_afterwards_make_sense(
    db: Database, config: Config, clock: FakeClock, start_s: int, end_s: int, said: str
) -> None:
    start, end = NOON + timedelta(seconds=start_s), NOON + timedelta(seconds=end_s)
    with pytest.raises(ApplianceError, match=said):
        access.state(db, config, clock, ORLOV, "check", ["0001"], start, end, key="s")


def test_acts_are_found_by_person_action_time_and_exam(
    db: Database, config: Config, clock: FakeClock, over: int, begin: Begin
) -> None:
    exams.plan(db, config, clock, Actor.service("init"), "russian", "Русский язык", NOON - timedelta(hours=2),
               NOON + timedelta(hours=2))  # fmt: skip
    clock.advance(60)
    other = begin("download", "7777", who=SIDOROV, key="x")
    access.confirm(db, config, clock, over, SMIRNOVA, "password", key="c")

    def numbers(**asked: object) -> list[int]:
        return [one.seq for one in access.acts(db, **asked)]  # type: ignore[arg-type]

    assert numbers(person="orlov") == [over]
    assert numbers(person="sidorov") == [other]
    assert numbers(person="smirnova") == [over]
    assert numbers(action="download") == [other]
    assert numbers(exam="russian") == [other]
    assert numbers(since=NOON + timedelta(seconds=1)) == [other]
    assert numbers(until=NOON + timedelta(seconds=1)) == [over]
    assert numbers(limit=1) == [other]
    assert numbers(before=other) == [over]
    assert numbers(oldest_first=True) == [over, other]


def test_the_table_is_what_the_journal_tells(db: Database, config: Config, clock: FakeClock, over: int) -> None:
    access.correct(db, config, clock, over, ORLOV, "angle", ["0002"], NOON, clock.now(), key="m")
    assert access.differences(db) == []
    kept = db.rows("select * from act order by seq")
    with store.transaction(db):
        assert access.rebuild(db) == 2
    assert db.rows("select * from act order by seq") == kept


@pytest.mark.parametrize(
    "change",
    ["update act set state = 'confirmed' where seq = ?", "update act set ended_at = '2026-11-22Z' where seq = ?",
     "delete from act where seq = ?"],
)  # fmt: skip
def test_a_changed_table_is_found_and_made_anew(db: Database, over: int, change: str) -> None:
    with store.transaction(db):
        db.write(change, (over,))
    assert access.differences(db) == [over]
    with store.transaction(db):
        access.rebuild(db)
    assert access.differences(db) == []


def test_verify_names_a_changed_table_and_the_next_start_makes_it_anew(
    db: Database, config: Config, clock: FakeClock, over: int
) -> None:
    with store.transaction(db):
        db.write("update act set action = 'check' where seq = ?", (over,))
    assert [fault.where for fault in verify.journal_chain(db).faults] == [f"entry {over}"]
    initialise(config)
    assert verify.journal_chain(db).faults == ()
    assert journal.entries(db, kinds=["acts.rebuilt"])[0].refs == (over,)


def test_an_entry_and_its_row_stand_or_fall_together(
    db: Database, config: Config, clock: FakeClock, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(*_: object) -> None:
        raise OSError("the power is cut here")

    monkeypatch.setattr("appliance.access.project", cut)
    with pytest.raises(OSError, match="power"):
        begin()
    assert journal.head(db)[0] == 0


def press(dice: random.Random, db: Database, config: Config, clock: FakeClock) -> None:
    """Somebody presses something, sensible or not."""
    key, who = f"k{dice.randrange(200)}", dice.choice([ORLOV, SIDOROV, SMIRNOVA])
    seq = dice.choice([one.seq for one in access.acts(db)] or [1])
    action = dice.choice(config.profile.journal.action).id
    where = dice.sample([room.code for room in config.rooms], dice.randrange(3))
    ended_at = dice.choice([None, clock.now()])
    dice.choice((
        lambda: access.begin(db, config, clock, who, action, where, "слово", key=key),
        lambda: access.end(db, config, clock, seq, who, key=key),
        lambda: access.state(db, config, clock, who, action, where, NOON, clock.now(), "слово", key=key),
        lambda: access.confirm(db, config, clock, seq, who, "card", key=key),
        lambda: access.decline(db, config, clock, seq, who, "card", "нет", key=key),
        lambda: access.correct(db, config, clock, seq, who, action, where, NOON, ended_at, "да", key=key),
    ))()  # fmt: skip


def test_whatever_people_press_the_table_says_what_the_journal_tells(
    db: Database, config: Config, clock: FakeClock
) -> None:
    dice, refused = random.Random(5), 0
    for _ in range(150):
        clock.advance(dice.randrange(1, 90))
        before = journal.head(db)[0]
        try:
            press(dice, db, config, clock)
        except ApplianceError:
            refused += 1
            assert journal.head(db)[0] == before
    assert access.differences(db) == []
    assert 20 < refused < 120
    assert {one.state for one in access.acts(db, limit=500)} == {"open", "waits", "confirmed", "declined"}
    for one in access.acts(db, limit=500):
        assert one.answer is None or one.answer.signer.login not in (one.executor.login, one.entered_by)


def test_an_erased_person_is_erased_from_the_acts_too(
    db: Database, config: Config, clock: FakeClock, over: int
) -> None:
    access.confirm(db, config, clock, over, SMIRNOVA, "password", key="c")
    assert "orlov" not in "".join(str(row) for row in db.rows("select * from act"))
    journal.erase(db, clock, SMIRNOVA, "Заявление от 22.11.2026", person="orlov")
    erased = access.act(db, over)
    assert isinstance(erased.executor.name, Gone)
    assert erased.responsible is not None
    assert erased.responsible.name == SMIRNOVA.name
    assert access.acts(db, person="orlov") == []
    assert access.differences(db) == []


def test_the_entries_are_said_in_both_languages(db: Database, config: Config, clock: FakeClock, over: int) -> None:
    access.confirm(db, config, clock, over, SMIRNOVA, "password", key="c")
    access.begin(db, config, clock, ORLOV, "check", ["0001", "7777"], key="r")
    access.begin(db, config, clock, ORLOV, "password", [], key="p")
    said = {language: [Words(language, config.site.zone).say(kinds.sentence(entry)) for entry in journal.entries(db)]
            for language in ("ru", "en")}  # fmt: skip
    assert said["ru"][0] == "Орлов Пётр Сергеевич: начато «Корректировка ракурса», 0001"
    assert said["en"][2] == "Смирнова Анна Викторовна confirmed no. 1: Camera angle adjustment, 0001"
    assert said["en"][3] == "Орлов Пётр Сергеевич began: Operability check, 0001–7777"
    assert said["en"][4].endswith("Password change, —")


def test_every_kind_of_act_has_its_sentence() -> None:
    assert set(acts.KINDS) <= kinds.KINDS.keys()
