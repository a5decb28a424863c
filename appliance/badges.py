"""Cards and keys that a USB reader types: whose is the one just held to it? Given with the person's own password.

A card's number has few bits (a 4-byte chip has 32), so a plain hash of it could be guessed back. It is kept as
HMAC-SHA256 under a key of this box that lies beside the database, in `keys/badge.key`: a copy of the table names no
card. A lost key file only means that every card is given anew.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import secrets
from dataclasses import dataclass

from appliance import accounts, durable, journal, store
from appliance.clock import Clock, iso
from appliance.config import Config
from appliance.model import N_, Actor, ApplianceError, Person, Personal
from appliance.store import Database

SHORTEST, LONGEST = 6, 200  # characters a reader types; less is somebody's finger
# A reader sends key positions: at a desk set to Russian the number A1F4 arrives as Ф1А4.
LAYOUT = str.maketrans("ЙЦУКЕНГШЩЗФЫВАПРОЛДЯЧСМИТЬ", "QWERTYUIOPASDFGHJKLZXCVBNM")

REFUSED = N_("This card is not known here, or was revoked.")


@dataclass(frozen=True, slots=True)
class Badge:
    """A card somebody holds, or held. Its number is nowhere."""

    id: int
    login: str
    label: str
    added_at: str
    revoked_at: str | None


def give(
    db: Database, config: Config, clock: Clock, actor: Person, login: str, password: str, typed: str, label: str,
    address: str = "console",
) -> int:  # fmt: skip
    """Give somebody a card; returns its number in the list. They prove with their password that it is they who get it.

    Without that an administrator could sign for everybody. Raises ApplianceError when it is somebody's already.
    """
    hashed, label = _hash(config, typed), label.strip()[:60]
    if not label:
        raise ApplianceError(N_("Name the card: what is printed on it, or where it is kept."))
    who = accounts.check_password(db, config, clock, login, password, address)
    with store.transaction(db):
        holder = db.value("select login from badge where token_hash = ? and revoked_at is null", (hashed,))
        if holder is not None:
            raise ApplianceError(N_("This card is given already: {login}. Revoke it there first."), login=holder)
        number = db.write(
            "insert into badge (login, token_hash, label, added_at) values (?, ?, ?, ?) returning id",
            (who.login, hashed, label, iso(clock.now())),
        ).fetchone()[0]
        journal.append(db, clock, "badge.added", Actor.person(actor), login=Personal(who.login), label=Personal(label))
    return int(number)


def of(db: Database, login: str) -> list[Badge]:
    """The cards of a person, the newest first."""
    rows = db.rows("select id, login, label, added_at, revoked_at from badge where login = ? order by id desc",
                   (login,))  # fmt: skip
    return [Badge(**row) for row in rows]


def revoke(db: Database, clock: Clock, actor: Person, badge_id: int) -> None:
    """A card is lost or handed back: it opens nothing from now on. Revoking it again is nothing."""
    with store.transaction(db):
        row = db.write("update badge set revoked_at = ? where id = ? and revoked_at is null returning login, label",
                       (iso(clock.now()), badge_id)).fetchone()  # fmt: skip
        if row is not None:
            journal.append(db, clock, "badge.revoked", Actor.person(actor), login=Personal(row[0]),
                           label=Personal(row[1]))  # fmt: skip


def whose(db: Database, config: Config, clock: Clock, typed: str, address: str = "console") -> Person:
    """The person whose card this is. Raises ApplianceError, counts the failure, and pauses after too many.

    What was typed has no login to count against: it counts against cards from this address, so that guessing at one
    desk stops no card at another, and no password.
    """
    subjects = [f"card:{address}", f"address:{address}"]
    accounts.hold(db, clock, subjects)
    row = None
    with contextlib.suppress(ApplianceError):  # too short for a card: refused and counted like any other
        row = db.row("select p.login from badge b join person p on p.login = b.login where b.token_hash = ?"
                     " and b.revoked_at is null and p.disabled_at is null", (_hash(config, typed),))  # fmt: skip
    if row is None:
        accounts.count_refusal(db, config, clock, subjects, "badge.refused", address=address)
        raise ApplianceError(REFUSED)
    accounts.forgive(db, subjects[0])
    return accounts.get(db, row["login"])


def _hash(config: Config, typed: str) -> str:
    number = "".join(sign for sign in typed.upper().translate(LAYOUT) if sign.isascii() and sign.isalnum())
    if not SHORTEST <= len(number) <= LONGEST:
        raise ApplianceError(N_("That is no card: hold it to the reader again."))
    return hmac.new(_key(config), number.encode(), hashlib.sha256).hexdigest()


def _key(config: Config) -> bytes:
    """This box's key for card numbers: random, made with the first card, readable by the pages alone."""
    return durable.made_once(config.data / "keys" / "badge.key", lambda: secrets.token_bytes(32))
