"""Carries out what people ask of cameras (orders of the kind "camera"), each read back and entered in the journal.

Runs in the keeper, in threads of its own: checks and seals never wait for a camera. One act a camera at a time. What a
killed keeper had begun is done again where that is safe; else it is given up, and said.
"""

from __future__ import annotations

import logging
import threading
from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from appliance import (
    accounts,
    camera_looks,
    camera_search,
    camera_set,
    camera_take,
    camera_told,
    found,
    orders,
    picture_watch,
    store,
    taken,
)
from appliance.camera_set import Step
from appliance.camera_words import ACTS, KIND, ORDER, why
from appliance.clock import Clock
from appliance.config import Camera, Config
from appliance.model import N_, Actor, ApplianceError, Message, message
from appliance.orders import Order
from appliance.store import Database
from drivers import onvif
from drivers.onvif_reply import CameraError

log = logging.getLogger(__name__)

LOOK_S = 0.5  # how often the table is asked for a new order
AT_ONCE = 4
SETTLE_S = 60.0
TIMEOUT_S = 6.0
INTERRUPTED = N_("The box was interrupted in the midst of this. Look at the camera, then ask again.")
FAULT = N_("The program had a fault ({cause}). Ask again; if it repeats, call the administrator.")
NO_ONVIF = N_("This camera has no ONVIF address, only a stream: it cannot be asked for anything.")


def start(config: Config, clock: Clock, stop: threading.Event) -> threading.Thread:
    """Do what is ordered until `stop`, in a thread that waits for no camera."""
    thread = threading.Thread(target=_serve, args=(config, clock, stop), name="camera-acts", daemon=True)
    thread.start()
    return thread


def _serve(config: Config, clock: Clock, stop: threading.Event) -> None:
    free, desk = threading.BoundedSemaphore(AT_ONCE), Desk(config, clock)
    with closing(store.open(config.database)) as db:
        recover(db, clock)
        next_s = clock.mono_s()
        while not stop.wait(LOOK_S):
            if clock.mono_s() >= next_s and not desk.running:
                next_s = clock.mono_s() + SETTLE_S
                threading.Thread(target=desk.settle, name="camera-passwords", daemon=True).start()
                taken.forget_old(db, clock)
                found.forget_old(db, config.data, clock)
            while free.acquire(blocking=False):
                order = orders.claim(db, clock, KIND)
                if order is None:
                    free.release()
                    break
                desk.running.add(order.id)
                # A daemon: a camera that is slow holds nobody's end; the order is found claimed at the next start.
                threading.Thread(target=_do, args=(desk, order, free), name=f"camera-{order.id}", daemon=True).start()


def _do(desk: Desk, order: Order, free: threading.BoundedSemaphore) -> None:
    try:
        desk.carry_out(order)
    except Exception:  # the order stays claimed; the database was not to be had, for it is the only thing left to fail
        log.exception("order %d was not closed", order.id)
    finally:
        desk.running.discard(order.id)
        free.release()


def recover(db: Database, clock: Clock) -> None:
    """Orders a killed keeper had begun: those that may be done once more are put back, the others end."""
    for order in orders.recent(db, KIND, 200):
        if order.state == "claimed" and not ACTS[order.args["act"]].again:
            with store.transaction(db):
                orders.finish(db, clock, order.id, False, {"message": message(INTERRUPTED).as_json()})
    orders.release(db, KIND)


@dataclass(slots=True)
class Work:
    """One order being carried out: what its functions need."""

    db: Database
    config: Config
    clock: Clock
    who: Actor
    args: Mapping[str, Any]
    order: Order

    def tell(self, step: Message) -> None:
        """Where it is, for the page."""
        orders.progress(self.db, self.order.id, {"step": step.as_json()})


Done = Callable[[Work], tuple[bool, dict[str, Any]]]


@dataclass(slots=True)
class Desk:
    """Carries out orders. Safe for several threads: each opens its own database."""

    config: Config
    clock: Clock
    locks: defaultdict[str, threading.Lock] = field(default_factory=lambda: defaultdict(threading.Lock))
    running: set[int] = field(default_factory=set)  # orders; passwords are only decided about while there is none
    given_up: set[str] = field(default_factory=set)  # cameras that took neither password: a person has to come

    def carry_out(self, order: Order) -> dict[str, Any]:
        """Do it and close it; returns its result."""
        with closing(store.open(self.config.database)) as db:
            ok, result = self._tried(db, order)
            with store.transaction(db):
                orders.finish(db, self.clock, order.id, ok, result)
        return result

    def _tried(self, db: Database, order: Order) -> tuple[bool, dict[str, Any]]:
        config = taken.with_taken(db, self.config)
        work = Work(db, config, self.clock, _person(db, order.asked_by), order.args, order)
        try:
            with self.locks[str(order.args.get("camera") or order.args.get("found") or "")]:
                return DONE[order.args["act"]](work)
        except CameraError as error:
            log.info("order %d: %s", order.id, error)
            return False, {"message": why(error.reason, str(error)).as_json()}
        except ApplianceError as refused:
            return False, {"message": refused.message.as_json()}
        except Exception as fault:  # the loop's one place to decide: a fault of ours ends the order, not the keeper
            log.exception("order %d failed", order.id)
            return False, {"message": message(FAULT, cause=f"{type(fault).__name__}").as_json()}

    def settle(self) -> None:
        """Passwords that were being set when the keeper was killed: which one does each camera take?"""
        with closing(store.open(self.config.database)) as db:
            config = taken.with_taken(db, self.config)
            undecided = {row.id for row in taken.rows(db).values() if row.undecided} - self.given_up
            for camera in config.cameras:
                if camera.id in undecided:
                    with self.locks[camera.id]:
                        if not camera_set.decide(db, config, self.clock, camera):
                            self.given_up.add(camera.id)


