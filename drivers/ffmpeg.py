"""One ffmpeg that records one camera: argv (ffmpeg-python) in; finished files, frames and the cause of its end out.

The command line carries no address: a camera's password would stand in /proc/PID/cmdline for every process of the box
to read. ffmpeg gets the address on its standard input instead, as an ffconcat script (docs/recording.md, The command).
"""

from __future__ import annotations

import contextlib
import os
import re
import selectors
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote, urlsplit

import ffmpeg

from drivers import children
from drivers.progress import Progress, Reports
from drivers.types import DriverError

FRAGMENT_S = 1.0  # what ffmpeg holds back before it writes: at most this is lost when the process is killed
READ_BYTES = 65536
INT_WAIT_S, TERM_WAIT_S = 3.0, 1.0
NEW, PLAYABLE = ".new", ".mp4"  # a recording's ending while nothing whole is in it, and from then on
MOVFLAGS = (
    f"movflags=+empty_moov+default_base_moof:frag_duration={FRAGMENT_S * 1e6:.0f}"
    ":flush_packets=1:video_track_timescale=90000"  # 5.1 picks 12800 for itself and 7.1 90000
    ":write_prft=wallclock"  # the camera's own clock a fragment, out of its sender reports (fmp4.Stamp)
)
# Ends with the thread that started it (pdeathsig), also when that was gone before setpriv could say so (the PPID test).
LEASH = ("setpriv", "--pdeathsig", "KILL", "sh", "-c", '[ "$PPID" = "$0" ] && exec "$@"')

Trouble = Literal["password", "no stream", "unreachable", "silent", "closed", "disk full", "disk error", "unreadable",
                  "transport", "sound"]  # fmt: skip
# First match wins. The texts are ffmpeg's (5.1 and 7.1), strerror's, and the RTSP status line.
_TROUBLES: tuple[tuple[str, Trouble], ...] = (
    (r"No space left on device|Disk quota exceeded", "disk full"),
    (r"Read-only file system|Failed to open segment|Error writing trailer", "disk error"),
    (r"\b461\b|Protocol not supported", "transport"),
    (r"Error while opening encoder|Error while processing the decoded data|Decoder .* not found", "sound"),
    (r"\b40[13]\b|authorization failed", "password"),
    (r"\b40[04]\b|\b45[1-9]\b|Not Found", "no stream"),
    (r"Connection refused|No route to host|Network is unreachable|Failed to resolve|Name or service", "unreachable"),
    (r"timed out", "silent"),
    (r"Connection reset|Broken pipe|End of file|Input/output error|Server returned 5", "closed"),
    (r"Invalid data|not currently supported|Could not (find|write)|Unknown", "unreadable"),
)

# Said at its end, "verbose": how many came, also of those a copy leaves out because no key frame was before them.
_READ = re.compile(r"Input stream #\d+:\d+ \((video|audio)\): (\d+) packets read")
_PIECE = re.compile(r"non-existing [SPV]PS|[SPV]PS id out of range")  # a frame came, and never what it is decoded by
_TROUBLED = re.compile(r"\[(warning|error|fatal)\]")
_LOST = re.compile(r"RTP: missed (\d+) packets")  # ffmpeg's rtpdec.c; its own "repeated" line is off, to count each


class StreamError(DriverError):
    """The stream could not be read; `trouble` says of what kind, the text is ffmpeg's last word without passwords."""

    def __init__(self, trouble: Trouble, text: str) -> None:
        self.trouble = trouble
        self.permanent = trouble == "password"
        super().__init__(text)


