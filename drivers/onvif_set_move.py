"""Turns an ONVIF camera: presets and home, gone to and set, and a view by its numbers.

Whether it has arrived is judged by where it says it looks, within a time of our own: MoveStatus is not believed, some
never change it (onvif.md, row 28). A camera that does not tell where it looks is believed, and that is said.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from drivers import onvif_parts as parts
from drivers.onvif import Camera
from drivers.onvif_read_back import Wait, changed, gone
from drivers.onvif_reply import PTZ, CameraError, every, first
from drivers.onvif_spaces import TURNED, UNIT, ZOOMED, heard, in_degrees, onto, sent
from drivers.types import Preset, PtzSpace, SetResult

ARRIVE_S = 15.0  # slow domes take so long for half a turn
LOOK_S = 0.5
NEAR = 0.02  # in ONVIF's generic space from -1 to 1
UNTOLD = "The camera does not tell where it looks; whether it turned is to be seen in its picture."

NO_DEGREES = "The camera does not count in degrees."

View = tuple[float, float, float]  # pan, tilt, zoom in the generic space (drivers/onvif_spaces.py)


def view(camera: Camera, profile: str = "") -> View | None:
    """Where the camera looks now, None when it does not tell."""
    try:
        position = first(camera.ask(PTZ, "GetStatus", ProfileToken=profile or _profile(camera)), "Position")
    except CameraError as error:
        if gone(error):
            raise
        return None
    return _view_in(position, _ranges(camera))


def goto_preset(
    camera: Camera, preset: str, *, profile: str = "", arrive_s: float = ARRIVE_S, wait: Wait = time.sleep
) -> SetResult:
    """Turn to a preset, by its token or its name."""
    token = profile or _profile(camera)
    presets = _presets(camera, token)
    found = next((one for one in presets if preset in (one.token, one.name)), None)
    if found is None:
        named = ", ".join(one.name for one in presets)
        return SetResult(preset, "", False, f"The camera has no preset {preset}. It has: {named or 'none'}.")

    def go() -> None:
        camera.ask(PTZ, "GotoPreset", ProfileToken=token, PresetToken=found.token)

    return _turned(camera, token, found.name, go, _preset_view(camera, token, found.token), arrive_s, wait)


def goto_home(camera: Camera, *, profile: str = "", arrive_s: float = ARRIVE_S, wait: Wait = time.sleep) -> SetResult:
    """Turn to the home position. Where that is, ONVIF does not tell: that the camera takes it is all there is."""
    token = profile or _profile(camera)
    return _turned(
        camera, token, "home", lambda: camera.ask(PTZ, "GotoHomePosition", ProfileToken=token), None, arrive_s, wait
    )


def turn_to(
    camera: Camera, pan: float, tilt: float, zoom: float, *, profile: str = "", arrive_s: float = ARRIVE_S,
    wait: Wait = time.sleep,
) -> SetResult:  # fmt: skip
    """Turn to a view, as `view` told it earlier: in the generic space, whichever the camera has."""
    token, ranges = profile or _profile(camera), _ranges(camera)
    place = {"PanTilt": sent(ranges, TURNED, pan, tilt), "Zoom": sent(ranges, ZOOMED, zoom)}
    wanted = (pan, tilt, zoom)
    return _turned(
        camera, token, _say(wanted), lambda: camera.ask(PTZ, "AbsoluteMove", ProfileToken=token, Position=place),
        wanted, arrive_s, wait,
    )  # fmt: skip


def turn_to_degrees(
    camera: Camera, pan: float, tilt: float, zoom: float = 0.0, *, profile: str = "", arrive_s: float = ARRIVE_S,
    wait: Wait = time.sleep,
) -> SetResult:  # fmt: skip
    """Turn to an angle in degrees, where the camera counts in them; a generic space has no angles."""
    token, ranges = profile or _profile(camera), _ranges(camera)
    space, wanted = in_degrees(ranges), f"{pan:g}° {tilt:g}°"
    if space is None:
        return SetResult(wanted, "", False, NO_DEGREES)
    place = {"PanTilt": {"x": f"{pan:g}", "y": f"{tilt:g}", "space": space.uri}, "Zoom": sent(ranges, ZOOMED, zoom)}
    there = (onto(pan, space.x, UNIT), onto(tilt, space.y or space.x, UNIT), zoom)
    return _turned(
        camera, token, wanted, lambda: camera.ask(PTZ, "AbsoluteMove", ProfileToken=token, Position=place), there,
        arrive_s, wait,
    )  # fmt: skip


def set_preset(camera: Camera, name: str, *, profile: str = "", wait: Wait = time.sleep) -> SetResult:
    """Keep where the camera looks now as a preset of this name; one that has the name already is replaced."""
    token = profile or _profile(camera)
    before = _presets(camera, token)
    same = next((one.token for one in before if one.name == name), None)

    def change() -> None:
        camera.ask(PTZ, "SetPreset", ProfileToken=token, PresetName=name, **({"PresetToken": same} if same else {}))

    return changed(name, change, lambda: _presets(camera, token), lambda found: any(p.name == name for p in found),
                   say=_names, before=_names(before), wait=wait)  # fmt: skip


def set_home(camera: Camera, *, profile: str = "") -> SetResult:
    """Keep where the camera looks now as its home. ONVIF cannot ask where home is: only the yes is known."""
    token = profile or _profile(camera)
    here = view(camera, token)
    try:
        camera.ask(PTZ, "SetHomePosition", ProfileToken=token)
    except CameraError as error:
        if gone(error):
            raise
        return SetResult("home here", "", False, str(error))
    return SetResult("home here", _say(here), True, "The camera said yes; where its home is, it cannot be asked.")


def _turned(
    camera: Camera, profile: str, wanted: str, go: Callable[[], Any], there: View | None, arrive_s: float, wait: Wait
) -> SetResult:
    """Turn, and look where it looks: until it is `there`, or, when nobody knows where that is, until it stands."""
    before = view(camera, profile)
    try:
        go()
    except CameraError as error:
        if gone(error):
            raise
        return SetResult(wanted, _say(before), False, str(error), _say(before))
    if before is None:
        return SetResult(wanted, "", True, UNTOLD)
    until_s = time.monotonic() + arrive_s
    found, earlier = view(camera, profile), None
    while time.monotonic() < until_s and found is not None:
        if _near(found, there) if there is not None else _near(found, earlier):
            break
        wait(LOOK_S)
        earlier, found = found, view(camera, profile)
    if there is None or found is None:
        return SetResult(wanted, _say(found), True, UNTOLD if found is None else "", _say(before))
    ok = _near(found, there)
    note = "" if ok else f"The camera has not turned there within {arrive_s:g} s."
    return SetResult(wanted, wanted if ok else _say(found), ok, note, _say(before))


def _profile(camera: Camera) -> str:
    """The first profile by which the camera can be turned."""
    profiles = camera.profiles()
    for one in profiles:
        if parts.presets(camera, [one]):
            return one.token
    if not profiles:
        raise CameraError("fault", "The camera lists no profile, so it cannot be turned.")
    return profiles[0].token


def _presets(camera: Camera, profile: str) -> tuple[Preset, ...]:
    answer = camera.ask(PTZ, "GetPresets", ProfileToken=profile)
    return parts.presets_in(answer)


def _preset_view(camera: Camera, profile: str, preset: str) -> View | None:
    for one in every(camera.ask(PTZ, "GetPresets", ProfileToken=profile), "Preset"):
        if one.get("token") == preset:
            return _view_in(first(one, "PTZPosition"), _ranges(camera))
    return None


def _view_in(position: Any, ranges: Sequence[PtzSpace]) -> View | None:
    turn, zoom = first(position, "PanTilt"), first(position, "Zoom")
    if turn is None and zoom is None:
        return None
    pan, tilt, *_ = (*heard(ranges, TURNED, turn), 0.0, 0.0) if turn is not None else (0.0, 0.0)
    near, *_ = (*heard(ranges, ZOOMED, zoom), 0.0) if zoom is not None else (0.0,)
    return pan, tilt, near


def _ranges(camera: Camera) -> tuple[PtzSpace, ...]:
    return next((node.ranges for node in parts.nodes(camera)), ())


def _near(one: View, other: View | None) -> bool:
    """Within what cameras round to; those that count in degrees round to parts of one."""
    return other is not None and all(abs(a - b) <= max(NEAR, abs(b) * NEAR) for a, b in zip(one, other, strict=True))


def _say(where: View | None) -> str:
    return "" if where is None else " ".join(f"{axis:.3f}" for axis in where)


def _names(presets: tuple[Preset, ...]) -> str:
    return ", ".join(one.name for one in presets)
