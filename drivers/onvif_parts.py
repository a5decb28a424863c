"""Reads what an ONVIF camera can do beside its streams: PTZ, imaging, texts, relays, inputs, the card.

Each function asks one subject and gives frozen values; what the camera does not have is empty, what it fails at is
noted as a sentence and is empty as well. Only `drivers.onvif.Camera` stands behind `Asked`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol, TypeVar

from drivers import onvif_reply as reply
from drivers.onvif_reply import (
    DEVICE,
    DEVICEIO,
    IMAGING,
    MEDIA1,
    MEDIA2,
    PTZ,
    RECEIVER,
    RECORDING,
    CameraError,
    every,
    first,
    text,
)
from drivers.onvif_spaces import spaces_in
from drivers.onvif_types import Receiver
from drivers.types import CardRecording, DigitalInput, Imaging, Osd, Preset, PtzNode, RecordingJob, Relay, StreamProfile

T = TypeVar("T")

PROFILES_TRIED = 4  # for presets: a node hangs at one of the profiles, seldom at a later one


class Asked(Protocol):
    """The camera, as far as this room needs it."""

    def ask(self, service: str, operation: str, /, **arguments: Any) -> Any: ...

    def attempt(
        self, what: str, read: Callable[[], T], otherwise: T, *, optional: bool = False, quiet: bool = False
    ) -> T: ...

    def once(self, what: str, read: Callable[[], T]) -> T: ...

    def has(self, service: str) -> bool: ...

    def note(self, sentence: str) -> None: ...

    def reach(self, address: str) -> str: ...


def ask(camera: Asked, what: str, service: str, operation: str, *, kept: bool = False, **arguments: Any) -> Any:
    """The answer, or None: for something a camera need not have. `what` is for the sentence when it fails at it.

    `kept`: what does not change while the camera runs is asked once.
    """
    if service != DEVICE and not camera.has(service):
        return None

    def read() -> Any:
        return camera.ask(service, operation, **arguments)

    def once() -> Any:
        return camera.once(f"{service} {operation} {sorted(arguments.items())}", read)

    return camera.attempt(what, once if kept else read, None, optional=True)


def nodes(camera: Asked) -> tuple[PtzNode, ...]:
    if not camera.has(PTZ):
        return ()

    def read() -> tuple[PtzNode, ...]:
        return tuple(
            PtzNode(
                token=node.get("token", ""),
                name=repaired(own(node, "Name")),
                home=is_yes(first(node, "HomeSupported")),
                max_presets=int(reply.number(first(node, "MaximumNumberOfPresets"))),
                spaces=tuple(dict.fromkeys(text(uri).rstrip("/").rpartition("/")[2] for uri in every(node, "URI"))),
                ranges=spaces_in(node),
            )
            for node in every(camera.ask(PTZ, "GetNodes"), "PTZNode")
        )

    return camera.attempt("PTZ nodes", lambda: camera.once("nodes", read), (), optional=True)


def presets(camera: Asked, profiles: Sequence[StreamProfile]) -> tuple[Preset, ...]:
    """Presets with their names; asked of the first profile that has any."""
    for profile in profiles[:PROFILES_TRIED]:
        answer = ask(camera, "Presets", PTZ, "GetPresets", ProfileToken=profile.token)
        found = presets_in(answer)
        if found:
            if any(one.name not in {one.token, *(text(each) for each in every(answer, "Name"))} for one in found):
                camera.note("The camera's preset names came garbled; they were put right.")
            return found
    return ()


def presets_in(answer: Any) -> tuple[Preset, ...]:
    """GetPresets' presets; one without a name goes by its token."""
    found = [(p.get("token", ""), repaired(text(first(p, "Name")))) for p in everyone(answer, "Preset")]
    return tuple(Preset(token, name or token) for token, name in found)


def imaging(camera: Asked, sources: Sequence[str]) -> tuple[Imaging, ...]:
    nothing: tuple[tuple[str, str], ...] = ()
    found = []
    for source in sources if camera.has(IMAGING) else ():
        answer = ask(camera, "Picture settings", IMAGING, "GetImagingSettings", VideoSourceToken=source)
        settings = _flat_in(answer, "ImagingSettings")

        def options(source: str = source) -> tuple[tuple[str, str], ...]:
            return _flat_in(camera.ask(IMAGING, "GetOptions", VideoSourceToken=source), "ImagingOptions")

        def kept(source: str = source, read: Callable[[], tuple[tuple[str, str], ...]] = options) -> Any:
            return camera.once(f"imaging {source}", read)

        allowed = camera.attempt("Picture options", kept, nothing, optional=True)
        if settings or allowed:
            found.append(Imaging(source, settings, allowed))
    return tuple(found)


def relays(camera: Asked) -> tuple[Relay, ...]:
    """Relay outputs, by the Device service and by DeviceIO: cameras have them in one, the other, or both."""
    found: dict[str, Relay] = {}
    for service, name in ((DEVICE, "device"), (DEVICEIO, "deviceio")):
        for each in everyone(ask(camera, "Relays", service, "GetRelayOutputs"), "RelayOutputs"):
            token = each.get("token") or each.get("Token") or text(first(each, "Token"))
            mode, idle = text(first(each, "Mode")), text(first(each, "IdleState"))
            found.setdefault(token, Relay(token, name, mode, idle))
    found.pop("", None)
    return tuple(found.values())


