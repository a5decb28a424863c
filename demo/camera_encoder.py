"""The encoder of one virtual camera: one ffmpeg child that runs whether anybody watches or not.

The picture is made, drawn on and encoded live, paced by the wall clock (`-re`). The counter in the picture is the
number of the frame since the camera was switched on; demo/barcode.py has the layout of its bar code and reads it.
An ffmpeg that dies is started again, and the counter goes on where the wall clock says it should be.
Sound is encoded once, a loop of 8 s with a beep at each full second of the counter (frame 0, 12, 24 ...), and let out
along with the frames it belongs to: in step by construction, and it costs nothing.
"""

from __future__ import annotations

import io
import math
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FPS = 12
GOP = 12  # a key frame each second: the recorder's loss bound is one GOP (recording.md, C2)
SIZE = (640, 360)
BITRATE = "350k"
# The bar code of the frame counter: demo/barcode.py has its description and reads it.
BITS = 20
BOX_PX, FIRST_X, FIRST_Y, STRIP_PX = 24, 20, 8, 40
FONTS = Path("/usr/share/fonts/truetype/dejavu")
# Access unit delimiters: the encoders are told to write one before every frame, and we cut there.
AUD = {"h264": b"\x00\x00\x00\x01\x09", "h265": b"\x00\x00\x00\x01\x46\x01"}
AUD_BYTES = {"h264": 6, "h265": 7}
# What the camera can be told to see, each a filter over the ordinary picture: "still" is a room where nothing moves,
# with a sensor's noise; "frozen" is one picture again and again. The clock is burnt in after all of them and goes on.
# What loops needs no input, so -re does not pace it: realtime does.
SCENES = {
    "ordinary": "null",
    "still": "loop=loop=-1:size=1,realtime,noise=alls=3:allf=t",
    "frozen": "loop=loop=-1:size=1,realtime",
    "dark": "lutyuv=y=16+val/32",
    "covered": "gblur=sigma=60,lutyuv=y=70+val/16,noise=alls=3:allf=t",
    "turned": "hflip,vflip",
}
SOUND_RATE = {"pcma": 8000, "aac": 16000}
PCMA_CHUNK = 320  # 40 ms
LOOP_S = 8  # a whole number of pieces of either kind


@dataclass(frozen=True, slots=True)
class CameraConfig:
    """One virtual camera, as the JSON configuration has it."""

    id: str
    label: str
    codec: str
    sound: str
    user: str
    password: str
    serial: str
    clock_offset_s: float = 0.0
    quirks: tuple[str, ...] = ()  # demo/onvif_quirks.py

    @classmethod
    def read(cls, raw: dict[str, Any]) -> CameraConfig:
        """Take one entry of the file; an unknown key, codec or sound is refused."""
        config = cls(**{**raw, "quirks": tuple(raw.get("quirks", ()))})
        if not config.id.replace("-", "").replace("_", "").isalnum():
            raise ValueError(f"camera {config.id!r}: an id is letters, digits, - and _")
        if config.codec not in AUD or config.sound not in (*SOUND_RATE, "none"):
            raise ValueError(f"camera {config.id}: codec is h264 or h265, sound is pcma, aac or none")
        return config


@dataclass(frozen=True, slots=True)
class Piece:
    """An encoded frame of video (`number` counts frames) or a piece of sound, with when it happened (monotonic)."""

    kind: str
    data: bytes
    at_s: float
    duration_s: float
    key: bool = True
    number: int = 0


