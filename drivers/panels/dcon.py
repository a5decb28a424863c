"""DCON: the ASCII protocol of ICP DAS I-7000/M-7000, Advantech ADAM-4000 and ADLINK ND-6000 input modules.

Request and reply end with CR; the optional checksum is the sum of all characters before it, two upper hex digits
(panels.md 4). We ask three things: `$AA2` what it is, once; then `$AA6` or `@AA`, the inputs. Replies to `$AA6` carry
no address, so what comes after the time limit is thrown away and never taken for the next module's.
Deliberately absent: everything that sets something (`#`, `@AA` with data, `~`, `%`, `$AA` with other letters), and
guessing widths: how many digits are outputs and inputs differs by model and comes from the settings.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from drivers.panels.contacts import Contacts, Level, Module, frame_of
from drivers.panels.inputs import inputs_from, inputs_setting
from drivers.panels.rota import Rota
from drivers.panels.settings import (
    SettingError,
    line_from,
    line_settings,
    one_of,
    refuse_unknown,
    seconds,
    whole_number,
)
from drivers.types import Frame, Line, PanelEvent, Setting

LINE = Line(9600, 8, "N", 1)
SILENT_AFTER_S = 5.0  # longer than three requests that nobody answered
LATE_S = 0.1  # after a time limit the line is left alone: what still comes is not the next module's answer
LONGEST_REPLY = 64  # the longest we ask for has 12 characters
MODULES = 32  # an RS-485 segment carries no more without a repeater

SETTINGS: tuple[Setting, ...] = (
    *line_settings(LINE, SILENT_AFTER_S),
    Setting("address", "01", "Addresses of the modules on the line, two hex digits each, with commas: 01,02. With more "
            "than one, the module's address is told as partition."),
    Setting("checksum", "off", "on where the modules are set to checksum (FF bit 6 of their configuration)."),
    Setting("command", "6", "How inputs are asked for: 6 for $AA6, @ for @AA."),
    Setting("do_digits", "2", "Hex digits of outputs before the inputs in the reply: 0 on modules with inputs only."),
    Setting("di_digits", "2", "Hex digits of inputs in the reply: 2 for up to 8 inputs, 4 for up to 16."),
    Setting("first", "0", "Number of the first input: 0 as the makers count (DI0), or 1."),
    Setting("invert", "no", "yes where the module says 0 for a closed contact."),
    inputs_setting("from first"),
    Setting("poll_s", "0.1", "Seconds from one request to a module to the next."),
    Setting("answer_s", "0.5", "Seconds a module has for its answer."),
)  # fmt: skip

_ADDRESSES = re.compile(r"[0-9A-F]{2}(?:,[0-9A-F]{2})*")
_HEX = re.compile(rb"[0-9A-F]*")


def checksum(text: bytes) -> bytes:
    """Two upper hex digits: the sum of all characters before it."""
    return b"%02X" % (sum(text) % 256)


class Dcon:
    """Codec of the modules on one line; it asks one after the other."""

    kind = "dcon"

    def __init__(self, settings: Mapping[str, str]) -> None:
        refuse_unknown(settings, SETTINGS)
        self.line = line_from(settings, LINE)
        lost_after_s = seconds(settings, "silent_after_s", SILENT_AFTER_S)
        self.silent_after_s: float | None = lost_after_s
        self._checked = one_of(settings, "checksum", "off", ("on", "off")) == "on"
        self._by_at = one_of(settings, "command", "6", ("6", "@")) == "@"
        self._do = int(one_of(settings, "do_digits", "2", ("0", "2", "4")))
        self._di = int(one_of(settings, "di_digits", "2", ("2", "4", "8")))
        self._first = whole_number(settings, "first", 0, 0, 1)
        self._inverted = one_of(settings, "invert", "no", ("no", "yes")) == "yes"
        self._answer_s = seconds(settings, "answer_s", 0.5)
        inputs = inputs_from(settings, range(self._first, self._first + 4 * self._di))
        addresses = _addresses(settings)
        parts = addresses if len(addresses) > 1 else [None]
        self._modules = [Module(Contacts(inputs, part), part, lost_after_s) for part in parts]
        self._ask_state = [self._request(f"@{a}" if self._by_at else f"${a}6") for a in addresses]
        self._ask_what = [self._request(f"${a}2") for a in addresses]
        self._addresses = addresses
        self._rota = Rota(len(addresses), seconds(settings, "poll_s", 0.1))
        self._buffer = b""
        self._turn = 0
        self._asked_s: float | None = None
        self._not_before_s = float("-inf")
        self._told: list[Frame] = []  # what the time limit showed, told at the next feed
        self._unnamed = set(range(len(addresses)))  # not yet asked what they are

    def feed(self, data: bytes) -> list[Frame]:
        """Take bytes off the line; return what they complete. Never raises, whatever the bytes."""
        frames, self._told = self._told, []
        *complete, rest = (self._buffer + data).split(b"\r")
        for line in complete:
            frames.append(self._reply(line[-LONGEST_REPLY:], line[-LONGEST_REPLY:] + b"\r"))
        if len(rest) > LONGEST_REPLY:
            frames.append(Frame(raw=rest[:LONGEST_REPLY], fault=f"{len(rest)} bytes without the end of a reply"))
            rest = b""
        self._buffer = rest
        return frames

    def tick(self, mono_s: float) -> bytes:
        """The next request, when the one before was answered or its time is over."""
        if self._asked_s is not None:
            if mono_s - self._asked_s < self._answer_s:
                return b""
            self._time_over(mono_s)
            self._not_before_s = mono_s + LATE_S
        turn = None if mono_s < self._not_before_s else self._rota.turn(mono_s, [m.lost for m in self._modules])
        if turn is None:
            return b""
        self._turn, self._asked_s = turn, mono_s
        self._buffer = b""  # what is left of an answer that came too late
        return self._ask_what[self._turn] if self._turn in self._unnamed else self._ask_state[self._turn]

    def reset(self) -> None:
        """Forget half a reply and what the modules said: the line was closed and opened again."""
        self._buffer, self._told = b"", []
        self._turn, self._asked_s, self._not_before_s = 0, None, float("-inf")
        self._rota.reset()
        self._unnamed = set(range(len(self._modules)))
        for module in self._modules:
            module.lose()

    def may_send(self, data: bytes) -> bool:
        """The whole allow-list: what it is and its inputs, for each address of the settings."""
        return data in self._ask_state or data in self._ask_what

    def _request(self, text: str) -> bytes:
        command = text.encode("ascii")
        return command + (checksum(command) if self._checked else b"") + b"\r"

    def _time_over(self, mono_s: float) -> None:
        if self._turn in self._unnamed:
            self._unnamed.discard(self._turn)  # some do not say what they are; their inputs are asked for all the same
        else:
            events = self._modules[self._turn].missed(mono_s)
            if events:
                self._told.append(Frame(raw=b"", events=tuple(events), news=True))
        self._asked_s = None

    def _reply(self, line: bytes, raw: bytes) -> Frame:
        """One line from a module; noise ahead of its first character is told apart from it."""
        start = max(line.rfind(mark) for mark in (b"!", b">", b"?"))
        if self._asked_s is None:
            return Frame(raw=raw, fault="an answer that nobody asked for, or that came too late")
        if start < 0:
            return Frame(raw=raw, fault="no reply of a module")
        text = line[start:]
        if self._checked:
            text, said = text[:-2], text[-2:]
            if said != checksum(text):
                return Frame(raw=raw, fault="wrong checksum")
        mono_s, turn = self._asked_s, self._turn
        if text[:1] == b"?":
            return self._refusal(text, raw, turn)
        if turn in self._unnamed:
            return self._name(text, raw, turn)
        levels = self._levels(text)
        if isinstance(levels, str):
            return Frame(raw=raw, fault=levels)
        self._asked_s = None
        return frame_of(raw, self._modules[turn].answered(mono_s, levels), alive=True)

    def _refusal(self, text: bytes, raw: bytes, turn: int) -> Frame:
        """`?AA`: the module heard us and does not know the command, or cannot answer it."""
        if text[1:] != self._addresses[turn].encode("ascii"):
            return Frame(raw=raw, fault="a refusal of another module")
        named = turn in self._unnamed
        self._unnamed.discard(turn)
        self._asked_s = None
        if named:
            return Frame(raw=raw, fault="the module does not say what it is")
        return frame_of(raw, self._modules[turn].refused("invalid-command"))

    def _name(self, text: bytes, raw: bytes, turn: int) -> Frame:
        """`!AATTCCFF`: address, type, speed, format. Told as information: an installer sees what hangs on the line."""
        body = text[1:]
        if text[:1] != b"!" or len(body) != 8 or not _HEX.fullmatch(body) or body[:2] != self._addresses[turn].encode():
            return Frame(raw=raw, fault="not the module's configuration")
        self._unnamed.discard(turn)
        self._asked_s = None
        summed = "on" if int(body[6:8], 16) & 0x40 else "off"  # FF bit 6
        code = f"type {body[2:4].decode()} speed {body[4:6].decode()} checksum {summed}"
        where = self._addresses[turn]
        said = PanelEvent("info", "info", partition=where, text="Input module", code=code, flags=("status",))
        return frame_of(raw, [said], alive=True)

    def _levels(self, text: bytes) -> dict[int, Level] | str:
        """The inputs of a reply, or why it is none. `$AA6`: `!` DO DI 00; `@AA`: `>` DO DI."""
        body = text[1:]
        lead, tail = (b">", b"") if self._by_at else (b"!", b"00")
        if text[:1] != lead or not _HEX.fullmatch(body):
            return "not a reply to what was asked"
        width = self._do + self._di + len(tail)
        if len(body) != width or not body.endswith(tail):
            return f"a reply of {len(body)} digits; the settings (do_digits, di_digits) expect {width}"
        bits = int(body[self._do : self._do + self._di], 16) ^ (-1 if self._inverted else 0)

        def on(number: int) -> bool:
            return bool(bits >> (number - self._first) & 1)

        return {
            each.number: each.of_bit(on(each.number), each.fault_input is not None and on(each.fault_input))
            for each in self._modules[0].contacts.inputs
        }


def _addresses(settings: Mapping[str, str]) -> list[str]:
    written = settings.get("address", "01").upper().replace(" ", "")
    addresses = written.split(",")
    if not _ADDRESSES.fullmatch(written) or len(set(addresses)) != len(addresses) or len(addresses) > MODULES:
        raise SettingError(f"Setting address is {written!r}. It should be two hex digits, more with commas: 01,02.")
    return addresses
