"""Each camera compared with itself: another device in its place, settings changed from elsewhere.

The keeper looks every `journal.camera_look_min`, and soon after a camera came back from a silence, because that is when
it may have been swapped. Never while its recording is about to begin, to end, or needs the camera's attention.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from appliance import box_events, differences, exams, journal, store, taken
from appliance.clock import Clock
from appliance.config import Camera, Config
from appliance.model import N_, ApplianceError, message
from appliance.store import Database
from drivers import onvif
from drivers.types import DriverError, WholeCamera

log = logging.getLogger(__name__)

TICK_S = 2.0
TIMEOUT_S = 6.0
NICENESS = 15
CLEAR_MIN = 5.0  # recording that begins or ends within this is left in peace
SETTLED_S = 10.0  # a camera that has just come back is busy with its stream
# What is told of a camera, or by it; every other `camera.*` is something we did at it.
TOLD = ("camera.silent", "camera.returned", "camera.readdressed", "camera.twins", "camera.refused", "camera.deaf",
        "camera.heard", "camera.settled",
        *box_events.CAMERA_KINDS)  # fmt: skip

Ask = Callable[[Camera, str], WholeCamera]


def read_whole(camera: Camera, password: str) -> WholeCamera:
    """Everything the camera tells of itself. Raises DriverError."""
    assert camera.onvif is not None  # noqa: S101 - only such cameras are looked at
    with closing(onvif.Camera(camera.onvif, camera.user, password, timeout_s=TIMEOUT_S)) as device:
        return device.whole()


def start(config: Config, clock: Clock, stop: threading.Event) -> threading.Thread:
    """Look at the cameras in a thread of its own, at low priority: a slow camera holds nobody up."""
    thread = threading.Thread(target=_run, args=(config, clock, stop), name="camera-looks", daemon=True)
    thread.start()
    return thread


def _run(config: Config, clock: Clock, stop: threading.Event) -> None:
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
    with closing(store.open(config.database)) as db:
        looks = Looks(db, config, clock, seen_to=journal.head(db)[0])
        while not stop.wait(TICK_S):
            try:
                looks.config = taken.with_taken(db, config)
                looks.tick()
            except Exception:  # the loop's one place to decide: it is said, and tried again
                log.exception("the cameras could not be looked at")
                stop.wait(30)


@dataclass(slots=True)
class Looks:
    """Which camera is looked at when. What was seen is in the database."""

    db: Database
    config: Config
    clock: Clock
    seen_to: int = 0
    ask: Ask = read_whole
    returned: set[str] = field(default_factory=set)
    next_s: dict[str, float] = field(default_factory=dict)  # monotonic time of the next look
    refused: dict[str, object] = field(default_factory=dict)  # the password file that was refused, as it was then

    def tick(self) -> str | None:
        """Look at one camera that is due; returns its name. One at a time: there is no hurry."""
        self._hear_of_returns()
        now_s = self.clock.mono_s()
        due = [camera for camera in self.config.cameras if camera.onvif and now_s >= self.next_s.get(camera.id, 0.0)]
        uneasy = self._uneasy() if due else set()
        for camera in due:
            if camera.id in self.returned or camera.id not in uneasy:
                self.returned.discard(camera.id)
                self.next_s[camera.id] = now_s + self.config.profile.journal.camera_look_min * 60
                self._look(camera)
                return camera.id
        return None

    def _hear_of_returns(self) -> None:
        """A camera that was away may be another one now, and that must not wait for the exam's end."""
        for entry in journal.entries(self.db, after=self.seen_to, kinds=["camera.returned"], limit=500):
            self.seen_to = entry.seq
            if entry.camera:
                self.returned.add(entry.camera)
                self.next_s[entry.camera] = self.clock.mono_s() + SETTLED_S

    def _uneasy(self) -> set[str]:
        """Cameras whose recording begins or ends soon, or just did; in the middle of one a look costs a few answers."""
        now, clear = self.clock.now(), timedelta(minutes=CLEAR_MIN)
        times = (now - clear, now, now + clear)
        before, at, after = (set(exams.required_now(self.db, self.config, when)) for when in times)
        return (before | at | after) - (before & at & after)

    def _look(self, camera: Camera) -> None:
        key = camera.password_state()
        if self.refused.get(camera.id, ...) == key:
            return  # most makes lock an account after a few wrong passwords
        try:
            whole = self.ask(camera, camera.password())
        except ApplianceError as fault:
            log.warning("%s", fault)
        except DriverError as fault:  # that it does not answer is the recorder's and the checks' to say
            if fault.permanent:
                self.refused[camera.id] = key
            log.info("camera %s could not be looked at: %s", camera.id, fault)
        else:
            note(self.db, self.config, self.clock, camera.id, whole)