class Encoder:
    """Runs ffmpeg for one camera and hands every piece to `on_piece`, from a thread of its own."""

    def __init__(self, config: CameraConfig, folder: Path, zone: str, on_piece: Callable[[Piece], None]) -> None:
        self.config = config
        self.snapshot = folder / f"{config.id}.jpg"
        self.pid = 0
        self.number = -1
        self.scene = "ordinary"
        self._folder, self._zone, self._on_piece = folder, zone, on_piece
        self._sound = Sound(config.sound)
        self._began_s = time.monotonic()
        self._stopping = threading.Event()
        self._child: subprocess.Popen[bytes] | None = None
        # The thread that starts ffmpeg must outlive it: the parent-death signal follows the thread, not the process.
        self._thread = threading.Thread(target=self._run, name=f"encoder-{config.id}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def see(self, scene: str) -> None:
        """Show something else from now on. The encoder starts anew: about a second is missing."""
        if scene not in SCENES:
            raise ValueError(f"no scene {scene}")
        self.scene = scene
        if self._child is not None:
            self._child.kill()

    def stop(self) -> None:
        """End ffmpeg and wait for the threads."""
        self._stopping.set()
        if self._child is not None:
            self._child.kill()
        self._thread.join(5)

    def _run(self) -> None:
        first = 0
        while not self._stopping.is_set():
            self._run_once(first)
            self._stopping.wait(0.5)
            first = max(self.number + 1, int((time.monotonic() - self._began_s) * FPS))

    def _run_once(self, first: int) -> None:
        self._child = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *self._argv(first)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            env=dict(os.environ, TZ=self._zone),
            cwd=self._folder,  # so that no path has to be quoted for a filter
        )
        self.pid = self._child.pid
        origin_s = float("inf")
        with self._child.stdout or io.BytesIO() as stream:
            for number, unit in enumerate(access_units(stream, self.config.codec), first):
                # Frame 0 is as early as the arrival of any frame allows; the guess gets better by milliseconds.
                origin_s = min(origin_s, time.monotonic() - number / FPS)
                self.number = number
                at_s = origin_s + number / FPS
                self._on_piece(Piece("video", unit, at_s, 1 / FPS, is_key(unit, self.config.codec), number))
                for piece in self._sound.during(number, origin_s):
                    self._on_piece(piece)
        status = self._child.wait()
        if not self._stopping.is_set():
            print(f"camera {self.config.id}: its ffmpeg ended with {status}, starting it again", file=sys.stderr)

    def _argv(self, first: int) -> list[str]:
        argv = ["ffmpeg", "-nostdin", "-hide_banner", "-loglevel", "error", "-y"]
        argv += ["-re", "-f", "lavfi", "-i", f"testsrc2=s={SIZE[0]}x{SIZE[1]}:r={FPS}"]
        argv += ["-filter_complex", self._filters(first), "-map", "[main]", *_video_options(self.config.codec)]
        argv += ["-flush_packets", "1", "-f", {"h264": "h264", "h265": "hevc"}[self.config.codec], "pipe:1"]
        argv += ["-map", "[still]", "-fps_mode", "passthrough", "-c:v", "mjpeg", "-q:v", "4"]
        argv += ["-update", "1", "-atomic_writing", "1", "-f", "image2", self.snapshot.name]
        return argv

    def _filters(self, first: int) -> str:
        """Bar code, room, clock and counter. Texts go through files: no quoting to get wrong."""
        room, clock = f"{self.config.id}.room.txt", f"{self.config.id}.clock.txt"
        (self._folder / room).write_text(self.config.label, encoding="utf-8")
        (self._folder / clock).write_text(f"%{{localtime:%d.%m.%Y %T %z}}  %{{eif:n+{first}:d}}", encoding="utf-8")
        box = "fontcolor=white:box=1:boxcolor=black@0.6:boxborderw=4"
        drawing = [
            *_barcode(first),
            f"drawtext=fontfile={FONTS}/DejaVuSans.ttf:textfile={room}:expansion=none:x=16:y=54:fontsize=26:{box}",
            f"drawtext=fontfile={FONTS}/DejaVuSansMono.ttf:textfile={clock}:x=16:y=326:fontsize=20:{box}",
            "format=yuv420p",
        ]
        seen = f"[0:v]{SCENES[self.scene]},{','.join(drawing)}"
        return f"{seen},split=2[main][copy];[copy]select='not(mod(n,{FPS}))'[still]"


class Sound:
    """A loop of encoded sound, let out in step with the frame counter."""

    def __init__(self, kind: str) -> None:
        self._loop = _sound_loop(kind)
        self._piece_s = LOOP_S / len(self._loop) if self._loop else 1.0

    def during(self, number: int, origin_s: float) -> Iterator[Piece]:
        """The pieces that begin while frame `number` is shown; origin_s is when frame 0 was."""
        if not self._loop:
            return
        begin, end = (math.ceil(frame / FPS / self._piece_s - 1e-9) for frame in (number, number + 1))
        for index in range(begin, end):
            data = self._loop[index % len(self._loop)]
            yield Piece("sound", data, origin_s + index * self._piece_s, self._piece_s)


