"""What ONVIF's client tests ask of a client of Profiles S, T and G, shown against the virtual camera.

docs/onvif.md has the table of all 34 rows: what is done, where it is tried, what is not done and why. Settings are
tried in test_onvif_set.py, reading in test_onvif_whole.py, events in test_onvif_events.py.
"""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from demo.discovery_answer import start_discovery
from demo.onvif_face import ANSWERS, Face
from demo.onvif_quirks import Quirk, misbehave
from demo.onvif_set_face import furnish
from demo.onvif_soap import told
from drivers import (
    discovery,
    onvif_search,
    onvif_set,
    onvif_set_card,
    onvif_set_move,
    onvif_set_net,
    onvif_set_picture,
    onvif_spaces,
    onvif_turn,
)
from drivers.onvif_options import Stream
from drivers.onvif_reply import EVENTS, MEDIA1, MEDIA2, CameraError
from drivers.onvif_topics import classified, path_of
from drivers.types import PtzSpace
from tests.fakes import card_face
from tests.fakes.onvif_faces import MakeFace, camera_at, hear, listen, make_face, move

__all__ = ["make_face"]

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def face(make_face: MakeFace) -> Face:
    made = make_face()
    furnish(made)
    return made


@pytest.mark.parametrize(
    ("digest", "algorithm", "shown"), [(False, "MD5", "wsse"), (True, "MD5", "digest"), (True, "SHA-256", "digest")]
)
def test_rows_1_2_it_signs_in_by_username_token_and_by_http_digest(
    face: Face, digest: bool, algorithm: str, shown: str
) -> None:
    face.gate.takes_digest, face.gate.takes_token, face.gate.algorithm = digest, not digest, algorithm
    assert camera_at(face).facts().auth == shown
    assert face.gate.refused == 0


def test_rows_4_5_services_are_asked_and_capabilities_where_there_are_none(make_face: MakeFace) -> None:
    whole, old = make_face(), make_face()
    del old.answers["GetServices"]
    for each in (whole, old):
        assert {MEDIA1, EVENTS} <= camera_at(each).services().keys()


def test_rows_6_7_it_probes_for_transmitters_for_devices_and_for_anything() -> None:
    probes = [discovery._probe("1", kind).decode() for kind in discovery.KINDS]
    types = [re.findall("<d:Types>(.*)</d:Types>", probe) for probe in probes]
    assert types == [["dn:NetworkVideoTransmitter"], ["tds:Device"], []]


def test_row_6_cameras_are_found(make_face: MakeFace) -> None:
    made = make_face(serial="conformance")
    if not start_discovery([made]):
        pytest.skip("this machine has no multicast on loopback")
    assert made.endpoint in {one.endpoint for one in discovery.discover(1.0, ["127.0.0.1"])}


def test_row_8_interfaces_and_gateway_are_read_and_set(make_face: MakeFace) -> None:
    face = make_face()
    books = furnish(face).more
    books.by_dhcp = True
    camera = camera_at(face)
    network = camera.whole().network
    assert (network.interfaces[0].addresses, network.interfaces[0].dhcp) == (("127.0.0.1/8",), True)
    kept = onvif_set_net.keep_address(camera, wait=lambda _s: None)
    assert (kept.ok, kept.before, kept.found) == (True, "127.0.0.1/8 by DHCP", "127.0.0.1/8")
    assert "started again" in kept.note
    assert onvif_set_net.set_gateway(camera, "127.0.0.250", wait=lambda _s: None).ok
    assert (camera.whole().network.gateways, books.by_dhcp) == (("127.0.0.250",), False)


def test_row_9_device_information_is_read_and_a_restart_is_made(make_face: MakeFace) -> None:
    face = make_face()
    state = furnish(face)
    state.restart_s = 0.3
    camera = camera_at(face)
    assert camera.facts().serial == "SN-1"
    assert onvif_set.reboot(camera, away_s=3, return_s=5, wait=lambda _s: time.sleep(0.02)).ok
    assert state.restarts == 1


