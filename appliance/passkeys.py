"""FIDO2 keys of people: registered at this box, asked a question of its own each time, answered by touch.

A question is kept until it is answered or two minutes old, and says what its answer may be used for: an answer given to
sign entry 41 signs nothing else, and signs once. A browser takes part only on a page it holds safe: https or localhost.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from fido2.cose import CoseKey
from fido2.server import Fido2Server
from fido2.utils import websafe_encode
from fido2.webauthn import (
    AttestedCredentialData,
    AuthenticationResponse,
    PublicKeyCredentialRpEntity,
    PublicKeyCredentialUserEntity,
    RegistrationResponse,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from appliance import accounts, journal, store
from appliance.clock import Clock, iso
from appliance.config import Config
from appliance.model import N_, Actor, ApplianceError, Person, Personal
from appliance.store import Database

ANSWER_WITHIN = timedelta(minutes=2)
UNREADABLE = (ValueError, TypeError, KeyError, AttributeError, IndexError, struct.error, RecursionError)

REFUSED = N_("The security key was not accepted. Try again; if it stays so, sign with your password.")


@dataclass(frozen=True, slots=True)
class Passkey:
    """A key somebody holds, or held. `rp`: the name of the box it was registered under, and works under."""

    id: int
    login: str
    rp: str
    label: str
    added_at: str
    revoked_at: str | None


def of(db: Database, login: str) -> list[Passkey]:
    """The keys of a person, the newest first."""
    rows = db.rows("select id, login, rp, label, added_at, revoked_at from passkey where login = ? order by id desc",
                   (login,))  # fmt: skip
    return [Passkey(**row) for row in rows]


def invite(db: Database, config: Config, clock: Clock, rp: str, who: Person) -> dict[str, Any]:
    """What a browser is given to register a new key of this person: `navigator.credentials.create`'s publicKey."""
    user = PublicKeyCredentialUserEntity(
        id=hashlib.sha256(f"{rp}\n{who.login}".encode()).digest(), name=who.login, display_name=who.name
    )
    options, state = _server(config, rp).register_begin(
        user, [credential for _, credential in _credentials(db, rp, [who.login])],
        resident_key_requirement=ResidentKeyRequirement.DISCOURAGED,
        user_verification=UserVerificationRequirement.PREFERRED,
    )  # fmt: skip
    _remember(db, clock, state["challenge"], f"register {who.login}", rp)
    return dict(dict(options)["publicKey"])


def register(
    db: Database, config: Config, clock: Clock, actor: Person, login: str, password: str, rp: str, answer: str,
    label: str, address: str = "console",
) -> int:  # fmt: skip
    """Take in the key that answered an invitation; returns its number. Its person proves it by password."""
    label = label.strip()[:60]
    if not label:
        raise ApplianceError(N_("Name the key: its colour, or where it is kept."))
    who = accounts.check_password(db, config, clock, login, password, address)
    try:
        said = RegistrationResponse.from_dict(json.loads(answer))
        state = _asked(db, clock, said.response.client_data.challenge, f"register {who.login}", rp)
        made = _server(config, rp).register_complete(state, said)
        credential = made.credential_data
        if credential is None or credential.public_key.ALGORITHM not in CoseKey.supported_algorithms():
            raise ValueError("a key of a kind that cannot be checked")
    except UNREADABLE as unreadable:
        raise ApplianceError(REFUSED) from unreadable
    with store.transaction(db):
        if db.value("select 1 from passkey where credential_id = ?", (credential.credential_id,)):
            raise ApplianceError(N_("This key is registered already."))
        number = db.write(
            "insert into passkey (login, rp, credential_id, credential, sign_count, label, added_at)"
            " values (?, ?, ?, ?, ?, ?, ?) returning id",
            (who.login, rp, credential.credential_id, bytes(credential), made.counter, label, iso(clock.now())),
        ).fetchone()[0]
        journal.append(db, clock, "passkey.added", Actor.person(actor), login=Personal(who.login),
                       label=Personal(label))  # fmt: skip
    return int(number)


