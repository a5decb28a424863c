"""What an RTSP camera of the tests says it sends (SDP, RFC 4566)."""

from __future__ import annotations

import base64

from tests.fakes.rtsp_film import kind_of
from tests.fakes.rtsp_sounds import SOUNDS

NAMES = {"mpeg4": "MP4V-ES"}


def sdp(codec: str, sound: str, first: tuple[bytes, ...] | None) -> str:
    """The description; `first`: the NAL units of the first picture, whose parameter sets are put in."""
    lines = [
        "v=0",
        "o=- 1 1 IN IP4 127.0.0.1",
        "s=fake",
        "c=IN IP4 0.0.0.0",
        "t=0 0",
        f"m=video 0 RTP/AVP {26 if codec == 'mjpeg' else 96}",
        "" if codec == "mjpeg" else f"a=rtpmap:96 {NAMES.get(codec, codec.upper())}/90000",
        _fmtp(codec, first),
        "a=control:track1",
    ]
    if sound:
        number, rtpmap, _, _ = SOUNDS[sound]
        lines += [f"m=audio 0 RTP/AVP {number}", f"a=rtpmap:{number} {rtpmap}"]
        if sound == "aac":  # AAC-LC, 16 kHz, mono (ISO 14496-3, 1.6.2.1)
            lines.append("a=fmtp:97 mode=AAC-hbr;config=1408;sizeLength=13;indexLength=3;indexDeltaLength=3")
        lines.append("a=control:track2")
    return "\r\n".join(line for line in lines if line) + "\r\n"


def _fmtp(codec: str, first: tuple[bytes, ...] | None) -> str:
    if codec == "mjpeg":
        return ""
    if first is None:
        return "a=fmtp:96 packetization-mode=1" if codec == "h264" else ""
    if codec == "mpeg4":
        config = b"".join(b"\x00\x00\x01" + unit for unit in first if kind_of(unit, codec) < 0xB3 or unit[0] == 0xB5)
        return f"a=fmtp:96 profile-level-id=1;config={config.hex().upper()}"
    sets = (7, 8) if codec == "h264" else (32, 33, 34)
    said = [base64.b64encode(unit).decode() for unit in first if kind_of(unit, codec) in sets]
    if codec == "h264":
        return f"a=fmtp:96 packetization-mode=1;sprop-parameter-sets={','.join(said)}"
    return "a=fmtp:96 " + ";".join(f"sprop-{n}={v}" for n, v in zip(("vps", "sps", "pps"), said, strict=False))
