"""The `examsite` command. Each subject is a room in `commands/`; this is the door."""

from __future__ import annotations

import importlib
import sys

import click

from appliance.commands.common import words
from appliance.config import ConfigError
from appliance.model import ApplianceError

# name -> where it is, and its line in `examsite --help`. Imported only when called, so that the command starts at once.
COMMANDS = {
    "archive": ("appliance.commands.archive:archive", "Delete recordings by rule, hold them, name a disk."),
    "camera": ("appliance.commands.camera:camera", "Find cameras, and read what one can do."),
    "check": ("appliance.commands.check:check", "Run the checks now."),
    "check-config": ("appliance.commands.site:check_config", "Read a configuration and say every fault."),
    "demo": ("appliance.commands.demo:demo", "Run a whole exam day in minutes, without hardware."),
    "exam": ("appliance.commands.exam:exam", "Plan, list, move and cancel exams."),
    "export": ("appliance.commands.export:export", "Hand over the recordings of an exam."),
    "init": ("appliance.commands.site:init", "Make the site's folders and database, or bring them up to date."),
    "journal": ("appliance.commands.journal_form:journal", "The access journal: a folder anybody can check, a form."),
    "panel": ("appliance.commands.panel:panel", "Listen to a panel's line."),
    "record": ("appliance.commands.record:record", "Record streams into a folder, without a site: to try a camera."),
    "run": ("appliance.commands.run:run", "Run one service, or all of them."),
    "user": ("appliance.commands.user:user", "Add, list and disable people."),
    "verify": ("appliance.commands.verify:verify", "Check the journal, the archive, or a handed-over folder."),
}


class Lazy(click.Group):
    """A group that imports a command when it is named."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name][0].partition(":")
        found = getattr(importlib.import_module(module), name)
        if not isinstance(found, click.Command):
            raise TypeError(f"{COMMANDS[cmd_name][0]} is no command")
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name][1]) for name in sorted(COMMANDS)])


@click.group(cls=Lazy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="examsite")
def examsite() -> None:
    """The box that stands behind the technician of an exam site.

    \b
    Example:
      examsite demo --minutes 4
    """


def main() -> None:
    """Run the command; a refusal of the house is one clear sentence and exit status 1."""
    try:
        examsite(prog_name="examsite")
    except ConfigError as bad:
        click.echo("\n".join(bad.faults), err=True)
        sys.exit(1)
    except ApplianceError as refused:
        click.echo(words().say(refused.message), err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
