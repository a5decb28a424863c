"""A fire panel that calls a paging system: control station and master of ESPA 4.4.4, played by the book."""

from __future__ import annotations

from collections.abc import Iterable

ACK, NAK, EOT = 0x06, 0x15, b"\x04"
RETRIES = 2  # of a block, before the master ends and selects anew


class Peer:
    """Delivers its blocks in order, each until it is acknowledged. `silence` is what it says when no answer came."""

    def __init__(self, blocks: Iterable[bytes], station: bytes = b"2") -> None:
        self.blocks = list(blocks)
        self.select = EOT + b"1\x05" + station + b"\x05"
        self.received = b""
        self._waits_for_selection = True
        self._tries = 0

    @property
    def done(self) -> bool:
        return not self.blocks

    def silence(self) -> bytes:
        """Nobody answered in time."""
        return self._again() if not self._waits_for_selection else self.select

    def answer(self, data: bytes) -> bytes:
        self.received += data
        if not data or self.done:
            return b""
        if data[-1] == NAK:
            return b"" if self._waits_for_selection else self._again()
        if data[-1] != ACK:
            return b""
        if self._waits_for_selection:
            self._waits_for_selection, self._tries = False, 0
            return self.blocks[0]
        self.blocks.pop(0)
        self._waits_for_selection = True
        return EOT + (self.select if self.blocks else b"")

    def _again(self) -> bytes:
        self._tries += 1
        if self._tries <= RETRIES:
            return self.blocks[0]
        self._waits_for_selection = True
        return self.select
