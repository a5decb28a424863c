"""What the pages' tests begin with: a seeded site, its application, and people at it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask

from appliance.model import Role
from tests.fakes import seeded_site
from tests.fakes.seeded_site import Site
from tests.fakes.visitor import Visitor
from web import create_app




@pytest.fixture
def site(tmp_path: Path) -> Site:
    """11:41 of the exam day, in English, for words to be compared."""
    return seeded_site.seed(tmp_path, "during", language="en", segment_s=3600)


@pytest.fixture
def before(tmp_path: Path) -> Site:
    return seeded_site.seed(tmp_path, "before", language="en", segment_s=3600)


@pytest.fixture
def after(tmp_path: Path) -> Site:
    return seeded_site.seed(tmp_path, "after", language="en", segment_s=3600)


@pytest.fixture
def app(site: Site) -> Flask:
    return create_app(site.config, site.clock)


@pytest.fixture
def visit(site: Site, app: Flask) -> Callable[[Role], Visitor]:
    """Somebody of this role, signed in."""
    return lambda role: Visitor(app).sign_in(site, role)
