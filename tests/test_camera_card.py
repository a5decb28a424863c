"""A camera's own card: what is on it, and the minutes the archive lacks, fetched as evidence beside it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from appliance import accounts, archive, coverage, exams, journal, kinds, store
from appliance.clock import SystemClock, iso
from appliance.commands.camera import camera
from appliance.config import Config
from appliance.model import ApplianceError, Role
from appliance.store import Database
from appliance.words import Words
from demo.camera_encoder import CameraConfig
from demo.cameras_process import Address
from demo.onvif_face import Face
from drivers import fmp4, onvif_replay
from drivers.ffmpeg import Source
from drivers.onvif_replay import Played, ReplayError, Wish
from drivers.replay_player import stamp
from tests.fakes import card_face
from tests.fakes.exam_site import TECHNICIAN, database, site
from tests.fakes.rtsp_camera import Manner, RtspCamera
from tests.fakes.rtsp_card import Card
from tests.fakes.rtsp_film import slices_in
from tests.fakes.rtsp_packets import CLEAN, TERMINAL, replay_extension, rtp
from tests.test_onvif import Subject

PASSWORD = "p w:1"
THEIRS = datetime(2026, 11, 22, 7, tzinfo=UTC)  # the card begins, by the camera's clock
OFF = timedelta(seconds=90)  # which is so far ahead
MANNER = Manner(seconds=10, user="examsite", card=Card(THEIRS))
FPS = MANNER.fps


def fetched(camera: RtspCamera, file: Path, from_s: float = 2.5, to_s: float = 5.0) -> Played:
    span = (THEIRS + timedelta(seconds=from_s), THEIRS + timedelta(seconds=to_s))
    return onvif_replay.fetch(Wish(Source(camera.url, "examsite", PASSWORD), *span, file, silent_s=2.5))


@pytest.fixture
def rtsp() -> Iterator[RtspCamera]:
    with RtspCamera(replace(MANNER, auth=("sha-256",), sound="pcma")) as camera:
        yield camera


@pytest.fixture
def face(rtsp: RtspCamera) -> Iterator[Face]:
    made = Face(Subject(CameraConfig("hall", "Зал", "h264", "none", "examsite", PASSWORD, "SN-7")), rtsp.url)
    made.subject.clock_offset_s = OFF.total_seconds()
    card_face.lay_in(made, rtsp.url, THEIRS, THEIRS + timedelta(seconds=10), zone="")
    made.start()
    yield made
    made.stop()


@pytest.fixture
def config(face: Face, tmp_path: Path) -> Config:
    return site(tmp_path, {"hq": Address("hq", face.stream_uri, face.device_url, "examsite", PASSWORD)})


@pytest.fixture
def db(config: Config) -> Database:
    return database(config)


def run(folder: Path, *argv: str, language: str = "C") -> Result:
    words = ["card", "--camera", "hq", "--config", str(folder / "site.toml"), *argv]
    return CliRunner(env={"LC_ALL": language}).invoke(camera, words)


def ours(seconds: float) -> str:
    """A moment of the card as the technician reads it off the coverage report: the box's clock, the site's zone."""
    return (THEIRS - OFF + timedelta(hours=5, seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S.%f")


def test_the_missing_minutes_are_fetched_with_the_cameras_own_times_and_entered_for_their_gap(
    tmp_path: Path, db: Database, rtsp: RtspCamera
) -> None:
    a, b = (iso(THEIRS - OFF + timedelta(seconds=s)) for s in (4, 6))
    with store.transaction(db):
        gap = journal.append(db, SystemClock(), "recording.gap", TECHNICIAN, exam="maths", camera="hq", from_at=a,
                             to_at=b, gap_ms=2000, cause={"text": "x", "args": {}})  # fmt: skip
        db.write("insert into gap values ('maths', 'hq', ?, ?, 'camera silent', ?)", (a, b, gap))
    result = run(tmp_path, "--from", ours(4), "--to", ours(6), "--into", str(tmp_path / "copies"), "--json")
    assert result.exit_code == 0, result.output
    said = json.loads(result.stdout)
    file = Path(said["file"])
    assert (said["ok"], said["faults"], said["holes"], said["recording"]) == (True, [], [], "card")
    assert slices_in(file) == rtsp.sent
    assert said["sound"] == "aac"
    lasts_s = fmp4.read(file).without_false_start().duration_s
    assert lasts_s == pytest.approx(said["frames"] / FPS, abs=0.01)  # not as long as the playing
    assert (rtsp.plays[0]["require"], rtsp.plays[0]["rate-control"]) == ("onvif-replay", "no")
    assert said["frames"] == len(rtsp.sent)
    assert said["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert said["offset_ms"] == pytest.approx(OFF.total_seconds() * 1000, abs=1000)
    first, last = (datetime.fromisoformat(said[name]) for name in ("first_at", "last_at"))
    assert THEIRS + timedelta(seconds=1) <= first <= THEIRS + timedelta(seconds=4)  # from a key frame on
    assert (first - THEIRS).total_seconds() % 1 == 0
    assert last >= THEIRS + timedelta(seconds=5.9)
    beside = json.loads(file.with_suffix(".json").read_text(encoding="utf-8"))
    assert beside["times_us"] == [n * 1_000_000 // FPS for n in range(said["frames"])]
    assert {"PLAY signed", "TEARDOWN signed"} <= set(rtsp.requests)

    (entry,) = journal.entries(db, kinds=("camera.card_fetched",))
    assert (entry.exam, entry.camera, entry.actor.id, entry.refs) == ("maths", "hq", "console", (gap,))
    assert (entry.data["sha256"], entry.data["from_at"], entry.data["whole"]) == (said["sha256"], a, True)
    assert entry.data["sha256"] in Words("ru", UTC).say(kinds.sentence(entry))
    assert archive.segments(db, camera="hq") == []  # nothing is merged, and no gap filled
    assert len(coverage.gaps(db, "maths")) == 1



def test_a_technician_who_proves_to_be_there_is_named_and_nothing_is_overwritten(
    tmp_path: Path, config: Config, db: Database
) -> None:
    (tmp_path / "word").write_text("gory-reka-7-fonar\n", encoding="utf-8")
    accounts.add(db, config, SystemClock(), TECHNICIAN, "orlov", "Орлов П. С.", Role.TECHNICIAN, "ru",
                 "gory-reka-7-fonar")  # fmt: skip
    (tmp_path / "hq-20261122T065834Z-card.mp4").write_bytes(b"of another time")
    argv = ("--from", ours(4), "--to", ours(6), "--into", str(tmp_path), "--by", "orlov", "--by-password-file")
    refused = run(tmp_path, *argv, str(tmp_path / "site.toml"))
    assert isinstance(refused.exception, ApplianceError)
    assert journal.entries(db, kinds=("camera.card_fetched", "camera.card_unfetched")) == []
    result = run(tmp_path, *argv, str(tmp_path / "word"))
    assert result.exit_code == 0, result.output
    assert "hq-20261122T065834Z-card-2.mp4" in result.stdout
    (entry,) = journal.entries(db, kinds=("camera.card_fetched",))
    assert (entry.actor.kind, entry.actor.id, entry.data["file"]) == (
        "person", "orlov", "hq-20261122T065834Z-card-2.mp4")  # fmt: skip


def test_what_is_on_the_card_is_listed(tmp_path: Path, db: Database) -> None:
    said = json.loads(run(tmp_path, "--list", "--json").stdout)
    assert said["offset_s"] == pytest.approx(OFF.total_seconds(), abs=1)
    assert said["recordings"] == [{"recording": "card", "source": "hall", "from_at": iso(THEIRS), "tracks": ["video"],
                                   "to_at": iso(THEIRS + timedelta(seconds=10)), "status": "Recording"}]  # fmt: skip
    assert [(one["kind"], one["at"]) for one in said["events"]] == [("motion", iso(THEIRS))]
    shown = run(tmp_path, "--list", language="ru_RU.UTF-8").stdout
    assert "card  hall  22.11.2026 12:00:00 UTC+5" in shown
    assert "часам камеры" in shown


def test_a_span_that_is_not_on_the_card_or_cannot_be_kept_is_said_and_entered(
    tmp_path: Path, db: Database, rtsp: RtspCamera
) -> None:
    result = run(tmp_path, "--from", ours(-90), "--to", ours(-80), "--into", str(tmp_path / "copies"))
    assert isinstance(result.exception, ApplianceError)
    assert "has nothing of that time" in str(result.exception)
    (entry,) = journal.entries(db, kinds=("camera.card_unfetched",))
    assert "has nothing of that time" in Words("en", UTC).say(kinds.sentence(entry))
    unwritable = run(tmp_path, "--from", ours(4), "--to", ours(6), "--into", str(tmp_path / "site.toml" / "copies"))
    assert "copies cannot be written: Not a directory" in str(unwritable.exception)
    assert rtsp.requests == []


def test_a_card_is_not_read_while_the_camera_is_recorded_for_an_exam(
    tmp_path: Path, config: Config, db: Database, rtsp: RtspCamera
) -> None:
    now = SystemClock().now()
    exams.plan(db, config, SystemClock(), TECHNICIAN, "now", "Сейчас", now, now + timedelta(hours=1))
    argv = ("--from", ours(4), "--to", ours(6), "--into", str(tmp_path))
    assert "being recorded for an exam" in str(run(tmp_path, *argv).exception)
    assert rtsp.requests == []
    assert run(tmp_path, *argv, "--during-exam").exit_code == 0


@pytest.mark.parametrize(
    ("card", "frames", "ended", "faults", "holes"),
    [
        (Card(THEIRS, ends="nothing"), range(20, 51), "silent", (), 0),
        (Card(THEIRS, ends="bye", stamps_each=True), range(20, 51), "terminal", (), 0),
        (Card(THEIRS, hole=(33, 45)), [*range(20, 33), *range(45, 51)], "terminal", (), 1),
        (Card(THEIRS, breaks_at=40), range(20, 40), "closed", (), 0),
        (Card(THEIRS, ignores_range=True), range(51), "asked", (), 0),
        (Card(THEIRS - timedelta(seconds=60), ignores_range=True), None, "elsewhere", (), 0),
        (Card(THEIRS + timedelta(seconds=60), ignores_range=True), None, "elsewhere", (), 0),
        (Card(THEIRS, stamped=False), range(20, 51), "silent", ("unstamped",), 0),
        (Card(THEIRS, refuses_require=True), range(20, 51), "silent", ("untagged", "unstamped"), 0),
    ],
    ids=["falls silent", "says goodbye and stamps each packet", "has a hole", "breaks off", "ignores the range",
         "plays long before", "plays long after", "stamps nothing", "refuses the tag"],
)  # fmt: skip
def test_a_camera_that_plays_its_card_wrongly_is_told_by_what_it_does(
    tmp_path: Path, card: Card, frames: range | list[int] | None, ended: str, faults: tuple[str, ...], holes: int
) -> None:
    with RtspCamera(replace(MANNER, card=card)) as camera:
        if frames is None:
            with pytest.raises(ReplayError) as caught:
                fetched(camera, tmp_path / "a.mp4")
            assert caught.value.reason == ended
            return
        played = fetched(camera, tmp_path / "a.mp4")
        assert slices_in(tmp_path / "a.mp4") == camera.sent[: len(frames)]
    assert (played.frames, played.ended, played.faults, len(played.holes)) == (len(frames), ended, faults, holes)
    if "unstamped" not in faults:
        assert played.times == tuple(card.at(n, FPS) for n in frames)


def test_a_card_that_refuses_the_password_is_asked_once(tmp_path: Path, rtsp: RtspCamera) -> None:
    span = (THEIRS, THEIRS + timedelta(seconds=2))
    with pytest.raises(ReplayError) as caught:
        onvif_replay.fetch(Wish(Source(rtsp.url, "examsite", "wrong"), *span, tmp_path / "a.mp4"))
    assert caught.value.permanent
    assert rtsp.requests.count("DESCRIBE signed") == 1


def test_the_time_of_a_picture_is_read_from_its_packet_alone() -> None:
    extension = replay_extension(THEIRS.timestamp() + 0.25, CLEAN | TERMINAL, 4)
    whole = rtp(96, 1, 2, 3, b"picture", last=True, extension=extension)
    at_s, flags = stamp(whole) or (0.0, 0)
    assert (round(at_s, 6), flags) == (THEIRS.timestamp() + 0.25, CLEAN | TERMINAL)
    sourced = bytes([whole[0] | 2]) + whole[1:12] + b"12345678" + whole[12:]  # two contributing sources before it
    assert stamp(sourced) == stamp(whole)
    jpeg = extension[:2] + b"\x00\x05" + extension[4:] + b"\xff\xd8\x00\x01" + b"\xff" * 4  # with the JPEG extension
    assert stamp(rtp(26, 1, 2, 3, b"", last=True, extension=jpeg)) == stamp(whole)
    assert stamp(rtp(96, 1, 2, 3, b"picture", last=True)) is None
    assert stamp(rtp(96, 1, 2, 3, b"", last=True, extension=b"\xbe\xde" + extension[2:])) is None
    assert stamp(whole[:20]) is None
