"""Recording without a site: a few streams into a folder, through the very same recorder, with a database of its own.

What an installer tries at a strange camera (`examsite record`). The folder becomes a small site: its recordings are in
archive/ and incoming/, everything else in .examsite/. The seconds asked for are planned as an exam of one room, so that
coverage judges them as it judges an exam day. Run again in the same folder, it takes up what a kill left open.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import secrets
import threading
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from pydantic import PrivateAttr

from appliance import archive, coverage, exams, journal, leftovers, store
from appliance.cameras import CameraState
from appliance.clock import Clock, iso
from appliance.config import Camera, Config, Room, SiteFacts, Web
from appliance.exams import Exam
from appliance.media import Media
from appliance.model import N_, Actor, ApplianceError, RoomKind
from appliance.profile import Profile, Recording, Window, Words
from appliance.recording import CameraLoop
from appliance.services import recorder
from appliance.store import Database
from appliance.syncing import Syncer
from appliance.timeline import JOIN_S
from drivers import fmp4

ROOM = "trial"
WHO = Actor.service("trial")
STALL_S = 4.0  # a silence is seen within 5 s
LEAD_S = 1.0  # begun so much before the span that is judged, which was planned by then
TAIL_S = 2.0  # recorded beyond the end, so that the last frame asked for is whole whatever the camera's delay and rate
END_WAIT_S = 8.0  # for a camera that is just being asked something when the time is over
LOOK_S = 0.2
PLANNING = timedelta(milliseconds=100)  # until the exam is on the plan; later it would count as planned late
MOMENT = timedelta(seconds=1)  # the shortest there is: one that ended before it began still has its gap and cause
RESERVE_BYTES = 100_000_000
MOST_FILES = 1_000_000  # more than the longest trial of all cameras makes
SCHEMES = {"rtsp": "stream", "rtsps": "stream", "http": "onvif", "https": "onvif"}

Tell = Callable[[CameraState], None]


class TypedCamera(Camera):
    """A camera whose password was typed or stood in its address. It is kept in memory only."""

    _secret: str = PrivateAttr("")

    def password(self) -> str:
        return self._secret


@dataclass(frozen=True, slots=True)
class Recorded:
    """One file. Times are of the box's clock, UTC; `last_frame_at` is when the last frame began to be shown.

    `time_from`: what the times were derived from. `camera_offset_ms`: how far the camera's clock is off, if it says so.
    """

    path: str
    first_frame_at: str
    last_frame_at: str
    ends_at: str
    bytes: int
    sha256: str
    frames: int
    codec: str
    sound: str | None
    time_from: str
    camera_offset_ms: int | None


@dataclass(frozen=True, slots=True)
class Missing:
    """A span that is not recorded. `code`: one of coverage.CAUSES."""

    from_at: str
    to_at: str
    seconds: float
    code: str


@dataclass(frozen=True, slots=True)
class StreamReport:
    """What became of one stream. `ok`: recorded, and without a gap after its first frame.

    `transport`: how it came last: tcp, udp, or tcp through the relay that signs for ffmpeg; None: it was never reached.
    `lost_packets`: sent, by their numbers, and never come: pictures may be damaged though no frame is missing.
    """

    url: str
    name: str
    ok: bool
    transport: str | None
    required_s: float
    recorded_s: float
    lost_packets: int
    segments: tuple[Recorded, ...]
    gaps: tuple[Missing, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """What became of the whole trial. `taken_in`: files an earlier run had left open, now in the archive."""

    ok: bool
    folder: str
    began_at: str
    ended_at: str
    streams: tuple[StreamReport, ...]
    taken_in: tuple[str, ...]


def camera(url: str, names: Iterable[str], user: str, password: str, *, sound: bool) -> TypedCamera:
    """A stream's address as a camera. Name and password are taken out of it when it has some, and go before others."""
    try:
        parts = urlsplit(url.strip())
        kind, host = SCHEMES.get(parts.scheme.lower()), parts.hostname
        port = parts.port
    except ValueError:  # a port that is no number, a bracket that is never closed
        kind, host, port = None, None, None
    if kind is None or not host:
        raise ApplianceError(N_("{url} is no address of a stream. It begins with rtsp:// or rtsps://, or with http:// "
                                "when it is the camera's ONVIF address."), url=shown(url))  # fmt: skip
    own, _, bare = parts.netloc.rpartition("@")
    if own:
        user, _, password = (unquote(part) for part in own.partition(":"))
    address = urlunsplit(parts._replace(scheme=parts.scheme.lower(), netloc=bare, fragment=""))
    label = _label(host, port, parts.path, set(names))
    found = TypedCamera.model_validate(
        {"id": label, "name": {"ru": label, "en": label}, "room": ROOM, "user": user, "sound": sound, kind: address}
    )
    found._secret = password
    return found


