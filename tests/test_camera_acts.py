"""What people ask of cameras: found, taken in, set, each read back; a password is never lost and stands nowhere."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from appliance import (
    accounts,
    camera_acts,
    camera_search,
    camera_set,
    camera_told,
    cameras,
    found,
    journal,
    orders,
    picture_watch,
    sealed,
    store,
    taken,
)
from appliance.__main__ import examsite
from appliance.camera_acts import Desk
from appliance.camera_lost import Watch
from appliance.camera_words import KIND, ORDER
from appliance.cameras import CameraState
from appliance.clock import FakeClock, SystemClock, iso
from appliance.config import Config
from appliance.model import Actor, Person, Role
from appliance.profile import Words
from appliance.store import Database
from demo.onvif_face import Face
from demo.onvif_quirks import Quirk, misbehave
from demo.onvif_set_face import State, furnish
from drivers import onvif
from drivers.discovery import Found as Answer
from drivers.types import CameraUser
from tests.fakes.exam_site import database, site
from tests.fakes.onvif_faces import PASSWORD, USER, MakeFace, camera_at
from tests.fakes.onvif_faces import make_face as make_face

TYPED = "gory-reka-7-fonar"


@dataclass
class Bench:
    """A site, its keeper's desk, and one virtual camera that was never seen."""

    config: Config
    db: Database
    desk: Desk
    orlov: Person
    face: Face
    state: State

    def ask(self, act: str, **args: Any) -> dict[str, Any]:
        """Order it as a page does, and carry it out as the keeper does."""
        said = {"act": act, "what": {"text": act}, "target": "", **args}
        orders.place(self.db, self.desk.clock, KIND, said, self.orlov)
        order = orders.claim(self.db, self.desk.clock, KIND)
        assert order is not None
        self.desk.carry_out(order)
        done = orders.get(self.db, order.id)
        return {"state": done.state, **(done.result or {})}

    def sealed(self, password: str) -> str:
        return base64.b64encode(sealed.seal(self.config.data, ORDER, password)).decode()

    def found(self) -> found.Found:
        [one] = found.all_of(self.db)
        return one

    def look(self, user: str = USER, password: str = PASSWORD) -> found.Found:
        self.ask("look", address=self.face.device_url, user=user, secret=self.sealed(password))
        return self.found()

    def take(self, room: str = "0001") -> dict[str, Any]:
        return self.ask("take", found=self.found().number, room=room, name_ru="Доска", name_en="Blackboard",
                        at=iso(self.desk.clock.now()))  # fmt: skip

    def camera(self, name: str) -> Any:
        return taken.with_taken(self.db, self.config).camera(name)

    def kinds(self) -> list[str]:
        return [entry.kind for entry in journal.entries(self.db, limit=1000) if entry.camera]


@pytest.fixture
def bench(tmp_path: Path, make_face: MakeFace) -> Iterator[Bench]:
    config = site(tmp_path)
    sealed.begin(config.data)
    db, clock = database(config), SystemClock()
    orlov = accounts.add(db, config, clock, Actor.service("init"), "orlov", "Орлов Пётр", Role.TECHNICIAN, "ru", TYPED)
    face = make_face()
    yield Bench(config, db, Desk(config, clock), orlov, face, furnish(face))
    db.close()


def test_a_found_camera_says_that_it_asks_for_a_password_and_then_what_it_is(bench: Bench) -> None:
    bench.ask("look", address=bench.face.device_url)
    assert bench.found().state == "asks"
    assert bench.face.gate.refused <= 1
    one = bench.look()
    assert (one.state, one.told["serial"], one.picture) == ("answers", "SN-1", True)
    assert found.picture_path(bench.config.data, one.endpoint).read_bytes().startswith(b"\xff\xd8")


def test_a_wrong_password_is_shown_once_and_waits_for_a_person(bench: Bench) -> None:
    assert bench.look(password="not the one").state == "refused"
    refused = bench.face.gate.refused
    assert refused == 1
    camera_search.look(bench.config, bench.desk.clock, [])
    assert bench.face.gate.refused == refused


