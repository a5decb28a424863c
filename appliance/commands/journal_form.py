"""`examsite journal form`: the access journal in the columns of the official form, for paper and for programs.

Joins the group of appliance/commands/journal.py; `examsite journal` is imported from here.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path

import click

from appliance import checkpoints, exams, journal_form, journal_paper
from appliance.clock import SystemClock
from appliance.commands.common import config_option, json_option, load, out, words
from appliance.commands.journal import CONSOLE, journal
from appliance.config import Config
from appliance.journal_form import Asked
from appliance.model import LANGUAGES, N_, ApplianceError, Language
from appliance.store import Database


@journal.command()
@click.option("--exam", metavar="ID", help="Of this exam.")
@click.option("--from", "since", metavar="DAY", help="From this day of the site's clock, 2026-11-22.")
@click.option("--to", "until", metavar="DAY", help="To this day, and including it.")
@click.option("--room", metavar="CODE", help="Of this room only.")
@click.option("--pdf", type=click.Path(path_type=Path, dir_okay=False), help="Write the form for paper into this file.")
@click.option("--csv", "as_csv", is_flag=True, help="Print it as a table for spreadsheets.")
@click.option("--language", type=click.Choice(LANGUAGES), help="Of the form; default: the site's.")
@config_option
@json_option
def form(
    exam: str | None, since: str | None, until: str | None, room: str | None, pdf: Path | None, as_csv: bool,
    language: Language | None, config_file: Path, as_json: bool,
) -> None:  # fmt: skip
    """The access journal in the columns of the official form: as PDF for paper, as CSV or JSON.

    Paper carries the journal's newest signed checkpoint, signed now where the key may be read, and printing is entered.

    \b
    Example:
      examsite journal form --exam russian --pdf form.pdf
      examsite journal form --from 2026-11-22 --to 2026-11-22 --csv > form.csv
    """
    if sum((pdf is not None, as_csv, as_json)) != 1:
        raise ApplianceError(N_("Name a file for the PDF, or --csv or --json."))
    config, db = load(config_file)
    clock, spoken = SystemClock(), language or config.site.language
    if pdf is not None:
        _sign(db, config, clock)
    found = journal_form.form(db, Asked(exam, _midnight(config, since), _midnight(config, until, 1), room))
    if as_csv:
        click.echo(journal_form.as_csv(config, found, spoken), nl=False)
    elif as_json:
        out(journal_form.as_json(db, config, found))
    elif pdf is not None:
        of = exams.get(db, exam) if exam else None
        pdf.write_bytes(journal_paper.pdf(config, found, of, spoken, clock.now()))
        journal_form.note_print(db, clock, CONSOLE, found)
        click.echo(words(config).say(N_("Written to {path}: {rows} rows."), path=str(pdf), rows=len(found.acts)))


def _sign(db: Database, config: Config, clock: SystemClock) -> None:
    """A fresh checkpoint for the paper, where whoever runs this may read the key; else the last one, and it is said."""
    try:
        checkpoints.sign(db, config, clock, "asked")
    except ApplianceError as refused:
        said = words(config)
        click.echo(said.say(N_("The sheet carries the last checkpoint: {cause}"), cause=refused.message), err=True)


def _midnight(config: Config, day: str | None, days: int = 0) -> datetime | None:
    if day is None:
        return None
    try:
        on = date.fromisoformat(day) + timedelta(days=days)
    except (ValueError, OverflowError):
        raise ApplianceError(N_("This is no day: {text}. Write it like 2026-11-22."), text=day) from None
    return datetime.combine(on, datetime.min.time(), config.site.zone)
