"""A look at a camera's newest key frames, decoded small and grey by one short ffmpeg, and what can be told from them.

A process for each look, not a decoder in ours: what a damaged stream does to it is over with it, and no memory stays.
Facts only; what counts as dark, covered or turned is a limit of the region profile.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivers.types import DriverError

WIDTH, HEIGHT = 160, 90
DARK_LEVEL = 32  # of 255: a pixel below it shows nothing on a monitor
TIMEOUT_S = 20.0
SHIFT = 3  # pixels a camera may shake without being turned: 2 % of the picture

Grey = NDArray[np.uint8]
Plane = NDArray[np.floating[Any]]


class LookError(DriverError):
    """The key frame cannot be decoded."""


@dataclass(frozen=True, slots=True)
class Facts:
    """About one picture. `sharpness` is the variance of the Laplacian of the picture without its noise.

    `digest` is of every pixel that was looked at: equal digests are equal pictures.
    """

    brightness: float
    contrast: float
    dark_share: float
    sharpness: float
    digest: bytes


def decode(data: bytes) -> list[Grey]:
    """Every key frame in the bytes of a film (MP4, or one JPEG), small and grey. Raises LookError if there is none."""
    argv = ["setpriv", "--pdeathsig", "KILL", "ffmpeg", "-hide_banner", "-v", "error", "-threads", "1",
            "-skip_frame", "nokey", "-i", "pipe:0", "-map", "0:v:0", "-fps_mode", "passthrough",
            "-vf", f"scale={WIDTH}:{HEIGHT}:flags=area,format=gray", "-f", "rawvideo", "pipe:1"]  # fmt: skip
    environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8"}
    try:
        done = subprocess.run(argv, input=data, capture_output=True, timeout=TIMEOUT_S, env=environment)
    except subprocess.TimeoutExpired as late:
        raise LookError(f"no key frame was decoded within {TIMEOUT_S:.0f} s") from late
    size = WIDTH * HEIGHT
    if len(done.stdout) < size:
        raise LookError(done.stderr.decode(errors="replace").strip()[-200:] or "there is no key frame in it")
    pictures = np.frombuffer(done.stdout, np.uint8)[: len(done.stdout) // size * size].reshape(-1, HEIGHT, WIDTH)
    return list(pictures)


def without_clock(picture: Grey, top: float, bottom: float) -> Grey:
    """The picture without the rows that may carry a burnt-in clock: in a frozen picture it goes on."""
    return picture[round(HEIGHT * top) : HEIGHT - round(HEIGHT * bottom)]


def facts(picture: Grey) -> Facts:
    """What one picture is like."""
    smooth = _blurred(picture.astype(np.float32), 1)  # noise is no sharpness
    laplace = smooth[:-2, 1:-1] + smooth[2:, 1:-1] + smooth[1:-1, :-2] + smooth[1:-1, 2:] - 4 * smooth[1:-1, 1:-1]
    return Facts(
        brightness=float(picture.mean()), contrast=float(picture.std()), sharpness=float(laplace.var()),
        dark_share=float((picture < DARK_LEVEL).mean()), digest=hashlib.sha256(picture.tobytes()).digest(),
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


def repeated(one: Sequence[Facts], other: Sequence[Facts]) -> bool:
    """Whether a picture of the one is, pixel by pixel, one of the other.

    Of several: a still camera's encoder codes the same picture now finer, now coarser, in a handful of ways that come
    again. Of a room where nothing moves no two are equal: a sensor has noise.
    """
    return not {facts.digest for facts in one}.isdisjoint(facts.digest for facts in other)


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
