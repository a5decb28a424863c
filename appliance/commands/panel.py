"""`examsite panel`: what an installer uses at a strange panel, without the services."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from appliance import config as configuration
from appliance.clock import Clock, SystemClock, iso, parse
from appliance.commands.common import config_option, json_option, out
from appliance.model import N_, ApplianceError
from appliance.services.watch import settings_of
from drivers.panels import dates, open_panel, port_of
from drivers.panels import kinds as driver_kinds
from drivers.panels.codes import masked
from drivers.panels.pace import Pace
from drivers.port import PortError, Source
from drivers.types import Codec, DriverError, Frame, PanelEvent

LOOK_S = 0.1
REPEAT_S = 10.0  # the same frame again within this is a repeat of a panel that heard no acknowledgement


@click.group()
def panel() -> None:
    """Fire and security panels: which there are, and what one says.

    \b
    Example:
      examsite panel listen --kind surgard --port /dev/serial/by-id/usb-FTDI-if00-port0
    """


@panel.command("kinds")
@json_option
def list_kinds(as_json: bool) -> None:
    """List the panel drivers, their line and their settings.

    \b
    Example:
      examsite panel kinds
    """
    if as_json:
        return out([
            {"kind": kind.name, "title": kind.title, "line": kind.line and asdict(kind.line),
             "silent_after_s": kind.silent_after_s, "settings": [asdict(setting) for setting in kind.settings]}
            for kind in driver_kinds()
        ])  # fmt: skip
    for kind in driver_kinds():
        line, silent_s = kind.line, kind.silent_after_s
        heard = "passive: its silence says nothing" if silent_s is None else f"lost after {silent_s:g} s of silence"
        click.echo(f"{kind.name}  {kind.title}")
        wire = "no serial line" if line is None else f"{line.baud} {line.bits}{line.parity}{line.stop}"
        click.echo(f"    {wire}, {heard}")
        for setting in kind.settings:
            click.echo(f"    {setting.name} = {setting.default}  {setting.meaning}")
    return None


@panel.command()
@config_option
@click.option("--panel", "panel_id", metavar="ID", help="A panel of the configuration.")
@click.option("--kind", help="Without a configuration: the driver (examsite panel kinds).")
@click.option("--port", type=click.Path(path_type=Path), help="The line, such as /dev/serial/by-id/usb-...")
@click.option("--profile", type=click.Path(path_type=Path), help="The driver's profile, for kinds that have one.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="A setting of the driver; may be repeated.")
@click.option("--seconds", type=click.FloatRange(min=0), help="End after this time; without it, on Ctrl+C.")
@json_option
def listen(
    config_file: Path, panel_id: str | None, kind: str | None, port: Path | None, profile: Path | None,
    settings: tuple[str, ...], seconds: float | None, as_json: bool,
) -> None:  # fmt: skip
    """Print what a panel says, one event a line; stop the watch service first, it holds the line.

    Every event that is printed is acknowledged to the panel, which then forgets it: nothing is kept and no alarm is
    raised. This is a tool for setting a panel up, not for watching one. With --json, one JSON object a line; what
    cannot be read is told on standard error.

    \b
    Exit status: 0 when the time is over, on Ctrl+C or SIGTERM, 1 when the line or a setting cannot be used.
    \b
    Example:
      examsite panel listen --kind surgard --port /dev/ttyUSB0 --set baud=19200 --set bits=7 --set parity=E
    """
    given = _settings(settings) | ({} if profile is None else {"profile": str(profile)})
    if (panel_id is None) == (kind is None):
        raise click.UsageError("Name either --panel ID of the configuration, or --kind KIND and --port PATH.")
    if panel_id is not None:
        found = configuration.load(config_file).panel(panel_id)
        name, kind, port, given = found.id, found.kind, port or found.port, {**settings_of(found), **given}
    elif port is None:
        raise click.UsageError("--kind needs --port PATH.")
    else:
        name = str(port)
    try:
        codec = open_panel(kind or "", given)
        _listen(port_of(codec, port), codec, Printer(name, SystemClock(), as_json), seconds)
    except DriverError as bad:
        raise ApplianceError(N_("The panel cannot be listened to. {cause}"), cause=str(bad)) from bad


def _settings(given: tuple[str, ...]) -> dict[str, str]:
    for pair in given:
        if "=" not in pair:
            raise click.UsageError(f"--set {pair}: write it as KEY=VALUE.")
    return dict(pair.split("=", 1) for pair in given)


class Printer:
    """Prints each event once. A line is out of our hands before the panel is answered."""

    def __init__(self, panel: str, clock: Clock, as_json: bool) -> None:
        self._panel, self._clock, self._as_json = panel, clock, as_json
        self._last, self._last_mono_s = b"", float("-inf")

    def take(self, frame: Frame) -> None:
        if frame.fault is not None:
            click.echo(f"not readable: {frame.fault}: {frame.raw[:40].hex(' ')}", err=True)
        decoded = bool(frame.events) and frame.events[0].kind != "info.unparsed"
        now_mono_s = self._clock.mono_s()
        repeat = decoded and not frame.news and frame.raw == self._last and now_mono_s - self._last_mono_s <= REPEAT_S
        if decoded:
            self._last, self._last_mono_s = frame.raw, now_mono_s
        if not repeat:
            for event in frame.events:
                self._print(event)

    def _print(self, event: PanelEvent) -> None:
        at = iso(self._clock.now())
        if self._as_json:
            out(event_as_json(self._panel, at, event))
        else:
            numbers = (("zone", event.zone), ("partition", event.partition), ("user", event.user))
            where = " ".join(f"{word} {number}" for word, number in numbers if number)
            click.echo(f"{at}  {event.kind:16} {event.state:9} {where:28} {event.text}")
        sys.stdout.flush()


def event_as_json(panel: str, at: str, event: PanelEvent) -> Mapping[str, Any]:
    """The object that `--json` prints for an event."""
    return {
        "at": at, "panel": panel, "kind": event.kind, "state": event.state, "zone": event.zone,
        "partition": event.partition, "user": event.user, "value": event.value, "text": event.text,
        "panel_time": dates.panel_time(event, parse(at)), "raw": event.raw.hex(),
        "flags": list(event.flags), "account": event.account, "code": event.code,
    }  # fmt: skip


def _listen(port: Source, codec: Codec, printer: Printer, seconds: float | None) -> None:
    """Read until the time is over. A line that does not open at first is an error; a pulled one is awaited."""
    ends_mono_s = float("inf") if seconds is None else time.monotonic() + seconds
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):  # also where a shell started us in the background, without Ctrl+C
        signal.signal(number, lambda _number, _frame: stop.set())
    pace = Pace()
    port.open()
    codec.reset()
    click.echo(f"Listening on {port.path}.", err=True)
    try:
        while not stop.is_set() and time.monotonic() < ends_mono_s:
            try:
                if not port.is_open:
                    port.open()
                    codec.reset()
                _look(port, codec, printer, pace, min(LOOK_S, max(0.0, ends_mono_s - time.monotonic())))
            except PortError as bad:
                click.echo(str(bad), err=True)
                stop.wait(min(port.back_off_s(), max(0.0, ends_mono_s - time.monotonic())))
    finally:
        port.close()


def _look(port: Source, codec: Codec, printer: Printer, pace: Pace, timeout_s: float) -> None:
    data = port.read(pace.wait_s(time.monotonic(), timeout_s))
    for frame in codec.feed(data):
        printer.take(masked(frame))
        if frame.reply:
            port.write(frame.reply)
    poll = pace.poll(codec, time.monotonic())
    if poll:
        port.write(poll)
