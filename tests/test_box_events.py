"""What the box enters of itself: once, in plain words, and also what changed while nobody looked."""

from __future__ import annotations

import json
import multiprocessing
import random
import signal
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance import box_events, camera_looks, config_changes, differences, exams, journal, matching, store
from appliance import config as configuration
from appliance.camera_looks import Looks
from appliance.clock import FakeClock
from appliance.commands.site import initialise
from appliance.config import Camera, Config, Ups
from appliance.kinds import sentence
from appliance.model import Actor
from appliance.store import Database
from appliance.words import Words
from drivers import host_parts, ups
from drivers.onvif_reply import CameraError
from drivers.types import (
    CameraClock,
    CameraFacts,
    CameraInterface,
    CameraNetwork,
    CameraUser,
    DriverError,
    StreamProfile,
    WholeCamera,
)
from tests.fakes.cameras import StartCameras, camera
from tests.fakes.cameras import virtual_cameras as virtual_cameras
from tests.fakes.exam_site import clock_at, database, planned, site
from tests.fakes.killed_writes import Killed, killed_after
from tests.fakes.sys_tree import SysTree


class BootClock(FakeClock):
    """A clock whose box can be started anew."""

    booted = "boot-1"

    def boot(self) -> str:
        return self.booted

    def reboot(self, off_s: float, up_s: float) -> None:
        self.advance(off_s)
        self.booted, self._mono_s = f"{self.booted}'", up_s


@dataclass(slots=True)
class Box:
    db: Database
    config: Config
    clock: BootClock
    tree: SysTree

    def look(self) -> list[str]:
        """Two seconds later: what is new in the journal, in English."""
        self.clock.advance(2)
        before = journal.head(self.db)[0]
        box_events.look(self.db, self.config, self.clock, self.tree.root)
        return self.said(before)

    def said(self, after: int = 0, language: Any = "en") -> list[str]:
        words = Words(language, self.config.site.zone)
        return [words.say(sentence(entry)).replace("\u00a0", " ") for entry in journal.entries(self.db, after=after)]

    def kinds(self) -> list[str]:
        return [entry.kind for entry in journal.entries(self.db)]


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Box]:
    monkeypatch.setattr(host_parts, "version", lambda: "")  # before the first look: here it may be installed, or not
    config = site(tmp_path)
    clock = BootClock(clock_at("07:58").now())
    found = Box(database(config), config, clock, SysTree(tmp_path / "root").begin())
    assert found.look() == []
    yield found
    found.db.close()


def test_a_stick_is_told_with_its_port_and_what_it_can_do(box: Box) -> None:
    box.tree.plug("1-1.2", classes=("08", "03"))
    assert box.look() == ["Plugged into USB port 1-1.2: storage, Kingston DataTraveler 3.0"]
    (entry,) = journal.entries(box.db, kinds=["usb.plugged"])
    assert (entry.data["vendor"], entry.data["product"], entry.data["serial"]) == ("0951", "1666", "60A44C")
    assert entry.data["classes"] == ["input", "storage"]
    assert box.look() == []
    box.tree.pull("1-1.2")
    assert box.look() == ["Pulled out of USB port 1-1.2: storage, Kingston DataTraveler 3.0"]
    assert box.said(language="ru")[0] == "Вставлено в порт USB 1-1.2: накопитель, Kingston DataTraveler 3.0"


def test_a_stick_pulled_and_put_back_between_two_looks_is_told(box: Box) -> None:
    box.tree.plug("1-1")
    box.look()
    box.tree.pull("1-1")
    box.tree.plug("1-1")
    assert [said.split(":")[0] for said in box.look()] == ["Pulled out of USB port 1-1", "Plugged into USB port 1-1"]


def test_a_keyboard_that_calls_itself_a_lie_is_told_by_what_it_does(box: Box) -> None:
    box.tree.plug("1-1", maker="Kingston\x07\nMains power is back", name="x" * 500, classes=("03",))
    (said,) = box.look()
    assert "keyboard, mouse or reader, Kingston Mains power is back" in said
    assert "\n" not in said
    assert len(said) < 200


