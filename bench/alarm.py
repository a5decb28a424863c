"""Alarm: from the panel's byte on the line to the page that shows it, against the sum of the parts.

A real watch service on a pseudo-terminal, the real web service, and a reader that holds the event stream and
A real watch service on a pseudo-terminal, the real web service, and a reader that holds the event stream and
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
from demo.panel import VirtualPanel
from tests.fakes.days import free_port

SITE = """
profile = "ru-ege.toml"
[site]
code = "0000"
name = {{ ru = "Стенд", en = "Bench" }}
timezone = "UTC"
[storage]
data = "data"
video = "video"
[web]
port = {port}
[[panel]]
id = "bench"
name = {{ ru = "Панель", en = "Panel" }}
kind = "surgard"
port = "panel"
"""


class Reader:
    """A person at the alarm page, as far as the box can tell."""

    def __init__(self, base: str, password: str) -> None:
        self.base, self.session = base, requests.Session()
        form = self.session.get(f"{base}/signin", timeout=10).text
        token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', form)
        fields = {"login": "guard", "password": password, "csrf_token": token.group(1) if token else ""}
        answer = self.session.post(f"{base}/signin", data=fields, headers={"Referer": base}, timeout=10)
        if "/signin" in answer.url:
            raise SystemExit(f"the reader could not sign in: {answer.status_code} {answer.url}")
        self.told = threading.Event()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        with self.session.get(f"{self.base}/live", stream=True, timeout=60) as stream:
            for line in stream.iter_lines():
                if b"alarms" in line:
                    self.told.set()

    def page(self) -> str:
        return self.session.get(f"{self.base}/alarms?fragment=1", timeout=10).text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--alarms", type=int, default=60)
    chosen = parser.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory() as name:
        root, port = Path(name), free_port()
        shutil.copy(Path(__file__).parent.parent / "examples" / "ru-ege.toml", root)
        (root / "site.toml").write_text(SITE.format(port=port), encoding="utf-8")
        panel = VirtualPanel(root / "panel", heartbeat_s=5).start()
        password = secrets.token_urlsafe(16)
        services = start(root / "site.toml", password)
        try:
            measure(Reader(f"http://127.0.0.1:{port}", password), panel, root, chosen.alarms)
        finally:
            for service in services:
                service.terminate()
            for service in services:
                service.wait(20)
            panel.stop()


def start(site: Path, password: str) -> list[subprocess.Popen[bytes]]:
    config, clock = configuration.load(site), SystemClock()
    initialise(config)
    db = store.open(config.database)
    accounts.add(db, config, clock, Actor.service("bench"), "guard", "Guard", Role.SECURITY, "en", password)
    argv = [sys.executable, "-m"]
    services = [
        subprocess.Popen([*argv, "appliance", "run", "watch", "--config", str(site)]),
        subprocess.Popen([*argv, "web", "--config", str(site)]),
    ]
    until = time.monotonic() + 30
    while {beat.service for beat in health.heartbeats(db)} < {"watch", "web"}:
        if time.monotonic() > until:
            raise SystemExit("the services did not start")
        time.sleep(0.1)
    return services


def measure(reader: Reader, panel: VirtualPanel, root: Path, count: int) -> None:
    time.sleep(2)
    to_ack, to_stream, to_page = [], [], []
    for number in range(count):
        time.sleep(0.35)
        reader.told.clear()
        zone = f"{number + 1:03}"
        began = time.perf_counter()
        acknowledged = panel.send("intrusion", zone)
        acknowledged.wait(10)
        to_ack.append(time.perf_counter() - began)
        reader.told.wait(10)
        to_stream.append(time.perf_counter() - began)
        while f"zone {zone}" not in reader.page().replace("\u00a0", " "):
            if time.perf_counter() - began > 10:
                raise SystemExit(f"zone {zone} never came to the page")
        to_page.append(time.perf_counter() - began)
    commit_s = durable_commit_s(root)
    for name, values in (("acknowledged", to_ack), ("page told", to_stream), ("on the page", to_page)):
        ordered = sorted(values)
        print(
            f"{name:<13} median {statistics.median(ordered) * 1000:5.0f} ms   "
            f"p99 {ordered[int(len(ordered) * 0.99)] * 1000:5.0f} ms   worst {ordered[-1] * 1000:5.0f} ms"
        )
    parts_s = commit_s + 0.05 + 0.01
    print(
        f"the parts: commit {commit_s * 1000:.1f} ms + half the stream's look 50 ms + half the panel's turn 10 ms; "
        f"ratio of the median on the page to their sum {statistics.median(to_page) / parts_s:.1f}"
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
