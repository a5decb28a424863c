"""The access journal's acts: somebody states what they do at the equipment, somebody else answers for it.

An act is begun and ended, or stated when it is over; then the responsible person, never the one who did it, confirms it
or declines with a word. Nothing is edited: a correction is a new act that cites the old one and needs its own answer.
Reading (`act`, `acts`, `open_acts`, `unconfirmed`) is appliance/acts.py; the entries are told in docs/journal.md.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from appliance import exams, journal, store
from appliance.acts import Act, Answer, Signer, act, acts, differences, open_acts, project, rebuild, unconfirmed
from appliance.clock import Clock, iso
from appliance.config import Config
from appliance.model import N_, Actor, ApplianceError, Person, Personal, Role
from appliance.profile import Action
from appliance.store import Database

__all__ = ["Act", "Answer", "Signer", "act", "acts", "begin", "confirm", "correct", "decline", "differences", "end",
           "may_answer", "mend", "open_acts", "rebuild", "state", "unconfirmed", "waits_for"]  # fmt: skip

LONGEST_WORDS = 500


def begin(
    db: Database, config: Config, clock: Clock, who: Person, action: str, rooms: Sequence[str] = (), reason: str = "",
    *, key: str,
) -> int:  # fmt: skip
    """Somebody begins an action now; returns its number. One that ends itself is over at once."""
    what, now = _action(config, action), clock.now()
    data = _columns(config, who, what, rooms, reason, now, now if what.ends_itself else None)
    with store.transaction(db):
        if (known := _known(db, "begin", who, key)) is not None:
            return known
        for other in open_acts(db):
            if (other.action, other.rooms, other.executor.login) == (action, tuple(data["rooms"]), who.login):
                raise ApplianceError(
                    N_("This action is in progress already, no. {number} since {since_at}. End it first."),
                    number=other.seq, since_at=other.started_at,
                )  # fmt: skip
        return _write(db, config, clock, "access.begun", who, now, data, key=("begin", key))


def end(db: Database, config: Config, clock: Clock, seq: int, who: Person, *, key: str) -> int:
    """The action is over now. Returns the number of the entry that says so."""
    with store.transaction(db):
        if (known := _known(db, f"end {seq}", who, key)) is not None:
            return known
        about = _standing(db, seq)
        if about.state != "open":
            raise ApplianceError(N_("No. {number} has ended already. Your press changed nothing."), number=seq)
        # A clock that was set back in between must not make it end before it began; the entry's own time stays.
        ended_at = max(iso(clock.now()), about.started_at)
        data = {"title": about.title, "rooms": about.rooms, "ended_at": ended_at}
        return _write(db, config, clock, "access.ended", who, None, data, about=about, key=(f"end {seq}", key))


def state(
    db: Database, config: Config, clock: Clock, who: Person, action: str, rooms: Sequence[str], started_at: datetime,
    ended_at: datetime, reason: str = "", *, key: str,
) -> int:  # fmt: skip
    """Somebody tells an action that is over, with its start and end; returns its number."""
    _in_order(clock, started_at, ended_at)
    data = _columns(config, who, _action(config, action), rooms, reason, started_at, ended_at)
    with store.transaction(db):
        known = _known(db, "state", who, key)
        return known or _write(db, config, clock, "access.stated", who, started_at, data, key=("state", key))


def correct(
    db: Database, config: Config, clock: Clock, seq: int, who: Person, action: str, rooms: Sequence[str],
    started_at: datetime, ended_at: datetime | None, reason: str = "", *, key: str,
) -> int:  # fmt: skip
    """A new act in the place of an old one, which stays; the responsible person answers anew.

    `ended_at` None: it still goes on. Who did it stays as it was; who corrects stands in the entry.
    """
    _in_order(clock, started_at, ended_at)
    with store.transaction(db):
        if (known := _known(db, f"correct {seq}", who, key)) is not None:
            return known
        old = _standing(db, seq)
        if ended_at is None and old.ended_at is not None:
            raise ApplianceError(N_("This action is over: say when it ended."))
        data = _columns(config, who, _action(config, action), rooms, reason, started_at, ended_at)
        data["executor"] = _signed(old.executor)
        return _write(db, config, clock, "access.corrected", who, started_at, data, about=old,
                      key=(f"correct {seq}", key))  # fmt: skip


def confirm(db: Database, config: Config, clock: Clock, seq: int, who: Person, how: str, *, key: str) -> int:
    """The responsible person answers for an act. `how` they signed: password, card, passkey, session."""
    return _answered(db, config, clock, seq, who, how, "access.confirmed", "", key)


def decline(db: Database, config: Config, clock: Clock, seq: int, who: Person, how: str, word: str, *, key: str) -> int:
    """The responsible person does not answer for it, and says why. A correction may follow."""
    if not word.strip():
        raise ApplianceError(N_("Write why you decline."))
    return _answered(db, config, clock, seq, who, how, "access.declined", word.strip()[:LONGEST_WORDS], key)


def ask(db: Database, config: Config, clock: Clock, seq: int, who: Person, word: str) -> int:
    """The responsible person asks before they answer: the act goes on waiting, now also for a word about it."""
    _may_answer_for(config, _standing(db, seq), who)
    return journal.review(db, clock, seq, who, "asked", word.strip()[:LONGEST_WORDS])


def asked_back(db: Database) -> list[int]:
    """The acts that wait for their answer after a question nobody has written about since, oldest first."""
    found = db.rows(
        "select distinct a.seq from journal q cross join act a on a.seq = q.ref"  # questions are fewer than acts
        " where q.kind = 'journal.reviewed' and a.state = 'waits' and a.corrected_by is null"
        " and json_extract(q.row, '$.data.verdict') = 'asked' and not exists (select 1 from journal later"
        " where later.ref = q.ref and later.seq > q.seq and later.kind = 'journal.explained') order by a.seq"
    )
    return [row["seq"] for row in found]


def may_answer(config: Config, who: Person) -> bool:
    """Whether this person's role answers for others' acts, by the profile."""
    return who.role in config.profile.journal.responsible


def waits_for(db: Database, config: Config, who: Person) -> list[Act]:
    """The acts this person may confirm now, oldest first: what is over, unanswered, and not their own."""
    if not may_answer(config, who):
        return []
    return [one for one in unconfirmed(db) if who.login not in _hands(one)]


def mend(db: Database, clock: Clock) -> int:
    """Make the table anew where it says something else than a sound journal, and enter that; returns how many acts."""
    wrong = differences(db)
    if wrong:
        with store.transaction(db):
            rebuild(db)
            journal.append(db, clock, "acts.rebuilt", Actor.service("init"), acts=len(wrong), refs=wrong[:100])
    return len(wrong)


def _answered(
    db: Database, config: Config, clock: Clock, seq: int, who: Person, how: str, kind: str, word: str, key: str
) -> int:
    with store.transaction(db):
        if (known := _known(db, f"answer {seq}", who, key)) is not None:
            return known
        about = _standing(db, seq)
        _may_answer_for(config, about, who)
        data = {"title": about.title, "rooms": about.rooms, "responsible": _person(config, who), "how": how,
                "word": Personal(word)}  # fmt: skip
        return _write(db, config, clock, kind, who, None, data, about=about, key=(f"answer {seq}", key))


def _may_answer_for(config: Config, about: Act, who: Person) -> None:
    if not may_answer(config, who):
        raise ApplianceError(N_("{name} does not answer for actions at the equipment. The head of site does."),
                             name=who.name)  # fmt: skip
    if who.login in _hands(about):
        raise ApplianceError(N_("Two people sign: who did it, and another who answers for it."))
    if about.state == "open":
        raise ApplianceError(
            N_("No. {number} is still in progress. It is confirmed when it has ended."), number=about.seq
        )
    if about.answer is not None:
        raise ApplianceError(
            N_("{name} already answered for no. {number} at {when_at}. Your press changed nothing."),
            name=about.answer.signer.name, number=about.seq, when_at=about.answer.at,
        )  # fmt: skip


def _hands(about: Act) -> set[str]:
    """Whoever did it or wrote it down: none of them is its second person."""
    return {about.executor.login, about.entered_by}


def _standing(db: Database, seq: int) -> Act:
    """The act; ApplianceError when a correction stands in its place."""
    found = act(db, seq)
    if found.corrected_by is not None:
        raise ApplianceError(
            N_("No. {number} was corrected by no. {newer}. Open that one."), number=seq, newer=found.corrected_by
        )
    return found


def _write(
    db: Database, config: Config, clock: Clock, kind: str, who: Person, at: datetime | None, data: Mapping[str, Any], *,
    key: tuple[str, str], about: Act | None = None,
) -> int:  # fmt: skip
    """The entry, its row in the table, and that this form was sent, all or nothing."""
    rooms = tuple(data["rooms"])
    exam = about.exam if about is not None and at is None else _exam_of(db, config, at or clock.now())
    seq = journal.append(db, clock, kind, Actor.person(who), exam=exam, room=rooms[0] if rooms else None,
                         refs=[about.seq] if about is not None else [], **data)  # fmt: skip
    project(db, journal.get(db, seq))
    db.write("insert into act_key (key, seq) values (?, ?)", (_key(who, *key), seq))
    return seq


def _known(db: Database, form: str, who: Person, key: str) -> int | None:
    found = db.value("select seq from act_key where key = ?", (_key(who, form, key),))
    return None if found is None else int(found)


def _key(who: Person, form: str, key: str) -> str:
    """Of this form and this person: nobody else's key hides an entry. A hash, so that no login is kept here."""
    return hashlib.sha256("\n".join((form, who.login, key)).encode()).hexdigest()


