"""The checks of one camera: does it answer, does it send video, is its clock right, can anything be seen.

The device is asked once (`gather`), the four judgements are pure. A refused password is tried once and no more: several
makes lock the account after three to five wrong tries, and the recorder must still be able to sign in.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

from appliance.checks.results import Group, Verdict
from appliance.config import Camera
from appliance.model import N_, Message, message
from appliance.profile import Limits
from drivers import onvif, picture, rtsp
from drivers.types import CameraFacts, DriverError

ONVIF_TIMEOUT_S = 3.0  # each request
STREAM_TIMEOUT_S = 10.0  # from connecting to the first frames; a busy box of two cores needed more than 5

CODECS = {"h264": "H.264", "hevc": "H.265"}
SWITCHED_OFF = N_("Check its power and cable, and its port of the switch.")
NEW_PASSWORD = N_("Put the right one into its password file.")
RESTART = N_("Restart the camera from its own page.")


@dataclass(frozen=True, slots=True)
class Seen:
    """What a camera did when asked. `answered` None: it has no ONVIF address, so only its stream can say."""

    answered: bool | None = None
    refused: bool = False
    cause: str = ""
    device: str = ""
    offset_s: float | None = None
    stream: rtsp.StreamFacts | None = None
    stream_cause: str = ""
    picture: picture.PictureFacts | None = None
    picture_cause: str = ""


def group(camera: Camera, limits: Limits, probes: threading.Semaphore) -> Group:
    """The checks of this camera. `probes` limits how many streams are looked into at once: each is a process."""
    name: dict[str, str] = camera.name.model_dump()
    judges: Mapping[str, Callable[[Seen], Verdict]] = {
        f"camera.answers/{camera.id}": lambda seen: answers(seen, name),
        f"camera.streams/{camera.id}": lambda seen: streams(seen, name, sound_needed=camera.sound),
        f"camera.clock/{camera.id}": lambda seen: right_time(seen, name, limits),
        f"camera.picture/{camera.id}": lambda seen: visible(seen, name),
    }
    return Group(lambda: gather(camera, probes), judges, silent(name))


def gather(camera: Camera, probes: threading.Semaphore) -> Seen:
    """Ask the camera everything, within time limits of its own."""
    password = camera.password()
    seen, facts = Seen(), CameraFacts()
    if camera.onvif is not None:
        with closing(onvif.Camera(camera.onvif, camera.user, password, timeout_s=ONVIF_TIMEOUT_S)) as device:
            try:
                facts = device.facts()
            except DriverError as fault:
                seen = replace(seen, answered=False, refused=fault.permanent, cause=str(fault))
            else:
                named = " ".join(filter(None, (facts.manufacturer, facts.model)))
                seen = replace(seen, answered=True, device=named, offset_s=facts.offset_s)
                seen = _look(seen, device)
    url = camera.stream or next((p.stream_uri for p in facts.profiles if p.stream_uri), None)
    if seen.refused or url is None:
        return seen
    with probes:
        try:
            return replace(seen, stream=rtsp.probe(url, camera.user, password, STREAM_TIMEOUT_S))
        except DriverError as fault:
            return replace(seen, refused=fault.permanent, stream_cause=str(fault))


def _look(seen: Seen, device: onvif.Camera) -> Seen:
    try:
        return replace(seen, picture=picture.facts(device.snapshot()))
    except DriverError as fault:
        return replace(seen, picture_cause=str(fault))


def silent(name: Mapping[str, str]) -> Verdict:
    return Verdict("silent", message(N_("Camera {camera} does not answer."), camera=name), message(SWITCHED_OFF))


def refused(name: Mapping[str, str]) -> Verdict:
    return Verdict(
        "failed",
        message(N_("Camera {camera} refused the password. We will not try again by ourselves."), camera=name),
        message(NEW_PASSWORD),
    )


def answers(seen: Seen, name: Mapping[str, str]) -> Verdict:
    """camera.answers: it can be reached and takes our name and password."""
    if seen.refused:
        return refused(name)
    if seen.answered:
        return Verdict("passed", message(N_("Camera {camera} answers: {device}."), camera=name, device=seen.device),
                       facts={"device": seen.device})  # fmt: skip
    if seen.answered is None and seen.stream is not None:
        return Verdict("passed", message(N_("Camera {camera} answers by its stream alone."), camera=name))
    return replace(silent(name), facts={"cause": seen.cause or seen.stream_cause})


def streams(seen: Seen, name: Mapping[str, str], *, sound_needed: bool) -> Verdict:
    """camera.streams: video comes, and sound where the site needs it."""
    if seen.refused:
        return refused(name)
    if seen.stream is None:
        if not seen.answered:
            return replace(silent(name), facts={"cause": seen.stream_cause or seen.cause})
        return Verdict(
            "failed", message(N_("Camera {camera} answers but sends no video."), camera=name), message(RESTART),
            {"cause": seen.stream_cause},
        )  # fmt: skip
    found = seen.stream
    facts: dict[str, Any] = {"codec": found.codec, "width": found.width, "height": found.height, "fps": found.fps,
                             "sound": found.sound}  # fmt: skip
    if sound_needed and found.sound is None:
        return Verdict(
            "failed", message(N_("The stream of {camera} has no sound."), camera=name),
            message(N_("Turn on the camera's microphone, or ask the head to do without it.")), facts,
        )  # fmt: skip
    said = N_("Camera {camera} sends {codec}, {size}, {fps} frames a second.")
    codec, size = CODECS.get(found.codec, found.codec), f"{found.width}×{found.height}"
    return Verdict("passed", message(said, camera=name, codec=codec, size=size, fps=found.fps), facts=facts)


def right_time(seen: Seen, name: Mapping[str, str], limits: Limits) -> Verdict:
    """camera.clock: how far the camera's own clock is from the box's, which is what its picture may carry."""
    if seen.refused:
        return refused(name)
    if seen.answered is False:
        return silent(name)
    if seen.offset_s is None:
        return Verdict("remark", message(N_("Camera {camera} does not say what time it has."), camera=name),
                       message(N_("Compare the time in its picture with the box clock.")))  # fmt: skip
    facts = {"offset_s": seen.offset_s}
    off_s = abs(seen.offset_s)
    if off_s <= limits.camera_clock_remark_s:
        return Verdict("passed", message(N_("The clock of camera {camera} is right."), camera=name), facts=facts)
    failed = off_s > limits.camera_clock_fail_s
    allowed_s = limits.camera_clock_fail_s if failed else limits.camera_clock_remark_s
    fast = N_("The clock of camera {camera} is {off_s} fast, {allowed_s} is allowed.")
    slow = N_("The clock of camera {camera} is {off_s} slow, {allowed_s} is allowed.")
    found: Message = message(fast if seen.offset_s > 0 else slow, camera=name, off_s=off_s, allowed_s=allowed_s)
    return Verdict(
        "failed" if failed else "remark", found, message(N_("Set its clock from the camera's own page.")), facts
    )


def visible(seen: Seen, name: Mapping[str, str]) -> Verdict:
    """camera.picture: there is light, and something to be seen."""
    if seen.refused:
        return refused(name)
    if seen.picture is None:
        if seen.answered is False and seen.stream is None:
            return silent(name)
        return Verdict(
            "remark", message(N_("Camera {camera} gives no snapshot, its picture was not looked at."), camera=name),
            message(N_("Look at its picture yourself.")), {"cause": seen.picture_cause},
        )  # fmt: skip
    facts = {"brightness": seen.picture.brightness, "contrast": seen.picture.contrast,
             "sharpness": seen.picture.sharpness}  # fmt: skip
    if seen.picture.dark:
        return Verdict("failed", message(N_("It is dark at camera {camera}."), camera=name),
                       message(N_("Switch the light on, look for a cap on the lens, and run the checks again.")),
                       facts)  # fmt: skip
    if seen.picture.flat:
        return Verdict("failed", message(N_("Camera {camera} is covered or faces a wall."), camera=name),
                       message(N_("Clear what is before it, and run the checks again.")), facts)  # fmt: skip
    return Verdict("passed", message(N_("The picture of {camera} can be seen."), camera=name), facts=facts)
