"""The card of a virtual camera as it can be asked and set: recordings with tracks, receivers; and its analytics.

Books only: nothing is recorded. `furnish` of onvif_set_face puts them into a face.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from xml.sax.saxutils import escape

from demo.onvif_soap import Fault, said, told

RECEIVER = "http://www.onvif.org/ver10/receiver/wsdl"
ANALYTICS = "http://www.onvif.org/ver20/analytics/wsdl"
MOST_RECORDINGS = 2
MODULES = {"motion": "tt:CellMotionEngine", "people": "acme:PeopleCounter"}
RULES = {"door": "tt:LineDetector", "table": "tt:FieldDetector"}


@dataclass(slots=True)
class Recording:
    """One on the card; what was there from the beginning stays."""

    content: str
    tracks: list[str] = field(default_factory=list)
    fixed: bool = False


@dataclass(slots=True)
class Card:
    recordings: dict[str, Recording] = field(
        default_factory=lambda: {"card": Recording("the room", ["video"], fixed=True)}
    )
    receivers: dict[str, str] = field(default_factory=dict)  # token to address


def card_answers(card: Card) -> dict[str, Callable[[Any], str]]:
    """Operation to answer."""
    return {**_recordings(card), **_tracks(card), **_receivers(card), **_analytics()}


def _recordings(card: Card) -> dict[str, Callable[[Any], str]]:
    def listed(request: Any) -> str:
        return told("GetRecordings", request, "".join(
            f"<r:RecordingItem><tt:RecordingToken>{token}</tt:RecordingToken><tt:Configuration><tt:Source>"
            f"<tt:SourceId>urn:lens</tt:SourceId><tt:Name>lens</tt:Name></tt:Source><tt:Content>{escape(one.content)}"
            "</tt:Content></tt:Configuration><tt:Tracks>"
            + "".join(f"<tt:Track><tt:TrackToken>{track}</tt:TrackToken></tt:Track>" for track in one.tracks)
            + "</tt:Tracks></r:RecordingItem>" for token, one in card.recordings.items()
        ))  # fmt: skip

    def create(request: Any) -> str:
        if len(card.recordings) >= MOST_RECORDINGS:
            raise Fault(500, "ter:MaxRecordings", "no room for another recording")
        token = f"card{len(card.recordings) + 1}"
        card.recordings[token] = Recording(said(request, "Content"))
        return told("CreateRecording", request, f"<r:RecordingToken>{token}</r:RecordingToken>")

    def delete(request: Any) -> str:
        if _one(card, request).fixed:
            raise Fault(500, "ter:CannotDelete", "that recording stays")
        del card.recordings[said(request, "RecordingToken")]
        return told("DeleteRecording", request)

    def configuration(request: Any) -> str:
        return told("GetRecordingConfiguration", request, (
            "<r:RecordingConfiguration><tt:Source><tt:SourceId>urn:lens</tt:SourceId><tt:Name>lens</tt:Name></tt:Source>"
            f"<tt:Content>{escape(_one(card, request).content)}</tt:Content></r:RecordingConfiguration>"
        ))  # fmt: skip

    def configure(request: Any) -> str:
        _one(card, request).content = said(request, "Content")
        return told("SetRecordingConfiguration", request)

    return {"GetRecordings": listed, "CreateRecording": create, "DeleteRecording": delete,
            "GetRecordingConfiguration": configuration, "SetRecordingConfiguration": configure}  # fmt: skip


def _tracks(card: Card) -> dict[str, Callable[[Any], str]]:
    def create(request: Any) -> str:
        tracks = _one(card, request).tracks
        tracks.append(f"track{len(tracks) + 1}")
        return told("CreateTrack", request, f"<r:TrackToken>{tracks[-1]}</r:TrackToken>")

    def delete(request: Any) -> str:
        if said(request, "TrackToken") == "video":
            raise Fault(500, "ter:CannotDelete", "that track stays")
        _one(card, request).tracks.remove(said(request, "TrackToken"))
        return told("DeleteTrack", request)

    return {"CreateTrack": create, "DeleteTrack": delete}


def _receivers(card: Card) -> dict[str, Callable[[Any], str]]:
    def listed(request: Any) -> str:
        return told("GetReceivers", request, "".join(
            f"<r:Receivers><tt:Token>{token}</tt:Token><tt:Configuration><tt:Mode>AutoConnect</tt:Mode><tt:MediaUri>"
            f"{escape(address)}</tt:MediaUri></tt:Configuration></r:Receivers>"
            for token, address in card.receivers.items()
        ))  # fmt: skip

    def create(request: Any) -> str:
        token = f"receiver{len(card.receivers) + 1}"
        card.receivers[token] = said(request, "MediaUri")
        return told("CreateReceiver", request, f"<r:Receiver><tt:Token>{token}</tt:Token></r:Receiver>")

    def delete(request: Any) -> str:
        card.receivers.pop(said(request, "ReceiverToken"), None)
        return told("DeleteReceiver", request)

    return {"GetReceivers": listed, "CreateReceiver": create, "DeleteReceiver": delete}


def _analytics() -> dict[str, Callable[[Any], str]]:
    def listed(name: str, operation: str, known: dict[str, str]) -> Callable[[Any], str]:
        return lambda request: told(operation, request, "".join(
            f'<r:{name} Name="{each}" Type="{type_}"><tt:Parameters/></r:{name}>' for each, type_ in known.items()
        ))  # fmt: skip

    def described(request: Any) -> str:
        return told("GetSupportedMetadata", request, '<r:AnalyticsModule Type="acme:PeopleCounter"><r:SampleFrame/>'
                    "</r:AnalyticsModule>")  # fmt: skip

    return {"GetAnalyticsModules": listed("AnalyticsModule", "GetAnalyticsModules", MODULES),
            "GetRules": listed("Rule", "GetRules", RULES), "GetSupportedMetadata": described}  # fmt: skip


def _one(card: Card, request: Any) -> Recording:
    found = card.recordings.get(said(request, "RecordingToken"))
    if found is None:
        raise Fault(400, "ter:NoRecording", "there is no such recording")
    return found
