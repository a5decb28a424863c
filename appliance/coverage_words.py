"""What a coverage report says in words: its first sentence and its tables. For the page, paper and terminal."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from appliance import gap_causes
from appliance.config import Config
from appliance.coverage import Gap
from appliance.coverage_report import CameraHole, CameraReport, CoverageReport, RoomHole, RoomReport
from appliance.model import N_
from appliance.words import Words

ROOM_COLUMNS = (N_("Room"), N_("Cameras"), N_("Required"), N_("Length"), N_("Recorded"), N_("Missing"))
HOLE_COLUMNS = (N_("Room"), N_("Camera"), N_("Missing from–to"), N_("Length"), N_("Cause"), N_("Journal entry"),
                N_("Covered by"))  # fmt: skip


def headline(words: Words, config: Config, found: CoverageReport) -> str:
    """The one sentence that answers: was everything recorded?"""
    if not found.rooms:
        return words.say(N_("Nothing had to be recorded."))
    if found.until <= min(room.starts_at for room in found.rooms):
        return words.say(N_("Recording begins at {begins_at}."), begins_at=min(r.starts_at for r in found.rooms))
    said = _missing(words, config, found) if found.holes else _whole(words, found)
    return said if found.final else words.say(N_("So far, up to {until_at}: {said}"), until_at=found.until, said=said)


def _whole(words: Words, found: CoverageReport) -> str:
    lengths = {room.required_us for room in found.rooms}
    each_s = seconds(found.rooms[0].required_us)
    if len(lengths) == 1:
        return words.plural("{n} room recorded without a gap: {each_s}.",
                            "All {n} rooms recorded without a gap: {each_s} each.", len(found.rooms),
                            each_s=each_s)  # fmt: skip
    return words.plural("{n} room recorded without a gap: {all_s}.",
                        "All {n} rooms recorded without a gap: {all_s} together.", len(found.rooms),
                        all_s=seconds(sum(room.required_us for room in found.rooms)))  # fmt: skip


def _missing(words: Words, config: Config, found: CoverageReport) -> str:
    holes, missing = found.holes, seconds(sum(room.missing_us for room in found.rooms))
    longest = max(holes, key=lambda hole: hole.length_us)
    facts = {"place": room_name(words, config, longest.room), "cause": causes(words, longest)}
    if len(holes) == 1:
        return words.say(N_("{place}: {missing_s} missing. {cause}"), missing_s=missing, **facts)
    rooms = sum(room.missing_us > 0 for room in found.rooms)
    head = words.plural("{n} room has gaps, {missing_s} missing.", "{n} rooms have gaps, {missing_s} missing in all.",
                        rooms, missing_s=missing)  # fmt: skip
    return head + " " + words.say(N_("The longest: {place}, {length_s}. {cause}"),
                                  length_s=seconds(longest.length_us), **facts)  # fmt: skip


def remark(words: Words, found: CoverageReport) -> str:
    """What only a camera missed, because another one of its room recorded; empty when there is none."""
    if not found.remarks:
        return ""
    return words.plural("{n} gap of a camera was covered by another camera of its room.",
                        "{n} gaps of cameras were covered by another camera of their room.",
                        len(found.remarks))  # fmt: skip


def causes(words: Words, hole: RoomHole) -> str:
    return " ".join(words.say(gap_causes.cause(code)) for code in hole.causes)


def room_name(words: Words, config: Config, code: str) -> str:
    return config.room(code).name.in_(words.language)


def camera_name(words: Words, config: Config, camera: str) -> str:
    return config.camera(camera).name.in_(words.language)


def seconds(us: int) -> float:
    return us / 1_000_000


def exact(us: int) -> str:
    """6:47:52.040, to the millisecond: for evidence, where a rounded length would not add up."""
    ms = round(us / 1000)
    return f"{ms // 3_600_000}:{ms // 60_000 % 60:02d}:{ms // 1000 % 60:02d}.{ms % 1000:03d}"


def between(words: Words, starts_at: datetime, ends_at: datetime) -> str:
    """07:31:04–07:50:12"""
    return f"{words.time(starts_at)}–{words.time(ends_at)}"


def room_rows(words: Words, config: Config, found: CoverageReport) -> list[list[str]]:
    """One row a room, in ROOM_COLUMNS."""
    return [_room_row(words, config, room) for room in found.rooms]


def _room_row(words: Words, config: Config, room: RoomReport) -> list[str]:
    cameras = ", ".join(camera_name(words, config, camera) for camera in room.cameras)
    return [room_name(words, config, room.room), cameras, between(words, room.starts_at, room.ends_at),
            exact(room.required_us), exact(room.covered_us),
            exact(room.missing_us) if room.missing_us else words.say(N_("nothing missing"))]  # fmt: skip


def hole_rows(words: Words, config: Config, found: CoverageReport) -> list[list[str]]:
    """One row a gap of a camera, in HOLE_COLUMNS."""
    return [_hole_row(words, config, camera, hole) for camera in found.cameras for hole in camera.holes]


def _hole_row(words: Words, config: Config, camera: CameraReport, hole: CameraHole) -> list[str]:
    gap = hole.gap
    return [room_name(words, config, camera.room), camera_name(words, config, camera.camera),
            between(words, gap.starts_at, gap.ends_at), exact(hole.length_us),
            words.say(gap_causes.cause(gap.cause)), _entries(words, gap), covered(words, config, hole)]  # fmt: skip


def _entries(words: Words, gap: Gap) -> str:
    """The gap's own entry in the journal, and those that tell of its cause: 12 (9, 11)."""
    own = str(gap.entry) if gap.entry else words.say(N_("goes on"))
    return f"{own} ({', '.join(str(number) for number in gap.evidence)})" if gap.evidence else own


