"""What time itself does to alarms: shelves and tests end, and what was taken in hand and still stands asks again."""

from __future__ import annotations

from appliance import alarms, maintenance, shelving
from appliance.clock import Clock
from appliance.config import Config
from appliance.store import Database


def tend(db: Database, config: Config, clock: Clock) -> int:
    """One round, about once a second; returns how many things changed. Reads only, unless something is due."""
    return (
        shelving.end_due(db, config, clock)
        + maintenance.end_due(db, config, clock)
        + alarms.ask_again(db, config, clock)
    )
