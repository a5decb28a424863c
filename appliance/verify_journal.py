#!/usr/bin/env python3
"""Check an exported access journal, by itself: needs nothing but Python 3.9 or later and the package `cryptography`.

    python3 verify_journal.py FOLDER [--checkpoint FILE_OR_TEXT ...] [--key KEY_OR_FILE] [--json]

Exit status 0: everything holds, also against every checkpoint given. 1: something is wrong; the first bad entry and
what is wrong with it are named. 2: it could not be checked; that is never a success. Format: docs/journal-export.md.

What is proved: each entry is the one that was hashed into the journal (SHA-256, Merkle tree of RFC 6962), in its place,
none is missing, and the journal is the one whose checkpoint (C2SP tlog-checkpoint, Ed25519) was signed by the box. That
nothing was cut off or rewritten *before this export* is proved by checkpoints that left the box earlier, and by nothing
else: from a printed form, from another export, from the stick the head carries. Give as many as there are, and use a
copy of this file that did not come from the box.

Проверяет выгруженный журнал доступа сам по себе: нужны только Python 3.9 или новее и пакет `cryptography`.
Код возврата 0: всё сходится, в том числе с каждой данной контрольной точкой. 1: что-то не так, названа первая неверная
запись и что с ней. 2: проверить нельзя, и это не успех. Что до этой выгрузки ничего не отрезано и не переписано,
доказывают только контрольные точки, покинувшие прибор раньше: с распечатанной формы, из другой выгрузки, с флешки
руководителя. Дайте все, какие есть, и возьмите экземпляр этого файла не с самого прибора.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import hashlib
import itertools
import json
import os
import re
import stat
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

try:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
except ImportError:
    print("Nothing was checked: install cryptography (pip install cryptography). "
          "Ничего не проверено: установите cryptography.", file=sys.stderr)  # fmt: skip
    sys.exit(2)

VERSION = 2  # of a row; another one is refused
ROWS, OPENINGS, LEAVES, HEAD = "journal.jsonl", "personal.jsonl", "leaves.bin", "checkpoint.note"
PROOFS, KEY, PROGRAM, README, NOTES = "proofs.json", "journal.pub", "verify_journal.py", "README.txt", "checkpoints"
FILES = {ROWS, OPENINGS, LEAVES, HEAD, PROOFS, KEY, PROGRAM, README}
FIELDS = {"actor", "at", "boot", "box", "camera", "clock", "data", "epoch", "exam", "kind", "mono_us", "prev", "refs",
          "room", "seq", "tz", "v"}  # fmt: skip
HOLE_US = 180_000_000  # three heartbeats: the program said nothing for longer
REMARKS_SHOWN, SHOWN_CHARACTERS = 20, 300

# what -> English, Russian. The name on the left stands in the --json report.
TEXTS = {
    "no-folder": ("There is no folder {file}.", "Папки {file} нет."),
    "unreadable": ("{file} cannot be read: {cause}.", "{file} не читается: {cause}."),
    "no-file": ("{file} is missing.", "Нет файла {file}."),
    "not-a-file": ("{file} is a link or a device, not a plain file.", "{file} — ссылка или устройство, а не файл."),
    "extra": ("{file} does not belong here.", "{file} здесь лишний."),
    "empty": ("The journal has no entry.", "В журнале нет ни одной записи."),
    "key": ("{file} is no Ed25519 key in the form NAME+ID+KEY.", "{file} — не ключ Ed25519 вида ИМЯ+НОМЕР+КЛЮЧ."),
    "other-key": ("{file} is not the key that was given.", "{file} — не тот ключ, который дан."),
    "note": ("{file} is no checkpoint: {cause}.", "{file} — не контрольная точка: {cause}."),
    "signer": ("{file} is not signed by this journal's key {key}.", "{file} не подписан ключом этого журнала {key}."),
    "origin": (
        "{file} is a checkpoint of another journal: {other}. This one is {origin}.",
        "{file} — контрольная точка другого журнала: {other}. Этот — {origin}.",
    ),
    "signature": ("The signature of {file} does not hold.", "Подпись {file} неверна."),
    "name": ("{file} is of {size} entries; its name says otherwise.", "{file}: внутри {size} записей, имя неверно."),
    "leaves": (
        "{file} holds {found} hashes, the checkpoint is of {size} entries.",
        "{file}: хешей {found}, контрольная точка на {size} записей.",
    ),
    "beyond": (
        "Entry {entry} and all after it are missing here: {file} was signed at {size} entries.",
        "Записи {entry} и следующих здесь нет: {file} подписана на {size} записях.",
    ),
    "root": (
        "Entries {since} to {size} are not those that {file} was signed over: one of them was changed, or this is"
        " another branch of the journal.",
        "Записи с {since} по {size} не те, на которых подписана {file}: одна из них изменена, или это другая ветвь"
        " журнала.",
    ),
    "proofs": (
        "{file} is damaged or of a version this program does not know.",
        "{file}: файл повреждён или версия этой программе неизвестна.",
    ),
    "consistency": (
        "{file}: the proof that {size} entries grew into this journal does not hold.",
        "{file}: доказательство, что журнал вырос из {size} записей, неверно.",
    ),
    "inclusion": (
        "{file}: the proof of entry {entry} does not hold.",
        "{file}: доказательство записи {entry} неверно.",
    ),
    "missing": ("Entry {entry} is missing: {found} follows.", "Записи {entry} нет: дальше идёт {found}."),
    "ends": ("Entry {entry} is missing: {file} ends before it.", "Записи {entry} нет: {file} кончается раньше."),
    "cut": ("Entry {entry} is cut off in its middle.", "Запись {entry} обрезана посередине."),
    "after-last": ("Something stands after the last entry.", "После последней записи что-то ещё есть."),
    "changed": (
        "Entry {entry} is not what was hashed: it was changed, or its hash in leaves.bin was.",
        "Запись {entry} не та, что хеширована: изменена она или её хеш в leaves.bin.",
    ),
    "canonical": ("Entry {entry} is not canonical JSON: {cause}.", "Запись {entry} — не канонический JSON (RFC 8785)."),
    "version": (
        "Entry {entry} is of version {found}; this program knows {known}.",
        "Запись {entry} версии {found}, программа знает {known}.",
    ),
    "shape": ("Entry {entry}: the field {field} is not as it must be.", "Запись {entry}: поле {field} неверно."),
    "number": ("Entry {entry} carries the number {found} inside.", "В записи {entry} внутри номер {found}."),
    "other-box": (
        "Entry {entry} was written by another box or epoch: {other}.",
        "Запись {entry} сделана другим прибором или эпохой: {other}.",
    ),
    "prev": ("Entry {entry} does not follow the entry before it.", "Запись {entry} не продолжает предыдущую."),
    "monotonic": (
        "Entry {entry}: the monotonic clock went back within one run of the box.",
        "Запись {entry}: монотонные часы пошли назад при одном включении.",
    ),
    "opening-form": (
        "{file}, line {line}, is not an opening: {cause}.",
        "{file}, строка {line} — не открытие (seq, path, salt, value).",
    ),
    "opening-order": ("{file}, line {line}, is out of order.", "{file}, строка {line}: порядок нарушен."),
    "opening-wrong": (
        "Entry {entry}: what stands at {path} is not what was committed to.",
        "Запись {entry}: значение {path} не то, что было закрыто.",
    ),
    "opening-alone": (
        "An opening for entry {entry} at {path}, where nothing personal stands.",
        "Открытие для записи {entry}, {path}: личных данных там нет.",
    ),
    "erased-silently": (
        "Entry {entry}: what stood at {path} was erased, and no entry says so.",
        "Запись {entry}: {path} стёрто, и ни одна запись этого не говорит.",
    ),
    "not-erased": (
        "Entry {entry} says that {path} of an entry was erased; it still stands here.",
        "Запись {entry} говорит, что {path} стёрто, а оно здесь.",
    ),
    "tree": ("The database's tree does not fit the entries.", "Дерево в базе не сходится с записями."),
    "unsaid": (
        "The last entry does not say what this export holds.",
        "Последняя запись не говорит, что в этой выгрузке есть.",
    ),
    "selection": (
        "The entries are not those that entry {entry} says were exported.",
        "Записи не те, о которых запись {entry} говорит, что они выгружены.",
    ),
    "file-changed": ("{file} is not the one entry {entry} names.", "{file} не тот, что назван в записи {entry}."),
    # remarks: true, worth knowing, and nobody's fault
    "no-checkpoint": (
        "No checkpoint was given: what was cut off or rewritten before this export cannot be seen.",
        "Контрольная точка не дана: что отрезано или переписано до этой выгрузки, увидеть нельзя.",
    ),
    "others": ("{file} bears {n} more signatures, not checked.", "{file}: ещё подписей {n}, они не проверены."),
    "left-out": ("Entries left out of this export: {n}.", "В выгрузку не вошло записей: {n}."),
    "erased": ("Personal values lawfully erased: {n}.", "Стёрто личных данных с записью об этом: {n}."),
    "set-back": (
        "The clock went back by {s} s before entry {entry}.",
        "Перед записью {entry} часы ушли назад на {s} с.",
    ),
    "hole": ("Nothing was entered for {s} s before entry {entry}.", "Перед записью {entry} ничего не было {s} с."),
    "boot": ("The box was started anew before entry {entry}.", "Перед записью {entry} прибор включён заново."),
    "more": ("{n} more remarks.", "Ещё замечаний: {n}."),
}  # fmt: skip
# The causes in these sentences; what the system says otherwise stays in its own words.
CAUSES = {
    "it is not UTF-8": "это не UTF-8",
    "it has not the form origin, size, root, empty line, signatures":
        "должны стоять имя, размер, корень, пустая строка, подписи",
    "it is not spelled right": "base64 записан неверно",
    "No such file or directory": "такого файла нет",
    "Permission denied": "нет прав на чтение",
    "Is a directory": "это папка",
    "Input/output error": "ошибка носителя",
    "too large for this machine's memory": "не помещается в память этой машины",
}  # fmt: skip


def shown(value: Any) -> str:
    """A value as it may stand on a terminal: what a folder says of itself must not clear or write the verdict."""
    text = str(value)
    text = text if len(text) <= SHOWN_CHARACTERS else text[:SHOWN_CHARACTERS] + "\u2026"
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)


class Finding(NamedTuple):
    """One thing to say. `entry`: the number of the row it is about, when it is about one."""

    what: str
    args: Mapping[str, Any]

    def say(self, russian: bool = False) -> str:
        cause = self.args.get("cause")
        args = {**self.args, "cause": CAUSES.get(str(cause), cause)} if russian else self.args
        return TEXTS[self.what][russian].format_map({name: shown(value) for name, value in args.items()})

    def as_json(self) -> dict[str, Any]:
        return {"what": self.what, **self.args, "message": self.say()}


class Wrong(Exception):
    """Something does not hold: exit status 1."""

    def __init__(self, what: str, **args: Any) -> None:
        self.finding = Finding(what, args)
        super().__init__(self.finding.say())


class Refused(Wrong):
    """It cannot be checked: exit status 2."""


class Checkpoint(NamedTuple):
    """A tree head whose signature held. `others`: signatures on it by keys we do not know."""

    file: str
    size: int
    root: bytes
    others: int


class Key(NamedTuple):
    """The journal's public key. Its name is the journal's origin: examsite/REGION/SITE/BOX/EPOCH."""

    name: str
    number: bytes
    public: bytes


class Report:
    """What was found. Only `ok` is a success."""

    def __init__(self) -> None:
        self.faults: list[Finding] = []
        self.refusals: list[Finding] = []
        self.remarks: list[Finding] = []
        self.held: list[Checkpoint] = []  # the given checkpoints that hold
        self.origin = self.root = ""
        self.size = self.rows = 0
        self.checked = False  # everything was looked at, to the end

    @property
    def ok(self) -> bool:
        return self.checked and not self.faults and not self.refusals

    @property
    def exit_status(self) -> int:
        return 0 if self.ok else 1 if self.faults else 2

    def add(self, trouble: Wrong) -> None:
        (self.refusals if isinstance(trouble, Refused) else self.faults).append(trouble.finding)

    def remark(self, what: str, **args: Any) -> None:
        self.remarks.append(Finding(what, args))

    def as_json(self) -> dict[str, Any]:
        entries = [f.args["entry"] for f in (*self.faults, *self.refusals) if "entry" in f.args]
        return {
            "ok": self.ok, "checked": self.checked, "exit": self.exit_status, "origin": self.origin, "size": self.size,
            "rows": self.rows, "root": self.root, "first_bad": min(entries, default=None),
            "held": [{"checkpoint": c.file, "size": c.size} for c in self.held],
            "faults": [f.as_json() for f in self.faults], "refusals": [f.as_json() for f in self.refusals],
            "remarks": [f.as_json() for f in self.remarks],
        }  # fmt: skip


# --- canonical JSON (RFC 8785, whole numbers only): one spelling for each value ---


def _no_fraction(text: str) -> Any:
    raise ValueError(f"{text} is no whole number")


def _whole(text: str) -> int:
    if abs(int(text)) >= 2**53:
        raise ValueError(f"{text} is too large")
    return int(text)


def _in_order(value: Any) -> Any:
    """Keys sorted by UTF-16 code units, as RFC 8785 has it; Python sorts by code points."""
    if isinstance(value, dict):
        return {key: _in_order(value[key]) for key in sorted(value, key=lambda k: k.encode("utf-16-be"))}
    return [_in_order(item) for item in value] if isinstance(value, list) else value


_DECODE = json.JSONDecoder(parse_float=_no_fraction, parse_constant=_no_fraction, parse_int=_whole).decode
_ENCODE = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode
_ENCODE_AS_IT_IS = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def read_json(raw: bytes) -> Any:
    """The value of canonical JSON. ValueError for any other spelling: a double key, a blank, an escape too many."""
    try:
        text = raw.decode("utf-8")
        value = _DECODE(text)
        beyond_the_first_plane = len(text.encode("utf-16-le")) != 2 * len(text)  # only there the two orders differ
        again = _ENCODE_AS_IT_IS(_in_order(value)) if beyond_the_first_plane else _ENCODE(value)
    except (RecursionError, UnicodeError) as bad:
        raise ValueError(type(bad).__name__) from bad
    if again != text:
        raise ValueError("another spelling than RFC 8785")
    return value


# --- Merkle tree (RFC 6962, section 2.1; the checks of proofs as in RFC 9162, 2.1.3.2 and 2.1.4.2) ---


def leaf_hash(row: bytes) -> bytes:
    return hashlib.sha256(b"\0" + row).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\1" + left + right).digest()


def roots(leaves: bytes, sizes: Iterable[int]) -> dict[int, bytes]:
    """The root of the first n leaves for each n asked for, in one pass."""
    wanted, found, stack = set(sizes), {}, []  # type: tuple[set[int], dict[int, bytes], list[bytes]]
    for size in range(1, max(wanted, default=0) + 1):
        node, complete = leaves[32 * size - 32 : 32 * size], size
        while complete % 2 == 0:  # a full subtree is closed at each even step
            node, complete = node_hash(stack.pop(), node), complete // 2
        stack.append(node)
        if size in wanted:
            root = stack[-1]
            for left in reversed(stack[:-1]):
                root = node_hash(left, root)
            found[size] = root
    return found


def included_root(leaf: bytes, index: int, size: int, proof: Sequence[bytes]) -> bytes | None:
    """The root that an inclusion proof leads to from the leaf at `index` (from 0); None: no such proof."""
    fn, sn, root = index, size - 1, leaf
    if not 0 <= index < size:
        return None
    for step in proof:
        if sn == 0:
            return None
        if fn % 2 or fn == sn:
            root = node_hash(step, root)
            while fn % 2 == 0 and fn:
                fn, sn = fn // 2, sn // 2
        else:
            root = node_hash(root, step)
        fn, sn = fn // 2, sn // 2
    return root if sn == 0 else None


def grew(old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> bool:
    """Whether a consistency proof shows that the tree of `old` leaves is the beginning of the tree of `new`."""
    if old == new:
        return not proof and old_root == new_root
    path = [old_root, *proof] if old & (old - 1) == 0 else list(proof)
    if not 0 < old < new or not proof:
        return False
    fn, sn = old - 1, new - 1
    while fn % 2:
        fn, sn = fn // 2, sn // 2
    first = second = path[0]
    for step in path[1:]:
        if sn == 0:
            return False
        if fn % 2 or fn == sn:
            first, second = node_hash(step, first), node_hash(step, second)
            while fn % 2 == 0 and fn:
                fn, sn = fn // 2, sn // 2
        else:
            second = node_hash(second, step)
        fn, sn = fn // 2, sn // 2
    return sn == 0 and first == old_root and second == new_root


# --- keys and checkpoints (C2SP signed-note, tlog-checkpoint) ---


def _base64(text: str) -> bytes:
    """Strict: the one spelling of these bytes. The base64 of Python takes several."""
    raw = base64.b64decode(text)
    if base64.b64encode(raw).decode() != text:
        raise ValueError("not base64")
    return raw


def read_key(raw: bytes, file: str) -> Key:
    """NAME+ID+BASE64(1, public key), as the file journal.pub holds it with a line end."""
    try:
        name, number, rest = raw.decode("utf-8").removesuffix("\n").split("+", 2)
        typed = _base64(rest)
    except (ValueError, binascii.Error):
        raise Refused("key", file=file) from None
    stated = hashlib.sha256(name.encode() + b"\n" + typed).digest()[:4]
    if len(typed) != 33 or typed[0] != 1 or number != stated.hex() or not re.fullmatch(r"[!-*,-~]+", name):
        raise Refused("key", file=file)
    return Key(name, stated, typed[1:])


_NOTE = re.compile(
    r"([!-~]+)\n([1-9][0-9]{0,15})\n([A-Za-z0-9+/]{43}=)\n\n((?:\u2014 [!-*,-~]+ [A-Za-z0-9+/=]+\n)+)"
)


def read_checkpoint(raw: bytes, key: Key, file: str, *, ours_alone: bool = False) -> Checkpoint:
    """A checkpoint signed by `key`; Refused for anything else. `ours_alone`: no other signature may stand on it."""
    try:
        text = raw.decode("utf-8")
    except UnicodeError:
        raise Refused("note", file=file, cause="it is not UTF-8") from None
    found = _NOTE.fullmatch(text)
    if not found:
        raise Refused("note", file=file, cause="it has not the form origin, size, root, empty line, signatures")
    origin, size, root_text, lines = found.groups()
    try:
        root = _base64(root_text)
        signatures = [(name, _base64(text)) for name, text in (line[2:].split(" ") for line in lines.splitlines())]
    except (ValueError, binascii.Error):
        raise Refused("note", file=file, cause="it is not spelled right") from None
    if origin != key.name:
        raise Refused("origin", file=file, other=origin, origin=key.name)
    ours = [raw[4:] for name, raw in signatures if name == key.name and raw[:4] == key.number]
    if len(ours) != 1 or (ours_alone and len(signatures) != 1):
        raise Refused("signer", file=file, key=f"{key.name}+{key.number.hex()}")
    try:
        Ed25519PublicKey.from_public_bytes(key.public).verify(ours[0], raw[: raw.index(b"\n\n") + 1])
    except InvalidSignature:
        raise Wrong("signature", file=file) from None
    return Checkpoint(file, int(size), root, len(signatures) - 1)


def hold_against(checkpoints: Iterable[Checkpoint], leaves: bytes, report: Report) -> list[Checkpoint]:
    """The checkpoints whose root is recomputed from the leaf hashes; a fault for each of the others."""
    size, good = len(leaves) // 32, []  # type: tuple[int, list[Checkpoint]]
    ordered = sorted(checkpoints, key=lambda c: c.size)
    computed = roots(leaves, (c.size for c in ordered if c.size <= size))
    for each in ordered:
        whole = max((c.size for c in good if c.size < each.size), default=0)
        if each.size > size:
            report.add(Wrong("beyond", file=each.file, size=each.size, entry=size + 1))
        elif computed[each.size] != each.root:
            report.add(Wrong("root", file=each.file, size=each.size, since=whole + 1))
        else:
            good.append(each)
    return good


# --- rows ---


def personal_places(row: Any) -> Iterator[tuple[str, str]]:
    """(path, commitment) of every {"commit": ...} in a row; the path is a JSON pointer (RFC 6901).

    Without recursion: JSON may be nested deeper than Python calls.
    """
    ahead = [("", row)]
    while ahead:
        path, value = ahead.pop()
        if isinstance(value, list):
            ahead += [(f"{path}/{place}", item) for place, item in enumerate(value)]
        elif isinstance(value, dict) and value.keys() == {"commit"}:
            yield path, value["commit"]
        elif isinstance(value, dict):
            ahead += [(f"{path}/{key.replace('~', '~0').replace('/', '~1')}", item) for key, item in value.items()]


_AT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z")  # one spelling, in UTC


class Rows:
    """Goes through the rows in order and remembers what later ones need. Raises at the first bad row."""

    def __init__(self, origin: str, openings: Iterable[bytes], report: Report) -> None:
        self.report = report
        _, self.box, self.epoch = origin.rsplit("/", 2)
        self._openings = self._read_openings(openings)
        self._opening = next(self._openings, None)
        self._unopened: set[tuple[int, str]] = set()
        self._erased: dict[tuple[int, str], int] = {}  # -> the entry that says so
        self._chosen = hashlib.sha256()
        self._mono_us: dict[str, int] = {}  # boot -> newest
        self.newest = (0, "0" * 64)  # number and SHA-256 of the row before
        self._before: tuple[str, int, datetime] | None = None
        self.count = 0
        self.last: dict[str, Any] = {}
        self.chosen = b""  # SHA-256 over the leaf hashes of all rows but the last

    def take(self, number: int, row: bytes, leaf: bytes | None) -> None:
        """Check one row, which must be entry `number` and hash to `leaf` (None: to whatever it is)."""
        hashed = leaf_hash(row)
        try:
            said = read_json(row)
        except ValueError as bad:
            what = "canonical" if leaf in (None, hashed) else "changed"
            raise Wrong(what, entry=number, cause=str(bad)) from None
        found = said.get("seq") if isinstance(said, dict) else None
        if leaf not in (None, hashed) and found != number and type(found) is int:
            raise Wrong("missing", entry=number, found=found)
        if leaf not in (None, hashed):
            raise Wrong("changed", entry=number)
        self._check(number, said)
        if self.newest[0] == number - 1 and said["prev"] != self.newest[1]:
            raise Wrong("prev", entry=number)
        self._check_time(number, said)
        self._check_personal(number, said, row)
        self.newest = (number, hashlib.sha256(row).hexdigest())
        self.chosen = self._chosen.digest()
        self._chosen.update(hashed)
        self.count, self.last = self.count + 1, said

    def _check(self, number: int, said: Any) -> None:
        if not isinstance(said, dict):
            raise Wrong("shape", entry=number, field="*")
        if said.get("v") != VERSION:
            raise Refused("version", entry=number, found=said.get("v"), known=VERSION)
        if said.keys() != FIELDS:
            raise Wrong("shape", entry=number, field=min(said.keys() ^ FIELDS))
        if said["seq"] != number or type(said["seq"]) is not int:
            raise Wrong("number", entry=number, found=said["seq"])
        if said["box"] != self.box or repr(said["epoch"]) != self.epoch:
            raise Wrong("other-box", entry=number, other=f"{said['box']}/{said['epoch']}")
        whole = type(said["mono_us"]) is int and said["mono_us"] >= 0
        cited = isinstance(said["refs"], list) and all(type(r) is int and 0 < r < number for r in said["refs"])
        dated = isinstance(said["at"], str) and _AT.fullmatch(said["at"])
        parts = {
            "at": dated, "boot": isinstance(said["boot"], str), "kind": isinstance(said["kind"], str),
            "mono_us": whole, "refs": cited, "data": isinstance(said["data"], dict),
            "actor": isinstance(said["actor"], dict) and said["actor"].keys() == {"id", "kind", "name", "role"},
            "clock": isinstance(said["clock"], dict) and said["clock"].keys() == {"age_s", "offset_ms", "state"},
        }  # fmt: skip
        for field, right in parts.items():
            if not right:
                raise Wrong("shape", entry=number, field=field)

    def _check_time(self, number: int, said: dict[str, Any]) -> None:
        """Within one run of the box the monotonic clock never goes back. The wall clock may; it is worth a remark."""
        boot, mono_us = said["boot"], said["mono_us"]
        if mono_us < self._mono_us.get(boot, 0):
            raise Wrong("monotonic", entry=number)
        self._mono_us[boot] = mono_us
        try:
            at = datetime.fromisoformat(said["at"][:-1])
        except ValueError:
            raise Wrong("shape", entry=number, field="at") from None
        before, self._before = self._before, (boot, mono_us, at)
        if before is None or self.newest[0] != number - 1:
            return
        if before[0] != boot:
            self.report.remark("boot", entry=number)
        elif mono_us - before[1] > HOLE_US:
            self.report.remark("hole", entry=number, s=(mono_us - before[1]) // 1_000_000)
        if at < before[2]:
            self.report.remark("set-back", entry=number, s=int((before[2] - at).total_seconds()))

    # openings stand in the order of the rows, so that a million rows need little memory

    def _read_openings(self, lines: Iterable[bytes]) -> Iterator[tuple[int, str, bytes, str]]:
        before: tuple[int, str] = (0, "")
        for number, line in enumerate(lines, 1):
            try:
                said = read_json(line[:-1] if line.endswith(b"\n") else b"")
                seq, path, salt, value = said["seq"], said["path"], _hash(said["salt"]), said["value"]
                if len(said) != 4 or type(seq) is not int or not isinstance(path, str) or not isinstance(value, str):
                    raise ValueError("seq, path, salt, value")
            except (ValueError, TypeError, KeyError) as bad:
                raise Wrong("opening-form", file=OPENINGS, line=number, cause=str(bad)) from None
            if (seq, path) <= before:
                raise Wrong("opening-order", file=OPENINGS, line=number)
            before = (seq, path)
            yield seq, path, salt, value

    def _check_personal(self, number: int, said: dict[str, Any], row: bytes) -> None:
        places = dict(personal_places(said)) if b'{"commit":' in row else {}
        while self._opening is not None and self._opening[0] <= number:
            seq, path, salt, value = self._opening
            if seq < number or path not in places:
                raise Wrong("opening-alone", entry=seq, path=path)
            if hashlib.sha256(salt + value.encode()).hexdigest() != places.pop(path):
                raise Wrong("opening-wrong", entry=number, path=path)
            self._opening = next(self._openings, None)
        self._unopened |= {(number, path) for path in places}
        if said["kind"] == "personal.erased":
            self._take_erasure(number, said["data"])

    def _take_erasure(self, number: int, data: Mapping[str, Any]) -> None:
        try:
            self._erased.update({(told["seq"], path): number for told in data["erased"] for path in told["paths"]})
        except (KeyError, TypeError):
            raise Wrong("shape", entry=number, field="data") from None

    def close(self, whole: bool) -> None:
        """After the last row: no opening is left over, and what is not opened was erased by a later entry."""
        if self._opening is not None:
            raise Wrong("opening-alone", entry=self._opening[0], path=self._opening[1])
        for seq, path in sorted(self._unopened):
            if self._erased.get((seq, path), 0) <= seq:
                raise Wrong("erased-silently", entry=seq, path=path)
        for (seq, path), number in self._erased.items() if whole else ():
            if (seq, path) not in self._unopened:
                raise Wrong("not-erased", entry=number, path=path)
        if self._unopened:
            self.report.remark("erased", n=len(self._unopened))


def read_rows(lines: Iterable[bytes], numbers: Iterable[int], leaves: bytes, rows: Rows) -> None:
    """Take every line of journal.jsonl as the entry of its number. Raises at the first bad one."""
    source = iter(lines)
    for number in numbers:
        line = next(source, None)
        if line is None:
            raise Wrong("ends", entry=number, file=ROWS)
        if not line.endswith(b"\n"):
            raise Wrong("cut", entry=number)
        rows.take(number, line[:-1], leaves[32 * number - 32 : 32 * number])
    if next(source, None) is not None:
        raise Wrong("after-last")


# --- the folder ---


def _open(folder: Path, name: str) -> Any:
    """A plain file of the folder, never what a link points to."""
    try:
        handle = os.open(folder / name, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0))
        return os.fdopen(handle, "rb")
    except OSError as cause:
        raise Refused("unreadable", file=name, cause=cause.strerror) from None


def _read(folder: Path, name: str) -> bytes:
    with _open(folder, name) as file:
        raw: bytes = file.read()
    return raw


def _look(folder: Path) -> list[str]:
    """The names of the stored checkpoints, after a look that the folder holds what it must and nothing else."""
    if not folder.is_dir():
        raise Refused("no-folder", file=str(folder))
    inside = {entry.name: entry for entry in os.scandir(folder)}
    for name in sorted(FILES | {NOTES}):
        if name not in inside:
            raise Refused("no-file", file=name)
        if not (stat.S_ISDIR if name == NOTES else stat.S_ISREG)(inside[name].stat(follow_symlinks=False).st_mode):
            raise Refused("not-a-file", file=name)
    notes = {f"{NOTES}/{entry.name}": entry for entry in os.scandir(folder / NOTES)}
    for name, entry in sorted({**inside, **notes}.items()):
        if name in notes and not stat.S_ISREG(entry.stat(follow_symlinks=False).st_mode):
            raise Refused("not-a-file", file=name)
        if name not in FILES | {NOTES} and not re.fullmatch(NOTES + r"/[0-9]{12}\.note", name):
            raise Refused("extra", file=name)
    return sorted(notes)


def check(folder: Path, given: Sequence[str] = (), key_given: str | None = None) -> Report:
    """Check an export folder against its own checkpoints and those given. Never raises for what is in the folder."""
    report = Report()
    try:
        _check(Path(folder), given, key_given, report)
        report.checked = not report.refusals
    except Wrong as trouble:
        report.add(trouble)
    except OSError as cause:
        report.add(Refused("unreadable", file=str(folder), cause=str(cause)))
    except MemoryError:
        report.add(Refused("unreadable", file=str(folder), cause="too large for this machine's memory"))
    if not given:
        report.remark("no-checkpoint")
    return report


def _check(folder: Path, given: Sequence[str], key_given: str | None, report: Report) -> None:
    stored = _look(folder)
    raw = _read(folder, KEY)
    key = read_key(raw, KEY)
    if not raw.endswith(b"\n"):
        raise Refused("key", file=KEY)
    if key_given is not None and read_key(file_or_text(key_given, "--key")[1], "--key") != key:
        raise Refused("other-key", file=KEY)
    report.origin = key.name
    head = read_checkpoint(_read(folder, HEAD), key, HEAD, ours_alone=True)
    report.size, report.root = head.size, head.root.hex()
    leaves = _read(folder, LEAVES)
    if len(leaves) != 32 * head.size:
        report.add(Wrong("leaves", file=LEAVES, found=len(leaves) // 32, size=head.size))
    kept = list(_stored(folder, stored, key))
    if head.size not in (c.size for c in kept):
        raise Refused("no-file", file=f"{NOTES}/{head.size:012}.note")
    checkpoints = [head, *kept]
    outside = list(read_given(given, key, report))
    hold_against(checkpoints, leaves, report)
    report.held = hold_against(outside, leaves, report)
    proofs = _proofs(_read(folder, PROOFS), head.size)
    numbers = sorted(proofs["inclusion"]) or range(1, head.size + 1)
    with _open(folder, ROWS) as lines, _open(folder, OPENINGS) as openings:
        rows = Rows(key.name, openings, report)
        try:
            if not lines.peek(1):
                raise Refused("empty")
            read_rows(lines, numbers, leaves, rows)
            rows.close(whole=rows.count == head.size)
        finally:
            report.rows = rows.count
    _check_proofs(proofs, leaves, head, checkpoints)
    _check_exported(folder, rows, head.size)
    if rows.count < head.size:
        report.remark("left-out", n=head.size - rows.count)


def _stored(folder: Path, names: Iterable[str], key: Key) -> Iterator[Checkpoint]:
    for name in names:
        found = read_checkpoint(_read(folder, name), key, name, ours_alone=True)
        if name != f"{NOTES}/{found.size:012}.note":
            raise Wrong("name", file=name, size=found.size)
        yield found


def file_or_text(given: str, option: str) -> tuple[str, bytes]:
    if "\n" in given or ("+" in given and not os.path.exists(given)):  # noqa: PTH110
        return option, (given if given.endswith("\n") else given + "\n").encode("utf-8", "surrogateescape")
    try:
        return given, Path(given).read_bytes()
    except (OSError, ValueError) as cause:
        raise Refused("unreadable", file=given, cause=str(getattr(cause, "strerror", cause))) from None


def notes_in(raw: bytes) -> list[bytes]:
    """The checkpoints of a file: one, or several with an empty line between them, as the head's stick holds them."""
    pieces = re.split(b"\n\n(?!\xe2\x80\x94 )", raw)  # the empty line inside a note stands before a dash
    return [piece + b"\n" for piece in pieces[:-1]] + pieces[-1:]


