"""Sets what an ONVIF camera shows and sends: stream, text in the picture, picture settings; each is read back.

A camera has its own list of sizes, rates and spans: the nearest it allows is set, and said (drivers/onvif_options.py).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from drivers import onvif_parts as parts
from drivers.onvif import Camera
from drivers.onvif_options import Allowed, Stream, allowed_in, nearest, stream_in
from drivers.onvif_read_back import Strict, Wait, changed
from drivers.onvif_reply import IMAGING, MEDIA1, MEDIA2, CameraError, every, first, text
from drivers.types import Osd, SetResult, StreamProfile

RATE_NEAR = 0.5  # frames a second: cameras write 24.999 or 25
TEXT_PLACES = ("UpperLeft", "UpperRight", "LowerLeft", "LowerRight")


def set_stream(camera: Camera, profile: str, wish: Stream, *, wait: Wait = time.sleep) -> SetResult:
    """Set a profile's codec, size, rate, key-frame distance and bit rate; what `wish` leaves out stays."""
    one = _profile(camera, profile)
    service = MEDIA2 if one.service == "media2" else MEDIA1
    configuration = _configuration(camera, service, one)
    before = stream_in(configuration)
    wanted = wish.over(before)
    options = camera.ask(service, "GetVideoEncoderConfigurationOptions", **_both(one))
    chosen, notes = nearest(wanted, allowed_in(options, service == MEDIA2, before))

    def change() -> None:
        # Some of what the camera said itself is said back as it was: it refuses a configuration with holes.
        if service == MEDIA2:
            camera.ask(MEDIA2, "SetVideoEncoderConfiguration", Configuration=_for_media2(configuration, chosen))
        else:
            body = _for_media1(configuration, chosen)
            camera.ask(MEDIA1, "SetVideoEncoderConfiguration", Configuration=body, ForcePersistence=True)

    def read() -> Stream:
        return stream_in(_configuration(camera, service, one))

    result = changed(wanted.said(), change, read, lambda found: _fits(chosen, found), say=Stream.said,
                     before=before.said(), note=" ".join(notes), wait=wait)  # fmt: skip
    camera.forget()  # addresses and lists may have changed with it
    return result


def set_text(
    camera: Camera, words: str, *, profile: str = "", place: str = "UpperLeft", wait: Wait = time.sleep
) -> SetResult:
    """Put a text into the picture (region, site code, room): in place of the one at this corner, or as a new one.

    A camera with no room for another text has its first plain one changed.
    """
    one = _profile(camera, profile)
    service = next((s for s in (MEDIA2, MEDIA1) if camera.has(s) and _texts(camera, s) is not None), MEDIA1)
    present = [osd for osd in _texts(camera, service) or () if not one.view or osd.source in ("", one.view)]
    plain = [osd for osd in present if osd.kind in ("Plain", "Text", "")]
    held = next((osd for osd in plain if osd.position == place), None)
    full: list[str] = []

    def change() -> None:
        osd = held
        if osd is None:
            try:
                camera.ask(service, "CreateOSD", OSD=_osd(Osd("", one.view, "Plain", words, place)))
            except CameraError as error:
                if error.reason != "fault" or not plain:
                    raise
                osd = plain[0]
                full.append("There is no room for another text, so the one that was there was changed.")
            else:
                return
        camera.ask(service, "SetOSD", OSD=_osd(replace(osd, source=osd.source or one.view, kind="Plain", text=words)))

    def read() -> tuple[str, ...]:
        return tuple(osd.text for osd in _texts(camera, service) or () if osd.text)

    result = changed(words, change, read, lambda found: words in found, say=" | ".join,
                     before=" | ".join(osd.text for osd in present if osd.text), wait=wait)  # fmt: skip
    return replace(result, note=" ".join([*full, result.note]).strip()) if full else result


def set_imaging(camera: Camera, source: str, wanted: Mapping[str, str], *, wait: Wait = time.sleep) -> SetResult:
    """Set picture settings by their paths, such as {"Brightness": "60", "Exposure/Mode": "AUTO"}; others stay."""

    def read() -> dict[str, str]:
        found = parts.imaging(Strict(camera), [source])
        return dict(found[0].settings) if found else {}

    def say(found: Mapping[str, str]) -> str:
        return ", ".join(f"{path} {found.get(path, '?')}" for path in wanted)

    def change() -> None:
        camera.ask(IMAGING, "SetImagingSettings", VideoSourceToken=source, ImagingSettings=_nested(wanted),
                   ForcePersistence=True)  # fmt: skip

    before = read()
    return changed(say(wanted), change, read, lambda found: all(_same(found.get(path, ""), value)
                   for path, value in wanted.items()), say=say, before=say(before), wait=wait)  # fmt: skip


def _profile(camera: Camera, token: str) -> StreamProfile:
    profiles = camera.profiles()
    found = next((one for one in profiles if token in ("", one.token)), None)
    if found is None:
        raise CameraError("fault", f"The camera has no profile {token}.")
    return found


def _both(one: StreamProfile) -> dict[str, str]:
    return {"ConfigurationToken": one.encoder, "ProfileToken": one.token}


