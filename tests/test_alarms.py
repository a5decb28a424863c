"""Alarms on a real database: once each, ended by what ends them, in hand of the first who took them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from appliance import alarms, exams, journal, links, matching, store
from appliance.alarm_classes import GROUPS, LISTED, group_of
from appliance.alarms import Board, BoardAlarm, Recorded
from appliance.clock import FakeClock
from appliance.config import Config
from appliance.kinds import sentence
from appliance.model import Actor, ApplianceError, Person
from appliance.store import Database
from appliance.words import Words
from demo.panel import event_frame
from drivers.panels import contact_id, open_panel, sia, surgard
from drivers.panels import kinds as driver_kinds
from drivers.types import Frame
from tests.fakes.panel_site import ROOT, database, fake_clock, guard, site

DC4 = b"\x14"


class Desk:
    """The watch and the board, driven by hand."""

    def __init__(self, folder: Path) -> None:
        self.config: Config = site(folder)
        self.db: Database = database(self.config)
        self.clock: FakeClock = fake_clock()
        self.codec = open_panel("surgard", {})

    def frame(self, text: bytes) -> list[Recorded]:
        (frame,) = self.codec.feed(text + DC4)
        return self.record(frame)

    def record(self, frame: Frame) -> list[Recorded]:
        with store.transaction(self.db):
            return alarms.record(self.db, self.config, "security", frame, self.clock)

    def hears(self, name: str, zone: str = "001", after_s: float = 1.0, **where: str) -> Recorded:
        self.clock.advance(after_s)
        (recorded,) = self.frame(event_frame(name, zone, **where))
        return recorded

    def board(self) -> Board:
        return alarms.board(self.db, self.config, self.clock.now())

    def only(self) -> BoardAlarm:
        (alarm,) = self.board().alarms
        return alarm

    def kinds(self) -> list[str]:
        return [e.kind for e in journal.entries(self.db) if not e.kind.startswith(("person.", "exam."))]

    def said(self, language: Any = "en") -> list[str]:
        words = Words(language, ZoneInfo("Asia/Yekaterinburg"))
        return [words.say(sentence(e)) for e in journal.entries(self.db) if not e.kind.startswith("person.")]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    assert journal.verify(journal.stored_rows(desk.db)).ok
    desk.db.conn.close()


@pytest.fixture
def petrov(desk: Desk) -> Person:
    return guard(desk.db, desk.config, "petrov", "Петров Николай Иванович")


@pytest.fixture
def smirnov(desk: Desk) -> Person:
    return guard(desk.db, desk.config, "smirnov", "Смирнов Олег Юрьевич")


def test_a_fire_is_an_event_a_zone_an_alarm_and_an_entry(desk: Desk) -> None:
    recorded = desk.hears("smoke")
    alarm = desk.only()
    assert (alarm.group.name, alarm.state, alarm.room, alarm.latched) == ("fire", "unacknowledged", "corridor-1", True)
    assert (alarm.id, alarm.entry) == (recorded.alarm, recorded.entry)
    row = desk.db.row("select * from event")
    assert row is not None
    assert (row["kind"], row["zone"], bytes.fromhex(row["raw"])) == ("fire.alarm", "001", event_frame("smoke"))
    assert desk.db.value("select active from zone") == 1
    assert desk.said() == ["Alarm: Fire alarm: smoke, Smoke, corridor 1"]
    assert desk.said("ru") == ["Тревога: Пожар: дым, Дым, коридор 1"]


def test_nothing_is_kept_when_the_transaction_fails(desk: Desk) -> None:
    (frame,) = desk.codec.feed(event_frame("fire") + DC4)
    with pytest.raises(ZeroDivisionError), store.transaction(desk.db):
        alarms.record(desk.db, desk.config, "security", frame, desk.clock)
        raise ZeroDivisionError
    assert [desk.db.value(f"select count(*) from {t}") for t in ("event", "zone", "alarm", "journal")] == [0, 0, 0, 0]


def test_a_panel_that_repeats_until_acknowledged_gives_one_event(desk: Desk) -> None:
    desk.hears("fire")
    for _ in range(5):  # every 4 s, longer than 10 s in all
        desk.clock.advance(4)
        assert desk.frame(event_frame("fire")) == []
    assert desk.db.rows("select repeats from event") == [{"repeats": 5}]
    assert desk.only().count == 1


def test_a_garbled_repeat_in_between_does_not_make_the_next_one_new(desk: Desk) -> None:
    desk.hears("fire")
    assert len(desk.frame(event_frame("fire")[3:])) == 1  # kept as a line nobody knows
    assert desk.frame(event_frame("fire")) == []


def test_a_repeat_is_known_after_the_clock_was_set_back(desk: Desk) -> None:
    desk.hears("fire")
    desk.clock.step(-5)
    assert desk.frame(event_frame("fire")) == []


def test_the_same_alarm_later_is_counted_and_not_raised_anew(desk: Desk) -> None:
    first = desk.hears("fire")
    again = desk.hears("fire", after_s=11)
    assert again.alarm == first.alarm
    assert again.entry is None
    assert desk.only().count == 2
    assert desk.db.value("select count(*) from event") == 2
    assert desk.kinds() == ["alarm.raised"]


def test_an_alarm_that_came_back_after_its_end_is_a_new_one_in_the_same_row(desk: Desk, petrov: Person) -> None:
    desk.hears("fire")
    desk.hears("fire-restored")
    desk.hears("fire")
    assert (desk.only().state, desk.only().earlier) == ("unacknowledged", 1)
    assert desk.kinds() == ["alarm.raised", "alarm.restored", "alarm.raised"]
    alarms.acknowledge(desk.db, desk.config, desk.clock, desk.only().id, petrov, "Иду на место")
    assert (desk.only().state, desk.only().earlier) == ("acknowledged", 0)  # one press took both


def test_the_end_pairs_with_the_same_zone_partition_and_account_only(desk: Desk) -> None:
    desk.hears("fire", "001")
    desk.hears("fire-restored", "002")
    desk.hears("fire-restored", "001", group="02")
    desk.hears("fire-restored", "001", account="9999")
    assert desk.only().state == "unacknowledged"
    desk.hears("fire-restored", "001")
    assert desk.only().state == "cleared"
    assert desk.db.value("select count(*) from alarm") == 1


def test_an_end_without_its_alarm_is_in_the_journal_and_nowhere_else(desk: Desk) -> None:
    recorded = desk.hears("fire-restored")
    assert recorded.alarm is None
    assert desk.board().alarms == ()
    assert desk.kinds() == ["alarm.restored"]


def test_a_smoke_alarm_that_ends_as_fire_is_ended(desk: Desk) -> None:
    desk.hears("smoke")
    desk.hears("fire-restored")
    assert desk.only().state == "cleared"


def test_a_pre_alarm_that_becomes_a_fire_is_two_alarms_with_the_fire_on_top(desk: Desk) -> None:
    desk.hears("E118")
    desk.hears("fire")
    assert [a.group.name for a in desk.board().alarms] == ["fire", "attention"]
    desk.hears("R118")
    assert [(a.kind, a.state) for a in desk.board().alarms] == [
        ("fire.alarm", "unacknowledged"), ("fire.prealarm", "cleared"),
    ]  # fmt: skip


def test_the_end_of_a_pre_alarm_does_not_end_the_fire_but_the_end_of_the_fire_ends_a_pre_alarm(desk: Desk) -> None:
    desk.hears("fire")
    desk.hears("R118")
    assert desk.only().state == "unacknowledged"
    desk.hears("fire-restored")
    assert desk.only().state == "cleared"
    desk.hears("E118", "002")
    desk.hears("fire-restored", "002")
    assert [a.state for a in desk.board().alarms] == ["cleared", "cleared"]


def test_two_faults_of_one_zone_end_each_by_itself(desk: Desk) -> None:
    desk.hears("E373")
    desk.hears("E380")
    desk.hears("R380")
    assert sorted(a.state for a in desk.board().alarms) == ["cleared", "unacknowledged"]


def test_a_radionics_restore_ends_whatever_is_active_at_its_point(desk: Desk) -> None:
    for letter in "AT":
        desk.frame(f"1011      0012 {letter}1007".encode())
    desk.frame(b"1011      0012 R1007")
    assert [a.state for a in desk.board().alarms] == ["cleared", "cleared"]


def test_a_reset_of_the_whole_panel_ends_its_alarms_and_a_mere_restart_does_not(desk: Desk) -> None:
    desk.hears("fire")
    desk.hears("mains-lost")
    desk.hears("E305")
    assert [a.state for a in desk.board().alarms] == ["unacknowledged"] * 2
    (frame,) = desk.codec.feed(event_frame("R305") + DC4)
    event = replace(frame.events[0], flags=("reset-all",))
    desk.record(replace(frame, events=(event,)))
    assert [a.state for a in desk.board().alarms] == ["cleared"] * 2


def test_disarming_ends_no_alarm_and_is_in_the_journal(desk: Desk) -> None:
    desk.hears("fire")
    desk.hears("disarm", "005")
    assert desk.only().state == "unacknowledged"
    assert desk.said()[-1] == "The panel reports: Disarmed: by a user, user 005"
    assert desk.said("ru")[-1] == "Сообщение панели: Снято с охраны пользователем, пользователь 005"


def test_a_line_nobody_knows_is_kept_each_time_and_journalled_once_a_minute(desk: Desk) -> None:
    for n in range(5):
        desk.frame(f"HELLO {n}".encode())
    desk.clock.advance(61)
    desk.frame(b"{HELLO}")
    assert desk.db.value("select count(*) from event") == 6
    unknown = "The panel sent a line we do not know. Kept as it came: "
    assert desk.said() == [unknown + "HELLO 0", unknown + "{HELLO}"]
    assert desk.board().alarms == ()


def test_the_board_sorts_by_what_it_is_then_unacknowledged_then_newest(desk: Desk, petrov: Person) -> None:
    for name in ("mains-lost", "tamper", "intrusion", "panic", "E118", "fire"):
        desk.hears(name, "001")
    desk.hears("fire", "002")
    third = desk.hears("fire", "003")
    assert third.alarm is not None
    alarms.acknowledge(desk.db, desk.config, desk.clock, third.alarm, petrov, "Иду на место")
    shown = [(a.group.name, desk.db.value("select zone from alarm where id = ?", (a.id,))) for a in desk.board().alarms]
    assert shown == [("fire", "002"), ("fire", "001"), ("fire", "003"), ("attention", "001"), ("panic", "001"),
                     ("intrusion", "001"), ("tamper", "001"), ("fault", "001")]  # fmt: skip
    assert desk.board().unacknowledged == 7


def test_an_acknowledged_alarm_leaves_the_board_once_the_panel_says_it_is_over(desk: Desk, petrov: Person) -> None:
    desk.hears("intrusion")
    entry = alarms.acknowledge(desk.db, desk.config, desk.clock, desk.only().id, petrov)
    assert (desk.only().state, desk.only().acknowledged_by) == ("acknowledged", "Петров Николай Иванович")
    assert journal.get(desk.db, entry).kind == "alarm.acknowledged"
    desk.hears("intrusion-restored")
    assert desk.board().alarms == ()


def test_an_alarm_that_is_over_stays_until_somebody_acknowledges_it(desk: Desk, petrov: Person) -> None:
    desk.hears("intrusion")
    desk.hears("intrusion-restored")
    alarms.acknowledge(desk.db, desk.config, desk.clock, desk.only().id, petrov)
    assert desk.board().alarms == ()


@pytest.mark.parametrize("name", ["fire", "panic", "duress"])
def test_fire_panic_and_duress_are_acknowledged_with_a_word(desk: Desk, petrov: Person, name: str) -> None:
    desk.hears(name)
    for comment in ("", "  "):
        with pytest.raises(ApplianceError, match="with a word"):
            alarms.acknowledge(desk.db, desk.config, desk.clock, desk.only().id, petrov, comment)
    assert desk.only().state == "unacknowledged"
    alarms.acknowledge(desk.db, desk.config, desk.clock, desk.board().alarms[0].id, petrov, "Вызвал 101")
    assert desk.db.value("select comment from alarm") == "Вызвал 101"


def test_the_second_guard_is_told_who_was_first_and_changes_nothing(
    desk: Desk, petrov: Person, smirnov: Person
) -> None:
    desk.hears("fire")
    alarm = desk.only().id
    first = alarms.acknowledge(desk.db, desk.config, desk.clock, alarm, petrov, "Иду")
    desk.clock.advance(3)
    with pytest.raises(ApplianceError) as told:
        alarms.acknowledge(desk.db, desk.config, desk.clock, alarm, smirnov, "Я тоже")
    said = Words("ru", ZoneInfo("Asia/Yekaterinburg")).say(told.value.message)
    assert said == "Тревога уже принята: Петров Николай Иванович в 09:00:01. Ваше нажатие ничего не изменило."
    assert alarms.acknowledge(desk.db, desk.config, desk.clock, alarm, petrov, "Иду") == first  # pressed twice
    assert desk.kinds().count("alarm.acknowledged") == 1


def test_a_press_on_an_alarm_that_changed_since_is_refused(desk: Desk, petrov: Person) -> None:
    desk.hears("intrusion")
    with pytest.raises(ApplianceError, match="changed since"):
        alarms.acknowledge(desk.db, desk.config, desk.clock, desk.only().id, petrov, version=7)
    alarms.acknowledge(desk.db, desk.config, desk.clock, desk.only().id, petrov, version=desk.only().version)


def test_an_alarm_that_does_not_exist_cannot_be_acknowledged(desk: Desk, petrov: Person) -> None:
    with pytest.raises(ApplianceError, match="no alarm 5"):
        alarms.acknowledge(desk.db, desk.config, desk.clock, 5, petrov)


def test_taking_duress_in_hand_ends_it_because_no_panel_ever_does(desk: Desk, petrov: Person) -> None:
    desk.hears("duress")
    assert desk.only().silent
    alarms.acknowledge(desk.db, desk.config, desk.clock, desk.only().id, petrov, "Вызвал наряд")
    assert desk.board().alarms == ()
    desk.hears("duress", after_s=20)
    assert desk.only().state == "unacknowledged"


def test_a_panic_button_pressed_again_after_it_was_acknowledged_calls_again(desk: Desk, petrov: Person) -> None:
    desk.hears("panic")
    alarms.acknowledge(desk.db, desk.config, desk.clock, desk.only().id, petrov, "Иду")
    desk.hears("panic", after_s=60)
    assert desk.only().state == "unacknowledged"


def test_the_rack_door_makes_an_entry_that_the_rules_judge_instead_of_an_alarm(desk: Desk) -> None:
    opened = desk.hears("door-opened", "005")
    assert desk.board().alarms == ()
    matching.tend(desk.db, desk.config, desk.clock)
    (found,) = matching.unexplained(desk.db)
    assert (found.event.seq, found.event.kind, found.event.room, found.entry) == (
        opened.entry, "door.opened", "7777", None,
    )  # fmt: skip
    desk.clock.advance(75)
    closed = desk.hears("door-closed", "005", after_s=0)
    assert closed.entry is not None
    entry = journal.get(desk.db, closed.entry)
    assert (entry.refs, entry.data["open_ms"]) == ((opened.entry,), 75_000)
    assert desk.said() == ["Rack door opened", "Rack door closed after 1\u00a0min\u00a015\u00a0s"]


def test_a_door_that_opens_twice_within_seconds_makes_two_entries(desk: Desk) -> None:
    for _ in range(2):
        desk.hears("door-opened", "005")
        desk.hears("door-closed", "005")
    assert desk.kinds() == ["door.opened", "door.closed"] * 2
    matching.tend(desk.db, desk.config, desk.clock)
    assert len(matching.unexplained(desk.db)) == 2


def test_a_door_reported_open_twice_is_open_twice_when_the_closing_was_lost(desk: Desk) -> None:
    desk.hears("door-opened", "005")
    desk.hears("door-opened", "005", after_s=30)
    assert desk.kinds() == ["door.opened"] * 2


def test_a_closing_without_an_opening_has_no_length(desk: Desk) -> None:
    closed = desk.hears("door-closed", "005")
    assert closed.entry is not None
    assert journal.get(desk.db, closed.entry).data["open_ms"] is None


def test_a_watched_door_that_is_tampered_with_is_an_alarm_all_the_same(desk: Desk) -> None:
    desk.hears("tamper", "005")
    assert desk.only().group.name == "tamper"


def test_entries_of_an_exam_day_carry_the_exam(desk: Desk) -> None:
    now = desk.clock.now()
    exams.plan(desk.db, desk.config, desk.clock, Actor.service("init"), "math", "Математика",
               now + timedelta(minutes=1), now + timedelta(hours=3))  # fmt: skip
    recorded = desk.hears("fire", after_s=120)
    assert recorded.entry is not None
    assert journal.get(desk.db, recorded.entry).exam == "math"


def lose(desk: Desk, state: links.Lost = "silent", reason: str = "silent") -> bool:
    with store.transaction(desk.db):
        return links.lost(desk.db, desk.config, "security", state, links.trouble(reason), desk.clock)


def hear(desk: Desk) -> bool:
    with store.transaction(desk.db):
        return links.heard(desk.db, desk.config, "security", desk.clock)


def test_a_panel_that_was_never_heard_is_starting_and_not_normal(desk: Desk) -> None:
    assert [link.state for link in desk.board().links] == ["starting"]
    assert desk.board().heard == 0


def test_a_lost_link_is_an_alarm_of_its_own_and_its_sources_are_stale(desk: Desk) -> None:
    hear(desk)
    desk.hears("fire")
    assert not desk.only().stale
    desk.clock.advance(95)
    assert lose(desk)
    fire, link = desk.board().alarms
    assert (link.group.name, link.kind, link.stale) == ("nolink", "comm.loss", False)
    assert (fire.kind, fire.stale) == ("fire.alarm", True)
    (line,) = desk.board().links
    assert (line.state, line.quiet_s) == ("silent", 96.0)
    assert line.detail is not None
    assert desk.said("ru")[-1] == "Панель Панель security не слышна"


def test_a_lost_link_is_told_once_whatever_else_is_learnt_about_it(desk: Desk) -> None:
    hear(desk)
    assert [lose(desk), lose(desk), lose(desk, "unplugged", "gone")] == [True, False, False]
    assert desk.kinds() == ["panel.lost"]
    assert [link.state for link in desk.board().links] == ["unplugged"]
    assert len(desk.board().alarms) == 1


def test_a_panel_heard_again_ends_the_alarm_and_journals_the_length_of_the_outage(desk: Desk, petrov: Person) -> None:
    hear(desk)
    desk.clock.advance(100)
    lose(desk)
    alarms.acknowledge(desk.db, desk.config, desk.clock, desk.only().id, petrov)
    desk.clock.advance(418)
    assert hear(desk)
    assert not hear(desk)
    assert desk.board().alarms == ()
    last = journal.entries(desk.db, newest_first=True, limit=1)[0]
    assert (last.kind, last.data["silent_ms"]) == ("panel.heard", 518_000)
    assert desk.said()[-1] == "Panel Panel security heard again after 8\u00a0min\u00a038\u00a0s"


def test_a_restart_of_the_service_forgets_no_lost_link_and_claims_none_is_heard(desk: Desk) -> None:
    hear(desk)
    with store.transaction(desk.db):
        links.starting(desk.db, "security", desk.clock)
    assert [link.state for link in desk.board().links] == ["starting"]
    lose(desk)
    with store.transaction(desk.db):
        links.starting(desk.db, "security", desk.clock)
    assert [link.state for link in desk.board().links] == ["silent"]


def test_every_class_the_drivers_know_has_its_group_and_every_name_its_russian(desk: Desk) -> None:
    names, kinds = set(), set()
    for code in range(1000):
        for qualifier in "ERP":
            meaning, state, _ = contact_id.decode(qualifier, f"{code:03d}")
            names.add(meaning.name)
            if state != "info":
                kinds.add(meaning.kind)
    for said in sia._MEANINGS.values():
        names.add(said.name)
        if said.state != "info":
            kinds.add(said.kind)
    for table in (surgard._LETTERS, surgard._BOSCH_LETTERS):
        names |= {letter.name for letter in table.values()}
    russian = Words("ru", ZoneInfo("UTC"))
    assert {name for name in names if russian.say(name) == name} == set()
    assert {kind for kind in kinds if group_of(kind).name == "info"} == set()
    assert [group.rank for group in GROUPS] == list(range(len(GROUPS)))


def test_every_class_setting_and_flag_is_in_the_documentation() -> None:
    text = (ROOT / "docs" / "panels.md").read_text(encoding="utf-8")
    codes = [contact_id.decode(qualifier, f"{code:03d}")[0].kind for code in range(1000) for qualifier in "ERP"]
    kinds = {*codes, *(said.kind for said in sia._MEANINGS.values()), *LISTED}
    assert {kind for kind in kinds if f"`{kind}`" not in text} == set()
    assert {kind.name for kind in driver_kinds() if f"### {kind.name}\n" not in text} == set()
    settings = {setting.name for kind in driver_kinds() for setting in kind.settings}
    assert {name for name in settings if f"`{name}`" not in text} == set()
