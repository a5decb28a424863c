"""A camera's own card: what is on it, and a copy of the minutes the archive lacks. docs/recording.md, The camera's card

A copy is evidence beside the archive: a file of its own with its SHA-256, never merged with what was recorded, counted
by no coverage. Its times are the camera's clock; how far that was off the box's at the copying stands beside them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from appliance import archive, durable
from appliance.clock import iso
from appliance.model import N_, ApplianceError, Message, message
from drivers import onvif_replay, onvif_search
from drivers.ffmpeg import Source
from drivers.onvif import Camera
from drivers.onvif_replay import Played, ReplayError, Wish
from drivers.onvif_search import CardEvent, CardSpan
from drivers.replay_player import SILENT_S

FORMAT = "examsite-card/1"
MARGIN = timedelta(seconds=1)  # fetched on both sides: the camera's clock is known to half a second
REASONS = {
    "nothing": N_("The camera's card has nothing of that time."),
    "password": N_(
        "The camera refuses this name and password for its card. They were tried once; check whether this user may "
        "play recordings."
    ),
    "busy": N_("The camera plays from its card to somebody else, or is too busy. Try again in a minute."),
    "refused": N_("The camera refuses to play from its card: {detail}"),
    "unreachable": N_("Nothing answers where the camera says its card is played from. Check that RTSP is switched on."),
    "silent": N_("The camera agreed to play from its card and sent nothing. Try again; if it repeats, check the card."),
    "elsewhere": N_("The camera plays another time than was asked for. Its card has to be read by hand."),
    "disk full": N_("There is not enough space left where the copy goes. Name another folder."),
    "broken": N_("What the camera plays from its card cannot be read: {detail}"),
}
FAULTS = {
    "untagged": N_("The camera does not know the replay extension; it was asked to play without."),
    "early": N_("The camera begins long before the time asked for; what came before was left out."),
    "unstamped": N_("The camera does not say which time its pictures are of: compare with the time in the picture."),
    "miscounted": N_("The copy does not hold as many pictures as the camera stamped."),
    "untimed": N_("The camera does not tell the time; its clock was taken to be right."),
    "unspanned": N_("The camera does not say from when to when its recording is; it was asked all the same."),
}


@dataclass(frozen=True, slots=True)
class Contents:
    """What is on a card, by the camera's clock; `offset_s`: that minus this machine's, None when it tells no time."""

    offset_s: float | None
    recordings: tuple[CardSpan, ...]
    events: tuple[CardEvent, ...]


@dataclass(frozen=True, slots=True)
class Ask:
    """Which minutes are wanted, by the box's clock. `recording`: which one, where the card has several of the time."""

    camera: str
    from_at: datetime
    to_at: datetime
    folder: Path
    recording: str = ""
    least_free_bytes: int = 0
    silent_s: float = SILENT_S


