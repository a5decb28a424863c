"""Alarm: from the panel's byte on the line to the page that shows it, against the sum of the parts.

A real watch service on pseudo-terminals, the real web service, and a reader that holds the event stream and fetches the
alarm page when told, as the page's own script does; the other open pages do the same meanwhile. The parts: one durable
commit, half the stream's look, half the virtual panel's turn. Then all panels at once, for the sustained rate.
"""

from __future__ import annotations

import argparse
import re
import secrets
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import requests

from appliance import accounts, health, journal, store
from appliance import config as configuration
from appliance.clock import SystemClock
from appliance.commands.site import initialise
from appliance.model import Actor, Role
from bench.machine import machine
from bench.site import HEAD
from demo.panel import VirtualPanel
from tests.fakes.days import free_port
from web.feed import LOOK_S

SITE = HEAD + """
[web]
port = {port}
"""
PANEL = """
[[panel]]
id = "panel-{n}"
name = {{ ru = "Панель {n}", en = "Panel {n}" }}
kind = "surgard"
port = "panel-{n}"
"""
# A Sur-Gard frame of 22 characters at 9600 baud, 10 bits each: what a real line adds. A pseudo-terminal has no speed.
SERIAL_S = 22 * 10 / 9600
TURN_S = 0.02  # the virtual panel looks at its queue this often


class Reader:
    """A person at the alarm page, as far as the box can tell."""

    def __init__(self, base: str, cookies: requests.cookies.RequestsCookieJar) -> None:
        self.base, self.session = base, requests.Session()
        self.session.cookies.update(cookies)
        self.told = threading.Event()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        with self.session.get(f"{self.base}/live", stream=True, timeout=60) as stream:
            for line in stream.iter_lines():
                if b"alarms" in line:
                    self.told.set()

    def fetch_when_told(self, stop: threading.Event) -> None:
        """What the other open pages do meanwhile: fetch their part again at every change."""
        while not stop.is_set():
            if self.told.wait(0.2):
                self.told.clear()
                self.page()

    def page(self) -> str:
        return self.session.get(f"{self.base}/alarms?fragment=1", timeout=30).text


def sign_in(base: str, password: str) -> requests.cookies.RequestsCookieJar:
    session = requests.Session()
    form = session.get(f"{base}/signin", timeout=10).text
    token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', form)
    fields = {"login": "guard", "password": password, "csrf_token": token.group(1) if token else ""}
    answer = session.post(f"{base}/signin", data=fields, headers={"Referer": base}, timeout=10)
    if "/signin" in answer.url:
        raise SystemExit(f"the reader could not sign in: {answer.status_code} {answer.url}")
    return session.cookies


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--alarms", type=int, default=100)
    parser.add_argument("--panels", type=int, default=6)
    parser.add_argument("--pages", type=int, default=20)
    parser.add_argument("--burst", type=int, default=100, help="events a panel, for the sustained rate")
    chosen = parser.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory() as name:
        root, port = Path(name), free_port()
        shutil.copy(Path(__file__).parent.parent / "examples" / "ru-ege.toml", root)
        numbers = range(1, chosen.panels + 1)
        text = SITE.format(port=port) + "".join(PANEL.format(n=n) for n in numbers)
        (root / "site.toml").write_text(text, encoding="utf-8")
        panels = [VirtualPanel(root / f"panel-{n}", heartbeat_s=5).start() for n in numbers]
        password = secrets.token_urlsafe(16)
        services = start(root / "site.toml", password)
        try:
            base = f"http://127.0.0.1:{port}"
            cookies = sign_in(base, password)
            measure(base, cookies, panels, root, chosen.alarms, chosen.pages)
            sustained(panels, root, chosen.burst)
        finally:
            for service in services:
                service.terminate()
            for service in services:
                service.wait(20)
            for panel in panels:
                panel.stop()


