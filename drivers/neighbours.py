"""Who answers for which address on the box's own networks: the kernel's neighbour table, IPv4."""

from __future__ import annotations

from pathlib import Path

TABLE = Path("/proc/net/arp")
COMPLETE = 0x2  # linux/if_arp.h, ATF_COM: the hardware address is known


def hardware_addresses(table: Path = TABLE) -> dict[str, str]:
    """IP address to MAC, as last heard. Empty where the kernel keeps no such table."""
    try:
        lines = table.read_text(encoding="ascii").splitlines()[1:]
    except OSError:
        return {}
    found = (line.split() for line in lines)
    return {each[0]: each[3].lower() for each in found if len(each) >= 4 and int(each[2], 16) & COMPLETE}
