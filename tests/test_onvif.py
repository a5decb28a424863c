"""A camera is read whatever it does wrong, asked for its password once, and never waited for longer than the limit."""

from __future__ import annotations

import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from demo.camera_encoder import CameraConfig
from demo.discovery_answer import start_discovery
from demo.onvif_face import ANSWERS, Face, Fault, envelope
from drivers.discovery import discover, read_answer
from drivers.onvif import Camera
from drivers.onvif_reply import CameraError, as_advertised, parse, profiles_of, reachable
from drivers.onvif_way import device_url

PASSWORD = "a very-secret word"
STREAM = "rtsp://192.168.1.88:5554/hall/main"
MakeFace = Callable[..., Face]


@dataclass
class Subject:
    """A camera without an encoder: the face needs no more than this."""

    config: CameraConfig
    clock_offset_s: float = 0.0
    gone: bool = False
    picture: bytes = field(default=b"", repr=False)

    def still(self) -> bytes:
        return self.picture


@pytest.fixture(scope="module")
def jpeg() -> bytes:
    argv = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=s=320x180", "-frames:v", "1"]
    made = subprocess.run([*argv, "-c:v", "mjpeg", "-f", "image2", "-"], capture_output=True, check=True, timeout=20)
    return made.stdout


@pytest.fixture
def make_face(jpeg: bytes) -> Iterator[MakeFace]:
    faces: list[Face] = []

    def make(codec: str = "h264", sound: str = "none", serial: str = "SN-1") -> Face:
        config = CameraConfig("hall", "Зал", codec, sound, "examsite", PASSWORD, serial)
        faces.append(Face(Subject(config, picture=jpeg), STREAM))
        faces[-1].start()
        return faces[-1]

    yield make
    for face in faces:
        face.stop()


def camera_at(face: Face, password: str = PASSWORD, timeout_s: float = 3.0) -> Camera:
    return Camera(face.device_url, "examsite", password, timeout_s)


@pytest.mark.parametrize(("way", "algorithm"), [("digest", "MD5"), ("digest", "SHA-256"), ("wsse", "")])
def test_a_camera_is_read_whole_by_any_sign_in(make_face: MakeFace, way: str, algorithm: str, jpeg: bytes) -> None:
    face = make_face(sound="aac")
    face.gate.algorithm = algorithm
    face.gate.takes_digest, face.gate.takes_token = way == "digest", way == "wsse"
    camera = camera_at(face)
    facts = camera.facts()
    profile = facts.profiles[0]
    assert (facts.manufacturer, facts.model, facts.serial, facts.auth) == ("Examsite", "Virtual camera", "SN-1", way)
    assert facts.offset_s == pytest.approx(0, abs=1)
    assert (profile.codec, profile.width, profile.height, profile.fps, profile.sound) == ("H264", 640, 360, 12, "AAC")
    assert list(facts.faults) == []
    assert face.gate.refused == 0
    if way == "digest":
        assert camera.snapshot() == jpeg


@pytest.mark.parametrize("way", ["digest", "wsse"])
def test_a_refused_password_is_shown_once_and_waits_for_a_person(make_face: MakeFace, way: str) -> None:
    face = make_face()
    face.gate.takes_digest = way == "digest"
    camera = camera_at(face, password="wrong-and-secret")
    for _ in range(3):
        with pytest.raises(CameraError) as caught:
            camera.facts()
        assert (caught.value.reason, caught.value.permanent) == ("refused", True)
        assert "wrong-and-secret" not in f"{caught.value!r} {caught.value}"
    assert face.gate.refused == 1


def test_without_a_name_the_camera_is_not_guessed_at(make_face: MakeFace) -> None:
    face = make_face()
    with pytest.raises(CameraError) as caught:
        Camera(face.device_url, "", "").facts()
    assert (caught.value.reason, caught.value.permanent, face.gate.refused) == ("refused", True, 0)


def test_a_wrong_clock_is_measured_and_does_not_keep_us_out(make_face: MakeFace) -> None:
    face = make_face()
    face.gate.takes_digest = False
    face.subject.clock_offset_s = -3600.0
    facts = camera_at(face).facts()
    assert facts.offset_s == pytest.approx(-3600, abs=1)
    assert face.gate.refused == 0


def test_a_clock_that_is_set_between_two_requests_is_measured_anew(make_face: MakeFace) -> None:
    face = make_face()
    face.gate.takes_digest = False
    camera = camera_at(face)
    camera.facts()
    face.subject.clock_offset_s = 7200.0
    assert camera.facts().offset_s == pytest.approx(7200, abs=1)
    face.subject.clock_offset_s = -7200.0
    assert [profile.token for profile in camera.profiles()] == ["main"]
    assert camera.offset_s() == pytest.approx(-7200, abs=1)


