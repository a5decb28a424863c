"""Export folders of a journal, made from the written format alone (docs/journal-export.md) and not by the house's code.

`make` gives a whole and valid folder; `chain` and `files` seal any rows, as somebody who holds the key could.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

ROOT = Path(__file__).resolve().parent.parent.parent
PROGRAM = (ROOT / "appliance/verify_journal.py").read_bytes()
BOX, EPOCH = "00112233445566ff", 1
SEED = bytes(range(32))
README = "How to check this folder. Как проверить эту папку.\n".encode()
Row = dict[str, Any]
Opening = dict[str, Any]


def canonical(value: Any) -> bytes:
    """Good for keys of the first plane, which is all these rows have."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def commitment(salt: bytes, value: str) -> dict[str, str]:
    return {"commit": hashlib.sha256(salt + value.encode()).hexdigest()}


@dataclass
class Story:
    """What happened, before it is chained: rows without seq, prev, box and epoch, and their openings by row."""

    rows: list[Row] = field(default_factory=list)
    openings: list[Opening] = field(default_factory=list)

    def tell(self, kind: str, person: str | None = None, /, exam: str | None = None, **data: Any) -> int:
        seq = len(self.rows) + 1
        actor: Row = {"id": "watch", "kind": "service", "name": "", "role": ""}
        if person is not None:
            actor = {"id": self._hide(seq, "/actor/id", person[:4]), "kind": "person",
                     "name": self._hide(seq, "/actor/name", person), "role": "technician"}  # fmt: skip
        told = {}
        for key, value in data.items():
            said = isinstance(value, str) and value.startswith("!")
            told[key] = self._hide(seq, f"/data/{key}", value[1:]) if said else value
        self.rows.append({
            "actor": actor, "at": f"2026-11-22T05:{seq // 60:02}:{seq % 60:02}.000000Z", "boot": "boot-1",
            "camera": None, "clock": {"age_s": 3, "offset_ms": -2, "state": "synchronised"}, "data": told,
            "exam": exam, "kind": kind, "mono_us": 1_000_000 * seq, "refs": [], "room": None, "tz": "+05:00", "v": 2,
        })  # fmt: skip
        return seq

    def _hide(self, seq: int, path: str, value: str) -> dict[str, str]:
        salt = hashlib.sha256(f"{seq}{path}".encode()).digest()
        self.openings.append({"path": path, "salt": salt.hex(), "seq": seq, "value": value})
        return commitment(salt, value)


def day(count: int = 11) -> Story:
    """A short day: people, doors, one value lawfully erased."""
    story = Story()
    story.tell("box.started")
    story.tell("signin.accepted", "Орлов Пётр Сергеевич")
    story.tell("access.begun", "Орлов Пётр Сергеевич", exam="math", reason="!батарея 🔋", rooms=["0001", "0002"])
    story.tell("access.ended", "Орлов Пётр Сергеевич", exam="math")
    erasing = [{"paths": ["/actor/name"], "seq": 2}]
    while len(story.rows) < count - 1:
        story.tell("door.opened", exam="math", zone="Дверь стойки", n=len(story.rows))
    story.tell("personal.erased", "Иванова Анна", erased=erasing, ground="152-ФЗ")
    story.openings = [o for o in story.openings if (o["seq"], o["path"]) != (2, "/actor/name")]
    return story


@dataclass(frozen=True)
class Sealed:
    """A story chained: the bytes of each row."""

    rows: list[bytes]
    openings: list[Opening]
    box: str = BOX
    epoch: int = EPOCH
    seed: bytes = SEED

    @property
    def origin(self) -> str:
        return f"examsite/ru-ege/0123/{self.box}/{self.epoch}"

    @property
    def leaves(self) -> list[bytes]:
        return [hashlib.sha256(b"\0" + row).digest() for row in self.rows]

    @property
    def vkey(self) -> str:
        typed = b"\1" + Ed25519PrivateKey.from_private_bytes(self.seed).public_key().public_bytes_raw()
        number = hashlib.sha256(self.origin.encode() + b"\n" + typed).digest()[:4]
        return f"{self.origin}+{number.hex()}+{base64.b64encode(typed).decode()}"

    def note(self, size: int | None = None, root: bytes | None = None) -> str:
        size = len(self.rows) if size is None else size
        root = mth(self.leaves[:size]) if root is None else root
        return self.signed(f"{self.origin}\n{size}\n{base64.b64encode(root).decode()}\n")

    def signed(self, text: str) -> str:
        blob = bytes.fromhex(self.vkey.split("+")[1]) + Ed25519PrivateKey.from_private_bytes(self.seed).sign(
            text.encode()
        )
        return f"{text}\n\u2014 {self.origin} {base64.b64encode(blob).decode()}\n"