def _columns(
    config: Config, who: Person, action: Action, rooms: Sequence[str], reason: str, started_at: datetime,
    ended_at: datetime | None,
) -> dict[str, Any]:  # fmt: skip
    """The official columns of an act. `rooms`: none, one, or first and last of a range, by the site's own order."""
    reason = reason.strip()[:LONGEST_WORDS]
    if action.needs_words and not reason:
        raise ApplianceError(N_("Write what is done: the title alone does not say it."))
    first_last = _rooms(config, action, rooms)
    codes = [room.code for room in config.rooms]
    covers = codes[codes.index(first_last[0]) : codes.index(first_last[-1]) + 1] if first_last else []
    return {
        "action": action.id, "title": action.title.model_dump(), "rooms": first_last, "covers": covers,
        "started_at": iso(started_at), "ended_at": None if ended_at is None else iso(ended_at),
        "reason": Personal(reason), "executor": _person(config, who),
    }  # fmt: skip


def _rooms(config: Config, action: Action, rooms: Sequence[str]) -> list[str]:
    codes = [room.code for room in config.rooms]
    said = [room for room in rooms if room]
    unknown = [room for room in said if room not in codes]
    if unknown:
        raise ApplianceError(N_("The site has no room {room}."), room=unknown[0])
    if not said and action.needs_room:
        raise ApplianceError(N_("Say in which room, or from which to which."))
    ends = sorted(set(said), key=codes.index)
    return [ends[0], ends[-1]] if len(ends) > 1 else ends


