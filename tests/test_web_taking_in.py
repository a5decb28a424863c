"""The pages of taking in: what answered and how, a password nobody can read back, acts by right, risks said first."""

from __future__ import annotations

import ast
import base64
import re
from collections.abc import Callable
from datetime import UTC
from pathlib import Path

import pytest

from appliance import camera_told, camera_words, crew, found, journal, orders, sealed, store, taken
from appliance.camera_words import KIND, ORDER, sentences
from appliance.clock import FakeClock
from appliance.model import Actor, Role
from appliance.orders import Order
from appliance.profile import Words
from appliance.store import Database
from appliance.taken import Identity
from appliance.words import Words as Words_
from drivers.types import (
    CameraFacts,
    CameraUser,
    CardRecording,
    Imaging,
    Preset,
    RecordingJob,
    StreamProfile,
    WholeCamera,
)
from tests.fakes.seeded_site import Site
from tests.fakes.visitor import Visitor

pytest_plugins = ["tests.web_fixtures"]
Visit = Callable[[Role], Visitor]
ROOT = Path(__file__).resolve().parent.parent
SENTENCE = re.compile(r"(The|It|Its|A|There|Nothing|Profile|Asked|What|X7) .*(\.|[.:] X7)")
URL = "http://127.0.0.1:7/onvif/device_service"
MAIN = StreamProfile("main", "H264", 1280, 720, 25.0, "rtsp://127.0.0.1/main?pwd=word", "", gop=25, bit_rate_kbps=2000)
WHOLE = WholeCamera(
    CameraFacts("Virtual", "Camera", "1", "SN-9", offset_s=4.2, profiles=(MAIN,), faults=("It lists wrong ports.",)),
    presets=(Preset("1", "Доска"),), imaging=(Imaging("lens", (("Brightness", "50"),)),),
    users=(CameraUser("admin", "Administrator"), CameraUser("old firm", "Operator")),
    recordings=(CardRecording("card"),), jobs=(RecordingJob("job", "card", "Idle"),),
)  # fmt: skip


@pytest.fixture
def ready(site: Site) -> Site:
    sealed.begin(site.config.data)
    return site


def seen(site: Site, state: found.State, number: int = 1, **told: object) -> found.Found:
    url = f"http://127.0.0.1:{8000 + number}/onvif/device_service"
    one = found.seen(site.db, site.clock, f"urn:uuid:{number}", url, f"cam-{number}")
    found.say(site.db, site.clock, one.number, state, told or None)
    return one


def newest(db: Database) -> Order:
    return orders.recent(db, KIND)[0]


def taken_in(site: Site, clock: FakeClock) -> str:
    who = Actor.person(site.people[Role.TECHNICIAN])
    return taken.take(site.db, site.config, clock, who, Words(ru="Доска", en="Blackboard"), "0001", URL, "admin",
                      "word", Identity("urn:uuid:9", "SN-9"), maker="Virtual", model="Camera")  # fmt: skip


def test_a_press_searches_and_twice_the_same_press_is_one_search(ready: Site, visit: Visit) -> None:
    technician = visit(Role.TECHNICIAN)
    assert "Nothing is changed in them until you take one in." in technician.page("/cameras/find")
    for _ in range(2):
        technician.post("/cameras/find", page="/cameras/find", key="one")
    [order] = orders.recent(ready.db, KIND)
    assert (order.args["act"], order.state) == ("search", "placed")
    assert "Asking, a few seconds" in technician.page("/cameras/find")


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("answers", "Answers"), ("asks", "Asks for a password"), ("refused", "tried once and is not tried again"),
        ("silent", "Gives no answer"), ("foreign", "Does not speak ONVIF"),
    ],
)  # fmt: skip
def test_each_found_camera_says_how_it_answered(ready: Site, visit: Visit, state: found.State, said: str) -> None:
    seen(ready, state)
    page = visit(Role.TECHNICIAN).page("/cameras/find")
    assert said in page
    assert ("Take in" in page.split("127.0.0.1:8001")[1].split("By address")[0]) is (state == "answers")


