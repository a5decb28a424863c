"""install.sh and the lock files: what a newcomer meets before any of our Python runs (docs/install.md)."""

from __future__ import annotations

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Set as AbstractSet
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
INSTALL = ROOT / "install.sh"
LOCKS = ("requirements-build.lock", "requirements.lock", "requirements-test.lock")


def start(*arguments: str, script: Path = INSTALL, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(script), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, **environment},
    )


def locked(name: str) -> dict[Requirement, list[str]]:
    """Each requirement of a lock file with its hashes."""
    found: dict[Requirement, list[str]] = {}
    for block in re.split(r"\n(?=[a-z0-9])", (ROOT / name).read_text(encoding="utf-8")):
        if not block.startswith("#"):
            said = re.match(r"[^\\#\n]+", block)
            assert said, block
            found[Requirement(said[0].strip())] = re.findall(r"--hash=sha256:([0-9a-f]{64})", block)
    return found


def for_python(name: str, version: str) -> dict[str, str]:
    """Package -> pinned version as one Python of Debian on Linux sees the lock."""
    here: dict[str, str | AbstractSet[str]] = {
        "python_version": version,
        "python_full_version": f"{version}.0",
        "sys_platform": "linux",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
    }
    return {
        canonicalize_name(one.name): str(one.specifier).removeprefix("==")
        for one in locked(name)
        if one.marker is None or one.marker.evaluate(here)
    }


def packages_of(array: str) -> list[str]:
    said = re.search(rf"^{array}=\(([^)]*)\)", INSTALL.read_text(encoding="utf-8"), re.MULTILINE)
    assert said, array
    return said[1].split()


@pytest.mark.parametrize("script", [INSTALL, ROOT / ".ci/run", ROOT / "tests/bare_debian.sh"], ids=lambda p: p.name)
def test_shellcheck_finds_nothing(script: Path) -> None:
    found = subprocess.run(["shellcheck", str(script)], capture_output=True, text=True, timeout=60, check=False)
    assert found.returncode == 0, found.stdout
    assert os.access(script, os.X_OK)


def test_help_says_both_commands_with_an_example() -> None:
    said = start("--help")
    assert (said.returncode, said.stderr) == (0, "")
    assert "./install.sh --demo" in said.stdout
    assert "./install.sh --test" in said.stdout
    assert "Example:" in said.stdout


@pytest.mark.parametrize("arguments", [(), ("--dmeo",)])
def test_a_start_that_means_nothing_explains_itself(arguments: tuple[str, ...]) -> None:
    said = start(*arguments)
    assert said.returncode == 2
    assert "Usage:" in said.stderr


def test_root_without_options_learns_that_the_real_installation_comes_later(tmp_path: Path) -> None:
    asked = shutil.copy(INSTALL, tmp_path / "install.sh")
    as_root = Path(asked).read_text(encoding="utf-8").replace("((EUID == 0))", "((0 == 0))")
    Path(asked).write_text(as_root, encoding="utf-8")
    said = start(script=Path(asked))
    assert said.returncode == 2
    assert "comes with a later release" in said.stderr.splitlines()[0]


def copy_of_the_checkout(folder: Path) -> Path:
    """install.sh with what it reads, where it can be started without touching this checkout."""
    folder.mkdir(parents=True)
    for name in ("install.sh", "pyproject.toml", *LOCKS):
        shutil.copy(ROOT / name, folder / name)
    return folder / "install.sh"


