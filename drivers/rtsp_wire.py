"""RTSP messages (RFC 2326) on a TCP stream, with RTP between them (10.12): read whole, written whole, no meaning."""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass
from urllib.parse import urlsplit

LONGEST_HEAD_BYTES = 64_000
LONGEST_BODY_BYTES = 1_000_000
PORTS = {"rtsp": 554, "rtsps": 322}


class Malformed(ValueError):
    """What came is no RTSP."""


@dataclass(frozen=True, slots=True)
class Message:
    """A request or a reply: its first line, headers in their order with names as they came, and body."""

    first: str
    headers: tuple[tuple[str, str], ...]
    body: bytes = b""

    def all(self, name: str) -> list[str]:
        return [value for each, value in self.headers if each.lower() == name.lower()]

    def header(self, name: str) -> str:
        """The first header of that name, or nothing."""
        return next(iter(self.all(name)), "")

    @property
    def status(self) -> int:
        """A reply's status; 0 for a request."""
        words = self.first.split(" ", 2)
        return int(words[1]) if words[0].startswith("RTSP/") and len(words) > 1 and words[1].isdigit() else 0

    def with_headers(self, **changed: str | None) -> Message:
        """The same with these headers (underscores stand for hyphens) put in place; None takes one out."""
        names = {name.replace("_", "-").lower(): value for name, value in changed.items()}
        kept = [(n, v) for n, v in self.headers if n.lower() not in names]
        new = [(name.title(), value) for name, value in names.items() if value is not None]
        return Message(self.first, tuple(kept + new), self.body)

    def bytes(self) -> bytes:
        lines = [self.first, *(f"{name}: {value}" for name, value in self.headers if name.lower() != "content-length")]
        if self.body:
            lines.append(f"Content-Length: {len(self.body)}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode() + self.body


class Reader:
    """Takes bytes as they come; gives messages, and the RTP between them untouched. Bounded."""

    def __init__(self) -> None:
        self._held = bytearray()

    def feed(self, data: bytes) -> list[Message | bytes]:
        """What is whole by now, in order: messages, and runs of interleaved packets as one piece each."""
        self._held += data
        found: list[Message | bytes] = []
        at = 0
        while True:
            start, at = at, self._packets(at)
            if at > start:
                found.append(bytes(self._held[start:at]))
            if at >= len(self._held) or self._held[at] == 0x24:
                break
            whole = self._message(at)
            if whole is None:
                break
            message, at = whole
            found.append(message)
        del self._held[:at]
        return found

    def _packets(self, at: int) -> int:
        """Where the whole packets that begin at `at` end. $, channel, length (16 bits), data."""
        held, size = self._held, len(self._held)
        while at + 4 <= size and held[at] == 0x24:
            end = at + 4 + (held[at + 2] << 8 | held[at + 3])
            if end > size:
                break
            at = end
        return at

    def _message(self, at: int) -> tuple[Message, int] | None:
        while self._held[at : at + 2] == b"\r\n":  # some servers end a body with one more
            at += 2
        end = self._held.find(b"\r\n\r\n", at)
        if end < 0:
            if len(self._held) - at > LONGEST_HEAD_BYTES:
                raise Malformed("a head without an end")
            return None
        first, *lines = self._held[at:end].decode("utf-8", "replace").split("\r\n")
        if "RTSP/" not in first:
            raise Malformed(f"no RTSP: {first[:60]!r}")
        headers = tuple((n.strip(), v.strip()) for n, _, v in (line.partition(":") for line in lines))
        length = next((v for n, v in headers if n.lower() == "content-length"), "0")
        if not length.isdigit() or int(length) > LONGEST_BODY_BYTES:
            raise Malformed(f"a body of {length[:20]!r} bytes")
        close = end + 4 + int(length)
        if close > len(self._held):
            return None
        return Message(first, headers, bytes(self._held[end + 4 : close])), close


def connect(url: str, timeout_s: float) -> socket.socket:
    """A connection to a camera; over TLS for rtsps. Cameras sign for themselves: no name is checked, as in ffmpeg."""
    parts = urlsplit(url)
    wire = socket.create_connection((parts.hostname or "", parts.port or PORTS.get(parts.scheme, 554)), timeout_s)
    wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if parts.scheme != "rtsps":
        return wire
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(wire, server_hostname=parts.hostname)