def _person(db: Database, login: str) -> Actor:
    return Actor.person(accounts.get(db, login))


def _search(work: Work) -> tuple[bool, dict[str, Any]]:
    work.tell(message(N_("Asking every network of the box, a few seconds")))
    return True, {"found": camera_search.search(work.db, work.config, work.clock)}


def _look(work: Work) -> tuple[bool, dict[str, Any]]:
    """With a password: every found camera that asks for one, or the one at an address that was typed."""
    db, config, args = work.db, work.config, work.args
    if args.get("address"):
        those = [camera_search.by_address(db, config, work.clock, args["address"])]
    else:
        rows = taken.rows(db)
        those = [one for one in found.all_of(db) if one.state in ("asks", "refused") and
                 found.ours(one, config.cameras, rows) is None]  # fmt: skip
    password = camera_search.opened(config, ORDER, args.get("secret", ""))
    camera_search.look(config, work.clock, those, args.get("user", ""), password)
    return True, {"found": len(those)}


def _take(work: Work) -> tuple[bool, dict[str, Any]]:
    camera, steps = camera_take.take(work.db, work.config, work.clock, work.who, work.args, work.tell)
    return True, {"camera": camera, "steps": [step.as_json() for step in steps]}


def _at(change: Callable[[onvif.Camera, Camera, Work], list[Step]], *ours: str) -> Done:
    """An act at one camera: opened, looked at before and after, so that what we set passes for nobody else's."""

    def act(work: Work) -> tuple[bool, dict[str, Any]]:
        camera = work.config.camera(work.args["camera"])
        if camera.onvif is None:
            raise ApplianceError(NO_ONVIF)
        with closing(onvif.Camera(camera.onvif, camera.user, camera.password(), timeout_s=TIMEOUT_S)) as device:
            if ours:
                _note(work, camera, device)
            steps = change(device, camera, work)
            _note(work, camera, device, ours)
        return all(step.ok for step in steps), {"steps": [step.as_json() for step in steps]}

    return act


def _note(work: Work, camera: Camera, device: onvif.Camera, ours: tuple[str, ...] = ()) -> None:
    whole = device.whole()
    camera_looks.note(work.db, work.config, work.clock, camera.id, whole, ours=ours)
    camera_told.keep(work.db, work.clock, camera.id, whole)


def _set(work: Work, camera: Camera) -> camera_set.Book:
    return camera_set.Book(work.db, work.config, work.clock, work.who, camera)


def _approve(device: onvif.Camera, camera: Camera, work: Work) -> list[Step]:
    """What the camera sees now is its right view: the picture watch compares with it."""
    picture_watch.approve(work.db, work.clock, camera.id, accounts.get(work.db, work.order.asked_by), device.snapshot())
    return [Step("approved", True)]


def _user(device: onvif.Camera, camera: Camera, work: Work) -> list[Step]:
    """Another account in the camera, with the password a person typed for it."""
    password = camera_search.opened(work.config, ORDER, work.args["secret"])
    return _set(work, camera).user(device, work.args["user"], password, work.args["level"])


def _typed_password(work: Work) -> tuple[bool, dict[str, Any]]:
    """Somebody typed the password of a camera of the site: it is tried once, and kept when it lets us in."""
    camera = work.config.camera(work.args["camera"])
    if camera.onvif is None:
        raise ApplianceError(NO_ONVIF)
    user = str(work.args.get("user") or camera.user)
    password = camera_search.opened(work.config, ORDER, work.args.get("secret", ""))
    with closing(onvif.Camera(camera.onvif, user, password, timeout_s=TIMEOUT_S)) as device:
        device.facts()
    _set(work, camera).typed(password, user)
    return True, {}


DONE: Mapping[str, Done] = {
    "search": _search,
    "look": _look,
    "take": _take,
    "secret": _typed_password,
    "read": _at(lambda device, camera, work: []),
    "clock": _at(lambda device, camera, work: _set(work, camera).clock_right(device), "time."),
    "profile": _at(lambda device, camera, work: _set(work, camera).by_profile(device), "time.", "encoder.", "text."),
    "goto": _at(lambda device, camera, work: _set(work, camera).goto(device, work.args["preset"])),
    "preset": _at(lambda device, camera, work: _set(work, camera).preset(device, work.args["preset"]), "presets."),
    "imaging": _at(lambda device, camera, work: _set(work, camera).imaging(device, work.args["settings"]), "picture."),
    "approve": _at(lambda device, camera, work: _approve(device, camera, work)),
    "card": _at(lambda device, camera, work: _set(work, camera).card(device, work.args["job"], work.args["on"])),
    "user": _at(_user, "users."),
    "no_user": _at(lambda device, camera, work: _set(work, camera).no_user(device, work.args["user"]), "users."),
    "password": _at(lambda device, camera, work: _set(work, camera).own_password(device), "users."),
    "reboot": _at(lambda device, camera, work: _set(work, camera).reboot(device)),
}
