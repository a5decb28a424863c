"""Devices in no document of ours: their HTTP, their encodings and their sign-in are survived, or said in words."""

from __future__ import annotations

import gzip
import hashlib
import random
import re
import secrets
import ssl
import subprocess
from collections.abc import Callable
from urllib.request import parse_http_list, parse_keqv_list

import pytest

from demo.onvif_face import ANSWERS, Asked, Face
from demo.onvif_set_face import furnish
from drivers.onvif import Camera
from drivers.onvif_reply import CameraError
from tests.fakes.onvif_faces import PASSWORD, USER, MakeFace, make_face
from tests.fakes.strange_line import REASONS, Answer, Manner, Request, StrangeLine, plainly

__all__ = ["make_face"]

SOAP12, SOAP11 = b"http://www.w3.org/2003/05/soap-envelope", b"http://schemas.xmlsoap.org/soap/envelope/"


def soap11(request: Request, answer: Answer) -> bytes:
    answer.headers[0] = ("Content-Type", "text/xml")
    answer.body = answer.body.replace(SOAP12, SOAP11)
    answer.body = re.sub(
        rb"<s:Code>.*<s:Subcode><s:Value>(.*?)</s:Value>.*</s:Code><s:Reason><s:Text[^>]*>(.*?)</s:Text></s:Reason>",
        rb"<faultcode>\1</faultcode><faultstring>\2</faultstring>",
        answer.body,
    )
    return plainly(request, answer)


def chunked(_request: Request, answer: Answer) -> bytes:
    pieces = [answer.body[at : at + 37] for at in range(0, len(answer.body), 37)]
    head = f"HTTP/1.1 {answer.status} {REASONS[answer.status]}\r\nTransfer-Encoding: chunked\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in answer.headers)
    return head.encode() + b"\r\n" + b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in pieces) + b"0\r\n\r\n"


def zipped(request: Request, answer: Answer) -> bytes:
    answer.headers.append(("Content-Encoding", "gzip"))
    answer.body = gzip.compress(answer.body)
    return plainly(request, answer)


def until_closed(_request: Request, answer: Answer) -> bytes:
    answer.close = True
    head = [f"HTTP/1.0 {answer.status} x", *(f"{name}: {value}" for name, value in answer.headers), "", ""]
    return "\r\n".join(head).encode() + answer.body


def longer_than_it_is(request: Request, answer: Answer) -> bytes:
    if answer.status != 200:
        return plainly(request, answer)
    answer.close = True
    head = ["HTTP/1.1 200 OK", *(f"{name}: {value}" for name, value in answer.headers)]
    return "\r\n".join([*head, f"Content-Length: {len(answer.body) + 900}", "", ""]).encode() + answer.body


def closes_after_each(request: Request, answer: Answer) -> bytes:
    answer.close = True  # without saying so: the next request meets a closed connection
    return plainly(request, answer)


def utf16(request: Request, answer: Answer) -> bytes:
    text = answer.body.decode().replace('encoding="UTF-8"', 'encoding="UTF-16"')
    answer.body = text.encode("utf-16")
    return plainly(request, answer)


def utf16_only_said(request: Request, answer: Answer) -> bytes:
    answer.body = answer.body.replace(b'encoding="UTF-8"', b'encoding="utf-16"')
    return plainly(request, answer)


def cp1251_in_the_header(request: Request, answer: Answer) -> bytes:
    answer.headers[0] = ("Content-Type", "application/soap+xml; charset=windows-1251")
    answer.body = answer.body.decode().partition("?>")[2].encode("cp1251")
    return plainly(request, answer)


def in_parts(request: Request, answer: Answer) -> bytes:
    inside = answer.body.partition(b"?>")[2]
    answer.headers[0] = ("Content-Type", 'multipart/related; type="application/xop+xml"; boundary=b')
    answer.body = b"--b\r\nContent-Type: application/xop+xml; charset=utf-8\r\n\r\n" + inside + b"\r\n--b--\r\n"
    return plainly(request, answer)


def many_challenges(request: Request, answer: Answer) -> bytes:
    if answer.status == 401:
        answer.headers.insert(0, ("WWW-Authenticate", 'Basic realm="web, page"'))
        answer.headers.append(("WWW-Authenticate", "Negotiate"))
    return plainly(request, answer)


def many_headers(request: Request, answer: Answer) -> bytes:
    answer.headers += [("X-Maker", "ю".encode().decode("latin-1")), ("Set-Cookie", "a=b; path=/"), ("Server", "")]
    return plainly(request, answer)