def test_a_user_who_may_not_ask_everything_still_reads_the_rest(make_face: MakeFace) -> None:
    face = make_face()

    def refuse(_face: Face, _request: Any) -> str:
        raise Fault(401, "ter:NotAuthorized", "Sender not authorized")

    face.answers["GetSnapshotUri"] = refuse
    facts = camera_at(face).facts()
    assert facts.profiles[0].stream_uri == "rtsp://127.0.0.1:5554/hall/main"
    assert facts.profiles[0].snapshot_uri == ""
    assert any("GetSnapshotUri" in fault for fault in facts.faults)


def _replaced(answer: Callable[[Face, Any], str], here: str, there: str) -> Callable[[Face, Any], str]:
    return lambda face, request: answer(face, request).replace(here, there)


def test_addresses_of_another_network_are_made_reachable(make_face: MakeFace) -> None:
    face = make_face()
    here, there = face.base, "http://192.168.1.88"
    for name in ("GetServices", "GetSnapshotUri"):
        face.answers[name] = _replaced(ANSWERS[name], here, there)
    profile = camera_at(face).facts().profiles[0]
    assert profile.stream_uri == "rtsp://127.0.0.1:5554/hall/main"
    assert profile.snapshot_uri == f"{here}/snapshot.jpg"


def test_a_camera_without_get_services_is_asked_for_its_capabilities(make_face: MakeFace) -> None:
    face = make_face()
    del face.answers["GetServices"]
    facts = camera_at(face).facts()
    assert [profile.token for profile in facts.profiles] == ["main"]
    assert any("GetServices" in fault for fault in facts.faults)


def test_a_camera_that_lists_no_service_at_all_is_asked_where_most_have_it(make_face: MakeFace) -> None:
    face = make_face()
    del face.answers["GetServices"], face.answers["GetCapabilities"]
    assert [profile.token for profile in camera_at(face).facts().profiles] == ["main"]


def test_h265_is_read_from_media2_where_media1_hides_it(make_face: MakeFace) -> None:
    face = make_face(codec="h265")
    media2 = "http://www.onvif.org/ver20/media/wsdl"

    def services(f: Face, r: Any) -> str:
        entry = f"<tds:Service><tds:Namespace>{media2}</tds:Namespace><tds:XAddr>{f.base}/onvif/media2</tds:XAddr>"
        return ANSWERS["GetServices"](f, r).replace("<tds:Service>", f"{entry}</tds:Service><tds:Service>", 1)

    def profiles(f: Face, request: Any) -> str:
        if media2 not in request.tag:
            return "<trt:GetProfilesResponse/>"
        return (
            '<GetProfilesResponse><Profiles token="two"><Configurations><VideoEncoder><Encoding>H265</Encoding>'
            "<Resolution><Height>1944</Height><Width>2592</Width></Resolution></VideoEncoder></Configurations>"
            "</Profiles></GetProfilesResponse>"
        )

    def uri(f: Face, request: Any) -> str:
        token = request.findtext(f"{{{media2}}}ProfileToken")
        return f"<GetStreamUriResponse><Uri>\n rtsp://10.1.1.1/{token} \n</Uri></GetStreamUriResponse>"

    face.answers.update(GetServices=services, GetProfiles=profiles, GetStreamUri=uri)
    (profile,) = camera_at(face).facts().profiles
    assert (profile.codec, profile.width, profile.height) == ("H265", 2592, 1944)
    assert profile.stream_uri == "rtsp://127.0.0.1/two"


@pytest.mark.parametrize("year_first", [True, False])
def test_the_clock_is_read_in_any_order(make_face: MakeFace, year_first: bool) -> None:
    face = make_face()

    def turned(f: Face, r: Any) -> str:
        said = ANSWERS["GetSystemDateAndTime"](f, r)
        head, rest = said.split("<tt:Time>")
        clock, rest = rest.split("</tt:Time>")
        day, tail = rest.split("</tt:Date>")
        parts = [f"{day}</tt:Date>", f"<tt:Time>{clock}</tt:Time>"]
        return head + "".join(parts if year_first else parts[::-1]) + tail

    face.answers["GetSystemDateAndTime"] = turned
    assert camera_at(face).offset_s() == pytest.approx(0, abs=1)


def test_an_absurd_clock_is_said_and_survived(make_face: MakeFace) -> None:
    face = make_face()
    original = ANSWERS["GetSystemDateAndTime"]
    face.answers["GetSystemDateAndTime"] = lambda f, r: original(f, r).replace("<tt:Month>", "<tt:Month>9")
    facts = camera_at(face).facts()
    assert facts.offset_s is None
    assert any("no time that makes sense" in fault for fault in facts.faults)
    assert facts.profiles


