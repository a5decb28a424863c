"""Does a stream answer, and with what? Asked with ffprobe, which reads it as the recorder's ffmpeg will.

Address and password go down a pipe, as the recorder's do: no argument, error, log line or value of this module holds
them.
"""

from __future__ import annotations

import json
import subprocess
import time
from dataclasses import dataclass
from fractions import Fraction
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from drivers.ffmpeg import INPUT, Source
from drivers.types import DriverError

SHORT = {"format": "f"}  # ffmpeg-python's word for it
ANALYSE_S = 1.5  # media to look at before size and rate are told; a GOP of 1 s is in it
# What ffmpeg 5.1 and 7.1 write on standard error -> our reason; the first that is found counts.
SIGNS = (
    ("401 Unauthorized", "refused"),
    ("403 Forbidden", "refused"),
    ("404 Not Found", "missing"),
    ("Connection refused", "unreachable"),
    ("No route to host", "unreachable"),
    ("Network is unreachable", "unreachable"),
    ("Name or service not known", "unreachable"),
    ("timed out", "silent"),
)
SENTENCES = {
    "refused": "The camera refuses this name or password for its stream.",
    "missing": "The camera answers, but has no stream at this address.",
    "unreachable": "Nothing answers at {host}. Check its power, cable and address.",
    "silent": "The camera at {host} sent no picture within {timeout_s:g} s.",
    "broken": "The camera at {host} answers, but its stream cannot be read.",
}


class StreamError(DriverError):
    """A stream was not to be had. Reasons: refused (permanent), missing, unreachable, silent, broken."""

    def __init__(self, reason: str, host: str, timeout_s: float) -> None:
        super().__init__(SENTENCES[reason].format(host=host, timeout_s=timeout_s))
        self.reason, self.permanent = reason, reason == "refused"


@dataclass(frozen=True, slots=True)
class StreamFacts:
    """What a stream carries. Codecs as ffmpeg names them (h264, hevc, pcm_alaw, aac); fps 0 when it was not told.

    `answered_s` is how long it took until the stream was understood.
    """

    codec: str
    width: int
    height: int
    fps: float
    sound: str | None = None
    sound_rate: int = 0
    answered_s: float = 0.0


def probe(url: str, user: str = "", password: str = "", timeout_s: float = 8.0) -> StreamFacts:
    """Open the stream over TCP and say what is in it. Never longer than `timeout_s`; StreamError when it fails.

    A refused password is permanent: the caller must not ask again until a person has changed something.
    """
    host = urlsplit(url).hostname or url
    entries = "stream=codec_type,codec_name,width,height,avg_frame_rate,r_frame_rate,sample_rate"
    source = Source(_bare(url), user, password, timeout_s=timeout_s)
    argv = ["ffprobe", "-hide_banner", "-v", "error", "-analyzeduration", str(int(ANALYSE_S * 1e6))]
    for name, value in INPUT.items():
        if name != "fpsprobesize":  # here the rate is asked for
            argv += [f"-{SHORT.get(name, name)}", str(value)]
    argv += ["-show_entries", entries, "-of", "json", "-i", "pipe:0"]
    began_s = time.monotonic()
    try:
        done = subprocess.run(argv, input=source.script().encode(), capture_output=True, timeout=timeout_s, check=False)
    except subprocess.TimeoutExpired:
        raise StreamError("silent", host, timeout_s) from None  # the cause would carry argv, and argv the password
    said = done.stderr.decode("utf-8", "replace")
    streams = json.loads(done.stdout or b"{}").get("streams", [])
    video = next((s for s in streams if s.get("codec_type") == "video"), None)
    if video is None:
        raise StreamError(next((reason for sign, reason in SIGNS if sign in said), "broken"), host, timeout_s)
    nothing: dict[str, Any] = {}
    sound = next((s for s in streams if s.get("codec_type") == "audio"), nothing)
    return StreamFacts(
        codec=video.get("codec_name", "unknown"),
        width=int(video.get("width", 0)),
        height=int(video.get("height", 0)),
        fps=_rate(video),
        sound=sound.get("codec_name"),
        sound_rate=int(sound.get("sample_rate", 0)),
        answered_s=round(time.monotonic() - began_s, 2),
    )


def _bare(url: str) -> str:
    """The address without a name or password that somebody wrote into it."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _rate(video: dict[str, Any]) -> float:
    """Frames a second: the measured average when it is sane, else what the stream claims."""
    for key in ("avg_frame_rate", "r_frame_rate"):
        try:
            rate = float(Fraction(video.get(key, "0/1")))
        except (ValueError, ZeroDivisionError):
            continue
        if 0 < rate <= 240:
            return round(rate, 2)
    return 0.0
