"""The site's configuration: TOML read once into frozen values, every fault reported at once with its file and key.

Passwords are not in here: a camera names the file that holds its own, and only the process that signs in reads it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator, model_validator

from appliance import toml_file
from appliance.model import N_, ApplianceError, RoomKind
from appliance.profile import Profile, Strict, Words
from appliance.witness_at import WitnessAt

ID = "[a-z0-9][a-z0-9-]{0,39}"
Id = Annotated[str, Field(pattern=f"^{ID}$")]
CAMERA = "camera:"  # a camera that tells events stands where a panel stands, as camera:<id>; no panel can be called so


class SiteFacts(Strict):
    """Who and where the site is, as forms print it."""

    code: Annotated[str, Field(min_length=1)]
    name: Words
    address: str = ""
    region: str = ""
    timezone: str
    language: Literal["ru", "en"] = "ru"
    hotline: str = ""

    @field_validator("timezone")
    @classmethod
    def known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError) as unknown:
            raise ValueError(f"unknown time zone {value!r}; a name like Asia/Yekaterinburg is needed") from unknown
        return value

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)


class Storage(Strict):
    """Folders, relative ones below the configuration file. `data`: database, snapshots; `video`: recordings;
    `reserve_video`: a second disk for recordings, when the first is full or fails."""

    data: Path
    video: Path
    reserve_video: Path | None = None
    reserve_bytes: Annotated[int, Field(ge=0)] = 2_000_000_000


class Web(Strict):
    """Where the pages are served. `open_to_network` must be said before anything but loopback is listened on."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535)] = 8080
    open_to_network: bool = False

    @model_validator(mode="after")
    def loopback_unless_said(self) -> Self:
        try:
            loopback = ip_address(self.host).is_loopback
        except ValueError as bad:
            raise ValueError(f"{self.host!r} is not an IP address") from bad
        if not loopback and not self.open_to_network:
            raise ValueError("listens beyond this box; set open_to_network = true if that is meant (docs/security.md)")
        return self


class Room(Strict):
    """A room of the site. `code` is four digits for exam rooms, any short name for corridors and entrances."""

    code: Annotated[str, Field(pattern=r"^[0-9A-Za-z-]{1,20}$")]
    kind: RoomKind
    name: Words


class Camera(Strict):
    """One camera. `onvif` is its device service; `stream` and `second_stream` override what ONVIF gives."""

    id: Id
    name: Words
    room: str
    onvif: str | None = None
    stream: str | None = None
    user: str = ""
    password_file: Path | None = None
    sound: bool = False
    serial: str | None = None
    both_streams: bool = False
    second_stream: str | None = None

    @model_validator(mode="after")
    def reachable_somehow(self) -> Self:
        if not self.onvif and not self.stream:
            raise ValueError('needs onvif = "http://.../onvif/device_service" or stream = "rtsp://..."')
        for key, value, schemes in (
            ("onvif", self.onvif, ("http://", "https://")),
            ("stream", self.stream, ("rtsp://", "rtsps://")),
            ("second_stream", self.second_stream, ("rtsp://", "rtsps://")),
        ):
            if value and not value.startswith(schemes):
                raise ValueError(f"{key} must begin with {' or '.join(schemes)}")
            if value and "@" in value:
                raise ValueError(f"{key} must not carry a password; use user and password_file")
        if self.both_streams and not self.onvif and not self.second_stream:
            raise ValueError('both_streams needs second_stream = "rtsp://..." where there is no onvif address')
        if self.second_stream and not self.both_streams:
            raise ValueError("second_stream is recorded only with both_streams = true")
        return self

    def password(self) -> str:
        """Read the camera's password. Raises ApplianceError naming the file when it cannot be read."""
        if self.password_file is None:
            return ""
        try:
            return self.password_file.read_text().rstrip("\r\n")
        except OSError as cause:
            raise ApplianceError(
                N_("The password of camera {camera} cannot be read from {path}: {cause}."),
                camera=self.id,
                path=str(self.password_file),
                cause=str(cause.strerror),
            ) from cause

    def password_state(self) -> object:
        """Differs once the password was changed: a refused one is not tried again before."""
        try:
            found = self.password_file.stat() if self.password_file is not None else None
        except OSError as gone:
            return gone.errno
        return found and (found.st_mtime_ns, found.st_ino, found.st_size)

    def there(self, starts_at: datetime, ends_at: datetime) -> tuple[datetime, datetime] | None:
        """Of these hours those in which the site had this camera; None when it had not. Cameras of the file: all."""
        return starts_at, ends_at

    def room_at(self, at: datetime) -> str:
        """The room it stood in then. Of cameras of the file only the one of now is known."""
        return self.room


