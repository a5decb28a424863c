"""Power cuts with a real kernel: the recorder in a virtual machine whose power is cut again and again at random.

`python -m bench.power_cut --kernel FOLDER [--cuts 10] [--cameras 2]`; bench/guest.py says what is needed and how it
works. The cameras live outside and number their frames, so what a cut cost is counted in frames. In the end all that is
on the disk is held against what was sent and against what the recorder had promised before each cut:

- lost at a cut: frames sent before it and not on the disk; at most 2 s and one key-frame distance;
- promised: what the recorder called safe on its console before the cut is there;
- recordings it had archived are there, byte for byte; the archive and the journal verify; every file plays.

With `--steps` the machine's clock is set forward and back meanwhile, and promises, which are times, are not looked at.

The way from a camera into the slow guest counts as lost too. Exit status 1 when anything of this does not hold.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from appliance import archive, store
from appliance import config as configuration
from appliance.clock import SystemClock
from appliance.config import Config
from bench import guest
from bench.films import SMALL, Films
from bench.machine import machine
from demo.cameras_process import Address
from tests.fakes.recorded_site import plan_exam, site
from tests.fakes.rtsp_film import numbers_in

LOSS_S = 2.0
BOOT_LIMIT_S = 240.0
SEGMENT_S = 10.0


@dataclass(frozen=True, slots=True)
class Cut:
    """One cut: what had been sent, and what the recorder had said until then."""

    sent: list[int]
    said_s: float  # how old its last word was
    promised: dict[str, float]  # camera: seconds of film before `sent` up to which all was called safe
    archived: list[tuple[str, int, str]]


@dataclass(slots=True)
class Voice:
    """What one boot has said so far."""

    seen: int = 0
    safe: dict[str, str] = field(default_factory=dict)
    archived: list[tuple[str, int, str]] = field(default_factory=list)
    others: list[dict[str, Any]] = field(default_factory=list)
    heard_s: float = 0.0
    ahead_s: float = float("inf")  # the host's clock minus the guest's

    def listen(self, lines: Sequence[str]) -> None:
        for line in lines[self.seen :]:
            self.seen += 1
            if not line.startswith("@@"):
                continue
            said = json.loads(line[2:])
            if "now" not in said:
                self.others.append(said)
                continue
            self.heard_s, self.ahead_s = time.time(), min(self.ahead_s, time.time() - said["now"])
            self.safe = said["safe"]
            self.archived += [tuple(row) for row in said["rows"]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kernel", type=Path, required=True, help="an unpacked Debian kernel package")
    parser.add_argument("--cuts", type=int, default=10)
    parser.add_argument("--cameras", type=int, default=2)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--steps", action="store_true", help="set the machine's clock back and forth meanwhile")
    parser.add_argument("--keep", type=Path, help="leave the disk, its content and the console's log here")
    chosen = parser.parse_args()
    absent = guest.missing(chosen.kernel)
    if absent:
        raise SystemExit(absent)
    print(f"{machine()}\n{chosen.cameras} cameras, {SMALL.told()}; segments of {SEGMENT_S:.0f} s", flush=True)
    with tempfile.TemporaryDirectory() as name, Films(chosen.cameras, SMALL) as films:
        place = chosen.keep or Path(name)
        place.mkdir(parents=True, exist_ok=True)
        disk(place, films)
        words = "steps" if chosen.steps else ""
        cuts, others = trial(place, chosen.kernel, films, chosen.cuts, random.Random(chosen.seed), words)
        guest.read_disk(place / "disk.img", place / "read")
        faults = judge(place / "read", cuts, others, by_clock=not chosen.steps)
    print("\n".join(faults) or f"Held in all {len(cuts)} cuts.")
    sys.exit(1 if faults else 0)


def disk(place: Path, films: Films) -> None:
    """An ext4 disk with a site on it whose exam has begun."""
    addresses = {}
    for number, url in enumerate(films.urls):
        parts = urlsplit(url)
        inside = parts._replace(netloc=f"{guest.HOST}:{parts.port}").geturl()
        addresses[f"camera-{number}"] = Address(f"camera-{number}", inside, "", "u", "word")
    folder = place / "content"
    (folder / "site").mkdir(parents=True)
    config = site(folder / "site", addresses, segment_s=SEGMENT_S, stall_s=8.0)
    with closing(store.open(config.database)) as db:
        plan_exam(db, SystemClock(), lasts_s=86400.0)
    guest.make_disk(place / "disk.img", folder, 1024)


def trial(
    place: Path, kernel: Path, films: Films, wanted: int, chance: random.Random, words: str
) -> tuple[list[Cut], list[dict[str, Any]]]:
    """Boot, record, cut, again and again; in the end boot once more and have everything verified."""
    initrd, log = place / "initrd", place / "console.log"
    cuts: list[Cut] = []
    initrd.write_bytes(guest.initramfs(kernel, "bench.power_cut_guest"))
    for number in range(wanted):
        with guest.Guest(kernel, initrd, place / "disk.img", log, words) as machine_:
            voice, began_s = Voice(), time.monotonic()
            wait_for_all(machine_, voice, len(films.urls))
            ready_s = time.monotonic() - began_s
            time.sleep(chance.uniform(1.0, 2.5 * SEGMENT_S))
            sent = films.newest()
            machine_.cut()
            at_s = time.time()
            voice.listen(machine_.lines)
        promised = {c: at_s - datetime.fromisoformat(t).timestamp() - voice.ahead_s for c, t in voice.safe.items()}
        cuts.append(Cut(sent, at_s - voice.heard_s, promised, voice.archived))
        print(f"cut {number + 1:3}   recording after {ready_s:.0f} s   promised up to "
              + ", ".join(f"{s:.1f}" for s in promised.values()) + " s before the cut", flush=True)  # fmt: skip
    with guest.Guest(kernel, initrd, place / "disk.img", log, "check") as machine_:
        voice = Voice()
        machine_.wait(2 * BOOT_LIMIT_S)
        voice.listen(machine_.lines)
    return cuts, voice.others


def wait_for_all(machine_: guest.Guest, voice: Voice, cameras: int) -> None:
    until_s = time.monotonic() + BOOT_LIMIT_S
    while len(voice.safe) < cameras:
        if machine_.process.poll() is not None or time.monotonic() > until_s:
            raise SystemExit("the guest does not record:\n" + "\n".join(machine_.lines[-20:]))
        time.sleep(0.2)
        voice.listen(machine_.lines)


def judge(content: Path, cuts: list[Cut], others: list[dict[str, Any]], *, by_clock: bool) -> list[str]:
    """What does not hold; empty when all does. Prints the figures. `by_clock`: the guest's clock tells a promise."""
    config = configuration.load(content / "site/site.toml")
    faults = [f"verify {said['verify']}: {said['text']}" for said in others if said.get("status", 0) != 0]
    if {said.get("verify") for said in others} != {"archive", "journal", None}:
        faults.append(f"the last boot did not verify everything: {others}")
    with closing(store.open(config.database)) as db:
        rows = {s.path: (s.path, s.size_bytes, s.sha256) for s in archive.segments(db)}
        films = {c.id: _film(config, db, c.id, faults) for c in config.cameras}
    for number, cut in enumerate(cuts, 1):
        faults += [f"cut {number}: {row[0]} was archived and is not there as it was"
                   for row in cut.archived if rows.get(row[0]) != row]  # fmt: skip
    files = sorted(config.archive.rglob("*.mp4"))
    faults += [f"{path} does not play: {said}" for path in files if (said := plays(path))]
    lost: list[float] = []
    margins: list[float] = []
    for number, cut in enumerate(cuts, 1):
        for name, sent in zip(films, cut.sent, strict=True):
            last = max(n for n in films[name] if n <= sent)
            lost.append((sent - last) / SMALL.fps)
            margins.append(cut.promised[name] - lost[-1])
            if lost[-1] > LOSS_S + SMALL.gop / SMALL.fps:
                faults.append(f"cut {number}: {name} lost {lost[-1]:.1f} s")
            # A frame is under way for a moment, and the clocks of both machines are compared over the console.
            if by_clock and margins[-1] < -0.5:
                faults.append(f"cut {number}: {name} lost {-margins[-1]:.1f} s of what was called safe")
    print(f"lost at a cut, s            mean {sum(lost) / len(lost):.2f}   most {max(lost):.2f}   "
          f"({len(lost)} open files)")  # fmt: skip
    if by_clock:
        print(f"on disk beyond the promise  least {min(margins):.2f} s   most {max(margins):.2f} s")
    closed = {row[0] for cut in cuts for row in cut.archived}
    aside = [path for path in (config.video / "aside").rglob("*") if path.is_file()]
    print(f"closed recordings           {len(closed)} promised, all looked for; {len(rows)} in the archive in the end")
    named = ", ".join(f"{path.name} {path.stat().st_size}" for path in aside)
    print(f"set aside                   {len(aside)} files: {named}")
    return faults


def _film(config: Config, db: store.Database, camera: str, faults: list[str]) -> list[int]:
    """The numbers of all frames of a camera, in order; says what is twice, and what is missing inside a recording."""
    found: list[int] = []
    for segment in sorted(archive.segments(db, camera=camera), key=lambda s: s.starts_at):
        numbers = numbers_in(config.video / segment.path)
        if any(b != a + 1 for a, b in pairwise(numbers)) or len(numbers) != segment.frames:
            faults.append(f"{segment.path}: {len(numbers)} frames of {segment.frames}, {numbers[0]} to {numbers[-1]}")
        found += numbers
    if len(set(found)) != len(found):
        faults.append(f"{camera}: {len(found) - len(set(found))} frames are there twice")
    return found


def plays(path: Path) -> str:
    """What ffmpeg complains about when it decodes all of it."""
    done = subprocess.run(
        ["ffmpeg", "-nostdin", "-v", "error", "-i", str(path), "-f", "null", "-"], capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    return done.stderr.strip()


if __name__ == "__main__":
    main()
