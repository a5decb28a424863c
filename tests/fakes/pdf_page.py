"""Draws what a page of a PDF of ours fills: its rectangles, as a picture, so that a reader of squares can look at it.

Only what our prints use: the content operators q, Q, cm, re, f and g/rg of PDF 32000-1, in streams that are compressed
and ASCII85. Letters are left out.
"""

from __future__ import annotations

import base64
import re
import zlib
from collections.abc import Iterator

import cv2
import numpy as np

Matrix = tuple[float, float, float, float, float, float]
Image = np.ndarray[tuple[int, ...], np.dtype[np.uint8]]
Box = tuple[float, float, float, float]
STREAM = re.compile(rb"/ASCII85Decode /FlateDecode.*?stream\r?\n(.*?)endstream", re.DOTALL)


def contents(pdf: bytes) -> list[str]:
    """What each page draws, in the order of the pages."""
    found = [zlib.decompress(base64.a85decode(b"<~" + match.strip(), adobe=True)) for match in STREAM.findall(pdf)]
    return [text.decode("latin-1") for text in found if re.search(rb"\b(re|Tj|l)\b", text)]


def squares(page: str) -> Iterator[Box]:
    """Filled rectangles of a page in points: left, low, right, high."""
    stack: list[Matrix] = []
    now: Matrix = (1, 0, 0, 1, 0, 0)
    numbers: list[float] = []
    drawn: list[Box] = []
    for word in page.split():
        if re.fullmatch(r"[-+]?\d*\.?\d+", word):
            numbers.append(float(word))
            continue
        if word == "q":
            stack.append(now)
        elif word == "Q":
            now = stack.pop()
        elif word == "cm":
            now = _after(tuple(numbers[-6:]), now)  # type: ignore[arg-type]
        elif word == "re":
            x, y, width, height = numbers[-4:]
            a, _, _, d, e, f = now
            drawn.append((a * x + e, d * y + f, a * (x + width) + e, d * (y + height) + f))
        elif word in ("f", "f*", "B", "b", "n", "S"):
            if word in ("f", "f*", "B", "b"):
                yield from drawn
            drawn = []
        numbers = []


def _after(one: Matrix, two: Matrix) -> Matrix:
    a, b, c, d, e, f = one
    g, h, i, j, k, m = two
    return (a * g + b * i, a * h + b * j, c * g + d * i, c * h + d * j, e * g + f * i + k, e * h + f * j + m)


def picture(boxes: list[Box], dots_a_module: float = 6.0) -> Image:
    """The rectangles, black on white, with a margin. A module is the least of them."""
    dots_a_point = dots_a_module / min(b[3] - b[1] for b in boxes)
    left, low = min(b[0] for b in boxes) - 20, min(b[1] for b in boxes) - 20
    right, high = max(b[2] for b in boxes) + 20, max(b[3] for b in boxes) + 20
    image = np.full((round((high - low) * dots_a_point), round((right - left) * dots_a_point)), 255, np.uint8)
    for x1, y1, x2, y2 in boxes:
        corners = [round(v * dots_a_point) for v in (x1 - left, high - y2, x2 - left, high - y1)]
        cv2.rectangle(image, (corners[0], corners[1]), (corners[2] - 1, corners[3] - 1), 0, -1)
    return image
