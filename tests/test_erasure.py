"""Lawful erasure as a person does it: what goes is gone from every file, and the proof holds as before."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from appliance import accounts, erasure, journal, journal_check, journal_export, journal_search, orders, store
from appliance import verify_journal as verifier
from appliance.clock import FakeClock
from appliance.commands.journal import journal as command
from appliance.config import Config
from appliance.erasure import Plan
from appliance.journal_search import Wanted
from appliance.model import Actor, ApplianceError, Person, Personal, Role
from appliance.store import Database
from tests.fakes import exam_site
from tests.fakes.seeded_site import Site

pytest_plugins = ["tests.web_fixtures"]
CONSOLE = Actor.service("console")
GROUND = "Заявление № 4"
ADMIN = Person("kuznetsova", "Кузнецова М. О.", Role.ADMIN, "ru")
HEAD = Person("glavnaya", "Главная Н. П.", Role.HEAD, "ru")
OFFICER = "petrov"  # security of the seeded site, acknowledged a fire and agreed to a hand-over


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return exam_site.site(tmp_path)


@pytest.fixture
def db(config: Config) -> Database:
    return exam_site.database(config)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(datetime(2026, 11, 20, 6, 0, tzinfo=UTC))


@pytest.fixture
def orlov(db: Database, config: Config, clock: FakeClock) -> Person:
    who = accounts.add(db, config, clock, CONSOLE, "orlov", "Орлова П. С.", Role.TECHNICIAN, "ru", "gory-reka-7-fonar")
    accounts.add(db, config, clock, CONSOLE, "ivanova", "Иванова А. В.", Role.ADMIN, "ru", "gory-reka-7-fonar")
    accounts.add(db, config, clock, CONSOLE, "glavnaya", HEAD.name, Role.HEAD, "ru", "gory-reka-7-fonar")
    return who


def add(db: Database, clock: FakeClock, who: Person, **data: Any) -> int:
    with store.transaction(db):
        return journal.append(db, clock, "camera.silent", Actor.person(who), **data)


def erased(db: Database, config: Config, clock: FakeClock, login: str, ground: str = GROUND, **how: Any) -> Plan:
    """One asks, another agrees."""
    return erasure.agree(db, config, clock, erasure.ask(db, clock, ADMIN, login, ground, **how), HEAD)


def erase(config: Config, *more: str, language: str = "C.UTF-8") -> Result:
    argv = ["erase", "--config", str(config.source), "--person", "orlov", "--ground", GROUND, *more]
    return CliRunner(env={"LC_ALL": language}).invoke(command, argv)


def by_both(config: Config, asked_by: str = "ivanova", agreed_by: str = "glavnaya") -> list[str]:
    """Both people of the console, who give their passwords."""
    file = config.data.parent / "password"
    file.write_text("gory-reka-7-fonar\n", encoding="utf-8")
    return ["--asked-by", asked_by, "--asked-password-file", str(file),
            "--agreed-by", agreed_by, "--agreed-password-file", str(file)]  # fmt: skip


def test_a_dry_run_says_what_goes_and_what_stays_and_changes_nothing(
    db: Database, config: Config, clock: FakeClock, orlov: Person
) -> None:
    word = add(db, clock, orlov, word=Personal("Ключ отдан Орловой"))
    accounts.disable(db, clock, CONSOLE, "orlov")
    openings = db.rows("select * from journal_personal")
    said = erase(config, "--dry-run", language="ru_RU.UTF-8")
    assert said.output.splitlines() == [
        "Будет стёрто: значений 6, в записях: 3.",
        "У учётной записи orlov пропадёт имя, логин будет другой.",
        f"Фамилия стоит и остаётся в словах людей, записи: {word}. С ключом --words сотрутся и они.",
        "Остаются: записи со временем, ролью и действием, доказательства, видеозаписи, все копии, покинувшие прибор.",
        "Ничего не стёрто.",
    ]
    assert said.exit_code == 0
    assert db.rows("select * from journal_personal") == openings
    assert accounts.get(db, "orlov").name == "Орлова П. С."
    told = json.loads(erase(config, "--dry-run", "--words", "--json").output)
    assert told == {"erased": False, "values": 7, "entries": 3, "account": True, "words_left": []}


def test_after_it_everything_verifies_and_exports_against_what_left_before(
    db: Database, config: Config, clock: FakeClock, orlov: Person, tmp_path: Path
) -> None:
    for _ in range(5):
        add(db, clock, orlov, word=Personal("Был Орлов"))
    early = journal_export.export(db, config, clock, CONSOLE, tmp_path / "early")
    accounts.disable(db, clock, CONSOLE, "orlov")
    assert erase(config, "--words", *by_both(config)).exit_code == 0
    late = journal_export.export(db, config, clock, CONSOLE, tmp_path / "late")
    report = verifier.check(late.path, [early.checkpoint.note])
    assert (report.ok, len(report.held)) == (True, 1), [f.say() for f in report.faults]
    assert [r.args["n"] for r in report.remarks if r.what == "erased"] == [20]
    checked = journal_check.check(db, [early.checkpoint.note])
    assert (checked.faults, checked.refusals, checked.held) == ((), (), 1)


def test_neither_search_nor_any_file_has_anything_of_the_person(after: Site, tmp_path: Path) -> None:
    site, who = after, accounts.get(after.db, OFFICER)
    journal_search.catch_up(site.db, site.config, site.clock, 60)
    accounts.disable(site.db, site.clock, CONSOLE, OFFICER)
    wanted = [Wanted(text=text) for text in (OFFICER, who.name)]  # Петров alone finds Пётр, too
    assert all(journal_search.find(site.db, site.config, each).entries for each in wanted)
    erased(site.db, site.config, site.clock, OFFICER, GROUND, words=True)
    assert not any(journal_search.find(site.db, site.config, each).entries for each in wanted)
    for _ in range(20):  # the keeper's ticks: entries are indexed anew, then the erased words pressed out of the file
        journal_search.catch_up(site.db, site.config, site.clock, 60)
    assert not any(journal_search.find(site.db, site.config, each).entries for each in wanted)
    store.checkpoint(site.db)
    journal_export.export(site.db, site.config, site.clock, CONSOLE, tmp_path / "late")
    for file in (*site.config.data.rglob("*"), *(tmp_path / "late").rglob("*")):
        for text in (OFFICER, "Петров") if file.is_file() else ():
            assert text.encode() not in file.read_bytes(), f"{text} in {file}"


def test_whatever_named_the_person_names_the_account_that_is_left(after: Site) -> None:
    db, clock = after.db, after.clock
    accounts.disable(db, clock, CONSOLE, OFFICER)
    taken = db.value("select count(*) from alarm where acknowledged_by = ?", (OFFICER,))
    sessions = db.value("select count(*) from web_session where login = ?", (OFFICER,))
    erased(db, after.config, clock, OFFICER, GROUND)
    left = accounts.get(db, "erased-1")
    assert (left.name, left.role, left.disabled) == ("erased-1", Role.SECURITY, True)
    assert db.value("select count(*) from alarm where acknowledged_by = 'erased-1'") == taken >= 1
    assert db.value("select count(*) from web_session where login = 'erased-1'") == sessions
    assert journal.entries(db, kinds=["personal.erased"])[0].data["account"] == "erased-1"
    for text in ("gory-reka-7-fonar", ""):
        with pytest.raises(ApplianceError, match="did not match"):
            accounts.check_password(db, after.config, clock, "erased-1", text)
    accounts.disable(db, clock, CONSOLE, after.login(Role.EXPORTER))
    erased(db, after.config, clock, after.login(Role.EXPORTER), GROUND)
    assert not db.rows("select key from orders where key like 'sidorov%'")  # of the form the exporter had sent
    assert accounts.get(db, "erased-2").role is Role.EXPORTER


def test_an_account_in_use_keeps_its_name_and_only_what_is_older_goes(
    db: Database, config: Config, clock: FakeClock, orlov: Person
) -> None:
    clock.advance(86_400)  # 21 November, 11:00 at the site
    late = add(db, clock, orlov)
    refused = erase(config, *by_both(config))
    assert refused.exit_code == 1
    assert "is in use" in str(refused.exception or refused.output)
    assert erase(config, "--before", "2026-11-21", *by_both(config)).exit_code == 0
    assert accounts.get(db, "orlov") == orlov
    assert journal.get(db, late).actor.name == orlov.name
    assert [e.data["values"] for e in journal.entries(db, kinds=["personal.erased"])] == [2]  # of person.added
    assert erase(config, "--before", "2026-11-21", *by_both(config)).exit_code == 1  # there is nothing left


def test_a_name_is_found_wherever_it_stands_beside_the_login(
    db: Database, config: Config, clock: FakeClock, orlov: Person
) -> None:
    ivanova = accounts.get(db, "ivanova")
    add(db, clock, ivanova, executor={"login": Personal("kim"), "name": Personal("Ким В."), "post": "инженер"})
    other = add(db, clock, ivanova, by=Personal("Ким В."), people=[Personal("Ким В."), Personal("Ким О.")])
    done = erased(db, config, clock, "kim", GROUND)
    assert (len(done.openings), done.account) == (5, False)  # the request itself named them
    said = journal.get(db, other)
    assert (said.data["by"], said.data["people"], said.actor.name) == ("", ["", "Ким О."], "Иванова А. В.")
    assert done.words == ()  # three letters stand in too many words


def test_words_go_when_that_is_asked_for(db: Database, config: Config, clock: FakeClock, orlov: Person) -> None:
    ivanova = accounts.get(db, "ivanova")
    named = [add(db, clock, ivanova, word=Personal(w)) for w in ("Отдала ключ ОРЛОВУ", "Был Орлов", "Видели орла")]
    accounts.disable(db, clock, CONSOLE, "orlov")
    assert erasure.plan(db, "orlov").words == tuple(named[:2])
    erased(db, config, clock, "orlov", GROUND, words=True)
    assert [journal.get(db, n).data["word"] for n in named] == ["", "", "Видели орла"]


@pytest.mark.parametrize(("hours", "goes"), [(-2.5, True), (-1.5, False), (1, False), (5, True)])
def test_nothing_is_erased_during_an_exam(
    db: Database, config: Config, clock: FakeClock, orlov: Person, hours: float, goes: bool
) -> None:
    exam_site.planned(db, config, clock, "russian")
    accounts.disable(db, clock, CONSOLE, "orlov")
    clock.step((exam_site.START + timedelta(hours=hours) - clock.now()).total_seconds())
    order = erasure.ask(db, clock, ADMIN, "orlov", GROUND)
    before = journal.head(db)
    if goes:
        erasure.agree(db, config, clock, order, HEAD)
    else:
        with pytest.raises(ApplianceError, match="Nothing is erased before it is over"):
            erasure.agree(db, config, clock, order, HEAD)
        assert journal.head(db) == before
        assert accounts.get(db, "orlov").name == orlov.name


def test_a_failed_erasure_leaves_everything(
    db: Database, config: Config, clock: FakeClock, orlov: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    accounts.disable(db, clock, CONSOLE, "orlov")
    for ground in (" ", "Заявление Орловой", "request of ORLOV"):
        with pytest.raises(ApplianceError, match="ground"):
            erasure.ask(db, clock, ADMIN, "orlov", ground)
    order = erasure.ask(db, clock, ADMIN, "orlov", GROUND)
    dump = list(db.conn.iterdump())
    monkeypatch.setattr(journal, "append", lambda *_args, **_more: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        erasure.agree(db, config, clock, order, HEAD)
    assert list(db.conn.iterdump()) == dump


def test_nothing_is_erased_by_one_person(db: Database, config: Config, clock: FakeClock, orlov: Person) -> None:
    accounts.disable(db, clock, CONSOLE, "orlov")
    order = erasure.ask(db, clock, ADMIN, "orlov", GROUND)
    assert erasure.ask(db, clock, ADMIN, "orlov", GROUND) == order  # pressed twice
    openings = db.rows("select * from journal_personal")
    with pytest.raises(ApplianceError, match="Another person must agree"):
        erasure.agree(db, config, clock, order, ADMIN)
    with pytest.raises(ApplianceError, match="has changed"):
        erasure.agree(db, config, clock, order, HEAD, shown="of another page")
    assert erase(config).exit_code == 1  # nobody said who
    for both in (("ivanova", "ivanova"), ("glavnaya", "ivanova")):
        assert erase(config, *by_both(config, *both)).exit_code == 1
    assert db.rows("select * from journal_personal") == openings
    orders.refuse(db, clock, order, HEAD, "Нет заявления")
    with pytest.raises(ApplianceError, match="no longer waits"):
        erasure.agree(db, config, clock, order, HEAD)
    done = erased(db, config, clock, "orlov", GROUND)
    told = journal.entries(db, kinds=["personal.erased"])[0]
    assert (told.data["asked"], told.actor.name) == (ADMIN.login, HEAD.name)  # an asker without an account: the login
    assert {o.args["login"] for o in orders.recent(db, erasure.KIND)} == {"erased-1"}  # of the refused one, too
    assert done.openings


def test_a_page_of_erased_names_costs_no_more_than_one_of_names(
    db: Database, config: Config, clock: FakeClock, orlov: Person
) -> None:
    for _ in range(30):
        add(db, clock, orlov, word=Personal("Переткнул кабель"))
    asked: list[str] = []
    accounts.disable(db, clock, CONSOLE, "orlov")
    erased(db, config, clock, "orlov", GROUND)
    db.conn.set_trace_callback(asked.append)
    found = [entry for entry in journal.entries(db) if entry.kind == "camera.silent"]
    told = list(journal.openings(db, journal.stored_rows(db)))
    db.conn.set_trace_callback(None)
    assert [(e.actor.name, e.data["word"]) for e in found] == [("", "Переткнул кабель")] * 30
    assert sum("erased" in each for each in told) == 65  # two each, also where it was added and disabled; the request
    assert len(asked) <= 8
