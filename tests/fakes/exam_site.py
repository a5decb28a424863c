"""A site with cameras for the keeper's and the checks' tests: its files, its database, an exam at ten."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from appliance import config as configuration
from appliance import exams, identity, store
from appliance.clock import Clock, FakeClock
from appliance.config import Config
from appliance.exams import Exam
from appliance.model import Actor
from appliance.store import Database
from demo.cameras_process import Address

ROOT = Path(__file__).resolve().parent.parent.parent
TECHNICIAN = Actor("person", "orlov", "Орлов П. С.", "technician")
START = datetime(2026, 11, 23, 5, 0, tzinfo=UTC)  # 10:00 in Asia/Yekaterinburg; checks are due at 03:00 UTC
END = datetime(2026, 11, 23, 8, 55, tzinfo=UTC)

HEAD = """
profile = "{profile}"
[site]
code = "0123"
name = {{ ru = "Школа № 7", en = "School No. 7" }}
timezone = "Asia/Yekaterinburg"
[storage]
data = "data"
video = "video"
reserve_bytes = 1000000
"""
ROOM = """
[[room]]
code = "{code}"
kind = "{kind}"
name = {{ ru = "Комната {code}", en = "Room {code}" }}
[[camera]]
id = "{camera}"
name = {{ ru = "Камера {code}", en = "Camera {code}" }}
room = "{code}"
{where}
user = "examsite"
password_file = "{camera}.password"
sound = {sound}
"""
ROOMS = {"hq": ("7777", "hq"), "room-0001": ("0001", "classroom"), "corridor": ("corridor", "corridor")}


def site(
    folder: Path, addresses: Mapping[str, Address] | None = None, *, sound: tuple[str, ...] = (), more: str = ""
) -> Config:
    """The site read from its file. Cameras without an address are where nobody answers."""
    text = HEAD.format(profile=ROOT / "examples" / "ru-ege.toml")
    for camera, (code, kind) in ROOMS.items():
        if addresses is not None and camera not in addresses:
            continue
        where, password = 'onvif = "http://127.0.0.1:9/onvif/device_service"', "a word"
        if addresses is not None:
            where, password = f'onvif = "{addresses[camera].onvif_url}"', addresses[camera].password
        (folder / f"{camera}.password").write_text(password + "\n", encoding="utf-8")
        text += ROOM.format(code=code, kind=kind, camera=camera, where=where, sound=str(camera in sound).lower())
    file = folder / "site.toml"
    file.write_text(text + more, encoding="utf-8")
    config = configuration.load(file)
    for place in (config.data, config.incoming, config.archive):
        place.mkdir(parents=True, exist_ok=True)
    return config


def database(config: Config) -> Database:
    db = store.open(config.database, create=True)
    identity.begin(db, config)
    return db


def clock_at(text: str) -> FakeClock:
    """A fake clock; "02:59" is a UTC time of the exam's day, "2026-11-01 10:00" is whole."""
    said = datetime.fromisoformat(text if "-" in text else f"2026-11-23 {text}")
    return FakeClock(said.replace(tzinfo=UTC))


def planned(db: Database, config: Config, clock: Clock, name: str = "russian") -> Exam:
    return exams.plan(db, config, clock, TECHNICIAN, name, "Русский язык", START, END)
