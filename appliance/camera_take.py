"""Takes a found camera into the site: from then on it is recorded; then its own password, clock, stream and text.

A camera that cannot do all of this is taken in with what it can, and what it cannot is said.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from typing import Any

from appliance import camera_looks, camera_told, found, sealed, taken
from appliance.camera_set import Book, Step
from appliance.clock import Clock
from appliance.config import Config
from appliance.found import Found
from appliance.model import N_, Actor, ApplianceError, Message, message
from appliance.profile import Words
from appliance.store import Database
from drivers import onvif
from drivers.types import WholeCamera

TIMEOUT_S = 6.0
OURS = ("time.", "encoder.", "text.", "users.")  # what is set here is no change from elsewhere


def take(
    db: Database, config: Config, clock: Clock, who: Actor, args: Mapping[str, Any], tell: Callable[[Message], None]
) -> tuple[str, list[Step]]:
    """Carry the order out; again after a kill it goes on with the camera that is there. Raises CameraError."""
    one = found.get(db, int(args["found"]))
    if one is None:
        raise ApplianceError(N_("This camera was found too long ago. Search again."))
    password = sealed.unseal(config.data, found.whose(one), one.secret) if one.secret else ""
    known = found.ours(one, config.cameras, taken.rows(db))
    if known is not None:
        if known.room != args["room"] or _asked_before(db, known.id, args["at"]):
            raise ApplianceError(N_("This camera is the site's already: {name}."), name=known.name.model_dump())
        with closing(onvif.Camera(known.onvif or one.url, known.user, known.password(), timeout_s=TIMEOUT_S)) as device:
            return known.id, _furnish(db, config, clock, who, known.id, device, tell)
    tell(message(N_("Reading the camera")))
    with closing(onvif.Camera(one.url, one.user, password, timeout_s=TIMEOUT_S)) as device:
        whole = device.whole()
        name = Words(ru=args["name_ru"], en=args["name_en"])
        sound = any(profile.sound for profile in whole.facts.profiles)
        camera = taken.take(
            db, config, clock, who, name, args["room"], device.url, one.user, password, _identity(one, whole),
            sound=sound, maker=whole.facts.manufacturer, model=whole.facts.model,
        )  # fmt: skip
        now = taken.with_taken(db, config)
        camera_looks.note(db, now, clock, camera, whole)
        camera_told.keep(db, clock, camera, whole)
        return camera, _furnish(db, now, clock, who, camera, device, tell)


def _asked_before(db: Database, camera: str, at: str) -> bool:
    """Whether it was taken in by another order than this one, which was interrupted."""
    row = taken.rows(db).get(camera)
    return row is None or row.taken_at is None or row.taken_at < at


def _furnish(
    db: Database, config: Config, clock: Clock, who: Actor, camera_id: str, device: onvif.Camera,
    tell: Callable[[Message], None],
) -> list[Step]:  # fmt: skip
    """Everything a new camera gets. A camera that goes away in the midst stays taken in: CameraError says so."""
    camera, steps = config.camera(camera_id), []
    book = Book(db, config, clock, who, camera)
    if device.user:
        tell(message(N_("Giving it a password of its own")))
        steps += book.attempt("password", device, book.own_password)
    tell(message(N_("Setting clock, stream and text by the profile")))
    steps += book.by_profile(device)
    whole = device.whole()
    camera_looks.note(db, config, clock, camera_id, whole, ours=OURS)
    camera_told.keep(db, clock, camera_id, whole)
    return steps


def _identity(one: Found, whole: WholeCamera) -> taken.Identity:
    macs = [each.mac for each in whole.network.interfaces if each.mac.strip("0:")]
    endpoint = one.endpoint if not one.endpoint.startswith(("http://", "https://")) else ""
    return taken.Identity(endpoint, whole.facts.serial, macs[0] if macs else "")