def revoke(db: Database, clock: Clock, actor: Person, passkey_id: int) -> None:
    """A key is lost or handed back: it opens nothing from now on. Revoking it again is nothing."""
    with store.transaction(db):
        row = db.write("update passkey set revoked_at = ? where id = ? and revoked_at is null returning login, label",
                       (iso(clock.now()), passkey_id)).fetchone()  # fmt: skip
        if row is not None:
            journal.append(db, clock, "passkey.revoked", Actor.person(actor), login=Personal(row[0]),
                           label=Personal(row[1]))  # fmt: skip


def ask(
    db: Database, config: Config, clock: Clock, rp: str, purpose: str, logins: Iterable[str]
) -> dict[str, Any] | None:
    """What a browser is given to ask for the key of one of these people; None when none of them has one here."""
    known = [credential for _, credential in _credentials(db, rp, logins)]
    if not known:
        return None
    options, state = _server(config, rp).authenticate_begin(known, UserVerificationRequirement.PREFERRED)
    _remember(db, clock, state["challenge"], purpose, rp)
    return dict(dict(options)["publicKey"])


def whose(
    db: Database, config: Config, clock: Clock, rp: str, purpose: str, answer: str, address: str = "console"
) -> Person:
    """The person whose key answered the question asked for `purpose`. Raises ApplianceError, counts the failure."""
    subjects = [f"key:{address}", f"address:{address}"]
    accounts.hold(db, clock, subjects)
    try:
        login = _answered(db, config, clock, rp, purpose, answer)
    except UNREADABLE as unreadable:
        accounts.count_refusal(db, config, clock, subjects, "passkey.refused", address=address)
        raise ApplianceError(REFUSED) from unreadable
    accounts.forgive(db, subjects[0])
    return accounts.get(db, login)


def _answered(db: Database, config: Config, clock: Clock, rp: str, purpose: str, answer: str) -> str:
    """The login behind a good answer; ValueError and its kind for any other."""
    said = AuthenticationResponse.from_dict(json.loads(answer))
    state = _asked(db, clock, said.response.client_data.challenge, purpose, rp)
    everybody = [row["login"] for row in db.rows("select login from person where disabled_at is null")]
    known = _credentials(db, rp, everybody)
    used = _server(config, rp).authenticate_complete(state, [credential for _, credential in known], said)
    counter = said.response.authenticator_data.counter
    with store.transaction(db):
        # WebAuthn 6.1.1: a count that does not grow tells of a copied key. Keys without a counter always say 0.
        changed = db.write(
            "update passkey set sign_count = ?1 where credential_id = ?2 and revoked_at is null"
            " and (?1 > sign_count or (?1 = 0 and sign_count = 0))", (counter, used.credential_id),
        ).rowcount  # fmt: skip
    if not changed:
        raise ValueError("the key's counter did not grow")
    return next(login for login, credential in known if credential.credential_id == used.credential_id)


def _credentials(db: Database, rp: str, logins: Iterable[str]) -> list[tuple[str, AttestedCredentialData]]:
    rows = db.rows("select login, credential from passkey where rp = ? and revoked_at is null and login in"
                   " (select value from json_each(?))", (rp, json.dumps(list(logins))))  # fmt: skip
    return [(row["login"], AttestedCredentialData(row["credential"])) for row in rows]


def _remember(db: Database, clock: Clock, challenge: str, purpose: str, rp: str) -> None:
    now = clock.now()
    with store.transaction(db):
        db.write("delete from passkey_challenge where expires_at < ?", (iso(now),))
        db.write("insert into passkey_challenge (challenge, purpose, rp, expires_at) values (?, ?, ?, ?)",
                 (challenge, purpose, rp, iso(now + ANSWER_WITHIN)))  # fmt: skip


def _asked(db: Database, clock: Clock, challenge: bytes, purpose: str, rp: str) -> dict[str, Any]:
    """The question this answers, taken away with the asking; ValueError when nobody asked it, for this, lately."""
    with store.transaction(db):
        row = db.write(
            "delete from passkey_challenge where challenge = ? and purpose = ? and rp = ? and expires_at >= ?"
            " returning challenge", (websafe_encode(challenge), purpose, rp, iso(clock.now())),
        ).fetchone()  # fmt: skip
    if row is None:
        raise ValueError("an answer to no question of ours")
    return {"challenge": row[0], "user_verification": UserVerificationRequirement.PREFERRED}


def _server(config: Config, rp: str) -> Fido2Server:
    return Fido2Server(PublicKeyCredentialRpEntity(id=rp, name=f"examsite {config.site.code}"))
