"""Makes, fills and takes away media profiles, and sets sound, metadata and the mode of a video source; all read back.

A camera may have no room for another profile, or keep one that is its own (fixed): these are results in words.
"""

from __future__ import annotations

import time
from typing import Any

from drivers import onvif_media
from drivers.onvif import Camera
from drivers.onvif_parts import ask, everyone
from drivers.onvif_read_back import Strict, Wait, changed
from drivers.onvif_reply import MEDIA1, MEDIA2, CameraError, every, first, number, sound_name, text
from drivers.onvif_set import RETURN_S, comes_to_be
from drivers.onvif_set_picture import as_it_was
from drivers.onvif_types import MetadataSetting, SoundSetting, SourceMode
from drivers.types import SetResult

KINDS = ("VideoSource", "VideoEncoder", "AudioSource", "AudioEncoder", "PTZ", "Metadata")
SERVICES = {name: service for service, name in onvif_media.NAMES.items()}
ALIKE = {"PCMU": "G711", "G.711": "G711"}
LEAVES_S = 5.0  # a camera that starts anew by itself is away by then


def create_profile(camera: Camera, name: str, *, like: str = "", wait: Wait = time.sleep) -> SetResult:
    """Make a profile with the video source and encoder of the profile `like` (the first one). `found` is its token."""
    model = next((one for one in camera.profiles() if like in ("", one.token)), None)
    if model is None:
        return SetResult(name, "", False, f"The camera has no profile {like}.")
    before = _profiles(camera)
    made: list[str] = []
    parts = [(kind, token) for kind, token in (("VideoSource", model.view), ("VideoEncoder", model.encoder)) if token]

    def change() -> None:
        if camera.has(MEDIA2):
            said = [{"Type": kind, "Token": token} for kind, token in parts]
            made.append(text(first(camera.ask(MEDIA2, "CreateProfile", Name=name, Configuration=said), "Token")))
            return
        made.append(first(camera.ask(MEDIA1, "CreateProfile", Name=name), "Profile").get("token", ""))
        for kind, token in parts:
            _put_in(camera, made[0], kind, token)

    return changed(name, change, lambda: _profiles(camera), lambda found: bool(made) and made[0] in found,
                   say=lambda found: made[0] if made and made[0] in found else " ".join(found),
                   before=" ".join(before), wait=wait)  # fmt: skip


def add_to_profile(camera: Camera, profile: str, kind: str, token: str, *, wait: Wait = time.sleep) -> SetResult:
    """Put a configuration (KINDS) into a profile: sound, say, or metadata."""

    def read() -> str:
        return _inside(camera, profile).get(kind, "")

    return changed(token, lambda: _put_in(camera, profile, kind, token), read, lambda found: found == token,
                   before=read(), wait=wait)  # fmt: skip


def delete_profile(camera: Camera, profile: str, *, wait: Wait = time.sleep) -> SetResult:
    """Take a profile away. What it was made of stays."""

    def change() -> None:
        if camera.has(MEDIA2):
            camera.ask(MEDIA2, "DeleteProfile", Token=profile)
        else:
            camera.ask(MEDIA1, "DeleteProfile", ProfileToken=profile)

    return changed(f"no profile {profile}", change, lambda: _profiles(camera), lambda found: profile not in found,
                   say=" ".join, before=" ".join(_profiles(camera)), wait=wait)  # fmt: skip


def set_sound(
    camera: Camera, token: str = "", *, codec: str = "", bit_rate_kbps: int = 0, rate_khz: int = 0,
    wait: Wait = time.sleep,
) -> SetResult:  # fmt: skip
    """Set a sound encoder: codec (G711, G726, AAC), and of bit and sample rate the nearest the camera allows."""
    now, service = _configuration(camera, "AudioEncoder", token)
    before = onvif_media.sound_of(now, "")
    options = camera.ask(service, "GetAudioEncoderConfigurationOptions", ConfigurationToken=before.token)
    allowed = {_plain(text(first(each, "Encoding"))): each for each in every(options, "Options")
               if text(first(each, "Encoding"))}  # fmt: skip
    name = _plain(codec or before.codec)
    if allowed and name not in allowed:
        named = ", ".join(sorted(allowed))
        return SetResult(codec, before.codec, False, f"The camera has no {codec} sound. It has: {named}.", before.codec)
    may = allowed.get(name)
    chosen = SoundSetting(
        before.token, before.name, text(first(may, "Encoding")) or before.codec,
        _nearest(may, "BitrateList", bit_rate_kbps or before.bit_rate_kbps),
        _nearest(may, "SampleRateList", rate_khz or before.rate_khz),
    )  # fmt: skip
    said = {"token": chosen.token, "Name": chosen.name or "sound", "UseCount": text(first(now, "UseCount")) or "1",
            "Encoding": chosen.codec, "Bitrate": chosen.bit_rate_kbps, "SampleRate": chosen.rate_khz,
            **as_it_was(now, service == MEDIA1)}  # fmt: skip

    def change() -> None:
        lasting: dict[str, Any] = {"ForcePersistence": True} if service == MEDIA1 else {}
        camera.ask(service, "SetAudioEncoderConfiguration", Configuration=said, **lasting)

    def read() -> str:
        return _sound(onvif_media.sound_of(_configuration(camera, "AudioEncoder", before.token)[0], ""))

    return changed(_sound(chosen), change, read, lambda found: found == _sound(chosen), before=_sound(before),
                   wait=wait)  # fmt: skip


