"""A witness of transparency logs as C2SP tlog-witness words it: HTTP on loopback, a store of its own, strict in all.

Written from the specification alone and sharing no code with the house: it reads the request, checks the signature and
the consistency proof by itself, and remembers each log's newest checkpoint in a file before it answers.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

LINE = re.compile(r"[A-Za-z0-9+/]{43}=")


class Answer(Exception):
    """How a request ends."""

    def __init__(self, status: int, body: bytes = b"", kind: str = "text/plain", location: str = "") -> None:
        self.status, self.body, self.kind, self.location = status, body, kind, location


class Witness:
    """`logs`: origin -> public key of each log it was told of. `store`: its memory, origin -> [size, root]."""

    def __init__(self, store: Path, name: str = "witness.example/w1", now: int = 1_795_000_000) -> None:
        self.store, self.name, self.now = store, name, now
        self.key = Ed25519PrivateKey.generate()
        self.logs: dict[str, str] = {}
        self.asked: list[bytes] = []
        self.lock = threading.Lock()
        self.faults: list[Answer] = []  # given instead of an answer, each once
        self.url = ""
        self.strangers, self.strangers_bytes = 1, 72  # lines of keys nobody knows, before its own

    @property
    def vkey(self) -> str:
        typed = b"\x04" + self.key.public_key().public_bytes_raw()
        number = hashlib.sha256(self.name.encode() + b"\n" + typed).hexdigest()[:8]
        return f"{self.name}+{number}+{base64.b64encode(typed).decode()}"

    def enrol(self, vkey: str) -> None:
        self.logs[vkey.split("+")[0]] = vkey

    def remembered(self) -> dict[str, list[object]]:
        return dict(json.loads(self.store.read_text())) if self.store.exists() else {}

    def add_checkpoint(self, body: bytes) -> bytes:
        """The whole of `add-checkpoint`; raises Answer for everything but 200."""
        old, proof, text, signatures = self._request(body)
        origin, size, root = self._checkpoint(text)
        if origin not in self.logs:
            raise Answer(404)
        if not self._signed(origin, text, signatures):
            raise Answer(403)
        if old > size:
            raise Answer(400)
        with self.lock:
            seen = self.remembered()
            known_size, known_root = seen.get(origin, [0, ""])
            conflict = Answer(409, f"{known_size}\n".encode(), "text/x.tlog.size")
            if old != known_size:
                raise conflict
            if old == size and root.hex() != known_root:
                raise conflict
            if old == 0 and proof:
                raise Answer(422)
            if old > 0 and not grew(old, size, bytes.fromhex(str(known_root)), root, proof):
                raise Answer(422)
            seen[origin] = [size, root.hex()]
            part = self.store.with_suffix(".part")
            part.write_text(json.dumps(seen))
            part.replace(self.store)
        return self._cosign(text)

    def _request(self, body: bytes) -> tuple[int, list[bytes], str, list[str]]:
        try:
            head, checkpoint = body.decode().split("\n\n", 1)
            first, *lines = head.split("\n")
            found = re.fullmatch(r"old (0|[1-9][0-9]*)", first)
            text, signed = checkpoint.split("\n\n")
            if found is None or len(lines) > 63 or not all(LINE.fullmatch(line) for line in lines):
                raise ValueError
            if not signed.endswith("\n"):
                raise ValueError
            return int(found[1]), [base64.b64decode(line) for line in lines], text + "\n", signed[:-1].split("\n")
        except (ValueError, UnicodeDecodeError) as bad:
            raise Answer(400) from bad

    def _checkpoint(self, text: str) -> tuple[str, int, bytes]:
        found = re.fullmatch(r"([^\n]+)\n([1-9][0-9]*)\n([A-Za-z0-9+/]{43}=)\n", text)
        if found is None:
            raise Answer(400)
        return found[1], int(found[2]), base64.b64decode(found[3])

    def _signed(self, origin: str, text: str, lines: list[str]) -> bool:
        name, number, typed = self.logs[origin].split("+", 2)
        public = Ed25519PublicKey.from_public_bytes(base64.b64decode(typed)[1:])
        for line in lines:
            _, by, signed = line.split(" ")
            raw = base64.b64decode(signed)
            if (by, raw[:4].hex()) == (name, number):
                try:
                    public.verify(raw[4:], text.encode())
                except InvalidSignature:
                    continue
                return True
        return False

    def _cosign(self, text: str) -> bytes:
        self.now += 60
        signed = self.key.sign(f"cosignature/v1\ntime {self.now}\n{text}".encode())
        raw = bytes.fromhex(self.vkey.split("+")[1]) + self.now.to_bytes(8, "big") + signed
        # a client must ignore lines of unknown keys
        stranger = base64.b64encode(b"\1\2\3\4" + b"\0" * self.strangers_bytes).decode()
        own = f"\u2014 {self.name} {base64.b64encode(raw).decode()}\n"
        return (f"\u2014 other.example/w9 {stranger}\n" * self.strangers + own).encode()


def grew(old: int, new: int, old_root: bytes, new_root: bytes, proof: list[bytes]) -> bool:
    """RFC 6962 2.1.2 read backwards: both roots are made anew from the proof, walking down from the top."""
    if old == new:
        return not proof and old_root == new_root
    rest = list(proof)

    def walk(m: int, n: int, whole: bool) -> tuple[bytes, bytes]:
        """(root of the first m, root of all n) of this subtree, taking hashes from the end of the proof."""
        if m == n:
            found = old_root if whole else rest.pop()
            return found, found
        k = 1 << (n - 1).bit_length() - 1
        if m <= k:
            right = rest.pop()
            before, after = walk(m, k, whole)
            return before, pair(after, right)
        left = rest.pop()
        before, after = walk(m - k, n - k, False)
        return pair(left, before), pair(left, after)

    try:
        return walk(old, new, True) == (old_root, new_root) and not rest
    except IndexError:
        return False


def pair(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\1" + left + right).digest()


@contextmanager
def running(witness: Witness) -> Iterator[Witness]:
    """The witness at a free port of 127.0.0.1."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            witness.asked.append(body)
            try:
                if self.path != "/log/add-checkpoint":
                    raise Answer(404)
                if witness.faults:
                    raise witness.faults.pop(0)
                said = Answer(200, witness.add_checkpoint(body))
            except Answer as other:
                said = other
            self.send_response(said.status)
            self.send_header("Content-Type", said.kind)
            if said.location:
                self.send_header("Location", said.location)
            self.send_header("Content-Length", str(len(said.body)))
            self.end_headers()
            self.wfile.write(said.body)

        def log_message(self, *_: object) -> None:
            """Nothing on the tests' terminal."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    witness.url = f"http://127.0.0.1:{server.server_port}/log/"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield witness
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
