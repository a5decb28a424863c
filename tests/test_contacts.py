"""Dry contacts: what samples mean, and the one line in which an installer says what each input is."""

from __future__ import annotations

from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from appliance import alarms, store
from appliance.alarm_classes import LISTED
from appliance.words import Words
from drivers.panels.contacts import NAMES, Contacts, Input, Level, Module, frame_of
from drivers.panels.inputs import inputs_from
from drivers.panels.settings import SettingError
from drivers.types import PanelEvent
from tests.fakes.panel_site import database, fake_clock, panel_table, site

Told = tuple[str, str, str | None]


def told(events: list[PanelEvent]) -> list[Told]:
    return [(event.kind, event.state, event.zone) for event in events]


def sampled(contacts: Contacts, samples: list[tuple[float, Level]], number: int = 1) -> list[tuple[float, str, str]]:
    """What one input tells, and when."""
    return [
        (at_s, event.code or event.kind, event.state)
        for at_s, level in samples
        for event in contacts.take(at_s, {number: level})
    ]


def every(step_s: float, begin_s: float, end_s: float, level: Level) -> list[tuple[float, Level]]:
    return [(round(begin_s + n * step_s, 3), level) for n in range(round((end_s - begin_s) / step_s))]


def normal(**more: object) -> Contacts:
    """A fire input that has been seen at rest for 10 s."""
    contacts = Contacts([Input(1, "fire.alarm", on_s=0.4, off_s=2.0, **more)])  # type: ignore[arg-type]
    sampled(contacts, every(0.1, 0, 10, "open"))
    return contacts


def test_a_contact_that_closes_for_long_enough_is_one_alarm() -> None:
    said = sampled(normal(), every(0.1, 10, 12, "closed"))
    assert said == [(10.4, "fire.alarm", "active")]


def test_a_contact_that_closes_too_shortly_is_nothing() -> None:
    contacts = normal()
    assert sampled(contacts, [*every(0.1, 10, 10.4, "closed"), *every(0.1, 10.4, 20, "open")]) == []


def test_one_reading_alone_is_never_an_alarm() -> None:
    contacts = Contacts([Input(1, "panic", on_s=0.1)])
    sampled(contacts, every(0.5, 0, 5, "open"))
    assert sampled(contacts, [(5.0, "closed"), (5.5, "open"), (6.0, "open")]) == []


def test_the_end_counts_only_after_its_own_time() -> None:
    contacts = normal()
    sampled(contacts, every(0.1, 10, 11, "closed"))
    assert sampled(contacts, every(0.1, 11, 14, "open")) == [(13.0, "fire.alarm", "restored")]


def test_an_alarm_stands_for_its_hold_time() -> None:
    contacts = normal(hold_s=10.0)
    assert sampled(contacts, every(0.5, 10, 11, "closed")) == [(10.5, "fire.alarm", "active")]
    assert sampled(contacts, every(0.5, 11, 25, "open")) == [(20.5, "fire.alarm", "restored")]


def test_a_normally_closed_contact_is_a_fault_when_it_opens() -> None:
    contacts = Contacts([Input(5, "fault", normally="closed", on_s=1.0)])
    said = sampled(contacts, [*every(0.1, 0, 5, "closed"), *every(0.1, 5, 7, "open")], number=5)
    assert said == [(1.0, "fault", "restored"), (6.0, "fault", "active")]


def test_at_the_start_every_input_is_told_as_it_is() -> None:
    contacts = Contacts([Input(1), Input(2)])
    levels: dict[int, Level] = {1: "closed", 2: "open"}
    events = [event for n in range(30) for event in contacts.take(n / 10, levels)]
    assert [(*one, event.flags) for one, event in zip(told(events), events, strict=True)] == [
        ("tech.alarm", "active", "1", ("status",)),
        ("tech.alarm", "restored", "2", ("status", "any-class")),
    ]


def test_what_was_not_read_is_unknown_and_told_anew_when_it_is_read_again() -> None:
    contacts = normal()
    sampled(contacts, every(0.1, 10, 11, "closed"))
    contacts.lose()
    assert sampled(contacts, every(0.5, 30, 30.5, "closed")) == []
    assert sampled(contacts, every(0.5, 30.5, 32, "closed")) == [(30.5, "fire.alarm", "active")]
    contacts.lose()
    assert sampled(contacts, every(0.1, 40, 42, "open")) == []  # not restored before it was at rest for its whole time
    assert sampled(contacts, every(0.1, 42, 45, "open")) == [(42.0, "fire.alarm", "restored")]


def test_an_input_that_the_module_does_not_have_is_never_told() -> None:
    contacts = Contacts([Input(1), Input(9)])
    assert {event.zone for n in range(50) for event in contacts.take(n / 10, {1: "open"})} == {"1"}


