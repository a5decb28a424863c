"""A panel's clock that prints no year (panels.md 5): its year is the one nearest to when it was heard."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from drivers.types import PanelEvent

NO_YEAR = "no-year"  # flag: the year in panel_time stands for nothing


def panel_time(event: PanelEvent, heard_at: datetime) -> str | None:
    """The panel's time as ISO text, with a year. 31 December heard on 1 January is of the year before."""
    said = event.panel_time
    if said is not None and NO_YEAR in event.flags:
        heard = heard_at.replace(tzinfo=None)
        said = min(_years(said, heard.year), key=lambda year: abs(year - heard), default=None)
    return said.isoformat() if said else None


def _years(said: datetime, year: int) -> Iterator[datetime]:
    for tried in (year - 1, year, year + 1):
        if (said.month, said.day) != (2, 29) or (tried % 4 == 0 and (tried % 100 or tried % 400 == 0)):
            yield said.replace(year=tried)
