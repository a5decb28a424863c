"""`examsite init` and `examsite check-config`: a site's folders, database and configuration."""

from __future__ import annotations

import hashlib
import logging
import sys
from pathlib import Path
from typing import Any

import click

from appliance import access, config_changes, identity, journal, media, sealed, store
from appliance import config as configuration
from appliance.clock import Clock, SystemClock
from appliance.commands.common import config_option, json_option, out, words
from appliance.config import Config, ConfigError
from appliance.model import N_, Actor, ApplianceError, Message, message
from appliance.services.watch import codec_of
from appliance.store import Database
from drivers.types import DriverError


def initialise(config: Config) -> Message | None:
    """Make what is missing, bring the database up to date, verify the journal, note the configuration. Safe to repeat.

    Returns the sentence to say when the journal's chain is broken: that stops nothing, because recording outranks the
    journal; the check and the pages say it until somebody comes. Raises ApplianceError when the database is damaged.
    """
    for folder in (config.data, config.data / "snapshots"):
        folder.mkdir(parents=True, exist_ok=True)
    config.data.chmod(0o750)
    db, clock = store.open(config.database, create=True), SystemClock()
    complaint = store.check(db)
    if complaint:
        raise ApplianceError(store.DAMAGED, path=str(config.database), cause=complaint)
    media.prepare(db, config)
    if identity.begin(db, config):
        made = identity.of(db)
        _note_once(db, clock, "journal.begun", box=made.box, epoch=made.epoch, origin=made.origin, key=made.vkey)
    try:
        sealed.begin(config.data)
    except ApplianceError as lost:  # cameras whose password is sealed stay shut; all others are recorded
        logging.getLogger("init").error("%s", lost)
    verdict = journal.verify(journal.stored_rows(db))
    if not verdict.ok:
        _note_once(db, clock, "journal.broken", entry=verdict.bad_seq)
    else:
        access.mend(db, clock)
    _note_once(db, clock, "config.loaded", sha256=hashlib.sha256(config.source.read_bytes()).hexdigest())
    config_changes.note(db, config, clock)
    db.close()
    return None if verdict.ok else message(BROKEN, seq=str(verdict.bad_seq), cause=str(verdict.fault))


BROKEN = N_("The journal's chain is broken at entry {seq}: {cause}. Leave the box on and call the administrator.")


def _note_once(db: Database, clock: Clock, kind: str, **data: Any) -> None:
    """Add an entry unless the newest of its kind says the same."""
    known = journal.entries(db, kinds=[kind], newest_first=True, limit=1)
    if not known or known[0].data != data:
        with store.transaction(db):
            journal.append(db, clock, kind, Actor.service("init"), **data)


@click.command()
@config_option
def init(config_file: Path) -> None:
    """Make the site's folders and database, or bring them up to date.

    Safe to repeat: it runs before the services at every start, verifies the journal and notes a changed configuration.

    \b
    Example:
      examsite init --config /etc/examsite/examsite.toml
    """
    config = configuration.load(config_file)
    broken = initialise(config)
    if broken is not None:
        click.echo(words(config).say(broken), err=True)
    click.echo(words(config).say(N_("Ready: {path}"), path=config.database))


def panel_faults(config: Config) -> list[str]:
    """What the panels' own drivers find wrong with their settings and profiles, as the service would at its start."""
    faults = []
    for panel in config.panels:
        try:
            codec_of(panel)
        except DriverError as bad:
            faults.append(f"panel {panel.id}: {bad}")
    return faults


@click.command("check-config")
@click.argument("file", type=click.Path(path_type=Path))
@json_option
def check_config(file: Path, as_json: bool) -> None:
    """Read a configuration, its region profile and its panels' profiles; say every fault with its file and key.

    Exit status: 0 no fault, 1 faults.

    \b
    Example:
      examsite check-config examples/site.toml
    """
    faults: list[str] = []
    try:
        config = configuration.load(file)
        faults = panel_faults(config)
    except ConfigError as bad:
        faults = bad.faults
    if as_json:
        out({"ok": not faults, "faults": faults})
    elif faults:
        click.echo("\n".join(faults), err=True)
    else:
        click.echo(
            words(config).say(
                N_("No fault: {cameras} cameras, {panels} panels, {rooms} rooms."),
                cameras=len(config.cameras),
                panels=len(config.panels),
                rooms=len(config.rooms),
            )
        )
    sys.exit(1 if faults else 0)
