"""A camera's web server that carries RTSP: one GET for what comes, one POST for what is asked, in Base64 (the tunnel of
QuickTime, which ONVIF Streaming, 5.1.1.4, makes the third way to a stream). Behind it is any RTSP camera.

with RtspCamera() as camera, RtspTunnel(camera.port) as tunnel:
    f"rtsp://127.0.0.1:{tunnel.port}/live"
"""

from __future__ import annotations

import base64
import socket
import ssl
import threading
from types import TracebackType

KIND = "application/x-rtsp-tunnelled"


class RtspTunnel:
    """Listens as long as the `with` lasts; over TLS when a context is given. `carried` counts what came by POST."""

    def __init__(self, behind: int, tls: ssl.SSLContext | None = None) -> None:
        self._behind, self._tls = behind, tls
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self.carried = 0
        self._open: dict[str, socket.socket] = {}  # session cookie to the camera behind

    def __enter__(self) -> RtspTunnel:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()

    def _accept(self) -> None:
        while True:
            try:
                wire, _ = self._server.accept()
                wire = self._tls.wrap_socket(wire, server_side=True) if self._tls else wire
            except OSError:
                if self._server.fileno() < 0 or not self._tls:
                    return
                continue  # no TLS of ours
            threading.Thread(target=self._serve, args=(wire,), daemon=True).start()

    def _serve(self, wire: socket.socket) -> None:
        with wire:
            head = b""
            while b"\r\n\r\n" not in head and (more := wire.recv(1)):
                head += more
            method, *_ = head.decode("latin-1").split(" ", 1)
            lines = (line.partition(":") for line in head.decode("latin-1").split("\r\n"))
            cookie = {name.lower(): value.strip() for name, _, value in lines}.get("x-sessioncookie", "")
            try:
                if method == "GET":
                    self._down(wire, cookie)
                else:
                    self._up(wire, cookie)
            except OSError:
                return  # either side is gone

    def _down(self, wire: socket.socket, cookie: str) -> None:
        with socket.create_connection(("127.0.0.1", self._behind)) as camera:
            self._open[cookie] = camera
            wire.sendall(f"HTTP/1.0 200 OK\r\nContent-Type: {KIND}\r\n\r\n".encode())
            while data := camera.recv(65536):
                wire.sendall(data)

    def _up(self, wire: socket.socket, cookie: str) -> None:
        """Requests come as Base64, each padded for itself."""
        held = b""
        while data := wire.recv(65536):
            held += data.replace(b"\r", b"").replace(b"\n", b"")
            whole = len(held) - len(held) % 4
            ready, held = held[:whole], held[whole:]
            for piece in ready.replace(b"=", b"= ").split():
                self._open[cookie].sendall(base64.b64decode(piece + b"=" * (-len(piece) % 4)))
            self.carried += len(ready)
