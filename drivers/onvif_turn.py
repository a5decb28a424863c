"""Turns an ONVIF camera for a while (continuous move), and sees to it that it stops.

Cameras go on although a Timeout was given, others refuse one (onvif.md, row 27): the time is kept here, and Stop is
sent until it was taken.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from drivers import onvif_parts as parts
from drivers.onvif import Camera
from drivers.onvif_reply import PTZ, CameraError
from drivers.onvif_spaces import TURNING, ZOOMING, sent

MOST_S = 10.0  # a person holds a button; nobody turns a camera for longer at one go
STOPS = 4
AGAIN_S = 0.3


def turn(
    camera: Camera, profile: str, pan: float, tilt: float, zoom: float, for_s: float,
    *, wait: Callable[[float], object] = time.sleep,
) -> None:  # fmt: skip
    """Turn at these speeds (-1 to 1) for so long, then stop. Raises CameraError; also then Stop was tried."""
    for_s = min(max(for_s, 0.0), MOST_S)
    ranges = next((node.ranges for node in parts.nodes(camera)), ())
    speed = {"PanTilt": sent(ranges, TURNING, pan, tilt), "Zoom": sent(ranges, ZOOMING, zoom)}
    try:
        try:
            camera.ask(PTZ, "ContinuousMove", ProfileToken=profile, Velocity=speed, Timeout=f"PT{for_s + 1:g}S")
        except CameraError as error:
            if error.permanent or error.reason != "fault":
                raise
            camera.note(f"The camera turns only without a time limit; it is kept here. {error}")
            camera.ask(PTZ, "ContinuousMove", ProfileToken=profile, Velocity=speed)
        wait(for_s)
    finally:
        stop(camera, profile, wait=wait)


def stop(camera: Camera, profile: str, *, wait: Callable[[float], object] = time.sleep) -> None:
    """Stop turning: both movements named, then without naming them, as some only take it so. Raises CameraError."""
    refusal: CameraError | None = None
    for attempt in range(STOPS):
        named: dict[str, Any] = {} if attempt % 2 else {"PanTilt": True, "Zoom": True}
        try:
            camera.ask(PTZ, "Stop", ProfileToken=profile, **named)
        except CameraError as error:
            if error.permanent:
                raise
            refusal = error
            wait(AGAIN_S)
        else:
            return
    raise refusal or CameraError("fault", "The camera does not stop.")
