"""`examsite user`: add, list and disable people."""

from __future__ import annotations

import secrets
from pathlib import Path

import click

from appliance import accounts
from appliance.clock import SystemClock
from appliance.commands.common import config_option, json_option, load, out, read_password, words
from appliance.model import LANGUAGES, N_, Actor, Language, Role

CONSOLE = Actor.service("console")  # whoever has the box's console; the journal says so


@click.group()
def user() -> None:
    """People and their roles.

    \b
    Example:
      examsite user list
    """


@user.command()
@click.argument("login")
@click.option("--name", required=True, help="Full name, as forms print it.")
@click.option("--role", required=True, type=click.Choice([role.value for role in Role]))
@click.option("--language", type=click.Choice(LANGUAGES), default=None, help="Default: the site's.")
@click.option("--password-file", type=click.Path(path_type=Path), help="Read the password from this file's first line.")
@click.option("--make-password", is_flag=True, help="Make a password and print it once.")
@config_option
def add(
    login: str,
    name: str,
    role: str,
    language: Language | None,
    password_file: Path | None,
    make_password: bool,
    config_file: Path,
) -> None:
    """Add a person.

    \b
    Example:
      examsite user add orlov --name "Орлов Пётр Сергеевич" --role technician --make-password
    """
    config, db = load(config_file)
    password = new_password() if make_password else read_password(password_file, "Password")
    who = accounts.add(
        db, config, SystemClock(), CONSOLE, login, name, Role(role), language or config.site.language, password
    )
    click.echo(
        words(config).say(
            N_("Added {login}, {title}."), login=who.login, title=config.profile.titles.roles[who.role].model_dump()
        )
    )
    if make_password:
        click.echo(password)


def new_password() -> str:
    """Sixteen letters and digits in groups of four, without the ones that are misread: 80 bits."""
    alphabet = "abcdefghjkmnpqrstuvwxyz23456789"
    return "-".join("".join(secrets.choice(alphabet) for _ in range(4)) for _ in range(4))


@user.command("list")
@json_option
@config_option
def list_(as_json: bool, config_file: Path) -> None:
    """List everybody with an account.

    \b
    Example:
      examsite user list --json
    """
    _, db = load(config_file)
    people = accounts.people(db)
    if as_json:
        out(
            [
                {"login": p.login, "name": p.name, "role": p.role.value, "language": p.language, "disabled": p.disabled}
                for p in people
            ]
        )
        return
    for p in people:
        click.echo(f"{p.login:<20} {p.role.value:<11} {'disabled ' if p.disabled else ''}{p.name}")


@user.command()
@click.argument("login")
@config_option
def disable(login: str, config_file: Path) -> None:
    """Switch a person off; their sessions end at once. Nobody is deleted.

    \b
    Example:
      examsite user disable petrov
    """
    config, db = load(config_file)
    accounts.disable(db, SystemClock(), CONSOLE, login)
    click.echo(words(config).say(N_("Disabled {login}."), login=login))
