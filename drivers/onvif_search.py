"""What is on a camera's own card: recordings with their spans, events in a span, and the address to play one from.

ONVIF Recording Search and Replay (Profile G). A search is begun, asked for results until it says Completed, and ended;
a camera that never says so is asked a bounded number of times. What is found is played by onvif_replay.py.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from drivers.onvif import Camera
from drivers.onvif_reply import REPLAY, SEARCH, CameraError, every, first, text
from drivers.onvif_topics import CameraEvent, events_of, instant

ROUNDS = 20
KEEP_ALIVE = "PT10S"
WAIT = "PT2S"  # a camera may gather for so long before it answers
MOST = 100
STREAM_SETUP = {"Stream": "RTP-Unicast", "Transport": {"Protocol": "RTSP"}}


@dataclass(frozen=True, slots=True)
class CardSpan:
    """One recording on the card. Instants are the camera's own clock; None: it does not say."""

    recording: str
    source: str
    from_at: datetime | None
    to_at: datetime | None
    status: str
    tracks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CardEvent:
    """One event the camera kept with a recording. `standing`: it was so at the beginning of the span."""

    recording: str
    at: datetime | None
    event: CameraEvent
    standing: bool = False


def recordings(camera: Camera) -> tuple[CardSpan, ...]:
    """Every recording the card has. Raises CameraError."""
    found = _search(camera, "FindRecordings", "GetRecordingSearchResults", "RecordingInformation", Scope={})
    return tuple(
        CardSpan(
            text(first(one, "RecordingToken")), text(first(first(one, "Source"), "Name")),
            _utc(first(one, "EarliestRecording")), _utc(first(one, "LatestRecording")),
            text(first(one, "RecordingStatus")),
            tuple(text(first(track, "TrackToken")) for track in every(one, "Track")),
        )
        for one in found
    )  # fmt: skip


def events(camera: Camera, from_at: datetime, to_at: datetime) -> tuple[CardEvent, ...]:
    """What the camera kept between two instants of its own clock. Raises CameraError."""
    found = _search(
        camera, "FindEvents", "GetEventSearchResults", "Result",
        StartPoint=from_at, EndPoint=to_at, Scope={}, SearchFilter={}, IncludeStartState=False,
    )  # fmt: skip
    told = []
    for one in found:
        event = next(iter(events_of(_as_notification(one))), None)
        if event is not None:
            standing = text(first(one, "StartStateEvent")).lower() in ("true", "1")
            told.append(CardEvent(text(first(one, "RecordingToken")), _utc(first(one, "Time")), event, standing))
    return tuple(told)


def replay_address(camera: Camera, recording: str) -> str:
    """Where this recording is played from, as we can reach it. Raises CameraError."""
    answer = camera.ask(REPLAY, "GetReplayUri", StreamSetup=STREAM_SETUP, RecordingToken=recording)
    said = text(first(answer, "Uri"))
    if not said:
        raise CameraError("broken", "The camera's answer holds no address.")
    return camera.reach(said)


def _utc(element: Any) -> datetime | None:
    """ONVIF tells UTC; some leave the Z out."""
    at = instant(text(element))
    return at.replace(tzinfo=UTC) if at is not None and at.tzinfo is None else at


def _as_notification(result: Any) -> Any:
    """A search result with its Event under the name a notification has."""
    for event in every(result, "Event"):
        event.tag = "NotificationMessage"
    return result


def _search(camera: Camera, find: str, results: str, name: str, **arguments: Any) -> list[Any]:
    begun = camera.ask(SEARCH, find, KeepAliveTime=KEEP_ALIVE, **arguments)
    token = text(first(begun, "SearchToken"))
    if not token:
        raise CameraError("broken", "The camera began a search and does not say which.")
    try:
        return list(_results(camera, token, results, name))
    finally:
        with contextlib.suppress(CameraError):  # it ends by itself after KEEP_ALIVE
            camera.ask(SEARCH, "EndSearch", SearchToken=token)


def _results(camera: Camera, token: str, results: str, name: str) -> Iterator[Any]:
    # MinResults left out: some count it as "wait until there are so many".
    for _ in range(ROUNDS):
        answer = camera.ask(SEARCH, results, SearchToken=token, MaxResults=MOST, WaitTime=WAIT)
        yield from every(answer, name)
        if text(first(answer, "SearchState")) in ("Completed", "Unknown", ""):
            return
    camera.note("The camera does not come to an end with a search on its card; what it had found was taken.")
