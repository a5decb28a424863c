"""A recording that is being written: a fragmented film that grows by whole fragments, at the time a clock says."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from appliance.clock import Clock
from drivers import fmp4


class LiveFile:
    """`write(1)` writes the header, then each time a fragment; the last takes what follows it with it."""

    def __init__(self, path: Path, film: bytes, clock: Clock) -> None:
        self.path, self._clock, self._parts = path, clock, _parts(film)

    def write(self, count: int, *, age_s: float = 0.0) -> None:
        """The next parts, as many as there are; written so long ago."""
        with self.path.open("ab") as file:
            file.write(b"".join(self._parts[:count]))
        del self._parts[:count]
        written_s = self._clock.now().timestamp() - age_s
        os.utime(self.path, (written_s, written_s))


def _parts(film: bytes) -> list[bytes]:
    parts, begins = list[bytes](), 0
    with tempfile.TemporaryFile() as file:
        file.write(film)
        file.flush()
        for kind, at, length in fmp4.boxes(file.fileno(), len(film)):
            if kind in (b"moov", b"mdat"):
                parts.append(film[begins : at + length])
                begins = at + length
    return [*parts[:-1], parts[-1] + film[begins:]]