def test_what_a_device_tells_a_moment_later_is_waited_for_and_makes_no_second_device(box: Box) -> None:
    def a_moment(_: float) -> None:
        box.tree.pull("1-1")
        box.tree.numbers -= 1
        box.tree.plug("1-1", classes=("08",))

    box.tree.plug("1-1", serial="", classes=())
    box_events.look(box.db, box.config, box.clock, box.tree.root, a_moment)
    (entry,) = journal.entries(box.db)
    assert (entry.kind, entry.data["serial"], entry.data["classes"]) == ("usb.plugged", "60A44C", ["storage"])
    assert box.look() == []


def test_what_was_plugged_while_the_keeper_was_down_is_entered_at_its_start(box: Box) -> None:
    box.tree.plug("1-2")
    box.db.close()
    box.db = store.open(box.config.database)  # another keeper
    assert box.look() == ["Plugged into USB port 1-2: storage, Kingston DataTraveler 3.0"]


def test_after_a_reboot_nothing_is_called_gone_before_it_had_time_to_show_itself(box: Box) -> None:
    box.tree.plug("1-1", serial="ONE")
    box.tree.plug("1-3", serial="TWO")
    box.look()
    box.tree.pull("1-1")
    box.tree.pull("1-3")
    box.tree.cable("eth0", False)
    box.clock.reboot(off_s=40, up_s=5)
    assert box.look() == []
    box.tree.plug("1-1", serial="ONE")  # found again, under another number
    box.tree.cable("eth0", True)
    box.tree.plug("1-2", serial="NEW")
    assert [said.split(":")[0] for said in box.look()] == ["Plugged into USB port 1-2"]
    box.clock.advance(60)
    assert [said.split(":")[0] for said in box.look()] == ["Pulled out of USB port 1-3"]


def test_a_network_cable_out_and_in_again_is_told_with_its_time(box: Box) -> None:
    box.tree.cable("eth0", False, 1)
    assert box.look() == ["Network cable out: eth0"]
    box.clock.advance(28)
    assert box.look() == []
    box.tree.cable("eth0", True, 1)
    assert box.look() == ["Network cable in again: eth0, after 32 s"]
    lost, back = journal.entries(box.db)
    assert back.refs == (lost.seq,)


def test_a_cable_that_was_out_between_two_looks_is_told_all_the_same(box: Box) -> None:
    box.tree.cable("eth0", True, 1)
    assert box.look() == ["Network cable out: eth0", "Network cable in again: eth0, after 0 s"]


def test_a_cable_with_a_loose_contact_does_not_fill_the_journal_and_its_end_is_told(box: Box) -> None:
    for n in range(1, 40):
        box.tree.cable("eth0", n % 2 == 0, n)
        box.look()
    assert box.kinds().count("network.lost") == 5
    said = [box.look() for _ in range(33)]
    assert [one for one in said if one] == [["Network cable out: eth0"]]
    assert journal.entries(box.db)[-1].data["times"] == 15
    box.tree.cable("eth0", True, 40)
    assert len(box.look()) == 1


def test_only_sockets_for_cables_are_watched(box: Box) -> None:
    assert set(host_parts.network(box.tree.root)) == {"eth0"}
    assert host_parts.network(box.tree.root / "nothing") == {}
    assert host_parts.usb(box.tree.root / "nothing") == {}
    assert host_parts.supplies(box.tree.root).mains is None


def test_mains_lost_and_back_from_the_kernels_own_supplies(box: Box) -> None:
    box.tree.mains(True)
    assert box.look() == []
    box.tree.mains(False)
    assert box.look() == ["Mains power is out"]
    box.clock.advance(58)
    box.tree.mains(True)
    assert box.look() == ["Mains power is back after 1 min 00 s"]


