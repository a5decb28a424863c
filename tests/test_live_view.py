"""The live picture: what is being recorded, followed fragment by fragment, playable, on one time line."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from appliance import live_view, store
from appliance.clock import FakeClock, SystemClock
from appliance.config import Config
from appliance.live_view import Stream
from appliance.model import Role
from appliance.services import recorder
from appliance.wanted import Want
from drivers import fmp4
from drivers.fmp4_live import Tail
from tests.fakes import recorded_site, seeded_site
from tests.fakes.cameras import StartCameras, camera
from tests.fakes.recorded_site import RecorderProcess, lost_or_twice, wait_until
from tests.fakes.seeded_site import Site
from tests.fakes.visitor import Visitor
from web import live_view as pages

pytest_plugins = ["tests.web_fixtures", "tests.fakes.cameras"]
Visit = Callable[[Role], Visitor]
CLOCK = SystemClock()


class Growing:
    """A recording that is being written: whole films, cut at their fragments."""

    def __init__(self, folder: Path, name: str, *, sound: bool = False, codec: str = "libx264") -> None:
        self.path = folder / name
        made = recorded_site.film(folder / "made" / name, 4.0, sound=sound, codec=codec)
        data, self.parts = made.read_bytes(), list[bytes]()
        with made.open("rb") as file:
            found = list(fmp4.boxes(file.fileno(), len(data)))
        begins = 0
        for kind, at, length in found:
            if kind in (b"moov", b"mdat"):
                self.parts.append(data[begins : at + length])
                begins = at + length
        self.rest = data[begins:]

    def write(self, count: int, *, age_s: float = 0.0) -> None:
        """The next parts: the header, then a second each."""
        with self.path.open("ab") as file:
            for _ in range(count):
                file.write(self.parts.pop(0))
            if not self.parts:
                file.write(self.rest)
        written_s = CLOCK.now().timestamp() - age_s
        os.utime(self.path, (written_s, written_s))


@pytest.fixture
def config(tmp_path: Path) -> Config:
    config = recorded_site.site(tmp_path, {})
    (config.incoming / "one").mkdir(parents=True)
    return config


def stream(config: Config, *, sound: bool = False, origin_s: float | None = None, folder: str = "one") -> Stream:
    return Stream(config, CLOCK, folder, sound=sound, origin_s=origin_s)


def drained(stream: Stream) -> bytes:
    """All there is now: an empty answer may only mean that the next file was opened."""
    got, empty = b"", 0
    while empty < 2:
        data = stream.read()
        got, empty = got + data, 0 if data else empty + 1
    return got


def probed(data: bytes, to: Path) -> list[tuple[str, float, bool]]:
    """(kind, time, key) of each packet, as ffprobe reads the bytes; it must have nothing to complain of."""
    to.write_bytes(data)
    found = subprocess.run(
        ["ffprobe", "-v", "warning", "-of", "json", "-show_entries", "packet=codec_type,pts_time,flags", str(to)],
        capture_output=True, text=True, check=True, timeout=30,
    )  # fmt: skip
    assert found.stderr == ""
    return [(p["codec_type"], float(p["pts_time"]), "K" in p["flags"]) for p in json.loads(found.stdout)["packets"]]


def test_a_stream_over_a_change_of_files_is_one_playable_film(config: Config, tmp_path: Path) -> None:
    first = Growing(config.incoming / "one", "abc-000000.mp4")
    second = Growing(config.incoming / "one", "abc-000001.mp4")
    first.write(2, age_s=5.0)
    with closing(stream(config, origin_s=CLOCK.mono_s() - 100)) as watched:
        assert watched.begin()
        got = drained(watched)
        for step in range(3):
            first.write(1, age_s=4.0 - step)
            got += drained(watched)
        second.write(3, age_s=0.0)
        first.path.rename(tmp_path / "archived.mp4")  # as the recorder does it
        got += drained(watched)
    packets = probed(got, tmp_path / "got.mp4")
    times = sorted(at for _, at, _ in packets)  # the film has frames that are shown in another order
    assert len(packets) == 60
    assert packets[0][2]
    steps = [round(b - a, 3) for a, b in itertools.pairwise(times)]
    assert set(steps) == {0.1}  # not a frame lost, none twice, no seam
    assert times[-1] == pytest.approx(100.0, abs=1.0)  # the time line is the box's clock


def test_a_viewer_joins_at_the_newest_key_frame(config: Config, tmp_path: Path) -> None:
    Growing(config.incoming / "one", "abc-000000.mp4").write(5)
    with closing(stream(config)) as watched:
        assert watched.begin()
        assert [key for _, _, key in probed(drained(watched), tmp_path / "got.mp4")] == [True] + 9 * [False]


def test_sound_comes_when_it_is_asked_for_and_leaves_no_trace_when_not(config: Config, tmp_path: Path) -> None:
    Growing(config.incoming / "one", "abc-000000.mp4", sound=True).write(5)
    for sound in (False, True):
        with closing(stream(config, sound=sound)) as watched:
            assert watched.begin()
            assert watched.header is not None
            assert watched.header.audio == "mp4a.40.2"
            kinds = {kind for kind, _, _ in probed(drained(watched), tmp_path / "got.mp4")}
        assert kinds == ({"video", "audio"} if sound else {"video"})


@pytest.mark.parametrize(("codec", "name"), [("libx264", "avc1."), ("libx265", "hev1.1.6.L")])
def test_it_says_what_a_player_must_be_able_to_play(config: Config, codec: str, name: str) -> None:
    growing = Growing(config.incoming / "one", "abc-000000.mp4", codec=codec)
    growing.write(1)
    with Tail(growing.path) as tail:
        assert tail.look()[0] == []
        assert tail.header is not None
        assert tail.header.video.startswith(name)


def test_a_camera_that_comes_back_goes_on_where_the_clock_is(config: Config, tmp_path: Path) -> None:
    before, after = (Growing(config.incoming / "one", f"{run}-000000.mp4") for run in ("abc", "xyz"))
    before.write(5, age_s=5.0)
    with closing(stream(config, origin_s=CLOCK.mono_s() - 50)) as watched:
        assert watched.begin()
        got = drained(watched)
        watched._news_s -= 10  # so long nothing came
        after.write(3)
        got += drained(watched)
    times = sorted(at for _, at, _ in probed(got, tmp_path / "got.mp4"))
    assert len(times) == 20
    assert times[10] - times[9] == pytest.approx(4.1, abs=0.3)  # the silence lies between, as long as it was


def test_another_codec_ends_the_stream(config: Config) -> None:
    Growing(config.incoming / "one", "abc-000000.mp4").write(5)
    with closing(stream(config)) as watched:
        assert watched.begin()
        drained(watched)
        Growing(config.incoming / "one", "abc-000001.mp4", codec="libx265").write(3)
        assert drained(watched) == b""
        assert watched.over


def test_a_file_that_nobody_writes_any_more_is_nothing_to_see(config: Config) -> None:
    growing = Growing(config.incoming / "one", "abc-000000.mp4")
    growing.write(5, age_s=60.0)
    with closing(stream(config)) as watched:
        assert not watched.begin()


def test_wishes_lapse_by_themselves_and_never_last_through_a_clock_set_back(config: Config) -> None:
    with closing(store.open(config.database)) as db:
        clock = FakeClock(CLOCK.now())
        live_view.wish(db, clock, "one")
        clock.advance(1)
        live_view.wish(db, clock, "two")
        assert [wish.camera for wish in live_view.wishes(db, clock.now())] == ["one", "two"]
        clock.advance(live_view.WISH_S - 0.5)
        assert [wish.camera for wish in live_view.wishes(db, clock.now())] == ["two"]
        clock.step(-3600)
        assert live_view.wishes(db, clock.now()) == []


# --- the pages


def begun(site: Site, name: str = "hq") -> Growing:
    folder = site.config.incoming / name
    folder.mkdir(parents=True, exist_ok=True)
    growing = Growing(folder, "abc-000000.mp4", sound=True)
    growing.write(3)
    return growing


@pytest.fixture
def told_by_the_wall_clock(site: Site) -> None:
    """Files have the time of now; the seeded day is moved there."""
    site.clock.step((CLOCK.now() - site.clock.now()).total_seconds())


@pytest.mark.usefixtures("told_by_the_wall_clock")
def test_the_page_is_given_bytes_that_play_and_what_they_are(site: Site, visit: Visit, tmp_path: Path) -> None:
    begun(site)
    seeded_site.picture(site.config, "hq", "HQ", site.clock.now())
    guard = visit(Role.SECURITY)
    told = guard.client.get("/cameras/hq/live.json").get_json()
    assert not told["still_old"]
    assert told["still"].endswith("\xa0s ago")
    assert told["video"].startswith("avc1.")
    assert told["audio"] == "mp4a.40.2"
    with closing(guard.client.get("/cameras/hq/live.mp4?origin_s=3", buffered=False)) as answer:
        assert answer.status_code == 200
        assert answer.headers["X-Live-Type"] == f'video/mp4; codecs="{told["video"]}"'
        assert float(answer.headers["X-Live-Origin"]) == 3.0
        packets = probed(next(answer.iter_encoded()), tmp_path / "got.mp4")
    assert len(packets) == 10


@pytest.mark.usefixtures("told_by_the_wall_clock")
def test_places_are_counted_and_given_back_when_a_client_leaves(site: Site, visit: Visit) -> None:
    begun(site)
    guard = visit(Role.SECURITY)
    places = site.config.profile.live.viewers
    watching = [guard.client.get("/cameras/hq/live.mp4", buffered=False) for _ in range(places)]
    assert {answer.status_code for answer in watching} == {200}
    full = guard.client.get("/cameras/hq/live.mp4")
    assert (full.status_code, full.headers["X-Live-Full"]) == (503, "1")
    watching.pop().close()
    watching.append(guard.client.get("/cameras/hq/live.mp4", buffered=False))
    assert watching[-1].status_code == 200
    for answer in watching:
        answer.close()


@pytest.mark.usefixtures("told_by_the_wall_clock")
def test_a_camera_that_dies_ends_the_stream_and_the_page_is_told_why(
    site: Site, visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "QUIET_S", 0.0)
    begun(site)
    guard = visit(Role.SECURITY)
    for _ in range(site.config.profile.live.viewers + 1):  # each gives its place back
        with closing(guard.client.get("/cameras/hq/live.mp4", buffered=False)) as answer:
            assert len(list(answer.iter_encoded())) <= 1
    told = guard.client.get("/cameras/corridor-2/live.json").get_json()
    assert (told["video"], told["say"]) == (None, "The camera sent no picture.")


def test_a_stream_before_there_is_a_picture_is_refused_and_takes_no_place(site: Site, visit: Visit) -> None:
    guard = visit(Role.SECURITY)
    answers = [guard.client.get("/cameras/hq/live.mp4") for _ in range(site.config.profile.live.viewers + 1)]
    assert {(answer.status_code, answer.headers.get("X-Live-Full")) for answer in answers} == {(503, None)}


def test_the_live_page_alone_may_play_what_a_script_appends(visit: Visit) -> None:
    guard = visit(Role.SECURITY)
    for path, allowed in (("/cameras/hq/live", True), ("/cameras/hq", False), ("/cameras/wall", False)):
        answer = guard.client.get(path)
        assert answer.status_code == 200
        assert ("blob:" in answer.headers["Content-Security-Policy"]) is allowed


def test_the_wall_shows_every_camera_with_its_state_in_words_and_one_press_from_live(site: Site, visit: Visit) -> None:
    said = visit(Role.SECURITY).client.get("/cameras/wall").get_data(as_text=True)
    for each in site.config.cameras:
        assert f'href="/cameras/{each.id}/live"' in said
        assert each.name.en in said
    assert "1 camera needs somebody" in said
    assert "No connection" in said


# --- the recorder


class Loop:
    """As much of a camera's loop as is told what to do."""

    def __init__(self, name: str, want: Want | None = None) -> None:
        self.camera = camera_named(name)
        self.want, self.watched, self.poke, self.stream = want, False, threading.Event(), "main"


