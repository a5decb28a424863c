"""What a look at a camera's picture costs: CPU seconds a look, with the ffmpeg it starts, by size and codec.

`python -m bench.pictures [--looks 20]`. The film is what a camera sends: a key frame a second, five of them a look.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import tempfile
from pathlib import Path

from bench.machine import machine
from drivers import look
from drivers.fmp4_live import Tail

KINDS = (("libx264", "640x360", "500k"), ("libx264", "1920x1080", "4M"), ("libx265", "1920x1080", "2M"))
KEYS = 5  # picture_watch.KEYS


def film(to: Path, codec: str, size: str, rate: str) -> None:
    """Eight seconds at 25 frames a second."""
    extra = ["-x265-params", "keyint=25:log-level=error", "-tag:v", "hvc1"] if codec == "libx265" else ["-g", "25"]
    subprocess.run(
        ["ffmpeg", "-nostdin", "-v", "error", "-y", "-f", "lavfi", "-i", f"testsrc2=s={size}:r=25", "-t", "8", "-c:v",
         codec, "-preset", "ultrafast", *extra, "-b:v", rate, "-pix_fmt", "yuv420p", "-movflags",
         "+frag_keyframe+empty_moov+default_base_moof", str(to)], check=True,
    )  # fmt: skip


def cpu_s() -> float:
    """Of this process and the children it has waited for."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def a_look(path: Path, before: list[look.Grey]) -> list[look.Grey]:
    """All that the watch does for one look."""
    with Tail(path) as tail:
        pieces, _ = tail.look()
        keys = [piece for piece in pieces if piece.key][-KEYS:]
        assert tail.header is not None
        data = tail.header.silenced() + b"".join(tail.read(piece, 0.0, sound=False) for piece in keys)
    pictures = [look.without_clock(picture, 0.12, 0.12) for picture in look.decode(data)]
    look.facts(pictures[-1])
    look.likeness(pictures[-1], pictures[0])
    for one in pictures:
        for other in before:
            look.same_share(one, other)
    return pictures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--looks", type=int, default=20)
    arguments = parser.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory() as folder:
        for codec, size, rate in KINDS:
            path = Path(folder) / "film.mp4"
            film(path, codec, size, rate)
            before = 5 * a_look(path, [])
            began_s = cpu_s()
            for _ in range(arguments.looks):
                a_look(path, before)
            one_s = (cpu_s() - began_s) / arguments.looks
            print(f"{codec} {size} {rate}: {one_s * 1000:.0f} ms of CPU a look;"
                  f" a camera looked at every 12 s: {one_s / 12:.2%} of a core")  # fmt: skip


if __name__ == "__main__":
    main()
