"""Sets a camera of the site: what came of each setting is read back, told on the page and entered in the journal."""

from __future__ import annotations

import ipaddress
import logging
import socket
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import urlsplit

from appliance import journal, sealed, store, taken
from appliance.camera_words import WHAT, told
from appliance.clock import Clock
from appliance.config import Camera, Config
from appliance.model import N_, Actor, ApplianceError
from appliance.profile import CameraSetting
from appliance.store import Database
from drivers import onvif, onvif_set, onvif_set_card, onvif_set_move, onvif_set_picture
from drivers.onvif_options import Stream
from drivers.onvif_reply import CameraError
from drivers.types import SetResult, StreamProfile

log = logging.getLogger(__name__)

KEEPER = Actor.service("keeper")
LARGER = ((1920, 1080), (2560, 1440), (3840, 2160))  # tried when the nearest to what is wanted is smaller
TIMEOUT_S = 6.0
GONE = ("unreachable", "silent")
OWN_USER = N_("The box itself signs in as {user}. That account stays.")


@dataclass(frozen=True, slots=True)
class Step:
    """One setting as the page shows it; `what` is a key of camera_words.WHAT. No password in it."""

    what: str
    ok: bool
    wanted: str = ""
    before: str = ""
    after: str = ""
    note: str = ""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Book:
    """Settings of one camera, each with its entry in the journal, in the name of who asked."""

    db: Database
    config: Config
    clock: Clock
    who: Actor
    camera: Camera

    def enter(self, what: str, result: SetResult) -> Step:
        """One entry: set with before and after, or not taken with the reason."""
        if result.ok:
            self._journal("camera.set", what=WHAT[what], before=result.before or "?", after=result.found)
        else:
            self._journal("camera.unset", what=WHAT[what], wanted=result.wanted, note=told(result.note).as_json())
        return Step(what, result.ok, result.wanted, result.before, result.found, result.note)

    def _journal(self, kind: str, **data: Any) -> None:
        with store.transaction(self.db):
            journal.append(self.db, self.clock, kind, self.who, camera=self.camera.id, room=self.camera.room, **data)

    def by_profile(self, device: onvif.Camera) -> list[Step]:
        """Clock, stream and text as the region's profile has them. What one setting fails at stops no other."""
        steps = [*self.attempt("clock", device, self.clock_right), *self.attempt("stream", device, self.stream)]
        return [*steps, *self.attempt("text", device, self.text)]

    def attempt(self, what: str, device: onvif.Camera, setting: Any) -> list[Step]:
        """One setting of several. A camera that is gone, or refuses us, ends them all: CameraError."""
        try:
            return list(setting(device))
        except CameraError as error:
            if error.permanent or error.reason in GONE:
                raise
            return [self.enter(what, SetResult("", "", False, str(error)))]

    def clock_right(self, device: onvif.Camera) -> list[Step]:
        """Our time; and the time servers, where the profile names any."""
        steps = [self.enter("clock", onvif_set.set_time(device))]
        servers = [_own_address(device.url) if one == "box" else one for one in self.config.profile.camera.ntp]
        if servers:
            steps.append(self.enter("ntp", onvif_set.set_ntp(device, servers)))
        return steps

    def stream(self, device: onvif.Camera) -> list[Step]:
        """The first stream, which is the one recorded."""
        main = next((one for one in device.profiles() if one.stream_uri), None)
        if main is None:
            return []
        wish, least = self.config.profile.camera, (0, 0)
        result = onvif_set_picture.set_stream(device, main.token, _wish(wish, main))
        for larger in LARGER:
            least = next(((p.width, p.height) for p in device.profiles() if p.token == main.token), least)
            if not all(least) or _large_enough(wish, *least):
                break
            result = onvif_set_picture.set_stream(device, main.token, Stream(width=larger[0], height=larger[1]))
        return [self.enter("stream", result)]

    def text(self, device: onvif.Camera) -> list[Step]:
        site, room = self.config.site, self.config.room(self.camera.room)
        said = self.config.profile.camera.text.format(region=site.region, site=site.code, room=room.code)
        words = " ".join(said.split())
        return [self.enter("text", onvif_set_picture.set_text(device, words))] if words else []

    def goto(self, device: onvif.Camera, preset: str) -> list[Step]:
        return [self.enter("view", onvif_set_move.goto_preset(device, preset))]

    def preset(self, device: onvif.Camera, name: str) -> list[Step]:
        return [self.enter("preset", onvif_set_move.set_preset(device, name))]

    def imaging(self, device: onvif.Camera, settings: Mapping[str, str]) -> list[Step]:
        source = next((one.source for one in device.profiles() if one.source), "")
        return [self.enter("imaging", onvif_set_picture.set_imaging(device, source, settings))]

    def card(self, device: onvif.Camera, job: str, on: bool) -> list[Step]:
        return [self.enter("card", onvif_set_card.set_job(device, job, active=on))]

    def user(self, device: onvif.Camera, name: str, password: str, level: str) -> list[Step]:
        return [self.enter("user", onvif_set.create_user(device, name, password, level))]

    def no_user(self, device: onvif.Camera, name: str) -> list[Step]:
        """Take an account out of the camera; never the one the box signs in with."""
        if name == self.camera.user:
            raise ApplianceError(OWN_USER, user=name)
        return [self.enter("user", onvif_set.delete_user(device, name))]

    def reboot(self, device: onvif.Camera) -> list[Step]:
        result = onvif_set.reboot(device)
        if result.ok:
            self._journal("camera.rebooted", after=result.found)
        else:
            self._journal("camera.unrebooted", note=told(result.note).as_json())
        return [Step("reboot", result.ok, result.wanted, result.before, result.found, result.note)]

    def own_password(self, device: onvif.Camera, password: str = "") -> list[Step]:
        """Another password, by default one made for it: sealed beside the old one, set, proven; then the old is gone.

        A kill or a cut network between any two of these leaves both, and `decide` finds out which one counts.
        """
        password = password or sealed.new_password()
        taken.seal_next(self.db, self.config, self.camera, password)
        try:
            result = onvif_set.set_password(device, password)
        except CameraError as error:
            if error.reason not in GONE:  # refused before anything was changed; else nobody knows, and both stay
                with store.transaction(self.db):
                    taken.settle(self.db, self.camera.id, new_counts=False)
            raise
        with store.transaction(self.db):
            taken.settle(self.db, self.camera.id, new_counts=result.ok)
            _enter_password(self.db, self.clock, self.who, self.camera, result.ok, result.note)
        return [Step("password", result.ok, note=result.note)]

    def typed(self, password: str, user: str) -> None:
        """A password a person typed, which has just let us in."""
        with store.transaction(self.db):
            taken.keep_password(self.db, self.config, self.camera, password, user)
            journal.append(self.db, self.clock, "camera.unlocked", self.who, camera=self.camera.id,
                           room=self.camera.room, user=user)  # fmt: skip


