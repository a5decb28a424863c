"""People, their roles, and who is signed in. Argon2id, no default accounts, nobody is deleted.

Sessions live in the database as hashes of their tokens: signing out or disabling a person ends them at once, and a copy
of the database signs nobody in. Refused passwords are counted per login and per address and survive a restart.
"""

from __future__ import annotations

import hashlib
import secrets
from base64 import b64encode
from dataclasses import replace
from datetime import timedelta
from itertools import count
from typing import Any

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from appliance import journal, store
from appliance.clock import Clock, iso, parse
from appliance.config import Config
from appliance.model import N_, Actor, ApplianceError, Language, Person, Personal, Role
from appliance.store import Database

# OWASP's first choice for Argon2id: 19 MiB, 2 passes, 1 lane. About 25 ms here; a Pi 4 needs several times that.
HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
TOUCH_S = 60  # a session's last sign of life is written at most this often
ADDRESS_TRIES_FACTOR = 6  # one address may serve a whole room of people

REFUSED = N_("Name or password did not match.")


def add(
    db: Database,
    config: Config,
    clock: Clock,
    actor: Actor,
    login: str,
    name: str,
    role: Role,
    language: Language,
    password: str,
) -> Person:
    """Make an account. Raises ApplianceError when the login is taken or the password too weak."""
    login = login.strip().lower()
    if not login.isascii() or not login.replace("-", "").replace(".", "").isalnum() or len(login) > 40:
        raise ApplianceError(N_("A login has Latin letters, digits, dots and hyphens, 40 at most."))
    _strong_enough(config, login, password)
    hashed = HASHER.hash(password)
    with store.transaction(db):
        if db.value("select 1 from person where login = ?", (login,)):
            raise ApplianceError(N_("The login {login} is taken."), login=login)
        db.write(
            "insert into person (login, name, role, language, password_hash, created_at) values (?, ?, ?, ?, ?, ?)",
            (login, name.strip(), role.value, language, hashed, iso(clock.now())),
        )
        journal.append(db, clock, "person.added", actor, login=Personal(login), name=Personal(name.strip()),
                       role=role.value)  # fmt: skip
    return Person(login, name.strip(), role, language)


def _strong_enough(config: Config, login: str, password: str) -> None:
    if len(password) < config.profile.signin.password_min:
        raise ApplianceError(
            N_("The password is too short: at least {n} characters are needed."), n=config.profile.signin.password_min
        )
    folded = password.lower()
    guessable = {login, config.site.code, "examsite", "password", "пароль", "qwerty", "йцукен", "123456"}
    rest = folded
    for word in guessable:
        rest = rest.replace(word.lower(), "")
    if len(set(rest)) < 5:
        raise ApplianceError(N_("The password is easy to guess. Take several unrelated words."))


def people(db: Database) -> list[Person]:
    """Everybody with an account, disabled ones last."""
    rows = db.rows("select login, name, role, language, disabled_at from person order by disabled_at is not null, name")
    return [_person(row) for row in rows]


def get(db: Database, login: str) -> Person:
    """One person; ApplianceError when nobody has that login."""
    row = db.row("select login, name, role, language, disabled_at from person where login = ?", (login,))
    if row is None:
        raise ApplianceError(N_("Nobody here has the login {login}."), login=login)
    return _person(row)


def _person(row: dict[str, Any]) -> Person:
    return Person(row["login"], row["name"], Role(row["role"]), row["language"], row["disabled_at"] is not None)


def disable(db: Database, clock: Clock, actor: Actor, login: str) -> None:
    """Switch a person off and end their sessions at once. The last administrator stays."""
    who = get(db, login)
    now = iso(clock.now())
    with store.transaction(db):
        others = db.value(
            "select count(*) from person where role = 'admin' and disabled_at is null and login <> ?", (login,)
        )
        if who.role is Role.ADMIN and not others:
            raise ApplianceError(N_("This is the last administrator. Add another one first."))
        db.write("update person set disabled_at = ? where login = ? and disabled_at is null", (now, login))
        db.write("update web_session set ended_at = ? where login = ? and ended_at is null", (now, login))
        journal.append(db, clock, "person.disabled", actor, login=Personal(login), name=Personal(who.name))


def forget(db: Database, login: str) -> str:
    """Give a disabled person another name and login, wherever they stand, in the caller's transaction; returns it."""
    taken = {row["login"] for row in db.rows("select login from person")}
    known = next(name for number in count(1) if (name := f"erased-{number}") not in taken)
    db.write("update person set login = ?1, name = ?1, password_hash = ?2 where login = ?3 and disabled_at is not null",
             (known, _nobody(), login))  # fmt: skip
    db.write("delete from signin_failure where subject = ?", (f"login:{login}",))
    return known


def set_language(db: Database, login: str, language: Language) -> None:
    """The language a person reads the pages in."""
    with store.transaction(db):
        db.write("update person set language = ? where login = ?", (language, login))


def check_password(
    db: Database, config: Config, clock: Clock, login: str, password: str, address: str = "console"
) -> Person:
    """The person whose password this is. Raises ApplianceError, counts the failure, and pauses after too many.

    An unknown login costs the same time and gets the same answer as a wrong password.
    """
    login = login.strip().lower()
    subjects = [f"login:{login}", f"address:{address}"]
    hold(db, clock, subjects)
    row = db.row("select login, name, role, language, disabled_at, password_hash from person where login = ?", (login,))
    good = _matches(row["password_hash"] if row else _nobody(), password)
    if row is None or not good or row["disabled_at"] is not None:
        count_refusal(db, config, clock, subjects, "signin.refused", login=Personal(login[:40]), address=address)
        raise ApplianceError(REFUSED)
    forgive(db, subjects[0])
    return _person(row)


