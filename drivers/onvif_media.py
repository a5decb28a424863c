"""Reads how a camera's media are set beyond the picture: sound, metadata, and the modes of its video sources.

Media2 is asked first and Media1 when that has none, as for profiles; what is not there is empty.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from drivers import onvif_reply as reply
from drivers.onvif_parts import Asked, ask, everyone, is_yes, repaired
from drivers.onvif_reply import MEDIA1, MEDIA2, first, number, text
from drivers.onvif_types import MetadataSetting, SoundSetting, SourceMode

NAMES = {MEDIA2: "media2", MEDIA1: "media1"}


def sounds(camera: Asked) -> tuple[SoundSetting, ...]:
    """Every sound encoder's setting."""
    for service in (MEDIA2, MEDIA1):
        answer = ask(camera, "Sound", service, "GetAudioEncoderConfigurations")
        if found := tuple(sound_of(each, NAMES[service]) for each in everyone(answer, "Configurations")):
            return found
    return ()


def sound_of(each: Any, service: str) -> SoundSetting:
    return SoundSetting(
        each.get("token", ""), repaired(text(first(each, "Name"))), text(first(each, "Encoding")),
        int(number(first(each, "Bitrate"))), int(number(first(each, "SampleRate"))), reply.multicast_of(each), service,
    )  # fmt: skip


def metadata(camera: Asked) -> tuple[MetadataSetting, ...]:
    """Every metadata configuration."""
    for service in (MEDIA2, MEDIA1):
        answer = ask(camera, "Metadata", service, "GetMetadataConfigurations")
        if found := tuple(metadata_of(each, NAMES[service]) for each in everyone(answer, "Configurations")):
            return found
    return ()


def metadata_of(each: Any, service: str) -> MetadataSetting:
    status = first(each, "PTZStatus")
    return MetadataSetting(
        each.get("token", ""), repaired(text(first(each, "Name"))), first(each, "Events") is not None,
        is_yes(first(each, "Analytics")), is_yes(first(status, "Status")) or is_yes(first(status, "Position")),
        reply.multicast_of(each), service,
    )  # fmt: skip


def modes(camera: Asked, sources: Sequence[str]) -> tuple[SourceMode, ...]:
    """The modes each video source can be read out in; few cameras have any."""
    found = []
    for source in sources:
        for service in (MEDIA2, MEDIA1):
            answer = ask(camera, "Modes of the video source", service, "GetVideoSourceModes", kept=True,
                         VideoSourceToken=source)  # fmt: skip
            listed = [mode_of(each, source, NAMES[service]) for each in everyone(answer, "VideoSourceModes")]
            found += listed
            if listed:
                break
    return tuple(found)


def mode_of(each: Any, source: str, service: str) -> SourceMode:
    codecs = (reply.codec_name(word) for word in text(first(each, "Encodings")).replace(",", " ").split())
    return SourceMode(
        each.get("token", ""), source, int(number(first(each, "Width"))), int(number(first(each, "Height"))),
        number(first(each, "MaxFramerate")), tuple(codecs),
        (each.get("Enabled") or "").lower() in ("true", "1") or is_yes(first(each, "Enabled")),
        is_yes(first(each, "Reboot")), service,
    )  # fmt: skip
