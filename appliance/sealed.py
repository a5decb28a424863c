"""Cameras' passwords, sealed to this box: whoever has the public key can seal, only the private one opens.

HPKE (RFC 9180: DHKEM X25519, HKDF-SHA256, ChaCha20-Poly1305). The pages hold no private key (systemd hides
`keys/sealed.key` from them), so they can pass a password on and never read one. docs/security.md
"""

from __future__ import annotations

import base64
import binascii
import secrets
import string
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from appliance import durable
from appliance.model import N_, ApplianceError

SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)
PURPOSE = "examsite camera password: "  # and whose: what is sealed for one place opens at no other
# Letters and figures only, none that looks like another: some cameras take no other signs, and people may type it.
ALPHABET = "".join(sorted(set(string.ascii_letters + string.digits) - set("0Oo1lI")))
LENGTH = 20  # 115 bits; the shortest limit we know of is 20 (docs/security.md)

KEY_LOST = N_(
    "The key of the sealed camera passwords, {path}, cannot be used: {cause}. Type the cameras' passwords anew."
)


def public_path(data: Path) -> Path:
    return data / "keys" / "sealed.pub"


def private_path(data: Path) -> Path:
    return data / "keys" / "sealed.key"


def begin(data: Path) -> None:
    """Make the box's key pair, once. Safe to repeat, also after a power cut: the public follows from the private."""
    private, public = private_path(data), public_path(data)
    if not private.exists():
        made = X25519PrivateKey.generate()
        durable.write(private, base64.b64encode(made.private_bytes_raw()) + b"\n")
    known = base64.b64encode(_private(data).public_key().public_bytes_raw())
    if not public.exists() or public.read_bytes().strip() != known:
        durable.write(public, known + b"\n", 0o644)


def seal(data: Path, whose: str, password: str) -> bytes:
    """The password, readable only with the box's private key and only as this camera's (or purpose's)."""
    path = public_path(data)
    try:
        key = X25519PublicKey.from_public_bytes(base64.b64decode(path.read_bytes().strip(), validate=True))
    except (OSError, ValueError, binascii.Error) as cause:
        raise ApplianceError(KEY_LOST, path=str(path), cause=str(cause)) from cause
    return SUITE.encrypt(password.encode(), key, info=(PURPOSE + whose).encode())


def unseal(data: Path, whose: str, sealed: bytes) -> str:
    """What was sealed; ApplianceError without the key, or when it was sealed for another box or camera."""
    try:
        return SUITE.decrypt(sealed, _private(data), info=(PURPOSE + whose).encode()).decode()
    except (InvalidTag, ValueError) as cause:
        raise ApplianceError(KEY_LOST, path=str(private_path(data)), cause="it does not fit what was sealed") from cause


def new_password() -> str:
    """A password no other camera has; it has letters of both cases and a figure, which many makes insist on."""
    while True:
        made = "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
        if any(c.islower() for c in made) and any(c.isupper() for c in made) and any(c.isdigit() for c in made):
            return made


def _private(data: Path) -> X25519PrivateKey:
    path = private_path(data)
    try:
        return X25519PrivateKey.from_private_bytes(base64.b64decode(path.read_bytes().strip(), validate=True))
    except (OSError, ValueError, binascii.Error) as cause:
        raise ApplianceError(KEY_LOST, path=str(path), cause=str(cause)) from cause
