"""The watch service as a process of its own, for tests that kill it; `die-before-answer` is where it hurts most.

python -m tests.fakes.watch_process SITE.TOML [die-before-answer | die-at-random ONE_IN]
"""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
from pathlib import Path

from appliance import config as configuration
from appliance.clock import SystemClock
from appliance.services import watch
from appliance.store import Database
from drivers.types import Frame


class DiesBeforeAnswering(watch.Watcher):
    """The power goes between the disk and the acknowledgement of the first event; heartbeats are answered."""

    def _keep(self, db: Database, frame: Frame) -> None:
        super()._keep(db, frame)
        if frame.events:
            os.kill(os.getpid(), signal.SIGKILL)


class DiesAtRandom(watch.Watcher):
    """Of every so many events one ends the process: just before the disk, or between the disk and the answer.

    At the latest after twice so many, so that a short test does not by chance go without.
    """

    left = 0  # chances to die that are still passed by; chosen at the start

    def _keep(self, db: Database, frame: Frame) -> None:
        self._die_now(frame)
        super()._keep(db, frame)
        self._die_now(frame)

    def _die_now(self, frame: Frame) -> None:
        if frame.events:
            if DiesAtRandom.left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            DiesAtRandom.left -= 1


def main() -> None:
    if sys.argv[2:] == ["die-before-answer"]:
        watch.Watcher = DiesBeforeAnswering  # type: ignore[misc]
    if sys.argv[2:3] == ["die-at-random"]:
        DiesAtRandom.left = random.randrange(4 * int(sys.argv[3]))
        watch.Watcher = DiesAtRandom  # type: ignore[misc]
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda number, frame: stop.set())
    watch.main(configuration.load(Path(sys.argv[1])), SystemClock(), stop)


if __name__ == "__main__":
    main()
