"""HTTP Digest (RFC 7616) towards a camera, one state an address: some tie their nonce to it (onvif.md, row 2).

By the arithmetic RTSP has (rtsp_auth): more hashes than `requests` knows, qop=auth-int, and of several challenges the
strongest, each with its own nonce. Nothing here waits or reads: who sends is drivers/onvif_line.py.
"""

from __future__ import annotations

import re
from itertools import pairwise
from urllib.parse import urlsplit

from drivers import rtsp_auth
from drivers.rtsp_auth import Challenge

QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
# A word that begins a challenge: parameters follow it, or nothing does.
BEGINS = re.compile(r"(?:^|,)\s*([A-Za-z]+)(?=\s+[\w-]+\s*=|\s*(?:,|$))")


def chosen(header: str) -> Challenge | None:
    """The Digest challenge to answer; None when there is none that is understood."""
    one = rtsp_auth.chosen([each for each in rtsp_auth.challenges(_apart(header)) if each.scheme == "digest"])
    return one if one is not None and one.nonce else None


class Digest:
    """What is known of one address: its newest challenge, and how often that was answered."""

    def __init__(self, user: str, password: str) -> None:
        self._user, self._password = user, password
        self._challenge: Challenge | None = None
        self._count = 0

    @property
    def answered(self) -> bool:
        """Whether the newest challenge was answered once and no more: then a refusal is one of the password."""
        return self._count == 1

    def take(self, header: str) -> bool:
        """Remember a challenge; False when there is none to answer."""
        self._challenge, self._count = chosen(header), 0
        return self._challenge is not None

    def headers(self, method: str, url: str, body: bytes) -> dict[str, bytes]:
        """The header that signs this request; none before the address has asked."""
        if self._challenge is None:
            return {}
        self._count += 1
        said = urlsplit(url)
        path = (said.path or "/") + (f"?{said.query}" if said.query else "")
        signed = rtsp_auth.signature(self._challenge, self._user, self._password, method, path, self._count, body)
        return {"Authorization": signed.encode()}  # bytes: a name may be Cyrillic, and http.client knows Latin-1


def basic(user: str, password: str) -> dict[str, bytes]:
    return {"Authorization": rtsp_auth.signature(Challenge("basic", ""), user, password, "", "").encode()}


def _apart(header: str) -> list[str]:
    """The challenges of several WWW-Authenticate headers that were joined by commas."""
    masked = QUOTED.sub(lambda found: '"' + "x" * (len(found[0]) - 2) + '"', header)
    starts = [found.start(1) for found in BEGINS.finditer(masked)]
    return [header[begin:end].strip(" ,") for begin, end in pairwise([*starts, len(header)])]
