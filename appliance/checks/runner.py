"""Runs the checks: every subject at once, none waited for longer than its limit, all results in one transaction."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from appliance import cameras, journal, store
from appliance.checks import catalog, results
from appliance.checks.results import TITLES, Group, Verdict
from appliance.clock import Clock, iso
from appliance.config import Config
from appliance.model import N_, Actor, ApplianceError, Personal, message
from appliance.store import Database

log = logging.getLogger(__name__)

WHOLE_RUN_S = 30.0  # whatever has not answered by then is written down as it is


def run(
    db: Database,
    config: Config,
    clock: Clock,
    exam: str | None,
    asked_by: str,
    *,
    due_at: datetime | None = None,
    also: Callable[[int], None] | None = None,
) -> int:
    """Run the whole catalog; write results, camera clocks and journal entry in one transaction. Returns its number.

    `due_at`: when the plan wanted it; a start later than the profile's limit is marked. `also` writes in the same
    transaction what must stand or fall with the results, such as the moment being done.
    """
    started_at = clock.now()
    found = judge(catalog.groups(config, clock, exam), WHOLE_RUN_S)
    data = _told(found, started_at)
    late = started_at - due_at if due_at else timedelta()
    if late.total_seconds() > config.profile.hours.checks_late_warn_s:
        data["late_ms"] = round(late.total_seconds() * 1000)
    actor = Actor.service("console" if asked_by == "command" else "keeper")
    with store.transaction(db):
        number = results.save(db, clock, exam, asked_by, started_at, found)
        for item, verdict in found.items():
            kind, _, subject = item.partition("/")
            if kind == "camera.clock" and verdict.facts.get("offset_s") is not None:
                cameras.save_clock(db, clock, subject, verdict.facts["offset_s"])
        by = asked_by if asked_by in ("schedule", "command") else Personal(asked_by)
        journal.append(db, clock, "checks.finished", actor, exam=exam, run=number, asked_by=by, **data)
        if also is not None:
            also(number)
    return number


def _told(found: Mapping[str, Verdict], started_at: datetime) -> dict[str, Any]:
    """What the journal keeps of a run: the counts, and every item that did not pass."""
    counts: dict[str, Any] = {word: sum(v.verdict == word for v in found.values()) for word in results.WORST_FIRST}
    not_passed = [f"{item}: {v.verdict}" for item, v in found.items() if v.verdict != "passed"]
    return {"items": len(found), "began_at": iso(started_at), "not_passed": not_passed, **counts}


def judge(groups: list[Group], limit_s: float) -> dict[str, Verdict]:
    """Gather all facts at once, each in a thread of its own, and judge them; item -> verdict in the catalog's order."""
    answers: queue.Queue[tuple[int, Mapping[str, Verdict]]] = queue.Queue()
    for number, group in enumerate(groups):
        # A daemon: one that hangs in a library must neither hold the run nor the process's end.
        threading.Thread(
            target=lambda n=number, g=group: answers.put((n, examine(g))), name=f"check-{number}", daemon=True
        ).start()
    found: dict[int, Mapping[str, Verdict]] = {}
    until_s = time.monotonic() + limit_s
    while len(found) < len(groups):
        try:
            number, verdicts = answers.get(timeout=max(until_s - time.monotonic(), 0.0))
        except queue.Empty:
            break
        found[number] = verdicts
    return {
        item: found[number][item] if number in found else group.overdue
        for number, group in enumerate(groups)
        for item in group.judges
    }


def examine(group: Group) -> dict[str, Verdict]:
    """One group's verdicts. A check that itself fails has not passed: it is `broke`, with its sentence."""
    try:
        facts = group.gather()
    except Exception as fault:  # noqa: BLE001 - whatever it was, it is written down as the item's verdict
        return {item: broke(item, fault) for item in group.judges}
    verdicts: dict[str, Verdict] = {}
    for item, judge_ in group.judges.items():
        try:
            verdicts[item] = judge_(facts)
        except Exception as fault:  # noqa: BLE001 - as above: one judge that breaks does not take the others along
            verdicts[item] = broke(item, fault)
    return verdicts


def broke(item: str, fault: Exception) -> Verdict:
    log.exception("check %s broke", item, exc_info=fault)
    title = TITLES[item.partition("/")[0]]
    found = message(N_("The check “{check}” broke down and counts as not passed."), check=message(title).as_json())
    if isinstance(fault, ApplianceError):  # the house's own sentence says more: a password file that cannot be read
        found = fault.message
    facts = {"fault": f"{type(fault).__name__}: {fault}"}
    return Verdict("broke", found, message(N_("Run it again; if it repeats, look yourself.")), facts)