def camera_named(name: str) -> object:
    return type("Named", (), {"id": name})()


def test_only_so_many_cameras_run_to_be_watched_and_one_that_is_recorded_takes_no_place() -> None:
    recorded = Loop("a", want=object())  # type: ignore[arg-type]
    loops = [recorded, *(Loop(name) for name in "bcd")]
    wishes = [live_view.Wish(name, None) for name in "adbc"]
    recorder._show(loops, wishes, 2)  # type: ignore[arg-type]
    assert [loop.camera.id for loop in loops if loop.watched] == ["b", "d"]  # type: ignore[attr-defined]
    recorder._show(loops, wishes[2:], 2)  # type: ignore[arg-type]
    assert [loop.camera.id for loop in loops if loop.watched] == ["b", "c"]  # type: ignore[attr-defined]
    assert all(loop.poke.is_set() for loop in loops[1:])


def test_a_watched_camera_runs_leaves_nothing_behind_and_recording_takes_over_complete_with_four_viewers(
    tmp_path: Path, virtual_cameras: StartCameras
) -> None:
    cameras = virtual_cameras([camera("one")])
    config = recorded_site.site(tmp_path, cameras.addresses)
    got: list[list[bytes]] = [[] for _ in range(4)]
    over = threading.Event()

    def view(mine: list[bytes]) -> None:
        with closing(stream(config, origin_s=0.0)) as watched:
            while not watched.begin() and not over.wait(0.1):
                pass
            while not over.wait(0.1):
                mine.append(watched.read())

    with closing(store.open(config.database)) as db, RecorderProcess(config):
        live_view.wish(db, CLOCK, "one")
        wait_until(lambda: live_view.newest(config, "one"), "the camera runs because somebody watches")
        viewers = [threading.Thread(target=view, args=(mine,)) for mine in got]
        for viewer in viewers:
            viewer.start()
        wait_until(lambda: all(any(mine) for mine in got), "all four see it")
        assert list(config.incoming.glob("one/*")) == []
        recorded_site.plan_exam(db, CLOCK, lasts_s=600)
        wait_until(lambda: len(recorded_site.adopted(db, "one")) >= 3, "it is recorded")
        recorded_site.end_exam(db, CLOCK)
        wait_until(lambda: not list(config.incoming.glob("one/*")), "the recording is over")
        segments = recorded_site.adopted(db, "one")
        over.set()
        for viewer in viewers:
            viewer.join()
        assert lost_or_twice(config, segments) == []
        with store.transaction(db):
            db.write("update live_wish set until_at = asked_at")  # all have left long ago
        wait_until(lambda: not config.live.joinpath("one").exists(), "what was only watched is deleted")
    for number, mine in enumerate(got):
        packets = probed(b"".join(mine), tmp_path / f"viewer-{number}.mp4")
        assert len(packets) > 60  # of the live run and of the recording: one stream for the viewer
        assert [at for _, at, _ in packets] == sorted(at for _, at, _ in packets)
