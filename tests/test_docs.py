"""The documentation is true: every command, configuration key, check, table and journal kind has its place in docs/."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import click
import pytest
import rfc8785
from pydantic import BaseModel

from appliance.__main__ import examsite
from appliance.config import _File
from appliance.kinds import KINDS
from appliance.profile import Profile, Words

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"


def headings(name: str) -> set[str]:
    return set(re.findall(r"^#+ `?(.+?)`?$", (DOCS / name).read_text(encoding="utf-8"), re.MULTILINE))


def commands(group: click.Group, path: str = "") -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, f"{path}{name} ")
        else:
            yield f"{path}{name}", command


ALL_COMMANDS = dict(commands(examsite))


@pytest.mark.parametrize("name", sorted(ALL_COMMANDS))
def test_a_command_has_its_heading_and_an_example_in_its_help(name: str) -> None:
    assert f"examsite {name}" in headings("commands.md")
    said = ALL_COMMANDS[name].help or ""
    assert "Example:" in said
    assert f"examsite {name.split()[0]}" in said


def keys(model: type[BaseModel], path: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        inner = [kind for kind in [field.annotation, *args_deep(field.annotation)]
                 if isinstance(kind, type) and issubclass(kind, BaseModel) and kind is not Words]  # fmt: skip
        if inner and "roles" not in name:
            yield from keys(inner[0], f"{path}{name}.")
        else:
            yield f"{path}{name}"


def args_deep(kind: Any) -> Iterator[Any]:
    for inner in get_args(kind):
        yield inner
        yield from args_deep(inner)


@pytest.mark.parametrize("model", [_File, Profile])
def test_every_configuration_key_has_its_heading(model: type[BaseModel]) -> None:
    missing = set(keys(model)) - headings("config.md")
    assert not missing, sorted(missing)


def test_no_configuration_key_is_described_that_does_not_exist() -> None:
    known = set(keys(_File)) | set(keys(Profile))
    described = set(re.findall(r"^### (.+)$", (DOCS / "config.md").read_text(encoding="utf-8"), re.MULTILINE))
    assert described <= known, sorted(described - known)


def test_every_check_has_its_heading() -> None:
    from appliance.checks import catalog

    missing = {item.name for item in catalog.CATALOG} - headings("checks.md")
    assert not missing, sorted(missing)


def test_every_journal_kind_is_listed() -> None:
    text = (DOCS / "journal.md").read_text(encoding="utf-8")
    missing = [kind for kind in KINDS if f"`{kind}`" not in text]
    assert not missing


def test_every_table_is_listed_with_its_owner() -> None:
    schema = (ROOT / "appliance" / "schema.sql").read_text(encoding="utf-8")
    described = (DOCS / "schema.md").read_text(encoding="utf-8")
    for table in re.findall(r"^create table (\w+)", schema, re.MULTILINE):
        assert re.search(rf"^\| `{table}` \| `\S+\.py` \|", described, re.MULTILINE), table


def test_the_worked_example_of_the_journal_is_right() -> None:
    text = (DOCS / "journal.md").read_text(encoding="utf-8")
    first, second = [line for line in text.splitlines() if line.startswith('{"actor"')]
    hashes = [hashlib.sha256(row.encode()).hexdigest() for row in (first, second)]
    assert rfc8785.dumps(json.loads(first)).decode() == first
    assert json.loads(second)["prev"] == hashes[0]
    assert all(f"`{stated}`" in text for stated in hashes)


def test_every_link_between_documents_leads_somewhere() -> None:
    for file in [*DOCS.rglob("*.md"), *ROOT.glob("*.md")]:
        for target in re.findall(r"\]\(([^)#\s]+)", file.read_text(encoding="utf-8")):
            if "://" not in target:
                assert (file.parent / target).exists(), f"{file.relative_to(ROOT)}: {target}"


def test_decisions_are_numbered_without_a_hole_or_a_double() -> None:
    numbers = sorted(int(file.name[:3]) for file in (DOCS / "decisions").glob("*.md"))
    assert numbers == list(range(1, len(numbers) + 1))
