"""`python -m web --config FILE`: the pages as a service, until SIGTERM; on loopback unless the site says otherwise."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
from contextlib import closing
from pathlib import Path
from types import FrameType

from waitress.server import create_server

from appliance import config as configuration
from appliance import health, store
from appliance.clock import Clock, SystemClock
from appliance.config import Config, ConfigError
from appliance.model import N_, ApplianceError
from appliance.words import Words
from web import THREADS, create_app

log = logging.getLogger(__name__)

OUTBUF_BYTES = 2_000_000  # what waits for one browser; a live picture it does not take goes on with the newest


def main(argv: list[str] | None = None) -> int:
    """Serve until asked to stop; 1 and one clear sentence when that cannot begin."""
    parser = argparse.ArgumentParser(prog="python -m web", description=__doc__)
    parser.add_argument("--config", type=Path, default=os.environ.get("EXAMSITE_CONFIG", "/etc/examsite/examsite.toml"))
    asked = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="web: %(levelname)s %(name)s: %(message)s")
    logging.getLogger("waitress").setLevel(logging.ERROR)  # its queue warnings name streams that wait on purpose
    try:
        config = configuration.load(asked.config)
    except ConfigError as bad:
        print("\n".join(bad.faults), file=sys.stderr)
        return 1
    try:
        serve(config, SystemClock())
    except ApplianceError as refused:
        print(Words(config.site.language, config.site.zone).say(refused.message), file=sys.stderr)
        return 1
    return 0


def serve(config: Config, clock: Clock) -> None:
    """Listen, say so, beat, and end with the streams when SIGTERM or SIGINT comes. Raises ApplianceError."""
    if os.environ.get("FLASK_DEBUG", "0") not in ("", "0"):
        raise ApplianceError(N_("FLASK_DEBUG is set. The pages never run in debug mode; unset it."))
    stop = threading.Event()
    app = create_app(config, clock, stop)
    try:
        server = create_server(
            app, host=config.web.host, port=config.web.port, ident=None,
            threads=THREADS + config.profile.live.viewers,  # a live picture holds one as long as it is watched
            outbuf_high_watermark=OUTBUF_BYTES, connection_limit=400, channel_timeout=60,
            max_request_header_size=32_768,
        )  # fmt: skip
    except OSError as cause:
        raise ApplianceError(
            N_("The pages cannot listen on {host}, port {port}: {cause}. Is another copy running?"),
            host=config.web.host, port=str(config.web.port), cause=cause.strerror or str(cause),
        ) from cause  # fmt: skip

    def end(_number: int, _frame: FrameType | None) -> None:
        stop.set()
        raise SystemExit(0)  # the way waitress is told to stop; it gives its threads five seconds

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    heart = threading.Thread(target=_beat, args=(config, clock, stop), name="heartbeat", daemon=True)
    heart.start()
    try:
        server.run()
    finally:
        stop.set()
        server.close()
        heart.join(timeout=health.BEAT_S)


def _beat(config: Config, clock: Clock, stop: threading.Event) -> None:
    """Say that the pages are up, then beat. If that fails the service ends, to be started afresh."""
    try:
        db = store.open(config.database)
        with closing(db.conn):
            health.started(db, clock, "web")
            while not stop.wait(health.BEAT_S):
                health.beat(db, clock, "web")
    except Exception:
        log.exception("the heartbeat of the pages ended; ending the service so that it is started afresh")
        os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main())