def chain(story: Story, box: str = BOX, epoch: int = EPOCH, seed: bytes = SEED) -> Sealed:
    rows: list[bytes] = []
    prev = "0" * 64
    for seq, told in enumerate(story.rows, 1):
        rows.append(canonical({**told, "seq": seq, "prev": prev, "box": box, "epoch": epoch}))
        prev = hashlib.sha256(rows[-1]).hexdigest()
    return Sealed(rows, sorted(story.openings, key=lambda o: (o["seq"], o["path"])), box, epoch, seed)


def mth(leaves: Sequence[bytes]) -> bytes:
    """RFC 6962, 2.1, word by word."""
    if len(leaves) == 1:
        return leaves[0]
    k = largest(len(leaves))
    return hashlib.sha256(b"\1" + mth(leaves[:k]) + mth(leaves[k:])).digest()


def largest(n: int) -> int:
    return 1 << ((n - 1).bit_length() - 1)


def inclusion(m: int, leaves: Sequence[bytes]) -> list[bytes]:
    """PATH(m, D[n]) of RFC 6962, 2.1.1."""
    if len(leaves) == 1:
        return []
    k = largest(len(leaves))
    if m < k:
        return [*inclusion(m, leaves[:k]), mth(leaves[k:])]
    return [*inclusion(m - k, leaves[k:]), mth(leaves[:k])]


def consistency(m: int, leaves: Sequence[bytes], whole: bool = True) -> list[bytes]:
    """SUBPROOF(m, D[n], b) of RFC 6962, 2.1.2."""
    if m == len(leaves):
        return [] if whole else [mth(leaves)]
    k = largest(len(leaves))
    if m <= k:
        return [*consistency(m, leaves[:k], whole), mth(leaves[k:])]
    return [*consistency(m - k, leaves[k:], False), mth(leaves[:k])]


def exported(story: Story, chosen: Iterable[int] | None = None, epoch: int = EPOCH, **changed: Any) -> Story:
    """The story with the entry that says what goes out; `chosen`: the numbers, all unless said."""
    rows = chain(story, epoch=epoch)
    leaves = rows.leaves if chosen is None else [rows.leaves[n - 1] for n in chosen]
    said = {
        "leaves": hashlib.sha256(b"".join(leaves)).hexdigest(), "rows": len(leaves),
        "program": hashlib.sha256(PROGRAM).hexdigest(), "readme": hashlib.sha256(README).hexdigest(),
    }  # fmt: skip
    story.tell("journal.exported", "Сидоров Василий", exam=None if chosen is None else "math", **{**said, **changed})
    return story


def files(
    sealed: Sealed, stored: Iterable[int] = (4, 8), chosen: Iterable[int] | None = None, proofs: bool = True
) -> dict[str, bytes]:
    """The files of the folder by name."""
    size = len(sealed.rows)
    numbers = list(range(1, size + 1)) if chosen is None else [*chosen, size]
    stored = [n for n in stored if n < size]
    said = {
        "consistency": {str(n): [h.hex() for h in consistency(n, sealed.leaves)] for n in stored},
        "inclusion": {str(n): [h.hex() for h in inclusion(n - 1, sealed.leaves)] for n in numbers if proofs},
        "size": size, "v": 1,
    }  # fmt: skip
    openings = [o for o in sealed.openings if o["seq"] in numbers]
    return {
        "journal.jsonl": b"".join(sealed.rows[n - 1] + b"\n" for n in numbers),
        "personal.jsonl": b"".join(canonical(o) + b"\n" for o in openings),
        "leaves.bin": b"".join(sealed.leaves),
        "checkpoint.note": sealed.note().encode(),
        "proofs.json": canonical(said) + b"\n",
        "journal.pub": f"{sealed.vkey}\n".encode(),
        "verify_journal.py": PROGRAM,
        "README.txt": README,
        **{f"checkpoints/{n:012}.note": sealed.note(n).encode() for n in [*stored, size]},
    }


def write(folder: Path, contents: dict[str, bytes]) -> Path:
    (folder / "checkpoints").mkdir(parents=True, exist_ok=True)
    for name, raw in contents.items():
        (folder / name).write_bytes(raw)
    return folder


def make(folder: Path, count: int = 11, change: Callable[[Story], None] | None = None) -> Path:
    """A valid folder of `count` entries and the export's own."""
    story = day(count)
    if change is not None:
        change(story)
    return write(folder, files(chain(exported(story))))