def _nobody() -> str:
    """A hash that no password fits, so that an unknown login takes as long as a known one. Random, not calculated."""
    salt, made = (b64encode(secrets.token_bytes(length)).decode().rstrip("=")
                  for length in (HASHER.salt_len, HASHER.hash_len))  # fmt: skip
    cost = f"m={HASHER.memory_cost},t={HASHER.time_cost},p={HASHER.parallelism}"
    return f"$argon2id$v=19${cost}${salt}${made}"


def _matches(hashed: str, password: str) -> bool:
    try:
        return HASHER.verify(hashed, password)
    except (VerificationError, InvalidHashError):
        return False


def hold(db: Database, clock: Clock, subjects: list[str]) -> None:
    """ApplianceError while one of these two subjects (a login or a way in, and an address) has a pause."""
    latest = db.value("select max(locked_until) from signin_failure where subject in (?, ?)", subjects)
    pause_s = 0.0 if latest is None else (parse(latest) - clock.now()).total_seconds()
    if pause_s > 0:
        raise ApplianceError(N_("Too many tries. Wait {wait_s}."), wait_s=round(pause_s))


def count_refusal(db: Database, config: Config, clock: Clock, subjects: list[str], kind: str, **told: Any) -> None:
    """Count a refused try for both subjects, and enter it in the journal as `kind`. Opens its own transaction."""
    rules, now = config.profile.signin, clock.now()
    with store.transaction(db):
        for subject, tries in zip(subjects, (rules.tries, rules.tries * ADDRESS_TRIES_FACTOR), strict=True):
            recent = iso(now - timedelta(hours=rules.longest_h))  # what is older is another day's, of other people
            failures = 1 + int(db.value("select failures from signin_failure where subject = ? and last_at >= ?",
                                        (subject, recent)) or 0)  # fmt: skip
            until = None
            if failures >= tries:  # never for ever: on exam day a locked technician is worse than a slow guesser
                pause_s = min(rules.pause_s * 2 ** (failures - tries), rules.pause_longest_s)
                until = iso(now + timedelta(seconds=pause_s))
            db.write(
                "insert into signin_failure (subject, failures, last_at, locked_until) values (?, ?, ?, ?)"
                " on conflict (subject) do update set failures = excluded.failures, last_at = excluded.last_at,"
                " locked_until = excluded.locked_until",
                (subject, failures, iso(now), until),
            )
        journal.append(db, clock, kind, Actor.service("web"), **told)


def forgive(db: Database, subject: str) -> None:
    """A try succeeded: what was counted against this login or way in is forgotten."""
    if db.value("select 1 from signin_failure where subject = ?", (subject,)):
        with store.transaction(db):
            db.write("delete from signin_failure where subject = ?", (subject,))


def sign_in(db: Database, config: Config, clock: Clock, login: str, password: str, address: str) -> tuple[str, Person]:
    """Sign a person in; returns the session's token (for the cookie, kept nowhere here) and the person."""
    who = check_password(db, config, clock, login, password, address)
    return open_session(db, clock, who, address, "password"), who


def open_session(db: Database, clock: Clock, who: Person, address: str, how: str) -> str:
    """A session for somebody who proved who they are by a password, card or passkey; returns its token."""
    token = secrets.token_urlsafe(32)
    now = iso(clock.now())
    with store.transaction(db):
        db.write(
            "insert into web_session (token_hash, login, created_at, seen_at) values (?, ?, ?, ?)",
            (_hash(token), who.login, now, now),
        )
        journal.append(db, clock, "signin.accepted", Actor.person(who), address=address, how=how)
    return token


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def person_of(db: Database, config: Config, clock: Clock, token: str) -> Person | None:
    """Who a session belongs to; None when it ended, idled out, grew too old, or its person was disabled."""
    row = db.row(
        "select s.created_at, s.seen_at, p.login, p.name, p.role, p.language, p.disabled_at from web_session s"
        " join person p on p.login = s.login where s.token_hash = ? and s.ended_at is null",
        (_hash(token),),
    )
    if row is None or row["disabled_at"] is not None:
        return None
    rules, now = config.profile.signin, clock.now()
    idle_s = (now - parse(row["seen_at"])).total_seconds()
    if idle_s > rules.idle_min * 60 or (now - parse(row["created_at"])).total_seconds() > rules.longest_h * 3600:
        return None
    if idle_s > TOUCH_S:
        with store.transaction(db):
            db.write("update web_session set seen_at = ? where token_hash = ?", (iso(now), _hash(token)))
    return replace(_person(row), disabled=False)


def sign_out(db: Database, clock: Clock, token: str) -> None:
    """End a session; ending an ended one is nothing."""
    with store.transaction(db):
        row = db.write(
            "update web_session set ended_at = ? where token_hash = ? and ended_at is null returning login",
            (iso(clock.now()), _hash(token)),
        ).fetchone()
        if row:
            journal.append(db, clock, "signin.ended", Actor.person(get(db, row[0])))
