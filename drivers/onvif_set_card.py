"""The camera's own card: jobs started and stopped; jobs, recordings, tracks and receivers made and taken away.

Each is read back. Faults of the specification are results in words, not errors: a camera may have no room for another
job (ter:MaxRecordingJobs) or may not let one be deleted (ter:CannotDelete).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from drivers import onvif_parts as parts
from drivers.onvif import Camera
from drivers.onvif_read_back import Strict, Wait, changed
from drivers.onvif_reply import RECEIVER, RECORDING, first, text
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


def create_recording(
    camera: Camera, name: str, content: str = "", *, keep: str = "PT0S", wait: Wait = time.sleep
) -> SetResult:
    """Make a recording on the card; `keep` is how long at most, for ever by default. `found` is its token.

    A card that holds as many as it can says so (ter:MaxRecordings).
    """
    source = {"SourceId": f"urn:{name}", "Name": name[:20], "Location": "", "Description": content, "Address": ""}
    wanted = {"Source": source, "Content": content or name, "MaximumRetentionTime": keep}
    return _made(camera, f"a recording {name}", "CreateRecording", "RecordingToken", lambda: _recordings(camera), wait,
                 RecordingConfiguration=wanted)  # fmt: skip


def describe_recording(camera: Camera, recording: str, content: str, *, wait: Wait = time.sleep) -> SetResult:
    """Say in the card's own list what a recording holds; the rest of its configuration stays."""

    def now() -> Any:
        return camera.ask(RECORDING, "GetRecordingConfiguration", RecordingToken=recording)

    def change() -> None:
        held = now()
        source = {name: text(first(first(held, "Source"), name))
                  for name in ("SourceId", "Name", "Location", "Description", "Address")}  # fmt: skip
        wanted = {"Source": source, "Content": content,
                  "MaximumRetentionTime": text(first(held, "MaximumRetentionTime")) or "PT0S"}  # fmt: skip
        camera.ask(RECORDING, "SetRecordingConfiguration", RecordingToken=recording, RecordingConfiguration=wanted)

    def read() -> str:
        return parts.repaired(text(first(now(), "Content")))

    return changed(content, change, read, lambda found: found == content, before=read(), wait=wait)


def delete_recording(camera: Camera, recording: str, *, wait: Wait = time.sleep) -> SetResult:
    """Take a recording off the card, with all that is in it. One that cannot go is said (ter:CannotDelete)."""
    return _gone(camera, f"no recording {recording}", recording, lambda: _recordings(camera), wait,
                 RECORDING, "DeleteRecording", RecordingToken=recording)  # fmt: skip


def create_track(camera: Camera, recording: str, kind: str = "Video", *, wait: Wait = time.sleep) -> SetResult:
    """Make a track (Video, Audio, Metadata) in a recording. `found` is its token."""
    wanted = {"TrackType": kind, "Description": kind}
    return _made(camera, f"a track in {recording}", "CreateTrack", "TrackToken", lambda: _tracks(camera, recording),
                 wait, RecordingToken=recording, TrackConfiguration=wanted)  # fmt: skip


def delete_track(camera: Camera, recording: str, track: str, *, wait: Wait = time.sleep) -> SetResult:
    return _gone(camera, f"no track {track}", track, lambda: _tracks(camera, recording), wait,
                 RECORDING, "DeleteTrack", RecordingToken=recording, TrackToken=track)  # fmt: skip


def create_receiver(camera: Camera, address: str, *, wait: Wait = time.sleep) -> SetResult:
    """Let a recorder with a card of its own take this stream when a job needs it. `found` is its token."""
    setup = {"Stream": "RTP-Unicast", "Transport": {"Protocol": "RTSP"}}
    return _made(camera, address, "CreateReceiver", "ReceiverToken", lambda: _receivers(camera), wait, RECEIVER,
                 Configuration={"Mode": "AutoConnect", "MediaUri": address, "StreamSetup": setup})  # fmt: skip


def delete_receiver(camera: Camera, receiver: str, *, wait: Wait = time.sleep) -> SetResult:
    return _gone(camera, f"no receiver {receiver}", receiver, lambda: _receivers(camera), wait,
                 RECEIVER, "DeleteReceiver", ReceiverToken=receiver)  # fmt: skip


def _made(
    camera: Camera, wanted: str, operation: str, named: str, read: Callable[[], tuple[str, ...]], wait: Wait,
    service: str = RECORDING, **arguments: Any,
) -> SetResult:  # fmt: skip
    """Make one, and find it among those that were not there: some cameras answer with no token, or another's."""
    before = read()
    answered: list[str] = []

    def change() -> None:
        answer = camera.ask(service, operation, **arguments)
        answered.append(text(first(answer, named)) or text(first(answer, "Token")))

    def new(found: tuple[str, ...]) -> str:
        added = [one for one in found if one not in before]
        return next((one for one in added if one in answered), next(iter(added), ""))

    def say(found: tuple[str, ...]) -> str:
        return new(found) or " ".join(found)

    return changed(wanted, change, read, lambda found: bool(new(found)), say=say, before=" ".join(before), wait=wait)


def _gone(
    camera: Camera, wanted: str, token: str, read: Callable[[], tuple[str, ...]], wait: Wait, service: str,
    operation: str, **arguments: Any,
) -> SetResult:  # fmt: skip
    return changed(wanted, lambda: camera.ask(service, operation, **arguments), read,
                   lambda found: token not in found, say=" ".join, before=" ".join(read()), wait=wait)  # fmt: skip


def _tokens(camera: Camera) -> tuple[str, ...]:
    return tuple(job.token for job in parts.jobs(Strict(camera)))


def _recordings(camera: Camera) -> tuple[str, ...]:
    return tuple(one.token for one in parts.recordings(Strict(camera)))


def _tracks(camera: Camera, recording: str) -> tuple[str, ...]:
    return next((one.track_tokens for one in parts.recordings(Strict(camera)) if one.token == recording), ())


def _receivers(camera: Camera) -> tuple[str, ...]:
    return tuple(one.token for one in parts.receivers(Strict(camera)))
