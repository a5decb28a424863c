"""Plays a span of a recording from a camera's card into a file, with the camera's own time of each picture.

One ffmpeg reads through the relay, in which a Player asks for the span and ends it (docs/decisions/010-card-replay.md).
"""

from __future__ import annotations

import os
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
SENTENCES = {
    "nothing": "The card has nothing of that time.",
    "password": "The camera refuses this name or password for what is on its card.",
    "busy": "The camera plays to somebody else, or is too busy.",
    "refused": "The camera refuses to play from its card: {detail}",
    "unreachable": "Nothing answers where the camera says that its card is played from.",
    "silent": "The camera agreed to play, and sent nothing.",
    "elsewhere": "The camera plays another time than was asked for.",
    "disk full": "There is no space left where the copy goes.",
    "broken": "What the camera plays cannot be read: {detail}",
}
STATUSES = {401: "password", 403: "password", 404: "nothing", 457: "nothing", 453: "busy", 503: "busy"}
TROUBLES = {"password": "password", "no stream": "nothing", "silent": "silent", "unreachable": "unreachable",
            "disk full": "disk full"}  # fmt: skip
NO_TAG = 551  # "Option not supported": the camera does not know `Require: onvif-replay`


class ReplayError(DriverError):
    """Nothing was to be had; `reason` is a key of SENTENCES."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(SENTENCES[reason].format(detail=detail))
        self.reason, self.permanent, self.detail = reason, reason == "password", detail


@dataclass(frozen=True, slots=True)
class Played:
    """What a span became. `times`: of each picture, by the camera's clock, in their order; empty where it stamps none.

    `ended`: asked (all was played), terminal (the camera says it was the last), silent or closed (it just stopped).
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

    It is on disk when this returns. Raises ReplayError; what is in the file then is worth nothing.
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
                copy.end()
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
    _sync(file)
    faults = []
    if without:
        faults.append("The camera does not know onvif-replay; it was asked to play without.")
    if player.early:
        faults.append("The camera begins long before the time asked for; what came before was left out.")
    if not player.stamps:
        faults.append("The camera does not say which time its pictures are of.")
    elif len(player.stamps) != facts.frames:
        faults.append(f"The camera stamped {len(player.stamps)} pictures, the file holds {facts.frames}.")
    times = tuple(datetime.fromtimestamp(at_s, UTC) for at_s in sorted(player.stamps))
    return Played(facts.frames, facts.video, facts.audio, times, player.ended or "closed", tuple(faults))


def _sync(file: Path) -> None:
    for path in (file, file.parent):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
