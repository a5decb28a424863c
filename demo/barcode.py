"""The frame counter of a virtual camera, read back from the picture.

Layout (640x360; everything scales with the picture): a black strip 40 px high along the top edge, in it 25 boxes of
24x24 px, the first at x=20, y=8. From the left:
  box 0       white   start mark
  box 1       black
  boxes 2-21  the counter, 20 bits, lowest bit first, white is 1
  box 22      parity: white when the number of white counter boxes is odd
  box 23      black
  box 24      white   end mark
The counter runs at the camera's frame rate and starts again from 0 after 1 048 575 (a day at 12 frames a second).
A picture whose marks or parity do not fit gives None: better no number than a wrong one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np
from cv2.typing import MatLike

from demo.camera_encoder import BITS, BOX_PX, FIRST_X, FIRST_Y, SIZE

WIDTH, HEIGHT = SIZE
WRAP = 1 << BITS
BOXES = BITS + 5


def read_counter(picture: MatLike) -> int | None:
    """The counter in a decoded picture (BGR or grey, any size), or None when it cannot be read without doubt."""
    grey = picture if picture.ndim == 2 else cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    scale_x, scale_y = grey.shape[1] / WIDTH, grey.shape[0] / HEIGHT
    boxes = []
    for index in range(BOXES):
        # The middle third of a box only: edges smear under compression.
        left, top = (FIRST_X + index * BOX_PX + BOX_PX / 3) * scale_x, (FIRST_Y + BOX_PX / 3) * scale_y
        right, bottom = left + BOX_PX / 3 * scale_x, top + BOX_PX / 3 * scale_y
        patch = grey[int(top) : max(int(bottom), int(top) + 1), int(left) : max(int(right), int(left) + 1)]
        level = float(np.mean(patch))
        if 96 < level < 160:  # neither black nor white
            return None
        boxes.append(level >= 160)
    bits, parity = boxes[2 : 2 + BITS], boxes[2 + BITS]
    marks = (boxes[0], boxes[1], boxes[-2], boxes[-1])
    if marks != (True, False, False, True) or parity != bool(sum(bits) % 2):
        return None
    return sum(1 << index for index, white in enumerate(bits) if white)


def counters_in(video: Path) -> Iterator[int | None]:
    """The counter of every frame of a video file, in the order shown."""
    capture = cv2.VideoCapture(str(video), cv2.CAP_FFMPEG)
    try:
        while True:
            there, picture = capture.read()
            if not there:
                return
            yield read_counter(picture)
    finally:
        capture.release()


def faults_in(counters: Iterable[int | None]) -> list[str]:
    """What is wrong with a run of counters: holes, frames shown twice, unreadable ones. Empty when each follows."""
    faults: list[str] = []
    before: int | None = None
    for position, counter in enumerate(counters):
        if counter is None:
            faults.append(f"frame {position}: counter not readable")
            continue
        if before is not None and counter != (before + 1) % WRAP:
            what = "again" if counter == before else f"after {before}"
            faults.append(f"frame {position}: counter {counter} {what}")
        before = counter
    return faults