def test_what_a_strange_camera_cannot_do_is_said_and_it_can_be_taken_in(ready: Site, visit: Visit) -> None:
    seen(ready, "strange", maker="XM", model="530", serial="", sound=False, stream="", faults=["It gives no snapshot."])
    page = visit(Role.TECHNICIAN).page("/cameras/find")
    assert all(word in page for word in ("Answers strangely", "It gives no snapshot.", "no sound", "Take in"))


def test_a_password_is_typed_once_for_all_and_only_the_keeper_can_read_it(ready: Site, visit: Visit) -> None:
    seen(ready, "asks")
    seen(ready, "refused", 2)
    technician = visit(Role.TECHNICIAN)
    assert "2 cameras ask for a password" in technician.page("/cameras/find")
    technician.post("/cameras/find/password", page="/cameras/find", user="admin", password="factory-word")
    order = newest(ready.db)
    assert "factory-word" not in str(order.args)
    opened = sealed.unseal(ready.config.data, ORDER, base64.b64decode(order.args["secret"]))
    assert (order.args["act"], order.args["user"], opened) == ("look", "admin", "factory-word")
    [entry] = journal.entries(ready.db, kinds=["camera.asked"])
    assert "secret" not in entry.data
    said = technician.page("/journal")
    assert "asked: Ask found cameras with a password, all that ask for a password" in said


def test_one_press_with_a_room_takes_it_in_under_the_rooms_name(ready: Site, visit: Visit) -> None:
    one = seen(ready, "answers", maker="Virtual", model="Camera", serial="SN-7")
    technician = visit(Role.TECHNICIAN)
    technician.post(f"/cameras/find/{one.number}/take", page="/cameras/find", room="0001", key="k")
    args = newest(ready.db).args
    assert (args["found"], args["room"], args["name_en"], args["name_ru"]) == (
        one.number, "0001", "Room 0001 (2)", "Аудитория 0001 (2)")  # fmt: skip
    answer = technician.post(f"/cameras/find/{one.number}/take", page="/cameras/find", room="")
    assert answer.status_code == 422


def test_the_sites_own_cameras_are_known_whatever_their_address(ready: Site, visit: Visit) -> None:
    taken_in(ready, ready.clock)
    found.seen(ready.db, ready.clock, "urn:uuid:9", "http://127.0.0.1:9999/onvif/device_service")
    page = visit(Role.TECHNICIAN).page("/cameras/find")
    assert "Blackboard The site's camera" in page


def test_a_camera_of_another_place_at_a_known_address_is_not_called_ours(ready: Site) -> None:
    name = taken_in(ready, ready.clock)
    other = found.seen(ready.db, ready.clock, "urn:uuid:10", URL)
    found.say(ready.db, ready.clock, other.number, "answers", {"serial": "SN-10"})
    other = found.get(ready.db, other.number) or other
    cameras = taken.with_taken(ready.db, ready.config).cameras
    assert name in {camera.id for camera in cameras}
    assert found.ours(other, cameras, taken.rows(ready.db)) is None


def test_a_taken_camera_has_its_plate_and_its_page_at_once(ready: Site, visit: Visit) -> None:
    technician = visit(Role.TECHNICIAN)
    name = taken_in(ready, ready.clock)
    assert "Blackboard" in technician.page("/cameras")
    assert "Blackboard" in technician.page(f"/cameras/{name}")
    assert "Nobody has read this camera yet." in technician.page(f"/cameras/{name}/device")


