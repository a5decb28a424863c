"""The HTTP line to one camera: sign-in, time limits, and never a second try of a refused password.

Which sign-in a camera wants is learnt from how it refuses a request without one: an HTTP Digest challenge, else
WS-UsernameToken. So a password is shown to it once, in one form; cameras lock out after a few wrong ones.
"""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import requests
import urllib3

from drivers.onvif_digest import Digest, basic, chosen
from drivers.onvif_reply import CameraError, parse
from drivers.onvif_text import complete, is_envelope, utf8
from drivers.onvif_way import REDIRECTS, Moved, OldTls

MAX_REPLY_BYTES = 8 << 20
MOST_STEPS = 3  # from one address of a camera to the next
BUSY, BUSY_S = 503, 1.0
# Each address has a Digest state of its own; those of events come and go with every subscription.
MOST_DIGESTS = 32
SIGN_IN_WORDS = ("user", "username", "usr", "login", "loginuse", "pass", "password", "passwd", "pwd", "loginpas")
SOAP = "application/soap+xml; charset=utf-8"


class Line:
    """One camera's HTTP session. Not for two threads at once: drivers/onvif.py holds its lock around it."""

    def __init__(
        self, user: str, password: str, timeout_s: float, note: Callable[[str], None] = lambda _sentence: None
    ) -> None:
        self.user = user
        self.auth = ""  # "": not asked for yet; then digest, wsse or basic
        self.middle_s = 0.0  # monotonic: half way between the newest request and its answer
        self._password = password
        self._timeout_s = timeout_s
        self._note = note
        self._accepted = False
        self._refused: CameraError | None = None
        self._unasked = False
        self._digests: dict[str, Digest] = {}
        self._session = requests.Session()
        self._moved = Moved()
        self._session.trust_env = False  # no proxy and no .netrc stands between us and a camera

    def close(self) -> None:
        self._session.close()

    def ask(
        self, url: str, action: str, write: Callable[[bool], bytes], wanted: str = "", *,
        timeout_s: float | None = None, again: bool = True,
    ) -> Any:  # fmt: skip
        """Post a SOAP request; returns the first element of the answer's body, the `wanted` one if there are several.

        `write(signed)` writes the envelope, with a fresh WS-UsernameToken when signed. `timeout_s` for one that takes
        longer; not `again`: a closed connection is told, not asked once more.
        """
        limit_s = timeout_s or self._timeout_s
        headers = {"Content-Type": f'{SOAP}; action="{action}"' if action else SOAP}
        if not self.auth:
            status, got, body = self._fetch("POST", url, headers, write(False), limit_s, again)
            challenge = got.get("WWW-Authenticate", "")
            if status != 401 and not _refuses(body, status):
                return parse(body, status, wanted, self._note)
            self._may_sign_in()
            self._choose(url, challenge, body)
        self._may_sign_in()
        status, challenge, body = self._signed(url, headers, write, limit_s, again)
        asked_otherwise = status == 401 and _wants(challenge, body) != self.auth
        if asked_otherwise and (self._accepted or self._unasked):  # row 1: set otherwise meanwhile
            self._choose(url, challenge, body)
            self._note("The camera changed how it wants to be signed in to.")
            status, challenge, body = self._signed(url, headers, write, limit_s, again)
        if status == 401 or _refuses(body, status):
            raise self._refuse()
        self._accepted = self._accepted or not self._unasked
        answer = parse(body, status, wanted, self._note)
        self._accepted = True
        return answer

    def _signed(
        self, url: str, headers: dict[str, str], write: Callable[[bool], bytes], limit_s: float, again: bool
    ) -> tuple[int, str, bytes]:
        if self.auth == "digest":
            status, got, body = self._by_digest("POST", url, headers, write(False), limit_s, again)
        else:
            in_the_clear = basic(self.user, self._password) if self.auth == "basic" else {}
            data = write(self.auth == "wsse")
            status, got, body = self._fetch("POST", url, {**headers, **in_the_clear}, data, limit_s, again)
        return status, got.get("WWW-Authenticate", ""), body

    def _by_digest(
        self, method: str, url: str, headers: Mapping[str, str], data: bytes, limit_s: float, again: bool = True
    ) -> tuple[int, Any, bytes]:
        """Signed by the newest challenge of this address; when that is too old, once more by the one it then sends."""
        known = self._digest_for(url)
        for last in (False, True):
            signed = known.headers(method, self._moved.at(url), data)
            status, got, body = self._fetch(method, url, {**headers, **signed}, data, limit_s, again)
            if status != 401 or last or known.answered or not known.take(got.get("WWW-Authenticate", "")):
                break
        return status, got, body

    @property
    def may_sign_unasked(self) -> bool:
        """Whether `unasked` is worth a try: there is something to sign with, and the camera never asked."""
        return not self.auth and bool(self.user) and not self._unasked

    @contextmanager
    def unasked(self) -> Iterator[None]:
        """Sign with WS-UsernameToken although nobody asked: some refuse in words only they know. Tried once."""
        self.auth, self._unasked = "wsse", True
        try:
            yield
        finally:
            if self._accepted:
                self._note("The camera refuses what is not signed in words of its own; it was signed in to.")
            else:
                self.auth = ""

    def forgive(self) -> None:
        """Let a refused password be shown once more: there is a reason to think that something else was wrong."""
        self._refused = None

    def get(self, url: str) -> bytes:
        """Fetch a picture; signs in by Digest or Basic when it is asked for.

        Some cameras name an address with a user and a password in it and then refuse it (onvif.md, row 25).
        """
        plain = _without_sign_in(url)
        status, body = self._picture(url)
        if status != 200 and plain != url:
            status, body = self._picture(plain)
            if status == 200:
                self._note("The camera refuses its own snapshot address; without the sign-in in it, it works.")
        if status == 401:
            raise self._refuse()
        if status != 200:
            raise CameraError("fault", f"The camera gives no picture (HTTP {status}).")
        return body

    def _picture(self, url: str) -> tuple[int, bytes]:
        status, got, body = self._fetch("GET", url, {}, b"", self._timeout_s)
        if status == 401:
            self._may_sign_in()
            if self._digest_for(url).take(got.get("WWW-Authenticate", "")):
                status, _, body = self._by_digest("GET", url, {}, b"", self._timeout_s)
            else:
                in_the_clear = basic(self.user, self._password)
                status, _, body = self._fetch("GET", url, in_the_clear, b"", self._timeout_s)
            self._accepted = self._accepted or status != 401
        return status, body

    def _digest_for(self, url: str) -> Digest:
        if url not in self._digests and len(self._digests) >= MOST_DIGESTS:
            self._digests.pop(next(iter(self._digests)))
        return self._digests.setdefault(url, Digest(self.user, self._password))

    def _choose(self, url: str, challenge: str, body: bytes) -> None:
        self.auth = _wants(challenge, body)
        if self.auth == "digest":
            self._digest_for(url).take(challenge)
        if self.auth == "basic":
            self._note("The camera wants its password in the clear (HTTP Basic); it was given so.")

    def _may_sign_in(self) -> None:
        """Raise when there is nothing to sign in with, or when it was refused before."""
        if self._refused is not None:
            raise self._refused
        if not self.user:
            raise CameraError("refused", "The camera asks for a name and a password.", permanent=True)

    def _refuse(self) -> CameraError:
        """The refusal to raise: of the password when it was never accepted, else of this one request."""
        if self._accepted:
            return CameraError("fault", "The camera does not let this user ask for that.", subcode="NotAuthorized")
        text = "The camera refuses this name or password. It was tried once and is not tried again."
        self._refused = CameraError("refused", text, permanent=True, subcode="NotAuthorized")
        return self._refused

    def _fetch(
        self, method: str, url: str, headers: Mapping[str, str | bytes], data: bytes, timeout_s: float,
        again: bool = True,
    ) -> tuple[int, Any, bytes]:  # fmt: skip
        """One request within the limits, asked once more when a kept connection turns out to be closed."""
        tried: set[str] = set()
        for _ in range(MOST_STEPS):
            url = self._moved.at(url)
            try:
                found = self._exchange(method, url, headers, data, timeout_s)
            except CameraError as error:
                if not error.hung_up or not again:
                    raise
                found = self._exchange(method, url, headers, data, timeout_s)
            if found[0] == BUSY and again and "busy" not in tried:
                tried.add("busy")
                self._note("The camera was too busy to answer (HTTP 503); it was asked once more.")
                time.sleep(BUSY_S)
                continue
            if found[0] not in REDIRECTS:
                break
            if not self._moved.follows(url, found[1].get("Location", "")):
                self._note("The camera sends us on to another host, in a circle, or nowhere; it was not followed.")
                break
            self._note("The camera sends us on to another of its addresses; it was followed.")
        return found

    def _exchange(
        self, method: str, url: str, headers: Mapping[str, str | bytes], data: bytes, timeout_s: float
    ) -> tuple[int, Any, bytes]:  # fmt: skip
        where = urlsplit(url).hostname or url
        nobody = f"Nothing answers at {where}. Check its power, cable and address."
        before_s = time.monotonic()
        try:
            reply = self._session.request(
                method,
                url,
                data=data or None,
                headers=headers,
                timeout=timeout_s,
                allow_redirects=False,
                stream=True,
            )
            with reply:
                body = self._read(reply, timeout_s)
            self.middle_s = (before_s + time.monotonic()) / 2
            if method == "POST":
                body = utf8(body, reply.headers.get("Content-Type", ""))
            return reply.status_code, reply.headers, body
        except requests.ConnectTimeout as error:
            raise CameraError("unreachable", nobody) from error
        except (requests.Timeout, urllib3.exceptions.TimeoutError) as error:
            said = f"The camera at {where} gave no answer within {timeout_s:g} s."
            raise CameraError("silent", said) from error
        except requests.exceptions.SSLError as error:
            if not self._session.verify:
                raise CameraError("broken", f"The camera at {where} speaks no TLS that we know.") from error
            self._trust_anybody()
            return self._exchange(method, url, headers, data, timeout_s)
        except requests.ConnectionError as error:
            if _no_http(error):
                raise CameraError("foreign", f"What answers at {where} does not speak HTTP.") from error
            hung_up = bool(error.args) and isinstance(error.args[0], urllib3.exceptions.ProtocolError)
            raise CameraError("unreachable", nobody, hung_up=hung_up) from error
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            kind = type(error).__name__  # the text of some holds the URL, and a URL may hold a password
            raise CameraError("broken", f"The camera at {where} answers nonsense ({kind}).") from error

    def _trust_anybody(self) -> None:
        """Cameras sign their certificates themselves, with what was secure ten years ago (decisions/005-onvif.md)."""
        self._session.mount("https://", OldTls())
        self._session.verify = False
        self._note("The camera's certificate is its own, nobody vouches for it; it was spoken to all the same.")

    def _read(self, reply: requests.Response, timeout_s: float) -> bytes:
        """The body, within the time limit as a whole: a camera that drips bytes must not hold a thread."""
        until_s = time.monotonic() + timeout_s
        held = b""
        while piece := self._piece(reply, held):
            held += piece
            if len(held) > MAX_REPLY_BYTES:
                raise ValueError("the answer is too long")
            if time.monotonic() > until_s:
                raise requests.Timeout
        return held

    def _piece(self, reply: requests.Response, held: bytes) -> bytes:
        try:
            piece: bytes = reply.raw.read1(65536, decode_content=True)
        except (urllib3.exceptions.ProtocolError, urllib3.exceptions.ReadTimeoutError):
            if not complete(held):
                raise
            self._note("The camera promised more than it sent; the answer was whole.")
            return b""
        return piece


