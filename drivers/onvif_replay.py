"""Plays a span of a recording from a camera's card into a file, with the camera's own time of each picture.

One ffmpeg reads through the relay, in which a Player asks for the span and ends it (docs/decisions/010-card-replay.md).
"""

from __future__ import annotations

import shutil
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from statistics import median

from drivers import fmp4, rtsp_ask
from drivers.ffmpeg import Source, StreamError
from drivers.ffmpeg_once import Copy
from drivers.replay_player import EARLY_S, SILENT_S, Player
from drivers.rtsp_ask import Asked
from drivers.rtsp_relay import Relay
from drivers.types import DriverError

HOLE_S = 0.5  # two pictures further apart than this, and than three times the usual, have a hole between them
FFMPEG_WAIT_S = 60.0  # ffmpeg's own patience: more than any silence the player lets pass
LOOK_S = 0.2
DRAIN_S = 30.0  # for ffmpeg to write what it was given, once the player has ended it
STATUSES = {401: "password", 403: "password", 404: "nothing", 457: "nothing", 453: "busy", 503: "busy"}
TROUBLES = {"password": "password", "no stream": "nothing", "silent": "silent", "unreachable": "unreachable",
            "disk full": "disk full"}  # fmt: skip
NO_TAG = 551  # "Option not supported": the camera does not know `Require: onvif-replay`


class ReplayError(DriverError):
    """Nothing was to be had. Reasons: nothing (of that time on the card), password, busy, refused, unreachable, silent
    (it agreed to play and sent nothing), elsewhere (it plays another time), disk full, broken (cannot be read)."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason, self.permanent, self.detail = reason, reason == "password", detail


@dataclass(frozen=True, slots=True)
class Played:
    """What a span became. `times`: of each picture, by the camera's clock, in their order; empty where it stamps none.

    `ended`: asked (all was played), terminal (the camera says it was the last), silent or closed (it just stopped).
    `faults`: untagged (it does not know onvif-replay and was asked without), early (it begins long before what was
    asked for; that was left out), unstamped, miscounted (the file does not hold as many pictures as it stamped).
    """

    frames: int
    codec: str
    sound: str | None
    times: tuple[datetime, ...]
    ended: str
    faults: tuple[str, ...]

    @property
    def holes(self) -> tuple[tuple[datetime, datetime], ...]:
        """Between which two pictures others are missing."""
        steps = [(b - a).total_seconds() for a, b in pairwise(self.times)]
        least_s = max(HOLE_S, 3 * median(steps)) if steps else 0.0
        return tuple(pair for pair, step_s in zip(pairwise(self.times), steps, strict=True) if step_s > least_s)


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be played, by the camera's clock, into which file; `least_free_bytes`: to be left on its disk."""

    source: Source
    from_at: datetime
    to_at: datetime
    file: Path
    least_free_bytes: int = 0
    timeout_s: float = 6.0
    silent_s: float = SILENT_S


def fetch(wish: Wish) -> Played:
    """Play it into its file, which must not be there yet. The file may begin up to a key-frame distance earlier.

    Raises ReplayError; what is in the file then is worth nothing.
    """
    try:
        asked = rtsp_ask.ask(wish.source, wish.timeout_s)
        player = _play(wish, asked, require=True)
        without = player.refusal is not None and player.refusal[0] == NO_TAG
        if without:
            wish.file.unlink(missing_ok=True)
            player = _play(wish, asked, require=False)
    except StreamError as error:
        raise ReplayError(TROUBLES.get(error.trouble, "broken"), str(error)) from error
    if player.refusal is not None:
        status, said = player.refusal
        raise ReplayError(STATUSES.get(status, "refused"), said)
    return _played(player, wish.file, without)


def _play(wish: Wish, asked: Asked, *, require: bool) -> Player:
    player = Player(wish.from_at, wish.to_at, require=require, silent_s=wish.silent_s)
    longest_s = (wish.to_at - wish.from_at).total_seconds() + 2 * EARLY_S  # one that stamps nothing may play for ever
    patient = replace(asked.source, timeout_s=FFMPEG_WAIT_S, sound=asked.stream.audio is not None)
    with (
        closing(Relay(patient, wish.timeout_s, player)) as relay,
        Copy(relay.source, asked.stream, wish.file, longest_s) as copy,
    ):
        while not copy.ended(LOOK_S):
            if shutil.disk_usage(wish.file.parent).free < wish.least_free_bytes:
                player.ended = player.ended or "disk full"
            if player.ended:
                copy.end(DRAIN_S)
        if player.ended == "disk full":
            raise StreamError("disk full", "the rest of the disk is kept free")
        if player.refusal is None and not player.came:
            raise StreamError("silent", "nothing came") if player.ended else copy.cause()
    return player


def _played(player: Player, file: Path, without: bool) -> Played:
    if player.came and not player.stamps and player.early:
        raise ReplayError("elsewhere")
    try:
        facts = fmp4.read(file)
    except (fmp4.Unreadable, FileNotFoundError) as error:
        reason = "elsewhere" if player.ended == "asked" else "broken"
        raise ReplayError(reason, str(error)) from error
    faults = []
    if without:
        faults.append("untagged")
    if player.early:
        faults.append("early")
    if not player.stamps:
        faults.append("unstamped")
    elif len(player.stamps) != facts.frames:
        faults.append("miscounted")
    times = tuple(datetime.fromtimestamp(at_s, UTC) for at_s in sorted(player.stamps))
    return Played(facts.frames, facts.video, facts.audio, times, player.ended or "closed", tuple(faults))