class Panel(Strict):
    """One fire or security panel on a serial line. `settings` are the driver's (`examsite panel kinds`)."""

    id: Id
    name: Words
    kind: str
    port: Path
    baud: int | None = None
    bits: Literal[7, 8] | None = None
    parity: Literal["N", "E", "O"] | None = None
    stop: Literal[1, 2] | None = None
    silent_after_s: Annotated[float, Field(gt=0)] | None = None
    settings: dict[str, str | int | float | bool] = Field(default_factory=dict)


class Zone(Strict):
    """What a panel's zone number means here. Every `role` but detector makes journal entries instead of alarms.

    `panel` may be a camera as camera:<id>; `number` is then the token of its input.
    """

    panel: str
    number: str
    account: str | None = None
    partition: str | None = None
    name: Words
    room: str | None = None
    role: Literal["detector", "rack-door", "room-door", "box-cover"] = "detector"


class ExportTarget(Strict):
    """A folder recordings may leave to: the mount point of a stick, or in the demo a folder that stands for one."""

    id: Id
    name: Words
    path: Path


class Ups(Strict):
    """The UPS the box hangs on, as a NUT server calls it. Without one only the kernel's own supplies are watched."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535)] = 3493


class _File(Strict):
    """The whole file, as read."""

    profile: Path
    site: SiteFacts
    storage: Storage
    web: Web = Web()
    room: tuple[Room, ...] = ()
    camera: tuple[Camera, ...] = ()
    panel: tuple[Panel, ...] = ()
    zone: tuple[Zone, ...] = ()
    export_target: tuple[ExportTarget, ...] = ()
    ups: Ups | None = None
    witness: tuple[WitnessAt, ...] = ()
    search_from: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Config:
    """Everything the site's files say. `source` is the file it came from."""

    source: Path
    profile: Profile
    site: SiteFacts
    data: Path
    video: Path
    reserve_bytes: int
    web: Web
    rooms: tuple[Room, ...]
    cameras: tuple[Camera, ...]
    panels: tuple[Panel, ...]
    zones: tuple[Zone, ...]
    export_targets: tuple[ExportTarget, ...]
    ups: Ups | None = None
    other_video: Path | None = None  # the folder on the recording disk that `video` is not on (media.py)
    medium: str = "main"  # the disk `video` is on
    witnesses: tuple[WitnessAt, ...] = ()
    search_from: tuple[str, ...] = ()  # the box's addresses cameras are searched from; none: every interface
    aside: tuple[Camera, ...] = ()  # taken in once and set aside since (taken.py): their recordings keep their names

    @property
    def database(self) -> Path:
        return self.data / "examsite.db"

    @property
    def incoming(self) -> Path:
        return self.video / "incoming"

    @property
    def live(self) -> Path:
        """What is only looked at: deleted behind itself, never archived."""
        return self.video / "live"

    @property
    def archive(self) -> Path:
        return self.video / "archive"

    def room(self, code: str) -> Room:
        return next(room for room in self.rooms if room.code == code)

    def camera(self, camera_id: str) -> Camera:
        """The camera of that name, also one that was set aside; ApplianceError when the site never had one."""
        for camera in (*self.cameras, *self.aside):
            if camera.id == camera_id:
                return camera
        raise ApplianceError(N_("The site has no camera {camera}."), camera=camera_id)

    def cameras_in(self, room_codes: Iterable[str]) -> tuple[Camera, ...]:
        """Cameras of these rooms, in the order of the file; of every room when none is named."""
        wanted = set(room_codes)
        return tuple(camera for camera in self.cameras if not wanted or camera.room in wanted)

    def panel(self, panel_id: str) -> Panel:
        for panel in self.panels:
            if panel.id == panel_id:
                return panel
        raise ApplianceError(N_("The site has no panel {panel}."), panel=panel_id)

    def zone(self, panel: str, number: str | None, account: str | None, partition: str | None) -> Zone | None:
        """What the site calls this zone; entries with account and partition go before entries without."""
        fits = [
            z
            for z in self.zones
            if z.panel == panel
            and z.number == number
            and z.account in (None, account)
            and z.partition in (None, partition)
        ]
        found = max(fits, key=lambda z: (z.account is not None) + (z.partition is not None), default=None)
        return self._at_camera(found, panel, number) if panel.startswith(CAMERA) else found

    def _at_camera(self, zone: Zone | None, source: str, number: str | None) -> Zone | None:
        """What a camera tells happens in its room, and where the site has no name for it, at the camera."""
        camera = next((camera for camera in self.cameras if CAMERA + camera.id == source), None)
        if camera is None or (zone is not None and zone.room is not None):
            return zone
        if zone is not None:
            return zone.model_copy(update={"room": camera.room})
        return Zone(panel=source, number=number or "", name=camera.name, room=camera.room)


