"""What happens to the box itself, entered by itself: USB, network cables, mains, another program; and the door through
which cameras' own events come in.

The last thing seen is kept in table box_fact and changes in the same transaction as the entry it makes: what happened
while nobody looked is entered at the next look, once, however often the keeper is killed in between.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from appliance import journal, store
from appliance.clock import Clock, iso, parse
from appliance.config import Config
from appliance.model import N_, Actor, message
from appliance.store import Database
from drivers import host_parts, ups
from drivers.host_parts import NetPort, UsbDevice
from drivers.types import DriverError

log = logging.getLogger(__name__)

LOOK_S = 2.0
FRESH_S = 0.5
AGAIN_AFTER_S = 30.0  # after a fault of ours, or a full disk
SETTLE_S = 60.0  # after boot: what has not shown itself yet is not called gone
FLAP_COUNT, FLAP_WITHIN_S, STEADY_S = 5, 600.0, 60.0  # more losses than this: only its state is entered, once steady
UNNUMBERED = -1  # a device of the boot before: being found again under a new number is no news

# What a device can do, the most telling first.
USES = {
    "storage": N_("storage"), "input": N_("keyboard, mouse or reader"), "wireless": N_("radio"),
    "serial": N_("serial adapter"), "camera": N_("camera"), "printer": N_("printer"), "smartcard": N_("card reader"),
    "sound": N_("sound"), "dock": N_("dock"), "hub": N_("hub"), "other": N_("other device"),
}  # fmt: skip

# What a camera tells, or what is found at it: kinds that `camera_event` takes.
CAMERA_KINDS = ("camera.replaced", "camera.restarted", "camera.changed", "camera.entered")


@dataclass(frozen=True, slots=True)
class Fact:
    """What was last seen of a subject, and in which boot."""

    value: Any
    boot: str
    seen_at: str


def known(db: Database, subject: str) -> Fact | None:
    """What was last seen; None when nobody ever looked."""
    row = db.row("select value, boot, seen_at from box_fact where subject = ?", (subject,))
    return None if row is None else Fact(json.loads(row["value"]), row["boot"], row["seen_at"])


def remember(db: Database, clock: Clock, subject: str, value: Any) -> None:
    """What is seen now, inside the caller's transaction, beside the entries about it."""
    db.write(
        "insert into box_fact (subject, value, boot, seen_at) values (:s, :v, :b, :n)"
        " on conflict (subject) do update set value = :v, boot = :b, seen_at = :n",
        {"s": subject, "v": json.dumps(value, ensure_ascii=False), "b": clock.boot(), "n": iso(clock.now())},
    )


def start(config: Config, clock: Clock, stop: threading.Event, root: Path = host_parts.ROOT) -> threading.Thread:
    """Watch the box in a thread of its own: a UPS that does not answer must hold nobody up."""
    thread = threading.Thread(target=_watch, args=(config, clock, stop, root), name="box-events", daemon=True)
    thread.start()
    return thread


def _watch(config: Config, clock: Clock, stop: threading.Event, root: Path) -> None:
    pause_s = 0.0
    with closing(store.open(config.database)) as db:
        while not stop.wait(pause_s):
            try:
                look(db, config, clock, root, stop.wait)
                pause_s = LOOK_S
            except Exception:  # the loop's one place to decide: it is said, and tried again
                log.exception("the box could not be looked at")
                pause_s = AGAIN_AFTER_S


def look(
    db: Database, config: Config, clock: Clock, root: Path = host_parts.ROOT,
    pause: Callable[[float], object] | None = None,
) -> None:  # fmt: skip
    """One look at everything. Each subject has a transaction of its own, and only when it changed.

    With `pause` a device that has just come is given a moment: the kernel shows what it can do after the device itself.
    """
    devices, last = host_parts.usb(root), known(db, "usb")
    if pause is not None and last is not None and devices.keys() - last.value.keys():
        pause(FRESH_S)
        devices |= host_parts.usb(root)
    _look_usb(db, clock, devices)
    _look_network(db, clock, host_parts.network(root))
    _look_power(db, config, clock, host_parts.supplies(root).mains)
    _look_program(db, clock, host_parts.version())


def _enter(db: Database, clock: Clock, kind: str, *, refs: tuple[int, ...] = (), **data: Any) -> int:
    return journal.append(db, clock, kind, Actor.service("keeper"), refs=refs, **data)


