"""A disk of our own: an ext4 image on a loop device, that can be filled, pulled and broken. Needs root."""

from __future__ import annotations

import fcntl
import os
import struct
import subprocess
from pathlib import Path

EXT4_IOC_SHUTDOWN = 0x8004587D  # fs/ext4/ext4.h: from then on every write is "Input/output error"
NO_LOG_FLUSH = 2


class LoopDisk:
    """Mounted at `folder` from the start. Raises OSError saying why where that is not possible.

    `make` False: the image is there already. As a context it is unmounted in the end.
    """

    def __init__(self, image: Path, folder: Path, size_mb: int = 100, *, make: bool = True) -> None:
        self.image, self.folder = image, folder
        folder.mkdir(parents=True, exist_ok=True)
        if make:
            with image.open("wb") as file:
                file.truncate(size_mb << 20)
            _run("mkfs.ext4", "-q", "-F", "-m", "0", str(image))
        self.mount()

    def mount(self) -> None:
        _run("mount", "-o", "loop", str(self.image), str(self.folder))

    def __enter__(self) -> LoopDisk:
        return self

    def __exit__(self, *_details: object) -> None:
        while self.folder.is_mount():
            self.pull()

    def pull(self) -> None:
        """Gone from its mount point at once, whoever has files open on it."""
        _run("umount", "-l", str(self.folder))

    def fill(self, leave_bytes: int) -> None:
        """Something else takes the space."""
        room = os.statvfs(self.folder)
        with (self.folder / "filler").open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, room.f_bavail * room.f_frsize - leave_bytes)

    def empty(self) -> None:
        (self.folder / "filler").unlink()

    def break_(self) -> None:
        """Every write fails from now on, as on a disk that dropped off its bus; mounting it again heals it."""
        handle = os.open(self.folder, os.O_RDONLY)
        fcntl.ioctl(handle, EXT4_IOC_SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
        os.close(handle)


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise OSError(f"{' '.join(command[:1])}: {done.stderr.strip()}")