def test_a_snapshot_that_is_no_web_address_is_left_out(make_face: MakeFace) -> None:
    face = make_face()
    original = ANSWERS["GetSnapshotUri"]
    face.answers["GetSnapshotUri"] = lambda f, r: original(f, r).replace("http://", "rtsp://")
    camera = camera_at(face)
    assert camera.facts().profiles[0].snapshot_uri == ""
    with pytest.raises(CameraError, match="no address for snapshots"):
        camera.snapshot()


def test_a_snapshot_that_is_no_picture_is_refused(make_face: MakeFace) -> None:
    face = make_face()
    assert isinstance(face.subject, Subject)
    face.subject.picture = b"<html>busy</html>"
    with pytest.raises(CameraError) as caught:
        camera_at(face).snapshot()
    assert caught.value.reason == "broken"


def serve(answer: Callable[[socket.socket], None]) -> tuple[socket.socket, str]:
    """A server on loopback that does `answer` to each connection; ends when the socket is closed."""
    server = socket.create_server(("127.0.0.1", 0))

    def loop() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:  # closed: the test is over
                return
            threading.Thread(target=answer, args=(connection,), daemon=True).start()

    threading.Thread(target=loop, daemon=True).start()
    return server, f"http://127.0.0.1:{server.getsockname()[1]}/"


def hold(connection: socket.socket) -> None:
    with connection:
        connection.recv(1)
        time.sleep(4)


def drip(connection: socket.socket) -> None:
    with connection:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        for _ in range(100):
            try:
                connection.sendall(b"<")
            except OSError:  # the asker had enough
                return
            time.sleep(0.1)


def half(connection: socket.socket) -> None:
    with connection:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n<half")
        time.sleep(2)


def cut(connection: socket.socket) -> None:
    with connection:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n<half")


def hang_up(connection: socket.socket) -> None:
    connection.close()


def noise(connection: socket.socket) -> None:
    with connection:
        connection.recv(65536)
        connection.sendall(bytes(range(256)))


def page(connection: socket.socket) -> None:
    with connection:
        connection.recv(65536)
        body = b"<html><body>Welcome</body></html>"
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(body), body))


def test_a_camera_that_hangs_up_between_requests_is_asked_again() -> None:
    """It promises to keep the connection, answers once, and closes when the next request comes."""
    face = Face(Subject(CameraConfig("hall", "", "h264", "none", "", "", "SN-1")), STREAM)
    body = envelope(ANSWERS["GetSystemDateAndTime"](face, None))
    face.close()

    def once(connection: socket.socket) -> None:
        with connection:
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
            connection.recv(65536)

    server, url = serve(once)
    with server:
        camera = Camera(url, "examsite", PASSWORD, 2)
        assert [camera.offset_s() for _ in range(3)] == pytest.approx([0, 0, 0], abs=1)


@pytest.mark.parametrize(
    ("answer", "reasons"),
    [
        (hold, {"silent"}),
        (drip, {"silent"}),
        (half, {"silent"}),
        (cut, {"broken", "foreign"}),
        (hang_up, {"unreachable"}),
        (noise, {"broken", "foreign", "unreachable"}),
        (page, {"foreign"}),
    ],
)
def test_a_thing_that_is_no_camera_costs_no_more_than_the_limit(
    answer: Callable[[socket.socket], None], reasons: set[str]
) -> None:
    server, url = serve(answer)
    with server:
        began_s = time.monotonic()
        with pytest.raises(CameraError) as caught:
            Camera(url, "examsite", PASSWORD, 0.5).facts()
        took_s = time.monotonic() - began_s
    assert caught.value.reason in reasons
    assert not caught.value.permanent
    assert took_s < 6, "a limit that holds at all, not a speed"


def test_nobody_there_is_said_so_and_may_be_tried_again(make_face: MakeFace) -> None:
    face = make_face()
    camera = camera_at(face)
    face.stop()
    with pytest.raises(CameraError) as caught:
        camera.facts()
    assert (caught.value.reason, caught.value.permanent) == ("unreachable", False)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("10.0.0.5", "http://10.0.0.5/onvif/device_service"),
        ("10.0.0.5:8899", "http://10.0.0.5:8899/onvif/device_service"),
        ("https://u:p@10.0.0.5/other", "https://10.0.0.5/other"),
        ("http://[fe80::1]:80/", "http://[fe80::1]:80/onvif/device_service"),
        ("fe80::1", "http://[fe80::1]/onvif/device_service"),
    ],
)
def test_an_address_alone_will_do(given: str, expected: str) -> None:
    assert device_url(given) == expected


@pytest.mark.parametrize("given", ["http://10.0.0.5:99999/", "http://[bad", "ftp://10.0.0.5/", "", "http://"])
def test_an_address_that_is_none_is_said_so(given: str) -> None:
    with pytest.raises(CameraError, match="looks like"):
        device_url(given)