def test_everything_it_told_is_on_its_page_without_a_password(ready: Site, visit: Visit) -> None:
    name = taken_in(ready, ready.clock)
    camera_told.keep(ready.db, ready.clock, name, WHOLE)
    page = visit(Role.TECHNICIAN).page(f"/cameras/{name}/device")
    for word in ("Virtual Camera", "SN-9", "+4.2", "1280×720", "Turn to Доска", "Record on the card", "Brightness",
                 "It lists wrong ports."):  # fmt: skip
        assert word in page, word
    stored = ready.db.value("select value from camera_told where camera = ?", (name,))
    assert "pwd=***" in stored
    assert "pwd=word" not in stored


def test_the_head_reads_it_and_may_press_nothing(ready: Site, visit: Visit) -> None:
    name = taken_in(ready, ready.clock)
    camera_told.keep(ready.db, ready.clock, name, WHOLE)
    head = visit(Role.HEAD)
    page = head.page(f"/cameras/{name}/device")
    assert "SN-9" in page
    assert "Set by profile" not in page
    assert head.get("/cameras/find").status_code == 403


def test_a_press_is_an_order_and_what_came_of_it_is_said(ready: Site, visit: Visit) -> None:
    name = taken_in(ready, ready.clock)
    technician, page = visit(Role.TECHNICIAN), f"/cameras/{name}/device"
    technician.post(f"/cameras/{name}/do", page=page, act="clock", key="a")
    order = newest(ready.db)
    assert (order.args["act"], order.args["camera"]) == ("clock", name)
    assert "Set clock: waits for its turn" in technician.page(page)
    orders.claim(ready.db, ready.clock, KIND)
    step = {"what": "clock", "ok": False, "wanted": "0 s", "before": "", "after": "9 s", "note": "It keeps its own."}
    with store.transaction(ready.db):
        orders.finish(ready.db, ready.clock, order.id, False, {"steps": [step]})
    said = technician.page(page)
    assert "difference of its clock: not taken" in said
    assert "It keeps its own." in said


def test_a_dangerous_act_is_said_in_figures_on_a_page_of_its_own(ready: Site, visit: Visit) -> None:
    technician = visit(Role.TECHNICIAN)
    said = technician.page("/cameras/hq/do/reboot")
    assert "It sends no picture for about a minute." in said
    assert "This camera must record until" in said
    technician.post("/cameras/hq/do/reboot", page="/cameras/hq/do/reboot", key="r")
    assert newest(ready.db).args["act"] == "reboot"
    assert technician.client.get("/cameras/hq/do/clock").status_code == 404


def test_accounts_in_the_camera_are_told_made_and_deleted_but_never_the_boxs_own(ready: Site, visit: Visit) -> None:
    name = taken_in(ready, ready.clock)
    camera_told.keep(ready.db, ready.clock, name, WHOLE)
    technician, page = visit(Role.TECHNICIAN), f"/cameras/{name}/device"
    assert "admin: may do everything, the box's own" in technician.page(page)
    assert "Delete old firm" in technician.page(page)
    technician.post(f"/cameras/{name}/user", page=page, name="observer", password="word", level="User", key="u")
    order = newest(ready.db)
    assert (order.args["act"], order.args["user"], order.args["level"]) == ("user", "observer", "User")
    assert "word" not in str(order.args)
    for wrong in ({"name": "x", "password": "y", "level": "Root"}, {"name": "", "password": "y", "level": "User"}):
        assert technician.post(f"/cameras/{name}/user", page=page, key="w", **wrong).status_code == 422
    risk = f"/cameras/{name}/do/no_user?user=old+firm"
    assert "Delete an account of the camera: Blackboard, old firm" in technician.page(risk)
    technician.post(f"/cameras/{name}/do/no_user", page=risk, user="old firm", key="d")
    assert (newest(ready.db).args["act"], newest(ready.db).args["user"]) == ("no_user", "old firm")
    for user in ("admin", "nobody", ""):
        assert technician.get(f"/cameras/{name}/do/no_user?user={user}").status_code == 404
        said = technician.post(f"/cameras/{name}/do/no_user", page=risk, user=user, key="n")
        assert said.status_code == 404


