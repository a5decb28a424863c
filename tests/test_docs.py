"""The documentation is true: every command, configuration key, check, table and journal kind has its place in docs/."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import click
import pytest
import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import BaseModel

from appliance import checkpoints, cosignatures, journal, merkle, notes, personal, verify_journal
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


def example() -> tuple[str, list[bytes]]:
    """The journal's page and the rows it shows."""
    text = (DOCS / "journal.md").read_text(encoding="utf-8")
    return text, [line.encode() for line in text.splitlines() if line.startswith('{"actor"')]


def test_the_worked_example_of_the_journal_is_right() -> None:
    text, rows = example()
    hashes = [hashlib.sha256(row).hexdigest() for row in rows]
    assert [rfc8785.dumps(json.loads(row)) for row in rows] == rows
    assert [json.loads(row)["prev"] for row in rows] == ["0" * 64, *hashes[:-1]]
    assert all(f"`{stated}`" in text for stated in hashes)
    assert journal.verify((n, stated, row.decode()) for n, (stated, row) in enumerate(zip(hashes, rows), 1)).ok  # noqa: B905
    openings = [line.encode() for line in text.splitlines() if line.startswith('{"path"')]
    said = {seq: json.loads(row) for seq, row in enumerate(rows, 1)}
    assert len(openings) == sum(1 for row in said.values() for _ in personal.commitments(row)) == 3
    assert personal.check(said, openings) == ({}, 0)


def test_the_worked_example_of_a_checkpoint_is_right() -> None:
    text = (DOCS / "journal-checkpoints.md").read_text(encoding="utf-8")
    first, second, third = (hashlib.sha256(b"\0" + row).digest() for row in example()[1])
    both = hashlib.sha256(b"\1" + first + second).digest()
    root = hashlib.sha256(b"\1" + both + third).digest()
    assert all(f"| `{each.hex()}` |" in text for each in (first, second, third, both, root))
    assert merkle.included(second, 2, 3, [first, third], root)
    assert merkle.consistent(2, both, 3, root, [third])
    seed = hashlib.sha256(b"examsite example").digest()
    (vkey,) = re.findall(r"^(examsite/\S+\+[0-9a-f]{8}\+\S+)$", text, re.MULTILINE)
    origin = vkey.split("+")[0]
    signer = notes.Signer(origin, Ed25519PrivateKey.from_private_bytes(seed))
    assert signer.verifier.vkey == vkey
    assert f"```\n{notes.sign(checkpoints.body(origin, 3, root), signer)}```" in text


def test_the_worked_examples_of_marks_outside_are_right() -> None:
    text = (DOCS / "journal-witness.md").read_text(encoding="utf-8")
    stick, request, key, line = re.findall(r"```\n(.*?)```", text, re.DOTALL)
    signing = (DOCS / "journal-checkpoints.md").read_text(encoding="utf-8")
    (vkey,) = re.findall(r"^(examsite/\S+\+[0-9a-f]{8}\+\S+)$", signing, re.MULTILINE)
    journals = verify_journal.read_key(vkey.encode(), "key")
    marks = [verify_journal.read_checkpoint(note, journals, "mark") for note in verify_journal.notes_in(stick.encode())]
    assert [mark.size for mark in marks] == [2, 3]
    head, _, note = request.removeprefix("POST /add-checkpoint\n\n").partition("\n\n")
    assert note == stick.partition("\n\n\u2014 ")[2].partition("\n\n")[2]
    old, proof = head.split("\n")
    assert old == "old 2"
    assert merkle.consistent(2, marks[0].root, 3, marks[1].root, [base64.b64decode(proof)])
    signed = note.partition("\n\n")[0] + "\n"
    [cosigned] = notes.parse(f"{signed}\n{line}").signatures
    seen_at = cosignatures.cosigner(key).seen_at(signed, cosigned)
    assert f"`time {seen_at}`" in text
    leaves = re.findall(r'^\| `(\["\S+\])` \| `([0-9a-f]{64})` \|$', text, re.MULTILINE)
    hashes = [merkle.leaf(row.encode()) for row, _ in leaves]
    assert [each.hex() for each in hashes] == [stated for _, stated in leaves]
    assert f"The root is `{merkle.root_of(hashes).hex()}`" in text
    assert all(f"`{each.hex()}`" in text for each in merkle.inclusion_of(hashes, 1))


def test_the_worked_example_of_a_journal_folder_holds(tmp_path: Path) -> None:
    text = (DOCS / "journal-export.md").read_text(encoding="utf-8").partition("## A worked example")[2]
    rows, openings, leaves, head, older, key, proofs = re.findall(r"```\n(.*?)```", text, re.DOTALL)
    (tmp_path / "checkpoints").mkdir()
    for name, said in {"journal.jsonl": rows, "personal.jsonl": openings, "checkpoint.note": head, "journal.pub": key,
                       "checkpoints/000000000003.note": head, "checkpoints/000000000002.note": older,
                       "proofs.json": proofs, "verify_journal.py": "x\n", "README.txt": "x\n"}.items():  # fmt: skip
        (tmp_path / name).write_text(said, encoding="utf-8")
    (tmp_path / "leaves.bin").write_bytes(bytes.fromhex(leaves))
    report = verify_journal.check(tmp_path, [older, head])
    assert (report.ok, report.size, len(report.held)) == (True, 3, 2), [fault.say() for fault in report.faults]


def test_every_link_between_documents_leads_somewhere() -> None:
    for file in [*DOCS.rglob("*.md"), *ROOT.glob("*.md")]:
        for target in re.findall(r"\]\(([^)#\s]+)", file.read_text(encoding="utf-8")):
            if "://" not in target:
                assert (file.parent / target).exists(), f"{file.relative_to(ROOT)}: {target}"


def test_decisions_are_numbered_without_a_hole_or_a_double() -> None:
    numbers = sorted(int(file.name[:3]) for file in (DOCS / "decisions").glob("*.md"))
    assert numbers == list(range(1, len(numbers) + 1))
