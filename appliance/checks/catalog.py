"""Which checks there are for this site: every camera and panel of the configuration, and the box."""

from __future__ import annotations

import threading
from contextlib import closing
from dataclasses import dataclass

from appliance import exams, store
from appliance.checks import box, cameras, disk, panels, results
from appliance.checks.results import Group
from appliance.clock import Clock
from appliance.config import Config


@dataclass(frozen=True, slots=True)
class Check:
    """One kind of check; docs/checks.md has a heading for each. `title` is a msgid."""

    name: str
    title: str


CATALOG = tuple(Check(name, title) for name, title in results.TITLES.items())

STREAMS_AT_ONCE = 8  # each look into a stream is a process of some 30 MB


def groups(config: Config, clock: Clock, exam: str | None) -> list[Group]:
    """Every check, in the order pages show them: cameras of the exam's rooms (all without an exam), panels, the box."""
    with closing(store.open(config.database)) as db:
        rooms = exams.get(db, exam).rooms if exam is not None else ()
    probes = threading.Semaphore(STREAMS_AT_ONCE)
    limits = config.profile.limits
    found = [cameras.group(camera, limits, probes) for camera in config.cameras_in(rooms)]
    if config.panels:
        found.append(panels.group(config, clock))
    return [*found, disk.group(config, clock), *box.groups(config, clock)]
