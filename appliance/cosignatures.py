"""What a witness signs beneath a checkpoint (C2SP tlog-cosignature, Ed25519): when it saw it and that it continues.

Pure bytes and keys. The signed text is `cosignature/v1`, `time SECONDS`, and the checkpoint's own text.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from appliance.notes import ID_BYTES, KEY_BYTES, SIGNATURE_BYTES, NoteError, Signature

COSIGNATURE = 0x04  # the signature type of an Ed25519 cosignature in C2SP's key ids
TIME_BYTES = 8
LATEST = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class Cosigner:
    """A witness's public key with its name; `vkey` is its text."""

    name: str
    public: bytes

    @property
    def key_id(self) -> bytes:
        return hashlib.sha256(self.name.encode() + b"\n" + bytes([COSIGNATURE]) + self.public).digest()[:ID_BYTES]

    @property
    def vkey(self) -> str:
        typed = base64.b64encode(bytes([COSIGNATURE]) + self.public).decode()
        return f"{self.name}+{self.key_id.hex()}+{typed}"

    def seen_at(self, text: str, signature: Signature) -> int | None:
        """When this witness signed this text, in POSIX seconds; None for a line of another name or key.

        Raises NoteError for a line that claims to be this witness's and is not.
        """
        if (signature.name, signature.key_id) != (self.name, self.key_id):
            return None
        if len(signature.signed) != TIME_BYTES + SIGNATURE_BYTES:
            raise NoteError(f"the cosignature of {self.name} has not the length of one")
        seconds = int.from_bytes(signature.signed[:TIME_BYTES], "big")
        if seconds > LATEST:
            raise NoteError(f"the cosignature of {self.name} states no time there is")
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature.signed[TIME_BYTES:], signed(text, seconds))
        except InvalidSignature as false:
            raise NoteError(f"the cosignature of {self.name} is false") from false
        return seconds


def signed(text: str, seconds: int) -> bytes:
    """The bytes a witness signs."""
    return f"cosignature/v1\ntime {seconds}\n{text}".encode()


def cosigner(vkey: str) -> Cosigner:
    """Read a witness's public key: NAME+ID+BASE64(0x04 and key). Raises NoteError."""
    name, _, rest = vkey.strip().partition("+")
    key_id, _, typed = rest.partition("+")
    try:
        raw = base64.b64decode(typed, validate=True)
    except (binascii.Error, ValueError) as bad:
        raise NoteError("the witness's key is not base64") from bad
    if not re.fullmatch(r"[!-*,-~]+", name) or len(raw) != 1 + KEY_BYTES:
        raise NoteError("a witness's key is NAME+ID+KEY with an Ed25519 key")
    if raw[0] != COSIGNATURE:
        raise NoteError("the key is not one for cosignatures (type 0x04)")
    found = Cosigner(name, raw[1:])
    if found.key_id.hex() != key_id or base64.b64encode(raw).decode() != typed:
        raise NoteError(f"the key {name} does not have the id it states")
    return found
