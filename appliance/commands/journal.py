"""`examsite journal`: the access journal leaves as a folder that anybody can check."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from appliance import config as configuration
from appliance import journal_export, store, verify_journal
from appliance.clock import SystemClock
from appliance.commands.common import config_option, json_option, load, out, words
from appliance.config import Config
from appliance.model import N_, Actor, ApplianceError
from appliance.store import Database

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
    said = words(config)
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


def _site_in(data: Path) -> tuple[Config, Database]:
    """The site whose folder this is: the one that holds its configuration, or the data folder beside that."""
    for file in (place / name for place in (data, data.absolute().parent) for name in FILES):
        if file.is_file():
            config = configuration.load(file)
            if file.parent == data or config.data.resolve() == data.resolve():
                return config, store.open(config.database)
    raise ApplianceError(N_("{path} is not the folder of a site: there is no site.toml."), path=str(data))
