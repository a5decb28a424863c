"""Forty cameras on two cores: from the recorder's launch to recording, ten minutes without a gap, and memory.

`python -m bench.many [--cameras 40 --minutes 10 --cores 0,1 --film planned]`. The cameras' process runs on the same
cores. Exit status 1 when there is a gap after a camera's first frame, or a frame is lost or twice.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from bench.filmed import FilmedSite
from bench.films import FILMS, Films
from bench.machine import machine
from bench.process import cpu_s, pss_bytes, tree


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cameras", type=int, default=40)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--cores", default="0,1", help="for recorder and cameras, as taskset takes them")
    parser.add_argument("--film", choices=FILMS, default="planned")
    chosen = parser.parse_args()
    film = FILMS[chosen.film]
    print(f"{machine()}\n{chosen.cameras} cameras, {film.told()}, all on cores {chosen.cores}", flush=True)
    with tempfile.TemporaryDirectory() as name, Films(chosen.cameras, film, chosen.cores) as films:
        with FilmedSite(Path(name) / "site", films, segment_s=60.0, cores=chosen.cores) as place:
            all_s = place.wait_recording()
            time.sleep(5)
            pids = tree(place.pid)
            before, films_before, began_s = sum(map(cpu_s, pids)), cpu_s(films.pid), time.monotonic()
            time.sleep(chosen.minutes * 60)
            seconds = time.monotonic() - began_s
            used, films_used = sum(map(cpu_s, pids)) - before, cpu_s(films.pid) - films_before
            memory = sum(map(pss_bytes, pids))
            alone = pss_bytes(place.pid)
            place.finish()
        kept = place.kept()
    firsts = sorted(k.first_s for k in kept)
    print(f"start to recording, s      first camera {firsts[0]:.1f}   median {firsts[len(firsts) // 2]:.1f}   "
          f"last {firsts[-1]:.1f}   (all say so after {all_s:.1f})")  # fmt: skip
    print(f"memory, MB                 {memory / 1e6:.0f} in all, {memory / 1e6 / len(kept):.1f} a camera, "
          f"the recorder alone {alone / 1e6:.0f}")  # fmt: skip
    print(f"CPU of a core, %           recorder with its ffmpegs {used / seconds * 100:.0f}   "
          f"the cameras themselves {films_used / seconds * 100:.0f}")  # fmt: skip
    later = {k.camera: g for k in kept if (g := [x for x in k.gaps.gaps if x.cause != "recording starting"])}
    print(f"gaps after the first frame {sum(map(len, later.values()))}   frames {sum(k.frames for k in kept)}   "
          f"lost {sum(k.lost for k in kept)}   twice {sum(k.twice for k in kept)}")  # fmt: skip
    for camera, gaps in later.items():
        print(f"  {camera}: " + ", ".join(f"{g.cause} {(g.ends_at - g.starts_at).total_seconds():.1f} s" for g in gaps))
    sys.exit(1 if later or any(k.lost or k.twice or not k.frames for k in kept) else 0)


if __name__ == "__main__":
    main()
