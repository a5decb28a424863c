"""The units in systemd/: one for each service, hardened, and sound in the eyes of systemd's own tools."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from appliance.health import SERVICES

UNITS = Path(__file__).resolve().parent.parent / "systemd"
NAMES = ["init", *SERVICES]
EXPOSURE_LIMIT = 15  # systemd-analyze's exposure times ten; a bare unit has 92, ours stand between 5 and 10

HARDENING = {
    "NoNewPrivileges": "yes",
    "CapabilityBoundingSet": "",
    "ProtectSystem": "strict",
    "ProtectHome": "yes",
    "PrivateTmp": "yes",
    "DevicePolicy": "closed",
    "ProtectClock": "yes",
    "ProtectHostname": "yes",
    "ProtectKernelTunables": "yes",
    "ProtectKernelModules": "yes",
    "ProtectKernelLogs": "yes",
    "ProtectControlGroups": "yes",
    "ProtectProc": "invisible",
    "RestrictNamespaces": "yes",
    "RestrictRealtime": "yes",
    "RestrictSUIDSGID": "yes",
    "LockPersonality": "yes",
    "MemoryDenyWriteExecute": "yes",
    "RemoveIPC": "yes",
    "SystemCallArchitectures": "native",
    "IPAddressDeny": "any",
    "User": "examsite",
    "StateDirectory": "examsite",
}


def directives(path: Path) -> dict[str, list[str]]:
    """Every key of a unit file with all its values, in order."""
    found: dict[str, list[str]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        key, equals, value = line.partition("=")
        if equals and not line.startswith(("#", ";")):
            found.setdefault(key.strip(), []).append(value.strip())
    return found


def unit(name: str) -> dict[str, list[str]]:
    return directives(UNITS / f"examsite-{name}.service")


@pytest.fixture(scope="module")
def house() -> dict[str, list[str]]:
    return directives(UNITS / "examsite-.service.d/house.conf")


def test_every_service_has_a_unit_and_no_unit_stands_alone() -> None:
    assert {path.name for path in UNITS.glob("*.service")} == {f"examsite-{name}.service" for name in NAMES}


def test_the_target_starts_them_all() -> None:
    wanted = " ".join(directives(UNITS / "examsite.target")["Wants"]).split()
    assert sorted(wanted) == sorted(f"examsite-{name}.service" for name in NAMES)


def test_every_file_is_one_systemd_can_read() -> None:
    for path in [*UNITS.glob("*.service"), *UNITS.glob("*.target"), *UNITS.glob("*/*.conf")]:
        parser = configparser.ConfigParser(strict=False, interpolation=None, delimiters=("=",))
        parser.read(path, encoding="utf-8")
        assert set(parser.sections()) <= {"Unit", "Service", "Install"}, path.name


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_says_when_it_is_ready_and_comes_back(service: str) -> None:
    said = unit(service)
    assert said["ExecStart"] == [f"/opt/examsite/.venv/bin/examsite run {service}"]
    assert (said["Type"], said["Restart"], said["WatchdogSec"]) == (["notify"], ["always"], ["30"])
    assert said["StartLimitIntervalSec"] == ["0"]  # never given up on
    assert said["Requires"] == ["examsite-init.service"]
    assert "examsite-init.service" in said["After"][0].split()


def test_init_runs_once_before_all_services() -> None:
    said = unit("init")
    assert (said["Type"], said["RemainAfterExit"]) == (["oneshot"], ["yes"])
    assert said["ExecStart"] == ["/opt/examsite/.venv/bin/examsite init"]


def test_the_shared_hardening_is_there(house: dict[str, list[str]]) -> None:
    assert {key: house.get(key) for key in HARDENING} == {key: [value] for key, value in HARDENING.items()}


def test_lists_that_would_add_up_stay_out_of_the_shared_file(house: dict[str, list[str]]) -> None:
    """A drop-in is read after the unit, and systemd joins lists: an address allowed here would be allowed to all."""
    assert not {"IPAddressAllow", "RestrictAddressFamilies", "DeviceAllow", "ReadWritePaths"} & house.keys()


@pytest.mark.parametrize("name", NAMES)
def test_each_unit_says_what_it_may_reach(name: str) -> None:
    said = unit(name)
    families = said["RestrictAddressFamilies"][0].split()
    if name in ("init", "archivist"):
        assert (said["PrivateNetwork"], families) == (["yes"], ["AF_UNIX"])
        assert "IPAddressAllow" not in said
    else:
        assert families == ["AF_UNIX", "AF_INET", "AF_INET6"]
    if name != "watch":
        assert said["PrivateDevices"] == ["yes"]


def test_the_keeper_alone_may_call_cameras_it_does_not_know() -> None:
    calling = [name for name in NAMES if "multicast" in " ".join(unit(name).get("IPAddressAllow", []))]
    assert calling == ["keeper"]


def test_the_pages_reach_neither_device_nor_camera_password_nor_network() -> None:
    said = unit("web")
    assert said["IPAddressAllow"] == ["localhost"]
    keys = "-/var/lib/examsite/keys/journal.key -/var/lib/examsite/keys/sealed.key"
    assert said["InaccessiblePaths"] == ["-/etc/examsite/cameras", keys]
    assert "ReadWritePaths" not in said


def test_only_watch_sees_serial_lines() -> None:
    assert [name for name in NAMES if "DeviceAllow" in unit(name)] == ["watch"]
    assert unit("watch")["SupplementaryGroups"] == ["dialout"]


def test_recording_comes_before_alarms_before_checks_before_pages() -> None:
    ranking = [int(unit(name)["OOMScoreAdjust"][0]) for name in ("recorder", "watch", "keeper", "web", "archivist")]
    assert ranking == sorted(ranking)
    assert len(set(ranking)) == len(ranking)


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root folder with systemd's own units and ours, and a command that can be started."""
    root = tmp_path_factory.mktemp("root")
    shutil.copytree("/usr/lib/systemd/system", root / "usr/lib/systemd/system", symlinks=True)
    shutil.copytree(UNITS, root / "etc/systemd/system")
    for path in ("opt/examsite/.venv/bin/examsite", "sbin/init"):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text("#!/bin/sh\n")
        (root / path).chmod(0o755)
    return root


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("name", NAMES)
def test_systemd_finds_each_unit_well_closed(system: Path, name: str) -> None:
    judged = analyze(
        f"--root={system}", "security", "--offline=yes", f"--threshold={EXPOSURE_LIMIT}", f"examsite-{name}.service"
    )
    assert re.search(r"exposure level .*: \d", judged.stdout), judged.stderr
    assert judged.returncode == 0, judged.stdout[-400:]


def test_systemd_knows_every_directive(system: Path) -> None:
    judged = analyze(f"--root={system}", "--man=no", "verify", "examsite.target")
    ours = [line for line in judged.stderr.splitlines() if "examsite" in line]
    assert ours == []
