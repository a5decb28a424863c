"""`examsite run all`: every service under one parent that restarts what dies. systemd does the same on a real box.

A service that ends by itself is started again at once; one that dies young waits a little longer each time, never above
RESTART_LONGEST_S. How long it was away is in the journal.
"""

from __future__ import annotations

import logging
import sys
import tempfile
import threading
import time
from pathlib import Path

from appliance import journal, store
from appliance.clock import Clock
from appliance.config import Config
from appliance.health import SERVICES
from appliance.model import Actor
from drivers.children import STOP_GRACE_S, Child, describe_end

log = logging.getLogger(__name__)

LOOK_S = 0.1
YOUNG_S = 2.0  # dying sooner than this after the start is not an accident
RESTART_LONGEST_S = 3.0
WATCHDOG_S = 30.0


def command(service: str, config: Config) -> list[str]:
    """How to start one service as a process of its own."""
    if service == "web":  # the core knows no screen: the pages are a program beside it
        return [sys.executable, "-m", "web", "--config", str(config.source)]
    return [sys.executable, "-m", "appliance", "run", service, "--config", str(config.source)]


class Supervised:
    """One service: its process, when it went away and when it may come back."""

    def __init__(self, child: Child) -> None:
        self.child = child
        self.gone_mono_s: float | None = None
        self.start_at_mono_s = 0.0
        self.young_deaths = 0
        self.cause = ""

    def died(self, status: int) -> None:
        now = time.monotonic()
        young = now - self.child.started_mono_s < YOUNG_S
        self.young_deaths = self.young_deaths + 1 if young else 0
        if self.gone_mono_s is None:
            self.gone_mono_s = now
        self.cause = describe_end(status)
        self.start_at_mono_s = now + (min(0.25 * 2**self.young_deaths, RESTART_LONGEST_S) if young else 0.0)
        self.child.process = None


def run(config: Config, clock: Clock, stop: threading.Event) -> None:
    """Run all services until `stop`. Must be called from the main thread."""
    db = store.open(config.database)
    with tempfile.TemporaryDirectory(prefix="examsite-") as folder:
        services = [Supervised(Child(name, command(name, config), Path(folder))) for name in SERVICES]
        for service in services:
            service.child.start()
        try:
            while not stop.wait(LOOK_S):
                for service in services:
                    _look(db, clock, service)
        finally:
            _stop(services)


def _look(db: store.Database, clock: Clock, service: Supervised) -> None:
    child = service.child
    if child.process is None:
        if time.monotonic() >= service.start_at_mono_s:
            child.start()
        return
    if child.listen() and service.gone_mono_s is not None:
        down_ms = round((time.monotonic() - service.gone_mono_s) * 1000)
        service.gone_mono_s = None
        with store.transaction(db):
            journal.append(
                db,
                clock,
                "service.died",
                Actor.service("supervisor"),
                service=child.name,
                cause=service.cause,
                down_ms=down_ms,
            )
    status = child.ended()
    if status is not None:
        log.warning("service %s ended: %s", child.name, describe_end(status))
        service.died(status)
    elif time.monotonic() - child.heard_mono_s > WATCHDOG_S:
        log.error("service %s said nothing for %.0f s and is ended", child.name, WATCHDOG_S)
        child.kill()


def _stop(services: list[Supervised]) -> None:
    for service in services:
        service.child.ask_to_stop()
    deadline = time.monotonic() + STOP_GRACE_S
    for service in services:
        service.child.wait_stopped(deadline)
