"""Modbus RTU master without a port, a clock or a thread: one request at a time, its answer or its silence.

Requests, checksum and the reading of answers are pymodbus's; finding the answer on a noisy line, time limits and the
allow-list are ours (docs/decisions/006-modbus.md). RTU has no transaction numbers, so an answer is known by its shape
alone: whatever comes while nothing is outstanding is thrown away, and after a repeated request the line must be quiet
for a while before another one is asked, or a late answer would be taken for the next one's.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from pymodbus.framer import FramerRTU
from pymodbus.pdu import DecodePDU, ModbusPDU
from pymodbus.pdu.bit_message import ReadCoilsRequest, ReadDiscreteInputsRequest
from pymodbus.pdu.register_message import (
    ReadHoldingRegistersRequest,
    ReadInputRegistersRequest,
    WriteSingleRegisterRequest,
)

COILS, DISCRETE, HOLDING, INPUT, WRITE = 1, 2, 3, 4, 6  # the only functions there are here; all others control
BUSY = 6  # exception: the device asks to be asked again
NO_FUNCTION, NO_ADDRESS, NO_VALUE = 1, 2, 3  # exceptions: will not be better when asked again
LONGEST_BITS, LONGEST_REGISTERS = 2000, 125  # one answer holds no more (Modbus application protocol 1.1b3, 6)
MOST_QUEUED = 2048
MOST_BYTES = 1024  # kept of what is no answer; the longest answer has 255
NOISE_SHOWN = 64
MOST_WAITS = 4  # time limits of bytes that keep coming and make no answer

_REQUESTS: dict[int, type[ModbusPDU]] = {
    COILS: ReadCoilsRequest,
    DISCRETE: ReadDiscreteInputsRequest,
    HOLDING: ReadHoldingRegistersRequest,
    INPUT: ReadInputRegistersRequest,
}
_FRAMER = FramerRTU(DecodePDU(is_server=False))


class NotAllowed(Exception):
    """A request outside the driver's own allow-list was about to be asked: a fault of the program."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request. Addresses are those on the wire, without 30001 or 40001. `value` is for WRITE alone."""

    unit: int
    function: int
    address: int
    count: int = 1
    value: int = 0

    def frame(self) -> bytes:
        """The bytes on the line."""
        if self.function == WRITE:
            return _FRAMER.buildFrame(
                WriteSingleRegisterRequest(dev_id=self.unit, address=self.address, registers=[self.value])
            )
        kind = _REQUESTS[self.function]
        return _FRAMER.buildFrame(kind(dev_id=self.unit, address=self.address, count=self.count))

    def is_sound(self) -> bool:
        """Whether these numbers make a request at all."""
        most = LONGEST_BITS if self.function in (COILS, DISCRETE) else LONGEST_REGISTERS
        return (
            1 <= self.unit <= 247
            and (self.function in _REQUESTS or self.function == WRITE)
            and self.address >= 0
            and self.address + self.count <= 0x10000
            and 1 <= self.count <= (1 if self.function == WRITE else most)
            and 0 <= self.value <= 0xFFFF
        )


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a request: registers or bits, an exception code, or silence after every repeat.

    `raw` is the answer as it came; of silence, what noise came instead of one.
    """

    request: Request
    raw: bytes = b""
    registers: tuple[int, ...] = ()
    bits: tuple[bool, ...] = ()
    exception: int | None = None
    silent: bool = False

    @property
    def ok(self) -> bool:
        return self.exception is None and not self.silent


@dataclass(frozen=True, slots=True)
class Again:
    """How often and how far apart a request is repeated when the device answers with a certain exception."""

    wait_s: float
    times: int


BUSY_AGAIN = {BUSY: Again(0.5, 6)}


@dataclass(slots=True)
class _Outstanding:
    """The request whose answer is awaited."""

    request: Request
    retries: int  # left, after silence
    sent_mono_s: float | None = None  # None: sent outside `tick`, which will see it first
    until_mono_s: float = 0.0
    asked_again: dict[int, int] = field(default_factory=dict)  # exception code -> times
    repeated: bool = False


class Master:
    """Asks one device at a time. `allowed` is the driver's allow-list; what it refuses raises NotAllowed."""

    def __init__(
        self, allowed: Callable[[Request], bool], *, timeout_s: float = 1.0, retries: int = 2,
        again: Mapping[int, Again] = BUSY_AGAIN,
    ) -> None:  # fmt: skip
        self._allowed, self._timeout_s, self._retries, self._again = allowed, timeout_s, retries, again
        self._queue: deque[tuple[Request, int]] = deque()
        self._out: _Outstanding | None = None
        self._waiting: _Outstanding | None = None  # to be sent again, from _not_before_mono_s on
        self._wait_s = 0.0  # wanted by feed, which has no clock; tick makes it _not_before_mono_s
        self._not_before_mono_s = 0.0
        self._buffer = b""
        self._fed = False

    @property
    def idle(self) -> bool:
        """Whether everything asked has been answered or given up."""
        return self._out is None and self._waiting is None and not self._queue

    def ask(self, request: Request, *, retries: int | None = None) -> None:
        """Queue a request. Beyond MOST_QUEUED nothing is queued: a driver asks again in its next round anyway."""
        self._check(request)
        if len(self._queue) < MOST_QUEUED:
            self._queue.append((request, self._retries if retries is None else retries))

    def first(self, request: Request) -> None:
        """Queue a request before all others."""
        self._check(request)
        self._queue.appendleft((request, self._retries))

    def drop(self, unwanted: Callable[[Request], bool]) -> int:
        """Take out of the queue what an answer made needless; returns how many those were."""
        kept = deque(asked for asked in self._queue if not unwanted(asked[0]))
        dropped, self._queue = len(self._queue) - len(kept), kept
        return dropped

    def now(self, request: Request) -> bytes:
        """The bytes of a request that the caller sends itself (a Frame's reply), and never sends again by itself.

        An acknowledgement goes this way: only the caller knows when its event is on disk.
        """
        self._check(request)
        self._out = _Outstanding(request, retries=0)
        self._buffer = b""
        return request.frame()

    def may_send(self, data: bytes) -> bool:
        """Whether these bytes are exactly one request of the allow-list."""
        if len(data) != 8 or not _sound_crc(data):
            return False
        unit, function = data[0], data[1]
        address, last = int.from_bytes(data[2:4], "big"), int.from_bytes(data[4:6], "big")
        write = function == WRITE
        request = Request(unit, function, address, count=1 if write else last, value=last if write else 0)
        return request.is_sound() and self._allowed(request)

    def reset(self) -> None:
        """Forget everything: the line was closed and opened again."""
        self._queue.clear()
        self._out = self._waiting = None
        self._wait_s = 0.0
        self._buffer, self._fed = b"", False

    def feed(self, data: bytes) -> Answer | None:
        """Take bytes off the line; return the answer they complete. Never raises, whatever the bytes."""
        out = self._out
        if out is None:
            return None  # late, doubled or noise: nobody asked
        self._fed = True
        self._buffer = (self._buffer + data)[-MOST_BYTES:]
        found = _find(self._buffer, out.request)
        if found is None:
            return None
        self._out, self._buffer = None, b""
        # An answer to the first try may still be on its way when the second try is answered.
        self._wait_s = self._timeout_s if out.repeated else 0.0
        answer = _read(found, out.request)
        if answer.exception is not None and self._ask_again(out, answer.exception):
            return None
        return answer

    def expire(self, mono_s: float) -> Answer | None:
        """The request that is given up now, after silence and every repeat; call it before `tick`."""
        out = self._out
        if out is None:
            return None
        if out.sent_mono_s is None:
            out.sent_mono_s, out.until_mono_s = mono_s, mono_s + self._timeout_s
        if self._fed:  # half of an answer: it is still coming, but not for ever
            self._fed = False
            out.until_mono_s = min(mono_s + self._timeout_s, out.sent_mono_s + MOST_WAITS * self._timeout_s)
        if mono_s < out.until_mono_s:
            return None
        noise = self._buffer[:NOISE_SHOWN]
        self._out, self._buffer = None, b""
        if out.retries > 0:
            out.retries -= 1
            out.repeated = True
            self._waiting = out
            return None
        self._wait_s = self._timeout_s
        return Answer(out.request, raw=noise, silent=True)

    def tick(self, mono_s: float) -> bytes:
        """The next request's bytes, when nothing is outstanding and the line has been quiet long enough."""
        if self._wait_s:
            self._not_before_mono_s, self._wait_s = mono_s + self._wait_s, 0.0
        if self._out is not None or mono_s < self._not_before_mono_s:
            return b""
        out, self._waiting = self._waiting, None
        if out is None:
            if not self._queue:
                return b""
            out = _Outstanding(*self._queue.popleft())
        out.sent_mono_s, out.until_mono_s = mono_s, mono_s + self._timeout_s
        self._out, self._buffer, self._fed = out, b"", False
        return out.request.frame()

    def _ask_again(self, out: _Outstanding, exception: int) -> bool:
        again = self._again.get(exception)
        # Writes are repeated by who asked for them: a selector or an acknowledgement may have had its effect.
        if again is None or out.request.function == WRITE or out.asked_again.get(exception, 0) >= again.times:
            return False
        out.asked_again[exception] = out.asked_again.get(exception, 0) + 1
        self._waiting, self._wait_s = out, max(again.wait_s, self._wait_s)
        return True

    def _check(self, request: Request) -> None:
        if not request.is_sound() or not self._allowed(request):
            raise NotAllowed(f"Refused to ask {request}: panels are only read.")


