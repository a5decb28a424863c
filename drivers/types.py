"""Frozen values a driver may say to the house, and the one way it may fail."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol, runtime_checkable

from drivers.onvif_types import MetadataSetting, Receiver, Rule, SoundSetting, SourceMode


class DriverError(Exception):
    """A device did not do what was asked. The text says what is wrong.

    `permanent` is the decision for the caller's loop: False is retried with back-off, True waits for a person
    (a refused password, a port that does not exist in the configuration).
    """

    permanent = False


EventState = Literal["active", "restored", "info"]


@dataclass(frozen=True, slots=True)
class PanelEvent:
    """One decoded event of a fire or security panel.

    kind is our class: the list in `docs/panels.md` (`fire.alarm`, `intrusion.alarm`, `mains.loss` ...).
    zone, partition and user are the panel's own numbers as text, leading zeros kept. panel_time is the panel's clock
    (naive, as it said it), never ours. raw is what came over the line, with PINs already masked.

    Flags the house acts on:
    `status`       read as the state of things, not said as news. One that changes nothing in our books is not kept;
                   after a full reading a polled driver says every point so, the active and the restored.
    `history`      out of the panel's log, from before we listened: kept and journalled, raises and ends nothing.
    `log`          out of the panel's log; the newest kept one is handed to `resume` at the next start.
    `events-lost`  the panel's numbering skipped; `value` is how many are missing, None when nobody knows.
    The others are told in docs/panels.md.
    """

    kind: str
    state: EventState
    zone: str | None = None
    partition: str | None = None
    user: str | None = None
    value: float | None = None
    text: str = ""
    panel_time: datetime | None = None
    raw: bytes = b""
    flags: tuple[str, ...] = ()
    account: str | None = None
    code: str = ""  # the protocol's own code, such as Contact ID "110"


@dataclass(frozen=True, slots=True)
class Frame:
    """What a codec made of a piece of the line.

    The caller makes `events` durable first and only then sends `reply` (empty: nothing to send).
    `alive` is True when these bytes prove that the panel is being heard. `fault` names what was wrong with the bytes.
    `news`: the codec itself tells what changed (polled states), so the same bytes again are no repeat of a panel that
    heard no acknowledgement.
    """

    raw: bytes
    events: tuple[PanelEvent, ...] = ()
    reply: bytes = b""
    alive: bool = False
    fault: str | None = None
    news: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """Serial line settings: baud rate, data bits, parity (N, E, O) and stop bits."""

    baud: int = 9600
    bits: Literal[7, 8] = 8
    parity: Literal["N", "E", "O"] = "N"
    stop: Literal[1, 2] = 1


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting of a panel driver, for `examsite panel kinds` and the configuration."""

    name: str
    default: str
    meaning: str


class Codec(Protocol):
    """Sans-I/O codec of one panel protocol: no port, no clock, no thread.

    `silent_after_s` is when the link counts as lost with nothing heard; None means the protocol cannot tell (passive).
    A driver whose panel keeps a log may also have `resume` (see `Resumes`).
    """

    kind: str
    line: Line
    silent_after_s: float | None

    def feed(self, data: bytes) -> list[Frame]:
        """Take bytes off the line; return what they complete. Never raises, whatever the bytes.

        Also called with no bytes, at every look: what a silence completed (see `tick`) is told then.
        """
        ...

    def tick(self, mono_s: float) -> bytes:
        """Bytes to send now on our own account (a poll); empty for protocols where the panel speaks first."""
        ...

    def reset(self) -> None:
        """Forget half a frame: the line was opened, or the panel is not heard any more.

        A driver that polls reads the whole state anew after this, and calls no frame `alive` before it has it all: what
        the panel said before stays stale until then, and nothing is called restored on a part of the state.
        """
        ...

    def may_send(self, data: bytes) -> bool:
        """Whether these bytes are in the driver's own read-only allow-list."""
        ...


Point = tuple[str, str | None, str | None]  # class, partition, zone


@runtime_checkable
class Resumes(Protocol):
    """A codec that reads on from where the house last kept it: the panel's log, and what stands in our books."""

    def resume(self, raw: bytes | None, standing: Collection[Point]) -> None:
        """Before the first byte: the `raw` of the newest kept event flagged `log`, and what is active in our books, so
        that the full reading can say what of it is over."""
        ...


@dataclass(frozen=True, slots=True)
class StreamProfile:
    """One media profile of a camera, as ONVIF Media tells it. Sizes in pixels, rate in frames a second.

    codec is H264, H265, JPEG or MPEG4, "" when the camera gives a stream without saying what it holds; 0 is unknown.
    Tokens by which it is set: `encoder` of the encoder's configuration, `source` of the video source, `view` of the
    video source's configuration.
    """

    token: str
    codec: str
    width: int
    height: int
    fps: float
    stream_uri: str
    snapshot_uri: str
    sound: str | None = None
    name: str = ""
    gop: int = 0
    bit_rate_kbps: int = 0
    codec_profile: str = ""
    encoder: str = ""
    source: str = ""
    view: str = ""
    service: str = ""  # which service told it: media2 or media1
    multicast: str = ""  # address:port the picture is also sent to
    metadata: str = ""  # token of the metadata that comes with the picture
    analytics: str = ""  # token of what looks at the picture in the camera


