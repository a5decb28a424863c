"""MJPEG as RTP carries it (RFC 2435): pictures made by ffmpeg, taken apart into packets, found again in a recording."""

from __future__ import annotations

import hashlib
import struct
import subprocess
from functools import cache
from pathlib import Path

RTP_BYTES = 1200
TYPES = {0x21: 0, 0x22: 1}  # how the brightness is sampled: 4:2:2, 4:2:0 (RFC 2435, 4.1)


@cache
def pictures(fps: int, seconds: int, size: str) -> tuple[bytes, ...]:
    """Whole JPEG files, with the Huffman tables that RTP takes for granted."""
    source = ["-f", "lavfi", "-i", f"testsrc2=s={size}:r={fps}:d={seconds}", "-pix_fmt", "yuvj420p"]
    argv = ["ffmpeg", "-nostdin", "-v", "error", *source, "-c:v", "mjpeg", "-huffman", "default", "-q:v", "4"]
    made = subprocess.run([*argv, "-f", "mjpeg", "pipe:1"], capture_output=True, check=True, timeout=60).stdout
    return split(made)


def split(stream: bytes) -> tuple[bytes, ...]:
    """The files of a stream of them. Inside a scan a FF is always followed by 00."""
    return tuple(b"\xff\xd8" + part[: part.rindex(b"\xff\xd9") + 2] for part in stream.split(b"\xff\xd8")[1:])


def _parts(picture: bytes) -> tuple[bytes, bytes, bytes]:
    """Quantisation tables, the frame's header, and the scan's data."""
    at, tables, frame = 2, b"", b""
    while True:
        kind, length = picture[at + 1], struct.unpack_from(">H", picture, at + 2)[0]
        content = picture[at + 4 : at + 2 + length]
        at += 2 + length
        if kind == 0xDB:
            tables += b"".join(content[n + 1 : n + 65] for n in range(0, len(content), 65))
        elif kind == 0xC0:
            frame = content
        elif kind == 0xDA:
            return tables, frame, picture[at:-2]


def payloads(picture: bytes) -> list[bytes]:
    """The payloads of a picture's packets."""
    tables, frame, scan = _parts(picture)
    height, width = struct.unpack_from(">HH", frame, 1)
    quantised = struct.pack(">BBH", 0, 0, len(tables)) + tables
    found = []
    for at in range(0, len(scan), RTP_BYTES):
        head = struct.pack(">I", at) + bytes([TYPES[frame[7]], 255, width // 8, height // 8])
        found.append(head + (b"" if at else quantised) + scan[at : at + RTP_BYTES])
    return found


def digest(picture: bytes) -> str:
    """What is the same in what was sent and what was recorded."""
    return hashlib.sha256(_parts(picture)[2]).hexdigest()[:16]


def pictures_in(path: Path) -> list[str]:
    """What a recording holds, picture by picture."""
    argv = ["ffmpeg", "-v", "error", "-i", str(path), "-map", "0:v:0", "-c", "copy", "-f", "mjpeg", "pipe:1"]
    made = subprocess.run(argv, capture_output=True, check=True, timeout=60).stdout
    return [digest(each) for each in split(made)]