def read_given(given: Sequence[str], key: Key, report: Report) -> Iterator[Checkpoint]:
    """What was given with --checkpoint. One that is of no use does not keep the others from being compared."""
    for each in given:
        try:
            name, raw = file_or_text(each, "--checkpoint")
        except Wrong as trouble:
            report.refusals.append(trouble.finding)
            continue
        notes = notes_in(raw)
        for number, note in enumerate(notes, 1):
            file = name if len(notes) == 1 else f"{name}, {number}"
            try:
                found = read_checkpoint(note, key, file)
            except Wrong as trouble:  # a given checkpoint that was altered says nothing about the journal
                report.refusals.append(trouble.finding)
                continue
            if found.others:
                report.remark("others", file=file, n=found.others)
            yield found


def _proofs(raw: bytes, size: int) -> dict[str, Any]:
    """proofs.json: {"consistency": {size: [hash]}, "inclusion": {seq: [hash]}, "size": n, "v": 1}, keys as numbers."""
    try:
        said = read_json(raw.removesuffix(b"\n"))
        if not raw.endswith(b"\n") or said.keys() != {"consistency", "inclusion", "size", "v"}:
            raise ValueError
        if (repr(said["v"]), said["size"]) != ("1", size):  # True is 1 too
            raise ValueError
        return {part: {_place(n): [_hash(h) for h in hashes] for n, hashes in said[part].items()}
                for part in ("consistency", "inclusion")}  # fmt: skip
    except (ValueError, TypeError, AttributeError):
        raise Refused("proofs", file=PROOFS) from None


