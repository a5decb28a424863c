"""Service watch: one thread for each panel, from the line to the database, and one for each camera's own events.

A panel's thread has a database connection, a port and a codec of its own, so that what breaks in one stops no other;
the main thread beats, and starts a thread again that died. Nothing ever goes to a panel but the bytes of its driver's
allow-list: drivers.port refuses all others.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import asdict, dataclass
from typing import Any

from appliance import alarm_rounds, alarms, health, links, store, taken
from appliance.camera_events import Cameras
from appliance.clock import Clock
from appliance.config import Config, Panel
from appliance.model import Message
from appliance.store import Database
from drivers.panels import open_panel, port_of
from drivers.panels.codes import masked
from drivers.panels.pace import Pace
from drivers.port import PortError, Source
from drivers.types import Codec, DriverError, Frame, Resumes

log = logging.getLogger(__name__)

LOOK_S = 0.1  # how long one look at a line lasts at most; also how soon a stop is noticed
MEND_S = 1.0  # how often the main thread looks for a thread that died
HEARD_EVERY_S = 2.0  # a talkative panel's "heard" is written at most this often
LATE_LOOKS = 4  # at what came while something was written; a line that babbles must not hold an answer back
GARBLED_FAULTS = 3  # unreadable pieces and nothing readable: not silence, but wrong speed or parity
LINE_KEYS = ("baud", "bits", "parity", "stop", "silent_after_s")


def main(config: Config, clock: Clock, stop: threading.Event) -> None:
    """Watch every panel of the site until `stop` is set."""
    db = store.open(config.database)
    watchers = [Watcher(config, panel, clock, stop) for panel in config.panels]
    cameras = Cameras(lambda db: taken.with_taken(db, config), clock, stop)
    for watcher in watchers:
        watcher.keep_running()
    health.started(db, clock, "watch")
    beat_mono_s = clock.mono_s()
    while not stop.wait(MEND_S):
        alarm_rounds.tend(db, taken.with_taken(db, config), clock)
        for watcher in watchers:
            watcher.keep_running()
        cameras.tend(db)
        if clock.mono_s() - beat_mono_s >= health.BEAT_S:
            beat_mono_s = clock.mono_s()
            counts = {watcher.panel.id: asdict(watcher.counts) for watcher in watchers}
            health.beat(db, clock, "watch", {**counts, "cameras:": cameras.note()})
    for watcher in watchers:
        watcher.join()
    cameras.join()


def codec_of(panel: Panel) -> Codec:
    """The driver the configuration asks for. Raises DriverError (permanent) with what is wrong."""
    return open_panel(panel.kind, settings_of(panel))


def settings_of(panel: Panel) -> dict[str, str]:
    """What the configuration says of a panel, as its driver's settings."""
    line = {key: getattr(panel, key) for key in LINE_KEYS if getattr(panel, key) is not None}
    return {name: str(value) for name, value in {**panel.settings, **line}.items()}


@dataclass(slots=True)
class Counts:
    """What came over one line since the service began, for its heartbeat."""

    frames: int = 0
    events: int = 0
    repeats: int = 0
    faults: int = 0
    last_fault: str = ""


