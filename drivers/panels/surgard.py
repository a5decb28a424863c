"""Sur-Gard style receiver output (MLR2, System III): Contact ID, SIA and Radionics 6500 events, heartbeat.

A frame is printable ASCII ended by DC4, without checksum (panels.md 7). We answer ACK, or NAK to have it repeated; the
receiver sends nothing more until its event is acknowledged, so the caller makes events durable before it sends `reply`.
Deliberately absent: 6 BFSK, 8 high speed, C FSK2, T Telenot and 0 internal status. They are refused like any unknown
frame and, when they stay the same, kept as `info.unparsed`: a loose grammar for them took the torn tail of a Contact ID
frame (`81234E110...`) for one of its own, and the acknowledgement lost a fire.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from drivers.panels import contact_id, sia
from drivers.panels.settings import line_from, line_settings, one_of, refuse_unknown, seconds, whole_number
from drivers.types import EventState, Frame, Line, PanelEvent, Setting

ACK = b"\x06"
NAK = b"\x15"
DC4 = 0x14  # ends every frame
LONGEST_FRAME = 512  # SIA level-2 blocks are the longest; beyond this the bytes are no frame
HALF_FRAME_S = 2.0  # a receiver sends a frame in one go; half a frame older than this never gets its end
ENOUGH_NAKS = 3  # a receiver repeats three times and then holds back everything behind the frame we do not know
HEARTBEAT_LOST_S = 90.0  # three heartbeats of 30 s
LINE = Line(9600, 8, "N", 1)  # MLR2000 and System III; an MLR2-E leaves the factory at 19200 7E1
READABLE = re.compile(rb"[\x20-\x7e]*\Z")

SETTINGS: tuple[Setting, ...] = (
    *line_settings(LINE, HEARTBEAT_LOST_S),
    Setting("account_digits", "0", "Digits of the site's account number; 0 takes 4 to 10. The exact number refuses "
            "frames that noise made longer or shorter."),
    Setting("letters", "auto", "Radionics letters F and H: surgard (cancel, unbypass), bosch (fire, fire over) "
            "or auto: bosch where a 4-digit point begins with 0, which no area does."),
)  # fmt: skip

_R, _L = r"[0-9A-F]{2}", r"(?:[0-9A-F]|[0-9A-F]{3})"  # receiver; line: 1 character, on System III 3
_HEARTBEAT = re.compile(rf"1{_R}{_L} +@ *")
_CONTACT_ID = re.compile(rf"5{_R}{_L} (?:18|98) {{0,6}}([0-9A-F]{{4,10}})([EPR136])(\d{{3}})(\d{{2}})(\d{{3}})")
_SIA = re.compile(rf"3{_R}{_L} {{1,10}}([0-9A-F]{{3,10}})([A-Z]{{2}})(\d{{4}})")
_SIA_BLOCK = re.compile(rf"S{_R}{_L} *\[#([0-9A-F]{{3,16}})\|[NO]([^\[\]]{{2,400}})\]")
_RADIONICS = re.compile(rf"1{_R}{_L} {{1,10}}([0-9A-F]{{3,10}}) ([A-Z\\])([0-9A-F])(\d{{3}})")


@dataclass(frozen=True, slots=True)
class _Letter:
    """What a Radionics letter means: class, state, name; `user`: the last three digits are a user."""

    kind: str
    state: EventState
    name: str
    user: bool = False
    flags: tuple[str, ...] = ()


_LETTERS = {
    "A": _Letter("intrusion.alarm", "active", "General alarm"),
    # The restore does not say of what: it ends whatever is active at this point.
    "R": _Letter("intrusion.alarm", "restored", "Zone restored", flags=("any-class",)),
    "T": _Letter("fault", "active", "Zone fault"),
    "B": _Letter("bypass", "active", "Zone disabled"),
    "H": _Letter("bypass", "restored", "Zone disabled"),
    "C": _Letter("arm", "info", "Armed: by a user", user=True),
    "O": _Letter("disarm", "info", "Disarmed: by a user", user=True),
    "F": _Letter("info", "info", "Alarm cancelled by a user", user=True),
}
_BOSCH_LETTERS = {
    **_LETTERS,
    "F": _Letter("fire.alarm", "active", "Fire alarm"),
    "H": _Letter("fire.alarm", "restored", "Fire alarm"),
    "M": _Letter("fault", "active", "Fire detector missing"),
    "\\": _Letter("info", "info", "Fire alarm cancelled"),
}


class SurGard:
    """Codec of the receiver's automation output."""

    kind = "surgard"

    def __init__(self, settings: Mapping[str, str]) -> None:
        refuse_unknown(settings, SETTINGS)
        self.line = line_from(settings, LINE)
        self.silent_after_s: float | None = seconds(settings, "silent_after_s", HEARTBEAT_LOST_S)
        self._account_digits = whole_number(settings, "account_digits", 0, 0, 16)
        self._letters = one_of(settings, "letters", "auto", ("auto", "surgard", "bosch"))
        self._buffer = b""
        self._fed = False  # since the last tick
        self._fed_mono_s = 0.0
        self._lost: list[Frame] = []  # what tick threw away, told at the next feed
        self._refused = b""
        self._refusals = 0

    def feed(self, data: bytes) -> list[Frame]:
        """Take bytes off the line; return what they complete. Never raises, whatever the bytes."""
        self._fed = self._fed or bool(data)
        frames, self._lost = self._lost, []
        *complete, rest = (self._buffer + data).split(bytes([DC4]))
        for text in complete:
            frames += self._frames(text[-2 * LONGEST_FRAME :])
        if len(rest) > LONGEST_FRAME:
            frames.append(Frame(raw=rest[:64], fault=f"{len(rest)} bytes without the end of a frame"))
            rest = b""
        self._buffer = rest
        return _answer_once(frames)

    def tick(self, mono_s: float) -> bytes:
        """The receiver speaks first, so nothing is sent; half a frame that has waited too long is forgotten."""
        if self._fed:
            self._fed, self._fed_mono_s = False, mono_s
        elif self._buffer and mono_s - self._fed_mono_s > HALF_FRAME_S:
            self._lost.append(Frame(raw=self._buffer, fault="half a frame, then silence"))
            self._buffer = b""
        return b""

    def reset(self) -> None:
        """Forget half a frame: the line was closed and opened again."""
        self._buffer, self._fed, self._lost = b"", False, []

    def may_send(self, data: bytes) -> bool:
        """The whole allow-list: one ACK or one NAK."""
        return data in (ACK, NAK)

    def _frames(self, text: bytes) -> list[Frame]:
        """Frames out of the bytes before one DC4: line noise ahead of the readable text is told apart from it."""
        readable = READABLE.search(text)
        start = readable.start() if readable else len(text)
        noise, said = text[:start], text[start:]
        # CR and LF between frames are habits of some receivers, not noise
        told = [Frame(raw=noise, fault=_noise_fault(noise))] if noise.strip(b"\r\n") else []
        if said or told:
            told.append(self._frame(said))
        return told

    def _frame(self, raw: bytes) -> Frame:
        text = raw.decode("ascii")
        if _HEARTBEAT.fullmatch(text):
            return Frame(raw=raw, reply=ACK, alive=True)
        for grammar, read in self._grammars():
            found = grammar.fullmatch(text)
            if found and (events := read(found, raw)) and self._account_fits(events[0].account or ""):
                self._refused, self._refusals = b"", 0
                return Frame(raw=raw, events=tuple(events), reply=ACK, alive=True)
        return self._refuse(raw)

    def _grammars(self) -> tuple[tuple[re.Pattern[str], Callable[[re.Match[str], bytes], list[PanelEvent]]], ...]:
        return (
            (_CONTACT_ID, _contact_id_event),
            (_SIA, _sia_event),
            (_RADIONICS, self._radionics_event),
            (_SIA_BLOCK, _sia_block_events),
        )

    def _account_fits(self, account: str) -> bool:
        return self._account_digits in (0, len(account))

    def _refuse(self, raw: bytes) -> Frame:
        """NAK, so that it is repeated. What comes back the same each time is no noise: keep it as it came and go on,
        or the receiver would hold back a fire behind it."""
        self._refusals = self._refusals + 1 if raw == self._refused else 1
        self._refused = raw
        fault = "a frame of no known form"
        if len(raw) < 4:
            return Frame(raw=raw, reply=NAK, fault=fault)
        if self._refusals > ENOUGH_NAKS:
            return Frame(raw=raw, events=(_unparsed(raw),), reply=ACK, alive=True, fault=fault)
        return Frame(raw=raw, events=(_unparsed(raw),), reply=NAK, fault=fault)

    def _radionics_event(self, found: re.Match[str], raw: bytes) -> list[PanelEvent]:
        account, letter, area, number = found.groups()
        bosch = self._letters == "bosch" or (self._letters == "auto" and area == "0")
        said = (_BOSCH_LETTERS if bosch else _LETTERS).get(letter)
        if said is None:
            return [_unparsed(raw, account)]
        zone = None if said.user else area + number if bosch else number
        return [PanelEvent(
            kind=said.kind, state=said.state, zone=zone, partition=None if bosch else area,
            user=number if said.user else None, text=said.name, raw=raw, flags=said.flags, account=account, code=letter,
        )]  # fmt: skip


