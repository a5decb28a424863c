"""What the pages' tests begin with: a seeded site, its application, and people at it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask

from appliance.model import Role
from tests.fakes import seeded_site
from tests.fakes.seeded_site import Moment, Site
from tests.fakes.visitor import Visitor
from web import create_app

Seeded = Callable[[Moment], Site]


@pytest.fixture(scope="session")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> Seeded:
    """Each moment of the day is lived through once a run, in English, for words to be compared."""
    lived: dict[Moment, Site] = {}

    def at(moment: Moment) -> Site:
        if moment not in lived:
            folder = tmp_path_factory.mktemp(f"seeded-{moment}")
            lived[moment] = seeded_site.seed(folder, moment, language="en", segment_s=3600)
        return lived[moment]

    return at


@pytest.fixture
def site(seeded: Seeded, tmp_path: Path) -> Site:
    """11:41 of the exam day."""
    return seeded_site.copy(seeded("during"), tmp_path)


@pytest.fixture
def before(seeded: Seeded, tmp_path: Path) -> Site:
    """08:04, the checks have just run."""
    return seeded_site.copy(seeded("before"), tmp_path)


@pytest.fixture
def after(seeded: Seeded, tmp_path: Path) -> Site:
    """15:20, the archive is sealed and a hand-over waits for security."""
    return seeded_site.copy(seeded("after"), tmp_path)


@pytest.fixture
def app(site: Site) -> Flask:
    return create_app(site.config, site.clock)


@pytest.fixture
def visit(site: Site, app: Flask) -> Callable[[Role], Visitor]:
    """Somebody of this role, signed in."""
    return lambda role: Visitor(app).sign_in(site, role)
