"""Board: from one guard's press to the page of the other, with more pages open, against the sum of the parts.

The real watch and web services, a virtual panel, two guards with a session each. The promise is one second.
"""

from __future__ import annotations

import argparse
import re
import secrets
import shutil
import statistics
import tempfile
import threading
import time
from pathlib import Path

from bench.alarm import SITE, Reader, durable_commit_s, start
from bench.machine import machine
from demo.panel import VirtualPanel
from tests.fakes.days import free_port

FORM = re.compile(
    r'action="(/alarms/\d+/acknowledge)".*?csrf_token" value="([^"]+)".*?name="version" value="(\d+)"', re.S
)
PROMISE_S = 1.0


class Guard(Reader):
    """A guard who can also press."""

    def press(self) -> bool:
        """Acknowledge whatever the board offers first; False when there is nothing."""
        form = FORM.search(self.session.get(f"{self.base}/alarms", timeout=10).text)
        if form is None:
            return False
        fields = {"csrf_token": form[2], "version": form[3]}
        self.pressed_at_s = time.perf_counter()
        answer = self.session.post(self.base + form[1], data=fields, headers={"Referer": self.base}, timeout=10,
                                   allow_redirects=False)  # fmt: skip
        return answer.status_code == 302


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--presses", type=int, default=40)
    parser.add_argument("--pages", type=int, default=8, help="further pages open at the same time")
    chosen = parser.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory() as name:
        root, port, password = Path(name), free_port(), secrets.token_urlsafe(16)
        shutil.copy(Path(__file__).parent.parent / "examples" / "ru-ege.toml", root)
        (root / "site.toml").write_text(SITE.format(port=port), encoding="utf-8")
        panel = VirtualPanel(root / "panel", heartbeat_s=5).start()
        services = start(root / "site.toml", password)
        try:
            base = f"http://127.0.0.1:{port}"
            pages = [Reader(base, password) for _ in range(chosen.pages)]
            measure(Guard(base, password), Reader(base, password), pages, panel, root, chosen.presses)
        finally:
            for service in services:
                service.terminate()
            for service in services:
                service.wait(20)
            panel.stop()


def measure(first: Guard, second: Reader, pages: list[Reader], panel: VirtualPanel, root: Path, count: int) -> None:
    stop = threading.Event()
    for page in pages:
        threading.Thread(target=_follow, args=(page, stop), daemon=True).start()
    time.sleep(2)
    seen: list[float] = []
    for number in range(count):
        zone = f"{number + 1:03}"
        panel.send("intrusion", zone).wait(10)
        while f"zone {zone}" not in _said(second):
            time.sleep(0.02)
        second.told.clear()
        if not first.press():
            raise SystemExit(f"zone {zone} could not be acknowledged")
        second.told.wait(10)
        while not re.search(rf"zone {zone}.*?Guard acknowledged", _said(second), re.S):
            if time.perf_counter() - first.pressed_at_s > 10:
                raise SystemExit(f"the other guard never saw zone {zone} acknowledged")
        seen.append(time.perf_counter() - first.pressed_at_s)
        panel.send("intrusion-restored", zone).wait(10)
    stop.set()
    ordered, commit_s = sorted(seen), durable_commit_s(root)
    print(f"the other guard sees it: median {statistics.median(ordered) * 1000:.0f} ms   "
          f"p99 {ordered[int(len(ordered) * 0.99)] * 1000:.0f} ms   worst {ordered[-1] * 1000:.0f} ms   "
          f"promised {PROMISE_S * 1000:.0f} ms, {len(pages) + 2} pages open")  # fmt: skip
    parts_s = commit_s + 0.05
    print(f"the parts: commit {commit_s * 1000:.1f} ms + half the stream's look 50 ms; "
          f"ratio of the median to their sum {statistics.median(seen) / parts_s:.1f}")  # fmt: skip


def _said(reader: Reader) -> str:
    return reader.page().replace("\u00a0", " ")


def _follow(page: Reader, stop: threading.Event) -> None:
    """An open page: fetches again what the stream tells it, as live.js does."""
    while not stop.is_set():
        if page.told.wait(3.0):
            page.told.clear()
        page.page()


if __name__ == "__main__":
    main()
