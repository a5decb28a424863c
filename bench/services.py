"""Memory and CPU of each service of a running site: `python -m bench.services --config demo-data/site.toml`.

Memory is the proportional share (PSS); the recorder is shown with and without its ffmpeg children.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from appliance import config as configuration
from appliance import health, store
from bench.machine import machine
from bench.process import cpu_s, pss_bytes, tree


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=20.0, help="how long CPU is measured")
    chosen = parser.parse_args()
    print(machine())
    config = configuration.load(chosen.config)
    pids = {beat.service: beat.pid for beat in health.heartbeats(store.open(config.database))}
    before = {name: cpu_s(pid) for name, pid in pids.items()}
    time.sleep(chosen.seconds)
    total = 0
    for name, pid in pids.items():
        own, below = pss_bytes(pid), tree(pid)[1:]
        children = sum(pss_bytes(child) for child in below)
        total += own + children
        share = (cpu_s(pid) - before[name]) / chosen.seconds * 100
        beside = f"   and {len(below)} children {children / 1e6:.0f} MB" if below else ""
        print(f"{name:<10} {own / 1e6:6.1f} MB   {share:5.1f} % of a core{beside}")
    print(f"{'all':<10} {total / 1e6:6.1f} MB   for {len(config.cameras)} cameras and {len(config.panels)} panels")


if __name__ == "__main__":
    main()
