"""ESPA 4.4.4 (ISO 1745 basic mode): we are the paging system that a fire panel calls.

The panel polls itself, selects us, sends blocks and ends with EOT: `EOT 1 ENQ 2 ENQ`, we ACK, `SOH..ETX BCC`, we ACK
when the event is durable, `EOT`. What we may say is ACK, `1 NAK` for a bad block, EOT when we are polled (nothing to
send), and, with control_station = us, the poll. XON/XOFF is off, as a BCC may be 0x11 or 0x13.
Not here: 2 and 3 NAK (we always accept), and Avaya's wish for an answer not before 6 ms, which a commit takes anyway.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import reduce
from operator import xor
from typing import Literal

from pydantic import Field

from drivers.panels import profiles
from drivers.panels.espa_call import block, event
from drivers.panels.rules import RuleBook, Rules
from drivers.panels.settings import SettingError, line_from, line_settings, one_of, refuse_unknown, seconds
from drivers.types import Frame, Line, Setting

SOH, STX, ETX, EOT, ENQ, ACK, NAK = 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x15
BAD_BLOCK = bytes([0x31, NAK])  # "1 NAK": transmission error
LINE = Line(9600, 8, "N", 1)
DEAD_S = 120.0
LONGEST_BLOCK = 512  # the longest lawful one, all records full, has about 190 bytes
HALF_BLOCK_S = 1.0  # inter-byte time
SELECTED_S = 15.0  # a master that sends nothing this long after our ACK has given up
POLL_ANSWER_S = 2.5
ENCODINGS = ("latin-1", "cp1251", "cp866", "utf-8")
Encoding = Literal["latin-1", "cp1251", "cp866", "utf-8"]

SETTINGS: tuple[Setting, ...] = (
    *line_settings(LINE, DEAD_S),
    Setting("address", "2", "Our station address, one character."),
    Setting("panel_address", "1", "The panel's station address, one character."),
    Setting("mode", "addressed", "addressed: selected by `1 ENQ 2 ENQ`; direct: by `2 ENQ` alone; addressless: by a "
            "bare ENQ, on a line with nobody else on it."),
    Setting("control_station", "panel", "Who polls: panel, or us (the panel waits to be asked)."),
    Setting("poll_every_s", "1", "With control_station = us: seconds between polls."),
    Setting("encoding", "", f"Letters of the texts: {', '.join(ENCODINGS)}. Without it, the profile's; latin-1."),
    Setting("profile", "", "File with rules on 'address text' (TOML). Without it the priority of a call is its class."),
    Setting("unclassified", "fire.prealarm", "Class of a call with no rule, no priority and no known word."),
)  # fmt: skip


class EspaProfile(RuleBook):
    """The site's rules for its panel's calls."""

    title: str = ""
    encoding: Encoding = Field(default="latin-1")


class Espa:
    """Codec of the station that receives calls."""

    kind = "espa"

    def __init__(self, settings: Mapping[str, str]) -> None:
        refuse_unknown(settings, SETTINGS)
        path = settings.get("profile", "").strip()
        profile = profiles.load(path, EspaProfile) if path else EspaProfile()
        self.line = line_from(settings, LINE)
        self.silent_after_s: float | None = seconds(settings, "silent_after_s", DEAD_S)
        self._own, self._panel = _station(settings, "address", "2"), _station(settings, "panel_address", "1")
        self._mode = one_of(settings, "mode", "addressed", ("addressed", "direct", "addressless"))
        self._polls = one_of(settings, "control_station", "panel", ("panel", "us")) == "us"
        self._poll_every_s = seconds(settings, "poll_every_s", 1.0)
        self._poll = bytes([EOT, self._panel, ENQ])
        self._encoding = one_of(settings, "encoding", "", ("", *ENCODINGS)) or profile.encoding
        self._unclassified = one_of(settings, "unclassified", "fire.prealarm", sorted(profiles.CLASSES))
        self._rules = Rules(profile.rule)
        self._fed_mono_s = self._polled_mono_s = float("-inf")
        self._told: list[Frame] = []
        self.reset()

    def reset(self) -> None:
        """The line was opened anew: nobody is selected as far as we know, and a half block never gets its end."""
        self._block = bytearray()  # from SOH on; empty: outside any
        self._check_next = False  # the byte after ETX is the BCC, whatever it is
        self._address: int | None = None  # the character before an ENQ
        self._polled = False  # since the last EOT somebody was polled, so the next address is a selection
        self._selected = False
        self._other = False  # another station is selected: not a byte from us until EOT
        self._ended = False  # EOT was heard: the next address is polled
        self._asked = False  # our poll is not answered yet
        self._idle = False  # EOT came as its answer, unless what follows shows it to be our own echo
        self._fed = False

    def feed(self, data: bytes) -> list[Frame]:
        """Take bytes off the line; return what they complete. Never raises, whatever the bytes."""
        self._fed = self._fed or bool(data)
        frames, self._told = self._told, []
        for byte in data:
            made = self._in_block(byte) if self._block else self._outside(byte)
            if byte == EOT:  # the master ended or gave up: what we would have answered before is too late
                frames = [replace(frame, reply=b"") for frame in frames]
            frames += [made] if made else []
        last = max((n for n, frame in enumerate(frames) if frame.reply), default=-1)
        return [replace(frame, reply=b"") if n < last else frame for n, frame in enumerate(frames)]

    def tick(self, mono_s: float) -> bytes:
        """Forget what waited too long; poll when that is our part and nothing is under way."""
        if self._fed:
            self._fed, self._fed_mono_s = False, mono_s
            return b""
        quiet_s = mono_s - self._fed_mono_s
        if self._block and quiet_s > HALF_BLOCK_S:
            self._told.append(Frame(bytes(self._block), fault="half a block, then silence"))
            self._block, self._check_next = bytearray(), False
        if self._selected and quiet_s > SELECTED_S:
            self._neutral()
        if self._idle:  # the panel has nothing for us
            self._idle = False
            self._told.append(Frame(bytes([EOT]), alive=True))
        busy = self._block or self._selected or (self._asked and mono_s - self._polled_mono_s < POLL_ANSWER_S)
        if not self._polls or busy or mono_s - self._polled_mono_s < self._poll_every_s:
            return b""
        self._neutral()
        self._polled, self._asked, self._idle = True, True, False
        self._polled_mono_s = mono_s
        return self._poll

    def may_send(self, data: bytes) -> bool:
        """The whole allow-list: ACK, `1 NAK`, EOT, and the poll where we are the control station."""
        return data in (bytes([ACK]), BAD_BLOCK, bytes([EOT])) or (self._polls and data == self._poll)

    def _neutral(self) -> None:
        self._polled = self._selected = self._other = self._asked = False
        self._address, self._ended = None, True

    def _outside(self, byte: int) -> Frame | None:
        address, self._address = self._address, None
        if byte == SOH:
            self._block = bytearray([SOH])
        elif byte == EOT:
            self._idle = self._asked
            self._neutral()
        elif byte == ENQ:
            return self._enquiry(address)
        elif 0x20 <= byte < 0x7F:
            self._address = byte
        return None

    def _enquiry(self, address: int | None) -> Frame | None:
        raw = bytes([ENQ]) if address is None else bytes([address, ENQ])
        if address is None:
            if self._mode != "addressless":
                return None
            self._neutral()
            self._selected = True
            return Frame(raw, reply=bytes([ACK]), alive=True)
        if address == self._panel:  # always a poll: the panel asks itself before it selects, also where EOT was lost
            echo = self._polls and self._idle
            self._neutral()
            self._polled, self._idle, self._asked = True, False, echo
            return Frame(raw, alive=not self._polls)
        self._asked = False
        if not self._polled and self._mode != "direct":
            self._polled = True  # the first address after EOT is polled; nothing to send is our whole answer
            return Frame(raw, reply=bytes([EOT]), alive=True) if address == self._own and self._ended else None
        if address == self._own and not self._other:
            self._selected = True
            return Frame(raw, reply=bytes([ACK]), alive=True)
        self._other, self._selected = True, False
        return Frame(raw, alive=True)

    def _in_block(self, byte: int) -> Frame | None:
        """One byte of a block. After ETX exactly one byte is the check, even where it looks like SOH, ETX or EOT."""
        held = self._block
        if not self._check_next:
            if byte == EOT:
                self._block = bytearray()
                self._neutral()
                return Frame(bytes(held), fault="a block that the panel gave up")
            if byte == SOH:
                self._block = bytearray([SOH])
                return Frame(bytes(held), fault="a block that begins anew")
        held.append(byte)
        if self._check_next:
            self._block, self._check_next = bytearray(), False
            return self._complete(bytes(held))
        self._check_next = byte == ETX and len(held) > 3
        if (len(held) == 3 and byte != STX) or len(held) > LONGEST_BLOCK:
            self._block, self._check_next = bytearray(), False
            return Frame(bytes(held[:64]), fault="no block of ESPA 4.4.4")
        return None

    def _complete(self, raw: bytes) -> Frame:
        """A whole block. Of one that is not for us only that the panel is alive is taken."""
        if self._other:
            return Frame(raw, alive=reduce(xor, raw[1:-1]) == raw[-1])
        answers = self._selected or self._mode == "addressless"
        if reduce(xor, raw[1:-1]) != raw[-1]:
            return Frame(raw, reply=BAD_BLOCK if answers else b"", fault="a block with a wrong check")
        said = block(raw, self._encoding)
        if said is None:
            return Frame(raw, reply=bytes([ACK]) if answers else b"", alive=True, fault="a block without records")
        events = (event(said, self._rules, self._unclassified),)
        return Frame(raw, events, reply=bytes([ACK]) if answers else b"", alive=True)


def _station(settings: Mapping[str, str], name: str, default: str) -> int:
    written = settings.get(name, default).strip()
    if len(written) != 1 or not written.isascii() or not written.isalnum():
        raise SettingError(f"Setting {name} is {written!r}. It should be one digit or Latin letter.")
    return ord(written)
