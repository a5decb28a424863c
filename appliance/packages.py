"""Checks an export folder on any machine: from the folder alone, without database, configuration or network.

Every fault names the file or journal entry it lies in. What verify checks, and what it cannot: docs/export.md.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import bagit
import rfc8785
from pydantic import BaseModel, ValidationError

from appliance import bag, journal, package_proof, personal
from appliance.bag import (
    COVERAGE,
    COVERAGE_PAPER,
    HOW_TO_CHECK,
    JOURNAL,
    MANIFEST,
    MINUTES,
    PAGE,
    PAYLOAD_LIST,
    PERSONAL,
    PROOF,
    SEAL,
    TAG_LIST,
    VIDEO,
)
from appliance.model import N_, ApplianceError, Message, message
from drivers import medium

TAG_FILES = ("bagit.txt", "bag-info.txt", PAYLOAD_LIST, TAG_LIST, PAGE, HOW_TO_CHECK)
TEXTS = (MANIFEST, JOURNAL, PERSONAL, SEAL, COVERAGE, TAG_LIST)
ERASED = N_("Personal values of the journal extract that were erased by the rules: {values}.")
AFTER_SEAL = N_(
    "Recordings taken into the archive after it was sealed: {recordings}. The journal's seal does not cover them."
)


@dataclass(frozen=True, slots=True)
class Fault:
    """Something does not hold. `where`: a file, or `entry 12` of the journal."""

    where: str
    message: Message


@dataclass(frozen=True, slots=True)
class Report:
    """What one check found. `counts` say how much was looked at; `number` is a package's."""

    subject: str
    faults: tuple[Fault, ...]
    counts: Mapping[str, int] = field(default_factory=dict)
    number: str = ""
    remarks: tuple[Message, ...] = ()  # true, no fault, and yet to be known

    @property
    def ok(self) -> bool:
        return not self.faults


class CannotCheck(ApplianceError):
    """There is nothing here that could be checked, or it cannot be read: neither good nor bad."""


class _Segment(BaseModel):
    file: str
    archive_path: str
    size_bytes: int
    sha256: str
    after_seal: bool


class _Gap(BaseModel):
    entry: int | None
    starts_at: str
    ends_at: str


class _Camera(BaseModel):
    id: str
    segments: list[_Segment]
    gaps: list[_Gap]


class _Exam(BaseModel):
    id: str
    sealed_at: str | None


class _Journal(BaseModel):
    first: int
    last: int
    prev: str
    hashes: list[str]


class _Person(BaseModel):
    login: str


class _Order(BaseModel):
    asked: _Person
    agreed: _Person


class _Manifest(BaseModel):
    """What is checked of data/manifest.json; it says more."""

    format: str
    exam: _Exam
    order: _Order
    cameras: list[_Camera]
    journal: _Journal


def manifest_of(folder: Path) -> dict[str, Any] | None:
    """A package's manifest as it stands, unchecked; None when there is none to read."""
    try:
        said = json.loads((folder / MANIFEST).read_bytes())
    except (OSError, ValueError):
        return None
    return said if isinstance(said, dict) and said.get("format") == bag.FORMAT else None


