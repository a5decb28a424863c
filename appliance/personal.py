"""Personal values of journal entries: the row keeps a salted commitment, the value stands beside it and can be erased.

commit = SHA-256(salt || value): the row's bytes, and with them chain, tree and checkpoints, stay what they were when
the value is erased by law (152-FZ), and a reader who has salt and value sees that it is the one. docs/journal.md
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from appliance.model import Gone, Personal
from appliance.store import Database

SALT_BYTES = 32
HEX = re.compile(r"[0-9a-f]{64}")
Erased = dict[tuple[int, str], int]
AT_ONCE = 500  # entries asked for in one SELECT; SQLite takes 32766 parameters


@dataclass(frozen=True, slots=True)
class Opening:
    """What makes one commitment readable. `path`: where in the row it stands, as an RFC 6901 pointer."""

    seq: int
    path: str
    salt: bytes
    value: str

    def as_json(self) -> dict[str, Any]:
        return {"seq": self.seq, "path": self.path, "salt": self.salt.hex(), "value": self.value}


def commitment(salt: bytes, value: str) -> str:
    return hashlib.sha256(salt + value.encode()).hexdigest()


def hide(row: Mapping[str, Any], seq: int) -> tuple[dict[str, Any], list[Opening]]:
    """The row with a commitment in the place of each Personal, texts in NFC; and the openings.

    Raises TypeError for a float (RFC 8785 can spell it, but it does not travel well), ValueError for a value that would
    read as a commitment.
    """
    openings: list[Opening] = []

    def stored(value: Any, path: str) -> Any:
        if isinstance(value, float):
            raise TypeError("a float in a journal entry: store milliseconds or another whole number")
        if isinstance(value, Personal):
            opening = Opening(seq, path, secrets.token_bytes(SALT_BYTES), unicodedata.normalize("NFC", value))
            openings.append(opening)
            return {"commit": commitment(opening.salt, opening.value)}
        if isinstance(value, str):
            return unicodedata.normalize("NFC", value)
        if isinstance(value, Mapping):
            if value.keys() == {"commit"}:
                raise ValueError("an entry's own field may not look like a commitment")
            return {str(key): stored(item, f"{path}/{_escaped(str(key))}") for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [stored(item, f"{path}/{number}") for number, item in enumerate(value)]
        return value

    return stored(row, ""), openings


def _escaped(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")


def committed(value: Any) -> str | None:
    """The hash when this part of a row is a commitment, else None."""
    if isinstance(value, Mapping) and value.keys() == {"commit"}:
        stated = value["commit"]
        return stated if isinstance(stated, str) and HEX.fullmatch(stated) else None
    return None


def commitments(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """(path, hash) of every commitment in a row."""
    stated = committed(value)
    if stated is not None:
        yield path, stated
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from commitments(item, f"{path}/{_escaped(str(key))}")
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from commitments(item, f"{path}/{number}")


def opened(value: Any, known: Mapping[str, Opening], gone: Callable[[str], Gone], path: str = "") -> Any:
    """The row as it was written. A value that is not there, or not the one committed to, is what `gone` says."""
    stated = committed(value)
    if stated is not None:
        opening = known.get(path)
        right = opening is not None and commitment(opening.salt, opening.value) == stated
        return opening.value if opening is not None and right else gone(path)
    if isinstance(value, Mapping):
        return {key: opened(item, known, gone, f"{path}/{_escaped(key)}") for key, item in value.items()}
    if isinstance(value, list):
        return [opened(item, known, gone, f"{path}/{number}") for number, item in enumerate(value)]
    return value


def check(rows: Mapping[int, Mapping[str, Any]], lines: Iterable[bytes]) -> tuple[dict[int, str], int]:
    """Compare rows with the openings that left the box beside them (`journal.openings`), without a database.

    Returns entry -> what is wrong with its personal values, 0 for a line that belongs to none; and how many are erased.
    """
    wanted = {(seq, path): stated for seq, row in rows.items() for path, stated in commitments(row)}
    wrong: dict[int, str] = {}
    erased = 0
    for line in lines:
        try:
            said = json.loads(line)
            stated = wanted.pop((said["seq"], said["path"]))
            if set(said) == {"seq", "path", "erased"}:
                erased += 1
            elif set(said) != {"seq", "path", "salt", "value"} or _not_committed(said, stated):
                wrong.setdefault(said["seq"], "it is not the value that was committed to")
        except (ValueError, LookupError, TypeError, AttributeError) as bad:
            wrong.setdefault(0, f"a line that belongs to no entry: {bad}")
    for seq, path in wanted:
        wrong.setdefault(seq, f"{path} is missing")
    return wrong, erased


def _not_committed(said: Mapping[str, Any], stated: str) -> bool:
    salt = bytes.fromhex(said["salt"])
    return len(salt) != SALT_BYTES or commitment(salt, said["value"]) != stated


def keep(db: Database, openings: Iterable[Opening]) -> None:
    """Store the openings of a new entry, inside the caller's transaction."""
    for each in openings:
        db.write("insert into journal_personal (seq, path, salt, value) values (?, ?, ?, ?)",
                 (each.seq, each.path, each.salt, each.value))  # fmt: skip


