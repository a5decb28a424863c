"""Writes a package to a medium so that a folder with its final name is always whole (BagIt, RFC 8493). docs/export.md

Order matters (the stick may be pulled between any two steps):
1. copy each file into NAME.part and sync it   2. read *everything* back and compare it with the archive's SHA-256
3. the texts, then the manifests, synced and read back   4. sync the folders   5. rename NAME.part to NAME.
Reading back waits until all is written, because a stick that claims more than it holds overwrites its own beginning.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import bagit

from appliance.model import N_, ApplianceError, Message
from drivers import medium
from drivers.medium import MediumError, SourceError

PART = ".part"
BAGIT = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
PAYLOAD_LIST, TAG_LIST = "manifest-sha256.txt", "tagmanifest-sha256.txt"
# What a package of ours holds beside data/video/<camera>/<file>; docs/export.md describes each.
FORMAT = "examsite-export/1"
MANIFEST, JOURNAL, SEAL, VIDEO = "data/manifest.json", "data/journal.jsonl", "data/seal.json", "data/video/"
PERSONAL = "data/personal.jsonl"
PROOF, MINUTES = "data/proof/", "data/minutes.json"  # the signed journal, and what binds recordings to it
COVERAGE, COVERAGE_PAPER = "data/coverage.json", "data/coverage.pdf"
PAGE, HOW_TO_CHECK = "index.html", "how-to-check.txt"
SLACK_BYTES_A_FILE = 128 * 1024  # exFAT gives a large stick clusters of 128 KiB; a file fills its last one

Step = Literal["copying", "reading", "closing"]


@dataclass(frozen=True, slots=True)
class Piece:
    """One file of the archive that goes into the package bit for bit, under `path`."""

    path: str
    source: Path
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Contents:
    """All that goes into a package. `texts`: files made for it, outside data/ tag files. `info`: bag-info.txt."""

    name: str
    pieces: tuple[Piece, ...]
    texts: Mapping[str, bytes]
    info: Mapping[str, str]

    @property
    def size_bytes(self) -> int:
        return sum(piece.size_bytes for piece in self.pieces)

    def hashes(self) -> dict[str, str]:
        """Path -> SHA-256 of every payload file, from the archive's rows and our own texts, not from the medium."""
        made = {path: hashlib.sha256(text).hexdigest() for path, text in self.texts.items() if path.startswith("data/")}
        return made | {piece.path: piece.sha256 for piece in self.pieces}


@dataclass(frozen=True, slots=True)
class Progress:
    """How far it is. Copying and reading each count their files and bytes from nothing; closing has them all."""

    step: Step
    files_done: int
    files: int
    bytes_done: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Package:
    """A whole package. `number`: SHA-256 of its tag manifest, which covers all else; the act carries its beginning."""

    path: Path
    files: int
    size_bytes: int
    number: str
    filesystem: str = ""
    medium: str | None = None  # the stick's own name and serial, when it tells

    @property
    def spoken(self) -> str:
        """91C2-D40E-77B1, to be read aloud and compared with the act."""
        return spoken(self.number)


class ExportError(ApplianceError):
    """The package could not be finished. Nothing on the medium says that it was."""


def spoken(number: str) -> str:
    """The first twelve digits of a SHA-256 in groups of four."""
    return "-".join(number[n : n + 4].upper() for n in (0, 4, 8))


def hash_list(hashes: Mapping[str, str]) -> bytes:
    """A manifest: sorted lines as `sha256sum -c` reads them: there is one spelling, and any changed byte shows."""
    return "".join(f"{hashes[path]}  {path}\n" for path in sorted(hashes)).encode()


def write(contents: Contents, folder: Path, tell: Callable[[Progress], None]) -> Package:
    """Write the package into `folder`; what an interrupted earlier attempt left there is used again.

    Raises ExportError with what to do. `tell` may raise to stop; the next call goes on from there.
    """
    part = folder / (contents.name + PART)
    counter = _Counter(contents, tell)
    try:
        _look_at_sources(contents.pieces)
        facts = _look_at_medium(folder, contents, part)
        medium.make_folder(part)
        _clear(part, {piece.path for piece in contents.pieces})
        counter.begin("copying")
        device = part.stat().st_dev
        for piece in contents.pieces:
            _still_there(part, device)
            _copy_unless_there(part, piece, counter)
        differing = _read_back_all(part, contents.pieces, counter)
        if differing:
            counter.begin("copying")
            for piece in differing:
                medium.remove_file(part / piece.path)
                _copy_unless_there(part, piece, counter)
            still = _read_back_all(part, contents.pieces, counter)
            if still:
                raise ExportError(
                    N_(
                        "File {file} on the medium differs from the original, twice. Take another medium:"
                        " this one is not fit for recordings."
                    ),
                    file=still[0].path,
                )
        counter.begin("closing")
        number = _close(part, contents)
        medium.rename_synced(part, folder / contents.name)
    except MediumError as bad:
        raise _refusal(bad, counter) from bad
    except OSError as cause:  # a look at the medium (stat, list) that failed
        raise _refusal(MediumError(cause, part), counter) from cause
    except SourceError as bad:
        raise ExportError(
            N_(
                "The archive's recording {file} cannot be read: {cause}. Nothing was handed over. Call the"
                " administrator; examsite verify archive tells which files are affected."
            ),
            file=bad.path.name,
            cause=str(bad),
        ) from bad
    whole = folder / contents.name
    return Package(whole, len(contents.pieces), contents.size_bytes, number, facts.filesystem, facts.id)


