"""The coverage report of an exam: one sentence, a bar a room and camera, every gap with its cause, the signature."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from flask import Blueprint, Response, redirect, request, url_for
from flask.typing import ResponseReturnValue

from appliance import card_copies, coverage_report, coverage_sign, coverage_words, journal, paper_mark, prints
from appliance.coverage_report import CameraHole, CameraReport, CoverageReport, RoomReport
from appliance.coverage_sign import Signature
from appliance.model import N_, ApplianceError, Message, message
from web import charts, context
from web.rights import needs

views = Blueprint("coverage", __name__)


@dataclass(frozen=True, slots=True)
class CameraShown:
    """One camera of a room with its bar."""

    report: CameraReport
    bar: charts.Bar


@dataclass(frozen=True, slots=True)
class RoomShown:
    """One room with the bar of what any of its cameras recorded, and its cameras."""

    report: RoomReport
    bar: charts.Bar
    cameras: tuple[CameraShown, ...]
    holes: tuple[CameraHole, ...]


def report_of(exam_id: str) -> tuple[CoverageReport, str, Signature | None]:
    """The report of this moment, its fingerprint, and the newest signature held against it."""
    db, config = context.database(), context.config()
    found = coverage_report.report(db, config, exam_id, context.now())
    sha256 = coverage_report.sha256(config, found)
    return found, sha256, coverage_sign.signature(db, exam_id, sha256)


@views.get("/exams/<exam_id>/coverage")
@needs("coverage.read")
def report(exam_id: str) -> ResponseReturnValue:
    return _page(exam_id)


def _page(exam_id: str, refusal: Message | None = None, status: int = 200) -> ResponseReturnValue:
    config, words = context.config(), context.words()
    found, sha256, signed = report_of(exam_id)
    fetched = card_copies.copies(context.database())
    hindrance = coverage_sign.hindrance(context.database(), config, found)
    return context.page(
        "coverage.html", found=found, sha256=sha256, signed=signed, refusal=refusal,
        hindrance=hindrance.message if hindrance else None, rooms=rooms_shown(found),
        title=config.profile.titles.coverage.in_(words.language),
        headline=coverage_words.headline(words, config, found), remark=coverage_words.remark(words, found),
        covered=lambda hole: coverage_words.covered(words, config, hole),
        copies=lambda hole: card_copies.of(fetched, hole.gap),
        room_columns=coverage_words.ROOM_COLUMNS, room_rows=coverage_words.room_rows(words, config, found),
        clock_columns=coverage_words.CLOCK_COLUMNS,
        clock_rows=coverage_words.clock_rows(words, config, found.cameras),
    ), status  # fmt: skip


def rooms_shown(found: CoverageReport) -> list[RoomShown]:
    """Every room with its bars. All bars share their ends, so that one moment of every room stands under the other."""
    if not found.rooms:
        return []
    first = min(room.starts_at for room in found.rooms)
    last = max(room.ends_at for room in found.rooms)
    edge = timedelta(seconds=max((last - first).total_seconds() * 0.02, 1))

    def bar(part: RoomReport | CameraReport, missing: list[charts.Span]) -> charts.Bar:
        layers = (("required", [(part.starts_at, part.ends_at)]), ("recorded", _between(part, missing)),
                  ("gap", missing))  # fmt: skip
        return charts.bar(first - edge, last + edge, layers, context.now(), context.words())

    shown = []
    for room in found.rooms:
        cameras = [camera for camera in found.cameras if camera.room == room.room]
        shown.append(RoomShown(
            room, bar(room, [(h.starts_at, h.ends_at) for h in room.holes]),
            tuple(CameraShown(c, bar(c, [(h.gap.starts_at, h.gap.ends_at) for h in c.holes])) for c in cameras),
            tuple(hole for camera in cameras for hole in camera.holes),
        ))  # fmt: skip
    return shown


def _between(part: RoomReport | CameraReport, missing: list[charts.Span]) -> list[charts.Span]:
    """What is recorded: all that was judged but the gaps."""
    edges = [part.starts_at, *(at for gap in sorted(missing) for at in gap), part.until]
    return [(a, b) for a, b in zip(edges[::2], edges[1::2], strict=True) if a < b]


@views.post("/exams/<exam_id>/coverage")
@needs("coverage.sign")
def sign(exam_id: str) -> ResponseReturnValue:
    house = context.house()
    try:
        number = coverage_sign.sign(context.database(), context.config(), house.clock, exam_id, context.person(),
                                    request.form.get("sha256", ""))  # fmt: skip
    except ApplianceError as refused:
        return _page(exam_id, refused.message, 409)
    context.tell(message(N_("Signed, recorded under no. {number}."), number=str(number)))
    return redirect(url_for("coverage.report", exam_id=exam_id))


@views.get("/exams/<exam_id>/coverage.pdf")
@needs("coverage.read")
def pdf(exam_id: str) -> ResponseReturnValue:
    found, _, signed = report_of(exam_id)
    db = context.database()
    data = prints.coverage_pdf(context.config(), found, signed, journal.head(db), context.now(), paper_mark.newest(db))
    return _file(data, "application/pdf", f"coverage-{found.exam.id}.pdf")


@views.get("/exams/<exam_id>/coverage.json")
@needs("coverage.read")
def as_json(exam_id: str) -> ResponseReturnValue:
    """The very bytes whose SHA-256 is signed."""
    found, _, _ = report_of(exam_id)
    data = coverage_report.canonical(context.config(), found)
    return _file(data, "application/json", f"coverage-{found.exam.id}.json")


def _file(data: bytes, kind: str, name: str) -> Response:
    return Response(data, mimetype=kind, headers={"Content-Disposition": f'attachment; filename="{name}"'})