def test_row_10_users_are_listed_made_and_taken_away(face: Face) -> None:
    camera = camera_at(face)
    assert onvif_set.create_user(camera, "watcher", "another word 1", wait=lambda _s: None).ok
    assert "watcher" in {user.name for user in camera.whole().users}
    assert onvif_set.delete_user(camera, "watcher", wait=lambda _s: None).ok


def test_rows_11_to_14_events_are_pulled_synchronised_kept_alive_and_ended(make_face: MakeFace) -> None:
    face = make_face(Quirk.ONLY_SYNCHRONISED)
    move(face)
    events, until_s = listen(camera_at(face), lifetime_s=3.0), time.monotonic() + 10
    hear(events, kind="motion", state="active")
    while "Renew" not in face.pull.counts and time.monotonic() < until_s:
        events.pull()
    events.stop()
    wanted = {"CreatePullPointSubscription", "SetSynchronizationPoint", "PullMessages", "Renew", "Unsubscribe"}
    assert wanted <= face.pull.counts.keys()


def test_rows_15_16_the_clock_and_its_servers_are_set(face: Face) -> None:
    face.subject.clock_offset_s = 500.0
    camera = camera_at(face)
    assert onvif_set.set_time(camera, wait=lambda _s: None).ok
    assert onvif_set.set_ntp(camera, ["ntp.example"], wait=lambda _s: None).ok


def test_row_16_name_name_servers_and_protocols_are_read_and_set(face: Face) -> None:
    camera = camera_at(face)
    port = urlsplit(face.base).port
    network = camera.whole().network
    assert (network.hostname, network.dns) == ("hall", ("127.0.0.53",))
    assert network.protocols == (f"HTTP {port}", "HTTPS 443 off")
    assert onvif_set_net.set_hostname(camera, "room-5", wait=lambda _s: None).ok
    assert onvif_set_net.set_dns(camera, ["10.0.0.1", "10.0.0.2"], wait=lambda _s: None).ok
    assert onvif_set_net.set_protocol(camera, "HTTPS", on=True, port=8443, wait=lambda _s: None).ok
    refused = onvif_set_net.set_protocol(camera, "HTTP", on=False, port=80)
    assert (refused.ok, "spoken to by HTTP" in refused.note) == (False, True)
    network = camera.whole().network
    assert (network.hostname, network.dns) == ("room-5", ("10.0.0.1", "10.0.0.2"))
    assert network.protocols == (f"HTTP {port}", "HTTPS 8443")


@pytest.mark.parametrize("service", [MEDIA1, MEDIA2])
def test_row_17_profiles_and_stream_addresses_come_from_both_media_services(face: Face, service: str) -> None:
    if service == MEDIA1:
        del face.services[MEDIA2]
    (profile,) = camera_at(face).facts().profiles
    assert profile.stream_uri.startswith("rtsp://127.0.0.1:5554/")


@pytest.mark.parametrize(("said", "read"), [("JPEG", "JPEG"), ("MPEG4", "MPEG4"), ("H264", "H264"), ("H265", "H265")])
def test_row_18_every_codec_a_camera_names_is_known(make_face: MakeFace, said: str, read: str) -> None:
    face = make_face()
    plain = ANSWERS["GetProfiles"]
    face.answers["GetProfiles"] = lambda f, r: plain(f, r).replace("H264", said)
    assert camera_at(face).facts().profiles[0].codec == read


def test_row_19_the_encoder_is_read_and_set(face: Face) -> None:
    camera = camera_at(face)
    result = onvif_set_picture.set_stream(camera, "main", Stream(width=1280, height=720, fps=20), wait=lambda _s: None)
    assert result.ok
    assert (camera.profiles()[0].width, camera.profiles()[0].fps) == (1280, 20)


