"""Sits in the relay while a camera plays from its card: asks as only ONVIF does, reads each picture's time, ends it.

ONVIF Streaming, "Playback": SETUP and PLAY require the feature tag, PLAY names the span by the camera's clock and lets
us set the pace, and the first packet of each picture carries the replay header extension. A camera may just fall silent
when the span is over, so it is the player that says so.
"""

from __future__ import annotations

import re
import struct
import time
from datetime import UTC, datetime

from drivers.rtsp_wire import Message

TAG = "onvif-replay"
EXTENSION = 0xABAC
CLEAN, TERMINAL = 0x80, 0x10  # of its flags: a picture one can begin with; the last there is
NTP_EPOCH_S = 2208988800
BYE = 203  # RTCP, RFC 3550, 6.6
EARLY_S = 30.0  # a camera begins with the key frame before what was asked for; further back it ignores the Range
SAME_S = 0.001  # a Range counts in milliseconds: the picture at its very end belongs to it, however it was rounded
FIRST_S = 20.0  # a card may have to be searched
SILENT_S = 8.0


class Player:
    """The relay's guest for one span. Worked by the relay's thread; read by others once that has ended."""

    def __init__(
        self, from_at: datetime, to_at: datetime, *, require: bool = True, silent_s: float = SILENT_S
    ) -> None:
        self._span = f"clock={clock_time(from_at)}-{clock_time(to_at)}"
        self._from_s, self._to_s, self._require = from_at.timestamp(), to_at.timestamp(), require
        self._silent_s = silent_s
        self.refusal: tuple[int, str] | None = None
        self.stamps: list[float] = []  # Unix seconds, of each picture that was passed on
        self.ended = ""  # asked, terminal, silent, or what another thread ended it for
        self.came = self.early = False  # any picture; and one from long before what was asked for
        self._control = self._setting = ""
        self._video: int | None = None
        self._open = self._last = self._whole = False
        self._heard_s: float | None = None  # None before the camera said that it plays

    def asks(self, method: str, message: Message) -> Message:
        if method == "SETUP":
            self._setting = message.first.split(" ")[1]
        if method in ("SETUP", "PLAY") and self._require:
            message = message.with_headers(require=TAG)
        return message.with_headers(range=self._span, rate_control="no") if method == "PLAY" else message

    def told(self, method: str, reply: Message) -> None:
        if reply.status >= 400 and method in ("DESCRIBE", "SETUP", "PLAY"):
            self.refusal = reply.status, f"{method}: {reply.first}"
        elif method == "DESCRIBE":
            self._control = _video_control(reply.body.decode("utf-8", "replace"))
        elif method == "SETUP" and self._setting.endswith(self._control):
            channel = re.search(r"interleaved=(\d+)", reply.header("Transport"))
            self._video = int(channel[1]) if channel else self._video
        elif method == "PLAY":
            self._heard_s = time.monotonic()

    def packets(self, data: bytes) -> bytes:
        self._heard_s = time.monotonic()
        passed, at = [], 0
        while at + 4 <= len(data):
            end = at + 4 + (data[at + 2] << 8 | data[at + 3])
            if not self.ended and self._passes(data[at + 1], data[at + 4 : end]):
                passed.append(data[at:end])
            if self._whole:
                self.ended = self.ended or "terminal"
            at = end
        return b"".join(passed)

    def over(self) -> bool:
        limit_s = self._silent_s if self.came else FIRST_S
        if self._heard_s is not None and not self.ended and time.monotonic() - self._heard_s > limit_s:
            self.ended = "silent"
        return bool(self.ended)

    def _passes(self, channel: int, packet: bytes) -> bool:
        """Whether a packet belongs to the span. No RTCP: in a replay it tells when was played, and ffmpeg would place
        pictures by it."""
        if channel % 2:
            if channel - 1 == self._video and packet[1:2] == bytes([BYE]):
                self.ended = "terminal"
            return False
        if channel == self._video and len(packet) >= 12:
            self._look(packet)
        return self._open and not self.ended

    def _look(self, packet: bytes) -> None:
        said = stamp(packet)
        if said is not None:
            at_s, flags = said
            self._open = self._open or self._begins(at_s, flags)
            self._last = self._last or bool(flags & TERMINAL)
            if at_s > self._to_s + SAME_S:
                self.ended = "asked"
            elif self._open and self.stamps[-1:] != [at_s]:  # each packet of a picture may carry its stamp
                self.stamps.append(at_s)
        elif not self.came:  # a camera that stamps nothing plays what it plays
            self._open = True
        self.came = True
        self._whole = self._last and bool(packet[1] & 0x80)  # the marker: the last packet of a picture

    def _begins(self, at_s: float, flags: int) -> bool:
        if at_s < self._from_s - EARLY_S:
            self.early = True
            return False
        return bool(flags & CLEAN) or not self.came or at_s >= self._from_s


def clock_time(at: datetime) -> str:
    """As in RTSP's `Range: clock=` (RFC 2326, 3.7)."""
    at = at.astimezone(UTC)
    return f"{at:%Y%m%dT%H%M%S}.{at.microsecond // 1000:03d}Z"


def stamp(packet: bytes) -> tuple[float, int] | None:
    """The replay extension of an RTP packet: Unix seconds and flags."""
    at = 12 + 4 * (packet[0] & 0x0F)
    if not packet[0] & 0x10 or len(packet) < at + 16:
        return None
    kind, length, seconds, fraction, flags = struct.unpack_from(">HHIIB", packet, at)
    if kind != EXTENSION or length < 3 or not seconds:
        return None
    return seconds - NTP_EPOCH_S + fraction / (1 << 32), flags


def _video_control(sdp: str) -> str:
    """Where the first picture of a description is controlled; nothing where one address stands for all."""
    kind, seen = "", False
    for line in sdp.splitlines():
        if line.startswith("m="):
            if seen:
                break
            kind = line[2:].split()[0]
            seen = kind == "video"
        elif kind == "video" and line.startswith("a=control:"):
            said = line.partition(":")[2].strip()
            return "" if said == "*" else said
    return ""
