"""People, roles, sign-in: no default accounts, pauses that end, sessions that end at once."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from appliance import accounts, config, journal, store
from appliance.clock import FakeClock
from appliance.config import Config
from appliance.model import Actor, ApplianceError, Person, Role
from appliance.store import Database

ROOT = Path(__file__).resolve().parent.parent
CONSOLE = Actor.service("console")
GOOD = "four unrelated words"


@pytest.fixture
def site() -> Config:
    return config.load(ROOT / "examples" / "site.toml")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(datetime(2026, 11, 22, 2, 50, tzinfo=UTC))


@pytest.fixture
def db(tmp_path: Path) -> Database:
    return store.open(tmp_path / "examsite.db", create=True)


@pytest.fixture
def orlov(db: Database, site: Config, clock: FakeClock) -> Person:
    return accounts.add(db, site, clock, CONSOLE, "Orlov", "Орлов П. С.", Role.TECHNICIAN, "ru", GOOD)


def sign_in(db: Database, site: Config, clock: FakeClock, password: str = GOOD, login: str = "orlov") -> str:
    return accounts.sign_in(db, site, clock, login, password, "127.0.0.1")[0]


def test_a_new_box_knows_nobody(db: Database) -> None:
    assert accounts.people(db) == []


def test_the_password_is_kept_as_argon2id_and_the_session_as_a_hash(
    db: Database, site: Config, clock: FakeClock, orlov: Person
) -> None:
    token = sign_in(db, site, clock)
    dump = "\n".join(db.iterdump())
    assert "$argon2id$" in dump
    assert GOOD not in dump
    assert token not in dump


@pytest.mark.parametrize("weak", ["short", "aaaaaaaaaaaaaaa", "orlovorlovorlov", "0123examsite0123", "password1234"])
def test_a_weak_password_is_refused(db: Database, site: Config, clock: FakeClock, weak: str) -> None:
    with pytest.raises(ApplianceError, match=r"too short|easy to guess"):
        accounts.add(db, site, clock, CONSOLE, "orlov", "Орлов", Role.TECHNICIAN, "ru", weak)


def test_a_login_is_taken_once(db: Database, site: Config, clock: FakeClock, orlov: Person) -> None:
    with pytest.raises(ApplianceError, match="taken"):
        accounts.add(db, site, clock, CONSOLE, "orlov", "Другой", Role.ADMIN, "ru", GOOD)


def test_signing_in_and_out_is_in_the_journal(db: Database, site: Config, clock: FakeClock, orlov: Person) -> None:
    token = sign_in(db, site, clock)
    assert accounts.person_of(db, site, clock, token) == orlov
    accounts.sign_out(db, clock, token)
    assert accounts.person_of(db, site, clock, token) is None
    assert [e.kind for e in journal.entries(db)] == ["person.added", "signin.accepted", "signin.ended"]


def test_a_wrong_password_and_an_unknown_login_get_the_same_answer(
    db: Database, site: Config, clock: FakeClock, orlov: Person
) -> None:
    said = []
    for login in ("orlov", "nobody"):
        with pytest.raises(ApplianceError) as refused:
            sign_in(db, site, clock, "wrong words here", login)
        said.append(str(refused.value))
    assert said[0] == said[1]
    assert [e.kind for e in journal.entries(db)][-2:] == ["signin.refused", "signin.refused"]


def test_too_many_tries_pause_and_the_pause_grows_and_ends(
    db: Database, site: Config, clock: FakeClock, orlov: Person
) -> None:
    rules = site.profile.signin
    for _ in range(rules.tries):
        with pytest.raises(ApplianceError, match="did not match"):
            sign_in(db, site, clock, "wrong words here")
    with pytest.raises(ApplianceError, match="Wait"):
        sign_in(db, site, clock)  # even the right one
    clock.advance(rules.pause_s + 1)
    with pytest.raises(ApplianceError, match="did not match"):
        sign_in(db, site, clock, "wrong words here")
    clock.advance(rules.pause_s + 1)
    with pytest.raises(ApplianceError, match="Wait"):  # twice as long now
        sign_in(db, site, clock)
    clock.advance(rules.pause_s)
    assert accounts.person_of(db, site, clock, sign_in(db, site, clock)) == orlov


def test_a_pause_is_never_for_ever(db: Database, site: Config, clock: FakeClock, orlov: Person) -> None:
    for _ in range(30):
        with pytest.raises(ApplianceError):
            sign_in(db, site, clock, "wrong words here")
        clock.advance(site.profile.signin.pause_longest_s + 1)
    assert sign_in(db, site, clock)


def test_an_address_is_not_paused_for_what_others_mistyped_there_on_another_day(
    db: Database, site: Config, clock: FakeClock, orlov: Person
) -> None:
    rules = site.profile.signin
    for _ in range(rules.tries * accounts.ADDRESS_TRIES_FACTOR - 1):  # one short of a pause of the address
        with pytest.raises(ApplianceError):
            sign_in(db, site, clock, "wrong words here")
        clock.advance(rules.pause_longest_s + 1)
    clock.advance(rules.longest_h * 3600 + 1)
    with pytest.raises(ApplianceError, match="did not match"):
        sign_in(db, site, clock, "wrong words here")
    assert [row["failures"] for row in db.rows("select failures from signin_failure")] == [1, 1]
    assert accounts.person_of(db, site, clock, sign_in(db, site, clock)) == orlov


def test_the_count_survives_a_restart(db: Database, site: Config, clock: FakeClock, orlov: Person) -> None:
    for _ in range(site.profile.signin.tries):
        with pytest.raises(ApplianceError):
            sign_in(db, site, clock, "wrong words here")
    again = store.open(db.path)
    with pytest.raises(ApplianceError, match="Wait"):
        sign_in(again, site, clock)


def test_a_session_ends_when_idle_and_when_old(db: Database, site: Config, clock: FakeClock, orlov: Person) -> None:
    rules = site.profile.signin
    idle = sign_in(db, site, clock)
    clock.advance(rules.idle_min * 60 + 1)
    assert accounts.person_of(db, site, clock, idle) is None
    old = sign_in(db, site, clock)
    for _ in range(int(rules.longest_h * 60 / (rules.idle_min / 2))):
        assert accounts.person_of(db, site, clock, old) == orlov
        clock.advance(rules.idle_min / 2 * 60)
    clock.advance(1)
    assert accounts.person_of(db, site, clock, old) is None


def test_disabling_a_person_ends_the_session_at_once(
    db: Database, site: Config, clock: FakeClock, orlov: Person
) -> None:
    token = sign_in(db, site, clock)
    accounts.disable(db, clock, CONSOLE, "orlov")
    assert accounts.person_of(db, site, clock, token) is None
    with pytest.raises(ApplianceError, match="did not match"):
        sign_in(db, site, clock)
    assert accounts.people(db)[0].disabled


def test_the_last_administrator_stays(db: Database, site: Config, clock: FakeClock) -> None:
    accounts.add(db, site, clock, CONSOLE, "admin", "Админ", Role.ADMIN, "ru", GOOD)
    with pytest.raises(ApplianceError, match="last administrator"):
        accounts.disable(db, clock, CONSOLE, "admin")
