"""Signing in over RTSP: Basic and Digest (RFC 2617, RFC 7616) as RTSP 1.0 takes them over from HTTP.

ffmpeg knows MD5 only, and takes the last Digest challenge for the one to answer (libavformat/httpauth.c): a camera that
offers SHA-256 alone, or after MD5, refuses it whatever the password. `ffmpeg_can` tells, `signature` answers all.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass

# Best first; "-sess" variants besides. SHA-512-256 is RFC 7616's third, where OpenSSL has it.
HASHES: dict[str, str] = {"sha-512-256": "sha512_256", "sha-256": "sha256", "md5": "md5"}


@dataclass(frozen=True, slots=True)
class Challenge:
    """One WWW-Authenticate header. `scheme` basic or digest; `algorithm` in small letters, md5 when not said."""

    scheme: str
    realm: str
    nonce: str = ""
    opaque: str = ""
    algorithm: str = "md5"
    qop: tuple[str, ...] = ()
    stale: bool = False


def challenges(headers: Iterable[str]) -> list[Challenge]:
    """What a camera's WWW-Authenticate headers ask for, in order; what is neither Basic nor Digest is left out."""
    found = []
    for header in headers:
        scheme, _, rest = header.strip().partition(" ")
        given = {name.lower(): (quoted or bare).strip() for name, quoted, bare in
                 re.findall(r'(\w+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^,]*))', rest)}  # fmt: skip
        if scheme.lower() in ("basic", "digest"):
            qop = tuple(part.strip() for part in given.get("qop", "").split(",") if part.strip())
            algorithm = given.get("algorithm", "").lower() or "md5"
            stale = given.get("stale", "").lower() == "true"
            realm, nonce, opaque = (given.get(name, "") for name in ("realm", "nonce", "opaque"))
            found.append(Challenge(scheme.lower(), realm, nonce, opaque, algorithm, qop, stale))
    return found


def ffmpeg_can(asked: list[Challenge]) -> bool:
    """Whether ffmpeg's own answer to these would be one."""
    digests = [each for each in asked if each.scheme == "digest"]
    if not digests:
        return True
    last = digests[-1]
    return last.algorithm in ("md5", "md5-sess") and (not last.qop or "auth" in last.qop)


def chosen(asked: list[Challenge]) -> Challenge | None:
    """The one to answer: the strongest that is understood; Basic only when nothing else is offered."""

    def strength(each: Challenge) -> int:
        names = list(HASHES)
        name = each.algorithm.removesuffix("-sess")
        return names.index(name) if each.scheme == "digest" and name in names else len(names)

    known = [c for c in asked if c.scheme == "basic" or _hash(c.algorithm) is not None]
    return min(known, key=strength, default=None)


def signature(
    asked: Challenge, user: str, password: str, method: str, url: str, count: int = 1, body: bytes = b""
) -> str:
    """The Authorization header's value for one request; `count`: the how manieth with this nonce. The `body` counts
    where nothing but auth-int is offered."""
    if asked.scheme == "basic":
        return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
    make = _hash(asked.algorithm)
    assert make is not None  # noqa: S101 - `chosen` takes none that is not known
    cnonce, number = secrets.token_hex(8), f"{count:08x}"
    one = make(f"{user}:{asked.realm}:{password}")
    if asked.algorithm.endswith("-sess"):
        one = make(f"{one}:{asked.nonce}:{cnonce}")
    qop = "auth-int" if "auth-int" in asked.qop and "auth" not in asked.qop else "auth"
    two = make(f"{method}:{url}:{make(body)}" if qop == "auth-int" else f"{method}:{url}")
    middle = f"{number}:{cnonce}:{qop}:" if asked.qop else ""
    words = [f'username="{user}"', f'realm="{asked.realm}"', f'nonce="{asked.nonce}"', f'uri="{url}"',
             f'response="{make(f"{one}:{asked.nonce}:{middle}{two}")}"']  # fmt: skip
    if asked.algorithm != "md5":
        words.append(f"algorithm={asked.algorithm.upper().replace('-SESS', '-sess')}")
    if asked.opaque:
        words.append(f'opaque="{asked.opaque}"')
    if asked.qop:
        words += [f"qop={qop}", f"nc={number}", f'cnonce="{cnonce}"']
    return "Digest " + ", ".join(words)


def _hash(algorithm: str) -> Callable[[str | bytes], str] | None:
    name = HASHES.get(algorithm.removesuffix("-sess"))
    if name is None or name not in hashlib.algorithms_available:
        return None

    def made(said: str | bytes) -> str:
        data = said.encode() if isinstance(said, str) else said
        return hashlib.new(name, data, usedforsecurity=False).hexdigest()

    return made
