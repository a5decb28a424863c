"""Why something was not recorded: one cause a gap, the one whose evidence covers most of it. Reads only.

Evidence are the outages the recorder wrote down as they happened, the journal, the plan (plan_changes.py), and what the
other cameras did at the same time. docs/recording.md has the table of causes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from appliance import journal
from appliance.clock import iso, parse
from appliance.exams import Window
from appliance.model import N_, Message, message
from appliance.plan_changes import Late
from appliance.store import Database

LONGEST_SEGMENT = timedelta(hours=1)  # how far before a window a recording may begin that reaches into it

# Code -> what it says to a person. docs/recording.md tells how each is found out and what to do.
CAUSES = {
    "camera silent": N_("The camera sent no picture."),
    "camera unreachable": N_("The camera could not be reached over the network."),
    "connection closed": N_("The camera closed the connection."),
    "camera restarted": N_("The camera restarted."),
    "network down": N_("The network to the cameras was down."),
    "no key frame": N_("The camera sent no picture that a recording could begin with."),
    "password refused": N_("The camera refused the password."),
    "no stream": N_("The camera has no stream at this address."),
    "stream unreadable": N_("The camera's stream could not be read."),
    "time stamps set back": N_("The camera set its time stamps back."),
    "recording starting": N_("The connection to the camera was being made."),
    "recorder restarted": N_("The recorder was restarted."),
    "recorder stopped": N_("The recorder was stopped."),
    "stopped by a person": N_("A person stopped the recording."),
    "recorder not running": N_("The recorder was not running."),
    "box restarted": N_("The box was off or restarting."),
    "disk full": N_("The recording disk was full."),
    "disk error": N_("The recording disk did not take the recording."),
    "disk missing": N_("The recording disk was not there."),
    "clock set forward": N_("The box clock was set forward over this time."),
    "exam planned late": N_("The exam was put on the plan after its recording should have begun."),
    "program fault": N_("The recording program had a fault."),
}
UNKNOWN = "recorder not running"  # nobody wrote anything down: nobody was there to
LOST = ("camera silent", "camera unreachable", "connection closed")  # what one camera alone can tell of a deeper cause
OF_CAMERA = (*LOST, "no key frame", "password refused", "no stream", "stream unreadable", "time stamps set back")
AT_ONCE = timedelta(seconds=10)  # cameras lost within this of each other were lost together
CARRIER_NEAR = timedelta(seconds=30)  # a socket that lost its carrier long before did not carry this camera
RESTART_NEAR = timedelta(seconds=60)  # a restart is noticed by the camera's own uptime, after it has come back
RESTARTS = ("camera.restarted", "camera.rebooted")

Evidence = tuple[str, str, str]  # from, to, cause: instants as stored, text that sorts


@dataclass(frozen=True, slots=True)
class Found:
    """A gap's cause, and the journal entries that tell of it."""

    cause: str
    entries: tuple[int, ...] = ()


def cause(code: str) -> Message:
    """A cause as a sentence."""
    return message(CAUSES[code]) if code in CAUSES else message("{code}", code=code)


def cause_of(db: Database, window: Window, starts: str, ends: str, changes: Iterable[Late]) -> Found:
    """The cause whose evidence covers most of the gap; a camera that was only lost may have been lost for a reason."""
    late = [each for each in changes if each.starts < ends and each.ends > starts]
    evidence: list[Evidence] = [(row["began_at"], row["ended_at"] or ends, str(row["cause"])) for row in db.rows(
        "select began_at, ended_at, cause from outage where camera = ? and began_at < ? and coalesce(ended_at, ?) > ?",
        (window.camera, ends, ends, starts))]  # fmt: skip
    evidence += [(each.starts, each.ends, each.cause) for each in late]
    stepped = [step for step in _clock_steps(db) if step[0] < ends and step[1] > starts]
    if not stepped and _within_a_run(db, window, starts, ends):
        evidence.append((starts, ends, "camera silent"))
    evidence += stepped
    covered: dict[str, float] = {}
    for began, ended, code in evidence:
        shared_s = (parse(min(ended, ends)) - parse(max(began, starts))).total_seconds()
        if shared_s > 0:
            covered[code] = covered.get(code, 0.0) + shared_s
    found = max(covered, key=lambda code: covered[code], default=UNKNOWN)
    entries = tuple(sorted({entry for each in late if each.cause == found for entry in each.entries}))
    return _deeper(db, window.camera, starts, ends) or Found(found) if found in LOST else Found(found, entries)


def _deeper(db: Database, camera: str, starts: str, ends: str) -> Found | None:
    """Why a camera was lost, where somebody or something else knows. A switch without power also restarts its cameras,
    so the network is asked first."""
    down = db.rows("select seq from journal where kind = 'network.lost' and at > ? and at < ?",
                   (_moved(starts, -CARRIER_NEAR), _moved(starts, CARRIER_NEAR)))  # fmt: skip
    if down or _all_at_once(db, starts, ends):
        return Found("network down", tuple(int(row["seq"]) for row in down))
    restarted = db.rows(
        f"select seq from journal where kind in ({', '.join('?' * len(RESTARTS))}) and at > ? and at < ?"  # noqa: S608
        " and json_extract(row, '$.camera') = ?", (*RESTARTS, _moved(starts, -RESTART_NEAR), _moved(ends, RESTART_NEAR),
                                                   camera),
    )  # fmt: skip
    if restarted:
        return Found("camera restarted", tuple(int(row["seq"]) for row in restarted))
    return None


def _all_at_once(db: Database, starts: str, ends: str) -> bool:
    """Whether several cameras were lost together and none was recorded meanwhile."""
    lost = db.value(
        f"select count(distinct camera) from outage where cause in ({', '.join('?' * len(LOST))})"  # noqa: S608
        " and began_at > ? and began_at < ?", (*LOST, _moved(starts, -AT_ONCE), _moved(starts, AT_ONCE)),
    )  # fmt: skip
    if lost < 2:
        return False
    middle = iso(parse(starts) + (parse(ends) - parse(starts)) / 2)
    return db.value(
        "select 1 where exists (select 1 from segment where starts_at > :far and starts_at < :at and ends_at > :at)"
        " or exists (select 1 from camera_state where state = 'recording' and since_at < :at and safe_until_at > :at)",
        {"at": middle, "far": _moved(middle, -LONGEST_SEGMENT)},
    ) is None  # fmt: skip


def _moved(at: str, by: timedelta) -> str:
    return iso(parse(at) + by)


def _within_a_run(db: Database, window: Window, starts: str, ends: str) -> bool:
    """Whether one ffmpeg recorded before and after: it was connected all the time, and nothing came."""
    return db.value(
        "select 1 from segment where camera = ? and starts_at > ? and starts_at < ? and stream = 'main' group by run"
        " having min(starts_at) < ? and max(ends_at) > ?",
        (window.camera, iso(window.starts_at - LONGEST_SEGMENT), iso(window.ends_at), starts, ends),
    ) is not None  # fmt: skip


def _clock_steps(db: Database) -> list[Evidence]:
    """Time the box's clock jumped over, as the keeper journalled it."""
    steps = [e.data for e in journal.entries(db, kinds=["clock.stepped"], newest_first=True, limit=20)]
    return [(_instant(s["before_ms"]), _instant(s["after_ms"]), "clock set forward") for s in steps if s["step_ms"] > 0]


def _instant(epoch_ms: int) -> str:
    return iso(datetime.fromtimestamp(epoch_ms / 1000, UTC))