def test_row_20_a_camera_with_two_lenses_gives_the_stream_of_each(make_face: MakeFace) -> None:
    face = make_face()

    def two(f: Face, request: Any) -> str:
        one = ANSWERS["GetProfiles"](f, request)
        inside = re.search("<trt:Profiles.*</trt:Profiles>", one)
        assert inside is not None
        other = inside.group().replace('token="main"', 'token="second"').replace("lens", "lens-2")
        return one.replace(inside.group(), inside.group() + other)

    def uri(_f: Face, request: Any) -> str:
        token = next(node.text for node in request.iter() if node.tag.endswith("ProfileToken"))
        return f"<GetStreamUriResponse><Uri>rtsp://127.0.0.1/{token}</Uri></GetStreamUriResponse>"

    face.answers.update(GetProfiles=two, GetStreamUri=uri)
    profiles = camera_at(face).facts().profiles
    assert [(one.source, one.stream_uri) for one in profiles] == [
        ("lens", "rtsp://127.0.0.1/main"),
        ("lens-2", "rtsp://127.0.0.1/second"),
    ]


def test_row_21_imaging_is_read_and_set(face: Face) -> None:
    camera = camera_at(face)
    assert onvif_set_picture.set_imaging(camera, "lens", {"Brightness": "60"}, wait=lambda _s: None).ok
    assert dict(camera.whole().imaging[0].settings)["Brightness"] == "60"


@pytest.mark.parametrize(
    ("topic", "kind"),
    [
        ("tns1:VideoSource/MotionAlarm", "motion"),
        ("tns1:VideoSource/ImageTooDark/ImagingService", "tamper"),
        ("tns1:VideoSource/ImageTooBright/ImagingService", "tamper"),
        ("tns1:VideoSource/ImageTooBlurry/ImagingService", "tamper"),
        ("tns1:VideoSource/GlobalSceneChange/ImagingService", "tamper"),
        ("tns1:RecordingConfig/JobState", "recording"),
        ("tns1:Device/Trigger/DigitalInput", "input"),
        ("tns1:Device/Trigger/Relay", "relay"),
    ],
)
def test_rows_22_23_27_32_events_of_motion_tampering_inputs_and_recording_are_known(topic: str, kind: str) -> None:
    assert classified(path_of(topic))[0] == kind


def test_row_24_a_camera_is_turned_and_stopped_whatever_it_does_of_a_time_limit(make_face: MakeFace) -> None:
    face = make_face(Quirk.MOVES_ON)
    camera, seen = camera_at(face), []
    onvif_turn.turn(camera, "main", 0.5, 0.0, 0.0, 0.05, wait=lambda _s: seen.append(face.moving))
    assert (seen[0], face.moving) == (True, False)
    assert any("without a time limit" in fault for fault in camera.faults)


def test_row_24_a_camera_that_never_stops_is_told_so(make_face: MakeFace) -> None:
    face = make_face(Quirk.MOVES_ON)
    del face.answers["Stop"]
    with pytest.raises(CameraError):
        onvif_turn.turn(camera_at(face), "main", 0.5, 0.0, 0.0, 0.0, wait=lambda _s: None)


GENERIC, DEGREES = "PositionGenericSpace", "SphericalPositionSpaceDegrees"


@pytest.mark.parametrize(
    ("spaces", "tells"),
    [((GENERIC,), ""), ((DEGREES,), ""), ((DEGREES,), DEGREES), ((DEGREES, GENERIC), DEGREES)],
)
def test_row_25_a_view_is_turned_to_in_whichever_space_the_camera_has(
    make_face: MakeFace, spaces: tuple[str, ...], tells: str
) -> None:
    face = make_face()
    view = furnish(face).view
    view.spaces, view.tells = spaces, tells
    camera = camera_at(face)
    assert onvif_set_move.turn_to(camera, 0.5, -0.25, 0.1, wait=lambda _s: None).ok
    assert view.looks == (0.5, -0.25, 0.1)
    by_angle = onvif_set_move.turn_to_degrees(camera, -90, 45, wait=lambda _s: None)
    assert (by_angle.ok, view.looks) == ((True, (-0.5, 0.5, 0.0)) if DEGREES in spaces else (False, view.looks))


