"""What leaves the site, and that no medium ever carries a package that says it is whole and is not."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import rfc8785

from appliance import bag, exams, export, journal, manifests, orders, packages, store
from appliance.bag import ExportError, Progress
from appliance.model import Actor
from drivers import medium
from tests import handover
from tests.handover import Site, silent

ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: mounts a small file system of its own")


@pytest.fixture(scope="module")
def filmed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return handover.film(tmp_path_factory.mktemp("filmed"))


@pytest.fixture
def site(tmp_path: Path, filmed: Path) -> Site:
    return handover.site(tmp_path / "site", filmed)


@pytest.fixture
def stick(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own of 4 MB, which fills, turns read-only and can be pulled."""
    folder = tmp_path / "mounted"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)], capture_output=True, text=True
    )
    if mounted.returncode:  # root in a container without CAP_SYS_ADMIN
        pytest.skip(f"cannot mount a small file system here: {mounted.stderr.strip()}")
    yield folder
    while os.path.ismount(folder):
        subprocess.run(["umount", "-l", str(folder)], check=True)


def whole_folders(folder: Path) -> list[str]:
    """Folders that say they are a finished package."""
    return [path.name for path in folder.iterdir() if not path.name.endswith(bag.PART)]


def test_the_library_of_congress_finds_the_bag_valid(site: Site) -> None:
    package = site.package(site.stick)
    checked = subprocess.run(
        [sys.executable, "-m", "bagit", "--validate", str(package.path)], capture_output=True, text=True, timeout=60
    )
    assert checked.returncode == 0, checked.stderr
    assert "is valid" in checked.stderr


