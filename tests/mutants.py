"""Breaks the journal's verifier in every small way, one at a time, and asks whether its tests notice.

    python tests/mutants.py [--jobs 3] [--from LINE] [--to LINE]

Each mutant is a copy of appliance/verify_journal.py with one operator, constant or statement changed; it is killed when
tests/test_verify_journal.py or test_verify_journal_says.py fails on it. Sentences for people are left alone: words with
blanks, and TEXTS. mutmut and its kind run a suite from the checkout; this needs three files and so takes minutes. Exit
status 0 from 95 % on.

What survives because it changes nothing: the quick way past the first plane of Unicode (the slow one gives the same),
one step more in `roots`, `old <= new` where equal was answered before, defaults that no caller reaches (`O_NOFOLLOW`,
`O_BINARY` of other systems, `min` and `max` of nothing that is not shown, an erasure told by entry 1), `peek(2)`.
"""

from __future__ import annotations

import argparse
import ast
import multiprocessing
import os
import resource
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

import hypothesis.strategies  # noqa: F401  # loaded once, for all children
import pytest

ROOT = Path(__file__).resolve().parent.parent
TARGET = "appliance/verify_journal.py"
TESTS = ("tests/test_verify_journal.py", "tests/test_verify_journal_says.py")
NEEDED = (TARGET, *TESTS, "appliance/__init__.py", "tests/__init__.py", "tests/fakes/__init__.py",
          "tests/fakes/journal_folder.py")  # fmt: skip
ASKED_PERCENT, LIMIT_CPU_S = 95, 30
FORK = multiprocessing.get_context("fork")
OTHER: dict[type, type] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.And: ast.Or, ast.Or: ast.And,
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.FloorDiv: ast.Mult, ast.Mod: ast.FloorDiv,
    ast.Pow: ast.Mult, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd, ast.BitXor: ast.BitAnd,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Mutant:
    """The `variant`-th change of the `place`-th node of the tree. `place` -1: nothing is changed."""

    line: int
    what: str
    place: int = -1
    variant: int = 0

    def source(self, text: str) -> str:
        """The whole changed file."""
        tree = ast.parse(text)
        if self.place >= 0:
            _, change = list(_changes(list(ast.walk(tree))[self.place]))[self.variant]
            change()
        return ast.unparse(ast.fix_missing_locations(tree))


def mutants(source: str) -> list[Mutant]:
    """Every mutant of a file, in the order of its lines."""
    tree = ast.parse(source)
    annotations = [getattr(node, name, None) for node in ast.walk(tree) for name in ("returns", "annotation")]
    whole = [node for node in ast.walk(tree) if _spared(node)] + [node for node in annotations if node is not None]
    spared = {id(inner) for node in whole for inner in ast.walk(node)}
    found = [
        Mutant(getattr(node, "lineno", 0), what, place, variant)
        for place, node in enumerate(ast.walk(tree))
        if id(node) not in spared
        for variant, (what, _) in enumerate(_changes(node))
    ]
    return sorted(found, key=lambda mutant: mutant.line)


def _spared(node: ast.AST) -> bool:
    """The sentences, imports, annotations, and what only the terminal sees."""
    if isinstance(node, ast.Import | ast.ImportFrom | ast.Try) and any(
        isinstance(n, ast.alias) and n.name == "InvalidSignature" for n in ast.walk(node)
    ):
        return True
    if isinstance(node, ast.Assign | ast.AnnAssign):
        names = [ast.unparse(t) for t in (node.targets if isinstance(node, ast.Assign) else [node.target])]
        return names == ["TEXTS"]
    told = isinstance(node, ast.keyword) and node.arg in ("help", "metavar")
    return told or isinstance(node, ast.arg | ast.JoinedStr)


