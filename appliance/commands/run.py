"""`examsite run`: one service, or all of them under one parent."""

from __future__ import annotations

import importlib
import logging
import os
import signal
import sys
import threading
from pathlib import Path

import click

from appliance import config as configuration
from appliance import supervisor
from appliance.clock import SystemClock
from appliance.commands.common import config_option
from appliance.commands.site import initialise
from appliance.health import SERVICES


def log_to_stderr(service: str) -> None:
    """Plain lines; journald adds the time."""
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format=f"{service}: %(levelname)s %(name)s: %(message)s")
    # zeep and APScheduler narrate; their warnings are enough
    for chatty in ("zeep", "apscheduler", "urllib3", "waitress"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def stop_on_signals() -> threading.Event:
    """An event that SIGTERM and SIGINT set."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stop.set())
    return stop


@click.command()
@click.argument("service", type=click.Choice([*SERVICES, "all"]))
@config_option
def run(service: str, config_file: Path) -> None:
    """Run SERVICE in the foreground until SIGTERM: recorder, watch, keeper, archivist, web; or all of them.

    `all` brings the database up to date first and restarts what dies. On an installed box systemd does both.

    \b
    Example:
      examsite run all --config /etc/examsite/examsite.toml
    """
    if service == "web":
        os.execv(sys.executable, supervisor.command("web", configuration.load(config_file)))  # noqa: S606
    log_to_stderr(service)
    config, stop = configuration.load(config_file), stop_on_signals()
    if service == "all":
        broken = initialise(config)
        if broken is not None:
            logging.getLogger("init").error("%s", broken)
        supervisor.run(config, SystemClock(), stop)
    else:
        importlib.import_module(f"appliance.services.{service}").main(config, SystemClock(), stop)
