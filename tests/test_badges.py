"""Cards and security keys: whose they are, that they are kept as nothing that opens, and that guessing pauses."""

from __future__ import annotations

import json
import shutil
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest
from fido2.utils import websafe_decode, websafe_encode

from appliance import accounts, badges, journal, passkeys, store
from appliance.clock import FakeClock
from appliance.config import Config
from appliance.model import Actor, ApplianceError, Person, Role
from appliance.store import Database
from tests.fakes import seeded_site
from tests.fakes.passkey import SoftKey
from tests.fakes.seeded_site import PASSWORD

CARD = "04A1F2C3D4E580"
RP = "localhost"
NIGHT = datetime(2026, 11, 22, 2, 50, tzinfo=UTC)


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return seeded_site.configure(tmp_path)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NIGHT)


@pytest.fixture(scope="module")
def peopled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with the two people, made once: their passwords cost more than all else here."""
    config = seeded_site.configure(tmp_path_factory.mktemp("peopled"))
    db = store.open(config.database, create=True)
    for login, name, role in (("admin", "Кузнецова Мария Олеговна", Role.ADMIN),
                              ("smirnova", "Смирнова Анна Викторовна", Role.HEAD)):  # fmt: skip
        accounts.add(db, config, FakeClock(NIGHT), Actor.service("init"), login, name, role, "ru", PASSWORD)
    db.conn.close()
    return config.database


@pytest.fixture
def db(config: Config, peopled: Path) -> Database:
    shutil.copy(peopled, config.database)
    return store.open(config.database)


@pytest.fixture
def admin(db: Database) -> Person:
    return accounts.get(db, "admin")


@pytest.fixture
def smirnova(db: Database) -> Person:
    return accounts.get(db, "smirnova")


@pytest.fixture
def card(db: Database, config: Config, clock: FakeClock, admin: Person, smirnova: Person) -> int:
    return badges.give(db, config, clock, admin, "smirnova", PASSWORD, CARD, "Белая, № 17")


@pytest.fixture
def key(db: Database, config: Config, clock: FakeClock, admin: Person, smirnova: Person) -> SoftKey:
    made = SoftKey()
    answer = made.create(passkeys.invite(db, config, clock, RP, smirnova))
    passkeys.register(db, config, clock, admin, "smirnova", PASSWORD, RP, answer, "Синий ключ")
    return made


def asked(db: Database, config: Config, clock: FakeClock, purpose: str = "sign 7") -> dict[str, object]:
    found = passkeys.ask(db, config, clock, RP, purpose, ["smirnova"])
    assert found is not None
    return found


@pytest.mark.parametrize("typed", [CARD, CARD.lower(), f" {CARD}\n", "04:A1:F2:C3:D4:E5:80", "04Ф1А2С3В4У580"])
def test_a_card_is_its_person_however_the_reader_types_it(
    db: Database, config: Config, clock: FakeClock, card: int, smirnova: Person, typed: str
) -> None:
    assert badges.whose(db, config, clock, typed) == smirnova


def test_the_number_of_a_card_is_nowhere(db: Database, config: Config, card: int) -> None:
    dump = "\n".join(db.iterdump())
    assert CARD not in dump
    assert "Белая" in dump
    path = config.data / "keys" / "badge.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(path.read_bytes()) == 32


def test_a_card_opens_nothing_at_another_box(db: Database, config: Config, clock: FakeClock, card: int) -> None:
    """The table copied to another box, with a key of its own."""
    (config.data / "keys" / "badge.key").write_bytes(bytes(32))
    with pytest.raises(ApplianceError, match="not known here"):
        badges.whose(db, config, clock, CARD)


def test_giving_a_card_takes_the_persons_own_password(
    db: Database, config: Config, clock: FakeClock, admin: Person, smirnova: Person
) -> None:
    with pytest.raises(ApplianceError, match="did not match"):
        badges.give(db, config, clock, admin, "smirnova", "wrong words here", CARD, "Белая")
    assert badges.of(db, "smirnova") == []


def test_a_card_is_given_once(db: Database, config: Config, clock: FakeClock, admin: Person, card: int) -> None:
    with pytest.raises(ApplianceError, match="given already: smirnova"):
        badges.give(db, config, clock, admin, "admin", PASSWORD, CARD, "Та же")


@pytest.mark.parametrize(("typed", "label"), [("12345", "Белая"), ("", "Белая"), ("x" * 300, "Белая"), (CARD, " ")])
def test_what_is_no_card_or_has_no_name_is_not_given(
    db: Database, config: Config, clock: FakeClock, admin: Person, smirnova: Person, typed: str, label: str
) -> None:
    with pytest.raises(ApplianceError, match=r"no card|Name the card"):
        badges.give(db, config, clock, admin, "smirnova", PASSWORD, typed, label)


def test_a_revoked_card_opens_nothing_and_can_be_given_to_another(
    db: Database, config: Config, clock: FakeClock, admin: Person, card: int
) -> None:
    for _ in range(2):
        badges.revoke(db, clock, admin, card)
    with pytest.raises(ApplianceError, match="revoked"):
        badges.whose(db, config, clock, CARD)
    badges.give(db, config, clock, admin, "admin", PASSWORD, CARD, "Белая")
    assert badges.whose(db, config, clock, CARD) == admin
    kinds = [entry.kind for entry in journal.entries(db) if entry.kind.startswith("badge.")]
    assert kinds == ["badge.added", "badge.revoked", "badge.refused", "badge.added"]


def test_the_card_of_somebody_switched_off_opens_nothing(
    db: Database, config: Config, clock: FakeClock, card: int
) -> None:
    accounts.disable(db, clock, Actor.service("console"), "smirnova")
    with pytest.raises(ApplianceError, match="not known here"):
        badges.whose(db, config, clock, CARD)


def test_guessing_cards_pauses_cards_of_that_address_and_nothing_else(
    db: Database, config: Config, clock: FakeClock, card: int
) -> None:
    for number in range(config.profile.signin.tries):
        with pytest.raises(ApplianceError, match="not known here"):
            badges.whose(db, config, clock, f"0000000{number}", "192.0.2.7")
    with pytest.raises(ApplianceError, match="Wait"):
        badges.whose(db, config, clock, CARD, "192.0.2.7")
    assert badges.whose(db, config, clock, CARD, "192.0.2.8")
    assert accounts.check_password(db, config, clock, "smirnova", PASSWORD, "192.0.2.7")
    clock.advance(config.profile.signin.pause_s + 1)
    assert badges.whose(db, config, clock, CARD, "192.0.2.7")


def test_a_key_answers_for_its_person(
    db: Database, config: Config, clock: FakeClock, key: SoftKey, smirnova: Person
) -> None:
    for _ in range(2):
        answer = key.get(asked(db, config, clock))
        assert passkeys.whose(db, config, clock, RP, "sign 7", answer) == smirnova


def test_a_key_without_a_counter_works_too(
    db: Database, config: Config, clock: FakeClock, admin: Person, smirnova: Person
) -> None:
    phone = SoftKey(counts=False)
    answer = phone.create(passkeys.invite(db, config, clock, RP, smirnova))
    passkeys.register(db, config, clock, admin, "smirnova", PASSWORD, RP, answer, "Телефон")
    for _ in range(2):
        assert passkeys.whose(db, config, clock, RP, "sign 7", phone.get(asked(db, config, clock)))


def test_an_answer_signs_once(db: Database, config: Config, clock: FakeClock, key: SoftKey) -> None:
    answer = key.get(asked(db, config, clock))
    passkeys.whose(db, config, clock, RP, "sign 7", answer)
    with pytest.raises(ApplianceError, match="not accepted"):
        passkeys.whose(db, config, clock, RP, "sign 7", answer)


def test_an_answer_signs_only_what_was_asked(db: Database, config: Config, clock: FakeClock, key: SoftKey) -> None:
    with pytest.raises(ApplianceError, match="not accepted"):
        passkeys.whose(db, config, clock, RP, "sign 8", key.get(asked(db, config, clock, "sign 7")))


def test_an_answer_that_comes_late_is_none(db: Database, config: Config, clock: FakeClock, key: SoftKey) -> None:
    answer = key.get(asked(db, config, clock))
    clock.advance(121)
    with pytest.raises(ApplianceError, match="not accepted"):
        passkeys.whose(db, config, clock, RP, "sign 7", answer)


def test_an_answer_given_to_another_site_is_none(db: Database, config: Config, clock: FakeClock, key: SoftKey) -> None:
    key.origin = "https://examsite.example"
    with pytest.raises(ApplianceError, match="not accepted"):
        passkeys.whose(db, config, clock, RP, "sign 7", key.get(asked(db, config, clock)))


def test_a_copied_key_is_seen_by_its_counter(db: Database, config: Config, clock: FakeClock, key: SoftKey) -> None:
    passkeys.whose(db, config, clock, RP, "sign 7", key.get(asked(db, config, clock)))
    key.count = 0  # the copy was made before
    with pytest.raises(ApplianceError, match="not accepted"):
        passkeys.whose(db, config, clock, RP, "sign 7", key.get(asked(db, config, clock)))


def test_a_changed_signature_and_nonsense_are_refused_and_counted(
    db: Database, config: Config, clock: FakeClock, key: SoftKey
) -> None:
    said = json.loads(key.get(asked(db, config, clock)))
    wrong = bytearray(websafe_decode(said["response"]["signature"]))
    wrong[-1] ^= 1
    said["response"]["signature"] = websafe_encode(bytes(wrong))
    answers = [json.dumps(said), "", "{}", "[[[", '{"rawId": 5}']
    assert len(answers) == config.profile.signin.tries
    for answer in answers:
        with pytest.raises(ApplianceError, match="not accepted"):
            passkeys.whose(db, config, clock, RP, "sign 7", answer)
    with pytest.raises(ApplianceError, match="Wait"):
        passkeys.whose(db, config, clock, RP, "sign 7", key.get(asked(db, config, clock)))


def test_a_revoked_key_is_not_asked_for(
    db: Database, config: Config, clock: FakeClock, key: SoftKey, admin: Person
) -> None:
    question = asked(db, config, clock)
    [kept] = passkeys.of(db, "smirnova")
    passkeys.revoke(db, clock, admin, kept.id)
    with pytest.raises(ApplianceError, match="not accepted"):
        passkeys.whose(db, config, clock, RP, "sign 7", key.get(question))
    assert passkeys.ask(db, config, clock, RP, "sign 7", ["smirnova"]) is None


def test_a_key_works_under_the_name_it_was_registered_under(
    db: Database, config: Config, clock: FakeClock, key: SoftKey
) -> None:
    assert passkeys.ask(db, config, clock, "examsite.school", "sign 7", ["smirnova"]) is None


def test_registering_takes_the_persons_password_and_a_name(
    db: Database, config: Config, clock: FakeClock, admin: Person, smirnova: Person
) -> None:
    made = SoftKey()
    for password, label in (("wrong words here", "Синий"), (PASSWORD, " ")):
        answer = made.create(passkeys.invite(db, config, clock, RP, smirnova))
        with pytest.raises(ApplianceError, match=r"did not match|Name the key"):
            passkeys.register(db, config, clock, admin, "smirnova", password, RP, answer, label)
    for answer in ("{}", made.create({"challenge": "bm9ib2R5IGFza2VkIHRoaXM"})):
        with pytest.raises(ApplianceError, match="not accepted"):
            passkeys.register(db, config, clock, admin, "smirnova", PASSWORD, RP, answer, "Синий")
    assert passkeys.of(db, "smirnova") == []


def test_a_key_is_registered_once(
    db: Database, config: Config, clock: FakeClock, key: SoftKey, admin: Person, smirnova: Person
) -> None:
    options = passkeys.invite(db, config, clock, RP, smirnova)
    assert [one["id"] for one in options["excludeCredentials"]] == [websafe_encode(key.id)]
    with pytest.raises(ApplianceError, match="registered already"):
        passkeys.register(db, config, clock, admin, "smirnova", PASSWORD, RP, key.create(options), "Ещё раз")
