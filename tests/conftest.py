"""Shared beginnings: the demo days run in the background while the other tests run, and their tests come last."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from drivers.port import Port
from tests.fakes.days import Days
from tests.fakes.panel_kinds import may_ever_send

DAYS = pytest.StashKey[Days]()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The tests of the days last, so that the days have been played by then."""
    items.sort(key=lambda item: "days" in getattr(item, "fixturenames", ()))  # a stable sort


def pytest_collection_finish(session: pytest.Session) -> None:
    """Begin to play the days that the chosen tests need."""
    wanted = {name for item in session.items if "days" in getattr(item, "fixturenames", ())
              for name in ("calm", "killed") if name in item.name}  # fmt: skip
    if wanted and not session.config.option.collectonly:
        days = Days(sorted(wanted))
        session.config.stash[DAYS] = days
        days.start()


def pytest_unconfigure(config: pytest.Config) -> None:
    if DAYS in config.stash:
        config.stash[DAYS].close()


@pytest.fixture(scope="session")
def days(request: pytest.FixtureRequest) -> Days:
    """The demo days of this run; `days.result("calm")` waits for one to end."""
    return request.config.stash[DAYS]


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
