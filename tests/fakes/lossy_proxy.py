"""A bad network between a camera and its recorder: delay, jitter, lost packets, connections that are reset.

with LossyProxy(camera.port, Network(loss=0.05, delay_s=0.02, jitter_s=0.06)) as network:
    network.url(camera.url)

Over TCP a lost packet is what the kernel makes of it: everything behind it waits for the repetition (RFC 6298: 0.2 s on
Linux, twice that when the repetition is lost as well). Over UDP it is gone: `dropped` counts those of the picture. The
proxy takes part in SETUP, so that datagrams come through it as well.
"""

from __future__ import annotations

import contextlib
import heapq
import queue
import random
import re
import select
import socket
import struct
import threading
import time
from dataclasses import dataclass, field
from types import TracebackType

PACKET_BYTES = 1448  # of a TCP segment on Ethernet
REPEAT_S = 0.2
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: closing sends a reset


@dataclass(frozen=True, slots=True)
class Network:
    """How bad it is. `resets_after_s`: each connection that carries a stream is reset when it is so old."""

    loss: float = 0.0
    delay_s: float = 0.0
    jitter_s: float = 0.0
    resets_after_s: float = 0.0
    seed: int = 1


@dataclass(slots=True)
class LossyProxy:
    """Listens as long as the `with` lasts."""

    camera_port: int
    network: Network
    dropped: int = 0  # datagrams between the first and the last of the picture that came through
    resets: int = 0
    stalls: int = 0
    _listening: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))
    _over: threading.Event = field(default_factory=threading.Event)
    _chance: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self._chance = random.Random(self.network.seed)

    def url(self, url: str) -> str:
        """The camera's address, through here."""
        return url.replace(f":{self.camera_port}/", f":{self._listening.getsockname()[1]}/")

    def __enter__(self) -> LossyProxy:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def _accept(self) -> None:
        while not self._over.is_set():
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            camera = socket.create_connection(("127.0.0.1", self.camera_port))
            began_s = time.monotonic()
            for source, target in ((client, camera), (camera, client)):
                threading.Thread(target=self._pass, args=(source, target, client, began_s), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket, client: socket.socket, began_s: float) -> None:
        """One direction of a connection. What comes is handed on in order, never before what came before it."""
        waiting: queue.SimpleQueue[tuple[float, bytes]] = queue.SimpleQueue()
        threading.Thread(target=self._hand_on, args=(waiting, target), daemon=True).start()
        due_s, carried = 0.0, 0
        with contextlib.suppress(OSError, ValueError):  # the other direction closed it
            while not self._over.is_set():
                if not select.select([source], [], [], 0.05)[0]:  # never blocked in a read: a reset must get out
                    continue
                data = source.recv(PACKET_BYTES)
                if not data:
                    break
                due_s = max(due_s, time.monotonic() + self._late_s())
                waiting.put((due_s, self._through_here(data) if source is client else data))
                carried += len(data)
                limit_s = self.network.resets_after_s
                if limit_s and carried > 20_000 and time.monotonic() - began_s > limit_s:
                    self.resets += 1
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                    client.close()
                    break
        waiting.put((due_s, b""))
        source.close()

    def _late_s(self) -> float:
        network = self.network
        late_s, repeat_s = network.delay_s + self._chance.uniform(0, network.jitter_s), REPEAT_S
        while self._chance.random() < network.loss:
            late_s, repeat_s, self.stalls = late_s + repeat_s, 2 * repeat_s, self.stalls + 1
        return late_s

    def _hand_on(self, waiting: queue.SimpleQueue[tuple[float, bytes]], target: socket.socket) -> None:
        with contextlib.suppress(OSError):  # gone meanwhile
            while data := (one := waiting.get())[1]:
                if self._over.wait(max(0.0, one[0] - time.monotonic())):
                    break
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def _through_here(self, request: bytes) -> bytes:
        """A SETUP for datagrams: they are to come here first."""
        asked = re.search(rb"client_port=(\d+)-\d+", request)
        if asked is None:
            return request
        ports = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
        for port in ports:
            port.bind(("127.0.0.1", 0))
        pair = {ports[0]: int(asked[1]), ports[1]: int(asked[1]) + 1}
        threading.Thread(target=self._pass_datagrams, args=(pair,), daemon=True).start()
        # Both ports are named, but a camera that sends RTCP to "the next" finds it only by luck.
        here = b"client_port=%d-%d" % tuple(port.getsockname()[1] for port in ports)
        return request.replace(asked[0], here)

    def _pass_datagrams(self, pair: dict[socket.socket, int]) -> None:
        waiting: list[tuple[float, int, bytes, int]] = []
        number = gone = 0
        with contextlib.ExitStack() as open_:
            out = open_.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            for port in pair:
                open_.enter_context(port)
            while not self._over.is_set():
                limit_s = max(0.0, waiting[0][0] - time.monotonic()) if waiting else 0.1
                for port in select.select(list(pair), [], [], limit_s)[0]:
                    data = port.recv(65536)
                    number += 1
                    if self._chance.random() < self.network.loss:
                        gone += 1
                        continue
                    if number > gone + 1:  # something came before
                        self.dropped += gone
                    gone = 0
                    due_s = time.monotonic() + self.network.delay_s + self._chance.uniform(0, self.network.jitter_s)
                    heapq.heappush(waiting, (due_s, number, data, pair[port]))
                while waiting and waiting[0][0] <= time.monotonic():
                    _, _, data, to = heapq.heappop(waiting)
                    with contextlib.suppress(OSError):  # nobody listens any more
                        out.sendto(data, ("127.0.0.1", to))
