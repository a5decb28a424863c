"""What binds a package to the signed journal: a journal folder, and a proof for each recording. docs/journal-witness.md

Made by `texts`, checked by `faults` from the package alone: the journal folder by its own verifier, each entry of the
extract by the leaf hash that the box's checkpoint covers, each recording by its minute.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import rfc8785

from appliance import binding, journal_export, merkle
from appliance import verify_journal as verifier
from appliance.archive import Segment
from appliance.bag import MINUTES, PROOF
from appliance.clock import Clock
from appliance.config import Config
from appliance.model import N_, Actor, Message, message
from appliance.store import Database

VERSION = 1
ARCHIVIST = Actor.service("archivist")
WITHOUT = N_("The journal in this package is not signed, and nothing proves that it knows the recordings: {cause}")
UNPROVED = N_("{file}: nothing proves that the journal knows this recording.")
UNSIGNED = N_("Journal entry {seq} is not the one that was signed.")
NO_MINUTE = N_("Journal entry {seq} is not proved to be the minute that {file} takes it for.")
UNREAD = N_("{file} was changed or is of a version this program does not know.")
Where = tuple[str, Message]


def texts(db: Database, config: Config, clock: Clock, exam: str, files: Mapping[str, Segment]) -> dict[str, bytes]:
    """The journal of the exam as a folder of its own, and a proof for each file of the package."""
    binding.bind(db, clock)  # what was taken in since the last minute
    with tempfile.TemporaryDirectory(prefix="proof-", dir=config.data) as made:
        done = journal_export.export(db, config, clock, ARCHIVIST, Path(made) / "journal", exam)
        found = {f"{PROOF}{path.relative_to(done.path).as_posix()}": path.read_bytes()
                 for path in sorted(done.path.rglob("*")) if path.is_file()}  # fmt: skip
    known = binding.proofs(db, [segment.id for segment in files.values()])
    size = done.checkpoint.size
    minutes: Any = {str(number): {"row": db.value("select row from journal where seq = ?", (number,)),
                             "proof": [each.hex() for each in merkle.inclusion(db, number, size)]}
               for number in sorted({proof.minute for proof in known.values()})}  # fmt: skip
    said: Any = {"v": VERSION, "size": size, "minutes": minutes,
            "recordings": {file: known[segment.id].as_json() for file, segment in files.items()}}  # fmt: skip
    return {**found, MINUTES: rfc8785.dumps(said)}


def size_of(made: Mapping[str, bytes]) -> int:
    """How many entries the checkpoint of these texts is over."""
    return int(made[f"{PROOF}{verifier.HEAD}"].split(b"\n")[1])


def faults(folder: Path, extract: bytes | None, recordings: Sequence[tuple[str, Sequence[Any]]]) -> Iterator[Where]:
    """What does not hold. `recordings`: (file, [camera, path, size, sha256]) as the manifest has them."""
    report = verifier.check(folder / PROOF)
    for found in (*report.faults, *report.refusals):
        said = {key: str(value) if isinstance(value, int) else value for key, value in found.args.items()}
        yield f"entry {said['entry']}" if "entry" in said else PROOF, Message(verifier.TEXTS[found.what][0], said)
    if not report.ok:
        return
    yield from _signed(extract or b"", (folder / PROOF / verifier.LEAVES).read_bytes())
    yield from _recordings(folder / MINUTES, report, recordings)


def _signed(extract: bytes, leaves: bytes) -> Iterator[Where]:
    """Every entry of the extract is a leaf of the tree the box signed."""
    for line in extract.splitlines():
        seq = _number(line)
        if seq is not None and leaves[32 * seq - 32 : 32 * seq] != merkle.leaf(line):
            yield f"entry {seq}", message(UNSIGNED, seq=str(seq))


def _number(line: bytes) -> int | None:
    """Its number; None when it has none, which the check of the chain says."""
    try:
        seq = json.loads(line)["seq"]
    except (ValueError, TypeError, KeyError):
        return None
    return seq if type(seq) is int and seq > 0 else None


def _recordings(
    file: Path, report: verifier.Report, recordings: Iterable[tuple[str, Sequence[Any]]]
) -> Iterator[Where]:  # fmt: skip
    try:
        said = verifier.read_json(file.read_bytes())
        minutes, proofs = said["minutes"], said["recordings"]
        if (said["v"], said["size"]) != (VERSION, report.size):
            raise ValueError
        roots = {number: _root(int(number), minute, report) for number, minute in minutes.items()}
        proved = {name: (proof, roots.get(str(proof["minute"]))) for name, proof in proofs.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        yield MINUTES, message(UNREAD, file=MINUTES)
        return
    for number, root in roots.items():
        if root is None:
            yield f"entry {number}", message(NO_MINUTE, seq=number, file=MINUTES)
    for name, row in recordings:
        proof, root = proved.get(name, ({}, None))
        if root is None or not binding.check_proof(proof, rfc8785.dumps(list(row)), root):
            yield name, message(UNPROVED, file=name)


def _root(number: int, minute: Mapping[str, Any], report: verifier.Report) -> bytes | None:
    """The root a minute's entry states, once the entry is proved to stand in the signed journal."""
    row = str(minute["row"]).encode()
    proof = [bytes.fromhex(each) for each in minute["proof"]]
    if not merkle.included(merkle.leaf(row), number, report.size, proof, bytes.fromhex(report.root)):
        return None
    said = verifier.read_json(row)
    return bytes.fromhex(said["data"]["root"]) if said["kind"] == binding.KIND else None