@dataclass(frozen=True, slots=True)
class Source:
    """Where a stream is and who signs in. `url` carries no password.

    `timeout_s` is ffmpeg's own limit on silence: it fires after once this while connecting, after twice this later, and
    not at all while RTCP goes on. So it is only the second watch; but a stalled ffmpeg that ends by it writes down what
    it holds, one that must be interrupted in its read does not.
    """

    url: str
    user: str = ""
    password: str = ""
    sound: bool = True
    timeout_s: float = 5.0
    # UDP loses packets unseen: only for a camera that refuses TCP. http(s): RTSP inside it, chosen by nobody but people
    transport: Literal["tcp", "udp", "http", "https"] = "tcp"

    def script(self) -> str:
        """The ffconcat script that opens it. Held in memory and sent down a pipe, never written to a file."""
        url = self.url
        if self.user:
            scheme, rest = url.split("://", 1)
            url = f"{scheme}://{quote(self.user, safe='')}:{quote(self.password, safe='')}@{rest}"
        if "\n" in url:
            raise StreamError("no stream", "the stream's address has a line break in it")
        options = {
            "rtsp_transport": self.transport,
            "timeout": f"{self.timeout_s * 1e6:.0f}",
            "fpsprobesize": "0",  # else it looks at 20 frames before it writes one: 2.6 to 3.4 s instead of 0.5 to 1.4
        }
        # Never what is neither: ffmpeg would set up a camera's metadata stream and read it for nothing.
        options["allowed_media_types"] = "video+audio" if self.sound else "video"
        quoted = url.replace("'", r"'\''")
        lines = [
            "ffconcat version 1.0",
            f"file '{quoted}'",
            *(f"option {name} {value}" for name, value in options.items()),
        ]
        return "\n".join(lines) + "\n"

    def scrub(self, text: str) -> str:
        """Take the password out of something ffmpeg said."""
        text = re.sub(r"(rtsps?://)[^/@\s]*@", r"\1", text)
        return text.replace(self.password, "***") if self.password else text


@dataclass(frozen=True, slots=True)
class Stream:
    """What a camera sends: ffmpeg's codec names; `audio` None without sound."""

    video: str
    audio: str | None


@dataclass(frozen=True, slots=True)
class Finished:
    """A file ffmpeg has closed, with its place in the run's media time."""

    path: Path
    index: int
    starts_s: float
    ends_s: float


@dataclass(frozen=True, slots=True)
class News:
    """What one look at a run brought. `lost_packets`: sent, by their numbers, and never come."""

    finished: tuple[Finished, ...] = ()
    reports: tuple[Progress, ...] = ()
    ended: bool = False
    lost_packets: int = 0

    @property
    def progress(self) -> Progress | None:
        """How far it is by now, if that is news."""
        return self.reports[-1] if self.reports else None


INPUT: Mapping[str, object] = {
    "format": "concat",
    "safe": 0,  # allows addresses
    "protocol_whitelist": "pipe,fd,file,rtsp,rtsps,rtp,udp,tcp,tls,crypto,http,https,httpproxy",
    "auto_convert": 0,
    "fpsprobesize": 0,
}


def kept(source: Any, stream: Stream) -> tuple[list[Any], dict[str, object]]:
    """Which streams of a source go into an MP4 file, and how."""
    picked = [source["v:0"], *([source["a:0"]] if stream.audio else [])]
    options: dict[str, object] = {"c:v": "copy"}
    if stream.video == "hevc":
        options["tag:v"] = "hvc1"  # Safari plays no hev1
    if stream.audio == "aac":
        # None: a flag. 7.1 throws copied packets away until one is marked as a key, and RTP's AAC never is.
        options |= {"c:a": "copy", "copyinkf:a": None}
    elif stream.audio:  # G.711 in MP4 is refused by ffmpeg and played by no browser
        options |= {"c:a": "aac", "b:a": "32k"}
    return picked, options


def argv(stream: Stream, folder: Path, run: str, segment_s: float, list_fd: int, ending: str = PLAYABLE) -> list[str]:
    """The recording command. Files are named by run and number: ffmpeg overwrites an existing name, and names made of
    the clock come again when the clock is set back."""
    # A fragment at each key frame too, but not where every frame is one: a header each would be a tenth of the bytes.
    fragments = MOVFLAGS if stream.video == "mjpeg" else MOVFLAGS.replace("+empty_moov", "+frag_keyframe+empty_moov")
    source = ffmpeg.input("pipe:0", **INPUT)
    picked, options = kept(source, stream)
    output = ffmpeg.output(
        *picked, str(folder / f"{run}-%06d{ending}"), format="segment",
        segment_time=segment_s, segment_atclocktime=1, reset_timestamps=1,
        # Sound that stops coming must not hold the picture back for 10 s, which is what ffmpeg waits for it by itself.
        max_interleave_delta=1_000_000, segment_format="mp4", segment_format_options=fragments,
        segment_list=f"pipe:{list_fd}", segment_list_type="csv", **options,
    )  # fmt: skip
    output = output.global_args("-nostdin", "-hide_banner", "-loglevel", "repeat+level+verbose",
                                "-stats_period", "1", "-progress", "pipe:1")  # fmt: skip
    return [str(word) for word in ffmpeg.compile(output)]


