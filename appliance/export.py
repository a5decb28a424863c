"""What leaves the site: the recordings of one exam's rooms with everything that says what they are. docs/export.md

Nothing leaves without two people. The same order over the same archive makes the same bytes (but for the bagging date),
so an interrupted hand-over goes on where it was; how the bytes reach the medium whole is bag.py.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import rfc8785

from appliance import (
    anchors,
    archive,
    bag,
    coverage_report,
    coverage_sign,
    exams,
    journal,
    manifests,
    package_proof,
    packages,
    prints,
    store,
    verify,
    viewer,
)
from appliance.archive import Segment
from appliance.bag import (
    COVERAGE,
    COVERAGE_PAPER,
    HOW_TO_CHECK,
    JOURNAL,
    MANIFEST,
    MINUTES,
    PAGE,
    PERSONAL,
    SEAL,
    Contents,
    ExportError,
    Package,
    Piece,
    Progress,
)
from appliance.clock import Clock, iso, parse
from appliance.config import Config
from appliance.exams import Exam, Window
from appliance.model import N_, ApplianceError, RoomKind, message
from appliance.orders import Order
from appliance.store import Database


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
    whole = contents(db, config, clock, order, exam, name)
    package = bag.write(whole, folder, tell)
    if MINUTES in whole.texts and anchors.outside(config, folder):
        with store.transaction(db):
            size = package_proof.size_of(whole.texts)
            anchors.note(db, clock, size, "export", package.medium or name, order.asked_by)
    return package


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
    gone = next((s.retired for found in chosen.values() for s in found if s.retired is not None), None)
    if gone is not None:
        raise ExportError(
            N_("Recordings of this exam were deleted by rule (journal entry {seq}). Nothing was handed over."),
            seq=str(gone),
        )
    pieces = tuple(
        Piece(manifests.file_of(s), archive.path(config, s), s.size_bytes, s.sha256)
        for found in chosen.values()
        for s in found
    )
    leaving = {manifests.file_of(s): s for found in chosen.values() for s in found}
    extract, manifest, sealed = _as_of_one_moment(db, config, order, exam, windows, chosen)
    try:
        proof = package_proof.texts(db, config, clock, exam.id, leaving)
    except ApplianceError as unsigned:  # a journal that is not signed must not hold the recordings back; it is said
        proof = {}
        manifest["limits"].append(message(package_proof.WITHOUT, cause=unsigned.message.as_json()).as_json())
    texts = {
        MANIFEST: rfc8785.dumps(manifest),
        JOURNAL: "".join(f"{row}\n" for _, _, row in extract.rows).encode(),
        PERSONAL: b"".join(line + b"\n" for line in extract.openings),
        **_coverage(db, config, exam, order, windows, extract),
        **proof,
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
        "Bag-Software-Agent": f"examsite {manifests.software_version()}, bagit-python",
    }
    return Contents(name, pieces, texts, info)


def _coverage(
    db: Database, config: Config, exam: Exam, order: Order, windows: list[Window], extract: manifests.Extract
) -> dict[str, bytes]:
    """The coverage report of the rooms that leave, for programs and for people. Dated as the order, so that the same
    order makes the same bytes."""
    now = exams.span(config, exam)[1]  # an order is fulfilled after that, or the exam is sealed
    found = coverage_report.report(db, config, exam.id, now, rooms={w.room for w in windows})
    signed = coverage_sign.signature(db, exam.id, coverage_report.sha256(config, coverage_report.report(
        db, config, exam.id, now)))  # fmt: skip
    head = (extract.rows[-1][0], extract.rows[-1][1]) if extract.rows else (0, journal.GENESIS)
    paper = prints.coverage_pdf(config, found, signed, head, parse(order.asked_at), None)
    return {COVERAGE: coverage_report.canonical(config, found), COVERAGE_PAPER: paper}


def _as_of_one_moment(
    db: Database, config: Config, order: Order, exam: Exam, windows: list[Window], chosen: dict[str, list[Segment]]
) -> tuple[manifests.Extract, dict[str, Any], bytes | None]:
    """Extract, manifest and sealed list between which no journal entry was added: gaps, seal and journal agree."""
    while True:
        head = journal.head(db)
        extract = manifests.journal_extract(db, config, exam)
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
        manifest = manifests.manifest(db, config, order, exam, windows, chosen, extract, seal, sealed)
        if journal.head(db) == head:
            return extract, manifest, sealed


def _room_kinds(config: Config, order: Order) -> set[RoomKind]:
    asked = order.args.get("room_kinds") or config.profile.export.room_kinds
    try:
        return {RoomKind(kind) for kind in asked}
    except ValueError as unknown:
        raise ExportError(N_("There is no such kind of room: {cause}."), cause=str(unknown)) from unknown
