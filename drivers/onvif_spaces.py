"""The spaces an ONVIF camera counts its turning in, and ours: generic, from -1 to 1 (zoom from 0 to 1).

A camera offers generic spaces, spherical degrees, or spaces of its own, each with its ends (ONVIF PTZ, 5.1). Views and
speeds are kept in the generic one. It is sent as it is where a camera has it; else it is stretched to the ends of the
first space the camera offers, and that space is named. What a camera tells is turned back the same way.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from drivers import onvif_reply as reply
from drivers.onvif_reply import first, local, text
from drivers.types import PtzSpace

Span = tuple[float, float]

TURNED, ZOOMED = "AbsolutePanTiltPositionSpace", "AbsoluteZoomPositionSpace"
TURNING, ZOOMING = "ContinuousPanTiltVelocitySpace", "ContinuousZoomVelocitySpace"
UNIT, ZOOM_UNIT = (-1.0, 1.0), (0.0, 1.0)
BEYOND = 1.01  # rounding
DEGREES = "SphericalPositionSpaceDegrees"


def spaces_in(node: Any) -> tuple[PtzSpace, ...]:
    """Every space of a PTZ node, with its ends; one whose ends make no sense is left out."""
    found = []
    for listed in first(node, "SupportedPTZSpaces") if first(node, "SupportedPTZSpaces") is not None else ():
        uri, x = text(first(listed, "URI")), _span(first(listed, "XRange"))
        if uri and x is not None:
            found.append(PtzSpace(local(listed), uri, x, _span(first(listed, "YRange"))))
    return tuple(found)


def sent(spaces: Sequence[PtzSpace], kind: str, *generic: float) -> dict[str, str]:
    """The attributes that say generic numbers in a space of this kind that the camera has."""
    offered = [space for space in spaces if space.kind == kind]
    chosen = next(filter(_is_generic, offered), None) or next(iter(offered), None)
    if chosen is None or (_is_generic(chosen) and len(offered) == 1):
        return _said(generic)  # its only one, or it does not tell: naming a space is what some refuse
    whole = ZOOM_UNIT if kind == ZOOMED else UNIT
    stretched = [onto(number, whole, ends) for number, ends in zip(generic, _ends(chosen), strict=False)]
    return {**_said(generic if _is_generic(chosen) else stretched), "space": chosen.uri}


def in_degrees(spaces: Sequence[PtzSpace]) -> PtzSpace | None:
    """The spherical space of positions, when the camera has it."""
    return next((space for space in spaces if space.kind == TURNED and space.uri.endswith(DEGREES)), None)


def heard(spaces: Sequence[PtzSpace], kind: str, element: Any) -> tuple[float, ...]:
    """A position the camera told, in the generic space; as it stands when nothing is known of the camera's own."""
    numbers = tuple(_float(element.get(axis)) for axis in ("x", "y") if element.get(axis) is not None)
    offered, named = [space for space in spaces if space.kind == kind], element.get("space") or ""
    known = next((space for space in offered if named and space.uri.rstrip("/") == named.rstrip("/")), None)
    own = [space for space in offered if not _is_generic(space)]
    if not named and own and (len(own) == len(offered) or any(abs(number) > BEYOND for number in numbers)):
        known = own[0]  # it does not say which, and these are no numbers of the generic one
    if known is None or _is_generic(known):
        return numbers
    whole = ZOOM_UNIT if kind == ZOOMED else UNIT
    return tuple(onto(number, ends, whole) for number, ends in zip(numbers, _ends(known), strict=False))


def onto(number: float, from_: Span, to: Span) -> float:
    """The same place between other ends; never beyond them."""
    share = (number - from_[0]) / (from_[1] - from_[0])
    return to[0] + min(max(share, 0.0), 1.0) * (to[1] - to[0])


def _is_generic(space: PtzSpace) -> bool:
    return "Generic" in space.uri.rpartition("/")[2]


def _ends(space: PtzSpace) -> Iterator[Span]:
    return iter((space.x, space.y or space.x))


def _said(numbers: Sequence[float]) -> dict[str, str]:
    return {axis: f"{number:.6g}" for axis, number in zip("xy", numbers, strict=False)}


def _span(element: Any) -> Span | None:
    low, high = reply.number(first(element, "Min")), reply.number(first(element, "Max"))
    return (low, high) if element is not None and low < high else None


def _float(said: str) -> float:
    try:
        found = float(said or 0)
    except ValueError:
        return 0.0
    return found if math.isfinite(found) else 0.0
