"""The mark on paper: the journal's size and head, to be read aloud, and a square (QR) with the signed checkpoint.

Every print of the box's has it, so that every sheet that left is a mark outside the box: whoever rewrites the journal
later would have to find all of them. docs/journal-witness.md
"""

from __future__ import annotations

from dataclasses import dataclass

from reportlab.graphics.barcode.qr import QrCodeWidget
from reportlab.graphics.shapes import Drawing
from reportlab.lib.units import mm
from reportlab.platypus import Flowable, KeepTogether, Spacer, Table, TableStyle

from appliance import checkpoints, journal
from appliance.checkpoints import Checkpoint
from appliance.model import N_
from appliance.paper import BODY, para
from appliance.store import Database
from appliance.words import Words

QR_MM = 36
QR_LEVEL = "M"  # a seventh of the square may be dirty or folded


@dataclass(frozen=True, slots=True)
class Mark:
    """What a sheet says of the journal: how many entries it has, and the newest checkpoint that is signed."""

    entries: int
    checkpoint: Checkpoint | None


def newest(db: Database) -> Mark:
    return Mark(journal.head(db)[0], checkpoints.latest(db))


def block(words: Words, mark: Mark, *further: str) -> list[Flowable]:
    """What ties the paper to the journal, on one page; `further` lines stand below the others."""
    head = mark.checkpoint
    if head is None:
        return [para(words.say(N_("The journal is not signed yet: this paper is no mark of it.")), BODY)]
    lines = [
        words.say(N_("The journal has {entries} entries. Signed are {size}, {moment}."), entries=mark.entries,
                  size=head.size, moment=words.moment(head.at)),
        words.say(N_("The head, to be read aloud: {spoken}"), spoken=checkpoints.spoken(head.root)),
        words.say(N_("The square holds the whole signed checkpoint. To check the journal against it: {command}"),
                  command="examsite verify journal --checkpoint TEXT"),
        *further,
    ]  # fmt: skip
    beside = TableStyle([("VALIGN", (0, 0), (-1, -1), "MIDDLE")])
    said = [para(line, BODY) for line in lines]
    table = Table([[_square(head.note), said]], colWidths=[(QR_MM + 6) * mm, 200 * mm], style=beside)
    return [Spacer(1, 4 * mm), KeepTogether([table])]


def foot(words: Words, mark: Mark) -> str:
    """The same at the foot of every page, as far as it can be said in a line; nothing before anything was signed."""
    head = mark.checkpoint
    if head is None:
        return ""
    return ". " + words.say(N_("Entries {entries}, head of {size}: {spoken}"), entries=mark.entries,
                            size=head.size, spoken=checkpoints.spoken(head.root))  # fmt: skip


def _square(note: str) -> Drawing:
    code = QrCodeWidget(note, barLevel=QR_LEVEL)
    left, low, right, high = code.getBounds()
    side = QR_MM * mm
    drawing = Drawing(side, side, transform=[side / (right - left), 0, 0, side / (high - low), 0, 0])
    drawing.add(code)
    return drawing