@pytest.mark.parametrize(
    "manner",
    [
        soap11, chunked, zipped, until_closed, longer_than_it_is, closes_after_each, utf16, utf16_only_said,
        cp1251_in_the_header, in_parts, many_challenges, many_headers,
    ],
)  # fmt: skip
@pytest.mark.parametrize("way", ["digest", "wsse"])
def test_a_camera_is_read_however_its_answers_travel(make_face: MakeFace, manner: Manner, way: str) -> None:
    face = make_face()
    furnish(face)
    face.gate.takes_digest = way == "digest"
    with StrangeLine(face, manner) as line:
        facts = Camera(line.url, USER, PASSWORD, 3).facts()
    assert (facts.serial, facts.auth, facts.profiles[0].codec) == ("SN-1", way, "H264")
    assert facts.presets == ("Дверь", "Доска")
    assert face.gate.refused == 0


@pytest.mark.parametrize("manner", [soap11, chunked, utf16, in_parts, many_challenges])
def test_a_wrong_password_is_shown_once_however_the_refusal_travels(make_face: MakeFace, manner: Manner) -> None:
    face = make_face()
    with StrangeLine(face, manner) as line, pytest.raises(CameraError) as caught:
        Camera(line.url, USER, "wrong word", 3).facts()
    assert (caught.value.reason, face.gate.refused) == ("refused", 1)


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    """A certificate the camera made for itself."""
    folder = tmp_path_factory.mktemp("tls")
    argv = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
            "/CN=camera", "-days", "1", "-keyout", f"{folder}/key.pem", "-out", f"{folder}/cert.pem"]  # fmt: skip
    subprocess.run(argv, check=True, capture_output=True, timeout=20)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context


def test_a_camera_with_a_certificate_of_its_own_is_read_and_that_is_said(
    make_face: MakeFace, tls: ssl.SSLContext
) -> None:
    with StrangeLine(make_face(), plainly, tls=tls) as line:
        facts = Camera(line.url, USER, PASSWORD, 3).facts()
    assert facts.serial == "SN-1"
    assert facts.profiles[0].snapshot_uri.startswith("https://")
    assert any("nobody vouches" in fault for fault in facts.faults)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_camera_that_sends_us_to_its_secure_port_is_followed_there(
    make_face: MakeFace, tls: ssl.SSLContext, status: int
) -> None:
    face = make_face()
    with StrangeLine(face, plainly, tls=tls) as secure:

        def elsewhere(request: Request, answer: Answer) -> bytes:
            where = f"https://127.0.0.1:{secure.port}{request.path}"
            return plainly(request, Answer(status, b"<html>moved</html>", [("Location", where)]))

        with StrangeLine(face, elsewhere) as line:
            facts = Camera(line.url, USER, PASSWORD, 3).facts()
            sent_on = line.requests
    assert (facts.serial, sent_on, face.gate.refused) == ("SN-1", 1, 0)


def test_a_camera_that_sends_us_to_another_host_or_in_a_circle_is_not_followed(make_face: MakeFace) -> None:
    for where in ("http://example.invalid/onvif", "/onvif/device_service"):

        def away(request: Request, answer: Answer, where: str = where) -> bytes:
            return plainly(request, Answer(302, b"", [("Location", where)]))

        with StrangeLine(make_face(), away) as line, pytest.raises(CameraError) as caught:
            Camera(line.url, USER, PASSWORD, 3).facts()
        assert caught.value.reason == "foreign"


def test_a_camera_at_an_ipv6_address_is_read(make_face: MakeFace) -> None:
    try:
        line = StrangeLine(make_face(), plainly, host="::1")
    except OSError:
        pytest.skip("this machine has no IPv6 on loopback")
    with line:
        facts = Camera(line.url, USER, PASSWORD, 3).facts()
    assert facts.profiles[0].snapshot_uri.startswith(f"http://[::1]:{line.port}/")
    assert facts.profiles[0].stream_uri == "rtsp://[::1]:5554/hall/main"


def test_a_camera_whose_web_server_wants_the_password_in_the_clear_gets_it_once(make_face: MakeFace) -> None:
    face = make_face()
    face.open_operations |= set(face.answers)
    seen: list[str] = []

    def basic(request: Request, answer: Answer) -> bytes:
        said = request.headers.get("authorization", "")
        seen.append(said)
        if said != "Basic ZXhhbXNpdGU6YSB2ZXJ5LXNlY3JldCB3b3Jk":
            head = [("WWW-Authenticate", 'Basic realm="camera"'), ("Content-Type", "text/html")]
            return plainly(request, Answer(401, b"<html>sign in</html>", head))
        return plainly(request, answer)

    with StrangeLine(face, basic) as line:
        facts = Camera(line.url, USER, PASSWORD, 3).facts()
        assert (facts.serial, facts.auth) == ("SN-1", "basic")
        assert any("in the clear" in fault for fault in facts.faults)
        seen.clear()
        with pytest.raises(CameraError, match="refuses"):
            Camera(line.url, USER, "wrong word", 3).facts()
    assert len([said for said in seen if said]) == 1


