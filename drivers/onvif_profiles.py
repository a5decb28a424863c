"""Reads the media profiles of an ONVIF camera with their addresses, through Media2 and through Media1.

H.265 is told by Media2 alone, old cameras have Media1 alone, and many have both with a fault in one: each profile is
taken once, what one service leaves out is taken from the other (onvif.md, row 24).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from drivers import onvif_reply as reply
from drivers.onvif_parts import Asked
from drivers.onvif_reply import MEDIA1, MEDIA2, CameraError
from drivers.types import StreamProfile

STREAM_SETUP = {"Stream": "RTP-Unicast", "Transport": {"Protocol": "RTSP"}}
MOST = 64  # a recorder of sixteen channels lists 48; each costs two questions
EVERYTHING = ("VideoSource", "VideoEncoder", "AudioSource", "AudioEncoder", "PTZ")  # for who knows no "All"
FILLED = ("codec", "width", "height", "fps", "sound", "gop", "bit_rate_kbps", "source", "view", "name",
          "multicast", "metadata", "analytics")  # fmt: skip


def read_profiles(camera: Asked) -> tuple[StreamProfile, ...]:
    """Every profile with a picture, Media2's first, in the camera's order."""
    first, second = (_not_too_many(camera, _listed(camera, service)) for service in (MEDIA2, MEDIA1))
    found = []
    for token, profile in first.items():
        services = (MEDIA2, MEDIA1) if token in second else (MEDIA2,)
        found.append(_addressed(camera, _filled(profile, second.get(token)), services))
    for token, profile in second.items():
        if token not in first:
            addressed = _addressed(camera, profile, (MEDIA1,))
            # The same stream under two tokens is one: some makers name profiles anew in Media2.
            if not addressed.stream_uri or all(one.stream_uri != addressed.stream_uri for one in found):
                found.append(addressed)
    # One without an encoder is worth naming only when it has a stream: it is tried, whatever it holds.
    found = [profile for profile in found if profile.codec or profile.stream_uri]
    for profile in found:
        if not profile.codec:
            camera.note(f"Profile {profile.token} does not say how its picture is encoded; its address was taken.")
    if not found:
        camera.note("The camera lists no profile with a picture.")
    return tuple(found)


def _not_too_many(camera: Asked, listed: dict[str, StreamProfile]) -> dict[str, StreamProfile]:
    if len(listed) <= MOST:
        return listed
    camera.note(f"The camera lists {len(listed)} profiles; only the first were read.")
    return dict(list(listed.items())[:MOST])


def _listed(camera: Asked, service: str) -> dict[str, StreamProfile]:
    """Profiles by token, without addresses."""
    nothing: dict[str, StreamProfile] = {}

    def read() -> dict[str, StreamProfile]:
        found: dict[str, StreamProfile] = {}
        for profile in reply.profiles_of(_asked(camera, service)):
            found.setdefault(profile.token, replace(profile, service=_short(service).lower()))
        return found

    return camera.attempt(f"Profiles ({_short(service)})", read, nothing) if camera.has(service) else nothing


def _asked(camera: Asked, service: str) -> Any:
    if service == MEDIA1:
        return camera.ask(service, "GetProfiles")
    try:
        return camera.ask(service, "GetProfiles", Type=["All"])
    except CameraError as error:
        if error.reason != "fault":
            raise
    return camera.ask(service, "GetProfiles", Type=list(EVERYTHING))


def _addressed(camera: Asked, profile: StreamProfile, services: tuple[str, ...]) -> StreamProfile:
    """With its addresses, by the first of the services that gives them."""
    stream = _address(camera, profile, "GetStreamUri", services)
    snapshot = _address(camera, profile, "GetSnapshotUri", services)
    if snapshot and urlsplit(snapshot).scheme not in ("http", "https"):  # onvif.md, row 26
        camera.note(f"The snapshot address of profile {profile.token} is no web address and was left out.")
        snapshot = ""
    return replace(profile, stream_uri=stream, snapshot_uri=snapshot)


def _address(camera: Asked, profile: StreamProfile, operation: str, services: tuple[str, ...]) -> str:
    for service in services:

        def read(service: str = service) -> str:
            return camera.once(f"{operation} {profile.token}", lambda: _uri(camera, service, operation, profile.token))

        # A profile without an encoder may well refuse: it is only tried.
        asked = camera.attempt(operation, read, "", optional=operation == "GetSnapshotUri", quiet=not profile.codec)
        if asked:
            return asked
    return ""


def _uri(camera: Asked, service: str, operation: str, token: str) -> str:
    how: dict[str, Any] = {}
    if operation == "GetStreamUri":
        how = {"Protocol": "RTSP"} if service == MEDIA2 else {"StreamSetup": STREAM_SETUP}
    said = reply.text(reply.first(camera.ask(service, operation, ProfileToken=token, **how), "Uri"))
    if not said:
        raise CameraError("broken", "The camera's answer holds no address.")
    if operation == "GetStreamUri":
        begun = reply.stream_begun(said)
        if not begun:
            raise CameraError("broken", f"It is no address of a stream: {said[:80]}")
        if begun != "".join(said.split()):
            camera.note("The camera leaves out how its stream's address begins; it was completed.")
        said = begun
    return camera.reach(said)


def _filled(one: StreamProfile, other: StreamProfile | None) -> StreamProfile:
    """What Media2 left out of a profile, as Media1 tells it."""
    if other is None or (other.codec and one.codec and other.codec != one.codec):
        return one
    return replace(one, **{name: getattr(other, name) for name in FILLED if not getattr(one, name)})


def _short(namespace: str) -> str:
    return {MEDIA1: "Media1", MEDIA2: "Media2"}[namespace]
