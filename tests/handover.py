"""A small site after its exam: real recordings in the archive, a gap, a seal, and two people who may hand it over."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from appliance import accounts, archive, bag, config, coverage, exams, identity, orders, store
from appliance.bag import Contents, Package, Progress
from appliance.clock import FakeClock, iso
from appliance.config import Config
from appliance.export import contents
from appliance.model import Actor, Person, Role
from appliance.orders import Order
from appliance.store import Database

ROOT = Path(__file__).resolve().parent.parent
START = datetime(2026, 11, 22, 5, 0, tzinfo=UTC)  # 10:00 at the site
SEGMENT_S = 2
PASSWORD = "correct horse battery"
# camera -> seconds after START at which its files begin; entrance has nothing from 4 to 6
RECORDED = {"entrance": (0, 2, 6), "corridor-1": (0, 2, 4, 6), "room-0001": (0,)}
SITE = """
profile = "profile.toml"
[site]
code = "0123"
name = { ru = "ППЭ на базе школы № 7", en = "Exam site at School 7" }
address = "ул. Мира, 1"
timezone = "Asia/Yekaterinburg"
[storage]
data = "data"
video = "video"
[[room]]
code = "0001"
kind = "classroom"
name = { ru = "Аудитория 0001", en = "Room 0001" }
[[room]]
code = "entrance"
kind = "entrance"
name = { ru = "Вход", en = "Entrance" }
[[room]]
code = "corridor-1"
kind = "corridor"
name = { ru = "Коридор 1", en = "Corridor 1" }
[[camera]]
id = "room-0001"
name = { ru = "Аудитория 0001", en = "Room 0001" }
room = "0001"
stream = "rtsp://127.0.0.1/0001"
[[camera]]
id = "entrance"
name = { ru = "Вход", en = "Entrance" }
room = "entrance"
stream = "rtsp://127.0.0.1/entrance"
[[camera]]
id = "corridor-1"
name = { ru = "Коридор 1", en = "Corridor 1" }
room = "corridor-1"
stream = "rtsp://127.0.0.1/corridor"
[[export_target]]
id = "usb"
name = { ru = "Флешка", en = "Stick" }
path = "stick"
"""


@dataclass(frozen=True, slots=True)
class Site:
    """Everything a hand-over test needs."""

    config: Config
    db: Database
    clock: FakeClock
    exporter: Person
    guard: Person
    stick: Path

    def order(self, **args: object) -> Order:
        """An agreed export order, claimed as a worker does."""
        number = self.place(**args)
        claimed = orders.claim(self.db, self.clock, "export")
        assert claimed is not None
        assert claimed.id == number
        return claimed

    def place(self, **args: object) -> int:
        asked = {
            "exam": "math",
            "target": "usb",
            "room_kinds": ["entrance", "corridor"],
            "grounds": "запрос № 12",
            "recipient": "РЦОИ",
            **args,
        }
        number = orders.place(self.db, self.clock, "export", asked, self.exporter, agreement=True)
        orders.agree(self.db, self.clock, number, self.guard)
        return number

    def contents(self, order: Order, name: str = "package") -> Contents:
        return contents(self.db, self.config, self.clock, order, exams.get(self.db, "math"), name)

    def package(self, folder: Path) -> Package:
        return bag.write(self.contents(self.order()), folder, silent)


def silent(_: Progress) -> None:
    """Nobody listens."""


def film(folder: Path) -> Path:
    """One real file for each recording, as the recorder writes them: fragmented MP4, H.264, sound at the entrance."""
    for n, (camera, starts) in enumerate(RECORDED.items()):
        for start in starts:
            path = folder / camera / file_name(start)
            path.parent.mkdir(exist_ok=True)
            sound = ["-f", "lavfi", "-i", f"sine=frequency={300 + 100 * start}"] if camera == "entrance" else []
            picture = f"testsrc2=size=320x180:rate=10,hue=h={40 * n + 20 * start}"
            subprocess.run(
                [
                    "ffmpeg",
                    "-v",
                    "error",
                    "-nostdin",
                    "-f",
                    "lavfi",
                    "-i",
                    picture,
                    *sound,
                    "-t",
                    str(SEGMENT_S),
                    "-c:v",
                    "libx264",
                    "-preset",
                    "ultrafast",
                    "-pix_fmt",
                    "yuv420p",
                    "-g",
                    "10",
                    "-c:a",
                    "aac",
                    "-movflags",
                    "+frag_keyframe+empty_moov+default_base_moof",
                    str(path),
                ],
                check=True,
                timeout=60,
            )
    return folder


def file_name(start: int) -> str:
    return f"0a1b2c3d-{START + timedelta(seconds=start):%Y%m%dT%H%M%SZ}.mp4"


def site(folder: Path, filmed: Path, *, sealed: bool = True, planned_before: timedelta = timedelta(hours=1)) -> Site:
    """A site whose exam is over: 8 s of it, recorded as RECORDED says."""
    profile = (ROOT / "examples/ru-ege.toml").read_text()
    for key in ("before_start_min = 120", "before_start_min = 60", "after_end_min = 60"):
        profile = profile.replace(f"\n{key}", f"\n{key.split(' = ')[0]} = 0")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "profile.toml").write_text(profile)
    (folder / "site.toml").write_text(SITE)
    stick = folder / "stick"
    stick.mkdir()
    settings = config.load(folder / "site.toml")
    db = store.open(settings.database, create=True)
    identity.begin(db, settings)
    clock = FakeClock(START - planned_before)
    keeper = Actor.service("keeper")
    exporter = accounts.add(
        db, settings, clock, keeper, "sidorov", "Сидоров Виктор Андреевич", Role.EXPORTER, "ru", PASSWORD
    )
    guard = accounts.add(db, settings, clock, keeper, "petrov", "Петров Николай Ильич", Role.SECURITY, "ru", PASSWORD)
    exams.plan(db, settings, clock, keeper, "math", "Математика", START, START + timedelta(seconds=8))
    archived = settings.archive / "2026-11-22"
    shutil.copytree(filmed, archived)
    clock.advance(planned_before.total_seconds() + 10)
    with store.transaction(db):
        for camera, starts in RECORDED.items():
            for start in starts:
                _row(db, settings, camera, archived / camera / file_name(start), start)
        coverage.begin_outage(db, "entrance", START + timedelta(seconds=4), "camera silent")
        coverage.end_outages(db, "entrance", START + timedelta(seconds=6))
    coverage.update(db, settings, clock, exams.get(db, "math"), START + timedelta(seconds=8))
    clock.advance(5)
    if sealed:
        archive.seal(db, settings, clock, exams.get(db, "math"))
    clock.advance(5)
    return Site(settings, db, clock, exporter, guard, stick)


def _row(db: Database, settings: Config, camera: str, path: Path, start: int) -> None:
    db.write(
        "insert into segment (camera, run, path, starts_at, ends_at, frames, size_bytes, sha256, video, audio)"
        " values (?, '0a1b2c3d', ?, ?, ?, 20, ?, ?, 'h264', ?)",
        (
            camera,
            str(path.relative_to(settings.video)),
            iso(START + timedelta(seconds=start)),
            iso(START + timedelta(seconds=start + SEGMENT_S)),
            path.stat().st_size,
            hashlib.sha256(path.read_bytes()).hexdigest(),
            "aac" if camera == "entrance" else None,
        ),
    )


def rebag(package: Path) -> None:
    """What a forger does who knows BagIt: write both manifests anew, so that only the content's own bonds are left."""
    hashes = {
        p.relative_to(package).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in package.rglob("*")
        if p.is_file()
    }
    (package / bag.PAYLOAD_LIST).write_bytes(bag.hash_list({p: h for p, h in hashes.items() if p.startswith("data/")}))
    payload = [p for p in (package / "data").rglob("*") if p.is_file()]
    info = (package / "bag-info.txt").read_text().splitlines()
    oxum = f"Payload-Oxum: {sum(p.stat().st_size for p in payload)}.{len(payload)}"
    (package / "bag-info.txt").write_text(
        "\n".join(oxum if line.startswith("Payload-Oxum") else line for line in info) + "\n"
    )
    tags = {
        p.name: hashlib.sha256(p.read_bytes()).hexdigest()
        for p in package.iterdir()
        if p.is_file() and p.name != bag.TAG_LIST
    }
    (package / bag.TAG_LIST).write_bytes(bag.hash_list(tags))


def manifest(package: Path) -> dict:  # type: ignore[type-arg]
    return json.loads((package / bag.MANIFEST).read_bytes())  # type: ignore[no-any-return]
