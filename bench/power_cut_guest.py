"""What runs inside the virtual machine of bench/power_cut.py: the recorder, and a voice that tells what it promised.

Each line on the console begins with @@ and is JSON: `now` (the guest's clock), `safe` (what the recorder calls safe of
each camera that records), `rows` (recordings that came into the archive). With `check` on the kernel's command line the
recorder only takes in what the cuts left; then the archive is verified and the machine switches itself off. With
`steps` there the machine's clock is set forward and back by up to an hour every few seconds.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from appliance import cameras, store
from appliance.clock import SystemClock

SITE = Path("/mnt/site/site.toml")
DATABASE = Path("/mnt/site/data/examsite.db")
LOOK_S = 0.3
STEP_EVERY_S = 7.0


def say(**told: Any) -> None:
    print("@@" + json.dumps(told), flush=True)


def main() -> None:
    words = Path("/proc/cmdline").read_text(encoding="utf-8").split()
    check, steps, stepped_s = "check" in words, "steps" in words, time.monotonic() + STEP_EVERY_S
    recorder = subprocess.Popen([sys.executable, "-m", "appliance", "run", "recorder", "--config", str(SITE)])
    db = store.open(DATABASE)
    # What the database still says of the time before the cut is not said again.
    stale = {s.camera: s.safe_until_at for s in cameras.states(db).values()}
    told, boot = 0, SystemClock().boot()
    while recorder.poll() is None:
        if check and db.value("select boot from heartbeat where service = 'recorder'") == boot:
            break  # its first heartbeat: it has taken in all that was left
        states = cameras.states(db)
        rows = db.rows("select id, path, size_bytes, sha256 from segment where id > ? order by id", (told,))
        told = max([told, *(row["id"] for row in rows)])
        safe = {s.camera: s.safe_until_at for s in states.values()
                if s.state == "recording" and s.safe_until_at not in (None, stale.get(s.camera))}  # fmt: skip
        say(
            now=time.time(),
            safe=safe,
            rows=[[row["path"], row["size_bytes"], row["sha256"]] for row in rows],
        )
        time.sleep(LOOK_S)
        if steps and safe and time.monotonic() > stepped_s:
            stepped_s = time.monotonic() + STEP_EVERY_S
            time.clock_settime(time.CLOCK_REALTIME, time.time() + random.uniform(-3600, 3600))
    recorder.terminate()
    status = recorder.wait(60)
    for what in ("archive", "journal"):
        done = subprocess.run(
            [sys.executable, "-m", "appliance", "verify", what, "--config", str(SITE)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        say(verify=what, status=done.returncode, text=(done.stdout + done.stderr)[-600:])
    db.close()
    say(recorder=status)
    os.sync()
    subprocess.run(["/bin/mount", "-o", "remount,ro", "/mnt"], check=False)
    Path("/proc/sysrq-trigger").write_text("o", encoding="ascii")
    time.sleep(60)


if __name__ == "__main__":
    main()