def check(folder: Path, tell: Callable[[int], None] = lambda _: None) -> Report:
    """Check an export folder by itself. Raises CannotCheck when it is none, or cannot be read."""
    if not folder.is_dir():
        raise CannotCheck(N_("There is no folder {path}."), path=str(folder))
    folder = folder.resolve()
    if folder.name.endswith(bag.PART):
        said = message(
            N_("{path} is not finished: copying into it was interrupted. Place the order again."), path=folder.name
        )
        return Report(folder.name, (Fault(folder.name, said),))
    if not any((folder / name).exists() for name in (*TAG_FILES, MANIFEST)):
        raise CannotCheck(N_("{path} is not an export folder."), path=str(folder))
    try:
        faults, found = _read(folder, tell)
        faults += [*_listed(folder, found, TAG_LIST), *_listed(folder, found, PAYLOAD_LIST), *_bag(folder)]
        texts = {path: (folder / path).read_bytes() for path in TEXTS if path in found}
    except (OSError, medium.MediumError) as cause:
        raise CannotCheck(N_("{path} cannot be read: {cause}."), path=str(folder), cause=str(cause)) from cause
    manifest = _parsed(texts[MANIFEST], faults) if MANIFEST in texts else None
    erased = 0
    if manifest is not None:
        faults += [*_recordings(manifest, found), *_people(manifest)]
        named = [(s.file, (c.id, s.archive_path, s.size_bytes, s.sha256)) for c in manifest.cameras for s in c.segments]
        faults += [Fault(*each) for each in package_proof.faults(folder, texts.get(JOURNAL), named)]
        if COVERAGE in texts:
            faults += _covered(manifest, texts[COVERAGE])
        if JOURNAL in texts:
            faults += [*_extract(manifest, texts[JOURNAL]), *_gaps(manifest, texts[JOURNAL])]
            faults += _sealed(manifest, texts[JOURNAL], texts.get(SEAL))
            wrong, erased = personal.check(_entries(texts[JOURNAL]), texts.get(PERSONAL, b"").splitlines())
            faults += _personal(wrong)
    number = hashlib.sha256(texts.get(TAG_LIST, b"")).hexdigest()
    counts = {
        "files": len(found),
        "bytes": sum(each.size_bytes for each in found.values()),
        "recordings": sum(path.startswith(VIDEO) for path in found),
        "recording_bytes": sum(each.size_bytes for path, each in found.items() if path.startswith(VIDEO)),
    }
    late = sum(s.after_seal for camera in manifest.cameras for s in camera.segments) if manifest else 0
    remarks = [message(AFTER_SEAL, recordings=late)] if late else []
    remarks += [message(ERASED, values=erased)] if erased else []
    return Report(folder.name, tuple({(f.where, str(f.message)): f for f in faults}.values()), counts, number,
                  tuple(remarks))  # fmt: skip


@dataclass(frozen=True, slots=True)
class _File:
    size_bytes: int
    sha256: str


def _read(folder: Path, tell: Callable[[int], None]) -> tuple[list[Fault], dict[str, _File]]:
    """Every file below the folder with its size and hash, and a fault for what must be there and is not."""
    faults, found = [], {}  # type: tuple[list[Fault], dict[str, _File]]
    for above, folders, names in os.walk(folder):
        folders.sort()
        links = [name for name in folders if Path(above, name).is_symlink()]  # os.walk does not enter these
        for name in sorted([*names, *links]):
            path = Path(above, name)
            inside = path.relative_to(folder).as_posix()
            if path.is_symlink() or not path.is_file():
                faults.append(Fault(inside, message(N_("{file} is not a file but a link or a device."), file=inside)))
            else:
                found[inside] = _File(path.stat().st_size, medium.read_back(path, tell))
    for needed in (*TAG_FILES, MANIFEST, JOURNAL, PERSONAL, MINUTES):
        if needed not in found:
            faults.append(_missing(needed))
    return faults, found


def _missing(path: str, listed_in: str | None = None) -> Fault:
    if listed_in is None:
        return Fault(path, message(N_("{file} is missing."), file=path))
    return Fault(path, message(N_("{file} is missing, {list} names it."), file=path, list=listed_in))


def _extra(path: str, listed_in: str) -> Fault:
    return Fault(path, message(N_("{file} was added afterwards: {list} does not name it."), file=path, list=listed_in))


def _listed(folder: Path, found: Mapping[str, _File], listed_in: str) -> Iterator[Fault]:
    """A manifest has one spelling (bag.hash_list): compare it byte for byte, then say which file differs."""
    if listed_in not in found:
        return
    scope = {
        p: f.sha256 for p, f in found.items() if p.startswith("data/") == (listed_in == PAYLOAD_LIST) and p != TAG_LIST
    }
    text = (folder / listed_in).read_bytes()
    if text == bag.hash_list(scope):
        return
    lines = [line.partition("  ") for line in text.decode(errors="replace").split("\n") if line]
    listed = {path: stated for stated, _, path in lines}
    same = True
    for path in sorted(scope.keys() | listed.keys()):
        if path not in scope:
            same = False
            yield _missing(path, listed_in)
        elif path not in listed:
            same = False
            yield _extra(path, listed_in)
        elif listed[path] != scope[path]:
            same = False
            yield Fault(path, message(N_("{file} was changed: it does not match {list}."), file=path, list=listed_in))
    if same:
        yield Fault(listed_in, message(N_("{file} was changed: it is not written as it was."), file=listed_in))


