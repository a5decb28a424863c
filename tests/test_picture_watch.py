"""The picture watch: what is wrong with a picture is found within a minute, what is not is left in peace."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path

import cv2
import numpy as np
import pytest

from appliance import alarms, journal, picture_watch, store
from appliance.alarm_names import PICTURE_PANEL
from appliance.clock import FakeClock, SystemClock
from appliance.config import Config
from appliance.model import ApplianceError, Person, Role
from appliance.picture_watch import PictureWatch
from appliance.store import Database
from demo.cameras_process import Address
from drivers import look
from tests.fakes import recorded_site
from tests.fakes.cameras import StartCameras, camera
from tests.fakes.live_file import LiveFile
from tests.fakes.recorded_site import RecorderProcess, wait_until

pytest_plugins = ["tests.fakes.cameras"]

WHO = Person("orlov", "Orlov", Role.TECHNICIAN, "en")
FONT = "/usr/share/fonts/truetype/dejavu/DejaVuSansMono.ttf"
STEP_S = 2
Image = np.ndarray


def room(seed: int = 1) -> Image:
    """A room with desks, a window and a board; nobody in it."""
    random = np.random.default_rng(seed)
    image = np.full((360, 640, 3), (165, 170, 172), np.uint8)
    image[215:] = (105, 120, 130)
    cv2.rectangle(image, (45, 40), (165, 150), (235, 235, 230), -1)
    cv2.rectangle(image, (400, 30), (590, 140), (60, 90, 60), -1)
    for row in range(3):
        for column in range(4):
            x, y = 40 + column * 150 + row * 10, 190 + row * 55
            desk, chair = ([int(level) for level in random.integers(20, 200, 3)] for _ in "ab")
            cv2.rectangle(image, (x, y), (x + 90, y + 30), desk, -1)
            cv2.rectangle(image, (x + 30, y - 20), (x + 55, y + 5), chair, -1)
    return image


def jpeg(image: Image) -> bytes:
    return cv2.imencode(".jpg", image)[1].tobytes()


ROOM = room()
SCENES = {
    "room": ROOM,
    "people": cv2.add(ROOM, cv2.resize(np.random.default_rng(3).integers(0, 90, (6, 9, 3), np.uint8), (640, 360),
                                       interpolation=cv2.INTER_NEAREST)),
    "evening": (ROOM * 0.45).astype(np.uint8),
    "dark": (ROOM * 0.05).astype(np.uint8),
    "wall": np.full_like(ROOM, 150),
    "blurred": cv2.GaussianBlur(ROOM, (0, 0), 30),
    "turned": cv2.warpAffine(ROOM, cv2.getRotationMatrix2D((320, 180), 20, 1), (640, 360),
                             borderMode=cv2.BORDER_REFLECT),
}  # fmt: skip


@cache
def film(scene: str, seconds: int, noise: int) -> bytes:
    """What a camera sends: the scene with its sensor's noise and a clock burnt in, a key frame a second."""
    clock = f"drawtext=fontfile={FONT}:text='%{{pts\\:hms}}':x=16:y=h-30:fontsize=20:fontcolor=white:box=1"
    draw = f"{f'noise=alls={noise}:allf=t,' if noise else ''}{clock},format=yuv420p"
    source = ["-f", "lavfi", "-i", "testsrc2=s=640x360:r=2"] if scene == "moving" else [
        "-f", "image2pipe", "-framerate", "2", "-loop", "1", "-i", "pipe:0"]  # fmt: skip
    return subprocess.run(
        ["ffmpeg", "-nostdin", "-v", "error", *source, "-t", str(seconds), "-vf", draw, "-c:v", "libx264", "-preset",
         "ultrafast", "-tune", "zerolatency", "-g", "2", "-b:v", "300k", "-maxrate", "300k", "-bufsize", "300k",
         "-movflags", "+frag_keyframe+empty_moov+default_base_moof", "-f", "mp4", "pipe:1"],
        input=b"" if scene == "moving" else jpeg(SCENES[scene]), capture_output=True, check=True, timeout=60,
    ).stdout  # fmt: skip


