"""Lawful erasure of a person: one asks, another agrees, and what goes and what stays is told before both.

The administrator asks, the head of site agrees or refuses (the pages, `examsite journal erase`); nothing is erased
before both. The journal keeps its rows, and with them the proof (appliance/personal.py); logins and names lose their
openings, and the account of a person who was disabled its name and login. What people wrote in their own words is
evidence of the equipment first: entries in which the surname stands are told, and erased only when that is asked for.
docs/journal.md
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from appliance import accounts, exams, journal, orders, personal
from appliance.clock import Clock, iso, parse
from appliance.config import Config
from appliance.model import N_, Actor, ApplianceError, Person, Personal
from appliance.orders import Order
from appliance.personal import Opening
from appliance.store import Database

KIND = "erasure"  # of the order
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

    @property
    def mark(self) -> str:
        """Another one for another plan: what is agreed to is what was shown."""
        what = [(each.seq, each.path) for each in self.openings]
        return hashlib.sha256(repr((self.login, sorted(what), self.words, self.account)).encode()).hexdigest()


def plan(db: Database, login: str, *, before: datetime | None = None, words: bool = False) -> Plan:
    """What an erasure takes: all of one login, or what was entered `before`; with `words` also what mentions them.

    Raises ApplianceError for an account that is in use, unless `before` is given: who is at work must be known.
    """
    account = next((who for who in accounts.people(db) if who.login == login), None)
    if account is not None and not account.disabled and before is None:
        raise ApplianceError(
            N_("The account {login} is in use. Disable it first, or erase only what is older than a day."), login=login
        )
    named = personal.about(db, login)
    names = _names(named, login, account)
    own = {(each.seq, each.path) for each in named}
    mentioned = [o for o in personal.mentions(db, _surnames(names)) if (o.seq, o.path) not in own]
    openings = _older(db, [*named, *(mentioned if words else ())], before)
    left = () if words else sorted({each.seq for each in _older(db, mentioned, before)})
    return Plan(login, tuple(openings), tuple(left), account is not None and account.disabled and before is None)


def _names(named: Iterable[Opening], login: str, account: Person | None) -> set[str]:
    """What the person was called wherever their login stands."""
    return {each.value for each in named} - {login} | ({account.name} if account is not None else set())


def _surnames(names: Iterable[str]) -> set[str]:
    found = {ENDING.sub("", name.split()[0]) for name in names if name.strip()}
    return {each for each in found if len(each) >= SHORTEST}


def _older(db: Database, openings: list[Opening], before: datetime | None) -> list[Opening]:
    if before is None:
        return openings
    limit = iso(before)
    at = {seq: db.value("select at from journal where seq = ?", (seq,)) for seq in {each.seq for each in openings}}
    return [each for each in openings if at[each.seq] < limit]


def ask(
    db: Database, clock: Clock, who: Person, login: str, ground: str, *, before: datetime | None = None,
    words: bool = False, key: str | None = None,
) -> int:  # fmt: skip
    """One person asks; returns the order's number, which now waits for another. Nothing is erased.

    Raises ApplianceError when there is nothing to erase, without a ground, and for one that names the person: it
    stays in the journal in plain words.
    """
    ground = ground.strip()
    if not ground:
        raise ApplianceError(journal.NO_GROUND)
    found = plan(db, login, before=before, words=words)
    if not found.openings:
        raise ApplianceError(journal.NOTHING_PERSONAL)
    account = next((each for each in accounts.people(db) if each.login == login), None)
    named = _surnames(_names(personal.about(db, login), login, account)) | {login}
    if re.search(rf"\b(?:{'|'.join(map(re.escape, named))})", ground, re.IGNORECASE):
        raise ApplianceError(
            N_("Name the request by its number and day, not the person: the ground stays in plain words.")
        )
    args = {"login": login, "ground": ground, "before": before and iso(before), "words": words}
    same = next((order.id for order in waiting(db) if (order.args, order.asked_by) == (args, who.login)), None)
    return same or orders.place(db, clock, KIND, args, who, key=key, agreement=True)


def get(db: Database, order_id: int) -> Order:
    """One order to erase; ApplianceError when that number is none."""
    found = orders.get(db, order_id)
    if found.kind != KIND:
        raise ApplianceError(N_("There is no order {order}."), order=order_id)
    return found


def waiting(db: Database) -> list[Order]:
    """What waits for a second person, oldest first. It lapses never: the law's days are for people to keep."""
    return [order for order in reversed(orders.recent(db, KIND, 1000)) if order.state == "waits"]


def plan_of(db: Database, order: Order) -> Plan:
    """What an order that waits would take now."""
    before = order.args["before"]
    return plan(db, order.args["login"], before=before and parse(before), words=order.args["words"])


def agree(db: Database, config: Config, clock: Clock, order_id: int, who: Person, *, shown: str | None = None) -> Plan:
    """A second person agrees, and it is erased at once, whole or not at all; returns what was erased.

    Raises ApplianceError for the one who asked, when the order waits no more, when what goes is not what was `shown`
    (`Plan.mark`), and from the checks of an exam to its last recording: erasing holds up every writer for a while, and
    who is on duty must be known.
    """
    order = get(db, order_id)
    _no_exam(db, config, clock.now())
    login, ground = str(order.args["login"]), str(order.args["ground"])
    asker = next((each.name for each in accounts.people(db) if each.login == order.asked_by), order.asked_by)
    with journal.erasing(db, ground):
        orders.agree_at_once(db, clock, order_id, who)
        done = plan_of(db, order)
        if shown not in (None, done.mark):
            raise ApplianceError(N_("What would be erased has changed since this page was shown. Read it again."))
        account = accounts.forget(db, login) if done.account else None
        journal.forget(db, clock, Actor.person(who), ground, done.openings, account, asked=Personal(asker),
                       order=order_id)  # fmt: skip
        if order.args["before"] is None:
            orders.reword(db, KIND, "login", login, account or "")
        orders.finish(db, clock, order_id, True, {"values": len(done.openings), "entries": done.entries,
                                                  "entry": journal.head(db)[0]})  # fmt: skip
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
