"""Every given vector of every driver through `examsite panel listen`, as an installer runs it, over a real line."""

from __future__ import annotations

import json
import os
import queue
import select
import signal
import subprocess
import sys
import threading
import time
import tty
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import pytest

from drivers.panels import kinds
from tests.fakes.panel_kinds import may_ever_send
from tests.fakes.panel_site import ROOT
from tests.test_surgard import VECTORS as SURGARD
from tests.vectors import bolid, contacts_modbus, dcon, espa, modbus_table, printer, satel
from tests.vectors.dcon import Vector
from tests.vectors.espa import Talk

PATIENCE_S = 60.0
AT_ONCE = 6
LISTEN = [sys.executable, "-m", "appliance", "panel", "listen", "--json"]
Piece = Mapping[str, Any]


def _surgard() -> list[Talk]:
    names = ("kind", "state", "zone", "partition", "user", "account")
    return [
        Talk(name, {}, [(text.encode() + b"\x14", b"\x06")], [dict(zip(names, wanted, strict=True))])
        for name, text, *wanted in SURGARD
    ]


GIVEN: Mapping[str, Iterable[Vector | Talk]] = {
    "bolid": bolid.VECTORS, "contacts-modbus": contacts_modbus.VECTORS, "dcon": dcon.VECTORS, "espa": espa.VECTORS,
    "printer": printer.VECTORS, "satel": satel.VECTORS, "surgard": _surgard(), "modbus-table": modbus_table.VECTORS,
}  # fmt: skip
NO_LINE = {"gpio"}  # the box's own pins; tests/test_gpio.py


class Heard(NamedTuple):
    """What became of one vector."""

    name: str
    said: list[Piece]
    sent: bytes
    unheard: bytes  # an answer the panel waited for and never got


class Line:
    """The panel's end of a pseudo-terminal, and the command at the other."""

    def __init__(self, kind: str, settings: Mapping[str, str]) -> None:
        self.master, self._slave = os.openpty()
        tty.setraw(self._slave)
        self.sent = b""
        given = [word for key, value in settings.items() if key != "profile" for word in ("--set", f"{key}={value}")]
        given += ["--profile", settings["profile"]] if "profile" in settings else []
        command = [*LISTEN, "--kind", kind, "--port", os.ttyname(self._slave), *given]
        self._process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.said: list[Piece] = []
        assert self._process.stderr is not None
        first = self._process.stderr.readline()
        assert first.startswith("Listening on "), first + self._process.stderr.read()
        for stream, keep in ((self._process.stdout, self._lines.put), (self._process.stderr, lambda _line: None)):
            threading.Thread(target=_drain, args=(stream, keep), daemon=True).start()

    def hear(self, timeout_s: float) -> bytes:
        """Bytes from the driver."""
        data = os.read(self.master, 4096) if select.select([self.master], [], [], timeout_s)[0] else b""
        self.sent += data
        return data

    def printed(self) -> list[Piece]:
        while not self._lines.empty():
            self.said.append(json.loads(self._lines.get()))
        return self.said

    def close(self) -> list[Piece]:
        self._process.send_signal(signal.SIGTERM)
        try:
            assert self._process.wait(20) == 0
        finally:
            self._process.kill()
            os.close(self.master)
            os.close(self._slave)
        time.sleep(0.05)  # what was printed last is on its way through the thread
        return self.printed()


def _drain(stream: Iterable[str], keep: Callable[[str], None]) -> None:
    for line in stream:
        keep(line)


def matched(said: list[Piece], wanted: list[dict[str, Any]]) -> bool:
    """Whether each wanted event was printed."""
    return all(any(expected.items() <= event.items() for event in said) for expected in wanted)


def answer(kind: str, vector: Vector) -> Heard:
    """A panel that is asked: it knows the vector's answers, says them each time, and is silent to all else."""
    line = Line(kind, vector.settings)
    ends_mono_s, asked, buffer = time.monotonic() + PATIENCE_S, set(), b""
    while time.monotonic() < ends_mono_s:
        buffer += line.hear(0.05)
        for question, reply in vector.answers.items():
            if buffer.endswith(question):
                asked.add(question)
                os.write(line.master, reply)
                buffer = b""
        if vector.answers.keys() <= asked and matched(line.printed(), vector.events):
            break
    line.hear(0.2)
    return Heard(vector.name, line.close(), line.sent, b"".join(vector.answers.keys() - asked))


def talk(kind: str, vector: Talk) -> Heard:
    """A panel that speaks first, and waits for the answer to each thing it says."""
    line = Line(kind, vector.settings)
    unheard = b""
    for says, expects in vector.says:
        os.write(line.master, says)
        got, ends_mono_s = b"", time.monotonic() + 10
        while expects not in got and time.monotonic() < ends_mono_s:
            got += line.hear(0.1)
        unheard += b"" if expects in got else expects
    ends_mono_s = time.monotonic() + 10
    while time.monotonic() < ends_mono_s and not matched(line.printed(), vector.events):
        line.hear(0.05)
    line.hear(0.2)
    return Heard(vector.name, line.close(), line.sent, unheard)


def test_every_driver_has_given_vectors() -> None:
    assert set(GIVEN) | NO_LINE == {kind.name for kind in kinds()}


@pytest.mark.parametrize("kind", GIVEN)
def test_every_given_vector_comes_out_of_panel_listen_as_its_note_says(kind: str) -> None:
    vectors = list(GIVEN[kind])
    with ThreadPoolExecutor(AT_ONCE) as together:
        running = [
            together.submit(answer, kind, vector) if isinstance(vector, Vector) else together.submit(talk, kind, vector)
            for vector in vectors
        ]
        heard = [task.result() for task in running]
    for vector, found in zip(vectors, heard, strict=True):
        assert matched(found.said, vector.events), (vector, found)
        assert found.unheard == b"", (vector, found)
        if isinstance(vector, Talk):
            assert len(found.said) == len(vector.events), (vector, found)
            assert not found.sent or may_ever_send(kind, found.sent) or found.sent.strip(b"\x061\x15\x04") == b""
