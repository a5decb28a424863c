"""Finds cameras: by a search on the network, by an address, and those of the site that have another address now.

Runs in the keeper. A password that somebody typed is shown to each camera once; what refused it waits for a person.
"""

from __future__ import annotations

import base64
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from urllib.parse import unquote

from appliance import found, sealed, store, taken
from appliance.clock import Clock
from appliance.config import Config
from appliance.found import Found, State
from appliance.snapshots import replace
from appliance.store import Database
from drivers import discovery, onvif
from drivers.onvif_reply import CameraError
from drivers.onvif_way import device_url
from drivers.types import CameraFacts, StreamProfile

log = logging.getLogger(__name__)

LISTEN_S = 4.0
TIMEOUT_S = 5.0
AT_ONCE = 8
STATES: dict[str, State] = {"refused": "refused", "silent": "silent", "unreachable": "silent", "foreign": "foreign"}


def search(db: Database, config: Config, clock: Clock) -> int:
    """Ask every network of the box; each that answers is then asked what it is. Returns how many answered."""
    found.forget_old(db, config.data, clock)
    answered = [one for one in discovery.discover(LISTEN_S, config.search_from or None) if one.xaddrs]
    seen = [found.seen(db, clock, one.endpoint, one.xaddrs[0], _name(one)) for one in answered]
    learn(db, config, answered)
    look(config, clock, [one for one in seen if one.state != "refused"])
    return len(seen)


def by_address(db: Database, config: Config, clock: Clock, address: str) -> Found:
    """A camera at an address somebody typed."""
    url = device_url(address)
    known = next((one for one in found.all_of(db) if found.same_place(one.url, url)), None)
    return known or found.seen(db, clock, url, url)


def look(config: Config, clock: Clock, those: Sequence[Found], user: str = "", password: str = "") -> None:
    """Ask these cameras, several at once, with the password typed; without one as far as they let anybody."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for done in [pool.submit(_look_at, config, clock, one, user, password) for one in those]:
            done.result()


def _look_at(config: Config, clock: Clock, one: Found, user: str, password: str) -> None:
    with closing(store.open(config.database)) as db:
        if not user and one.secret is not None:  # it has let us in before
            user, password = one.user, sealed.unseal(config.data, found.whose(one), one.secret)
        found.say(db, clock, one.number, "asking")
        state, told, picture = ask(one.url, user, password)
        if picture:
            path = found.picture_path(config.data, one.endpoint)
            path.parent.mkdir(parents=True, exist_ok=True)
            replace(path, picture)
        let_in = bool(user) and state in ("answers", "strange")
        secret = sealed.seal(config.data, found.whose(one), password) if let_in else None
        found.say(db, clock, one.number, state, told, user=user if let_in else "", secret=secret, picture=bool(picture))


def ask(url: str, user: str, password: str) -> tuple[State, dict[str, object] | None, bytes]:
    """How a camera answers, what it tells of itself, and its picture (b"" when it gives none)."""
    with closing(onvif.Camera(url, user, password, timeout_s=TIMEOUT_S)) as device:
        try:
            facts = device.facts()
        except CameraError as error:
            if error.reason == "refused" and not user:
                return "asks", None, b""
            return STATES.get(error.reason, "strange"), {"faults": [str(error)]}, b""
        try:
            picture = device.snapshot()
        except CameraError as error:
            picture = b""
            device.note(f"It gives no snapshot. {error}")
        faults = list(facts.faults) + [fault for fault in device.faults if fault not in facts.faults]
    return ("strange" if faults or not _streams(facts) else "answers"), _told(facts, faults), picture


def _told(facts: CameraFacts, faults: list[str]) -> dict[str, object]:
    main = _streams(facts)[:1]
    return {
        "maker": facts.manufacturer, "model": facts.model, "serial": facts.serial, "firmware": facts.firmware,
        "offset_s": facts.offset_s, "faults": faults, "sound": any(one.sound for one in facts.profiles),
        "stream": f"{main[0].codec} {main[0].width}×{main[0].height}" if main else "",
        "events": bool(facts.events), "presets": len(facts.presets), "card": bool(facts.recordings),
    }  # fmt: skip


def _streams(facts: CameraFacts) -> list[StreamProfile]:
    return [one for one in facts.profiles if one.stream_uri]


def learn(db: Database, config: Config, answered: Sequence[discovery.Found]) -> None:
    """What the site's own cameras call themselves: by that they are recognised should their address change."""
    rows = taken.rows(db)
    for camera in config.cameras:
        known = rows.get(camera.id)
        here = [one for one in answered if camera.onvif and any(found.same_place(x, camera.onvif) for x in one.xaddrs)]
        if here and not (known and known.identity.endpoint):
            with store.transaction(db):
                taken.identify(db, camera, taken.Identity(endpoint=here[0].endpoint))


def _name(one: discovery.Found) -> str:
    """The name a camera gives itself in its scopes."""
    return next((unquote(scope.rpartition("/name/")[2]) for scope in one.scopes if "/name/" in scope), "")[:100]


def opened(config: Config, whose: str, secret: str) -> str:
    """A password out of an order: sealed on a page, in base64."""
    return sealed.unseal(config.data, whose, base64.b64decode(secret)) if secret else ""
