"""Shared beginnings: the demo days run in the background while the other tests run, and their tests come last."""

from __future__ import annotations

import pytest

from tests.fakes.days import Days

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
