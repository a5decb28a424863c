"""`examsite exam`: plan, list, move and cancel exams."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import click

from appliance import coverage_report, coverage_sign, coverage_words, exams, journal, paper_mark, prints
from appliance.clock import SystemClock, iso
from appliance.commands.common import config_option, json_option, load, out, words
from appliance.config import Config
from appliance.exams import Exam
from appliance.model import N_, Actor, ApplianceError
from appliance.words import Words

CONSOLE = Actor.service("console")  # whoever has the box's console; the journal says so
STATES = {"planned": N_("planned"), "cancelled": N_("cancelled"), "closed": N_("archive sealed")}


@click.group()
def exam() -> None:
    """The plan of exams. Times are the site's own: "2026-11-23 10:00".

    \b
    Example:
      examsite exam list
    """


@exam.command()
@click.argument("exam_id", metavar="NAME")
@click.option("--title", required=True, help="The subject, as pages and prints show it.")
@click.option("--start", required=True, help='"2026-11-23 10:00", the site\'s time.')
@click.option("--end", required=True, help='"2026-11-23 13:55", the site\'s time.')
@click.option("--room", "rooms", multiple=True, help="A room that takes part; repeat it. Default: every room.")
@config_option
def plan(exam_id: str, title: str, start: str, end: str, rooms: tuple[str, ...], config_file: Path) -> None:
    """Put an exam on the plan under a short NAME. Checks, recording and sealing follow by themselves.

    \b
    Example:
      examsite exam plan russian --title "Русский язык" --start "2026-11-23 10:00" --end "2026-11-23 13:30"
    """
    config, db = load(config_file)
    starts_at, ends_at = _hours(config, start, end)
    planned = exams.plan(db, config, SystemClock(), CONSOLE, exam_id, title, starts_at, ends_at, rooms)
    click.echo(_line(words(config), planned))


@exam.command("list")
@json_option
@config_option
def list_(as_json: bool, config_file: Path) -> None:
    """List every exam, with the hours of its checks, recording and sealing.

    \b
    Example:
      examsite exam list --json
    """
    config, db = load(config_file)
    said = words(config)
    if as_json:
        out([_as_dict(config, found) for found in exams.exams(db)])
        return
    for found in exams.exams(db):
        click.echo(_line(said, found))
        if found.state == "planned":
            for kind, at in exams.phases(config, found):
                click.echo(f"    {said.moment(at)}  {said.say(exams.PHASES[kind])}")


@exam.command()
@click.argument("exam_id", metavar="NAME")
@click.option("--start", required=True, help='"2026-11-23 10:00", the site\'s time.')
@click.option("--end", required=True, help='"2026-11-23 13:55", the site\'s time.')
@config_option
def move(exam_id: str, start: str, end: str, config_file: Path) -> None:
    """Give an exam other hours. With another start its checks run again, two hours before that.

    \b
    Example:
      examsite exam move russian --start "2026-11-23 11:00" --end "2026-11-23 14:30"
    """
    config, db = load(config_file)
    moved = exams.move(db, config, SystemClock(), CONSOLE, exam_id, *_hours(config, start, end))
    click.echo(_line(words(config), moved))


@exam.command()
@click.argument("exam_id", metavar="NAME")
@config_option
def cancel(exam_id: str, config_file: Path) -> None:
    """Take an exam off the plan: no checks, no recording. What was recorded stays.

    \b
    Example:
      examsite exam cancel russian
    """
    config, db = load(config_file)
    exams.cancel(db, SystemClock(), CONSOLE, exam_id)
    click.echo(_line(words(config), exams.get(db, exam_id)))


@exam.command()
@click.argument("exam_id", metavar="NAME")
@click.option("--json", "as_json", is_flag=True, help="Print the canonical JSON whose SHA-256 the head signs.")
@click.option("--pdf", type=click.Path(dir_okay=False, path_type=Path), help="Write the report for paper to FILE.")
@config_option
def coverage(exam_id: str, as_json: bool, pdf: Path | None, config_file: Path) -> None:
    """What had to be recorded of an exam, what was, and why the rest was not.

    \b
    Example:
      examsite exam coverage russian
      examsite exam coverage russian --json | sha256sum
      examsite exam coverage russian --pdf report.pdf
    """
    config, db = load(config_file)
    said, now = words(config), SystemClock().now()
    found = coverage_report.report(db, config, exam_id, now)
    sha256 = coverage_report.sha256(config, found)
    signed = coverage_sign.signature(db, exam_id, sha256)
    if pdf is not None:
        pdf.write_bytes(prints.coverage_pdf(config, found, signed, journal.head(db), now, paper_mark.newest(db)))
    if as_json:
        click.echo(coverage_report.canonical(config, found), nl=False)
        return
    click.echo(coverage_words.headline(said, config, found))
    if remark := coverage_words.remark(said, found):
        click.echo(remark)
    for row in coverage_words.hole_rows(said, config, found):
        click.echo("    " + "  ".join(row))
    click.echo(f"SHA-256 {sha256}")
    if signed is not None:
        text = N_("Signed by {name}, no. {number}.") if signed.same else N_(
            "Signed by {name}, no. {number}; it has changed since.")  # fmt: skip
        click.echo(said.say(text, name=signed.entry.actor.name, number=str(signed.entry.seq)))


def _hours(config: Config, start: str, end: str) -> tuple[datetime, datetime]:
    """Both times, and the exam not over yet: a wrong year, or a box whose clock is wrong, is seen here."""
    starts_at, ends_at = site_time(start, config.site.zone), site_time(end, config.site.zone)
    now = SystemClock().now()
    if ends_at <= now:
        raise ApplianceError(
            N_("By the box clock it is {now_day} {now_at}: this exam would be over. Check its hours and the clock."),
            now_day=iso(now), now_at=iso(now),
        )  # fmt: skip
    return starts_at, ends_at


def site_time(text: str, zone: ZoneInfo) -> datetime:
    """The instant of a time on the site's clock; ApplianceError when summer time leaves that out, or has it twice."""
    try:
        said = datetime.fromisoformat(text)
    except ValueError as bad:
        raise ApplianceError(N_("{text} is not a time. Give it like 2026-11-23 10:00."), text=text) from bad
    if said.tzinfo is not None:
        return said
    local = said.replace(tzinfo=zone)
    if local.utcoffset() != local.replace(fold=1).utcoffset():
        raise ApplianceError(
            N_("On that day the clocks are changed: {text} comes twice or not at all. Add the offset: {text}+05:00."),
            text=text,
        )
    return local


def _line(said: Words, found: Exam) -> str:
    rooms = ", ".join(found.rooms)
    return (f"{found.id}  {found.title}  {said.moment(found.starts_at)} – {said.moment(found.ends_at)}"
            f"  {said.say(STATES[found.state])}{'  ' + rooms if rooms else ''}")  # fmt: skip


def _as_dict(config: Config, found: Exam) -> dict[str, object]:
    return {
        "id": found.id, "title": found.title, "starts_at": iso(found.starts_at), "ends_at": iso(found.ends_at),
        "rooms": list(found.rooms), "state": found.state, "revision": found.revision,
        "sealed_at": iso(found.sealed_at) if found.sealed_at else None,
        "phases": [{"kind": kind, "at": iso(at)} for kind, at in exams.phases(config, found)],
    }  # fmt: skip
