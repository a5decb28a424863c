"""A virtual machine with a kernel of its own, for trials that need a power cut: QEMU without KVM, a Debian kernel.

The guest runs the host's own files, read-only over 9p: the same Python, ffmpeg and checkout. Its only disk is an ext4
image with `cache=none`. Killing QEMU takes the guest's page cache with it, as a power cut does; what the guest had
already given to the disk stays, as on a disk without a cache of its own.

Needs `apt install qemu-system-x86 busybox-static` and an unpacked kernel: `apt-get download linux-image-6.1.0-56-amd64`
(the newest of `apt-cache depends linux-image-amd64`) and `dpkg -x linux-image-*.deb FOLDER`; it is not installed.
"""

from __future__ import annotations

import gzip
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType

ROOT = Path(__file__).resolve().parent.parent
# ext4 asks for crc32c by name only: no `depends=` says it.
MODULES = ("virtio_pci", "virtio_blk", "virtio_net", "9pnet_virtio", "9p", "crc32c_generic", "ext4")
NEEDED = ("qemu-system-x86_64", "busybox", "mke2fs", "debugfs")
HOST = "10.0.2.2"  # the host's loopback, seen from inside
INIT = """#!/bin/busybox sh
B=/bin/busybox
$B mount -t proc p /proc; $B mount -t sysfs s /sys; $B mount -t devtmpfs d /dev
while read name; do $B insmod /modules/$name; done < /modules/order
$B mount -t 9p -o trans=virtio,version=9p2000.L,ro,cache=loose,msize=262144 host /new
$B mount -t tmpfs t /new/run
$B mount -t proc p /new/proc; $B mount -t sysfs s /new/sys; $B mount --move /dev /new/dev
$B mkdir -p /new/dev/shm; $B mount -t tmpfs t /new/dev/shm
$B ip link set lo up; $B ip link set eth0 up
$B ip addr add 10.0.2.15/24 dev eth0; $B ip route add default via 10.0.2.2
$B mount -t ext4 /new/dev/vda /new/mnt
export PATH=/usr/bin:/bin:/usr/sbin:/sbin TMPDIR=/dev/shm HOME=/dev/shm LC_ALL=C.UTF-8 PYTHONDONTWRITEBYTECODE=1
exec $B switch_root /new /bin/sh -c 'cd @ROOT@ && exec @PYTHON@ -u -m @PROGRAM@'
"""


def missing(kernel: Path) -> str:
    """What is not there and how to get it; empty when a guest can be started."""
    absent = [name for name in NEEDED if shutil.which(name) is None]
    if absent:
        return f"{', '.join(absent)} not found: apt install qemu-system-x86 busybox-static e2fsprogs"
    if not any(kernel.glob("boot/vmlinuz-*")):
        return f"no kernel in {kernel}: apt-get download linux-image-6.1.0-56-amd64; dpkg -x linux-image-*.deb {kernel}"
    return ""


def initramfs(kernel: Path, program: str) -> bytes:
    """The first file system of the guest: busybox, the modules, and an init that ends in `python -m program`."""
    init = INIT.replace("@ROOT@", str(ROOT)).replace("@PYTHON@", sys.executable).replace("@PROGRAM@", program)
    busybox = Path(shutil.which("busybox") or "busybox").read_bytes()
    known = {path.stem.replace("-", "_"): path for path in kernel.glob("lib/modules/*/kernel/**/*.ko")}
    modules = list(dict.fromkeys(name for wanted in MODULES for name in _with_needed(wanted, known)))
    files: dict[str, bytes] = {"init": init.encode(), "bin/busybox": busybox}
    files |= {f"modules/{name}.ko": known[name].read_bytes() for name in modules}
    files["modules/order"] = "".join(f"{name}.ko\n" for name in modules).encode()
    return gzip.compress(_cpio(files, ("bin", "modules", "proc", "sys", "dev", "new")), 1)


def _with_needed(name: str, known: Mapping[str, Path]) -> Iterator[str]:
    """A module after those it needs, as its own `depends=` names them."""
    found = re.search(rb"\0depends=([^\0]*)\0", known[name].read_bytes())
    for needed in (found[1].decode() if found else "").split(","):
        if needed:
            yield from _with_needed(needed.replace("-", "_"), known)
    yield name


def _cpio(files: Mapping[str, bytes], folders: tuple[str, ...]) -> bytes:
    """An archive in the "newc" format that the kernel unpacks (Documentation/driver-api/early-userspace)."""
    made = bytearray()
    entries = [(name, 0o40755, b"") for name in folders] + [(name, 0o100755, data) for name, data in files.items()]
    for number, (name, mode, data) in enumerate([*entries, ("TRAILER!!!", 0, b"")]):
        numbers = (number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
        made += b"070701" + b"".join(b"%08X" % each for each in numbers) + name.encode() + b"\0"
        made += bytes(-len(made) % 4) + data
        made += bytes(-len(made) % 4)
    return bytes(made)


def make_disk(image: Path, folder: Path, size_mb: int) -> None:
    """An ext4 disk that holds a copy of the folder. As Debian makes one: data=ordered, delayed allocation, journal."""
    with image.open("wb") as file:
        file.truncate(size_mb << 20)
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-d", str(folder), str(image)], check=True)


def read_disk(image: Path, to: Path) -> None:
    """Copy all that is on a disk that was unmounted, without mounting it."""
    to.mkdir(parents=True)
    subprocess.run(["debugfs", "-R", f"rdump / {to}", str(image)], check=True, capture_output=True)


class Guest:
    """One boot. `lines` are what the guest's program says on the console; everything goes into the log as well."""

    def __init__(self, kernel: Path, initrd: Path, image: Path, log: Path, words: str = "") -> None:
        argv = ["qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", "1024"]
        argv += ["-nodefaults", "-no-reboot", "-display", "none", "-serial", "stdio", "-rtc", "base=utc,clock=host"]
        argv += ["-kernel", str(next(kernel.glob("boot/vmlinuz-*"))), "-initrd", str(initrd)]
        argv += ["-append", f"console=ttyS0 quiet loglevel=1 panic=-1 {words}"]
        argv += ["-drive", f"file={image},if=virtio,format=raw,cache=none"]
        argv += ["-virtfs", "local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap"]
        argv += ["-netdev", "user,id=n", "-device", "virtio-net-pci,netdev=n", "-device", "virtio-rng-pci"]
        self._log = log.open("ab")
        self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self._log)
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self._log.write(line)
            self._log.flush()
            self.lines.append(line.decode("utf-8", "replace").strip())

    def cut(self) -> None:
        """The power is gone."""
        self.process.kill()
        self._end()

    def wait(self, seconds: float) -> None:
        """Until it has switched itself off."""
        self.process.wait(seconds)
        self._end()

    def _end(self) -> None:
        self.process.wait()
        self._reader.join()
        self._log.close()

    def __enter__(self) -> Guest:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.cut()
