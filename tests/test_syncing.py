"""Putting open recordings to disk, and naming them once there is something in them."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from appliance.syncing import Open, sync
from drivers import ext4, fmp4
from tests.fakes.loop_disk import LoopDisk
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


def test_several_files_of_a_disk_are_put_to_it_at_once_unless_others_are_busy_there(tmp_path: Path) -> None:
    try:
        disk = LoopDisk(tmp_path / "disk", tmp_path / "mnt", 120)
    except OSError as cannot:
        pytest.skip(f"no loop disks without the right to mount: {cannot}")
    with disk:
        files = [Open(disk.folder / f"run-{number:06d}.mp4", media_s=5.0) for number in range(2)]
        for file in files:
            file.path.write_bytes(os.urandom(100_000))
            assert file.ready() == 4.0
        assert files[0].put_whole()
        there = disk.image.read_bytes()
        assert all(file.path.read_bytes()[:4096] in there for file in files)
        (disk.folder / "else.bin").write_bytes(bytes(ext4.MUCH_BYTES + 4_000_000))
        assert not files[0].put_whole()
        sync(files)  # each alone then
        assert [(file.safe_s, file.fault) for file in files] == [(4.0, ""), (4.0, "")]
        disk.break_()
        assert not files[0].put_whole()
        sync(files)
        assert [bool(file.fault) for file in files] == [True, True]
        for file in files:
            file.close()


def test_other_file_systems_than_ext4_are_not_put_to_disk_whole() -> None:
    with tempfile.TemporaryFile(dir="/dev/shm") as file:
        assert not ext4.put_whole(file.fileno())
