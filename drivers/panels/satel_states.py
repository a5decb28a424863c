"""The bit fields an INTEGRA answers with: what a set bit means. Zones and partitions are counted from 1."""

from __future__ import annotations

from dataclasses import dataclass

from drivers.types import PanelEvent


@dataclass(frozen=True, slots=True)
class Mask:
    """A bit field: what a set bit means. `of` is what its bits count."""

    kind: str
    name: str
    of: str


FIRE, ALARM, ZONE_ALARM, TAMPER, VIOLATED, ARMED = 0x14, 0x13, 0x02, 0x01, 0x00, 0x0A

# In the order they are read: what a lower one would tell again may be known by then.
MASKS = {
    FIRE: Mask("fire.alarm", "Fire alarm", "partition"),
    ALARM: Mask("intrusion.alarm", "Intrusion alarm", "partition"),
    ZONE_ALARM: Mask("intrusion.alarm", "Zone in alarm", "zone"),
    TAMPER: Mask("tamper", "Detector tamper", "zone"),
    0x06: Mask("bypass", "Zone disabled", "zone"),
    0x08: Mask("fault", "Zone violated for too long", "zone"),
    VIOLATED: Mask("zone.open", "Zone violated", "zone"),
}


def state(command: int, number: int, raw: bytes, *, active: bool) -> PanelEvent:
    """One bit as an event: read, not reported."""
    mask = MASKS[command]
    zone, partition = (str(number), None) if mask.of == "zone" else (None, str(number))
    return PanelEvent(mask.kind, "active" if active else "restored", zone=zone, partition=partition, text=mask.name,
                      raw=raw, flags=("status",), code=f"{command:02X}")  # fmt: skip


def bits(data: bytes, first: int) -> frozenset[int]:
    """Numbers of the set bits, lowest bit of the first byte first."""
    return frozenset(first + 8 * n + bit for n, byte in enumerate(data) for bit in range(8) if byte >> bit & 1)


def bcd(byte: int) -> int:
    """Two decimal digits in a byte."""
    return (byte >> 4) * 10 + (byte & 0x0F)
