"""The film an RTSP camera of the tests plays: frames of one slice each, whose content comes only once."""

from __future__ import annotations

import hashlib
import re
import subprocess
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

SLICES = {"h264": (1, 5), "h265": tuple(range(32)), "mpeg4": (0xB6,)}
RAW = {"h265": "hevc", "mpeg4": "m4v"}
NUMBER_MARK = b"frame of a film:"  # 16 bytes, as its UUID


@cache
def clip(
    codec: str, fps: int, gop: int, seconds: int, b_frames: int, size: str, bit_rate: str = "300k"
) -> tuple[tuple[int, tuple[bytes, ...]], ...]:
    """A clip: of each frame, in the order of sending, its place in the order of showing and its NAL units."""
    always = "repeat-headers=1:scenecut=0:open-gop=0"
    coder = {
        "h264": ["-c:v", "libx264", "-bf", str(b_frames), "-x264-params", f"{always}:slices=1"],
        "h265": ["-c:v", "libx265", "-x265-params", f"{always}:bframes={b_frames}:log-level=error:pools=none"],
        "mpeg4": ["-c:v", "mpeg4", "-bf", str(b_frames)],
    }[codec]
    argv = ["ffmpeg", "-nostdin", "-v", "error", "-f", "lavfi", "-i", f"testsrc2=s={size}:r={fps}:d={seconds}"]
    argv += [*coder, "-preset", "ultrafast", "-threads", "1", "-g", str(gop), "-keyint_min", str(gop), "-b:v", bit_rate]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        subprocess.run([*argv, str(path)], check=True, timeout=60)
        shown = subprocess.run(
            [
                "ffprobe",
                "-v",
                "error",
                "-select_streams",
                "v:0",
                "-show_entries",
                "packet=pts",
                "-of",
                "csv=p=0",
                str(path),
            ],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
        heads = ["-bsf:v", "dump_extra"] if codec == "mpeg4" else []  # an MP4 file has them aside
        annexb = subprocess.run(
            ["ffmpeg", "-v", "error", "-i", str(path), "-c", "copy", *heads, "-f", RAW.get(codec, codec), "pipe:1"],
            capture_output=True,
            check=True,
        ).stdout
    stamps = [int(line.strip(",")) for line in shown]
    places = {stamp: place for place, stamp in enumerate(sorted(stamps))}
    frames: list[list[bytes]] = [[]]
    for unit in units(annexb, codec):
        frames[-1].append(unit)
        if kind_of(unit, codec) in SLICES[codec]:  # one slice a frame: what comes next belongs to the next
            frames.append([])
    frames = [frame for frame in frames if any(kind_of(unit, codec) in SLICES[codec] for unit in frame)]
    return tuple((places[stamp], tuple(frame)) for stamp, frame in zip(stamps, frames, strict=True))


def units(stream: bytes, codec: str = "h264") -> Iterator[bytes]:
    """The NAL units of an Annex B stream; of MPEG-4 what begins with each start code (one of them is a zero)."""
    for piece in re.split(rb"\x00\x00\x01", stream)[1:]:
        yield piece if codec == "mpeg4" else piece.rstrip(b"\x00")


def kind_of(unit: bytes, codec: str) -> int:
    if codec == "mpeg4":  # not NAL units, but start codes they have too (ISO 14496-2, 6.2.1)
        return unit[0]
    return unit[0] & 0x1F if codec == "h264" else unit[0] >> 1 & 0x3F


def slices_in(path: Path, codec: str = "h264") -> list[str]:
    """What a recording holds, slice by slice."""
    name = RAW.get(codec, codec)
    plain = [] if codec == "mpeg4" else ["-bsf:v", f"{name}_mp4toannexb"]
    made = subprocess.run(
        [
            "ffmpeg",
            "-v",
            "error",
            "-i",
            str(path),
            "-map",
            "0:v:0",
            "-c",
            "copy",
            *plain,
            "-f",
            name,
            "pipe:1",
        ],
        capture_output=True,
        check=True,
        timeout=60,
    ).stdout
    return [digest(unit) for unit in units(made, codec) if kind_of(unit, codec) in SLICES[codec]]


def number_unit(number: int) -> bytes:
    """A frame's number as an SEI NAL unit: user data, unregistered (H.264, D.1.6). Digits need no emulation bytes."""
    words = NUMBER_MARK + b"%010d" % number
    return b"\x06\x05" + bytes([len(words)]) + words + b"\x80"


def numbers_in(path: Path) -> list[int]:
    """The numbers of a recording's frames, in the order of the file."""
    return [int(found) for found in re.findall(NUMBER_MARK + rb"(\d{10})", path.read_bytes())]


def digest(unit: bytes) -> str:
    return hashlib.sha256(unit.rstrip(b"\x00")).hexdigest()[:16]
