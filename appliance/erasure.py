"""Lawful erasure of a person, as somebody asks for it: what goes and what stays is told before, then done at once.

The journal keeps its rows, and with them the proof (appliance/personal.py); logins and names lose their openings, and
the account of a person who was disabled its name and login. What people wrote in their own words is evidence of the
equipment first: entries in which the surname stands are told, and erased only when that is asked for. docs/journal.md
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from appliance import accounts, exams, journal, personal
from appliance.clock import Clock, iso
from appliance.config import Config
from appliance.model import N_, Actor, ApplianceError
from appliance.personal import Opening
from appliance.store import Database

SHORTEST = 4  # letters of a surname that is looked for in words; shorter ones stand in too many others
ENDING = re.compile(r"[аяоеёиыуюйь]+$", re.IGNORECASE)  # Смирнова, Смирновой: what Russian changes of a surname


@dataclass(frozen=True, slots=True)
class Plan:
    """What would be erased. `words`: entries in whose words the surname stands and which would stay as they are."""

    login: str
    openings: tuple[Opening, ...]
    words: tuple[int, ...]
    account: bool  # its name and login go too

    @property
    def entries(self) -> int:
        return len({each.seq for each in self.openings})


def plan(db: Database, login: str, *, before: datetime | None = None, words: bool = False) -> Plan:
    """What an erasure takes: all of one login, or what was entered `before`; with `words` also what mentions them.

    Raises ApplianceError for an account that is in use, unless `before` is given: who is at work must be known.
    """
    account = next((who for who in accounts.people(db) if who.login == login), None)
    if account is not None and not account.disabled and before is None:
        raise ApplianceError(
            N_("The account {login} is in use. Disable it first, or erase with --before what is older."), login=login
        )
    named = personal.about(db, login)
    names = {each.value for each in named} - {login} | ({account.name} if account is not None else set())
    own = {(each.seq, each.path) for each in named}
    mentioned = [o for o in personal.mentions(db, _surnames(names)) if (o.seq, o.path) not in own]
    openings = _older(db, [*named, *(mentioned if words else ())], before)
    left = () if words else sorted({each.seq for each in _older(db, mentioned, before)})
    return Plan(login, tuple(openings), tuple(left), account is not None and account.disabled and before is None)


def _surnames(names: Iterable[str]) -> set[str]:
    found = {ENDING.sub("", name.split()[0]) for name in names if name.strip()}
    return {each for each in found if len(each) >= SHORTEST}


def _older(db: Database, openings: list[Opening], before: datetime | None) -> list[Opening]:
    if before is None:
        return openings
    limit = iso(before)
    at = {seq: db.value("select at from journal where seq = ?", (seq,)) for seq in {each.seq for each in openings}}
    return [each for each in openings if at[each.seq] < limit]


def erase(
    db: Database, config: Config, clock: Clock, by: Actor, login: str, ground: str, *,
    before: datetime | None = None, words: bool = False,
) -> Plan:  # fmt: skip
    """Erase what `plan` names, and say so in the journal; whole or not at all. Returns what was erased.

    Raises ApplianceError without a ground, when there is nothing to erase, and from the checks of an exam to its last
    recording: it holds up every writer for a while, and who is on duty must be known.
    """
    _no_exam(db, config, clock.now())
    with journal.erasing(db, ground):
        done = plan(db, login, before=before, words=words)
        account = accounts.forget(db, login) if done.account else None
        journal.forget(db, clock, by, ground, done.openings, account)
    return done


def _no_exam(db: Database, config: Config, now: datetime) -> None:
    for exam in exams.exams(db):
        if exam.state == "planned":
            phases = [at for _, at in exams.phases(config, exam)]
            if phases[0] <= now < exams.span(config, exam)[1]:
                raise ApplianceError(
                    N_("The exam {title} goes on until {until_at}. Nothing is erased before it is over."),
                    title=exam.title, until_at=iso(exams.span(config, exam)[1]),
                )  # fmt: skip
