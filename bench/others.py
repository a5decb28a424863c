"""Other recorders beside ours in bench/recording.py: a bare ffmpeg per camera, and Debian's motion and ZoneMinder.

Each records the same cameras, without re-encoding, into files of the same length.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from bench.films import Film

MOVFLAGS = "+frag_keyframe+empty_moov+default_base_moof"
HOW = {
    "motion": "apt-get install --no-install-recommends motion",
    "zmc": "apt-get install --no-install-recommends zoneminder mariadb-server",
}
ZM_CONF = Path("/etc/zm/conf.d/99-bench.conf")  # where it looks is compiled in
ZM_SQL = Path("/usr/share/zoneminder/db/zm_create.sql")


def missing(program: str) -> str:
    """How to install it; empty when it is there."""
    return "" if shutil.which(program) else f"{program} is not installed: {HOW[program]}"


def ended(children: Sequence[subprocess.Popen[bytes]]) -> None:
    for child in children:
        child.terminate()
    for child in children:
        try:
            child.wait(20)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


@contextmanager
def bare(urls: Sequence[str], folder: Path, segment_s: float) -> Generator[list[subprocess.Popen[bytes]], None, None]:
    """One `ffmpeg -c copy` a camera, fragmented MP4 as ours, nothing else."""
    children = []
    for number, url in enumerate(urls):
        to = folder / str(number)
        to.mkdir(parents=True)
        argv = ["ffmpeg", "-nostdin", "-v", "error", "-rtsp_transport", "tcp", "-timeout", "5000000", "-i", url]
        argv += ["-map", "0:v:0", "-c:v", "copy", "-f", "segment", "-segment_time", f"{segment_s:g}"]
        argv += ["-segment_atclocktime", "1", "-reset_timestamps", "1", "-strftime", "1", "-segment_format", "mp4"]
        argv += ["-segment_format_options", f"movflags={MOVFLAGS}:frag_duration=1000000:flush_packets=1"]
        children.append(subprocess.Popen([*argv, str(to / "%Y%m%dT%H%M%SZ.mp4")]))
    try:
        yield children
    finally:
        ended(children)


@contextmanager
def motion(
    urls: Sequence[str], folder: Path, segment_s: float, film: Film
) -> Generator[list[subprocess.Popen[bytes]], None, None]:
    """motion with `movie_passthrough`, always recording."""
    folder.mkdir(parents=True)
    width, height = film.size.split("x")
    lines = [
        "daemon off", "setup_mode off", "log_level 4", f"log_file {folder}/motion.log", "webcontrol_port 0",
        "stream_port 0", "emulate_motion on", "picture_output off", "movie_output on", f"movie_max_time {segment_s:g}",
        "movie_passthrough on", "movie_codec mkv", f"width {width}", f"height {height}", f"framerate {film.fps}",
        "event_gap 0", "pre_capture 0", "movie_filename %v-%H%M%S", "locate_motion_mode off",
    ]  # fmt: skip
    for number, url in enumerate(urls):
        (folder / str(number)).mkdir()
        (folder / f"{number}.conf").write_text(
            f"camera_id {number + 1}\nnetcam_url {url}\nnetcam_params rtsp_transport=tcp\n"
            f"target_dir {folder}/{number}\n"
        )
        lines.append(f"camera {folder}/{number}.conf")
    (folder / "motion.conf").write_text("\n".join(lines) + "\n")
    child = subprocess.Popen(["motion", "-n", "-c", str(folder / "motion.conf")], stderr=subprocess.DEVNULL)
    try:
        yield [child]
    finally:
        ended([child])


@contextmanager
def zoneminder(
    urls: Sequence[str], folder: Path, segment_s: float, film: Film
) -> Generator[list[subprocess.Popen[bytes]], None, None]:
    """One zmc a camera, passthrough, decoding off: its cheapest way. Needs root: a database of its own, and ZM_CONF."""
    folder.mkdir(parents=True)
    folder.chmod(0o755)
    data, wire = folder / "db", folder / "my.sock"
    subprocess.run(
        ["mariadb-install-db", "--no-defaults", f"--datadir={data}", "--user=root"], check=True, capture_output=True
    )
    with ExitStack() as running:
        server = subprocess.Popen(
            ["mariadbd", "--no-defaults", "--user=root", "--skip-networking", f"--datadir={data}", f"--socket={wire}"],
            stderr=subprocess.DEVNULL,
        )
        running.callback(ended, [server])
        client = ["mariadb", f"--socket={wire}", "-uroot"]
        until_s = time.monotonic() + 30
        while subprocess.run([*client, "-e", "select 1"], capture_output=True, check=False).returncode:
            if time.monotonic() > until_s:
                raise SystemExit("mariadbd does not start")
            time.sleep(0.3)
        subprocess.run(client, input=ZM_SQL.read_bytes(), check=True, capture_output=True)
        subprocess.run([*client, "zm", "-e", "".join(_zm_tables(urls, folder, segment_s, film))], check=True)
        ZM_CONF.write_text(
            f"ZM_DB_HOST=localhost:{wire}\nZM_DB_USER=root\nZM_DB_PASS=\n"
            f"ZM_PATH_LOGS={folder}\nZM_PATH_SOCKS={folder}\n"
        )
        running.callback(ZM_CONF.unlink)
        children = [subprocess.Popen(["zmc", "-m", str(n + 1)], stderr=subprocess.DEVNULL) for n in range(len(urls))]
        running.callback(ended, children)
        yield children


def _zm_tables(urls: Sequence[str], folder: Path, segment_s: float, film: Film) -> Generator[str, None, None]:
    """Its monitors, as its own pages would make them (1.36: db/zm_create.sql)."""
    width, height = film.size.split("x")
    yield f"replace into Storage (Id,Path,Name,Type,Enabled) values (1,'{folder}','bench','local',1);"  # noqa: S608
    for number, url in enumerate(urls, 1):
        names = (
            "Id,Name,Type,`Function`,Enabled,DecodingEnabled,Path,Method,Width,Height,Colours,SaveJPEGs,VideoWriter,"
            "OutputContainer,ImageBufferCount,MaxImageBufferCount,PreEventCount,SectionLength,StorageId,EncoderParameters"
        )
        values = (
            f"{number},'c{urlsplit(url).port}','Ffmpeg','Record',1,0,'{url}','rtpRtsp',{width},{height},4,0,2,'mp4',"
            f"3,0,0,{segment_s:.0f},1,''"
        )
        yield f"insert into Monitors ({names}) values ({values});"  # noqa: S608
        yield f"insert ignore into Monitor_Status (MonitorId) values ({number});"  # noqa: S608
