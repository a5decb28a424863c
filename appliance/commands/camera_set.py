"""`examsite camera set-time|set-password|reboot|preset`: change something in a camera, and read it back."""

from __future__ import annotations

import os
import sys
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

import click

from appliance import store
from appliance.camera_set import Book
from appliance.camera_words import told
from appliance.clock import SystemClock
from appliance.commands.camera_target import CONSOLE, Target, enter_set, opened, target_options, tell
from appliance.commands.common import json_option, out, read_password, words
from appliance.commands.user import new_password
from appliance.model import N_, ApplianceError
from appliance.taken import TakenCamera
from drivers import onvif_parts, onvif_set, onvif_set_move
from drivers.onvif_reply import CameraError
from drivers.types import SetResult


@click.command("set-time")
@target_options
@click.option("--zone", default="", help="The camera's time zone as POSIX TZ: MSK-3. Default: it keeps its own.")
@json_option
@click.pass_context
def set_time(context: click.Context, target: Target, zone: str, as_json: bool) -> None:
    """Give the camera this machine's time, and look whether it has taken it.

    \b
    Example:
      examsite camera set-time --url 10.0.0.5 --user examsite --password-file camera.txt
    """
    target.ready()
    with opened(context, target, as_json) as device:
        result = onvif_set.set_time(device, zone=zone)
        enter_set(target, "clock", result)
    if as_json or not result.ok:
        tell(context, result, as_json)
    else:
        said = N_("Its clock differs by {offset} s from this machine's.")
        click.echo(words().say(said, offset=result.found.removesuffix(" s")))


@click.command()
@target_options
@json_option
@click.pass_context
def reboot(context: click.Context, target: Target, as_json: bool) -> None:
    """Start the camera again, and wait until it is back. Nothing is recorded from it meanwhile.

    \b
    Example:
      examsite camera reboot --camera room-0001
    """
    target.ready()
    with opened(context, target, as_json) as device:
        result = onvif_set.reboot(device)
        if result.ok:
            target.enter("camera.rebooted", after=result.found)
        else:
            target.enter("camera.unrebooted", note=told(result.note).as_json())
    tell(context, result, as_json)


@click.command()
@target_options
@click.option("--go", "go", metavar="NAME", help="Turn to this preset, by its name or token.")
@click.option("--set", "keep", metavar="NAME", help="Keep where it looks now under this name.")
@click.option("--home", is_flag=True, help="Turn to the home position.")
@click.option("--set-home", is_flag=True, help="Keep where it looks now as home.")
@json_option
@click.pass_context
def preset(
    context: click.Context, target: Target, go: str | None, keep: str | None, home: bool, set_home: bool, as_json: bool
) -> None:
    """List a camera's presets, turn to one, or keep where it looks now.

    \b
    Example:
      examsite camera preset --url 10.0.0.5 --user examsite --password-file camera.txt --go "Доска"
    """
    if sum((go is not None, keep is not None, home, set_home)) > 1:
        raise click.UsageError("One at a time: --go, --set, --home or --set-home.")
    target.ready()
    with opened(context, target, as_json) as device:
        if go is not None or home:
            result = onvif_set_move.goto_home(device) if go is None else onvif_set_move.goto_preset(device, go)
            enter_set(target, "view", result)
        elif keep is not None or set_home:
            result = onvif_set_move.set_home(device) if keep is None else onvif_set_move.set_preset(device, keep)
            enter_set(target, "preset", result)
        else:
            found = onvif_parts.presets(device, device.profiles())
            if as_json:
                out({"ok": True, "presets": [asdict(one) for one in found]})
            else:
                for one in found:
                    click.echo(f"{one.token}  {one.name}")
                click.echo(words().plural("{n} preset.", "{n} presets.", len(found)))
            return
    tell(context, result, as_json)


@click.command("set-password")
@target_options
@click.option("--new-password-file", type=click.Path(path_type=Path),
              help="Read the new password from this file's first line.")  # fmt: skip
@click.option("--make-password", is_flag=True, help="Make a password. Without --camera it is printed once.")
@json_option
@click.pass_context
def set_password(
    context: click.Context, target: Target, new_password_file: Path | None, make_password: bool, as_json: bool
) -> None:
    """Give the camera's user another password; without a file it is asked twice. It counts once signing in proves it.

    For a camera of the site the password file is replaced then; the old one is kept until the new one is proven.

    \b
    Example:
      examsite camera set-password --camera room-0001 --make-password
    """
    if not target.user:
        raise click.UsageError("Give --user: whose password is it?")
    target.ready()
    password = _new_password(new_password_file, make_password)
    file = target.named.password_file if target.named is not None else None
    if isinstance(target.named, TakenCamera) and target.config is not None and file is None:
        with closing(store.open(target.config.database)) as db, opened(context, target, as_json) as device:
            [step] = Book(db, target.config, SystemClock(), CONSOLE, target.named).own_password(device, password)
        tell(context, SetResult(step.wanted, step.after, step.ok, step.note, step.before), as_json)
        return
    if target.named is not None and file is None:
        raise ApplianceError(N_("Camera {camera} has no password file to keep a new password in."),
                             camera=target.named.id)  # fmt: skip
    beside = _written_beside(file, password) if file is not None else None
    if make_password and file is None:
        click.echo(password, err=as_json)  # before it counts: should we break off now, it is known
    with opened(context, target, as_json) as device:
        try:
            result = onvif_set.set_password(device, password)
        except CameraError as error:
            if error.permanent and beside is not None:
                beside.unlink()  # refused before anything was changed
            elif beside is not None:
                said = N_("The new password may count already. It is kept in {path}.")
                click.echo(words().say(said, path=str(beside)), err=True)
            raise
        _settle(target, result, file, beside)
    tell(context, result, as_json)


def _settle(target: Target, result: SetResult, file: Path | None, beside: Path | None) -> None:
    """Let the file tell what the camera now takes, and the journal that it was done; neither word is in it."""
    if file is not None and beside is not None:
        if result.ok:
            beside.replace(file)
        else:
            beside.unlink()
    if result.ok:
        target.enter("camera.password", user=target.user)
    else:
        target.enter("camera.unpassword", user=target.user, note=told(result.note).as_json())


def _new_password(file: Path | None, make: bool) -> str:
    if make and file is not None:
        raise click.UsageError("Either --new-password-file or --make-password.")
    if make:
        return new_password()
    if file is not None:
        password = read_password(file, "")
    elif sys.stdin.isatty():
        prompt = words().say(N_("The camera's new password"))
        password = str(click.prompt(prompt, hide_input=True, confirmation_prompt=True))
    else:
        raise click.UsageError("Give --new-password-file or --make-password.")
    if not password:
        raise ApplianceError(N_("An empty password is none."))
    return password


def _written_beside(file: Path, password: str) -> Path:
    """The new password on disk before the camera has it: a power cut between must not lose it."""
    beside = file.with_name(f"{file.name}.new")
    beside.unlink(missing_ok=True)
    try:
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as opened_:
            opened_.write(f"{password}\n")
            opened_.flush()
            os.fsync(opened_.fileno())
        if file.exists():
            held = file.stat()
            os.chown(beside, held.st_uid, held.st_gid)
            beside.chmod(held.st_mode & 0o777)
    except OSError as cause:
        raise ApplianceError(
            N_("{path} cannot be written: {cause}."), path=str(beside), cause=str(cause.strerror)
        ) from cause
    return beside
