"""Every page and every press against every role and nobody: the application, its table of rights, docs/roles.md.

`python -m tests.test_role_matrix` writes the table anew, for a reader to look at what changed before it is committed.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from flask import Flask

from appliance import journal
from appliance.model import Role
from tests.fakes.seeded_site import PASSWORD, Site
from tests.fakes.visitor import Visitor
from tests.test_web_rights import routes
from web import rights

pytest_plugins = ["tests.web_fixtures"]

TABLE = Path(__file__).resolve().parent.parent / "docs" / "roles.md"
HEAD = """# Every page and press, and who may

Generated from the application's routes and `web/rights.py` by `python -m tests.test_role_matrix`; the tests compare it,
and try each line with each role. x: allowed. own: only what this person made themselves (`journal.all` has it all). An
empty cell is refused with a sentence that says whose it is; nobody (not signed in) is sent to the sign-in page. HEAD
and OPTIONS go with GET.

| Method | Address | Right | Nobody | Technician | Head | Security | Exporter | Administrator |
|---|---|---|---|---|---|---|---|---|
"""
ROLES = (Role.TECHNICIAN, Role.HEAD, Role.SECURITY, Role.EXPORTER, Role.ADMIN)
NOT_PRESSED = ("/live", "/signout")  # a stream never ends here; signing out would end this visit
OWN = ("journal.entry", "journal.entries", "access.act", "access.question")  # journal.read, narrowed by journal.all


def table(app: Flask) -> str:
    """The matrix as the page has it."""
    lines = []
    for rule in sorted(app.url_map.iter_rules(), key=lambda rule: (rule.rule, sorted(rule.methods or ()))):
        right = rights.needed(app.view_functions[rule.endpoint])
        assert right is not None
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            cells = ["x" if right == rights.OPEN else "", *(_cell(rule.endpoint, right, role) for role in ROLES)]
            lines.append(f"| {method} | `{rule.rule}` | `{right}` | {' | '.join(cells)} |\n")
    return HEAD + "".join(lines)


def _cell(endpoint: str, right: str, role: Role) -> str:
    if right != rights.OPEN and not rights.allows(role, right):
        return ""
    return "own" if endpoint in OWN and not rights.allows(role, "journal.all") else "x"


def test_the_table_is_the_one_that_somebody_looked_at(app: Flask) -> None:
    """A new route, or another right, changes this table: look at it, then write it anew."""
    assert TABLE.read_text(encoding="utf-8") == table(app)


@pytest.mark.parametrize("role", list(Role), ids=lambda role: role.value)
def test_the_table_decides_every_route_for_every_role(site: Site, app: Flask, role: Role) -> None:
    app.config["WTF_CSRF_ENABLED"] = False  # the right must refuse by itself, before any form is looked at
    visitor = Visitor(app)
    visitor.client.post("/signin", data={"login": site.login(role), "password": PASSWORD})
    own = journal.head(site.db)[0]  # that they signed in
    for method, path, right in routes(app, own):
        if path in NOT_PRESSED:
            continue
        answer = visitor.client.open(path, method=method)
        allowed = right == rights.OPEN or rights.allows(role, right)
        assert (answer.status_code != 403) is allowed, (role, method, path, right, answer.status_code)
        assert answer.status_code < 500 or answer.status_code == 503, (role, method, path)  # 503: no picture comes now


def test_somebody_who_is_not_signed_in_gets_nothing_but_the_sign_in_page(app: Flask) -> None:
    app.config["WTF_CSRF_ENABLED"] = False
    for method, path, right in routes(app):
        answer = app.test_client().open(path, method=method)
        if right == rights.OPEN:
            assert answer.status_code != 403
        elif method == "GET" and path != "/live":
            assert answer.status_code == 302, path
            assert answer.location.startswith("/signin"), path
        else:
            assert answer.status_code == 401, path


@pytest.mark.parametrize("role", [Role.SECURITY, Role.EXPORTER], ids=lambda role: role.value)
def test_what_is_somebody_else_s_in_the_journal_is_refused_one_by_one(site: Site, app: Flask, role: Role) -> None:
    visitor = Visitor(app).sign_in(site, role)
    for entry in journal.entries(site.db, limit=100, alive=True):
        mine = entry.actor.id == site.login(role)
        assert (visitor.get(f"/journal/{entry.seq}").status_code == 200) is mine, entry.kind


if __name__ == "__main__":
    import tempfile

    from tests.fakes import seeded_site
    from web import create_app

    with tempfile.TemporaryDirectory() as folder:
        made = seeded_site.seed(Path(folder), "before", language="en", segment_s=3600)
        TABLE.write_text(table(create_app(made.config, made.clock)), encoding="utf-8")
