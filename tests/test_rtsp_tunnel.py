"""Streams that come inside HTTP and HTTPS, where the address a camera gives for them says so (rows 17 and 29)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from demo.onvif_soap import Fault, said, told
from drivers import onvif_streams
from drivers.ffmpeg import Source
from drivers.onvif_reply import MEDIA2, CameraError
from drivers.rtsp_ask import ask
from tests.fakes.onvif_faces import MakeFace, camera_at, make_face
from tests.fakes.rtsp_camera import Manner, RtspCamera
from tests.fakes.rtsp_tunnel import RtspTunnel
from tests.fakes.tls import server_context
from tests.test_rtsp_relay import PASSWORD, record

__all__ = ["make_face"]


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_rows_17_29_a_stream_inside_http_is_recorded_frame_by_frame(
    make_face: MakeFace, tmp_path: Path, scheme: str
) -> None:
    context = server_context(tmp_path) if scheme == "https" else None
    face = make_face()
    with RtspCamera(Manner(auth=("md5",))) as camera, RtspTunnel(camera.port, context) as tunnel:

        def uri(_face: Any, request: Any) -> str:
            if said(request, "Protocol") != "HTTP":
                raise Fault(400, "ter:InvalidStreamSetup", "no such way")
            return told("GetStreamUri", request, f"<r:Uri>{scheme}://192.168.1.88:{tunnel.port}/live</r:Uri>")

        face.answers["GetStreamUri"] = uri
        onvif = camera_at(face)
        with pytest.raises(CameraError, match="no such way"):
            onvif_streams.stream_address(onvif, "main", "multicast")
        address = onvif_streams.stream_address(onvif, "main", "http")
        assert address == f"{scheme}://127.0.0.1:{tunnel.port}/live"
        url, transport = onvif_streams.tunnel(address)
        stream = ask(Source(camera.url, "u", PASSWORD)).stream
        recorded = record(Source(url, "u", PASSWORD, transport=transport), stream, tmp_path, 12)
        carried = tunnel.carried
    first = camera.sent.index(recorded[0])
    assert camera.sent[first : first + len(recorded)] == recorded
    assert carried > 500
    assert onvif_streams.tunnel("https://10.0.0.5/live") == ("rtsp://10.0.0.5:443/live", "https")


@pytest.mark.parametrize(("way", "word"), [("tcp", "RTSP"), ("multicast", "RtspMulticast"), ("rtsps", "RtspsUnicast")])
def test_row_17_media2_is_asked_for_each_way_by_its_word(make_face: MakeFace, way: str, word: str) -> None:
    face = make_face()
    face.services[MEDIA2] = "/onvif/media2_service"
    asked: list[str] = []

    def uri(_face: Any, request: Any) -> str:
        asked.append(said(request, "Protocol"))
        return told("GetStreamUri", request, "<r:Uri>rtsps://192.168.1.88/live</r:Uri>")

    face.answers["GetStreamUri"] = uri
    assert onvif_streams.stream_address(camera_at(face), "main", way) == "rtsps://127.0.0.1/live"
    assert asked == [word]
