"""`examsite init`, `check-config`, `user`: what an administrator does at the console of a new box."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from appliance import config, journal, store

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def site(tmp_path: Path) -> Path:
    shutil.copy(ROOT / "examples" / "ru-ege.toml", tmp_path)
    text = (ROOT / "examples" / "site.toml").read_text(encoding="utf-8")
    file = tmp_path / "site.toml"
    file.write_text(text.replace("/var/lib/examsite", "data").replace("/srv/video", "video"), encoding="utf-8")
    return file


def examsite(*arguments: str | Path, config_file: Path, language: str = "C.UTF-8") -> subprocess.CompletedProcess[str]:
    environment = {"PATH": "/usr/bin:/bin", "LC_ALL": language, "EXAMSITE_CONFIG": str(config_file)}
    argv = [sys.executable, "-m", "appliance", *map(str, arguments)]
    return subprocess.run(argv, capture_output=True, text=True, env=environment, cwd=ROOT, check=False)


def test_a_new_box_is_made_and_made_again_without_a_change(site: Path) -> None:
    for _ in range(2):
        assert examsite("init", config_file=site).returncode == 0
    db = store.open(config.load(site).database)
    assert [entry.kind for entry in journal.entries(db)] == ["journal.begun", "config.loaded"]


def test_a_changed_configuration_is_noted(site: Path) -> None:
    examsite("init", config_file=site)
    site.write_text(site.read_text(encoding="utf-8") + "\n# changed\n", encoding="utf-8")
    examsite("init", config_file=site)
    db = store.open(config.load(site).database)
    assert [entry.kind for entry in journal.entries(db)] == ["journal.begun", "config.loaded", "config.loaded"]


def test_a_broken_chain_is_said_and_noted_but_stops_nothing(site: Path) -> None:
    examsite("init", config_file=site)
    database = config.load(site).database
    with sqlite3.connect(database) as conn:
        conn.execute("drop trigger journal_never_updated")
        conn.execute("update journal set row = replace(row, 'config', 'c0nfig') where seq = 2")
    conn.close()
    for _ in range(2):
        done = examsite("init", config_file=site)
        assert done.returncode == 0
        assert "broken at entry 2" in done.stderr
    kinds = [entry.kind for entry in journal.entries(store.open(database))]
    assert kinds.count("journal.broken") == 1


def test_a_damaged_database_is_refused_with_a_sentence(site: Path) -> None:
    examsite("init", config_file=site)
    config.load(site).database.write_bytes(b"this is no database" * 1000)
    done = examsite("init", config_file=site, language="ru_RU.UTF-8")
    assert done.returncode == 1
    assert "повреждена" in done.stderr
    assert "Traceback" not in done.stderr


def test_faults_of_a_configuration_are_lines_and_json(site: Path) -> None:
    site.write_text(site.read_text(encoding="utf-8").replace("port = 8080", "prt = 8080"), encoding="utf-8")
    done = examsite("check-config", site, config_file=site)
    assert (done.returncode, done.stdout) == (1, "")
    assert "site.toml: web.prt: unknown key" in done.stderr
    found = json.loads(examsite("check-config", site, "--json", config_file=site).stdout)
    assert found["ok"] is False
    assert len(found["faults"]) == 1


def test_people_are_added_listed_and_disabled_at_the_console(site: Path) -> None:
    examsite("init", config_file=site)
    for login, role in (("admin", "admin"), ("orlov", "technician")):
        done = examsite("user", "add", login, "--name", login, "--role", role, "--make-password", config_file=site)
        assert done.returncode == 0, done.stderr
        assert len(done.stdout.splitlines()[-1]) == 19  # the password, shown once
    assert examsite("user", "disable", "orlov", config_file=site).returncode == 0
    people = json.loads(examsite("user", "list", "--json", config_file=site).stdout)
    assert [(p["login"], p["disabled"]) for p in people] == [("admin", False), ("orlov", True)]
    refused = examsite("user", "disable", "admin", config_file=site)
    assert refused.returncode == 1
    assert "last administrator" in refused.stderr


def test_a_command_without_a_database_says_what_to_do(site: Path) -> None:
    done = examsite("user", "list", config_file=site)
    assert done.returncode == 1
    assert "examsite init" in done.stderr
