"""The minute before an alarm, out of the recordings: which files hold it, and from where to where in each.

Right after an alarm its minute is in a file that is still being written. Of that, whole fragments can be played: they
are synced each second, and where they lie in time is worked out as `leftovers` does after a crash.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from appliance import archive, media
from appliance.config import Config
from appliance.store import Database
from drivers import fmp4

MINUTE = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of the minute in one file. `segment` None: the file is still being written, `whole_bytes` of it count.

    `from_s` and `to_s` are seconds from the file's start, for the player.
    """

    starts_at: datetime
    ends_at: datetime
    from_s: float
    to_s: float
    video: str
    segment: int | None
    path: Path
    whole_bytes: int


def minute(db: Database, config: Config, camera: str, raised_at: datetime) -> list[Part]:
    """What is recorded of the minute before `raised_at`, in order. What is missing was not recorded, or not yet."""
    since = raised_at - MINUTE
    found = [
        _part(since, raised_at, segment.starts_at, segment.ends_at, segment.video, segment.id,
              archive.path(config, segment), segment.size_bytes)
        for segment in archive.segments(db, camera=camera, since=since, until=raised_at)
    ]  # fmt: skip
    reached = max((part.ends_at for part in found), default=since)
    if reached < raised_at - timedelta(seconds=1):
        found += _unfinished(db, config, camera, since, raised_at)
    return found


def _part(since: datetime, until: datetime, starts_at: datetime, ends_at: datetime, video: str, segment: int | None,
          path: Path, whole_bytes: int) -> Part:  # fmt: skip
    first, last = max(since, starts_at), min(until, ends_at)
    return Part(first, last, (first - starts_at).total_seconds(), (last - starts_at).total_seconds(), video, segment,
                path, whole_bytes)  # fmt: skip


def _unfinished(db: Database, config: Config, camera: str, since: datetime, until: datetime) -> list[Part]:
    parts = []
    for path in [path for here in media.every(config) for path in archive.incoming(here, camera)]:
        try:
            facts = fmp4.read(path)
            starts_at = _begun_at(db, path, facts.duration_s)
        except (OSError, fmp4.Unreadable, ValueError, IndexError):
            continue  # nothing whole in it yet, just taken into the archive, or no recording of ours
        ends_at = starts_at + timedelta(seconds=facts.duration_s)
        if ends_at > since and starts_at < until:
            parts.append(_part(since, until, starts_at, ends_at, facts.video, None, path, facts.whole_bytes))
    return sorted(parts, key=lambda part: part.starts_at)


def _begun_at(db: Database, path: Path, duration_s: float) -> datetime:
    """Where the file before it of the same run ends; the first of a run is measured back from its last writing."""
    earlier = archive.last_of_run(db, archive.run_of(path))
    if earlier is not None and archive.number_of(Path(earlier.path)) == archive.number_of(path) - 1:
        return earlier.ends_at
    return datetime.fromtimestamp(path.stat().st_mtime, UTC) - timedelta(seconds=duration_s)
