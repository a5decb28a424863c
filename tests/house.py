"""Reads the house as a plan: who imports whom, opens which door, writes which table. tests/test_house.py judges it.

Nothing is imported or run: the sources are read with `ast`, so a wall holds for a line no test ever reaches.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

ROOMS = ("drivers", "appliance", "web", "demo")  # from the ground up
SQL_WRITE = re.compile(
    r"\b(?:insert(?:\s+or\s+\w+)?\s+into|replace\s+into|update(?:\s+or\s+\w+)?(?=\s+\S+\s+(?:as\s+\w+\s+)?set\b)|delete\s+from)"
    r"\s+[\"\[`]?(?P<table>\w+|\{\})",
    re.IGNORECASE,
)
SQL_TRANSACTION = re.compile(
    r"^\s*(?:begin(?:\s+(?:immediate|exclusive|deferred|transaction))?|commit|rollback(?:\s+to\b.*)?|savepoint\b.*|release\b.*)\s*;?\s*$",
    re.IGNORECASE,
)
TABLE_WRITERS = {  # sqlite-utils' own ways to change rows: db["alarm"].insert(...), db.table("alarm").upsert(...)
    "insert",
    "insert_all",
    "upsert",
    "upsert_all",
    "update",
    "delete",
    "delete_where",
    "drop",
    "transform",
    "convert",
    "lookup",
}


@dataclass(frozen=True, slots=True)
class Source:
    """One file of the house: its dotted name and its syntax tree."""

    name: str
    path: str
    tree: ast.Module
    is_package: bool

    def at(self, node: ast.AST) -> str:
        return f"{self.path}:{getattr(node, 'lineno', 1)}"


@dataclass(frozen=True, slots=True)
class Import:
    source: Source
    target: str  # a module of the house by its full name, otherwise what was written
    where: str

    def __str__(self) -> str:
        return f"{self.where}: {self.source.name} imports {self.target}"


def read_house(root: Path) -> dict[str, Source]:
    """Every Python file of the four rooms, by dotted name."""
    found: dict[str, Source] = {}
    for room in ROOMS:
        for path in sorted((root / room).rglob("*.py")):
            parts = list(path.relative_to(root).with_suffix("").parts)
            is_package = parts[-1] == "__init__"
            name = ".".join(parts[:-1] if is_package else parts)
            found[name] = Source(
                name, str(path.relative_to(root)), ast.parse(path.read_text(encoding="utf-8")), is_package
            )
    return found


def within(name: str, package: str) -> bool:
    """`appliance.store` is within `appliance` and within itself, `appliances` is not."""
    return name == package or name.startswith(package + ".")


def imports(house: dict[str, Source]) -> list[Import]:
    """Every import anywhere in a file, also inside functions and under TYPE_CHECKING: a wall has no back door."""
    return [
        Import(source, target, source.at(node))
        for source in house.values()
        for node in ast.walk(source.tree)
        for target in _targets(node, source, house)
    ]


def _targets(node: ast.AST, source: Source, house: dict[str, Source]) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        base = node.module or ""
        if node.level:
            above = source.name.split(".")
            above = above[: len(above) - node.level + source.is_package]
            base = ".".join([*above, *([base] if base else [])])
        for alias in node.names:
            inner = f"{base}.{alias.name}"
            yield inner if inner in house or base not in house else base
    elif isinstance(node, ast.Call) and _called(node) in {"__import__", "import_module", "importlib.import_module"}:
        named = node.args[0] if node.args else None
        if isinstance(named, ast.Constant) and isinstance(named.value, str):
            yield named.value


def circle(house: dict[str, Source]) -> list[str]:
    """The modules of one circle of imports, or nothing."""
    graph: dict[str, set[str]] = {name: set() for name in house}
    for each in imports(house):
        if each.target in house and each.target != each.source.name:
            graph[each.source.name].add(each.target)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def _called(node: ast.Call) -> str:
    return ast.unparse(node.func)


def calls(source: Source) -> Iterator[tuple[str, ast.Call]]:
    """Every call with its full name: `now()` after `from datetime import ...` cannot hide behind an alias."""
    aliases: dict[str, str] = {}
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            aliases |= {a.asname: a.name for a in node.names if a.asname}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            aliases |= {a.asname or a.name: f"{node.module}.{a.name}" for a in node.names}
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call):
            head, _, rest = _called(node).partition(".")
            yield aliases.get(head, head) + (f".{rest}" if rest else ""), node


def texts(source: Source) -> Iterator[tuple[str, ast.AST]]:
    """Every string of a file but its docstrings; the holes of an f-string read as {}."""
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    inside = {id(part) for node in ast.walk(source.tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings | inside:
            yield node.value, node
        elif isinstance(node, ast.JoinedStr):
            yield "".join(str(p.value) if isinstance(p, ast.Constant) else "{}" for p in node.values), node


def table_writes(source: Source) -> Iterator[tuple[str, str]]:
    """(table, place) of everything that changes rows, by SQL or by sqlite-utils; `{}` is a table named at run time."""
    for text, node in texts(source):
        for found in SQL_WRITE.finditer(text):
            yield found["table"].lower(), source.at(node)
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in TABLE_WRITERS:
            table = _sqlite_utils_table(node.func.value)
            if table is not None:
                yield table.lower(), source.at(node)


def _sqlite_utils_table(node: ast.expr) -> str | None:
    """The table behind `db["alarm"]` or `db.table("alarm")`; a plain dict called otherwise than db is none of ours."""
    held: ast.expr | None = None
    if isinstance(node, ast.Subscript) and ast.unparse(node.value).split(".")[-1] in {"db", "database"}:
        held = node.slice
    elif isinstance(node, ast.Call) and _called(node).endswith("db.table") and node.args:
        held = node.args[0]
    if held is None:
        return None
    return held.value if isinstance(held, ast.Constant) and isinstance(held.value, str) else "{}"


def table_owners(schema: str) -> dict[str, str]:
    """Table -> module, as schema.sql says above each group of tables: `-- checks/results.py: why`."""
    owners: dict[str, str] = {}
    owner = ""
    for line in schema.splitlines():
        if said := re.match(r"-- ([a-z_/]+)\.py\b", line):
            owner = "appliance." + said[1].replace("/", ".")
        elif made := re.match(r"create (?:virtual )?table (?:if not exists )?(\w+)", line):
            owners[made[1].lower()] = owner
    return owners
