"""The lines to the panels: heard, silent, unplugged or passive, since when, and what that means. Owns panel_link.

A link that is lost is an alarm of its own; its outage is journalled with its length when the panel is heard again.
"""

from __future__ import annotations

import json
from typing import Any, Literal

from appliance import alarms, journal
from appliance.alarm_names import counted_on, no_link, panel_name
from appliance.clock import Clock, iso, parse
from appliance.config import CAMERA, Config
from appliance.model import N_, Actor, Message, message
from appliance.store import Database

Lost = Literal["silent", "unplugged"]
WATCH = Actor.service("watch")

CAMERA_KINDS = {"lost": "camera.deaf", "heard": "camera.heard"}

# What a port says for programs (drivers.port.PortError.reason) -> what people are told.
_REASONS = {
    "missing": N_("The panel adapter was pulled out of the box. Put it back, the link returns by itself."),
    "gone": N_("The panel adapter was pulled out of the box. Put it back, the link returns by itself."),
    "busy": N_("Another program holds the panel's line {port}. End it, the link then returns by itself."),
    "forbidden": N_("The box may not open the panel's line {port}. Add the service's user to the group dialout."),
    "not-serial": N_("{port} is no serial line. Correct the panel's port in the configuration."),
    "stuck": N_("The panel takes no bytes. Check the cable between the box and the panel."),
    "garbled": N_("Bytes come from the panel, but nothing can be read. Check speed and parity of the line."),
    "setting": N_("The panel's settings are not usable: {cause}"),
    "camera": N_("The camera sends no events. Look whether it has power and network; the link returns by itself."),
    "camera-refused": N_(
        "The camera refuses its name and password; tried once, not again. Put the password right and it is tried anew."
    ),
    "camera-deaf": N_("This camera gives no events. A contact at it would not be seen."),
    "camera-setting": N_("The camera cannot be asked for events: {cause}"),
}
_SILENT = N_("The panel is not heard; what its detectors see is unknown. Look at the panel itself, check the cable.")


def trouble(reason: str, **args: Any) -> Message:
    """The sentence for a line's trouble; for an unknown word, that the panel is not heard."""
    return message(_REASONS[reason], **args) if reason in _REASONS else message(_SILENT)


def starting(db: Database, panel: str, clock: Clock) -> None:
    """The service begins to listen, inside the caller's transaction. A link that was lost stays lost until heard."""
    db.write(
        "insert into panel_link (panel, state, since_at) values (:panel, 'starting', :at) on conflict (panel) do update"
        " set state = 'starting', since_at = :at, detail = null where state in ('heard', 'passive')",
        {"panel": panel, "at": iso(clock.now())},
    )


def lost(db: Database, config: Config, panel: str, state: Lost, detail: Message, clock: Clock) -> bool:
    """The panel is not heard any more, inside the caller's transaction. Returns whether that is news.

    The first loss raises the alarm and its journal entry; a later word on why (silent, then unplugged) only says so.
    """
    old = db.row("select * from panel_link where panel = ?", (panel,))
    told = json.dumps(detail.as_json(), ensure_ascii=False)
    if old is not None and old["state"] in ("silent", "unplugged"):
        if (old["state"], old["detail"]) == (state, told):
            return False
        db.write("update panel_link set state = ?, detail = ? where panel = ?", (state, told, panel))
        return False
    db.write(
        "insert into panel_link (panel, state, since_at, detail) values (:panel, :state, :at, :detail)"
        " on conflict (panel) do update set state = :state, since_at = :at, detail = :detail",
        {"panel": panel, "state": state, "at": iso(clock.now()), "detail": told},
    )
    entry = journal.append(
        db, clock, _kind(panel, "lost"), WATCH, panel=panel, panel_name=panel_name(config, panel).as_json(),
        cause=state, detail=detail.as_json(), heard_at=old["heard_at"] if old else None, **_camera(config, panel),
    )  # fmt: skip
    if not panel.startswith(CAMERA) or counted_on(config, panel):
        alarms.raise_no_link(db, panel, clock, entry)
    return True


def heard(db: Database, config: Config, panel: str, clock: Clock, *, passive: bool = False) -> bool:
    """The panel said something readable, inside the caller's transaction. Returns whether a lost link came back.

    `passive`: a printer port that speaks only when something happens; that it spoke does not mean it is being heard.
    """
    return _there(db, config, panel, clock, "passive" if passive else "heard", spoke=True)


def passive(db: Database, config: Config, panel: str, clock: Clock) -> bool:
    """The line is open, and nothing on it could ever tell whether the panel lives. Inside the caller's transaction."""
    return _there(db, config, panel, clock, "passive", spoke=False)


def _there(db: Database, config: Config, panel: str, clock: Clock, state: str, *, spoke: bool) -> bool:
    now = clock.now()
    old = db.row("select * from panel_link where panel = ?", (panel,))
    back = old is not None and old["state"] in ("silent", "unplugged")
    changed = old is None or old["state"] != state
    db.write(
        "insert into panel_link (panel, state, since_at, heard_at) values (:panel, :state, :at, :heard_at)"
        " on conflict (panel) do update set state = :state, heard_at = coalesce(:heard_at, heard_at), detail = null,"
        " since_at = case when :changed then :at else since_at end",
        {"panel": panel, "state": state, "at": iso(now), "heard_at": iso(now) if spoke else None,
         "changed": int(changed)},
    )  # fmt: skip
    if old is not None and back:
        # A passive line's last word may be days old: its outage is as long as the line was away.
        quiet_since = parse(old["since_at"] if state == "passive" else old["heard_at"] or old["since_at"])
        journal.append(
            db, clock, _kind(panel, "heard"), WATCH, refs=alarms.end_no_link(db, panel, clock),
            panel=panel, panel_name=panel_name(config, panel).as_json(), what=Message(no_link(panel)).as_json(),
            silent_ms=max(0, round((now - quiet_since).total_seconds() * 1000)), from_at=iso(quiet_since),
            **_camera(config, panel),
        )  # fmt: skip
    return back


def _kind(panel: str, what: Literal["lost", "heard"]) -> str:
    return CAMERA_KINDS[what] if panel.startswith(CAMERA) else f"panel.{what}"


def _camera(config: Config, panel: str) -> dict[str, Any]:
    """Camera and room of the entry, where it is about a camera."""
    found = (camera for camera in config.cameras if CAMERA + camera.id == panel)
    return next(({"camera": camera.id, "room": camera.room} for camera in found), {})