def test_a_finished_installation_starts_at_once_from_any_folder_and_with_spaces(tmp_path: Path) -> None:
    """The environment is not touched again: a program that only prints stands where examsite would."""
    script = copy_of_the_checkout(tmp_path / "an exam site")
    program = script.parent / ".venv/bin/examsite"
    program.parent.mkdir(parents=True)
    program.write_text('#!/bin/sh\nprintf "%s\\n" "$PWD" "$@"\n')
    program.chmod(0o755)
    wanted = subprocess.run(
        ["bash", "-c", '. "$1"; fingerprint requirements.lock', "bash", str(script)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout
    (script.parent / ".venv/examsite.stamp").write_text(wanted)
    said = subprocess.run(
        [str(script), "--demo", "--data", "a b"], capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path
    )
    assert (said.returncode, said.stderr) == (0, "")
    assert said.stdout.splitlines() == [str(tmp_path), "demo", "--data", "a b"]


def test_another_lock_makes_another_environment(tmp_path: Path) -> None:
    script = copy_of_the_checkout(tmp_path / "site")
    (script.parent / ".venv").mkdir()
    (script.parent / ".venv/examsite.stamp").write_text("0" * 64 + "\n")
    (script.parent / ".venv/left-over").touch()
    said = start("--demo", script=script, PIP_INDEX_URL="http://127.0.0.1:9/simple", PIP_RETRIES="0", PIP_NO_INDEX="1")
    assert said.returncode == 1
    assert "could not be installed; the lines above say why" in said.stderr
    assert not (script.parent / ".venv/left-over").exists()
    assert not (script.parent / ".venv/examsite.stamp").exists()  # cut off: the next start begins anew


def test_every_locked_package_has_hashes_and_no_lock_names_a_place() -> None:
    for name in LOCKS:
        assert [str(one) for one, hashes in locked(name).items() if not hashes] == []
        assert not re.search(
            r"https?://|file:|^-|/opt/|/work/", (ROOT / name).read_text(encoding="utf-8"), re.MULTILINE
        )


def test_a_compiled_package_is_locked_for_more_than_this_machine() -> None:
    """A lock has hashes without names; a package bound to a machine, locked for one alone, has a wheel and its source.

    CONTRIBUTING.md has the command that fetches every arm64 wheel for a release.
    """
    hashes = {canonicalize_name(one.name): found for one, found in locked("requirements-test.lock").items()}
    bound = {
        canonicalize_name(one.name)
        for one in importlib.metadata.distributions()
        if re.search(r"^Tag: .*linux", one.read_text("WHEEL") or "", re.MULTILINE)
    } & hashes.keys()
    assert {"numpy", "opencv-python-headless", "argon2-cffi-bindings"} <= bound
    assert {name for name in bound if len(hashes[name]) < 4} == set()


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13"])
def test_the_locks_satisfy_the_project(version: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    runtime = project["project"]["dependencies"]
    test = [*runtime, *project["project"]["optional-dependencies"]["test"]]
    build = [*project["dependency-groups"]["build"], *project["build-system"]["requires"]]
    for name, wanted in zip(LOCKS, (build, runtime, test), strict=True):
        pins = for_python(name, version)
        asked = [Requirement(text) for text in wanted]
        missing = [str(one) for one in asked if not one.specifier.contains(pins.get(canonicalize_name(one.name), "0"))]
        assert missing == [], name


@pytest.mark.parametrize("version", ["3.11", "3.13"])
def test_what_is_in_two_locks_has_one_version(version: str) -> None:
    build, runtime, test = (for_python(name, version) for name in LOCKS)
    assert runtime.items() <= test.items()
    assert {name for name in build.keys() & test.keys() if build[name] != test[name]} == set()


def test_this_environment_is_whole() -> None:
    found = subprocess.run(
        [sys.executable, "-m", "pip", "check"], capture_output=True, text=True, timeout=60, check=False
    )
    assert found.returncode == 0, found.stdout


def test_every_debian_package_is_explained_and_none_is_explained_in_vain() -> None:
    listed = {p for array in ("base_packages", "demo_packages", "test_packages") for p in packages_of(array)}
    page = (ROOT / "docs/install.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `([a-z0-9.+-]+)` \|", page, re.MULTILINE)) == listed


def test_ci_runs_the_readmes_test_command_and_nothing_clever() -> None:
    assert (ROOT / ".ci/run").read_text(encoding="utf-8").splitlines()[1:] == [
        'exec "$(dirname "$0")/../install.sh" --test'
    ]
