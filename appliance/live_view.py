"""The live picture: what the recorder is just writing, followed fragment by fragment. Nothing is encoded anew.

Pages call this. They read the very file that is being recorded, so watching costs the camera and the recorder nothing.
A camera that nobody records is run by the recorder (live_run.py) while a row of live_wish says that somebody watches.

Times: a stream's media time is the box's monotonic clock since the stream's origin, at the moment the frame came in. So
how far a player is behind is the box's clock minus what it shows; no estimate is shown as a fact.
"""

from __future__ import annotations

import os
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from appliance import store
from appliance.clock import Clock, iso
from appliance.config import Config
from appliance.store import Database
from drivers.ffmpeg import NEW, PLAYABLE
from drivers.fmp4_live import Header, Piece, Tail

WISH_S = 12.0  # a wish that nobody renews lapses
FRESH_S = 8.0  # a file that was not written for so long is being written by nobody
BEHIND_S = 4.0  # a viewer who could not take more than this is given the newest instead
AWAY_S = 1.5  # without news for so long, another run may have begun
SLIP_S, LATE_S = 0.25, 1.0  # a run's place in time is worked out anew beyond these; below, its frames stay joined
NAME = "*-[0-9][0-9][0-9][0-9][0-9][0-9].*"  # .new in its first second (ffmpeg.NEW), then .mp4


@dataclass(frozen=True, slots=True)
class Wish:
    """One camera somebody wants to see. `cause`: why there is no picture, a code of gap_causes.CAUSES."""

    camera: str
    cause: str | None


def wish(db: Database, clock: Clock, camera: str) -> None:
    """Somebody watches this camera: for the next seconds it is worth running. Opens a transaction."""
    now = clock.now()
    with store.transaction(db):
        db.write("delete from live_wish where until_at < ? or until_at > ?",
                 (iso(now), iso(now + timedelta(seconds=2 * WISH_S))))  # fmt: skip
        db.write("insert into live_wish (camera, asked_at, until_at) values (?, ?, ?)"
                 " on conflict (camera) do update set until_at = excluded.until_at",
                 (camera, iso(now), iso(now + timedelta(seconds=WISH_S))))  # fmt: skip


def wishes(db: Database, now: datetime) -> list[Wish]:
    """What is wanted now, who asked first first. A clock that was set back leaves no wish for ever."""
    rows = db.rows("select camera, cause from live_wish where until_at between ? and ? order by asked_at, camera",
                   (iso(now), iso(now + timedelta(seconds=2 * WISH_S))))  # fmt: skip
    return [Wish(row["camera"], row["cause"]) for row in rows]


def tell(db: Database, camera: str, cause: str | None) -> None:
    """The recorder's word on why a watched camera gives no picture. Opens a transaction if it is news."""
    if db.value("select 1 from live_wish where camera = ? and cause is not ?", (camera, cause)) is not None:
        with store.transaction(db):
            db.write("update live_wish set cause = ? where camera = ?", (cause, camera))


def newest(config: Config, folder: str) -> Path | None:
    """The file of this camera that is being written, recorded or only watched; None when there is none.

    `folder`: the camera's name, or that of its second stream (streams.folder_of).
    """
    disks = [config.video] if config.other_video is None else [config.video, config.other_video]
    folders = [*(disk / "incoming" / folder for disk in disks), config.live / folder]
    found = [(state.st_mtime, path) for each in folders for path in each.glob(NAME)
             if (state := _state(path)) is not None]  # fmt: skip
    return max(found)[1] if found else None


