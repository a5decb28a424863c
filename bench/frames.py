"""Recordings against what was sent, frame by frame: lost between the first and the last, and twice across boundaries.

`python -m bench.frames --cameras 16 --minutes 60`. With `--dying 60` the first camera hangs up every 60 s: what that
costs is counted, and that it costs the others nothing. Exit status 1 when another camera lost a frame or has one twice.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from bench.filmed import FilmedSite, Kept
from bench.films import FILMS, Films
from bench.machine import machine


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cameras", type=int, default=16)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--segment-s", type=float, default=10.0, help="short, so that there are many boundaries")
    parser.add_argument("--film", choices=FILMS, default="planned")
    parser.add_argument("--dying", type=float, default=0.0, help="the first camera hangs up every so many seconds")
    chosen = parser.parse_args()
    film = FILMS[chosen.film]
    print(f"{machine()}\n{chosen.cameras} cameras, {film.told()}; segments of {chosen.segment_s:g} s", flush=True)
    with tempfile.TemporaryDirectory() as name, Films(chosen.cameras, film) as films:
        with FilmedSite(Path(name) / "site", films, segment_s=chosen.segment_s) as place:
            place.wait_recording()
            deaths = play(films, chosen.minutes * 60, chosen.dying)
            place.finish()
        kept = place.kept()
    dying, others = (kept[:1], kept[1:]) if chosen.dying else ([], kept)
    for camera in dying:
        told(f"hung up {deaths} times", [camera], film.fps)
        causes = sorted({gap.cause for gap in camera.gaps.gaps})
        print(f"  its gaps                  {len(camera.gaps.gaps)}: {', '.join(causes)}")
    told("all others" if dying else "all", others, film.fps)
    broken = [k for k in others if k.lost or k.twice or not k.frames]
    for camera in broken:
        print(f"  {camera}")
    sys.exit(1 if broken else 0)


def play(films: Films, seconds: float, dying_s: float) -> int:
    """Let it run; returns how often the first camera died."""
    until_s, deaths = time.monotonic() + seconds, 0
    while (left_s := until_s - time.monotonic()) > 0:
        time.sleep(min(left_s, dying_s or left_s))
        if dying_s and until_s - time.monotonic() > dying_s / 2:
            films.drop(0)
            deaths += 1
    return deaths


def told(who: str, kept: list[Kept], fps: int) -> None:
    frames, lost = sum(k.frames for k in kept), sum(k.lost for k in kept)
    print(f"{who}: {frames} frames of {len(kept)} cameras, {sum(k.boundaries for k in kept)} boundaries, "
          f"lost {lost} ({lost / fps:.1f} s), twice {sum(k.twice for k in kept)}")  # fmt: skip


if __name__ == "__main__":
    main()
