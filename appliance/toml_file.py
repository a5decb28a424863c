"""TOML into frozen values: what is wrong with a file, each fault as one sentence with its key."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

M = TypeVar("M", bound=BaseModel)


def read(path: Path, faults: list[str]) -> dict[str, Any] | None:
    """What the file says; None, and a fault in `faults`, when it cannot be read or is no TOML."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as cause:
        faults.append(f"{path}: cannot be read: {cause.strerror}")
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as cause:
        faults.append(f"{path.name}: not valid TOML: {cause}")
    return None


def fits(path: Path, table: dict[str, Any], model: type[M], faults: list[str]) -> M | None:
    """The table as this model; None, and a sentence for each key that is wrong, when it is not."""
    try:
        return model.model_validate(table)
    except ValidationError as bad:
        faults.extend(f"{path.name}: {_sentence(error)}" for error in bad.errors(include_url=False))
        return None


def _sentence(error: Any) -> str:
    """`camera[2].room: missing; a text is needed` out of one pydantic error."""
    key = "".join(f"[{part + 1}]" if isinstance(part, int) else f".{part}" for part in error["loc"]).lstrip(".")
    kind, given = error["type"], error.get("input")
    if kind == "extra_forbidden":
        return f"{key}: unknown key; remove it or correct its spelling (docs/config.md lists the keys)"
    if kind == "missing":
        return f"{key}: missing; this key is needed (docs/config.md)"
    said = str(error["msg"]).removeprefix("Value error, ").removeprefix("Input ")
    shown = "" if isinstance(given, dict | list) else f"{given!r} "
    return f"{key or 'file'}: {shown}{said}"
