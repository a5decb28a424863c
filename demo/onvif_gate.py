"""Sign-in of a virtual camera's ONVIF face: WS-UsernameToken digest and HTTP Digest.

Cameras take either (ONVIF Core, 5.9.3); both are checked against the camera's own clock and password.
"""

from __future__ import annotations

import base64
import calendar
import hashlib
import hmac
import secrets
import threading
import time
from collections.abc import Callable
from typing import Any
from urllib.request import parse_http_list, parse_keqv_list

WSSE = "{http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd}"
WSU = "{http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd}"
TOKEN_AGE_S = 60.0  # a token's Created may be off by this much from the camera's clock
REALM = "virtual camera"


class Gate:
    """Decides who is let in; counts what was refused, for tests that a wrong password is tried once."""

    def __init__(self, user: str, password: str, now_s: Callable[[], float]) -> None:
        self.user, self.password = user, password
        self.others: dict[str, str] = {}  # users made later, with their passwords
        self.refused = 0
        self.takes_token = True
        self.takes_digest = True
        self.algorithm = "MD5"  # or SHA-256 (RFC 7616), as newer firmware has it
        self.token_age_s = TOKEN_AGE_S
        self.nonce_a_path = False  # a nonce is good for one address only (onvif.md, row 2)
        self.locks_after = 0  # refusals after which nobody is let in any more; 0: never
        self._now_s = now_s
        self._nonce = secrets.token_hex(16)
        self._seen: set[str] = set()
        self._lock = threading.Lock()

    def lets_in(self, envelope: Any, authorization: str | None, method: str, path: str) -> bool:
        """Whether a SOAP request carries a sign-in that fits, of either kind."""
        if self.locks_after and self.refused >= self.locks_after:
            return False
        if self.takes_digest and authorization and self.http_digest_fits(authorization, method, path):
            return True
        token = envelope.find(f".//{WSSE}UsernameToken")
        return self.takes_token and token is not None and self._token_fits(token)

    def challenge(self, path: str = "") -> str:
        """The WWW-Authenticate header (RFC 7616)."""
        if not self.takes_digest:
            return f'Basic realm="{REALM}"'
        return f'Digest realm="{REALM}", qop="auth", algorithm={self.algorithm}, nonce="{self._nonce_for(path)}"'

    def _nonce_for(self, path: str) -> str:
        return hashlib.sha256(f"{self._nonce}{path}".encode()).hexdigest()[:32] if self.nonce_a_path else self._nonce

    def http_digest_fits(self, authorization: str | None, method: str, path: str) -> bool:
        """RFC 7616 with qop=auth."""
        if not authorization or not authorization.lower().startswith("digest "):
            return False
        said = parse_keqv_list(parse_http_list(authorization[7:]))
        name = said.get("username", "")
        password = self._password_of(name)
        ha1 = self._hash(f"{name}:{REALM}:{password}")
        ha2 = self._hash(f"{method}:{path}")
        middle = ":".join(said.get(key, "") for key in ("nonce", "nc", "cnonce", "qop"))
        fits = hmac.compare_digest(said.get("response", ""), self._hash(f"{ha1}:{middle}:{ha2}"))
        return self._count(fits and password is not None and said.get("nonce") == self._nonce_for(path))

    def _token_fits(self, token: Any) -> bool:
        name, password = token.findtext(f"{WSSE}Username"), token.findtext(f"{WSSE}Password") or ""
        nonce, created = token.findtext(f"{WSSE}Nonce") or "", token.findtext(f"{WSU}Created") or ""
        secret = self._password_of(name or "")
        digest = hashlib.sha1(base64.b64decode(nonce) + created.encode() + (secret or "").encode())  # noqa: S324
        fits = hmac.compare_digest(password, base64.b64encode(digest.digest()).decode())
        try:
            created_s = calendar.timegm(time.strptime(created[:19] + created[-1:], "%Y-%m-%dT%H:%M:%SZ"))
        except ValueError:  # also "+00:00" instead of Z: refused, as by Hikvision (onvif.md, row 3)
            return self._count(False)
        fresh = abs(created_s - self._now_s()) <= self.token_age_s
        with self._lock:
            fresh = fresh and nonce not in self._seen
            self._seen.add(nonce)
        return self._count(fits and fresh and secret is not None)

    def _password_of(self, name: str) -> str | None:
        return self.password if name == self.user else self.others.get(name)

    def _count(self, fits: bool) -> bool:
        if not fits:
            with self._lock:
                self.refused += 1
        return fits

    def _hash(self, text: str) -> str:
        return hashlib.new(self.algorithm.replace("-", ""), text.encode()).hexdigest()
