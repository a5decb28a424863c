"""The virtual site: six cameras, one panel, and the configuration files of a site like any other, in one folder."""

from __future__ import annotations

import secrets
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomli_w

from appliance.model import Language, Role
from appliance.profile import Profile
from demo.cameras_process import Address

ROOT = Path(__file__).resolve().parent.parent
ZONE = "Asia/Yekaterinburg"
MARK = ".examsite-demo"  # says that this folder is the demo's to write over
SILENT_CAMERA = "corridor-2"
PANEL = "security"
SMOKE_ZONE, RACK_ZONE = "001", "005"
SEGMENT_S, LEAD_S, TAIL_S = 10.0, 8.0, 2.0

# id, room, kind, Russian and English name, codec, sound
CAMERAS = (
    ("room-0001", "0001", "classroom", "Аудитория 0001", "Room 0001", "h264", "pcma"),
    ("room-0002", "0002", "classroom", "Аудитория 0002", "Room 0002", "h264", "aac"),
    ("hq", "7777", "hq", "Штаб 7777", "HQ 7777", "h265", "none"),
    ("entrance", "entrance", "entrance", "Вход", "Entrance", "h264", "none"),
    ("corridor-1", "corridor-1", "corridor", "Коридор 1", "Corridor 1", "h264", "none"),
    ("corridor-2", "corridor-2", "corridor", "Коридор 2", "Corridor 2", "h264", "none"),
)

# login, full name, role: fresh passwords are made for them at every start
PEOPLE = (
    ("orlov", "Орлов Пётр Сергеевич", Role.TECHNICIAN),
    ("ivanova", "Иванова Анна Викторовна", Role.HEAD),
    ("petrov", "Петров Николай Иванович", Role.SECURITY),
    ("sidorov", "Сидоров Василий Андреевич", Role.EXPORTER),
    ("admin", "Кузнецова Мария Олеговна", Role.ADMIN),
)


@dataclass(frozen=True, slots=True)
class Folders:
    """Where the demo keeps what it writes; all below `root`."""

    root: Path

    @property
    def config(self) -> Path:
        return self.root / "site.toml"

    @property
    def stick(self) -> Path:
        return self.root / "usb-stick"

    @property
    def panel_port(self) -> Path:
        return self.root / "dev" / "panel"

    @property
    def secrets(self) -> Path:
        return self.root / "secrets"

    @property
    def log(self) -> Path:
        return self.root / "services.log"


def camera_list() -> list[dict[str, Any]]:
    """What the virtual cameras are told, each with a password of its own."""
    return [
        {
            "id": identity,
            "label": ru,
            "codec": codec,
            "sound": sound,
            "user": "examsite",
            "password": secrets.token_urlsafe(12),
            "serial": f"DEMO-{number:04}",
        }
        for number, (identity, _, _, ru, _, codec, sound) in enumerate(CAMERAS, 1)
    ]


def common_profile() -> Profile:
    """The region profile the example site uses, hours uncompressed."""
    return Profile.model_validate(tomllib.loads((ROOT / "examples/ru-ege.toml").read_text(encoding="utf-8")))


def write(folders: Folders, addresses: Mapping[str, Address], port: int, factor: float, language: Language) -> None:
    """Write the site's configuration and its region profile with hours `factor` times shorter."""
    for folder in (folders.secrets, folders.stick, folders.panel_port.parent):
        folder.mkdir(parents=True, exist_ok=True)
    folders.secrets.chmod(0o700)
    for address in addresses.values():
        file = folders.secrets / address.id
        file.touch(0o600)
        file.write_text(address.password + "\n", encoding="utf-8")
    profile = common_profile().compressed(factor, segment_s=SEGMENT_S, lead_s=LEAD_S, tail_s=TAIL_S)
    (folders.root / "profile.toml").write_bytes(tomli_w.dumps(profile.model_dump(mode="json")).encode())
    folders.config.write_bytes(tomli_w.dumps(_site(folders, addresses, port, language)).encode())


def _site(folders: Folders, addresses: Mapping[str, Address], port: int, language: Language) -> dict[str, Any]:
    return {
        "profile": "profile.toml",
        "site": {
            "code": "0123",
            "name": {"ru": "Школа № 7", "en": "School No. 7"},
            "timezone": ZONE,
            "language": language,
            "region": "Энская область",
            "address": "г. Энск, ул. Школьная, 7",
            "hotline": "+7 000 000-00-00",
        },
        "storage": {"data": "data", "video": "video", "reserve_bytes": 200_000_000},
        "web": {"host": "127.0.0.1", "port": port},
        "room": [{"code": room, "kind": kind, "name": {"ru": ru, "en": en}} for _, room, kind, ru, en, _, _ in CAMERAS],
        "camera": [
            {
                "id": identity,
                "name": {"ru": ru, "en": en},
                "room": room,
                "onvif": addresses[identity].onvif_url,
                "user": addresses[identity].user,
                "password_file": f"secrets/{identity}",
                "sound": sound != "none",
            }
            for identity, room, _, ru, en, _, sound in CAMERAS
        ],
        "panel": [
            {
                "id": PANEL,
                "name": {"ru": "Охранно-пожарная панель", "en": "Fire and security panel"},
                "kind": "surgard",
                "port": str(folders.panel_port.relative_to(folders.root)),
                "silent_after_s": 4.0,
            }
        ],
        "zone": [
            {
                "panel": PANEL,
                "number": SMOKE_ZONE,
                "room": "corridor-1",
                "name": {"ru": "Датчик дыма, коридор 1", "en": "Smoke detector, corridor 1"},
            },
            {
                "panel": PANEL,
                "number": RACK_ZONE,
                "room": "7777",
                "role": "rack-door",
                "name": {"ru": "Дверь стойки", "en": "Rack door"},
            },
        ],
        "export_target": [{"id": "usb", "name": {"ru": "USB-носитель", "en": "USB stick"}, "path": folders.stick.name}],
    }