def _bag(folder: Path) -> Iterator[Fault]:
    """What the Library of Congress's tool says of structure and completeness; the hashes are compared above."""
    try:
        bagit.Bag(str(folder)).validate(completeness_only=True)
    except (bagit.BagError, ValueError, LookupError) as bad:
        yield Fault("bagit.txt", message(N_("The folder is not a valid BagIt bag: {cause}."), cause=str(bad)))


def _parsed(text: bytes, faults: list[Fault]) -> _Manifest | None:
    try:
        said = json.loads(text)
        canonical = rfc8785.dumps(said) == text
        manifest = _Manifest.model_validate(said)
    except (ValueError, ValidationError, rfc8785.CanonicalizationError, RecursionError):
        canonical, manifest = False, None
    if manifest is None or not canonical or manifest.format != bag.FORMAT:
        faults.append(
            Fault(
                MANIFEST,
                message(N_("{file} was changed or is of a version this program does not know."), file=MANIFEST),
            )
        )
    return manifest


def _recordings(manifest: _Manifest, found: Mapping[str, _File]) -> Iterator[Fault]:
    """The manifest and the files name the same recordings, both ways, with the same sizes and hashes."""
    named = {segment.file: segment for camera in manifest.cameras for segment in camera.segments}
    for path, segment in named.items():
        if path not in found:
            yield _missing(path, MANIFEST)
        elif found[path] != _File(segment.size_bytes, segment.sha256):
            yield Fault(path, message(N_("{file} was changed: it does not match {list}."), file=path, list=MANIFEST))
    known = {MANIFEST, JOURNAL, PERSONAL, SEAL, COVERAGE, COVERAGE_PAPER, MINUTES, *TAG_FILES, *named}
    yield from (_extra(path, MANIFEST) for path in found if path not in known and not path.startswith(PROOF))


def _covered(manifest: _Manifest, text: bytes) -> Iterator[Fault]:
    """The coverage report tells of the same gaps as the manifest, and so as the journal."""
    try:
        told = {(c["id"], g["starts_at"], g["ends_at"], g["entry"]) for c in json.loads(text)["cameras"]
                for g in c["gaps"]}  # fmt: skip
    except (ValueError, KeyError, TypeError):
        told = None
    if told != {(c.id, g.starts_at, g.ends_at, g.entry) for c in manifest.cameras for g in c.gaps}:
        yield Fault(COVERAGE, message(N_("{file} does not tell of the same gaps as {list}."), file=COVERAGE,
                                      list=MANIFEST))  # fmt: skip


def _people(manifest: _Manifest) -> Iterator[Fault]:
    if manifest.order.asked.login == manifest.order.agreed.login:
        yield Fault(MANIFEST, message(N_("The package names one person for both asking and agreeing.")))


def _extract(manifest: _Manifest, text: bytes) -> Iterator[Fault]:
    """The chain from the first to the last entry of the extract, against the hashes the manifest states."""
    said = manifest.journal
    lines = text.decode(errors="replace").split("\n")
    if lines.pop() != "" or len(lines) != len(said.hashes) or len(lines) != said.last - said.first + 1:
        yield Fault(
            JOURNAL,
            message(N_("{file} was changed: it does not hold the entries {first}–{last}."),
                    file=JOURNAL, first=str(said.first), last=str(said.last)),
        )
    triples = ((said.first + n, stated, row) for n, (row, stated) in enumerate(zip(lines, said.hashes, strict=False)))
    yield from chain_fault(journal.verify(triples, first=said.first, prev=said.prev))


