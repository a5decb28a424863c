"""Copies that were fetched from cameras' cards, as the journal tells of them: to be named beside their gaps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from appliance import journal
from appliance.clock import parse
from appliance.coverage import Gap
from appliance.store import Database

KIND, NOT = "camera.card_fetched", "camera.card_unfetched"
MOST = 1000


@dataclass(frozen=True, slots=True)
class FetchedCopy:
    """One copy; the span it was asked for is of the box's clock."""

    camera: str
    from_at: datetime
    to_at: datetime
    file: str
    sha256: str
    entry: int


def copies(db: Database) -> list[FetchedCopy]:
    """All of them, the newest first."""
    return [
        FetchedCopy(str(one.camera), parse(one.data["from_at"]), parse(one.data["to_at"]), one.data["file"],
                    one.data["sha256"], one.seq)
        for one in journal.entries(db, kinds=(KIND,), newest_first=True, limit=MOST)
    ]  # fmt: skip


def of(found: Sequence[FetchedCopy], gap: Gap) -> list[FetchedCopy]:
    """Those that have some of a gap."""
    return [one for one in found
            if one.camera == gap.camera and one.from_at < gap.ends_at and one.to_at > gap.starts_at]  # fmt: skip