@dataclass(frozen=True, slots=True)
class Copy:
    """What was fetched. `from_at`, `to_at`: what was asked for, by the box's clock; `first_at`, `last_at`, `holes`:
    of its pictures, by the camera's. `whole`: the camera's stamps say that nothing of what was asked for is missing."""

    file: Path
    sha256: str
    size_bytes: int
    recording: str
    from_at: datetime
    to_at: datetime
    first_at: datetime | None
    last_at: datetime | None
    offset_ms: int | None
    holes: tuple[tuple[datetime, datetime], ...]
    frames: int
    codec: str
    sound: str | None
    whole: bool
    ended: str
    faults: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Without the path's folder: what the file beside it and the journal say."""
        said = asdict(replace(self, file=Path(self.file.name)))
        return {name: _plain(value) for name, value in said.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    return str(value) if isinstance(value, Path) else value


def look(device: Camera, from_at: datetime | None = None, to_at: datetime | None = None) -> Contents:
    """What is on the card; with a span of the box's clock, only what touches it. Raises CameraError."""
    offset_s = device.offset_s()
    shift = timedelta(seconds=offset_s or 0.0)
    first, last = _theirs(from_at, shift), _theirs(to_at, shift)
    found = tuple(one for one in onvif_search.recordings(device) if _touches(one, first, last))
    begins = [at for at in (first, *(one.from_at for one in found)) if at is not None]
    ends = [at for at in (last, *(one.to_at for one in found)) if at is not None]
    events: tuple[CardEvent, ...] = ()
    if found and begins and ends:
        events = onvif_search.events(device, first or min(begins), last or max(ends))
    return Contents(offset_s, found, events)


def fetch(device: Camera, user: str, password: str, ask: Ask) -> Copy:
    """Copy the span into the folder, with a file of its facts beside it. Raises CameraError, ApplianceError."""
    if ask.from_at >= ask.to_at:
        raise ApplianceError(N_("The span ends before it begins."))
    offset_s = device.offset_s()
    shift = timedelta(seconds=offset_s or 0.0)
    first, last = ask.from_at + shift, ask.to_at + shift
    span = _chosen(onvif_search.recordings(device), ask.recording, first, last)
    source = Source(onvif_search.replay_address(device, span.recording), user, password)
    more = [*(["untimed"] if offset_s is None else []), *(["unspanned"] if span.from_at is None else [])]
    try:
        ask.folder.mkdir(parents=True, exist_ok=True)
        file = _free_name(ask)
        played = _played(source, (first, last), file, ask)
        copy = _copy(ask, played, span.recording, file, offset_s, (first, last), more)
        _note_beside(copy, ask.camera, played)
        durable.sync(ask.folder)
    except OSError as cause:
        raise ApplianceError(N_("{path} cannot be written: {cause}."), path=str(ask.folder),
                             cause=str(cause.strerror)) from cause  # fmt: skip
    return copy


def _played(source: Source, span: tuple[datetime, datetime], file: Path, ask: Ask) -> Played:
    """Play it under another name: a copy that was broken off is never taken for one."""
    begun = file.with_suffix(".new")
    wish = Wish(source, span[0] - MARGIN, span[1] + MARGIN, begun, ask.least_free_bytes, silent_s=ask.silent_s)
    try:
        played = onvif_replay.fetch(wish)
    except ReplayError as error:
        begun.unlink(missing_ok=True)
        raise ApplianceError(why(error)) from error
    durable.sync(begun)
    begun.rename(file)
    return played


def why(error: ReplayError) -> Message:
    return message(REASONS[error.reason], detail=error.detail)


def _copy(
    ask: Ask, played: Played, recording: str, file: Path, offset_s: float | None, wanted: tuple[datetime, datetime],
    more: Sequence[str],
) -> Copy:  # fmt: skip
    sha256, size_bytes = archive.digest(file)
    times, offset_ms = played.times, None if offset_s is None else round(offset_s * 1000)
    holes = tuple((a, b) for a, b in played.holes if a < wanted[1] and b > wanted[0])
    return Copy(
        file, sha256, size_bytes, recording, ask.from_at, ask.to_at, times[0] if times else None,
        times[-1] if times else None, offset_ms, holes, played.frames, played.codec, played.sound,
        _reaches(played, wanted) and not holes, played.ended, (*more, *played.faults),
    )  # fmt: skip


def _reaches(played: Played, wanted: tuple[datetime, datetime]) -> bool:
    """Whether its pictures, each of which is in the file, go from end to end."""
    times = played.times
    if not times or "miscounted" in played.faults:
        return False
    step = (times[-1] - times[0]) / max(1, len(times) - 1)
    return times[0] <= wanted[0] and times[-1] + step >= wanted[1]


def _note_beside(copy: Copy, camera: str, played: Played) -> None:
    """The file of facts: also each picture's time, microseconds after the first's."""
    times = [round((at - played.times[0]).total_seconds() * 1e6) for at in played.times]
    said = {"format": FORMAT, "camera": camera, **copy.as_json(), "times_us": times}
    beside = copy.file.with_suffix(".json")
    beside.write_text(json.dumps(said, ensure_ascii=False) + "\n", encoding="utf-8")
    durable.sync(beside)


def _free_name(ask: Ask) -> Path:
    """A name that is not taken, neither as it is nor by a copy that was broken off."""
    stem, number = f"{ask.camera}-{ask.from_at.astimezone(UTC):%Y%m%dT%H%M%SZ}-card", 1
    while True:
        file = ask.folder / (f"{stem}.mp4" if number == 1 else f"{stem}-{number}.mp4")
        if not file.exists() and not file.with_suffix(".json").exists() and not file.with_suffix(".new").exists():
            return file
        number += 1


def _chosen(found: Sequence[CardSpan], recording: str, first: datetime, last: datetime) -> CardSpan:
    """The one recording that has of the span; which one must be said where several have."""
    touching = [one for one in found if recording in ("", one.recording) and _touches(one, first, last)]
    if not touching:
        raise ApplianceError(REASONS["nothing"])
    if len(touching) > 1:
        names = ", ".join(f"{one.recording} ({one.source})" for one in touching)
        raise ApplianceError(N_("The card has several recordings of that time: {names}. Say which with --recording."),
                             names=names)  # fmt: skip
    return touching[0]


def _touches(one: CardSpan, first: datetime | None, last: datetime | None) -> bool:
    """What it does not say speaks for it. One that is being recorded may say an end that is some time ago."""
    begins = one.from_at is None or last is None or one.from_at <= last
    return begins and (one.to_at is None or first is None or one.to_at >= first or one.status == "Recording")


def _theirs(at: datetime | None, shift: timedelta) -> datetime | None:
    return None if at is None else at + shift