def _look_usb(db: Database, clock: Clock, now: Mapping[str, UsbDevice]) -> None:
    last = known(db, "usb")
    before = {} if last is None else {port: UsbDevice(**{**said, "classes": tuple(said["classes"])})
                                      for port, said in last.value.items()}  # fmt: skip
    if last is not None and last.boot != clock.boot():
        before = {port: replace(device, number=UNNUMBERED) for port, device in before.items()}
    gone = {port: device for port, device in before.items() if port not in now or not _same(device, now[port])}
    late = {} if clock.mono_s() >= SETTLE_S else {port: device for port, device in gone.items() if port not in now}
    fresh = {port: device for port, device in now.items() if port not in before or port in gone}
    seen = {port: asdict(device) for port, device in {**late, **now}.items()}
    if last is not None and json.loads(json.dumps(seen)) == last.value and last.boot == clock.boot():
        return
    with store.transaction(db):
        remember(db, clock, "usb", seen)
        if last is not None:
            for device in (device for port, device in gone.items() if port not in late):
                _enter(db, clock, "usb.unplugged", **_of(device))
            for device in fresh.values():
                _enter(db, clock, "usb.plugged", **_of(device))


def _same(before: UsbDevice, now: UsbDevice) -> bool:
    """The same device that was never out: pulled and put back within one look, it has another number.

    Within one boot the number decides: what a device tells of itself may come a moment after it showed itself.
    """
    if (before.vendor, before.product) != (now.vendor, now.product):
        return False
    return before.number == now.number or (before.number == UNNUMBERED and before.serial == now.serial)


def _of(device: UsbDevice) -> dict[str, Any]:
    use = next(use for use in USES if use in device.classes or use == "other")
    return {"port": device.port, "vendor": device.vendor, "product": device.product, "serial": device.serial,
            "device": device.name or f"{device.vendor}:{device.product}", "what": message(USES[use]).as_json(),
            "classes": list(device.classes)}  # fmt: skip


def _look_network(db: Database, clock: Clock, now: Mapping[str, NetPort]) -> None:
    last = known(db, "network")
    before: dict[str, dict[str, Any]] = {} if last is None else last.value
    same_boot = last is not None and last.boot == clock.boot()
    seen: dict[str, dict[str, Any]] = {}
    news: list[tuple[str, str]] = []
    for name in sorted({*before, *now}):
        seen[name], kinds = _cable(before.get(name), now.get(name), clock.mono_s(), same_boot=same_boot)
        news += [(name, kind) for kind in kinds]
    if seen == before and same_boot:
        return
    with store.transaction(db):
        for name, kind in news:
            port = seen[name]
            about: dict[str, Any] = {"port": name, "address": port["address"], "times": max(1, before[name]["unsaid"])}
            if kind == "network.lost":
                port |= {"lost_at": iso(clock.now()), "entry": _enter(db, clock, kind, **about)}
            else:
                _enter(db, clock, kind, refs=_refs(port), **about, lost_ms=_since_ms(clock, port["lost_at"]))
                port |= {"lost_at": None, "entry": None}
        remember(db, clock, "network", seen)


def _cable(
    old: dict[str, Any] | None, now: NetPort | None, mono_s: float, *, same_boot: bool
) -> tuple[dict[str, Any], list[str]]:
    """One socket's new state, and the entries it makes. A socket seen for the first time makes none.

    A cable that is lost again and again is not entered each time: when it has been steady for a while, its state is,
    with how often it was lost meanwhile.
    """
    carrier = now is not None and now.carrier
    if old is None:
        assert now is not None  # noqa: S101 - it is in one of the two
        start: dict[str, Any] = {"lost_at": None, "entry": None, "losses_s": [], "unsaid": 0, "changed_s": 0.0}
        return {"address": now.address, "carrier": carrier, "downs": now.downs, **start}, []
    if old["carrier"] and not carrier and mono_s < SETTLE_S:
        carrier = True  # give it time to come up
    downs = now.downs if now is not None else old["downs"]
    fell = old["carrier"] and (not carrier or (same_boot and downs > old["downs"]))
    rose = carrier and (not old["carrier"] or fell)
    state = {**old, "address": now.address if now else old["address"], "carrier": carrier, "downs": downs}
    if fell or rose or not same_boot:
        recent = [at_s for at_s in old["losses_s"] if same_boot and mono_s - at_s < FLAP_WITHIN_S]
        state |= {"changed_s": mono_s, "losses_s": [*recent, mono_s] if fell else recent}
    if old["unsaid"] or len(state["losses_s"]) > FLAP_COUNT:
        state["unsaid"] = old["unsaid"] + int(fell)
        if fell or rose or mono_s - state["changed_s"] < STEADY_S:
            return state, []
        return {**state, "unsaid": 0, "losses_s": []}, ["network.back" if carrier else "network.lost"]
    return state, ["network.lost"] * fell + ["network.back"] * rose


