"""`examsite demo`: a whole exam day in minutes, without hardware, on the real services."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from appliance.commands.common import terminal_language, words
from appliance.commands.run import stop_on_signals
from appliance.model import N_, ApplianceError, Role

if TYPE_CHECKING:
    from demo.day import Day
    from demo.people import Crew
    from demo.teller import Teller


@click.command()
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    default=Path("demo-data"),
    show_default=True,
    help="Folder for everything the demo writes.",
)
@click.option("--port", type=click.IntRange(1, 65535), default=8080, show_default=True, help="The page, on loopback.")
@click.option("--minutes", type=float, default=4.0, show_default=True, help="Length of the compressed day.")
@click.option("--exit", "leave", is_flag=True, help="Stop when the day is over; exit status 0 only if every step held.")
def demo(data: Path, port: int, minutes: float, leave: bool) -> None:
    """Run a whole exam day in minutes: six virtual cameras, a panel, checks, recording, alarm, seal and hand-over.

    The terminal shows where the day is, the page's address, and fresh names and passwords. At the end
    DIR/summary.json says what happened. Without --exit the page stays up until Ctrl-C.

    \b
    Example:
      examsite demo --minutes 3 --exit --data /tmp/day
    """
    # The demo stands above the house and uses all of it; only this command opens its door.
    from demo import summary
    from demo.day import Day
    from demo.site import Folders
    from demo.teller import Teller

    said, stop = words(), stop_on_signals()
    teller = Teller(said)
    day = Day(Folders(data.resolve()), port, minutes, terminal_language(), teller)
    status = 1
    try:
        crew = day.prepare()
        teller.words = words(day.config)
        _introduce(teller, day, crew)
        day.plan()
        teller.watch(day.steps)
        found = summary.summarise(day.db, day.config, day.exam, day.play(stop), day.folders.root)
        teller.end()
        summary.write(found, day.folders.root / "summary.json")
        status = 0 if found["ok"] else 1
        _conclude(teller, day, found)
        if not leave:
            teller.say(N_("The page stays up at {url}. Ctrl-C ends the demo."), url=_url(day))
            stop.wait()
    except ApplianceError as refused:
        teller.end()
        click.echo(said.say(refused.message), err=True)
    finally:
        teller.end()
        day.close()
    sys.exit(status)


def _url(day: Day) -> str:
    return f"http://127.0.0.1:{day.port}/"


def _introduce(teller: Teller, day: Day, crew: Crew) -> None:
    """The page's address and who may sign in; the same in DIR/accounts.json, readable by the owner only."""
    teller.say(N_("The page: {url}"), url=_url(day))
    titles = day.config.profile.titles.roles
    for role in Role:
        person = crew.people[role]
        title = teller.words.say("{title}", title=titles[role].model_dump())
        click.echo(f"  {person.login:<8} {crew.passwords[person.login]}   {title}, {person.name}")
    file = day.folders.root / "accounts.json"
    file.touch(0o600)
    accounts = {
        person.login: {"role": role.value, "password": crew.passwords[person.login]}
        for role, person in crew.people.items()
    }
    file.write_text(json.dumps(accounts, indent=2) + "\n")


def _conclude(teller: Teller, day: Day, found: dict[str, Any]) -> None:
    recorded_s = sum(camera["recorded_s"] for camera in found["cameras"])
    required_s = sum(camera["required_s"] for camera in found["cameras"])
    gaps = sum(len(camera["gaps"]) for camera in found["cameras"])
    teller.say(
        N_("Recorded {recorded_s} of {required_s}; gaps, each with its cause: {gaps}"),
        recorded_s=recorded_s,
        required_s=required_s,
        gaps=gaps,
    )
    teller.say(
        N_("Journal: {entries} entries, head {head}"),
        entries=found["journal"]["entries"],
        head=found["journal"]["head"][:16],
    )
    teller.say(N_("Handed over: {path}"), path=str(day.folders.root / str(found["export"]["path"])))
    for fault in found["faults"]:
        click.echo(f"  ✕ {fault}", err=True)
    if found["ok"]:
        teller.say(N_("Every step held."))
    else:
        teller.say(N_("Not every step held; see {path}"), path=str(day.folders.root / "summary.json"))
