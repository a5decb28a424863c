"""What stands in each zone of a С2000-ПП: told by its events, checked against its states.

Events say when, states say what is true. What both say is told once; what only the states say is told with the flag
`status`. No lasting code is called over on a reading that may not have shown it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from drivers.panels import bolid_codes
from drivers.panels.bolid_codes import meaning
from drivers.panels.bolid_record import Record
from drivers.types import EventState, PanelEvent, Point

# Classes of which several can stand at one point, told apart by their code (docs/panels.md, Alarms).
BY_CODE = frozenset({"fault", "mains.loss", "battery.low", "flood.alarm", "tech.alarm", "access", "bypass", "test"})
STATUS = ("status",)


def is_active(code: int) -> bool:
    """Whether a code in a zone's states is something that stands. Duress is: the panel shows it until it is reset."""
    found = meaning(code)
    return found.lasting or found.kind == "duress"


def may_hide(codes: Sequence[int]) -> bool:
    """Whether a register with these two codes may hide a third one that stands."""
    return len(codes) > 1 and is_active(codes[0])


class States:
    """The lasting codes of each point: a zone's number, or the text of an output or a partition."""

    def __init__(self) -> None:
        self._known: dict[int | str, set[int]] = {}
        self._read: set[int | str] = set()  # points whose whole state was told since the last `forget`
        self._booked: dict[str, set[str]] = {}  # zone -> classes, until the zone is read
        self._armed: dict[int, str] = {}
        self._unseen: dict[int, set[int]] = {}  # zone -> codes told by events, that no reading has shown yet

    def stands(self, standing: Iterable[Point]) -> None:
        """What our books hold as active: the first reading says what of it is over."""
        for kind, _, zone in standing:
            if zone is not None and kind not in BY_CODE and bolid_codes.first_of(kind):
                self._booked.setdefault(zone, set()).add(kind)

    def forget(self) -> None:
        """The link was lost, or events were: every point is told anew."""
        self._read.clear()
        self._armed.clear()
        self._unseen.clear()

    def by_event(self, record: Record, partition: str | None, raw: bytes, flags: tuple[str, ...]) -> list[PanelEvent]:
        """What one event of the queue says."""
        zone = str(record.zone) if record.zone else f"R{record.relay}" if record.relay else None
        point: int | str = record.zone or zone or f"P{record.partition}"
        known = self._known.setdefault(point, set())
        found = meaning(record.code)
        value = None if record.relay_state is None else float(record.relay_state)

        def event(code: int, state: EventState, kind: str = found.kind, name: str = found.name) -> PanelEvent:
            user = None if record.user is None else str(record.user)
            return PanelEvent(kind=kind, state=state, zone=zone, partition=partition, user=user, value=value,
                              text=name, panel_time=record.at, raw=raw, flags=flags, code=str(code))  # fmt: skip

        if found.ends:
            ended = [code for code in found.ends if code in known] or [found.ends[0]]
            known.difference_update(ended)
            return [event(code, _over(code, known), meaning(code).kind, meaning(code).name) for code in ended]
        if found.lasting:
            known.add(record.code)
            if record.zone:
                self._unseen.setdefault(record.zone, set()).add(record.code)
        if record.zone:
            self._arms(record.zone, record.code)
        if record.code == 237:  # disarmed, and not of free will
            disarmed = meaning(bolid_codes.PARTITION_DISARMED)
            return [event(record.code, "active"), event(record.code, "info", disarmed.kind, disarmed.name)]
        return [event(record.code, "active" if is_active(record.code) else "info")]

    def by_reading(
        self, zone: int, codes: Sequence[int], partition: str | None, raw: bytes, *, whole: bool
    ) -> list[PanelEvent]:
        """What the states of a zone say that was not known. `whole`: no other code can be hidden behind these."""
        known = self._known.setdefault(zone, set())
        active = [code for code in codes if is_active(code)]
        first = zone not in self._read
        self._read.add(zone)
        now = set(active) if whole else known | set(active)
        # What an event just said may not be in the register yet: it is over when the next reading misses it too.
        fresh = self._unseen.pop(zone, set()) & known
        now |= fresh

        def event(code: int, state: EventState) -> PanelEvent:
            found = meaning(code)
            return PanelEvent(kind=found.kind, state=state, zone=str(zone), partition=partition, text=found.name,
                              raw=raw, flags=STATUS, code=str(code))  # fmt: skip

        begun = [event(code, "active") for code in active if code not in known]
        over = [code for code in sorted(known - now) if meaning(code).lasting and _over(code, now) == "restored"]
        self._known[zone] = now
        events = begun + [event(code, "restored") for code in over]
        if first:
            for code in codes:
                ends = meaning(code).ends
                if ends and not now.intersection(ends) and ends[0] not in over and _over(ends[0], now) == "restored":
                    events.append(event(ends[0], "restored"))
            if whole:
                booked = self._booked.pop(str(zone), set()) - {told.kind for told in events}
                gone = booked - {meaning(code).kind for code in now}
                events += [event(bolid_codes.first_of(kind), "restored") for kind in sorted(gone)]
                events.append(_all_of(zone, partition, now, raw))
        for code in codes:
            if self._arms(zone, code):
                events.append(event(code, "info"))
        return events

    def _arms(self, zone: int, code: int) -> bool:
        """Whether this code says of a zone that it is armed or disarmed, and was not known to be."""
        kind = meaning(code).kind
        if kind not in ("arm", "disarm") or self._armed.get(zone) == kind:
            return False
        self._armed[zone] = kind
        return True


def _over(code: int, others: set[int]) -> EventState:
    """What the end of a code is: the end of its class at this point, or only news while another code of it stands."""
    kind = meaning(code).kind
    if kind not in BY_CODE and any(meaning(other).kind == kind for other in others):
        return "info"
    return "restored"


def _all_of(zone: int, partition: str | None, now: set[int], raw: bytes) -> PanelEvent:
    """The whole state of a zone, read anew: whatever else was standing there is over."""
    still = {
        f"still:{meaning(code).kind}:{code}" if meaning(code).kind in BY_CODE else f"still:{meaning(code).kind}"
        for code in now
    }
    return PanelEvent(kind="info", state="restored", zone=str(zone), partition=partition, text="Whole state read",
                      raw=raw, flags=(*STATUS, "any-class", *sorted(still)))  # fmt: skip
