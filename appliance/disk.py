"""How long the recording disk lasts: what the cameras really write, against the hours that must be recorded.

The one forecast of the house: the check, the pages, the alarm and retention all ask here.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from appliance import exams
from appliance.clock import iso
from appliance.config import Config
from appliance.exams import Exam, Window
from appliance.model import N_, Message, message
from appliance.store import Database
from drivers import host
from drivers.types import DriverError

MEASURED_FILES = 240  # of each camera: four hours of 60 s, so that a page is not made slow by a year of recordings
MEASURED_WITHIN = timedelta(days=7)
MEASURED_LEAST_S = 59.0  # less than this says nothing about a rate
USUAL_EXAM = timedelta(hours=4)  # what a day is taken for while no exam is planned

REPLACE = N_("Check that it is attached and not write-protected; replace it if it is worn out.")
ROOM = N_("Attach a second disk, or hand over the last exam and free its space.")


@dataclass(frozen=True, slots=True)
class Forecast:
    """One recording disk. `free_bytes`: above the reserve the site keeps free. `day_bytes`: what the next exam day
    writes; `planned` False: a usual day, because none is planned. `full_at`: when what is planned will have filled it.
    `measured`: cameras whose rate was measured; the others count with the profile's. `fault`: why nothing can be
    written.
    """

    total_bytes: int
    free_bytes: int
    reserve_bytes: int
    day_bytes: int
    planned: bool
    needed_days: float
    full_at: datetime | None = None
    measured: int = 0
    fault: str | None = None

    @property
    def days(self) -> float | None:
        """How many such days fit, rounded down to tenths; None when a day writes nothing."""
        return math.floor(self.free_bytes / self.day_bytes * 10) / 10 if self.day_bytes else None

    @property
    def short(self) -> bool:
        """Whether there is less room than the profile asks for."""
        return self.fault is not None or self.free_bytes == 0 or self.free_bytes < self.needed_days * self.day_bytes


def forecast(db: Database, config: Config, now: datetime, *, trial: bool = False) -> Forecast:
    """The disk `config` is at. With `trial` a small file is written to it and synced. Reads only, otherwise."""
    try:
        facts = host.disk(config.video) if trial else host.space(config.video)
    except DriverError as gone:
        facts = host.DiskFacts(0, 0, str(gone))
    rates = measured_rates(db, config, now)
    ahead = [e for e in exams.exams(db, since=now) if e.state == "planned"]
    day = next_day(config, ahead)
    free_bytes = max(0, facts.free_bytes - config.reserve_bytes)
    return Forecast(
        facts.total_bytes, free_bytes, config.reserve_bytes,
        fullest_day_bytes(config, day, rates) if day else usual_day_bytes(config, now, rates), bool(day),
        config.profile.limits.disk_needed_days, full_at(config, ahead, rates, free_bytes, now), len(rates), facts.fault,
    )  # fmt: skip


def measured_rates(db: Database, config: Config, now: datetime) -> dict[str, float]:
    """Camera -> bytes a second, of its recordings of the last days, all its streams together."""
    found: dict[str, float] = {}
    for camera in config.cameras:
        rows = db.rows(
            "select stream, sum(size_bytes) as size_bytes,"
            " sum((julianday(ends_at) - julianday(starts_at)) * 86400) as lasts_s from"
            " (select * from segment where camera = ? and starts_at > ? order by starts_at desc limit ?)"
            " group by stream", (camera.id, iso(now - MEASURED_WITHIN), MEASURED_FILES),
        )  # fmt: skip
        if sum(row["lasts_s"] for row in rows) >= MEASURED_LEAST_S:
            found[camera.id] = sum(row["size_bytes"] / row["lasts_s"] for row in rows if row["lasts_s"] > 0)
    return found


def planned_rate(config: Config) -> float:
    """Bytes a second of a camera nobody measured."""
    return config.profile.limits.planned_mbit_s * 1_000_000 / 8


def next_day(config: Config, planned: Iterable[Exam]) -> list[Exam]:
    """The exams of the next day that has any, on the site's calendar: `disk_needed_days` of it must fit."""
    days = [(e.starts_at.astimezone(config.site.zone).date(), e) for e in planned]
    first = min((day for day, _ in days), default=None)
    return [exam for day, exam in days if day == first]