def covered(words: Words, config: Config, hole: CameraHole) -> str:
    """Which other cameras of the room recorded meanwhile."""
    names = ", ".join(camera_name(words, config, camera) for camera in hole.covered_by)
    if not names:
        return words.say(N_("by none"))
    if hole.uncovered_us:
        return words.say(N_("{names}, except {rest_s}"), names=names, rest_s=seconds(hole.uncovered_us))
    return names


def clock_rows(words: Words, config: Config, cameras: Sequence[CameraReport]) -> list[list[str]]:
    """One row a camera: how its times were derived, its own clock, the box's."""
    return [[camera_name(words, config, c.camera), *_clock_cells(words, c)] for c in cameras]


CLOCK_COLUMNS = (N_("Camera"), N_("Recordings"), N_("Camera's clock against the box's"), N_("Box clock"))


def _offset(words: Words, ms: int) -> str:
    """A clock's offset: to the millisecond while that is of use, then as people say lengths."""
    if abs(ms) >= 10_000:
        return words.signed_s(ms / 1000)
    return words.say(N_("{sign}{amount} ms"), sign="−" if ms < 0 else "+", amount=abs(ms))


def _clock_cells(words: Words, camera: CameraReport) -> list[str]:
    clocks = camera.clocks
    offset = words.say(N_("not known"))
    if clocks.offset_ms is not None:
        least, most = (_offset(words, ms) for ms in clocks.offset_ms)
        offset = least if least == most else words.say(N_("{least} to {most}"), least=least, most=most)
    kept = clocks.box_clock.get("synchronised", 0)
    if not clocks.recordings or clocks.box_clock.get("unknown", 0) == clocks.recordings:
        box = words.say(N_("not known"))
    elif kept == clocks.recordings:
        box = words.say(N_("kept by a time source"))
    else:
        box = words.say(N_("kept for {kept} of {recordings} recordings"), kept=kept, recordings=clocks.recordings)
    if clocks.steps:
        box += "; " + words.plural("set {n} time meanwhile", "set {n} times meanwhile", clocks.steps)
    return [words.number(clocks.recordings), offset, box]
