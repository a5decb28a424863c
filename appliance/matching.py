"""What the box saw against what people announced: unexplained events, and announced actions the sensors contradict.

The rules are the profile's (`journal.match`, `journal.expect`). An event gets one verdict, which depends on the journal
alone and not on when this ran: `event.explained` as soon as an announced action covers it, `event.unexplained` when the
time to announce one is over, and none when it was over by itself at once. If the action that explained it is declined
by the person responsible, the event is judged once more. The event's own entry is never touched.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from appliance import journal, kinds, store
from appliance.announced import ACCESS, BEGINS, Announced, age_s, announcements, between_s, covers, in_rooms
from appliance.clock import Clock, iso, parse
from appliance.config import Config
from appliance.journal import Entry
from appliance.model import N_, Actor, message
from appliance.profile import Expect, Match
from appliance.store import Database

BATCH = 500
LOOK_BACK = 2000  # events an action may have made
RIPE_S = 10.0  # the keeper looks each second
# What ends an event by itself: kinds of entries about the same camera, or that cite it.
OVER = {
    "camera.silent": ("camera.returned", "recording.started", "recording.gap", "recording.stopped"),
    "network.lost": ("network.back",), "mains.lost": ("mains.back",), "ups.silent": ("ups.heard",),
    "door.opened": ("door.closed",), "box.opened": ("box.closed",),
}  # fmt: skip
DOORS = ("door.opened", "box.opened")
SEEN_BY_CAMERA = ("camera.replaced", "camera.restarted", "camera.changed", "camera.entered", "camera.silent")

# What did not happen, for `access.contradicted`; the first of a rule that this site can see at all.
UNSEEN = {
    "rack-door": N_("the rack stayed shut"), "room-door": N_("the door stayed shut"),
    "box.opened": N_("the box stayed shut"), "camera": N_("no camera changed or went silent"),
    "other": N_("nothing was plugged in or pulled out"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Unexplained:
    """An event nobody announced. `entry` says so and waits for a word; None while an action may still be announced.
    `word`: the newest answer to it, which the head has not accepted yet."""

    event: Entry
    entry: Entry | None
    word: Entry | None = None


@dataclass(frozen=True, slots=True)
class Contradiction:
    """An announced action of which the box saw nothing. `entry` says so and waits for a word or a correction."""

    act: Entry
    entry: Entry
    word: Entry | None = None
    corrected_by: int | None = None


def tend(db: Database, config: Config, clock: Clock) -> int:
    """Take in what is new in the journal and judge what can be judged. Returns how many verdicts fell.

    Opens one transaction when there is anything to write: a kill in between loses nothing and doubles nothing.
    """
    last, head = _read_to(db), journal.head(db)[0]
    news = journal.entries(db, after=last, before=head + 1, kinds=_kinds(config), limit=BATCH) if head > last else []
    waiting = [journal.get(db, row["entry"]) for row in db.rows("select entry from judged where verdict is null")]
    if not news and not any(_ripe(db, config, clock, entry) for entry in waiting):
        if head - last > BATCH:  # so that days without an event do not make each look longer
            with store.transaction(db):
                _set_read_to(db, head)
        return 0
    with store.transaction(db):
        for entry in news:
            _take(db, config, entry)
        _set_read_to(db, news[-1].seq if len(news) == BATCH else max(head, last))
        announced = announcements(db)
        rows = db.rows("select entry, what from judged where verdict is null order by entry")
        return sum(_judge(db, config, clock, journal.get(db, row["entry"]), row["what"], announced) for row in rows)


def _read_to(db: Database) -> int:
    return int(db.value("select seq from judged_to") or 0)


def _set_read_to(db: Database, seq: int) -> None:
    db.write("insert into judged_to (one, seq) values (1, ?) on conflict do update set seq = excluded.seq", (seq,))


def _kinds(config: Config) -> tuple[str, ...]:
    asked = {kind for rule in config.profile.journal.match for kind in rule.events}
    return tuple(sorted(asked | {over for kind in asked for over in OVER.get(kind, ())} | {*ACCESS}))


def _rules(config: Config, entry: Entry) -> list[Match]:
    return [rule for rule in config.profile.journal.match if _fits(rule, entry)]


def _expected(config: Config, action: object) -> list[Expect]:
    return [rule for rule in config.profile.journal.expect if action in rule.actions]


def _fits(rule: Match | Expect, entry: Entry) -> bool:
    role = entry.data.get("role")
    return entry.kind in rule.events and (not rule.role or entry.kind != "door.opened" or role == rule.role)


def _take(db: Database, config: Config, entry: Entry) -> None:
    """Note what a new entry asks for: a verdict, a new one, or none any more."""
    if entry.kind in BEGINS and _expected(config, entry.data.get("action")):
        db.write("insert or ignore into judged (entry, what) values (?, 'act')", (entry.seq,))
    if entry.kind in ("access.corrected", "access.declined") and entry.refs:
        db.write("update judged set verdict = 'free' where entry = ? and what = 'act' and verdict is null",
                 (entry.refs[0],))  # fmt: skip
    if entry.kind == "access.declined" and entry.refs:
        db.write("update judged set verdict = null, answer = null, act = null where act = ? and verdict = 'explained'",
                 (entry.refs[0],))  # fmt: skip
    if _rules(config, entry) and "waits" not in entry.data:
        db.write("insert or ignore into judged (entry, what) values (?, 'event')", (entry.seq,))


def _judge(
    db: Database, config: Config, clock: Clock, entry: Entry, what: str, announced: Sequence[Announced]
) -> bool:
    """Write the verdict if it can be said, inside the caller's transaction."""
    if what == "act":
        return _judge_act(db, config, clock, entry, announced)
    rules = _rules(config, entry)
    if not rules:  # the profile does not ask about it any more
        return _settle(db, entry, "free")
    if age_s(clock, entry) < min(rule.brief_s for rule in rules) and entry.kind in OVER and not _over(db, entry):
        return False  # it may still be over by itself, and then nobody need say anything
    if _was_brief(db, config, entry, rules):
        return _settle(db, entry, "brief")
    fitting = [act for act in announced if any(covers(rule, act, entry) for rule in rules)]
    if fitting:  # best the newest that was announced before it
        act = max(fitting, key=lambda act: (act.seq < entry.seq, act.seq))
        answer = _answer(db, clock, "event.explained", entry, (entry.seq, act.seq),
                         what=_event_told(db, entry), action=act.title or act.action)  # fmt: skip
        return _settle(db, entry, "explained", answer, act.seq)
    if not _due(db, config, clock, entry):
        return False
    answer = _answer(db, clock, "event.unexplained", entry, (entry.seq,), waits="explanation",
                     what=_event_told(db, entry))  # fmt: skip
    return _settle(db, entry, "unexplained", answer)


