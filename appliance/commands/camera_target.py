"""Which camera a command speaks to: one at an address, or one of the site's; and what is said when it does not answer.

A camera of the site is taken from the configuration with its own name and password, and what is done to it is entered
in the journal; one at an address needs no site, and nothing is kept.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from appliance import config as configuration
from appliance import journal, store, taken
from appliance.camera_words import told
from appliance.clock import SystemClock
from appliance.commands.common import DEFAULT_CONFIG, out, read_password, words
from appliance.config import Config
from appliance.model import N_, Actor, ApplianceError
from drivers.onvif import Camera
from drivers.onvif_reply import CameraError
from drivers.types import SetResult

F = TypeVar("F", bound=Callable[..., Any])

CONSOLE = Actor.service("console")  # whoever has the box's console; the journal says so

# CameraError.reason -> what a person is told, and what to do.
SENTENCES = {
    "unreachable": N_("Nothing answers at {url}. Check the camera's power, its cable and the address."),
    "silent": N_("The camera at {url} takes the connection but gives no answer. Switch it off and on, then try again."),
    "refused": N_(
        "The camera at {url} refuses this name and password. They were tried once; check them before the next try, "
        "cameras lock themselves after a few."
    ),
    "unsigned": N_("The camera at {url} asks for a name and a password. Give --user and --password-file."),
    "foreign": N_(
        "What answers at {url} does not speak ONVIF. Check the address and port, and that ONVIF is switched on."
    ),
    "fault": N_("The camera at {url} refuses to be read. It says: {detail}"),
    "broken": N_("The camera at {url} gives an answer that cannot be read: {detail}"),
}
# What was set, in the journal's two languages.
WHAT = {
    "clock": {"en": "difference of its clock", "ru": "расхождение часов"},
    "view": {"en": "view", "ru": "куда смотрит"},
    "preset": {"en": "preset", "ru": "запомненное место"},
}


@dataclass(frozen=True, slots=True)
class Target:
    """One camera; `named` and `config` when it is one of the site's."""

    url: str
    user: str
    password: str
    timeout_s: float
    named: configuration.Camera | None = None
    config: Config | None = None

    @property
    def shown(self) -> str:
        """The address for people: without a password typed into it."""
        return self.url.rpartition("@")[2] if "@" in self.url else self.url

    def open(self) -> Camera:
        """To be closed by the caller."""
        return Camera(self.url, self.user, self.password, self.timeout_s)

    def ready(self) -> None:
        """Raise ApplianceError when what is done could not be entered: before it is done."""
        if self.config is not None:
            store.open(self.config.database).conn.close()

    def enter(self, kind: str, actor: Actor = CONSOLE, **data: Any) -> None:
        """Write what was done into the site's journal; nothing for a camera that is of no site."""
        if self.config is None or self.named is None:
            return
        db = store.open(self.config.database)
        with store.transaction(db):
            journal.append(db, SystemClock(), kind, actor, camera=self.named.id, room=self.named.room, **data)


def target_options(command: F) -> F:
    """`--url` with `--user` and `--password-file`, or `--camera` with `--config`. The command gets `target: Target`."""

    @functools.wraps(command)
    def with_target(
        *args: Any, url: str | None, user: str, password_file: Path | None, camera_id: str | None, config_file: Path,
        timeout_s: float, **options: Any,
    ) -> Any:  # fmt: skip
        return command(
            *args, target=_target(url, user, password_file, camera_id, config_file, timeout_s), **options
        )

    for option in (
        click.option("--config", "config_file", type=click.Path(path_type=Path), envvar="EXAMSITE_CONFIG",
                     default=DEFAULT_CONFIG, show_default=True, help="The site's configuration, for --camera."),
        click.option("--timeout", "timeout_s", type=click.FloatRange(0.5, 60), default=6.0, show_default=True,
                     help="Seconds to wait for each answer."),
        click.option("--camera", "camera_id", help="A camera of the site, instead of --url; goes into the journal."),
        click.option("--password-file", type=click.Path(path_type=Path),
                     help="Read the password from this file's first line."),
        click.option("--user", default="", help="The camera's user. Without it only open cameras can be read."),
        click.option("--url", help="The camera's address: http://10.0.0.5/ or just 10.0.0.5."),
    ):  # fmt: skip
        with_target = option(with_target)
    return with_target  # type: ignore[return-value]


def _target(
    url: str | None, user: str, password_file: Path | None, camera_id: str | None, config_file: Path, timeout_s: float
) -> Target:
    if (url is None) == (camera_id is None):
        raise click.UsageError("Give --url, or --camera for one of the site's.")
    if url is not None:
        password = read_password(password_file, words().say(N_("The camera's password"))) if user else ""
        return Target(url, user, password, timeout_s)
    config = configuration.load(config_file)
    if config.database.exists():  # a site that was never begun has taken none in
        with closing(store.open(config.database)) as db:
            config = taken.with_taken(db, config)
    named = next((one for one in config.cameras if one.id == camera_id), None)
    if named is None:
        raise ApplianceError(N_("The site has no camera {camera}."), camera=str(camera_id))
    if named.onvif is None:
        raise ApplianceError(N_("Camera {camera} has no ONVIF address, only a stream."), camera=named.id)
    return Target(named.onvif, named.user, named.password(), timeout_s, named, config)


@contextmanager
def opened(context: click.Context, target: Target, as_json: bool) -> Iterator[Camera]:
    """The camera; when it does not answer or refuses, that is said and the command ends with status 1."""
    try:
        with closing(target.open()) as device:
            yield device
    except CameraError as error:
        reason, sentence = explained(target, error)
        if as_json:
            out({"ok": False, "reason": reason, "note": sentence})
        else:
            click.echo(sentence, err=True)
        context.exit(1)


def explained(target: Target, error: CameraError) -> tuple[str, str]:
    """The reason as a word for programs, and the sentence for people."""
    reason = "unsigned" if error.reason == "refused" and not target.user else error.reason
    return reason, words().say(SENTENCES[reason], url=target.shown, detail=str(error))


def tell(context: click.Context, result: SetResult, as_json: bool) -> None:
    """Say what came of it; status 1 when it did not come to be."""
    if as_json:
        out(asdict(result))
    elif result.ok:
        click.echo(words().say(N_("Done and read back: {found}"), found=result.found))
        if result.note:
            click.echo(f"! {words().say(told(result.note))}")
    else:
        said = N_("The camera did not do it. It has: {found}. {note}")
        click.echo(words().say(said, found=result.found or "?", note=told(result.note)), err=True)
    if not result.ok:
        context.exit(1)


def enter_set(target: Target, what: str, result: SetResult) -> None:
    """One entry: set with before and after, or not taken with the reason."""
    if result.ok:
        target.enter("camera.set", what=WHAT[what], before=result.before or "?", after=result.found)
    else:
        target.enter("camera.unset", what=WHAT[what], wanted=result.wanted, note=told(result.note).as_json())
