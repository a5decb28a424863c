"""The hand-over worker and its command: killed at any moment it goes on, and nothing leaves without two people."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from appliance import accounts, bag, health, journal, orders, packages, store
from appliance.clock import SystemClock
from appliance.commands.export import export as command
from appliance.model import Actor, ApplianceError, Role
from appliance.services import archivist
from tests import handover
from tests.handover import PASSWORD, Site

PATIENCE_S = 60
COPIES = 150  # of one recording: enough files for a kill to fall between them


@pytest.fixture(scope="module")
def filmed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return handover.film(tmp_path_factory.mktemp("filmed"))


@pytest.fixture
def site(tmp_path: Path, filmed: Path) -> Site:
    return handover.site(tmp_path / "site", filmed)


@pytest.fixture
def service(site: Site) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    """Starts the real service as a process; whatever still runs afterwards is ended."""
    started: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        argv = [sys.executable, "-m", "appliance", "run", "archivist", "--config", str(site.config.source)]
        started.append(subprocess.Popen(argv, cwd=handover.ROOT, stderr=subprocess.DEVNULL))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait(PATIENCE_S)


def until(true: Callable[[], Any], what: str) -> Any:
    """Wait for something that must come; how long it takes is not judged here."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if found := true():
            return found
        time.sleep(0.002)
    raise AssertionError(f"waited {PATIENCE_S} s for {what}")


def closed(site: Site, number: int) -> orders.Order | None:
    order = orders.get(site.db, number)
    return order if order.state in ("done", "failed") else None


def copied(site: Site, files: int) -> bool:
    return len(list(site.stick.rglob("*.mp4"))) >= files


def kinds(site: Site) -> list[str]:
    return [entry.kind for entry in journal.entries(site.db, kinds=["export.finished", "export.failed"])]


def many_recordings(site: Site) -> None:
    """The corridor's last recording again and again, a microsecond later each: an archive that takes a while."""
    last = site.db.row("select * from segment where camera = 'corridor-1' order by id desc limit 1")
    assert last is not None
    del last["id"]
    film = (site.config.video / last["path"]).read_bytes()
    with store.transaction(site.db):
        for n in range(COPIES):
            path = last["path"].replace("0a1b2c3d", f"copy{n:04d}")
            (site.config.video / path).write_bytes(film)
            starts_at = last["starts_at"].replace(".000000Z", f".{n + 1:06d}Z")
            site.db.table("segment").insert({**last, "path": path, "starts_at": starts_at})


def test_the_service_hands_over_and_says_so(site: Site, service: Callable[[], subprocess.Popen[bytes]]) -> None:
    process = service()
    number = site.place()
    order = until(lambda: closed(site, number), "the order")
    assert order.state == "done", order.result
    assert order.result["verified"] is True
    package = site.stick / order.result["name"]
    assert packages.check(package).number == order.result["package"]
    finished = journal.entries(site.db, kinds=["export.finished"])
    assert [(entry.exam, entry.data["order"], entry.data["package"]) for entry in finished] == [
        ("math", number, order.result["package"])
    ]
    assert {beat.service for beat in health.heartbeats(site.db)} == {"archivist"}
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE_S) == 0


@pytest.mark.parametrize("kills", [(3,), (20, 60, 110)])
def test_a_killed_service_goes_on_where_it_was(
    tmp_path: Path, filmed: Path, kills: tuple[int, ...], service: Any, site: Site
) -> None:
    many_recordings(site)
    number = site.place()
    kept: dict[Path, int] = {}
    for files in kills:
        process = service()
        until(partial(copied, site, files), f"{files} files")
        process.kill()
        process.wait(PATIENCE_S)
        assert [path.suffix for path in site.stick.iterdir()] == [bag.PART]
        now = {path: path.stat().st_ino for path in sorted(site.stick.rglob("*.mp4"))[:-1]}
        assert kept.items() <= now.items(), "a good file was copied again"
        kept = now
    service()
    order = until(lambda: closed(site, number), "the order")
    assert order.state == "done", order.result
    assert [path.name for path in site.stick.iterdir()] == [order.result["name"]]
    assert order.result["files"] == COPIES + 7
    assert kinds(site) == ["export.finished"]


def test_a_kill_while_reading_back_is_made_good(site: Site, service: Callable[[], subprocess.Popen[bytes]]) -> None:
    many_recordings(site)
    number = site.place()
    process = service()
    until(lambda: orders.get(site.db, number).progress.get("step") == "reading", "the reading back")
    process.kill()
    process.wait(PATIENCE_S)
    assert not [path for path in site.stick.iterdir() if path.suffix != bag.PART] or closed(site, number)
    service()
    assert until(lambda: closed(site, number), "the order").state == "done"
    assert len(list(site.stick.iterdir())) == 1


def test_a_stop_leaves_the_order_for_the_next_start(site: Site) -> None:
    many_recordings(site)
    number, stop = site.place(), threading.Event()
    order = orders.claim(site.db, site.clock, "export")
    assert order is not None

    def stop_soon() -> None:
        if list(site.stick.rglob("*.mp4")):
            raise archivist.Stopping

    with pytest.raises(archivist.Stopping):
        archivist.carry_out(site.db, site.config, site.clock, order, stop_soon)
    assert orders.get(site.db, number).state == "claimed"
    worker = threading.Thread(target=archivist.main, args=(site.config, SystemClock(), stop))
    worker.start()
    try:
        assert until(lambda: closed(site, number), "the order").state == "done"
    finally:
        stop.set()
        worker.join(PATIENCE_S)