def _answer(db: Database, clock: Clock, kind: str, about: Entry, refs: Iterable[int], **data: Any) -> int:
    return journal.append(db, clock, kind, Actor.service("keeper"), exam=about.exam, room=about.room,
                          camera=about.camera, refs=refs, **data)  # fmt: skip


def _settle(db: Database, entry: Entry, verdict: str, answer: int | None = None, act: int | None = None) -> bool:
    db.write("update judged set verdict = ?, answer = ?, act = ? where entry = ?", (verdict, answer, act, entry.seq))
    return True


def _was_brief(db: Database, config: Config, event: Entry, rules: Sequence[Match]) -> bool:
    brief_s = min(rule.brief_s for rule in rules)
    if event.kind == "box.absent":  # a program that was started again; its absence counts from the last sign of life
        again = event.data.get("boot_was") == json.loads(event.row)["boot"]
        return again and int(event.data["absent_ms"]) <= (brief_s + config.profile.journal.heartbeat_s) * 1000
    over = _over(db, event)
    return brief_s > 0 and over is not None and between_s(event, over) <= brief_s


def _over(db: Database, event: Entry) -> Entry | None:
    """What ended the event by itself."""
    after = journal.entries(db, after=event.seq, kinds=OVER.get(event.kind, ("",)), limit=50)
    return next((one for one in after if event.seq in one.refs or (event.camera and one.camera == event.camera)), None)


def _due(db: Database, config: Config, clock: Clock, entry: Entry) -> bool:
    """Whether the time to announce an action, or to see its event, is over."""
    if entry.kind in BEGINS:
        ends = [entry] if entry.data.get("ended_at") else [
            one for one in journal.answers(db, entry.seq) if one.kind == "access.ended"]  # fmt: skip
        wait_min = max((rule.after_min for rule in _expected(config, entry.data.get("action"))), default=0.0)
        return any(age_s(clock, end) >= wait_min * 60 for end in ends)
    rules = _rules(config, entry)
    wait_s = max((max(rule.announce_min * 60, rule.brief_s) for rule in rules), default=0.0)
    return age_s(clock, entry) >= wait_s


def _ripe(db: Database, config: Config, clock: Clock, entry: Entry) -> bool:
    """Whether time alone lets a verdict fall: it is due, or it can no more be called brief."""
    brief_s = min((rule.brief_s for rule in _rules(config, entry)), default=0.0)
    just_no_more_brief = brief_s > 0 and brief_s <= age_s(clock, entry) < brief_s + RIPE_S
    return just_no_more_brief or _due(db, config, clock, entry)


