"""The demo: one whole exam day in minutes, on the real services, with a virtual site around them.

The conductor does what the world does (smoke, a silent camera, a door, a dead line) and what people do when nobody at
the page has done it yet. It never writes a result: what happened is read back from the journal and the database.
"""

from __future__ import annotations

import shutil
import socket
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.error import URLError
from urllib.request import urlopen

from appliance import config as configuration
from appliance import exams, health, journal, store
from appliance.clock import SystemClock
from appliance.commands.site import initialise
from appliance.config import Config
from appliance.model import N_, Actor, ApplianceError, Language
from demo import site
from demo.cameras_process import CamerasProcess
from demo.panel import VirtualPanel
from demo.people import Crew, Hands, sign_up
from demo.services import Services
from demo.site import RACK_ZONE, SILENT_CAMERA, SMOKE_ZONE, Folders
from demo.steps import Step, steps
from demo.teller import Teller
from drivers.discovery import discover

EXAM_MIN = 210  # of the uncompressed day
STARTUP_S, HAND_OVER_S = 14.0, 16.0  # of the demo's length, before the checks and after the last recording
SHORTEST_MIN = 1.5
SILENCE_S = 8.0
LINE_DEAD_S = 8.0


@dataclass(frozen=True, slots=True)
class Act:
    """Something the world or a person does, seconds after the exam's start."""

    at_s: float
    do: Callable[[], object]


class Day:
    """One demo day in one folder. `play` runs it to its end and returns the steps; services stay up until `close`."""

    def __init__(self, folders: Folders, port: int, minutes: float, language: Language, teller: Teller) -> None:
        if minutes < SHORTEST_MIN:
            raise ApplianceError(N_("The day cannot be shorter than {n} minutes."), n=SHORTEST_MIN)
        self.folders, self.port, self.language, self.teller = folders, port, language, teller
        self.clock = SystemClock()
        self.silenced_at: datetime | None = None
        self.steps = steps(lambda: self.silenced_at)
        self._length_s = minutes * 60 - STARTUP_S - HAND_OVER_S
        profile = site.common_profile()
        before_min = max(w.before_start_min for w in profile.recording.windows)
        after_min = max(w.after_end_min for w in profile.recording.windows)
        after_min += profile.hours.seal_after_last_window_min
        self.factor = (before_min + EXAM_MIN + after_min) * 60 / self._length_s
        self._open = ExitStack()
        self._seen = 0

    def prepare(self) -> Crew:
        """Make the folder, the virtual site and the accounts, and start the services. Raises ApplianceError."""
        _port_is_free(self.port)
        _empty(self.folders)
        say = self.teller.say
        say(N_("Starting six cameras and a panel"))
        self.cameras = CamerasProcess(site.camera_list(), self.folders.root / "cameras", zone=site.ZONE, discovery=True)
        self._open.callback(self.cameras.stop)
        addresses = self.cameras.start()
        site.write(self.folders, addresses, self.port, self.factor, self.language)
        self.panel = VirtualPanel(self.folders.panel_port, heartbeat_s=1.0, repeat_s=2.0).start()
        self._open.callback(self.panel.stop)
        self.config = configuration.load(self.folders.config)
        initialise(self.config)
        self.db = store.open(self.config.database)
        self._open.callback(self.db.close)
        crew = sign_up(self.db, self.config, self.clock, self.language)
        self.hands = Hands(self.db, self.config, self.clock, crew)
        self.services = Services(self.config, self.folders.log)
        self._open.callback(self.services.stop)
        self.services.start()
        say(N_("Found on the network: {n} cameras"), n=_found({address.onvif_url for address in addresses.values()}))
        self._wait(N_("The services did not start in {limit_s}; see {log}"), self._up, 40)
        return crew

    def plan(self) -> exams.Exam:
        """Put the exam on the plan: its checks are due in a few seconds."""
        hours = self.config.profile.hours
        lead_s = self.config.profile.recording.lead_s + 2
        starts_at = self.clock.now() + timedelta(seconds=lead_s, minutes=hours.checks_before_start_min)
        ends_at = starts_at + timedelta(minutes=EXAM_MIN / self.factor)
        title = "Русский язык" if self.language == "ru" else "Russian language"
        self.exam = exams.plan(
            self.db,
            self.config,
            self.clock,
            Actor.service("demo"),
            f"{starts_at:%Y-%m-%d}-demo",
            title,
            starts_at,
            ends_at,
        )
        return self.exam

    def play(self, stop: threading.Event) -> list[Step]:
        """Let the day run to its end. Raises ApplianceError when a step does not come."""
        acts = self._acts((self.exam.ends_at - self.exam.starts_at).total_seconds())
        while acts and not stop.wait(0.2):
            elapsed_s = (self.clock.now() - self.exam.starts_at).total_seconds()
            while acts and elapsed_s >= acts[0].at_s:
                acts.pop(0).do()
            self._follow()
        last = max(window.ends_at for window in exams.windows(self.config, self.exam))
        seal_s = self.config.profile.hours.seal_after_last_window_min * 60
        self._wait_step("sealed", last + timedelta(seconds=seal_s + 45), stop)
        order = self.hands.ask_export(self.exam.id)
        self.hands.agree_export(order)
        self._wait_step("exported", self.clock.now() + timedelta(seconds=90), stop)
        return self.steps

    def _acts(self, exam_s: float) -> list[Act]:
        panel, hands = self.panel, self.hands

        def part(share: float) -> float:
            return exam_s * share

        return [
            Act(part(0.06), lambda: panel.send("smoke", SMOKE_ZONE)),
            Act(part(0.14), hands.acknowledge_fire),
            Act(part(0.20), lambda: panel.send("smoke-restored", SMOKE_ZONE)),
            Act(part(0.28), self._silence),
            Act(part(0.46), lambda: panel.send("door-opened", RACK_ZONE)),
            Act(part(0.50), lambda: panel.send("door-closed", RACK_ZONE)),
            Act(part(0.56), hands.explain_door),
            Act(part(0.60), hands.accept_door),
            Act(part(0.64), lambda: panel.go_silent(LINE_DEAD_S)),
            # Once more, for an act that found nothing to do because a service was just coming back.
            Act(part(0.90), hands.acknowledge_fire),
            Act(part(0.92), hands.explain_door),
            Act(part(0.94), hands.accept_door),
        ]

    def _silence(self) -> None:
        self.silenced_at = self.clock.now()
        self.cameras.control(f"silence {SILENT_CAMERA} {SILENCE_S}")

    def _follow(self) -> None:
        """Read what is new in the journal and tell which steps it completes."""
        for entry in journal.entries(self.db, after=self._seen, limit=500):
            self._seen = entry.seq
            for step in self.steps:
                if step.look(entry):
                    self.teller.held(step, entry)
        self.services.check()
        self.teller.tick(self._heading())

    def _heading(self) -> tuple[str, datetime | None]:
        now = self.clock.now()
        coming = [(kind, at) for kind, at in exams.phases(self.config, self.exam) if at > now]
        return (exams.PHASES[coming[0][0]], coming[0][1]) if coming else (N_("Hand-over"), None)

    def _wait_step(self, name: str, until: datetime, stop: threading.Event) -> None:
        step = next(step for step in self.steps if step.name == name)
        while step.held_at is None and not stop.wait(0.2):
            self._follow()
            if self.clock.now() > until:
                raise ApplianceError(
                    N_("This step did not come: {step}. See {log}."), step=step.text, log=str(self.folders.log)
                )

    def _wait(self, text: str, condition: Callable[[], bool], limit_s: float) -> None:
        until_mono_s = time.monotonic() + limit_s
        while not condition():
            self.services.check()
            if time.monotonic() > until_mono_s:
                raise ApplianceError(text, limit_s=limit_s, log=str(self.folders.log))
            time.sleep(0.1)

    def _up(self) -> bool:
        beating = {beat.service for beat in health.heartbeats(self.db)}
        return beating >= set(health.SERVICES) and _answers(self.config)

    def close(self) -> None:
        """End the services and the virtual site, in this order."""
        self._open.close()


