"""`summary.json`: what the demo day was, read back from the database, the archive and the stick."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from appliance import coverage, exams, journal, orders
from appliance.checks import results
from appliance.clock import iso
from appliance.config import Config
from appliance.store import Database
from demo.site import SILENT_CAMERA
from demo.steps import Step

TOLERANCE_S = 0.5  # recorded plus gaps against required


def summarise(db: Database, config: Config, exam: exams.Exam, steps: list[Step], root: Path) -> dict[str, Any]:
    """The whole summary; `ok` only if every step held, every second is accounted for and everything verifies."""
    cameras = [_camera(camera) for camera in coverage.summary(db, config, exam, _last_end(config, exam))]
    exported = _export(db, root)
    whole = _verify("all", "--config", str(config.source))
    entries, head = journal.head(db)
    checks = _checks(db, exam)
    held = {step.name: step.held_at for step in steps}
    faults = [name for name, at in held.items() if at is None]
    faults += [f"{c['id']}: recorded plus gaps differs from required" for c in cameras if not _adds_up(c)]
    faults += [f"{c['id']}: a gap without a cause" for c in cameras if any(not gap["cause"] for gap in c["gaps"])]
    faults += [f"{c['id']}: {fault}" for c in cameras for fault in _unexpected_gaps(db, c)]
    faults += [] if whole else ["examsite verify all failed"]
    faults += [] if exported["verified"] else ["the export did not verify"]
    faults += [
        f"check {item['item']}: {item['verdict']}"
        for item in checks["items"]
        if item["verdict"] in ("failed", "silent", "broke")
    ]
    return {
        "exam": {"id": exam.id, "title": exam.title, "starts_at": iso(exam.starts_at), "ends_at": iso(exam.ends_at)},
        "checks": checks,
        "cameras": cameras,
        "alarms": _alarms(db),
        "journal": {"entries": entries, "head": head, "verified": whole},
        "export": exported,
        "steps": held,
        "faults": faults,
        "ok": not faults,
    }


def _last_end(config: Config, exam: exams.Exam) -> datetime:
    return max(window.ends_at for window in exams.windows(config, exam))


def _camera(found: coverage.CameraCoverage) -> dict[str, Any]:
    return {
        "id": found.camera,
        "room": found.room,
        "required_s": round(found.required_s, 3),
        "recorded_s": round(found.recorded_s, 3),
        "gaps": [
            {
                "from": iso(gap.starts_at),
                "to": iso(gap.ends_at),
                "seconds": round((gap.ends_at - gap.starts_at).total_seconds(), 3),
                "cause": gap.cause,
            }
            for gap in found.gaps
        ],
    }


def _adds_up(camera: dict[str, Any]) -> bool:
    gaps_s = sum(float(gap["seconds"]) for gap in camera["gaps"])
    off_s: float = camera["recorded_s"] + gaps_s - camera["required_s"]
    return abs(off_s) <= TOLERANCE_S


def _unexpected_gaps(db: Database, camera: dict[str, Any]) -> list[str]:
    """A day on which nothing was killed has one hole, the silence; after a kill the recorder may have left others."""
    died = [e for e in journal.entries(db, kinds=["service.died"], limit=1000) if e.data["service"] == "recorder"]
    if died or camera["id"] == SILENT_CAMERA:
        return []
    return [f"a gap of {gap['seconds']} s, {gap['cause']}" for gap in camera["gaps"]]


def _checks(db: Database, exam: exams.Exam) -> dict[str, Any]:
    run = next((run for run in results.runs(db, 50) if run.exam == exam.id), None)
    if run is None:
        return {"started_at": None, "items": []}
    return {
        "started_at": run.started_at,
        "finished_at": run.finished_at,
        "items": [{"item": item.item, "verdict": item.verdict} for item in run.results],
    }


def _alarms(db: Database) -> list[dict[str, Any]]:
    return [
        {
            "kind": row["kind"],
            "zone": row["zone"],
            "raised_at": row["raised_at"],
            "restored_at": row["restored_at"],
            "acknowledged_at": row["acknowledged_at"],
            "acknowledged_by": row["acknowledged_by"],
        }
        for row in db.rows("select * from alarm order by id")
    ]


def _export(db: Database, root: Path) -> dict[str, Any]:
    done = [order for order in orders.recent(db, "export") if order.state == "done" and order.result]
    if not done or done[0].result is None:
        return {"path": None, "verified": False}
    path = Path(str(done[0].result["path"]))
    return {"path": str(path.relative_to(root)), "verified": _verify(str(path))}


def _verify(*what: str) -> bool:
    """`examsite verify`, as anybody would run it."""
    argv = [sys.executable, "-m", "appliance", "verify", *what, "--json"]
    return subprocess.run(argv, stdout=subprocess.DEVNULL, check=False).returncode == 0


def write(summary: dict[str, Any], file: Path) -> None:
    file.write_text(json.dumps(summary, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