@pytest.fixture
def nut() -> Iterator[dict[str, str]]:
    """A NUT server: real TCP on a free port; what it answers can be changed, "" hangs up at once."""
    told = {"answer": "", "asked": ""}
    door = socket.create_server(("127.0.0.1", 0))
    told["port"] = str(door.getsockname()[1])

    def serve() -> None:
        while True:
            try:
                line, _ = door.accept()
            except OSError:
                return
            with line:
                told["asked"] = line.recv(200).decode()
                line.sendall(told["answer"].encode())

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield told
    door.shutdown(socket.SHUT_RDWR)
    door.close()
    thread.join(5)


def nut_says(status: str) -> str:
    rows = f'VAR rack battery.charge "87"\nVAR rack battery.runtime "2040.5"\nVAR rack ups.status "{status}"\n'
    return f"BEGIN LIST VAR rack\n{rows}END LIST VAR rack\n"


def test_a_ups_tells_of_mains_and_of_its_end_and_its_silence_is_told_too(box: Box, nut: dict[str, str]) -> None:
    box.config = replace(box.config, ups=Ups(name="rack", port=int(nut["port"])))
    nut["answer"] = nut_says("OL CHRG")
    assert box.look() == []
    assert nut["asked"] == "LIST VAR rack\n"
    nut["answer"] = nut_says("OB DISCHRG")
    assert box.look() == ["Mains power is out"]
    assert journal.entries(box.db)[-1].data["runtime_s"] == 2040
    nut["answer"] = nut_says("OB LB")
    assert box.look() == ["The UPS is nearly empty: 87 %, lasts 34 min 00 s"]
    nut["answer"] = "ERR DATA-STALE\n"
    assert box.look() == ["The UPS does not answer: the UPS server refuses: DATA-STALE"]
    assert box.look() == []
    nut["answer"] = nut_says("OL")
    assert box.look() == ["Mains power is back after 8 s", "The UPS answers again after 4 s"]


@given(st.text(max_size=200))
def test_no_answer_of_a_ups_server_is_more_than_a_fault(answer: str) -> None:
    try:
        found = ups.read(answer)
    except DriverError:
        return
    assert 'ups.status "' in answer
    assert found.mains in (True, False, None)


