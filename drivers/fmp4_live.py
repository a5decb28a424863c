"""Reads a fragmented MP4 file while ffmpeg still writes it, for browsers: whole fragments, placed on one time line.

Nothing is encoded anew. What changes are a fragment's decode times (14496-12, 8.8.12), so that the files of a run, each
of which begins at 0, stand one after the other; and where sound is not wanted, its boxes are called `free`, which every
reader passes over (8.1.2) and which moves no byte: the offsets in the fragment stay true.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from drivers import fmp4

VISUAL_ENTRY_BYTES = 86  # a sample entry's own fields before avcC or hvcC (14496-12, 12.1.3)
NOT_A_KEY = 0x10000  # sample_is_non_sync_sample (8.8.3.1)


@dataclass(frozen=True, slots=True)
class Header:
    """What a player needs before the first fragment. `video`, `audio`: RFC 6381 names; `audio` None without sound."""

    data: bytes
    video: str
    audio: str | None
    video_track: int
    audio_track: int | None
    timescales: dict[int, int]
    durations: dict[int, int]  # of a sample, where the fragment does not say

    def silenced(self) -> bytes:
        """The header without its sound."""
        if self.audio_track is None:
            return self.data
        data = bytearray(self.data)
        for kind, at, length in _within(data, 0, len(data)):
            if kind == b"moov":
                _silence_moov(data, at, length, self.audio_track)
        return bytes(data)


@dataclass(frozen=True, slots=True)
class Piece:
    """One whole fragment in the file: where its bytes are, and its picture's place in the file's media time."""

    at: int
    length: int
    starts_s: float
    ends_s: float
    key: bool  # a player can begin with it
    sound: bool


class Tail:
    """One file that grows. `look` finds what is new; the file may be renamed or deleted meanwhile."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.header: Header | None = None
        self._file = path.open("rb", buffering=0)
        self._at = 0
        self._head: list[bytes] = []

    def __enter__(self) -> Tail:
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self._file.close()

    def look(self) -> tuple[list[Piece], float]:
        """The fragments that have become whole since the last look, and when the file was last written (epoch, s).

        The time is asked for before the bytes: what is written in between belongs to the next look.
        """
        state = os.fstat(self._file.fileno())
        pieces: list[Piece] = []
        begins, moof = self._at, b""
        for kind, at, length in fmp4.boxes(self._file.fileno(), state.st_size, self._at):
            if kind in (b"ftyp", b"moov"):
                self._take_header(kind, os.pread(self._file.fileno(), length, at))
            elif kind == b"moof":
                begins, moof = at, fmp4.body(self._file.fileno(), at, length)
                continue
            elif kind == b"mdat" and moof and self.header is not None:
                piece = _piece(self.header, moof, begins, at + length - begins)
                pieces += [piece] if piece else []
            moof, self._at = b"", at + length
        return pieces, state.st_mtime

    def _take_header(self, kind: bytes, data: bytes) -> None:
        self._head.append(data)
        if kind == b"moov":
            self.header = _header(b"".join(self._head), data[8:])

    def read(self, piece: Piece, shift_s: float, *, sound: bool) -> bytes:
        """The fragment's bytes with all its times moved by `shift_s`."""
        data = bytearray(os.pread(self._file.fileno(), piece.length, piece.at))
        header = self.header
        if header is None or len(data) < piece.length:
            raise OSError(f"{self.path.name}: a fragment that was there is gone")
        for kind, at, length in _within(data, 0, len(data)):
            if kind == b"moof":
                for inner, traf_at, traf_length in _within(data, at + 8, at + length):
                    if inner == b"traf":
                        _move(data, traf_at, traf_length, header, shift_s, sound=sound)
        return bytes(data)


