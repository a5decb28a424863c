"""Gives a virtual camera's ONVIF face a card: one recording and one event, told in pieces, and where it is played."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from xml.sax.saxutils import escape

from demo.onvif_face import Face
from demo.onvif_soap import told
from drivers.onvif_reply import REPLAY, SEARCH

FROM_AT, TO_AT = datetime(2026, 11, 22, 4, tzinfo=UTC), datetime(2026, 11, 22, 9, tzinfo=UTC)


def lay_in(
    face: Face, address: str = "rtsp://192.168.1.88:554/replay/card", from_at: datetime = FROM_AT,
    to_at: datetime = TO_AT, zone: str = "Z",
) -> None:  # fmt: skip
    """Let the face answer the search and replay services. `zone`: what stands after its times."""
    face.services |= {SEARCH: "/onvif/search_service", REPLAY: "/onvif/replay_service"}
    asked: list[int] = []

    def at(instant: datetime) -> str:
        return f"{instant:%Y-%m-%dT%H:%M:%S}{zone}"

    def results(_face: Face, request: Any) -> str:
        asked.append(1)
        return told("GetRecordingSearchResults", request, (
            f"<r:ResultList><tt:SearchState>{'Searching' if len(asked) == 1 else 'Completed'}</tt:SearchState>"
            + ("" if len(asked) == 1 else
               "<tt:RecordingInformation><tt:RecordingToken>card</tt:RecordingToken><tt:Source><tt:Name>hall</tt:Name>"
               f"</tt:Source><tt:EarliestRecording>{at(from_at)}</tt:EarliestRecording><tt:LatestRecording>"
               f"{at(to_at)}</tt:LatestRecording><tt:Track><tt:TrackToken>video</tt:TrackToken></tt:Track>"
               "<tt:RecordingStatus>Recording</tt:RecordingStatus></tt:RecordingInformation>")
            + "</r:ResultList>"
        ))  # fmt: skip

    def kept(_face: Face, request: Any) -> str:
        return told("GetEventSearchResults", request, (
            "<r:ResultList><tt:SearchState>Completed</tt:SearchState><tt:Result><tt:RecordingToken>card"
            f"</tt:RecordingToken><tt:Time>{at(from_at)}</tt:Time><tt:Event><wsnt:Topic>"
            "tns1:VideoSource/MotionAlarm</wsnt:Topic><wsnt:Message>"
            f'<tt:Message UtcTime="{at(from_at)}"><tt:Source>'
            '<tt:SimpleItem Name="Token" Value="lens"/></tt:Source><tt:Data><tt:SimpleItem Name="State" Value="true"/>'
            "</tt:Data></tt:Message></wsnt:Message></tt:Event><tt:StartStateEvent>false</tt:StartStateEvent></tt:Result>"
            "</r:ResultList>"
        ))  # fmt: skip

    token = "<r:SearchToken>s1</r:SearchToken>"
    face.answers.update(
        FindRecordings=lambda _f, r: told("FindRecordings", r, token), GetRecordingSearchResults=results,
        FindEvents=lambda _f, r: told("FindEvents", r, token), GetEventSearchResults=kept,
        EndSearch=lambda _f, r: told("EndSearch", r, f"<r:Endpoint>{at(to_at)}</r:Endpoint>"),
        GetReplayUri=lambda _f, r: told("GetReplayUri", r, f"<r:Uri>{escape(address)}</r:Uri>"),
    )  # fmt: skip
