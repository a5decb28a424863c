"""Shared beginnings: the demo days run in the background while the other tests run, and their tests come last.

With pytest-xdist the process that hands out the tests plays the days; its workers read what they left.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from drivers.port import Port
from tests.fakes.days import FOLDER, Days, Results
from tests.fakes.panel_kinds import may_ever_send

DAYS = pytest.StashKey[Days]()
BROWSING, OF_A_DAY = "tests/browser/", "test_day.py::"


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):  # not one of xdist's workers
        config.stash[DAYS] = Days()
        config.pluginmanager.register(Turns(config.stash[DAYS]))
        os.environ[FOLDER] = str(config.stash[DAYS].folder)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The tests of the days last, so that the days have been played by then."""
    items.sort(key=lambda item: "days" in getattr(item, "fixturenames", ()))  # a stable sort


class Turns:
    """When the days are played: after the tests with a browser, which alone take two cores and come first."""

    def __init__(self, days: Days) -> None:
        self._days = days
        self._browsing: set[str] = set()

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        if not session.config.option.collectonly:
            self._chosen([item.nodeid for item in session.items])

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: list[str]) -> None:
        self._chosen(ids)

    def _chosen(self, ids: list[str]) -> None:
        chosen = [name for name in ids if OF_A_DAY in name]
        self._days.names = [day for day in ("calm", "killed") if any(f"[{day}" in name for name in chosen)]
        self._browsing = {name for name in ids if name.startswith(BROWSING)}
        self._begin()

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        self._browsing.discard(nodeid)
        self._begin()

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        if OF_A_DAY in nodeid:  # a test of a browser that never ended must not keep it from its day
            self._browsing.clear()
            self._begin()

    def _begin(self) -> None:
        if not self._browsing:
            self._days.start()


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