def test_one_press_takes_it_in_with_its_own_password_clock_stream_and_text(bench: Bench) -> None:
    bench.face.subject.clock_offset_s = -300.0
    bench.look()
    done = bench.take()
    assert done["state"] == "done", done
    assert {step["what"]: step["ok"] for step in done["steps"]} == {
        "password": True, "clock": True, "stream": True, "text": True}  # fmt: skip
    camera = bench.camera(done["camera"])
    assert camera.password() != PASSWORD
    assert bench.face.gate.password == camera.password()
    assert (camera.room, camera.name) == ("0001", Words(ru="Доска", en="Blackboard"))
    assert abs(bench.face.subject.clock_offset_s) < 2
    whole, _ = camera_told.last(bench.db, camera.id) or ({}, "")
    assert any("0123" in one["text"] for one in whole["osds"])
    assert bench.kinds().count("camera.set") == 3
    assert "camera.changed" not in bench.kinds()  # what we set is nobody else's


def test_no_password_stands_anywhere_in_the_database_or_the_journal(bench: Bench) -> None:
    bench.look()
    own = bench.camera(bench.take()["camera"]).password()
    store.checkpoint(bench.db)
    stored = bench.config.database.read_bytes()
    assert all(word.encode() not in stored for word in (PASSWORD, own))
    assert all("secret" not in entry.data for entry in journal.entries(bench.db, kinds=["camera.asked"]))