def _personal(wrong: Mapping[int, str]) -> Iterator[Fault]:
    """The names and words that stand beside the extract are those its entries were written with."""
    for seq, cause in wrong.items():
        said = N_("{file} was changed: the personal values of journal entry {seq} are not its own ({cause}).")
        where = f"entry {seq}" if seq else PERSONAL
        yield Fault(where, message(said, file=PERSONAL, seq=str(seq) if seq else "?", cause=cause))


def _entries(text: bytes) -> dict[int, dict[str, Any]]:
    """The extract's entries by number, those that can be read; `_extract` names the others."""
    found = {}
    for line in text.decode(errors="replace").split("\n"):
        try:
            said = json.loads(line)
        except ValueError:
            continue
        if isinstance(said, dict) and isinstance(said.get("seq"), int):
            found[said["seq"]] = said
    return found


def _gaps(manifest: _Manifest, text: bytes) -> Iterator[Fault]:
    """The manifest's gaps are the journal's, both ways: entries about these cameras that no later entry took back."""
    entries = _entries(text)
    cameras = {camera.id for camera in manifest.cameras}
    about = {
        seq: e
        for seq, e in entries.items()
        if e.get("kind") in ("recording.gap", "recording.found")
        and e.get("exam") == manifest.exam.id
        and e.get("camera") in cameras
    }
    answered = {ref for e in about.values() for ref in _list(e.get("refs")) if isinstance(ref, int)}
    standing = {seq: e for seq, e in about.items() if e["kind"] == "recording.gap" and seq not in answered}
    told = [(camera.id, gap) for camera in manifest.cameras for gap in camera.gaps if gap.entry is not None]
    for camera, gap in told:
        entry = standing.get(gap.entry or 0, {})
        data = entry["data"] if isinstance(entry.get("data"), dict) else {}
        if (entry.get("camera"), data.get("from_at"), data.get("to_at")) != (camera, gap.starts_at, gap.ends_at):
            said = message(
                N_("The gap of camera {camera} at {from_at} has no journal entry {seq} that speaks of it."),
                camera=camera,
                from_at=gap.starts_at,
                seq=str(gap.entry),
            )
            yield Fault(f"entry {gap.entry}", said)
    for seq in standing.keys() - {gap.entry for _, gap in told}:
        said = message(
            N_("Journal entry {seq} tells of a recording gap that {list} does not name."), seq=str(seq), list=MANIFEST
        )
        yield Fault(f"entry {seq}", said)


def _list(said: Any) -> list[Any]:
    return said if isinstance(said, list) else []


def _sealed(manifest: _Manifest, text: bytes, seal: bytes | None) -> Iterable[Fault]:
    """The journal's seal was computed over seal.json, which names each recording: video and journal bind each other."""
    roots = [
        e["data"].get("root")
        for e in _entries(text).values()
        if e.get("kind") == "archive.sealed" and e.get("exam") == manifest.exam.id and isinstance(e.get("data"), dict)
    ]
    if manifest.exam.sealed_at is None and not roots:
        return [] if seal is None else [_extra(SEAL, MANIFEST)]
    if seal is None:
        return [_missing(SEAL, MANIFEST)]
    if hashlib.sha256(seal).hexdigest() not in roots:
        return [Fault(SEAL, message(N_("{file} was changed: the seal in the journal is another one."), file=SEAL))]
    try:
        sealed = {tuple(each) for each in json.loads(seal)}
    except (ValueError, TypeError):
        sealed = set()  # whoever forged the journal too wrote no list here: then nothing is sealed
    said = N_("{file} is not among the recordings that were sealed.")
    return [
        Fault(s.file, message(said, file=s.file)) for camera in manifest.cameras for s in camera.segments
        if not s.after_seal and (camera.id, s.archive_path, s.size_bytes, s.sha256) not in sealed
    ]  # fmt: skip


def chain_fault(found: journal.Verdict) -> Iterator[Fault]:
    """The sentence for a broken chain."""
    if not found.ok:
        said = message(
            N_("The journal's chain is broken at entry {seq}: it was changed, removed or put elsewhere."),
            seq=str(found.bad_seq),
            cause=str(found.fault),
        )
        yield Fault(f"entry {found.bad_seq}", said)
