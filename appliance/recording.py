"""One camera's loop: connect, record, watch what arrives, archive what is finished, back off, come back.

It is judged by frames, never by ffmpeg's exit status, which is 0 after a dead camera. docs/recording.md has the causes.
"""

from __future__ import annotations

import errno
import logging
import math
import os
import random
import secrets
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from appliance import cameras, leftovers, store, streams, taken, told
from appliance.cameras import CameraState
from appliance.clock import Clock, iso
from appliance.config import Camera, Config
from appliance.filing import Filing
from appliance.live_run import LiveRun
from appliance.media import Media
from appliance.pulse import Backwards, Pulse
from appliance.source import CAUSE_OF, NoSource, SourceFinder
from appliance.store import Database
from appliance.streams import Stream
from appliance.syncing import Open, Syncer
from appliance.timeline import Timeline
from appliance.wanted import Want
from drivers import ffmpeg

log = logging.getLogger(__name__)

FIRST_FRAME_S = 12.0  # from ffmpeg's start to its first frame; it gives up connecting by itself after 5
KEY_FRAME_S = 60.0  # the same once a camera was found to send frames, and no key frame in that time
GOOD_RUN_S = 10.0  # a run that recorded this long starts the back-off anew
# Between tries at a camera that answers but does not send. The first is at once; they stay short however long it takes,
# because a camera that comes back must be recorded within 3 s.
PAUSES_S = (0.0, 0.5, 1.0, 2.0)
SILENT_PAUSE_S = 0.5  # that try has already waited for seconds
KNOCK_S = 1.0  # while nothing answers at its address: a TCP connection is tried, not ffmpeg
LOOK_S = 1.0
# While all goes well, each camera's thread wakes so often and all do together: what costs is not what a thread does,
# it is to begin it anew. What comes meanwhile is read with the moment it came (drivers/progress.py).
ROUND_S = 2.0
CACHE_KB = 128  # of the database, for each camera
STALLED_WAIT_S = 1.0  # for a stalled ffmpeg to end by itself: its own time limit is due then, or never
DISK_LOOK_S = 2.0
OWED_EVERY_S = 30.0
EIO = os.strerror(errno.EIO)
DISK_CAUSES = ("disk full", "disk error", "disk missing")


@dataclass(frozen=True, slots=True)
class End:
    """Why a run is over, and how long it had recorded. `cause` None: it was not wanted any more."""

    cause: str | None
    recorded_s: float = 0.0
    trouble: ffmpeg.Trouble | None = None  # what ffmpeg said, when it ended by itself