def set_metadata(
    camera: Camera, token: str = "", *, events: bool, analytics: bool, wait: Wait = time.sleep
) -> SetResult:
    """Let a metadata stream carry the camera's events, and what its analytics see."""
    now, service = _configuration(camera, "Metadata", token)
    held = onvif_media.metadata_of(now, "")
    status = first(now, "PTZStatus")
    said: dict[str, Any] = {
        "token": held.token, "Name": held.name or "metadata", "UseCount": text(first(now, "UseCount")) or "1",
        "Analytics": analytics, **as_it_was(now, service == MEDIA1),
    }  # fmt: skip
    if status is not None:
        said["PTZStatus"] = {name: text(first(status, name)) in ("true", "1") for name in ("Status", "Position")}
    if events:
        said["Events"] = {}

    def change() -> None:
        lasting: dict[str, Any] = {"ForcePersistence": True} if service == MEDIA1 else {}
        camera.ask(service, "SetMetadataConfiguration", Configuration=said, **lasting)

    def read() -> MetadataSetting:
        return onvif_media.metadata_of(_configuration(camera, "Metadata", held.token)[0], "")

    return changed(_carries(events, analytics), change, read, lambda f: (f.events, f.analytics) == (events, analytics),
                   say=lambda f: _carries(f.events, f.analytics), before=_carries(held.events, held.analytics),
                   wait=wait)  # fmt: skip


def set_source_mode(
    camera: Camera, source: str, mode: str, *, return_s: float = RETURN_S, wait: Wait = time.sleep
) -> SetResult:
    """Read a video source out in another mode. A camera that starts anew for it is waited for."""
    restarts: list[bool] = []

    def read() -> tuple[SourceMode, ...]:
        camera.forget()  # which one is active is part of what is otherwise asked once
        return onvif_media.modes(Strict(camera), [source])

    def active(found: tuple[SourceMode, ...]) -> str:
        return next((one.token for one in found if one.active), "")

    before = read()
    if mode not in (named := [one.token for one in before]):
        said = f"The camera has no mode {mode} for {source}. It has: {', '.join(named) or 'none'}."
        return SetResult(mode, active(before), False, said, active(before))
    service = next(SERVICES[one.service] for one in before if one.token == mode)

    def change() -> None:
        answer = camera.ask(service, "SetVideoSourceMode", VideoSourceToken=source, VideoSourceModeToken=mode)
        restarts.append(text(first(answer, "Reboot")).lower() in ("true", "1"))
        if restarts[0] and comes_to_be(camera, False, time.monotonic() + LEAVES_S, wait):
            comes_to_be(camera, True, time.monotonic() + return_s, wait)

    result = changed(mode, change, read, lambda found: active(found) == mode, say=active, before=active(before),
                     wait=wait)  # fmt: skip
    if not any(restarts):
        return result
    return SetResult(result.wanted, result.found, result.ok, "The camera started anew for it.", result.before)


def _put_in(camera: Camera, profile: str, kind: str, token: str) -> None:
    if camera.has(MEDIA2):
        said = [{"Type": kind, "Token": token}]
        camera.ask(MEDIA2, "AddConfiguration", ProfileToken=profile, Configuration=said)
    else:
        camera.ask(MEDIA1, f"Add{kind}Configuration", ProfileToken=profile, ConfigurationToken=token)


def _listed(camera: Camera) -> list[Any]:
    if camera.has(MEDIA2):
        return list(every(camera.ask(MEDIA2, "GetProfiles", Type=["All"]), "Profiles"))
    return list(every(camera.ask(MEDIA1, "GetProfiles"), "Profiles"))


def _profiles(camera: Camera) -> tuple[str, ...]:
    return tuple(one.get("token", "") for one in _listed(camera))


def _inside(camera: Camera, profile: str) -> dict[str, str]:
    """Which configurations a profile is made of: kind to token."""
    found = next((one for one in _listed(camera) if one.get("token") == profile), None)
    nodes = {kind: first(found, f"{kind}Configuration", kind) for kind in KINDS}
    return {kind: node.get("token", "") for kind, node in nodes.items() if node is not None}


def _configuration(camera: Camera, kind: str, token: str) -> tuple[Any, str]:
    """A configuration (AudioEncoder, Metadata) as the camera has it now, the first without a token; by which service"""
    for service in (MEDIA2, MEDIA1):
        answer = ask(Strict(camera), kind, service, f"Get{kind}Configurations")
        for each in everyone(answer, "Configurations"):
            if token in ("", each.get("token")):
                return each, service
    raise CameraError("fault", f"The camera has no {kind} configuration {token}".rstrip() + ".")


def _plain(codec: str) -> str:
    name = sound_name(codec)
    return ALIKE.get(name, name)


def _nearest(may: Any, name: str, wanted: int) -> int:
    """The nearest of the numbers a list in the options holds; as wished when it holds none."""
    listed = first(may, name)
    numbers = [int(number(item)) for item in listed if number(item) > 0] if listed is not None else []
    return min(numbers, key=lambda one: abs(one - wanted)) if numbers else wanted


def _sound(one: SoundSetting) -> str:
    return f"{_plain(one.codec)}, {one.bit_rate_kbps} kbit/s, {one.rate_khz} kHz"


def _carries(events: bool, analytics: bool) -> str:
    return ", ".join([*(["events"] if events else []), *(["analytics"] if analytics else [])]) or "nothing"