def test_a_stock_command_checks_both_lists(site: Site) -> None:
    package = site.package(site.stick)
    checked = subprocess.run(
        ["sha256sum", "--strict", "-c", bag.PAYLOAD_LIST, bag.TAG_LIST],
        cwd=package.path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert checked.returncode == 0, checked.stderr
    assert checked.stdout.count(": OK") == len([p for p in package.path.rglob("*") if p.is_file()]) - 1


def test_recordings_leave_bit_for_bit_and_only_from_the_rooms_asked_for(site: Site, filmed: Path) -> None:
    package = site.package(site.stick)
    left = {
        p.relative_to(package.path / bag.VIDEO).as_posix(): p.read_bytes()
        for p in (package.path / bag.VIDEO).rglob("*.mp4")
    }
    assert left == {
        p.relative_to(filmed).as_posix(): p.read_bytes() for p in filmed.rglob("*.mp4") if p.parent.name != "room-0001"
    }


def test_the_manifest_says_what_the_files_are(site: Site) -> None:
    said = handover.manifest(site.package(site.stick).path)
    entrance = next(camera for camera in said["cameras"] if camera["id"] == "entrance")
    assert (entrance["required_ms"], entrance["recorded_ms"]) == (8000, 6000)
    assert [(gap["starts_at"], gap["ends_at"]) for gap in entrance["gaps"]] == [
        ("2026-11-22T05:00:04.000000Z", "2026-11-22T05:00:06.000000Z")
    ]
    assert said["totals"]["files"] == 7
    assert said["order"]["asked"]["name"] == "Сидоров Виктор Андреевич"
    assert said["order"]["agreed"]["login"] == "petrov"
    assert said["keep_until"] == "2027-03-01"


def test_the_journal_leaves_as_it_was_hashed(site: Site) -> None:
    package = site.package(site.stick)
    rows = (package.path / bag.JOURNAL).read_text().splitlines()
    kept = site.db.rows("select hash, row from journal order by seq")
    assert rows == [row["row"] for row in kept][: len(rows)]
    since = [json.loads(row["row"])["kind"] for row in kept[len(rows) :]]
    assert since == ["video.minute", "journal.exported"]  # what binds the recordings, and what signs all of it
    assert handover.manifest(package.path)["journal"]["hashes"] == [row["hash"] for row in kept][: len(rows)]


def test_an_extract_begins_where_the_exams_day_begins(tmp_path: Path, filmed: Path) -> None:
    site = handover.site(tmp_path / "site", filmed, planned_before=timedelta(days=2))
    planned = site.db.row("select seq, hash from journal where kind = 'exam.planned'")
    assert planned is not None
    with store.transaction(site.db):
        site.clock.advance(3 * 86400)
        later = journal.append(site.db, site.clock, "box.started", Actor.service("init"))
    extract = manifests.journal_extract(site.db, site.config, exams.get(site.db, "math"))
    assert later not in [seq for seq, _, _ in extract.rows]
    assert (extract.first, extract.prev) == (planned["seq"] + 1, planned["hash"])
    assert packages.check(site.package(site.stick).path).ok


def test_the_same_order_makes_the_same_bytes(site: Site, tmp_path: Path) -> None:
    ready, packages = site.contents(site.order()), []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        packages.append(bag.write(ready, tmp_path / name, silent))
    first, second = (
        {p.relative_to(package.path): p.read_bytes() for p in package.path.rglob("*") if p.is_file()}
        for package in packages
    )
    assert first == second
    assert packages[0].number == packages[1].number == hashlib.sha256(first[Path(bag.TAG_LIST)]).hexdigest()


def test_nothing_leaves_with_one_person(site: Site) -> None:
    order = site.order()
    with site.db.conn:
        site.db.conn.execute("update orders set agreed_by = asked_by")
    with pytest.raises(ExportError, match="two people"):
        export.fulfil(site.db, site.config, site.clock, orders.get(site.db, order.id), silent)
    assert list(site.stick.iterdir()) == []


@pytest.mark.parametrize("damage", ["flip", "cut", "lose"])
def test_a_recording_that_is_not_what_was_recorded_never_leaves(site: Site, damage: str) -> None:
    bad = site.config.archive / "2026-11-22/corridor-1" / handover.file_name(4)
    data = bytearray(bad.read_bytes())
    bad.chmod(0o644)  # sealed files are read-only
    if damage == "flip":
        data[len(data) // 2] ^= 1
        bad.write_bytes(data)
    elif damage == "cut":
        bad.write_bytes(data[:-1])
    else:
        bad.unlink()
    with pytest.raises(ExportError, match=bad.name):
        site.package(site.stick)
    assert whole_folders(site.stick) == []
    assert not list(site.stick.rglob(bad.name))
    if damage != "flip":
        assert list(site.stick.iterdir()) == []  # seen before anything was written


def test_an_exam_that_is_still_recorded_is_not_handed_over(tmp_path: Path, filmed: Path) -> None:
    site = handover.site(tmp_path / "site", filmed, sealed=False)
    site.clock.step(-20)
    with pytest.raises(ExportError, match="goes on until"):
        site.contents(site.order())


def test_a_package_before_the_seal_says_so(tmp_path: Path, filmed: Path) -> None:
    site = handover.site(tmp_path / "site", filmed, sealed=False)
    package = site.package(site.stick)
    assert manifests.UNSEALED in [limit["text"] for limit in handover.manifest(package.path)["limits"]]
    assert packages.check(package.path).ok


def late_recording(site: Site) -> str:
    """A recording taken into the archive after the seal, as when the box came back from a power cut."""
    row = site.db.row("select * from segment where camera = 'entrance' order by starts_at desc")
    assert row is not None
    path = row.pop("path").replace("0a1b2c3d", "late0001")
    (site.config.video / path).write_bytes(
        (site.config.archive / "2026-11-22/entrance" / handover.file_name(6)).read_bytes()
    )
    del row["id"]
    with store.transaction(site.db):
        site.db.table("segment").insert({**row, "path": path})
    return Path(path).name


def test_a_recording_that_came_after_the_seal_leaves_with_a_remark(site: Site) -> None:
    name = late_recording(site)
    package = site.package(site.stick)
    report = packages.check(package.path)
    assert report.faults == ()
    assert [remark.text for remark in report.remarks] == [packages.AFTER_SEAL]
    late = [
        s["file"]
        for camera in handover.manifest(package.path)["cameras"]
        for s in camera["segments"]
        if s["after_seal"]
    ]
    assert late == [f"data/video/entrance/{name}"]


def test_rows_that_are_not_what_was_sealed_never_leave(site: Site) -> None:
    with store.transaction(site.db):
        site.db.write("update segment set sha256 = ? where camera = 'room-0001'", ("0" * 64,))
    with pytest.raises(ExportError, match="not those that were sealed"):
        site.package(site.stick)
    assert list(site.stick.iterdir()) == []


def interrupt_at(step: str, files_done: int, how: Callable[[], object]) -> Callable[[Progress], None]:
    """A listener that does something once, when so many files of a step are done."""
    done: list[bool] = []

    def tell(progress: Progress) -> None:
        if not done and (progress.step, progress.files_done) == (step, files_done):
            done.append(True)
            how()

    return tell


def fail(number: int) -> Callable[[], object]:
    def now() -> None:
        raise OSError(number, os.strerror(number))

    return now


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.EIO, "Put the same one back"),
        (errno.ENODEV, "Put the same one back"),
        (errno.EFBIG, "Check it"),
        (errno.EROFS, "write-protected"),
    ],
)
@pytest.mark.parametrize("step", ["copying", "reading"])
def test_a_medium_that_fails_midway_is_told_and_goes_on_later(site: Site, step: str, number: int, words: str) -> None:
    ready = site.contents(site.order())
    with pytest.raises(ExportError, match=words):
        bag.write(ready, site.stick, interrupt_at(step, 2, fail(number)))
    assert whole_folders(site.stick) == []
    kept = {p: p.stat().st_ino for p in site.stick.rglob("*.mp4")}
    assert len(kept) >= 2
    package = bag.write(ready, site.stick, silent)
    assert packages.check(package.path).ok
    part = site.stick / f"package{bag.PART}"
    assert {p.relative_to(part): n for p, n in kept.items()}.items() <= {
        p.relative_to(package.path): p.stat().st_ino for p in package.path.rglob("*.mp4")
    }.items()