def _place(text: str) -> int:
    if not re.fullmatch(r"[1-9][0-9]{0,15}", text):
        raise ValueError(text)
    return int(text)


def _hash(text: str) -> bytes:
    if not re.fullmatch(r"[0-9a-f]{64}", text):
        raise ValueError(text)
    return bytes.fromhex(text)


def _check_proofs(proofs: dict[str, Any], leaves: bytes, head: Checkpoint, checkpoints: Sequence[Checkpoint]) -> None:
    """Every proof leads to the newest checkpoint, and each stored checkpoint has one."""
    for seq, proof in proofs["inclusion"].items():  # first, because these name a row
        if included_root(leaves[32 * seq - 32 : 32 * seq], seq - 1, head.size, proof) != head.root:
            raise Wrong("inclusion", file=PROOFS, entry=seq)
    old = {c.size: c.root for c in checkpoints if c.size != head.size}
    if proofs["consistency"].keys() != old.keys():
        raise Wrong("consistency", file=PROOFS, size=min(proofs["consistency"].keys() ^ old.keys()))
    for size, root in old.items():
        if not grew(size, head.size, root, head.root, proofs["consistency"][size]):
            raise Wrong("consistency", file=PROOFS, size=size)


def _check_exported(folder: Path, rows: Rows, size: int) -> None:
    """The last entry is `journal.exported`: it says which entries went out, and which program and text with them."""
    said = rows.last.get("data", {})
    if rows.last.get("kind") != "journal.exported" or rows.last.get("seq") != size:
        raise Wrong("unsaid")
    if (said.get("rows"), said.get("leaves")) != (rows.count - 1, rows.chosen.hex()):
        raise Wrong("selection", entry=size)
    for name, field in ((PROGRAM, "program"), (README, "readme")):
        if hashlib.sha256(_read(folder, name)).hexdigest() != said.get(field):
            raise Wrong("file-changed", file=name, entry=size)