class CameraLoop:
    """Records one stream of a camera whenever it is wanted.

    `run` is its thread; `want`, `poke` and `state` are for the others.
    """

    def __init__(self, config: Config, clock: Clock, camera: Camera, syncer: Syncer, media: Media,
                 stream: Stream = "main") -> None:  # fmt: skip
        self.camera, self.stream, self.folder = camera, stream, streams.folder_of(camera.id, stream)
        self.want: Want | None = None
        self.watched = False  # somebody wants to see it though it need not be recorded (live_run.py)
        self.poke = threading.Event()  # set after `want` or `watched` changed, or at the end
        self._state = CameraState(camera.id, "idle", iso(clock.now()))
        self._heard: tuple[datetime, Callable[[], datetime | None]] | None = None  # since that state
        self.config, self.clock, self._syncer, self.media = config, clock, syncer, media
        self._source = SourceFinder(camera, config.profile.recording.stall_s, lambda one: taken.as_now(config, one),
                                    stream)  # fmt: skip
        self.told = told.of(stream, clock, camera)
        self._stop = threading.Event()
        self._warned = ""
        self.first_frame_s = FIRST_FRAME_S
        self.transport: str | None = None  # of the newest run: tcp, udp, or relay (tcp through it)

    @property
    def state(self) -> CameraState:
        """How it is now. Put together when asked for: frames are heard every second, and nobody asks so often."""
        known, heard = self._state, self._heard
        if heard is None:
            return known
        last_at, safe_until = heard[0], heard[1]()
        return replace(known, last_frame_at=iso(last_at),
                       safe_until_at=iso(safe_until) if safe_until else known.safe_until_at)  # fmt: skip

    def run(self, stop: threading.Event) -> None:
        """Until `stop` (set `poke` as well). Everything this thread starts ends with it."""
        self._stop = stop
        with closing(store.open(self.config.database, cache_kb=CACHE_KB)) as db:
            while not stop.is_set():
                want = self.want
                if want is None and self.watched:
                    LiveRun(self.config, self.clock, self.camera, self._source).run(db, self._only_watched, self._doze)
                elif want is None:
                    self._doze(None)
                else:
                    self._record(db, want)

    def _only_watched(self) -> bool:
        return self.watched and self.want is None and not self._stop.is_set()

    def _doze(self, seconds: float | None) -> None:
        self.poke.wait(seconds)
        self.poke.clear()

    def _record(self, db: Database, want: Want) -> None:
        """From the first wish to the last: runs and pauses."""
        self.told.wished(db)
        self._say("connecting")
        failures = 0
        while self.wanted():
            end = self._one_run(db, want)
            if end.cause is None:
                break
            failures = 0 if end.recorded_s >= GOOD_RUN_S else failures + 1
            if end.trouble is not None and self._source.failed(end.trouble):
                continue
            self._interrupted(db, want, end.cause)
            self._pause(end.cause, failures)
        stopped = self._stop.is_set()
        self.told.over(db, want, stopped=stopped)
        self._say("stopped" if stopped else "idle")

    def wanted(self) -> bool:
        """Whether to go on."""
        return self.want is not None and not self._stop.is_set()

    def _one_run(self, db: Database, want: Want) -> End:
        """Connect and record until it ends, stalls or is not wanted."""
        for disk in self.media.present:
            leftovers.pick_up(db, disk, self.clock, self.folder)
        here = self.media.take()
        if here is None:
            return End(self.media.why_none())
        try:
            self._source.follow(self.camera)
            lead = self._source.find()
        except NoSource as fault:
            self.warn(fault.cause, fault)
            return End(fault.cause)
        self.transport = "relay" if lead.relay else lead.source.transport
        with lead.opened() as source:
            return self._one_ffmpeg(db, want, here, source, lead.stream)

    def _one_ffmpeg(
        self, db: Database, want: Want, here: Config, source: ffmpeg.Source, stream: ffmpeg.Stream
    ) -> End:
        folder = here.incoming / self.folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as fault:
            return End(self.media.failed(here, fault.strerror or str(fault), sure=True))
        name = f"{self.clock.boot()[:8]}{secrets.token_hex(5)}"  # never the same again, whatever the clock says
        run = ffmpeg.Run(source, stream, folder, name, self.config.profile.recording.segment_s, ffmpeg.NEW)
        file = Open(run.open_file(0))
        watch = _Watch(self, db, want, here, run, file)
        self._syncer.add(file)
        end = None
        try:
            end = watch.until_over()
        finally:
            stalled = end is not None and end.cause == "camera silent"
            watch.take(run.stop(STALLED_WAIT_S, stalled=True) if stalled else run.stop(), last=True)
            self._syncer.remove(file)
            leftovers.pick_up(db, here, self.clock, self.folder)
        return end if watch.began else self._in_vain(end, run, stream)

    def _in_vain(self, end: End, run: ffmpeg.Run, stream: ffmpeg.Stream) -> End:
        """A run without a frame: whether that is for want of sound, of a key frame, or of anything at all."""
        if end.cause == "camera silent" and stream.audio and not run.sounds_read:
            self._source.failed("sound")  # ffmpeg writes nothing until the sound it was promised comes
        elif run.frames_read and (end.cause == "camera silent" or end.trouble == "unreadable"):
            log.warning("%s: %s frames came, none of them a key frame", self.folder, run.frames_read)
            self.first_frame_s = KEY_FRAME_S
            return replace(end, cause="no key frame")
        return end

    def first_frame(self, db: Database, want: Want, at: datetime) -> None:
        """Frames arrive: whatever was wrong is over."""
        self._warned = ""
        self.told.first_frame(db, want, at, over_udp=self.transport == "udp")
        self._source.works()
        self.first_frame_s = FIRST_FRAME_S
        self._say("recording", since=at)

    def _interrupted(self, db: Database, want: Want, cause: str) -> None:
        last_at = self.state.last_frame_at if self.state.state == "recording" else None
        self.told.interrupted(db, want, cause, datetime.fromisoformat(last_at) if last_at else None)
        states: dict[str, cameras.State] = {"password refused": "refused", "disk full": "stopped",
                                            "disk missing": "stopped"}  # fmt: skip
        self._say(states.get(cause, "reconnecting"), cause)

    def _pause(self, cause: str, failures: int) -> None:
        """Wait before the next run, no longer than there is reason to."""
        if cause == "password refused":
            # Tried once: cameras lock an account after five to seven wrong tries. Now a person must give another.
            self._wait(math.inf, self._source.password_changed)
        elif cause in DISK_CAUSES:
            best = self.media.take()
            if best is None or failures > 1:
                self._wait(DISK_LOOK_S)
        elif cause == "camera unreachable":
            self._wait(SILENT_PAUSE_S)  # also when it takes the connection at once, and only ffmpeg finds nobody
            while self.wanted() and not self._source.answers():
                self._wait(KNOCK_S * random.uniform(0.8, 1.2))  # noqa: S311 - spreads load, guards nothing
        else:
            pause_s = SILENT_PAUSE_S if cause == "camera silent" else PAUSES_S[min(failures, len(PAUSES_S) - 1)]
            self._wait(pause_s * random.uniform(0.8, 1.2))  # noqa: S311 - spreads load, guards nothing

    def _wait(self, seconds: float, enough: Callable[[], bool] = lambda: False) -> None:
        until_s = self.clock.mono_s() + seconds
        while self.wanted() and not enough() and (left_s := until_s - self.clock.mono_s()) > 0:
            self.poke.wait(min(left_s, LOOK_S))
            self.poke.clear()

    def heard(self, age_s: float, safe_until: Callable[[], datetime | None]) -> None:
        """A frame came `age_s` ago; up to `safe_until` everything is on disk."""
        self._heard = self.clock.now() - timedelta(seconds=age_s), safe_until

    def warn(self, kind: str, fault: Exception) -> None:
        """Log why a try failed; the same again, tried every other second, only for who looks closely."""
        log.log(logging.DEBUG if kind == self._warned else logging.WARNING, "%s: %s", self.folder, fault)
        self._warned = kind

    def began(self, at: datetime) -> None:
        """The run's first frame is now known exactly."""
        if self._state.state == "recording":
            self._state = replace(self._state, since_at=iso(at))

    def _say(self, state: cameras.State, cause: str | None = None, since: datetime | None = None) -> None:
        now = self.state
        if (state, cause) != (now.state, now.cause):
            at = iso(since or self.clock.now())
            self._state = replace(now, state=state, cause=cause, since_at=at,
                                  safe_until_at=at if state == "recording" else now.safe_until_at)  # fmt: skip
            self._heard = None


