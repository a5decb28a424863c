"""A DCON module of the ADAM-4050 sort, played by the book: it answers what it knows and nothing else."""

from __future__ import annotations


class Peer:
    """`inputs`: its DI as bits, lowest first. `refuses`: says ?AA. `dead`: says nothing."""

    def __init__(self, address: str = "01", *, checked: bool = False, inputs: int = 0, outputs: int = 0) -> None:
        self.address, self.checked, self.inputs, self.outputs = address, checked, inputs, outputs
        self.refuses = self.dead = False
        self.received: list[bytes] = []
        self._buffer = b""

    def answer(self, data: bytes) -> bytes:
        """What it says to these bytes; nothing to half a request, to a bad checksum and to another's address."""
        *requests, self._buffer = (self._buffer + data).split(b"\r")
        return b"".join(self._one(request) for request in requests)

    def _one(self, request: bytes) -> bytes:
        self.received.append(request + b"\r")
        if self.checked:
            request, said = request[:-2], request[-2:]
            if said != _sum(request):
                return b""
        if self.dead or request[1:3] != self.address.encode():
            return b""
        if self.refuses:
            return self._said(b"?" + self.address.encode())
        states = b"%02X%02X" % (self.outputs, self.inputs)
        replies = {
            b"$" + self.address.encode() + b"2": b"!" + self.address.encode() + b"4006" + (b"00", b"40")[self.checked],
            b"$" + self.address.encode() + b"6": b"!" + states + b"00",
            b"@" + self.address.encode(): b">" + states,
        }
        return self._said(replies[request]) if request in replies else b""

    def _said(self, text: bytes) -> bytes:
        return text + (_sum(text) if self.checked else b"") + b"\r"


def _sum(text: bytes) -> bytes:
    return b"%02X" % (sum(text) & 0xFF)