@dataclass(slots=True)
class Watched:
    """A site with one camera that must be recorded, and the watch over it."""

    config: Config
    db: Database
    clock: FakeClock
    watch: PictureWatch
    files: int = 0

    def shows(self, scene: str, seconds: int, noise: int = 3) -> None:
        """The camera is recorded for so long while the archivist watches."""
        path = self.config.incoming / "one" / f"run-{self.files:06d}.mp4"
        self.files += 1
        written = LiveFile(path, film(scene, seconds, noise), self.clock)
        written.write(1)
        for _ in range(0, seconds, STEP_S):
            written.write(STEP_S)
            self.clock.advance(STEP_S)
            for _ in range(2):
                self.watch.look(self.db)

    @property
    def standing(self) -> list[str]:
        return [row["kind"] for row in self.db.rows("select kind from alarm where panel = ? and restored_at is null",
                                                    (PICTURE_PANEL,))]  # fmt: skip

    @property
    def ever(self) -> list[str]:
        return [row["kind"] for row in self.db.rows("select kind from alarm where panel = ? order by id",
                                                    (PICTURE_PANEL,))]  # fmt: skip


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    config = recorded_site.site(tmp_path, {"one": Address("one", "rtsp://127.0.0.1:9/one", "", "u", "p")})
    (config.incoming / "one").mkdir(parents=True)
    clock = FakeClock(datetime(2026, 11, 22, 8, 0, tzinfo=UTC))
    with closing(store.open(config.database)) as db:
        recorded_site.plan_exam(db, clock, lasts_s=3600)
        picture_watch.approve(db, clock, "one", WHO, jpeg(ROOM))
        yield Watched(config, db, clock, PictureWatch(config, clock))


@pytest.mark.parametrize(("scene", "verdict"), [
    ("dark", "dark"), ("wall", "covered"), ("blurred", "covered"), ("turned", "turned"),
])  # fmt: skip
def test_what_is_wrong_with_a_picture_is_an_alarm_within_a_minute_and_over_when_it_is_good_again(
    watched: Watched, scene: str, verdict: str
) -> None:
    watched.shows("room", 20)
    assert watched.ever == []
    watched.shows(scene, 44)
    assert watched.standing == [f"picture.{verdict}"]
    watched.shows("room", 44)
    assert watched.standing == []
    assert watched.ever == [f"picture.{verdict}"]


def test_a_frozen_picture_is_found_within_a_minute_though_its_clock_goes_on(watched: Watched) -> None:
    watched.shows("room", 20)
    watched.shows("room", 60, noise=0)
    assert watched.standing == ["picture.frozen"]
    watched.shows("room", 44)
    assert watched.standing == []


@pytest.mark.parametrize("scene", ["moving", "room", "people", "evening"])
def test_an_ordinary_picture_moving_or_still_is_left_in_peace(watched: Watched, scene: str) -> None:
    if scene == "moving":
        with store.transaction(watched.db):
            watched.db.write("delete from approved_view")  # nobody has approved of this one
    watched.shows(scene, 80, noise=0 if scene == "moving" else 1)
    assert watched.ever == []


def test_a_key_frame_that_comes_seldom_is_not_the_same_picture_again(watched: Watched) -> None:
    seldom = watched.config.profile.picture.model_copy(update={"look_s": 2.0, "frozen_s": 3.0})
    profile = watched.config.profile.model_copy(update={"picture": seldom})
    watched.watch.config = replace(watched.config, profile=profile)
    watched.shows("room", 20)
    assert watched.ever == []


def test_one_look_alone_decides_nothing(watched: Watched) -> None:
    watched.shows("room", 20)
    watched.shows("wall", 18)  # somebody stands before the lens
    watched.shows("room", 44, noise=4)
    assert watched.ever == []


