"""Where an ONVIF camera gives a profile's stream by another way than RTSP over TCP: UDP, multicast, inside HTTP or TLS.

The recorder takes TCP, and UDP from a camera that refuses it; on a site's own network nothing else is needed. These
addresses are for who must go another way (ffmpeg: `Source.transport`), and for a look at what a camera can.
"""

from __future__ import annotations

from typing import Any, Literal

from drivers import onvif_reply as reply
from drivers.onvif import Camera
from drivers.onvif_reply import MEDIA1, MEDIA2, CameraError

# Way -> Media2's word (ONVIF Media 2, 5.6), Media1's stream and protocol. Media1 knows no TLS.
WAYS: dict[str, tuple[str, str, str]] = {
    "tcp": ("RTSP", "RTP-Unicast", "RTSP"),
    "udp": ("RtspUnicast", "RTP-Unicast", "UDP"),
    "multicast": ("RtspMulticast", "RTP-Multicast", "UDP"),
    "http": ("RtspOverHttp", "RTP-Unicast", "HTTP"),
    "rtsps": ("RtspsUnicast", "", ""),
}

USUAL_PORTS = {"http": 80, "https": 443}


def stream_address(camera: Camera, profile: str, way: str) -> str:
    """As we can reach it: its host is ours, its port the camera's. CameraError when the camera has no such way."""
    word, stream, protocol = WAYS[way]
    how: dict[str, Any] = {"Protocol": word}
    service = MEDIA2
    if not camera.has(MEDIA2):
        if not stream:
            raise CameraError("fault", "The camera has no Media2, so it gives no stream over TLS.")
        service, how = MEDIA1, {"StreamSetup": {"Stream": stream, "Transport": {"Protocol": protocol}}}
    said = reply.text(reply.first(camera.ask(service, "GetStreamUri", ProfileToken=profile, **how), "Uri"))
    begun = reply.stream_begun(said) if said else ""
    if not begun:
        raise CameraError("broken", "The camera's answer holds no address.")
    scheme, _, rest = begun.partition("://")
    return scheme + camera.reach(f"rtsp://{rest}").removeprefix("rtsp")  # reach would take http for a page's address


def tunnel(address: str) -> tuple[str, Literal["http", "https"]]:
    """What ffmpeg is to open for an address inside HTTP, and by which transport: it wants rtsp:// in either case."""
    scheme, _, rest = address.partition("://")
    host, slash, path = rest.partition("/")
    if scheme in USUAL_PORTS and ":" not in host.rpartition("]")[2]:
        host = f"{host}:{USUAL_PORTS[scheme]}"
    return f"rtsp://{host}{slash}{path}", "https" if scheme in ("https", "rtsps") else "http"