def _judge_act(db: Database, config: Config, clock: Clock, entry: Entry, announced: Sequence[Announced]) -> bool:
    """Whether the box saw anything of an action that is over; enter it when it did not."""
    act = next((act for act in announced if act.seq == entry.seq), None)
    rules = [rule for rule in _expected(config, entry.data.get("action")) if act and _visible(config, rule, act)]
    if act is None or not rules:
        return _settle(db, entry, "free")
    if act.ended_at is None:
        return False
    if all(_seen(db, rule, act) for rule in rules):
        return _settle(db, entry, "met")
    if not _due(db, config, clock, entry):
        return False
    unseen = next(rule for rule in rules if not _seen(db, rule, act))
    answer = _answer(
        db, clock, "access.contradicted", entry, (entry.seq,), waits="explanation", action=act.title or act.action,
        unseen=message(_unseen(config, unseen, act)).as_json(), expected=list(unseen.events),
        started_at=iso(act.started_at), ended_at=iso(act.ended_at),
    )  # fmt: skip
    return _settle(db, entry, "contradicted", answer)


def _seen(db: Database, rule: Expect, act: Announced) -> bool:
    from_at = act.started_at - timedelta(minutes=rule.before_min)
    to_at = (act.ended_at or act.started_at) + timedelta(minutes=rule.after_min)
    found = journal.entries(db, kinds=rule.events, newest_first=True, limit=LOOK_BACK)
    return any(_fits(rule, event) and from_at <= parse(event.at) <= to_at and in_rooms(rule, act, event)
               for event in found)  # fmt: skip


def _visible(config: Config, rule: Expect, act: Announced) -> bool:
    return any(_can_see(config, rule, kind, act) for kind in rule.events)


def _can_see(config: Config, rule: Expect, kind: str, act: Announced) -> bool:
    """Whether this site has a contact or a camera that could have told."""
    if kind in DOORS:
        roles = {"box-cover"} if kind == "box.opened" else {rule.role} if rule.role else {"rack-door", "room-door"}
        return any(zone.role in roles for zone in config.zones)
    if kind in SEEN_BY_CAMERA:
        return any(camera.room in act.rooms or not act.rooms or not rule.same_room for camera in config.cameras)
    return True


def _unseen(config: Config, rule: Expect, act: Announced) -> str:
    kind = next(kind for kind in rule.events if _can_see(config, rule, kind, act))
    if kind == "door.opened":
        roles = {zone.role for zone in config.zones}
        role = rule.role or ("rack-door" if "rack-door" in roles else "room-door")
        return UNSEEN[role if role in UNSEEN else "room-door"]
    return UNSEEN["camera"] if kind in SEEN_BY_CAMERA else UNSEEN.get(kind, UNSEEN["other"])


def _event_told(db: Database, event: Entry) -> dict[str, Any]:
    """The event in words, with its time; a door with how long it stood open."""
    if event.kind not in DOORS:
        said = kinds.sentence(event).as_json()
        return message(N_("{event}, {event_at}"), event=said, event_at=event.at).as_json()
    zone = event.data.get("zone")
    closed = _over(db, event)
    if closed is None:
        return message(N_("{zone} opened at {opened_at}"), zone=zone, opened_at=event.at).as_json()
    text = N_("{zone} was open at {opened_at} for {open_ms}")
    return message(text, zone=zone, opened_at=event.at, open_ms=closed.data["open_ms"]).as_json()


def unexplained(db: Database) -> list[Unexplained]:
    """Events without an announced action that the head has not accepted yet, oldest first."""
    open_now = [Unexplained(journal.get(db, row["entry"]), None)
                for row in db.rows("select entry from judged where verdict is null and what = 'event'")]  # fmt: skip
    said = [Unexplained(journal.get(db, entry.refs[0]), entry, _word(db, entry))
            for entry in journal.waiting(db) if entry.kind == "event.unexplained"]  # fmt: skip
    return sorted([*open_now, *said], key=lambda one: one.event.seq)


def contradictions(db: Database) -> list[Contradiction]:
    """Announced actions of which the box saw nothing and that the head has not accepted yet, oldest first."""
    return [Contradiction(journal.get(db, entry.refs[0]), entry, _word(db, entry), _corrected(db, entry.refs[0]))
            for entry in journal.waiting(db) if entry.kind == "access.contradicted"]  # fmt: skip


def _corrected(db: Database, act: int) -> int | None:
    return next((one.seq for one in journal.answers(db, act) if one.kind == "access.corrected"), None)


def _word(db: Database, entry: Entry) -> Entry | None:
    return next(reversed(journal.answers(db, entry.seq)), None)


def verdict_of(db: Database, event: int) -> Mapping[str, Any] | None:
    """The verdict on one event or action: `verdict`, `answer` (its entry), `act`; None when no rule asks about it."""
    return db.row("select verdict, answer, act from judged where entry = ?", (event,))
