"""A fire panel with a printer: it prints and hears nothing, so what the wire loses is lost."""

from __future__ import annotations

from collections.abc import Iterable


class Peer:
    """`frames`: its printout, a line each."""

    acknowledged = False

    def __init__(self, lines: Iterable[str], encoding: str = "cp866", end: bytes = b"\r\n") -> None:
        self.lines, self.encoding, self.end = list(lines), encoding, end

    def frames(self) -> list[bytes]:
        return [line.encode(self.encoding) + self.end for line in self.lines]

    def answer(self, data: bytes) -> bytes:
        assert not data, f"a printer was sent {data!r}"
        return b""
