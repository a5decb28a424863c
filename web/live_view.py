"""One camera live, without encoding anything anew, and the wall of all cameras from still pictures.

The stream is the file that is being recorded (appliance/live_view.py). Streams have places of their own, beside those
of the event streams, and every one holds a thread: their number is the profile's. What the browser does not take in
time is not kept for it: it goes on with the newest.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

from flask import Blueprint, Response, abort, jsonify, request
from flask.typing import ResponseReturnValue

from appliance import cameras, coverage, live_view
from appliance.live_view import Stream
from appliance.model import N_, Message, message
from appliance.streams import folder_of
from web import context
from web.cameras import Plate, picture_age, picture_at, plates_of
from web.health import late_services
from web.rights import needs

STREAM_LIFE_S = 300.0  # then the page asks again on the same time line; no stream outlives its session for long
LOOK_S = 0.1  # how often the file is looked at: at most so much is added to the lag
QUIET_S = 6.0  # a stream without news for so long ends: the page asks what is the matter

views = Blueprint("live_view", __name__)


@views.get("/cameras/wall")
@needs("cameras.read")
def wall() -> ResponseReturnValue:
    kiosk = "kiosk" in request.args
    return context.page("camera_wall.html", plates=plates_of(context.database(), context.config()), wall=kiosk,
                        theme="dark" if kiosk else "auto")  # fmt: skip


@views.get("/cameras/<camera_id>/live")
@needs("cameras.read")
def watch(camera_id: str) -> ResponseReturnValue:
    return context.page("camera_live.html", plate=_plate(camera_id))


def _plate(camera_id: str) -> Plate:
    db, config = context.database(), context.config()
    if config.camera(camera_id) in config.aside:
        abort(404)  # it sends nothing any more
    return next(plate for plate in plates_of(db, config) if plate.camera.id == camera_id)


@views.get("/cameras/<camera_id>/live.json")
@needs("cameras.read")
def state(camera_id: str) -> ResponseReturnValue:
    """How it stands with a camera somebody watches, and the box's clock. Asking is wishing: it keeps a camera running.

    `now_s` is what the stream's `origin_s` counts from; `video` and `audio` are codecs, null while nothing comes;
    `still` says how old the still picture is.
    """
    house, config = context.house(), context.config()
    config.camera(camera_id)
    live_view.wish(context.database(), house.clock, camera_id)
    old, _short, still = picture_age(picture_at(config, camera_id), context.now())
    with closing(_stream(camera_id, origin_s=None)) as stream:
        header = stream.header if stream.begin() else None
    return jsonify(
        now_s=house.clock.mono_s(), video=header and header.video, audio=header and header.audio,
        second=live_view.newest(config, folder_of(camera_id, "second")) is not None,
        say=context.words().say(_why(camera_id)) if header is None else "",
        still=context.words().say(still) if still is not None else "", still_old=old,
    )  # fmt: skip


def _why(camera_id: str) -> Message:
    """Why there is no live picture yet, and what happens next."""
    db, config, now = context.database(), context.config(), context.now()
    found = cameras.states(db).get(camera_id)
    if found is not None and found.state in ("reconnecting", "refused", "stopped") and found.cause:
        return coverage.cause(found.cause)
    wishes = live_view.wishes(db, now)
    cause = next((wish.cause for wish in wishes if wish.camera == camera_id), None)
    if cause is not None:
        return coverage.cause(cause)
    if "recorder" in late_services(db):
        return message(N_("The recorder is not heard: no live picture. The still pictures go on."))
    idle = [wish.camera for wish in wishes if found is None or found.state == "idle"]
    if camera_id in idle[config.profile.live.cameras :]:
        return message(N_("As many cameras as may be are being watched. Close another live picture."))
    return message(N_("The camera is being started, it takes a few seconds."))


@views.get("/cameras/<camera_id>/live.mp4")
@needs("cameras.read")
def stream(camera_id: str) -> Response:
    """The live picture: `sound=1` with sound, `stream=second` the small one, `origin_s` to go on on a time line.

    503: all places are taken (`X-Live-Full`), or there is nothing to be seen yet.
    """
    house = context.house()
    context.config().camera(camera_id)
    if not house.watching.acquire(blocking=False):
        return Response("", 503, {"Retry-After": "5", "X-Live-Full": "1"})
    try:
        opened = _stream(camera_id, request.args.get("origin_s", type=float), sound="sound" in request.args)
        begun = opened.begin()
        if not begun:
            opened.close()
    except BaseException:
        house.watching.release()
        raise
    if not begun or opened.header is None:
        house.watching.release()
        return Response("", 503, {"Retry-After": "1"})
    response = Response(_Watched(house, opened), mimetype="video/mp4", direct_passthrough=True)
    codecs = [opened.header.video, *([opened.header.audio] if opened.header.audio and "sound" in request.args else [])]
    response.headers["X-Live-Type"] = f'video/mp4; codecs="{", ".join(codecs)}"'
    response.headers["X-Live-Origin"] = f"{opened.origin_s:.6f}"
    response.headers["X-Accel-Buffering"] = "no"
    return response


def _stream(camera_id: str, origin_s: float | None, *, sound: bool = False) -> Stream:
    folder = folder_of(camera_id, "second" if request.args.get("stream") == "second" else "main")
    return Stream(context.config(), context.house().clock, folder, sound=sound, origin_s=origin_s)


class _Watched:
    """The bytes of one live picture. A class, not a generator: `close` gives the place back even if none was read."""

    def __init__(self, house: context.House, stream: Stream) -> None:
        self._house, self._stream = house, stream
        self._ends_s = house.clock.mono_s() + STREAM_LIFE_S
        self._open = True

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        clock, quiet_since_s = self._house.clock, self._house.clock.mono_s()
        while not self._stream.over and clock.mono_s() < min(self._ends_s, quiet_since_s + QUIET_S):
            data = self._stream.read()
            if data:
                return data
            if self._house.stop.wait(LOOK_S):
                break
        self.close()
        raise StopIteration

    def close(self) -> None:
        if self._open:
            self._open = False
            self._stream.close()
            self._house.watching.release()
