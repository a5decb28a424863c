"""Putting all of an ext4 to disk with one call, where that promises as much as a call for each file (decision 010).

For many small files that grow it is far cheaper: one commit of the file system's log instead of one each. But it waits
for what others wrote there too, and it hides two faults that a file's own fdatasync tells; both are looked for here.
"""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

DEVICES, FACTS = Path("/sys/dev/block"), "/sys/fs/ext4"
LIBC = ctypes.CDLL(None, use_errno=True)
MUCH_BYTES = 32_000_000  # more than this waits to be written: others are busy there. 40 cameras write 10 MB a second


def put_whole(handle: int) -> bool:
    """Put the file system of this open file to disk. False: not done, or not surely; each file is to be synced alone.

    Others than ext4 are left alone: FAT, for one, does not empty the disk's own cache in syncfs(2).
    """
    device = os.fstat(handle).st_dev
    try:
        name = (DEVICES / f"{os.major(device)}:{os.minor(device)}").readlink().name
        if _fact(name, "delayed_allocation_blocks") * os.fstatvfs(handle).f_bsize > MUCH_BYTES:
            return False
        # What cannot be given a place on disk is thrown away and only counted here: syncfs says nothing of it.
        errors = _fact(name, "errors_count")
        _syncfs(handle)  # of a failed write anywhere: whose it was, each file's own fdatasync says
        return _fact(name, "errors_count") == errors
    except OSError:
        return False


def _fact(device: str, which: str) -> int:
    """Read the plain way: this is done every second, for as long as anything is recorded."""
    handle = os.open(f"{FACTS}/{device}/{which}", os.O_RDONLY | os.O_CLOEXEC)
    try:
        return int(os.read(handle, 32))
    finally:
        os.close(handle)


def _syncfs(handle: int) -> None:
    if LIBC.syncfs(handle) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
