"""Small files of the box's own: whole, readable by nobody else, made once however many make them."""

from __future__ import annotations

import errno
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from appliance import durable


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_file_is_its_owners_alone_and_so_is_the_folder_made_for_it(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "journal.key"
    durable.write(path, b"first")
    durable.write(path, b"second")
    assert (path.read_bytes(), mode(path), mode(path.parent)) == (b"second", 0o600, 0o700)
    durable.write(path, b"to be read by others", 0o644)
    assert mode(path) == 0o644
    assert [each.name for each in path.parent.iterdir()] == ["journal.key"]


def test_what_an_interrupted_call_left_is_in_nobodys_way(tmp_path: Path) -> None:
    path = tmp_path / "journal.key"
    left = tmp_path / "journal.key.part"
    left.write_bytes(b"half of a longer key than the next")
    left.chmod(0o644)
    durable.write(path, b"key")
    assert (path.read_bytes(), mode(path), left.exists()) == (b"key", 0o600, False)


def test_a_full_disk_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "journal.key"
    durable.write(path, b"old")

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        durable.write(path, b"new")
    assert path.read_bytes() == b"old"


def test_all_who_make_it_at_once_get_the_same(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "badge.key"
    with ThreadPoolExecutor(16) as many:
        got = set(many.map(lambda _: durable.made_once(path, lambda: os.urandom(32)), range(16)))
    assert got == {path.read_bytes()}
    assert (mode(path), [each.name for each in path.parent.iterdir()]) == (0o600, ["badge.key"])
    assert durable.made_once(path, lambda: b"another") in got
