"""The RTSP side of the virtual cameras: GStreamer's server, TCP only, Digest sign-in, one mount a camera.

Every client has a pipeline of its own (the factories are not shared), so each begins with a key frame however late it
joins. Time stamps come from when the frame was made: a silence leaves a hole in them, as with a real camera.
"""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from demo.camera_encoder import FPS, SOUND_RATE, CameraConfig, Encoder, Piece
from demo.gst import GLib, Gst, GstRtsp, GstRtspServer

CAPS = {
    "h264": "video/x-h264,stream-format=byte-stream,alignment=au",
    "h265": "video/x-h265,stream-format=byte-stream,alignment=au",
    "pcma": "audio/x-alaw,rate=8000,channels=1",
    # codec_data is the AudioSpecificConfig (ISO 14496-3, 1.6.2.1): AAC-LC, 16 kHz, mono
    "aac": "audio/mpeg,mpegversion=4,stream-format=raw,rate=16000,channels=1,codec_data=(buffer)1408",
}
PAYLOADERS = {
    "h264": "rtph264pay pt=96 config-interval=-1",
    "h265": "rtph265pay pt=96 config-interval=-1",
    "pcma": "rtppcmapay pt=8",
    "aac": "rtpmp4gpay pt=97",
}
# A client that reads nothing makes its own pipeline drop, not this process grow.
SOURCE = "appsrc is-live=true format=time max-bytes=4000000 leaky-type=downstream"


@dataclass(slots=True)
class Feed:
    """One client's pipeline, from the first key frame after it was made."""

    sources: dict[str, Any]
    shift_ns: int | None = None  # pipeline running time minus the monotonic clock
    waits_for_key: bool = True

    def push(self, piece: Piece) -> None:
        source = self.sources.get(piece.kind)
        if source is None or not self._may_go(piece, source) or self.shift_ns is None:
            return
        stamp_ns = int(piece.at_s * Gst.SECOND) + self.shift_ns
        if stamp_ns < 0:
            return
        buffer = Gst.Buffer.new_wrapped(piece.data)
        buffer.pts = buffer.dts = stamp_ns
        buffer.duration = int(piece.duration_s * Gst.SECOND)
        source.emit("push-buffer", buffer)

    def _may_go(self, piece: Piece, source: Any) -> bool:
        if not self.waits_for_key:
            return True
        clock = source.get_clock()  # None until the pipeline plays
        if piece.kind != "video" or not piece.key or clock is None:
            return False
        if self.shift_ns is None:
            running_ns = clock.get_time() - source.get_base_time()
            # The first frame may be older than the pipeline; then it is stamped 0 and everything with it.
            self.shift_ns = max(running_ns - time.monotonic_ns(), -int(piece.at_s * Gst.SECOND))
        self.waits_for_key = False
        return True


@dataclass(slots=True)
class Camera:
    """One virtual camera: its encoder, its clients, and what is wrong with it just now."""

    config: CameraConfig
    encoder: Encoder = field(init=False)
    feeds: list[Feed] = field(default_factory=list)
    clients: dict[Any, Any] = field(default_factory=dict)  # client: the main context of its thread
    silent_until_s: float = 0.0
    gone_until_s: float = 0.0
    pushed: int = -1
    clock_offset_s: float = 0.0
    lock: Any = field(default_factory=threading.Lock)
    recent: list[tuple[int, float]] = field(default_factory=list)

    @classmethod
    def make(cls, config: CameraConfig, folder: Path, zone: str) -> Camera:
        camera = cls(config, clock_offset_s=config.clock_offset_s)
        camera.encoder = Encoder(config, folder, zone, camera.take)
        return camera

    @property
    def silent(self) -> bool:
        return time.monotonic() < self.silent_until_s

    @property
    def gone(self) -> bool:
        return time.monotonic() < self.gone_until_s

    def take(self, piece: Piece) -> None:
        """A piece from the encoder: pass it to every client, or lose it as a silent camera does."""
        with self.lock:
            if piece.kind == "video":
                self.recent = [*self.recent[-23:], (piece.number, piece.at_s)]
            quiet = self.silent or self.gone
            if piece.kind == "video" and not quiet:
                self.pushed = piece.number
            for feed in self.feeds:
                if quiet:
                    feed.waits_for_key = True  # comes back on a key frame, so nothing undecodable is sent
                else:
                    feed.push(piece)

    def still(self) -> bytes:
        """The newest snapshot, a JPEG not older than a second or two."""
        return self.encoder.snapshot.read_bytes()

    def stats(self) -> dict[str, Any]:
        """Last frame sent, last frame made, when frame 0 was (epoch seconds), measured rate, ffmpeg's pid, clients."""
        with self.lock:
            recent = list(self.recent)
            feeds = len(self.feeds)
        made, at_s = recent[-1] if recent else (-1, 0.0)
        spread_s = at_s - recent[0][1] if recent else 0.0
        return {
            "frame": self.pushed,
            "made": made,
            "frame0_at": time.time() - (time.monotonic() - at_s) - made / FPS if recent else None,
            "fps": round((len(recent) - 1) / spread_s, 3) if spread_s else 0.0,
            "pid": self.encoder.pid,
            "clients": feeds,
            "silent": self.silent,
            "gone": self.gone,
        }