DEVICE_URL = "http://10.0.0.5:8000/onvif/device_service"


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("http://192.168.1.88/onvif/media", "http://10.0.0.5:8000/onvif/media"),
        ("http://10.0.0.5:8106:8106/onvif/media", "http://10.0.0.5:8000/onvif/media"),
        ("/onvif/media", "http://10.0.0.5:8000/onvif/media"),
        ("rtsp://admin:pass@192.168.1.88:554/a?b=1&c=2", "rtsp://10.0.0.5:554/a?b=1&c=2"),
        (" rtsp://192.168.1.88/main\n", "rtsp://10.0.0.5/main"),
    ],
)
def test_what_a_camera_calls_itself_is_made_reachable(said: str, expected: str) -> None:
    assert reachable(said, DEVICE_URL) == expected


def test_a_service_on_another_port_is_the_second_try() -> None:
    assert as_advertised("http://192.168.1.88:1024/events", DEVICE_URL) == "http://10.0.0.5:1024/events"


def test_undeclared_prefixes_stray_bytes_and_a_second_document_are_survived() -> None:
    envelope = "http://www.w3.org/2003/05/soap-envelope"
    other = f'<?xml version="1.0"?><s:Envelope xmlns:s="{envelope}"><s:Body><x:Other/></s:Body></s:Envelope>'
    wanted = (
        f'<?xml version="1.0"?><s:Envelope xmlns:s="{envelope}"><s:Body><trt:GetProfilesResponse>'
        '<trt:Profiles token="1"><tt:VideoEncoderConfiguration><tt:RateControl><tt:FrameRateLimit>25'
        "</tt:FrameRateLimit></tt:RateControl><tt:Encoding>H264</tt:Encoding></tt:VideoEncoderConfiguration></trt:Profiles>"
        "</trt:GetProfilesResponse></s:Body></s:Envelope>"
    )
    answer = parse(b"\r\n " + (other + "\n----\n" + wanted).encode() + b"\x00", 200, "GetProfilesResponse")
    (profile,) = profiles_of(answer)
    assert (profile.token, profile.codec, profile.fps, profile.width) == ("1", "H264", 25, 0)


@pytest.mark.parametrize("junk", [b"", b"\x00\xff\xfe", b"<html/>", b"<a", b"{}", b"<?xml?>" * 50])
def test_junk_is_a_camera_error_and_never_anything_else(junk: bytes) -> None:
    with pytest.raises(CameraError) as caught:
        parse(junk, 200)
    assert caught.value.reason == "foreign"


def test_files_of_this_machine_cannot_be_fetched_by_a_camera() -> None:
    evil = b"""<?xml version="1.0"?><!DOCTYPE a [<!ENTITY f SYSTEM "file:///etc/hostname">]>
    <s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Body><R><Model>&f;</Model></R></s:Body></s:Envelope>"""
    answer = parse(evil, 200)
    assert not "".join(node.text or "" for node in answer.iter() if isinstance(node.tag, str)).strip()


def test_cameras_are_found_on_loopback(make_face: MakeFace) -> None:
    faces = [make_face(serial=f"discovery-{time.monotonic_ns()}-{index}") for index in range(2)]
    if not start_discovery(faces):
        pytest.skip("this machine has no multicast on loopback")
    expected = {face.endpoint: face.device_url for face in faces}
    found = {one.endpoint: one.xaddrs[0] for one in discover(1.0, ["127.0.0.1"])}
    assert {endpoint: found.get(endpoint) for endpoint in expected} == expected


def test_of_several_addresses_the_one_that_answered_comes_first_and_strangers_answers_are_ignored() -> None:
    answer = (
        b"<E><Header><RelatesTo>uuid:ours</RelatesTo></Header><Body><ProbeMatches><ProbeMatch><EndpointReference>"
        b"<Address>urn:uuid:1</Address></EndpointReference><XAddrs>http://169.254.7.7/onvif http://[fe80::1]/onvif "
        b"https://10.0.0.5/onvif http://10.0.0.5/onvif</XAddrs><Scopes>onvif://a onvif://b</Scopes></ProbeMatch>"
        b"</ProbeMatches></Body></E>"
    )
    (one,) = read_answer(answer, "10.0.0.5", {"ours"})
    assert one.xaddrs == (
        "http://10.0.0.5/onvif",
        "https://10.0.0.5/onvif",
        "http://169.254.7.7/onvif",
        "http://[fe80::1]/onvif",
    )
    assert one.scopes == ("onvif://a", "onvif://b")
    assert read_answer(answer, "10.0.0.5", {"another"}) == []
    assert read_answer(b"\x00noise", "10.0.0.5", {"ours"}) == []
