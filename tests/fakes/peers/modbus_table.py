"""A gateway that has what it was given: registers and bits by function and address, exception 2 for all else."""

from __future__ import annotations

from tests.fakes.panel_site import ROOT
from tests.fakes.peers.contacts_modbus import crc

SETTINGS = {"profile": str(ROOT / "examples" / "panels" / "modbus-gateway.toml")}


class Peer:
    """`words`: (function, address) to value. `refuses`: addresses answered with exception 4. `dead`: says nothing."""

    def __init__(self, unit: int = 1) -> None:
        self.unit = unit
        self.words: dict[tuple[int, int], int] = {(4, 0x1000 + n): 0 for n in range(64)} | {(3, 200): 0, (3, 210): 0}
        self.refuses: set[int] = set()
        self.dead = False
        self.received: list[bytes] = []

    def answer(self, request: bytes) -> bytes:
        """Requests come whole: nobody cuts what we send."""
        self.received.append(request)
        if self.dead or len(request) != 8 or request[0] != self.unit or request[6:] != crc(request[:6]):
            return b""
        function, address, count = request[1], int.from_bytes(request[2:4], "big"), int.from_bytes(request[4:6], "big")
        wanted = [(function, address + n) for n in range(count)]
        if address in self.refuses or any(each not in self.words for each in wanted):
            return self._said(bytes([function | 0x80, 4 if address in self.refuses else 2]))
        values = [self.words[each] for each in wanted]
        if function < 3:
            data = sum(value << n for n, value in enumerate(values)).to_bytes((count + 7) // 8, "little")
        else:
            data = b"".join(value.to_bytes(2, "big") for value in values)
        return self._said(bytes([function, len(data)]) + data)

    def _said(self, body: bytes) -> bytes:
        frame = bytes([self.unit]) + body
        return frame + crc(frame)