class Factory(GstRtspServer.RTSPMediaFactory):  # type: ignore[misc]
    """Makes one client's pipeline and ties it to its camera."""

    def __init__(self, camera: Camera) -> None:
        super().__init__()
        self._camera = camera
        codec, sound = camera.config.codec, camera.config.sound
        launch = f"{SOURCE} name=video caps={CAPS[codec]},framerate={FPS}/1 ! {PAYLOADERS[codec]} name=pay0"
        if sound in SOUND_RATE:
            launch += f' {SOURCE} name=sound caps="{CAPS[sound]}" ! {PAYLOADERS[sound]} name=pay1'
        self.set_launch(f"( {launch} )")
        self.set_shared(False)
        self.set_protocols(GstRtsp.RTSPLowerTrans.TCP)
        permissions = GstRtspServer.RTSPPermissions()
        for name in ("media.factory.access", "media.factory.construct"):
            permissions.add_permission_for_role("viewer", name, True)
        self.set_permissions(permissions)
        self.connect("media-configure", self._configure)

    def _configure(self, _factory: Any, media: Any) -> None:
        element = media.get_element()
        sources = {name: element.get_by_name(name) for name in ("video", "sound")}
        feed = Feed({name: source for name, source in sources.items() if source is not None})
        with self._camera.lock:
            self._camera.feeds.append(feed)
        media.connect("unprepared", lambda _media: self._forget(feed))

    def _forget(self, feed: Feed) -> None:
        with self._camera.lock:
            if feed in self._camera.feeds:
                self._camera.feeds.remove(feed)


class Server:
    """GStreamer's RTSP server with every camera at /<id>/main."""

    def __init__(self, cameras: dict[str, Camera], port: int) -> None:
        self._cameras = cameras
        self._auths = {name: _digest(camera.config.user, camera.config.password) for name, camera in cameras.items()}
        self._server = GstRtspServer.RTSPServer()
        self._server.set_address("127.0.0.1")
        self._server.set_service(str(port))
        pool = GstRtspServer.RTSPThreadPool()
        pool.set_max_threads(-1)  # a DESCRIBE that waits for a silent camera must not hold up the other cameras
        self._server.set_thread_pool(pool)
        nobody = GstRtspServer.RTSPAuth()
        nobody.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
        self._server.set_auth(nobody)
        mounts = self._server.get_mount_points()
        for name, camera in cameras.items():
            mounts.add_factory(f"/{name}/main", Factory(camera))
        self._server.connect("client-connected", self._connected)

    def attach(self) -> int:
        """Listen; returns the port. attach() says 0, and nothing else, when the port is taken."""
        if not self._server.attach(None):
            raise OSError("the RTSP port is taken")
        return int(self._server.get_bound_port())

    def drop(self, camera: Camera) -> None:
        """Close what is connected. What comes while the camera is gone is closed in `_arrived`."""
        for client, context in list(camera.clients.items()):
            _close_in(context, client)

    def sign_in(self, camera: Camera, user: str, password: str) -> None:
        """From now on new clients of this camera need this name and password; who watches, watches on."""
        self._auths[camera.config.id] = _digest(user, password)

    def restart(self, camera: Camera, seconds: float) -> None:
        """The camera is away for so long, as by `drop`."""
        camera.gone_until_s = time.monotonic() + seconds
        self.drop(camera)

    def _connected(self, _server: Any, client: Any) -> None:
        for request in ("options", "describe"):
            client.connect(f"pre-{request}-request", self._arrived)
        client.connect("closed", self._closed)

    def _arrived(self, client: Any, context: Any) -> Any:
        """First word of a client: only now is it known which camera, so which password, it is about.

        Cameras on one port have passwords of their own, and the server's sign-in knows one password a user name. So
        each client is given its camera's. A client whose very first request is DESCRIBE is asked twice.
        """
        name = context.uri.abspath.strip("/").split("/")[0] if context.uri else ""
        camera = self._cameras.get(name)
        if camera is None:
            return GstRtsp.RTSPStatusCode.OK  # the server itself says 404
        if camera.gone:
            _close_in(GLib.main_current_source().get_context(), client)
            return GstRtsp.RTSPStatusCode.OK  # an error status here makes GStreamer 1.22 free what is not its own
        if client.get_auth() is not self._auths[name]:
            client.set_auth(self._auths[name])
        camera.clients[client] = GLib.main_current_source().get_context()
        return GstRtsp.RTSPStatusCode.OK

    def _closed(self, client: Any) -> None:
        for camera in self._cameras.values():
            camera.clients.pop(client, None)


def _close_in(context: Any, client: Any) -> None:
    """Hang up on a client at once, and have it closed in its own thread.

    That thread may still be waiting for a DESCRIBE's first frame; closing from another corrupts the server's memory.
    """
    connection = client.get_connection()
    if connection is not None:
        with contextlib.suppress(GLib.Error):  # it hung up first
            connection.get_read_socket().shutdown(True, True)

    def close(*_nothing: object) -> bool:
        client.close()
        return False

    source = GLib.Idle()
    source.set_priority(GLib.PRIORITY_HIGH)  # before the client's next request
    source.set_callback(close)
    source.attach(context)


def _digest(user: str, password: str) -> Any:
    auth = GstRtspServer.RTSPAuth()
    auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "viewer")
    auth.add_digest(user, password, token)
    return auth