def note(
    db: Database, config: Config, clock: Clock, camera: str, whole: WholeCamera, *, ours: Iterable[str] = ()
) -> list[int]:
    """Compare what a camera tells with what it told before; enter what differs; returns the entries.

    `ours`: beginnings of key paths that we have just set ourselves ("users.", "encoder.main."), which are no change
    from elsewhere. Whoever sets something looks once before and once after. Opens its own transaction.
    """
    now: dict[str, Any] = reading(whole)
    subject, entries = f"camera/{camera}", []
    with store.transaction(db):
        last = box_events.known(db, subject)
        if last is not None:
            now = _kept(last.value, now, whole)
            swapped = _swapped(last.value["identity"], now["identity"])
            found = differences.between(_flat(last.value), _flat(now))
            found = [one for one in found if not one["key"].startswith((*ours, "identity."))]
            if swapped is not None:
                entries.append(box_events.enter_camera(db, config, clock, camera, "camera.replaced", **swapped))
            elif found:
                acts = _own_acts(db, camera, int(last.value["seen_to"]))
                kind, told = "camera.settled" if acts else "camera.changed", differences.told(found)
                entries.append(box_events.enter_camera(db, config, clock, camera, kind, refs=acts, **told))
        box_events.remember(db, clock, subject, {**now, "seen_to": journal.head(db)[0]})
    return entries


def _own_acts(db: Database, camera: str, seen_to: int) -> list[int]:
    """Entries since the last look that say we did something at this camera: they tell what was set, and by whose word.

    What differs then is entered beside them and not called somebody else's.
    """
    found = db.rows("select seq, kind from journal where seq > ? and kind >= 'camera.' and kind < 'camera/'"
                    " and json_extract(row, '$.camera') = ? order by seq", (seen_to, camera))  # fmt: skip
    return [int(row["seq"]) for row in found if row["kind"] not in TOLD]


def _flat(value: Mapping[str, Any]) -> dict[str, Any]:
    sections = {section: found for section, found in value.items() if section != "seen_to"}
    return {f"{section}.{key}": one for section, found in sections.items() for key, one in found.items()}


def reading(whole: WholeCamera) -> dict[str, dict[str, Any]]:
    """The part of what a camera tells that only a person changes: section -> key path -> value. No passwords in it."""
    facts, clock, network = whole.facts, whole.clock, whole.network
    macs = sorted(one.mac.lower() for one in network.interfaces if one.mac)
    return {
        "identity": differences.flat({"serial": facts.serial, "mac": macs,
                                      "model": f"{facts.manufacturer} {facts.model}".strip()}),
        "firmware": differences.flat({"version": facts.firmware}) if facts.firmware else {},
        "encoder": differences.flat([
            {"token": p.token, "codec": p.codec, "width": p.width, "height": p.height, "fps": p.fps, "gop": p.gop,
             "bit_rate_kbps": p.bit_rate_kbps, "profile": p.codec_profile, "sound": p.sound} for p in facts.profiles]),
        "users": {user.name: user.level for user in whole.users},
        "time": differences.flat({"zone": clock.zone, "daylight": clock.daylight, "by_ntp": clock.by_ntp,
                                  "ntp": list(clock.ntp), "from_dhcp": clock.ntp_from_dhcp}) if clock.zone else {},
        "network": differences.flat({
            "interface": [{"token": one.token, "addresses": list(one.addresses), "dhcp": one.dhcp}
                          for one in network.interfaces],
            "gateways": list(network.gateways), "dns": list(network.dns), "hostname": network.hostname,
            "protocols": list(network.protocols)}) if network.interfaces else {},
        "picture": differences.flat([{"token": one.source, **dict(one.settings)} for one in whole.imaging]),
        "text": differences.flat([{"token": one.token, "kind": one.kind, "text": one.text, "position": one.position}
                                  for one in whole.osds]),
        "presets": {one.token: one.name for one in whole.presets},
        "relays": differences.flat([{"token": one.token, "mode": one.mode, "idle": one.idle} for one in whole.relays]),
    }  # fmt: skip


def _kept(before: Mapping[str, Any], now: dict[str, Any], whole: WholeCamera) -> dict[str, Any]:
    """What the camera failed to say this time is taken as it was: a faulty answer is no change of its settings."""
    if not whole.facts.faults:
        return now
    return {section: found or before.get(section, {}) for section, found in now.items()}


def _swapped(before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any] | None:
    """In what the device itself differs; None when it is the same one, or does not tell."""
    for key, what in (("serial", N_("serial number")), ("mac", N_("network address (MAC)")), ("model", N_("model"))):
        one, two = before.get(key), now.get(key)
        if one and two and one != two:
            return {"what": message(what).as_json(), "before": str(one), "after": str(two)}
    return None
