"""Paper: the alarm log, the duty's report, the coverage report as PDF and CSV, in the site's language.

Each PDF carries the journal's mark (paper_mark.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reportlab.lib.units import mm
from reportlab.platypus import Flowable, KeepTogether, Spacer, Table

from appliance import alarm_log, coverage_report, coverage_words, duty, paper_mark
from appliance.config import Config
from appliance.coverage_report import CoverageReport
from appliance.coverage_sign import Signature
from appliance.journal import Entry
from appliance.model import N_, Message, Role
from appliance.paper import (
    BODY,
    CELL,
    GRID,
    HEAD,
    LEAD,
    SECTION,
    TITLE,
    build,
    fonts,
    foot,
    para,
    site_line,
    span_line,
    table_csv,
)  # fmt: skip
from appliance.paper_mark import Mark
from appliance.words import Words

WIDTHS_MM = (25, 36, 66, 43, 44, 25, 34)  # of the log's seven columns: 273 of A4's 297


def alarm_log_pdf(
    config: Config, found: Sequence[alarm_log.Line], span: tuple[Any, Any], printed_at: Any, mark: Mark
) -> bytes:
    """The log of a span of time, in Annex 8's columns."""
    fonts()
    words = Words(config.site.language, config.site.zone)
    title = config.profile.titles.alarm_log.in_(words.language)
    rows = [[para(words.say(name), HEAD) for name in alarm_log.COLUMNS]]
    rows += [[para(text, CELL) for text in row] for row in alarm_log.cells(words, found)]
    story: list[Flowable] = [
        para(title, TITLE), para(site_line(config, words), BODY), para(span_line(words, *span), BODY),
        Spacer(1, 3 * mm),
        Table(rows, colWidths=[width * mm for width in WIDTHS_MM], repeatRows=1, style=GRID, splitInRow=1),
    ]  # fmt: skip
    if not found:
        story.append(para(words.say(N_("There were no alarms and no tests in this time.")), BODY))
    story += paper_mark.block(words, mark)
    return build(story, words, title, foot(config, words, printed_at))


def alarm_log_csv(config: Config, found: Sequence[alarm_log.Line]) -> bytes:
    """The same as a table for spreadsheets."""
    words = Words(config.site.language, config.site.zone)
    return table_csv(words, [[words.say(name) for name in alarm_log.COLUMNS], *alarm_log.cells(words, found)])


def duty_pdf(config: Config, entry: Entry, printed_at: Any, mark: Mark, *, silent: bool = True) -> bytes:
    """The report of one hand-over, with a place for both signatures on paper too."""
    fonts()
    words = Words(config.site.language, config.site.zone)
    title = config.profile.titles.duty.in_(words.language)
    story: list[Flowable] = [para(title, TITLE), para(site_line(config, words), BODY)]
    for heading, lines in duty_sections(words, entry, silent=silent):
        story.append(para(heading, SECTION))
        story += [para(line, BODY) for line in lines]
    signed = words.say(N_("signed by password, {moment}"), moment=words.moment(entry.at))
    signs = [
        [para(words.say(N_("Handed over")), HEAD), para(entry.actor.name, CELL), para(signed, CELL), ""],
        [para(words.say(N_("Took over")), HEAD), para(str(entry.data["taking"]), CELL), para(signed, CELL), ""],
    ]
    widths = [width * mm for width in (30, 80, 80, 60)]
    story += [Spacer(1, 6 * mm), KeepTogether(Table(signs, colWidths=widths, rowHeights=12 * mm, style=GRID))]
    story += paper_mark.block(words, mark)
    return build(story, words, title, foot(config, words, printed_at))


def duty_csv(config: Config, entry: Entry, *, silent: bool = True) -> bytes:
    """The same, one line a fact."""
    words = Words(config.site.language, config.site.zone)
    rows = [[words.say(N_("Part")), words.say(N_("What it says"))]]
    rows += [[heading, line] for heading, lines in duty_sections(words, entry, silent=silent) for line in lines]
    rows += [[words.say(N_("Handed over")), entry.actor.name], [words.say(N_("Took over")), str(entry.data["taking"])]]
    return table_csv(words, rows)


def duty_sections(words: Words, entry: Entry, *, silent: bool = True) -> list[tuple[str, list[str]]]:
    """The report's parts: heading and lines. The page shows the same. Without `silent`, silent calls are left out."""
    said = entry.data

    def name(value: Mapping[str, Any]) -> str:
        return words.say(Message.from_json(value))

    def some(lines: list[str]) -> list[str]:
        return lines or [words.say(duty.NOTHING)]

    totals = words.say(
        N_("Alarms {signals}, without a conclusion {open}; stand now {standing}; armed {armed}, disarmed {disarmed}"),
        **{key: said[key] for key in ("signals", "open", "standing", "armed", "disarmed")},
    )
    alarms = [words.say(N_("{day} {raised_at} {what}, {zone}: {state}"), day=words.day(words.local(a["raised_at"])),
                        raised_at=a["raised_at"], what=name(a["what"]), zone=name(a["zone"]),
                        state=words.say(duty.STATES[a["aside"] or a["state"]]))
              for a in said["alarms"] if silent or not a["silent"]]  # fmt: skip
    asides = [words.say(N_("{what}, {zone}: {how} until {until}. {reason}. {by}"), what=name(a["what"]),
                        zone=name(a["zone"]), how=words.say(duty.STATES[a["how"]]), until=_until(words, a["until_at"]),
                        reason=a["reason"], by=a["by"]) for a in said["asides"]]  # fmt: skip
    tests = [words.say(N_("{zone} until {until}. {reason}. {by}"), zone=name(t["zone"]), reason=t["reason"], by=t["by"],
                       until=_until(words, t["until_at"])) for t in said["tests"]]  # fmt: skip
    owed = [f"{words.time(u['at'])} {name(u['what'])}, {name(u['zone'])}" for u in said["unexplained"]
            if silent or not u["silent"]]
    return [
        (words.say(N_("Shift")), [span_line(words, said["from_at"], said["to_at"]), totals]),
        (words.say(N_("What stands")), some(alarms)),
        (words.say(N_("Shelved and out of service")), some(asides)),
        (words.say(N_("In test mode")), some(tests)),
        (words.say(N_("Panels not heard")), some([name(panel) for panel in said["unheard"]])),
        (words.say(N_("Without a conclusion")), some(owed)),
        (words.say(N_("Remarks")), some([said["remarks"]] if said["remarks"] else [])),
    ]


