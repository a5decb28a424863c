"""A medium recordings leave on: what it is, copies that are really on it, reading back from it and not from memory.

Sticks are pulled, lie about their size, are write-protected: every failure says which side failed. The `source` is the
archive's, everything else is the medium's. Nothing here repeats or decides; that is the caller's.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import shutil
import stat
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from drivers.types import DriverError

CHUNK_BYTES = 1 << 20
FAT_FILE_LIMIT_BYTES = (1 << 32) - 1  # 4 GiB - 1; tried on the kernel's vfat: one byte more is "File too large"
FAT = ("vfat", "msdos", "fuseblk.fat", "fusefat")
MOUNTS = Path("/proc/self/mounts")
BY_ID = Path("/dev/disk/by-id")
BLOCKS = Path("/sys/class/block")

Tell = Callable[[int], None]  # called with the bytes of each piece; may raise to stop


class MediumError(DriverError):
    """A file operation on the medium failed. `errno` says how; `path` is the file it happened to."""

    def __init__(self, cause: OSError, path: Path) -> None:
        super().__init__(f"{path}: {cause.strerror or cause}")
        self.errno = cause.errno or 0
        self.path = path


class SourceError(DriverError):
    """The archive's own file could not be read: not the medium's fault."""

    def __init__(self, cause: OSError, path: Path) -> None:
        super().__init__(f"{path}: {cause.strerror or cause}")
        self.path = path


@dataclass(frozen=True, slots=True)
class Facts:
    """What can be known of the medium a folder lies on. `id` is the stick's own name and serial, when it tells."""

    path: Path
    writable: bool
    mounted: bool  # a file system of its own begins at this folder, as with a stick
    filesystem: str
    size_bytes: int
    free_bytes: int
    id: str | None = None

    @property
    def file_limit_bytes(self) -> int | None:
        return FAT_FILE_LIMIT_BYTES if self.filesystem in FAT else None


def facts(folder: Path) -> Facts:
    """What `folder` lies on. Raises MediumError when it is not there."""
    try:
        folder = folder.resolve(strict=True)
        room = shutil.disk_usage(folder)
        read_only = bool(os.statvfs(folder).f_flag & os.ST_RDONLY)
    except OSError as cause:
        raise MediumError(cause, folder) from cause
    device, filesystem = _mount_of(folder)
    return Facts(
        path=folder,
        writable=not read_only and os.access(folder, os.W_OK | os.X_OK),
        mounted=folder.is_mount(),
        filesystem=filesystem,
        size_bytes=room.total,
        free_bytes=room.free,
        id=_device_id(device),
    )


def _mount_of(folder: Path) -> tuple[str, str]:
    """(device, file system) of the longest mount point above the folder; the last one mounted there wins."""
    best = ("", "unknown")
    longest = -1
    for line in MOUNTS.read_text(errors="surrogateescape").splitlines():
        device, point, filesystem, *_ = line.split(" ")
        mounted_at = Path(point.replace("\\040", " "))
        if folder.is_relative_to(mounted_at) and len(mounted_at.parts) >= longest:
            longest, best = len(mounted_at.parts), (device, filesystem)
    return best


def _device_id(device: str) -> str | None:
    """`usb-Kingston_DataTraveler_60A4...-0:0-part1` of a device, the name udev gives it; None without one."""
    if not device.startswith("/dev/") or not BY_ID.is_dir():
        return None
    real = Path(device).resolve()
    return next((link.name for link in sorted(BY_ID.iterdir()) if link.resolve() == real), None)


def sticks() -> list[Path]:
    """Where the file systems of USB sticks are mounted, whoever mounted them."""
    found = []
    for line in MOUNTS.read_text(errors="surrogateescape").splitlines():
        device, point, *_ = line.split(" ")
        block = BLOCKS / Path(device).name
        if device.startswith("/dev/") and block.exists() and any("usb" in part for part in block.resolve().parts):
            found.append(Path(point.replace("\\040", " ")))
    return sorted(set(found))


@contextmanager
def _on_medium(path: Path) -> Generator[None, None, None]:
    try:
        yield
    except OSError as cause:
        raise MediumError(cause, path) from cause


