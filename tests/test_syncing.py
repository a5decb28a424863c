"""Putting open recordings to disk, and naming them once there is something in them."""

from __future__ import annotations

from pathlib import Path

from appliance.syncing import Open
from drivers import fmp4
from tests.fakes.recorded_site import film


def test_a_disk_that_takes_nothing_is_told_to_the_camera() -> None:
    file = Open(Path("/dev/full"))  # a character device: fdatasync is refused
    file.sync()
    assert file.fault
    file.close()


def test_a_file_is_called_a_recording_from_its_first_whole_fragment_on(tmp_path: Path) -> None:
    whole = film(tmp_path / "whole.mp4").read_bytes()
    new, named = tmp_path / "run-000000.new", tmp_path / "run-000000.mp4"
    with (tmp_path / "whole.mp4").open("rb") as read:
        end = next(at + length for kind, at, length in fmp4.boxes(read.fileno(), len(whole)) if kind == b"mdat")
    file = Open(new)
    file.name()  # not even begun
    for length in (0, 500, 1500, end - 1):
        new.write_bytes(whole[:length])
        file.name()
        assert (new.exists(), named.exists()) == (True, False)
    new.write_bytes(whole[:end])
    file.sync()
    file.name()
    assert (new.exists(), named.exists(), file.nameless) == (False, True, False)
    file.sync()
    assert not file.fault
    assert fmp4.read(named).frames == 10
    file.close()