class Watcher:
    """One panel's thread."""

    def __init__(self, config: Config, panel: Panel, clock: Clock, stop: threading.Event) -> None:
        self.panel = panel
        self.counts = Counts()
        self._config, self._clock, self._stop = config, clock, stop
        self._thread: threading.Thread | None = None
        self._heard_mono_s = clock.mono_s()
        self._written_mono_s: float | None = None  # when "heard" was last written; None: the link is not heard
        self._faults_unheard = 0
        self._is_passive = False  # the protocol has no word that could tell whether the panel lives
        self._told: tuple[links.Lost, Message] | None = None  # how the link is lost, as last written

    def keep_running(self) -> None:
        """Start the thread unless it runs. One that died has said so itself, with its traceback."""
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._run, name=f"panel-{self.panel.id}", daemon=True)
            self._thread.start()

    def join(self) -> None:
        if self._thread is not None:
            self._thread.join(10)

    def _run(self) -> None:
        db = store.open(self._config.database)
        self._written_mono_s = None  # a thread that is started again and again still notices when nothing is heard
        with store.transaction(db):
            links.starting(db, self.panel.id, self._clock)
        try:
            codec = codec_of(self.panel)
        except DriverError as wrong:
            log.error("panel %s: %s", self.panel.id, wrong)
            self._lost(db, "silent", links.trouble("setting", cause=str(wrong)))
            self._stop.wait()  # only a person can mend it, and then the service starts anew
            return
        self._is_passive = codec.silent_after_s is None
        if isinstance(codec, Resumes):
            codec.resume(alarms.newest_of_log(db, self.panel.id), alarms.active_points(db, self.panel.id))
        port = port_of(codec, self.panel.port)
        pace = Pace()
        try:
            while not self._stop.is_set():
                self._look(db, codec, port, pace)
        finally:
            port.close()
            db.conn.close()

    def _look(self, db: Database, codec: Codec, port: Source, pace: Pace) -> None:
        """One look at the line: open it if need be, take what comes, answer, and notice silence."""
        try:
            if not port.is_open:
                port.open()
                codec.reset()
                if self._told is not None and self._told[0] == "unplugged":
                    self._lost(db, "silent", links.trouble("silent"))  # it is back, but has not said anything yet
                if self._is_passive:
                    self._passive(db)
                log.info("panel %s: listening on %s", self.panel.id, self.panel.port)
            # Also with no bytes: a silence may have completed something.
            owed = self._hear(db, codec, port.read(pace.wait_s(self._clock.mono_s(), LOOK_S)))
            for _ in range(LATE_LOOKS):
                late = port.read(0.0) if owed else b""
                if not late:
                    break
                owed = self._hear(db, codec, late) or owed
            for answer in owed:
                port.write(answer)
            poll = pace.poll(codec, self._clock.mono_s())
            if poll:
                port.write(poll)
        except PortError as bad:
            self._no_line(db, bad)
            self._stop.wait(port.back_off_s())
            return
        quiet_s = self._clock.mono_s() - self._heard_mono_s
        if codec.silent_after_s is not None and quiet_s > codec.silent_after_s:
            garbled = self._faults_unheard >= GARBLED_FAULTS
            if self._told is None:
                codec.reset()  # what comes next is read from the beginning, and the whole state anew
            self._lost(db, "silent", links.trouble("garbled" if garbled else "silent"))

    def _hear(self, db: Database, codec: Codec, data: bytes) -> list[bytes]:
        """Make durable what came; returns the answers owed for it. The order is the promise: the panel forgets what was
        acknowledged. What came while it was written is heard before the answer: after a slow disk that is a repeat, and
        an answer to each would be taken for what the panel sends next."""
        frames = codec.feed(data)
        for frame in frames:
            self._take(db, masked(frame))
        return [frame.reply for frame in frames if frame.reply]

    def _take(self, db: Database, frame: Frame) -> None:
        now_mono_s = self._clock.mono_s()
        self.counts.frames += 1
        if frame.fault is not None:
            self.counts.faults += 1
            self.counts.last_fault = frame.fault
            self._faults_unheard += 1
        news = frame.alive and (
            self._written_mono_s is None or now_mono_s - self._written_mono_s >= HEARD_EVERY_S or bool(frame.events)
        )
        if frame.events or news:
            self._keep(db, frame)
        if frame.alive:
            self._heard_mono_s, self._faults_unheard = now_mono_s, 0

    def _passive(self, db: Database) -> None:
        with store.transaction(db):
            links.passive(db, self._config, self.panel.id, self._clock)
        self._told = None

    def _keep(self, db: Database, frame: Frame) -> None:
        with store.transaction(db):
            back = frame.alive and links.heard(db, self._config, self.panel.id, self._clock, passive=self._is_passive)
            recorded = alarms.record(db, self._config, self.panel.id, frame, self._clock)
        if frame.alive:
            self._written_mono_s, self._told = self._clock.mono_s(), None
        if back:
            log.info("panel %s is heard again", self.panel.id)
        self.counts.events += len(recorded)
        self.counts.repeats += bool(frame.events) and not recorded

    def _no_line(self, db: Database, bad: PortError) -> None:
        pulled = bad.reason in ("missing", "gone")
        told: dict[str, Any] = {} if pulled or bad.reason == "stuck" else {"port": str(self.panel.port)}
        self._lost(db, "unplugged" if pulled else "silent", links.trouble(bad.reason, **told))

    def _lost(self, db: Database, state: links.Lost, detail: Message) -> None:
        if self._told == (state, detail):
            return
        with store.transaction(db):
            news = links.lost(db, self._config, self.panel.id, state, detail, self._clock)
        self._written_mono_s, self._told = None, (state, detail)
        if news:
            log.warning("panel %s is not heard: %s", self.panel.id, detail)
