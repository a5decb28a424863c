"""How an RTSP camera of the tests lets somebody in: Basic and Digest, judged by code of its own."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets


class Gate:
    """One connection's: what it asks for, in the order of its headers, and whether an answer is right."""

    def __init__(self, auth: tuple[str, ...], user: str, password: str) -> None:
        self._auth, self._user, self._password = auth, user, password
        self._nonce = secrets.token_hex(8)

    def challenges(self) -> list[str]:
        words = {
            "basic": 'Basic realm="cam"',
            "md5": f'Digest realm="cam", nonce="{self._nonce}", algorithm=MD5',
            "md5-bare": f'Digest realm="cam", nonce="{self._nonce}"',
            "md5-qop": f'Digest realm="cam", nonce="{self._nonce}", qop="auth", algorithm=MD5',
            "sha-256": f'Digest realm="cam", nonce="{self._nonce}", qop="auth", algorithm=SHA-256',
            "sha-256-bare": f'Digest realm="cam",nonce="{self._nonce}",algorithm=SHA-256',
        }
        return [words[each] for each in self._auth]

    def lets_in(self, method: str, url: str, said: str) -> bool:
        if said.startswith("Basic "):
            return "basic" in self._auth and base64.b64decode(said[6:]).decode() == f"{self._user}:{self._password}"
        given = dict(re.findall(r'(\w+)="?([^",]*)"?', said))
        name = given.get("algorithm", "MD5").lower()
        if not any(each.startswith(name) for each in self._auth) or given.get("nonce") != self._nonce:
            return False
        make = hashlib.sha256 if name == "sha-256" else hashlib.md5
        one = make(f"{self._user}:cam:{self._password}".encode()).hexdigest()
        two = make(f"{method}:{given.get('uri')}".encode()).hexdigest()
        middle = f"{given['nc']}:{given['cnonce']}:auth:" if "qop" in given else ""
        return (
            given.get("uri") == url
            and given.get("response") == make(f"{one}:{self._nonce}:{middle}{two}".encode()).hexdigest()
        )