def _sound_crc(frame: bytes) -> bool:
    return FramerRTU.check_CRC(frame[:-2], int.from_bytes(frame[-2:], "big"))


def _find(data: bytes, request: Request) -> bytes | None:
    """The one frame in `data` that can answer `request`. Two that differ are no answer: one of them is late."""
    heads = _heads(request)
    found: set[bytes] = set()
    at = 0
    while at + 5 <= len(data):
        for head, size in heads:
            frame = data[at : at + size]
            if len(frame) == size and frame.startswith(head) and _sound_crc(frame):
                found.add(frame)
                at += size - 1  # what looks like a frame inside a frame is its data
                break
        at += 1
    return found.pop() if len(found) == 1 else None


def _heads(request: Request) -> tuple[tuple[bytes, int], ...]:
    """How an answer to this request begins, and its length: the data or the exception."""
    refusal = bytes([request.unit, request.function | 0x80])
    if request.function == WRITE:
        return (request.frame(), 8), (refusal, 5)
    bits = request.function in (COILS, DISCRETE)
    size = (request.count + 7) // 8 if bits else 2 * request.count
    return (bytes([request.unit, request.function, size]), size + 5), (refusal, 5)


def _read(frame: bytes, request: Request) -> Answer:
    """An answer whose shape and checksum are right, read by pymodbus."""
    pdu = _FRAMER.decoder.decode(frame[1:-2])
    if pdu is None:  # cannot be: the shape was checked; and if it were, silence is the honest word
        return Answer(request, raw=frame, silent=True)
    if pdu.isError():
        return Answer(request, raw=frame, exception=pdu.exception_code)
    bits = tuple(pdu.bits)[: request.count]
    return Answer(request, raw=frame, registers=tuple(pdu.registers), bits=bits)
