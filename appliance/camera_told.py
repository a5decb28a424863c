"""The last whole reading of each camera, for its page. Owns table camera_told. No password is in a reading."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from appliance import store
from appliance.clock import Clock, iso
from appliance.store import Database
from drivers.types import WholeCamera

# Some makers write the password into the stream's address: user=admin_password=..._channel=1
SHOWN = re.compile(r"(pass(?:word|wd)?|pwd)=[^&_/\s\"\\]*", re.IGNORECASE)


def keep(db: Database, clock: Clock, camera: str, whole: WholeCamera) -> None:
    """Remember what it told. Opens its own transaction."""
    value = json.dumps(asdict(whole), ensure_ascii=False, default=str)
    with store.transaction(db):
        db.write("insert into camera_told (camera, value, read_at) values (?, ?, ?) on conflict (camera) do update"
                 " set value = excluded.value, read_at = excluded.read_at",
                 (camera, SHOWN.sub(r"\1=***", value), iso(clock.now())))  # fmt: skip


def last(db: Database, camera: str) -> tuple[Mapping[str, Any], str] | None:
    """What it told, as `drivers.types.WholeCamera` in JSON, and when; None when nobody asked yet."""
    row = db.row("select value, read_at from camera_told where camera = ?", (camera,))
    return None if row is None else (json.loads(row["value"]), row["read_at"])
