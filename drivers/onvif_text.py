"""Makes plain UTF-8 of what a camera sends as XML: other encodings, wrong declarations, documents inside MIME parts.

Pure functions over bytes. What is UTF-8 already is left as it is, and so is what nobody can tell.
"""

from __future__ import annotations

import codecs
import re

DECLARED = re.compile(rb"(<\?xml[^>]*?encoding=)[\"']([\w.:-]+)[\"']")
BEGINS = re.compile(rb"<\?xml|<(?:[\w.-]+:)?Envelope\b")
ENDS = re.compile(rb"</(?:[\w.-]+:)?Envelope\s*>")
UTF16 = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16", b"<\x00": "utf-16-le", b"\x00<": "utf-16-be"}


def utf8(body: bytes, content_type: str = "") -> bytes:
    """The document in UTF-8, and declared so."""
    wide = UTF16.get(body[:2])
    if wide is not None:
        return _declared_so(body.decode(wide, "replace").encode())
    body = _out_of_parts(body)
    said = DECLARED.search(body[:300])
    charset = said.group(2).decode() if said else _charset(content_type)
    if not charset or charset.lower() in ("utf-8", "utf8"):
        return body
    try:
        body.decode()
    except UnicodeDecodeError:
        # Only now is the declaration believed: real text of another encoding is next to never valid UTF-8, and
        # cameras that declare utf-16 or iso-8859-1 and send UTF-8 are common.
        try:
            return _declared_so(body.decode(codecs.lookup(charset).name, "replace").encode())
        except (LookupError, UnicodeError):
            return body
    return _declared_so(body)


def complete(body: bytes) -> bool:
    """Whether an envelope ends in these bytes: then it does not matter that the camera promised more of them."""
    return ENDS.search(body[-200:]) is not None


def is_envelope(body: bytes) -> bool:
    """Whether these bytes are SOAP at all, as opposed to the page of a web server."""
    return BEGINS.search(utf8(body)) is not None and ENDS.search(utf8(body)) is not None


def _out_of_parts(body: bytes) -> bytes:
    """Without what stands before and behind the envelope, when something does (MIME parts, a banner)."""
    if body.lstrip(b"\x00 \t\r\n\xef\xbb\xbf").startswith(b"<"):
        return body
    begins, ends = BEGINS.search(body), [found.end() for found in ENDS.finditer(body)]
    return body[begins.start() : ends[-1] if ends else None] if begins else body


def _declared_so(body: bytes) -> bytes:
    return DECLARED.sub(rb'\1"UTF-8"', body, count=1)


def _charset(content_type: str) -> str:
    found = re.search(r"charset=[\"']?([\w.:-]+)", content_type, re.IGNORECASE)
    return found.group(1) if found else ""
