"""What a crash or power cut left behind, picked up: open files are cut to their last whole fragment and archived.

Nothing is thrown away: what cannot be read is kept beside under aside/, and the journal names it with its lengths.
"""

from __future__ import annotations

import fcntl
import logging
import os
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

from appliance import archive, durable, journal, media, segment_clock, store, streams
from appliance.archive import Segment
from appliance.clock import Clock
from appliance.config import Config
from appliance.model import Actor
from appliance.store import Database
from drivers import fmp4

log = logging.getLogger(__name__)

FAR = timedelta(seconds=10)  # further from the last write than this: the clock was set, or a hole lies before the file

RECORDER = Actor.service("recorder")


def recover(db: Database, config: Config, clock: Clock) -> list[Segment]:
    """At the recorder's start, before any camera is recorded: take in all that is left, on every disk."""
    found: list[Segment] = []
    for here in media.every(config):
        try:
            for camera in sorted({p.name for p in [*here.incoming.glob("*/"), *here.archive.glob("*/*/")]}):
                found += recover_camera(db, here, clock, camera)
        except OSError as fault:  # a dying disk must not keep the recorder from starting on the other
            log.error("what was left on the %s disk could not be taken in: %s", here.medium, fault)
    return found


def recover_camera(db: Database, config: Config, clock: Clock, camera: str) -> list[Segment]:
    """One camera's files in incoming/, and those in archive/ that have no row yet, on the disk `config` is at.

    Not beside another thread of it.
    """
    found = pick_up(db, config, clock, camera)
    name, _ = streams.of_folder(camera)
    rows = {row["path"] for row in db.rows("select path from segment where camera = ?", (name,))}
    for path in sorted(config.archive.glob(f"*/{camera}/*")):
        if str(path.relative_to(config.video)) not in rows:
            found += _without_row(db, config, path)
    return found


def pick_up(db: Database, config: Config, clock: Clock, camera: str) -> list[Segment]:
    """Take in what is left of one camera in incoming/. A file that somebody still writes is left to them."""
    found = []
    for path in archive.incoming(config, camera):
        try:
            if being_written(path):
                log.error("%s is still being written by another process and was left alone", path.name)
                continue
            segment = _adopt(db, config, clock, path, camera)
        except (OSError, sqlite3.Error) as fault:  # a full or failing disk: it stays, and is tried again
            log.error("%s stays in incoming/: %s", path.name, fault)
            continue
        found += [segment] if segment else []
    return found


def being_written(path: Path) -> bool:
    """Whether any process has the file open for writing: a read lease is refused then (fcntl(2), F_SETLEASE)."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except BlockingIOError:
        return True
    except OSError as unsupported:  # not every file system has leases; names never come again, so nothing is at risk
        log.debug("no lease on %s: %s", path, unsupported)
    finally:
        os.close(handle)
    return False


def _adopt(db: Database, config: Config, clock: Clock, path: Path, camera: str) -> Segment | None:
    written_at = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    try:
        facts = fmp4.read(path)
        path = archive.name(path)
    except fmp4.Unreadable as fault:
        _set_aside(db, config, clock, path, camera, fault)
        return None
    if archive.number_of(path) == 0:
        facts = facts.without_false_start()
    starts_at, ends_at, follows = _place(db, path, facts, written_at)
    if facts.whole_bytes < facts.size_bytes:
        cut(db, config, clock, path, camera, facts)
    repaired = was_cut(config, path, camera)
    evidence = segment_clock.witnessed(facts, starts_at, "arrival" if follows else "file", "unknown")
    segment = archive.adopt(db, config, path, camera, facts, starts_at, ends_at, repaired=repaired, evidence=evidence)
    log.info("took in %s, left open until %s", segment.path, ends_at)
    return segment


def _place(db: Database, path: Path, facts: fmp4.Facts, written_at: datetime) -> tuple[datetime, datetime, bool]:
    """Where the recording lies: after the one before it of the same run (True), else up to its last write."""
    length = timedelta(seconds=facts.duration_s)
    before = archive.last_of_run(db, archive.run_of(path))
    follows = before is not None and archive.number_of(Path(before.path)) == archive.number_of(path) - 1
    if before is None or not follows or abs(before.ends_at + length - written_at) > FAR:
        return written_at - length, written_at, False
    return before.ends_at, before.ends_at + length, True


def cut(db: Database, config: Config, clock: Clock, path: Path, camera: str, facts: fmp4.Facts) -> None:
    """Cut a torn file to its last whole fragment.

    The rest is kept beside and the journal knows before anything is taken from the original: whoever comes after a
    crash in between finds the same to do again.
    """
    rest = _aside(config, camera, path.name + f".from-{facts.whole_bytes}")
    with path.open("r+b") as file:
        file.seek(facts.whole_bytes)
        rest.write_bytes(file.read())
        for target in (rest, rest.parent):
            durable.sync(target)
        with store.transaction(db):
            journal.append(db, clock, "segment.repaired", RECORDER, camera=streams.of_folder(camera)[0],
                           room=_room(config, camera),
                           path=path.name, was_bytes=facts.size_bytes, kept_bytes=facts.whole_bytes,
                           frames=facts.frames, rest=str(rest.relative_to(config.video)))  # fmt: skip
        file.truncate(facts.whole_bytes)
        os.fsync(file.fileno())


def was_cut(config: Config, path: Path, camera: str) -> bool:
    """Whether a rest of this file is kept: also when the cut itself was made before a crash."""
    return any((config.video / "aside" / camera).glob(f"{path.name}.from-*"))


def _set_aside(db: Database, config: Config, clock: Clock, path: Path, camera: str, why: fmp4.Unreadable) -> None:
    size = path.stat().st_size
    kept = _aside(config, camera, path.name + ".unreadable")
    path.rename(kept)
    for folder in (kept.parent, path.parent):
        durable.sync(folder)
    if why.empty:  # a header, or not even that: ffmpeg ended before the first fragment
        log.info("%s: kept as %s", why, kept)
        return
    log.error("%s: kept as %s", why, kept)
    with store.transaction(db):
        journal.append(db, clock, "segment.unreadable", RECORDER, camera=streams.of_folder(camera)[0],
                       room=_room(config, camera), was_bytes=size,
                       path=str(kept.relative_to(config.video)))  # fmt: skip


def _without_row(db: Database, config: Config, path: Path) -> list[Segment]:
    camera = path.parent.name
    try:
        facts = fmp4.read(path)
        if archive.number_of(path) == 0:
            facts = facts.without_false_start()
        return [archive.readopt(db, config, path, camera, facts)]
    except (
        fmp4.Unreadable,
        ValueError,
        IndexError,
    ) as fault:  # no video in it, or no recording's name: not ours to judge
        log.error("%s is in the archive without an entry and is no recording: %s", path, fault)
        return []


def _room(config: Config, folder: str) -> str | None:
    return next((c.room for c in config.cameras if c.id == streams.of_folder(folder)[0]), None)


def _aside(config: Config, camera: str, name: str) -> Path:
    folder = config.video / "aside" / camera
    folder.mkdir(parents=True, exist_ok=True)
    return folder / name