def test_a_picture_is_watched_only_while_it_must_be_recorded(watched: Watched) -> None:
    watched.shows("dark", 44)
    assert watched.standing == ["picture.dark"]
    recorded_site.end_exam(watched.db, watched.clock, in_s=-1)
    watched.watch.look(watched.db)
    assert watched.standing == []
    watched.shows("dark", 44)
    assert watched.ever == ["picture.dark"]


def test_an_archivist_that_was_killed_neither_forgets_nor_repeats_an_alarm(watched: Watched) -> None:
    watched.shows("dark", 44)
    watched.watch = PictureWatch(watched.config, watched.clock)
    watched.shows("dark", 44)
    assert watched.ever == ["picture.dark"]
    watched.watch = PictureWatch(watched.config, watched.clock)
    watched.shows("room", 44)
    assert watched.standing == []


def test_a_camera_that_sends_nothing_is_not_this_alarm(watched: Watched) -> None:
    watched.shows("room", 20)
    for _ in range(40):
        watched.clock.advance(STEP_S)
        watched.watch.look(watched.db)
    assert watched.ever == []


def test_a_damaged_file_is_no_verdict_and_the_next_look_goes_on(watched: Watched) -> None:
    path = watched.config.incoming / "one" / "run-000000.mp4"
    data = film("wall", 40, 3)
    LiveFile(path, data[:2000] + bytes(len(data) - 2000), watched.clock).write(99)
    watched.watch.look(watched.db)
    watched.files = 1
    watched.shows("wall", 44)
    assert watched.standing == ["picture.covered"]


def test_the_board_says_which_camera_and_what_to_do(watched: Watched) -> None:
    watched.shows("wall", 44)
    alarm = alarms.board(watched.db, watched.config, watched.clock.now()).alarms[0]
    assert alarm.what.text == "Covered, or faces a wall. Clear it and compare with the approved view."
    assert (alarm.room, alarm.group.name, alarm.stale) == ("one", "tamper", False)


def test_approving_a_view_is_in_the_journal_and_what_is_no_picture_is_refused(watched: Watched) -> None:
    entry = journal.entries(watched.db, kinds=["camera.view_approved"])[0]
    assert (entry.camera, entry.actor.kind) == ("one", "person")
    with pytest.raises(ApplianceError):
        picture_watch.approve(watched.db, watched.clock, "one", WHO, b"no picture")
    found = picture_watch.approved(watched.db, "one")
    assert found is not None
    assert (found.jpeg, found.approved_by) == (jpeg(ROOM), "orlov")


def test_two_views_are_alike_in_any_light_and_unlike_once_turned() -> None:
    def grey(scene: str) -> look.Grey:
        return look.decode(jpeg(SCENES[scene]))[0]

    shaken = look.decode(jpeg(np.roll(ROOM, 6, axis=1)))[0]
    assert look.likeness(grey("evening"), grey("room")) > 0.9
    assert look.likeness(shaken, grey("room")) > 0.9
    assert look.likeness(grey("people"), grey("room")) > 0.5
    assert look.likeness(grey("turned"), grey("room")) < 0.35


def test_a_real_camera_is_found_frozen_and_good_again_while_it_is_recorded(
    tmp_path: Path, virtual_cameras: StartCameras
) -> None:
    cameras, clock = virtual_cameras([camera("one")]), SystemClock()
    config = recorded_site.site(tmp_path, cameras.addresses, segment_s=30.0)
    quick = config.profile.picture.model_copy(update={"look_s": 2.0, "frozen_s": 6})
    config = replace(config, profile=config.profile.model_copy(update={"picture": quick}))
    with closing(store.open(config.database)) as db, RecorderProcess(config):
        recorded_site.plan_exam(db, clock, lasts_s=600)
        site = Watched(config, db, clock, PictureWatch(config, clock))  # type: ignore[arg-type]

        def stands(*kinds: str) -> bool:
            site.watch.look(db)
            return site.standing == list(kinds)

        for scene, kinds in (("frozen", ["frozen"]), ("ordinary", [])):
            cameras.control(f"picture one {scene}")
            wait_until(partial(stands, *(f"picture.{kind}" for kind in kinds)), scene)