def trouble(source: Source, said: list[str], otherwise: str) -> StreamError:
    """Make the cause out of ffmpeg's error lines; the first that tells a kind, in the order of _TROUBLES."""
    errors = [source.scrub(line) for line in said if "[error]" in line or "[fatal]" in line]
    for pattern, kind in _TROUBLES:
        for line in errors:
            if re.search(pattern, line, re.IGNORECASE):
                return StreamError(kind, line)
    return StreamError("closed", errors[-1] if errors else otherwise)


def address(url: str) -> tuple[str, int]:
    """Host and port of a stream's address, or of the camera's device service."""
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or {"rtsps": 322, "http": 80, "https": 443}.get(parts.scheme, 554)


def environment() -> dict[str, str]:
    # TZ: the segment muxer cuts on local clock marks. Nothing else of ours is the camera's ffmpeg's business.
    return {"PATH": os.environ.get("PATH", os.defpath), "TZ": "UTC", "LC_ALL": "C.UTF-8"}


class Run:
    """One ffmpeg from start to end. Make it, read it and stop it in one thread: it ends when that thread does."""

    def __init__(self, source: Source, stream: Stream, folder: Path, run: str, segment_s: float,
                 ending: str = PLAYABLE) -> None:  # fmt: skip
        self.name, self._ending = run, ending
        self._source, self._folder = source, folder
        self._said: list[str] = []  # the last lines on standard error that are more than talk
        # What came from the camera, written or not, at least; known at the end.
        self.frames_read = self.sounds_read = 0
        self._held: dict[int, bytes] = {}
        list_read, list_write = os.pipe()
        self._reports = Reports()
        command = argv(stream, folder, run, segment_s, list_write, ending)
        try:
            self.process = subprocess.Popen(
                [*LEASH, str(os.getpid()), *command], stdin=subprocess.PIPE, stdout=self._reports.theirs.fileno(),
                stderr=subprocess.PIPE, pass_fds=(list_write,), env=environment(), process_group=0,
            )  # fmt: skip
        finally:
            os.close(list_write)
            self._reports.close_theirs()
        assert self.process.stdin and self.process.stderr  # noqa: S101 - for the type checker
        with contextlib.suppress(BrokenPipeError):  # it is gone already: read() will say so
            self.process.stdin.write(source.script().encode())
            self.process.stdin.close()
        self._list, self._list_fd = os.fdopen(list_read, "rb", 0), list_read
        self._error_fd = self.process.stderr.fileno()
        self._selector = selectors.DefaultSelector()
        for handle in (self._list_fd, self._error_fd):
            os.set_blocking(handle, False)
            self._selector.register(handle, selectors.EVENT_READ)
        self._heeded = False  # whether reports wake us

    def read(self, timeout_s: float, *, heed: bool = True) -> News:
        """Wait for something to happen, at most `timeout_s`; returns all there is. Nothing happened: an empty News.

        Without `heed` it is not awakened by reports of progress, which come every second: only by all else.
        """
        finished: list[Finished] = []
        lost = 0
        self._heed(heed or not self._selector.get_map())
        for key, _ in self._selector.select(timeout_s):
            if key.fd == self._list_fd:
                finished += [self._line(line) for line in self._lines(key.fd, self._drain(key.fd))]
            elif key.fd == self._error_fd:
                new = [line.decode(errors="replace") for line in self._lines(key.fd, self._drain(key.fd))]
                self._hear(new)
                lost += sum(int(found[1]) for line in new if (found := _LOST.search(line)))
        reports = self._reports.take()
        self._heed(self._heeded)
        return News(tuple(finished), reports, ended=self._ended, lost_packets=lost)

    def _heed(self, wanted: bool) -> None:
        wanted = wanted and not self._reports.ended
        if wanted and not self._heeded:
            self._selector.register(self._reports, selectors.EVENT_READ)
        elif self._heeded and not wanted:
            self._selector.unregister(self._reports)
        self._heeded = wanted

    @property
    def _ended(self) -> bool:
        """Whether it has closed all it could speak through."""
        return self._reports.ended and not self._selector.get_map()

    def _hear(self, lines: list[str]) -> None:
        self._said = [*self._said, *(line for line in lines if _TROUBLED.search(line))][-40:]
        pieces = sum(bool(_PIECE.search(line)) for line in lines)
        read = {found[1]: int(found[2]) for line in lines if (found := _READ.search(line))}
        self.frames_read = max(self.frames_read + pieces, read.get("video", 0))
        self.sounds_read = max(self.sounds_read, read.get("audio", 0))

    def _drain(self, handle: int) -> bytes:
        data = b""
        while True:
            try:
                piece = os.read(handle, READ_BYTES)
            except BlockingIOError:
                return data
            if not piece:
                self._selector.unregister(handle)
                return data
            data += piece
            if len(piece) < READ_BYTES:  # what comes later wakes us again; saves asking once more each second
                return data

    def _lines(self, handle: int, data: bytes) -> list[bytes]:
        *whole, rest = (self._held.get(handle, b"") + data).split(b"\n")
        self._held[handle] = rest
        return [line for line in whole if line.strip()]

    def _line(self, line: bytes) -> Finished:
        name, starts_s, ends_s = line.decode().rsplit(",", 2)
        path = self._folder / name
        return Finished(path, int(path.stem.rsplit("-", 1)[1]), float(starts_s), float(ends_s))

    def open_file(self, index: int) -> Path:
        """The file of that number, whether it is there yet or not."""
        return self._folder / f"{self.name}-{index:06d}{self._ending}"

    def cause(self) -> StreamError:
        """Why it ended, from what it said; its exit status says nothing (0 after a dead camera)."""
        found = trouble(self._source, self._said, "the camera ended the stream")
        if found.trouble == "unreadable" and self._heard_nothing():
            return StreamError("silent", "the camera sent nothing")
        return found

    def _heard_nothing(self) -> bool:
        """Whether it knows no picture's size because none came, and not because it made nothing of what came."""
        said = "\n".join(self._said)
        return "unspecified size" in said and not self.frames_read and not re.search(r"\[(h264|hevc|mjpeg) @", said)

    def stop(self, patience_s: float = INT_WAIT_S, *, stalled: bool = False) -> News:
        """End it, gently first so that the open file keeps its last fragment; returns what was still to hear.

        ffmpeg obeys SIGINT when its read returns: with the next packet, or by its own time limit. SIGTERM breaks the
        read, and what it holds is lost. So a stalled one is made to see the end of its stream.
        """
        if stalled:
            children.hang_up(self.process.pid)
        finished: list[Finished] = []
        reports: list[Progress] = []
        lost = 0
        for number, wait_s in ((signal.SIGINT, patience_s), (signal.SIGTERM, TERM_WAIT_S)):
            self.process.send_signal(number)
            until_s = time.monotonic() + wait_s
            while not self._ended and (left_s := until_s - time.monotonic()) > 0:
                news = self.read(left_s)
                finished += news.finished
                reports += news.reports
                lost += news.lost_packets
        self.close()
        return News(tuple(finished), tuple(reports), ended=True, lost_packets=lost)

    def close(self) -> None:
        """Reap it and close the pipes. What has not ended by now is killed."""
        if self._ended:
            with contextlib.suppress(subprocess.TimeoutExpired):  # it has closed its pipes and is just ending
                self.process.wait(0.5)
        self.process.kill()  # does nothing to a process that was reaped
        self.process.wait()
        self._selector.close()
        self._list.close()
        self._reports.close()
        assert self.process.stderr  # noqa: S101 - for the type checker
        self.process.stderr.close()
