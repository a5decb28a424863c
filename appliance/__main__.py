"""The `examsite` command. Each subject is a room in `commands/`; this is the door."""

from __future__ import annotations

import importlib
import sys

import click

from appliance.commands.common import words
from appliance.config import ConfigError
from appliance.model import ApplianceError

# name on the command line -> module:object. Imported only when called, so that `examsite --help` starts at once.
COMMANDS = {
    "camera": "appliance.commands.camera:camera",
    "check": "appliance.commands.check:check",
    "check-config": "appliance.commands.site:check_config",
    "demo": "appliance.commands.demo:demo",
    "exam": "appliance.commands.exam:exam",
    "export": "appliance.commands.export:export",
    "init": "appliance.commands.site:init",
    "panel": "appliance.commands.panel:panel",
    "run": "appliance.commands.run:run",
    "user": "appliance.commands.user:user",
    "verify": "appliance.commands.verify:verify",
}


class Lazy(click.Group):
    """A group that imports a command when it is named."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(":")
        found = getattr(importlib.import_module(module), name)
        assert isinstance(found, click.Command)  # noqa: S101 - a wrong table above, not a user's mistake
        return found


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
        examsite()
    except ConfigError as bad:
        click.echo("\n".join(bad.faults), err=True)
        sys.exit(1)
    except ApplianceError as refused:
        click.echo(words().say(refused.message), err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