# --- the command ---


def tell(report: Report, russian: bool) -> Iterator[str]:
    """What is printed: the verdict first."""
    both = (False, True) if russian else (False,)
    for ru in both:
        if report.ok:
            n, oldest = len(report.held), min((c.size for c in report.held), default=0)
            yield (
                f"Всё сходится: записей {report.rows} из {report.size}, контрольных точек извне {n}"
                if ru
                else f"Everything holds: {report.rows} of {report.size} entries, against {n} checkpoints from outside"
            ) + ((f", старшая на {oldest} записях." if ru else f", the oldest of {oldest} entries.") if n else ".")
        elif report.faults:
            yield "НЕВЕРНО." if ru else "WRONG."
        else:
            yield "НЕ ПРОВЕРЕНО, и это не успех." if ru else "NOT CHECKED, and that is no success."
        yield from (found.say(ru) for found in (*report.faults, *report.refusals))
        yield from (found.say(ru) for found in report.remarks[:REMARKS_SHOWN])
        if len(report.remarks) > REMARKS_SHOWN:
            yield Finding("more", {"n": len(report.remarks) - REMARKS_SHOWN}).say(ru)


def main(argv: Sequence[str] | None = None) -> int:
    """Check the folder the command line names; returns the exit status."""
    options = argparse.ArgumentParser(description="Check an exported access journal.", allow_abbrev=False)
    options.add_argument("folder", type=Path)
    options.add_argument("--checkpoint", action="append", default=[], metavar="FILE_OR_TEXT", nargs="+")
    options.add_argument("--key", metavar="KEY_OR_FILE", help="the public key you trust, from the claim sheet")
    options.add_argument("--json", action="store_true", help="print one JSON object for programs")
    asked = options.parse_args(argv)
    report = check(asked.folder, list(itertools.chain.from_iterable(asked.checkpoint)), asked.key)
    said = os.environ.get("LC_ALL") or os.environ.get("LC_MESSAGES") or os.environ.get("LANG") or ""
    if asked.json:
        print(json.dumps(report.as_json(), ensure_ascii=True))
    else:
        sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]
        print("\n".join(tell(report, said.startswith("ru"))))
    return report.exit_status


if __name__ == "__main__":
    sys.exit(main())
