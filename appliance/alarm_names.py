"""How an alarm is called: what happened, where, at which panel, and the key that pairs an alarm with its end."""

from __future__ import annotations

from appliance.alarm_classes import family
from appliance.config import CAMERA, Config, Zone
from appliance.model import N_, Message, message
from appliance.profile import Words
from appliance.store import Database

RECORDING_PANEL = ".recording"  # who speaks of rooms that are not recorded; no panel's id can begin so
JOURNAL_PANEL = ".journal"  # who speaks of marks outside the box that contradict the journal
DISK_PANEL = ".disk"  # who speaks of the recording disks
PICTURE_PANEL = ".picture"  # who speaks of what the cameras show
CAMERA_PANEL = ".camera"  # who speaks of cameras of which nothing comes
OWN_PANELS = (RECORDING_PANEL, JOURNAL_PANEL, DISK_PANEL, PICTURE_PANEL, CAMERA_PANEL)  # the box's own voices
DISKS = {"main": Words(ru="Диск записи", en="Recording disk"), "reserve": Words(ru="Резервный диск", en="Reserve disk")}
LINK_KEY = "link"  # the key of a panel's own "no link" alarm, which no zone can have
NO_LINK = N_("No link to the panel")
NO_EVENTS = N_("No events from the camera")


def what(text: str) -> Message:
    """What happened, as a message: an English name of the drivers' tables, or a panel's own words as they came."""
    return message("{line}", line=text) if "{" in text or "}" in text else Message(text)


def place(zone: Zone | None, number: str | None, partition: str | None, user: str | None) -> Message:
    """Where: the site's own name when it gave one, else the panel's numbers."""
    if zone is not None:
        return named(zone.name)
    if number is not None and partition is not None:
        return message(N_("zone {number}, partition {partition}"), number=number, partition=partition)
    if number is not None:
        return message(N_("zone {number}"), number=number)
    if user is not None:
        return message(N_("user {user}"), user=user)
    return message(N_("the whole panel"))


def zone_of(
    config: Config, panel: str, number: str | None, account: str | None, partition: str | None
) -> Zone | None:
    """What the site calls a zone; a room is a zone of what speaks of recordings."""
    if panel == RECORDING_PANEL:
        rooms = (room for room in config.rooms if room.code == number)
        return next((Zone(panel=panel, number=room.code, name=room.name, room=room.code) for room in rooms), None)
    if panel in (PICTURE_PANEL, CAMERA_PANEL):
        cameras = (camera for camera in config.cameras if camera.id == number)
        return next((Zone(panel=panel, number=c.id, name=c.name, room=c.room) for c in cameras), None)
    if panel == DISK_PANEL:
        return Zone(panel=panel, number=number or "", name=DISKS[number or "main"])
    if panel == JOURNAL_PANEL:
        return Zone(panel=panel, number="", name=config.profile.titles.journal)
    return config.zone(panel, number, account, partition)


def panel_name(config: Config, panel: str) -> Message:
    """The site's name of a panel; a panel that is no longer configured keeps its id."""
    if panel in (RECORDING_PANEL, DISK_PANEL, CAMERA_PANEL):
        return message(N_("Recording"))
    if panel == PICTURE_PANEL:
        return message(N_("Picture"))
    if panel == JOURNAL_PANEL:
        return named(config.profile.titles.journal)
    for known in config.panels:
        if known.id == panel:
            return named(known.name)
    for camera in config.cameras:
        if CAMERA + camera.id == panel:
            return named(camera.name)
    return message("{name}", name=panel)


def no_link(panel: str) -> str:
    """What it is called when a panel or a camera is not heard."""
    return NO_EVENTS if panel.startswith(CAMERA) else NO_LINK


def counted_on(config: Config, panel: str) -> bool:
    """Whether something hangs at this camera, such as a rack's contact: then its silence is an alarm like a panel's."""
    return panel.startswith(CAMERA) and any(zone.panel == panel for zone in config.zones)


def named(name: Words) -> Message:
    """A name that is written in both languages."""
    return message("{name}", name={"ru": name.ru, "en": name.en})


def key_of(kind: str, code: str, account: str | None, partition: str | None, point: str | None) -> str:
    """What pairs an alarm with its end: source, class family, partition, and zone or user."""
    return f"{account or ''}|{family(kind, code)}|{partition or ''}|{point or ''}"


def said_of(db: Database, config: Config, alarm_id: int) -> tuple[Message, Message, str | None]:
    """What, where and in which room, of an alarm that was raised once."""
    row = db.row("select a.panel, a.key, e.text, e.zone, e.partition, e.user, e.account from alarm a"
                 " left join event e on e.id = a.event where a.id = ?", (alarm_id,))  # fmt: skip
    if row is None:
        return Message(""), Message(""), None
    if row["key"] == LINK_KEY:
        return what(no_link(row["panel"])), panel_name(config, row["panel"]), None
    zone = zone_of(config, row["panel"], row["zone"], row["account"], row["partition"])
    where = place(zone, row["zone"], row["partition"], row["user"])
    return what(row["text"] or ""), where, zone.room if zone else None
