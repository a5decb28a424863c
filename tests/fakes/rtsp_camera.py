"""An RTSP camera in Python that misbehaves in ways GStreamer's server cannot, and that knows what it sent.

It plays a clip in a loop, paced by the clock, from its next key frame for each client. Each frame is one slice whose
content comes only once in the clip, so a recording is compared with what was sent slice by slice (`sent`, `slices_in`).
With `numbered`, each frame also carries its number of the endless film (SEI, user data): hours are compared so, and
without decoding (`numbers_in`).

with RtspCamera(Manner(auth=("sha-256",))) as camera:
    camera.url, camera.sent, camera.requests
"""

from __future__ import annotations

import os
import re
import socket
import ssl
import struct
import threading
import time
from dataclasses import dataclass, field
from types import TracebackType

from tests.fakes import rtsp_card, rtsp_jpeg, rtsp_packets, rtsp_sdp
from tests.fakes.rtsp_card import Card
from tests.fakes.rtsp_film import SLICES, clip, digest, kind_of, number_unit
from tests.fakes.rtsp_gate import Gate
from tests.fakes.rtsp_sounds import SOUNDS

NTP_EPOCH_S = 2208988800


@dataclass(frozen=True, slots=True)
class Manner:
    """How the camera behaves. Frames are counted from the beginning of each connection."""

    codec: str = "h264"
    sound: str = ""
    fps: int = 10
    gop: int = 10
    seconds: int = 20
    b_frames: int = 0
    auth: tuple[str, ...] = ()  # basic, md5, sha-256, in the order of their headers
    user: str = "u"
    password: str = "p w:1"
    transports: tuple[str, ...] = ("tcp",)
    first_stamp: int | None = None  # of RTP; None: any
    jumps: tuple[tuple[int, float], ...] = ()  # (frame, seconds its time stamp and all later ones jump)
    mute: tuple[tuple[int, int], ...] = ()  # frames [a, b) are not sent; sound and RTCP go on
    rare: tuple[int, int] = (0, 0)  # of so many frames, only the first so many are sent: a rate that varies
    hang_up_at: int = 0  # frame at which the connection is closed
    reports: bool = True  # RTCP sender reports
    clock_off_s: float = 0.0
    redirect: bool = False
    mid_gop: bool = False  # begins with whatever frame comes next
    keyless_from: int | None = None  # from this frame on no key frame is sent, only what lies between them
    parameter_sets_in_sdp: bool = True
    silent_sound: bool = False  # the sound is in the SDP and never comes
    sizes: tuple[str, ...] = ("320x180",)  # one after the other, in the middle of a clip
    mute_describe_s: float = 0.0
    mute_play_s: float = 0.0  # after PLAY was answered
    tls: ssl.SSLContext | None = None
    numbered: bool = False  # H.264 only
    bit_rate: str = "300k"
    card: Card | None = None  # plays this instead of what it sees


