"""Pictures people give to the box: taken apart and made anew before they are kept, so that only the picture comes in.

PNG and JPEG are decoded and encoded again (what a camera or a phone had written into them, such as a place on earth, is
gone), SVG goes through `svg`. How large a picture is, is read before it is decoded: a few bytes can claim gigabytes.
"""

from __future__ import annotations

from dataclasses import dataclass

from appliance import svg
from appliance.model import N_, ApplianceError

LARGEST_BYTES = 10_000_000
LARGEST_SVG_BYTES = 3_000_000
LARGEST_PIXELS = 25_000_000  # decoded with transparency: 100 MB
KEPT_SIDE = 3000  # the longer side; more is not seen on any screen
PNG, JPEG, SVG = "image/png", "image/jpeg", "image/svg+xml"

UNKNOWN = N_("This is neither SVG nor PNG nor JPEG. Save the plan as one of these and choose it again.")
TOO_LARGE = N_("The file has {size_bytes}, at most {most_bytes} are taken. Save the plan smaller.")
TOO_WIDE = N_("The picture has {width} × {height} points, which is too large. Save it with at most 5000 × 5000.")
TOO_NARROW = N_("The picture has {width} × {height} points, which is no plan. Save the whole floor as one picture.")
BROKEN = N_("The picture is damaged and cannot be read. Save the plan again and choose it again.")


@dataclass(frozen=True, slots=True)
class Drawing:
    """A picture as it is kept and shown."""

    media: str
    width: float
    height: float
    data: bytes


def take_in(data: bytes) -> Drawing:
    """The picture made anew. Raises ApplianceError with what is wrong and what to do."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return _raster(data, PNG, _png_size(data))
    if data.startswith(b"\xff\xd8\xff"):
        return _raster(data, JPEG, _jpeg_size(data))
    if b"<svg" in data[:100_000] or b":svg" in data[:100_000]:
        _not_over(data, LARGEST_SVG_BYTES)
        made, width, height = svg.clean(data)
        return Drawing(SVG, width, height, made)
    raise ApplianceError(UNKNOWN)


def _not_over(data: bytes, most_bytes: int) -> None:
    if len(data) > most_bytes:
        raise ApplianceError(TOO_LARGE, size_bytes=len(data), most_bytes=most_bytes)


def _raster(data: bytes, media: str, size: tuple[int, int] | None) -> Drawing:
    _not_over(data, LARGEST_BYTES)
    if size is None:
        raise ApplianceError(BROKEN)
    width, height = size
    if width * height > LARGEST_PIXELS:
        raise ApplianceError(TOO_WIDE, width=width, height=height)
    if max(width, height) < 50 or max(width, height) > 10 * min(width, height):
        raise ApplianceError(TOO_NARROW, width=width, height=height)
    # Only who changes a plan waits for OpenCV, which takes as long to load as the pages themselves, and its memory.
    from appliance import raster

    made = raster.anew(data, jpeg=media == JPEG, longest=KEPT_SIDE)
    if made is None:
        raise ApplianceError(BROKEN)
    return Drawing(media, float(made.width), float(made.height), made.data)


def _png_size(data: bytes) -> tuple[int, int] | None:
    """Width and height from IHDR, which must be the first chunk (PNG 3, 5.6)."""
    if len(data) < 33 or data[12:16] != b"IHDR":
        return None
    return int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    """Width and height from the frame header, the largest if there are several (ITU-T T.81, B.2.2)."""
    at, found = 2, None
    while at + 9 <= len(data) and data[at] == 0xFF:
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if marker == 0xFF:  # fill byte
            at += 1
            continue
        if marker == 0xDA:  # the scan begins: nothing after it says another size
            break
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = int.from_bytes(data[at + 5 : at + 7], "big"), int.from_bytes(data[at + 7 : at + 9], "big")
            found = max(found or (0, 0), (width, height), key=lambda size: size[0] * size[1])
        at += 2 + length
    return found