def test_another_program_is_told_with_both_versions(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    for version, said in (("1.0", []), ("", []), ("1.1", ["The program was changed from version 1.0 to 1.1"])):
        monkeypatch.setattr(host_parts, "version", lambda version=version: version)
        assert box.look() == said


def test_a_kill_between_entry_and_memory_enters_a_change_once(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both are in one transaction: whichever write the kill falls on, the next look tells it whole and once."""
    box.tree.plug("1-1")
    box.tree.cable("eth0", False, 1)
    for survives in range(60):
        killed_after(monkeypatch, survives)
        try:
            box_events.look(box.db, box.config, box.clock, box.tree.root)
            break
        except Killed:
            continue
    assert survives > 3
    assert sorted(box.kinds()) == ["network.lost", "usb.plugged"]


def test_the_watch_enters_what_happens_by_itself(box: Box) -> None:
    stop = threading.Event()
    thread = box_events.start(box.config, box.clock, stop, box.tree.root)
    box.tree.plug("1-4")
    try:
        for _ in range(600):
            if box.kinds():
                break
            stop.wait(0.05)
    finally:
        stop.set()
        thread.join(10)
    assert box.kinds() == ["usb.plugged"]


def keep_looking(config: Config, clock: BootClock, root: Path) -> None:
    db = store.open(config.database)
    while True:
        box_events.look(db, config, clock, root)
        matching.tend(db, config, clock)


def test_a_keeper_killed_at_any_moment_enters_each_stick_once_and_judges_it_once(box: Box) -> None:
    """SIGKILL, again and again, while sticks are put in; the clock stands so late that each is judged at once."""
    processes = multiprocessing.get_context("fork")
    chance = random.Random(5)
    for n in range(1, 13):
        box.clock.advance(3600)
        keeper = processes.Process(target=keep_looking, args=(box.config, box.clock, box.tree.root), daemon=True)
        keeper.start()
        box.tree.plug(f"1-{n}")
        keeper.join(chance.uniform(0.005, 0.06))
        keeper.kill()
        keeper.join(10)
        assert keeper.exitcode == -signal.SIGKILL
    box.look()
    box.clock.advance(3600)
    while matching.tend(box.db, box.config, box.clock):
        pass
    plugged = journal.entries(box.db, kinds=["usb.plugged"])
    assert sorted(entry.data["port"] for entry in plugged) == sorted(f"1-{n}" for n in range(1, 13))
    judged = [entry.refs[0] for entry in journal.entries(box.db, kinds=["event.unexplained"])]
    assert sorted(judged) == [entry.seq for entry in plugged]
    assert journal.verify(journal.stored_rows(box.db)).ok


# The configuration


def changed(box: Box, old: str, new: str) -> None:
    text = box.config.source.read_text(encoding="utf-8")
    assert old in text
    box.config.source.write_text(text.replace(old, new), encoding="utf-8")
    box.config = configuration.load(box.config.source)


def test_a_changed_configuration_is_told_with_the_difference(box: Box) -> None:
    initialise(box.config)
    assert box.kinds()[-1] != "config.changed"
    changed(box, 'name = { ru = "Школа № 7", en = "School No. 7" }', 'name = { ru = "Школа № 8", en = "School No. 7" }')
    initialise(box.config)
    entry = journal.entries(box.db, kinds=["config.changed"])[-1]
    assert entry.data["differences"] == [{"key": "site.name.ru", "before": "Школа № 7", "after": "Школа № 8"}]
    assert box.said()[-1] == "The configuration was changed (1): site.name.ru: Школа № 7 → Школа № 8"
    initialise(box.config)
    assert box.kinds().count("config.changed") == 1


def test_a_camera_put_before_the_others_changes_only_its_own_keys(box: Box) -> None:
    config_changes.note(box.db, box.config, box.clock)
    changed(box, '[[camera]]\nid = "hq"', '[[camera]]\nid = "new"\nname = { ru = "Новая", en = "New" }\nroom = "7777"\n'
            'stream = "rtsp://127.0.0.1:9/"\n[[camera]]\nid = "hq"')  # fmt: skip
    config_changes.note(box.db, box.config, box.clock)
    found = journal.entries(box.db, kinds=["config.changed"])[0].data["differences"]
    assert {one["key"].split(".")[1] for one in found} == {"new"}
    assert all(one["before"] is None for one in found)


PANEL = """
[[panel]]
id = "p"
name = { ru = "П", en = "P" }
kind = "surgard"
port = "dev-panel"
[panel.settings]
user_code = "4711"
"""


def test_a_secret_is_told_to_have_changed_and_never_what_it_is(box: Box) -> None:
    box.config.source.write_text(box.config.source.read_text(encoding="utf-8") + PANEL, encoding="utf-8")
    config_changes.note(box.db, box.config, box.clock)
    changed(box, '"4711"', '"2580"')
    config_changes.note(box.db, box.config, box.clock)
    (entry,) = journal.entries(box.db, kinds=["config.changed"])
    assert entry.data["differences"] == [{"key": "panel.p.settings.user_code", "before": "•••", "after": "•••"}]
    assert "4711" not in entry.row
    assert "2580" not in entry.row
    (kept,) = (box.config.data / "config-seen").iterdir()
    assert kept.stat().st_mode & 0o077 == 0


def test_an_old_text_that_was_tampered_with_is_said_instead_of_a_difference(box: Box) -> None:
    config_changes.note(box.db, box.config, box.clock)
    (kept,) = (box.config.data / "config-seen").iterdir()
    kept.write_text(json.dumps({"site.name.ru": "Школа № 8"}), encoding="utf-8")
    changed(box, "Школа № 7", "Школа № 8")
    config_changes.note(box.db, box.config, box.clock)
    assert journal.entries(box.db, kinds=["config.changed"])[0].data["old_text_lost"] is True


def test_a_folder_that_cannot_be_used_stops_no_start(box: Box) -> None:
    config_changes.note(box.db, box.config, box.clock)
    folder = box.config.data / "config-seen"
    (kept,) = folder.iterdir()
    kept.unlink()
    folder.rmdir()
    folder.write_text("in the way", encoding="utf-8")
    changed(box, "Школа № 7", "Школа № 8")
    config_changes.note(box.db, box.config, box.clock)
    config_changes.note(box.db, box.config, box.clock)
    (entry,) = journal.entries(box.db, kinds=["config.changed"])
    assert (entry.data["old_text_lost"], entry.data["shown"]) == (True, "?")


@given(
    st.dictionaries(st.text("abc.", min_size=1, max_size=4), st.integers() | st.text(max_size=3), max_size=5),
    st.dictionaries(st.text("abc.", min_size=1, max_size=4), st.integers() | st.text(max_size=3), max_size=5),
)
def test_a_difference_names_each_key_that_differs_once(before: dict[str, Any], after: dict[str, Any]) -> None:
    found = [one["key"] for one in differences.between(before, after)]
    assert found == sorted(key for key in {*before, *after} if before.get(key) != after.get(key))


# Cameras


def whole(serial: str = "SN-1", mac: str = "00:11:22:33:44:55", *, users: tuple[str, ...] = ("admin",), fps: float = 25,
          faults: tuple[str, ...] = (), zone: str = "UTC-5") -> WholeCamera:  # fmt: skip
    profile = StreamProfile("main", "H264", 1920, 1080, fps, "rtsp://x/", "http://x/", gop=50)
    facts = CameraFacts("Maker", "Model", "1.0", serial, offset_s=0.1, profiles=(profile,), faults=faults)
    face = CameraInterface("eth0", "eth0", mac, ("10.0.0.5/24",), False)
    return WholeCamera(facts, CameraClock(zone=zone), users=tuple(CameraUser(name, "Administrator") for name in users),
                       network=CameraNetwork((face,)))  # fmt: skip


def told(box: Box, now: WholeCamera, **more: Any) -> list[str]:
    before = journal.head(box.db)[0]
    camera_looks.note(box.db, box.config, box.clock, "hq", now, **more)
    return box.said(before)


def test_another_camera_in_its_place_is_told_by_serial_number_or_mac(box: Box) -> None:
    assert told(box, whole()) == []
    assert told(box, whole("SN-2")) == ["Another camera stands in its place, serial number SN-2 instead of SN-1"]
    assert told(box, whole("SN-2", "00:11:22:33:44:66")) == [
        "Another camera stands in its place, network address (MAC) 00:11:22:33:44:66 instead of 00:11:22:33:44:55"
    ]
    entry = journal.entries(box.db)[-1]
    assert (entry.camera, entry.room) == ("hq", "7777")
    assert told(box, whole("", "00:11:22:33:44:66")) == []  # it does not tell its number: that is no other camera


def test_settings_changed_from_elsewhere_are_told_with_the_difference(box: Box) -> None:
    told(box, whole())
    assert told(box, whole(users=("admin", "guest"), fps=12)) == [
        "The camera's settings were changed from elsewhere (2): encoder.main.fps: 25 → 12; "
        "users.guest: — → Administrator"
    ]
    assert told(box, whole(users=("admin", "guest"), fps=12)) == []


def test_what_we_set_ourselves_is_not_from_elsewhere(box: Box) -> None:
    told(box, whole())
    assert told(box, whole(fps=12, zone="MSK-3"), ours=("encoder.",)) == [
        "The camera's settings were changed from elsewhere (1): time.zone: UTC-5 → MSK-3"
    ]
    assert told(box, whole(fps=12, zone="MSK-3")) == []


def test_what_differs_after_an_act_of_ours_is_told_beside_it(box: Box) -> None:
    told(box, whole())
    with store.transaction(box.db):
        act = journal.append(box.db, box.clock, "camera.set", Actor.service("keeper"), camera="hq", what="frame rate")
    (said,) = told(box, whole(fps=12))
    assert said == "The camera's settings since we set it (1): encoder.main.fps: 25 → 12"
    assert journal.entries(box.db)[-1].refs == (act,)
    (said,) = told(box, whole(fps=5))
    assert said.startswith("The camera's settings were changed from elsewhere (1)")


def test_what_a_camera_fails_to_say_once_is_no_change(box: Box) -> None:
    told(box, whole())
    assert told(box, whole(users=(), zone="", faults=("Users could not be read.",))) == []
    assert told(box, whole()) == []


def test_an_event_told_again_with_each_subscription_is_entered_once(box: Box) -> None:
    for told_at in ("2026-11-23T07:00:00Z", "2026-11-23T07:00:00Z", "2026-11-23T09:00:00Z"):
        box_events.camera_event(box.db, box.config, box.clock, "hq", "camera.restarted", told=told_at)
    assert box.kinds() == ["camera.restarted"] * 2
    with pytest.raises(ValueError, match=r"camera\.silent"):
        box_events.camera_event(box.db, box.config, box.clock, "hq", "camera.silent")


@dataclass(slots=True)
class Answers:
    """What stands for the cameras: asked through the same door as the real ones."""

    asked: list[str]
    fault: DriverError | None = None

    def __call__(self, camera: Camera, password: str) -> WholeCamera:
        self.asked.append(camera.id)
        if self.fault is not None:
            raise self.fault
        return whole()


def looks(box: Box, answers: Answers) -> Looks:
    return Looks(box.db, box.config, box.clock, journal.head(box.db)[0], ask=answers)


def test_cameras_are_looked_at_one_after_the_other_each_hour(box: Box) -> None:
    answers = Answers([])
    of = looks(box, answers)
    assert [of.tick() for _ in range(4)] == ["hq", "room-0001", "corridor", None]
    box.clock.advance(3599)
    assert of.tick() is None
    box.clock.advance(1)
    assert [of.tick() for _ in range(4)] == ["hq", "room-0001", "corridor", None]


def test_no_look_falls_on_the_minutes_around_the_beginning_of_a_recording(box: Box) -> None:
    exam = planned(box.db, box.config, box.clock)
    begins_at = exams.span(box.config, exam)[0]
    box.clock = BootClock(begins_at)
    of = looks(box, Answers([]))
    assert [of.tick() for _ in range(2)] == ["room-0001", None]  # its recording begins an hour later
    with store.transaction(box.db):
        journal.append(box.db, box.clock, "camera.returned", Actor.service("recorder"), camera="hq", silent_ms=1)
    assert of.tick() is None
    box.clock.advance(10)
    assert of.tick() == "hq"  # it was away: it may be another one


def test_a_camera_that_refuses_the_password_is_left_alone_until_its_file_changes(box: Box) -> None:
    answers = Answers([], CameraError("refused", "no", permanent=True))
    of = looks(box, answers)
    for _ in range(3):
        for _ in range(3):
            of.tick()
        box.clock.advance(3600)
    assert sorted(answers.asked) == ["corridor", "hq", "room-0001"]
    file = box.config.camera("hq").password_file
    assert file is not None
    file.write_text("another word\n", encoding="utf-8")
    answers.fault = None
    for _ in range(3):
        of.tick()
    assert answers.asked.count("hq") == 2


def test_a_real_camera_is_read_and_is_the_same_the_second_time(tmp_path: Path, virtual_cameras: StartCameras) -> None:
    addresses = virtual_cameras([camera("hq")]).addresses
    config = site(tmp_path, addresses)
    db, clock = database(config), clock_at("07:58")
    for _ in range(2):
        now = camera_looks.read_whole(config.camera("hq"), config.camera("hq").password())
        assert camera_looks.note(db, config, clock, "hq", now) == []
    known = box_events.known(db, "camera/hq")
    assert known is not None
    assert known.value["identity"]["serial"] == "SN-hq"
    assert any(key.endswith(".width") for key in known.value["encoder"])
    db.close()