def _within(data: bytes | bytearray, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """(type, offset, length) of the boxes between two offsets."""
    while at + 8 <= end:
        length, kind = struct.unpack_from(">I4s", data, at)
        if length < 8 or at + length > end:
            return
        yield kind, at, length
        at += length


def _header(data: bytes, moov: bytes) -> Header | None:
    tracks = fmp4.tracks_of(moov)
    video = next((number for number, track in tracks.items() if track.codec in fmp4.VIDEO.values()), None)
    if video is None:
        return None
    audio = next((number for number, track in tracks.items() if track.codec in fmp4.AUDIO.values()), None)
    return Header(
        data=data, video=_codec(moov) or tracks[video].codec, audio="mp4a.40.2" if audio is not None else None,
        video_track=video, audio_track=audio, timescales={number: track.timescale for number, track in tracks.items()},
        durations={number: track.default_duration for number, track in tracks.items()},
    )  # fmt: skip


def _codec(moov: bytes) -> str | None:
    """The video's RFC 6381 name, from the decoder's configuration: avc1.640028, hvc1.1.6.L93.B0."""
    for name in (b"avc1", b"avc3", b"hvc1", b"hev1"):
        at = moov.find(name)
        if at < 0:
            continue
        boxes = dict(fmp4.inside(moov[at - 4 + VISUAL_ENTRY_BYTES : at - 4 + int.from_bytes(moov[at - 4 : at])]))
        if b"avcC" in boxes:
            return f"{name.decode()}.{boxes[b'avcC'][1:4].hex()}"
        if b"hvcC" in boxes:
            return f"{name.decode()}.{_hevc(boxes[b'hvcC'])}"
    return None


def _hevc(hvcc: bytes) -> str:
    """Profile, compatibility, tier and level, constraints (ISO/IEC 14496-15, E.3)."""
    first, flags, level = hvcc[1], int.from_bytes(hvcc[2:6]), hvcc[12]
    turned = int(f"{flags:032b}"[::-1], 2)
    constraints = [f"{byte:X}" for byte in hvcc[6:12].rstrip(b"\0")]
    return ".".join(
        [f"{('', 'A', 'B', 'C')[first >> 6]}{first & 31}", f"{turned:X}", f"{'H' if first & 32 else 'L'}{level}",
         *constraints]
    )  # fmt: skip


def _piece(header: Header, moof: bytes, at: int, length: int) -> Piece | None:
    """What a fragment holds; None for one without picture."""
    starts_s = ends_s = 0.0
    key = sound = picture = False
    for kind, traf in fmp4.inside(moof):
        parts = dict(fmp4.inside(traf)) if kind == b"traf" else {}
        if not {b"tfhd", b"tfdt", b"trun"} <= parts.keys():
            continue
        number, duration, size = fmp4.fragment_defaults(parts[b"tfhd"])
        sound = sound or number == header.audio_track
        if number == header.video_track:
            tfdt = parts[b"tfdt"]
            start = struct.unpack_from(">Q" if tfdt[0] == 1 else ">I", tfdt, 4)[0]
            durations, _ = fmp4.run_samples(parts[b"trun"], duration or header.durations[number], size)
            scale = header.timescales[number]
            starts_s, ends_s = start / scale, (start + sum(durations)) / scale
            key, picture = _begins_with_key(parts[b"tfhd"], parts[b"trun"]), True
    return Piece(at, length, starts_s, ends_s, key, sound) if picture else None


def _begins_with_key(tfhd: bytes, trun: bytes) -> bool:
    """Whether the first sample is a sync sample: by its own flags, the run's word on the first, or the default."""
    flags = struct.unpack_from(">I", trun)[0]
    at = 8 + (4 if flags & 0x1 else 0)
    if flags & 0x4:
        return not struct.unpack_from(">I", trun, at)[0] & NOT_A_KEY
    if flags & 0x400:
        at += (4 if flags & 0x100 else 0) + (4 if flags & 0x200 else 0)
        return not struct.unpack_from(">I", trun, at)[0] & NOT_A_KEY
    said = struct.unpack_from(">I", tfhd)[0]
    return bool(said & 0x20) and not struct.unpack_from(">I", tfhd, len(tfhd) - 4)[0] & NOT_A_KEY


def _move(data: bytearray, at: int, length: int, header: Header, shift_s: float, *, sound: bool) -> None:
    """Move one track's fragment in time, or call it free."""
    number = 0
    for kind, inner_at, _ in _within(data, at + 8, at + length):
        if kind == b"tfhd":
            number = struct.unpack_from(">I", data, inner_at + 12)[0]
            if number == header.audio_track and not sound:
                data[at + 4 : at + 8] = b"free"
                return
        elif kind == b"tfdt":
            form = ">Q" if data[inner_at + 8] == 1 else ">I"
            start = struct.unpack_from(form, data, inner_at + 12)[0]
            struct.pack_into(form, data, inner_at + 12, max(0, start + round(shift_s * header.timescales[number])))


def _silence_moov(data: bytearray, at: int, length: int, audio_track: int) -> None:
    for kind, inner_at, inner_length in _within(data, at + 8, at + length):
        if kind == b"trak" and fmp4.tracks_of(bytes(data[inner_at : inner_at + inner_length])).keys() == {audio_track}:
            data[inner_at + 4 : inner_at + 8] = b"free"
        elif kind == b"mvex":
            for one, one_at, _ in _within(data, inner_at + 8, inner_at + inner_length):
                if one == b"trex" and struct.unpack_from(">I", data, one_at + 12)[0] == audio_track:
                    data[one_at + 4 : one_at + 8] = b"free"