@dataclass(frozen=True, slots=True)
class CameraFacts:
    """What a camera said of itself. offset_s: the camera's clock minus ours, seconds; None when it did not say.

    `faults` are sentences: what the camera did wrong and how it was read all the same.
    """

    manufacturer: str = ""
    model: str = ""
    firmware: str = ""
    serial: str = ""
    auth: str = "none"
    offset_s: float | None = None
    services: tuple[str, ...] = ()
    profiles: tuple[StreamProfile, ...] = ()
    presets: tuple[str, ...] = ()
    events: tuple[str, ...] = ()
    relays: tuple[str, ...] = ()
    recordings: tuple[str, ...] = ()
    faults: Sequence[str] = field(default_factory=tuple)


@dataclass(frozen=True, slots=True)
class CameraClock:
    """A camera's clock. `zone` is POSIX TZ text as the camera writes it; utc_at and offset_s None: it did not say."""

    utc_at: datetime | None = None
    offset_s: float | None = None
    zone: str = ""
    daylight: bool = False
    by_ntp: bool = False
    ntp: tuple[str, ...] = ()
    ntp_from_dhcp: bool = False


@dataclass(frozen=True, slots=True)
class CameraService:
    """One service: its namespace, where we reach it, and its version ("" when not said)."""

    namespace: str
    address: str
    version: str = ""


@dataclass(frozen=True, slots=True)
class Preset:
    """A place a camera can turn to."""

    token: str
    name: str


@dataclass(frozen=True, slots=True)
class PtzSpace:
    """What a PTZ node counts something in: `kind` names what (AbsolutePanTiltPositionSpace), x and y are its ends."""

    kind: str
    uri: str
    x: tuple[float, float]
    y: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class PtzNode:
    """What a camera can turn: the spaces it lists are the last words of their addresses."""

    token: str
    name: str
    home: bool
    max_presets: int
    spaces: tuple[str, ...]
    ranges: tuple[PtzSpace, ...] = ()


@dataclass(frozen=True, slots=True)
class Imaging:
    """Picture settings of one video source, flat: "Exposure/Mode" -> "AUTO". Options: what is allowed for each."""

    source: str
    settings: tuple[tuple[str, str], ...] = ()
    options: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Relay:
    """A relay output. `service` is where it was found and is set: device or deviceio."""

    token: str
    service: str
    mode: str = ""
    idle: str = ""


@dataclass(frozen=True, slots=True)
class DigitalInput:
    """A contact input of the camera; a rack door can hang there."""

    token: str
    idle: str = ""


@dataclass(frozen=True, slots=True)
class CardRecording:
    """A recording on the camera's own card."""

    token: str
    source: str = ""
    content: str = ""
    tracks: int = 0
    track_tokens: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RecordingJob:
    """What writes to the card: mode is Active or Idle as it was set, state what really happens."""

    token: str
    recording: str
    mode: str
    priority: int = 0
    state: str = ""


@dataclass(frozen=True, slots=True)
class CameraUser:
    """An account in the camera; passwords are never told."""

    name: str
    level: str


@dataclass(frozen=True, slots=True)
class CameraInterface:
    """One network connection of the camera; addresses carry their prefix: 10.0.0.5/24."""

    token: str
    name: str
    mac: str
    addresses: tuple[str, ...]
    dhcp: bool


@dataclass(frozen=True, slots=True)
class CameraNetwork:
    """How the camera stands in its network. protocols: "HTTP 80", "RTSP 554 off"."""

    interfaces: tuple[CameraInterface, ...] = ()
    gateways: tuple[str, ...] = ()
    dns: tuple[str, ...] = ()
    hostname: str = ""
    protocols: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Osd:
    """A text in the picture. kind: Plain, Date, Time, DateAndTime or Image; source: a video source configuration."""

    token: str
    source: str
    kind: str
    text: str = ""
    position: str = ""


@dataclass(frozen=True, slots=True)
class WholeCamera:
    """Everything a camera says of itself. What it could not say is empty here and a sentence in `facts.faults`."""

    facts: CameraFacts
    clock: CameraClock = field(default_factory=CameraClock)
    services: tuple[CameraService, ...] = ()
    nodes: tuple[PtzNode, ...] = ()
    presets: tuple[Preset, ...] = ()
    imaging: tuple[Imaging, ...] = ()
    relays: tuple[Relay, ...] = ()
    inputs: tuple[DigitalInput, ...] = ()
    recordings: tuple[CardRecording, ...] = ()
    jobs: tuple[RecordingJob, ...] = ()
    users: tuple[CameraUser, ...] = ()
    network: CameraNetwork = field(default_factory=CameraNetwork)
    osds: tuple[Osd, ...] = ()
    scopes: tuple[str, ...] = ()
    sounds: tuple[SoundSetting, ...] = ()
    metadata: tuple[MetadataSetting, ...] = ()
    modes: tuple[SourceMode, ...] = ()
    receivers: tuple[Receiver, ...] = ()
    modules: tuple[Rule, ...] = ()
    rules: tuple[Rule, ...] = ()
    described: tuple[str, ...] = ()  # what its analytics modules can say in a metadata stream


@dataclass(frozen=True, slots=True)
class SetResult:
    """What came of setting something in a camera, read back afterwards.

    `found` is what the camera says now; ok only when that is what was `wanted` (or the nearest the camera allows, then
    `note` says so). `before` is what it said earlier. No password is ever in any of them.
    """

    wanted: str
    found: str
    ok: bool
    note: str = ""
    before: str = ""
