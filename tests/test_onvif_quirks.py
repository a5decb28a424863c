"""A camera that misbehaves in any known way is read, heard and found all the same, and what it does wrong is named.

The rows are those of what real cameras do (docs/virtual-cameras.md lists them); a password is shown once, twice where a
clock may be to blame.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import pytest

from demo.discovery_answer import start_discovery
from demo.onvif_quirks import Quirk, misbehave
from drivers.discovery import discover
from drivers.onvif import Camera
from drivers.onvif_ports import speaks
from drivers.onvif_reply import CameraError
from tests.fakes.onvif_faces import (
    JPEG,
    PASSWORD,
    STREAM,
    USER,
    MakeFace,
    camera_at,
    hear,
    listen,
    make_face,
    move,
)

__all__ = ["make_face"]

# What a reading names. None: nothing of it can be seen from outside, it is only survived.
READ: dict[Quirk, str | None] = {
    Quirk.DIGEST_ONLY: None,
    Quirk.NONCE_A_PATH: None,
    Quirk.CREATED_IN_Z: None,
    Quirk.DEAD_CLOCK: "clock is far off",
    Quirk.REPLAY_PROTECTION: None,
    Quirk.LOCAL_TIME_AS_UTC: "calls its local time UTC",
    Quirk.ABSURD_TIME: "no time that makes sense",
    Quirk.TIME_BEHIND_SIGN_IN: "only to those who sign in",
    Quirk.OTHER_HOST: "another host (192.168.1.88)",
    Quirk.WRONG_PATHS: "lists a wrong address",
    Quirk.DOUBLED_PORT: "a port twice",
    Quirk.UNDECLARED_PREFIXES: "not well-formed",
    Quirk.DENIES_PULL_POINT: "GetServices could not be read",
    Quirk.SNAPSHOT_RTSP: "no web address",
    Quirk.GARBLED_NAMES: "garbled",
    Quirk.INVALID_UTF8: "bytes that are no text",
    Quirk.RELAYS_UNLISTED: None,
    Quirk.LOCKS_OUT: None,
    Quirk.SLOW_WITH_EVENTS: None,
    Quirk.MANY_XADDRS: None,
}
# What listening for events names.
HEARD: dict[Quirk, str | None] = {
    Quirk.CLOSED_PORT: None,
    Quirk.HANGS_UP: "hangs up while its events",
    Quirk.REBOOTS: "dropped its event subscription",
    Quirk.NO_RENEW: "does not renew",
    Quirk.ENDS_AT_ONCE: "ends at once",
    Quirk.BY_REFERENCE: None,
    Quirk.NO_SYNCHRONISATION: "does not tell on request",
    Quirk.ONLY_SYNCHRONISED: None,
    Quirk.ONE_SUBSCRIPTION: None,
    Quirk.ODD_TOPICS: None,
    Quirk.PULLS_AT_ONCE: "answers at once",
}
TWO_TRIES = (Quirk.LOCAL_TIME_AS_UTC, Quirk.REPLAY_PROTECTION)


def named_in(said: str, faults: Sequence[str]) -> bool:
    return any(said in fault for fault in faults)


@pytest.mark.parametrize("quirk", [*READ, *HEARD], ids=str)
def test_a_camera_is_read_and_heard_whatever_it_does_wrong(make_face: MakeFace, quirk: Quirk) -> None:
    face = make_face(quirk)
    camera = camera_at(face)
    facts = camera.facts()
    named = READ.get(quirk)
    assert [profile.stream_uri for profile in facts.profiles] == [STREAM]
    assert facts.manufacturer.startswith("Exam")
    assert named is None or named_in(named, facts.faults), facts.faults
    move(face)
    events = listen(camera, lifetime_s=3.0 if quirk is Quirk.NO_RENEW else 60.0)
    assert hear(events, kind="motion", state="active").source == "lens"
    said, pulls = HEARD.get(quirk), 0
    until_s = time.monotonic() + 10
    while pulls < 3 or (said and not named_in(said, camera.faults) and time.monotonic() < until_s):
        events.pull()  # over a renewal, a reboot, a hang-up
        pulls += 1
    move(face, False)
    hear(events, kind="motion", state="restored")
    events.stop()
    assert said is None or named_in(said, camera.faults), camera.faults
    assert face.gate.refused <= (1 if quirk in TWO_TRIES else 0)
    assert face.pull.subscriptions == {}, "a subscription was left behind"


@pytest.mark.parametrize("quirk", list(Quirk), ids=str)
def test_a_wrong_password_is_shown_once_to_any_camera(make_face: MakeFace, quirk: Quirk) -> None:
    face = make_face(quirk)
    camera = camera_at(face, "wrong")
    for _ in range(2):
        with pytest.raises(CameraError):
            camera.facts()
    assert face.gate.refused <= (2 if quirk is Quirk.LOCAL_TIME_AS_UTC else 1)


def test_every_quirk_of_the_rows_is_there_and_is_tried() -> None:
    rows = {int(quirk.split("-")[0]) for quirk in Quirk if quirk[0].isdigit()}
    assert rows == set(range(1, 31))
    elsewhere = {
        Quirk.WANTS_DAYLIGHT, Quirk.UNKNOWN_FAULT, Quirk.H265_IN_MEDIA2, Quirk.SNAPSHOT_SIGNED, Quirk.MOVES_ON,
        Quirk.ALWAYS_MOVING, Quirk.SETS_NOTHING,
    }  # fmt: skip
    assert {*READ, *HEARD, *elsewhere} == set(Quirk)


def test_many_quirks_at_one_camera_are_survived_together(make_face: MakeFace) -> None:
    face = make_face(
        Quirk.DIGEST_ONLY, Quirk.NONCE_A_PATH, Quirk.OTHER_HOST, Quirk.ABSURD_TIME, Quirk.BY_REFERENCE, Quirk.NO_RENEW,
        Quirk.UNDECLARED_PREFIXES, Quirk.ODD_TOPICS, Quirk.NO_SYNCHRONISATION, Quirk.SNAPSHOT_RTSP, Quirk.INVALID_UTF8,
    )  # fmt: skip
    face.gate.takes_token, face.gate.takes_digest = False, True
    camera = camera_at(face)
    assert len(camera.facts().faults) >= 4
    events = listen(camera)
    move(face)
    assert hear(events, kind="motion", state="active").topic == "VideoSoure/MotionAlarm"


def test_local_time_called_utc_is_not_taken_for_a_wrong_clock(make_face: MakeFace) -> None:
    camera = camera_at(make_face(Quirk.LOCAL_TIME_AS_UTC))
    assert camera.facts().offset_s == pytest.approx(0, abs=1.5)
    assert camera.facts().offset_s == pytest.approx(0, abs=1.5)


def test_a_camera_is_found_at_its_port_when_nobody_said_one(make_face: MakeFace) -> None:
    face, other = make_face(), make_face(Quirk.UNKNOWN_FAULT)
    assert (speaks(face.device_url, 1), speaks(other.device_url, 1)) == (True, False)
    port, wrong = (int(each.base.rpartition(":")[2]) for each in (face, other))
    camera = Camera("127.0.0.1", USER, PASSWORD, 2, ports=[wrong, port])  # nobody is at port 80 here
    facts = camera.facts()
    assert facts.serial == "SN-1"
    assert any(f"found at port {port}" in fault for fault in facts.faults)


def test_a_given_port_is_not_second_guessed(make_face: MakeFace) -> None:
    face, other = make_face(), make_face(Quirk.UNKNOWN_FAULT)
    port = int(face.base.rpartition(":")[2])
    with pytest.raises(CameraError, match="Unknown fault"):
        Camera(other.device_url, USER, PASSWORD, 2, ports=[port]).facts()


def test_h265_is_read_from_media2_while_media1_hides_it(make_face: MakeFace) -> None:
    (profile,) = camera_at(make_face(Quirk.H265_IN_MEDIA2)).facts().profiles
    assert (profile.codec, profile.width, profile.stream_uri) == ("H265", 2592, STREAM)


def test_a_snapshot_address_with_a_sign_in_in_it_is_asked_without(make_face: MakeFace) -> None:
    face = make_face(Quirk.SNAPSHOT_SIGNED)
    camera = camera_at(face)
    assert "user=admin" in camera.facts().profiles[0].snapshot_uri
    assert camera.snapshot() == JPEG
    assert any("without the sign-in in it" in fault for fault in camera.faults)
    assert face.gate.refused == 0


def test_garbled_preset_names_are_put_right(make_face: MakeFace) -> None:
    assert camera_at(make_face(Quirk.GARBLED_NAMES)).facts().presets == ("Вход",)


def test_relays_that_the_capabilities_leave_out_are_found(make_face: MakeFace) -> None:
    assert camera_at(make_face(Quirk.RELAYS_UNLISTED)).facts().relays == ("relay-1",)


def test_bytes_that_are_no_text_do_not_hide_what_follows_them(make_face: MakeFace) -> None:
    facts = camera_at(make_face(Quirk.INVALID_UTF8)).facts()
    assert (facts.model, facts.serial) == ("Virtual camera", "SN-1")


def test_a_camera_that_locks_out_lets_the_right_password_in_after_a_wrong_one(make_face: MakeFace) -> None:
    face = make_face(Quirk.LOCKS_OUT)
    wrong = camera_at(face, "wrong")
    for _ in range(5):
        with pytest.raises(CameraError):
            wrong.facts()
    assert camera_at(face).facts().serial == "SN-1"


def test_of_many_addresses_in_discovery_the_one_that_answers_is_taken(make_face: MakeFace) -> None:
    face = make_face(Quirk.MANY_XADDRS, serial=f"quirk-{time.monotonic_ns()}")
    if not start_discovery([face]):
        pytest.skip("this machine has no multicast on loopback")
    found = {one.endpoint: one.xaddrs for one in discover(1.0, ["127.0.0.1"])}
    assert found[face.endpoint][0] == face.device_url or found[face.endpoint][0].startswith("https://127.0.0.1/")
    assert face.device_url in found[face.endpoint][:2]


def test_an_immediate_answer_is_not_asked_for_in_a_tight_loop(make_face: MakeFace) -> None:
    face = make_face(Quirk.PULLS_AT_ONCE)
    waits: list[float] = []
    events = listen(camera_at(face))
    events._wait = waits.append
    for _ in range(5):
        events.pull()
    assert len(waits) == 5
    assert min(waits) > 0.07


def test_a_full_table_is_never_asked_for_a_second_place(make_face: MakeFace) -> None:
    face = make_face(Quirk.ONE_SUBSCRIPTION, Quirk.NO_RENEW)
    events = listen(camera_at(face), lifetime_s=0.6)
    for _ in range(5):
        events.pull()
    events.stop()
    again = listen(camera_at(face))
    move(face)
    hear(again, kind="motion", state="active")
    assert face.pull.counts["CreatePullPointSubscription"] > 2


def test_quirks_can_be_added_to_a_camera_that_runs(make_face: MakeFace) -> None:
    face = make_face()
    camera = camera_at(face)
    assert camera.facts().faults == ()
    misbehave(face, Quirk.ABSURD_TIME)
    faults = camera.facts().faults
    assert any("no time that makes sense" in fault for fault in faults)
    assert any("changed how it wants to be signed in to" in fault for fault in faults)
