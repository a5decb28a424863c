"""The real services as a process tree of their own, exactly as `examsite run all` starts them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from appliance.config import Config
from appliance.model import N_, ApplianceError

STOP_TIMEOUT_S = 20.0


class Services:
    """`examsite run all` with its output in a log file."""

    def __init__(self, config: Config, log: Path) -> None:
        self._config, self._log = config, log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        argv = [sys.executable, "-m", "appliance", "run", "all", "--config", str(self._config.source)]
        with self._log.open("ab") as log:
            # A session of its own: Ctrl-C reaches the demo, which then stops the services in order.
            self._process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    def check(self) -> None:
        """Raise ApplianceError when the parent of the services is gone."""
        if self._process is not None and self._process.poll() is not None:
            raise ApplianceError(N_("The services ended by themselves; see {log}"), log=str(self._log))

    def stop(self) -> None:
        """Ask them to end, and wait; the parent gives each a grace and ends what hangs."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
