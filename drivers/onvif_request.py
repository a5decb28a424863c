"""Writes what is asked of an ONVIF camera: SOAP envelopes built by zeep from WSDL files.

The files are those that onvif-zeep carries, and our own for Media2, which it lacks, and for Analytics, where its is
old. Its ONVIFCamera is never made and its `onvif` module never imported: it subscribes in the constructor, has no time
limit and sets up logging (decisions/005-onvif.md).
"""

from __future__ import annotations

import functools
import importlib.metadata
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from lxml import etree
from zeep import Settings
from zeep.transports import Transport
from zeep.wsdl import Document
from zeep.wsse.username import UsernameToken

from drivers.onvif_reply import (
    ANALYTICS,
    DEVICE,
    DEVICEIO,
    EVENTS,
    IMAGING,
    MEDIA1,
    MEDIA2,
    PTZ,
    RECEIVER,
    RECORDING,
    REPLAY,
    SEARCH,
)

WSDLS = {
    DEVICE: ("devicemgmt.wsdl", "DeviceBinding"),
    MEDIA1: ("media.wsdl", "MediaBinding"),
    MEDIA2: ("onvif_media2.wsdl", "Media2Binding"),
    PTZ: ("ptz.wsdl", "PTZBinding"),
    IMAGING: ("imaging.wsdl", "ImagingBinding"),
    EVENTS: ("events.wsdl", "EventBinding"),
    DEVICEIO: ("deviceio.wsdl", "DeviceIOBinding"),
    RECORDING: ("recording.wsdl", "RecordingBinding"),
    SEARCH: ("search.wsdl", "SearchBinding"),
    REPLAY: ("replay.wsdl", "ReplayBinding"),
    RECEIVER: ("receiver.wsdl", "ReceiverBinding"),
    ANALYTICS: ("onvif_analytics.wsdl", "AnalyticsBinding"),
}
OWN = (MEDIA2, ANALYTICS)
KEPT = 256  # written questions kept for all cameras of a process; a camera read whole is some 40


def write(service: str, operation: str, arguments: Mapping[str, Any]) -> tuple[str, bytes]:
    """The SOAP action and the envelope, unsigned. Questions are kept as written; what sets something never is."""
    if operation.startswith("Get"):
        return _kept(service, operation, json.dumps(arguments, sort_keys=True))
    return _written(service, operation, arguments)


def signed(envelope: bytes, user: str, password: str, at_s: float) -> bytes:
    """The envelope with a new WS-UsernameToken, in the camera's time `at_s`, ending in Z (onvif.md, rows 3 and 4)."""
    created = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=int(at_s))
    token = UsernameToken(user, password, use_digest=True, zulu_timestamp=True, created=created)  # type: ignore[no-untyped-call]
    element = etree.fromstring(envelope)
    token.apply(element, {})  # type: ignore[no-untyped-call]
    written: bytes = etree.tostring(element, xml_declaration=True, encoding="UTF-8")
    return written


@functools.lru_cache(KEPT)
def _kept(service: str, operation: str, arguments: str) -> tuple[str, bytes]:
    return _written(service, operation, json.loads(arguments))


def _written(service: str, operation: str, arguments: Mapping[str, Any]) -> tuple[str, bytes]:
    asked = _binding(service).get(operation)
    # Not by zeep's Client: it wants a port (recording.wsdl has none), and adds headers that some cameras choke on.
    written: bytes = etree.tostring(asked.create(**arguments).content, xml_declaration=True, encoding="UTF-8")
    return asked.soapaction or "", written


@functools.cache
def _binding(namespace: str) -> Any:
    """A parsed WSDL is read only and costs many megabytes: one for all cameras of a process (onvif.md, decision 3)."""
    wsdl, name = WSDLS[namespace]
    folder = Path(__file__).parent if namespace in OWN else _wsdl_folder()
    settings = Settings(strict=False, xml_huge_tree=True)
    files = Transport()  # type: ignore[no-untyped-call]
    document = Document(str(folder / wsdl), files, settings=settings)  # type: ignore[arg-type]
    return document.bindings[f"{{{namespace}}}{name}"]


@functools.cache
def _wsdl_folder() -> Path:
    """Where onvif-zeep put its WSDL files, by the package's own record: its code guesses, and misses in a venv."""
    for file in importlib.metadata.files("onvif-zeep") or ():
        if file.name == "devicemgmt.wsdl":
            return Path(str(file.locate())).parent
    raise RuntimeError("onvif-zeep is installed without its WSDL files")
