"""WS-Discovery for the virtual cameras: answers probes on 239.255.255.250:3702 (loopback included).

A machine without multicast gets a line on standard error and cameras that are reached by address only.
"""

from __future__ import annotations

import re
import socket
import struct
import sys
import threading
import uuid
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from demo.onvif_face import Face

GROUP, PORT = "239.255.255.250", 3702
_KINDS = {"NetworkVideoTransmitter", "Device"}


def start_discovery(faces: list[Face], asker: str = "127.0.0.1") -> bool:
    """Answer probes from a thread; False, with a line on standard error, when multicast is not to be had.

    Only `asker`, an address of the loopback network, is answered: tests that run side by side search from addresses of
    their own and do not find each other's cameras.
    """
    try:
        listener = _listen()
    except OSError as error:
        print(f"cameras: no WS-Discovery here, multicast is unavailable: {error}", file=sys.stderr)
        return False
    threading.Thread(target=_serve, args=(listener, faces, asker), name="discovery", daemon=True).start()
    return True


def _listen() -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_UDP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((GROUP, PORT))
    # On loopback only: virtual cameras are nobody else's business.
    listener.setsockopt(
        socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, struct.pack("4s4s", *map(socket.inet_aton, (GROUP, "127.0.0.1")))
    )
    return listener


def _serve(listener: socket.socket, faces: list[Face], asker: str) -> None:
    while True:
        data, sender = listener.recvfrom(65535)
        if sender[0] != asker:
            continue
        probe = data.decode("utf-8", "replace")
        message = re.search(r"<(?:\w+:)?MessageID[^>]*>\s*([^<\s]+)", probe)
        kinds = re.search(r"<(?:\w+:)?Types[^>]*>\s*([^<]*)", probe)
        wanted = {kind.rpartition(":")[2] for kind in kinds.group(1).split()} if kinds else set()
        if "Probe" not in probe or message is None or not wanted <= _KINDS:
            continue
        for face in faces:
            if face.subject.gone:
                continue
            try:
                listener.sendto(_match(face, message.group(1)), sender)
            except OSError as error:  # the asker is gone, or its network is
                print(f"cameras: a discovery answer was not sent: {error}", file=sys.stderr)


def _match(face: Face, relates_to: str) -> bytes:
    return (
        '<?xml version="1.0" encoding="UTF-8"?><s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"'
        ' xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing"'
        ' xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery"'
        ' xmlns:dn="http://www.onvif.org/ver10/network/wsdl" xmlns:tds="http://www.onvif.org/ver10/device/wsdl">'
        f"<s:Header><a:MessageID>urn:uuid:{uuid.uuid4()}</a:MessageID><a:RelatesTo>{relates_to}</a:RelatesTo>"
        "<a:To>http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous</a:To>"
        "<a:Action>http://schemas.xmlsoap.org/ws/2005/04/discovery/ProbeMatches</a:Action></s:Header><s:Body>"
        f"<d:ProbeMatches><d:ProbeMatch><a:EndpointReference><a:Address>{face.endpoint}</a:Address>"
        "</a:EndpointReference><d:Types>dn:NetworkVideoTransmitter tds:Device</d:Types>"
        f"<d:Scopes>{' '.join(face.scopes())}</d:Scopes><d:XAddrs>{face.xaddrs}</d:XAddrs>"
        "<d:MetadataVersion>1</d:MetadataVersion></d:ProbeMatch></d:ProbeMatches></s:Body></s:Envelope>"
    ).encode()