def _answer_once(frames: list[Frame]) -> list[Frame]:
    """Answer only the last of several frames that come together.

    The receiver waits for one answer at a time, so the ones before are repeats it has given up on. An answer to each
    would be taken for what it sends next, and the panel would forget an event we never heard.
    """
    last = max((n for n, frame in enumerate(frames) if frame.reply), default=-1)
    return [replace(frame, reply=b"") if frame.reply and n < last else frame for n, frame in enumerate(frames)]


def _contact_id_event(found: re.Match[str], raw: bytes) -> list[PanelEvent]:
    account, qualifier, code, group, number = found.groups()
    meaning, state, flags = contact_id.decode(qualifier, code)
    by_user = meaning.subject == "user"
    return [PanelEvent(
        kind=meaning.kind, state=state, zone=None if by_user else number, partition=group,
        user=number if by_user else None, text=meaning.name, raw=raw, flags=flags, account=account, code=code,
    )]  # fmt: skip


def _sia_event(found: re.Match[str], raw: bytes) -> list[PanelEvent]:
    account, code, number = found.groups()
    return [_sia_one(account, code, number, None, raw)]


def _sia_one(account: str, code: str, number: str | None, partition: str | None, raw: bytes) -> PanelEvent:
    said = sia.meaning(code)
    return PanelEvent(
        kind=said.kind, state=said.state, zone=None if said.by_user else number, partition=partition,
        user=number if said.by_user else None, text=said.name, raw=raw, account=account, code=code,
    )  # fmt: skip


def _sia_block_events(found: re.Match[str], raw: bytes) -> list[PanelEvent]:
    """SIA level-2 block: `Nri01/FA0129/BA12`. `ri` is the area for what follows; other modifiers are left in raw."""
    account, block = found.groups()
    events: list[PanelEvent] = []
    partition: str | None = None
    for part in block.split("/"):
        area = re.match(r"ri(\d{1,4})", part)
        if area:
            partition, part = area[1], part[area.end() :]
        code = re.fullmatch(r"([A-Z]{2})([0-9A-F]{0,4})(?:\|.*)?", part)
        if code:
            events.append(_sia_one(account, code[1], code[2] or None, partition, raw))
    return events or [_unparsed(raw, account)]


def _unparsed(raw: bytes, account: str | None = None) -> PanelEvent:
    return PanelEvent(kind="info.unparsed", state="info", text=raw.decode("ascii", "replace"), raw=raw, account=account)


def _noise_fault(noise: bytes) -> str:
    high = sum(byte > 0x7F for byte in noise)
    if high * 3 > len(noise):
        return f"{len(noise)} bytes of noise, most above 0x7F: wrong speed or parity (receivers often use 7E1)"
    return f"{len(noise)} bytes of noise"
