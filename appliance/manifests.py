"""What a package says of itself: its manifest, and the journal extract its recordings are bound to. docs/export.md"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from importlib import metadata
from pathlib import Path
from typing import Any

import rfc8785

from appliance import accounts, cameras, coverage, journal, packages
from appliance.archive import Segment
from appliance.bag import FORMAT, VIDEO, ExportError
from appliance.clock import iso, parse
from appliance.config import Camera, Config
from appliance.exams import Exam, Window
from appliance.journal import Entry
from appliance.model import N_, Message, Person
from appliance.orders import Order
from appliance.store import Database

SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,120}")  # FAT takes these in any country's code page

LIMITS = (
    N_("Nobody watched the recordings: what the pictures show was not checked."),
    N_("The clocks of the cameras are given as they answered last; how they ran at other times is not known."),
    N_(
        "The journal extract proves the wording and order of its entries. That nothing was cut off after its last entry"
        " is proved only by a copy kept elsewhere."
    ),
    N_(
        "The package bears no qualified signature. Whoever holds it could replace it whole: compare its number with the"
        " act."
    ),
)
UNSEALED = N_("The archive of this exam was not sealed when this package was made.")


@dataclass(frozen=True, slots=True)
class Extract:
    """Consecutive journal entries. `prev` is the hash of the entry before the first."""

    first: int
    prev: str
    rows: tuple[tuple[int, str, str], ...]  # (seq, hash, row)
    openings: tuple[bytes, ...]  # what the rows' commitments stand for, one JSON object each


def file_of(segment: Segment) -> str:
    """data/video/<camera>/<file>: plain letters, so that no file system renames it."""
    name = Path(segment.path).name
    if not (SAFE_NAME.fullmatch(name) and SAFE_NAME.fullmatch(segment.camera)):
        raise ExportError(
            N_("The archive's recording {file} has a name that cannot leave the box. Call the administrator."),
            file=segment.path,
        )
    return f"{VIDEO}{segment.camera}/{name}"


def journal_extract(db: Database, config: Config, exam: Exam) -> Extract:
    """Every entry of the exam's day (the site's midnight to midnight), and on to the exam's seal and gaps when later.

    All of them, not only the exam's own: a chain with entries left out proves nothing.
    """
    day = exam.starts_at.astimezone(config.site.zone).date()
    midnight = datetime.combine(day, time(), config.site.zone)
    next_midnight = datetime.combine(day + timedelta(days=1), time(), config.site.zone)
    span = db.row(
        "select min(seq) as first, max(seq) as last from journal where at >= ? and at < ?",
        (iso(midnight), iso(next_midnight)),
    )
    later = db.value(
        "select max(seq) from journal where exam = ?"
        " and kind in ('archive.sealed', 'recording.gap', 'recording.found')",
        (exam.id,),
    )
    if span is None or span["first"] is None:
        span = {"first": later or 1, "last": later or 0}
    last = max(span["last"], later or 0)
    rows = db.rows("select seq, hash, row from journal where seq between ? and ? order by seq", (span["first"], last))
    prev = db.value("select hash from journal where seq = ?", (span["first"] - 1,)) or journal.GENESIS
    found = tuple((r["seq"], r["hash"], r["row"]) for r in rows)
    return Extract(span["first"], prev, found, tuple(rfc8785.dumps(each) for each in journal.openings(db, found)))


def manifest(
    db: Database,
    config: Config,
    order: Order,
    exam: Exam,
    windows: list[Window],
    chosen: dict[str, list[Segment]],
    extract: Extract,
    seal: Entry | None,
    sealed: bytes | None,
) -> dict[str, Any]:
    known = None if sealed is None else {path for _, path, _, _ in json.loads(sealed)}
    found = [_camera(db, config, window, chosen[window.camera], known) for window in windows]
    entries = [json.loads(row) for _, _, row in extract.rows]
    segments = [segment for camera in found for segment in camera["segments"]]
    gap_ms = sum(_ms(parse(g["ends_at"]) - parse(g["starts_at"])) for camera in found for g in camera["gaps"])
    return {
        "format": FORMAT,
        "software": {"name": "examsite", "version": software_version()},
        "site": {
            "code": config.site.code,
            "name": _both(config.site.name),
            "address": config.site.address,
            "region": config.site.region,
            "timezone": config.site.timezone,
        },
        "exam": {
            "id": exam.id,
            "title": exam.title,
            "starts_at": iso(exam.starts_at),
            "ends_at": iso(exam.ends_at),
            "revision": exam.revision,
            "sealed_at": seal.at if seal else None,
        },
        "order": {
            "number": order.id,
            "asked": _who(db, config, order.asked_by, order.asked_at),
            "agreed": _who(db, config, str(order.agreed_by), str(order.agreed_at)),
            "grounds": str(order.args.get("grounds") or ""),
            "recipient": str(order.args.get("recipient") or ""),
        },
        "cameras": found,
        "totals": {
            "files": len(segments),
            "size_bytes": sum(s["size_bytes"] for s in segments),
            "required_ms": sum(camera["required_ms"] for camera in found),
            "recorded_ms": sum(camera["recorded_ms"] for camera in found),
            "gaps": sum(len(camera["gaps"]) for camera in found),
            "gap_ms": gap_ms,
        },
        "journal": {
            "first": extract.first,
            "last": extract.first + len(extract.rows) - 1,
            "prev": extract.prev,
            "hashes": [stated for _, stated, _ in extract.rows],
        },
        "box_clock_steps": [e["seq"] for e in entries if e["kind"] == "clock.stepped"],
        "keep_until": config.profile.retention.until(exam.starts_at.astimezone(config.site.zone).date()).isoformat(),
        "limits": [limit.as_json() for limit in _limits(found, sealed is not None)],
    }


def _limits(found: list[dict[str, Any]], sealed: bool) -> Iterable[Message]:
    """What this package does not prove."""
    yield from (Message(text) for text in LIMITS)
    if not sealed:
        yield Message(UNSEALED)
    late = sum(segment["after_seal"] for camera in found for segment in camera["segments"])
    if late:
        yield Message(packages.AFTER_SEAL, {"recordings": late})


def _camera(
    db: Database, config: Config, window: Window, segments: list[Segment], sealed: set[str] | None
) -> dict[str, Any]:
    camera, room = config.camera(window.camera), config.room(window.room)
    gaps = [g for g in coverage.gaps(db, window.exam) if g.camera == camera.id]
    required_ms = _ms(window.ends_at - window.starts_at)
    return {
        "id": camera.id,
        "name": _both(camera.name),
        "room": room.code,
        "room_name": _both(room.name),
        "room_kind": room.kind.value,
        "serial": camera.serial,
        "window": {"starts_at": iso(window.starts_at), "ends_at": iso(window.ends_at)},
        "required_ms": required_ms,
        "recorded_ms": required_ms - sum(_ms(g.ends_at - g.starts_at) for g in gaps),
        "segments": [
            {
                "file": file_of(s),
                "archive_path": s.path,
                "run": s.run,
                "starts_at": iso(s.starts_at),
                "last_frame_at": iso(s.last_frame_at) if s.last_frame_at else None,
                "ends_at": iso(s.ends_at),
                "clock": _segment_clock(s),
                "frames": s.frames,
                "size_bytes": s.size_bytes,
                "sha256": s.sha256,
                "video": s.video,
                "audio": s.audio,
                "repaired": s.repaired,
                "after_seal": sealed is not None and s.path not in sealed,
                "holes": [{"starts_at": iso(a), "ends_at": iso(b)} for a, b in s.holes],
            }
            for s in segments
        ],
        "gaps": [
            {
                "starts_at": iso(g.starts_at),
                "ends_at": iso(g.ends_at),
                "cause": g.cause,
                "cause_said": coverage.cause(g.cause).as_json(),
                "entry": g.entry,
            }
            for g in gaps
        ],
        "clock": _clock(db, camera),
    }


def _segment_clock(s: Segment) -> dict[str, Any]:
    """How a recording's times were derived, and the clocks beside them (appliance/segment_clock.py)."""
    clock = s.clock
    return {"derived": clock.derived, "camera_offset_ms": clock.camera_offset_ms, "box": clock.box_clock,
            "step_ms": clock.step_ms}  # fmt: skip


def _clock(db: Database, camera: Camera) -> dict[str, Any] | None:
    """How far the camera's clock was from the box's when it was last asked."""
    state = cameras.states(db).get(camera.id)
    if state is None or state.clock_offset_s is None:
        return None
    return {"offset_ms": round(state.clock_offset_s * 1000), "asked_at": state.clock_asked_at}


def _who(db: Database, config: Config, login: str, at: str) -> dict[str, Any]:
    who: Person = accounts.get(db, login)
    return {
        "login": who.login,
        "name": who.name,
        "role": who.role.value,
        "title": _both(config.profile.titles.roles[who.role]),
        "at": at,
    }


def _both(said: Any) -> dict[str, str]:
    return {"ru": said.ru, "en": said.en}


def _ms(length: timedelta) -> int:
    return round(length / timedelta(milliseconds=1))


def software_version() -> str:
    """The installed program's version; a checkout that is not installed has none."""
    try:
        return metadata.version("examsite")
    except metadata.PackageNotFoundError:
        return "checkout"
