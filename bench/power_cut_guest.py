"""What runs inside the virtual machine of bench/power_cut.py: the recorder, and a voice that tells what it promised.

Each line on the console begins with @@ and is JSON: `now` (the guest's clock), `safe` (what the recorder calls safe of
each camera that records), `rows` (recordings that came into the archive). With `check` on the kernel's command line the
recorder only takes in what the cuts left; then the archive is verified and the machine switches itself off.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from appliance import cameras, store
from appliance.clock import SystemClock, iso

SITE = Path("/mnt/site/site.toml")
DATABASE = Path("/mnt/site/data/examsite.db")
LOOK_S = 0.3
TAKEN_IN_S = 20.0


def say(**told: Any) -> None:
    print("@@" + json.dumps(told), flush=True)


def main() -> None:
    check = " check" in Path("/proc/cmdline").read_text(encoding="utf-8")
    recorder = subprocess.Popen([sys.executable, "-m", "appliance", "run", "recorder", "--config", str(SITE)])
    db = store.open(DATABASE)
    began_at = iso(SystemClock().now())  # what the database still says of the time before the cut is not said again
    told, ends_s = 0, time.monotonic() + TAKEN_IN_S
    while recorder.poll() is None and not (check and time.monotonic() > ends_s):
        states = cameras.states(db)
        rows = db.rows("select id, path, size_bytes, sha256 from segment where id > ? order by id", (told,))
        told = max([told, *(row["id"] for row in rows)])
        safe = {s.camera: s.safe_until_at or "" for s in states.values() if s.state == "recording"}
        say(
            now=time.time(),
            safe={camera: at for camera, at in safe.items() if at > began_at},
            rows=[[row["path"], row["size_bytes"], row["sha256"]] for row in rows],
        )
        time.sleep(LOOK_S)
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
