"""A site in the middle of its day, made by the house's own functions: for the pages' tests and their screenshots.

Six cameras, one panel, five people; an exam from 10:00 to 13:55. What happened by `moment` has happened.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import cv2
import numpy as np

from appliance import (
    accounts,
    alarms,
    archive,
    cameras,
    coverage,
    exams,
    health,
    identity,
    journal,
    links,
    matching,
    orders,
    store,
)
from appliance import config as configuration
from appliance.cameras import CameraState
from appliance.checks import results
from appliance.checks.results import Verdict
from appliance.clock import FakeClock, iso
from appliance.config import Config
from appliance.exams import Exam
from appliance.model import Actor, Language, Person, Role, message
from appliance.store import Database
from appliance.words import both
from drivers.types import Frame, PanelEvent

ROOT = Path(__file__).resolve().parent.parent.parent
Moment = Literal["before", "during", "after"]
DAY = datetime(2026, 11, 22, tzinfo=UTC)
START, END = DAY + timedelta(hours=5), DAY + timedelta(hours=8, minutes=55)  # 10:00 to 13:55 in Yekaterinburg
MOMENTS: Mapping[Moment, datetime] = {
    "before": DAY + timedelta(hours=3, minutes=4, seconds=12),  # 08:04:12, the checks have just run
    "during": DAY + timedelta(hours=6, minutes=41, seconds=7),
    "after": DAY + timedelta(hours=10, minutes=20, seconds=30),
}
PASSWORD = "gory-reka-7-fonar"

# login, full name, role
PEOPLE = (
    ("orlov", "Орлов Пётр Сергеевич", Role.TECHNICIAN),
    ("ivanova", "Иванова Анна Викторовна", Role.HEAD),
    ("petrov", "Петров Николай Иванович", Role.SECURITY),
    ("sidorov", "Сидоров Василий Андреевич", Role.EXPORTER),
    ("admin", "Кузнецова Мария Олеговна", Role.ADMIN),
)
CAMERAS = (
    ("room-0001", "0001", "classroom", "Аудитория 0001", "Room 0001"),
    ("room-0002", "0002", "classroom", "Аудитория 0002", "Room 0002"),
    ("hq", "7777", "hq", "Штаб 7777", "HQ 7777"),
    ("entrance", "entrance", "entrance", "Вход", "Entrance"),
    ("corridor-1", "corridor-1", "corridor", "Коридор 1", "Corridor 1"),
    ("corridor-2", "corridor-2", "corridor", "Коридор 2", "Corridor 2"),
)
SITE = """
profile = "{profile}"
[site]
code = "0123"
name = {{ ru = "Школа № 7", en = "School No. 7" }}
timezone = "Asia/Yekaterinburg"
hotline = "+7 000 000-00-00"
[storage]
data = "data"
video = "video"
reserve_bytes = 1000000
[web]
port = {port}
[[panel]]
id = "security"
name = {{ ru = "Охранно-пожарная панель", en = "Fire and security panel" }}
kind = "surgard"
port = "dev-panel"
[[zone]]
panel = "security"
number = "001"
name = {{ ru = "Датчик дыма, коридор 1", en = "Smoke detector, corridor 1" }}
room = "corridor-1"
[[zone]]
panel = "security"
number = "003"
name = {{ ru = "Окно, аудитория 0002", en = "Window, room 0002" }}
room = "0002"
[[zone]]
panel = "security"
number = "005"
name = {{ ru = "Дверь стойки", en = "Rack door" }}
room = "7777"
role = "rack-door"
[[export_target]]
id = "usb"
name = {{ ru = "USB-носитель", en = "USB stick" }}
path = "stick"
"""
ROOM = """
[[room]]
code = "{room}"
kind = "{kind}"
name = {{ ru = "{ru}", en = "{en}" }}
[[camera]]
id = "{camera}"
name = {{ ru = "{ru}", en = "{en}" }}
room = "{room}"
onvif = "http://127.0.0.1:9/onvif/device_service"
"""
SMOKE = PanelEvent("fire.alarm", "active", zone="001", partition="01", text="Fire alarm", account="1234", code="110",
                   raw=b"5011 181234E11001001")  # fmt: skip
WINDOW = PanelEvent("intrusion.alarm", "active", zone="003", partition="01", text="Intrusion alarm", account="1234",
                    code="130", raw=b"5011 181234E13001003")  # fmt: skip
RACK = PanelEvent("intrusion.alarm", "active", zone="005", partition="01", text="Intrusion alarm", account="1234",
                  code="130", raw=b"5011 181234E13001005")  # fmt: skip
BATTERY = PanelEvent("battery.low", "active", zone="000", partition="00", text="Battery low", account="1234",
                     code="302", raw=b"5011 181234E30200000")  # fmt: skip


@dataclass(slots=True)
class Site:
    """The seeded site. `clock` is what the application under test is given, unless it runs on the real one."""

    config: Config
    db: Database
    clock: FakeClock
    people: dict[Role, Person]
    exam: Exam

    def login(self, role: Role) -> str:
        return self.people[role].login

    def say(self, event: PanelEvent, clock: FakeClock | None = None) -> None:
        """The panel says something, as the watch would record it."""
        with store.transaction(self.db):
            alarms.record(self.db, self.config, "security", Frame(event.raw, (event,), alive=True), clock or self.clock)


def configure(folder: Path, port: int = 8080) -> Config:
    """The site's configuration with the example profile."""
    text = SITE.format(profile=ROOT / "examples" / "ru-ege.toml", port=port)
    text += "".join(ROOM.format(camera=c, room=r, kind=k, ru=ru, en=en) for c, r, k, ru, en in CAMERAS)
    file = folder / "site.toml"
    file.write_text(text, encoding="utf-8")
    config = configuration.load(file)
    for place in (config.data, config.incoming, config.archive, folder / "stick"):
        place.mkdir(parents=True, exist_ok=True)
    return config