def inputs(camera: Asked) -> tuple[DigitalInput, ...]:
    answer = ask(camera, "Contact inputs", DEVICEIO, "GetDigitalInputs")
    found = (DigitalInput(i.get("token", ""), i.get("IdleState", "")) for i in everyone(answer, "DigitalInputs"))
    return tuple(one for one in found if one.token)


def recordings(camera: Asked) -> tuple[CardRecording, ...]:
    answer = ask(camera, "Recordings", RECORDING, "GetRecordings")
    found = []
    for item in _items(answer, "RecordingItem", "RecordingToken"):
        source = first(item, "Source")
        found.append(
            CardRecording(
                token=text(first(item, "RecordingToken")),
                source=text(first(source, "SourceId")) or repaired(text(first(source, "Name"))),
                content=repaired(text(first(item, "Content"))),
                tracks=sum(1 for _ in everyone(item, "TrackToken")),
                track_tokens=tuple(text(each) for each in everyone(item, "TrackToken")),
            )
        )
    return tuple(one for one in found if one.token)


def jobs(camera: Asked) -> tuple[RecordingJob, ...]:
    answer = ask(camera, "Recording jobs", RECORDING, "GetRecordingJobs")
    found = []
    for item in _items(answer, "JobItem", "JobToken"):
        token = text(first(item, "JobToken"))
        if token:
            recording, mode = text(first(item, "RecordingToken")), text(first(item, "Mode"))
            found.append(
                RecordingJob(
                    token, recording, mode, int(reply.number(first(item, "Priority"))), _job_state(camera, token)
                )
            )
    return tuple(found)


def receivers(camera: Asked) -> tuple[Receiver, ...]:
    answer = ask(camera, "Receivers", RECEIVER, "GetReceivers")
    found = (Receiver(text(first(one, "Token")), text(first(one, "Mode")), text(first(one, "MediaUri")))
             for one in everyone(answer, "Receivers"))  # fmt: skip
    return tuple(one for one in found if one.token)


def osds(camera: Asked) -> tuple[Osd, ...]:
    for service in (MEDIA2, MEDIA1):
        answer = ask(camera, "Texts in the picture", service, "GetOSDs")
        found = tuple(osd_of(each) for each in everyone(answer, "OSDs"))
        if found:
            return found
    return ()


def osd_of(each: Any) -> Osd:
    """One OSD of GetOSDs. Its type "Text" is told by what the text is; the place by its name or its coordinates."""
    kind, string, place = own(each, "Type"), first(each, "TextString"), first(each, "Position")
    spot = first(place, "Pos")
    where = own(place, "Type") if place is not None else ""
    if where == "Custom" and spot is not None:
        where = f"{spot.get('x', '')} {spot.get('y', '')}"
    kind = (own(string, "Type") if string is not None else "") or kind
    plain = repaired(text(first(string, "PlainText")))
    return Osd(each.get("token", ""), text(first(each, "VideoSourceConfigurationToken")), kind, plain, where)


def repaired(said: str) -> str:
    """A name whose UTF-8 was read as Latin-1 or Windows-1251 on its way through the camera, put right (Frigate
    repairs Reolink's the same way); anything else as it is. Real words of those alphabets are never valid UTF-8."""
    if said.isascii():
        return said
    for charset in ("latin-1", "cp1252", "cp1251"):
        try:
            return said.encode(charset).decode("utf-8")
        except UnicodeError:
            continue
    return said


def flat(element: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Every leaf with its path of names: ("Exposure/Mode", "AUTO"). Several of one name are one, in one line."""
    values: dict[str, list[str]] = {}
    for node, where in _leaves(element, path):
        values.setdefault(where, []).append(text(node))
    return ((where, " ".join(filter(None, said))) for where, said in values.items())


def _leaves(element: Any, path: str) -> Iterator[tuple[Any, str]]:
    for child in element:
        name = reply.local(child)
        if name:
            here = f"{path}/{name}" if path else name
            yield from _leaves(child, here) if len(child) else iter([(child, here)])


def _flat_in(answer: Any, name: str) -> tuple[tuple[str, str], ...]:
    inside = first(answer, name)
    return () if answer is None else tuple(flat(answer if inside is None else inside))


def _job_state(camera: Asked, token: str) -> str:
    try:
        states = every(camera.ask(RECORDING, "GetRecordingJobState", JobToken=token), "State")
        return next(filter(None, map(text, states)), "")  # an element State holds the State of the job
    except CameraError as error:
        if error.permanent:
            raise
        return ""  # an extra of the job: its mode is known


def _items(answer: Any, item: str, token: str) -> list[Any]:
    """The entries of a list; for a camera that leaves the entries' wrapper out, each token's neighbourhood."""
    found = list(everyone(answer, item))
    return found or [parent for node in everyone(answer, token) if (parent := node.getparent()) is not None]


def everyone(element: Any, name: str) -> Iterator[Any]:
    return every(element, name) if element is not None else iter(())


def own(element: Any, name: str) -> str:
    """The text of a child of this name, not of a deeper one."""
    return text(next((node for node in element if reply.local(node) == name), None))


def is_yes(element: Any) -> bool:
    return text(element).lower() in ("true", "1", "on", "yes")
