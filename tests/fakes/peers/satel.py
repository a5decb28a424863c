"""An INTEGRA at its INT-RS port, played by the book: masks, what changed, the clock, a log that is walked back."""

from __future__ import annotations

FE = b"\xfe"
ZONE_MASKS = (0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08)
PARTITION_MASKS = (0x09, 0x0A, 0x0B, 0x0C, 0x13, 0x14)


def crc(body: bytes) -> bytes:
    """The checksum, written here a second time so that the driver's cannot agree with itself."""
    value = 0x147A
    for byte in body:
        value = ((value << 1) & 0xFFFF | value >> 15) ^ 0xFFFF
        value = (value + (value >> 8) + byte) % 0x10000
    return value.to_bytes(2, "big")


def frame(body: bytes) -> bytes:
    body += crc(body)
    return FE + FE + body.replace(FE, FE + b"\xf0") + FE + b"\x0d"


def record(code: int, *, zone: int, partition: int = 0, restore: bool = False, minute: int = 845, year: int = 2026,
           month: int = 11, day: int = 22) -> bytes:  # fmt: skip
    """Eight bytes of the log, as panel's manual lays them out (panels.md 8)."""
    return bytes([
        year % 4 << 6 | 0x3F, day, month << 4 | minute >> 8, minute & 0xFF,
        partition << 3 | restore << 2 | code >> 8, code & 0xFF, zone, 0,
    ])  # fmt: skip


class Peer:
    """`masks`: command to the numbers that are set. `log`: (index, record), oldest first; indexes are opaque."""

    def __init__(self) -> None:
        self.masks: dict[int, set[int]] = {command: set() for command in (*ZONE_MASKS, *PARTITION_MASKS)}
        self.changed: set[int] = set(self.masks)
        self.log: list[tuple[bytes, bytes]] = []
        self.names: dict[tuple[int, int], bytes] = {}
        self.busy = 0  # times to say so before the next answer
        self.dead = False
        self.only: set[int] | None = None  # the commands it answers; None: all
        self.received: list[bytes] = []
        self._buffer = b""
        self._numbers = 0x4000

    def put(self, command: int, *numbers: int) -> None:
        """Set a mask; the panel notes that it changed."""
        self.masks[command] = set(numbers)
        self.changed.add(command)

    def happen(self, said: bytes) -> None:
        """A new record of the log, at an index that tells nobody anything."""
        self._numbers = (self._numbers * 5 + 0x1233) % 0x10000
        self.log.append((b"\x01" + self._numbers.to_bytes(2, "big"), said))

    def answer(self, data: bytes) -> bytes:
        """What it says to these bytes: nothing to half a frame or a bad checksum."""
        self._buffer += data
        said = b""
        while FE + b"\x0d" in self._buffer:
            request, _, self._buffer = self._buffer.partition(FE + b"\x0d")
            said += self._one(request + FE + b"\x0d")
        return said

    def _one(self, request: bytes) -> bytes:
        self.received.append(request)
        body = request[2:-2].replace(FE + b"\xf0", FE)
        if self.dead or request[:2] != FE + FE or crc(body[:-2]) != body[-2:]:
            return b""
        if self.only and body[0] not in self.only:
            return b""
        if self.busy:
            self.busy -= 1
            return b"\x10Busy!\r\n"
        return frame(self._said(body[0], body[1:-2]))

    def _said(self, command: int, data: bytes) -> bytes:
        if command == 0x7F:
            now, self.changed = self.changed, set()
            return b"\x7f" + _field(now, 5 + len(data), 0)
        if command in self.masks:
            size = 4 if command in PARTITION_MASKS else 16 + 16 * len(data)
            return bytes([command]) + _field(self.masks[command], size, 1)
        if command == 0x1A:
            return b"\x1a" + bytes.fromhex("20 26 11 22 14 09 30 00 00")
        if command == 0x8C:
            return b"\x8c" + self._record(data)
        if command == 0xEE and tuple(data) in self.names:
            return b"\xee" + data + b"\x00" + self.names[tuple(data)].ljust(16)  # type: ignore[index]
        return b"\xef\x08"

    def _record(self, asked: bytes) -> bytes:
        known = [index for index, _ in self.log]
        place = len(self.log) - 1 if asked == b"\xff\xff\xff" else known.index(asked) - 1 if asked in known else -1
        if place < 0:
            return bytes(8) + b"\x00\x00\x00" + asked
        return self.log[place][1] + self.log[place][0] + asked


def _field(numbers: set[int], size: int, first: int) -> bytes:
    field = bytearray(size)
    for number in numbers:
        field[(number - first) // 8] |= 1 << (number - first) % 8
    return bytes(field)
