"""A small site with one panel, one watched door and a named detector, its database, and two guards."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from appliance import accounts, identity, store
from appliance import config as configuration
from appliance.clock import FakeClock
from appliance.config import Config
from appliance.model import Actor, Person, Role
from appliance.store import Database
from tests.fakes.exam_site import HEAD, ROOT

MORNING = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)

SITE = HEAD + """
[[room]]
code = "7777"
kind = "hq"
name = {{ ru = "Штаб 7777", en = "HQ 7777" }}
[[room]]
code = "corridor-1"
kind = "corridor"
name = {{ ru = "Коридор 1", en = "Corridor 1" }}
[[camera]]
id = "hq"
name = {{ ru = "Штаб", en = "HQ" }}
room = "7777"
stream = "rtsp://127.0.0.1:1/none"
[[zone]]
panel = "security"
number = "001"
name = {{ ru = "Дым, коридор 1", en = "Smoke, corridor 1" }}
room = "corridor-1"
[[zone]]
panel = "security"
number = "005"
name = {{ ru = "Дверь стойки", en = "Rack door" }}
room = "7777"
role = "rack-door"
"""

PANEL = """
[[panel]]
id = "{id}"
name = {{ ru = "Панель {id}", en = "Panel {id}" }}
kind = "{kind}"
port = "{port}"
silent_after_s = {silent_after_s}
"""


def panel_table(port: Path, *, panel_id: str = "security", kind: str = "surgard", silent_after_s: float = 90.0) -> str:
    return PANEL.format(id=panel_id, kind=kind, port=port, silent_after_s=silent_after_s)


def site(folder: Path, *panels: str) -> Config:
    """The site's file in `folder`, read; without `panels`, one on a line that nobody plugged in."""
    text = SITE.format(profile=ROOT / "examples" / "ru-ege.toml") + "".join(panels or (panel_table(folder / "panel"),))
    file = folder / "site.toml"
    file.write_text(text, encoding="utf-8")
    return configuration.load(file)


def database(config: Config) -> Database:
    db = store.open(config.database, create=True)
    identity.begin(db, config)
    return db


def fake_clock() -> FakeClock:
    return FakeClock(MORNING)


def guard(db: Database, config: Config, login: str, name: str) -> Person:
    """A person with an account, so that the board can say their name."""
    accounts.add(db, config, fake_clock(), Actor.service("init"), login, name, Role.SECURITY, "ru", "long enough words")
    return Person(login, name, Role.SECURITY, "ru")
