"""Checks of the box itself: its clock, its services, its database and its journal."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime

from appliance import anchors, checkpoints, health, journal, store
from appliance.checks.results import Group, Verdict
from appliance.clock import Clock, parse
from appliance.config import Config
from appliance.model import N_, Message, message
from appliance.profile import Limits
from drivers import host

LATE_AFTER_S = 3 * health.BEAT_S
LEAVE_ON = N_("Leave the box on and call the administrator.")


def groups(config: Config, clock: Clock) -> list[Group]:
    """All of this file's checks, each with its own facts."""
    overdue = Verdict("broke", message(N_("The box did not finish this check in time.")),
                      message(N_("Run it again; if it repeats, look yourself.")))  # fmt: skip
    return [
        Group(host.clock, {"box.clock": lambda facts: right_time(facts, config.profile.limits)}, overdue),
        Group(lambda: wait_for_beats(config, clock), {"services.beating": beating}, overdue),
        Group(lambda: _complaint(config), {"database.sound": sound}, overdue),
        Group(lambda: _chain(config), {"journal.chain": unbroken}, overdue),
        Group(lambda: _standing(config, clock), {"journal.anchored": anchored}, overdue),
    ]


def _complaint(config: Config) -> str | None:
    with closing(store.open(config.database)) as db:
        return store.check(db)


def _chain(config: Config) -> tuple[journal.Verdict, Message | None]:
    with closing(store.open(config.database)) as db:
        found, unsigned = journal.verify(journal.stored_rows(db)), checkpoints.fault(db)
    return (found, unsigned)


def _standing(config: Config, clock: Clock) -> anchors.Standing:
    with closing(store.open(config.database)) as db:
        return anchors.standing(db, config, clock.now())


def anchored(found: anchors.Standing) -> Verdict:
    """journal.anchored: a mark left the box not long ago, and none that came back contradicts it."""
    facts = {"since_at": found.since_at, "state": found.state}
    if found.state == "contradicted":
        return Verdict("failed", found.contradiction or found.said, message(LEAVE_ON), facts)
    if found.state == "fresh":
        return Verdict("passed", found.said, facts=facts)
    return Verdict("failed" if found.state == "failed" else "remark", found.said, message(anchors.PUT_IN), facts)


def right_time(facts: host.ClockFacts, limits: Limits) -> Verdict:
    """box.clock: it is kept by a time server, and near its time.

    A clock nobody keeps is a remark, not a failure: the box must also serve a site without network, and its clock can
    be right all the same; a person compares it (docs/checks.md).
    """
    said = {"synchronised": facts.synchronised, "offset_s": facts.offset_s, "source": facts.source}
    off_s = abs(facts.offset_s or 0.0)
    if off_s > limits.box_clock_remark_s:
        failed = off_s > limits.box_clock_fail_s
        allowed_s = limits.box_clock_fail_s if failed else limits.box_clock_remark_s
        return Verdict(
            "failed" if failed else "remark",
            message(N_("The box clock is {off_s} off, {allowed_s} is allowed."), off_s=off_s, allowed_s=allowed_s),
            message(N_("Wait until the time server has set it, or call the administrator.")), said,
        )  # fmt: skip
    if not facts.synchronised:
        return Verdict(
            "remark", message(N_("No time server keeps the box clock.")),
            message(N_("Connect a time server, or check it against exact time yourself.")), said,
        )  # fmt: skip
    return Verdict("passed", message(N_("The box clock is kept by a time server.")), facts=said)


@dataclass(frozen=True, slots=True)
class Beats:
    """Seconds since each service was last heard; None: it never was."""

    quiet_s: dict[str, float | None]


def read_beats(db: store.Database, now: datetime) -> Beats:
    known = {beat.service: abs((now - parse(beat.beat_at)).total_seconds()) for beat in health.heartbeats(db)}
    return Beats({service: known.get(service) for service in health.SERVICES})


def wait_for_beats(config: Config, clock: Clock, pause: Callable[[float], None] = time.sleep) -> Beats:
    """Read the heartbeats; a late one is given the time of one beat: a service just restarted, or a clock that just
    stepped, is no fault.
    """
    with closing(store.open(config.database)) as db:
        beats = read_beats(db, clock.now())
        for _ in range(6):
            if not _late(beats):
                break
            pause(1.0)
            beats = read_beats(db, clock.now())
    return beats


def _late(beats: Beats) -> list[str]:
    return [service for service, quiet_s in beats.quiet_s.items() if quiet_s is None or quiet_s > LATE_AFTER_S]


def beating(beats: Beats) -> Verdict:
    """services.beating: recorder, watch, keeper, archivist and web all live."""
    late = _late(beats)
    facts = {"quiet_s": beats.quiet_s}
    if late:
        return Verdict(
            "failed", message(N_("Services of the box not heard: {services}."), services=", ".join(late)),
            message(N_("They start again by themselves. If this stays, call the administrator.")),
            facts,
        )  # fmt: skip
    return Verdict("passed", message(N_("All {n} services of the box work."), n=len(beats.quiet_s)), facts=facts)


def sound(complaint: str | None) -> Verdict:
    """database.sound: SQLite finds no fault in the file."""
    if complaint is not None:
        return Verdict("failed", message(N_("The database is damaged: {cause}."), cause=complaint), message(LEAVE_ON))
    return Verdict("passed", message(N_("The database is sound.")))


def unbroken(found: tuple[journal.Verdict, Message | None]) -> Verdict:
    """journal.chain: every entry is as it was written, none is missing before the newest, and it is being signed."""
    verdict, unsigned = found
    facts = {"entries": verdict.entries, "head": verdict.head}
    if not verdict.ok:
        said = N_("The journal's chain is broken at entry {entry}: {cause}.")
        broken = message(said, entry=verdict.bad_seq, cause=verdict.fault)
        return Verdict("failed", broken, message(LEAVE_ON), facts)
    if unsigned is not None:
        return Verdict("failed", unsigned, message(LEAVE_ON), facts)
    return Verdict(
        "passed", message(N_("The journal is unbroken, {entries} entries."), entries=verdict.entries), facts=facts
    )