def _changes(node: ast.AST) -> Iterator[tuple[str, Callable[[], object]]]:
    """(what, do it) for each way to break this node."""
    if isinstance(node, ast.Compare):
        for n, op in enumerate(node.ops):
            yield f"{type(op).__name__} other", lambda n=n, op=op: node.ops.__setitem__(n, OTHER[type(op)]())
    elif isinstance(node, ast.BoolOp | ast.BinOp | ast.AugAssign) and type(node.op) in OTHER:
        yield f"{type(node.op).__name__} other", lambda: setattr(node, "op", OTHER[type(node.op)]())
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield "not dropped", lambda: _replace(node)
    elif isinstance(node, ast.Constant):
        yield from _constants(node)
    elif isinstance(node, ast.If | ast.While | ast.IfExp):
        yield "negated", lambda: setattr(node, "test", ast.UnaryOp(ast.Not(), node.test))
    elif isinstance(node, ast.Return) and node.value is not None and not isinstance(node.value, ast.Constant):
        yield "returns None", lambda: setattr(node, "value", ast.Constant(None))
    body = getattr(node, "body", None)
    for block in (body, getattr(node, "orelse", None), getattr(node, "finalbody", None)):
        if isinstance(block, list):
            for n, statement in enumerate(block):
                if isinstance(statement, ast.Raise | ast.AugAssign | ast.Continue | ast.Break) or (
                    isinstance(statement, ast.Expr) and not isinstance(statement.value, ast.Constant)
                ):
                    told = f"line {statement.lineno} dropped: {ast.unparse(statement)[:60]}"
                    yield told, lambda block=block, n=n: block.__setitem__(n, ast.Pass())


def _replace(node: ast.UnaryOp) -> None:
    """`not x` becomes `not not x`, which is x as a truth."""
    node.operand = ast.UnaryOp(ast.Not(), node.operand)


def _constants(node: ast.Constant) -> Iterator[tuple[str, Callable[[], object]]]:
    value = node.value
    if isinstance(value, bool):
        yield f"{value} negated", lambda: setattr(node, "value", not value)
    elif isinstance(value, int):
        yield f"{value} + 1", lambda: setattr(node, "value", value + 1)
    elif isinstance(value, str) and value and " " not in value and "\n" not in value:
        yield f"{value!r} changed", lambda: setattr(node, "value", value + "X")
    elif isinstance(value, bytes) and value:
        yield f"{value!r} changed", lambda: setattr(node, "value", value + b"X")


def killed(mutant: Mutant, folder: Path) -> bool:
    """Whether the tests fail on it, in a child that has pytest and hypothesis in memory already."""
    child = FORK.Process(target=_test, args=(mutant, folder))
    child.start()
    child.join()
    return child.exitcode != 0


def _test(mutant: Mutant, folder: Path) -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (LIMIT_CPU_S, LIMIT_CPU_S))  # one that hangs is noticed, a busy machine not
    (folder / TARGET).write_text(mutant.source((ROOT / TARGET).read_text(encoding="utf-8")), encoding="utf-8")
    os.chdir(folder)
    os.environ["EXAMSITE_MUTANT"] = "1"
    sys.path[:] = [str(folder), *(place for place in sys.path if Path(place).resolve() not in (ROOT, ROOT / "tests"))]
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    sys.dont_write_bytecode = True
    os._exit(int(pytest.main(["-x", "-q", "-n", "0", "--noconftest", "-p", "no:cacheprovider", "-p", "no:playwright",
                              "-c", str(ROOT / "pyproject.toml"), "--rootdir", str(folder), *TESTS])))  # fmt: skip


def workplace(above: Path, number: int) -> Path:
    folder = above / str(number)
    for name in NEEDED:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).exists():
            shutil.copy(ROOT / name, folder / name)
    return folder


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--jobs", type=int, default=3)
    options.add_argument("--from", dest="first", type=int, default=1)
    options.add_argument("--to", dest="last", type=int, default=1 << 30)
    asked = options.parse_args()
    source = (ROOT / TARGET).read_text(encoding="utf-8")
    all_of_them = [m for m in mutants(source) if asked.first <= m.line <= asked.last]
    with tempfile.TemporaryDirectory(prefix="mutants-") as above, ThreadPoolExecutor(asked.jobs) as pool:
        places: SimpleQueue[Path] = SimpleQueue()
        for number in range(asked.jobs):
            places.put(workplace(Path(above), number))
        unchanged = places.get()
        if killed(Mutant(0, "unchanged"), unchanged):
            print("the tests fail on the unchanged file", file=sys.stderr)
            return 2
        places.put(unchanged)

        def judge(mutant: Mutant) -> bool:
            place = places.get()
            try:
                return killed(mutant, place)
            finally:
                places.put(place)

        dead = 0
        for mutant, died in zip(all_of_them, pool.map(judge, all_of_them), strict=True):
            dead += died
            if not died:
                print(f"survived: line {mutant.line}: {mutant.what}", flush=True)
            print(f"{mutant.line}", end="\r", file=sys.stderr, flush=True)
    percent = 100 * dead / max(1, len(all_of_them))
    print(f"{dead} of {len(all_of_them)} killed, {percent:.1f} %; {ASKED_PERCENT} % asked")
    return 0 if percent >= ASKED_PERCENT else 1


if __name__ == "__main__":
    sys.exit(main())
