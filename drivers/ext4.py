"""Putting all of an ext4 to disk with one call, where that promises as much as a call for each file (decision 010).

For many small files that grow it is far cheaper: one commit of the file system's log instead of one each. But it waits
for what others wrote there too, and it hides two faults that a file's own fdatasync tells; both are looked for here.
"""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

DEVICES, FACTS = Path("/sys/dev/block"), Path("/sys/fs/ext4")
MUCH_BYTES = 32_000_000  # more than this waits to be written: others are busy there. 40 cameras write 10 MB a second


def put_whole(handle: int) -> bool:
    """Put the file system of this open file to disk. False: not done, or not surely; each file is to be synced alone.

    Others than ext4 are left alone: FAT, for one, does not empty the disk's own cache in syncfs(2).
    """
    device = os.fstat(handle).st_dev
    facts = FACTS / (DEVICES / f"{os.major(device)}:{os.minor(device)}").resolve().name
    try:
        if int((facts / "delayed_allocation_blocks").read_text()) * os.fstatvfs(handle).f_bsize > MUCH_BYTES:
            return False
        # What cannot be given a place on disk is thrown away and only counted here: syncfs says nothing of it.
        errors = (facts / "errors_count").read_text()
        _syncfs(handle)  # of a failed write anywhere: whose it was, each file's own fdatasync says
        return (facts / "errors_count").read_text() == errors
    except OSError:
        return False


def _syncfs(handle: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syncfs(handle) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
