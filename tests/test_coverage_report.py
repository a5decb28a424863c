"""The coverage report: exact to the microsecond, a room covered by any of its cameras, signed, held against now."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance import cameras, coverage, coverage_report, coverage_sign, coverage_words, exams, journal, store
from appliance.cameras import CameraState
from appliance.clock import FakeClock, iso
from appliance.commands.exam import exam as exam_command
from appliance.config import Config
from appliance.coverage_report import CoverageReport, common
from appliance.model import Actor, ApplianceError, Person, Role
from appliance.store import Database
from appliance.words import Words
from demo.cameras_process import Address
from tests.fakes.recorded_site import EXAM, plan_exam, site

START = datetime(2026, 11, 22, 7, 0, tzinfo=UTC)
LENGTH_S = 100.0
MS = timedelta(milliseconds=1)
HEAD = Person("ivanova", "Иванова Анна Викторовна", Role.HEAD, "ru")
ADDRESSES = {name: Address(name, f"rtsp://127.0.0.1:9/{name}", "http://127.0.0.1:9/", "u", "p") for name in
             ("yard", "gate")}  # fmt: skip
Spans = list[tuple[int, int]]  # milliseconds


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


class Day:
    """An exam of 100 s in one room with two cameras, seen from after it."""

    def __init__(self, db: Database, config: Config) -> None:
        shared = tuple(camera.model_copy(update={"room": "yard"}) for camera in config.cameras)
        self.db, self.config, self.clock = db, replace(config, cameras=shared), FakeClock(at(1000))
        plan_exam(db, FakeClock(START), lasts_s=LENGTH_S)

    def recorded(self, camera: str, spans: Spans) -> None:
        known = int(self.db.value("select coalesce(max(id), 0) from segment"))
        with store.transaction(self.db):
            for number, (a, b) in enumerate(spans, known + 1):
                self.db.write(
                    "insert into segment (camera, run, path, starts_at, ends_at, frames, size_bytes, sha256, video)"
                    " values (?, ?, ?, ?, ?, 1, 1, ?, 'h264')",
                    (camera, f"run{number}", str(number), iso(START + a * MS), iso(START + b * MS), "0" * 64),
                )

    def outage(self, camera: str, began: float, ended: float | None, cause: str) -> None:
        with store.transaction(self.db):
            coverage.begin_outage(self.db, camera, at(began), cause)
            if ended is not None:
                coverage.end_outages(self.db, camera, at(ended))

    def forget(self) -> None:
        with store.transaction(self.db):
            for table in ("segment", "outage", "gap"):
                self.db.write(f"delete from {table}")

    def update(self) -> None:
        coverage.update(self.db, self.config, self.clock, exams.get(self.db, EXAM), at(LENGTH_S))

    def report(self, now: float = 1000.0) -> CoverageReport:
        return coverage_report.report(self.db, self.config, EXAM, at(now))

    def sign(self) -> int:
        shown = coverage_report.sha256(self.config, self.report())
        return coverage_sign.sign(self.db, self.config, self.clock, EXAM, HEAD, shown)

    def signature(self) -> coverage_sign.Signature | None:
        return coverage_sign.signature(self.db, EXAM, coverage_report.sha256(self.config, self.report()))

    def headline(self, now: float = 1000.0) -> str:
        return coverage_words.headline(Words("en", UTC), self.config, self.report(now)).replace("\u00a0", " ")


@pytest.fixture
def day(tmp_path: Path) -> Iterator[Day]:
    config = site(tmp_path, ADDRESSES)
    db = store.open(config.database)
    yield Day(db, config)
    db.close()


def missing(spans: Spans) -> set[int]:
    """The milliseconds of the exam that no span holds, counted one by one on a grid of 50 ms."""
    return {n for n in range(0, int(LENGTH_S * 1000), 50) if not any(a <= n < b for a, b in spans)}


def grid(spans: Iterator[tuple[datetime, datetime]]) -> set[int]:
    return {n for a, b in spans for n in range(round((a - START) / MS), round((b - START) / MS), 50)}


SPANS = st.lists(
    st.tuples(st.integers(-100, 2100), st.integers(1, 900)).map(lambda t: (t[0] * 50, (t[0] + t[1]) * 50)), max_size=7
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(yard=SPANS, gate=SPANS)
def test_holes_are_what_is_required_and_not_recorded_of_cameras_and_of_the_room(
    day: Day, yard: Spans, gate: Spans
) -> None:
    day.forget()
    day.recorded("yard", yard)
    day.recorded("gate", gate)
    found = day.report()
    (room,) = found.rooms
    by_camera = {camera.camera: camera for camera in found.cameras}
    for name, spans in (("yard", yard), ("gate", gate)):
        holes = by_camera[name].holes
        assert grid((h.gap.starts_at, h.gap.ends_at) for h in holes) == missing(spans)
        assert by_camera[name].missing_us == sum(h.length_us for h in holes) == 50_000 * len(missing(spans))
    assert grid((h.starts_at, h.ends_at) for h in room.holes) == missing([*yard, *gate])
    assert room.required_us == room.covered_us + room.missing_us == 100_000_000
    assert room.missing_us == 50_000 * len(missing([*yard, *gate]))
    for camera, other in ((by_camera["yard"], gate), (by_camera["gate"], yard)):
        uncovered = sum(hole.uncovered_us for hole in camera.holes)
        own = yard if other is gate else gate
        assert uncovered == 50_000 * len(missing(own) & missing(other))


def test_lengths_are_whole_microseconds(day: Day) -> None:
    with store.transaction(day.db):
        day.db.write(
            "insert into segment (camera, run, path, starts_at, ends_at, frames, size_bytes, sha256, video) values"
            " ('yard', 'r', '1', ?, ?, 1, 1, ?, 'h264')",
            (iso(START), iso(at(60) + timedelta(microseconds=1)), "0" * 64),
        )
    (camera,) = [c for c in day.report().cameras if c.camera == "yard"]
    assert (camera.recorded_us, camera.missing_us) == (60_000_001, 39_999_999)


def test_spans_have_in_common_what_all_of_them_hold() -> None:
    def spans(*pairs: tuple[int, int]) -> list[tuple[datetime, datetime]]:
        return [(at(a), at(b)) for a, b in pairs]

    assert common([spans((0, 5), (4, 9)), spans((3, 6), (8, 20))]) == spans((3, 6), (8, 9))
    assert common([spans((0, 5)), spans((5, 9))]) == []
    assert common([]) == []


def test_a_room_is_covered_while_one_of_its_cameras_is_and_the_rest_is_a_remark(day: Day) -> None:
    day.recorded("yard", [(0, 100_000)])
    day.recorded("gate", [(0, 40_000), (60_000, 100_000)])
    found = day.report()
    assert [room.missing_us for room in found.rooms] == [0]
    (hole,) = found.remarks
    assert (hole.gap.camera, hole.covered_by, hole.uncovered_us) == ("gate", ("yard",), 0)
    assert day.headline() == "1 room recorded without a gap: 1 min 40 s."


def test_a_hole_of_the_room_names_the_causes_of_its_cameras(day: Day) -> None:
    day.recorded("yard", [(0, 30_000), (70_000, 100_000)])
    day.recorded("gate", [(0, 50_000), (90_000, 100_000)])
    day.outage("yard", 30, 70, "password refused")
    day.outage("gate", 50, 90, "disk full")
    day.update()
    (hole,) = day.report().holes
    assert (hole.starts_at, hole.ends_at, hole.causes) == (at(50), at(70), ("password refused", "disk full"))
    assert {gap.entry for gap in hole.gaps} == {e.seq for e in journal.entries(day.db, kinds=["recording.gap"])}
    assert day.headline().startswith("Place: 20 s missing. The camera refused the password.")


def test_while_it_goes_on_the_report_says_what_is_missing_up_to_now(day: Day) -> None:
    day.outage("yard", 10, None, "camera unreachable")
    day.outage("gate", 12, None, "camera unreachable")
    day.recorded("yard", [(0, 10_000)])
    day.recorded("gate", [(0, 12_000)])
    found = day.report(now=40)
    assert (found.final, found.rooms[0].required_us, found.rooms[0].missing_us) == (False, 40_000_000, 28_000_000)
    assert day.headline(now=40).startswith("So far, up to 07:00:40: Place: 28 s missing.")
    assert day.report(now=-5).rooms[0].required_us == 0


def test_a_recorder_that_died_while_it_called_itself_recording_hides_no_gap(day: Day) -> None:
    with store.transaction(day.db):
        cameras.save(day.db, [CameraState(name, "recording", iso(START), None, iso(at(20)), iso(at(20)))
                              for name in ADDRESSES])  # fmt: skip
    assert day.report(now=22).rooms[0].missing_us == 0
    assert day.report(now=60).rooms[0].missing_us == 40_000_000


def test_a_gap_that_goes_on_is_held_against_what_the_other_camera_has_on_disk(day: Day) -> None:
    day.outage("gate", 10, None, "camera silent")
    day.recorded("gate", [(0, 10_000)])
    with store.transaction(day.db):
        cameras.save(day.db, [CameraState("yard", "recording", iso(START), None, iso(at(39)), iso(at(38)))])
    (hole,) = day.report(now=40).remarks
    assert (hole.gap.ends_at, hole.covered_by, hole.uncovered_us) == (at(40), ("yard",), 0)
    assert day.headline(now=40) == "So far, up to 07:00:40: 1 room recorded without a gap: 38 s."


def test_cameras_lost_together_were_lost_by_the_network(day: Day) -> None:
    for name in ADDRESSES:
        day.recorded(name, [(0, 20_000), (60_000, 100_000)])
        day.outage(name, 20, 60, "camera unreachable")
    assert day.report().holes[0].causes == ("network down",)
    day.recorded("gate", [(20_000, 60_000)])  # the other one did record: then it was this camera
    assert [h.gap.cause for c in day.report().cameras for h in c.holes] == ["camera unreachable"]


def test_a_socket_without_carrier_and_a_restart_are_deeper_causes(day: Day) -> None:
    day.recorded("gate", [(0, 100_000)])
    day.recorded("yard", [(0, 20_000), (30_000, 50_000), (60_000, 100_000)])
    day.outage("yard", 20, 30, "camera silent")
    day.outage("yard", 50, 60, "connection closed")
    keeper = Actor.service("keeper")
    with store.transaction(day.db):
        lost = journal.append(day.db, FakeClock(at(20)), "network.lost", keeper, port="eth0")
        journal.append(day.db, FakeClock(at(29)), "network.back", keeper, refs=[lost], port="eth0")
    assert [h.gap.cause for h in day.report().remarks] == ["network down", "connection closed"]
    with store.transaction(day.db):
        journal.append(day.db, FakeClock(at(65)), "camera.restarted", keeper, camera="yard", room="yard")
    day.update()
    assert [h.gap.cause for h in day.report().remarks] == ["network down", "camera restarted"]
    assert [e.data["evidence"] for e in journal.entries(day.db, kinds=["recording.gap"])] == [[lost], [lost + 2]]


def test_the_json_is_canonical_and_does_not_depend_on_when_it_is_asked_for(day: Day) -> None:
    day.recorded("yard", [(0, 90_000)])
    day.update()
    first = coverage_report.canonical(day.config, day.report(now=101))
    assert first == coverage_report.canonical(day.config, day.report(now=90_000))
    said = json.loads(first)
    assert said["format"] == "examsite-coverage/1"
    assert said["totals"]["room_missing_us"] == said["rooms"][0]["missing_us"] == 10_000_000
    assert hashlib.sha256(first).hexdigest() == coverage_report.sha256(day.config, day.report())


def test_the_documentations_example_is_what_the_program_says(day: Day) -> None:
    day.recorded("yard", [(0, 30_000), (70_000, 100_000)])
    day.recorded("gate", [(0, 50_000), (90_000, 100_000)])
    day.outage("yard", 30, 70, "camera unreachable")
    day.outage("gate", 50, 90, "disk full")
    day.update()
    text = (Path(__file__).parent.parent / "docs/coverage-report.md").read_text(encoding="utf-8")
    said = coverage_report.as_json(day.config, day.report())
    assert json.loads(text.split("```json\n")[1].split("```")[0]) == said
    assert f"`{coverage_report.sha256(day.config, day.report())}`" in text
    assert {key for key in said if f"`{key}" not in text} == set()


def test_the_head_signs_the_report_with_its_sums_and_gaps(day: Day) -> None:
    day.recorded("yard", [(0, 90_000)])
    day.update()
    entry = journal.get(day.db, day.sign())
    gaps = {e.seq for e in journal.entries(day.db, kinds=["recording.gap"])}
    assert (entry.kind, entry.actor.id, set(entry.refs)) == ("coverage.signed", "ivanova", gaps)
    assert entry.data["sha256"] == coverage_report.sha256(day.config, day.report())
    assert (entry.data["rooms"], entry.data["rooms_covered"], entry.data["missing_ms"]) == (1, 0, 10_000)
    signed = day.signature()
    assert signed is not None
    assert signed.same


def test_a_recording_found_after_the_signature_shows_and_is_signed_anew(day: Day) -> None:
    day.recorded("yard", [(0, 90_000)])
    day.update()
    first = day.sign()
    with pytest.raises(ApplianceError, match="was signed"):
        day.sign()
    day.recorded("yard", [(90_000, 100_000)])
    signed = day.signature()
    assert signed is not None
    assert (signed.entry.seq, signed.same) == (first, False)
    day.update()
    second = journal.get(day.db, day.sign())
    assert second.data["before"] == first
    assert day.signature() == coverage_sign.Signature(second, str(second.data["sha256"]), True)


def test_only_the_head_signs_only_after_the_end_and_only_what_was_shown(day: Day) -> None:
    day.recorded("yard", [(0, 100_000)])
    shown = coverage_report.sha256(day.config, day.report())

    def sign(who: Person = HEAD, now: float = 1000.0, sha256: str = shown) -> None:
        coverage_sign.sign(day.db, day.config, FakeClock(at(now)), EXAM, who, sha256)

    with pytest.raises(ApplianceError, match="signed by the head"):
        sign(replace(HEAD, role=Role.TECHNICIAN))
    with pytest.raises(ApplianceError, match="not over yet"):
        sign(now=99)
    with pytest.raises(ApplianceError, match="changed since you saw it"):
        sign(sha256="0" * 64)
    with store.transaction(day.db):  # its last file is still open
        cameras.save(day.db, [CameraState("gate", "recording", iso(START), None, iso(at(100)), iso(at(100)))])
    with pytest.raises(ApplianceError, match="not over yet"):
        sign()
    assert journal.entries(day.db, kinds=["coverage.signed"]) == []


def test_the_command_prints_what_is_signed(day: Day, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    day.recorded("yard", [(0, 100_000)])
    day.recorded("gate", [(0, 100_000)])
    monkeypatch.setenv("EXAMSITE_CONFIG", str(day.config.source))
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    paper = tmp_path / "report.pdf"
    told = CliRunner().invoke(exam_command, ["coverage", EXAM, "--pdf", str(paper)])
    as_json = CliRunner().invoke(exam_command, ["coverage", EXAM, "--json"])
    assert (told.exit_code, as_json.exit_code) == (0, 0), told.output
    sha256 = hashlib.sha256(as_json.stdout_bytes).hexdigest()
    assert told.output.startswith("All 2 rooms recorded without a gap: 1\u00a0min\u00a040\u00a0s each.")
    assert f"SHA-256 {sha256}" in told.output
    assert paper.read_bytes().startswith(b"%PDF-")
