"""A camera is read whole, whatever it leaves out, garbles or gets wrong."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import Any

import pytest

from demo.onvif_face import Face, Fault, HangUp
from demo.onvif_set_face import furnish
from demo.onvif_soap import Asked, told
from drivers import onvif_request
from drivers.onvif_options import Stream, allowed_in, nearest
from drivers.onvif_parts import repaired
from drivers.onvif_reply import ANALYTICS, DEVICE, MEDIA1, MEDIA2, CameraError, parse
from drivers.types import Preset
from tests.fakes.onvif_faces import MakeFace, camera_at, make_face

__all__ = ["make_face"]

MEDIA2_SPACE = "http://www.onvif.org/ver20/media/wsdl"


def test_everything_a_good_camera_says_is_read(make_face: MakeFace) -> None:
    face = make_face(codec="h265")
    furnish(face)
    found = camera_at(face).whole()
    (profile,) = found.facts.profiles
    (interface,) = found.network.interfaces
    (job,) = found.jobs
    assert found.facts.faults == ()
    assert (found.clock.zone, found.clock.by_ntp, found.clock.utc_at is not None) == ("UTC0", False, True)
    assert {service.version for service in found.services} == {"2.60"}
    assert (profile.codec, profile.gop, profile.bit_rate_kbps, profile.encoder) == ("H265", 12, 350, "encoder")
    assert (profile.source, profile.view, profile.service) == ("lens", "source", "media2")
    assert found.presets == (Preset("1", "Дверь"), Preset("2", "Доска"))
    assert (found.nodes[0].home, found.nodes[0].spaces) == (True, ("PositionGenericSpace",))
    assert dict(found.imaging[0].settings)["Exposure/Mode"] == "AUTO"
    assert dict(found.imaging[0].options)["Brightness/Max"] == "100"
    assert [(relay.token, relay.service) for relay in found.relays] == [("relay", "device")]
    assert [(one.token, one.idle) for one in found.inputs] == [("contact", "closed")]
    assert [(one.token, one.tracks) for one in found.recordings] == [("card", 1)]
    assert (job.recording, job.mode, job.state) == ("card", "Idle", "Idle")
    assert [(one.name, one.level) for one in found.users] == [("examsite", "Administrator")]
    assert (interface.mac, interface.addresses, interface.dhcp) == ("02:00:00:00:00:05", ("127.0.0.1/8",), False)
    assert (found.network.gateways, found.network.dns) == (("127.0.0.254",), ("127.0.0.53",))
    assert (found.network.hostname, found.network.protocols[1]) == ("hall", "HTTPS 443 off")
    assert [(osd.text, osd.position, osd.kind) for osd in found.osds] == [("Camera 1", "LowerLeft", "Plain")]
    assert "onvif://www.onvif.org/name/hall" in found.scopes
    assert found.facts.recordings == ("card",)


def test_a_plain_camera_is_read_whole_and_nothing_is_held_against_it(make_face: MakeFace) -> None:
    found = camera_at(make_face()).whole()
    assert (found.facts.model, len(found.facts.profiles), found.facts.faults) == ("Virtual camera", 1, ())
    assert (found.users, found.osds, found.nodes, found.jobs) == ((), (), (), ())


def test_each_question_that_is_answered_with_nonsense_is_one_sentence_and_the_rest_is_read(make_face: MakeFace) -> None:
    face = make_face()
    furnish(face)
    spared = ("GetSystemDateAndTime", "GetDeviceInformation", "GetServices", "GetProfiles")

    def nonsense(face: Face, request: Any) -> str:
        raise Fault(500, "ter:Action", "<b>what?</b> & so on")

    for operation in [name for name in face.answers if name.startswith("Get") and name not in spared]:
        face.answers[operation] = nonsense
    found = camera_at(face).whole()
    assert (found.facts.model, len(found.facts.profiles)) == ("Virtual camera", 1)
    for subject in ("Users", "The network", "Presets", "Event topics", "Recordings", "Scopes"):
        assert any(fault.startswith(subject) for fault in found.facts.faults), subject


def test_what_does_not_change_is_asked_once_and_again_after_it_was_forgotten(make_face: MakeFace) -> None:
    face = make_face()
    furnish(face)
    asked: list[str] = []
    face.doors.append(lambda _face, request: asked.append(request.operation))
    camera = camera_at(face)
    first = camera.whole()
    once = len(asked)
    assert camera.whole() is not first
    again = asked[once:]
    assert {"GetServices", "GetEventProperties", "GetNodes", "GetOptions", "GetStreamUri"} & set(again) == set()
    assert {"GetUsers", "GetPresets", "GetImagingSettings", "GetProfiles"} <= set(again)
    camera.forget()
    camera.whole()
    assert "GetServices" in asked[once + len(again) :]


def test_a_camera_that_ceases_to_answer_is_not_waited_for_question_by_question(make_face: MakeFace) -> None:
    face = make_face()
    furnish(face)
    held: list[str] = []

    def hang(_face: Face, request: Any) -> None:
        if request.operation not in ("GetSystemDateAndTime", "GetDeviceInformation", "GetServices", "GetProfiles"):
            held.append(request.operation)
            time.sleep(0.5)

    face.doors.append(hang)
    with pytest.raises(CameraError) as caught:
        camera_at(face, timeout_s=0.2).whole()
    assert (caught.value.reason, len(held)) == ("silent", 3)


def test_a_slow_camera_is_read_as_far_as_ten_time_limits_go(make_face: MakeFace) -> None:
    face = make_face()
    furnish(face)
    face.doors.append(lambda _face, _request: time.sleep(0.09))
    found = camera_at(face, timeout_s=0.15).whole()
    assert (found.facts.serial, found.facts.profiles[0].stream_uri[:7]) == ("SN-1", "rtsp://")
    assert any("so slowly" in fault for fault in found.facts.faults)
    assert found.scopes == ()


def test_another_camera_at_the_same_address_is_read_anew(make_face: MakeFace) -> None:
    face = make_face()
    furnish(face)
    camera = camera_at(face)
    camera.whole()
    original, nodes = face.answers["GetDeviceInformation"], face.answers["GetNodes"]
    face.answers["GetDeviceInformation"] = lambda f, r: original(f, r).replace("SN-1", "SN-2")
    face.answers["GetNodes"] = lambda f, r: nodes(f, r).replace(">head<", ">arm<")
    found = camera.whole()
    assert (found.facts.serial, found.nodes[0].name) == ("SN-2", "arm")


def _without(face: Face, element: str) -> Callable[[Face, Any], str]:
    """Profiles of Media2 from which an element is gone."""
    original = face.answers["GetProfiles"]

    def answer(face: Face, request: Any) -> str:
        said = original(face, request)
        if MEDIA2_SPACE in request.tag:
            head, _, tail = said.partition(f"<{element}")
            said = head + tail.partition(f"</{element}>")[2]
        return said

    return answer


def test_what_media2_leaves_out_is_filled_from_media1(make_face: MakeFace) -> None:
    face = make_face()
    furnish(face)
    face.answers["GetProfiles"] = _without(face, "tt:RateControl")
    (profile,) = camera_at(face).profiles()
    assert (profile.fps, profile.bit_rate_kbps, profile.service) == (12.0, 350, "media2")


def test_addresses_media2_refuses_are_asked_of_media1(make_face: MakeFace) -> None:
    face = make_face()
    furnish(face)
    original = face.answers["GetStreamUri"]

    def refuse(face: Face, request: Any) -> str:
        if MEDIA2_SPACE in request.tag:
            raise Fault(400, "ter:InvalidArgVal", "no such protocol")
        return original(face, request)

    face.answers["GetStreamUri"] = refuse
    camera = camera_at(face)
    assert camera.profiles()[0].stream_uri.startswith("rtsp://")
    assert any("no such protocol" in fault for fault in camera.faults)


def test_a_profile_only_media1_has_is_added_but_the_same_stream_is_not_named_twice(make_face: MakeFace) -> None:
    face = make_face()
    furnish(face)
    profiles, uri = face.answers["GetProfiles"], face.answers["GetStreamUri"]

    def renamed(face: Face, request: Any) -> str:
        said = profiles(face, request)
        if MEDIA2_SPACE in request.tag:
            return said
        one = said.partition(">")[2].rpartition("<")[0]
        return said.replace(one, one.replace("main", "old name") + one.replace("main", "second"))

    def addressed(face: Face, request: Any) -> str:
        token = next(node.text for node in request.iter() if node.tag.endswith("ProfileToken"))
        if token == "main":
            return uri(face, request)
        way = "second" if token == "second" else "main"
        return told("GetStreamUri", request, f"<tt:Uri>{face.stream_uri.replace('main', way)}</tt:Uri>")

    face.answers.update(GetProfiles=renamed, GetStreamUri=addressed)
    found = [(one.token, one.service) for one in camera_at(face).profiles()]
    assert found == [("main", "media2"), ("second", "media1")]


def test_a_profile_without_an_encoder_is_taken_when_it_has_a_stream(make_face: MakeFace) -> None:
    """Dahua and others in H.265 with Media1 alone (onvif.md, row 24)."""
    face = make_face()
    original = face.answers["GetProfiles"]

    def hidden(face: Face, request: Any) -> str:
        head, _, tail = original(face, request).partition("<tt:VideoEncoderConfiguration")
        return head + tail.partition("</tt:VideoEncoderConfiguration>")[2]

    face.answers["GetProfiles"] = hidden
    camera = camera_at(face)
    (profile,) = camera.profiles()
    assert (profile.codec, profile.stream_uri) == ("", "rtsp://127.0.0.1:5554/hall/main")
    assert any("does not say how" in fault for fault in camera.faults)


@pytest.mark.parametrize(
    ("garbled", "right"),
    [
        ("Дверь".encode().decode("latin-1"), "Дверь"),
        ("Дверь 2".encode().decode("cp1251", "surrogateescape"), "Дверь 2"),
        ("Дверь", "Дверь"),
        ("Über", "Über"),
        ("Пётр", "Пётр"),
        ("door", "door"),
    ],
)
def test_a_garbled_name_is_put_right_and_a_right_one_left(garbled: str, right: str) -> None:
    assert repaired(garbled) == right


@pytest.mark.parametrize("service", onvif_request.WSDLS)
def test_every_service_can_be_asked_by_its_wsdl(service: str) -> None:
    named = {DEVICE: "GetUsers", MEDIA1: "GetProfiles", MEDIA2: "GetProfiles", ANALYTICS: "GetSupportedMetadata"}
    operation = named.get(service, "GetServiceCapabilities")
    action, envelope = onvif_request.write(service, operation, {})
    assert action
    assert f"{operation}".encode() in envelope


OPTIONS = """<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Body><R><Options>{inside}</Options></R>
</s:Body></s:Envelope>"""
SIZE = "<ResolutionsAvailable><Width>{0}</Width><Height>{1}</Height></ResolutionsAvailable>"


@pytest.mark.parametrize(
    "inside",
    [
        f"<H264>{SIZE.format(1280, 720)}<FrameRateRange><Min>1</Min><Max>15</Max></FrameRateRange></H264>"
        "<Extension><H264><BitrateRange><Min>100</Min><Max>900</Max></BitrateRange></H264></Extension>",
        f"<Encoding>H264</Encoding>{SIZE.format(1280, 720)}<FrameRatesSupported>15 10 5</FrameRatesSupported>"
        "<BitrateRange><Min>100</Min><Max>900</Max></BitrateRange>",
        f"<H264>{SIZE.format(0, 0)}{SIZE.format(1280, 720)}<FrameRatesSupported>15.0, 10</FrameRatesSupported>"
        "<BitrateRange>100 900</BitrateRange><GovLengthRange><Min>x</Min></GovLengthRange></H264>",
    ],
)
def test_options_of_either_form_lead_to_the_nearest_setting(inside: str) -> None:
    now = Stream("H264", 640, 360, 12, 12, 350)
    answer = parse(OPTIONS.format(inside=inside).encode(), 200)
    chosen, notes = nearest(Stream("H265", 1920, 1080, 25, 25, 4000), allowed_in(answer, True, now))
    assert chosen == Stream("H264", 1280, 720, 15, 25, 900)
    assert len(notes) == 4


def test_a_camera_that_tells_no_options_is_taken_at_its_word() -> None:
    now = Stream("H264", 640, 360, 12, 12, 350)
    answer = parse(OPTIONS.format(inside="").encode(), 200)
    wanted = Stream(fps=25).over(now)
    assert nearest(wanted, allowed_in(answer, False, now)) == (wanted, [])
    assert wanted.gop == 25


@pytest.mark.parametrize("refusal", [Fault(500, "ter:Foo", "Доступ запрещён"), Fault(403, "ter:X", "no"), HangUp()])
def test_a_camera_that_refuses_the_unsigned_in_words_of_its_own_is_signed_in_to_once(
    make_face: MakeFace, refusal: Exception
) -> None:
    face = make_face()
    face.gate.takes_digest = False
    face.open_operations |= set(face.answers)
    tokens: list[str] = []

    def only_signed(f: Face, asked: Asked) -> None:
        token = next((each for each in asked.envelope.iter() if each.tag.endswith("}UsernameToken")), None)
        if asked.operation != "GetSystemDateAndTime":
            tokens.append("signed" if token is not None else "bare")
            if token is None or not f.gate.lets_in(asked.envelope, None, "POST", asked.path):
                raise refusal

    face.doors.append(only_signed)
    facts = camera_at(face).facts()
    assert (facts.serial, facts.auth) == ("SN-1", "wsse")
    assert any("words of its own" in fault for fault in facts.faults)
    tokens.clear()
    wrong = camera_at(face, "wrong word")
    with contextlib.suppress(CameraError):  # one that hangs up is no camera any more; the others told their time
        wrong.facts()
    assert 1 <= tokens.count("signed") <= 2  # a closed connection is asked twice, whatever was in it
