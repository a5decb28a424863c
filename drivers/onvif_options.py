"""What a camera's encoder may be set to, and the nearest of it to what is wanted. Pure functions over an answer.

Media1 says it as elements a codec, with H.264 also in an extension; Media2 as one Options element a codec, with lists
in attributes. Some cameras of either kind write the one's form in the other's answer: both are read in both.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from drivers.onvif_reply import codec_name, every, first, local, number, text
from drivers.types import StreamProfile

CODECS = ("H264", "H265", "JPEG", "MPEG4")


@dataclass(frozen=True, slots=True)
class Stream:
    """An encoder's setting; as a wish, 0 or "" means: as it is. gop: frames from one key frame to the next."""

    codec: str = ""
    width: int = 0
    height: int = 0
    fps: float = 0.0
    gop: int = 0
    bit_rate_kbps: int = 0

    def over(self, now: Stream) -> Stream:
        """The wish, with what it leaves out as it is now. A new codec or rate keeps the seconds between key frames."""
        gop = self.gop or (round(now.gop * self.fps / now.fps) if self.fps and now.fps else now.gop)
        return Stream(
            self.codec or now.codec,
            self.width or now.width,
            self.height or now.height,
            self.fps or now.fps,
            gop,
            self.bit_rate_kbps or now.bit_rate_kbps,
        )

    def said(self) -> str:
        return f"{self.codec} {self.width}x{self.height}, {self.fps:g} fps, GOP {self.gop}, {self.bit_rate_kbps} kbit/s"


@dataclass(frozen=True, slots=True)
class Allowed:
    """What one codec may be set to; nothing in a list means that the camera does not say."""

    codec: str
    sizes: tuple[tuple[int, int], ...] = ()
    rates: tuple[float, ...] = ()
    rate_span: tuple[float, float] | None = None
    gop_span: tuple[int, int] | None = None
    bit_rate_span_kbps: tuple[int, int] | None = None


def stream_in(configuration: Any) -> Stream:
    """The setting in an encoder's configuration, of Media1 or Media2."""
    gov = number(first(configuration, "GovLength"))
    if not gov:
        said = configuration.get("GovLength") or ""
        gov = float(said) if said.isdigit() else 0
    return Stream(
        codec_name(text(first(configuration, "Encoding"))),
        int(number(first(configuration, "Width"))),
        int(number(first(configuration, "Height"))),
        number(first(configuration, "FrameRateLimit")),
        int(gov),
        int(number(first(configuration, "BitrateLimit"))),
    )


def allowed_in(answer: Any, media2: bool, now: Stream) -> dict[str, Allowed]:
    """Codec to what it may be set to; the present codec is always there."""
    found: dict[str, Allowed] = {}
    for each in every(answer, "Options"):
        if media2 and first(each, "Encoding") is not None:
            one = _allowed(codec_name(text(first(each, "Encoding"))), each)
            found[one.codec] = one
    for name in CODECS:
        for each in every(answer, name):  # twice for H264 in Media1: in the extension with its bit rates
            one = _allowed(name, each)
            found[name] = _joined(found[name], one) if name in found else one
    found.setdefault(now.codec, Allowed(now.codec))
    return found


def nearest(wanted: Stream, allowed: dict[str, Allowed]) -> tuple[Stream, list[str]]:
    """The setting nearest to what is wanted, and what differs, in words."""
    notes: list[str] = []
    codec = wanted.codec if wanted.codec in allowed else next(iter(allowed))
    if codec != wanted.codec:
        notes.append(f"The camera has no {wanted.codec}.")
    may = allowed[codec]
    width, height = wanted.width, wanted.height
    if may.sizes and (width, height) not in may.sizes:
        area = width * height
        width, height = min(may.sizes, key=lambda size: (abs(size[0] * size[1] - area), abs(size[0] - width)))
        notes.append(f"The nearest size the camera has is {width}x{height}.")
    fps = wanted.fps
    if may.rates and all(abs(rate - fps) > 0.01 for rate in may.rates):
        fps = min(may.rates, key=lambda rate: abs(rate - wanted.fps))
    if may.rate_span is not None:
        fps = min(max(fps, may.rate_span[0]), may.rate_span[1])
    if fps != wanted.fps:
        notes.append(f"The nearest rate the camera has is {fps:g} frames a second.")
    gop = _within(wanted.gop, may.gop_span, notes, "The camera allows {value} frames between key frames.")
    rate = _within(wanted.bit_rate_kbps, may.bit_rate_span_kbps, notes, "The camera allows {value} kbit/s.")
    return replace(wanted, codec=codec, width=width, height=height, fps=fps, gop=gop, bit_rate_kbps=rate), notes


def as_stream(profile: StreamProfile) -> Stream:
    """The setting a profile has."""
    return Stream(
        profile.codec, profile.width, profile.height, profile.fps, profile.gop, profile.bit_rate_kbps
    )


def _within(value: int, span: tuple[int, int] | None, notes: list[str], sentence: str) -> int:
    if span is None or not value or span[0] <= value <= span[1]:
        return value
    found = min(max(value, span[0]), span[1])
    notes.append(sentence.format(value=found))
    return found


def _allowed(codec: str, each: Any) -> Allowed:
    available = every(each, "ResolutionsAvailable")
    sizes = ((int(number(first(size, "Width"))), int(number(first(size, "Height")))) for size in available)
    gop, rates = _span(each, "GovLengthRange"), _list(each, "FrameRatesSupported")
    bits = _span(each, "BitrateRange")
    return Allowed(
        codec,
        tuple(size for size in sizes if all(size)),
        tuple(rates),
        _span(each, "FrameRateRange"),
        (int(gop[0]), int(gop[1])) if gop else None,
        (int(bits[0]), int(bits[1])) if bits else None,
    )


def _joined(one: Allowed, other: Allowed) -> Allowed:
    return Allowed(
        one.codec,
        one.sizes or other.sizes,
        one.rates or other.rates,
        one.rate_span or other.rate_span,
        one.gop_span or other.gop_span,
        one.bit_rate_span_kbps or other.bit_rate_span_kbps,
    )


def _span(each: Any, name: str) -> tuple[float, float] | None:
    """Smallest and largest: as <Min> and <Max>, or as numbers in an attribute or in the text."""
    node = first(each, name)
    if node is not None and first(node, "Max") is not None:
        low, high = number(first(node, "Min")), number(first(node, "Max"))
    else:
        numbers = _list(each, name)
        if not numbers:
            return None
        low, high = min(numbers), max(numbers)
    return (low, high) if 0 <= low <= high and high > 0 else None


def _list(each: Any, name: str) -> list[float]:
    node = first(each, name)
    attribute = next((value for key, value in each.attrib.items() if key.rpartition("}")[2] == name), "")
    nodes = [text(item) for item in node if local(item)] if node is not None else []
    return list(_numbers([attribute, text(node), *nodes]))


def _numbers(said: Iterable[str]) -> Iterable[float]:
    for word in " ".join(said).replace(",", " ").split():
        try:
            value = float(word)
        except ValueError:
            continue  # a unit or a name among them
        if 0 < value < 1e9:
            yield value