def seed(folder: Path, moment: Moment = "during", *, language: Language = "ru", shift: timedelta = timedelta(0),
         segment_s: int = 300, port: int = 8080) -> Site:  # fmt: skip
    """The site at `moment`. `shift` moves the whole day, so that it can be today for a browser on the real clock."""
    config, clock = configure(folder, port), FakeClock(DAY + timedelta(hours=2) + shift)
    db = store.open(config.database, create=True)
    identity.begin(db, config)
    people = {role: accounts.add(db, config, clock, Actor.service("init"), login, name, role, language, PASSWORD)
              for login, name, role in PEOPLE}  # fmt: skip
    exam = exams.plan(db, config, clock, Actor.person(people[Role.TECHNICIAN]), "russian", "Русский язык",
                      START + shift, END + shift)  # fmt: skip
    site, ends_at = Site(config, db, clock, people, exam), MOMENTS[moment] + shift
    with store.transaction(db):
        links.heard(db, config, "security", clock)
    _checks(site, shift)
    if moment != "before":
        _morning(site, shift)
        _recordings(site, min(ends_at, exams.span(config, exam)[1]), segment_s)
    if moment == "after":
        _afternoon(site, shift)
    _until(clock, ends_at)
    matching.tend(db, config, clock)
    _now(site, moment)
    return site


def _until(clock: FakeClock, at: datetime) -> None:
    clock.advance(max(0.0, (at - clock.now()).total_seconds()))


def _checks(site: Site, shift: timedelta) -> None:
    _until(site.clock, DAY + timedelta(hours=3) + shift)
    found = {item: verdict for camera, _, _, ru, en in CAMERAS
             for item, verdict in _camera_verdicts(camera, both(ru, en)).items()}  # fmt: skip
    panel = both("Охранно-пожарная панель", "Fire and security panel")
    space = message("Space for {have_days} days of recording, {need_days} are needed.", have_days=3.1, need_days=1.5)
    found |= {
        "panel.line/security": Verdict("passed", message("Panel {panel} is heard.", panel=panel)),
        "disk.space": Verdict("passed", space),
        "box.clock": Verdict("remark", message("No time server keeps the box clock."), message(
            "Connect a time server, or check it against exact time yourself.")),
        "services.beating": Verdict("passed", message("All {n} services of the box work.", n=5)),
        "database.sound": Verdict("passed", message("The database is sound.")),
        "journal.chain": Verdict("passed", message("The journal is unbroken, {entries} entries.", entries=6)),
    }  # fmt: skip
    started_at = site.clock.now()
    site.clock.advance(12)
    with store.transaction(site.db):
        results.save(site.db, site.clock, site.exam.id, "schedule", started_at, found)
        counts = [v.verdict for v in found.values()]
        journal.append(site.db, site.clock, "checks.finished", Actor.service("keeper"), exam=site.exam.id,
                       passed=counts.count("passed"), items=len(counts))  # fmt: skip


