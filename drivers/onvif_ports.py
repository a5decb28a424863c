"""Finds the port a camera speaks ONVIF on, when nobody said one and what answers at port 80 is something else.

onvif.md, row 14: makers use ports of their own, and some answer at 80 with a fault that says nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit, urlunsplit

from drivers import onvif_request as request
from drivers.onvif_line import Line
from drivers.onvif_reply import DEVICE, CameraError, clock_of

USUAL_PORTS = (8000, 2020, 8899, 8080, 5000, 6688)  # Reolink, Tapo, XM, others
KNOCK_S = 1.5


def elsewhere(url: str, ports: Sequence[int], knock_s: float = KNOCK_S) -> str:
    """The device address that speaks ONVIF: `url` itself unless another port does and this one does not."""
    said = urlsplit(url)
    if said.port is not None or said.scheme != "http" or speaks(url, knock_s) is not False:
        return url
    host = f"[{said.hostname}]" if ":" in (said.hostname or "") else said.hostname
    others = (urlunsplit(said._replace(netloc=f"{host}:{port}")) for port in ports)
    return next((other for other in others if speaks(other, knock_s)), url)


def speaks(url: str, knock_s: float) -> bool | None:
    """Whether the clock can be asked there, or a password is wanted for it; None: nothing answers in time at all."""
    line = Line("", "", knock_s)
    try:
        action, envelope = request.write(DEVICE, "GetSystemDateAndTime", {})
        return clock_of(line.ask(url, action, lambda _signed: envelope, "GetSystemDateAndTimeResponse")) is not None
    except CameraError as error:
        return None if error.reason == "silent" else error.reason == "refused"
    finally:
        line.close()