def test_a_flapping_input_is_a_fault_and_stands_on_the_alarm_side() -> None:
    contacts = normal()
    flapping = [(10 + n / 2, "closed" if n % 2 == 0 else "open") for n in range(8)]
    said = sampled(contacts, flapping)  # type: ignore[arg-type]
    assert said == [(12.5, "chattering", "active"), (12.5, "fire.alarm", "active")]
    assert sampled(contacts, every(0.5, 14, 73, "open")) == []
    quiet = sampled(contacts, every(0.5, 73, 90, "open"))
    assert quiet == [(73.5, "chattering", "restored"), (73.5, "fire.alarm", "restored")]


def test_five_changes_in_a_minute_are_still_no_chattering() -> None:
    contacts = normal()
    samples = [piece for n in range(5) for piece in every(0.5, 10 + 10 * n, 20 + 10 * n, ("closed", "open")[n % 2])]  # type: ignore[arg-type]
    assert [one[1:] for one in sampled(contacts, samples)] == [
        ("fire.alarm", "active"), ("fire.alarm", "restored"), ("fire.alarm", "active"), ("fire.alarm", "restored"),
        ("fire.alarm", "active"),
    ]  # fmt: skip


def test_changes_long_ago_do_not_count_as_chattering() -> None:
    contacts = normal()
    for n in range(12):
        level: Level = "closed" if n % 2 == 0 else "open"
        said = sampled(contacts, every(0.5, 10 + 15 * n, 25 + 15 * n, level))
        assert [one[1] for one in said] == ["fire.alarm"]


def test_a_flapping_line_fault_does_not_invent_an_alarm() -> None:
    contacts = normal()
    flapping = [(10 + n / 2, "cut" if n % 2 == 0 else "open") for n in range(8)]
    assert sampled(contacts, flapping) == [(12.5, "chattering", "active")]  # type: ignore[arg-type]


@pytest.mark.parametrize(("kind", "fault"), [("fire.alarm", "fault"), ("intrusion.alarm", "tamper")])
@pytest.mark.parametrize("broken", ["short", "cut"])
def test_a_broken_wire_is_a_fault_and_ends_no_alarm(kind: str, fault: str, broken: Level) -> None:
    contacts = Contacts([Input(1, kind, levels=(200, 500, 800))])
    sampled(contacts, every(0.1, 0, 5, "closed"))
    events = [event for at_s, level in every(0.1, 5, 9, broken) for event in contacts.take(at_s, {1: level})]
    assert [(e.kind, e.state, e.code) for e in events] == [(fault, "active", broken)]
    assert sampled(contacts, every(0.1, 9, 12, "open")) == [(10.0, kind, "restored"), (10.0, broken, "restored")]


@pytest.mark.parametrize(
    ("measured", "levels", "level"),
    [(0, (200, 500, 800), "short"), (200, (200, 500, 800), "closed"), (499, (200, 500, 800), "closed"),
     (500, (200, 500, 800), "open"), (801, (200, 500, 800), "cut"), (900, (800, 500, 200), "short"),
     (600, (800, 500, 200), "closed"), (300, (800, 500, 200), "open"), (10, (800, 500, 200), "cut")],
)  # fmt: skip
def test_end_of_line_resistors_tell_four_states(measured: int, levels: tuple[float, float, float], level: str) -> None:
    assert Input(1, levels=levels).of_number(measured) == level


def test_a_contact_of_the_armed_state_is_no_alarm() -> None:
    contacts = Contacts([Input(1, "arm")])
    samples = [*every(0.1, 0, 3, "open"), *every(0.1, 3, 6, "closed")]
    assert [one[1:] for one in sampled(contacts, samples)] == [("disarm", "info"), ("arm", "info")]


def test_a_module_that_refuses_is_a_fault_at_once_and_its_inputs_are_unknown() -> None:
    module = Module(Contacts([Input(1, on_s=0.0, off_s=0.0)]))
    assert told(module.answered(0.0, {1: "open"})) == [
        ("comm.loss", "restored", None), ("tech.alarm", "restored", "1")]  # fmt: skip
    assert told(module.refused("exception-4")) == [("fault", "active", None)]
    assert module.refused("exception-4") == []
    assert told(module.answered(1.0, {1: "open"})) == [("fault", "restored", None), ("tech.alarm", "restored", "1")]


def test_a_module_is_lost_after_three_requests_and_is_told_once() -> None:
    module = Module(Contacts([Input(1, on_s=0.0)], "02"), "02", lost_after_s=5.0)
    module.answered(0.0, {1: "closed"})
    assert [module.missed(at_s) for at_s in (1.0, 2.0, 3.0, 4.0)] == [[]] * 4  # a lossy line, perhaps
    lost = module.missed(6.0)
    assert told(lost) == [("comm.loss", "active", None)]
    assert (lost[0].partition, lost[0].flags) == ("02", ("unknown",))
    assert module.missed(7.0) == []
    assert told(module.answered(9.0, {1: "closed"})) == [
        ("comm.loss", "restored", None), ("tech.alarm", "active", "1")]  # fmt: skip


def test_the_only_module_of_a_line_leaves_its_silence_to_the_line() -> None:
    module = Module(Contacts([Input(1, on_s=0.0)]))
    module.answered(0.0, {1: "closed"})
    assert [module.missed(float(n)) for n in range(9)] == [[]] * 9
    assert told(module.answered(9.0, {1: "closed"})) == [
        ("comm.loss", "restored", None), ("tech.alarm", "active", "1")]  # fmt: skip


