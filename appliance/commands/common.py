"""What every command shares: the configuration option, the language of the terminal, and how a command fails."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import UTC
from pathlib import Path
from typing import Any, TypeVar

import click

from appliance import accounts, store, taken
from appliance import config as configuration
from appliance.clock import SystemClock
from appliance.config import Config
from appliance.model import N_, ApplianceError, Language, Person, Role
from appliance.store import Database
from appliance.words import Words

F = TypeVar("F", bound=Callable[..., Any])

DEFAULT_CONFIG = Path("/etc/examsite/examsite.toml")


def config_option(command: F) -> F:
    """`--config FILE`, or EXAMSITE_CONFIG, or /etc/examsite/examsite.toml. The command gets `config_file: Path`."""
    return click.option(
        "--config",
        "config_file",
        type=click.Path(path_type=Path),
        envvar="EXAMSITE_CONFIG",
        default=DEFAULT_CONFIG,
        show_default=True,
        help="The site's configuration.",
    )(command)


def json_option(command: F) -> F:
    """`--json`. The command gets `as_json: bool`."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON object for programs.")(command)


def terminal_language() -> Language:
    """Russian when the terminal's locale says so, else English."""
    said = os.environ.get("LC_ALL") or os.environ.get("LC_MESSAGES") or os.environ.get("LANG") or ""
    return "ru" if said.startswith("ru") else "en"


def words(config: Config | None = None) -> Words:
    """The terminal's words; times in the site's zone once the configuration is known."""
    return Words(terminal_language(), UTC if config is None else config.site.zone)


def load(config_file: Path) -> tuple[Config, Database]:
    """Configuration and an open database; ApplianceError when either is missing or faulty."""
    config = configuration.load(config_file)
    db = store.open(config.database)
    return taken.with_taken(db, config), db


def out(value: Any) -> None:
    """One JSON value on a line, Russian as it is."""
    click.echo(json.dumps(value, ensure_ascii=False, default=str))


def read_password(file: Path | None, prompt: str) -> str:
    """A password out of a file's first line, or typed at the terminal."""
    if file is None:
        return str(click.prompt(prompt, hide_input=True, err=True))  # standard output is the report's
    try:
        return file.read_text(encoding="utf-8").split("\n", 1)[0].rstrip("\r")
    except OSError as cause:
        raise ApplianceError(
            N_("{path} cannot be read: {cause}."), path=str(file), cause=str(cause.strerror)
        ) from cause


def proven(db: Database, config: Config, login: str, role: Role, password_file: Path | None, said: Words) -> Person:
    """Somebody who proved to be there and has the role; nothing is written before both have."""
    password = read_password(password_file, said.say(N_("Password of {login}"), login=login))
    who = accounts.check_password(db, config, SystemClock(), login, password, address="console")
    if who.role is not role:
        titles = config.profile.titles.roles
        raise ApplianceError(
            N_("{name} may not do this: it takes the role {title}."),
            name=who.name,
            title={"ru": titles[role].ru, "en": titles[role].en},
        )
    return who
