"""Shared beginnings: the demo days run in the background while the other tests run, and their tests come last.

With pytest-xdist the process that hands out the tests plays the days; its workers read what they left.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from drivers.port import Port
from tests.fakes.days import FOLDER, Days, Results
from tests.fakes.panel_kinds import may_ever_send

DAYS = pytest.StashKey[Days]()


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):  # not one of xdist's workers
        config.stash[DAYS] = Days()
        os.environ[FOLDER] = str(config.stash[DAYS].folder)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The tests of the days last, so that the days have been played by then."""
    items.sort(key=lambda item: "days" in getattr(item, "fixturenames", ()))  # a stable sort


def pytest_collection_finish(session: pytest.Session) -> None:
    if DAYS in session.config.stash and not session.config.option.collectonly:
        play(session.config, [item.nodeid for item in session.items])


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_node_collection_finished(node: object, ids: list[str]) -> None:
    config: pytest.Config = node.config  # type: ignore[attr-defined]
    play(config, ids)


def play(config: pytest.Config, ids: Iterable[str]) -> None:
    """Begin to play the days that the chosen tests need; once."""
    chosen = [name for name in ids if "test_day.py::" in name]
    wanted = [day for day in ("calm", "killed") if any(f"[{day}" in name for name in chosen)]
    if wanted:
        config.stash[DAYS].start(wanted)


def pytest_unconfigure(config: pytest.Config) -> None:
    if DAYS in config.stash:
        config.stash[DAYS].close()


@pytest.fixture(scope="session")
def days() -> Results:
    """The demo days of this run; `days.result("calm")` waits for one to end."""
    return Results(Path(os.environ[FOLDER]))


@pytest.fixture(scope="session", autouse=True)
def every_byte_ever_sent() -> Iterator[None]:
    """Panels are read only: all that any test sends through a driver's port lies in that driver's second allow-list."""
    write, sent = Port.write, set[tuple[str, bytes]]()

    def written_down(port: Port, data: bytes) -> None:
        write(port, data)
        codec = getattr(port._may_send, "__self__", None)  # ports of tests that bring a rule of their own have none
        if codec is not None:
            sent.add((codec.kind, data))

    Port.write = written_down  # type: ignore[assignment, method-assign]
    yield
    Port.write = write  # type: ignore[method-assign]
    assert [(kind, data) for kind, data in sorted(sent) if not may_ever_send(kind, data)] == []