def _found(own: set[str]) -> int:
    """How many of our cameras answer WS-Discovery; another demo's may answer too. Datagrams get lost: three rounds."""
    heard: set[str] = set()
    for _ in range(3):
        heard.update(*(camera.xaddrs for camera in discover(1.5, ["127.0.0.1"])))
        if own <= heard:
            break
    return len(own & heard)


def _answers(config: Config) -> bool:
    try:
        with urlopen(f"http://{config.web.host}:{config.web.port}/signin", timeout=2) as page:
            return bool(page.status == 200)
    except (URLError, OSError):
        return False


def _port_is_free(port: int) -> None:
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind(("127.0.0.1", port))
        except OSError as taken:
            raise ApplianceError(
                N_("Port {port} is taken by another program. Choose another: --port N"), port=str(port)
            ) from taken


def _empty(folders: Folders) -> None:
    """Start from an empty folder; one that an earlier demo made is emptied, any other is left alone."""
    root = folders.root
    if root.exists() and any(root.iterdir()):
        if not (root / site.MARK).exists():
            raise ApplianceError(
                N_("{path} is not empty and not a demo's folder. Choose another: --data DIR"), path=str(root)
            )
        for path in sorted(root.rglob("*")):
            if path.is_dir() and not path.is_symlink():
                path.chmod(0o700)  # sealed recordings and their folders are read-only
        shutil.rmtree(root)
    root.mkdir(parents=True, exist_ok=True)
    (root / site.MARK).write_text("This folder belongs to examsite demo and is emptied when the demo starts again.\n")
