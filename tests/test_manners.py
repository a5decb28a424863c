"""The repository's manners: clean to ruff and mypy, nothing heavy, third-party files listed, nothing inline."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
STATIC = ROOT / "web/static"
FILE_LIMIT_BYTES = 1_000_000
# what a strict Content-Security-Policy refuses, so that it never works by accident on a laxer page
INLINE = {
    "a script without src": re.compile(r"<script(?![^>]*\bsrc=)", re.IGNORECASE),
    "a style element": re.compile(r"<style\b", re.IGNORECASE),
    "a style attribute": re.compile(r"<[a-z][^>]*\sstyle\s*=", re.IGNORECASE),
    "an event attribute": re.compile(r"<[a-z][^>]*\son[a-z]+\s*=", re.IGNORECASE),
    "a javascript: address": re.compile(r"[\"']\s*javascript:", re.IGNORECASE),
    "an address outside": re.compile(r"(?:src|srcset|action|<link[^>]*href)\s*=\s*[\"']?(?:https?:)?//", re.IGNORECASE),
}


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=110, check=False)


def tracked() -> list[Path]:
    """Files git keeps. Root may run the tests in somebody's checkout, which git would call dubious."""
    listed = run("git", "-c", "safe.directory=*", "ls-files", "-z")
    assert listed.returncode == 0, listed.stderr
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def inline_faults(text: str) -> list[str]:
    return [fault for fault, shape in INLINE.items() if shape.search(text)]


def vendored() -> list[dict[str, Any]]:
    said = tomllib.loads((STATIC / "VENDOR.toml").read_text(encoding="utf-8"))
    return list(said["file"])


def test_ruff_finds_nothing() -> None:
    found = run(sys.executable, "-m", "ruff", "check", "--no-cache", ".")
    assert found.returncode == 0, found.stdout


def test_mypy_finds_nothing() -> None:
    found = run(sys.executable, "-m", "mypy")  # pyproject.toml says strict, and of what
    assert found.returncode == 0, found.stdout + found.stderr


def test_no_file_in_git_is_heavy() -> None:
    assert {str(p.relative_to(ROOT)): p.stat().st_size for p in tracked() if p.stat().st_size > FILE_LIMIT_BYTES} == {}


def test_no_machine_path_or_registry_address_is_in_git() -> None:
    """What only one developer's machine knows: its folders and where its packages come from."""
    shape = re.compile(
        r"--(?:extra-)?index-url\s+\S|--find-links\s+\S|/home/(?!newcomer\b)\w+/|/work/(?:main|venv|shared)"
    )
    pictures = {".png", ".woff2", ".ttf", ".mp4"}
    told = [p for p in tracked() if p != Path(__file__).resolve() and p.suffix not in pictures]
    assert [str(p.relative_to(ROOT)) for p in told if shape.search(p.read_text(encoding="utf-8"))] == []


def test_every_third_party_file_is_listed_as_it_is() -> None:
    listed = {entry["file"]: entry for entry in vendored()}
    present = {str(p.relative_to(STATIC)): p for p in (STATIC / "vendor").rglob("*") if p.is_file()}
    licences = {name for name in present if name.endswith((".LICENSE.txt", "/LICENSE"))}
    assert listed.keys() - licences == present.keys() - licences
    for name, entry in listed.items():
        assert {"name", "version", "licence", "sha256", "bytes"} <= entry.keys(), name
        content = present[name].read_bytes()
        assert (entry["sha256"], entry["bytes"]) == (hashlib.sha256(content).hexdigest(), len(content)), name


def test_every_third_party_licence_is_with_its_files() -> None:
    texts = " ".join(p.name.lower() for p in (STATIC / "vendor").rglob("*LICENSE*"))
    assert [entry["name"] for entry in vendored() if entry["name"].lower().rsplit("/", 1)[-1] not in texts] == []


@pytest.mark.parametrize("page", sorted((ROOT / "web/templates").rglob("*.*")), ids=lambda p: p.name)
def test_a_page_has_nothing_inline_and_nothing_from_outside(page: Path) -> None:
    assert inline_faults(page.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("<script>alert(1)</script>", "a script without src"),
        ("<style>p {}</style>", "a style element"),
        ('<p class="x"\n style="color: red">', "a style attribute"),
        ("<button type=button onclick='go()'>", "an event attribute"),
        ('<a href="javascript:go()">', "a javascript: address"),
        ('<link rel=stylesheet href="//cdn.example/x.css">', "an address outside"),
        ('<img src="https://cdn.example/x.png">', "an address outside"),
    ],
)
def test_what_is_inline_is_seen(text: str, fault: str) -> None:
    assert inline_faults(text) == [fault]


def test_what_is_lawful_on_a_page_passes() -> None:
    page = '<script src="/static/live.js" defer></script><a href="https://example.org" data-style="x">only one=1</a>'
    assert inline_faults(page) == []
