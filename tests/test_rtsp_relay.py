"""Asking a camera what it sends, signing for ffmpeg where it cannot, and what of it others on the box can see."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest

from drivers import ffmpeg, rtsp_auth
from drivers.ffmpeg import Source, Stream, StreamError
from drivers.rtsp_ask import ask
from drivers.rtsp_relay import Relay
from drivers.rtsp_wire import Malformed, Message, Reader
from tests.fakes.rtsp_camera import Manner, RtspCamera
from tests.fakes.rtsp_film import slices_in

PASSWORD = Manner().password


def source_of(camera: RtspCamera, password: str = PASSWORD) -> Source:
    return Source(camera.url, "u", password)


def record(source: Source, stream: Stream, folder: Path, frames: int, codec: str = "h264") -> list[str]:
    """The slices of a recording of so many frames."""
    run = ffmpeg.Run(source, stream, folder, "run", 60)
    until_s = time.monotonic() + 20
    while (news := run.read(1.0)).progress is None or news.progress.frames < frames:
        assert time.monotonic() < until_s and not news.ended, run.cause()
    return [found for finished in run.stop().finished for found in slices_in(finished.path, codec)]


def test_a_camera_that_knows_only_sha256_is_recorded_through_the_relay_without_losing_a_frame(tmp_path: Path) -> None:
    with RtspCamera(Manner(auth=("sha-256",))) as camera:
        found = ask(source_of(camera))
        assert (found.stream, found.relay) == (Stream("h264", None), True)
        relay = Relay(found.source)
        recorded = record(relay.source, found.stream, tmp_path, 12)
        relay.close()
    first = camera.sent.index(recorded[0])
    assert len(recorded) >= 12
    assert camera.sent[first : first + len(recorded)] == recorded
    assert {"SETUP signed", "PLAY signed", "TEARDOWN signed"} <= set(camera.requests)


@pytest.mark.parametrize(
    ("offered", "relay"),
    [
        ((), False),
        (("basic",), False),
        (("md5-bare",), False),
        (("md5-qop",), False),
        (("sha-256-bare",), True),
        (("md5", "sha-256"), True),
        (("sha-256", "md5"), False),
        (("basic", "sha-256"), True),
        (("md5", "basic"), False),
    ],
)
def test_the_relay_is_used_only_where_ffmpeg_cannot_sign(offered: tuple[str, ...], relay: bool) -> None:
    with RtspCamera(Manner(auth=offered)) as camera:
        assert ask(source_of(camera)).relay is relay


def test_a_wrong_password_is_tried_once() -> None:
    with RtspCamera(Manner(auth=("md5", "sha-256"))) as camera, pytest.raises(StreamError) as caught:
        ask(source_of(camera, "wrong"))
    assert caught.value.trouble == "password"
    assert camera.requests.count("DESCRIBE signed") == 1
    assert "wrong" not in str(caught.value)


def test_nobody_who_does_not_know_the_word_gets_the_stream() -> None:
    with RtspCamera(Manner(auth=("sha-256",))) as camera:
        relay = Relay(source_of(camera))
        port = ffmpeg.address(relay.source.url)[1]
        with socket.create_connection(("127.0.0.1", port)) as stranger:
            stranger.sendall(f"DESCRIBE rtsp://127.0.0.1:{port}/live RTSP/1.0\r\nCSeq: 1\r\n\r\n".encode())
            assert stranger.recv(1000).startswith(b"RTSP/1.0 404")
            assert stranger.recv(1000) == b""
        relay.close()
    assert camera.requests == []
    assert relay.source.user == relay.source.password == ""
    assert PASSWORD not in relay.source.script()


def test_the_relay_ends_when_its_run_does() -> None:
    with RtspCamera(Manner(auth=("sha-256",))) as camera:
        relay = Relay(source_of(camera))
        relay.close()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(ffmpeg.address(relay.source.url), timeout=2)


def test_a_camera_that_moved_its_stream_is_followed() -> None:
    with RtspCamera(Manner(redirect=True)) as camera:
        assert ask(source_of(camera)).source.url.endswith("/moved")


def test_sound_that_cannot_be_decoded_is_left_out_and_the_picture_recorded() -> None:
    for sound, kept in (("speex", None), ("g726", "g726"), ("pcmu", "pcm_mulaw"), ("l16", "pcm_s16be")):
        with RtspCamera(Manner(sound=sound)) as camera:
            assert ask(source_of(camera)).stream == Stream("h264", kept)


def test_a_camera_that_answers_nothing_or_nonsense_is_told_apart() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"rtsp://127.0.0.1:{mute.getsockname()[1]}/"
        with pytest.raises(StreamError) as caught:
            ask(Source(url), timeout_s=0.3)
        assert caught.value.trouble == "silent"
    with pytest.raises(StreamError) as caught:
        ask(Source(url))
    assert caught.value.trouble == "unreachable"


# RFC 7616, 3.9.1: the same request, signed with both hashes
NONCE = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"
RFC = f'realm="http-auth@example.org", qop="auth, auth-int", algorithm={{0}}, nonce="{NONCE}"'


@pytest.mark.parametrize(
    ("algorithm", "response"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_requests_are_signed_as_the_standard_shows(
    monkeypatch: pytest.MonkeyPatch, algorithm: str, response: str
) -> None:
    monkeypatch.setattr(rtsp_auth.secrets, "token_hex", lambda _bytes: "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ")
    (asked,) = rtsp_auth.challenges([f"Digest {RFC.format(algorithm)}"])
    signed = rtsp_auth.signature(asked, "Mufasa", "Circle of Life", "GET", "/dir/index.html")
    assert f'response="{response}"' in signed


def test_messages_and_packets_are_told_apart_however_they_are_cut() -> None:
    packet = b"$\x00\x00\x06" + b"$RTSP/"
    reply = Message("RTSP/1.0 200 OK", (("CSeq", "2"), ("Content-Base", "rtsp://x/")), b"v=0\r\n")
    stream = packet + reply.bytes() + packet + packet + Message("RTSP/1.0 200 OK", (("CSeq", "3"),)).bytes()
    for size in (1, 3, 7, 1000):
        reader = Reader()
        found = [each for at in range(0, len(stream), size) for each in reader.feed(stream[at : at + size])]
        messages = [each for each in found if isinstance(each, Message)]
        assert [m.header("cseq") for m in messages] == ["2", "3"]
        assert messages[0].body == b"v=0\r\n"
        assert b"".join(each for each in found if isinstance(each, bytes)) == 3 * packet


@pytest.mark.parametrize(
    "nonsense", [b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 70_000, b"RTSP/1.0 200\r\nContent-Length: 9999999\r\n\r\n"]
)
def test_what_is_no_rtsp_is_refused_and_never_held_for_ever(nonsense: bytes) -> None:
    with pytest.raises(Malformed):
        Reader().feed(nonsense)