def fullest_day_bytes(config: Config, planned: Iterable[Exam], rates: Mapping[str, float]) -> int:
    """What the day with most recording hours writes, on the site's calendar; overlapping exams are recorded once."""
    by_day: dict[object, float] = {}
    for camera, spans in _hours(config, planned).items():
        rate = rates.get(camera, planned_rate(config))
        for start, end in spans:
            day = start.astimezone(config.site.zone).date()
            by_day[day] = by_day.get(day, 0.0) + (end - start).total_seconds() * rate
    return round(max(by_day.values(), default=0.0))


def usual_day_bytes(config: Config, now: datetime, rates: Mapping[str, float]) -> int:
    """What an exam of four hours in all rooms would write."""
    usual = Exam("usual", "", now, now + USUAL_EXAM, (), 0, "planned", None)
    return fullest_day_bytes(config, [usual], rates)


def full_at(
    config: Config, planned: Iterable[Exam], rates: Mapping[str, float], free_bytes: float, now: datetime
) -> datetime | None:
    """When the planned recordings will have filled what is free; None: they all fit."""
    steps: list[tuple[datetime, float]] = []
    for camera, spans in _hours(config, planned).items():
        rate = rates.get(camera, planned_rate(config))
        for start, end in spans:
            if end > now:
                steps += [(max(start, now), rate), (end, -rate)]
    writing, at, left = 0.0, now, float(free_bytes)
    for when, change in sorted(steps):
        lasts_s = (when - at).total_seconds()
        if writing > 0 and left < writing * lasts_s:
            return at + timedelta(seconds=left / writing)
        left, at, writing = left - writing * lasts_s, when, writing + change
        if abs(writing) < 1:  # rounding of what was added and taken away
            writing = 0.0
    return None


def _hours(config: Config, planned: Iterable[Exam]) -> dict[str, list[tuple[datetime, datetime]]]:
    """Camera -> the spans it must be recorded, lead and tail included, none of them twice."""
    by_camera: dict[str, list[Window]] = {}
    for exam in planned:
        for window in exams.windows(config, exam):
            by_camera.setdefault(window.camera, []).append(window)
    recording = config.profile.recording
    lead, tail = timedelta(seconds=recording.lead_s), timedelta(seconds=recording.tail_s)
    found: dict[str, list[tuple[datetime, datetime]]] = {}
    for camera, windows in by_camera.items():
        spans = sorted((w.starts_at - lead, w.ends_at + tail) for w in windows)
        until = spans[0][0]
        for start, end in spans:
            if end > until:
                found.setdefault(camera, []).append((max(start, until), end))
            until = max(until, end)
    return found


def said(found: Forecast) -> Message:
    """The disk in one sentence."""
    if found.fault is not None:
        return message(N_("Nothing can be written to the recording disk: {cause}."), cause=found.fault)
    if found.free_bytes == 0:
        return message(
            N_("The recording disk is full up to its reserve of {reserve_bytes}."), reserve_bytes=found.reserve_bytes
        )
    if found.days is None:
        return message(N_("{free_bytes} are free for recordings; no exam is planned."), free_bytes=found.free_bytes)
    days = {"have_days": found.days, "need_days": found.needed_days}
    if found.full_at is None:
        return message(N_("Space for {have_days} days of recording, {need_days} are needed."), **days)
    text = N_("Space for {have_days} days of recording, {need_days} are needed. By plan it is full on {full_day} {full_at}.")  # noqa: E501
    return message(text, **days, full_day=iso(found.full_at), full_at=iso(found.full_at))


def remedy(found: Forecast) -> Message | None:
    """What a person does about it; None when nothing need be done."""
    if found.fault is not None:
        return message(REPLACE)
    return message(ROOM) if found.short else None