def test_a_nonce_that_grows_stale_every_third_request_is_renewed(make_face: MakeFace) -> None:
    face = make_face()
    furnish(face)
    answered: list[int] = []

    def renewing(request: Request, answer: Answer) -> bytes:
        if answer.status == 200:
            answered.append(1)
            if len(answered) % 3 == 0:
                face.gate._nonce = secrets.token_hex(16)
        answer.headers = [(name, value.replace("Digest ", "Digest stale=true, ")) for name, value in answer.headers]
        return plainly(request, answer)

    face.gate.takes_token = False
    with StrangeLine(face, renewing) as line:
        assert Camera(line.url, USER, PASSWORD, 3).whole().facts.faults == ()


def test_a_camera_that_does_not_tell_who_it_is_is_read_all_the_same(make_face: MakeFace) -> None:
    face = make_face()
    del face.answers["GetDeviceInformation"]
    facts = Camera(face.device_url, USER, PASSWORD, 3).facts()
    assert (facts.model, facts.profiles[0].token) == ("", "main")
    assert any("identity" in fault.lower() for fault in facts.faults)


BOMB = b"""<?xml version="1.0"?><!DOCTYPE b [<!ENTITY a "aaaaaaaaaa"><!ENTITY c "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">
<!ENTITY d "&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;"><!ENTITY e "&d;&d;&d;&d;&d;&d;&d;&d;&d;&d;">]>"""


