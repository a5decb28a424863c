"""`examsite record`: record any streams into a folder, without a site."""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import Any

import click

from appliance import coverage, trial
from appliance.cameras import CameraState
from appliance.clock import SystemClock
from appliance.commands.common import json_option, out, read_password, words
from appliance.commands.run import stop_on_signals
from appliance.config import Camera
from appliance.model import N_
from appliance.trial import Report, StreamReport

STATES = {
    "connecting": N_("connecting"),
    "recording": N_("recording"),
    "reconnecting": N_("not recorded, trying again"),
    "refused": N_("not recorded"),
    "stopped": N_("not recorded"),
    "idle": N_("over"),
}


@click.command()
@click.option("--url", "urls", required=True, multiple=True,
              help="The stream, rtsp://...; http://... is an ONVIF address. May be given several times.")  # fmt: skip
@click.option("--to", "folder", required=True, type=click.Path(path_type=Path, file_okay=False),
              help="Where the recordings go. Made when missing; nothing in it is overwritten.")  # fmt: skip
@click.option("--seconds", required=True, type=click.FloatRange(1, 7 * 86400), help="How long to record.")
@click.option("--user", default="", help="Who signs in at the cameras. A name inside an address goes before it.")
@click.option("--password-file", type=click.Path(path_type=Path), help="Read the password from this file's first line.")
@click.option("--segment-s", type=click.FloatRange(2, 300), default=60.0, show_default=True, help="Length of a file.")
@click.option("--sound/--no-sound", default=True, show_default=True, help="Record the sound as well.")
@json_option
@click.pass_context
def record(
    context: click.Context, urls: tuple[str, ...], folder: Path, seconds: float, user: str,
    password_file: Path | None, segment_s: float, sound: bool, as_json: bool,
) -> None:  # fmt: skip
    """Record streams into a folder through the very same recorder, without a site: to try a strange camera.

    Prints, for each stream, the files with first and last frame, bytes and SHA-256, and the gaps with their cause.
    SIGINT or SIGTERM ends it well; killed, it leaves playable files, and the next run in the folder takes them in.

    Exit status: 0 when every stream was recorded without a gap after its first frame, else 1.

    \b
    Example:
      examsite record --url rtsp://10.0.0.5/main --user u --password-file camera.txt --to trial --seconds 60
    """
    password = read_password(password_file, words().say(N_("The camera's password"))) if user else ""
    cameras: list[Camera] = []
    for url in urls:
        cameras.append(trial.camera(url, [c.id for c in cameras], user, password, sound=sound))
    asked = stop_on_signals()
    config = trial.site(folder.resolve(), tuple(cameras), segment_s)
    logging.basicConfig(level=logging.INFO, filename=config.data / "record.log",
                        format="%(asctime)s %(levelname)s %(name)s: %(message)s")  # fmt: skip
    with trial.alone(config):
        found = trial.record(config, SystemClock(), seconds, asked, _teller(threading.Lock()))
    if as_json:
        out(_as_json(found))
    else:
        _show(found)
    context.exit(0 if found.ok else 1)


def _teller(lock: threading.Lock) -> trial.Tell:
    """Says each change on standard error, so that standard output stays the report's."""

    def tell(state: CameraState) -> None:
        say = words().say
        cause = say(coverage.cause(state.cause)) if state.cause else ""
        if state.state in STATES and (state.state, state.cause) != ("idle", None):
            with lock:
                click.echo(f"{state.camera}: {say(STATES[state.state])}. {cause}".rstrip(), err=True)

    return tell


def _as_json(found: Report) -> dict[str, Any]:
    whole: dict[str, Any] = trial.as_json(found)
    for stream in whole["streams"]:
        for gap in stream["gaps"]:
            gap["cause"] = words().say(coverage.cause(gap["code"]))
    return whole


def _show(found: Report) -> None:
    for stream in found.streams:
        _show_stream(found, stream)
    if found.taken_in:
        click.echo(words().plural("Taken in from an earlier run: {n} file.", "Taken in from an earlier run: {n} files.",
                                  len(found.taken_in)))  # fmt: skip
    click.echo(words().say(N_("The files are in {path}."), path=found.folder))


def _show_stream(found: Report, stream: StreamReport) -> None:
    say = words()
    click.echo(stream.url)
    for file in stream.segments:
        click.echo(f"  {file.path}")
        click.echo(f"    {file.first_frame_at} … {file.last_frame_at}  {say.size(file.bytes)}"
                   f"  {file.codec} {file.sound or ''}".rstrip())  # fmt: skip
        click.echo(f"    sha256 {file.sha256}  " + say.plural("{n} frame", "{n} frames", file.frames))
    for gap in stream.gaps:
        click.echo(f"  ! {gap.from_at} … {gap.to_at}  {say.span(gap.seconds)}  {say.say(coverage.cause(gap.code))}")
    if stream.lost_packets:
        click.echo("  ! " + say.plural("{n} packet was lost in the network.", "{n} packets were lost in the network.",
                                       stream.lost_packets))  # fmt: skip
    if not stream.segments:
        click.echo("  " + say.say(N_("Nothing was recorded.")))
    else:
        click.echo("  " + say.say(N_("Recorded: {recorded_s} of {required_s}."), recorded_s=stream.recorded_s,
                                  required_s=stream.required_s))  # fmt: skip