def _configuration(camera: Camera, service: str, one: StreamProfile) -> Any:
    """The encoder's configuration as the camera has it now."""
    answer = camera.ask(service, "GetProfiles", **({"Type": ["All"]} if service == MEDIA2 else {}))
    for profile in every(answer, "Profiles"):
        if profile.get("token") == one.token:
            found = first(profile, "VideoEncoderConfiguration", "VideoEncoder")
            if found is not None:
                return found
    raise CameraError("broken", f"Profile {one.token} has no encoder any more.")


def _for_media2(now: Any, chosen: Stream) -> dict[str, Any]:
    rate = first(now, "RateControl")
    said: dict[str, Any] = {
        "token": now.get("token"), "Name": text(first(now, "Name")), "UseCount": text(first(now, "UseCount")) or "1",
        "Encoding": chosen.codec, "Resolution": {"Width": chosen.width, "Height": chosen.height},
        "RateControl": {"FrameRateLimit": f"{chosen.fps:g}", "BitrateLimit": chosen.bit_rate_kbps},
        "Quality": text(first(now, "Quality")) or "1",
    }  # fmt: skip
    if rate is not None and rate.get("ConstantBitRate"):
        said["RateControl"]["ConstantBitRate"] = rate.get("ConstantBitRate")
    if chosen.gop:
        said["GovLength"] = str(chosen.gop)
    if now.get("Profile") and chosen.codec == stream_in(now).codec:
        said["Profile"] = now.get("Profile")
    return {**said, **_multicast(now)}


def _for_media1(now: Any, chosen: Stream) -> dict[str, Any]:
    interval = text(first(now, "EncodingInterval")) or "1"
    said: dict[str, Any] = {
        "token": now.get("token"), "Name": text(first(now, "Name")), "UseCount": text(first(now, "UseCount")) or "1",
        "Encoding": chosen.codec, "Resolution": {"Width": chosen.width, "Height": chosen.height},
        "Quality": text(first(now, "Quality")) or "1",
        "RateControl": {"FrameRateLimit": round(chosen.fps), "EncodingInterval": interval,
                        "BitrateLimit": chosen.bit_rate_kbps},
    }  # fmt: skip
    if chosen.codec == "H264":
        said["H264"] = {"GovLength": chosen.gop or 1, "H264Profile": text(first(now, "H264Profile")) or "Main"}
    return {**said, **as_it_was(now, True)}


def _multicast(now: Any) -> dict[str, Any]:
    there = first(now, "Multicast")
    if there is None:
        return {}
    address = {name: text(node) for name in ("Type", "IPv4Address", "IPv6Address")
               if (node := first(there, name)) is not None and text(node)}  # fmt: skip
    rest_of_it = {name: text(first(there, name)) or usual
                  for name, usual in (("Port", "0"), ("TTL", "1"), ("AutoStart", "false"))}  # fmt: skip
    return {"Multicast": {"Address": address or {"Type": "IPv4"}, **rest_of_it}}


def as_it_was(now: Any, media1: bool) -> dict[str, Any]:
    """What Media1 wants in every configuration that has a stream, said back as the camera has it."""
    usual = {"Address": {"Type": "IPv4", "IPv4Address": "0.0.0.0"}, "Port": 0, "TTL": 1, "AutoStart": False}  # noqa: S104
    said = _multicast(now)
    if not media1:
        return said
    return {"Multicast": usual, "SessionTimeout": text(first(now, "SessionTimeout")) or "PT60S", **said}


def _fits(chosen: Stream, found: Stream) -> bool:
    same = (chosen.codec, chosen.width, chosen.height) == (found.codec, found.width, found.height)
    return (
        same
        and abs(chosen.fps - found.fps) <= RATE_NEAR
        and (not chosen.gop or chosen.gop == found.gop)
        and (not chosen.bit_rate_kbps or chosen.bit_rate_kbps == found.bit_rate_kbps)
    )


def _texts(camera: Camera, service: str) -> list[Osd] | None:
    """The texts a service lists; None when it has no such question."""
    try:
        return [parts.osd_of(each) for each in every(camera.ask(service, "GetOSDs"), "OSDs")]
    except CameraError as error:
        if error.reason != "fault":
            raise
        return None


def _osd(osd: Osd) -> dict[str, Any]:
    named = osd.position in TEXT_PLACES
    x, _, y = osd.position.partition(" ")
    place = {"Type": osd.position} if named else {"Type": "Custom", "Pos": {"x": x or "0", "y": y or "0"}}
    return {"token": osd.token, "VideoSourceConfigurationToken": osd.source, "Type": "Text", "Position": place,
            "TextString": {"Type": "Plain", "PlainText": osd.text}}  # fmt: skip


def _nested(flat: Mapping[str, str]) -> dict[str, Any]:
    """{"Exposure/Mode": "AUTO"} as the elements it stands for."""
    made: dict[str, Any] = {}
    for path, value in flat.items():
        *above, last = path.split("/")
        inside = made
        for name in above:
            inside = inside.setdefault(name, {})
        inside[last] = value
    return made


def _same(found: str, wanted: str) -> bool:
    """Whether two values are one; cameras write 60, 60.0 or 60.000000."""
    if found.lower() == wanted.lower():
        return True
    try:
        return abs(float(found) - float(wanted)) <= 0.01 * max(1.0, abs(float(wanted)))
    except ValueError:
        return False


__all__ = ["Allowed", "Stream", "as_it_was", "set_imaging", "set_stream", "set_text"]