def _state(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except FileNotFoundError:  # archived just now
        return None


class Stream:
    """One viewer's: header and fragments as they come, on one time line. Belongs to one thread; close it.

    `origin_s`: the moment of the monotonic clock that is media time 0. `header` is there once `begin` said so.
    """

    def __init__(self, config: Config, clock: Clock, folder: str, *, sound: bool, origin_s: float | None) -> None:
        self._config, self._clock, self._folder, self._sound = config, clock, folder, sound
        self.origin_s = clock.mono_s() if origin_s is None else origin_s
        self.header: Header | None = None
        self.over = False  # other codecs come now: the player has to begin anew
        self._tail: Tail | None = None
        self._joined = False  # a fragment of this run was given out
        self._base_s = self._end_s = 0.0  # of the run's media time: where the file begins; its last fragment's end
        self._zero_s = 0.0  # the monotonic moment at which the run's media time was 0
        self._seen: deque[float] = deque(maxlen=5)  # what the last looks would have made of it
        self._sent = b""
        self._waiting: tuple[list[Piece], float] = ([], 0.0)
        self._news_s = clock.mono_s()

    def begin(self) -> bool:
        """Find what is being written now; False when nothing is, or its first bytes are still to come."""
        path = newest(self._config, self._folder)
        if path is None or self._age_s(path) > FRESH_S:
            return False
        with suppress(FileNotFoundError):  # archived just now: the next one will be there
            self._open(path, self._base_s)
        if self._tail is None:
            return False
        self._waiting = self._tail.look()
        self.header = self._tail.header
        return self.header is not None

    def _age_s(self, path: Path) -> float:
        state = _state(path)
        return self._clock.now().timestamp() - state.st_mtime if state else 0.0

    def _open(self, path: Path, base_s: float) -> None:
        tail = Tail(path)
        self.close()
        self._tail, self._base_s, self._end_s, self._waiting = tail, base_s, 0.0, ([], 0.0)

    def read(self) -> bytes:
        """What is new, as bytes for a player; empty when nothing is."""
        if self._tail is None:
            return b""
        (pieces, written_s), self._waiting = self._waiting, ([], 0.0)
        if not pieces:
            pieces, written_s = self._tail.look()
        if not pieces and (following := self._following()) is not None:
            pieces, written_s = self._tail.look()  # what was written before the next file was begun
            if not pieces:
                with suppress(FileNotFoundError):  # it is archived already: a later one is found the next time
                    self._open(*following)
                return b""
        return self._given(self._tail, pieces, written_s) if pieces else b""

    def _following(self) -> tuple[Path, float] | None:
        """The file after this one, and where in its run's media time it begins."""
        assert self._tail is not None  # noqa: S101 - read() has looked
        path = self._tail.path
        run, _, number = path.stem.rpartition("-")
        for ending in (NEW, PLAYABLE):
            after = path.with_name(f"{run}-{int(number) + 1:06d}{ending}")
            if after.exists():
                return after, self._base_s + self._end_s
        if self._clock.mono_s() - self._news_s > AWAY_S:
            found = newest(self._config, self._folder)
            if found is not None and found.stem != path.stem and self._age_s(found) < FRESH_S:
                self._joined = False
                self._seen.clear()
                return found, 0.0
        return None

    def _given(self, tail: Tail, pieces: list[Piece], written_s: float) -> bytes:
        """The pieces' bytes, from the first one a player can take."""
        header = tail.header
        self._news_s, last = self._clock.mono_s(), pieces[-1]
        if header is None or self.header is None:
            return b""
        if (header.video, header.audio) != (self.header.video, self.header.audio):
            self.over = True
            return b""
        self._end_s = last.ends_s
        if not self._joined or last.ends_s - pieces[0].starts_s > BEHIND_S:
            keys = [number for number, piece in enumerate(pieces) if piece.key]
            if not keys and not self._joined:
                return b""
            pieces = pieces[keys[-1] if keys else 0 :]
        self._place(written_s, self._base_s + last.ends_s)
        shift_s = self._zero_s + self._base_s - self.origin_s
        head = header.data if self._sound else header.silenced()
        told = b"" if head == self._sent else head
        self._sent = head
        return told + b"".join(tail.read(piece, shift_s, sound=self._sound) for piece in pieces)

    def _place(self, written_s: float, end_s: float) -> None:
        """Say when the run's media time was 0: a fragment is written when the frame after its last has come.

        The least delayed fragment is nearest to the truth; what comes later was only held up on the way. Worked out
        anew where that is off by more than a player forgives, so that frames stay joined and the lag stays true.
        """
        now_s = self._clock.mono_s()
        seen_s = now_s - (self._clock.now().timestamp() - written_s) - end_s
        self._seen.append(seen_s)
        late = len(self._seen) == self._seen.maxlen and min(self._seen) > self._zero_s + LATE_S
        if not self._joined or seen_s < self._zero_s - SLIP_S or late:
            self._zero_s, self._joined = min(self._seen) if late else seen_s, True

    def close(self) -> None:
        """Let go of the file."""
        if self._tail is not None:
            self._tail.close()
            self._tail = None
