"""`examsite archive`: delete by rule, hold what must not be deleted, say which disk is ours."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from appliance import media, retention
from appliance.clock import SystemClock, iso
from appliance.commands.common import config_option, json_option, load, out, words
from appliance.commands.exam import CONSOLE
from appliance.config import Config
from appliance.model import N_, ApplianceError
from appliance.retention import Batch
from appliance.store import Database
from appliance.words import Words
from drivers import host


@click.group()
def archive() -> None:
    """The recordings on the disks: what the rule lets go, what is held, which disks there are.

    \b
    Example:
      examsite archive retire --dry-run
    """


@archive.command()
@click.option("--dry-run", is_flag=True, help="Only say what the rule would delete.")
@click.option("--now", "do_it", is_flag=True, help="Delete it, also while there is space enough.")
@click.option("--yes", is_flag=True, help="Do not ask whether the box's clock is right.")
@config_option
@json_option
def retire(dry_run: bool, do_it: bool, yes: bool, config_file: Path, as_json: bool) -> None:
    """Delete what retention lets go: first what no exam required, then exam days, oldest first.

    By itself the box does so only when space is short, and never by a clock that no time service keeps.

    \b
    Example:
      examsite archive retire --dry-run
      examsite archive retire --now
    """
    if dry_run == do_it:
        raise ApplianceError(N_("Say either --dry-run or --now."))
    config, db = load(config_file)
    said, clock = words(config), SystemClock()
    found = [batch for here in media.every(config) for batch in
             retention.unlocked(db, config, clock.now(), here.medium)]  # fmt: skip
    if do_it:
        _clock_is_right(said, iso(clock.now()), yes)
        for batch in found:
            retention.retire(db, config, clock, batch, CONSOLE)
    if as_json:
        out({"done": do_it, "size_bytes": sum(b.size_bytes for b in found), "batches": [_as_dict(b) for b in found]})
    else:
        _tell(said, found, do_it)


def _clock_is_right(said: Words, now: str, yes: bool) -> None:
    """The dates of the rule are only as good as the clock: a person answers for one that nobody keeps."""
    if not yes and host.kernel_synchronised() is not True:
        click.confirm(said.say(N_("The box clock is not synchronised. It says {now_day} {now_at}. Is that right?"),
                               now_day=now, now_at=now), abort=True)  # fmt: skip


def _tell(said: Words, found: Sequence[Batch], done: bool) -> None:
    for batch in found:
        click.echo(said.say(N_("{day}, disk {disk_name}: {files} files, {size_bytes}. {why}"), day=batch.day,
                            disk_name=media.NAMES[batch.disk], files=len(batch.segments), size_bytes=batch.size_bytes,
                            why=batch.why.as_json()))  # fmt: skip
    if not found:
        click.echo(said.say(N_("The rule lets nothing go.")))
    elif not done:
        click.echo(said.say(N_("Nothing was deleted. To delete it: examsite archive retire --now")))


def _as_dict(batch: Batch) -> dict[str, object]:
    return {"day": batch.day, "disk": batch.disk, "files": len(batch.segments), "size_bytes": batch.size_bytes,
            "exams": list(batch.exams), "why": batch.why.as_json(), "root": retention.root(batch.segments)}  # fmt: skip


@archive.command()
@click.argument("exam")
@click.option("--why", "reason", required=True, help="The reason; it stands in the journal.")
@config_option
def hold(exam: str, reason: str, config_file: Path) -> None:
    """Keep an exam's recordings whatever the rule says: an appeal, an inquiry.

    \b
    Example:
      examsite archive hold maths --why "Appeal 12"
    """
    _hold(*load(config_file), exam, reason, held=True)


@archive.command()
@click.argument("exam")
@click.option("--why", "reason", required=True, help="The reason; it stands in the journal.")
@config_option
def release(exam: str, reason: str, config_file: Path) -> None:
    """Hold an exam's recordings no longer. The rule decides about them again.

    \b
    Example:
      examsite archive release maths --why "Appeal 12 is closed"
    """
    _hold(*load(config_file), exam, reason, held=False)


def _hold(config: Config, db: Database, exam: str, reason: str, *, held: bool) -> None:
    files = retention.hold(db, config, SystemClock(), CONSOLE, exam, reason, held=held)
    text = N_("Held recordings of exam {exam}: {files}.") if held else N_(
        "Recordings of exam {exam} no longer held: {files}.")  # fmt: skip
    click.echo(words(config).say(text, files=files, exam=exam))


@archive.command()
@click.argument("name", type=click.Choice(["main", "reserve"]))
@click.option("--new", is_flag=True, help="The disk mounted now is another one, and it is meant to be.")
@config_option
def disk(name: str, new: bool, config_file: Path) -> None:
    """Use a recording disk again that had failed, or take another in. A trial file is written to it first.

    New recordings go to it within seconds; those that run stay where they are until they end.

    \b
    Example:
      examsite archive disk main --new
    """
    config, db = load(config_file)
    media.trust(db, config, SystemClock(), CONSOLE, name, new=new)
    click.echo(words(config).say(N_("Disk {path} is used."), path=str(media.on(config, name).video)))
