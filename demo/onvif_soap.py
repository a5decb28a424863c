"""What every part of a virtual camera's ONVIF face says alike: namespaces, envelopes, faults, the request at hand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

NAMESPACES = {
    "s": "http://www.w3.org/2003/05/soap-envelope",
    "tds": "http://www.onvif.org/ver10/device/wsdl",
    "trt": "http://www.onvif.org/ver10/media/wsdl",
    "tt": "http://www.onvif.org/ver10/schema",
    "ter": "http://www.onvif.org/ver10/error",
    "tev": "http://www.onvif.org/ver10/events/wsdl",
    "tptz": "http://www.onvif.org/ver20/ptz/wsdl",
    "tr2": "http://www.onvif.org/ver20/media/wsdl",
    "wsnt": "http://docs.oasis-open.org/wsn/b-2",
    "wsa": "http://www.w3.org/2005/08/addressing",
    "tns1": "http://www.onvif.org/ver10/topics",
}
SOAP_XML = "application/soap+xml; charset=utf-8"


class Fault(Exception):
    """A SOAP fault with its ONVIF subcode."""

    def __init__(self, status: int, subcode: str, reason: str) -> None:
        super().__init__(reason)
        self.status, self.subcode, self.reason = status, subcode, reason


class HangUp(Exception):
    """The camera closes the connection instead of answering."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The request that is being answered: its operation, path and whole envelope."""

    operation: str
    path: str
    envelope: Any


def envelope(body: str) -> bytes:
    """A SOAP 1.2 envelope around a body."""
    spaces = " ".join(f'xmlns:{prefix}="{uri}"' for prefix, uri in NAMESPACES.items())
    return f'<?xml version="1.0" encoding="UTF-8"?><s:Envelope {spaces}><s:Body>{body}</s:Body></s:Envelope>'.encode()


def fault_body(fault: Fault) -> str:
    side = "s:Receiver" if fault.status == 500 else "s:Sender"
    return (
        f"<s:Fault><s:Code><s:Value>{side}</s:Value><s:Subcode><s:Value>{fault.subcode}</s:Value></s:Subcode></s:Code>"
        f'<s:Reason><s:Text xml:lang="en">{fault.reason}</s:Text></s:Reason></s:Fault>'
    )


def said(request: Any, name: str) -> str:
    """The text of the first element of this name in a request, "" when there is none."""
    found = next((node for node in request.iter() if node.tag.rpartition("}")[2] == name), None)
    return "" if found is None else (found.text or "").strip()


def told(operation: str, request: Any, inside: str = "") -> str:
    """An answer in the namespace it was asked in, prefix r; empty it only says yes."""
    return f'<r:{operation}Response xmlns:r="{request.tag[1:].partition("}")[0]}">{inside}</r:{operation}Response>'
