"""Facts about the box: the kernel's clock and real folders."""

from __future__ import annotations

from pathlib import Path

import pytest

from drivers import host
from drivers.types import DriverError

# chronyc -c tracking: id, name, stratum, reference time, system time offset, ..., leap status (chronyc(1), "tracking")
TRACKING = "C0A80701,192.168.7.1,3,1795413600.123,{offset},0.000012,0.000034,-7.1,0.01,0.2,0.011,0.002,64.5,{leap}\n"


def test_the_kernel_says_whether_its_clock_is_kept() -> None:
    found = host.clock()
    assert found.synchronised in (True, False, None)
    assert found.source == ("kernel" if found.offset_s is None else "chrony")


@pytest.mark.parametrize(("said", "offset_s"), [("0.25", -0.25), ("-0.25", 0.25), ("0.000000001", -0.000000001)])
def test_chrony_counts_a_slow_clock_as_positive_and_we_do_not(said: str, offset_s: float) -> None:
    assert host.read_tracking(TRACKING.format(offset=said, leap="Normal")) == offset_s


@pytest.mark.parametrize(
    "line", ["", "506 Cannot talk to daemon\n", TRACKING.format(offset="0.0", leap="Not synchronised"),
             TRACKING.format(offset="what", leap="Normal")]
)  # fmt: skip
def test_a_chrony_that_knows_nothing_gives_no_figure(line: str) -> None:
    assert host.read_tracking(line) is None


def test_a_folder_is_really_written_to(tmp_path: Path) -> None:
    found = host.disk(tmp_path)
    assert found.fault is None
    assert 0 < found.free_bytes <= found.total_bytes
    assert list(tmp_path.iterdir()) == [], "the trial file is gone"


def test_a_folder_nobody_can_write_to_has_its_fault() -> None:
    assert host.disk(Path("/proc")).fault  # /proc takes no files, not even root's


def test_a_missing_disk_is_said(tmp_path: Path) -> None:
    with pytest.raises(DriverError, match="cannot be looked at"):
        host.disk(tmp_path / "not-mounted")
