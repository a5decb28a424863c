"""Virtual cameras for tests: real RTSP, real ONVIF, real pictures. Needs ffmpeg and Debian's GStreamer bindings.

from tests.fakes.cameras import camera, virtual_cameras     # the second is a pytest fixture

def test_x(virtual_cameras):
    cameras = virtual_cameras([camera("corridor-2", sound="pcma")])
    cameras.addresses["corridor-2"].rtsp_url_signed
    cameras.control("silence corridor-2 8")
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from demo.cameras_process import CamerasProcess

StartCameras = Callable[..., CamerasProcess]


def camera(identity: str, *, codec: str = "h264", sound: str = "none", **other: Any) -> dict[str, Any]:
    """One camera's configuration; its password is its own."""
    return {
        "id": identity,
        "label": f"Аудитория {identity}",
        "codec": codec,
        "sound": sound,
        "user": "examsite",
        "password": f"word-of-{identity}",
        "serial": f"SN-{identity}",
        **other,
    }


@pytest.fixture
def virtual_cameras(tmp_path: Path) -> Iterator[StartCameras]:
    """A function that starts cameras from a list of configurations; they end with the test."""
    started: list[CamerasProcess] = []

    def start(config: Sequence[Mapping[str, Any]], **options: Any) -> CamerasProcess:
        process = CamerasProcess(config, tmp_path / f"cameras-{len(started)}", **options)
        started.append(process)
        process.start()
        return process

    yield start
    for process in started:
        process.stop()
