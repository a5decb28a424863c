"""What reading cameras whole costs: CPU of the first and of the next reading, and the memory of many in one process.

    python -m bench.onvif [--cameras 40] [--json]

The cameras are virtual and in a process of their own, so the figures are the reading side's alone.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import time
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

from bench.machine import machine
from demo.camera_encoder import CameraConfig
from demo.onvif_face import Face
from demo.onvif_set_face import furnish
from drivers.onvif import Camera

USER, PASSWORD = "examsite", "a word for the bench"
READINGS = 20


@dataclass
class Subject:
    """A camera without a picture."""

    config: CameraConfig
    clock_offset_s: float = 0.0
    gone: bool = False
    picture: bytes = field(default=b"\xff\xd8\xff\xd9", repr=False)

    def still(self) -> bytes:
        return self.picture


def serve(count: int, by_token: bool, to_parent: Connection) -> None:
    """Run so many cameras until the parent hangs up."""
    faces = []
    for index in range(count):
        config = CameraConfig(f"camera-{index}", "", "h265", "aac", USER, PASSWORD, f"SN-{index}")
        face = Face(Subject(config), f"rtsp://127.0.0.1:5554/{index}/main")
        furnish(face)
        face.gate.takes_digest = not by_token
        face.start()
        faces.append(face)
    to_parent.send([face.device_url for face in faces])
    to_parent.recv()


def rss_mb() -> float:
    """What this process holds now."""
    fields = Path("/proc/self/statm").read_text(encoding="utf-8").split()
    return int(fields[1]) * resource.getpagesize() / 1e6


def measure(urls: list[str]) -> dict[str, float]:
    """Read them all, the first one several times."""
    began_s = time.process_time()
    cameras = [Camera(urls[0], USER, PASSWORD)]
    faults = cameras[0].whole().facts.faults
    first_s = time.process_time() - began_s
    began_s, wall_s = time.process_time(), time.monotonic()
    for _ in range(READINGS):
        cameras[0].whole()
    next_s = (time.process_time() - began_s) / READINGS
    waited_s = (time.monotonic() - wall_s) / READINGS
    began_s = time.process_time()
    for url in urls[1:]:
        cameras.append(Camera(url, USER, PASSWORD))
        cameras[-1].whole()
    others_s = (time.process_time() - began_s) / max(1, len(urls) - 1)
    held = rss_mb()
    for camera in cameras:
        camera.close()
    return {
        "first_cpu_s": round(first_s, 3), "next_cpu_s": round(next_s, 4), "next_wall_s": round(waited_s, 4),
        "another_camera_cpu_s": round(others_s, 4), "cameras": len(urls), "rss_mb": round(held, 1),
        "faults": len(faults),
    }  # fmt: skip


def run(count: int, by_token: bool) -> dict[str, float]:
    """One measurement, in a fresh process beside the cameras' own."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    cameras = context.Process(target=serve, args=(count, by_token, theirs), daemon=True)
    cameras.start()
    urls = ours.recv()
    said, asked = context.Pipe()
    reader = context.Process(target=_reader, args=(urls, asked), daemon=True)
    reader.start()
    result: dict[str, float] = said.recv()
    reader.join()
    ours.send("enough")
    cameras.join()
    return result


def _reader(urls: list[str], to_parent: Connection) -> None:
    to_parent.send(measure(urls))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cameras", type=int, default=40)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    results = {way: run(arguments.cameras, way == "wsse") for way in ("digest", "wsse")}
    if arguments.json:
        print(json.dumps({"machine": machine(), **results}))
        return
    print(machine())
    for way, found in results.items():
        print(f"{way}: " + ", ".join(f"{name} {value}" for name, value in found.items()))


if __name__ == "__main__":
    main()
