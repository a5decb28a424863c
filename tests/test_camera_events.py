"""A camera's events are doors, alarms and entries of the house like a panel's; one that is not heard is said so."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from appliance import alarms, camera_events, exams, journal, links, store
from appliance import config as configuration
from appliance.camera_alarms import CameraBook
from appliance.clock import SystemClock
from appliance.config import Config, ConfigError
from appliance.model import Actor
from appliance.services import watch
from appliance.store import Database
from demo.onvif_face import Face
from demo.onvif_quirks import Quirk
from drivers.onvif_events import Events
from drivers.types import Frame
from tests.fakes.exam_site import HEAD, ROOT, database
from tests.fakes.onvif_faces import PASSWORD, MakeFace, make_face, move
from tests.test_onvif_events import item, notification

__all__ = ["make_face"]

QUICK = {"SPREAD_S": 0.0, "LOST_S": 1.0, "PAUSES_S": (0.2,), "REFUSED_LOOK_S": 0.2, "LOOK_S": 0.2}
SITE = HEAD + """
[[room]]
code = "7777"
kind = "hq"
name = {{ ru = "Штаб 7777", en = "HQ 7777" }}
[[camera]]
id = "hall"
name = {{ ru = "Камера штаба", en = "HQ camera" }}
room = "7777"
onvif = "{url}"
user = "examsite"
password_file = "hall.password"
"""
DOOR = """
[[zone]]
panel = "camera:hall"
number = "input-1"
name = { ru = "Дверь стойки", en = "Rack door" }
role = "rack-door"
"""


def site(folder: Path, url: str, more: str = "", password: str = PASSWORD) -> Config:
    (folder / "hall.password").write_text(password + "\n", encoding="utf-8")
    text = SITE.format(profile=ROOT / "examples" / "ru-ege.toml", url=url) + more
    (folder / "site.toml").write_text(text, encoding="utf-8")
    return configuration.load(folder / "site.toml")


class Watched:
    """The watch service on a thread, over one camera."""

    def __init__(self, config: Config) -> None:
        self.config, self.db = config, database(config)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=watch.main, args=(config, SystemClock(), self._stop))

    def start(self) -> Watched:
        self._thread.start()
        return self

    def close(self) -> None:
        self._stop.set()
        self._thread.join(20)
        assert not self._thread.is_alive()
        self.db.conn.close()

    def kinds(self, *wanted: str) -> list[str]:
        return [entry.kind for entry in journal.entries(self.db) if entry.kind in wanted]

    def board(self) -> alarms.Board:
        return alarms.board(self.db, self.config, SystemClock().now())

    def link(self) -> str | None:
        return self.db.value("select state from panel_link where panel = 'camera:hall'")  # type: ignore[no-any-return]


def until(true: Callable[[], Any], timeout_s: float = 20.0) -> None:
    ends_s = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < ends_s, f"not true within {timeout_s} s"
        time.sleep(0.05)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything the service waits for, shortened."""
    for name, value in QUICK.items():
        monkeypatch.setattr(camera_events, name, value)

    def make(camera: Any, wait: Any) -> Events:
        return Events(camera, pull_s=0.3, cycle_s=0.1, wait=wait)

    monkeypatch.setattr(camera_events, "Events", make)
    monkeypatch.setattr(watch, "MEND_S", 0.1)


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Callable[..., Watched]]:
    made: list[Watched] = []

    def begin(url: str, more: str = "", password: str = PASSWORD) -> Watched:
        made.append(Watched(site(tmp_path, url, more, password)).start())
        return made[-1]

    yield begin
    for each in made:
        each.close()


def open_input(face: Face, is_open: bool = True) -> None:
    state = {"LogicalState": str(is_open).lower()}
    face.pull.emit("tns1:Device/Trigger/DigitalInput", {"InputToken": "input-1"}, state)


def test_a_rack_contact_at_a_camera_is_a_door_like_any_other(make_face: MakeFace, watched: Any) -> None:
    face = make_face()
    place = watched(face.device_url, DOOR)
    until(lambda: place.link() == "heard")
    open_input(face)
    until(lambda: place.kinds("door.opened"))
    open_input(face, False)
    until(lambda: place.kinds("door.closed"))
    (opened,) = [entry for entry in journal.entries(place.db) if entry.kind == "door.opened"]
    assert (opened.room, opened.data["role"]) == ("7777", "rack-door")
    assert opened.data["zone"]["args"]["name"]["en"] == "Rack door"
    assert [link.panel for link in place.board().links] == ["camera:hall"]


