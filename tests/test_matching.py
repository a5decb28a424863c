"""Events and announced actions: one verdict each, in time, whatever the order and whoever is killed in between."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance import access, journal, matching, store
from appliance import config as configuration
from appliance.clock import FakeClock
from appliance.config import Config
from appliance.kinds import KINDS, sentence
from appliance.model import Actor, Person, Role
from appliance.profile import Expect, Match
from appliance.store import Database
from appliance.words import Words
from tests.fakes.exam_site import ROOT, clock_at, database, site
from tests.fakes.killed_writes import Killed, killed_after

BOX = Actor.service("keeper")
ORLOV = Person("orlov", "Орлов П. С.", Role.TECHNICIAN, "ru")
IVANOVA = Person("ivanova", "Иванова А. В.", Role.HEAD, "ru")
RACK = """
[[panel]]
id = "contacts"
name = { ru = "Контакты", en = "Contacts" }
kind = "surgard"
port = "dev-panel"
[[zone]]
panel = "contacts"
number = "005"
name = { ru = "Дверь стойки", en = "Rack door" }
room = "7777"
role = "rack-door"
"""
ANNOUNCE_S = 15 * 60  # examples/ru-ege.toml: a rack door may be announced this long after
SETTLED_S = 3 * 3600  # by then every rule has run out of patience, but for actions in progress


@dataclass(slots=True)
class Desk:
    db: Database
    config: Config
    clock: FakeClock
    forms: int = 0

    def opens(self, role: str = "rack-door", room: str = "7777") -> int:
        return self.enters("door.opened", room=room, zone={"ru": "Дверь стойки", "en": "Rack door"}, role=role)

    def enters(self, kind: str, *, room: str | None = None, camera: str | None = None, refs: tuple[int, ...] = (),
               **data: Any) -> int:  # fmt: skip
        with store.transaction(self.db):
            return journal.append(self.db, self.clock, kind, BOX, room=room, camera=camera, refs=refs, **data)

    def begins(self, action: str = "replace", room: str = "7777") -> int:
        self.forms += 1
        key = str(self.forms)
        return access.begin(self.db, self.config, self.clock, ORLOV, action, [room], "", key=key)

    def ends(self, act: int) -> None:
        self.forms += 1
        access.end(self.db, self.config, self.clock, act, ORLOV, key=f"{self.forms}")

    def declines(self, act: int) -> None:
        self.forms += 1
        access.decline(self.db, self.config, self.clock, act, IVANOVA, "password", "не было", key=f"{self.forms}")

    def passes(self, seconds: float) -> None:
        self.clock.advance(seconds)
        matching.tend(self.db, self.config, self.clock)

    def verdict(self, seq: int) -> str | None:
        found = matching.verdict_of(self.db, seq)
        return None if found is None else found["verdict"]

    def verdicts(self) -> list[str]:
        return [entry.kind for entry in journal.entries(self.db, limit=1000)
                if entry.kind in ("event.explained", "event.unexplained", "access.contradicted")]  # fmt: skip

    def last(self) -> str:
        entry = journal.entries(self.db, newest_first=True, limit=1)[0]
        return Words("en", self.config.site.zone).say(sentence(entry)).replace("\u00a0", " ")


def made(folder: Path) -> Desk:
    config = site(folder, more=RACK)
    return Desk(database(config), config, clock_at("07:58"))


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    found = made(tmp_path)
    yield found
    found.db.close()


def test_a_door_nobody_announced_is_unexplained_when_the_time_to_announce_is_over(desk: Desk) -> None:
    door = desk.opens()
    desk.passes(130)
    desk.enters("door.closed", refs=(door,), zone={"ru": "Дверь стойки", "en": "Rack door"}, open_ms=130_000)
    desk.passes(ANNOUNCE_S - 131)
    assert (desk.verdict(door), desk.verdicts()) == (None, [])
    desk.passes(1)
    assert desk.verdicts() == ["event.unexplained"]
    assert desk.last() == "Rack door was open at 12:58:00 for 2 min 10 s, no action announced. Write who and why"
    (waiting,) = journal.waiting(desk.db)
    assert (waiting.refs, waiting.room, waiting.data["waits"]) == ((door,), "7777", "explanation")


def test_a_door_shut_in_the_same_moment_was_open_all_the_same(desk: Desk) -> None:
    door = desk.opens()
    desk.enters("door.closed", refs=(door,), open_ms=0)
    desk.passes(ANNOUNCE_S)
    assert desk.verdict(door) == "unexplained"


def test_an_action_in_progress_explains_a_door_at_once(desk: Desk) -> None:
    act = desk.begins("check")
    desk.passes(60)
    door = desk.opens()
    desk.passes(1)
    assert desk.verdict(door) == "explained"
    assert desk.last() == "Rack door opened at 12:59:00. Announced: Operability check"
    assert journal.entries(desk.db, kinds=["event.explained"])[0].refs == (door, act)
    assert journal.waiting(desk.db) == []


def test_of_several_actions_the_newest_announced_before_the_event_is_cited(desk: Desk) -> None:
    first = desk.begins("check")
    desk.ends(first)
    second = desk.begins("angle")
    door = desk.opens()
    desk.begins("card")
    desk.passes(1)
    found = matching.verdict_of(desk.db, door)
    assert found is not None
    assert found["act"] == second


@pytest.mark.parametrize(("after_s", "verdict"), [(ANNOUNCE_S - 2, "unexplained"), (500, "explained")])
def test_an_action_may_be_announced_a_little_after_the_event(desk: Desk, after_s: float, verdict: str) -> None:
    """Soon enough to be said, and the event no longer before it than the rule allows: ten minutes."""
    door = desk.opens()
    desk.passes(after_s)
    desk.begins("check")
    desk.passes(1)
    desk.passes(ANNOUNCE_S)
    assert desk.verdict(door) == verdict


def test_an_action_announced_too_late_changes_nothing_however_late_the_keeper_looks(desk: Desk) -> None:
    door = desk.opens()
    desk.clock.advance(ANNOUNCE_S + 60)  # no keeper runs
    at = desk.clock.now() - timedelta(seconds=ANNOUNCE_S + 120)
    access.state(desk.db, desk.config, desk.clock, ORLOV, "check", ["7777"], at, desk.clock.now(), key="late")
    desk.passes(1)
    assert desk.verdict(door) == "unexplained"


def test_an_action_in_another_room_explains_nothing(desk: Desk) -> None:
    desk.begins("check", room="0001")
    door = desk.opens()
    desk.passes(ANNOUNCE_S)
    assert desk.verdict(door) == "unexplained"


def test_an_action_nobody_ended_explains_nothing_for_ever(desk: Desk) -> None:
    desk.begins("check")
    desk.passes(4 * 3600 + 601)
    door = desk.opens()
    desk.passes(ANNOUNCE_S)
    assert desk.verdict(door) == "unexplained"


def test_an_action_that_was_over_long_before_explains_nothing(desk: Desk) -> None:
    act = desk.begins("check")
    desk.passes(60)
    desk.ends(act)
    desk.passes(601)
    door = desk.opens()
    desk.passes(ANNOUNCE_S)
    assert desk.verdict(door) == "unexplained"


def test_an_action_that_was_left_open_for_hours_does_not_cover_them_when_it_is_ended_at_last(desk: Desk) -> None:
    act = desk.begins("check")
    desk.clock.advance(5 * 3600)
    door = desk.opens()
    desk.clock.advance(60)
    desk.ends(act)
    desk.passes(ANNOUNCE_S)
    assert desk.verdict(door) == "unexplained"


@pytest.mark.parametrize(("corrected_first", "verdict"), [(True, "unexplained"), (False, "explained")])
def test_a_correction_counts_for_what_comes_after_it(desk: Desk, corrected_first: bool, verdict: str) -> None:
    """What was announced when the door opened stands; a correction said too late neither helps nor harms it."""
    act = desk.begins("check")
    began_at = desk.clock.now()
    desk.clock.advance(60)
    door = 0 if corrected_first else desk.opens()
    access.correct(desk.db, desk.config, desk.clock, act, ORLOV, "check", ["0001"], began_at, None, key="c")
    door = door or desk.opens()
    desk.passes(ANNOUNCE_S)
    assert desk.verdict(door) == verdict


def test_an_action_that_is_declined_takes_its_explanation_along(desk: Desk) -> None:
    act = desk.begins("check")
    door = desk.opens()
    desk.passes(5)
    desk.ends(act)
    desk.passes(ANNOUNCE_S)
    assert desk.verdict(door) == "explained"
    desk.declines(act)
    desk.passes(1)
    assert desk.verdict(door) == "unexplained"
    assert [one.event.seq for one in matching.unexplained(desk.db)] == [door]


def test_a_camera_that_came_back_by_itself_owes_nothing_and_one_that_stayed_away_does(desk: Desk) -> None:
    first = desk.enters("camera.silent", room="0001", camera="room-0001")
    desk.passes(20)
    desk.enters("camera.returned", room="0001", camera="room-0001", silent_ms=20_000)
    second = desk.enters("camera.silent", room="0001", camera="room-0001")
    desk.passes(ANNOUNCE_S)
    desk.enters("camera.returned", room="0001", camera="room-0001", silent_ms=900_000)
    desk.passes(1)
    assert [desk.verdict(first), desk.verdict(second)] == ["brief", "unexplained"]


@pytest.mark.parametrize("looked", [True, False])
def test_brief_is_brief_also_during_an_announced_action(desk: Desk, looked: bool) -> None:
    desk.begins("check", room="0001")
    silent = desk.enters("camera.silent", room="0001", camera="room-0001")
    desk.clock.advance(20)
    if looked:
        desk.passes(1)
    desk.enters("camera.returned", room="0001", camera="room-0001", silent_ms=20_000)
    desk.passes(ANNOUNCE_S)
    assert desk.verdict(silent) == "brief"


def test_a_camera_gone_during_an_announced_action_is_explained_when_it_stays_away(desk: Desk) -> None:
    desk.begins("replace", room="0001")
    silent = desk.enters("camera.silent", room="0001", camera="room-0001")
    desk.passes(1)
    assert desk.verdict(silent) is None
    desk.passes(120)
    assert desk.verdict(silent) == "explained"


def test_a_camera_that_came_back_late_owes_its_explanation(desk: Desk) -> None:
    silent = desk.enters("camera.silent", room="0001", camera="room-0001")
    desk.passes(121)
    desk.enters("camera.returned", room="0001", camera="room-0001", silent_ms=121_000)
    desk.passes(ANNOUNCE_S)
    assert desk.verdict(silent) == "unexplained"


def test_a_program_started_again_at_once_owes_nothing_and_a_box_that_was_off_does(desk: Desk) -> None:
    boot = desk.clock.boot()
    short = desk.enters("box.absent", absent_ms=70_000, boot_was=boot)
    long = desk.enters("box.absent", absent_ms=600_000, boot_was=boot)
    off = desk.enters("box.absent", absent_ms=30_000, boot_was="another")
    desk.passes(ANNOUNCE_S)
    assert [desk.verdict(one) for one in (short, long, off)] == ["brief", "unexplained", "unexplained"]


def test_what_no_rule_names_is_never_judged(desk: Desk) -> None:
    door, entry = desk.opens(role="room-door"), desk.enters("mains.lost")
    desk.passes(SETTLED_S)
    assert [desk.verdict(door), desk.verdict(entry), desk.verdicts()] == [None, None, []]


def test_a_step_of_the_clock_neither_hurries_a_verdict_nor_holds_it(desk: Desk) -> None:
    door = desk.opens()
    desk.clock.step(30 * 86_400)
    desk.passes(10)
    assert desk.verdict(door) is None
    desk.clock.step(-60 * 86_400)
    desk.passes(ANNOUNCE_S)
    assert desk.verdict(door) == "unexplained"


def test_over_a_reboot_into_a_clock_that_is_wrong_the_verdict_still_falls(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    door = desk.opens()
    monkeypatch.setattr(desk.clock, "boot", lambda: "another")
    monkeypatch.setattr(desk.clock, "_mono_s", 5.0)
    desk.clock.step(-50 * 365 * 86_400)
    desk.passes(60)
    assert desk.verdict(door) is None
    desk.passes(ANNOUNCE_S)
    assert desk.verdict(door) == "unexplained"


def test_days_without_an_event_are_read_once(desk: Desk) -> None:
    with store.transaction(desk.db):
        for _ in range(matching.BATCH + 1):
            journal.append(desk.db, desk.clock, "box.alive", BOX)
    desk.passes(1)
    assert desk.db.value("select seq from judged_to") == journal.head(desk.db)[0]
    door = desk.opens()
    desk.passes(ANNOUNCE_S)
    assert desk.verdict(door) == "unexplained"


def test_a_journal_that_is_read_again_is_not_judged_again(desk: Desk) -> None:
    door = desk.opens()
    desk.passes(ANNOUNCE_S)
    with store.transaction(desk.db):
        desk.db.write("delete from judged_to")
    desk.passes(ANNOUNCE_S)
    assert (desk.verdict(door), desk.verdicts()) == ("unexplained", ["event.unexplained"])


def test_an_entry_of_an_older_program_that_waits_itself_is_left_alone(desk: Desk) -> None:
    door = desk.enters("door.opened", room="7777", role="rack-door", waits="explanation", zone="Стойка")
    desk.passes(SETTLED_S)
    assert desk.verdict(door) is None


def test_a_replacement_that_no_sensor_saw_is_contradicted(desk: Desk) -> None:
    act = desk.begins("replace")
    desk.passes(600)
    desk.ends(act)
    desk.passes(60)
    assert desk.verdicts() == []
    desk.passes(SETTLED_S)
    assert desk.last() == "Announced: Equipment replacement, but the rack stayed shut. Clarify with a corrective entry"
    (found,) = matching.contradictions(desk.db)
    assert (found.act.seq, found.entry.data["waits"], found.word) == (act, "explanation", None)
    journal.review(desk.db, desk.clock, found.entry.seq, IVANOVA, "accepted")
    assert matching.contradictions(desk.db) == []


def test_a_replacement_whose_rack_was_opened_is_no_contradiction(desk: Desk) -> None:
    act = desk.begins("replace")
    desk.opens()
    desk.passes(600)
    desk.ends(act)
    desk.passes(SETTLED_S)
    assert (desk.verdict(act), desk.verdicts()) == ("met", ["event.explained"])


def test_a_rack_opened_hours_before_does_not_stand_for_a_replacement(desk: Desk) -> None:
    desk.opens()
    desk.passes(SETTLED_S)
    act = desk.begins("replace")
    desk.ends(act)
    desk.passes(SETTLED_S)
    assert desk.verdict(act) == "contradicted"


def test_nothing_is_expected_of_an_action_that_was_declined_or_corrected(desk: Desk) -> None:
    declined = desk.begins("replace")
    desk.ends(declined)
    desk.declines(declined)
    began_at = desk.clock.now()
    corrected = desk.begins("replace")
    desk.passes(60)
    desk.ends(corrected)
    access.correct(desk.db, desk.config, desk.clock, corrected, ORLOV, "check", ["7777"], began_at, desk.clock.now(),
                   key="c")  # fmt: skip
    desk.passes(SETTLED_S)
    assert [desk.verdict(declined), desk.verdict(corrected), desk.verdicts()] == ["free", "free", []]


def test_nothing_is_expected_of_sensors_the_site_has_not(tmp_path: Path) -> None:
    text = (ROOT / "examples/ru-ege.toml").read_text(encoding="utf-8")
    (tmp_path / "profile.toml").write_text(text.replace(
        'events = ["door.opened", "box.opened", "usb.plugged", "network.lost", "camera.silent", "camera.replaced"]',
        'events = ["door.opened"]'), encoding="utf-8")  # fmt: skip
    site(tmp_path)
    file = tmp_path / "site.toml"
    file.write_text(file.read_text(encoding="utf-8").replace(str(ROOT / "examples" / "ru-ege.toml"), "profile.toml"))
    config = configuration.load(file)
    desk = Desk(database(config), config, clock_at("07:58"))
    act = desk.begins("replace")
    desk.ends(act)
    desk.passes(SETTLED_S)
    assert (desk.verdict(act), desk.verdicts()) == ("free", [])


def test_the_rules_of_the_example_profile_name_kinds_and_roles_that_exist(desk: Desk) -> None:
    rules: tuple[Match | Expect, ...] = (*desk.config.profile.journal.match, *desk.config.profile.journal.expect)
    assert {kind for rule in rules for kind in rule.events} <= KINDS.keys()
    assert {rule.role for rule in rules} <= {"", "rack-door", "room-door", "box-cover"}
    assert any(isinstance(rule, Match) and "door.opened" in rule.events for rule in rules)


def test_until_the_head_accepts_it_stays_on_the_page(desk: Desk) -> None:
    door = desk.opens()
    matching.tend(desk.db, desk.config, desk.clock)
    (pending,) = matching.unexplained(desk.db)
    assert (pending.event.seq, pending.entry) == (door, None)
    desk.passes(ANNOUNCE_S)
    (found,) = matching.unexplained(desk.db)
    assert found.entry is not None
    journal.explain(desk.db, desk.clock, found.entry.seq, ORLOV, "Переткнул кабель")
    (found,) = matching.unexplained(desk.db)
    assert found.word is not None
    assert found.entry is not None
    journal.review(desk.db, desk.clock, found.entry.seq, IVANOVA, "accepted")
    assert matching.unexplained(desk.db) == []


# What may happen, in any order, with seconds in between.
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["opens", "begins", "begins elsewhere", "ends", "declines", "silent", "returned"]),
        st.integers(0, 1500),
    ),
    min_size=1,
    max_size=9,
)


def lived(folder: Path, steps: list[tuple[str, int]], restarts: list[bool]) -> dict[int, tuple[str, str | None]]:
    """Live the steps; the keeper looks after a step only where `restarts` says it was running. The verdict of each."""
    folder.mkdir()
    desk = made(folder)
    acts: list[int] = []
    events: list[int] = []
    for place, (what, seconds) in enumerate(steps):
        if what == "opens":
            events.append(desk.opens())
        elif what.startswith("begins") and not acts:
            acts.append(desk.begins("check", room="0001" if "elsewhere" in what else "7777"))
        elif what == "ends" and acts:
            act = acts.pop()
            desk.ends(act)
            if seconds % 2:
                desk.declines(act)
        elif what == "silent":
            events.append(desk.enters("camera.silent", room="7777", camera="hq"))
        elif what == "returned":
            desk.enters("camera.returned", room="7777", camera="hq", silent_ms=1)
        desk.clock.advance(seconds)
        if restarts[place % len(restarts)]:
            matching.tend(desk.db, desk.config, desk.clock)
    desk.passes(SETTLED_S)
    desk.passes(1)
    found: dict[int, tuple[str, str | None]] = {}
    for number, event in enumerate(events):
        answers = [one for one in journal.answers(desk.db, event) if one.kind.startswith("event.")]
        verdict = desk.verdict(event)
        told = answers[-1].kind.removeprefix("event.") if answers else "brief"
        assert told == verdict
        assert len(answers) <= 2  # a second one only when the action that explained it was declined
        if len(answers) == 2:
            assert answers[0].kind == "event.explained"
        found[number] = (journal.get(desk.db, event).kind, verdict)
    desk.db.close()
    return found


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS, restarts=st.lists(st.booleans(), min_size=1, max_size=5))
def test_a_keeper_that_was_away_comes_to_the_same_verdicts(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]], restarts: list[bool]
) -> None:
    folder = tmp_path_factory.mktemp("lived")
    always, sometimes = lived(folder / "a", steps, [True]), lived(folder / "b", steps, restarts)
    assert always == sometimes
    assert all(verdict is not None for _, verdict in always.values())


def test_a_kill_between_any_two_writes_leaves_one_verdict(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    door = desk.opens()
    desk.clock.advance(ANNOUNCE_S)
    for survives in range(30):
        killed_after(monkeypatch, survives)
        try:
            matching.tend(desk.db, desk.config, desk.clock)
        except Killed:
            assert desk.verdicts() == []
            continue
        break
    monkeypatch.undo()
    desk.passes(1)
    assert survives > 3
    assert (desk.verdict(door), desk.verdicts()) == ("unexplained", ["event.unexplained"])
