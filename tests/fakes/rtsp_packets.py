"""RTP packets of the tests' cameras: pictures and NAL units in pieces, header, header extension."""

from __future__ import annotations

import struct

from tests.fakes import rtsp_jpeg

RTP_BYTES = 1200
NTP_EPOCH_S = 2208988800
REPLAY = 0xABAC  # ONVIF Streaming, "RTP header extension"
CLEAN, END, DISCONTINUITY, TERMINAL = 0x80, 0x40, 0x20, 0x10


def pieces(codec: str, unit: bytes) -> list[bytes]:
    """A JPEG picture, or a NAL unit in one or in fragments (RFC 2435; RFC 6184, 5.8; RFC 7798, 4.4.3)."""
    if codec == "mjpeg":
        return list(rtsp_jpeg.payloads(unit))
    if codec == "mpeg4":  # with its start code, cut anywhere (RFC 6416, 5.2)
        whole = b"\x00\x00\x01" + unit
        return [whole[at : at + RTP_BYTES] for at in range(0, len(whole), RTP_BYTES)]
    if len(unit) <= RTP_BYTES:
        return [unit]
    if codec == "h264":
        head, kind, body = bytes([unit[0] & 0xE0 | 28]), unit[0] & 0x1F, unit[1:]
    else:
        head, kind, body = bytes([unit[0] & 0x81 | 49 << 1, unit[1]]), unit[0] >> 1 & 0x3F, unit[2:]
    parts = [body[at : at + RTP_BYTES] for at in range(0, len(body), RTP_BYTES)]
    last = len(parts) - 1
    return [
        head + bytes([(0x80 if n == 0 else 0) | (0x40 if n == last else 0) | kind]) + part
        for n, part in enumerate(parts)
    ]


def rtp(kind: int, sequence: int, stamp: int, source: int, data: bytes, *, last: bool, extension: bytes = b"") -> bytes:
    """One packet (RFC 3550, 5.1)."""
    first = 0x90 if extension else 0x80
    header = struct.pack(
        ">BBHII", first, kind | (0x80 if last else 0), sequence & 0xFFFF, stamp & 0xFFFFFFFF, source
    )
    return header + extension + data


def replay_extension(unix_s: float, flags: int, play: int) -> bytes:
    """The replay extension of an access unit; `play`: the number of the PLAY that asked for it."""
    ntp_s = unix_s + NTP_EPOCH_S
    return struct.pack(">HHIIBBH", REPLAY, 3, int(ntp_s), int(ntp_s % 1 * (1 << 32)), flags, play & 0xFF, 0)
