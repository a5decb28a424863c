"""Recording: CPU and memory of the recorder with everything of ours against bare `ffmpeg -c copy` on the same cameras.

Both record the same virtual cameras at the same time, so the ratio is the figure to trust. Ours: the recorder process
with its threads, database, syncing, hashing, and its ffmpeg children. Bare: one ffmpeg a camera, fragmented MP4
segments of the same length, nothing else. Sound is off here: it would be encoded on our side only.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path

from appliance import archive, exams, store
from appliance import config as configuration
from appliance.clock import SystemClock
from appliance.commands.site import initialise
from appliance.model import Actor
from bench.machine import machine
from bench.process import cpu_s, pss_bytes, tree
from bench.site import write_site
from demo.cameras_process import CamerasProcess

SEGMENT_S = 15.0
MOVFLAGS = "+frag_keyframe+empty_moov+default_base_moof"
BARE_OPTIONS = [
    *("-map", "0:v:0", "-c:v", "copy", "-f", "segment", "-segment_time", "15", "-segment_atclocktime", "1"),
    *("-reset_timestamps", "1", "-strftime", "1", "-segment_format", "mp4"),
    *("-segment_format_options", f"movflags={MOVFLAGS}:frag_duration=1000000:flush_packets=1"),
]


def bare(url: str, folder: Path) -> subprocess.Popen[bytes]:
    folder.mkdir(parents=True)
    argv = ["ffmpeg", "-nostdin", "-v", "error", "-rtsp_transport", "tcp", "-timeout", "5000000", "-i", url]
    return subprocess.Popen([*argv, *BARE_OPTIONS, str(folder / "%Y%m%dT%H%M%SZ.mp4")])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cameras", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=60.0)
    chosen = parser.parse_args()
    print(machine())
    names = [f"camera-{number}" for number in range(1, chosen.cameras + 1)]
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        cameras = [
            {
                "id": n,
                "label": n,
                "codec": "h264",
                "sound": "none",
                "user": "u",
                "password": f"word-of-{n}",
                "serial": n,
            }
            for n in names
        ]
        with CamerasProcess(cameras, root / "cameras") as process:
            site = write_site(root / "site", process.addresses, segment_s=SEGMENT_S)
            measure(root, site, process, chosen.seconds)


def measure(root: Path, site: Path, process: CamerasProcess, seconds: float) -> None:
    config, clock = configuration.load(site), SystemClock()
    initialise(config)
    db = store.open(config.database)
    now = clock.now()
    exams.plan(db, config, clock, Actor.service("bench"), "bench", "bench", now, now + timedelta(hours=2))
    ours = subprocess.Popen([sys.executable, "-m", "appliance", "run", "recorder", "--config", str(site)])
    bares = [bare(a.rtsp_url_signed, root / "bare" / a.id) for a in process.addresses.values()]
    try:
        wait_recording(config, len(bares))
        time.sleep(10)  # past the start: probing, first segments
        before = {pid: cpu_s(pid) for pid in tree(ours.pid)}
        bare_before = [cpu_s(p.pid) for p in bares]
        began = time.monotonic()
        time.sleep(seconds)
        elapsed_s = time.monotonic() - began
        pids = tree(ours.pid)
        own_s = cpu_s(ours.pid) - before[ours.pid]
        ours_s = sum(cpu_s(pid) - before.get(pid, 0.0) for pid in pids)
        bare_s = sum(cpu_s(p.pid) for p in bares) - sum(bare_before)
        per_hour = 3600 / elapsed_s / len(bares)
        print(
            f"CPU, s per camera-hour   ours {ours_s * per_hour:6.1f}   bare {bare_s * per_hour:6.1f}   "
            f"ratio {ours_s / bare_s:.2f}   (of ours, outside ffmpeg: {own_s * per_hour:.1f})"
        )
        memory, bare_memory = sum(map(pss_bytes, pids)), sum(pss_bytes(p.pid) for p in bares)
        share = len(bares) * 1e6
        print(
            f"memory, MB per camera    ours {memory / share:6.1f}   bare {bare_memory / share:6.1f}   "
            f"ratio {memory / bare_memory:.2f}   (recorder process alone: {pss_bytes(ours.pid) / 1e6:.0f} MB)"
        )
        print(f"segments adopted         {len(archive.segments(db))}")
    finally:
        for child in [ours, *bares]:
            child.terminate()
        for child in [ours, *bares]:
            child.wait(20)


def wait_recording(config: configuration.Config, count: int) -> None:
    until = time.monotonic() + 60
    while len([folder for folder in config.incoming.glob("*") if any(folder.iterdir())]) < count:
        if time.monotonic() > until:
            raise SystemExit("not all cameras record after 60 s")
        time.sleep(0.5)


if __name__ == "__main__":
    os.environ["LC_ALL"] = "C.UTF-8"
    main()
