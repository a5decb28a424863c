"""ONVIF faces of virtual cameras without a picture, for tests: a port of their own each, and any quirk.

def test_x(make_face):
    face = make_face(Quirk.NO_RENEW)
    camera_at(face).facts()
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from demo.camera_encoder import CameraConfig
from demo.onvif_face import Face
from demo.onvif_quirks import Quirk, misbehave
from drivers.onvif import Camera
from drivers.onvif_events import Events
from drivers.onvif_topics import CameraEvent

USER, PASSWORD = "examsite", "a very-secret word"
STREAM = "rtsp://127.0.0.1:5554/hall/main"
JPEG = b"\xff\xd8\xff\xd9"
MakeFace = Callable[..., Face]


@dataclass
class Subject:
    """A camera without an encoder: the face needs no more than this."""

    config: CameraConfig
    clock_offset_s: float = 0.0
    gone: bool = False
    picture: bytes = field(default=JPEG, repr=False)

    def still(self) -> bytes:
        return self.picture


@pytest.fixture
def make_face() -> Iterator[MakeFace]:
    """A function that starts a face with these quirks; all end with the test."""
    faces: list[Face] = []

    def make(*quirks: Quirk, serial: str = "SN-1", codec: str = "h264") -> Face:
        config = CameraConfig("hall", "Зал", codec, "none", USER, PASSWORD, serial)
        faces.append(misbehave(Face(Subject(config), STREAM), *quirks))
        faces[-1].start()
        return faces[-1]

    yield make
    for face in faces:
        face.stop()


def camera_at(face: Face, password: str = PASSWORD, timeout_s: float = 3.0) -> Camera:
    return Camera(face.device_url, USER, password, timeout_s)


def listen(camera: Camera, *, lifetime_s: float = 60.0) -> Events:
    """The camera's events, everything many times faster than in earnest."""
    return Events(camera, pull_s=0.15, lifetime_s=lifetime_s, cycle_s=0.1)


def hear(events: Events, *, kind: str, state: str, pulls: int = 12) -> CameraEvent:
    """Pull until this is heard; AssertionError when it does not come."""
    heard = []
    for _ in range(pulls):
        for event in events.pull().events:
            if (event.kind, event.state) == (kind, state):
                return event
            heard.append((event.kind, event.state))
    raise AssertionError(f"{kind} {state} was not heard in {pulls} pulls, but {heard}")


def move(face: Face, moving: bool = True) -> None:
    """Something moves before the camera, or stops."""
    face.pull.emit("tns1:VideoSource/MotionAlarm", {"VideoSourceToken": "lens"}, {"State": str(moving).lower()})
