"""What every print shares: fonts, styles, the page's foot with its number, the site's name, tables for spreadsheets.

Black on white, A4 landscape, "page 2 of 5" at the foot. The same facts give the same bytes, so that two prints can be
compared. PT Sans is vendored with its licence in fonts/.
"""

from __future__ import annotations

import csv
import io
from importlib.resources import as_file, files
from typing import Any
from xml.sax.saxutils import escape

from reportlab.lib.pagesizes import A4, landscape
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Flowable, Paragraph, SimpleDocTemplate, TableStyle

from appliance.config import Config
from appliance.model import N_
from appliance.words import Words

REGULAR, BOLD = "PTSans", "PTSans-Bold"
BODY = ParagraphStyle("body", fontName=REGULAR, fontSize=10, leading=12.5)
CELL = ParagraphStyle("cell", fontName=REGULAR, fontSize=9, leading=11)
HEAD = ParagraphStyle("head", fontName=BOLD, fontSize=8.5, leading=10)
TITLE = ParagraphStyle("title", fontName=BOLD, fontSize=14, leading=18, spaceAfter=4)
LEAD = ParagraphStyle("lead", fontName=BOLD, fontSize=11, leading=14, spaceAfter=2)
SECTION = ParagraphStyle("section", fontName=BOLD, fontSize=10.5, leading=13, spaceBefore=7, spaceAfter=2)
GRID = TableStyle([("GRID", (0, 0), (-1, -1), 0.5, "black"), ("VALIGN", (0, 0), (-1, -1), "TOP"),
                   ("LEFTPADDING", (0, 0), (-1, -1), 3), ("RIGHTPADDING", (0, 0), (-1, -1), 3)])  # fmt: skip
FORMULAS = ("=", "+", "-", "@", "\t", "\r")  # a cell that begins so would be run by a spreadsheet


class _Numbered(Canvas):  # type: ignore[misc]
    """Writes "page 2 of 5" once it knows how many there are."""

    say: Words
    foot: str

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._pages: list[dict[str, Any]] = []

    def showPage(self) -> None:  # reportlab's own name
        self._pages.append(dict(self.__dict__))
        self._startPage()

    def save(self) -> None:
        for number, page in enumerate(self._pages, start=1):
            self.__dict__.update(page)
            self.setFont(REGULAR, 8)
            self.drawString(12 * mm, 8 * mm, self.foot)
            said = self.say.say(N_("page {page} of {pages}"), page=number, pages=len(self._pages))
            self.drawRightString(landscape(A4)[0] - 12 * mm, 8 * mm, said)
            super().showPage()
        super().save()


def span_line(words: Words, since: Any, until: Any) -> str:
    return words.say(N_("From {since} to {until}"), since=words.moment(since), until=words.moment(until))


def site_line(config: Config, words: Words) -> str:
    title = config.profile.titles.site.in_(words.language)
    return f"{title} {config.site.code}, {config.site.name.in_(words.language)}"


def foot(config: Config, words: Words, printed_at: Any) -> str:
    return words.say(N_("{site}. Printed {moment}"), site=site_line(config, words), moment=words.moment(printed_at))


def para(text: str, style: ParagraphStyle) -> Paragraph:
    return Paragraph(escape(text), style)


def build(story: list[Flowable], words: Words, title: str, foot: str) -> bytes:
    into = io.BytesIO()
    paper = SimpleDocTemplate(into, pagesize=landscape(A4), leftMargin=12 * mm, rightMargin=12 * mm, topMargin=12 * mm,
                              bottomMargin=15 * mm, title=title, author="examsite", lang=words.language,
                              invariant=1)  # fmt: skip
    numbered = type("Numbered", (_Numbered,), {"say": words, "foot": foot})
    paper.build(story, canvasmaker=numbered)
    return into.getvalue()


def fonts() -> None:
    """Told to reportlab once a process; it keeps them by name."""
    known = pdfmetrics.getRegisteredFontNames()
    for name, file in ((REGULAR, "PTS55F.ttf"), (BOLD, "PTS75F.ttf")):
        if name not in known:
            with as_file(files("appliance").joinpath("fonts", file)) as path:
                pdfmetrics.registerFont(TTFont(name, str(path)))
            pdfmetrics.registerFontFamily(name, normal=name, bold=BOLD, italic=name, boldItalic=BOLD)


def table_csv(words: Words, rows: list[list[str]]) -> bytes:
    """UTF-8 with its mark, and the delimiter spreadsheets of this language expect."""
    into = io.StringIO()
    writer = csv.writer(into, delimiter=";" if words.language == "ru" else ",", lineterminator="\r\n")
    writer.writerows([[f"'{cell}" if cell.startswith(FORMULAS) else cell for cell in row] for row in rows])
    return into.getvalue().encode("utf-8-sig")
