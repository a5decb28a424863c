"""`examsite export`: hand recordings over from the command line. Two people give their passwords, as on the pages."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from appliance import exams, orders
from appliance.clock import SystemClock
from appliance.commands.common import config_option, json_option, load, out, proven, words
from appliance.config import Config
from appliance.model import N_, ApplianceError, Message, Person, Role, RoomKind
from appliance.orders import Order
from appliance.services import archivist
from appliance.store import Database
from appliance.words import Words

LOOK_S = 0.5
STEPS = {
    "copying": N_("Copying: {files_done} of {files} files, {done_bytes} of {all_bytes}"),
    "reading": N_("Reading back from the medium: {files_done} of {files} files, {done_bytes} of {all_bytes}"),
    "closing": N_("Writing the lists"),
}


@click.command()
@click.option("--exam", "exam_id", required=True, help="The exam, as examsite exam list names it.")
@click.option(
    "--to", "folder", type=click.Path(path_type=Path, file_okay=False), help="A folder: where the stick is mounted."
)
@click.option("--target", help="A target of the configuration instead of a folder.")
@click.option("--asked-by", required=True, metavar="LOGIN", help="Who hands over: an exporter.")
@click.option("--agreed-by", required=True, metavar="LOGIN", help="Who agrees that recordings leave: security.")
@click.option(
    "--asked-password-file", type=click.Path(path_type=Path), help="The exporter's password; asked for without it."
)
@click.option(
    "--agreed-password-file", type=click.Path(path_type=Path), help="Security's password; asked for without it."
)
@click.option(
    "--rooms",
    "room_kinds",
    multiple=True,
    type=click.Choice([kind.value for kind in RoomKind]),
    help="Kinds of rooms, several times; without it those of the profile.",
)
@click.option("--grounds", default="", help="On what grounds, for the act.")
@click.option("--recipient", default="", help="Who receives it, for the act.")
@config_option
@json_option
def export(
    exam_id: str,
    folder: Path | None,
    target: str | None,
    asked_by: str,
    agreed_by: str,
    asked_password_file: Path | None,
    agreed_password_file: Path | None,
    room_kinds: tuple[str, ...],
    grounds: str,
    recipient: str,
    config_file: Path,
    as_json: bool,
) -> None:
    """Copy an exam's recordings to a medium, read everything back, and leave a package that checks itself.

    Exit status 0: the package is whole; 1: it is not, with what to do. The same command again goes on where it stopped.

    \b
    Example:
      examsite export --exam math --to /media/stick --asked-by sidorov --agreed-by petrov
    """
    if (folder is None) == (target is None):
        raise click.UsageError("give either --to or --target")
    config, db = load(config_file)
    clock, said = SystemClock(), words(config)
    exams.get(db, exam_id)
    if target is not None and target not in {t.id for t in config.export_targets}:
        raise ApplianceError(N_("The site has no export target {target}."), target=target)
    asker = proven(db, config, asked_by, Role.EXPORTER, asked_password_file, said)
    agreer = proven(db, config, agreed_by, Role.SECURITY, agreed_password_file, said)
    place = {"target": target} if folder is None else {"folder": str(folder.resolve())}
    kinds = list(room_kinds) or [kind.value for kind in config.profile.export.room_kinds]
    args = {"exam": exam_id, **place, "room_kinds": kinds, "grounds": grounds, "recipient": recipient}
    number = _interrupted(db, args, asker, agreer)
    if number is None:
        number = orders.place(db, clock, archivist.KIND, args, asker, agreement=True)
        orders.agree(db, clock, number, agreer)
    order = _see_through(db, config, number, lambda o: None if as_json else click.echo(_progress(o, said), err=True))
    if as_json:
        out({"ok": order.state == "done", "order": number, **(order.result or {})})
    elif order.state == "done":
        click.echo(
            said.say(N_("Copied and read back: {path}. The package number is {number}."), **(order.result or {}))
        )
    else:
        click.echo(said.say(Message.from_json((order.result or {})["message"])), err=True)
    sys.exit(0 if order.state == "done" else 1)


def _interrupted(db: Database, args: dict[str, Any], asker: Person, agreer: Person) -> int | None:
    """The same order by the same people that is still open: this command was interrupted and now goes on."""
    same = (args, asker.login, agreer.login)
    return next(
        (
            o.id
            for o in orders.recent(db, archivist.KIND)
            if o.state in ("placed", "claimed") and (o.args, o.asked_by, o.agreed_by) == same
        ),
        None,
    )


def _see_through(db: Database, config: Config, number: int, show: Callable[[Order], None]) -> Order:
    """Follow the order until it is closed; when no archivist is running, do its work here."""
    clock, shown_s, shown = SystemClock(), 0.0, {}  # type: SystemClock, float, dict[str, Any]

    def look() -> None:
        nonlocal shown_s, shown
        if clock.mono_s() - shown_s >= LOOK_S:
            shown_s, order = clock.mono_s(), orders.get(db, number)
            if order.progress != shown:
                shown = order.progress
                show(order)

    while True:
        with archivist.only_worker(config) as alone:
            if alone:
                archivist.put_back(db)
                while orders.get(db, number).state == "placed" and (order := orders.claim(db, clock, archivist.KIND)):
                    archivist.carry_out(db, config, clock, order, look)
        look()
        order = orders.get(db, number)
        if order.state not in orders.OPEN:
            return order
        time.sleep(LOOK_S)


def _progress(order: Order, said: Words) -> str:
    done = order.progress
    if not done:
        return said.say(N_("Waiting for the archivist."))
    return said.say(
        STEPS[done["step"]],
        files_done=done["files_done"],
        files=done["files"],
        done_bytes=done["bytes_done"],
        all_bytes=done["bytes"],
    )