def test_a_refused_order_says_what_to_do_and_the_next_one_goes_on(site: Site) -> None:
    many_recordings(site)
    bad = (
        site.config.archive
        / "2026-11-22/corridor-1"
        / handover.file_name(6).replace("0a1b2c3d", f"copy{COPIES - 1:04d}")
    )
    good = bad.read_bytes()
    bad.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    order = site.order()
    archivist.carry_out(site.db, site.config, site.clock, order, lambda: None)
    failed = orders.get(site.db, order.id)
    assert failed.state == "failed"
    assert failed.result is not None
    assert bad.name in failed.result["message"]["args"]["file"]
    assert kinds(site) == ["export.failed"]
    kept = {path.name: path.stat().st_ino for path in site.stick.rglob("*.mp4")}
    assert len(kept) > COPIES / 2
    bad.write_bytes(good)
    again = site.order()
    archivist.carry_out(site.db, site.config, site.clock, again, lambda: None)
    assert orders.get(site.db, again.id).state == "done"
    assert kept.items() <= {path.name: path.stat().st_ino for path in site.stick.rglob("*.mp4")}.items()


def test_an_order_that_trips_the_program_is_not_met_again(site: Site) -> None:
    order = site.order(room_kinds=5)
    with pytest.raises(TypeError):
        archivist.carry_out(site.db, site.config, site.clock, order, lambda: None)
    assert orders.get(site.db, order.id).state == "failed"
    assert kinds(site) == ["export.failed"]


def test_only_one_works_at_a_time(site: Site, service: Callable[[], subprocess.Popen[bytes]]) -> None:
    with archivist.only_worker(site.config) as alone:
        assert alone
        service()
        until(lambda: health.heartbeats(site.db), "the service")
        number = site.place()
        with archivist.only_worker(site.config) as second:
            assert not second
        time.sleep(3 * archivist.LOOK_S)
        assert orders.get(site.db, number).state == "placed"
    assert until(lambda: closed(site, number), "the order").state == "done"


# The command


@pytest.fixture
def secrets(tmp_path: Path) -> dict[str, str]:
    files = {}
    for name, word in (("good", PASSWORD), ("bad", "not the password")):
        files[name] = str(tmp_path / name)
        Path(files[name]).write_text(word + "\n")
    return files


def hand_over(
    site: Site, *more: str, asked: str = "sidorov", agreed: str = "petrov", secret: str = "", **kwargs: Any
) -> Any:
    return CliRunner().invoke(
        command,
        [
            "--exam",
            "math",
            "--asked-by",
            asked,
            "--agreed-by",
            agreed,
            "--config",
            str(site.config.source),
            *(["--asked-password-file", secret, "--agreed-password-file", secret] if secret else []),
            *more,
        ],
        **kwargs,
    )


def test_the_command_hands_over_without_a_service(site: Site, secrets: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "usb").mkdir()
    done = hand_over(site, "--to", str(tmp_path / "usb"), "--json", secret=secrets["good"])
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    assert packages.check(Path(said["path"])).number == said["package"]


def test_the_command_asks_both_for_their_passwords(site: Site) -> None:
    done = hand_over(site, "--target", "usb", input=f"{PASSWORD}\n{PASSWORD}\n")
    assert done.exit_code == 0, done.output
    assert "0123-20261122-math" in done.output
    assert PASSWORD not in done.output


def test_the_command_leaves_the_work_to_a_running_service(
    site: Site, secrets: dict[str, str], service: Callable[[], subprocess.Popen[bytes]]
) -> None:
    service()
    until(lambda: health.heartbeats(site.db), "the service")
    done = hand_over(site, "--target", "usb", secret=secrets["good"])
    assert done.exit_code == 0, done.output


def test_nothing_leaves_with_one_person_or_the_wrong_ones(site: Site, secrets: dict[str, str]) -> None:
    admin = accounts.add(
        site.db, site.config, site.clock, Actor.service("test"), "orlov", "Орлов", Role.ADMIN, "ru", PASSWORD
    )
    for people in (
        {"agreed": "sidorov"},
        {"asked": "petrov"},
        {"agreed": admin.login},
        {"asked": admin.login},
        {"asked": "nobody"},
    ):
        refused = hand_over(site, "--target", "usb", secret=secrets["good"], **people)
        assert isinstance(refused.exception, ApplianceError), people
    assert isinstance(hand_over(site, "--target", "usb", secret=secrets["bad"]).exception, ApplianceError)
    assert orders.recent(site.db, "export") == []
    assert list(site.stick.iterdir()) == []


def test_the_command_killed_midway_goes_on_with_the_same_order(site: Site, secrets: dict[str, str]) -> None:
    many_recordings(site)
    argv = [
        sys.executable,
        "-m",
        "appliance",
        "export",
        "--exam",
        "math",
        "--target",
        "usb",
        "--asked-by",
        "sidorov",
        "--agreed-by",
        "petrov",
        "--asked-password-file",
        secrets["good"],
        "--agreed-password-file",
        secrets["good"],
        "--config",
        str(site.config.source),
    ]
    killed = subprocess.Popen(argv, cwd=handover.ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until(lambda: len(list(site.stick.rglob("*.mp4"))) >= 3, "some files")
    killed.kill()
    killed.wait(PATIENCE_S)
    again = subprocess.run(
        argv,
        cwd=handover.ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
    )
    assert again.returncode == 0, again.stderr
    assert "Copied and read back" in again.stdout
    assert len(orders.recent(site.db, "export")) == 1
    assert [path.name for path in site.stick.iterdir()] == ["0123-20261122-math"]
