"""Signed notes against published vectors.

PeterNeumann and EnochRoot: golang.org/x/mod/sumdb/note, note_test.go (keys, note, malformed messages). The checkpoint
and the poem: the examples of C2SP tlog-checkpoint and signed-note, of which no public key is published.
"""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance import notes
from appliance.notes import NoteError, Signer

VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
SKEY = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
ENOCH = "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop"
TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
BY_PETER = "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="
BY_ENOCH = "rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ="
PETER_LINE, ENOCH_LINE = f"— PeterNeumann {BY_PETER}\n", f"— EnochRoot {BY_ENOCH}\n"
NOTE = TEXT + "\n" + PETER_LINE
PETER, ENOCHS = notes.verifier(VKEY), notes.verifier(ENOCH)
SOFA = (
    "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n"
    "— example.com/behind-the-sofa"
    " Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
)
POEM = (
    "Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole:\n\ned è subito sera.\n\n"
    "— quasimodo.example/salvatore"
    " NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=\n"
)


def test_a_note_is_signed_as_go_signs_it() -> None:
    assert notes.sign(TEXT, notes.signer(SKEY)) == NOTE
    assert notes.signer(SKEY).verifier.vkey == VKEY
    assert notes.signer(SKEY).skey == SKEY


@pytest.mark.parametrize("known", [[PETER], [ENOCHS], [PETER, ENOCHS]])
def test_a_note_by_two_holds_for_whoever_knows_one_of_them(known: list[notes.Verifier]) -> None:
    note = notes.verify(NOTE + ENOCH_LINE, known)
    assert note.text == TEXT
    assert [signature.name for signature in note.signatures] == ["PeterNeumann", "EnochRoot"]
    assert str(note) == NOTE + ENOCH_LINE


def test_nobody_known_and_a_false_signature_are_refused() -> None:
    with pytest.raises(NoteError, match="nobody"):
        notes.verify(NOTE, [ENOCHS])
    with pytest.raises(NoteError, match="nobody"):
        notes.verify(NOTE, [])
    with pytest.raises(NoteError, match="false"):
        notes.verify(NOTE.replace("answer", "anzwer"), [PETER])
    with pytest.raises(NoteError, match="false"):  # one false line of a known key spoils the note (C2SP)
        notes.verify(NOTE + ENOCH_LINE.replace("BzmZa0", "BzmZa1"), [PETER, ENOCHS])


@pytest.mark.parametrize("note", [SOFA, POEM])
def test_the_examples_of_the_specification_are_read(note: str) -> None:
    found = notes.parse(note)
    assert str(found) == note
    assert found.text.endswith("\n")
    assert not found.text.endswith("\n\n")
    assert len(found.signatures[0].signed) == notes.SIGNATURE_BYTES


@pytest.mark.parametrize(
    "bad",
    [
        TEXT,
        TEXT + "\n",
        NOTE[:-1],
        "\x01" + NOTE,
        NOTE.replace("— PeterNeumann", "— Peter\x01"),
        TEXT + f"\n— Bad Name {BY_PETER}\n",
        NOTE + "Unexpected line.\n",
        TEXT + "\n" + PETER_LINE * 101,
        TEXT + "\n— PeterNeumann x08gow==\n",
        NOTE.replace("JnAM=", "JnAN="),  # another spelling of the same bytes
        NOTE.replace("— ", "- "),
    ],
)
def test_what_is_no_note_is_refused(bad: str) -> None:
    with pytest.raises(NoteError):
        notes.verify(bad, [PETER])


def test_no_mangled_key_is_taken() -> None:
    for good, read in ((VKEY, notes.verifier), (SKEY, notes.signer)):
        parts = {good[i:j] for i in range(len(good)) for j in range(i + 1, len(good) + 1)} - {good}
        next_letter = {good[:i] + chr(ord(good[i]) + 1) + good[i + 1 :] for i in range(len(good))}
        for bad in parts | next_letter:
            with pytest.raises(NoteError):
                read(bad)
    with pytest.raises(NoteError):  # another length, with the id to fit
        notes.verifier("PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==")
    with pytest.raises(NoteError, match="Ed25519"):  # another algorithm, with the id to fit
        notes.verifier("PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")


def test_a_refused_private_key_is_not_repeated_in_the_refusal() -> None:
    with pytest.raises(NoteError) as told:
        notes.signer(SKEY[:-2])
    assert "AYEKFALV" not in str(told.value)


@settings(max_examples=200, deadline=None)
@given(bit=st.integers(0, len(NOTE.encode()) * 8 - 1))
def test_any_single_changed_bit_of_a_note_is_found(bit: int) -> None:
    raw = bytearray(NOTE.encode())
    raw[bit // 8] ^= 1 << bit % 8
    with pytest.raises((NoteError, UnicodeDecodeError)):
        notes.verify(raw.decode(), [PETER])


@pytest.mark.parametrize("name", ["", "two words", "a+b", "no\u00a0break"])
def test_a_name_that_cannot_stand_in_a_note_makes_no_key(name: str) -> None:
    with pytest.raises(NoteError, match="name"):
        Signer.generate(name)


def test_only_whole_lines_are_signed() -> None:
    for text in ("no newline", "a bell \x07\n"):
        with pytest.raises(NoteError):
            notes.sign(text, notes.signer(SKEY))
