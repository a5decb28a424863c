"""What leaves the site: the recordings of one exam's rooms with everything that says what they are. docs/export.md

Nothing leaves without two people. The same order over the same archive makes the same bytes (but for the bagging date),
so an interrupted hand-over goes on where it was; how the bytes reach the medium whole is bag.py.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from importlib import metadata
from pathlib import Path
from typing import Any

import rfc8785

from appliance import accounts, archive, bag, cameras, coverage, exams, journal, packages, verify, viewer
from appliance.archive import Segment
from appliance.bag import (
    FORMAT,
    HOW_TO_CHECK,
    JOURNAL,
    MANIFEST,
    PAGE,
    SEAL,
    VIDEO,
    Contents,
    ExportError,
    Package,
    Piece,
    Progress,
)
from appliance.clock import Clock, iso, parse
from appliance.config import Camera, Config
from appliance.exams import Exam, Window
from appliance.journal import Entry
from appliance.model import N_, Message, Person, RoomKind
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


def fulfil(db: Database, config: Config, clock: Clock, order: Order, tell: Callable[[Progress], None]) -> Package:
    """Do what an agreed order asks; the whole package when this returns. Raises ExportError, with what to do.

    An order that had been fulfilled before its worker was killed finds its package and reads it back again.
    """
    if order.agreed_by is None or order.agreed_by == order.asked_by:
        raise ExportError(N_("Nothing leaves without two people: one who asks and another who agrees."))
    exam = exams.get(db, str(order.args["exam"]))
    folder = target_folder(config, order)
    base = package_name(config, exam)
    done = _done_before(folder, base, config, order, tell)
    if done is not None:
        return done
    name = next(n for n in _names(base) if not (folder / n).exists())
    return bag.write(contents(db, config, clock, order, exam, name), folder, tell)


def target_folder(config: Config, order: Order) -> Path:
    """Where the order's package goes: a configured target, or (from the command line only) a folder by its path."""
    if "folder" in order.args:
        return Path(str(order.args["folder"]))
    for target in config.export_targets:
        if target.id == order.args.get("target"):
            return target.path
    raise ExportError(N_("The site has no export target {target}."), target=str(order.args.get("target")))


def package_name(config: Config, exam: Exam) -> str:
    """0123-20261122-math: site, day, exam, in letters every file system takes."""
    plain = unicodedata.normalize("NFKD", config.site.code).encode("ascii", "ignore").decode()
    code = re.sub(r"[^A-Za-z0-9]+", "-", plain).strip("-") or "site"
    return f"{code}-{exam.starts_at.astimezone(config.site.zone):%Y%m%d}-{exam.id}"


def _names(base: str) -> Iterable[str]:
    yield base
    yield from (f"{base}-{n}" for n in range(2, 1000))


def _done_before(
    folder: Path, base: str, config: Config, order: Order, tell: Callable[[Progress], None]
) -> Package | None:
    """The package of this very order, read back whole; None when its worker had not got so far."""
    for name in _names(base):
        if not (folder / name).is_dir():
            return None
        if _belongs(packages.manifest_of(folder / name), config, order):
            report = packages.check(folder / name, lambda _: tell(Progress("reading", 0, 0, 0, 0)))  # alive, if no more
            if not report.ok:
                raise ExportError(
                    N_("The package {name} on the medium was finished and no longer holds. Take another medium."),
                    name=name,
                )
            files, size_bytes = report.counts["recordings"], report.counts["recording_bytes"]
            return Package(folder / name, files, size_bytes, report.number)
    return None


def _belongs(said: dict[str, Any] | None, config: Config, order: Order) -> bool:
    """Whether a manifest, which may come from anywhere, names this order of this site."""
    try:
        return said is not None and (said["site"]["code"], said["order"]["number"], said["order"]["asked"]["at"]) == (
            config.site.code,
            order.id,
            order.asked_at,
        )
    except (KeyError, TypeError):
        return False


def contents(db: Database, config: Config, clock: Clock, order: Order, exam: Exam, name: str) -> Contents:
    """Everything that goes into the package, from the database and the configuration; reads no recording."""
    kinds = _room_kinds(config, order)
    windows = [w for w in exams.windows(config, exam) if config.room(w.room).kind in kinds]
    if not windows:
        raise ExportError(N_("The exam has no cameras in the rooms asked for. Nothing was handed over."))
    last_at = max(w.ends_at for w in windows)
    if clock.now() < last_at and exam.sealed_at is None:
        raise ExportError(
            N_("Recording for this exam goes on until {ends_at}. Place the order again after that."),
            ends_at=iso(last_at),
        )
    chosen = {w.camera: archive.segments(db, camera=w.camera, since=w.starts_at, until=w.ends_at) for w in windows}
    if not any(chosen.values()):
        raise ExportError(N_("The archive holds no recordings of these rooms for this exam. Nothing was handed over."))
    pieces = tuple(
        Piece(_path(s), archive.path(config, s), s.size_bytes, s.sha256) for found in chosen.values() for s in found
    )
    extract, manifest, sealed = _as_of_one_moment(db, config, order, exam, windows, chosen)
    texts = {
        MANIFEST: rfc8785.dumps(manifest),
        JOURNAL: "".join(f"{row}\n" for _, _, row in extract.rows).encode(),
        PAGE: viewer.page(manifest, config.site.language),
        HOW_TO_CHECK: viewer.how_to_check(),
    }
    if sealed is not None:
        texts[SEAL] = sealed
    info = {
        "Source-Organization": f"{config.site.name.in_(config.site.language)} {config.site.code}",
        "External-Identifier": name,
        "External-Description": exam.title,
        "Bagging-Date": f"{clock.now().astimezone(config.site.zone):%Y-%m-%d}",
        "Bag-Software-Agent": f"examsite {software_version()}, bagit-python",
    }
    return Contents(name, pieces, texts, info)


def _as_of_one_moment(
    db: Database, config: Config, order: Order, exam: Exam, windows: list[Window], chosen: dict[str, list[Segment]]
) -> tuple[Extract, dict[str, Any], bytes | None]:
    """Extract, manifest and sealed list between which no journal entry was added: gaps, seal and journal agree."""
    while True:
        head = journal.head(db)
        extract = journal_extract(db, config, exam)
        seal = next((e for e in journal.entries(db, exam=exam.id, kinds=["archive.sealed"])), None)
        sealed = None if seal is None else verify.sealed_list(db, config, seal)
        if seal is not None and sealed is None:
            raise ExportError(
                N_(
                    "The recordings of exam {exam} are not those that were sealed (journal entry {seq}). Nothing was"
                    " handed over. Call the administrator."
                ),
                exam=exam.id,
                seq=str(seal.seq),
            )
        manifest = _manifest(db, config, order, exam, windows, chosen, extract, seal, sealed)
        if journal.head(db) == head:
            return extract, manifest, sealed


def _room_kinds(config: Config, order: Order) -> set[RoomKind]:
    asked = order.args.get("room_kinds") or config.profile.export.room_kinds
    try:
        return {RoomKind(kind) for kind in asked}
    except ValueError as unknown:
        raise ExportError(N_("There is no such kind of room: {cause}."), cause=str(unknown)) from unknown


def _path(segment: Segment) -> str:
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
    return Extract(span["first"], prev, tuple((r["seq"], r["hash"], r["row"]) for r in rows))


def _manifest(
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
                "file": _path(s),
                "archive_path": s.path,
                "starts_at": iso(s.starts_at),
                "ends_at": iso(s.ends_at),
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
