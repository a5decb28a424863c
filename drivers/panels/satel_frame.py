"""Frames of Satel's integration protocol: FE FE, command, data, checksum, FE 0D; an FE inside is sent as FE F0.

Satel INTEGRA, "Integration with other systems" (panels.md section 8). Pure: bytes in, frames out.
"""

from __future__ import annotations

from dataclasses import dataclass

FE, STUFFED, END = 0xFE, 0xF0, 0x0D
START = bytes([FE, FE])
BUSY = b"\x10Busy!\r\n"  # another program is at the panel's memory; ask again later
LONGEST = 160  # the longest answer we ask for has 32 data bytes, all of them perhaps stuffed


@dataclass(frozen=True, slots=True)
class Piece:
    """What a stretch of the line is: a good frame (`command` >= 0), the busy word, or bytes with a fault."""

    raw: bytes
    command: int = -1
    data: bytes = b""
    busy: bool = False
    fault: str | None = None


def crc(body: bytes) -> int:
    """The protocol's own checksum; tried on the example of the manual's Appendix 4 (8A 9B)."""
    sum_ = 0x147A
    for byte in body:
        sum_ = ((sum_ << 1) | (sum_ >> 15)) & 0xFFFF
        sum_ ^= 0xFFFF
        sum_ = (sum_ + (sum_ >> 8) + byte) & 0xFFFF
    return sum_


def encode(command: int, data: bytes = b"") -> bytes:
    """The bytes on the line."""
    body = bytes([command]) + data
    body += crc(body).to_bytes(2, "big")
    return START + body.replace(bytes([FE]), bytes([FE, STUFFED])) + bytes([FE, END])


class Decoder:
    """Cuts the line into frames. Never raises; what it holds is never longer than one frame."""

    def __init__(self) -> None:
        self._held = b""

    def reset(self) -> None:
        self._held = b""

    def feed(self, data: bytes) -> list[Piece]:
        """Take bytes off the line; return what they complete."""
        self._held += data
        found: list[Piece] = []
        while True:
            piece, used = self._next()
            if used == 0:
                return found
            self._held = self._held[used:]
            if piece is not None:
                found.append(piece)

    def _next(self) -> tuple[Piece | None, int]:
        """The next piece and how many bytes it took; (None, 0) when more must come first."""
        held = self._held
        start, busy = held.find(START), held.find(BUSY)
        if busy >= 0 and (start < 0 or busy < start):
            return Piece(BUSY, busy=True), busy + len(BUSY)
        if start < 0:
            keep = next((n for n in range(min(len(BUSY) - 1, len(held)), 0, -1) if _may_begin(held[-n:])), 0)
            noise = held[: len(held) - keep]
            return (Piece(noise[:64], fault=f"{len(noise)} bytes of noise"), len(noise)) if noise else (None, 0)
        if start > 0:
            return Piece(held[:start][:64], fault=f"{start} bytes of noise"), start
        return self._frame(held)

    def _frame(self, held: bytes) -> tuple[Piece | None, int]:
        at = len(START)
        if held[at : at + 1] == bytes([FE]):
            return None, 1  # noise that ends with FE: the frame begins one later
        body = bytearray()
        while at < len(held):
            byte = held[at]
            if byte != FE:
                body.append(byte)
                at += 1
            elif at + 1 == len(held):
                break  # what the FE means is yet to come
            elif held[at + 1] == STUFFED:
                body.append(FE)
                at += 2
            elif held[at + 1] == END:
                return _read(held[: at + 2], bytes(body)), at + 2
            elif held[at + 1] == FE:  # a new frame begins
                return Piece(held[:at][:64], fault="a frame without its end"), at
            else:
                return Piece(held[: at + 2][:64], fault=f"FE {held[at + 1]:02X} inside a frame"), at + 2
            if at > LONGEST:
                return Piece(held[:64], fault=f"{at} bytes without the end of a frame"), at
        return None, 0


def _may_begin(tail: bytes) -> bool:
    return START.startswith(tail) or BUSY.startswith(tail)


def _read(raw: bytes, body: bytes) -> Piece:
    if len(body) < 3:
        return Piece(raw, fault="a frame too short")
    if crc(body[:-2]) != int.from_bytes(body[-2:], "big"):
        return Piece(raw, fault="checksum wrong")
    return Piece(raw, body[0], body[1:-2])