def shown(url: str) -> str:
    """An address without what may be a password in it."""
    return re.sub(r"//[^/]*@", "//", url)


def _label(host: str, port: int | None, path: str, taken: set[str]) -> str:
    """A folder's name that tells the camera: its address and path, and a number when that comes twice."""
    words = [host, str(port) if port not in (None, 554) else "", path]
    label = re.sub(r"[^a-z0-9]+", "-", "-".join(words).lower()).strip("-")[:36].strip("-") or "stream"
    return next(name for n in range(1, 1000) if (name := label if n == 1 else f"{label}-{n}") not in taken)


def site(folder: Path, cameras: tuple[Camera, ...], segment_s: float) -> Config:
    """The folder as a site of one room. Makes the folders; what is in them stays."""
    own = folder / ".examsite"
    try:
        for made in (own, folder / "incoming", folder / "archive"):
            made.mkdir(parents=True, exist_ok=True)
        source = own / "streams.json"
        source.write_text(json.dumps({c.id: c.stream or c.onvif for c in cameras}, indent=1) + "\n", encoding="utf-8")
    except OSError as fault:
        raise ApplianceError(N_("Nothing can be written to {path}: {cause}."), path=str(folder),
                             cause=fault.strerror or str(fault)) from fault  # fmt: skip
    words = Words(ru="Пробная запись", en="Trial recording")
    hours = Recording(segment_s=segment_s, lead_s=LEAD_S, tail_s=TAIL_S, stall_s=STALL_S, windows=(
        Window(room_kind=RoomKind.OTHER, before_start_min=0, after_end_min=0),))  # fmt: skip
    return Config(
        source=source, profile=Profile.model_construct(id=ROOM, title=words, recording=hours), web=Web(),
        site=SiteFacts(code=ROOM, name=words, timezone="UTC"), data=own, video=folder, reserve_bytes=RESERVE_BYTES,
        rooms=(Room(code=ROOM, kind=RoomKind.OTHER, name=words),), cameras=cameras, panels=(), zones=(),
        export_targets=(),
    )  # fmt: skip