def test_a_cameras_own_fault_is_an_alarm_until_it_is_over(make_face: MakeFace, watched: Any) -> None:
    face = make_face()
    place = watched(face.device_url)
    until(lambda: place.link() == "heard")
    face.pull.emit("tns1:Device/HardwareFailure/StorageFailure", {"Token": "sd"}, {"Failed": "true"})
    until(lambda: place.board().alarms)
    (alarm,) = place.board().alarms
    assert (alarm.group.name, str(alarm.what), alarm.room) == ("fault", "Camera card failed", "7777")
    assert not alarm.stale
    assert alarm.place.args["name"]["en"] == "HQ camera"
    face.pull.emit("tns1:Device/HardwareFailure/StorageFailure", {"Token": "sd"}, {"Failed": "false"})
    until(lambda: place.board().alarms[0].state == "cleared")


def test_motion_calls_nobody_and_is_kept_once_a_minute(make_face: MakeFace, watched: Any) -> None:
    face = make_face()
    place = watched(face.device_url)
    until(lambda: place.link() == "heard")
    for _ in range(3):
        move(face)
        move(face, False)
    open_input(face)  # no zone of the site: nobody's business either
    until(lambda: place.db.value("select count(*) from event where code = 'onvif/DigitalInput'") == 1)
    rows = place.db.rows("select kind, state from event where code = 'onvif/MotionAlarm'")
    assert [(row["kind"], row["state"]) for row in rows] == [("zone.open", "active"), ("zone.open", "restored")]
    assert place.board().alarms == ()
    assert place.kinds("alarm.raised", "panel.event") == []


def test_a_dark_picture_is_an_alarm_only_while_the_room_must_be_recorded(make_face: MakeFace, watched: Any) -> None:
    face = make_face()
    place = watched(face.device_url)
    until(lambda: place.link() == "heard")
    face.pull.emit("tns1:VideoSource/ImageTooDark/ImagingService", {"Source": "lens"}, {"State": "true"})
    until(lambda: place.db.value("select count(*) from event") == 1)
    assert place.board().alarms == ()
    clock, technician = SystemClock(), Actor("person", "orlov", "Орлов П. С.", "technician")
    began = clock.now()
    exams.plan(place.db, place.config, clock, technician, "russian", "Русский язык", began, began + timedelta(hours=1))
    until(lambda: place.board().alarms)
    (alarm,) = place.board().alarms
    assert (alarm.kind, str(alarm.what)) == ("tamper", "Picture too dark")
    face.pull.emit("tns1:VideoSource/ImageTooDark/ImagingService", {"Source": "lens"}, {"State": "false"})
    until(lambda: place.board().alarms[0].state == "cleared")


def test_a_camera_something_hangs_at_is_an_alarm_when_it_is_not_heard(make_face: MakeFace, watched: Any) -> None:
    face = make_face()
    place = watched(face.device_url, DOOR)
    until(lambda: place.link() == "heard")
    face.subject.gone = True  # type: ignore[misc]
    face.pull.reboot()
    until(lambda: place.link() == "silent")
    (alarm,) = place.board().alarms
    assert (alarm.group.name, str(alarm.what)) == ("nolink", "No events from the camera")
    face.subject.gone = False  # type: ignore[misc]
    until(lambda: place.link() == "heard")
    assert place.kinds("camera.deaf", "camera.heard") == ["camera.deaf", "camera.heard"]


def test_a_camera_nothing_hangs_at_is_only_said_to_be_deaf(make_face: MakeFace, watched: Any) -> None:
    face = make_face()
    del face.answers["CreatePullPointSubscription"]
    place = watched(face.device_url)
    until(lambda: place.link() == "silent")
    board = place.board()
    assert (board.alarms, board.links) == ((), ())
    (deaf,) = board.deaf_cameras
    assert deaf.detail is not None
    assert "gives no events" in str(deaf.detail)


def test_a_refused_password_waits_for_a_person(make_face: MakeFace, watched: Any, tmp_path: Path) -> None:
    face = make_face()
    place = watched(face.device_url, DOOR, password="wrong")
    until(lambda: place.link() == "silent")
    time.sleep(0.6)  # three looks at the file
    assert face.gate.refused == 1
    assert "refuses its name and password" in str(place.board().links[0].detail)
    (tmp_path / "hall.password").write_text(PASSWORD + "\n", encoding="utf-8")
    until(lambda: place.link() == "heard")
    assert face.gate.refused == 1


