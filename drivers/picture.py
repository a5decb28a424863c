"""OpenCV facts about one picture of a camera: is there light in it, and is it sharp?

Facts only; what counts as too dark or blurred is a limit of the region profile.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from drivers.types import DriverError

WORK_WIDTH = 640  # measured at one size, so that figures of different cameras can be compared
DARK_LEVEL = 32  # of 255: a pixel below it shows nothing on a monitor


class PictureError(DriverError):
    """The bytes are no picture."""


@dataclass(frozen=True, slots=True)
class PictureFacts:
    """`brightness` and `contrast` (standard deviation) of 0-255, `dark_share` of pixels that show nothing (0-1).

    `sharpness` is the variance of the Laplacian (Pech-Pacheco 2000): near 0 for a covered lens or lost focus.
    """

    width: int
    height: int
    brightness: float
    contrast: float
    dark_share: float
    sharpness: float

    @property
    def dark(self) -> bool:
        """Nothing to see: night without light, a cap on the lens, a black frame."""
        return self.dark_share > 0.95

    @property
    def flat(self) -> bool:
        """One colour all over: covered, dazzled, or no picture behind it."""
        return self.contrast < 3.0


def facts(jpeg: bytes) -> PictureFacts:
    """Facts about one JPEG (or PNG); PictureError when it cannot be decoded."""
    picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_GRAYSCALE) if jpeg else None
    if picture is None:
        raise PictureError("The camera's picture cannot be decoded.")
    height, width = picture.shape[:2]
    small = picture
    if width > WORK_WIDTH:
        small = cv2.resize(picture, (WORK_WIDTH, max(1, height * WORK_WIDTH // width)), interpolation=cv2.INTER_AREA)
    return PictureFacts(
        width=width,
        height=height,
        brightness=round(float(np.mean(small)), 1),
        contrast=round(float(np.std(small)), 1),
        dark_share=round(float(np.mean(small < DARK_LEVEL)), 3),
        sharpness=round(float(cv2.Laplacian(small, cv2.CV_64F).var()), 1),
    )
