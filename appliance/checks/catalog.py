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
from appliance.exams import Exam


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
        planned = [e for e in exams.exams(db, since=clock.now()) if e.state == "planned"]
        rooms = exams.get(db, exam).rooms if exam is not None else ()
    probes = threading.Semaphore(STREAMS_AT_ONCE)
    limits = config.profile.limits
    found = [cameras.group(camera, limits, probes) for camera in config.cameras_in(rooms)]
    if config.panels:
        found.append(panels.group(config, clock))
    return [*found, disk.group(config, _next_day(config, planned)), *box.groups(config, clock)]


def _next_day(config: Config, planned: list[Exam]) -> list[Exam]:
    """The exams of the next day that has any, on the site's calendar: `disk_needed_days` of it must fit."""
    days = sorted({e.starts_at.astimezone(config.site.zone).date() for e in planned})
    return [e for e in planned if e.starts_at.astimezone(config.site.zone).date() == days[0]] if days else []
