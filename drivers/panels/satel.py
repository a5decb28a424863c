"""Satel INTEGRA over INT-RS: states by "what changed", the event log, the panel's own names. Read only.

Half a second apart we ask what changed (7F) and read the masks it names; all masks are read anew every 30 s and after
every loss of the link. What stands is told at once; that something is over only when the whole state was read. The log
(8C) is walked back to the newest record we kept and told oldest first: it says which detector and who, the masks say
what is still so. Where the log has told an alarm, the masks do not tell it a second time.
Deliberately absent: every command from 80 on but 8C and EE (they control and carry user codes), outputs, and the
trouble tables 1B-21, whose contents the log tells as events.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace

from drivers.panels import satel_log
from drivers.panels.satel_frame import Decoder, Piece, encode
from drivers.panels.satel_log import NEWEST, Record, of_log
from drivers.panels.satel_states import ALARM, ARMED, FIRE, MASKS, TAMPER, VIOLATED, ZONE_ALARM, bcd, bits, state
from drivers.panels.settings import line_from, line_settings, one_of, refuse_unknown, seconds
from drivers.types import Frame, Line, PanelEvent, Point, Setting

LINE = Line(19200, 8, "N", 1)
SILENT_AFTER_S = 30.0
CHANGED, CLOCK, LOG, NAME, RESULT = 0x7F, 0x1A, 0x8C, 0xEE, 0xEF
CHANGED_EVERY_S, LOG_EVERY_S, REFRESH_EVERY_S = 0.5, 1.0, 30.0
REPLY_S = 1.0  # it may take 5 s; an answer that comes later is read all the same
DEAF_TRIES, DEAF_EVERY_S = 3, 10.0  # a panel that does not say what changed, or has no log, is asked more rarely
BUSY_S = 0.5
WALK_TRIES = 8  # a record of the log that does not come after so many is left out, and said to be lost
MOST_TRIES = 5  # a question that is not vital and has no answer after so many waits for the next refresh
SHORT_WALK = 50  # records that are read before the masks, which then need not tell what the log has told
MOST_WALK = 1000  # records; 50 s at the panel's pace. Behind that they count as lost
NAMED_ZONES, NAMED_PARTITIONS = 128, 32

SETTINGS: tuple[Setting, ...] = (
    *line_settings(LINE, SILENT_AFTER_S),
    Setting("zones", "128", "Zones of the panel: 128, or 256 for INTEGRA 256 Plus."),
    Setting("violations", "yes", "Tell violated zones (zone.open: doors, motion) as well: yes or no."),
    Setting("names", "no", "Read the names of zones and partitions once and tell them: yes or no; for setting up."),
    Setting("encoding", "cp1251", "Code page of the names: cp1251 or cp1250."),
    Setting("reply_s", f"{REPLY_S:g}", "Seconds to wait for an answer."),
)  # fmt: skip


_ALARMS = ("fire", "extinguishing", "gas", "panic", "duress", "medical", "intrusion")
_BY_LOG = {ZONE_ALARM: _ALARMS, TAMPER: ("tamper",), 0x06: ("bypass",), ALARM: _ALARMS, FIRE: ("fire", "extinguishing")}

VITAL = (FIRE, ALARM, ZONE_ALARM, TAMPER)
_WIDE = frozenset(encode(c, b"\x00") for c in (CHANGED, *(c for c, mask in MASKS.items() if mask.of == "zone")))
_PLAIN = _WIDE | {encode(c) for c in (CHANGED, CLOCK, ARMED, *MASKS)}


class Satel:
    """Codec of one INTEGRA."""

    kind = "satel"

    def __init__(self, settings: Mapping[str, str]) -> None:
        refuse_unknown(settings, SETTINGS)
        self.line = line_from(settings, LINE)
        self.silent_after_s: float | None = seconds(settings, "silent_after_s", SILENT_AFTER_S)
        self._more = b"\x00" if one_of(settings, "zones", "128", ("128", "256")) == "256" else b""
        told = one_of(settings, "violations", "yes", ("yes", "no")) == "yes"
        self._read = (*(command for command in MASKS if told or command != VIOLATED), ARMED)
        self._names = one_of(settings, "names", "no", ("yes", "no")) == "yes"
        self._encoding = one_of(settings, "encoding", "cp1251", ("cp1251", "cp1250"))
        self._reply_s = seconds(settings, "reply_s", REPLY_S)
        self._decoder = Decoder()
        self._year: int | None = None
        self._told: set[tuple[int, int]] = set()  # (mask, number) told as active
        self._by_log: set[Point] = set()  # told as active out of the log
        self._armed: dict[int, bool] = {}
        self._cursor: bytes | None = None  # index of the newest record told
        self._wanted_names = [bytes([1, n]) for n in range(1, NAMED_ZONES + 1)]
        self._wanted_names += [bytes([0, n]) for n in range(1, NAMED_PARTITIONS + 1)]
        self._tries: dict[int, int] = {}  # command -> questions in a row without an answer; outlives a lost link
        self._begin()

    def _begin(self) -> None:
        """The whole state has to be read anew."""
        self._decoder.reset()
        self._asked: tuple[int, bytes, float] | None = None  # the one question that is out: command, data, when
        self._complete = False
        self._bits: dict[int, frozenset[int]] = {}
        self._needed: list[int] = [LOG, CLOCK, *self._read]  # to be asked now
        self._unread = set(self._needed)  # has not been read since the beginning
        self._walk: list[Record] = []
        self._walk_misses = 0
        self._mask_since_log = True
        self._refused: set[int] = set()
        self._missed: int | None = None  # the question just given up: another one goes first
        self._mono_s = 0.0
        self._changed_at_s = self._log_at_s = self._refresh_at_s = self._quiet_until_s = float("-inf")

    def resume(self, raw: bytes | None, standing: Collection[Point]) -> None:
        """Before the first byte: the newest kept record of the log, and what stands in our books."""
        for piece in Decoder().feed(raw or b""):
            record = satel_log.read(piece.raw, piece.data, None)
            if piece.command == LOG and record is not None:
                self._cursor = record.index
        by_kind = {(mask.kind, mask.of): command for command, mask in reversed(MASKS.items())}
        for kind, partition, zone in standing:
            of, number = ("zone", zone) if zone is not None else ("partition", partition)
            command = by_kind.get((kind, of))
            if command is not None and (zone is None or partition is None) and number and number.isdigit():
                self._told.add((command, int(number)))
            else:
                self._by_log.add((kind, partition, zone))

    def reset(self) -> None:
        """The line was opened, or the panel was not heard: read everything anew, from the beginning of a frame."""
        self._begin()

    def feed(self, data: bytes) -> list[Frame]:
        """Take bytes off the line; return what they complete. Never raises, whatever the bytes."""
        return [frame for piece in self._decoder.feed(data) for frame in self._take(piece)]

    def may_send(self, data: bytes) -> bool:
        """The whole allow-list: the masks, the clock, what changed, one record of the log, one name."""
        if data in _PLAIN:
            return True
        (piece, *more) = Decoder().feed(data) or [Piece(b"", fault="nothing")]
        if more or piece.fault or piece.busy or encode(piece.command, piece.data) != data:
            return False
        of_log = piece.command == LOG and len(piece.data) == satel_log.INDEX_BYTES
        return of_log or (piece.command == NAME and len(piece.data) == 2 and piece.data[0] in (0, 1))

    # -- what to ask next

    def tick(self, mono_s: float) -> bytes:
        """The next question, when none is out or the one that is was given up."""
        self._mono_s = mono_s
        if self._asked is not None:
            command, _, asked_at_s = self._asked
            if mono_s - asked_at_s < self._reply_s:
                return b""
            self._asked = None
            self._unanswered(command)
        if mono_s < self._quiet_until_s:
            return b""
        question = self._next(mono_s)
        if question is None:
            return b""
        self._asked = (*question, mono_s)
        return encode(*question)

    def _next(self, mono_s: float) -> tuple[int, bytes] | None:
        """The first thing there is to ask; what was just given up only when there is nothing else."""
        if mono_s - self._refresh_at_s >= REFRESH_EVERY_S:
            self._refresh_at_s = mono_s
            self._need(CLOCK, *self._read)
        asking = [question for question in self._questions(mono_s) if question[0] not in self._refused]
        chosen = next((question for question in asking if question[0] != self._missed), asking[0] if asking else None)
        self._missed = None
        if chosen is not None and chosen[0] == CHANGED:
            self._changed_at_s = mono_s
        elif chosen == (LOG, NEWEST):
            self._log_at_s, self._mask_since_log = mono_s, False
        elif chosen is not None and chosen[0] != LOG:
            self._mask_since_log = True
        return chosen

    def _questions(self, mono_s: float) -> Iterator[tuple[int, bytes]]:
        if mono_s - self._changed_at_s >= self._every_s(CHANGED, CHANGED_EVERY_S):
            yield CHANGED, self._more
        if self._walk and (len(self._walk) < SHORT_WALK or not self._needed):
            yield LOG, self._walk[-1].index
        elif not self._walk and (LOG in self._needed or self._log_is_due(mono_s)):
            yield LOG, NEWEST
        for command in self._needed:
            if command != LOG:
                of_zones = command in MASKS and MASKS[command].of == "zone"
                yield command, self._more if of_zones else b""
        if self._names and self._complete and self._wanted_names:
            yield NAME, self._wanted_names[0]

    def _log_is_due(self, mono_s: float) -> bool:
        """On a bad line everything takes long, and the log must not push the masks aside."""
        due = mono_s - self._log_at_s >= self._every_s(LOG, LOG_EVERY_S)
        return due and (self._mask_since_log or not self._needed)

    def _every_s(self, command: int, often_s: float) -> float:
        return DEAF_EVERY_S if self._tries.get(command, 0) >= DEAF_TRIES else often_s

    def _need(self, *commands: int) -> None:
        self._needed += [c for c in commands if c not in self._needed and c not in self._refused]

    def _unanswered(self, command: int) -> None:
        """Nothing came in time: the others first. Without fire, alarm and tamper the state is not known, ever."""
        self._missed = command
        self._tries[command] = self._tries.get(command, 0) + 1
        if command == NAME:
            self._wanted_names = self._wanted_names[1:]
        elif command == LOG and self._walk:
            self._walk_misses += 1
        if command in self._needed:
            self._needed.remove(command)
            if command in VITAL:
                self._needed.insert(2 * self._tries[command], command)  # soon again, but not for ever before all else
            elif command != LOG and self._tries[command] < MOST_TRIES:
                self._needed.append(command)
        if command not in VITAL and self._tries[command] >= MOST_TRIES:
            self._unread.discard(command)

    # -- what was said

    def _take(self, piece: Piece) -> list[Frame]:
        if piece.busy:
            self._asked, self._quiet_until_s = None, self._mono_s + BUSY_S
            return [Frame(piece.raw)]
        if piece.fault is not None:
            return [Frame(piece.raw, fault=piece.fault)]
        command = piece.command
        wrong = self._wrong(piece)
        if wrong is not None:
            return [Frame(piece.raw, fault=wrong)]
        if command == RESULT:
            return self._result(piece)
        if self._asked is not None and self._asked[0] == command:
            self._asked = None
        self._tries[command] = 0
        events = self._read_answer(piece)
        self._answered(command)
        return self._finish(piece, events)

    def _answered(self, command: int) -> None:
        self._unread.discard(command)
        if command in self._needed:
            self._needed.remove(command)

    def _finish(self, piece: Piece, events: list[PanelEvent]) -> list[Frame]:
        """Each record of the log is a frame of its own: what is kept of a walk that is cut short has no holes."""
        if self._walk and self._walk_misses >= WALK_TRIES:
            events = self._publish(lost=True) + events
        if not self._complete and not self._unread and (not self._walk or len(self._walk) >= SHORT_WALK):
            self._complete = True
            events += self._over(piece.raw)
        frames = [Frame(event.raw or piece.raw, (event,), news=True) for event in events if of_log(event)]
        states = tuple(event for event in events if not of_log(event))
        return [*frames, Frame(piece.raw, states, alive=self._complete, news=True)]

    def _wrong(self, piece: Piece) -> str | None:
        sizes = {CHANGED: (5, 6), CLOCK: (9,), RESULT: (1,), LOG: (14,), ARMED: (4,)}
        sizes |= {command: (16, 32) if mask.of == "zone" else (4,) for command, mask in MASKS.items()}
        if piece.command == NAME:
            return None if 19 <= len(piece.data) <= 20 else "a name of the wrong length"
        if piece.command not in sizes:
            return f"an answer to {piece.command:02X}, which we never ask"
        return None if len(piece.data) in sizes[piece.command] else f"{piece.command:02X} of the wrong length"

    def _result(self, piece: Piece) -> list[Frame]:
        """EF: anything but 00 and FF says that the panel does not know what we asked."""
        asked, self._asked = self._asked, None
        if asked is None or piece.data[0] in (0x00, 0xFF):
            return self._finish(piece, [])
        command = asked[0]
        events: list[PanelEvent] = []
        if command == NAME:
            self._wanted_names = self._wanted_names[1:]
        elif command == LOG and self._walk:
            events = self._publish(lost=True)
        else:
            self._refused.add(command)
        self._answered(command)
        return self._finish(piece, events)

    def _read_answer(self, piece: Piece) -> list[PanelEvent]:
        command, data = piece.command, piece.data
        if command == CHANGED:
            changed = bits(data, 0)
            known = [mask for mask in self._read if mask in changed]
            if known:
                self._need(LOG, *known)
            return []
        if command == CLOCK:
            year = bcd(data[0]) * 100 + bcd(data[1])
            self._year = year if 2000 <= year < 2100 else None
            return []
        if command == LOG:
            return self._logged(piece)
        if command == NAME:
            return self._named(piece)
        return self._armed_now(piece) if command == ARMED else self._masked(piece)

    # -- masks

    def _masked(self, piece: Piece) -> list[PanelEvent]:
        """What is newly active is told at once; what is not any more, once the whole state was read."""
        command, now = piece.command, bits(piece.data, 1)
        self._bits[command] = now
        events = []
        for number in sorted(now):
            if (command, number) not in self._told and not self._known(command, number):
                self._told.add((command, number))
                events.append(state(command, number, piece.raw, active=True))
        return events + (self._ended(command, piece.raw) if self._complete else [])

    def _known(self, command: int, number: int) -> bool:
        """Whether this was told already, by the log or by a mask that says more."""
        if command == ALARM and number in self._bits.get(FIRE, ()):
            return True
        if command == ZONE_ALARM and self._bits.get(FIRE):
            return True  # which of the zones in alarm is the fire, the mask does not say; its partition was told
        of = 2 if MASKS[command].of == "zone" else 1
        kinds = _BY_LOG.get(command, ())
        return any(point[of] == str(number) and point[0].split(".")[0] in kinds for point in self._by_log)

    def _ended(self, command: int, raw: bytes) -> list[PanelEvent]:
        over = sorted(n for c, n in self._told if c == command and n not in self._bits.get(command, ()))
        self._told -= {(command, number) for number in over}
        return [state(command, number, raw, active=False) for number in over]

    def _over(self, raw: bytes) -> list[PanelEvent]:
        """The whole state was read: what stands in the books and is not so any more is over."""
        events = [event for command in self._read if command in self._bits for event in self._ended(command, raw)]
        for point in sorted(self._by_log, key=str):
            if self._is_over(point):
                self._by_log.discard(point)
                kind, partition, zone = point
                events.append(PanelEvent(kind, "restored", zone=zone, partition=partition, text="Read as over",
                                         raw=raw, flags=("status",)))  # fmt: skip
        return events

    def _is_over(self, point: Point) -> bool:
        """Whether no mask has anything of this alarm or tamper left. Anything else only the log can end."""
        kind, partition, zone = point
        masks = {"fire": (ZONE_ALARM, FIRE), "intrusion": (ZONE_ALARM, ALARM), "tamper": (TAMPER,)}.get(
            kind.split(".")[0]
        )
        if masks is None or zone is None or any(command not in self._bits for command in masks):
            return False
        numbers = {"zone": zone, "partition": partition}
        return not any(numbers[MASKS[c].of] in {str(n) for n in self._bits[c]} for c in masks)

    def _armed_now(self, piece: Piece) -> list[PanelEvent]:
        armed = bits(piece.data, 1)
        first = not self._armed
        events = []
        for number in range(1, 33):
            now = number in armed
            before = self._armed.get(number)
            self._armed[number] = now
            if now != before and (now or not first):
                kind, text = ("arm", "Armed") if now else ("disarm", "Disarmed")
                events.append(PanelEvent(kind, "info", partition=str(number), text=text, raw=piece.raw,
                                         flags=("status",), code="0A"))  # fmt: skip
        return events

    # -- the log and the names

    def _logged(self, piece: Piece) -> list[PanelEvent]:
        record = satel_log.read(piece.raw, piece.data, self._year)
        if record is None:
            return []
        if record.asked == NEWEST and not self._walk:
            if record.empty or record.index == self._cursor:
                return []
            if self._cursor is None:  # the first look at this panel: what was before us is history
                self._cursor = record.index
                return [replace(record.event, flags=("history", *record.event.flags))] if record.event else []
            self._walk = [record]
            return []
        if not self._walk or record.asked != self._walk[-1].index:
            self._walk_misses += bool(self._walk)
            return []  # late, or of another question
        if record.index == self._cursor:
            return self._publish(lost=False)
        looped = any(record.index == walked.index for walked in self._walk)
        if record.empty or looped or len(self._walk) >= MOST_WALK:
            return self._publish(lost=True)
        self._walk.append(record)
        self._walk_misses = 0
        return []

    def _publish(self, *, lost: bool) -> list[PanelEvent]:
        """Oldest first. `lost`: the walk never met the record we know, so there were more."""
        events = [walked.event for walked in reversed(self._walk) if walked.event is not None]
        self._cursor, self._walk, self._walk_misses = self._walk[0].index, [], 0
        if lost:
            gone = PanelEvent("info", "info", text="Events lost", flags=("events-lost",))
            events.insert(0, gone)
            self._need(*self._read)
        for event in events:
            point = (event.kind, event.partition, event.zone)
            if event.state == "active":
                self._by_log.add(point)
            elif event.state == "restored":
                self._by_log.discard(point)
        return events

    def _named(self, piece: Piece) -> list[PanelEvent]:
        asked, self._wanted_names = self._wanted_names[:1], self._wanted_names[1:]
        name = piece.data[3:19].decode(self._encoding, "replace").strip(" \0")
        if piece.data[:2] not in asked or not name:
            return []
        number = str(piece.data[1])
        of_zone = piece.data[0] == 1
        return [PanelEvent("info", "info", zone=number if of_zone else None, partition=None if of_zone else number,
                           text=name, raw=piece.raw, flags=("name",))]  # fmt: skip