@pytest.mark.parametrize("spoil", [
    lambda body: BOMB + body.partition(b"?>")[2].replace(b"Virtual camera", b"&e;&e;&e;&e;"),
    lambda body: body.replace(b"<s:Body>", b"<s:Header>" + b"<x>" * 5000 + b"</x>" * 5000 + b"</s:Header><s:Body>"),
    lambda body: body.replace(b"</s:Body>", b" " * (9 << 20) + b"</s:Body>"),
    lambda body: body[: len(body) // 2],
    lambda _body: b"\x00" * 5000,
])  # fmt: skip
def test_bombs_depths_floods_and_halves_end_in_words(make_face: MakeFace, spoil: Callable[[bytes], bytes]) -> None:
    face: Face = make_face()
    face.twists.append(lambda _asked, body: spoil(body))
    try:
        facts = Camera(face.device_url, USER, PASSWORD, 2).facts()
    except CameraError as error:
        assert str(error)  # either way is right: what is not, is any other exception
    else:
        assert len(facts.model) < 1000


def test_strange_tokens_come_back_as_they_were_said(make_face: MakeFace) -> None:
    face = make_face()
    furnish(face)
    strange = "a&amp;b &lt;&quot;ü&#x20;/?#"
    original = face.answers["GetProfiles"]
    asked: list[str] = []
    face.answers["GetProfiles"] = lambda f, r: original(f, r).replace('token="main"', f'token="{strange}"')

    def uri(f: Face, request: object) -> str:
        asked.append(next(n.text for n in request.iter() if n.tag.endswith("ProfileToken")))  # type: ignore[attr-defined]
        return "<r:GetStreamUriResponse xmlns:r='x'><r:Uri>rtsp://127.0.0.1/x</r:Uri></r:GetStreamUriResponse>"

    face.answers["GetStreamUri"] = uri
    (profile,) = Camera(face.device_url, USER, PASSWORD, 3).facts().profiles
    assert profile.token == 'a&b <"ü /?#'
    assert set(asked) == {profile.token}


WORDS = (
    b"", b"-1", b"NaN", b"inf", b"http://[bad", b"rtsp://[::1", b"http://x:99999999/", b"\xff\xfe", b"9" * 40, b"&x;",
)  # fmt: skip


@pytest.mark.parametrize("seed", range(3))
def test_no_answer_however_spoilt_ends_in_anything_but_words(make_face: MakeFace, seed: int) -> None:
    """Texts and attributes replaced, elements lost, pieces twice: longer runs of this found what is mended now."""
    face, chance = make_face(), random.Random(seed)
    furnish(face)
    face.gate.takes_digest = False

    def spoil(_asked: object, body: bytes) -> bytes:
        places = [m for m in re.finditer(rb">([^<]+)<|\"([^\"]*)\"|(<[^>]+>)", body) if m.start() > 60]
        place = chance.choice(places)
        body = body[: place.start() + 1] + chance.choice(WORDS) + body[place.end() - 1 :]
        at = chance.randrange(len(body))
        return body if chance.random() < 0.8 else body[:at] + body[max(0, at - 90) :]

    face.twists.append(spoil)
    read = 0
    for _ in range(12):
        try:
            Camera(face.device_url, USER, PASSWORD, 2, ports=()).whole()
        except CameraError as error:
            assert str(error)
        else:
            read += 1
    assert read, "it is not all refused: what is left of a camera is read"


HASHES = {"MD5": "md5", "SHA-256-sess": "sha256", "SHA-512-256": "sha512_256"}


@pytest.mark.parametrize(
    ("offered", "user"),
    [
        (['qop="auth-int", nonce="n1"'], USER),
        (['qop="auth", algorithm=SHA-512-256, nonce="n1"'], USER),
        (['qop="auth,auth-int", algorithm=SHA-256-sess, nonce="n1"'], "Наблюдатель"),
        (['algorithm=MD5, nonce="old"', 'qop="auth", algorithm=SHA-512-256, nonce="n1"'], USER),
    ],
)
def test_a_camera_with_a_digest_of_its_own_kind_is_signed_in_to_by_the_strongest_it_offers(
    make_face: MakeFace, offered: list[str], user: str
) -> None:
    face = make_face()
    face.open_operations |= set(face.answers)
    shown: list[str] = []

    def own(request: Request, answer: Answer) -> bytes:
        said = parse_keqv_list(parse_http_list(request.headers.get("authorization", "")[7:]))
        algorithm = said.get("algorithm", "MD5")

        def made(text: str | bytes) -> str:
            return hashlib.new(HASHES[algorithm], text.encode() if isinstance(text, str) else text).hexdigest()

        one = made(f"{user}:a \\\"b\\\", c:{PASSWORD}")
        if algorithm.endswith("-sess"):
            one = made(f"{one}:{said['nonce']}:{said['cnonce']}")
        whole = f":{made(request.body)}" if said.get("qop") == "auth-int" else ""
        middle = ":".join(said.get(name, "") for name in ("nonce", "nc", "cnonce", "qop"))
        shown.append(said.get("nonce", ""))
        if said.get("response") != made(f"{one}:{middle}:{made(f'POST:{request.path}{whole}')}"):
            head = [("WWW-Authenticate", f'Digest realm="a \\"b\\", c", {one}') for one in offered]
            return plainly(request, Answer(401, b"", head))
        return plainly(request, answer)

    with StrangeLine(face, own) as line:
        facts = Camera(line.url, user, PASSWORD, 3).facts()
    assert (facts.serial, facts.auth) == ("SN-1", "digest")
    assert "n1" in shown and "old" not in shown


def test_what_a_camera_leaves_out_cuts_off_or_adds_is_survived_and_said(make_face: MakeFace) -> None:
    face = make_face()
    face.subject.clock_offset_s = 3 * 3600

    def spoil(asked: Asked, body: bytes) -> bytes:
        body = body.replace(b"UTCDateTime", b"LocalDateTime").replace(b"UTC0", b"MSK-3")
        body = body.replace(b"rtsp://127.0.0.1:5554/", b"/")
        if asked.operation == "GetDeviceInformation":
            body = BOMB + body.partition(b"?>")[2].replace(b"Examsite", b"&e;")
        return body[: body.index(b"<tt:RateControl>") + 30] if asked.operation == "GetProfiles" else body

    face.gate.takes_digest = False
    face.twists.append(spoil)
    face.gate.token_age_s = 4 * 3600  # the virtual camera has no true clock beside the one it tells
    facts = Camera(face.device_url, USER, PASSWORD, 3).facts()
    assert facts.offset_s is not None and abs(facts.offset_s) < 5
    assert (facts.manufacturer, facts.serial) == ("", "SN-1")
    assert [(one.codec, one.fps, one.stream_uri) for one in facts.profiles] == [("H264", 0, "rtsp://127.0.0.1/hall/main")]
    for words in ("local time alone", "how its stream's address begins", "document type", "ends too early"):
        assert any(words in fault for fault in facts.faults)


def test_a_device_that_speaks_no_http_and_one_that_lists_thousands_are_told_so(make_face: MakeFace) -> None:
    face = make_face()

    def bare(_request: Request, answer: Answer) -> bytes:
        answer.close = True
        return answer.body + b"\n"

    with StrangeLine(face, bare) as line, pytest.raises(CameraError) as caught:
        Camera(line.url, USER, PASSWORD, 3).facts()
    assert (caught.value.reason, face.gate.refused) == ("foreign", 0)

    def thousands(f: Face, r: object) -> str:
        said = ANSWERS["GetProfiles"](f, r)
        inside = said[said.index("<trt:Profiles") : said.index("</trt:GetProfilesResponse>")]
        return said.replace(inside, "".join(inside.replace('"main"', f'"{n}"', 1) for n in range(2000)))

    face.answers["GetProfiles"] = thousands
    facts = Camera(face.device_url, USER, PASSWORD, 3).facts()
    assert len(facts.profiles) <= 64
    assert any("2000 profiles" in fault for fault in facts.faults)
