"""`examsite journal`: the access journal leaves as a folder that anybody can check; personal data is erased by law."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import click

from appliance import config as configuration
from appliance import erasure, journal_export, store, verify_journal
from appliance.clock import SystemClock
from appliance.commands.common import config_option, json_option, load, out, proven
from appliance.commands.common import words as words_of
from appliance.config import Config
from appliance.erasure import Plan
from appliance.model import N_, Actor, ApplianceError, Role
from appliance.store import Database
from appliance.words import Words

CONSOLE = Actor.service("console")  # whoever has the box's console; the journal says so
FILES = ("site.toml", "examsite.toml")  # as the demo and the installation name a site's configuration


@click.group()
def journal() -> None:
    """The access journal: who had their hands on the equipment, when and why.

    \b
    Example:
      examsite journal export --to /media/stick/journal
    """


@journal.command()
@click.option("--to", "folder", type=click.Path(path_type=Path), required=True, help="A new folder.")
@click.option("--exam", metavar="ID", help="Only what belongs to this exam and its day.")
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    help="A site's folder, instead of --config: the one with site.toml, or its data folder.",
)
@config_option
@json_option
def export(folder: Path, exam: str | None, data: Path | None, config_file: Path, as_json: bool) -> None:
    """Write the journal into a new folder, with checkpoints, proofs, public key and verify_journal.py.

    The folder is read back and checked. Keep its checkpoint.note elsewhere: the next export is checked against it.

    Exit status 0: written and it holds; 1: not written, or what was written shows that something is wrong.

    \b
    Example:
      examsite journal export --to /media/stick/journal-math --exam math
      python3 /media/stick/journal-math/verify_journal.py /media/stick/journal-math
    """
    config, db = load(config_file) if data is None else _site_in(data)
    done = journal_export.export(db, config, SystemClock(), CONSOLE, folder, exam)
    report = verify_journal.check(done.path)
    said = words_of(config)
    if as_json:
        facts = {"rows": done.rows, "size": done.checkpoint.size, "root": done.checkpoint.root.hex()}
        out({"ok": report.ok, "path": str(done.path), **facts, "checkpoint": done.checkpoint.note,
             "faults": [found.as_json() for found in (*report.faults, *report.refusals)]})  # fmt: skip
    else:
        click.echo(said.say(N_("Written to {path}: {rows} of the journal's {size} entries."), path=str(done.path),
                            rows=done.rows, size=done.checkpoint.size))  # fmt: skip
        click.echo(said.say(N_("To check: {command}"), command=f"python3 {done.path}/verify_journal.py {done.path}"))
    if not report.ok:
        click.echo(said.say(N_("The journal does not hold. Leave the box on and call the administrator.")), err=True)
        click.echo("\n".join(found.say(said.language == "ru") for found in report.faults), err=True)
        sys.exit(1)


@journal.command()
@click.option("--person", "login", required=True, metavar="LOGIN", help="Whose data.")
@click.option("--ground", required=True, metavar="TEXT", help="The request or the law; it stands in the journal.")
@click.option("--before", type=click.DateTime(["%Y-%m-%d"]), metavar="DATE", help="Only what is older than this day.")
@click.option("--words", is_flag=True, help="Also what people wrote where the person's surname stands.")
@click.option("--dry-run", is_flag=True, help="Only say what would be erased and what stays.")
@click.option("--asked-by", metavar="LOGIN", help="Who asks: an administrator.")
@click.option("--agreed-by", metavar="LOGIN", help="Who agrees: a head of site.")
@click.option("--asked-password-file", type=click.Path(path_type=Path), help="Their passwords; without, asked for.")
@click.option("--agreed-password-file", type=click.Path(path_type=Path))
@config_option
@json_option
def erase(
    login: str, ground: str, before: datetime | None, words: bool, dry_run: bool, asked_by: str | None,
    agreed_by: str | None, asked_password_file: Path | None, agreed_password_file: Path | None, config_file: Path,
    as_json: bool,
) -> None:  # fmt: skip
    """Erase a person's data because the law asks for it; the journal's proof stays whole.

    Two people give their passwords, as on the pages; nothing is erased before both.

    Login and name go, in every entry and, of a disabled account, there too: it gets another login. The entries stay,
    with their time, role and act. Refused from the checks of an exam to its last recording.

    \b
    Example:
      examsite journal erase --person orlov --ground "Request no. 4 of 22.11.2026" --dry-run
      examsite journal erase --person orlov --ground "Request no. 4 of 22.11.2026" --asked-by admin --agreed-by ivanova
    """
    config, db = load(config_file)
    limit = None if before is None else before.replace(tzinfo=config.site.zone)
    if dry_run:
        found = erasure.plan(db, login, before=limit, words=words)
    else:
        if asked_by is None or agreed_by is None:
            raise ApplianceError(
                N_("Erasing takes two people: say --asked-by (an administrator) and --agreed-by (a head of site).")
            )
        said, clock = words_of(config), SystemClock()
        asker = proven(db, config, asked_by, Role.ADMIN, asked_password_file, said)
        agreer = proven(db, config, agreed_by, Role.HEAD, agreed_password_file, said)
        order = erasure.ask(db, clock, asker, login, ground, before=limit, words=words)
        found = erasure.agree(db, config, clock, order, agreer)
    if as_json:
        out({"erased": not dry_run, "values": len(found.openings), "entries": found.entries, "account": found.account,
             "words_left": list(found.words)})  # fmt: skip
    else:
        click.echo("\n".join(_told(found, dry_run, words_of(config))))


GOES = {True: N_("Would be erased: {values} values in {entries} entries."),
        False: N_("Erased: {values} values in {entries} entries.")}  # fmt: skip
ACCOUNT = N_("The account {login} loses its name and gets another login.")
LEFT = N_("The surname stands in what people wrote, and stays, in entries {entries}. With --words that goes too.")
STAYS = N_("What stays: entries with their time, role and act, the proof, recordings, every copy that left the box.")


def _told(found: Plan, dry_run: bool, said: Words) -> Iterator[str]:
    yield said.say(GOES[dry_run], values=len(found.openings), entries=found.entries)
    if found.account:
        yield said.say(ACCOUNT, login=found.login)
    if found.words:
        yield said.say(LEFT, entries=", ".join(map(str, found.words)))
    yield said.say(STAYS)
    if dry_run:
        yield said.say(N_("Nothing was erased."))


def _site_in(data: Path) -> tuple[Config, Database]:
    """The site whose folder this is: the one that holds its configuration, or the data folder beside that."""
    for file in (place / name for place in (data, data.absolute().parent) for name in FILES):
        if file.is_file():
            config = configuration.load(file)
            if file.parent == data or config.data.resolve() == data.resolve():
                return config, store.open(config.database)
    raise ApplianceError(N_("{path} is not the folder of a site: there is no site.toml."), path=str(data))
