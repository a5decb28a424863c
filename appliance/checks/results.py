"""What checks found: the values they speak in, and the tables check_run and check_result."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from appliance import model
from appliance.clock import Clock, iso
from appliance.model import N_, Message
from appliance.store import Database

# What each check is called on pages: by its subject, since a wished-for answer would read as the verdict.
# An item is `kind/subject`: `camera.answers/entrance`.
TITLES: Mapping[str, str] = {
    "camera.answers": N_("Answer of the camera"),
    "camera.streams": N_("Video of the camera"),
    "camera.clock": N_("Clock of the camera"),
    "camera.picture": N_("Picture of the camera"),
    "disk.space": N_("Disk space for the exam day"),
    "box.clock": N_("Clock of the box"),
    "panel.line": N_("Link to the panel"),
    "services.beating": N_("Services of the box"),
    "database.sound": N_("Database"),
    "journal.chain": N_("Chain of the journal"),
    "journal.anchored": N_("Mark of the journal outside the box"),
}
WORST_FIRST: tuple[model.Verdict, ...] = ("failed", "silent", "broke", "remark", "passed")


@dataclass(frozen=True, slots=True)
class Verdict:
    """One check's answer: what was found and, unless all is well, what to do. `facts` are plain JSON values."""

    verdict: model.Verdict
    found: Message
    remedy: Message | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Group:
    """The checks of one subject: facts are gathered once, under a time limit, and judged by each item's pure function.

    `overdue`: what every item says when the facts did not come in time.
    """

    gather: Callable[[], Any]
    judges: Mapping[str, Callable[[Any], Verdict]]
    overdue: Verdict


@dataclass(frozen=True, slots=True)
class Result:
    """One item of a run. `at` is UTC ISO-8601 text."""

    item: str
    verdict: model.Verdict
    found: Message
    remedy: Message | None
    facts: Mapping[str, Any]
    at: str

    @property
    def kind(self) -> str:
        return self.item.partition("/")[0]

    @property
    def subject(self) -> str:
        return self.item.partition("/")[2]

    @property
    def title(self) -> str:
        """The msgid of what was checked."""
        return TITLES.get(self.kind, self.kind)


@dataclass(frozen=True, slots=True)
class Run:
    """One whole run of the checks."""

    id: int
    exam: str | None
    asked_by: str
    started_at: str
    finished_at: str
    results: tuple[Result, ...]

    @property
    def counts(self) -> dict[str, int]:
        """How many items have each verdict, worst first; verdicts nobody has are 0."""
        return {word: sum(r.verdict == word for r in self.results) for word in WORST_FIRST}

    @property
    def worst(self) -> model.Verdict:
        return worst(r.verdict for r in self.results)


def worst(verdicts: Iterable[model.Verdict]) -> model.Verdict:
    return min(verdicts, key=WORST_FIRST.index, default="passed")


def save(
    db: Database, clock: Clock, exam: str | None, asked_by: str, started_at: datetime, found: Mapping[str, Verdict]
) -> int:
    """Write a finished run with all its results inside the caller's transaction; returns its number.

    There is no row before: a run that was killed midway has left nothing, and is simply run again.
    """
    now = iso(clock.now())
    run = db.write(
        "insert into check_run (exam, asked_by, started_at, finished_at) values (?, ?, ?, ?) returning id",
        (exam, asked_by, iso(started_at), now),
    ).fetchone()[0]
    for item, v in found.items():
        db.write(
            "insert into check_result (run, item, verdict, found, remedy, facts, at) values (?, ?, ?, ?, ?, ?, ?)",
            (run, item, v.verdict, _json(v.found.as_json()), _json(v.remedy.as_json()) if v.remedy else None,
             _json(dict(v.facts)), now),
        )  # fmt: skip
    return int(run)


def latest(db: Database, *, exam: str | None = None) -> Run | None:
    """The newest finished run, of one exam when it is named; None when there is none."""
    where = "" if exam is None else " and exam = :exam"
    row = db.row(
        f"select * from check_run where finished_at is not null{where} order by id desc limit 1",  # noqa: S608
        {"exam": exam},
    )
    return None if row is None else _run(db, row)


def runs(db: Database, limit: int = 20) -> list[Run]:
    """The newest finished runs, newest first."""
    return [
        _run(db, row)
        for row in db.rows("select * from check_run where finished_at is not null order by id desc limit ?", (limit,))
    ]


def _run(db: Database, row: Mapping[str, Any]) -> Run:
    results = [
        Result(
            r["item"], r["verdict"], Message.from_json(json.loads(r["found"])),
            Message.from_json(json.loads(r["remedy"])) if r["remedy"] else None, json.loads(r["facts"]), r["at"],
        )
        for r in db.rows("select * from check_result where run = ? order by rowid", (row["id"],))
    ]  # fmt: skip
    return Run(row["id"], row["exam"], row["asked_by"], row["started_at"], row["finished_at"], tuple(results))


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
