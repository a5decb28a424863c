"""A FIDO2 key in software: makes credentials and answers questions as a browser hands them over (WebAuthn 6.1, 6.5)."""

from __future__ import annotations

import hashlib
import json
import secrets
import struct
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from fido2 import cbor
from fido2.cose import ES256
from fido2.utils import websafe_encode

PRESENT, ATTESTED = 0x01, 0x40  # flags of the authenticator's data


class SoftKey:
    """One key, one credential. `counts` False: a key without a counter, as phones are."""

    def __init__(self, origin: str = "http://localhost:8080", *, counts: bool = True) -> None:
        self.origin, self.rp = origin, origin.split("//")[1].split(":")[0]
        self.id, self.count, self._counts = secrets.token_bytes(16), 0, counts
        self._private = ec.generate_private_key(ec.SECP256R1())

    def create(self, options: dict[str, Any]) -> str:
        public = ES256.from_cryptography_key(self._private.public_key())
        credential = bytes(16) + struct.pack(">H", len(self.id)) + self.id + cbor.encode(public)
        data = self._data(PRESENT | ATTESTED) + credential
        attestation = cbor.encode({"fmt": "none", "attStmt": {}, "authData": data})
        return self._answer({"attestationObject": websafe_encode(attestation)},
                            self._client("webauthn.create", options["challenge"]))  # fmt: skip

    def get(self, options: dict[str, Any]) -> str:
        self.count += self._counts
        data, client = self._data(PRESENT), self._client("webauthn.get", options["challenge"])
        signature = self._private.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(hashes.SHA256()))
        said = {"authenticatorData": websafe_encode(data), "signature": websafe_encode(signature)}
        return self._answer(said, client)

    def _data(self, flags: int) -> bytes:
        return hashlib.sha256(self.rp.encode()).digest() + bytes([flags]) + struct.pack(">I", self.count)

    def _client(self, kind: str, challenge: str) -> bytes:
        return json.dumps({"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": False}).encode()

    def _answer(self, said: dict[str, str], client: bytes) -> str:
        me = websafe_encode(self.id)
        return json.dumps({"id": me, "rawId": me, "type": "public-key", "clientExtensionResults": {},
                           "response": said | {"clientDataJSON": websafe_encode(client)}})  # fmt: skip
