"""The head's signature under a coverage report: a journal entry over the report's SHA-256, its sums and its gaps.

The signature stands in the journal for ever; whether the archive still says the same is worked out anew each time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from appliance import archive, coverage, coverage_report, exams, journal, store
from appliance.clock import Clock
from appliance.config import Config
from appliance.coverage_report import CoverageReport
from appliance.journal import Entry
from appliance.model import N_, Actor, ApplianceError, Person, Role
from appliance.store import Database

KIND = "coverage.signed"


@dataclass(frozen=True, slots=True)
class Signature:
    """The newest signature of an exam's report. `same`: the report still is what was signed."""

    entry: Entry
    sha256: str
    same: bool


def signature(db: Database, exam_id: str, sha256: str) -> Signature | None:
    """The newest signature, held against the report's SHA-256 of now; None when nobody has signed."""
    found = journal.entries(db, exam=exam_id, kinds=[KIND], newest_first=True, limit=1)
    if not found:
        return None
    signed = str(found[0].data["sha256"])
    return Signature(found[0], signed, signed == sha256)


def hindrance(db: Database, config: Config, found: CoverageReport) -> ApplianceError | None:
    """Why the report cannot be signed yet; None when it can."""
    if found.exam.state == "cancelled":
        return ApplianceError(N_("The exam was cancelled. There is nothing to sign."))
    if not found.cameras:
        return ApplianceError(N_("Nothing had to be recorded. There is nothing to sign."))
    for window in exams.windows(config, found.exam):
        if found.until < window.ends_at or archive.still_open(db, config, window):
            return ApplianceError(N_("Recording is not over yet. The report is signed after that."))
    return None


def sign(db: Database, config: Config, clock: Clock, exam_id: str, who: Person, shown_sha256: str) -> int:
    """The head signs what the page showed. Opens its own transactions; returns the journal entry's number.

    Raises ApplianceError before the end of recording, when the report is not what was shown, or was signed as it is.
    """
    if who.role is not Role.HEAD:
        raise ApplianceError(N_("The coverage report is signed by the head of site."))
    exam = exams.get(db, exam_id)
    refused = hindrance(db, config, coverage_report.report(db, config, exam_id, clock.now()))
    if refused is not None:
        raise refused
    if exam.state == "planned":  # every gap has its entry before anybody signs for it; a sealed exam has them
        coverage.update(db, config, clock, exam, exams.span(config, exam)[1])
    with store.transaction(db):
        found = coverage_report.report(db, config, exam_id, clock.now())
        sha256 = coverage_report.sha256(config, found)
        if sha256 != shown_sha256:
            raise ApplianceError(N_("The report changed since you saw it. Read it again, then sign."))
        before = signature(db, exam_id, sha256)
        if before is not None and before.same:
            raise ApplianceError(N_("The report as it is was signed at {when_at}. Your press changed nothing."),
                                 when_at=before.entry.at)  # fmt: skip
        sums: dict[str, Any] = coverage_report.totals(found)
        return journal.append(
            db, clock, KIND, Actor.person(who), exam=exam_id, refs=found.entries, sha256=sha256,
            before=before.entry.seq if before else None, missing_ms=sums["room_missing_us"] // 1000, **sums,
        )  # fmt: skip
