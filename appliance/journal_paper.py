"""The access journal's official form on paper: its columns, its head on every page, cells to sign in, and the mark.

At the end stands what makes the paper a witness: the journal's size, the head in words to be read aloud, and a square
(QR) that holds the whole signed checkpoint. Two people sign the sheet, and whoever rewrites the journal later would
have to find all sheets. Rows are never split over pages.
"""

from __future__ import annotations

from datetime import datetime

from reportlab.graphics.barcode.qr import QrCodeWidget
from reportlab.graphics.shapes import Drawing
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.platypus import Flowable, KeepTogether, Spacer, Table, TableStyle

from appliance import checkpoints, journal_form
from appliance.config import Config
from appliance.exams import Exam
from appliance.journal_form import COLUMNS, SIGNATURES, Form
from appliance.model import N_, Language
from appliance.paper import BODY, CELL, REGULAR, TITLE, build, fonts, para, span_line
from appliance.words import Words

WIDTHS_MM = (13, 19, 25, 15, 18, 38, 30, 23, 20, 30, 23, 19)  # 273 of A4's 297; a double surname breaks at its hyphen
SIGNED_MM = 12  # what a signature needs
QR_MM = 36
QR_LEVEL = "M"  # a seventh of the square may be dirty or folded
SMALL = ParagraphStyle("small", fontName=REGULAR, fontSize=8, leading=9.5, embeddedHyphenation=1)
LINE = "_" * 60  # what the configuration does not say is written by hand


def pdf(config: Config, found: Form, exam: Exam | None, language: Language, printed_at: datetime) -> bytes:
    """The form as PDF. The same facts give the same bytes."""
    fonts()
    words = Words(language, config.site.zone)
    title = config.profile.titles.journal.in_(language)
    story: list[Flowable] = [para(title, TITLE), *(para(line, BODY) for line in _head(config, words, found, exam))]
    story += [Spacer(1, 3 * mm), _table(config, words, found)]
    if not found.acts:
        story.append(para(words.say(N_("No actions in this time.")), BODY))
    story += [Spacer(1, 4 * mm), KeepTogether(_mark(words, found))]
    return build(story, words, title, _foot(config, words, found, printed_at))


def _head(config: Config, words: Words, found: Form, exam: Exam | None) -> list[str]:
    site = config.site
    place = ", ".join(part for part in (site.code, site.name.in_(words.language), site.address) if part)
    lines = [
        words.say(N_("Constituent entity of the Russian Federation: {region}"), region=site.region or LINE),
        words.say(N_("Name and address of the exam site or processing centre: {place}"), place=place),
    ]
    if exam is not None:
        lines.append(words.say(N_("Exam: {title}, {starts_day}"), title=exam.title, starts_day=exam.starts_at))
    if found.asked.since is not None and found.asked.until is not None:
        lines.append(span_line(words, found.asked.since, found.asked.until))
    return lines


def _table(config: Config, words: Words, found: Form) -> Table:
    heads = [[para(words.say(over or name), SMALL) for over, name in COLUMNS],
             [para(words.say(name), SMALL) if over else "" for over, name in COLUMNS]]  # fmt: skip
    rows = [_row(journal_form.cells(config, words, act)) for act in found.acts]
    style = [("GRID", (0, 0), (-1, -1), 0.5, "black"), ("VALIGN", (0, 0), (-1, -1), "TOP"),
             ("LEFTPADDING", (0, 0), (-1, -1), 2), ("RIGHTPADDING", (0, 0), (-1, -1), 2),
             ("TOPPADDING", (0, 0), (-1, -1), 1), ("BOTTOMPADDING", (0, 0), (-1, -1), 2)]  # fmt: skip
    for first, (over, _) in enumerate(COLUMNS):
        if over is None:
            style.append(("SPAN", (first, 0), (first, 1)))
        elif COLUMNS[first - 1][0] != over:
            last = max(at for at, (same, _) in enumerate(COLUMNS) if same == over)
            style.append(("SPAN", (first, 0), (last, 0)))
    return Table([*heads, *rows], colWidths=[width * mm for width in WIDTHS_MM], repeatRows=2, splitInRow=0,
                 style=TableStyle(style))  # fmt: skip


def _row(texts: list[str]) -> list[Flowable]:
    """A row as tall as a signature; a long name or reason makes it taller."""
    empty = Spacer(1, SIGNED_MM * mm)
    return [empty if at in SIGNATURES and not text else para(text, SMALL if len(text) > 40 else CELL)
            for at, text in enumerate(texts)]  # fmt: skip


def _mark(words: Words, found: Form) -> list[Flowable]:
    """What ties the paper to the journal."""
    head = found.checkpoint
    if head is None:
        return [para(words.say(N_("The journal is not signed yet: this paper is no mark of it.")), BODY)]
    lines = [
        words.say(N_("The journal has {entries} entries. Signed are {size}, {moment}."), entries=found.entries,
                  size=head.size, moment=words.moment(head.at)),
        words.say(N_("The head, to be read aloud: {spoken}"), spoken=checkpoints.spoken(head.root)),
        words.say(N_("The square holds the whole signed checkpoint. To check the journal against it: {command}"),
                  command="examsite verify journal --checkpoint TEXT"),
        words.say(N_("The numbers of the rows are those of the entries in the journal.")),
    ]  # fmt: skip
    beside = TableStyle([("VALIGN", (0, 0), (-1, -1), "MIDDLE")])
    said = [para(line, BODY) for line in lines]
    return [Table([[_square(head.note), said]], colWidths=[(QR_MM + 6) * mm, 200 * mm], style=beside)]


def _square(note: str) -> Drawing:
    code = QrCodeWidget(note, barLevel=QR_LEVEL)
    left, low, right, high = code.getBounds()
    side = QR_MM * mm
    drawing = Drawing(side, side, transform=[side / (right - left), 0, 0, side / (high - low), 0, 0])
    drawing.add(code)
    return drawing


def _foot(config: Config, words: Words, found: Form, printed_at: datetime) -> str:
    head = found.checkpoint
    said = words.say(N_("{site}. Printed {moment}"), site=f"{config.site.code}", moment=words.moment(printed_at))
    if head is None:
        return said
    return said + ". " + words.say(N_("Entries {entries}, head of {size}: {spoken}"), entries=found.entries,
                                   size=head.size, spoken=checkpoints.spoken(head.root))  # fmt: skip
