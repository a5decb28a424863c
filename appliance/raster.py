"""A picture of points made anew: decoded, smaller, on white paper, encoded. What else it carried is gone."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Raster:
    """PNG or JPEG, and its size in points."""

    data: bytes
    width: int
    height: int


def anew(data: bytes, *, jpeg: bool, longest: int) -> Raster | None:
    """The picture, its longer side at most so long; None when it cannot be read."""
    found = _decoded(data, jpeg)
    if found is None:
        return None
    picture = _on_paper(_smaller(found, longest))
    options = [cv2.IMWRITE_JPEG_QUALITY, 88] if jpeg else [cv2.IMWRITE_PNG_COMPRESSION, 9]
    done, made = cv2.imencode(".jpg" if jpeg else ".png", picture, options)
    return Raster(made.tobytes(), picture.shape[1], picture.shape[0]) if done else None


def _decoded(data: bytes, jpeg: bool) -> NDArray[np.uint8] | None:
    """Eight bits a colour; a JPEG turned as its camera says."""
    try:
        found = cv2.imdecode(np.frombuffer(data, np.uint8),
                             cv2.IMREAD_COLOR if jpeg else cv2.IMREAD_UNCHANGED)  # fmt: skip
    except cv2.error:
        found = None
    if found is None:
        return None
    return np.asarray(found // 257 if found.dtype == np.uint16 else found, np.uint8)


def _smaller(picture: NDArray[np.uint8], longest: int) -> NDArray[np.uint8]:
    longer = max(picture.shape[:2])
    if longer <= longest:
        return picture
    share = longest / longer
    return np.asarray(cv2.resize(picture, None, fx=share, fy=share, interpolation=cv2.INTER_AREA), np.uint8)


def _on_paper(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """What is transparent is white paper."""
    if picture.ndim != 3 or picture.shape[2] != 4:
        return picture
    alpha = picture[:, :, 3:].astype(np.uint16)
    return np.asarray((picture[:, :, :3] * alpha + 255 * (255 - alpha)) // 255, np.uint8)
