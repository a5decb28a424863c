"""The card in an RTSP camera of the tests: plays a span of a recording as ONVIF replay has it, or wrongly.

The recording is the camera's clip, once, from `begins_at` on.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal, Protocol

from tests.fakes.rtsp_film import SLICES, digest, kind_of
from tests.fakes.rtsp_packets import CLEAN, END, TERMINAL, replay_extension

if TYPE_CHECKING:
    from tests.fakes.rtsp_camera import Manner, RtspCamera

SOUNDS_PER_S = 50
Frame = tuple[int, tuple[bytes, ...]]  # its number, its NAL units


class Sends(Protocol):
    """The connection it is played over."""

    def picture(
        self, units: tuple[bytes, ...], sequence: int, stamp: int, extension: bytes, *, each: bool
    ) -> int: ...

    def sound(self, number: int, extension: bytes) -> None: ...

    def report(self, stamp: int, number: int) -> None: ...

    def goodbye(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Card:
    """What is on it, and how it is played."""

    begins_at: datetime
    hole: tuple[int, int] = (0, 0)  # frames [a, b) are not on the card
    refuses_require: bool = False
    ignores_range: bool = False
    breaks_at: int = 0  # frame at which the connection is closed
    stamped: bool = True
    stamps_each: bool = False  # packet of a picture, not only the first
    ends: Literal["terminal", "bye", "nothing"] = "terminal"  # how the end is told; nothing: it just goes silent

    def refusal(self, method: str, headers: dict[str, str]) -> str:
        wanted = headers.get("require", "")
        return "551 Option not supported" if wanted and self.refuses_require else ""

    def at(self, frame: int, fps: int) -> datetime:
        return self.begins_at + timedelta(seconds=frame / fps)


def play(card: Card, manner: Manner, camera: RtspCamera, to: Sends, asked: dict[str, str]) -> bool:
    """Send what the Range asks for, as fast as it is taken. True: now the camera hangs up."""
    camera.plays.append(asked)
    frames = _asked_for(card, manner, camera, asked)
    sequence = heard = 0
    for n, (number, units) in enumerate(frames):
        if card.breaks_at and number >= card.breaks_at:
            return True
        if asked.get("rate-control") != "no" and camera.stopping.wait(1 / manner.fps):
            return False
        following = frames[n + 1][0] if n + 1 < len(frames) else None
        flags = CLEAN if number % manner.gop == 0 else 0
        if following is None:
            flags |= END | (TERMINAL if card.ends == "terminal" else 0)
        elif following != number + 1:
            flags |= END
        at_s = card.at(number, manner.fps).timestamp()
        known = card.stamped and asked.get("require") == "onvif-replay"
        extension = replay_extension(at_s, flags, int(asked["cseq"])) if known else b""
        while manner.sound and heard / SOUNDS_PER_S <= n / manner.fps:
            to.sound(heard, extension)
            heard += 1
        stamp = round(number / manner.fps * 90000)
        sequence = to.picture(units, sequence, stamp, extension, each=card.stamps_each)
        if number % manner.fps == 0:
            to.report(stamp, camera.frame_now())  # of now, though the picture is of then
        camera.sent += [digest(unit) for unit in units if kind_of(unit, manner.codec) in SLICES[manner.codec]]
    if card.ends == "bye":
        to.goodbye()
    return False


def _asked_for(card: Card, manner: Manner, camera: RtspCamera, asked: dict[str, str]) -> list[Frame]:
    """From the last key frame at or before the beginning, as the standard says."""
    whole = [frame for frame in enumerate(units for _, units in camera.frames())
             if not card.hole[0] <= frame[0] < card.hole[1]]  # fmt: skip
    found = re.fullmatch(r"clock=(\S+?Z)-(\S*Z)?", asked.get("range", ""))
    if card.ignores_range or found is None:
        return whole
    from_at = _instant(found[1])
    to_at = _instant(found[2]) if found[2] else datetime.max.replace(tzinfo=UTC)
    keys = [n for n, _ in whole if n % manner.gop == 0]
    first = max((n for n in keys if card.at(n, manner.fps) <= from_at), default=keys[0])
    return [frame for frame in whole if frame[0] >= first and card.at(frame[0], manner.fps) <= to_at]


def _instant(said: str) -> datetime:
    shape = "%Y%m%dT%H%M%S.%fZ" if "." in said else "%Y%m%dT%H%M%SZ"
    return datetime.strptime(said, shape).replace(tzinfo=UTC)
