"""One ffmpeg that copies a stream with an end into one file. The recorder's, which has none, is in ffmpeg.py."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType

import ffmpeg

from drivers.ffmpeg import FRAGMENT_S, INPUT, LEASH, Source, Stream, StreamError, environment, kept, trouble

END_WAIT_S = 5.0


def argv(stream: Stream, file: Path, longest_s: float) -> list[str]:
    """A fragmented file, which plays also when this is killed. No reference times of the writer's (`prft`): what a
    card plays was not seen now."""
    source = ffmpeg.input("pipe:0", **INPUT)
    picked, options = kept(source, stream)
    output = ffmpeg.output(
        *picked, str(file), format="mp4", t=longest_s, movflags="+frag_keyframe+empty_moov+default_base_moof",
        frag_duration=int(FRAGMENT_S * 1e6), video_track_timescale=90000, max_interleave_delta=1_000_000, **options,
    )  # fmt: skip
    output = output.global_args("-nostdin", "-hide_banner", "-loglevel", "repeat+level+warning", "-n")
    return [str(word) for word in ffmpeg.compile(output)]


class Copy:
    """One ffmpeg from start to end; it ends with the thread that made it. `file` must not be there yet."""

    def __init__(self, source: Source, stream: Stream, file: Path, longest_s: float) -> None:
        self._source, self._said = source, tempfile.TemporaryFile()  # noqa: SIM115 - closed in __exit__
        self._process = subprocess.Popen(
            [*LEASH, str(os.getpid()), *argv(stream, file, longest_s)], stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL, stderr=self._said, env=environment(), process_group=0,
        )  # fmt: skip
        assert self._process.stdin is not None  # noqa: S101 - for the type checker
        with contextlib.suppress(BrokenPipeError):  # it is gone already, and has said why
            self._process.stdin.write(source.script().encode())
            self._process.stdin.close()

    def __enter__(self) -> Copy:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end(0.0)
        self._said.close()

    def ended(self, wait_s: float) -> bool:
        """Whether it has come to its end, waiting for that."""
        try:
            self._process.wait(wait_s)
        except subprocess.TimeoutExpired:
            return False
        return True

    def end(self, patience_s: float = END_WAIT_S) -> None:
        """Give it so long to end by itself, then make it."""
        if not self.ended(patience_s):
            self._process.terminate()
            if not self.ended(END_WAIT_S):
                self._process.kill()
                self._process.wait()

    def cause(self) -> StreamError:
        """What it had to complain of, without the password."""
        self._said.seek(0)
        return trouble(self._source, self._said.read().decode(errors="replace").splitlines(), "nothing came")