@contextmanager
def alone(config: Config) -> Generator[None, None, None]:
    """Hold the folder: two recorders in one would take each other's open files for leftovers."""
    handle = os.open(config.data / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as taken:
        raise ApplianceError(
            N_("Another recording is going on in {path}. Wait for it, or choose another folder."),
            path=str(config.video),
        ) from taken
    finally:
        os.close(handle)


def record(config: Config, clock: Clock, seconds: float, asked: threading.Event, tell: Tell) -> Report:
    """Record for so many seconds, or until `asked` to end. Makes the database when there is none; says how it went.

    It ends early when every camera has refused the password: only a person can change that.
    """
    with closing(store.open(config.database, create=True)) as db:
        complaint = store.check(db)
        if complaint:
            raise ApplianceError(store.DAMAGED, path=str(config.database), cause=complaint)
        left = leftovers.recover(db, config, clock)
        now = clock.now() + PLANNING
        name = f"{ROOM}-{now:%Y%m%d}-{secrets.token_hex(5)}"
        exam = exams.plan(db, config, clock, WHO, name, "Trial recording", now, now + timedelta(seconds=seconds))
        syncer, media, stop = Syncer(), Media(config, clock), threading.Event()
        loops = [CameraLoop(config, clock, each, syncer, media) for each in config.cameras]
        thread = threading.Thread(target=_record, args=(config, clock, stop, loops, syncer, media), name="recorder")
        thread.start()
        try:
            exam = _follow(db, config, clock, exam, loops, thread, asked, tell)
        finally:
            stop.set()
            thread.join()
        ways = {loop.camera.id: loop.transport for loop in loops}
        return report(db, config, exam, tuple(s.path for s in left), ways)


def _record(
    config: Config, clock: Clock, stop: threading.Event, loops: list[CameraLoop], syncer: Syncer, media: Media
) -> None:
    with closing(store.open(config.database)) as db:
        recorder.record(db, config, clock, stop, loops, syncer, media)


def _follow(
    db: Database, config: Config, clock: Clock, exam: Exam, loops: list[CameraLoop], thread: threading.Thread,
    asked: threading.Event, tell: Tell,
) -> Exam:  # fmt: skip
    """Wait for the end, telling each change; returns the exam as it was in the end."""
    told: dict[str, tuple[str, str | None]] = {}
    lasts_s = (exam.ends_at - exam.starts_at).total_seconds()
    ends_s = clock.mono_s() + lasts_s
    while thread.is_alive():
        for state in [loop.state for loop in loops]:
            if told.get(state.camera) != (state.state, state.cause):
                told[state.camera] = state.state, state.cause
                tell(state)
        now_s = clock.mono_s()
        refused = all(loop.state.state == "refused" for loop in loops)
        if now_s < ends_s and (asked.is_set() or refused):
            exams.move(db, config, clock, WHO, exam.id, exam.starts_at, max(clock.now(), exam.starts_at + MOMENT))
            exam, ends_s = exams.get(db, exam.id), now_s
        if now_s > ends_s + TAIL_S and all(loop.state.state == "idle" for loop in loops):
            break
        if refused or now_s > ends_s + TAIL_S + END_WAIT_S:
            break
        if asked.is_set():
            thread.join(LOOK_S)
        else:
            asked.wait(LOOK_S)
    return exam


def report(db: Database, config: Config, exam: Exam, taken_in: tuple[str, ...], ways: Mapping[str, str | None]
           ) -> Report:  # fmt: skip
    """What became of each stream."""
    covered = {c.camera: c for c in coverage.summary(db, config, exam, exam.ends_at)}
    streams = tuple(_stream(db, config, exam, covered[each.id], ways.get(each.id)) for each in config.cameras)
    return Report(all(s.ok for s in streams), str(config.video), iso(exam.starts_at), iso(exam.ends_at), streams,
                  taken_in)  # fmt: skip


def _stream(
    db: Database, config: Config, exam: Exam, covered: coverage.CameraCoverage, way: str | None
) -> StreamReport:  # fmt: skip
    each = config.camera(covered.camera)
    until = exam.ends_at + timedelta(seconds=TAIL_S + END_WAIT_S)
    found = archive.segments(db, camera=each.id, since=exam.starts_at, until=until)
    files = tuple(_recorded(config, segment) for segment in found)
    first_at = min((s.starts_at for s in found), default=None)
    later = [g for g in covered.gaps if first_at is not None and g.starts_at >= first_at]
    gaps = tuple(Missing(iso(g.starts_at), iso(g.ends_at), _seconds(g.starts_at, g.ends_at), g.cause)
                 for g in covered.gaps)  # fmt: skip
    return StreamReport(each.stream or each.onvif or "", each.id, bool(files) and not later, way,
                        round(covered.required_s, 3), round(covered.recorded_s, 3), _lost_packets(db, exam, each.id),
                        files, gaps)  # fmt: skip


def _lost_packets(db: Database, exam: Exam, camera: str) -> int:
    told = journal.entries(db, exam=exam.id, kinds=["camera.packets_lost"], limit=MOST_FILES)
    return sum(entry.data["packets"] for entry in told if entry.camera == camera)


def _recorded(config: Config, segment: archive.Segment) -> Recorded:
    last_at = segment.last_frame_at or segment.ends_at
    return Recorded(segment.path, iso(_first_frame_at(config, segment)), iso(last_at), iso(segment.ends_at),
                    segment.size_bytes, segment.sha256, segment.frames, segment.video, segment.audio,
                    segment.clock.derived, segment.clock.camera_offset_ms)  # fmt: skip


def _first_frame_at(config: Config, segment: archive.Segment) -> datetime:
    """A file begins where the one of its run before it ended. At a varying rate nobody knew then how long the last
    frame would stand, so its own first frame comes later (timeline.Placed.joined_s): its length tells by how much."""
    path = archive.path(config, segment)
    if archive.number_of(path) == 0 or segment.last_frame_at is None:
        return segment.starts_at
    facts = fmp4.read(path)
    later_s = (segment.last_frame_at - segment.starts_at).total_seconds() - facts.last_s
    joins = facts.frame_s / 2 < later_s <= max(JOIN_S, 3 * facts.frame_s)
    return segment.starts_at + timedelta(seconds=later_s) if joins else segment.starts_at


def _seconds(starts_at: datetime, ends_at: datetime) -> float:
    return round((ends_at - starts_at).total_seconds(), 3)


def as_json(found: Report) -> dict[str, object]:
    """The report as `--json` prints it, but for the causes' sentences."""
    return asdict(found)