def _no_http(error: BaseException | None) -> bool:
    """Whether something answered, and it was no HTTP. A closed connection is told by the same library in that class."""
    while error is not None:
        if isinstance(error, http.client.HTTPException):
            return not isinstance(error, http.client.RemoteDisconnected | http.client.IncompleteRead)
        inside = next((each for each in error.args if isinstance(each, BaseException)), None)
        error = error.__context__ or inside
    return False


def _wants(challenge: str, body: bytes) -> str:
    """The sign-in a refusal asks for. Basic only when a web server refuses: ONVIF's own way is never in the clear."""
    if chosen(challenge) is not None:
        return "digest"
    return "basic" if "basic" in challenge.lower() and not is_envelope(body) else "wsse"


def _refuses(body: bytes, status: int) -> bool:
    """Whether an answer is a fault that means "not with this sign-in"."""
    if status == 200 and b"Fault" not in body:
        return False
    try:
        parse(body, status)
    except CameraError as error:
        return error.reason == "refused"
    return False


def _without_sign_in(url: str) -> str:
    """The address without a user and a password among its questions."""
    said = urlsplit(url)
    questions = parse_qsl(said.query, keep_blank_values=True)
    kept = [(name, value) for name, value in questions if name.lower() not in SIGN_IN_WORDS]
    return url if kept == questions else said._replace(query=urlencode(kept)).geturl()
