"""What an ONVIF camera tells beside its streams and switches: sound, metadata, modes of its lens, receivers, rules.

Plain values, as in drivers/types.py, which has the others and the whole they are part of.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SoundSetting:
    """A sound encoder's configuration; codec as the camera writes it. `multicast`: address:port, "" for none."""

    token: str
    name: str
    codec: str
    bit_rate_kbps: int = 0
    rate_khz: int = 0
    multicast: str = ""
    service: str = ""  # which service told it: media2 or media1


@dataclass(frozen=True, slots=True)
class MetadataSetting:
    """What a metadata stream carries. It comes with the picture: at the address of a profile that names this token."""

    token: str
    name: str
    events: bool = False
    analytics: bool = False
    ptz: bool = False
    multicast: str = ""
    service: str = ""


@dataclass(frozen=True, slots=True)
class SourceMode:
    """One way a video source can be read out. `starts_anew`: the camera restarts to change to it."""

    token: str
    source: str
    width: int
    height: int
    fps: float
    codecs: tuple[str, ...] = ()
    active: bool = False
    starts_anew: bool = False
    service: str = ""


@dataclass(frozen=True, slots=True)
class Receiver:
    """Where a recorder takes a stream from for its own card."""

    token: str
    mode: str
    address: str


@dataclass(frozen=True, slots=True)
class Rule:
    """One analytics module or rule of a video analytics configuration: its name, and its type without namespace."""

    configuration: str
    name: str
    type: str