def test_that_a_camera_started_again_is_entered_once(make_face: MakeFace, watched: Any) -> None:
    face = make_face(Quirk.NO_SYNCHRONISATION)
    last = {"topic": "tns1:Monitoring/OperatingTime/LastReboot", "source": {}}
    face.pull.emit(data={"Status": "2026-11-20T06:00:00Z"}, **last)  # type: ignore[arg-type]
    place = watched(face.device_url)
    until(lambda: place.link() == "heard")
    time.sleep(0.5)
    assert place.kinds("camera.restarted") == []  # from before we listened
    face.pull.reboot()
    face.pull.emit(data={"Status": "2026-11-22T07:00:00Z"}, **last)  # type: ignore[arg-type]
    until(lambda: place.kinds("camera.restarted"))
    face.pull.emit(data={"Status": "2026-11-22T07:00:03Z"}, **last)  # type: ignore[arg-type]
    face.pull.reboot()
    move(face)
    until(lambda: place.db.value("select count(*) from event") == 1)
    assert place.kinds("camera.restarted") == ["camera.restarted"]


def test_a_strange_sign_in_is_entered_and_our_own_is_not(make_face: MakeFace, watched: Any) -> None:
    face = make_face()
    place = watched(face.device_url)
    until(lambda: place.link() == "heard")
    face.pull.emit("tns1:Monitoring/UserLogin", {}, {"IPAddress": "127.0.0.1"}, lasting=False)  # ourselves
    face.pull.emit("tns1:UserAlarm/tnshik:IllegalAccess", {}, {"IPAddress": "10.0.0.99"}, lasting=False)
    until(lambda: place.kinds("camera.entered"))
    (entered,) = [entry for entry in journal.entries(place.db) if entry.kind == "camera.entered"]
    assert (entered.camera, entered.room, entered.data["address"]) == ("hall", "7777", "10.0.0.99")


def test_a_camera_with_every_bad_habit_of_events_still_opens_the_door(make_face: MakeFace, watched: Any) -> None:
    face = make_face(
        Quirk.BY_REFERENCE, Quirk.NO_RENEW, Quirk.ENDS_AT_ONCE, Quirk.ODD_TOPICS, Quirk.UNDECLARED_PREFIXES,
        Quirk.NO_SYNCHRONISATION, Quirk.HANGS_UP,
    )  # fmt: skip
    place = watched(face.device_url, DOOR)
    until(lambda: place.link() == "heard")
    open_input(face)
    until(lambda: place.kinds("door.opened"))


def test_a_zone_may_name_a_camera_but_not_a_panel_that_is_not_there(tmp_path: Path) -> None:
    config = site(tmp_path, "http://127.0.0.1:9/", DOOR)
    zone = config.zone("camera:hall", "input-1", None, None)
    assert zone is not None
    assert (zone.role, zone.room) == ("rack-door", "7777")
    lens = config.zone("camera:hall", "lens", None, None)
    assert lens is not None
    assert (lens.name.en, lens.role) == ("HQ camera", "detector")
    with pytest.raises(ConfigError, match="no panel 'hall'"):
        site(tmp_path, "http://127.0.0.1:9/", DOOR.replace("camera:hall", "hall"))


def test_the_end_of_a_dark_picture_is_no_end_of_a_turned_camera(tmp_path: Path) -> None:
    config = site(tmp_path, "http://127.0.0.1:9/")
    db: Database = database(config)
    clock = SystemClock()
    book = CameraBook(config, "hall", clock)

    def say(topic: str, value: str) -> None:
        said = book.take(db, [notification(topic, item("Source", "lens"), item("State", value))], required=True)
        with store.transaction(db):
            links.heard(db, config, book.source, clock)
            alarms.record(db, config, book.source, Frame(b"", tuple(said), news=True), clock)

    for topic in ("tns1:VideoSource/ImageTooDark/A", "tns1:VideoSource/GlobalSceneChange/A"):
        say(topic, "true")
    say("tns1:VideoSource/ImageTooDark/A", "false")
    standing = [str(a.what) for a in alarms.board(db, config, clock.now()).alarms if a.restored_at is None]
    assert standing == ["Camera turned or covered"]
    db.conn.close()
