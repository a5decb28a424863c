"""A look at a camera's newest key frames, decoded small and grey by one short ffmpeg, and what can be told from them.

A process for each look, not a decoder in ours: what a damaged stream does to it is over with it, and no memory stays.
Facts only; what counts as dark, covered or turned is a limit of the region profile.
"""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivers.types import DriverError

WIDTH, HEIGHT = 160, 90
JPEG_WIDTH = 640
TILE_WIDTH, TILE_HEIGHT = 8, 6
MOVED_LEVELS = 2.0  # of 255, on the mean over the picture: a good sensor's noise, this small, is below 1
DARK_LEVEL = 32  # of 255: a pixel below it shows nothing on a monitor
TIMEOUT_S = 20.0
SHIFT = 3  # pixels a camera may shake without being turned: 2 % of the picture

Grey = NDArray[np.uint8]
Plane = NDArray[np.floating[Any]]


class LookError(DriverError):
    """The key frame cannot be decoded."""


@dataclass(frozen=True, slots=True)
class Facts:
    """About one picture. `contrast` is half the span of the middle 90 % of its pixels.

    `sharpness` is the variance of the Laplacian, without the noise, that a fifth of its tiles have at least: a title
    burnt into a covered picture is sharp, but it is small.
    """

    brightness: float
    contrast: float
    dark_share: float
    sharpness: float


def decode(data: bytes) -> list[Grey]:
    """Every key frame in the bytes of a film (MP4, or one JPEG), small and grey. Raises LookError if there is none."""
    size = WIDTH * HEIGHT
    found = _decoded(data, size, "-fps_mode", "passthrough", "-vf",
                     f"scale={WIDTH}:{HEIGHT}:flags=area,format=gray", "-f", "rawvideo")  # fmt: skip
    pictures = np.frombuffer(found, np.uint8)[: len(found) // size * size].reshape(-1, HEIGHT, WIDTH)
    return list(pictures)


def jpeg(data: bytes) -> bytes:
    """The first key frame of a film as a JPEG for a page, at most `JPEG_WIDTH` wide. Raises LookError."""
    return _decoded(data, 100, "-frames:v", "1", "-vf", f"scale='min({JPEG_WIDTH},iw)':-2,format=yuvj420p",
                    "-c:v", "mjpeg", "-q:v", "5", "-f", "image2pipe")  # fmt: skip


def _decoded(data: bytes, least_bytes: int, *how: str) -> bytes:
    """What one short ffmpeg makes of the film's key frames."""
    argv = ["setpriv", "--pdeathsig", "KILL", "ffmpeg", "-hide_banner", "-v", "error", "-threads", "1",
            "-skip_frame", "nokey", "-i", "pipe:0", "-map", "0:v:0", *how, "pipe:1"]  # fmt: skip
    environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8"}
    try:
        done = subprocess.run(argv, input=data, capture_output=True, timeout=TIMEOUT_S, env=environment)
    except subprocess.TimeoutExpired as late:
        raise LookError(f"no key frame was decoded within {TIMEOUT_S:.0f} s") from late
    if len(done.stdout) < least_bytes:
        raise LookError(done.stderr.decode(errors="replace").strip()[-200:] or "there is no key frame in it")
    return done.stdout


def without_clock(picture: Grey, top: float, bottom: float) -> Grey:
    """The picture without the rows that may carry a burnt-in clock: in a frozen picture it goes on."""
    return picture[round(HEIGHT * top) : HEIGHT - round(HEIGHT * bottom)]


def facts(picture: Grey) -> Facts:
    """What one picture is like."""
    smooth = _blurred(picture.astype(np.float32), 1)  # noise is no sharpness
    laplace = smooth[:-2, 1:-1] + smooth[2:, 1:-1] + smooth[1:-1, :-2] + smooth[1:-1, 2:] - 4 * smooth[1:-1, 1:-1]
    return Facts(
        brightness=float(picture.mean()), contrast=float(np.subtract(*np.percentile(picture, (95, 5)))) / 2,
        sharpness=float(np.percentile(_tiles(laplace).var(axis=(1, 3)), 80)),
        dark_share=float((picture < DARK_LEVEL).mean()),
    )  # fmt: skip


def likeness(one: Grey, other: Grey) -> float:
    """How alike the edges of two pictures are, 1 for the same view and near 0 for another; light does not matter.

    Correlation of the gradients' lengths, softened, at the best shift within `SHIFT`: who walks through a room changes
    a part of its edges, who turns the camera changes all.
    """
    first, second = _edges(one), _edges(other)
    inner = first[SHIFT:-SHIFT, SHIFT:-SHIFT]
    height, width = inner.shape
    return max(_correlation(inner, second[y : y + height, x : x + width])
               for y in range(2 * SHIFT + 1) for x in range(2 * SHIFT + 1))  # fmt: skip


def same_share(one: Grey, other: Grey) -> float:
    """The share of tiles in which not one pixel differs.

    Not all need be the same in a frozen picture: its burnt-in clock goes on, and what an encoder predicts from the
    clock trickles into tiles around it. In a room where nothing moves fewer are: a sensor has noise.
    """
    return float(_tiles(one == other).all(axis=(1, 3)).mean())


def moved(one: Grey, other: Grey) -> bool:
    """Whether more has changed than noise does."""
    return float(np.abs(one.astype(np.int16) - other).mean()) > MOVED_LEVELS


def _tiles(plane: NDArray[Any]) -> NDArray[Any]:
    """The plane as rows of tiles; what makes no whole tile is left out."""
    height, width = plane.shape[0] // TILE_HEIGHT, plane.shape[1] // TILE_WIDTH
    whole = plane[: height * TILE_HEIGHT, : width * TILE_WIDTH]
    return whole.reshape(height, TILE_HEIGHT, width, TILE_WIDTH)


def _edges(picture: Grey) -> Plane:
    smooth = _blurred(picture.astype(np.float32), 1)
    down, right = smooth[2:, 1:-1] - smooth[:-2, 1:-1], smooth[1:-1, 2:] - smooth[1:-1, :-2]
    return _blurred(np.sqrt(np.hypot(down, right)), 2)  # the root: one bright window must not outweigh the room


def _blurred(plane: Plane, radius: int) -> Plane:
    """The mean of each pixel's neighbourhood; the border keeps its nearest."""
    for axis in (0, 1):
        padded = np.pad(plane, [(radius, radius) if a == axis else (0, 0) for a in (0, 1)], mode="edge")
        length = plane.shape[axis]
        parts = [np.take(padded, range(at, at + length), axis=axis) for at in range(2 * radius + 1)]
        plane = np.mean(parts, axis=0)
    return plane


def _correlation(one: Plane, other: Plane) -> float:
    first, second = one - one.mean(), other - other.mean()
    scale = float(np.sqrt((first**2).sum() * (second**2).sum()))
    return float((first * second).sum()) / scale if scale > 0 else 0.0
