"""Bad networks and cameras that die: what TCP carries is lost nowhere, what is lost has its gap or its entry."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

import pytest

from appliance import journal, store
from tests.fakes.lossy_proxy import LossyProxy, Network
from tests.fakes.recorded_site import ROOT
from tests.fakes.rtsp_camera import Manner, RtspCamera
from tests.fakes.rtsp_film import numbers_in

FPS = 10
SECONDS = 12.0
DIES_EVERY_S = 3.0
BAD = Network(loss=0.05, delay_s=0.02, jitter_s=0.06)
PLAIN = Manner(numbered=True, fps=FPS)
# Of each camera: how it behaves, and the network before it.
PLACES = {
    "near": (PLAIN, Network()),
    "lossy": (PLAIN, BAD),
    "reset": (PLAIN, Network(loss=0.05, delay_s=0.02, jitter_s=0.06, resets_after_s=4.0)),
    "datagrams": (Manner(numbered=True, fps=FPS, transports=("udp",)), BAD),
    "cut off": (Manner(numbered=True, fps=FPS, transports=("udp",), mute=((40, 50),)), Network()),
    "dying": (PLAIN, Network()),
}


@dataclass(frozen=True, slots=True)
class Kept:
    """What is there of one camera: its part of the report, its frames' numbers, and what its network did."""

    stream: dict[str, Any]
    began_at: str  # what was required of it
    ended_at: str
    numbers: list[int]
    lost_packets: int
    network: LossyProxy

    @property
    def missing(self) -> list[int]:
        """How many frames, each time some are missing."""
        return [b - a - 1 for a, b in pairwise(self.numbers) if b != a + 1]

    @property
    def claimed(self) -> list[tuple[float, int]]:
        """Of each file: how long it says it is, and its frames."""
        return [(seconds(file["first_frame_at"], file["ends_at"]), file["frames"]) for file in self.stream["segments"]]

    @property
    def unclaimed(self) -> list[tuple[str, str]]:
        """What lies between files and was required: a frame that is missing there must lie in a gap."""
        edges = [(before["ends_at"], behind["first_frame_at"]) for before, behind in pairwise(self.stream["segments"])]
        cut = [(max(a, self.began_at), min(b, self.ended_at)) for a, b in edges]
        return [(a, b) for a, b in cut if a < b]

    @property
    def gaps(self) -> list[tuple[str, str, str]]:
        """Cause, beginning and end of each gap behind the first frame."""
        first_at, last_at = self.stream["segments"][0]["first_frame_at"], self.stream["segments"][-1]["ends_at"]
        return [(gap["code"], gap["from_at"], gap["to_at"]) for gap in self.stream["gaps"]
                if first_at <= gap["from_at"] and gap["to_at"] <= last_at]  # fmt: skip


def seconds(from_at: str, to_at: str) -> float:
    return (datetime.fromisoformat(to_at) - datetime.fromisoformat(from_at)).total_seconds()


def hang_up_now_and_then(camera: RtspCamera, over: threading.Event) -> None:
    while not over.wait(DIES_EVERY_S):
        camera.hang_up()


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Kept]]:
    """All of them recorded at one time by `examsite record`."""
    folder = tmp_path_factory.mktemp("bad") / "to"
    argv = [sys.executable, "-m", "appliance", "record", "--to", str(folder), "--seconds", str(SECONDS), "--json"]
    over = threading.Event()
    with ExitStack() as running:
        cameras = {name: running.enter_context(RtspCamera(manner)) for name, (manner, _) in PLACES.items()}
        networks = {name: running.enter_context(LossyProxy(cameras[name].port, n)) for name, (_, n) in PLACES.items()}
        threading.Thread(target=hang_up_now_and_then, args=(cameras["dying"], over), daemon=True).start()
        urls = [word for name, network in networks.items() for word in ("--url", network.url(cameras[name].url))]
        done = subprocess.run(
            [*argv, "--segment-s", "3", *urls], cwd=ROOT, capture_output=True, text=True, timeout=90, check=False,
            env={**os.environ, "LC_ALL": "C.UTF-8"},
        )  # fmt: skip
        over.set()
    report = json.loads(done.stdout)
    streams = dict(zip(PLACES, report["streams"], strict=True))
    with closing(store.open(folder / ".examsite/examsite.db")) as db:
        told = journal.entries(db, kinds=["camera.packets_lost"], limit=1000)
    yield {
        name: Kept(
            stream,
            report["began_at"],
            report["ended_at"],
            [number for file in stream["segments"] for number in numbers_in(folder / file["path"])],
            sum(entry.data["packets"] for entry in told if entry.camera == stream["name"]),
            networks[name],
        )
        for name, stream in streams.items()
    }


def test_delay_jitter_and_loss_cost_no_frame_over_tcp(kept: dict[str, Kept]) -> None:
    lossy = kept["lossy"]
    assert lossy.network.stalls >= 5
    assert len(lossy.stream["segments"]) >= 3
    assert lossy.missing == []
    assert lossy.lost_packets == 0


@pytest.mark.parametrize("name", ["reset", "dying"])
def test_what_a_broken_connection_costs_lies_in_gaps_of_that_cause(kept: dict[str, Kept], name: str) -> None:
    broken = kept[name]
    assert broken.missing
    assert len(broken.numbers) == len(set(broken.numbers))
    assert broken.numbers == sorted(broken.numbers)
    assert {cause for cause, _, _ in broken.gaps} <= {"connection closed", "camera silent"}
    # Nothing is claimed that is not there: each file is as long as its frames, at most, and all between files is gap.
    assert all(claimed_s <= (frames + 0.5) / FPS for claimed_s, frames in broken.claimed)
    assert [(a, b) for _, a, b in broken.gaps] == broken.unclaimed
    assert len(broken.stream["segments"]) > len(broken.missing)


def test_a_camera_that_dies_again_and_again_costs_the_others_nothing(kept: dict[str, Kept]) -> None:
    near = kept["near"]
    assert len(kept["dying"].missing) >= 2
    assert (near.missing, near.gaps) == ([], [])
    assert near.stream["ok"]


def test_what_datagrams_lose_is_in_the_journal_packet_by_packet(kept: dict[str, Kept]) -> None:
    udp = kept["datagrams"]
    assert udp.network.dropped >= 5
    assert udp.missing  # a frame of one packet is gone with it
    # What was under way when the recording ended is counted by neither, or by one. On a busy machine more is lost than
    # the network lost: what comes too late for its frame, or while nobody reads.
    assert udp.lost_packets >= udp.network.dropped - 3
    assert udp.stream["lost_packets"] == udp.lost_packets


def test_a_second_without_frames_over_udp_is_a_gap(kept: dict[str, Kept]) -> None:
    cut_off = kept["cut off"]
    assert cut_off.missing == [10]
    ((cause, from_at, to_at),) = cut_off.gaps
    assert cause == "camera silent"
    assert seconds(from_at, to_at) == pytest.approx(1.0, abs=0.35)
