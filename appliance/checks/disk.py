"""disk.space: room for the planned exam day, with the reserve the site keeps free. The forecast is `appliance.disk`."""

from __future__ import annotations

from contextlib import closing

from appliance import disk, store
from appliance.checks.results import Group, Verdict
from appliance.clock import Clock
from appliance.config import Config
from appliance.disk import Forecast
from appliance.model import N_, message


def group(config: Config, clock: Clock) -> Group:
    overdue = Verdict("broke", message(N_("The recording disk did not answer in time.")),
                      message(N_("Check that the disk is attached; restart the box if it is.")))  # fmt: skip
    return Group(lambda: look(config, clock), {"disk.space": enough}, overdue)


def look(config: Config, clock: Clock) -> Forecast:
    """The recording disk, with a trial file."""
    with closing(store.open(config.database)) as db:
        return disk.forecast(db, config, clock.now(), trial=True)


def enough(found: Forecast) -> Verdict:
    facts = {"free_bytes": found.free_bytes, "total_bytes": found.total_bytes, "reserve_bytes": found.reserve_bytes,
             "planned_bytes": found.day_bytes if found.planned else 0, "measured": found.measured}  # fmt: skip
    remedy = disk.remedy(found)
    if remedy is not None and (found.planned or found.fault is not None or found.free_bytes == 0):
        return Verdict("failed", disk.said(found), remedy, facts)
    return Verdict("passed", disk.said(found), facts=facts)