@dataclass(slots=True)
class RtspCamera:
    """Listens as long as the `with` lasts."""

    manner: Manner
    port: int = 0
    requests: list[str] = field(default_factory=list)  # method, and "signed" or "bare"
    sent: list[str] = field(default_factory=list)  # slices as they went out, to whomever
    due_s: list[float] = field(default_factory=list)  # Unix time at which it saw each of them; it may send them late
    plays: list[dict[str, str]] = field(default_factory=list)  # what the card was asked for
    newest: int = -1  # the newest frame that went out, when they are numbered
    _server: socket.socket | None = None
    _stop: threading.Event = field(default_factory=threading.Event)
    _began_s: float = field(default_factory=time.monotonic)
    _wires: set[socket.socket] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"{'rtsps' if self.manner.tls else 'rtsp'}://127.0.0.1:{self.port}/live?channel=1"

    def frames(self) -> list[tuple[int, tuple[bytes, ...]]]:
        """The whole clip; with several sizes, one part after the other."""
        m = self.manner
        if m.codec == "mjpeg":
            made = rtsp_jpeg.pictures(m.fps, m.seconds, m.sizes[0])
            return [(place, (picture,)) for place, picture in enumerate(made)]
        found: list[tuple[int, tuple[bytes, ...]]] = []
        for size in m.sizes:
            part = clip(m.codec, m.fps, m.gop, m.seconds // len(m.sizes), m.b_frames, size, m.bit_rate)
            found += [(len(found) + place, frame) for place, frame in part]
        return found

    def __enter__(self) -> RtspCamera:
        self.frames()
        self._server = socket.create_server(("127.0.0.1", self.port))
        self.port = self._server.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        assert self._server is not None
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self.hang_up()

    def hang_up(self) -> None:
        """Close every connection."""
        for wire in list(self._wires):
            try:
                wire.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # the client was first

    def _accept(self) -> None:
        assert self._server is not None
        while not self._stop.is_set():
            try:
                wire, _ = self._server.accept()
            except OSError:
                return
            if self.manner.tls is not None:
                try:
                    wire = self.manner.tls.wrap_socket(wire, server_side=True)
                except OSError:
                    continue  # it wanted no TLS of ours
            self._wires.add(wire)
            threading.Thread(target=Client(self, wire).serve, daemon=True).start()

    def gone(self, wire: socket.socket) -> None:
        self._wires.discard(wire)
        wire.close()

    @property
    def stopping(self) -> threading.Event:
        return self._stop

    def frame_now(self) -> int:
        """Which frame of its endless film the camera sees now."""
        return int((time.monotonic() - self._began_s) * self.manner.fps)

    def frame_due_s(self, number: int) -> float:
        return self._began_s + number / self.manner.fps

    def seen_s(self, number: int) -> float:
        """When that was, in Unix time."""
        return time.time() - time.monotonic() + self.frame_due_s(number)


class Client:
    """One connection: its requests, and the thread that sends."""

    def __init__(self, camera: RtspCamera, wire: socket.socket) -> None:
        self._camera, self._manner, self._wire = camera, camera.manner, wire
        self._lock = threading.Lock()
        self._held = bytearray()  # one frame's packets go out in one piece: many cameras fit into one process so
        self._over = threading.Event()
        self._gate = Gate(camera.manner.auth, camera.manner.user, camera.manner.password)
        self._ways: dict[int, tuple[str, int]] = {}  # track -> ("tcp", channel) or ("udp", port)
        self._datagrams: dict[int, socket.socket] = {}

    def serve(self) -> None:
        try:
            with self._wire.makefile("rb") as lines:
                while request := self._read(lines):
                    self._answer(*request)
        except OSError:
            return
        finally:
            self._over.set()
            self._camera.gone(self._wire)

    def _read(self, lines: object) -> tuple[str, str, dict[str, str]] | None:
        first = lines.readline()  # type: ignore[attr-defined]
        while first[:1] == b"$":  # RTCP of the client's: channel, length, data
            size = struct.unpack(">H", first[2:4])[0]
            rest = first[4:]
            rest += lines.read(max(0, size - len(rest)))  # type: ignore[attr-defined]
            first = rest[size:] or lines.readline()  # type: ignore[attr-defined]
        if not first.strip():
            return None
        method, url, _ = first.decode().split(" ", 2)
        headers: dict[str, str] = {}
        while line := lines.readline().decode().strip():  # type: ignore[attr-defined]
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        self._camera.requests.append(f"{method} {'signed' if 'authorization' in headers else 'bare'}")
        return method, url, headers

    def _answer(self, method: str, url: str, headers: dict[str, str]) -> None:
        m = self._manner
        if method == "OPTIONS":
            return self._say("200 OK", headers, ["Public: OPTIONS, DESCRIBE, SETUP, PLAY, GET_PARAMETER, TEARDOWN"])
        if m.auth and not self._gate.lets_in(method, url, headers.get("authorization", "")):
            return self._say("401 Unauthorized", headers, [f"WWW-Authenticate: {c}" for c in self._gate.challenges()])
        if method == "DESCRIBE":
            if m.redirect and "moved" not in url:
                return self._say("302 Moved", headers, [f"Location: rtsp://127.0.0.1:{self._camera.port}/moved"])
            self._over.wait(m.mute_describe_s)
            base = url if url.endswith("/") else url + "/"
            said = rtsp_sdp.sdp(m.codec, m.sound, self._camera.frames()[0][1] if m.parameter_sets_in_sdp else None)
            return self._say("200 OK", headers, [f"Content-Base: {base}", "Content-Type: application/sdp"], said)
        if m.card is not None and (refusal := m.card.refusal(method, headers)):
            return self._say(refusal, headers, ["Unsupported: onvif-replay"])
        if method == "SETUP":
            return self._setup(url, headers)
        self._say("200 OK", headers, ["Session: 1234;timeout=60"])
        if method == "PLAY":
            threading.Thread(target=self._play, args=(headers,), daemon=True).start()
        return None

    def _say(self, status: str, asked: dict[str, str], more: list[str], body: str = "") -> None:
        lines = [f"RTSP/1.0 {status}", f"CSeq: {asked.get('cseq', '0')}", *more]
        lines += [f"Content-Length: {len(body)}"] if body else []
        with self._lock:
            self._wire.sendall(("\r\n".join(lines) + "\r\n\r\n" + body).encode())

    def _setup(self, url: str, headers: dict[str, str]) -> None:
        wanted = headers.get("transport", "")
        track = 2 if "track2" in url else 1
        way = "tcp" if "interleaved" in wanted or "/TCP" in wanted else "udp"
        if way not in self._manner.transports:
            return self._say("461 Unsupported Transport", headers, [])
        if way == "tcp":
            channel = int((re.search(r"interleaved=(\d+)", wanted) or ["", "0"])[1])
            self._ways[track] = way, channel
            chosen = f"RTP/AVP/TCP;unicast;interleaved={channel}-{channel + 1}"
        else:
            port = int((re.search(r"client_port=(\d+)", wanted) or ["", "0"])[1])
            own = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            own.bind(("127.0.0.1", 0))
            self._ways[track], self._datagrams[track] = (way, port), own
            at = own.getsockname()[1]
            chosen = f"RTP/AVP;unicast;client_port={port}-{port + 1};server_port={at}-{at + 1}"
        return self._say("200 OK", headers, [f"Transport: {chosen}", "Session: 1234;timeout=60"])

    def _play(self, asked: dict[str, str]) -> None:
        try:
            if self._manner.card is not None:
                if rtsp_card.play(self._manner.card, self._manner, self._camera, self, asked):
                    self._wire.shutdown(socket.SHUT_RDWR)
            else:
                self._send_all()
        except OSError:
            return  # the client is gone
        finally:
            for own in self._datagrams.values():
                own.close()

    def _send_all(self) -> None:
        m, camera, frames = self._manner, self._camera, self._camera.frames()
        self._over.wait(m.mute_play_s)
        first = camera.frame_now() + 1
        if not m.mid_gop:
            first += -first % m.gop
        base = m.first_stamp if m.first_stamp is not None else int.from_bytes(os.urandom(4), "big")
        stamp_of_sound = sequence = sound_sequence = 0
        shift_s = 0.0
        sound_s = camera.frame_due_s(first)
        for n in range(1 << 30):
            number = first + n
            while (wait_s := camera.frame_due_s(number) - time.monotonic()) > 0:
                if camera.stopping.wait(min(wait_s, 0.02 if m.sound else 0.2)) or self._over.is_set():
                    return
                while m.sound and not m.silent_sound and sound_s <= time.monotonic() and 2 in self._ways:
                    kind, _, data, ticks = SOUNDS[m.sound]
                    self._rtp(2, kind, sound_sequence, stamp_of_sound, data, last=False)
                    sound_s += 0.064 if m.sound == "aac" else 0.02
                    stamp_of_sound, sound_sequence = stamp_of_sound + ticks, sound_sequence + 1
            if m.hang_up_at and n >= m.hang_up_at:
                self._wire.shutdown(socket.SHUT_RDWR)
                return
            shift_s += sum(by_s for at, by_s in m.jumps if at == n)
            place, units_ = frames[number % len(frames)]
            place += number - number % len(frames) - first
            stamp = (base + round((place / m.fps + shift_s) * 90000)) % (1 << 32)
            if m.reports and n % m.fps == 0:
                self.report(stamp, number)
            if m.keyless_from is not None and n >= m.keyless_from and number % m.gop == 0:
                continue
            if any(a <= n < b for a, b in m.mute) or (m.rare[0] and number % m.rare[0] >= m.rare[1] and number % m.gop):
                continue
            if m.numbered:
                units_ = (*units_[:-1], number_unit(number), units_[-1])
            sequence = self.picture(units_, sequence, stamp)
            if m.codec == "mjpeg":
                camera.sent += [rtsp_jpeg.digest(unit) for unit in units_]
            elif m.numbered:
                camera.newest = max(camera.newest, number)
            else:
                camera.sent += [digest(unit) for unit in units_ if kind_of(unit, m.codec) in SLICES[m.codec]]
            camera.due_s += [camera.seen_s(number)] * (len(camera.sent) - len(camera.due_s))

    def picture(
        self, units: tuple[bytes, ...], sequence: int, stamp: int, extension: bytes = b"", *, each: bool = False
    ) -> int:
        """A whole picture in packets, which go out in one piece; returns the next sequence number."""
        kind = 26 if self._manner.codec == "mjpeg" else 96
        pieces = [piece for unit in units for piece in rtsp_packets.pieces(self._manner.codec, unit)]
        for n, piece in enumerate(pieces, 1):
            said = extension if n == 1 or each else b""
            self._rtp(1, kind, sequence, stamp, piece, last=n == len(pieces), extension=said)
            sequence += 1
        self._flush()
        return sequence

    def sound(self, number: int, extension: bytes) -> None:
        """The sound of 20 ms, for who counts it."""
        kind, _, data, ticks = SOUNDS[self._manner.sound]
        self._rtp(2, kind, number, number * ticks, data, last=False, extension=extension)

    def _rtp(
        self, track: int, kind: int, sequence: int, stamp: int, data: bytes, *, last: bool, extension: bytes = b""
    ) -> None:
        self._send(track, rtsp_packets.rtp(kind, sequence, stamp, track, data, last=last, extension=extension), 0)

    def report(self, stamp: int, number: int) -> None:
        """The moment the frame of this stamp was seen, however late it is sent (RFC 3550, 6.4.1)."""
        now = self._camera.seen_s(number) + self._manner.clock_off_s + NTP_EPOCH_S
        words = struct.pack(">BBHIIIIII", 0x80, 200, 6, 1, int(now), int(now % 1 * (1 << 32)), stamp, 1, 1)
        self._send(1, words, 1)

    def goodbye(self) -> None:
        """RTCP BYE (RFC 3550, 6.6)."""
        self._send(1, struct.pack(">BBHI", 0x81, 203, 1, 1), 1)

    def _send(self, track: int, data: bytes, offset: int) -> None:
        if track not in self._ways:
            return
        way, where = self._ways[track]
        if way == "udp":
            self._datagrams[track].sendto(data, ("127.0.0.1", where + offset))
            return
        self._held += struct.pack(">cBH", b"$", where + offset, len(data)) + data
        if track != 1 or offset:
            self._flush()

    def _flush(self) -> None:
        held, self._held = self._held, bytearray()
        if held:
            with self._lock:
                self._wire.sendall(held)
