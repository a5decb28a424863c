"""The access journal's official form on paper: its columns, its head on every page, cells to sign in, and the mark.

At the end stands the mark that makes the paper a witness (paper_mark.py): two people sign the sheet. Rows are never
split over pages.
"""

from __future__ import annotations

from datetime import datetime

from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.platypus import Flowable, Spacer, Table, TableStyle

from appliance import journal_form, paper_mark
from appliance.config import Config
from appliance.exams import Exam
from appliance.journal_form import COLUMNS, SIGNATURES, Form
from appliance.model import N_, Language
from appliance.paper import BODY, CELL, REGULAR, TITLE, build, fonts, para, span_line
from appliance.paper_mark import Mark
from appliance.words import Words

WIDTHS_MM = (13, 19, 25, 15, 18, 38, 30, 23, 20, 30, 23, 19)  # 273 of A4's 297; a double surname breaks at its hyphen
SIGNED_MM = 12  # what a signature needs
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
    mark = Mark(found.entries, found.checkpoint)
    numbers = words.say(N_("The numbers of the rows are those of the entries in the journal."))
    story += paper_mark.block(words, mark, numbers)
    return build(story, words, title, _foot(config, words, mark, printed_at))


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


def _foot(config: Config, words: Words, mark: Mark, printed_at: datetime) -> str:
    said = words.say(N_("{site}. Printed {moment}"), site=f"{config.site.code}", moment=words.moment(printed_at))
    return said + paper_mark.foot(words, mark)
