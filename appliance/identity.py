"""Which box and which journal this is: box id, epoch, signing key. Made once, by `examsite init`.

The epoch counts the journals this box has begun: a database that starts afresh beside an older key is a new epoch,
under a name and a key of its own, and never passes for the journal before it. docs/journal-checkpoints.md
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

from appliance import durable, notes, store
from appliance.clock import Clock
from appliance.config import Config
from appliance.model import N_, ApplianceError
from appliance.notes import NoteError, Signer
from appliance.store import Database

KEY_LOST = N_(
    "The journal's signing key {path} is missing or is another journal's: {cause}. The journal is kept on, its"
    " checkpoints are not signed. Call the administrator."
)


@dataclass(frozen=True, slots=True)
class Identity:
    """`origin` names this journal in its checkpoints and is never changed; both it and `vkey` are '' before init."""

    box: str
    epoch: int
    zone: str
    origin: str
    vkey: str
    clock_state: str
    clock_offset_ms: int | None
    clock_boot: str | None
    clock_mono_ms: int | None

    def offset(self, at: datetime) -> str:
        """+05:00: what the site's clocks on the wall showed against UTC."""
        minutes = round((at.astimezone(ZoneInfo(self.zone)).utcoffset() or at - at).total_seconds() / 60)
        hours, rest = divmod(abs(minutes), 60)
        return f"{'-' if minutes < 0 else '+'}{hours:02d}:{rest:02d}"

    def clock(self, clock: Clock) -> dict[str, Any]:
        """How good the box's clock was when last looked at, and how long ago; a look before a reboot says nothing."""
        if self.clock_mono_ms is None or self.clock_boot != clock.boot():
            return {"state": "unknown", "offset_ms": None, "age_s": None}
        age_s = max(0, int(clock.mono_s() - self.clock_mono_ms / 1000))
        return {"state": self.clock_state, "offset_ms": self.clock_offset_ms, "age_s": age_s}


def of(db: Database) -> Identity:
    """Who this box is. The schema gives every new database an id, so that no entry is ever without one."""
    row = db.row("select * from box")
    if row is None:
        raise ApplianceError(
            N_("The database does not say which box this is. Leave the box on and call the administrator.")
        )
    return Identity(**{name: value for name, value in row.items() if name != "id"})


def note_clock(db: Database, clock: Clock, synchronised: bool | None, offset_s: float | None) -> None:
    """Keep what was just learnt of the box's clock; every entry says it. Opens its own transaction."""
    state = {True: "synchronised", False: "free", None: "unknown"}[synchronised]
    offset_ms = None if offset_s is None else round(offset_s * 1000)
    with store.transaction(db):
        db.write("update box set clock_state = ?, clock_offset_ms = ?, clock_boot = ?, clock_mono_ms = ?",
                 (state, offset_ms, clock.boot(), int(clock.mono_s() * 1000)))  # fmt: skip


def key_path(config: Config) -> Path:
    return config.data / "keys" / "journal.key"


def begin(db: Database, config: Config) -> bool:
    """Give the journal its name and its key, once; True when that was now. Safe to repeat, also after a power cut."""
    with store.transaction(db):
        known = of(db)
        if known.zone != config.site.timezone:
            db.write("update box set zone = ?", (config.site.timezone,))
        if known.origin:
            return False
        box, epoch = known.box, known.epoch
        old = _old_key(config)
        if old is not None and old.name != _origin(config, box, epoch):  # the key of a journal that is no longer here
            if db.value("select 1 from journal limit 1") is None:
                box, epoch = _next_epoch(old.name)
            _put_aside(config, old)
            old = None
        signer = old or Signer.generate(_origin(config, box, epoch))
        if old is None:
            durable.write(key_path(config), f"{signer.skey}\n".encode())
        db.write("update box set box = ?, epoch = ?, origin = ?, vkey = ?",
                 (box, epoch, signer.name, signer.verifier.vkey))  # fmt: skip
    return True


def signer(db: Database, config: Config) -> Signer:
    """The journal's private key. Raises ApplianceError when it is not there, or not this journal's."""
    path, known = key_path(config), of(db)
    try:
        found = notes.signer(path.read_text(encoding="ascii"))
    except (OSError, NoteError, UnicodeDecodeError) as cause:
        raise ApplianceError(KEY_LOST, path=str(path), cause=str(cause)) from cause
    if found.verifier.vkey != known.vkey:
        raise ApplianceError(KEY_LOST, path=str(path), cause=found.name)
    return found


def _origin(config: Config, box: str, epoch: int) -> str:
    """examsite/<profile>/<site>/<box>/<epoch>, in ASCII without spaces or plus (C2SP signed-note)."""
    return f"examsite/{quote(config.profile.id, safe='')}/{quote(config.site.code, safe='')}/{box}/{epoch}"


def _next_epoch(origin: str) -> tuple[str, int]:
    *_, box, epoch = origin.split("/")
    return box, int(epoch) + 1


def _old_key(config: Config) -> Signer | None:
    path = key_path(config)
    if not path.exists():
        return None
    try:
        found = notes.signer(path.read_text(encoding="ascii"))
        _next_epoch(found.name)
    except (NoteError, ValueError) as cause:
        raise ApplianceError(KEY_LOST, path=str(path), cause=str(cause)) from cause
    return found


def _put_aside(config: Config, old: Signer) -> None:
    """The old key is kept: checkpoints of the older journal may still be about."""
    path = key_path(config)
    path.rename(path.with_name("journal-" + "-".join(old.name.split("/")[-2:]) + ".key"))
