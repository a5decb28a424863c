"""The Modbus master: vectors, noise, silence, late answers, busy devices, and nothing outside the allow-list."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.panels.modbus import (
    COILS,
    DISCRETE,
    HOLDING,
    INPUT,
    WRITE,
    Again,
    Answer,
    Master,
    NotAllowed,
    Request,
)  # fmt: skip

READ = Request(2, HOLDING, 40000, 7)
ANSWER = bytes.fromhex("02030E18BC18BCC72FFABBFB006DBC6DBCECB7")


def reads_only(request: Request) -> bool:
    return request.function in (COILS, DISCRETE, HOLDING, INPUT) or (request.function, request.address) == (WRITE, 7)


def master(**options: object) -> Master:
    return Master(reads_only, **options)  # type: ignore[arg-type]


def asked(request: Request = READ, **options: object) -> Master:
    made = master(**options)
    made.ask(request)
    assert made.tick(0.0) == request.frame()
    return made


def crc(body: str) -> bytes:
    return body_and_crc(bytes.fromhex(body))


def body_and_crc(body: bytes) -> bytes:
    value = 0xFFFF
    for byte in body:
        value ^= byte
        for _ in range(8):
            value = (value >> 1) ^ 0xA001 if value & 1 else value >> 1
    return body + value.to_bytes(2, "little")


OTHER = crc("02030E" + "00" * 14)  # the same shape, other data


@pytest.mark.parametrize(
    ("request_", "wire"),
    [
        (READ, "02039C4000072BBF"),
        (Request(1, HOLDING, 0xB448, 2), "0103B448000263ED"),
        (Request(1, DISCRETE, 0, 8), "01020000000879CC"),
        (Request(1, DISCRETE, 0, 16), "01020000001079C6"),
        (Request(2, WRITE, 0xB453, value=0x1234), "0206B4531234536F"),
    ],
)
def test_a_request_is_written_as_on_the_wire(request_: Request, wire: str) -> None:
    assert request_.frame() == bytes.fromhex(wire)


def test_registers_and_bits_are_read() -> None:
    assert asked().feed(ANSWER) == Answer(
        READ, raw=ANSWER, registers=(0x18BC, 0x18BC, 0xC72F, 0xFABB, 0xFB00, 0x6DBC, 0x6DBC)
    )
    answer = asked(Request(1, DISCRETE, 0, 16)).feed(bytes.fromhex("010202 0180B988"))
    assert answer is not None
    assert [number for number, bit in enumerate(answer.bits, 1) if bit] == [1, 16]
    answer = asked(Request(1, COILS, 0, 10)).feed(crc("0101020102"))
    assert answer is not None
    assert [number for number, bit in enumerate(answer.bits, 1) if bit] == [1, 10]
    assert len(answer.bits) == 10  # not the filling of the last byte


def test_an_exception_is_an_answer() -> None:
    answer = asked(Request(1, DISCRETE, 0, 8)).feed(bytes.fromhex("0182044163"))
    assert answer is not None
    assert (answer.exception, answer.ok) == (4, False)


def test_it_comes_byte_by_byte_and_between_noise() -> None:
    made = asked()
    noise = random.Random(5).randbytes(40)
    answers = [made.feed(bytes([byte])) for byte in noise + ANSWER]
    assert answers[-1] is not None
    assert answers[:-1] == [None] * (len(noise) + len(ANSWER) - 1)


def test_every_single_bit_flip_is_refused() -> None:
    for bit in range(len(ANSWER) * 8):
        flipped = bytearray(ANSWER)
        flipped[bit // 8] ^= 1 << bit % 8
        assert asked().feed(bytes(flipped)) is None


@given(st.lists(st.binary(max_size=60), max_size=20))
def test_random_bytes_are_no_answer(pieces: list[bytes]) -> None:
    made = asked()
    for piece in pieces:
        made.feed(piece)
        made.expire(0.1)
        made.tick(0.1)
    assert len(made._buffer) <= 1024


def test_silence_is_repeated_and_then_told() -> None:
    made = asked(retries=2, timeout_s=1.0)
    sent = 1
    told = []
    for tenth in range(1, 50):
        told += [answer for answer in [made.expire(tenth / 10)] if answer]
        sent += made.tick(tenth / 10) == READ.frame()
    assert told == [Answer(READ, silent=True)]
    assert sent == 3
    assert made.idle


def test_half_an_answer_prolongs_the_wait_but_not_for_ever() -> None:
    made = asked(retries=0)
    made.feed(ANSWER[:9])
    assert made.expire(0.9) is None
    assert made.expire(1.5) is None
    assert made.feed(ANSWER[9:]) is not None
    made = asked(retries=0)
    for tenth in range(40):
        made.feed(b"\x02")
        assert made.expire(tenth / 10) is None
    assert made.expire(4.0) is not None


def test_a_late_answer_is_not_taken_for_the_next_request() -> None:
    made = asked(retries=1)
    other = Request(2, HOLDING, 41000, 7)
    made.ask(other)
    assert made.expire(1.0) is None
    assert made.tick(1.0) == READ.frame()  # repeated
    assert made.feed(ANSWER) is not None  # the late answer to the first
    assert made.tick(1.1) == b""  # the answer to the repeat may still come
    assert made.feed(ANSWER) is None  # and does
    assert made.tick(2.2) == other.frame()
    assert made.feed(OTHER) is not None


def test_two_different_answers_at_once_are_none() -> None:
    made = asked(retries=1)
    assert made.feed(ANSWER + OTHER) is None
    assert asked().feed(ANSWER + ANSWER) is not None


def test_what_nobody_asked_for_is_thrown_away() -> None:
    made = master()
    assert made.feed(ANSWER) is None
    made.ask(READ)
    made.tick(0.0)
    assert made.feed(b"") is None


def test_a_busy_device_is_asked_again_a_few_times() -> None:
    made = asked(again={15: Again(0.25, 3)})
    pending = bytes.fromhex("02830FF134")
    mono_s = 0.0
    for _ in range(3):
        assert made.feed(pending) is None
        assert made.tick(mono_s) == b""  # not at once
        mono_s += 0.25
        assert made.tick(mono_s) == READ.frame()
    answer = made.feed(pending)
    assert answer is not None
    assert answer.exception == 15


def test_a_write_is_never_repeated_by_a_busy_answer() -> None:
    made = asked(Request(2, WRITE, 7, value=1))
    answer = made.feed(crc("028606"))
    assert answer is not None
    assert answer.exception == 6


def test_an_acknowledgement_is_sent_once_by_the_caller() -> None:
    made = master()
    ack = Request(2, WRITE, 7, value=9)
    assert made.now(ack) == ack.frame()
    assert made.tick(0.0) == b""
    assert made.expire(0.0) is None
    assert made.tick(0.9) == b""
    assert made.expire(1.1) == Answer(ack, silent=True)
    assert made.tick(1.1) == b""
    assert made.idle


@pytest.mark.parametrize(
    "wrong",
    [
        Request(2, WRITE, 8), Request(2, 5, 7), Request(2, 15, 7), Request(2, 16, 7), Request(0, HOLDING, 0),
        Request(248, HOLDING, 0), Request(2, HOLDING, 0xFFFF, 2), Request(2, HOLDING, 0, 126), Request(2, WRITE, 7, 2),
        Request(2, WRITE, 7, value=0x10000), Request(2, HOLDING, -1), Request(2, DISCRETE, 0, 0),
    ],
)  # fmt: skip
def test_a_request_outside_the_allow_list_raises(wrong: Request) -> None:
    for way in (master().ask, master().first, master().now):
        with pytest.raises(NotAllowed):
            way(wrong)


@given(st.binary(max_size=16))
def test_only_whole_allowed_requests_may_be_sent(data: bytes) -> None:
    assert not master().may_send(body_and_crc(data)) or (len(data) == 6 and data[1] in (1, 2, 3, 4, 6))
    assert not master().may_send(data) or data == body_and_crc(data[:-2])


def test_the_allow_list_holds_on_the_bytes() -> None:
    assert master().may_send(READ.frame())
    assert master().may_send(Request(2, WRITE, 7, value=0xFFFF).frame())
    for refused in ("0105 0000 FF00 8C3A", "02060008000109FB"):
        assert not master().may_send(bytes.fromhex(refused))
    assert not master().may_send(body_and_crc(bytes.fromhex("020600080001")))
    assert not master().may_send(body_and_crc(bytes.fromhex("020F00070001")))
    assert not master().may_send(READ.frame() + READ.frame())
