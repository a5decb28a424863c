"""Signed notes: a text with lines that say who signed it (C2SP signed-note, Ed25519). docs/journal-checkpoints.md

Pure bytes and keys, no files and no database. The private key's text is the one golang.org/x/mod/sumdb/note reads.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

ED25519 = 0x01  # the signature type of C2SP signed-note
KEY_BYTES, SIGNATURE_BYTES, ID_BYTES = 32, 64, 4
SIGNATURES_MOST = 100  # as golang.org/x/mod/sumdb/note
DASH = "\u2014 "  # em dash and space begin a signature line
PRIVATE = "PRIVATE+KEY+"


class NoteError(ValueError):
    """Not a signed note, not a key, or not signed by whom it should be."""


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line: by whom, with which key (its first four bytes), and the signature itself."""

    name: str
    key_id: bytes
    signed: bytes

    def line(self) -> str:
        return f"{DASH}{self.name} {_base64(self.key_id + self.signed)}\n"


@dataclass(frozen=True, slots=True)
class Note:
    """`text` is what is signed, with its last newline."""

    text: str
    signatures: tuple[Signature, ...]

    def __str__(self) -> str:
        return self.text + "\n" + "".join(signature.line() for signature in self.signatures)


@dataclass(frozen=True, slots=True)
class Verifier:
    """A public key with its name; `vkey` is its text."""

    name: str
    public: bytes

    @property
    def key_id(self) -> bytes:
        return hashlib.sha256(self.name.encode() + b"\n" + bytes([ED25519]) + self.public).digest()[:ID_BYTES]

    @property
    def vkey(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{_base64(bytes([ED25519]) + self.public)}"

    def holds(self, text: str, signature: Signature) -> bool:
        if (signature.name, signature.key_id) != (self.name, self.key_id):
            return False
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature.signed, text.encode())
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, slots=True)
class Signer:
    """A private key with its name. Never printed: `skey` is for the key's file alone."""

    name: str
    key: Ed25519PrivateKey

    @classmethod
    def generate(cls, name: str) -> Signer:
        return cls(_named(name), Ed25519PrivateKey.generate())

    @property
    def verifier(self) -> Verifier:
        return Verifier(self.name, self.key.public_key().public_bytes_raw())

    @property
    def skey(self) -> str:
        secret = _base64(bytes([ED25519]) + self.key.private_bytes_raw())
        return f"{PRIVATE}{self.name}+{self.verifier.key_id.hex()}+{secret}"

    def signature(self, text: str) -> Signature:
        return Signature(self.name, self.verifier.key_id, self.key.sign(text.encode()))


def sign(text: str, *signers: Signer) -> str:
    """The note of this text, which must end with a newline."""
    _text(text)
    return str(Note(text, tuple(signer.signature(text) for signer in signers)))


def parse(note: str) -> Note:
    """Take a note apart; checks no signature. Raises NoteError."""
    text, blank, lines = note.rpartition("\n\n")
    if not blank or not lines.endswith("\n"):
        raise NoteError("not a signed note: no signature lines after an empty line")
    _text(note)
    if lines.count("\n") > SIGNATURES_MOST:
        raise NoteError("a note with too many signatures")
    return Note(text + "\n", tuple(_signature(line) for line in lines[:-1].split("\n")))


def verify(note: str, verifiers: Iterable[Verifier]) -> Note:
    """Take a note apart and check it: at least one line by these keys, and none by them that is false."""
    found = parse(note)
    known = {(verifier.name, verifier.key_id): verifier for verifier in verifiers}
    by_known = [(s, known[s.name, s.key_id]) for s in found.signatures if (s.name, s.key_id) in known]
    for signature, verifier in by_known:
        if not verifier.holds(found.text, signature):
            raise NoteError(f"the signature of {signature.name} is false")
    if not by_known:
        raise NoteError("the note is signed by nobody who is known here")
    return found


def verifier(vkey: str) -> Verifier:
    """Read a public key's text: name, key id, algorithm and key. Raises NoteError."""
    name, key_id, public = _key(vkey.strip(), "public key")
    found = Verifier(name, public)
    if found.key_id.hex() != key_id:
        raise NoteError(f"the public key {name} does not have the id it states")
    return found


def signer(skey: str) -> Signer:
    """Read a private key's text. Raises NoteError, which never repeats the key."""
    skey = skey.strip()
    if not skey.startswith(PRIVATE):
        raise NoteError("not a private key of a note")
    name, key_id, secret = _key(skey.removeprefix(PRIVATE), "private key")
    found = Signer(name, Ed25519PrivateKey.from_private_bytes(secret))
    if found.verifier.key_id.hex() != key_id:
        raise NoteError(f"the private key {name} does not have the id it states")
    return found


def _key(text: str, what: str) -> tuple[str, str, bytes]:
    parts = text.split("+", 2)
    if len(parts) != 3:
        raise NoteError(f"not a {what} of a note")
    key = _bytes(parts[2], what)
    if len(key) != 1 + KEY_BYTES or key[0] != ED25519:
        raise NoteError(f"the {what} is not an Ed25519 key")
    return _named(parts[0]), parts[1], key[1:]


def _signature(line: str) -> Signature:
    name, space, blob = line.removeprefix(DASH).partition(" ")
    if not line.startswith(DASH) or not space:
        raise NoteError("not a signature line of a note")
    signed = _bytes(blob, "signature")
    if len(signed) <= ID_BYTES:
        raise NoteError("a signature line holds no signature")
    return Signature(_named(name), signed[:ID_BYTES], signed[ID_BYTES:])


def _named(name: str) -> str:
    if not name or "+" in name or any(each.isspace() for each in name):
        raise NoteError(f"{name!r} cannot name a key: it must not be empty nor hold spaces or a plus")
    return name


def _text(text: str) -> None:
    if not text.endswith("\n"):
        raise NoteError("the text of a note ends with a newline")
    if any(each < " " and each != "\n" for each in text):
        raise NoteError("the text of a note holds no control characters")


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _bytes(text: str, what: str) -> bytes:
    try:
        found = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as bad:
        raise NoteError(f"the {what} is not base64") from bad
    if _base64(found) != text:  # spare bits: the same bytes in another spelling
        raise NoteError(f"the {what} is not base64 as it is written")
    return found
