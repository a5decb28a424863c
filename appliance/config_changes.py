"""What changed in the site's configuration and its region profile since the last start, entered with the difference.

The text last seen lies beside the database, readable to the service alone, as the configuration itself is: it may hold
a panel's codes. The entry never does (`differences`).
"""

from __future__ import annotations

import hashlib
import json
import logging
from contextlib import suppress
from pathlib import Path
from typing import Any

from appliance import box_events, differences, durable, journal, store
from appliance import config as configuration
from appliance.clock import Clock
from appliance.config import Config
from appliance.differences import Flat
from appliance.model import Actor
from appliance.store import Database

log = logging.getLogger(__name__)

SUBJECT = "config"


def note(db: Database, config: Config, clock: Clock) -> int | None:
    """Compare with what was last seen and enter what differs; the first time there is nothing to compare with.

    Opens its own transaction. The new text is on disk before the entry, the old one goes after it: a kill at any step
    neither loses a change nor enters it twice. A folder that cannot be used (made by root, a full disk) is said and
    stops nothing: that it changed is entered all the same, without the difference.
    """
    now: Flat = {}
    for prefix, table in configuration.tables(config).items():
        now |= {f"{prefix}{key}": value for key, value in differences.flat(table).items()}
    text = json.dumps(now, ensure_ascii=False, sort_keys=True)
    name = hashlib.sha256(text.encode()).hexdigest()
    last = box_events.known(db, SUBJECT)
    if last is not None and last.value == name:
        return None
    folder = config.data / "config-seen"
    entry = None
    try:
        durable.write(folder / f"{name}.json", text.encode())
    except OSError as cause:
        log.error("the configuration could not be kept for the next comparison in %s: %s", folder, cause.strerror)
    with store.transaction(db):
        if last is not None:
            entry = journal.append(db, clock, "config.changed", Actor.service("init"), **_told(folder, last.value, now))
        box_events.remember(db, clock, SUBJECT, name)
    with suppress(OSError):  # what cannot be removed was said above, or is only left over
        for old in folder.iterdir():
            if old.name != f"{name}.json":
                old.unlink()
    return entry


def _told(folder: Path, before: str, now: Flat) -> dict[str, Any]:
    """The difference; when the old text is gone or was tampered with, that is said instead of a difference."""
    try:
        text = (folder / f"{before}.json").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as cause:
        log.error("the configuration last seen cannot be read: %s", cause)
        text = ""
    if hashlib.sha256(text.encode()).hexdigest() != before:
        return {**differences.told([]), "old_text_lost": True, "shown": "?"}
    return differences.told(differences.between(json.loads(text), now))