def test_an_answer_in_between_begins_the_count_of_misses_anew() -> None:
    module = Module(Contacts([Input(1)], "1"), "1")
    for n in range(9):
        assert module.missed(n + 0.1) == []
        assert module.missed(n + 0.2) == []
        module.answered(float(n), {1: "open"})


def test_one_line_says_what_the_inputs_are() -> None:
    said = "1-2 fire.alarm; 3=fault nc on=2.5; 4 intrusion.alarm off=3 hold=10 line=7; 5 panic levels=800/500/200"
    assert inputs_from({"inputs": said}, range(1, 9)) == (
        Input(1, "fire.alarm", on_s=0.4, off_s=2.0), Input(2, "fire.alarm", on_s=0.4, off_s=2.0),
        Input(3, "fault", "closed", on_s=2.5, off_s=1.0),
        Input(4, "intrusion.alarm", off_s=3.0, hold_s=10.0, fault_input=7),
        Input(5, "panic", levels=(800, 500, 200)),
    )  # fmt: skip


def test_without_a_word_every_input_is_watched() -> None:
    assert [each.number for each in inputs_from({}, range(4))] == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("entry", "why"),
    [("fire.alarm", "begins with a number"), ("9 fire.alarm", "1 to 8"), ("0 fire.alarm", "1 to 8"),
     ("3-2 fire.alarm", "1 to 8"), ("1 fire.alrm", "no class 'fire.alrm'"), ("1", "no class ''"),
     ("1 panic nx", "'nx' is none of"), ("1 panic on=-1", "seconds from 0"), ("1 panic on=nan", "seconds from 0"),
     ("1 panic on=1e9", "seconds from 0"), ("1 panic; 1-2 fault", "input 1 is described twice"),
     ("1 panic levels=1/2", "three rising or falling"), ("1 panic levels=1/9/3", "three rising or falling"),
     ("1 panic line=9", "one of the inputs"), ("1-2 panic line=3", "belongs to one input")],
)  # fmt: skip
def test_a_wrong_entry_is_refused_with_the_entry_and_the_reason(entry: str, why: str) -> None:
    with pytest.raises(SettingError) as refused:
        inputs_from({"inputs": entry}, range(1, 9))
    assert why in str(refused.value)
    assert entry.split(";")[-1].strip() in str(refused.value)


DOOR = """
[[zone]]
panel = "contacts"
number = "5"
name = { ru = "Дверь стойки", en = "Rack door" }
room = "7777"
role = "rack-door"
"""


def test_a_rack_door_is_opened_once_however_often_the_service_starts_and_closes_while_it_was_away(
    tmp_path: Path,
) -> None:
    config = site(tmp_path, panel_table(tmp_path / "x"), panel_table(tmp_path / "p", panel_id="contacts"), DOOR)
    db, clock = database(config), fake_clock()

    def service(samples: list[tuple[float, Level]]) -> None:
        contacts = Contacts([Input(5, "intrusion.alarm", normally="closed")])
        for at_s, level in samples:
            events = contacts.take(at_s, {5: level})
            with store.transaction(db):
                alarms.record(db, config, "contacts", frame_of(b"same", events), clock)

    service(every(0.1, 0, 3, "closed"))
    service([*every(0.1, 0, 3, "closed"), *every(0.1, 3, 6, "open")])
    service(every(0.1, 0, 3, "open"))
    service(every(0.1, 0, 3, "closed"))
    service(every(0.1, 0, 3, "closed"))
    assert [row["kind"] for row in db.rows("select kind from journal order by seq")] == ["door.opened", "door.closed"]


def test_an_alarm_that_ended_while_the_service_was_away_is_ended_when_it_starts(tmp_path: Path) -> None:
    config = site(tmp_path, panel_table(tmp_path / "x"), panel_table(tmp_path / "p", panel_id="contacts"))
    db, clock = database(config), fake_clock()
    for level in ("closed", "open"):  # two starts of the service
        contacts = Contacts([Input(1, "fire.alarm")])
        for n in range(40):
            with store.transaction(db):
                alarms.record(db, config, "contacts", frame_of(b"", contacts.take(n / 10, {1: level})), clock)
    rows = db.rows("select kind, count, restored_at from alarm")
    assert [(row["kind"], row["count"], row["restored_at"] is not None) for row in rows] == [("fire.alarm", 1, True)]


def test_every_class_of_a_contact_has_its_group_and_every_name_its_russian() -> None:
    assert set(NAMES) - {"arm", "zone.open"} <= LISTED
    others = (
        "Input chattering", "Input line short", "Input line cut", "Module not heard", "Module refuses to be read",
        "Input module", "Panel message", "State code that the profile does not know", "Disarmed",
    )  # fmt: skip
    names = {*NAMES.values(), *others}
    russian = Words("ru", ZoneInfo("UTC"))
    assert {name for name in names if russian.say(name) == name} == set()