def _sound_loop(kind: str) -> list[bytes]:
    """The loop's pieces: 200 of A-law, 125 frames of AAC; both make exactly 8 s."""
    if kind == "none":
        return []
    coder = {"pcma": ["-c:a", "pcm_alaw", "-f", "alaw"], "aac": ["-c:a", "aac", "-b:a", "24k", "-f", "adts"]}[kind]
    argv = ["ffmpeg", "-nostdin", "-v", "error", "-f", "lavfi", "-i", f"sine=f=330:beep_factor=4:r={SOUND_RATE[kind]}"]
    made = subprocess.run([*argv, "-t", str(LOOP_S + 1), *coder, "pipe:1"], capture_output=True, check=True, timeout=20)
    if kind == "pcma":
        return [made.stdout[at : at + PCMA_CHUNK] for at in range(0, LOOP_S * 8000, PCMA_CHUNK)]
    return list(adts_frames(io.BytesIO(made.stdout)))[1:126]  # the first is the encoder's priming


def _video_options(codec: str) -> list[str]:
    rate = ["-b:v", BITRATE, "-maxrate", BITRATE, "-bufsize", BITRATE]
    if codec == "h264":
        gop = ["-g", str(GOP), "-keyint_min", str(GOP), "-sc_threshold", "0", "-bf", "0", "-threads", "1"]
        params = ["-x264-params", "aud=1:repeat-headers=1"]
        return ["-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", *gop, *params, *rate]
    params = [
        "-x265-params",
        f"keyint={GOP}:min-keyint={GOP}:scenecut=0:bframes=0:open-gop=0:aud=1:repeat-headers=1"
        ":pools=none:frame-threads=1:log-level=error",
    ]
    return ["-c:v", "libx265", "-preset", "ultrafast", "-tune", "zerolatency", *params, *rate]


def _barcode(first: int) -> Iterator[str]:
    """The counter's boxes as drawbox filters, each with the frames on which it is white."""
    yield f"drawbox=x=0:y=0:w={SIZE[0]}:h={STRIP_PX}:color=black:t=fill"
    bits = [f"mod(floor((n+{first})/{1 << bit}),2)" for bit in range(BITS)]
    white = {0: "1", **dict(enumerate(bits, 2)), BITS + 2: f"mod({'+'.join(bits)},2)", BITS + 4: "1"}
    for index, condition in white.items():
        place = f"x={FIRST_X + index * BOX_PX}:y={FIRST_Y}:w={BOX_PX}:h={BOX_PX}"
        yield f"drawbox={place}:color=white:t=fill:enable='{condition}'"


def access_units(stream: Any, codec: str) -> Iterator[bytes]:
    """Cut an Annex B stream at its access unit delimiters; the delimiters themselves are dropped.

    A unit is known to be whole when the next one begins, so everything is one frame (83 ms) late.
    """
    mark, skip = AUD[codec], AUD_BYTES[codec]
    held = b""
    while data := stream.read1(1 << 16):
        searched = max(0, len(held) - len(mark))
        held += data
        while (cut := held.find(mark, max(searched, 1))) > 0:
            if held.startswith(mark):
                yield held[skip:cut]
            held = held[cut:]
            searched = 0


def is_key(unit: bytes, codec: str) -> bool:
    """Whether a unit begins with parameter sets, which the encoders repeat before every key frame and only there."""
    at = unit.find(b"\x00\x00\x01") + 3
    if codec == "h264":
        return unit[at] & 0x1F == 7  # SPS
    return unit[at] >> 1 & 0x3F == 32  # VPS


def adts_frames(stream: Any) -> Iterator[bytes]:
    """Raw AAC frames out of ADTS (ISO 13818-7, 6.2); ffmpeg writes the 7 byte header, without a CRC."""
    while len(header := stream.read(7)) == 7:
        length = (header[3] & 3) << 11 | header[4] << 3 | header[5] >> 5
        yield stream.read(length - 7)
