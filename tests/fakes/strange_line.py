"""A camera whose answers travel strangely: the words are a good face's, the HTTP around them is written byte by byte.

with StrangeLine(face, chunked) as line:
    Camera(line.url, ...)
"""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from demo.onvif_face import Face
from demo.onvif_soap import HangUp

REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 500: "Internal Server Error"}


@dataclass(slots=True)
class Answer:
    """One HTTP answer, before it is written."""

    status: int
    body: bytes
    headers: list[tuple[str, str]] = field(default_factory=list)
    close: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """What came: the path, the headers in small letters, the body."""

    path: str
    headers: dict[str, str]
    body: bytes


Manner = Callable[[Request, Answer], bytes]


def plainly(request: Request, answer: Answer) -> bytes:
    """As everybody writes it."""
    head = [f"HTTP/1.1 {answer.status} {REASONS.get(answer.status, 'Other')}"]
    head += [f"{name}: {value}" for name, value in answer.headers]
    return "\r\n".join([*head, f"Content-Length: {len(answer.body)}", "", ""]).encode() + answer.body


class StrangeLine:
    """Serves a face through `manner`, over TLS when a context is given, on loopback of either IP version."""

    def __init__(
        self, face: Face, manner: Manner, *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1"
    ) -> None:
        self._face, self._manner, self._tls = face, manner, tls
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._server = socket.create_server((host, 0), family=family)
        self.port = self._server.getsockname()[1]
        shown = f"[{host}]" if ":" in host else host
        self.url = f"{'https' if tls else 'http'}://{shown}:{self.port}/onvif/device_service"
        self.requests = 0

    def __enter__(self) -> StrangeLine:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:  # closed: the test is over
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            with self._tls.wrap_socket(connection, server_side=True) if self._tls else connection as line:
                file = line.makefile("rb")
                while (request := _read(file)) is not None:
                    self.requests += 1
                    answer = self._answer(request)
                    line.sendall(self._manner(request, answer))
                    if answer.close:
                        return
        except (OSError, HangUp):  # whoever asked had enough, or the camera has
            connection.close()

    def _answer(self, request: Request) -> Answer:
        status, body = self._face.respond(request.body, request.headers.get("authorization"), request.path)
        answer = Answer(status, body, [("Content-Type", "application/soap+xml; charset=utf-8")])
        if status == 401:
            answer.headers.append(("WWW-Authenticate", self._face.gate.challenge(request.path)))
        return answer


def _read(file: object) -> Request | None:
    line = file.readline()  # type: ignore[attr-defined]
    if not line:
        return None
    headers: dict[str, str] = {}
    while (field_ := file.readline().strip()):  # type: ignore[attr-defined]
        name, _, value = field_.decode("latin-1").partition(":")
        headers[name.strip().lower()] = value.strip()
    length = int(headers.get("content-length", 0))
    return Request(line.split()[1].decode(), headers, file.read(length))  # type: ignore[attr-defined]
