"""`examsite camera`: read a camera, or find cameras, before any site is configured."""

from __future__ import annotations

import re
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from appliance.commands.common import json_option, out, read_password, words
from appliance.model import N_
from drivers.discovery import Found, discover
from drivers.onvif import Camera
from drivers.onvif_reply import CameraError
from drivers.types import CameraFacts, StreamProfile

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


@click.group()
def camera() -> None:
    """Find cameras and read them.

    \b
    Example:
      examsite camera discover
      examsite camera probe --url http://10.0.0.5/ --user examsite --password-file camera.txt
    """


@camera.command()
@click.option("--url", required=True, help="The camera's address: http://10.0.0.5/ or just 10.0.0.5.")
@click.option("--user", default="", help="The camera's user. Without it only open cameras can be read.")
@click.option("--password-file", type=click.Path(path_type=Path), help="Read the password from this file's first line.")
@click.option("--timeout", "timeout_s", type=click.FloatRange(0.5, 60), default=6.0, show_default=True,
              help="Seconds to wait for each answer.")  # fmt: skip
@json_option
@click.pass_context
def probe(
    context: click.Context, url: str, user: str, password_file: Path | None, timeout_s: float, as_json: bool
) -> None:
    """Read one camera: maker, clock, profiles, addresses, and what it does wrong. Needs no site.

    Exit status: 0 when the camera was read, 1 when it does not answer or refuses.

    \b
    Example:
      examsite camera probe --url 10.0.0.5 --user examsite --password-file camera.txt --json
    """
    password = read_password(password_file, words().say(N_("The camera's password"))) if user else ""
    shown = url.rpartition("@")[2] if "@" in url else url  # an address typed with a password in it
    try:
        facts = _masked(_read(url, user, password, timeout_s), password)
    except CameraError as error:
        reason = "unsigned" if error.reason == "refused" and not user else error.reason
        sentence = words().say(SENTENCES[reason], url=shown, detail=str(error))
        if as_json:
            out({**report(CameraFacts(faults=(sentence,))), "ok": False, "auth": None, "reason": reason})
        else:
            click.echo(sentence, err=True)
        context.exit(1)
    if as_json:
        out(report(facts))
    else:
        _show(facts)


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


def _read(url: str, user: str, password: str, timeout_s: float) -> CameraFacts:
    device = Camera(url, user, password, timeout_s)
    try:
        return device.facts()
    finally:
        device.close()


def _masked(facts: CameraFacts, password: str) -> CameraFacts:
    """Without our password: some makers write it into the stream's address (user=admin_password=..._channel=1)."""
    if not password:
        return facts
    shown = re.compile(rf"(pass(?:word|wd)?|pwd)=({re.escape(password)}|{re.escape(quote(password))})", re.IGNORECASE)
    profiles = (
        replace(p, stream_uri=shown.sub(r"\1=***", p.stream_uri), snapshot_uri=shown.sub(r"\1=***", p.snapshot_uri))
        for p in facts.profiles
    )
    return replace(facts, profiles=tuple(profiles))


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
        click.echo(f"! {fault}")


def _line(profile: StreamProfile) -> str:
    size = f"{profile.width}x{profile.height}"
    return f"  {profile.token}: {profile.codec} {size} {profile.fps:g} fps {profile.sound or ''}".rstrip()


def _name(one: Found) -> str:
    """The name a camera gives itself in its scopes."""
    names = (scope.rpartition("/name/")[2] for scope in one.scopes if "/name/" in scope)
    return next(names, "").replace("%20", " ")
