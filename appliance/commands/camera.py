"""`examsite camera`: find cameras, read one and take its picture, before any site is configured.

What changes something in a camera is in camera_set.
"""

from __future__ import annotations

import hashlib
import re
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from appliance.camera_words import told
from appliance.commands.camera_card import card_
from appliance.commands.camera_set import preset, reboot, set_password, set_time
from appliance.commands.camera_target import Target, explained, opened, target_options
from appliance.commands.common import json_option, out, words
from appliance.model import N_, ApplianceError
from drivers.discovery import Found, discover
from drivers.onvif_reply import CameraError
from drivers.types import CameraFacts, StreamProfile, WholeCamera


@click.group()
def camera() -> None:
    """Find cameras, read them, and set them.

    \b
    Example:
      examsite camera discover
      examsite camera probe --url http://10.0.0.5/ --user examsite --password-file camera.txt
    """


for command in (set_time, set_password, reboot, preset, card_):
    camera.add_command(command)


@camera.command()
@target_options
@click.option("--whole", "as_whole", is_flag=True, help="Also users, network, imaging, card ...: everything, as JSON.")
@json_option
@click.pass_context
def probe(context: click.Context, target: Target, as_whole: bool, as_json: bool) -> None:
    """Read one camera: maker, clock, profiles, addresses, and what it does wrong. Needs no site.

    Exit status: 0 when the camera was read, 1 when it does not answer or refuses.

    \b
    Example:
      examsite camera probe --url 10.0.0.5 --user examsite --password-file camera.txt --json
    """
    try:
        with closing(target.open()) as device:
            if as_whole:
                out(_masked_whole(device.whole(), target.password))
                return
            facts = _masked(device.facts(), target.password)
    except CameraError as error:
        reason, sentence = explained(target, error)
        if as_json or as_whole:
            out({**report(CameraFacts(faults=(sentence,))), "ok": False, "auth": None, "reason": reason})
        else:
            click.echo(sentence, err=True)
        context.exit(1)
    if as_json:
        out(report(facts))
    else:
        _show(facts)


@camera.command()
@target_options
@click.option("--to", "file", required=True, type=click.Path(path_type=Path), help="Where the JPEG goes.")
@json_option
@click.pass_context
def snapshot(context: click.Context, target: Target, file: Path, as_json: bool) -> None:
    """Take one picture, as the camera shows it now.

    \b
    Example:
      examsite camera snapshot --url 10.0.0.5 --user examsite --password-file camera.txt --to room.jpg
    """
    with opened(context, target, as_json) as device:
        picture = device.snapshot()
        try:
            file.write_bytes(picture)
        except OSError as cause:
            raise ApplianceError(
                N_("{path} cannot be written: {cause}."), path=str(file), cause=str(cause.strerror)
            ) from cause
    if as_json:
        out({"ok": True, "file": str(file), "bytes": len(picture), "sha256": hashlib.sha256(picture).hexdigest()})
    else:
        click.echo(words().say(N_("The picture is in {path}, {size_bytes}."), path=str(file), size_bytes=len(picture)))


@camera.command("discover")
@click.option("--timeout", "timeout_s", type=click.FloatRange(0.5, 60), default=3.0, show_default=True,
              help="Seconds to listen.")  # fmt: skip
@click.option("--from", "own", multiple=True, help="Ask only from this address of the box. May be given several times.")
@json_option
def discover_(timeout_s: float, own: tuple[str, ...], as_json: bool) -> None:
    """Find the ONVIF cameras on every network the box is on.

    Exit status: 0, also when nobody answers.

    \b
    Example:
      examsite camera discover --json
    """
    found = discover(timeout_s, own or None)
    if as_json:
        out([asdict(one) for one in found])
        return
    for one in found:
        click.echo(f"{one.address:<16} {' '.join(one.xaddrs)}  {_name(one)}")
    if not found:
        click.echo(words().say(N_("No camera answers.")))
        return
    click.echo(words().plural("{n} camera answers.", "{n} cameras answer.", len(found)))


def report(facts: CameraFacts) -> dict[str, Any]:
    """What `probe --json` prints."""
    return {
        "ok": True,
        "device": {
            "manufacturer": facts.manufacturer,
            "model": facts.model,
            "firmware": facts.firmware,
            "serial": facts.serial,
        },
        "auth": facts.auth,
        "time": {"offset_s": facts.offset_s},
        "services": list(facts.services),
        "profiles": [asdict(profile) for profile in facts.profiles],
        "ptz": {"presets": list(facts.presets)},
        "events": list(facts.events),
        "relays": list(facts.relays),
        "recordings": list(facts.recordings),
        "faults": list(facts.faults),
    }


def _masked(facts: CameraFacts, password: str) -> CameraFacts:
    """Without our password: some makers write it into the stream's address (user=admin_password=..._channel=1)."""
    if not password:
        return facts
    # An address has no spaces: they were taken out of it.
    written = "|".join(map(re.escape, (password, quote(password), "".join(password.split()))))
    shown = re.compile(rf"(pass(?:word|wd)?|pwd)=({written})", re.IGNORECASE)
    profiles = (
        replace(p, stream_uri=shown.sub(r"\1=***", p.stream_uri), snapshot_uri=shown.sub(r"\1=***", p.snapshot_uri))
        for p in facts.profiles
    )
    return replace(facts, profiles=tuple(profiles))


def _masked_whole(found: WholeCamera, password: str) -> dict[str, Any]:
    return {"ok": True, **asdict(replace(found, facts=_masked(found.facts, password)))}


def _show(facts: CameraFacts) -> None:
    say = words().say
    click.echo(f"{facts.manufacturer} {facts.model}".strip())
    click.echo(say(N_("Firmware {firmware}, serial number {serial}"), firmware=facts.firmware, serial=facts.serial))
    if facts.offset_s is None:
        click.echo(say(N_("The camera does not tell the time.")))
    else:
        click.echo(say(N_("Its clock differs by {offset} s from this machine's."), offset=facts.offset_s))
    for profile in facts.profiles:
        click.echo(_line(profile))
        for address in filter(None, (profile.stream_uri, profile.snapshot_uri)):
            click.echo(f"    {address}")
    for fault in facts.faults:
        click.echo(f"! {say(told(fault))}")


def _line(profile: StreamProfile) -> str:
    size = f"{profile.width}x{profile.height}"
    return f"  {profile.token}: {profile.codec} {size} {profile.fps:g} fps {profile.sound or ''}".rstrip()


def _name(one: Found) -> str:
    """The name a camera gives itself in its scopes."""
    names = (scope.rpartition("/name/")[2] for scope in one.scopes if "/name/" in scope)
    return next(names, "").replace("%20", " ")
