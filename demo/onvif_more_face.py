"""What else a virtual camera keeps books of: its name and name servers, sound, metadata, modes of its lens, profiles
that were made, the card's recordings, receivers and rules. Tables and their answers; `furnish` of onvif_set_face puts
them into a face.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from xml.sax.saxutils import escape

from demo.onvif_face import Face
from demo.onvif_soap import said, told


@dataclass(slots=True)
class More:
    """`protocols`: name to (on, port)."""

    hostname: str = ""
    dns: list[str] = field(default_factory=lambda: ["127.0.0.53"])
    protocols: dict[str, tuple[bool, int]] = field(default_factory=dict)


def more_answers(face: Face, more: More) -> dict[str, Callable[[Any], str]]:
    """Operation to answer."""
    more.hostname = more.hostname or face.subject.config.id
    more.protocols |= {"HTTP": (True, int(face.base.rpartition(":")[2])), "HTTPS": (False, 443)}
    return _network(more)


def _network(more: More) -> dict[str, Callable[[Any], str]]:
    def hostname(request: Any) -> str:
        return told("GetHostname", request, "<r:HostnameInformation><tt:FromDHCP>false</tt:FromDHCP>"
                    f"<tt:Name>{escape(more.hostname)}</tt:Name></r:HostnameInformation>")  # fmt: skip

    def set_hostname(request: Any) -> str:
        more.hostname = said(request, "Name")
        return told("SetHostname", request)

    def dns(request: Any) -> str:
        servers = "".join("<tt:DNSManual><tt:Type>IPv4</tt:Type><tt:IPv4Address>"
                          f"{one}</tt:IPv4Address></tt:DNSManual>" for one in more.dns)  # fmt: skip
        return told("GetDNS", request,
                    f"<r:DNSInformation><tt:FromDHCP>false</tt:FromDHCP>{servers}</r:DNSInformation>")  # fmt: skip

    def set_dns(request: Any) -> str:
        more.dns[:] = [node.text for node in request.iter() if node.tag.endswith("}IPv4Address") and node.text]
        return told("SetDNS", request)

    def protocols(request: Any) -> str:
        return told("GetNetworkProtocols", request, "".join(
            f"<r:NetworkProtocols><tt:Name>{name}</tt:Name><tt:Enabled>{str(on).lower()}</tt:Enabled>"
            f"<tt:Port>{port}</tt:Port></r:NetworkProtocols>" for name, (on, port) in more.protocols.items()
        ))  # fmt: skip

    def set_protocols(request: Any) -> str:
        more.protocols[said(request, "Name")] = (said(request, "Enabled") == "true", int(said(request, "Port")))
        return told("SetNetworkProtocols", request)

    return {"GetHostname": hostname, "SetHostname": set_hostname, "GetDNS": dns, "SetDNS": set_dns,
            "GetNetworkProtocols": protocols, "SetNetworkProtocols": set_protocols}  # fmt: skip