def copy_synced(source: Path, target: Path, tell: Tell) -> str:
    """Copy a file and sync it; returns the SHA-256 of what was read, hashed in the same pass.

    Raises SourceError when the archive's file cannot be read, MediumError when the medium will not take it.
    """
    try:
        reading = source.open("rb", buffering=0)
    except OSError as cause:
        raise SourceError(cause, source) from cause
    with reading, _on_medium(target), target.open("wb", buffering=0) as writing:
        return _pour(reading, writing, source, tell)


def _pour(reading: BinaryIO, writing: BinaryIO, source: Path, tell: Tell) -> str:
    digest = hashlib.sha256()
    while True:
        try:
            piece = reading.read(CHUNK_BYTES)
        except OSError as cause:
            raise SourceError(cause, source) from cause
        if not piece:
            break
        digest.update(piece)
        _write_all(writing, piece)
        tell(len(piece))
    os.fsync(writing.fileno())
    return digest.hexdigest()


def _write_all(writing: BinaryIO, data: bytes) -> None:
    rest = memoryview(data)
    while rest:  # an unbuffered write may take less than it was given
        rest = rest[writing.write(rest) :]


def write_synced(target: Path, data: bytes) -> None:
    """Write a small file whole and sync it."""
    with _on_medium(target), target.open("wb", buffering=0) as writing:
        _write_all(writing, data)
        os.fsync(writing.fileno())


def replace_synced(target: Path, data: bytes) -> None:
    """Put a small file in the place of an older one: a stick pulled in between holds the one or the other."""
    part = target.with_name(target.name + ".part")
    write_synced(part, data)
    with _on_medium(target):
        part.replace(target)
    sync_folder(target.parent)


def read_small(path: Path, most_bytes: int) -> bytes | None:
    """A file's content; None when there is none. Raises MediumError, also for one that is larger or no plain file."""
    with _on_medium(path):
        try:
            handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        except FileNotFoundError:
            return None
        with os.fdopen(handle, "rb") as reading:
            known = os.fstat(reading.fileno())
            if not stat.S_ISREG(known.st_mode) or known.st_size > most_bytes:
                raise OSError(errno.EFBIG, "too large, or no file")
            return reading.read(most_bytes + 1)


def read_back(path: Path, tell: Tell) -> str:
    """SHA-256 of a file as the medium holds it: the pages the kernel kept of it are dropped first.

    POSIX_FADV_DONTNEED drops clean pages only, so the file is synced before. A medium that answers from a cache of its
    own cannot be seen through; a stick that wraps round can, when everything is read after everything is written.
    """
    digest = hashlib.sha256()
    with _on_medium(path), path.open("rb", buffering=0) as reading:
        try:
            os.fsync(reading.fileno())
        except OSError as cause:
            if cause.errno not in (errno.EROFS, errno.EINVAL):  # what cannot be written has nothing left to sync
                raise
        os.posix_fadvise(reading.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        while piece := reading.read(CHUNK_BYTES):
            digest.update(piece)
            tell(len(piece))
    return digest.hexdigest()


def make_folder(path: Path) -> None:
    """Make a folder and those above it."""
    with _on_medium(path):
        path.mkdir(parents=True, exist_ok=True)


def sync_folder(path: Path) -> None:
    """Make the names in a folder durable."""
    with _on_medium(path):
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        except OSError as cause:
            if cause.errno != errno.EINVAL:  # exfat through FUSE cannot sync a folder and writes it through anyway
                raise
        finally:
            os.close(handle)


def rename_synced(source: Path, target: Path) -> None:
    """Give a finished folder its name, durably. Raises MediumError, also when the name is taken."""
    with _on_medium(target):
        if target.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
        source.rename(target)
    sync_folder(target.parent)


def remove_file(path: Path) -> None:
    """Take away a file that is not to stay on the medium; one that is gone already is fine."""
    with _on_medium(path):
        path.unlink(missing_ok=True)


@contextmanager
def one_at_a_time(lock: Path) -> Generator[bool, None, None]:
    """Whether this process is the only one inside; the kernel lets go of the lock however the process ends."""
    handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o660)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(handle)