@pytest.mark.parametrize("when", ["before it was set", "after it was set"])
def test_a_kill_while_the_password_is_set_leaves_a_camera_we_can_sign_in_to(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    bench.look()
    name = bench.take()["camera"]
    old = bench.camera(name).password()

    class Killed(BaseException):
        pass

    def killed(device: Any, password: str) -> None:
        if when == "after it was set":
            bench.face.gate.password = password
        raise Killed

    monkeypatch.setattr(camera_set.onvif_set, "set_password", killed)
    with pytest.raises(Killed):
        bench.ask("password", camera=name)
    monkeypatch.undo()
    camera_acts.recover(bench.db, bench.desk.clock)
    assert orders.recent(bench.db, KIND)[0].state == "failed"  # given up, and said
    Desk(bench.config, bench.desk.clock).settle()
    camera = bench.camera(name)
    assert (camera.password() == old) is (when == "before it was set")
    assert camera.password() == bench.face.gate.password
    assert taken.candidates(bench.db, bench.config, name) is None


def test_a_camera_that_takes_neither_password_is_not_locked_by_us(bench: Bench) -> None:
    bench.look()
    name = bench.take()["camera"]
    taken.seal_next(bench.db, bench.config, bench.camera(name), "never set")
    bench.face.gate.password = "somebody else's"
    desk, before = Desk(bench.config, bench.desk.clock), bench.face.gate.refused
    for _ in range(3):
        desk.settle()
    assert bench.face.gate.refused - before == 2


def test_a_camera_that_answers_strangely_is_taken_in_with_what_it_can(bench: Bench) -> None:
    misbehave(bench.face, Quirk.SETS_NOTHING)
    bench.look()
    done = bench.take()
    assert done["state"] == "done"
    assert not all(step["ok"] for step in done["steps"])
    camera = bench.camera(done["camera"])
    assert camera.password() == PASSWORD == bench.face.gate.password  # a yes that did nothing is seen through
    assert {"camera.taken", "camera.unset", "camera.unpassword"} <= set(bench.kinds())


def test_it_is_taken_in_once(bench: Bench) -> None:
    bench.look()
    assert bench.take()["state"] == "done"
    again = bench.take("7777")
    assert again["state"] == "failed"
    assert "already" in again["message"]["text"]


def test_its_acts_are_done_read_back_and_entered_in_the_name_of_who_asked(bench: Bench) -> None:
    bench.look()
    name = bench.take()["camera"]
    bench.face.subject.clock_offset_s = 90.0
    assert bench.ask("clock", camera=name)["state"] == "done"
    assert abs(bench.face.subject.clock_offset_s) < 2
    bench.state.restart_s = 0.6
    assert bench.ask("reboot", camera=name)["state"] == "done"
    assert bench.state.restarts == 1
    assert bench.ask("card", camera=name, job="job", on=True)["state"] == "done"
    bench.face.subject.picture = cv2.imencode(".jpg", np.full((90, 160), 120, np.uint8))[1].tobytes()
    assert bench.ask("approve", camera=name)["state"] == "done"
    assert picture_watch.approved(bench.db, name) is not None
    assert bench.ask("imaging", camera=name, settings={"Brightness": "61"})["state"] == "done"
    [entry] = journal.entries(bench.db, kinds=["camera.rebooted"])
    assert (entry.actor.name, entry.camera) == ("Орлов Пётр", name)
    assert {"camera.changed", "camera.settled"} & set(bench.kinds()) == set()  # what we set is entered once, by us


def test_accounts_are_made_and_deleted_in_the_camera_but_never_the_boxs_own(bench: Bench) -> None:
    bench.look()
    name = bench.take()["camera"]
    made = bench.ask("user", camera=name, user="observer", level="User", secret=bench.sealed("seen-from-afar"))
    assert made["state"] == "done", made
    assert ("observer", "User") in [(one.name, one.level) for one in device_users(bench, name)]
    twice = bench.ask("user", camera=name, user="observer", level="User", secret=bench.sealed("another"))
    assert (twice["state"], twice["steps"][0]["note"]) == ("failed", "The camera already has a user observer.")
    assert bench.ask("no_user", camera=name, user="observer")["state"] == "done"
    assert "observer" not in [one.name for one in device_users(bench, name)]
    own = bench.ask("no_user", camera=name, user=bench.camera(name).user)
    assert own["state"] == "failed"
    assert "itself signs in" in own["message"]["text"]
    entries = [entry for entry in journal.entries(bench.db, limit=1000) if entry.kind in ("camera.set", "camera.unset")]
    told = [(entry.kind, entry.actor.name) for entry in entries if entry.data["what"]["en"] == "account"]
    assert told == [(kind, "Орлов Пётр") for kind in ("camera.set", "camera.unset", "camera.set")]
    assert "seen-from-afar" not in "".join(str(entry.data) for entry in entries)
    assert {"camera.changed", "camera.settled"} & set(bench.kinds()) == set()


def device_users(bench: Bench, name: str) -> tuple[CameraUser, ...]:
    camera = bench.camera(name)
    with closing(onvif.Camera(camera.onvif, camera.user, camera.password())) as device:
        return device.whole().users


def test_a_camera_that_does_not_answer_says_what_to_check(bench: Bench) -> None:
    bench.look()
    name = bench.take()["camera"]
    bench.face.stop()
    done = bench.ask("clock", camera=name)
    assert done["state"] == "failed"
    assert "Check its power" in done["message"]["text"]


def test_the_command_line_sets_a_taken_cameras_password_by_the_same_rules(bench: Bench) -> None:
    bench.look()
    name = bench.take()["camera"]
    before = bench.camera(name).password()
    which = ["--camera", name, "--config", str(bench.config.source)]
    done = CliRunner().invoke(examsite, ["camera", "set-password", *which, "--make-password", "--json"])
    assert done.exit_code == 0, done.output
    assert bench.camera(name).password() == bench.face.gate.password != before
    assert bench.face.gate.password not in done.output


def test_a_password_a_person_typed_is_kept_once_it_lets_us_in(bench: Bench) -> None:
    bench.look()
    name = bench.take()["camera"]
    bench.face.gate.password = "set by the maker's tool"
    refused = bench.ask("secret", camera=name, secret=bench.sealed("wrong"))
    assert refused["state"] == "failed"
    assert bench.ask("secret", camera=name, secret=bench.sealed("set by the maker's tool"))["state"] == "done"
    assert bench.camera(name).password() == "set by the maker's tool"


# Another address


def for_a_minute(bench: Bench, watch: Watch, clock: FakeClock) -> None:
    watch.look(taken.with_taken(bench.db, bench.config), {})
    clock.advance(61)
    watch.look(taken.with_taken(bench.db, bench.config), {})


def moved(bench: Bench, make_face: MakeFace, serial: str) -> Face:
    """The camera is gone from its address; one with this serial number answers at another."""
    password = bench.face.gate.password
    bench.face.stop()
    face = make_face(serial=serial)
    face.gate.password = password
    return face


@pytest.mark.parametrize(("serial", "known"), [("SN-1", True), ("SN-2", False)])
def test_a_camera_with_another_address_is_recognised_and_a_stranger_is_not(
    bench: Bench, make_face: MakeFace, serial: str, known: bool
) -> None:
    bench.look()
    name = bench.take()["camera"]
    clock, face = FakeClock(SystemClock().now()), moved(bench, make_face, serial)
    watch = Watch(bench.db, clock, lambda: [Answer("127.0.0.1", (face.device_url,), (), face.endpoint)])
    for_a_minute(bench, watch, clock)
    assert (bench.camera(name).onvif == face.device_url) is known
    assert bench.kinds().count("camera.readdressed") == known
    if known:
        with closing(camera_at(face, bench.camera(name).password())) as device:
            assert device.facts().serial == "SN-1"


def test_the_network_is_searched_only_while_a_camera_is_away(bench: Bench) -> None:
    bench.look()
    name = bench.take()["camera"]
    clock, searches = FakeClock(SystemClock().now()), 0
    bench.config = replace(bench.config, cameras=())  # those of the file are nowhere

    def search() -> list[Answer]:
        nonlocal searches
        searches += 1
        return []

    watch = Watch(bench.db, clock, search)
    for_a_minute(bench, watch, clock)
    assert searches == 0  # it takes a connection
    bench.face.stop()
    with store.transaction(bench.db):
        cameras.save(bench.db, [CameraState(name, "recording", iso(clock.now()))])
    for_a_minute(bench, watch, clock)
    assert searches == 0  # it sends
    with store.transaction(bench.db):
        cameras.save(bench.db, [CameraState(name, "reconnecting", iso(clock.now()), "camera unreachable")])
    for_a_minute(bench, watch, clock)
    assert searches == 1
    watch.look(taken.with_taken(bench.db, bench.config), {})
    assert searches == 1  # not more than once a minute


def test_two_cameras_at_one_address_are_found_out_and_a_swapped_one_is_not_two(bench: Bench) -> None:
    bench.look()
    bench.take()
    config, clock = taken.with_taken(bench.db, bench.config), FakeClock(SystemClock().now())
    watch = Watch(bench.db, clock, list)
    for mac in ("02:00:00:00:00:01", "02:00:00:00:00:02", "02:00:00:00:00:02"):
        watch.look(config, {"127.0.0.1": mac})
        clock.advance(10)
    assert "camera.twins" not in bench.kinds()
    for mac in ("02:00:00:00:00:01", "02:00:00:00:00:02"):
        watch.look(config, {"127.0.0.1": mac})
        clock.advance(10)
    assert "camera.twins" in bench.kinds()


def test_an_order_for_a_camera_that_is_not_there_fails_with_a_sentence(bench: Bench) -> None:
    done = bench.ask("clock", camera="nowhere")
    assert (done["state"], done["message"]["text"]) == ("failed", "The site has no camera {camera}.")
    done = bench.ask("look", address="ftp://10.0.0.5", user="x")
    assert (done["state"], "does not speak ONVIF" in done["message"]["text"]) == ("failed", True)