def test_row_25_speeds_are_said_in_the_space_the_camera_has() -> None:
    def space(uri: str, end: float) -> PtzSpace:
        return PtzSpace(onvif_spaces.TURNING, f"http://x/{uri}", (-end, end))

    generic, own = space("VelocityGenericSpace", 1), space("SpeedOfMyOwn", 40)
    sent = [onvif_spaces.sent(offered, onvif_spaces.TURNING, 0.5, -1) for offered in ((), (generic,), (own,))]
    assert sent[0] == sent[1] == {"x": "0.5", "y": "-1"}
    assert sent[2] == {"x": "20", "y": "-40", "space": own.uri}
    assert onvif_spaces.sent((own, generic), onvif_spaces.TURNING, 0.5)["space"] == generic.uri


def test_rows_25_26_nodes_presets_home_and_views_are_read_and_gone_to(face: Face) -> None:
    camera = camera_at(face)
    (node,) = camera.whole().nodes
    assert (node.home, node.spaces) == (True, ("PositionGenericSpace",))
    assert onvif_set_move.goto_preset(camera, "Доска", wait=lambda _s: None).ok
    assert onvif_set_move.goto_home(camera, wait=lambda _s: None).ok


def test_row_28_of_the_quirks_nobody_waits_for_a_move_status(face: Face) -> None:
    """A camera that says MOVING for ever, and not where it looks, costs one look, not the whole time limit."""
    misbehave(face, Quirk.ALWAYS_MOVING)
    waits: list[float] = []
    assert onvif_set_move.goto_preset(camera_at(face), "Доска", wait=waits.append).ok
    assert waits == []


def test_row_27_relays_and_inputs_are_read_and_a_relay_is_switched(face: Face) -> None:
    camera = camera_at(face)
    found = camera.whole()
    assert ([one.token for one in found.relays], [one.token for one in found.inputs]) == (["relay"], ["contact"])
    assert onvif_set.set_relay(camera, "relay", active=True).ok


def test_row_29_text_in_the_picture_and_snapshots(face: Face) -> None:
    camera = camera_at(face)
    assert onvif_set_picture.set_text(camera, "66-0123-7777", wait=lambda _s: None).ok
    assert camera.snapshot().startswith(b"\xff\xd8")


def test_rows_30_31_the_card_is_searched_and_tells_where_it_is_played_from(face: Face) -> None:
    card_face.lay_in(face)
    camera = camera_at(face)
    (span,) = onvif_search.recordings(camera)
    assert (span.recording, span.source, span.tracks, span.status) == ("card", "hall", ("video",), "Recording")
    assert span.from_at is not None
    assert span.to_at is not None
    (one,) = onvif_search.events(camera, span.from_at, span.to_at)
    assert (one.recording, one.event.kind, one.event.state, one.standing) == ("card", "motion", "active", False)
    assert onvif_search.replay_address(camera, "card") == "rtsp://127.0.0.1:554/replay/card"


def test_row_30_a_camera_that_searches_for_ever_is_not_asked_for_ever(face: Face) -> None:
    card_face.lay_in(face)
    asked: list[int] = []

    def never(_f: Face, request: Any) -> str:
        asked.append(1)
        state = "<r:ResultList><tt:SearchState>Searching</tt:SearchState></r:ResultList>"
        return told("GetRecordingSearchResults", request, state)

    face.answers["GetRecordingSearchResults"] = never
    camera = camera_at(face)
    assert onvif_search.recordings(camera) == ()
    assert len(asked) == onvif_search.ROUNDS
    assert any("does not come to an end" in fault for fault in camera.faults)


def test_rows_32_33_recordings_are_read_and_jobs_started_made_and_taken_away(face: Face) -> None:
    camera = camera_at(face)
    assert [one.token for one in camera.whole().recordings] == ["card"]
    assert onvif_set_card.set_job(camera, "job", active=True, wait=lambda _s: None).ok


def test_the_table_of_rows_is_whole_and_names_tests_that_exist() -> None:
    text = (ROOT / "docs" / "onvif.md").read_text(encoding="utf-8")
    rows = [int(number) for number in re.findall(r"^\| (\d+) \|", text.partition("## Conformance")[2], re.MULTILINE)]
    assert rows == list(range(1, 35))
    named = set(re.findall(r"`(test_\w+\.py)`", text))
    assert {name for name in named if not (ROOT / "tests" / name).exists()} == set()
