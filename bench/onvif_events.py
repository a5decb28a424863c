"""Memory and CPU of the watch service that listens to many cameras' events, and how soon an event is in the books.

Real ONVIF faces on loopback, the real service as a process of its own, pulling as in earnest:
`python -m bench.onvif_events --cameras 40 --seconds 60`. Memory is the service's Pss; CPU is per minute of listening.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from appliance import config as configuration
from appliance import store
from appliance.commands.site import initialise
from appliance.config import Config
from appliance.store import Database
from bench.machine import machine
from bench.process import cpu_s, pss_bytes
from bench.site import HEAD
from demo.camera_encoder import CameraConfig
from demo.onvif_face import Face
from demo.onvif_set_face import furnish
from tests.fakes.onvif_faces import STREAM, Subject

ROOT = Path(__file__).resolve().parent.parent
SITE = HEAD + """
[[room]]
code = "0001"
kind = "classroom"
name = {{ ru = "Комната", en = "Room" }}
"""
CAMERA = """
[[camera]]
id = "camera-{n}"
name = {{ ru = "Камера {n}", en = "Camera {n}" }}
room = "0001"
onvif = "{url}"
user = "examsite"
password_file = "camera.password"
[[zone]]
panel = "camera:camera-{n}"
number = "input"
name = {{ ru = "Дверь {n}", en = "Door {n}" }}
role = "room-door"
"""


def site(folder: Path, faces: list[Face]) -> Config:
    shutil.copy(ROOT / "examples" / "ru-ege.toml", folder)
    (folder / "camera.password").write_text("word\n", encoding="utf-8")
    cameras = "".join(CAMERA.format(n=n, url=face.device_url) for n, face in enumerate(faces))
    (folder / "examsite.toml").write_text(SITE.format() + cameras, encoding="utf-8")
    config = configuration.load(folder / "examsite.toml")
    initialise(config)
    return config


def all_heard(db: Database, wanted: int, until_s: float) -> None:
    while db.value("select count(*) from panel_link where state = 'heard'") < wanted:
        if time.monotonic() > until_s:
            raise SystemExit("not every camera was heard in two minutes")
        time.sleep(0.2)


def delays_s(db: Database, faces: list[Face], rounds: int) -> list[float]:
    """From the camera's saying to the committed entry."""
    found = []
    for turn in range(rounds):
        for face in faces[:: max(1, len(faces) // 10)]:
            before, began_s = db.value("select count(*) from event"), time.monotonic()
            state = {"LogicalState": "true" if turn % 2 == 0 else "false"}
            face.pull.emit("tns1:Device/Trigger/DigitalInput", {"InputToken": "input"}, state)
            while db.value("select count(*) from event") == before:
                time.sleep(0.002)
            found.append(time.monotonic() - began_s)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cameras", type=int, default=40)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--rounds", type=int, default=4)
    arguments = parser.parse_args()
    print(machine())
    faces = []
    for n in range(arguments.cameras):
        config = CameraConfig(f"camera-{n}", "", "h264", "none", "examsite", "word", f"SN-{n}")
        faces.append(Face(Subject(config), STREAM))
        furnish(faces[-1])
        faces[-1].start()
    with tempfile.TemporaryDirectory() as name:
        config_ = site(Path(name), faces)
        command = [sys.executable, "-m", "appliance", "run", "watch", "--config", str(config_.source)]
        environment = {**os.environ, "MALLOC_ARENA_MAX": "2"}  # as systemd/examsite-watch.service
        began_s = time.monotonic()
        service = subprocess.Popen(command, cwd=ROOT, env=environment)
        try:
            db = store.open(config_.database)
            all_heard(db, len(faces), time.monotonic() + 120)
            print(f"{len(faces)} cameras heard {time.monotonic() - began_s:.1f} s after the start")
            print(f"until then {cpu_s(service.pid):.1f} s CPU, {pss_bytes(service.pid) / 1e6:.0f} MB")
            before_s = cpu_s(service.pid)
            time.sleep(arguments.seconds)
            quiet_s = (cpu_s(service.pid) - before_s) * 60 / arguments.seconds
            print(f"quiet: {quiet_s:.2f} s CPU a minute for all, {pss_bytes(service.pid) / 1e6:.0f} MB")
            found = delays_s(db, faces, arguments.rounds)
            middle, worst = statistics.median(found) * 1000, max(found) * 1000
            print(f"from the camera's word to the books: {middle:.0f} ms, worst of {len(found)}: {worst:.0f} ms")
            print(f"at the end {pss_bytes(service.pid) / 1e6:.0f} MB")
        finally:
            service.terminate()
            service.wait(20)


if __name__ == "__main__":
    main()
