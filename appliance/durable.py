"""Small files of the box's own: whole or not there, readable by nobody else, on disk when the call returns."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

PRIVATE = 0o600


def write(path: Path, content: bytes, mode: int = PRIVATE) -> None:
    """Put `content` in the place of what was at `path`; its folder is made, for its owner alone. Raises OSError."""
    part = path.with_name(f"{path.name}.part")
    _make_folder(path)
    part.unlink(missing_ok=True)  # a call that was interrupted left it; nobody has used it
    _write_new(part, content, mode)
    part.rename(path)
    sync(path.parent)


def made_once(path: Path, make: Callable[[], bytes]) -> bytes:
    """What lies at `path`; `make` makes it when there is nothing. Of two who make it at once both get the winner's."""
    if not path.exists():
        _make_folder(path)
        made = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        _write_new(made, make(), PRIVATE)
        try:
            with suppress(FileExistsError):
                os.link(made, path)
        finally:
            made.unlink()
        sync(path.parent)
    return path.read_bytes()


def sync(target: Path) -> None:
    """fsync a file or a folder."""
    handle = os.open(target, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _make_folder(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)


def _write_new(path: Path, content: bytes, mode: int) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