@ROOT_ONLY
def test_a_medium_that_is_too_small_is_refused_before_anything_is_written(site: Site, stick: Path) -> None:
    (stick / "ballast").write_bytes(bytes(3_900_000))
    with pytest.raises(ExportError, match="short") as refused:
        site.package(stick)
    assert refused.value.message.args["short_bytes"] > 0
    assert [path.name for path in stick.iterdir()] == ["ballast"]


@ROOT_ONLY
def test_a_medium_that_fills_up_midway_leaves_nothing_that_looks_whole(site: Site, stick: Path) -> None:
    ready = site.contents(site.order())

    def fill() -> None:
        with (stick / "ballast").open("wb") as ballast:
            try:
                while True:
                    ballast.write(bytes(4096))
                    ballast.flush()
            except OSError as full:
                assert full.errno == errno.ENOSPC
                os.truncate(ballast.fileno(), ballast.seek(0, os.SEEK_CUR) // 4096 * 4096)

    with pytest.raises(ExportError, match="short"):
        bag.write(ready, stick, interrupt_at("copying", 3, fill))
    assert whole_folders(stick) == ["ballast"]
    (stick / "ballast").unlink()
    assert packages.check(bag.write(ready, stick, silent).path).ok


@ROOT_ONLY
@pytest.mark.parametrize("step", ["copying", "reading"])
def test_a_stick_that_is_pulled_leaves_nothing_on_the_boxs_own_disk(site: Site, stick: Path, step: str) -> None:
    ready = site.contents(site.order())
    with pytest.raises(ExportError, match="removed"):
        bag.write(ready, stick, interrupt_at(step, 3, lambda: subprocess.run(["umount", "-l", str(stick)], check=True)))
    assert list(stick.iterdir()) == []


@ROOT_ONLY
def test_a_medium_that_turns_read_only_midway_is_told(site: Site, stick: Path) -> None:
    ready = site.contents(site.order())

    def protect() -> None:
        subprocess.run(["mount", "-o", "remount,ro", str(stick)], check=True)

    with pytest.raises(ExportError, match="write-protected"):
        bag.write(ready, stick, interrupt_at("copying", 3, protect))
    with pytest.raises(ExportError, match="write-protected"):
        bag.write(ready, stick, silent)
    assert whole_folders(stick) == []


@pytest.mark.skipif(
    os.geteuid() == 0, reason="root may write into a folder that others may not; the read-only mount is tried instead"
)
def test_a_folder_that_may_not_be_written_is_told(site: Site) -> None:
    site.stick.chmod(0o555)
    with pytest.raises(ExportError, match="write-protected"):
        site.package(site.stick)


def test_a_missing_medium_is_told(site: Site) -> None:
    site.stick.rmdir()
    with pytest.raises(ExportError, match="Put one into the box"):
        site.package(site.stick)
    assert not site.stick.exists()


def test_a_file_that_went_bad_on_the_medium_is_written_again(site: Site) -> None:
    ready = site.contents(site.order())

    def spoil() -> None:
        bad = next((site.stick / f"package{bag.PART}").rglob("*.mp4"))
        bad.write_bytes(bytes(bad.stat().st_size))

    package = bag.write(ready, site.stick, interrupt_at("reading", 0, spoil))
    assert packages.check(package.path).ok


def test_a_medium_that_keeps_spoiling_a_file_is_refused(site: Site) -> None:
    ready, bad = site.contents(site.order()), []  # type: ignore[var-annotated]

    def tell(progress: Progress) -> None:
        if (progress.step, progress.files_done) == ("reading", 0):
            bad[:] = [next((site.stick / f"package{bag.PART}").rglob("*.mp4"))]
            bad[0].write_bytes(bytes(bad[0].stat().st_size))

    with pytest.raises(ExportError, match=r"differs from the original, twice"):
        bag.write(ready, site.stick, tell)
    assert whole_folders(site.stick) == []


def test_what_an_earlier_attempt_left_over_does_not_leave(site: Site) -> None:
    part = site.stick / f"package{bag.PART}"
    (part / "data/video/old").mkdir(parents=True)
    (part / "data/video/old/stray.mp4").write_bytes(b"x")
    (part / bag.TAG_LIST).write_bytes(b"x")
    package = bag.write(site.contents(site.order()), site.stick, silent)
    assert not (package.path / "data/video/old").exists()
    assert packages.check(package.path).ok


def test_names_on_the_medium_suit_fat(site: Site) -> None:
    package = export.fulfil(site.db, site.config, site.clock, site.order(), silent)
    assert package.path.name == "0123-20261122-math"
    for path in [package.path, *package.path.rglob("*")]:
        assert path.name.isascii()
        assert not set(path.name) & set('<>:"/\\|?*')


def test_a_second_order_gets_a_folder_of_its_own(site: Site) -> None:
    names = [export.fulfil(site.db, site.config, site.clock, site.order(), silent).path.name for _ in range(2)]
    assert names == ["0123-20261122-math", "0123-20261122-math-2"]


def test_an_order_fulfilled_before_its_worker_died_is_not_copied_twice(site: Site) -> None:
    order = site.order()
    first = export.fulfil(site.db, site.config, site.clock, order, silent)
    again = export.fulfil(site.db, site.config, site.clock, order, silent)
    assert (again.path, again.number, again.files) == (first.path, first.number, first.files)
    assert whole_folders(site.stick) == [first.path.name]


@pytest.mark.parametrize(
    "text", ["{}", '{"format":"examsite-export/1"}', '{"format":"examsite-export/1","site":7}', "["]
)
def test_a_foreign_folder_of_the_same_name_is_left_alone(site: Site, text: str) -> None:
    foreign = site.stick / "0123-20261122-math" / bag.MANIFEST
    foreign.parent.mkdir(parents=True)
    foreign.write_text(text)
    package = export.fulfil(site.db, site.config, site.clock, site.order(), silent)
    assert package.path.name == "0123-20261122-math-2"
    assert foreign.read_text() == text


def test_the_seal_is_the_bytes_it_was_computed_over(site: Site) -> None:
    package = site.package(site.stick)
    root = site.db.value("select json_extract(row, '$.data.root') from journal where kind = 'archive.sealed'")
    assert hashlib.sha256((package.path / bag.SEAL).read_bytes()).hexdigest() == root
    assert rfc8785.dumps(handover.manifest(package.path)) == (package.path / bag.MANIFEST).read_bytes()


def test_what_is_known_of_a_medium(tmp_path: Path) -> None:
    facts = medium.facts(tmp_path)
    assert facts.writable
    assert 0 < facts.free_bytes < facts.size_bytes
    assert facts.filesystem != "unknown"
    with pytest.raises(medium.MediumError):
        medium.facts(tmp_path / "nowhere")