def of(db: Database, seqs: Iterable[int]) -> dict[int, dict[str, Opening]]:
    """Entry -> path -> opening, for these entries."""
    wanted = list(seqs)
    found: dict[int, dict[str, Opening]] = {}
    for start in range(0, len(wanted), AT_ONCE):
        some = wanted[start : start + AT_ONCE]
        marks = ",".join("?" * len(some))
        for row in db.rows(f"select seq, path, salt, value from journal_personal where seq in ({marks})", some):  # noqa: S608
            found.setdefault(row["seq"], {})[row["path"]] = Opening(**row)
    return found


def erased(db: Database, seqs: Iterable[int]) -> Erased:
    """(entry, path) of each value of these entries that was erased -> the entry that says so. Reads all that say so."""
    wanted = list(seqs)
    found: Erased = {}
    for start in range(0, len(wanted), AT_ONCE):
        some = wanted[start : start + AT_ONCE]
        rows = db.rows(
            "select json_extract(e.value, '$.seq') as seq, p.value as path, j.seq as entry from journal j,"  # noqa: S608
            " json_each(j.row, '$.data.erased') e, json_each(e.value, '$.paths') p where j.kind = 'personal.erased'"
            f" and json_extract(e.value, '$.seq') in ({','.join('?' * len(some))})", some
        )  # fmt: skip
        found |= {(row["seq"], row["path"]): row["entry"] for row in rows}
    return found


# Where the name stands beside a login: /actor/id and /actor/name, /data/executor/login and /data/executor/name.
_BESIDE = """case when a.path = '/actor/id' then '/actor/name'
 when a.path like '%/login' then substr(a.path, 1, length(a.path) - 5) || 'name' end"""


def about(db: Database, login: str) -> list[Opening]:
    """Every opening that is this login, or one of the names that stand beside it anywhere."""
    rows = db.rows(
        "select p.seq, p.path, p.salt, p.value from journal_personal p where p.value in ("  # noqa: S608
        " select ?1 union select n.value from journal_personal a join journal_personal n on n.seq = a.seq"
        f" and n.path = {_BESIDE} where a.value = ?1 and n.value <> '') order by p.seq, p.path", (login,),
    )  # fmt: skip
    return [Opening(**row) for row in rows]


def mentions(db: Database, surnames: Iterable[str]) -> list[Opening]:
    """Every opening in which a word begins with one of these, in small or capital letters. Reads them all."""
    wanted = [re.escape(each) for each in surnames]
    if not wanted:
        return []
    word, found, place = re.compile(rf"\b(?:{'|'.join(wanted)})", re.IGNORECASE), [], (0, "")
    while some := db.rows("select seq, path, salt, value from journal_personal where (seq, path) > (?, ?)"
                          " order by seq, path limit ?", (*place, AT_ONCE)):  # fmt: skip
        found += [Opening(**row) for row in some if word.search(row["value"])]
        place = (some[-1]["seq"], some[-1]["path"])
    return found


def forget(db: Database, openings: Iterable[Opening]) -> None:
    """Delete openings, inside the caller's transaction; `journal.erase` writes the entry that says so beside."""
    for each in openings:
        db.write("delete from journal_personal where seq = ? and path = ?", (each.seq, each.path))
