"""The alarm model after ISA-18.2: put aside, tested, flooding, chattering, standing, and asking again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from appliance import alarm_rounds, alarms, journal, maintenance, matching, shelving, store
from appliance.alarm_board import Board, BoardAlarm
from appliance.clock import FakeClock
from appliance.config import Config
from appliance.kinds import sentence
from appliance.model import ApplianceError, Language
from appliance.store import Database
from appliance.words import Words
from drivers.types import EventState, Frame, PanelEvent
from tests.fakes.panel_site import database, fake_clock, guard, site


class Desk:
    """The board, and a panel that says whatever the test lets it say."""

    def __init__(self, folder: Path) -> None:
        self.config: Config = site(folder)
        self.db: Database = database(self.config)
        self.clock: FakeClock = fake_clock()
        self.petrov = guard(self.db, self.config, "petrov", "Петров Николай Иванович")
        self._said = 0

    def hears(
        self, kind: str, zone: str | None = "001", *, over: bool = False, after_s: float = 1.0, info: bool = False,
        flags: tuple[str, ...] = (), partition: str | None = "01", user: str | None = None,
    ) -> alarms.Recorded:  # fmt: skip
        self.clock.advance(after_s)
        self._said += 1
        state: EventState = "info" if info else "restored" if over else "active"
        event = PanelEvent(kind, state, zone=zone, partition=partition, user=user, text="Fire alarm", account="1234",
                           code="110", raw=f"{self._said}".encode(), flags=flags)  # fmt: skip
        with store.transaction(self.db):
            frame = Frame(event.raw, (event,), alive=True)
            (recorded,) = alarms.record(self.db, self.config, "security", frame, self.clock)
        return recorded

    def board(self) -> Board:
        return alarms.board(self.db, self.config, self.clock.now())

    def only(self) -> BoardAlarm:
        (alarm,) = self.board().alarms
        return alarm

    def take(self, alarm: int, word: str = "Иду на место") -> None:
        alarms.acknowledge(self.db, self.config, self.clock, alarm, self.petrov, word)

    def shelve(self, minutes: float = 60, reason: str = "Ремонт окна") -> int:
        return shelving.shelve(self.db, self.config, self.clock, self.only().id, self.petrov, minutes, reason)

    def test(self, minutes: float = 60, zone: str | None = None) -> int:
        return maintenance.begin(self.db, self.config, self.clock, self.petrov, "security", minutes, "Проверка шлейфа",
                                 zone=zone)  # fmt: skip

    def tend(self) -> int:
        return alarm_rounds.tend(self.db, self.config, self.clock)

    def kinds(self) -> list[str]:
        return [e.kind for e in journal.entries(self.db) if not e.kind.startswith("person.")]

    def last(self, language: Language = "en") -> str:
        said = Words(language, ZoneInfo("Asia/Yekaterinburg")).say(sentence(list(journal.entries(self.db))[-1]))
        return said.replace("\u00a0", " ")


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    assert journal.verify(journal.stored_rows(desk.db)).ok
    desk.db.conn.close()


def test_a_shelved_alarm_calls_nobody_and_says_until_when_why_and_by_whom(desk: Desk) -> None:
    desk.hears("tamper")
    desk.shelve()
    board = desk.board()
    assert (board.alarms, board.unacknowledged) == ((), 0)
    (quiet,) = board.quiet
    assert quiet.aside is not None
    assert (quiet.aside.how, quiet.aside.reason, quiet.aside.by) == ("shelved", "Ремонт окна", desk.petrov.name)
    assert desk.last() == "Петров Николай Иванович shelved until 10:00:01: Fire alarm, Smoke, corridor 1. Ремонт окна"


def test_what_a_shelved_place_says_meanwhile_stays_aside_and_comes_back_by_itself(desk: Desk) -> None:
    desk.hears("tamper")
    desk.shelve(60)
    desk.hears("tamper", over=True)
    desk.take(desk.board().quiet[0].id)
    desk.hears("tamper", after_s=600)
    assert desk.board().alarms == ()
    assert len(desk.board().asides) == 1
    desk.clock.advance(3600)
    assert desk.only().state == "unacknowledged"  # by the time alone, whether or not the watch is there
    assert desk.tend() == 1
    assert desk.last() == "No longer shelved: Fire alarm, Smoke, corridor 1"
    assert desk.tend() == 0


def test_a_shelved_place_without_an_alarm_is_still_listed(desk: Desk) -> None:
    desk.hears("tamper")
    desk.take(desk.only().id)
    desk.shelve()
    desk.hears("tamper", over=True)
    board = desk.board()
    assert (board.alarms, board.quiet) == ((), ())
    (aside,) = board.asides
    assert str(aside.place.args["name"]["en"]) == "Smoke, corridor 1"


@pytest.mark.parametrize("kind", ["fire.alarm", "extinguishing", "panic", "panic.silent", "duress"])
def test_fire_panic_and_duress_are_never_put_aside(desk: Desk, kind: str) -> None:
    desk.hears(kind)
    alarm = desk.only().id
    with pytest.raises(ApplianceError, match="cannot be put aside"):
        desk.shelve()
    with pytest.raises(ApplianceError, match="cannot be put aside"):
        shelving.put_out(desk.db, desk.config, desk.clock, alarm, desk.petrov, "why")
    assert desk.only().id == alarm
    assert desk.kinds() == ["alarm.raised"]


@pytest.mark.parametrize(("minutes", "reason", "told"), [
    (0, "x", "at most"), (481, "x", "at most"), (float("nan"), "x", "at most"), (60, "  ", "Say why"),
])  # fmt: skip
def test_a_shelf_has_an_end_within_the_profile_and_a_reason(desk: Desk, minutes: float, reason: str, told: str) -> None:
    desk.hears("tamper")
    with pytest.raises(ApplianceError, match=told):
        desk.shelve(minutes, reason)
    assert desk.board().asides == ()


def test_a_place_out_of_service_stays_so_until_somebody_puts_it_back_once(desk: Desk) -> None:
    desk.hears("fault")
    shelving.put_out(desk.db, desk.config, desk.clock, desk.only().id, desk.petrov, "Ждём деталь")
    desk.clock.advance(40 * 86400)
    desk.tend()
    (aside,) = desk.board().asides
    assert (aside.how, aside.until_at) == ("out", None)
    assert aside.id is not None
    shelving.put_back(desk.db, desk.config, desk.clock, aside.id, desk.petrov)
    assert desk.only().state == "unacknowledged"
    with pytest.raises(ApplianceError, match="back already"):
        shelving.put_back(desk.db, desk.config, desk.clock, aside.id, desk.petrov)
    assert desk.kinds() == ["alarm.raised", "alarm.out", "alarm.in"]


def test_shelving_again_takes_the_place_of_the_shelf_before(desk: Desk) -> None:
    desk.hears("tamper")
    alarm = desk.only().id
    for minutes in (10, 100):
        shelving.shelve(desk.db, desk.config, desk.clock, alarm, desk.petrov, minutes, "Ремонт")
    desk.clock.advance(11 * 60)
    assert len(desk.board().asides) == 1
    assert desk.board().alarms == ()


def test_test_mode_keeps_what_is_said_and_calls_nobody(desk: Desk) -> None:
    desk.test(zone="001")
    recorded = desk.hears("fire.alarm")
    assert desk.board().alarms == ()
    (quiet,) = desk.board().quiet
    assert quiet.aside is not None
    assert (quiet.aside.how, quiet.aside.reason) == ("test", "Проверка шлейфа")
    assert json.loads(desk.db.value("select flags from event")) == ["test"]
    assert recorded.entry is not None
    assert journal.get(desk.db, recorded.entry).kind == "alarm.tested"
    assert desk.last("ru") == "В режиме теста: Пожар, Дым, коридор 1"
    desk.hears("fire.alarm", over=True)
    assert (desk.board().alarms, desk.board().quiet) == ((), ())


def test_a_zone_under_test_leaves_its_neighbour_alarmed(desk: Desk) -> None:
    desk.test(zone="001")
    desk.hears("fire.alarm", "002")
    assert desk.only().state == "unacknowledged"


def test_what_stood_before_the_test_calls_on(desk: Desk) -> None:
    desk.hears("fire.alarm")
    desk.test()
    desk.hears("fire.alarm")
    assert (desk.only().count, desk.only().aside) == (2, None)


def test_a_test_ends_by_itself_and_what_still_stands_becomes_an_alarm(desk: Desk) -> None:
    desk.test(30)
    desk.hears("fire.alarm")
    desk.clock.advance(1800)
    assert (desk.only().state, desk.board().windows) == ("unacknowledged", ())
    assert desk.tend() == 1
    assert desk.last() == "Test mode is over: Panel security. Events in it: 1"
    desk.hears("fire.alarm", over=True)
    assert desk.only().state == "cleared"  # it outlived its test, so somebody has to take it in hand


def test_a_test_may_be_ended_early_and_only_once(desk: Desk) -> None:
    desk.test()
    (window,) = desk.board().windows
    maintenance.end(desk.db, desk.config, desk.clock, window.id, desk.petrov)
    assert desk.board().windows == ()
    with pytest.raises(ApplianceError, match="over already"):
        maintenance.end(desk.db, desk.config, desk.clock, window.id, desk.petrov)
    assert desk.kinds() == ["test.begun", "test.ended"]


@pytest.mark.parametrize(("panel", "minutes", "reason", "told"), [
    ("nobody", 10, "x", "no panel nobody"), ("security", 481, "x", "at most"), ("security", 10, " ", "what is tested"),
])  # fmt: skip
def test_a_test_needs_a_known_panel_an_end_and_a_reason(
    desk: Desk, panel: str, minutes: float, reason: str, told: str
) -> None:
    with pytest.raises(ApplianceError, match=told):
        maintenance.begin(desk.db, desk.config, desk.clock, desk.petrov, panel, minutes, reason)


def test_the_panels_own_walk_test_calls_nobody_but_the_same_in_earnest_does(desk: Desk) -> None:
    desk.hears("fire.alarm", flags=("test",))
    assert desk.board().alarms == ()
    desk.hears("fire.alarm")
    assert desk.only().state == "unacknowledged"


def test_a_walk_test_that_nobody_ended_calls_after_a_while(desk: Desk) -> None:
    desk.hears("fire.alarm", flags=("test",))
    desk.clock.advance(599)
    assert desk.board().alarms == ()
    desk.clock.advance(1)
    assert desk.only().state == "unacknowledged"


def test_a_door_opened_in_test_mode_still_owes_its_explanation(desk: Desk) -> None:
    desk.test()
    desk.hears("intrusion.alarm", "005")
    matching.tend(desk.db, desk.config, desk.clock)
    (found,) = matching.unexplained(desk.db)
    assert (found.event.kind, found.event.data["test"]) == ("door.opened", True)


def test_an_alarm_said_three_times_in_a_minute_chatters(desk: Desk) -> None:
    for _ in range(2):
        desk.hears("tamper")
        desk.hears("tamper", over=True)
    assert desk.only().chattering == 0
    desk.hears("tamper")
    assert (desk.only().chattering, desk.only().earlier) == (3, 2)
    desk.clock.advance(60)
    assert desk.only().chattering == 0


def test_more_than_ten_alarms_in_ten_minutes_are_a_flood(desk: Desk) -> None:
    for number in range(10):
        desk.hears("tamper", f"1{number}")
    assert (desk.board().signs.raised, desk.board().signs.flood) == (10, False)
    desk.hears("tamper", "20")
    assert desk.board().signs.flood
    desk.clock.advance(601)
    assert not desk.board().signs.flood


def test_the_first_of_a_burst_is_marked_and_stays_so_when_it_is_acknowledged(desk: Desk) -> None:
    desk.hears("tamper", "030")
    assert not desk.only().first  # one alone is no burst
    burst = desk.hears("fire.alarm", after_s=61)
    for zone in ("002", "003"):
        desk.hears("fire.alarm", zone, after_s=20)
    assert [a.id for a in desk.board().alarms if a.first] == [burst.alarm]
    assert burst.alarm is not None
    desk.take(burst.alarm)
    assert [a.id for a in desk.board().alarms if a.first] == [burst.alarm]
    place = desk.board().signs.first_place
    assert place is not None
    assert place.args["name"]["en"] == "Smoke, corridor 1"


def test_what_is_active_for_more_than_a_day_is_standing(desk: Desk) -> None:
    desk.hears("fault")
    desk.clock.advance(86_400)
    assert not desk.only().standing
    desk.clock.advance(1)
    assert desk.only().standing


def test_an_acknowledged_alarm_that_still_stands_asks_again_and_names_who_had_it(desk: Desk) -> None:
    desk.hears("fire.alarm")
    desk.take(desk.only().id)
    version = desk.only().version
    desk.clock.advance(599)
    assert desk.tend() == 0
    desk.clock.advance(1)
    assert desk.tend() == 1
    assert (desk.only().state, desk.only().version) == ("unacknowledged", version + 1)
    assert desk.only().asked_at is not None
    assert desk.last().endswith("Петров Николай Иванович had taken it at 09:00:01")
    assert desk.tend() == 0
    desk.take(desk.only().id, "Эвакуация идёт")
    assert (desk.only().state, desk.only().asked_at) == ("acknowledged", None)


def test_a_fault_asks_again_much_later_and_a_shelved_one_never(desk: Desk) -> None:
    desk.hears("fault")
    desk.take(desk.only().id)
    desk.clock.advance(3600)
    assert desk.tend() == 0
    desk.shelve(480)
    desk.clock.advance(4 * 3600)
    assert desk.tend() == 0
    assert desk.board().quiet[0].state == "acknowledged"


def test_armed_and_disarmed_are_an_axis_of_their_own(desk: Desk) -> None:
    desk.hears("intrusion.alarm")
    desk.hears("arm", None, info=True, user="007")
    desk.hears("disarm", None, info=True, partition="02", user="003")
    words = Words("en", ZoneInfo("Asia/Yekaterinburg"))
    assert [(words.say(a.place), a.armed, a.user) for a in desk.board().arming] == [
        ("Panel security, partition 01", True, "007"), ("Panel security, partition 02", False, "003"),
    ]  # fmt: skip
    assert desk.only().kind == "intrusion.alarm"  # neither raised nor ended by it
    since = desk.board().arming[0].since_at
    desk.hears("arm", None, info=True, user="007")
    assert desk.board().arming[0].since_at == since
    desk.hears("arm.fail", None, partition="02")  # some panels say it as a state; it is never an alarm
    assert desk.board().arming[1].failed_at is not None
    desk.hears("arm", None, info=True, partition="02")
    assert [(a.armed, a.failed_at) for a in desk.board().arming] == [(True, None), (True, None)]
    assert len(desk.board().alarms) == 1
