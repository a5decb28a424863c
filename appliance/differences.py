"""What differs between two readings of the same thing, as key paths with their old and new values. Secrets never.

For the configuration and for what a camera tells of itself: the journal keeps the difference, people read it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

NAMES = ("id", "code", "token", "name", "number", "room_kind")  # what a member of a list is called by
SECRET = re.compile(r"passw|secret|token$|(^|[._-])(psk|pin|key)$", re.IGNORECASE)
NO_SECRET = re.compile(r"_file$|^signin\.", re.IGNORECASE)  # a file's name, and how long a password must be
INSTALLER = re.compile(r"^panel\..*\.settings\..*(code|pin|key|user)", re.IGNORECASE)  # a panel's own access codes
HIDDEN = "•••"
LONGEST = 120
MOST = 100  # differences in one entry; the number of all is kept beside them

Flat = dict[str, str | int | bool]


def flat(value: Any, path: str = "") -> Flat:
    """Tables and lists as key path -> value: `camera.corridor-2.onvif`. A float becomes text, None is left out."""
    return dict(_walk(value, path))


def _walk(value: Any, path: str) -> Iterator[tuple[str, str | int | bool]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _walk(item, f"{path}.{key}" if path else str(key))
    elif isinstance(value, Sequence) and not isinstance(value, str):
        if any(isinstance(item, Mapping) for item in value):
            for name, item in _named(value):
                yield from _walk(item, f"{path}.{name}" if path else name)
        else:
            yield path, ", ".join(str(item) for item in value)
    elif isinstance(value, bool | int | str):
        yield path, value
    elif value is not None:
        yield path, str(value)


def _named(items: Sequence[Any]) -> Iterator[tuple[str, Any]]:
    """Members by their own names, so that one put in between does not change all that follow; else by their place."""
    plain = [str(item[key]) if isinstance(item, Mapping) and key else ""
             for item in items for key in [_key(item)]]  # fmt: skip
    for place, (name, item) in enumerate(zip(plain, items, strict=True), 1):
        yield (name if name and plain.count(name) == 1 else f"{name}[{place}]"), item


def _key(item: Any) -> str:
    return next((key for key in NAMES if isinstance(item, Mapping) and isinstance(item.get(key), str | int)), "")


def between(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[dict[str, Any]]:
    """`{"key", "before", "after"}` of every path that differs, in order; null for one that is not there."""
    return [
        {"key": key, "before": _said(key, before.get(key)), "after": _said(key, after.get(key))}
        for key in sorted({*before, *after})
        if before.get(key) != after.get(key)
    ]


def _said(key: str, value: Any) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if INSTALLER.search(key) or (SECRET.search(key) and not NO_SECRET.search(key)):
        return HIDDEN
    return value if isinstance(value, int) else str(value)[:LONGEST]


def told(found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The data an entry carries: the differences, how many there are, and the first few in one line for people."""
    line = "; ".join(f"{one['key']}: {_shown(one['before'])} → {_shown(one['after'])}" for one in found[:3])
    return {"differences": list(found[:MOST]), "count": len(found), "shown": line + (" …" if len(found) > 3 else "")}


def _shown(value: Any) -> str:
    return "—" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