def _camera_verdicts(camera: str, name: dict[str, str]) -> dict[str, Verdict]:
    """In the checks' own words: corridor 2 does not answer, the clock of the HQ is fast."""
    silent = Verdict("silent", message("Camera {camera} does not answer.", camera=name),
                     message("Check its power and cable, and its port of the switch."), {"ping": "0/3"})  # fmt: skip
    if camera == "corridor-2":
        return {f"camera.{what}/{camera}": silent for what in ("answers", "streams")}
    answers = message("Camera {camera} answers: {device}.", camera=name, device="Hikvision DS-2CD2043")
    streams = message("Camera {camera} sends {codec}, {size}, {fps} frames a second.", camera=name, codec="h264",
                      size="1920×1080", fps=25)  # fmt: skip
    clock = Verdict("passed", message("The clock of camera {camera} is right.", camera=name))
    if camera == "hq":
        fast = message("The clock of camera {camera} is {off_s} fast, {allowed_s} is allowed.", camera=name, off_s=6.2,
                       allowed_s=5.0)  # fmt: skip
        clock = Verdict("failed", fast, message("Set its clock from the camera's own page."), {"off_s": 6.2})
    return {
        f"camera.answers/{camera}": Verdict("passed", answers),
        f"camera.streams/{camera}": Verdict("passed", streams, facts={"codec": "h264", "fps": 25}),
        f"camera.clock/{camera}": clock,
        f"camera.picture/{camera}": Verdict("passed", message("The picture of {camera} can be seen.", camera=name)),
    }


def _morning(site: Site, shift: timedelta) -> None:
    """The rack door, a fire that was acknowledged, a battery."""
    db, clock, people = site.db, site.clock, site.people
    _until(clock, DAY + timedelta(hours=3, minutes=31) + shift)
    site.say(RACK)
    clock.advance(130)
    site.say(_over(RACK))
    clock.advance(800)
    matching.tend(db, site.config, clock)  # nobody announced it in time
    opened = journal.waiting(db)[-1].seq
    journal.explain(db, clock, opened, people[Role.TECHNICIAN], "Переткнул кабель порта 6")
    _until(clock, DAY + timedelta(hours=5, minutes=12) + shift)
    site.say(SMOKE)
    clock.advance(41)
    fire = alarms.board(db, site.config, clock.now()).alarms[0]
    alarms.acknowledge(db, site.config, clock, fire.id, people[Role.SECURITY], "Иду на место")
    clock.advance(300)
    site.say(_over(SMOKE))
    clock.advance(900)
    site.say(BATTERY)
    clock.advance(60)
    site.say(RACK)


def _over(event: PanelEvent) -> PanelEvent:
    return PanelEvent(event.kind, "restored", zone=event.zone, partition=event.partition, text=event.text,
                      account=event.account, code=event.code, raw=event.raw.replace(b"E1", b"R1"))  # fmt: skip


def _afternoon(site: Site, shift: timedelta) -> None:
    """The archive is sealed; a hand-over was asked for and waits."""
    _until(site.clock, DAY + timedelta(hours=10) + shift)
    archive.seal(site.db, site.config, site.clock, site.exam)
    site.clock.advance(700)
    ask_export(site, site.people[Role.EXPORTER])


def ask_export(site: Site, who: Person, key: str = "seed") -> int:
    args = {"exam": site.exam.id, "target": "usb", "room_kinds": ["entrance", "corridor"], "recipient": "РЦОИ",
            "grounds": "Запрос РЦОИ № 12"}  # fmt: skip
    return orders.place(site.db, site.clock, "export", args, who, key=key, agreement=True)


def _recordings(site: Site, until: datetime, segment_s: int) -> None:
    """Recorded minutes by the plan; corridor 2 was silent for a while. One short film stands for all."""
    film = _film(site.config.data)
    size, sha256 = film.stat().st_size, hashlib.sha256(film.read_bytes()).hexdigest()
    silent_at = exams.span(site.config, site.exam)[0] + timedelta(minutes=55, seconds=4)
    with store.transaction(site.db):
        for window in exams.windows(site.config, site.exam):
            at, number = window.starts_at, 0
            while at < min(window.ends_at, until):
                end = min(at + timedelta(seconds=segment_s), window.ends_at, until)
                if window.camera == "corridor-2" and at <= silent_at < end:
                    _segment(site, window.camera, film, at, silent_at, number, size, sha256)
                    coverage.begin_outage(site.db, window.camera, silent_at, "camera silent")
                    number, at = number + 1, silent_at + timedelta(minutes=7, seconds=8)
                    coverage.end_outages(site.db, window.camera, at)
                    continue
                _segment(site, window.camera, film, at, end, number, size, sha256)
                at, number = end, number + 1
    coverage.update(site.db, site.config, site.clock, site.exam, until)


