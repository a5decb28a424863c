"""The disks recordings go to: the main one, and the reserve that takes over when it is full, failing or not there.

One `Media` decides for all cameras of a recorder. A disk is known by a mark on it, so that an empty mount point is
never filled in its stead. docs/recording.md has the rules for moving there and back.
"""

from __future__ import annotations

import errno
import logging
import os
import secrets
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from appliance import journal, store
from appliance.clock import Clock, iso
from appliance.config import Config
from appliance.model import N_, Actor, ApplianceError, Person
from appliance.store import Database
from drivers import host, medium
from drivers.medium import MediumError

log = logging.getLogger(__name__)

State = Literal["well", "full", "failing", "missing"]
RECORDER = Actor.service("recorder")
MARK = ".examsite-medium"  # the file that says which disk this is
LOOK_S = 2.0
WAIT_S = 3.0  # for the answer to a look; without one everybody goes on by what is known, and it is fetched later
HANG_S = 10.0  # a disk that has not answered for so long is failing
NAMES = {"main": {"ru": "основной", "en": "the main one"}, "reserve": {"ru": "резервный", "en": "the reserve"}}
MARGIN_BYTES = 64_000_000  # above the reserve before a disk that was full is used again ...
BACK_S = 3600.0  # ... and where there is a reserve medium, room for so long of every camera
CAUSE_OF: dict[State, str] = {"full": "disk full", "failing": "disk error", "missing": "disk missing"}
KIND_OF: dict[State, str] = {"well": "disk.well", "full": "disk.full", "failing": "disk.failing",
                             "missing": "disk.missing"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Medium:
    """One disk as it was last seen."""

    name: str
    mark: str | None
    state: State
    since_at: str
    cause: str | None
    entry: int | None


def on(config: Config, name: str) -> Config:
    """The site with `video` on the disk of that name."""
    if name == config.medium:
        return config
    if config.other_video is None:
        raise ApplianceError(N_("The site has no disk {disk}."), disk=name)
    return replace(config, medium=name, video=config.other_video, other_video=config.video)


def every(config: Config) -> tuple[Config, ...]:
    """The site once for each of its disks, the main one first."""
    names = ("main",) if config.other_video is None else ("main", "reserve")
    return tuple(on(config, name) for name in names)


def known(db: Database) -> dict[str, Medium]:
    """The disks as the recorder last saw them."""
    return {row["name"]: Medium(**row) for row in db.rows("select * from medium")}


@dataclass(slots=True)
class _Asked:
    """A look at a disk, in a thread of its own: a disk that hangs holds up that thread and no camera."""

    thread: threading.Thread
    since_s: float
    found: Callable[[], None] | None = None  # takes over what was seen


@dataclass(slots=True)
class _Disk:
    here: Config
    mark: str | None = None
    device: int | None = None  # st_dev under which the mark was found
    state: State = "well"
    since_at: str = ""
    said: str = ""
    looked_s: float = float("-inf")
    stored: Medium | None = None
    asked: _Asked | None = None  # a look that is under way

    @property
    def hangs(self) -> bool:
        """It was asked and does not answer: nobody else should touch it."""
        return self.asked is not None and self.asked.found is None

    @property
    def video(self) -> Path:
        return self.here.video


@dataclass(slots=True)
class Media:
    """Where to record now. Any thread may ask; the recorder's own thread also `begin`s and `save`s."""

    config: Config
    clock: Clock
    _disks: list[_Disk] = field(init=False)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def __post_init__(self) -> None:
        self._disks = [_Disk(here, since_at=iso(self.clock.now())) for here in every(self.config)]

    @property
    def present(self) -> list[Config]:
        """The disks that are there."""
        with self._lock:
            return [disk.here for disk in self._disks if self._look(disk) != "missing" and not disk.hangs]

    def take(self) -> Config | None:
        """The disk a new recording goes to: the first that is well; without one, a failing one is better than none."""
        with self._lock:
            states = [(self._look(disk), disk) for disk in self._disks]
        for wanted in ("well", "failing"):
            for state, disk in states:
                if state == wanted:
                    return disk.here
        return None

    def why_none(self) -> str:
        """Why `take` has nothing, as one of the causes of gaps."""
        with self._lock:
            states = {disk.state for disk in self._disks}
        return CAUSE_OF["full" if "full" in states else "missing"]

    def fault(self, here: Config) -> str | None:
        """Why a recording on this disk must move or wait now; None: go on."""
        with self._lock:
            state = self._look(self._disk(here))
            if state == "well" or (state == "failing" and not self._elsewhere(here)):
                return None
            return CAUSE_OF[state]

    def failed(self, here: Config, said: str, *, sure: bool = False) -> str | None:
        """A recording could not be written there. Unless `sure` a trial file decides: it may have been that one.

        Returns the cause when it was the disk.
        """
        said = said if sure else host.write_fault(here.incoming) or ""
        if not said:
            return None
        with self._lock:
            disk = self._disk(here)
            disk.looked_s = float("-inf")  # a disk that was pulled is not there; that is not for a person to decide
            state = self._look(disk)
            if state != "missing":
                state = "full" if said in (os.strerror(errno.ENOSPC), os.strerror(errno.EDQUOT)) else "failing"
                self._set(disk, state, said)
        return CAUSE_OF[state]

    def begin(self, db: Database) -> None:
        """Read which disks are ours. One that was never marked is marked at the first look."""
        with self._lock:
            for disk in self._disks:
                self._read(db, disk)
                disk.looked_s = float("-inf")
        try:
            self.save(db)
        except sqlite3.Error as fault:  # a full disk under the database: recording begins all the same
            log.error("the state of the disks could not be written down: %s", fault)

    def save(self, db: Database) -> None:
        """Write down what changed, and learn what a person has said. Opens a transaction if need be."""
        stored = known(db)
        with self._lock:
            for disk in self._disks:
                if stored.get(disk.here.medium) != disk.stored:
                    self._read(db, disk)
                self._look(disk)
            changed = [disk for disk in self._disks if self._news(disk)]
        for disk in changed:
            with store.transaction(db):
                disk.stored = _write(db, self.clock, disk)

    def _news(self, disk: _Disk) -> bool:
        return disk.stored is None or (disk.stored.state, disk.stored.mark) != (disk.state, disk.mark)

    def _read(self, db: Database, disk: _Disk) -> None:
        disk.stored = known(db).get(disk.here.medium)
        if disk.stored is not None:
            disk.mark, disk.since_at = disk.stored.mark, disk.stored.since_at
            disk.state, disk.said = disk.stored.state, disk.stored.cause or ""
        disk.device = None

    def _elsewhere(self, here: Config) -> bool:
        return any(self._look(disk) == "well" for disk in self._disks if disk.here.medium != here.medium)

    def _disk(self, here: Config) -> _Disk:
        return next(disk for disk in self._disks if disk.here.medium == here.medium)

    def _look(self, disk: _Disk) -> State:
        """Its state, looked at anew every two seconds."""
        if disk.asked is not None or self.clock.mono_s() - disk.looked_s >= LOOK_S:
            if disk.asked is None:
                disk.looked_s = self.clock.mono_s()
                disk.asked = self._ask(disk)
                disk.asked.thread.join(WAIT_S)
            if disk.asked.found is not None:
                disk.asked.found()
                disk.asked = None
            elif self.clock.mono_s() - disk.asked.since_s >= HANG_S:
                self._set(disk, "failing", os.strerror(errno.ETIMEDOUT))
        return disk.state

    def _ask(self, disk: _Disk) -> _Asked:
        """Begin a look. statvfs(2) and a read of the mark may hang for ever on a disk that died in its own way."""
        seen = replace(disk, asked=None)
        asked = _Asked(threading.Thread(target=lambda: self._see(disk, seen, asked), name="disk", daemon=True),
                       self.clock.mono_s())  # fmt: skip
        asked.thread.start()
        return asked

    def _see(self, disk: _Disk, seen: _Disk, asked: _Asked) -> None:
        before = seen.state
        try:
            state, said = self._judge(seen)
        except OSError as fault:
            gone = fault.errno in (errno.ENOENT, errno.ENODEV, errno.ENOTDIR)
            state, said = ("missing" if gone else "failing"), fault.strerror or str(fault)

        def take_over() -> None:
            disk.mark, disk.device = seen.mark, seen.device
            if disk.state == before:  # else it failed meanwhile, and what was seen is older
                self._set(disk, state, said)

        asked.found = take_over

    def _judge(self, disk: _Disk) -> tuple[State, str]:
        device, facts = disk.video.stat().st_dev, os.statvfs(disk.video)
        if device != disk.device:  # the first look, or something was mounted or unmounted here
            if disk.mark is None:
                disk.mark = marked(disk.video)
            elif read_mark(disk.video) != disk.mark:
                return "missing", "another disk, or none, is mounted here"
            disk.device = None if disk.mark is None else device
        if facts.f_flag & os.ST_RDONLY:
            return "failing", os.strerror(errno.EROFS)
        if disk.state == "failing":
            return "failing", disk.said  # a disk that failed is not trusted again until a person says so
        above_bytes = facts.f_bavail * facts.f_frsize - self.config.reserve_bytes
        if above_bytes < (self._margin_bytes() if disk.state == "full" else 0):
            return "full", os.strerror(errno.ENOSPC)
        return "well", ""

    def _margin_bytes(self) -> float:
        """What must be free again: enough that recording does not go to and fro between two disks."""
        if len(self._disks) == 1:
            return MARGIN_BYTES
        rate = self.config.profile.limits.planned_mbit_s * 1_000_000 / 8
        return max(MARGIN_BYTES, BACK_S * rate * len(self.config.cameras))

    def _set(self, disk: _Disk, state: State, said: str) -> None:
        if state != disk.state:
            log.log(logging.INFO if state == "well" else logging.ERROR, "disk %s (%s) is %s: %s", disk.here.medium,
                    disk.video, state, said)  # fmt: skip
            disk.state, disk.said, disk.since_at = state, said, iso(self.clock.now())


def read_mark(video: Path) -> str | None:
    """What the mark on the disk says; None without one."""
    try:
        return (video / MARK).read_text(encoding="utf-8").strip() or None
    except FileNotFoundError:
        return None


def marked(video: Path) -> str | None:
    """The mark of a disk that is there, made when it has none; None when it cannot be made now."""
    try:
        said = read_mark(video)
        if said is None:
            said = secrets.token_hex(8)
            medium.write_synced(video / MARK, f"{said}\n".encode())
            medium.sync_folder(video)
    except (OSError, MediumError) as fault:
        log.error("%s cannot be marked as ours: %s", video, fault)
        return None
    return said


def _write(db: Database, clock: Clock, disk: _Disk) -> Medium:
    """Keep a disk's state; the journal has each change but the first "well"."""
    entry = disk.stored.entry if disk.stored else None
    if disk.state != (disk.stored.state if disk.stored else "well"):
        entry = journal.append(db, clock, KIND_OF[disk.state], RECORDER, disk=disk.here.medium,
                               disk_name=NAMES[disk.here.medium], cause=disk.said,
                               refs=[entry] if entry else [])  # fmt: skip
    return _keep(db, Medium(disk.here.medium, disk.mark, disk.state, disk.since_at, disk.said or None, entry))


def _keep(db: Database, seen: Medium) -> Medium:
    db.write("insert into medium (name, mark, state, since_at, cause, entry) values (?, ?, ?, ?, ?, ?)"
             " on conflict (name) do update set mark = excluded.mark, state = excluded.state,"
             " since_at = excluded.since_at, cause = excluded.cause, entry = excluded.entry",
             (seen.name, seen.mark, seen.state, seen.since_at, seen.cause, seen.entry))  # fmt: skip
    return seen


def prepare(db: Database, config: Config) -> None:
    """Make the folders of disks that are new to the site. One that is missing or broken keeps nothing from starting."""
    seen = known(db)
    for here in every(config):
        try:
            if here.medium not in seen or here.video.exists():
                for folder in (here.incoming, here.archive):
                    folder.mkdir(parents=True, exist_ok=True)
        except OSError as fault:
            log.error("the %s recording disk at %s cannot be used: %s", here.medium, here.video, fault)


def trust(db: Database, config: Config, clock: Clock, who: Person | Actor, name: str, *, new: bool = False) -> Medium:
    """A person says that a disk is to be used (again); with `new`, that the one mounted now is ours.

    Opens a transaction. The recorder learns it within seconds; recordings that run stay where they are.
    """
    here = on(config, name)
    fault = host.write_fault(here.video)
    if fault is not None:
        raise ApplianceError(N_("Nothing can be written to {path}: {cause}."), path=str(here.video), cause=fault)
    before = known(db).get(name)
    mark = marked(here.video) if new or before is None or before.mark is None else before.mark
    if read_mark(here.video) != mark:
        raise ApplianceError(
            N_("The disk mounted at {path} is not the one this box records to. If it is meant to be, take it in:"
               " examsite archive disk {disk} --new"), path=str(here.video), disk=name)  # fmt: skip
    actor = Actor.person(who) if isinstance(who, Person) else who
    with store.transaction(db):
        entry = journal.append(db, clock, "disk.trusted", actor, disk=name, disk_name=NAMES[name], new=new,
                               refs=[before.entry] if before and before.entry else [])  # fmt: skip
        return _keep(db, Medium(name, mark, "well", iso(clock.now()), None, entry))
