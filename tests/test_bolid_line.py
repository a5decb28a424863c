"""Bolid over a real line: pymodbus's own server plays the panel, `examsite panel listen` reads it."""

from __future__ import annotations

import asyncio
import json
import os
import select
import subprocess
import sys
import threading
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest
from pymodbus import FramerType
from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusSerialServer
from pymodbus.simulator import DataType, SimData, SimDevice

from tests.fakes.peers.bolid import EMPTY, record

ROOT = Path(__file__).parent.parent


def words(data: bytes) -> list[int]:
    return [int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2)]


class Panel:
    """A С2000-ПП of eight zones in pymodbus's server; it shifts its queue when an event is acknowledged."""

    def __init__(self) -> None:
        self.queue = [record(65535, 37, zone=7, partition=2), record(0, 187, zone=3, partition=1)]
        self.written: list[tuple[int, int]] = []
        self.states = [0x18BC] * 8
        self.states[6], self.states[2] = 0x2518, 0xBB18
        self.expanded = [code for both in self.states for code in (both >> 8, both & 0xFF, *[0] * 14)]
        self.table = [number for zone in range(1, 9) for number in (1, zone, 1 + zone // 5, 8 if zone == 8 else 1)]

    def device(self) -> SimDevice:
        def data(address: int, values: list[int]) -> SimData:
            return SimData(address, values=list(values), datatype=DataType.REGISTERS)

        holding = [
            data(40000, self.states), data(46152, [36, 301]), data(46160, [0, 0, 0, 0]), data(46176, [0] * 6),
            data(46264, words(self.queue[0])), data(46328, [0x1B30]),
        ]  # fmt: skip
        inputs = [data(0, self.table), data(4096, self.expanded)]
        empty = [SimData(0, values=[False] * 16, datatype=DataType.BITS)]
        return SimDevice(1, simdata=(empty, empty, holding, inputs), action=self._act)

    async def _act(
        self, function: int, start: int, address: int, count: int, registers: list[int], values: object
    ) -> ExcCodes | None:
        if function == 6 and isinstance(values, list):
            self.written.append((address, int(values[0])))
            if address == 46163 and self.queue and words(self.queue[0])[0] == values[0]:
                self.queue.pop(0)
                at = 46264 - start
                registers[at : at + 14] = words(self.queue[0] if self.queue else EMPTY)
        return None


class Wire:
    """Two pseudo-terminals joined back to back, as a cable joins two serial ports."""

    def __init__(self) -> None:
        pairs = [os.openpty(), os.openpty()]
        self.masters = [master for master, _ in pairs]
        self._slaves = [slave for _, slave in pairs]
        for end in (*self.masters, *self._slaves):
            tty.setraw(end)
        self.ends = [os.ttyname(slave) for slave in self._slaves]
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._carry)
        self._thread.start()

    def _carry(self) -> None:
        here, there = self.masters
        while not self._stop.is_set():
            for end in select.select(self.masters, [], [], 0.05)[0]:
                os.write(there if end == here else here, os.read(end, 4096))

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        for end in (*self.masters, *self._slaves):
            os.close(end)


@pytest.fixture
def line() -> Iterator[tuple[Panel, str]]:
    panel, wire = Panel(), Wire()
    loop = asyncio.new_event_loop()
    server: list[ModbusSerialServer] = []

    async def serve() -> None:
        server.append(ModbusSerialServer(panel.device(), framer=FramerType.RTU, port=wire.ends[0], baudrate=9600))
        await server[0].serve_forever(background=True)

    loop.run_until_complete(serve())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield panel, wire.ends[1]
    asyncio.run_coroutine_threadsafe(server[0].shutdown(), loop).result(5)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()
    wire.close()


def listen(port: str, *settings: str) -> list[dict[str, object]]:
    options = [word for setting in settings for word in ("--set", setting)]
    done = subprocess.run(
        [sys.executable, "-m", "appliance", "panel", "listen", "--kind", "bolid", "--port", port, "--json",
         "--seconds", "3", "--set", "zones=8", *options],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [json.loads(said) for said in done.stdout.splitlines()]


def test_another_makers_modbus_server_is_read_event_by_event(line: tuple[Panel, str]) -> None:
    panel, port = line
    said = listen(port)
    events = [(e["kind"], e["state"], e["zone"], e["partition"], e["panel_time"]) for e in said if "log" in e["flags"]]  # type: ignore[operator]
    assert events == [
        ("fire.alarm", "active", "7", "2", "2026-11-22T14:05:09"),
        ("comm.loss", "active", "3", "1", "2026-11-22T14:05:09"),
    ]
    assert [e["value"] for e in said if e["text"] == "Measured value"] == [27.1875]
    assert panel.written == [(46163, 65535), (46163, 0), (46181, 8)]
    assert panel.queue == []
    active = [e for e in said if e["state"] == "active"]
    assert len(active) == 2  # what the events told, the states did not tell again


def test_in_shadow_the_queue_stays_as_it_is(line: tuple[Panel, str]) -> None:
    panel, port = line
    said = listen(port, "shadow=yes")
    assert {(e["kind"], e["zone"]) for e in said if e["state"] == "active"} == {("fire.alarm", "7"), ("comm.loss", "3")}
    assert panel.written == []
    assert len(panel.queue) == 2
