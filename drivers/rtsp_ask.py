"""Asks a camera what its stream carries (DESCRIBE) and how it wants to be signed in to, before ffmpeg is started.

Cheaper than ffprobe (no process, no second reading of the stream: the recording begins with the next key frame instead
of the one after it), no password in any argument list, and it tells what ffmpeg cannot sign (rtsp_auth).
"""

from __future__ import annotations

import socket
from dataclasses import dataclass, replace
from urllib.parse import urljoin, urlsplit

from drivers import rtsp_auth, rtsp_wire
from drivers.ffmpeg import Source, Stream, StreamError, Trouble
from drivers.rtsp_wire import Malformed, Message, Reader

AGENT = "examsite"
REDIRECTS = 3
VIDEO = {"H264": "h264", "H265": "hevc", "HEVC": "hevc", "JPEG": "mjpeg", "MP4V-ES": "mpeg4"}
# What ffmpeg decodes among what comes by RTP; AAC is kept as it is.
SOUND = {
    "MPEG4-GENERIC": "aac", "MP4A-LATM": "aac_latm", "PCMA": "pcm_alaw", "PCMU": "pcm_mulaw", "L16": "pcm_s16be",
    "L8": "pcm_u8", "OPUS": "opus", "G722": "g722", "G723": "g723_1", "MPA": "mp3", "GSM": "gsm",
    **{f"{name}G726-{rate}": "g726" for name in ("", "AAL2-") for rate in (16, 24, 32, 40)},
}  # fmt: skip
STATIC = {0: "PCMU", 3: "GSM", 4: "G723", 8: "PCMA", 9: "G722", 11: "L16", 14: "MPA", 26: "JPEG"}  # RFC 3551, table 4


@dataclass(frozen=True, slots=True)
class Asked:
    """Where the stream is (after redirections), what it carries, and whether ffmpeg must be helped to sign in."""

    source: Source
    stream: Stream
    relay: bool


def ask(source: Source, timeout_s: float = 5.0) -> Asked:
    """Ask the camera. The password is tried once. Raises StreamError."""
    for _ in range(REDIRECTS + 1):
        try:
            with rtsp_wire.connect(source.url, timeout_s) as wire:
                reply, relay = _Talk(wire, source, timeout_s).describe()
        except StreamError:
            raise
        except (TimeoutError, Malformed, OSError, ValueError) as fault:
            raise StreamError(_kind(fault), f"{type(fault).__name__}: {fault}") from fault
        if reply.status // 100 != 3:
            return Asked(source, _stream(reply, source), relay)
        moved = urljoin(source.url, reply.header("Location"))
        if urlsplit(moved).scheme not in rtsp_wire.PORTS:
            break
        source = replace(source, url=_bare(moved))
    raise StreamError("no stream", "the camera sends from one address to the next")


def _kind(fault: Exception) -> Trouble:
    if isinstance(fault, TimeoutError):
        return "silent"
    if isinstance(fault, ConnectionResetError | BrokenPipeError | EOFError):
        return "closed"
    return "unreachable" if isinstance(fault, OSError) else "unreadable"


def _bare(url: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


class _Talk:
    """One connection of questions and answers."""

    def __init__(self, wire: socket.socket, source: Source, timeout_s: float) -> None:
        wire.settimeout(timeout_s)
        self._wire, self._source, self._reader, self._number = wire, source, Reader(), 0

    def describe(self) -> tuple[Message, bool]:
        """The reply, good or moved, and whether only we can sign. OPTIONS first: some cameras know no other order."""
        self._say("OPTIONS", None)
        reply, relay, tried = self._say("DESCRIBE", None), False, 0
        while reply.status == 401 and self._source.user and tried < 2:
            asked = rtsp_auth.challenges(reply.all("WWW-Authenticate"))
            one = rtsp_auth.chosen(asked)
            if one is None:
                raise StreamError("password", "the camera asks to be signed in to in a way that is not known")
            if tried and not one.stale:  # refused; a nonce that was only too old is no refusal
                break
            relay, tried = not rtsp_auth.ffmpeg_can(asked), tried + 1
            reply = self._say("DESCRIBE", one)
        if reply.status not in (200, 301, 302, 303, 305, 307):
            refused: Trouble = "closed" if reply.status >= 500 else "no stream"
            raise StreamError("password" if reply.status in (401, 403) else refused, f"DESCRIBE: {reply.first}")
        return reply, relay

    def _say(self, method: str, challenge: rtsp_auth.Challenge | None) -> Message:
        self._number += 1
        headers = [("CSeq", str(self._number)), ("User-Agent", AGENT)]
        if method == "DESCRIBE":
            headers.append(("Accept", "application/sdp"))
        if challenge is not None:
            url, s = self._source.url, self._source
            headers.append(("Authorization", rtsp_auth.signature(challenge, s.user, s.password, method, url)))
        self._wire.sendall(Message(f"{method} {self._source.url} RTSP/1.0", tuple(headers)).bytes())
        while True:
            data = self._wire.recv(65536)
            if not data:
                raise ConnectionResetError("the camera closed the connection")
            for found in self._reader.feed(data):
                if isinstance(found, Message) and found.status and found.header("CSeq") in ("", str(self._number)):
                    return found


def _stream(reply: Message, source: Source) -> Stream:
    """What the SDP (RFC 4566) says. The first picture and the first sound count, as for ffmpeg's v:0 and a:0."""
    kinds: dict[str, str] = {}
    kind, wanted = "", ""
    for line in reply.body.decode("utf-8", "replace").splitlines():
        if line.startswith("m="):
            words = line[2:].split()
            kind, wanted = (words[0], words[3]) if len(words) > 3 and words[0] not in kinds else ("", "")
            if kind and wanted.isdigit():
                kinds[kind] = STATIC.get(int(wanted), "")
        elif kind and line.startswith("a=rtpmap:"):
            number, _, coding = line[9:].strip().partition(" ")
            if number == wanted:
                kinds[kind] = coding.strip().split("/")[0].upper()
    if "video" not in kinds:
        raise StreamError("unreadable", "no picture in the stream")
    video = VIDEO.get(kinds["video"])
    if video is None:
        raise StreamError("unreadable", f"the picture comes as {kinds['video'] or 'something unknown'}")
    return Stream(video, SOUND.get(kinds.get("audio", "")) if source.sound else None)