def decide(db: Database, config: Config, clock: Clock, camera: Camera) -> bool:
    """Find out which of two passwords a camera takes, each tried once; False when it takes neither."""
    both = taken.candidates(db, config, camera.id)
    if both is None or camera.onvif is None:
        return True
    for password in both:
        try:
            with closing(onvif.Camera(camera.onvif, camera.user, password, timeout_s=TIMEOUT_S)) as device:
                device.facts()
        except CameraError as error:
            if not error.permanent:
                return True  # it does not answer now, and is asked again
        else:
            with store.transaction(db):
                taken.settle(db, camera.id, new_counts=password == both[0])
                _enter_password(db, clock, KEEPER, camera, password == both[0], "The old one lets us in.")
            return True
    log.error("camera %s takes neither its old nor its new password", camera.id)
    return False


def _enter_password(db: Database, clock: Clock, who: Actor, camera: Camera, ok: bool, note: str) -> None:
    kind = "camera.password" if ok else "camera.unpassword"
    why: dict[str, Any] = {} if ok else {"note": told(note).as_json()}
    journal.append(db, clock, kind, who, camera=camera.id, room=camera.room, user=camera.user, **why)


def _wish(wish: CameraSetting, main: StreamProfile) -> Stream:
    large = _large_enough(wish, main.width, main.height)
    return Stream(
        wish.codec, 0 if large else wish.width_least, 0 if large else wish.height_least, wish.fps,
        max(1, round(wish.fps * wish.gop_s)), round(wish.mbit_s * 1000),
    )  # fmt: skip


def _large_enough(wish: CameraSetting, width: int, height: int) -> bool:
    return width >= wish.width_least and height >= wish.height_least


def _own_address(camera_url: str) -> str:
    """The box's address as this camera sees it: the one the way to it begins at."""
    host = urlsplit(camera_url).hostname or ""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as way:
        way.connect((host, 123))  # sends nothing
        return str(ipaddress.ip_address(way.getsockname()[0]))