class _Counter:
    """Adds up a step's files and bytes and tells them on."""

    def __init__(self, contents: Contents, tell: Callable[[Progress], None]) -> None:
        self._files, self._bytes, self._tell = len(contents.pieces), contents.size_bytes, tell
        self.begin("copying")

    def begin(self, step: Step) -> None:
        done = (self._files, self._bytes) if step == "closing" else (0, 0)
        self.now = Progress(step, done[0], self._files, done[1], self._bytes)
        self._tell(self.now)

    def moved(self, size_bytes: int) -> None:
        n = self.now
        self.now = Progress(n.step, n.files_done, n.files, n.bytes_done + size_bytes, n.bytes)
        self._tell(self.now)

    def file_done(self) -> None:
        n = self.now
        self.now = Progress(n.step, n.files_done + 1, n.files, n.bytes_done, n.bytes)
        self._tell(self.now)


def _look_at_sources(pieces: Iterable[Piece]) -> None:
    """Refuse before anything leaves when a recording is missing or of another size; the hash follows while copying."""
    for piece in pieces:
        try:
            size_bytes = piece.source.stat().st_size
        except OSError as cause:
            raise SourceError(cause, piece.source) from cause
        if size_bytes != piece.size_bytes:
            raise _changed(piece)


def _changed(piece: Piece) -> ExportError:
    return ExportError(
        N_(
            "The archive's recording {file} is not what was recorded: its content does not match its entry."
            " Nothing was handed over. Call the administrator; examsite verify archive tells more."
        ),
        file=piece.path.removeprefix(VIDEO),
    )


def _look_at_medium(folder: Path, contents: Contents, part: Path) -> medium.Facts:
    """Refuse before anything is written what cannot end well; otherwise what the medium is."""
    facts = medium.facts(folder)
    if not facts.writable:
        raise MediumError(OSError(errno.EROFS, os.strerror(errno.EROFS)), folder)
    there = {piece for piece in contents.pieces if _is_there(part, piece)}
    needed = sum(p.size_bytes + SLACK_BYTES_A_FILE for p in contents.pieces if p not in there)
    needed += sum(len(text) for text in contents.texts.values())
    if needed > facts.free_bytes:
        raise _short(needed - facts.free_bytes)
    limit = facts.file_limit_bytes
    if limit is not None and any(piece.size_bytes > limit for piece in contents.pieces):
        raise ExportError(
            N_("This medium's file system ({filesystem}) takes no file over 4 GiB. Format it as exFAT."),
            filesystem=facts.filesystem,
        )
    return facts


def _short(short_bytes: int) -> ExportError:
    return ExportError(
        N_(
            "The medium is {short_bytes} short. Free that much on it or take a larger one, then place the"
            " order again: what is copied already is kept."
        ),
        short_bytes=max(short_bytes, 1),
    )


def _is_there(part: Path, piece: Piece) -> bool:
    """Of the right size; whether it is good is found when everything is read back."""
    there = part / piece.path
    return there.is_file() and there.stat().st_size == piece.size_bytes


def _clear(part: Path, wanted: set[str]) -> None:
    """Take away what an earlier attempt left and this package does not hold; its manifests first of all."""
    for name in (TAG_LIST, PAYLOAD_LIST, "bagit.txt"):
        medium.remove_file(part / name)
    for path in sorted(part.rglob("*"), reverse=True):
        if path.is_dir() and not path.is_symlink():
            if not any(path.iterdir()):
                path.rmdir()
        elif path.relative_to(part).as_posix() not in wanted:
            medium.remove_file(path)


def _still_there(part: Path, device: int) -> None:
    """A stick that is pulled and unmounted leaves an empty folder of the box's own disk: nothing may go there."""
    if part.stat().st_dev != device:
        raise MediumError(OSError(errno.ENODEV, os.strerror(errno.ENODEV)), part)