def coverage_pdf(
    config: Config, found: CoverageReport, signed: Signature | None, head: tuple[int, str], printed_at: Any,
    mark: Mark | None,
) -> bytes:
    """The coverage report with its fingerprint, the journal's head and a place to sign on paper too.

    In a hand-over it has no `mark` of its own: the journal and its checkpoint lie beside it.
    """
    fonts()
    words = Words(config.site.language, config.site.zone)
    title = config.profile.titles.coverage.in_(words.language)
    exam = words.say(N_("{title}, {day}, {begins}–{ends}"), title=found.exam.title,
                     day=words.day(words.local(found.exam.starts_at)), begins=words.minute(found.exam.starts_at),
                     ends=words.minute(found.exam.ends_at))  # fmt: skip
    story: list[Flowable] = [
        para(title, TITLE), para(site_line(config, words), BODY), para(exam, BODY), Spacer(1, 3 * mm),
        para(coverage_words.headline(words, config, found), LEAD), para(coverage_words.remark(words, found), BODY),
    ]  # fmt: skip
    for heading, columns, widths_mm, rows in _coverage_tables(words, config, found):
        cells = [[para(words.say(name), HEAD) for name in columns]]
        cells += [[para(text, CELL) for text in row] for row in rows]
        widths = [width * mm for width in widths_mm]
        story += [para(words.say(heading), SECTION), Table(cells, colWidths=widths, repeatRows=1, style=GRID)]
    story += [Spacer(1, 4 * mm), KeepTogether(_coverage_proof(words, config, found, signed, head))]
    if mark is not None:
        story += paper_mark.block(words, mark)
    return build(story, words, title, foot(config, words, printed_at))


def _coverage_tables(
    words: Words, config: Config, found: CoverageReport
) -> list[tuple[str, Sequence[str], Sequence[int], list[list[str]]]]:
    holes = coverage_words.hole_rows(words, config, found)
    tables: list[tuple[str, Sequence[str], Sequence[int], list[list[str]]]] = [
        (N_("Rooms"), coverage_words.ROOM_COLUMNS, (48, 85, 50, 30, 30, 30),
         coverage_words.room_rows(words, config, found)),
        (N_("Gaps of cameras"), coverage_words.HOLE_COLUMNS, (38, 38, 42, 28, 65, 24, 38), holes),
        (N_("Clocks"), coverage_words.CLOCK_COLUMNS, (75, 28, 70, 100),
         coverage_words.clock_rows(words, config, found.cameras)),
    ]  # fmt: skip
    return [table for table in tables if table[3]]


def _coverage_proof(
    words: Words, config: Config, found: CoverageReport, signed: Signature | None, head: tuple[int, str]
) -> list[Flowable]:
    """What ties the paper to the box: fingerprint, journal head, the signature in the journal and one by hand."""
    role = config.profile.titles.roles[Role.HEAD].in_(words.language)
    name, said = "", words.say(N_("not signed yet"))
    if signed is not None:
        name = str(signed.entry.actor.name)
        said = words.say(N_("signed in the journal, no. {number}, {moment}"), number=str(signed.entry.seq),
                         moment=words.moment(signed.entry.at))  # fmt: skip
        if not signed.same:
            said += ". " + words.say(N_("The report has changed since."))
    sha256 = coverage_report.sha256(config, found)
    lines = [
        words.say(N_("Fingerprint of the report (SHA-256): {sha256}"), sha256=sha256),
        words.say(N_("The journal's newest entry: no. {number}, {sha256}"), number=str(head[0]), sha256=head[1]),
    ]
    if signed is not None and signed.same and signed.sha256 != sha256:  # a part of the rooms was handed over
        lines.append(words.say(N_("Signed was the report of all rooms: {sha256}"), sha256=signed.sha256))
    signs = [[para(role, HEAD), para(name, CELL), para(said, CELL), para(words.say(N_("signature")), CELL)],
             [para(words.say(N_("Name")), HEAD), "", "", para(words.say(N_("signature")), CELL)]]  # fmt: skip
    widths = [width * mm for width in (50, 75, 88, 60)]
    return [*(para(line, CELL) for line in lines), Spacer(1, 3 * mm),
            Table(signs, colWidths=widths, rowHeights=12 * mm, style=GRID)]  # fmt: skip


def _until(words: Words, until_at: str | None) -> str:
    if until_at is None:
        return words.say(N_("somebody puts it back"))
    return f"{words.day(words.local(until_at))} {words.minute(until_at)}"