def test_it_is_named_set_aside_and_brought_back(ready: Site, visit: Visit) -> None:
    ready.clock.advance(86400)  # no exam goes on
    name = taken_in(ready, ready.clock)
    technician, page = visit(Role.TECHNICIAN), f"/cameras/{name}/edit"
    technician.post(page, page=page, press="save", name_ru="Окно", name_en="Window", room="0002")
    assert "Window" in technician.page("/cameras")
    technician.post(page, page=page, press="streams", both="1", sound="1")
    now = taken.with_taken(ready.db, ready.config)
    assert (now.camera(name).both_streams, now.camera(name).sound) == (True, True)
    assert [stream for one, stream in crew.recorded(now) if one.id == name] == ["main", "second"]
    technician.post(page, page=page, press="streams", sound="1")
    assert len(crew.recorded(taken.with_taken(ready.db, ready.config))) == len(now.cameras)
    last = journal.entries(ready.db, kinds=["camera.streams"], newest_first=True)[0]
    assert (last.data["before"]["en"], last.data["after"]["en"]) == ("both streams with sound", "one stream with sound")
    assert last.actor.id == ready.login(Role.TECHNICIAN)
    technician.post(page, page=page, press="aside")
    assert "Window" not in technician.page("/cameras")
    assert technician.get(f"/cameras/{name}").location == f"/cameras/{name}/device"
    assert technician.get(f"/cameras/{name}/live").status_code == 404
    assert "it is recorded no more" in technician.page(f"/cameras/{name}/device")
    technician.post(page, page=page, press="back")
    assert "Window" in technician.page("/cameras")
    assert "configuration file" in technician.page("/cameras/hq/edit")


def test_another_camera_in_its_place_and_two_at_one_address_are_told_with_what_to_do(ready: Site, visit: Visit) -> None:
    name = taken_in(ready, ready.clock)
    camera_told.keep(ready.db, ready.clock, name, WholeCamera(CameraFacts(serial="SN-10")))
    with store.transaction(ready.db):
        journal.append(ready.db, ready.clock, "camera.twins", Actor.service("keeper"), camera=name, address="127.0.0.1",
                       macs=["a", "b"])  # fmt: skip
    page = visit(Role.TECHNICIAN).page(f"/cameras/{name}/device")
    assert "Announce a replacement or put the old one back." in page
    assert "Two cameras answer at 127.0.0.1. Give one of them another address." in page


def test_what_a_camera_does_its_own_way_is_said_in_russian_sentence_by_sentence() -> None:
    said = Words_("ru", UTC)
    told = "The nearest size the camera has is 1280x720. The camera said yes and changed nothing. Ein {Satz}."
    size, nothing, unknown = [said.say(one) for one in sentences(told)]
    assert size == "Ближайший размер, который умеет камера: 1280x720."
    assert (nothing, unknown) == ("Камера согласилась и ничего не изменила.", "Ein (Satz).")
    note = camera_words.told("The clock could not be read. The camera at 10.0.0.5 gave no answer within 4 s.")
    whole = said.say(note)
    assert whole == "Не прочитано: часы. Камера 10.0.0.5 не ответила за 4 с."


def _text(node: ast.AST) -> str:
    """What a string of the source reads like, with an X7 for each value in it."""
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "X7" for part in node.values)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def test_whatever_the_onvif_drivers_say_there_are_russian_words_for_it() -> None:
    said, english = Words_("ru", UTC), []
    for file in sorted((ROOT / "drivers").glob("onvif*.py")):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        kept_out = {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}  # docstrings
        kept_out |= {part for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
        for node in ast.walk(tree):
            text = re.sub(r"\{\w+\}", "X7", _text(node)) if node not in kept_out else ""
            english += [f"{file.name}: {one}" for one in (sentences(text) if SENTENCE.fullmatch(text) else ())
                        if re.search(r"[a-z]{2,} [a-z]{2,}", said.say(one))]  # fmt: skip
    assert not english, "\n".join(english)
