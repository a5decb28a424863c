"""The walls of the house (docs/architecture.md): who may import whom, who opens which door, who writes which table."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.house import (
    ROOMS,
    SQL_TRANSACTION,
    Import,
    Source,
    calls,
    circle,
    imports,
    read_house,
    table_owners,
    table_writes,
    texts,
    within,
)

ROOT = Path(__file__).resolve().parent.parent

# room -> what it never imports. Why each wall stands is in docs/architecture.md, "Walls".
WALLS = {
    "drivers": ("appliance", "web", "demo", "sqlite3", "sqlite_utils", "flask", "apscheduler"),
    "appliance": ("web", "flask", "flask_login", "flask_wtf", "werkzeug", "waitress", "demo"),
    "appliance.checks": ("serial",),
    "web": (
        "demo",
        "drivers",
        "subprocess",
        "serial",
        "apscheduler",
        "appliance.services",
        "appliance.recording",
        "appliance.schedule",
        "appliance.commands",
    ),
}
# who may, all the same: values a driver says are shown on pages; one command opens the demo, when it is asked for
THROUGH_THE_WALL = {("web", "drivers.types"), ("appliance.commands.demo", "demo")}
GROUND = ("appliance.model", "appliance.clock")

# library -> the only modules that may import it. The demo stands above the house and beside these doors.
DOORS = {
    "apscheduler": ("appliance.schedule",),
    "serial": ("drivers.port",),
    "gpiod": ("drivers.gpio",),
    "pymodbus": ("drivers.panels.modbus",),
    "zeep": ("drivers.onvif_request",),
    "onvif": ("drivers.onvif_request",),
    "subprocess": ("drivers",),
    "multiprocessing": ("drivers",),
    "tomllib": ("appliance.toml_file", "drivers.panels.profiles"),
    "re2": ("drivers.panels.rules",),
    "babel": ("appliance.words",),
    "reportlab": ("appliance.paper", "appliance.paper_mark", "appliance.prints", "appliance.journal_paper"),
    "fido2": ("appliance.passkeys",),
}
# call -> the only module that may make it
CALL_DOORS = {
    "datetime.now": "appliance.clock",
    "datetime.datetime.now": "appliance.clock",
    "datetime.utcnow": "appliance.clock",
    "datetime.datetime.utcnow": "appliance.clock",
    "datetime.today": "appliance.clock",
    "datetime.datetime.today": "appliance.clock",
    "date.today": "appliance.clock",
    "datetime.date.today": "appliance.clock",
    "time.time": "appliance.clock",
    "time.time_ns": "appliance.clock",
    "sqlite3.connect": "appliance.store",
    "sqlite_utils.Database": "appliance.store",
    "sqlite_utils.db.Database": "appliance.store",
    "os.fork": "drivers",
    "os.system": "drivers",
    "os.popen": "drivers",
    "os.posix_spawn": "drivers",
    "asyncio.create_subprocess_exec": "drivers",
    "asyncio.create_subprocess_shell": "drivers",
}
# beginning or ending a write is the store's alone (I5)
TRANSACTION_CALLS = ("commit", "rollback", "atomic", "executescript")


def walls_broken(house: dict[str, Source]) -> list[str]:
    """Imports against a wall, in words."""
    return [str(each) for each in imports(house) if any(_against(each, room, banned) for room, banned in WALLS.items())]


def _against(each: Import, room: str, banned: tuple[str, ...]) -> bool:
    if not within(each.source.name, room):
        return False
    allowed = any(within(each.source.name, who) and within(each.target, door) for who, door in THROUGH_THE_WALL)
    return not allowed and any(within(each.target, name) for name in banned)


def ground_broken(house: dict[str, Source]) -> list[str]:
    return [str(e) for e in imports(house) if e.source.name in GROUND and e.target.split(".")[0] in ROOMS]


def siblings_met(house: dict[str, Source]) -> list[str]:
    """Services that import services, checks that import checks, and anything that imports the command line."""
    found = []
    for each in imports(house):
        here, there = each.source.name, each.target
        services = within(here, "appliance.services") and there.startswith("appliance.services.")
        checks = (
            here.startswith("appliance.checks.")
            and there.startswith("appliance.checks.")
            and here not in ("appliance.checks.catalog", "appliance.checks.runner")
            and there != "appliance.checks.results"
        )
        commands = (
            within(there, "appliance.commands")
            and not within(here, "appliance.commands")
            and here != "appliance.__main__"
            and not within(here, "demo")
        )
        if here != there and (services or checks or commands):
            found.append(str(each))
    return found


def doors_bypassed(house: dict[str, Source]) -> list[str]:
    found = [
        str(each)
        for each in imports(house)
        for library, doors in DOORS.items()
        if within(each.target, library) and not any(within(each.source.name, door) for door in (*doors, "demo"))
    ]
    for name, source in house.items():
        if not within(name, "demo"):
            found += [
                f"{source.at(node)}: {name} calls {called}"
                for called, node in calls(source)
                if called in CALL_DOORS and not within(name, CALL_DOORS[called])
            ]
    return found


def foreign_writes(house: dict[str, Source], owners: dict[str, str]) -> list[str]:
    """I4: rows of a table written outside the module schema.sql names above it."""
    return [
        f"{where}: {name} writes {table}, which belongs to {owners.get(table, 'nobody: schema.sql has no such table')}"
        for name, source in house.items()
        for table, where in table_writes(source)
        if owners.get(table) != name
    ]


def transactions_begun(house: dict[str, Source]) -> list[str]:
    """I5: BEGIN, COMMIT and their kind said anywhere but in the store."""
    found = []
    for name, source in house.items():
        if name != "appliance.store":
            # a bare word may be any name; handed to execute() it is SQL
            run = {id(arg) for called, node in calls(source) if "execute" in called for arg in node.args}
            found += [
                f"{source.at(node)}: {name} says {text.strip()!r}"
                for text, node in texts(source)
                if SQL_TRANSACTION.match(text) and (" " in text.strip() or id(node) in run)
            ]
            found += [
                f"{source.at(node)}: {name} calls {called}"
                for called, node in calls(source)
                if "." in called and called.rsplit(".", 1)[1] in TRANSACTION_CALLS
            ]
    return found


@pytest.fixture(scope="module")
def house() -> dict[str, Source]:
    return read_house(ROOT)


@pytest.fixture(scope="module")
def owners() -> dict[str, str]:
    return table_owners((ROOT / "appliance/schema.sql").read_text(encoding="utf-8"))


def test_the_house_was_read(house: dict[str, Source]) -> None:
    assert {"appliance.model", "appliance.clock", "drivers.types"} <= house.keys()


def test_no_room_imports_through_a_wall(house: dict[str, Source]) -> None:
    assert walls_broken(house) == []


def test_model_and_clock_stand_on_the_ground(house: dict[str, Source]) -> None:
    assert ground_broken(house) == []


def test_services_checks_and_commands_keep_to_themselves(house: dict[str, Source]) -> None:
    assert siblings_met(house) == []


def test_every_library_and_call_has_one_door(house: dict[str, Source]) -> None:
    assert doors_bypassed(house) == []


def test_no_imports_run_in_a_circle(house: dict[str, Source]) -> None:
    assert circle(house) == []


def test_every_table_names_a_module_that_exists(house: dict[str, Source], owners: dict[str, str]) -> None:
    assert len(owners) > 10
    assert {table: owner for table, owner in owners.items() if owner not in house} == {}


def test_each_table_is_written_by_its_module_alone(house: dict[str, Source], owners: dict[str, str]) -> None:
    assert foreign_writes(house, owners) == []


def test_only_the_store_begins_and_ends_a_write(house: dict[str, Source]) -> None:
    assert transactions_begun(house) == []


# The walls themselves: each is walked into once.

CRIMES = [
    ("drivers/a.py", "from appliance import model", "drivers.a imports appliance.model"),
    ("drivers/panels/a.py", "from ...appliance import model", "drivers.panels.a imports appliance.model"),
    ("drivers/a.py", "def f():\n    import sqlite3", "drivers.a imports sqlite3"),
    ("appliance/a.py", "import flask.views", "appliance.a imports flask.views"),
    ("appliance/a.py", "from demo import day", "appliance.a imports demo"),
    ("appliance/model.py", "from . import clock", "appliance.model imports appliance.clock"),
    ("appliance/a.py", "import importlib\nimportlib.import_module('web')", "appliance.a imports web"),
    ("web/a.py", "from drivers import port", "web.a imports drivers.port"),
    ("web/a.py", "from appliance.services import recorder", "web.a imports appliance.services.recorder"),
    ("web/a.py", "from appliance.commands import run", "web.a imports appliance.commands.run"),
    ("appliance/services/recorder.py", "from appliance.services import watch", "imports appliance.services.watch"),
    ("appliance/checks/disk.py", "from .clock import skew", "imports appliance.checks.clock"),
    ("appliance/a.py", "import apscheduler.triggers", "appliance.a imports apscheduler.triggers"),
    ("appliance/a.py", "import subprocess", "appliance.a imports subprocess"),
    ("drivers/a.py", "from serial import Serial", "drivers.a imports serial.Serial"),
    ("appliance/a.py", "from datetime import datetime as d\nd.now()", "appliance.a calls datetime.datetime.now"),
    ("web/a.py", "import datetime\ndatetime.datetime.now()", "web.a calls datetime.datetime.now"),
    ("drivers/a.py", "from time import time\ntime()", "drivers.a calls time.time"),
    ("appliance/a.py", "import sqlite3 as s\ns.connect('x')", "appliance.a calls sqlite3.connect"),
    ("web/a.py", "from sqlite_utils import Database\nDatabase('x')", "web.a calls sqlite_utils.Database"),
    ("web/a.py", "db.execute('''insert into journal (row) values (?)''')", "web.a writes journal"),
    ("web/a.py", "db.execute('insert or ignore into zone values (1)')", "web.a writes zone"),
    ("web/a.py", "db.execute('update alarm set x = 1')", "web.a writes alarm"),
    ("web/a.py", "db.execute(f'delete from {t} where x')", "web.a writes {}"),
    ("web/a.py", "db['orders'].insert({})", "web.a writes orders"),
    ("web/a.py", "self.db.table('orders').upsert({})", "web.a writes orders"),
    ("web/a.py", "db.execute('begin immediate')", "web.a says 'begin immediate'"),
    ("web/a.py", "db.conn.execute('commit')", "web.a says 'commit'"),
    ("web/a.py", "db.conn.commit()", "web.a calls db.conn.commit"),
    ("appliance/a.py", "def f():\n    from appliance import b", "appliance.a -> appliance.b -> appliance.a"),
]
LAWFUL = [
    ("web/a.py", "from drivers.types import Event"),
    ("appliance/commands/demo.py", "def demo():\n    from demo import day"),
    ("appliance/a.py", "from appliance import store"),
    ("appliance/schedule.py", "import apscheduler"),
    ("appliance/checks/runner.py", "from appliance.checks import disk"),
    ("appliance/checks/disk.py", "from appliance.checks.results import Verdict"),
    ("appliance/journal.py", "db.execute('insert into journal (row) values (?)')"),
    ("appliance/a.py", "KEYS = {'commit': 'begin'}"),
    ("appliance/store.py", "import sqlite3\nsqlite3.connect('x').execute('begin immediate')"),
    ("appliance/a.py", '"""Before an update of alarm: set it, or delete from zone."""'),
    ("appliance/a.py", "text = 'update your password: set it again'\nd = {}\nd['x'].update({})"),
    ("demo/a.py", "import subprocess, time\nfrom appliance.services import recorder\ntime.time()"),
]
SMALL_HOUSE = (
    "drivers/__init__.py",
    "drivers/types.py",
    "drivers/port.py",
    "drivers/panels/__init__.py",
    "web/__init__.py",
    "demo/__init__.py",
    "appliance/__init__.py",
    "appliance/model.py",
    "appliance/clock.py",
    "appliance/store.py",
    "appliance/journal.py",
    "appliance/commands/__init__.py",
    "appliance/commands/run.py",
    "appliance/services/__init__.py",
    "appliance/services/recorder.py",
    "appliance/services/watch.py",
    "appliance/checks/__init__.py",
    "appliance/checks/clock.py",
    "appliance/checks/disk.py",
    "appliance/checks/results.py",
)


def every_fault(root: Path, path: str, code: str) -> list[str]:
    """Everything wrong with a small lawful house once `path` holds `code`."""
    for name in SMALL_HOUSE:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    (root / "appliance/b.py").write_text("from appliance import a\n")
    (root / "appliance/a.py").touch()
    (root / path).write_text(code + "\n")
    house = read_house(root)
    owners = {
        "journal": "appliance.journal",
        "alarm": "appliance.alarms",
        "zone": "appliance.alarms",
        "orders": "appliance.orders",
    }
    loop = " -> ".join(circle(house))
    return [
        *walls_broken(house),
        *ground_broken(house),
        *siblings_met(house),
        *doors_bypassed(house),
        *foreign_writes(house, owners),
        *transactions_begun(house),
        *([loop] if loop else []),
    ]


@pytest.mark.parametrize(("path", "code", "named"), CRIMES)
def test_a_wall_holds(tmp_path: Path, path: str, code: str, named: str) -> None:
    assert any(named in fault for fault in every_fault(tmp_path, path, code))


@pytest.mark.parametrize(("path", "code"), LAWFUL)
def test_what_is_lawful_passes(tmp_path: Path, path: str, code: str) -> None:
    assert every_fault(tmp_path, path, code) == []
