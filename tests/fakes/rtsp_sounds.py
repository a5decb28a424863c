"""The sounds an RTSP camera of the tests can send."""

from __future__ import annotations

import struct

# One silent AAC frame of 1024 samples, after the AU header of RFC 3640 (its length in bits, size and index).
AAC = b"\x00\x10" + struct.pack(">H", 4 << 3) + b"\x01\x18\x20\x07"
SOUNDS = {  # payload type, rtpmap, what 20 ms are (of AAC: 64), RTP clock ticks of them
    "pcma": (8, "PCMA/8000", b"\xd5" * 160, 160),
    "pcmu": (0, "PCMU/8000", b"\xff" * 160, 160),
    "g726": (97, "G726-32/8000", b"\x00" * 80, 160),
    "aac": (97, "MPEG4-GENERIC/16000/1", AAC, 1024),
    "l16": (97, "L16/16000/1", b"\x00\x01" * 320, 320),
    "speex": (97, "speex/8000", b"\x00" * 20, 160),
}
