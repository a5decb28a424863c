"""What each camera is doing now, for the pages and the checks. Owns camera_state and second_stream."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from appliance.clock import Clock, iso
from appliance.store import Database

State = Literal["idle", "connecting", "recording", "reconnecting", "refused", "stopped"]


@dataclass(frozen=True, slots=True)
class CameraState:
    """Instants are UTC ISO-8601 text. `safe_until_at`: everything up to here is synced to disk."""

    camera: str
    state: State
    since_at: str
    cause: str | None = None
    last_frame_at: str | None = None
    safe_until_at: str | None = None
    clock_offset_s: float | None = None
    clock_asked_at: str | None = None


def save(db: Database, states: Iterable[CameraState]) -> None:
    """Write what the recorder knows, inside the caller's transaction. The clock columns are the keeper's and stay."""
    for s in states:
        db.write(
            "insert into camera_state (camera, state, since_at, cause, last_frame_at, safe_until_at)"
            " values (?, ?, ?, ?, ?, ?) on conflict (camera) do update set state = excluded.state,"
            " since_at = excluded.since_at, cause = excluded.cause, last_frame_at = excluded.last_frame_at,"
            " safe_until_at = excluded.safe_until_at",
            (s.camera, s.state, s.since_at, s.cause, s.last_frame_at, s.safe_until_at),
        )


def save_second(db: Database, states: Iterable[CameraState]) -> None:
    """Write how the second streams are, where both are recorded; inside the caller's transaction."""
    for s in states:
        db.write("insert or replace into second_stream (camera, state, since_at, cause, last_frame_at)"
                 " values (?, ?, ?, ?, ?)", (s.camera, s.state, s.since_at, s.cause, s.last_frame_at))  # fmt: skip


def second(db: Database, camera: str) -> CameraState | None:
    """How a camera's second stream is; None when it was never asked for."""
    row = db.row("select * from second_stream where camera = ?", (camera,))
    return CameraState(**row) if row else None


def save_clock(db: Database, clock: Clock, camera: str, offset_s: float) -> None:
    """Write the camera's clock offset (camera minus box, seconds), inside the caller's transaction."""
    now = iso(clock.now())
    db.write(
        "insert into camera_state (camera, state, since_at, clock_offset_s, clock_asked_at)"
        " values (?, 'idle', ?, ?, ?) on conflict (camera) do update set clock_offset_s = excluded.clock_offset_s,"
        " clock_asked_at = excluded.clock_asked_at",
        (camera, now, offset_s, now),
    )


def states(db: Database) -> dict[str, CameraState]:
    """The last known state of every camera that ever had one."""
    return {r["camera"]: CameraState(**r) for r in db.rows("select * from camera_state")}


def snapshot_path(data: Path, camera: str) -> Path:
    """Where the keeper leaves a camera's newest picture (JPEG, replaced whole); its mtime is the picture's age."""
    return data / "snapshots" / f"{camera}.jpg"


def silent_for_s(state: CameraState, now: datetime) -> float | None:
    """Seconds since the last frame of a camera that should be sending; None when it is not asked to."""
    if state.state not in ("recording", "reconnecting", "connecting") or state.last_frame_at is None:
        return None
    return (now - datetime.fromisoformat(state.last_frame_at)).total_seconds()
