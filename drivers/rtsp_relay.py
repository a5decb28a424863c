"""A relay between one ffmpeg and one camera, on loopback, for cameras that ffmpeg cannot sign in to (SHA-256 Digest).

It signs the requests and puts its own address where the camera's stands; nothing else is changed, and RTP passes
through as it came (TCP interleaved only). Why our own: docs/decisions/009-rtsp-relay.md. One client, one connection:
its path holds a random word, so that no other user of the box gets the picture, and it ends with its run.

A `Guest` sits in it where more must be asked than ffmpeg can (onvif_replay.py, docs/decisions/010-card-replay.md).
"""

from __future__ import annotations

import contextlib
import logging
import secrets
import selectors
import socket
import threading
from collections import deque
from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import Protocol
from urllib.parse import urlsplit

from drivers import rtsp_auth, rtsp_wire
from drivers.ffmpeg import Source
from drivers.rtsp_wire import Malformed, Message, Reader

log = logging.getLogger(__name__)

CLIENT_WAIT_S = 10.0  # for the ffmpeg it was made for to connect
SEND_LIMIT_S = 10.0  # one that takes nothing for so long is gone
READ_BYTES = 1 << 18
GUEST_LOOK_S = 0.5  # how often a guest is asked whether it is over, though nothing comes


class Guest(Protocol):
    """Who changes requests and looks at what comes. Called in the relay's thread alone."""

    def asks(self, method: str, message: Message) -> Message:
        """The request as it is to be sent."""

    def told(self, method: str, reply: Message) -> None:
        """The camera's answer to one."""

    def packets(self, data: bytes) -> bytes:
        """Whole interleaved packets of the camera's; what of them is passed on."""

    def over(self) -> bool:
        """The client gets no more: it sees the end of the stream, and may still take its leave."""


@dataclass(slots=True)
class _Asked:
    """A request on its way, as it would be sent again."""

    message: Message
    method: str
    tries: int = 0


class Relay:
    """Listens from the start; `source` is what ffmpeg is to open instead. End it with `close`."""

    def __init__(self, source: Source, timeout_s: float = 5.0, guest: Guest | None = None) -> None:
        self._camera, self._timeout_s, self._guest = source, timeout_s, guest
        self._listening = socket.create_server(("127.0.0.1", 0))
        parts = urlsplit(source.url)
        self._theirs = f"{parts.scheme}://{parts.netloc}"
        self._ours = f"rtsp://127.0.0.1:{self._listening.getsockname()[1]}/{secrets.token_urlsafe(24)}"
        self.source = replace(source, url=self._ours + source.url[len(self._theirs) :], user="", password="")
        self._wires: list[socket.socket] = []
        self._over = self._ended = False
        self._lock = threading.Lock()
        self._challenge: rtsp_auth.Challenge | None = None
        self._signed = 0
        self._waiting: deque[_Asked] = deque()
        self._thread = threading.Thread(target=self._run, name="relay", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Hang up on both sides and wait for the thread."""
        with self._lock:
            self._over = True
            for wire in (self._listening, *self._wires):
                with contextlib.suppress(OSError):  # not connected any more
                    wire.shutdown(socket.SHUT_RDWR)
        self._thread.join(2 * self._timeout_s)

    def _run(self) -> None:
        try:
            with self._listening:
                self._listening.settimeout(CLIENT_WAIT_S)
                client, _ = self._listening.accept()
            with self._kept(client), self._kept(rtsp_wire.connect(self._camera.url, self._timeout_s)) as camera:
                for wire in (client, camera):
                    wire.settimeout(SEND_LIMIT_S)
                self._pass_on(client, camera)
        except (OSError, Malformed) as fault:
            if not self._over:
                log.info("the relay ended: %s: %s", type(fault).__name__, fault)

    @contextlib.contextmanager
    def _kept(self, wire: socket.socket) -> Generator[socket.socket, None, None]:
        with self._lock:
            self._wires.append(wire)
            if self._over:
                wire.close()
        with wire:
            yield wire

    def _pass_on(self, client: socket.socket, camera: socket.socket) -> None:
        readers = {client: Reader(), camera: Reader()}
        with selectors.DefaultSelector() as selector:
            for wire in readers:
                selector.register(wire, selectors.EVENT_READ)
            while True:
                for key, _ in selector.select(None if self._guest is None else GUEST_LOOK_S):
                    source = key.fileobj
                    assert isinstance(source, socket.socket)  # noqa: S101 - for the type checker
                    data = source.recv(READ_BYTES)
                    if not data:
                        return
                    for piece in readers[source].feed(data):
                        self._take(client, camera, piece, from_client=source is client)
                self._end_when_over(client)

    def _take(self, client: socket.socket, camera: socket.socket, piece: Message | bytes, *, from_client: bool) -> None:
        if isinstance(piece, bytes):
            if from_client:
                camera.sendall(piece)
            else:
                self._to_client(client, piece if self._guest is None else self._guest.packets(piece))
        elif from_client:
            self._request(client, camera, piece)
        else:
            self._reply(client, camera, piece)

    def _to_client(self, client: socket.socket, data: bytes) -> None:
        if data and not self._ended:
            client.sendall(data)

    def _end_when_over(self, client: socket.socket) -> None:
        """Only one direction is closed: ffmpeg still sends its TEARDOWN, and the camera's one replay is free again."""
        if self._guest is not None and not self._ended and self._guest.over():
            self._ended = True
            client.shutdown(socket.SHUT_WR)

    def _request(self, client: socket.socket, camera: socket.socket, message: Message) -> None:
        """One of ffmpeg's: to the camera's address, signed as far as is known by now."""
        method, _, rest = message.first.partition(" ")
        url, _, version = rest.partition(" ")
        inside = url[len(self._ours) :]
        if not url.startswith(self._ours) or inside[:1] not in ("", "/", "?"):
            client.sendall(Message("RTSP/1.0 404 Not Found", (("CSeq", message.header("CSeq")),)).bytes())
            raise Malformed("asked for something else")
        theirs = replace(message, first=f"{method} {self._theirs}{inside} {version}")
        asked = _Asked(theirs if self._guest is None else self._guest.asks(method, theirs), method)
        self._waiting.append(asked)
        self._send(camera, asked)

    def _send(self, camera: socket.socket, asked: _Asked) -> None:
        signature = None
        if self._challenge is not None:
            self._signed += 1
            url, user, password = asked.message.first.split(" ")[1], self._camera.user, self._camera.password
            signature = rtsp_auth.signature(self._challenge, user, password, asked.method, url, self._signed)
        camera.sendall(asked.message.with_headers(authorization=signature).bytes())

    def _reply(self, client: socket.socket, camera: socket.socket, message: Message) -> None:
        """One of the camera's: a 401 is answered here, everything else goes on with our address in it."""
        if not message.status or not self._waiting:
            self._to_client(client, message.bytes())  # a request of the camera's own, or an answer nobody waits for
            return
        asked = self._waiting.popleft()
        if message.status == 401:
            one = rtsp_auth.chosen(rtsp_auth.challenges(message.all("WWW-Authenticate")))
            if one is not None and (asked.tries == 0 and (self._challenge is None or one.stale)):
                asked.tries, self._challenge, self._signed = 1, one, 0
                self._waiting.appendleft(asked)
                self._send(camera, asked)
                return
        if self._guest is not None:
            self._guest.told(asked.method, message)
        headers = tuple((n, v.replace(self._theirs, self._ours)) for n, v in message.headers)
        body = message.body.replace(self._theirs.encode(), self._ours.encode())
        self._to_client(client, Message(message.first, headers, body).bytes())
