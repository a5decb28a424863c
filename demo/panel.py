"""A virtual fire and security panel on a pseudo-terminal that speaks the Sur-Gard receiver protocol.

It does what a receiver does: one frame at a time, repeated until it is acknowledged, three times and then again after
the next acknowledged heartbeat; a heartbeat when nothing else was said. The stable path is a symlink, as those in
/dev/serial/by-id are: a replug keeps the name and changes the device. As a process: `python -m demo.panel --help`.
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
import time
from collections import deque
from dataclasses import asdict, dataclass, field
from pathlib import Path

from demo.pseudo_terminal import PseudoTerminal, await_bytes

ACK, NAK, DC4 = 0x06, 0x15, b"\x14"
LOOK_S = 0.02  # how soon a command is acted on; bytes from us are heard at once
REPEATS = 3  # then the event waits for the next acknowledged heartbeat
HEARTBEAT = b"1011           @    "

# What the demo and the tests send by name: Contact ID qualifier and code.
EVENTS = {
    "fire": "E110", "fire-restored": "R110", "smoke": "E111", "smoke-restored": "R111", "panic": "E120",
    "duress": "E121", "intrusion": "E130", "intrusion-restored": "R130", "tamper": "E137", "tamper-restored": "R137",
    "mains-lost": "E301", "mains-back": "R301", "battery-low": "E302", "battery-ok": "R302", "disarm": "E401",
    "arm": "R401", "door-opened": "E426", "door-closed": "R426", "test": "E602",
}  # fmt: skip


@dataclass(slots=True)
class Counts:
    """What the panel has seen so far."""

    sent: int = 0  # frames, repeats included
    repeats: int = 0
    heartbeats: int = 0
    acks: int = 0
    naks: int = 0
    strange: int = 0  # bytes from us that are neither
    received: bytearray = field(default_factory=bytearray)


def event_frame(name: str, zone: str = "001", account: str = "1234", group: str = "01") -> bytes:
    """The Contact ID frame of an event in EVENTS, or of a qualifier and code such as E110, without its DC4."""
    return f"5011 18{account}{EVENTS.get(name, name)}{group}{zone:0>3}".encode()


class VirtualPanel:
    """The panel, on a thread of its own between `start` and `stop`. Safe to command from other threads: `_lock` guards
    everything the thread also touches, above all the line."""

    def __init__(self, link: Path, heartbeat_s: float = 30.0, repeat_s: float = 4.0) -> None:
        self.link = link
        self._line = PseudoTerminal(link)
        self.counts = Counts()
        self._heartbeat_s, self._repeat_s = heartbeat_s, repeat_s
        self._waiting: deque[tuple[bytes, threading.Event]] = deque()
        self._lock = threading.RLock()
        self._silent_until_mono_s = 0.0
        self._spoke_mono_s = float("-inf")
        self._tries = 0
        self._wanted: bytes | None = None  # the frame whose answer is awaited
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="virtual-panel", daemon=True)

    def start(self) -> VirtualPanel:
        self.replug()
        self._thread.start()
        return self

    def stop(self) -> None:
        self._ending.set()
        self._thread.join(5)
        self.unplug()

    def send(self, name: str, zone: str = "001", account: str = "1234", group: str = "01") -> threading.Event:
        """Queue an event by name or code; the answer is set once it is acknowledged."""
        return self.send_frame(event_frame(name, zone, account, group))

    def send_frame(self, frame: bytes) -> threading.Event:
        """Queue a frame (without DC4), whatever it is."""
        acknowledged = threading.Event()
        with self._lock:
            self._waiting.append((frame, acknowledged))
        return acknowledged

    def go_silent(self, seconds: float) -> None:
        """The line goes dead: nothing is said and nothing is heard; events wait."""
        with self._lock:
            self._silent_until_mono_s = time.monotonic() + seconds

    def unplug(self) -> None:
        """Pull the adapter: the name and the device are gone."""
        with self._lock:
            self._line.unplug()

    def replug(self) -> None:
        """Put the adapter back: the same name, another device."""
        with self._lock:
            self._line.plug()
            self._wanted = None

    def _run(self) -> None:
        while not self._ending.is_set():
            with self._lock:
                end = self._line.end
                silent = time.monotonic() < self._silent_until_mono_s
                self._hear(silent)
                if not silent:
                    self._speak()
            if end is None:
                self._ending.wait(LOOK_S)
            else:
                await_bytes(end, LOOK_S)

    def _hear(self, silent: bool) -> None:
        while data := self._line.hear():
            if not silent:
                self._answered(data)

    def _answered(self, data: bytes) -> None:
        self.counts.received += data
        for byte in data:
            if byte == ACK:
                self.counts.acks += 1
                self._acknowledged()
            elif byte == NAK:
                self.counts.naks += 1
                self._spoke_mono_s = float("-inf")  # at once again
            else:
                self.counts.strange += 1

    def _acknowledged(self) -> None:
        answered, self._wanted, self._tries = self._wanted, None, 0
        if self._waiting and answered == self._waiting[0][0]:
            self._waiting.popleft()[1].set()

    def _speak(self) -> None:
        quiet_s = time.monotonic() - self._spoke_mono_s
        if self._wanted is not None and quiet_s < self._repeat_s:
            return
        if self._waiting and self._tries <= REPEATS:
            self._tries += 1
            self.counts.repeats += self._tries > 1
            self._say(self._waiting[0][0])
        elif quiet_s >= self._heartbeat_s:
            self.counts.heartbeats += 1
            self._say(HEARTBEAT)

    def _say(self, frame: bytes) -> None:
        self._wanted, self._spoke_mono_s = frame, time.monotonic()
        self.counts.sent += 1
        self._line.say(frame + DC4)


def command(panel: VirtualPanel, words: list[str]) -> dict[str, object]:
    """One line of the control protocol; the answer is one JSON object."""
    verb, args = words[0], words[1:]
    if verb == "send" and args:
        panel.send(*args[:4])
    elif verb == "silent" and args:
        panel.go_silent(float(args[0]))
    elif verb == "unplug":
        panel.unplug()
    elif verb == "replug":
        panel.replug()
    elif verb != "stats":
        return {"ok": False, "error": f"unknown command {' '.join(words)!r}"}
    return {"ok": True, **asdict(panel.counts), "received": panel.counts.received.hex()}


def main() -> None:
    about = "Standard input: send NAME [ZONE [ACCOUNT [GROUP]]], silent SECONDS, unplug, replug, stats, quit."
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "", epilog=about)
    parser.add_argument("--link", type=Path, required=True, help="stable path that leads to the pseudo-terminal")
    parser.add_argument("--heartbeat", type=float, default=30.0, help="seconds between heartbeats")
    parser.add_argument("--repeat", type=float, default=4.0, help="seconds to wait for an acknowledgement")
    chosen = parser.parse_args()
    panel = VirtualPanel(chosen.link, chosen.heartbeat, chosen.repeat).start()
    print(json.dumps({"ok": True, "link": str(chosen.link)}), flush=True)
    try:
        for line in sys.stdin:  # ends with the parent, so no panel is left behind
            words = line.split()
            if words == ["quit"]:
                break
            if words:
                print(json.dumps(command(panel, words)), flush=True)
    finally:
        panel.stop()


if __name__ == "__main__":
    main()