def _segment(site: Site, camera: str, film: Path, starts_at: datetime, ends_at: datetime, number: int, size: int,
             sha256: str) -> None:  # fmt: skip
    name = f"{starts_at:%Y-%m-%d}/{camera}/{starts_at:{archive.LABEL}}-seed-{number:05d}.mp4"
    path = site.config.archive / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.hardlink_to(film)
    site.db.write(
        "insert into segment (camera, run, path, starts_at, ends_at, frames, size_bytes, sha256, video, audio)"
        " values (?, 'seed', ?, ?, ?, 50, ?, ?, ?, ?)",
        (camera, str(path.relative_to(site.config.video)), iso(starts_at), iso(ends_at), size, sha256,
         "hevc" if camera == "hq" else "h264", "aac" if camera.startswith("room") else None),
    )  # fmt: skip


def _film(folder: Path) -> Path:
    """Two seconds of a real film, made once for each site."""
    film = folder / "film.mp4"
    subprocess.run(
        ["ffmpeg", "-loglevel", "error", "-f", "lavfi", "-i", "testsrc=size=320x180:rate=25", "-t", "2", "-c:v",
         "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-movflags", "+faststart", str(film)], check=True,
    )  # fmt: skip
    return film


def _now(site: Site, moment: Moment) -> None:
    """What is true at this very moment: heartbeats, camera states, pictures."""
    db, clock = site.db, site.clock
    for service in health.SERVICES:
        health.started(db, clock, service)
    now = clock.now()
    required = exams.required_now(db, site.config, now)
    with store.transaction(db):
        links.heard(db, site.config, "security", clock)
        cameras.save(db, [_state(camera, camera in required, moment, now) for camera, *_ in CAMERAS])
        cameras.save_clock(db, clock, "hq", 6.2)
        cameras.save_clock(db, clock, "entrance", 0.2)
    for camera, _, _, _, label in CAMERAS:
        picture(site.config, camera, label, now - timedelta(seconds=190 if camera == "corridor-2" else 1))


def _state(camera: str, required: bool, moment: Moment, now: datetime) -> CameraState:
    if not required:
        return CameraState(camera, "idle", iso(now))
    if camera == "corridor-2" and moment != "after":
        at = iso(now - timedelta(seconds=190))
        return CameraState(camera, "reconnecting", at, "camera silent", at, at)
    return CameraState(camera, "recording", iso(now - timedelta(hours=1)), None, iso(now - timedelta(seconds=1)),
                       iso(now - timedelta(seconds=2)))  # fmt: skip


def picture(config: Config, camera: str, label: str, at: datetime) -> None:
    """The camera's newest picture, as the keeper leaves it."""
    import os

    path = cameras.snapshot_path(config.data, camera)
    path.parent.mkdir(parents=True, exist_ok=True)
    ramp = np.tile(np.linspace(70, 150, 640, dtype=np.uint8), (360, 1))
    image = cv2.cvtColor(ramp, cv2.COLOR_GRAY2BGR)
    cv2.rectangle(image, (60, 200), (580, 350), (96, 104, 112), -1)
    for x in (90, 260, 430):
        cv2.rectangle(image, (x, 220), (x + 120, 300), (132, 140, 150), -1)
    cv2.putText(image, label, (60, 90), cv2.FONT_HERSHEY_SIMPLEX, 1.6, (235, 238, 240), 3, cv2.LINE_AA)
    cv2.imwrite(str(path), image)
    os.utime(path, (at.timestamp(), at.timestamp()))


def copy(seeded: Site, folder: Path) -> Site:
    """The same site once more in another folder, at the same moment: far quicker than living its day again."""
    shutil.copytree(seeded.config.source.parent, folder, dirs_exist_ok=True)
    config = configuration.load(folder / seeded.config.source.name)
    return Site(config, store.open(config.database), FakeClock(seeded.clock.now()), dict(seeded.people), seeded.exam)
