"""A camera that refuses every password, and counts how often it was asked."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator

import pytest


class RefusingCamera(http.server.ThreadingHTTPServer):
    """`url` is its ONVIF address, `tries` how many requests it refused."""

    tries = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/onvif/device_service"


class _Refuse(http.server.BaseHTTPRequestHandler):
    server: RefusingCamera

    def do_POST(self) -> None:
        self.server.tries += 1
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(401)
        self.send_header("WWW-Authenticate", f'Digest realm="camera", nonce="{self.server.tries}", qop="auth"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_POST

    def log_message(self, *_: object) -> None:
        """Say nothing: the tests' output is read."""


@pytest.fixture
def refusing_camera() -> Iterator[RefusingCamera]:
    server = RefusingCamera(("127.0.0.1", 0), _Refuse)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()