def _refs(held: Mapping[str, Any]) -> tuple[int, ...]:
    return (int(held["entry"]),) if held.get("entry") else ()


def _since_ms(clock: Clock, at: str | None) -> int | None:
    """None when it is not known, or the clock was set back since."""
    span_ms = -1 if at is None else round((clock.now() - parse(at)) / timedelta(milliseconds=1))
    return span_ms if span_ms >= 0 else None


def _look_power(db: Database, config: Config, clock: Clock, kernel: bool | None) -> None:
    """Mains is lost when either the kernel or the UPS says so; who says nothing changes nothing."""
    last = known(db, "power")
    held: dict[str, Any] = {"mains": True, "low": False, "silent_at": None, **({} if last is None else last.value)}
    facts, fault = _ask_ups(config)
    told = [mains for mains in (kernel, facts.mains if facts else None) if mains is not None]
    news = {**held, "mains": all(told) if told else held["mains"]}
    news["low"] = facts.low if facts else held["low"]
    if config.ups is not None:
        news["silent_at"] = (held["silent_at"] or iso(clock.now())) if fault else None
    if news == held and last is not None:
        return
    with store.transaction(db):
        _enter_power(db, clock, held, news, facts, fault)
        remember(db, clock, "power", news)


def _ask_ups(config: Config) -> tuple[ups.UpsFacts | None, str]:
    if config.ups is None:
        return None, ""
    try:
        return ups.ask(config.ups.name, config.ups.host, config.ups.port), ""
    except DriverError as fault:
        return None, str(fault)


def _enter_power(
    db: Database, clock: Clock, held: dict[str, Any], news: dict[str, Any], facts: ups.UpsFacts | None, fault: str
) -> None:
    """Enter what differs; a box that is found on its battery at the first look says so too."""
    left: dict[str, Any] = {"charge_percent": facts.charge_percent, "runtime_s": facts.runtime_s} if facts else {}
    if held["mains"] and not news["mains"]:
        entry = _enter(db, clock, "mains.lost", **left)
        news |= {"lost_at": iso(clock.now()), "entry": entry}
    elif news["mains"] and not held["mains"]:
        _enter(db, clock, "mains.back", refs=_refs(held), lost_ms=_since_ms(clock, held.get("lost_at")))
        news |= {"lost_at": None, "entry": None}
    if news["low"] and not held["low"]:
        _enter(db, clock, "ups.low", **left)
    if news["silent_at"] and not held["silent_at"]:
        _enter(db, clock, "ups.silent", cause=fault)
    elif held["silent_at"] and not news["silent_at"]:
        _enter(db, clock, "ups.heard", silent_ms=_since_ms(clock, held["silent_at"]))


def _look_program(db: Database, clock: Clock, version: str) -> None:
    last = known(db, "program")
    if not version or (last is not None and last.value == version):
        return
    with store.transaction(db):
        remember(db, clock, "program", version)
        if last is not None:
            _enter(db, clock, "program.updated", before=str(last.value), after=version)


def camera_event(
    db: Database, config: Config, clock: Clock, camera: str, kind: str, *, told: str = "", **data: Any
) -> int | None:
    """The one door for what a camera tells of itself, or what is found at it. Opens its own transaction.

    `told` names the event in the camera's own words (its time, its topic and value): the same one told again, as
    cameras do with each new subscription, is entered once and gives None.
    """
    if kind not in CAMERA_KINDS:
        raise ValueError(kind)
    subject = f"camera-told/{camera}/{kind}"
    with store.transaction(db):
        last = known(db, subject)
        if told and last is not None and last.value == told:
            return None
        if told:
            remember(db, clock, subject, told)
        return enter_camera(db, config, clock, camera, kind, **data)


def enter_camera(
    db: Database, config: Config, clock: Clock, camera: str, kind: str, *, refs: Iterable[int] = (), **data: Any
) -> int:
    """An entry about a camera, in its room, inside the caller's transaction."""
    room = next((one.room for one in config.cameras if one.id == camera), None)
    return journal.append(db, clock, kind, Actor.service("keeper"), room=room, camera=camera, refs=refs, **data)
