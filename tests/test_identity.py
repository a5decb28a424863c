"""Which box and which journal: made once, kept through restarts and cuts, never passed off for an older one."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from appliance import identity, journal, notes, store
from appliance.clock import FakeClock
from appliance.config import Config
from appliance.model import Actor, ApplianceError
from appliance.store import Database
from tests.fakes import exam_site

KEEPER = Actor.service("keeper")


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return exam_site.site(tmp_path)


@pytest.fixture
def db(config: Config) -> Database:
    return store.open(config.database, create=True)


def test_a_box_gets_its_name_and_key_once(db: Database, config: Config) -> None:
    before = identity.of(db)
    assert (len(before.box), before.epoch, before.origin) == (16, 1, "")
    assert [identity.begin(db, config) for _ in range(3)] == [True, False, False]
    made = identity.of(db)
    assert made.box == before.box
    assert made.origin == f"examsite/ru-ege/0123/{made.box}/1"
    assert identity.signer(db, config).verifier.vkey == made.vkey


def test_only_its_owner_may_read_the_key(db: Database, config: Config) -> None:
    identity.begin(db, config)
    assert identity.key_path(config).stat().st_mode & 0o777 == 0o600
    assert identity.key_path(config).parent.stat().st_mode & 0o077 == 0


def test_two_boxes_never_have_the_same_id(tmp_path: Path) -> None:
    made = [identity.of(store.open(tmp_path / f"{n}.db", create=True)).box for n in range(8)]
    assert len(set(made)) == 8


def test_a_site_code_with_any_letters_makes_a_name_in_ascii(db: Database, config: Config) -> None:
    strange = config.site.model_copy(update={"code": "Шк 7+а/1"})
    object.__setattr__(config, "site", strange)
    identity.begin(db, config)
    origin = identity.of(db).origin
    assert origin.isascii()
    assert not set(origin) & set(" +")
    assert origin.count("/") == 4


def test_a_journal_begun_afresh_is_a_new_epoch_with_a_key_of_its_own(db: Database, config: Config) -> None:
    identity.begin(db, config)
    old = identity.of(db)
    db.close()
    for file in config.data.glob("examsite.db*"):
        file.unlink()
    fresh = store.open(config.database, create=True)
    assert identity.begin(fresh, config)
    new = identity.of(fresh)
    assert (new.box, new.epoch) == (old.box, 2)
    assert new.vkey != old.vkey
    kept = identity.key_path(config).with_name(f"journal-{old.box}-1.key")
    assert notes.signer(kept.read_text()).name == old.origin


def test_a_cut_between_key_and_database_changes_nothing(db: Database, config: Config) -> None:
    identity.begin(db, config)
    key = identity.key_path(config).read_text()
    box = identity.of(db).box
    with store.transaction(db):  # what the database was before the commit that was cut off
        db.write("update box set origin = '', vkey = ''")
    assert identity.begin(db, config)
    assert identity.key_path(config).read_text() == key
    assert (identity.of(db).box, identity.of(db).epoch) == (box, 1)


def test_a_lost_or_foreign_key_is_said_and_never_replaced_in_silence(
    db: Database, config: Config, tmp_path: Path
) -> None:
    identity.begin(db, config)
    path = identity.key_path(config)
    path.write_text(notes.Signer.generate("somebody/else").skey)
    with pytest.raises(ApplianceError, match="another journal"):
        identity.signer(db, config)
    path.unlink()
    with pytest.raises(ApplianceError, match="missing"):
        identity.signer(db, config)
    assert not identity.begin(db, config)
    assert not path.exists()


def test_each_entry_says_zone_and_how_good_the_clock_was(db: Database, config: Config) -> None:
    identity.begin(db, config)
    clock = FakeClock(datetime(2026, 11, 22, 2, 50, tzinfo=UTC))

    def said() -> tuple[str, dict[str, object]]:
        with store.transaction(db):
            seq = journal.append(db, clock, "box.started", KEEPER)
        row = json.loads(journal.get(db, seq).row)
        return row["tz"], row["clock"]

    assert said() == ("+05:00", {"state": "unknown", "offset_ms": None, "age_s": None})
    identity.note_clock(db, clock, True, 0.0123)
    clock.advance(61.5)
    assert said() == ("+05:00", {"state": "synchronised", "offset_ms": 12, "age_s": 61})
    identity.note_clock(db, clock, False, None)
    assert said()[1] == {"state": "free", "offset_ms": None, "age_s": 0}
    with store.transaction(db):
        db.write("update box set clock_boot = 'an earlier boot'")
    assert said()[1]["state"] == "unknown"