class _Watch:
    """One run being watched: frames must come, files are archived as they are finished."""

    def __init__(self, loop: CameraLoop, db: Database, want: Want, here: Config, run: ffmpeg.Run, file: Open) -> None:
        self._loop, self._db, self._want, self._run, self._file = loop, db, want, run, file
        self._config, self._clock = here, loop.clock
        self._timeline = Timeline(loop.clock)
        self._pulse = Pulse(loop.clock, loop.first_frame_s, loop.config.profile.recording.stall_s)
        self._began_s = loop.clock.mono_s()
        self._disk_seen_s = self._tried_s = self._began_s
        self._backwards = Backwards()
        self._lost_packets = 0  # not in the journal yet
        self._filing = Filing(db, here, loop.clock, loop.folder, self._timeline, loop.began,
                              lambda since, until: loop.told.was_silent(db, want, since, until))  # fmt: skip

    @property
    def began(self) -> bool:
        """Whether there was a frame."""
        return self._pulse.began

    def _safe_until(self, safe_s: float) -> datetime | None:
        return self._timeline.at(safe_s) if safe_s > 0 else None

    def until_over(self) -> End:
        """Watch until there is a reason to stop; says which."""
        while True:
            news = self._run.read(self._patience_s(), heed=not self._pulse.began)
            now_s = self._clock.mono_s()  # before `take`: what arrives while it archives is read the next time
            self.take(news)
            recorded_s = now_s - self._began_s if self._pulse.began else 0.0
            if not self._loop.wanted():
                return End(None)
            if news.ended:
                fault = self._run.cause()
                self._loop.warn(fault.trouble, fault)
                why = CAUSE_OF[fault.trouble]
                if why in DISK_CAUSES or EIO in str(fault):  # which a camera's connection may also say
                    why = self._loop.media.failed(self._config, str(fault)) or why
                return End(why, recorded_s, fault.trouble)
            cause = self._fault(now_s)
            if cause is not None:
                return End(cause, recorded_s)

    def _patience_s(self) -> float:
        """Until the next round; or until the limit is reached, when nothing more comes."""
        now_s = self._clock.mono_s()
        return min(ROUND_S - now_s % ROUND_S, max(0.0, self._pulse.left_s(now_s) + 0.01))

    def _fault(self, now_s: float) -> str | None:
        if self._pulse.left_s(now_s) < 0:
            log.warning("%s: no frame for %.1f s", self._loop.folder, self._pulse.quiet_s(now_s))
            return "camera silent"
        if self._file.fault:
            log.error("%s: the recording cannot be put to disk: %s", self._loop.folder, self._file.fault)
            return self._loop.media.failed(self._config, self._file.fault, sure=True) or "disk error"
        if now_s - self._disk_seen_s >= DISK_LOOK_S:
            self._disk_seen_s = now_s
            cause = self._loop.media.fault(self._config)
            if cause is not None:
                return cause
        if self._backwards.seen:
            log.warning("%s: the camera set its time stamps back", self._loop.folder)
            return "time stamps set back"
        if self._filing.owes and now_s - self._tried_s >= OWED_EVERY_S:
            self._tried_s, self._filing.owes = now_s, False
            leftovers.recover_camera(self._db, self._config, self._clock, self._loop.folder)
        return None

    def take(self, news: ffmpeg.News, *, last: bool = False) -> None:
        """Note the frames, archive the files; with `last`, all of them."""
        for progress in news.reports:
            first, age_s = not self._pulse.began, progress.age_s
            if not self._pulse.feel(progress.frames, age_s):  # the value must rise: lines come in a stall too
                continue
            self._timeline.heard(progress.media_s, progress.frames, age_s)
            self._backwards.look(self._clock.mono_s() - age_s, progress.media_s, progress.frames)
            self._file.media_s = progress.media_s
            if first:
                self._loop.first_frame(self._db, self._want, self._timeline.at(progress.media_s))
            self._loop.heard(age_s, partial(self._safe_until, self._file.safe_s))
        for finished in news.finished:
            self._timeline.heard(finished.ends_s)  # a file ends when the key frame of the next one arrives
            self._file.path = self._run.open_file(finished.index + 1)
        self._lost_packets += news.lost_packets
        if self._lost_packets and (news.finished or last):  # once a file
            self._loop.told.packets_lost(self._db, self._want, self._lost_packets)
            self._lost_packets = 0
        self._filing.take(news.finished, began=self._pulse.began, last=last)