class ConfigError(ApplianceError):
    """The configuration has faults; `faults` lists every one as `file: key: what is wrong`."""

    def __init__(self, faults: list[str]) -> None:
        self.faults = faults
        super().__init__(N_("The configuration has faults:\n{faults}"), faults="\n".join(faults))


def load(path: Path) -> Config:
    """Read the site's file and the profile it names. Raises ConfigError with every fault of both files."""
    path = path.resolve()
    faults: list[str] = []
    table = toml_file.read(path, faults)
    if table is None:
        raise ConfigError(faults)
    said = toml_file.fits(path, table, _File, faults)
    # The profile is read even when the site's file has faults, so that one look finds everything.
    named = table.get("profile")
    profile_path = path.parent / named if isinstance(named, str) else None
    profile: Profile | None = None
    if profile_path and (profile_table := toml_file.read(profile_path, faults)) is not None:
        profile = toml_file.fits(profile_path, profile_table, Profile, faults)
    if said is None:
        raise ConfigError(faults)
    base = path.parent
    faults.extend(f"{path.name}: {fault}" for fault in _broken_references(said, profile))
    if faults or profile is None:
        raise ConfigError(faults)
    return Config(
        source=path,
        profile=profile,
        site=said.site,
        data=base / said.storage.data,
        video=base / said.storage.video,
        reserve_bytes=said.storage.reserve_bytes,
        web=said.web,
        rooms=said.room,
        cameras=tuple(
            c.model_copy(update={"password_file": c.password_file and base / c.password_file}) for c in said.camera
        ),
        panels=tuple(_at_home(p, base) for p in said.panel),
        zones=said.zone,
        export_targets=tuple(t.model_copy(update={"path": base / t.path}) for t in said.export_target),
        ups=said.ups,
        other_video=said.storage.reserve_video and base / said.storage.reserve_video,
        witnesses=tuple(w.model_copy(update={"ca_file": w.ca_file and base / w.ca_file}) for w in said.witness),
        search_from=said.search_from,
    )


def tables(config: Config) -> dict[str, dict[str, Any]]:
    """Both files as they are written now, by what their keys begin with: "" the site's, "profile/" the profile's."""
    faults: list[str] = []
    said = toml_file.read(config.source, faults) or {}
    profile = toml_file.read(config.source.parent / str(said.get("profile")), faults) or {}
    if faults:
        raise ConfigError(faults)
    return {"": said, "profile/": profile}


def _at_home(panel: Panel, base: Path) -> Panel:
    """Its files found from the folder of the configuration, wherever the service was started."""
    settings = dict(panel.settings)
    if "profile" in settings:
        settings["profile"] = str(base / str(settings["profile"]))
    return panel.model_copy(update={"port": base / panel.port, "settings": settings})


def _broken_references(said: _File, profile: Profile | None) -> list[str]:
    """Names that point nowhere, and names given twice."""
    faults: list[str] = []
    rooms, panels = {r.code for r in said.room}, {p.id for p in said.panel}
    for kind, names in (
        ("room", [r.code for r in said.room]),
        ("camera", [c.id for c in said.camera]),
        ("panel", [p.id for p in said.panel]),
        ("export_target", [t.id for t in said.export_target]),
        ("witness", [w.name for w in said.witness]),
    ):
        faults += [f"{kind}: {name!r} is given twice" for name in sorted({n for n in names if names.count(n) > 1})]
    for n, camera in enumerate(said.camera, 1):
        if camera.room not in rooms:
            faults.append(f"camera[{n}].room: no room {camera.room!r}; rooms are {', '.join(sorted(rooms)) or 'none'}")
    for n, zone in enumerate(said.zone, 1):
        # A camera need not be in the file: it may have been taken in by a person.
        if zone.panel not in panels and not re.fullmatch(f"{CAMERA}{ID}", zone.panel):
            faults.append(f"zone[{n}].panel: no panel {zone.panel!r}; panels are {', '.join(sorted(panels)) or 'none'}")
        if zone.room is not None and zone.room not in rooms:
            faults.append(f"zone[{n}].room: no room {zone.room!r}; rooms are {', '.join(sorted(rooms)) or 'none'}")
    if profile is not None:
        hq = [r.code for r in said.room if r.kind is RoomKind.HQ and r.code != profile.codes.hq]
        faults += [f"room {code!r}: the profile's code for the headquarters is {profile.codes.hq!r}" for code in hq]
    return faults
