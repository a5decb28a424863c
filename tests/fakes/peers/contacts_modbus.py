"""A Modbus RTU input module, played by the book: one unit, bits from address 0, the same bits as registers."""

from __future__ import annotations


class Peer:
    """`inputs`: its inputs as bits, lowest first. `exception`: refuses with this code. `dead`: says nothing."""

    def __init__(self, unit: int = 1, *, size: int = 16, inputs: int = 0) -> None:
        self.unit, self.size, self.inputs = unit, size, inputs
        self.measured: list[int] = []  # registers, for function 3 and 4; empty: the inputs, packed
        self.exception = 0
        self.dead = False
        self.received: list[bytes] = []
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
        function, address, count = request[1], int.from_bytes(request[2:4], "big"), int.from_bytes(request[4:6], "big")
        registers = self.measured or [self.inputs >> 16 * n & 0xFFFF for n in range((self.size + 15) // 16)]
        size = self.size if function < 3 else len(registers)
        code = self.exception or (1 if function not in (1, 2, 3, 4) else 2 if address + count > size else 0)
        if code:
            return self._said(bytes([function | 0x80, code]))
        if function < 3:
            data = (self.inputs >> address & (1 << count) - 1).to_bytes((count + 7) // 8, "little")
        else:
            data = b"".join(value.to_bytes(2, "big") for value in registers[address : address + count])
        return self._said(bytes([function, len(data)]) + data)

    def _said(self, body: bytes) -> bytes:
        frame = bytes([self.unit]) + body
        return frame + crc(frame)


def crc(data: bytes) -> bytes:
    """CRC-16/MODBUS, written here a second time so that the library's cannot agree with itself."""
    value = 0xFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0xA001 if value & 1 else 0)
    return value.to_bytes(2, "little")
