"""Recording: CPU and memory of the recorder with everything of ours against bare `ffmpeg -c copy` on the same cameras.

Both record the same film cameras at the same time, so the ratio is the figure to trust. Ours: the recorder process with
its threads, database, syncing, hashing, and its ffmpeg children. Bare: one ffmpeg a camera, fragmented MP4 segments of
the same length, nothing else. `--own-disks`: each on an ext4 of its own (loop devices, root), as recordings have where
they should be kept: on a disk where others write, every file is synced alone (drivers/ext4.py). `--motion` and
`--zoneminder` run those beside them. Each number of cameras is a run:

    python -m bench.recording --cameras 1 4 8 16 --seconds 120
"""

from __future__ import annotations

import argparse
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from bench import others
from bench.filmed import FilmedSite
from bench.films import FILMS, Film, Films
from bench.machine import machine
from bench.process import cpu_s, pss_bytes, tree
from tests.fakes.loop_disk import LoopDisk
from tests.fakes.rtsp_film import numbers_in

DISK_MB = 6000  # sparse; an hour of two cameras, ten minutes of twelve
START_S = 10.0  # past the start: first segments


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cameras", type=int, nargs="+", default=[1, 4, 8, 16])
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--segment-s", type=float, default=60.0)
    parser.add_argument("--film", choices=FILMS, default="planned")
    parser.add_argument("--own-disks", action="store_true")
    parser.add_argument("--motion", action="store_true")
    parser.add_argument("--zoneminder", action="store_true")
    chosen = parser.parse_args()
    for wanted, program in ((chosen.motion, "motion"), (chosen.zoneminder, "zmc")):
        if wanted and (absent := others.missing(program)):
            raise SystemExit(absent)
    film = FILMS[chosen.film]
    print(f"{machine()}\n{film.told()}; segments of {chosen.segment_s:g} s, {chosen.seconds:g} s each", flush=True)
    for cameras in chosen.cameras:
        with tempfile.TemporaryDirectory() as name:
            measure(Path(name), cameras, film, chosen)


def measure(root: Path, cameras: int, film: Film, chosen: argparse.Namespace) -> None:
    with ExitStack() as running:
        films = running.enter_context(Films(cameras, film))
        folders = {name: root / name for name in ("bare", "site")}
        if chosen.own_disks:
            for name, folder in folders.items():
                running.enter_context(LoopDisk(root / f"{name}.image", folder, DISK_MB))
        bare_at_s = time.time()
        bares = running.enter_context(others.bare(films.urls, folders["bare"] / "to", chosen.segment_s))
        ours = running.enter_context(FilmedSite(folders["site"] / "to", films, segment_s=chosen.segment_s))
        sides = {"ours": [ours.process], "bare": bares}
        if chosen.motion:
            beside = others.motion(films.urls, root / "motion", chosen.segment_s, film)
            sides["motion"] = running.enter_context(beside)
        if chosen.zoneminder:
            beside = others.zoneminder(films.urls, root / "zm", chosen.segment_s, film)
            sides["ZoneMinder"] = running.enter_context(beside)
        ours.wait_recording()
        time.sleep(START_S)
        pids = {name: [pid for child in children for pid in tree(child.pid)] for name, children in sides.items()}
        before, alone = {name: sum(map(cpu_s, each)) for name, each in pids.items()}, cpu_s(ours.pid)
        began_s = time.monotonic()
        time.sleep(chosen.seconds)
        seconds = time.monotonic() - began_s
        used = {name: sum(map(cpu_s, each)) - before[name] for name, each in pids.items()}
        alone = cpu_s(ours.pid) - alone
        memory = {name: sum(map(pss_bytes, each)) for name, each in pids.items()}
        recorder_bytes = pss_bytes(ours.pid)
        ours.finish()
        firsts = [kept.first_s for kept in ours.kept()]
        to = folders["bare"] / "to"
        bare_firsts = [_first_s(to / str(n), films, n, film) - bare_at_s for n in range(cameras)]
    print(f"\n{cameras} cameras")
    for name in sides:
        print(f"  {name:<11} {used[name] * 3600 / seconds / cameras:7.1f} CPU-s per camera-hour, "
              f"{used[name] / used['bare']:5.2f} x bare   {memory[name] / cameras / 1e6:6.1f} MB a camera")  # fmt: skip
    print(f"  of ours outside ffmpeg {alone * 3600 / seconds / cameras:.1f} CPU-s; the recorder alone "
          f"{recorder_bytes / 1e6:.0f} MB")  # fmt: skip
    print(f"  launch to first frame, s   ours {_spread(firsts)}   bare {_spread(bare_firsts)}", flush=True)


def _first_s(folder: Path, films: Films, camera: int, film: Film) -> float:
    """When the first frame in a folder was sent, Unix time."""
    return films.began_s[camera] + numbers_in(min(folder.iterdir()))[0] / film.fps


def _spread(values: list[float]) -> str:
    return f"{min(values):.1f}-{max(values):.1f} (mean {sum(values) / len(values):.1f})"


if __name__ == "__main__":
    main()
