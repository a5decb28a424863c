"""Recording jobs on the camera's own card: started, stopped, made and taken away, each read back.

Faults of the specification are results in words, not errors: a camera may have no room for another job
(ter:MaxRecordingJobs) or may not let one be deleted (ter:CannotDelete).
"""

from __future__ import annotations

import time
from typing import Any

from drivers import onvif_parts as parts
from drivers.onvif import Camera
from drivers.onvif_read_back import Strict, Wait, changed
from drivers.onvif_reply import RECORDING, first, text
from drivers.types import RecordingJob, SetResult

PROFILE_TYPE = "http://www.onvif.org/ver10/schema/Profile"  # what a job's source token names
JOB_PRIORITY = 1


def set_job(camera: Camera, job: str, *, active: bool, wait: Wait = time.sleep) -> SetResult:
    """Let a job record (Active) or not (Idle)."""
    mode = "Active" if active else "Idle"

    def read() -> str:
        return next((one.mode for one in parts.jobs(Strict(camera)) if one.token == job), "")

    before = read()
    if not before:
        return SetResult(mode, "", False, f"The camera has no recording job {job}.")

    def change() -> None:
        camera.ask(RECORDING, "SetRecordingJobMode", JobToken=job, Mode=mode)

    return changed(mode, change, read, lambda found: found == mode, before=before, wait=wait)


def create_job(
    camera: Camera, recording: str, profile: str, *, active: bool = True, wait: Wait = time.sleep
) -> SetResult:
    """Make a job that writes this profile into that recording of the card. `found` is the new job's token."""
    before = _tokens(camera)
    made: list[str] = []

    def change() -> None:
        source = {"SourceToken": {"Type": PROFILE_TYPE, "Token": profile}, "AutoCreateReceiver": False}
        wanted: dict[str, Any] = {"RecordingToken": recording, "Mode": "Active" if active else "Idle",
                                  "Priority": JOB_PRIORITY, "Source": [source]}  # fmt: skip
        made.append(text(first(camera.ask(RECORDING, "CreateRecordingJob", JobConfiguration=wanted), "JobToken")))

    def there(jobs: tuple[RecordingJob, ...]) -> bool:
        return any(one.token in made or one.token not in before for one in jobs)

    def say(jobs: tuple[RecordingJob, ...]) -> str:
        return next((one.token for one in jobs if one.token in made or one.token not in before), " ".join(before))

    return changed(f"a job for {recording}", change, lambda: parts.jobs(Strict(camera)), there, say=say,
                   before=" ".join(before), wait=wait)  # fmt: skip


def delete_job(camera: Camera, job: str, *, wait: Wait = time.sleep) -> SetResult:
    """Take a job away; its recording stays."""

    def change() -> None:
        camera.ask(RECORDING, "DeleteRecordingJob", JobToken=job)

    return changed(f"no job {job}", change, lambda: _tokens(camera), lambda tokens: job not in tokens, say=" ".join,
                   before=" ".join(_tokens(camera)), wait=wait)  # fmt: skip


def _tokens(camera: Camera) -> tuple[str, ...]:
    return tuple(job.token for job in parts.jobs(Strict(camera)))