def start(site: Path, password: str) -> list[subprocess.Popen[bytes]]:
    config, clock = configuration.load(site), SystemClock()
    initialise(config)
    db = store.open(config.database)
    accounts.add(db, config, clock, Actor.service("bench"), "guard", "Guard", Role.SECURITY, "en", password)
    argv = [sys.executable, "-m"]
    services = [
        subprocess.Popen([*argv, "appliance", "run", "watch", "--config", str(site)], stderr=subprocess.DEVNULL),
        subprocess.Popen([*argv, "web", "--config", str(site)]),
    ]
    until = time.monotonic() + 30
    while {beat.service for beat in health.heartbeats(db)} < {"watch", "web"}:
        if time.monotonic() > until:
            raise SystemExit("the services did not start")
        time.sleep(0.1)
    return services


def measure(
    base: str,
    cookies: requests.cookies.RequestsCookieJar,
    panels: list[VirtualPanel],
    root: Path,
    count: int,
    pages: int,
) -> None:
    reader, stop = Reader(base, cookies), threading.Event()
    others = [Reader(base, cookies) for _ in range(pages - 1)]
    for other in others:
        threading.Thread(target=other.fetch_when_told, args=(stop,), daemon=True).start()
    time.sleep(2)
    to_ack, to_stream, to_page = [], [], []
    for number in range(count):
        time.sleep(0.35)
        reader.told.clear()
        zone, panel = f"{number + 1:03}", panels[number % len(panels)]
        began = time.perf_counter()
        panel.send("intrusion", zone).wait(10)
        to_ack.append(time.perf_counter() - began)
        reader.told.wait(10)
        to_stream.append(time.perf_counter() - began)
        while f"zone {zone}" not in reader.page().replace("\u00a0", " "):
            if time.perf_counter() - began > 10:
                raise SystemExit(f"zone {zone} never came to the page")
        to_page.append(time.perf_counter() - began)
    stop.set()
    print(f"{len(panels)} panels, {pages} pages open, {count} alarms one after the other")
    for name, values in (("acknowledged", to_ack), ("page told", to_stream), ("on the page", to_page)):
        ordered = sorted(values)
        print(
            f"{name:<13} median {statistics.median(ordered) * 1000:5.0f} ms   "
            f"p99 {ordered[int(len(ordered) * 0.99)] * 1000:5.0f} ms   worst {ordered[-1] * 1000:5.0f} ms"
        )
    commit_s = durable_commit_s(root)
    parts_s = commit_s + LOOK_S / 2 + TURN_S / 2
    print(
        f"the parts: commit {commit_s * 1000:.1f} ms + half the stream's look {LOOK_S * 500:.0f} ms "
        f"+ half the panel's turn {TURN_S * 500:.0f} ms; "
        f"median on the page against their sum {statistics.median(to_page) / parts_s:.1f}; "
        f"a 9600 baud line would add {SERIAL_S * 1000:.0f} ms"
    )


def sustained(panels: list[VirtualPanel], root: Path, count: int) -> None:
    """All panels send at once, each its next event as soon as the one before is acknowledged."""
    last = [[panel.send("tamper", f"{number % 999 + 1:03}") for number in range(count)][-1] for panel in panels]
    began = time.perf_counter()
    for acknowledged in last:
        acknowledged.wait(300)
    rate = count * len(panels) / (time.perf_counter() - began)
    most = 1 / durable_commit_s(root)
    wire = len(panels) / (SERIAL_S + TURN_S / 2)
    print(
        f"sustained     {rate:5.0f} events/s from {len(panels)} panels; durable commits alone {most:.0f}/s, "
        f"ratio {rate / most:.2f}; {len(panels)} lines of 9600 baud carry at most {wire:.0f}/s"
    )


def durable_commit_s(root: Path) -> float:
    db, clock = store.open(root / "parts.db", create=True), SystemClock()
    began = time.perf_counter()
    for _ in range(100):
        with store.transaction(db):
            journal.append(db, clock, "alarm.raised", Actor.service("bench"))
    return (time.perf_counter() - began) / 100


if __name__ == "__main__":
    main()
