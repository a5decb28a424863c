"""The tree over the journal: the published vectors, a naive tree beside it, and every proof of every small size.

Vectors: the eight leaves, roots and proofs of Certificate Transparency's own tests (certificate-transparency
merkletree/merkle_tree_test.cc; transparency-dev/merkle testonly/constants.go), and the example of RFC 9162 2.1.5.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance import merkle, store
from appliance.store import Database

LEAVES = [bytes.fromhex(each) for each in (
    "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
)]  # fmt: skip
ROOTS = [bytes.fromhex(each) for each in (
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)]  # fmt: skip
N10 = "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7"
N23 = "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e"
N4 = "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"
N45 = "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a"
N67 = "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0"
N47 = "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"
N03 = "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"
N01 = "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"
N0 = "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
N6 = "b08693ec2e721597130641e8211e7eedccb4c26413963eee6c1e2ed16ffb1a5f"
INCLUSION = [(1, 1, []), (1, 8, [N10, N23, N47]), (6, 8, [N4, N67, N03]), (3, 3, [N01]), (2, 5, [N0, N23, N4])]
CONSISTENCY = [(1, 1, []), (1, 8, [N10, N23, N47]), (6, 8, [N45, N67, N03]), (2, 5, [N23, N4]), (6, 7, [N45, N6, N03])]


def grown(path: Path, rows: Sequence[bytes]) -> Database:
    db = store.open(path / "tree.db", create=True)
    with store.transaction(db):
        for seq, row in enumerate(rows, 1):
            merkle.add(db, seq, row)
    return db


@pytest.fixture(scope="module")
def ct(tmp_path_factory: pytest.TempPathFactory) -> Database:
    return grown(tmp_path_factory.mktemp("ct"), LEAVES)


def test_the_roots_are_those_of_certificate_transparency(ct: Database) -> None:
    assert [merkle.root(ct, size) for size in range(9)] == ROOTS
    assert merkle.size(ct) == 8


@pytest.mark.parametrize(("seq", "size", "proof"), INCLUSION)
def test_inclusion_proofs_are_those_of_certificate_transparency(
    ct: Database, seq: int, size: int, proof: list[str]
) -> None:
    made = merkle.inclusion(ct, seq, size)
    assert [each.hex() for each in made] == proof
    assert merkle.included(merkle.leaf(LEAVES[seq - 1]), seq, size, made, ROOTS[size])


@pytest.mark.parametrize(("old", "new", "proof"), CONSISTENCY)
def test_consistency_proofs_are_those_of_certificate_transparency(
    ct: Database, old: int, new: int, proof: list[str]
) -> None:
    made = merkle.consistency(ct, old, new)
    assert [each.hex() for each in made] == proof
    assert merkle.consistent(old, ROOTS[old], new, ROOTS[new], made)


def test_the_seven_leaves_of_rfc_9162_have_the_proofs_it_draws(tmp_path: Path) -> None:
    rows = [b"d0", b"d1", b"d2", b"d3", b"d4", b"d5", b"d6"]
    db = grown(tmp_path, rows)
    a, b, c, d, e, f, j = (merkle.leaf(row) for row in rows)  # the letters of section 2.1.5; its j is the lone leaf d6
    g, h, i = merkle.node(a, b), merkle.node(c, d), merkle.node(e, f)
    k, m = merkle.node(g, h), merkle.node(i, j)
    assert merkle.root(db, 7) == merkle.node(k, m)
    assert merkle.inclusion(db, 1, 7) == [b, h, m]
    assert merkle.inclusion(db, 4, 7) == [c, g, m]
    assert merkle.inclusion(db, 5, 7) == [f, j, k]
    assert merkle.inclusion(db, 7, 7) == [i, k]
    assert merkle.consistency(db, 3, 7) == [c, d, g, m]
    assert merkle.consistency(db, 4, 7) == [m]
    assert merkle.consistency(db, 6, 7) == [i, j, k]


def naive(rows: Sequence[bytes]) -> bytes:
    """RFC 6962 2.1 word for word."""
    if not rows:
        return hashlib.sha256(b"").digest()
    if len(rows) == 1:
        return hashlib.sha256(b"\0" + rows[0]).digest()
    k = 1
    while k * 2 < len(rows):
        k *= 2
    return hashlib.sha256(b"\1" + naive(rows[:k]) + naive(rows[k:])).digest()


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Database:
    return grown(tmp_path_factory.mktemp("many"), [b"row %d" % n for n in range(1, 131)])


ROWS = [b"row %d" % n for n in range(1, 131)]


@settings(max_examples=150, deadline=None)
@given(sizes=st.tuples(st.integers(0, 130), st.integers(0, 130)), seq=st.integers(1, 130))
def test_any_tree_agrees_with_the_naive_one_and_proves_itself(many: Database, sizes: tuple[int, int], seq: int) -> None:
    old, new = sorted(sizes)
    old_root, new_root = naive(ROWS[:old]), naive(ROWS[:new])
    assert (merkle.root(many, old), merkle.root(many, new)) == (old_root, new_root)
    proof = merkle.consistency(many, old, new)
    assert merkle.consistent(old, old_root, new, new_root, proof)
    assert len(proof) <= 2 * new.bit_length()
    if seq <= new:
        path = merkle.inclusion(many, seq, new)
        assert merkle.included(merkle.leaf(ROWS[seq - 1]), seq, new, path, new_root)
        assert len(path) <= new.bit_length()


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_proof_with_one_wrong_bit_proves_nothing(many: Database, data: st.DataObject) -> None:
    new = data.draw(st.integers(2, 130))
    old = data.draw(st.integers(1, new - 1))
    proof = merkle.consistency(many, old, new)
    roots = merkle.root(many, old), merkle.root(many, new)
    assert not merkle.consistent(old, roots[0], new, roots[1], _spoilt(data, proof))
    seq = data.draw(st.integers(1, new))
    path, found = merkle.inclusion(many, seq, new), merkle.leaf(ROWS[seq - 1])
    assert not merkle.included(found, seq, new, _spoilt(data, path), roots[1])
    assert not merkle.included(merkle.leaf(b"another row"), seq, new, path, roots[1])
    other = data.draw(st.integers(1, new).filter(lambda n: n != seq))
    assert not merkle.included(found, other, new, path, roots[1])


def _spoilt(data: st.DataObject, proof: list[bytes]) -> list[bytes]:
    how = data.draw(st.sampled_from(["bit", "longer", "shorter"] if proof else ["longer"]))
    if how == "longer":
        return [*proof, bytes(32)]
    at = data.draw(st.integers(0, len(proof) - 1))
    if how == "shorter":
        return proof[:at] + proof[at + 1 :]
    raw = bytearray(proof[at])
    raw[data.draw(st.integers(0, 31))] ^= 1 << data.draw(st.integers(0, 7))
    return [*proof[:at], bytes(raw), *proof[at + 1 :]]


def test_a_root_reads_a_few_nodes_however_long_the_journal_is(many: Database) -> None:
    read: list[tuple[int, int]] = []

    def counting(level: int, index: int) -> bytes:
        read.append((level, index))
        return bytes(32)

    merkle.range_hash(counting, 0, 1_000_003)
    assert len(read) == (1_000_003).bit_count()
    with pytest.raises(LookupError):
        merkle.root(many, 131)
    with pytest.raises(ValueError, match="among"):
        merkle.inclusion(many, 5, 4)
    with pytest.raises(ValueError, match="continuation"):
        merkle.consistency(many, 5, 4)


def test_a_forked_tree_has_no_consistency_with_the_first(many: Database, tmp_path: Path) -> None:
    fork = grown(tmp_path, [*ROWS[:60], b"another", *ROWS[61:]])
    proof = merkle.consistency(fork, 100, 130)
    assert not merkle.consistent(100, merkle.root(many, 100), 130, merkle.root(fork, 130), proof)