def _copy_unless_there(part: Path, piece: Piece, counter: _Counter) -> None:
    target = part / piece.path
    if _is_there(part, piece):
        counter.moved(piece.size_bytes)
    else:
        medium.make_folder(target.parent)
        if medium.copy_synced(piece.source, target, counter.moved) != piece.sha256:
            medium.remove_file(target)
            raise _changed(piece)
    counter.file_done()


def _read_back_all(part: Path, pieces: tuple[Piece, ...], counter: _Counter) -> list[Piece]:
    """The pieces that are not on the medium as the archive has them."""
    counter.begin("reading")
    differing = []
    for piece in pieces:
        if medium.read_back(part / piece.path, counter.moved) != piece.sha256:
            differing.append(piece)
        counter.file_done()
    return differing


def _close(part: Path, contents: Contents) -> str:
    """Texts, tag files and manifests, read back; returns the package's number."""
    hashes = contents.hashes()
    expected = {**contents.texts, "bagit.txt": BAGIT, PAYLOAD_LIST: hash_list(hashes)}
    for path, text in expected.items():
        medium.make_folder((part / path).parent)
        medium.write_synced(part / path, text)
    oxum_bytes = contents.size_bytes + sum(len(t) for path, t in contents.texts.items() if path.startswith("data/"))
    _save_bag(part, {**contents.info, "Payload-Oxum": f"{oxum_bytes}.{len(hashes)}"})
    expected["bag-info.txt"] = (part / "bag-info.txt").read_bytes()
    # bagit lists tag files in the order of the folder and with one blank: sorted and as sha256sum writes them, the same
    # package has the same bytes on every medium and a stock command checks it.
    tags = {path: hashlib.sha256(text).hexdigest() for path, text in expected.items() if not path.startswith("data/")}
    expected[TAG_LIST] = hash_list(tags)
    medium.write_synced(part / TAG_LIST, expected[TAG_LIST])
    for path, text in expected.items():
        if medium.read_back(part / path, lambda _: None) != hashlib.sha256(text).hexdigest():
            raise ExportError(
                N_("File {file} on the medium differs from what was written. Take another medium."), file=path
            )
    for inner in sorted((p for p in part.rglob("*") if p.is_dir()), reverse=True):
        medium.sync_folder(inner)
    medium.sync_folder(part)
    return hashlib.sha256(expected[TAG_LIST]).hexdigest()


def _save_bag(part: Path, info: Mapping[str, str]) -> None:
    """bag-info.txt by the Library of Congress's own hand, and its word that payload and manifest agree."""
    try:
        with contextlib.chdir(part):  # bagit changes folder and, when it fails, does not come back
            bag = bagit.Bag(str(part))
            bag.info.update(info)
            bag.save(manifests=False)  # True would read every recording a third time
            bag.validate(completeness_only=True)
    except OSError as cause:
        raise MediumError(cause, part) from cause
    except bagit.BagError as bad:
        raise ExportError(
            N_("The package on the medium is not whole: {cause}. Place the order again."), cause=str(bad)
        ) from bad


def _refusal(bad: MediumError, counter: _Counter) -> ExportError:
    """What to tell a person about a medium that did not take it."""
    far = {"done_bytes": counter.now.bytes_done, "all_bytes": counter.now.bytes}
    if bad.errno in (errno.ENOSPC, errno.EDQUOT):
        return _short(max(counter.now.bytes - counter.now.bytes_done, SLACK_BYTES_A_FILE))
    if bad.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return ExportError(
            N_(
                "The medium is write-protected. Move its switch or take another one, then place the order"
                " again: what is copied already is kept."
            )
        )
    if counter.now.step == "copying" and counter.now.bytes_done == 0 and bad.errno == errno.ENOENT:
        return ExportError(
            N_("There is no medium at {path}. Put one into the box and place the order again."), path=str(bad.path)
        )
    if bad.errno in (errno.EIO, errno.ENODEV, errno.ENXIO, errno.ENOENT, errno.ESTALE, errno.ESHUTDOWN):
        return ExportError(
            N_(
                "The medium was removed or failed at {done_bytes} of {all_bytes}, the package is not whole."
                " Put the same one back and place the order again: it goes on from here."
            ),
            **far,
        )
    if bad.errno == errno.EEXIST:
        return ExportError(
            N_("A folder {name} is on the medium already. Move it away and place the order again."), name=bad.path.name
        )
    return ExportError(
        Message(
            N_(
                "The medium failed at {done_bytes} of {all_bytes}: {cause}. Check it, then place the order"
                " again: what is copied already is kept."
            ),
            {**far, "cause": str(bad)},
        )
    )
