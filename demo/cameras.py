"""Virtual cameras: N real RTSP cameras in one process, for the demo and the tests.

Run by /usr/bin/python3 (GStreamer's bindings are Debian packages): python3 -m demo.cameras CONFIG --folder DIR
CONFIG is a JSON list of {"id", "label", "codec": "h264|h265", "sound": "pcma|aac|none", "user", "password", "serial"}
and, when wanted, "clock_offset_s" and "quirks" (demo/onvif_quirks.py). Each camera is at
rtsp://127.0.0.1:PORT/<id>/main with Digest sign-in.

One line of JSON on standard output says when all cameras run, and where: `rtsp_port`, `control_port`, `cameras`.
The picture carries the room, the site's clock, and the frame counter in digits and as a bar code along the top edge:
25 boxes of 24x24 px from x=20, y=8: white, black, 20 bits lowest first (white is 1), odd parity white, black, white.
demo/barcode.py reads it. The counter follows the wall clock, also while the camera is silent.

Control: one command a line on TCP 127.0.0.1:control_port, one line of answer each:
  silence ID SECONDS   no media, but the connections stay and the server answers (a new DESCRIBE waits for media)
  drop ID SECONDS      connections are closed, and new ones are closed at their first request
  clock ID SECONDS     the camera's ONVIF clock is off by so much
  picture ID SCENE     it shows: ordinary, still, frozen, dark, covered or turned (camera_encoder.SCENES)
  quirk ID NAME        the camera misbehaves in this way from now on (demo/onvif_quirks.py)
  stats                JSON, for each camera the last frame sent, its rate, its ffmpeg's pid
The process ends its ffmpegs when it ends, and ends itself when standard input closes (--end-with-stdin): that holds
however the parent dies, and whichever of its threads started us.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import signal
import socketserver
import threading
import time
from collections.abc import Callable
from pathlib import Path

from demo.camera_encoder import SCENES, CameraConfig
from demo.camera_rtsp import Camera, Server
from demo.discovery_answer import start_discovery
from demo.gst import GLib, Gst
from demo.onvif_face import Face
from demo.onvif_quirks import Quirk, misbehave
from demo.onvif_set_face import furnish

START_TIMEOUT_S = 20.0


class Commands:
    """The control port's commands."""

    def __init__(self, cameras: dict[str, Camera], server: Server, faces: dict[str, Face]) -> None:
        self._cameras, self._server, self._faces = cameras, server, faces

    def run(self, line: str) -> str:
        words = line.split()
        if words == ["stats"]:
            return json.dumps({name: camera.stats() for name, camera in self._cameras.items()})
        if len(words) == 3 and words[0] == "quirk" and words[1] in self._faces:
            if words[2] not in set(Quirk):
                return f"error: there is no quirk {words[2]}"
            misbehave(self._faces[words[1]], Quirk(words[2]))
            return "ok"
        if len(words) == 3 and words[0] == "picture" and words[1] in self._cameras and words[2] in SCENES:
            self._cameras[words[1]].encoder.see(words[2])
            return "ok"
        known: dict[str, Callable[[Camera, float], None]] = {
            "silence": self._silence,
            "drop": self._drop,
            "clock": self._clock,
        }
        if len(words) != 3 or words[0] not in known or words[1] not in self._cameras:
            return "error: silence|drop|clock ID SECONDS, picture ID SCENE, quirk ID NAME, or stats"
        try:
            amount = float(words[2])
        except ValueError:
            return f"error: {words[2]} is not a number"
        known[words[0]](self._cameras[words[1]], amount)
        return "ok"

    def _silence(self, camera: Camera, seconds: float) -> None:
        camera.silent_until_s = time.monotonic() + seconds

    def _drop(self, camera: Camera, seconds: float) -> None:
        self._server.restart(camera, seconds)

    def _clock(self, camera: Camera, seconds: float) -> None:
        camera.clock_offset_s = seconds


def start_control(commands: Commands) -> int:
    """Listen for commands on a free port; returns the port."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            for line in self.rfile:
                self.wfile.write((commands.run(line.decode("utf-8", "replace")) + "\n").encode())

    class Control(socketserver.ThreadingTCPServer):
        daemon_threads = True

    control = Control(("127.0.0.1", 0), Handler)
    threading.Thread(target=control.serve_forever, name="control", daemon=True).start()
    return int(control.server_address[1])


def wait_for_pictures(cameras: dict[str, Camera]) -> None:
    """Return when every camera has made a frame and a snapshot."""
    until_s = time.monotonic() + START_TIMEOUT_S
    for name, camera in cameras.items():
        while camera.encoder.number < 0 or not camera.encoder.snapshot.exists():
            if time.monotonic() > until_s:
                raise SystemExit(f"camera {name} made no picture within {START_TIMEOUT_S:.0f} s")
            time.sleep(0.05)


def end_with_stdin(loop: GLib.MainLoop) -> None:
    """Quit when whoever started us is gone: the other end of the pipe closes with it."""

    def watch() -> None:
        while os.read(0, 4096):
            continue
        loop.quit()

    threading.Thread(target=watch, name="parent", daemon=True).start()


def main() -> None:
    parser = argparse.ArgumentParser(description="Virtual RTSP and ONVIF cameras on 127.0.0.1.")
    parser.add_argument("config", type=Path)
    parser.add_argument("--folder", type=Path, required=True, help="for snapshots; made when missing")
    parser.add_argument("--port", type=int, default=0, help="RTSP port (0: a free one)")
    parser.add_argument("--zone", default="Europe/Moscow", help="time zone of the clock in the picture")
    parser.add_argument("--end-with-stdin", action="store_true", help="end when standard input is closed")
    parser.add_argument("--discovery", metavar="ADDRESS", help="answer WS-Discovery probes from this loopback address")
    arguments = parser.parse_args()
    Gst.init(None)
    arguments.folder.mkdir(parents=True, exist_ok=True)
    configs = [CameraConfig.read(raw) for raw in json.loads(arguments.config.read_text(encoding="utf-8"))]
    folder = arguments.folder.resolve()
    cameras = {config.id: Camera.make(config, folder, arguments.zone) for config in configs}
    server = Server(cameras, arguments.port)
    port = server.attach()
    faces = {name: Face(camera, f"rtsp://127.0.0.1:{port}/{name}/main") for name, camera in cameras.items()}
    for name, face in faces.items():
        furnish(
            face,
            on_restart=functools.partial(server.restart, cameras[name]),
            on_password=functools.partial(server.sign_in, cameras[name]),
        )
        misbehave(face, *map(Quirk, cameras[name].config.quirks))
        face.start()
    loop = GLib.MainLoop()
    for number in (signal.SIGTERM, signal.SIGINT):
        GLib.unix_signal_add(GLib.PRIORITY_HIGH, number, loop.quit)
    if arguments.end_with_stdin:
        end_with_stdin(loop)
    try:
        for camera in cameras.values():
            camera.encoder.start()
        wait_for_pictures(cameras)
        if arguments.discovery:
            start_discovery(list(faces.values()), arguments.discovery)
        control_port = start_control(Commands(cameras, server, faces))
        said = {"rtsp_port": port, "control_port": control_port, "cameras": [face.address() for face in faces.values()]}
        print(json.dumps(said), flush=True)
        loop.run()
    finally:
        for camera in cameras.values():
            camera.encoder.stop()
    os._exit(0)  # GStreamer's threads would hold up an ordinary exit


if __name__ == "__main__":
    main()
