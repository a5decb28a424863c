"""Where a С2000-ПП keeps what: addresses on the wire (panels.md 3), and the whole list of what may be asked or written.

Counters (46180) are not in it: polling one on a radio water meter made unrelated zones fall silent.
"""

from __future__ import annotations

from collections.abc import Iterator

from drivers.panels.modbus import HOLDING, INPUT, WRITE, Request

ZONES = 512
ZONE_STATES = 40000  # FC 3: two codes a zone, the graver one first
PARTITION_STATES = 44096  # FC 3; from an engineer's memory, so a refusal only means that they are not read
VERSION = 46152  # FC 3: type, version
QUEUE_COUNTS = 46160  # FC 3: newest, oldest, number of unread
ACKNOWLEDGE = 46163  # FC 6: event number
SELECT_EXPANDED, EXPANDED_OLD = 46176, 46192  # FC 6 zone, then FC 3: the expanded states of old firmware
QUEUE = 46264  # FC 3: the oldest unread event
VALUE = 46328  # FC 3: what was selected
TABLE = 0  # FC 4: address in Orion, local zone, partition, type
PARTITION_IDS = 2560  # FC 4
EXPANDED = 4096  # FC 4: 16 codes a zone
NUMERIC = {6: 46179, 8: 46181}  # type of a zone -> selector
SELECTORS = frozenset(NUMERIC.values())

WRITABLE = frozenset({ACKNOWLEDGE, SELECT_EXPANDED, *SELECTORS})
_READABLE = (
    (INPUT, TABLE, 4 * ZONES),
    (INPUT, PARTITION_IDS, 64),
    (INPUT, EXPANDED, 16 * ZONES),
    (HOLDING, ZONE_STATES, ZONES),
    (HOLDING, PARTITION_STATES, 64),
    (HOLDING, VERSION, 2),
    (HOLDING, QUEUE_COUNTS, 3),
    (HOLDING, EXPANDED_OLD, 8),
    (HOLDING, QUEUE, 14),
    (HOLDING, VALUE, 1),
)


def allowed(request: Request, unit: int, *, shadow: bool) -> bool:
    """The driver's allow-list."""
    if request.unit != unit:
        return False
    if request.function == WRITE:
        return not shadow and request.address in WRITABLE
    return any(
        request.function == function and first <= request.address and request.address + request.count <= first + count
        for function, first, count in _READABLE
    )


def chunks(zones: int, size: int) -> Iterator[tuple[int, int]]:
    """Zones 1 to `zones` in pieces of `size`."""
    for first in range(1, zones + 1, size):
        yield first, min(size, zones - first + 1)