def _action(config: Config, action: str) -> Action:
    for known in config.profile.journal.action:
        if known.id == action:
            return known
    raise ApplianceError(N_("The profile knows no action {action}."), action=action)


def _in_order(clock: Clock, started_at: datetime, ended_at: datetime | None) -> None:
    if ended_at is not None and ended_at < started_at:
        raise ApplianceError(N_("The end is before the start."))
    if max(started_at, ended_at or started_at) > clock.now():
        raise ApplianceError(N_("That is not over yet: the time lies ahead. Begin it now, and end it when it is done."))


def _exam_of(db: Database, config: Config, at: datetime) -> str | None:
    """The exam of that day at the site; of several, the one that has not ended or the last."""
    day = at.astimezone(config.site.zone).date()
    todays = [exam for exam in exams.exams(db) if exam.state != "cancelled"
              and exam.starts_at.astimezone(config.site.zone).date() == day]  # fmt: skip
    todays.sort(key=lambda exam: exam.starts_at)
    going = [exam for exam in todays if exams.span(config, exam)[1] >= at]
    return (going or todays[-1:])[0].id if todays else None


def _person(config: Config, who: Person) -> dict[str, Any]:
    return _named(who.login, who.name, config.profile.titles.roles[Role(who.role)].model_dump())


def _signed(signer: Signer) -> dict[str, Any]:
    return _named(signer.login, signer.name, signer.post)


def _named(login: str, name: str, post: Mapping[str, str]) -> dict[str, Any]:
    """A person in an entry's data. Login and name are theirs and can be erased; the post is the site's."""
    return {"login": Personal(login), "name": Personal(name), "post": dict(post)}
