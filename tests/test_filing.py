"""Finished files become recordings, in their order and at their place in time."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from appliance import archive, store
from appliance.clock import FakeClock
from appliance.filing import SETTLE_S, Filing
from appliance.timeline import Timeline
from demo.cameras_process import Address
from drivers.ffmpeg import Finished
from tests.fakes.recorded_site import site

AT = datetime(2026, 11, 22, 7, 0, tzinfo=UTC)
YARD = Address("yard", "rtsp://127.0.0.1:9/yard", "http://127.0.0.1:9/", "u", "p")


def rare_film(to: Path) -> Path:
    """Four seconds, each of three frames in its first 0.3 s: a rate that varies."""
    argv = ["ffmpeg", "-nostdin", "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=64x64:rate=10:duration=4"]
    argv += ["-vf", "select=lt(mod(n\\,10)\\,3)", "-vsync", "vfr", "-c:v", "libx264", "-bf", "0"]
    argv += ["-movflags", "+empty_moov+default_base_moof", "-frag_duration", "1000000", str(to)]
    to.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(argv, check=True, timeout=60)
    return to


def test_at_a_varying_rate_a_first_file_that_came_in_a_burst_is_placed_by_the_one_behind_it(tmp_path: Path) -> None:
    """Its frames were two seconds late, all of them; of which only the next ones tell."""
    config, clock = site(tmp_path, {"yard": YARD}), FakeClock(AT)
    files = [rare_film(config.incoming / "yard" / f"aaaa1111-00000{n}.mp4") for n in range(2)]
    line = Timeline(clock)
    db = store.open(config.database)
    filing = Filing(db, config, clock, "yard", line, lambda _at: None, lambda _since, _until: None)

    def heard(at_s: float, media_s: float, frames: int, *finished: Finished) -> None:
        clock.advance(at_s - (clock.now() - AT).total_seconds())
        line.heard(media_s, frames)
        filing.take(finished, began=True, last=False)

    heard(6.0, 0.0, 1)
    heard(6.2, 5.0, 15, Finished(files[0], 0, 0.0, 3.3))
    heard(7.0, 6.2, 21)  # the frame of 7.0 has come in time
    heard(6.1 + SETTLE_S, 8.2, 27)
    assert archive.segments(db) == []
    heard(10.0, 9.0, 28, Finished(files[1], 1, 4.0, 7.3))
    first, second = archive.segments(db)
    assert first.starts_at == AT
    assert (first.ends_at - AT).total_seconds() == pytest.approx(3.3, abs=0.001)
    assert second.last_frame_at is not None
    assert (second.last_frame_at - AT).total_seconds() == pytest.approx(7.2, abs=0.001)
    db.close()
