"""disk.space: room for the planned exam day, with the reserve the site keeps free."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from appliance import exams
from appliance.checks.results import Group, Verdict
from appliance.config import Config
from appliance.exams import Exam
from appliance.model import N_, message
from drivers import host
from drivers.types import DriverError

BITS = 8
REPLACE = N_("Check that it is attached and not write-protected; replace it if it is worn out.")
ROOM = N_("Attach a second disk, or hand over the last exam and free its space.")


@dataclass(frozen=True, slots=True)
class Space:
    """The recording disk, and what the fullest planned exam day will write; planned_bytes is 0 when none is planned."""

    disk: host.DiskFacts
    planned_bytes: int


def group(config: Config, planned: list[Exam]) -> Group:
    overdue = Verdict("broke", message(N_("The recording disk did not answer in time.")),
                      message(N_("Check that the disk is attached; restart the box if it is.")))  # fmt: skip
    return Group(
        lambda: Space(look(config), fullest_day_bytes(config, planned)),
        {"disk.space": lambda space: enough(space, config.profile.limits.disk_needed_days, config.reserve_bytes)},
        overdue,
    )


def look(config: Config) -> host.DiskFacts:
    """The recording disk; one that is not there has no room and says why."""
    try:
        return host.disk(config.video)
    except DriverError as gone:
        return host.DiskFacts(0, 0, str(gone))


def fullest_day_bytes(config: Config, planned: list[Exam]) -> int:
    """What the day with most recording hours writes, on the site's calendar; overlapping exams are recorded once."""
    by_day: dict[object, float] = {}
    rate = config.profile.limits.planned_mbit_s * 1_000_000 / BITS
    hours: dict[str, list[tuple[datetime, datetime]]] = {}
    for exam in planned:
        for window in exams.windows(config, exam):
            hours.setdefault(window.camera, []).append((window.starts_at, window.ends_at))
    for spans in hours.values():
        until = min(start for start, _ in spans)
        for start, end in sorted(spans):
            length = max(end - max(start, until), timedelta())
            day = start.astimezone(config.site.zone).date()
            by_day[day] = by_day.get(day, 0.0) + length.total_seconds() * rate
            until = max(until, end)
    return round(max(by_day.values(), default=0.0))


def enough(space: Space, needed_days: float, reserve_bytes: int) -> Verdict:
    free = max(space.disk.free_bytes - reserve_bytes, 0)
    facts = {"free_bytes": space.disk.free_bytes, "total_bytes": space.disk.total_bytes,
             "reserve_bytes": reserve_bytes, "planned_bytes": space.planned_bytes}  # fmt: skip
    if space.disk.fault is not None:
        found = message(N_("Nothing can be written to the recording disk: {cause}."), cause=space.disk.fault)
        return Verdict("failed", found, message(REPLACE), facts)
    if free == 0:
        found = message(
            N_("The recording disk is full up to its reserve of {reserve_bytes}."), reserve_bytes=reserve_bytes
        )
        return Verdict("failed", found, message(ROOM), facts)
    if space.planned_bytes == 0:
        found = message(N_("{free_bytes} are free for recordings; no exam is planned."), free_bytes=free)
        return Verdict("passed", found, facts=facts)
    days = free / space.planned_bytes
    said = N_("Space for {have_days} days of recording, {need_days} are needed.")
    found = message(said, have_days=math.floor(days * 10) / 10, need_days=needed_days)
    if days < needed_days:
        return Verdict("failed", found, message(ROOM), facts)
    return Verdict("passed", found, facts=facts)
