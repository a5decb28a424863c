"""A С2000-ПП played by the book: tables, states, event queue, numeric values; it records every request it gets."""

from __future__ import annotations

from tests.fakes.peers.contacts_modbus import crc

EMPTY = bytes(28)


def record(number: int, code: int, *, zone: int = 0, partition: int = 0, time: bytes = b"\x0e\x05\x09\x16\x0b\x1a",
           user: int = 0, relay: int = 0, relay_state: int | None = None) -> bytes:  # fmt: skip
    """An event record; the time is 2026-11-22 14:05:09 unless said."""
    fields = b""
    for kind, value in ((1, user), (2, partition), (3, zone), (5, relay)):
        fields += bytes([kind, 2]) + value.to_bytes(2, "big") if value else b""
    if relay_state is not None:
        fields += bytes([7, 2]) + relay_state.to_bytes(2, "big")
    fields += bytes([11, 6]) + time if time else b""
    return (number.to_bytes(2, "big") + bytes([len(fields) + 1, code]) + fields).ljust(28, b"\0")


class Peer:
    """`states`: zone -> its codes, the graver first. `queue`: records not acknowledged. `exact`: answers as bytes."""

    def __init__(
        self, unit: int = 1, zones: int = 8, *, table: dict[int, tuple[int, int, int, int]] | None = None
    ) -> None:
        self.unit, self.zones = unit, zones
        self.table = {n: (1, n, 1 + (n - 1) // 4, 1) for n in range(1, zones + 1)} if table is None else table
        self.states: dict[int, list[int]] = {n: [24, 188] for n in range(1, zones + 1)}
        self.partitions: dict[int, int] = {}
        self.queue: list[bytes] = []
        self.values: dict[int, bytes] = {}  # zone -> two bytes
        self.exact: dict[bytes, bytes] = {}
        self.exact_only = False  # silent to everything else
        self.pending = 0  # how often exception 15 comes before a value
        self.busy = 0  # how often exception 6 comes before anything
        self.old = False  # firmware without expanded states
        self.dead = False
        self.received: list[bytes] = []
        self.acknowledged: list[int] = []
        self._selected = 0
        self._buffer = b""

    def answer(self, data: bytes) -> bytes:
        self._buffer += data
        said = b""
        while len(self._buffer) >= 8:  # every request it knows has 8 bytes
            request, self._buffer = self._buffer[:8], self._buffer[8:]
            said += self._one(request)
        return said

    def _one(self, request: bytes) -> bytes:
        self.received.append(request)
        if self.dead or request[0] != self.unit or request[6:] != crc(request[:6]):
            return b""
        if request in self.exact:
            return self.exact[request]
        if self.exact_only:
            return b""
        if self.busy:
            self.busy -= 1
            return self._said(bytes([request[1] | 0x80, 6]))
        function, address, last = request[1], int.from_bytes(request[2:4], "big"), int.from_bytes(request[4:6], "big")
        if function == 6:
            return self._write(address, last) or self._said(request[1:6])
        if function not in (3, 4):
            return self._said(bytes([function | 0x80, 1]))
        found = self._input(address, last) if function == 4 else self._holding(address, last)
        if isinstance(found, int):
            return self._said(bytes([function | 0x80, found]))
        return self._said(bytes([function, len(found)]) + found)

    def _write(self, address: int, value: int) -> bytes:
        if address == 46163:
            self.acknowledged.append(value)
            self.queue = [event for event in self.queue if event[:2] != value.to_bytes(2, "big")]
        elif 46176 <= address <= 46181:
            self._selected = value
        else:
            return self._said(bytes([0x86, 2]))
        return b""

    def _input(self, address: int, count: int) -> bytes | int:
        if address < 2048:
            rows = [self.table.get(n, (0, 0, 0, 0)) for n in range(address // 4 + 1, (address + count) // 4 + 1)]
            return b"".join(number.to_bytes(2, "big") for row in rows for number in row)
        if 2560 <= address < 2624:
            return b"".join((n if n in self.partitions else 0).to_bytes(2, "big") for n in range(1, 65))
        if address >= 4096 and not self.old:
            zones = range((address - 4096) // 16 + 1, (address - 4096 + count) // 16 + 1)
            return b"".join(
                code.to_bytes(2, "big") for n in zones for code in (self.states.get(n, []) + [0] * 16)[:16]
            )
        return 2

    def _holding(self, address: int, count: int) -> bytes | int:
        if 40000 <= address < 40512:
            if address - 40000 + count > self.zones:
                return 2
            first = address - 39999
            return b"".join(bytes((self.states[n] + [0, 0])[:2]) for n in range(first, first + count))
        if 44096 <= address < 44160:
            return b"".join(bytes([self.partitions.get(n, 0), 0]) for n in range(1, count + 1))
        if address == 46328 and self.pending:
            self.pending -= 1
            return 15
        newest = self.queue[-1][:2] if self.queue else b"\0\0"
        oldest = self.queue[0][:2] if self.queue else b"\0\0"
        places = {
            46152: b"\x00\x24" + (132 if self.old else 301).to_bytes(2, "big"),
            46160: newest + oldest + len(self.queue).to_bytes(2, "big"),
            46264: self.queue[0] if self.queue else EMPTY,
            46192: bytes(self.states.get(self._selected, [])).ljust(2 * count, b"\0"),
        }
        if self._selected in self.values:
            places[46328] = self.values[self._selected]
        return places.get(address, 4 if address == 46328 else 2)

    def _said(self, body: bytes) -> bytes:
        frame = bytes([self.unit]) + body
        return frame + crc(frame)
