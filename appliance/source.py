"""Where one camera's stream is and what it carries: asked once, asked again when it stops being true."""

from __future__ import annotations

import socket
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Literal

from appliance import streams
from appliance.config import Camera
from appliance.model import ApplianceError
from appliance.streams import Stream
from appliance.taken import Changing
from drivers import ffmpeg, rtsp_ask
from drivers.rtsp_relay import Relay
from drivers.types import DriverError, StreamProfile

ONVIF_TIMEOUT_S = 5.0
KNOCK_TIMEOUT_S = 2.0
ASK_TIMEOUT_S = 5.0  # for each answer of its RTSP server
PATIENT_S = 8.0  # for a camera that did not answer in time before: some need seconds for their first answer
KNOCKS_TO_ASK_AGAIN = 5
FAILURES_TO_ASK_AGAIN = 3  # a camera that was re-addressed or set to another codec has another stream

CAUSE_OF: dict[ffmpeg.Trouble, str] = {
    "password": "password refused", "no stream": "no stream", "unreachable": "camera unreachable",
    "silent": "camera silent", "closed": "connection closed", "disk full": "disk full", "disk error": "disk error",
    "unreadable": "stream unreadable", "transport": "no stream", "sound": "stream unreadable",
}  # fmt: skip
ONVIF_CAUSES = {"unreachable": "camera unreachable", "silent": "camera silent", "refused": "password refused"}


class NoSource(Exception):
    """There is no stream to record now. `cause` is one of coverage.CAUSES; the text is for the log."""

    def __init__(self, cause: str, text: str) -> None:
        self.cause = cause
        super().__init__(text)


@dataclass(frozen=True, slots=True)
class Lead:
    """Where to record from, what comes, and whether ffmpeg needs help to sign in."""

    source: ffmpeg.Source
    stream: ffmpeg.Stream
    relay: bool = False

    @contextmanager
    def opened(self) -> Generator[ffmpeg.Source, None, None]:
        """What ffmpeg is to open: the camera, or for as long as this lasts a relay that signs for it."""
        if not self.relay:
            yield self.source
            return
        relay = Relay(self.source)
        try:
            yield relay.source
        finally:
            relay.close()


class SourceFinder:
    """One camera's. Belongs to that camera's thread.

    `elsewhere`: finds a camera that has another address now, by its identity; asked when the known one fails for long.
    """

    def __init__(self, camera: Camera, stall_s: float, elsewhere: Callable[[Camera], Camera] | None = None,
                 stream: Stream = "main") -> None:  # fmt: skip
        self._camera, self._elsewhere, self._which = camera, elsewhere, stream
        self._transport: Literal["tcp", "udp"] = "tcp"
        self._sound = camera.sound
        self._timeout_s = min(stall_s, 5.0)  # a camera may need so long from PLAY to its first frame
        self._url = self._named()
        self._asked: rtsp_ask.Asked | None = None
        self._failures = self._knocks = 0
        self._tried: object = None  # the state of the password's file that was tried last

    def find(self) -> Lead:
        """Where to record from, and what comes. Raises NoSource."""
        self._failures += 1
        if self._failures > FAILURES_TO_ASK_AGAIN:
            if self._elsewhere is not None:
                self._camera = self._elsewhere(self._camera)
            self._url, self._asked, self._failures = self._named(), None, 1
        self._tried = self._password_state()  # before it is read: a change in between is then seen as one
        try:
            password = self._camera.password()
        except Changing as fault:
            raise NoSource("recording starting", str(fault)) from fault
        except ApplianceError as fault:
            raise NoSource("password refused", str(fault)) from fault
        if self._url is None:
            self._url = self._ask_address(password)
        patient = self._failures > 1
        if self._asked is None:
            source = ffmpeg.Source(self._url, self._camera.user, password, self._sound)
            try:
                self._asked = rtsp_ask.ask(source, PATIENT_S if patient else ASK_TIMEOUT_S)
            except ffmpeg.StreamError as fault:
                raise NoSource(CAUSE_OF[fault.trouble], source.scrub(str(fault))) from fault
        stream = self._asked.stream if self._sound else replace(self._asked.stream, audio=None)
        source = replace(self._asked.source, password=password, transport=self._transport, sound=bool(stream.audio),
                         timeout_s=PATIENT_S if patient else self._timeout_s)  # fmt: skip
        return Lead(source, stream, self._asked.relay)

    def follow(self, camera: Camera) -> None:
        """A person changed whether it is recorded with sound: counts from the next run."""
        if camera.sound != self._camera.sound:
            self._camera, self._sound, self._asked = camera, camera.sound, None

    def failed(self, trouble: ffmpeg.Trouble) -> bool:
        """A run ended so. True: another way is worth a try at once, and is taken the next time."""
        if trouble == "transport" and self._transport == "tcp":
            self._transport = "udp"
            return True
        if trouble == "sound" and self._sound:
            self._sound = False
            return True
        return False

    def _named(self) -> str | None:
        """The address the configuration gives, if it gives one."""
        return self._camera.stream if self._which == "main" else self._camera.second_stream

    def works(self) -> None:
        """Frames came: what is known is true."""
        self._failures = 0

    def _ask_address(self, password: str) -> str:
        assert self._camera.onvif is not None  # noqa: S101 - config: a camera has a stream or an ONVIF address
        from drivers import onvif  # where every stream is in the configuration, its 8 MB are never needed

        device = onvif.Camera(self._camera.onvif, self._camera.user, password, timeout_s=ONVIF_TIMEOUT_S)
        try:
            found = main_and_second(device.profiles())
        except DriverError as fault:
            cause = ONVIF_CAUSES.get(getattr(fault, "reason", ""), "no stream")
            raise NoSource("password refused" if fault.permanent else cause, str(fault)) from fault
        finally:
            device.close()
        chosen = found[streams.ALL.index(self._which)]
        if chosen is None:
            raise NoSource("no stream", f"the camera names no {self._which} stream over ONVIF")
        return chosen.stream_uri

    def password_changed(self) -> bool:
        """Whether the camera's password file is another than when it was tried."""
        return self._password_state() != self._tried

    def _password_state(self) -> object:
        return self._camera.password_state()

    def answers(self) -> bool:
        """Whether anything takes a TCP connection at the camera's address. Costs a packet, not a process.

        Now and then it is asked whether the camera has another address: at the old one nobody may ever answer again.
        """
        self._knocks += 1
        if self._elsewhere is not None and self._knocks % KNOCKS_TO_ASK_AGAIN == 0:
            found = self._elsewhere(self._camera)
            if (found.onvif, found.stream) != (self._camera.onvif, self._camera.stream):
                self._camera, self._asked = found, None
                self._url = self._named()
        url = self._url or self._camera.onvif or ""
        try:
            with socket.create_connection(ffmpeg.address(url), timeout=KNOCK_TIMEOUT_S):
                return True
        except OSError:
            return False


def main_and_second(profiles: Iterable[StreamProfile]) -> tuple[StreamProfile | None, StreamProfile | None]:
    """The largest picture, and the smallest of another size; the camera's own order decides among equals."""
    found = [profile for profile in profiles if profile.stream_uri]
    main = max(found, key=_pixels, default=None)
    others = [profile for profile in found if main is not None and (profile.width, profile.height) != (main.width,
              main.height)]  # fmt: skip
    return main, min(others, key=_pixels, default=None)


def _pixels(profile: StreamProfile) -> int:
    return profile.width * profile.height
